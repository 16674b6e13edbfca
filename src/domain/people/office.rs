//! The office's address book: cards that belong to nobody and are found by everybody. It is a
//! collection like any other, of an account that nobody can log in to.

use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain::people::{Books, Person};
use crate::domain::{Error, Result, collection, item};
use crate::store::rows::collection::CollectionKind;
use crate::store::{Read, Tx};

const NAME: &str = "Office";

/// The book; `None` as long as nothing was put into it.
pub fn book(read: &impl Read) -> Result<Option<MailboxId>> {
    let mut rows = read.collections(AccountId::OFFICE)?.into_iter();
    Ok(rows.find(|row| row.kind == CollectionKind::Contacts).map(|row| row.id))
}

/// The book, made if there is none yet.
pub fn book_or_new(tx: &mut Tx<'_>) -> Result<MailboxId> {
    match book(tx)? {
        Some(book) => Ok(book),
        None => Ok(collection::create(tx, AccountId::OFFICE, CollectionKind::Contacts, NAME)?.id),
    }
}

/// Everybody in it, one entry for each address.
pub fn list(read: &impl Read, books: &Books) -> Result<Vec<Person>> {
    let books = books.of(read, AccountId::OFFICE)?;
    Ok(books.iter().flat_map(|book| book.people()).cloned().collect())
}

/// Removes the cards that have this address, or else this name; how many there were. Fails with
/// `NotFound`.
pub fn remove(tx: &mut Tx<'_>, who: &str) -> Result<usize> {
    let all = list(tx, &Books::default())?;
    let is = |text: &str| text.to_lowercase() == who.trim().to_lowercase();
    let mut cards: Vec<(MailboxId, Uid)> =
        all.iter().filter(|person| is(&person.address)).filter_map(|person| person.card).collect();
    if cards.is_empty() {
        cards = all.iter().filter(|person| is(&person.name)).filter_map(|it| it.card).collect();
    }
    cards.sort_unstable();
    cards.dedup();
    if cards.is_empty() {
        return Err(Error::NotFound("entry of this address or name"));
    }
    for (book, uid) in &cards {
        item::remove(tx, *book, *uid)?;
    }
    Ok(cards.len())
}
