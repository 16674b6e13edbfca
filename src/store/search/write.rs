//! Writes segments: from documents, and from segments that are merged.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use smallvec::SmallVec;

use super::codec::{Error, Result, checksum, io, put, put_bytes};
use super::segment::{Block, Documents, Footer, List, Lists, MAGIC, Segment, Span, signature};
use super::terms::{DocTerms, MARK, SECTIONS, Section, Seeded};
use crate::base::id::{ContentId, ModSeq};

/// A block ends when its words or its lists reach so many bytes: small enough that a hit costs
/// little to read, large enough to compress.
const BLOCK_WORDS: usize = 16 << 10;
const BLOCK_LISTS: usize = 64 << 10;

/// Writes the terms of `docs` as a segment; durable when this returns.
pub(super) fn build(path: &Path, docs: &[&DocTerms], position: ModSeq) -> Result<u64> {
    let documents: Vec<_> = docs.iter().map(|doc| (doc.content, doc.partial)).collect();
    let mut writer = SegmentWriter::create(path, &documents, position)?;
    for section in (0..SECTIONS as u8).map(Section) {
        let mut lists: HashMap<&[u8], SmallVec<[u32; 4]>, _> = HashMap::with_hasher(Seeded::new());
        for (number, doc) in (0..).zip(docs) {
            for term in doc.terms(section) {
                let list = lists.entry(term).or_default();
                // Two pairs of long words may be cut to the same term.
                if list.last() != Some(&number) {
                    list.push(number);
                }
            }
        }
        let mut terms: Vec<_> = lists.into_iter().collect();
        terms.sort_unstable_by_key(|(term, _)| *term);
        for (term, list) in &terms {
            writer.push(section, term, list)?;
        }
    }
    writer.finish()
}

/// Writes one segment from several, in their order, without the contents that `keep` denies.
pub(super) fn merge(
    path: &Path,
    segments: &[Segment],
    position: ModSeq,
    keep: impl Fn(ContentId) -> bool,
) -> Result<u64> {
    let mut documents = Vec::new();
    let mut cursors = Vec::new();
    for segment in segments {
        let Documents { contents, partial } = segment.documents()?;
        let mut numbers = Vec::with_capacity(contents.len());
        for (number, &content) in (0..).zip(contents) {
            let kept = keep(content).then_some(documents.len() as u32);
            numbers.push(kept);
            if kept.is_some() {
                documents.push((content, partial.binary_search(&number).is_ok()));
            }
        }
        cursors.push(Cursor::new(segment, numbers));
    }
    let mut writer = SegmentWriter::create(path, &documents, position)?;
    for cursor in &mut cursors {
        cursor.advance()?;
    }
    let mut list = Vec::new();
    while let Some((section, term)) = cursors.iter().filter_map(Cursor::head).min() {
        let term = term.to_vec();
        list.clear();
        for cursor in &mut cursors {
            if cursor.head() == Some((section, &term[..])) {
                cursor.take(&mut list)?;
            }
        }
        writer.push(section, &term, &list)?;
    }
    writer.finish()
}

/// Walks the terms of a segment in order.
struct Cursor<'a> {
    segment: &'a Segment,
    /// The new number of each document, if it is kept.
    numbers: Vec<Option<u32>>,
    next_block: usize,
    section: Section,
    words: Vec<u8>,
    /// Where in `words` the current term begins and ends; both 0 before the first.
    term: (usize, usize),
    /// The documents of the block's terms, renumbered, and where each term's end.
    docs: Vec<u32>,
    ends: Vec<usize>,
    at: usize,
    done: bool,
}

impl<'a> Cursor<'a> {
    fn new(segment: &'a Segment, numbers: Vec<Option<u32>>) -> Self {
        Self {
            segment,
            numbers,
            next_block: 0,
            section: Section(0),
            words: Vec::new(),
            term: (0, 0),
            docs: Vec::new(),
            ends: Vec::new(),
            at: 0,
            done: false,
        }
    }

    fn head(&self) -> Option<(Section, &[u8])> {
        (!self.done).then(|| (self.section, &self.words[self.term.0..self.term.1]))
    }

    /// Appends the documents of the current term and goes on to the next.
    fn take(&mut self, out: &mut Vec<u32>) -> Result<()> {
        let start = if self.at == 0 { 0 } else { self.ends[self.at - 1] };
        out.extend_from_slice(&self.docs[start..self.ends[self.at]]);
        self.at += 1;
        self.advance()
    }

    /// Finds the end of the term that begins behind the last one, or loads the next block.
    fn advance(&mut self) -> Result<()> {
        loop {
            let start = if self.words.is_empty() { 0 } else { self.term.1 + 1 };
            if self.at < self.ends.len() {
                let rest = self.words.get(start..).unwrap_or(&[]);
                let len = memchr::memchr(MARK, rest).ok_or(Error::Damaged("words"))?;
                self.term = (start, start + len);
                return Ok(());
            }
            if !self.load()? {
                self.done = true;
                return Ok(());
            }
        }
    }

