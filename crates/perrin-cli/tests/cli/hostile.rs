//! Runs whose names and reasons are anybody's: every command reads them, and nothing in them acts
//! on the reader.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::synthetic::{SyntheticRun, USUAL_SGD};
use perrin::record::{Event, EventKind, OptimizerInfo, ParameterInfo, RunInfo};
use perrin::run::RunWriter;

fn perrin<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin")).args(arguments).output().unwrap()
}

/// A run of this optimizer, in a folder of this name.
fn run(parent: &Path, name: &str, optimizer: &str) -> PathBuf {
    let drawn =
        SyntheticRun { parameters: USUAL_SGD, eigenvalues: vec![2.0, 0.5], rows: 400, seed: 7 };
    let optimizer = OptimizerInfo { name: Some(optimizer.to_owned()), ..OptimizerInfo::default() };
    let writer =
        RunWriter::create(parent.join(name), &RunInfo { optimizer, ..drawn.info() }, Vec::new())
            .unwrap();
    drawn.draw(writer, 2, |_, _| true);
    parent.join(name)
}

#[test]
fn text_that_is_not_ascii_is_wrapped_where_letters_end() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    // The last byte of the line is inside a letter.
    let inclusive = format!("{}é{}", "x".repeat(68), " tail".repeat(10));
    let names = [&"ö漢字".repeat(60), &"über 👩\u{200d}👧 ".repeat(40), &inclusive];
    for (index, name) in names.into_iter().enumerate() {
        let run = run(folder.path(), &format!("{index} größe 漢字"), name);
        let run = run.as_os_str();
        let commands: [&[&OsStr]; 3] = [
            &["sweep".as_ref(), run, run],
            &["report".as_ref(), run, "-o".as_ref(), page.as_ref()],
            &["watch".as_ref(), run, "--once".as_ref()],
        ];
        for command in commands {
            let output = perrin(command);
            assert!(
                output.status.success(),
                "{command:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let text = String::from_utf8(perrin(&["fit".as_ref(), run]).stdout).unwrap();
        let without_spaces = |text: &str| text.replace(char::is_whitespace, "");
        assert!(without_spaces(&text).contains(&without_spaces(name)), "{text}");
    }
}

/// Sets a terminal's title and colour, turns text around, and would be a line of its own that says
/// that all is well.
const EVIL: &str = "evil\u{1b}]0;pwned\u{7}\u{1b}[31m\u{9b}32m\u{202e}txt.exe\u{2066}\r\nfinished  all is well\u{7f}\u{200f}";

/// A run with this in every place that holds text.
fn hostile(parent: &Path) -> PathBuf {
    let drawn =
        SyntheticRun { parameters: USUAL_SGD, eigenvalues: vec![2.0, 0.5], rows: 400, seed: 7 };
    let text = || EVIL.to_owned();
    let parameter =
        ParameterInfo { name: text(), shape: vec![2], kind: text(), device: text(), group: None };
    let info = RunInfo {
        optimizer: OptimizerInfo { name: Some(text()), ..OptimizerInfo::default() },
        created: text(),
        perrin_version: text(),
        parameters: vec![parameter],
        ..drawn.info()
    };
    let path = parent.join(EVIL);
    let mut writer = RunWriter::create(&path, &info, Vec::new()).unwrap();
    let kinds = [
        EventKind::OutsideWrite { parameters: vec![text()], displacement_squared: None, count: 1 },
        EventKind::NonFinite {
            local_displacement_squared: text(),
            global_displacement_squared: text(),
        },
        EventKind::ParametersAdded { parameters: vec![text()] },
        EventKind::EigenvectorsNotKept { basis: 0, reason: text() },
        EventKind::Interrupted { reason: text(), seconds: 1.0, events_lost: 0 },
        EventKind::Stopped { reason: text() },
    ];
    for kind in kinds {
        writer.event(&Event { step: 401, elapsed_seconds: 1.0, kind }).unwrap();
    }
    drawn.draw(writer, 2, |_, _| true);
    path
}

/// Panics if something in what was printed acts on its reader, or is a line that the program did
/// not mean.
fn assert_harmless(printed: &[u8], of: &str) {
    let text = std::str::from_utf8(printed).unwrap();
    let acts = |character: char| {
        (character.is_control() && character != '\n' && character != '\t')
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(acts), "{of}: {text:?}");
    // An end of a line in a page is a space.
    let forged = text.lines().any(|line| line.starts_with("finished  all is well"));
    assert!(!forged || text.starts_with("<!DOCTYPE html>"), "{of}: {text}");
}

#[test]
fn nothing_from_a_run_acts_on_who_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = hostile(folder.path());
    let (page, figures) = (folder.path().join("page.html"), folder.path().join("figures"));
    let (missing, damaged) = (run.join("none"), folder.path().join(format!("{EVIL}2")));
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("run.json"), "[1, 2]").unwrap();
    let run = run.as_os_str();
    let (page, figures) = (page.as_os_str(), figures.as_os_str());
    let several = [run, run, damaged.as_os_str(), page];
    let all = [
        "fit",
        "sweep",
        "check",
        "ls",
        "watch --once",
        "report --figures FIGURES --output PAGE",
        "compact",
        "recover",
    ];
    let json = ["fit --json", "sweep --json", "check --json", "ls --json", "watch --once --json"];
    let mut commands: Vec<(&str, &[&OsStr])> = Vec::new();
    commands.extend(all.iter().chain(&json).map(|command| (*command, &several[..1])));
    commands.extend(
        ["sweep", "check", "report --output PAGE", "fit"].map(|command| (command, &several[..])),
    );
    let others = [[missing.as_os_str()], [damaged.as_os_str()], [folder.path().as_os_str()]];
    commands.extend(
        others
            .iter()
            .flat_map(|other| ["fit", "watch --once", "ls"].map(|command| (command, &other[..]))),
    );
    for (command, runs) in commands {
        let word = |word| match word {
            "FIGURES" => figures,
            "PAGE" => page,
            word => OsStr::new(word),
        };
        let command: Vec<&OsStr> =
            command.split(' ').map(word).chain(runs.iter().copied()).collect();
        let output = perrin(&command);
        assert_harmless(&output.stdout, &format!("{command:?}"));
        assert_harmless(&output.stderr, &format!("{command:?}"));
    }
    assert_harmless(&fs::read(page).unwrap(), "the page");
    for figure in fs::read_dir(figures).unwrap() {
        let figure = figure.unwrap().path();
        assert_harmless(&fs::read(&figure).unwrap(), &figure.display().to_string());
    }
    // A name in JSON is the name.
    let json: serde_json::Value =
        serde_json::from_slice(&perrin(&["fit".as_ref(), run, "--json".as_ref()]).stdout).unwrap();
    assert_eq!(json["optimizer"]["name"], EVIL);
}

