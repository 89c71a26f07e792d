//! Where a report goes: whole or not at all, over nothing that is not a report, and with nothing in
//! it that acts on the reader.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::chart::Chart;
use super::csv;
use super::draw::svg_file;
use super::page::GENERATOR;
use crate::error::{Error, Result};
use crate::printable;

/// Where in a page of ours the mark is found.
const HEAD: u64 = 1024;

/// Refuses a path that holds something else than a report.
///
/// # Errors
/// [`Error::InvalidInput`] if there is another file or a folder; [`Error::Io`].
pub fn refuse_others(page: &Path) -> Result<()> {
    let mut head = Vec::new();
    let Ok(found) = page.metadata() else { return Ok(()) };
    // A pipe would never end.
    if found.is_file() {
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

/// Writes a file beside its place, under a name that nobody can have taken, and renames it. What
/// has its name, a symbolic link too, is replaced and not written through.
///
/// # Errors
/// [`Error::Io`].
pub fn write(path: &Path, text: &str) -> Result<()> {
    // `page.html` has an empty parent.
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new();
    beside.prefix(".perrin-").suffix(".partial");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As other files: less what the user's mask takes.
        beside.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = beside.tempfile_in(folder).map_err(Error::io("create a file in", folder))?;
    file.write_all(printable::lines(text).as_bytes()).map_err(Error::io("write", path))?;
    file.persist(path).map(drop).map_err(|error| Error::io("rename a file to", path)(error.error))
}

/// Writes each chart as SVG and CSV into a folder, which is made where it is not there.
///
/// # Errors
/// [`Error::Io`].
pub fn write_figures<'a>(
    folder: &Path,
    charts: impl Iterator<Item = (String, &'a Chart)>,
) -> Result<Vec<PathBuf>> {
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
