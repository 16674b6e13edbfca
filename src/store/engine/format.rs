//! The bytes of segment files: pure functions between them and values. Nothing here touches a
//! file. All numbers are little endian; "varint" is LEB128 (seven bits a byte, low ones first).
//!
//! # FORMAT, version 1
//!
//! A segment file begins with 64 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `kontseg` and a zero byte |
//! | 8..10 | version of this format, 1 |
//! | 10..12 | kind: 1 journal (`NNNNNNNN.seg`), 2 one spooled body (`NNNNNNNN.one`) |
//! | 12..16 | the segment's number, as in the file's name |
//! | 16..24 | kind 1: salt, a random number; kind 2: the body's length |
//! | 24..32 | kind 1: zero; kind 2: XXH3-64 of the body |
//! | 32..40 | XXH3-64 of bytes 0..32 |
//! | 40..64 | zero |
//!
//! Of kind 2 the body follows. A header without a body's checksum (all zero) is a body that was
//! never finished.
//!
//! Of kind 1 records follow without space between them, one for each group commit:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `KREC` |
//! | 4..8 | length of the meta section |
//! | 8..16 | length of the bodies |
//! | 16..24 | number of the group: one more than the record before, across segments |
//! | 24..32 | XXH3-64 of the meta section, seeded with the segment's salt |
//! | 32..40 | XXH3-64 of bytes 0..32, seeded with the segment's salt |
//! | 40.. | the bodies; then the meta section |
//!
//! The bodies come before everything whose size depends on rows, so that a body's place is known
//! before the row that names it is written. The salt keeps a message from containing bytes that
//! look like a record. The meta section:
//!
//! - varint number of bodies, and for each: varint of unused bytes before it, varint length,
//!   8 bytes XXH3-64 of its bytes;
//! - varint number of rows, and for each: varint of bytes shared with the key before, varint
//!   length of the rest, varint 0 for a deletion or the value's length plus one; then the rest of
//!   the key and the value.

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::{Batch, BodyRef, EngineError, Key, Result, Value};

/// Version of the segment files.
pub(super) const SEGMENT_VERSION: u16 = 1;
/// Bytes before the first record or the body.
pub(super) const SEGMENT_HEADER: u64 = 64;
/// Bytes before a record's bodies.
pub(super) const RECORD_HEADER: u64 = 40;

const SEGMENT_MAGIC: &[u8; 8] = b"kontseg\0";
/// First bytes of a record.
pub(super) const RECORD_MAGIC: &[u8; 4] = b"KREC";

/// The checksum of a body.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// What a segment's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SegmentHeader {
    Journal { number: u32, salt: u64 },
    Single { number: u32, len: u64, checksum: u64 },
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER as usize] {
        let (kind, number, first, second) = match *self {
            Self::Journal { number, salt } => (1u16, number, salt, 0),
            Self::Single { number, len, checksum } => (2, number, len, checksum),
        };
        let mut out = [0; SEGMENT_HEADER as usize];
        out[0..8].copy_from_slice(SEGMENT_MAGIC);
        out[8..10].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        out[10..12].copy_from_slice(&kind.to_le_bytes());
        out[12..16].copy_from_slice(&number.to_le_bytes());
        out[16..24].copy_from_slice(&first.to_le_bytes());
        out[24..32].copy_from_slice(&second.to_le_bytes());
        let sum = checksum(&out[0..32]);
        out[32..40].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads a header; `Ok(None)` if these bytes are none (torn, or never written).
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>> {
        let mut reader = Reader(bytes);
        let Some(header) = reader.take(32) else { return Ok(None) };
        if reader.u64() != Some(checksum(header)) {
            return Ok(None);
        }
        let mut reader = Reader(header);
        let fields = (|| {
            let magic = reader.take(8)?;
            let (version, kind) = (reader.u16()?, reader.u16()?);
            Some((magic, version, kind, reader.u32()?, reader.u64()?, reader.u64()?))
        })();
        let Some((magic, version, kind, number, first, second)) = fields else { return Ok(None) };
        if magic != SEGMENT_MAGIC {
            return Ok(None);
        }
        if version > SEGMENT_VERSION {
            return Err(EngineError::Refused(format!(
                "segment {number} was written by a newer version of Kontor (format {version}, this \
                 one knows {SEGMENT_VERSION}); start that version, or restore a backup made with this one"
            )));
        }
        Ok(match kind {
            1 => Some(Self::Journal { number, salt: first }),
            2 => Some(Self::Single { number, len: first, checksum: second }),
            _ => None,
        })
    }
}

