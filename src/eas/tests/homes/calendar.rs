//! MS-ASCAL: the page Calendar, and what of AirSyncBase belongs to events.

use super::*;
use crate::format::tz;
use crate::format::wbxml::Value;
use tags::calendar as c;
use tags::meeting_response as m;

/// What holds other elements or is one of them; the instances have a table of their own.
const PARTS: [Tag; 4] = [c::CATEGORY, c::EXCEPTION, c::EXCEPTION_START_TIME, c::DELETED];

/// No phone's to write: BodyTruncated is the server's, RTF no type that a phone may send
/// (MS-ASAIRS 2.2.2.41.1); the rest no version uses.
const SERVER_ONLY: [Tag; 10] = [
    c::BODY_TRUNCATED,
    c::COMPRESSED_RTF,
    c::ATTACHMENT,
    c::ATTACHMENTS,
    c::ATT_NAME,
    c::ATT_SIZE,
    c::ATT_OID,
    c::ATT_METHOD,
    c::ATT_REMOVED,
    c::DISPLAY_NAME,
];

/// From 16.0 on no phone's either: the server has its own (MS-ASCAL 2.2.2.18, 2.2.2.35,
/// 2.2.2.36, 2.2.2.46; of AppointmentReplyTime and ResponseType 2.2.2.2, 2.2.2.40).
const SERVER_ONLY_LATER: [Tag; 7] = [
    c::DT_STAMP,
    c::ORGANIZER_NAME,
    c::ORGANIZER_EMAIL,
    c::UID,
    c::APPOINTMENT_REPLY_TIME,
    c::RESPONSE_TYPE,
    c::RECURRENCE,
];

/// Elements and when they came (MS-ASCAL 2.2.2).
fn knows(version: Version, tag: Tag) -> bool {
    version
        >= match tag {
            c::ATTENDEE_STATUS | c::ATTENDEE_TYPE => Version::V12_0,
            c::DISALLOW_NEW_TIME_PROPOSAL
            | c::RESPONSE_REQUESTED
            | c::APPOINTMENT_REPLY_TIME
            | c::RESPONSE_TYPE
            | c::CALENDAR_TYPE
            | c::IS_LEAP_MONTH => Version::V14_0,
            c::FIRST_DAY_OF_WEEK
            | c::ONLINE_MEETING_CONF_LINK
            | c::ONLINE_MEETING_EXTERNAL_LINK => Version::V14_1,
            b::ATTACHMENTS => Version::V16_0,
            m::PROPOSED_START_TIME | m::PROPOSED_END_TIME => Version::V16_1,
            _ => Version::V2_5,
        }
}

/// What phones are told of one instance: people only from 14.0 on (MS-ASCAL 2.2.2.21).
fn knows_of_instance(version: Version, tag: Tag) -> bool {
    knows(version, tag) && (tag != c::ATTENDEES || version >= Version::V14_0)
}

fn blob(name: &str) -> String {
    tz::write_blob(&tz::Rules::of(&tz::by_name(name).unwrap(), 2026), "")
}

fn place(version: Version, which: usize) -> Element {
    let name = ["Café, 2nd floor".into(), format!("{UGLY}\nHof"), "ß🦀".repeat(120)];
    if version < Version::V16_0 {
        return text(c::LOCATION, &name[which]);
    }
    let parts = [
        (b::ANNOTATION, ["by the stairs", UGLY, "x"]),
        (b::STREET, ["Weg 1; links", UGLY, "Straße"]),
        (b::CITY, ["Köln", UGLY, "Y"]),
        (b::STATE, ["NRW", UGLY, "Z"]),
        (b::COUNTRY, ["Germany", UGLY, "ÅÄÖ"]),
        (b::POSTAL_CODE, ["50667", UGLY, "SW1A 1AA"]),
        (b::LATITUDE, ["50.94", "-89.999999", "0"]),
        (b::LONGITUDE, ["6.96", "-179.999999", "0"]),
        (b::ACCURACY, ["10", "0.5", "NaN"]),
        (b::ALTITUDE, ["53", "-1.25", "8848"]),
        (b::ALTITUDE_ACCURACY, ["5", "0.1", "1"]),
        (b::LOCATION_URI, ["https://maps.test/?q=1,2", "urn:žoë;\"x\"^'n", "geo:0,0"]),
    ];
    let mut all = vec![text(b::DISPLAY_NAME, &name[which])];
    all.extend(parts.map(|(tag, values)| text(tag, values[which])));
    tree(b::LOCATION, all)
}

