//! Content-Type, Content-Disposition and their parameters (RFC 2045 §5.1, RFC 2183, RFC 2231).
//!
//! Tolerant: whatever stands in the field, reading goes forward only and always ends.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{MAX_PARAMETERS, charset, encoded_word};

/// A parameter as written; quoting is undone, the name may carry RFC 2231's asterisks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    pub name: Cow<'a, [u8]>,
    pub value: Cow<'a, [u8]>,
}

/// A field of the form `head; name=value; ...`.
#[derive(Clone, Debug, Default)]
pub struct Structured<'a> {
    /// What stands before the first parameter, e.g. `attachment`.
    pub head: &'a [u8],
    pub params: Vec<Param<'a>>,
}

/// A media type. Missing or unreadable ones are `text/plain` (RFC 2045 §5.2).
#[derive(Clone, Debug)]
pub struct MediaType<'a> {
    pub main: &'a [u8],
    pub sub: &'a [u8],
    pub params: Vec<Param<'a>>,
    /// Nothing usable stood in the message: the defaults are our word, not the sender's.
    pub defaulted: bool,
}

impl<'a> MediaType<'a> {
    /// Reads the value of a Content-Type field.
    pub fn parse(value: &'a [u8]) -> Self {
        let mut lexer = Lexer { bytes: value, at: 0 };
        lexer.skip_cfws();
        let main = lexer.take_until(|b| b == b'/' || b == b';' || is_space(b) || b == b'(');
        lexer.skip_cfws();
        let mut sub: &[u8] = &[];
        if lexer.peek() == Some(b'/') {
            lexer.at += 1;
            lexer.skip_cfws();
            sub = lexer.take_until(|b| b == b';' || is_space(b) || b == b'(');
        }
        lexer.take_until(|b| b == b';');
        let params = lexer.params();
        if !is_token(main) {
            return Self { params, ..Self::default() };
        }
        if !is_token(sub) {
            sub = match main.to_ascii_lowercase().as_slice() {
                b"text" => b"plain",
                b"multipart" => b"mixed",
                _ => {
                    return Self {
                        main: b"application",
                        sub: b"octet-stream",
                        params,
                        defaulted: true,
                    };
                }
            };
        }
        Self { main, sub, params, defaulted: false }
    }

    /// Whether this is `main/sub`; an empty `sub` stands for any.
    pub fn is(&self, main: &str, sub: &str) -> bool {
        self.main.eq_ignore_ascii_case(main.as_bytes())
            && (sub.is_empty() || self.sub.eq_ignore_ascii_case(sub.as_bytes()))
    }

    /// Whether a whole message stands inside (RFC 2046 §5.2.1, RFC 6532 §3.7).
    pub fn is_message(&self) -> bool {
        self.is("message", "rfc822") || self.is("message", "global")
    }

    /// The first parameter of this plain name.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        param(&self.params, name)
    }
}

impl Default for MediaType<'_> {
    fn default() -> Self {
        Self { main: b"text", sub: b"plain", params: Vec::new(), defaulted: true }
    }
}

impl<'a> Structured<'a> {
    /// Reads a Content-Disposition field or one of its shape.
    pub fn parse(value: &'a [u8]) -> Self {
        let mut lexer = Lexer { bytes: value, at: 0 };
        lexer.skip_cfws();
        let head = lexer.take_until(|b| b == b';' || is_space(b) || b == b'(');
        lexer.take_until(|b| b == b';');
        Self { head, params: lexer.params() }
    }
}

