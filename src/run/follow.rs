//! Following a run while it grows: every row once, in step order, and nothing read twice.

use std::io;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::error::{Error, Result};
use crate::run::integrity::damaged;
use crate::run::listing::Listing;
use crate::run::reader::{Run, number};
use crate::run::schema::integer;
use crate::run::steps::segment_reader::SegmentReader;
use crate::run::steps::source::{Rows, Source};

/// Reads a run from a position on, and goes on from there when more has been written.
///
/// [`Run::steps`] reads once, up to where the run is when it is called. A follower is asked again
/// and again: each call gives rows that came since, and asking for nothing new costs a few looks at
/// the folder. Rows are told apart by their step, which rises through a run; so a journal that
/// became a segment, or segments that were merged, give no row twice. A program that resumes from
/// an earlier checkpoint may discard rows, of which a follower learns nothing: begin a new one when
/// the run has a `resumed` event with `rows_discarded`.
///
/// ```no_run
/// # fn main() -> perrin::Result<()> {
/// let run = perrin::run::Run::open("runs/mnist")?;
/// let mut follower = perrin::run::Follower::new(&run, &["step", "loss"])?;
/// loop {
///     while follower.next_rows(|row| println!("{:?}", row))? > 0 {}
///     std::thread::sleep(std::time::Duration::from_secs(1));
/// }
/// # }
/// ```
pub struct Follower {
    run: Run,
    /// Indices in the schema of the columns to read, ascending; `step` is the first.
    columns: Vec<usize>,
    /// Where among them each column asked for is.
    order: Vec<usize>,
    known: Listing,
    /// Segment or journal to be read next or being read.
    number: u64,
    current: Option<Source>,
    /// Whether a later part was there before `current` was opened: then it does not grow any more.
    later: bool,
    /// How far the journal of `number` has been read, in bytes.
    journal_read: u64,
    last_step: Option<i64>,
    /// Number of the part after the first one, and how many rows at the end of the first one
    /// suffice; until it is opened.
    enough: Option<(u64, u64)>,
}

impl Follower {
    /// A follower of the named columns, from the first row on.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`].
    pub fn new(run: &Run, columns: &[&str]) -> Result<Follower> {
        let asked =
            columns.iter().map(|column| run.column_index(column)).collect::<Result<Vec<_>>>()?;
        let mut columns = asked.clone();
        columns.push(run.column_index("step")?);
        columns.sort_unstable();
        columns.dedup();
        Ok(Follower {
            run: run.clone(),
            order: asked
                .iter()
                .map(|column| columns.partition_point(|smaller| smaller < column))
                .collect(),
            columns,
            known: Listing::default(),
            number: 0,
            current: None,
            later: false,
            journal_read: 0,
            last_step: None,
            enough: None,
        })
    }

    /// A follower that begins near the end: at least `rows` rows before it where there are so many,
    /// as a rule some more.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`], [`Error::Io`].
    pub fn from_last(run: &Run, columns: &[&str], rows: u64) -> Result<Follower> {
        let mut follower = Follower::new(run, columns)?;
        let mut found = 0;
        for (first, last) in run.folder.list_steps()?.segments.into_iter().rev() {
            if found >= rows {
                break;
            }
            let missing = rows - found;
            follower.number = first;
            // What cannot be opened has no rows; reading it will say why.
            let path = run.folder.segment_of((first, last));
            if let Ok(segment) = SegmentReader::open(&path, &run.schema, &follower.columns) {
                found += segment.rows();
                follower.enough = Some((last.saturating_add(1), missing));
            }
        }
        Ok(follower)
    }

    /// Gives `visit` a batch of rows that were not given before, each as the values asked for, null
    /// as `None`; returns how many there were. Zero: that is all for now.
    ///
    /// Integers are converted, exactly up to 2^53.
    ///
    /// # Errors
    /// As [`next_batch`](Follower::next_batch).
    pub fn next_rows(&mut self, mut visit: impl FnMut(&[Option<f64>])) -> Result<usize> {
        let Some(batch) = self.next_batch()? else { return Ok(0) };
        let mut values = vec![None; batch.num_columns()];
        for row in 0..batch.num_rows() {
            for (value, column) in values.iter_mut().zip(batch.columns()) {
                *value = number(column, row);
            }
            visit(&values);
        }
        Ok(batch.num_rows())
    }

