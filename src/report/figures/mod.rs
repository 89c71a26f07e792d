//! The figures of a report, in order: each a function of what is known of a run, or a sentence why
//! there is none.

mod figure;

mod displacement;
mod eigenvalues;
mod exponent;
mod landscape;
mod noise;
mod phase;
mod plane;
mod sweep;
mod variances;

mod training;

mod all;

pub use all::of_run;
pub use figure::Figure;
pub use sweep::sweep;
