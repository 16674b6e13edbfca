//! What the data means: accounts, addresses, mailboxes, messages. Each rule once, no `async`:
//! functions on a snapshot or a transaction, which every front calls.

pub mod account;
pub mod always_moved;
pub mod auth;
pub mod calendar;
pub mod collection;
pub mod contact;
pub mod declined;
pub mod device;
pub mod directory;
mod error;
pub mod invitation;
pub mod item;
pub mod mailbox;
pub mod message;
pub mod out_of_office;
pub mod outbox;
pub mod people;
pub mod policy;
pub mod quota;
pub mod recipients;
pub mod scheduling;
pub mod search;
pub mod server;
pub mod thread;

pub use error::{Error, Result};

#[cfg(test)]
mod tests;
