//! Builds the cold record of a message: everything clients list, computed once on arrival.

use std::borrow::Cow;

use super::address::{Address, first_address};
use super::cte::Encoding;
use super::encoded_word;
use super::envelope::EnvelopeFields;
use super::fields::{put_field, well_known};
use super::header::{Field, fields};
use super::ids::{message_ids, own_id};
use super::layout::*;
use super::scan::{Kind, Tree, scan};
use super::subject::{base_subject, collapse};
use super::text::{attachments, preview};
use super::{MAX_FIELDS, MAX_HEADER, date, structure};

/// Longest value of a field that is decoded.
const MAX_VALUE: usize = 64 * 1024;

/// What is known of a message for good; read it through [`super::RecordView`].
#[derive(Debug)]
pub struct Record;

impl Record {
    /// Reads the message `prefix ++ raw` and encodes what clients will ask of it, in less than
    /// 80,000 octets whatever the message is.
    ///
    /// A prefix beyond 12 KiB is cut behind its last whole field that fits; the message that
    /// clients see is then with the shorter prefix.
    pub fn build(prefix: &[u8], raw: &[u8]) -> Vec<u8> {
        let tree = scan(raw);
        let kept = cut_prefix(prefix);
        let mut builder = Builder::new(raw.len());
        if kept.len() < prefix.len() {
            builder.flag(FLAG_PREFIX_CUT);
        }
        let header = tree.get(0).map(|root| root.header.of(raw)).unwrap_or_default();
        builder.put(AT_HEADER_LEN, &u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes());
        let found = Header::read(kept, header);
        builder.section(Section::Prefix, |out| out.extend_from_slice(kept));
        builder.structure(raw, &tree, &found.envelope);
        builder.put(AT_MISSING, &found.missing.to_le_bytes());
        builder.section(Section::FieldIndex, |out| out.extend_from_slice(&found.index));
        builder.section(Section::Fields, |out| out.extend_from_slice(&found.stored));
        builder.subject(&found);
        builder.sort_keys(&found.envelope);
        builder.ids(&found);
        builder.date(&found);
        builder.text(raw, &tree);
        builder.parts(&tree);
        builder.out
    }
}

/// The prefix as far as a record holds it: whole fields only.
fn cut_prefix(prefix: &[u8]) -> &[u8] {
    if prefix.len() <= MAX_PREFIX {
        return prefix;
    }
    let end =
        fields(prefix).map(|field| field.span.end).take_while(|end| *end <= MAX_PREFIX).last();
    prefix.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// One pass over the fields of both halves.
#[derive(Default)]
struct Header<'a> {
    envelope: EnvelopeFields<'a>,
    references: Option<&'a [u8]>,
    index: Vec<u8>,
    stored: Vec<u8>,
    /// Where stored fields came from: address of the octets, offset in `stored`, length.
    origins: Vec<(usize, usize, usize)>,
    missing: u64,
}

impl<'a> Header<'a> {
    fn read(prefix: &'a [u8], header: &'a [u8]) -> Self {
        let mut found = Self::default();
        for (half, bytes) in [(IN_PREFIX, prefix), (0, header)] {
            for (count, field) in fields(bytes).enumerate() {
                let known = well_known(field.name);
                if count >= MAX_FIELDS || field.span.start > MAX_HEADER {
                    // Bytes only from here on: readers who want these look into the message.
                    found.missing |= known.map_or(0, |id| 1 << id);
                    continue;
                }
                let value = field.value.get(..MAX_HEADER).unwrap_or(field.value);
                found.envelope.note(field.name, value);
                if field.is("references") {
                    found.references.get_or_insert(value);
                }
                if let Some(id) = known {
                    found.store(id, half, &field, bytes);
                }
            }
        }
        found
    }

    fn store(&mut self, id: u8, half: u8, field: &Field<'a>, bytes: &'a [u8]) {
        let octets = field.span.of(bytes);
        let (offset, length) = if half == IN_PREFIX {
            (field.span.start, octets.len())
        } else {
            let offset = self.stored.len();
            let room = MAX_FIELDS_SIZE.saturating_sub(offset);
            if octets.len() > MAX_FIELD.min(room.saturating_sub(2)) {
                self.missing |= 1 << id;
                return;
            }
            put_field(octets, &mut self.stored);
            self.origins.push((octets.as_ptr().addr(), offset, octets.len()));
            (offset, self.stored.len() - offset)
        };
        let numbers = (u16::try_from(offset), u16::try_from(length));
        let (Ok(offset), Ok(length)) = numbers else {
            self.missing |= 1 << id;
            return;
        };
        if self.index.len() >= MAX_FIELD_ENTRIES * FIELD_ENTRY {
            self.missing |= 1 << id;
            return;
        }
        self.index.push(id | half);
        self.index.extend_from_slice(&offset.to_le_bytes());
        self.index.extend_from_slice(&length.to_le_bytes());
    }

