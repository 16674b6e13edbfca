//! Fields of a card as they are shown.

use super::field::{BOX, EXTENDED, FILE_AS, FIRST, Home, LAST, STREET};
use super::slots::{Family, Slot};
use super::{Card, Field, is, part, parts};
use crate::format::ical::{self, Property};

/// Several values of one name in a row.
const BETWEEN: &str = ", ";

/// MS-ASCNTC 2.2.2.19: a client gets no more.
const CATEGORIES_MAX: usize = 300;

/// A parameter beside an e-mail address: the name that a phone shows with it.
pub(super) const ADDRESS_NAME: &str = "X-KONTOR-NAME";

/// A card of which many fields are read: what stands in which place is found out once.
pub struct Reading<'a> {
    card: &'a Card,
    places: Vec<(Slot, usize)>,
}

impl Reading<'_> {
    /// A field as people read it; `None` if there is nothing in it.
    pub fn get(&self, field: Field) -> Option<String> {
        let card = self.card;
        let text = match field.home() {
            Home::FileAs => card.file_as(),
            Home::Name(at) => card.name_part(at),
            Home::Org(at) => part(&card.inner.properties.get(card.at("ORG")?)?.value, at, BETWEEN),
            Home::Text(names) | Home::Uri(names) => card.texts(names).next()?,
            Home::Person(names, role) => card.person(names, role)?,
            Home::Slot(slot, at) => {
                let place = self.places.iter().find(|(other, _)| *other == slot)?.1;
                shown(slot, card.inner.properties.get(place)?, at)
            }
            Home::Note => card.note(),
        };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let limit = if field == Field::Note { text.len() } else { super::FIELD_MAX };
        Some(text.get(..text.floor_char_boundary(limit))?.to_owned())
    }
}

impl Card {
    /// For reading many fields.
    pub fn reading(&self) -> Reading<'_> {
        let places = Family::ALL.into_iter().flat_map(|family| self.assign(family)).collect();
        Reading { card: self, places }
    }

    /// One field as people read it; `None` if there is nothing in it.
    pub fn get(&self, field: Field) -> Option<String> {
        let places = match field.home() {
            Home::Slot(slot, _) => self.assign(slot.family()),
            _ => Vec::new(),
        };
        Reading { card: self, places }.get(field)
    }

    /// The values of these names, the better name first; lists in one row.
    fn texts<'a>(&'a self, names: &'static [&'static str]) -> impl Iterator<Item = String> + 'a {
        let all = names.iter().flat_map(|name| self.named(name));
        let texts = all.map(|property| match is(property, "NICKNAME") {
            true => property.to_list().join(BETWEEN),
            false => property.to_text(),
        });
        texts.filter(|text| !text.trim().is_empty())
    }

    /// A part of N; without N what the formatted name suggests.
    pub(super) fn name_part(&self, at: usize) -> String {
        match self.full_name() {
            Some(name) => part(&name.value, at, " "),
            None => self.guessed_name(at),
        }
    }

    /// N, if there is anything in it.
    fn full_name(&self) -> Option<&Property> {
        self.inner.properties.get(self.full_name_at()?)
    }

    pub(super) fn full_name_at(&self) -> Option<usize> {
        let mut all = self.inner.properties.iter();
        all.position(|one| is(one, "N") && one.value.chars().any(|c| c != ';' && c != ' '))
    }

    /// The last word of FN for the last name, the others for the first. Cards without N, or
    /// with an empty one, would be nobody to phones.
    fn guessed_name(&self, at: usize) -> String {
        let name = self.formatted_name().unwrap_or_default();
        if !matches!(at, FIRST | LAST) || self.kind() == "org" || self.is_substitute(&name) {
            return String::new();
        }
        let (first, last) = name.rsplit_once(' ').unwrap_or((&name, ""));
        if at == FIRST { first.trim().to_owned() } else { last.to_owned() }
    }

    /// What a contact without a name of its own is called by.
    fn substitutes(&self) -> impl Iterator<Item = String> {
        let fields =
            [Field::CompanyName, Field::NickName, Field::Email1Address, Field::MobilePhone];
        self.texts(FILE_AS).chain(fields.into_iter().filter_map(|field| self.get(field)))
    }

    pub(super) fn substitute_name(&self) -> String {
        self.substitutes().next().unwrap_or_default()
    }

    pub(super) fn is_substitute(&self, name: &str) -> bool {
        name.is_empty() || self.substitutes().any(|other| other.trim() == name)
    }

    /// How it is filed: as somebody chose, else `Last, First`, else by whatever names it.
    fn file_as(&self) -> String {
        self.texts(FILE_AS).next().unwrap_or_else(|| self.derived_file_as())
    }

    pub(super) fn derived_file_as(&self) -> String {
        let (first, last) = (self.name_part(FIRST), self.name_part(LAST));
        if !first.is_empty() && !last.is_empty() && self.has_name() {
            return format!("{last}, {first}");
        }
        self.formatted_name().unwrap_or_else(|| {
            let name = if last.is_empty() { first } else { last };
            if name.is_empty() { self.substitute_name() } else { name }
        })
    }

    /// Whether it has a name of its own, and none that FN suggests.
    pub(super) fn has_name(&self) -> bool {
        self.full_name_at().is_some()
    }

    fn note(&self) -> String {
        let texts = self.named("NOTE").map(Property::to_text);
        let texts = texts.map(|text| text.trim_end().to_owned()).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join("\n\n")
    }

    /// All e-mail addresses, the preferred one first, without names beside them.
    pub fn addresses(&self) -> Vec<String> {
        let mut all: Vec<&Property> = self.named("EMAIL").collect();
        all.sort_by_key(|property| super::preference(property));
        all.truncate(super::ALIKE_MAX);
        all.into_iter().map(email).filter(|address| !address.is_empty()).collect()
    }

    /// CATEGORIES of all properties, each once.
    pub fn categories(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for category in self.named("CATEGORIES").flat_map(Property::to_list) {
            let category = category.trim();
            let fresh = all.len() < CATEGORIES_MAX && all.iter().all(|other| other != category);
            if !category.is_empty() && fresh {
                all.push(category.to_owned());
            }
        }
        all
    }
}

