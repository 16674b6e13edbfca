//! Every element has a home: what one phone sent, another is shown.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::format::wbxml::Value;
use crate::format::wbxml::tags::air_sync_base as b;

fn attendee(email: &str, name: &str, status: Option<(&str, &str)>) -> Element {
    let mut all = vec![el(c::EMAIL, email), el(c::NAME, name)];
    if let Some((status, kind)) = status {
        all.extend([el(c::ATTENDEE_STATUS, status), el(c::ATTENDEE_TYPE, kind)]);
    }
    of(c::ATTENDEE, all)
}

/// All elements that a phone of a version may send of an appointment, and be shown again.
fn everything(version: Version) -> Vec<Element> {
    let later = version >= Version::V12_0;
    let status = |status, kind| later.then_some((status, kind));
    let mut all = vec![
        el(c::TIMEZONE, &blob("America/New_York")),
        el(c::ALL_DAY_EVENT, "0"),
        el(c::BUSY_STATUS, "3"),
        el(c::START_TIME, "20260601T120000Z"),
        el(c::END_TIME, "20260601T133000Z"),
        el(c::REMINDER, "45"),
        el(c::SENSITIVITY, "1"),
        el(c::SUBJECT, "Lunch, then; \"coffee\" \\ tea"),
        el(c::MEETING_STATUS, "1"),
        of(
            c::ATTENDEES,
            vec![
                attendee("ben@office.test", "Ben", status("3", "1")),
                attendee("room@office.test", "Room: 4; \"big\"", status("2", "3")),
                attendee("eve@far.test", "eve@far.test", status("5", "2")),
            ],
        ),
        of(c::CATEGORIES, vec![el(c::CATEGORY, "Work, hard"), el(c::CATEGORY, "Privat")]),
        of(
            c::RECURRENCE,
            vec![
                el(c::TYPE, "1"),
                el(c::INTERVAL, "2"),
                el(c::DAY_OF_WEEK, "2"),
                el(c::UNTIL, "20260901T120000Z"),
            ],
        ),
    ];
    if version < Version::V16_0 {
        all.extend([
            el(c::UID, "040000008200E00074C5B7101A82E008"),
            el(c::DT_STAMP, "20260430T101112Z"),
            el(c::ORGANIZER_NAME, "Anna"),
            el(c::ORGANIZER_EMAIL, "anna@office.test"),
            el(c::LOCATION, "Café, 2nd floor"),
        ]);
    } else {
        all.push(el(c::CLIENT_UID, "040000008200E00074C5B7101A82E008"));
        let parts = [
            (b::DISPLAY_NAME, "Café, 2nd floor"),
            (b::ANNOTATION, "by the \"stairs\""),
            (b::STREET, "Weg 1; links"),
            (b::CITY, "Köln"),
            (b::STATE, "NRW"),
            (b::COUNTRY, "DE"),
            (b::POSTAL_CODE, "50667"),
            (b::LATITUDE, "50.94"),
            (b::LONGITUDE, "6.96"),
            (b::ACCURACY, "10"),
            (b::ALTITUDE, "53"),
            (b::ALTITUDE_ACCURACY, "5"),
            (b::LOCATION_URI, "https://maps.test/?q=1,2"),
        ];
        all.push(of(b::LOCATION, parts.iter().map(|(tag, text)| el(*tag, text)).collect()));
    }
    all.push(match version {
        Version::V2_5 => el(c::BODY, "One\r\ntwo"),
        _ => of(b::BODY, vec![el(b::TYPE, "1"), el(b::DATA, "One\r\ntwo")]),
    });
    if version >= Version::V14_0 {
        all.extend([
            el(c::RESPONSE_REQUESTED, "1"),
            el(c::APPOINTMENT_REPLY_TIME, "20260502T080000Z"),
            el(c::RESPONSE_TYPE, "1"),
            el(c::DISALLOW_NEW_TIME_PROPOSAL, "1"),
        ]);
    }
    if version >= Version::V14_1 {
        all.extend([
            el(c::ONLINE_MEETING_CONF_LINK, "conf:sip:a@b.test;x"),
            el(c::ONLINE_MEETING_EXTERNAL_LINK, "https://meet.test/1,2"),
        ]);
    }
    all
}

