//! Landscapes in a run's folder: several programs write, none is lost, and what is no grid is
//! refused.

use std::fs;
use std::path::Path;
use std::thread;

use crate::common::{rows, writer};
use perrin::Error;
use perrin::run::{LossLandscape, Run, check};

fn landscape(loss: f64) -> LossLandscape {
    LossLandscape {
        modes: [1, 2],
        coordinates: [vec![-1.0, 0.5], vec![0.0, 1.0, 3.0]],
        train_loss: vec![loss; 6],
        ..LossLandscape::default()
    }
}

fn run(directory: &Path) -> Run {
    let mut writer = writer(directory);
    writer.append(&rows(1..2)).unwrap();
    writer.close().unwrap();
    Run::open(directory).unwrap()
}

#[test]
fn nobody_takes_the_number_of_another() {
    const WRITERS: usize = 8;
    const EACH: usize = 10;
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path());
    let path = directory.path();
    let mut written: Vec<(u64, f64)> = thread::scope(|scope| {
        let writes = |writer: usize| {
            (0..EACH).map(move |index| (writer * EACH + index) as f64).map(|loss| {
                let number = landscape(loss).write(path).unwrap();
                (number, loss)
            })
        };
        let threads: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || writes(writer).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    written.sort_by_key(|(number, _)| *number);
    let numbers: Vec<u64> = written.iter().map(|(number, _)| *number).collect();
    assert_eq!(run.landscapes().unwrap(), numbers);
    assert_eq!(numbers.len(), WRITERS * EACH);
    for (number, loss) in written {
        assert_eq!(run.landscape(number).unwrap(), landscape(loss));
    }
    assert!(check(path).unwrap().damage.is_empty());
}

#[test]
fn an_unfinished_one_is_left_to_whoever_writes_it() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path());
    assert_eq!(landscape(0.5).write(directory.path()).unwrap(), 0);
    let unfinished = directory.path().join("landscape/.000001.parquet.partial");
    fs::write(&unfinished, "begun").unwrap();
    assert_eq!(landscape(0.5).write(directory.path()).unwrap(), 2);
    assert_eq!(fs::read_to_string(&unfinished).unwrap(), "begun");
    assert_eq!(run.landscapes().unwrap(), [0, 2]);
}

#[test]
fn coordinates_that_are_no_grid_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    for wrong in [[0.0, f64::NAN], [f64::NAN, 0.0], [0.0, f64::INFINITY], [0.5, 0.5], [1.0, 0.0]] {
        for axis in [0, 1] {
            let mut coordinates = [vec![0.0, 1.0], vec![0.0, 1.0]];
            coordinates[axis] = wrong.to_vec();
            let landscape =
                LossLandscape { coordinates, train_loss: vec![0.5; 4], ..landscape(0.5) };
            let error = landscape.write(directory.path()).unwrap_err();
            assert!(matches!(error, Error::InvalidInput { .. }), "{wrong:?}: {error}");
        }
    }
    assert!(!directory.path().join("landscape").exists());
}
