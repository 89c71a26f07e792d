//! A run's folder: written, read, damaged, recovered, resumed, merged.

mod basis;
mod check;
#[path = "../common/mod.rs"]
mod common;
mod compact;
mod copy;
mod crash;
mod curvature_summary;
mod cut;
mod damage;
mod deltas;
mod exchanged;
mod faults;
#[path = "../common/faulty.rs"]
mod faulty;
mod fixture;
mod follow;
mod info_change;
mod landscape;
mod live;
mod planted;
mod portable;
#[path = "../common/recorded.rs"]
mod recorded;
mod resume;
mod roundtrip;
#[path = "../common/stopping.rs"]
mod stopping;
mod taken;
mod unlocked;
mod version_1;
