//! Answers on their way back to the organizer.

use super::*;

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
