//! A run being watched: found, read on, and found again.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use perrin::Error;
use perrin::analysis::Health;
use perrin::record::{Event, EventKind};
use perrin::run::{EventReader, Follower, InfoChange, Run};

use super::clock::WallClock;
use super::eigenvalues::Eigenvalues;
use super::summary::{self, Summary};
use super::tail::Tail;

/// Files that could not be read, kept to be shown; the first ones.
const MOST_PROBLEMS: usize = 100;

/// Events kept to be shown: the last ones.
const MOST_EVENTS: usize = 1000;

/// A run's folder, whether there is a run in it or not.
pub struct Watched {
    pub path: PathBuf,
    /// The mode whose path in phase space is read, from 1.
    mode: usize,
    pub state: State,
}

pub enum State {
    /// There is nothing to be read, and why.
    Waiting(String),
    Open(Box<OpenRun>),
}

/// A run that could be opened.
pub struct OpenRun {
    pub run: Run,
    /// A change to `run.json` that is not meant.
    pub info_change: Option<InfoChange>,
    pub summary: Summary,
    pub tail: Tail,
    pub health: Health,
    /// The last of those of the steps that the run still has.
    pub events: VecDeque<Event>,
    pub eigenvalues: Eigenvalues,
    /// What could not be read.
    pub problems: Vec<String>,
    /// Whether rows that were there already are still to be read.
    pub catching_up: bool,
    /// When the last row was logged: as it was seen to come, or else by the log's own clock.
    pub last_row_at: Option<SystemTime>,
    clock: WallClock,
    /// When the last row came that was seen to come.
    came_at: Option<SystemTime>,
    follower: Follower,
    /// Behind the events read, once they have been.
    event_reader: Option<EventReader>,
    /// Whether rows that were read have been discarded since, by a program that resumed from an
    /// earlier checkpoint.
    rows_discarded: bool,
    /// Of `run.json`: another one is another run.
    stamp: Stamp,
    events_stamp: Stamp,
    looked_for_events: bool,
}

/// Length and time of a file.
type Stamp = Option<(u64, SystemTime)>;

impl Watched {
    pub fn new(path: &Path) -> Watched {
        Watched {
            path: path.to_owned(),
            mode: 1,
            state: State::Waiting("looking for the run".to_owned()),
        }
    }

    /// Reads what is new, for about as long as `budget`; returns whether all of it has been read.
    pub fn refresh(&mut self, budget: Duration) -> bool {
        let began = Instant::now();
        let stamp = stamp(&self.path.join("run.json"));
        if !matches!(&self.state, State::Open(open) if open.stamp == stamp && !open.rows_discarded)
        {
            self.state = match OpenRun::open(&self.path, self.mode, stamp) {
                Ok(open) => {
                    self.mode = self.mode.min(open.modes()).max(1);
                    State::Open(Box::new(open))
                }
                Err(Error::NoSuchRun { .. }) => {
                    State::Waiting(format!("no run at {} yet; waiting for it", self.path.display()))
                }
                Err(error) => State::Waiting(error.to_string()),
            };
        }
        match &mut self.state {
            State::Open(open) => open.read(|| began.elapsed() >= budget) && !open.rows_discarded,
            State::Waiting(_) => true,
        }
    }

    /// The mode chosen; 1 where there is none.
    pub fn mode(&self) -> usize {
        self.mode
    }

    /// Chooses the mode before or after; from the last the first follows.
    pub fn change_mode(&mut self, forwards: bool) {
        let State::Open(open) = &mut self.state else { return };
        let modes = open.modes();
        if modes < 2 {
            return;
        }
        self.mode = (self.mode.min(modes) + if forwards { 0 } else { modes - 2 }) % modes + 1;
        match Tail::new(&open.run, Some(self.mode)) {
            Ok(tail) => {
                open.tail = tail;
                while matches!(open.tail.read(), Ok(rows) if rows > 0) {}
            }
            Err(error) => open.problem(error.to_string()),
        }
    }
}

impl OpenRun {
    fn open(path: &Path, mode: usize, stamp: Stamp) -> perrin::Result<OpenRun> {
        let run = Run::open(path)?;
        let follower = Follower::new(&run, &summary::COLUMNS)?;
        // Another run may have had more modes.
        let mode = mode.min(run.info().layout.directions);
        Ok(OpenRun {
            tail: Tail::new(&run, Some(mode).filter(|&mode| mode > 0))?,
            last_row_at: None,
            clock: WallClock::begun(&run.info().created),
            came_at: None,
            info_change: run.info_change().filter(|change| !change.meant),
            run,
            follower,
            event_reader: None,
            rows_discarded: false,
            stamp,
            summary: Summary::default(),
            health: Health::default(),
            events: VecDeque::new(),
            events_stamp: None,
            looked_for_events: false,
            eigenvalues: Eigenvalues::default(),
            problems: Vec::new(),
            catching_up: true,
        })
    }