/// What is to be there again of what was sent.
fn assert_shown(sent: &Element, shown: &Element, version: Version) {
    for element in &sent.children {
        let tag = match element.tag {
            c::CLIENT_UID => c::UID,
            tag => tag,
        };
        let found = shown.child(tag).unwrap_or_else(|| panic!("{version} {tag:?} is missing"));
        match tag {
            c::TIMEZONE => assert_eq!(tz::read_blob(found.text()), tz::read_blob(element.text())),
            b::BODY => assert_eq!(found.text_of(b::DATA), element.text_of(b::DATA)),
            c::RECURRENCE => {
                for part in &element.children {
                    assert_eq!(
                        found.text_of(part.tag),
                        Some(part.text()),
                        "{version} {:?}",
                        part.tag
                    );
                }
            }
            _ if element.children.is_empty() => {
                assert_eq!(found.text(), element.text(), "{version} {tag:?}")
            }
            _ => assert_eq!(found.children, element.children, "{version} {tag:?}"),
        }
    }
}

#[test]
fn every_element_survives_in_every_version() {
    for version in VERSIONS {
        let sent = data(everything(version));
        let text = with(version, |view| create(&sent, view)).unwrap();
        with(version, |view| assert_shown(&sent, &shown(&text.text, view), version));
        assert_eq!(text.uid, "040000008200E00074C5B7101A82E008");
    }
}

#[test]
fn a_phone_of_any_version_is_shown_what_another_sent() {
    for from in VERSIONS {
        let sent = data(everything(from));
        let text = with(from, |view| create(&sent, view)).unwrap();
        for to in VERSIONS {
            let shown = with(to, |view| shown(&text.text, view));
            // What both versions have under the same name.
            let common = everything(to).into_iter().map(|element| element.tag).collect::<Vec<_>>();
            let children = sent.children.iter().filter(|element| common.contains(&element.tag));
            let people = |element: &&Element| {
                element.tag != c::ATTENDEES
                    || from.max(Version::V12_0) == from && to >= Version::V12_0
            };
            let common = data(children.filter(people).cloned().collect());
            assert_shown(&common, &shown, to);
            let place = if to < Version::V16_0 {
                shown.text_of(c::LOCATION)
            } else {
                shown.child(b::LOCATION).and_then(|place| place.text_of(b::DISPLAY_NAME))
            };
            assert_eq!(place, Some("Café, 2nd floor"));
        }
    }
}

#[test]
fn an_echo_changes_nothing() {
    for version in VERSIONS {
        let text = with(version, |view| create(&data(everything(version)), view)).unwrap();
        for other in VERSIONS {
            with(other, |view| {
                let echo = shown(&text.text, view);
                for supported in [Supported::Everything, Supported::Nothing] {
                    let again = update(&text.text, &echo, view, &supported).unwrap();
                    assert_eq!(
                        again.look, text.look,
                        "{version} {other}\n{}\n{}",
                        text.text, again.text
                    );
                    assert_eq!((again.from, again.until), (text.from, text.until));
                }
            });
        }
    }
}

