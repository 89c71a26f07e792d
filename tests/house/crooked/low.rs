// use crate::room::door; not code
use crate::{high::{self, Thing as Other}};
