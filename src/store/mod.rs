//! The data: rows, bodies, the change log that every protocol's state is a reading of.
//!
//! Two doors: [`Store::read`] gives a snapshot, [`Store::write`] runs a closure on a [`Tx`] and
//! answers when the change is durable. The transaction keeps the books (log entry, counters,
//! modseq); callers have nothing to remember. No type of the engine's medium leaves this module.

pub mod backup;
pub mod engine;
pub mod hub;
pub mod keys;
pub mod read;
pub mod reclaim;
pub mod rows;
pub mod search;
pub mod snapshot;
pub mod table;
pub mod tx;
pub mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::store::engine::{EngineError, NewBody, Spool};
pub use crate::store::read::{Changes, Message, Read};
pub use crate::store::snapshot::Snapshot;
pub use crate::store::tx::{NewMessage, Tx};

use crate::base::clock::Clock;
use crate::base::id::MailboxId;
use crate::store::engine::Engine;
use crate::store::hub::Hub;
use crate::store::table::{Table, Tables};
use crate::store::writer::Writer;

/// Why the store refused. Clients hear "try later"; the log has everything.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Writing would fill the disk; reading goes on.
    #[error("the disk is full")]
    Full,
    /// The medium failed.
    #[error("{0}")]
    Io(String),
    /// A row or body is not what it should be.
    #[error("damaged data: {0}")]
    Damaged(String),
    /// A token from before the change log's horizon.
    #[error("the state asked for is too old")]
    Stale,
    /// The directory cannot be opened: a newer format, or another process has it.
    #[error("{0}")]
    Refused(String),
    /// The store is shutting down, or a write operation panicked.
    #[error("the store is closed")]
    Closed,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Full => Error::Full,
            EngineError::Io { .. } => Error::Io(error.to_string()),
            EngineError::Damaged(what) => Error::Damaged(what),
            EngineError::Refused(why) => Error::Refused(why),
        }
    }
}

/// How a store is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub engine: engine::EngineOptions,
    pub clock: Clock,
}

/// The store; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    writer: Writer,
    hub: Arc<Hub>,
    tables: Tables,
    search: Arc<search::Index>,
    clock: Clock,
    directory: Option<PathBuf>,
    reclaim: std::sync::Mutex<()>,
}

impl Store {
    /// Opens the data directory, making it if it does not exist.
    pub fn open(directory: &Path, options: &Options) -> Result<Store> {
        let engine = engine::open_local(directory, &options.engine)?;
        let search = search::Index::open(&directory.join("index"));
        let search = search.map_err(|error| Error::Io(error.to_string()))?;
        Ok(Self::with(engine, search, options.clock.clone(), Some(directory.to_owned())))
    }

    /// A store that forgets everything when it is dropped; for tests.
    pub fn in_memory(clock: Clock) -> Store {
        Self::on(engine::open_memory(), clock, None)
    }

    /// A store on an engine that the caller made (simulated disks).
    pub fn on(engine: Arc<dyn Engine>, clock: Clock, directory: Option<PathBuf>) -> Store {
        Self::with(engine, search::Index::in_memory(), clock, directory)
    }

    fn with(
        engine: Arc<dyn Engine>,
        search: search::Index,
        clock: Clock,
        directory: Option<PathBuf>,
    ) -> Store {
        let hub = Arc::new(Hub::default());
        let writer = Writer::start(engine.clone(), hub.clone(), clock.clone());
        let (tables, search) = (Tables::default(), Arc::new(search));
        let reclaim = std::sync::Mutex::default();
        Store(Arc::new(Inner { engine, writer, hub, tables, search, clock, directory, reclaim }))
    }

    /// A consistent view, for milliseconds: never keep it while waiting for a socket.
    pub fn read(&self) -> Snapshot {
        Snapshot::new(self.0.engine.view(), self.0.engine.clone())
    }

    /// Runs `operation` in the writer and answers once its changes are durable and visible.
    ///
    /// A failed operation leaves nothing. It must not wait, and have no effect outside the
    /// transaction: a mail to send, a reminder, a push is a row.
    ///
    /// The operation is queued by the call itself: several answers may be awaited later, and
    /// their operations share a commit.
    pub fn write<T, E, F>(
        &self,
        operation: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let answer = self.0.writer.submit(operation);
        async move { answer.await.unwrap_or_else(|_| Err(Error::Closed.into())) }
    }

    /// [`Store::write`] for threads that may block.
    pub fn write_blocking<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let answer = self.0.writer.submit(operation);
        answer.blocking_recv().unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// The table of a mailbox as it is now, shared by everybody who looks at it; `None` if there
    /// is no such mailbox.
    pub fn table(&self, mailbox: MailboxId) -> Result<Option<Arc<Table>>> {
        self.0.tables.current(self, mailbox)
    }

    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// The full-text index. It follows the change log (`jobs::index`) and may be behind it.
    pub fn search(&self) -> &Arc<search::Index> {
        &self.0.search
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The data directory; `None` in memory.
    pub fn directory(&self) -> Option<&Path> {
        self.0.directory.as_deref()
    }

    /// Begins to receive a body that is too large to be held.
    pub fn spool(&self) -> Result<Box<dyn Spool>> {
        Ok(self.0.engine.spool()?)
    }

    /// Whether a write is expected to succeed.
    pub fn writable(&self) -> bool {
        self.0.engine.writable()
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.0.engine
    }

    /// Holds reclaim back while the guard lives.
    pub fn pause_reclaim(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.reclaim.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Makes everything that was written part of the base file (before a backup or an exit).
    pub fn checkpoint(&self) -> Result<()> {
        Ok(self.0.engine.checkpoint()?)
    }
}
