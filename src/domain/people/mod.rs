//! People that somebody of an account may mean: the office's address list (accounts, groups, and
//! the office's address book), and the account's own contacts.

mod book;
mod names;
pub mod office;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use book::Books;

use crate::base::address::EmailAddress;
use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain::{Result, directory};
use crate::format::vcard::{Card, Photo, decode_photo};
use crate::store::Read;
use crate::store::rows::account::AddressRow;
use book::Book;

/// Words of a question that are looked at; nobody types more.
const WORDS_MAX: usize = 16;

/// Somebody, or a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    pub name: String,
    /// Empty for a card without one.
    pub address: String,
    /// Further addresses of an account; nothing else has any.
    aliases: Vec<String>,
    /// Only who knows the address finds it.
    hidden: bool,
    pub source: Source,
    pub details: Details,
    card: Option<(MailboxId, Uid)>,
    /// The address as addresses are compared; empty if it is none.
    key: String,
    /// The name as names are compared.
    folded: String,
    /// The folded words of the name and the address, and what else is looked through in lists.
    words: String,
    more: String,
    digits: Vec<String>,
}

/// What a card says beside the name; empty where it says nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Details {
    pub phone: String,
    pub mobile: String,
    pub home_phone: String,
    pub office: String,
    pub title: String,
    pub company: String,
    pub first_name: String,
    pub last_name: String,
}

/// Where somebody was found, in the order in which they are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// Accounts and groups.
    Directory,
    /// The office's address book.
    Office,
    /// Among the account's contacts.
    Contacts,
}

impl Person {
    fn new(
        name: String,
        address: String,
        source: Source,
        details: Details,
        card: Option<(MailboxId, Uid)>,
    ) -> Person {
        let mut person = Person {
            words: words_of(&[&name, local_part(&address)]),
            more: String::new(),
            digits: Vec::new(),
            card,
            key: canonical(&address).unwrap_or_default(),
            folded: names::fold(&name),
            name,
            address,
            aliases: Vec::new(),
            hidden: false,
            source,
            details: Details::default(),
        };
        person.describe(details, card);
        person
    }

    /// Takes over what a card says.
    fn describe(&mut self, details: Details, card: Option<(MailboxId, Uid)>) {
        // What is behind the `@` is the same for the whole office, and says nothing there.
        let domain = match self.card {
            Some(_) => self.address.split_once('@').map_or("", |(_, domain)| domain),
            None => "",
        };
        self.more = words_of(&[&details.company, domain]);
        let numbers = [&details.phone, &details.mobile, &details.home_phone].into_iter();
        self.digits = numbers.filter_map(|number| names::digits(number)).collect();
        self.details = details;
        self.card = card;
    }

    /// Gives an account a further address, by which it is found too.
    fn add_alias(&mut self, alias: String) {
        self.words.push_str(&words_of(&[local_part(&alias)]));
        self.aliases.push(alias);
    }

    fn addresses(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.address).chain(&self.aliases)
    }

    /// Bytes of its texts.
    fn heap(&self) -> usize {
        let Details { phone, mobile, home_phone, office, title, company, .. } = &self.details;
        let Details { first_name, last_name, .. } = &self.details;
        let own = [&self.name, &self.address, &self.key, &self.folded, &self.words, &self.more];
        let said = [phone, mobile, home_phone, office, title, company, first_name, last_name];
        let numbers = self.digits.iter().map(|digits| size_of::<String>() + digits.capacity());
        own.into_iter().chain(said).map(String::capacity).sum::<usize>() + numbers.sum::<usize>()
    }

    /// The picture of a card.
    pub fn photo(&self, read: &impl Read) -> Result<Option<Vec<u8>>> {
        let Some((collection, uid)) = self.card else { return Ok(None) };
        let Some(text) = read.item_text(collection, uid)? else { return Ok(None) };
        let Ok(card) = Card::parse(&String::from_utf8_lossy(&text)) else { return Ok(None) };
        Ok(match card.photo() {
            Some(Photo::Inline(data)) if !data.is_empty() => decode_photo(data),
            _ => None,
        })
    }

    /// How well a question fits; `None` if it does not.
    fn fit(&self, question: &Question, everywhere: bool) -> Option<Fit> {
        let more = if everywhere { self.more.as_str() } else { "" };
        let number = question.number.as_deref().filter(|_| everywhere);
        let begins = |word: &Typed| {
            word.ways.iter().any(|way| {
                begins_one(&self.words, way)
                    || begins_one(more, way)
                    || self.addresses().any(|address| starts_with(address, way))
            })
        };
        let is_spelled_like = |word: &Typed| {
            let all = || names::parts(&self.words).chain(names::parts(more));
            let is_one = |part: &String| all().any(|own| names::is_spelling(own, part));
            !word.parts.is_empty() && word.parts.iter().all(is_one)
        };
        if question.words.iter().all(begins) {
            return Some(self.whole_fit(question));
        }
        if number.is_some_and(|number| self.digits.iter().any(|own| own.contains(number))) {
            return Some(Fit::Words);
        }
        let fits = question.words.iter().all(|word| begins(word) || is_spelled_like(word));
        fits.then_some(Fit::Spelling)
    }

    /// The same where each word is known to be the beginning of one.
    fn whole_fit(&self, question: &Question) -> Fit {
        let addresses = self.addresses().map(|address| address.to_lowercase());
        let own = ways(&self.name).into_iter().chain(addresses);
        let fit = |own: String| {
            let whole = || question.whole.iter();
            if whole().any(|text| own == *text) {
                Fit::Whole
            } else if whole().any(|text| own.starts_with(text.as_str())) {
                Fit::Beginning
            } else {
                Fit::Words
            }
        };
        own.map(fit).min().unwrap_or(Fit::Words)
    }
}

