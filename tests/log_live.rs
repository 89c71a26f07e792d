//! A run is read while it is written.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use common::{rows, writer};
use perrin::log::Run;

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
