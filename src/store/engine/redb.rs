//! The base file: all rows as of some position of the journal, in one redb table. It is written
//! only by flushes, each one durable commit together with the position; what came later is in
//! the journal and in memory, so a failure here never loses anything.
//!
//! After a failed write or sync redb refuses everything that is not in its cache, and what the
//! file holds is unknown. [`Base::reopen`] then writes the doubtful ranges once more through a
//! fresh handle, syncs them and opens the file anew; while even that fails, the file is opened
//! with all writes kept in memory ([`Scratch`]), so that reading goes on.
//!
//! # FORMAT, version 1
//!
//! `kontor.redb` is a redb file (its format 3) with two tables. `rows`, bytes to bytes, is the key
//! space. `meta`, text to bytes, has `format`, the version as 4 bytes, and `journal`, the position
//! up to which rows are included: segment (4 bytes), offset (8), number of the next group (8), all
//! little endian. A new file is built as `kontor.redb.new` and renamed, so there never is half a
//! one.

use std::io::{self, ErrorKind};
use std::ops::{Bound, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use imbl::OrdMap;
use redb::{
    Builder, CursorError, Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    StorageBackend, Table, TableDefinition, WriteTransaction,
};

use super::backend::{Scratch, Tracked};
use super::disk::{Disk, failed};
use super::journal::Position;
use super::{EngineError, Key, Result, Value, lock};

/// The file in the data directory.
pub(super) const NAME: &str = "kontor.redb";
const NEW_NAME: &str = "kontor.redb.new";

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const META_FORMAT: &str = "format";
const META_JOURNAL: &str = "journal";

/// Turns one version of the base file into the next; all that are needed run in one transaction.
pub(super) type Migration = fn(&WriteTransaction) -> Result<()>;

/// `MIGRATIONS[0]` leads from version 1 to 2, and so on. The first one has to see to it that a
/// journal of before is not read into a new base file, see [`super::replay::is_complete`].
pub(super) const MIGRATIONS: &[Migration] = &[];

/// Rows not yet in the base file; `None` hides the base's.
pub(super) type Overlay = OrdMap<Key, Option<Value>>;

/// The open base file.
pub(super) struct Base {
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    database: Arc<Opened>,
    /// The file behind `database`; `None` while writes go nowhere.
    file: Option<Tracked>,
    /// Ranges that were written and never successfully synced.
    doubtful: Vec<Range<u64>>,
    /// A write failed, so [`Base::reopen`] comes first.
    failed: bool,
}

/// A snapshot of the base file.
pub(super) struct BaseRows {
    pub(super) table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// Kept open as long as somebody reads.
    _database: Arc<Opened>,
    /// Set once a read failed: the base has to be reopened.
    broken: AtomicBool,
}

impl BaseRows {
    /// The engine's error for one of redb's; a failure of the medium is remembered.
    pub(super) fn error(&self, error: redb::StorageError) -> EngineError {
        self.broken.store(true, Ordering::Relaxed);
        refused("read the base file")(error)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

impl Base {
    /// Opens the base file, creating it if `may_create`; returns the journal's position too.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        cache_bytes: usize,
        may_create: bool,
        migrations: &[Migration],
    ) -> Result<(Self, Position)> {
        guarded("open the base file", || {
            let file = match disk.open(NAME) {
                Err(error) if error.kind() == ErrorKind::NotFound && may_create => {
                    create(&*disk, cache_bytes, migrations)?;
                    disk.open(NAME).map_err(failed("open the base file"))?
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(EngineError::Damaged(format!(
                        "{NAME} is missing, but there are segments, which may hold mail (if \
                         nothing was ever kept here, remove the directory and begin anew)"
                    )));
                }
                file => {
                    let file = file.map_err(failed("open the base file"))?;
                    // The start that created it may have failed just before this. What is
                    // acknowledged from now on must not hang on a name that a power cut takes.
                    disk.sync_dir("").map_err(failed("sync the data directory"))?;
                    file
                }
            };
            let file = Tracked::new(file);
            let database = Arc::new(open_database(file.clone(), cache_bytes)?);
            let (file, doubtful) = (Some(file), Vec::new());
            let base = Self { disk, cache_bytes, database, file, doubtful, failed: false };
            migrate(&base.database, migrations)?;
            let position = base.position()?;
            Ok((base, position))
        })
    }

    /// A snapshot of the rows as of the last flush.
    pub(super) fn rows(&self) -> Result<BaseRows> {
        guarded("read the base file", || {
            let read = self.database.read()?;
            let table = read.open_table(ROWS).map_err(refused("read the base file"))?;
            let broken = AtomicBool::new(false);
            Ok(BaseRows { table, _database: self.database.clone(), broken })
        })
    }

    fn position(&self) -> Result<Position> {
        let read = self.database.read()?;
        let meta = read.open_table(META).map_err(refused("read the base file"))?;
        let row = meta.get(META_JOURNAL).map_err(refused("read the base file"))?;
        let position = row.and_then(|row| Position::decode(row.value()));
        position.ok_or_else(|| EngineError::Damaged("the base file knows no position".into()))
    }

    /// Writes rows and the position behind them in one durable commit.
    pub(super) fn flush(&mut self, rows: &Overlay, position: Position) -> Result<()> {
        let done = guarded("write the base file", || write_rows(&self.database, rows, position));
        self.failed = done.is_err();
        done
    }

    /// Closes the file; what still reads it gets errors.
    pub(super) fn close(&mut self) {
        if let Err(error) = self.database.close() {
            tracing::warn!(%error, "closing the base file");
        }
        if let Some(file) = self.file.take() {
            file.retire();
        }
    }

    /// Whether nothing can be written before [`Base::reopen`].
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Opens the file anew after a failure. On an error it is open for reading only.
    pub(super) fn reopen(&mut self) -> Result<()> {
        self.failed = true;
        // Whoever still reads the old snapshots keeps the old database, which must not touch
        // the file any more: dropping it may otherwise write.
        if let Some(file) = self.file.take() {
            file.retire();
            self.doubtful.append(&mut file.unsynced());
        }
        match self
            .heal()
            .and_then(|file| Ok((open_database(file.clone(), self.cache_bytes)?, file)))
        {
            Ok((database, file)) => {
                self.database = Arc::new(database);
                self.file = Some(file);
                self.doubtful.clear();
                self.failed = false;
                Ok(())
            }
            Err(error) => {
                if let Err(error) = self.open_scratch() {
                    tracing::error!(%error, "the base file cannot even be read");
                }
                Err(error)
            }
        }
    }

    /// A fresh handle on the file, after its doubtful ranges were written and synced once more.
    ///
    /// After a failed sync the kernel may hold bytes as clean that never reached the medium.
    /// Writing what is read makes it true, whichever mixture of old and new it is: the same as
    /// after a power cut, which redb withstands.
    fn heal(&self) -> Result<Tracked> {
        let file = self.disk.open(NAME).map_err(failed("open the base file"))?;
        let len = file.len().map_err(failed("look at the base file"))?;
        let mut bytes = Vec::new();
        for range in &self.doubtful {
            let end = range.end.min(len);
            let Some(size) = end.checked_sub(range.start) else { continue };
            bytes.resize(size as usize, 0);
            file.read_at(range.start, &mut bytes).map_err(failed("read the base file"))?;
            file.write_at(range.start, &[&bytes]).map_err(failed("write the base file"))?;
        }
        if !self.doubtful.is_empty() {
            file.set_len(len).map_err(failed("write the base file"))?;
        }
        file.sync_data().map_err(failed("sync the base file"))?;
        Ok(Tracked::new(file))
    }

    fn open_scratch(&mut self) -> Result<()> {
        let file = self.disk.open(NAME).map_err(failed("open the base file"))?;
        let scratch = Scratch::new(file).map_err(failed("read the base file"))?;
        self.database = Arc::new(open_database(scratch, self.cache_bytes)?);
        Ok(())
    }

    /// Runs redb's own check over the file as it is now, on a copy of what the check writes.
    /// No flush may happen meanwhile.
    pub(super) fn verify(&self) -> Result<Vec<String>> {
        let file = self.disk.open(NAME).map_err(failed("open the base file"))?;
        let scratch = Scratch::new(file).map_err(failed("read the base file"))?;
        let checked = guarded("check the base file", || {
            open_database(scratch, self.cache_bytes)?
                .with(|database| database.check_integrity().map_err(refused("check the base file")))
        });
        match checked {
            // Not clean but repairable is what a file looks like while it is in use.
            Ok(_) => Ok(Vec::new()),
            Err(EngineError::Damaged(what)) => Ok(vec![format!("{NAME}: {what}")]),
            Err(error) => Err(error),
        }
    }
}

impl Position {
    fn encode(&self) -> [u8; 20] {
        let mut out = [0; 20];
        out[0..4].copy_from_slice(&self.segment.to_le_bytes());
        out[4..12].copy_from_slice(&self.offset.to_le_bytes());
        out[12..20].copy_from_slice(&self.group.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (segment, rest) = bytes.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let group = rest.try_into().ok()?;
        Some(Self {
            segment: u32::from_le_bytes(*segment),
            offset: u64::from_le_bytes(*offset),
            group: u64::from_le_bytes(group),
        })
    }
}

fn write_rows(database: &Opened, rows: &Overlay, position: Position) -> Result<()> {
    let write = begin(database)?;
    {
        let mut table = write.open_table(ROWS).map_err(refused("write the base file"))?;
        write_sorted(&mut table, rows).map_err(refused("write the base file"))?;
        let mut meta = write.open_table(META).map_err(refused("write the base file"))?;
        meta.insert(META_JOURNAL, &position.encode()[..])
            .map_err(refused("write the base file"))?;
    }
    write.commit().map_err(refused("commit to the base file"))
}

/// Applies rows in key order.
///
/// New neighbours go through a cursor, which fills pages where single inserts leave each page
/// that was split half empty.
fn write_sorted(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    rows: &Overlay,
) -> Result<(), redb::Error> {
    let mut rows = rows.iter();
    let mut next = rows.next();
    // Overwritten rows mostly come in a row too, and then looking for a gap first is in vain.
    let mut overwriting = false;
    while let Some((key, value)) = next {
        let Some(value) = value else {
            table.remove(&key[..])?;
            next = rows.next();
            continue;
        };
        if overwriting {
            overwriting = table.insert(&key[..], &value[..])?.is_some();
            next = rows.next();
            continue;
        }
        overwriting = true;
        let mut cursor = table.lower_bound_mut(Bound::Included(&key[..]))?;
        while let Some((key, Some(value))) = next {
            match cursor.insert_before(&key[..], &value[..]) {
                Ok(()) => overwriting = false,
                // It has to go elsewhere, or is there already.
                Err(CursorError::UnorderedKey) => break,
                Err(error) => return Err(error.into()),
            }
            next = rows.next();
        }
        cursor.close()?;
    }
    Ok(())
}

/// Creates an empty base file, under another name first.
fn create(disk: &dyn Disk, cache_bytes: usize, migrations: &[Migration]) -> Result<()> {
    let file = disk.create(NEW_NAME).map_err(failed("create the base file"))?;
    let database = open_database(Tracked::new(file), cache_bytes)?;
    let write = begin(&database)?;
    {
        write.open_table(ROWS).map_err(refused("create the base file"))?;
        let mut meta = write.open_table(META).map_err(refused("create the base file"))?;
        let version = 1 + migrations.len() as u32;
        meta.insert(META_FORMAT, &version.to_le_bytes()[..])
            .map_err(refused("create the base file"))?;
        meta.insert(META_JOURNAL, &Position::START.encode()[..])
            .map_err(refused("create the base file"))?;
    }
    write.commit().map_err(refused("create the base file"))?;
    database.close()?;
    disk.rename(NEW_NAME, NAME).map_err(failed("name the base file"))?;
    disk.sync_dir("").map_err(failed("sync the data directory"))
}

/// Brings an older file to this version in one transaction, refuses a newer one.
fn migrate(database: &Opened, migrations: &[Migration]) -> Result<()> {
    let known = 1 + migrations.len() as u32;
    let read = database.read()?;
    let meta = read.open_table(META).map_err(refused("read the base file"))?;
    let row = meta.get(META_FORMAT).map_err(refused("read the base file"))?;
    let found = row.and_then(|row| Some(u32::from_le_bytes(row.value().try_into().ok()?)));
    let Some(found @ 1..) = found else {
        return Err(EngineError::Damaged(format!("{NAME} does not say which format it has")));
    };
    if found == known {
        return Ok(());
    }
    if found > known {
        return Err(EngineError::Refused(format!(
            "the data was written by a newer version of Kontor (format {found}, this one knows \
             {known}); start that version, or restore a backup made with this one"
        )));
    }
    tracing::info!(from = found, to = known, "migrating the base file");
    let write = begin(database)?;
    for step in migrations.get(found as usize - 1..).unwrap_or_default() {
        step(&write)?;
    }
    {
        let mut meta = write.open_table(META).map_err(refused("migrate the base file"))?;
        meta.insert(META_FORMAT, &known.to_le_bytes()[..])
            .map_err(refused("migrate the base file"))?;
    }
    write.commit().map_err(refused("migrate the base file"))
}

fn begin(database: &Opened) -> Result<WriteTransaction> {
    let mut write =
        database.with(|database| database.begin_write().map_err(refused("write the base file")))?;
    write
        .set_durability(Durability::Immediate)
        .map_err(|error| EngineError::Refused(error.to_string()))?;
    // Without it a start after a kill walks the whole file.
    write.set_quick_repair(true);
    Ok(write)
}

/// An open database. Closing it never panics, and does not wait for its readers: what they have
/// not read yet they get errors for.
struct Opened(Mutex<Option<Database>>);

fn closed() -> EngineError {
    EngineError::Io { context: "use the base file", source: io::Error::other("it is closed") }
}

impl Opened {
    fn with<T>(&self, f: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        f(lock(&self.0).as_mut().ok_or_else(closed)?)
    }

    fn read(&self) -> Result<ReadTransaction> {
        self.with(|database| database.begin_read().map_err(refused("read the base file")))
    }

    fn close(&self) -> Result<()> {
        let Some(database) = lock(&self.0).take() else { return Ok(()) };
        guarded("close the base file", || database.close().map_err(refused("close the base file")))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::debug!(%error, "closing the base file");
        }
    }
}

fn open_database(backend: impl StorageBackend, cache_bytes: usize) -> Result<Opened> {
    guarded("open the base file", || {
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        builder.set_repair_callback(|repair| {
            let percent = (repair.progress() * 100.0) as u32;
            tracing::warn!(percent, "the base file is being repaired");
        });
        let database = builder.create_with_backend(backend);
        Ok(Opened(Mutex::new(Some(database.map_err(refused("open the base file"))?))))
    })
}

/// Runs redb on a file that may be damaged: a panic there is damage reported, not our end.
fn guarded<T>(context: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        Err(EngineError::Damaged(format!("cannot {context}: redb found it inconsistent")))
    })
}

/// Turns redb's errors into ours.
fn refused<E: Into<redb::Error>>(context: &'static str) -> impl FnOnce(E) -> EngineError {
    move |error| match error.into() {
        redb::Error::Io(source)
            if matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            EngineError::Damaged(format!("cannot {context}: {source}"))
        }
        redb::Error::Io(source) => failed(context)(source),
        redb::Error::Corrupted(what) => EngineError::Damaged(what),
        other => EngineError::Io { context, source: io::Error::other(other) },
    }
}
