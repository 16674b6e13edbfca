//! A segment: an immutable file with the terms of some documents of one account.
//!
//! ```text
//! blocks      words between marks (LZ4) | counts and lengths | posting lists
//! documents   content ids; which documents are partial
//! signatures  a bit set of byte triples for each block
//! footer      what is where, with checksums, and the first term of each block
//! trailer     place and checksum of the footer, version
//! ```
//!
//! A search reads the signatures, and then of each block that may hold the needle the words; only
//! where they do, the lists. Footer, documents and signatures of the segments that were searched
//! last stay in memory ([`super::heads`]).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use memchr::memmem;

use super::codec::{Error, Reader, Result, checksum, io, put, put_bytes};
use super::plan::{Kind, Pattern, bounded, grams_are_exact};
use super::postings::{self, Bits};
use super::terms::{MARK, Part, SECTIONS, Section};
use super::text::Form;
use crate::base::id::{ContentId, ModSeq};

/// Ends each file; the number is the format's version.
pub(super) const MAGIC: &[u8; 8] = b"ktsearc1";
/// Footer's offset, length and checksum, and the magic.
pub(super) const TRAILER: usize = 32;

/// A stretch of the file.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Span {
    pub offset: u64,
    pub len: u32,
    pub checksum: u64,
}

/// What the footer says of a block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub section: Section,
    pub terms: u32,
    pub words: Span,
    /// Length of the words before compression; the same as stored: not compressed.
    pub raw_len: u32,
    /// Counts and lengths, then the lists.
    pub lists: Span,
    /// Place and length of its signature among the signatures.
    pub signature: (u32, u32),
    pub first: Box<[u8]>,
}

#[derive(Default, Debug)]
pub(super) struct Footer {
    /// How far the account was indexed with this segment.
    pub position: ModSeq,
    pub total: u32,
    pub documents: Span,
    pub signatures: Span,
    pub blocks: Vec<Block>,
}

impl Span {
    fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.offset);
        put(out, self.len.into());
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    fn decode(reader: &mut Reader) -> Result<Self> {
        Ok(Self { offset: reader.varint()?, len: reader.number()?, checksum: reader.fixed_u64()? })
    }
}

impl Footer {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.position.0);
        put(&mut out, self.total.into());
        self.documents.encode(&mut out);
        self.signatures.encode(&mut out);
        put(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            out.push(block.section.0);
            put(&mut out, block.terms.into());
            block.words.encode(&mut out);
            put(&mut out, block.raw_len.into());
            block.lists.encode(&mut out);
            put(&mut out, block.signature.0.into());
            put(&mut out, block.signature.1.into());
            put_bytes(&mut out, &block.first);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let reader = &mut Reader::new(bytes, "footer");
        let mut footer = Self {
            position: ModSeq(reader.varint()?),
            total: reader.number()?,
            documents: Span::decode(reader)?,
            signatures: Span::decode(reader)?,
            blocks: Vec::new(),
        };
        for _ in 0..reader.varint()? {
            footer.blocks.push(Block {
                section: Section(reader.take(1)?[0]),
                terms: reader.number()?,
                words: Span::decode(reader)?,
                raw_len: reader.number()?,
                lists: Span::decode(reader)?,
                signature: (reader.number()?, reader.number()?),
                first: reader.bytes()?.into(),
            });
        }
        Ok(footer)
    }
}

/// An open segment.
pub(super) struct Segment {
    file: File,
    pub footer: Footer,
    documents: OnceLock<Documents>,
    signatures: OnceLock<Vec<u8>>,
}

/// What a segment is about.
pub(super) struct Documents {
    /// In the order of their numbers.
    pub contents: Vec<ContentId>,
    /// Numbers of those that were too large to be kept whole.
    pub partial: Vec<u32>,
}

/// The hits of one pattern in one segment.
pub(super) struct Hits {
    pub sure: Bits,
    pub possible: Bits,
}

impl Hits {
    pub fn none(total: u32) -> Self {
        Self { sure: Bits::none(total), possible: Bits::none(total) }
    }

    pub fn all_possible(total: u32) -> Self {
        let mut hits = Self::none(total);
        hits.possible.insert_missing(&hits.sure);
        hits
    }

