//! Status responses (RFC 9051 §7.1): the end of a command, or a word in between.

use std::borrow::Cow;

use super::*;

/// A status response without its tag.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    pub status: Status,
    pub code: Option<Code>,
    pub text: Cow<'static, str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Ok,
    No,
    Bad,
    PreAuth,
    Bye,
}

impl Reply {
    pub fn new(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: None, text: text.into() }
    }

    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Ok, text)
    }

    pub fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::No, text)
    }

    pub fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Bad, text)
    }

    pub fn bye(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Bye, text)
    }

    /// The same with a response code.
    pub fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }
}

/// Response codes (RFC 9051 §7.1, RFC 5530 and the extensions named).
#[derive(Clone, PartialEq, Debug)]
pub enum Code {
    Alert,
    AlreadyExists,
    /// RFC 4315: UIDVALIDITY and the UIDs of the messages appended.
    AppendUid(u32, UidSet),
    AuthenticationFailed,
    AuthorizationFailed,
    /// The charsets that are understood.
    BadCharset(&'static [&'static str]),
    /// RFC 5465: the events that are understood.
    BadEvent(&'static [&'static str]),
    /// RFC 4469: the URL that could not be used.
    BadUrl(String),
    Cannot,
    /// A finished list of capabilities.
    Capability(Cow<'static, str>),
    ClientBug,
    Closed,
    /// RFC 4978
    CompressionActive,
    ContactAdmin,
    /// RFC 4315: UIDVALIDITY, the UIDs copied and those of the copies, in the same order.
    CopyUid(u32, UidSet, UidSet),
    Corruption,
    Expired,
    ExpungeIssued,
    HasChildren,
    /// RFC 7162
    HighestModSeq(u64),
    InUse,
    /// RFC 9585: the tag of the command that works, how far it is, and how far it goes.
    InProgress {
        tag: Tag,
        done: Option<u64>,
        goal: Option<u64>,
    },
    Limit,
    /// RFC 8474
    MailboxId(String),
    /// RFC 5464 §4.2.1: the size of the largest value left out.
    MetadataLongEntries(u64),
    MetadataMaxSize(u64),
    MetadataTooMany,
    MetadataNoPrivate,
    /// RFC 7162: what UNCHANGEDSINCE kept from being changed.
    Modified(UidSet),
    NoModSeq,
    NonExistent,
    NoPerm,
    NotificationOverflow,
    NotSaved,
    /// RFC 5267: the tag of the search that will not be updated.
    NoUpdate(String),
    OverQuota,
    Parse,
    /// Flags, and whether the client may make new keywords.
    PermanentFlags {
        flags: Vec<Flag>,
        new_keywords: bool,
    },
    PrivacyRequired,
    ReadOnly,
    ReadWrite,
    ServerBug,
    TooBig,
    TryCreate,
    UidNext(u32),
    UidNotSticky,
    /// RFC 9586
    UidRequired,
    UidValidity(u32),
    Unavailable,
    UnknownCte,
    /// The first unseen message (RFC 3501 §7.1).
    Unseen(u32),
    UseAttr,
}
