//! The hierarchy as phones see it: mailboxes, groupware collections, and the two folders that
//! exist for phones alone. And what a device has been told of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::base::id::{AccountId, MailboxId, ModSeq};
use crate::domain::Result;
use crate::domain::mailbox::{INBOX, SEPARATOR};
use crate::domain::policy::{Bounds, within_age};
use crate::eas::ids;
use crate::eas::state;
use crate::eas::version::Version;
use crate::store::keys::{self, KeyBuilder, Kind};
use crate::store::rows::answers;
use crate::store::rows::codec::{Reader, Writer};
use crate::store::rows::collection::CollectionKind;
use crate::store::rows::mailbox::SpecialUse;
use crate::store::{self, Read, Tx};

/// The number of the folder that is no collection; real ones count up from 1.
const OUTBOX_NUMBER: u32 = u32::MAX - 1;

/// Where the key of a row about what is known has the hierarchy's key.
const KEY_AT: usize = 9;

/// What lies in a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    Mail,
    /// Mail that a phone writes, before it is sent.
    Drafts,
    Items(CollectionKind),
    /// Nothing, ever.
    Outbox,
}

impl Content {
    /// Whether this content has such a window (MS-ASCMD 2.2.3.68.2): calendars none of less than
    /// two weeks, mail none of unfinished tasks. What is plain in its meaning is taken although
    /// Exchange refuses it: mail of half a year, tasks by their age (which get all of them).
    pub fn takes_filter(self, filter: u8) -> bool {
        match self {
            Self::Mail | Self::Drafts => filter <= 7,
            Self::Items(CollectionKind::Calendar) => filter == 0 || (4..=7).contains(&filter),
            Self::Items(CollectionKind::Tasks) => filter <= 8,
            // Not looked at.
            Self::Items(_) | Self::Outbox => true,
        }
    }

    /// A `FilterType` as far back as the policy lets a device see (MS-ASPROV 2.2.2.32, 2.2.2.33).
    pub fn filter_within(self, filter: u8, bounds: &Bounds) -> u8 {
        match self {
            Self::Mail | Self::Drafts => within_age(filter, bounds.mail_age),
            Self::Items(CollectionKind::Calendar) => within_age(filter, bounds.calendar_age),
            Self::Items(_) | Self::Outbox => filter,
        }
    }

    /// As `Class` says it (MS-ASCMD 2.2.3.27).
    pub fn class(self) -> &'static str {
        match self {
            Self::Mail | Self::Drafts | Self::Outbox => "Email",
            Self::Items(CollectionKind::Calendar) => "Calendar",
            Self::Items(CollectionKind::Contacts) => "Contacts",
            Self::Items(CollectionKind::Tasks) => "Tasks",
            Self::Items(CollectionKind::Notes) => "Notes",
            Self::Items(CollectionKind::Recipients) => "RecipientInfo",
        }
    }
}

/// One folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// Also of the folders that are no collections: names their sync states.
    pub id: MailboxId,
    pub server_id: String,
    pub parent: String,
    pub name: String,
    /// MS-ASCMD 2.2.3.186.2.
    pub kind: u8,
    pub content: Content,
}

impl Folder {
    /// Changes when a phone would see a change.
    fn look(&self) -> u64 {
        let text = format!("{}\0{}\0{}", self.parent, self.name, self.kind);
        XxHash3_64::oneshot(text.as_bytes())
    }
}

