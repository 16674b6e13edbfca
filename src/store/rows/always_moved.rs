//! Conversations of an account whose messages do not stay in the inbox.

use bytes::Bytes;

use crate::base::id::ThreadId;
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// Conversations and the mailboxes that their messages go to, the latest decision last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AlwaysMoved {
    /// Conversation and number of the mailbox.
    pub all: Vec<(ThreadId, u32)>,
}

impl AlwaysMoved {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u64(self.all.len() as u64);
        for (thread, mailbox) in &self.all {
            out.u64(thread.0).u32(*mailbox);
        }
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "conversations that are moved", Self::VERSION)?;
        let one = |row: &mut Reader<'_>| Ok((ThreadId(row.u64()?), row.u32()?));
        Ok(Self { all: (0..row.u64()?).map(|_| one(&mut row)).collect::<Result<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_the_round_trip() {
        let row = AlwaysMoved { all: vec![(ThreadId(7), 1), (ThreadId(u64::MAX), u32::MAX)] };
        assert_eq!(AlwaysMoved::decode(&row.encode()).unwrap(), row);
        assert!(AlwaysMoved::decode(&row.encode()[..5]).is_err());
    }
}