/// What a record's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RecordHeader {
    pub(super) meta_len: u32,
    pub(super) bodies_len: u64,
    pub(super) group: u64,
    pub(super) meta_checksum: u64,
}

impl RecordHeader {
    /// The header of a record with this meta section.
    pub(super) fn new(group: u64, bodies_len: u64, meta: &[u8], salt: u64) -> Result<Self> {
        let meta_len = u32::try_from(meta.len())
            .map_err(|_| EngineError::Refused("a transaction of more than 4 GB".into()))?;
        let meta_checksum = XxHash3_64::oneshot_with_seed(salt, meta);
        Ok(Self { meta_len, bodies_len, group, meta_checksum })
    }

    pub(super) fn encode(&self, salt: u64) -> [u8; RECORD_HEADER as usize] {
        let mut out = [0; RECORD_HEADER as usize];
        out[0..4].copy_from_slice(RECORD_MAGIC);
        out[4..8].copy_from_slice(&self.meta_len.to_le_bytes());
        out[8..16].copy_from_slice(&self.bodies_len.to_le_bytes());
        out[16..24].copy_from_slice(&self.group.to_le_bytes());
        out[24..32].copy_from_slice(&self.meta_checksum.to_le_bytes());
        let sum = XxHash3_64::oneshot_with_seed(salt, &out[0..32]);
        out[32..40].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads a header; `None` if these bytes are none of this segment's.
    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let mut reader = Reader(bytes);
        let header = reader.take(32)?;
        if reader.u64()? != XxHash3_64::oneshot_with_seed(salt, header) {
            return None;
        }
        let mut reader = Reader(header);
        if reader.take(4)? != RECORD_MAGIC {
            return None;
        }
        Some(Self {
            meta_len: reader.u32()?,
            bodies_len: reader.u64()?,
            group: reader.u64()?,
            meta_checksum: reader.u64()?,
        })
    }

    /// The record's whole length; `None` if that is no length a file can have.
    pub(super) fn total_len(&self) -> Option<u64> {
        self.bodies_len.checked_add(RECORD_HEADER)?.checked_add(u64::from(self.meta_len))
    }

    /// Whether this is the meta section that the record was written with.
    pub(super) fn is_meta(&self, meta: &[u8], salt: u64) -> bool {
        meta.len() as u64 == u64::from(self.meta_len)
            && XxHash3_64::oneshot_with_seed(salt, meta) == self.meta_checksum
    }
}

/// Encodes the meta section of a batch whose bodies begin at `bodies_start` in their segment.
pub(super) fn encode_meta(batch: &Batch, bodies_start: u64) -> Vec<u8> {
    let rows: usize =
        batch.rows.iter().map(|(k, v)| 8 + k.len() + v.as_ref().map_or(0, Value::len)).sum();
    let mut out = Vec::with_capacity(16 + 24 * batch.bodies.len() + rows);
    put_varint(&mut out, batch.bodies.len() as u64);
    let mut end = bodies_start;
    for (place, _) in &batch.bodies {
        put_varint(&mut out, place.offset.saturating_sub(end));
        put_varint(&mut out, place.len);
        out.extend_from_slice(&place.checksum.to_le_bytes());
        end = place.offset.saturating_add(place.len);
    }
    put_varint(&mut out, batch.rows.len() as u64);
    let mut before: &[u8] = &[];
    for (key, value) in &batch.rows {
        let shared = before.iter().zip(key.iter()).take_while(|(a, b)| a == b).count();
        put_varint(&mut out, shared as u64);
        put_varint(&mut out, (key.len() - shared) as u64);
        put_varint(&mut out, value.as_ref().map_or(0, |value| value.len() as u64 + 1));
        out.extend_from_slice(&key[shared..]);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
        before = key;
    }
    out
}

/// Reads the directory of bodies from a meta section; `None` if it is malformed.
pub(super) fn decode_bodies(meta: &[u8], segment: u32, bodies_start: u64) -> Option<Vec<BodyRef>> {
    read_bodies(&mut Reader(meta), segment, bodies_start)
}