/// RFC 5545 3.8.2.7: a whole day without TRANSP is free to phones and busy to others.
#[test]
fn a_whole_day_that_is_marked_free_is_free_to_everybody() {
    for version in VERSIONS {
        with(version, |view| {
            let day = |busy: &str| {
                data(vec![
                    el(c::TIMEZONE, &blob("Europe/Berlin")),
                    el(c::ALL_DAY_EVENT, "1"),
                    el(c::START_TIME, "20260601T000000Z"),
                    el(c::END_TIME, "20260602T000000Z"),
                    el(c::SUBJECT, "Day"),
                    el(c::BUSY_STATUS, busy),
                ])
            };
            let text = create(&day("0"), view).unwrap().text;
            assert!(text.contains("\r\nTRANSP:TRANSPARENT\r\n"), "{version}\n{text}");
            assert_eq!(shown(&text, view).text_of(c::BUSY_STATUS), Some("0"));
            let text = update(&text, &day("2"), view, &Supported::Nothing).unwrap().text;
            assert!(text.contains("\r\nTRANSP:OPAQUE\r\n"), "{version}\n{text}");
            assert_eq!(shown(&text, view).text_of(c::BUSY_STATUS), Some("2"));
            let text = update(&text, &day("0"), view, &Supported::Nothing).unwrap().text;
            assert!(text.contains("\r\nTRANSP:TRANSPARENT\r\n"), "{version}\n{text}");
            // A day of another program, of which nobody said anything, stays as it is.
            let quiet = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:q\r\n\
                         DTSTART;VALUE=DATE:20260601\r\nSUMMARY:Day\r\nEND:VEVENT\r\n\
                         END:VCALENDAR\r\n";
            let echo = shown(quiet, view);
            let text = update(quiet, &echo, view, &Supported::Nothing).unwrap().text;
            assert!(!text.contains("TRANSP"), "{version}\n{text}");
        });
    }
}

#[test]
fn what_is_managed_and_left_out_is_deleted() {
    let bare = noon(vec![]);
    for version in VERSIONS {
        let text = with(version, |view| create(&data(everything(version)), view)).unwrap();
        with(version, |view| {
            let change =
                |supported| shown(&update(&text.text, &bare, view, &supported).unwrap().text, view);
            let all = change(Supported::Everything);
            let deleted = version < Version::V16_0;
            for tag in [c::REMINDER, c::CATEGORIES, c::RECURRENCE] {
                assert_eq!(all.has(tag), !deleted, "{version} {tag:?}");
            }
            // The notes are never deleted by being left out, nor is privacy.
            assert_eq!(all.text_of(c::SENSITIVITY), Some("1"));
            assert!(all.has(if version == Version::V2_5 { c::BODY } else { b::BODY }));
            assert_eq!(all.text_of(c::SUBJECT), Some("Noon"));
            let some = change(Supported::Listed(vec![c::REMINDER]));
            assert_eq!(some.has(c::REMINDER), !deleted, "{version}");
            assert!(some.has(c::CATEGORIES) && some.has(c::RECURRENCE));
            let none = change(Supported::Nothing);
            assert!(none.has(c::REMINDER) && none.has(c::CATEGORIES));
        });
    }
}

#[test]
fn a_part_of_an_event_takes_nothing_away() {
    for version in [Version::V12_1, Version::V14_1] {
        with(version, |view| {
            let more = vec![
                el(c::LOCATION, "Room 1"),
                el(c::REMINDER, "15"),
                of(c::CATEGORIES, vec![el(c::CATEGORY, "Red")]),
            ];
            let text = create(&noon(more), view).unwrap().text;
            let change = data(vec![el(c::BUSY_STATUS, "0")]);
            let new = update(&text, &change, view, &Supported::Everything).unwrap().text;
            let back = shown(&new, view);
            assert_eq!(back.text_of(c::BUSY_STATUS), Some("0"));
            for tag in [c::SUBJECT, c::START_TIME, c::LOCATION, c::REMINDER, c::CATEGORIES] {
                assert!(back.has(tag), "{tag} is lost in {version}");
            }
        });
    }
}

