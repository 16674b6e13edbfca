//! Who is answered, and when again.

use super::*;
use crate::base::clock::Clock;
use crate::domain::account::{self, NewAccount};
use crate::domain::collection;
use crate::domain::item::{self, Text};
use crate::store::Store;
use crate::store::rows::account::Group;

const NOW: i64 = 1_785_585_600;
const DAY: i64 = 86_400;

struct Office {
    store: Store,
    clock: Clock,
    ben: AccountId,
}

impl Office {
    /// Ben is away.
    fn new() -> Office {
        let clock = Clock::fixed(NOW);
        let store = Store::in_memory(clock.clone());
        let ben = store.write_blocking(|tx| {
            account::add_domain(tx, "office.example")?;
            let new = NewAccount {
                address: "ben@office.example".parse().unwrap(),
                display_name: "Ben".into(),
                admin: false,
                credentials: None,
                quota: None,
            };
            let ben = account::create(tx, &new)?.id;
            account::add_alias(tx, &"benjamin@office.example".parse().unwrap(), ben)?;
            let members = vec!["ben@office.example".to_owned()];
            let all = Group { name: "All".into(), members, members_send: true, hidden: false };
            account::put_group(tx, &"all@office.example".parse().unwrap(), &all)?;
            Ok::<_, Error>(ben)
        });
        let office = Office { store, clock, ben: ben.unwrap() };
        office.set(OutOfOffice { state: State::On, ..office.answers("away") }).unwrap();
        office
    }

    fn answers(&self, words: &str) -> OutOfOffice {
        let said =
            |who: &str| Answer { enabled: true, text: format!("{words}, {who}"), html: false };
        let (internal, known, unknown) = (said("inside"), said("known"), said("unknown"));
        OutOfOffice { internal, known, unknown, ..OutOfOffice::default() }
    }

    fn set(&self, new: OutOfOffice) -> Result<()> {
        let ben = self.ben;
        self.store.write_blocking(move |tx| set(tx, ben, &new))
    }

    /// The text of the answer to a mail, if there is one.
    fn ask(&self, from: &str, header: &str) -> Option<String> {
        let (ben, sender) = (self.ben, from.parse().unwrap());
        let asked = Asked::read(header.as_bytes(), Some(&sender));
        let sent = self.store.write_blocking(move |tx| answer(tx, ben, &asked)).unwrap();
        let read = self.store.read();
        let (number, entry) = outbox::list(&read, None, 10).unwrap().pop()?;
        assert!(sent && entry.sender.is_none() && entry.recipients == [from], "{entry:?}");
        let body = read.body_row(entry.content).unwrap().unwrap();
        let text = read.with_body(&body.at, |raw| String::from_utf8_lossy(raw).into_owned());
        self.store.write_blocking(move |tx| outbox::take(tx, number)).unwrap();
        let text = text.unwrap();
        Some(text.split("\r\n\r\n").last().unwrap().trim().to_owned())
    }

    /// A plain question to Ben.
    fn question(&self, from: &str) -> Option<String> {
        self.ask(from, "To: ben@office.example\r\nSubject: x\r\n\r\n")
    }
}

#[test]
fn each_sender_is_answered_once_in_seven_days() {
    let office = Office::new();
    assert_eq!(office.question("dora@else.example").unwrap(), "away, unknown");
    assert_eq!(office.question("Dora@ELSE.example"), None);
    office.clock.set(NOW + 7 * DAY - 1);
    assert_eq!(office.question("dora@else.example"), None);
    assert!(office.question("emil@else.example").is_some());
    office.clock.set(NOW + 7 * DAY);
    assert!(office.question("dora@else.example").is_some());
    // Emil's turn comes a day later, and other words are news to everybody.
    assert_eq!(office.question("emil@else.example"), None);
    office.set(OutOfOffice { state: State::On, ..office.answers("gone") }).unwrap();
    assert_eq!(office.question("emil@else.example").unwrap(), "gone, unknown");
    // The same settings again are none.
    office.set(OutOfOffice { state: State::On, ..office.answers("gone") }).unwrap();
    assert_eq!(office.question("emil@else.example"), None);
}

#[test]
fn people_hear_what_is_meant_for_them() {
    let office = Office::new();
    let ben = office.ben;
    let card =
        "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Emil\r\nEMAIL:Emil@else.exam\r\n ple\r\nEND:VCARD\r\n";
    let card = Text { uid: "1".into(), text: card.into(), look: 1, from: 0, until: 0 };
    office
        .store
        .write_blocking(move |tx| {
            let book = collection::default(tx, ben, CollectionKind::Contacts)?.id;
            item::add(tx, book, card)
        })
        .unwrap();
    assert_eq!(office.question("emil@else.example").unwrap(), "away, known");
    assert_eq!(office.question("dora@else.example").unwrap(), "away, unknown");
    assert_eq!(office.question("cleo@office.example").unwrap(), "away, inside");
    let mut settings = OutOfOffice { state: State::On, ..office.answers("away") };
    settings.unknown.enabled = false;
    office.set(settings).unwrap();
    assert_eq!(office.question("dora@else.example"), None);
    assert!(office.question("emil@else.example").is_some());
}

#[test]
fn only_who_is_named_answers() {
    let office = Office::new();
    let to = |header: &str| office.ask("dora@else.example", &format!("{header}\r\n\r\n")).is_some();
    assert!(!to("To: all@office.example"));
    assert!(!to("Subject: x"));
    assert!(!to("Bcc: ben@office.example"));
    assert!(!to("To: \"ben@office.example\" <other@else.example>"));
    assert!(to("To: x@else.example\r\nCc: Ben <benjamin+news@office.example>"));
    assert_eq!(office.question("ben@office.example"), None, "nobody answers himself");
}

#[test]
fn machines_are_not_answered() {
    let office = Office::new();
    for (number, header) in [
        "Auto-Submitted: auto-replied",
        "Auto-submitted: Auto-Generated; x=y",
        "Precedence: LIST",
        "List-Unsubscribe: <mailto:x@y>",
        "X-Auto-Response-Suppress: DR, AutoReply",
        "X-Loop: x",
        "Feedback-ID: a:b",
        "Content-Type: multipart/report; boundary=x",
        "Content-Type: text/calendar; method=REPLY",
        "X-Spam-Flag: YES",
    ]
    .into_iter()
    .enumerate()
    {
        let header = format!("To: ben@office.example\r\n{header}\r\n\r\n");
        assert_eq!(office.ask(&format!("p{number}@else.example"), &header), None, "{header}");
    }
    for sender in ["No-Reply", "owner-list", "list-request", "x-bounces+ben=y", "postmaster"] {
        assert_eq!(office.question(&format!("{sender}@else.example")), None, "{sender}");
    }
    assert!(office.question("noreplying@else.example").is_some());
}

#[test]
fn the_time_away_has_a_beginning_and_an_end() {
    let office = Office::new();
    let timed =
        |from, until| OutOfOffice { state: State::Timed, from, until, ..office.answers("away") };
    assert!(matches!(office.set(timed(Some(NOW), None)), Err(Error::Invalid(_))));
    assert!(matches!(office.set(timed(Some(NOW), Some(NOW))), Err(Error::Invalid(_))));
    office.set(timed(Some(NOW + DAY), Some(NOW + 2 * DAY))).unwrap();
    assert_eq!(office.question("dora@else.example"), None);
    office.clock.set(NOW + DAY);
    assert!(office.question("dora@else.example").is_some());
    office.clock.set(NOW + 2 * DAY);
    assert_eq!(office.question("emil@else.example"), None);
}
