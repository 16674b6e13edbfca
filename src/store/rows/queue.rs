//! Rows of mail that waits to be sent elsewhere.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, ContentId};
use crate::format::smtp::{Notify, OriginalRecipient, Ret};
use crate::store::rows::codec::{Reader, Writer};
use crate::store::{Error, Result};

/// A message on its way to some recipients elsewhere. It shares its body with the local
/// recipients' copies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueEntry {
    pub content: ContentId,
    /// Octets of the body and the prefix.
    pub size: u64,
    pub accepted: UnixTime,
    /// The id said to the client and in the log.
    pub id: String,
    /// Who submitted it; `None` for mail from elsewhere that is passed on.
    pub account: Option<AccountId>,
    /// The envelope sender; `None` is the null sender.
    pub sender: Option<String>,
    /// Header fields that go in front of the body on its way out.
    pub prefix: Bytes,
    pub smtputf8: bool,
    pub eight_bit: bool,
    pub ret: Option<Ret>,
    pub envid: Option<String>,
    pub recipients: Vec<QueueRecipient>,
}

/// One recipient and how the attempts went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueRecipient {
    /// The address in its wire form.
    pub address: String,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
    pub tries: u32,
    pub next_try: UnixTime,
    /// What the other side or the network said last; empty before the first try.
    pub last_answer: String,
    /// When it was last looked at; the acceptance before the first time.
    pub looked: UnixTime,
    /// Seconds that it had waited by then.
    pub waited: u64,
    /// The sender was told that it is delayed.
    pub told: bool,
}

impl QueueEntry {
    /// Version 2 tells of each recipient how long it has waited.
    const VERSION: u8 = 2;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u64(self.content.0).u64(self.size).i64(self.accepted).str(&self.id);
        out.option(self.account, |out, id| {
            out.u32(id.0);
        });
        out.option(self.sender.as_deref(), |out, sender| {
            out.str(sender);
        });
        out.bytes(&self.prefix).bool(self.smtputf8).bool(self.eight_bit);
        out.u32(match self.ret {
            None => 0,
            Some(Ret::Full) => 1,
            Some(Ret::Headers) => 2,
        });
        out.option(self.envid.as_deref(), |out, envid| {
            out.str(envid);
        });
        out.u64(self.recipients.len() as u64);
        self.recipients.iter().for_each(|recipient| recipient.write(&mut out));
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, version) = Reader::new(value, "queue entry", Self::VERSION)?;
        let (content, size, accepted) = (ContentId(row.u64()?), row.u64()?, row.i64()?);
        Ok(Self {
            content,
            size,
            accepted,
            id: row.str()?,
            account: row.option(|row| Ok(AccountId(row.u32()?)))?,
            sender: row.option(Reader::str)?,
            prefix: Bytes::copy_from_slice(row.bytes()?),
            smtputf8: row.bool()?,
            eight_bit: row.bool()?,
            ret: match row.u32()? {
                0 => None,
                1 => Some(Ret::Full),
                2 => Some(Ret::Headers),
                _ => return Err(Error::Damaged("queue entry: unknown RET".into())),
            },
            envid: row.option(Reader::str)?,
            recipients: {
                let count = row.u64()?;
                let read = |_| QueueRecipient::read(&mut row, version, accepted);
                (0..count).map(read).collect::<Result<_>>()?
            },
        })
    }
}

impl QueueRecipient {
    fn write(&self, out: &mut Writer) {
        out.str(&self.address);
        out.option(self.notify, |out, notify| {
            out.bool(notify.success).bool(notify.failure).bool(notify.delay);
        });
        out.option(self.orcpt.as_ref(), |out, orcpt| {
            out.str(&orcpt.kind).str(&orcpt.address);
        });
        out.u32(self.tries).i64(self.next_try).str(&self.last_answer);
        out.i64(self.looked).u64(self.waited).bool(self.told);
    }

    fn read(row: &mut Reader<'_>, version: u8, accepted: UnixTime) -> Result<Self> {
        let mut recipient = Self {
            address: row.str()?,
            notify: row.option(|row| {
                let (success, failure) = (row.bool()?, row.bool()?);
                Ok(Notify { success, failure, delay: row.bool()? })
            })?,
            orcpt: row.option(|row| {
                let kind = row.str()?;
                Ok(OriginalRecipient { kind, address: row.str()? })
            })?,
            tries: row.u32()?,
            next_try: row.i64()?,
            last_answer: row.str()?,
            looked: accepted,
            waited: 0,
            told: false,
        };
        if version >= 2 {
            recipient.looked = row.i64()?;
            (recipient.waited, recipient.told) = (row.u64()?, row.bool()?);
        }
        Ok(recipient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let recipient = QueueRecipient {
            address: "\"a b\"@x.org".into(),
            notify: Some(Notify { success: true, failure: false, delay: true }),
            orcpt: Some(OriginalRecipient { kind: "rfc822".into(), address: "c@x.org".into() }),
            tries: 3,
            next_try: 1_700_000_000,
            last_answer: "450 later".into(),
            looked: 1_600_000_000,
            waited: 900,
            told: true,
        };
        let plain = QueueRecipient { notify: None, orcpt: None, ..recipient.clone() };
        let entry = QueueEntry {
            content: ContentId(7),
            size: 1 << 40,
            accepted: -5,
            id: "abc".into(),
            account: Some(AccountId(9)),
            sender: Some("s@x.org".into()),
            prefix: Bytes::from_static(b"Received: x\r\n"),
            smtputf8: true,
            eight_bit: false,
            ret: Some(Ret::Headers),
            envid: None,
            recipients: vec![recipient, plain],
        };
        assert_eq!(QueueEntry::decode(&entry.encode()).unwrap(), entry);
        let bounce = QueueEntry { sender: None, account: None, ret: None, ..entry };
        assert_eq!(QueueEntry::decode(&bounce.encode()).unwrap(), bounce);
        let row = bounce.encode();
        for cut in 0..row.len() {
            assert!(QueueEntry::decode(row.get(..cut).unwrap()).is_err());
        }
    }

    #[test]
    fn an_entry_of_the_first_format_has_waited_since_it_was_accepted() {
        let row = b"\x01\x07\x02\xc8\x01\x01a\x00\x00\x00\x00\x00\x00\x00\x01\x05b@x.y\x00\x00\x03\xd2\x01\x00";
        let entry = QueueEntry::decode(row).unwrap();
        let recipient = &entry.recipients[0];
        assert_eq!((entry.accepted, recipient.tries, recipient.next_try), (100, 3, 105));
        assert_eq!((recipient.looked, recipient.waited, recipient.told), (100, 0, false));
    }
}
