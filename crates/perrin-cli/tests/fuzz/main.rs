//! A run's files damaged in every way, and everything done with each that the `perrin` program
//! does.
//!
//! Sixty mutations are one of the tests; `make fuzz MINUTES=5 SEED=1` goes on as long as is asked,
//! and `make fuzz SEED=1 ONLY=7` repeats one. The table counts for each kind of file and each
//! operation what came of it; docs/design.md says what is a fault.

mod base;
#[path = "../../../../tests/common/mod.rs"]
mod common;
#[path = "../../../../tests/common/counting_allocator.rs"]
mod counting_allocator;
#[path = "../../../../tests/common/damage.rs"]
mod damage;
#[path = "../../../../tests/common/faulty.rs"]
mod faulty;
#[path = "../../../../tests/common/forgery.rs"]
mod forgery;
mod json;
mod kind;
mod limits;
mod mutate;
#[allow(unused, reason = "some of it is for other commands than watch")]
#[path = "../../src/numbers.rs"]
mod numbers;
mod operations;
mod options;
mod outcome;
#[allow(unused, reason = "some of it is for other commands than watch")]
#[path = "../../src/output.rs"]
mod output;
mod progress;
#[allow(unused, reason = "some of it is for other commands than watch")]
#[path = "../../src/runs.rs"]
mod runs;
mod safetensors;
mod supervisor;
#[path = "../../../../tests/common/synthetic.rs"]
mod synthetic;
mod tally;
#[allow(unused, reason = "the part of the program without its terminal")]
#[path = "../../src/watch/mod.rs"]
mod watch;
mod worker;

use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    if let Some(task) = options::task() {
        worker::work(&task);
        return ExitCode::SUCCESS;
    }
    // Those of other tests' names.
    if std::env::args()
        .skip(1)
        .any(|argument| !argument.starts_with('-') && !argument.contains("fuzz"))
    {
        return ExitCode::SUCCESS;
    }
    let options = Options::from_environment();
    let tally = supervisor::supervise(&options);
    if options.only {
        tally.lines.iter().for_each(|line| println!("{line}"));
    } else {
        print!("{tally}");
    }
    if tally.faults() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