fn attendee(version: Version, email: &str, name: &str, status: &str, kind: &str) -> Element {
    let mut all = vec![text(c::EMAIL, email), text(c::NAME, name)];
    if knows(version, c::ATTENDEE_STATUS) {
        all.extend([text(c::ATTENDEE_STATUS, status), text(c::ATTENDEE_TYPE, kind)]);
    }
    tree(c::ATTENDEE, all)
}

fn attendees(version: Version, which: usize) -> Element {
    let long = "Ü".repeat(200);
    let all = match which {
        0 => vec![
            attendee(version, "ben@else.example", "Ben", "3", "1"),
            attendee(version, "cy@else.example", "Cy", "2", "2"),
            attendee(version, "dee@else.example", "Dee", "4", "1"),
            attendee(version, "eve@else.example", "eve@else.example", "5", "1"),
            attendee(version, "room@else.example", "Room: 4; \"big\"", "5", "3"),
        ],
        1 => vec![attendee(version, "žoë+x'y@exämple.test", UGLY, "5", "2")],
        _ => vec![attendee(version, &format!("{}@else.example", "a".repeat(60)), &long, "5", "1")],
    };
    tree(c::ATTENDEES, all)
}

fn files(which: usize) -> Element {
    let file = |id: &str, name: &str, content: &'static [u8], more: &[(Tag, &str)]| {
        let mut all = vec![text(b::CLIENT_ID, id), text(b::DISPLAY_NAME, name)];
        all.extend(more.iter().map(|(tag, value)| text(*tag, value)));
        let content = Value::Opaque(Bytes::from_static(content));
        all.push(Element { value: content, ..Element::new(b::CONTENT) });
        tree(b::ADD, all)
    };
    let picture = [
        (b::CONTENT_TYPE, "image/gif"),
        (b::CONTENT_ID, "žoë;1@x"),
        (b::CONTENT_LOCATION, "https://a.test/x,y.gif"),
        (b::IS_INLINE, "1"),
        (b::METHOD, "1"),
    ];
    let all = match which {
        0 => vec![file("1", "plan.txt", b"hello", &[(b::CONTENT_TYPE, "text/plain")])],
        1 => vec![file("1", "Žoë 🦀; \"a\", b^n: c.gif", b"GIF89a\0\xFF", &picture)],
        _ => vec![file("1", "mail.eml", b"Subject: x\r\n\r\n", &[(b::METHOD, "5")])],
    };
    tree(b::ATTACHMENTS, all)
}

/// All that one event may have beside its times, each together with what belongs to it.
fn parts(version: Version, which: usize) -> Vec<Vec<Element>> {
    let subject = ["Lunch".into(), UGLY.into(), "ß🦀".repeat(120)];
    let link = ["conf:sip:a@b.test;x", "conf:sip:žoë@b.test;<x>\"^", "https://a.test/"];
    let busiest = if version >= Version::V16_0 { "4" } else { "0" };
    let mut meeting =
        vec![attendees(version, which), text(c::MEETING_STATUS, ["1", "1", "5"][which])];
    let mut all = vec![
        vec![text(c::SUBJECT, &subject[which])],
        vec![place(version, which)],
        vec![body_of(version, c::BODY, &bodies()[which])],
        vec![text(c::BUSY_STATUS, ["3", "1", busiest][which])],
        vec![text(c::SENSITIVITY, ["1", "2", "3"][which])],
        vec![text(c::REMINDER, ["45", "0", "40320"][which])],
        vec![list(c::CATEGORIES, c::CATEGORY, &name_lists()[which])],
    ];
    if version >= Version::V14_0 {
        meeting.push(text(c::RESPONSE_REQUESTED, ["1", "0", "1"][which]));
        all.push(vec![text(c::DISALLOW_NEW_TIME_PROPOSAL, ["1", "0", "1"][which])]);
    }
    if version >= Version::V14_1 {
        all.push(vec![text(c::ONLINE_MEETING_CONF_LINK, link[which])]);
        all.push(vec![text(c::ONLINE_MEETING_EXTERNAL_LINK, link[which])]);
    }
    if version >= Version::V16_0 {
        all.push(vec![files(which)]);
    } else {
        let name = ["Anna", UGLY, "Ü"];
        meeting.push(text(c::ORGANIZER_NAME, name[which]));
        meeting.push(text(c::ORGANIZER_EMAIL, "anna@office.example"));
    }
    all.push(meeting);
    all
}

