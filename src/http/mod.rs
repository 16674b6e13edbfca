//! What the HTTP fronts share: the server below them, its limits, and what an operator reads
//! (`/healthz`, `/metrics`).
//!
//! The fronts give routes; the program puts them together. Log-ins by HTTP Basic are read and
//! checked in one place, [`basic`].

mod any_case;
pub mod basic;
mod ops;
mod server;

pub use ops::{Health, routes};
pub use server::{Encrypted, Server};
