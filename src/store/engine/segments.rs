//! The segment files: which there are, reading bodies out of them, and spooling large bodies into
//! files of their own. Writing the journal is not done here, see [`super::journal`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hasher;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use twox_hash::XxHash3_64;

use super::disk::{Disk, DiskFile, failed};
use super::format::{SEGMENT_HEADER, SegmentHeader};
use super::{BodyRef, EngineError, Result, Segment, Spool, checksum_matches};

/// The directory of the segment files.
pub(super) const DIR: &str = "segments";
/// Segment files that stay open for reading.
const OPEN_FILES: usize = 128;
/// Bodies larger than this are mapped instead of held in memory.
const MAP_FROM: u64 = 256 << 10;
/// How much of a large body is in memory at a time.
const CHUNK: usize = 128 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Journal,
    Single,
}

/// The name of a segment's file.
pub(super) fn name(number: u32, kind: Kind) -> String {
    let extension = match kind {
        Kind::Journal => "seg",
        Kind::Single => "one",
    };
    format!("{DIR}/{number:08}.{extension}")
}

fn parse_name(name: &str) -> Option<(u32, Kind)> {
    let (number, extension) = name.split_once('.')?;
    let kind = match extension {
        "seg" => Kind::Journal,
        "one" => Kind::Single,
        _ => return None,
    };
    Some((number.parse().ok()?, kind))
}

/// All segment files of a data directory.
#[derive(Debug)]
pub(super) struct Segments {
    pub(super) disk: Arc<dyn Disk>,
    index: RwLock<Index>,
    next: AtomicU32,
    /// Bytes that spooling leaves free.
    reserve: u64,
}

#[derive(Debug, Default)]
struct Index {
    kinds: BTreeMap<u32, Kind>,
    /// Handles for reading; some are dropped when there are many.
    files: HashMap<u32, Arc<dyn DiskFile>>,
    /// Bodies that are being received.
    spooling: HashSet<u32>,
}

