//! People that somebody of an account may mean: the office's address list, and the account's own
//! contacts.

use crate::base::address::EmailAddress;
use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain::{Result, directory};
use crate::format::vcard::{Card, Field, Photo, decode_photo, split_address};
use crate::store::Read;
use crate::store::rows::account::AddressRow;
use crate::store::rows::collection::CollectionKind;

/// Contacts that are looked through; who has more of them finds the first ones.
const CONTACTS_MAX: usize = 20_000;

/// Somebody, or a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    pub name: String,
    pub address: String,
    pub source: Source,
    card: Option<(MailboxId, Uid)>,
    /// What is compared, in lower case.
    text: String,
}

/// Where somebody was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// In the office's address list: an account or a group.
    Office,
    /// Among the account's contacts.
    Contacts,
}

impl Person {
    /// The picture of a contact.
    pub fn photo(&self, read: &impl Read) -> Result<Option<Vec<u8>>> {
        let Some((collection, uid)) = self.card else { return Ok(None) };
        let Some(text) = read.item_text(collection, uid)? else { return Ok(None) };
        let Ok(card) = Card::parse(&String::from_utf8_lossy(&text)) else { return Ok(None) };
        Ok(match card.photo() {
            Some(Photo::Inline(data)) if !data.is_empty() => decode_photo(data),
            _ => None,
        })
    }
}

/// Everybody there is, read once for several questions.
pub struct People {
    all: Vec<Person>,
}

impl People {
    /// Reads the address list and the contacts of an account.
    pub fn read(read: &impl Read, account: AccountId) -> Result<People> {
        let mut people = People::of_office(read)?;
        contacts(read, account, &mut people.all)?;
        Ok(people)
    }

    /// Reads the office's address list alone.
    pub fn of_office(read: &impl Read) -> Result<People> {
        let mut all = Vec::new();
        for row in read.accounts()?.into_iter().filter(|row| row.enabled) {
            all.push(office(row.display_name, row.address));
        }
        for (address, row) in read.addresses()? {
            if let AddressRow::Group(group) = row {
                all.push(office(group.name, address));
            }
        }
        Ok(People { all })
    }

    /// Those of whose name or address each word is the beginning of one, as people type: who is
    /// called Anna does not hide Anna Muster.
    pub fn list(&self, text: &str) -> Vec<&Person> {
        let text = text.trim().to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Vec::new();
        }
        let begins = |person: &&Person| person.begins_with(&words);
        let mut found: Vec<&Person> = self.all.iter().filter(begins).collect();
        found.sort_by_key(|person| person.name.to_lowercase());
        found
    }

    /// Whom a text means: those with this address, else those with this name, else those of
    /// whose name or address each word is the beginning of one. Of an address the office's list
    /// knows, the contacts say nothing more.
    pub fn find(&self, text: &str) -> Vec<&Person> {
        let text = text.trim().to_lowercase();
        if text.is_empty() {
            return Vec::new();
        }
        let canonical = |address: &str| {
            EmailAddress::parse_human(address).map(|address| address.canonical()).ok()
        };
        let wanted = canonical(&text);
        let exact = |person: &&Person| match &wanted {
            Some(wanted) => canonical(&person.address).as_ref() == Some(wanted),
            None => person.name.to_lowercase() == text,
        };
        let mut found: Vec<&Person> = self.all.iter().filter(exact).collect();
        if found.is_empty() {
            let words: Vec<&str> = text.split_whitespace().collect();
            found = self.all.iter().filter(|person| person.begins_with(&words)).collect();
        }
        found.sort_by_key(|person| (person.address.to_lowercase(), person.source));
        found.dedup_by_key(|person| person.address.to_lowercase());
        found.sort_by_key(|person| (person.source, person.name.to_lowercase()));
        found
    }
}

impl Person {
    /// Whether each word begins a part of the name or of the address. What is behind the `@` is
    /// the same for the whole office, and counts in whole addresses only.
    fn begins_with(&self, words: &[&str]) -> bool {
        words.iter().all(|word| {
            let mut parts = self.text.split(|c: char| !c.is_alphanumeric());
            self.text.starts_with(word)
                || parts.any(|part| part.starts_with(word))
                || self.address.to_lowercase().starts_with(word)
        })
    }
}

/// What typed words are compared with.
fn text_of(name: &str, address: &str) -> String {
    let local = address.split('@').next().unwrap_or_default();
    format!("{name} {local}").to_lowercase()
}

fn office(name: String, address: String) -> Person {
    let text = text_of(&name, &address);
    Person { name, address, source: Source::Office, card: None, text }
}

fn contacts(read: &impl Read, account: AccountId, all: &mut Vec<Person>) -> Result<()> {
    let mut left = CONTACTS_MAX;
    let books = read.collections(account)?.into_iter();
    for book in books.filter(|row| row.kind == CollectionKind::Contacts) {
        for item in read.items(book.id)?.into_iter().take(left) {
            left -= 1;
            let Some(text) = read.item_text(book.id, item.uid)? else { continue };
            let Ok(card) = Card::parse(&String::from_utf8_lossy(&text)) else { continue };
            let fields = card.reading();
            let name = card.formatted_name().or_else(|| fields.get(Field::FileAs));
            let name = name.unwrap_or_default();
            for field in [Field::Email1Address, Field::Email2Address, Field::Email3Address] {
                let Some(shown) = fields.get(field) else { continue };
                let address = split_address(&shown).1.to_owned();
                let text = text_of(&name, &address);
                let (name, source) = (name.clone(), Source::Contacts);
                let card = Some((book.id, item.uid));
                all.push(Person { name, address, source, card, text });
            }
        }
    }
    Ok(())
}

/// The accounts behind an address of the office; none if it is another's.
pub fn accounts(read: &impl Read, address: &str) -> Result<Vec<AccountId>> {
    let Ok(address) = EmailAddress::parse_human(address) else { return Ok(Vec::new()) };
    Ok(match directory::resolve(read, &address)? {
        directory::Recipient::Local { accounts, .. } => accounts,
        directory::Recipient::Unknown | directory::Recipient::Elsewhere => Vec::new(),
    })
}
