//! Where a device is with a collection: its key, what it holds, what it is to be told.
//!
//! A key is a decimal number: an epoch that is never given twice, and a count of answers in it.
//! What changed is read from the change log once and folded into the state's sets; a page takes
//! from these. So neither a poll nor a page costs what is stored.

use bytes::Bytes;
use roaring::RoaringBitmap;

use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, MailboxId, ModSeq, Uid};
use crate::domain::Result;
use crate::eas::folder::Content;
use crate::eas::render::{BodyPreference, Options, Supported, email};
use crate::format::wbxml::Tag;
use crate::store::rows::codec::{Reader, Writer};
use crate::store::rows::collection::CollectionKind;
use crate::store::rows::item::Item;
use crate::store::rows::sync::{Applied, SyncHeader, SyncId, SyncState};
use crate::store::{self, Message, Read, Store};

/// Bits of a key that count answers.
const COUNT_BITS: u32 = 20;
const DAY: i64 = 86_400;

/// The first key of a new epoch.
pub fn first_key(epoch: u64) -> u64 {
    (epoch << COUNT_BITS) | 1
}

/// Whether this is no key, but what comes before an epoch's first one.
pub fn is_beginning(key: u64) -> bool {
    key & ((1 << COUNT_BITS) - 1) == 0
}

