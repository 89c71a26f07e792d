//! The run folder's writer. It has no clock and no thread: the recorder's worker calls it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::record::{Event, EventKind, Layout, ParameterInfo, RowBuffer, RunInfo};
use crate::run::artefacts::curvature::write_basis;
use crate::run::artefacts::eigenvectors::Eigenvectors;
use crate::run::artefacts::joined::write_joined;
use crate::run::artefacts::reference::{ReferenceTensor, write_reference};
use crate::run::events::{EventWriter, count_resumptions};
use crate::run::folder::RunFolder;
use crate::run::info::run_json;
use crate::run::lock::{Held, RunLock};
use crate::run::schema::{batch_from_rows, steps_schema};
use crate::run::storage::{Disk, Storage};
use crate::run::whole_file::write_whole;
use crate::run::writing::part::LostRows;
use crate::run::writing::parts::Parts;
use crate::run::writing::place::LogTotals;
use crate::run::writing::place::Place;

/// Writes a run folder. Only one writer at a time has a folder; dropping it without
/// [`close`](RunWriter::close) loses nothing, the rows of the open segment stay in its journal.
pub struct RunWriter {
    place: Place,
    parts: Parts,
    events: Option<EventWriter>,
    /// Held for as long as the writer lives.
    lock: RunLock,
    /// How often the run has been taken up, by this writer the last time.
    resumptions: usize,
    /// Whether another process has gone on with it since.
    is_resumed_elsewhere: bool,
}

impl RunWriter {
    /// Makes a run folder, its parents included, and writes `reference.safetensors`, where there is
    /// a reference point, and `run.json`: what has no `run.json` is no run, and does not stand in
    /// the way of one.
    ///
    /// # Errors
    /// [`Error::RunLocked`] when another writer has the folder, [`Error::RunExists`] when it holds
    /// a run, [`Error::InvalidValue`] when the layout is none a log can have; [`Error::Parameters`]
    /// for an element kind that the reference point's file cannot hold, and for two tensors of one
    /// name; [`Error::ShapeMismatch`] when a tensor's bytes do not fit its shape; [`Error::Io`].
    pub fn create(
        directory: impl AsRef<Path>,
        info: &RunInfo,
        reference: Vec<ReferenceTensor>,
    ) -> Result<RunWriter> {
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
        // Of a run not even a missing `steps` is made: a compaction may have stopped between two
        // renames.
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
        let synced = storage.sync_dir(&folder.root).map_err(Error::io("sync", &folder.root));
        let mut writer = RunWriter::from_number(
            storage,
            folder,
            info.clone(),
            schema,
            lock,
            0,
            LogTotals::default(),
        );
        synced.and_then(|()| writer.begin(0, 0.0)).inspect_err(|_| {
            // What is refused is no run, and does not stand in the way of one.
            let _ = writer.place.storage.remove(&writer.place.folder.run_json());
        })?;
        Ok(writer)
    }

    /// A writer that goes on with segment `number` of a run whose folder it has.
    pub(crate) fn from_number(
        storage: Arc<dyn Storage>,
        folder: RunFolder,
        info: RunInfo,
        schema: SchemaRef,
        lock: RunLock,
        number: u64,
        totals: LogTotals,
    ) -> RunWriter {
        let place = Place { storage, folder, info, schema };
        RunWriter {
            place,
            parts: Parts::from_number(number, totals),
            events: None,
            lock,
            resumptions: 0,
            is_resumed_elsewhere: false,
        }
    }

    /// What has to be told before the first row after `step`: that there is no lock.
    pub(crate) fn begin(&mut self, step: u64, elapsed_seconds: f64) -> Result<()> {
        self.resumptions = count_resumptions(&self.place.folder.events())?;
        let Some(reason) = self.lock.refusal().map(ToString::to_string) else { return Ok(()) };
        let run = self.place.folder.root.display();
        tracing::warn!(%run, reason, "the file system gives no lock, logging goes on");
        let kind = EventKind::NotLocked { reason };
        self.event(&Event { step: step.saturating_add(1), elapsed_seconds, kind })
    }

    /// The number of parameter groups and directions that appended rows must have.
    pub fn layout(&self) -> Layout {
        self.place.info.layout
    }

    /// What has been written so far; of a resumed run, all that is in the log.
    pub fn totals(&self) -> LogTotals {
        self.parts.totals()
    }

    /// Rows that were in the log and are no longer, as somebody removed files of it, found since
    /// the last call. They do not count in [`totals`](RunWriter::totals) any more.
    pub fn take_lost(&mut self) -> Option<LostRows> {
        self.parts.take_lost()
    }

