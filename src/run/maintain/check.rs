//! Verifying a run: every checksum, the schema, and the order of the rows.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::error::{Error, Result};
use crate::run::artefacts::curvature::CurvatureRow;
use crate::run::artefacts::eigenvectors::Eigenvectors;
use crate::run::artefacts::joined::{Joined, check_joined, not_kept};
use crate::run::events::EventReader;
use crate::run::info::Checksum;
use crate::run::listing::Listing;
use crate::run::maintain::passed_over::{journals_beyond_segments, passed_over};
use crate::run::reader::Run;
use crate::run::run_end::ToldRows;
use crate::run::steps::row_order::{Dropped, RowOrder, Step, ToldEnd};
use crate::run::steps::source::{Rows, Source};

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
    /// What was read and is as it was written, by kind.
    pub good: Vec<Good>,
    /// What is not as it was written: rows are lost or cannot be trusted.
    pub damage: Vec<Finding>,
    /// What is as it was written and still worth knowing: steps without a row, bytes of an
    /// interrupted write.
    pub notes: Vec<Finding>,
}

/// Files of a kind that are as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Good {
    /// Which: "segments", "journals", "eigenvectors", ...
    pub kind: &'static str,
    /// How many.
    pub files: u64,
    /// Rows in them; events, tensors, vectors.
    pub entries: u64,
    /// Whether they have checksums: those fit, then.
    pub checksums: bool,
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

/// Reads every row and event of a run and tells what is wrong, file by file. Damage in one file
/// does not end the check.
///
/// Steps without a row are damage only when they go backwards; missing ones are noted, unless rows
/// were asked for so rarely or dropped.
///
/// # Errors
/// [`Error::NoSuchRun`], [`Error::NewerSchema`], [`Error::Damaged`] when `run.json` cannot be used,
/// [`Error::Io`].
pub fn check(directory: impl AsRef<Path>) -> Result<Check> {
    let run = Run::open(directory)?;
    let mut check = Check::default();
    let mut order = RowOrder::new(run.info().every_steps);
    let end = check.events(&run, &mut order)?;
    check.info(&run);
    match run.reference() {
        Ok(reference) if reference.tensors().len() == 0 => {}
        Ok(reference) => {
            check.good("reference point", reference.tensors().len() as u64, reference.has_checksums)
        }
        Err(error) => check.damaged(error, None)?,
    }
    for error in check_joined(&run.folder)? {
        check.damaged(error, None)?;
    }
    // What cannot be read has been told.
    for Joined { name, step } in not_kept(&run.folder).unwrap_or_default() {
        let what =
            format!("the reference point of {name}, which joined before step {step}, is not here");
        check.notes.push(Finding { path: run.folder.joined_folder(), row: None, what });
    }
    let (mut known, count) = run.list_segments()?;
    check.superseded(&run, &known);
    for (path, last, read) in journals_beyond_segments(&run, &known) {
        let what = format!(
            "it has rows up to step {last}; the segment of its number, which is read, ends at step {read}"
        );
        check.notes.push(Finding { path, row: None, what });
    }
    let mut number = 0;
    while number < count {
        number = check.part(&run, &mut known, number, &mut order)?;
    }
    if let Some((steps, path, row)) =
        order.closest.take().filter(|(steps, ..)| *steps < order.every_steps)
    {
        let what = format!(
            "it is {steps} after the row before, where run.json has every_steps {}",
            order.every_steps
        );
        check.notes.push(Finding { path, row: Some(row), what });
    }
    if order.untold > 0 {
        let what = format!("and {} more gaps or steps that do not rise", order.untold);
        check.notes.push(Finding { path: run.folder.steps(), row: None, what });
    }
    check.closing(&run, &end, &order);
    check.bases(&run, order.last_basis)?;
    check.deltas(&run)?;
    for number in run.landscapes()? {
        match run.landscape(number) {
            Ok(landscape) => check.good("landscapes", landscape.train_loss.len() as u64, true),
            Err(error) => check.damaged(error, None)?,
        }
    }
    for path in passed_over(&run.folder)? {
        let what = "nothing reads it: perrin gives no file this name, or its table, or one numbered before it, is missing";
        let what = what.to_owned();
        check.notes.push(Finding { path, row: None, what });
    }
    Ok(check)
}

