//! The full-text index: which messages of an account contain a text, in headers or bodies.
//!
//! IMAP's SEARCH asks for substrings in any script (RFC 9051 §6.4.4). The index keeps the distinct
//! words of each message, and pairs of neighbours, and looks for the needle *within the terms of
//! its dictionary*: `ledger` is found in `zirconium-ledger`, and a needle of one or two words is
//! answered exactly, without reading a message. What cannot be (longer phrases, parts of gigantic
//! words, Chinese and Japanese beyond three characters) is narrowed to candidates. `text` says
//! what "contains" means, `segment` how the files are made.
//!
//! Why not something else, measured on 20,000 messages of 1,040 MB, of which 195 MB are text:
//! an index of words (tantivy) finds no substrings. Trigrams of the text take 36 MB and leave each
//! hit to be verified by reading it: 18,160 messages for "meeting", 11,191 for "meeting report".
//! This index takes 27 MB (10 MB without pairs) and answers both in 1 ms with nothing to read; rare
//! needles and those without a hit take 0.4 ms, a single letter 6 ms. Indexing takes 0.1 ms of CPU
//! for a message of 3 kB and 0.25 ms for one of 10 kB. For 20,000 files of source code, 153 MB with
//! half a million distinct words, it is 55 MB, 1 ms and 30 ms.
//!
//! Everything here can be rebuilt from the store. An index that is damaged or of another version
//! is thrown away, and an account's position is then zero again.

mod account;
mod codec;
mod content_set;
mod heads;
mod matches;
mod pending;
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
use heads::Heads;
use pending::Entry;
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
    /// Bytes in memory that wait for a segment.
    pub pending_bytes: usize,
}

/// An account whose pending documents take more gets a segment of them.
const ACCOUNT_PENDING: usize = 4 << 20;
/// All accounts together: beyond, the one with most gets its segment.
const ALL_PENDING: usize = 12 << 20;
/// The file of what is pending.
const PENDING: &str = "pending";
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
    heads: Heads,
}

