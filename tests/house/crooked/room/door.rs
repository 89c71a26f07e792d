use super::{Wall, window::Glass};
