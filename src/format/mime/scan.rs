//! Finds the parts of a message: one forward pass, an explicit stack, no decoding.
//!
//! The line end before a boundary line belongs to the boundary (RFC 2046 §5.1.1), so that the
//! positions are those of RFC 9051's `BODY[section]`. A multipart in which no part is found is
//! presented as one text part, because clients crash on a multipart without children.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;

use super::cte::Encoding;
use super::header::{fields, is_blank, line_end};
use super::param::{MediaType, is_space};
use super::{MAX_DEPTH, MAX_FIELDS, MAX_PARTS, Span};

/// The index of an entity in its [`Tree`].
pub type EntityId = usize;

/// A message or body part: a header and a body.
#[derive(Clone, Debug)]
pub struct Entity {
    /// None for the message itself.
    pub parent: Option<EntityId>,
    pub depth: usize,
    /// The header with its empty line.
    pub header: Span,
    /// The encoded body, exactly the octets of `BODY[section]`.
    pub body: Span,
    pub kind: Kind,
    /// How the body is encoded; multiparts never are (RFC 2045 §6.4).
    pub encoding: Encoding,
    /// The parts of a multipart; the one message inside a `message/rfc822`.
    pub children: Vec<EntityId>,
    /// The values of the fields that describe the body.
    pub mime: MimeFields,
    /// The parent is a multipart/digest, whose parts are messages unless they say otherwise.
    pub in_digest: bool,
}

impl Entity {
    fn empty(parent: Option<EntityId>, depth: usize, header: Span) -> Self {
        Self {
            parent,
            depth,
            header,
            body: Span { start: header.end, end: header.end },
            kind: Kind::Leaf,
            encoding: Encoding::Identity,
            children: Vec::new(),
            mime: MimeFields::default(),
            in_digest: false,
        }
    }
}

/// What a body is for the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Leaf,
    Multipart,
    /// `message/rfc822` or `message/global`, with the nested message as its one child.
    Message,
    /// A multipart without boundary or parts: shown as `text/plain`.
    BrokenMultipart,
    /// Nested too deeply to be looked into: shown as `application/octet-stream`.
    Opaque,
}

/// Where the values of the MIME fields stand (RFC 2045, 2183, 1864, 3282, 2557); the first one of
/// each name counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct MimeFields {
    pub content_type: Option<Span>,
    pub encoding: Option<Span>,
    pub disposition: Option<Span>,
    pub id: Option<Span>,
    pub description: Option<Span>,
    pub md5: Option<Span>,
    pub language: Option<Span>,
    pub location: Option<Span>,
}

/// All entities of a message in the order of their headers; the first is the message.
#[derive(Clone, Debug)]
pub struct Tree {
    pub entities: Vec<Entity>,
}

impl Tree {
    pub fn get(&self, id: EntityId) -> Option<&Entity> {
        self.entities.get(id)
    }

    /// The entity that `path` names (RFC 9051 §6.4.5.1), e.g. `[4, 2]`.
    pub fn find(&self, path: &[u32]) -> Option<EntityId> {
        let mut at = 0;
        // A number is counted among the parts of a multipart; of a message without parts the
        // body itself is part 1.
        let mut message = true;
        for &number in path {
            let mut entity = self.get(at)?;
            if !message && entity.kind == Kind::Message {
                at = *entity.children.first()?;
                entity = self.get(at)?;
                message = true;
            }
            let index = usize::try_from(number).ok()?.checked_sub(1)?;
            match entity.kind {
                Kind::Multipart => at = *entity.children.get(index)?,
                _ if message && index == 0 => {}
                _ => return None,
            }
            message = false;
        }
        Some(at)
    }

    /// The media type of an entity as the message gives it.
    pub fn media_type<'a>(&self, raw: &'a [u8], id: EntityId) -> MediaType<'a> {
        let Some(entity) = self.get(id) else { return MediaType::default() };
        match entity.mime.content_type {
            Some(value) => MediaType::parse(value.of(raw)),
            None if entity.in_digest => {
                MediaType { main: b"message", sub: b"rfc822", ..MediaType::default() }
            }
            None => MediaType::default(),
        }
    }
}

/// Finds all parts of `raw`.
pub fn scan(raw: &[u8]) -> Tree {
    let mut scanner = Scanner { raw, entities: Vec::new(), open: Vec::new(), lengths: 0 };
    let mut next = Some(Start { at: 0, parent: None, in_digest: false });
    while let Some(start) = next {
        next = scanner.entity(start);
    }
    scanner.finish()
}

static LINE_OF_DASHES: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\n--"));

