//! The queue between the training thread and the disk: slow, failing and panicking logs.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perrin::record::{Event, EventKind, RowBuffer, StepRecord};
use perrin::recorder::{Clock, QueueOptions, QueuePolicy, Recorder, Row, Sink};
use perrin::run::LogTotals;
use perrin::{Error, Result};

/// What a test's log has seen.
#[derive(Default)]
struct Seen {
    steps: Vec<u64>,
    events: Vec<EventKind>,
    last_event: Option<Event>,
    closed: bool,
}

/// A log in memory. It waits for a permit before each block, fails or panics at a given row.
struct TestLog {
    seen: Arc<Mutex<Seen>>,
    permits: Option<Receiver<()>>,
    fail_from: u64,
    panic_from: u64,
}

impl Sink for TestLog {
    fn append(&mut self, rows: &RowBuffer) -> Result<()> {
        if let Some(permits) = &self.permits {
            permits.recv().ok();
        }
        let last = rows.records.last().unwrap().step;
        assert!(last < self.panic_from, "a bug in the log");
        if last >= self.fail_from {
            return Err(Error::Damaged { path: "somewhere".into(), reason: "bad".to_owned() });
        }
        self.seen.lock().unwrap().steps.extend(rows.records.iter().map(|record| record.step));
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        let mut seen = self.seen.lock().unwrap();
        seen.events.push(event.kind.clone());
        seen.last_event = Some(event.clone());
        Ok(())
    }

    fn tick(&mut self, _: Duration) -> Result<()> {
        Ok(())
    }

    fn rows(&self) -> u64 {
        self.seen.lock().unwrap().steps.len() as u64
    }

    fn close(self: Box<Self>) -> Result<LogTotals> {
        let mut seen = self.seen.lock().unwrap();
        seen.closed = true;
        Ok(LogTotals { rows: seen.steps.len() as u64, ..LogTotals::default() })
    }
}

fn log(seen: &Arc<Mutex<Seen>>) -> TestLog {
    TestLog { seen: Arc::clone(seen), permits: None, fail_from: u64::MAX, panic_from: u64::MAX }
}

fn held(seen: &Arc<Mutex<Seen>>) -> (TestLog, Sender<()>) {
    let (permit, permits) = channel();
    (TestLog { permits: Some(permits), ..log(seen) }, permit)
}

fn start(log: TestLog, policy: QueuePolicy, capacity: usize) -> Recorder<f64> {
    start_named("a run", log, policy, capacity)
}

fn start_named(run: &str, log: TestLog, policy: QueuePolicy, capacity: usize) -> Recorder<f64> {
    let resolve = |rows: &mut RowBuffer, deferred: &mut Vec<(usize, f64)>| {
        deferred.drain(..).for_each(|(index, loss)| rows.records[index].loss = Some(loss));
        Ok(())
    };
    Recorder::start(log, Path::new(run), Instant::now(), QueueOptions { policy, capacity }, resolve)
        .unwrap()
}

fn row(step: u64) -> Row<f64> {
    Row { record: StepRecord { step, ..StepRecord::default() }, groups: None, deferred: None }
}

/// `Block` on a log that takes nothing until the queue has long been full: nothing is lost, order
/// is kept.
#[test]
fn block_loses_nothing() {
    let seen = Arc::default();
    let (log, permit) = held(&seen);
    let mut recorder = start(log, QueuePolicy::Block, 8);
    let helper = std::thread::spawn(move || while permit.send(()).is_ok() {});
    (1..=20_000).for_each(|step| recorder.row(row(step)));
    let totals = recorder.finish().unwrap();
    helper.join().unwrap();
    assert_eq!(totals.rows, 20_000);
    let seen = seen.lock().unwrap();
    assert!(seen.steps.iter().copied().eq(1..=20_000));
    assert!(seen.closed);
    assert_eq!(seen.events, [EventKind::Finished { rows: 20_000, dropped: 0 }]);
}

/// `DropNewest` on a log that takes nothing at all: every call returns, and what is missing is
/// counted exactly.
#[test]
fn drop_newest_counts_exactly() {
    let seen = Arc::default();
    let (log, permit) = held(&seen);
    let mut recorder = start(log, QueuePolicy::DropNewest, 16);
    // No permit is given: were a call to wait, the test would never end.
    (1..=20_000).for_each(|step| recorder.row(row(step)));
    let health = recorder.health().unwrap();
    assert_eq!(health.rows_received, 20_000);
    // What the worker took out before it was stopped is at most one block.
    assert!(health.rows_dropped >= 20_000 - 16 - 4_096, "{health:?}");
    drop(permit);
    let dropped = recorder.rows_dropped();
    let totals = recorder.finish().unwrap();
    assert_eq!(totals.rows + dropped, 20_000);
    let seen = seen.lock().unwrap();
    let told: u64 = seen
        .events
        .iter()
        .map(|event| if let EventKind::RowsDropped { count, .. } = event { *count } else { 0 })
        .sum();
    assert_eq!(told, dropped);
    assert_eq!(seen.events.last(), Some(&EventKind::Finished { rows: totals.rows, dropped }));
    assert!(seen.steps.is_sorted());
}

