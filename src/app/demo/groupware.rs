//! The sample office's calendars, address books, tasks and notes.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

use super::{DOMAIN, PEOPLE, Person};
use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::item::{self, Text};
use crate::domain::people::office;
use crate::domain::{self, collection, contact};
use crate::format::ical::{self, Component, Series};
use crate::format::vcard::Card;
use crate::store::Tx;
use crate::store::rows::collection::CollectionKind;

/// The office's time zone.
const ZONE: &str = "Europe/Berlin";

/// People outside: name, address, telephone, firm, what they do.
const OUTSIDE: [(&str, &str, &str, &str, &str); 8] = [
    ("Beatrix Lang", "b.lang@papier-lang.example", "+49 30 5550112", "Papier Lang", "Sales"),
    ("Óscar Núñez", "oscar@nunez-studio.example", "+34 91 5550144", "Núñez Studio", "Designer"),
    ("Dr. Mei Tanaka", "tanaka@klinik.example", "+49 30 5550190", "Praxis Tanaka", "Physician"),
    (
        "Paul O'Connor",
        "paul@oconnor-legal.example",
        "+353 1 5550131",
        "O'Connor Legal",
        "Solicitor",
    ),
    ("Sofia Rossi", "sofia.rossi@viaggi.example", "+39 06 5550175", "Rossi Viaggi", "Travel agent"),
    ("Henrik Dahl", "henrik@dahl-bau.example", "+47 22 555016", "Dahl Bau", "Site manager"),
    ("Amina Yusuf", "amina@steuer.example", "+49 30 5550127", "Steuerbüro Yusuf", "Tax adviser"),
    ("Greta Lindqvist", "greta@bokhandel.example", "+46 8 5550163", "Bokhandeln", ""),
];

/// Those whom everybody needs, in the office's address book.
const SUPPLIERS: [(&str, &str, &str, &str, &str); 4] = [
    ("Copier service", "service@kopier-dienst.example", "+49 30 5550170", "Kopierdienst Nord", ""),
    (
        "Jörg Weiß",
        "weiss@hausverwaltung.example",
        "+49 30 5550181",
        "Hausverwaltung Weiß",
        "Caretaker",
    ),
    ("Taxi", "", "+49 30 5550100", "Taxi Mitte", ""),
    ("Lucía Ferreira", "ferreira@it-hilfe.example", "+49 30 5550166", "IT-Hilfe", "Technician"),
];

