//! Time since observation began, over all processes that observed.

use std::time::{Duration, Instant};

/// The clock of `elapsed_seconds`.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    before: Duration,
}

impl Clock {
    /// Begins at zero.
    pub fn start() -> Clock {
        Clock::resume(Duration::ZERO)
    }

    /// Goes on from what earlier processes observed ([`Resumed::elapsed`](crate::run::Resumed)).
    pub fn resume(before: Duration) -> Clock {
        Clock { began: Instant::now(), before }
    }

    /// Time observed.
    pub fn elapsed(&self) -> Duration {
        self.before + self.began.elapsed()
    }
}

impl From<Instant> for Clock {
    /// Began then.
    fn from(began: Instant) -> Clock {
        Clock { began, before: Duration::ZERO }
    }
}
