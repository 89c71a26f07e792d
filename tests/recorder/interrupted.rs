//! A log that cannot be written for a while: training goes on, rows are kept as long as there is
//! room, and what is lost is counted and told.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perrin::record::{Event, EventKind, ParameterInfo, RowBuffer, StepRecord};
use perrin::recorder::{Basis, Joined, QueueOptions, QueuePolicy, Recorder, Row, Sink};
use perrin::run::Eigenvectors;
use perrin::run::LogTotals;
use perrin::{Error, Result};

/// A log in memory that takes nothing while its disk is full.
#[derive(Clone, Default)]
struct FullLog {
    full: Arc<AtomicBool>,
    /// Whether segments cannot be finished.
    stuck: Arc<AtomicBool>,
    steps: Arc<Mutex<Vec<u64>>>,
    events: Arc<Mutex<Vec<Event>>>,
    /// Whether there is no room for vectors.
    nearly_full: Arc<AtomicBool>,
    /// Number, vectors, and vectors kept of each basis.
    bases: Arc<Mutex<Vec<(u64, usize, bool)>>>,
    /// Steps before which parameters joined whose reference points are kept.
    joined: Arc<Mutex<Vec<u64>>>,
}

impl FullLog {
    fn refuse(&self, when: &AtomicBool) -> Result<()> {
        if !when.load(Ordering::SeqCst) {
            return Ok(());
        }
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(Error::Io { action: "write", path: "somewhere".into(), source })
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().iter().map(|event| event.kind.clone()).collect()
    }
}

impl Sink for FullLog {
    fn append(&mut self, rows: &RowBuffer) -> Result<()> {
        self.refuse(&self.full)?;
        self.steps.lock().unwrap().extend(rows.records.iter().map(|record| record.step));
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        self.refuse(&self.full)?;
        self.events.lock().unwrap().push(event.clone());
        Ok(())
    }

    fn basis(&mut self, basis: &Basis) -> Result<()> {
        self.refuse(&self.full)?;
        if basis.keep_vectors {
            self.refuse(&self.nearly_full)?;
        }
        assert_eq!(basis.eigenvectors.eigenvalues.len(), 2);
        let vectors = basis.eigenvectors.eigenvectors.len();
        self.bases.lock().unwrap().push((basis.number, vectors, basis.keep_vectors));
        Ok(())
    }

    fn joined(&mut self, joined: &Joined) -> Result<()> {
        self.refuse(&self.full)?;
        self.refuse(&self.nearly_full)?;
        self.joined.lock().unwrap().push(joined.step);
        Ok(())
    }

    fn tick(&mut self, _: Duration) -> Result<()> {
        self.refuse(&self.stuck)
    }

    fn rows(&self) -> u64 {
        self.steps.lock().unwrap().len() as u64
    }

    fn close(self: Box<Self>) -> Result<LogTotals> {
        self.refuse(&self.stuck)?;
        Ok(LogTotals { rows: self.rows(), ..LogTotals::default() })
    }
}

fn start(log: &FullLog, policy: QueuePolicy) -> Recorder<()> {
    let options = QueueOptions { policy, capacity: 64 };
    Recorder::start(log.clone(), Path::new("a run"), Instant::now(), options, |_, _| Ok(()))
        .unwrap()
}

fn row(step: u64) -> Row<()> {
    Row { record: StepRecord { step, ..StepRecord::default() }, groups: None, deferred: None }
}

fn basis(number: u64, keep_vectors: bool) -> Basis {
    let eigenvectors = Eigenvectors::from(vec![vec![0.5; 4]; 2]);
    Basis { number, step: number, eigenvectors, keep_vectors }
}

fn joined(step: u64) -> Joined {
    let parameters = vec![ParameterInfo { name: format!("of {step}"), ..ParameterInfo::default() }];
    Joined { parameters, reference: vec![vec![1, 2, 3, 4]], step, elapsed_seconds: 0.5 }
}

/// Steps before which parameters are told to have joined.
fn told_to_have_joined(log: &FullLog) -> Vec<u64> {
    let events = log.events.lock().unwrap();
    let told = |event: &&Event| match &event.kind {
        EventKind::ParametersAdded { parameters } => *parameters == [format!("of {}", event.step)],
        _ => false,
    };
    events.iter().filter(told).map(|event| event.step).collect()
}

