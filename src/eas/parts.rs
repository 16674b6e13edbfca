//! Parts of a message that is put together here: what a phone wrote, what an original had, files.
//!
//! A part is a list of pieces, so that attachments are neither copied nor held as one text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::base::secret;
use crate::format::mime::{self, Piece};

/// Octets of a file that become one encoded line (RFC 2045 §6.8).
const LINE: usize = 57;

/// An entity, from its header on. Every piece but the last of a part ends with a line.
#[derive(Clone, Debug, Default)]
pub struct Part(pub Vec<Bytes>);

/// A file as a phone gives it.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub media: String,
    pub name: String,
    /// Without angle brackets; empty if it has none.
    pub content_id: String,
    pub location: String,
    pub inline: bool,
    pub bytes: Bytes,
}

impl Part {
    /// `text/plain` or `text/html`.
    pub fn text(kind: &str, text: &str) -> Part {
        Part(vec![Piece::text(kind, "", text).octets().into()])
    }

    pub fn file(file: &File) -> Part {
        let media = Some(file.media.trim()).filter(|media| is_media_type(media));
        let mut head = format!("Content-Type: {}", media.unwrap_or("application/octet-stream"));
        parameter(&mut head, "name", &file.name);
        let disposition = if file.inline { "inline" } else { "attachment" };
        let _ = write!(head, "\r\nContent-Disposition: {disposition}");
        parameter(&mut head, "filename", &file.name);
        for (name, value, open, close) in [
            ("Content-ID", &file.content_id, "<", ">"),
            ("Content-Location", &file.location, "", ""),
        ] {
            let value = value.trim_matches(['<', '>']);
            if !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic()) {
                let _ = write!(head, "\r\n{name}: {open}{value}{close}");
            }
        }
        head.push_str("\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        let mut body = String::with_capacity(file.bytes.len() / LINE * 80 + 80);
        for line in file.bytes.chunks(LINE) {
            STANDARD.encode_string(line, &mut body);
            body.push_str("\r\n");
        }
        Part(vec![head.into(), body.into()])
    }

    /// A part of another message: of its header what describes the body, and the body as it is.
    pub fn existing(header: &[u8], body: Bytes) -> Part {
        let (about, _) = split_header(header);
        if is_binary(&about) {
            // Bare line ends and zeros do not travel as they are.
            return Self::encoded(&about, &body);
        }
        Part(vec![about.into(), body])
    }

    fn encoded(about: &[u8], body: &Bytes) -> Part {
        let mut head = Vec::with_capacity(about.len() + 40);
        for field in mime::header_fields(about) {
            if !field.is("content-transfer-encoding") {
                head.extend_from_slice(field.span.of(about));
            }
        }
        head.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
        let lines: String = body.chunks(LINE).map(|line| STANDARD.encode(line) + "\r\n").collect();
        Part(vec![head.into(), lines.into()])
    }

    /// A whole message within this one.
    pub fn message(pieces: Vec<Bytes>) -> Part {
        let head = "Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n";
        let mut all = vec![Bytes::from(head)];
        all.extend(pieces);
        Part(all)
    }

    /// `multipart/{kind}` of these parts; `parameters` such as `; type="text/html"`.
    pub fn multipart(kind: &str, parameters: &str, parts: Vec<Part>) -> Part {
        let boundary = format!(
            "={kind}-{:016x}{:016x}",
            u64::from_be_bytes(secret::random()),
            u64::from_be_bytes(secret::random())
        );
        let head = format!(
            "Content-Type: multipart/{kind}{parameters};\r\n boundary=\"{boundary}\"\r\n\r\n"
        );
        let mut all = vec![Bytes::from(head)];
        for (count, part) in parts.into_iter().enumerate() {
            let gap = if count == 0 { "" } else { "\r\n" };
            all.push(format!("{gap}--{boundary}\r\n").into());
            all.extend(part.0);
        }
        all.push(format!("\r\n--{boundary}--\r\n").into());
        Part(all)
    }

