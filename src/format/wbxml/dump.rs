//! A readable form of documents, for logs and test transcripts.

use std::fmt::{self, Display, Formatter, Write as _};

use super::tags::{
    air_sync_base, calendar, compose_mail, contacts, email, gal, item_operations,
    resolve_recipients, search, settings, tasks,
};
use super::{Element, Tag, Value, tags};

/// Characters of a text, and bytes of a binary value, that are shown.
const SHOWN_CHARS: usize = 200;
const SHOWN_BYTES: usize = 24;

/// What people wrote: bodies, pictures, attachments.
const BODIES: &[Tag] = &[
    air_sync_base::CONTENT,
    air_sync_base::DATA,
    air_sync_base::PREVIEW,
    calendar::BODY,
    compose_mail::MIME,
    contacts::BODY,
    contacts::PICTURE,
    email::BODY,
    email::MIME_DATA,
    gal::DATA,
    item_operations::DATA,
    resolve_recipients::DATA,
    tasks::BODY,
];

/// What belongs in no log.
const SECRETS: &[Tag] = &[item_operations::PASSWORD, search::PASSWORD, settings::PASSWORD];

/// An element as indented text that looks like XML: names, long texts cut short, binary values
/// as their first bytes. Prefixes stand where the code page differs from the parent's.
/// Passwords are never shown.
#[derive(Clone, Copy, Debug)]
pub struct Dump<'a> {
    element: &'a Element,
    bodies: bool,
}

impl<'a> Dump<'a> {
    /// Everything, long texts cut short.
    pub fn new(element: &'a Element) -> Self {
        Self { element, bodies: true }
    }

    /// Of bodies, pictures and attachments only the size.
    pub fn without_bodies(element: &'a Element) -> Self {
        Self { element, bodies: false }
    }

    fn write(
        &self,
        f: &mut Formatter<'_>,
        element: &Element,
        page: u8,
        depth: usize,
    ) -> fmt::Result {
        let name = Name { tag: element.tag, page };
        write!(f, "{:indent$}<{name}", "", indent = 2 * depth)?;
        if element.children.is_empty() && element.value == Value::None {
            return f.write_str("/>\n");
        }
        f.write_char('>')?;
        self.write_value(f, element)?;
        if !element.children.is_empty() {
            f.write_char('\n')?;
            for child in &element.children {
                self.write(f, child, element.tag.page(), depth + 1)?;
            }
            write!(f, "{:indent$}", "", indent = 2 * depth)?;
        }
        writeln!(f, "</{name}>")
    }

    fn write_value(&self, f: &mut Formatter<'_>, element: &Element) -> fmt::Result {
        let hidden = !self.bodies && BODIES.contains(&element.tag);
        match &element.value {
            Value::None => Ok(()),
            _ if SECRETS.contains(&element.tag) => f.write_str("(secret)"),
            Value::Text(text) if hidden => write!(f, "({} bytes)", text.len()),
            Value::Opaque(bytes) if hidden => write!(f, "({} bytes, opaque)", bytes.len()),
            Value::Text(text) => write_text(f, text),
            Value::Opaque(bytes) => {
                write!(f, "({} bytes, opaque: ", bytes.len())?;
                bytes.iter().take(SHOWN_BYTES).try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(if bytes.len() > SHOWN_BYTES { "…)" } else { ")" })
            }
        }
    }
}

impl Display for Dump<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Page 255 does not exist: the root has its prefix always.
        self.write(f, self.element, u8::MAX, 0)
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Dump::new(self).fmt(f)
    }
}

/// The whole element, long texts cut short; see [`Dump`].
pub fn dump(element: &Element) -> String {
    element.to_string()
}

/// A text on one line, whatever is in it: it must not be able to forge the log's next one.
fn write_text(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let mut chars = text.chars();
    for c in chars.by_ref().take(SHOWN_CHARS) {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            c if c.is_control() => write!(f, "{}", c.escape_default())?,
            c => f.write_char(c)?,
        }
    }
    if chars.next().is_some() {
        write!(f, "… ({} bytes)", text.len())?;
    }
    Ok(())
}

/// A tag as it is shown below an element of `page`.
struct Name {
    tag: Tag,
    page: u8,
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match tags::name(self.tag) {
            Some(name) if self.tag.page() == self.page => f.write_str(name),
            _ => self.tag.fmt(f),
        }
    }
}
