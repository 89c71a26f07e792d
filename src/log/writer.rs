//! The run folder's writer. It has no clock and no thread: the recorder's worker calls it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;

use super::curvature::write_basis;
use super::eigenvectors::Eigenvectors;
use super::events::{EventWriter, count_resumptions};
use super::info::run_json;
use super::journal::Journal;
use super::lock::{Held, RunLock};
use super::recovery::{rename_into_place, segment_from_journal};
use super::reference::{ReferenceTensor, write_reference};
use super::schema::{batch_from_rows, steps_schema};
use super::segment::{Encoding, SegmentSize, SegmentWriter};
use super::storage::{Disk, Storage};
use super::{RunFolder, partial};
use crate::error::{Error, Result};
use crate::record::{Event, EventKind, Layout, RowBuffer, RunInfo};

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
    lock: RunLock,
    /// How often the run has been taken up, by this writer the last time.
    resumptions: usize,
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
        let mut lock = RunLock::open(&*storage, &folder)?;
        // Of a run not even a missing `steps` is made: a compaction may have stopped between two renames.
        if folder.run_json().exists() {
            return Err(Error::RunExists { path: folder.root });
        }
        lock.claim(&*storage)?;
        let steps = folder.steps();
        if !steps.exists() {
            storage.make_dir(&steps).map_err(Error::io("create", &steps))?;
        }
        if !storage.list(&steps).map_err(Error::io("list", &steps))?.is_empty() {
            return Err(Error::RunExists { path: folder.root });
        }
        if !reference.is_empty() {
            write_reference(&*storage, &folder, reference)?;
        }
        write_whole(&*storage, &folder.run_json(), &run_json(&folder, info)?)?;
        storage.sync_dir(&folder.root).map_err(Error::io("sync", &folder.root))?;
        let mut writer = RunWriter::from_number(storage, folder, info.clone(), schema, lock, 0, LogTotals::default());
        writer.begin(0, 0.0)?;
        Ok(writer)
    }

    /// A writer that goes on with segment `number` of a run whose folder it has.
    pub(super) fn from_number(
        storage: Arc<dyn Storage>,
        folder: RunFolder,
        info: RunInfo,
        schema: SchemaRef,
        lock: RunLock,
        number: u64,
        totals: LogTotals,
    ) -> RunWriter {
        let (events, open, unfinished, resumptions) = (None, None, Vec::new(), 0);
        RunWriter { storage, folder, info, schema, events, open, number, unfinished, totals, lock, resumptions }
    }

    /// What has to be told before the first row after `step`: that there is no lock.
    pub(super) fn begin(&mut self, step: u64, elapsed_seconds: f64) -> Result<()> {
        self.resumptions = count_resumptions(&self.folder.events())?;
        let Some(reason) = self.lock.refusal().map(ToString::to_string) else { return Ok(()) };
        tracing::warn!(run = %self.folder.root.display(), reason, "the file system gives no lock, logging goes on");
        let kind = EventKind::NotLocked { reason };
        self.event(&Event { step: step.saturating_add(1), elapsed_seconds, kind })
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
                self.lock.check(&*self.storage, &self.info)?;
                let journal = Journal::create(
                    &*self.storage,
                    &self.folder.journal(self.number),
                    &self.schema,
                    self.info.schema_version,
                )?;
                let encoder = SegmentWriter::create(
                    &*self.storage,
                    &self.folder.segment(self.number),
                    &self.schema,
                    &self.info,
                    Encoding::Small,
                );
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
                self.lock.check(&*self.storage, &self.info)?;
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
        self.lock.check(&*self.storage, &self.info)?;
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
        if self.lock.beat(&*self.storage, now)? == Held::Again {
            self.check_resumptions()?;
        }
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

    /// Another process that had the run meanwhile may have mended it, but not gone on with it.
    fn check_resumptions(&self) -> Result<()> {
        let now = count_resumptions(&self.folder.events())?;
        let path = self.folder.root.clone();
        if now == self.resumptions { Ok(()) } else { Err(Error::RunLocked { path }) }
    }

    /// Writing to a file succeeds also after its folder was deleted, moved or replaced; this does not.
    fn check_place(&mut self) -> Result<()> {
        self.lock.check(&*self.storage, &self.info)?;
        self.open.as_ref().map_or(Ok(()), |open| open.journal.check_place())
    }

    /// Makes the segments of journals left by earlier failures, then finishes the open segment. The first error comes
    /// after everything has been tried.
    fn finish_segments(&mut self) -> Result<()> {
        self.lock.check(&*self.storage, &self.info)?;
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
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = root.ancestors().take_while(is_missing).collect();
    for folder in missing.iter().rev() {
        match storage.make_dir(folder) {
            // Two runs may be begun beside each other.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made.map_err(Error::io("create", folder))?,
        }
    }
    for folder in missing {
        // The parent of a relative path's first part is the working folder.
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match storage.sync_dir(parent) {
            // Somebody else's folder, in which one may be made, need not be one to be read.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(Error::io("sync", parent))?,
        }
    }
    Ok(())
}

/// Writes a file beside its final place, syncs and renames it. The folder is the caller's to sync.
pub(super) fn write_whole(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = partial(path);
    let mut file = storage.create(&beside).map_err(Error::io("create", &beside))?;
    file.append(bytes).map_err(Error::io("write", &beside))?;
    file.sync().map_err(Error::io("sync", &beside))?;
    storage.rename(&beside, path).map_err(Error::io("rename", &beside))
}
