//! The transaction: it keeps the books.
//!
//! Whoever adds, changes or removes a message here has moved its one entry in the change log,
//! the mailbox's and the account's counters, and the modseq with it. Changes collect in decoded
//! form (mailboxes, flag pages) and become rows once, when the operation has succeeded.

mod finish;
mod items;
mod messages;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
use crate::store::rows::collection::Collection;
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
    /// Minutes east of Greenwich in which that is told.
    pub zone: i16,
    pub sent: UnixTime,
    pub flags: Flags,
}

/// One operation's changes on top of the group's.
pub struct Tx<'g> {
    group: &'g mut Group,
    rows: BTreeMap<Bytes, Option<Bytes>>,
    accounts: HashMap<AccountId, AccountChange>,
    mailboxes: HashMap<MailboxId, Mailbox>,
    collections: HashMap<MailboxId, Collection>,
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
            collections: HashMap::new(),
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
        self.leave_hierarchy(mailbox)?;
        for kind in [Kind::Log, Kind::Flags] {
            self.delete_prefix(&keys::of_mailbox(kind, mailbox.id))?;
        }
        Ok(())
    }

    /// Removes a mailbox with messages too many for one transaction: it is gone for everybody
    /// with this one, and what it held is removed bit by bit ([`Tx::drain`]).
    pub fn detach_mailbox(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.leave_hierarchy(mailbox)?;
        let state = &mut self.account_mut(mailbox.id.account)?.state;
        state.messages = state.messages.saturating_sub(mailbox.messages.into());
        state.bytes = state.bytes.saturating_sub(mailbox.bytes);
        self.put_work(self.now(), &Work::Drain(mailbox.id))
    }

    fn leave_hierarchy(&mut self, mailbox: &Mailbox) -> Result<()> {
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
        self.delete_prefix(&keys::of_mailbox(Kind::Annotation, id))?;
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

    fn collection(&self, id: MailboxId) -> Result<Option<Collection>> {
        if let Some(collection) = self.collections.get(&id) {
            return Ok(Some(collection.clone()));
        }
        self.get(&keys::collection(id))?.map(|value| Collection::decode(id, &value)).transpose()
    }

    fn collections(&self, account: AccountId) -> Result<Vec<Collection>> {
        let changed = self.collections.keys().filter(|id| id.account == account);
        let mut numbers: BTreeSet<u32> = changed.map(|id| id.number).collect();
        self.scan_prefix(&keys::of_account(Kind::Collection, account), &mut |key, _| {
            numbers.extend(keys::u32_at(key, 5));
            Ok(ControlFlow::Continue(()))
        })?;
        let found = numbers.into_iter().map(|n| self.collection(MailboxId::new(account, n)));
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

fn no_mailbox() -> Error {
    Error::Damaged("a message's mailbox does not exist".into())
}
