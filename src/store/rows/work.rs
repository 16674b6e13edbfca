//! Work for later: what stands under a due time.

use bytes::Bytes;

use crate::base::id::{AccountId, ContentId, MailboxId, ModSeq};
use crate::store::rows::codec::{Reader, Writer};
use crate::store::{Error, Result};

/// One piece of work; carried out by `jobs`, and again after a crash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Contents that no message shared when this was written: their rows and bytes may go.
    Reclaim(Vec<ContentId>),
    /// Once a day: note how far each account is, so that its tombstones can expire.
    Daily,
    /// The account's tombstones up to this modseq are old enough to be dropped.
    Expire { account: AccountId, modseq: ModSeq },
    /// A removed mailbox, whose messages are still to be removed.
    Drain(MailboxId),
}

impl Work {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        match self {
            Work::Reclaim(contents) => {
                out.u32(1).u64(contents.len() as u64);
                let mut last = 0;
                for content in contents {
                    out.i64(content.0.wrapping_sub(last) as i64);
                    last = content.0;
                }
            }
            Work::Daily => {
                out.u32(2);
            }
            Work::Expire { account, modseq } => {
                out.u32(3).u32(account.0).u64(modseq.0);
            }
            Work::Drain(mailbox) => {
                out.u32(4).u32(mailbox.account.0).u32(mailbox.number);
            }
        }
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "work", Self::VERSION)?;
        match row.u32()? {
            1 => {
                let (count, mut last) = (row.u64()?, 0u64);
                let mut contents = Vec::new();
                for _ in 0..count {
                    last = last.wrapping_add(row.i64()? as u64);
                    contents.push(ContentId(last));
                }
                Ok(Work::Reclaim(contents))
            }
            2 => Ok(Work::Daily),
            3 => Ok(Work::Expire { account: AccountId(row.u32()?), modseq: ModSeq(row.u64()?) }),
            4 => Ok(Work::Drain(MailboxId::new(AccountId(row.u32()?), row.u32()?))),
            other => Err(Error::Damaged(format!("work of unknown kind {other}"))),
        }
    }
}
