//! Calendars and address books from files: each event, task, note and card as a text of its own.

use std::io;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::{DEPTH, LARGEST, Skipped, entries_of as inside};
use crate::format::ical::{Component, Property};
use crate::format::vcard::Card;

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Ics,
    Vcf,
}

/// What the components of a calendar become.
const COMPONENTS: [&str; 3] = ["VEVENT", "VTODO", "VJOURNAL"];

/// Files below a path, or the path itself.
pub fn files(path: &Path, kind: EntryKind) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !path.is_dir() {
        path.metadata()?;
        return Ok(vec![path.to_owned()]);
    }
    let endings: &[&str] = match kind {
        EntryKind::Ics => &["ics", "ical", "ifb"],
        EntryKind::Vcf => &["vcf", "vcard"],
    };
    let mut left = vec![(path.to_owned(), 0)];
    while let Some((dir, depth)) = left.pop() {
        for path in inside(&dir)? {
            let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            if path.is_dir() && depth < DEPTH {
                left.push((path, depth + 1));
            } else if endings.contains(&ending.as_str()) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file's entries.
pub fn read(path: &Path, kind: EntryKind) -> Result<Vec<String>, Skipped> {
    use std::io::Read as _;
    let failed = |error: io::Error| Skipped::new(path.display(), error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Skipped::new(path.display(), "larger than any calendar"));
    }
    let read = match kind {
        EntryKind::Ics => calendar(&bytes),
        EntryKind::Vcf => cards(&bytes),
    };
    read.map_err(|reason| Skipped::new(path.display(), reason))
}

fn cards(bytes: &[u8]) -> Result<Vec<String>, String> {
    let cards = Card::parse_all(bytes).map_err(|error| error.to_string())?;
    let named = cards.into_iter().map(|mut card| {
        if card.uid().is_none_or(|uid| uid.trim().is_empty()) {
            card.set_uid(&made_up(&card.to_string()));
        }
        card.to_string()
    });
    Ok(named.collect())
}

/// Instances of a series stay with it; each entry has the zones that it names.
fn calendar(bytes: &[u8]) -> Result<Vec<String>, String> {
    let calendars = Component::parse_all(bytes).map_err(|error| error.to_string())?;
    let mut texts = Vec::new();
    for calendar in calendars.iter().filter(|calendar| calendar.is("VCALENDAR")) {
        let mut groups: Vec<((&str, String), Vec<Component>)> = Vec::new();
        for part in &calendar.components {
            let Some(name) = COMPONENTS.into_iter().find(|name| part.is(name)) else { continue };
            let mut part = part.clone();
            let uid = part.text_of("UID").filter(|uid| !uid.trim().is_empty());
            let uid = uid.unwrap_or_else(|| {
                let uid = made_up(&part.to_string());
                part.set_text("UID", Some(&uid));
                uid
            });
            let key = (name, uid);
            match groups.iter_mut().rev().find(|(known, _)| *known == key) {
                Some((_, parts)) => parts.push(part),
                None => groups.push((key, vec![part])),
            }
        }
        texts.extend(groups.into_iter().map(|(_, parts)| alone(calendar, parts)));
    }
    match texts.is_empty() {
        true => Err("there is no event, task or note in it".into()),
        false => Ok(texts),
    }
}

/// A calendar with these components alone.
fn alone(calendar: &Component, parts: Vec<Component>) -> String {
    let mut single = Component::new("VCALENDAR");
    single.push(Property::new("VERSION", "2.0"));
    single.push(Property::new("PRODID", calendar.value_of("PRODID").unwrap_or("-//import//")));
    let inside: String = parts.iter().map(ToString::to_string).collect();
    for zone in calendar.children("VTIMEZONE") {
        if zone.value_of("TZID").is_some_and(|id| inside.contains(id.trim())) {
            single.components.push(zone.clone());
        }
    }
    single.components.extend(parts);
    single.to_string()
}

/// The same for the same content, so that a second import does not double it.
fn made_up(content: &str) -> String {
    format!("import-{:016x}", XxHash3_64::oneshot(content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_falls_into_series_with_their_zones() {
        let file = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Mars\r\nEND:VTIMEZONE\r\n\
                    BEGIN:VTIMEZONE\r\nTZID:Venus\r\nEND:VTIMEZONE\r\n\
                    BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Mars:20260101T100000\r\nRRULE:FREQ=DAILY\r\n\
                    END:VEVENT\r\nBEGIN:VTODO\r\nSUMMARY:no name\r\nEND:VTODO\r\n\
                    BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID;TZID=Mars:20260102T100000\r\n\
                    DTSTART;TZID=Mars:20260102T110000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let texts = calendar(file.as_bytes()).unwrap();
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[0].matches("BEGIN:VEVENT").count(), 2);
        assert!(texts[0].contains("TZID:Mars") && !texts[0].contains("Venus"));
        assert!(texts[1].contains("UID:import-"));
        assert_eq!(texts, calendar(file.as_bytes()).unwrap());
        assert!(calendar(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n").is_err());
    }
}
