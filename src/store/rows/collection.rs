//! The row of a collection that is no mailbox: a calendar, an address book, tasks, notes.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{MailboxId, ModSeq, Uid};
use crate::store::rows::codec::{Reader, Writer};
use crate::store::{Error, Result};

/// What a collection holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum CollectionKind {
    /// iCalendar events.
    Calendar = 1,
    /// vCards.
    Contacts = 2,
    /// iCalendar to-dos.
    Tasks = 3,
    /// iCalendar journal entries.
    Notes = 4,
    /// vCards of people that mail was sent to.
    Recipients = 5,
}

impl CollectionKind {
    pub const ALL: [CollectionKind; 5] =
        [Self::Calendar, Self::Contacts, Self::Tasks, Self::Notes, Self::Recipients];
}

/// A collection of standard texts. The counters are kept by the transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Collection {
    pub id: MailboxId,
    pub kind: CollectionKind,
    /// As people see it; UTF-8, without levels.
    pub name: String,
    /// The account's own one of this kind, which cannot be removed.
    pub default: bool,
    pub uid_next: Uid,
    /// The last modseq that changed an item here.
    pub modseq: ModSeq,
    /// The last modseq that changed the collection itself: its entry in the hierarchy's log.
    pub listed: ModSeq,
    pub items: u32,
    /// Sum of the texts' octets.
    pub bytes: u64,
    pub created: UnixTime,
}

impl Collection {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(self.kind as u8 as u32).str(&self.name).bool(self.default);
        out.u32(self.uid_next.0).u64(self.modseq.0).u64(self.listed.0);
        out.u32(self.items).u64(self.bytes).i64(self.created).done()
    }

    pub fn decode(id: MailboxId, value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "collection", Self::VERSION)?;
        let number = row.u32()?;
        let kind = CollectionKind::ALL.into_iter().find(|kind| *kind as u8 as u32 == number);
        Ok(Self {
            id,
            kind: kind.ok_or_else(|| Error::Damaged("collection of unknown kind".into()))?,
            name: row.str()?,
            default: row.bool()?,
            uid_next: Uid(row.u32()?),
            modseq: ModSeq(row.u64()?),
            listed: ModSeq(row.u64()?),
            items: row.u32()?,
            bytes: row.u64()?,
            created: row.i64()?,
        })
    }
}
