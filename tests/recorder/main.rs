//! The channel, the worker, and what it keeps while the log cannot be written.

mod interrupted;
mod messages;