/// How well somebody fits what was typed, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fit {
    /// It is the name or the address.
    Whole,
    /// One of them begins with it.
    Beginning,
    /// Its words are beginnings of words anywhere, or its digits are in a telephone number.
    Words,
    /// It does with the umlauts written in another way.
    Spelling,
}

/// What was typed.
struct Question {
    /// The whole text, in each way to write it.
    whole: Vec<String>,
    words: Vec<Typed>,
    /// Its digits, if it is a telephone number.
    number: Option<String>,
}

/// A typed word.
struct Typed {
    ways: Vec<String>,
    /// What is between its hyphens and other signs, as spellings are compared.
    parts: Vec<String>,
}

impl Typed {
    fn new(word: &str) -> Typed {
        let folded = names::fold(word);
        let parts = names::parts(&folded).take(WORDS_MAX).map(names::collapse).collect();
        Typed { ways: ways(word), parts }
    }
}

impl Question {
    fn new(text: &str) -> Option<Question> {
        let text = text.trim();
        let words = text.split_whitespace().take(WORDS_MAX).map(Typed::new).collect::<Vec<_>>();
        (!words.is_empty()).then(|| Question {
            whole: ways(text),
            words,
            number: names::digits(text).filter(|digits| !digits.is_empty()),
        })
    }
}

/// Everybody there is, for several questions.
pub struct People {
    /// Accounts and groups, with those who are not listed.
    own: Vec<Person>,
    /// Whose each address of these is; nobody's is that of an account that is locked. Cards say
    /// nothing beside them.
    known: HashMap<String, Option<usize>>,
    office: Vec<Arc<Book>>,
    contacts: Vec<Arc<Book>>,
}

impl People {
    /// The address list, and the contacts of an account.
    pub fn read(read: &impl Read, books: &Books, account: AccountId) -> Result<People> {
        let mut people = People::of_office(read, books)?;
        people.contacts = books.of(read, account)?;
        Ok(people)
    }

    /// The office's address list alone. A card with the address of an account or a group tells
    /// more about it, and stands for nobody else.
    pub fn of_office(read: &impl Read, books: &Books) -> Result<People> {
        let mut people = People::of_directory(read)?;
        people.office = books.of(read, AccountId::OFFICE)?;
        for card in people.office.iter().flat_map(|book| book.people()) {
            let place = people.known.get(&card.key).copied().flatten();
            if let Some(person) = place.and_then(|place| people.own.get_mut(place)) {
                person.describe(card.details.clone(), card.card);
            }
        }
        Ok(people)
    }

    fn of_directory(read: &impl Read) -> Result<People> {
        let (mut own, mut known) = (Vec::new(), HashMap::new());
        let named = |name, address, hidden| {
            let person = Person::new(name, address, Source::Directory, Details::default(), None);
            Person { hidden, ..person }
        };
        let mut places = HashMap::new();
        for row in read.accounts()?.into_iter().filter(|row| row.enabled) {
            places.insert(row.id, own.len());
            own.push(named(row.display_name, row.address, row.hidden));
        }
        for (address, row) in read.addresses()? {
            let place = match row {
                AddressRow::Group(group) => {
                    own.push(named(group.name, address.clone(), group.hidden));
                    Some(own.len() - 1)
                }
                AddressRow::Primary(id) => places.get(&id).copied(),
                AddressRow::Alias(id) => {
                    let place = places.get(&id).copied();
                    if let Some(person) = place.and_then(|place| own.get_mut(place)) {
                        person.add_alias(address.clone());
                    }
                    place
                }
            };
            known.insert(address, place);
        }
        Ok(People { own, known, office: Vec::new(), contacts: Vec::new() })
    }

    /// The office's address book alone.
    pub fn of_book(read: &impl Read, books: &Books) -> Result<People> {
        let office = books.of(read, AccountId::OFFICE)?;
        Ok(People { own: Vec::new(), known: HashMap::new(), office, contacts: Vec::new() })
    }

