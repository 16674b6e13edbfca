//! The row of an item in a collection; its standard text lies beside it.
//!
//! Texts are rows and not bodies: they are small, an edit reads the text in the transaction that
//! changes it, and the journal syncs both alike.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{MessageId, ModSeq, Uid};
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// Octets of text in one row: well below the engine's limit for values.
pub const PART: usize = 64 * 1024;

/// An item in its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub uid: Uid,
    /// Kept for life, also across moves.
    pub id: MessageId,
    /// The last change of the text in any way.
    pub modseq: ModSeq,
    /// The last change that a client could see: a calendar that is imported again every hour
    /// with new time stamps must not look changed.
    pub shown: ModSeq,
    /// Hash of what a client can see.
    pub look: u64,
    /// Hash of the UID that stands in the text ([`crate::store::keys::Kind::ItemKey`]).
    pub key: u64,
    /// Extent in time, for windows: what lies between is asked for.
    pub from: UnixTime,
    pub until: UnixTime,
    /// Octets of the text.
    pub size: u64,
    /// When it came into this collection.
    pub saved: UnixTime,
}

/// An item about to get a place, or a new text for one that has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewItem {
    pub key: u64,
    pub look: u64,
    pub from: UnixTime,
    pub until: UnixTime,
    pub text: Bytes,
}

impl Item {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u64(self.id.0).u64(self.modseq.0).u64(self.shown.0).fixed(self.look).fixed(self.key);
        out.i64(self.from).i64(self.until).u64(self.size).i64(self.saved).done()
    }

    pub fn decode(uid: Uid, value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "item", Self::VERSION)?;
        Ok(Self {
            uid,
            id: MessageId(row.u64()?),
            modseq: ModSeq(row.u64()?),
            shown: ModSeq(row.u64()?),
            look: row.fixed()?,
            key: row.fixed()?,
            from: row.i64()?,
            until: row.i64()?,
            size: row.u64()?,
            saved: row.i64()?,
        })
    }
}
