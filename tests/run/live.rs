//! A run is read while it is written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::common::{assert_rows_equal, read_rows, rows, writer};
use crate::recorded::{record, start};
use perrin::run::Run;

#[test]
fn every_row_appended_before_the_call_is_read_exactly_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let (appended, finished) = (AtomicU64::new(0), AtomicBool::new(false));
    let (readings, read) = mpsc::channel();
    std::thread::scope(|scope| {
        let (appended, finished) = (&appended, &finished);
        scope.spawn(move || {
            for block in 0..600 {
                // The reader comes to read at least this often while the run grows.
                if block % 50 == 49 {
                    read.recv().unwrap();
                }
                writer.append(&rows(block * 3 + 1..block * 3 + 4)).unwrap();
                appended.store(block * 3 + 3, Ordering::SeqCst);
                // A segment every second block, once they are ten minutes long.
                writer.roll_if_due(Duration::from_secs(block * 300)).unwrap();
            }
            writer.close().unwrap();
            finished.store(true, Ordering::SeqCst);
        });
        let run = Run::open(directory.path()).unwrap();
        loop {
            let last_time = finished.load(Ordering::SeqCst);
            let least = appended.load(Ordering::SeqCst);
            let mut count = 0;
            run.for_each_row(["step"], |[step]| {
                count += 1;
                assert_eq!(step, Some(count as f64));
            })
            .unwrap();
            assert!(count >= least, "{count} rows read of {least}");
            // The writer may have finished and listen no more.
            let _ = readings.send(());
            if last_time {
                assert_eq!(count, 1800);
                return;
            }
        }
    });
}

/// For how many seconds readers hammer a log that grows: `PERRIN_HAMMER_SECONDS`, or two.
fn hammer() -> Duration {
    let seconds =
        std::env::var("PERRIN_HAMMER_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// Every second block makes a segment, and two readers read all of it again and again, bit by bit.
#[test]
fn readers_hammer_a_log_that_rolls_at_every_second_block() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let (end, finished) = (Instant::now() + hammer(), AtomicBool::new(false));
    let (readings, last) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut before = 0;
                while !finished.load(Ordering::SeqCst) {
                    let least = last.load(Ordering::SeqCst);
                    let read = read_rows(directory.path());
                    let count = read.len() as u64;
                    assert!(
                        count >= least.max(before),
                        "{count} rows of {least}, and {before} the last time"
                    );
                    assert_rows_equal(&read, &rows(1..count + 1));
                    before = count;
                    readings.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for block in 0.. {
            writer.append(&rows(50 * block + 1..50 * block + 51)).unwrap();
            last.store(50 * block + 50, Ordering::SeqCst);
            writer.roll_if_due(Duration::from_secs(block / 2 * 1_000)).unwrap();
            if Instant::now() > end {
                break;
            }
        }
        finished.store(true, Ordering::SeqCst);
    });
    let (readings, last) = (readings.into_inner(), last.into_inner());
    println!("{readings} readings, {last} rows");
    writer.close().unwrap();
    assert_rows_equal(&read_rows(directory.path()), &rows(1..last + 1));
}

#[test]
fn a_reader_is_at_most_a_second_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = start(writer(directory.path()), directory.path());
    let run = Run::open(directory.path()).unwrap();
    let mut lags = Vec::new();
    for step in 1..=5 {
        let recorded_at = Instant::now();
        record(&mut recorder, step..step + 1);
        let mut read = 0.0;
        while read < step as f64 {
            run.for_each_row(["step"], |[step]| read = step.unwrap()).unwrap();
        }
        lags.push(recorded_at.elapsed());
    }
    lags.sort_unstable();
    // The median: the machine may have other things to do now and then.
    assert!(lags[2] < Duration::from_secs(1), "{lags:?}");
}
