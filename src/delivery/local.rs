//! The one transaction behind an acceptance: copies for accounts here, rows for elsewhere,
//! and the reports that are due at once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::delivery::arrival::Arrival;
use crate::delivery::queue::{self, Outgoing};
use crate::delivery::recipient::Wish;
use crate::delivery::{Envelope, Recipient, Refusal, Trace};
use crate::domain::message::{self, FlagNames, Prepared, Stored};
use crate::domain::recipients::{self, Correspondent};
use crate::domain::{always_moved, mailbox, quota};
use crate::store::rows::flags::Flags;
use crate::store::{Read, Store, Tx};

/// All that is needed to take a message.
pub(super) struct Posting {
    pub envelope: Envelope,
    pub trace: Trace,
    /// Who submitted it.
    pub account: Option<AccountId>,
    /// The message with the prefix of a final delivery.
    pub message: Prepared,
    /// The prefix on the way elsewhere.
    pub outgoing_prefix: Bytes,
    pub body_size: u64,
    /// Reports that all is well, for senders here.
    pub reports: Vec<(AccountId, Prepared)>,
    /// Reports that something is not.
    pub warnings: Vec<(AccountId, Prepared)>,
    /// What is done beside the delivery.
    pub arrival: Arrival,
    /// Whom who submitted it has written to.
    pub correspondents: Vec<Correspondent>,
    /// What who submitted it keeps.
    pub copy: SentCopy,
}

/// A copy of a message in its sender's mailbox for sent mail.
pub(super) enum SentCopy {
    None,
    /// The message as the recipients get it.
    Same,
    /// One of its own, which tells whom the others do not hear of.
    Own(Box<Prepared>),
}

/// Takes a message: when this returns `Ok`, it is durable in every mailbox and in the queue.
pub(super) async fn post(store: &Store, posting: Posting) -> Result<(), Refusal> {
    store.write(move |tx| deliver(tx, posting)).await
}

/// The same within a transaction. A refusal comes before anything is written.
pub(super) fn deliver(tx: &mut Tx<'_>, mut posting: Posting) -> Result<(), Refusal> {
    let targets = Targets::of(&posting.envelope);
    check_room(tx, &posting, &targets)?;
    let stored = message::store_content(tx, posting.message)?;
    if let Some(account) = posting.account {
        keep(tx, account, posting.copy, &stored)?;
    }
    let mut waiting = targets.elsewhere;
    for account in &targets.direct {
        add(tx, *account, &stored, &mut posting.arrival)?;
    }
    let members = targets.members.iter().map(|(account, of)| (*account, Some(*of)));
    spread(tx, members, &stored, &mut posting.arrival, &mut waiting)?;
    let outgoing = Outgoing {
        envelope: &posting.envelope,
        trace: &posting.trace,
        account: posting.account,
        prefix: &posting.outgoing_prefix,
        body_size: posting.body_size,
    };
    queue::put(tx, &outgoing, &stored, &waiting)?;
    for (account, report) in posting.reports {
        report_to(tx, account, report)?;
    }
    for (account, warning) in posting.warnings {
        warn(tx, account, warning)?;
    }
    if let Some(account) = posting.account {
        posting.arrival.sent(tx, account)?;
        recipients::note(tx, account, &posting.correspondents)?;
    }
    Ok(())
}

/// Gives each of these accounts a copy, with the group that it is a member of. One that is full
/// must neither keep the mail from the others nor lose it without a word: its copy waits for
/// room in the queue.
pub(super) fn spread<'a>(
    tx: &mut Tx<'_>,
    accounts: impl IntoIterator<Item = (AccountId, Option<&'a Recipient>)>,
    stored: &Stored,
    arrival: &mut Arrival,
    waiting: &mut Vec<Wish>,
) -> Result<(), Refusal> {
    for (account, group) in accounts {
        match tx.account(account)? {
            None => {}
            Some(_) if quota::usage(tx, account)?.fits(stored.size()) => {
                add(tx, account, stored, arrival)?;
            }
            Some(full) => waiting.extend(Wish::plain(&full.address).map(|wish| match group {
                Some(group) => group.member_wish(wish.address),
                None => wish,
            })),
        }
    }
    Ok(())
}

