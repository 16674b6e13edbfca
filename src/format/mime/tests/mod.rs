//! Whole messages: golden structures, floods, arbitrary bytes, and the corpus where it is there.

use super::*;

mod arbitrary;
mod corpus;
mod floods;
mod golden;
mod strict;

/// Everything that must hold of any message whatever; returns the record.
fn check(prefix: &[u8], raw: &[u8]) -> Vec<u8> {
    let record = Record::build(prefix, raw);
    assert!(record.len() < 80_000);
    let view = RecordView::parse(&record).unwrap();
    let tree = scan(raw);
    check_places(raw, &tree);
    check_structure(prefix, raw, &view, &tree);
    check_headers(prefix, raw, &view);
    assert!(view.preview().chars().count() <= 200 && !view.preview().contains(['\r', '\n']));
    assert!(!view.subject().contains(['\r', '\n']));
    assert!(view.subject().contains(view.base_subject()));
    for id in view.references().chain(view.message_id()).chain(view.in_reply_to()) {
        assert!(!id.is_empty() && !id.contains(['\r', '\n', '\0']));
    }
    let names: Vec<&str> = view.attachment_names().collect();
    assert!(
        names.iter().all(|name| !name.is_empty()) && (names.is_empty() || view.has_attachment())
    );
    search_text(prefix, raw);
    Submission::read(raw);
    record
}

/// Children lie inside their parents, in order, and nothing lies outside of the message.
fn check_places(raw: &[u8], tree: &Tree) {
    for (id, entity) in tree.entities.iter().enumerate() {
        assert!(entity.header.start <= entity.header.end && entity.header.end == entity.body.start);
        assert!(entity.body.start <= entity.body.end && entity.body.end <= raw.len());
        let mut at = entity.body.start;
        for child in &entity.children {
            let child = &tree.entities[*child];
            assert_eq!((child.parent, child.depth), (Some(id), entity.depth + 1));
            assert!(child.header.start >= at && child.body.end <= entity.body.end.max(at));
            at = child.body.end;
        }
        assert_eq!(
            entity.children.is_empty(),
            !matches!(entity.kind, Kind::Multipart | Kind::Message)
        );
        assert!(entity.kind != Kind::Message || entity.children.len() == 1);
    }
}

/// A strict client understands the structure, and each part that it names has the size it says.
fn check_structure(prefix: &[u8], raw: &[u8], view: &RecordView<'_>, tree: &Tree) {
    let header = view.header_len() as usize;
    assert_eq!(header, header_len(raw));
    assert_eq!(view.size(), (view.prefix().len() + raw.len()) as u64);
    let own = envelope(view.prefix(), &raw[..header]);
    strict::envelope(&own);
    assert!(view.envelope().is_none_or(|kept| kept == own));
    let full = body_structure(raw, Form::Extended);
    let parts = strict::body(&full, Form::Extended);
    let basic = body_structure(raw, Form::Basic);
    assert_eq!(strict::body(&basic, Form::Basic), parts);
    assert!(view.bodystructure().is_none_or(|kept| kept == full));
    assert!(view.body().is_none_or(|kept| kept == basic));
    for (path, size) in parts.iter().take(300) {
        let part = Part::find_in(tree, path).unwrap();
        assert_eq!(part.body.len(), *size, "{path:?}");
        assert!(view.parts_need_raw() || view.part(path) == Some(part));
        let _ = part.decode(part.body.of(raw));
    }
    let _ = prefix;
}

/// The record's answer for header fields is the one that the whole header gives.
fn check_headers(prefix: &[u8], raw: &[u8], view: &RecordView<'_>) {
    let sets: [&[&str]; 3] = [
        &["From", "to", "CC", "Subject", "Date", "Message-ID", "References", "Return-Path"],
        &["Content-Type", "Content-Transfer-Encoding", "x-priority"],
        &[],
    ];
    for names in sets {
        let set = FieldSet::new(names);
        let (mut kept, mut own) = (Vec::new(), Vec::new());
        let known = view.header_fields(&set, &mut kept);
        select_fields(view.prefix(), &raw[..header_len(raw)], &set, Except::No, &mut own);
        assert!(if known { kept == own } else { kept.is_empty() });
    }
    assert!(prefix.starts_with(view.prefix()));
}

const MULTI_LEVEL: &str = "From: a@x.test\r\nContent-Type: multipart/mixed; boundary=0\r\n\r\npreamble\r\n\
--0\r\nContent-Type: text/plain\r\n\r\none\r\n\
--0\r\nContent-Type: application/octet-stream\r\n\r\ntwo\r\n\
--0\r\nContent-Type: message/rfc822\r\n\r\n\
From: b@x.test\r\nSubject: three\r\nContent-Type: multipart/mixed; boundary=3\r\n\r\n\
--3\r\nContent-Type: text/plain\r\n\r\n3.1\r\n\
--3\r\nContent-Type: application/octet-stream\r\n\r\n3.2\r\n--3--\r\n\
--0\r\nContent-Type: multipart/mixed; boundary=4\r\n\r\n\
--4\r\nContent-Type: image/gif\r\nContent-ID: <4.1>\r\n\r\n4.1\r\n\
--4\r\nContent-Type: message/rfc822\r\n\r\n\
From: c@x.test\r\nSubject: 4.2\r\nContent-Type: multipart/mixed; boundary=42\r\n\r\n\
--42\r\nContent-Type: text/plain\r\n\r\n4.2.1\r\n\
--42\r\nContent-Type: multipart/alternative; boundary=422\r\n\r\n\
--422\r\nContent-Type: text/plain\r\n\r\n4.2.2.1\r\n\
--422\r\nContent-Type: text/richtext\r\n\r\n4.2.2.2\r\n--422--\r\n--42--\r\n--4--\r\n--0--\r\nepilogue\r\n";

/// RFC 9051 §6.4.5.1: the example of section numbers.
#[test]
fn section_numbers_follow_the_standard() {
    let raw = MULTI_LEVEL.as_bytes();
    let record = Record::build(b"", raw);
    let view = RecordView::parse(&record).unwrap();
    let tree = scan(raw);
    for path in
        [&[1][..], &[2], &[3, 1], &[3, 2], &[4, 1], &[4, 2, 1], &[4, 2, 2, 1], &[4, 2, 2, 2]]
    {
        let part = view.part(path).unwrap();
        let name = path.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        let body = String::from_utf8_lossy(part.body.of(raw)).into_owned();
        let words = [("1", "one"), ("2", "two")];
        let expected =
            words.iter().find(|(n, _)| *n == name).map_or(name.as_str(), |(_, word)| word);
        assert_eq!(body, expected);
        assert_eq!(Part::find_in(&tree, path), Some(part));
    }
    for path in [&[0][..], &[5], &[1, 1], &[3, 3], &[3, 1, 1], &[4, 3], &[4, 2, 2, 3]] {
        assert_eq!(view.part(path), None, "{path:?}");
        assert_eq!(Part::find_in(&tree, path), None, "{path:?}");
    }
    let nested = view.part(&[4, 2]).unwrap();
    let (header, text) = nested.message.unwrap();
    assert!(
        header.of(raw).starts_with(b"From: c@x.test\r\n") && header.of(raw).ends_with(b"\r\n\r\n")
    );
    assert!(text.of(raw).starts_with(b"--42\r\n") && text.of(raw).ends_with(b"--42--"));
    assert_eq!(nested.mime.of(raw), b"Content-Type: message/rfc822\r\n\r\n");
    assert_eq!(view.part(&[1]).unwrap().message, None);
}
