//! What is asked about the cards of an address book, kept in memory and brought forward by the
//! change log: a search reads no card.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::{Details, Person, Source};
use crate::base::id::{AccountId, MailboxId, ModSeq, Uid};
use crate::domain::{Error, Result};
use crate::format::vcard::{Card, Field, split_address};
use crate::store::rows::collection::{Collection, CollectionKind};
use crate::store::{self, Read};

/// Cards that are looked through; who has more of them finds the first ones.
const CARDS_MAX: usize = 20_000;

/// Cards of all books that are kept in memory, some 600 bytes each.
const KEPT_MAX: usize = 100_000;

/// The books that were asked for, newest reading of each.
#[derive(Default)]
pub struct Books(Mutex<HashMap<MailboxId, Arc<Book>>>);

/// One address book at a modseq.
#[derive(Clone, Default)]
pub struct Book {
    modseq: ModSeq,
    /// By UID; of a card with several addresses one for each.
    cards: BTreeMap<u32, Arc<[Person]>>,
}

impl Book {
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.cards.values().flat_map(|card| card.iter())
    }
}

impl Books {
    /// The address books of an account, as they are now.
    pub fn of(&self, read: &impl Read, account: AccountId) -> Result<Vec<Arc<Book>>> {
        let rows = read.collections(account)?.into_iter();
        let rows = rows.filter(|row| row.kind == CollectionKind::Contacts);
        rows.map(|row| self.book(read, &row)).collect()
    }

    fn book(&self, read: &impl Read, row: &Collection) -> Result<Arc<Book>> {
        let known = self.lock().get(&row.id).cloned();
        let mut book = match known {
            Some(book) if book.modseq == row.modseq => return Ok(book),
            // A reader with an older view must not take a newer book for its own.
            Some(book) if book.modseq < row.modseq => Book::clone(&book),
            _ => Book::default(),
        };
        book.bring_forward(read, row)?;
        let book = Arc::new(book);
        let mut books = self.lock();
        if books.get(&row.id).is_some_and(|newer| newer.modseq > book.modseq) {
            return Ok(book);
        }
        let kept: usize = books.values().map(|book| book.cards.len()).sum();
        if kept + book.cards.len() > KEPT_MAX {
            books.clear();
        }
        books.insert(row.id, book.clone());
        Ok(book)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MailboxId, Arc<Book>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Book {
    fn bring_forward(&mut self, read: &impl Read, row: &Collection) -> Result<()> {
        let changes = match self.modseq {
            ModSeq(0) => None,
            modseq => match read.changes(row.id, modseq) {
                Ok(changes) => Some(changes),
                Err(store::Error::Stale) => None,
                Err(error) => return Err(Error::Store(error)),
            },
        };
        match changes {
            Some(changes) => {
                for (uid, _) in changes.gone {
                    self.cards.remove(&uid.0);
                }
                for uid in changes.changed.iter() {
                    self.take(read, row.id, Uid(uid))?;
                }
            }
            None => {
                self.cards.clear();
                for item in read.items(row.id)?.into_iter().take(CARDS_MAX) {
                    self.take(read, row.id, item.uid)?;
                }
            }
        }
        self.modseq = row.modseq;
        Ok(())
    }

    fn take(&mut self, read: &impl Read, book: MailboxId, uid: Uid) -> Result<()> {
        let people = match read.item_text(book, uid)? {
            Some(text) => people_of(&String::from_utf8_lossy(&text), (book, uid)),
            None => Vec::new(),
        };
        match people.is_empty() || self.cards.len() >= CARDS_MAX {
            true => drop(self.cards.remove(&uid.0)),
            false => drop(self.cards.insert(uid.0, people.into())),
        }
        Ok(())
    }
}

/// Whom a card is about: one for each of its addresses, or one that has none.
fn people_of(text: &str, place: (MailboxId, Uid)) -> Vec<Person> {
    let Ok(card) = Card::parse(text) else { return Vec::new() };
    let fields = card.reading();
    let get = |field| fields.get(field).unwrap_or_default();
    let company = get(Field::CompanyName);
    let name = card.formatted_name().or_else(|| fields.get(Field::FileAs));
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| company.clone());
    let details = Details {
        phone: get(Field::BusinessPhone),
        mobile: get(Field::MobilePhone),
        home_phone: get(Field::HomePhone),
        office: get(Field::OfficeLocation),
        title: get(Field::JobTitle),
        company,
        first_name: get(Field::FirstName),
        last_name: get(Field::LastName),
    };
    let slots = [Field::Email1Address, Field::Email2Address, Field::Email3Address];
    let shown = slots.into_iter().filter_map(|field| fields.get(field));
    let mut addresses: Vec<String> = shown.map(|it| split_address(&it).1.to_owned()).collect();
    if addresses.is_empty() {
        addresses.push(String::new());
    }
    let source = match place.0.account {
        AccountId::OFFICE => Source::Office,
        _ => Source::Contacts,
    };
    let person = |address| Person::new(name.clone(), address, source, details.clone(), Some(place));
    addresses.into_iter().map(person).collect()
}
