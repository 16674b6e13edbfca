//! MS-ASEMAIL: what a phone may change of a message (3.1.5.3), and from 16.0 on write in a draft.
//! All else about mail is the server's, which reads it from the message.

use super::*;
use crate::format::wbxml::Value;
use tags::{email as e, email2 as e2, tasks as k};

/// Elements and when they came (MS-ASEMAIL 2.2.2).
fn knows(version: Version, tag: Tag) -> bool {
    version
        >= match tag {
            e::FLAG | b::ATTACHMENTS => Version::V12_0,
            e::CATEGORIES | e2::LAST_VERB_EXECUTED | e2::LAST_VERB_EXECUTION_TIME => Version::V14_0,
            e2::BCC => Version::V16_0,
            _ => Version::V2_5,
        }
}

/// Flag with all that it may have (MS-ASEMAIL): a usual one, one of odd characters, and
/// one that is done.
fn flag(which: usize) -> Element {
    let words = [("Flag for follow up", "Ask Ben"), (UGLY, UGLY), ("Read", "")][which];
    let mut all = vec![text(e::STATUS, ["2", "2", "1"][which]), text(e::FLAG_TYPE, words.0)];
    all.extend((!words.1.is_empty()).then(|| text(k::SUBJECT, words.1)));
    let dates = [
        (k::START_DATE, "2026-06-01T00:00:00.000Z"),
        (k::UTC_START_DATE, "2026-05-31T22:00:00.000Z"),
        (k::DUE_DATE, "2026-06-02T00:00:00.000Z"),
        (k::UTC_DUE_DATE, "2026-06-01T22:00:00.000Z"),
        (k::REMINDER_TIME, "2026-06-01T07:08:09.000Z"),
        (k::ORDINAL_DATE, "2026-05-25T10:00:00.000Z"),
        (k::SUB_ORDINAL_DATE, "5555555"),
    ];
    all.extend(dates.map(|(tag, value)| text(tag, value)));
    all.push(text(k::REMINDER_SET, ["1", "0", "0"][which]));
    if which == 2 {
        all.push(text(e::COMPLETE_TIME, "2026-06-01T10:11:12.000Z"));
        all.push(text(k::DATE_COMPLETED, "2026-06-01T10:11:12.000Z"));
    }
    tree(e::FLAG, all)
}

/// What a phone of a version may say of a message.
fn marks(version: Version, which: usize) -> Vec<Element> {
    let all = vec![
        text(e::READ, ["1", "0", "1"][which]),
        flag(which),
        list(e::CATEGORIES, e::CATEGORY, &name_lists()[which]),
        text(e2::LAST_VERB_EXECUTED, ["1", "2", "3"][which]),
        text(e2::LAST_VERB_EXECUTION_TIME, "2026-06-01T10:11:12.000Z"),
    ];
    all.into_iter().filter(|each| knows(version, each.tag)).collect()
}

