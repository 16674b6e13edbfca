//! The mailbox row: its name, its sequences and its counters.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{MailboxId, ModSeq, Uid};
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// The special uses of RFC 6154 §2 that an account's mailboxes may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum SpecialUse {
    Archive = 1,
    Drafts = 2,
    Junk = 3,
    Sent = 4,
    Trash = 5,
    Flagged = 6,
    All = 7,
    Important = 8,
}

impl SpecialUse {
    pub const ALL: [SpecialUse; 8] = [
        Self::Archive,
        Self::Drafts,
        Self::Junk,
        Self::Sent,
        Self::Trash,
        Self::Flagged,
        Self::All,
        Self::Important,
    ];

    /// As IMAP writes it, with the backslash.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
            Self::Flagged => "\\Flagged",
            Self::All => "\\All",
            Self::Important => "\\Important",
        }
    }

    /// Any letter case, with the backslash.
    pub fn parse(attribute: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.attribute().eq_ignore_ascii_case(attribute))
    }
}

/// A mailbox. The counters are kept by the transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox {
    pub id: MailboxId,
    /// UTF-8, levels separated by `/`; the inbox is `INBOX`.
    pub name: String,
    pub special_use: Option<SpecialUse>,
    pub uid_validity: u32,
    pub uid_next: Uid,
    /// The last modseq that changed a message here (RFC 7162 HIGHESTMODSEQ).
    pub modseq: ModSeq,
    /// The last modseq that changed the mailbox itself: its entry in the hierarchy's log.
    pub listed: ModSeq,
    pub messages: u32,
    /// Messages without \Seen.
    pub unseen: u32,
    /// Messages with \Deleted.
    pub deleted: u32,
    /// Sum of RFC822.SIZE.
    pub bytes: u64,
    pub created: UnixTime,
}

impl Mailbox {
    const VERSION: u8 = 1;
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.str(&self.name).u32(self.special_use.map_or(0, |u| u as u8 as u32));
        out.u32(self.uid_validity).u32(self.uid_next.0).u64(self.modseq.0).u64(self.listed.0);
        out.u32(self.messages).u32(self.unseen).u32(self.deleted);
        out.u64(self.bytes).i64(self.created).done()
    }
    pub fn decode(id: MailboxId, value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "mailbox", Self::VERSION)?;
        Ok(Self {
            id,
            name: row.str()?,
            special_use: {
                let number = row.u32()?;
                SpecialUse::ALL.into_iter().find(|each| *each as u8 as u32 == number)
            },
            uid_validity: row.u32()?,
            uid_next: Uid(row.u32()?),
            modseq: ModSeq(row.u64()?),
            listed: ModSeq(row.u64()?),
            messages: row.u32()?,
            unseen: row.u32()?,
            deleted: row.u32()?,
            bytes: row.u64()?,
            created: row.i64()?,
        })
    }
}