impl Check {
    /// The events, and what they say of the rows.
    fn events(&mut self, run: &Run, order: &mut RowOrder) -> Result<ToldEnd> {
        let mut told = ToldRows::default();
        match told.hear(run) {
            Ok(reader) => self.changed_events(run, &reader, told.events),
            Err(error) => self.damaged(error, None)?,
        }
        self.rows_dropped = told.rows_dropped;
        order.dropped = Dropped::new(told.dropped, order.every_steps);
        Ok(told.end)
    }

    /// `run.json`, against its checksum and what the segments say.
    fn info(&mut self, run: &Run) {
        let finding = |what: String| Finding { path: run.folder.run_json(), row: None, what };
        match run.change_told_by(usize::MAX) {
            Some(change) if change.meant => self.notes.push(finding(change.to_string())),
            Some(change) => self.damage.push(finding(change.to_string())),
            None if run.checksum == Checksum::Missing && run.info().schema_version > 1 => {
                self.notes.push(finding(
                    "it has no checksum, by which a change would be found".to_owned(),
                ));
            }
            None => self.good("run.json", 1, run.checksum == Checksum::Fits),
        }
    }

    /// The lines of `events.jsonl`, against their checksums.
    fn changed_events(&mut self, run: &Run, events: &EventReader, count: u64) {
        if let Some(line) = events.changed_line() {
            let what = format!("line {line} is not as it was written, or a line before it is gone");
            self.damage.push(Finding { path: run.folder.events(), row: None, what });
        } else if count > 0 {
            self.good("events", count, run.info().schema_version > 1);
        }
        let length = run.folder.events().metadata().map_or(0, |file| file.len());
        if let Some(bytes) = length.checked_sub(events.bytes_read()).filter(|bytes| *bytes > 0) {
            let what = format!("{bytes} bytes at its end are no whole line");
            self.notes.push(Finding { path: run.folder.events(), row: None, what });
        }
    }

