//! A message as a reader takes it apart: which parts are its text, which are attachments
//! (RFC 8621 §4.1.4), and what each says of itself.
//!
//! Works on a record's part table and reads headers only; bodies are decoded when somebody asks
//! for their text, so that a message with a large attachment costs no more than its text.

use std::borrow::Cow;
use std::convert::Infallible;

use super::cte::Encoding;
use super::encoded_word;
use super::header::fields;
use super::param::{MediaType, Structured};
use super::readable;
use super::scan::Kind;
use super::text::{decode_labelled, file_name};
use super::view::Outline;
use super::{MAX_FIELDS, MAX_HEADER, Span};

/// Parts that are looked at; what follows them is in the message, but no attachment of its own.
const MAX_SHOWN: usize = 1_000;
/// Longest Content-ID and Content-Location.
const MAX_ID: usize = 1_000;
/// Parameters kept of a media type (charset, method, protocol and the like).
const MAX_KEPT: usize = 20;

/// Octets of a message by their place in raw.
pub trait Octets {
    type Error;
    fn octets(&self, span: Span) -> Result<Cow<'_, [u8]>, Self::Error>;
}

impl Octets for [u8] {
    type Error = Infallible;
    fn octets(&self, span: Span) -> Result<Cow<'_, [u8]>, Infallible> {
        Ok(Cow::Borrowed(span.of(self)))
    }
}

/// How a part asks to be shown (RFC 2183 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Disposition {
    #[default]
    Unsaid,
    Inline,
    Attachment,
}

/// What a part says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// The number in the part table, the same for ever.
    pub index: usize,
    pub outline: Outline,
    /// `text/plain`, in lower case.
    pub media: String,
    /// Parameters with lower-case names; RFC 2231 forms are left as they are.
    pub params: Vec<(String, String)>,
    /// The decoded file name, empty if there is none.
    pub name: String,
    pub disposition: Disposition,
    /// Without angle brackets; empty if there is none.
    pub content_id: String,
    pub location: String,
    /// The number of the multipart that it stands in.
    pub parent: Option<usize>,
}

impl PartInfo {
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter();
        params.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether this is `main/…`.
    pub fn is_main(&self, main: &str) -> bool {
        self.media.split('/').next() == Some(main)
    }

    fn is_text(&self) -> bool {
        self.outline.kind == Kind::BrokenMultipart
            || self.outline.kind == Kind::Leaf && matches!(&*self.media, "text/plain" | "text/html")
    }

    pub fn is_html(&self) -> bool {
        self.outline.kind == Kind::Leaf && self.media == "text/html"
    }

    fn is_media(&self) -> bool {
        ["image", "audio", "video"].iter().any(|main| self.is_main(main))
    }

    /// What only programs look at: a signature, or the part that announces an encrypted one.
    fn is_machinery(&self) -> bool {
        matches!(
            &*self.media,
            "application/pgp-signature"
                | "application/pgp-encrypted"
                | "application/pkcs7-signature"
                | "application/x-pkcs7-signature"
        )
    }

    /// The part as text, its transfer encoding and character set undone.
    pub fn text<'a>(&self, body: &'a [u8]) -> Cow<'a, str> {
        let label = self.param("charset").map(str::as_bytes);
        decode_labelled(body, self.outline.encoding, label, self.is_html())
    }

    /// About how many octets the part has when its transfer encoding is undone.
    pub fn estimated_size(&self) -> u64 {
        let encoded = self.outline.body.len() as u64;
        match self.outline.encoding {
            // Lines of 76 characters and a line end are 57 octets.
            Encoding::Base64 => encoded.saturating_mul(57).div_ceil(78),
            Encoding::Uuencode => encoded.saturating_mul(45) / 63,
            _ => encoded,
        }
    }
}

/// A message taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// All entities outside nested messages, as far as they are looked at.
    pub parts: Vec<PartInfo>,
    /// Which of `parts` are the text for a reader of plain text, in order.
    pub plain: Vec<usize>,
    /// The same for a reader of HTML.
    pub html: Vec<usize>,
    pub attachments: Vec<usize>,
}

