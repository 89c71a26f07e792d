//! Files damaged by accident, by the thousand: each is read as far as it is what was written, or
//! gives a typed error.
//!
//! The environment variable `PERRIN_MUTATIONS` asks for more than the usual 500 of each kind.

use std::fs;

use crate::common::{assert_rows_equal, rows, try_read_rows};
use crate::counting_allocator::largest_request;
use crate::damage::damage;
use crate::mutation::{mutations, run};
use perrin::Error;
use perrin::record::RowBuffer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What reading a run of a few hundred kilobytes may ask for at once, whatever its files say.
const LARGEST_REQUEST: usize = 64 << 20;

#[test]
fn no_accident_brings_a_panic_a_wrong_row_or_a_large_allocation() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    assert_rows_equal(&try_read_rows(directory.path()).unwrap(), &rows(1..121));
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for file in ["run.json", "steps/000000.parquet", "open/000001.arrows"] {
        let path = directory.path().join(file);
        let whole = fs::read(&path).unwrap();
        let mut errors = 0;
        for _ in 0..mutations() {
            fs::write(&path, damage(&whole, &mut random).0).unwrap();
            match try_read_rows(directory.path()) {
                Ok(read) => assert_rows_are_original(&read),
                Err(Error::Damaged { .. } | Error::NewerSchema { .. }) => errors += 1,
                Err(other) => panic!("{file}: {other}"),
            }
        }
        fs::write(&path, whole).unwrap();
        assert!(errors > 0, "{file}: damage was noticed");
    }
    let largest = largest_request();
    assert!(largest < LARGEST_REQUEST, "{largest} bytes were asked for at once");
}

fn assert_rows_are_original(read: &RowBuffer) {
    let all = rows(1..121);
    let mut expected = RowBuffer::default();
    for row in &read.records {
        let index = row.step as usize - 1;
        expected.records.push(all.records[index]);
        expected.group_hyperparameters.push(all.group_hyperparameters[index]);
        expected.projections.extend(&all.projections[index * 6..index * 6 + 6]);
    }
    assert!(read.records.is_sorted_by(|before, after| before.step < after.step));
    assert_rows_equal(read, &expected);
}
