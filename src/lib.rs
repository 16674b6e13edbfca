//! Kontor: mail, contacts and calendar for a small office, in one process.
//!
//! The rooms in floor order; a module imports only from floors below its own
//! (`tests/floors.rs` checks it). `ARCHITECTURE.md` tells the way of a message through them.

// floor 0
pub mod base;
// floor 1: pure bytes <-> values, and sockets
pub mod format;
pub mod net;
// floor 2: the data, its change log and the search index
pub mod store;
// floor 3: what the data means; every rule once; no async
pub mod domain;
// floor 4: mail on its way, work for later, what the HTTP fronts share
pub mod delivery;
pub mod http;
pub mod jobs;
pub mod login;
// floor 5: the fronts
pub mod discover;
pub mod eas;
pub mod imap;
pub mod smtp;
pub mod webui;
// floor 6: the program
pub mod app;
