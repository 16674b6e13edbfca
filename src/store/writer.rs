//! One writer, group commit: queued operations run one after the other, become durable with
//! one sync, and only then are answered and shown to readers and watchers.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::base::clock::{Clock, UnixTime};
use crate::base::id::{AccountId, ModSeq};
use crate::store::engine::{Batch, BodyRef, Engine, View};
use crate::store::hub::Hub;
use crate::store::tx::{Finished, Tx};
use crate::store::{Error, Result};

/// Operations in a group at most: the last one's answer waits for the first one's work.
const GROUP_OPERATIONS: usize = 512;
/// Bytes of bodies in a group at most, for the same reason.
const GROUP_BYTES: usize = 8 << 20;
/// Rows in a group at most.
const GROUP_ROWS: usize = 50_000;
/// How long a group waits for an operation of somebody whom the last group answered and who
/// will mostly have something more: a sync for two costs little more than a sync for one.
const NEXT_OF_MANY: Duration = Duration::from_micros(100);
/// How long it waits for all of them at most, whatever the last sync took.
const ALL_OF_MANY: Duration = Duration::from_millis(1);
/// Operations that may wait before submitters do.
const QUEUE: usize = 4_096;

/// What the operations of one group have changed so far, over the last commit.
pub struct Group {
    pub(super) base: Arc<dyn View>,
    pub(super) rows: BTreeMap<Bytes, Option<Bytes>>,
    pub(super) now: UnixTime,
    bodies: Vec<(BodyRef, Bytes)>,
    body_bytes: usize,
    changed: HashMap<AccountId, ModSeq>,
}

impl Group {
    fn new(base: Arc<dyn View>, now: UnixTime) -> Self {
        Self {
            base,
            rows: BTreeMap::new(),
            now,
            bodies: Vec::new(),
            body_bytes: 0,
            changed: HashMap::new(),
        }
    }

    fn take(&mut self, finished: Finished) {
        if self.rows.is_empty() {
            self.rows = finished.rows;
        } else {
            self.rows.extend(finished.rows);
        }
        self.body_bytes += finished.bodies.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        self.bodies.extend(finished.bodies);
        self.changed.extend(finished.changed);
    }
}

/// An operation with its typed answer hidden.
trait Operation: Send {
    fn run(&mut self, group: &mut Group, engine: &dyn Engine);
    /// Answers the caller: with its own result, or with why the group could not be committed.
    fn answer(self: Box<Self>, committed: &Result<()>);
}

struct Typed<T, E, F> {
    operation: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Operation for Typed<T, E, F>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, group: &mut Group, engine: &dyn Engine) {
        let Some(operation) = self.operation.take() else { return };
        let mut finished = None;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut tx = Tx::new(group);
            let value = operation(&mut tx)?;
            finished = Some(tx.finish(engine)?);
            Ok(value)
        }));
        let result = ran.unwrap_or_else(|_| {
            tracing::error!("a write operation panicked; it left nothing");
            Err(Error::Closed.into())
        });
        if let (Ok(_), Some(finished)) = (&result, finished) {
            group.take(finished);
        }
        self.result = Some(result);
    }

    fn answer(self: Box<Self>, committed: &Result<()>) {
        let result = match (self.result, committed) {
            (Some(Ok(_)), Err(error)) => Err(error.clone().into()),
            (Some(result), _) => result,
            (None, _) => Err(Error::Closed.into()),
        };
        // A caller that went away does not want to know.
        let _ = self.reply.send(result);
    }
}

/// The queue's near end.
pub(super) struct Writer {
    queue: Option<mpsc::SyncSender<Box<dyn Operation>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    pub fn start(engine: Arc<dyn Engine>, hub: Arc<Hub>, clock: Clock) -> Writer {
        let (queue, operations) = mpsc::sync_channel(QUEUE);
        let body = move || work(&operations, engine.as_ref(), &hub, &clock);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(body).ok();
        Writer { queue: Some(queue), thread }
    }

    /// Queues an operation; the receiver gets its answer.
    pub fn submit<T, E, F>(&self, operation: F) -> oneshot::Receiver<Result<T, E>>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let typed = Typed { operation: Some(operation), result: None, reply };
        if let Some(queue) = &self.queue {
            // If the writer is gone the reply is dropped with it, and the caller hears `Closed`.
            let _ = queue.send(Box::new(typed));
        }
        answer
    }
}

impl Drop for Writer {
    /// Finishes what is queued.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

fn work(
    operations: &mpsc::Receiver<Box<dyn Operation>>,
    engine: &dyn Engine,
    hub: &Hub,
    clock: &Clock,
) {
    let mut last = Last::default();
    while let Ok(first) = operations.recv() {
        let patience = last.patience();
        let mut group = Group::new(engine.view(), clock.now());
        let mut ran = Vec::new();
        let mut next = Some(first);
        while let Some(mut operation) = next {
            operation.run(&mut group, engine);
            ran.push(operation);
            let full = ran.len() >= GROUP_OPERATIONS
                || group.body_bytes >= GROUP_BYTES
                || group.rows.len() >= GROUP_ROWS;
            next = match full {
                true => None,
                false => operations.try_recv().ok().or_else(|| {
                    let missing = ran.len() < last.operations && Instant::now() < patience;
                    missing.then(|| operations.recv_timeout(NEXT_OF_MANY).ok()).flatten()
                }),
            };
        }
        let changed: Vec<_> = group.changed.into_iter().collect();
        let began = Instant::now();
        let committed = if group.rows.is_empty() && group.bodies.is_empty() {
            Ok(())
        } else {
            let rows = group.rows.into_iter().collect();
            engine.commit(Batch { rows, bodies: group.bodies }).map_err(Error::from)
        };
        last = Last { operations: ran.len(), commit: began.elapsed() };
        match &committed {
            Ok(()) => hub.announce(&changed),
            Err(error) => tracing::error!(%error, operations = ran.len(), "commit failed"),
        }
        // The last one first: who pipelined several waits for the first, and then finds all.
        ran.into_iter().rev().for_each(|operation| operation.answer(&committed));
    }
}

/// What the last group was like.
#[derive(Default)]
struct Last {
    operations: usize,
    commit: Duration,
}

impl Last {
    /// Until when a group that begins now may wait for more.
    fn patience(&self) -> Instant {
        Instant::now() + self.commit.min(ALL_OF_MANY)
    }
}
