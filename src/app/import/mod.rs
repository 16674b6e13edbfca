//! Mail from files: readers for mbox, maildir, .eml and .emlx, one message at a time.
//!
//! The readers know nothing of the store; `app::bring` sends what they find in batches. What
//! cannot be read is told and skipped, for one broken message must not keep ten thousand out.

mod eml;
mod emlx;
pub mod entries;
mod maildir;
mod mbox;
mod text;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::clock::UnixTime;

pub use text::to_crlf;

/// A single message larger than this is not read at all; no server takes it either.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Directories within each other that are followed; also what ends a circle of links.
const DEPTH: usize = 24;

/// A message that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// With CRLF line ends.
    pub bytes: Vec<u8>,
    /// IMAP's names: `\Seen`, `$Forwarded`, `Work`.
    pub flags: Vec<String>,
    /// When it arrived, if the file says so.
    pub received: Option<UnixTime>,
    /// The mailbox it lay in, from the top of what is imported; empty is that itself.
    pub mailbox: Vec<String>,
}

/// What a reader yields: a message, or what was skipped and why.
pub type Next = Result<Found, Skipped>;

/// Something that is not brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub place: String,
    pub reason: String,
}

impl Skipped {
    fn new(place: impl std::fmt::Display, reason: impl std::fmt::Display) -> Self {
        Self { place: place.to_string(), reason: reason.to_string() }
    }
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mbox,
    Maildir,
    Eml,
}

/// Reads everything below a path, in an order that does not change.
pub fn read(kind: Kind, path: &Path) -> io::Result<Box<dyn Iterator<Item = Next>>> {
    Ok(match kind {
        Kind::Mbox => Box::new(mbox::read(path)?),
        Kind::Maildir => Box::new(maildir::read(path)?),
        Kind::Eml => Box::new(eml::read(path)?),
    })
}

/// The entries of a directory by name, hidden ones included.
fn entries_of(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a file is whose first line is no header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headless {
    /// A message that is a text alone: its name or its place says that it is a message.
    Text,
    /// One of the other files that lie about.
    Other,
}

/// Reads a file that holds one message.
fn read_message(path: &Path, headless: Headless) -> Result<(Vec<u8>, Option<UnixTime>), Skipped> {
    let (bytes, modified) = read_file(path)?;
    let bytes = one_message(bytes, headless);
    Ok((bytes.map_err(|reason| Skipped::new(path.display(), reason))?, modified))
}

/// A file's octets and when it was changed last.
fn read_file(path: &Path) -> Result<(Vec<u8>, Option<UnixTime>), Skipped> {
    use std::io::Read as _;
    let failed = |error: io::Error| Skipped::new(path.display(), error);
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(Skipped::new(path.display(), "not a file"));
    }
    if meta.len() > LARGEST {
        return Err(Skipped::new(path.display(), "larger than any message"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    // It may grow while it is read.
    file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    let modified = meta.modified().ok().and_then(|time| {
        let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    });
    Ok((bytes, modified))
}

/// A message in the form in which it is kept.
fn one_message(bytes: Vec<u8>, headless: Headless) -> Result<Vec<u8>, &'static str> {
    let bytes = to_crlf(text::without_envelope(bytes));
    match (text::fault(&bytes), headless) {
        (None, _) => Ok(bytes),
        (Some(_), Headless::Text) => text::headless(bytes),
        (Some(reason), Headless::Other) => Err(reason),
    }
}
