//! The directions that positions and velocities are along.

use crate::theory::update_rule::UpdateRule;

/// Which directions are in force, and what is asked of the next.
pub(super) struct Directions {
    /// How many a run has: its rows have columns for so many.
    pub count: usize,
    /// Parameters that the run began with; of those that joined later, directions may have no part.
    pub first_parameters: usize,
    /// Those in force.
    pub basis: Option<u64>,
    /// The number of the next.
    pub next: u64,
    /// Whether the vectors are to be kept in the run folder.
    pub keep_vectors: bool,
    /// Memory for a block of displacements.
    pub memory_bytes: usize,
    /// The optimizer's rule, where its limit of stability is known.
    pub rule: Option<UpdateRule>,
    /// Whether the latest eigenvalues were above that limit.
    pub unstable: bool,
    /// Estimates that have failed since the last one that did not.
    pub failures: u64,
}
