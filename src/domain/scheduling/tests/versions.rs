//! The order of versions: SEQUENCE, then DTSTAMP (RFC 5546 §2.1.5).

use super::*;

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

/// A message of Dora's to Ben about a series of five weeks.
fn from_dora(office: &Office, method: &str, lines: &str) -> Vec<Done> {
    let people = "ORGANIZER:mailto:dora@else.example\r\nATTENDEE:mailto:ben@office.example\r\n";
    let text = event(method, &format!("{lines}{people}"));
    office.arrive(office.ben, &mail("dora@else.example", &text))
}

const SERIES_OF_DORA: &str = "DTSTART:20260810T100000Z\r\nDTEND:20260810T110000Z\r\n\
    RRULE:FREQ=WEEKLY;COUNT=5\r\n";

/// Mail overtakes mail: the meeting that was called off stood in the calendar for good.
#[test]
fn a_cancellation_may_come_before_its_invitation() {
    let office = Office::new();
    let invite = |stamp: &str| {
        let lines = format!("SEQUENCE:0\r\nDTSTAMP:{stamp}\r\n{SERIES_OF_DORA}");
        from_dora(&office, "REQUEST", &lines)
    };
    let word = "SEQUENCE:1\r\nDTSTAMP:20260801T090000Z\r\nSTATUS:CANCELLED\r\n";
    // One instance alone.
    let one = format!("{word}RECURRENCE-ID:20260817T100000Z\r\nDTSTART:20260817T100000Z\r\n");
    assert!(matches!(from_dora(&office, "CANCEL", &one)[..], [Done::Nothing(_)]));
    // Nobody else cancels it.
    let other = event("CANCEL", &format!("{word}ORGANIZER:mailto:eve@else.example\r\n"));
    office.arrive(office.ben, &mail("eve@else.example", &other));
    assert!(matches!(invite("20260801T080000Z")[..], [Done::Added(..)]));
    assert!(office.text(office.ben).contains(":20260817T100000Z\r\n"));

    let office = Office::new();
    let invite = |stamp: &str| {
        let lines = format!("SEQUENCE:0\r\nDTSTAMP:{stamp}\r\n{SERIES_OF_DORA}");
        from_dora(&office, "REQUEST", &lines)
    };
    assert!(matches!(from_dora(&office, "CANCEL", word)[..], [Done::Nothing(_)]));
    assert_eq!(invite("20260801T080000Z"), [Done::Nothing("it was cancelled")]);
    assert!(office.event(office.ben).is_none());
    // What is written later is another word.
    assert!(matches!(invite("20260801T100000Z")[..], [Done::Added(..)]));
}

/// The instance that was called off came back with an older update that came late.
#[test]
fn an_older_update_brings_no_cancelled_instance_back() {
    let office = Office::new();
    let update = |number: u32, stamp: &str| {
        let lines = format!("SEQUENCE:{number}\r\nDTSTAMP:{stamp}\r\n{SERIES_OF_DORA}");
        from_dora(&office, "REQUEST", &lines)
    };
    let cancel = |number: u32, stamp: &str| {
        let lines = format!(
            "SEQUENCE:{number}\r\nDTSTAMP:{stamp}\r\nSTATUS:CANCELLED\r\n\
             RECURRENCE-ID:20260817T100000Z\r\nDTSTART:20260817T100000Z\r\n"
        );
        from_dora(&office, "CANCEL", &lines)
    };
    let is_out = || office.text(office.ben).contains("EXDATE");
    update(0, "20260801T080000Z");
    cancel(1, "20260801T100000Z");
    assert!(matches!(update(0, "20260801T090000Z")[..], [Done::Changed(..)]));
    assert!(is_out());
    // A newer one does, and a cancellation of before that comes late changes nothing.
    assert!(matches!(update(1, "20260801T110000Z")[..], [Done::Changed(..)]));
    assert!(!is_out());
    assert!(matches!(cancel(1, "20260801T100000Z")[..], [Done::Nothing(_)]));
    assert!(!is_out());
    // Cancelled twice, and the one between comes last.
    cancel(1, "20260801T100000Z");
    cancel(2, "20260801T130000Z");
    cancel(3, "20260801T150000Z");
    update(2, "20260801T140000Z");
    assert!(is_out());
}

/// What is known of one instance is not taken back by an older text of the whole series.
#[test]
fn an_older_update_leaves_a_newer_instance() {
    let office = Office::new();
    let series = |stamp: &str| {
        let lines = format!("SEQUENCE:0\r\nDTSTAMP:{stamp}\r\nSUMMARY:x\r\n{SERIES_OF_DORA}");
        from_dora(&office, "REQUEST", &lines)
    };
    series("20260801T080000Z");
    let one = "SEQUENCE:0\r\nDTSTAMP:20260801T100000Z\r\nSUMMARY:Moved\r\n\
        RECURRENCE-ID:20260817T100000Z\r\nDTSTART:20260818T100000Z\r\nDTEND:20260818T110000Z\r\n";
    from_dora(&office, "REQUEST", one);
    series("20260801T090000Z");
    assert!(office.text(office.ben).contains("SUMMARY:Moved"));
    series("20260801T110000Z");
    assert!(!office.text(office.ben).contains("SUMMARY:Moved"));
}

