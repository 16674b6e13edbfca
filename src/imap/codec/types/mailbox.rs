//! Names of mailboxes, and what LIST and STATUS ask about them.

use std::fmt;

pub use crate::store::rows::mailbox::SpecialUse;

use super::*;

/// The one hierarchy delimiter.
pub const DELIMITER: char = '/';

/// The longest mailbox name, in bytes of UTF-8.
pub const MAILBOX_NAME_MAX: usize = 1000;

/// A mailbox's full name as Unicode text, `/` between its levels.
///
/// Its first level is `INBOX` in capitals if it is that in any case (RFC 9051 §5.1). No level is
/// empty and no control character is in it; a last `/`, by which clients announce that a
/// mailbox is to have children (§6.3.4), is taken off.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Box<str>);

impl MailboxName {
    /// The name, if it can be one.
    pub fn new(name: &str) -> Option<Self> {
        let name = name.strip_suffix(DELIMITER).unwrap_or(name);
        let valid = name.len() <= MAILBOX_NAME_MAX
            && name.split(DELIMITER).all(|level| !level.is_empty())
            // RFC 6855 §3 and RFC 5198 §2 forbid the controls and both Unicode line ends.
            && !name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
        valid.then(|| Self(capital_inbox(name).into()))
    }

    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its levels from the top.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(DELIMITER)
    }

    /// The mailbox above it.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once(DELIMITER).map(|(parent, _)| Self(parent.into()))
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True if the first level of this name is INBOX in any case.
pub(crate) fn starts_with_inbox(name: &[u8]) -> bool {
    name.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"INBOX"))
        && matches!(name.get(5), None | Some(b'/'))
}

fn capital_inbox(name: &str) -> String {
    match name.get(5..) {
        Some(rest) if starts_with_inbox(name.as_bytes()) => format!("INBOX{rest}"),
        _ => name.to_owned(),
    }
}

/// LIST, LSUB or XLIST; they differ in the name of their answer and in attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListKind {
    List,
    /// RFC 3501 §6.3.9
    Lsub,
    /// Gmail's predecessor of SPECIAL-USE, which Outlook 2013 and 2016 use.
    Xlist,
}

/// LIST in its basic and extended forms (RFC 9051 §6.3.9, RFC 5258).
#[derive(Clone, PartialEq, Debug)]
pub struct ListArgs {
    pub kind: ListKind,
    /// Reference and pattern, joined and decoded. Empty for `LIST "" ""`, which asks for the
    /// delimiter only.
    pub patterns: Vec<ListPattern>,
    pub select: ListSelect,
    pub returns: ListReturn,
}

/// A name with `*` and `%` (RFC 9051 §6.3.9); [`crate::imap::codec::pattern`] matches it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ListPattern(Box<str>);

impl ListPattern {
    /// A pattern of Unicode text; its first level is made `INBOX` if it is that in any case.
    pub fn new(pattern: &str) -> Self {
        Self(capital_inbox(pattern).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// LIST's selection options (RFC 5258 §3.1, RFC 6154 §5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListSelect {
    pub subscribed: bool,
    /// There are no remote mailboxes, so this changes nothing.
    pub remote: bool,
    pub recursive_match: bool,
    pub special_use: bool,
}

/// LIST's return options (RFC 5258 §3.2, RFC 5819, RFC 6154, RFC 9590).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListReturn {
    pub subscribed: bool,
    pub children: bool,
    pub special_use: bool,
    pub status: Option<StatusItems>,
    pub metadata: Option<Vec<EntryName>>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct StatusArgs {
    pub mailbox: MailboxName,
    pub items: StatusItems,
}

/// A data item of STATUS (RFC 9051 §6.3.11, RFC 7162, RFC 7889, RFC 8474, RFC 9208 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    Size,
    HighestModSeq,
    AppendLimit,
    MailboxId,
    DeletedStorage,
}

impl StatusItem {
    /// In the order in which STATUS answers them.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Messages, "MESSAGES"),
        (Self::Recent, "RECENT"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Deleted, "DELETED"),
        (Self::Size, "SIZE"),
        (Self::HighestModSeq, "HIGHESTMODSEQ"),
        (Self::AppendLimit, "APPENDLIMIT"),
        (Self::MailboxId, "MAILBOXID"),
        (Self::DeletedStorage, "DELETED-STORAGE"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(item, _)| *item == self).map_or("", |(_, name)| name)
    }
}

/// A set of [`StatusItem`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusItems(u16);

impl StatusItems {
    pub fn insert(&mut self, item: StatusItem) {
        self.0 |= 1 << item as u16;
    }

    pub fn contains(self, item: StatusItem) -> bool {
        self.0 & (1 << item as u16) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = StatusItem> {
        StatusItem::ALL.into_iter().map(|(item, _)| item).filter(move |item| self.contains(*item))
    }
}

impl FromIterator<StatusItem> for StatusItems {
    fn from_iter<I: IntoIterator<Item = StatusItem>>(items: I) -> Self {
        let mut set = Self::default();
        items.into_iter().for_each(|item| set.insert(item));
        set
    }
}

impl fmt::Debug for StatusItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
