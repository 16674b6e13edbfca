//! Two ways to put redb on a file of ours: one that remembers what is not synced, and one that
//! keeps all writes in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::disk::DiskFile;
use super::lock;

/// The file as redb sees it, remembering what was written since the last sync.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    file: Arc<dyn DiskFile>,
    unsynced: Arc<Mutex<Vec<Range<u64>>>>,
    /// Nothing may be written any more.
    retired: Arc<AtomicBool>,
}

impl Tracked {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, unsynced: Arc::default(), retired: Arc::default() }
    }

    /// Takes the ranges that were written and not successfully synced.
    pub(super) fn unsynced(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut lock(&self.unsynced))
    }

    /// Lets nothing be written any more.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    fn writable(&self) -> io::Result<()> {
        if self.retired.load(Ordering::Acquire) {
            return Err(io::Error::other("the base file was opened anew"));
        }
        Ok(())
    }
}

impl StorageBackend for Tracked {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()?;
        let mut before = self.unsynced();
        self.file.sync_data().inspect_err(|_| lock(&self.unsynced).append(&mut before))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?;
        let range = offset..offset + data.len() as u64;
        {
            let mut unsynced = lock(&self.unsynced);
            match unsynced.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => unsynced.push(range),
            }
        }
        self.file.write_at(offset, &[data])
    }
}

const PAGE: u64 = 4096;

/// A file whose writes stay in memory.
#[derive(Debug)]
pub(super) struct Scratch {
    file: Arc<dyn DiskFile>,
    /// How much of the file shows: less once it was cut.
    shown: AtomicU64,
    len: AtomicU64,
    pages: Mutex<HashMap<u64, Box<[u8]>>>,
}

impl Scratch {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let len = file.len()?;
        let (shown, len) = (AtomicU64::new(len), AtomicU64::new(len));
        Ok(Self { file, shown, len, pages: Mutex::new(HashMap::new()) })
    }

    /// What the file has at a place, zeros behind its end.
    fn read_file(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let shown = self.shown.load(Ordering::Acquire);
        let inside = shown.saturating_sub(offset).min(out.len() as u64) as usize;
        let (head, tail) = out.split_at_mut(inside);
        tail.fill(0);
        if head.is_empty() { Ok(()) } else { self.file.read_at(offset, head) }
    }
}

/// The parts of `offset..offset + len` that lie in one page each: page, range in it, range in the
/// whole.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % PAGE) as usize;
        let size = (PAGE as usize - within).min(len - done);
        let part = done..done + size;
        done += size;
        (size > 0).then_some((at / PAGE, within..within + size, part))
    })
}

impl StorageBackend for Scratch {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len.load(Ordering::Acquire))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_file(offset, out)?;
        let changed = lock(&self.pages);
        if changed.is_empty() {
            return Ok(());
        }
        for (page, within, part) in pages(offset, out.len()) {
            if let Some(bytes) = changed.get(&page) {
                out[part].copy_from_slice(&bytes[within]);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // What was cut off is zero when it grows again.
        self.shown.fetch_min(len, Ordering::AcqRel);
        lock(&self.pages).retain(|page, _| page * PAGE < len);
        self.len.store(len, Ordering::Release);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = lock(&self.pages);
        for (page, within, part) in pages(offset, data.len()) {
            let bytes = match changed.entry(page) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let mut bytes = vec![0; PAGE as usize].into_boxed_slice();
                    self.read_file(page * PAGE, &mut bytes)?;
                    entry.insert(bytes)
                }
            };
            bytes[within].copy_from_slice(&data[part]);
        }
        Ok(())
    }
}
