use proptest::prelude::*;

use super::*;

/// Everything that comes out, as text that can be compared, with chunks put together.
fn run(framer: &mut Framer, out: &mut Vec<String>) {
    while let Some(event) = framer.next_event() {
        match event {
            Event::Command(frame) => out.push(format!(
                "{:?} {:?}",
                frame.bytes.escape_ascii().to_string(),
                frame.literals
            )),
            Event::Chunk { data, last } => {
                if !matches!(out.last(), Some(open) if open.starts_with("open ")) {
                    out.push("open ".into());
                }
                let open = out.last_mut().unwrap();
                open.push_str(&data.escape_ascii().to_string());
                if last {
                    *open = open.replacen("open ", "chunks ", 1);
                }
            }
            other => out.push(format!("{other:?}")),
        }
    }
}

fn small() -> Limits {
    Limits {
        line: 60,
        literal: 10,
        message: 40,
        literals: 3,
        inline: 8,
        buffered: 16,
        swallow: 100,
    }
}

fn events(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut framer = Framer::new(small());
    let mut out = Vec::new();
    let mut rest = bytes;
    for &cut in cuts {
        let (piece, behind) = rest.split_at(cut.min(rest.len()));
        framer.push(piece);
        rest = behind;
        run(&mut framer, &mut out);
    }
    framer.push(rest);
    run(&mut framer, &mut out);
    out
}

#[test]
fn commands_and_literals() {
    let got = events(b"A1 NOOP\r\n\r\nA2 LOGIN {3+}\r\nj\r\n {2}\r\nxy\r\nA3 IDLE\n", &[]);
    assert_eq!(
        got,
        [
            "\"A1 NOOP\" []",
            "Literal(Announced { size: 2, sync: true, message: false, diverted: None })",
            r#""A2 LOGIN {3+}\\r\\nj\\r\\n {2}\\r\\nxy" [Literal { at: 15, size: 3, binary: false, diverted: None }, Literal { at: 24, size: 2, binary: false, diverted: None }]"#,
            "\"A3 IDLE\" []",
        ]
    );
}

#[test]
fn large_messages_are_handed_on() {
    let got =
        events(b"A APPEND x {9+}\r\n123456789 ~{2+}\r\nab {10}\r\n0123456789\r\nB NOOP\r\n", &[20]);
    assert_eq!(
        got,
        [
            "Literal(Announced { size: 9, sync: false, message: true, diverted: Some(0) })",
            "chunks 123456789",
            "Literal(Announced { size: 10, sync: true, message: true, diverted: Some(1) })",
            "chunks 0123456789",
            r#""A APPEND x {9+}\\r\\n ~{2+}\\r\\nab {10}\\r\\n" [Literal { at: 17, size: 9, binary: false, diverted: Some(0) }, Literal { at: 25, size: 2, binary: true, diverted: None }, Literal { at: 34, size: 10, binary: false, diverted: Some(1) }]"#,
            "\"B NOOP\" []",
        ]
    );
}

#[test]
fn payloads_of_refused_literals_never_become_commands() {
    // Too large, but already on its way; further literals of the command are skipped as well.
    let got = events(b"A LOGIN {14+}\r\nX DELETE box\r\n {7+}\r\nZ NOOP\n \r\nB NOOP\r\n", &[]);
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].starts_with("Refused { tag: Some(Tag(A)), reply: Reply { status: No"));
    assert_eq!(got[1], "\"B NOOP\" []");
    // The client waits: it sends nothing more of this command.
    let got = events(b"A LOGIN {13}\r\nB NOOP\r\n", &[]);
    assert!(got[0].starts_with("Refused { tag: Some(Tag(A))"), "{got:?}");
    assert_eq!(got[1], "\"B NOOP\" []");
    // A skipped command that then waits for us is over.
    let got = events(b"A LOGIN {13+}\r\n0123456789012 {4}\r\nB NOOP\r\n", &[]);
    assert_eq!(got.len(), 2, "{got:?}");
    // More than can be skipped.
    let got = events(b"A LOGIN {4294967296+}\r\nB NOOP\r\n", &[]);
    assert_eq!(got.len(), 1, "{got:?}");
    assert!(got[0].starts_with("Fatal("));
    let got = events(b"A LOGIN {99999999999999999999999+}\r\nB NOOP\r\n", &[]);
    assert!(got[0].starts_with("Fatal("));
}

