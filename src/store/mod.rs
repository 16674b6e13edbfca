//! (to be written)

pub mod engine;
