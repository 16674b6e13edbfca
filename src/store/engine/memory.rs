//! The engine in memory: the same behaviour as the local one without a disk, for unit tests of
//! everything above. Nothing survives it.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use imbl::OrdMap;

use super::{
    Batch, BodyRef, Engine, EngineError, Key, OnRow, Result, Segment, Spool, Value, View,
    check_limits, checksum_matches, format, lock,
};

/// An empty engine that keeps everything in memory.
pub fn open_memory() -> Arc<dyn Engine> {
    Arc::new(Memory::default())
}

/// Bodies in one segment: small, so that tests of reclaim see several.
const SEGMENT_BYTES: u64 = 1 << 20;

#[derive(Default)]
struct Memory {
    rows: ArcSwap<Rows>,
    writer: Mutex<Writer>,
    bodies: Arc<RwLock<Bodies>>,
}

#[derive(Default)]
struct Rows(OrdMap<Key, Value>);

/// Where the next bodies go.
#[derive(Default)]
struct Writer {
    segment: u32,
    end: u64,
    placed: u64,
}

#[derive(Default)]
struct Bodies {
    /// By segment and offset.
    bytes: BTreeMap<(u32, u64), (BodyRef, Bytes)>,
    segments: BTreeMap<u32, Segment>,
    /// Spools that are not finished.
    open: HashSet<u32>,
    last: u32,
}

impl Bodies {
    fn add_segment(&mut self, single: bool) -> u32 {
        self.last += 1;
        let number = self.last;
        let modified = now();
        self.segments.insert(number, Segment { number, size: 0, active: true, single, modified });
        number
    }

    fn add(&mut self, place: BodyRef, bytes: Bytes) {
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.size = place.offset + place.len;
            segment.modified = now();
        }
        self.bytes.insert((place.segment, place.offset), (place, bytes));
    }

    fn find(&self, body: &BodyRef) -> Result<Bytes> {
        match self.bytes.get(&(body.segment, body.offset)) {
            Some((place, bytes)) if place == body => Ok(bytes.clone()),
            _ => Err(EngineError::Damaged(format!("no body at {body:?}"))),
        }
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

impl Memory {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    fn with_bodies<T>(&self, f: impl FnOnce(&mut Bodies) -> T) -> T {
        f(&mut self.bodies.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, body: &BodyRef) -> Result<Bytes> {
        self.bodies.read().unwrap_or_else(PoisonError::into_inner).find(body)
    }
}

impl Engine for Memory {
    fn view(&self) -> Arc<dyn View> {
        self.rows.load_full()
    }

    fn place(&self, body: &[u8]) -> BodyRef {
        let mut writer = self.writer();
        if writer.placed == 0 && (writer.segment == 0 || writer.end >= SEGMENT_BYTES) {
            let before = writer.segment;
            writer.segment = self.with_bodies(|bodies| {
                if let Some(full) = bodies.segments.get_mut(&before) {
                    full.active = false;
                }
                bodies.add_segment(false)
            });
            writer.end = 0;
        }
        let offset = writer.end + writer.placed;
        // At least one byte, so that empty bodies have places of their own.
        writer.placed += (body.len() as u64).max(1);
        let (len, checksum) = (body.len() as u64, format::checksum(body));
        BodyRef { segment: writer.segment, offset, len, checksum }
    }

    fn commit(&self, batch: Batch) -> Result<()> {
        check_limits(&batch)?;
        let mut writer = self.writer();
        let mut rows = self.rows.load().0.clone();
        self.with_bodies(|bodies| {
            for (place, bytes) in batch.bodies {
                bodies.add(place, bytes);
            }
        });
        writer.end += std::mem::take(&mut writer.placed);
        for (key, value) in batch.rows {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key[..]),
            };
        }
        self.rows.store(Arc::new(Rows(rows)));
        Ok(())
    }

    fn discard(&self) {
        self.writer().placed = 0;
    }

    fn read_body(&self, body: &BodyRef, from: u64, len: u64, out: &mut Vec<u8>) -> Result<()> {
        let bytes = self.find(body)?;
        let rest = bytes.get(from.min(body.len) as usize..).unwrap_or_default();
        let part = &rest[..(len.min(rest.len() as u64)) as usize];
        if part.len() == bytes.len() {
            checksum_matches(body, part)?;
        }
        out.extend_from_slice(part);
        Ok(())
    }

    fn with_body(&self, body: &BodyRef, f: &mut dyn FnMut(&[u8])) -> Result<()> {
        let bytes = self.find(body)?;
        checksum_matches(body, &bytes)?;
        f(&bytes);
        Ok(())
    }

    fn spool(&self) -> Result<Box<dyn Spool>> {
        let segment = self.with_bodies(|bodies| {
            let number = bodies.add_segment(true);
            bodies.open.insert(number);
            number
        });
        Ok(Box::new(MemorySpool {
            bodies: self.bodies.clone(),
            segment,
            bytes: BytesMut::new(),
            finished: false,
        }))
    }

    fn segments(&self) -> Result<Vec<Segment>> {
        Ok(self.with_bodies(|bodies| bodies.segments.values().copied().collect()))
    }

    fn segment_bodies(&self, segment: u32) -> Result<Vec<BodyRef>> {
        Ok(self.with_bodies(|bodies| {
            let places = bodies.bytes.range((segment, 0)..=(segment, u64::MAX));
            places.map(|(_, (place, _))| *place).collect()
        }))
    }

    fn remove_segment(&self, segment: u32) -> Result<bool> {
        if self.writer().segment == segment {
            return Ok(false);
        }
        Ok(self.with_bodies(|bodies| {
            if bodies.open.contains(&segment) {
                return false;
            }
            bodies.bytes.retain(|(number, _), _| *number != segment);
            bodies.segments.remove(&segment).is_some()
        }))
    }

    fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    fn writable(&self) -> bool {
        true
    }

    fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        self.with_bodies(|bodies| {
            let all = bodies.bytes.len() as u64;
            for (done, (place, bytes)) in bodies.bytes.values().enumerate() {
                if let Err(error) = checksum_matches(place, bytes) {
                    wrong.push(error.to_string());
                }
                progress(done as u64 + 1, all);
            }
        });
        Ok(wrong)
    }
}