/// Reads a `SyncKey`: `Some(0)` begins anew, `None` is none of ours.
pub fn parse_key(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Since when items are wanted, by `FilterType` (MS-ASCMD 2.2.3.68.2); 0 is all, also what was
/// over before 1970. It moves once a day, so that a phone's window is not recomputed by every
/// poll.
pub fn cutoff(content: Content, filter: u8, now: UnixTime) -> UnixTime {
    let days = match (content, filter) {
        (Content::Items(kind), _) if is_timeless(kind) => return i64::MIN,
        // Tasks that are done have ended; those that are not never do.
        (Content::Items(CollectionKind::Tasks), 8) => return i64::MAX,
        (Content::Items(CollectionKind::Tasks), _) => return i64::MIN,
        (_, 1) => 1,
        (_, 2) => 3,
        (_, 3) => 7,
        (_, 4) => 14,
        (_, 5) => 31,
        (_, 6) => 92,
        (_, 7) => 183,
        _ => return i64::MIN,
    };
    (now - days * DAY).div_euclid(DAY) * DAY
}

/// Contacts and notes are of all times.
fn is_timeless(kind: CollectionKind) -> bool {
    use CollectionKind::{Contacts, Notes, Recipients};
    matches!(kind, Contacts | Notes | Recipients)
}

/// Whether an item lies in the window.
fn wants_item(cutoff: UnixTime, item: &Item) -> bool {
    item.until >= cutoff
}

/// What there is in the window, as of one moment.
pub struct Choice {
    modseq: ModSeq,
    inside: RoaringBitmap,
    /// Everything that exists.
    present: RoaringBitmap,
}

/// Looks through a collection for what lies in the window. Costs what is stored, so it is done
/// when a device begins, changes its window, and once a day.
pub fn choose(store: &Store, id: MailboxId, content: Content, cutoff: UnixTime) -> Result<Choice> {
    let (mut inside, mut present) = (RoaringBitmap::new(), RoaringBitmap::new());
    let modseq = match content {
        Content::Mail | Content::Drafts => {
            let Some(table) = store.table(id)? else {
                return Err(crate::domain::Error::NotFound("mailbox"));
            };
            for message in table.iter() {
                present.insert(message.uid.0);
                if message.place.internal_date >= cutoff {
                    inside.insert(message.uid.0);
                }
            }
            table.mailbox.modseq
        }
        Content::Items(_) => {
            let read = store.read();
            for item in read.items(id)? {
                present.insert(item.uid.0);
                if wants_item(cutoff, &item) {
                    inside.insert(item.uid.0);
                }
            }
            crate::domain::collection::require(&read, id)?.modseq
        }
        Content::Outbox => ModSeq(0),
    };
    Ok(Choice { modseq, inside, present })
}

/// Makes a choice the state's window. What changed since it was made is found by [`fold`].
pub fn take_choice(state: &mut SyncState, choice: &Choice, filter: u8, cutoff: UnixTime) {
    let sets = &mut state.sets;
    if state.header.fresh {
        state.header.modseq = choice.modseq;
        state.header.fresh = false;
    }
    sets.adds = &choice.inside - &sets.held;
    sets.leaving = &(&sets.held & &choice.present) - &choice.inside;
    sets.leaving -= &sets.removals;
    (state.header.filter, state.header.cutoff) = (filter, cutoff);
}

/// Held items that the choice did not see: most are gone, some have come since.
pub fn take_gone(
    read: &impl Read,
    id: MailboxId,
    content: Content,
    state: &mut SyncState,
    choice: &Choice,
) -> Result<()> {
    for uid in &state.sets.held - &choice.present {
        let there = match content {
            Content::Items(_) => read.item(id, Uid(uid))?.is_some(),
            _ => read.place(id, Uid(uid))?.is_some(),
        };
        if !there {
            state.sets.removals.insert(uid);
        }
    }
    Ok(())
}

/// Reads what changed behind the state's modseq and sorts it into the sets. `own` is what the
/// device did itself when the same key was used before.
pub fn fold(
    read: &impl Read,
    id: MailboxId,
    content: Content,
    state: &mut SyncState,
    own: &Applied,
) -> Result<()> {
    let changes = match content {
        Content::Outbox => return Ok(()),
        _ => read.changes(id, state.header.modseq)?,
    };
    for (uid, _) in changes.gone {
        let sets = &mut state.sets;
        if sets.held.contains(uid.0) {
            sets.removals.insert(uid.0);
        }
        for set in [&mut sets.adds, &mut sets.changes, &mut sets.leaving] {
            set.remove(uid.0);
        }
    }
    for uid in changes.changed.uids() {
        match content {
            Content::Items(_) => {
                if let Some(item) = read.item(id, uid)? {
                    fold_item(state, &item, own);
                }
            }
            _ => fold_message(read, id, uid, state)?,
        }
    }
    state.header.modseq = read.account_state(id.account)?.modseq;
    Ok(())
}

fn fold_item(state: &mut SyncState, item: &Item, own: &Applied) {
    let (uid, cutoff) = (item.uid.0, state.header.cutoff);
    let sets = &mut state.sets;
    if !sets.held.contains(uid) {
        if wants_item(cutoff, item) {
            sets.adds.insert(uid);
        } else {
            sets.adds.remove(uid);
        }
        return;
    }
    if item.shown > state.header.modseq && !own.made(uid, item.shown) {
        // Also of what leaves the window: the device may change its window before it has left.
        sets.changes.insert(uid);
        sets.leaving.remove(uid);
    }
    if !wants_item(cutoff, item) {
        sets.leaving.insert(uid);
    }
}

fn fold_message(read: &impl Read, id: MailboxId, uid: Uid, state: &mut SyncState) -> Result<()> {
    if state.sets.held.contains(uid.0) {
        if let Some(message) = read.message(id, uid)? {
            match differs(read, id, &message, state)? {
                true => state.sets.changes.insert(uid.0),
                // Changed back before the device heard of it.
                false => state.sets.changes.remove(uid.0),
            };
        }
    } else if let Some(place) = read.place(id, uid)?
        && place.internal_date >= state.header.cutoff
    {
        state.sets.adds.insert(uid.0);
    }
    Ok(())
}

/// What else than Read a device shows of a message's changeable side; 0 is nothing.
fn look(read: &impl Read, account: AccountId, message: &Message) -> Result<u32> {
    Ok(email::look(read, account, message)?)
}

/// Whether a device shows a message otherwise than it is.
fn differs(read: &impl Read, id: MailboxId, message: &Message, state: &SyncState) -> Result<bool> {
    let (uid, sets) = (message.uid.0, &state.sets);
    let known = sets.looks.get(&uid).copied().unwrap_or(0);
    Ok(sets.read.contains(uid) != message.hot.flags.seen()
        || known != look(read, id.account, message)?)
}

/// Notes how a device shows a message from now on.
pub fn tell_message(
    read: &impl Read,
    id: MailboxId,
    message: &Message,
    state: &mut SyncState,
) -> Result<()> {
    tell_read(state, message.uid.0, message.hot.flags.seen());
    let (uid, sets) = (message.uid.0, &mut state.sets);
    match look(read, id.account, message)? {
        0 => drop(sets.looks.remove(&uid)),
        look => drop(sets.looks.insert(uid, look)),
    }
    sets.held.insert(uid);
    sets.adds.remove(uid);
    sets.changes.remove(uid);
    Ok(())
}

/// Notes that a device shows a message as read or unread.
pub fn tell_read(state: &mut SyncState, uid: u32, read: bool) {
    match read {
        true => state.sets.read.insert(uid),
        false => state.sets.read.remove(uid),
    };
}

/// How a device shows a message: as read, and a hash of the rest.
pub type Shown = (bool, u32);

/// How a device shows a message that it holds. `None` where its states disagree by another's
/// change, of which nobody knows yet whether the device has heard: the answer may be lost.
pub fn shown(read: &impl Read, sync: SyncId, uid: u32) -> store::Result<Option<Shown>> {
    let (mut all, mut behind_own) = (Vec::new(), Vec::new());
    for header in &sync.headers(read)? {
        let sets = sync.sets(read, header)?;
        // Where it is not held, the device is not: it has named the message.
        if !sets.held.contains(uid) {
            continue;
        }
        let look = sets.looks.get(&uid).copied().unwrap_or(0);
        let shown = (sets.read.contains(uid), look);
        all.push(shown);
        if header.applied.changed.iter().any(|change| change.uid == uid) {
            behind_own.push(shown);
        }
    }
    // Its own change it shows either way, but not what each answer to it told of others since.
    let possible = if behind_own.is_empty() { all } else { behind_own };
    let now = possible.last().copied();
    Ok(now.filter(|now| possible.iter().all(|shown| shown == now)))
}

/// Notes that a device holds a message and shows it in this way, which need not be as it is.
pub fn take_shown(
    read: &impl Read,
    id: MailboxId,
    message: &Message,
    shown: Option<Shown>,
    state: &mut SyncState,
) -> Result<()> {
    let uid = message.uid.0;
    state.sets.adds.remove(uid);
    let Some((seen, look)) = shown else {
        doubt_message(state, uid, None);
        return Ok(());
    };
    state.sets.held.insert(uid);
    tell_read(state, uid, seen);
    match look {
        0 => drop(state.sets.looks.remove(&uid)),
        look => drop(state.sets.looks.insert(uid, look)),
    }
    if differs(read, id, message, state)? {
        state.sets.changes.insert(uid);
    }
    Ok(())
}

/// What no message looks like: it has to be told, whatever it is.
const UNKNOWN: u32 = u32::MAX;

/// Notes a message that a device changed, and somebody else behind it: of what it shows only
/// the read mark is known.
pub fn doubt_message(state: &mut SyncState, uid: u32, read: Option<bool>) {
    state.sets.held.insert(uid);
    state.sets.looks.insert(uid, UNKNOWN);
    state.sets.changes.insert(uid);
    if let Some(read) = read {
        tell_read(state, uid, read);
    }
}

/// Notes that a device does not have an item (any more).
pub fn forget_item(state: &mut SyncState, uid: u32) {
    let sets = &mut state.sets;
    for set in [
        &mut sets.held,
        &mut sets.read,
        &mut sets.adds,
        &mut sets.changes,
        &mut sets.removals,
        &mut sets.leaving,
    ] {
        set.remove(uid);
    }
    sets.looks.remove(&uid);
}

/// What goes out in one answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    pub adds: Vec<Uid>,
    pub changes: Vec<Uid>,
    pub removals: Vec<Uid>,
    pub leaving: Vec<Uid>,
    /// Something is left.
    pub more: bool,
}