#[test]
fn an_empty_element_deletes_from_16_0_on() {
    let text =
        with(Version::V16_1, |view| create(&data(everything(Version::V16_1)), view)).unwrap();
    let empty = [c::REMINDER, c::CATEGORIES, c::ATTENDEES, c::RECURRENCE, b::LOCATION, c::SUBJECT];
    let change = data(empty.iter().map(|tag| Element::new(*tag)).collect());
    with(Version::V16_1, |view| {
        let shown =
            shown(&update(&text.text, &change, view, &Supported::Nothing).unwrap().text, view);
        for tag in [c::REMINDER, c::CATEGORIES, c::RECURRENCE, b::LOCATION] {
            assert!(!shown.has(tag), "{tag:?}");
        }
        assert_eq!(shown.child(c::ATTENDEES).map(|list| list.children.len()), Some(0));
        assert_eq!(shown.text_of(c::SUBJECT), Some(""));
        // The rest stayed.
        assert_eq!(shown.text_of(c::START_TIME), Some("20260601T120000Z"));
        assert_eq!(shown.text_of(c::BUSY_STATUS), Some("3"));
    });
}

#[test]
fn html_bodies_stay_html_for_who_can_show_them() {
    let html = "<p>One &amp; <b>two</b></p>";
    let sent = noon(vec![of(b::BODY, vec![el(b::TYPE, "2"), el(b::DATA, html)])]);
    let text = with(Version::V16_1, |view| create(&sent, view)).unwrap().text;
    let body = |kinds: &[u8], version| {
        with_bodies(version, kinds, |view| {
            let shown = shown(&text, view);
            let body = shown.child(b::BODY).unwrap();
            (
                body.text_of(b::TYPE).unwrap().to_owned(),
                body.text_of(b::DATA).unwrap().trim().to_owned(),
            )
        })
    };
    assert_eq!(body(&[1, 2], Version::V14_1), ("2".into(), html.into()));
    assert_eq!(body(&[1], Version::V14_1).0, "1");
    assert!(body(&[1], Version::V14_1).1.contains("One & "));
    // A plain text of another phone takes the place of both.
    let plain = data(vec![of(b::BODY, vec![el(b::TYPE, "1"), el(b::DATA, "New")])]);
    let text =
        with(Version::V14_1, |view| update(&text, &plain, view, &Supported::Nothing)).unwrap();
    assert!(!text.text.contains("X-ALT-DESC") && text.text.contains("DESCRIPTION:New"));
}

#[test]
fn the_answers_of_others_are_not_taken_back() {
    let people = |status| {
        noon(vec![of(c::ATTENDEES, vec![attendee("ben@office.test", "Ben", Some((status, "1")))])])
    };
    with(Version::V14_1, |view| {
        let text = create(&people("3"), view).unwrap().text;
        let again = update(&text, &people("0"), view, &Supported::Everything).unwrap().text;
        assert!(again.contains("PARTSTAT=ACCEPTED"), "{again}");
        let again = update(&text, &people("4"), view, &Supported::Everything).unwrap().text;
        assert!(again.contains("PARTSTAT=DECLINED"), "{again}");
    });
}

#[test]
fn attendees_that_a_phone_does_not_show_stay() {
    let meeting = |organizer: &str| {
        format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:noon-1\nDTSTART:20260601T120000Z\n\
             ORGANIZER:mailto:{organizer}\nATTENDEE:mailto:b@b.test\nEND:VEVENT\nEND:VCALENDAR"
        )
    };
    with(Version::V12_1, |view| {
        let stays = |organizer: &str, more: Vec<Element>| {
            let change = noon(more);
            let again = update(&meeting(organizer), &change, view, &Supported::Everything).unwrap();
            again.text.contains("ATTENDEE")
        };
        assert!(stays("boss@b.test", vec![]));
        assert!(stays("anna@office.test", vec![el(c::MEETING_STATUS, "1")]));
        assert!(!stays("anna@office.test", vec![el(c::MEETING_STATUS, "0")]));
        assert!(!stays(
            "anna@office.test",
            vec![Element::new(c::ATTENDEES), el(c::MEETING_STATUS, "1")]
        ));
    });
}

