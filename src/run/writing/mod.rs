//! Writing a run: rows into journals and segments, and everything else beside them.

pub(crate) mod place;

pub(crate) mod part;

pub(crate) mod parts;

pub(crate) mod writer;
