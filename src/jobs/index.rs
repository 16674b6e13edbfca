//! Feeds the full-text index: follows the change log of every account, reads what is new and
//! hands its text to the index.
//!
//! One thread of low priority does this beside deliveries, which never wait for it: searches read
//! what the index does not hold yet. After a restart it goes on where each account's index is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::base::id::{AccountId, ContentId, MailboxId, ModSeq, Uid};
use crate::base::metrics::Metric;
use crate::base::uidset::UidSet;
use crate::format::mime::{RecordView, SearchText, search_text};
use crate::store::keys::{self, Kind};
use crate::store::rows::message::Place;
use crate::store::search::{self, ContentSet, Doc};
use crate::store::{self, Read, Snapshot, Store};

static INDEXED: Metric =
    Metric::counter("kontor_indexed_messages_total", "Messages taken into the search index.");

/// Messages, and bytes of their text, that are handed to the index at once.
const BATCH: usize = 200;
const BATCH_TEXT: usize = 8 << 20;
/// Arrivals are collected for so long: a message more or less in a batch costs little, a batch
/// a write. And a burst is over before its indexing wants the processor; searches read what is not
/// indexed yet.
const COLLECT: Duration = Duration::from_secs(1);
/// After a failure, until the next try.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Texts that are kept for other recipients of the same message.
const KEPT_TEXTS: usize = 64;
/// How much the system prefers other threads.
const NICE: i32 = 10;

/// Why a round of indexing ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Index(#[from] search::Error),
    /// The program ends.
    #[error("stopped")]
    Stopped,
}

type Result<T, E = Error> = std::result::Result<T, E>;

/// The thread that keeps the index up to date; ends when dropped.
pub struct Indexer {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    said: AtomicBool,
    wake: Notify,
}

