//! Messages: arriving, flags, copies, moves, removal. Decided once for every front.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, ContentId, KeywordId, MailboxId, ModSeq, Uid};
use crate::base::uidset::UidSet;
use crate::domain::mailbox::require;
use crate::domain::thread::Links;
use crate::domain::{Error, Result, always_moved, quota, thread};
use crate::format::mime::{Record, RecordView};
use crate::store::rows::flags::{Flags, PAGE};
use crate::store::{self, Message, NewBody, NewMessage, Read, Store, Tx};

/// Longest keyword (IMAP flag without backslash) in bytes.
pub const KEYWORD_MAX: usize = 200;
/// Keywords an account may have used in all its life: far beyond what labels and mail programs
/// make, and a bound on what a hostile client can.
pub const KEYWORDS_MAX: u32 = 10_000;

/// A message with its cold record computed, ready for a transaction. Making one is the costly
/// part of an arrival and needs no transaction.
#[derive(Clone, Debug)]
pub struct Prepared {
    record: Bytes,
    body: NewBody,
    facts: Facts,
}

#[derive(Clone, Debug)]
struct Facts {
    size: u64,
    sent: Option<UnixTime>,
    links: Links,
}

impl Prepared {
    /// From a message that is held in memory; `prefix` is what delivery puts in front.
    pub fn new(prefix: &[u8], raw: Bytes) -> Prepared {
        let record = Bytes::from(Record::build(prefix, &raw));
        let facts = Facts::of(&record, prefix.len() as u64 + raw.len() as u64);
        Prepared { record, body: NewBody::Bytes(raw), facts }
    }

    /// From a message that was streamed into the store's spool and finished there.
    pub fn spooled(store: &Store, prefix: &[u8], at: store::engine::BodyRef) -> Result<Prepared> {
        let record = store.read().with_body(&at, |raw| Bytes::from(Record::build(prefix, raw)))?;
        let facts = Facts::of(&record, prefix.len() as u64 + at.len);
        Ok(Prepared { record, body: NewBody::Spooled(at), facts })
    }

    /// Octets as clients will see it.
    pub fn size(&self) -> u64 {
        self.facts.size
    }

    /// The encoded cold record.
    pub fn record(&self) -> &[u8] {
        &self.record
    }
}

impl Facts {
    fn of(record: &[u8], size: u64) -> Facts {
        let Ok(view) = RecordView::parse(record) else {
            return Facts { size, sent: None, links: Links::default() };
        };
        let links = Links {
            message_id: view.message_id().map(str::to_owned),
            references: view.references().map(str::to_owned).collect(),
            base_subject: view.base_subject().to_owned(),
        };
        Facts { size, sent: view.sent_date(), links }
    }
}

/// A message whose content is in the transaction, to be added to mailboxes.
#[derive(Clone, Debug)]
pub struct Stored {
    content: ContentId,
    facts: Facts,
}

impl Stored {
    /// What it says about its conversation.
    pub fn links(&self) -> &Links {
        &self.facts.links
    }

    pub fn content(&self) -> ContentId {
        self.content
    }

    /// Octets as clients will see it.
    pub fn size(&self) -> u64 {
        self.facts.size
    }
}

/// A message whose content is in the store already, to be added to further mailboxes.
pub fn stored(read: &impl Read, content: ContentId) -> Result<Stored> {
    let record = read.content(content)?.ok_or(Error::NotFound("message"))?;
    let size = RecordView::parse(&record).map_or(0, |view| view.size());
    Ok(Stored { content, facts: Facts::of(&record, size) })
}

/// Puts the content of a message into the store, once for all its recipients.
pub fn store_content(tx: &mut Tx<'_>, prepared: Prepared) -> Result<Stored> {
    let content = tx.add_content(prepared.record, prepared.body)?;
    Ok(Stored { content, facts: prepared.facts })
}

/// Adds a message to a mailbox: a delivery, an APPEND, an import. Fails with `OverQuota` or
/// `NotFound`.
pub fn add(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    stored: &Stored,
    flags: &FlagNames,
    internal_date: Option<UnixTime>,
) -> Result<Message> {
    add_received(tx, mailbox, stored, flags, internal_date.map(Received::from))
}

/// When a message was received, and in which zone that is told (INTERNALDATE).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    pub at: UnixTime,
    /// Minutes east of Greenwich.
    pub zone: i16,
}

impl Received {
    /// A zone of a day or more exists nowhere: such a date is told in UTC.
    pub fn zoned(at: UnixTime, zone: i16) -> Self {
        Self { at, zone: if zone.unsigned_abs() < 24 * 60 { zone } else { 0 } }
    }
}

impl From<UnixTime> for Received {
    fn from(at: UnixTime) -> Self {
        Self { at, zone: 0 }
    }
}

