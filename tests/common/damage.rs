//! Damage done to a file by accident.
#![allow(dead_code, reason = "each test program uses a part of it")]

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Bytes that an accident hits at most, unless it goes to the end of the file.
const RUN: usize = 64;

/// Some accident, and what it was. The file must not be empty.
pub fn damage(bytes: &[u8], random: &mut ChaCha8Rng) -> (Vec<u8>, &'static str) {
    let mut damaged = bytes.to_vec();
    let start = random.random_range(0..bytes.len());
    let end = (start + random.random_range(1..RUN)).min(bytes.len());
    let what = match random.random_range(0..10) {
        0 => {
            damaged[start] ^= 1 << random.random_range(0..8);
            "a bit flipped"
        }
        1 => {
            random.fill(&mut damaged[start..end]);
            "bytes overwritten"
        }
        2 => {
            damaged.truncate(start);
            "cut off"
        }
        3 => {
            damaged.drain(start..end);
            "bytes left out"
        }
        4 => {
            damaged.splice(start..start, bytes[start..end].to_vec());
            "bytes repeated"
        }
        5 => {
            damaged[start..].fill(0);
            "zeroed to the end"
        }
        6 => {
            damaged[start..end].fill(0);
            "bytes zeroed"
        }
        7 => {
            damaged[start..end].fill(0xff);
            "bytes all ones"
        }
        8 => {
            let more: Vec<u8> = match random.random_range(0..3) {
                0 => vec![0; random.random_range(1..8192)],
                1 => (0..random.random_range(1..RUN)).map(|_| random.random()).collect(),
                _ => bytes[start..].to_vec(),
            };
            damaged.extend(more);
            "extended"
        }
        _ => {
            let size = random.random_range(1..=RUN).min(bytes.len() / 2);
            let other = random.random_range(0..=bytes.len() - size);
            let start = start.min(bytes.len() - size);
            damaged[start..start + size].copy_from_slice(&bytes[other..other + size]);
            damaged[other..other + size].copy_from_slice(&bytes[start..start + size]);
            "blocks swapped"
        }
    };
    (damaged, what)
}
