//! The file that keeps what no segment holds yet from one run to the next.
//!
//! It is written when the server stops and when an account is forgotten, and never per message:
//! a crash takes back the documents since, and they are indexed again from the position that is
//! left. Entries carry increasing numbers and segments the numbers they cover, so that nothing is
//! taken twice.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use super::codec::{Error, Reader, Result, checksum, io, put, put_bytes};
use super::terms::DocTerms;
use crate::base::id::{AccountId, ModSeq};

/// Begins the file; the number is the version of the whole index.
const MAGIC: &[u8; 8] = b"ktsindx1";

/// What happened to an account, or to all.
pub(super) enum Entry<Docs> {
    Docs { account: AccountId, position: ModSeq, docs: Docs },
    Forget(AccountId),
    ForgetAll,
}

/// Hands each entry of the file on with its number. False if there is no file, or one that is
/// damaged or of another version: then nothing of the index can be trusted.
pub(super) fn load(path: &Path, replay: impl FnMut(u64, Entry<Vec<DocTerms>>)) -> Result<bool> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        read => Ok(decode(&read.map_err(io("reading what is pending"))?, replay).is_ok()),
    }
}

/// Puts a file with these entries in the place of the old one; durable when this returns.
pub(super) fn save<'a>(
    path: &Path,
    entries: impl Iterator<Item = (u64, Entry<&'a [DocTerms]>)>,
) -> Result<()> {
    let new = path.with_extension("new");
    let file = File::create(&new).map_err(io("saving what is pending"))?;
    let mut out = BufWriter::new(file);
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(io("saving what is pending"));
    write(MAGIC)?;
    for (number, entry) in entries {
        let payload = lz4_flex::block::compress_prepend_size(&encode(number, &entry));
        let mut frame = checksum(&payload).to_le_bytes().to_vec();
        put_bytes(&mut frame, &payload);
        write(&frame)?;
    }
    let file =
        out.into_inner().map_err(|error| io("saving what is pending")(error.into_error()))?;
    file.sync_all().map_err(io("syncing what is pending"))?;
    fs::rename(&new, path).map_err(io("saving what is pending"))?;
    sync_parent(path)
}

/// Makes the name of a new file durable.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io("syncing a directory"))
}

fn encode(number: u64, entry: &Entry<&[DocTerms]>) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, number);
    match entry {
        Entry::Docs { account, position, docs } => {
            out.push(0);
            put(&mut out, account.0.into());
            put(&mut out, position.0);
            docs.iter().for_each(|doc| doc.encode(&mut out));
        }
        Entry::Forget(account) => {
            out.push(1);
            put(&mut out, account.0.into());
        }
        Entry::ForgetAll => out.push(2),
    }
    out
}

fn decode(bytes: &[u8], mut replay: impl FnMut(u64, Entry<Vec<DocTerms>>)) -> Result<()> {
    let damaged = Error::Damaged("pending entries");
    let Some(bytes) = bytes.strip_prefix(MAGIC) else { return Err(damaged) };
    let reader = &mut Reader::new(bytes, "pending entries");
    while !reader.is_empty() {
        let sum = reader.fixed_u64()?;
        let payload = reader.bytes()?;
        if checksum(payload) != sum {
            return Err(damaged);
        }
        let Ok(payload) = lz4_flex::block::decompress_size_prepended(payload) else {
            return Err(damaged);
        };
        let (number, entry) = decode_entry(&mut Reader::new(&payload, "pending entries"))?;
        replay(number, entry);
    }
    Ok(())
}

fn decode_entry(reader: &mut Reader) -> Result<(u64, Entry<Vec<DocTerms>>)> {
    let number = reader.varint()?;
    let entry = match reader.take(1)? {
        [0] => {
            let account = AccountId(reader.number()?);
            let position = ModSeq(reader.varint()?);
            let mut docs = Vec::new();
            while !reader.is_empty() {
                docs.push(DocTerms::decode(reader)?);
            }
            Entry::Docs { account, position, docs }
        }
        [1] => Entry::Forget(AccountId(reader.number()?)),
        [2] => Entry::ForgetAll,
        _ => return Err(reader.damaged()),
    };
    Ok((number, entry))
}
