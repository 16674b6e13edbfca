//! Commands and their arguments.

use std::num::NonZeroU32;

use crate::base::uidset::UidSet;

use super::*;

/// One command as it came.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    pub tag: Tag,
    /// Its name and properties.
    pub spec: &'static crate::imap::codec::table::Spec,
    pub command: Command,
}

/// Every command of the offered capabilities.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    // Any state (RFC 9051 §6.1).
    Capability,
    Noop,
    Logout,
    /// RFC 2971; what the client says of itself, `None` for `NIL`.
    Id(Option<Vec<(String, Option<String>)>>),
    // Not authenticated (§6.2).
    StartTls,
    Authenticate(AuthenticateArgs),
    Login(LoginArgs),
    // Authenticated (§6.3).
    Enable(Vec<Feature>),
    Select(SelectArgs),
    Create(CreateArgs),
    Delete(MailboxName),
    Rename {
        from: MailboxName,
        to: MailboxName,
    },
    Subscribe(MailboxName),
    Unsubscribe(MailboxName),
    /// LIST, LSUB and XLIST.
    List(ListArgs),
    Namespace,
    Status(StatusArgs),
    Append(AppendArgs),
    Idle,
    // Selected (§6.4).
    Close,
    Unselect,
    Expunge,
    UidExpunge(SequenceSet),
    Check,
    Search(SearchArgs),
    Sort(SortArgs),
    Thread(ThreadArgs),
    Fetch(FetchArgs),
    Store(StoreArgs),
    Copy(CopyArgs),
    Move(CopyArgs),
    /// RFC 8508.
    Replace(ReplaceArgs),
    /// RFC 4978; DEFLATE is the only mechanism.
    Compress,
    GetQuota(String),
    GetQuotaRoot(MailboxName),
    SetQuota(SetQuotaArgs),
    GetMetadata(GetMetadataArgs),
    SetMetadata(SetMetadataArgs),
    Notify(NotifyArgs),
    /// MULTISEARCH (RFC 7377); with `IN`, otherwise it is about the selected mailbox.
    Esearch(EsearchArgs),
    /// CONTEXT (RFC 5267): the tags of searches that need no updates any longer.
    CancelUpdate(Vec<String>),
}

/// AUTHENTICATE, with SASL-IR's initial response (RFC 4959), decoded.
#[derive(Clone, PartialEq, Debug)]
pub struct AuthenticateArgs {
    /// Upper case.
    pub mechanism: String,
    pub initial: Option<Secret>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct LoginArgs {
    pub user: String,
    pub password: Secret,
}

/// What ENABLE may switch on (RFC 5161). Unknown names are left out by the decoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    CondStore,
    QResync,
    Utf8Accept,
    Imap4Rev2,
    UidOnly,
    /// Changed annotations are to be told (RFC 5464 §4.1).
    Metadata,
    MetadataServer,
}

impl Feature {
    /// With the name that ENABLE and ENABLED use.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::CondStore, "CONDSTORE"),
        (Self::QResync, "QRESYNC"),
        (Self::Utf8Accept, "UTF8=ACCEPT"),
        (Self::Imap4Rev2, "IMAP4rev2"),
        (Self::UidOnly, "UIDONLY"),
        (Self::Metadata, "METADATA"),
        (Self::MetadataServer, "METADATA-SERVER"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(f, _)| *f == self).map_or("", |(_, name)| name)
    }
}

/// SELECT and EXAMINE (RFC 9051 §6.3.2, RFC 7162 §3.1.8 and §3.2.5).
#[derive(Clone, PartialEq, Debug)]
pub struct SelectArgs {
    pub mailbox: MailboxName,
    pub access: Access,
    pub condstore: bool,
    pub qresync: Option<QResync>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// SELECT
    ReadWrite,
    /// EXAMINE
    ReadOnly,
}

/// `QRESYNC (uidvalidity modseq [known-uids] [(seqs uids)])`.
#[derive(Clone, PartialEq, Debug)]
pub struct QResync {
    pub uid_validity: NonZeroU32,
    pub modseq: u64,
    pub known: Option<UidSet>,
    /// Message numbers and the UIDs that the client has for them; as many of one as of the other.
    pub matches: Option<(UidSet, UidSet)>,
}

