//! Newtypes for every identifier and sequence, so that mixing two does not compile.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// An account of this server. Never given twice, also not after a removal.
    AccountId(u32)
}
number! {
    /// The modification sequence of an account: strictly increasing, one step a transaction
    /// that changes anything which a client can sync (RFC 7162 §3).
    ModSeq(u64)
}
number! {
    /// The place of an item in its collection; IMAP's UID (RFC 9051 §2.3.1.1). Starts at 1.
    Uid(u32)
}
number! {
    /// A message's id within its account, kept for life, also across moves (RFC 8474 EMAILID).
    MessageId(u64)
}
number! {
    /// A conversation within its account (RFC 8474 THREADID).
    ThreadId(u64)
}
number! {
    /// The immutable part of a message (cold record and body), shared by copies and recipients;
    /// server-wide and increasing.
    ContentId(u64)
}
number! {
    /// A keyword in the account's keyword table (`store::rows::flags`).
    KeywordId(u16)
}

impl AccountId {
    /// What belongs to the office and to no person: its address book. Accounts count from 1.
    pub const OFFICE: AccountId = AccountId(0);
}

/// A collection of an account: a mailbox now, calendars and address books later.
/// Carries its owner, so that it names the collection fully.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MailboxId {
    /// The owner.
    pub account: AccountId,
    /// Unique within the account, never reused. 0 is the account's own hierarchy in the log.
    pub number: u32,
}

impl MailboxId {
    pub const fn new(account: AccountId, number: u32) -> Self {
        Self { account, number }
    }
}
