//! The life of meetings among three people of an office and one elsewhere, without any network:
//! what stands in the outbox is handed over by hand.

mod agents;
mod answers;
mod chance;
mod hostile;
mod instances;
mod memory;
mod proposals;
mod ranges;
mod telling;
mod versions;

use jiff::tz::TimeZone;

use super::arriving::Message;
use super::{Method, seal};
use crate::base::clock::Clock;
use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain::account::NewAccount;
use crate::domain::calendar::{self, Sends};
use crate::domain::invitation::{self, Done};
use crate::domain::{Result, account, collection, item, outbox};
use crate::format::ical::{Component, Series};
use crate::format::mime::{self, RecordView, Submission, calendar_parts};
use crate::store::rows::collection::CollectionKind;
use crate::store::verify::verify;
use crate::store::{Read, Store, Tx};

/// Saturday, 1 August 2026.
const NOW: i64 = 1_785_585_600;

const MEETING: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\n\
    UID:plan\r\nDTSTAMP:20260801T100000Z\r\nSUMMARY:Plan\r\nLOCATION:Room 1\r\n\
    DTSTART;TZID=Europe/Berlin:20260810T100000\r\nDTEND;TZID=Europe/Berlin:20260810T110000\r\n\
    CATEGORIES:Private\r\n\
    ORGANIZER;CN=Anna:mailto:anna@office.example\r\n\
    ATTENDEE;CN=Ben:mailto:Ben@Office.example\r\nATTENDEE:mailto:dora@else.example\r\n\
    BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

const INVITED: &str = "REQUEST anna@office.example -> Ben@Office.example dora@else.example: Plan";

const SERIES: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:plan\r\n\
    DTSTAMP:20260801T100000Z\r\nSUMMARY:Plan\r\n\
    DTSTART;TZID=Europe/Berlin:20260810T100000\r\nDTEND;TZID=Europe/Berlin:20260810T110000\r\n\
    RRULE:FREQ=WEEKLY;COUNT=5\r\nORGANIZER:mailto:anna@office.example\r\n\
    ATTENDEE:mailto:ben@office.example\r\nATTENDEE:mailto:cleo@office.example\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

struct Office {
    store: Store,
    clock: Clock,
    anna: AccountId,
    ben: AccountId,
    cleo: AccountId,
}

/// A message as it came out of the outbox.
#[derive(Debug, Clone)]
struct Sent {
    from: String,
    to: Vec<String>,
    subject: String,
    method: Method,
    calendar: Component,
    raw: Vec<u8>,
}

