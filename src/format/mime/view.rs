//! Reads a record in place: nothing is copied, nothing is parsed before it is asked for.

use std::borrow::Cow;

use crate::base::clock::UnixTime;

use super::Span;
use super::cte::Encoding;
use super::date::SentDate;
use super::fields::FieldSet;
use super::layout::*;
use super::record::{encoding_of, kind_of};
use super::scan::{Kind, Tree, scan};
use super::structure::without;

/// A record that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the record has format {0}, which this program does not know")]
    Version(u8),
    #[error("the record is damaged")]
    Damaged,
}

/// A record as [`super::Record::build`] encoded it. Cheap to make and to copy.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    head: &'a [u8; HEAD],
    body: &'a [u8],
}

/// A message or body part as the record's part table holds it. Places are relative to raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    pub kind: Kind,
    pub encoding: Encoding,
    pub depth: usize,
    /// The header with its empty line.
    pub header: Span,
    /// The encoded body.
    pub body: Span,
}

impl Outline {
    /// All entities of a scanned message, for records that could not hold their parts.
    pub fn of_tree(tree: &Tree) -> Vec<Outline> {
        let outlines = tree.entities.iter().map(|entity| Outline {
            kind: entity.kind,
            encoding: entity.encoding,
            depth: entity.depth,
            header: entity.header,
            body: entity.body,
        });
        outlines.collect()
    }
}

/// A part of a message as IMAP's section names find it. Places are relative to raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub kind: Kind,
    pub encoding: Encoding,
    /// `BODY[n.MIME]`.
    pub mime: Span,
    /// `BODY[n]`, still encoded.
    pub body: Span,
    /// `BODY[n.HEADER]` and `BODY[n.TEXT]`, of parts that are messages.
    pub message: Option<(Span, Span)>,
}

