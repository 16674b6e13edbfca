//! A message as text: previews, attachment names, and everything a search should find.

use std::borrow::Cow;

use super::charset;
use super::cte::{Encoding, decode_part};
use super::encoded_word;
use super::header::{Fields, fields};
use super::html;
use super::param::{MediaType, Structured, decoded_param};
use super::scan::{Entity, EntityId, Kind, Tree, scan};
use super::{MAX_FIELDS, MAX_HEADER};

/// Longest preview in characters (RFC 8970 §3.1).
const PREVIEW_CHARS: usize = 200;
/// Encoded octets of a part that are looked at for a preview; if they give none (style sheets
/// come first), as many as the second number.
const PREVIEW_OCTETS: [usize; 2] = [8 * 1024, 128 * 1024];
/// Text parts that are tried for a preview.
const PREVIEW_PARTS: usize = 4;
/// Most text of one message that is searched.
const MAX_SEARCH_TEXT: usize = 8 * 1024 * 1024;
/// Longest attachment name; longer ones are cut.
const MAX_NAME: usize = 255;

/// A part that a person would call an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub entity: EntityId,
    /// The decoded file name; empty if the sender gave none.
    pub name: String,
}

/// The attachments of a message, not those of messages inside it.
pub fn attachments(raw: &[u8], tree: &Tree) -> Vec<Attachment> {
    outer_parts(tree).filter_map(|id| attachment(raw, tree, id)).collect()
}

/// The parts that are no multiparts, without what is inside nested messages.
fn outer_parts(tree: &Tree) -> impl Iterator<Item = EntityId> {
    let mut inside: Option<usize> = None;
    tree.entities.iter().enumerate().filter_map(move |(id, entity)| {
        if inside.is_some_and(|depth| entity.depth > depth) {
            return None;
        }
        inside = (entity.kind == Kind::Message).then_some(entity.depth);
        (entity.kind != Kind::Multipart).then_some(id)
    })
}

fn attachment(raw: &[u8], tree: &Tree, id: EntityId) -> Option<Attachment> {
    let entity = tree.get(id)?;
    let mime = &entity.mime;
    // Most parts carry neither; nothing needs to be parsed then.
    if mime.content_type.is_none() && mime.disposition.is_none() {
        return None;
    }
    let media = tree.media_type(raw, id);
    let disposition = mime.disposition.map(|v| Structured::parse(v.of(raw))).unwrap_or_default();
    let signature = media.is("application", "pgp-signature")
        || media.is("application", "pgp-encrypted")
        || media.is("application", "pkcs7-signature")
        || media.is("application", "x-pkcs7-signature");
    if signature || matches!(entity.kind, Kind::BrokenMultipart) {
        return None;
    }
    let name = file_name(&media, &disposition);
    let asked = disposition.head.eq_ignore_ascii_case(b"attachment");
    // Pictures of an HTML body carry a Content-ID by which it names them.
    let embedded = mime.id.is_some() && media.is("image", "");
    let foreign = ["application", "audio", "video", "image"].iter().any(|main| media.is(main, ""));
    let attached = asked
        || entity.kind == Kind::Message
        || (!embedded && (name.is_some() || foreign && entity.parent.is_some()));
    attached.then(|| Attachment { entity: id, name: name.unwrap_or_default() })
}

/// The decoded file name of a part, on one line.
pub(super) fn file_name(media: &MediaType<'_>, disposition: &Structured<'_>) -> Option<String> {
    let name = decoded_param(&disposition.params, "filename")
        .or_else(|| decoded_param(&media.params, "name"))?;
    let mut name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    name.truncate(name.floor_char_boundary(MAX_NAME));
    (!name.is_empty()).then_some(name)
}

