//! The journal: appends each group of changes, bodies and rows, as one checksummed record to the
//! active segment and syncs it once. The bytes are described in [`super::format`], reading them
//! back is [`super::replay`]'s.

use std::io;
use std::sync::Arc;

use super::disk::{DiskFile, failed};
use super::format::{self, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader};
use super::segments::{self, Kind, Segments};
use super::{Batch, BodyRef, EngineError, Result};

/// A place between two records: everything before it is in the base file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    pub(super) segment: u32,
    pub(super) offset: u64,
    /// The number of the group that follows.
    pub(super) group: u64,
}

impl Position {
    /// Where the journal of a new store begins.
    pub(super) const START: Self = Self { segment: 1, offset: SEGMENT_HEADER, group: 1 };
}

/// The journal's writing end.
pub(super) struct Journal {
    segments: Arc<Segments>,
    /// A segment of this many bytes gets no further record.
    limit: u64,
    /// `None`: the next record begins a segment.
    active: Option<Active>,
    /// Where the next record goes, once a body was placed for it.
    target: Option<Target>,
    end: Position,
    /// Why nothing can be appended until [`Journal::begin_recovery`].
    broken: Option<Broken>,
}

/// The segment that is written to.
pub(super) struct Active {
    pub(super) number: u32,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) len: u64,
    pub(super) salt: u64,
    /// Blocks were set aside up to here.
    pub(super) reserved: u64,
}

/// Bytes for which blocks are set aside at a time. With them a sync takes two thirds of the
/// time, because it writes no more than the record and the file's length.
const RESERVE: u64 = 4 << 20;

/// A write or sync failed: what reached the medium is unknown, and asking again would lie.
struct Broken {
    /// The segment and its last good length; zero if it holds nothing.
    segment: u32,
    len: u64,
    /// Nothing is behind that length any more.
    tidy: bool,
}

/// Where a record is going to be.
#[derive(Clone, Copy)]
struct Target {
    segment: u32,
    /// The record's first byte; zero with the segment's header before it.
    start: u64,
    /// Where the next body goes.
    next: u64,
}

impl Journal {
    /// Continues behind `end`, in that segment if it is `active`.
    pub(super) fn new(
        segments: Arc<Segments>,
        limit: u64,
        active: Option<Active>,
        end: Position,
    ) -> Self {
        Self { segments, limit, active, target: None, end, broken: None }
    }