    /// Appends a block of rows. When it returns without error they outlive this process.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the rows do not fit the layout; [`Error::Io`]. After an error
    /// none of the block's rows are in the log, all earlier ones are, and a later call may succeed
    /// (when a full disk has space again). A block that is larger than a file may be
    /// ([`io::ErrorKind::FileTooLarge`]) has to be divided.
    pub fn append(&mut self, rows: &RowBuffer) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = batch_from_rows(self.place.info.layout, &self.place.schema, rows)?;
        self.check_place()?;
        self.parts.append(&self.place, &batch)
    }

    /// Appends an event.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn event(&mut self, event: &Event) -> Result<()> {
        self.check_run()?;
        // Another process that had the run meanwhile may have told something there too; somebody
        // may have removed it.
        self.events.take_if(|events| !events.is_in_place());
        let events = match &mut self.events {
            Some(events) => events,
            none => {
                none.insert(EventWriter::open(&*self.place.storage, &self.place.folder.events())?)
            }
        };
        let appended = events.append(event);
        if appended.is_err() {
            // Opening it again cuts off what may have been written of the line.
            self.events = None;
        }
        appended
    }

    /// Writes a set of directions and what is known of them, as `basis`, before the first row that
    /// carries this number. `step`: steps taken until then. The vectors themselves are left out
    /// unless they are to be kept, and need not be given then; vectors that this basis has already
    /// go.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when their lists do not fit together, [`Error::InvalidInput`] for a
    /// summary that is no measurement; [`Error::Io`]. A later call may then succeed.
    pub fn basis(
        &mut self,
        basis: u64,
        step: u64,
        eigenvectors: &Eigenvectors,
        keep_vectors: bool,
    ) -> Result<()> {
        self.check_run()?;
        let Place { storage, folder, info, .. } = &self.place;
        write_basis(&**storage, folder, info, (basis, step), eigenvectors, keep_vectors)
    }

    /// Writes the reference points of parameters that joined before `step`, in the order of
    /// `parameters`; the event that tells of them comes after.
    ///
    /// # Errors
    /// As [`create`](Self::create) of a reference point; [`Error::Io`]: a later call may then
    /// succeed.
    pub fn parameters_joined(
        &mut self,
        step: u64,
        parameters: &[ParameterInfo],
        reference: Vec<ReferenceTensor>,
    ) -> Result<()> {
        self.check_run()?;
        write_joined(&*self.place.storage, &self.place.folder, step, parameters, reference)
    }

    /// Finishes the open segment if it is old or large enough. `now` is the time since any fixed
    /// moment.
    ///
    /// A segment's age counts from the first call after its first rows, so this is best called
    /// after each [`append`](RunWriter::append), and once in a while when there is nothing to
    /// append.
    ///
    /// # Errors
    /// [`Error::Io`] when the segment could not be completed. Its rows then stay in its journal,
    /// where [`Run`](crate::run::Run) reads them, and completing it is tried again with the next
    /// segment. Also when the journal was removed: its rows are then written again, as far as they
    /// are in memory. [`Error::RunLocked`] when another process has gone on with the run.
    pub fn roll_if_due(&mut self, now: Duration) -> Result<()> {
        let is_due = self.parts.is_due(now);
        let held = self.lock.beat(&*self.place.storage, now)?;
        self.check_resumptions(held)?;
        self.check_place()?;
        if is_due { self.parts.finish(&self.place) } else { Ok(()) }
    }

    /// Finishes what is open. What cannot be found then counts as [lost](RunWriter::take_lost); the
    /// last event tells of it before the writer is [closed](RunWriter::close).
    ///
    /// # Errors
    /// [`Error::Io`] when a segment could not be completed at the first attempt. There is a second
    /// one; if that fails too, the rows stay in the journal.
    pub fn complete(&mut self) -> Result<()> {
        let outcome = match self.check_hold() {
            Ok(()) => self.check_place().and(self.parts.finish_all(&self.place)),
            held => held,
        };
        // Another process that has the run now may have made segments of the journals.
        self.parts.give_up(&self.place, !self.lock.is_in_place());
        outcome
    }

    /// Finishes the open segment and closes the run.
    ///
    /// # Errors
    /// As [`complete`](RunWriter::complete).
    pub fn close(mut self) -> Result<LogTotals> {
        self.complete().map(|()| self.totals())
    }

    /// Another process that had the run meanwhile may have mended it, but not gone on with it.
    fn check_resumptions(&mut self, held: Held) -> Result<()> {
        if held == Held::Again {
            let resumptions = count_resumptions(&self.place.folder.events())?;
            self.is_resumed_elsewhere |= resumptions != self.resumptions;
        }
        if self.is_resumed_elsewhere {
            Err(Error::RunLocked { path: self.place.folder.root.clone() })
        } else {
            Ok(())
        }
    }

    /// Whether no other process has the run now.
    fn check_hold(&mut self) -> Result<()> {
        let held = self.lock.look(&*self.place.storage)?;
        self.check_resumptions(held)
    }

    /// Writing to a file succeeds also after its folder was deleted, moved or replaced; this does
    /// not.
    fn check_run(&mut self) -> Result<()> {
        let held = self.lock.check(&*self.place.storage, &self.place.info)?;
        self.check_resumptions(held)
    }

    /// The same, and whether the open journal is there.
    fn check_place(&mut self) -> Result<()> {
        self.check_run()?;
        if self.parts.is_in_place()? {
            return Ok(());
        }
        self.check_hold()?;
        self.parts.replace_open(&self.place)
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
        let parent = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        match storage.sync_dir(parent) {
            // Somebody else's folder, in which one may be made, need not be one to be read.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(Error::io("sync", parent))?,
        }
    }
    Ok(())
}
