//! `perrin fit` on long runs: seconds and memory against rows. Time should be linear in rows,
//! memory should not grow.
//!
//! `cargo bench --no-default-features --bench analysis_scale` takes three short runs;
//! `... -- 10000000` one of so many rows (and 30 modes: 5 GB of disk in the folder for temporary
//! files). `... -- 10000000 FOLDER` only writes it, for `perrin fit FOLDER` and
//! `benches/analysis_scale.py` to be timed on.
//!
//! Beside it the mean and standard deviation of every column by DuckDB (`benches/duckdb_means.py`),
//! and least squares, spectra and variances by numpy (`benches/analysis_scale.py`), where
//! `make python` has provided them. The three take turns.

#[path = "../tests/common/synthetic.rs"]
mod synthetic;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use perrin::analysis::RunFit;
use perrin::run::Run;
use synthetic::{SyntheticRun, USUAL_SGD};

const MODES: i32 = 30;
const TURNS: u32 = 3;
const SHORT: [u64; 3] = [50_000, 100_000, 200_000];

fn main() {
    // cargo adds `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let asked: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if let (&[rows], [_, folder]) = (asked.as_slice(), arguments.as_slice()) {
        return synthetic_run(rows).write(folder.as_ref());
    }
    let lengths = if asked.is_empty() { SHORT.to_vec() } else { asked };
    println!(
        "{:>12} {:>8} {:>8} {:>10} {:>10} {:>10} {:>12} {:>11} {:>9}",
        "rows",
        "fit, s",
        "CPU, s",
        "us a row",
        "disk, MB",
        "memory, MB",
        "DuckDB, s",
        "CPU, s",
        "numpy, s"
    );
    for rows in lengths {
        let directory = tempfile::tempdir().expect("a folder for temporary files");
        synthetic_run(rows).write(directory.path());
        let before = peak_memory();
        // The least of three turns each.
        let mut least = [f64::INFINITY; 5];
        for _ in 0..TURNS {
            let (start, cpu) = (Instant::now(), cpu_seconds());
            let fit = RunFit::of(&Run::open(directory.path()).expect("a run")).expect("a fit");
            assert_eq!(fit.rows, rows);
            let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            let [duckdb, duckdb_cpu] =
                timed("benches/duckdb_means.py", directory.path()).unwrap_or([f64::NAN; 2]);
            let [numpy, _] =
                timed("benches/analysis_scale.py", directory.path()).unwrap_or([f64::NAN; 2]);
            let turn = [seconds, cpu, duckdb, duckdb_cpu, numpy];
            least.iter_mut().zip(turn).for_each(|(least, seconds)| *least = least.min(seconds));
        }
        let [seconds, cpu, duckdb, duckdb_cpu, numpy] = least;
        // The peak of the whole process, writing included: an upper bound of the fit's own.
        let memory = peak_memory().max(before);
        let disk: u64 = fs::read_dir(directory.path().join("steps"))
            .expect("segments")
            .map(|entry| {
                entry.and_then(|entry| entry.metadata()).map_or(0, |metadata| metadata.len())
            })
            .sum();
        println!(
            "{rows:>12} {seconds:>8.2} {cpu:>8.2} {:>10.2} {:>10.0} {:>10} {duckdb:>12.2} {duckdb_cpu:>11.2} {numpy:>9.2}",
            seconds / rows as f64 * 1e6,
            disk as f64 / 1e6,
            memory.map_or("unknown".to_owned(), |bytes| (bytes / 1_000_000).to_string())
        );
    }
}

/// Seconds on the clock and of CPU, by the last line that a script prints of a run: all of its
/// numbers that have a point.
fn timed(script: &str, folder: &Path) -> Option<[f64; 2]> {
    let python =
        Command::new("python3").args(["scripts/provide-python.py", "--where"]).output().ok()?;
    let python = String::from_utf8(python.stdout).ok()?;
    let output = Command::new(python.trim()).arg(script).arg(folder).output().ok()?;
    let output = String::from_utf8(output.stdout).ok()?;
    let mut numbers =
        output.lines().last()?.split_whitespace().filter_map(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?])
}

/// User and system seconds of this process so far; Linux only.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may have blanks: user and system time are fields 14 and 15, in
    // hundredths of a second.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| {
        fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn synthetic_run(rows: u64) -> SyntheticRun {
    let eigenvalues = (0..MODES).map(|mode| 5.0 * 0.75_f64.powi(mode)).collect();
    SyntheticRun { parameters: USUAL_SGD, eigenvalues, rows, seed: 1 }
}

/// The largest resident size so far, bytes; Linux only.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
