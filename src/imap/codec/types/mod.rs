//! The values of the protocol. A value that exists is valid: what the grammar forbids cannot be
//! built, so that nobody behind the decoder has to check it again.

mod command;
mod mailbox;
mod message;
mod notify;
mod reply;
mod search;

use std::fmt;

pub use crate::base::secret::Secret;
use crate::base::uidset::UidSet;

pub use command::*;
pub use mailbox::*;
pub use message::*;
pub use notify::*;
pub use reply::*;
pub use search::*;

/// A command's tag (RFC 9051 §2.2.1): ASTRING-CHARs without `+`, at most 100 of them here.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// The tag, if these bytes are one.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let valid = !bytes.is_empty()
            && bytes.len() <= 100
            && bytes.iter().all(|&b| is_astring_char(b) && b != b'+');
        let text = std::str::from_utf8(bytes).ok().filter(|_| valid)?;
        Some(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether numbers are message sequence numbers or UIDs, i.e. whether `UID` stood before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Seq,
    Uid,
}

/// What a command is about: numbers and their kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageSet {
    pub by: By,
    pub set: SequenceSet,
}

/// `sequence-set` (RFC 9051 §9), `$` included (§2.1, RFC 5182).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SequenceSet {
    /// `$`: the result saved by the last SEARCH.
    Saved,
    Numbers(Numbers),
}

impl SequenceSet {
    /// The plain set, for a client-given set that may not hold `*` or `$` (`known-uids`).
    pub fn of(set: UidSet) -> Self {
        Self::Numbers(Numbers { fixed: set, tail: None })
    }
}

/// Numbers with or without `*`. Nothing in it is zero.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Numbers {
    fixed: UidSet,
    /// The smallest `n` of all ranges `n:*`. A lone `*` is the largest number there is to `*`.
    tail: Option<u32>,
}

impl Numbers {
    /// `fixed` plus everything from `tail` to `*`.
    pub(super) fn new(fixed: UidSet, tail: Option<u32>) -> Self {
        Self { fixed, tail }
    }

    /// The numbers, where the largest in use is `max`; 0 when there is none.
    ///
    /// `559:*` names the largest one even if that is below 559 (RFC 9051 §6.4.9).
    pub fn resolve(&self, max: u32) -> UidSet {
        let mut set = self.fixed.clone();
        if let (Some(tail), 1..) = (self.tail, max) {
            set.insert_range(tail.min(max), max);
        }
        set
    }

    /// The same for message numbers, none of which may be above `count`.
    pub fn resolve_strictly(&self, count: u32) -> Option<UidSet> {
        let beyond = self.fixed.last().is_some_and(|last| last > count)
            || self.tail.is_some_and(|tail| count == 0 || (tail != u32::MAX && tail > count));
        (!beyond).then(|| self.resolve(count))
    }

    /// The set, if there is no `*` in it.
    pub fn without_star(&self) -> Option<&UidSet> {
        self.tail.is_none().then_some(&self.fixed)
    }
}

/// ATOM-CHAR (RFC 9051 §9).
pub const fn is_atom_char(b: u8) -> bool {
    matches!(b, 0x21..=0x7e) && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// ASTRING-CHAR: an atom's or `]`.
pub const fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}
