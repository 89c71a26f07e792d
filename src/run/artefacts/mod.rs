//! What a run's folder has besides rows and events: reference points, bases and what was measured
//! of them, whole displacements, landscapes.

pub(crate) mod curvature_summary;
pub(crate) mod landscape;
pub(crate) mod reference;

pub(crate) mod eigenvectors;
pub(crate) mod joined;

pub(crate) mod curvature;
pub(crate) mod deltas;
pub(crate) mod eigenvectors_file;

pub(crate) mod delta_writer;
