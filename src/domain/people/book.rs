//! What is asked about the cards of an address book, kept in memory and brought forward by the
//! change log: a search reads no card.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Details, Person, Source};
use crate::base::id::{AccountId, MailboxId, ModSeq, Uid};
use crate::domain::{Error, Result};
use crate::format::vcard::{Card, Field, split_address};
use crate::store::rows::collection::{Collection, CollectionKind};
use crate::store::{self, Read};

/// Cards that are looked through; who has more of them finds the first ones.
const CARDS_MAX: usize = 20_000;

/// Bytes of all books that are kept in memory: two of 20,000 ordinary cards (some 700 bytes each).
const KEPT_MAX: usize = 32 << 20;
/// Bytes of one book; what is in the cards behind that is not found.
const BOOK_MAX: usize = 24 << 20;
/// Bytes of one card. Nobody's names and numbers are that long, and one such card must not hide
/// the others.
const CARD_MAX: usize = 16 << 10;

/// Books that are read at the same time.
const TURNS: usize = 8;

/// The books that were asked for, newest reading of each; those that nobody has asked for
/// longest go first.
pub struct Books {
    shelf: Mutex<Shelf>,
    /// Bytes that are kept in all.
    room: usize,
    /// Who reads a book holds one of these (always the same for a book): who wants it meanwhile
    /// waits for it, and does not read it as well.
    turns: [Mutex<()>; TURNS],
}

#[derive(Default)]
struct Shelf {
    kept: HashMap<MailboxId, Kept>,
    bytes: usize,
    /// Raised whenever a book is asked for.
    clock: u64,
}

struct Kept {
    book: Arc<Book>,
    /// The shelf's clock when it was asked for last.
    used: u64,
}

/// One address book at a modseq.
#[derive(Clone, Default)]
pub struct Book {
    modseq: ModSeq,
    /// By UID; of a card with several addresses one for each.
    cards: BTreeMap<u32, Arc<[Person]>>,
    /// What they take.
    bytes: usize,
}

impl Book {
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.cards.values().flat_map(|card| card.iter())
    }
}

impl Default for Books {
    fn default() -> Self {
        Self::with_room(KEPT_MAX)
    }
}

impl Books {
    fn with_room(room: usize) -> Self {
        Self { shelf: Mutex::default(), room, turns: Default::default() }
    }

    /// The address books of an account, as they are now. The first time it reads every card:
    /// not for a thread on which others wait.
    pub fn of(&self, read: &impl Read, account: AccountId) -> Result<Vec<Arc<Book>>> {
        let rows = read.collections(account)?.into_iter();
        let rows = rows.filter(|row| row.kind == CollectionKind::Contacts);
        rows.map(|row| self.book(read, &row)).collect()
    }

    fn book(&self, read: &impl Read, row: &Collection) -> Result<Arc<Book>> {
        let is_new = |book: &Arc<Book>| book.modseq >= row.modseq;
        if let Some(book) = lock(&self.shelf).take_down(row.id).filter(is_new) {
            return Ok(book);
        }
        let _turn = self.turn(row.id).map(lock);
        // Whoever had the turn may have read it.
        let known = lock(&self.shelf).take_down(row.id);
        let mut book = match known {
            // Newer than what this reader sees is as good: it is a search.
            Some(book) if is_new(&book) => return Ok(book),
            Some(book) => Book::clone(&book),
            None => Book::default(),
        };
        book.bring_forward(read, row)?;
        let book = Arc::new(book);
        lock(&self.shelf).put(row.id, book.clone(), self.room);
        Ok(book)
    }

    fn turn(&self, book: MailboxId) -> Option<&Mutex<()>> {
        let number = book.account.0.wrapping_mul(31).wrapping_add(book.number);
        self.turns.get(number as usize % TURNS)
    }
}

impl Shelf {
    fn take_down(&mut self, id: MailboxId) -> Option<Arc<Book>> {
        self.clock += 1;
        let kept = self.kept.get_mut(&id)?;
        kept.used = self.clock;
        Some(kept.book.clone())
    }

    /// Keeps a book, and drops those that were not used for longest until all fit.
    fn put(&mut self, id: MailboxId, book: Arc<Book>, room: usize) {
        self.clock += 1;
        self.bytes += book.bytes;
        let kept = Kept { book, used: self.clock };
        if let Some(former) = self.kept.insert(id, kept) {
            self.bytes -= former.book.bytes;
        }
        while self.bytes > room {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| *id);
            let Some(gone) = oldest.and_then(|oldest| self.kept.remove(&oldest)) else { return };
            self.bytes -= gone.book.bytes;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
                    self.drop_card(uid);
                }
                for uid in changes.changed.iter() {
                    self.take(read, row.id, Uid(uid))?;
                }
            }
            None => {
                self.cards.clear();
                self.bytes = 0;
                for item in read.items(row.id)?.into_iter().take(CARDS_MAX) {
                    self.take(read, row.id, item.uid)?;
                }
            }
        }
        self.modseq = row.modseq;
        Ok(())
    }

    fn take(&mut self, read: &impl Read, book: MailboxId, uid: Uid) -> Result<()> {
        self.drop_card(uid);
        let Some(text) = read.item_text(book, uid)? else { return Ok(()) };
        let people = people_of(&String::from_utf8_lossy(&text), (book, uid));
        let bytes = people.iter().map(weight).sum::<usize>();
        let fits = bytes <= CARD_MAX && self.bytes + bytes <= BOOK_MAX;
        if !people.is_empty() && fits && self.cards.len() < CARDS_MAX {
            self.bytes += bytes;
            self.cards.insert(uid.0, people.into());
        }
        Ok(())
    }

    fn drop_card(&mut self, uid: Uid) {
        let gone = self.cards.remove(&uid.0);
        let bytes = gone.iter().flat_map(|card| card.iter()).map(weight).sum::<usize>();
        self.bytes -= bytes;
    }
}

/// Bytes that somebody takes in a book, with the book's own (a few words each).
fn weight(person: &Person) -> usize {
    size_of::<Person>() + 64 + person.heap()
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

#[cfg(test)]
mod tests;
