//! The full-text index: which messages of an account contain a text, in headers or bodies.
//!
//! IMAP's SEARCH asks for substrings in any script (RFC 9051 §6.4.4). The index keeps the distinct
//! words of each message, and a search looks for the needle *within the words of the dictionary*:
//! that finds `ledger` in `zirconium-ledger` and, unlike n-grams of the text, answers a needle
//! without spaces exactly, so that no message is read again. What cannot be answered exactly
//! (needles with spaces, parts of very long words, Chinese and Japanese beyond three characters)
//! is narrowed to candidates. See [`text`] for what "contains" means, [`segment`] for the files.
//!
//! Everything here can be rebuilt from the store. An index that is damaged or of another version
//! is thrown away, and an account's position is then zero again.

mod account;
mod codec;
mod content_set;
mod log;
mod matches;
mod plan;
mod postings;
mod segment;
mod terms;
#[cfg(test)]
mod tests;
mod text;
mod write;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use account::Account;
use codec::io;
use log::{Bytes, Entry, Log, Record};
use plan::{Group, Plan};
use terms::{DocTerms, Part};

pub use codec::{Error, Result};
pub use content_set::ContentSet;
pub use matches::{Matches, Verdict};
pub use terms::Doc;
pub use text::{Needle, normalise};

use crate::base::id::{AccountId, ContentId, ModSeq};

/// Where to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The header fields, names included.
    Headers,
    Body,
    /// Headers or body.
    Text,
    /// The value of this header field.
    Subject,
    From,
    To,
    Cc,
    Bcc,
}

impl Field {
    fn groups(self) -> &'static [Group] {
        use Group::{Others, Paired};
        match self {
            Field::Headers => &[Paired(&Part::VALUES), Others],
            Field::Body => &[Paired(&[Part::Body])],
            Field::Text => &[Paired(&Part::VALUES), Others, Paired(&[Part::Body])],
            Field::Subject => &[Paired(&[Part::Subject])],
            Field::From => &[Paired(&[Part::From])],
            Field::To => &[Paired(&[Part::To])],
            Field::Cc => &[Paired(&[Part::Cc])],
            Field::Bcc => &[Paired(&[Part::Bcc])],
        }
    }
}

/// What the index takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    pub accounts: usize,
    pub segments: usize,
    /// Bytes on disk.
    pub segment_bytes: u64,
    pub log_bytes: u64,
    /// Bytes in memory that wait for a segment.
    pub pending_bytes: usize,
}

/// An account whose pending documents take more gets a segment of them.
const ACCOUNT_PENDING: usize = 4 << 20;
/// All accounts together: beyond, the one with most gets its segment.
const ALL_PENDING: usize = 12 << 20;
/// The log may be so much longer than what is pending before it is written anew.
const LOG_SLACK: u64 = 32 << 20;
/// Documents of one log record take about so many bytes at most.
const RECORD: usize = 4 << 20;
/// So many accounts have the set of their contents in memory.
const LOADED: usize = 256;

type Shared = Arc<RwLock<Account>>;

/// The full-text index of all accounts, in a directory of its own.
///
/// All of it is blocking and made to be called beside the deliveries: one worker feeds it, and
/// searches go on while that writes or merges segments.
pub struct Index {
    /// `None` in memory: then nothing ever leaves the pending documents.
    dir: Option<PathBuf>,
    accounts: Mutex<HashMap<AccountId, Shared>>,
    writer: Mutex<Writer>,
}

struct Writer {
    log: Option<Log>,
    /// Number of the last log record.
    last: u64,
    /// Bytes of all accounts' pending documents.
    pending: usize,
}