/// What stands in a place.
pub(super) fn shown(slot: Slot, property: &Property, at: usize) -> String {
    match slot.family() {
        Family::Phone => phone(property),
        Family::Email => named_email(property),
        Family::Im => im(property),
        Family::Address => address_part(slot, &property.value, at),
    }
}

/// A number as it is read; of a `tel:` URI (RFC 3966) what is dialled.
fn phone(property: &Property) -> String {
    let text = property.to_text();
    let text = text.trim();
    let Some(number) = strip_scheme(text, "tel:") else { return text.to_owned() };
    let mut fields = number.split(';');
    let number = fields.next().unwrap_or_default();
    let extension = fields.find_map(|field| field.strip_prefix("ext="));
    extension.map_or_else(|| number.to_owned(), |extension| format!("{number} x{extension}"))
}

fn email(property: &Property) -> String {
    let text = property.to_text();
    strip_scheme(text.trim(), "mailto:").unwrap_or(text.trim()).to_owned()
}

/// `"Name" <address>` where a name is kept with the address (MS-ASCNTC 2.2.2.27).
fn named_email(property: &Property) -> String {
    let address = email(property);
    match property.param(ADDRESS_NAME).filter(|name| !name.is_empty()) {
        Some(name) => {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{name}\" <{address}>")
        }
        None => address,
    }
}

/// An address for instant messages, without the scheme of an IMPP.
fn im(property: &Property) -> String {
    let text = property.to_text();
    match text.split_once(':') {
        Some((_, rest)) if is(property, "IMPP") => rest.trim_start_matches('/').to_owned(),
        _ => text.trim().to_owned(),
    }
}

/// A part of an address. The street takes in what else stands before the town; of the address
/// at work the second part is the office.
fn address_part(slot: Slot, value: &str, at: usize) -> String {
    let one = |at| part(value, at, BETWEEN);
    if at != STREET {
        return one(at);
    }
    let office = slot == Slot::BusinessAddress;
    let lines = [one(BOX), if office { String::new() } else { one(EXTENDED) }, one(STREET)];
    lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

pub(super) fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Whether nothing is left of an address.
pub(super) fn is_empty_address(value: &str) -> bool {
    parts(value).iter().all(|part| ical::unescape(part).trim().is_empty())
}