    /// The position behind the last record.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn aim(&self) -> Target {
        match &self.active {
            Some(active) if active.len < self.limit => Target {
                segment: active.number,
                start: active.len,
                next: active.len + RECORD_HEADER,
            },
            _ => Target {
                segment: self.segments.allot(),
                start: 0,
                next: SEGMENT_HEADER + RECORD_HEADER,
            },
        }
    }

    /// See [`super::Engine::place`].
    pub(super) fn place(&mut self, body: &[u8]) -> BodyRef {
        let mut target = self.target.unwrap_or_else(|| self.aim());
        let (len, checksum) = (body.len() as u64, format::checksum(body));
        let place = BodyRef { segment: target.segment, offset: target.next, len, checksum };
        target.next += len;
        self.target = Some(target);
        place
    }

    /// Forgets what was placed.
    pub(super) fn discard(&mut self) {
        self.target = None;
    }

    /// Writes a batch as one record and syncs it. On an error nothing of it counts: either the
    /// file is as before, or the journal is broken until it recovers.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<Position> {
        let target = self.target.take().unwrap_or_else(|| self.aim());
        if self.is_broken() {
            return Err(EngineError::Io {
                context: "the journal is waiting for the disk to recover",
                source: io::ErrorKind::Other.into(),
            });
        }
        let salt = match &self.active {
            Some(active) if !target.is_new() => active.salt,
            _ => rand::random(),
        };
        let header = SegmentHeader::Journal { number: target.segment, salt }.encode();
        let start = if target.is_new() { SEGMENT_HEADER } else { target.start };
        let record = Record::new(batch, target.segment, start, self.end.group, salt)?;
        let mut parts: Vec<&[u8]> = Vec::with_capacity(3 + 2 * batch.bodies.len());
        if target.is_new() {
            parts.push(&header);
        }
        record.push_parts(batch, &mut parts);

        match self.write(target, start + record.len, &parts) {
            Ok((file, reserved)) => {
                let len = start + record.len;
                let active = Active { number: target.segment, file, len, salt, reserved };
                if let Some(full) = self.active.replace(active)
                    && target.is_new()
                {
                    // Gives back what was set aside for more; a few blocks if it fails.
                    let _ = full.file.set_len(full.len);
                }
                self.end =
                    Position { segment: target.segment, offset: len, group: self.end.group + 1 };
                Ok(self.end)
            }
            Err(failure) => Err(self.undo(target, failure)),
        }
    }

    /// Writes and syncs the parts of a record that ends at `end`. Returns the file and up to
    /// where it has blocks.
    fn write(
        &self,
        target: Target,
        end: u64,
        parts: &[&[u8]],
    ) -> Result<(Arc<dyn DiskFile>, u64), Failure> {
        let (file, mut reserved) = match &self.active {
            Some(active) if !target.is_new() => (active.file.clone(), active.reserved),
            _ => {
                let file = self.segments.create(target.segment, Kind::Journal);
                (file.map_err(failed("begin a segment")).map_err(Failure::Written)?, 0)
            }
        };
        if end > reserved {
            let from = reserved.max(target.start);
            reserved = (end + RESERVE).min(self.limit.max(end));
            if file.reserve(from, reserved - from).is_err() {
                reserved = u64::MAX; // not on this file system: the segment grows as it is written
            }
        }
        file.write_at(target.start, parts)
            .map_err(failed("write to the journal"))
            .map_err(Failure::Written)?;
        file.sync_data().map_err(failed("sync the journal")).map_err(Failure::Synced)?;
        if target.is_new() {
            let synced = self.segments.disk.sync_dir(segments::DIR);
            synced.map_err(failed("sync the segments' directory")).map_err(Failure::Synced)?;
        }
        Ok((file, reserved))
    }

    /// Takes a failed record out of the file again, or gives the segment up.
    fn undo(&mut self, target: Target, failure: Failure) -> EngineError {
        let cut = self.cut(target.segment, target.start);
        let error = match failure {
            // A full disk is no broken one: without the half record the file is as it was.
            Failure::Written(EngineError::Full) if cut.is_ok() => return EngineError::Full,
            Failure::Written(error) | Failure::Synced(error) => error,
        };
        self.broken = Some(Broken { segment: target.segment, len: target.start, tidy: false });
        error
    }

    /// Cuts a segment to its good length, or removes it if nothing in it is good.
    fn cut(&self, segment: u32, len: u64) -> Result<()> {
        if len == 0 {
            self.segments.delete(segment).map_err(failed("remove a segment"))?;
            return Ok(());
        }
        let file = self.segments.file(segment)?;
        file.set_len(len).map_err(failed("cut a segment"))
    }

    /// Begins to leave a broken segment behind: the position at which a fresh one will start,
    /// which has to be recorded in the base file before [`Journal::finish_recovery`], so that
    /// the failed record is never replayed.
    pub(super) fn begin_recovery(&mut self) -> Position {
        self.tidy();
        Position { segment: self.segments.allot(), offset: SEGMENT_HEADER, group: self.end.group }
    }

    /// Cuts the failed record off a broken segment. No start reads it, but a check would take it
    /// for damage. Through a handle of its own, because one that failed to sync may forget it.
    fn tidy(&mut self) {
        let Some(Broken { segment, len, tidy: false }) = self.broken else { return };
        self.segments.forget(segment);
        let cut = self.cut(segment, len);
        let synced = cut.and_then(|()| match len {
            0 => Ok(()),
            _ => self.segments.file(segment)?.sync_data().map_err(failed("sync")),
        });
        match synced {
            Ok(()) => self.broken = Some(Broken { segment, len, tidy: true }),
            Err(error) => tracing::debug!(segment, %error, "cannot tidy a broken segment"),
        }
    }

    /// Starts the fresh segment; the journal is whole again if that works.
    pub(super) fn finish_recovery(&mut self, at: Position) -> Result<()> {
        let salt = rand::random();
        let file = self.segments.create(at.segment, Kind::Journal);
        let file = file.map_err(failed("begin a segment"))?;
        let header = SegmentHeader::Journal { number: at.segment, salt }.encode();
        file.write_at(0, &[&header])
            .and_then(|()| file.sync_data())
            .and_then(|()| self.segments.disk.sync_dir(segments::DIR))
            .map_err(failed("begin a segment"))?;
        let len = SEGMENT_HEADER;
        self.active = Some(Active { number: at.segment, file, len, salt, reserved: 0 });
        self.end = at;
        self.target = None;
        self.tidy(); // if the disk still refused before
        self.broken = None;
        Ok(())
    }
}

impl Target {
    /// Whether the record begins a segment.
    fn is_new(&self) -> bool {
        self.start == 0
    }
}

/// How far a record came.
enum Failure {
    Written(EngineError),
    Synced(EngineError),
}

fn unplaced(place: &BodyRef) -> EngineError {
    EngineError::Refused(format!("{place:?} was not placed for this commit"))
}

/// A record in pieces, ready to be written.
struct Record {
    header: [u8; RECORD_HEADER as usize],
    meta: Vec<u8>,
    /// Unused bytes before each body: places whose operation failed meanwhile.
    gaps: Vec<usize>,
    len: u64,
}

/// What is written into places that were given up.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Record {
    fn new(batch: &Batch, segment: u32, start: u64, group: u64, salt: u64) -> Result<Self> {
        let bodies_start = start + RECORD_HEADER;
        let mut gaps = Vec::with_capacity(batch.bodies.len());
        let mut end = bodies_start;
        for (place, bytes) in &batch.bodies {
            let gap = place.offset.checked_sub(end).ok_or_else(|| unplaced(place))?;
            if place.segment != segment || place.len != bytes.len() as u64 {
                return Err(unplaced(place));
            }
            gaps.push(gap as usize);
            end = place.offset + place.len;
        }
        let meta = format::encode_meta(batch, bodies_start);
        let header = RecordHeader::new(group, end - bodies_start, &meta, salt)?;
        let len = end - start + meta.len() as u64;
        Ok(Self { header: header.encode(salt), meta, gaps, len })
    }

    fn push_parts<'a>(&'a self, batch: &'a Batch, parts: &mut Vec<&'a [u8]>) {
        parts.push(&self.header);
        for ((_, bytes), gap) in batch.bodies.iter().zip(&self.gaps) {
            let mut gap = *gap;
            while gap > 0 {
                let zeros = ZEROS.get(..gap).unwrap_or(&ZEROS);
                parts.push(zeros);
                gap -= zeros.len();
            }
            parts.push(bytes);
        }
        parts.push(&self.meta);
    }
}
