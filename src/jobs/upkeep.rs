//! Work that is due: bodies to give back, tombstones to drop, segments to rewrite.
//!
//! Work is rows under a due time. A crash repeats what was not finished, which is harmless; no
//! transaction here is long, since deliveries wait for it.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, ContentId, MailboxId, ModSeq};
use crate::domain::{self, declined};
use crate::jobs::conversations;
use crate::store::keys::{self, Kind};
use crate::store::rows::work::Work;
use crate::store::{Read, Result, Store, Tx, reclaim};

/// How often due work is looked for.
const TICK: Duration = Duration::from_secs(5);
/// How often segments are looked at, if enough was written or removed.
const RECLAIM_EVERY: Duration = Duration::from_secs(600);
/// Contents dropped, or rows removed, in one transaction.
const AT_ONCE: usize = 500;
const DAY: i64 = 86_400;
/// How long a client may be away and still be told what went away meanwhile.
pub const HORIZON_DAYS: i64 = 60;

/// The thread that works off what is due; ends when dropped.
pub struct Upkeep {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    pub fn start(store: Store) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("upkeep".into())
            .spawn(move || work(&store, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(store: &Store, stopped: &Receiver<()>) {
    if let Err(error) = arm_daily(store) {
        tracing::warn!(%error, "the daily work could not be set up");
    }
    let mut segments = Segments::default();
    loop {
        match stopped.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        if let Err(error) = run_due(store, store.clock().now()) {
            tracing::warn!(%error, "due work failed; it will be tried again");
        }
        if let Err(error) = segments.tick(store) {
            tracing::warn!(%error, "segments could not be reclaimed; it will be tried again");
        }
    }
}

/// When segments were looked at, and which wait for their removal.
#[derive(Default)]
struct Segments {
    looked: Option<Instant>,
    empty: Vec<(Instant, Vec<u32>)>,
}

impl Segments {
    fn tick(&mut self, store: &Store) -> Result<()> {
        if self.looked.is_some_and(|at| at.elapsed() < RECLAIM_EVERY) {
            return Ok(());
        }
        let first = self.looked.is_none();
        self.looked = Some(Instant::now());
        if first {
            // The start is busy enough.
            return Ok(());
        }
        let _turn = store.pause_reclaim();
        for (found, empty) in std::mem::take(&mut self.empty) {
            if found.elapsed() < reclaim::SEGMENT_GRACE {
                self.empty.push((found, empty));
                continue;
            }
            let removed = reclaim::remove(store, &empty)?;
            tracing::info!(removed, "segments removed");
        }
        if self.empty.is_empty() {
            let pass = reclaim::pass(store)?;
            if !pass.empty.is_empty() {
                self.empty.push((Instant::now(), pass.empty));
            }
        }
        Ok(())
    }
}

/// Makes sure that the daily work stands somewhere.
pub(super) fn arm_daily(store: &Store) -> Result<()> {
    let mut armed = false;
    store.read().scan_prefix(&keys::kind(Kind::Due), &mut |_, value| {
        armed |= Work::decode(value)? == Work::Daily;
        Ok(if armed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if armed {
        return Ok(());
    }
    store.write_blocking(|tx| tx.put_work(tx.now() + DAY, &Work::Daily))
}

/// Carries out everything that is due at `now`.
pub fn run_due(store: &Store, now: UnixTime) -> Result<()> {
    let mut due: Vec<(Bytes, Work)> = Vec::new();
    let start = keys::kind(Kind::Due);
    let end = keys::due(now.saturating_add(1), 0);
    store.read().scan(&start, &end, &mut |key, value| {
        due.push((Bytes::copy_from_slice(key), Work::decode(value)?));
        Ok(ControlFlow::Continue(()))
    })?;
    for (key, work) in due {
        carry_out(store, key, work)?;
    }
    Ok(())
}

fn carry_out(store: &Store, key: Bytes, work: Work) -> Result<()> {
    match work {
        Work::Reclaim(contents) => {
            for part in contents.chunks(AT_ONCE) {
                drop_contents(store, part.to_vec())?;
            }
            store.write_blocking(move |tx| {
                tx.delete(key);
                Ok(())
            })
        }
        Work::Daily => store.write_blocking(move |tx| {
            note_accounts(tx)?;
            tx.delete(key);
            tx.put_work(tx.now() + DAY, &Work::Daily)
        }),
        Work::Expire { account, modseq } => expire(store, key, account, modseq),
        Work::Drain(mailbox) => {
            while !store.write_blocking(move |tx| tx.drain(mailbox, AT_ONCE))? {}
            store.write_blocking(move |tx| {
                tx.delete(key);
                Ok(())
            })
        }
    }
}

fn drop_contents(store: &Store, contents: Vec<ContentId>) -> Result<()> {
    store.write_blocking(move |tx| {
        contents.into_iter().try_for_each(|id| tx.drop_content(id).map(drop))
    })
}

/// Where each account stands today; what is gone by now may be forgotten in [`HORIZON_DAYS`].
fn note_accounts(tx: &mut Tx<'_>) -> Result<()> {
    for account in tx.accounts()? {
        match declined::expire(tx, account.id) {
            Err(domain::Error::Store(error)) => return Err(error),
            Err(error) => tracing::warn!(account = %account.id, %error, "old notes are kept"),
            Ok(()) => {}
        }
        let state = tx.account_state(account.id)?;
        if state.modseq != state.noted {
            let (account, modseq) = (account.id, state.modseq);
            tx.update_state(account, |state| state.noted = modseq)?;
            tx.put_work(tx.now() + HORIZON_DAYS * DAY, &Work::Expire { account, modseq })?;
        }
    }
    Ok(())
}

fn expire(store: &Store, key: Bytes, account: AccountId, upto: ModSeq) -> Result<()> {
    // The horizon moves first: a token from before it is refused from here on, so that nobody
    // reads a log from which half of the tombstones are gone.
    store.write_blocking(move |tx| {
        tx.update_state(account, |state| state.horizon = state.horizon.max(upto))
    })?;
    let mut collections = vec![MailboxId::new(account, 0)];
    let read = store.read();
    collections.extend(read.mailboxes(account)?.into_iter().map(|mailbox| mailbox.id));
    collections.extend(read.collections(account)?.into_iter().map(|collection| collection.id));
    drop(read);
    let mut dropped = 0;
    for collection in collections {
        dropped += store.write_blocking(move |tx| tx.drop_tombstones(collection, upto))?;
    }
    let state = store.write_blocking(move |tx| {
        tx.update_state(account, |state| state.forgotten += dropped)?;
        tx.delete(key);
        tx.account_state(account)
    })?;
    match conversations::is_worth_it(&state) {
        true => conversations::forget(store, account),
        false => Ok(()),
    }
}
