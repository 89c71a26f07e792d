//! What a source file imports: the files of this crate that its `use` lines and paths name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The source files of a crate: module path (`["run", "writer"]`, the root is empty) to what each
/// imports.
pub struct Crate {
    /// For each module with a file of its own, the modules that its code names. Tests in the file
    /// are left out.
    pub imports: BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
    /// For each folder, the names of its modules in groups, as `mod.rs` parts them by blank lines.
    pub groups: BTreeMap<Vec<String>, Vec<Vec<String>>>,
}

impl Crate {
    /// Reads all files below `source`, the folder of `lib.rs`.
    pub fn read(source: &Path) -> Crate {
        let mut texts = BTreeMap::new();
        collect(source, &mut Vec::new(), &mut texts);
        let modules: BTreeSet<Vec<String>> = texts.keys().cloned().collect();
        let imports = texts
            .iter()
            .map(|(module, text)| {
                let named =
                    paths(text).into_iter().filter_map(|path| resolve(module, &path, &modules));
                (module.clone(), named.filter(|other| other != module).collect())
            })
            .collect();
        let groups =
            texts.iter().map(|(module, text)| (module.clone(), module_groups(text))).collect();
        Crate { imports, groups }
    }
}

fn collect(folder: &Path, module: &mut Vec<String>, texts: &mut BTreeMap<Vec<String>, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name == "bin" {
                continue;
            }
            module.push(name);
            collect(&path, module, texts);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut module = module.clone();
            if !["lib", "main", "mod"].contains(&name.as_str()) {
                module.push(name);
            }
            texts.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The paths that begin with `crate`, `super` or `self` in the code before the file's tests.
pub fn paths(text: &str) -> BTreeSet<Vec<String>> {
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let without_comments =
        before_tests.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code: String = without_comments.collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '$')) {
                expand(&code[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Reads one path, or a tree of them in braces; the rest of the text behind it.
fn expand<'a>(
    text: &'a str,
    before: &mut Vec<String>,
    found: &mut BTreeSet<Vec<String>>,
) -> &'a str {
    let depth = before.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = expand(rest, before, found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            rest = rest.strip_prefix('}').unwrap_or(rest);
            break;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end == 0 {
            // `*`, or the end of a path.
            rest = rest.strip_prefix('*').unwrap_or_else(|| rest.get(1..).unwrap_or_default());
            found.insert(before.clone());
            break;
        }
        before.push(rest[..end].to_owned());
        rest = &rest[end..];
        let Some(next) = rest.strip_prefix("::") else {
            found.insert(before.clone());
            let renamed = rest.trim_start().strip_prefix("as ");
            rest = renamed.map_or(rest, |name| {
                name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            });
            break;
        };
        rest = next;
    }
    before.truncate(depth);
    rest
}

/// The module with a file that a path leads to, seen from `module`.
fn resolve(
    module: &[String],
    path: &[String],
    modules: &BTreeSet<Vec<String>>,
) -> Option<Vec<String>> {
    let mut place = module.to_vec();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => (place, rest) = (Vec::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        _ => {}
    }
    while let Some(("super", more)) = rest.split_first().map(|(first, more)| (first.as_str(), more))
    {
        place.pop()?;
        rest = more;
    }
    for name in rest {
        place.push(name.clone());
        if !modules.contains(&place) {
            place.pop();
            break;
        }
    }
    modules.contains(&place).then_some(place)
}

/// The names after `mod`, in groups parted by blank lines or comments.
fn module_groups(text: &str) -> Vec<Vec<String>> {
    let mut groups = vec![Vec::new()];
    for line in text.lines() {
        let line = line.trim();
        let name =
            line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod ");
        match name.and_then(|name| name.strip_suffix(';')) {
            Some(name) => groups.last_mut().unwrap().push(name.to_owned()),
            None if line.starts_with("#[") => {}
            None if groups.last().is_some_and(|group| !group.is_empty()) => groups.push(Vec::new()),
            None => {}
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}
