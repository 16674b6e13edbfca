//! What the readers share: line ends, and the few header fields that tell of a message's past.

use memchr::{memchr, memchr_iter};

use crate::base::clock::UnixTime;

/// Header octets that are looked at.
const HEAD: usize = 64 * 1024;

/// Makes every line end CRLF (RFC 5322 §2.1); files usually have LF. A message that already is
/// right is returned as it is.
pub fn to_crlf(bytes: Vec<u8>) -> Vec<u8> {
    let bare = |at: usize| at == 0 || bytes.get(at - 1) != Some(&b'\r');
    let missing = memchr_iter(b'\n', &bytes).filter(|at| bare(*at)).count();
    if missing == 0 {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len() + missing);
    let mut from = 0;
    for at in memchr_iter(b'\n', &bytes) {
        if bare(at) {
            out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
            out.push(b'\r');
            from = at;
        }
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    out
}

/// Takes away what stands before the header in many saved messages: a byte order mark, empty
/// lines, and the `From ` line of the mbox that they were cut out of.
pub(super) fn without_envelope(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut before = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut rest = bytes.get(before..).unwrap_or_default();
    while !rest.is_empty() {
        let line = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at(line);
        let envelope = line.starts_with(b"From ") || line.starts_with(b">From ");
        if !envelope && !line.iter().all(u8::is_ascii_whitespace) {
            break;
        }
        before += line.len();
        rest = after;
    }
    // All blank: left as it is, to be told as no message.
    if before > 0 && before < bytes.len() {
        bytes.drain(..before);
    }
    bytes
}

/// Why these bytes are no message, if they are none: a directory of saved mail also holds
/// pictures and databases.
pub(super) fn fault(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("empty");
    }
    let first = bytes.get(..memchr(b'\n', bytes).unwrap_or(bytes.len())).unwrap_or_default();
    if is_field(first) {
        None
    } else {
        Some("not a message: it does not begin with a header field")
    }
}

/// Makes a message of what does not begin with a header field, in a file that is called a
/// message: a text alone, as mail programs show it too. Other things under that name are told.
pub(super) fn headless(bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    if bytes.trim_ascii().is_empty() {
        return Err("empty");
    }
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    // ESC is part of ISO-2022-JP; form feeds are typed.
    let control = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r\x0c\x1b".contains(byte);
    if head.iter().any(control) {
        return Err("not a message: it has no header, and what it holds is no text");
    }
    let begins =
        |with: &[u8]| head.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if begins(b"<!doctype") || begins(b"<html") {
        return Err("not a message: a web page without a header");
    }
    // Not a text that happens to say "Date: Monday", but a header with one broken line.
    let usual = ["From", "To", "Subject", "Date", "Received", "Message-ID", "Content-Type"];
    if usual.iter().filter(|name| fields(&bytes, name).next().is_some()).count() > 1 {
        return Ok(bytes);
    }
    // An empty header, so that nothing of the text is taken for one.
    Ok([b"\r\n", bytes.as_slice()].concat())
}

/// Whether a line begins a header field (RFC 5322 §2.2).
pub(super) fn is_field(line: &[u8]) -> bool {
    match memchr(b':', line) {
        None | Some(0) => false,
        Some(colon) => {
            let name = line.get(..colon).unwrap_or_default();
            // Obsolete syntax allows blanks before the colon (§4.5.8).
            name.trim_ascii_end().iter().all(|byte| matches!(byte, 33..=57 | 59..=126))
        }
    }
}

/// The unfolded values of a header field, in order.
pub(super) fn fields<'a>(message: &'a [u8], name: &'a str) -> impl Iterator<Item = String> + 'a {
    let head = message.get(..message.len().min(HEAD)).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n').peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?.trim_ascii_end();
            if line.is_empty() {
                return None;
            }
            let Some(colon) = memchr(b':', line) else { continue };
            let (key, value) = line.split_at(colon);
            if !key.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()) {
                continue;
            }
            let mut value =
                String::from_utf8_lossy(value.get(1..).unwrap_or_default()).into_owned();
            while let Some(more) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t')))
            {
                value.push_str(&String::from_utf8_lossy(more.trim_ascii_end()));
            }
            return Some(value.trim().to_owned());
        }
    })
}

/// When the message came: the date of the topmost `Received` field, or else of `Date`.
pub(super) fn date(message: &[u8]) -> Option<UnixTime> {
    let received = fields(message, "Received").next().and_then(|value| {
        let (_, date) = value.rsplit_once(';')?;
        parse_date(date)
    });
    received.or_else(|| parse_date(&fields(message, "Date").next()?))
}

/// A date as in header fields (RFC 5322 §3.3 with the obsolete zones).
fn parse_date(text: &str) -> Option<UnixTime> {
    // Comments at the end, such as "(CET)", are common.
    let text = text.split('(').next().unwrap_or_default().trim();
    let date = mail_date(text)?;
    (date > 0).then_some(date)
}

fn mail_date(text: &str) -> Option<UnixTime> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(|t| t.as_second())
}

