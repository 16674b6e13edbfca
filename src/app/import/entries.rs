//! Calendars and address books from files: each event, task, note and card as a text of its own.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::{DEPTH, LARGEST, Skipped, entries_of as inside};
use crate::format::ical::{Component, Piece, Property};
use crate::format::vcard::Card;

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Ics,
    Vcf,
}

impl EntryKind {
    fn other(self) -> Self {
        match self {
            Self::Ics => Self::Vcf,
            Self::Vcf => Self::Ics,
        }
    }

    /// How files of the kind are called.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Ics => &["ics", "ical", "ifb"],
            Self::Vcf => &["vcf", "vcard"],
        }
    }

    /// How they begin.
    fn opening(self) -> &'static [u8] {
        match self {
            Self::Ics => b"BEGIN:VCALENDAR",
            Self::Vcf => b"BEGIN:VCARD",
        }
    }

    fn is(self, bytes: &[u8]) -> bool {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        let opening = self.opening();
        bytes.get(..opening.len()).is_some_and(|start| start.eq_ignore_ascii_case(opening))
    }

    /// What to do with a file that is of this kind, and was brought as one of the other.
    fn advice(self) -> &'static str {
        match self {
            Self::Ics => "it is a calendar; bring it in with kontor import ics",
            Self::Vcf => "it holds contacts; bring it in with kontor import vcf",
        }
    }
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
    let mut left = vec![(path.to_owned(), 0)];
    while let Some((dir, depth)) = left.pop() {
        for path in inside(&dir)? {
            let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            if path.is_dir() && depth < DEPTH {
                left.push((path, depth + 1));
            } else if kind.endings().contains(&ending.as_str()) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Why a directory has no file of a kind.
pub fn nothing(dir: &Path, kind: EntryKind) -> Skipped {
    let mut reason = format!("there is no .{} in it", kind.endings().join(" or ."));
    if files(dir, kind.other()).is_ok_and(|others| !others.is_empty()) {
        let other = kind.other().endings().first().copied().unwrap_or_default();
        reason += &format!(", but .{other} files; bring them in with kontor import {other}");
    }
    Skipped::new(dir.display(), reason)
}

/// An entry's text, or why it is none.
type Entry = Result<String, String>;

/// Reads a file's entries. A broken card does not keep the others of its file out.
pub fn read(path: &Path, kind: EntryKind) -> Result<Vec<Entry>, Skipped> {
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
    let nothing = read.as_ref().map_or(true, |entries| !entries.iter().any(Result::is_ok));
    if nothing && kind.other().is(&bytes) {
        return Err(Skipped::new(path.display(), kind.other().advice()));
    }
    read.map_err(|reason| Skipped::new(path.display(), reason))
}

fn cards(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    Component::pieces(bytes, "", |piece| match piece {
        Piece::Inner(Ok(one)) if one.is("VCARD") => entries.push(card(&one)),
        Piece::Inner(Err(error)) => entries.push(Err(error.to_string())),
        _ => {}
    });
    if entries.is_empty() { Err("there is no card in it".into()) } else { Ok(entries) }
}

fn card(component: &Component) -> Entry {
    let mut card = Card::parse(&component.to_string()).map_err(|error| error.to_string())?;
    if card.uid().is_none_or(|uid| uid.trim().is_empty()) {
        card.set_uid(&made_up(&card.to_string()));
    }
    Ok(card.to_string())
}

/// Instances of a series stay with it; each entry has the zones that it names. An empty calendar
/// is one without entries.
fn calendar(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let (mut entries, mut open) = (Vec::new(), OpenCalendar::default());
    let mut only_others = true;
    Component::pieces(bytes, "VCALENDAR", |piece| match piece {
        Piece::Inner(Ok(part)) => open.take(part),
        Piece::Inner(Err(error)) => entries.push(Err(error.to_string())),
        Piece::Outer(calendar) => {
            only_others &= open.others;
            entries.extend(std::mem::take(&mut open).finish(&calendar));
        }
    });
    // Events that stand by themselves.
    only_others &= open.others || open.groups.is_empty();
    entries.extend(open.finish(&Component::new("VCALENDAR")));
    match entries.is_empty() && only_others {
        true => Err("there is no event, task or note in it".into()),
        false => Ok(entries),
    }
}

/// A calendar of which not all has been read.
#[derive(Default)]
struct OpenCalendar {
    /// What has the same UID is one series.
    groups: Vec<Vec<Component>>,
    places: HashMap<(&'static str, String), usize>,
    /// By TZID; of two with one name the first counts.
    zones: HashMap<String, Component>,
    /// There is something in it that is no entry.
    others: bool,
}

impl OpenCalendar {
    fn take(&mut self, mut part: Component) {
        if part.is("VCALENDAR") {
            // A whole calendar put into another one; as deep as the parser allows.
            part.components.into_iter().for_each(|inner| self.take(inner));
            return;
        }
        if part.is("VTIMEZONE") {
            if let Some(id) = part.value_of("TZID").map(|id| id.trim().to_owned()) {
                self.zones.entry(id).or_insert(part);
            }
            return;
        }
        let Some(name) = COMPONENTS.into_iter().find(|name| part.is(name)) else {
            self.others = true;
            return;
        };
        let uid = part.text_of("UID").filter(|uid| !uid.trim().is_empty());
        let uid = uid.unwrap_or_else(|| {
            let uid = made_up(&part.to_string());
            part.set_text("UID", Some(&uid));
            uid
        });
        let place = *self.places.entry((name, uid)).or_insert(self.groups.len());
        match self.groups.get_mut(place) {
            Some(parts) => parts.push(part),
            None => self.groups.push(vec![part]),
        }
    }

    fn finish(self, calendar: &Component) -> impl Iterator<Item = Entry> {
        let product = calendar.value_of("PRODID").unwrap_or("-//import//").to_owned();
        let zones = self.zones;
        self.groups.into_iter().map(move |parts| Ok(alone(&product, &zones, parts)))
    }
}

/// A calendar with these components alone.
fn alone(product: &str, zones: &HashMap<String, Component>, parts: Vec<Component>) -> String {
    let mut single = Component::new("VCALENDAR");
    single.push(Property::new("VERSION", "2.0"));
    single.push(Property::new("PRODID", product));
    let mut named = BTreeSet::new();
    parts.iter().for_each(|part| zones_of(part, &mut named));
    single.components.extend(named.into_iter().filter_map(|id| zones.get(id).cloned()));
    single.components.extend(parts);
    single.to_string()
}

/// The zones a component names. Not looked for in its text: a long name is folded there.
fn zones_of<'a>(part: &'a Component, named: &mut BTreeSet<&'a str>) {
    named.extend(part.properties.iter().filter_map(|line| line.param("TZID")).map(str::trim));
    part.components.iter().for_each(|inner| zones_of(inner, named));
}

/// The same for the same content, so that a second import does not double it.
fn made_up(content: &str) -> String {
    format!("import-{:016x}", XxHash3_64::oneshot(content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(file: &str) -> Vec<String> {
        calendar(file.as_bytes()).unwrap().into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn a_file_of_the_other_kind_says_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (ics, vcf) = (dir.path().join("a.ics"), dir.path().join("b.txt"));
        std::fs::write(&ics, "\u{feff}begin:vcalendar\r\nEND:VCALENDAR\r\n").unwrap();
        std::fs::write(&vcf, "\nBEGIN:VCARD\nVERSION:4.0\nFN:A\nEND:VCARD\n").unwrap();
        let why = |path: &Path, kind| read(path, kind).unwrap_err().reason;
        assert!(why(&ics, EntryKind::Vcf).contains("kontor import ics"));
        assert!(why(&vcf, EntryKind::Ics).contains("kontor import vcf"));
        // An empty calendar is none the less one.
        assert_eq!(read(&ics, EntryKind::Ics).unwrap().len(), 0);
        assert_eq!(read(&vcf, EntryKind::Vcf).unwrap().len(), 1);
        assert!(files(dir.path(), EntryKind::Vcf).unwrap().is_empty());
        let reason = nothing(dir.path(), EntryKind::Vcf).reason;
        assert_eq!(
            reason,
            "there is no .vcf or .vcard in it, but .ics files; bring them in with kontor import ics"
        );
    }

    #[test]
    fn a_calendar_falls_into_series_with_their_zones() {
        let file = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Mars\r\nEND:VTIMEZONE\r\n\
                    BEGIN:VTIMEZONE\r\nTZID:Venus\r\nEND:VTIMEZONE\r\n\
                    BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Mars:20260101T100000\r\nRRULE:FREQ=DAILY\r\n\
                    END:VEVENT\r\nBEGIN:VTODO\r\nSUMMARY:no name\r\nEND:VTODO\r\n\
                    BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID;TZID=Mars:20260102T100000\r\n\
                    DTSTART;TZID=Mars:20260102T110000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let texts = whole(file);
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[0].matches("BEGIN:VEVENT").count(), 2);
        assert!(texts[0].contains("TZID:Mars") && !texts[0].contains("Venus"));
        assert!(texts[1].contains("UID:import-"));
        assert_eq!(texts, whole(file));
        assert!(calendar(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n").unwrap().is_empty());
        let busy = "BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n";
        assert!(calendar(busy.as_bytes()).is_err());
        assert!(calendar(b"hello").is_err());
        // A calendar within a calendar.
        assert_eq!(whole(&format!("BEGIN:VCALENDAR\r\n{file}END:VCALENDAR\r\n")), texts);
    }

    #[test]
    fn a_zone_with_a_name_longer_than_a_line_stays() {
        let name = "(UTC+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague";
        let file = format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:{name}\r\nEND:VTIMEZONE\r\n\
             BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=\"{name}\":20260101T100000\r\nEND:VEVENT\r\n\
             END:VCALENDAR\r\n"
        );
        let texts = whole(&file);
        assert!(texts[0].contains("BEGIN:VTIMEZONE"), "{}", texts[0]);
    }

    #[test]
    fn a_file_may_be_longer_than_an_entry_and_a_deep_one_is_skipped_alone() {
        let event = |uid: usize| {
            format!(
                "BEGIN:VEVENT\nUID:{uid}\nDTSTART:20260101T100000Z\n{}END:VEVENT\n",
                "X:1\n".repeat(6)
            )
        };
        let many: String = (0..25_000).map(event).collect();
        assert!(many.lines().count() > crate::base::limits::ICAL_LINES);
        let deep =
            format!("BEGIN:VEVENT\n{}{}END:VEVENT\n", "BEGIN:X\n".repeat(20), "END:X\n".repeat(20));
        let file = format!("BEGIN:VCALENDAR\n{many}{deep}{}END:VCALENDAR\n", event(99_999));
        let entries = calendar(file.as_bytes()).unwrap();
        assert_eq!(entries.iter().filter(|entry| entry.is_ok()).count(), 25_001);
        assert_eq!(entries.iter().filter(|entry| entry.is_err()).count(), 1);
    }

    #[test]
    fn a_broken_card_is_skipped_alone_and_a_nameless_one_gets_the_same_uid_again() {
        let many = "X-A:1\r\n".repeat(20_000);
        let file = format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:One\r\nEND:VCARD\r\n\
             BEGIN:VCARD\r\nVERSION:4.0\r\n{many}END:VCARD\r\n\
             BEGIN:VCARD\r\nVERSION:4.0\r\nUID:three\r\nFN:Three\r\nEND:VCARD\r\n"
        );
        let read = cards(file.as_bytes()).unwrap();
        assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert!(read[0].as_ref().unwrap().contains("UID:import-"));
        assert_eq!(read, cards(file.as_bytes()).unwrap());
    }
}