/// What stands in calendars: days from today, start (minutes of the day; `None` is all day),
/// minutes long, what, where, rule.
type Entry = (i64, Option<i64>, i64, &'static str, &'static str, &'static str);

const EVENTS: [Entry; 8] = [
    (-20, Some(9 * 60), 30, "Weekly meeting", "Kitchen", "FREQ=WEEKLY"),
    (-1, Some(14 * 60), 60, "Call with Óscar about the brochure", "", ""),
    (0, Some(16 * 60), 45, "Invoices of the month", "Office 2", ""),
    (1, Some(10 * 60 + 30), 90, "Site visit with Henrik Dahl", "Dahl Bau, Hafenstraße 4", ""),
    (2, Some(12 * 60), 60, "Lunch", "Zur Linde", ""),
    (5, None, 0, "Paper delivery", "Yard", ""),
    (9, Some(8 * 60), 30, "Dentist", "Praxis Tanaka", ""),
    (-200, None, 0, "Greta's birthday", "", "FREQ=YEARLY"),
];

const TASKS: [(i64, &str, bool); 5] = [
    (1, "Send the offer to Dahl Bau", false),
    (3, "Order toner", false),
    (-2, "Renew the parking permit", false),
    (-5, "Write to the tax adviser", true),
    (14, "Plan the summer party", false),
];

const NOTES: [(&str, &str); 3] = [
    ("Door code", "The yard's door: 4711, then the green key."),
    ("Brochure", "Less text, larger pictures.\nAsk Óscar for two drafts."),
    ("Printer", "Paper jams come from the lower tray. Use the upper one for envelopes."),
];

/// Fills one person's collections.
pub(super) fn fill(
    tx: &mut Tx<'_>,
    account: AccountId,
    owner: &Person,
    now: UnixTime,
) -> Result<(), domain::Error> {
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    let at = jiff::Timestamp::from_second(now).unwrap_or_default();
    let today = zone.to_datetime(at).date();
    let mut texts: Vec<(CollectionKind, Text)> = Vec::new();
    texts.extend(contacts(owner).map(|text| (CollectionKind::Contacts, text)));
    for (number, entry) in (0..).zip(&EVENTS) {
        texts.extend(
            event(owner, number, entry, today, &zone).map(|t| (CollectionKind::Calendar, t)),
        );
    }
    texts.extend(meeting(owner, today, &zone).map(|text| (CollectionKind::Calendar, text)));
    for (number, task) in (0..).zip(&TASKS) {
        texts.extend(to_do(owner, number, task, today, now).map(|t| (CollectionKind::Tasks, t)));
    }
    for (number, note) in (0..).zip(&NOTES) {
        texts.extend(journal(owner, number, note, today).map(|t| (CollectionKind::Notes, t)));
    }
    for (kind, text) in texts {
        let place = collection::default(tx, account, kind)?.id;
        item::add(tx, place, text)?;
    }
    Ok(())
}

/// Fills the office's address book: suppliers, and the telephones of the office's own people.
pub(super) fn fill_office(tx: &mut Tx<'_>) -> Result<(), domain::Error> {
    let book = office::book_or_new(tx)?;
    let numbers: Vec<String> = (0..PEOPLE.len()).map(|at| format!("+49 30 55502{at:02}")).collect();
    let own = PEOPLE.iter().zip(&numbers).map(|(person, number)| {
        (
            person.name,
            format!("{}@{DOMAIN}", person.login),
            number.as_str(),
            "The sample office",
            "",
        )
    });
    let outside = SUPPLIERS.iter().map(|(name, mail, telephone, firm, title)| {
        (*name, (*mail).to_owned(), *telephone, *firm, *title)
    });
    for text in cards("office", own.chain(outside)) {
        item::add(tx, book, text)?;
    }
    Ok(())
}

/// Colleagues and people outside.
fn contacts(owner: &Person) -> impl Iterator<Item = Text> {
    let own = owner.login;
    let colleagues = PEOPLE.iter().filter(move |person| person.login != own).map(|person| {
        let mail = format!("{}@{DOMAIN}", person.login);
        (person.name, mail, "", "The sample office", "")
    });
    let outside = OUTSIDE.iter().map(|(name, mail, telephone, firm, title)| {
        (*name, (*mail).to_owned(), *telephone, *firm, *title)
    });
    cards(own, colleagues.chain(outside))
}

/// Cards of people: name, address, telephone, firm, what they do.
fn cards<'p>(
    own: &'p str,
    people: impl Iterator<Item = (&'p str, String, &'p str, &'p str, &'p str)>,
) -> impl Iterator<Item = Text> {
    people.filter_map(move |(name, mail, telephone, firm, title)| {
        let (first, last) = name.rsplit_once(' ').unwrap_or(("", name));
        let mut text = format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{own}-{mail}\r\nFN:{name}\r\nN:{last};{first};;;\r\n\
             ORG:{firm}\r\n"
        );
        for (property, value) in [
            ("EMAIL;TYPE=work", mail.as_str()),
            ("TEL;TYPE=\"work,voice\"", telephone),
            ("TITLE", title),
        ] {
            if !value.is_empty() {
                text += &format!("{property}:{value}\r\n");
            }
        }
        Some(contact::text(&Card::parse(&(text + "END:VCARD\r\n")).ok()?))
    })
}

fn event(
    owner: &Person,
    number: u32,
    (days, start, minutes, what, place, rule): &Entry,
    today: Date,
    zone: &TimeZone,
) -> Option<Text> {
    let day = later(today, *days)?;
    let (start, end) = match start {
        None => (format!(";VALUE=DATE:{}", day.strftime("%Y%m%d")), String::new()),
        Some(minute) => {
            let start =
                day.to_datetime(jiff::civil::Time::midnight()).checked_add(minute.minutes());
            let start = start.ok()?;
            let end = start.checked_add(minutes.minutes()).ok()?;
            let form = |at: jiff::civil::DateTime| {
                format!(";TZID={ZONE}:{}", at.strftime("%Y%m%dT%H%M%S"))
            };
            (form(start), format!("DTEND{}\r\n", form(end)))
        }
    };
    let rule = if rule.is_empty() { String::new() } else { format!("RRULE:{rule}\r\n") };
    let place = if place.is_empty() {
        String::new()
    } else {
        format!("LOCATION:{}\r\n", ical::escape(place))
    };
    series(
        &format!(
            "BEGIN:VEVENT\r\nUID:{}-event-{number}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART{start}\r\n\
             {end}SUMMARY:{}\r\n{place}{rule}END:VEVENT\r\n",
            owner.login,
            ical::escape(what)
        ),
        zone,
    )
}

