//! Mail that the server writes: rows in the transaction that made it necessary, which delivery
//! carries out exactly once. No outside effect here, so that any rule may send.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::base::id::AccountId;
use crate::domain::Result;
use crate::domain::message::{self, Prepared};
use crate::store::keys::{self, Kind};
use crate::store::rows::outbox::OutboxEntry;
use crate::store::{self, Read, Tx};

/// Recipients in one row: with the longest addresses it stays under a value's limit.
const RECIPIENTS: usize = 100;

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Mail {
    pub account: AccountId,
    /// `None` is the null sender.
    pub sender: Option<String>,
    pub recipients: Vec<String>,
    /// The message, lines ending in CRLF.
    pub raw: Vec<u8>,
    /// Whether the account keeps a copy among its sent mail.
    pub keep: bool,
}

/// Puts a message into the outbox.
pub fn put(tx: &mut Tx<'_>, mail: Mail) -> Result<()> {
    let path = mail.sender.as_deref().unwrap_or_default();
    let prefix = format!("Return-Path: <{path}>\r\n");
    let prepared = Prepared::new(prefix.as_bytes(), Bytes::from(mail.raw));
    let content = message::store_content(tx, prepared)?.content();
    for (at, some) in mail.recipients.chunks(RECIPIENTS).enumerate() {
        let entry = OutboxEntry {
            account: mail.account,
            content,
            sender: mail.sender.clone(),
            recipients: some.to_vec(),
            keep: mail.keep && at == 0,
        };
        let number = tx.next_number()?;
        tx.put(keys::outbox(number), entry.encode());
        tx.hold_content(content);
    }
    // The worker hears of changes to accounts.
    tx.bump(mail.account)?;
    Ok(())
}

/// What waits behind a number, oldest first, with the number that names each row.
pub fn list(read: &impl Read, after: Option<u64>, most: usize) -> Result<Vec<(u64, OutboxEntry)>> {
    let mut all = Vec::new();
    let start = keys::outbox(after.map_or(0, |number| number.saturating_add(1)));
    let end = keys::after_prefix(&keys::kind(Kind::Outbox));
    read.scan(&start, &end, &mut |key, value| {
        let number = keys::u64_at(key, 1).unwrap_or_default();
        all.push((number, OutboxEntry::decode(value)?));
        Ok(if all.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(all)
}

/// Takes a row out; `None` if there is none of this number. The content stays for as long as
/// this transaction gives it to somebody.
pub fn take(tx: &mut Tx<'_>, number: u64) -> store::Result<Option<OutboxEntry>> {
    let key = keys::outbox(number);
    let Some(row) = tx.get(&key)? else { return Ok(None) };
    let entry = OutboxEntry::decode(&row)?;
    tx.release_content(entry.content);
    tx.delete(key);
    Ok(Some(entry))
}
