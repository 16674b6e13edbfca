//! The rows' values: what is kept under each key of [`crate::store::keys`], and its encoding.

pub mod account;
pub mod codec;
pub mod flags;
pub mod log;
pub mod mailbox;
pub mod message;
pub mod queue;
pub mod work;
