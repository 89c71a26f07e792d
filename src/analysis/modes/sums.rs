//! What the first reading keeps of one mode: sums that can be joined, since the window is chosen
//! only afterwards.

use super::epoch_regression::EpochSums;
use super::series::{Part, Transition};
use crate::stats::joint_sums::JointSums;

/// Places of a transition's quantities in [`ModeSums::transitions`].
pub(super) mod quantity {
    pub(crate) const POSITION: usize = 0;
    pub(crate) const VELOCITY: usize = 1;
    // From the position to the next one: 2.
    pub(crate) const NEXT_VELOCITY: usize = 3;
}

/// Sums over the rows of one mode that follow one another in the log.
#[derive(Debug, Clone)]
pub(super) struct ModeSums {
    /// Steps from a row to the next, where none is missing.
    pub(super) every: u64,
    /// Position and velocity of the rows that have both.
    pub(super) rows: JointSums<2>,
    /// Rows without.
    pub(super) left_out: u64,
    /// Stretches of rows without a gap.
    pub(super) stretches: u64,
    /// Rows of the first, the longest and the last of them.
    pub(super) first_stretch: u64,
    pub(super) longest_stretch: u64,
    last_stretch: u64,
    /// Over transitions between rows without a gap: see [`quantity`].
    pub(super) transitions: JointSums<4>,
    /// The first position from which there is a transition.
    pub(super) first_position: Option<f64>,
    /// Sums within epochs, where the steps of one and the momentum are known.
    pub(super) epochs: Option<EpochSums>,
    /// The transition to the first row, and the step of the row before it, which belongs to the
    /// rows before.
    entrance: Option<(u64, Transition)>,
    changes: Vec<f64>,
}

impl ModeSums {
    /// No rows yet, of every so many steps.
    pub(super) fn new(every: u64, steps_per_epoch: Option<u64>, momentum: Option<f64>) -> ModeSums {
        let epochs = steps_per_epoch.filter(|_| every == 1).zip(momentum);
        ModeSums {
            every,
            rows: JointSums::default(),
            left_out: 0,
            stretches: 0,
            first_stretch: 0,
            longest_stretch: 0,
            last_stretch: 0,
            transitions: JointSums::default(),
            first_position: None,
            epochs: epochs.and_then(|(steps, momentum)| EpochSums::new(steps, momentum)),
            entrance: None,
            changes: Vec::new(),
        }
    }

    /// Takes the next rows.
    pub(super) fn add(&mut self, part: &Part) {
        let begun;
        let part = if part.continues && self.stretches == 0 {
            self.entrance = part.transitions().next().map(|first| (part.first_step, first));
            match part.begun_anew(self.every) {
                Some(anew) => begun = anew,
                None => return,
            }
            &begun
        } else {
            part
        };
        let new = part.new_rows();
        self.rows.add(new);
        self.add_stretch(part.continues, new[0].len() as u64);
        if part.count_transitions() == 0 {
            return;
        }
        let [positions, velocities, next_positions, next_velocities] = part.columns();
        self.first_position.get_or_insert(positions[0]);
        self.changes.clear();
        self.changes
            .extend(next_positions.iter().zip(positions).map(|(next, position)| next - position));
        self.transitions.add([positions, velocities, &self.changes, next_velocities]);
        if let Some(epochs) = &mut self.epochs {
            epochs.add(part.first_step, positions, velocities, next_velocities);
        }
    }