impl<'a> RecordView<'a> {
    /// Looks at a record; only its head is checked.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(RecordError::Version(other)),
            None => return Err(RecordError::Damaged),
        }
        let (head, body) = bytes.split_first_chunk().ok_or(RecordError::Damaged)?;
        let view = Self { head, body };
        let mut before = 0;
        for section in 0..SECTIONS {
            let end = view.end(section);
            if end < before {
                return Err(RecordError::Damaged);
            }
            before = end;
        }
        if before == body.len() { Ok(view) } else { Err(RecordError::Damaged) }
    }

    /// RFC822.SIZE: the octets of the message that clients see.
    pub fn size(&self) -> u64 {
        u64::from_le_bytes(self.head_octets(AT_RAW_LEN)) + self.prefix().len() as u64
    }

    /// The octets of raw alone.
    pub fn raw_len(&self) -> u64 {
        u64::from_le_bytes(self.head_octets(AT_RAW_LEN))
    }

    /// What delivery put in front of the message.
    pub fn prefix(&self) -> &'a [u8] {
        self.section(Section::Prefix)
    }

    /// The length of the header in raw, its empty line included; the text begins there.
    pub fn header_len(&self) -> u32 {
        u32::from_le_bytes(self.head_octets(AT_HEADER_LEN))
    }

    /// The ENVELOPE, ready to send. None if it is too long to be kept: then
    /// [`super::envelope`] makes it from the header.
    pub fn envelope(&self) -> Option<&'a [u8]> {
        (!self.has(FLAG_NO_ENVELOPE)).then(|| self.section(Section::Envelope))
    }

    /// The BODYSTRUCTURE, ready to send. None if it is too long to be kept: then
    /// [`super::body_structure`] makes it from raw.
    pub fn bodystructure(&self) -> Option<&'a [u8]> {
        (!self.has(FLAG_NO_STRUCTURE)).then(|| self.section(Section::Structure))
    }

    /// The BODY without section: the structure less its extension data. None as for
    /// [`Self::bodystructure`].
    pub fn body(&self) -> Option<Vec<u8>> {
        let structure = self.bodystructure()?;
        let mut places = self.section(Section::Extensions);
        let mut cuts = Vec::new();
        let mut from = 0;
        while let (Some(gap), Some(length)) = (take_varint(&mut places), take_varint(&mut places)) {
            let start = from + gap;
            from = start + length;
            cuts.push(Span { start, end: from });
        }
        Some(without(structure, &cuts))
    }

    /// Appends what `BODY[HEADER.FIELDS (..)]` returns, the empty line included. False, and
    /// nothing appended, if the record does not hold all of it: then [`super::select_fields`]
    /// picks the fields from the header.
    pub fn header_fields(&self, wanted: &FieldSet, out: &mut Vec<u8>) -> bool {
        if !wanted.all_known || wanted.known & self.missing() != 0 {
            return false;
        }
        let (prefix, stored) = (self.prefix(), self.section(Section::Fields));
        for entry in self.section(Section::FieldIndex).chunks_exact(FIELD_ENTRY) {
            let &[id, a, b, c, d] = entry else { continue };
            if wanted.known >> (id & 0x3f) & 1 == 0 {
                continue;
            }
            let start = usize::from(u16::from_le_bytes([a, b]));
            let end = start + usize::from(u16::from_le_bytes([c, d]));
            let half = if id & IN_PREFIX == 0 { stored } else { prefix };
            out.extend_from_slice(half.get(start..end).unwrap_or_default());
        }
        out.extend_from_slice(b"\r\n");
        true
    }

    /// The Date field in UTC, by which messages are sorted.
    pub fn sent_date(&self) -> Option<UnixTime> {
        self.sent().map(|date| date.utc)
    }

    /// The Date field with the sender's zone; SENTON and its kin look at [`SentDate::day`].
    pub fn sent(&self) -> Option<SentDate> {
        let utc = i64::from_le_bytes(self.head_octets(AT_DATE));
        let offset_minutes = i16::from_le_bytes(self.head_octets(AT_ZONE));
        (utc != NO_DATE).then_some(SentDate { utc, offset_minutes })
    }

    /// The decoded subject, white space as single blanks.
    pub fn subject(&self) -> &'a str {
        self.text(Section::Subject)
    }

    /// The subject by which messages are sorted and threaded.
    pub fn base_subject(&self) -> &'a str {
        let [a, b, c, d] = self.head_octets(AT_BASE_SUBJECT);
        let place =
            usize::from(u16::from_le_bytes([a, b]))..usize::from(u16::from_le_bytes([c, d]));
        self.subject().get(place).unwrap_or_default()
    }

    /// Whether the subject says that the message answers or forwards another (RFC 5256 §2.1).
    pub fn is_reply(&self) -> bool {
        self.has(FLAG_IS_REPLY)
    }

    /// Sort key FROM: the first address's local part (RFC 5256 §3).
    pub fn from_mailbox(&self) -> &'a str {
        self.text(Section::FromMailbox)
    }

    /// Sort key TO.
    pub fn to_mailbox(&self) -> &'a str {
        self.text(Section::ToMailbox)
    }

    /// Sort key CC.
    pub fn cc_mailbox(&self) -> &'a str {
        self.text(Section::CcMailbox)
    }

    /// Sort key DISPLAYFROM: the first address's name, else the address (RFC 5957 §3).
    pub fn display_from(&self) -> &'a str {
        self.text(Section::DisplayFrom)
    }

    /// Sort key DISPLAYTO.
    pub fn display_to(&self) -> &'a str {
        self.text(Section::DisplayTo)
    }

    /// The message's own id, normalised, without angle brackets.
    pub fn message_id(&self) -> Option<&'a str> {
        self.ids(Section::MessageId).next()
    }

    /// The first id in In-Reply-To.
    pub fn in_reply_to(&self) -> Option<&'a str> {
        self.ids(Section::InReplyTo).next()
    }

    /// The message's ancestors, oldest first: the ids in References, or the first one in
    /// In-Reply-To if there are none (RFC 5256 §3).
    pub fn references(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let own = self.section(Section::References);
        self.ids(if own.is_empty() { Section::InReplyTo } else { Section::References })
    }

    /// The beginning of the text on one line (RFC 8970).
    pub fn preview(&self) -> &'a str {
        self.text(Section::Preview)
    }

    /// Whether a person would say that something is attached.
    pub fn has_attachment(&self) -> bool {
        self.has(FLAG_HAS_ATTACHMENT)
    }

    /// The decoded names of the attachments that have one.
    pub fn attachment_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text(Section::Attachments).split_terminator('\n')
    }

    /// Whether parts have to be looked up in raw, by [`Part::find_in_raw`].
    pub fn parts_need_raw(&self) -> bool {
        self.has(FLAG_NO_PARTS)
    }

    /// All entities in the order of their headers, the message itself first; `None` if
    /// [`Self::parts_need_raw`].
    pub fn outlines(&self) -> Option<Vec<Outline>> {
        if self.parts_need_raw() {
            return None;
        }
        let mut parts = Parts { bytes: self.section(Section::Parts), header_start: 0 };
        Some(std::iter::from_fn(|| parts.next()).collect())
    }

    /// The part that `path` names, e.g. `[4, 2]`; the whole message for the empty path. None if
    /// there is no such part (or [`Self::parts_need_raw`]).
    pub fn part(&self, path: &[u32]) -> Option<Part> {
        let mut parts = Parts { bytes: self.section(Section::Parts), header_start: 0 };
        let mut found = parts.next()?;
        // A number is counted among the parts of a multipart; of a message that is none, the
        // body itself is part 1.
        let mut is_message = true;
        for &number in path {
            if !is_message && found.kind == Kind::Message {
                found = parts.next()?;
                is_message = true;
            }
            match found.kind {
                Kind::Multipart => found = parts.child(found.depth, number)?,
                _ if is_message && number == 1 => {}
                _ => return None,
            }
            is_message = false;
        }
        let nested = (found.kind == Kind::Message).then(|| parts.next()).flatten();
        Some(Part {
            kind: found.kind,
            encoding: found.encoding,
            mime: found.header,
            body: found.body,
            message: nested.map(|message| (message.header, message.body)),
        })
    }

    fn missing(&self) -> u64 {
        u64::from_le_bytes(self.head_octets(AT_MISSING))
    }

    fn has(&self, flag: u8) -> bool {
        let [flags] = self.head_octets(1);
        flags & flag != 0
    }

    fn head_octets<const N: usize>(&self, at: usize) -> [u8; N] {
        let octets = self.head.get(at..).and_then(|rest| rest.first_chunk());
        octets.copied().unwrap_or([0; N])
    }

    fn end(&self, section: usize) -> usize {
        u32::from_le_bytes(self.head_octets(AT_ENDS + 4 * section)) as usize
    }

    fn section(&self, section: Section) -> &'a [u8] {
        let index = section as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.end(before));
        self.body.get(start..self.end(index)).unwrap_or_default()
    }

    fn text(&self, section: Section) -> &'a str {
        std::str::from_utf8(self.section(section)).unwrap_or_default()
    }

    fn ids(&self, section: Section) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.section(section);
        let fields = self.section(Section::Fields);
        std::iter::from_fn(move || {
            let coded = take_varint(&mut rest)?;
            let length = coded >> 1;
            let id = if coded & 1 == 1 {
                let offset = take_varint(&mut rest)?;
                fields.get(offset..offset.checked_add(length)?)?
            } else {
                let (id, behind) = rest.split_at_checked(length)?;
                rest = behind;
                id
            };
            std::str::from_utf8(id).ok()
        })
    }
}

