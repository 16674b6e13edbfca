//! vCards (RFC 6350; 2426 and vCard 2.1 are read) as a list of properties that keeps what it
//! does not understand, and a typed view of what address books show.
//!
//! [`Card`] stands on the content lines of [`crate::format::ical`]. Reading makes version 4 of
//! older cards (`normal`), so that there is one form to look at. Every [`Field`] has a home in
//! the card, found in whichever of the known properties holds it and written back to the same
//! place; an edit touches nothing but what it names.

mod date;
mod edit;
mod field;
mod normal;
mod people;
mod photo;
mod read;
mod slots;

#[cfg(test)]
mod tests;

use std::fmt;

pub use date::{DateField, NO_YEAR};
pub use edit::{Change, split_address};
pub use field::Field;
pub use photo::{Photo, decode as decode_photo};
pub use read::Reading;
pub use slots::Slot;

use crate::format::ical::{self, Component, DecodeError, Property};

/// Longest text of one field but the notes; phones cut far below, and nobody writes more on
/// purpose. Notes are as long as the card may be: who shows a part of them has to say so.
pub const FIELD_MAX: usize = 64 * 1024;

/// Properties of one card. The longest real ones are groups with a line for each member.
pub const PROPERTIES_MAX: usize = 5_000;

/// Properties of one kind that are looked at: a card with more telephone numbers is no card.
/// They are kept; looking for their labels must not take a square of time.
const ALIKE_MAX: usize = 100;

const NOTE_HTML: &str = "X-KONTOR-NOTE-HTML";

/// One contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    inner: Component,
}

impl Card {
    /// An empty card.
    pub fn new(uid: &str) -> Card {
        let mut inner = Component::new("VCARD");
        inner.push(Property::new("VERSION", "4.0"));
        inner.push(Property::text("UID", uid));
        Card { inner }
    }

    /// Reads the first card of a text.
    pub fn parse(text: &str) -> Result<Card, DecodeError> {
        Card::parse_all(text.as_bytes())?.into_iter().next().ok_or(DecodeError::Empty)
    }

