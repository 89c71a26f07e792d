//! The parts of the steps that a writer has in hand: the open one, and those set aside that are
//! still to be finished.
//!
//! A part whose journal takes no more is set aside, and the next rows begin another. A part whose
//! journal somebody has removed is written again from memory, as far as its rows are in no segment
//! and memory has them; the others are counted.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::run::places::make_place;
use crate::run::steps::journal::Journal;
use crate::run::steps::segment::{Encoding, SegmentSize, SegmentWriter};
use crate::run::writing::part::{LostRows, Part, last_step, rows_in_log, rows_of};
use crate::run::writing::place::LogTotals;
use crate::run::writing::place::Place;

/// Segments are closed after 1, 2, 4, ... seconds, and from then on after this long.
const LONGEST_SEGMENT: Duration = Duration::from_secs(600);

/// Size of the journal at which a segment is closed whatever its age.
const LARGEST_JOURNAL_BYTES: u64 = 64 << 20;

/// Parts set aside whose rows stay in memory too; of more of them only the journals are kept.
const KEPT_IN_MEMORY: usize = 4;

#[derive(Default)]
pub(crate) struct Parts {
    open: Option<OpenPart>,
    set_aside: Vec<Part>,
    /// Rows that were in the log, are no longer, and are to be written again.
    unsaved: VecDeque<RecordBatch>,
    /// Number of the next part.
    number: u64,
    /// Whether the next part's journal is there already, left by an attempt to begin it.
    is_begun: bool,
    totals: LogTotals,
    lost: Option<LostRows>,
}

struct OpenPart {
    part: Part,
    journal: Journal,
    /// When [`Parts::is_due`] first saw it.
    since: Option<Duration>,
}

impl Parts {
    /// Goes on with part `number`.
    pub(crate) fn from_number(number: u64, totals: LogTotals) -> Parts {
        Parts { number, totals, ..Parts::default() }
    }

    pub(crate) fn totals(&self) -> LogTotals {
        self.totals
    }

    /// Rows that turned out to be lost since the last call.
    pub(crate) fn take_lost(&mut self) -> Option<LostRows> {
        self.lost.take()
    }

    /// Appends rows, after all that have to come before them. On an error none of them is in the
    /// log.
    pub(crate) fn append(&mut self, place: &Place, batch: &RecordBatch) -> Result<()> {
        self.settle(place)?;
        self.append_unsaved(place)?;
        self.write(place, batch)
    }

