//! Items of groupware collections: an event, a contact, a task, a note. What a text means is
//! decided by who wrote it (`format::ical`, `format::vcard`); here it gets and keeps its place.

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain::{Error, Result, collection, quota};
use crate::store::rows::collection::CollectionKind;
use crate::store::rows::item::{Item, NewItem};
use crate::store::{Read, Tx};

/// Longest standard text of one item. Phones attach files to events and photos to contacts;
/// beyond this it is a document and not an appointment.
pub const TEXT_MAX: usize = 4 << 20;

/// Items in a collection; far beyond any address book.
pub const ITEMS_MAX: u32 = 200_000;

/// An item's standard text (iCalendar or vCard) with what is asked for without reading it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// The UID that stands in the text: the same item elsewhere has the same.
    pub uid: String,
    pub text: String,
    /// Hash of everything a client can see; time stamps and producer ids are not part of it.
    pub look: u64,
    /// Extent in time, seconds since 1970; `i64::MAX` without end.
    pub from: UnixTime,
    pub until: UnixTime,
}

impl Text {
    fn into_new(self) -> Result<NewItem> {
        if self.text.len() > TEXT_MAX {
            return Err(Error::TooLarge);
        }
        if self.text.is_empty() {
            return Err(Error::Invalid("the item is empty".into()));
        }
        Ok(NewItem {
            key: key(&self.uid),
            look: self.look,
            from: self.from,
            until: self.until,
            text: Bytes::from(self.text),
        })
    }
}

/// The key under which items of this UID are found (`Read::items_with_key`).
pub fn key(uid: &str) -> u64 {
    XxHash3_64::oneshot(uid.as_bytes())
}

/// Puts a new item into a collection. Fails with `OverQuota`, `TooLarge` or `NotFound`.
pub fn add(tx: &mut Tx<'_>, to: MailboxId, text: Text) -> Result<Item> {
    let row = collection::require(tx, to)?;
    if row.items >= ITEMS_MAX {
        return Err(Error::TooMany("items in this collection"));
    }
    let new = text.into_new()?;
    quota::require(tx, to.account, new.text.len() as u64)?;
    Ok(tx.add_item(to, &new)?)
}

/// Gives an item a new text; the same text changes nothing.
pub fn change(tx: &mut Tx<'_>, of: MailboxId, uid: Uid, text: Text) -> Result<Item> {
    let old = tx.item(of, uid)?.ok_or(Error::NotFound("item"))?;
    let new = text.into_new()?;
    quota::require(tx, of.account, (new.text.len() as u64).saturating_sub(old.size))?;
    tx.change_item(of, uid, &new)?.ok_or(Error::NotFound("item"))
}

/// Removes an item; `NotFound` if it is gone already.
pub fn remove(tx: &mut Tx<'_>, of: MailboxId, uid: Uid) -> Result<Item> {
    collection::require(tx, of)?;
    tx.remove_item(of, uid)?.ok_or(Error::NotFound("item"))
}

/// Moves an item to another collection of the same kind; it keeps its id.
pub fn move_to(tx: &mut Tx<'_>, from: MailboxId, uid: Uid, to: MailboxId) -> Result<Item> {
    let (source, target) = (collection::require(tx, from)?, collection::require(tx, to)?);
    if source.kind != target.kind {
        return Err(Error::Invalid("the collection holds another kind of items".into()));
    }
    tx.move_item(from, uid, to)?.ok_or(Error::NotFound("item"))
}

/// The standard text of an item.
pub fn text(read: &impl Read, of: MailboxId, uid: Uid) -> Result<String> {
    let bytes = read.item_text(of, uid)?.ok_or(Error::NotFound("item"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Items of an account whose text has this UID, in collections of one kind; the default
/// collection's first. The caller compares the UID in the text where a wrong one would hurt.
pub fn with_uid(
    read: &impl Read,
    account: AccountId,
    kind: CollectionKind,
    uid: &str,
) -> Result<Vec<(MailboxId, Uid)>> {
    let mut found = Vec::new();
    for place in read.items_with_key(account, key(uid))? {
        if let Some(row) = read.collection(place.mailbox)?.filter(|row| row.kind == kind) {
            found.push((!row.default, place.mailbox, place.uid));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, collection, uid)| (collection, uid)).collect())
}