impl Content {
    /// Takes a message apart. `octets` gives the headers of its parts.
    pub fn read<O: Octets + ?Sized>(outlines: &[Outline], octets: &O) -> Result<Content, O::Error> {
        let mut parts: Vec<PartInfo> = Vec::new();
        // Of each open level its place in `parts`.
        let mut open: Vec<usize> = Vec::new();
        let mut inside: Option<usize> = None;
        for (index, outline) in outlines.iter().enumerate() {
            if inside.is_some_and(|depth| outline.depth > depth) {
                continue;
            }
            if parts.len() == MAX_SHOWN {
                break;
            }
            inside = (outline.kind == Kind::Message).then_some(outline.depth);
            open.truncate(outline.depth);
            let parent = open.last().copied();
            let in_digest = parent
                .and_then(|at| parts.get(at))
                .is_some_and(|parent| parent.media == "multipart/digest");
            let header = octets.octets(outline.header)?;
            let header = header.get(..MAX_HEADER).unwrap_or(&header);
            let parent = parent.and_then(|at| parts.get(at)).map(|parent| parent.index);
            open.push(parts.len());
            parts.push(info(index, *outline, header, in_digest, parent));
        }
        Ok(Sorter::sort(parts))
    }

    /// The message itself.
    pub fn root(&self) -> Option<&PartInfo> {
        self.parts.first()
    }

    /// The part with this number of the part table.
    pub fn part(&self, index: usize) -> Option<&PartInfo> {
        self.parts.iter().find(|part| part.index == index)
    }

    fn pick<'a>(&'a self, list: &'a [usize]) -> impl Iterator<Item = &'a PartInfo> {
        list.iter().filter_map(|at| self.parts.get(*at))
    }

    /// The attachments, what only programs look at left out.
    pub fn files(&self) -> impl Iterator<Item = &PartInfo> {
        self.pick(&self.attachments).filter(|part| !part.is_machinery())
    }

    /// Whether the message was written as HTML.
    pub fn is_html(&self) -> bool {
        self.pick(&self.html).any(PartInfo::is_html)
    }

    /// The text as plain text.
    pub fn plain_text<O: Octets + ?Sized>(&self, octets: &O) -> Result<String, O::Error> {
        let mut out = String::new();
        for part in self.pick(&self.plain) {
            separate(&mut out);
            let body = octets.octets(part.outline.body)?;
            let text = part.text(&body);
            if part.is_html() {
                out.push_str(&readable::html_to_readable(&text));
            } else {
                out.push_str(&flowing(part, &text));
            }
        }
        Ok(out)
    }

    /// The text as HTML, said to be in UTF-8.
    pub fn html_text<O: Octets + ?Sized>(&self, octets: &O) -> Result<String, O::Error> {
        let list = if self.html.is_empty() { &self.plain } else { &self.html };
        let mut out = String::new();
        for part in self.pick(list) {
            separate(&mut out);
            let body = octets.octets(part.outline.body)?;
            let text = part.text(&body);
            if part.is_html() {
                out.push_str(&readable::in_utf8(&text));
            } else {
                out.push_str(&readable::text_to_html(&flowing(part, &text)));
            }
        }
        Ok(out)
    }
}

/// `format=flowed` undone (RFC 3676): phones have narrow screens.
fn flowing<'a>(part: &PartInfo, text: &'a str) -> Cow<'a, str> {
    match part.param("format") {
        Some(format) if format.eq_ignore_ascii_case("flowed") => {
            let delsp = part.param("delsp").is_some_and(|yes| yes.eq_ignore_ascii_case("yes"));
            Cow::Owned(readable::unflowed(text, delsp))
        }
        _ => Cow::Borrowed(text),
    }
}

fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push_str("\r\n");
    }
}

