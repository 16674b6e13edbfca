//! Whole messages: golden structures, floods, arbitrary bytes, and the corpus where it is there.

use super::*;

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
