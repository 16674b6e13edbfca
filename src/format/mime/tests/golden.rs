//! Real messages and those of the standards, with the answers they must give.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;

/// Everything that a record says of a message, for people to read and compare.
fn answers(raw: &[u8]) -> String {
    let record = check(b"", raw);
    let view = RecordView::parse(&record).unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
    let mut out = String::new();
    let _ = writeln!(out, "ENVELOPE {}", text(view.envelope()));
    let _ = writeln!(out, "BODYSTRUCTURE {}", text(view.bodystructure()));
    let _ = writeln!(out, "date {:?}", view.sent());
    let _ = writeln!(out, "subject {:?}", view.subject());
    let _ = writeln!(out, "base subject {:?} reply {}", view.base_subject(), view.is_reply());
    let _ = writeln!(out, "from {:?} {:?}", view.from_mailbox(), view.display_from());
    let _ = writeln!(
        out,
        "to {:?} {:?} cc {:?}",
        view.to_mailbox(),
        view.display_to(),
        view.cc_mailbox()
    );
    let _ = writeln!(
        out,
        "id {:?} references {:?}",
        view.message_id(),
        view.references().collect::<Vec<_>>()
    );
    let _ = writeln!(out, "preview {:?}", view.preview());
    let names: Vec<&str> = view.attachment_names().collect();
    let _ = writeln!(out, "attachments {} {names:?}", view.has_attachment());
    out.replace('\r', "")
}

#[test]
fn real_messages_give_the_answers_beside_them() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/mime");
    let mut seen = 0;
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let ours = answers(&std::fs::read(&path).unwrap());
        let beside = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&beside, &ours).unwrap();
        }
        assert_eq!(ours, std::fs::read_to_string(&beside).unwrap(), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 10);
}

fn structure(raw: &str) -> String {
    check(b"", raw.as_bytes());
    String::from_utf8(body_structure(raw.as_bytes(), Form::Basic)).unwrap()
}

/// `lines` lines of `octets` octets in all.
fn filler(octets: usize, lines: usize) -> String {
    let mut text = "x\r\n".repeat(lines - 1);
    text.push_str(&"y".repeat(octets - text.len() - 2));
    text + "\r\n"
}

/// RFC 9051 §7.5.2 and §8 (RFC 3501 §7.4.2): the examples of BODY.
#[test]
fn the_structures_of_the_standard() {
    let plain =
        "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\nContent-Transfer-Encoding: 7BIT\r\n\r\n";
    assert_eq!(
        structure(&format!("{plain}{}", filler(2279, 48))),
        r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2279 48)"#
    );
    let raw = format!(
        "Content-Type: MULTIPART/MIXED; BOUNDARY=b\r\n\r\n--b\r\n{plain}{}\r\n--b\r\n\
         Content-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=\"cc.diff\"\r\n\
         Content-ID: <960723163407.20117h@cac.washington.edu>\r\n\
         Content-Description: Compiler diff\r\nContent-Transfer-Encoding: BASE64\r\n\r\n{}\r\n--b--\r\n",
        filler(1152, 23),
        filler(4554, 73),
    );
    assert_eq!(
        structure(&raw),
        "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)\
         (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") \
         \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4554 73) \"MIXED\")"
    );
}

const EMPTY_TEXT: &str = r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)"#;
const NO_ENVELOPE: &str = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";

