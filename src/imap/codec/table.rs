//! The tables of commands and capabilities: what is offered, in which state, and with which
//! consequences. Decoder, session and CAPABILITY all follow from them.

use std::fmt;

use super::decode::parse::{self, Parser};
use super::types::By;

/// One command with its properties.
pub struct Spec {
    /// Without `UID`, see `by`.
    pub name: &'static str,
    /// [`By::Uid`] for the form with `UID` before it.
    pub by: By,
    pub state: State,
    pub sequence: Sequence,
    pub(super) parse: Parser,
}

/// In which state a command is allowed (RFC 9051 §3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Any,
    NotAuthenticated,
    /// Logged in, with or without a mailbox.
    Authenticated,
    Selected,
}

/// What a command has to do with message sequence numbers (RFC 9051 §7.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequence {
    /// Names no message by its number; EXPUNGE may be told during it and at its end.
    Free,
    /// Its arguments have numbers in them, but EXPUNGE may be told at its end.
    Uses,
    /// Numbers in its arguments or answers must stay what they are: no EXPUNGE until it is
    /// over.
    Holds,
}

impl Spec {
    /// Whether EXPUNGE and VANISHED may be told in answer to this command.
    pub fn may_expunge(&self) -> bool {
        self.sequence != Sequence::Holds
    }

