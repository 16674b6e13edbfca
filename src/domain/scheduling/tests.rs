//! The life of meetings among three people of an office and one elsewhere, without any network:
//! what stands in the outbox is handed over by hand.

mod agents;
mod hostile;
mod memory;
mod proposals;
mod ranges;

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

const INVITED: &str = "REQUEST anna@office.example -> Ben@Office.example dora@else.example: Plan";

#[test]
fn an_invitation_goes_to_everybody_once() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    let sent = office.post();
    assert_eq!(lines(&sent), [INVITED]);
    let text = String::from_utf8(sent[0].raw.clone()).unwrap();
    for part in ["From: \"Anna\" <anna@office.example>\r\n", "When:      Monday, 10 August 2026"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("text/calendar; charset=utf-8; method=REQUEST"), "{text}");
    let event = sent[0].calendar.child("VEVENT").unwrap();
    assert!(!event.has("CATEGORIES") && event.child("VALARM").is_none());
    assert_eq!(event.value_of("SEQUENCE"), Some("0"));

    // Ben has it, tentative and unanswered; Anna has one event as before.
    let text = office.text(office.ben);
    assert!(text.contains("PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:Ben@Office.example"), "{text}");
    assert!(text.contains("X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE") && !text.contains("METHOD"));
    assert_eq!(office.store.read().items(office.calendar(office.anna)).unwrap().len(), 1);
    // Again, and it is the same.
    let before = office.store.read().items(office.calendar(office.ben)).unwrap();
    let done = office.arrive(office.ben, &sent[0].raw);
    assert!(matches!(done[..], [Done::Nothing(_)]), "{done:?}");
    assert_eq!(office.store.read().items(office.calendar(office.ben)).unwrap(), before);
    office.check();
}

#[test]
fn phones_that_send_the_mail_themselves_send_it_alone() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Client);
    office.change(office.anna, Sends::Client, |text| text.replace("T100000", "T140000"));
    office.remove(office.anna, Sends::Client);
    assert!(office.post().is_empty());
}

#[test]
fn only_what_others_can_see_is_told() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    office.change(office.anna, Sends::Server, |text| text.replace("Private", "Other"));
    office.change(office.anna, Sends::Server, |text| text.replace("-PT15M", "-PT5M"));
    office.change(office.anna, Sends::Server, |text| {
        text.replace("SUMMARY:Plan", "SUMMARY:Plan\r\nTRANSP:OPAQUE\r\nSTATUS:CONFIRMED")
    });
    assert_eq!(lines(&office.post()), Vec::<String>::new());
    // A new text, but not another version.
    office.change(office.anna, Sends::Server, |text| text.replace("Room 1", "Room 2"));
    let sent = office.post();
    assert_eq!(lines(&sent), [INVITED]);
    assert!(office.text(office.ben).contains("LOCATION:Room 2\r\n"));
    assert!(office.text(office.anna).contains("SEQUENCE:0\r\n"));
}

#[test]
fn an_answer_comes_back_and_another_time_asks_again() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    let accept = |text: String| {
        text.replace("PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:Ben", "PARTSTAT=ACCEPTED:mailto:Ben")
    };
    office.change(office.ben, Sends::Server, accept);
    let sent = office.post();
    assert_eq!(lines(&sent), ["REPLY ben@office.example -> anna@office.example: Accepted: Plan"]);
    assert_eq!(sent[0].calendar.child("VEVENT").unwrap().all("ATTENDEE").count(), 1);
    assert_eq!(office.answer(office.anna, "ben@office.example"), "ACCEPTED");
    // Answers are not passed on to the others.
    assert!(office.post().is_empty());
    // The same answer a second time changes nothing.
    let before = office.store.read().account_state(office.anna).unwrap().modseq;
    assert!(matches!(office.arrive(office.anna, &sent[0].raw)[..], [Done::Nothing(_)]));
    assert_eq!(office.store.read().account_state(office.anna).unwrap().modseq, before);

    // Another room keeps the answer, another time does not.
    office.change(office.anna, Sends::Server, |text| text.replace("Room 1", "Room 2"));
    office.post();
    assert_eq!(office.answer(office.ben, "ben@office.example"), "ACCEPTED");
    office.change(office.anna, Sends::Server, |text| {
        text.replace("0810T100000", "0810T120000").replace("0810T110000", "0810T130000")
    });
    assert_eq!(lines(&office.post()), [INVITED]);
    assert!(office.text(office.anna).contains("SEQUENCE:1\r\n"));
    assert_eq!(office.answer(office.anna, "ben@office.example"), "NEEDS-ACTION");
    assert_eq!(office.answer(office.ben, "ben@office.example"), "NEEDS-ACTION");
    assert!(office.text(office.ben).contains("T120000"));
    // What answers the old time comes too late.
    assert!(matches!(office.arrive(office.anna, &sent[0].raw)[..], [Done::Nothing(_)]));
    office.check();
}

