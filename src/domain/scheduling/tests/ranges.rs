//! Changes of an instance and all later ones.

use jiff::Timestamp;

use super::*;
use crate::format::ical::expand;

fn series(rule: &str) -> String {
    event(
        "REQUEST",
        &format!(
            "DTSTAMP:20260801T100000Z\r\nSUMMARY:Plan\r\n\
             DTSTART;TZID=Europe/Berlin:20260810T100000\r\n\
             DTEND;TZID=Europe/Berlin:20260810T110000\r\nRRULE:{rule}\r\n{PEOPLE}"
        ),
    )
}

const PEOPLE: &str = "ORGANIZER:mailto:dora@else.example\r\nATTENDEE:mailto:ben@office.example\r\n";

/// From the third time on, an hour and a half later and longer.
const LATER: &str = "DTSTAMP:20260801T110000Z\r\nSUMMARY:Later\r\n\
    RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260824T100000\r\n\
    DTSTART;TZID=Europe/Berlin:20260824T113000\r\nDTEND;TZID=Europe/Berlin:20260824T133000\r\n";

fn arrive(office: &Office, text: &str) -> Done {
    office.arrive(office.ben, &mail("dora@else.example", text)).remove(0)
}

/// Start and name of each instance until a day.
fn instances(office: &Office, until: &str) -> Vec<String> {
    let series = office.event(office.ben).unwrap().2;
    let zones = series.zones(&TimeZone::UTC);
    let (from, to) = (Timestamp::UNIX_EPOCH, until.parse().unwrap());
    let found = expand(&series, &zones, from, to);
    let one = |instance: &crate::format::ical::Instance<'_>| {
        let summary = instance.event.text_of("SUMMARY").unwrap();
        format!("{} {}", instance.start, summary)
    };
    found.instances.iter().map(one).collect()
}

#[test]
fn all_later_instances_are_moved() {
    let office = Office::new();
    arrive(&office, &series("FREQ=WEEKLY;COUNT=5"));
    let text = event("REQUEST", &(LATER.to_owned() + PEOPLE));
    assert!(matches!(arrive(&office, &text), Done::Changed(..)));
    let moved = [
        "2026-08-10T08:00:00Z Plan",
        "2026-08-17T08:00:00Z Plan",
        "2026-08-24T09:30:00Z Later",
        "2026-08-31T09:30:00Z Later",
        "2026-09-07T09:30:00Z Later",
    ];
    assert_eq!(instances(&office, "2030-01-01T00:00:00Z"), moved);
    assert!(!office.text(office.ben).contains("RANGE"));
    // The same once more changes nothing; a later one for one of them does.
    assert!(matches!(arrive(&office, &text), Done::Nothing(_)));
    // Told together with its series, it comes to the same.
    let office = Office::new();
    let both = series("FREQ=WEEKLY;COUNT=5").replace(
        "END:VCALENDAR",
        &format!("BEGIN:VEVENT\r\nUID:plan\r\n{LATER}{PEOPLE}END:VEVENT\r\nEND:VCALENDAR"),
    );
    assert!(matches!(arrive(&office, &both), Done::Added(..)));
    assert_eq!(instances(&office, "2030-01-01T00:00:00Z"), moved);
    office.check();
}

#[test]
fn the_clock_on_the_wall_is_what_moves() {
    let office = Office::new();
    arrive(&office, &series("FREQ=WEEKLY"));
    arrive(&office, &event("REQUEST", &(LATER.to_owned() + PEOPLE)));
    let all = instances(&office, "2026-11-10T00:00:00Z");
    assert_eq!(all.last().unwrap(), "2026-11-09T10:30:00Z Later");
    // A series without end is told for some years.
    assert_eq!(office.event(office.ben).unwrap().2.overrides().count(), 367);
    office.check();
}

#[test]
fn long_texts_and_short_rules_stay_within_bounds() {
    let office = Office::new();
    arrive(&office, &series("FREQ=SECONDLY"));
    let long = format!("DESCRIPTION:{}\r\n{LATER}{PEOPLE}", "x".repeat(100_000));
    arrive(&office, &event("REQUEST", &long));
    let (_, _, series) = office.event(office.ben).unwrap();
    assert!(series.calendar.to_string().len() < 2 << 20);
    office.check();
}

#[test]
fn all_later_instances_are_cancelled() {
    let office = Office::new();
    arrive(&office, &series("FREQ=WEEKLY;COUNT=50"));
    let cancel = |id: &str| {
        let line = format!("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:{id}\r\n");
        arrive(
            &office,
            &event("CANCEL", &("DTSTAMP:20260801T110000Z\r\n".to_owned() + &line + PEOPLE)),
        )
    };
    assert!(matches!(cancel("20260824T100000"), Done::Changed(..)));
    let left = ["2026-08-10T08:00:00Z Plan", "2026-08-17T08:00:00Z Plan"];
    assert_eq!(instances(&office, "2030-01-01T00:00:00Z"), left);
    assert!(matches!(cancel("20260824T100000"), Done::Nothing(_)));
    // From the first one on it is all of it.
    assert!(matches!(cancel("20260810T100000"), Done::Changed(..)));
    assert!(office.text(office.ben).contains("STATUS:CANCELLED"));
    office.check();
}

#[test]
fn an_instance_whose_series_is_unknown_is_kept_as_one() {
    let office = Office::new();
    let text = event("REQUEST", &(LATER.to_owned() + PEOPLE));
    assert!(matches!(arrive(&office, &text), Done::Added(..)));
    assert_eq!(instances(&office, "2030-01-01T00:00:00Z"), ["2026-08-24T09:30:00Z Later"]);
}

#[test]
fn other_calendars_rules_are_no_error() {
    for rule in ["RSCALE=CHINESE;FREQ=YEARLY;BYMONTH=5L", "RSCALE=HEBREW;FREQ=MONTHLY;COUNT=3"] {
        let office = Office::new();
        assert!(matches!(arrive(&office, &series(rule)), Done::Added(..)), "{rule}");
        assert_eq!(instances(&office, "2030-01-01T00:00:00Z")[0], "2026-08-10T08:00:00Z Plan");
        let later = event("REQUEST", &(LATER.to_owned() + PEOPLE));
        assert!(matches!(arrive(&office, &later), Done::Changed(..)));
        let cancel = event("CANCEL", &(LATER.replace("T11", "T12") + PEOPLE));
        assert!(matches!(arrive(&office, &cancel), Done::Changed(..) | Done::Nothing(_)));
        office.check();
    }
}
