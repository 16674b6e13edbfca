//! Runs evaluations for sessions: at once where they are quick, on a blocking thread where texts
//! must be read, with signs of life meanwhile (RFC 9585).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::base::clock::UnixTime;
use crate::base::uidset::UidSet;
use crate::domain;
use crate::imap::Front;
use crate::imap::codec::encode;
use crate::imap::codec::types::{Code, Reply, Tag};
use crate::imap::failure::{Failure, Result};
use crate::imap::search::{Cache, Progress, Scope};
use crate::imap::session::Session;
use crate::store::table::Table;

/// A client waits so long for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Whoever closed its sending side may still read; but not for ever.
const AFTER_CLOSE: Duration = Duration::from_secs(5);
/// Reads of input while a search runs: enough to notice that the client goes, not enough to
/// collect what it pipelines without end.
const FILLS: u32 = 16;
/// A table up to this size is looked through in a millisecond or two: not worth a thread.
const QUICK: usize = 50_000;

/// What all sessions' searches share.
pub struct Shared {
    cache: Cache,
    /// Each costs a core and reads much: more at once only make all of them late.
    turns: Arc<Semaphore>,
}

impl Default for Shared {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { cache: Cache::default(), turns: Arc::new(Semaphore::new(cores * 2)) }
    }
}

/// A mailbox as the session sees it now, owned: see [`Scope`].
#[derive(Clone)]
pub struct Question {
    front: Arc<Front>,
    table: Arc<Table>,
    view: Arc<Vec<u32>>,
    saved: UidSet,
    recent: UidSet,
    now: UnixTime,
    progress: Arc<Progress>,
}

impl Question {
    /// About the selected mailbox, in its latest state.
    pub fn selected(session: &Session) -> Result<Self> {
        let view = session.view()?;
        // A deleted mailbox is searched as it was.
        let table = session.store().table(view.mailbox)?.unwrap_or_else(|| view.table.clone());
        let mut question = Self::about(session, table, view.shared_uids());
        question.saved = view.saved.clone();
        question.recent = view.recent.clone();
        Ok(question)
    }

    /// About any mailbox.
    pub fn about(session: &Session, table: Arc<Table>, view: Arc<Vec<u32>>) -> Self {
        Self {
            front: session.front.clone(),
            table,
            view,
            saved: UidSet::new(),
            recent: UidSet::new(),
            now: session.store().clock().now(),
            progress: Arc::default(),
        }
    }

    /// The same about another mailbox, all of it.
    pub fn elsewhere(&self, table: Arc<Table>) -> Self {
        let view = table.uids().clone();
        let (saved, recent) = Default::default();
        Self { table, view, saved, recent, ..self.clone() }
    }

    /// Another question of the same command: one progress for all of it.
    pub fn with_view_of(&self, other: &Question) -> Self {
        Self { progress: self.progress.clone(), ..other.clone() }
    }

    pub fn scope(&self) -> Scope<'_> {
        Scope {
            store: &self.front.store,
            table: &self.table,
            view: &self.view,
            saved: &self.saved,
            recent: &self.recent,
            now: self.now,
            progress: &self.progress,
        }
    }

    pub fn is_small(&self) -> bool {
        self.view.len() <= QUICK
    }
}

/// Does `work`; `quick` says that it only looks at the table in memory.
pub async fn run<T, F>(
    session: &mut Session,
    tag: Option<&Tag>,
    question: Question,
    quick: bool,
    work: F,
) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&Question, &Cache) -> domain::Result<T> + Send + 'static,
{
    let shared = session.front.clone();
    if quick && question.is_small() {
        return Ok(work(&question, &shared.search.cache)?);
    }
    let Ok(turn) = shared.search.turns.clone().acquire_owned().await else {
        return Err(domain::Error::from(crate::store::Error::Closed).into());
    };
    let progress = Cancelling(question.progress.clone());
    let mut job = tokio::task::spawn_blocking(move || {
        let done = work(&question, &shared.search.cache);
        drop(turn);
        done
    });
    let mut signs = interval_at(Instant::now() + SIGN_OF_LIFE, SIGN_OF_LIFE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fills = 0;
    let mut closed = None;
    loop {
        let patience = sleep_until(closed.unwrap_or_else(Instant::now) + AFTER_CLOSE);
        tokio::select! {
            done = &mut job => {
                return match done {
                    Ok(done) => Ok(done?),
                    Err(error) => {
                        tracing::error!(%error, "a search panicked");
                        Err(Reply::no("The search failed").with(Code::ServerBug).into())
                    }
                };
            }
            _ = signs.tick() => {
                if let Some(tag) = tag {
                    tell_progress(session, tag, &progress.0).await?;
                }
            }
            filled = session.wire.fill(), if fills < FILLS && closed.is_none() => {
                fills += 1;
                if !filled? {
                    closed = Some(Instant::now());
                }
            }
            () = patience, if closed.is_some() => {
                return Err(Failure::Io(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

/// `* OK [INPROGRESS ("A1" 454 1000)]`.
async fn tell_progress(session: &mut Session, tag: &Tag, progress: &Progress) -> Result<()> {
    let (done, goal) = progress.so_far();
    let known = done < goal;
    let code = Code::InProgress {
        tag: tag.clone(),
        done: known.then_some(done),
        goal: known.then_some(goal),
    };
    let sign = Reply::ok("Still searching").with(code);
    encode::untagged(&mut session.wire.out, &sign);
    session.wire.flush().await?;
    Ok(())
}

/// Ends the work when nobody waits for it any more.
struct Cancelling(Arc<Progress>);

impl Drop for Cancelling {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
