//! The run folder's writer. It has no clock and no thread: the recorder's worker calls it.

use std::fs::{self, File, TryLockError};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;

use super::curvature::write_basis;
use super::eigenvectors::Eigenvectors;
use super::events::EventWriter;
use super::info::run_json;
use super::journal::Journal;
use super::recovery::{rename_into_place, segment_from_journal};
use super::reference::{ReferenceTensor, write_reference};
use super::schema::{batch_from_rows, steps_schema};
use super::segment::{SegmentSize, SegmentWriter};
use super::storage::{Disk, Storage};
use super::{RunFolder, partial};
use crate::error::{Error, Result};
use crate::record::{Event, Layout, RowBuffer, RunInfo};

/// Segments are closed after 1, 2, 4, ... seconds, and from then on after this long.
const LONGEST_SEGMENT: Duration = Duration::from_secs(600);

/// Size of the journal at which a segment is closed whatever its age.
const LARGEST_JOURNAL_BYTES: u64 = 64 << 20;

/// What is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogTotals {
    /// Rows appended.
    pub rows: u64,
    /// Bytes of the finished segments.
    pub bytes: u64,
    /// Finished segments.
    pub segments: u64,
}

/// Writes a run folder. Only one writer at a time has a folder; dropping it without [`close`](RunWriter::close)
/// loses nothing, the rows of the open segment stay in its journal.
pub struct RunWriter {
    storage: Arc<dyn Storage>,
    folder: RunFolder,
    info: RunInfo,
    schema: SchemaRef,
    events: Option<EventWriter>,
    open: Option<OpenSegment>,
    /// Number of the open segment, or of the next.
    number: u64,
    /// Segments that could not be completed; their rows are in their journals.
    unfinished: Vec<u64>,
    totals: LogTotals,
    /// Held for as long as the writer lives.
    lock: File,
}

struct OpenSegment {
    journal: Journal,
    /// None once writing to it failed; the segment is then made from the journal when it is closed.
    encoder: Option<SegmentWriter>,
    /// When [`RunWriter::roll_if_due`] first saw the segment.
    since: Option<Duration>,
}

impl RunWriter {
    /// Makes a run folder, its parents included, and writes `reference.safetensors`, where there is a reference point,
    /// and `run.json`: what has no `run.json` is no run, and does not stand in the way of one.
    ///
    /// # Errors
    /// [`Error::RunLocked`] when another writer has the folder, [`Error::RunExists`] when it holds a run,
    /// [`Error::InvalidValue`] when the layout is none a log can have; [`Error::Parameters`] for an element kind that the
    /// reference point's file cannot hold, and for two tensors of one name; [`Error::ShapeMismatch`] when a tensor's bytes
    /// do not fit its shape; [`Error::Io`].
    pub fn create(directory: impl AsRef<Path>, info: &RunInfo, reference: Vec<ReferenceTensor>) -> Result<RunWriter> {
        RunWriter::create_on(Arc::new(Disk), directory, info, reference)
    }

    /// [`create`](RunWriter::create) on a storage of the caller's.
    pub fn create_on(
        storage: Arc<dyn Storage>,
        directory: impl AsRef<Path>,
        info: &RunInfo,
        reference: Vec<ReferenceTensor>,
    ) -> Result<RunWriter> {
        let folder = RunFolder::of_version(directory, info.schema_version);
        let schema = steps_schema(info.layout)?;
        create_folder(&*storage, &folder.root)?;
        let lock = lock(&folder)?;
        // Of a run not even a missing `steps` is made: a compaction may have stopped between two renames.
        if folder.run_json().exists() {
            return Err(Error::RunExists { path: folder.root });
        }
        fs::create_dir_all(folder.steps()).map_err(Error::io("create", folder.steps()))?;
        if fs::read_dir(folder.steps()).map_err(Error::io("list", folder.steps()))?.next().is_some() {
            return Err(Error::RunExists { path: folder.root });
        }
        if !reference.is_empty() {
            write_reference(&*storage, &folder, reference)?;
        }
        write_whole(&*storage, &folder.run_json(), &run_json(&folder, info)?)?;
        storage.sync_dir(&folder.root).map_err(Error::io("sync", &folder.root))?;
        Ok(RunWriter::from_number(storage, folder, info.clone(), schema, lock, 0, LogTotals::default()))
    }