    /// Sure and possible ones together.
    pub fn merged(mut self) -> Bits {
        self.possible.union(&self.sure);
        self.possible
    }
}

impl Segment {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(io("opening a segment"))?;
        let len = file.metadata().map_err(io("opening a segment"))?.len();
        let start = len.checked_sub(TRAILER as u64).ok_or(Error::Damaged("segment's length"))?;
        let mut trailer = [0; TRAILER];
        file.read_exact_at(&mut trailer, start).map_err(io("reading a trailer"))?;
        let reader = &mut Reader::new(&trailer, "trailer");
        let (offset, footer_len) = (reader.fixed_u64()?, reader.fixed_u64()?);
        let sum = reader.fixed_u64()?;
        if reader.take(8)? != MAGIC || offset.checked_add(footer_len) != Some(start) {
            return Err(Error::Damaged("trailer"));
        }
        let mut bytes = vec![0; footer_len as usize];
        file.read_exact_at(&mut bytes, offset).map_err(io("reading a footer"))?;
        if checksum(&bytes) != sum {
            return Err(Error::Damaged("footer"));
        }
        let footer = Footer::decode(&bytes)?;
        Ok(Self { file, footer, documents: OnceLock::new(), signatures: OnceLock::new() })
    }

    /// Bytes in memory once everything but the blocks was read.
    pub fn weight(&self) -> usize {
        let firsts: usize = self.footer.blocks.iter().map(|block| block.first.len()).sum();
        let blocks = self.footer.blocks.len() * size_of::<Block>() + firsts;
        let documents = self.footer.total as usize * size_of::<ContentId>();
        blocks + documents + self.footer.signatures.len as usize
    }

    pub fn read(&self, span: Span, what: &'static str, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.resize(span.len as usize, 0);
        self.file.read_exact_at(out, span.offset).map_err(io("reading a segment"))?;
        if checksum(out) == span.checksum { Ok(()) } else { Err(Error::Damaged(what)) }
    }

    pub fn documents(&self) -> Result<&Documents> {
        match self.documents.get() {
            Some(documents) => Ok(documents),
            None => {
                let read = self.read_documents()?;
                Ok(self.documents.get_or_init(|| read))
            }
        }
    }

    fn signatures(&self) -> Result<&[u8]> {
        match self.signatures.get() {
            Some(signatures) => Ok(signatures),
            None => {
                let mut read = Vec::new();
                self.read(self.footer.signatures, "signatures", &mut read)?;
                Ok(self.signatures.get_or_init(|| read))
            }
        }
    }

    fn read_documents(&self) -> Result<Documents> {
        let mut bytes = Vec::new();
        self.read(self.footer.documents, "documents", &mut bytes)?;
        let reader = &mut Reader::new(&bytes, "documents");
        let (mut contents, mut partial, mut last) = (Vec::new(), Vec::new(), 0_u64);
        for _ in 0..self.footer.total {
            let step = reader.varint()?;
            last = last.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
            contents.push(ContentId(last));
        }
        while !reader.is_empty() {
            partial.push(reader.number()?);
        }
        Ok(Documents { contents, partial })
    }

    /// The words of a block between marks.
    pub fn words(&self, block: &Block, out: &mut Vec<u8>) -> Result<()> {
        self.read(block.words, "words", out)?;
        if block.raw_len != block.words.len {
            let raw = lz4_flex::block::decompress(out, block.raw_len as usize);
            *out = raw.map_err(|_| Error::Damaged("words"))?;
        }
        if out.first() == Some(&MARK) && out.last() == Some(&MARK) {
            Ok(())
        } else {
            Err(Error::Damaged("words"))
        }
    }

    /// Looks for a pattern in some parts of the messages.
    pub fn search(&self, pattern: &Pattern, parts: &[Part]) -> Result<Hits> {
        let total = self.footer.total;
        let mut hits = Hits::none(total);
        let signatures = self.signatures()?;
        let mut scan = Scan { segment: self, signatures, words: Vec::new(), lists: Vec::new() };
        for &part in parts {
            let sure = &mut hits.sure;
            match &pattern.kind {
                Kind::Pair => {
                    let pairs = Section::new(part, Form::Pairs);
                    scan.find(pairs, &pattern.bytes, &pattern.finder, NEARLY_ALL, sure)?;
                }
                Kind::Word { text, grams } => {
                    let whole = Section::new(part, Form::Whole);
                    scan.find(whole, &pattern.bytes, &pattern.finder, NEARLY_ALL, sure)?;
                    let kept = Section::new(part, Form::Grams);
                    if grams_are_exact(text, grams) {
                        let finder = memmem::Finder::new(text);
                        scan.find(kept, text.as_bytes(), &finder, NEARLY_ALL, sure)?;
                    } else {
                        hits.possible.union(&scan.all_grams(kept, grams)?);
                    }
                }
            }
            if hits.sure.missing() <= total / NEARLY_ALL {
                hits.possible.insert_missing(&hits.sure);
                break;
            }
        }
        Ok(hits)
    }
}

