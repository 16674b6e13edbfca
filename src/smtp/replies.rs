//! Why delivery refuses, in SMTP's words. RFC 5321 §4.2.3, RFC 3463, RFC 5248.

use crate::delivery::Refusal;
use crate::format::smtp::Reply;

/// The answer to RCPT or to the end of the data. Names every variant, so that a new reason
/// does not compile until it has an answer here.
pub(super) fn refusal(why: &Refusal) -> Reply {
    match why {
        Refusal::UnknownRecipient => Reply::new(550, (1, 1), "No such recipient here"),
        Refusal::RelayDenied => Reply::new(550, (7, 1), "Relaying denied"),
        Refusal::OverQuota => Reply::new(552, (2, 2), "Mailbox is full"),
        Refusal::NoRoomForCopy => Reply::new(552, (2, 2), "Your mailbox is full"),
        Refusal::BecameFull => Reply::new(452, (2, 2), "A mailbox became full, try again"),
        Refusal::TooLarge { limit } => too_large(*limit),
        Refusal::Flawed(flaw) => Reply::new(554, (6, 0), format!("Message refused: {flaw}")),
        Refusal::Loop => Reply::new(554, (4, 6), "Message refused: it goes in circles"),
        Refusal::ForeignSender(sender) => {
            Reply::new(553, (7, 1), format!("You may not send as <{sender}>"))
        }
        Refusal::ForeignAuthor(author) => {
            Reply::new(550, (7, 1), format!("You may not send with {author} as the author"))
        }
        Refusal::BadHeader(why) => Reply::new(554, (6, 0), format!("Message refused: {why}")),
        Refusal::NoRoom => Reply::new(452, (3, 1), "No room at the moment, try later"),
        Refusal::Store(_) => Reply::new(451, (3, 0), "Trouble on this side, try later"),
    }
}

/// Announced or seen to be larger than is taken.
pub(super) fn too_large(limit: u64) -> Reply {
    Reply::new(552, (3, 4), format!("Message is larger than {limit} octets"))
}