/// A meeting of all five next week, which Ines calls and the others have accepted.
fn meeting(owner: &Person, today: Date, zone: &TimeZone) -> Option<Text> {
    let day = later(today, 7)?.strftime("%Y%m%d").to_string();
    let attendees: String = PEOPLE
        .iter()
        .filter(|person| !person.admin)
        .map(|person| {
            let status = if person.login == owner.login { "ACCEPTED" } else { "NEEDS-ACTION" };
            format!(
                "ATTENDEE;CN=\"{}\";ROLE=REQ-PARTICIPANT;PARTSTAT={status}:mailto:{}@{DOMAIN}\r\n",
                person.name, person.login
            )
        })
        .collect();
    series(
        &format!(
            "BEGIN:VEVENT\r\nUID:office-planning\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART;TZID={ZONE}:{day}T110000\r\nDTEND;TZID={ZONE}:{day}T120000\r\n\
             SUMMARY:Planning for next year\r\nLOCATION:Office 1\r\n\
             ORGANIZER;CN=\"{}\":mailto:{}@{DOMAIN}\r\n{attendees}END:VEVENT\r\n",
            PEOPLE[0].name, PEOPLE[0].login
        ),
        zone,
    )
}

fn series(event: &str, zone: &TimeZone) -> Option<Text> {
    let series = Series::parse(&calendar(event)).ok()?;
    let zones = series.zones(zone);
    let (from, until) = ical::extent(&series, &zones);
    let (uid, look) = (series.uid(), ical::look(&series.calendar));
    Some(Text { uid, text: series.calendar.to_string(), look, from, until })
}

fn to_do(
    owner: &Person,
    number: u32,
    (days, what, done): &(i64, &str, bool),
    today: Date,
    now: UnixTime,
) -> Option<Text> {
    let due = later(today, *days)?.strftime("%Y%m%d").to_string();
    let status = match done {
        true => "STATUS:COMPLETED\r\nCOMPLETED:20260101T120000Z\r\nPERCENT-COMPLETE:100\r\n",
        false => "STATUS:NEEDS-ACTION\r\n",
    };
    let until = if *done { now } else { i64::MAX };
    let uid = format!("{}-task-{number}", owner.login);
    let text = format!(
        "BEGIN:VTODO\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDUE;VALUE=DATE:{due}\r\n\
         SUMMARY:{}\r\n{status}END:VTODO\r\n",
        ical::escape(what)
    );
    plain(uid, &text, until)
}

fn journal(owner: &Person, number: u32, (title, text): &(&str, &str), today: Date) -> Option<Text> {
    let uid = format!("{}-note-{number}", owner.login);
    let day = today.strftime("%Y%m%d");
    let text = format!(
        "BEGIN:VJOURNAL\r\nUID:{uid}\r\nDTSTAMP:{day}T080000Z\r\nSUMMARY:{}\r\n\
         DESCRIPTION:{}\r\nEND:VJOURNAL\r\n",
        ical::escape(title),
        ical::escape(text)
    );
    plain(uid, &text, i64::MAX)
}

fn plain(uid: String, inside: &str, until: UnixTime) -> Option<Text> {
    let parsed = Component::parse(&calendar(inside)).ok()?;
    let look = ical::look(&parsed);
    Some(Text { uid, text: parsed.to_string(), look, from: 0, until })
}

fn calendar(inside: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{}\r\n{inside}END:VCALENDAR\r\n",
        ical::PRODUCT
    )
}

fn later(today: Date, days: i64) -> Option<Date> {
    today.checked_add(Span::new().days(days)).ok()
}