/// The beginning of what a reader would see (RFC 8970), at most 200 characters on one line.
pub fn preview(raw: &[u8], tree: &Tree) -> String {
    let texts = outer_parts(tree).filter(|id| {
        let Some(entity) = tree.get(*id) else { return false };
        let attached = entity.mime.disposition.is_some_and(|v| {
            v.of(raw)
                .trim_ascii_start()
                .get(..10)
                .is_some_and(|d| d.eq_ignore_ascii_case(b"attachment"))
        });
        !attached && matches!(entity.kind, Kind::Leaf | Kind::BrokenMultipart)
    });
    let mut tried = 0;
    for id in texts {
        let media = tree.media_type(raw, id);
        let Some(entity) = tree.get(id) else { continue };
        let broken = entity.kind == Kind::BrokenMultipart;
        if !(broken || media.is("text", "plain") || media.is("text", "html")) {
            continue;
        }
        let found = preview_of(raw, entity, &media);
        tried += 1;
        if !found.is_empty() || tried == PREVIEW_PARTS {
            return found;
        }
    }
    String::new()
}

fn preview_of(raw: &[u8], entity: &Entity, media: &MediaType<'_>) -> String {
    let body = entity.body.of(raw);
    for limit in PREVIEW_OCTETS {
        let start = body.get(..limit).unwrap_or(body);
        let text = decode_text(start, entity.encoding, media);
        let found = if media.is("text", "html") {
            // Whatever white space is left out, this many bytes give enough characters.
            let plain = html::to_text(&text, PREVIEW_CHARS * 8);
            clip(plain.split_whitespace())
        } else {
            let lines = text.lines().take_while(|line| line.trim_end() != "--");
            let own =
                clip(lines.clone().filter(|l| !l.starts_with('>')).flat_map(str::split_whitespace));
            if own.is_empty() { clip(lines.flat_map(str::split_whitespace)) } else { own }
        };
        if !found.is_empty() || start.len() == body.len() {
            return found;
        }
    }
    String::new()
}

/// Joins words up to the length of a preview, without the invisible characters with which
/// newsletters pad theirs.
fn clip<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    let mut out = String::new();
    let mut left = PREVIEW_CHARS;
    for word in words {
        let mut space = !out.is_empty();
        for c in word.chars().filter(|c| !invisible(*c)) {
            if std::mem::take(&mut space) {
                out.push(' ');
                left -= 1;
            }
            if left == 0 {
                return out.trim_end().to_owned();
            }
            out.push(c);
            left -= 1;
            if left == 0 {
                return out;
            }
        }
    }
    out
}

/// A text part as UTF-8.
fn decode_text<'a>(body: &'a [u8], encoding: Encoding, media: &MediaType<'_>) -> Cow<'a, str> {
    decode_labelled(body, encoding, media.param("charset"), media.is("text", "html"))
}

/// The same with what is known of the media type.
pub(super) fn decode_labelled<'a>(
    body: &'a [u8],
    encoding: Encoding,
    label: Option<&[u8]>,
    is_html: bool,
) -> Cow<'a, str> {
    let label = |octets: &[u8]| -> Option<Vec<u8>> {
        match label {
            Some(label) => Some(label.to_vec()),
            None if is_html => html_charset(octets),
            None => None,
        }
    };
    // Text whose encoding is misspelled is mostly not encoded at all.
    match decode_part(body, encoding).unwrap_or(Cow::Borrowed(body)) {
        Cow::Borrowed(octets) => charset::decode_cow(label(octets).as_deref(), octets),
        Cow::Owned(octets) => {
            let label = label(&octets);
            Cow::Owned(charset::decode(label.as_deref(), &octets))
        }
    }
}

/// The character set that an HTML document names for itself (`<meta charset=...>`).
fn html_charset(octets: &[u8]) -> Option<Vec<u8>> {
    let head = octets.get(..1024).unwrap_or(octets).to_ascii_lowercase();
    let at = memchr::memmem::find(&head, b"charset=")?;
    let value = head.get(at + 8..)?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let end = value.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_.:".contains(b))?;
    value.get(..end).map(<[u8]>::to_vec).filter(|label| !label.is_empty())
}

