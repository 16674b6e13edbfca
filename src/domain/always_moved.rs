//! Conversations that are always moved: what of them arrives later goes to a mailbox of the
//! account's choice instead of the inbox (MS-ASCMD 2.2.3.118, MS-ASCON 2.2.2.8).
//!
//! It holds until the conversation is moved elsewhere: back to the inbox, to another mailbox
//! for good, or one of its messages by hand from the mailbox where they gather.

use crate::base::id::{AccountId, MailboxId, ThreadId};
use crate::domain::message::Stored;
use crate::domain::{Result, mailbox, thread};
use crate::store::rows::always_moved::AlwaysMoved;
use crate::store::rows::mailbox::{Mailbox, SpecialUse};
use crate::store::{Read, Tx, keys};

/// Conversations of one account; of more, the oldest decisions are forgotten.
const MOST: usize = 500;

fn load(read: &impl Read, account: AccountId) -> Result<AlwaysMoved> {
    let row = read.get(&keys::always_moved(account))?;
    Ok(row.map(|row| AlwaysMoved::decode(&row)).transpose()?.unwrap_or_default())
}

fn put(tx: &mut Tx<'_>, account: AccountId, row: &AlwaysMoved) {
    match row.all.is_empty() {
        true => tx.delete(keys::always_moved(account)),
        false => tx.put(keys::always_moved(account), row.encode()),
    }
}

/// From now on messages of a conversation go to this mailbox; the inbox is where they went
/// anyhow.
pub fn set(tx: &mut Tx<'_>, thread: ThreadId, to: MailboxId) -> Result<()> {
    let mut row = load(tx, to.account)?;
    row.all.retain(|(of, _)| *of != thread);
    if mailbox::find(tx, to.account, mailbox::INBOX)?.id != to {
        row.all.push((thread, to.number));
        let surplus = row.all.len().saturating_sub(MOST);
        row.all.drain(..surplus);
    }
    put(tx, to.account, &row);
    Ok(())
}

/// Where an arriving message goes: the inbox, unless its conversation is moved.
pub fn destination(tx: &mut Tx<'_>, account: AccountId, stored: &Stored) -> Result<MailboxId> {
    let inbox = mailbox::find(tx, account, mailbox::INBOX)?.id;
    let mut row = load(tx, account)?;
    if row.all.is_empty() {
        return Ok(inbox);
    }
    let thread = thread::assign(tx, account, stored.links())?;
    let Some((_, number)) = row.all.iter().find(|(of, _)| *of == thread) else {
        return Ok(inbox);
    };
    let to = MailboxId::new(account, *number);
    if tx.mailbox(to)?.is_some() {
        return Ok(to);
    }
    // The mailbox was deleted, and the decision with it.
    row.all.retain(|(_, mailbox)| *mailbox != to.number);
    put(tx, account, &row);
    Ok(inbox)
}

/// Messages were moved: a conversation that gathers where they were does so no longer. What is
/// thrown away says nothing of the others.
pub fn left(tx: &mut Tx<'_>, from: MailboxId, threads: &[ThreadId], to: &Mailbox) -> Result<()> {
    if matches!(to.special_use, Some(SpecialUse::Trash | SpecialUse::Junk)) {
        return Ok(());
    }
    let mut row = load(tx, from.account)?;
    let before = row.all.len();
    row.all.retain(|(of, mailbox)| *mailbox != from.number || !threads.contains(of));
    if row.all.len() != before {
        put(tx, from.account, &row);
    }
    Ok(())
}
