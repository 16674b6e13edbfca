//! The index of one account: its segments, and the documents that no segment holds yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::codec::{Result, io};
use super::content_set::ContentSet;
use super::log::sync_parent;
use super::matches::Matches;
use super::segment::{Hits, Segment};
use super::terms::{DocTerms, Part, Pattern};
use super::write;
use crate::base::id::{AccountId, ContentId, ModSeq};

/// So many neighbouring segments of about one size become one. A term is then rewritten once for
/// each fourfold growth, and a search opens about three segments for each.
const MERGE: usize = 4;
/// Segments below this size count as equally small.
const SMALLEST: u64 = 64 << 10;

/// A segment's file, named by the log records that it covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentFile {
    pub from: u64,
    pub to: u64,
    pub len: u64,
}

impl SegmentFile {
    fn name(&self) -> String {
        format!("{:016x}-{:016x}.seg", self.from, self.to)
    }

    fn of_path(path: &Path) -> Option<Self> {
        let (from, to) = path.file_name()?.to_str()?.strip_suffix(".seg")?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Self { from: number(from)?, to: number(to)?, len: path.metadata().ok()?.len() })
    }

    /// Each fourfold size is a tier.
    fn tier(&self) -> u32 {
        self.len.max(SMALLEST).ilog2() / 2
    }
}

/// The documents that only the log holds.
#[derive(Default)]
pub(super) struct Pending {
    pub docs: Vec<DocTerms>,
    pub bytes: usize,
    /// Numbers of the first and last log record.
    pub from: u64,
    pub to: u64,
}

impl Pending {
    pub fn add(&mut self, number: u64, docs: Vec<DocTerms>) {
        if self.docs.is_empty() {
            self.from = number;
        }
        self.to = number;
        self.bytes += docs.iter().map(DocTerms::size).sum::<usize>();
        self.docs.extend(docs);
    }
}

#[derive(Default)]
pub(super) struct Account {
    dir: PathBuf,
    pub segments: Vec<SegmentFile>,
    pub pending: Pending,
    /// Unknown until the newest segment was read.
    pub position: Option<ModSeq>,
    /// Which contents are in the index; dropped where memory is needed, read again when asked.
    pub covered: Option<Arc<ContentSet>>,
    /// Something could not be read: the account is to be forgotten and indexed anew.
    pub damaged: AtomicBool,
}

impl Account {
    pub fn new(index: &Path, account: AccountId) -> Self {
        Self { dir: index.join(format!("{:08x}", account.0)), ..Self::default() }
    }

