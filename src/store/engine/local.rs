//! The default engine: a journal of segment files, recent rows in memory, all others in a base
//! file.
//!
//! A commit appends one record to the journal, syncs it, puts its rows into the *live* map and
//! publishes a new view. A flush freezes the live map and writes it into the base file in one
//! commit with the journal's position; commits go on meanwhile, into a new live map. A start
//! replays the records behind that position into the live map, so it never walks a file.
//!
//! The order of locks is base, journal, state.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::directory;
use super::disk::{Disk, RealDisk, failed};
use super::journal::{Journal, Position};
use super::redb::{Base, BaseRows, MIGRATIONS, Overlay};
use super::replay::{is_complete, replay};
use super::segments::{Kind, Segments};
use super::view::LocalView;
use super::{
    Batch, BodyRef, Engine, EngineError, Key, Result, Segment, Spool, Value, View, check_limits,
    lock,
};

/// Settings of the local engine. The defaults suit an office; tests set them low.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Memory for pages of the base file, in bytes.
    pub cache_bytes: usize,
    /// A segment of this size gets no further record.
    pub segment_bytes: u64,
    /// Rows in memory are flushed when they are this large, in bytes,
    pub flush_bytes: usize,
    /// or this old.
    pub flush_age: Duration,
    /// A commit waits for the flush when this many bytes of rows are in memory.
    pub live_limit: usize,
    /// No commit is taken while less than this is free on the disk, so that the base file, which
    /// takes a full disk badly, rarely meets one.
    pub reserve_bytes: u64,
    /// How long to wait before trying a failed disk again.
    pub retry_after: Duration,
    /// Flush in a thread of its own; without it only [`Engine::checkpoint`] and a full map do.
    pub background: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            segment_bytes: 64 << 20,
            flush_bytes: 16 << 20,
            flush_age: Duration::from_secs(1),
            live_limit: 64 << 20,
            reserve_bytes: 16 << 20,
            retry_after: Duration::from_secs(1),
            background: true,
        }
    }
}

/// Memory that a row in a map takes beside its bytes, roughly.
const ROW_OVERHEAD: usize = 112;

/// Opens the engine in a directory, creating it if it does not exist. Fails with
/// [`EngineError::Refused`] if another process uses it or a newer version wrote it.
pub fn open_local(dir: &Path, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
    let disk = RealDisk::new(dir).map_err(failed("create the data directory"))?;
    let lock = directory::lock(dir)?;
    directory::warn_if_unsafe(dir);
    let mut local = Local::open(Arc::new(disk), options)?;
    local.lock = Some(lock);
    Ok(Arc::new(local))
}

/// The engine on a disk.
pub(super) struct Local {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
    lock: Option<std::fs::File>,
}

pub(super) struct Shared {
    options: EngineOptions,
    pub(super) segments: Arc<Segments>,
    /// Held for a whole flush.
    pub(super) base: Mutex<Base>,
    /// Held for a whole commit.
    journal: Mutex<Journal>,
    /// Held for moments.
    pub(super) state: Mutex<State>,
    view: ArcSwap<LocalView>,
    /// Something changed for the flusher.
    wake: Condvar,
    /// A flush has ended, well or not.
    flushed: Condvar,
}

/// What is not in the base file yet.
pub(super) struct State {
    base: Arc<BaseRows>,
    frozen: Option<Frozen>,
    live: Overlay,
    live_bytes: usize,
    /// When the oldest live row came.
    live_since: Option<Instant>,
    /// The journal's position behind the live rows.
    pub(super) end: Position,
    /// The position that the base file holds.
    flushed: Position,
    trouble: Option<Trouble>,
    /// The journal takes nothing until a flush has recorded a position behind its failed record.
    journal_broken: bool,
    stop: bool,
}

/// Rows that a flush is writing, and the position behind them.
#[derive(Clone)]
struct Frozen {
    rows: Overlay,
    bytes: usize,
    end: Position,
}

/// Something on the disk failed and is tried again later.
#[derive(Clone, Copy)]
struct Trouble {
    full: bool,
    retry_at: Instant,
}

