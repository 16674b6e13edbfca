//! WBXML as ActiveSync uses it (MS-ASWBXML): a binary form of XML without attributes, string
//! table or entities.
//!
//! [`decode`] makes a tree of [`Element`]s of a request, [`Writer`] appends an answer element by
//! element, [`tags`] has the names. What an element means, and whether it may stand where it
//! stands, is the business of whoever reads it: unknown elements are kept, not refused.

mod decode;
mod dump;
mod encode;
pub mod tags;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

pub use decode::{DecodeError, decode};
pub use dump::{Dump, dump};
pub use encode::{Mark, Writer, encode, is_clean_text, retain_clean};

/// Sets the code page for all tags behind it (WAP-192 5.8.4.7).
const SWITCH_PAGE: u8 = 0x00;
/// Ends an element that has content.
const END: u8 = 0x01;
/// A string in place, ended by NUL.
const STR_I: u8 = 0x03;
/// Bytes with their number in front.
const OPAQUE: u8 = 0xC3;
/// In a tag's byte: content and an END follow.
const CONTENT: u8 = 0x40;
/// In a tag's byte: attributes follow, which ActiveSync does not have.
const ATTRIBUTES: u8 = 0x80;
/// What is left of a tag's byte names the element within its page.
const TOKEN: u8 = 0x3F;

/// The name of an element: code page and token (`page << 8 | token`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u16);

impl Tag {
    pub const fn new(page: u8, token: u8) -> Self {
        Self((page as u16) << 8 | token as u16)
    }

    pub const fn page(self) -> u8 {
        (self.0 >> 8) as u8
    }

    pub const fn token(self) -> u8 {
        self.0 as u8
    }
}

/// `AirSync:SyncKey`; a tag that no page has, by its numbers.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match tags::page_name(self.page()) {
            Some(page) => write!(f, "{page}:")?,
            None => write!(f, "Page{}:", self.page())?,
        }
        match tags::name(*self) {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:02X}", self.token()),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an element holds beside other elements.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Value {
    #[default]
    None,
    Text(String),
    Opaque(Bytes),
}

/// An element with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub tag: Tag,
    pub value: Value,
    pub children: Vec<Element>,
}

impl Element {
    /// An empty element.
    pub fn new(tag: Tag) -> Self {
        Self { tag, value: Value::None, children: Vec::new() }
    }

    /// An element with a text.
    pub fn with_text(tag: Tag, text: impl Into<String>) -> Self {
        Self { tag, value: Value::Text(text.into()), children: Vec::new() }
    }

    /// An element with other elements in it.
    pub fn with_children(tag: Tag, children: Vec<Element>) -> Self {
        Self { tag, value: Value::None, children }
    }

    /// The first child of this name.
    pub fn child(&self, tag: Tag) -> Option<&Element> {
        self.children.iter().find(|child| child.tag == tag)
    }

    /// The children of this name, in their order.
    pub fn all(&self, tag: Tag) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.tag == tag)
    }

    pub fn has(&self, tag: Tag) -> bool {
        self.child(tag).is_some()
    }

    /// The text, "" if there is none. Clients send some texts as opaque bytes: if those are
    /// UTF-8, they are the text.
    pub fn text(&self) -> &str {
        match &self.value {
            Value::None => "",
            Value::Text(text) => text,
            Value::Opaque(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        }
    }

    /// The text of the first child of this name; `None` if there is no such child.
    pub fn text_of(&self, tag: Tag) -> Option<&str> {
        self.child(tag).map(Element::text)
    }

    /// The first child's text read as a number or the like; `None` if there is no such child or
    /// its text is something else.
    pub fn parse_of<T: FromStr>(&self, tag: Tag) -> Option<T> {
        self.text_of(tag)?.trim().parse().ok()
    }

    /// The bytes of an opaque value, or of the text.
    pub fn bytes(&self) -> Bytes {
        match &self.value {
            Value::None => Bytes::new(),
            Value::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Value::Opaque(bytes) => bytes.clone(),
        }
    }
}