#[test]
fn who_comes_and_goes_is_told_and_nobody_else() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    office.change(office.anna, Sends::Server, |text| {
        text.replace(
            "ATTENDEE;CN=Ben:mailto:Ben@Office.example",
            "ATTENDEE:mailto:cleo@office.example",
        )
    });
    let mut sent = lines(&office.post());
    sent.sort();
    assert_eq!(
        sent,
        [
            "CANCEL anna@office.example -> Ben@Office.example: Canceled: Plan",
            "REQUEST anna@office.example -> cleo@office.example: Plan"
        ]
    );
    let text = office.text(office.ben);
    assert!(text.contains("STATUS:CANCELLED") && text.contains("BUSYSTATUS:FREE"), "{text}");
    assert!(!office.text(office.cleo).contains("CANCELLED"));
    // And back: newer than the cancellation.
    office.change(office.anna, Sends::Server, |text| {
        text.replace(
            "ATTENDEE:mailto:cleo",
            "ATTENDEE:mailto:ben@office.example\r\nATTENDEE:mailto:cleo",
        )
    });
    let sent = office.post();
    assert_eq!(lines(&sent), ["REQUEST anna@office.example -> ben@office.example: Plan"]);
    assert!(!office.text(office.ben).contains("CANCELLED"));
}

#[test]
fn a_meeting_that_is_removed_is_cancelled_once() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    // The organizer's program marks it first, and removes it then.
    office.change(office.anna, Sends::Server, |text| {
        text.replace("SUMMARY:Plan", "SUMMARY:Plan\r\nSTATUS:CANCELLED")
    });
    office.remove(office.anna, Sends::Server);
    let sent = office.post();
    let cancelled =
        "CANCEL anna@office.example -> Ben@Office.example dora@else.example: Canceled: Plan";
    assert_eq!(lines(&sent), [cancelled]);
    assert!(office.text(office.ben).contains("STATUS:CANCELLED"));
    // Ben throws the rest away, which tells nobody.
    office.remove(office.ben, Sends::Server);
    assert!(office.post().is_empty());

    // Removed at once, it is the same.
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    office.remove(office.anna, Sends::Server);
    assert_eq!(lines(&office.post()), [cancelled]);
    assert!(office.text(office.ben).contains("STATUS:CANCELLED"));
    office.check();
}

#[test]
fn what_is_over_tells_nobody() {
    let office = Office::new();
    office.add(office.anna, &MEETING.replace("20260810", "20260710"), Sends::Server);
    office.remove(office.anna, Sends::Server);
    assert!(office.post().is_empty());
}

#[test]
fn an_invitation_thrown_away_is_declined() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    office.remove(office.ben, Sends::Server);
    assert_eq!(
        lines(&office.post()),
        ["REPLY ben@office.example -> anna@office.example: Declined: Plan"]
    );
    assert_eq!(office.answer(office.anna, "ben@office.example"), "DECLINED");
}