    fn load(&mut self) -> Result<bool> {
        let Some(block) = self.segment.footer.blocks.get(self.next_block) else {
            return Ok(false);
        };
        self.next_block += 1;
        self.section = block.section;
        self.segment.words(block, &mut self.words)?;
        self.term = (0, 0);
        self.docs.clear();
        self.ends.clear();
        self.at = 0;
        let mut bytes = Vec::new();
        self.segment.read(block.lists, "lists", &mut bytes)?;
        for list in Lists::new(&bytes, block.terms)? {
            let (numbers, docs) = (&self.numbers, &mut self.docs);
            list?.decode(self.segment.footer.total, |doc| {
                docs.extend(numbers.get(doc as usize).copied().flatten());
            })?;
            self.ends.push(self.docs.len());
        }
        Ok(true)
    }
}

/// Takes terms in order of section and bytes, and writes blocks as they fill.
struct SegmentWriter {
    file: BufWriter<File>,
    written: u64,
    footer: Footer,
    signatures: Vec<u8>,
    section: Section,
    words: Vec<u8>,
    counts: Vec<u8>,
    lists: Vec<u8>,
    terms: u32,
}

impl SegmentWriter {
    fn create(path: &Path, documents: &[(ContentId, bool)], position: ModSeq) -> Result<Self> {
        let file = File::create(path).map_err(io("creating a segment"))?;
        let mut writer = Self {
            file: BufWriter::with_capacity(256 << 10, file),
            written: 0,
            footer: Footer { position, total: documents.len() as u32, ..Footer::default() },
            signatures: Vec::new(),
            section: Section(0),
            words: vec![MARK],
            counts: Vec::new(),
            lists: Vec::new(),
            terms: 0,
        };
        let (mut bytes, mut last) = (Vec::new(), 0_u64);
        for (content, _) in documents {
            let step = content.0.wrapping_sub(last) as i64;
            put(&mut bytes, (step << 1 ^ step >> 63) as u64);
            last = content.0;
        }
        for (number, _) in (0..).zip(documents).filter(|(_, (_, partial))| *partial) {
            put(&mut bytes, number);
        }
        writer.footer.documents = writer.write(&bytes)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Span> {
        self.file.write_all(bytes).map_err(io("writing a segment"))?;
        let len = bytes.len() as u32;
        let span = Span { offset: self.written, len, checksum: checksum(bytes) };
        self.written += u64::from(len);
        Ok(span)
    }

    fn push(&mut self, section: Section, term: &[u8], docs: &[u32]) -> Result<()> {
        if docs.is_empty() {
            return Ok(());
        }
        let full = self.words.len() >= BLOCK_WORDS || self.lists.len() >= BLOCK_LISTS;
        if section != self.section || full {
            self.end_block()?;
            self.section = section;
        }
        self.words.extend_from_slice(term);
        self.words.push(MARK);
        List::encode(docs, self.footer.total, &mut self.counts, &mut self.lists);
        self.terms += 1;
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        if self.terms == 0 {
            return Ok(());
        }
        let raw = std::mem::replace(&mut self.words, vec![MARK]);
        let packed = lz4_flex::block::compress(&raw);
        let stored = if packed.len() < raw.len() { &packed } else { &raw };
        let words = self.write(stored)?;
        let mut lists = Vec::with_capacity(self.counts.len() + self.lists.len() + 4);
        put_bytes(&mut lists, &self.counts);
        lists.append(&mut self.lists);
        let lists = self.write(&lists)?;
        let signature = signature(&raw);
        let first = raw[1..].split(|&byte| byte == MARK).next().unwrap_or_default();
        self.footer.blocks.push(Block {
            section: self.section,
            terms: self.terms,
            words,
            raw_len: raw.len() as u32,
            lists,
            signature: (self.signatures.len() as u32, signature.len() as u32),
            first: first.into(),
        });
        self.signatures.extend_from_slice(&signature);
        self.counts.clear();
        self.terms = 0;
        Ok(())
    }

    /// Ends the file and syncs it; its length.
    fn finish(mut self) -> Result<u64> {
        self.end_block()?;
        let signatures = std::mem::take(&mut self.signatures);
        self.footer.signatures = self.write(&signatures)?;
        let footer = self.footer.encode();
        let span = self.write(&footer)?;
        let mut trailer = Vec::new();
        for number in [span.offset, span.len.into(), span.checksum] {
            trailer.extend_from_slice(&number.to_le_bytes());
        }
        trailer.extend_from_slice(MAGIC);
        self.write(&trailer)?;
        let file = self.file.into_inner().map_err(|error| error.into_error());
        let file = file.map_err(io("writing a segment"))?;
        file.sync_all().map_err(io("syncing a segment"))?;
        Ok(self.written)
    }
}