/// Parameters that joined while nothing could be written, with where they were.
#[test]
fn parameters_that_joined_are_kept_until_there_is_space_again() {
    let log = FullLog::default();
    log.full.store(true, Ordering::SeqCst);
    let mut recorder = start(&log, QueuePolicy::Block);
    recorder.row(row(1));
    recorder.joined(joined(2));
    recorder.row(row(2));
    recorder.joined(joined(3));
    wait_until(&recorder, |recorder| recorder.health().is_err());
    assert!(told_to_have_joined(&log).is_empty());
    log.full.store(false, Ordering::SeqCst);
    wait_until(&recorder, |recorder| recorder.health().is_ok());
    assert!(matches!(recorder.finish(), Err(Error::Interrupted { rows_lost: 0, .. })));
    assert_eq!(*log.joined.lock().unwrap(), [2, 3]);
    assert_eq!(told_to_have_joined(&log), [2, 3]);
    assert_eq!(*log.steps.lock().unwrap(), [1, 2]);
}

/// Where only the reference points cannot be written all else is, and the run is not interrupted.
#[test]
fn parameters_are_told_when_where_they_were_cannot_be_kept() {
    let log = FullLog::default();
    log.nearly_full.store(true, Ordering::SeqCst);
    let mut recorder = start(&log, QueuePolicy::Block);
    recorder.joined(joined(2));
    recorder.row(row(2));
    recorder.joined(joined(3));
    assert_eq!(recorder.finish().unwrap().rows, 1);
    assert!(log.joined.lock().unwrap().is_empty());
    assert_eq!(told_to_have_joined(&log), [2, 3]);
}

/// The bases whose vectors an event says are not kept.
fn not_kept(log: &FullLog) -> Vec<u64> {
    let number = |kind| match kind {
        EventKind::EigenvectorsNotKept { basis, reason } => {
            assert!(reason.contains("cannot write somewhere"), "{reason}");
            Some(basis)
        }
        _ => None,
    };
    log.kinds().into_iter().filter_map(number).collect()
}

fn wait_until(recorder: &Recorder<()>, wanted: fn(&Recorder<()>) -> bool) {
    let since = Instant::now();
    while !wanted(recorder) {
        assert!(since.elapsed() < Duration::from_secs(60), "waited for a minute");
        std::thread::yield_now();
    }
}

/// Far more rows than the queue holds while nothing can be written: no row waits, none is lost.
#[test]
fn rows_are_kept_until_there_is_space_again() {
    for policy in [QueuePolicy::Block, QueuePolicy::DropNewest] {
        let log = FullLog::default();
        log.full.store(true, Ordering::SeqCst);
        let mut recorder = start(&log, policy);
        let kind = EventKind::ParametersAdded { parameters: vec!["late".to_owned()] };
        recorder.event(Event { step: 1, elapsed_seconds: 0.0, kind: kind.clone() });
        (1..=20_000).for_each(|step| recorder.row(row(step)));
        wait_until(&recorder, |recorder| recorder.health().is_err());
        let error = recorder.health().err().unwrap();
        assert!(matches!(error, Error::Interrupted { rows_lost: 0, .. }), "{error}");
        log.full.store(false, Ordering::SeqCst);
        wait_until(&recorder, |recorder| recorder.health().is_ok());
        (20_001..=20_010).for_each(|step| recorder.row(row(step)));
        let dropped = recorder.rows_dropped();
        assert!(dropped == 0 || policy == QueuePolicy::DropNewest);
        let error = recorder.finish().err().unwrap();
        assert!(error.to_string().contains("cannot write somewhere"), "{error}");
        let steps = log.steps.lock().unwrap();
        assert_eq!(steps.len() as u64, 20_010 - dropped);
        assert!(steps.is_sorted_by(|before, after| before < after));
        let kinds = log.kinds();
        assert!(kinds.contains(&kind));
        assert!(
            kinds.iter().any(|kind| matches!(kind, EventKind::Interrupted { events_lost: 0, .. })),
            "{kinds:?}"
        );
        assert_eq!(kinds.last(), Some(&EventKind::Finished { rows: steps.len() as u64, dropped }));
    }
}

