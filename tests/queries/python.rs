//! The Python that `make python` provides.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command of the interpreter that has the packages of scripts/requirements.txt, to run a script
/// of `tests`.
///
/// # Panics
/// When there is none: `make python` makes one.
pub fn script(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let asked =
        Command::new("python3").arg(root.join("scripts/provide-python.py")).arg("--where").output();
    let asked = asked.expect("python3 is needed: other programs read the log too");
    assert!(
        asked.status.success(),
        "no Python with the packages of scripts/requirements.txt: run `make python`\n{}",
        String::from_utf8_lossy(&asked.stderr)
    );
    let mut command = Command::new(String::from_utf8(asked.stdout).unwrap().trim_end());
    command.arg(root.join("tests").join(name));
    command
}

/// Gives a command its standard input and returns its standard output as JSON.
pub fn answer(command: &mut Command, input: &serde_json::Value) -> serde_json::Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