impl Trouble {
    fn error(&self) -> EngineError {
        match self.full {
            true => EngineError::Full,
            false => EngineError::Io {
                context: "the disk failed and is tried again",
                source: io::ErrorKind::Other.into(),
            },
        }
    }
}

impl Local {
    pub(super) fn open(disk: Arc<dyn Disk>, options: &EngineOptions) -> Result<Self> {
        let segments = Arc::new(Segments::open(disk.clone(), options.reserve_bytes)?);
        // A base file that is gone while its journal is there is damage and not a new store,
        // unless the journal has everything that ever was in it.
        let may_create = is_complete(&segments).unwrap_or(false);
        let (base, position) = Base::open(disk, options.cache_bytes, may_create, MIGRATIONS)?;
        let mut live = BTreeMap::new();
        let journal =
            replay(segments.clone(), options.segment_bytes, position, &mut |key, value| {
                live.insert(key, value);
            })?;
        let live_bytes = live.iter().map(|(key, value)| row_bytes(key, value)).sum();
        let state = State {
            base: Arc::new(base.rows()?),
            frozen: None,
            live_since: (!live.is_empty()).then(Instant::now),
            live: live.into_iter().collect(),
            live_bytes,
            end: journal.end(),
            flushed: position,
            trouble: None,
            journal_broken: false,
            stop: false,
        };
        let shared = Arc::new(Shared {
            options: options.clone(),
            segments,
            base: Mutex::new(base),
            journal: Mutex::new(journal),
            view: ArcSwap::from_pointee(state.view()),
            state: Mutex::new(state),
            wake: Condvar::new(),
            flushed: Condvar::new(),
        });
        let flusher = match options.background {
            true => {
                let shared = shared.clone();
                let thread = std::thread::Builder::new().name("store-flush".into());
                Some(thread.spawn(move || shared.run()).map_err(failed("start a thread"))?)
            }
            false => None,
        };
        Ok(Self { shared, flusher, lock: None })
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.wake.notify_all();
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.join();
        }
        // So that the next start has nothing to replay. If it fails, it has.
        if let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "the last flush failed; the next start replays the journal");
        }
        // Somebody may still hold a view. The file must be at rest when the lock is given up.
        lock(&self.shared.base).close();
    }
}

fn row_bytes(key: &Key, value: &Option<Value>) -> usize {
    ROW_OVERHEAD + key.len() + value.as_ref().map_or(0, Value::len)
}

impl State {
    fn view(&self) -> LocalView {
        LocalView {
            base: self.base.clone(),
            frozen: self.frozen.as_ref().map(|frozen| frozen.rows.clone()).unwrap_or_default(),
            live: self.live.clone(),
        }
    }

    fn apply(&mut self, rows: Vec<(Key, Option<Value>)>, end: Position) {
        for (key, value) in rows {
            self.live_bytes += row_bytes(&key, &value);
            self.live.insert(key, value);
        }
        self.live_since.get_or_insert_with(Instant::now);
        self.end = end;
    }

    /// Bytes of rows that a flush would have to write.
    fn unflushed(&self) -> usize {
        self.live_bytes + self.frozen.as_ref().map_or(0, |frozen| frozen.bytes)
    }

    /// Makes the live rows the frozen ones; the ones frozen before must have been flushed.
    fn freeze(&mut self) {
        let rows = std::mem::take(&mut self.live);
        let bytes = std::mem::take(&mut self.live_bytes);
        self.live_since = None;
        self.frozen = Some(Frozen { rows, bytes, end: self.end });
    }

    /// How long until the flusher has something to do; `None` if nothing waits for it.
    fn due_in(&self, options: &EngineOptions) -> Option<Duration> {
        let now = Instant::now();
        if let Some(trouble) = &self.trouble {
            return Some(trouble.retry_at.saturating_duration_since(now));
        }
        // The journal may have broken while a flush that knew nothing of it ended well.
        let urgent = self.journal_broken || self.base.is_broken() || self.frozen.is_some();
        if urgent || self.live_bytes >= options.flush_bytes {
            return Some(Duration::ZERO);
        }
        let since = self.live_since?;
        Some((since + options.flush_age).saturating_duration_since(now))
    }
}