/// Whether everybody who was named has room for the message.
fn check_room(tx: &Tx<'_>, posting: &Posting, targets: &Targets<'_>) -> Result<(), Refusal> {
    let size = posting.message.size();
    let copy = match &posting.copy {
        SentCopy::None => 0,
        SentCopy::Same => size,
        SentCopy::Own(own) => own.size(),
    };
    if let Some(sender) = posting.account.filter(|_| copy > 0) {
        let twice = if targets.direct.contains(&sender) { size } else { 0 };
        if !quota::usage(tx, sender)?.fits(copy + twice) {
            return Err(Refusal::NoRoomForCopy);
        }
    }
    for account in &targets.direct {
        if !quota::usage(tx, *account)?.fits(size) {
            // The only recipient learns that the mailbox is full; of several, each is asked
            // again by RCPT when the client tries once more.
            let alone = posting.envelope.recipients.len() == 1;
            return Err(if alone { Refusal::OverQuota } else { Refusal::BecameFull });
        }
    }
    Ok(())
}

/// Puts the sender's own copy away, read.
fn keep(
    tx: &mut Tx<'_>,
    account: AccountId,
    copy: SentCopy,
    stored: &Stored,
) -> Result<(), Refusal> {
    let own;
    let stored = match copy {
        SentCopy::None => return Ok(()),
        SentCopy::Same => stored,
        SentCopy::Own(prepared) => {
            own = message::store_content(tx, *prepared)?;
            &own
        }
    };
    let sent = mailbox::for_sent(tx, account)?;
    message::add(tx, sent.id, stored, &FlagNames::system(Flags::SEEN), None)?;
    Ok(())
}

/// Gives an account a copy, and carries out what the message is beside mail.
pub(super) fn add(
    tx: &mut Tx<'_>,
    account: AccountId,
    stored: &Stored,
    arrival: &mut Arrival,
) -> Result<(), Refusal> {
    let to = always_moved::destination(tx, account, stored)?;
    message::add(tx, to, stored, &FlagNames::default(), None)?;
    Ok(arrival.deliver(tx, account)?)
}

/// The same also where there is no room any more.
pub(super) fn add_beyond_quota(
    tx: &mut Tx<'_>,
    account: AccountId,
    stored: &Stored,
    arrival: &mut Arrival,
) -> Result<(), Refusal> {
    let to = always_moved::destination(tx, account, stored)?;
    message::add_beyond_quota(tx, to, stored)?;
    Ok(arrival.deliver(tx, account)?)
}

/// A report that something went wrong comes also to somebody whose own mailbox is full: it is
/// small, of mail that the account sent itself, and without it mail would be lost unheard.
pub(super) fn warn(tx: &mut Tx<'_>, account: AccountId, warning: Prepared) -> Result<(), Refusal> {
    let stored = message::store_content(tx, warning)?;
    add_beyond_quota(tx, account, &stored, &mut Arrival::default())
}

/// A report that finds no room is given up: the message it tells of has arrived.
pub(super) fn report_to(
    tx: &mut Tx<'_>,
    account: AccountId,
    report: Prepared,
) -> Result<(), Refusal> {
    if quota::usage(tx, account)?.fits(report.size()) {
        let stored = message::store_content(tx, report)?;
        add(tx, account, &stored, &mut Arrival::default())?;
    }
    Ok(())
}

/// Where a message goes, each place once, whatever the number of ways that lead there.
struct Targets<'e> {
    /// Accounts that were named as recipients.
    direct: BTreeSet<AccountId>,
    /// Accounts that get it as members of a group: the first one named of several.
    members: BTreeMap<AccountId, &'e Recipient>,
    elsewhere: Vec<Wish>,
}

impl<'e> Targets<'e> {
    fn of(envelope: &'e Envelope) -> Self {
        let (mut direct, mut members) = (BTreeSet::new(), BTreeMap::new());
        let (mut elsewhere, mut seen) = (Vec::new(), BTreeSet::<&EmailAddress>::new());
        for recipient in &envelope.recipients {
            for account in &recipient.accounts {
                match recipient.is_group() {
                    true => _ = members.entry(*account).or_insert(recipient),
                    false => _ = direct.insert(*account),
                }
            }
            let new = recipient.elsewhere.iter().filter(|address| seen.insert(address));
            elsewhere.extend(new.map(|address| recipient.wish(address)));
        }
        members.retain(|member, _| !direct.contains(member));
        Self { direct, members, elsewhere }
    }
}