#[test]
fn strangers_change_nothing() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    let nothing = |of, from: &str, text: &str| {
        let before = office.text(of);
        let done = office.arrive(of, &mail(from, text));
        assert!(matches!(done[..], [Done::Nothing(_)]), "{done:?} from {from}: {text}");
        assert_eq!(office.text(of), before);
    };
    let anna = "ORGANIZER:mailto:anna@office.example\r\n";
    let spy = "ORGANIZER;SENT-BY=\"mailto:spy@else.example\":mailto:anna@office.example\r\n";
    let other = "ORGANIZER:mailto:spy@else.example\r\n";
    for line in [anna, spy, other] {
        let later =
            format!("SEQUENCE:9\r\nDTSTAMP:20270801T000000Z\r\n{line}DTSTART:20260811T100000Z\r\n");
        nothing(office.ben, "spy@else.example", &event("CANCEL", &later));
        nothing(office.ben, "spy@else.example", &event("REQUEST", &later));
    }
    // Whoever is invited speaks for nobody else.
    let answer = format!(
        "DTSTAMP:20260801T120000Z\r\n{anna}ATTENDEE;PARTSTAT=DECLINED:mailto:dora@else.example\r\n"
    );
    nothing(office.anna, "ben@office.example", &event("REPLY", &answer));
    let cleo = answer.replace("dora@else", "cleo@office");
    nothing(office.anna, "cleo@office.example", &event("REPLY", &cleo));
    nothing(office.anna, "dora@else.example", &event("REPLY", &answer.replace("DECLINED", "FUN")));
    assert!(matches!(
        office.arrive(office.anna, &mail("dora@else.example", &event("REPLY", &answer)))[..],
        [Done::Changed(..)]
    ));
    assert_eq!(office.answer(office.anna, "dora@else.example"), "DECLINED");
    // Nobody but the organizer invites, and nobody invites the organizer to the own meeting.
    let fresh =
        event("REQUEST", &format!("{anna}DTSTART:20260811T100000Z\r\n")).replace("plan", "new");
    let done = office.arrive(office.cleo, &mail("spy@else.example", &fresh));
    assert!(matches!(done[..], [Done::Nothing(_)]));
    let done = office.arrive(office.anna, &mail("anna@office.example", &fresh));
    assert!(matches!(done[..], [Done::Nothing(_)]));
    for method in ["PUBLISH", "ADD", "REFRESH", "DECLINECOUNTER"] {
        nothing(office.ben, "anna@office.example", &event(method, anna));
    }
    office.check();
}

#[test]
fn older_versions_change_nothing() {
    let office = Office::new();
    let version = |number: u32, stamp: &str, room: &str| {
        let text = event(
            "REQUEST",
            &format!(
                "SEQUENCE:{number}\r\nDTSTAMP:{stamp}\r\nSUMMARY:Out\r\nLOCATION:{room}\r\n\
                 DTSTART:20260811T100000Z\r\nDTEND:20260811T110000Z\r\n\
                 ORGANIZER:mailto:dora@else.example\r\nATTENDEE:mailto:ben@office.example\r\n"
            ),
        );
        office.arrive(office.ben, &mail("dora@else.example", &text))
    };
    let room =
        |name: &str| assert!(office.text(office.ben).contains(&format!("LOCATION:{name}\r\n")));
    assert!(matches!(version(2, "20260801T100000Z", "A")[..], [Done::Added(..)]));
    assert!(matches!(version(1, "20260801T110000Z", "B")[..], [Done::Nothing(_)]));
    assert!(matches!(version(2, "20260801T090000Z", "C")[..], [Done::Nothing(_)]));
    room("A");
    assert!(matches!(version(2, "20260801T100001Z", "D")[..], [Done::Changed(..)]));
    room("D");
    assert!(matches!(version(3, "20250801T100001Z", "E")[..], [Done::Changed(..)]));
    room("E");
    let old = event(
        "CANCEL",
        "SEQUENCE:2\r\nDTSTAMP:20270801T100000Z\r\nORGANIZER:mailto:dora@else.example\r\n",
    );
    assert!(matches!(
        office.arrive(office.ben, &mail("dora@else.example", &old))[..],
        [Done::Nothing(_)]
    ));
    room("E");
}

const SERIES: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:plan\r\n\
    DTSTAMP:20260801T100000Z\r\nSUMMARY:Plan\r\n\
    DTSTART;TZID=Europe/Berlin:20260810T100000\r\nDTEND;TZID=Europe/Berlin:20260810T110000\r\n\
    RRULE:FREQ=WEEKLY;COUNT=5\r\nORGANIZER:mailto:anna@office.example\r\n\
    ATTENDEE:mailto:ben@office.example\r\nATTENDEE:mailto:cleo@office.example\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn one_instance_is_cancelled() {
    let office = Office::new();
    office.add(office.anna, SERIES, Sends::Server);
    office.post();
    office.change(office.anna, Sends::Server, |text| {
        text.replace("RRULE", "EXDATE;TZID=Europe/Berlin:20260817T100000\r\nRRULE")
    });
    let sent = office.post();
    assert_eq!(
        lines(&sent),
        ["CANCEL anna@office.example -> ben@office.example cleo@office.example: Canceled: Plan"]
    );
    let cancelled = sent[0].calendar.child("VEVENT").unwrap();
    assert_eq!(cancelled.value_of("RECURRENCE-ID"), Some("20260817T100000"));
    assert!(!cancelled.has("RRULE"));
    let text = office.text(office.ben);
    assert!(text.contains("EXDATE;TZID=Europe/Berlin:20260817T100000\r\n"), "{text}");
    assert!(!text.contains("CANCELLED"));
    assert!(matches!(office.arrive(office.ben, &sent[0].raw)[..], [Done::Nothing(_)]));
    office.check();
}