    /// Whether it is one of those that UIDONLY forbids (RFC 9586 §3).
    pub fn needs_numbers(&self) -> bool {
        self.by == By::Seq && self.sequence != Sequence::Free
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uid = if self.by == By::Uid { "UID " } else { "" };
        write!(f, "{uid}{}", self.name)
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

const fn plain(name: &'static str, state: State, parse: Parser) -> Spec {
    Spec { name, by: By::Seq, state, sequence: Sequence::Free, parse }
}

const fn numbers(name: &'static str, sequence: Sequence, parse: Parser) -> Spec {
    Spec { name, by: By::Seq, state: State::Selected, sequence, parse }
}

const fn uid(name: &'static str, parse: Parser) -> Spec {
    Spec { name, by: By::Uid, state: State::Selected, sequence: Sequence::Free, parse }
}

use Sequence::{Holds, Uses};
use State::{Any, Authenticated, NotAuthenticated, Selected};

/// Every command, the frequent ones first.
pub static COMMANDS: &[Spec] = &[
    uid("FETCH", parse::fetch),
    numbers("FETCH", Holds, parse::fetch),
    uid("STORE", parse::store),
    numbers("STORE", Holds, parse::store),
    plain("NOOP", Any, parse::noop),
    plain("IDLE", Authenticated, parse::idle),
    plain("SELECT", Authenticated, parse::select),
    plain("EXAMINE", Authenticated, parse::examine),
    plain("STATUS", Authenticated, parse::status),
    plain("APPEND", Authenticated, parse::append),
    uid("SEARCH", parse::search),
    numbers("SEARCH", Holds, parse::search),
    uid("SORT", parse::sort),
    numbers("SORT", Holds, parse::sort),
    uid("THREAD", parse::thread),
    numbers("THREAD", Holds, parse::thread),
    uid("COPY", parse::copy),
    numbers("COPY", Uses, parse::copy),
    uid("MOVE", parse::r#move),
    numbers("MOVE", Uses, parse::r#move),
    uid("EXPUNGE", parse::uid_expunge),
    plain("EXPUNGE", Selected, parse::expunge),
    uid("REPLACE", parse::replace),
    numbers("REPLACE", Uses, parse::replace),
    plain("LIST", Authenticated, parse::list),
    plain("LSUB", Authenticated, parse::lsub),
    plain("XLIST", Authenticated, parse::xlist),
    plain("CAPABILITY", Any, parse::capability),
    plain("LOGOUT", Any, parse::logout),
    plain("ID", Any, parse::id),
    plain("STARTTLS", NotAuthenticated, parse::starttls),
    plain("AUTHENTICATE", NotAuthenticated, parse::authenticate),
    plain("LOGIN", NotAuthenticated, parse::login),
    plain("ENABLE", Authenticated, parse::enable),
    plain("CREATE", Authenticated, parse::create),
    plain("DELETE", Authenticated, parse::delete),
    plain("RENAME", Authenticated, parse::rename),
    plain("SUBSCRIBE", Authenticated, parse::subscribe),
    plain("UNSUBSCRIBE", Authenticated, parse::unsubscribe),
    plain("NAMESPACE", Authenticated, parse::namespace),
    plain("CHECK", Selected, parse::check),
    plain("CLOSE", Selected, parse::close),
    plain("UNSELECT", Selected, parse::unselect),
    plain("COMPRESS", Authenticated, parse::compress),
    plain("GETQUOTA", Authenticated, parse::getquota),
    plain("GETQUOTAROOT", Authenticated, parse::getquotaroot),
    plain("SETQUOTA", Authenticated, parse::setquota),
    plain("GETMETADATA", Authenticated, parse::getmetadata),
    plain("SETMETADATA", Authenticated, parse::setmetadata),
    plain("NOTIFY", Authenticated, parse::notify),
    plain("ESEARCH", Authenticated, parse::esearch),
    plain("CANCELUPDATE", Selected, parse::cancelupdate),
];

/// The command of this name, in any case.
pub fn find(name: &str, by: By) -> Option<&'static Spec> {
    COMMANDS.iter().find(|spec| spec.by == by && spec.name.eq_ignore_ascii_case(name))
}

/// When a capability is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Always,
    /// STARTTLS is possible and not yet done.
    StartTls,
    /// Before log-in, where passwords may be sent.
    Password,
    /// Before log-in, where passwords may not be sent.
    NoPassword,
    /// Before log-in.
    Before,
    /// After log-in.
    After,
    /// After log-in, while the stream is not compressed.
    Uncompressed,
    /// After log-in, with the limit behind it.
    AppendLimit,
}

/// What the session knows that CAPABILITY depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    pub logged_in: bool,
    pub starttls: bool,
    /// Passwords may be sent: TLS is on, or the network is trusted.
    pub passwords: bool,
    pub compressed: bool,
    /// The largest message that APPEND takes.
    pub append_limit: u64,
}

use When::{After, Always, AppendLimit, Before, NoPassword, Password, StartTls, Uncompressed};

static CAPABILITIES: &[(&str, When)] = &[
    ("IMAP4rev1", Always),
    ("IMAP4rev2", Always),
    ("LITERAL+", Always),
    ("ID", Always),
    ("ENABLE", Always),
    ("SASL-IR", Before),
    ("STARTTLS", StartTls),
    ("LOGINDISABLED", NoPassword),
    // First, since some clients take the first one they know (Apple Mail).
    ("AUTH=PLAIN", Password),
    ("IDLE", Always),
    ("NAMESPACE", After),
    ("UNSELECT", After),
    ("CHILDREN", After),
    ("UIDPLUS", After),
    ("MOVE", After),
    ("SPECIAL-USE", After),
    ("CREATE-SPECIAL-USE", After),
    ("LIST-EXTENDED", After),
    ("LIST-STATUS", After),
    ("LIST-METADATA", After),
    ("XLIST", After),
    ("STATUS=SIZE", After),
    ("CONDSTORE", After),
    ("QRESYNC", After),
    ("ESEARCH", After),
    ("SEARCHRES", After),
    ("WITHIN", After),
    ("SORT", After),
    ("SORT=DISPLAY", After),
    ("ESORT", After),
    ("CONTEXT=SEARCH", After),
    ("CONTEXT=SORT", After),
    ("MULTISEARCH", After),
    ("PARTIAL", After),
    ("THREAD=ORDEREDSUBJECT", After),
    ("THREAD=REFERENCES", After),
    ("MULTIAPPEND", After),
    ("APPENDLIMIT", AppendLimit),
    ("BINARY", After),
    ("CATENATE", After),
    ("REPLACE", After),
    ("PREVIEW", After),
    ("SAVEDATE", After),
    ("OBJECTID", After),
    ("UIDONLY", After),
    ("NOTIFY", After),
    ("INPROGRESS", After),
    ("METADATA", After),
    ("QUOTA", After),
    ("QUOTA=RES-STORAGE", After),
    ("COMPRESS=DEFLATE", Uncompressed),
    ("UTF8=ACCEPT", After),
];

/// The names to be told now, with spaces between.
pub fn capabilities(offer: &Offer) -> String {
    let mut out = String::with_capacity(512);
    for &(name, when) in CAPABILITIES {
        let told = match when {
            Always => true,
            StartTls => offer.starttls && !offer.logged_in,
            Password => !offer.logged_in && offer.passwords,
            NoPassword => !offer.logged_in && !offer.passwords,
            Before => !offer.logged_in,
            After | AppendLimit => offer.logged_in,
            Uncompressed => offer.logged_in && !offer.compressed,
        };
        if !told {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(name);
        if when == AppendLimit {
            out.push('=');
            out.push_str(&offer.append_limit.to_string());
        }
    }
    out
}
