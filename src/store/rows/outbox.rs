//! Mail that was composed here in the transaction that made it necessary: invitations and their
//! answers, out-of-office answers. Delivery takes it from here, once.

use bytes::Bytes;

use crate::base::id::{AccountId, ContentId};
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// One message and some of its recipients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxEntry {
    /// In whose name it is sent.
    pub account: AccountId,
    pub content: ContentId,
    /// `None` is the null sender: whatever comes back is nobody's.
    pub sender: Option<String>,
    pub recipients: Vec<String>,
    /// Whether the account gets a copy among its sent mail.
    pub keep: bool,
}

impl OutboxEntry {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(self.account.0).u64(self.content.0);
        out.option(self.sender.as_deref(), |out, sender| {
            out.str(sender);
        });
        out.u64(self.recipients.len() as u64);
        for recipient in &self.recipients {
            out.str(recipient);
        }
        out.bool(self.keep).done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "outbox", Self::VERSION)?;
        Ok(Self {
            account: AccountId(row.u32()?),
            content: ContentId(row.u64()?),
            sender: row.option(Reader::str)?,
            recipients: (0..row.u64()?).map(|_| row.str()).collect::<Result<_>>()?,
            keep: row.bool()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_the_round_trip() {
        let entry = OutboxEntry {
            account: AccountId(7),
            content: ContentId(9),
            sender: Some("anna@office.example".into()),
            recipients: vec!["ben@x.example".into(), "\"c d\"@x.example".into()],
            keep: true,
        };
        assert_eq!(OutboxEntry::decode(&entry.encode()).unwrap(), entry);
        let null = OutboxEntry { sender: None, keep: false, ..entry };
        assert_eq!(OutboxEntry::decode(&null.encode()).unwrap(), null);
    }
}
