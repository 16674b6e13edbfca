//! Meetings between people: what a change calls for, and what an arriving message changes.
//! RFC 5546 (iTIP).
//!
//! Everything here works on calendar texts: [`difference`] compares an event before and after a
//! change and says who has to be told what, [`arriving`] applies what somebody else said, and
//! [`letter`] writes the mail. Who may say what is decided here too; where mail comes from and
//! goes to is not (`domain::calendar`, `domain::invitation`, `delivery`).

mod agents;
pub mod answering;
pub mod arriving;
pub mod cancelling;
pub mod declining;
pub mod difference;
pub mod letter;
mod range;
pub mod respond;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::address::EmailAddress;
use crate::base::clock::UnixTime;
use crate::domain::item::Text;
use crate::domain::{Error, Result};
use crate::format::ical::{self, Attendee, Component, Property, Series, Time};
use crate::store::Read;
use crate::store::rows::account::{Account, AddressRow};

/// Participants of one event that are looked at: a meeting of more is a public event.
pub const PARTICIPANTS_MAX: usize = 1_000;

/// Begins the names of properties and parameters that are this server's own notes.
const PRIVATE: &str = "X-KONTOR-";

/// Participants of all instances of one event that are looked up.
const LOOKED_UP_MAX: usize = 2 * PARTICIPANTS_MAX;

/// What a scheduling message wants. RFC 5546 §1.4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Method {
    Publish,
    Request,
    Reply,
    Add,
    Cancel,
    Refresh,
    Counter,
    DeclineCounter,
}

impl Method {
    const NAMES: [(Method, &'static str); 8] = [
        (Method::Publish, "PUBLISH"),
        (Method::Request, "REQUEST"),
        (Method::Reply, "REPLY"),
        (Method::Add, "ADD"),
        (Method::Cancel, "CANCEL"),
        (Method::Refresh, "REFRESH"),
        (Method::Counter, "COUNTER"),
        (Method::DeclineCounter, "DECLINECOUNTER"),
    ];

    pub fn parse(text: &str) -> Option<Method> {
        let text = text.trim();
        Self::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(m, _)| *m)
    }

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(m, _)| *m == self).map_or("REQUEST", |(_, name)| *name)
    }
}

/// A message that a change calls for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    pub method: Method,
    pub to: Vec<Party>,
    /// With its METHOD, as it is sent.
    pub calendar: Component,
    /// What the sender says to it.
    pub comment: Option<String>,
}

/// Somebody who is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Party {
    pub address: String,
    pub name: Option<String>,
}

/// The account whose event it is, and which of the addresses in its text are its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Own {
    pub address: String,
    pub name: String,
    known: BTreeSet<String>,
    /// Those of the others' addresses that are in domains of this server.
    colleagues: BTreeSet<String>,
}

impl Own {
    /// Looks up every participant of these calendars.
    pub fn of<'a>(
        read: &impl Read,
        account: &Account,
        calendars: impl IntoIterator<Item = &'a Component>,
    ) -> Result<Own> {
        let mut known = BTreeSet::from([canonical(&account.address)]);
        let mut colleagues = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for event in calendars.into_iter().flat_map(|calendar| calendar.children("VEVENT")) {
            let participant = |p: &&Property| p.is("ATTENDEE") || p.is("ORGANIZER");
            for property in event.properties.iter().filter(participant).take(PARTICIPANTS_MAX) {
                let Ok(address) = EmailAddress::parse_mailbox(&ical::address(property)) else {
                    continue;
                };
                if seen.len() >= LOOKED_UP_MAX {
                    break;
                }
                if seen.insert(address.canonical()) && is_of(read, account, &address)? {
                    known.insert(address.canonical());
                }
            }
            let organizer = event.first("ORGANIZER").into_iter();
            for address in organizer.flat_map(agents::named) {
                if let Ok(address) = EmailAddress::parse_mailbox(&address)
                    && read.domain(address.domain())?.is_some()
                {
                    colleagues.insert(address.canonical());
                }
            }
        }
        let (address, name) = (account.address.clone(), account.display_name.clone());
        Ok(Own { address, name, known, colleagues })
    }

    /// Whether an organizer, or who writes for one, is somebody of this office.
    fn is_colleague(&self, address: &str) -> bool {
        self.colleagues.contains(&canonical(address))
    }

    pub fn has(&self, address: &str) -> bool {
        self.known.contains(&canonical(address))
    }

    /// The account's own line among the participants of an event.
    fn line<'a>(&self, event: &'a Component) -> Option<&'a Property> {
        event.all("ATTENDEE").take(PARTICIPANTS_MAX).find(|who| self.has(&ical::address(who)))
    }

    /// Whether the account is the organizer.
    pub fn organizes(&self, event: &Component) -> bool {
        event.first("ORGANIZER").is_some_and(|who| self.has(&ical::address(who)))
    }
}

/// Whether an address, with or without a tag, belongs to the account alone.
fn is_of(read: &impl Read, account: &Account, address: &EmailAddress) -> Result<bool> {
    for form in std::iter::once(address.canonical()).chain(address.canonical_untagged()) {
        match read.address(&form)? {
            Some(AddressRow::Primary(id) | AddressRow::Alias(id)) => return Ok(id == account.id),
            Some(AddressRow::Group(_)) => return Ok(false),
            None => {}
        }
    }
    Ok(false)
}

/// The form in which addresses are compared.
pub fn canonical(address: &str) -> String {
    match EmailAddress::parse_mailbox(address.trim()) {
        Ok(address) => address.canonical(),
        Err(_) => address.trim().to_lowercase(),
    }
}

fn party(property: &Property) -> Option<Party> {
    let who = Attendee::read(property);
    (!who.address.is_empty()).then_some(Party { address: who.address, name: who.name })
}

/// SEQUENCE; 0 if there is none (RFC 5545 §3.8.7.4).
fn sequence(event: &Component) -> u32 {
    event.value_of("SEQUENCE").and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// DTSTAMP, by which texts of one SEQUENCE are ordered (RFC 5546 §2.1.5).
fn stamp(event: &Component) -> i64 {
    let time = event.first("DTSTAMP").and_then(Time::read);
    let instant = |time: Time| TimeZone::UTC.to_ambiguous_timestamp(time.at).compatible().ok();
    time.and_then(instant).map_or(i64::MIN, jiff::Timestamp::as_second)
}

/// What orders the texts of an event.
fn version(event: &Component) -> (u32, i64) {
    (sequence(event), stamp(event))
}

fn is_cancelled(event: &Component) -> bool {
    event.value_of("STATUS").is_some_and(|status| status.trim().eq_ignore_ascii_case("CANCELLED"))
}

fn utc(at: UnixTime) -> Time {
    Time::utc(Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Notes that an event was written at this time.
fn stamp_now(event: &mut Component, now: UnixTime) {
    event.set(utc(now).property("DTSTAMP"));
    event.set(utc(now).property("LAST-MODIFIED"));
}

/// An event's text as it is kept. Without METHOD, which says what a message wants and nothing
/// about an event (RFC 4791 §4.1). Fails with `Invalid` where it has no UID.
pub fn seal(mut series: Series, home: &TimeZone) -> Result<Text> {
    series.calendar.remove("METHOD");
    let uid = series.uid();
    if uid.is_empty() {
        return Err(Error::Invalid("the event has no UID".into()));
    }
    let (from, until) = ical::extent(&series, &series.zones(home));
    let look = ical::look(&series.calendar);
    Ok(Text { uid, text: series.calendar.to_string(), look, from, until })
}