    /// The next batch of rows that were not given before, its columns in the order asked for; none
    /// if that is all for now.
    ///
    /// # Errors
    /// [`Error::Damaged`] and [`Error::NewerSchema`]: the rest of that file is given up, the next
    /// call goes on behind it.
    /// [`Error::Io`]: the next call tries again.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let Some(source) = &mut self.current else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            match source.next() {
                Some(Ok(batch)) => {
                    if let Some(batch) = self.unseen(batch)? {
                        return Ok(Some(batch));
                    }
                }
                Some(Err(error)) => {
                    self.current = None;
                    self.pass_over(&error);
                    return Err(error);
                }
                None => {
                    let journal_read = match &source.rows {
                        Rows::Journal(journal) if !self.later => Some(journal.end_of_blocks()),
                        _ => None,
                    };
                    let next = source.next_number;
                    self.current = None;
                    if let Some(read) = journal_read {
                        self.journal_read = read;
                        return Ok(None);
                    }
                    self.go_to(next);
                }
            }
        }
    }

    /// Opens what has not been read to its end, if there is anything.
    fn open_next(&mut self) -> Result<bool> {
        loop {
            // Looked at first: a part that has a later one does not grow any more.
            self.later = self.is_there(self.number.saturating_add(1));
            if !self.later && !self.is_there(self.number) {
                let (known, count) = self.run.list_segments()?;
                self.known = known;
                if count <= self.number {
                    // Merged segments are fewer, and a run resumed after that goes on with a
                    // smaller number.
                    (self.number, self.journal_read) = (count, 0);
                    return Ok(false);
                }
            }
            let folder = &self.run.folder;
            let mut source = match Source::open(
                folder,
                &mut self.known,
                self.number,
                &self.run.schema,
                &self.columns,
            ) {
                Ok(source) => source,
                Err(error) => {
                    self.pass_over(&error);
                    return Err(error);
                }
            };
            match &mut source.rows {
                Rows::Journal(journal) => journal.skip_to(self.journal_read),
                Rows::Segment(segment) => {
                    let last_step = segment.first_and_last_step().map(|(_, last)| last);
                    // Its rows were read while they were in a journal, or in segments that were
                    // merged.
                    if last_step.is_some_and(|last| Some(integer(last)) <= self.last_step) {
                        self.go_to(source.next_number);
                        continue;
                    }
                    // If it was merged since, its end is another one.
                    if let Some((next, rows)) = self.enough.take()
                        && (next, 0) == (source.next_number, source.skip)
                    {
                        segment.skip_to_last(rows);
                    }
                }
            }
            self.current = Some(source);
            return Ok(true);
        }
    }

    /// After an error that will not go away, the next part.
    fn pass_over(&mut self, error: &Error) {
        let again =
            matches!(error, Error::Io { source, .. } if source.kind() != io::ErrorKind::NotFound);
        if !again {
            self.go_to(self.known.number_after(self.number));
        }
    }

    fn go_to(&mut self, number: u64) {
        self.number = number;
        (self.journal_read, self.enough) = (0, None);
    }

    /// Whether a part is there by itself; one in a merged segment counts when the parts are.
    fn is_there(&self, number: u64) -> bool {
        self.run.folder.segment(number).exists() || self.run.folder.journal(number).exists()
    }

    /// The rows of a batch that come after the last one given, with the columns asked for.
    fn unseen(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let invalid = |error| damaged(&self.run.folder.steps(), error);
        let steps = batch.column(0).as_primitive::<Int64Type>();
        let Some(&last) = steps.values().last() else { return Ok(None) };
        let before = self.last_step.replace(self.last_step.unwrap_or_default().max(last));
        let skipped = before.map_or(0, |seen| steps.values().partition_point(|&step| step <= seen));
        if skipped == batch.num_rows() {
            return Ok(None);
        }
        let batch = batch.slice(skipped, batch.num_rows() - skipped);
        batch.project(&self.order).map(Some).map_err(invalid)
    }
}
