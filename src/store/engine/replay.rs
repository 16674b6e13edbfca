//! Reading the journal back: record by record for a start after a crash, for the list of a
//! segment's bodies and for verification. Only the last record of the last segment can be torn,
//! because each one is synced before the next is written; anything else is damage.

use std::sync::Arc;

use bytes::Bytes;

use super::disk::{DiskFile, failed};
use super::format::{
    self, RECORD_HEADER, RECORD_MAGIC, RecordHeader, SEGMENT_HEADER, SegmentHeader,
};
use super::journal::{Active, Journal, Position};
use super::segments::{self, Kind, Segments};
use super::{BodyRef, EngineError, Key, Result, Value};

/// Applies the rows of all records behind `from`, cuts off a torn end, and returns the journal
/// ready to be continued.
pub(super) fn replay(
    segments: Arc<Segments>,
    limit: u64,
    from: Position,
    row: &mut dyn FnMut(Key, Option<Value>),
) -> Result<Journal> {
    segments.skip_to(from.segment);
    let numbers = segments.journal_from(from.segment);
    if from.offset > SEGMENT_HEADER && numbers.first() != Some(&from.segment) {
        return Err(EngineError::Damaged(format!("segment {} is missing", from.segment)));
    }
    let mut end = from;
    let mut active = None;
    for (index, number) in numbers.iter().copied().enumerate() {
        if number != from.segment {
            end = Position { segment: number, offset: SEGMENT_HEADER, group: end.group };
        }
        let last = index + 1 == numbers.len();
        match Walk::begin(&segments, number, end.offset)? {
            Some(mut walk) => {
                replay_segment(&segments, &mut walk, last, &mut end, row)?;
                let Walk { file, at: len, salt, .. } = walk;
                active = Some(Active { number, file, len, salt, reserved: len });
            }
            // Its creation was not finished, so nothing in it was acknowledged.
            None if last && end.offset == SEGMENT_HEADER => {
                segments.delete(number).map_err(failed("remove an unfinished segment"))?;
                segments.disk.sync_dir(segments::DIR).map_err(failed("sync the directory"))?;
            }
            None => return Err(EngineError::Damaged(format!("segment {number} has no header"))),
        }
    }
    Ok(Journal::new(segments, limit, active, end))
}

/// Whether the segments hold all that was ever acknowledged: there are none, or the journal is
/// there from its first record on and nothing was reclaimed, or there never was a record. Then
/// the base file can be made anew from them.
pub(super) fn is_complete(segments: &Segments) -> Result<bool> {
    let Some(all) = segments.unbroken() else { return Ok(false) };
    for (number, _) in all.iter().filter(|(_, kind)| *kind == Kind::Journal) {
        let Some(mut walk) = Walk::begin(segments, *number, SEGMENT_HEADER)? else {
            // Its creation was not finished; or it is damaged, and may have held anything.
            let len = segments.file(*number)?.len().map_err(failed("look at a segment"))?;
            if len > SEGMENT_HEADER {
                return Ok(false);
            }
            continue;
        };
        match walk.next()? {
            Step::End => {}
            Step::Record(record) => return Ok(record.header.group == Position::START.group),
            Step::Broken => return Ok(false),
        }
    }
    // A body that lies alone belonged to a record.
    Ok(all.iter().all(|(_, kind)| *kind == Kind::Journal))
}

fn replay_segment(
    segments: &Segments,
    walk: &mut Walk,
    last: bool,
    end: &mut Position,
    row: &mut dyn FnMut(Key, Option<Value>),
) -> Result<()> {
    let damaged = |walk: &Walk, what: &str| {
        let (number, at) = (walk.number, walk.at);
        Err(EngineError::Damaged(format!("the record at byte {at} of segment {number} {what}")))
    };
    loop {
        let start = walk.at;
        let record = match walk.next()? {
            Step::End => break,
            Step::Record(record) => Some(record),
            Step::Broken => None,
        };
        // What lies before another record was synced. Only behind the last one can its bodies
        // be missing, so only there they have to be read.
        let torn = match &record {
            Some(record) => {
                walk.at == walk.len && last && !record.bodies_are_whole(segments, walk)?
            }
            None => true,
        };
        if torn {
            walk.at = start;
            if !last || walk.another_follows(end.group)? {
                return damaged(walk, "is damaged");
            }
            tracing::info!(segment = walk.number, at = start, "cutting off an unfinished record");
            walk.file.set_len(start).map_err(failed("cut the journal"))?;
            walk.file.sync_data().map_err(failed("sync the journal"))?;
            break;
        }
        if let Some(record) = record {
            if record.header.group != end.group {
                return damaged(walk, "does not follow the one before");
            }
            if format::decode_rows(&record.meta, &mut *row).is_none() {
                return damaged(walk, "has malformed rows");
            }
            end.group += 1;
        }
    }
    end.offset = walk.at;
    Ok(())
}

