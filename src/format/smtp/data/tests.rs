use proptest::prelude::*;

use super::*;

/// Feeds the input in pieces: the message, the flaw, and how much was used if it ended.
fn decode(pieces: &[&[u8]]) -> (Vec<u8>, Option<Flaw>, Option<usize>) {
    let (mut decoder, mut out, mut used) = (DataDecoder::new(), Vec::new(), 0);
    for piece in pieces {
        let fed = decoder.feed(piece, |run| out.extend_from_slice(run));
        used += fed.used;
        if fed.ended {
            return (out, decoder.flaw(), Some(used));
        }
        assert_eq!(fed.used, piece.len());
    }
    (out, decoder.flaw(), None)
}

/// Every way to cut the input in two, and octet by octet, gives the same.
fn decode_cut_anywhere(input: &[u8]) -> (Vec<u8>, Option<Flaw>, Option<usize>) {
    let whole = decode(&[input]);
    for at in 0..=input.len() {
        let (a, b) = input.split_at(at);
        assert_same(&decode(&[a, b]), &whole, at);
    }
    let single: Vec<&[u8]> = input.chunks(1).collect();
    assert_same(&decode(&single), &whole, usize::MAX);
    whole
}

fn assert_same(
    cut: &(Vec<u8>, Option<Flaw>, Option<usize>),
    whole: &(Vec<u8>, Option<Flaw>, Option<usize>),
    at: usize,
) {
    assert_eq!((cut.1, cut.2), (whole.1, whole.2), "cut at {at}");
    if whole.1.is_none() {
        assert_eq!(cut.0, whole.0, "cut at {at}");
    }
}

#[test]
fn plain_messages() {
    for (wire, message) in [
        (&b".\r\n"[..], &b""[..]),
        (b"\r\n.\r\n", b"\r\n"),
        (b"Subject: x\r\n\r\nhello\r\n.\r\n", b"Subject: x\r\n\r\nhello\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"a\r\n..b\r\n...\r\n.c\r\n.\r\n", b"a\r\n.b\r\n..\r\nc\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
    ] {
        let (out, flaw, used) = decode_cut_anywhere(wire);
        assert_eq!((out.as_slice(), flaw, used), (message, None, Some(wire.len())));
    }
}

#[test]
fn what_follows_the_end_is_left() {
    let (out, _, used) = decode_cut_anywhere(b"a\r\n.\r\nRSET\r\n");
    assert_eq!((out.as_slice(), used), (&b"a\r\n"[..], Some(6)));
}

/// The endings that one server or another has taken for the end of data. None is one here:
/// the message goes on to CR LF . CR LF and is refused.
#[test]
fn smuggling_variants_do_not_end_the_data() {
    let variants: [&[u8]; 11] = [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\r.\n",
        b"\n.\r",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\r\n",
    ];
    for variant in variants {
        let smuggled = b"MAIL FROM:<admin@example.org>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n";
        let mut wire = [b"Subject: x\r\n\r\nhello", variant, smuggled].concat();
        wire.extend_from_slice(b"Subject: forged\r\n\r\nsmuggled\r\n.\r\n");
        let (_, flaw, used) = decode_cut_anywhere(&wire);
        assert_eq!(used, Some(wire.len()), "{:?}", variant.escape_ascii().to_string());
        assert!(matches!(flaw, Some(Flaw::BareCr | Flaw::BareLf)));
    }
}

/// NUL is no line end and no part of one.
#[test]
fn a_dot_beside_a_nul_does_not_end_the_data() {
    for variant in [&b"\r\n\0.\r\n"[..], b"\r\n.\0\r\n"] {
        let wire = [b"hello", variant, b"more\r\n.\r\n"].concat();
        assert_eq!(decode_cut_anywhere(&wire).2, Some(wire.len()));
    }
}

#[test]
fn the_first_flaw_is_named() {
    assert_eq!(decode(&[b"a\rb\nc\r\n.\r\n"]).1, Some(Flaw::BareCr));
    assert_eq!(decode(&[b"a\nb\rc\r\n.\r\n"]).1, Some(Flaw::BareLf));
    assert_eq!(decode(&[b".\nx\r\n.\r\n"]).1, Some(Flaw::BareLf));
}

#[test]
fn overlong_lines() {
    let line = vec![b'x'; limits::SMTP_DATA_LINE];
    assert_eq!(decode(&[&line, b"\r\n", &line, b"\r\n.\r\n"]).1, None);
    assert_eq!(decode(&[&line, b"x\r\n.\r\n"]).1, Some(Flaw::LongLine));
    let mut checker = BdatChecker::new();
    for piece in [&line[..], b"\r\n", &line, b"x"] {
        assert_eq!(checker.flaw(), None);
        checker.feed(piece);
    }
    assert_eq!(checker.flaw(), Some(Flaw::LongLine));
}

#[test]
fn chunks_are_checked_across_their_borders() {
    let check = |pieces: &[&[u8]]| {
        let mut checker = BdatChecker::new();
        pieces.iter().for_each(|piece| checker.feed(piece));
        checker.finish();
        checker.flaw()
    };
    assert_eq!(check(&[b"a\r", b"\nb\r\n"]), None);
    assert_eq!(check(&[b"a\r", b"", b"\n.\r\n", b"no end of line"]), None);
    assert_eq!(check(&[b"a\r", b"b"]), Some(Flaw::BareCr));
    assert_eq!(check(&[b"a\r\n", b"\n"]), Some(Flaw::BareLf));
    assert_eq!(check(&[b"a\r"]), Some(Flaw::BareCr));
    assert_eq!(check(&[b"\r\r\n"]), Some(Flaw::BareCr));
    assert_eq!(check(&[b"\n"]), Some(Flaw::BareLf));
}

/// Dot-stuffing as a sender does it (RFC 5321 §4.5.2).
fn stuff(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in lines {
        if line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// The definition, octet by octet: the end is the first CR LF . CR LF, where the data itself
/// counts as following a CR LF.
fn reference_end(wire: &[u8]) -> Option<usize> {
    if wire.starts_with(b".\r\n") {
        return Some(3);
    }
    memchr::memmem::find(wire, b"\r\n.\r\n").map(|at| at + 5)
}

proptest! {
    #[test]
    fn a_stuffed_message_comes_back(
        lines in prop::collection::vec(prop::collection::vec(
            prop_oneof![Just(b'.'), (0u8..=255).prop_filter("no line ends", |b| !b"\r\n".contains(b))],
            0..6), 0..8),
        cut in 0usize..60,
    ) {
        let wire = stuff(&lines);
        let (a, b) = wire.split_at(cut.min(wire.len()));
        let (out, flaw, used) = decode(&[a, b]);
        let message: Vec<u8> = lines.iter().flat_map(|l| [l, &b"\r\n"[..]].concat()).collect();
        prop_assert_eq!(out, message);
        prop_assert_eq!((flaw, used), (None, Some(wire.len())));
    }

    #[test]
    fn the_end_is_where_the_definition_says(wire in prop::collection::vec(
        prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a'), Just(0)], 0..24)) {
        let (_, _, used) = decode_cut_anywhere(&wire);
        prop_assert_eq!(used, reference_end(&wire));
    }
}
