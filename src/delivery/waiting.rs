//! Mail for people here whose mailbox was full when it came: it waits in the queue, and is
//! delivered as soon as there is room, with all that an arrival means.
//!
//! Taking a recipient out of the queue and giving the message to the mailbox is one
//! transaction, so nobody gets it twice; so is a report together with the note that it was
//! written. Recipients elsewhere are not looked at here.
//!
//! Who sent it from here is told after four hours, and after seven days it goes back to them.
//! What came from outside was acknowledged, and there is nobody to tell: after seven days it is
//! delivered beyond the quota. So is what nobody wants a report on, rather than lost unheard.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::base::address::EmailAddress;
use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::delivery::arrival::Arrival;
use crate::delivery::dsn::late::{self, News, Original};
use crate::delivery::{Refusal, Trace, Via, local};
use crate::domain::message::{self, Stored};
use crate::domain::{directory, quota};
use crate::format::smtp::Notify;
use crate::store::keys::{self, Kind};
use crate::store::rows::queue::{QueueEntry, QueueRecipient};
use crate::store::{Read, Result, Snapshot, Store, Tx};

/// Rows that are taken up in one go.
const BATCH: usize = 1_000;
/// Seconds until a full mailbox is looked at again, at first and at most.
const PAUSE: (i64, i64) = (60, 900);
/// Seconds after which the sender is told that it takes longer (RFC 5321 §4.5.4.1 knows no
/// number; four hours are within a working day).
const DELAYED: u64 = 4 * 3_600;
/// Seconds after which the waiting ends.
const GIVEN_UP: u64 = 7 * 86_400;
/// Seconds between two looks that count as waiting, at most. While the server is off nobody
/// can make room, and when the clock jumps by years nobody has waited: neither may bring
/// reports on everything at once, or end what was accepted a minute ago.
const COUNTED: i64 = 3_600;

