//! The terms of one document: its distinct words and grams, by the part of the message in which
//! they stand.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};

use memchr::memmem;
use twox_hash::XxHash3_64;

use super::codec::{Reader, Result, put, put_bytes};
use super::text::{Form, Piece, form, grams, normalise};
use crate::base::id::ContentId;

/// A document for the index: a content and its texts, decoded but otherwise as they came.
#[derive(Clone, Copy, Debug)]
pub struct Doc<'a> {
    pub content: ContentId,
    /// The header fields, a line each: `Name: value`. A line that begins with a space or tab
    /// continues the one before.
    pub headers: &'a str,
    /// The text parts, with whatever else a search in the body should find.
    pub body: &'a str,
}

/// The parts of a message that are indexed apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Body,
    Other,
    Subject,
    From,
    To,
    Cc,
    Bcc,
}

impl Part {
    pub const ALL: [Part; 7] =
        [Part::Body, Part::Other, Part::Subject, Part::From, Part::To, Part::Cc, Part::Bcc];
    pub const HEADERS: [Part; 6] =
        [Part::Other, Part::Subject, Part::From, Part::To, Part::Cc, Part::Bcc];

    fn of_field(name: &str) -> Self {
        let names = [Part::Subject, Part::From, Part::To, Part::Cc, Part::Bcc];
        let known = ["subject", "from", "to", "cc", "bcc"];
        let at = known.iter().position(|known| name.trim_end().eq_ignore_ascii_case(known));
        at.map_or(Part::Other, |at| names[at])
    }
}

/// A part and a form: what has a dictionary of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Section(pub u8);

pub(super) const SECTIONS: usize = Part::ALL.len() * 2;

impl Section {
    pub fn new(part: Part, form: Form) -> Self {
        Self(part as u8 * 2 + form as u8)
    }
}

/// A document's distinct terms take at most so many bytes. One that has more counts as a possible
/// hit of every search, which then reads it.
pub(super) const MAX_TERMS: usize = 1 << 20;

/// Stands before, between and behind terms; white space never stands within one.
pub(super) const MARK: u8 = b'\n';

/// The terms of one document: for each section the terms between [`MARK`]s, in no order.
#[derive(Debug)]
pub(super) struct DocTerms {
    pub content: ContentId,
    /// Not all of its terms are here, see [`MAX_TERMS`].
    pub partial: bool,
    bytes: Box<[u8]>,
    ends: [u32; SECTIONS],
}

impl DocTerms {
    /// Finds the terms of a document.
    pub fn of(doc: &Doc) -> Self {
        let body = normalise(doc.body);
        let headers = header_texts(doc.headers);
        let hasher = Seeded::new();
        let mut partial = false;
        let mut bytes = Vec::new();
        let mut ends = [0; SECTIONS];
        for part in Part::ALL {
            let mut texts: Vec<&str> = Vec::new();
            match part {
                Part::Body => texts.push(&body),
                _ => texts.extend(headers.iter().filter(|(at, _)| *at == part).map(|(_, s)| &**s)),
            }
            let words = texts.iter().flat_map(|text| text.split(' ')).filter(|w| !w.is_empty());
            let (mut whole, mut long) = (Vec::new(), Vec::new());
            {
                let mut seen = HashSet::with_hasher(hasher);
                for word in words.filter(|word| seen.insert(*word)) {
                    match form(word) {
                        Form::Whole => whole.push(word),
                        Form::Grams => long.push(word),
                    }
                }
            }
            let mut seen = HashSet::with_hasher(hasher);
            let grams = long.into_iter().flat_map(grams).filter(|gram| seen.insert(*gram));
            partial |= !append(&mut bytes, whole.into_iter());
            ends[Section::new(part, Form::Whole).0 as usize] = bytes.len() as u32;
            partial |= !append(&mut bytes, grams);
            ends[Section::new(part, Form::Grams).0 as usize] = bytes.len() as u32;
        }
        Self { content: doc.content, partial, bytes: bytes.into(), ends }
    }

    /// The terms of a section between marks; empty if there are none.
    pub fn section(&self, section: Section) -> &[u8] {
        let at = section.0 as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start as usize..self.ends[at] as usize]
    }

    pub fn terms(&self, section: Section) -> impl Iterator<Item = &[u8]> {
        self.section(section).split(|&byte| byte == MARK).filter(|term| !term.is_empty())
    }

    /// Bytes that it takes in memory.
    pub fn size(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.content.0);
        out.push(self.partial.into());
        let mut start = 0;
        for end in self.ends {
            put_bytes(out, &self.bytes[start as usize..end as usize]);
            start = end;
        }
    }

    pub fn decode(reader: &mut Reader) -> Result<Self> {
        let content = ContentId(reader.varint()?);
        let partial = reader.take(1)? != [0];
        let mut bytes = Vec::new();
        let mut ends = [0; SECTIONS];
        for end in &mut ends {
            bytes.extend_from_slice(reader.bytes()?);
            *end = bytes.len() as u32;
        }
        Ok(Self { content, partial, bytes: bytes.into(), ends })
    }
}

/// Appends terms with marks around; false if some found no room.
fn append<'a>(out: &mut Vec<u8>, terms: impl Iterator<Item = &'a str>) -> bool {
    for (at, term) in terms.enumerate() {
        if out.len() + term.len() + 2 > MAX_TERMS {
            return false;
        }
        if at == 0 {
            out.push(MARK);
        }
        out.extend_from_slice(term.as_bytes());
        out.push(MARK);
    }
    true
}

