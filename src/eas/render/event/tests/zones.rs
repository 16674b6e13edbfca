//! Time zones and whole days.

use super::*;
use crate::format::tz::Rules;

fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let event = text.find("BEGIN:VEVENT").unwrap();
    text[event..].lines().find(|line| line.starts_with(name))
}

#[test]
fn an_event_keeps_the_zone_it_was_made_in() {
    for version in VERSIONS {
        let weekly = of(
            c::RECURRENCE,
            vec![el(c::TYPE, "1"), el(c::INTERVAL, "1"), el(c::DAY_OF_WEEK, "2")],
        );
        let mut sent = noon(vec![weekly]);
        sent.children[0] = el(c::TIMEZONE, &blob("America/New_York"));
        let text = with(version, |view| create(&sent, view)).unwrap().text;
        assert_eq!(line(&text, "DTSTART"), Some("DTSTART;TZID=America/New_York:20260601T080000"));
        assert!(text.contains("BEGIN:VTIMEZONE\r\nTZID:America/New_York"), "{text}");
        let shown = with(version, |view| shown(&text, view));
        let rules = tz::read_blob(shown.text_of(c::TIMEZONE).unwrap()).unwrap();
        assert_eq!(rules, Rules::of(&zone("America/New_York"), 2026));
        // A phone in Berlin that only renames it does not move it there.
        let renamed = data(vec![el(c::SUBJECT, "New")]);
        let again =
            with(version, |view| update(&text, &renamed, view, &Supported::Nothing)).unwrap();
        assert_eq!(
            line(&again.text, "DTSTART"),
            Some("DTSTART;TZID=America/New_York:20260601T080000")
        );
    }
}

#[test]
fn zones_that_nobody_has_named_are_kept() {
    let mut rules = Rules::of(&zone("Europe/Berlin"), 2026);
    rules.standard += 17 * 60;
    rules.daylight.as_mut().unwrap().offset += 17 * 60;
    let mut sent = noon(vec![of(c::RECURRENCE, vec![el(c::TYPE, "0"), el(c::INTERVAL, "1")])]);
    sent.children[0] = el(c::TIMEZONE, &tz::write_blob(&rules, "here"));
    with(Version::V14_1, |view| {
        let text = create(&sent, view).unwrap().text;
        let shown = shown(&text, view);
        assert_eq!(tz::read_blob(shown.text_of(c::TIMEZONE).unwrap()), Some(rules), "{text}");
        assert_eq!(shown.text_of(c::START_TIME), Some("20260601T120000Z"));
        let echo = update(&text, &shown, view, &Supported::Everything).unwrap().text;
        assert_eq!(line(&echo, "DTSTART"), line(&text, "DTSTART"));
    });
}

/// EAS-4-TbSync sends a zone's last daylight saving time, however long ago that was, with the
/// zone's right name.
#[test]
fn a_zone_with_outdated_rules_is_the_one_that_it_names() {
    use crate::format::tz::{Change, Daylight};
    let sunday = |month, week| {
        let weekday = jiff::civil::Weekday::Sunday;
        Change { month, week, weekday, time: 7_200 }
    };
    let daylight = Daylight { offset: 36_000, start: sunday(5, 1), end: sunday(9, 2) };
    let rules = Rules { standard: 32_400, daylight: Some(daylight) };
    let stale = tz::write_blob(&rules, "Tokyo Standard Time");
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=Asia/Tokyo:20260601T100000\n\
        DTEND;TZID=Asia/Tokyo:20260601T110000\nRRULE:FREQ=WEEKLY\nEND:VEVENT\nEND:VCALENDAR";
    with(Version::V16_1, |view| {
        let sent = data(vec![el(c::TIMEZONE, &stale), el(c::SUBJECT, "New")]);
        let again = update(text, &sent, view, &Supported::Nothing).unwrap().text;
        assert_eq!(line(&again, "DTSTART"), Some("DTSTART;TZID=Asia/Tokyo:20260601T100000"));
        let mut sent = noon(vec![]);
        sent.children[0] = el(c::TIMEZONE, &stale);
        let new = create(&sent, view).unwrap().text;
        assert_eq!(line(&new, "DTSTART"), Some("DTSTART;TZID=Asia/Tokyo:20260601T210000"));
    });
}

