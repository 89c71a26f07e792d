//! `perrin compact RUN [RUN...]`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use perrin::log::Encoding;

#[derive(Args)]
pub struct CompactArguments {
    /// The runs' folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Say that the processes that wrote them are gone, where a file system has no lock that tells.
    #[arg(long)]
    force: bool,
    /// Write plain encodings, for readers that do not know BYTE_STREAM_SPLIT (Spark before 4.3, fastparquet): larger files.
    #[arg(long)]
    portable: bool,
}

pub fn run(arguments: &CompactArguments) -> anyhow::Result<()> {
    let encoding = if arguments.portable { Encoding::Portable } else { Encoding::Small };
    let mut failed = 0;
    for run in &arguments.runs {
        let free = if arguments.force { perrin::log::declare_abandoned(run) } else { Ok(()) };
        match free.and_then(|()| perrin::log::compact_as(encoding, run)) {
            Ok(done) => writeln!(
                stdout(),
                "{}: rows {}, segments {} to {}, bytes {} to {}",
                run.display(),
                done.rows,
                done.segments_before,
                done.segments_after,
                done.bytes_before,
                done.bytes_after
            )?,
            Err(error) => {
                eprintln!("perrin: {error}");
                failed += 1;
            }
        }
    }
    anyhow::ensure!(failed == 0, "{failed} of {} runs are as they were: see above", arguments.runs.len());
    Ok(())
}
