//! Backup and restore: everything that is stored, in one file, as of one moment.
//!
//! The file: the magic `KONTORB1`, then records, each a little-endian `u32` length of what
//! follows the checksum, the XXH3-64 checksum of that, and that: one byte of kind, then
//! - `R` row: key length (`u32`), key, value;
//! - `B` body: content id (`u64`), sharers (`u32`), then a piece of the body; a body of several
//!   pieces has the kinds `b` … `b` `B`;
//! - `F` a small file beside the store: name length (`u32`), name, what is in it;
//! - `E` end: the number of records before it (`u64`). A file without it is not whole.
//!
//! Places of bodies are not kept: a restore writes them anew.

use std::io::{BufReader, BufWriter, Read as _, Write};
use std::ops::ControlFlow;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::base::id::ContentId;
use crate::store::keys::{self, Kind};
use crate::store::rows::message::Body;
use crate::store::{Error, NewBody, Read, Result, Store};

const MAGIC: &[u8; 8] = b"KONTORB1";
/// Pieces of a body.
const PIECE: u64 = 4 << 20;
/// Longest record that is read.
const RECORD_MAX: u32 = 8 << 20;
/// Rows and bytes restored in one transaction.
const BATCH_ROWS: usize = 10_000;
const BATCH_BYTES: usize = 8 << 20;

/// Small files that belong to what is stored and lie beside it, by their names.
pub type Files = Vec<(String, Vec<u8>)>;
/// Files that are read from a backup at most, whatever it says.
const FILES_MAX: usize = 64;

/// What a backup or restore went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    pub rows: u64,
    pub bodies: u64,
    pub bytes: u64,
}

struct Output<W: Write> {
    out: BufWriter<W>,
    records: u64,
}

impl<W: Write> Output<W> {
    fn record(&mut self, parts: &[&[u8]]) -> Result<()> {
        let mut checksum = XxHash3_64::new();
        let mut len = 0;
        for part in parts {
            std::hash::Hasher::write(&mut checksum, part);
            len += part.len();
        }
        let mut put = |bytes: &[u8]| self.out.write_all(bytes).map_err(|e| failed("write", &e));
        put(&(len as u32).to_le_bytes())?;
        put(&std::hash::Hasher::finish(&checksum).to_le_bytes())?;
        parts.iter().try_for_each(|part| put(part))?;
        self.records += 1;
        Ok(())
    }
}

fn failed(what: &str, error: &std::io::Error) -> Error {
    Error::Io(format!("cannot {what} the backup: {error}"))
}