/// Somebody else's meeting, which a phone up to 14.1 writes where it takes it from a mail.
fn invitation(version: Version) -> Vec<Element> {
    let people = vec![
        attendee(version, "anna@office.example", "Anna", "3", "1"),
        attendee(version, "ben@else.example", "Ben", "5", "2"),
    ];
    let mut all = vec![
        text(c::ORGANIZER_NAME, "Žoë; \"Boss\""),
        text(c::ORGANIZER_EMAIL, "boss@else.example"),
        text(c::MEETING_STATUS, "3"),
        tree(c::ATTENDEES, people),
    ];
    if version >= Version::V14_0 {
        all.push(text(c::RESPONSE_TYPE, "3"));
        all.push(text(c::APPOINTMENT_REPLY_TIME, "20260502T080910Z"));
        all.push(text(c::RESPONSE_REQUESTED, "1"));
    }
    all
}

/// Every type of recurrence with all that it may have (MS-ASCAL 2.2.2.37).
fn recurrences(version: Version) -> Vec<Element> {
    let all: [&[(Tag, &str)]; 15] = [
        &[(c::TYPE, "0"), (c::INTERVAL, "3"), (c::OCCURRENCES, "10")],
        &[(c::TYPE, "0"), (c::INTERVAL, "999"), (c::UNTIL, "20280630T100000Z")],
        &[(c::TYPE, "0"), (c::INTERVAL, "1"), (c::UNTIL, "20280630T235959Z")],
        &[
            (c::TYPE, "1"),
            (c::INTERVAL, "2"),
            (c::DAY_OF_WEEK, "42"),
            (c::FIRST_DAY_OF_WEEK, "0"),
            (c::OCCURRENCES, "999"),
        ],
        &[(c::TYPE, "1"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "127"), (c::FIRST_DAY_OF_WEEK, "6")],
        &[(c::TYPE, "1"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "2"), (c::FIRST_DAY_OF_WEEK, "1")],
        &[(c::TYPE, "2"), (c::INTERVAL, "1"), (c::DAY_OF_MONTH, "31"), (c::CALENDAR_TYPE, "1")],
        &[(c::TYPE, "2"), (c::INTERVAL, "2"), (c::DAY_OF_MONTH, "1"), (c::CALENDAR_TYPE, "14")],
        &[
            (c::TYPE, "3"),
            (c::INTERVAL, "12"),
            (c::DAY_OF_WEEK, "62"),
            (c::WEEK_OF_MONTH, "5"),
            (c::CALENDAR_TYPE, "2"),
        ],
        &[(c::TYPE, "3"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "127"), (c::WEEK_OF_MONTH, "5")],
        &[(c::TYPE, "3"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "127"), (c::WEEK_OF_MONTH, "2")],
        &[(c::TYPE, "3"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "65"), (c::WEEK_OF_MONTH, "2")],
        &[
            (c::TYPE, "5"),
            (c::INTERVAL, "1"),
            (c::DAY_OF_MONTH, "29"),
            (c::MONTH_OF_YEAR, "2"),
            (c::CALENDAR_TYPE, "15"),
            (c::IS_LEAP_MONTH, "1"),
        ],
        &[
            (c::TYPE, "5"),
            (c::INTERVAL, "4"),
            (c::DAY_OF_MONTH, "29"),
            (c::MONTH_OF_YEAR, "2"),
            (c::IS_LEAP_MONTH, "0"),
            (c::OCCURRENCES, "1"),
        ],
        &[
            (c::TYPE, "6"),
            (c::INTERVAL, "1"),
            (c::DAY_OF_WEEK, "16"),
            (c::WEEK_OF_MONTH, "4"),
            (c::MONTH_OF_YEAR, "11"),
            (c::CALENDAR_TYPE, "8"),
        ],
    ];
    let one = |parts: &&[(Tag, &str)]| {
        let known = parts.iter().filter(|(tag, _)| knows(version, *tag));
        tree(c::RECURRENCE, known.map(|(tag, value)| text(*tag, value)).collect())
    };
    all.iter().map(one).collect()
}

