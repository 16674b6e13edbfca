//! The protocol log of one phone, for an hour: what it asked and what it was answered.
//!
//! Nothing is kept, and nothing is looked for, unless somebody has switched it on; the switch
//! stands in the device's row, which a request reads anyway.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::Result;
use crate::domain::device::{Device, LogSwitch, put, require};
use crate::store::keys::{self, Kind};
use crate::store::read::collect;
use crate::store::rows::codec::{Reader, Writer};
use crate::store::{Read, Tx};

/// How long it stays on.
pub const ON_SECS: i64 = 3600;
/// Entries that are kept of a device, and their octets: the last ones.
const ENTRIES: usize = 200;
const OCTETS: usize = 2 << 20;
/// Longest text of a request or an answer in an entry.
const TEXT_MAX: usize = 32 << 10;

/// One request with its answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    pub at: UnixTime,
    /// Command, version, and what the headers say.
    pub head: String,
    /// The documents as text.
    pub request: String,
    pub answer: String,
    pub micros: u64,
}

impl Entry {
    const VERSION: u8 = 1;

    fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.i64(self.at).str(&self.head).str(&self.request).str(&self.answer);
        out.u64(self.micros).done()
    }

    fn decode(value: &[u8]) -> crate::store::Result<Self> {
        let (mut row, _) = Reader::new(value, "device log", Self::VERSION)?;
        Ok(Self {
            at: row.i64()?,
            head: row.str()?,
            request: row.str()?,
            answer: row.str()?,
            micros: row.u64()?,
        })
    }
}

/// The switch, if it is on now.
pub fn is_on(device: &Device, now: UnixTime) -> Option<LogSwitch> {
    device.log.filter(|log| now < log.until)
}

/// Switches the log on for an hour from now.
pub fn switch_on(tx: &mut Tx<'_>, account: AccountId, id: &str, bodies: bool) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    device.log = Some(LogSwitch { until: tx.now() + ON_SECS, bodies });
    put(tx, account, &device);
    Ok(device)
}

/// Switches it off and drops what it holds.
pub fn switch_off(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    device.log = None;
    put(tx, account, &device);
    tx.delete_prefix(&keys::of_device(Kind::DeviceLog, account, device.number))?;
    Ok(device)
}

/// Adds an entry; the oldest ones go when it gets too long.
pub fn add(tx: &mut Tx<'_>, account: AccountId, number: u32, mut entry: Entry) -> Result<()> {
    for text in [&mut entry.head, &mut entry.request, &mut entry.answer] {
        if text.len() > TEXT_MAX {
            text.truncate(text.floor_char_boundary(TEXT_MAX));
            text.push_str("\n[cut]\n");
        }
    }
    let prefix = keys::of_device(Kind::DeviceLog, account, number);
    let kept = collect(tx, &prefix, |key, value| {
        Ok((keys::u64_at(key, 9).unwrap_or_default(), value.len()))
    })?;
    let next = kept.last().map_or(0, |(sequence, _)| sequence + 1);
    let value = entry.encode();
    let (mut count, mut octets) = (1, value.len());
    for (sequence, len) in kept.into_iter().rev() {
        count += 1;
        octets += len;
        if count > ENTRIES || octets > OCTETS {
            tx.delete(keys::device_log(account, number, sequence));
        }
    }
    tx.put(keys::device_log(account, number, next), value);
    Ok(())
}

/// What was logged, the oldest first.
pub fn entries(read: &impl Read, account: AccountId, number: u32) -> Result<Vec<Entry>> {
    let prefix = keys::of_device(Kind::DeviceLog, account, number);
    Ok(collect(read, &prefix, |_, value| Entry::decode(value))?)
}