/// Once all documents but one in so many are hits, the rest count as possible: to read these few
/// costs less than to go through the thousands of words with an `e` that are left.
const NEARLY_ALL: u32 = 1024;

/// One search in one segment, with its buffers.
struct Scan<'a> {
    segment: &'a Segment,
    signatures: &'a [u8],
    words: Vec<u8>,
    lists: Vec<u8>,
}

impl Scan<'_> {
    /// Adds the documents of all terms of a section that fit, until all documents but one in
    /// `nearly` are found.
    fn find(
        &mut self,
        section: Section,
        pattern: &[u8],
        finder: &memmem::Finder,
        nearly: u32,
        found: &mut Bits,
    ) -> Result<()> {
        let segment = self.segment;
        let blocks = candidates(&segment.footer.blocks, section, pattern);
        let mut blocks: Vec<_> = blocks.iter().collect();
        // The words with the most documents first: then all are found soon, if they are.
        blocks.sort_by_key(|block| u32::MAX - block.lists.len);
        let probe = Probe::of(pattern);
        for block in blocks {
            if !probe.may_be_in(self.signature(block)?) {
                continue;
            }
            segment.words(block, &mut self.words)?;
            let hits = fitting(&self.words, finder);
            if !hits.is_empty() {
                self.add_lists(block, &hits, found)?;
                if found.missing() <= segment.footer.total / nearly {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The documents that have all the grams.
    fn all_grams(&mut self, section: Section, grams: &[&str]) -> Result<Bits> {
        let total = self.segment.footer.total;
        let mut all: Option<Bits> = None;
        if candidates(&self.segment.footer.blocks, section, b"").is_empty() {
            return Ok(Bits::none(total));
        }
        for gram in grams {
            let pattern = bounded([gram], true, true);
            let mut found = Bits::none(total);
            let finder = memmem::Finder::new(&pattern);
            self.find(section, &pattern, &finder, u32::MAX, &mut found)?;
            if let Some(all) = &all {
                found.intersect(all);
            }
            if found.is_empty() {
                return Ok(found);
            }
            all = Some(found);
        }
        Ok(all.unwrap_or_else(|| Bits::none(total)))
    }

    fn signature(&self, block: &Block) -> Result<&[u8]> {
        let (start, len) = (block.signature.0 as usize, block.signature.1 as usize);
        let end = start.checked_add(len).ok_or(Error::Damaged("signature"))?;
        self.signatures.get(start..end).ok_or(Error::Damaged("signature"))
    }

    /// Adds the documents of the terms with these numbers, which rise.
    fn add_lists(&mut self, block: &Block, terms: &[u32], found: &mut Bits) -> Result<()> {
        self.segment.read(block.lists, "lists", &mut self.lists)?;
        let mut lists = Lists::new(&self.lists, block.terms)?;
        let mut next = 0;
        for &term in terms {
            let Some(list) = lists.nth(term - next) else { return Err(Error::Damaged("lists")) };
            next = term + 1;
            list?.insert_into(found)?;
        }
        Ok(())
    }
}

/// The blocks of a section that may hold the pattern, judged by their first terms.
fn candidates<'a>(blocks: &'a [Block], section: Section, pattern: &[u8]) -> &'a [Block] {
    let start = blocks.partition_point(|block| block.section < section);
    let end = blocks.partition_point(|block| block.section <= section);
    let blocks = &blocks[start..end.max(start)];
    // Words are in order, so one whose beginning is known can be in few blocks only.
    let [MARK, prefix @ ..] = pattern else { return blocks };
    let prefix = prefix.strip_suffix(&[MARK]).unwrap_or(prefix);
    let start = blocks.partition_point(|block| &*block.first < prefix).saturating_sub(1);
    let end = blocks.partition_point(|block| {
        let len = block.first.len().min(prefix.len());
        &block.first[..len] <= prefix
    });
    &blocks[start..end.max(start)]
}

/// The numbers of the words in which the finder's pattern occurs.
fn fitting(words: &[u8], finder: &memmem::Finder) -> Vec<u32> {
    let mut hits = Vec::new();
    // `term` is the number of the word that begins behind the mark at `mark`.
    let (mut term, mut mark) = (0_u32, 0);
    while let Some(found) = words.get(mark..).and_then(|rest| finder.find(rest)) {
        // The mark itself may be the pattern's first byte.
        let inside = (mark + found + 1).min(words.len());
        term += memchr::memchr_iter(MARK, &words[mark + 1..inside]).count() as u32;
        let Some(end) = memchr::memchr(MARK, &words[inside..]) else { break };
        hits.push(term);
        term += 1;
        mark = inside + end;
    }
    hits
}

/// The posting lists of a block, one after the other.
pub(super) struct Lists<'a> {
    counts: Reader<'a>,
    lists: Reader<'a>,
    left: u32,
}

