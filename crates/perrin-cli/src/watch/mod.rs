//! `perrin watch RUN`: a running or finished run in the terminal.
//!
//! `watched` finds the run and reads on, `summary`, `curve` and `tail` keep what is shown in
//! bounded memory, `screen`, `panels`, `plot` and `text` draw it into a buffer, `app` has the
//! user's choices, and `terminal` the loop around all.

mod app;
mod axis;
mod clock;
mod curve;
mod eigenvalues;
mod panels;
mod plot;
mod screen;
mod summary;
mod tail;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod watched;

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use app::View;
use watched::{State, Watched};

use crate::{output, runs};

/// Columns of a plot.
const MOST_COLUMNS: i64 = 1000;

#[derive(Args)]
#[command(after_help = "Examples:
  perrin watch runs/digits-1
  perrin watch runs/digits-1 --once --json")]
pub struct WatchArguments {
    /// The run's folder; it may appear later.
    run: PathBuf,
    /// Print what there is now as text, and end. Needs no terminal.
    #[arg(long)]
    once: bool,
    /// With --once: print JSON instead of text.
    #[arg(long, requires = "once")]
    json: bool,
    /// With --once: columns of the plots; without plots if 0 [default: those of the terminal, or
    /// 100].
    #[arg(long, requires = "once", value_parser = clap::value_parser!(u16).range(0..=MOST_COLUMNS))]
    width: Option<u16>,
    /// Seconds between two looks at the run.
    #[arg(long, default_value_t = 0.5, value_parser = interval)]
    interval: f64,
}

pub fn run(arguments: &WatchArguments) -> anyhow::Result<()> {
    let mut watched = Watched::new(&arguments.run);
    if arguments.once {
        return once(&mut watched, arguments);
    }
    anyhow::ensure!(
        stdout().is_terminal(),
        "watch draws on a terminal, and this is none; --once prints a snapshot"
    );
    terminal::run(&mut watched, Duration::from_secs_f64(arguments.interval))
}

fn once(watched: &mut Watched, arguments: &WatchArguments) -> anyhow::Result<()> {
    watched.refresh(Duration::MAX);
    let open = match &watched.state {
        State::Open(open) => open,
        // The library's own error, and not that one waits.
        State::Waiting(reason) => {
            runs::open(&watched.path)?;
            anyhow::bail!("{reason}");
        }
    };
    if arguments.json {
        return output::json(&text::json(open));
    }
    for line in text::snapshot(open) {
        output::line(line)?;
    }
    let width =
        arguments.width.unwrap_or_else(|| output::columns().min(MOST_COLUMNS as usize) as u16);
    if width > 0 {
        let mut views = vec![View::Displacement, View::Speed];
        if open.modes() > 0 {
            views.push(View::Phase);
        }
        for view in views {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, 16));
            panels::draw(view, open, watched, buffer.area, &mut buffer);
            output::text(screen::plain_text(&buffer))?;
        }
    }
    Ok(())
}

fn interval(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.05..=3600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("must be 0.05 to 3600 seconds".to_owned())
    }
}