#[test]
fn the_session_can_refuse() {
    for (bytes, payload) in
        [(&b"A APPEND x {9+}\r\n"[..], &b"B DELETE\n\r\n"[..]), (b"A APPEND x {9}\r\n", b"")]
    {
        let mut framer = Framer::new(small());
        framer.push(bytes);
        assert!(matches!(framer.next_event(), Some(Event::Literal(_))));
        assert_eq!(framer.pending().name(), "APPEND");
        framer.refuse(Reply::no("Full").with(Code::OverQuota));
        framer.push(payload);
        framer.push(b"C NOOP\r\n");
        let mut out = Vec::new();
        run(&mut framer, &mut out);
        assert_eq!(out.len(), 2, "{out:?}");
        assert!(out[0].contains("Tag(A)") && out[0].contains("OverQuota"), "{out:?}");
        assert_eq!(out[1], "\"C NOOP\" []");
    }
    // A kept literal that waits.
    let mut framer = Framer::new(small());
    framer.push(b"A LOGIN {2}\r\n");
    assert!(matches!(framer.next_event(), Some(Event::Literal(_))));
    framer.refuse(Reply::bad("No"));
    framer.push(b"C NOOP\r\n");
    let mut out = Vec::new();
    run(&mut framer, &mut out);
    assert_eq!(out.len(), 2, "{out:?}");
}

#[test]
fn limits_of_lines_and_numbers() {
    let long = [b"A ".as_slice(), &[b'x'; 70], b"\r\nB NOOP\r\n"].concat();
    for cuts in [&[][..], &[1, 60, 5], &[65]] {
        let got = events(&long, cuts);
        assert!(got[0].starts_with("Refused { tag: Some(Tag(A)), reply: Reply { status: Bad"));
        assert_eq!(got[1], "\"B NOOP\" []");
    }
    let got = events(b"A x {1+}\r\na {1+}\r\na {1+}\r\na {1+}\r\na\r\nB NOOP\r\n", &[]);
    assert!(got[0].contains("Too many literals"), "{got:?}");
    let got = events(&[b"A ".as_slice(), &[b'x'; 300]].concat(), &[70, 50, 50, 50]);
    assert!(got[0].starts_with("Fatal("), "{got:?}");
    // It is the same whether such a line is there at once or comes by and by.
    let got = events(&[&[b'x'; 105], b"\r\n".as_slice()].concat(), &[]);
    assert!(got[0].starts_with("Fatal("), "{got:?}");
    // Together too large for memory.
    let got = events(b"A x {8+}\r\n12345678 {9+}\r\n123456789\r\nB NOOP\r\n", &[]);
    assert!(got[0].contains("TooBig"), "{got:?}");
}

#[test]
fn lines_between_commands() {
    // iOS 18 ends IDLE and goes on in one packet.
    let mut framer = Framer::new(small());
    framer.push(b"A1 IDLE\r\nDO");
    assert!(matches!(framer.next_event(), Some(Event::Command(_))));
    assert_eq!(framer.next_line(100), Ok(None));
    framer.push(b"NE\r\nA2 NOOP\r\nA3 IDLE\r\nDONE\r\n");
    assert_eq!(framer.next_line(100).unwrap().unwrap(), "DONE");
    assert!(matches!(framer.next_event(), Some(Event::Command(f)) if f.name() == "NOOP"));
    assert!(matches!(framer.next_event(), Some(Event::Command(f)) if f.name() == "IDLE"));
    assert_eq!(framer.next_line(100).unwrap().unwrap(), "DONE");
    assert!(!framer.has_input());
    framer.release();
    framer.push(&[b'x'; 101]);
    assert_eq!(framer.next_line(100), Err(crate::imap::codec::frame::LineTooLong));
}

#[test]
fn the_stream_below_can_be_exchanged() {
    let mut framer = Framer::new(small());
    framer.push(b"A STARTTLS\r\nB LOGIN a b\r\n");
    assert!(matches!(framer.next_event(), Some(Event::Command(_))));
    assert_eq!(framer.take_rest(), &b"B LOGIN a b\r\n"[..]);
    assert!(framer.next_event().is_none() && !framer.has_input());
}

/// Bytes that look like commands more often than not.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"A1 ".to_vec()),
        Just(b"APPEND x ".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"NOOP".to_vec()),
        (0u32..20).prop_map(|n| format!("{{{n}+}}\r\n").into_bytes()),
        (0u32..20).prop_map(|n| format!("~{{{n}}}\r\n").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_same_however_it_is_cut(bytes in stream(), cuts in prop::collection::vec(0usize..30, 0..20)) {
        prop_assert_eq!(events(&bytes, &cuts), events(&bytes, &[]));
        prop_assert_eq!(events(&bytes, &vec![1; bytes.len()]), events(&bytes, &[]));
    }

    #[test]
    fn decoding_never_panics(bytes in stream(), utf8: bool) {
        let mut framer = Framer::new(small());
        framer.push(&bytes);
        while let Some(event) = framer.next_event() {
            if let Event::Command(frame) = event {
                let _ = decode(&frame, Dialect { utf8, ..Dialect::default() });
                let _ = crate::imap::codec::decode::append_mailbox(&frame, Dialect { utf8, ..Dialect::default() });
            }
        }
    }
}
