//! A run is read while it is written.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{rows, writer};
use perrin::log::Run;

#[test]
fn every_row_appended_before_the_call_is_read_exactly_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let (appended, finished) = (AtomicU64::new(0), AtomicBool::new(false));
    let readings = std::thread::scope(|scope| {
        scope.spawn(|| {
            for block in 0..600 {
                writer.append(&rows(block * 3 + 1..block * 3 + 4)).unwrap();
                appended.store(block * 3 + 3, Ordering::SeqCst);
                // A segment every second block, once they are ten minutes long.
                writer.roll_if_due(Duration::from_secs(block * 300)).unwrap();
            }
            writer.close().unwrap();
            finished.store(true, Ordering::SeqCst);
        });
        let run = Run::open(directory.path()).unwrap();
        let mut readings = 0;
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
            readings += 1;
            if last_time {
                assert_eq!(count, 1800);
                return readings;
            }
        }
    });
    assert!(readings > 2, "the reader came to read while the writer wrote");
}
