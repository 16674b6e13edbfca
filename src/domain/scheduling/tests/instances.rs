//! What happens to one instance of a series.

use super::*;

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
    assert!(text.contains("EXDATE;TZID=Europe/Berlin;X-KONTOR-CANCELLED"), "{text}");
    assert!(text.contains(":20260817T100000\r\n"), "{text}");
    assert!(!text.contains("STATUS:CANCELLED"));
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
