//! Messages that this server writes itself: invitations and their answers, automatic replies.
//! RFC 5322, RFC 2045-2047.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::secret;

/// Octets of an encoded line (RFC 2045 §6.8) and of an encoded-word (RFC 2047 §2).
const LINE: usize = 76;
/// Octets of text in one encoded-word: with `=?utf-8?B?` and `?=` around them they fit a line.
const WORD: usize = 39;
/// Octets after which a line of text is too long for mail (RFC 5322 §2.1.1 has 998).
const LONG: usize = 900;

/// A message as it is put together.
pub struct Letter {
    head: String,
    body: String,
}

/// A part of a message, from `Content-Type` on.
pub struct Piece(String);

impl Letter {
    /// Only a header, see [`Letter::fields`].
    pub fn header() -> Letter {
        Letter { head: String::new(), body: String::new() }
    }

    pub fn new(body: Piece) -> Letter {
        Letter { head: String::new(), body: body.0 }
    }

    /// A field whose value is ASCII already, and no longer than a line.
    pub fn field(mut self, name: &str, value: &str) -> Letter {
        self.put(name, &clean(value));
        self
    }

    /// A field of free text, encoded where it has to be.
    pub fn text(mut self, name: &str, value: &str) -> Letter {
        self.put(name, &words(&clean(value)));
        self
    }

    /// A field of mailboxes, each with its name.
    pub fn mailboxes<'a>(
        mut self,
        name: &str,
        all: impl IntoIterator<Item = (Option<&'a str>, &'a str)>,
    ) -> Letter {
        let all: Vec<String> =
            all.into_iter().map(|(name, address)| mailbox(name, address)).collect();
        self.put(name, &all.join(",\r\n "));
        self
    }

    /// A field of message ids.
    pub fn ids<'a>(mut self, name: &str, all: impl IntoIterator<Item = &'a str>) -> Letter {
        let all: Vec<String> = all.into_iter().map(|id| format!("<{}>", clean(id))).collect();
        if !all.is_empty() {
            self.put(name, &all.join("\r\n "));
        }
        self
    }

    fn put(&mut self, name: &str, value: &str) {
        self.head.extend([name, ": ", value, "\r\n"]);
    }

    /// The fields alone, for a body that is put together elsewhere.
    pub fn fields(self) -> Vec<u8> {
        self.head.into_bytes()
    }

    /// The whole message, lines ending in CRLF.
    pub fn finish(self) -> Vec<u8> {
        (self.head + "MIME-Version: 1.0\r\n" + &self.body).into_bytes()
    }
}

impl Piece {
    /// The part with its header.
    pub fn octets(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// `text/plain`, `text/html` and their like. `parameters` stand behind the type, such as
    /// `; method=REQUEST`.
    pub fn text(kind: &str, parameters: &str, text: &str) -> Piece {
        let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
        let ends = if lines.ends_with("\r\n") { "" } else { "\r\n" };
        let lines = lines + ends;
        let head = format!("Content-Type: {kind}; charset=utf-8{parameters}\r\n");
        if lines.is_ascii() && lines.lines().all(|line| line.len() < LONG) {
            return Piece(head + "\r\n" + &lines);
        }
        Piece(head + "Content-Transfer-Encoding: base64\r\n\r\n" + &base64(lines.as_bytes()))
    }

    /// A file; `kind` is its media type with parameters.
    pub fn file(kind: &str, name: &str, bytes: &[u8]) -> Piece {
        Piece(format!(
            "Content-Type: {kind}; name=\"{name}\"\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            base64(bytes)
        ))
    }

    /// `multipart/{kind}` of these parts.
    pub fn multipart(kind: &str, parts: Vec<Piece>) -> Piece {
        let boundary = format!("={kind}-{:016x}", u64::from_be_bytes(secret::random()));
        let mut out =
            format!("Content-Type: multipart/{kind};\r\n boundary=\"{boundary}\"\r\n\r\n");
        for part in parts {
            out.extend(["--", &boundary, "\r\n", &part.0, "\r\n"]);
        }
        out.extend(["--", &boundary, "--\r\n"]);
        Piece(out)
    }
}

/// Line ends would begin another field.
fn clean(value: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    value.chars().map(blank).collect::<String>().trim().to_owned()
}

fn base64(bytes: &[u8]) -> String {
    bytes.chunks(LINE / 4 * 3).map(|line| STANDARD.encode(line) + "\r\n").collect()
}

/// `name <address>`: an atom where the name is one, else quoted or encoded.
fn mailbox(name: Option<&str>, address: &str) -> String {
    let address = clean(address);
    let name = clean(name.unwrap_or_default());
    if name.is_empty() || name == address {
        return format!("<{address}>");
    }
    if !name.is_ascii() || name.len() > LINE - 2 {
        return format!("{}\r\n <{address}>", encoded(&name));
    }
    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{quoted}\" <{address}>")
}

/// Free text as it may stand in a field.
fn words(text: &str) -> String {
    // What looks like an encoded-word is encoded too, or it would be decoded.
    if text.is_ascii() && text.len() <= LINE && !text.contains("=?") {
        return text.to_owned();
    }
    encoded(text)
}

fn encoded(text: &str) -> String {
    let (mut rest, mut all) = (text, Vec::new());
    while !rest.is_empty() {
        let cut = rest.floor_char_boundary(WORD);
        let (word, left) = rest.split_at(cut);
        all.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = left;
    }
    all.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mime::{Submission, decode_header, field_values, header_len};

    #[test]
    fn what_is_written_is_read_again() {
        let long =
            "Größere Besprechung über alles, was in diesem Jahr noch zu tun bleibt 🚀 ".repeat(3);
        let body = Piece::multipart(
            "alternative",
            vec![
                Piece::text("text/plain", "", "Grüße\nan alle"),
                Piece::text("text/calendar", "; method=REQUEST", "BEGIN:VCALENDAR\r\n"),
            ],
        );
        let raw = Letter::new(body)
            .mailboxes("From", [(Some("Jörg \"J\" Müller"), "joerg@x.example")])
            .mailboxes("To", [(Some("A, B"), "a@x.example"), (None, "b@x.example")])
            .text("Subject", &long)
            .text("Comment", "a\r\nBcc: evil@x.example")
            .ids("References", ["1@x", "2@x"])
            .finish();
        let text = String::from_utf8(raw.clone()).unwrap();
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 78), "{text}");
        let header = &raw[..header_len(&raw)];
        assert_eq!(field_values(header, "Subject"), [long.trim()]);
        assert_eq!(Submission::read(&raw).from, ["joerg@x.example"]);
        assert!(Submission::read(&raw).bcc.is_empty());
        assert_eq!(decode_header(b"\"A, B\""), "\"A, B\"");
        assert!(text.contains("Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n"));
    }
}
