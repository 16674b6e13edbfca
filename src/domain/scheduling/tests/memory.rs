//! What was declined does not come back by itself.

use super::*;
use crate::domain::declined;
use crate::domain::scheduling::respond::{Answer, Response};
use crate::store::keys::{Kind, of_account};

/// An invitation of Dora's to Ben.
fn invitation(number: u32, stamp: &str, day: &str) -> Vec<u8> {
    let text = event(
        "REQUEST",
        &format!(
            "SEQUENCE:{number}\r\nDTSTAMP:{stamp}\r\nSUMMARY:Out\r\n\
             DTSTART:{day}T100000Z\r\nDTEND:{day}T110000Z\r\n\
             ORGANIZER:mailto:dora@else.example\r\nATTENDEE:mailto:ben@office.example\r\n"
        ),
    );
    mail("dora@else.example", &text)
}

const FIRST: (u32, &str, &str) = (1, "20260801T100000Z", "20260811");

fn arrive(office: &Office, (number, stamp, day): (u32, &str, &str)) -> Done {
    office.arrive(office.ben, &invitation(number, stamp, day)).remove(0)
}

/// Ben answers the event in the calendar.
fn respond(office: &Office, answer: Answer, instance: Option<i64>) {
    let (calendar, uid, _) = office.event(office.ben).unwrap();
    let (ben, response) = (office.ben, Response { answer, instance, reply: None });
    let to = invitation::Invitation::Event { calendar, uid };
    office.run(move |tx| invitation::answer(tx, ben, &to, &response)).unwrap().unwrap();
}

fn remembered(office: &Office) -> usize {
    let mut rows = 0;
    let prefix = of_account(Kind::Declined, office.ben);
    let count = &mut |_: &[u8], _: &[u8]| {
        rows += 1;
        Ok(std::ops::ControlFlow::Continue(()))
    };
    office.store.read().scan_prefix(&prefix, count).unwrap();
    rows
}

#[test]
fn a_declined_invitation_comes_back_only_as_a_newer_one() {
    for by_answer in [true, false] {
        let office = Office::new();
        assert!(matches!(arrive(&office, FIRST), Done::Added(..)));
        match by_answer {
            true => respond(&office, Answer::Declined, None),
            // A phone that deletes the event and writes the mail itself.
            false => office.remove(office.ben, Sends::Client),
        }
        assert!(office.event(office.ben).is_none());
        for same in [
            FIRST,
            (0, "20260801T120000Z", "20260812"),
            (1, "20260801T090000Z", "20260812"),
            // Sent once more, for the same time.
            (1, "20260802T100000Z", "20260811"),
        ] {
            assert!(matches!(arrive(&office, same), Done::Nothing(_)), "{same:?}");
            assert!(office.event(office.ben).is_none());
        }
        assert_eq!(remembered(&office), 1);
        assert!(matches!(arrive(&office, (2, "20260802T100000Z", "20260811")), Done::Added(..)));
        assert_eq!(remembered(&office), 0);
        office.check();
    }
}

#[test]
fn who_has_declined_may_accept_on_another_phone() {
    let office = Office::new();
    arrive(&office, FIRST);
    respond(&office, Answer::Declined, None);
    // The other phone names the mail by where it was before the first answer.
    let message = messages(&invitation(FIRST.0, FIRST.1, FIRST.2)).remove(0);
    let inbox = crate::domain::mailbox::find(&office.store.read(), office.ben, "INBOX").unwrap();
    let (ben, mailbox) = (office.ben, inbox.id);
    let say = |answer: Answer| {
        let to = invitation::Invitation::Mail {
            mailbox,
            uid: Uid(1),
            message: Box::new(message.clone()),
            repeated: true,
        };
        let response = Response { answer, instance: None, reply: None };
        office.run(move |tx| invitation::answer(tx, ben, &to, &response)).unwrap().unwrap()
    };
    assert_eq!(say(Answer::Declined), None);
    assert!(say(Answer::Accepted).is_some());
    assert_eq!(office.answer(office.ben, "ben@office.example"), "ACCEPTED");
    assert_eq!(remembered(&office), 0);
}

