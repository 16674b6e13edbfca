//! Why an operation was refused: a closed list, which each front turns into its own codes.

use crate::store;

/// What a domain operation may answer instead of its result. Nothing was changed then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The thing named does not exist.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// The name is taken.
    #[error("{0} exists already")]
    Exists(&'static str),
    /// Whoever asks may not do this.
    #[error("not allowed: {0}")]
    Denied(&'static str),
    /// The mailbox has others below it.
    #[error("there are mailboxes below this one; delete them first")]
    HasChildren,
    /// It would exceed the account's quota.
    #[error("the mailbox is full: over quota")]
    OverQuota,
    /// It exceeds a limit of this server.
    #[error("too large")]
    TooLarge,
    /// A count would exceed a limit of this server.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// The state that the request builds on is gone.
    #[error("the state asked for is too old")]
    Stale,
    /// The request makes no sense; the text says why, for a person.
    #[error("{0}")]
    Invalid(String),
    /// The store failed; the client hears "try later".
    #[error(transparent)]
    Store(store::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Stale => Error::Stale,
            other => Error::Store(other),
        }
    }
}
