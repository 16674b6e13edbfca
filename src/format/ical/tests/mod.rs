//! iCalendar from well-behaved and from careless programs.

use super::*;

mod corpus;
mod tree;