/// EAS-4-TbSync 4 takes a zone's first offsets, of the 19th century: they come without days
/// on which they change, and those of Paris and Madrid are not even today's.
#[test]
fn a_zone_without_days_of_change_is_the_one_that_it_names() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let undated = |name: &str, standard: i32, daylight: i32| {
        let fixed = tz::write_blob(&Rules { standard: standard * 60, daylight: None }, name);
        let mut bytes = STANDARD.decode(fixed).unwrap();
        bytes[168..].copy_from_slice(&(standard - daylight).to_le_bytes());
        STANDARD.encode(bytes)
    };
    with(Version::V14_0, |view| {
        for (name, standard, daylight, zone, start) in [
            ("W. Europe Standard Time", 60, 120, "Europe/Berlin", "20260601T140000"),
            ("W. Europe Standard Time", 60, 120, "Europe/Rome", "20260601T140000"),
            ("Eastern Standard Time", -300, -240, "America/New_York", "20260601T080000"),
            ("Romance Standard Time", 9, 60, "Europe/Paris", "20260601T140000"),
            ("US Mountain Standard Time", -420, -360, "America/Phoenix", "20260601T050000"),
        ] {
            let text = format!(
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID={zone}:{start}\n\
                DURATION:PT1H\nRRULE:FREQ=WEEKLY\nEND:VEVENT\nEND:VCALENDAR"
            );
            let blob = undated(name, standard, daylight);
            let sent = data(vec![el(c::TIMEZONE, &blob), el(c::SUBJECT, "New")]);
            let again = update(&text, &sent, view, &Supported::Nothing).unwrap().text;
            let kept = format!("DTSTART;TZID={zone}:{start}");
            assert_eq!(line(&again, "DTSTART"), Some(kept.as_str()));
        }
        let mut sent = noon(vec![]);
        sent.children[0] = el(c::TIMEZONE, &undated("Eastern Standard Time", -300, -240));
        let new = create(&sent, view).unwrap().text;
        assert_eq!(line(&new, "DTSTART"), Some("DTSTART;TZID=America/New_York:20260601T080000"));
    });
}

#[test]
fn names_of_zones_in_texts_stay_as_they_were() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=W. Europe Standard Time:20260601T100000\n\
        DURATION:PT1H\nRRULE:FREQ=DAILY\nEND:VEVENT\nEND:VCALENDAR";
    with(Version::V14_1, |view| {
        let mut sent = shown(text, view);
        assert_eq!(sent.text_of(c::START_TIME), Some("20260601T080000Z"));
        for child in &mut sent.children {
            if child.tag == c::SUBJECT {
                *child = el(c::SUBJECT, "New");
            }
        }
        let again = update(text, &sent, view, &Supported::Everything).unwrap().text;
        assert!(again.contains("DTSTART;TZID=W. Europe Standard Time:20260601T100000"), "{again}");
        assert!(again.contains("DURATION:PT1H") && !again.contains("DTEND"));
        // An hour later, in the same zone under the same name.
        let later =
            data(vec![el(c::START_TIME, "20260601T090000Z"), el(c::END_TIME, "20260601T100000Z")]);
        let again = update(text, &later, view, &Supported::Nothing).unwrap().text;
        assert!(again.contains("DTSTART;TZID=W. Europe Standard Time:20260601T110000"), "{again}");
    });
}

#[test]
fn days_are_dates_in_both_readings() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20260601\nDTEND;VALUE=DATE:20260603\n\
        END:VEVENT\nEND:VCALENDAR";
    for version in VERSIONS {
        let shown = with(version, |view| shown(text, view));
        assert_eq!(shown.text_of(c::ALL_DAY_EVENT), Some("1"));
        assert_eq!(shown.text_of(c::START_TIME), Some("20260601T000000Z"));
        assert_eq!(shown.text_of(c::END_TIME), Some("20260603T000000Z"));
        let blob = shown.text_of(c::TIMEZONE);
        assert_eq!(blob.map(tz::read_blob), (version < Version::V16_0).then_some(Some(Rules::UTC)));
    }
}

