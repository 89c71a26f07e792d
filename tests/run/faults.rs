//! Every call of the log that touches the disk, refused with every error that a disk gives, once,
//! three times and for ever: what each must come to is a table, which the test prints.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{assert_rows_equal, info, layout, read_rows, rows};
use crate::faulty::{Fault, Faulty, Operation};
use perrin::Result;
use perrin::record::{Event, EventKind, ParameterInfo, RowBuffer, RunInfo};
use perrin::run::Eigenvectors;
use perrin::run::{
    Encoding, ReferenceTensor, ResumeFrom, Run, RunWriter, check, compact_on, recover, recover_on,
};
use rustix::io::Errno;

const ERRORS: [(&str, Errno); 11] = [
    ("ENOSPC", Errno::NOSPC),
    ("EDQUOT", Errno::DQUOT),
    ("EIO", Errno::IO),
    ("ESTALE", Errno::STALE),
    ("EFBIG", Errno::FBIG),
    ("EINVAL", Errno::INVAL),
    ("ENOLCK", Errno::NOLCK),
    ("EROFS", Errno::ROFS),
    ("EACCES", Errno::ACCESS),
    ("EMFILE", Errno::MFILE),
    ("EINTR", Errno::INTR),
];

const TIMES: [u64; 3] = [1, 3, u64::MAX];

/// The errors that are also tried three times in a row.
const THREE_TIMES: [Errno; 4] = [Errno::NOSPC, Errno::IO, Errno::STALE, Errno::INTR];

/// What a fault comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Comes {
    /// An error before the run is one; nothing stands in the way of a second attempt.
    Refused,
    /// Nothing is told, and nothing missing.
    PassedOver,
    /// As before; an event says that there is no lock.
    NotLocked,
    /// An error is told. All rows are in the log in the end.
    Retried,
    /// An error is told. All rows are in the log, the last segments as journals.
    Journals,
    /// An error is told. Rows wait in memory; those that were taken are in the log.
    KeptOut,
    /// An error is told, and the run has all of its rows, as before.
    AsItWas,
}

impl fmt::Display for Comes {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(match self {
            Comes::Refused => "refused before anything is a run",
            Comes::PassedOver => "passed over",
            Comes::NotLocked => "logged, and told that there is no lock",
            Comes::Retried => "told, tried again, nothing lost",
            Comes::Journals => "told, nothing lost, rows stay in journals",
            Comes::KeptOut => "told, rows are kept in memory",
            Comes::AsItWas => "told, the run keeps its rows",
        })
    }
}

use Comes::{AsItWas, Journals, KeptOut, NotLocked, PassedOver, Refused, Retried};
use Operation::*;