    /// Everybody who can be found without knowing the address.
    fn all(&self) -> impl Iterator<Item = &Person> {
        let office = self.office.iter().flat_map(|book| book.people());
        let contacts = self.contacts.iter().flat_map(|book| book.people());
        let outside = office.filter(|card| !self.known.contains_key(&card.key));
        let listed = self.own.iter().filter(|person| !person.hidden);
        listed.chain(outside).chain(contacts)
    }

    /// Those who fit what was typed: of whose name, address or firm each word is the beginning
    /// of a word, or whose telephone number it is part of. Who is called Anna comes before Anna
    /// Muster and does not hide her; Mueller is found for Muller, behind who is called so.
    pub fn list(&self, text: &str) -> Vec<&Person> {
        let Some(question) = Question::new(text) else { return Vec::new() };
        in_order(self.all().filter_map(|it| Some((it.fit(&question, true)?, it))).collect())
    }

    /// Whom a text means, those first who fit best: those with this address (also if they are
    /// not listed), else those with this name, else those of whose name or address each word is
    /// the beginning of one, else those who are spelled like it (Haack does not make Hack
    /// ambiguous). Of an address the office's list knows, the contacts say nothing more.
    pub fn find(&self, text: &str) -> Vec<&Person> {
        let Some(question) = Question::new(text) else { return Vec::new() };
        let address = canonical(text.trim());
        if let Some(person) = address.as_ref().and_then(|address| self.owner(address)) {
            return vec![person];
        }
        let reachable = || self.all().filter(|person| !person.address.is_empty());
        let has_it = |person: &&Person| address.as_ref().is_some_and(|it| person.key == *it);
        let mut found: Vec<_> = reachable().filter(has_it).map(|it| (Fit::Whole, it)).collect();
        if found.is_empty() {
            found = reachable().filter_map(|it| Some((it.fit(&question, false)?, it))).collect();
            for (fit, worse) in [(Fit::Whole, Fit::Beginning), (Fit::Words, Fit::Spelling)] {
                if found.iter().any(|(it, _)| *it <= fit) {
                    found.retain(|(it, _)| *it < worse);
                }
            }
        }
        // Each address once, as who is known best.
        found.sort_by_key(|(fit, person)| (person.source, *fit));
        let mut seen = HashSet::new();
        found.retain(|(_, person)| seen.insert(self.identity(person)));
        in_order(found)
    }

    /// Whose address in the office this is.
    fn owner(&self, address: &str) -> Option<&Person> {
        self.own.get(self.known.get(address).copied().flatten()?)
    }

    /// What is the same of two entries about one address; further addresses of an account are
    /// its own one.
    fn identity(&self, person: &Person) -> String {
        match self.owner(&person.key) {
            Some(owner) => owner.key.clone(),
            None if person.key.is_empty() => person.address.to_lowercase(),
            None => person.key.clone(),
        }
    }
}

/// The best fit first, and of those who fit as well the office's own.
fn in_order(mut found: Vec<(Fit, &Person)>) -> Vec<&Person> {
    let rank = |(fit, person): &(Fit, &Person)| (*fit, person.source);
    found.sort_by(|a, b| {
        let names = || (&a.1.folded, &a.1.address).cmp(&(&b.1.folded, &b.1.address));
        rank(a).cmp(&rank(b)).then_with(names)
    });
    found.into_iter().map(|(_, person)| person).collect()
}

fn canonical(address: &str) -> Option<String> {
    EmailAddress::parse_human(address).map(|address| address.canonical()).ok()
}

fn local_part(address: &str) -> &str {
    address.split('@').next().unwrap_or_default()
}

/// The ways to write a text that are compared.
fn ways(text: &str) -> Vec<String> {
    [names::fold(text)].into_iter().chain(names::spelled_out(text)).collect()
}

/// Texts as their words are compared, in each way to write them.
fn words_of(texts: &[&str]) -> String {
    let mut words = String::new();
    for way in texts.iter().flat_map(|text| ways(text)) {
        words.push(' ');
        words.push_str(&way);
    }
    words
}

/// Whether a typed word is the beginning of one of these.
fn begins_one(words: &str, word: &str) -> bool {
    words.match_indices(word).any(|(at, _)| {
        let before = words.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric())
    })
}

fn starts_with(address: &str, word: &str) -> bool {
    address.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// The accounts behind an address of the office; none if it is another's.
pub fn accounts(read: &impl Read, address: &str) -> Result<Vec<AccountId>> {
    let Ok(address) = EmailAddress::parse_human(address) else { return Ok(Vec::new()) };
    Ok(match directory::resolve(read, &address)? {
        directory::Recipient::Local { accounts, .. } => accounts,
        directory::Recipient::Unknown | directory::Recipient::Elsewhere => Vec::new(),
    })
}