    /// Reads a part; returns the number of the next one.
    fn part(
        &mut self,
        run: &Run,
        known: &mut Listing,
        number: u64,
        order: &mut RowOrder,
    ) -> Result<u64> {
        let all_columns: Vec<usize> = (0..run.schema.fields().len()).collect();
        let basis_column = run.column_index("basis")?;
        let mut source = match Source::open(&run.folder, known, number, &run.schema, &all_columns) {
            Ok(source) => source,
            Err(error) => {
                self.damaged(error, None)?;
                return Ok(
                    known.number_after(known.segment_at(number).map_or(number, |(_, last)| last))
                );
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
            for (&step, basis) in
                batch.column(0).as_primitive::<Int64Type>().values().iter().zip(bases)
            {
                let found = order.follow(step.cast_unsigned(), &path, rows);
                let finding = |what| Finding { path: path.clone(), row: Some(rows), what };
                match found {
                    Some(Step::Back(what)) => self.damage.push(finding(what)),
                    Some(Step::Gap(what)) => self.notes.push(finding(what)),
                    None => {}
                }
                let basis = basis.map(i64::cast_unsigned);
                if basis > order.last_basis.as_ref().map(|(basis, ..)| *basis) {
                    order.last_basis = basis.map(|basis| (basis, path.clone(), rows));
                }
                rows += 1;
            }
        }
        self.rows += rows;
        match source.rows {
            Rows::Segment(_) => {
                self.segments += 1;
                self.good("segments", rows, true);
            }
            Rows::Journal(journal) => {
                self.journals += 1;
                self.good("journals", rows, true);
                self.torn(path, rows, journal.bytes_discarded());
            }
        }
        Ok(next_number)
    }

    /// The curvature table, and the eigenvectors and summaries that were kept; `last` is the last
    /// basis that rows are along.
    fn bases(&mut self, run: &Run, last: Option<(u64, PathBuf, u64)>) -> Result<()> {
        let bases = match run.bases() {
            Ok(bases) => bases,
            Err(error) => return self.damaged(error, None),
        };
        if let Some((basis, path, row)) = last.filter(|(basis, ..)| *basis >= bases.end) {
            let what = format!("it is along basis {basis}, of which curvature has no table");
            self.notes.push(Finding { path, row: Some(row), what });
        }
        // A run without directions may have a summary all the same.
        for basis in 0..bases.end.max(1) {
            if bases.contains(&basis) {
                match run.estimate(basis) {
                    Ok(rows) => self.good("eigenvalues", rows.len() as u64, true),
                    Err(error) => self.damaged(error, None)?,
                }
            }
            match run.eigenvectors(basis) {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.damaged(error, None)?,
                Ok(found) => {
                    if let Ok(table) = run.estimate(basis)
                        && !is_of(&found, &table)
                    {
                        let what =
                            "its eigenvalues are not those of the curvature table of its number"
                                .to_owned();
                        self.damage.push(Finding {
                            path: run.folder.eigenvectors(basis),
                            row: None,
                            what,
                        });
                    } else {
                        self.good("eigenvectors", found.eigenvectors.len() as u64, true);
                    }
                }
            }
            match run.curvature_summary(basis) {
                Ok(None) => {}
                Ok(Some(_)) => self.good("summaries", 1, true),
                Err(error) => self.damaged(error, None)?,
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
            let damage = self.damage.len();
            let mut rows = 0;
            for batch in &mut journal {
                match batch {
                    Err(error) => self.damaged(error, Some(rows))?,
                    Ok(batch) => {
                        for step in
                            batch.column(0).as_primitive::<Int64Type>().values().iter().copied()
                        {
                            if step.cast_unsigned() > until {
                                continue;
                            }
                            if let Some(last) = last.filter(|last| step <= *last) {
                                let what = format!("step {step} comes after step {last}");
                                self.damage.push(Finding {
                                    path: path.clone(),
                                    row: Some(rows),
                                    what,
                                });
                            }
                            last = Some(step);
                        }
                    }
                }
                rows += 1;
            }
            if self.damage.len() == damage {
                self.good("displacements", rows, true);
            }
            self.torn(path, rows, journal.bytes_discarded());
        }
        Ok(())
    }

    /// Takes note of files that do not count beside a merged segment.
    fn superseded(&mut self, run: &Run, known: &Listing) {
        let segments =
            known.superseded.iter().map(|&numbers| (run.folder.segment_of(numbers), numbers.0));
        // A journal beside the segment of its own number is what a killed process leaves.
        let merged = |number: u64| known.segment_at(number).filter(|&(first, last)| first < last);
        let journals = known.journals.iter().filter(|&&number| merged(number).is_some());
        let journals = journals.map(|&number| (run.folder.journal(number), number));
        for (path, number) in segments.chain(journals) {
            let counts = known
                .segment_at(number)
                .map(|numbers| run.folder.segment_of(numbers))
                .unwrap_or_default();
            let what = format!(
                "its rows are in {} too, where they are read; this file is left over: a copy that is kept up to date has to \
                 delete too (rsync --delete)",
                counts.file_name().unwrap_or_default().display()
            );
            self.notes.push(Finding { path, row: None, what });
        }
    }

    /// Compares the rows found to what events tell of them.
    fn closing(&mut self, run: &Run, end: &ToldEnd, order: &RowOrder) {
        for what in end.missing(order.last, order.every_steps, &order.dropped, 0) {
            self.notes.push(Finding { path: run.folder.events(), row: None, what });
        }
        let Some(rows) = end.closed_with.filter(|&rows| rows != self.rows) else { return };
        let what = format!("the run was closed with {rows} rows, and {} are here", self.rows);
        self.damage.push(Finding { path: run.folder.events(), row: None, what });
    }

    /// Takes note of what a journal holds besides whole blocks, and of one without rows.
    fn torn(&mut self, path: PathBuf, rows: u64, bytes: u64) {
        if rows == 0 {
            let what =
                "it has no rows: its process ended as it began it, or they are gone".to_owned();
            self.notes.push(Finding { path: path.clone(), row: None, what });
        }
        if bytes > 0 {
            self.notes.push(Finding {
                path,
                row: None,
                what: format!("{bytes} bytes are no whole block"),
            });
        }
    }

    /// Counts a file that is as it was written.
    fn good(&mut self, kind: &'static str, entries: u64, checksums: bool) {
        match self.good.iter_mut().find(|good| good.kind == kind && good.checksums == checksums) {
            Some(good) => (good.files, good.entries) = (good.files + 1, good.entries + entries),
            None => self.good.push(Good { kind, files: 1, entries, checksums }),
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
    let known =
        |value: &f64| Some(value - eigenvectors.weight_decay).filter(|value| !value.is_nan());
    eigenvectors.eigenvalues.iter().map(known).eq(table.iter().map(|row| row.eigenvalue))
}