    /// The offset in the stored fields at which `part`, a piece of a header value, stands.
    fn offset_of(&self, part: &[u8]) -> Option<usize> {
        let at = part.as_ptr().addr();
        let (start, offset, _) = self
            .origins
            .iter()
            .find(|(start, _, length)| at >= *start && at + part.len() <= start + length)?;
        Some(offset + (at - start))
    }
}

struct Builder {
    out: Vec<u8>,
}

impl Builder {
    fn new(raw_len: usize) -> Self {
        let mut out = Vec::with_capacity(2048);
        out.resize(HEAD, 0);
        let mut builder = Self { out };
        builder.put(0, &[VERSION]);
        builder.put(AT_RAW_LEN, &u64::try_from(raw_len).unwrap_or(u64::MAX).to_le_bytes());
        builder.put(AT_DATE, &NO_DATE.to_le_bytes());
        builder
    }

    fn put(&mut self, at: usize, octets: &[u8]) {
        if let Some(place) = self.out.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }

    fn flag(&mut self, flag: u8) {
        if let Some(flags) = self.out.get_mut(1) {
            *flags |= flag;
        }
    }

    /// Appends a section; they must come in their order.
    fn section(&mut self, section: Section, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out);
        let end = u32::try_from(self.out.len() - HEAD).unwrap_or(u32::MAX);
        self.put(AT_ENDS + 4 * section as usize, &end.to_le_bytes());
    }

    fn structure(&mut self, raw: &[u8], tree: &Tree, envelope: &EnvelopeFields<'_>) {
        let start = self.out.len();
        envelope.write(&mut self.out);
        if self.out.len() - start > MAX_ENVELOPE {
            self.out.truncate(start);
            self.flag(FLAG_NO_ENVELOPE);
        }
        self.section(Section::Envelope, |_| ());
        let mut text = Vec::new();
        let extensions = structure::write(raw, tree, &mut text);
        let mut places = Vec::with_capacity(extensions.len() * 3);
        let mut from = 0;
        for extension in extensions {
            put_varint(&mut places, extension.start - from);
            put_varint(&mut places, extension.len());
            from = extension.end;
        }
        if text.len() > MAX_STRUCTURE || places.len() > MAX_EXTENSIONS {
            self.flag(FLAG_NO_STRUCTURE);
            text.clear();
            places.clear();
        }
        self.section(Section::Structure, |out| out.extend_from_slice(&text));
        self.section(Section::Extensions, |out| out.extend_from_slice(&places));
    }

    fn subject(&mut self, found: &Header<'_>) {
        let raw = found.envelope.subject.map(|v| v.get(..MAX_VALUE).unwrap_or(v));
        let subject = collapse(&raw.map(encoded_word::decode).unwrap_or_default(), MAX_SUBJECT);
        let base = base_subject(&subject);
        // The base is a piece of the subject.
        let start = base.text.as_ptr().addr().saturating_sub(subject.as_ptr().addr());
        let place = [start, start + base.text.len()].map(|n| u16::try_from(n).unwrap_or(0));
        let [[a, b], [c, d]] = place.map(u16::to_le_bytes);
        self.put(AT_BASE_SUBJECT, &[a, b, c, d]);
        if base.is_reply {
            self.flag(FLAG_IS_REPLY);
        }
        self.section(Section::Subject, |out| out.extend_from_slice(subject.as_bytes()));
    }

    fn sort_keys(&mut self, envelope: &EnvelopeFields<'_>) {
        let first = |values: &[&[u8]]| -> (String, String) {
            let Some(address) = values.iter().find_map(|value| first_address(value)) else {
                return Default::default();
            };
            let mailbox = match &address {
                Address::Mailbox { local, .. } => String::from_utf8_lossy(local).into_owned(),
                Address::GroupStart(name) => String::from_utf8_lossy(name).into_owned(),
                Address::GroupEnd => String::new(),
            };
            (collapse(&mailbox, MAX_SORT_KEY), collapse(&address.display(), MAX_SORT_KEY))
        };
        let (from, display_from) = first(&envelope.from);
        let (to, display_to) = first(&envelope.to);
        let (cc, _) = first(&envelope.cc);
        let keys = [
            (Section::FromMailbox, from),
            (Section::ToMailbox, to),
            (Section::CcMailbox, cc),
            (Section::DisplayFrom, display_from),
            (Section::DisplayTo, display_to),
        ];
        for (section, key) in keys {
            self.section(section, |out| out.extend_from_slice(key.as_bytes()));
        }
    }

    fn ids(&mut self, found: &Header<'_>) {
        let own = found.envelope.message_id.and_then(own_id);
        self.section(Section::MessageId, |out| {
            out.extend(own.iter().flat_map(|id| encode_id(found, id)));
        });
        let answered = found.envelope.in_reply_to.and_then(|value| message_ids(value).next());
        self.section(Section::InReplyTo, |out| {
            out.extend(answered.iter().flat_map(|id| encode_id(found, id)));
        });
        let value = found.references.map(|v| v.get(..MAX_VALUE).unwrap_or(v)).unwrap_or_default();
        let encoded: Vec<Vec<u8>> = message_ids(value).map(|id| encode_id(found, &id)).collect();
        self.section(Section::References, |out| put_references(&encoded, out));
    }

    fn date(&mut self, found: &Header<'_>) {
        if let Some(date) = found.envelope.date.and_then(date::parse) {
            self.put(AT_DATE, &date.utc.to_le_bytes());
            self.put(AT_ZONE, &date.offset_minutes.to_le_bytes());
        }
    }

    fn text(&mut self, raw: &[u8], tree: &Tree) {
        let preview = preview(raw, tree);
        self.section(Section::Preview, |out| out.extend_from_slice(preview.as_bytes()));
        let attachments = attachments(raw, tree);
        if !attachments.is_empty() {
            self.flag(FLAG_HAS_ATTACHMENT);
        }
        self.section(Section::Attachments, |out| {
            let start = out.len();
            let names = attachments.iter().map(|a| a.name.as_str()).filter(|name| !name.is_empty());
            for name in names {
                if out.len() - start + name.len() >= MAX_ATTACHMENTS {
                    break;
                }
                out.extend_from_slice(name.as_bytes());
                out.push(b'\n');
            }
        });
    }

    fn parts(&mut self, tree: &Tree) {
        let start = self.out.len();
        let mut before = 0;
        for entity in &tree.entities {
            self.out.push(kind_code(entity.kind) | encoding_code(entity.encoding) << 4);
            put_varint(&mut self.out, entity.depth);
            put_varint(&mut self.out, entity.header.start - before);
            put_varint(&mut self.out, entity.header.len());
            put_varint(&mut self.out, entity.body.len());
            before = entity.header.start;
            if self.out.len() - start > MAX_PARTS_SIZE {
                self.out.truncate(start);
                self.flag(FLAG_NO_PARTS);
                break;
            }
        }
        self.section(Section::Parts, |_| ());
    }
}

