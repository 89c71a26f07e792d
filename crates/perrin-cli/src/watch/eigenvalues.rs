//! The eigenvalues of a run's newest estimate.

use perrin::run::{CurvatureRow, Run};

/// Eigenvalues as far as they are known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Eigenvalues {
    /// Estimates there are.
    estimates: u64,
    /// The newest.
    pub rows: Vec<CurvatureRow>,
    /// Why it could not be read.
    pub problem: Option<String>,
}

impl Eigenvalues {
    /// Looks for a newer estimate and reads it. `anew`: also where there is none, since steps may
    /// have been discarded.
    pub fn refresh(&mut self, run: &Run, anew: bool) {
        let read = || {
            let estimates = run.bases()?.end;
            if estimates == self.estimates && !anew {
                return Ok(None);
            }
            let newest = run.kept_bases()?.last().copied();
            let rows = newest.map_or(Ok(Vec::new()), |newest| run.estimate(newest))?;
            Ok(Some(Eigenvalues { estimates, rows, problem: None }))
        };
        match read() {
            Ok(Some(newer)) => *self = newer,
            Ok(None) => self.problem = None,
            Err(error) => self.problem = Some(perrin::Error::to_string(&error)),
        }
    }
}