impl View for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, start: &[u8], end: &[u8], row: OnRow<'_>) -> Result<()> {
        if start < end {
            let range = self.0.range::<_, [u8]>((Bound::Included(start), Bound::Excluded(end)));
            let _ = { range }.try_for_each(|(key, value)| row(key, value));
        }
        Ok(())
    }

    fn scan_back(&self, start: &[u8], end: &[u8], row: OnRow<'_>) -> Result<()> {
        if start < end {
            let range = self.0.range::<_, [u8]>((Bound::Included(start), Bound::Excluded(end)));
            let _ = range.rev().try_for_each(|(key, value)| row(key, value));
        }
        Ok(())
    }
}

struct MemorySpool {
    bodies: Arc<RwLock<Bodies>>,
    segment: u32,
    bytes: BytesMut,
    finished: bool,
}

impl Spool for MemorySpool {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn finish(mut self: Box<Self>) -> Result<BodyRef> {
        let bytes = std::mem::take(&mut self.bytes).freeze();
        let place = BodyRef {
            segment: self.segment,
            offset: 0,
            len: bytes.len() as u64,
            checksum: format::checksum(&bytes),
        };
        self.finished = true;
        let mut bodies = self.bodies.write().unwrap_or_else(PoisonError::into_inner);
        bodies.add(place, bytes);
        bodies.open.remove(&self.segment);
        if let Some(segment) = bodies.segments.get_mut(&self.segment) {
            segment.active = false;
        }
        Ok(place)
    }
}

impl Drop for MemorySpool {
    fn drop(&mut self) {
        if !self.finished {
            let mut bodies = self.bodies.write().unwrap_or_else(PoisonError::into_inner);
            bodies.open.remove(&self.segment);
            bodies.segments.remove(&self.segment);
        }
    }
}