impl Office {
    fn new() -> Office {
        let clock = Clock::fixed(NOW);
        let store = Store::in_memory(clock.clone());
        let people = store.write_blocking(|tx| {
            account::add_domain(tx, "office.example")?;
            let person = |tx: &mut Tx<'_>, name: &str| {
                let address = format!("{}@office.example", name.to_lowercase());
                let new = NewAccount {
                    address: address.parse().unwrap(),
                    display_name: name.into(),
                    admin: false,
                    credentials: None,
                    quota: None,
                };
                account::create(tx, &new).map(|account| account.id)
            };
            Ok::<_, crate::domain::Error>((
                person(tx, "Anna")?,
                person(tx, "Ben")?,
                person(tx, "Cleo")?,
            ))
        });
        let (anna, ben, cleo) = people.unwrap();
        Office { store, clock, anna, ben, cleo }
    }

    fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.clock.set(self.clock.now() + 1);
        self.store.write_blocking(operation)
    }

    fn calendar(&self, of: AccountId) -> MailboxId {
        collection::default(&self.store.read(), of, CollectionKind::Calendar).unwrap().id
    }

    fn add(&self, of: AccountId, text: &str, sends: Sends) -> Uid {
        let (to, text) = (self.calendar(of), sealed(text));
        self.run(move |tx| calendar::add(tx, to, text, sends)).unwrap().uid
    }

    /// Changes the account's event by its text.
    fn change(&self, of: AccountId, sends: Sends, change: impl FnOnce(String) -> String) {
        let (place, uid, series) = self.event(of).unwrap();
        let text = sealed(&change(series.calendar.to_string().replace("\r\n ", "")));
        self.run(move |tx| calendar::change(tx, place, uid, text, sends)).unwrap();
    }

    fn remove(&self, of: AccountId, sends: Sends) {
        let (place, uid, _) = self.event(of).unwrap();
        self.run(move |tx| calendar::remove(tx, place, uid, sends)).unwrap();
    }

    fn event(&self, of: AccountId) -> Option<(MailboxId, Uid, Series)> {
        invitation::find(&self.store.read(), of, "plan").unwrap()
    }

    /// The event's text, unfolded.
    fn text(&self, of: AccountId) -> String {
        self.event(of).unwrap().2.calendar.to_string().replace("\r\n ", "")
    }

    /// PARTSTAT of somebody in an account's event.
    fn answer(&self, of: AccountId, who: &str) -> String {
        let series = self.event(of).unwrap().2;
        let event = series.master().unwrap();
        let line = event.all("ATTENDEE").find(|p| p.value.to_lowercase().ends_with(who)).unwrap();
        line.param("PARTSTAT").unwrap_or("NEEDS-ACTION").to_owned()
    }

    /// Takes what is in the outbox to its recipients here, and tells what it was.
    fn post(&self) -> Vec<Sent> {
        let mut all = Vec::new();
        let read = self.store.read();
        for (number, entry) in outbox::list(&read, None, 1000).unwrap() {
            let body = read.body_row(entry.content).unwrap().unwrap();
            let raw = read.with_body(&body.at, <[u8]>::to_vec).unwrap();
            let record = read.content(entry.content).unwrap().unwrap();
            let subject = RecordView::parse(&record).unwrap().subject().to_owned();
            let messages = messages(&raw);
            let message = messages.first().unwrap();
            all.push(Sent {
                from: entry.sender.unwrap_or_default(),
                to: entry.recipients.clone(),
                subject,
                method: message.method,
                calendar: message.series.calendar.clone(),
                raw: raw.clone(),
            });
            self.run(move |tx| Ok(outbox::take(tx, number)?)).unwrap();
            for recipient in &entry.recipients {
                if let Ok(account) = account::find(&read, &recipient.parse().unwrap()) {
                    self.arrive(account.id, &raw);
                }
            }
        }
        all
    }

    fn arrive(&self, to: AccountId, raw: &[u8]) -> Vec<Done> {
        let messages = messages(raw);
        self.run(move |tx| {
            messages.iter().map(|message| invitation::arrive(tx, to, message)).collect()
        })
        .unwrap()
    }

    fn check(&self) {
        assert_eq!(verify(&self.store, &mut |_, _| ()).unwrap(), Vec::<String>::new());
    }
}

impl Sent {
    fn line(&self) -> String {
        format!("{} {} -> {}: {}", self.method.name(), self.from, self.to.join(" "), self.subject)
    }
}

fn lines(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(Sent::line).collect()
}

fn sealed(text: &str) -> item::Text {
    seal(Series::parse(text).unwrap(), &TimeZone::UTC).unwrap()
}

fn messages(raw: &[u8]) -> Vec<Message> {
    let header = Submission::read(raw);
    let senders: Vec<String> =
        header.from.iter().chain(&header.sender).map(|who| super::canonical(who)).collect();
    let parts = calendar_parts(raw, &mime::scan(raw)).into_iter();
    parts
        .flat_map(|part| Message::read(part.text.as_bytes(), Some(&part.method), &senders, true))
        .flatten()
        .collect()
}

/// A mail from somebody with a calendar in it.
fn mail(from: &str, calendar: &str) -> Vec<u8> {
    format!("From: <{from}>\r\nContent-Type: text/calendar\r\n\r\n{calendar}").into_bytes()
}

fn event(method: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:plan\r\n{lines}\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}