/// An event with its times and nothing else.
fn bare(version: Version, about: &str) -> Vec<Element> {
    let uid = format!("{version}/{about}");
    let mut all = vec![
        text(c::START_TIME, "20260601T120000Z"),
        text(c::END_TIME, "20260601T133000Z"),
        text(c::TIMEZONE, &blob("Europe/Berlin")),
        text(c::ALL_DAY_EVENT, "0"),
    ];
    match version >= Version::V16_0 {
        true => all.push(text(c::CLIENT_UID, &uid)),
        false => {
            all.extend([text(c::UID, &uid), text(c::DT_STAMP, "20260430T101112Z")]);
        }
    }
    all
}

/// The bare event with more, in place of what it had of the same.
fn event(version: Version, about: String, more: Vec<Element>) -> Case {
    let mut data = bare(version, &about);
    data.retain(|each| more.iter().all(|new| new.tag != each.tag));
    data.extend(more);
    Case { about, data, ..Case::default() }
}

fn all_day(version: Version) -> Vec<Element> {
    let mut all = vec![
        text(c::START_TIME, "20260601T000000Z"),
        text(c::END_TIME, "20260603T000000Z"),
        text(c::ALL_DAY_EVENT, "1"),
        text(c::TIMEZONE, &tz::write_blob(&tz::Rules::UTC, "")),
    ];
    if version >= Version::V16_0 {
        // Days stand in no zone there (MS-ASCAL 2.2.2.1).
        all.retain(|each| each.tag != c::TIMEZONE);
    }
    all
}

/// A series of Mondays with one instance for each element that an instance may have of its own
/// (MS-ASCAL 2.2.2.21).
fn series(version: Version, which: usize, days: bool) -> Case {
    let about = format!("series {which}, days: {days}");
    let rule = [(c::TYPE, "1"), (c::INTERVAL, "1"), (c::DAY_OF_WEEK, "2")];
    let rule = tree(c::RECURRENCE, rule.map(|(tag, value)| text(tag, value)).to_vec());
    let mut case = event(version, about, vec![rule, text(c::SUBJECT, "Weekly")]);
    if days {
        let day = all_day(version);
        case.data.retain(|each| {
            ![c::START_TIME, c::END_TIME, c::ALL_DAY_EVENT, c::TIMEZONE].contains(&each.tag)
        });
        case.data.extend(day);
    }
    let mut own: Vec<Vec<Element>> = parts(version, which)
        .into_iter()
        .map(|mut some| {
            let of_series = [
                c::DISALLOW_NEW_TIME_PROPOSAL,
                c::RESPONSE_REQUESTED,
                c::ORGANIZER_EMAIL,
                c::ORGANIZER_NAME,
            ];
            some.retain(|each| {
                !of_series.contains(&each.tag) && knows_of_instance(version, each.tag)
            });
            some
        })
        .collect();
    if version >= Version::V14_0 && version < Version::V16_0 {
        own.push(vec![
            text(c::RESPONSE_TYPE, "3"),
            text(c::APPOINTMENT_REPLY_TIME, "20260502T080910Z"),
        ]);
    }
    own.retain(|some| !some.is_empty());
    own.push(own.concat());
    own.push(vec![text(c::DELETED, "1")]);
    let moved = match days {
        true => [("%day%T000000Z", "%next%T000000Z")],
        false => [("%day%T150000Z", "%day%T160000Z")],
    };
    own.push(
        moved
            .iter()
            .flat_map(|(from, to)| [text(c::START_TIME, from), text(c::END_TIME, to)])
            .collect(),
    );
    let first = jiff::civil::date(2026, 6, 8);
    for (week, mut some) in own.into_iter().enumerate() {
        let day = first.saturating_add(jiff::Span::new().weeks(week as i64));
        let start =
            day.strftime(if days { "%Y%m%dT000000Z" } else { "%Y%m%dT120000Z" }).to_string();
        let next = day.tomorrow().unwrap().strftime("%Y%m%d").to_string();
        for each in &mut some {
            if each.text().contains('%') && [c::START_TIME, c::END_TIME].contains(&each.tag) {
                let day = day.strftime("%Y%m%d").to_string();
                *each =
                    text(each.tag, &each.text().replace("%day%", &day).replace("%next%", &next));
            }
        }
        case.instances.push((start, some));
    }
    if version < Version::V16_0 {
        let one = |(start, some): &(String, Vec<Element>)| {
            let id = text(c::EXCEPTION_START_TIME, start);
            tree(c::EXCEPTION, [id].into_iter().chain(some.iter().cloned()).collect())
        };
        let all = case.instances.iter().map(one).collect();
        case.data.push(tree(c::EXCEPTIONS, all));
    }
    case.whole = true;
    case
}

