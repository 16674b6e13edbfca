//! Calendars that arrive in messages. RFC 6047 §2.4.

use super::charset;
use super::cte::decode_part;
use super::param::MediaType;
use super::scan::{Kind, Tree};

/// Calendars in one message that are looked at, and octets of each.
const PARTS_MAX: usize = 3;
const OCTETS_MAX: usize = 1024 * 1024;

/// A `text/calendar` part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarPart {
    /// The media type's `method`; empty if it has none.
    pub method: String,
    pub text: String,
}

/// The calendars of a message, not those of messages inside it. What is too large or cannot be
/// decoded is left out.
pub fn calendar_parts(raw: &[u8], tree: &Tree) -> Vec<CalendarPart> {
    let (mut found, mut inside) = (Vec::new(), None::<usize>);
    for (id, entity) in tree.entities.iter().enumerate() {
        if inside.is_some_and(|depth| entity.depth > depth) {
            continue;
        }
        inside = (entity.kind == Kind::Message).then_some(entity.depth);
        if entity.kind != Kind::Leaf || entity.mime.content_type.is_none() {
            continue;
        }
        let media = tree.media_type(raw, id);
        // Encoded at most by a third longer, and quoted-printable threefold.
        if !media.is("text", "calendar") || entity.body.len() > 3 * OCTETS_MAX {
            continue;
        }
        found.extend(part(&media, entity.body.of(raw), entity.encoding));
        if found.len() == PARTS_MAX {
            break;
        }
    }
    found
}

fn part(media: &MediaType<'_>, body: &[u8], encoding: super::Encoding) -> Option<CalendarPart> {
    let bytes = decode_part(body, encoding).ok().filter(|bytes| bytes.len() <= OCTETS_MAX)?;
    let label = media.param("charset").unwrap_or(b"utf-8");
    let method = media.param("method").unwrap_or_default();
    Some(CalendarPart {
        method: String::from_utf8_lossy(method).into_owned(),
        text: charset::decode(Some(label), &bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::super::scan;
    use super::*;

    #[test]
    fn calendars_are_found_and_decoded() {
        let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/calendar; charset=iso-8859-1; Method=request\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\nSUMMARY:F=FCnf\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: text/calendar\r\n\r\ninner\r\n\
            --b\r\nContent-Type: TEXT/Calendar\r\n\r\nplain\r\n--b--\r\n";
        let found = calendar_parts(raw, &scan(raw));
        let texts: Vec<_> = found.iter().map(|p| (p.method.as_str(), p.text.trim())).collect();
        assert_eq!(texts, [("request", "SUMMARY:Fünf"), ("", "plain")]);
    }
}
