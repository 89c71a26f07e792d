//! Where a report goes: whole or not at all, and over nothing that is not a report.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::chart::Chart;
use super::csv;
use super::draw::svg_file;
use super::page::GENERATOR;
use crate::error::{Error, Result};

/// Where in a page of ours the mark is found.
const HEAD: u64 = 1024;

/// Refuses a path that holds something else than a report.
///
/// # Errors
/// [`Error::InvalidInput`] if there is another file or a folder; [`Error::Io`].
pub fn refuse_others(page: &Path) -> Result<()> {
    if !page.exists() {
        return Ok(());
    }
    let mut head = Vec::new();
    if !page.is_dir() {
        let file = fs::File::open(page).map_err(Error::io("read", page))?;
        file.take(HEAD).read_to_end(&mut head).map_err(Error::io("read", page))?;
    }
    if String::from_utf8_lossy(&head).contains(GENERATOR) {
        return Ok(());
    }
    Err(Error::InvalidInput {
        field: page.display().to_string(),
        reason: "it is there and is not a report of perrin's: choose another file".to_owned(),
    })
}

/// Writes a file beside its place and renames it.
///
/// # Errors
/// [`Error::Io`].
pub fn write(path: &Path, text: &str) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::write(&partial, text).map_err(Error::io("write", &partial))?;
    fs::rename(&partial, path).map_err(Error::io("rename", path))
}

/// Writes each chart as SVG and CSV into a folder, which is made where it is not there.
///
/// # Errors
/// [`Error::Io`].
pub fn write_figures<'a>(folder: &Path, charts: impl Iterator<Item = (String, &'a Chart)>) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut written = Vec::new();
    for (prefix, chart) in charts {
        for (ending, text) in [("svg", svg_file(chart)?), ("csv", csv::table(chart))] {
            let path = folder.join(format!("{prefix}{}.{ending}", chart.name));
            write(&path, &text)?;
            written.push(path);
        }
    }
    Ok(written)
}
