//! Recurrence and exceptions up to 14.1.

use super::*;
use crate::format::wbxml::tags::air_sync_base as b;

fn recurrence(parts: &[(Tag, &str)]) -> Element {
    of(c::RECURRENCE, parts.iter().map(|(tag, text)| el(*tag, text)).collect())
}

fn rule(text: &str) -> String {
    let unfolded = text.replace("\r\n ", "");
    let event = unfolded.find("BEGIN:VEVENT").unwrap();
    let line = unfolded[event..].lines().find_map(|line| line.strip_prefix("RRULE:"));
    line.unwrap_or_default().to_owned()
}

#[test]
fn every_type_survives_in_every_version() {
    let calendars = [(c::CALENDAR_TYPE, "1")];
    let leap = [(c::CALENDAR_TYPE, "1"), (c::IS_LEAP_MONTH, "0")];
    let nothing: [(Tag, &str); 0] = [];
    type Parts<'a> = (&'a [(Tag, &'a str)], &'a [(Tag, &'a str)], &'a str);
    let types: [Parts<'_>; 9] = [
        (&[(c::TYPE, "0"), (c::INTERVAL, "3")], &nothing, "FREQ=DAILY;INTERVAL=3"),
        (
            &[(c::TYPE, "0"), (c::INTERVAL, "1"), (c::OCCURRENCES, "7")],
            &nothing,
            "FREQ=DAILY;COUNT=7",
        ),
        (
            &[(c::TYPE, "1"), (c::INTERVAL, "2"), (c::DAY_OF_WEEK, "62")],
            &nothing,
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR",
        ),
        (
            &[(c::TYPE, "2"), (c::INTERVAL, "1"), (c::DAY_OF_MONTH, "1")],
            &calendars,
            "FREQ=MONTHLY;BYMONTHDAY=1",
        ),
        (
            &[(c::TYPE, "3"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "2"), (c::WEEK_OF_MONTH, "1")],
            &calendars,
            "FREQ=MONTHLY;BYDAY=1MO",
        ),
        (
            &[(c::TYPE, "3"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "127"), (c::WEEK_OF_MONTH, "5")],
            &calendars,
            "FREQ=MONTHLY;BYMONTHDAY=-1",
        ),
        (
            &[
                (c::TYPE, "3"),
                (c::INTERVAL, "1"),
                (c::DAY_OF_WEEK, "62"),
                (c::WEEK_OF_MONTH, "5"),
                (c::UNTIL, "20270601T120000Z"),
            ],
            &calendars,
            "FREQ=MONTHLY;UNTIL=20270601T120000Z;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        ),
        (
            &[(c::TYPE, "5"), (c::INTERVAL, "1"), (c::DAY_OF_MONTH, "1"), (c::MONTH_OF_YEAR, "6")],
            &leap,
            "FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=6",
        ),
        (
            &[
                (c::TYPE, "6"),
                (c::INTERVAL, "1"),
                (c::DAY_OF_WEEK, "2"),
                (c::WEEK_OF_MONTH, "1"),
                (c::MONTH_OF_YEAR, "6"),
            ],
            &leap,
            "FREQ=YEARLY;BYDAY=1MO;BYMONTH=6",
        ),
    ];
    for version in VERSIONS {
        for (parts, later, expected) in &types {
            let mut parts = parts.to_vec();
            if version >= Version::V14_0 {
                parts.extend(later.iter());
            }
            with(version, |view| {
                let text = create(&noon(vec![recurrence(&parts)]), view).unwrap().text;
                assert_eq!(&rule(&text), expected, "{version}");
                let shown = shown(&text, view);
                let found = shown.child(c::RECURRENCE).unwrap();
                for (tag, value) in &parts {
                    assert_eq!(found.text_of(*tag), Some(*value), "{version} {expected} {tag:?}");
                }
                let more = usize::from(version >= Version::V14_1 && parts[0].1 == "1");
                assert_eq!(found.children.len(), parts.len() + more, "{version} {expected}");
            });
        }
    }
}

#[test]
fn calendars_of_the_world_survive() {
    for (kind, leap) in [("15", "1"), ("8", "0"), ("6", "1"), ("3", "0"), ("12", "0"), ("20", "1")]
    {
        let parts = [
            (c::TYPE, "5"),
            (c::INTERVAL, "1"),
            (c::DAY_OF_MONTH, "1"),
            (c::MONTH_OF_YEAR, "5"),
            (c::CALENDAR_TYPE, kind),
            (c::IS_LEAP_MONTH, leap),
        ];
        let text = with(Version::V14_0, |view| create(&noon(vec![recurrence(&parts)]), view))
            .unwrap()
            .text;
        let shown_to = |version| {
            with(version, |view| shown(&text, view).child(c::RECURRENCE).unwrap().clone())
        };
        let found = shown_to(Version::V16_1);
        assert_eq!(found.text_of(c::CALENDAR_TYPE), Some(kind), "{text}");
        assert_eq!(found.text_of(c::IS_LEAP_MONTH), Some(leap), "{text}");
        // A phone without the elements does not take them away.
        let echo = with(Version::V12_1, |view| {
            update(&text, &shown(&text, view), view, &Supported::Everything).unwrap().text
        });
        assert_eq!(rule(&echo), rule(&text));
    }
}

#[test]
fn first_day_of_week_survives() {
    let parts =
        [(c::TYPE, "1"), (c::INTERVAL, "2"), (c::DAY_OF_WEEK, "3"), (c::FIRST_DAY_OF_WEEK, "0")];
    let text =
        with(Version::V14_1, |view| create(&noon(vec![recurrence(&parts)]), view)).unwrap().text;
    assert!(rule(&text).ends_with("WKST=SU"));
    let echo = with(Version::V14_0, |view| {
        update(&text, &shown(&text, view), view, &Supported::Everything)
    })
    .unwrap()
    .text;
    assert_eq!(rule(&echo), rule(&text));
}

/// "The second day" was kept as day 2 once.
#[test]
fn the_same_day_in_other_words_is_no_other_series() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260602T120000Z\n\
        RRULE:FREQ=MONTHLY;BYMONTHDAY=2\nEXDATE:20260702T120000Z\nEND:VEVENT\nEND:VCALENDAR";
    let parts =
        [(c::TYPE, "3"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "127"), (c::WEEK_OF_MONTH, "2")];
    with(Version::V14_1, |view| {
        let mut sent = shown(text, view);
        sent.children.retain(|child| child.tag != c::RECURRENCE && child.tag != c::EXCEPTIONS);
        sent.children.push(recurrence(&parts));
        let supported = Supported::Listed(vec![c::RECURRENCE]);
        let again = update(text, &sent, view, &supported).unwrap().text;
        assert!(again.contains("EXDATE:20260702T120000Z"), "{again}");
    });
}

#[test]
fn until_of_days_is_a_date() {
    let sent = data(vec![
        el(c::TIMEZONE, &blob("Europe/Berlin")),
        el(c::ALL_DAY_EVENT, "1"),
        el(c::START_TIME, "20260531T220000Z"),
        el(c::END_TIME, "20260601T220000Z"),
        recurrence(&[(c::TYPE, "0"), (c::INTERVAL, "1"), (c::UNTIL, "20260604T220000Z")]),
    ]);
    with(Version::V14_1, |view| {
        let text = create(&sent, view).unwrap().text;
        assert_eq!(rule(&text), "FREQ=DAILY;UNTIL=20260605");
        let shown = shown(&text, view);
        assert_eq!(shown.child(c::RECURRENCE).unwrap().text_of(c::UNTIL), Some("20260605T000000Z"));
    });
}

#[test]
fn rules_without_words_for_them_are_kept() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260601T120000Z\nRRULE:FREQ=MONTHLY;BYMONTHDAY=1,15\n\
        EXDATE:20260615T120000Z\nEND:VEVENT\nEND:VCALENDAR";
    for version in VERSIONS {
        with(version, |view| {
            let mut sent = shown(text, view);
            assert!(!sent.has(c::RECURRENCE) && !sent.has(c::EXCEPTIONS));
            sent.children.retain(|child| child.tag != c::SUBJECT);
            sent.children.push(el(c::SUBJECT, "New"));
            let again = update(text, &sent, view, &Supported::Everything).unwrap().text;
            assert!(again.contains("BYMONTHDAY=1,15") && again.contains("EXDATE"), "{again}");
        });
    }
}

/// A daily series with one day off and one moved.
fn daily(exceptions: Vec<Element>) -> Element {
    noon(vec![
        recurrence(&[(c::TYPE, "0"), (c::INTERVAL, "1"), (c::OCCURRENCES, "10")]),
        el(c::REMINDER, "15"),
        el(c::LOCATION, "Room 1"),
        el(c::BUSY_STATUS, "2"),
        el(c::SENSITIVITY, "0"),
        of(c::CATEGORIES, vec![el(c::CATEGORY, "Work")]),
        of(c::EXCEPTIONS, exceptions),
    ])
}

fn off(at: &str) -> Element {
    of(c::EXCEPTION, vec![el(c::DELETED, "1"), el(c::EXCEPTION_START_TIME, at)])
}

fn changed(at: &str, more: Vec<Element>) -> Element {
    let mut all = vec![el(c::EXCEPTION_START_TIME, at)];
    all.extend(more);
    of(c::EXCEPTION, all)
}

#[test]
fn exceptions_survive_with_what_they_inherit() {
    let old = VERSIONS.into_iter().filter(|version| *version < Version::V16_0);
    for version in old {
        let moved = changed(
            "20260603T120000Z",
            vec![
                el(c::START_TIME, "20260603T150000Z"),
                el(c::END_TIME, "20260603T170000Z"),
                el(c::SUBJECT, "Moved"),
                Element::new(c::LOCATION),
                Element::new(c::REMINDER),
                el(c::BUSY_STATUS, "0"),
                el(c::SENSITIVITY, "2"),
                Element::new(c::CATEGORIES),
            ],
        );
        let renamed = changed("20260604T120000Z", vec![el(c::SUBJECT, "Renamed")]);
        with(version, |view| {
            let text =
                create(&daily(vec![off("20260602T120000Z"), moved.clone(), renamed.clone()]), view)
                    .unwrap();
            let shown = shown(&text.text, view);
            let found = exceptions(&shown);
            assert_eq!(found.len(), 3, "{}", text.text);
            assert_eq!(found[0].text_of(c::DELETED), Some("1"));
            assert_eq!(found[0].text_of(c::EXCEPTION_START_TIME), Some("20260602T120000Z"));
            for element in &moved.children {
                let again =
                    found[1].child(element.tag).unwrap_or_else(|| panic!("{:?}", element.tag));
                assert_eq!(again.text(), element.text(), "{version} {:?}", element.tag);
            }
            assert_eq!(found[2].text_of(c::SUBJECT), Some("Renamed"));
            assert_eq!(found[2].text_of(c::START_TIME), Some("20260604T120000Z"));
            for inherited in
                [c::LOCATION, c::REMINDER, c::CATEGORIES, c::BUSY_STATUS, c::SENSITIVITY]
            {
                assert!(!found[2].has(inherited), "{version} {inherited:?}");
            }
            // The echo changes nothing.
            let echo = update(&text.text, &shown, view, &Supported::Everything).unwrap();
            assert_eq!(echo.look, text.look, "{version}\n{}\n{}", text.text, echo.text);
        });
    }
}

#[test]
fn a_phone_that_tells_a_series_without_exceptions_keeps_them() {
    with(Version::V14_1, |view| {
        let text = create(&daily(vec![off("20260602T120000Z")]), view).unwrap().text;
        let mut sent = daily(vec![]);
        sent.children.pop();
        sent.children.push(el(c::SUBJECT, "New"));
        let kept = update(&text, &sent, view, &Supported::Everything).unwrap().text;
        assert_eq!(exceptions(&shown(&kept, view)).len(), 1);
        // An empty list says that there are none.
        let none = update(&text, &daily(vec![]), view, &Supported::Everything).unwrap().text;
        assert!(exceptions(&shown(&none, view)).is_empty());
    });
}

#[test]
fn another_pattern_has_no_exceptions() {
    for version in [Version::V14_1, Version::V16_1] {
        let text = with(Version::V14_1, |view| {
            create(
                &daily(vec![
                    off("20260602T120000Z"),
                    changed("20260603T120000Z", vec![el(c::SUBJECT, "x")]),
                ]),
                view,
            )
        })
        .unwrap()
        .text;
        for change in [
            vec![recurrence(&[(c::TYPE, "0"), (c::INTERVAL, "2")])],
            vec![el(c::START_TIME, "20260601T140000Z"), el(c::END_TIME, "20260601T150000Z")],
        ] {
            with(version, |view| {
                let again = update(&text, &data(change), view, &Supported::Nothing).unwrap().text;
                assert!(exceptions(&shown(&again, view)).is_empty(), "{again}");
            });
        }
    }
}

#[test]
fn an_instance_keeps_what_only_others_know() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20260601T100000\nDURATION:PT1H\n\
        RRULE:FREQ=DAILY\nSUMMARY:All\nX-SERIES:1\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\n\
        RECURRENCE-ID;TZID=Europe/Berlin:20260603T100000\nDTSTART;TZID=Europe/Berlin:20260603T120000\nDURATION:PT1H\n\
        SUMMARY:One\nX-INSTANCE:2\nEND:VEVENT\nEND:VCALENDAR";
    with(Version::V14_1, |view| {
        let mut sent = shown(text, view);
        sent.children.retain(|child| child.tag != c::SUBJECT);
        sent.children.push(el(c::SUBJECT, "New"));
        let again = update(text, &sent, view, &Supported::Everything).unwrap().text;
        assert!(again.contains("X-INSTANCE:2") && again.contains("X-SERIES:1"), "{again}");
        assert!(again.contains("SUMMARY:One") && again.contains("SUMMARY:New"), "{again}");
        assert!(again.contains("DTSTART;TZID=Europe/Berlin:20260603T120000"), "{again}");
    });
}

#[test]
fn exceptions_of_days() {
    let sent = data(vec![
        el(c::TIMEZONE, &blob("Europe/Berlin")),
        el(c::ALL_DAY_EVENT, "1"),
        el(c::START_TIME, "20260531T220000Z"),
        el(c::END_TIME, "20260601T220000Z"),
        recurrence(&[(c::TYPE, "0"), (c::INTERVAL, "1")]),
        of(
            c::EXCEPTIONS,
            vec![off("20260601T220000Z"), changed("20260602T220000Z", vec![el(c::SUBJECT, "x")])],
        ),
    ]);
    with(Version::V14_1, |view| {
        let made = create(&sent, view).unwrap();
        let text = &made.text;
        assert!(text.contains("EXDATE;VALUE=DATE:20260602"), "{text}");
        assert!(text.contains("RECURRENCE-ID;VALUE=DATE:20260603"), "{text}");
        let shown = shown(text, view);
        let found = exceptions(&shown);
        assert_eq!(found[0].text_of(c::EXCEPTION_START_TIME), Some("20260602T000000Z"));
        assert_eq!(found[1].text_of(c::START_TIME), Some("20260603T000000Z"));
        let echo = update(text, &shown, view, &Supported::Everything).unwrap();
        assert_eq!(echo.look, made.look);
    });
}

/// Far east of the office a day begins when it is yesterday afternoon there: holidays from a phone
/// in Tokyo lost the wrong days.
#[test]
fn exceptions_of_days_from_far_away() {
    let sent = data(vec![
        el(c::TIMEZONE, &blob("Asia/Tokyo")),
        el(c::ALL_DAY_EVENT, "1"),
        el(c::START_TIME, "20260531T150000Z"),
        el(c::END_TIME, "20260601T150000Z"),
        recurrence(&[(c::TYPE, "0"), (c::INTERVAL, "1"), (c::UNTIL, "20260630T150000Z")]),
        of(
            c::EXCEPTIONS,
            vec![
                off("20260601T150000Z"),
                changed(
                    "20260602T150000Z",
                    vec![
                        el(c::START_TIME, "20260603T150000Z"),
                        el(c::END_TIME, "20260604T150000Z"),
                    ],
                ),
            ],
        ),
    ]);
    with(Version::V14_1, |view| {
        let text = create(&sent, view).unwrap().text;
        assert!(text.contains("EXDATE;VALUE=DATE:20260602"), "{text}");
        assert!(text.contains("RECURRENCE-ID;VALUE=DATE:20260603"), "{text}");
        assert!(text.contains("DTSTART;VALUE=DATE:20260604"), "{text}");
        assert_eq!(rule(&text), "FREQ=DAILY;UNTIL=20260701");
    });
}

#[test]
fn a_day_within_a_series_of_hours() {
    for version in [Version::V12_1, Version::V14_1] {
        let day = changed(
            "20260603T120000Z",
            vec![
                el(c::ALL_DAY_EVENT, "1"),
                el(c::START_TIME, "20260602T220000Z"),
                el(c::END_TIME, "20260603T220000Z"),
            ],
        );
        with(version, |view| {
            let text = create(&daily(vec![day.clone()]), view).unwrap().text;
            assert!(text.contains("DTSTART;VALUE=DATE:20260603"), "{text}");
            let shown = shown(&text, view);
            for element in &day.children {
                assert_eq!(exceptions(&shown)[0].text_of(element.tag), Some(element.text()));
            }
        });
    }
}

#[test]
fn attendees_of_one_instance() {
    let who = |email: &str, status: &str| {
        of(
            c::ATTENDEES,
            vec![of(
                c::ATTENDEE,
                vec![
                    el(c::EMAIL, email),
                    el(c::NAME, "x"),
                    el(c::ATTENDEE_STATUS, status),
                    el(c::ATTENDEE_TYPE, "1"),
                ],
            )],
        )
    };
    let mut sent = daily(vec![changed("20260603T120000Z", vec![who("b@b.test", "4")])]);
    sent.children.push(who("b@b.test", "3"));
    with(Version::V14_0, |view| {
        let text = create(&sent, view).unwrap().text;
        let found = shown(&text, view);
        let status = |element: &Element| {
            let person = element.child(c::ATTENDEES).unwrap().child(c::ATTENDEE).unwrap();
            person.text_of(c::ATTENDEE_STATUS).unwrap().to_owned()
        };
        assert_eq!((status(&found), status(exceptions(&found)[0])), ("3".into(), "4".into()));
        // An older phone, which cannot tell them, does not take them away.
        with(Version::V12_1, |old| {
            let echo = update(&text, &shown(&text, old), old, &Supported::Everything).unwrap().text;
            assert_eq!(status(exceptions(&shown(&echo, view))[0]), "4", "{echo}");
        });
    });
}

#[test]
fn the_body_of_one_instance() {
    let body = |text: &str| of(b::BODY, vec![el(b::TYPE, "1"), el(b::DATA, text)]);
    let mut sent = daily(vec![changed("20260603T120000Z", vec![body("one")])]);
    sent.children.push(body("all"));
    with(Version::V12_0, |view| {
        let text = create(&sent, view).unwrap().text;
        let found = shown(&text, view);
        let text_of = |element: &Element| {
            element.child(b::BODY).unwrap().text_of(b::DATA).unwrap().to_owned()
        };
        assert_eq!((text_of(&found), text_of(exceptions(&found)[0])), ("all".into(), "one".into()));
    });
}

#[test]
fn more_exceptions_than_a_phone_is_shown_are_kept() {
    let days: Vec<String> = (0..1_200)
        .map(|n| {
            let day = jiff::civil::date(2026, 6, 1).saturating_add(jiff::Span::new().days(n));
            day.strftime("%Y%m%d").to_string()
        })
        .collect();
    let text = format!(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY\n\
         EXDATE;VALUE=DATE:{}\nEND:VEVENT\nEND:VCALENDAR",
        days.join(",")
    );
    with(Version::V14_1, |view| {
        let sent = shown(&text, view);
        assert_eq!(exceptions(&sent).len(), 1_000);
        let again = update(&text, &sent, view, &Supported::Everything).unwrap().text;
        assert!(again.replace("\r\n ", "").contains(&days[1_199]));
    });
}