#[test]
fn who_organizes_and_what_the_meeting_is() {
    for (organizer, attendees, cancelled, status, response) in [
        ("", "", false, "0", "0"),
        ("ORGANIZER:mailto:anna@office.test", "", false, "0", "0"),
        ("ORGANIZER:mailto:Anna@office.test", "ATTENDEE:mailto:b@b.test", false, "1", "1"),
        (
            "ORGANIZER:mailto:b@b.test",
            "ATTENDEE;PARTSTAT=TENTATIVE:mailto:anna@office.test",
            false,
            "3",
            "2",
        ),
        (
            "ORGANIZER:mailto:b@b.test",
            "ATTENDEE;PARTSTAT=DECLINED:mailto:anna@office.test",
            true,
            "7",
            "4",
        ),
        ("ORGANIZER:mailto:anna@office.test", "ATTENDEE:mailto:b@b.test", true, "5", "1"),
        // The organizer among the attendees is not one to a phone.
        ("ORGANIZER:mailto:anna@office.test", "ATTENDEE:mailto:anna@office.test", false, "0", "0"),
    ] {
        let state = if cancelled { "STATUS:CANCELLED" } else { "STATUS:CONFIRMED" };
        let text = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260101T100000Z\n{organizer}\n{attendees}\n{state}\n\
             END:VEVENT\nEND:VCALENDAR"
        );
        let shown = with(Version::V14_1, |view| shown(&text, view));
        assert_eq!(shown.text_of(c::MEETING_STATUS), Some(status), "{text}");
        assert_eq!(shown.text_of(c::RESPONSE_TYPE), Some(response), "{text}");
    }
}

#[test]
fn every_meeting_status_survives() {
    for (sent, again) in [
        ("0", "0"),
        ("1", "1"),
        ("3", "3"),
        ("5", "5"),
        ("7", "7"),
        ("9", "1"),
        ("11", "3"),
        ("13", "5"),
        ("15", "7"),
    ] {
        let event = noon(vec![el(c::MEETING_STATUS, sent)]);
        let shown = with(Version::V12_1, |view| shown(&create(&event, view).unwrap().text, view));
        assert_eq!(shown.text_of(c::MEETING_STATUS), Some(again), "{sent}");
    }
}

#[test]
fn files_are_added_listed_fetched_and_deleted() {
    let add = |id: &str, name: &str, content: Element| {
        of(
            b::ADD,
            vec![
                el(b::CLIENT_ID, id),
                el(b::DISPLAY_NAME, name),
                el(b::CONTENT_TYPE, "text/plain"),
                content,
            ],
        )
    };
    let opaque =
        Element { value: Value::Opaque(Bytes::from_static(b"hello")), ..Element::new(b::CONTENT) };
    let sent = noon(vec![of(
        b::ATTACHMENTS,
        vec![
            add("1", "a, b.txt", opaque),
            add("2", "c.txt", el(b::CONTENT, "d29y\r\nbGQh")),
            add("2", "twice.txt", el(b::CONTENT, "d29ybGQh")),
            add("3", "bad", el(b::CONTENT, "?")),
        ],
    )]);
    with(Version::V16_0, |view| {
        let text = create(&sent, view).unwrap().text;
        let files = attachments(&text);
        let named = references(&text, &sent);
        assert_eq!(named[0], ("1".to_owned(), files[0].reference.clone()));
        let facts: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.size)).collect();
        assert_eq!(facts, [("a, b.txt", 5), ("c.txt", 6)]);
        let listed = shown(&text, view);
        let first = listed.child(b::ATTACHMENTS).unwrap().child(b::ATTACHMENT).unwrap();
        let reference = first.text_of(b::FILE_REFERENCE).unwrap();
        assert!(reference.len() <= 64);
        assert_eq!(parse_reference(reference), Some(crate::domain::item::key("noon-1")));
        assert_eq!(
            attachment(&text, reference),
            Some((Bytes::from_static(b"hello"), "text/plain".into()))
        );
        assert_eq!(attachment(&text, "event-0000000000000000-0000000000000000"), None);

        let delete = data(vec![of(
            b::ATTACHMENTS,
            vec![of(b::DELETE, vec![el(b::FILE_REFERENCE, reference)])],
        )]);
        let text = update(&text, &delete, view, &Supported::Nothing).unwrap().text;
        assert_eq!(attachments(&text).len(), 1);
    });
    for nonsense in ["", "event", "event-1-2", "event-00000000000000zz-0000000000000000", "mail-1"]
    {
        assert_eq!(parse_reference(nonsense), None);
    }
}

