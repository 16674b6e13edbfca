//! Typed reading, the same from a snapshot and from inside a transaction.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::base::id::{AccountId, ContentId, KeywordId, MailboxId, MessageId, ModSeq, Uid};
use crate::base::uidset::UidSet;
use crate::store::keys::{self, Kind};
use crate::store::rows::account::{Account, AccountState, AddressRow, Domain};
use crate::store::rows::collection::Collection;
use crate::store::rows::flags::{FlagPage, Hot, PAGE};
use crate::store::rows::item::{Item, PART};
use crate::store::rows::log::LogEntry;
use crate::store::rows::mailbox::Mailbox;
use crate::store::rows::marks::Marks;
use crate::store::rows::message::{Body, Place, Whereabouts};
use crate::store::{Error, Result};

/// A message in its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub uid: Uid,
    pub place: Place,
    pub hot: Hot,
}

/// What changed in a collection behind a modseq.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// Items that are there and were added or changed.
    pub changed: UidSet,
    /// Items that went away (some may never have been seen by the one who asks).
    pub gone: Vec<(Uid, MessageId)>,
}

/// Receives one row of a scan; `Break` ends it.
pub type RowFn<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>> + 'a;

/// Reading of rows. The provided methods decode; [`crate::store::Tx`] answers some of them from
/// what it has changed and not yet encoded.
pub trait Read {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;
    /// Rows of `start..end` in order.
    fn scan(&self, start: &[u8], end: &[u8], row: &mut RowFn<'_>) -> Result<()>;

    /// Rows whose key starts with `prefix`.
    fn scan_prefix(&self, prefix: &[u8], row: &mut RowFn<'_>) -> Result<()> {
        self.scan(prefix, &keys::after_prefix(prefix), row)
    }

    fn domain(&self, name: &str) -> Result<Option<Domain>> {
        self.get(&keys::domain(name))?.map(|value| Domain::decode(&value)).transpose()
    }
    fn domains(&self) -> Result<Vec<Domain>> {
        collect(self, &keys::kind(Kind::Domain), |_, value| Domain::decode(value))
    }
    fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.get(&keys::account(id))?.map(|value| Account::decode(&value)).transpose()
    }
    fn accounts(&self) -> Result<Vec<Account>> {
        collect(self, &keys::kind(Kind::Account), |_, value| Account::decode(value))
    }
    /// `canonical` as `base::address` makes it.
    fn address(&self, canonical: &str) -> Result<Option<AddressRow>> {
        self.get(&keys::address(canonical))?.map(|value| AddressRow::decode(&value)).transpose()
    }
    /// Every address with its meaning, in order of the address.
    fn addresses(&self) -> Result<Vec<(String, AddressRow)>> {
        collect(self, &keys::kind(Kind::Address), |key, value| {
            Ok((text(key, 1)?, AddressRow::decode(value)?))
        })
    }
    /// The sequences of an account; all zero for one that has none yet.
    fn account_state(&self, id: AccountId) -> Result<AccountState> {
        let value = self.get(&keys::account_state(id))?;
        value.map_or_else(|| Ok(AccountState::default()), |value| AccountState::decode(&value))
    }

