//! What is kept, what goes, and who reads.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::*;
use crate::base::clock::Clock;
use crate::domain::account::{self, NewAccount};
use crate::domain::{collection, contact, item};
use crate::store::keys::Kind;
use crate::store::read::RowFn;
use crate::store::{Snapshot, Store};

/// Counts the cards that are read.
struct Counted<'c> {
    read: Snapshot,
    cards: &'c AtomicUsize,
}

impl Read for Counted<'_> {
    fn get(&self, key: &[u8]) -> store::Result<Option<Bytes>> {
        if key.first() == Some(&(Kind::ItemText as u8)) {
            self.cards.fetch_add(1, Ordering::Relaxed);
        }
        self.read.get(key)
    }
    fn scan(&self, start: &[u8], end: &[u8], row: &mut RowFn<'_>) -> store::Result<()> {
        self.read.scan(start, end, row)
    }
}

struct Office {
    store: Store,
    people: Vec<AccountId>,
    cards: AtomicUsize,
}

impl Office {
    /// Three accounts with so many cards each.
    fn new(cards: usize) -> Office {
        let store = Store::in_memory(Clock::fixed(1_700_000_000));
        let people = store.write_blocking(move |tx| {
            account::add_domain(tx, "office.example")?;
            let mut people = Vec::new();
            for name in ["anna", "ben", "carla"] {
                let new = NewAccount {
                    address: format!("{name}@office.example").parse().unwrap(),
                    display_name: name.into(),
                    admin: false,
                    credentials: None,
                    quota: None,
                };
                let account = account::create(tx, &new)?.id;
                for number in 0..cards {
                    add(tx, account, &format!("Card {number}"))?;
                }
                people.push(account);
            }
            Ok::<_, Error>(people)
        });
        Office { store, people: people.unwrap(), cards: AtomicUsize::new(0) }
    }

    fn read(&self) -> Counted<'_> {
        Counted { read: self.store.read(), cards: &self.cards }
    }

    /// Names in an account's books, and how many cards were read for it.
    fn ask(&self, books: &Books, who: usize) -> (Vec<String>, usize) {
        let before = self.cards.load(Ordering::Relaxed);
        let found = books.of(&self.read(), self.people[who]).unwrap();
        let names = found.iter().flat_map(|book| book.people()).map(|it| it.name.clone());
        (names.collect(), self.cards.load(Ordering::Relaxed) - before)
    }
}

fn add(tx: &mut crate::store::Tx<'_>, account: AccountId, name: &str) -> Result<Uid> {
    let book = collection::default(tx, account, CollectionKind::Contacts)?.id;
    let card =
        format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{account}-{name}\r\nFN:{name}\r\nEND:VCARD\r\n");
    Ok(item::add(tx, book, contact::text(&Card::parse(&card).unwrap()))?.uid)
}

#[test]
fn books_are_read_once_and_then_brought_forward() {
    let office = Office::new(20);
    let books = Books::default();
    for _ in 0..3 {
        let read = (office.ask(&books, 0).1, office.ask(&books, 1).1);
        let all = office.cards.load(Ordering::Relaxed);
        assert_eq!(all, 40, "{read:?}");
    }
    let anna = office.people[0];
    let uid = office.store.write_blocking(move |tx| add(tx, anna, "New")).unwrap();
    let (names, read) = office.ask(&books, 0);
    assert_eq!((names.len(), read), (21, 1));
    let size = lock(&books.shelf).bytes;
    office
        .store
        .write_blocking(move |tx| {
            let book = collection::default(tx, anna, CollectionKind::Contacts)?.id;
            item::remove(tx, book, uid)
        })
        .unwrap();
    assert_eq!((office.ask(&books, 0).0.len(), office.ask(&books, 0).1), (20, 0));
    assert!(lock(&books.shelf).bytes < size);
}

#[test]
fn of_too_many_books_the_one_unused_for_longest_goes() {
    let office = Office::new(20);
    let books = Books::default();
    office.ask(&books, 0);
    let one = lock(&books.shelf).bytes;
    assert!(one > 20 * size_of::<Person>(), "{one}");
    // Room for two, and then some.
    let books = Books::with_room(one * 5 / 2);
    let read = |who| office.ask(&books, who).1;
    assert_eq!([read(0), read(1), read(0), read(1), read(0)], [20, 20, 0, 0, 0]);
    // Ben was asked for before Anna: he goes, she stays.
    assert_eq!([read(2), read(0), read(2)], [20, 0, 0]);
    assert_eq!([read(1), read(2), read(0)], [20, 0, 20]);
    assert!(lock(&books.shelf).bytes <= one * 5 / 2);
}

#[test]
fn many_who_ask_first_read_a_book_once() {
    let office = Office::new(200);
    let (books, at_once) = (Books::default(), Barrier::new(4));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                at_once.wait();
                assert_eq!(office.ask(&books, 0).0.len(), 200);
            });
        }
    });
    assert_eq!(office.cards.load(Ordering::Relaxed), 200);
}

#[test]
fn a_card_of_endless_names_hides_nobody() {
    let office = Office::new(2);
    let anna = office.people[0];
    office.store.write_blocking(move |tx| add(tx, anna, &"x".repeat(CARD_MAX))).unwrap();
    assert_eq!(office.ask(&Books::default(), 0).0, ["Card 0", "Card 1"]);
}
