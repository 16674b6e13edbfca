//! Segments that were searched last stay open, with what each search reads of them first.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::codec::Result;
use super::segment::Segment;

/// Open segments at most, and bytes of their footers, documents and signatures: some five
/// mailboxes of 20,000 messages, or one of 100,000.
const SEGMENTS: usize = 64;
const BYTES: usize = 6 << 20;

/// Open segments, the last used one last.
#[derive(Default)]
pub(super) struct Heads(Mutex<Vec<(PathBuf, Arc<Segment>)>>);

impl Heads {
    /// Opens a segment, or gives it as it was opened before.
    pub fn open(&self, path: &Path) -> Result<Arc<Segment>> {
        let mut kept = self.lock();
        let at = kept.iter().rposition(|(known, _)| known == path);
        if let Some(at) = at {
            let found = kept.remove(at);
            let segment = found.1.clone();
            kept.push(found);
            return Ok(segment);
        }
        drop(kept);
        let segment = Arc::new(Segment::open(path)?);
        let mut kept = self.lock();
        kept.push((path.to_owned(), segment.clone()));
        let mut bytes: usize = kept.iter().map(|(_, segment)| segment.weight()).sum();
        while kept.len() > SEGMENTS || bytes > BYTES {
            bytes -= kept.remove(0).1.weight();
        }
        Ok(segment)
    }

    /// Lets go of the segments in a directory: they were replaced or removed.
    pub fn forget(&self, dir: &Path) {
        self.lock().retain(|(path, _)| path.parent() != Some(dir));
    }

    /// A panic leaves the list whole.
    fn lock(&self) -> MutexGuard<'_, Vec<(PathBuf, Arc<Segment>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
