//! The program's commands in README.md work as they are typed, on what `make demo` leaves.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::synthetic::SyntheticRun;
use perrin::theory::parameters::SgdParameters;

#[test]
fn commands_work_as_typed() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("examples/data");
    fs::create_dir_all(&data).unwrap();
    fs::copy(root.join("examples/data/settings.json"), data.join("settings.json")).unwrap();
    let parameters = SgdParameters {
        learning_rate: 0.02,
        momentum: 0.9,
        weight_decay: 1e-3,
        batch_size: 64.0,
        noise_scale: 1.0,
    };
    let demo = SyntheticRun { parameters, eigenvalues: vec![2.0, 0.5], rows: 2000, seed: 1 };
    demo.write(&folder.path().join("runs/digits-1"));

    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let block = |line: &&str| line.starts_with("perrin ") && !line.contains(" = ");
    let commands: Vec<&str> =
        readme.lines().filter(block).map(|line| line.split('#').next().unwrap()).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let mut words: Vec<&str> = command.split_whitespace().skip(1).collect();
        if words[0] == "watch" {
            // A test has no terminal.
            words.push("--once");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_perrin"))
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{command}");
    }
    assert!(folder.path().join("runs/digits-1/report.html").exists());
}