/// The normalised header texts with their parts. The value of `Subject: x` belongs to the subject
/// and only its name to the other fields, so that nothing is kept twice.
fn header_texts(headers: &str) -> Vec<(Part, String)> {
    let mut texts = Vec::new();
    let mut part = Part::Other;
    for line in headers.split('\n') {
        if line.starts_with([' ', '\t']) {
            texts.push((part, normalise(line)));
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or(("", line));
        part = Part::of_field(name);
        if part == Part::Other {
            texts.push((part, normalise(line)));
            continue;
        }
        // Without a space behind the colon, name and the value's first word are one word.
        let joined = !value.starts_with(char::is_whitespace);
        let name = if joined { line } else { &line[..=name.len()] };
        texts.push((Part::Other, normalise(name)));
        texts.push((part, normalise(value)));
    }
    texts
}

/// What to look for in dictionaries, for one piece of a needle.
pub(super) struct Pattern<'a> {
    /// The piece's bytes, with a mark where a word must begin or end.
    pub bytes: Vec<u8>,
    pub finder: memmem::Finder<'static>,
    pub piece: Piece<'a>,
    /// The grams of a longer piece; a piece of up to three characters is itself found in grams.
    pub grams: Vec<&'a str>,
}

impl<'a> Pattern<'a> {
    pub fn new(piece: Piece<'a>) -> Self {
        let mut bytes = Vec::with_capacity(piece.text.len() + 2);
        bytes.extend(piece.begins.then_some(MARK));
        bytes.extend_from_slice(piece.text.as_bytes());
        bytes.extend(piece.ends.then_some(MARK));
        let finder = memmem::Finder::new(&bytes).into_owned();
        Self { bytes, finder, grams: grams(piece.text).collect(), piece }
    }

    /// Whether a hit in grams says that the word holds the piece, not just that it may.
    pub fn grams_are_exact(&self) -> bool {
        self.grams.is_empty() || self.grams == [self.piece.text]
    }

    /// Whether the document has a whole word that fits.
    pub fn is_in_words(&self, doc: &DocTerms, part: Part) -> bool {
        self.finder.find(doc.section(Section::new(part, Form::Whole))).is_some()
    }

    /// Whether the document may have a longer word that fits.
    pub fn may_be_in_grams(&self, doc: &DocTerms, part: Part) -> bool {
        let terms = doc.section(Section::new(part, Form::Grams));
        if self.grams_are_exact() {
            return memmem::find(terms, self.piece.text.as_bytes()).is_some();
        }
        !terms.is_empty()
            && self.grams.iter().all(|gram| {
                let mark = char::from(MARK);
                memmem::find(terms, format!("{mark}{gram}{mark}").as_bytes()).is_some()
            })
    }
}

/// Hashes terms with a seed of its own, so that no sender can make them collide.
#[derive(Clone, Copy)]
pub(super) struct Seeded(u64);

impl Seeded {
    pub fn new() -> Self {
        Self(rand::random())
    }
}

impl BuildHasher for Seeded {
    type Hasher = TermHasher;

    fn build_hasher(&self) -> TermHasher {
        TermHasher(self.0)
    }
}

pub(super) struct TermHasher(u64);

impl Hasher for TermHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = XxHash3_64::oneshot_with_seed(self.0, bytes);
    }

    // What `str` and slices add to keep neighbours apart; a term is always alone.
    fn write_u8(&mut self, _: u8) {}
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(doc: &DocTerms, part: Part, form: Form) -> Vec<String> {
        let section = Section::new(part, form);
        doc.terms(section).map(|term| String::from_utf8(term.to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_field_has_its_words() {
        let doc = DocTerms::of(&Doc {
            content: ContentId(7),
            headers: "Subject: Big Big\n house\r\nFROM : a@b.c\nTo:joe, ann\nX-Note: big\n",
            body: "株式会社 ok",
        });
        assert_eq!(terms(&doc, Part::Subject, Form::Whole), ["big", "house"]);
        assert_eq!(terms(&doc, Part::From, Form::Whole), ["a@b.c"]);
        assert_eq!(terms(&doc, Part::To, Form::Whole), ["joe,", "ann"]);
        assert_eq!(
            terms(&doc, Part::Other, Form::Whole),
            ["subject:", "from", ":", "to:joe,", "ann", "x-note:", "big"]
        );
        assert_eq!(terms(&doc, Part::Body, Form::Whole), ["ok"]);
        assert_eq!(terms(&doc, Part::Body, Form::Grams), ["株式会", "式会社"]);
    }

    #[test]
    fn encodes_and_decodes() {
        let doc = Doc { content: ContentId(900), headers: "To: x\n", body: "a b 株式会社" };
        let doc = DocTerms::of(&doc);
        let mut bytes = Vec::new();
        doc.encode(&mut bytes);
        let mut reader = Reader::new(&bytes, "document");
        let back = DocTerms::decode(&mut reader).unwrap();
        assert!(reader.is_empty());
        assert_eq!((back.content, back.partial), (doc.content, false));
        assert_eq!((back.bytes, back.ends), (doc.bytes, doc.ends));
        for cut in 0..bytes.len() {
            assert!(DocTerms::decode(&mut Reader::new(&bytes[..cut], "document")).is_err());
        }
    }

    #[test]
    fn a_flood_of_words_is_cut_and_said_so() {
        let body: String = (0..200_000).map(|i| format!("word{i} ")).collect();
        let doc = DocTerms::of(&Doc { content: ContentId(1), headers: "", body: &body });
        assert!(doc.partial && doc.size() < MAX_TERMS + 1000);
    }
}
