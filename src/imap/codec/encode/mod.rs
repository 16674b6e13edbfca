//! Values to bytes. Everything appends to a `Vec<u8>`, and nothing goes through `format!`, since
//! listings write these by the ten thousand.

mod mailbox;
mod message;
mod reply;
mod search;

use super::types::{is_astring_char, is_atom_char};
use super::utf7;
use crate::base::uidset::UidSet;

pub use mailbox::*;
pub use message::*;
pub use reply::*;
pub use search::*;

/// A number in decimal.
pub fn number(out: &mut Vec<u8>, number: impl Into<u64>) {
    let mut rest: u64 = number.into();
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// `{n}` and the line end; the bytes follow.
pub fn literal_header(out: &mut Vec<u8>, len: u64) {
    out.push(b'{');
    number(out, len);
    out.extend_from_slice(b"}\r\n");
}

/// `~{n}` and the line end, for content with NUL in it (RFC 9051 §4.3).
pub fn literal8_header(out: &mut Vec<u8>, len: u64) {
    out.push(b'~');
    literal_header(out, len);
}

/// A text in quotes, with what needs it escaped. Line ends and NUL cannot be in it.
fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        out.extend_from_slice(&[b'\\', special[0]]);
        rest = &special[1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Longer ones are literals, which nobody has to unescape.
const QUOTED_MAX: usize = 1000;

/// A string: quoted where it can be, otherwise a literal, with NUL in it a literal8.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    string_in(out, text, false);
}

/// The same for who has switched UTF-8 on, and takes it in quotes (RFC 6855 §3).
fn string_in(out: &mut Vec<u8>, text: &[u8], utf8: bool) {
    let fits = |&b: &u8| matches!(b, 1..=0x7f if b != b'\r' && b != b'\n') || (utf8 && b >= 0x80);
    if text.len() <= QUOTED_MAX && text.iter().all(fits) {
        return quoted(out, text);
    }
    match memchr::memchr(0, text) {
        Some(_) => literal8_header(out, text.len() as u64),
        None => literal_header(out, text.len() as u64),
    }
    out.extend_from_slice(text);
}

/// A string or `NIL`.
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// An atom where it can be, otherwise a string.
pub fn astring(out: &mut Vec<u8>, text: &[u8]) {
    if is_plain(text) { out.extend_from_slice(text) } else { string(out, text) }
}

/// True for what can stand without quotes and is not mistaken for something else.
fn is_plain(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|&b| is_astring_char(b))
        && !text.eq_ignore_ascii_case(b"NIL")
}

/// A mailbox's name: modified UTF-7, or UTF-8 for clients that have switched it on.
pub fn mailbox(out: &mut Vec<u8>, name: &str, utf8: bool) {
    if is_plain(name.as_bytes()) && !name.contains('&') {
        out.extend_from_slice(name.as_bytes());
    } else if utf8 {
        string_in(out, name.as_bytes(), true);
    } else {
        let mut encoded = Vec::with_capacity(name.len() + 16);
        utf7::encode(name, &mut encoded);
        astring(out, &encoded);
    }
}

/// `1:4,7`. A set must not be empty where the grammar wants one.
pub fn sequence_set(out: &mut Vec<u8>, set: &UidSet) {
    for (at, &(first, last)) in set.ranges().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        range(out, first, last);
    }
}

fn range(out: &mut Vec<u8>, first: u32, last: u32) {
    number(out, first);
    if last != first {
        out.push(b':');
        number(out, last);
    }
}

/// `(…)` with what `item` writes for each, and spaces between.
fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'(');
    for (at, value) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        item(out, value);
    }
    out.push(b')');
}

/// `(\Seen $Junk)`, of flags as they are written.
pub fn flag_list<'a>(out: &mut Vec<u8>, flags: impl IntoIterator<Item = &'a str>) {
    list(out, flags, |out, flag| {
        // Keywords are atoms wherever they were made; a line end in one would split the answer.
        debug_assert!(flag.trim_start_matches('\\').bytes().all(|b| is_atom_char(b) || b == b'*'));
        out.extend_from_slice(flag.as_bytes());
    });
}

fn crlf(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_strings() {
        assert_eq!(written(|out| number(out, 0u32)), "0");
        assert_eq!(written(|out| number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| string(out, b"a\"b\\c")), r#""a\"b\\c""#);
        assert_eq!(written(|out| string(out, b"a\r\nb")), "{4}\r\na\r\nb");
        assert_eq!(written(|out| string(out, "ä".as_bytes())), "{2}\r\nä");
        assert_eq!(written(|out| string(out, b"a\0")), "~{2}\r\na\0");
        assert_eq!(written(|out| nstring(out, None)), "NIL");
        assert_eq!(written(|out| astring(out, b"a]b")), "a]b");
        assert_eq!(written(|out| astring(out, b"nil")), "\"nil\"");
        assert_eq!(written(|out| astring(out, b"")), "\"\"");
    }

    #[test]
    fn mailbox_names() {
        for (name, utf7, utf8) in [
            ("INBOX", "INBOX", "INBOX"),
            ("Sent Items", "\"Sent Items\"", "\"Sent Items\""),
            ("Entwürfe", "Entw&APw-rfe", "\"Entwürfe\""),
            ("R&D", "R&-D", "\"R&D\""),
            ("50%", "\"50%\"", "\"50%\""),
            ("a\"b", r#""a\"b""#, r#""a\"b""#),
        ] {
            assert_eq!(written(|out| mailbox(out, name, false)), utf7);
            assert_eq!(written(|out| mailbox(out, name, true)), utf8);
        }
    }

    #[test]
    fn sets_and_flags() {
        let set: UidSet = [1u32, 2, 3, 7].into_iter().collect();
        assert_eq!(written(|out| sequence_set(out, &set)), "1:3,7");
        assert_eq!(written(|out| flag_list(out, ["\\Seen", "$Junk"])), "(\\Seen $Junk)");
        assert_eq!(written(|out| flag_list(out, [])), "()");
    }

    proptest! {
        #[test]
        fn numbers_as_the_library_has_them(n: u64) {
            prop_assert_eq!(written(|out| number(out, n)), n.to_string());
        }
    }
}
