//! The modes as text for people, 80 columns.

use std::fmt::{self, Display, Formatter};

use super::{ModeFit, ModesFit};

impl Display for ModesFit {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        write!(text, "{}", self.modes.len())
    }
}
#[allow(dead_code)]
fn row(_: &ModeFit) {}