    /// Modes that rows have positions and velocities along.
    pub fn modes(&self) -> usize {
        self.run.info().layout.directions
    }

    /// Whether the run was closed properly, and not resumed since.
    pub fn finished(&self) -> bool {
        self.health.finished.is_some_and(|step| Some(step) >= self.summary.last_step)
    }

    /// Seconds since the last row was logged; `None` where the log does not tell.
    pub fn seconds_since_last_row(&self) -> Option<f64> {
        self.summary.last_step?;
        // A clock set back makes it now.
        Some(self.last_row_at?.elapsed().unwrap_or_default().as_secs_f64())
    }

    /// Seconds since a file of the rows was changed: of a run that was resumed by an older perrin
    /// nothing else tells whether it grows.
    pub fn seconds_since_change(&self) -> Option<f64> {
        let newest = ["steps", "open"]
            .iter()
            .filter_map(|folder| newest_change(&self.run.path().join(folder)))
            .max();
        Some(newest?.elapsed().unwrap_or_default().as_secs_f64())
    }

    fn read(&mut self, mut enough: impl FnMut() -> bool) -> bool {
        let events_changed = self.read_events();
        if let Some(line) = self.event_reader.as_ref().and_then(EventReader::changed_line) {
            self.problem(format!(
                "events.jsonl: line {line} is not as it was written, or a line before it is gone"
            ));
        }
        self.eigenvalues.refresh(&self.run, events_changed);
        loop {
            match self.tail.read() {
                Ok(0) => break,
                Ok(_) => {}
                // The reader of all rows meets the same and tells it.
                Err(_) => break,
            }
        }
        loop {
            let summary = &mut self.summary;
            match self.follower.next_rows(|row| summary.push(row)) {
                Ok(0) => break,
                Ok(_) if self.catching_up => {}
                Ok(_) => self.came_at = Some(SystemTime::now()),
                Err(error) => {
                    self.problem(error.to_string());
                    if matches!(error, Error::Io { .. }) {
                        break;
                    }
                }
            }
            if enough() {
                return false;
            }
        }
        let logged_at = || self.clock.at(self.tail.rows.back()?.elapsed_seconds);
        self.last_row_at = self.came_at.or_else(logged_at);
        self.catching_up = false;
        true
    }

    /// Reads what is new of the events. Where one of them tells that the run was taken up again,
    /// earlier ones may be of steps that were discarded: all are read anew then. Returns whether
    /// they were.
    fn read_events(&mut self) -> bool {
        let path = self.run.path().join("events.jsonl");
        let stamp = stamp(&path);
        if stamp == self.events_stamp && self.looked_for_events {
            return false;
        }
        self.looked_for_events = true;
        let length = stamp.map_or(0, |(length, _)| length);
        self.events_stamp = stamp;
        while let Some(reader) =
            self.event_reader.as_mut().filter(|reader| reader.bytes_read() <= length)
        {
            match reader.next() {
                None => return false,
                Some(Ok(event)) if !matches!(event.kind, EventKind::Resumed { .. }) => {
                    self.add_event(event)
                }
                Some(Ok(event)) => {
                    self.rows_discarded |= discards_rows(&event);
                    break;
                }
                Some(Err(error)) => {
                    self.problem(error.to_string());
                    return false;
                }
            }
        }
        (self.health, self.events) = (Health::default(), VecDeque::new());
        self.clock = WallClock::begun(&self.run.info().created);
        if let Err(error) = self.read_all_events() {
            self.problem(error.to_string());
        }
        true
    }

    fn read_all_events(&mut self) -> perrin::Result<()> {
        let mut kept = self.run.kept_event_reader()?;
        for event in &mut kept {
            self.add_event(event?);
        }
        self.event_reader = Some(kept.into_reader());
        Ok(())
    }

    fn add_event(&mut self, event: Event) {
        self.health.add(&event);
        self.clock.see(&event);
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MOST_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

fn discards_rows(event: &Event) -> bool {
    matches!(event.kind, EventKind::Resumed { rows_discarded, .. } if rows_discarded > 0)
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// When a file of the folder was changed last.
fn newest_change(folder: &Path) -> Option<SystemTime> {
    let files =
        folder.read_dir().ok()?.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok());
    files.max()
}