impl Segments {
    /// Lists the directory (and creates it); opens no file.
    pub(super) fn open(disk: Arc<dyn Disk>, reserve: u64) -> Result<Self> {
        disk.create_dir(DIR).map_err(failed("create the segments' directory"))?;
        let names = disk.list(DIR).map_err(failed("list the segments"))?;
        let kinds: BTreeMap<_, _> = names.iter().filter_map(|name| parse_name(name)).collect();
        let last = kinds.keys().next_back().copied().unwrap_or(0);
        let index = RwLock::new(Index { kinds, ..Index::default() });
        Ok(Self { disk, index, next: AtomicU32::new(last.saturating_add(1)), reserve })
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no segment has had in this run.
    pub(super) fn allot(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Never allots numbers below `number`.
    pub(super) fn skip_to(&self, number: u32) {
        self.next.fetch_max(number, Ordering::Relaxed);
    }

    /// The journal's segments from `first` on, in order.
    pub(super) fn journal_from(&self, first: u32) -> Vec<u32> {
        let index = self.read();
        let found = index.kinds.range(first..).filter(|(_, kind)| **kind == Kind::Journal);
        found.map(|(number, _)| *number).collect()
    }

    /// The kinds of all segments if none is missing from the first one on: then none was ever
    /// reclaimed.
    pub(super) fn unbroken(&self) -> Option<Vec<(u32, Kind)>> {
        let index = self.read();
        let all: Vec<_> = index.kinds.iter().map(|(number, kind)| (*number, *kind)).collect();
        (1..).zip(&all).all(|(wanted, (number, _))| wanted == *number).then_some(all)
    }

    /// Creates a segment's file.
    pub(super) fn create(&self, number: u32, kind: Kind) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(&name(number, kind))?;
        let mut index = self.write();
        index.kinds.insert(number, kind);
        index.files.insert(number, file.clone());
        Ok(file)
    }

    /// Removes a segment's file; its name may come back after a crash.
    pub(super) fn delete(&self, number: u32) -> io::Result<bool> {
        let Some(kind) = self.read().kinds.get(&number).copied() else { return Ok(false) };
        self.disk.remove(&name(number, kind))?;
        let mut index = self.write();
        index.kinds.remove(&number);
        index.files.remove(&number);
        Ok(true)
    }

    /// A segment's file, from the open ones or opened now.
    pub(super) fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>> {
        let kind = {
            let index = self.read();
            if let Some(file) = index.files.get(&number) {
                return Ok(file.clone());
            }
            index.kinds.get(&number).copied()
        };
        let missing = || EngineError::Damaged(format!("segment {number} is missing"));
        let kind = kind.ok_or_else(missing)?;
        let file = match self.disk.open(&name(number, kind)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            file => file.map_err(failed("open a segment"))?,
        };
        let mut index = self.write();
        if !index.kinds.contains_key(&number) {
            return Err(missing()); // removed meanwhile; its space is not to be held
        }
        if index.files.len() >= OPEN_FILES {
            // Whichever: opening one again costs microseconds. The writers hold their own.
            let some = index.files.keys().copied().take(OPEN_FILES / 4).collect::<Vec<_>>();
            some.iter().for_each(|number| drop(index.files.remove(number)));
        }
        index.files.insert(number, file.clone());
        Ok(file)
    }

    /// Forgets the open handle, so that the next one is fresh.
    pub(super) fn forget(&self, number: u32) {
        self.write().files.remove(&number);
    }

    /// See [`super::Engine::read_body`].
    pub(super) fn read_body(
        &self,
        body: &BodyRef,
        from: u64,
        len: u64,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let from = from.min(body.len);
        let len = len.min(body.len - from);
        let size =
            usize::try_from(len).map_err(|_| EngineError::Damaged("a body's length".into()))?;
        let before = out.len();
        let file = self.file(body.segment)?;
        file.read_into(body.offset.saturating_add(from), size, out).map_err(cut_short(body))?;
        if len == body.len {
            let whole = out.get(before..).unwrap_or_default();
            checksum_matches(body, whole).inspect_err(|_| out.truncate(before))?;
        }
        Ok(())
    }

    /// See [`super::Engine::with_body`].
    pub(super) fn with_body(&self, body: &BodyRef, f: &mut dyn FnMut(&[u8])) -> Result<()> {
        if body.len <= MAP_FROM {
            let mut bytes = Vec::new();
            self.read_body(body, 0, body.len, &mut bytes)?;
            f(&bytes);
            return Ok(());
        }
        // Reading it piece by piece first checks the sum, and turns a bad sector into an error
        // here, where behind a mapping it would be a signal that ends the process.
        let file = self.file(body.segment)?;
        self.check_body(&*file, body)?;
        let len = usize::try_from(body.len).map_err(|_| EngineError::Full)?;
        f(&file.map(body.offset, len).map_err(failed("map a body"))?);
        Ok(())
    }

    /// Checks a body's sum without holding it.
    pub(super) fn check_body(&self, file: &dyn DiskFile, body: &BodyRef) -> Result<()> {
        let mut hasher = XxHash3_64::new();
        let mut chunk = vec![0; (body.len as usize).min(CHUNK)];
        let (mut at, end) = (body.offset, body.offset.saturating_add(body.len));
        while at < end {
            let size = chunk.len().min((end - at) as usize);
            let part = chunk.get_mut(..size).unwrap_or_default();
            file.read_at(at, part).map_err(cut_short(body))?;
            hasher.write(part);
            at += size as u64;
        }
        if hasher.finish() == body.checksum {
            return Ok(());
        }
        Err(EngineError::Damaged(format!(
            "the body at byte {} of segment {} does not match its checksum",
            body.offset, body.segment
        )))
    }

    /// The header of a segment; `None` if it has none (torn, or still being received).
    pub(super) fn header(&self, file: &dyn DiskFile) -> Result<Option<SegmentHeader>> {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        match file.read_at(0, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => {
                read.map_err(failed("read a segment's header"))?;
                SegmentHeader::decode(&bytes)
            }
        }
    }

    /// The body of a single segment; `None` if it was never finished.
    pub(super) fn single_body(&self, number: u32) -> Result<Option<BodyRef>> {
        let file = self.file(number)?;
        Ok(match self.header(&*file)? {
            Some(SegmentHeader::Single { number: own, len, checksum }) if own == number => {
                Some(BodyRef { segment: number, offset: SEGMENT_HEADER, len, checksum })
            }
            _ => None,
        })
    }

    pub(super) fn kind(&self, number: u32) -> Option<Kind> {
        self.read().kinds.get(&number).copied()
    }

    /// Whether a body is being received into this segment.
    pub(super) fn is_spooling(&self, number: u32) -> bool {
        self.read().spooling.contains(&number)
    }

    /// All segments; `active` is the one the journal is written to.
    pub(super) fn list(&self, active: Option<u32>) -> Result<Vec<Segment>> {
        let all: Vec<_> = self.read().kinds.iter().map(|(number, kind)| (*number, *kind)).collect();
        let mut out = Vec::with_capacity(all.len());
        for (number, kind) in all {
            let (size, modified) = match self.disk.stat(&name(number, kind)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // just removed
                stat => stat.map_err(failed("look at a segment"))?,
            };
            let active = active == Some(number) || self.is_spooling(number);
            out.push(Segment { number, size, active, single: kind == Kind::Single, modified });
        }
        Ok(out)
    }

    /// See [`super::Engine::spool`].
    pub(super) fn spool(self: &Arc<Self>) -> Result<Box<dyn Spool>> {
        self.room_for(0)?;
        let number = self.allot();
        self.write().spooling.insert(number);
        let file = self.create(number, Kind::Single).map_err(|error| {
            self.write().spooling.remove(&number);
            failed("create a spool file")(error)
        })?;
        Ok(Box::new(FileSpool {
            segments: self.clone(),
            file,
            number,
            buffer: Vec::new(),
            written: 0,
            hasher: XxHash3_64::new(),
            finished: false,
        }))
    }

    fn room_for(&self, bytes: usize) -> Result<()> {
        let free = self.disk.free_space().map_err(failed("ask for free space"))?;
        if free < self.reserve.saturating_add(bytes as u64) {
            return Err(EngineError::Full);
        }
        Ok(())
    }
}

/// A file that ends within a body is damage, not trouble with the medium.
fn cut_short(body: &BodyRef) -> impl FnOnce(io::Error) -> EngineError {
    let body = *body;
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => EngineError::Damaged(format!(
            "segment {} ends within the body at byte {}",
            body.segment, body.offset
        )),
        _ => failed("read a body")(error),
    }
}

