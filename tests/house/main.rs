//! The house stands: within every folder a file imports only from the groups of modules above its
//! own.
//!
//! `lib.rs` and each `mod.rs` declare their modules in groups, parted by blank lines, the lowest
//! floor first. A module may name modules of the groups before its own, what they are made of, and
//! nothing of its own group or a later one. So there are no circles, of files or of folders, and
//! the declarations are the plan.

mod imports;

use std::collections::BTreeMap;
use std::path::Path;

use imports::Crate;

/// Folders whose files still import each other in circles; they are held as wholes.
const NOT_YET: [&str; 1] = ["analysis"];

/// What a crate's imports do against the order of its declarations.
fn against_the_order(house: &Crate) -> Vec<String> {
    let mut wrong = Vec::new();
    for (module, imported) in &house.imports {
        for other in imported {
            let shared = module.iter().zip(other).take_while(|(one, two)| one == two).count();
            if shared == module.len() {
                // A folder's face names what is inside.
                continue;
            }
            if shared > 0 && NOT_YET.contains(&module[0].as_str()) {
                continue;
            }
            let (from, to) = (module.join("/"), other.join("/"));
            if shared == other.len() {
                wrong.push(format!("{from} imports {to}/mod.rs, the folder that it is in"));
                continue;
            }
            let floors: BTreeMap<&str, usize> = house.groups[&module[..shared]]
                .iter()
                .enumerate()
                .flat_map(|(floor, group)| group.iter().map(move |name| (name.as_str(), floor)))
                .collect();
            let floor = |name: &String| floors.get(name.as_str()).copied();
            if floor(&other[shared]) >= floor(&module[shared]) {
                wrong.push(format!("{from} imports {to}, which is not of an earlier group"));
            }
        }
    }
    wrong
}

#[test]
fn imports_run_one_way() {
    let house = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(house.imports.len() > 100, "the test does not see the sources");
    let wrong = against_the_order(&house);
    assert!(wrong.is_empty(), "{} imports against the order:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn wrong_imports_are_seen() {
    let house = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/crooked"));
    assert_eq!(
        against_the_order(&house),
        [
            "low imports high, which is not of an earlier group",
            "room/door imports room/mod.rs, the folder that it is in",
            "room/door imports room/window, which is not of an earlier group",
            "room/window imports high, which is not of an earlier group",
        ]
    );
}
