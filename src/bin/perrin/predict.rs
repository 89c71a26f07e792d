//! `perrin predict --input FILE`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use perrin::theory::prediction::{PredictionInput, predict};

#[derive(Args)]
pub struct PredictArguments {
    /// JSON with learning_rate, momentum, weight_decay, batch_size, sigma_squared, steps, eigenvalues, and optionally
    /// initial_positions and initial_velocities (from the mean); `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &PredictArguments) -> anyhow::Result<()> {
    let path = &arguments.input;
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let text = read(path).with_context(|| format!("cannot read {name}"))?;
    let (input, unknown) = PredictionInput::from_json(&text).with_context(|| name.clone())?;
    for field in unknown {
        eprintln!("perrin: {name}: `{field}` is not a field of the input; ignored");
    }
    let prediction = predict(&input).with_context(|| name)?;
    let mut output = std::io::stdout().lock();
    let written = if arguments.json {
        let text = serde_json::to_string_pretty(&prediction)?;
        writeln!(output, "{text}")
    } else {
        write!(output, "{prediction}")
    };
    match written {
        // Whoever reads has seen enough, as `head` has.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    } else {
        std::fs::read_to_string(path)
    }
}