    /// Reads all cards of a text, which may be none.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Card>, DecodeError> {
        let found = Component::parse_all(bytes)?.into_iter().filter(|one| one.is("VCARD"));
        let read = |one: Component| match one.properties.len() > PROPERTIES_MAX {
            true => Err(DecodeError::TooLong),
            false => Ok(Card { inner: normal::normalise(one) }),
        };
        found.map(read).collect()
    }

    pub fn uid(&self) -> Option<String> {
        self.inner.text_of("UID").filter(|uid| !uid.trim().is_empty())
    }

    pub fn set_uid(&mut self, uid: &str) {
        self.inner.set(Property::text("UID", uid));
    }

    /// Sets the time of the last change (RFC 6350 §6.7.4).
    pub fn set_revision(&mut self, now: jiff::Timestamp) {
        let utc = ical::Time::utc(now);
        self.inner.set(Property::new("REV", utc.value()));
    }

    /// The HTML that a phone's note was made of. vCard has no place for it.
    pub fn note_html(&self) -> Option<String> {
        self.inner.text_of(NOTE_HTML).filter(|html| !html.trim().is_empty())
    }

    pub fn set_note_html(&mut self, html: Option<&str>) {
        match html {
            Some(html) => self.inner.set(Property::text(NOTE_HTML, html)),
            None => self.inner.remove(NOTE_HTML),
        }
    }

    /// Hash of what a client could see.
    pub fn look(&self) -> u64 {
        ical::component_look(&self.inner)
    }

    /// Whether it stands for something else than a person: `group`, `org`, `location`
    /// (RFC 6350 §6.1.4), in lower case.
    pub fn kind(&self) -> String {
        let names = ["KIND", "X-ADDRESSBOOKSERVER-KIND"];
        let kind = names.iter().find_map(|name| self.inner.text_of(name)).unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }

    /// The formatted name (RFC 6350 §6.2.1).
    pub fn formatted_name(&self) -> Option<String> {
        let names = self.named("FN").map(Property::to_text);
        names.map(|name| name.trim().to_owned()).find(|name| !name.is_empty())
    }

    /// All properties as they stand.
    pub fn properties(&self) -> &[Property] {
        &self.inner.properties
    }

    /// The properties of a name, whatever group they are in.
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.inner.properties.iter().filter(move |property| is(property, name))
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.inner.properties.iter().position(|property| is(property, name))
    }

    /// What Apple's programs call a property: the `X-ABLabel` of its group, without the signs
    /// around names that they translate (`_$!<Spouse>!$_`).
    fn label(&self, property: &Property) -> Option<&str> {
        let group = group(property)?;
        let label = self.named("X-ABLABEL").find(|other| {
            self::group(other).is_some_and(|other| other.eq_ignore_ascii_case(group))
        })?;
        let text = label.value.as_str();
        let inner = text.strip_prefix("_$!<").and_then(|text| text.strip_suffix(">!$_"));
        Some(inner.unwrap_or(text))
    }

    /// Removes properties by their places, and labels that were theirs alone.
    fn remove_all(&mut self, places: &[usize]) {
        let properties = &mut self.inner.properties;
        let gone = |at: &usize| places.contains(at);
        let groups: Vec<String> = (0..properties.len())
            .filter(gone)
            .filter_map(|at| group(&properties[at]).map(str::to_owned))
            .collect();
        let mut at = 0;
        properties.retain(|_| {
            at += 1;
            !gone(&(at - 1))
        });
        for name in groups {
            let of = |p: &Property| group(p).is_some_and(|other| other.eq_ignore_ascii_case(&name));
            let label = |p: &Property| is(p, "X-ABLABEL") || is(p, "X-ABADR");
            if properties.iter().filter(|p| of(p)).all(label) {
                properties.retain(|p| !of(p));
            }
        }
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The name without its group (RFC 6350 §3.3).
fn bare(property: &Property) -> &str {
    property.name.rsplit('.').next().unwrap_or_default()
}

fn group(property: &Property) -> Option<&str> {
    property.name.rsplit_once('.').map(|(group, _)| group)
}

fn is(property: &Property, name: &str) -> bool {
    bare(property).eq_ignore_ascii_case(name)
}

/// The values of all TYPE parameters; a quoted list counts as several.
fn types(property: &Property) -> impl Iterator<Item = &str> {
    let params = property.params.iter().filter(|param| param.name.eq_ignore_ascii_case("TYPE"));
    params.flat_map(|param| param.values.iter()).flat_map(|value| value.split(',')).map(str::trim)
}

fn has_type(property: &Property, name: &str) -> bool {
    types(property).any(|one| one.eq_ignore_ascii_case(name))
}

/// How much a property is preferred: 1 most, 101 if nothing is said (RFC 6350 §5.3).
fn preference(property: &Property) -> u8 {
    property.param("PREF").and_then(|pref| pref.trim().parse().ok()).unwrap_or(101)
}

/// The parts of a structured value, still escaped.
fn parts(value: &str) -> Vec<&str> {
    ical::split(value, b';')
}

/// One part of a structured value as people read it: a list's values one after the other.
fn part(value: &str, at: usize, between: &str) -> String {
    let all = parts(value);
    let values = all.get(at).map(|part| ical::split_list(part)).unwrap_or_default();
    let texts = values.into_iter().map(|value| ical::unescape(value).trim().to_owned());
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(between)
}

/// Replaces one part of a structured value; the others stay as they are written.
fn set_part(value: &str, at: usize, text: &str) -> String {
    let mut all: Vec<String> = parts(value).into_iter().map(str::to_owned).collect();
    if all.len() <= at {
        all.resize(at + 1, String::new());
    }
    if let Some(part) = all.get_mut(at) {
        *part = ical::escape(text);
    }
    all.join(";")
}
