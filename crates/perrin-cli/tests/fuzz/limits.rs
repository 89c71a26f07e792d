//! Differences that nothing in a log can tell of: docs/log-format.md promises nothing else. All of
//! them are here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base;
use crate::kind::kind_of;

/// Why an operation may answer otherwise without a word; `None` if it may not. Each file that was
/// changed, is gone or was not there before has to have a reason. `other` is the run of which files
/// are taken.
pub fn limit(base: &Path, other: &Path, run: &Path, operation: &str) -> Option<&'static str> {
    let files: BTreeSet<PathBuf> = [base, run].into_iter().flat_map(base::files).collect();
    let changed = files.into_iter().filter_map(|file| {
        // A pipe would keep this waiting, too.
        let bytes = |folder: &Path| {
            let path = folder.join(&file);
            path.metadata().ok().filter(|found| found.is_file()).and_then(|_| fs::read(path).ok())
        };
        let (before, of_other, after) = (bytes(base), bytes(other), bytes(run));
        (before != after).then_some(Change { base, file, before, of_other, after })
    });
    let reasons: Vec<Option<&str>> = changed.map(|change| change.reason(operation)).collect();
    let reasons = reasons.into_iter().collect::<Option<Vec<_>>>()?;
    reasons.iter().copied().find(|reason| *reason != NO_PART).or(reasons.first().copied())
}

const NO_PART: &str = "a file that answers do not rest on";

struct Change<'a> {
    base: &'a Path,
    file: PathBuf,
    before: Option<Vec<u8>>,
    of_other: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
}

impl Change<'_> {
    fn reason(&self, operation: &str) -> Option<&'static str> {
        let kind = kind_of(&self.file.to_string_lossy());
        let is_version_1 = self.base.file_name()?.to_string_lossy().starts_with("version_1");
        match kind {
            "report" | "unfinished file" => Some(NO_PART),
            // Beside files that are known, in the run's own folder.
            "another file"
                if self.before.is_none() && self.file.parent() == Some(Path::new("")) =>
            {
                Some(NO_PART)
            }
            "lock" if operation == "ls" => Some("a damaged lock: who writes the run is not known"),
            "run.json" | "events" | "displacements' JSON" | "curvature summary" if is_version_1 => {
                Some("version 1 has no checksum there")
            }
            "segment" | "journal" if self.after.is_none() && self.is_last_part() => {
                Some("the last rows gone: as if it had been killed earlier")
            }
            // Segments, run.json and the reference point say it.
            "journal"
            | "events"
            | "curvature table"
            | "curvature summary"
            | "eigenvectors"
            | "displacements"
            | "displacements' JSON"
            | "landscape"
            | "joined parameters"
                if self.after.is_some() && self.after == self.of_other =>
            {
                Some("a whole file of another run, which does not say whose it is")
            }
            "displacements" | "landscape" if self.is_another_of_its_kind(kind) => {
                Some("a whole file under another number, which it does not say")
            }
            "curvature summary" | "landscape" | "eigenvectors" | "displacements"
                if self.after.is_none() =>
            {
                Some("a file gone that a run may lack")
            }
            "events" if self.is_shorter() => {
                Some("the last events gone: as if it had not happened")
            }
            _ => None,
        }
    }

    /// Whether it is now what another file of the kind was.
    fn is_another_of_its_kind(&self, kind: &str) -> bool {
        let files = base::files(self.base)
            .into_iter()
            .filter(|file| kind_of(&file.to_string_lossy()) == kind);
        files
            .into_iter()
            .any(|file| self.after.is_some() && fs::read(self.base.join(file)).ok() == self.after)
    }

    /// Whether it has the last rows of a run that was not closed.
    fn is_last_part(&self) -> bool {
        let is_part = |file: &PathBuf| {
            matches!(kind_of(&file.to_string_lossy()), "segment" | "merged segment" | "journal")
        };
        let parts = base::files(self.base).into_iter().filter(is_part);
        let last = parts.max_by_key(|file| file.file_name().map(ToOwned::to_owned));
        last.as_ref() == Some(&self.file) && !self.base.ends_with("finished")
    }

    /// Whether what there is of whole lines was there before.
    fn is_shorter(&self) -> bool {
        let after = self.after.as_deref().unwrap_or_default();
        let whole = after.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.before.as_deref().is_some_and(|before| before.starts_with(&after[..whole]))
    }
}