/// All folders of an account, parents before their children.
pub fn hierarchy(read: &impl Read, account: AccountId, version: Version) -> Result<Vec<Folder>> {
    let mailboxes = read.mailboxes(account)?;
    let by_name: BTreeMap<&str, MailboxId> =
        mailboxes.iter().map(|mailbox| (mailbox.name.as_str(), mailbox.id)).collect();
    let mut folders = Vec::new();
    // In order of names, so that a parent stands before what is below it.
    for (name, id) in &by_name {
        let special = mailboxes.iter().find(|mailbox| mailbox.id == *id);
        let special = special.and_then(|mailbox| mailbox.special_use);
        let (kind, content) = match (*name, special) {
            (INBOX, _) => (2, Content::Mail),
            (_, Some(SpecialUse::Drafts)) => (3, Content::Drafts),
            (_, Some(SpecialUse::Trash)) => (4, Content::Mail),
            (_, Some(SpecialUse::Sent)) => (5, Content::Mail),
            _ => (12, Content::Mail),
        };
        let above = name.rsplit_once(SEPARATOR);
        let (parent, name) = match above.and_then(|(above, last)| Some((by_name.get(above)?, last)))
        {
            Some((parent, last)) => (ids::collection(*parent), last.to_owned()),
            None => (ids::ROOT.to_owned(), (*name).to_owned()),
        };
        let name = if kind == 2 { "Inbox".to_owned() } else { name };
        folders.push(Folder {
            id: *id,
            server_id: ids::collection(*id),
            parent,
            name,
            kind,
            content,
        });
    }
    folders.push(extra(account, OUTBOX_NUMBER, ids::OUTBOX, "Outbox", 6, Content::Outbox));
    for collection in read.collections(account)? {
        let kind = match (collection.kind, collection.default) {
            (CollectionKind::Calendar, true) => 8,
            (CollectionKind::Contacts, true) => 9,
            (CollectionKind::Tasks, true) => 7,
            (CollectionKind::Notes, true) => 10,
            (CollectionKind::Recipients, _) => 19,
            (CollectionKind::Calendar, false) => 13,
            (CollectionKind::Contacts, false) => 14,
            (CollectionKind::Tasks, false) => 15,
            (CollectionKind::Notes, false) => 17,
        };
        let newer = matches!(collection.kind, CollectionKind::Notes | CollectionKind::Recipients);
        if newer && version < Version::V14_0 {
            continue;
        }
        folders.push(Folder {
            id: collection.id,
            server_id: ids::collection(collection.id),
            parent: ids::ROOT.to_owned(),
            name: collection.name,
            kind,
            content: Content::Items(collection.kind),
        });
    }
    Ok(folders)
}

fn extra(
    account: AccountId,
    number: u32,
    id: &str,
    name: &str,
    kind: u8,
    content: Content,
) -> Folder {
    Folder {
        id: MailboxId::new(account, number),
        server_id: id.to_owned(),
        parent: ids::ROOT.to_owned(),
        name: name.to_owned(),
        kind,
        content,
    }
}

/// Finds a folder by its id; costs a row or two.
pub fn find(
    read: &impl Read,
    account: AccountId,
    server_id: &str,
) -> Result<Option<(MailboxId, Content)>> {
    if server_id == ids::OUTBOX {
        return Ok(Some((MailboxId::new(account, OUTBOX_NUMBER), Content::Outbox)));
    }
    let Some(id) = ids::parse_collection(account, server_id) else { return Ok(None) };
    if let Some(mailbox) = read.mailbox(id)? {
        let drafts = mailbox.special_use == Some(SpecialUse::Drafts);
        return Ok(Some((id, if drafts { Content::Drafts } else { Content::Mail })));
    }
    Ok(read.collection(id)?.map(|collection| (id, Content::Items(collection.kind))))
}

/// What a device knows of the hierarchy, at one key. The one that it asked from is kept, and
/// the answers to that ([`answers`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    pub key: u64,
    /// The key that this is an answer to.
    pub from: u64,
    /// The account's modseq when it was told.
    pub modseq: ModSeq,
    /// Folder number -> hash of its look.
    folders: BTreeMap<u32, u64>,
}

