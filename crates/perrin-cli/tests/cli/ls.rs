//! `perrin ls`, as a user runs it, and what other commands say of folders of runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use crate::common::{rows, writer};
use perrin::record::{Event, EventKind};

fn perrin(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin")).args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn end(run: &Path, last: u64, kind: EventKind) {
    let mut writer = writer(run);
    writer.append(&rows(1..last + 1)).unwrap();
    writer.event(&Event { step: last + 1, elapsed_seconds: 1.0, kind }).unwrap();
    writer.close().unwrap();
}

/// As if nothing had been written for an hour.
fn age(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        }
    }
}

#[test]
fn runs_are_listed_with_their_state_however_deep_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    end(&at("done"), 1_000, EventKind::Finished { rows: 1_000, dropped: 0 });
    end(&at("lr=0.1/seed=3"), 5, EventKind::Stopped { reason: "the disk is full".to_owned() });
    let mut killed = writer(&at("gone"));
    killed.append(&rows(1..21)).unwrap();
    drop(killed);
    drop(writer(&at("größe 漢字")));
    age(folder.path());
    let mut growing = writer(&at("now"));
    growing.append(&rows(1..4)).unwrap();
    fs::create_dir(at("broken")).unwrap();
    fs::write(at("broken/run.json"), "{}").unwrap();
    fs::create_dir_all(at("lr=0.1/plots/old")).unwrap();
    fs::write(at("notes.txt"), "mine").unwrap();

    let output = perrin(&["ls"], folder.path());
    let (text, errors) = said(&output);
    assert!(output.status.success());
    let columns: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(columns[0], ["steps", "state", "loss", "size", "run"]);
    let loss = |step: f64| (0.1 * step).sin();
    let found: Vec<(&str, &str, &str)> =
        columns[1..7].iter().map(|row| (row[0], row[1], *row.last().unwrap())).collect();
    let expected = [
        ("-", "unreadable", "broken"),
        ("1,000", "finished", "done"),
        ("20", "killed", "gone"),
        ("-", "killed", "漢字"),
        ("5", "stopped", "lr=0.1/seed=3"),
        ("3", "growing", "now"),
    ];
    let mut sorted = expected;
    sorted.sort_by_key(|(.., name)| if *name == "漢字" { "größe" } else { name });
    assert_eq!(found, sorted);
    assert_eq!(
        text.lines().last().unwrap(),
        "6 runs: 1 growing, 1 finished, 1 stopped, 2 killed, 1 unreadable"
    );
    assert!(errors.starts_with("perrin: ./broken/run.json is damaged"), "{errors}");
    // Columns stand under each other: names begin where the head's does.
    let start = text.lines().next().unwrap().find("run").unwrap();
    assert!(
        text.lines()
            .take(7)
            .all(|line| line.is_char_boundary(start) && !line[start..].starts_with(' ')),
        "{text}"
    );

    let json: serde_json::Value =
        serde_json::from_slice(&perrin(&["ls", "--json"], folder.path()).stdout).unwrap();
    let done = json["runs"].as_array().unwrap().iter().find(|run| run["name"] == "done").unwrap();
    assert_eq!(
        (&done["last_step"], &done["state"], &done["error"]),
        (&1000.into(), &"finished".into(), &().into())
    );
    assert_eq!(done["last_loss"], loss(1000.0));
    let bytes = |path: &Path| -> u64 {
        let entries = [path.to_owned(), path.join("steps")]
            .into_iter()
            .flat_map(|folder| fs::read_dir(folder).unwrap());
        entries
            .map(|entry| entry.unwrap().metadata().unwrap())
            .filter(|file| file.is_file())
            .map(|file| file.len())
            .sum()
    };
    assert_eq!(done["bytes"], bytes(&at("done")));
}

#[test]
fn a_run_taken_up_again_is_not_finished_and_a_slow_one_grows_while_it_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let state = || {
        let json: serde_json::Value =
            serde_json::from_slice(&perrin(&["ls", "--json"], folder.path()).stdout).unwrap();
        json["runs"][0]["state"].as_str().unwrap().to_owned()
    };
    end(&run, 10, EventKind::Finished { rows: 10, dropped: 0 });
    assert_eq!(state(), "finished");
    let info = perrin::run::Run::open(&run).unwrap().info().clone();
    let (resumed, _) =
        perrin::run::RunWriter::resume(&run, &info, perrin::run::ResumeFrom::default()).unwrap();
    assert_eq!(state(), "growing");
    age(&run);
    // Where the operating system tells of locks.
    let told = fs::read_to_string("/proc/locks").is_ok_and(|locks| !locks.is_empty());
    assert_eq!(state(), if told { "growing" } else { "killed" });
    drop(resumed);
    assert_eq!(state(), "killed");
}

#[test]
fn a_folder_of_runs_is_no_run_and_its_runs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        end(&runs.join(name), 5, EventKind::Finished { rows: 5, dropped: 0 });
    }
    for command in [
        "fit",
        "check",
        "recover",
        "sweep",
        "report",
        "compact",
        "watch --once",
        "project -o x --eigenvectors x",
    ] {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.insert(1, "runs");
        let output = perrin(&words, folder.path());
        let (_, errors) = said(&output);
        if command.starts_with("project") {
            // The eigenvectors are read first.
            continue;
        }
        assert!(!output.status.success(), "{command}");
        let expected = "perrin: runs is no run, but holds 7: runs/a, runs/b, runs/c, runs/d, runs/e and 2 more; \
                        `perrin ls runs` lists them\n";
        assert_eq!(errors, expected, "{command}");
    }
    for name in ["b", "c", "d", "e", "f", "g"] {
        fs::remove_dir_all(runs.join(name)).unwrap();
    }
    let (_, errors) = said(&perrin(&["fit", "runs"], folder.path()));
    assert_eq!(errors, "perrin: runs is no run, but holds one: runs/a\n");
    let (text, _) = said(&perrin(&["ls", "runs/a"], folder.path()));
    assert!(text.contains("runs/a") && text.ends_with("1 run: 1 finished\n"), "{text}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert_eq!(said(&perrin(&["ls", "empty"], folder.path())).0, "no runs in empty\n");
    assert!(!perrin(&["ls", "nowhere"], folder.path()).status.success());
}

#[test]
fn what_stands_among_runs_is_told_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        end(&folder.path().join(name), 50, EventKind::Finished { rows: 50, dropped: 0 });
    }
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    fs::create_dir(folder.path().join("plots")).unwrap();
    for command in ["sweep", "report", "check", "compact"] {
        let output = perrin(&[command, "a", "b", "notes.txt", "plots"], folder.path());
        let (_, errors) = said(&output);
        assert!(output.status.success(), "{command}: {errors}");
        assert_eq!(
            errors,
            "perrin: notes.txt is no run: passed over\nperrin: plots is no run: passed over\n",
            "{command}"
        );
        // Nothing is there: a slip.
        let (_, errors) = said(&perrin(&[command, "a", "c"], folder.path()));
        assert!(errors.contains("no run at c"), "{command}: {errors}");
        let (_, errors) = said(&perrin(&[command, "plots", "notes.txt"], folder.path()));
        assert!(
            errors.ends_with("perrin: none of the 2 arguments is a run\n"),
            "{command}: {errors}"
        );
    }
}
