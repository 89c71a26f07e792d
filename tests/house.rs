//! The house stands: imports run downwards, and areas on one floor leave each other alone (docs/design.md).

use std::fs;
use std::path::{Path, PathBuf};

/// Area and the areas of this crate it may import. `error` may be imported by all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("printable", &[]),
    ("record", &[]),
    ("variables", &["record"]),
    ("numeric", &[]),
    ("theory", &[]),
    ("log", &["record"]),
    ("recorder", &["record", "log"]),
    ("observe", &["record", "variables", "log", "recorder", "numeric", "theory"]),
    ("curvature", &["record", "variables", "log", "numeric"]),
    ("analysis", &["printable", "record", "log", "numeric", "theory"]),
    ("report", &["printable", "record", "log", "numeric", "theory", "analysis"]),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The areas that code of `text` names as `crate::area`.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| {
        line.match_indices("crate::").map(|(start, found)| line[start + found.len()..].to_owned()).collect::<Vec<_>>()
    });
    after.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn imports_run_downwards() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    assert!(files.len() > 20, "the test does not see the sources");
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        let area = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if area == "lib" || area == "bin" {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == area) else {
            panic!("{area} is in no row of the table; add it here and to docs/design.md");
        };
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            if import != area && import != "error" && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_test_sees_a_wrong_import() {
    assert_eq!(imports("use crate::log::Run;\n// crate::theory\nfn f() { crate::observe::g() }"), ["log", "observe"]);
}