pub(super) struct List<'a> {
    pub count: u32,
    bytes: &'a [u8],
    /// The one document of a list of one.
    only: u32,
}

impl<'a> Lists<'a> {
    pub fn new(bytes: &'a [u8], terms: u32) -> Result<Self> {
        let mut lists = Reader::new(bytes, "lists");
        let counts = Reader::new(lists.bytes()?, "lists");
        Ok(Self { counts, lists, left: terms })
    }

    fn read(&mut self) -> Result<List<'a>> {
        let count = self.counts.number()?;
        let number: u32 = self.counts.number()?;
        if count == 1 {
            return Ok(List { count, bytes: &[], only: number });
        }
        Ok(List { count, bytes: self.lists.take(number as usize)?, only: 0 })
    }

    /// Skips `skip` lists and reads the next.
    fn nth(&mut self, skip: u32) -> Option<Result<List<'a>>> {
        for _ in 0..skip {
            if let Err(error) = self.next()? {
                return Some(Err(error));
            }
        }
        self.next()
    }
}

impl<'a> Iterator for Lists<'a> {
    type Item = Result<List<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.read())
    }
}

impl List<'_> {
    /// What [`Lists`] reads: a count, and the document or the length of the list's code.
    pub fn encode(docs: &[u32], total: u32, counts: &mut Vec<u8>, lists: &mut Vec<u8>) {
        put(counts, docs.len() as u64);
        if let [only] = docs {
            put(counts, u64::from(*only));
        } else {
            let start = lists.len();
            postings::encode(docs, total, lists);
            put(counts, (lists.len() - start) as u64);
        }
    }

    pub fn insert_into(&self, found: &mut Bits) -> Result<()> {
        if self.count == 1 {
            found.insert(self.only);
            return Ok(());
        }
        found.insert_list(self.bytes, self.count)
    }

    pub fn decode(&self, total: u32, mut found: impl FnMut(u32)) -> Result<()> {
        if self.count == 1 {
            found(self.only);
            return Ok(());
        }
        postings::decode(self.bytes, self.count, total, found)
    }
}

/// Largest signature: 2^15 bits.
const SIGNATURE_BITS: u32 = 15;
/// Smallest: 2^9 bits.
const SIGNATURE_MIN: u32 = 9;

fn triple_hash(triple: [u8; 3]) -> u32 {
    let [a, b, c] = triple.map(u32::from);
    (a | b << 8 | c << 16).wrapping_mul(0x9e37_79b1) >> (32 - SIGNATURE_BITS)
}

