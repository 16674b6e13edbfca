//! Elements to bytes.

use std::fmt::{self, Display, Write as _};

use super::{CONTENT, END, Element, OPAQUE, STR_I, SWITCH_PAGE, Tag, Value};

/// WBXML 1.3, public identifier unknown, UTF-8, no string table (MS-ASWBXML 2.1.1).
const HEADER: [u8; 4] = [0x03, 0x01, 0x6A, 0x00];

/// An element and all that is in it, as a document.
pub fn encode(element: &Element) -> Vec<u8> {
    let mut out = Writer::new();
    out.element(element);
    out.finish()
}

/// Writes a document, element by element. Code pages are switched where needed, and an element
/// that got no content is written in the short form.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
    page: u8,
    /// Elements that are open.
    depth: usize,
    /// The last byte is the tag of the innermost open element, which has no content yet.
    fresh: bool,
}

/// A place in what was written, to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    len: usize,
    page: u8,
    depth: usize,
    fresh: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    pub fn new() -> Self {
        Self { out: HEADER.to_vec(), page: 0, depth: 0, fresh: false }
    }

    /// Begins an element; what is written until [`Writer::close`] is in it.
    pub fn open(&mut self, tag: Tag) {
        self.tag(tag, CONTENT);
        self.depth += 1;
        self.fresh = true;
    }

    /// Ends the innermost open element.
    pub fn close(&mut self) {
        debug_assert!(self.depth > 0, "nothing is open");
        if self.depth == 0 {
            return;
        }
        self.depth -= 1;
        match self.out.last_mut() {
            Some(tag) if self.fresh => *tag &= !CONTENT,
            _ => self.out.push(END),
        }
        self.fresh = false;
    }

    /// An element without content.
    pub fn empty(&mut self, tag: Tag) {
        self.tag(tag, 0);
    }

    /// An element with a text. Characters that no string may hold (NUL), or that clients built
    /// on XML choke on (controls, U+FFFE and U+FFFF), are left out.
    pub fn text(&mut self, tag: Tag, text: &str) {
        self.open(tag);
        self.push_text(text);
        self.close();
    }

    /// An element with a number, or whatever else has a plain form.
    pub fn number(&mut self, tag: Tag, number: impl Display) {
        self.open(tag);
        self.begin_content();
        self.out.push(STR_I);
        // Writing into memory does not fail.
        let _ = write!(Plain(&mut self.out), "{number}");
        self.out.push(0);
        self.close();
    }

    /// An element with bytes.
    pub fn opaque(&mut self, tag: Tag, bytes: &[u8]) {
        self.open(tag);
        self.push_opaque(bytes);
        self.close();
    }

    /// A tree of elements.
    pub fn element(&mut self, element: &Element) {
        self.open(element.tag);
        match &element.value {
            Value::None => {}
            Value::Text(text) => self.push_text(text),
            Value::Opaque(bytes) => self.push_opaque(bytes),
        }
        element.children.iter().for_each(|child| self.element(child));
        self.close();
    }

    /// The length of the document so far.
    #[expect(clippy::len_without_is_empty, reason = "it begins with the header")]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Notes this place, for [`Writer::rewind`].
    pub fn mark(&self) -> Mark {
        Mark { len: self.out.len(), page: self.page, depth: self.depth, fresh: self.fresh }
    }

    /// Drops what was written behind the mark. The element that was innermost at the mark must
    /// not have been closed since.
    pub fn rewind(&mut self, mark: Mark) {
        debug_assert!(mark.len <= self.out.len(), "the mark lies behind the end");
        self.out.truncate(mark.len);
        Mark { page: self.page, depth: self.depth, fresh: self.fresh, .. } = mark;
    }

    /// The document. What is still open is closed, so that it is one in any case.
    pub fn finish(mut self) -> Vec<u8> {
        while self.depth > 0 {
            self.close();
        }
        self.out
    }

    fn tag(&mut self, tag: Tag, content: u8) {
        self.begin_content();
        if tag.page() != self.page {
            self.page = tag.page();
            self.out.extend([SWITCH_PAGE, self.page]);
        }
        self.out.push(tag.token() | content);
    }

    fn begin_content(&mut self) {
        self.fresh = false;
    }

    fn push_text(&mut self, text: &str) {
        let before = self.mark();
        self.begin_content();
        self.out.push(STR_I);
        let start = self.out.len();
        push_clean(&mut self.out, text);
        if self.out.len() == start {
            self.rewind(before);
        } else {
            self.out.push(0);
        }
    }

    fn push_opaque(&mut self, bytes: &[u8]) {
        // Lengths beyond 32 bits do not exist in memory that we hand out.
        let Ok(length) = u32::try_from(bytes.len()) else { return };
        if length > 0 {
            self.begin_content();
            self.out.push(OPAQUE);
            push_integer(&mut self.out, length);
            self.out.extend_from_slice(bytes);
        }
    }
}

/// Formats into bytes; numbers need no cleaning.
struct Plain<'a>(&'a mut Vec<u8>);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_clean(self.0, text);
        Ok(())
    }
}

/// An `mb_u_int32`: seven bits a byte, the highest first.
fn push_integer(out: &mut Vec<u8>, number: u32) {
    for shift in [28, 21, 14, 7] {
        if number >> shift != 0 {
            out.push((number >> shift) as u8 | 0x80);
        }
    }
    out.push(number as u8 & 0x7F);
}

/// Appends a text without what may not be in it. Nearly all texts are clean, and are copied
/// whole after one look.
fn push_clean(out: &mut Vec<u8>, text: &str) {
    if text.as_bytes().chunks(64).all(is_surely_clean) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut buffer = [0; 4];
    for c in text.chars().filter(|&c| is_clean(c)) {
        out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    }
}

/// Whether [`Writer::text`] writes a text unchanged.
pub fn is_clean_text(text: &str) -> bool {
    text.as_bytes().chunks(64).all(is_surely_clean) || text.chars().all(is_clean)
}

/// Takes out of a text what [`Writer::text`] would leave out, for who must know its length.
pub fn retain_clean(text: &mut String) {
    if !text.as_bytes().chunks(64).all(is_surely_clean) {
        text.retain(is_clean);
    }
}

/// Without a branch inside, so that the compiler looks at many bytes at a time. 0xEF begins
/// U+FFFE and U+FFFF (and others).
fn is_surely_clean(chunk: &[u8]) -> bool {
    let suspicious = |b: u8| b < 0x20 && b != b'\t' && b != b'\n' && b != b'\r' || b == 0xEF;
    !chunk.iter().fold(false, |found, &b| found | suspicious(b))
}

fn is_clean(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')
}
