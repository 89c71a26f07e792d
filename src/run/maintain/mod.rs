//! What is done to a run at rest: checked, mended, merged, taken up again.

pub(crate) mod passed_over;
pub(crate) mod replace;
pub(crate) mod tail;

pub(crate) mod check;
pub(crate) mod recovery;

pub(crate) mod compact;
pub(crate) mod resume;