    /// Takes the sums over the rows that follow.
    pub(super) fn join(&mut self, next: &ModeSums) {
        self.left_out += next.left_out;
        if next.stretches == 0 {
            return;
        }
        let entrance = next.entrance.filter(|_| self.stretches > 0);
        if self.stretches == 0 {
            self.entrance = next.entrance;
        }
        if let Some((step, transition)) = entrance {
            let Transition { position, velocity, next_position, next_velocity } = transition;
            self.transitions.push([position, velocity, next_position - position, next_velocity]);
            self.first_position.get_or_insert(position);
            if let Some(epochs) = &mut self.epochs {
                epochs.add(step, &[position], &[velocity], &[next_velocity]);
            }
        }
        self.rows.join(&next.rows);
        self.transitions.join(&next.transitions);
        self.first_position = self.first_position.or(next.first_position);
        if let Some((epochs, next)) = self.epochs.as_mut().zip(next.epochs.as_ref()) {
            epochs.join(next);
        }
        self.add_stretch(entrance.is_some(), next.first_stretch);
        if next.stretches > 1 {
            self.stretches += next.stretches - 1;
            self.last_stretch = next.last_stretch;
        }
        self.longest_stretch = self.longest_stretch.max(next.longest_stretch);
    }

    /// Counts rows of one stretch, which continue the last one or not.
    fn add_stretch(&mut self, continues: bool, rows: u64) {
        self.last_stretch = if continues { self.last_stretch + rows } else { rows };
        self.stretches += u64::from(!continues);
        if self.stretches == 1 {
            self.first_stretch = self.last_stretch;
        }
        self.longest_stretch = self.longest_stretch.max(self.last_stretch);
    }

    /// Transitions between rows without a gap.
    pub(super) fn count_transitions(&self) -> usize {
        self.transitions.count as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::ModeSeries;
    use super::*;

    /// Rows with gaps and holes.
    fn series() -> ModeSeries {
        let mut series = ModeSeries::default();
        for step in (1..=200_u64).filter(|step| ![40, 41, 97].contains(step)) {
            let position = (0.3 * step as f64).sin() + 2.0;
            series.push(step, (step != 150).then_some(position), Some((0.7 * step as f64).cos()));
        }
        series
    }

    fn sums(series: &ModeSeries, rows: usize) -> ModeSums {
        let mut sums = ModeSums::new(1, Some(7), Some(0.5));
        let left_out = series.for_each_part(rows, |part| sums.add(part));
        sums.left_out = left_out;
        sums
    }

    #[test]
    fn pieces_joined_are_the_whole_wherever_they_are_cut() {
        let whole = series();
        let expected = sums(&whole, 1000);
        assert_eq!(
            (expected.stretches, expected.first_stretch, expected.longest_stretch),
            (4, 39, 55)
        );
        assert_eq!(
            (expected.left_out, expected.rows.count, expected.count_transitions()),
            (1, 196.0, 192)
        );
        for cut in [1, 38, 39, 40, 60, 146, 147, 148, 196] {
            let mut splitter = super::super::series::Splitter::new(1);
            let [mut first, mut second] = [0; 2].map(|_| ModeSums::new(1, Some(7), Some(0.5)));
            let columns = [&whole.positions, &whole.velocities];
            let [x, v] = columns.map(|column| column.split_at(cut));
            let (before, after) = whole.steps.split_at(cut);
            first.left_out = splitter.split(before, x.0, v.0, |part| first.add(part));
            second.left_out = splitter.split(after, x.1, v.1, |part| second.add(part));
            first.join(&second);
            let numbers = |sums: &ModeSums| {
                (sums.stretches, sums.first_stretch, sums.longest_stretch, sums.left_out)
            };
            assert_eq!(numbers(&first), numbers(&expected), "cut at {cut}");
            assert_eq!(first.first_position, expected.first_position);
            assert_eq!(first.count_transitions(), 192);
            let same = |a: f64, b: f64| (a - b).abs() < 1e-12 * b.abs().max(1.0);
            for i in 0..4 {
                assert!(same(first.transitions.means[i], expected.transitions.means[i]));
                assert!((0..4).all(|j| same(
                    first.transitions.products[i][j],
                    expected.transitions.products[i][j]
                )));
            }
            let [of_pieces, of_all] =
                [&first, &expected].map(|sums| sums.epochs.as_ref().unwrap().whole());
            assert_eq!(of_pieces.epochs, of_all.epochs);
            assert!(same(of_pieces.within.products[0][1], of_all.within.products[0][1]));
            assert!(same(of_pieces.between.products[1][1], of_all.between.products[1][1]));
        }
    }
}
