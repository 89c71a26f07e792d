//! What is asked for, by the environment: cargo hands the arguments of one test program to all of
//! them.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::worker::Task;

const SEED: &str = "PERRIN_FUZZ_SEED";
const MINUTES: &str = "PERRIN_FUZZ_MINUTES";
const MUTATIONS: &str = "PERRIN_FUZZ_MUTATIONS";
const ONLY: &str = "PERRIN_FUZZ_ONLY";
const WORKER: &str = "PERRIN_FUZZ_WORKER";

/// What `make test` does: some 15 s without optimization.
const USUAL_MUTATIONS: u64 = 60;

#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// Cases.
    pub from: u64,
    pub to: u64,
    pub time: Duration,
    /// Whether one case is to be told in full.
    pub only: bool,
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

impl Options {
    pub fn from_environment() -> Options {
        let (minutes, mutations, only): (Option<f64>, Option<u64>, Option<u64>) =
            (number(MINUTES), number(MUTATIONS), number(ONLY));
        let usual = if minutes.is_some() { u64::MAX } else { USUAL_MUTATIONS };
        Options {
            seed: number(SEED).unwrap_or(1),
            from: only.unwrap_or(0),
            to: only.map_or(mutations.unwrap_or(usual), |only| only + 1),
            time: Duration::from_secs_f64(60.0 * minutes.unwrap_or(60.0 * 24.0)),
            only: only.is_some(),
        }
    }

    /// Where runs are damaged: in memory if that is possible.
    pub fn place() -> PathBuf {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { memory.to_owned() } else { env::temp_dir() }
    }

    pub fn of_worker(&self, folder: &Path, from: u64) -> Vec<(&'static str, String)> {
        vec![
            (WORKER, folder.to_string_lossy().into_owned()),
            (SEED, self.seed.to_string()),
            (ONLY, from.to_string()),
            (MUTATIONS, self.to.to_string()),
        ]
    }
}

/// What this process is to do if it is a worker.
pub fn task() -> Option<Task> {
    let folder = PathBuf::from(env::var_os(WORKER)?);
    Some(Task { folder, seed: number(SEED)?, from: number(ONLY)?, to: number(MUTATIONS)? })
}
