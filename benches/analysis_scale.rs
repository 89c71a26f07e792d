//! `perrin fit` on long runs: seconds and memory against rows. Time should be linear in rows, memory should not grow.
//!
//! `cargo bench --no-default-features --bench analysis_scale` takes three short runs;
//! `... -- 10000000` one of so many rows (and 30 modes: 5 GB of disk in the folder for temporary files).
//! `... -- 10000000 FOLDER` only writes it, for `perrin fit FOLDER` and `benches/analysis_scale.py` to be timed on.

#[path = "../tests/common/synthetic.rs"]
mod synthetic;

use std::fs;
use std::time::Instant;

use perrin::analysis::RunFit;
use perrin::run::Run;
use perrin::theory::parameters::SgdParameters;
use synthetic::SyntheticRun;

const MODES: i32 = 30;
const SHORT: [u64; 3] = [50_000, 100_000, 200_000];

fn main() {
    // cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let asked: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if let (&[rows], [_, folder]) = (asked.as_slice(), arguments.as_slice()) {
        return synthetic_run(rows).write(folder.as_ref());
    }
    let lengths = if asked.is_empty() { SHORT.to_vec() } else { asked };
    println!("{:>12} {:>10} {:>14} {:>12} {:>14}", "rows", "fit, s", "us a row", "disk, MB", "memory, MB");
    for rows in lengths {
        let directory = tempfile::tempdir().expect("a folder for temporary files");
        synthetic_run(rows).write(directory.path());
        let before = peak_memory();
        let start = Instant::now();
        let fit = RunFit::of(&Run::open(directory.path()).expect("a run")).expect("a fit");
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(fit.rows, rows);
        // The peak of the whole process, writing included: an upper bound of the fit's own.
        let memory = peak_memory().max(before);
        let disk: u64 = fs::read_dir(directory.path().join("steps"))
            .expect("segments")
            .map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |metadata| metadata.len()))
            .sum();
        println!(
            "{rows:>12} {seconds:>10.2} {:>14.2} {:>12.0} {:>14}",
            seconds / rows as f64 * 1e6,
            disk as f64 / 1e6,
            memory.map_or("unknown".to_owned(), |bytes| (bytes / 1_000_000).to_string())
        );
    }
}

fn synthetic_run(rows: u64) -> SyntheticRun {
    let parameters =
        SgdParameters { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, batch_size: 32.0, noise_scale: 2.0 };
    let eigenvalues = (0..MODES).map(|mode| 5.0 * 0.75_f64.powi(mode)).collect();
    SyntheticRun { parameters, eigenvalues, rows, seed: 1 }
}

/// The largest resident size so far, bytes; Linux only.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