    /// A message: fields that are no `Content-` ones, and this part below them.
    pub fn under(self, fields: Vec<u8>) -> Vec<Bytes> {
        let mut head = fields;
        if !mime::header_fields(&head).any(|field| field.is("mime-version")) {
            head.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        let mut all = vec![];
        let mut rest = self.0.into_iter();
        // The header has to stand in the first piece.
        if let Some(first) = rest.next() {
            head.extend_from_slice(&first);
        }
        all.push(Bytes::from(head));
        all.extend(rest);
        all
    }
}

/// Parts a header: fields about the body with the empty line behind them, and the others.
pub fn split_header(header: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut about, mut others) = (Vec::new(), Vec::new());
    for field in mime::header_fields(header) {
        let start = field.name.get(..8).unwrap_or_default();
        let list = if start.eq_ignore_ascii_case(b"content-") { &mut about } else { &mut others };
        list.extend_from_slice(field.span.of(header));
        if !list.ends_with(b"\n") {
            list.extend_from_slice(b"\r\n");
        }
    }
    about.extend_from_slice(b"\r\n");
    (about, others)
}

fn is_binary(about: &[u8]) -> bool {
    let mut fields = mime::header_fields(about);
    fields.any(|field| {
        field.is("content-transfer-encoding")
            && field.value.trim_ascii().eq_ignore_ascii_case(b"binary")
    })
}

fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part.len() < 100
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+._!#$&^".contains(&b))
    };
    // Multiparts and messages hold others, which an encoded file does not.
    text.split_once('/').is_some_and(|(main, sub)| {
        token(main) && token(sub) && !["multipart", "message"].contains(&main)
    })
}

/// Writes a parameter, by RFC 2231 where it is not plain.
fn parameter(out: &mut String, name: &str, value: &str) {
    let value: String = value.chars().filter(|c| !c.is_control()).take(200).collect();
    if value.is_empty() {
        return;
    }
    let plain = value.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && !b"\"\\".contains(&b));
    if plain {
        let _ = write!(out, ";\r\n {name}=\"{value}\"");
        return;
    }
    // In pieces, since a line has an end (RFC 2231 §3, §4.1).
    let mut rest = value.as_str();
    let mut number = 0;
    while !rest.is_empty() {
        let (piece, left) = rest.split_at(rest.floor_char_boundary(16.min(rest.len())));
        let charset = if number == 0 { "utf-8''" } else { "" };
        let _ = write!(out, ";\r\n {name}*{number}*={charset}");
        for byte in piece.bytes() {
            match byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                true => out.push(char::from(byte)),
                false => drop(write!(out, "%{byte:02X}")),
            }
        }
        (rest, number) = (left, number + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mime::{Content, Octets, Outline, decode_part, scan};

    #[test]
    fn what_is_put_together_comes_apart_again() {
        let file = File {
            media: "image/png".into(),
            name: "Größe \"1\" über alles hinaus und noch viel länger.png".into(),
            content_id: "<x@y>".into(),
            inline: true,
            bytes: Bytes::from((0..=255u8).cycle().take(1000).collect::<Vec<u8>>()),
            ..File::default()
        };
        let binary =
            b"Content-Type: a/b; name=x\r\nX-Other: 1\r\ncontent-transfer-encoding: Binary\r\n\r\n";
        let parts = vec![
            Part::text("text/html", "<p>ä"),
            Part::file(&file),
            Part::existing(binary, Bytes::from_static(b"\n\0\r")),
        ];
        let pieces = Part::multipart("mixed", "", parts).under(b"Subject: x\r\n".to_vec());
        let raw = pieces.concat();
        let tree = scan(&raw);
        let content = match Content::read(&Outline::of_tree(&tree), &raw[..]) {
            Ok(content) => content,
            Err(never) => match never {},
        };
        assert_eq!(content.html_text(&raw[..]).unwrap().trim(), "<p>ä");
        let files: Vec<_> = content.files().collect();
        assert_eq!(files.len(), 2);
        assert_eq!(files[0].name, file.name);
        assert_eq!(files[0].content_id, "x@y");
        for (part, wanted) in files.iter().zip([&file.bytes[..], b"\n\0\r"]) {
            let body = raw[..].octets(part.outline.body).unwrap();
            assert_eq!(decode_part(&body, part.outline.encoding).unwrap(), wanted);
        }
        assert!(raw.starts_with(b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/"));
        assert!(!raw.windows(7).any(|window| window == b"X-Other"));
    }
}