/// What has crashed mail programs: multiparts that are none, messages that are none.
#[test]
fn unusable_structures_become_usable_ones() {
    let text = |octets: usize, lines: usize| {
        format!(r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" {octets} {lines})"#)
    };
    assert_eq!(structure(""), EMPTY_TEXT);
    assert_eq!(structure("\r\n"), EMPTY_TEXT);
    assert_eq!(structure("Subject: no body"), EMPTY_TEXT);
    assert_eq!(structure("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n"), text(10, 3));
    assert_eq!(
        structure("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx\r\n"),
        text(9, 3)
    );
    assert_eq!(structure("Content-Type: multipart/mixed; boundary=b\r\n\r\n"), EMPTY_TEXT);
    assert_eq!(structure("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n"), text(7, 1));
    assert_eq!(structure("Content-Type: multipart/mixed; boundary=b\r\n\r\ntext\r\n"), text(6, 1));
    // A boundary and then nothing: one part that is empty.
    assert_eq!(
        structure("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"),
        format!("({EMPTY_TEXT} \"mixed\")")
    );
    assert_eq!(
        structure("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\n--b--"),
        format!("({EMPTY_TEXT}{EMPTY_TEXT} \"mixed\")")
    );
    // The inner multipart is empty, the outer one is not.
    assert_eq!(
        structure(
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\
             Content-Type: multipart/alternative; boundary=b\r\n\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n"
        ),
        format!("({EMPTY_TEXT}{} \"mixed\")", text(1, 0))
    );
    // NULs, which no answer may carry, are no words either.
    assert_eq!(
        structure(
            "Content-Type: a/b; \0=x; y=\0\r\nContent-Transfer-Encoding: \0\r\nContent-ID: \0\r\n\r\n"
        ),
        r#"("a" "b" ("y" "") "" NIL "7bit" 0)"#
    );
    for message in ["rfc822", "global"] {
        let head = format!("\"message\" \"{message}\" NIL NIL NIL \"7bit\"");
        assert_eq!(
            structure(&format!("Content-Type: message/{message}\r\n\r\n")),
            format!("({head} 0 {NO_ENVELOPE} {EMPTY_TEXT} 0)")
        );
        assert_eq!(
            structure(&format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/{message}\r\n--b--\r\n"
            )),
            format!("(({head} 0 {NO_ENVELOPE} {EMPTY_TEXT} 0) \"mixed\")")
        );
        assert_eq!(
            structure(&format!("Content-Type: message/{message}\r\n\r\nno header at all\r\n")),
            format!("({head} 18 {NO_ENVELOPE} {EMPTY_TEXT} 1)")
        );
    }
}

