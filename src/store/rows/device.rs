//! A phone's row.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// A device of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Names it in keys; never given twice.
    pub number: u32,
    /// As it calls itself (`DeviceId`).
    pub id: String,
    /// As it calls its kind (`DeviceType`).
    pub kind: String,
    pub user_agent: String,
    /// The protocol version it spoke last.
    pub version: String,
    pub first_seen: UnixTime,
    pub last_seen: UnixTime,
}

impl Device {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(self.number).str(&self.id).str(&self.kind).str(&self.user_agent);
        out.str(&self.version).i64(self.first_seen).i64(self.last_seen).done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "device", Self::VERSION)?;
        Ok(Self {
            number: row.u32()?,
            id: row.str()?,
            kind: row.str()?,
            user_agent: row.str()?,
            version: row.str()?,
            first_seen: row.i64()?,
            last_seen: row.i64()?,
        })
    }
}
