//! Calendars, address books, task lists and notes of an account.

use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain::{Error, Result};
use crate::store::rows::collection::{Collection, CollectionKind};
use crate::store::{Read, Store, Tx};

/// Longest name of a collection in bytes.
pub const NAME_MAX: usize = 255;
/// Collections an account may have beside its mailboxes.
pub const COLLECTIONS_MAX: usize = 500;

/// What every account has.
const DEFAULTS: [(CollectionKind, &str); 5] = [
    (CollectionKind::Calendar, "Calendar"),
    (CollectionKind::Contacts, "Contacts"),
    (CollectionKind::Tasks, "Tasks"),
    (CollectionKind::Notes, "Notes"),
    (CollectionKind::Recipients, "RecipientInfo"),
];

/// The collection with this id.
pub fn require(read: &impl Read, id: MailboxId) -> Result<Collection> {
    read.collection(id)?.ok_or(Error::NotFound("collection"))
}

/// The account's own collection of a kind.
pub fn default(read: &impl Read, account: AccountId, kind: CollectionKind) -> Result<Collection> {
    let mut all = read.collections(account)?.into_iter();
    all.find(|each| each.default && each.kind == kind).ok_or(Error::NotFound("collection"))
}

/// Makes a collection. Names need not be unique: phones tell folders apart by their ids.
pub fn create(
    tx: &mut Tx<'_>,
    account: AccountId,
    kind: CollectionKind,
    name: &str,
) -> Result<Collection> {
    let name = normalise_name(name)?;
    if tx.collections(account)?.len() >= COLLECTIONS_MAX {
        return Err(Error::TooMany("collections"));
    }
    make(tx, account, kind, name, false)
}

fn make(
    tx: &mut Tx<'_>,
    account: AccountId,
    kind: CollectionKind,
    name: String,
    default: bool,
) -> Result<Collection> {
    let (id, _) = tx.next_mailbox(account)?;
    let modseq = tx.bump(account)?;
    let collection = Collection {
        id,
        kind,
        name,
        default,
        uid_next: Uid(1),
        modseq,
        listed: modseq,
        items: 0,
        bytes: 0,
        created: tx.now(),
    };
    tx.put_collection(&collection)?;
    Ok(collection)
}

/// Makes those of the default collections that an account does not have yet.
pub fn create_defaults(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let present = tx.collections(account)?;
    for (kind, name) in DEFAULTS {
        if !present.iter().any(|each| each.default && each.kind == kind) {
            make(tx, account, kind, name.to_owned(), true)?;
        }
    }
    Ok(())
}

/// Gives their default collections to accounts that were made before there were any.
pub fn complete(store: &Store) -> Result<()> {
    let read = store.read();
    for account in read.accounts()? {
        let present = read.collections(account.id)?;
        if present.iter().filter(|each| each.default).count() < DEFAULTS.len() {
            store.write_blocking(move |tx| create_defaults(tx, account.id))?;
        }
    }
    Ok(())
}

/// Renames a collection; its items stay.
pub fn rename(tx: &mut Tx<'_>, id: MailboxId, name: &str) -> Result<Collection> {
    let name = normalise_name(name)?;
    let renamed = Collection { name, ..require(tx, id)? };
    tx.put_collection(&renamed)?;
    Ok(renamed)
}

/// Removes a collection with its items; the account's default ones stay.
pub fn delete(tx: &mut Tx<'_>, id: MailboxId) -> Result<()> {
    let collection = require(tx, id)?;
    if collection.default {
        return Err(Error::Denied("the default collections cannot be deleted"));
    }
    Ok(tx.remove_collection(&collection)?)
}

/// Removes every item of a collection.
pub fn empty(tx: &mut Tx<'_>, id: MailboxId) -> Result<()> {
    for item in tx.items(id)? {
        tx.remove_item(id, item.uid)?;
    }
    Ok(())
}

fn normalise_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(Error::Invalid("the name is empty, too long or has control characters".into()));
    }
    Ok(name.to_owned())
}