fn encode_id(found: &Header<'_>, id: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let text = String::from_utf8_lossy(id);
    match found.offset_of(id).filter(|_| matches!(text, Cow::Borrowed(_))) {
        Some(offset) => {
            put_varint(&mut out, id.len() << 1 | 1);
            put_varint(&mut out, offset);
        }
        None => {
            put_varint(&mut out, text.len() << 1);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// Of too many references the first (the thread's root) and the last (the nearest) are kept.
fn put_references(ids: &[Vec<u8>], out: &mut Vec<u8>) {
    let Some((first, rest)) = ids.split_first() else { return };
    out.extend_from_slice(first);
    let mut room = MAX_REFERENCES.saturating_sub(first.len());
    let fitting = rest.iter().rev().take_while(|id| {
        let fits = id.len() <= room;
        room = room.saturating_sub(id.len());
        fits
    });
    let skipped = rest.len() - fitting.count();
    rest.iter().skip(skipped).for_each(|id| out.extend_from_slice(id));
}

pub(super) fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Leaf => 0,
        Kind::Multipart => 1,
        Kind::Message => 2,
        Kind::BrokenMultipart => 3,
        Kind::Opaque => 4,
    }
}

pub(super) fn kind_of(code: u8) -> Option<Kind> {
    Some(match code {
        0 => Kind::Leaf,
        1 => Kind::Multipart,
        2 => Kind::Message,
        3 => Kind::BrokenMultipart,
        4 => Kind::Opaque,
        _ => return None,
    })
}

fn encoding_code(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Identity => 0,
        Encoding::Base64 => 1,
        Encoding::QuotedPrintable => 2,
        Encoding::Uuencode => 3,
        Encoding::Unknown => 4,
    }
}

pub(super) fn encoding_of(code: u8) -> Option<Encoding> {
    Some(match code {
        0 => Encoding::Identity,
        1 => Encoding::Base64,
        2 => Encoding::QuotedPrintable,
        3 => Encoding::Uuencode,
        4 => Encoding::Unknown,
        _ => return None,
    })
}