/// A line of the table: operation, file, how many such operations succeed first; then what one,
/// three and ever so many failures come to.
type Line = (Operation, &'static str, u64, [Comes; 3]);

/// A run from its beginning to its end: a reference point, events, a basis, segments.
const WRITING: &[Line] = &[
    (MakeFolder, "run", 0, [Refused; 3]),
    (OpenLock, "lock", 0, [Refused; 3]),
    (Lock, "lock", 0, [Refused; 3]),
    (Overwrite, "lock", 0, [Refused; 3]),
    (Overwrite, "lock", 1, [PassedOver; 3]),
    (MakeFolder, "steps", 0, [Refused; 3]),
    (List, "steps", 0, [Refused; 3]),
    (Create, ".reference", 0, [Refused; 3]),
    (Write, ".reference", 0, [Refused; 3]),
    (Sync, ".reference", 0, [Refused; 3]),
    (Rename, "reference", 0, [Refused; 3]),
    (Create, ".run.json", 0, [Refused; 3]),
    (Write, ".run.json", 0, [Refused; 3]),
    (Sync, ".run.json", 0, [Refused; 3]),
    (Rename, "run.json", 0, [Refused; 3]),
    (SyncFolder, "run", 0, [Refused; 3]),
    (SyncFolder, "run", 1, [Refused; 3]),
    (MakeFolder, "open", 0, [Retried, Retried, KeptOut]),
    (Create, ".arrows", 0, [Retried, Retried, KeptOut]),
    (Create, ".arrows", 1, [Retried, Retried, KeptOut]),
    (Write, ".arrows", 0, [Retried, Retried, KeptOut]),
    (Write, ".arrows", 2, [Retried, Retried, KeptOut]),
    // A handle that has gone stale, a file that is as large as one may be.
    (Write, "000000.arrows", 2, [Retried, Retried, Retried]),
    (Find, ".arrows", 0, [Retried, Retried, KeptOut]),
    // The first is the table of the basis, for which the rows along it wait.
    (Create, ".parquet.partial", 0, [Retried, Retried, KeptOut]),
    (Create, ".parquet.partial", 1, [Retried, Retried, Journals]),
    (Write, ".parquet.partial", 1, [Retried, Retried, Journals]),
    (Sync, ".parquet.partial", 1, [Retried, Retried, Journals]),
    (Rename, ".parquet", 0, [Retried, Retried, KeptOut]),
    (Rename, ".parquet", 1, [Retried, Retried, Journals]),
    (SyncFolder, "steps", 0, [Retried, Retried, Retried]),
    (Remove, ".arrows", 0, [Retried, Retried, Retried]),
    (Open, "events", 0, [Retried, Retried, Retried]),
    (Truncate, "events", 0, [Retried, Retried, Retried]),
    (Write, "events", 0, [Retried, Retried, Retried]),
    (MakeFolder, "curvature", 0, [Retried, Retried, KeptOut]),
    (MakeFolder, "eigenvectors", 0, [Retried, Retried, KeptOut]),
    (Write, "000000.safetensors", 0, [Retried, Retried, KeptOut]),
    (SyncFolder, "curvature", 0, [Retried, Retried, KeptOut]),
];

/// What a killed process left is made whole.
const RECOVERY: &[Line] = &[
    (OpenLock, "lock", 0, [AsItWas; 3]),
    (Lock, "lock", 0, [AsItWas; 3]),
    (Overwrite, "lock", 0, [AsItWas; 3]),
    (List, "steps", 0, [AsItWas; 3]),
    (List, "open", 0, [AsItWas; 3]),
    (Remove, ".partial", 0, [AsItWas; 3]),
    (Create, ".parquet.partial", 0, [AsItWas; 3]),
    (Write, ".parquet.partial", 0, [AsItWas; 3]),
    (Sync, ".parquet.partial", 0, [AsItWas; 3]),
    (Rename, ".parquet", 0, [AsItWas; 3]),
    (SyncFolder, "steps", 0, [AsItWas; 3]),
    (Remove, ".arrows", 0, [AsItWas; 3]),
    (Open, "events", 0, [AsItWas; 3]),
    (Truncate, "events", 0, [AsItWas; 3]),
    (Write, "events", 0, [AsItWas; 3]),
];

/// Segments are merged.
const MERGING: &[Line] = &[
    (Lock, "lock", 0, [AsItWas; 3]),
    (MakeFolder, "steps.compacting", 0, [AsItWas; 3]),
    (Create, ".parquet.partial", 0, [AsItWas; 3]),
    (Write, ".parquet.partial", 0, [AsItWas; 3]),
    (Sync, ".parquet.partial", 0, [AsItWas; 3]),
    (Rename, ".parquet", 0, [AsItWas; 3]),
    (SyncFolder, "steps.compacting", 0, [AsItWas; 3]),
    (Exchange, "steps", 0, [AsItWas; 3]),
    (SyncFolder, "run", 0, [AsItWas; 3]),
    (List, "steps.compacting", 0, [AsItWas; 3]),
    (Remove, ".parquet", 0, [AsItWas; 3]),
    (RemoveFolder, "steps.compacting", 0, [AsItWas; 3]),
];

/// A run is taken up again, and its later rows are discarded.
const RESUMING: &[Line] = &[
    (Lock, "lock", 0, [AsItWas; 3]),
    (Overwrite, "lock", 0, [AsItWas; 3]),
    (Open, "events", 0, [AsItWas; 3]),
    (Write, "events", 0, [AsItWas; 3]),
    (Remove, ".parquet", 0, [AsItWas; 3]),
    (SyncFolder, "steps", 0, [AsItWas; 3]),
    (Create, ".parquet.partial", 0, [AsItWas; 3]),
    (Write, ".parquet.partial", 0, [AsItWas; 3]),
    (Sync, ".parquet.partial", 0, [AsItWas; 3]),
    (Rename, ".parquet", 0, [AsItWas; 3]),
];

/// What the table says, and where an error is not like the others.
fn expected(expected: Comes, operation: Operation, error: Errno) -> Comes {
    match (operation, error) {
        // No locks there, or no more of them.
        (Lock, Errno::NOLCK | Errno::INVAL) => NotLocked,
        _ => expected,
    }
}

fn parameter() -> ParameterInfo {
    let (name, kind, device) = ("weight".to_owned(), "f32".to_owned(), "cpu".to_owned());
    ParameterInfo { name, shape: vec![2], kind, device, group: None }
}

fn run_info() -> RunInfo {
    RunInfo { parameters: vec![parameter()], layout: layout(), ..info() }
}

fn create(disk: &Faulty, directory: &Path) -> Result<RunWriter> {
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8].as_slice();
    let reference =
        ReferenceTensor { name: "weight", kind: "f32", shape: vec![2], bytes: bytes.into() };
    RunWriter::create_on(Arc::new(disk.clone()), directory, &run_info(), vec![reference])
}

