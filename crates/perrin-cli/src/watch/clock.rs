//! When a row was logged: rows have the seconds of observation, and the log has what the clock was
//! when these began.

use std::time::{Duration, SystemTime};

use perrin::record::{Event, EventKind};

/// What the clock was at so many seconds of observation; of the process that writes last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WallClock {
    known: Option<(SystemTime, f64)>,
}

impl WallClock {
    /// Of a run that was begun at `created` (RFC 3339).
    pub fn begun(created: &str) -> WallClock {
        WallClock::set(Some(created), 0.0)
    }

    /// Takes the run's next event: a run that was resumed counts on, however long nobody wrote it.
    pub fn see(&mut self, event: &Event) {
        if let EventKind::Resumed { time, .. } = &event.kind {
            *self = WallClock::set(time.as_deref(), event.elapsed_seconds);
        }
    }

    fn set(time: Option<&str>, elapsed_seconds: f64) -> WallClock {
        let time = time.and_then(|time| humantime::parse_rfc3339(time).ok());
        WallClock { known: time.map(|time| (time, elapsed_seconds)) }
    }

    /// What it was when a row was logged; `None` where the log does not tell.
    pub fn at(&self, elapsed_seconds: f64) -> Option<SystemTime> {
        let (time, began) = self.known?;
        time.checked_add(Duration::try_from_secs_f64(elapsed_seconds - began).ok()?)
    }
}

/// As text: 2026-11-29T08:37:05Z.
pub fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_old_as_its_seconds_say_whatever_its_files_are() {
        let began = "2026-01-01T00:00:00Z";
        let at = |events: &[Event], seconds| {
            let mut clock = WallClock::begun(began);
            events.iter().for_each(|event| clock.see(event));
            clock.at(seconds).map(utc)
        };
        assert_eq!(at(&[], 90.0).as_deref(), Some("2026-01-01T00:01:30Z"));
        let resumed = |time: Option<&str>| Event {
            step: 5,
            elapsed_seconds: 60.0,
            kind: EventKind::Resumed {
                last_step: None,
                rows_discarded: 0,
                next_landscape: None,
                time: time.map(str::to_owned),
            },
        };
        assert_eq!(
            at(&[resumed(Some("2026-02-01T00:00:00Z"))], 90.0).as_deref(),
            Some("2026-02-01T00:00:30Z")
        );
        assert_eq!(at(&[resumed(None)], 90.0), None);
        assert_eq!(WallClock::begun("</title>").at(1.0), None);
        assert_eq!(at(&[], f64::NAN), None);
    }
}
