//! Time and memory of `ModesFit` against the number of rows: linear, and a constant.
//!
//! `PERRIN_BENCH_ROWS=10000000 cargo bench --no-default-features --bench modes_fit` for the full
//! size: 30 modes, 5 GB on disk. Without it, 100,000 and 1,000,000 rows.

use std::fs;
use std::time::Instant;

use perrin::analysis::modes::{ModesFit, ModesOptions};
use perrin::record::{Hyperparameters, Layout, OptimizerInfo, RowBuffer, RunInfo, StepRecord};
use perrin::run::{Run, RunWriter};
use perrin::theory::parameters::SgdParameters;
use perrin::theory::sampler::QuadraticSampler;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const MODES: usize = 30;

fn main() {
    let rows = std::env::var("PERRIN_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok());
    let all: Vec<u64> = rows.map_or_else(|| vec![100_000, 1_000_000], |rows| vec![rows]);
    println!("| rows | fit, s | peak memory, MB |\n|---|---|---|");
    for rows in all {
        let directory = tempfile::tempdir().expect("a temporary folder");
        write(directory.path(), rows);
        // From here on the peak is the fit's.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let start = Instant::now();
        let run = Run::open(directory.path()).expect("the run just written");
        let fit = ModesFit::of(&run, &ModesOptions::default()).expect("rows without damage");
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(fit.modes.iter().filter(|mode| mode.recursion.known().is_some()).count(), MODES);
        println!(
            "| {rows} | {seconds:.1} | {} |",
            peak_megabytes().map_or("unknown".to_owned(), |mb| mb.to_string())
        );
    }
}

fn write(directory: &std::path::Path, rows: u64) {
    let parameters = SgdParameters {
        learning_rate: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
        batch_size: 32.0,
        noise_scale: 2.0,
    };
    let eigenvalues: Vec<f64> = (0..MODES).map(|mode| 5.0 * 0.75_f64.powi(mode as i32)).collect();
    let optimizer = OptimizerInfo {
        name: Some("sgd".to_owned()),
        dampening: Some(0.0),
        nesterov: Some(false),
        ..OptimizerInfo::default()
    };
    let layout = Layout { parameter_groups: 1, directions: MODES };
    let info = RunInfo { optimizer, layout, ..RunInfo::default() };
    let mut writer = RunWriter::create(directory, &info, Vec::new()).expect("an empty folder");
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut sampler =
        QuadraticSampler::stationary(&parameters, &eigenvalues, &mut random).expect("stable modes");
    let mut block = RowBuffer::default();
    for step in 1..=rows {
        sampler.step(&mut random);
        let hyperparameters = Hyperparameters {
            learning_rate: Some(0.1),
            momentum: Some(0.9),
            weight_decay: Some(1e-4),
        };
        block.records.push(StepRecord {
            step,
            hyperparameters,
            batch_size: Some(32),
            ..StepRecord::default()
        });
        block
            .projections
            .extend(sampler.positions().iter().chain(sampler.velocities()).copied().map(Some));
        if block.len() == 4096 || step == rows {
            writer.append(&block).expect("room on the disk");
            writer
                .roll_if_due(std::time::Duration::from_secs(step / 1000))
                .expect("room on the disk");
            block.clear();
        }
    }
    writer.close().expect("room on the disk");
}

/// Where the system tells.
fn peak_megabytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}
