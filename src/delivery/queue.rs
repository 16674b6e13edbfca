//! Mail that waits to be sent elsewhere: durable rows, one per message and some recipients.
//!
//! Putting in, listing and taking out; who carries the mail away reads the same rows.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::base::id::AccountId;
use crate::delivery::recipient::Wish;
use crate::delivery::{Envelope, Trace};
use crate::domain::message::Stored;
use crate::store::keys::{self, Kind};
use crate::store::rows::queue::{QueueEntry, QueueRecipient};
use crate::store::{Read, Result, Tx};

/// Recipients in one row: with the longest addresses and ORCPTs it stays under a value's limit.
const RECIPIENTS: usize = 50;

/// A message for elsewhere, as it is about to be queued.
pub(super) struct Outgoing<'a> {
    pub envelope: &'a Envelope,
    pub trace: &'a Trace,
    pub account: Option<AccountId>,
    pub prefix: &'a Bytes,
    /// Octets of the body alone.
    pub body_size: u64,
}

/// Queues a message for these recipients; the content is kept for as long as a row names it.
pub(super) fn put(
    tx: &mut Tx<'_>,
    outgoing: &Outgoing<'_>,
    stored: &Stored,
    recipients: &[Wish],
) -> Result<()> {
    let (mail, now) = (&outgoing.envelope.mail, tx.now());
    for some in recipients.chunks(RECIPIENTS) {
        let entry = QueueEntry {
            content: stored.content(),
            size: outgoing.prefix.len() as u64 + outgoing.body_size,
            accepted: now,
            id: outgoing.trace.id.clone(),
            account: outgoing.account,
            sender: mail.sender.as_ref().map(ToString::to_string),
            prefix: outgoing.prefix.clone(),
            smtputf8: mail.smtputf8,
            eight_bit: mail.body == crate::format::smtp::Body::EightBit,
            ret: mail.ret,
            envid: mail.envid.clone(),
            recipients: some
                .iter()
                .map(|wish| QueueRecipient {
                    address: wish.address.to_string(),
                    notify: wish.notify,
                    orcpt: wish.orcpt.clone(),
                    tries: 0,
                    next_try: now,
                    last_answer: String::new(),
                    looked: now,
                    waited: 0,
                    told: false,
                })
                .collect(),
        };
        let number = tx.next_number()?;
        tx.put(keys::queue(number), entry.encode());
        tx.hold_content(entry.content);
    }
    Ok(())
}

/// Everything that waits, oldest first, with the number that names each row.
pub fn list(read: &impl Read) -> Result<Vec<(u64, QueueEntry)>> {
    let mut all = Vec::new();
    read.scan_prefix(&keys::kind(Kind::Queue), &mut |key, value| {
        let number = keys::u64_at(key, 1).unwrap_or_default();
        all.push((number, QueueEntry::decode(value)?));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all)
}

/// Takes a row out; `false` if there is none of this number.
pub fn remove(tx: &mut Tx<'_>, number: u64) -> Result<bool> {
    let key = keys::queue(number);
    let Some(row) = tx.get(&key)? else { return Ok(false) };
    tx.release_content(QueueEntry::decode(&row)?.content);
    tx.delete(key);
    Ok(true)
}
