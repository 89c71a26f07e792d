//! Files damaged on purpose, with checksums that fit: whatever the decoders meet, a typed error or
//! some rows, and no panic.
//!
//! The environment variable `PERRIN_MUTATIONS` asks for more than the usual 500 of each kind.

use std::fs;
use std::path::Path;

use crate::common::{rows, try_read_rows, writer};
use crate::counting_allocator::largest_request;
use crate::forgery::{
    forged_block, forged_column_chunk, forged_footer, forged_number, forged_values,
};
use crate::mutation::{mutations, run};
use perrin::Error;
use perrin::record::{Event, EventKind};
use perrin::run::{Run, check, recover};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A Parquet page says its unpacked size in 31 bits, and that much may be asked for before it
/// proves wrong.
const LARGEST_REQUEST: usize = 2 << 30;

/// Numbers at the end of their range, each in a place where one is added to it.
#[test]
fn the_largest_numbers_are_only_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path());
    let kind = EventKind::RowsDropped { count: 1, first_step: 2, last_step: u64::MAX };
    log.event(&Event { step: 2, elapsed_seconds: 0.0, kind }).unwrap();
    let mut last = rows(1..3);
    last.records[1].step = u64::MAX;
    log.append(&last).unwrap();
    drop(log);
    assert_eq!(recover(directory.path()).unwrap().rows, 2);
    let found = check(directory.path()).unwrap();
    assert!(found.damage.is_empty() && found.notes.is_empty(), "{found:?}");

    let curvature = directory.path().join("curvature");
    fs::create_dir(&curvature).unwrap();
    // One that none can follow is none.
    fs::write(curvature.join(format!("{}.parquet", u64::MAX)), "").unwrap();
    assert_eq!(Run::open(directory.path()).unwrap().bases().unwrap(), 0..0);
    assert_eq!(check(directory.path()).unwrap().notes.len(), 1);
    fs::write(curvature.join(format!("{}.parquet", u64::MAX / 2)), "").unwrap();
    assert!(matches!(Run::open(directory.path()).unwrap().bases(), Err(Error::Damaged { .. })));
    recover(directory.path()).unwrap();
}

#[test]
fn no_forgery_brings_a_panic_or_an_unbounded_allocation() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let segment = directory.path().join("steps/000000.parquet");
    let journal = directory.path().join("open/000001.arrows");
    forge(directory.path(), &segment, forged_footer, &mut random);
    forge(directory.path(), &segment, forged_number, &mut random);
    forge(directory.path(), &segment, forged_column_chunk, &mut random);
    forge(directory.path(), &journal, forged_block, &mut random);
    forge(directory.path(), &journal, forged_values, &mut random);
    let largest = largest_request();
    assert!(largest <= LARGEST_REQUEST, "{largest} bytes were asked for at once");
}

fn forge(
    directory: &Path,
    file: &Path,
    forgery: fn(&[u8], &mut ChaCha8Rng) -> Vec<u8>,
    random: &mut ChaCha8Rng,
) {
    let whole = fs::read(file).unwrap();
    let mut past_the_checksums = 0;
    for _ in 0..mutations() {
        fs::write(file, forgery(&whole, random)).unwrap();
        match try_read_rows(directory) {
            Ok(_) => past_the_checksums += 1,
            Err(Error::Damaged { reason, .. }) => {
                past_the_checksums += u64::from(!reason.contains("not have its checksum"))
            }
            Err(Error::NewerSchema { .. } | Error::ShapeMismatch { .. }) => past_the_checksums += 1,
            Err(other) => panic!("{other}"),
        }
    }
    fs::write(file, whole).unwrap();
    // A number of a footer is a checksum more often than not.
    assert!(
        past_the_checksums > mutations() / 4,
        "only {past_the_checksums} forgeries came past the checksums"
    );
}
