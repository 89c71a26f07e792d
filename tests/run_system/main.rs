//! A run on a system that fails it: kills, limits, links, mounts, permissions, folders that go.
//! These tests start processes, which hold a lock of their parent's for a moment; so they are by
//! themselves.

#[path = "../common/mod.rs"]
mod common;
mod failure;
mod kills;
mod links;
mod place;
#[path = "../common/recorded.rs"]
mod recorded;
#[path = "../common/stopping.rs"]
mod stopping;
mod system;
