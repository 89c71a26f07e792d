mod low;

mod room;

#[cfg(feature = "torch")]
mod high;
mod higher;