fn eigenvectors() -> Eigenvectors {
    let mut found = Eigenvectors::from(vec![vec![0.5, 0.5]; 3]);
    found.parameters = vec![parameter()];
    found
}

fn event(step: u64) -> Event {
    let kind =
        EventKind::OutsideWrite { parameters: Vec::new(), displacement_squared: None, count: 1 };
    Event { step, elapsed_seconds: 0.1, kind }
}

/// Writes a run as the recorder does: what is refused is tried again, in order. Returns how many
/// rows were taken, of how many, and whether something was told.
fn write(mut writer: RunWriter) -> (u64, u64, bool) {
    const BLOCKS: u64 = 8;
    let mut told = false;
    let mut tell = |outcome: Result<()>| {
        told |= outcome.is_err();
        outcome.is_ok()
    };
    let (mut has_basis, mut has_event) = (false, false);
    let mut waiting = RowBuffer::default();
    for block in 0..BLOCKS {
        let new = rows(5 * block + 1..5 * block + 6);
        waiting.records.extend(new.records);
        waiting.group_hyperparameters.extend(new.group_hyperparameters);
        waiting.projections.extend(new.projections);
        has_basis = has_basis || tell(writer.basis(0, 0, &eigenvectors(), true));
        if has_basis && tell(writer.append(&waiting)) {
            waiting.clear();
        }
        // An event waits for the rows before it.
        has_event = has_event || waiting.is_empty() && tell(writer.event(&event(3)));
        tell(writer.roll_if_due(Duration::from_secs(block / 2 * 1_000)));
    }
    tell(writer.complete());
    assert_eq!(writer.take_lost(), None);
    assert_eq!(writer.totals().rows, 5 * BLOCKS - waiting.len() as u64);
    (5 * BLOCKS - waiting.len() as u64, 5 * BLOCKS, told)
}

