//! `ModesFit` on logs: truth known, awkward, and against scipy.

mod awkward;
mod epochs;
mod reference;
mod support;
mod truth;
