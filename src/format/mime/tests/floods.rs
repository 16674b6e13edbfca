//! Messages made to cost time or memory. None of these tests looks at the clock: with anything
//! worse than linear work they would not end in a time that anybody waits for.

use super::*;

fn flood(piece: &str, times: usize) -> String {
    piece.repeat(times)
}

#[test]
fn parts_beyond_the_limit_are_no_parts() {
    let mut raw = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
    raw.push_str(&flood("--b\r\n\r\nx\r\n", 200_000));
    let record = check(b"", raw.as_bytes());
    assert_eq!(scan(raw.as_bytes()).entities.len(), MAX_PARTS);
    let view = RecordView::parse(&record).unwrap();
    assert!(view.parts_need_raw() && view.bodystructure().is_none());
    assert!(Part::find_in_raw(raw.as_bytes(), &[9_999]).is_some());
    assert!(Part::find_in_raw(raw.as_bytes(), &[10_000]).is_none());
}

#[test]
fn nesting_beyond_the_limit_is_opaque() {
    let mut raw = String::new();
    for level in 0..10_000 {
        raw.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        ));
    }
    check(b"", raw.as_bytes());
    let tree = scan(raw.as_bytes());
    assert_eq!(tree.entities.len(), MAX_DEPTH + 1);
    assert_eq!(tree.entities.last().unwrap().kind, Kind::Opaque);

    let raw = flood("Content-Type: message/rfc822\r\n\r\n", 10_000);
    check(b"", raw.as_bytes());
    assert_eq!(scan(raw.as_bytes()).entities.len(), MAX_DEPTH + 1);
}

#[test]
fn boundaries_of_open_multiparts_cost_little_per_line() {
    let mut raw = String::new();
    for level in 0..MAX_DEPTH {
        raw.push_str(&format!(
            "Content-Type: multipart/mixed; boundary={level:0>60}\r\n\r\n--{level:0>60}\r\n"
        ));
    }
    raw.push_str("\r\n");
    raw.push_str(&flood(&format!("--{:x<60}\r\n", ""), 50_000));
    raw.push_str(&flood("--\r\n", 500_000));
    check(b"", raw.as_bytes());
}

#[test]
fn many_header_lines() {
    let mut raw = flood("X-Line: some text that is there\r\n", 100_000);
    raw.push_str("Subject: late\r\n\r\nbody\r\n");
    let record = check(b"", raw.as_bytes());
    let view = RecordView::parse(&record).unwrap();
    assert_eq!(view.subject(), "");
    // The record knows that it does not know, and the header still has it.
    assert!(!view.header_fields(&FieldSet::new(["Subject"]), &mut Vec::new()));
    assert!(view.header_fields(&FieldSet::new(["From"]), &mut Vec::new()));
    let mut out = Vec::new();
    select_fields(b"", raw.as_bytes(), &FieldSet::new(["Subject"]), Except::No, &mut out);
    assert_eq!(out, b"Subject: late\r\n\r\n");

    check(b"", flood("a\r\n", 500_000).as_bytes());
    check(b"", format!("Subject: a{}\r\n\r\n", flood("\r\n b", 200_000)).as_bytes());
}

#[test]
fn many_addresses() {
    let list = flood("Some Body <some.body@example.test>,\r\n ", 100_000);
    let record = check(b"", format!("From: a@x\r\nTo: {list}\r\n\r\n").as_bytes());
    let view = RecordView::parse(&record).unwrap();
    assert_eq!((view.envelope(), view.display_to()), (None, "Some Body"));
    check(b"", flood("To: a@x\r\n", 100_000).as_bytes());
    for piece in ["(", "<", "\"", "[", "\\", "a:", ";", "@", ",", "<@", "<a@b", "(\\"] {
        check(b"", format!("From: {}\r\n\r\n", flood(piece, 300_000)).as_bytes());
    }
}

#[test]
fn many_parameters() {
    let mut value = String::new();
    for number in 0..50_000 {
        value.push_str(&format!(";\r\n name*{number}*=utf-8''%41"));
    }
    let raw = format!(
        "Content-Type: text/plain{value}\r\nContent-Disposition: attachment{value}\r\n\r\n"
    );
    check(b"", raw.as_bytes());
    for piece in [";a", ";a=b", "(", "=", "\"", ";a=\"", ";*=", ";a*0*=''", ";boundary=x"] {
        let value = flood(piece, 100_000);
        let raw = format!(
            "Content-Type: multipart/mixed{value}\r\nContent-Language: {value}\r\n\r\n--x\r\n"
        );
        check(b"", raw.as_bytes());
    }
}

#[test]
fn encoded_words_and_ids_without_end() {
    for piece in [
        "=?",
        "=?utf-8?Q?",
        "=?utf-8?B?YQ==?= ",
        "=?x?Q?=?= ",
        "<",
        "<a@b>",
        "<\"",
        "[a] ",
        "[",
        "re: ",
        "[fwd: ",
        "(fwd)",
        "re[",
        "\u{20ac}",
    ] {
        let value = flood(piece, 30_000);
        let raw = format!(
            "Subject: {value}\r\nReferences: {value}\r\nMessage-ID: {value}\r\nFrom: {value}\r\n\r\n"
        );
        check(b"", raw.as_bytes());
    }
}

#[test]
fn long_prefixes_are_cut_at_a_field() {
    let prefix = flood("Received: from here to there\r\n", 1_000);
    let record = check(prefix.as_bytes(), b"Subject: x\r\n\r\n");
    let view = RecordView::parse(&record).unwrap();
    assert!(view.prefix().ends_with(b"there\r\n") && view.prefix().len() > 12_000);
    assert_eq!(view.size(), view.prefix().len() as u64 + 14);
}

/// Everything long at once still gives a record of bounded size.
#[test]
fn a_record_is_bounded_when_everything_is_long() {
    let long = |piece: &str, octets: usize| flood(piece, octets / piece.len());
    let mut raw = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nReferences: {}\r\nMessage-ID: <{}@x>\r\nIn-Reply-To: <{}@x>\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n",
        long("\"Some Body\" <b@example.test>, ", 1_000),
        long("c@example.test, ", 1_500),
        long("word ", 3_000),
        long("<id\"x\"@example.test> ", 7_900),
        long("m", 900),
        long("n", 900),
    );
    raw.push_str(&flood("X-Label: l\r\n", 300));
    raw.push_str("\r\n");
    for part in 0..70 {
        raw.push_str(&format!(
            "--b\r\nContent-Type: image/png; name=\"picture number {part} of the holiday.png\"\r\n\
             Content-Disposition: attachment\r\n\r\n\r\n"
        ));
    }
    let prefix = flood("Received: from here to there\r\n", 1_000);
    let record = check(prefix.as_bytes(), raw.as_bytes());
    assert!(record.len() > 40_000);
}