impl Page {
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        self.adds.len() + self.changes.len() + self.removals.len() + self.leaving.len()
    }
}

/// How much one answer may hold.
pub struct Room {
    /// Items.
    pub items: usize,
    /// Octets, by estimate; the first item always fits.
    pub octets: u64,
}

/// Takes the next page from a state: what went away first, then changes, then the newest of
/// what is new. The state then says that the device has it.
pub fn take_page(
    read: &impl Read,
    id: MailboxId,
    content: Content,
    state: &mut SyncState,
    options: &Options,
    room: &mut Room,
) -> Result<Page> {
    let mut page = Page::default();
    while room.items > 0
        && let Some(uid) = state.sets.removals.min()
    {
        forget_item(state, uid);
        page.removals.push(Uid(uid));
        room.items -= 1;
    }
    while room.items > 0
        && let Some(uid) = state.sets.leaving.min()
    {
        forget_item(state, uid);
        page.leaving.push(Uid(uid));
        room.items -= 1;
    }
    while room.items > 0
        && let Some(uid) = state.sets.changes.min()
    {
        state.sets.changes.remove(uid);
        if tell(read, id, content, Uid(uid), state, true)?.is_some() {
            page.changes.push(Uid(uid));
            room.items -= 1;
        }
    }
    while room.items > 0
        && let Some(uid) = state.sets.adds.max()
    {
        let before = room.octets;
        let Some(size) = tell(read, id, content, Uid(uid), state, false)? else {
            state.sets.adds.remove(uid);
            continue;
        };
        page.adds.push(Uid(uid));
        room.items -= 1;
        room.octets = before.saturating_sub(options.octets_of(size));
        if room.octets == 0 {
            room.items = 0;
        }
    }
    page.more = state.sets.pending();
    Ok(page)
}