/// More rows than are kept: one gap, told exactly, and training never waits.
#[test]
fn what_there_is_no_room_for_is_counted_and_told() {
    const STEPS: u64 = 800_000;
    let log = FullLog::default();
    log.full.store(true, Ordering::SeqCst);
    let mut recorder = start(&log, QueuePolicy::Block);
    (1..=STEPS).for_each(|step| recorder.row(row(step)));
    wait_until(&recorder, |recorder| {
        matches!(recorder.health(), Err(Error::Interrupted { rows_lost: 1.., .. }))
    });
    log.full.store(false, Ordering::SeqCst);
    wait_until(&recorder, |recorder| recorder.health().is_ok());
    let lost = recorder.health().unwrap().rows_lost;
    (STEPS + 1..=STEPS + 10).for_each(|step| recorder.row(row(step)));
    let error = recorder.finish().err().unwrap();
    assert!(error.to_string().contains(&format!("{lost} rows are lost")), "{error}");

    let steps = log.steps.lock().unwrap();
    assert_eq!(steps.len() as u64 + lost, STEPS + 10);
    let gap =
        steps.iter().zip(&steps[1..]).find(|(before, after)| **before + 1 != **after).unwrap();
    let kept = steps.iter().take_while(|&step| step <= gap.0).count() as u64;
    assert_eq!(kept, *gap.0, "the earliest rows are kept");
    let told = EventKind::RowsDropped { count: lost, first_step: gap.0 + 1, last_step: gap.1 - 1 };
    let kinds = log.kinds();
    assert!(kinds.contains(&told), "{told:?} in {kinds:?}");
    assert_eq!(
        kinds.last(),
        Some(&EventKind::Finished { rows: steps.len() as u64, dropped: lost })
    );
}

#[test]
fn a_disk_that_stays_full_to_the_end() {
    let log = FullLog::default();
    log.full.store(true, Ordering::SeqCst);
    let mut recorder = start(&log, QueuePolicy::Block);
    (1..=10_000).for_each(|step| recorder.row(row(step)));
    let error = recorder.finish().err().unwrap();
    assert!(matches!(error, Error::Interrupted { rows_lost: 10_000, .. }), "{error}");
    assert!(log.steps.lock().unwrap().is_empty());
}

/// Segments that cannot be finished (a failing sync) keep no row from being appended.
#[test]
fn rows_go_on_while_segments_cannot_be_finished() {
    let log = FullLog::default();
    log.stuck.store(true, Ordering::SeqCst);
    let mut recorder = start(&log, QueuePolicy::Block);
    (1..=100).for_each(|step| recorder.row(row(step)));
    wait_until(&recorder, |recorder| recorder.health().is_err());
    (101..=5_000).for_each(|step| recorder.row(row(step)));
    let error = recorder.finish().err().unwrap();
    assert!(matches!(error, Error::Interrupted { rows_lost: 0, .. }), "{error}");
    assert!(log.steps.lock().unwrap().iter().copied().eq(1..=5_000));
    assert_eq!(
        log.kinds(),
        [EventKind::Finished { rows: 5_000, dropped: 0 }],
        "nothing is missing"
    );
}

#[test]
fn vectors_that_there_is_no_room_for_hold_back_no_row() {
    let log = FullLog::default();
    log.nearly_full.store(true, Ordering::SeqCst);
    let mut recorder = start(&log, QueuePolicy::Block);
    recorder.basis(basis(0, true));
    recorder.basis(basis(1, false));
    (1..=100).for_each(|step| recorder.row(row(step)));
    recorder.finish().unwrap();
    assert_eq!(log.steps.lock().unwrap().len(), 100);
    assert_eq!(*log.bases.lock().unwrap(), [(0, 2, false), (1, 0, false)]);
    assert_eq!(not_kept(&log), [0]);
}

/// While nothing can be written, the memory of one set of vectors is kept, and every table.
#[test]
fn only_the_last_vectors_wait_for_a_full_disk() {
    let log = FullLog::default();
    log.full.store(true, Ordering::SeqCst);
    let mut recorder = start(&log, QueuePolicy::Block);
    (0..2).for_each(|number| recorder.basis(basis(number, true)));
    (1..=100).for_each(|step| recorder.row(row(step)));
    wait_until(&recorder, |recorder| recorder.health().is_err());
    (2..5).for_each(|number| recorder.basis(basis(number, true)));
    (101..=5_000).for_each(|step| recorder.row(row(step)));
    log.full.store(false, Ordering::SeqCst);
    recorder.finish().unwrap_err();
    assert_eq!(log.steps.lock().unwrap().len(), 5_000);
    let bases = log.bases.lock().unwrap();
    assert_eq!(bases.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(bases.last(), Some(&(4, 2, true)));
    // One that was written before the next ones came would have its vectors; none was.
    assert!(bases[..4].iter().all(|basis| (basis.1, basis.2) == (0, false)), "{bases:?}");
    assert_eq!(not_kept(&log), [0, 1, 2, 3]);
}
