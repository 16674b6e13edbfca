//! Why a command did not do what it should: the one place where the domain's errors get
//! IMAP's words and codes (RFC 5530).

use crate::domain;
use crate::imap::codec::types::{Code, Reply};
use crate::store;

/// A command's end other than by its own reply.
#[derive(Debug)]
pub enum Failure {
    /// To be said to the client; the session goes on.
    Reply(Reply),
    /// The connection is broken.
    Io(std::io::Error),
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Reply> for Failure {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        domain::Error::from(error).into()
    }
}

impl From<domain::Error> for Failure {
    fn from(error: domain::Error) -> Self {
        use domain::Error as E;
        let text = error.to_string();
        Self::Reply(match error {
            E::NotFound(_) => Reply::no(text).with(Code::NonExistent),
            E::Exists(_) => Reply::no(text).with(Code::AlreadyExists),
            E::Denied(_) => Reply::no(text).with(Code::NoPerm),
            E::HasChildren => Reply::no(text).with(Code::HasChildren),
            E::OverQuota => Reply::no(text).with(Code::OverQuota),
            E::TooLarge => Reply::no(text).with(Code::TooBig),
            E::TooMany(_) => Reply::no(text).with(Code::Limit),
            E::Stale => Reply::no("What was asked about has changed, try again"),
            E::Invalid(_) => Reply::no(text).with(Code::Cannot),
            E::Store(store::Error::Full) => {
                Reply::no("The server's disk is full, try again later").with(Code::Unavailable)
            }
            E::Store(error) => {
                tracing::error!(%error, "the store failed");
                Reply::no("The server has a problem, try again later").with(Code::Unavailable)
            }
        })
    }
}

/// The mailbox named does not exist, but a client may make it (RFC 9051 §7.1 TRYCREATE).
pub fn try_create(failure: Failure) -> Failure {
    match failure {
        Failure::Reply(Reply { code: Some(Code::NonExistent), status, text }) => {
            Failure::Reply(Reply { code: Some(Code::TryCreate), status, text })
        }
        other => other,
    }
}
