//! The compact encoding of row values: LEB128 numbers and length-prefixed bytes behind a
//! version byte.

use crate::store::{Error, Result};

/// Writes a row's value.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// Starts a value of this row version.
    pub fn new(version: u8) -> Self {
        let mut out = Vec::with_capacity(48);
        out.push(version);
        Self(out)
    }
    pub fn u64(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.u64(value.into())
    }
    /// Zigzag, so that small negative numbers stay short.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.u64(((value << 1) ^ (value >> 63)) as u64)
    }
    /// Eight bytes as they are, for numbers without a small side (checksums, hashes).
    pub fn fixed(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.0.push(value.into());
        self
    }
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u64(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
    pub fn str(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }
    /// An optional value: a presence byte, then the value as `write` puts it.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
        self
    }
    pub fn done(&mut self) -> bytes::Bytes {
        std::mem::take(&mut self.0).into()
    }
}

/// Reads a row's value; every failure is [`Error::Damaged`] with the row's name.
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Checks the version byte: rows of versions up to `newest` are read.
    pub fn new(value: &'a [u8], what: &'static str, newest: u8) -> Result<(Self, u8)> {
        match value.split_first() {
            Some((&version, rest)) if version <= newest => Ok((Self { rest, what }, version)),
            _ => Err(Error::Damaged(format!("{what}: unknown row version"))),
        }
    }
    fn short(&self) -> Error {
        Error::Damaged(format!("{}: row ends early", self.what))
    }
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    pub fn u64(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for (at, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(self.short())
    }
    pub fn u32(&mut self) -> Result<u32> {
        u32::try_from(self.u64()?).map_err(|_| self.short())
    }
    pub fn i64(&mut self) -> Result<i64> {
        let value = self.u64()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
    pub fn fixed(&mut self) -> Result<u64> {
        let (head, rest) = self.rest.split_first_chunk::<8>().ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }
    pub fn bool(&mut self) -> Result<bool> {
        let (&head, rest) = self.rest.split_first().ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(head != 0)
    }
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.u64()? as usize;
        if len > self.rest.len() {
            return Err(self.short());
        }
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(head)
    }
    pub fn str(&mut self) -> Result<String> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Error::Damaged(format!("{}: text is not UTF-8", self.what)))
    }
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u64, b: i64, c: Vec<u8>, d: Option<u32>, e: u64) {
            let mut writer = Writer::new(3);
            writer.u64(a).i64(b).bytes(&c).option(d, |w, v| { w.u32(v); }).fixed(e);
            let value = writer.done();
            let (mut reader, version) = Reader::new(&value, "test", 3).unwrap();
            prop_assert_eq!(version, 3);
            prop_assert_eq!(reader.u64().unwrap(), a);
            prop_assert_eq!(reader.i64().unwrap(), b);
            prop_assert_eq!(reader.bytes().unwrap(), &c[..]);
            prop_assert_eq!(reader.option(|r| r.u32()).unwrap(), d);
            prop_assert_eq!(reader.fixed().unwrap(), e);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn damaged_rows_are_errors_and_never_panics(bytes: Vec<u8>) {
            if let Ok((mut reader, _)) = Reader::new(&bytes, "test", 255) {
                let _ = reader.bytes();
                let _ = reader.u32();
                let _ = reader.fixed();
                let _ = reader.option(|r| r.str());
            }
        }
    }
}
