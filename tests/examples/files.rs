//! What the examples read: data files that are cut or are something else, and arguments.

use std::ffi::OsString;
use std::io::Write;

use crate::arguments::Arguments;
use crate::idx::{Bytes, parse_cifar, parse_idx, read_cifar, read_idx};

const TWO_IMAGES: [u8; 16 + 12] =
    [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn said(words: &[&str]) -> anyhow::Result<Arguments> {
    Arguments::of(words.iter().map(OsString::from), &["data", "seed"], &["quick"])
}

#[test]
fn idx_files_are_read_plain_and_gzipped() {
    let expected = Bytes { shape: vec![2, 2, 3], values: (1..=12).collect() };
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain-ubyte");
    std::fs::write(&plain, TWO_IMAGES).unwrap();
    assert_eq!(read_idx(&plain, 3).unwrap(), expected);
    let file = std::fs::File::create(folder.path().join("packed-ubyte.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    packed.write_all(&TWO_IMAGES).unwrap();
    packed.finish().unwrap();
    assert_eq!(read_idx(&folder.path().join("packed-ubyte"), 3).unwrap(), expected);
}

#[test]
fn cut_and_foreign_files_are_refused_with_the_reason() {
    let reason = |content: &[u8]| parse_idx(content, 3).unwrap_err().to_string();
    assert!(reason(&[]).contains("within its header of 16"));
    assert!(reason(&TWO_IMAGES[..15]).contains("ends after 15 bytes"));
    assert!(reason(&TWO_IMAGES[..27]).contains("[2, 2, 3], which is not the 11 bytes"));
    assert!(reason(&[&TWO_IMAGES[..], &[0]].concat()).contains("not the 13 bytes"));
    assert!(reason(b"<!DOCTYPE html><html>").contains("begins with [60, 33"));
    let mut labels = TWO_IMAGES;
    labels[3] = 1;
    assert!(reason(&labels).contains("begins with [0, 0, 8, 1]"));
    let mut huge = TWO_IMAGES;
    huge[4..16].fill(255);
    assert!(reason(&huge).contains("cut or damaged"));
    let mut empty = TWO_IMAGES;
    empty[7] = 0;
    assert!(reason(&empty).contains("empty shape"));
}

#[test]
fn a_missing_or_half_gzip_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("t10k-labels-idx1-ubyte");
    assert!(
        format!("{:#}", read_idx(&missing, 1).unwrap_err()).contains("t10k-labels-idx1-ubyte.gz")
    );
    std::fs::write(folder.path().join("half-ubyte.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    let error = read_idx(&folder.path().join("half-ubyte"), 1).unwrap_err();
    assert!(format!("{error:#}").contains("half-ubyte.gz"), "{error:#}");
}

#[test]
fn batches_of_cifar_are_records_of_a_label_and_3072_bytes() {
    let mut content = vec![7; 2 * 3073];
    content[3073] = 9;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test_batch.bin"), &content).unwrap();
    let (images, labels) = read_cifar(&folder.path().join("test_batch.bin")).unwrap();
    assert_eq!((images.shape, images.values.len()), (vec![2, 3, 32, 32], 2 * 3072));
    assert_eq!(labels.values, [7, 9]);
    assert!(parse_cifar(&content[1..]).unwrap_err().to_string().contains("not records of 3073"));
    content[0] = 10;
    assert!(parse_cifar(&content).unwrap_err().to_string().contains("label 10"));
}

#[test]
fn arguments_are_read_and_mistakes_told() {
    let arguments = said(&["--data", "here", "--quick", "out"]).unwrap();
    assert_eq!(arguments.path("data").unwrap(), "here");
    assert_eq!(arguments.folder_or_free("x"), std::path::Path::new("out"));
    assert!(arguments.has("quick") && !said(&[]).unwrap().has("quick"));
    assert_eq!(arguments.number("seed", 3).unwrap(), 3);
    assert_eq!(said(&["--seed", "5"]).unwrap().number("seed", 3).unwrap(), 5);
    assert!(
        said(&["--seed", "five"])
            .unwrap()
            .number("seed", 3)
            .unwrap_err()
            .to_string()
            .contains("five")
    );
    let mistake = |words: &[&str]| said(words).unwrap_err().to_string();
    assert!(mistake(&["--data"]).contains("--data needs a value"));
    assert!(
        mistake(&["--dta", "x"])
            .contains("no option --dta; arguments: [--data VALUE] [--seed VALUE] [--quick]")
    );
    assert!(mistake(&["one", "two"]).contains("more than one folder"));
}
