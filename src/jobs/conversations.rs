//! Forgets conversations of which no message is left.
//!
//! What joins a message to its conversation is a row for each message id that the account has
//! seen (`domain::thread`). It says nothing of whether that message is still there, so it is
//! found out for all of an account at once, after so many messages have gone for good that the
//! walk costs each of them a constant.

use std::collections::HashSet;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::base::id::{AccountId, MessageId, ThreadId};
use crate::store::keys::{self, Kind};
use crate::store::rows::account::AccountState;
use crate::store::rows::message::{Place, Whereabouts};
use crate::store::{Read, Result, Snapshot, Store, Tx};

/// Rows removed in one transaction.
const AT_ONCE: usize = 500;
/// Rows found before they are removed: bounds the memory.
const FOUND: usize = 20_000;

/// Whether so many messages are gone that the walk over those that are left is paid for.
pub(super) fn is_worth_it(state: &AccountState) -> bool {
    state.forgotten > 1_000 + state.messages / 4
}

/// Removes the rows of conversations without a message.
pub(super) fn forget(store: &Store, account: AccountId) -> Result<()> {
    let read = store.read();
    let last = MessageId(read.account_state(account)?.next_message);
    let used = threads_in_use(&read, account)?;
    let mut from = keys::of_account(Kind::Thread, account);
    loop {
        let (found, next) = unused(&read, account, &from, &used)?;
        for part in found.chunks(AT_ONCE) {
            let part = part.to_vec();
            store.write_blocking(move |tx| remove(tx, account, last, part))?;
        }
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    store.write_blocking(move |tx| tx.update_state(account, |state| state.forgotten = 0))
}

fn threads_in_use(read: &Snapshot, account: AccountId) -> Result<HashSet<ThreadId>> {
    let mut used = HashSet::new();
    read.scan_prefix(&keys::of_account(Kind::Place, account), &mut |_, value| {
        used.insert(Place::decode(value)?.thread);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(used)
}

type Row = (Bytes, ThreadId);

/// Rows from `from` on whose conversation is not in use, and where to go on.
fn unused(
    read: &Snapshot,
    account: AccountId,
    from: &[u8],
    used: &HashSet<ThreadId>,
) -> Result<(Vec<Row>, Option<Bytes>)> {
    let end = keys::after_prefix(&keys::of_account(Kind::Thread, account));
    let (mut found, mut next) = (Vec::new(), None);
    read.scan(from, &end, &mut |key, value| {
        if found.len() == FOUND {
            next = Some(Bytes::copy_from_slice(key));
            return Ok(ControlFlow::Break(()));
        }
        if let Some(thread) = keys::u64_at(value, 0).map(ThreadId)
            && !used.contains(&thread)
        {
            found.push((Bytes::copy_from_slice(key), thread));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((found, next))
}

/// Removes rows that still say the same, unless a message joined meanwhile: those have ids
/// behind `last`.
fn remove(tx: &mut Tx<'_>, account: AccountId, last: MessageId, rows: Vec<Row>) -> Result<()> {
    let start = keys::message(account, MessageId(last.0 + 1));
    let end = keys::after_prefix(&keys::of_account(Kind::Message, account));
    let mut arrived = Vec::new();
    tx.scan(&start, &end, &mut |_, value| {
        arrived.push(Whereabouts::decode(account, value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut joined = HashSet::new();
    for place in arrived {
        joined.extend(tx.place(place.mailbox, place.uid)?.map(|place| place.thread));
    }
    for (key, thread) in rows {
        let now = tx.get(&key)?.and_then(|value| keys::u64_at(&value, 0));
        if now == Some(thread.0) && !joined.contains(&thread) {
            tx.delete(key);
        }
    }
    Ok(())
}