fn cases(version: Version) -> Vec<Case> {
    let mut cases = vec![event(version, "bare".into(), vec![])];
    for which in 0..3 {
        let all = parts(version, which);
        for some in &all {
            cases.push(event(version, format!("{} {which} alone", some[0].tag), some.clone()));
        }
        let whole = event(version, format!("everything {which}"), all.concat());
        cases.push(Case { whole: true, ..whole });
        cases.push(series(version, which, false));
    }
    cases.push(series(version, 0, true));
    for (number, rule) in recurrences(version).into_iter().enumerate() {
        cases.push(event(version, format!("recurrence {number}"), vec![rule]));
    }
    cases.push(event(version, "days".into(), all_day(version)));
    for zone in ["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"] {
        cases.push(event(version, zone.into(), vec![text(c::TIMEZONE, &blob(zone))]));
    }
    let nowhere = tz::Rules { standard: tz::Rules::UTC.standard + 17 * 60, ..tz::Rules::UTC };
    cases.push(event(
        version,
        "nowhere".into(),
        vec![text(c::TIMEZONE, &tz::write_blob(&nowhere, ""))],
    ));
    for status in ["0", "1", "3", "5", "7"] {
        cases.push(event(
            version,
            format!("status {status}"),
            vec![text(c::MEETING_STATUS, status)],
        ));
    }
    for busy in ["0", "1", "2", "3"] {
        cases.push(event(version, format!("busy {busy}"), vec![text(c::BUSY_STATUS, busy)]));
    }
    if version < Version::V16_0 {
        let case = event(version, "invitation".into(), invitation(version));
        cases.push(Case { whole: true, ..case });
    }
    cases
}

fn differences(case: &Case, shown: &Element, version: Version) -> Vec<String> {
    let data: Vec<&Element> = case.data.iter().filter(|sent| knows(version, sent.tag)).collect();
    let days = data.iter().any(|sent| sent.tag == c::ALL_DAY_EVENT && sent.text() == "1");
    let mut all: Vec<String> = data
        .iter()
        .filter(|sent| sent.tag != c::EXCEPTIONS && !(days && sent.tag == c::TIMEZONE))
        .flat_map(|sent| differ(sent, &|tag| shown.child(tag), version))
        .collect();
    let exceptions = shown.child(c::EXCEPTIONS);
    for (start, data) in &case.instances {
        let tag = if version >= Version::V16_0 { b::INSTANCE_ID } else { c::EXCEPTION_START_TIME };
        let mut exceptions = exceptions.into_iter().flat_map(|all| all.all(c::EXCEPTION));
        let Some(found) = exceptions.find(|each| each.text_of(tag) == Some(start)) else {
            // One that is as the series is now is none.
            all.push(format!("the instance {start} with {:?} is lost", data[0].tag));
            continue;
        };
        for sent in data.iter().filter(|sent| knows_of_instance(version, sent.tag)) {
            let find = |tag| found.child(tag).or_else(|| shown.child(tag));
            let some = differ(sent, &find, version);
            all.extend(some.into_iter().map(|each| format!("instance {start}: {each}")));
        }
    }
    all
}