/// The whole series stayed in the calendar of somebody who was taken off it and asked to one
/// instance, where the two mails came the other way round.
#[test]
fn an_invitation_to_one_instance_may_overtake_the_end_of_the_series() {
    let office = Office::new();
    let series = format!("SEQUENCE:0\r\nDTSTAMP:20260801T080000Z\r\n{SERIES_OF_DORA}");
    from_dora(&office, "REQUEST", &series);
    let instance = |number: u32, stamp: &str, day: &str| {
        let lines = format!(
            "SEQUENCE:{number}\r\nDTSTAMP:{stamp}\r\nRECURRENCE-ID:{day}T100000Z\r\n\
             DTSTART:{day}T120000Z\r\nDTEND:{day}T130000Z\r\n"
        );
        from_dora(&office, "REQUEST", &lines)
    };
    let cancelled = || {
        let series = office.event(office.ben).unwrap().2;
        let events = series.calendar.children("VEVENT");
        events.map(super::super::is_cancelled).collect::<Vec<_>>()
    };
    // Moved before the series ends; by a number that counts for the instance alone.
    instance(7, "20260801T083000Z", "20260817");
    instance(1, "20260801T100000Z", "20260824");
    let word = "SEQUENCE:1\r\nDTSTAMP:20260801T090000Z\r\nSTATUS:CANCELLED\r\n";
    assert!(matches!(from_dora(&office, "CANCEL", word)[..], [Done::Changed(..)]));
    assert_eq!(cancelled(), [true, true, false]);
    assert!(matches!(from_dora(&office, "CANCEL", word)[..], [Done::Nothing(_)]));
    // What came late from before brings nothing back.
    let update = format!("SEQUENCE:0\r\nDTSTAMP:20260801T084000Z\r\n{SERIES_OF_DORA}");
    assert!(matches!(from_dora(&office, "REQUEST", &update)[..], [Done::Nothing(_)]));
    assert_eq!(cancelled(), [true, true, false]);
}

/// Somebody is taken off a series, asked again, and taken off again: the invitation between that
/// came last brought back what does not take place.
#[test]
fn of_two_cancellations_the_last_one_counts() {
    let office = Office::new();
    let invite = |stamp: &str| {
        let lines = format!("SEQUENCE:1\r\nDTSTAMP:{stamp}\r\n{SERIES_OF_DORA}");
        from_dora(&office, "REQUEST", &lines)
    };
    let cancel = |stamp: &str| {
        let lines = format!("SEQUENCE:1\r\nDTSTAMP:{stamp}\r\nSTATUS:CANCELLED\r\n");
        from_dora(&office, "CANCEL", &lines)
    };
    invite("20260801T080000Z");
    cancel("20260801T081000Z");
    cancel("20260801T083000Z");
    assert!(matches!(invite("20260801T082000Z")[..], [Done::Nothing(_)]));
    assert!(office.text(office.ben).contains("STATUS:CANCELLED"));
    assert!(matches!(cancel("20260801T083000Z")[..], [Done::Nothing(_)]));
    assert!(matches!(invite("20260801T084000Z")[..], [Done::Changed(..)]));
}

/// The series leaves an instance out, has it back, and it is cancelled; the text between came last.
#[test]
fn an_instance_left_out_before_may_be_cancelled_again() {
    let office = Office::new();
    let update = |stamp: &str, more: &str| {
        let lines = format!("SEQUENCE:1\r\nDTSTAMP:{stamp}\r\n{SERIES_OF_DORA}{more}");
        from_dora(&office, "REQUEST", &lines)
    };
    update("20260801T080000Z", "EXDATE:20260817T100000Z\r\n");
    let word = "SEQUENCE:2\r\nDTSTAMP:20260801T100000Z\r\nSTATUS:CANCELLED\r\n\
        RECURRENCE-ID:20260817T100000Z\r\nDTSTART:20260817T100000Z\r\n";
    from_dora(&office, "CANCEL", word);
    update("20260801T090000Z", "");
    assert!(office.text(office.ben).contains("EXDATE"));
    assert!(matches!(from_dora(&office, "CANCEL", word)[..], [Done::Nothing(_)]));
}

/// A series that was cancelled before anybody heard of it came back when an instance to which
/// somebody was asked since had been cancelled too.
#[test]
fn a_cancelled_instance_does_not_make_the_series_forgotten() {
    let office = Office::new();
    let one = "RECURRENCE-ID:20260817T100000Z\r\nDTSTART:20260817T100000Z\r\n\
        DTEND:20260817T110000Z\r\n";
    let say = |method: &str, stamp: &str, lines: &str| {
        let lines = format!("SEQUENCE:1\r\nDTSTAMP:{stamp}\r\n{lines}");
        from_dora(&office, method, &lines)
    };
    say("CANCEL", "20260801T090000Z", "STATUS:CANCELLED\r\n");
    say("CANCEL", "20260801T093000Z", &format!("STATUS:CANCELLED\r\n{one}"));
    for (stamp, what) in [("20260801T080000Z", SERIES_OF_DORA), ("20260801T091000Z", one)] {
        assert_eq!(say("REQUEST", stamp, what), [Done::Nothing("it was cancelled")]);
    }
    // Asked to all of it again, but for the instance.
    say("REQUEST", "20260801T092000Z", SERIES_OF_DORA);
    assert!(office.text(office.ben).contains("EXDATE"));
}
