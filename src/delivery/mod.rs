//! Mail on its way: taken in for local accounts, taken from members and sent on.
//!
//! [`receive`] is the way in from elsewhere, [`submit`] the one entrance for all sending. Both
//! end in one store transaction that holds everything the acceptance promises: the message in
//! its mailboxes ([`local`]) and in the queue for elsewhere ([`queue`]), and what it means
//! beside being mail ([`arrival`]): invitations, and answers of those who are away. What the
//! server writes itself comes out of the [`outbox`], and what found a mailbox full waits until
//! there is room ([`waiting`]).

pub mod addressees;
mod arrival;
pub mod dsn;
pub mod incoming;
pub mod local;
pub mod outbox;
pub mod queue;
pub mod receive;
pub mod recipient;
pub mod submit;
pub mod trace;
pub mod waiting;

use crate::base::address::EmailAddress;
use crate::domain;
use crate::format::smtp::{Flaw, Mail};
use crate::store;

pub use incoming::{Incoming, Message};
pub use recipient::Recipient;
pub use trace::{Trace, Via};

/// Who sends, and to whom: what MAIL and RCPT said.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    pub mail: Mail,
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// `None` is the null sender: a report or an automatic reply, which is never answered.
    pub fn sender(&self) -> Option<&EmailAddress> {
        self.mail.sender.as_ref()
    }
}

/// Why mail is not taken. The client is told in the session, so nothing ever bounces later.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no such recipient")]
    UnknownRecipient,
    /// Not for here, and who sends is not a member.
    #[error("relaying denied")]
    RelayDenied,
    #[error("over quota")]
    OverQuota,
    /// The sender's own mailbox has no room for the copy that is to be kept.
    #[error("no room for the copy of sent mail")]
    NoRoomForCopy,
    /// Some recipients of several have become full; trying again sorts them out.
    #[error("a mailbox is full")]
    BecameFull,
    #[error("larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the message is malformed: {0}")]
    Flawed(Flaw),
    #[error("mail loop")]
    Loop,
    /// The envelope sender is not one of the member's addresses.
    #[error("sender {0} is not the member's")]
    ForeignSender(EmailAddress),
    /// The `From` or `Sender` field has an address that is not one of the member's.
    #[error("author is not the member: {0}")]
    ForeignAuthor(String),
    /// A header that cannot be sent on; the text is for the person who wrote the program.
    #[error("bad header: {0}")]
    BadHeader(&'static str),
    #[error("the disk is full")]
    NoRoom,
    /// Ours, and logged; the client tries later.
    #[error("the store failed: {0}")]
    Store(String),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full => Self::NoRoom,
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<domain::Error> for Refusal {
    fn from(error: domain::Error) -> Self {
        match error {
            domain::Error::OverQuota => Self::OverQuota,
            domain::Error::Store(error) => error.into(),
            // An account or mailbox that went away between RCPT and the end of the data.
            domain::Error::NotFound(_) => Self::UnknownRecipient,
            other => Self::Store(other.to_string()),
        }
    }
}
