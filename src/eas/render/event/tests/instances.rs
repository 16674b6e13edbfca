//! Instances by InstanceId, from 16.0 on.

use super::*;
use crate::format::wbxml::tags::air_sync_base as b;

fn daily() -> String {
    let sent = data(vec![
        el(c::TIMEZONE, &blob("Europe/Berlin")),
        el(c::START_TIME, "20260601T120000Z"),
        el(c::END_TIME, "20260601T130000Z"),
        el(c::SUBJECT, "Daily"),
        el(c::REMINDER, "10"),
        of(c::RECURRENCE, vec![el(c::TYPE, "0"), el(c::INTERVAL, "1"), el(c::OCCURRENCES, "5")]),
    ]);
    with(Version::V16_1, |view| create(&sent, view)).unwrap().text
}

fn change(text: &str, instance: &str, data: Option<&Element>) -> String {
    with(Version::V16_1, |view| update_instance(text, instance, data, view)).unwrap().text
}

fn shown_to(text: &str) -> Element {
    with(Version::V16_1, |view| shown(text, view))
}

#[test]
fn one_is_changed_again_and_again() {
    let new = data(vec![
        el(c::SUBJECT, "One"),
        el(c::START_TIME, "20260603T140000Z"),
        el(c::END_TIME, "20260603T143000Z"),
    ]);
    let text = change(&daily(), "20260603T120000Z", Some(&new));
    let again = shown_to(&text);
    let found = exceptions(&again);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text_of(b::INSTANCE_ID), Some("20260603T120000Z"));
    assert!(!found[0].has(c::EXCEPTION_START_TIME));
    assert_eq!(found[0].text_of(c::SUBJECT), Some("One"));
    assert_eq!(found[0].text_of(c::END_TIME), Some("20260603T143000Z"));
    assert!(!found[0].has(c::REMINDER), "inherited");
    // What a second change does not name stays as the first left it.
    let more = data(vec![Element::new(c::REMINDER), el(b::LOCATION, "")]);
    let text = change(&text, "2026-06-03T12:00:00.000Z", Some(&more));
    let again = shown_to(&text);
    let found = exceptions(&again);
    assert_eq!((found.len(), found[0].text_of(c::SUBJECT)), (1, Some("One")));
    assert_eq!(found[0].text_of(c::REMINDER), Some(""));
    assert_eq!(found[0].text_of(c::START_TIME), Some("20260603T140000Z"));
}

#[test]
fn one_is_deleted_and_comes_back() {
    let text = change(&daily(), "20260603T120000Z", Some(&data(vec![el(c::SUBJECT, "One")])));
    let gone = change(&text, "20260603T120000Z", None);
    assert!(!gone.contains("RECURRENCE-ID"), "{gone}");
    let again = change(&gone, "20260603T120000Z", None);
    let shown = shown_to(&again);
    assert_eq!(exceptions(&shown).len(), 1);
    assert_eq!(exceptions(&shown)[0].text_of(c::DELETED), Some("1"));
    let flag = data(vec![el(c::DELETED, "1")]);
    assert_eq!(change(&text, "20260603T120000Z", Some(&flag)), gone);
    let back = change(&again, "20260603T120000Z", Some(&data(vec![el(c::SUBJECT, "Back")])));
    assert!(!back.contains("EXDATE"), "{back}");
}

#[test]
fn the_series_goes_on_as_it_was() {
    let text = change(&daily(), "20260603T120000Z", Some(&data(vec![el(c::SUBJECT, "One")])));
    let renamed = with(Version::V16_1, |view| {
        update(&text, &data(vec![el(c::SUBJECT, "All")]), view, &Supported::Nothing).unwrap().text
    });
    let shown = shown_to(&renamed);
    assert_eq!(shown.text_of(c::SUBJECT), Some("All"));
    assert_eq!(exceptions(&shown)[0].text_of(c::SUBJECT), Some("One"));
}