/// A way through the records of one segment.
pub(super) struct Walk {
    pub(super) number: u32,
    file: Arc<dyn DiskFile>,
    salt: u64,
    /// Where the next record begins.
    pub(super) at: u64,
    /// The file's length.
    pub(super) len: u64,
}

/// What was found at a place.
pub(super) enum Step {
    Record(Record),
    /// The file ends here.
    End,
    /// Bytes that are no whole record.
    Broken,
}

/// A record without its bodies' bytes.
pub(super) struct Record {
    pub(super) header: RecordHeader,
    meta: Bytes,
    bodies_start: u64,
}

impl Walk {
    /// Begins at `at`; `None` if the segment has no header.
    pub(super) fn begin(segments: &Segments, number: u32, at: u64) -> Result<Option<Self>> {
        let file = segments.file(number)?;
        let Some(header) = segments.header(&*file)? else { return Ok(None) };
        let SegmentHeader::Journal { number: own, salt } = header else { return Ok(None) };
        if own != number {
            return Err(EngineError::Damaged(format!("segment {number} says it is {own}")));
        }
        let len = file.len().map_err(failed("look at a segment"))?;
        if at > len {
            let text = format!("segment {number} is shorter than it was ({len} of {at} bytes)");
            return Err(EngineError::Damaged(text));
        }
        Ok(Some(Self { number, file, salt, at, len }))
    }

    /// Reads the record at the current place and goes behind it if it is whole.
    pub(super) fn next(&mut self) -> Result<Step> {
        if self.at >= self.len {
            return Ok(Step::End);
        }
        let Some((header, end)) = self.header_at(self.at)? else { return Ok(Step::Broken) };
        let bodies_start = self.at + RECORD_HEADER;
        let mut meta = Vec::new();
        self.file
            .read_into(bodies_start + header.bodies_len, header.meta_len as usize, &mut meta)
            .map_err(failed("read the journal"))?;
        if !header.is_meta(&meta, self.salt) {
            return Ok(Step::Broken);
        }
        self.at = end;
        Ok(Step::Record(Record { header, meta: meta.into(), bodies_start }))
    }

    /// The record's header at a place and where the record ends, if it fits into the file.
    fn header_at(&self, at: u64) -> Result<Option<(RecordHeader, u64)>> {
        if self.len.saturating_sub(at) < RECORD_HEADER {
            return Ok(None);
        }
        let mut bytes = [0; RECORD_HEADER as usize];
        self.file.read_at(at, &mut bytes).map_err(failed("read the journal"))?;
        let header = RecordHeader::decode(&bytes, self.salt);
        Ok(header.and_then(|header| {
            let end = at.checked_add(header.total_len()?)?;
            (end <= self.len).then_some((header, end))
        }))
    }

    /// Whether a later record's header is found behind the current place: then what is here was
    /// synced once and is damaged now, not torn. A message cannot fake one, it does not know the
    /// salt.
    fn another_follows(&self, group: u64) -> Result<bool> {
        const CHUNK: u64 = 1 << 20;
        let mut from = self.at + 1;
        let mut chunk = Vec::new();
        while self.len.saturating_sub(from) >= RECORD_HEADER {
            chunk.clear();
            let size = CHUNK.min(self.len - from) as usize;
            self.file.read_into(from, size, &mut chunk).map_err(failed("read the journal"))?;
            for at in memchr::memmem::find_iter(&chunk, RECORD_MAGIC) {
                let header = chunk.get(at..).and_then(|rest| RecordHeader::decode(rest, self.salt));
                if header.is_some_and(|header| header.group > group) {
                    return Ok(true);
                }
            }
            // The header may lie across the border.
            from += size as u64 - (RECORD_HEADER - 1);
        }
        Ok(false)
    }

    pub(super) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }
}

impl Record {
    /// The bodies in this record; `None` if the directory is malformed.
    pub(super) fn bodies(&self, segment: u32) -> Option<Vec<BodyRef>> {
        format::decode_bodies(&self.meta, segment, self.bodies_start)
    }

    fn bodies_are_whole(&self, segments: &Segments, walk: &Walk) -> Result<bool> {
        let Some(bodies) = self.bodies(walk.number) else { return Ok(false) };
        for body in &bodies {
            match segments.check_body(&*walk.file, body) {
                Ok(()) => {}
                Err(EngineError::Damaged(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