struct Writer {
    /// Number of the last addition.
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
        if !pending::load(&dir.join(PENDING), |number, entry| opened.replay(dir, number, entry))? {
            // Without a file of this version the segments mean nothing.
            for (_, account) in opened.accounts.drain() {
                account.place.remove()?;
            }
            pending::save(&dir.join(PENDING), std::iter::empty())?;
        }
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
            writer: Mutex::new(Writer { last: opened.last, pending }),
            heads: Heads::default(),
        })
    }

    /// An index without files, for tests.
    pub fn in_memory() -> Self {
        let writer = Writer { last: 0, pending: 0 };
        let writer = Mutex::new(writer);
        Self { dir: None, accounts: Mutex::default(), writer, heads: Heads::default() }
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
    /// Searches see them when this returns. Nothing is written for each call: a crash takes back
    /// what no segment holds yet, some thousand messages of all accounts together at most, and
    /// the position with them. Now and then a call writes or merges segments, which takes up to
    /// seconds.
    pub fn add(&self, account: AccountId, docs: &[Doc], position: ModSeq) -> Result<()> {
        let shared = self.account_or_new(account);
        let new = {
            let (covered, mut seen) = (self.covered_by(&shared)?, ContentSet::default());
            let new = docs.iter().filter(|doc| !covered.contains(doc.content));
            let new = new.filter(|doc| seen.insert(doc.content));
            new.map(DocTerms::of).collect::<Vec<_>>()
        };
        let mut writer = lock(&self.writer);
        if !self.account(account).is_some_and(|now| Arc::ptr_eq(&now, &shared)) {
            // Forgotten meanwhile: its position is zero, so all of this comes again.
            return Ok(());
        }
        writer.last += 1;
        writer.pending += new.iter().map(DocTerms::size).sum::<usize>();
        write(&shared).add(writer.last, new, position);
        self.keep_small(&mut writer, &shared)
    }

    /// Looks for a needle.
    pub fn find(&self, account: AccountId, field: Field, needle: &Needle) -> Result<Matches> {
        if needle.as_str().is_empty() {
            return Ok(Matches::everything());
        }
        let Some(shared) = self.account(account) else { return Ok(Matches::new(Arc::default())) };
        if read(&shared).is_damaged() {
            return Ok(Matches::new(Arc::default()));
        }
        let plan = Plan::new(needle.as_str());
        let found = self.loaded(&shared);
        let found = found.and_then(|it| it.search(&self.heads, &plan, field.groups()));
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
        let Some(shared) = lock(&self.accounts).remove(&account) else { return Ok(()) };
        writer.pending = writer.pending.saturating_sub(read(&shared).pending.bytes);
        writer.last += 1;
        let number = writer.last;
        // First the file, so that after a crash neither half comes back without the other.
        self.save_with(Some((number, Entry::Forget(account))))?;
        let account = write(&shared);
        self.heads.forget(account.place.dir());
        if self.dir.is_some() { account.place.remove() } else { Ok(()) }
    }

    /// Removes everything, so that all accounts are indexed anew. Also to be called when the
    /// store's content was replaced by another (a restored backup), whose ids mean other messages.
    pub fn clear(&self) -> Result<()> {
        let mut writer = lock(&self.writer);
        let accounts = std::mem::take(&mut *lock(&self.accounts));
        writer.pending = 0;
        writer.last += 1;
        let number = writer.last;
        self.save_with(Some((number, Entry::ForgetAll)))?;
        if self.dir.is_some() {
            for account in accounts.values() {
                let account = write(account);
                self.heads.forget(account.place.dir());
                account.place.remove()?;
            }
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
            self.heads.forget(place.dir());
            account.covered = Some(Arc::new(kept));
        }
        Ok(true)
    }

    /// Saves what no segment holds yet. To be called when the server stops: without it the next
    /// start has some messages to index again.
    pub fn save(&self) -> Result<()> {
        let _writer = lock(&self.writer);
        self.save_with(None)
    }

    pub fn stats(&self) -> Stats {
        let accounts = lock(&self.accounts);
        let mut stats = Stats { accounts: accounts.len(), ..Stats::default() };
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

    /// Moves pending documents to segments where they are many.
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
        Ok(())
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
            let mut account = write(shared);
            account.merged(file);
            self.heads.forget(place.dir());
        }
    }

    /// Saves what is pending, behind one more entry.
    fn save_with(&self, first: Option<(u64, Entry<&[DocTerms]>)>) -> Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let accounts: Vec<_> =
            lock(&self.accounts).iter().map(|(id, it)| (*id, it.clone())).collect();
        let guards: Vec<_> = accounts.iter().map(|(id, it)| (*id, read(it))).collect();
        let pending = guards.iter().filter(|(_, it)| !it.pending.docs.is_empty());
        let entries = pending.map(|(account, it)| {
            let (position, docs) = (it.position.unwrap_or_default(), &it.pending.docs[..]);
            (it.pending.to, Entry::Docs { account: *account, position, docs })
        });
        pending::save(&dir.join(PENDING), first.into_iter().chain(entries))
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
        let last = accounts.values().map(Account::written).max().unwrap_or(0);
        Ok(Self { accounts, forgotten: Vec::new(), last })
    }

    fn replay(&mut self, dir: &Path, number: u64, entry: Entry<Vec<DocTerms>>) {
        self.last = self.last.max(number);
        match entry {
            Entry::Docs { account: id, position, docs } => {
                let account = self.accounts.entry(id).or_insert_with(|| Account::new(dir, id));
                if number > account.written() {
                    account.add(number, docs, position);
                }
            }
            Entry::Forget(id) => self.forget(id, number),
            Entry::ForgetAll => {
                let ids: Vec<_> = self.accounts.keys().copied().collect();
                ids.into_iter().for_each(|id| self.forget(id, number));
            }
        }
    }

    fn forget(&mut self, id: AccountId, number: u64) {
        // Segments may be newer than the entry: then the account has begun anew since.
        if self.accounts.get(&id).is_some_and(|it| it.written() < number) {
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
