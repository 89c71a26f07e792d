//! Runs whose files are changed at random: no panic, no unbounded memory. Every request for memory
//! of this program is looked at.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/counting_allocator.rs"]
mod counting_allocator;
#[path = "../common/damage.rs"]
mod damage;
mod forged;
#[path = "../common/forgery.rs"]
mod forgery;
mod mutated;
#[path = "../common/mutation.rs"]
mod mutation;
