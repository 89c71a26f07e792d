//! What the user has chosen to see, and what the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::watched::Watched;

/// The keys, for the line at the bottom.
pub const KEYS: &str = "q quit  tab view  m mode  p pause  ? help";

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    #[default]
    Overview,
    Displacement,
    Speed,
    Phase,
    Loss,
    Eigenvalues,
    Events,
}

impl View {
    pub const ALL: [View; 7] = [
        View::Overview,
        View::Displacement,
        View::Speed,
        View::Phase,
        View::Loss,
        View::Eigenvalues,
        View::Events,
    ];

    pub fn name(self) -> &'static str {
        match self {
            View::Overview => "overview",
            View::Displacement => "displacement",
            View::Speed => "speed",
            View::Phase => "phase",
            View::Loss => "loss",
            View::Eigenvalues => "eigenvalues",
            View::Events => "events",
        }
    }

    fn next(self, forwards: bool) -> View {
        let count = View::ALL.len();
        View::ALL[(self as usize + if forwards { 1 } else { count - 1 }) % count]
    }
}

/// The user's choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct App {
    pub view: View,
    pub paused: bool,
    pub help: bool,
    pub quit: bool,
}

impl App {
    /// Does what a key asks for.
    pub fn key(&mut self, key: KeyEvent, watched: &mut Watched) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        let help = std::mem::take(&mut self.help);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => self.quit = true,
            KeyCode::Char('q') => self.quit = true,
            KeyCode::Esc => self.quit = !help,
            KeyCode::Char('?' | 'h') => self.help = !help,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Tab | KeyCode::Right => self.view = self.view.next(true),
            KeyCode::BackTab | KeyCode::Left => self.view = self.view.next(false),
            KeyCode::Char('m') | KeyCode::Down => watched.change_mode(true),
            KeyCode::Char('M') | KeyCode::Up => watched.change_mode(false),
            KeyCode::Char(digit @ '1'..='7') => {
                self.view = View::ALL[digit as usize - '1' as usize]
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn pressed(keys: &[KeyCode]) -> App {
        let mut app = App::default();
        let mut watched = Watched::new(Path::new("nowhere"));
        for &code in keys {
            app.key(KeyEvent::from(code), &mut watched);
        }
        app
    }

    #[test]
    fn keys() {
        let view = |keys: &[KeyCode]| pressed(keys).view;
        assert_eq!(view(&[KeyCode::Tab, KeyCode::Right]), View::Speed);
        assert_eq!(view(&[KeyCode::Left]), View::Events);
        assert_eq!(view(&[KeyCode::Tab; 7]), View::Overview);
        assert_eq!(view(&[KeyCode::Char('4'), KeyCode::BackTab]), View::Speed);
        assert!(pressed(&[KeyCode::Char('p')]).paused && !pressed(&[KeyCode::Char('p'); 2]).paused);
        assert!(pressed(&[KeyCode::Char('q')]).quit && pressed(&[KeyCode::Esc]).quit);
        // Escape leaves the help first.
        let escaped = pressed(&[KeyCode::Char('?'), KeyCode::Esc]);
        assert!(!escaped.quit && !escaped.help);
        let mut app = App::default();
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        app.key(interrupt, &mut Watched::new(Path::new("nowhere")));
        assert!(app.quit);
    }
}
