//! A [`Prediction`] as a table for people.

use std::fmt;

use super::prediction::Prediction;

impl fmt::Display for Prediction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Stationary state (exact = SGD in discrete time)")?;
        writeln!(
            out,
            "{:>5} {:>12} {:>10} | {:>12} {:>12} | {:>12} {:>12} | {:>12}",
            "mode", "eigenvalue", "zeta", "Var x", "exact", "Var v", "exact", "E delta^2"
        )?;
        for (index, mode) in self.modes.iter().enumerate() {
            let (langevin, exact) =
                (mode.langevin.stationary_covariance, mode.exact_discrete.stationary_covariance);
            writeln!(
                out,
                "{:>5} {:>12.5e} {:>10.4} | {:>12.5e} {:>12.5e} | {:>12.5e} {:>12.5e} | {:>12.5e}",
                index + 1,
                mode.eigenvalue,
                mode.damping_ratio,
                langevin[0][0],
                exact[0][0],
                langevin[1][1],
                exact[1][1],
                mode.exact_discrete.local_displacement
            )?;
        }
        let (langevin, exact) = (&self.totals.langevin, &self.totals.exact_discrete);
        writeln!(
            out,
            "{:>5} {:>12.5e} {:>10} | {:>12.5e} {:>12.5e} | {:>12.5e} {:>12.5e} | {:>12.5e}",
            "total",
            self.totals.hessian_trace,
            "",
            langevin.position_variance,
            exact.position_variance,
            langevin.velocity_variance,
            exact.velocity_variance,
            exact.local_displacement
        )?;
        writeln!(out, "\nE||Delta||^2 from a point of the stationary state, all modes")?;
        writeln!(out, "{:>12} {:>14} {:>14}", "steps", "Langevin", "exact")?;
        for (index, steps) in self.steps.iter().enumerate() {
            let displacements =
                (langevin.mean_squared_displacement[index], exact.mean_squared_displacement[index]);
            writeln!(out, "{:>12} {:>14.6e} {:>14.6e}", steps, displacements.0, displacements.1)?;
        }
        Ok(())
    }
}
