//! Rows of a message: its place (unchanging), and its body with the number of sharers.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{ContentId, MailboxId, MessageId, ThreadId, Uid};
use crate::store::Result;
use crate::store::engine::BodyRef;
use crate::store::rows::codec::{Reader, Writer};

/// The part of a message's place that never changes; flags and modseq are in its page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub message: MessageId,
    pub content: ContentId,
    pub thread: ThreadId,
    /// RFC822.SIZE: octets as a client sees them, what delivery added included.
    pub size: u64,
    /// INTERNALDATE.
    pub internal_date: UnixTime,
    /// The zone in which that was told, in minutes east of Greenwich.
    pub zone: i16,
    /// The `Date` field in UTC; the internal date where there is none (RFC 5256 §2.2).
    pub sent: UnixTime,
    /// When the message came into this mailbox (RFC 8514 SAVEDATE).
    pub saved: UnixTime,
}

impl Place {
    /// 2 has the zone behind the rest.
    const VERSION: u8 = 2;
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u64(self.message.0).u64(self.content.0).u64(self.thread.0).u64(self.size);
        out.i64(self.internal_date).i64(self.sent - self.internal_date);
        out.i64(self.saved - self.internal_date).i64(self.zone.into()).done()
    }
    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, version) = Reader::new(value, "place", Self::VERSION)?;
        let message = MessageId(row.u64()?);
        let content = ContentId(row.u64()?);
        let thread = ThreadId(row.u64()?);
        let size = row.u64()?;
        let internal_date = row.i64()?;
        let sent = internal_date.wrapping_add(row.i64()?);
        let saved = internal_date.wrapping_add(row.i64()?);
        let zone = if version < 2 { 0 } else { row.i64()? as i16 };
        Ok(Self { message, content, thread, size, internal_date, zone, sent, saved })
    }
}

/// Where a message lies, found by its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Whereabouts {
    pub mailbox: MailboxId,
    pub uid: Uid,
}

impl Whereabouts {
    const VERSION: u8 = 1;
    pub fn encode(&self) -> Bytes {
        Writer::new(Self::VERSION).u32(self.mailbox.number).u32(self.uid.0).done()
    }
    pub fn decode(account: crate::base::id::AccountId, value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "whereabouts", Self::VERSION)?;
        let mailbox = MailboxId::new(account, row.u32()?);
        Ok(Self { mailbox, uid: Uid(row.u32()?) })
    }
}

/// Where a content's body lies, and how many messages of all accounts share it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Body {
    pub at: BodyRef,
    pub sharers: u32,
}

impl Body {
    const VERSION: u8 = 1;
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(self.at.segment).u64(self.at.offset).u64(self.at.len).fixed(self.at.checksum);
        out.u32(self.sharers).done()
    }
    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "body", Self::VERSION)?;
        let (segment, offset) = (row.u32()?, row.u64()?);
        let (len, checksum) = (row.u64()?, row.fixed()?);
        Ok(Self { at: BodyRef { segment, offset, len, checksum }, sharers: row.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_the_first_format_is_in_utc() {
        let place = Place {
            message: MessageId(7),
            content: ContentId(8),
            thread: ThreadId(9),
            size: 300,
            internal_date: 837_596_665,
            zone: -420,
            sent: 837_596_600,
            saved: 1_700_000_000,
        };
        let row = place.encode();
        assert_eq!(Place::decode(&row).unwrap(), place);
        let mut old = row[..row.len() - 2].to_vec();
        old[0] = 1;
        assert_eq!(Place::decode(&old).unwrap(), Place { zone: 0, ..place });
    }
}
