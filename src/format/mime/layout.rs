//! The bytes of a record: a fixed head, then sections one behind the other.
//!
//! ```text
//!  0  version            1
//!  1  flags              1   see the FLAG constants
//!  2  zone of Date       2   minutes, signed
//!  4  header length      4   of raw, with the empty line
//!  8  length of raw      8
//! 16  Date               8   seconds UTC, signed; i64::MIN: none
//! 24  missing fields     8   bit per well-known field that is in the message but not stored
//! 32  base subject       4   start and end in the subject, two octets each
//! 36  section ends       4 * SECTIONS, counted from the end of the head
//! ```
//!
//! Numbers are little endian. Inside sections, numbers are varints (LEB128) unless said
//! otherwise.

pub const VERSION: u8 = 1;

/// The ENVELOPE was too long to keep.
pub const FLAG_NO_ENVELOPE: u8 = 1;
/// The BODYSTRUCTURE was too long to keep.
pub const FLAG_NO_STRUCTURE: u8 = 2;
/// The part table was too long to keep.
pub const FLAG_NO_PARTS: u8 = 4;
pub const FLAG_HAS_ATTACHMENT: u8 = 8;
/// The subject says that the message answers or forwards another.
pub const FLAG_IS_REPLY: u8 = 16;
/// Delivery gave a longer prefix than a record can hold: it was cut.
pub const FLAG_PREFIX_CUT: u8 = 32;

pub const NO_DATE: i64 = i64::MIN;

pub const AT_ZONE: usize = 2;
pub const AT_HEADER_LEN: usize = 4;
pub const AT_RAW_LEN: usize = 8;
pub const AT_DATE: usize = 16;
pub const AT_MISSING: usize = 24;
pub const AT_BASE_SUBJECT: usize = 32;
pub const AT_ENDS: usize = 36;
pub const HEAD: usize = AT_ENDS + 4 * SECTIONS;

/// The sections in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Prefix,
    Envelope,
    Structure,
    /// Where in the structure the extension data stands: gap, length, gap, length...
    Extensions,
    /// Entries of [`FIELD_ENTRY`] octets: number and half, offset, length.
    FieldIndex,
    /// The well-known fields of raw as written, one behind the other.
    Fields,
    Subject,
    FromMailbox,
    ToMailbox,
    CcMailbox,
    DisplayFrom,
    DisplayTo,
    /// Ids: `length << 1` and the octets, or `length << 1 | 1` and an offset into `Fields`.
    MessageId,
    InReplyTo,
    References,
    Preview,
    /// Names, each ended by a line feed.
    Attachments,
    /// For each entity: kind and encoding in one octet, depth, header start less the one before,
    /// header length, body length.
    Parts,
}

pub const SECTIONS: usize = Section::Parts as usize + 1;

/// Number of the field with [`IN_PREFIX`], offset and length in two octets each.
pub const FIELD_ENTRY: usize = 5;
/// Set in the number where the field stands in the prefix instead of `Fields`.
pub const IN_PREFIX: u8 = 0x80;

/// The most that is kept of each, which together bounds a record well below 80,000 octets.
pub const MAX_PREFIX: usize = 12 * 1024;
pub const MAX_ENVELOPE: usize = 12 * 1024;
pub const MAX_STRUCTURE: usize = 14 * 1024;
pub const MAX_EXTENSIONS: usize = 2 * 1024;
pub const MAX_FIELDS_SIZE: usize = 14 * 1024;
/// A single field longer than this is not kept.
pub const MAX_FIELD: usize = 8 * 1024;
/// Entries of the index, a kibibyte and a quarter.
pub const MAX_FIELD_ENTRIES: usize = 256;
pub const MAX_SUBJECT: usize = 2 * 1024;
pub const MAX_SORT_KEY: usize = 256;
pub const MAX_REFERENCES: usize = 6 * 1024;
pub const MAX_ATTACHMENTS: usize = 2 * 1024;
pub const MAX_PARTS_SIZE: usize = 6 * 1024;

pub fn put_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a varint off the front of `bytes`.
pub fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back() {
        for number in [0, 1, 127, 128, 300, 1 << 32, usize::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(take_varint(&mut out.as_slice()), Some(number));
        }
        assert_eq!(take_varint(&mut [0x80u8; 20].as_slice()), None);
        assert_eq!(take_varint(&mut [].as_slice()), None);
    }
}
