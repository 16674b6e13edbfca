//! Checks that what is stored agrees with itself: the medium, then every counter, log entry and
//! reference. Reads only; works while serving.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::base::id::{AccountId, ContentId, MailboxId, ModSeq, Uid};
use crate::base::uidset::UidSet;
use crate::store::keys::{self, Kind};
use crate::store::rows::collection::Collection;
use crate::store::rows::mailbox::Mailbox;
use crate::store::rows::work::Work;
use crate::store::{Read, Result, Snapshot, Store};

/// Findings listed at most: a broken disk has millions.
const FINDINGS: usize = 1_000;

/// Checks everything; one line for each thing that is wrong. `progress` gets bytes or mailboxes
/// done, and how many there are.
pub fn verify(store: &Store, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<String>> {
    let mut wrong = store.engine().verify(progress)?;
    let snapshot = store.read();
    let mut sharers: HashMap<ContentId, u32> = HashMap::new();
    for account in account_ids(&snapshot)? {
        verify_account(&snapshot, account, &mut sharers, &mut wrong)?;
    }
    count_drained(&snapshot, &mut sharers)?;
    snapshot.scan_prefix(&keys::kind(Kind::Queue), &mut |_, value| {
        let content = crate::store::rows::queue::QueueEntry::decode(value)?.content;
        *sharers.entry(content).or_default() += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    snapshot.scan_prefix(&keys::kind(Kind::Outbox), &mut |_, value| {
        let content = crate::store::rows::outbox::OutboxEntry::decode(value)?.content;
        *sharers.entry(content).or_default() += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    snapshot.scan_prefix(&keys::kind(Kind::Body), &mut |key, value| {
        let id = ContentId(keys::u64_at(key, 1).unwrap_or_default());
        let body = crate::store::rows::message::Body::decode(value)?;
        let counted = sharers.remove(&id).unwrap_or(0);
        if body.sharers != counted {
            wrong
                .push(format!("content {id}: {counted} messages share it, {} noted", body.sharers));
        }
        if snapshot.content(id)?.is_none() {
            wrong.push(format!("content {id} has a body and no record"));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    wrong.extend(sharers.keys().map(|id| format!("content {id} has messages and no body")));
    wrong.truncate(FINDINGS);
    Ok(wrong)
}

/// Messages of removed mailboxes that are still to be removed share their contents until then.
fn count_drained(snapshot: &Snapshot, sharers: &mut HashMap<ContentId, u32>) -> Result<()> {
    let mut drained = Vec::new();
    snapshot.scan_prefix(&keys::kind(Kind::Due), &mut |_, value| {
        if let Work::Drain(mailbox) = Work::decode(value)? {
            drained.push(mailbox);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for mailbox in drained {
        snapshot.scan_prefix(&keys::of_mailbox(Kind::Place, mailbox), &mut |_, value| {
            let place = crate::store::rows::message::Place::decode(value)?;
            *sharers.entry(place.content).or_default() += 1;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

/// Accounts that have anything, removed ones included.
fn account_ids(snapshot: &Snapshot) -> Result<Vec<AccountId>> {
    let mut ids = Vec::new();
    snapshot.scan_prefix(&keys::kind(Kind::AccountState), &mut |key, _| {
        ids.extend(keys::u32_at(key, 1).map(AccountId));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ids)
}

fn verify_account(
    snapshot: &Snapshot,
    account: AccountId,
    sharers: &mut HashMap<ContentId, u32>,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let state = snapshot.account_state(account)?;
    let (mut messages, mut bytes) = (0, 0);
    for mailbox in snapshot.mailboxes(account)? {
        let counted = count(snapshot, &mailbox, sharers, wrong)?;
        messages += u64::from(counted.messages);
        bytes += counted.bytes;
        let noted = Counted {
            messages: mailbox.messages,
            unseen: mailbox.unseen,
            deleted: mailbox.deleted,
            bytes: mailbox.bytes,
        };
        if counted != noted {
            wrong.push(format!("{}: noted {noted:?}, there are {counted:?}", name(&mailbox)));
        }
        if mailbox.modseq > state.modseq {
            wrong.push(format!("{}: its modseq is ahead of its account's", name(&mailbox)));
        }
        match snapshot.mailbox_named(account, &mailbox.name)? {
            Some(id) if id == mailbox.id => {}
            _ => wrong.push(format!("{}: cannot be found by its name", name(&mailbox))),
        }
    }
    for collection in snapshot.collections(account)? {
        bytes += verify_collection(snapshot, &collection, wrong)?;
    }
    if (state.messages, state.bytes) != (messages, bytes) {
        wrong.push(format!(
            "account {account}: noted {} messages of {} bytes, there are {messages} of {bytes}",
            state.messages, state.bytes
        ));
    }
    Ok(())
}

#[derive(PartialEq, Eq, Default, Debug)]
struct Counted {
    messages: u32,
    unseen: u32,
    deleted: u32,
    bytes: u64,
}

fn name(mailbox: &Mailbox) -> String {
    format!("account {}, mailbox {}", mailbox.id.account, mailbox.name)
}

fn count(
    snapshot: &Snapshot,
    mailbox: &Mailbox,
    sharers: &mut HashMap<ContentId, u32>,
    wrong: &mut Vec<String>,
) -> Result<Counted> {
    let mut counted = Counted::default();
    let mut present = UidSet::new();
    let of = keys::of_mailbox(Kind::Place, mailbox.id);
    snapshot.scan_prefix(&of, &mut |key, value| {
        let uid = Uid(keys::u32_at(key, 9).unwrap_or_default());
        let place = crate::store::rows::message::Place::decode(value)?;
        *sharers.entry(place.content).or_default() += 1;
        present.insert(uid.0);
        counted.messages += 1;
        counted.bytes += place.size;
        match snapshot.hot(mailbox.id, uid)? {
            Some(hot) => {
                counted.unseen += u32::from(!hot.flags.seen());
                counted.deleted += u32::from(hot.flags.deleted());
                if hot.modseq > mailbox.modseq {
                    wrong.push(format!("{}: UID {uid} is ahead of its mailbox", name(mailbox)));
                }
            }
            None => wrong.push(format!("{}: UID {uid} has no flags", name(mailbox))),
        }
        let found = snapshot.whereabouts(mailbox.id.account, place.message)?;
        if found.is_none_or(|found| (found.mailbox, found.uid) != (mailbox.id, uid)) {
            wrong.push(format!("{}: UID {uid} cannot be found by its id", name(mailbox)));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if present.last().is_some_and(|last| last >= mailbox.uid_next.0) {
        wrong.push(format!("{}: UIDNEXT is behind its last message", name(mailbox)));
    }
    verify_log(snapshot, mailbox.id, &present, &name(mailbox), wrong)?;
    Ok(counted)
}

/// Every item that is there stands in the log once, and no other.
fn verify_log(
    snapshot: &Snapshot,
    of: MailboxId,
    present: &UidSet,
    name: &str,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let mut logged = UidSet::new();
    snapshot.scan_prefix(&keys::of_mailbox(Kind::Log, of), &mut |key, value| {
        let entry = crate::store::rows::log::LogEntry::decode(value)?;
        let modseq = ModSeq(keys::u64_at(key, 9).unwrap_or_default());
        if !logged.intersect(&entry.changed).is_empty() {
            wrong.push(format!("{name}: an item stands in the log twice, at {modseq}"));
        }
        logged.union_with(&entry.changed);
        Ok(ControlFlow::Continue(()))
    })?;
    if logged != *present {
        let (missing, extra) = (present.subtract(&logged), logged.subtract(present));
        wrong.push(format!("{name}: the log lacks {missing:?} and has {extra:?}"));
    }
    Ok(())
}

/// Checks a calendar, an address book, tasks or notes; returns the octets of its texts.
fn verify_collection(
    snapshot: &Snapshot,
    collection: &Collection,
    wrong: &mut Vec<String>,
) -> Result<u64> {
    let name = format!("account {}, collection {}", collection.id.account, collection.name);
    let (mut present, mut bytes) = (UidSet::new(), 0);
    for item in snapshot.items(collection.id)? {
        present.insert(item.uid.0);
        bytes += item.size;
        let text = snapshot.item_text(collection.id, item.uid)?;
        if text.is_none_or(|text| text.len() as u64 != item.size) {
            wrong.push(format!("{name}: item {} has not the text that is noted", item.uid));
        }
        if item.modseq > collection.modseq || item.shown > item.modseq {
            wrong.push(format!("{name}: item {} is ahead of its collection", item.uid));
        }
        let found = snapshot.whereabouts(collection.id.account, item.id)?;
        if found.is_none_or(|found| (found.mailbox, found.uid) != (collection.id, item.uid)) {
            wrong.push(format!("{name}: item {} cannot be found by its id", item.uid));
        }
    }
    if (collection.items as u64, collection.bytes) != (present.len(), bytes) {
        wrong.push(format!(
            "{name}: noted {} items of {} bytes, there are {} of {bytes}",
            collection.items,
            collection.bytes,
            present.len()
        ));
    }
    verify_log(snapshot, collection.id, &present, &name, wrong)?;
    Ok(bytes)
}