    /// Finds the segments of an account that has a directory.
    pub fn open(dir: &Path) -> Result<Option<(AccountId, Self)>> {
        let id = dir.file_name().and_then(|name| name.to_str());
        let Some(id) = id.and_then(|name| u32::from_str_radix(name, 16).ok()) else {
            return Ok(None);
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(io("listing segments"))? {
            let path = entry.map_err(io("listing segments"))?.path();
            match SegmentFile::of_path(&path) {
                Some(file) => found.push(file),
                None => drop(fs::remove_file(&path)), // half a segment, left by a crash
            }
        }
        let mut account = Self { dir: dir.to_owned(), ..Self::default() };
        // A crash may have come between a merge and the removal of what was merged.
        found.sort_by_key(|file| (file.from, u64::MAX - file.to));
        for file in found {
            if account.segments.last().is_some_and(|last| file.to <= last.to) {
                drop(fs::remove_file(account.path(&file)));
            } else {
                account.segments.push(file);
            }
        }
        Ok(Some((AccountId(id), account)))
    }

    fn path(&self, file: &SegmentFile) -> PathBuf {
        self.dir.join(file.name())
    }

    /// Number of the last log record that is in a segment.
    pub fn covered_records(&self) -> u64 {
        self.segments.last().map_or(0, |file| file.to)
    }

    fn open_segment(&self, file: &SegmentFile) -> Result<Segment> {
        Segment::open(&self.path(file))
    }

    /// Reads which contents are in the index, if that is not known.
    pub fn load(&mut self) -> Result<Arc<ContentSet>> {
        if let Some(covered) = &self.covered {
            return Ok(covered.clone());
        }
        let mut covered: ContentSet = self.pending.docs.iter().map(|doc| doc.content).collect();
        for file in &self.segments {
            let segment = self.open_segment(file)?;
            covered.extend(segment.documents()?.0);
            if Some(file) == self.segments.last() && self.position.is_none() {
                self.position = Some(segment.footer.position);
            }
        }
        let covered = Arc::new(covered);
        self.covered = Some(covered.clone());
        Ok(covered)
    }

    /// Notes documents that are in the log.
    pub fn add(&mut self, number: u64, docs: Vec<DocTerms>, position: ModSeq) {
        if let Some(covered) = &mut self.covered {
            Arc::make_mut(covered).extend(docs.iter().map(|doc| doc.content));
        }
        self.position = Some(position);
        if !docs.is_empty() {
            self.pending.add(number, docs);
        }
    }

    /// What the needle's pieces hit, within either of the groups of parts.
    pub fn search(&self, patterns: &[Pattern], groups: &[&[Part]]) -> Result<Matches> {
        let mut matches = Matches::new(self.covered.clone().unwrap_or_default());
        for file in &self.segments {
            let segment = self.open_segment(file)?;
            let (contents, partial) = segment.documents()?;
            let content = |number: u32| contents.get(number as usize).copied();
            for parts in groups {
                let hits = in_segment(&segment, patterns, parts)?;
                matches.sure.extend(hits.sure.iter().filter_map(content));
                matches.possible.extend(hits.possible.iter().filter_map(content));
            }
            matches.possible.extend(partial.into_iter().filter_map(content));
        }
        for doc in &self.pending.docs {
            for parts in groups {
                match in_document(doc, patterns, parts) {
                    Some(true) => drop(matches.sure.insert(doc.content)),
                    Some(false) => drop(matches.possible.insert(doc.content)),
                    None => {}
                }
            }
        }
        let Matches { sure, possible, .. } = &mut matches;
        possible.subtract(sure);
        Ok(matches)
    }

    /// Writes the pending documents to a segment, which is durable when this returns; to be
    /// followed by [`Self::flushed`].
    pub fn flush(&self) -> Result<Option<SegmentFile>> {
        if self.pending.docs.is_empty() {
            return Ok(None);
        }
        let docs: Vec<_> = self.pending.docs.iter().collect();
        let position = self.position.unwrap_or_default();
        let Pending { from, to, .. } = self.pending;
        self.write(from, to, |path| write::build(path, &docs, position)).map(Some)
    }

    pub fn flushed(&mut self, file: SegmentFile) {
        self.segments.push(file);
        self.pending = Pending::default();
    }

    /// The newest segments, if they are enough of one size to become one.
    pub fn to_merge(&self) -> Option<&[SegmentFile]> {
        let tier = self.segments.last()?.tier();
        let larger = self.segments.iter().rposition(|file| file.tier() > tier);
        let run = &self.segments[larger.map_or(0, |at| at + 1)..];
        (run.len() >= MERGE).then_some(run)
    }

    /// Writes one segment from neighbours; to be followed by [`Self::merged`].
    pub fn merge(
        &self,
        files: &[SegmentFile],
        keep: impl Fn(ContentId) -> bool,
    ) -> Result<Option<SegmentFile>> {
        let (Some(first), Some(last)) = (files.first(), files.last()) else { return Ok(None) };
        let segments: Vec<_> = files.iter().map(|f| self.open_segment(f)).collect::<Result<_>>()?;
        let position = segments.last().map_or(ModSeq(0), |segment| segment.footer.position);
        // One segment cleared of dead documents keeps its range, and a file name of its own.
        self.write(first.from, last.to, |path| write::merge(path, &segments, position, keep))
            .map(Some)
    }

    /// Puts a merged segment in the place of those that it covers.
    pub fn merged(&mut self, file: SegmentFile) {
        let replaced = |old: &SegmentFile| file.from <= old.from && old.to <= file.to;
        let at = self.segments.iter().position(replaced).unwrap_or(self.segments.len());
        for old in self.segments.extract_if(.., |old| replaced(old)) {
            let path = self.dir.join(old.name());
            if old.name() != file.name() {
                // Left over, it is found and removed at the next start.
                let _ = fs::remove_file(path);
            }
        }
        self.segments.insert(at.min(self.segments.len()), file);
    }

    fn write(
        &self,
        from: u64,
        to: u64,
        write: impl FnOnce(&Path) -> Result<u64>,
    ) -> Result<SegmentFile> {
        if !self.dir.exists() {
            fs::create_dir_all(&self.dir).map_err(io("creating a directory"))?;
            sync_parent(&self.dir)?;
        }
        let new = self.dir.join("new");
        let len = write(&new)?;
        let file = SegmentFile { from, to, len };
        let path = self.path(&file);
        fs::rename(&new, &path).map_err(io("naming a segment"))?;
        sync_parent(&path)?;
        Ok(file)
    }

    pub fn remove_files(&self) -> Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io("removing segments")(error))
            }
            _ => Ok(()),
        }
    }

    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

/// Whether one hit of one piece says that the needle is there.
fn is_exact(patterns: &[Pattern]) -> bool {
    matches!(patterns, [one] if !one.piece.begins && !one.piece.ends)
}

fn in_segment(segment: &Segment, patterns: &[Pattern], parts: &[Part]) -> Result<Hits> {
    let mut all: Option<Hits> = None;
    for pattern in patterns {
        let mut hits = segment.search(pattern, parts)?;
        if is_exact(patterns) {
            return Ok(hits);
        }
        hits.possible.union(&hits.sure);
        hits.sure.clear();
        if let Some(all) = &all {
            hits.possible.intersect(&all.possible);
        }
        let few = hits.possible.count() <= FEW;
        all = Some(hits);
        if few {
            break;
        }
    }
    // A needle of white space only: it may be anywhere.
    Ok(all.unwrap_or_else(|| Hits::all_possible(segment.footer.total)))
}

/// So few possible hits are sooner read than narrowed further.
const FEW: u32 = 4;

/// `Some(true)` if the needle is in the document, `Some(false)` if it may be.
fn in_document(doc: &DocTerms, patterns: &[Pattern], parts: &[Part]) -> Option<bool> {
    let in_words = |pattern: &Pattern| parts.iter().any(|part| pattern.is_in_words(doc, *part));
    let in_grams = |pattern: &Pattern| parts.iter().any(|part| pattern.may_be_in_grams(doc, *part));
    if let [one] = patterns
        && is_exact(patterns)
        && (in_words(one) || one.grams_are_exact() && in_grams(one))
    {
        return Some(true);
    }
    let possible = patterns.iter().all(|pattern| in_words(pattern) || in_grams(pattern));
    (possible || doc.partial).then_some(false)
}
