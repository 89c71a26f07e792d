//! The process that does the work, and may die of it: a case a mutation, an operation after the
//! other, a line of [`progress`](crate::progress) before and after each.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use perrin::printable;
use perrin::record::{ParameterInfo, RunInfo};
use perrin::run::Run;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::base;
use crate::counting_allocator::{most_held, refuse_above};
use crate::limits::limit;
use crate::mutate::{Mutation, mutate};
use crate::operations::{Answer, OPERATIONS, Places, READING, perform};
use crate::outcome::Outcome;
use crate::progress::{Line, tell};

/// What an operation may hold: this much, and so many times the size of the run's folder.
const MEMORY: usize = 64 << 20;
const MEMORY_PER_BYTE: usize = 20;
/// A Parquet page says its unpacked size in 31 bits, and so much is asked for before it proves
/// wrong: more that a forgery may hold.
const MEMORY_OF_FORGERIES: usize = 2 << 30;
/// Above this a request for memory fails, and ends the worker: the machine has other things to do.
const CEILING: usize = 3 << 30;

thread_local! {
    /// The last panic of this thread: what it said, and where it came from.
    static PANIC: RefCell<Option<(String, Backtrace)>> = const { RefCell::new(None) };
}

/// What the worker is asked to do.
#[derive(Debug, Clone)]
pub struct Task {
    pub folder: PathBuf,
    pub seed: u64,
    /// Cases.
    pub from: u64,
    pub to: u64,
}

/// A run before anything happens to it.
struct Base {
    folder: PathBuf,
    info: RunInfo,
    answers: BTreeMap<&'static str, Answer>,
}

pub fn work(task: &Task) {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.to_string();
        // The supervisor tells of those that end the worker.
        eprintln!("{said}");
        PANIC.with(|last| *last.borrow_mut() = Some((said, Backtrace::force_capture())));
    }));
    let scratch = task.folder.join("scratch");
    let places = Places {
        run: scratch.join("run"),
        output: scratch.join("output"),
        stdout: task.folder.join("stdout"),
    };
    let mut progress = File::options().append(true).open(task.folder.join("progress")).unwrap();
    let bases: Vec<Base> =
        base::NAMES.iter().map(|name| undamaged(&task.folder.join(name), &places)).collect();
    let other = task.folder.join(base::OTHER);
    refuse_above(CEILING);
    for case in task.from..task.to {
        let mut random = ChaCha8Rng::seed_from_u64(task.seed);
        random.set_stream(case);
        let base = &bases[base::chosen(random.random_range(0..10))];
        let (mut notes, mut forged) = (Vec::new(), false);
        for (index, operation) in OPERATIONS.into_iter().enumerate() {
            // What writes needs a copy of its own.
            if index == 0 || index >= READING {
                let mutation = prepared(base, &other, &places, &random);
                if index == 0 {
                    let Mutation { kind, change, detail, .. } = mutation;
                    forged = mutation.forged;
                    let run =
                        base.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    tell(
                        &mut progress,
                        &Line::Case {
                            case,
                            run,
                            kind: kind.into(),
                            change: change.into(),
                            detail,
                            forged,
                        },
                    );
                }
            }
            tell(&mut progress, &Line::Begun { operation: operation.into() });
            let began = Instant::now();
            let (outcome, memory) = attempt(operation, base, &places, forged, &mut notes);
            let seconds = began.elapsed().as_secs_f64();
            let outcome = if matches!(outcome, Outcome::Silent(_)) && !forged {
                prepared(base, &other, &places, &random);
                let reason = limit(&base.folder, &other, &places.run, operation);
                reason.map_or(outcome, |reason| Outcome::Beyond(reason.to_owned()))
            } else {
                outcome
            };
            tell(
                &mut progress,
                &Line::Done { operation: operation.into(), outcome, memory, seconds },
            );
        }
    }
}