/// CREATE with the uses of RFC 6154 §3.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateArgs {
    pub mailbox: MailboxName,
    pub uses: Vec<SpecialUse>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct FetchArgs {
    pub set: MessageSet,
    pub items: Vec<FetchItem>,
    /// CHANGEDSINCE (RFC 7162 §3.1.4.1)
    pub changed_since: Option<u64>,
    /// VANISHED (RFC 7162 §3.2.6); only with UID and CHANGEDSINCE.
    pub vanished: bool,
    /// PARTIAL (RFC 9394 §3.2)
    pub partial: Option<PartialRange>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct StoreArgs {
    pub set: MessageSet,
    pub op: FlagOp,
    pub silent: bool,
    pub flags: Vec<Flag>,
    /// UNCHANGEDSINCE (RFC 7162 §3.1.3); 0 is allowed and fails for every message.
    pub unchanged_since: Option<u64>,
}

/// What STORE does with the flags it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagOp {
    Replace,
    Add,
    Remove,
}

/// COPY and MOVE.
#[derive(Clone, PartialEq, Debug)]
pub struct CopyArgs {
    pub set: MessageSet,
    pub mailbox: MailboxName,
}

/// SETQUOTA (RFC 9208 §4.1.3): the root and its new limits by resource name.
#[derive(Clone, PartialEq, Debug)]
pub struct SetQuotaArgs {
    pub root: String,
    pub limits: Vec<(String, u64)>,
}

/// GETMETADATA (RFC 5464 §4.2).
#[derive(Clone, PartialEq, Debug)]
pub struct GetMetadataArgs {
    /// `None`: the server's own.
    pub mailbox: Option<MailboxName>,
    pub max_size: Option<u64>,
    pub depth: Depth,
    pub entries: Vec<EntryName>,
}

/// How far below an entry GETMETADATA looks (RFC 5464 §4.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Depth {
    #[default]
    Zero,
    One,
    Infinity,
}

/// SETMETADATA (RFC 5464 §4.3); `None` removes an entry.
#[derive(Clone, PartialEq, Debug)]
pub struct SetMetadataArgs {
    pub mailbox: Option<MailboxName>,
    pub entries: Vec<(EntryName, Option<Vec<u8>>)>,
}

/// The name of an annotation: `/private/…` or `/shared/…`, in lower case since its letters'
/// case means nothing (RFC 5464 §3.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryName(Box<str>);

impl EntryName {
    pub fn new(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let rooted = ["/private", "/shared"].iter().any(|root| {
            lower.strip_prefix(root).is_some_and(|s| s.is_empty() || s.starts_with('/'))
        });
        let clean = lower.len() <= 512
            && lower.bytes().all(|b| matches!(b, 0x21..=0x7e) && b != b'*' && b != b'%')
            && !lower.contains("//")
            && !lower.ends_with('/');
        (rooted && clean).then(|| Self(lower.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The shared shape of SEARCH, SORT and THREAD behind the keyword.
#[derive(Clone, PartialEq, Debug)]
pub struct SearchArgs {
    pub by: By,
    /// `None` without RETURN: answered by an untagged SEARCH unless rev2 is on.
    pub returns: Option<SearchReturn>,
    pub key: SearchKey,
}

/// SORT (RFC 5256 §3, RFC 5267 §3).
#[derive(Clone, PartialEq, Debug)]
pub struct SortArgs {
    pub by: By,
    pub returns: Option<SearchReturn>,
    pub criteria: Vec<SortCriterion>,
    pub key: SearchKey,
}

/// THREAD (RFC 5256 §3).
#[derive(Clone, PartialEq, Debug)]
pub struct ThreadArgs {
    pub by: By,
    pub algorithm: ThreadAlgorithm,
    pub key: SearchKey,
}

/// ESEARCH (RFC 7377 §2.1). Numbers in its keys are UIDs.
#[derive(Clone, PartialEq, Debug)]
pub struct EsearchArgs {
    /// Empty: the selected mailbox.
    pub sources: Vec<MailboxFilter>,
    pub returns: Option<SearchReturn>,
    pub key: SearchKey,
}
