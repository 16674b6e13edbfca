//! Events: views, expansion, extent, free and busy.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::format::tz::{TimeZone, by_name};

fn berlin() -> TimeZone {
    by_name("Europe/Berlin").unwrap()
}

fn utc(text: &str) -> Timestamp {
    Zones::of(&Component::new("X"), &berlin()).instant(&Time::parse(text, None).unwrap())
}

fn series(event: &str) -> Series {
    Series::parse(&format!("BEGIN:VCALENDAR\n{event}\nEND:VCALENDAR")).unwrap()
}

fn event(lines: &str) -> Series {
    series(&format!("BEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT"))
}

/// Starts in UTC within the window.
fn instances(series: &Series, from: &str, to: &str) -> Vec<String> {
    let zones = series.zones(&berlin());
    let found = expand(series, &zones, utc(from), utc(to));
    found.instances.iter().map(|i| Time::utc(i.start).value()).collect()
}

#[test]
fn a_series_keeps_its_clock_over_the_change_of_time() {
    let weekly =
        event("DTSTART;TZID=Europe/Berlin:20260323T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY");
    assert_eq!(
        instances(&weekly, "20260320T000000Z", "20260407T000000Z"),
        ["20260323T080000Z", "20260330T070000Z", "20260406T070000Z"]
    );
    // New York changes three weeks earlier.
    let york =
        event("DTSTART;TZID=America/New_York:20260302T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY");
    assert_eq!(
        instances(&york, "20260301T000000Z", "20260311T000000Z"),
        ["20260302T140000Z", "20260309T130000Z"]
    );
}

#[test]
fn an_hour_that_does_not_exist_and_one_that_exists_twice() {
    let night = event(
        "DTSTART;TZID=Europe/Berlin:20260328T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3",
    );
    assert_eq!(
        instances(&night, "20260327T000000Z", "20260401T000000Z"),
        ["20260328T013000Z", "20260329T013000Z", "20260330T003000Z"]
    );
    let autumn = event("DTSTART;TZID=Europe/Berlin:20261024T023000\nRRULE:FREQ=DAILY;COUNT=3");
    assert_eq!(
        instances(&autumn, "20261023T000000Z", "20261101T000000Z"),
        ["20261024T003000Z", "20261025T003000Z", "20261026T013000Z"]
    );
}

#[test]
fn changed_removed_and_added_instances() {
    let meeting = series(
        "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20260601T100000\n\
         DTEND;TZID=Europe/Berlin:20260601T110000\nRRULE:FREQ=DAILY;COUNT=5\n\
         EXDATE:20260602T080000Z\nRDATE;TZID=Europe/Berlin:20260610T100000,20260601T100000\n\
         END:VEVENT\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID;TZID=Europe/Berlin:20260603T100000\n\
         DTSTART:20260620T120000Z\nDURATION:PT30M\nEND:VEVENT",
    );
    let found = instances(&meeting, "20260101T000000Z", "20270101T000000Z");
    assert_eq!(
        found,
        [
            "20260601T080000Z",
            "20260604T080000Z",
            "20260605T080000Z",
            "20260610T080000Z",
            "20260620T120000Z"
        ]
    );
    // The moved instance is found where it is, and only there.
    assert_eq!(instances(&meeting, "20260620T000000Z", "20260621T000000Z").len(), 1);
    assert!(instances(&meeting, "20260603T000000Z", "20260604T000000Z").is_empty());
    let zones = meeting.zones(&berlin());
    assert_eq!(
        extent(&meeting, &zones),
        (utc("20260601T080000Z").as_second(), utc("20260620T123000Z").as_second())
    );
}

