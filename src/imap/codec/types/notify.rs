//! NOTIFY's values (RFC 5465), and the mailbox filters it shares with MULTISEARCH.

use super::*;

/// The argument of NOTIFY.
#[derive(Clone, PartialEq, Debug)]
pub enum NotifyArgs {
    None,
    Set {
        /// STATUS lines for all mailboxes named are wanted at once (§3.1).
        status: bool,
        groups: Vec<EventGroup>,
    },
}

/// Some mailboxes and what is to be told of them; no events at all for `NONE`.
#[derive(Clone, PartialEq, Debug)]
pub struct EventGroup {
    pub mailboxes: MailboxFilter,
    pub events: Vec<NotifyEvent>,
}

/// Which mailboxes (RFC 5465 §6, RFC 7377 §2.2).
#[derive(Clone, PartialEq, Debug)]
pub enum MailboxFilter {
    Selected,
    SelectedDelayed,
    Inboxes,
    Personal,
    Subscribed,
    /// The mailboxes and all below them.
    Subtree(Vec<MailboxName>),
    /// The mailboxes and those directly below (MULTISEARCH only).
    SubtreeOne(Vec<MailboxName>),
    Mailboxes(Vec<MailboxName>),
}

/// What may happen (RFC 5465 §5).
#[derive(Clone, PartialEq, Debug)]
pub enum NotifyEvent {
    /// With what is to be fetched of a new message in the selected mailbox.
    MessageNew(Vec<FetchItem>),
    MessageExpunge,
    FlagChange,
    MailboxName,
    SubscriptionChange,
    MailboxMetadataChange,
    ServerMetadataChange,
}

impl NotifyEvent {
    /// True for what happens to messages, as opposed to mailboxes (RFC 5465 §5).
    pub fn is_of_messages(&self) -> bool {
        matches!(self, Self::MessageNew(_) | Self::MessageExpunge | Self::FlagChange)
    }

    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageNew(_) => "MessageNew",
            Self::MessageExpunge => "MessageExpunge",
            Self::FlagChange => "FlagChange",
            Self::MailboxName => "MailboxName",
            Self::SubscriptionChange => "SubscriptionChange",
            Self::MailboxMetadataChange => "MailboxMetadataChange",
            Self::ServerMetadataChange => "ServerMetadataChange",
        }
    }
}
