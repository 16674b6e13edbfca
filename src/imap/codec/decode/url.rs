//! IMAP URLs (RFC 5092) as CATENATE uses them: relative ones, which name a message of this very
//! account, or a part of it.

use std::num::NonZeroU32;

use bytes::Bytes;

use crate::imap::codec::frame::Frame;
use crate::imap::codec::types::*;

use super::Dialect;
use super::fetch::section;
use super::lexer::Cursor;

/// Reads a URL. One that cannot be used keeps its text, for `[BADURL …]`.
pub(super) fn parse(text: String) -> ImapUrl {
    let target = target(&text);
    ImapUrl { text, target }
}

/// `/mailbox[;UIDVALIDITY=n]/;UID=n[/;SECTION=s][/;PARTIAL=a.b]`, or from `;UID=` or `/;UID=`
/// on, for the selected mailbox (RFC 4469 §3).
fn target(text: &str) -> Option<MessageUrl> {
    // A whole URL names some server, and none but this one could be meant.
    if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("imap:"))
        || text.starts_with("//")
    {
        return None;
    }
    let (place, rest) = split_parameter(text, "UID=")?;
    let place = place.strip_suffix('/').unwrap_or(place);
    let place = place.strip_prefix('/').unwrap_or(place);
    let (mailbox, uid_validity) = match split_parameter(place, "UIDVALIDITY=") {
        Some((mailbox, number)) => (mailbox, Some(number.parse::<NonZeroU32>().ok()?)),
        None => (place, None),
    };
    let mailbox = match mailbox {
        "" => None,
        name => Some(MailboxName::new(&unescape(name)?)?),
    };
    let (rest, partial) = match split_parameter(rest, "PARTIAL=") {
        Some((rest, range)) => (rest, Some(partial(range)?)),
        None => (rest, None),
    };
    let (uid, section) = match split_parameter(rest, "SECTION=") {
        Some((uid, name)) => (uid, section_of(&unescape(name.strip_suffix('/').unwrap_or(name))?)?),
        None => (rest, Section::default()),
    };
    let uid = uid.strip_suffix('/').unwrap_or(uid).parse().ok()?;
    Some(MessageUrl { mailbox, uid_validity, uid, section, partial })
}

/// Splits at `;NAME=`, in any case; the slash before it stays on the left.
fn split_parameter<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let at = text.match_indices(';').map(|(at, _)| at).find(|at| {
        let behind = text.get(at + 1..at + 1 + name.len());
        behind.is_some_and(|behind| behind.eq_ignore_ascii_case(name))
    })?;
    Some((text.get(..at)?, text.get(at + 1 + name.len()..)?))
}

/// `offset[.length]` (RFC 5092 §11, `partial-range`).
fn partial(range: &str) -> Option<Partial> {
    let (offset, length) = match range.split_once('.') {
        Some((offset, length)) => (offset, length.parse().ok()?),
        None => (range, i64::MAX as u64),
    };
    Some(Partial { offset: offset.parse().ok()?, length })
}

fn section_of(name: &str) -> Option<Section> {
    let frame = Frame { bytes: Bytes::copy_from_slice(name.as_bytes()), literals: Vec::new() };
    let mut cursor = Cursor::new(&frame, Dialect { utf8: true, ..Dialect::default() });
    let section = section(&mut cursor).ok()?;
    cursor.end().ok()?;
    Some(section)
}

/// Resolves `%hh`.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let mut hex = || char::from(bytes.next()?).to_digit(16);
            out.push((hex()? * 16 + hex()?) as u8);
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target_of(text: &str) -> Option<MessageUrl> {
        parse(text.to_owned()).target
    }

    #[test]
    fn the_standards_examples() {
        let url = target_of("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER").unwrap();
        assert_eq!(url.mailbox.unwrap().as_str(), "Drafts");
        assert_eq!(url.uid_validity.unwrap().get(), 385_759_045);
        assert_eq!(url.uid.get(), 20);
        assert_eq!(url.section.text, SectionText::Header);
        let url = target_of("/Entw%C3%BCrfe/a/;UID=7/;SECTION=1.2.MIME/;PARTIAL=0.1024").unwrap();
        assert_eq!(url.mailbox.unwrap().as_str(), "Entwürfe/a");
        assert_eq!(url.section.part.numbers(), [1, 2]);
        assert_eq!(url.partial, Some(Partial { offset: 0, length: 1024 }));
        let url = target_of("/;UID=20/;section=1").unwrap();
        assert_eq!((url.mailbox, url.uid.get()), (None, 20));
    }

    #[test]
    fn what_cannot_be_used() {
        for text in [
            "imap://joe@example.com/INBOX/;uid=20",
            "//host/INBOX/;uid=20",
            "/INBOX",
            "/INBOX/;uid=0",
            "/INBOX/;uid=x",
            "/INBOX/;uid=1/;section=NONSENSE",
            "/%zz/;uid=1",
            "/%ff/;uid=1",
            ";",
            "",
        ] {
            assert_eq!(target_of(text), None, "{text}");
        }
    }
}
