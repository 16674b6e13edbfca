//! Meeting messages as every version shows them.

use bytes::Bytes;

use super::*;
use crate::eas::render::{Options, Owner};
use crate::format::wbxml::{self, Element};

/// 20 January 2026.
const NOW: i64 = 1_768_900_000;

fn series(text: &str) -> Series {
    Series::parse(&text.replace('\n', "\r\n")).unwrap()
}

fn message(method: &str, lines: &str) -> Series {
    series(&format!(
        "BEGIN:VCALENDAR\nMETHOD:{method}\nBEGIN:VEVENT\nUID:u@x\nDTSTAMP:20260101T000000Z\n\
         {lines}END:VEVENT\nEND:VCALENDAR\n"
    ))
}

fn shown(message: &Series, held: Option<&Series>, version: Version) -> Element {
    let (options, owner) = (Options::default(), Owner::default());
    let zone = tz::by_name("Europe/Berlin").unwrap();
    let view = View {
        version,
        options: &options,
        zone: &zone,
        owner: &owner,
        now: NOW,
        bounds: Default::default(),
        trips_over_empty: false,
    };
    let mut out = Writer::new();
    write(&mut out, message, held, &view);
    wbxml::decode(&Bytes::from(out.finish())).unwrap()
}

const HOUR: &str = "DTSTART:20260131T090000Z\nDTEND:20260131T100000Z\n";

#[test]
fn foreign_uids_are_wrapped_and_own_ones_kept() {
    let id = STANDARD.decode(global_id("a@b", None)).unwrap();
    assert_eq!(id.len(), 16 + 4 + 16 + 4 + 8 + 4 + 4);
    assert!(id.ends_with(b"vCal-Uid\x01\0\0\0a@b\0"));
    let own =
        "040000008200E00074C5B7101A82E00800000000C0A8F4D5AC6CD501000000000000000010000000A1B2";
    let id = STANDARD.decode(global_id(own, Some(jiff::civil::date(2026, 1, 31)))).unwrap();
    assert_eq!(id.len(), own.len() / 2);
    assert_eq!(&id[16..20], [0x07, 0xEA, 1, 31]);
}

#[test]
fn another_time_is_told_in_the_form_of_its_schema() {
    let held = message("REQUEST", HOUR);
    let counter = message(
        "COUNTER",
        "DTSTART:20260201T120000Z\nDTEND:20260201T130000Z\nATTENDEE:mailto:ben@x\n",
    );
    let text = shown(&counter, Some(&held), Version::V16_1);
    let at = |tag| text.text_of(tag).unwrap_or("(none)").to_owned();
    assert_eq!(at(m::PROPOSED_START_TIME), "20260201T120000Z");
    assert_eq!(at(m::PROPOSED_END_TIME), "20260201T130000Z");
    // The meeting itself is still when it was.
    assert_eq!(at(e::START_TIME), "2026-01-31T09:00:00.000Z");
    assert_eq!(at(e::END_TIME), "2026-01-31T10:00:00.000Z");
    // Outlook says so in the message.
    let mut counter = counter;
    let event = counter.master_mut().unwrap();
    event.push(Property::new(ORIGINAL[0], "20260130T090000Z"));
    event.push(Property::new(ORIGINAL[1], "20260130T093000Z"));
    let text = shown(&counter, None, Version::V16_1);
    assert_eq!(text.text_of(e::START_TIME), Some("2026-01-30T09:00:00.000Z"));
    assert!(!shown(&counter, None, Version::V16_0).has(m::PROPOSED_START_TIME));
}

#[test]
fn each_kind_of_instance_has_its_number() {
    let kind = |message: &Series, held: Option<&Series>, version| {
        shown(message, held, version).text_of(e::INSTANCE_TYPE).unwrap().to_owned()
    };
    let plain = "SUMMARY:Plan\n".to_owned() + HOUR;
    let weekly = message("REQUEST", &(plain.clone() + "RRULE:FREQ=WEEKLY\n"));
    let by_date = message("REQUEST", &(plain.clone() + "RDATE:20260203T090000Z\n"));
    let of = |lines: &str| message("REQUEST", &(lines.to_owned() + "SUMMARY:Plan\n"));
    let same = of("RECURRENCE-ID:20260207T090000Z\nDTSTART:20260207T090000Z\nDURATION:PT1H\n");
    let moved = of("RECURRENCE-ID:20260207T090000Z\nDTSTART:20260207T110000Z\nDURATION:PT1H\n");
    let longer = of("RECURRENCE-ID:20260207T090000Z\nDTSTART:20260207T090000Z\nDURATION:PT2H\n");
    for version in [Version::V2_5, Version::V12_1, Version::V14_1, Version::V16_1] {
        assert_eq!(kind(&message("REQUEST", &plain), None, version), "0");
        assert_eq!(kind(&weekly, None, version), "1");
        assert_eq!(kind(&by_date, None, version), "1");
        assert_eq!(kind(&same, Some(&weekly), version), "2");
        assert_eq!(kind(&moved, Some(&weekly), version), "3");
        assert_eq!(kind(&longer, Some(&weekly), version), "3");
    }
    // Who is invited to one instance alone has no series.
    assert_eq!(kind(&moved, None, Version::V14_1), "3");
    for version in [Version::V16_0, Version::V16_1] {
        assert_eq!(kind(&moved, None, version), "4");
        assert_eq!(kind(&moved, Some(&moved), version), "4");
    }
    assert!(shown(&moved, None, Version::V16_1).has(e::RECURRENCE_ID));
}

