//! The tree of components. RFC 5545 §3.4 to §3.6.

use std::borrow::Cow;
use std::fmt;

use super::line::Property;
use crate::base::limits::{ICAL_DEPTH, ICAL_LINES};

/// A component with everything that stood in it, known or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Component {
    /// `VCALENDAR`, `VEVENT`, …; as written, compared without regard to case.
    pub name: String,
    pub properties: Vec<Property>,
    pub components: Vec<Component>,
}

/// Why a text is no calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("there is no component in it")]
    Empty,
    #[error("components within components are too deep")]
    TooDeep,
    #[error("it has too many lines")]
    TooLong,
}

impl Component {
    pub fn new(name: &str) -> Component {
        Component { name: name.to_owned(), properties: Vec::new(), components: Vec::new() }
    }

    /// Reads the first component of a text, which is usually its only one.
    pub fn parse(text: &str) -> Result<Component, DecodeError> {
        let mut all = Component::parse_all(text.as_bytes())?;
        Ok(all.swap_remove(0))
    }

    /// Reads a whole stream of components (RFC 5545 §3.4), at least one.
    ///
    /// Reading is forgiving: any line ends, a byte-order mark, lines that are none, an END too
    /// many or too few, other character sets (their bytes become U+FFFD). What can be read is
    /// kept.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Component>, DecodeError> {
        let mut reader = Reader { done: Vec::new(), open: Vec::new() };
        for (count, line) in Lines::new(bytes).enumerate() {
            if count >= ICAL_LINES {
                return Err(DecodeError::TooLong);
            }
            reader.line(&line)?;
        }
        reader.finish()
    }

    /// Reads a stream piece by piece: each component by itself, or those within an outer one of
    /// this name and then what stood in that beside them. One that is too deep or too long is
    /// told as such and keeps nothing else out.
    pub fn pieces(bytes: &[u8], outer: &str, mut take: impl FnMut(Piece)) {
        let is_outer = |property: &Property| property.value.trim().eq_ignore_ascii_case(outer);
        let (mut around, mut open) = (None::<Component>, None::<OnePiece>);
        for line in Lines::new(bytes) {
            let Some(property) = Property::parse(&line) else { continue };
            let (begins, ends) = (property.is("BEGIN"), property.is("END"));
            if ends && is_outer(&property) {
                // It also closes what lacks its own END.
                open.take().into_iter().for_each(|piece| take(Piece::Inner(piece.finish())));
                around.take().into_iter().for_each(|outer| take(Piece::Outer(outer)));
            } else if let Some(mut piece) = open.take() {
                match piece.line(property) {
                    true => take(Piece::Inner(piece.finish())),
                    false => open = Some(piece),
                }
            } else if begins && around.is_none() && is_outer(&property) {
                around = Some(Component::new(property.value.trim()));
            } else if begins {
                open = Some(OnePiece::new(property.value.trim()));
            } else if let Some(outer) = around.as_mut().filter(|_| !ends) {
                outer.properties.push(property);
            }
        }
        open.into_iter().for_each(|piece| take(Piece::Inner(piece.finish())));
        around.into_iter().for_each(|outer| take(Piece::Outer(outer)));
    }

    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The first property of this name.
    pub fn first(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.is(name))
    }

    pub fn first_mut(&mut self, name: &str) -> Option<&mut Property> {
        self.properties.iter_mut().find(|property| property.is(name))
    }

    /// All properties of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Property> {
        self.properties.iter().filter(move |property| property.is(name))
    }

    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The raw value of the first property of this name.
    pub fn value_of(&self, name: &str) -> Option<&str> {
        self.first(name).map(|property| property.value.as_str())
    }

    /// The TEXT of the first property of this name.
    pub fn text_of(&self, name: &str) -> Option<String> {
        self.first(name).map(Property::to_text)
    }

    /// Puts a property in the place of the first of its name, and removes the others.
    pub fn set(&mut self, property: Property) {
        let at = self.properties.iter().position(|other| other.is(&property.name));
        match at {
            Some(at) => {
                let name = property.name.clone();
                self.properties[at] = property;
                let mut index = 0;
                self.properties.retain(|other| {
                    index += 1;
                    index <= at + 1 || !other.is(&name)
                });
            }
            None => self.properties.push(property),
        }
    }

    /// Sets or removes a TEXT property. Where the text stays the same, the property stays
    /// untouched with its parameters (LANGUAGE, ALTREP); a new text drops ALTREP, which told
    /// the old one in another way.
    pub fn set_text(&mut self, name: &str, text: Option<&str>) {
        match text.filter(|text| !text.is_empty()) {
            None => self.remove(name),
            Some(text) => match self.first_mut(name) {
                Some(old) if old.to_text() == text => {}
                Some(old) => {
                    old.value = super::text::escape(text);
                    old.set_param("ALTREP", None);
                    old.set_param("ENCODING", None);
                }
                None => self.properties.push(Property::text(name, text)),
            },
        }
    }

    /// Sets or removes a property by its raw value, without parameters.
    pub fn set_value(&mut self, name: &str, value: Option<&str>) {
        match value {
            None => self.remove(name),
            Some(value) if self.value_of(name) == Some(value) => {}
            Some(value) => self.set(Property::new(name, value)),
        }
    }

    pub fn push(&mut self, property: Property) {
        self.properties.push(property);
    }

    /// Removes all properties of this name.
    pub fn remove(&mut self, name: &str) {
        self.properties.retain(|property| !property.is(name));
    }

    /// The components of this name directly within.
    pub fn children(&self, name: &str) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(move |component| component.is(name))
    }

    pub fn children_mut(&mut self, name: &str) -> impl Iterator<Item = &mut Component> {
        self.components.iter_mut().filter(move |component| component.is(name))
    }

    pub fn child(&self, name: &str) -> Option<&Component> {
        self.children(name).next()
    }

    /// The text, folded and with CRLF (RFC 5545 §3.1).
    pub fn write(&self, out: &mut String) {
        out.extend(["BEGIN:", &self.name, "\r\n"]);
        self.properties.iter().for_each(|property| property.write(out));
        self.components.iter().for_each(|component| component.write(out));
        out.extend(["END:", &self.name, "\r\n"]);
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(&out)
    }
}