/// What a device has to be told.
#[derive(Debug, Default)]
pub struct Difference {
    pub added: Vec<Folder>,
    pub changed: Vec<Folder>,
    /// Ids.
    pub removed: Vec<String>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Known {
    const VERSION: u8 = 2;

    /// What a device knows before it has been told anything.
    pub fn nothing(key: u64) -> Known {
        Known { key, ..Known::default() }
    }

    fn rows(account: AccountId, device: u32) -> KeyBuilder {
        KeyBuilder::new(Kind::FolderState).u32(account.0).u32(device)
    }

    fn row(account: AccountId, device: u32, key: u64) -> Bytes {
        Self::rows(account, device).u64(key).done()
    }

    fn decode(value: &[u8]) -> store::Result<Known> {
        let (mut row, _) = Reader::new(value, "folder state", Self::VERSION)?;
        let (key, from, modseq) = (row.u64()?, row.u64()?, ModSeq(row.u64()?));
        let mut folders = BTreeMap::new();
        for _ in 0..row.u64()? {
            folders.insert(row.u32()?, row.fixed()?);
        }
        Ok(Known { key, from, modseq, folders })
    }

    /// What the device knew at a key; `None` if it cannot be at that key (any more).
    pub fn at(
        read: &impl Read,
        account: AccountId,
        device: u32,
        key: u64,
    ) -> store::Result<Option<Known>> {
        read.get(&Self::row(account, device, key))?.map(|value| Self::decode(&value)).transpose()
    }

    /// Everything the device may have been told, in the order of the keys.
    fn all(read: &impl Read, account: AccountId, device: u32) -> store::Result<Vec<Known>> {
        let mut all = Vec::new();
        read.scan_prefix(&Self::rows(account, device).done(), &mut |key, value| {
            // Rows of the first layout are shorter; no key leads to them any more.
            if keys::u64_at(key, KEY_AT).is_some() {
                all.push(Self::decode(value)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    /// The states that the device may hold: those that no answer was made from, wherever they
    /// began. One whose answer was lost asks again, before it waits for anything.
    fn held(read: &impl Read, account: AccountId, device: u32) -> store::Result<Vec<Known>> {
        let all = Self::all(read, account, device)?;
        let mut held = all.clone();
        held.retain(|known| !all.iter().any(|answer| answer.from == known.key));
        Ok(held)
    }

    /// Whether this is the only state that the device may hold.
    pub fn is_settled(
        &self,
        read: &impl Read,
        account: AccountId,
        device: u32,
    ) -> store::Result<bool> {
        Ok(Self::held(read, account, device)?.iter().all(|held| held.key == self.key))
    }

    /// Makes this the only state that the device may hold, which has asked from it and hears
    /// that it is as it should be. `false` where there are answers to it already: the device may
    /// hold one of these.
    pub fn settle(&self, tx: &mut Tx<'_>, account: AccountId, device: u32) -> store::Result<bool> {
        let held = Self::held(tx, account, device)?;
        let (own, others): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|held| held.key == self.key);
        if own.is_empty() {
            return Ok(false);
        }
        for other in others {
            tx.delete(Self::row(account, device, other.key));
        }
        Ok(true)
    }

    /// What the device was told last.
    pub fn newest(
        read: &impl Read,
        account: AccountId,
        device: u32,
    ) -> store::Result<Option<Known>> {
        Ok(Self::all(read, account, device)?.pop())
    }

    /// The newest of the answers to a key.
    pub fn answer_to(
        read: &impl Read,
        account: AccountId,
        device: u32,
        key: u64,
    ) -> store::Result<Option<Known>> {
        let all = Self::all(read, account, device)?;
        Ok(all.into_iter().rfind(|known| known.from == key))
    }

    /// Keeps this as one more answer to the key `from`, under a key of its own, which is
    /// returned. An answer never overwrites another: which of them the device got, its next
    /// request shows, and then the others go.
    pub fn answer(
        &mut self,
        tx: &mut Tx<'_>,
        account: AccountId,
        device: u32,
        from: u64,
    ) -> store::Result<u64> {
        let all = Self::all(tx, account, device)?;
        if all.is_empty() {
            tx.delete_prefix(&Self::rows(account, device).done())?;
        }
        let same = |known: &&Known| known.from == from && known.folders == self.folders;
        if let Some(same) = all.iter().find(same) {
            return Ok(same.key);
        }
        let keys: Vec<_> = all.iter().map(|known| known.key).collect();
        let is_answer = |known: &&Known| known.from == from;
        // A first request says nothing about what else the device holds: an old one may come
        // late. Of first answers there is one, so that two requests at once end at one key.
        let (key, gone) = match state::is_beginning(from) {
            true => {
                let former = all.iter().filter(is_answer).map(|known| known.key);
                (answers::next_key(&keys, from), former.collect())
            }
            false => {
                let place = answers::place(&keys, from, all.iter().any(|known| is_answer(&known)));
                (place.key, place.gone)
            }
        };
        for key in gone {
            tx.delete(Self::row(account, device, key));
        }
        (self.key, self.from) = (key, from);
        self.put(tx, account, device);
        Ok(self.key)
    }

    fn put(&self, tx: &mut Tx<'_>, account: AccountId, device: u32) {
        let mut out = Writer::new(Self::VERSION);
        out.u64(self.key).u64(self.from).u64(self.modseq.0).u64(self.folders.len() as u64);
        for (number, look) in &self.folders {
            out.u32(*number).fixed(*look);
        }
        tx.put(Self::row(account, device, self.key), out.done());
    }

    /// Whether the device has this folder.
    pub fn has(&self, id: MailboxId) -> bool {
        self.folders.contains_key(&id.number)
    }

    /// Folders that it has and a later answer has not.
    pub fn gone_in(&self, account: AccountId, later: &Known) -> Vec<MailboxId> {
        let gone = self.folders.keys().filter(|number| !later.folders.contains_key(number));
        gone.map(|number| MailboxId::new(account, *number)).collect()
    }

    /// What is different now.
    pub fn difference(&self, now: &[Folder]) -> Difference {
        let mut different = Difference::default();
        for folder in now {
            match self.folders.get(&folder.id.number) {
                None => different.added.push(folder.clone()),
                Some(look) if *look != folder.look() => different.changed.push(folder.clone()),
                Some(_) => {}
            }
        }
        let gone = self
            .folders
            .keys()
            .filter(|number| !now.iter().any(|folder| folder.id.number == **number));
        different.removed = gone.map(|number| server_id(*number)).collect();
        different
    }

    /// Takes over everything there is.
    pub fn tell_all(&mut self, now: &[Folder]) {
        self.folders = now.iter().map(|folder| (folder.id.number, folder.look())).collect();
    }

    /// Takes over one folder: the device itself made, changed or removed it.
    pub fn tell_own(&mut self, now: &[Folder], id: MailboxId) {
        match now.iter().find(|folder| folder.id == id) {
            Some(folder) => drop(self.folders.insert(id.number, folder.look())),
            None => drop(self.folders.remove(&id.number)),
        }
    }
}

/// Whether a device has yet to hear of folders that came, went or changed. One that was told
/// nothing is behind.
///
/// Of the states that it may hold, one is enough: it is told once too often, and not once too
/// few. What it asks from then is all that is left ([`Known::settle`]), so that it is not told
/// for ever.
pub fn is_behind(
    read: &impl Read,
    account: AccountId,
    device: u32,
    version: Version,
) -> Result<bool> {
    let held = Known::held(read, account, device)?;
    for known in &held {
        if lags(read, account, known, version)? {
            return Ok(true);
        }
    }
    Ok(held.is_empty())
}

fn lags(read: &impl Read, account: AccountId, known: &Known, version: Version) -> Result<bool> {
    let log = match read.changes(MailboxId::new(account, 0), known.modseq) {
        Ok(changes) => changes,
        Err(store::Error::Stale) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    if log.changed.is_empty() && log.gone.is_empty() {
        return Ok(false);
    }
    Ok(!known.difference(&hierarchy(read, account, version)?).is_empty())
}

fn server_id(number: u32) -> String {
    match number {
        OUTBOX_NUMBER => ids::OUTBOX.to_owned(),
        number => number.to_string(),
    }
}
