//! Verifying a run: every checksum, the schema, and the order of the rows.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::curvature::CurvatureRow;
use super::eigenvectors::Eigenvectors;
use super::info::Checksum;
use super::joined::check_joined;
use super::listing::Listing;
use super::reader::Run;
use super::source::{Rows, Source};
use crate::error::{Error, Result};
use crate::record::EventKind;

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// Rows read.
    pub rows: u64,
    /// Rows that are missing, as the run's events tell: dropped, or lost by the log.
    pub rows_dropped: u64,
    /// Finished segments read.
    pub segments: u64,
    /// Journals read.
    pub journals: u64,
    /// What is not as it was written: rows are lost or cannot be trusted.
    pub damage: Vec<Finding>,
    /// What is as it was written and still worth knowing: steps without a row, bytes of an interrupted write.
    pub notes: Vec<Finding>,
}

/// Something found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// The row of the file it concerns, counted from 0, where it concerns one.
    pub row: Option<u64>,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row.map(|row| format!("row {row}: ")).unwrap_or_default();
        write!(text, "{}: {row}{}", self.path.display(), self.what)
    }
}

/// Reads every row and event of a run and tells what is wrong, file by file. Damage in one file does not end the check.
///
/// Steps without a row are damage only when they go backwards; missing ones are noted, unless rows were asked for so
/// rarely or dropped.
///
/// # Errors
/// [`Error::NoSuchRun`], [`Error::NewerSchema`], [`Error::Damaged`] when `run.json` cannot be used, [`Error::Io`].
pub fn check(directory: impl AsRef<Path>) -> Result<Check> {
    let run = Run::open(directory)?;
    let mut check = Check::default();
    let mut order = Order { every_steps: run.info().every_steps.max(1), ..Order::default() };
    let mut closed_with = None;
    match run.kept_events() {
        Ok(events) => {
            for event in events {
                closed_with = None;
                match event.kind {
                    EventKind::RowsDropped { count, first_step, last_step } => {
                        order.dropped.push((first_step, last_step));
                        check.rows_dropped = check.rows_dropped.saturating_add(count);
                    }
                    EventKind::Finished { rows, .. } => closed_with = Some(rows),
                    _ => {}
                }
            }
        }
        Err(error) => check.damaged(error, None)?,
    }
    check.changed_events(&run)?;
    check.info(&run);
    if let Err(error) = run.reference() {
        check.damaged(error, None)?;
    }
    for error in check_joined(&run.folder)? {
        check.damaged(error, None)?;
    }
    let (mut known, count) = run.list_segments()?;
    check.superseded(&run, &known);
    let mut number = 0;
    while number < count {
        number = check.part(&run, &mut known, number, &mut order)?;
    }
    if let Some((steps, path, row)) = order.closest.filter(|(steps, ..)| *steps < order.every_steps) {
        let what = format!("it is {steps} after the row before, where run.json has every_steps {}", order.every_steps);
        check.notes.push(Finding { path, row: Some(row), what });
    }
    check.closing(&run, closed_with);
    check.bases(&run, order.last_basis)?;
    check.deltas(&run)?;
    for number in run.landscapes()? {
        if let Err(error) = run.landscape(number) {
            check.damaged(error, None)?;
        }
    }
    Ok(check)
}

impl Check {
    /// `run.json`, against its checksum and what the segments say.
    fn info(&mut self, run: &Run) {
        let finding = |what: String| Finding { path: run.folder.run_json(), row: None, what };
        match run.change_told_by(usize::MAX) {
            Some(change) if change.meant => self.notes.push(finding(change.to_string())),
            Some(change) => self.damage.push(finding(change.to_string())),
            None if run.checksum == Checksum::Missing && run.info().schema_version > 1 => {
                self.notes.push(finding("it has no checksum, by which a change would be found".to_owned()));
            }
            None => {}
        }
    }

