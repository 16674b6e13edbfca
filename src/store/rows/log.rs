//! A change log row: which items of a collection stand at one modseq.

use bytes::Bytes;

use crate::base::id::{MessageId, Uid};
use crate::base::uidset::UidSet;
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// Items that were last changed at the row's modseq, and items that went away at it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LogEntry {
    /// Items whose last change this is.
    pub changed: UidSet,
    /// Tombstones, ascending by UID, with the id that each message keeps for life.
    pub gone: Vec<(Uid, MessageId)>,
}

impl LogEntry {
    const VERSION: u8 = 1;
    /// Ranges and tombstones in one row at most: a row stays well below the engine's limit.
    pub const PART: usize = 2_000;

    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        let ranges = self.changed.ranges();
        out.u64(ranges.len() as u64);
        let mut last = 0;
        for &(a, b) in ranges {
            out.u32(a - last).u32(b - a);
            last = b;
        }
        out.u64(self.gone.len() as u64);
        let (mut last, mut last_id) = (0, 0u64);
        for &(uid, id) in &self.gone {
            out.u32(uid.0.wrapping_sub(last)).i64(id.0.wrapping_sub(last_id) as i64);
            (last, last_id) = (uid.0, id.0);
        }
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "log entry", Self::VERSION)?;
        let mut entry = Self::default();
        let mut last = 0u32;
        for _ in 0..row.u64()? {
            let a = last.wrapping_add(row.u32()?);
            last = a.wrapping_add(row.u32()?);
            entry.changed.insert_range(a, last);
        }
        let (mut last, mut last_id) = (0u32, 0u64);
        for _ in 0..row.u64()? {
            last = last.wrapping_add(row.u32()?);
            last_id = last_id.wrapping_add(row.i64()? as u64);
            entry.gone.push((Uid(last), MessageId(last_id)));
        }
        Ok(entry)
    }

    /// Splits into rows that each stay below [`Self::PART`].
    pub fn parts(self) -> Vec<LogEntry> {
        if self.changed.ranges().len() <= Self::PART && self.gone.len() <= Self::PART {
            return vec![self];
        }
        let mut parts: Vec<LogEntry> = Vec::new();
        for ranges in self.changed.ranges().chunks(Self::PART) {
            parts.push(LogEntry { changed: ranges.iter().copied().collect(), gone: Vec::new() });
        }
        for gone in self.gone.chunks(Self::PART) {
            parts.push(LogEntry { changed: UidSet::new(), gone: gone.to_vec() });
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_survive_the_round_trip(
            changed in proptest::collection::vec(1u32..10_000, 0..50),
            mut gone in proptest::collection::btree_map(1u32..10_000, any::<u64>(), 0..50),
        ) {
            gone.retain(|uid, _| !changed.contains(uid));
            let entry = LogEntry {
                changed: changed.into_iter().collect(),
                gone: gone.into_iter().map(|(uid, id)| (Uid(uid), MessageId(id))).collect(),
            };
            prop_assert_eq!(LogEntry::decode(&entry.encode()).unwrap(), entry);
        }
    }

    #[test]
    fn a_large_entry_is_split_and_nothing_is_lost() {
        let entry = LogEntry {
            changed: (0..10_000u32).map(|n| n * 2 + 1).collect(),
            gone: (0..9_000).map(|n| (Uid(n * 2 + 2), MessageId(n.into()))).collect(),
        };
        let parts = entry.clone().parts();
        assert!(parts.iter().all(|part| part.encode().len() < 80_000));
        let mut whole = LogEntry::default();
        for part in parts {
            whole.changed.union_with(&part.changed);
            whole.gone.extend(part.gone);
        }
        assert_eq!(whole, entry);
    }
}
