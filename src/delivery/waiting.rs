//! Mail for people here whose mailbox was full when it came: it waits in the queue, and is
//! delivered as soon as there is room, with all that an arrival means.
//!
//! Taking a recipient out of the queue and giving the message to the mailbox is one
//! transaction, so nobody gets it twice. Recipients elsewhere are not looked at here.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, ContentId};
use crate::delivery::arrival::Arrival;
use crate::delivery::{Refusal, local};
use crate::domain::{directory, message, quota};
use crate::store::keys::{self, Kind};
use crate::store::rows::queue::{QueueEntry, QueueRecipient};
use crate::store::{Read, Result, Snapshot, Store, Tx};

/// Rows that are taken up in one go.
const BATCH: usize = 1_000;
/// Seconds until a full mailbox is looked at again, at first and at most.
const PAUSE: (i64, i64) = (60, 900);

/// One recipient of a row in the queue.
struct Waiting {
    number: u64,
    content: ContentId,
    sender: Option<EmailAddress>,
    address: String,
}

/// Delivers what waits for people here and has room now. Returns how many copies that were.
pub async fn deliver(store: &Store) -> std::result::Result<usize, Refusal> {
    let now = store.clock().now();
    let mut delivered = 0;
    let mut failed = None;
    for waiting in due(&store.read(), now)? {
        let mut arrival = match arrival(&store.read(), &waiting) {
            Ok(arrival) => arrival,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let done = store.write(move |tx| -> std::result::Result<usize, Refusal> {
            hand_over(tx, &waiting, &mut arrival)
        });
        match done.await {
            Ok(copies) => delivered += copies,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(delivered), Err)
}

/// Recipients in domains of this server whose next try is due, oldest message first.
fn due(read: &impl Read, now: UnixTime) -> Result<Vec<Waiting>> {
    let domains: BTreeSet<String> = read.domains()?.into_iter().map(|row| row.name).collect();
    let mut found = Vec::new();
    read.scan_prefix(&keys::kind(Kind::Queue), &mut |key, value| {
        let entry = QueueEntry::decode(value)?;
        let here = |recipient: &&QueueRecipient| {
            let domain = EmailAddress::parse_mailbox(&recipient.address);
            recipient.next_try <= now && domain.is_ok_and(|a| domains.contains(a.domain()))
        };
        for recipient in entry.recipients.iter().filter(here) {
            let sender = entry.sender.as_deref();
            found.push(Waiting {
                number: keys::u64_at(key, 1).unwrap_or_default(),
                content: entry.content,
                sender: sender.and_then(|sender| EmailAddress::parse_mailbox(sender).ok()),
                address: recipient.address.clone(),
            });
        }
        let full = found.len() >= BATCH;
        Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// What the message is beside mail.
fn arrival(read: &Snapshot, waiting: &Waiting) -> std::result::Result<Arrival, Refusal> {
    let content = waiting.content;
    let Some(body) = read.body_row(content)? else {
        return Err(Refusal::Store(format!("content {content} is missing")));
    };
    Ok(read.with_body(&body.at, |raw| Arrival::read(raw, true, waiting.sender.as_ref()))?)
}

fn hand_over(
    tx: &mut Tx<'_>,
    waiting: &Waiting,
    arrival: &mut Arrival,
) -> std::result::Result<usize, Refusal> {
    let key = keys::queue(waiting.number);
    let Some(row) = tx.get(&key)? else { return Ok(0) };
    let mut entry = QueueEntry::decode(&row)?;
    let at = entry.recipients.iter().position(|each| each.address == waiting.address);
    let Some(at) = at else { return Ok(0) };
    let Some(accounts) = accounts(tx, &waiting.address)? else { return Ok(0) };
    let stored = message::stored(tx, entry.content)?;
    for account in &accounts {
        if !quota::usage(tx, *account)?.fits(stored.size()) {
            wait(tx, key, entry, at);
            return Ok(0);
        }
    }
    for account in &accounts {
        local::add(tx, *account, &stored, arrival)?;
        tracing::info!(%account, id = entry.id, "mail that waited for room was delivered");
    }
    entry.recipients.remove(at);
    if entry.recipients.is_empty() {
        tx.release_content(entry.content);
        tx.delete(key);
    } else {
        tx.put(key, entry.encode());
    }
    Ok(accounts.len())
}

/// Who it is now; `None` where the address leads elsewhere. An account that has gone takes its
/// mail with it, as it does in a group.
fn accounts(tx: &Tx<'_>, address: &str) -> std::result::Result<Option<Vec<AccountId>>, Refusal> {
    let Ok(address) = EmailAddress::parse_mailbox(address) else { return Ok(None) };
    Ok(match directory::resolve(tx, &address)? {
        directory::Recipient::Local { accounts, elsewhere } if elsewhere.is_empty() => {
            Some(accounts)
        }
        directory::Recipient::Unknown => Some(Vec::new()),
        directory::Recipient::Local { .. } | directory::Recipient::Elsewhere => None,
    })
}

/// Notes that there was no room.
fn wait(tx: &mut Tx<'_>, key: Bytes, mut entry: QueueEntry, at: usize) {
    let (first, most) = PAUSE;
    if let Some(recipient) = entry.recipients.get_mut(at) {
        let pause = first.saturating_mul(1 << recipient.tries.min(10)).min(most);
        recipient.tries = recipient.tries.saturating_add(1);
        recipient.next_try = tx.now() + pause;
        recipient.last_answer = "the mailbox is full".to_owned();
        tx.put(key, entry.encode());
    }
}

#[cfg(test)]
mod tests;
