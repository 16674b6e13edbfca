//! The table of an open mailbox: one immutable value shared by all sessions and fronts,
//! brought forward from the change log.
//!
//! It is a list of pages of up to 64 messages; a change makes a new page and a new list of
//! pointers, so bringing a table of 100,000 messages forward by one message costs microseconds.

mod contents;

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

pub use contents::Contents;

use crate::base::id::{MailboxId, Uid};
use crate::base::uidset::UidSet;
use crate::store::keys::{self, Kind};
use crate::store::rows::flags::{FlagPage, PAGE};
use crate::store::rows::mailbox::Mailbox;
use crate::store::rows::message::Place;
use crate::store::{Error, Message, Read, Result, Snapshot, Store};

/// Messages in tables that nobody uses at the moment but that are kept for the next one.
const KEPT_MESSAGES: usize = 200_000;

/// A mailbox's messages at one moment, ascending by UID.
#[derive(Debug)]
pub struct Table {
    /// The mailbox's row at the same moment.
    pub mailbox: Mailbox,
    pages: Vec<Arc<Page>>,
    len: usize,
    derived: Derived,
}

/// What follows from the messages; made when somebody asks, for all who do.
#[derive(Debug, Default)]
struct Derived {
    uids: OnceLock<Arc<Vec<u32>>>,
    contents: OnceLock<Arc<Contents>>,
}

#[derive(Debug)]
struct Page {
    number: u32,
    messages: Vec<Message>,
}

impl Table {
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, uid: Uid) -> Option<&Message> {
        let at = self.pages.binary_search_by_key(&(uid.0 / PAGE), |page| page.number).ok()?;
        let messages = &self.pages.get(at)?.messages;
        let at = messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        messages.get(at)
    }

    /// All messages, ascending by UID.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.pages.iter().flat_map(|page| page.messages.iter())
    }

    /// The UIDs of all messages, ascending.
    pub fn uids(&self) -> &Arc<Vec<u32>> {
        let uids = || {
            let mut uids = Vec::with_capacity(self.len);
            for page in &self.pages {
                uids.extend(page.messages.iter().map(|message| message.uid.0));
            }
            Arc::new(uids)
        };
        self.derived.uids.get_or_init(uids)
    }

    /// Where each content stands, by the messages' order.
    pub fn contents(&self) -> &Contents {
        let contents = || Arc::new(Contents::of(self.iter().map(|message| message.place.content)));
        self.derived.contents.get_or_init(contents)
    }

    /// All messages in their order.
    pub fn to_vec(&self) -> Vec<&Message> {
        let mut all = Vec::with_capacity(self.len);
        self.pages.iter().for_each(|page| all.extend(&page.messages));
        all
    }

    /// The messages whose UIDs are in `uids`, ascending; costs what the ranges hold.
    pub fn select<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = &'a Message> {
        uids.ranges().iter().flat_map(move |&(from, to)| {
            let first = self.pages.partition_point(|page| page.number < from / PAGE);
            let pages = self.pages[first..].iter().take_while(move |page| page.number <= to / PAGE);
            let messages = pages.flat_map(|page| page.messages.iter());
            messages.filter(move |message| message.uid.0 >= from && message.uid.0 <= to)
        })
    }

    /// The greatest UID present.
    pub fn last_uid(&self) -> Option<Uid> {
        self.pages.last()?.messages.last().map(|message| message.uid)
    }

    /// The table of the same mailbox without any message: what is left when it is deleted.
    pub fn emptied(&self) -> Table {
        let mailbox = self.mailbox.clone();
        Table { mailbox, pages: Vec::new(), len: 0, derived: Derived::default() }
    }

    /// What is different in a later table. Costs what differs: pages that nobody changed are
    /// the same allocation in both.
    pub fn difference<'a>(&'a self, later: &'a Table) -> Difference<'a> {
        let mut difference = Difference::default();
        let (mut old, mut new) = (self.pages.iter().peekable(), later.pages.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {
                    old.next();
                    new.next();
                }
                (Some(a), Some(b)) if a.number == b.number => {
                    difference.add(&a.messages, &b.messages);
                    old.next();
                    new.next();
                }
                (Some(a), b) if b.is_none_or(|b| a.number < b.number) => {
                    difference.add(&a.messages, &[]);
                    old.next();
                }
                (_, Some(b)) => {
                    difference.add(&[], &b.messages);
                    new.next();
                }
                (_, None) => return difference,
            }
        }
    }

    fn load(snapshot: &Snapshot, mailbox: Mailbox) -> Result<Table> {
        let id = mailbox.id;
        let mut places: Vec<(Uid, Place)> = Vec::with_capacity(mailbox.messages as usize);
        snapshot.scan_prefix(&keys::of_mailbox(Kind::Place, id), &mut |key, value| {
            places.push((Uid(number(key)?), Place::decode(value)?));
            Ok(ControlFlow::Continue(()))
        })?;
        let mut places = places.into_iter().peekable();
        let mut pages = Vec::new();
        let mut len = 0;
        snapshot.scan_prefix(&keys::of_mailbox(Kind::Flags, id), &mut |key, value| {
            let page = number(key)?;
            let hot = FlagPage::decode(value)?;
            let mut messages = Vec::new();
            while let Some((uid, place)) = places.next_if(|(uid, _)| uid.0 / PAGE <= page) {
                if let Some(hot) = hot.get(uid).filter(|_| uid.0 / PAGE == page) {
                    messages.push(Message { uid, place, hot: hot.clone() });
                }
            }
            len += messages.len();
            pages.push(Arc::new(Page { number: page, messages }));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Table { mailbox, pages, len, derived: Derived::default() })
    }

    /// The table as of `snapshot`, made from this older one and the change log.
    fn forward(&self, snapshot: &Snapshot, mailbox: Mailbox) -> Result<Table> {
        let changes = match snapshot.changes(mailbox.id, self.mailbox.modseq) {
            Err(Error::Stale) => return Self::load(snapshot, mailbox),
            changes => changes?,
        };
        let same = changes.gone.is_empty();
        let gone = changes.gone.iter().map(|(uid, _)| uid.0);
        let mut touched: BTreeSet<u32> = gone.map(|uid| uid / PAGE).collect();
        for &(from, to) in changes.changed.ranges() {
            touched.extend(from / PAGE..=to / PAGE);
        }
        let mut pages = Vec::with_capacity(self.pages.len() + 1);
        let mut old = self.pages.iter().peekable();
        let mut len = self.len;
        for number in touched {
            while let Some(page) = old.next_if(|page| page.number < number) {
                pages.push(page.clone());
            }
            let before = old.next_if(|page| page.number == number);
            len -= before.map_or(0, |page| page.messages.len());
            let page = Self::page(snapshot, mailbox.id, number, before)?;
            len += page.messages.len();
            if !page.messages.is_empty() {
                pages.push(Arc::new(page));
            }
        }
        pages.extend(old.cloned());
        // Where only flags have changed, the messages are the same.
        let derived = match same && len == self.len {
            true => {
                Derived { uids: self.derived.uids.clone(), contents: self.derived.contents.clone() }
            }
            false => Derived::default(),
        };
        Ok(Table { mailbox, pages, len, derived })
    }

    fn page(
        snapshot: &Snapshot,
        mailbox: MailboxId,
        number: u32,
        before: Option<&Arc<Page>>,
    ) -> Result<Page> {
        let hot = snapshot.flag_page(mailbox, number)?.unwrap_or_default();
        let before = before.map_or(&[][..], |page| &page.messages[..]);
        let mut messages = Vec::with_capacity(before.len() + 1);
        for (uid, hot) in hot.iter(number) {
            let known = before.binary_search_by_key(&uid, |message| message.uid);
            let place = match known.ok().and_then(|at| before.get(at)) {
                Some(message) => message.place,
                None => snapshot
                    .place(mailbox, uid)?
                    .ok_or_else(|| Error::Damaged(format!("UID {uid} has flags and no place")))?,
            };
            messages.push(Message { uid, place, hot: hot.clone() });
        }
        Ok(Page { number, messages })
    }
}

