//! Finding the runs that arguments name.

use std::path::{Path, PathBuf};

use perrin::Error;
use perrin::run::{Run, find_runs};

use crate::output;

/// Runs named in an error.
const MOST_NAMED: usize = 5;

/// Opens a run. Of a folder that is none, the runs in it are named.
pub fn open(path: &Path) -> anyhow::Result<Run> {
    match Run::open(path) {
        Err(error @ Error::NoSuchRun { .. }) => match inside(path) {
            Some(told) => anyhow::bail!(told),
            None => Err(error.into()),
        },
        opened => Ok(opened?),
    }
}

/// Opens the runs among the arguments, as [`among`] finds them.
pub fn open_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Run>> {
    among(paths)?.into_iter().map(|path| Ok(Run::open(path)?)).collect()
}

/// The arguments that are runs, whole or damaged. Of several, what is there and no run is told and
/// passed over.
pub fn among(paths: &[PathBuf]) -> anyhow::Result<Vec<&Path>> {
    let mut found = Vec::new();
    for path in paths {
        match Run::open(path) {
            // A name with nothing under it is a slip, and others would be compared than were meant.
            Err(Error::NoSuchRun { .. }) if paths.len() > 1 && path.exists() => {
                let told = inside(path).unwrap_or_else(|| format!("{} is no run", path.display()));
                output::tell(format_args!("{told}: passed over"));
            }
            Err(Error::NoSuchRun { .. }) => drop(open(path)?),
            _ => found.push(path.as_path()),
        }
    }
    anyhow::ensure!(!found.is_empty(), "none of the {} arguments is a run", paths.len());
    Ok(found)
}

/// What to say of a folder of runs; none if there are none in it.
fn inside(folder: &Path) -> Option<String> {
    let runs = find_runs(folder).ok().filter(|runs| !runs.is_empty())?;
    let named: Vec<String> =
        runs.iter().take(MOST_NAMED).map(|run| run.display().to_string()).collect();
    let more = match runs.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (folder, named) = (folder.display(), named.join(", "));
    Some(match runs.len() {
        1 => format!("{folder} is no run, but holds one: {named}"),
        count => format!(
            "{folder} is no run, but holds {count}: {named}{more}; `perrin ls {folder}` lists them"
        ),
    })
}
