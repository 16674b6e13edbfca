//! HTML cut into its pieces: text, entities and tags, one after the other. No tree, so that time
//! and memory are those of the input whatever it nests.
//!
//! What a tag means is its reader's to say; only what never is text (comments, declarations,
//! scripts, styles, titles) is left out here.

use std::borrow::Cow;

use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr2, memmem};

/// Longest entity, e.g. `&CounterClockwiseContourIntegral;`.
pub(super) const MAX_ENTITY: usize = 40;

/// Longest name of a tag that anybody asks for (`blockquote`).
const MAX_NAME: usize = 10;

pub(super) enum Piece<'a> {
    /// Characters as they stand there, white space included.
    Text(&'a str),
    /// What an entity stands for, or a `<` or `&` that begins nothing.
    Word(Cow<'a, str>),
    /// An entity for white space.
    Blank,
    Tag(Tag<'a>),
}

pub(super) struct Tag<'a> {
    /// From its `<` to its `>`.
    pub(super) whole: &'a str,
    pub(super) closing: bool,
    name: [u8; MAX_NAME],
    length: usize,
}

impl<'a> Tag<'a> {
    /// `None` if its name is longer than any that is asked for.
    fn new(whole: &'a str) -> Option<Self> {
        let inside = whole.as_bytes().get(1..).unwrap_or_default();
        let (closing, rest) = match inside {
            [b'/', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let length = rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let mut name = [0; MAX_NAME];
        let lower = name.get_mut(..length)?;
        lower.copy_from_slice(rest.get(..length)?);
        lower.make_ascii_lowercase();
        Some(Self { whole, closing, name, length })
    }

    /// In lower case.
    pub(super) fn name(&self) -> &[u8] {
        self.name.get(..self.length).unwrap_or_default()
    }
}

/// The pieces of an HTML text.
pub(super) struct Pieces<'a> {
    html: &'a str,
    at: usize,
    /// A quote in some tag is never closed: quotes no longer hide a `>`.
    quotes_fail: bool,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(html: &'a str) -> Self {
        Self { html, at: 0, quotes_fail: false }
    }

    fn entity(&mut self, markup: &'a str) -> Piece<'a> {
        let head = markup.as_bytes();
        let head = head.get(..MAX_ENTITY).unwrap_or(head);
        let name = memchr(b';', head).and_then(|end| head.get(..=end));
        let is_entity = |name: &&[u8]| {
            name.iter().skip(1).all(|b| b.is_ascii_alphanumeric() || b"#;".contains(b))
        };
        let Some(name) = name.filter(is_entity) else {
            self.at += 1;
            return Piece::Word(Cow::Borrowed("&"));
        };
        self.at += name.len();
        let mut decoded = String::new();
        add_html_token(&mut decoded, name, false);
        match decoded.chars().all(char::is_whitespace) {
            true => Piece::Blank,
            false => Piece::Word(Cow::Owned(decoded)),
        }
    }

    /// What begins with a `<`; `None` if it is nothing for a reader.
    fn markup(&mut self, markup: &'a str) -> Option<Piece<'a>> {
        let bytes = markup.as_bytes();
        match bytes.get(1) {
            Some(b'!') if markup.starts_with("<!--") => {
                self.at += memmem::find(bytes, b"-->").map_or(bytes.len(), |end| end + 3);
                None
            }
            Some(b'!' | b'?') => {
                self.at += memchr(b'>', bytes).map_or(bytes.len(), |end| end + 1);
                None
            }
            Some(b'/' | b'a'..=b'z' | b'A'..=b'Z') => self.tag(markup),
            _ => {
                self.at += 1;
                Some(Piece::Word(Cow::Borrowed("<")))
            }
        }
    }

    fn tag(&mut self, markup: &'a str) -> Option<Piece<'a>> {
        let end = self.tag_end(markup.as_bytes());
        self.at += end;
        let tag = Tag::new(markup.get(..end)?)?;
        if !tag.closing && matches!(tag.name(), b"script" | b"style" | b"title" | b"template") {
            self.skip_element(tag.name());
            return None;
        }
        Some(Piece::Tag(tag))
    }

    /// The length of a tag. Quotes hide a `>` until one is never closed; after that, so that
    /// time stays linear, they do not.
    fn tag_end(&mut self, bytes: &[u8]) -> usize {
        if !self.quotes_fail {
            let mut quote = None;
            for (at, &byte) in bytes.iter().enumerate() {
                match (byte, quote) {
                    (b'>', None) => return at + 1,
                    (b'"' | b'\'', None) => quote = Some(byte),
                    (_, Some(open)) if byte == open => quote = None,
                    _ => {}
                }
            }
            self.quotes_fail = true;
        }
        memchr(b'>', bytes).map_or(bytes.len(), |end| end + 1)
    }

    /// Skips to behind the closing tag; an element that is never closed ends the text.
    fn skip_element(&mut self, name: &[u8]) {
        let bytes = self.html.as_bytes();
        while let Some(rest) = bytes.get(self.at..)
            && let Some(found) = memmem::find(rest, b"</")
        {
            self.at += found + 2;
            let tag = bytes.get(self.at..self.at + name.len()).unwrap_or_default();
            if tag.eq_ignore_ascii_case(name) {
                let rest = bytes.get(self.at..).unwrap_or_default();
                self.at += memchr(b'>', rest).map_or(rest.len(), |end| end + 1);
                return;
            }
        }
        self.at = bytes.len();
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let rest = self.html.get(self.at..).filter(|rest| !rest.is_empty())?;
            match memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len()) {
                0 if rest.starts_with('&') => return Some(self.entity(rest)),
                0 => {
                    if let Some(piece) = self.markup(rest) {
                        return Some(piece);
                    }
                }
                plain => {
                    self.at += plain;
                    return rest.get(..plain).map(Piece::Text);
                }
            }
        }
    }
}