/// The first parameter called exactly `name`, in any letter case.
pub fn param<'p>(params: &'p [Param<'_>], name: &str) -> Option<&'p [u8]> {
    params.iter().find(|p| p.name.eq_ignore_ascii_case(name.as_bytes())).map(|p| &*p.value)
}

/// A parameter decoded for people: RFC 2231 in its three forms first, then the plain form, in
/// which encoded-words are tolerated (Outlook and many others write file names so).
pub fn decoded_param(params: &[Param<'_>], name: &str) -> Option<String> {
    let joined = join_continuations(params);
    let extended = joined.iter().find(|p| {
        p.name.strip_suffix(b"*").is_some_and(|base| base.eq_ignore_ascii_case(name.as_bytes()))
    });
    if let Some(value) = extended.and_then(|p| decode_extended(&p.value)) {
        return Some(value);
    }
    param(&joined, name).map(encoded_word::decode)
}

/// Decodes `charset'language'percent-encoded` (RFC 2231 §4).
fn decode_extended(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |b| *b == b'\'');
    let (label, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    Some(charset::decode(Some(label), &percent_decode(text)))
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

pub(super) fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// Joins RFC 2231 continuations (`name*0*=..; name*1=..`) into one parameter at the place of the
/// first; all others stay as they are, in their order. An extended value keeps its form
/// `name*=charset'language'text`, which is what IMAP clients expect to decode themselves.
pub fn join_continuations<'p>(params: &'p [Param<'_>]) -> Vec<Param<'p>> {
    let mut pieces: Vec<Piece<'p>> = params.iter().enumerate().filter_map(Piece::of).collect();
    // Pieces of one parameter in a row, by their numbers; of equal numbers the first counts.
    pieces.sort_by(|a, b| a.base.cmp(&b.base).then(a.number.cmp(&b.number)));
    let mut joined = vec![Joined::Alone; params.len()];
    for group in pieces.chunk_by(|a, b| a.base == b.base) {
        let place = group.iter().map(|piece| piece.index).min().unwrap_or_default();
        // Without a piece 0 there is no value; what is there is shown as written.
        let Some(param) = join(group) else { continue };
        for piece in group {
            if let Some(slot) = joined.get_mut(piece.index) {
                *slot = Joined::Elsewhere;
            }
        }
        if let Some(slot) = joined.get_mut(place) {
            *slot = Joined::Here(param);
        }
    }
    let as_written =
        |p: &'p Param<'_>| Param { name: Cow::Borrowed(&p.name), value: Cow::Borrowed(&p.value) };
    let shown = params.iter().zip(joined).filter_map(|(param, joined)| match joined {
        Joined::Alone => Some(as_written(param)),
        Joined::Here(param) => Some(param),
        Joined::Elsewhere => None,
    });
    shown.collect()
}

/// What becomes of a parameter when continuations are joined.
#[derive(Clone)]
enum Joined<'p> {
    Alone,
    Here(Param<'p>),
    Elsewhere,
}

/// One section of a continued parameter.
struct Piece<'p> {
    /// Lower case, to be compared.
    base: Vec<u8>,
    name: &'p [u8],
    number: u32,
    extended: bool,
    value: &'p [u8],
    index: usize,
}

impl<'p> Piece<'p> {
    fn of((index, param): (usize, &'p Param<'_>)) -> Option<Self> {
        let (name, number, extended) = section(&param.name)?;
        let base = name.to_ascii_lowercase();
        Some(Self { base, name, number, extended, value: &param.value, index })
    }
}

/// Joins the pieces of one parameter, which are in order.
fn join<'p>(pieces: &[Piece<'p>]) -> Option<Param<'p>> {
    let first = pieces.first().filter(|piece| piece.number == 0)?;
    let mut row: Vec<&Piece<'p>> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let next = row.last().map_or(0, |last| last.number + 1);
        match piece.number.cmp(&next) {
            Ordering::Less => {}
            Ordering::Equal => row.push(piece),
            Ordering::Greater => break,
        }
    }
    let extended = row.iter().any(|piece| piece.extended);
    let mut value = Vec::new();
    if extended && !first.extended {
        value.extend_from_slice(b"''");
    }
    for piece in row {
        if extended && !piece.extended {
            percent_encode(piece.value, &mut value);
        } else {
            value.extend_from_slice(piece.value);
        }
    }
    let mut name = first.name.to_vec();
    if extended {
        name.push(b'*');
    }
    Some(Param { name: Cow::Owned(name), value: Cow::Owned(value) })
}

fn percent_encode(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!') {
            out.push(byte);
        } else {
            let digits = [byte >> 4, byte & 15].map(|d| HEX.get(usize::from(d)).copied());
            out.push(b'%');
            out.extend(digits.into_iter().flatten());
        }
    }
}

/// Splits `name*3*` into its base, section number and whether the section is percent-encoded.
fn section(name: &[u8]) -> Option<(&[u8], u32, bool)> {
    let (name, extended) = match name.strip_suffix(b"*") {
        Some(shorter) => (shorter, true),
        None => (name, false),
    };
    let star = name.iter().rposition(|b| *b == b'*')?;
    let (base, number) = name.split_at_checked(star)?;
    let digits = std::str::from_utf8(number.get(1..)?).ok()?;
    if base.is_empty() || digits.is_empty() || digits.len() > 5 {
        return None;
    }
    Some((base, digits.parse().ok()?, extended))
}

/// White space, and NUL, which no answer may carry and which must not be all there is of a word.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)
}