struct Scanner<'a> {
    raw: &'a [u8],
    entities: Vec<Entity>,
    open: Vec<Frame<'a>>,
    /// A bit for each length of an open boundary, so that most lines are refused by it.
    lengths: u128,
}

/// An entity whose end has not been seen yet.
struct Frame<'a> {
    id: EntityId,
    /// Set while parts may still follow.
    boundary: Option<Cow<'a, [u8]>>,
    digest: bool,
}

/// Where the next entity begins.
struct Start {
    at: usize,
    parent: Option<EntityId>,
    in_digest: bool,
}

/// A boundary line of an open multipart.
struct BoundaryLine {
    /// The frame whose boundary it is.
    level: usize,
    line: usize,
    behind: usize,
    closes: bool,
}

impl<'a> Scanner<'a> {
    /// Reads one header and finds out where the next entity begins.
    fn entity(&mut self, start: Start) -> Option<Start> {
        let id = self.entities.len();
        let (header_end, boundary) = self.header_end(start.at);
        let header = Span { start: start.at, end: header_end };
        let mime = mime_fields(header, self.raw);
        if let Some(parent) = start.parent.and_then(|parent| self.entities.get_mut(parent)) {
            parent.children.push(id);
        }
        self.entities.push(Entity {
            mime,
            in_digest: start.in_digest,
            ..Entity::empty(start.parent, self.open.len(), header)
        });
        let (kind, frame) = self.classify(id);
        if let Some(entity) = self.entities.get_mut(id) {
            entity.kind = kind;
            if let Some(value) = mime.encoding.filter(|_| kind != Kind::Multipart) {
                entity.encoding = Encoding::parse(value.of(self.raw));
            }
        }
        self.open.push(frame);
        self.note_lengths();
        let Some(boundary) = boundary else {
            if kind == Kind::Message && self.entities.len() < MAX_PARTS {
                return Some(Start { at: header_end, parent: Some(id), in_digest: false });
            }
            return self.seek(header_end);
        };
        if kind == Kind::Message {
            self.empty_message(id, header_end);
        }
        self.cross(boundary)
    }

    /// Gives a message/rfc822 without a body the empty message that it stands for.
    fn empty_message(&mut self, parent: EntityId, at: usize) {
        let id = self.entities.len();
        let header = Span { start: at, end: at };
        self.entities.push(Entity::empty(Some(parent), self.open.len(), header));
        if let Some(parent) = self.entities.get_mut(parent) {
            parent.children.push(id);
        }
    }

    fn classify(&self, id: EntityId) -> (Kind, Frame<'a>) {
        let raw = self.raw;
        let plain = Frame { id, boundary: None, digest: false };
        let Some(entity) = self.entities.get(id) else { return (Kind::Leaf, plain) };
        let media = match entity.mime.content_type {
            Some(value) => MediaType::parse(value.of(raw)),
            None if entity.in_digest => {
                MediaType { main: b"message", sub: b"rfc822", ..MediaType::default() }
            }
            None => return (Kind::Leaf, plain),
        };
        let (multipart, message) = (media.is("multipart", ""), media.is_message());
        if (multipart || message) && entity.depth >= MAX_DEPTH {
            return (Kind::Opaque, plain);
        }
        if message {
            return (Kind::Message, plain);
        }
        if !multipart {
            return (Kind::Leaf, plain);
        }
        let digest = media.is("multipart", "digest");
        let boundary = media
            .params
            .into_iter()
            .find(|p| p.name.eq_ignore_ascii_case(b"boundary"))
            .map(|p| trim_end(p.value))
            .filter(|b| !b.is_empty());
        match boundary {
            // Whether it has parts is known only at its end.
            Some(boundary) => (Kind::Multipart, Frame { id, boundary: Some(boundary), digest }),
            None => (Kind::BrokenMultipart, plain),
        }
    }

    /// The end of the header at `start`, and the boundary line that cut it short.
    fn header_end(&self, start: usize) -> (usize, Option<BoundaryLine>) {
        let mut at = start;
        while at < self.raw.len() {
            if is_blank(self.raw, at) {
                return (line_end(self.raw, at), None);
            }
            if let Some(boundary) = self.boundary_at(at) {
                return (at, Some(boundary));
            }
            at = line_end(self.raw, at);
        }
        (at, None)
    }

    /// Looks for the next boundary line at or behind the line that starts at `at`.
    fn seek(&mut self, at: usize) -> Option<Start> {
        let mut line = at;
        while self.lengths != 0 {
            if let Some(boundary) = self.boundary_at(line) {
                return self.cross(boundary);
            }
            let found = LINE_OF_DASHES.find(self.raw.get(line..).unwrap_or_default())?;
            line += found + 1;
        }
        None
    }