fn read_bodies(reader: &mut Reader<'_>, segment: u32, bodies_start: u64) -> Option<Vec<BodyRef>> {
    let count = reader.varint()?;
    let mut bodies = Vec::new();
    let mut end = bodies_start;
    for _ in 0..count {
        let offset = end.checked_add(reader.varint()?)?;
        let len = reader.varint()?;
        let checksum = reader.u64()?;
        end = offset.checked_add(len)?;
        bodies.push(BodyRef { segment, offset, len, checksum });
    }
    Some(bodies)
}

/// Calls `row` for each row change in a meta section; `None` if it is malformed.
///
/// Values are slices of `meta`, so nothing but the keys is copied.
pub(super) fn decode_rows(meta: &Bytes, mut row: impl FnMut(Key, Option<Value>)) -> Option<()> {
    let mut reader = Reader(meta);
    read_bodies(&mut reader, 0, 0)?;
    let count = reader.varint()?;
    let mut key = Vec::new();
    for _ in 0..count {
        let shared = usize::try_from(reader.varint()?).ok()?;
        let rest = usize::try_from(reader.varint()?).ok()?;
        let value_len = usize::try_from(reader.varint()?).ok()?;
        if shared > key.len() {
            return None;
        }
        key.truncate(shared);
        key.extend_from_slice(reader.take(rest)?);
        let value = match value_len.checked_sub(1) {
            None => None,
            Some(len) => Some(meta.slice_ref(reader.take(len)?)),
        };
        row(Key::copy_from_slice(&key), value);
    }
    Some(())
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads numbers off the front of a slice; `None` where it ends too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            value |= bits.checked_shl(shift).filter(|v| v >> shift == bits)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_come_back_and_changed_ones_do_not() {
        let headers = [
            SegmentHeader::Journal { number: 7, salt: 0x1234_5678_9abc_def0 },
            SegmentHeader::Single { number: u32::MAX, len: 1 << 40, checksum: 9 },
        ];
        for header in headers {
            let bytes = header.encode();
            assert_eq!(SegmentHeader::decode(&bytes).unwrap(), Some(header));
            for at in 0..40 {
                let mut changed = bytes;
                changed[at] ^= 1;
                assert_eq!(SegmentHeader::decode(&changed).unwrap(), None);
            }
        }
        assert_eq!(SegmentHeader::decode(&[0; 64]).unwrap(), None);
        assert_eq!(SegmentHeader::decode(&[]).unwrap(), None);
    }

    #[test]
    fn a_newer_segment_is_refused_with_advice() {
        let mut bytes = SegmentHeader::Journal { number: 1, salt: 1 }.encode();
        bytes[8] = 2;
        let sum = checksum(&bytes[0..32]);
        bytes[32..40].copy_from_slice(&sum.to_le_bytes());
        let error = SegmentHeader::decode(&bytes).unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");
    }

    #[test]
    fn a_record_of_another_segment_is_none_of_ours() {
        let header = RecordHeader::new(5, 10, b"meta", 1).unwrap();
        assert_eq!(RecordHeader::decode(&header.encode(1), 1), Some(header));
        assert_eq!(RecordHeader::decode(&header.encode(1), 2), None);
        assert!(header.is_meta(b"meta", 1));
        assert!(!header.is_meta(b"mete", 1));
    }

    type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    proptest! {
        #[test]
        fn a_meta_section_comes_back(
            rows in proptest::collection::vec(
                (proptest::collection::vec(0u8..4, 0..12), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300))), 0..40),
            bodies in proptest::collection::vec((0u64..5, 0u64..100_000, any::<u64>()), 0..10),
        ) {
            let mut batch = Batch::default();
            let mut end = 1000;
            for (gap, len, checksum) in bodies {
                batch.bodies.push((BodyRef { segment: 3, offset: end + gap, len, checksum }, Bytes::new()));
                end += gap + len;
            }
            for (key, value) in &rows {
                batch.rows.push((Key::copy_from_slice(key), value.clone().map(Value::from)));
            }
            let meta = Bytes::from(encode_meta(&batch, 1000));
            let bodies: Vec<_> = batch.bodies.iter().map(|(place, _)| *place).collect();
            prop_assert_eq!(decode_bodies(&meta, 3, 1000), Some(bodies));
            let mut back = Rows::new();
            decode_rows(&meta, |key, value| back.push((key.to_vec(), value.map(|v| v.to_vec())))).unwrap();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = decode_bodies(&bytes, 1, u64::MAX - 10);
            let _ = decode_rows(&bytes, |_, _| ());
            let _ = RecordHeader::decode(&bytes, 0);
            let _ = SegmentHeader::decode(&bytes);
        }
    }
}
