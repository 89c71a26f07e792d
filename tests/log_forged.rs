//! Files damaged on purpose, with checksums that fit: whatever the decoders meet, a typed error or some rows, and no
//! panic.
//!
//! The environment variable `PERRIN_MUTATIONS` asks for more than the usual 500 of each kind.

mod common;

#[path = "common/mutation.rs"]
mod mutation;

use std::fs;
use std::path::Path;

use common::{rows, try_read_rows, writer};
use mutation::{damage, largest_request, mutations, run};
use parquet::file::metadata::ParquetMetaDataReader;
use perrin::Error;
use perrin::log::{Run, check, recover};
use perrin::record::{Event, EventKind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A Parquet page says its unpacked size in 31 bits, and that much may be asked for before it proves wrong.
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
    fs::write(curvature.join(format!("{}.parquet", u64::MAX)), "").unwrap();
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
    forge(directory.path(), &segment, forged_column_chunk, &mut random);
    forge(directory.path(), &journal, forged_block, &mut random);
    let largest = largest_request();
    assert!(largest <= LARGEST_REQUEST, "{largest} bytes were asked for at once");
}

fn forge(directory: &Path, file: &Path, forgery: fn(&[u8], &mut ChaCha8Rng) -> Vec<u8>, random: &mut ChaCha8Rng) {
    let whole = fs::read(file).unwrap();
    let mut past_the_checksums = 0;
    for _ in 0..mutations() {
        fs::write(file, forgery(&whole, random)).unwrap();
        match try_read_rows(directory) {
            Ok(_) => past_the_checksums += 1,
            Err(Error::Damaged { reason, .. }) => past_the_checksums += u64::from(!reason.contains("checksum")),
            Err(Error::NewerSchema { .. } | Error::ShapeMismatch { .. }) => past_the_checksums += 1,
            Err(other) => panic!("{other}"),
        }
    }
    fs::write(file, whole).unwrap();
    assert!(past_the_checksums > mutations() / 2, "only {past_the_checksums} forgeries came past the checksums");
}

/// `prn1` and the CRC-32, as docs/log-format.md has it.
fn seal(bytes: &[u8]) -> Vec<u8> {
    [b"prn1".as_slice(), &crc32fast::hash(bytes).to_le_bytes()].concat()
}

/// What is before the footer, and the footer.
fn split_footer(whole: &[u8]) -> (&[u8], &[u8]) {
    let (rest, tail) = whole.split_at(whole.len() - 8);
    let length = u32::from_le_bytes(tail[..4].try_into().unwrap()) as usize;
    rest.split_at(rest.len() - length)
}

fn forged_footer(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let (data, footer) = split_footer(whole);
    let footer = damage(footer, random);
    let length = (footer.len() as u32).to_le_bytes();
    [&data[..data.len() - 8], &seal(&footer), &footer, &length, b"PAR1"].concat()
}

fn forged_column_chunk(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let metadata = ParquetMetaDataReader::decode_metadata(split_footer(whole).1).unwrap();
    let columns = metadata.row_group(0).columns();
    let (start, length) = columns[random.random_range(0..columns.len())].byte_range();
    let chunk = &whole[start as usize..][..length as usize];
    let mut forged = chunk.to_vec();
    // Page headers are at the beginning, and matter most.
    let position = random.random_range(0..(length as usize - 4).min(32));
    forged[position] = random.random();
    forge_checksum(&mut forged, crc32fast::hash(chunk));
    [&whole[..start as usize], &forged, &whole[(start + length) as usize..]].concat()
}

/// Sets the last four bytes so that the CRC-32 is `wanted`: the checksum is linear in its input's bits.
fn forge_checksum(bytes: &mut [u8], wanted: u32) {
    let end = bytes.len() - 4;
    let mut checksum = |last: u32| {
        bytes[end..].copy_from_slice(&last.to_le_bytes());
        crc32fast::hash(bytes)
    };
    let zero = checksum(0);
    // Reduce the images of the 32 unit vectors to a basis with distinct leading bits.
    let mut basis: Vec<(u32, u32)> = Vec::new();
    for bit in 0..32 {
        let mut vector = (checksum(1 << bit) ^ zero, 1_u32 << bit);
        for &(image, origin) in &basis {
            if vector.0 ^ image < vector.0 {
                vector = (vector.0 ^ image, vector.1 ^ origin);
            }
        }
        basis.push(vector);
        basis.sort_unstable_by(|before, after| after.cmp(before));
    }
    let mut rest = (wanted ^ zero, 0);
    for (image, origin) in basis {
        if rest.0 ^ image < rest.0 {
            rest = (rest.0 ^ image, rest.1 ^ origin);
        }
    }
    assert_eq!(checksum(rest.1), wanted);
}

fn forged_block(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    // Blocks begin where the continuation marker is followed by a length that ends in a seal.
    let mut starts = Vec::new();
    for start in (0..whole.len() - 8).step_by(8) {
        let length = u32::from_le_bytes(whole[start + 4..start + 8].try_into().unwrap()) as usize;
        if whole[start..].starts_with(&[0xff; 4]) && whole.get(start + length..start + length + 4) == Some(b"prn1") {
            starts.push(start);
        }
    }
    let block = random.random_range(0..starts.len());
    let end = starts.get(block + 1).copied().unwrap_or(whole.len());
    let (before, rest) = whole.split_at(starts[block]);
    let (message, after) = rest.split_at(end - starts[block]);
    let length = u32::from_le_bytes(message[4..8].try_into().unwrap()) as usize;
    let (metadata, body) = (&message[8..length], &message[8 + length..]);
    // The metadata keeps its length, so that the message stays in step.
    let mut metadata = metadata.to_vec();
    for _ in 0..random.random_range(1..4) {
        let position = random.random_range(0..metadata.len());
        metadata[position] = random.random();
    }
    let seal = seal(&[metadata.as_slice(), body].concat());
    [before, &message[..8], &metadata, &seal, body, after].concat()
}
