//! What is done with a damaged run, and what it answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use perrin::Result;
use perrin::analysis::{RunFit, project};
use perrin::record::{Event, EventKind, RowBuffer, RunInfo, StepRecord};
use perrin::report::{ReportOptions, write_report};
use perrin::run::Eigenvectors;
use perrin::run::{
    Encoding, Follower, LockedFiles, ResumeFrom, Run, RunWriter, check, compact_on, recover_on,
};
use serde_json::{Value, json};

use crate::faulty::Faulty;
use crate::watch;

/// The operations, those that only read first.
pub const OPERATIONS: [&str; 9] =
    ["check", "ls", "fit", "watch", "report", "project", "recover", "compact", "resume"];
/// How many of them only read the run.
pub const READING: usize = 6;

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Numbers, and whatever else must not change unsaid.
    pub numbers: String,
    /// What it tells of the run's state, a sentence each.
    pub told: Vec<String>,
    /// What a terminal would show.
    pub shown: String,
}

/// Where things are.
pub struct Places {
    /// The run.
    pub run: PathBuf,
    /// For whatever an operation writes elsewhere.
    pub output: PathBuf,
    /// This process's standard output.
    pub stdout: PathBuf,
}

/// Does it. The error is a sentence.
pub fn perform(
    operation: &str,
    places: &Places,
    info: &RunInfo,
) -> std::result::Result<Answer, String> {
    let run = &places.run;
    let answer = match operation {
        "check" => checked(run),
        "ls" => listed(run),
        "fit" => fitted(run),
        "watch" => return watched(run, &places.stdout),
        "report" => reported(run, &places.output),
        "project" => projected(run, &places.output),
        "recover" => recover_on(&Faulty::default(), run)
            .and_then(|done| mended(run, json!([done.rows, done.segments]), done.bytes_discarded)),
        "compact" => compact_on(&Faulty::default(), encoding(info), run)
            .and_then(|done| mended(run, json!(done.rows), 0)),
        _ => resumed(run, info),
    };
    answer.map_err(|error| error.to_string())
}

/// Both, in one run or another.
fn encoding(info: &RunInfo) -> Encoding {
    if info.layout.directions == 0 { Encoding::Portable } else { Encoding::Small }
}

fn checked(run: &Path) -> Result<Answer> {
    let found = check(run)?;
    let told: Vec<String> =
        found.damage.iter().chain(&found.notes).map(ToString::to_string).collect();
    Ok(Answer {
        numbers: json!([found.rows, found.segments, found.journals]).to_string(),
        shown: told.join("\n"),
        told,
    })
}

fn listed(run: &Path) -> Result<Answer> {
    let found = Run::open(run)?.overview(&LockedFiles::default())?;
    let numbers = format!("{:?} {:?} {:?}", found.state, found.last_step, found.last_loss);
    Ok(Answer { numbers, ..Answer::default() })
}

fn fitted(run: &Path) -> Result<Answer> {
    let fit = RunFit::with(&Run::open(run)?, &Default::default())?;
    let mut numbers = serde_json::to_value(&fit).unwrap();
    numbers["notes"].take();
    Ok(Answer { numbers: numbers.to_string(), shown: fit.to_string(), told: fit.notes })
}

#[derive(Parser)]
struct Watch {
    #[command(flatten)]
    arguments: watch::WatchArguments,
}

/// As the program does, text and JSON.
fn watched(run: &Path, stdout: &Path) -> std::result::Result<Answer, String> {
    let once = |more: &[&str]| -> std::result::Result<String, String> {
        fs::OpenOptions::new().write(true).open(stdout).unwrap().set_len(0).unwrap();
        let run = run.to_string_lossy();
        let arguments = ["watch", &run, "--once"].into_iter().chain(more.iter().copied());
        watch::run(&Watch::parse_from(arguments).arguments).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(fs::read(stdout).unwrap()).unwrap())
    };
    let shown = once(&["--width", "80"])?;
    let mut numbers: Value =
        serde_json::from_str(&once(&["--json"])?).map_err(|error| format!("no JSON: {error}"))?;
    let told = numbers["warnings"].take();
    for moment in ["seconds_since_last_row", "state"] {
        numbers[moment].take();
    }
    let told = told
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|told| Some(told.as_str()?.to_owned()))
        .collect();
    Ok(Answer { numbers: numbers.to_string(), shown, told })
}

fn reported(run: &Path, output: &Path) -> Result<Answer> {
    let options =
        ReportOptions { output: Some(output.join("page.html")), ..ReportOptions::default() };
    let run = Run::open(run)?;
    let page = write_report(&[run], &options, &mut |_| {})?.page;
    let shown = fs::read_to_string(page).unwrap();
    Ok(Answer { numbers: shown.clone(), shown, told: Vec::new() })
}

fn projected(run: &Path, output: &Path) -> Result<Answer> {
    let directions = Eigenvectors::read(run.join("eigenvectors/000000.safetensors"))?;
    let output = output.join("projected");
    let done = project(&Run::open(run)?, &directions, &output, &mut |_| {})?;
    mended(&output, json!([done.rows, done.projected]), 0)
}

/// What a run has after something was done to it.
fn mended(run: &Path, done: Value, bytes_discarded: u64) -> Result<Answer> {
    let numbers = json!([done, rows_of(&Run::open(run)?)?]).to_string();
    let told = if bytes_discarded > 0 {
        vec![format!("{bytes_discarded} bytes held no whole block")]
    } else {
        vec![]
    };
    Ok(Answer { numbers, told, shown: String::new() })
}

/// The number of rows, and a checksum of their values.
fn rows_of(run: &Run) -> Result<(u64, u32)> {
    let columns: Vec<&str> = run.columns().collect();
    let mut follower = Follower::new(run, &columns)?;
    let (mut rows, mut hasher) = (0, crc32fast::Hasher::new());
    let mut bytes = Vec::new();
    while follower.next_rows(|row| {
        rows += 1;
        bytes.clear();
        for value in row {
            bytes.extend(value.map_or(1, f64::to_bits).to_le_bytes());
        }
        hasher.update(&bytes);
    })? > 0
    {}
    Ok((rows, hasher.finalize()))
}

fn resumed(run: &Path, info: &RunInfo) -> Result<Answer> {
    let from = ResumeFrom { step: Some(STEP), discard_later_rows: true };
    let (mut writer, resumed) = RunWriter::resume_on(Arc::new(Faulty::default()), run, info, from)?;
    let step = resumed.step + 1;
    let record = StepRecord { step, elapsed_seconds: 9.0, ..StepRecord::default() };
    let directions = info.layout.directions;
    writer.append(&RowBuffer {
        records: vec![record],
        projections: vec![None; 2 * directions],
        ..RowBuffer::default()
    })?;
    writer.event(&Event {
        step,
        elapsed_seconds: 9.0,
        kind: EventKind::Finished { rows: step, dropped: 0 },
    })?;
    writer.close()?;
    let reference: Vec<u32> =
        resumed.reference.tensors().map(|tensor| crc32fast::hash(&tensor.bytes)).collect();
    let last =
        format!("{:?} {:?} {:?}", resumed.last_row, resumed.hyperparameters, resumed.projections);
    mended(
        run,
        json!([last, resumed.elapsed.as_secs_f64(), reference]),
        resumed.recovery.bytes_discarded,
    )
}

/// The step that all runs are resumed from.
const STEP: u64 = 102;