/// A body on its way into a file of its own.
struct FileSpool {
    segments: Arc<Segments>,
    file: Arc<dyn DiskFile>,
    number: u32,
    /// Small writes are gathered here.
    buffer: Vec<u8>,
    /// Bytes in the file, without its header.
    written: u64,
    hasher: XxHash3_64,
    finished: bool,
}

impl FileSpool {
    fn flush(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.append(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        written
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.segments.room_for(bytes.len())?;
        self.hasher.write(bytes);
        let at = SEGMENT_HEADER + self.written;
        self.file.write_at(at, &[bytes]).map_err(failed("write a spooled body"))?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl Spool for FileSpool {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() <= CHUNK {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        if bytes.len() >= CHUNK {
            return self.append(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn finish(mut self: Box<Self>) -> Result<BodyRef> {
        self.flush()?;
        let (number, len, checksum) = (self.number, self.written, self.hasher.finish());
        let header = SegmentHeader::Single { number, len, checksum }.encode();
        self.file.write_at(0, &[&header]).map_err(failed("write a spooled body"))?;
        self.file.sync_data().map_err(failed("sync a spooled body"))?;
        self.segments.disk.sync_dir(DIR).map_err(failed("sync the segments' directory"))?;
        self.finished = true;
        Ok(BodyRef { segment: number, offset: SEGMENT_HEADER, len, checksum })
    }
}

impl Drop for FileSpool {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = self.segments.delete(self.number)
        {
            // Reclaim will come across it.
            tracing::warn!(segment = self.number, %error, "cannot remove an unfinished spool file");
        }
        self.segments.write().spooling.remove(&self.number);
    }
}