/// RFC 2045 §5.1 `token`.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(b))
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips white space and comments, which may nest (counted, not recursed into).
    fn skip_cfws(&mut self) {
        let mut depth = 0u32;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => self.at += 1,
                _ if depth > 0 || is_space(byte) => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    fn take_until(&mut self, stop: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.iter().position(|b| stop(*b)).unwrap_or(rest.len());
        self.at += taken;
        rest.get(..taken).unwrap_or_default()
    }

    fn params(mut self) -> Vec<Param<'a>> {
        let mut out = Vec::new();
        while out.len() < MAX_PARAMETERS {
            self.skip_cfws();
            match self.peek() {
                None => break,
                Some(b';') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
            }
            let name = self.take_until(|b| b == b'=' || b == b';' || is_space(b) || b == b'(');
            self.skip_cfws();
            if self.peek() != Some(b'=') {
                if name.is_empty() {
                    self.at += 1;
                }
                continue;
            }
            self.at += 1;
            let value = self.value();
            if !name.is_empty() {
                out.push(Param { name: Cow::Borrowed(name), value });
            }
        }
        out
    }

    fn value(&mut self) -> Cow<'a, [u8]> {
        self.skip_cfws();
        if self.peek() == Some(b'"') {
            self.at += 1;
            let value = self.quoted();
            self.take_until(|b| b == b';');
            return value;
        }
        let start = self.at;
        let token = self.take_until(|b| b == b';' || is_space(b) || b == b'(');
        let behind = self.take_until(|b| b == b';');
        // `name=two words.pdf`, unquoted: taken whole, unless what follows is a comment or looks
        // like the next parameter without its semicolon.
        let whole = self.bytes.get(start..self.at).unwrap_or_default().trim_ascii_end();
        let comment = behind.trim_ascii_start().first() == Some(&b'(');
        if token.len() < whole.len() && !comment && !behind.contains(&b'=') {
            return super::header::unfold(whole);
        }
        Cow::Borrowed(token)
    }

    /// The rest of a quoted string; a missing quote ends it with the field.
    fn quoted(&mut self) -> Cow<'a, [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | b'\r' | b'\n' | 0));
        if let Some(end) = plain
            && rest.get(end) == Some(&b'"')
        {
            self.at += end + 1;
            return Cow::Borrowed(rest.get(..end).unwrap_or_default());
        }
        let mut out = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\r' | b'\n' | 0 => {}
                b'\\' => {
                    out.extend(self.peek().filter(|b| !matches!(b, b'\r' | b'\n' | 0)));
                    self.at += 1;
                }
                _ => out.push(byte),
            }
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(value: &str) -> (String, Vec<(String, String)>) {
        let media = MediaType::parse(value.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let kind = format!("{}/{}", text(media.main), text(media.sub));
        (
            kind,
            join_continuations(&media.params)
                .iter()
                .map(|p| (text(&p.name), text(&p.value)))
                .collect(),
        )
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn media_types_are_read_tolerantly() {
        assert_eq!(
            media(" text/plain; charset=us-ascii (Plain text)\r\n").1,
            pairs(&[("charset", "us-ascii")])
        );
        assert_eq!(media("Text / HTML ;;charset = \"a\\\"b\"; x").0, "Text/HTML");
        assert_eq!(
            media("text/x;charset=\"utf-8\" format=flowed").1,
            pairs(&[("charset", "utf-8")])
        );
        assert_eq!(
            media("a/b; name=two words.pdf; x=1").1,
            pairs(&[("name", "two words.pdf"), ("x", "1")])
        );
        assert_eq!(media("text").0, "text/plain");
        assert_eq!(media("multipart; boundary=x").0, "multipart/mixed");
        assert_eq!(media("image").0, "application/octet-stream");
        assert_eq!(media("").0, "text/plain");
        assert_eq!(media("\"text/html\"").0, "text/plain");
        assert_eq!(media("a/b; x=\"unfinished\r\n end").1, pairs(&[("x", "unfinished end")]));
    }

    #[test]
    fn continuations_are_joined() {
        // RFC 2231 §3 and §4.1.
        assert_eq!(
            media(
                "message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/x\""
            )
            .1,
            pairs(&[("access-type", "URL"), ("URL", "ftp://cs.utk.edu/x")])
        );
        let value = "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; \
                     title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"";
        assert_eq!(
            media(value).1,
            pairs(&[(
                "title*",
                "us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!"
            )])
        );
        // Out of order, twice, with a hole, without a beginning.
        assert_eq!(
            media("a/b; x*1=b; Y*1=1; X*0=a; x*0=z; c=d; x*3=no; n*0=\"\"").1,
            pairs(&[("X", "ab"), ("Y*1", "1"), ("c", "d"), ("n", "")])
        );
        let media = MediaType::parse(value.as_bytes());
        assert_eq!(
            decoded_param(&media.params, "title").as_deref(),
            Some("This is even more ***fun*** isn't it!")
        );
    }

    #[test]
    fn file_names_decode_in_every_form() {
        let name = |v: &str| decoded_param(&Structured::parse(v.as_bytes()).params, "filename");
        assert_eq!(
            name("attachment; filename*=iso-8859-1''%E4.txt; filename=a.txt").unwrap(),
            "ä.txt"
        );
        assert_eq!(name("attachment; filename=\"=?utf-8?B?w6Q=?=.txt\"").unwrap(), "ä.txt");
        assert_eq!(name("attachment; filename=plain.txt").unwrap(), "plain.txt");
        assert_eq!(name("inline"), None);
    }
}
