//! The end of a run at rest: its last row, and cutting rows off behind a step.

use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::record::RunInfo;
use crate::run::folder::{RunFolder, partial};
use crate::run::schema::integer;
use crate::run::steps::segment::SegmentWriter;
use crate::run::steps::segment_reader::SegmentReader;
use crate::run::storage::Storage;
use crate::run::writing::place::LogTotals;

/// The finished segments of a run that has no journal.
pub(crate) struct Tail {
    folder: RunFolder,
    schema: SchemaRef,
    segments: Vec<Segment>,
}

struct Segment {
    path: PathBuf,
    last_number: u64,
    rows: u64,
    bytes: u64,
    first_and_last_step: Option<(u64, u64)>,
}

impl Tail {
    /// Reads the footer of every segment.
    pub(crate) fn open(folder: &RunFolder, schema: &SchemaRef) -> Result<Tail> {
        let mut segments = Vec::new();
        for numbers in folder.list_steps()?.segments {
            let path = folder.segment_of(numbers);
            let bytes = path.metadata().map_err(Error::io("open", &path))?.len();
            let reader = SegmentReader::open(&path, schema, &[0])?;
            reader.check_numbers(numbers)?;
            let first_and_last_step = reader.first_and_last_step();
            segments.push(Segment {
                path,
                last_number: numbers.1,
                rows: reader.rows(),
                bytes,
                first_and_last_step,
            });
        }
        Ok(Tail { folder: folder.clone(), schema: schema.clone(), segments })
    }

    /// Rows, bytes and segments there are.
    pub(crate) fn totals(&self) -> LogTotals {
        LogTotals {
            rows: rows_of(&self.segments),
            bytes: self.segments.iter().map(|segment| segment.bytes).sum(),
            segments: self.segments.len() as u64,
        }
    }

    pub(crate) fn last_step(&self) -> Option<u64> {
        self.segments
            .iter()
            .rev()
            .find_map(|segment| segment.first_and_last_step)
            .map(|(_, last)| last)
    }

    /// Number of the segment to write next.
    pub(crate) fn next_number(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.last_number.saturating_add(1))
    }

    /// Rows after `step`.
    pub(crate) fn rows_after(&self, step: u64) -> Result<u64> {
        let kept = self.kept(step);
        let mut rows = rows_of(&self.segments[kept..]);
        if let Some(last) = self.segments[..kept].last()
            && last.first_and_last_step.is_some_and(|(_, last)| last > step)
        {
            for batch in SegmentReader::open(&last.path, &self.schema, &[0])? {
                let batch = batch?;
                rows = rows.saturating_add((batch.num_rows() - rows_until(&batch, step)) as u64);
            }
        }
        Ok(rows)
    }

    /// The last row whose step is not after `step`.
    pub(crate) fn last_row(&self, step: u64) -> Result<Option<RecordBatch>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        for segment in self.segments[..self.kept(step)].iter().rev() {
            let Some((_, last)) = segment.first_and_last_step else { continue };
            let mut reader = SegmentReader::open(&segment.path, &self.schema, &all)?;
            if last <= step {
                return reader.last_row();
            }
            let mut found = None;
            for batch in reader {
                let batch = batch?;
                found = rows_until(&batch, step)
                    .checked_sub(1)
                    .map(|row| batch.slice(row, 1))
                    .or(found);
            }
            return Ok(found);
        }
        Ok(None)
    }

    /// Removes the rows after `step`, later segments first. Wherever it is stopped, a log without a
    /// gap is left.
    pub(crate) fn discard_after(
        &mut self,
        storage: &dyn Storage,
        step: u64,
        info: &RunInfo,
    ) -> Result<()> {
        let kept = self.kept(step);
        while self.segments.len() > kept
            && let Some(segment) = self.segments.pop()
        {
            storage.remove(&segment.path).map_err(Error::io("remove", &segment.path))?;
            // A power loss must not take an earlier one and leave a later one.
            self.sync(storage)?;
        }
        if let Some(mut last) = self.segments.pop() {
            if last.first_and_last_step.is_some_and(|(_, last)| last > step) {
                (last.rows, last.bytes) = self.cut(storage, &last.path, step, info)?;
            }
            self.segments.push(last);
        }
        Ok(())
    }

    /// How many segments stay: all where no row is later than `step`, else those up to the last one
    /// with a row that is not. Segments without rows behind that one go, or they would hide it.
    fn kept(&self, step: u64) -> usize {
        let steps = |segment: &Segment| segment.first_and_last_step;
        if !self.segments.iter().any(|segment| steps(segment).is_some_and(|(_, last)| last > step))
        {
            return self.segments.len();
        }
        let holds = |segment: &Segment| steps(segment).is_some_and(|(first, _)| first <= step);
        self.segments.iter().rposition(holds).map_or(0, |index| index + 1)
    }

    /// Puts a segment in the place of another that has only the rows up to `step`; returns its rows
    /// and bytes.
    fn cut(
        &self,
        storage: &dyn Storage,
        path: &PathBuf,
        step: u64,
        info: &RunInfo,
    ) -> Result<(u64, u64)> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let mut whole = SegmentReader::open(path, &self.schema, &all)?;
        let mut cut = SegmentWriter::new(&partial(path), &self.schema, info, whole.encoding())?;
        let mut rows = 0;
        for batch in &mut whole {
            let batch = batch?;
            let until = rows_until(&batch, step);
            cut.write(storage, &batch.slice(0, until))?;
            rows += until as u64;
        }
        let mut room = rows;
        cut.set_merged(
            whole.merged().iter().map(|&(number, rows)| (number, take(&mut room, rows))).collect(),
        );
        let size = cut.finish(storage)?;
        storage.rename(&partial(path), path).map_err(Error::io("rename", path))?;
        self.sync(storage)?;
        Ok((size.rows, size.bytes))
    }

    fn sync(&self, storage: &dyn Storage) -> Result<()> {
        storage.sync_dir(&self.folder.steps()).map_err(Error::io("sync", self.folder.steps()))
    }
}

/// A footer may say anything of its rows, so that their sum is bounded.
fn rows_of(segments: &[Segment]) -> u64 {
    segments.iter().fold(0, |rows, segment| rows.saturating_add(segment.rows))
}

/// How many rows of a batch, whose first column is `step`, are not after `step`.
fn rows_until(batch: &RecordBatch, step: u64) -> usize {
    let step = integer(step);
    batch.column(0).as_primitive::<Int64Type>().values().partition_point(|&found| found <= step)
}

fn take(room: &mut u64, wanted: u64) -> u64 {
    let taken = wanted.min(*room);
    *room -= taken;
    taken
}