    fn mailbox(&self, id: MailboxId) -> Result<Option<Mailbox>> {
        self.get(&keys::mailbox(id))?.map(|value| Mailbox::decode(id, &value)).transpose()
    }
    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>> {
        let value = self.get(&keys::mailbox_name(account, name))?;
        Ok(value.and_then(|value| keys::u32_at(&value, 0)).map(|n| MailboxId::new(account, n)))
    }
    /// All mailboxes of an account, in order of their numbers.
    fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        collect(self, &keys::of_account(Kind::Mailbox, account), |key, value| {
            let number =
                keys::u32_at(key, 5).ok_or_else(|| Error::Damaged("mailbox key".into()))?;
            Mailbox::decode(MailboxId::new(account, number), value)
        })
    }
    /// Names that are subscribed, whether such mailboxes exist or not (RFC 9051 §6.3.7).
    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        collect(self, &keys::of_account(Kind::Subscription, account), |key, _| text(key, 5))
    }
    /// The annotations of a mailbox, or of the account with mailbox number 0.
    fn annotations(&self, mailbox: MailboxId) -> Result<Vec<(String, Bytes)>> {
        collect(self, &keys::of_mailbox(Kind::Annotation, mailbox), |key, value| {
            Ok((text(key, 9)?, Bytes::copy_from_slice(value)))
        })
    }
    /// The account's keywords, by number.
    fn keywords(&self, account: AccountId) -> Result<Vec<(KeywordId, String)>> {
        collect(self, &keys::of_account(Kind::Keyword, account), |key, value| {
            let id = keys::u32_at(key, 5).unwrap_or_default() as u16;
            Ok((KeywordId(id), String::from_utf8_lossy(value).into_owned()))
        })
    }

    fn flag_page(&self, mailbox: MailboxId, page: u32) -> Result<Option<FlagPage>> {
        self.get(&keys::flags(mailbox, page))?.map(|value| FlagPage::decode(&value)).transpose()
    }
    fn place(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Place>> {
        self.get(&keys::place(mailbox, uid))?.map(|value| Place::decode(&value)).transpose()
    }
    fn hot(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Hot>> {
        Ok(self.flag_page(mailbox, uid.0 / PAGE)?.and_then(|page| page.get(uid).cloned()))
    }
    fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        match (self.place(mailbox, uid)?, self.hot(mailbox, uid)?) {
            (Some(place), Some(hot)) => Ok(Some(Message { uid, place, hot })),
            _ => Ok(None),
        }
    }
    /// Where a message is, by its id.
    fn whereabouts(&self, account: AccountId, id: MessageId) -> Result<Option<Whereabouts>> {
        let Some(value) = self.get(&keys::message(account, id))? else { return Ok(None) };
        let found = Whereabouts::decode(account, &value)?;
        // A mailbox that was removed may still be on its way out.
        let there =
            self.mailbox(found.mailbox)?.is_some() || self.collection(found.mailbox)?.is_some();
        Ok(there.then_some(found))
    }

    fn collection(&self, id: MailboxId) -> Result<Option<Collection>> {
        self.get(&keys::collection(id))?.map(|value| Collection::decode(id, &value)).transpose()
    }
    /// All collections of an account that are no mailboxes, in order of their numbers.
    fn collections(&self, account: AccountId) -> Result<Vec<Collection>> {
        collect(self, &keys::of_account(Kind::Collection, account), |key, value| {
            let number =
                keys::u32_at(key, 5).ok_or_else(|| Error::Damaged("collection key".into()))?;
            Collection::decode(MailboxId::new(account, number), value)
        })
    }
    fn item(&self, collection: MailboxId, uid: Uid) -> Result<Option<Item>> {
        self.get(&keys::item(collection, uid))?.map(|value| Item::decode(uid, &value)).transpose()
    }
    /// All items of a collection, in order of their UIDs.
    fn items(&self, collection: MailboxId) -> Result<Vec<Item>> {
        collect(self, &keys::of_mailbox(Kind::Item, collection), |key, value| {
            Item::decode(Uid(keys::u32_at(key, 9).unwrap_or_default()), value)
        })
    }
    /// An item's standard text.
    fn item_text(&self, collection: MailboxId, uid: Uid) -> Result<Option<Bytes>> {
        let Some(first) = self.get(&keys::item_text(collection, uid, 0))? else { return Ok(None) };
        if first.len() < PART {
            return Ok(Some(first));
        }
        let mut text = Vec::from(first);
        let rest = keys::item_text(collection, uid, 1);
        let end = keys::after_prefix(&keys::item_texts(collection, uid));
        self.scan(&rest, &end, &mut |_, part| {
            text.extend_from_slice(part);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Some(text.into()))
    }
    /// Where items are whose text's own UID has this hash, in any collection of the account.
    fn items_with_key(&self, account: AccountId, key: u64) -> Result<Vec<Whereabouts>> {
        collect(self, &keys::item_keys(account, key), |key, value| {
            let number = keys::u32_at(key, 13).unwrap_or_default();
            let uid = Uid(keys::u32_at(value, 0).unwrap_or_default());
            Ok(Whereabouts { mailbox: MailboxId::new(account, number), uid })
        })
    }
    /// What phones keep with a message.
    fn marks(&self, account: AccountId, id: MessageId) -> Result<Option<Marks>> {
        self.get(&keys::marks(account, id))?.map(|value| Marks::decode(&value)).transpose()
    }

    /// The encoded cold record (`format::mime::RecordView` reads it).
    fn content(&self, id: ContentId) -> Result<Option<Bytes>> {
        self.get(&keys::content(id))
    }
    fn body_row(&self, id: ContentId) -> Result<Option<Body>> {
        self.get(&keys::body(id))?.map(|value| Body::decode(&value)).transpose()
    }

    /// What changed in a collection behind `since`. A token from before the horizon is
    /// [`Error::Stale`]: its holder must start over.
    fn changes(&self, collection: MailboxId, since: ModSeq) -> Result<Changes> {
        if since < self.account_state(collection.account)?.horizon {
            return Err(Error::Stale);
        }
        let mut changes = Changes::default();
        let start = keys::log(collection, ModSeq(since.0.saturating_add(1)), 0);
        let end = keys::after_prefix(&keys::of_mailbox(Kind::Log, collection));
        self.scan(&start, &end, &mut |_, value| {
            let entry = LogEntry::decode(value)?;
            changes.changed.union_with(&entry.changed);
            changes.gone.extend(entry.gone);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(changes)
    }
}

/// Decodes every row under a prefix.
pub fn collect<R: Read + ?Sized, T>(
    read: &R,
    prefix: &[u8],
    mut decode: impl FnMut(&[u8], &[u8]) -> Result<T>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    read.scan_prefix(prefix, &mut |key, value| {
        all.push(decode(key, value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all)
}

fn text(key: &[u8], from: usize) -> Result<String> {
    let bytes = key.get(from..).unwrap_or_default().to_vec();
    String::from_utf8(bytes).map_err(|_| Error::Damaged("a name is not UTF-8".into()))
}