/// The flags that mail programs note in the header of messages in an mbox.
///
/// `Status` and `X-Status` are those of elm, pine and mutt, `X-Mozilla-Status` is
/// Thunderbird's, `X-Gmail-Labels` stands in Google's exports. `None` is a message that its
/// owner had deleted already.
pub(super) fn mbox_flags(message: &[u8]) -> Option<Vec<String>> {
    let mut flags = Vec::new();
    let mut add = |flag: &str| {
        if !flags.iter().any(|have| have == flag) {
            flags.push(flag.to_owned());
        }
    };
    for letters in fields(message, "Status").chain(fields(message, "X-Status")) {
        for letter in letters.bytes() {
            match letter {
                b'R' => add("\\Seen"),
                b'A' => add("\\Answered"),
                b'F' => add("\\Flagged"),
                b'T' => add("\\Draft"),
                b'D' => add("\\Deleted"),
                _ => {}
            }
        }
    }
    if let Some(status) = fields(message, "X-Mozilla-Status").next() {
        let bits = u16::from_str_radix(status.trim(), 16).unwrap_or(0);
        for (bit, flag) in [(0x1, "\\Seen"), (0x2, "\\Answered"), (0x4, "\\Flagged")] {
            if bits & bit != 0 {
                add(flag);
            }
        }
        if bits & 0x1000 != 0 {
            add("$Forwarded");
        }
        if bits & 0x8 != 0 {
            return None;
        }
    }
    if let Some(labels) = fields(message, "X-Gmail-Labels").next() {
        let has = |wanted: &str| labels.split(',').any(|label| label.trim() == wanted);
        if !has("Unread") {
            add("\\Seen");
        }
        if has("Starred") {
            add("\\Flagged");
        }
    }
    for keyword in fields(message, "X-Keywords") {
        for word in keyword.split_ascii_whitespace() {
            add(word);
        }
    }
    Some(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_becomes_crlf_once() {
        for (given, wanted) in [
            (&b"a\nb\r\nc\n"[..], &b"a\r\nb\r\nc\r\n"[..]),
            (b"\n\n", b"\r\n\r\n"),
            (b"a\r\n", b"a\r\n"),
            (b"a\rb\n", b"a\rb\r\n"),
            (b"", b""),
        ] {
            assert_eq!(to_crlf(given.to_vec()), wanted);
        }
    }

    #[test]
    fn what_stands_before_the_header_goes() {
        for (given, wanted) in [
            (&b"\r\n\nA: b\n"[..], &b"A: b\n"[..]),
            (b"From x Thu\nA: b\n", b"A: b\n"),
            (b"\xef\xbb\xbfA: b\n", b"A: b\n"),
            (b"\xef\xbb\xbf\n \t\nFrom x Thu\n>From y\nA: b\n\nFrom z\n", b"A: b\n\nFrom z\n"),
            (b"From: x\n", b"From: x\n"),
            (b"\n\n", b"\n\n"),
        ] {
            assert_eq!(without_envelope(given.to_vec()), wanted);
        }
    }

    #[test]
    fn a_text_without_a_header_is_a_message_and_other_things_are_not() {
        let taken = |bytes: &[u8]| headless(bytes.to_vec());
        assert_eq!(taken(b"Hello,\r\nsee you"), Ok(b"\r\nHello,\r\nsee you".to_vec()));
        assert_eq!(taken(b"\x1b$B%F\x1b(B\r\n").unwrap().len(), 12);
        assert_eq!(taken(b"gr\xfc\xdfe\r\n"), Ok(b"\r\ngr\xfc\xdfe\r\n".to_vec()));
        // Nothing of it becomes a header.
        let text = b"Dear Ben,\r\nDate: Monday\r\n";
        assert!(taken(text).unwrap().starts_with(b"\r\nDear"));
        // A header with a broken line stays one.
        let broken = b"?????\r\nSubject: a\r\nFrom: b\r\n\r\nx\r\n";
        assert_eq!(taken(broken), Ok(broken.to_vec()));
        for other in [
            &b""[..],
            b"\r\n \r\n",
            b"\xff\xd8\xff\xe0\0\x10JFIF",
            b"%PDF-1.4\r\n\x01\x02",
            b"<!DOCTYPE html>\r\n<p>",
            b"<HTML><p>",
        ] {
            assert!(taken(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn fields_are_found_unfolded_and_not_in_the_body() {
        let message = b"A: 1\r\nB : two\r\n  lines\r\na: 3\r\n\r\nA: body\r\n";
        assert_eq!(fields(message, "a").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(fields(message, "b").collect::<Vec<_>>(), ["two  lines"]);
    }

    #[test]
    fn the_arrival_is_read_from_the_topmost_received() {
        let head = "Received: from a by b; Tue, 3 Mar 2020 10:00:00 +0100 (CET)\r\n\
                    Received: from x by a; Tue, 3 Mar 2020 09:00:00 +0100\r\n\
                    Date: Mon, 2 Mar 2020 00:00:00 GMT\r\n\r\n";
        assert_eq!(date(head.as_bytes()), Some(1_583_226_000));
        assert_eq!(date(b"Date: 2 Mar 2020 00:00:00 +0000\r\n\r\n"), Some(1_583_107_200));
        assert_eq!(date(b"Date: yesterday\r\n\r\n"), None);
    }

    #[test]
    fn programs_flags_are_understood() {
        let flags = |head: &str| mbox_flags(format!("{head}\r\n\r\n").as_bytes());
        assert_eq!(
            flags("Status: RO\r\nX-Status: AF").unwrap(),
            ["\\Seen", "\\Answered", "\\Flagged"]
        );
        assert_eq!(flags("X-Mozilla-Status: 1005").unwrap(), ["\\Seen", "\\Flagged", "$Forwarded"]);
        assert_eq!(flags("X-Mozilla-Status: 0009"), None);
        assert_eq!(flags("X-Gmail-Labels: Inbox,Starred").unwrap(), ["\\Seen", "\\Flagged"]);
        assert_eq!(flags("Subject: x").unwrap(), Vec::<String>::new());
    }
}