fn writing(disk: &Faulty, directory: &Path) -> Comes {
    let run = directory.join("run");
    let Ok(writer) = create(disk, &run) else {
        disk.heal();
        let mut writer = create(disk, &run).expect("nothing stands in the way");
        writer.append(&rows(1..6)).unwrap();
        assert_eq!(writer.close().unwrap().rows, 5);
        return Refused;
    };
    let (taken, all, told) = write(writer);
    let checked = check(&run).unwrap();
    // An event that was refused may have been written in part.
    let notes = checked
        .notes
        .iter()
        .filter(|note| !note.what.ends_with("bytes at its end are no whole line"));
    assert!(checked.damage.is_empty() && notes.count() == 0, "{checked:?}");
    assert_eq!(checked.rows, taken);
    let events = Run::open(&run).unwrap().events().unwrap();
    let is_unlocked = events.iter().any(|event| matches!(event.kind, EventKind::NotLocked { .. }));
    disk.heal();
    recover(&run).unwrap();
    assert_rows_equal(&read_rows(&run), &rows(1..taken + 1));
    match (told, taken == all) {
        (false, true) if is_unlocked => NotLocked,
        (false, true) => PassedOver,
        (true, true) if checked.journals > 0 => Journals,
        (true, true) => Retried,
        (true, false) => KeptOut,
        (false, false) => panic!("rows are missing, and nothing was told"),
    }
}

/// Two segments of ten rows each, a journal of ten more, and an unfinished file, or none of these
/// two after a recovery; written once, copied for each case.
struct AtRest(tempfile::TempDir);

impl AtRest {
    fn new(is_recovered: bool) -> AtRest {
        let kept = AtRest(tempfile::tempdir().unwrap());
        let directory = kept.0.path();
        let mut writer = create(&Faulty::default(), directory).unwrap();
        for segment in 0..3 {
            writer.append(&rows(10 * segment + 1..10 * segment + 11)).unwrap();
            if segment < 2 {
                writer.roll_if_due(Duration::from_secs(segment * 2_000)).unwrap();
                writer.roll_if_due(Duration::from_secs(segment * 2_000 + 1_000)).unwrap();
            }
        }
        drop(writer);
        std::fs::write(directory.join("open/000002.parquet.partial"), "half").unwrap();
        if is_recovered {
            recover(directory).unwrap();
        }
        kept
    }

    fn copy_to(&self, run: &Path) {
        for folder in ["", "steps", "open"].map(Path::new) {
            std::fs::create_dir(run.join(folder)).unwrap();
            for entry in
                std::fs::read_dir(self.0.path().join(folder)).unwrap().map(|entry| entry.unwrap())
            {
                if entry.path().is_file() {
                    std::fs::copy(entry.path(), run.join(folder).join(entry.file_name())).unwrap();
                }
            }
        }
    }
}

/// What a fault comes to in something that is done to a run at rest, which keeps its rows up to
/// step `kept`.
fn at_rest(
    disk: &Faulty,
    directory: &Path,
    kept: u64,
    act: impl Fn(&Faulty, &Path) -> Result<()>,
) -> Comes {
    let run = directory.join("run");
    let outcome = act(disk, &run);
    let found = check(&run).unwrap();
    assert!(found.damage.is_empty() && found.rows >= kept, "{found:?}");
    disk.heal();
    act(disk, &run).unwrap();
    recover(&run).unwrap();
    assert_rows_equal(&read_rows(&run), &rows(1..kept + 1));
    match outcome {
        Err(_) => AsItWas,
        Ok(()) if disk.failed() > 0 => NotLocked,
        Ok(()) => panic!("the fault was not met"),
    }
}

fn resume(disk: &Faulty, run: &Path) -> Result<()> {
    let from = ResumeFrom { step: Some(15), discard_later_rows: true };
    RunWriter::resume_on(Arc::new(disk.clone()), run, &run_info(), from).map(drop)
}