/// What happened between two tables of one mailbox; both ascending by UID.
#[derive(Default, Debug)]
pub struct Difference<'a> {
    /// Messages of the older table that are not in the later one.
    pub gone: Vec<&'a Message>,
    /// Messages of the later table that are new or have another modseq.
    pub changed: Vec<&'a Message>,
}

impl<'a> Difference<'a> {
    fn add(&mut self, old: &'a [Message], new: &'a [Message]) {
        let mut old = old.iter().peekable();
        for message in new {
            while let Some(gone) = old.next_if(|before| before.uid < message.uid) {
                self.gone.push(gone);
            }
            match old.next_if(|before| before.uid == message.uid) {
                Some(before) if before.hot.modseq == message.hot.modseq => {}
                _ => self.changed.push(message),
            }
        }
        self.gone.extend(old);
    }
}

/// The number at the end of a key of a mailbox's row.
fn number(key: &[u8]) -> Result<u32> {
    keys::u32_at(key, 9).ok_or_else(|| Error::Damaged("a key is too short".into()))
}

type Cell = Arc<Mutex<Option<Arc<Table>>>>;

/// The tables in memory.
#[derive(Default)]
pub(super) struct Tables(Mutex<HashMap<MailboxId, Cell>>);

impl Tables {
    pub(super) fn current(&self, store: &Store, id: MailboxId) -> Result<Option<Arc<Table>>> {
        let cell = lock(&self.0).entry(id).or_default().clone();
        let mut table = lock(&cell);
        // Under the lock, so that of two callers the later one never steps back.
        let snapshot = store.read();
        let Some(mailbox) = snapshot.mailbox(id)? else {
            lock(&self.0).remove(&id);
            return Ok(None);
        };
        let fresh = table.is_none();
        let current = match table.take() {
            Some(known) if known.mailbox == mailbox => known,
            Some(known) if known.mailbox.uid_validity == mailbox.uid_validity => {
                Arc::new(known.forward(&snapshot, mailbox)?)
            }
            _ => Arc::new(Table::load(&snapshot, mailbox)?),
        };
        *table = Some(current.clone());
        drop(table);
        if fresh {
            self.trim();
        }
        Ok(Some(current))
    }

    /// Drops tables that nobody uses when too many messages are kept.
    fn trim(&self) {
        let mut cells = lock(&self.0);
        let size = |cell: &Cell| {
            let table = cell.try_lock().ok()?;
            table.as_ref().map(|table| (table.len(), Arc::strong_count(table)))
        };
        let mut kept: usize = cells.values().filter_map(|cell| Some(size(cell)?.0)).sum();
        if kept > KEPT_MESSAGES {
            cells.retain(|_, cell| match size(cell) {
                Some((len, 1)) if kept > KEPT_MESSAGES && Arc::strong_count(cell) == 1 => {
                    kept -= len;
                    false
                }
                _ => true,
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
