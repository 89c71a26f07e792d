//! A run whose files are damaged by the hundred.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::path::Path;

use super::common::{rows, writer};

/// How many mutations of each kind to try: `PERRIN_MUTATIONS`, or 500.
pub fn mutations() -> u64 {
    std::env::var("PERRIN_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(500)
}

/// A finished segment and a journal of several blocks, 60 rows each.
pub fn run(directory: &Path) {
    let mut log = writer(directory);
    for block in 0..6 {
        log.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
    }
    log.close().unwrap();
    let journals = directory.join("journals");
    let mut log = writer(&journals);
    for block in 6..12 {
        log.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
    }
    drop(log);
    fs::create_dir_all(directory.join("open")).unwrap();
    fs::rename(journals.join("open/000000.arrows"), directory.join("open/000001.arrows")).unwrap();
    fs::remove_dir_all(journals).unwrap();
}