/// What SEARCH looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchText {
    /// The message's own fields, decoded and unfolded: `Name: value\n` each.
    pub headers: String,
    /// Text parts as UTF-8 (HTML as written and as text), header fields of parts and nested
    /// messages, attachment names.
    pub body: String,
}

/// Everything of a message that a search should find, at most 8 MiB of text.
pub fn search_text(prefix: &[u8], raw: &[u8]) -> SearchText {
    let tree = scan(raw);
    let mut headers = String::new();
    put_fields(prefix, &mut headers);
    let own = tree.get(0).map(|root| root.header).unwrap_or_default();
    put_fields(own.of(raw), &mut headers);
    let mut body = String::new();
    for (id, entity) in tree.entities.iter().enumerate() {
        if body.len() >= MAX_SEARCH_TEXT {
            break;
        }
        put_part(raw, &tree, id, entity, &mut body);
    }
    for text in [&mut headers, &mut body] {
        text.truncate(text.floor_char_boundary(MAX_SEARCH_TEXT));
    }
    SearchText { headers, body }
}

fn put_part(raw: &[u8], tree: &Tree, id: EntityId, entity: &Entity, out: &mut String) {
    if id != 0 {
        put_fields(entity.header.of(raw), out);
    }
    let media = tree.media_type(raw, id);
    if entity.kind == Kind::Multipart {
        return;
    }
    let disposition =
        entity.mime.disposition.map(|v| Structured::parse(v.of(raw))).unwrap_or_default();
    if let Some(name) = file_name(&media, &disposition) {
        out.push_str(&name);
        out.push('\n');
    }
    // Delivery reports and the like are message/*, but text to whoever reads them.
    let readable = entity.kind == Kind::BrokenMultipart
        || entity.kind == Kind::Leaf && (media.is("text", "") || media.is("message", ""));
    if !readable {
        return;
    }
    let left = MAX_SEARCH_TEXT.saturating_sub(out.len());
    // No encoding needs more than this many octets for one of text.
    let body = entity.body.of(raw);
    let body = body.get(..left.saturating_mul(4)).unwrap_or(body);
    let text = decode_text(body, entity.encoding, &media);
    let text = text.get(..text.floor_char_boundary(left)).unwrap_or_default();
    out.push_str(text);
    out.push('\n');
    if media.is("text", "html") {
        out.push_str(&html::to_text(text, MAX_SEARCH_TEXT.saturating_sub(out.len())));
        out.push('\n');
    }
}

/// Fields, and the lines between that are none: a message may be a single word.
fn put_fields(header: &[u8], out: &mut String) {
    let mut end = 0;
    for field in indexed_fields(header) {
        put_lines(header.get(end..field.span.start).unwrap_or_default(), out);
        end = field.span.end;
        out.push_str(&String::from_utf8_lossy(field.name));
        out.push_str(": ");
        out.push_str(&encoded_word::decode(field.value));
        out.push('\n');
    }
    put_lines(header.get(end..header.len().min(MAX_HEADER)).unwrap_or_default(), out);
}

fn put_lines(bytes: &[u8], out: &mut String) {
    for line in String::from_utf8_lossy(bytes).lines().map(str::trim).filter(|l| !l.is_empty()) {
        out.push_str(line);
        out.push('\n');
    }
}

/// The fields that are interpreted; those beyond the limits are bytes only.
fn indexed_fields(header: &[u8]) -> std::iter::Take<Fields<'_>> {
    fields(header.get(..MAX_HEADER).unwrap_or(header)).take(MAX_FIELDS)
}

/// The decoded values of all fields of this name, for `SEARCH HEADER`.
pub fn field_values(header: &[u8], name: &str) -> Vec<String> {
    indexed_fields(header).filter(|f| f.is(name)).map(|f| encoded_word::decode(f.value)).collect()
}
