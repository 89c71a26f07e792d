//! Files in a run's folders that look like a part of it and are not read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::error::{Error, Result};
use crate::run::artefacts::deltas::count_journals;
use crate::run::folder::RunFolder;
use crate::run::listing::Listing;
use crate::run::places::count_bases;
use crate::run::reader::Run;
use crate::run::steps::journal_reader::JournalReader;
use crate::run::steps::segment_reader::SegmentReader;

/// What a file of a run's folders ends in.
const ENDINGS: [&str; 4] = ["parquet", "arrows", "safetensors", "json"];

/// The files that nothing reads, sorted: each has the ending of a file of its folder, and not the
/// name of one, or comes after a number that is missing, or is of a basis without a table.
pub(crate) fn passed_over(folder: &RunFolder) -> Result<Vec<PathBuf>> {
    // A run without directions may have a summary all the same.
    let (deltas, bases) = (count_journals(folder), count_bases(folder)?.max(1));
    let is_read = |file: &Path| {
        folder.numbers_of_segment(file).is_some()
            || folder.number_of_journal(file).is_some()
            || folder.number_of_basis(file).is_some_and(|basis| basis < bases)
            || folder.number_beside_table(file).is_some_and(|basis| basis < bases)
            || folder.number_of_joined(file).is_some()
            || folder.number_of_landscape(file).is_some()
            || folder.number_of_delta_journal(file).is_some_and(|number| number < deltas)
            || [folder.delta_parameters(), folder.delta_bounds()].iter().any(|list| list == file)
    };
    let mut found = Vec::new();
    // The first is the run's own folder, which holds whatever else a program puts there.
    for place in folder.places().into_iter().skip(1).filter(|place| place.is_dir()) {
        for entry in place.read_dir().map_err(Error::io("list", &place))? {
            let file = entry.map_err(Error::io("list", &place))?.path();
            let ending = file.extension().and_then(OsStr::to_str).unwrap_or_default();
            let is_hidden =
                file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if ENDINGS.contains(&ending) && !is_hidden && !is_read(&file) {
                found.push(file);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The journals that have later rows than the segment of their number, which is read in their
/// place, each with the last step of both. A killed process leaves journals, but none with other
/// rows than their segment has.
pub(crate) fn journals_beyond_segments(run: &Run, known: &Listing) -> Vec<(PathBuf, i64, i64)> {
    let last_steps = |number: u64| {
        known.segment_at(number).filter(|numbers| *numbers == (number, number))?;
        let segment = SegmentReader::open(&run.folder.segment(number), &run.schema, &[0]).ok()?;
        let in_segment = segment.first_and_last_step().map_or(0, |(_, last)| last.cast_signed());
        let path = run.folder.journal(number);
        let mut in_journal = 0;
        for batch in JournalReader::open(&path, &run.schema, vec![0]).ok()? {
            let steps = batch.ok()?;
            in_journal = steps
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .last()
                .copied()
                .unwrap_or(in_journal);
        }
        (in_journal > in_segment).then_some((path, in_journal, in_segment))
    };
    known.journals.iter().filter_map(|number| last_steps(*number)).collect()
}
