//! Tasks and notes there and back.

use super::*;
use crate::eas::render::{Options, Owner, note};
use crate::eas::version::Version;
use crate::format::wbxml::tags::{air_sync as a, air_sync_base as b, notes as n};

const VERSIONS: [Version; 7] = [
    Version::V2_5,
    Version::V12_0,
    Version::V12_1,
    Version::V14_0,
    Version::V14_1,
    Version::V16_0,
    Version::V16_1,
];

fn text(tag: Tag, text: &str) -> Element {
    Element::with_text(tag, text)
}

fn with_view<T>(version: Version, f: impl FnOnce(&View<'_>) -> T) -> T {
    let (options, owner) = (Options::default(), Owner::default());
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let now = 1_790_000_000;
    f(&View {
        version,
        options: &options,
        zone: &zone,
        owner: &owner,
        now,
        bounds: Default::default(),
        trips_over_empty: false,
    })
}

fn shown(
    version: Version,
    text: &str,
    render: fn(&mut Writer, &str, &View<'_>) -> Result<(), Unrenderable>,
) -> Element {
    with_view(version, |view| {
        let mut out = Writer::new();
        out.open(a::APPLICATION_DATA);
        render(&mut out, text, view).unwrap();
        out.close();
        wbxml::decode(&out.finish().into()).unwrap()
    })
}

/// Every element of MS-ASTASK that one task can have.
fn full() -> Element {
    let category = vec![text(t::CATEGORY, "Büro, klein"), text(t::CATEGORY, "Red")];
    let recurrence = vec![
        text(t::TYPE, "1"),
        text(t::START, "2026-11-30T00:00:00.000Z"),
        text(t::INTERVAL, "2"),
        text(t::DAY_OF_WEEK, "2"),
        text(t::OCCURRENCES, "10"),
        text(t::REGENERATE, "0"),
        text(t::DEAD_OCCUR, "0"),
    ];
    Element::with_children(
        a::APPLICATION_DATA,
        vec![
            text(t::SUBJECT, "Write; the report"),
            text(t::COMPLETE, "0"),
            text(t::IMPORTANCE, "2"),
            text(t::SENSITIVITY, "2"),
            text(t::UTC_START_DATE, "2026-11-29T23:00:00.000Z"),
            text(t::START_DATE, "2026-11-30T00:00:00.000Z"),
            text(t::UTC_DUE_DATE, "2026-12-01T14:30:00.000Z"),
            text(t::DUE_DATE, "2026-12-01T15:30:00.000Z"),
            text(t::REMINDER_SET, "1"),
            text(t::REMINDER_TIME, "2026-11-30T07:00:00.000Z"),
            Element::with_children(t::CATEGORIES, category),
            Element::with_children(t::RECURRENCE, recurrence),
            text(t::ORDINAL_DATE, "2026-11-25T10:00:00.000Z"),
            text(t::SUB_ORDINAL_DATE, "5555555"),
        ],
    )
}

#[test]
fn every_element_survives_in_every_version() {
    for from in VERSIONS {
        let kept = with_view(from, |view| create(&full(), view)).unwrap();
        assert_eq!(kept.until, i64::MAX);
        for to in VERSIONS {
            let data = shown(to, &kept.text, render);
            for sent in full().children {
                let back = data.child(sent.tag).unwrap_or_else(|| panic!("{} is lost", sent.tag));
                if sent.children.is_empty() {
                    assert_eq!(back.text(), sent.text(), "{} from {from} to {to}", sent.tag);
                }
                for child in &sent.children {
                    let same = back.all(child.tag).any(|other| other.text() == child.text());
                    assert!(same, "{} of {}: {back:?}", child.tag, sent.tag);
                }
            }
            // A phone that sends back what it was shown changes nothing that anybody sees.
            let managed = Supported::Everything;
            let again = with_view(to, |view| update(&kept.text, &data, view, &managed)).unwrap();
            assert_eq!(again.look, kept.look, "{}\n{}", kept.text, again.text);
        }
    }
}

#[test]
fn a_task_that_is_done_ends_and_one_that_is_not_does_not() {
    let kept = with_view(Version::V14_1, |view| create(&full(), view)).unwrap();
    let done = Element::with_children(
        a::APPLICATION_DATA,
        vec![text(t::COMPLETE, "1"), text(t::DATE_COMPLETED, "2026-11-26T09:00:00.000Z")],
    );
    let some = Supported::Listed(vec![t::COMPLETE, t::DATE_COMPLETED]);
    let closed = with_view(Version::V14_1, |view| update(&kept.text, &done, view, &some)).unwrap();
    assert_eq!(closed.until, 1_795_683_600);
    let data = shown(Version::V14_1, &closed.text, render);
    assert_eq!(data.text_of(t::COMPLETE), Some("1"));
    assert_eq!(data.text_of(t::DATE_COMPLETED), Some("2026-11-26T09:00:00.000Z"));
    assert_eq!(data.text_of(t::SUBJECT), Some("Write; the report"), "what is not managed stays");
    let open = Element::with_children(a::APPLICATION_DATA, vec![text(t::COMPLETE, "0")]);
    let open = with_view(Version::V14_1, |view| update(&closed.text, &open, view, &some)).unwrap();
    assert_eq!(open.until, i64::MAX);
}

#[test]
fn what_other_programs_wrote_stays_and_plain_to_dos_are_shown() {
    let old = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:x\r\nDTSTAMP:20260101T000000Z\r\n\
               SUMMARY:Old\r\nDUE;VALUE=DATE:20261224\r\nPRIORITY:3\r\nX-OTHER;A=b:kept\r\n\
               BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT1H\r\nEND:VALARM\r\nEND:VTODO\r\n\
               END:VCALENDAR\r\n";
    let data = shown(Version::V14_1, old, render);
    assert_eq!(data.text_of(t::DUE_DATE), Some("2026-12-24T00:00:00.000Z"));
    assert_eq!(data.text_of(t::UTC_DUE_DATE), Some("2026-12-23T23:00:00.000Z"));
    assert_eq!(data.text_of(t::IMPORTANCE), Some("2"));
    let managed = Supported::Everything;
    let new = with_view(Version::V14_1, |view| update(old, &data, view, &managed)).unwrap();
    for line in ["PRIORITY:3", "X-OTHER;A=b:kept", "TRIGGER:-PT1H", "DUE;VALUE=DATE:20261224"] {
        assert!(new.text.contains(line), "{line}\n{}", new.text);
    }
}

/// EAS-4-TbSync knows the instants only, and tells the local times of the machine it runs on:
/// here one in London.
#[test]
fn a_date_stays_where_a_phone_in_another_zone_echoes_its_instant() {
    let old = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:x\r\nDTSTAMP:20260101T000000Z\r\n\
               SUMMARY:Old\r\nDTSTART;TZID=Europe/Berlin:20261201T120000\r\n\
               DUE;VALUE=DATE:20261202\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";
    let mut sent = vec![
        text(t::SUBJECT, "New"),
        text(t::UTC_START_DATE, "2026-12-01T11:00:00.000Z"),
        text(t::START_DATE, "2026-12-01T11:00:00.000Z"),
        text(t::UTC_DUE_DATE, "2026-12-01T23:00:00.000Z"),
        text(t::DUE_DATE, "2026-12-01T23:00:00.000Z"),
    ];
    let update = |sent: Vec<Element>| {
        let data = Element::with_children(a::APPLICATION_DATA, sent);
        let new = |view: &View<'_>| update(old, &data, view, &Supported::Nothing);
        with_view(Version::V16_1, new).unwrap().text
    };
    let new = update(sent.clone());
    for line in
        ["SUMMARY:New", "DTSTART;TZID=Europe/Berlin:20261201T120000", "DUE;VALUE=DATE:20261202"]
    {
        assert!(new.contains(line), "{line}\n{new}");
    }
    sent[3] = text(t::UTC_DUE_DATE, "2026-12-02T23:00:00.000Z");
    sent[4] = text(t::DUE_DATE, "2026-12-02T23:00:00.000Z");
    let new = update(sent);
    assert!(new.contains("DUE;X-KONTOR-LOCAL=20261202T230000:20261202T230000Z"), "{new}");
}

#[test]
fn nonsense_is_refused_or_left_out() {
    let bad = |children| Element::with_children(a::APPLICATION_DATA, children);
    with_view(Version::V14_1, |view| {
        assert!(create(&bad(vec![text(t::COMPLETE, "7")]), view).is_err());
        assert!(create(&bad(vec![text(t::DUE_DATE, "soon")]), view).is_err());
        assert!(create(&bad(vec![]), view).is_ok());
        assert!(render(&mut Writer::new(), "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", view).is_err());
    });
}

#[test]
fn notes_survive() {
    let sent = Element::with_children(
        a::APPLICATION_DATA,
        vec![
            text(n::SUBJECT, "Door, code"),
            text(n::MESSAGE_CLASS, "IPM.StickyNote"),
            Element::with_children(n::CATEGORIES, vec![text(n::CATEGORY, "Home")]),
            Element::with_children(
                b::BODY,
                vec![text(b::TYPE, "1"), text(b::DATA, "Line one\r\nLine; two")],
            ),
        ],
    );
    let kept = with_view(Version::V14_0, |view| note::create(&sent, view)).unwrap();
    for version in [Version::V14_0, Version::V16_1] {
        let data = shown(version, &kept.text, note::render);
        assert_eq!(data.text_of(n::SUBJECT), Some("Door, code"));
        assert_eq!(data.text_of(n::MESSAGE_CLASS), Some("IPM.StickyNote"));
        assert_eq!(data.child(n::CATEGORIES).unwrap().text_of(n::CATEGORY), Some("Home"));
        let body = data.child(b::BODY).unwrap().text_of(b::DATA).unwrap();
        assert_eq!(body.replace("\r\n", "\n").trim_end(), "Line one\nLine; two");
        let managed = Supported::Everything;
        let again =
            with_view(version, |view| note::update(&kept.text, &data, view, &managed)).unwrap();
        assert_eq!(again.look, kept.look);
    }
    let mail =
        Element::with_children(a::APPLICATION_DATA, vec![text(n::MESSAGE_CLASS, "IPM.Note")]);
    assert!(with_view(Version::V14_0, |view| note::create(&mail, view)).is_err());
}

#[test]
fn a_tick_alone_takes_nothing_away() {
    let kept = with_view(Version::V14_1, |view| create(&full(), view)).unwrap();
    let done = Element::with_children(
        a::APPLICATION_DATA,
        vec![text(t::COMPLETE, "1"), text(t::DATE_COMPLETED, "2026-11-26T09:00:00.000Z")],
    );
    let all = Supported::Everything;
    let ticked = with_view(Version::V14_1, |view| update(&kept.text, &done, view, &all)).unwrap();
    let data = shown(Version::V14_1, &ticked.text, render);
    assert_eq!(data.text_of(t::COMPLETE), Some("1"));
    for sent in full().children.iter().filter(|sent| sent.tag != t::COMPLETE) {
        let back = data.child(sent.tag).unwrap_or_else(|| panic!("{} is lost", sent.tag));
        assert_eq!(back.text(), sent.text(), "{}", sent.tag);
    }
    // A whole task without a date has none.
    let whole = Element::with_children(
        a::APPLICATION_DATA,
        vec![text(t::SUBJECT, "Write; the report"), text(t::COMPLETE, "0")],
    );
    let bare = with_view(Version::V14_1, |view| update(&kept.text, &whole, view, &all)).unwrap();
    assert!(shown(Version::V14_1, &bare.text, render).child(t::DUE_DATE).is_none());
}

#[test]
fn a_note_keeps_its_title_and_what_a_part_of_it_leaves_out() {
    let body =
        |data| Element::with_children(b::BODY, vec![text(b::TYPE, "1"), text(b::DATA, data)]);
    let sent = Element::with_children(
        a::APPLICATION_DATA,
        vec![
            text(n::SUBJECT, "Door"),
            Element::with_children(n::CATEGORIES, vec![text(n::CATEGORY, "Home")]),
            body("1234"),
        ],
    );
    let all = Supported::Everything;
    let kept = with_view(Version::V14_1, |view| note::create(&sent, view)).unwrap();
    let changed = |children| {
        let data = Element::with_children(a::APPLICATION_DATA, children);
        let new = with_view(Version::V14_1, |view| note::update(&kept.text, &data, view, &all));
        shown(Version::V14_1, &new.unwrap().text, note::render)
    };
    let dated = changed(vec![text(n::LAST_MODIFIED_DATE, "20261126T090000Z")]);
    assert!(dated.child(n::CATEGORIES).is_some());
    let other = changed(vec![body("5678")]);
    assert_eq!(other.text_of(n::SUBJECT), Some("Door"), "left out it stays (MS-ASNOTE 3.2.5.3)");
    assert!(other.child(n::CATEGORIES).is_none(), "left out they go");
}
