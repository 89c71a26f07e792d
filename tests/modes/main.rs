//! `ModesFit` on logs: truth known, awkward, and against scipy.

mod awkward;
mod reference;
mod support;
mod truth;