fn undamaged(folder: &Path, places: &Places) -> Base {
    let run = Run::open(folder).unwrap();
    let mut info = run.info().clone();
    // A program that resumes has those that joined, too.
    for tensor in run.joined().unwrap().tensors() {
        let shape = tensor.shape.iter().map(|size| *size as i64).collect();
        info.parameters.push(ParameterInfo {
            name: tensor.name.to_owned(),
            shape,
            ..info.parameters[0].clone()
        });
    }
    let mut answers = BTreeMap::new();
    for operation in OPERATIONS {
        clean(places);
        base::copy(folder, &places.run);
        let answer = perform(operation, places, &info);
        answers.extend(answer.ok().map(|answer| (operation, answer)));
    }
    for operation in OPERATIONS.into_iter().filter(|operation| *operation != "project") {
        assert!(
            answers.contains_key(operation),
            "{}: {operation} fails undamaged",
            folder.display()
        );
    }
    Base { folder: folder.to_owned(), info, answers }
}

fn clean(places: &Places) {
    for folder in [&places.run, &places.output] {
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
        fs::create_dir_all(folder).unwrap();
    }
}

/// Puts the damaged run in its place.
fn prepared(base: &Base, other: &Path, places: &Places, random: &ChaCha8Rng) -> Mutation {
    clean(places);
    base::copy(&base.folder, &places.run);
    mutate(&places.run, other, &mut random.clone())
}

/// Does an operation; `notes` grows by what the run's state is said to be.
fn attempt(
    operation: &'static str,
    base: &Base,
    places: &Places,
    forged: bool,
    notes: &mut Vec<String>,
) -> (Outcome, u64) {
    let size: u64 = base::files(&places.run)
        .iter()
        .filter_map(|file| places.run.join(file).metadata().ok())
        .map(|file| file.len())
        .sum();
    let allowed =
        MEMORY + MEMORY_PER_BYTE * size as usize + if forged { MEMORY_OF_FORGERIES } else { 0 };
    let work = || catch_unwind(AssertUnwindSafe(|| perform(operation, places, &base.info)));
    let (answer, memory) = most_held(work);
    let outcome = match answer {
        Err(_) => panicked(),
        _ if memory > allowed => {
            Outcome::OverMemory(format!("{} MB, {} allowed", memory >> 20, allowed >> 20))
        }
        Ok(Err(error)) => {
            if operation == "check" {
                notes.push(error.clone());
            }
            match base.answers.get(operation) {
                // It is refused undamaged, too.
                None => Outcome::Unchanged,
                Some(_) if error.trim().is_empty() => {
                    Outcome::Silent("an error without words".to_owned())
                }
                Some(_) => Outcome::Refused,
            }
        }
        Ok(Ok(answer)) => judged(operation, &answer, base, notes),
    };
    (outcome, memory as u64)
}

fn judged(operation: &str, answer: &Answer, base: &Base, notes: &mut Vec<String>) -> Outcome {
    let shown = &answer.shown;
    if operation == "watch" && printable::lines(shown) != shown.as_str() {
        return Outcome::ActsOnReader(different(shown, &printable::lines(shown)));
    }
    let before = base.answers.get(operation).cloned().unwrap_or_default();
    let told = answer.told.iter().filter(|told| !before.told.contains(told)).cloned();
    if matches!(operation, "check" | "fit") {
        notes.extend(told.clone());
    }
    if answer.numbers == before.numbers {
        Outcome::Unchanged
    } else if told.count() > 0 || !notes.is_empty() {
        Outcome::Told
    } else {
        Outcome::Silent(different(&before.numbers, &answer.numbers))
    }
}

/// Where two texts begin to differ.
fn different(one: &str, other: &str) -> String {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let part =
        |text: &str| text.chars().skip(same.saturating_sub(40)).take(100).collect::<String>();
    format!("{:?} became {:?}", part(one), part(other))
}

fn panicked() -> Outcome {
    let last = PANIC.with(|last| last.borrow_mut().take());
    let Some((said, trace)) = last else {
        return Outcome::Panicked("in another thread".to_owned());
    };
    let trace = trace.to_string();
    let ours = |line: &&str| line.contains("perrin::") && !line.contains("guard::decode");
    let frame = trace.lines().find(ours).unwrap_or("no frame of ours");
    Outcome::Panicked(format!("{} | {}", said.replace('\n', " "), frame.trim()))
}
