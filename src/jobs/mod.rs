//! Workers driven by rows and by the change log: upkeep of the store, indexing.

mod conversations;
pub mod index;
pub mod upkeep;

#[cfg(test)]
mod tests;
