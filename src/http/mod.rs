//! What the HTTP fronts share: the server below them, its limits, and what an operator reads
//! (`/healthz`, `/metrics`).
//!
//! The fronts give routes; the program puts them together. Authentication comes with the first
//! front that needs it.

mod ops;
mod server;

pub use ops::{Health, routes};
pub use server::Server;