impl Shared {
    /// The flusher's life.
    fn run(&self) {
        let mut state = lock(&self.state);
        while !state.stop {
            match state.due_in(&self.options) {
                Some(Duration::ZERO) => {
                    drop(state);
                    self.work();
                    state = lock(&self.state);
                }
                Some(wait) => {
                    let waited = self.wake.wait_timeout(state, wait);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Flushes what is due; what failed before is repaired first.
    fn work(&self) {
        match catch_unwind(AssertUnwindSafe(|| self.flush())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot write the store's base file; trying again");
            }
            // A mistake of ours. Without the flusher commits would wait for ever, so it lives on.
            Err(_) => self.set_trouble(Some(false)),
        }
    }

    /// Notes that something failed, because the disk is full or not, or that all is well.
    fn set_trouble(&self, full: Option<bool>) {
        let retry_at = Instant::now() + self.options.retry_after;
        lock(&self.state).trouble = full.map(|full| Trouble { full, retry_at });
        self.flushed.notify_all();
    }

    /// Moves all rows that are committed by now into the base file.
    fn flush(&self) -> Result<()> {
        let mut base = lock(&self.base);
        let done = self.flush_holding(&mut base);
        if done.is_err() && base.has_failed() {
            // At once, so that reading goes on; if it fails, from a copy that cannot be written.
            let _ = self.reopen(&mut base);
        }
        self.set_trouble(done.as_ref().err().map(|error| matches!(error, EngineError::Full)));
        done
    }

    fn flush_holding(&self, base: &mut Base) -> Result<()> {
        let (unreadable, journal_broken) = {
            let state = lock(&self.state);
            (state.base.is_broken(), state.journal_broken)
        };
        if unreadable || base.has_failed() {
            self.reopen(base)?;
        }
        // First what an earlier flush failed to write, then what came since.
        self.write_frozen(base)?;
        if journal_broken {
            return self.recover(base);
        }
        {
            let mut state = lock(&self.state);
            if state.end == state.flushed {
                return Ok(());
            }
            state.freeze();
            self.publish(&state);
        }
        self.write_frozen(base)
    }

    /// Leaves a broken segment behind. No commit gets in between: the journal refuses them.
    fn recover(&self, base: &mut Base) -> Result<()> {
        let fresh = lock(&self.journal).begin_recovery();
        {
            let mut state = lock(&self.state);
            state.end = fresh;
            state.freeze();
            self.publish(&state);
        }
        self.write_frozen(base)?;
        lock(&self.journal).finish_recovery(fresh)?;
        lock(&self.state).journal_broken = false;
        tracing::info!(segment = fresh.segment, "the journal is writable again");
        Ok(())
    }

    /// Writes the frozen rows, if there are any, and lets the base file stand for them.
    fn write_frozen(&self, base: &mut Base) -> Result<()> {
        let Some(frozen) = lock(&self.state).frozen.clone() else { return Ok(()) };
        base.flush(&frozen.rows, frozen.end)?;
        let rows = Arc::new(base.rows()?);
        {
            let mut state = lock(&self.state);
            state.base = rows;
            state.flushed = frozen.end;
            state.frozen = None;
            self.publish(&state);
        }
        self.flushed.notify_all();
        Ok(()) // a large map is freed here, outside the lock
    }

    fn reopen(&self, base: &mut Base) -> Result<()> {
        let done = base.reopen();
        let rows = Arc::new(base.rows()?);
        let mut state = lock(&self.state);
        state.base = rows;
        self.publish(&state);
        done
    }

    fn publish(&self, state: &State) {
        self.view.store(Arc::new(state.view()));
    }

    /// Refuses a commit that could not end well, and holds it back while too much is in memory.
    fn admit(&self) -> Result<()> {
        let mut state = lock(&self.state);
        loop {
            if state.journal_broken {
                return Err(state.trouble.map_or_else(unwritable, |trouble| trouble.error()));
            }
            let limit = match self.options.background {
                true => self.options.live_limit,
                false => self.options.flush_bytes,
            };
            if state.live_bytes < limit {
                break;
            }
            if let Some(trouble) =
                state.trouble.filter(|_| state.live_bytes >= self.options.live_limit)
            {
                return Err(trouble.error());
            }
            if !self.options.background {
                drop(state);
                self.work();
                state = lock(&self.state);
                if state.trouble.is_some() {
                    break;
                }
                continue;
            }
            self.wake.notify_all();
            let waited = self.flushed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let unflushed = state.unflushed();
        drop(state);
        self.room_for(unflushed)
    }

    fn room_for(&self, unflushed: usize) -> Result<()> {
        let free = self.segments.disk.free_space().map_err(failed("ask for free space"))?;
        if free < self.options.reserve_bytes.max(2 * unflushed as u64) {
            return Err(EngineError::Full);
        }
        Ok(())
    }
}

fn unwritable() -> EngineError {
    EngineError::Io {
        context: "the journal is waiting for the disk to recover",
        source: io::ErrorKind::Other.into(),
    }
}

impl Engine for Local {
    fn view(&self) -> Arc<dyn View> {
        let view = self.shared.view.load_full();
        if view.base.is_broken() {
            self.shared.wake.notify_all();
        }
        view
    }

    fn place(&self, body: &[u8]) -> BodyRef {
        lock(&self.shared.journal).place(body)
    }

    fn commit(&self, batch: Batch) -> Result<()> {
        let shared = &*self.shared;
        let admitted = check_limits(&batch).and_then(|()| shared.admit());
        let mut journal = lock(&shared.journal);
        admitted.inspect_err(|_| journal.discard())?;
        let appended = journal.append(&batch);
        let mut state = lock(&shared.state);
        match appended {
            Ok(end) => {
                let was_waiting = state.live_since.is_some();
                state.apply(batch.rows, end);
                shared.publish(&state);
                if !was_waiting || state.live_bytes >= shared.options.flush_bytes {
                    shared.wake.notify_all();
                }
                Ok(())
            }
            Err(error) => {
                if journal.is_broken() && !state.journal_broken {
                    tracing::error!(%error, "the journal cannot be written; writing stops");
                    let full = matches!(error, EngineError::Full);
                    let retry_at = Instant::now() + shared.options.retry_after;
                    state.journal_broken = true;
                    state.trouble = Some(Trouble { full, retry_at });
                    shared.wake.notify_all();
                }
                Err(error)
            }
        }
    }

    fn discard(&self) {
        lock(&self.shared.journal).discard();
    }

    fn read_body(&self, body: &BodyRef, from: u64, len: u64, out: &mut Vec<u8>) -> Result<()> {
        self.shared.segments.read_body(body, from, len, out)
    }

    fn with_body(&self, body: &BodyRef, f: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.shared.segments.with_body(body, f)
    }

    fn spool(&self) -> Result<Box<dyn Spool>> {
        self.shared.segments.spool()
    }

    fn segments(&self) -> Result<Vec<Segment>> {
        self.shared.list()
    }

    fn segment_bodies(&self, segment: u32) -> Result<Vec<BodyRef>> {
        self.shared.segment_bodies(segment)
    }

    fn remove_segment(&self, segment: u32) -> Result<bool> {
        let shared = &*self.shared;
        let needed = match shared.segments.kind(segment) {
            None => true,
            Some(Kind::Single) => shared.segments.is_spooling(segment),
            Some(Kind::Journal) => segment >= lock(&shared.state).flushed.segment,
        };
        if needed {
            return Ok(false);
        }
        shared.segments.delete(segment).map_err(failed("remove a segment"))
    }

    fn checkpoint(&self) -> Result<()> {
        self.shared.flush()
    }

    fn writable(&self) -> bool {
        let unflushed = {
            let state = lock(&self.shared.state);
            let held_up =
                state.trouble.is_some() && state.live_bytes >= self.shared.options.live_limit;
            if state.journal_broken || held_up {
                return false;
            }
            state.unflushed()
        };
        self.shared.room_for(unflushed).is_ok()
    }

    fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<String>> {
        self.shared.verify(progress)
    }
}