#[test]
fn days_are_days_of_the_reader() {
    let holiday = event(
        "DTSTART;VALUE=DATE:20260329\nRRULE:FREQ=YEARLY;UNTIL=20280329\nEXDATE;VALUE=DATE:20270329",
    );
    let zones = holiday.zones(&berlin());
    let found = expand(&holiday, &zones, utc("20260101T000000Z"), utc("20300101T000000Z"));
    let spans: Vec<_> = found
        .instances
        .iter()
        .map(|i| (Time::utc(i.start).value(), Time::utc(i.end).value()))
        .collect();
    // The 29th of March 2026 has 23 hours.
    assert_eq!(spans[0], ("20260328T230000Z".into(), "20260329T220000Z".into()));
    assert_eq!(spans.len(), 2);
    assert_eq!(Event::new(holiday.master().unwrap(), &zones).busy(), Busy::Free);
}

#[test]
fn what_reaches_into_the_window_is_found() {
    let night = event("DTSTART:20260101T220000Z\nDTEND:20260102T020000Z\nRRULE:FREQ=DAILY");
    assert_eq!(instances(&night, "20260510T010000Z", "20260510T013000Z"), ["20260509T220000Z"]);
    assert!(instances(&night, "20260510T020000Z", "20260510T030000Z").is_empty());
}

#[test]
fn ends_are_found_in_every_form() {
    for (lines, minutes) in [
        ("DTSTART:20260101T100000Z\nDTEND:20260101T113000Z", 90),
        ("DTSTART:20260101T100000Z\nDURATION:PT45M", 45),
        ("DTSTART:20260101T100000Z", 0),
        ("DTSTART:20260101T100000Z\nDTEND:20260101T090000Z", 0),
        ("DTSTART;VALUE=DATE:20260101", 1440),
        ("DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260101", 1440),
        ("DTSTART;VALUE=DATE:20260101\nDURATION:P3D", 3 * 1440),
        ("DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260104", 3 * 1440),
        ("DTSTART:20260101T000000\nDTEND:20260102T000000\nX-MICROSOFT-CDO-ALLDAYEVENT:TRUE", 1440),
        (
            "DTSTART;TZID=Europe/Berlin:20260101T100000\nDTEND;TZID=America/New_York:20260101T050000",
            60,
        ),
    ] {
        let series = event(lines);
        let zones = series.zones(&berlin());
        let event = Event::new(series.master().unwrap(), &zones);
        let length = event.end_at().unwrap().duration_since(event.start_at().unwrap());
        assert_eq!(length.as_secs(), minutes * 60, "{lines}");
    }
}

#[test]
fn extents_have_an_end_where_the_series_has_one() {
    let until = |lines: &str| {
        let series = event(lines);
        extent(&series, &series.zones(&berlin())).1
    };
    assert_eq!(until("DTSTART:20260101T100000Z\nRRULE:FREQ=DAILY"), i64::MAX);
    assert_eq!(until("DTSTART:20260101T100000Z\nRRULE:FREQ=SECONDLY;COUNT=99999999"), i64::MAX);
    let counted = until("DTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3");
    assert_eq!(counted, utc("20260103T110000Z").as_second());
    let ended =
        until("DTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260105T100000Z");
    assert_eq!(ended, utc("20260105T110000Z").as_second());
    assert_eq!(until("SUMMARY:no time at all"), 0);
}

#[test]
fn floods_are_bounded() {
    let dates: Vec<String> =
        (0..9_000).map(|n| format!("{:08}T{:02}0000Z", 20_260_101 + n % 28, n % 24)).collect();
    let flood = event(&format!("DTSTART:20260101T100000Z\nRDATE:{}", dates.join(",")));
    let zones = flood.zones(&berlin());
    let found = expand(&flood, &zones, utc("20260101T000000Z"), utc("20270101T000000Z"));
    assert!(found.instances.len() <= INSTANCES);
    let second = event("DTSTART:20260101T100000Z\nRRULE:FREQ=SECONDLY");
    let found = expand(&second, &zones, utc("20260601T000000Z"), utc("20270101T000000Z"));
    assert_eq!((found.instances.len(), found.cut), (INSTANCES, true));
}

