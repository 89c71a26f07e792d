//! The way to the minimum, and eq. 5 laid over it.

use anyhow::Result;
use perrin::log::Run;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;

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

    /// What theory has in its place, from rest at the reference point, where the minimum is `offset` away: eq. 5, or
    /// the same in discrete time.
    pub fn expected(
        parameters: &SgdParameters,
        eigenvalue: f64,
        offset: f64,
        steps: usize,
        discrete: bool,
    ) -> Result<Trajectory> {
        let langevin = LangevinMode::new(parameters, eigenvalue)?;
        let exact = DiscreteMode::new(parameters, eigenvalue)?;
        let mut trajectory = Trajectory { positions: Vec::new(), velocities: Vec::new() };
        for step in 1..=steps as u64 {
            let mean = if discrete { exact.mean(-offset, 0.0, step) } else { langevin.mean(-offset, 0.0, step) };
            let [position, velocity] = mean?;
            trajectory.positions.push(position + offset);
            trajectory.velocities.push(velocity);
        }
        Ok(trajectory)
    }

    /// R^2 of position and velocity: the part of their variation that `expected` explains.
    pub fn explained_by(&self, expected: &Trajectory) -> [f64; 2] {
        [r_squared(&self.positions, &expected.positions), r_squared(&self.velocities, &expected.velocities)]
    }
}

fn r_squared(measured: &[f64], expected: &[f64]) -> f64 {
    let mean = measured.iter().sum::<f64>() / measured.len() as f64;
    let total: f64 = measured.iter().map(|value| (value - mean).powi(2)).sum();
    let left: f64 = measured.iter().zip(expected).map(|(value, expected)| (value - expected).powi(2)).sum();
    1.0 - left / total
}