/// A phone from 16.0 on tells the series alone: the instance that was only moved kept its old
/// name and place, and nobody new was invited to it.
#[test]
fn what_was_only_moved_follows_its_series() {
    let moved = data(vec![
        el(c::START_TIME, "20260603T140000Z"),
        el(c::END_TIME, "20260603T150000Z"),
        of(b::LOCATION, vec![el(b::DISPLAY_NAME, "Room 2")]),
    ]);
    let text = change(&daily(), "20260603T120000Z", Some(&moved));
    let renamed = with(Version::V16_1, |view| {
        let ben = of(c::ATTENDEE, vec![el(c::EMAIL, "ben@far.test"), el(c::NAME, "Ben")]);
        let new = data(vec![
            el(c::SUBJECT, "All"),
            of(b::LOCATION, vec![el(b::DISPLAY_NAME, "Room 1")]),
            el(c::REMINDER, "30"),
            of(c::ATTENDEES, vec![ben]),
        ]);
        update(&text, &new, view, &Supported::Nothing).unwrap().text
    });
    let shown = shown_to(&renamed);
    let found = exceptions(&shown)[0];
    assert!(!found.has(c::SUBJECT) && !found.has(c::REMINDER), "{renamed}");
    assert!(!found.has(c::ATTENDEES) && shown.has(c::ATTENDEES), "{renamed}");
    assert_eq!(found.text_of(c::START_TIME), Some("20260603T140000Z"));
    assert!(found.has(b::LOCATION), "its own place stays: {renamed}");
    assert_eq!(renamed.matches("ORGANIZER").count(), 2, "{renamed}");
}

#[test]
fn instances_of_days_are_dates() {
    let sent = data(vec![
        el(c::ALL_DAY_EVENT, "1"),
        el(c::START_TIME, "20260601T000000Z"),
        el(c::END_TIME, "20260602T000000Z"),
        of(c::RECURRENCE, vec![el(c::TYPE, "0"), el(c::INTERVAL, "1")]),
    ]);
    let text = with(Version::V16_0, |view| create(&sent, view)).unwrap().text;
    let text = change(&text, "20260603T000000Z", None);
    assert!(text.contains("EXDATE;VALUE=DATE:20260603"), "{text}");
    let text = change(&text, "20260604T000000Z", Some(&data(vec![el(c::SUBJECT, "x")])));
    assert!(text.contains("RECURRENCE-ID;VALUE=DATE:20260604"), "{text}");
    let shown = shown_to(&text);
    assert_eq!(exceptions(&shown)[1].text_of(c::START_TIME), Some("20260604T000000Z"));
    assert_eq!(exceptions(&shown)[1].text_of(c::END_TIME), Some("20260605T000000Z"));
}

#[test]
fn what_is_no_instance_is_refused() {
    with(Version::V16_1, |view| {
        assert!(update_instance(&daily(), "soon", None, view).is_err());
        let single = create(&noon(vec![]), view).unwrap().text;
        assert!(update_instance(&single, "20260601T120000Z", None, view).is_err());
        assert!(update_instance("nothing", "20260601T120000Z", None, view).is_err());
    });
}

#[test]
fn a_file_of_one_instance() {
    let add = data(vec![of(
        b::ATTACHMENTS,
        vec![of(
            b::ADD,
            vec![el(b::CLIENT_ID, "1"), el(b::DISPLAY_NAME, "a.txt"), el(b::CONTENT, "aGVsbG8=")],
        )],
    )]);
    let text = change(&daily(), "20260603T120000Z", Some(&add));
    let shown = shown_to(&text);
    assert!(!shown.has(b::ATTACHMENTS));
    let files = exceptions(&shown)[0].child(b::ATTACHMENTS).unwrap();
    let reference = files.child(b::ATTACHMENT).unwrap().text_of(b::FILE_REFERENCE).unwrap();
    assert_eq!(attachment(&text, reference).unwrap().0, "hello");
}

/// EAS-4-TbSync 4 gives up the calendar at an empty Reminder: it rather rings once too often.
#[test]
fn an_instance_without_the_reminder_of_its_series() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260601T100000Z\nDTEND:20260601T110000Z\n\
        RRULE:FREQ=DAILY\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nEND:VALARM\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260602T100000Z\nDTSTART:20260602T120000Z\n\
        DTEND:20260602T130000Z\nEND:VEVENT\nEND:VCALENDAR";
    let reminder = |view: &View<'_>| {
        let shown = shown(text, view);
        assert_eq!(shown.text_of(c::REMINDER), Some("15"));
        let instance = shown.child(c::EXCEPTIONS).unwrap().child(c::EXCEPTION).unwrap();
        instance.text_of(c::REMINDER).map(str::to_owned)
    };
    with(Version::V14_0, |view| {
        assert_eq!(reminder(view).as_deref(), Some(""));
        assert_eq!(reminder(&View { trips_over_empty: true, ..*view }), None);
    });
}

