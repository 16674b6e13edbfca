//! The transaction: it keeps the books.
//!
//! Whoever adds, changes or removes a message here has moved its one entry in the change log,
//! the mailbox's and the account's counters, and the modseq with it. Changes collect in decoded
//! form (mailboxes, flag pages) and become rows once, when the operation has succeeded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{
    AccountId, ContentId, KeywordId, MailboxId, MessageId, ModSeq, ThreadId, Uid,
};
use crate::base::uidset::UidSet;
use crate::store::engine::{BodyRef, Engine, NewBody};
use crate::store::keys::{self, Kind};
use crate::store::read::{Read, RowFn};
use crate::store::rows::account::{Account, AccountState, AddressRow, Domain};
use crate::store::rows::flags::{FlagPage, Flags, Hot, PAGE};
use crate::store::rows::log::LogEntry;
use crate::store::rows::mailbox::Mailbox;
use crate::store::rows::message::{Body, Place, Whereabouts};
use crate::store::rows::work::Work;
use crate::store::writer::Group;
use crate::store::{Error, Message, Result};

/// How long a body outlives its last message, so that a session which still shows an expunged
/// message can read it (RFC 2180 §4.1.2).
pub const GRACE_SECS: i64 = 3600;

/// A message about to get a place.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub content: ContentId,
    pub thread: ThreadId,
    pub size: u64,
    pub internal_date: UnixTime,
    pub sent: UnixTime,
    pub flags: Flags,
}

/// One operation's changes on top of the group's.
pub struct Tx<'g> {
    group: &'g mut Group,
    rows: BTreeMap<Bytes, Option<Bytes>>,
    accounts: HashMap<AccountId, AccountChange>,
    mailboxes: HashMap<MailboxId, Mailbox>,
    pages: HashMap<(MailboxId, u32), FlagPage>,
    /// Pages that were changed, not only looked at.
    dirty: HashSet<(MailboxId, u32)>,
    log: HashMap<MailboxId, LogChange>,
    sharers: HashMap<ContentId, i64>,
    bodies: Vec<(ContentId, NewBody)>,
    moved_bodies: Vec<(ContentId, Bytes)>,
    /// The same with the number of sharers, when nothing can fail any more.
    relocated: Vec<(ContentId, u32, Bytes)>,
    next_number: Option<u64>,
    /// Rows are taken as they are: nothing is derived from them.
    restoring: bool,
}

#[derive(Default)]
struct AccountChange {
    state: AccountState,
    bumped: bool,
}

#[derive(Default)]
struct LogChange {
    changed: UidSet,
    gone: Vec<(Uid, MessageId)>,
    /// Where the items stood in the log before.
    old: BTreeMap<ModSeq, UidSet>,
}

impl LogChange {
    fn moved(&mut self, uid: Uid, from: ModSeq, to: ModSeq) {
        if from != to {
            self.old.entry(from).or_default().insert(uid.0);
            self.changed.insert(uid.0);
        }
    }
}

/// What an operation leaves behind when it succeeded.
pub(super) struct Finished {
    pub rows: BTreeMap<Bytes, Option<Bytes>>,
    pub bodies: Vec<(BodyRef, Bytes)>,
    pub changed: Vec<(AccountId, ModSeq)>,
}

