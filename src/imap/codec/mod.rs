//! IMAP's bytes and values: framing, decoding of commands, encoding of answers. Pure: no socket,
//! no store, no clock; what a command means is not decided here.
//!
//! Bytes go through [`frame::Framer`] (lines, literals and all limits), then through
//! [`decode::decode`] into a [`types::Request`]; answers are appended to a `Vec<u8>` by
//! [`encode`].

pub mod date;
pub mod decode;
pub mod encode;
pub mod frame;
pub mod pattern;
pub mod table;
pub mod types;
pub mod utf7;

#[cfg(test)]
mod tests;