/// A zone under a name that means nothing, with New York's rules.
const ZONE: &str = "BEGIN:VTIMEZONE\nTZID:Office\nBEGIN:STANDARD\nDTSTART:16010101T020000\n\
    TZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nRRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11\nEND:STANDARD\n\
    BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0400\n\
    RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n";

#[test]
fn the_messages_own_zones_are_what_its_times_stand_in() {
    let text = format!(
        "BEGIN:VCALENDAR\nMETHOD:REQUEST\n{ZONE}BEGIN:VEVENT\nUID:u@x\n\
         DTSTART;TZID=Office:20260131T090000\nDTEND;TZID=Office:20260131T100000\n\
         RRULE:FREQ=MONTHLY;BYDAY=-1SA\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let text = shown(&series(&text), None, Version::V14_1);
    assert_eq!(text.text_of(e::START_TIME), Some("2026-01-31T14:00:00.000Z"));
    let rules = tz::read_blob(text.text_of(e::TIME_ZONE).unwrap()).unwrap();
    assert_eq!(rules, tz::Rules::of(&tz::by_name("America/New_York").unwrap(), 2026));
    let rule = text.child(e::RECURRENCES).unwrap().child(e::RECURRENCE).unwrap();
    let of = |tag| rule.text_of(tag).unwrap_or("(none)");
    assert_eq!((of(e::TYPE), of(e::WEEK_OF_MONTH), of(e::DAY_OF_WEEK)), ("3", "5", "64"));
    // Days are days everywhere.
    let days = message("REQUEST", "DTSTART;VALUE=DATE:20260131\nDTEND;VALUE=DATE:20260202\n");
    let text = shown(&days, None, Version::V14_1);
    assert_eq!(text.text_of(e::ALL_DAY_EVENT), Some("1"));
    assert_eq!(text.text_of(e::START_TIME), Some("2026-01-31T00:00:00.000Z"));
    assert_eq!(text.text_of(e::END_TIME), Some("2026-02-02T00:00:00.000Z"));
    let rules = tz::read_blob(text.text_of(e::TIME_ZONE).unwrap()).unwrap();
    assert_eq!(rules, tz::Rules::UTC);
}

#[test]
fn the_time_counts_as_the_request_says() {
    let busy = |method: &str, lines: &str, version| {
        let text = shown(&message(method, &(HOUR.to_owned() + lines)), None, version);
        text.text_of(e::BUSY_STATUS).unwrap().to_owned()
    };
    for (lines, number) in [
        ("", "2"),
        ("TRANSP:TRANSPARENT\n", "0"),
        ("STATUS:TENTATIVE\n", "1"),
        ("X-MICROSOFT-CDO-BUSYSTATUS:OOF\n", "3"),
        ("X-MICROSOFT-CDO-BUSYSTATUS:FREE\nTRANSP:OPAQUE\n", "0"),
        // As Outlook invites: tentative until it is answered.
        ("X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE\nX-MICROSOFT-CDO-INTENDEDSTATUS:BUSY\n", "2"),
        ("X-MICROSOFT-CDO-INTENDEDSTATUS:WORKINGELSEWHERE\n", "4"),
    ] {
        assert_eq!(busy("REQUEST", lines, Version::V16_1), number, "{lines}");
    }
    assert_eq!(busy("CANCEL", "", Version::V16_1), "0");
    let elsewhere = "X-MICROSOFT-CDO-INTENDEDSTATUS:WORKINGELSEWHERE\n";
    assert_eq!(busy("REQUEST", elsewhere, Version::V14_1), "0");
}

#[test]
fn a_message_with_changed_instances_is_about_the_series() {
    let text = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:u@x\n\
        RECURRENCE-ID:20260207T090000Z\nDTSTART:20260207T110000Z\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:u@x\nDTSTART:20260131T090000Z\nRRULE:FREQ=WEEKLY\nEND:VEVENT\n\
        END:VCALENDAR\n";
    let text = shown(&series(text), None, Version::V16_1);
    assert_eq!(text.text_of(e::INSTANCE_TYPE), Some("1"));
    assert_eq!(text.text_of(e::START_TIME), Some("2026-01-31T09:00:00.000Z"));
}

#[test]
fn rules_of_other_calendars_show_the_first_time() {
    for rule in [
        "RSCALE=CHINESE;FREQ=YEARLY;BYMONTH=5L;BYMONTHDAY=1",
        "RSCALE=ETHIOPIC;FREQ=MONTHLY;BYMONTH=13;SKIP=FORWARD",
        "RSCALE=NOBODYS;FREQ=YEARLY",
    ] {
        let lines = format!("{HOUR}RRULE:{rule}\n");
        for version in [Version::V2_5, Version::V14_1, Version::V16_1] {
            let text = shown(&message("REQUEST", &lines), None, version);
            assert_eq!(text.text_of(e::START_TIME), Some("2026-01-31T09:00:00.000Z"), "{rule}");
        }
    }
}
