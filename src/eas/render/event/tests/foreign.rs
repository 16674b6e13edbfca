//! Texts of other programs: what a phone does not know stays.

use super::*;

const THUNDERBIRD: &str = "BEGIN:VCALENDAR\r\nPRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN\r\nVERSION:2.0\r\n\
X-CALENDAR:kept\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nX-TZ:kept\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:tb-1\r\nDTSTAMP:20260101T000000Z\r\n\
DTSTART;TZID=Europe/Berlin:20260601T140000\r\nDTEND;TZID=Europe/Berlin:20260601T150000\r\nSUMMARY;LANGUAGE=de:Mittag\r\n\
DESCRIPTION;ALTREP=\"data:text/html,x\":Text\r\nORGANIZER;CN=Ben;SENT-BY=\"mailto:s@b.test\":mailto:ben@b.test\r\n\
ATTENDEE;CN=Anna;PARTSTAT=ACCEPTED;X-A=1;DELEGATED-FROM=\"mailto:d@b.test\":mailto:anna@office.test\r\n\
ATTENDEE;CN=Ben;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:ben@b.test\r\nATTENDEE;CUTYPE=GROUP:urn:uuid:1\r\n\
URL:https://b.test/\r\nCONFERENCE;VALUE=URI:https://meet.test\r\nX-MOZ-LASTACK:20260101T000000Z\r\nPRIORITY:3\r\n\
ATTACH;FMTTYPE=text/html:https://b.test/agenda\r\nCOLOR:red\r\nRESOURCES:Beamer\r\nBEGIN:VALARM\r\nACTION:EMAIL\r\n\
TRIGGER:-P1D\r\nSUMMARY:mail\r\nEND:VALARM\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nX-ALARM:kept\r\n\
END:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn an_edit_from_a_phone_takes_nothing_away() {
    for version in VERSIONS {
        with(version, |view| {
            let mut sent = shown(THUNDERBIRD, view);
            assert_eq!(sent.text_of(c::REMINDER), Some("15"));
            assert_eq!(sent.text_of(c::MEETING_STATUS), Some("3"));
            sent.children.retain(|child| ![c::SUBJECT, c::REMINDER].contains(&child.tag));
            sent.children.extend([el(c::SUBJECT, "Neu"), el(c::REMINDER, "30")]);
            let again = update(THUNDERBIRD, &sent, view, &Supported::Everything).unwrap().text;
            let unfolded = again.replace("\r\n ", "");
            let lost: Vec<&str> =
                THUNDERBIRD.lines().filter(|line| !unfolded.contains(line)).collect();
            assert_eq!(lost, ["SUMMARY;LANGUAGE=de:Mittag", "TRIGGER:-PT15M"], "{version}");
            assert!(
                unfolded.contains("SUMMARY;LANGUAGE=de:Neu") && unfolded.contains("TRIGGER:-PT30M")
            );
        });
    }
}

#[test]
fn texts_are_found_in_any_case_and_line_end() {
    let text = "begin:vcalendar\nbegin:vevent\nuid:1\nsummary:a\ndtstart:20260601T120000\nend:vevent\nend:vcalendar";
    let shown = with(Version::V14_1, |view| shown(text, view));
    assert_eq!(shown.text_of(c::SUBJECT), Some("a"));
    assert_eq!(shown.text_of(c::START_TIME), Some("20260601T100000Z"));
}

#[test]
fn an_invitation_to_one_instance_only() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260601T100000Z\nDTSTART:20260601T120000Z\nSUMMARY:a\n\
        END:VEVENT\nEND:VCALENDAR";
    for version in VERSIONS {
        with(version, |view| {
            let sent = shown(text, view);
            assert_eq!(sent.text_of(c::START_TIME), Some("20260601T120000Z"));
            let again = update(text, &sent, view, &Supported::Everything).unwrap().text;
            assert!(again.contains("RECURRENCE-ID"), "{again}");
        });
    }
}

#[test]
fn what_is_no_event_is_said() {
    with(Version::V14_1, |view| {
        let mut out = Writer::new();
        assert!(render(&mut out, "BEGIN:VCALENDAR\nEND:VCALENDAR", view).is_err());
        assert!(render(&mut out, "", view).is_err());
        assert!(update("", &data(vec![]), view, &Supported::Nothing).is_err());
    });
}

#[test]
fn the_place_belongs_to_its_name() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260601T120000Z\nLOCATION:Here\n\
        X-KONTOR-PLACE;CITY=Bonn:There\nGEO:50.5;-7\nEND:VEVENT\nEND:VCALENDAR";
    use crate::format::wbxml::tags::air_sync_base as b;
    let shown = with(Version::V16_1, |view| shown(text, view));
    let place = shown.child(b::LOCATION).unwrap();
    assert_eq!((place.text_of(b::DISPLAY_NAME), place.text_of(b::CITY)), (Some("Here"), None));
    assert_eq!(
        (place.text_of(b::LATITUDE), place.text_of(b::LONGITUDE)),
        (Some("50.5"), Some("-7"))
    );
}