/// Writes a backup as of now, `files` with it; the server goes on meanwhile. `progress` gets
/// bytes written.
pub fn backup(
    store: &Store,
    files: &Files,
    out: impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary> {
    // Reclaim stands still: the snapshot's bodies must stay where they are.
    let _pause = store.pause_reclaim();
    let snapshot = store.read();
    let mut output = Output { out: BufWriter::with_capacity(1 << 20, out), records: 0 };
    output.out.write_all(MAGIC).map_err(|error| failed("write", &error))?;
    let mut done = Summary::default();
    for (name, content) in files {
        let length = (name.len() as u32).to_le_bytes();
        output.record(&[b"F", &length, name.as_bytes(), content])?;
    }
    snapshot.scan(&[], &[0xff], &mut |key, value| {
        if key.first() == Some(&(Kind::Body as u8)) {
            let body = Body::decode(value)?;
            let id = keys::u64_at(key, 1).unwrap_or_default();
            put_body(&snapshot, &mut output, id, &body)?;
            done.bodies += 1;
            done.bytes += body.at.len;
        } else {
            let length = (key.len() as u32).to_le_bytes();
            output.record(&[b"R", &length, key, value])?;
            done.rows += 1;
            done.bytes += (key.len() + value.len()) as u64;
        }
        progress(done.bytes);
        Ok(ControlFlow::Continue(()))
    })?;
    let records = output.records.to_le_bytes();
    output.record(&[b"E", &records])?;
    output.out.flush().map_err(|error| failed("write", &error))?;
    Ok(done)
}

fn put_body<W: Write>(
    snapshot: &crate::store::Snapshot,
    output: &mut Output<W>,
    id: u64,
    body: &Body,
) -> Result<()> {
    let (mut from, mut piece) = (0, Vec::new());
    loop {
        let step = (body.at.len - from).min(PIECE);
        piece.clear();
        snapshot.read_body(&body.at, from, step, &mut piece)?;
        from += step;
        let kind = if from == body.at.len { b"B" } else { b"b" };
        output.record(&[kind, &id.to_le_bytes(), &body.sharers.to_le_bytes(), &piece])?;
        if from == body.at.len {
            return Ok(());
        }
    }
}

/// Reads a backup into a store that is empty. Nothing is kept of a file that is not whole: the
/// caller restores into a fresh directory and puts that in place afterwards, with those of the
/// files that it knows.
pub fn restore(
    store: &Store,
    input: impl std::io::Read,
    progress: &mut dyn FnMut(u64),
) -> Result<(Summary, Files)> {
    let mut input = BufReader::with_capacity(1 << 20, input);
    let mut magic = [0; 8];
    input.read_exact(&mut magic).map_err(|error| failed("read", &error))?;
    if magic != *MAGIC {
        return Err(Error::Refused(
            "this is no backup, or one of another version of kontor".into(),
        ));
    }
    let mut done = Summary::default();
    let mut batch = Batch::default();
    let mut files = Files::new();
    let mut body: Option<Box<dyn crate::store::Spool>> = None;
    let mut records = 0u64;
    loop {
        let record = read_record(&mut input)?;
        let (&kind, rest) = record.split_first().ok_or_else(damaged)?;
        match kind {
            b'F' if files.len() < FILES_MAX => {
                let (name, content) = split_named(rest)?;
                files.push((String::from_utf8_lossy(name).into_owned(), content.to_vec()));
            }
            b'R' => {
                let (key, value) = split_named(rest)?;
                done.rows += 1;
                done.bytes += rest.len() as u64;
                batch.rows.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
                batch.bytes += rest.len();
            }
            b'b' | b'B' => {
                let id = keys_u64(rest)?;
                let sharers = u32::from_le_bytes(
                    rest.get(8..12).ok_or_else(damaged)?.try_into().map_err(|_| damaged())?,
                );
                let piece = rest.get(12..).ok_or_else(damaged)?;
                done.bytes += piece.len() as u64;
                if kind == b'b' || body.is_some() {
                    let spool = match &mut body {
                        Some(spool) => spool,
                        none => none.insert(store.spool()?),
                    };
                    spool.write(piece)?;
                }
                if kind == b'B' {
                    done.bodies += 1;
                    let new = match body.take() {
                        Some(spool) => NewBody::Spooled(spool.finish()?),
                        None => NewBody::Bytes(Bytes::copy_from_slice(piece)),
                    };
                    batch.bytes += piece.len();
                    batch.bodies.push((ContentId(id), sharers, new));
                }
            }
            b'E' if keys_u64(rest)? == records => {
                batch.write(store)?;
                return Ok((done, files));
            }
            _ => return Err(damaged()),
        }
        records += 1;
        if batch.rows.len() + batch.bodies.len() >= BATCH_ROWS || batch.bytes >= BATCH_BYTES {
            std::mem::take(&mut batch).write(store)?;
        }
        progress(done.bytes);
    }
}

/// Takes a length, so much, and the rest apart.
fn split_named(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)
}

fn keys_u64(bytes: &[u8]) -> Result<u64> {
    bytes.first_chunk().map(|chunk| u64::from_le_bytes(*chunk)).ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::Refused("the backup is damaged or not whole; take another one".into())
}

fn read_record(input: &mut impl std::io::Read) -> Result<Vec<u8>> {
    let mut head = [0; 12];
    let cut = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged(),
        _ => failed("read", &error),
    };
    input.read_exact(&mut head).map_err(cut)?;
    let (length, checksum) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().map_err(|_| damaged())?);
    if length > RECORD_MAX {
        return Err(damaged());
    }
    let mut record = vec![0; length as usize];
    input.read_exact(&mut record).map_err(cut)?;
    match XxHash3_64::oneshot(&record).to_le_bytes() == checksum {
        true => Ok(record),
        false => Err(damaged()),
    }
}

#[derive(Default)]
struct Batch {
    rows: Vec<(Bytes, Bytes)>,
    bodies: Vec<(ContentId, u32, NewBody)>,
    bytes: usize,
}

impl Batch {
    fn write(self, store: &Store) -> Result<()> {
        store.write_blocking(move |tx| {
            self.rows.into_iter().for_each(|(key, value)| tx.put(key, value));
            self.bodies.into_iter().for_each(|(id, sharers, body)| tx.put_body(id, sharers, body));
            Ok::<_, Error>(())
        })
    }
}
