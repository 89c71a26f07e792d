//! A room.
mod door;
mod window;
pub use door::open;
pub struct Wall;
