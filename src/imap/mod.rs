//! IMAP, the front for mail programs.

pub mod codec;