impl Indexer {
    pub fn start(store: Store) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new().name("indexer".into()).spawn(move || {
            // Of the calling thread alone, on Linux; elsewhere it does no harm to fail.
            let _ = rustix::process::setpriority_process(None, NICE);
            runtime.block_on(follow(&store, &stopped));
            if let Err(error) = store.search().save() {
                tracing::warn!(%error, "some messages will be indexed again at the next start");
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.stop.said.store(true, Ordering::Relaxed);
        self.stop.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn follow(store: &Store, stop: &Stop) {
    let mut changes = store.hub().watch_any();
    let mut follower = Follower::new(store, &stop.said);
    loop {
        changes.mark_unchanged();
        let began = Instant::now();
        let pause = match follower.round(&mut |_| {}) {
            Ok(()) => COLLECT.max(began.elapsed() / 2),
            Err(Error::Stopped) => return,
            Err(error) => {
                tracing::warn!(%error, "messages could not be indexed; it will be tried again");
                // Also without a further change.
                changes.mark_changed();
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.wake.notified() => return,
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = stop.wake.notified() => return,
        }
    }
}

/// Forgets the whole index and builds it anew; `report` hears how many messages are done.
/// Searches stay right meanwhile: they read.
pub fn rebuild(store: &Store, report: &mut dyn FnMut(u64)) -> Result<()> {
    store.search().clear()?;
    Follower::new(store, &AtomicBool::new(false)).round(report)
}

/// Follows the change log for all accounts.
struct Follower<'a> {
    store: &'a Store,
    stop: &'a AtomicBool,
    /// Up to where each account was followed.
    seen: HashMap<AccountId, ModSeq>,
    texts: Texts,
    done: u64,
}

/// The indexer and a rebuild take turns, so that no message is indexed twice.
static TURN: Mutex<()> = Mutex::new(());

impl<'a> Follower<'a> {
    fn new(store: &'a Store, stop: &'a AtomicBool) -> Self {
        Self { store, stop, seen: HashMap::new(), texts: Texts::default(), done: 0 }
    }

    /// Indexes everything that is there now.
    fn round(&mut self, report: &mut dyn FnMut(u64)) -> Result<()> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let accounts: Vec<AccountId> =
            self.store.read().accounts()?.iter().map(|account| account.id).collect();
        let mut failed = Ok(());
        for &account in &accounts {
            match self.account(account, report) {
                Ok(()) => {}
                Err(Error::Stopped) => return Err(Error::Stopped),
                // One account's trouble is not to keep the others from being indexed.
                Err(error) => failed = Err(error),
            }
        }
        self.forget_removed(&accounts)?;
        failed
    }

    fn account(&mut self, account: AccountId, report: &mut dyn FnMut(u64)) -> Result<()> {
        let read = self.store.read();
        let now = read.account_state(account)?.modseq;
        if self.seen.get(&account) == Some(&now) {
            return Ok(());
        }
        let index = self.store.search();
        let position = index.position(account)?;
        // A position from the future is that of other data (a restored backup).
        if position > now {
            index.forget(account)?;
            return self.account_from(account, ModSeq(0), now, &read, report);
        }
        self.account_from(account, position, now, &read, report)
    }

    fn account_from(
        &mut self,
        account: AccountId,
        position: ModSeq,
        now: ModSeq,
        read: &Snapshot,
        report: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let changed = changed(read, account, position)?;
        let covered = self.store.search().covered(account)?;
        let mut batch = Batch::default();
        for (mailbox, uids) in &changed {
            for uid in uids.uids() {
                // A fresh snapshot for each: there may be gigabytes to read.
                self.message(&self.store.read(), *mailbox, uid, &covered, &mut batch)?;
                if batch.is_full() {
                    self.hand_over(account, &mut batch, position, report)?;
                }
            }
        }
        self.hand_over(account, &mut batch, now, report)?;
        self.seen.insert(account, now);
        self.compact(account)
    }

    fn message(
        &mut self,
        read: &Snapshot,
        mailbox: MailboxId,
        uid: Uid,
        covered: &ContentSet,
        batch: &mut Batch,
    ) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let Some(place) = read.place(mailbox, uid)? else { return Ok(()) };
        if covered.contains(place.content) || !batch.contents.insert(place.content) {
            return Ok(());
        }
        if let Some(text) = self.texts.of(read, place.content)? {
            batch.size += text.headers.len() + text.body.len();
            batch.texts.push((place.content, text));
        }
        Ok(())
    }

    fn hand_over(
        &mut self,
        account: AccountId,
        batch: &mut Batch,
        position: ModSeq,
        report: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let docs: Vec<Doc<'_>> = batch
            .texts
            .iter()
            .map(|(content, text)| Doc {
                content: *content,
                headers: &text.headers,
                body: &text.body,
            })
            .collect();
        self.store.search().add(account, &docs, position)?;
        self.done += docs.len() as u64;
        INDEXED.add(docs.len() as i64);
        if !docs.is_empty() {
            report(self.done);
        }
        batch.texts.clear();
        batch.size = 0;
        Ok(())
    }

    /// Clears the index of messages that are gone, when they are many.
    fn compact(&self, account: AccountId) -> Result<()> {
        let index = self.store.search();
        let read = self.store.read();
        let messages = read.account_state(account)?.messages;
        if index.covered(account)?.len() <= messages + messages / 2 + 1_000 {
            return Ok(());
        }
        let mut live = ContentSet::default();
        read.scan_prefix(&keys::of_account(Kind::Place, account), &mut |_, value| {
            live.insert(Place::decode(value)?.content);
            Ok(ControlFlow::Continue(()))
        })?;
        index.compact(account, &live)?;
        Ok(())
    }

    fn forget_removed(&mut self, accounts: &[AccountId]) -> Result<()> {
        let accounts: HashSet<_> = accounts.iter().copied().collect();
        let removed: Vec<_> =
            self.seen.keys().filter(|id| !accounts.contains(id)).copied().collect();
        for account in removed {
            self.store.search().forget(account)?;
            self.seen.remove(&account);
        }
        Ok(())
    }
}

/// Messages that came to an account's mailboxes behind `position`, or changed since.
fn changed(
    read: &Snapshot,
    account: AccountId,
    position: ModSeq,
) -> Result<Vec<(MailboxId, UidSet)>> {
    let mut all = Vec::new();
    for mailbox in read.mailboxes(account)?.iter().filter(|mailbox| mailbox.modseq > position) {
        let uids = match read.changes(mailbox.id, position) {
            Ok(changes) => changes.changed,
            // The log does not reach back so far.
            Err(store::Error::Stale) => UidSet::range(1, mailbox.uid_next.0),
            Err(error) => return Err(error.into()),
        };
        all.push((mailbox.id, uids.intersect(&UidSet::range(1, mailbox.uid_next.0))));
    }
    Ok(all)
}

/// What is collected for the index.
#[derive(Default)]
struct Batch {
    texts: Vec<(ContentId, Arc<SearchText>)>,
    size: usize,
    /// Seen in this round: copies share their content.
    contents: HashSet<ContentId>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.texts.len() >= BATCH || self.size >= BATCH_TEXT
    }
}

/// Texts of the last contents: a message to a group has the same for each recipient.
#[derive(Default)]
struct Texts {
    kept: VecDeque<(ContentId, Arc<SearchText>)>,
}

impl Texts {
    /// The text of a content; none if it was removed meanwhile.
    fn of(&mut self, read: &Snapshot, content: ContentId) -> Result<Option<Arc<SearchText>>> {
        if let Some((_, text)) = self.kept.iter().find(|(id, _)| *id == content) {
            return Ok(Some(text.clone()));
        }
        let (Some(record), Some(body)) = (read.content(content)?, read.body_row(content)?) else {
            return Ok(None);
        };
        let prefix = RecordView::parse(&record).map_or(&[][..], |record| record.prefix());
        let text = match read.with_body(&body.at, |raw| search_text(prefix, raw)) {
            Ok(text) => text,
            Err(store::Error::Damaged(what)) => {
                // Indexed as empty: the others of its account must not wait for it.
                tracing::error!(content = content.0, %what, "a message cannot be indexed");
                SearchText::default()
            }
            Err(error) => return Err(error.into()),
        };
        let text = Arc::new(text);
        let shared = body.sharers > 1 && text.headers.len() + text.body.len() < BATCH_TEXT / 64;
        if shared {
            if self.kept.len() >= KEPT_TEXTS {
                self.kept.pop_front();
            }
            self.kept.push_back((content, text.clone()));
        }
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::address::EmailAddress;
    use crate::base::clock::Clock;
    use crate::domain::account::{self, NewAccount};
    use crate::domain::message::{self, FlagNames, Prepared};
    use crate::domain::{self, mailbox};
    use crate::store::search::{Field, Needle, Verdict};

    fn office() -> (Store, Vec<MailboxId>) {
        office_on(Store::in_memory(Clock::fixed(1_700_000_000)))
    }

    fn office_on(store: Store) -> (Store, Vec<MailboxId>) {
        let inboxes = store.write_blocking(|tx| {
            account::add_domain(tx, "office.example")?;
            let inboxes = ["anna", "ben"].map(|name| {
                let new = NewAccount {
                    address: EmailAddress::parse_human(&format!("{name}@office.example")).unwrap(),
                    display_name: name.into(),
                    admin: false,
                    credentials: None,
                    quota: None,
                };
                let id = account::create(tx, &new).unwrap().id;
                mailbox::find(tx, id, "INBOX").unwrap().id
            });
            Ok::<_, domain::Error>(inboxes.to_vec())
        });
        (store, inboxes.unwrap())
    }

    fn deliver(store: &Store, to: &[MailboxId], text: &str) {
        let raw = Bytes::from(format!("Subject: {text}\r\n\r\nbody of {text}\r\n"));
        let to = to.to_vec();
        store
            .write_blocking(move |tx| {
                let stored = message::store_content(tx, Prepared::new(b"X: 1\r\n", raw.clone()))?;
                for inbox in &to {
                    message::add(tx, *inbox, &stored, &FlagNames::default(), None)?;
                }
                Ok::<_, domain::Error>(())
            })
            .unwrap();
    }

    fn found(store: &Store, inbox: MailboxId, text: &str) -> usize {
        let found = store.search().find(inbox.account, Field::Text, &Needle::new(text)).unwrap();
        let table = store.table(inbox).unwrap().unwrap();
        table.iter().filter(|m| found.verdict(m.place.content) == Verdict::Yes).count()
    }

    fn round(follower: &mut Follower<'_>) {
        follower.round(&mut |_| {}).unwrap();
    }

    #[test]
    fn the_index_follows_the_log() {
        let (store, inboxes) = office();
        let stop = AtomicBool::new(false);
        let mut follower = Follower::new(&store, &stop);
        for number in 0..BATCH + 30 {
            deliver(&store, &inboxes, &format!("common n{number}x"));
        }
        deliver(&store, &inboxes[1..], "private");
        round(&mut follower);
        assert_eq!(follower.done as usize, 2 * (BATCH + 30) + 1);
        assert_eq!(found(&store, inboxes[0], "common"), BATCH + 30);
        assert_eq!(
            (found(&store, inboxes[0], "private"), found(&store, inboxes[1], "private")),
            (0, 1)
        );
        let state = store.read().account_state(inboxes[0].account).unwrap();
        assert_eq!(store.search().position(inboxes[0].account).unwrap(), state.modseq);

        // Flag changes and copies are no new text; the next message is.
        let done = follower.done;
        let inbox = inboxes[0];
        store
            .write_blocking(move |tx| {
                let archive = mailbox::find(tx, inbox.account, "Archive")?.id;
                message::copy(tx, inbox, &UidSet::range(1, 50), archive)
            })
            .unwrap();
        deliver(&store, &inboxes, "latest");
        round(&mut follower);
        assert_eq!((follower.done, found(&store, inbox, "latest")), (done + 2, 1));

        // Another worker goes on from the index's own position.
        let mut restarted = Follower::new(&store, &stop);
        round(&mut restarted);
        assert_eq!(restarted.done, 0);
    }

    #[test]
    fn a_rebuild_reads_everything_again() {
        let (store, inboxes) = office();
        (0..10).for_each(|_| deliver(&store, &inboxes, "word"));
        let mut told = Vec::new();
        rebuild(&store, &mut |done| told.push(done)).unwrap();
        rebuild(&store, &mut |done| told.push(done)).unwrap();
        assert_eq!(told, [10, 20, 10, 20]);
        assert_eq!(found(&store, inboxes[1], "word"), 10);
    }

    #[test]
    fn texts_of_removed_messages_leave_the_index() {
        let directory = tempfile::TempDir::new().unwrap();
        let options = store::Options { clock: Clock::fixed(1_700_000_000), ..Default::default() };
        let (store, inboxes) = office_on(Store::open(directory.path(), &options).unwrap());
        let inbox = inboxes[0];
        let raws = (0..1_300).map(|n| Bytes::from(format!("Subject: s{n}\r\n\r\nw\r\n")));
        let mails: Vec<_> = raws.map(|raw| Prepared::new(b"", raw)).collect();
        store
            .write_blocking(move |tx| {
                for mail in mails {
                    let stored = message::store_content(tx, mail)?;
                    message::add(tx, inbox, &stored, &FlagNames::default(), None)?;
                }
                Ok::<_, domain::Error>(())
            })
            .unwrap();
        let stop = AtomicBool::new(false);
        let mut follower = Follower::new(&store, &stop);
        round(&mut follower);
        let covered = || store.search().covered(inbox.account).unwrap().len();
        assert_eq!(covered(), 1_300);
        let gone = UidSet::range(1, 1_250);
        store.write_blocking(move |tx| message::remove(tx, inbox, &gone)).unwrap();
        round(&mut follower);
        assert_eq!((covered(), found(&store, inbox, "s1280")), (50, 1));
    }

    #[test]
    fn a_removed_account_is_forgotten() {
        let (store, inboxes) = office();
        let stop = AtomicBool::new(false);
        let mut follower = Follower::new(&store, &stop);
        deliver(&store, &inboxes, "word");
        round(&mut follower);
        let ben = inboxes[1].account;
        store.write_blocking(move |tx| account::remove(tx, ben)).unwrap();
        round(&mut follower);
        assert_eq!(store.search().position(ben).unwrap(), ModSeq(0));
        assert_eq!(found(&store, inboxes[0], "word"), 1);
    }

    #[test]
    fn the_thread_indexes_what_arrives_and_ends() {
        let (store, inboxes) = office();
        let indexer = Indexer::start(store.clone()).unwrap();
        deliver(&store, &inboxes, "word");
        let deadline = Instant::now() + Duration::from_secs(20);
        while found(&store, inboxes[0], "word") == 0 {
            assert!(Instant::now() < deadline, "not indexed");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(indexer);
    }
}