    /// Whether the open part is old or large enough to be finished, or another one is to be.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        let is_old = self.open.as_mut().is_some_and(|open| {
            let length = Duration::from_secs(1 << open.part.number.min(10)).min(LONGEST_SEGMENT);
            let since = *open.since.get_or_insert(now);
            now.saturating_sub(since) >= length || open.journal.length() >= LARGEST_JOURNAL_BYTES
        });
        is_old || self.set_aside.iter().any(|part| !part.was_tried)
    }

    /// Whether the open part's journal, if there is one, is where it was.
    pub(crate) fn is_in_place(&self) -> Result<bool> {
        self.open.as_ref().map_or(Ok(true), |open| open.journal.is_in_place())
    }

    /// Sets the open part aside, whose journal is not where it was. If it was removed, the rows are
    /// written again; that is an error all the same.
    pub(crate) fn replace_open(&mut self, place: &Place) -> Result<()> {
        let Some(OpenPart { mut part, journal, .. }) = self.open.take() else { return Ok(()) };
        (self.number, self.is_begun) = (part.number.saturating_add(1), false);
        match self.resolve(place, &mut part) {
            Ok(true) => {
                self.append_unsaved(place)?;
                Err(Error::io("find", journal.path())(io::ErrorKind::NotFound.into()))
            }
            // Only its handle had gone stale.
            Ok(false) => {
                self.set_aside(part);
                Ok(())
            }
            Err(error) => {
                part.is_doubtful = true;
                self.set_aside(part);
                Err(error)
            }
        }
    }

    /// Finishes the parts set aside, then the open one. The first error comes after everything has
    /// been tried.
    pub(crate) fn finish(&mut self, place: &Place) -> Result<()> {
        if let Some(open) = self.open.take() {
            self.set_aside(open.part);
        }
        let mut outcome = Ok(());
        for mut part in mem::take(&mut self.set_aside) {
            let finished = self.resolve(place, &mut part).and_then(|is_done| match is_done {
                true => Ok(()),
                false => self.finish_part(place, &mut part),
            });
            if let Err(error) = finished {
                part.was_tried = true;
                self.set_aside.push(part);
                outcome = outcome.and(Err(error));
            }
        }
        outcome.and(self.append_unsaved(place))
    }

    /// The same, twice if need be.
    pub(crate) fn finish_all(&mut self, place: &Place) -> Result<()> {
        let outcome = self.finish(place);
        if outcome.is_err() || self.open.is_some() {
            // A last attempt, which does not make the failure untold.
            let _ = self.finish(place);
        }
        outcome
    }

    /// Counts what was written and cannot be found as lost; what is in no segment cannot be written
    /// again any more. With `is_gone` nothing of it is looked for.
    pub(crate) fn give_up(&mut self, place: &Place, is_gone: bool) {
        let open = self.open.take().map(|open| open.part);
        for part in mem::take(&mut self.set_aside).into_iter().chain(open) {
            let look = |mut listing| {
                rows_in_log(&place.folder, &mut listing, &place.schema, &part.steps())
            };
            let found = match place.folder.list_steps().and_then(look) {
                Ok((rows, _)) if !is_gone => rows,
                // What may not be looked at now was not removed by that.
                Err(Error::Io { source, .. })
                    if !is_gone && source.kind() != io::ErrorKind::NotFound =>
                {
                    part.rows
                }
                _ => 0,
            };
            self.lose(part.lost(place, part.rows.saturating_sub(found), part.steps()));
        }
        for batch in mem::take(&mut self.unsaved) {
            let mut part = Part::new(self.number, None);
            part.add(&*place.storage, &batch, 0);
            // They were taken out of the totals when they were found to be missing.
            self.totals.rows += part.rows;
            self.lose(part.lost(place, part.rows, part.steps()));
        }
    }

    fn write(&mut self, place: &Place, batch: &RecordBatch) -> Result<()> {
        let limit = place.storage.largest_file().unwrap_or(u64::MAX);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(place)?,
        };
        let block = match open.journal.block(batch) {
            Ok(block) => block,
            Err(error) => {
                self.open = Some(open);
                return Err(error);
            }
        };
        let is_full = open.journal.length().saturating_add(block.len() as u64) > limit;
        if is_full && open.part.rows > 0 {
            self.set_aside(open.part);
            open = self.begin(place)?;
        }
        if let Err(error) = open.journal.write(&block) {
            // The next attempt begins the next part: a handle may have gone stale, or a file be as
            // large as one may be.
            if open.part.rows > 0 {
                open.part.is_doubtful = true;
                self.set_aside(open.part);
            } else {
                drop(open.journal);
                self.remove_begun(place);
            }
            return Err(error);
        }
        open.part.add(&*place.storage, batch, open.journal.length());
        self.totals.rows += batch.num_rows() as u64;
        self.open = Some(open);
        Ok(())
    }

    fn begin(&mut self, place: &Place) -> Result<OpenPart> {
        let Place { storage, folder, info, schema } = place;
        // Links do not count: what is written takes their place.
        let is_there =
            |path: PathBuf| path.symlink_metadata().is_ok_and(|found| !found.is_symlink());
        let is_taken =
            |number| is_there(folder.segment(number)) || is_there(folder.journal(number));
        if !self.is_begun && is_taken(self.number) {
            self.number = self.number.max(folder.list_steps()?.next_number());
        }
        make_place(&**storage, folder, &folder.open_folder())?;
        self.is_begun = true;
        match Journal::create(&**storage, &folder.journal(self.number), schema, info.schema_version)
        {
            Ok(journal) => {
                let encoder = SegmentWriter::new(
                    &folder.unfinished_segment(self.number),
                    schema,
                    info,
                    Encoding::Small,
                )
                .ok();
                Ok(OpenPart { part: Part::new(self.number, encoder), journal, since: None })
            }
            Err(error) => {
                self.remove_begun(place);
                Err(error)
            }
        }
    }

    /// Removes a journal without rows; if that fails, it is begun anew the next time.
    fn remove_begun(&mut self, place: &Place) {
        self.is_begun = place.storage.remove(&place.folder.journal(self.number)).is_err();
    }

    fn set_aside(&mut self, part: Part) {
        self.number = part.number.saturating_add(1).max(self.number);
        self.is_begun = false;
        self.set_aside.push(part);
        let too_many = self.set_aside.len().saturating_sub(KEPT_IN_MEMORY);
        self.set_aside[..too_many]
            .iter_mut()
            .filter(|part| !part.is_doubtful)
            .for_each(|part| part.encoder = None);
    }

    /// Looks at the journals that have to be looked at: no rows may come after those of a journal
    /// that may hold more blocks than it should.
    fn settle(&mut self, place: &Place) -> Result<()> {
        let mut outcome = Ok(());
        for mut part in mem::take(&mut self.set_aside) {
            let is_done = if part.is_doubtful { self.resolve(place, &mut part) } else { Ok(false) };
            if !matches!(is_done, Ok(true)) {
                self.set_aside.push(part);
            }
            outcome = outcome.and(is_done.map(drop));
        }
        outcome
    }

    fn append_unsaved(&mut self, place: &Place) -> Result<()> {
        while let Some(batch) = self.unsaved.pop_front() {
            let rows = batch.num_rows();
            match self.write(place, &batch) {
                Ok(()) => {}
                Err(error) if rows > 1 && error.is_file_too_large() => {
                    self.unsaved.push_front(batch.slice(rows / 2, rows - rows / 2));
                    self.unsaved.push_front(batch.slice(0, rows / 2));
                }
                Err(error) => {
                    self.unsaved.push_front(batch);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is left to be done for a part, as its rows are in segments or are to be
    /// written again. Otherwise its journal is there, whole.
    fn resolve(&mut self, place: &Place, part: &mut Part) -> Result<bool> {
        match part.has_journal(&*place.storage, &place.folder) {
            Ok(true) => Ok(false),
            Ok(false) => self.save(place, part).map(|()| true),
            // A journal that cannot be put right does not matter once its segment is there.
            Err(error) if part.is_in_memory() => {
                self.finish_part(place, part).map(|()| true).map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    /// Saves the rows of a part whose journal is not there, or not all of it: makes its segment of
    /// what there is, unless somebody has made segments of the journal meanwhile (a recovery). Then
    /// the rows that came later are written again.
    fn save(&mut self, place: &Place, part: &mut Part) -> Result<()> {
        let mut listing = place.folder.list_steps()?;
        let Some(segment) = listing.segment_at(part.number) else {
            if !part.is_in_memory() {
                let left = part.rows_in_journal(place)?;
                let (later, lost) =
                    part.take_rows_after(place, left.last().map(last_step), rows_of(&left));
                self.lose(lost);
                part.replace_rows(place, left.iter().chain(&later))?;
            }
            return self.finish_part(place, part);
        };
        let (there, last) = rows_in_log(&place.folder, &mut listing, &place.schema, &part.steps())?;
        let (later, lost) = part.take_rows_after(place, last, there);
        self.lose(lost);
        self.totals.rows = self.totals.rows.saturating_sub(rows_of(&later));
        self.unsaved.extend(later);
        self.number = self.number.max(listing.next_number());
        if segment == (part.number, part.number) {
            let path = place.folder.segment(part.number);
            self.totals.segments += 1;
            self.totals.bytes += place.storage.length(&path).ok().flatten().unwrap_or(0);
        }
        Ok(())
    }

    fn finish_part(&mut self, place: &Place, part: &mut Part) -> Result<()> {
        let SegmentSize { bytes, .. } = part.finish(place)?;
        self.totals.segments += 1;
        self.totals.bytes += bytes;
        Ok(())
    }

    /// Counts rows of a part that are neither on disk nor in memory.
    fn lose(&mut self, lost: LostRows) {
        if lost.count == 0 {
            return;
        }
        self.totals.rows = self.totals.rows.saturating_sub(lost.count);
        self.lost = Some(match self.lost.take() {
            Some(before) => before.and(lost),
            None => lost,
        });
    }
}
