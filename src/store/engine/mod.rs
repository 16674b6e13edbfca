//! The engine's interface: what the store needs of a medium, and nothing about what it keeps.
//!
//! One flat, ordered key space and bodies beside it. The default engine ([`local`]) is redb
//! plus append-only segments that double as the journal; [`memory`] serves tests. No type of
//! redb, and no file, leaves this module.

mod backend;
mod check;
mod directory;
mod disk;
mod format;
mod journal;
mod local;
mod memory;
mod redb;
mod replay;
mod segments;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
mod view;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

pub use self::local::{EngineOptions, open_local};
pub use self::memory::open_memory;

/// A key: at most [`MAX_KEY`] bytes, ordered bytewise.
pub type Key = Bytes;
/// A value: at most [`MAX_VALUE`] bytes; what is larger is a body.
pub type Value = Bytes;

/// Longest key in bytes: what distributed engines take too.
pub const MAX_KEY: usize = 10_000;
/// Longest value in bytes: what distributed engines take too.
pub const MAX_VALUE: usize = 90_000;

/// Where a body lies: segment, byte offset, length, and the XXH3-64 checksum of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BodyRef {
    pub segment: u32,
    pub offset: u64,
    pub len: u64,
    pub checksum: u64,
}

/// A body on its way into the store.
#[derive(Clone, Debug)]
pub enum NewBody {
    /// Small enough to be held; it is written with the group's journal record.
    Bytes(Bytes),
    /// Already streamed into a segment of its own by a [`Spool`] and synced there.
    Spooled(BodyRef),
}

/// Changes that become durable together. `bodies[i]` gets the reference that
/// [`Engine::place`] gave for it beforehand, so that rows can name it.
#[derive(Default, Debug)]
pub struct Batch {
    /// Row changes in key order, at most one per key; `None` deletes.
    pub rows: Vec<(Key, Option<Value>)>,
    /// Bodies to append, in the order in which they were placed.
    pub bodies: Vec<(BodyRef, Bytes)>,
}

/// Why the engine refused.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No room is left; reading goes on, and so does writing as soon as there is room.
    #[error("the disk is full")]
    Full,
    /// The medium failed to read, write or sync.
    #[error("{context}: {source}")]
    Io { context: &'static str, source: std::io::Error },
    /// Stored bytes do not match their checksum or form.
    #[error("damaged data: {0}")]
    Damaged(String),
    /// The data directory was written by a newer version or is in use by another process.
    #[error("{0}")]
    Refused(String),
}

pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Called with key and value of each row of a scan, until it breaks.
pub type OnRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// A consistent view of all rows; cheap to make and to share, held for milliseconds.
pub trait View: Send + Sync {
    /// The value of one key.
    fn get(&self, key: &[u8]) -> Result<Option<Value>>;

    /// Calls `row` for each key in `start..end` in order until it breaks.
    fn scan(&self, start: &[u8], end: &[u8], row: OnRow<'_>) -> Result<()>;

    /// The same in descending order.
    fn scan_back(&self, start: &[u8], end: &[u8], row: OnRow<'_>) -> Result<()>;
}

/// A large body that is being received: written to a segment of its own as it comes, so that
/// memory stays bounded. Dropped without [`Spool::finish`], its bytes are removed.
pub trait Spool: Send {
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// Bytes written so far.
    fn len(&self) -> u64;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Syncs what was written. Until a committed row names it, reclaim may take it back after
    /// an hour (a crash leaves at most such an orphan).
    fn finish(self: Box<Self>) -> Result<BodyRef>;
}

/// A medium. One writer thread calls [`Engine::place`] and [`Engine::commit`]; everything
/// else may be called from anywhere.
pub trait Engine: Send + Sync {
    /// The state after the last successful commit.
    fn view(&self) -> Arc<dyn View>;

    /// Assigns the place which the next commit will give to a body of these bytes. Places not
    /// committed by the next [`Engine::commit`] or [`Engine::discard`] are void.
    fn place(&self, body: &[u8]) -> BodyRef;

    /// Makes a batch durable with one sync and then visible. On an error nothing of it is
    /// visible, now or after a restart.
    fn commit(&self, batch: Batch) -> Result<()>;

    /// Forgets bodies that were placed since the last commit.
    fn discard(&self);

    /// Reads `len` bytes of a body from `from` into `out` (appended). The checksum is verified
    /// when the whole body is read.
    fn read_body(&self, body: &BodyRef, from: u64, len: u64, out: &mut Vec<u8>) -> Result<()>;

    /// Calls `f` with the whole body as one slice, without holding a large one in memory
    /// (a spooled body is mapped).
    fn with_body(&self, body: &BodyRef, f: &mut dyn FnMut(&[u8])) -> Result<()>;

    /// Begins to receive a large body.
    fn spool(&self) -> Result<Box<dyn Spool>>;

    /// The segments, with their size, whether they still receive writes, and the bodies in
    /// them as recorded when they were written (live or not).
    fn segments(&self) -> Result<Vec<Segment>>;
    fn segment_bodies(&self, segment: u32) -> Result<Vec<BodyRef>>;

    /// Removes a segment in which nothing is alive any more and which the journal no longer
    /// needs; `Ok(false)` if the journal still does.
    fn remove_segment(&self, segment: u32) -> Result<bool>;

    /// Moves all rows into the base file and makes the journal's tail empty (before a backup,
    /// at shut-down, in tests).
    fn checkpoint(&self) -> Result<()>;

    /// Whether a commit is expected to succeed: false after an I/O error until a probe passes,
    /// and while less than the reserve is free.
    fn writable(&self) -> bool;

    /// Walks everything that can be checked without the store's knowledge: redb's own
    /// integrity check and each segment record's checksum. Returns what is wrong, one line each.
    fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<String>>;
}

/// One segment file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub number: u32,
    /// Bytes in the file.
    pub size: u64,
    /// Still written to.
    pub active: bool,
    /// Holds a single spooled body.
    pub single: bool,
    /// Seconds since 1970 of the last write.
    pub modified: i64,
}

/// Locks a mutex, whoever panicked with it before: what is behind ours is never left half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses keys and values that are too long. Rows out of order are a mistake of the caller.
fn check_limits(batch: &Batch) -> Result<()> {
    debug_assert!(batch.rows.is_sorted_by(|a, b| a.0 < b.0), "rows are not in key order");
    for (key, value) in &batch.rows {
        if key.len() > MAX_KEY || value.as_ref().is_some_and(|value| value.len() > MAX_VALUE) {
            return Err(EngineError::Refused(format!(
                "a row of {} + {} bytes is too long",
                key.len(),
                value.as_ref().map_or(0, Bytes::len)
            )));
        }
    }
    Ok(())
}

/// Checks the bytes of a whole body.
fn checksum_matches(body: &BodyRef, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 == body.len && format::checksum(bytes) == body.checksum {
        return Ok(());
    }
    Err(EngineError::Damaged(format!(
        "the body at byte {} of segment {} does not match its checksum",
        body.offset, body.segment
    )))
}