#[test]
fn boundaries_are_lines_and_nothing_else() {
    let leaf = |octets: usize| format!(r#"("a" "b" NIL NIL NIL "7bit" {octets})"#);
    let head = "Content-Type: multipart/mixed; boundary=\"b b\"\r\n\r\n";
    // Neither a longer line nor one inside is a boundary; blanks behind one do not matter.
    let raw = format!(
        "{head}--b b \t\r\nContent-Type: a/b\r\n\r\n--b bx\r\n --b b\r\nx--b b\r\n--b b-- \r\n--b b\r\n"
    );
    assert_eq!(structure(&raw), format!("({} \"mixed\")", leaf(22)));
    // Bare line feeds and mixed ones; the line end before a boundary is the boundary's.
    let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: a/b\n\nxy\n--b\r\nContent-Type: a/b\r\n\r\nxy\r\n\n--b--";
    assert_eq!(structure(raw), format!("({}{} \"mixed\")", leaf(2), leaf(4)));
    // An outer boundary ends whatever is open inside.
    let raw = "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\
               --i\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: a/b\r\n\r\nx\r\n--o\r\nContent-Type: a/b\r\n\r\n--i\r\n--o--\r\n";
    assert_eq!(
        structure(raw),
        format!(
            "(((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 22 {NO_ENVELOPE} {} 2) \"mixed\"){} \"mixed\")",
            leaf(1),
            leaf(3)
        )
    );
}

/// RFC 2046 §5.1.5: in a digest, a part without type is a message.
#[test]
fn parts_of_a_digest_are_messages() {
    let raw = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--\r\n";
    assert_eq!(
        structure(raw),
        "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) \
         (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 2) \"digest\")"
    );
}

#[test]
fn extension_data_is_complete() {
    let raw = "Content-Type: text/plain; name*0=\"a\"; name*1=b; x=\"q\\\"\"\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n\
               Content-Disposition: attachment; filename*=utf-8''%e4; size=3\r\nContent-Language: de, en\r\nContent-Location: http://x/\r\n\r\n";
    assert_eq!(
        String::from_utf8(body_structure(raw.as_bytes(), Form::Extended)).unwrap(),
        "(\"text\" \"plain\" (\"name\" \"ab\" \"x\" \"q\\\"\") NIL NIL \"7bit\" 0 0 \"Q2hlY2sgSW50ZWdyaXR5IQ==\" \
         (\"attachment\" (\"filename*\" \"utf-8''%e4\" \"size\" \"3\")) (\"de\" \"en\") \"http://x/\")"
    );
}

#[test]
fn parts_of_a_message_that_is_no_multipart() {
    let raw = b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n";
    let record = Record::build(b"Received: y\r\n", raw);
    let view = RecordView::parse(&record).unwrap();
    let part = view.part(&[1]).unwrap();
    assert_eq!((part.body.of(raw), part.message), (&b"aGk=\r\n"[..], None));
    assert_eq!(part.mime.of(raw), &raw[..view.header_len() as usize]);
    assert_eq!(part.decode(part.body.of(raw)).unwrap(), &b"hi"[..]);
    assert_eq!((view.part(&[2]), view.part(&[1, 1])), (None, None));
    assert_eq!(view.size(), raw.len() as u64 + 13);

    // A message whose only content is a message.
    let raw = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext";
    let record = Record::build(b"", raw);
    let view = RecordView::parse(&record).unwrap();
    let (header, text) = view.part(&[1]).unwrap().message.unwrap();
    assert_eq!((header.of(raw), text.of(raw)), (&b"Subject: in\r\n\r\n"[..], &b"text"[..]));
    assert_eq!(view.part(&[1, 1]).unwrap().body.of(raw), b"text");
    assert_eq!(view.part(&[1, 2]), None);
}

#[test]
fn header_lists_come_from_the_record() {
    let prefix = b"Return-Path: <a@b>\r\nReceived: by x\r\n";
    let raw = b"Received: by y\r\nfrom : a\r\nX-Own: 1\r\nTO: b,\r\n c\r\nTo: d\r\n\r\n";
    let record = Record::build(prefix, raw);
    let view = RecordView::parse(&record).unwrap();
    let mut out = Vec::new();
    assert!(view.header_fields(&FieldSet::new(["To", "RETURN-PATH", "from", "Cc"]), &mut out));
    assert_eq!(out, b"Return-Path: <a@b>\r\nfrom : a\r\nTO: b,\r\n c\r\nTo: d\r\n\r\n");
    for unknown in ["Received", "X-Own"] {
        assert!(!view.header_fields(&FieldSet::new(["To", unknown]), &mut out));
    }
}

#[test]
fn previews_are_what_a_reader_sees_first() {
    let preview = |raw: &str| {
        let record = check(b"", raw.as_bytes());
        RecordView::parse(&record).unwrap().preview().to_owned()
    };
    assert_eq!(preview("\r\n> quoted\r\n\r\nOwn  words\r\n-- \r\nsignature\r\n"), "Own words");
    assert_eq!(preview("\r\n> quoted\r\n"), "> quoted");
    assert_eq!(
        preview(
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n \r\n--b\r\nContent-Type: text/html\r\n\
                 Content-Transfer-Encoding: quoted-printable\r\n\r\n<style>p =7B=7D</style><p>Hi=C3=A4</p>&zwnj;&nbsp; x\r\n--b--\r\n"
        ),
        "Hiä x"
    );
    let styled =
        format!("Content-Type: text/html\r\n\r\n<style>{}</style>late", "p{}".repeat(20_000));
    assert_eq!(preview(&styled), "late");
    let attached = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\nno\r\n--b\r\n\r\nyes\r\n--b--\r\n";
    assert_eq!(preview(attached), "yes");
    assert_eq!(preview(&format!("\r\n{}", "ä b ".repeat(500))).chars().count(), 199);
}

/// An encoding that nobody knows hides nothing from a reader, but BINARY says so.
#[test]
fn misspelled_encodings_are_none() {
    let raw = b"Content-Transfer-Encoding: quoted printable\r\n\r\nplain words\r\n";
    let record = check(b"", raw);
    let part = RecordView::parse(&record).unwrap().part(&[1]).unwrap();
    assert_eq!(RecordView::parse(&record).unwrap().preview(), "plain words");
    assert_eq!(part.decode(part.body.of(raw)), Err(UnknownCte));
    assert!(search_text(b"", raw).body.contains("plain words"));
}

#[test]
fn search_finds_what_is_in_there() {
    let raw = "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n und mehr\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<b>Stra=DFe</b>n\r\n--b\r\n\
        Content-Type: application/pdf; name*=utf-8''%C3%A4.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0\r\n--b\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?inner=21?=\r\n\r\ninnermost\r\n--b--\r\n";
    let text = search_text(b"Return-Path: <r@x>\r\n", raw.as_bytes());
    assert!(text.headers.starts_with("Return-Path: <r@x>\nSubject: Grüße und mehr\n"));
    for found in [
        "<b>Straße</b>n",
        "Straßen\n",
        "ä.pdf",
        "Subject: inner!\n",
        "innermost",
        "Content-Type: application/pdf",
    ] {
        assert!(text.body.contains(found), "{found} in {}", text.body);
    }
    assert!(!text.body.contains("secret") && !text.body.contains("Grüße"));
    assert_eq!(field_values(raw.as_bytes(), "SUBJECT"), ["Grüße und mehr"]);
}
