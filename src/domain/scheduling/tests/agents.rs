//! Who is believed to write for an organizer.

use super::*;

fn request(number: u32, organizer: &str, attendee: &str) -> String {
    event(
        "REQUEST",
        &format!(
            "SEQUENCE:{number}\r\nDTSTAMP:20260801T100000Z\r\nSUMMARY:v{number}\r\n\
             DTSTART:20260811T100000Z\r\nDTEND:20260811T110000Z\r\n{organizer}\r\n\
             ATTENDEE:mailto:{attendee}\r\n"
        ),
    )
}

const BOSS: &str = "ORGANIZER:mailto:boss@else.example";
const BY_AIDE: &str = "ORGANIZER;SENT-BY=\"mailto:aide@else.example\":mailto:boss@else.example";

#[test]
fn an_assistant_writes_for_the_organizer() {
    let office = Office::new();
    let arrive = |from: &str, number: u32, organizer: &str| {
        let text = request(number, organizer, "ben@office.example");
        office.arrive(office.ben, &mail(from, &text)).remove(0)
    };
    let is = |name: &str| assert!(office.text(office.ben).contains(&format!("SUMMARY:{name}\r\n")));
    assert!(matches!(arrive("aide@else.example", 1, BY_AIDE), Done::Added(..)));
    assert!(matches!(arrive("aide@else.example", 2, BOSS), Done::Changed(..)));
    // The organizer too, who says nothing of an assistant; she remains one.
    assert!(matches!(arrive("boss@else.example", 3, BOSS), Done::Changed(..)));
    assert!(matches!(arrive("aide@else.example", 4, BOSS), Done::Changed(..)));
    is("v4");
    // Whoever calls himself one is shown, and changes nothing.
    let spy = "ORGANIZER;SENT-BY=\"mailto:spy@else.example\":mailto:boss@else.example";
    let noted = "ORGANIZER;X-KONTOR-AGENTS=spy@else.example:mailto:boss@else.example";
    for organizer in [BOSS, spy, noted] {
        assert!(matches!(arrive("spy@else.example", 9, organizer), Done::Nothing(_)));
    }
    is("v4");
    let cancel = request(9, BY_AIDE, "ben@office.example").replace("REQUEST", "CANCEL");
    office.arrive(office.ben, &mail("spy@else.example", &cancel));
    assert!(!office.text(office.ben).contains("CANCELLED"));
    office.arrive(office.ben, &mail("aide@else.example", &cancel));
    assert!(office.text(office.ben).contains("STATUS:CANCELLED"));
}

#[test]
fn a_servers_own_address_sends_first_and_goes_on() {
    let office = Office::new();
    let arrive = |from: &str, number: u32| {
        let text = request(number, BOSS, "ben@office.example");
        office.arrive(office.ben, &mail(from, &text)).remove(0)
    };
    assert!(matches!(arrive("robot@calendars.example", 5), Done::Added(..)));
    let text = office.text(office.ben);
    assert!(text.contains("BUSYSTATUS:TENTATIVE"), "{text}");
    assert!(matches!(arrive("robot@calendars.example", 6), Done::Changed(..)));
    assert!(matches!(arrive("other@calendars.example", 7), Done::Nothing(_)));
    // The organizer's own word, whatever number somebody else has used before.
    assert!(matches!(arrive("boss@else.example", 1), Done::Changed(..)));
    assert!(office.text(office.ben).contains("SUMMARY:v1\r\n"));
    assert!(matches!(arrive("boss@else.example", 1), Done::Nothing(_)));
    assert!(matches!(arrive("robot@calendars.example", 8), Done::Nothing(_)));
}

#[test]
fn nobody_from_outside_invites_for_a_colleague() {
    let office = Office::new();
    let nothing = |from: &str, organizer: &str, attendee: &str| {
        let text = request(1, organizer, attendee);
        let done = office.arrive(office.ben, &mail(from, &text));
        assert!(matches!(done[..], [Done::Nothing(_)]), "{done:?} {from} {organizer}");
        assert!(office.event(office.ben).is_none());
    };
    let ben = "ben@office.example";
    nothing("spy@else.example", "ORGANIZER:mailto:anna@office.example", ben);
    let spy = "ORGANIZER;SENT-BY=\"mailto:spy@else.example\":mailto:anna@office.example";
    nothing("spy@else.example", spy, ben);
    nothing("cleo@office.example", "ORGANIZER:mailto:anna@office.example", ben);
    // Nor anybody in a stranger's name people whom it does not ask.
    nothing("spy@else.example", BOSS, "dora@else.example");
    nothing("spy@else.example", "ORGANIZER:nobody", ben);
    let cleo = "ORGANIZER;SENT-BY=\"mailto:cleo@office.example\":mailto:anna@office.example";
    let done = office.arrive(office.ben, &mail("cleo@office.example", &request(1, cleo, ben)));
    assert!(matches!(done[..], [Done::Added(..)]), "{done:?}");
}

#[test]
fn what_was_accepted_unbelieved_is_still_not_a_strangers_to_change() {
    let office = Office::new();
    let spy = "ORGANIZER;SENT-BY=\"mailto:spy@else.example\":mailto:anna@office.example";
    office.add(office.ben, &request(1, spy, "ben@office.example"), Sends::Client);
    let text = request(2, spy, "ben@office.example");
    let done = office.arrive(office.ben, &mail("spy@else.example", &text));
    assert!(matches!(done[..], [Done::Nothing(_)]), "{done:?}");
    let done = office.arrive(office.ben, &mail("anna@office.example", &text));
    assert!(matches!(done[..], [Done::Changed(..)]), "{done:?}");
}

#[test]
fn a_strangers_event_brings_no_notes_of_ours() {
    let office = Office::new();
    let lines = "ORGANIZER;X-KONTOR-SENDER=spy@else.example:mailto:boss@else.example\r\n\
        X-KONTOR-MEETING-STATUS:1\r\nx-kontor-response-type:3";
    let text =
        request(1, lines, "ben@office.example;X-KONTOR-REPLIED=9".split(';').next().unwrap());
    office.arrive(office.ben, &mail("boss@else.example", &text));
    let text = office.text(office.ben).to_uppercase();
    assert!(!text.contains("X-KONTOR"), "{text}");
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