#[test]
fn foreign_zones_are_known_by_what_they_do() {
    let text = "BEGIN:VTIMEZONE\nTZID:Custom\nBEGIN:STANDARD\nDTSTART:16011104T020000\n\
        RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nEND:STANDARD\n\
        BEGIN:DAYLIGHT\nDTSTART:16010311T020000\nRRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3\n\
        TZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nEND:DAYLIGHT\nEND:VTIMEZONE\n\
        BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Custom:20260701T090000\nEND:VEVENT";
    let meeting = series(text);
    let zones = meeting.zones(&berlin());
    assert_eq!(zones.zone("Custom").iana_name(), Some("America/New_York"));
    assert_eq!(zones.zone("Nonsense").iana_name(), Some("Europe/Berlin"));
    assert_eq!(zones.zone("W. Europe Standard Time").iana_name(), Some("Europe/Berlin"));
}

#[test]
fn zones_are_written_true() {
    for name in [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Sydney",
        "Asia/Tokyo",
        "America/Sao_Paulo",
        "Africa/Casablanca",
        "Asia/Jerusalem",
        "Asia/Kolkata",
        "Europe/Dublin",
        "America/Santiago",
    ] {
        let zone = by_name(name).unwrap();
        let mut written = write_vtimezone(&zone, "somewhere", 2006);
        assert!(written.components.len() < 60, "{name} {}", written.components.len());
        let text = written.to_string();
        assert!(text.contains("BEGIN:STANDARD"), "{name}");
        let again = read_vtimezone(&Component::parse(&text).unwrap(), &[&zone]);
        if !["Africa/Casablanca", "Asia/Jerusalem"].contains(&name) {
            assert_eq!(again.iana_name(), Some(name), "{text}");
        }
        written.properties[0].value = name.to_owned();
        assert_eq!(read_vtimezone(&written, &[]).iana_name(), Some(name));
    }
    let berlin = write_vtimezone(&berlin(), "Europe/Berlin", 2026);
    assert_eq!(berlin.components.len(), 2, "{berlin}");
    assert!(berlin.to_string().contains("RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"), "{berlin}");
    // New York's rules are of 2007; an event of 2006 needs the older ones too.
    let york = write_vtimezone(&by_name("America/New_York").unwrap(), "x", 2006);
    assert_eq!(york.components.len(), 6, "{york}");
}

#[test]
fn alarms_people_and_states_are_read() {
    let series = event(
        "DTSTART:20260101T100000Z\nDTEND:20260101T110000Z\nORGANIZER;CN=Boss:MAILTO:boss@a.test\n\
         ATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED:mailto:room@a.test\n\
         ATTENDEE;ROLE=OPT-PARTICIPANT;RSVP=TRUE;EMAIL=x@a.test:urn:uuid:1\nATTENDEE:invalid\n\
         X-MICROSOFT-CDO-BUSYSTATUS:OOF\nTRANSP:OPAQUE\nBEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-PT5M\n\
         END:VALARM\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER;RELATED=END:-PT90M\nEND:VALARM",
    );
    let zones = series.zones(&berlin());
    let event = Event::new(series.master().unwrap(), &zones);
    assert_eq!(event.organizer().unwrap().address, "boss@a.test");
    let people: Vec<_> = event.attendees().map(|who| (who.address, who.role, who.status)).collect();
    assert_eq!(
        people,
        [
            ("room@a.test".into(), Role::Resource, PartStat::Accepted),
            ("x@a.test".into(), Role::Optional, PartStat::NeedsAction)
        ]
    );
    assert_eq!((event.busy(), event.reminder()), (Busy::OutOfOffice, Some(30)));
}

