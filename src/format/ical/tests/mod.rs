//! iCalendar from well-behaved and from careless programs.

use super::*;

pub(crate) mod corpus;
mod events;
mod rules;
mod tree;