    /// The lines of `events.jsonl`, against their checksums.
    fn changed_events(&mut self, run: &Run) -> Result<()> {
        match run.changed_event() {
            Ok(Some(line)) => {
                let what = format!("line {line} is not as it was written, or a line before it is gone");
                self.damage.push(Finding { path: run.folder.events(), row: None, what });
                Ok(())
            }
            // That it cannot be read was told.
            Ok(None) | Err(Error::Damaged { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads a part; returns the number of the next one.
    fn part(&mut self, run: &Run, known: &mut Listing, number: u64, order: &mut Order) -> Result<u64> {
        let all_columns: Vec<usize> = (0..run.schema.fields().len()).collect();
        let basis_column = run.column_index("basis")?;
        let mut source = match Source::open(&run.folder, known, number, &run.schema, &all_columns) {
            Ok(source) => source,
            Err(error) => {
                self.damaged(error, None)?;
                return Ok(known.segment_at(number).map_or(number, |(_, last)| last).saturating_add(1));
            }
        };
        let next_number = source.next_number;
        let path = source.path.clone();
        let mut rows = 0;
        for batch in &mut source {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => return self.damaged(error, Some(rows)).map(|()| next_number),
            };
            let bases = batch.column(basis_column).as_primitive::<Int64Type>();
            for (&step, basis) in batch.column(0).as_primitive::<Int64Type>().values().iter().zip(bases) {
                order.follow(step.cast_unsigned(), &path, rows, self);
                let basis = basis.map(i64::cast_unsigned);
                if basis > order.last_basis.as_ref().map(|(basis, ..)| *basis) {
                    order.last_basis = basis.map(|basis| (basis, path.clone(), rows));
                }
                rows += 1;
            }
        }
        self.rows += rows;
        match source.rows {
            Rows::Segment(_) => self.segments += 1,
            Rows::Journal(journal) => {
                self.journals += 1;
                self.torn(path, journal.bytes_discarded());
            }
        }
        Ok(next_number)
    }

    /// The curvature table, and the eigenvectors and summaries that were kept; `last` is the last basis that rows are
    /// along.
    fn bases(&mut self, run: &Run, last: Option<(u64, PathBuf, u64)>) -> Result<()> {
        if let Err(error) = run.curvature() {
            self.damaged(error, None)?;
        }
        let Ok(bases) = run.bases() else { return Ok(()) };
        if let Some((basis, path, row)) = last.filter(|(basis, ..)| *basis >= bases.end) {
            let what = format!("it is along basis {basis}, of which curvature has no table");
            self.notes.push(Finding { path, row: Some(row), what });
        }
        // A run without directions may have a summary all the same.
        for basis in 0..bases.end.max(1) {
            match run.eigenvectors(basis) {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.damaged(error, None)?,
                Ok(found) => {
                    if let Ok(table) = run.estimate(basis)
                        && !is_of(&found, &table)
                    {
                        let what = "its eigenvalues are not those of the curvature table of its number".to_owned();
                        self.damage.push(Finding { path: run.folder.eigenvectors(basis), row: None, what });
                    }
                }
            }
            if let Err(error) = run.curvature_summary(basis) {
                self.damaged(error, None)?;
            }
        }
        Ok(())
    }

    /// The whole displacements, where there are any.
    fn deltas(&mut self, run: &Run) -> Result<()> {
        let deltas = match run.deltas() {
            Err(Error::NotEnoughData { .. }) => return Ok(()),
            Err(error) => return self.damaged(error, None),
            Ok(deltas) => deltas,
        };
        let mut last = None;
        for (path, until, journal) in deltas.journals() {
            let mut journal = match journal {
                Ok(journal) => journal,
                Err(error) => {
                    self.damaged(error, None)?;
                    continue;
                }
            };
            for (row, batch) in (&mut journal).enumerate() {
                let row = Some(row as u64);
                match batch {
                    Err(error) => self.damaged(error, row)?,
                    Ok(batch) => {
                        for step in batch.column(0).as_primitive::<Int64Type>().values().iter().copied() {
                            if step.cast_unsigned() > until {
                                continue;
                            }
                            if let Some(last) = last.filter(|last| step <= *last) {
                                let what = format!("step {step} comes after step {last}");
                                self.damage.push(Finding { path: path.clone(), row, what });
                            }
                            last = Some(step);
                        }
                    }
                }
            }
            self.torn(path, journal.bytes_discarded());
        }
        Ok(())
    }

    /// Takes note of files that do not count beside a merged segment.
    fn superseded(&mut self, run: &Run, known: &Listing) {
        let segments = known.superseded.iter().map(|&numbers| (run.folder.segment_of(numbers), numbers.0));
        // A journal beside the segment of its own number is what a killed process leaves.
        let merged = |number: u64| known.segment_at(number).filter(|&(first, last)| first < last);
        let journals = known.journals.iter().filter(|&&number| merged(number).is_some());
        let journals = journals.map(|&number| (run.folder.journal(number), number));
        for (path, number) in segments.chain(journals) {
            let counts = known.segment_at(number).map(|numbers| run.folder.segment_of(numbers)).unwrap_or_default();
            let what = format!(
                "its rows are in {} too, where they are read; this file is left over: a copy that is kept up to date has to \
                 delete too (rsync --delete)",
                counts.file_name().unwrap_or_default().display()
            );
            self.notes.push(Finding { path, row: None, what });
        }
    }

    /// Compares the rows found to those that the run was closed with.
    fn closing(&mut self, run: &Run, closed_with: Option<u64>) {
        let Some(rows) = closed_with.filter(|&rows| rows != self.rows) else { return };
        let what = format!("the run was closed with {rows} rows, and {} are here", self.rows);
        self.damage.push(Finding { path: run.folder.events(), row: None, what });
    }

    /// Takes note of what a journal holds besides whole blocks.
    fn torn(&mut self, path: PathBuf, bytes: u64) {
        if bytes > 0 {
            self.notes.push(Finding { path, row: None, what: format!("{bytes} bytes are no whole block") });
        }
    }

    /// Takes note of a damaged file; another error ends the check.
    fn damaged(&mut self, error: Error, row: Option<u64>) -> Result<()> {
        match error {
            Error::Damaged { path, reason } => {
                self.damage.push(Finding { path, row, what: reason });
                Ok(())
            }
            error => Err(error),
        }
    }
}

/// Whether a table has the eigenvalues of these vectors.
fn is_of(eigenvectors: &Eigenvectors, table: &[CurvatureRow]) -> bool {
    let known = |value: &f64| Some(value - eigenvectors.weight_decay).filter(|value| !value.is_nan());
    eigenvectors.eigenvalues.iter().map(known).eq(table.iter().map(|row| row.eigenvalue))
}

/// The steps of the rows so far.
#[derive(Default)]
struct Order {
    every_steps: u64,
    /// First and last step of rows that were dropped.
    dropped: Vec<(u64, u64)>,
    last: Option<u64>,
    /// The smallest distance of two rows, and where the later one is.
    closest: Option<(u64, PathBuf, u64)>,
    /// The highest number of a basis, and the first row that has it.
    last_basis: Option<(u64, PathBuf, u64)>,
}

impl Order {
    fn follow(&mut self, step: u64, path: &Path, row: u64, check: &mut Check) {
        let finding = |what| Finding { path: path.to_owned(), row: Some(row), what };
        if let Some(last) = self.last {
            let explained = |&(from, to): &(u64, u64)| {
                from <= last.saturating_add(self.every_steps) && step <= to.saturating_add(self.every_steps)
            };
            if step > last && self.closest.as_ref().is_none_or(|(distance, ..)| step - last < *distance) {
                self.closest = Some((step - last, path.to_owned(), row));
            }
            if step <= last {
                check.damage.push(finding(format!("step {step} comes after step {last}")));
            } else if step - last > self.every_steps && !self.dropped.iter().any(explained) {
                check.notes.push(finding(format!("no rows between steps {last} and {step}")));
            }
        }
        self.last = Some(step);
    }
}
