//! The log of what no segment holds yet.
//!
//! It is never synced on its own: after a power cut its readable beginning is what counts, and
//! the rest is indexed again from the position that this beginning names. Records carry increasing
//! numbers and segments the numbers they cover, so nothing is taken twice.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::codec::{Error, Reader, Result, checksum, io, put};
use super::terms::DocTerms;
use crate::base::id::{AccountId, ModSeq};

/// Begins the file; the number is the version of the whole index.
const MAGIC: &[u8; 8] = b"ktslog_1";
/// Length and checksum in front of each record.
const FRAME: usize = 12;
/// No record is longer; [`super::Index::add`] writes far shorter ones.
const MAX_RECORD: usize = 64 << 20;

pub(super) struct Record {
    pub number: u64,
    pub entry: Entry,
}

pub(super) enum Entry {
    Docs { account: AccountId, position: ModSeq, docs: Vec<DocTerms> },
    Forget(AccountId),
    ForgetAll,
}

pub(super) struct Log {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Log {
    /// Opens the log and hands on its records; `None` if there is none, or of another version.
    pub fn open(path: &Path, mut replay: impl FnMut(Record)) -> Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io("opening the log"))?,
        };
        let mut input = BufReader::with_capacity(256 << 10, &file);
        let mut magic = [0; MAGIC.len()];
        if input.read_exact(&mut magic).is_err() || magic != *MAGIC {
            return Ok(None);
        }
        let mut len = MAGIC.len() as u64;
        while let Some((record, size)) = read_record(&mut input) {
            len += size as u64;
            replay(record);
        }
        // What follows is torn: written, but not yet on the disk when the power went.
        file.set_len(len).map_err(io("cutting the log"))?;
        Ok(Some(Self { file, path: path.to_owned(), len }))
    }

    /// Puts a new log with these records in the place of the old one, and syncs it.
    pub fn create<'a>(path: &Path, records: impl Iterator<Item = Bytes<'a>>) -> Result<Self> {
        let new = path.with_extension("new");
        let file = File::create(&new).map_err(io("creating the log"))?;
        let mut log = Self { file, path: path.to_owned(), len: 0 };
        log.write(MAGIC)?;
        for record in records {
            log.append(record)?;
        }
        log.sync()?;
        fs::rename(&new, path).map_err(io("replacing the log"))?;
        sync_parent(path)?;
        Ok(log)
    }

    pub fn append(&mut self, record: Bytes) -> Result<()> {
        let payload = record.encode();
        let mut bytes = Vec::with_capacity(FRAME + payload.len());
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&checksum(&payload).to_le_bytes());
        bytes.extend_from_slice(&payload);
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all_at(bytes, self.len);
        if written.is_err() {
            // Half a record must not stay behind what is appended next. Should this fail too, the
            // checksum still tells.
            let _ = self.file.set_len(self.len);
        }
        written.map_err(io("writing the log"))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(io("syncing the log"))
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the name of a new file durable.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io("syncing a directory"))
}

/// A record to write, by reference.
pub(super) enum Bytes<'a> {
    Docs { number: u64, account: AccountId, position: ModSeq, docs: &'a [DocTerms] },
    Forget { number: u64, account: AccountId },
    ForgetAll { number: u64 },
}

impl Bytes<'_> {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Docs { number, account, position, docs } => {
                out.push(0);
                put(&mut out, *number);
                put(&mut out, account.0.into());
                put(&mut out, position.0);
                docs.iter().for_each(|doc| doc.encode(&mut out));
            }
            Self::Forget { number, account } => {
                out.push(1);
                put(&mut out, *number);
                put(&mut out, account.0.into());
            }
            Self::ForgetAll { number } => {
                out.push(2);
                put(&mut out, *number);
            }
        }
        out
    }
}

fn decode(payload: &[u8]) -> Result<Record> {
    let reader = &mut Reader::new(payload, "log record");
    let kind = reader.take(1)?[0];
    let number = reader.varint()?;
    let entry = match kind {
        0 => {
            let account = AccountId(reader.number()?);
            let position = ModSeq(reader.varint()?);
            let mut docs = Vec::new();
            while !reader.is_empty() {
                docs.push(DocTerms::decode(reader)?);
            }
            Entry::Docs { account, position, docs }
        }
        1 => Entry::Forget(AccountId(reader.number()?)),
        2 => Entry::ForgetAll,
        _ => return Err(Error::Damaged("log record")),
    };
    Ok(Record { number, entry })
}

/// The next record and its size in the file; `None` at the end or where the file is torn.
fn read_record(input: &mut impl Read) -> Option<(Record, usize)> {
    let mut frame = [0; FRAME];
    input.read_exact(&mut frame).ok()?;
    let reader = &mut Reader::new(&frame, "log record");
    let len = u32::from_le_bytes(reader.take(4).ok()?.try_into().ok()?) as usize;
    let sum = reader.fixed_u64().ok()?;
    if len > MAX_RECORD {
        return None;
    }
    let mut payload = vec![0; len];
    input.read_exact(&mut payload).ok()?;
    let record = (checksum(&payload) == sum).then(|| decode(&payload))?.ok()?;
    Some((record, FRAME + len))
}