/// Fails each operation of a table's lines with each error; prints what came of it.
fn hold(name: &str, table: &[Line], act: impl Fn(&Faulty, &Path) -> Comes + std::marker::Sync) {
    let mut cases = Vec::new();
    for line in 0..table.len() {
        for (times, often) in TIMES.into_iter().enumerate() {
            let tried = |error: &usize| often != 3 || THREE_TIMES.contains(&ERRORS[*error].1);
            cases.extend((0..ERRORS.len()).filter(tried).map(|error| (line, times, error)));
        }
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let came = std::sync::Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&(line, times, error)) =
                    cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    let (operation, file, after, _) = table[line];
                    let fault = Fault {
                        operation,
                        file,
                        error: ERRORS[error].1.raw_os_error(),
                        after,
                        times: TIMES[times],
                    };
                    let (disk, directory) = (Faulty::new([fault]), tempfile::tempdir().unwrap());
                    let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        act(&disk, directory.path())
                    }));
                    let acted = acted.unwrap_or_else(|_| panic!("{fault:?} {}", ERRORS[error].0));
                    assert!(disk.failed() > 0, "{fault:?} was not met");
                    came.lock().unwrap().insert((line, times, error), acted);
                }
            });
        }
    });
    let came = came.into_inner().unwrap();
    let mut wrong = Vec::new();
    println!("\n{name}");
    for (line, &(operation, file, after, expectations)) in table.iter().enumerate() {
        let mut said: Vec<(Vec<&str>, String)> = Vec::new();
        for (times, expectation) in expectations.into_iter().enumerate() {
            let mut outcomes: BTreeMap<Comes, Vec<&str>> = BTreeMap::new();
            for (error, (error_name, number)) in ERRORS.iter().enumerate() {
                let Some(&found) = came.get(&(line, times, error)) else { continue };
                outcomes.entry(found).or_default().push(error_name);
                if found != expected(expectation, operation, *number) {
                    wrong.push(format!(
                        "{operation:?} {file} after {after}, {} times {error_name}: {found}",
                        TIMES[times]
                    ));
                }
            }
            let most = outcomes.values().map(Vec::len).max();
            let outcomes =
                outcomes.iter().map(|(found, errors)| match Some(errors.len()) == most {
                    true => found.to_string(),
                    false => format!("{}: {found}", errors.join(", ")),
                });
            let (often, came) = (
                ["once", "three times", "for ever"][times],
                outcomes.collect::<Vec<_>>().join("; "),
            );
            match said.last_mut() {
                Some((before, same)) if *same == came => before.push(often),
                _ => said.push((vec![often], came)),
            }
        }
        let what = format!("{operation:?} {file}{}", if after > 0 { ", later" } else { "" });
        for (often, came) in said {
            println!("  {what:33} {:28} {came}", often.join(", "));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn writing_a_run() {
    hold("writing a run", WRITING, writing);
}

#[test]
fn recovering_a_run() {
    let recovered = |disk: &Faulty, run: &Path| recover_on(disk, run).map(drop);
    let kept = AtRest::new(false);
    hold("recovering a run", RECOVERY, |disk, directory| {
        kept.copy_to(&directory.join("run"));
        at_rest(disk, directory, 30, recovered)
    });
}

#[test]
fn merging_a_run() {
    let merged = |disk: &Faulty, run: &Path| compact_on(disk, Encoding::Small, run).map(drop);
    let kept = AtRest::new(true);
    hold("merging a run", MERGING, |disk, directory| {
        kept.copy_to(&directory.join("run"));
        at_rest(disk, directory, 30, merged)
    });
}

#[test]
fn resuming_a_run() {
    let kept = AtRest::new(true);
    hold("resuming a run", RESUMING, |disk, directory| {
        kept.copy_to(&directory.join("run"));
        at_rest(disk, directory, 15, resume)
    });
}

/// A journal whose handle has gone stale, and that cannot be cut either: its segment is finished
/// from memory.
#[test]
fn a_journal_that_cannot_be_put_right_keeps_no_row_out() {
    for (_, error) in ERRORS {
        let error = error.raw_os_error();
        let faults = [(Write, 2), (Open, 0), (Truncate, 0)];
        let faults = faults.map(|(operation, after)| Fault {
            operation,
            file: "000000.arrows",
            error,
            after,
            times: u64::MAX,
        });
        let (disk, directory) = (Faulty::new(faults), tempfile::tempdir().unwrap());
        assert_eq!(writing(&disk, directory.path()), Retried);
    }
}
