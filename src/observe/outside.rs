//! Changes of the parameters between two steps: counted always, told at counts 1, 2, 4, 8, ... and
//! whenever one is more than twice as long as all that were told.
//!
//! A loop may do this at every step on purpose (weight clipping, a second optimizer over the same
//! parameters), and its log should not drown in events; nor should the one checkpoint that was
//! loaded by mistake be lost among them.

use crate::record::EventKind;

#[derive(Debug, Default)]
pub(super) struct OutsideWrites {
    count: u64,
    told: u64,
    /// Of the latest change.
    pub parameters: Vec<String>,
    /// Of the latest change.
    displacement_squared: Option<f64>,
    longest_told_squared: f64,
}

impl OutsideWrites {
    /// Names told at most.
    pub const NAMES: usize = 8;
    /// So many changes are read from a device at once; of later ones, those whose count is told.
    const READ_AT_ONCE: u64 = 64;

    /// Whether the length of the next change is worth waiting for a device.
    pub fn reads_device(&self) -> bool {
        self.count < OutsideWrites::READ_AT_ONCE || (self.count + 1).is_power_of_two()
    }

    /// Counts a change; whether it should be told.
    pub fn count_one(&mut self, displacement_squared: Option<f64>) -> bool {
        self.count += 1;
        self.displacement_squared = displacement_squared;
        let length_squared = displacement_squared.unwrap_or(0.0);
        let longest = length_squared > 4.0 * self.longest_told_squared;
        if longest {
            self.longest_told_squared = length_squared;
        }
        longest || self.count.is_power_of_two()
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

    fn told(lengths_squared: impl IntoIterator<Item = Option<f64>>) -> (OutsideWrites, Vec<u64>) {
        let mut outside = OutsideWrites::default();
        let mut told = Vec::new();
        for length_squared in lengths_squared {
            if outside.count_one(length_squared) {
                outside.event();
                told.push(outside.count);
            }
        }
        (outside, told)
    }

    #[test]
    fn tells_powers_of_two_and_the_end() {
        let (mut outside, counts) = told([Some(0.5); 100]);
        assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64]);
        assert!(matches!(outside.untold(), Some(EventKind::OutsideWrite { count: 100, .. })));
        assert_eq!(outside.untold(), None);
    }

    #[test]
    fn tells_the_long_one_among_many() {
        let long = |count: u64| Some(if count == 37 { 3.0 } else { 0.5 });
        assert_eq!(told((1..=60).map(long)).1, [1, 2, 4, 8, 16, 32, 37]);
        let unknown = |count: u64| (count == 37).then_some(1e-9);
        assert_eq!(told((1..=60).map(unknown)).1, [1, 2, 4, 8, 16, 32, 37]);
        // Lengths that double without end are told once in two changes, so to speak: each is four
        // times the one before.
        assert_eq!(told((0..9).map(|power| Some(2f64.powi(power)))).1, [1, 2, 4, 7, 8]);
        assert_eq!(told([Some(f64::NAN); 9]).1, [1, 2, 4, 8]);
    }

    #[test]
    fn a_device_is_waited_for_now_and_then_only() {
        let reads: Vec<u64> = (0..300)
            .filter(|&count| OutsideWrites { count, ..Default::default() }.reads_device())
            .collect();
        assert_eq!(reads, (0..64).chain([127, 255]).collect::<Vec<_>>());
    }
}
