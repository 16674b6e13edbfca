//! Little codecs of the index's files: varints, checked slices, checksums.

use std::io;

use twox_hash::XxHash3_64;

/// Why the index could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The medium failed.
    #[error("search index: {context}: {source}")]
    Io { context: &'static str, source: io::Error },
    /// Stored bytes do not match their checksum or form. The index can be built anew.
    #[error("search index: damaged {0}")]
    Damaged(&'static str),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Names what was being done when the medium failed.
pub(super) fn io(context: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { context, source }
}

pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// Appends `value`, seven bits a byte, low ones first.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the length and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads values off the front of a slice; fails instead of reading past the end.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// `what` is what an error calls damaged.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub fn damaged(&self) -> Error {
        Error::Damaged(self.what)
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.rest.split_first() else { break };
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged())
    }

    /// A varint that must fit a narrower type.
    #[inline]
    pub fn number<T: TryFrom<u64>>(&mut self) -> Result<T> {
        T::try_from(self.varint()?).map_err(|_| self.damaged())
    }

    pub fn fixed_u64(&mut self) -> Result<u64> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(head)
    }

    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.number()?;
        self.take(len)
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