/// Delivers what waits for people here and has room now, and tells of what has waited for
/// long. Returns how many copies were delivered.
pub async fn deliver(store: &Store, hostname: &str) -> std::result::Result<usize, Refusal> {
    let mut delivered = 0;
    let mut failed = None;
    for number in due(&store.read(), store.clock().now())? {
        match take_up(store, hostname, number).await {
            Ok(copies) => delivered += copies,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(delivered), Err)
}

/// Rows with a recipient in a domain of this server whose next try is due, oldest first.
fn due(read: &impl Read, now: UnixTime) -> Result<Vec<u64>> {
    let domains: BTreeSet<String> = read.domains()?.into_iter().map(|row| row.name).collect();
    let mut found = Vec::new();
    read.scan_prefix(&keys::kind(Kind::Queue), &mut |key, value| {
        let here = |recipient: &QueueRecipient| {
            let domain = EmailAddress::parse_mailbox(&recipient.address);
            is_due(recipient, now) && domain.is_ok_and(|a| domains.contains(a.domain()))
        };
        if QueueEntry::decode(value)?.recipients.iter().any(here) {
            found.push(keys::u64_at(key, 1).unwrap_or_default());
        }
        let full = found.len() >= BATCH;
        Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// A try that lies further ahead than any pause was set by a clock that has gone back since.
fn is_due(recipient: &QueueRecipient, now: UnixTime) -> bool {
    recipient.next_try <= now || recipient.next_try.saturating_sub(now) > PAUSE.1
}

/// Looks at one row.
async fn take_up(
    store: &Store,
    hostname: &str,
    number: u64,
) -> std::result::Result<usize, Refusal> {
    let trace = Trace::new(Via::own(hostname), store.clock().now());
    let mut body = Body::read(&store.read(), number, trace.at)?;
    let post = move |tx: &mut Tx<'_>| hand_over(tx, number, body.as_mut(), &trace);
    store.write(post).await
}

/// What is read of a message before the transaction.
struct Body {
    arrival: Arrival,
    original: Original,
}

impl Body {
    /// Nothing where all that can be done is to wait on: a large message to a full mailbox is
    /// not read again and again.
    fn read(
        read: &Snapshot,
        number: u64,
        now: UnixTime,
    ) -> std::result::Result<Option<Self>, Refusal> {
        let Some(row) = read.get(&keys::queue(number))? else { return Ok(None) };
        let entry = QueueEntry::decode(&row)?;
        let stored = message::stored(read, entry.content)?;
        let mut idle = true;
        for recipient in &entry.recipients {
            let step = Step::of(read, &entry, recipient, &stored, now)?;
            idle &= matches!(step, Step::Leave | Step::Wait);
        }
        if idle {
            return Ok(None);
        }
        let body = read.body_row(entry.content)?;
        let Some(body) = body else {
            return Err(Refusal::Store(format!("content {} is missing", entry.content)));
        };
        let record = read.content(entry.content)?.unwrap_or_default();
        let sender = entry.sender.as_deref().and_then(|s| EmailAddress::parse_mailbox(s).ok());
        Ok(Some(read.with_body(&body.at, |raw| Self {
            arrival: Arrival::read(raw, true, sender.as_ref()),
            original: Original::of(&entry, &record, raw),
        })?))
    }
}

/// What is done about one recipient.
#[derive(PartialEq, Eq, Debug)]
enum Step {
    /// Nothing: it leads elsewhere.
    Leave,
    Deliver(Vec<AccountId>),
    /// The time is over, and nobody is told.
    DeliverBeyondQuota(Vec<AccountId>),
    Wait,
    /// Wait on, and tell the sender.
    Tell,
    /// The time is over, and the sender is told.
    GiveUp,
}

impl Step {
    fn of(
        read: &impl Read,
        entry: &QueueEntry,
        recipient: &QueueRecipient,
        stored: &Stored,
        now: UnixTime,
    ) -> std::result::Result<Self, Refusal> {
        let Some(accounts) = accounts(read, &recipient.address)? else { return Ok(Self::Leave) };
        let mut room = true;
        for account in &accounts {
            room &= quota::usage(read, *account)?.fits(stored.size());
        }
        if room {
            return Ok(Self::Deliver(accounts));
        }
        let waited = waited(recipient, now);
        Ok(if waited >= GIVEN_UP {
            match end(read, entry, recipient)? {
                End::Returned => Self::GiveUp,
                End::Delivered => Self::DeliverBeyondQuota(accounts),
            }
        } else if waited >= DELAYED && !recipient.told && wish(recipient).delay {
            if reader(read, entry)?.is_some() { Self::Tell } else { Self::Wait }
        } else {
            Self::Wait
        })
    }
}

/// How waiting ends where no room is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The sender gets a report, and the recipient nothing.
    Returned,
    /// The recipient gets it although the mailbox is full.
    Delivered,
}

/// How waiting will end for a recipient here, as things are.
fn end(read: &impl Read, entry: &QueueEntry, recipient: &QueueRecipient) -> Result<End> {
    let told = reader(read, entry)?.is_some() && wish(recipient).failure;
    Ok(if told { End::Returned } else { End::Delivered })
}

/// Until when a recipient here is tried, and what then; `None` for recipients elsewhere.
pub fn outlook(
    read: &impl Read,
    entry: &QueueEntry,
    recipient: &QueueRecipient,
) -> std::result::Result<Option<(UnixTime, End)>, Refusal> {
    if accounts(read, &recipient.address)?.is_none() {
        return Ok(None);
    }
    Ok(Some((until(recipient), end(read, entry, recipient)?)))
}

/// Whoever submitted the message and can be told of it, with the envelope's sender. A null
/// sender is never told. The sender that mail from outside names could be anybody's invention,
/// also where it is an address of this server.
fn reader<'e>(read: &impl Read, entry: &'e QueueEntry) -> Result<Option<(AccountId, &'e str)>> {
    let (Some(account), Some(sender)) = (entry.account, entry.sender.as_deref()) else {
        return Ok(None);
    };
    Ok(read.account(account)?.map(|account| (account.id, sender)))
}

/// What the sender wants to hear; without a word, of what goes wrong (RFC 3461 §4.1).
fn wish(recipient: &QueueRecipient) -> Notify {
    recipient.notify.unwrap_or(Notify { success: false, failure: true, delay: true })
}

/// Seconds that a recipient has waited by now.
fn waited(recipient: &QueueRecipient, now: UnixTime) -> u64 {
    let since = now.saturating_sub(recipient.looked).clamp(0, COUNTED);
    recipient.waited.saturating_add(since.unsigned_abs())
}

/// When the waiting ends if nothing interrupts it.
fn until(recipient: &QueueRecipient) -> UnixTime {
    let rest = GIVEN_UP.saturating_sub(recipient.waited);
    recipient.looked.saturating_add_unsigned(rest)
}

/// Takes the next step for each recipient of a row, all in one transaction. Without the body
/// they wait.
fn hand_over(
    tx: &mut Tx<'_>,
    number: u64,
    body: Option<&mut Body>,
    trace: &Trace,
) -> std::result::Result<usize, Refusal> {
    let key = keys::queue(number);
    let Some(row) = tx.get(&key)? else { return Ok(0) };
    let mut entry = QueueEntry::decode(&row)?;
    let stored = message::stored(tx, entry.content)?;
    let mut done = Done::default();
    let (mut arrival, original) = match body {
        Some(body) => (Some(&mut body.arrival), Some(&body.original)),
        None => (None, None),
    };
    for recipient in std::mem::take(&mut entry.recipients) {
        let step = Step::of(tx, &entry, &recipient, &stored, trace.at)?;
        let step = match (step, &mut arrival) {
            (Step::Leave, _) => Step::Leave,
            (_, None) => Step::Wait,
            (step, Some(arrival)) => {
                give(tx, &step, &stored, arrival, &entry.id)?;
                step
            }
        };
        done.note(&mut entry, recipient, step, trace.at);
    }
    if let Some(original) = original {
        done.report(tx, &entry, original, trace)?;
    }
    if entry.recipients.is_empty() {
        tx.release_content(entry.content);
        tx.delete(key);
    } else {
        tx.put(key, entry.encode());
    }
    Ok(done.copies)
}

/// Delivers, if that is the step.
fn give(
    tx: &mut Tx<'_>,
    step: &Step,
    stored: &Stored,
    arrival: &mut Arrival,
    id: &str,
) -> std::result::Result<(), Refusal> {
    match step {
        Step::Deliver(accounts) => {
            for account in accounts {
                local::add(tx, *account, stored, arrival)?;
                tracing::info!(%account, id, "mail that waited for room was delivered");
            }
        }
        Step::DeliverBeyondQuota(accounts) => {
            for account in accounts {
                local::add_beyond_quota(tx, *account, stored, arrival)?;
                tracing::warn!(%account, id, "no room for seven days: delivered beyond the quota");
            }
        }
        Step::Leave | Step::Wait | Step::Tell | Step::GiveUp => {}
    }
    Ok(())
}

/// What has become of a row's recipients.
#[derive(Default)]
struct Done {
    copies: usize,
    delivered: Vec<QueueRecipient>,
    delayed: Vec<QueueRecipient>,
    failed: Vec<QueueRecipient>,
}

impl Done {
    /// Notes a step; whoever waits on is put back into the row.
    fn note(
        &mut self,
        entry: &mut QueueEntry,
        mut recipient: QueueRecipient,
        step: Step,
        now: UnixTime,
    ) {
        match step {
            Step::Leave => entry.recipients.push(recipient),
            Step::Deliver(accounts) | Step::DeliverBeyondQuota(accounts) => {
                self.copies += accounts.len();
                if wish(&recipient).success && !accounts.is_empty() {
                    self.delivered.push(recipient);
                }
            }
            Step::Wait => {
                wait(&mut recipient, now);
                entry.recipients.push(recipient);
            }
            Step::Tell => {
                wait(&mut recipient, now);
                recipient.told = true;
                self.delayed.push(recipient.clone());
                entry.recipients.push(recipient);
            }
            Step::GiveUp => self.failed.push(recipient),
        }
    }

    /// Writes the reports, one of each kind.
    fn report(
        &self,
        tx: &mut Tx<'_>,
        entry: &QueueEntry,
        original: &Original,
        trace: &Trace,
    ) -> std::result::Result<(), Refusal> {
        let Some((account, sender)) = reader(tx, entry)? else { return Ok(()) };
        let told = self.delayed.iter().map(until).min().map(News::Delayed);
        let kinds = [
            (told, &self.delayed),
            (Some(News::Failed), &self.failed),
            (Some(News::Delivered), &self.delivered),
        ];
        for (news, recipients) in kinds {
            let Some(news) = news.filter(|_| !recipients.is_empty()) else { continue };
            let report = late::report(entry, sender, recipients, news, original, trace);
            match news {
                News::Delivered => local::report_to(tx, account, report)?,
                News::Delayed(_) | News::Failed => local::warn(tx, account, report)?,
            }
            let (id, count) = (&entry.id, recipients.len());
            tracing::info!(%account, id, recipients = count, ?news, "told who sent mail that waits");
        }
        Ok(())
    }
}

/// Who it is now; `None` where the address leads elsewhere. An account that has gone takes its
/// mail with it, as it does in a group.
fn accounts(
    read: &impl Read,
    address: &str,
) -> std::result::Result<Option<Vec<AccountId>>, Refusal> {
    let Ok(address) = EmailAddress::parse_mailbox(address) else { return Ok(None) };
    Ok(match directory::resolve(read, &address)? {
        directory::Recipient::Local { accounts, elsewhere } if elsewhere.is_empty() => {
            Some(accounts)
        }
        directory::Recipient::Unknown => Some(Vec::new()),
        directory::Recipient::Local { .. } | directory::Recipient::Elsewhere => None,
    })
}

/// Notes that there was no room.
fn wait(recipient: &mut QueueRecipient, now: UnixTime) {
    let (first, most) = PAUSE;
    let pause = first.saturating_mul(1 << recipient.tries.min(10)).min(most);
    recipient.tries = recipient.tries.saturating_add(1);
    recipient.waited = waited(recipient, now);
    recipient.looked = now;
    recipient.next_try = now.saturating_add(pause);
    recipient.last_answer = "the mailbox is full".to_owned();
}

#[cfg(test)]
mod tests;