#[test]
fn days_are_understood_however_a_phone_sends_them() {
    for (version, zone, start, end) in [
        // Midnight of Berlin, of New York, of Tokyo; dates; a phone on a journey.
        (Version::V14_1, "Europe/Berlin", "20260531T220000Z", "20260602T220000Z"),
        (Version::V12_1, "America/New_York", "20260601T040000Z", "20260603T040000Z"),
        (Version::V2_5, "Asia/Tokyo", "20260531T150000Z", "20260602T150000Z"),
        (Version::V14_0, "Europe/Berlin", "20260601T000000Z", "20260603T000000Z"),
        (Version::V14_0, "Etc/UTC", "20260601T000000Z", "20260603T000000Z"),
        (Version::V14_1, "Europe/Berlin", "20260531T230000Z", "20260602T230000Z"),
        (Version::V14_1, "Europe/Berlin", "20260531T200000Z", "20260602T200000Z"),
        (Version::V16_1, "", "20260601T000000Z", "20260603T000000Z"),
        (Version::V16_0, "", "2026-06-01T00:00:00.000Z", "2026-06-03T00:00:00.000Z"),
    ] {
        let mut sent =
            vec![el(c::ALL_DAY_EVENT, "1"), el(c::START_TIME, start), el(c::END_TIME, end)];
        if !zone.is_empty() {
            sent.push(el(c::TIMEZONE, &blob(zone)));
        }
        let text = with(version, |view| create(&data(sent), view)).unwrap().text;
        assert_eq!(
            line(&text, "DTSTART"),
            Some("DTSTART;VALUE=DATE:20260601"),
            "{version} {start}"
        );
        assert_eq!(line(&text, "DTEND"), Some("DTEND;VALUE=DATE:20260603"), "{version} {start}");
    }
}

#[test]
fn a_day_becomes_an_hour_and_back() {
    with(Version::V14_1, |view| {
        let text = create(&noon(vec![]), view).unwrap().text;
        let day = noon(vec![el(c::ALL_DAY_EVENT, "1")]);
        let text = update(&text, &day, view, &Supported::Everything).unwrap().text;
        assert_eq!(line(&text, "DTEND"), Some("DTEND;VALUE=DATE:20260602"));
        let text = update(&text, &noon(vec![]), view, &Supported::Everything).unwrap().text;
        assert_eq!(line(&text, "DTSTART"), Some("DTSTART;TZID=Europe/Berlin:20260601T140000"));
        assert_eq!(line(&text, "DTEND"), Some("DTEND;TZID=Europe/Berlin:20260601T150000"));
    });
}

#[test]
fn dates_of_either_form_and_beyond_every_calendar() {
    let text = |start: &str| {
        let mut sent = noon(vec![]);
        sent.children[1] = el(c::START_TIME, start);
        sent.children.remove(2);
        with(Version::V14_1, |view| shown(&create(&sent, view).unwrap().text, view))
    };
    let start = |start: &str| text(start).text_of(c::START_TIME).unwrap().to_owned();
    assert_eq!(start("2026-06-01T12:00:00.000Z"), "20260601T120000Z");
    assert_eq!(start("20260601T120000"), "20260601T120000Z");
    assert_eq!(start("99991231T235959Z"), "20260501T120000Z"); // not a time: now
    let ancient = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:00010101T000000Z\nDTEND:99991231T235959Z\nEND:VEVENT\nEND:VCALENDAR";
    let shown = with(Version::V14_1, |view| shown(ancient, view));
    assert_eq!(shown.text_of(c::START_TIME), Some("16010101T000000Z"));
    assert_eq!(shown.text_of(c::END_TIME), Some("45000831T000000Z"));
}

#[test]
fn no_blob_means_the_account_s_zone() {
    let mut sent = noon(vec![]);
    sent.children.remove(0);
    let text = with(Version::V16_1, |view| create(&sent, view)).unwrap().text;
    assert_eq!(line(&text, "DTSTART"), Some("DTSTART;TZID=Europe/Berlin:20260601T140000"));
}
