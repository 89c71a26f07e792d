//! Watches over a worker: one that hangs or dies is replaced, from the next case on.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use crate::base;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::progress::Line;
use crate::tally::Tally;

/// Far above what any operation takes on a run so small, on a machine that is busy.
const HANGS_AFTER: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Who finds so many faults will not find more by going on.
const MOST_DEATHS: u64 = 2_000;

/// Runs the cases; returns what came of them.
pub fn supervise(options: &Options) -> Tally {
    let folder =
        tempfile::Builder::new().prefix("perrin-fuzz").tempdir_in(Options::place()).unwrap();
    base::make(folder.path());
    let began = Instant::now();
    let mut tally = Tally::new(options.seed);
    let (mut from, mut deaths) = (options.from, 0);
    while from < options.to && deaths < MOST_DEATHS {
        let mut worker = Worker::start(folder.path(), options, from);
        let ended = worker.follow(&mut tally, began + options.time);
        match ended {
            Ended::Done | Ended::OutOfTime => break,
            Ended::At(outcome) => tally.ended(outcome),
        }
        deaths += 1;
        let last = tally.last_case().filter(|case| *case >= from);
        from = 1 + last
            .unwrap_or_else(|| panic!("the worker does not begin case {from}: {}", worker.said()));
    }
    tally.seconds = began.elapsed().as_secs_f64();
    tally
}

enum Ended {
    Done,
    OutOfTime,
    /// In the midst of an operation.
    At(Outcome),
}

struct Worker<'a> {
    folder: &'a Path,
    process: Child,
    progress: BufReader<File>,
    half_a_line: String,
}

impl<'a> Worker<'a> {
    fn start(folder: &'a Path, options: &Options, from: u64) -> Worker<'a> {
        let made =
            |name: &str| File::options().create(true).append(true).open(folder.join(name)).unwrap();
        for name in ["progress", "stderr"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let mut progress = made("progress");
        progress.seek(SeekFrom::Start(0)).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .envs(options.of_worker(folder, from))
            .stdout(made("stdout"))
            .stderr(made("stderr"))
            .spawn()
            .unwrap();
        let progress = BufReader::new(File::open(folder.join("progress")).unwrap());
        Worker { folder, process, progress, half_a_line: String::new() }
    }

    fn follow(&mut self, tally: &mut Tally, until: Instant) -> Ended {
        let mut last = Instant::now();
        loop {
            // Asked first, so that nothing it said before it ended is missed.
            let status = self.process.try_wait().unwrap();
            while let Some(line) = self.next_line() {
                last = Instant::now();
                tally.take(line);
            }
            if let Some(status) = status {
                return if status.success() { Ended::Done } else { Ended::At(self.death(status)) };
            }
            let outcome = if last.elapsed() > HANGS_AFTER {
                Ended::At(Outcome::Hung(format!("longer than {} s", HANGS_AFTER.as_secs())))
            } else if Instant::now() > until {
                Ended::OutOfTime
            } else {
                thread::sleep(LOOK);
                continue;
            };
            self.process.kill().unwrap();
            self.process.wait().unwrap();
            return outcome;
        }
    }

    fn next_line(&mut self) -> Option<Line> {
        self.progress.read_line(&mut self.half_a_line).unwrap();
        if !self.half_a_line.ends_with('\n') {
            return None;
        }
        let line = serde_json::from_str(&self.half_a_line).unwrap();
        self.half_a_line.clear();
        Some(line)
    }

    fn death(&self, status: ExitStatus) -> Outcome {
        let said = self.said();
        if said.contains("memory allocation of") {
            Outcome::OverMemory(said)
        } else {
            Outcome::Died(format!("{status}: {said}"))
        }
    }

    fn said(&self) -> String {
        let said = fs::read(self.folder.join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&said[..said.len().min(300)]).trim().replace('\n', " ")
    }
}