/// Notes that a device has an item as it is now; its size, or `None` if there is nothing to say.
fn tell(
    read: &impl Read,
    id: MailboxId,
    content: Content,
    uid: Uid,
    state: &mut SyncState,
    only_if_changed: bool,
) -> Result<Option<u64>> {
    if let Content::Items(_) = content {
        let Some(item) = read.item(id, uid)? else { return Ok(None) };
        state.sets.held.insert(uid.0);
        state.sets.adds.remove(uid.0);
        return Ok(Some(item.size));
    }
    let Some(message) = read.message(id, uid)? else { return Ok(None) };
    if only_if_changed && !differs(read, id, &message, state)? {
        return Ok(None);
    }
    tell_message(read, id, &message, state)?;
    Ok(Some(message.place.size))
}

impl Options {
    /// About how many octets an item of this size becomes.
    fn octets_of(&self, size: u64) -> u64 {
        let cut = |preference: &BodyPreference| preference.truncation_size.map_or(size, u64::from);
        let body = match (self.bodies.iter().map(cut).max(), self.truncation) {
            (Some(largest), _) => largest,
            (None, Some(0..=7)) => 100_000,
            (None, _) => size,
        };
        1_000 + body.min(size)
    }

    /// As it is kept with a state.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(1);
        out.u32(self.filter.into()).bool(self.client_wins);
        out.option(self.truncation, |out, value| {
            out.u32(value.into());
        });
        out.option(self.mime_truncation, |out, value| {
            out.u32(value.into());
        });
        out.u32(self.mime_support.into()).bool(self.rights_management);
        for list in [&self.bodies, &self.body_parts] {
            out.u64(list.len() as u64);
            for body in list {
                out.u32(body.kind.into()).bool(body.all_or_none);
                out.option(body.truncation_size, |out, size| {
                    out.u32(size);
                });
                out.option(body.preview, |out, size| {
                    out.u32(size);
                });
            }
        }
        out.option(self.max_items, |out, items| {
            out.u32(items);
        });
        out.done()
    }

    pub fn decode(value: &[u8]) -> store::Result<Options> {
        if value.is_empty() {
            return Ok(Options::default());
        }
        let (mut row, _) = Reader::new(value, "sync options", 1)?;
        let small = |row: &mut Reader<'_>| Ok(row.u32()? as u8);
        let bodies = |row: &mut Reader<'_>| {
            (0..row.u64()?)
                .map(|_| {
                    Ok(BodyPreference {
                        kind: row.u32()? as u8,
                        all_or_none: row.bool()?,
                        truncation_size: row.option(Reader::u32)?,
                        preview: row.option(Reader::u32)?,
                    })
                })
                .collect::<store::Result<Vec<_>>>()
        };
        Ok(Options {
            filter: small(&mut row)?,
            client_wins: row.bool()?,
            truncation: row.option(small)?,
            mime_truncation: row.option(small)?,
            mime_support: small(&mut row)?,
            rights_management: row.bool()?,
            bodies: bodies(&mut row)?,
            body_parts: bodies(&mut row)?,
            max_items: row.option(Reader::u32)?,
        })
    }
}

impl Applied {
    /// Whether the device itself made this change.
    pub fn made(&self, uid: u32, at: ModSeq) -> bool {
        self.changed.iter().any(|change| change.uid == uid && change.modseq == at)
            || self.adds.iter().any(|add| add.uid == uid && add.modseq == at)
    }
}

/// What a state says about managed properties.
pub fn supported(header: &SyncHeader) -> Supported {
    match &header.supported {
        None => Supported::Everything,
        Some(tags) if tags.is_empty() => Supported::Nothing,
        Some(tags) => Supported::Listed(tags.iter().map(|tag| Tag(*tag)).collect()),
    }
}