/// How one element differs from what it was.
fn differ<'e>(
    sent: &Element,
    shown: &dyn Fn(Tag) -> Option<&'e Element>,
    version: Version,
) -> Vec<String> {
    let one = |tag, wanted: &str| differs(tag, wanted, shown(tag).map(flat).as_deref());
    let parts = |found: Option<&Element>| {
        let known = sent.children.iter().filter(|part| knows(version, part.tag));
        let part = |part: &Element| {
            differs(part.tag, part.text(), found.and_then(|found| found.text_of(part.tag)))
        };
        known.filter_map(part).collect::<Vec<_>>()
    };
    match sent.tag {
        c::CLIENT_UID | c::UID => one(c::UID, sent.text()).into_iter().collect(),
        c::TIMEZONE => {
            let rules = |element: &Element| format!("{:?}", tz::read_blob(element.text()));
            let found = shown(c::TIMEZONE).map(rules);
            differs(c::TIMEZONE, &rules(sent), found.as_deref()).into_iter().collect()
        }
        c::BODY | b::BODY => {
            let tag = if version == Version::V2_5 { c::BODY } else { b::BODY };
            differs(tag, words(sent), shown(tag).map(words)).into_iter().collect()
        }
        c::LOCATION | b::LOCATION => {
            let name = sent.text_of(b::DISPLAY_NAME).unwrap_or(sent.text());
            if version < Version::V16_0 {
                return one(c::LOCATION, name).into_iter().collect();
            }
            match sent.children.is_empty() {
                true => {
                    let found = shown(b::LOCATION).and_then(|it| it.text_of(b::DISPLAY_NAME));
                    differs(c::LOCATION, name, found).into_iter().collect()
                }
                false => parts(shown(b::LOCATION)),
            }
        }
        // Nobody worked elsewhere before 16.0 (MS-ASCAL 2.2.2.9).
        c::BUSY_STATUS if sent.text() == "4" && version < Version::V16_0 => {
            one(c::BUSY_STATUS, "0").into_iter().collect()
        }
        c::RECURRENCE => parts(shown(c::RECURRENCE)),
        c::ATTENDEES => {
            let found = shown(c::ATTENDEES);
            let of = |attendee: &Element| {
                let email = attendee.text_of(c::EMAIL);
                let mut all = found.into_iter().flat_map(|all| all.all(c::ATTENDEE));
                let found = all.find(|it| it.text_of(c::EMAIL) == email);
                let known = attendee.children.iter().filter(|part| knows(version, part.tag));
                let part = |part: &Element| {
                    differs(part.tag, part.text(), found.and_then(|it| it.text_of(part.tag)))
                };
                known.filter_map(part).collect::<Vec<_>>()
            };
            sent.children.iter().flat_map(of).collect()
        }
        b::ATTACHMENTS => {
            let found = shown(b::ATTACHMENTS);
            let of = |file: &Element| {
                let found = found.and_then(|all| {
                    all.all(b::ATTACHMENT)
                        .find(|it| it.text_of(b::CLIENT_ID) == file.text_of(b::CLIENT_ID))
                });
                // Its type is not shown in a list (MS-ASAIRS 2.2.2.8).
                let known = file
                    .children
                    .iter()
                    .filter(|part| ![b::CONTENT, b::CONTENT_TYPE].contains(&part.tag));
                let part = |part: &Element| {
                    differs(part.tag, part.text(), found.and_then(|it| it.text_of(part.tag)))
                };
                known.filter_map(part).collect::<Vec<_>>()
            };
            sent.all(b::ADD).flat_map(of).collect()
        }
        tag => one(tag, &flat(sent)).into_iter().collect(),
    }
}

/// Up to 14.1 phones send the whole event, and from 16.0 on the change; some send more.
fn sends(shown: &Element, version: Version, edit: Element) -> Vec<Element> {
    if version >= Version::V16_1 {
        return vec![edit];
    }
    let out = |tag: Tag| {
        let later = version >= Version::V16_0;
        tag == edit.tag
            || tag == b::NATIVE_BODY_TYPE
            || later && SERVER_ONLY_LATER.contains(&tag)
            || later && [b::ATTACHMENTS, c::EXCEPTIONS].contains(&tag)
    };
    let rest = shown.children.iter().filter(|each| !out(each.tag));
    rest.cloned().chain([edit.clone()]).collect()
}

#[test]
fn the_table_is_whole() {
    let mut known: Vec<Tag> = Vec::new();
    for version in VERSIONS {
        for case in cases(version) {
            let instances = case.instances.into_iter().flat_map(|(_, data)| data);
            for element in case.data.into_iter().chain(instances) {
                known.push(element.tag);
                for child in &element.children {
                    known.push(child.tag);
                    known.extend(child.children.iter().map(|child| child.tag));
                }
            }
        }
    }
    known.extend(PARTS.iter().chain(&SERVER_ONLY));
    let missing: Vec<Tag> = page(4).filter(|tag| !known.contains(tag)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_of_an_event_has_a_home() {
    let class = Class {
        kind: CollectionKind::Calendar,
        versions: &VERSIONS,
        cases,
        differences,
        edit: |round| text(c::REMINDER, &(60 + round).to_string()),
        sends,
    };
    class.goes_round().await;
}
