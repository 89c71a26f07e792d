//! Changes of the parameters between two steps: counted always, told at counts 1, 2, 4, 8, ...
//!
//! A loop may do this at every step on purpose (weight clipping, a second optimizer over the same parameters), and its
//! log should not drown in events.

use crate::record::EventKind;

#[derive(Debug, Default)]
pub(super) struct OutsideWrites {
    count: u64,
    told: u64,
    /// Of the change told last.
    pub parameters: Vec<String>,
    /// Of the latest change.
    pub displacement_squared: Option<f64>,
}

impl OutsideWrites {
    /// Names told at most.
    pub const NAMES: usize = 8;

    /// Counts a change; whether it should be told.
    pub fn count_one(&mut self) -> bool {
        self.count += 1;
        self.count.is_power_of_two()
    }

    pub fn event(&mut self) -> EventKind {
        self.told = self.count;
        EventKind::OutsideWrite {
            parameters: self.parameters.clone(),
            displacement_squared: self.displacement_squared,
            count: self.count,
        }
    }

    /// The final count, if it has not been told.
    pub fn untold(&mut self) -> Option<EventKind> {
        (self.told < self.count).then(|| self.event())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_powers_of_two_and_the_end() {
        let mut outside = OutsideWrites::default();
        let mut told = Vec::new();
        for count in 1..=100u64 {
            if outside.count_one() {
                outside.event();
                told.push(count);
            }
        }
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64]);
        assert!(matches!(outside.untold(), Some(EventKind::OutsideWrite { count: 100, .. })));
        assert_eq!(outside.untold(), None);
    }
}
