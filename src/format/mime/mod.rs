//! Messages as bytes and what is known about them (RFC 5322, RFC 2045-2047, RFC 2231).
//!
//! A message as clients see it is `prefix ++ raw`: `raw` are the bytes that came, `prefix` the
//! fields that delivery put in front. [`Record::build`] reads a message once, on arrival;
//! [`RecordView`] then answers ENVELOPE, BODYSTRUCTURE, header lists, sort keys, previews and
//! part positions from the record alone. Everything here takes hostile bytes: linear time, no
//! recursion, bounded results. Offsets are always relative to `raw`.

mod address;
mod calendar;
mod charset;
mod content;
mod cte;
mod date;
mod edit;
mod encoded_word;
mod envelope;
mod fields;
mod header;
mod html;
mod ids;
mod layout;
mod letter;
mod markup;
mod param;
mod readable;
mod record;
mod scan;
mod structure;
mod subject;
mod text;
mod view;
mod wire;

#[cfg(test)]
mod tests;

pub use address::{Address, addresses};
pub use calendar::{CalendarPart, calendar_parts};
pub use charset::decode as decode_charset;
pub use content::{Content, Disposition, Octets, PartInfo};
pub use cte::{Encoding, UnknownCte, decode_part};
pub use date::{SentDate, parse as parse_date};
pub use edit::{Submission, without_fields};
pub use encoded_word::decode as decode_header;
pub use envelope::envelope;
pub use fields::{Except, FieldSet, select_fields};
pub use header::{Field, fields as header_fields, header_len, unfold};
pub use html::to_text as html_to_text;
pub use ids::message_ids;
pub use letter::{Letter, Piece};
pub use param::{MediaType, Param, Structured, decoded_param, join_continuations};
pub use readable::{html_to_readable, text_to_html, unflowed};
pub use record::Record;
pub use scan::{Entity, EntityId, Kind, MimeFields, Tree, scan};
pub use structure::{Form, body_structure};
pub use subject::{BaseSubject, base_subject};
pub use text::{Attachment, SearchText, attachments, field_values, preview, search_text};
pub use view::{Outline, Part, RecordError, RecordView};

pub use crate::base::limits::{
    HEADER_BYTES as MAX_HEADER, HEADER_FIELDS as MAX_FIELDS, MIME_DEPTH as MAX_DEPTH,
    MIME_PARAMETERS as MAX_PARAMETERS, MIME_PARTS as MAX_PARTS,
};

/// Addresses shown of one field: bounds an ENVELOPE.
pub const MAX_ADDRESSES: usize = 1_000;

/// A place in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// The octets at this place; empty where the place is not inside `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn shifted(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }
}