#[cfg(unix)]
#[test]
fn links_in_the_way_of_a_report_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), "run", "sgd");
    let mine = folder.path().join("mine");
    fs::write(&mine, "mine").unwrap();
    let figures = folder.path().join("figures");
    fs::create_dir(&figures).unwrap();
    let planted = [
        run.join("report.html.partial"),
        run.join(".report.html.partial"),
        figures.join("local_displacement.svg"),
        figures.join("local_displacement.svg.partial"),
        figures.join("local_displacement.csv"),
    ];
    planted.iter().for_each(|link| std::os::unix::fs::symlink(&mine, link).unwrap());
    let arguments = ["report".as_ref(), run.as_os_str(), "--figures".as_ref(), figures.as_os_str()];
    let output = perrin(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    for written in [
        run.join("report.html"),
        figures.join("local_displacement.svg"),
        figures.join("local_displacement.csv"),
    ] {
        assert!(written.symlink_metadata().unwrap().is_file(), "{}", written.display());
    }
    // A page that is a link to something else is not ours to replace.
    fs::remove_file(run.join("report.html")).unwrap();
    std::os::unix::fs::symlink(&mine, run.join("report.html")).unwrap();
    assert!(!perrin(&arguments).status.success());
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    // Nothing is left beside them.
    let left = fs::read_dir(&figures).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".perrin-")
    });
    assert_eq!(left.count(), 0);
}

/// All that the program says goes through one door; `watch` draws its screen itself.
#[test]
fn only_the_door_writes_to_the_terminal() {
    let mut waiting = vec![
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("crates/perrin-cli/src"),
    ];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        seen += 1;
        if path.ends_with("output.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for word in [
            "println!",
            "print!(",
            "eprint",
            "stdout().write",
            "stderr().",
            "stdout().lock",
            "writeln!(stdout",
        ] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
    assert!(seen > 15, "the test does not see the sources");
}