    /// A writer that goes on with segment `number` of a run whose folder it has.
    pub(super) fn from_number(
        storage: Arc<dyn Storage>,
        folder: RunFolder,
        info: RunInfo,
        schema: SchemaRef,
        lock: File,
        number: u64,
        totals: LogTotals,
    ) -> RunWriter {
        let (events, open, unfinished) = (None, None, Vec::new());
        RunWriter { storage, folder, info, schema, events, open, number, unfinished, totals, lock }
    }

    /// The number of parameter groups and directions that appended rows must have.
    pub fn layout(&self) -> Layout {
        self.info.layout
    }

    /// What has been written so far; of a resumed run, all that is in the log.
    pub fn totals(&self) -> LogTotals {
        self.totals
    }

    /// Appends a block of rows. When it returns without error they outlive this process.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the rows do not fit the layout; [`Error::Io`]. After an error none of the block's
    /// rows are in the log, all earlier ones are, and a later call may succeed (when a full disk has space again).
    pub fn append(&mut self, rows: &RowBuffer) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = batch_from_rows(self.info.layout, &self.schema, rows)?;
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                check_place(&self.folder.lock(), &self.lock)?;
                let journal = Journal::create(
                    &*self.storage,
                    &self.folder.journal(self.number),
                    &self.schema,
                    self.info.schema_version,
                )?;
                let encoder =
                    SegmentWriter::create(&*self.storage, &self.folder.segment(self.number), &self.schema, &self.info);
                none.insert(OpenSegment { journal, encoder: encoder.ok(), since: None })
            }
        };
        open.journal.append(&batch)?;
        self.totals.rows += rows.len() as u64;
        if open.encoder.as_mut().is_some_and(|encoder| encoder.write(&batch).is_err()) {
            open.encoder = None;
        }
        Ok(())
    }

    /// Appends an event.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn event(&mut self, event: &Event) -> Result<()> {
        let events = match &mut self.events {
            Some(events) => events,
            none => {
                check_place(&self.folder.lock(), &self.lock)?;
                none.insert(EventWriter::open(&*self.storage, &self.folder.events())?)
            }
        };
        let appended = events.append(event);
        if appended.is_err() {
            // Opening it again cuts off what may have been written of the line.
            self.events = None;
        }
        appended
    }

    /// Writes a set of directions and what is known of them, as `basis`, before the first row that carries this number.
    /// `step`: steps taken until then. The vectors themselves are left out unless they are to be kept, and need not be given
    /// then; vectors that this basis has already go.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when their lists do not fit together, [`Error::InvalidInput`] for a summary that is no
    /// measurement; [`Error::Io`]. A later call may then succeed.
    pub fn basis(&mut self, basis: u64, step: u64, eigenvectors: &Eigenvectors, keep_vectors: bool) -> Result<()> {
        check_place(&self.folder.lock(), &self.lock)?;
        write_basis(&*self.storage, &self.folder, &self.info, (basis, step), eigenvectors, keep_vectors)
    }

    /// Finishes the open segment if it is old or large enough. `now` is the time since any fixed moment.
    ///
    /// A segment's age counts from the first call after its first rows, so this is best called after each
    /// [`append`](RunWriter::append), and once in a while when there is nothing to append.
    ///
    /// # Errors
    /// [`Error::Io`] when the segment could not be completed. Its rows then stay in its journal, where
    /// [`Run`](super::Run) reads them, and completing it is tried again with the next segment.
    pub fn roll_if_due(&mut self, now: Duration) -> Result<()> {
        let length = Duration::from_secs(1 << self.number.min(10)).min(LONGEST_SEGMENT);
        let due = self.open.as_mut().is_some_and(|open| {
            let since = *open.since.get_or_insert(now);
            now.saturating_sub(since) >= length || open.journal.length() >= LARGEST_JOURNAL_BYTES
        });
        if due { self.finish_segments() } else { self.check_place() }
    }

    /// Finishes the open segment and closes the run.
    ///
    /// # Errors
    /// [`Error::Io`] when a segment could not be completed at the first attempt. There is a second one; if that fails too,
    /// the rows stay in the journal.
    pub fn close(mut self) -> Result<LogTotals> {
        let outcome = self.finish_segments();
        if outcome.is_err() {
            // A last attempt, which does not make the failure untold.
            let _ = self.finish_segments();
        }
        outcome.map(|()| self.totals)
    }

    /// Writing to a file succeeds also after its folder was deleted, moved or replaced; this does not.
    fn check_place(&self) -> Result<()> {
        check_place(&self.folder.lock(), &self.lock)?;
        self.open.as_ref().map_or(Ok(()), |open| open.journal.check_place())
    }

    /// Makes the segments of journals left by earlier failures, then finishes the open segment. The first error comes
    /// after everything has been tried.
    fn finish_segments(&mut self) -> Result<()> {
        check_place(&self.folder.lock(), &self.lock)?;
        let mut outcome = Ok(());
        for number in std::mem::take(&mut self.unfinished) {
            match segment_from_journal(&*self.storage, &self.folder, number, &self.schema, &self.info) {
                Ok((size, _)) => self.count(size),
                Err(error) => {
                    self.unfinished.push(number);
                    outcome = outcome.and(Err(error));
                }
            }
        }
        let Some(open) = self.open.take() else { return outcome };
        let number = self.number;
        self.number += 1;
        let finished = match open.encoder {
            Some(encoder) => encoder.finish().and_then(|size| {
                rename_into_place(&*self.storage, &self.folder, number)?;
                Ok(size)
            }),
            None => segment_from_journal(&*self.storage, &self.folder, number, &self.schema, &self.info)
                .map(|(size, _)| size),
        };
        match finished {
            Ok(size) => self.count(size),
            Err(error) => {
                self.unfinished.push(number);
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    fn count(&mut self, size: SegmentSize) {
        self.totals.segments += 1;
        self.totals.bytes += size.bytes;
    }
}

/// Makes the folder, and its parents where they are missing, so that they survive a power loss.
fn create_folder(storage: &dyn Storage, root: &Path) -> Result<()> {
    let missing = root.ancestors().take_while(|ancestor| !ancestor.exists()).count();
    fs::create_dir_all(root).map_err(Error::io("create", root))?;
    for parent in root.ancestors().skip(1).take(missing) {
        // The parent of a relative path's first part is the working folder.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        storage.sync_dir(parent).map_err(Error::io("sync", parent))?;
    }
    Ok(())
}

/// Whether an open file still is what its path names.
pub(super) fn check_place(path: &Path, open: &File) -> Result<()> {
    let (named, open) =
        (path.metadata().map_err(Error::io("find", path))?, open.metadata().map_err(Error::io("find", path))?);
    #[cfg(unix)]
    if (named.dev(), named.ino()) != (open.dev(), open.ino()) {
        return Err(Error::io("find", path)(io::ErrorKind::NotFound.into()));
    }
    #[cfg(not(unix))]
    let _ = (named, open);
    Ok(())
}

/// Takes the folder for this writer.
pub(crate) fn lock(folder: &RunFolder) -> Result<File> {
    let path = folder.lock();
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::RunLocked { path: folder.root.clone() }),
        // A file system without locks is no reason not to log.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}

/// Writes a file beside its final place, syncs and renames it. The folder is the caller's to sync.
pub(super) fn write_whole(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = partial(path);
    let mut file = storage.create(&beside).map_err(Error::io("create", &beside))?;
    file.append(bytes).map_err(Error::io("write", &beside))?;
    file.sync().map_err(Error::io("sync", &beside))?;
    storage.rename(&beside, path).map_err(Error::io("rename", &beside))
}
