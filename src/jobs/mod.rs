//! Workers driven by rows and by the change log: upkeep of the store, indexing.

pub mod index;
pub mod upkeep;