#[test]
fn one_instance_is_moved_answered_and_goes_back() {
    let office = Office::new();
    office.add(office.anna, SERIES, Sends::Server);
    office.post();
    office.change(office.ben, Sends::Server, |text| {
        text.replace("NEEDS-ACTION;RSVP=TRUE:mailto:ben", "ACCEPTED:mailto:ben")
    });
    office.post();
    let moved = "BEGIN:VEVENT\r\nUID:plan\r\nDTSTAMP:20260801T100000Z\r\nSUMMARY:Plan\r\n\
        RECURRENCE-ID;TZID=Europe/Berlin:20260824T100000\r\n\
        DTSTART;TZID=Europe/Berlin:20260824T150000\r\nDTEND;TZID=Europe/Berlin:20260824T160000\r\n\
        ORGANIZER:mailto:anna@office.example\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:ben@office.example\r\n\
        END:VEVENT\r\n";
    office.change(office.anna, Sends::Server, |text| {
        text.replace("END:VCALENDAR", &format!("{moved}END:VCALENDAR"))
    });
    let mut sent = office.post();
    sent.sort_by_key(Sent::line);
    // Cleo is not asked to come to that one.
    assert_eq!(
        lines(&sent),
        [
            "CANCEL anna@office.example -> cleo@office.example: Canceled: Plan",
            "REQUEST anna@office.example -> ben@office.example: Plan"
        ]
    );
    assert!(office.text(office.cleo).contains("EXDATE"));
    let series = office.event(office.ben).unwrap().2;
    let instance = series.overrides().next().unwrap();
    assert_eq!(instance.value_of("DTSTART"), Some("20260824T150000"));
    let stats: Vec<_> = series
        .calendar
        .children("VEVENT")
        .flat_map(|event| event.all("ATTENDEE").filter(|p| p.value.contains("ben")))
        .map(|line| line.param("PARTSTAT").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(stats, ["ACCEPTED", "NEEDS-ACTION"]);

    // Ben declines that one alone.
    office.change(office.ben, Sends::Server, |text| text.replace("NEEDS-ACTION", "DECLINED"));
    let sent = office.post();
    assert_eq!(lines(&sent), ["REPLY ben@office.example -> anna@office.example: Declined: Plan"]);
    let text = office.text(office.anna);
    assert!(text.contains("PARTSTAT=ACCEPTED") && text.contains("PARTSTAT=DECLINED"), "{text}");

    // Anna takes the exception back: the whole series is told.
    office.change(office.anna, Sends::Server, |text| {
        let at = text.find("BEGIN:VEVENT\r\nUID:plan\r\nDTSTAMP").unwrap();
        let second = text[at + 5..].find("BEGIN:VEVENT").unwrap() + at + 5;
        let end = text.rfind("END:VCALENDAR").unwrap();
        text[..second].to_owned() + &text[end..]
    });
    assert_eq!(
        lines(&office.post()),
        ["REQUEST anna@office.example -> ben@office.example cleo@office.example: Plan"]
    );
    assert!(!office.text(office.ben).contains("RECURRENCE-ID"));
    assert!(!office.text(office.cleo).contains("EXDATE"));
    office.check();
}

#[test]
fn an_answer_to_one_instance_makes_no_instance_that_is_none() {
    let office = Office::new();
    office.add(office.anna, SERIES, Sends::Server);
    office.post();
    let answer = |id: &str| {
        let text = event(
            "REPLY",
            &format!(
                "DTSTAMP:20260802T100000Z\r\nRECURRENCE-ID:{id}\r\n\
                 ORGANIZER:mailto:anna@office.example\r\n\
                 ATTENDEE;PARTSTAT=TENTATIVE:mailto:ben@office.example\r\n"
            ),
        );
        office.arrive(office.anna, &mail("ben@office.example", &text))
    };
    assert!(matches!(answer("20260818T080000Z")[..], [Done::Nothing(_)]));
    // The same instant in another form.
    assert!(matches!(answer("20260817T080000Z")[..], [Done::Changed(..)]));
    let series = office.event(office.anna).unwrap().2;
    let instance = series.overrides().next().unwrap();
    assert_eq!(instance.value_of("RECURRENCE-ID"), Some("20260817T100000"));
    assert_eq!(instance.value_of("DTEND"), Some("20260817T110000"));
    // It is not a change that somebody has to hear of.
    assert!(office.post().is_empty());
    office.change(office.anna, Sends::Server, |text| text + "\r\n");
    assert!(office.post().is_empty());
}

#[test]
fn an_update_of_the_series_replaces_it_and_keeps_what_is_ones_own() {
    let office = Office::new();
    office.add(office.anna, SERIES, Sends::Server);
    office.post();
    office.change(office.ben, Sends::Server, |text| {
        text.replace("NEEDS-ACTION;RSVP=TRUE:mailto:ben", "TENTATIVE:mailto:ben").replace(
            "END:VEVENT",
            "CATEGORIES:Mine\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT9M\r\nEND:VALARM\r\nEND:VEVENT",
        )
    });
    office.post();
    office.change(office.anna, Sends::Server, |text| text.replace("SUMMARY:Plan", "SUMMARY:New"));
    office.post();
    let text = office.text(office.ben);
    for part in ["SUMMARY:New", "CATEGORIES:Mine", "TRIGGER:-PT9M", "PARTSTAT=TENTATIVE"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_phones_own_count_is_taken_over() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Client);
    // The phone's own mail, as it passes.
    let text = MEETING
        .replace("UID:plan", "UID:plan\r\nSEQUENCE:4")
        .replace("VERSION", "METHOD:REQUEST\r\nVERSION");
    let raw = mail("anna@office.example", &text);
    let anna = office.anna;
    let passing = messages(&raw);
    office.run(move |tx| invitation::sent(tx, anna, &passing[0])).unwrap();
    assert!(office.text(office.anna).contains("SEQUENCE:4\r\n"));
    office.arrive(office.ben, &raw);
    let answer = |number: u32, status: &str| {
        let text = event(
            "REPLY",
            &format!(
                "SEQUENCE:{number}\r\nDTSTAMP:20260802T100000Z\r\n\
                 ATTENDEE;PARTSTAT={status}:mailto:ben@office.example\r\n"
            ),
        );
        office.arrive(office.anna, &mail("ben@office.example", &text));
    };
    answer(3, "DECLINED");
    assert_eq!(office.answer(office.anna, "ben@office.example"), "NEEDS-ACTION");
    answer(4, "ACCEPTED");
    assert_eq!(office.answer(office.anna, "ben@office.example"), "ACCEPTED");
    // A phone that knows no number, but the time.
    let by_time = |day: &str| {
        let text = event(
            "REPLY",
            &format!(
                "SEQUENCE:0\r\nDTSTAMP:20260803T100000Z\r\nDTSTART:{day}T080000Z\r\n\
                 DTEND:{day}T090000Z\r\nATTENDEE;PARTSTAT=TENTATIVE:mailto:ben@office.example\r\n"
            ),
        );
        office.arrive(office.anna, &mail("ben@office.example", &text));
    };
    by_time("20260811");
    assert_eq!(office.answer(office.anna, "ben@office.example"), "ACCEPTED");
    by_time("20260810");
    assert_eq!(office.answer(office.anna, "ben@office.example"), "TENTATIVE");
}

#[test]
fn ugly_calendars_harm_nobody() {
    let office = Office::new();
    for text in [
        "",
        "BEGIN:VCALENDAR",
        &event("REQUEST", "ORGANIZER:mailto:dora@else.example\r\n"),
        &event("REQUEST", "ORGANIZER:\r\nATTENDEE:\r\nDTSTART:nonsense\r\n"),
        &event("REPLY", "RECURRENCE-ID:99999999T999999\r\n"),
        &event("CANCEL", "RECURRENCE-ID:-1\r\n").replace("UID:plan\r\n", ""),
    ] {
        office.arrive(office.ben, &mail("dora@else.example", text));
    }
    office.check();
}
