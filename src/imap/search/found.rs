//! The messages that a search looks at, and those that it found.

use crate::base::id::ModSeq;
use crate::base::uidset::UidSet;
use crate::imap::codec::types::By;
use crate::imap::search::bits::Bits;
use crate::store::Message;
use crate::store::table::Table;

/// The messages of a session's view that still exist, in order, with their sequence numbers.
#[derive(Clone, Debug, Default)]
pub struct Rows<'a> {
    pub messages: Vec<&'a Message>,
    /// Of each message, ascending; none where the view shows just these messages.
    numbers: Option<Vec<u32>>,
}

impl<'a> Rows<'a> {
    /// Messages that the view does not show yet are left out, as are those that are gone.
    pub fn of(table: &'a Table, view: &[u32]) -> Self {
        // Mostly nothing has happened that the session has not told.
        if view.len() == table.len() && view == table.uids().as_slice() {
            return Self { messages: table.to_vec(), numbers: None };
        }
        let room = table.len().min(view.len());
        let (mut messages, mut numbers) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut view = (1..).zip(view).peekable();
        for message in table.iter() {
            while view.next_if(|(_, uid)| **uid < message.uid.0).is_some() {}
            if let Some((number, _)) = view.next_if(|(_, uid)| **uid == message.uid.0) {
                messages.push(message);
                numbers.push(number);
            }
        }
        Self { messages, numbers: Some(numbers) }
    }

    /// Whether these are all messages of the table.
    pub(super) fn are_whole(&self) -> bool {
        self.numbers.is_none()
    }

    fn number(&self, at: usize) -> Option<u32> {
        match &self.numbers {
            Some(numbers) => numbers.get(at).copied(),
            None => Some(at as u32 + 1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Places of the messages with these UIDs.
    pub(super) fn with_uids(&self, uids: &UidSet) -> Bits {
        let place = |limit: u32| self.messages.partition_point(|message| message.uid.0 < limit);
        self.in_ranges(uids, place)
    }

    /// Places of the messages with these sequence numbers.
    pub(super) fn with_numbers(&self, numbers: &UidSet) -> Bits {
        match &self.numbers {
            Some(own) => self.in_ranges(numbers, |limit| own.partition_point(|n| *n < limit)),
            None => self.in_ranges(numbers, |limit| limit.saturating_sub(1) as usize),
        }
    }

    fn in_ranges(&self, set: &UidSet, place: impl Fn(u32) -> usize) -> Bits {
        let mut bits = Bits::none(self.len());
        for &(from, to) in set.ranges() {
            let end = to.checked_add(1).map_or(self.len(), &place);
            bits.insert_range(place(from), end);
        }
        bits
    }
}

/// The result of a search.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    pub rows: Rows<'a>,
    pub(super) hits: Bits,
}

impl<'a> Found<'a> {
    /// The messages found, in order, with their sequence numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a Message)> + '_ {
        self.hits
            .iter()
            .filter_map(|at| Some((self.rows.number(at)?, *self.rows.messages.get(at)?)))
    }

    pub fn to_vec(&self) -> Vec<Hit> {
        let hit = |(seq, message): (u32, &Message)| Hit {
            seq,
            uid: message.uid.0,
            modseq: message.hot.modseq,
        };
        self.iter().map(hit).collect()
    }

    pub fn uids(&self) -> UidSet {
        self.iter().map(|(_, message)| message.uid).collect()
    }
}

/// A message that was found, to be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hit {
    pub seq: u32,
    pub uid: u32,
    pub modseq: ModSeq,
}

impl Hit {
    pub fn number(&self, by: By) -> u32 {
        match by {
            By::Seq => self.seq,
            By::Uid => self.uid,
        }
    }
}
