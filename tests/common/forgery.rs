//! Damage done on purpose: the checksums are made to fit, so that it comes to the decoders.
#![allow(dead_code, reason = "each test program uses a part of it")]

use parquet::file::metadata::ParquetMetaDataReader;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::damage::damage;

/// `prn1` and the CRC-32, as docs/log-format.md has it.
pub fn seal(bytes: &[u8]) -> Vec<u8> {
    [b"prn1".as_slice(), &crc32fast::hash(bytes).to_le_bytes()].concat()
}

/// What is before the footer of a Parquet file, and the footer.
fn split_footer(whole: &[u8]) -> (&[u8], &[u8]) {
    let (rest, tail) = whole.split_at(whole.len() - 8);
    let length = u32::from_le_bytes(tail[..4].try_into().unwrap()) as usize;
    rest.split_at(rest.len() - length)
}

fn with_footer(data: &[u8], footer: &[u8]) -> Vec<u8> {
    let length = (footer.len() as u32).to_le_bytes();
    [&data[..data.len() - 8], &seal(footer), footer, &length, b"PAR1"].concat()
}

/// A Parquet file whose footer is damaged.
pub fn forged_footer(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let (data, footer) = split_footer(whole);
    with_footer(data, &damage(footer, random).0)
}

/// A Parquet file that says another number in its footer's metadata: digits are replaced by digits.
pub fn forged_number(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let (data, footer) = split_footer(whole);
    let mut footer = footer.to_vec();
    let digits: Vec<usize> =
        (0..footer.len()).filter(|&index| footer[index].is_ascii_digit()).collect();
    for _ in 0..random.random_range(1..4) {
        let first = digits[random.random_range(0..digits.len())];
        for index in first..(first + random.random_range(1..8)).min(footer.len()) {
            if footer[index].is_ascii_digit() {
                footer[index] = b'0' + random.random_range(0..10);
            }
        }
    }
    with_footer(data, &footer)
}

/// A Parquet file one of whose columns is damaged.
pub fn forged_column_chunk(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
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

/// Sets the last four bytes so that the CRC-32 is `wanted`: the checksum is linear in its input's
/// bits.
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

/// A journal one of whose blocks says something else of itself.
pub fn forged_block(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    // The metadata keeps its length, so that the message stays in step.
    forged_message(whole, random, |metadata, _, random| {
        for _ in 0..random.random_range(1..4) {
            let position = random.random_range(0..metadata.len());
            metadata[position] = random.random();
        }
    })
}

/// A journal one of whose blocks has other values.
pub fn forged_values(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    forged_message(whole, random, |_, body, random| {
        for _ in 0..random.random_range(1..4) {
            let position = random.random_range(0..body.len().max(1));
            body.iter_mut().skip(position).take(8).for_each(|byte| *byte = random.random());
        }
    })
}

fn forged_message(
    whole: &[u8],
    random: &mut ChaCha8Rng,
    forge: impl FnOnce(&mut [u8], &mut [u8], &mut ChaCha8Rng),
) -> Vec<u8> {
    // Blocks begin where the continuation marker is followed by a length that ends in a seal.
    let mut starts = Vec::new();
    for start in (0..whole.len() - 8).step_by(8) {
        let length = u32::from_le_bytes(whole[start + 4..start + 8].try_into().unwrap()) as usize;
        if whole[start..].starts_with(&[0xff; 4])
            && whole.get(start + length..start + length + 4) == Some(b"prn1")
        {
            starts.push(start);
        }
    }
    let block = random.random_range(0..starts.len());
    let end = starts.get(block + 1).copied().unwrap_or(whole.len());
    let (before, rest) = whole.split_at(starts[block]);
    let (message, after) = rest.split_at(end - starts[block]);
    let length = u32::from_le_bytes(message[4..8].try_into().unwrap()) as usize;
    let (mut metadata, mut body) = (message[8..length].to_vec(), message[8 + length..].to_vec());
    forge(&mut metadata, &mut body, random);
    let seal = seal(&[metadata.as_slice(), &body].concat());
    [before, &message[..8], &metadata, &seal, &body, after].concat()
}
