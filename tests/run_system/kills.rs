//! A process that writes a log is killed with SIGKILL, again and again, at any moment: while it
//! appends, finishes and renames segments, merges them, and while it recovers what the last kill
//! left. Every row whose append had returned is there exactly once, in order, bit by bit.
//!
//! The environment variable `PERRIN_KILLS` asks for more than the usual 20 kills.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{assert_rows_equal, compact_at_once, info, read_rows};
use crate::recorded::{record, recorded, start_and_tell};
use perrin::Error;
use perrin::record::EventKind;
use perrin::run::{ResumeFrom, Run, RunWriter, check};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const RUN: &str = "PERRIN_TEST_KILLED_RUN";
const WAY: &str = "PERRIN_TEST_KILLED_WAY";

/// A run is given up for a new one after so many kills, because all of it is read after each.
const KILLS_A_RUN: u64 = 8;

/// How long a child lives at most, in microseconds: it starts, recovers and writes a few dozen
/// segments meanwhile.
const LONGEST_LIFE: u64 = 100_000;

fn kills() -> u64 {
    std::env::var("PERRIN_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(20)
}

/// What the parent hears, also after a kill: a pipe keeps what was written to it.
fn tell(last_step: u64) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("appended {last_step}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// Not a test but the child: it begins a run or resumes it, and writes until it is killed.
#[test]
fn child() {
    let Ok(directory) = std::env::var(RUN) else { return };
    let directory = Path::new(&directory);
    let way = std::env::var(WAY).unwrap();
    if way == "compact" && directory.join("run.json").exists() {
        compact_at_once(directory).unwrap();
    }
    let (mut writer, step) = match RunWriter::resume(directory, &info(), ResumeFrom::default()) {
        Ok((writer, resumed)) => (writer, resumed.step),
        Err(Error::NoSuchRun { .. }) => {
            (RunWriter::create(directory, &info(), Vec::new()).unwrap(), 0)
        }
        Err(error) => panic!("{error}"),
    };
    if way == "recorder" {
        let mut recorder = start_and_tell(writer, directory, tell);
        let mut first = step + 1;
        loop {
            record(&mut recorder, first..first + 1_000);
            first += 1_000;
        }
    }
    for block in 0_u64.. {
        if way == "compact" && block == 40 {
            writer.close().unwrap();
            compact_at_once(directory).unwrap();
            return child();
        }
        let first = step + 5 * block + 1;
        writer.append(&recorded(first..first + 5)).unwrap();
        tell(first + 4);
        // A segment of every third block.
        writer.roll_if_due(Duration::from_secs(block / 3 * 1_000)).unwrap();
    }
}

/// Lets a child live for so long, from its start or from its first rows on, kills it, and returns
/// the last step that it told of.
fn kill_one(directory: &Path, way: &str, from_first_rows: bool, life: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kills::child", "--exact", "--nocapture"])
        .envs([(RUN, directory.as_os_str()), (WAY, way.as_ref())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    while from_first_rows && !told.contains("appended") {
        assert!(out.read_line(&mut told).unwrap() > 0, "the child ended by itself: {told}");
    }
    std::thread::sleep(life);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    out.read_to_string(&mut told).unwrap();
    assert_eq!(status.signal(), Some(9), "the child ended by itself: {told}");
    let steps = told.lines().filter_map(|line| line.strip_prefix("appended ")?.parse().ok());
    steps.max().unwrap_or(0)
}

#[test]
fn a_killed_process_loses_no_row_that_was_appended() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let (mut mute, mut rows, mut recoveries, mut left_half_way, mut merging) = (0, 0, 0, 0, 0);
    let mut directory = tempfile::tempdir().unwrap();
    let mut at_least = 0;
    for kill in 0..kills() {
        if kill % KILLS_A_RUN == 0 {
            directory = tempfile::tempdir().unwrap();
            at_least = 0;
        }
        let way = ["compact", "recorder", "writer"][(kill / KILLS_A_RUN % 3) as usize];
        let life = Duration::from_micros(random.random_range(1_000..LONGEST_LIFE));
        let told = kill_one(directory.path(), way, kill.is_multiple_of(2), life);
        mute += u64::from(told == 0);
        at_least = told.max(at_least);
        if !directory.path().join("run.json").exists() {
            assert_eq!(at_least, 0);
            continue;
        }
        merging += u64::from(directory.path().join("steps.compacting").exists());
        left_half_way +=
            u64::from(std::fs::read_dir(directory.path().join("steps")).unwrap().any(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.ends_with(".partial")
            }));
        // As it was left, unrecovered.
        let found = read_rows(directory.path());
        let count = found.len() as u64;
        assert!(count >= at_least, "kill {kill}: {count} rows, and {at_least} were appended");
        assert_rows_equal(&found, &recorded(1..count + 1));
        at_least = count;
        if kill % KILLS_A_RUN == KILLS_A_RUN - 1 || kill + 1 == kills() {
            let (writer, resumed) =
                RunWriter::resume(directory.path(), &info(), ResumeFrom::default()).unwrap();
            assert_eq!(resumed.totals.rows, count);
            writer.close().unwrap();
            assert_rows_equal(&read_rows(directory.path()), &recorded(1..count + 1));
            let checked = check(directory.path()).unwrap();
            assert!(
                checked.damage.is_empty() && checked.notes.is_empty() && checked.journals == 0,
                "{checked:?}"
            );
            let events = Run::open(directory.path()).unwrap().events().unwrap();
            recoveries += events
                .iter()
                .filter(|event| matches!(event.kind, EventKind::Recovered { .. }))
                .count();
            rows += count;
        }
    }
    println!(
        "{} kills, {mute} before the first row, {left_half_way} with a file left half way, {merging} while merging, \
         {recoveries} journals recovered, {rows} rows",
        kills()
    );
    assert!(recoveries > 0 && mute < kills(), "the kills came too early to mean anything");
}