impl Part {
    /// The part that `path` names in a scanned message.
    pub fn find_in(tree: &Tree, path: &[u32]) -> Option<Self> {
        let entity = tree.get(tree.find(path)?)?;
        let nested = (entity.kind == Kind::Message).then(|| entity.children.first()).flatten();
        Some(Self {
            kind: entity.kind,
            encoding: entity.encoding,
            mime: entity.header,
            body: entity.body,
            message: nested.and_then(|id| tree.get(*id)).map(|m| (m.header, m.body)),
        })
    }

    /// The same of raw octets, for messages whose record could not hold their parts.
    pub fn find_in_raw(raw: &[u8], path: &[u32]) -> Option<Self> {
        Self::find_in(&scan(raw), path)
    }

    /// The decoded content, for `BINARY[n]`.
    pub fn decode<'r>(&self, body: &'r [u8]) -> Result<Cow<'r, [u8]>, super::UnknownCte> {
        super::decode_part(body, self.encoding)
    }
}

/// The part table, read from the front.
struct Parts<'a> {
    bytes: &'a [u8],
    header_start: usize,
}

impl Parts<'_> {
    fn next(&mut self) -> Option<Outline> {
        let (&code, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        let depth = take_varint(&mut self.bytes)?;
        let start = self.header_start.checked_add(take_varint(&mut self.bytes)?)?;
        let header_end = start.checked_add(take_varint(&mut self.bytes)?)?;
        let body_end = header_end.checked_add(take_varint(&mut self.bytes)?)?;
        self.header_start = start;
        Some(Outline {
            kind: kind_of(code & 15)?,
            encoding: encoding_of(code >> 4)?,
            depth,
            header: Span { start, end: header_end },
            body: Span { start: header_end, end: body_end },
        })
    }

    /// The `number`th child, counted from 1, of the entity of this depth that was read last.
    fn child(&mut self, depth: usize, number: u32) -> Option<Outline> {
        let mut left = number;
        while left > 0
            && let Some(entry) = self.next()
            && entry.depth > depth
        {
            if entry.depth == depth + 1 {
                left -= 1;
                if left == 0 {
                    return Some(entry);
                }
            }
        }
        None
    }
}