/// A phone that shows plain text sends back what it was shown of an instance, and what it cannot
/// tell stays: the HTML, and the rest of a text of which it has a part.
#[test]
fn the_notes_of_one_survive_a_phone_that_shows_a_part_of_them() {
    let html = "<p>One &amp; <b>two</b></p>";
    let notes = of(b::BODY, vec![el(b::TYPE, "2"), el(b::DATA, html)]);
    let text = change(&daily(), "20260603T120000Z", Some(&data(vec![notes])));
    let body = BodyPreference { kind: 1, truncation_size: Some(4), ..Default::default() };
    for options in [Options::default(), Options { bodies: vec![body], ..Options::default() }] {
        let (zone, owner) = (zone("Europe/Berlin"), Owner::default());
        let view = View {
            version: Version::V14_1,
            options: &options,
            zone: &zone,
            owner: &owner,
            now: NOW,
            bounds: Default::default(),
            trips_over_empty: false,
        };
        let mut echo = shown(&text, &view);
        assert!(exceptions(&echo)[0].has(b::BODY));
        echo.children.retain(|each| each.tag != c::REMINDER);
        echo.children.push(el(c::REMINDER, "20"));
        let again = update(&text, &echo, &view, &Supported::Everything).unwrap().text;
        let kept = with_bodies(Version::V16_1, &[2], |view| shown(&again, view));
        let kept = exceptions(&kept)[0].child(b::BODY).unwrap();
        assert_eq!(kept.text_of(b::DATA).map(str::trim), Some(html), "{again}");
    }
}

/// The clock jumps from 2:00 to 3:00: a desk tells the instance by the digits of the series,
/// 2:30, and a phone by the instant, which is 3:30. Deleted on the phone it was still there.
#[test]
fn one_that_the_clock_jumps_over_is_the_same_to_all() {
    let sent = data(vec![
        el(c::TIMEZONE, &blob("Europe/Berlin")),
        el(c::START_TIME, "20260320T013000Z"),
        el(c::END_TIME, "20260320T020000Z"),
        el(c::SUBJECT, "Night"),
        of(c::RECURRENCE, vec![el(c::TYPE, "0"), el(c::INTERVAL, "1")]),
    ]);
    let text = with(Version::V16_1, |view| create(&sent, view)).unwrap().text;
    let night = "20260329T013000Z";
    let by_phone = change(&text, night, Some(&data(vec![el(c::SUBJECT, "Early")])));
    let by_desk = by_phone.replace(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260329T033000",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260329T023000",
    );
    assert_ne!(by_desk, by_phone);
    let shown = shown_to(&by_desk);
    assert_eq!(exceptions(&shown)[0].text_of(b::INSTANCE_ID), Some(night));
    let gone = change(&by_desk, night, None);
    assert!(!gone.contains("Early"), "{gone}");
    let gone = gone.replace(
        "EXDATE;TZID=Europe/Berlin:20260329T033000",
        "EXDATE;TZID=Europe/Berlin:20260329T023000",
    );
    let back = change(&gone, night, Some(&data(vec![el(c::SUBJECT, "Back")])));
    assert!(!back.contains("EXDATE") && back.contains("Back"), "{back}");
}

/// Before 16.0 who works elsewhere is free: such a phone leaves out of an instance what to it is
/// as the series has it, and that made the colleague free for everybody.
#[test]
fn who_works_elsewhere_once_still_does_after_an_old_phone() {
    let free = with(Version::V16_1, |view| {
        let free = data(vec![el(c::BUSY_STATUS, "0")]);
        update(&daily(), &free, view, &Supported::Nothing).unwrap().text
    });
    let away = change(&free, "20260603T120000Z", Some(&data(vec![el(c::BUSY_STATUS, "4")])));
    let id = el(c::EXCEPTION_START_TIME, "20260603T120000Z");
    let renamed = with(Version::V14_1, |view| {
        let once = of(c::EXCEPTION, vec![id, el(c::SUBJECT, "Once")]);
        let new = data(vec![
            el(c::START_TIME, "20260601T120000Z"),
            el(c::END_TIME, "20260601T130000Z"),
            el(c::SUBJECT, "Daily"),
            el(c::BUSY_STATUS, "0"),
            of(c::EXCEPTIONS, vec![once]),
        ]);
        update(&away, &new, view, &Supported::Nothing).unwrap().text
    });
    let shown = shown_to(&renamed);
    let found = exceptions(&shown)[0];
    assert_eq!(found.text_of(c::SUBJECT), Some("Once"));
    assert_eq!(found.text_of(c::BUSY_STATUS), Some("4"), "{renamed}");
}
