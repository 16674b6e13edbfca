//! Other times that attendees propose.

use super::*;
use crate::domain::scheduling::answering::proposal;
use crate::domain::scheduling::respond::{Answer, Reply, Response};

/// What the organizer's event has of Ben's proposal.
fn proposed(office: &Office) -> Option<String> {
    let series = office.event(office.anna).unwrap().2;
    let all = series.calendar.children("VEVENT").flat_map(|event| event.all("ATTENDEE"));
    let mut bens = all.filter(|line| line.value.to_lowercase().contains("ben@"));
    bens.find_map(proposal).map(|(start, end)| format!("{start} {end}"))
}

fn propose(office: &Office, instance: Option<i64>, proposal: (i64, i64)) -> Vec<Sent> {
    let (calendar, uid, _) = office.event(office.ben).unwrap();
    let reply = Some(Reply { comment: None, proposal: Some(proposal) });
    let response = Response { answer: Answer::Tentative, instance, reply };
    let (ben, to) = (office.ben, invitation::Invitation::Event { calendar, uid });
    office.run(move |tx| invitation::answer(tx, ben, &to, &response)).unwrap().unwrap();
    office.post()
}

#[test]
fn the_organizer_sees_who_wants_another_time() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    // 11 August 2026, 8:00 UTC.
    let sent = propose(&office, None, (1_786_435_200, 1_786_438_800));
    assert_eq!(
        lines(&sent),
        ["COUNTER ben@office.example -> anna@office.example: New Time Proposed: Plan"]
    );
    let counter = sent[0].calendar.child("VEVENT").unwrap();
    assert_eq!(counter.value_of("X-MS-OLK-ORIGINALSTART"), Some("20260810T100000"));
    assert_eq!(counter.value_of("X-MS-OLK-ORIGINALEND"), Some("20260810T110000"));
    let wanted = Some("2026-08-11T08:00:00Z 2026-08-11T09:00:00Z".to_owned());
    assert_eq!(proposed(&office), wanted);
    assert_eq!(office.answer(office.anna, "ben@office.example"), "TENTATIVE");
    // The meeting is when it was, and the others hear nothing of it.
    assert!(office.text(office.anna).contains("DTSTART;TZID=Europe/Berlin:20260810T100000"));
    office.change(office.anna, Sends::Server, |text| text.replace("Room 1", "Room 2"));
    let sent = office.post();
    assert!(!String::from_utf8_lossy(&sent[0].raw).contains("X-KONTOR"));
    assert_eq!(proposed(&office), wanted);
    // Another time of the organizer's ends it.
    office.change(office.anna, Sends::Server, |text| {
        text.replace("0810T100000", "0811T100000").replace("0810T110000", "0811T110000")
    });
    assert_eq!(proposed(&office), None);
    office.check();
}

#[test]
fn a_plain_answer_takes_the_proposal_back() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    propose(&office, None, (1_786_435_200, 1_786_438_800));
    let text = event(
        "REPLY",
        "DTSTAMP:20260802T100000Z\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:ben@office.example\r\n",
    );
    office.arrive(office.anna, &mail("ben@office.example", &text));
    assert_eq!(proposed(&office), None);
    assert_eq!(office.answer(office.anna, "ben@office.example"), "ACCEPTED");
}

#[test]
fn a_list_of_everybody_speaks_for_the_sender_alone() {
    let office = Office::new();
    office.add(office.anna, MEETING, Sends::Server);
    office.post();
    let text = event(
        "COUNTER",
        "DTSTAMP:20260802T100000Z\r\nDTSTART:20260811T080000Z\r\nDTEND:20260811T093000Z\r\n\
         ATTENDEE;PARTSTAT=DECLINED:mailto:dora@else.example\r\n\
         ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ben@office.example\r\n",
    );
    let done = office.arrive(office.anna, &mail("ben@office.example", &text));
    assert!(matches!(done[..], [Done::Changed(..)]), "{done:?}");
    assert_eq!(proposed(&office).unwrap(), "2026-08-11T08:00:00Z 2026-08-11T09:30:00Z");
    assert_eq!(office.answer(office.anna, "dora@else.example"), "NEEDS-ACTION");
    assert_eq!(office.answer(office.anna, "ben@office.example"), "NEEDS-ACTION");
}

#[test]
fn one_instance_may_be_wanted_at_another_time() {
    let office = Office::new();
    office.add(office.anna, SERIES, Sends::Server);
    office.post();
    // 24 August, 10:00 in Berlin, and two hours later.
    propose(&office, Some(1_787_558_400), (1_787_565_600, 1_787_569_200));
    assert_eq!(proposed(&office).unwrap(), "2026-08-24T10:00:00Z 2026-08-24T11:00:00Z");
    let series = office.event(office.anna).unwrap().2;
    let instance = series.overrides().next().unwrap();
    assert_eq!(instance.value_of("DTSTART"), Some("20260824T100000"));
}
