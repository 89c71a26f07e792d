//! Whether a run's rows end where they should.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::error::Result;
use crate::record::EventKind;
use crate::run::events::EventReader;
use crate::run::reader::Run;
use crate::run::steps::row_order::{Dropped, ToldEnd};
use crate::run::steps::source::{Rows, Source};

/// What the events of a run say of its rows.
#[derive(Debug, Default)]
pub(crate) struct ToldRows {
    pub(crate) end: ToldEnd,
    /// First and last step of rows that were dropped, as told.
    pub(crate) dropped: Vec<(u64, u64)>,
    pub(crate) rows_dropped: u64,
    /// Events heard.
    pub(crate) events: u64,
}

impl ToldRows {
    /// Hears the events of the steps that the run still has. Returns the reader, behind the last
    /// line that was written whole; after an error what came before it has been heard.
    ///
    /// # Errors
    /// Those of [`Run::events`].
    pub(crate) fn hear(&mut self, run: &Run) -> Result<EventReader> {
        let mut kept = run.kept_event_reader()?;
        for event in kept.by_ref() {
            let event = event?;
            self.end.see(&event);
            self.events += 1;
            if let EventKind::RowsDropped { count, first_step, last_step } = event.kind {
                self.dropped.push((first_step, last_step));
                self.rows_dropped = self.rows_dropped.saturating_add(count);
            }
        }
        Ok(kept.into_reader())
    }
}

impl Run {
    /// What tells that rows are missing at the run's end, a sentence each; empty if nothing does.
    /// Events, footers of segments and journals are read.
    ///
    /// A journal that was cut between two blocks tells of it only by an event that came after the
    /// lost rows.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged), [`Error::Io`](crate::Error::Io).
    pub fn missing_end(&self) -> Result<Vec<String>> {
        let every_steps = self.info().every_steps.max(1);
        let mut told = ToldRows::default();
        // Before the rows: of a run that grows, an event is written after the rows that come before
        // it.
        told.hear(self)?;
        let (end, dropped) = (told.end, Dropped::new(told.dropped, every_steps));
        let (mut rows, mut last, mut torn_bytes) = (0_u64, None, 0);
        let (mut known, count) = self.list_segments()?;
        let mut number = 0;
        while number < count {
            let source = Source::open(&self.folder, &mut known, number, &self.schema, &[0])?;
            number = source.next_number;
            match source.rows {
                Rows::Segment(segment) => {
                    rows = rows.saturating_add(segment.rows().saturating_sub(source.skip));
                    last = segment.first_and_last_step().map(|(_, last)| last).or(last);
                }
                Rows::Journal(mut journal) => {
                    for batch in &mut journal {
                        let batch = batch?;
                        rows = rows.saturating_add(batch.num_rows() as u64);
                        last = last_step(&batch).or(last);
                    }
                    torn_bytes += journal.bytes_discarded();
                }
            }
        }
        let mut missing = end.missing(last, every_steps, &dropped, torn_bytes);
        if let Some(closed_with) = end.closed_with.filter(|closed_with| *closed_with > rows) {
            missing.push(format!(
                "the run was closed with {closed_with} rows, and {rows} are here: rows are missing"
            ));
        }
        Ok(missing)
    }
}

fn last_step(batch: &RecordBatch) -> Option<u64> {
    batch.column(0).as_primitive::<Int64Type>().values().last().map(|step| step.cast_unsigned())
}