#[test]
fn free_and_busy_by_half_hours() {
    let text = |lines: &str| event(lines).calendar.to_string();
    let (from, to) = (utc("20260601T080000Z"), utc("20260601T120000Z"));
    let mut times = Vec::new();
    for lines in [
        "DTSTART:20260601T081500Z\nDTEND:20260601T090500Z",
        "DTSTART:20260601T083000Z\nDTEND:20260601T100000Z\nSTATUS:TENTATIVE",
        "DTSTART:20260501T110000Z\nDTEND:20260501T113000Z\nRRULE:FREQ=DAILY\nX-MICROSOFT-CDO-BUSYSTATUS:OOF",
        "DTSTART:20260601T100000Z\nDTEND:20260601T113000Z\nTRANSP:TRANSPARENT",
        "DTSTART:20260601T100000Z\nDTEND:20260601T113000Z\nSTATUS:CANCELLED",
        "DTSTART;VALUE=DATE:20260601",
    ] {
        times.extend(busy_times(&text(lines), &berlin(), from, to));
    }
    assert_eq!(merged_free_busy(&times, from, to), "22210030");
    assert_eq!(merged_free_busy(&times, from, utc("20260601T081600Z")), "2");
    assert_eq!(merged_free_busy(&times, to, from), "");
    assert_eq!(merged_free_busy(&[], Timestamp::MIN, Timestamp::MAX).len(), 32 * 1024);
}

#[test]
fn a_look_is_what_can_be_seen() {
    let one = event("SUMMARY:a\nLOCATION:b\nDTSTAMP:20260101T000000Z\nSEQUENCE:1");
    let same =
        event("DTSTAMP:20270101T000000Z\nlocation:b\nSUMMARY:a\nLAST-MODIFIED:20270101T000000Z");
    let other = event("SUMMARY:b\nLOCATION:a");
    let alarm = event("SUMMARY:a\nBEGIN:VALARM\nLOCATION:b\nEND:VALARM");
    assert_eq!(look(&one.calendar), look(&same.calendar));
    assert_ne!(look(&one.calendar), look(&other.calendar));
    assert_ne!(look(&one.calendar), look(&alarm.calendar));
}

#[test]
fn every_calendar_expands_within_bounds() {
    for (name, bytes) in corpus::calendars() {
        let Ok(trees) = Component::parse_all(&bytes) else { continue };
        for calendar in trees {
            let series = Series { calendar };
            let zones = series.zones(&berlin());
            let found = expand(&series, &zones, utc("19900101T000000Z"), utc("20400101T000000Z"));
            assert!(found.instances.len() <= INSTANCES, "{name}");
            let (from, until) = extent(&series, &zones);
            assert!(from <= until, "{name}");
            look(&series.calendar);
        }
    }
}

proptest! {
    #[test]
    fn any_event_is_survived(lines in prop::collection::vec((
        prop::sample::select(vec!["DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RDATE", "RECURRENCE-ID",
            "DTSTART;VALUE=DATE", "DTSTART;TZID=Europe/Berlin", "DTEND;TZID=x", "TRIGGER", "TZOFFSETTO",
            "BEGIN", "END", "TZID", "X-MICROSOFT-CDO-ALLDAYEVENT"]),
        prop::sample::select(vec!["20260101", "20260101T100000Z", "99991231T235959Z", "00010101T000000",
            "P9999999W", "-P9999999W", "PT1H", "FREQ=DAILY", "FREQ=YEARLY;BYWEEKNO=53,-53",
            "FREQ=SECONDLY;BYSETPOS=-1;BYSECOND=1,2", "FREQ=HOURLY;INTERVAL=4000000000", "VALARM", "VEVENT",
            "VTIMEZONE", "STANDARD", "DAYLIGHT", "+9999", "-1400", "TRUE", "Europe/Berlin",
            "FREQ=WEEKLY;UNTIL=00010101", "FREQ=DAILY;UNTIL=99991231T235959Z"])), 0..14))
    {
        let text: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        if let Ok(series) = Series::parse(&format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{text}")) {
            let zones = series.zones(&berlin());
            expand(&series, &zones, utc("20250101T000000Z"), utc("20270101T000000Z"));
            extent(&series, &zones);
            if let Some(master) = series.master() {
                Event::new(master, &zones).reminder();
            }
        }
    }
}