/// Puts lines together to components.
/// What [`Component::pieces`] finds.
#[derive(Debug)]
pub enum Piece {
    /// A component, or why it cannot be read.
    Inner(Result<Component, DecodeError>),
    /// What stood around the pieces since the last one of these, without them.
    Outer(Component),
}

/// A piece that is being read.
struct OnePiece {
    name: String,
    reader: Reader,
    /// Components of the same name within it.
    within: usize,
    lines: usize,
    broken: Option<DecodeError>,
}

impl OnePiece {
    fn new(name: &str) -> Self {
        let reader = Reader { done: Vec::new(), open: vec![Component::new(name)] };
        OnePiece { name: name.to_owned(), reader, within: 0, lines: 0, broken: None }
    }

    /// Takes a line; whether it was the last one.
    fn line(&mut self, property: Property) -> bool {
        let named = property.value.trim().eq_ignore_ascii_case(&self.name);
        if named && property.is("BEGIN") {
            self.within += 1;
        } else if named && property.is("END") {
            let Some(within) = self.within.checked_sub(1) else { return true };
            self.within = within;
        }
        self.lines += 1;
        if self.lines >= ICAL_LINES {
            self.broken = Some(DecodeError::TooLong);
        }
        if self.broken.is_none() {
            self.broken = self.reader.property(property).err();
        }
        if self.broken.is_some() {
            self.reader.open.clear();
        }
        false
    }

    fn finish(self) -> Result<Component, DecodeError> {
        match self.broken {
            Some(error) => Err(error),
            None => Ok(self.reader.finish()?.swap_remove(0)),
        }
    }
}

struct Reader {
    done: Vec<Component>,
    open: Vec<Component>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), DecodeError> {
        Property::parse(line).map_or(Ok(()), |property| self.property(property))
    }

    fn property(&mut self, property: Property) -> Result<(), DecodeError> {
        if property.is("BEGIN") {
            if self.open.len() >= ICAL_DEPTH {
                return Err(DecodeError::TooDeep);
            }
            self.open.push(Component::new(property.value.trim()));
        } else if property.is("END") {
            // The END of one further out closes what lacks its own; one of nothing is skipped.
            let name = property.value.trim();
            if let Some(at) = self.open.iter().rposition(|component| component.is(name)) {
                while self.open.len() > at {
                    self.close();
                }
            }
        } else if let Some(component) = self.open.last_mut() {
            component.properties.push(property);
        }
        Ok(())
    }

    fn close(&mut self) {
        let Some(component) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(outer) => outer.components.push(component),
            None => self.done.push(component),
        }
    }

    fn finish(mut self) -> Result<Vec<Component>, DecodeError> {
        while !self.open.is_empty() {
            self.close();
        }
        if self.done.is_empty() { Err(DecodeError::Empty) } else { Ok(self.done) }
    }
}

/// Unfolded lines. Folding is undone on bytes, because some programs fold within a character.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Lines { rest: bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes) }
    }

    /// The next line as it stands, without its end.
    fn raw(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        if self.rest.is_empty() {
            return None;
        }
        let first = self.raw();
        let folded = |rest: &[u8]| matches!(rest.first(), Some(b' ' | b'\t'));
        // vCalendar 1.0 continues quoted-printable values behind a `=` at the line's end.
        let soft = |line: &[u8]| line.ends_with(b"=") && quoted_printable(line);
        if !folded(self.rest) && !soft(first) {
            return Some(String::from_utf8_lossy(first));
        }
        let mut whole = first.to_vec();
        while !self.rest.is_empty() {
            if folded(self.rest) {
                let next = self.raw();
                whole.extend_from_slice(next.get(1..).unwrap_or_default());
            } else if soft(&whole) {
                whole.pop();
                let next = self.raw();
                whole.extend_from_slice(next);
            } else {
                break;
            }
        }
        Some(Cow::Owned(String::from_utf8_lossy(&whole).into_owned()))
    }
}

/// Whether the line's value is quoted-printable: the parameter stands before the colon.
fn quoted_printable(line: &[u8]) -> bool {
    let head = line.split(|byte| *byte == b':').next().unwrap_or_default();
    head.to_ascii_uppercase().windows(16).any(|part| part == b"QUOTED-PRINTABLE")
}
