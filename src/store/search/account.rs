//! The index of one account: its segments, and the documents that no segment holds yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::codec::{Result, io};
use super::content_set::ContentSet;
use super::heads::Heads;
use super::matches::Matches;
use super::pending::sync_parent;
use super::plan::{Group, Plan};
use super::segment::{Documents, Segment};
use super::terms::DocTerms;
use super::write;
use crate::base::id::{AccountId, ContentId, ModSeq};

/// So many neighbouring segments of about one size become one. A posting is then written once for
/// each eightfold growth, and a search opens some four segments for each.
const MERGE: usize = 8;
/// Segments below this size count as equally small.
const SMALLEST: u64 = 64 << 10;

/// A segment's file, named by the first and last addition that it holds.
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

    /// Each eightfold size is a tier.
    fn tier(&self) -> u32 {
        (self.len.max(SMALLEST) / SMALLEST).ilog2() / 3
    }
}

/// The documents that no segment holds yet.
#[derive(Default)]
pub(super) struct Pending {
    pub docs: Vec<DocTerms>,
    pub bytes: usize,
    /// Numbers of the first and last addition.
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

/// Where an account's segments are. Only the writer makes and removes them, so it needs no lock
/// to read or merge some.
#[derive(Clone, Default)]
pub(super) struct Place(PathBuf);

#[derive(Default)]
pub(super) struct Account {
    pub place: Place,
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
        Self { place: Place(index.join(format!("{:08x}", account.0))), ..Self::default() }
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
        let mut account = Self { place: Place(dir.to_owned()), ..Self::default() };
        // A crash may have come between a merge and the removal of what was merged.
        found.sort_by_key(|file| (file.from, u64::MAX - file.to));
        for file in found {
            if account.segments.last().is_some_and(|last| file.to <= last.to) {
                drop(fs::remove_file(account.place.path(&file)));
            } else {
                account.segments.push(file);
            }
        }
        Ok(Some((AccountId(id), account)))
    }

    /// Number of the last addition that is in a segment.
    pub fn written(&self) -> u64 {
        self.segments.last().map_or(0, |file| file.to)
    }

    /// Reads which contents are in the index, if that is not known.
    pub fn load(&mut self) -> Result<Arc<ContentSet>> {
        if let Some(covered) = &self.covered {
            return Ok(covered.clone());
        }
        let mut covered: ContentSet = self.pending.docs.iter().map(|doc| doc.content).collect();
        for file in &self.segments {
            let segment = self.place.open(file)?;
            covered.extend(segment.documents()?.contents.iter().copied());
            if Some(file) == self.segments.last() && self.position.is_none() {
                self.position = Some(segment.footer.position);
            }
        }
        let covered = Arc::new(covered);
        self.covered = Some(covered.clone());
        Ok(covered)
    }

    /// Takes in documents.
    pub fn add(&mut self, number: u64, docs: Vec<DocTerms>, position: ModSeq) {
        if let Some(covered) = &mut self.covered {
            Arc::make_mut(covered).extend(docs.iter().map(|doc| doc.content));
        }
        self.position = Some(position);
        if !docs.is_empty() {
            self.pending.add(number, docs);
        }
    }

    /// What the plan hits, within either of the groups of parts.
    pub fn search(&self, heads: &Heads, plan: &Plan, groups: &[Group]) -> Result<Matches> {
        let mut matches = Matches::new(self.covered.clone().unwrap_or_default());
        for file in &self.segments {
            let segment = heads.open(&self.place.path(file))?;
            let Documents { contents, partial } = segment.documents()?;
            let content = |number: u32| contents.get(number as usize).copied();
            for group in groups {
                let hits = plan.find_in_segment(&segment, group)?;
                matches.sure.extend(hits.sure.iter().filter_map(content));
                matches.possible.extend(hits.possible.iter().filter_map(content));
            }
            matches.possible.extend(partial.iter().copied().filter_map(content));
        }
        for doc in &self.pending.docs {
            for group in groups {
                match plan.find_in_document(doc, group) {
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
        self.place.write(from, to, |path| write::build(path, &docs, position)).map(Some)
    }

    pub fn flushed(&mut self, file: SegmentFile) {
        self.segments.push(file);
        self.pending = Pending::default();
    }

    /// Puts a merged segment in the place of those that it covers.
    pub fn merged(&mut self, file: SegmentFile) {
        let replaced = |old: &SegmentFile| file.from <= old.from && old.to <= file.to;
        let at = self.segments.iter().position(replaced).unwrap_or(self.segments.len());
        for old in self.segments.extract_if(.., |old| replaced(old)) {
            // One that is only cleared of dead documents keeps its name.
            if old.name() != file.name() {
                // Left over, it is found and removed at the next start.
                let _ = fs::remove_file(self.place.path(&old));
            }
        }
        self.segments.insert(at.min(self.segments.len()), file);
    }

    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

/// The newest segments, if they are enough of one size to become one.
pub(super) fn due(files: &[SegmentFile]) -> &[SegmentFile] {
    let tier = files.last().map_or(0, SegmentFile::tier);
    let larger = files.iter().rposition(|file| file.tier() > tier);
    let run = &files[larger.map_or(0, |at| at + 1)..];
    if run.len() >= MERGE { run } else { &[] }
}

impl Place {
    fn path(&self, file: &SegmentFile) -> PathBuf {
        self.0.join(file.name())
    }

    fn open(&self, file: &SegmentFile) -> Result<Segment> {
        Segment::open(&self.path(file))
    }

    /// Writes one segment from neighbours; to be followed by [`Account::merged`].
    pub fn merge(
        &self,
        files: &[SegmentFile],
        keep: impl Fn(ContentId) -> bool,
    ) -> Result<Option<SegmentFile>> {
        let (Some(first), Some(last)) = (files.first(), files.last()) else { return Ok(None) };
        let segments: Vec<_> = files.iter().map(|file| self.open(file)).collect::<Result<_>>()?;
        let position = segments.last().map_or(ModSeq(0), |segment| segment.footer.position);
        self.write(first.from, last.to, |path| write::merge(path, &segments, position, keep))
            .map(Some)
    }

    /// Has a segment written, and gives it its name once it is whole.
    fn write(
        &self,
        from: u64,
        to: u64,
        write: impl FnOnce(&Path) -> Result<u64>,
    ) -> Result<SegmentFile> {
        if !self.0.exists() {
            fs::create_dir_all(&self.0).map_err(io("creating a directory"))?;
            sync_parent(&self.0)?;
        }
        let new = self.0.join("new");
        let len = write(&new).inspect_err(|_| {
            // On a full disk half a segment only takes room. It is never read.
            let _ = fs::remove_file(&new);
        })?;
        let file = SegmentFile { from, to, len };
        let path = self.path(&file);
        fs::rename(&new, &path).map_err(io("naming a segment"))?;
        sync_parent(&path)?;
        Ok(file)
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Removes all segments.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io("removing segments")(error))
            }
            _ => Ok(()),
        }
    }
}