impl Tx<'_> {
    pub(super) fn new(group: &mut Group) -> Tx<'_> {
        Tx {
            group,
            rows: BTreeMap::new(),
            accounts: HashMap::new(),
            mailboxes: HashMap::new(),
            pages: HashMap::new(),
            dirty: HashSet::new(),
            log: HashMap::new(),
            sharers: HashMap::new(),
            bodies: Vec::new(),
            moved_bodies: Vec::new(),
            relocated: Vec::new(),
            next_number: None,
            restoring: false,
        }
    }

    /// The time of this transaction.
    pub fn now(&self) -> UnixTime {
        self.group.now
    }

    /// Sets a row that is nobody's change (facts of the server, work for later).
    pub fn put(&mut self, key: Bytes, value: Bytes) {
        self.rows.insert(key, Some(value));
    }

    pub fn delete(&mut self, key: Bytes) {
        self.rows.insert(key, None);
    }

    /// A number that is given once, server-wide and increasing.
    pub fn next_number(&mut self) -> Result<u64> {
        let key = keys::meta("number");
        let next = match self.next_number {
            Some(next) => next,
            None => self.get(&key)?.and_then(|v| keys::u64_at(&v, 0)).unwrap_or(1),
        };
        self.next_number = Some(next + 1);
        Ok(next)
    }

    /// Puts work under its due time; a worker carries it out (`jobs`).
    pub fn put_work(&mut self, due: UnixTime, work: &Work) -> Result<()> {
        let number = self.next_number()?;
        self.put(keys::due(due, number), work.encode());
        Ok(())
    }

    // -- accounts, addresses, domains

    pub fn put_domain(&mut self, domain: &Domain) {
        self.put(keys::domain(&domain.name), domain.encode());
    }
    pub fn put_account(&mut self, account: &Account) {
        self.put(keys::account(account.id), account.encode());
    }
    pub fn put_address(&mut self, canonical: &str, row: &AddressRow) {
        self.put(keys::address(canonical), row.encode());
    }

    /// The account's modseq for this transaction; the first call takes the next one.
    pub fn bump(&mut self, account: AccountId) -> Result<ModSeq> {
        let change = self.account_mut(account)?;
        if !change.bumped {
            change.bumped = true;
            change.state.modseq.0 += 1;
        }
        Ok(change.state.modseq)
    }

    /// What [`Tx::bump`] gives or would give; takes nothing.
    fn next_modseq(&mut self, account: AccountId) -> Result<ModSeq> {
        let change = self.account_mut(account)?;
        Ok(ModSeq(change.state.modseq.0 + u64::from(!change.bumped)))
    }

    /// A change of the account's sequences by hand (horizon, keyword numbers).
    pub fn update_state(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut AccountState),
    ) -> Result<()> {
        change(&mut self.account_mut(account)?.state);
        Ok(())
    }

    fn account_mut(&mut self, account: AccountId) -> Result<&mut AccountChange> {
        if !self.accounts.contains_key(&account) {
            let state = self.account_state(account)?;
            self.accounts.insert(account, AccountChange { state, bumped: false });
        }
        Ok(self.accounts.entry(account).or_default())
    }

    /// The number of a keyword, given now if the account has not used it before.
    pub fn keyword(&mut self, account: AccountId, name: &str) -> Result<KeywordId> {
        let known = self.keywords(account)?;
        if let Some((id, _)) = known.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)) {
            return Ok(*id);
        }
        let state = &mut self.account_mut(account)?.state;
        let id = u16::try_from(state.next_keyword).map_err(|_| Error::Full)?;
        state.next_keyword += 1;
        self.put(keys::keyword(account, id.into()), Bytes::copy_from_slice(name.as_bytes()));
        Ok(KeywordId(id))
    }

    // -- mailboxes

    /// Adds or changes a mailbox (not its counters) and logs it in the account's hierarchy.
    pub fn put_mailbox(&mut self, mailbox: &Mailbox) -> Result<()> {
        let id = mailbox.id;
        let modseq = self.bump(id.account)?;
        let old = self.mailbox(id)?;
        let log = self.log.entry(MailboxId::new(id.account, 0)).or_default();
        match &old {
            Some(old) => log.moved(Uid(id.number), old.listed, modseq),
            None => log.changed.insert(id.number),
        }
        if let Some(old) = old.filter(|old| old.name != mailbox.name) {
            self.delete(keys::mailbox_name(id.account, &old.name));
        }
        self.put(
            keys::mailbox_name(id.account, &mailbox.name),
            Bytes::copy_from_slice(&id.number.to_be_bytes()),
        );
        self.mailboxes.insert(id, Mailbox { listed: modseq, ..mailbox.clone() });
        Ok(())
    }

    /// A number for a new mailbox and its UIDVALIDITY, both never given before.
    pub fn next_mailbox(&mut self, account: AccountId) -> Result<(MailboxId, u32)> {
        let now = self.now().clamp(1, u32::MAX.into()) as u32;
        let state = &mut self.account_mut(account)?.state;
        state.next_mailbox += 1;
        state.uid_validity = now.max(state.uid_validity + 1);
        Ok((MailboxId::new(account, state.next_mailbox), state.uid_validity))
    }

    /// Removes a mailbox that holds no message any more.
    pub fn remove_mailbox(&mut self, mailbox: &Mailbox) -> Result<()> {
        let id = mailbox.id;
        let modseq = self.bump(id.account)?;
        let log = self.log.entry(MailboxId::new(id.account, 0)).or_default();
        log.moved(Uid(id.number), mailbox.listed, modseq);
        log.changed.remove(id.number);
        log.gone.push((Uid(id.number), MessageId(0)));
        self.delete(keys::mailbox_name(id.account, &mailbox.name));
        self.mailboxes.remove(&id);
        self.log.remove(&id);
        self.pages.retain(|(of, _), _| *of != id);
        for kind in [Kind::Annotation, Kind::Log, Kind::Flags] {
            self.delete_prefix(&keys::of_mailbox(kind, id))?;
        }
        self.delete(keys::mailbox(id));
        Ok(())
    }

    /// Deletes every row under a prefix.
    pub fn delete_prefix(&mut self, prefix: &[u8]) -> Result<()> {
        let mut found = Vec::new();
        self.scan_prefix(prefix, &mut |key, _| {
            found.push(Bytes::copy_from_slice(key));
            Ok(ControlFlow::Continue(()))
        })?;
        found.into_iter().for_each(|key| self.delete(key));
        Ok(())
    }

    fn mailbox_mut(&mut self, id: MailboxId) -> Result<&mut Mailbox> {
        if !self.mailboxes.contains_key(&id) {
            let mailbox = self.mailbox(id)?.ok_or_else(no_mailbox)?;
            self.mailboxes.insert(id, mailbox);
        }
        self.mailboxes.get_mut(&id).ok_or_else(no_mailbox)
    }

    // -- messages

    /// Stores a cold record and its body; it is kept from the first message that shares it on.
    pub fn add_content(&mut self, record: Bytes, body: NewBody) -> Result<ContentId> {
        let id = ContentId(self.next_number()?);
        self.put(keys::content(id), record);
        self.bodies.push((id, body));
        Ok(id)
    }

    /// Keeps a content for something that is no message (a queue row), until it is released.
    pub fn hold_content(&mut self, id: ContentId) {
        *self.sharers.entry(id).or_default() += 1;
    }

    /// Ends what [`Tx::hold_content`] began.
    pub fn release_content(&mut self, id: ContentId) {
        *self.sharers.entry(id).or_default() -= 1;
    }

    /// Puts a new message into a mailbox.
    pub fn add_message(&mut self, mailbox: MailboxId, new: &NewMessage) -> Result<Message> {
        let state = &mut self.account_mut(mailbox.account)?.state;
        state.next_message += 1;
        let message = MessageId(state.next_message);
        let place = Place {
            message,
            content: new.content,
            thread: new.thread,
            size: new.size,
            internal_date: new.internal_date,
            sent: new.sent,
            saved: self.now(),
        };
        *self.sharers.entry(new.content).or_default() += 1;
        self.put_place(mailbox, place, new.flags.clone())
    }

    /// Changes the flags of messages: `change` gives a message's new flags, or `None` to leave
    /// it. Returns those that really changed with their modseq of before, ascending.
    ///
    /// Works page by page, since `STORE 1:*` is one operation over everything there is.
    pub fn change_flags(
        &mut self,
        mailbox: MailboxId,
        uids: &UidSet,
        mut change: impl FnMut(Uid, &Hot) -> Option<Flags>,
    ) -> Result<Vec<(Uid, ModSeq)>> {
        let modseq = self.next_modseq(mailbox.account)?;
        let mut changed: Vec<(Uid, ModSeq)> = Vec::new();
        let (mut unseen, mut deleted) = (0i64, 0i64);
        for &(from, to) in uids.ranges() {
            for number in from / PAGE..=to / PAGE {
                let first = from.max(number * PAGE);
                let last = to.min(number * PAGE + (PAGE - 1));
                let before = changed.len();
                let page = self.page_mut(mailbox, number)?;
                for uid in (first..=last).map(Uid) {
                    let Some(hot) = page.slot_mut(uid) else { continue };
                    let Some(flags) = change(uid, hot).filter(|flags| *flags != hot.flags) else {
                        continue;
                    };
                    unseen += i64::from(!flags.seen()) - i64::from(!hot.flags.seen());
                    deleted += i64::from(flags.deleted()) - i64::from(hot.flags.deleted());
                    let old = std::mem::replace(hot, Hot { modseq, flags });
                    changed.push((uid, old.modseq));
                }
                if changed.len() > before {
                    self.dirty.insert((mailbox, number));
                }
            }
        }
        if changed.is_empty() {
            return Ok(changed);
        }
        self.bump(mailbox.account)?;
        let row = self.mailbox_mut(mailbox)?;
        row.unseen = row.unseen.saturating_add_signed(unseen as i32);
        row.deleted = row.deleted.saturating_add_signed(deleted as i32);
        row.modseq = modseq;
        let log = self.log.entry(mailbox).or_default();
        // Neighbours were mostly changed together before, too.
        for run in changed.chunk_by(|a, b| a.1 == b.1) {
            let Some(&(_, before)) = run.first() else { continue };
            if before != modseq {
                let uids = run.iter().map(|(uid, _)| uid.0);
                uids.clone().for_each(|uid| log.changed.insert(uid));
                let old = log.old.entry(before).or_default();
                uids.for_each(|uid| old.insert(uid));
            }
        }
        Ok(changed)
    }

    /// Takes a message out of its mailbox for good.
    pub fn remove_message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        let Some(message) = self.take_place(mailbox, uid)? else { return Ok(None) };
        self.delete(keys::message(mailbox.account, message.place.message));
        *self.sharers.entry(message.place.content).or_default() -= 1;
        Ok(Some(message))
    }

    /// Gives up a content that no message shares any more; its bytes stay until the segment is
    /// reclaimed. Returns where they are; `None` if the content is shared again, or gone.
    pub fn drop_content(&mut self, id: ContentId) -> Result<Option<BodyRef>> {
        let Some(body) = self.body_row(id)?.filter(|body| body.sharers == 0) else {
            return Ok(None);
        };
        self.delete(keys::body(id));
        self.delete(keys::content(id));
        Ok(Some(body.at))
    }

    /// Writes a body anew, so that its old segment can go. Nothing happens if the content has
    /// moved or gone meanwhile.
    pub fn relocate(&mut self, id: ContentId, from: BodyRef, bytes: Bytes) -> Result<()> {
        if self.body_row(id)?.is_some_and(|body| body.at == from) {
            self.moved_bodies.push((id, bytes));
        }
        Ok(())
    }

    /// Puts a body under an id and with a number of sharers that are known (restore).
    pub(super) fn put_body(&mut self, id: ContentId, sharers: u32, body: NewBody) {
        self.bodies.push((id, body));
        self.sharers.insert(id, sharers.into());
        self.restoring = true;
    }

    /// Drops the tombstones of one collection up to a modseq; with all of them dropped,
    /// [`Tx::update_state`] sets the horizon.
    pub fn drop_tombstones(&mut self, collection: MailboxId, upto: ModSeq) -> Result<()> {
        let start = keys::log(collection, ModSeq(0), 0);
        let end = keys::log(collection, ModSeq(upto.0.saturating_add(1)), 0);
        let mut changed = Vec::new();
        self.scan(&start, &end, &mut |key, value| {
            let entry = LogEntry::decode(value)?;
            if !entry.gone.is_empty() {
                changed.push((Bytes::copy_from_slice(key), entry.changed));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, changed) in changed {
            let rest = LogEntry { changed, gone: Vec::new() };
            self.rows.insert(key, if rest.is_empty() { None } else { Some(rest.encode()) });
        }
        Ok(())
    }

    /// Gives a message a new place; it keeps its id, its flags and its conversation.
    pub fn move_message(
        &mut self,
        from: MailboxId,
        uid: Uid,
        to: MailboxId,
    ) -> Result<Option<Message>> {
        let Some(message) = self.take_place(from, uid)? else { return Ok(None) };
        let place = Place { saved: self.now(), ..message.place };
        self.put_place(to, place, message.hot.flags).map(Some)
    }

    fn put_place(&mut self, mailbox: MailboxId, place: Place, flags: Flags) -> Result<Message> {
        let modseq = self.bump(mailbox.account)?;
        let row = self.mailbox_mut(mailbox)?;
        let uid = row.uid_next;
        row.uid_next = Uid(uid.0.checked_add(1).ok_or(Error::Full)?);
        row.messages += 1;
        row.unseen += u32::from(!flags.seen());
        row.deleted += u32::from(flags.deleted());
        row.bytes += place.size;
        row.modseq = modseq;
        let state = &mut self.account_mut(mailbox.account)?.state;
        state.messages += 1;
        state.bytes += place.size;
        let hot = Hot { modseq, flags };
        *self.page_mut(mailbox, uid.0 / PAGE)?.slot_mut(uid) = Some(hot.clone());
        self.dirty.insert((mailbox, uid.0 / PAGE));
        self.log.entry(mailbox).or_default().changed.insert(uid.0);
        self.put(keys::place(mailbox, uid), place.encode());
        self.put(
            keys::message(mailbox.account, place.message),
            Whereabouts { mailbox, uid }.encode(),
        );
        Ok(Message { uid, place, hot })
    }

    fn take_place(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        let Some(place) = self.place(mailbox, uid)? else { return Ok(None) };
        let Some(hot) = self.page_mut(mailbox, uid.0 / PAGE)?.slot_mut(uid).take() else {
            return Ok(None);
        };
        self.dirty.insert((mailbox, uid.0 / PAGE));
        let modseq = self.bump(mailbox.account)?;
        self.delete(keys::place(mailbox, uid));
        let row = self.mailbox_mut(mailbox)?;
        row.messages = row.messages.saturating_sub(1);
        row.unseen = row.unseen.saturating_sub(u32::from(!hot.flags.seen()));
        row.deleted = row.deleted.saturating_sub(u32::from(hot.flags.deleted()));
        row.bytes = row.bytes.saturating_sub(place.size);
        row.modseq = modseq;
        let state = &mut self.account_mut(mailbox.account)?.state;
        state.messages = state.messages.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(place.size);
        let log = self.log.entry(mailbox).or_default();
        log.moved(uid, hot.modseq, modseq);
        log.changed.remove(uid.0);
        log.gone.push((uid, place.message));
        Ok(Some(Message { uid, place, hot }))
    }

    fn page_mut(&mut self, mailbox: MailboxId, page: u32) -> Result<&mut FlagPage> {
        if !self.pages.contains_key(&(mailbox, page)) {
            let loaded = self.flag_page(mailbox, page)?.unwrap_or_default();
            self.pages.insert((mailbox, page), loaded);
        }
        Ok(self.pages.entry((mailbox, page)).or_default())
    }

    // -- the end of the operation

    /// Turns what was collected into rows.
    pub(super) fn finish(mut self, engine: &dyn Engine) -> Result<Finished> {
        self.finish_log()?;
        for (id, mailbox) in std::mem::take(&mut self.mailboxes) {
            self.put(keys::mailbox(id), mailbox.encode());
        }
        let pages = std::mem::take(&mut self.pages);
        let dirty = pages.into_iter().filter(|(id, _)| self.dirty.contains(id));
        for ((mailbox, number), page) in dirty {
            self.rows.insert(keys::flags(mailbox, number), page.encode());
        }
        self.finish_sharers()?;
        let mut changed = Vec::new();
        for (id, account) in std::mem::take(&mut self.accounts) {
            self.put(keys::account_state(id), account.state.encode());
            if account.bumped {
                changed.push((id, account.state.modseq));
            }
        }
        if let Some(next) = self.next_number {
            self.put(keys::meta("number"), Bytes::copy_from_slice(&next.to_be_bytes()));
        }
        // Nothing may fail behind this: what is placed must be committed.
        let bodies = self.place_bodies(engine);
        Ok(Finished { rows: self.rows, bodies, changed })
    }

    fn finish_log(&mut self) -> Result<()> {
        for (collection, mut change) in std::mem::take(&mut self.log) {
            let modseq = self.account_state(collection.account)?.modseq;
            for (old, uids) in change.old {
                self.remove_from_log(collection, old, uids)?;
            }
            change.gone.sort_unstable();
            let entry = LogEntry { changed: change.changed, gone: change.gone };
            if entry.is_empty() {
                continue;
            }
            for (part, entry) in (0..).zip(entry.parts()) {
                self.put(keys::log(collection, modseq, part), entry.encode());
            }
        }
        Ok(())
    }

    /// An item stands in the log once: takes `uids` out of the entries at `modseq`.
    fn remove_from_log(
        &mut self,
        collection: MailboxId,
        modseq: ModSeq,
        mut uids: UidSet,
    ) -> Result<()> {
        let mut part = 0;
        // Nearly always there is one part, so it is asked for by its key.
        let first = keys::log(collection, modseq, part);
        if let Some(value) = self.get(&first)? {
            self.shrink_log(first, &value, &mut uids)?;
        }
        while !uids.is_empty() && part < u32::MAX {
            let start = keys::log(collection, modseq, part + 1);
            let end = keys::log(collection, ModSeq(modseq.0 + 1), 0);
            let mut next = None;
            self.scan(&start, &end, &mut |key, value| {
                next = Some((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
                Ok(ControlFlow::Break(()))
            })?;
            let Some((key, value)) = next else { break };
            part = keys::u32_at(&key, 17).unwrap_or(u32::MAX);
            self.shrink_log(key, &value, &mut uids)?;
        }
        Ok(())
    }

    fn shrink_log(&mut self, key: Bytes, value: &[u8], uids: &mut UidSet) -> Result<()> {
        let mut entry = LogEntry::decode(value)?;
        let rest = uids.subtract(&entry.changed);
        entry.changed = entry.changed.subtract(uids);
        *uids = rest;
        self.rows.insert(key, if entry.is_empty() { None } else { Some(entry.encode()) });
        Ok(())
    }

    /// Counts the sharers of contents that were there before, and gives up those without any.
    fn finish_sharers(&mut self) -> Result<()> {
        let new: HashSet<ContentId> = self.bodies.iter().map(|(id, _)| *id).collect();
        let mut unshared: Vec<ContentId> =
            new.iter().copied().filter(|id| self.sharers.get(id).is_none_or(|n| *n <= 0)).collect();
        let deltas: Vec<_> = self.sharers.iter().map(|(id, delta)| (*id, *delta)).collect();
        for (id, delta) in deltas.into_iter().filter(|(id, n)| *n != 0 && !new.contains(id)) {
            let Some(mut body) = self.body_row(id)? else {
                return Err(Error::Damaged(format!("content {id} has no body")));
            };
            body.sharers = (i64::from(body.sharers) + delta).max(0) as u32;
            if body.sharers == 0 {
                unshared.push(id);
            }
            self.put(keys::body(id), body.encode());
        }
        for (id, bytes) in std::mem::take(&mut self.moved_bodies) {
            if let Some(body) = self.body_row(id)? {
                self.relocated.push((id, body.sharers, bytes));
            }
        }
        unshared.sort_unstable();
        if self.restoring {
            return Ok(());
        }
        for ids in unshared.chunks(5_000) {
            self.put_work(self.now() + GRACE_SECS, &Work::Reclaim(ids.to_vec()))?;
        }
        Ok(())
    }

    fn place_bodies(&mut self, engine: &dyn Engine) -> Vec<(BodyRef, Bytes)> {
        let mut placed = Vec::new();
        for (id, sharers, bytes) in std::mem::take(&mut self.relocated) {
            let at = engine.place(&bytes);
            placed.push((at, bytes));
            self.put(keys::body(id), Body { at, sharers }.encode());
        }
        for (id, body) in std::mem::take(&mut self.bodies) {
            let sharers = self.sharers.get(&id).map_or(0, |n| (*n).max(0) as u32);
            let at = match body {
                NewBody::Spooled(at) => at,
                NewBody::Bytes(bytes) => {
                    let at = engine.place(&bytes);
                    placed.push((at, bytes));
                    at
                }
            };
            self.put(keys::body(id), Body { at, sharers }.encode());
        }
        placed
    }

    /// Keys in `start..end` that this operation or its group changed, in order.
    fn overlay(&self, start: &[u8], end: &[u8]) -> Vec<(&Bytes, Option<&Bytes>)> {
        use std::ops::Bound::{Excluded, Included};
        if start >= end {
            return Vec::new();
        }
        let bounds = (Included(start), Excluded(end));
        let mine = self.rows.range::<[u8], _>(bounds);
        let group = self.group.rows.range::<[u8], _>(bounds);
        let mut merged: BTreeMap<&Bytes, Option<&Bytes>> = BTreeMap::new();
        merged.extend(group.map(|(key, value)| (key, value.as_ref())));
        merged.extend(mine.map(|(key, value)| (key, value.as_ref())));
        merged.into_iter().collect()
    }
}

impl Read for Tx<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(value) = self.rows.get(key).or_else(|| self.group.rows.get(key)) {
            return Ok(value.clone());
        }
        Ok(self.group.base.get(key)?)
    }

    fn scan(&self, start: &[u8], end: &[u8], row: &mut RowFn<'_>) -> Result<()> {
        let overlay = self.overlay(start, end);
        let mut overlay = overlay.into_iter().peekable();
        let mut outcome: Result<ControlFlow<()>> = Ok(ControlFlow::Continue(()));
        self.group.base.scan(start, end, &mut |key, value| {
            // Rows of the overlay that come before this one, and the one that replaces it.
            while let Some((over, new)) = overlay.next_if(|(over, _)| over.as_ref() < key) {
                if let Some(new) = new {
                    outcome = row(over, new);
                    if !matches!(outcome, Ok(ControlFlow::Continue(()))) {
                        return ControlFlow::Break(());
                    }
                }
            }
            outcome = match overlay.next_if(|(over, _)| over.as_ref() == key) {
                Some((_, None)) => Ok(ControlFlow::Continue(())),
                Some((_, Some(new))) => row(key, new),
                None => row(key, value),
            };
            match outcome {
                Ok(flow) => flow,
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        if outcome?.is_break() {
            return Ok(());
        }
        for (key, value) in overlay {
            if let Some(value) = value
                && row(key, value)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn account_state(&self, id: AccountId) -> Result<AccountState> {
        if let Some(change) = self.accounts.get(&id) {
            return Ok(change.state.clone());
        }
        let value = self.get(&keys::account_state(id))?;
        value.map_or_else(|| Ok(AccountState::default()), |value| AccountState::decode(&value))
    }

    fn mailbox(&self, id: MailboxId) -> Result<Option<Mailbox>> {
        if let Some(mailbox) = self.mailboxes.get(&id) {
            return Ok(Some(mailbox.clone()));
        }
        self.get(&keys::mailbox(id))?.map(|value| Mailbox::decode(id, &value)).transpose()
    }

    fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        let mut numbers: HashSet<u32> =
            self.mailboxes.keys().filter(|id| id.account == account).map(|id| id.number).collect();
        self.scan_prefix(&keys::of_account(Kind::Mailbox, account), &mut |key, _| {
            numbers.extend(keys::u32_at(key, 5));
            Ok(ControlFlow::Continue(()))
        })?;
        let mut numbers: Vec<u32> = numbers.into_iter().collect();
        numbers.sort_unstable();
        let found = numbers.into_iter().map(|n| self.mailbox(MailboxId::new(account, n)));
        found.filter_map(Result::transpose).collect()
    }

    fn flag_page(&self, mailbox: MailboxId, page: u32) -> Result<Option<FlagPage>> {
        if let Some(page) = self.pages.get(&(mailbox, page)) {
            return Ok(Some(page.clone()));
        }
        self.get(&keys::flags(mailbox, page))?.map(|value| FlagPage::decode(&value)).transpose()
    }

    fn hot(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Hot>> {
        match self.pages.get(&(mailbox, uid.0 / PAGE)) {
            Some(page) => Ok(page.get(uid).cloned()),
            None => {
                Ok(self.flag_page(mailbox, uid.0 / PAGE)?.and_then(|page| page.get(uid).cloned()))
            }
        }
    }
}

impl Tx<'_> {
    /// [`Read::hot`] that keeps the page decoded, for going through many messages of it.
    pub fn hot_mut_page(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<&Hot>> {
        Ok(self.page_mut(mailbox, uid.0 / PAGE)?.get(uid))
    }
}

fn no_mailbox() -> Error {
    Error::Damaged("a message's mailbox does not exist".into())
}
