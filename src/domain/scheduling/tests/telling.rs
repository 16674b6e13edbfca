//! Who is told of a change to a meeting, and what; and who is not.

use super::*;

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
