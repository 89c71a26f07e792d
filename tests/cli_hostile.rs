//! Runs whose names and reasons are anybody's: every command reads them, and nothing in them acts on the reader.

#[path = "common/synthetic.rs"]
mod synthetic;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use perrin::log::RunWriter;
use perrin::record::{OptimizerInfo, RunInfo};
use perrin::theory::parameters::SgdParameters;
use synthetic::SyntheticRun;

const SGD: SgdParameters =
    SgdParameters { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, batch_size: 32.0, noise_scale: 2.0 };

fn perrin<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin")).args(arguments).output().unwrap()
}

/// A run of this optimizer, in a folder of this name.
fn run(parent: &Path, name: &str, optimizer: &str) -> PathBuf {
    let drawn = SyntheticRun { parameters: SGD, eigenvalues: vec![2.0, 0.5], rows: 400, seed: 7 };
    let optimizer = OptimizerInfo { name: Some(optimizer.to_owned()), ..OptimizerInfo::default() };
    let writer = RunWriter::create(parent.join(name), &RunInfo { optimizer, ..drawn.info() }, Vec::new()).unwrap();
    drawn.draw(writer, 2, |_, _| true);
    parent.join(name)
}

#[test]
fn text_that_is_not_ascii_is_wrapped_where_letters_end() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    // The last byte of the line is inside a letter.
    let inclusive = format!("{}é{}", "x".repeat(68), " tail".repeat(10));
    let names = [&"ö".repeat(120), &"漢字".repeat(60), &"👩\u{200d}👧".repeat(40), &"über ".repeat(40), &inclusive];
    for (index, name) in names.into_iter().enumerate() {
        let run = run(folder.path(), &format!("{index} größe 漢字"), name);
        let run = run.as_os_str();
        let commands: [&[&OsStr]; 5] = [
            &["fit".as_ref(), run],
            &["sweep".as_ref(), run, run],
            &["report".as_ref(), run, "-o".as_ref(), page.as_ref()],
            &["watch".as_ref(), run, "--once".as_ref()],
            &["check".as_ref(), run],
        ];
        for command in commands {
            let output = perrin(command);
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(perrin(&["fit".as_ref(), run]).stdout).unwrap();
        let without_spaces = |text: &str| text.replace(char::is_whitespace, "");
        assert!(without_spaces(&text).contains(&without_spaces(name)), "{text}");
    }
}