impl Index {
    /// Opens the index in `dir`, which is created if need be. Fails only where the medium does;
    /// what is damaged or of another version is removed.
    pub fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(io("creating a directory"))?;
        let mut opened = Opened::find(dir)?;
        let path = dir.join("log");
        let log = match Log::open(&path, |record| opened.replay(dir, record))? {
            Some(log) => log,
            None => {
                // Without a log of this version the segments mean nothing.
                for (_, account) in opened.accounts.drain() {
                    account.place.remove()?;
                }
                Log::create(&path, std::iter::empty())?
            }
        };
        for account in opened.forgotten {
            account.place.remove()?;
        }
        let pending = opened.accounts.values().map(|account| account.pending.bytes).sum();
        let accounts = opened.accounts.into_iter();
        Ok(Self {
            dir: Some(dir.to_owned()),
            accounts: Mutex::new(
                accounts.map(|(id, it)| (id, Arc::new(RwLock::new(it)))).collect(),
            ),
            writer: Mutex::new(Writer { log: Some(log), last: opened.last, pending }),
        })
    }

    /// An index without files, for tests.
    pub fn in_memory() -> Self {
        let writer = Writer { log: None, last: 0, pending: 0 };
        Self { dir: None, accounts: Mutex::default(), writer: Mutex::new(writer) }
    }

    /// How far the account is indexed: each content of its changes up to here is covered. Zero if
    /// nothing is. To be asked before each round of indexing, because damage sets it back.
    pub fn position(&self, account: AccountId) -> Result<ModSeq> {
        let Some(shared) = self.account(account) else { return Ok(ModSeq(0)) };
        let mut damaged = read(&shared).is_damaged();
        if !damaged {
            match self.loaded(&shared) {
                Ok(account) => return Ok(account.position.unwrap_or_default()),
                Err(error) => damaged = is_damage(&error, account),
            }
        }
        if damaged {
            self.forget(account)?;
        }
        Ok(ModSeq(0))
    }

    /// Whether the index holds this content for the account.
    pub fn covers(&self, account: AccountId, content: ContentId) -> Result<bool> {
        Ok(self.covered(account)?.contains(content))
    }

    /// All contents that the index holds for the account.
    pub fn covered(&self, account: AccountId) -> Result<Arc<ContentSet>> {
        let Some(shared) = self.account(account) else { return Ok(Arc::default()) };
        self.covered_by(&shared)
            .or_else(|error| self.after_damage(account, &shared, error).map(|()| Arc::default()))
    }

    /// Takes documents in and notes how far the account is indexed with them. Contents that the
    /// index holds already are passed over.
    ///
    /// Searches see them when this returns. A crash may take back the last calls, and the position
    /// with them. Now and then a call writes or merges segments, which takes up to seconds.
    pub fn add(&self, account: AccountId, docs: &[Doc], position: ModSeq) -> Result<()> {
        let shared = self.account_or_new(account);
        let new = {
            let (covered, mut seen) = (self.covered_by(&shared)?, ContentSet::default());
            let new = docs.iter().filter(|doc| !covered.contains(doc.content));
            let new = new.filter(|doc| seen.insert(doc.content));
            new.map(DocTerms::of).collect::<Vec<_>>()
        };
        let mut new = new.into_iter().peekable();
        let mut writer = lock(&self.writer);
        if new.peek().is_none() {
            // Worth no record: the changes since are read again after a restart, and skipped.
            write(&shared).position = Some(position);
            return Ok(());
        }
        while new.peek().is_some() {
            let mut size = 0;
            let mut terms = Vec::new();
            while let Some(doc) = new.next_if(|doc| size == 0 || size + doc.size() <= RECORD) {
                size += doc.size();
                terms.push(doc);
            }
            // Only with the last record is everything up to the position there.
            let known = read(&shared).position.unwrap_or_default();
            let position = if new.peek().is_none() { position } else { known };
            writer.append(account, position, &terms)?;
            writer.pending += size;
            write(&shared).add(writer.last, terms, position);
        }
        self.keep_small(&mut writer, &shared)
    }

    /// Looks for a needle.
    pub fn find(&self, account: AccountId, field: Field, needle: &Needle) -> Result<Matches> {
        if needle.as_str().is_empty() {
            return Ok(Matches::everything());
        }
        let Some(shared) = self.account(account) else { return Ok(Matches::new(Arc::default())) };
        let plan = Plan::new(needle.as_str());
        let found = self.loaded(&shared).and_then(|it| it.search(&plan, field.groups()));
        match found {
            Ok(matches) => Ok(matches),
            Err(error) => {
                self.after_damage(account, &shared, error)?;
                Ok(Matches::new(Arc::default()))
            }
        }
    }

    /// Removes everything of an account, and its position.
    pub fn forget(&self, account: AccountId) -> Result<()> {
        let mut writer = lock(&self.writer);
        let Some(shared) = self.account(account) else { return Ok(()) };
        // First the record, so that after a crash neither half comes back without the other.
        writer.last += 1;
        let number = writer.last;
        if let Some(log) = &mut writer.log {
            log.append(Bytes::Forget { number, account })?;
            log.sync()?;
        }
        lock(&self.accounts).remove(&account);
        writer.pending = writer.pending.saturating_sub(read(&shared).pending.bytes);
        if self.dir.is_some() { write(&shared).place.remove() } else { Ok(()) }
    }

    /// Removes everything, so that all accounts are indexed anew. Also to be called when the
    /// store's content was replaced by another (a restored backup), whose ids mean other messages.
    pub fn clear(&self) -> Result<()> {
        let mut writer = lock(&self.writer);
        writer.last += 1;
        let number = writer.last;
        if let Some(log) = &mut writer.log {
            *log = Log::create(log.path(), [Bytes::ForgetAll { number }].into_iter())?;
        }
        writer.pending = 0;
        let accounts = std::mem::take(&mut *lock(&self.accounts));
        if self.dir.is_some() {
            accounts.values().try_for_each(|account| write(account).place.remove())?;
        }
        Ok(())
    }

    /// Drops contents that are not `live` any more, if they are a quarter or more. Says whether
    /// something was done.
    pub fn compact(&self, account: AccountId, live: &ContentSet) -> Result<bool> {
        let mut writer = lock(&self.writer);
        let Some(shared) = self.account(account) else { return Ok(false) };
        let covered = self.covered_by(&shared)?;
        let mut kept = (*covered).clone();
        kept.intersect(live);
        if self.dir.is_none() || (covered.len() - kept.len()) * 4 < covered.len().max(1) {
            return Ok(false);
        }
        self.flush(&mut writer, &shared)?;
        let (place, files) = segments(&shared);
        if let Some(file) = place.merge(&files, |content| kept.contains(content))? {
            let mut account = write(&shared);
            account.merged(file);
            account.covered = Some(Arc::new(kept));
        }
        Ok(true)
    }

    pub fn stats(&self) -> Stats {
        let log_bytes = lock(&self.writer).log.as_ref().map_or(0, Log::len);
        let accounts = lock(&self.accounts);
        let mut stats = Stats { accounts: accounts.len(), log_bytes, ..Stats::default() };
        for account in accounts.values() {
            let account = read(account);
            stats.segments += account.segments.len();
            stats.segment_bytes += account.segments.iter().map(|file| file.len).sum::<u64>();
            stats.pending_bytes += account.pending.bytes;
        }
        stats
    }

    fn account(&self, account: AccountId) -> Option<Shared> {
        lock(&self.accounts).get(&account).cloned()
    }

    fn account_or_new(&self, account: AccountId) -> Shared {
        let dir = self.dir.as_deref().unwrap_or(Path::new(""));
        let new = || Arc::new(RwLock::new(Account::new(dir, account)));
        lock(&self.accounts).entry(account).or_insert_with(new).clone()
    }

    /// The account with its set of contents known.
    fn loaded<'a>(&self, shared: &'a Shared) -> Result<RwLockReadGuard<'a, Account>> {
        loop {
            let account = read(shared);
            if account.covered.is_some() {
                return Ok(account);
            }
            drop(account);
            self.make_room();
            write(shared).load()?;
        }
    }

    fn covered_by(&self, shared: &Shared) -> Result<Arc<ContentSet>> {
        Ok(self.loaded(shared)?.covered.clone().unwrap_or_default())
    }

    /// Forgets the sets of contents of all accounts once they are many.
    fn make_room(&self) {
        let accounts = lock(&self.accounts);
        let loaded = |it: &&Shared| it.try_read().is_ok_and(|it| it.covered.is_some());
        if accounts.len() > LOADED && accounts.values().filter(loaded).count() > LOADED {
            for mut account in accounts.values().filter_map(|it| it.try_write().ok()) {
                account.covered = None;
            }
        }
    }

    /// Moves pending documents to segments where they are many, merges segments, shortens the log.
    fn keep_small(&self, writer: &mut Writer, shared: &Shared) -> Result<()> {
        if self.dir.is_none() {
            return Ok(());
        }
        if read(shared).pending.bytes > ACCOUNT_PENDING {
            self.flush(writer, shared)?;
        }
        while writer.pending > ALL_PENDING {
            let everyone: Vec<Shared> = lock(&self.accounts).values().cloned().collect();
            let largest = everyone.iter().max_by_key(|it| read(it).pending.bytes);
            let Some(largest) = largest.filter(|it| read(it).pending.bytes > 0) else { break };
            self.flush(writer, largest)?;
        }
        writer.shorten(self)
    }

    /// Writes an account's pending documents to a segment, and merges while that is due.
    fn flush(&self, writer: &mut Writer, shared: &Shared) -> Result<()> {
        // Only the writer changes accounts, so what is read here holds until it is written.
        let flushed = read(shared).flush()?;
        if let Some(file) = flushed {
            let mut account = write(shared);
            writer.pending = writer.pending.saturating_sub(account.pending.bytes);
            account.flushed(file);
        }
        loop {
            let (place, files) = segments(shared);
            let due = account::due(&files);
            let Some(file) = place.merge(due, |_| true)? else { return Ok(()) };
            write(shared).merged(file);
        }
    }

    /// Marks a damaged account, so that the next round of indexing begins it anew. Other errors
    /// are handed on.
    fn after_damage(&self, account: AccountId, shared: &Shared, error: Error) -> Result<()> {
        if !is_damage(&error, account) {
            return Err(error);
        }
        read(shared).damaged.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Writer {
    fn append(&mut self, account: AccountId, position: ModSeq, docs: &[DocTerms]) -> Result<()> {
        self.last += 1;
        let number = self.last;
        self.log
            .as_mut()
            .map_or(Ok(()), |log| log.append(Bytes::Docs { number, account, position, docs }))
    }

    /// Writes the log anew if little of it is still pending.
    fn shorten(&mut self, index: &Index) -> Result<()> {
        let enough = self.pending as u64 * 2 + LOG_SLACK;
        let Some(log) = self.log.as_mut().filter(|log| log.len() > enough) else {
            return Ok(());
        };
        let accounts: Vec<_> =
            lock(&index.accounts).iter().map(|(id, it)| (*id, it.clone())).collect();
        let guards: Vec<_> = accounts.iter().map(|(id, it)| (*id, read(it))).collect();
        let records =
            guards.iter().filter(|(_, it)| !it.pending.docs.is_empty()).map(|(id, it)| {
                let position = it.position.unwrap_or_default();
                Bytes::Docs {
                    number: it.pending.to,
                    account: *id,
                    position,
                    docs: &it.pending.docs,
                }
            });
        *log = Log::create(log.path(), records)?;
        Ok(())
    }
}

/// What is found when the index is opened.
struct Opened {
    accounts: HashMap<AccountId, Account>,
    /// Accounts whose files a crash kept from being removed.
    forgotten: Vec<Account>,
    last: u64,
}

impl Opened {
    fn find(dir: &Path) -> Result<Self> {
        let mut accounts = HashMap::new();
        for entry in fs::read_dir(dir).map_err(io("listing accounts"))? {
            let path = entry.map_err(io("listing accounts"))?.path();
            if path.is_dir() {
                accounts.extend(Account::open(&path)?);
            }
        }
        let last = accounts.values().map(Account::covered_records).max().unwrap_or(0);
        Ok(Self { accounts, forgotten: Vec::new(), last })
    }

    fn replay(&mut self, dir: &Path, record: Record) {
        self.last = self.last.max(record.number);
        match record.entry {
            Entry::Docs { account: id, position, docs } => {
                let account = self.accounts.entry(id).or_insert_with(|| Account::new(dir, id));
                if record.number > account.covered_records() {
                    account.add(record.number, docs, position);
                }
            }
            Entry::Forget(id) => self.forget(id, record.number),
            Entry::ForgetAll => {
                let ids: Vec<_> = self.accounts.keys().copied().collect();
                ids.into_iter().for_each(|id| self.forget(id, record.number));
            }
        }
    }

    fn forget(&mut self, id: AccountId, number: u64) {
        // Segments may be newer than the record: then the account has begun anew since.
        if self.accounts.get(&id).is_some_and(|it| it.covered_records() < number) {
            self.forgotten.extend(self.accounts.remove(&id));
        }
    }
}

/// Whether the index is to be built anew after this error; says so to the administrator.
fn is_damage(error: &Error, account: AccountId) -> bool {
    let gone = |source: &std::io::Error| {
        matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::UnexpectedEof)
    };
    let damage = match error {
        Error::Damaged(_) => true,
        Error::Io { source, .. } => gone(source),
    };
    if damage {
        tracing::warn!(%account, %error, "the search index is built anew");
    }
    damage
}

/// An account's segments, to work with while nothing is locked but the writer.
fn segments(shared: &Shared) -> (account::Place, Vec<account::SegmentFile>) {
    let account = read(shared);
    (account.place.clone(), account.segments.clone())
}

// A thread that panicked while it held a lock has left whole values behind: each change is one
// assignment or push.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(shared: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(shared: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}