fn differences(data: &[Element], shown: &Element, version: Version) -> Vec<String> {
    let differ = |sent: &Element| match sent.tag {
        e::FLAG => {
            let found = shown.child(e::FLAG);
            let part = |part: &Element| {
                differs(part.tag, part.text(), found.and_then(|it| it.text_of(part.tag)))
            };
            sent.children.iter().filter_map(part).collect()
        }
        e::BODY | b::BODY => {
            let tag = if version == Version::V2_5 { e::BODY } else { b::BODY };
            // Its last line ends in any case (RFC 5322 §2.3).
            let found = shown.child(tag).map(words).map(str::trim_end);
            differs(tag, words(sent).trim_end(), found).into_iter().collect()
        }
        b::ATTACHMENTS => {
            let found = shown.child(b::ATTACHMENTS);
            let of = |file: &Element| {
                let name = file.text_of(b::DISPLAY_NAME);
                let mut all = found.into_iter().flat_map(|all| all.all(b::ATTACHMENT));
                let found = all.find(|it| it.text_of(b::DISPLAY_NAME) == name);
                let request = [b::CLIENT_ID, b::CONTENT, b::CONTENT_TYPE];
                let shown = file.children.iter().filter(|part| !request.contains(&part.tag));
                let part = |part: &Element| {
                    differs(part.tag, part.text(), found.and_then(|it| it.text_of(part.tag)))
                };
                shown.filter_map(part).collect::<Vec<_>>()
            };
            sent.children.iter().flat_map(of).collect::<Vec<_>>()
        }
        tag => differs(tag, &flat(sent), shown.child(tag).map(flat).as_deref())
            .into_iter()
            .collect::<Vec<_>>(),
    };
    data.iter().filter(|sent| knows(version, sent.tag)).flat_map(differ).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mark_of_a_message_has_a_home() {
    let mut faults = Vec::new();
    let office = Office::new();
    let mut fleet = Fleet::of(&office, "1", &VERSIONS).await;
    for (writer, from) in VERSIONS.into_iter().enumerate() {
        for which in 0..3 {
            let id = format!("1:{}", office.deliver("Flags", 0));
            let mut data = marks(from, which);
            for reader in &mut fleet.readers {
                reader.pull("1").await;
            }
            fleet.readers[writer].change("1", vec![(id.clone(), data.clone())]).await;
            for editor in 0..VERSIONS.len() {
                for reader in fleet.readers.iter_mut().filter(|it| it.version() != from) {
                    reader.pull("1").await;
                    let version = reader.version();
                    let some = differences(&data, &reader.shown[&id], version);
                    let way = format!("{from} and {editor} to {version}");
                    faults.extend(some.into_iter().map(|it| format!("{way}: {which} {it}")));
                }
                // Another phone says nothing but that it is read, or not.
                let read = text(e::READ, if (which + editor) % 2 == 0 { "0" } else { "1" });
                data.retain(|each| each.tag != e::READ);
                data.push(read.clone());
                let reader = &mut fleet.readers[editor];
                reader.pull("1").await;
                reader.change("1", vec![(id.clone(), vec![read.clone()])]).await;
                // It is not told of what it did itself.
                let own = &mut reader.shown.get_mut(&id).unwrap().children;
                own.retain(|each| each.tag != e::READ);
                own.push(read);
            }
        }
    }
    none(faults);
}

/// A draft with everything; its subject tells it from others.
fn draft(number: usize, which: usize) -> Vec<Element> {
    let file = |name: &str, more: &[(Tag, &str)]| {
        let mut all = vec![text(b::CLIENT_ID, name), text(b::DISPLAY_NAME, name)];
        all.extend(more.iter().map(|(tag, value)| text(*tag, value)));
        let content = Value::Opaque(Bytes::from_static(b"GIF89a\0\xFF"));
        all.push(Element { value: content, ..Element::new(b::CONTENT) });
        tree(b::ADD, all)
    };
    let inline = [
        (b::CONTENT_TYPE, "image/gif"),
        (b::CONTENT_ID, "picture@phone"),
        (b::IS_INLINE, "1"),
        (b::METHOD, "1"),
    ];
    let people = [
        "\"Ben\" <ben@else.example>, \"Doe, J.\" <j@else.example>".to_owned(),
        format!("\"{}\" <ben@else.example>", "Žoë 🦀: <b>&amp; 'q'; a, b"),
        (0..200).map(|n| format!("\"P {n}\" <p{n}@else.example>")).collect::<Vec<_>>().join(", "),
    ];
    let subject: [String; 3] =
        ["Plan".into(), "Žoë 🦀 <b>&amp;\" 'q'; a, b\\n".into(), "ß🦀".repeat(100)];
    let page = "<html><body><p>One &amp; <b>two</b> 🦀</p></body></html>";
    let body = match which {
        2 => tree(b::BODY, vec![text(b::TYPE, "1"), text(b::DATA, &bodies()[2])]),
        1 => tree(b::BODY, vec![text(b::TYPE, "1"), text(b::DATA, &bodies()[0])]),
        _ => tree(b::BODY, vec![text(b::TYPE, "2"), text(b::DATA, page)]),
    };
    let files = match which {
        0 => vec![file("a, b.gif", &inline), file("c.txt", &[(b::METHOD, "1")])],
        _ => vec![file("Žoë 🦀 \"a\".gif", &[(b::METHOD, "1")])],
    };
    let mut all = vec![
        text(e::TO, &people[which]),
        text(e::CC, &people[which]),
        // Phones take 1,024 characters (Microsoft's schema of Email2).
        text(e2::BCC, &people[which.min(1)]),
        text(e::REPLY_TO, &people[which.min(1)]),
        text(e::SUBJECT, &format!("{number} {}", subject[which])),
        text(e::IMPORTANCE, ["0", "2", "1"][which]),
        body,
        tree(b::ATTACHMENTS, files),
    ];
    all.extend(
        marks(Version::V16_1, which)
            .into_iter()
            .filter(|it| [e::FLAG, e::CATEGORIES].contains(&it.tag)),
    );
    all
}

fn place_of(version: Version) -> usize {
    VERSIONS.iter().position(|each| *each == version).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_of_a_draft_has_a_home() {
    let mut faults = Vec::new();
    let office = Office::new();
    let mut fleet = Fleet::of(&office, "2", &VERSIONS).await;
    let [before, one, other] = [Version::V14_1, Version::V16_0, Version::V16_1].map(place_of);
    for writer in [one, other] {
        let number = |which: usize| writer * 10 + which;
        let case = |which| Case {
            about: format!("{}", number(which)),
            data: draft(number(which), which),
            ..Case::default()
        };
        let mut cases: Vec<Case> = (0..3).map(case).collect();
        fleet.add(writer, cases.clone()).await;
        for editor in [None, Some(one), Some(other), Some(before)] {
            if let Some(editor) = editor {
                let edit = match editor == before {
                    true => text(e::READ, "0"),
                    false => text(e::IMPORTANCE, if editor == one { "2" } else { "0" }),
                };
                let reader = &mut fleet.readers[editor];
                reader.pull("2").await;
                let named = |case: &Case| {
                    let wanted = format!("{} ", case.about);
                    let mut all = reader.shown.iter();
                    let found = all.find(|(_, it)| {
                        it.text_of(e::SUBJECT).is_some_and(|text| text.starts_with(&wanted))
                    });
                    (found.unwrap().0.clone(), vec![edit.clone()])
                };
                let changes: Vec<_> = cases.iter().map(named).collect();
                let change = |(id, data): (String, Vec<Element>)| {
                    tree(t::CHANGE, vec![text(t::SERVER_ID, &id), tree(t::APPLICATION_DATA, data)])
                };
                let changes: Vec<Element> = changes.into_iter().map(change).collect();
                exchange(&mut reader.phone, "2", &changes).await;
                for case in &mut cases {
                    case.data.retain(|each| each.tag != edit.tag);
                    case.data.push(edit.clone());
                }
            }
            for reader in &mut fleet.readers {
                // Anew: what a phone is told of a message that it has is not all of it.
                reader.shown.clear();
                reader.phone.folders.clear();
                exchange(&mut reader.phone, "2", &[]).await;
                reader.pull("2").await;
                let version = reader.version();
                for case in &cases {
                    let way = format!("{writer} and {editor:?} to {version}");
                    let wanted = format!("{} ", case.about);
                    let mut found = reader.shown.values().filter(|it| {
                        it.text_of(e::SUBJECT).is_some_and(|text| text.starts_with(&wanted))
                    });
                    let Some(shown) = found.next() else {
                        faults.push(format!("{way}: {} is lost", case.about));
                        continue;
                    };
                    assert!(found.next().is_none(), "{} is there twice", case.about);
                    // Of HTML who asks for nothing is shown the text.
                    let html = |it: &&Element| it.text_of(b::TYPE) == Some("2");
                    let data: Vec<Element> =
                        case.data.iter().filter(|it| !html(it)).cloned().collect();
                    let some = differences(&data, shown, version);
                    faults.extend(some.into_iter().map(|it| format!("{way}: {} {it}", case.about)));
                }
            }
        }
    }
    none(faults);
}