#[test]
fn another_time_asks_again_even_under_the_same_number() {
    let office = Office::new();
    arrive(&office, FIRST);
    respond(&office, Answer::Declined, None);
    assert!(matches!(arrive(&office, (1, "20260802T100000Z", "20260812")), Done::Added(..)));
}

#[test]
fn what_was_cancelled_and_thrown_away_can_be_invited_to_again() {
    let office = Office::new();
    arrive(&office, FIRST);
    let cancel = String::from_utf8(invitation(1, "20260801T110000Z", "20260811")).unwrap();
    office.arrive(office.ben, cancel.replace("METHOD:REQUEST", "METHOD:CANCEL").as_bytes());
    office.remove(office.ben, Sends::Server);
    assert!(office.post().is_empty());
    assert!(matches!(arrive(&office, FIRST), Done::Nothing(_)));
    assert!(matches!(arrive(&office, (1, "20260801T120000Z", "20260811")), Done::Added(..)));
}

#[test]
fn declined_invitations_are_forgotten_when_they_are_over() {
    let office = Office::new();
    arrive(&office, FIRST);
    respond(&office, Answer::Declined, None);
    let ben = office.ben;
    office.run(move |tx| declined::expire(tx, ben)).unwrap();
    assert_eq!(remembered(&office), 1);
    office.clock.set(NOW + 32 * 86_400);
    office.run(move |tx| declined::expire(tx, ben)).unwrap();
    assert_eq!(remembered(&office), 0);
    // And their number is bounded.
    for number in 0..2_100 {
        let text = MEETING.replace("UID:plan", &format!("UID:{number}"));
        let series = Series::parse(&text).unwrap();
        office.run(move |tx| declined::remember(tx, ben, &series, &TimeZone::UTC)).unwrap();
    }
    assert_eq!(remembered(&office), 2_000);
    // With the account everything goes.
    office.run(move |tx| account::remove(tx, ben)).unwrap();
    assert_eq!(remembered(&office), 0);
}

#[test]
fn a_declined_instance_stays_out_of_the_series() {
    let office = Office::new();
    office.add(office.anna, SERIES, Sends::Server);
    office.post();
    // 24 August, 10:00 in Berlin.
    respond(&office, Answer::Declined, Some(1_787_558_400));
    let gone = "EXDATE;TZID=Europe/Berlin;X-KONTOR-DECLINED=";
    assert!(office.text(office.ben).contains(gone), "{}", office.text(office.ben));
    // Another text for the same times.
    office.change(office.anna, Sends::Server, |text| text.replace("SUMMARY:Plan", "SUMMARY:New"));
    office.post();
    let text = office.text(office.ben);
    assert!(text.contains("SUMMARY:New") && text.contains(gone), "{text}");
    // Other times are other instances.
    office.change(office.anna, Sends::Server, |text| {
        text.replace("0810T100000", "0810T120000").replace("0810T110000", "0810T130000")
    });
    office.post();
    assert!(!office.text(office.ben).contains(gone));
    // A client that takes one out says the same.
    office.change(office.ben, Sends::Client, |text| {
        text.replace("RRULE", "EXDATE;TZID=Europe/Berlin:20260817T120000\r\nRRULE")
    });
    assert!(office.text(office.ben).contains(gone), "{}", office.text(office.ben));
    let again = |number: u32, stamp: &str| {
        let text = event(
            "REQUEST",
            &format!(
                "SEQUENCE:{number}\r\nDTSTAMP:{stamp}\r\nRECURRENCE-ID:20260817T100000Z\r\n\
                 DTSTART:20260817T100000Z\r\nDTEND:20260817T110000Z\r\n\
                 ORGANIZER:mailto:anna@office.example\r\nATTENDEE:mailto:ben@office.example\r\n"
            ),
        );
        office.arrive(office.ben, &mail("anna@office.example", &text)).remove(0)
    };
    assert!(matches!(again(0, "20260801T100000Z"), Done::Nothing(_)));
    assert!(matches!(again(9, "20260802T100000Z"), Done::Changed(..)));
    assert!(!office.text(office.ben).contains(gone));
    office.check();
}