/// [`add`] with the zone that somebody gave the date in.
pub fn add_received(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    stored: &Stored,
    flags: &FlagNames,
    received: Option<Received>,
) -> Result<Message> {
    require(tx, mailbox)?;
    quota::require(tx, mailbox.account, stored.facts.size)?;
    place(tx, mailbox, stored, flags, received)
}

/// Adds a message also to an account that is full: for what was promised to arrive, or nobody
/// would ever hear of. Fails with `NotFound`.
pub fn add_beyond_quota(tx: &mut Tx<'_>, mailbox: MailboxId, stored: &Stored) -> Result<Message> {
    require(tx, mailbox)?;
    place(tx, mailbox, stored, &FlagNames::default(), None)
}

fn place(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    stored: &Stored,
    flags: &FlagNames,
    received: Option<Received>,
) -> Result<Message> {
    let flags = flags.resolve(tx, mailbox.account)?;
    let thread = thread::assign(tx, mailbox.account, &stored.facts.links)?;
    let Received { at, zone } = received.unwrap_or(tx.now().into());
    let new = NewMessage {
        content: stored.content,
        thread,
        size: stored.facts.size,
        internal_date: at,
        zone,
        sent: stored.facts.sent.unwrap_or(at),
        flags,
    };
    Ok(tx.add_message(mailbox, &new)?)
}

/// Flags as clients name them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FlagNames {
    /// Of `\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`.
    pub system: Flags,
    /// Keywords: flags without a backslash, any case.
    pub keywords: Vec<String>,
}

impl FlagNames {
    pub fn system(flags: Flags) -> Self {
        Self { system: flags, keywords: Vec::new() }
    }

    /// The account's numbers for the names; new names get theirs now.
    fn resolve(&self, tx: &mut Tx<'_>, account: AccountId) -> Result<Flags> {
        let mut flags = self.system.clone();
        for name in &self.keywords {
            if name.is_empty() || name.len() > KEYWORD_MAX {
                return Err(Error::Invalid("the keyword is too long".into()));
            }
            if tx.account_state(account)?.next_keyword >= KEYWORDS_MAX {
                return Err(Error::TooMany("keywords"));
            }
            flags.insert_keyword(tx.keyword(account, name)?);
        }
        Ok(flags)
    }

    /// The same without giving numbers: unknown names are on no message.
    fn resolve_known(&self, read: &impl Read, account: AccountId) -> Result<Flags> {
        let mut flags = self.system.clone();
        if !self.keywords.is_empty() {
            for (id, known) in read.keywords(account)? {
                if self.keywords.iter().any(|name| name.eq_ignore_ascii_case(&known)) {
                    flags.insert_keyword(id);
                }
            }
        }
        Ok(flags)
    }
}

/// The account's number for a keyword, if any message ever had it.
pub fn keyword(read: &impl Read, account: AccountId, name: &str) -> Result<Option<KeywordId>> {
    let mut all = read.keywords(account)?.into_iter();
    Ok(all.find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(id, _)| id))
}

/// How flags change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagOp {
    Add,
    Remove,
    Replace,
}

/// A change of flags.
#[derive(Clone, Debug)]
pub struct FlagChange {
    pub op: FlagOp,
    pub flags: FlagNames,
    /// Messages changed behind this modseq are refused (RFC 7162 §3.1.3).
    pub unless_after: Option<ModSeq>,
}

/// What a change of flags did.
#[derive(Clone, Debug, Default)]
pub struct Flagged {
    /// Messages that changed, with their modseq of before, ascending.
    pub changed: Vec<(Uid, ModSeq)>,
    /// Messages that had changed behind `unless_after`.
    pub refused: UidSet,
    /// The modseq of the change.
    pub modseq: ModSeq,
}

/// Sets, adds or clears flags on messages of one mailbox; one modseq for all of them.
///
/// A message without an actual change keeps its modseq (RFC 7162 §3.1), a UID that no longer
/// exists is skipped (RFC 9051 §6.4.9).
pub fn set_flags(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    uids: &UidSet,
    change: &FlagChange,
) -> Result<Flagged> {
    let row = require(tx, mailbox)?;
    let named = match change.op {
        FlagOp::Remove => change.flags.resolve_known(tx, mailbox.account)?,
        FlagOp::Add | FlagOp::Replace => change.flags.resolve(tx, mailbox.account)?,
    };
    let mut done = Flagged::default();
    let uids = existing(uids, row.uid_next);
    done.changed = tx.change_flags(mailbox, &uids, |uid, hot| {
        if change.unless_after.is_some_and(|limit| hot.modseq > limit) {
            done.refused.insert(uid.0);
            return None;
        }
        let mut flags = hot.flags.clone();
        match change.op {
            FlagOp::Add => drop(flags.add(&named)),
            FlagOp::Remove => drop(flags.remove(&named)),
            FlagOp::Replace => flags = named.clone(),
        }
        Some(flags)
    })?;
    done.modseq = tx.account_state(mailbox.account)?.modseq;
    Ok(done)
}

