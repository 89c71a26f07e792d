use crate::low::*;
