//! The loop: read what is new, draw, wait for a key or for time to pass.

use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::event::{self, Event};

use super::app::App;
use super::screen;
use super::watched::Watched;

/// Reading is interrupted after this long, so that keys are answered while a long log is being
/// read.
const READ_AT_MOST: Duration = Duration::from_millis(60);

/// Watches until the user has seen enough.
pub fn run(watched: &mut Watched, interval: Duration) -> anyhow::Result<()> {
    let mut terminal =
        ratatui::try_init().context("cannot use this terminal; --once prints a snapshot")?;
    let outcome = watch(&mut terminal, watched, interval);
    ratatui::restore();
    outcome
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    watched: &mut Watched,
    interval: Duration,
) -> anyhow::Result<()> {
    let mut app = App::default();
    while !app.quit {
        let all_read = app.paused || watched.refresh(READ_AT_MOST);
        terminal.draw(|frame| screen::draw(watched, &app, frame.area(), frame.buffer_mut()))?;
        // A terminal that was resized sends an event too, and is drawn again.
        if event::poll(if all_read { interval } else { Duration::ZERO })? {
            while event::poll(Duration::ZERO)? {
                if let Event::Key(key) = event::read()? {
                    app.key(key, watched);
                }
            }
        }
    }
    Ok(())
}