/// Copies messages; flags and dates come along. Returns old and new UIDs, ascending
/// (RFC 4315 COPYUID).
pub fn copy(
    tx: &mut Tx<'_>,
    from: MailboxId,
    uids: &UidSet,
    to: MailboxId,
) -> Result<Vec<(Uid, Uid)>> {
    let source = require(tx, from)?;
    require(tx, to)?;
    let mut messages = Vec::new();
    for uid in existing(uids, source.uid_next).uids() {
        let Some(hot) = tx.hot_mut_page(from, uid)?.cloned() else { continue };
        if let Some(place) = tx.place(from, uid)? {
            messages.push(Message { uid, place, hot });
        }
    }
    let bytes = messages.iter().map(|message| message.place.size).sum();
    quota::require(tx, to.account, bytes)?;
    let mut done = Vec::with_capacity(messages.len());
    for message in messages {
        let place = message.place;
        let new = NewMessage {
            content: place.content,
            thread: place.thread,
            size: place.size,
            internal_date: place.internal_date,
            zone: place.zone,
            sent: place.sent,
            flags: message.hot.flags,
        };
        let copied = tx.add_message(to, &new)?.uid;
        if let Some(marks) = tx.marks(from.account, place.message)? {
            tx.put_marks(to, copied, &marks)?;
        }
        done.push((message.uid, copied));
    }
    Ok(done)
}

/// Moves messages; they keep their ids. Returns old and new UIDs, ascending (RFC 6851).
pub fn move_to(
    tx: &mut Tx<'_>,
    from: MailboxId,
    uids: &UidSet,
    to: MailboxId,
) -> Result<Vec<(Uid, Uid)>> {
    let source = require(tx, from)?;
    let target = require(tx, to)?;
    let (mut done, mut threads) = (Vec::new(), Vec::new());
    for uid in existing(uids, source.uid_next).uids() {
        if let Some(message) = tx.move_message(from, uid, to)? {
            done.push((uid, message.uid));
            threads.push(message.place.thread);
        }
    }
    always_moved::left(tx, from, &threads, &target)?;
    Ok(done)
}

/// Moves everything (renaming the inbox).
pub fn move_all(tx: &mut Tx<'_>, from: MailboxId, to: MailboxId) -> Result<()> {
    let all = all_uids(tx, from, |_| true)?;
    move_to(tx, from, &all, to).map(drop)
}

/// Removes messages that have `\Deleted`, of all or of some UIDs. Returns those removed.
pub fn expunge(tx: &mut Tx<'_>, mailbox: MailboxId, only: Option<&UidSet>) -> Result<UidSet> {
    if require(tx, mailbox)?.deleted == 0 {
        return Ok(UidSet::new());
    }
    let mut uids = all_uids(tx, mailbox, Flags::deleted)?;
    if let Some(only) = only {
        uids = uids.intersect(only);
    }
    remove(tx, mailbox, &uids)?;
    Ok(uids)
}

/// Removes messages whatever their flags.
pub fn remove(tx: &mut Tx<'_>, mailbox: MailboxId, uids: &UidSet) -> Result<()> {
    let row = require(tx, mailbox)?;
    for uid in existing(uids, row.uid_next).uids() {
        tx.remove_message(mailbox, uid)?;
    }
    Ok(())
}

/// Removes every message of a mailbox.
pub fn remove_all(tx: &mut Tx<'_>, mailbox: MailboxId) -> Result<()> {
    let all = all_uids(tx, mailbox, |_| true)?;
    remove(tx, mailbox, &all)
}

/// Removes at most `limit` of the messages below a UID; whether some are left. So a large
/// mailbox is emptied in several transactions, and what arrives meanwhile stays.
pub fn remove_some(tx: &mut Tx<'_>, mailbox: MailboxId, below: Uid, limit: usize) -> Result<bool> {
    let all = all_uids(tx, mailbox, |_| true)?;
    let some: UidSet = all.iter().take_while(|uid| *uid < below.0).take(limit + 1).collect();
    let more = some.len() > limit as u64;
    remove(tx, mailbox, &some)?;
    Ok(more)
}

fn all_uids(
    read: &impl Read,
    mailbox: MailboxId,
    wanted: impl Fn(&Flags) -> bool,
) -> Result<UidSet> {
    let last = require(read, mailbox)?.uid_next.0.saturating_sub(1);
    let mut uids = UidSet::new();
    for number in 0..=last / PAGE {
        if let Some(page) = read.flag_page(mailbox, number)? {
            page.iter(number).filter(|(_, hot)| wanted(&hot.flags)).for_each(|(uid, _)| {
                uids.insert(uid.0);
            });
        }
    }
    Ok(uids)
}

/// `1:*` must not count to four billion.
fn existing(uids: &UidSet, uid_next: Uid) -> UidSet {
    uids.intersect(&UidSet::range(1, uid_next.0.saturating_sub(1).max(1)))
}
