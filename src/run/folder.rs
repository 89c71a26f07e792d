//! The names in a run folder.
//!
//! Folders of Parquet files hold nothing else for long, as most programs read such a folder whole:
//! the open segment is in `open`, and another file that is not complete has a name that begins with
//! a dot, which most pass over. In version 1 of the log the open segment lay among the others, and
//! summaries of curvature among the tables.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::record::SCHEMA_VERSION;
use crate::run::listing::Listing;

/// Symbolic links that lead to each other; as many as Linux follows.
const MOST_LINKS: usize = 40;
/// More files than any run has; one may be added to it.
const LARGEST_NUMBER: u64 = u64::MAX / 2;

/// Where things are in a run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunFolder {
    pub(crate) root: PathBuf,
    /// Schema version of the run.
    version: u32,
}

impl RunFolder {
    /// The folder of a run of this version.
    pub(crate) fn new(root: impl AsRef<Path>) -> RunFolder {
        RunFolder::of_version(root, SCHEMA_VERSION)
    }

    /// The folder of a run that another version may have begun.
    pub(crate) fn of_version(root: impl AsRef<Path>, version: u32) -> RunFolder {
        RunFolder { root: root.as_ref().to_owned(), version }
    }

    /// Schema version of the run.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn run_json(&self) -> PathBuf {
        self.root.join("run.json")
    }

    pub(crate) fn reference(&self) -> PathBuf {
        self.root.join("reference.safetensors")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn steps(&self) -> PathBuf {
        self.root.join("steps")
    }

    /// `steps` itself: where it is a symbolic link, the folder that it leads to. It need not be
    /// there.
    pub(crate) fn steps_itself(&self) -> PathBuf {
        let mut place = self.steps();
        for _ in 0..MOST_LINKS {
            let Ok(target) = fs::read_link(&place) else { break };
            place = place.parent().unwrap_or(&self.root).join(target);
        }
        place
    }

    /// Where segments are merged; after they took the place of `steps`, the old ones. On the same
    /// disk.
    pub(crate) fn compacting(&self) -> PathBuf {
        self.beside_steps(".compacting")
    }

    /// Where the old segments are put when folders cannot be exchanged in one step.
    pub(crate) fn replaced(&self) -> PathBuf {
        self.beside_steps(".replaced")
    }

    fn beside_steps(&self, suffix: &str) -> PathBuf {
        let steps = self.steps_itself();
        let mut name = steps.file_name().unwrap_or(OsStr::new("steps")).to_owned();
        name.push(suffix);
        steps.with_file_name(name)
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.steps().join(format!("{number:06}.parquet"))
    }

    /// Where the open segment is: its journal, and its Parquet file until it is complete.
    pub(crate) fn open_folder(&self) -> PathBuf {
        if self.version == 1 { self.steps() } else { self.root.join("open") }
    }

    pub(crate) fn journal(&self, number: u64) -> PathBuf {
        self.open_folder().join(format!("{number:06}.arrows"))
    }

    /// Where a segment is written until it is complete.
    pub(crate) fn unfinished_segment(&self, number: u64) -> PathBuf {
        self.open_folder().join(format!("{number:06}.parquet.partial"))
    }

    pub(crate) fn curvature_folder(&self) -> PathBuf {
        self.root.join("curvature")
    }

    pub(crate) fn curvature(&self, basis: u64) -> PathBuf {
        self.curvature_folder().join(format!("{basis:06}.parquet"))
    }

    pub(crate) fn summaries_folder(&self) -> PathBuf {
        if self.version == 1 {
            self.curvature_folder()
        } else {
            self.root.join("curvature_summaries")
        }
    }

    pub(crate) fn curvature_summary(&self, basis: u64) -> PathBuf {
        self.summaries_folder().join(format!("{basis:06}.json"))
    }

    pub(crate) fn eigenvectors_folder(&self) -> PathBuf {
        self.root.join("eigenvectors")
    }

    pub(crate) fn eigenvectors(&self, basis: u64) -> PathBuf {
        self.eigenvectors_folder().join(format!("{basis:06}.safetensors"))
    }

    pub(crate) fn joined_folder(&self) -> PathBuf {
        self.root.join("joined")
    }

    pub(crate) fn joined(&self, number: u64) -> PathBuf {
        self.joined_folder().join(format!("{number:06}.safetensors"))
    }

    /// The number of a file of parameters that joined, if it is one.
    pub(crate) fn number_of_joined(&self, file: &Path) -> Option<u64> {
        let number = number(file.file_stem()?.to_str()?)?;
        (self.joined(number) == file).then_some(number)
    }

    pub(crate) fn deltas_folder(&self) -> PathBuf {
        self.root.join("deltas")
    }

    pub(crate) fn delta_parameters(&self) -> PathBuf {
        self.deltas_folder().join("parameters.json")
    }

    pub(crate) fn delta_bounds(&self) -> PathBuf {
        self.deltas_folder().join("bounds.json")
    }

    pub(crate) fn delta_journal(&self, number: u64) -> PathBuf {
        self.deltas_folder().join(format!("{number:06}.arrows"))
    }

    /// The number of a file of whole displacements, if it is one.
    pub(crate) fn number_of_delta_journal(&self, file: &Path) -> Option<u64> {
        let number = number(file.file_stem()?.to_str()?)?;
        (self.delta_journal(number) == file).then_some(number)
    }

    pub(crate) fn landscape_folder(&self) -> PathBuf {
        self.root.join("landscape")
    }

    pub(crate) fn landscape(&self, number: u64) -> PathBuf {
        self.landscape_folder().join(format!("{number:06}.parquet"))
    }

    /// The number of a landscape, if a file is one.
    pub(crate) fn number_of_landscape(&self, file: &Path) -> Option<u64> {
        let number = number(file.file_stem()?.to_str()?)?;
        (self.landscape(number) == file).then_some(number)
    }

    /// The number of the basis that a file of `curvature` or `eigenvectors` is of, if it is one.
    pub(crate) fn number_of_basis(&self, file: &Path) -> Option<u64> {
        let number = number(file.file_stem()?.to_str()?)?;
        [self.curvature(number), self.eigenvectors(number)]
            .iter()
            .any(|path| path == file)
            .then_some(number)
    }

    /// The number of the basis that a file other than the table tells of, if it is one: its
    /// vectors, or a summary.
    pub(crate) fn number_beside_table(&self, file: &Path) -> Option<u64> {
        let number = number(file.file_stem()?.to_str()?)?;
        [self.eigenvectors(number), self.curvature_summary(number)]
            .iter()
            .any(|path| path == file)
            .then_some(number)
    }

    /// The folders whose files are written beside their place first.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        let mut places = vec![
            self.root.clone(),
            self.steps(),
            self.open_folder(),
            self.curvature_folder(),
            self.summaries_folder(),
            self.eigenvectors_folder(),
            self.joined_folder(),
            self.deltas_folder(),
            self.landscape_folder(),
        ];
        places.dedup();
        places
    }

    /// Where the rows of segments `first..=last` are once they have been merged.
    pub(crate) fn merged_segment(&self, first: u64, last: u64) -> PathBuf {
        self.steps().join(format!("{first:06}-{last:06}.parquet"))
    }

    /// The finished segments and the journals there are, by number.
    pub(crate) fn list_steps(&self) -> Result<Listing> {
        // A folder that stopped being `steps` while it was listed has had its files removed
        // meanwhile.
        loop {
            let before = self.identity_of_steps()?;
            let listing = self.list_once()?;
            if self.identity_of_steps()? == before {
                return Ok(listing);
            }
        }
    }

    #[cfg(unix)]
    fn identity_of_steps(&self) -> Result<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        let metadata = self.steps().metadata().map_err(Error::io("list", self.steps()))?;
        Ok((metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn identity_of_steps(&self) -> Result<()> {
        Ok(())
    }

    fn list_once(&self) -> Result<Listing> {
        let (steps, open) = (self.steps(), self.open_folder());
        let (mut segments, mut journals) = (Vec::new(), Vec::new());
        // The journals first: what becomes a segment meanwhile is found as one.
        match fs::read_dir(&open) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries.map_err(Error::io("list", &open))? {
                    journals.extend(
                        self.number_of_journal(&entry.map_err(Error::io("list", &open))?.path()),
                    );
                }
            }
        }
        for entry in fs::read_dir(&steps).map_err(Error::io("list", &steps))? {
            segments
                .extend(self.numbers_of_segment(&entry.map_err(Error::io("list", &steps))?.path()));
        }
        Ok(Listing::new(segments, journals))
    }

    /// The file of a segment of a [`Listing`].
    pub(crate) fn segment_of(&self, (first, last): (u64, u64)) -> PathBuf {
        if first == last { self.segment(first) } else { self.merged_segment(first, last) }
    }

    /// The first and last number of the segment that a file of `steps` is, if it is one.
    pub(crate) fn numbers_of_segment(&self, file: &Path) -> Option<(u64, u64)> {
        let stem = file.file_stem()?.to_str()?;
        let (first, last) = stem.split_once('-').unwrap_or((stem, stem));
        // A range that goes too far is found when it is read: it is not that of the segments in it.
        let numbers = (number(first)?, last.parse().ok()?);
        (numbers.0 <= numbers.1 && self.segment_of(numbers) == file).then_some(numbers)
    }

    /// The number of the segment that a file is the journal of, if it is one.
    pub(crate) fn number_of_journal(&self, file: &Path) -> Option<u64> {
        let number = number(file.file_stem()?.to_str()?)?;
        (self.journal(number) == file).then_some(number)
    }

    /// Whether a file is one of ours that was not completed; other files in the folder are
    /// somebody's.
    pub(crate) fn is_partial(&self, file: &Path) -> bool {
        let Some(name) = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".partial"))
        else {
            return false;
        };
        let number = name.strip_suffix(".parquet").and_then(number);
        if number.is_some_and(|number| self.unfinished_segment(number) == file) {
            return true;
        }
        let complete = match name.strip_prefix('.') {
            Some(name) => file.with_file_name(name),
            None if self.version == 1 => file.with_file_name(name),
            None => return false,
        };
        complete == self.run_json()
            || complete == self.reference()
            || complete == self.delta_parameters()
            || complete == self.delta_bounds()
            || self.numbers_of_segment(&complete).is_some()
            || self.number_of_basis(&complete).is_some()
            || self.number_of_landscape(&complete).is_some()
            || self.number_of_joined(&complete).is_some()
            || self.number_beside_table(&complete).is_some()
    }
}

/// The number in the name of one of perrin's files. One so large that others cannot follow is none.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number <= LARGEST_NUMBER)
}

/// The name that a file other than the open segment has until it is complete: `.NAME.partial`
/// beside it.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}