/// What `tracing` was told, by all tests of this file.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// However many rows follow it, and however often it is asked for, an error is told to `tracing`
/// once.
#[test]
fn an_error_is_told_once() {
    let told = Told::default();
    let writer = told.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).init();
    let log = TestLog { fail_from: 5, ..log(&Arc::default()) };
    let mut recorder = start_named("a run told of once", log, QueuePolicy::Block, 4);
    (1..=10_000).for_each(|step| recorder.row(row(step)));
    while !recorder.failed() {
        std::thread::yield_now();
    }
    recorder.stop(Error::Parameters { reason: "a later error".to_owned() });
    assert!(recorder.health().is_err());
    assert!(recorder.finish().is_err());
    let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> =
        told.lines().filter(|line| line.contains("a run told of once")).collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("somewhere is damaged"), "{told}");
}

/// An error that does not pass stops the log, is told by `health` and `finish`, and no call fails
/// or waits.
#[test]
fn the_first_error_is_returned_and_training_goes_on() {
    let seen = Arc::default();
    let mut recorder = start(TestLog { fail_from: 5, ..log(&seen) }, QueuePolicy::Block, 4);
    (1..=4).for_each(|step| recorder.row(row(step)));
    while recorder.health().unwrap().rows_written < 4 {
        std::thread::yield_now();
    }
    (5..=10_000).for_each(|step| recorder.row(row(step)));
    let error = recorder.finish().err().unwrap();
    assert!(
        matches!(error, Error::Stopped(_)) && error.to_string().starts_with("somewhere is damaged"),
        "{error}"
    );
    assert!(seen.lock().unwrap().steps.iter().copied().eq(1..=4));
}

/// A run that is taken up again and closed without a row: its last event does not go back to the
/// beginning.
#[test]
fn a_resumed_recorder_counts_on() {
    let seen = Arc::default();
    let clock = Clock::resume(Duration::from_secs(7_200));
    let began = Instant::now();
    let mut recorder = Recorder::<f64>::start(
        log(&seen),
        Path::new("a run"),
        clock,
        QueueOptions::default(),
        |_, _| Ok(()),
    )
    .unwrap();
    recorder.resume_after(900);
    recorder.finish().unwrap();
    let last = seen.lock().unwrap().last_event.clone().unwrap();
    assert_eq!(last.step, 900);
    assert!(
        (7_200.0..=7_200.0 + began.elapsed().as_secs_f64()).contains(&last.elapsed_seconds),
        "{last:?}"
    );
}

#[test]
fn a_panic_of_the_log_is_an_error() {
    let seen = Arc::default();
    let mut recorder = start(TestLog { panic_from: 3, ..log(&seen) }, QueuePolicy::Block, 4);
    (1..=10_000).for_each(|step| recorder.row(row(step)));
    // Rows go nowhere now, and that is known before the end.
    while !recorder.failed() {
        recorder.row(row(10_001));
    }
    assert!(recorder.health().err().unwrap().to_string().contains("a bug in the log"));
    let error = recorder.finish().err().unwrap();
    assert!(error.to_string().contains("a bug in the log"), "{error}");
}

#[test]
fn an_error_of_the_training_thread_stops_the_log_after_what_is_queued() {
    let seen = Arc::default();
    let mut recorder = start(log(&seen), QueuePolicy::Block, 64);
    (1..=3).for_each(|step| recorder.row(row(step)));
    recorder.stop(Error::Parameters { reason: "first".to_owned() });
    recorder.stop(Error::Parameters { reason: "second".to_owned() });
    recorder.row(row(4));
    assert_eq!(recorder.health().err().unwrap().to_string(), "first");
    assert_eq!(recorder.finish().err().unwrap().to_string(), "first");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.steps, [1, 2, 3]);
    // Not `finished`: that would promise that nothing is missing.
    assert_eq!(seen.events, [EventKind::Stopped { reason: "first".to_owned() }]);
    assert!(seen.closed);
}

/// Events find their way also when the channel was full: they wait, and the last ones are told
/// while closing.
#[test]
fn drop_newest_drops_no_event() {
    let seen = Arc::default();
    let (log, permit) = held(&seen);
    let mut recorder = start(log, QueuePolicy::DropNewest, 4);
    for step in 1..=10_000 {
        if step % 1_000 == 0 {
            let kind = EventKind::ParametersAdded { parameters: vec![step.to_string()] };
            recorder.event(Event { step, elapsed_seconds: 0.0, kind });
        }
        recorder.row(row(step));
    }
    drop(permit);
    recorder.finish().unwrap();
    let seen = seen.lock().unwrap();
    let told = seen.events.iter().filter_map(|event| match event {
        EventKind::ParametersAdded { parameters } => Some(parameters[0].clone()),
        _ => None,
    });
    assert!(told.eq((1..=10).map(|thousand| (1_000 * thousand).to_string())));
}

#[test]
fn deferred_numbers_are_completed_by_the_worker() {
    let seen = Arc::default();
    let mut recorder = start(log(&seen), QueuePolicy::Block, 64);
    recorder.row(Row { deferred: Some(0.5), ..row(1) });
    recorder.row(row(2));
    drop(recorder);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.steps, [1, 2]);
    assert!(seen.closed);
}
