//! Calendars and address books in and out by files: the server's side.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::super::control::{BookLine, BroughtEntry, BroughtLine, Failure, Item, Outlet, Reply};
use super::{Context, holder_of};
use crate::base::id::{AccountId, MailboxId};
use crate::base::zone;
use crate::domain::calendar::{self, Sends};
use crate::domain::item::{self, Text};
use crate::domain::people::{Books, People, Person, office};
use crate::domain::{self, collection, contact};
use crate::eas::render::{event, task};
use crate::format::ical::{self, Component, Series};
use crate::format::tz;
use crate::format::vcard::Card;
use crate::store::rows::collection::{Collection, CollectionKind};
use crate::store::{Read, Store, Tx};

/// Takes a batch of entries in one transaction. An entry whose UID is there already replaces it.
pub(super) fn bring(
    context: &Context,
    email: &str,
    into: Option<String>,
    entries: Vec<BroughtEntry>,
    payload: Vec<u8>,
) -> Result<Reply, Failure> {
    let read = context.store.read();
    let account = holder_of(&read, email)?;
    let zone = read.account(account)?.map_or_else(zone::office, |row| calendar::home(&row));
    drop(read);
    let mut line = BroughtLine::default();
    let (mut at, mut ready) = (0, Vec::new());
    for entry in entries {
        let Some(bytes) = payload.get(at..at + entry.size) else {
            return Err(Failure("the batch is shorter than it says".into()));
        };
        at += entry.size;
        match text_of(&String::from_utf8_lossy(bytes), &zone) {
            Ok((kind, text)) => {
                line.bytes += text.text.len() as u64;
                ready.push((kind, text, entry.place));
            }
            Err(reason) => line.skipped.push(format!("{}: {reason}", entry.place)),
        }
    }
    let taken = ready.len() as u64;
    let refused = context.store.write_blocking(move |tx| {
        let mut refused = Vec::new();
        for (kind, text, place) in ready {
            match put(tx, account, kind, into.as_deref(), text) {
                Ok(()) => {}
                Err(error @ (domain::Error::TooLarge | domain::Error::Invalid(_))) => {
                    refused.push(format!("{place}: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok::<_, domain::Error>(refused)
    })?;
    line.messages = taken.saturating_sub(refused.len() as u64);
    line.skipped.extend(refused);
    Ok(Reply::Brought(line))
}

fn text_of(text: &str, zone: &TimeZone) -> Result<(CollectionKind, Text), String> {
    if text.trim_start().get(..11).is_some_and(|head| head.eq_ignore_ascii_case("BEGIN:VCARD")) {
        let card = Card::parse(text).map_err(|error| error.to_string())?;
        return Ok((CollectionKind::Contacts, contact::text(&card)));
    }
    let calendar = Component::parse(text).map_err(|error| error.to_string())?;
    if calendar.child("VEVENT").is_some() {
        let series = Series::parse(text).map_err(|error| error.to_string())?;
        let zones = series.zones(zone);
        return Ok((CollectionKind::Calendar, event::text_of(&series, &zones)));
    }
    let (kind, part) = match (calendar.child("VTODO"), calendar.child("VJOURNAL")) {
        (Some(part), _) => (CollectionKind::Tasks, part),
        (None, Some(part)) => (CollectionKind::Notes, part),
        (None, None) => return Err("it is no event, task or note".into()),
    };
    let until = if kind == CollectionKind::Tasks { task::until(part) } else { i64::MAX };
    let uid = part.text_of("UID").unwrap_or_default();
    let look = ical::look(&calendar);
    Ok((kind, Text { uid, text: calendar.to_string(), look, from: 0, until }))
}

fn put(
    tx: &mut Tx<'_>,
    account: AccountId,
    kind: CollectionKind,
    into: Option<&str>,
    text: Text,
) -> Result<(), domain::Error> {
    let to = target(tx, account, kind, into)?;
    let known = item::with_uid(tx, account, kind, &text.uid)?.into_iter();
    let mut known = known.filter(|(of, _)| into.is_none() || *of == to);
    // An import sends nothing to anybody.
    match (known.next(), kind) {
        (Some((of, uid)), CollectionKind::Calendar) => {
            calendar::change(tx, of, uid, text, Sends::Client)?;
        }
        (Some((of, uid)), _) => {
            item::change(tx, of, uid, text)?;
        }
        (None, CollectionKind::Calendar) => {
            calendar::add(tx, to, text, Sends::Client)?;
        }
        (None, _) => {
            item::add(tx, to, text)?;
        }
    }
    Ok(())
}

/// The account's own collection of a kind, or the one with a name, made if it is missing.
fn target(
    tx: &mut Tx<'_>,
    account: AccountId,
    kind: CollectionKind,
    into: Option<&str>,
) -> Result<MailboxId, domain::Error> {
    if account == AccountId::OFFICE {
        return match (kind, into) {
            (CollectionKind::Contacts, None) => office::book_or_new(tx),
            _ => {
                Err(domain::Error::Invalid("the office keeps one address book, of contacts".into()))
            }
        };
    }
    let Some(name) = into else { return Ok(collection::default(tx, account, kind)?.id) };
    let named = |each: &Collection| each.kind == kind && each.name == name;
    match tx.collections(account)?.into_iter().find(named) {
        Some(found) => Ok(found.id),
        None => Ok(collection::create(tx, account, kind, name)?.id),
    }
}

/// The office's address book, or those in it who fit a text.
pub(super) fn list_book(store: &Store, text: Option<&str>) -> Result<Reply, Failure> {
    let (read, books) = (store.read(), Books::default());
    let found = match text {
        None => office::list(&read, &books)?,
        Some(text) => People::of_book(&read, &books)?.list(text).into_iter().cloned().collect(),
    };
    let line = |person: Person| BookLine {
        name: person.name,
        email: person.address,
        phone: person.details.phone,
        mobile: person.details.mobile,
        company: person.details.company,
        title: person.details.title,
    };
    let mut lines: Vec<BookLine> = found.into_iter().map(line).collect();
    if text.is_none() {
        lines.sort_by_cached_key(|line| line.name.to_lowercase());
    }
    Ok(Reply::Book(lines))
}

pub(super) fn remove_from_book(store: &Store, who: String) -> Result<Reply, Failure> {
    let name = who.clone();
    let count = store.write_blocking(move |tx| office::remove(tx, &who));
    let count = count.map_err(|error| super::named(error, &format!("\"{name}\"")))?;
    let cards = if count == 1 { "card was" } else { "cards were" };
    Ok(Reply::Done(format!("{count} {cards} removed.")))
}

/// Gives out each calendar, task list and notes as one .ics, each address book as one .vcf;
/// how many entries there were.
pub(super) fn export(
    store: &Store,
    account: AccountId,
    outlet: &mut dyn Outlet,
) -> Result<u64, Failure> {
    let (mut count, mut names) = (0, std::collections::HashSet::new());
    for collection in store.read().collections(account)? {
        let ending = match collection.kind {
            // Made of sent mail, and made again.
            CollectionKind::Recipients => continue,
            CollectionKind::Contacts => "vcf",
            _ => "ics",
        };
        let mut whole = String::new();
        let mut zones = ZonesOfFile::default();
        let read = store.read();
        for item in read.items(collection.id)? {
            let Some(text) = read.item_text(collection.id, item.uid)? else { continue };
            append(&mut whole, &mut zones, &String::from_utf8_lossy(&text), ending);
            count += 1;
        }
        drop(read);
        // A file without entries says nothing, and is none to other programs.
        if whole.is_empty() {
            continue;
        }
        if ending == "ics" {
            let head = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{}\r\n", ical::PRODUCT);
            whole = head + &whole + "END:VCALENDAR\r\n";
        }
        // Names need not be unique.
        let number = collection.id.number;
        let name = match names.insert(collection.name.clone()) {
            true => format!("{}.{ending}", collection.name),
            false => format!("{}-{number}.{ending}", collection.name),
        };
        outlet.item(&Item::File { name }, whole.as_bytes())?;
    }
    Ok(count)
}

/// The zones of a file: under each name what it was first, and what others mean by it.
#[derive(Default)]
struct ZonesOfFile(HashMap<String, Vec<String>>);

impl ZonesOfFile {
    /// The name under which a zone stands in the file, and whether it stands there already.
    fn name(&mut self, id: &str, zone: &Component) -> (String, bool) {
        let same_name = self.0.entry(id.to_owned()).or_default();
        let text = zone.to_string();
        let known = same_name.iter().position(|known| *known == text);
        // A name that everybody knows means the same, however it is described.
        let known = known.or_else(|| tz::by_name(id).and(same_name.first().map(|_| 0)));
        let (at, there) = match known {
            Some(at) => (at, true),
            None => {
                same_name.push(text);
                (same_name.len() - 1, false)
            }
        };
        let name = if at == 0 { id.to_owned() } else { format!("{id} ({})", at + 1) };
        (name, there)
    }
}

/// Adds an entry to its file; each zone stands there once. Programs give one name to different
/// zones ("Customized Time Zone"): the second one gets another.
fn append(whole: &mut String, zones: &mut ZonesOfFile, text: &str, ending: &str) {
    let parsed = if ending == "ics" { Component::parse(text).ok() } else { None };
    let Some(mut calendar) = parsed else {
        whole.push_str(text);
        return;
    };
    let mut renamed = HashMap::new();
    for zone in calendar.components.iter_mut().filter(|part| part.is("VTIMEZONE")) {
        let id = zone.value_of("TZID").unwrap_or_default().to_owned();
        let (name, there) = zones.name(&id, zone);
        if name != id {
            if let Some(line) = zone.first_mut("TZID") {
                line.value.clone_from(&name);
            }
            renamed.insert(id, name);
        }
        if !there {
            zone.write(whole);
        }
    }
    for part in calendar.components.iter_mut().filter(|part| !part.is("VTIMEZONE")) {
        if !renamed.is_empty() {
            rename_zones(part, &renamed);
        }
        part.write(whole);
    }
}

fn rename_zones(part: &mut Component, renamed: &HashMap<String, String>) {
    for line in &mut part.properties {
        if let Some(new) = line.param("TZID").and_then(|id| renamed.get(id)).cloned() {
            line.set_param("TZID", Some(&new));
        }
    }
    part.components.iter_mut().for_each(|inner| rename_zones(inner, renamed));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(uid: &str, zone: &str, offset: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:{zone}\r\nBEGIN:STANDARD\r\n\
             DTSTART:16010101T000000\r\nTZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}\r\n\
             END:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
             DTSTART;TZID={zone}:20260101T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    }

    #[test]
    fn two_zones_of_one_name_stay_two() {
        let (mut whole, mut zones) = (String::new(), ZonesOfFile::default());
        let customized = "Customized Time Zone";
        for (uid, zone, offset) in [
            ("a", customized, "+0300"),
            ("b", customized, "-0500"),
            ("c", customized, "+0300"),
            ("d", customized, "-0500"),
            ("e", "Europe/Berlin", "+0100"),
            ("f", "Europe/Berlin", "+0200"),
        ] {
            append(&mut whole, &mut zones, &event(uid, zone, offset), "ics");
        }
        assert_eq!(whole.matches("BEGIN:VTIMEZONE").count(), 3, "{whole}");
        let file = format!("BEGIN:VCALENDAR\r\n{whole}END:VCALENDAR\r\n");
        let calendar = Component::parse(&file).unwrap();
        let zones = ical::Zones::of(&calendar, &jiff::tz::TimeZone::UTC);
        let starts = calendar.children("VEVENT").map(|event| {
            let start = ical::Event::new(event, &zones).start_at().unwrap();
            start.to_string()
        });
        let (early, late) = ("2026-01-01T07:00:00Z", "2026-01-01T15:00:00Z");
        let berlin = "2026-01-01T09:00:00Z";
        assert_eq!(starts.collect::<Vec<_>>(), [early, late, early, late, berlin, berlin]);
    }
}
