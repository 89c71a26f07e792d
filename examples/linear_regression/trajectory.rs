//! The way to the minimum, and eq. 5 laid over it.

use anyhow::Result;
use perrin::run::Run;
use perrin::theory::langevin::LangevinMode;

/// Position and velocity along one direction, from the first step on.
pub struct Trajectory {
    pub positions: Vec<f64>,
    pub velocities: Vec<f64>,
}

impl Trajectory {
    /// Reads direction `mode`, counted from 1.
    pub fn read(run: &Run, mode: usize) -> Result<Trajectory> {
        let names = [format!("position_{mode}"), format!("velocity_{mode}")];
        let mut trajectory = Trajectory { positions: Vec::new(), velocities: Vec::new() };
        run.for_each_row([&names[0], &names[1]], |[position, velocity]| {
            trajectory.positions.push(position.unwrap_or(f64::NAN));
            trajectory.velocities.push(velocity.unwrap_or(f64::NAN));
        })?;
        Ok(trajectory)
    }

    /// What eq. 5 has in its place: from rest at the reference point, where the minimum is `offset`
    /// away.
    pub fn expected(mode: &LangevinMode, offset: f64, steps: u64) -> Result<Trajectory> {
        let mut trajectory = Trajectory { positions: Vec::new(), velocities: Vec::new() };
        for step in 1..=steps {
            let [position, velocity] = mode.mean(-offset, 0.0, step)?;
            trajectory.positions.push(position + offset);
            trajectory.velocities.push(velocity);
        }
        Ok(trajectory)
    }

    /// R^2 of position and velocity: the part of their variation that `expected` explains.
    pub fn explained_by(&self, expected: &Trajectory) -> [f64; 2] {
        [
            r_squared(&self.positions, &expected.positions),
            r_squared(&self.velocities, &expected.velocities),
        ]
    }

    /// R^2 that this expectation leads to where the noise of `mode` comes on top: its variance
    /// after so many steps from a point (eq. 6) is what stays unexplained.
    pub fn explains_of_noisy(&self, mode: &LangevinMode) -> [f64; 2] {
        let noise = (1..=self.positions.len() as u64).map(|step| mode.covariance_from_point(step));
        let [position, velocity] =
            noise.fold([0.0; 2], |sum, [[x, _], [_, v]]| [sum[0] + x, sum[1] + v]);
        [(&self.positions, position), (&self.velocities, velocity)].map(|(values, noise)| {
            let signal = variation(values);
            signal / (signal + noise)
        })
    }
}

/// Sum of squared deviations from the mean.
fn variation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

fn r_squared(measured: &[f64], expected: &[f64]) -> f64 {
    let left: f64 =
        measured.iter().zip(expected).map(|(value, expected)| (value - expected).powi(2)).sum();
    1.0 - left / variation(measured)
}