fn info(
    index: usize,
    outline: Outline,
    header: &[u8],
    in_digest: bool,
    parent: Option<usize>,
) -> PartInfo {
    let (mut media, mut disposition) = (None, None);
    let (mut content_id, mut location) = (String::new(), String::new());
    for field in fields(header).take(MAX_FIELDS) {
        let Some((prefix, name)) = field.name.split_at_checked(8) else { continue };
        if !prefix.eq_ignore_ascii_case(b"content-") {
            continue;
        }
        if name.eq_ignore_ascii_case(b"type") {
            media.get_or_insert_with(|| MediaType::parse(field.value));
        } else if name.eq_ignore_ascii_case(b"disposition") {
            disposition.get_or_insert_with(|| Structured::parse(field.value));
        } else if name.eq_ignore_ascii_case(b"id") && content_id.is_empty() {
            content_id = id_of(field.value);
        } else if name.eq_ignore_ascii_case(b"location") && location.is_empty() {
            location = encoded_word::decode(field.value);
            location.retain(|c| !c.is_whitespace() && !c.is_control());
            location.truncate(location.floor_char_boundary(MAX_ID));
        }
    }
    let media = media.unwrap_or_else(|| match in_digest {
        true => MediaType { main: b"message", sub: b"rfc822", ..MediaType::default() },
        false => MediaType::default(),
    });
    let structured = disposition.unwrap_or_default();
    let name = file_name(&media, &structured).unwrap_or_default();
    let disposition = if structured.head.is_empty() {
        Disposition::Unsaid
    } else if structured.head.eq_ignore_ascii_case(b"inline") {
        Disposition::Inline
    } else {
        // What is not known is an attachment (RFC 2183 §2.8).
        Disposition::Attachment
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let params = media.params.iter().take(MAX_KEPT);
    PartInfo {
        index,
        outline,
        params: params.map(|p| (text(&p.name).to_ascii_lowercase(), text(&p.value))).collect(),
        media: format!("{}/{}", text(media.main), text(media.sub)).to_ascii_lowercase(),
        name,
        disposition,
        content_id,
        location,
        parent,
    }
}

fn id_of(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let text = text.trim();
    let text = text.strip_prefix('<').unwrap_or(text);
    let text = text.split('>').next().unwrap_or_default().trim();
    let mut id: String = text.chars().filter(|c| !c.is_control()).collect();
    id.truncate(id.floor_char_boundary(MAX_ID));
    id
}

/// Tells texts from attachments by RFC 8621 §4.1.4's algorithm; the depth of its recursion is
/// that of the message, at most `MAX_DEPTH`.
struct Sorter {
    parts: Vec<PartInfo>,
    children: Vec<Vec<usize>>,
    plain: Vec<usize>,
    html: Vec<usize>,
    attachments: Vec<usize>,
}

/// Which kinds of text a part counts for: within an alternative, plain text is no HTML.
#[derive(Clone, Copy)]
struct Wanted {
    plain: bool,
    html: bool,
}

impl Sorter {
    fn sort(parts: Vec<PartInfo>) -> Content {
        let mut children = vec![Vec::new(); parts.len()];
        let mut open: Vec<usize> = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            open.truncate(part.outline.depth);
            if let Some(list) = open.last().and_then(|parent| children.get_mut(*parent)) {
                list.push(at);
            }
            open.push(at);
        }
        let mut sorter = Sorter {
            parts,
            children,
            plain: Vec::new(),
            html: Vec::new(),
            attachments: Vec::new(),
        };
        if !sorter.parts.is_empty() {
            let mut wanted = Wanted { plain: true, html: true };
            sorter.level(&[0], "mixed", false, &mut wanted);
        }
        let Sorter { parts, plain, html, attachments, .. } = sorter;
        Content { parts, plain, html, attachments }
    }

    fn level(
        &mut self,
        level: &[usize],
        multipart: &str,
        in_alternative: bool,
        wanted: &mut Wanted,
    ) {
        let before = (self.plain.len(), self.html.len());
        for (place, &at) in level.iter().enumerate() {
            let Some(part) = self.parts.get(at) else { continue };
            if part.outline.kind == Kind::Multipart {
                let sub = part.media.split('/').nth(1).unwrap_or_default().to_owned();
                let children = self.children.get_mut(at).map(std::mem::take).unwrap_or_default();
                let within = in_alternative || sub == "alternative";
                self.level(&children, &sub, within, &mut wanted.clone());
                continue;
            }
            let (text, media) = (part.is_text(), part.is_media());
            let inline = part.disposition != Disposition::Attachment
                && (text || media)
                && (place == 0 || multipart != "related" && (media || part.name.is_empty()));
            let is_html = part.is_html();
            if !inline || !text {
                self.attachments.push(at);
            } else if multipart == "alternative" {
                if is_html { self.html.push(at) } else { self.plain.push(at) }
            } else {
                if in_alternative {
                    match is_html {
                        true => wanted.plain = false,
                        false => wanted.html = false,
                    }
                }
                if wanted.plain {
                    self.plain.push(at);
                }
                if wanted.html {
                    self.html.push(at);
                }
            }
        }
        if multipart == "alternative" && wanted.plain && wanted.html {
            // Only one of the kinds was offered: it stands for the other.
            let new = |list: &[usize], from: usize| list.get(from..).unwrap_or_default().to_vec();
            let (plain, html) = (new(&self.plain, before.0), new(&self.html, before.1));
            match (plain.is_empty(), html.is_empty()) {
                (true, false) => self.plain.extend(html),
                (false, true) => self.html.extend(plain),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mime::scan;

    fn read(raw: &str) -> Content {
        let raw = raw.replace('\n', "\r\n");
        let outlines = Outline::of_tree(&scan(raw.as_bytes()));
        match Content::read(&outlines, raw.as_bytes()) {
            Ok(content) => content,
            Err(never) => match never {},
        }
    }

    fn media(content: &Content, list: &[usize]) -> String {
        let of = |part: &PartInfo| part.media.clone();
        content.pick(list).map(of).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_alternative_has_one_text_of_each_kind() {
        let content = read(
            "Content-Type: multipart/mixed; boundary=m\n\n--m\n\
             Content-Type: multipart/alternative; boundary=a\n\n--a\n\nplain\n--a\n\
             Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<p>h\n\
             --r\nContent-Type: image/png\nContent-ID: <x@y>\n\nAAAA\n--r--\n--a--\n--m\n\
             Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment\n\nx\n\
             --m--\n",
        );
        assert_eq!(media(&content, &content.plain), "text/plain");
        assert_eq!(media(&content, &content.html), "text/html");
        assert_eq!(media(&content, &content.attachments), "image/png application/pdf");
        assert!(content.is_html());
        assert_eq!(content.files().map(|part| &*part.name).collect::<Vec<_>>(), ["", "a.pdf"]);
        assert_eq!(content.files().next().unwrap().content_id, "x@y");
    }

    #[test]
    fn one_kind_stands_for_the_other() {
        let html = read("Content-Type: text/html\n\n<p>x");
        assert_eq!((html.plain.len(), html.html.len()), (1, 1));
        assert!(html.is_html());
        let raw = b"Content-Type: text/html\r\n\r\n<p>x";
        assert_eq!(html.plain_text(&raw[..]).unwrap(), "x");
        let signed = read(
            "Content-Type: multipart/signed; boundary=s\n\n--s\n\ntext\n--s\n\
             Content-Type: application/pgp-signature; name=s.asc\n\nx\n--s--\n",
        );
        assert!(!signed.is_html());
        assert_eq!(signed.files().count(), 0);
    }

    #[test]
    fn a_nested_message_is_one_attachment() {
        let content = read(
            "Content-Type: multipart/mixed; boundary=m\n\n--m\n\nmine\n--m\n\
             Content-Type: message/rfc822\n\nSubject: s\nContent-Type: text/html\n\ntheirs\n--m\n\
             Content-Type: text/plain; name=t.txt\n\nlast\n--m--\n",
        );
        assert_eq!(media(&content, &content.plain), "text/plain");
        assert_eq!(media(&content, &content.attachments), "message/rfc822 text/plain");
    }
}