/// A bit for each three bytes in a row, marks at either end of a word included; just large enough
/// to stay half empty.
pub(super) fn signature(words: &[u8]) -> Vec<u8> {
    let mut bits = vec![0_u64; 1 << (SIGNATURE_BITS - 6)];
    for triple in words.array_windows::<3>().filter(|triple| triple[1] != MARK) {
        let hash = triple_hash(*triple);
        bits[hash as usize / 64] |= 1 << (hash % 64);
    }
    let set = |bits: &[u64]| bits.iter().map(|word| word.count_ones() as usize).sum::<usize>();
    while bits.len() > 1 << (SIGNATURE_MIN - 6) && set(&bits) * 4 <= bits.len() * 64 {
        // Without the hash's last bit two neighbours are one.
        bits = bits.chunks_exact(2).map(|two| fold(two[0]) | fold(two[1]) << 32).collect();
    }
    bits.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Ors each two neighbouring bits, into the lower half.
fn fold(bits: u64) -> u64 {
    let mut bits = (bits | bits >> 1) & 0x5555_5555_5555_5555;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) & 0xffff_ffff
}

/// The bits that a pattern needs in a signature.
struct Probe(Vec<u32>);

impl Probe {
    fn of(pattern: &[u8]) -> Self {
        Self(pattern.array_windows::<3>().map(|triple| triple_hash(*triple)).collect())
    }

    fn may_be_in(&self, signature: &[u8]) -> bool {
        let log = (signature.len() as u64 * 8).checked_ilog2().unwrap_or(SIGNATURE_BITS);
        let shift = SIGNATURE_BITS.saturating_sub(log);
        self.0.iter().all(|hash| {
            let at = hash >> shift;
            signature.get(at as usize / 8).is_none_or(|byte| byte >> (at % 8) & 1 == 1)
        })
    }
}

const _: () = assert!(SECTIONS < 256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_words_by_number() {
        let words = b"\nant\nbantam\ncat\ntan\n";
        let fit = |pattern: &[u8]| fitting(words, &memmem::Finder::new(pattern));
        assert_eq!(fit(b"an"), [0, 1, 3]);
        assert_eq!(fit(b"a"), [0, 1, 2, 3]);
        assert_eq!(fit(b"\ncat\n"), [2]);
        assert_eq!(fit(b"\nant"), [0]);
        assert_eq!(fit(b"an\n"), [3]);
        assert_eq!(fit(b"t\n"), [0, 2]);
        assert_eq!(fit(b"\nt"), [3]);
        assert_eq!(fit(b"x"), [] as [u32; 0]);
        assert_eq!(fitting(b"\na\nb\n", &memmem::Finder::new(b"\nb\n")), [1]);
    }

    #[test]
    fn signatures_hold_what_is_there() {
        let words = b"\nant\nbantam\ncat\n";
        let signature = signature(words);
        assert_eq!(signature.len(), 64);
        for there in [&b"ant"[..], b"\nban", b"tam\n", b"\ncat\n", b"a", b"am"] {
            assert!(Probe::of(there).may_be_in(&signature), "{there:?}");
        }
        assert!(!Probe::of(b"zirconium").may_be_in(&signature));
        assert!(Probe::of(b"zirconium").may_be_in(b""));
    }

    #[test]
    fn a_known_beginning_narrows_the_blocks() {
        let block = |section, first: &str| Block {
            section: Section(section),
            terms: 1,
            words: Span::default(),
            raw_len: 0,
            lists: Span::default(),
            signature: (0, 0),
            first: first.as_bytes().into(),
        };
        let blocks =
            [block(0, "a"), block(1, "b"), block(1, "dog"), block(1, "dogma"), block(2, "a")];
        let firsts = |pattern: &[u8]| -> Vec<String> {
            let found = candidates(&blocks, Section(1), pattern).iter();
            found.map(|block| String::from_utf8_lossy(&block.first).into_owned()).collect()
        };
        assert_eq!(firsts(b"og"), ["b", "dog", "dogma"]);
        assert_eq!(firsts(b"\ndog"), ["b", "dog", "dogma"]);
        assert_eq!(firsts(b"\ncat\n"), ["b"]);
        assert_eq!(firsts(b"\ndogs\n"), ["dogma"]);
        assert!(firsts(b"\na").is_empty());
        assert!(candidates(&blocks, Section(9), b"a").is_empty());
    }
}