    fn boundary_at(&self, line: usize) -> Option<BoundaryLine> {
        let rest = self.raw.get(line..)?.strip_prefix(b"--")?;
        if self.lengths == 0 {
            return None;
        }
        let behind = line_end(self.raw, line);
        let text = rest.get(..behind - line - 2)?.trim_ascii_end();
        self.match_boundary(text, false, line, behind).or_else(|| {
            let text = text.strip_suffix(b"--")?;
            self.match_boundary(text, true, line, behind)
        })
    }

    fn match_boundary(
        &self,
        text: &[u8],
        closes: bool,
        line: usize,
        behind: usize,
    ) -> Option<BoundaryLine> {
        if self.lengths & length_bit(text.len()) == 0 {
            return None;
        }
        // The innermost first: a part that repeats its parent's boundary keeps its lines.
        let level = self.open.iter().rposition(|f| f.boundary.as_deref() == Some(text))?;
        Some(BoundaryLine { level, line, behind, closes })
    }

    /// Ends what a boundary line ends, and goes on behind it.
    fn cross(&mut self, boundary: BoundaryLine) -> Option<Start> {
        let before = self.raw.get(..boundary.line).unwrap_or_default();
        let mut end = match before {
            [.., b'\r', b'\n'] => boundary.line - 2,
            [.., b'\n'] => boundary.line - 1,
            _ => boundary.line,
        };
        // The innermost first: where the boundary cut its header short, the line end is the
        // header's, and nothing around it ends earlier.
        for frame in self.open.drain(boundary.level + 1..).rev() {
            if let Some(entity) = self.entities.get_mut(frame.id) {
                end = end.max(entity.body.start);
                entity.body.end = end;
            }
        }
        let frame = self.open.last_mut()?;
        if !boundary.closes {
            if self.entities.len() >= MAX_PARTS {
                return None;
            }
            return Some(Start {
                at: boundary.behind,
                parent: Some(frame.id),
                in_digest: frame.digest,
            });
        }
        frame.boundary = None;
        self.note_lengths();
        self.seek(boundary.behind)
    }

    fn note_lengths(&mut self) {
        self.lengths = self
            .open
            .iter()
            .filter_map(|f| f.boundary.as_ref())
            .fold(0, |bits, boundary| bits | length_bit(boundary.len()));
    }

    fn finish(mut self) -> Tree {
        let end = self.raw.len();
        for frame in &self.open {
            if let Some(entity) = self.entities.get_mut(frame.id) {
                entity.body.end = end;
            }
        }
        for entity in &mut self.entities {
            if entity.children.is_empty() {
                match entity.kind {
                    Kind::Multipart => entity.kind = Kind::BrokenMultipart,
                    Kind::Message => entity.kind = Kind::Opaque,
                    _ => {}
                }
            }
        }
        Tree { entities: self.entities }
    }
}

fn length_bit(length: usize) -> u128 {
    1 << length.min(127)
}

fn trim_end(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii_end()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii_end().to_vec()),
    }
}

fn mime_fields(header: Span, raw: &[u8]) -> MimeFields {
    let mut mime = MimeFields::default();
    for field in fields(header.of(raw)).take(MAX_FIELDS) {
        let Some((prefix, name)) = field.name.split_at_checked(8) else { continue };
        if !prefix.eq_ignore_ascii_case(b"content-") {
            continue;
        }
        let slot = match name.to_ascii_lowercase().as_slice() {
            b"type" => &mut mime.content_type,
            b"transfer-encoding" => &mut mime.encoding,
            b"disposition" => &mut mime.disposition,
            b"id" => &mut mime.id,
            b"description" => &mut mime.description,
            b"md5" => &mut mime.md5,
            b"language" => &mut mime.language,
            b"location" => &mut mime.location,
            _ => continue,
        };
        let end = field.span.end;
        let value = Span { start: end - field.value.len(), end }.shifted(header.start);
        slot.get_or_insert(value);
    }
    mime
}

/// The first word of a field's value, e.g. of Content-Transfer-Encoding.
pub(super) fn first_word(value: &[u8]) -> &[u8] {
    let ends = |b: &u8| is_space(*b) || matches!(b, b';' | b'(');
    let start = value.iter().position(|b| !is_space(*b)).unwrap_or(value.len());
    let value = value.get(start..).unwrap_or_default();
    value.get(..value.iter().position(ends).unwrap_or(value.len())).unwrap_or_default()
}
