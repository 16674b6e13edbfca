//! SEARCH, SORT and THREAD as questions about a mailbox.
//!
//! [`evaluate`], [`sort()`] and [`thread()`] know of no session. They block, and take long where
//! texts must be read; [`run()`] puts them on a thread and watches their [`Progress`]. No snapshot
//! is held for more than some messages.

pub mod answer;
mod bits;
mod cache;
mod contexts;
mod found;
mod plan;
mod read;
mod run;
mod sort;
#[cfg(test)]
mod tests;
mod thread;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::clock::UnixTime;
use crate::base::uidset::UidSet;
use crate::domain::Result;
use crate::imap::codec::types::SearchKey;
use crate::store::Store;
use crate::store::table::Table;

pub use cache::Cache;
pub use contexts::{Context, Contexts, update_contexts};
pub use found::{Found, Hit, Rows};
pub use read::for_each_record;
pub use run::{Question, Shared, run};
pub use sort::{is_cheap, sort};
pub use thread::thread;

/// A mailbox as one session sees it.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub store: &'a Store,
    pub table: &'a Table,
    /// The UIDs of the session's sequence numbers 1, 2, 3, …; ascending.
    pub view: &'a [u32],
    /// What `$` means (RFC 5182).
    pub saved: &'a UidSet,
    /// Messages that are `\Recent` in this session.
    pub recent: &'a UidSet,
    pub now: UnixTime,
    pub progress: &'a Progress,
}

/// How far a search is; shared with the session that waits for it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    goal: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Ends the search soon; nobody wants its result any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Messages read, and how many are to be read in all (RFC 9585 §3).
    pub fn so_far(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.goal.load(Ordering::Relaxed))
    }

    fn expect(&self, more: u64) {
        self.goal.fetch_add(more, Ordering::Relaxed);
    }

    /// Counts one message; fails when the search is to end.
    fn step(&self) -> Result<()> {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            // Who cancels does not listen any more, so this error is never shown.
            return Err(crate::store::Error::Closed.into());
        }
        Ok(())
    }
}

/// Finds the messages of the session's view that satisfy `key`.
///
/// A message that was expunged meanwhile, and whose going this session has not been told, is
/// never found.
pub fn evaluate<'a>(scope: &Scope<'a>, key: &SearchKey) -> Result<Found<'a>> {
    let rows = Rows::of(scope.table, scope.view);
    let plan = plan::compile(scope, &rows, key)?;
    let plan::Verdicts { mut sure, maybe } = plan.verdicts(rows.len());
    read::settle(scope, &rows, &plan, &maybe, &mut sure)?;
    Ok(Found { rows, hits: sure })
}

/// Conditions that are looked through at once; more are a thread's work, even if each is cheap.
const FEW: usize = 64;

/// Whether a search for `key` takes a millisecond or two: few conditions, and none for which more
/// is needed than the table in memory.
pub fn is_quick(key: &SearchKey) -> bool {
    let mut keys = 0;
    let many = key.any(&mut |_| {
        keys += 1;
        keys > FEW
    });
    !many && plan::cost(key) == plan::Cost::Table
}