#[test]
fn bad_values_do_no_harm() {
    for version in VERSIONS {
        let bad = noon(vec![
            el(c::BUSY_STATUS, "9"),
            el(c::SENSITIVITY, "x"),
            el(c::REMINDER, "-5"),
            el(c::MEETING_STATUS, "99"),
            el(c::APPOINTMENT_REPLY_TIME, "yesterday"),
            el(c::DT_STAMP, "no"),
            el(c::RESPONSE_TYPE, "77"),
            of(
                c::ATTENDEES,
                vec![attendee("no address", "x", None), attendee("Ben <ben@b.test>", "Ben", None)],
            ),
            of(c::EXCEPTIONS, vec![of(c::EXCEPTION, vec![])]),
        ]);
        let shown = with(version, |view| shown(&create(&bad, view).unwrap().text, view));
        let people = shown.child(c::ATTENDEES).unwrap();
        assert_eq!(people.children.len(), 1);
        assert_eq!(people.children[0].text_of(c::EMAIL), Some("ben@b.test"));
        assert!(!shown.has(c::REMINDER));
    }
    let unknown = noon(vec![of(c::RECURRENCE, vec![el(c::TYPE, "4")])]);
    assert!(with(Version::V14_1, |view| create(&unknown, view)).is_err());
}

#[test]
fn an_event_without_anything_is_one() {
    for version in VERSIONS {
        let text = with(version, |view| create(&data(vec![]), view)).unwrap();
        assert!(text.uid.ends_with("@office.test"));
        let shown = with(version, |view| shown(&text.text, view));
        assert_eq!(shown.text_of(c::START_TIME), Some("20260501T120000Z"));
        assert_eq!(shown.text_of(c::END_TIME), Some("20260501T123000Z"));
    }
}

proptest! {
    #[test]
    fn any_elements_are_survived(
        parts in prop::collection::vec((5u8..0x3D, "[0-9TZa:.-]{0,18}|1|20260601T120000Z"), 0..12),
        nested in prop::collection::vec((5u8..0x3D, "[0-9]{1,3}|20260601T120000Z|20260603T100000Z"), 0..10),
        version in 0usize..7,
    ) {
        let mut children: Vec<Element> =
            parts.iter().map(|(token, text)| el(Tag::new(4, *token), text)).collect();
        let inner: Vec<Element> =
            nested.iter().map(|(token, text)| el(Tag::new(4, *token), text)).collect();
        children.push(of(c::RECURRENCE, inner.clone()));
        children.push(of(c::EXCEPTIONS, vec![of(c::EXCEPTION, inner.clone())]));
        children.push(of(c::ATTENDEES, vec![of(c::ATTENDEE, inner)]));
        let sent = data(children);
        with(VERSIONS[version], |view| {
            if let Ok(text) = create(&sent, view) {
                shown(&text.text, view);
                let again = update(&text.text, &sent, view, &Supported::Everything);
                if let Ok(again) = again {
                    shown(&again.text, view);
                }
                let _ = update_instance(&text.text, "20260603T100000Z", Some(&sent), view);
            }
        });
    }
}
