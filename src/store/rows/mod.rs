//! The rows' values: what is kept under each key of [`crate::store::keys`], and its encoding.

pub mod account;
pub mod always_moved;
pub mod answers;
pub mod codec;
pub mod collection;
pub mod declined;
pub mod device;
pub mod flags;
pub mod item;
pub mod log;
pub mod mailbox;
pub mod marks;
pub mod message;
pub mod out_of_office;
pub mod outbox;
pub mod policy;
pub mod queue;
pub mod sync;
pub mod work;
