//! Flags, what FETCH can ask for, and messages on their way in.

use std::fmt;
use std::num::NonZeroU32;

use bytes::Bytes;
use smallvec::SmallVec;

use super::*;
use crate::imap::codec::date::DateTime;

/// A flag that a client may set (RFC 9051 §2.3.2). `\Recent` is not among them: the decoder drops
/// it from APPEND and STORE, as clients that copy mailboxes send it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flag {
    Answered,
    Flagged,
    Deleted,
    Seen,
    Draft,
    Keyword(Keyword),
}

impl Flag {
    /// The system flags as they are written.
    pub const SYSTEM: [(Self, &'static str); 5] = [
        (Self::Answered, "\\Answered"),
        (Self::Flagged, "\\Flagged"),
        (Self::Deleted, "\\Deleted"),
        (Self::Seen, "\\Seen"),
        (Self::Draft, "\\Draft"),
    ];

    pub fn as_str(&self) -> &str {
        match self {
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Seen => "\\Seen",
            Self::Draft => "\\Draft",
            Self::Keyword(keyword) => keyword.as_str(),
        }
    }
}

/// A keyword: an atom of at most 200 bytes, in the case it was first given; equal in any case
/// (RFC 9051 §2.3.2: flags are compared without case).
#[derive(Clone)]
pub struct Keyword(Box<str>);

impl Keyword {
    pub const MAX: usize = 200;

    pub fn new(name: &str) -> Option<Self> {
        let valid = !name.is_empty() && name.len() <= Self::MAX && name.bytes().all(is_atom_char);
        valid.then(|| Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let lower = |k: &'_ Self| k.0.to_ascii_lowercase();
        lower(self).cmp(&lower(other))
    }
}

impl std::hash::Hash for Keyword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that FETCH returns (RFC 9051 §6.4.5 and the extensions named).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchItem {
    Flags,
    Uid,
    InternalDate,
    Rfc822Size,
    Envelope,
    /// BODY without brackets
    Body,
    BodyStructure,
    /// RFC 7162
    ModSeq,
    /// RFC 8474
    EmailId,
    ThreadId,
    /// RFC 8514
    SaveDate,
    /// RFC 8970
    Preview {
        lazy: bool,
    },
    /// RFC822: BODY[] under its old name (RFC 3501 §6.4.5)
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    /// BODY[…]<…> and BODY.PEEK[…]<…>
    Section {
        peek: bool,
        section: Section,
        partial: Option<Partial>,
    },
    /// BINARY[…]<…> and BINARY.PEEK[…]<…> (RFC 3516)
    Binary {
        peek: bool,
        part: PartPath,
        partial: Option<Partial>,
    },
    BinarySize(PartPath),
}

impl FetchItem {
    /// True if fetching it sets `\Seen`.
    pub fn sets_seen(&self) -> bool {
        matches!(
            self,
            Self::Rfc822
                | Self::Rfc822Text
                | Self::Section { peek: false, .. }
                | Self::Binary { peek: false, .. }
        )
    }
}

/// The numbers of a part, outermost first; empty for the message itself. None of them is 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartPath(SmallVec<[u32; 4]>);

impl PartPath {
    pub const MAX_DEPTH: usize = 100;

    pub fn new(numbers: &[u32]) -> Option<Self> {
        let valid = numbers.len() <= Self::MAX_DEPTH && !numbers.contains(&0);
        valid.then(|| Self(numbers.into()))
    }

    pub fn numbers(&self) -> &[u32] {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

/// What stands between the brackets of `BODY[…]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Section {
    pub part: PartPath,
    pub text: SectionText,
}

/// Which text of the part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum SectionText {
    /// All of it
    #[default]
    All,
    Header,
    /// The names as the client wrote them, which the answer repeats.
    HeaderFields(Vec<FieldName>),
    HeaderFieldsNot(Vec<FieldName>),
    Text,
    /// The MIME header; never of the message itself.
    Mime,
}

/// The name of a header field (RFC 5322 §2.2): printable ASCII without colon.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FieldName(Box<str>);

impl FieldName {
    pub fn new(name: &[u8]) -> Option<Self> {
        let valid = !name.is_empty() && name.iter().all(|&b| matches!(b, 0x21..=0x7e) && b != b':');
        let name = std::str::from_utf8(name).ok().filter(|_| valid)?;
        Some(Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `<offset.length>` of a body section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    pub offset: u64,
    pub length: u64,
}

impl Partial {
    /// The octets meant, of something `len` long; empty when they lie outside.
    pub fn of(self, len: u64) -> std::ops::Range<u64> {
        let from = self.offset.min(len);
        from..from.saturating_add(self.length).min(len)
    }
}

/// APPEND of one or several messages (RFC 9051 §6.3.12, RFC 3502).
#[derive(Clone, PartialEq, Debug)]
pub struct AppendArgs {
    pub mailbox: MailboxName,
    /// At least one.
    pub messages: Vec<AppendMessage>,
}

/// REPLACE and UID REPLACE (RFC 8508 §3).
#[derive(Clone, PartialEq, Debug)]
pub struct ReplaceArgs {
    pub by: By,
    /// The one message to be replaced; `None` for `*`.
    pub number: Option<NonZeroU32>,
    pub mailbox: MailboxName,
    pub message: AppendMessage,
}

#[derive(Clone, PartialEq, Debug)]
pub struct AppendMessage {
    pub flags: Vec<Flag>,
    pub date: Option<DateTime>,
    pub source: AppendSource,
}

/// Where an appended message comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum AppendSource {
    Whole(Payload),
    /// `UTF8 (~{…})`: the header has UTF-8 in it (RFC 6855 §4).
    Utf8(Payload),
    /// RFC 4469
    Catenate(Vec<CatenatePart>),
}

#[derive(Clone, PartialEq, Debug)]
pub enum CatenatePart {
    Text(Payload),
    Url(ImapUrl),
}

/// The content of a literal.
#[derive(Clone, PartialEq)]
pub struct Payload {
    pub data: PayloadData,
    /// `literal8`: NUL may be in it (RFC 3516 §4.4).
    pub binary: bool,
}

#[derive(Clone, PartialEq)]
pub enum PayloadData {
    /// A view into the command's own buffer.
    Inline(Bytes),
    /// The framer has passed it on while it came (see [`crate::imap::codec::frame`]): the
    /// `index`-th such literal of this command, counted from 0.
    Diverted { index: usize, size: u64 },
}

impl Payload {
    pub fn size(&self) -> u64 {
        match &self.data {
            PayloadData::Inline(bytes) => bytes.len() as u64,
            PayloadData::Diverted { size, .. } => *size,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tilde = if self.binary { "~" } else { "" };
        match &self.data {
            PayloadData::Inline(bytes) => write!(f, "{tilde}{{{}}}", bytes.len()),
            PayloadData::Diverted { index, size } => write!(f, "{tilde}{{{size}}}#{index}"),
        }
    }
}

/// An IMAP URL in CATENATE (RFC 4469 §3, RFC 5092).
#[derive(Clone, PartialEq, Debug)]
pub struct ImapUrl {
    /// As it came, for `[BADURL …]`.
    pub text: String,
    /// What it names; `None` when it is not one, or names another server.
    pub target: Option<MessageUrl>,
}

/// A message or a part of it.
#[derive(Clone, PartialEq, Debug)]
pub struct MessageUrl {
    /// `None`: the selected one.
    pub mailbox: Option<MailboxName>,
    pub uid_validity: Option<NonZeroU32>,
    pub uid: NonZeroU32,
    pub section: Section,
    pub partial: Option<Partial>,
}
