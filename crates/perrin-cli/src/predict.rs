//! `perrin predict --input FILE`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use perrin::theory::prediction::{PredictionInput, predict};

use crate::output;

#[derive(Args)]
#[command(after_help = "Examples:
  perrin predict --input settings.json
  echo '{\"learning_rate\": 0.01, \"momentum\": 0.9, \"weight_decay\": 1e-4, \"batch_size\": 32, \"sigma_squared\": 2,
    \"steps\": [1, 10, 100, 1000], \"eigenvalues\": [5, 1, 0.2]}' | perrin predict --input - --json")]
pub struct PredictArguments {
    /// JSON with learning_rate, momentum, weight_decay, batch_size, sigma_squared, steps,
    /// eigenvalues, and optionally initial_positions and initial_velocities (from the mean); `-`
    /// reads standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &PredictArguments) -> anyhow::Result<()> {
    let path = &arguments.input;
    let name = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let text = read(path).with_context(|| format!("cannot read {name}"))?;
    let (input, unknown) = PredictionInput::from_json(&text).with_context(|| name.clone())?;
    for field in unknown {
        output::tell(format_args!("{name}: `{field}` is not a field of the input; ignored"));
    }
    let prediction = predict(&input).with_context(|| name)?;
    if arguments.json { output::json(&prediction) } else { Ok(output::text(prediction)?) }
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
