//! The terms of one document: its distinct words and grams, by the part of the message in which
//! they stand.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

use twox_hash::XxHash3_64;

use super::Field;
use super::codec::{Reader, Result, put, put_bytes};
use super::text::{Form, Needle, form, grams, normalise, pair};
use crate::base::id::ContentId;

/// A document for the index: a content and its texts, decoded but otherwise as they came.
#[derive(Clone, Copy, Debug)]
pub struct Doc<'a> {
    pub content: ContentId,
    /// The header fields, a line each: `Name: value`. A line that begins with a space or tab
    /// continues the one before. Nothing is found across two fields.
    pub headers: &'a str,
    /// The text parts, with whatever else a search in the body should find.
    pub body: &'a str,
}

impl Doc<'_> {
    /// Whether the needle is there, found by reading: what a search answers with
    /// [`super::Verdict::Maybe`] is decided so.
    pub fn contains(&self, field: Field, needle: &Needle) -> bool {
        let in_body = || needle.is_in(self.body);
        let mut fields = header_fields(self.headers);
        let mut in_value = |part| {
            fields.any(|field| {
                field.part() == part && needle.is_in(field.value().unwrap_or_default())
            })
        };
        match field {
            Field::Body => in_body(),
            Field::Headers => fields.any(|field| needle.is_in(field.line)),
            Field::Text => fields.any(|field| needle.is_in(field.line)) || in_body(),
            Field::Subject => in_value(Part::Subject),
            Field::From => in_value(Part::From),
            Field::To => in_value(Part::To),
            Field::Cc => in_value(Part::Cc),
            Field::Bcc => in_value(Part::Bcc),
        }
    }
}

/// A header field with its continuation lines.
struct HeaderField<'a> {
    line: &'a str,
}

/// Cuts headers into fields.
fn header_fields(headers: &str) -> impl Iterator<Item = HeaderField<'_>> {
    let mut rest = headers;
    std::iter::from_fn(move || {
        let folded = |at: usize| rest[at + 1..].starts_with([' ', '\t']);
        let mut ends = memchr::memchr_iter(b'\n', rest.as_bytes());
        let end = ends.find(|&at| !folded(at)).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(HeaderField { line })
    })
}

impl<'a> HeaderField<'a> {
    fn value(&self) -> Option<&'a str> {
        self.line.split_once(':').map(|(_, value)| value)
    }

    fn part(&self) -> Part {
        self.line.split_once(':').map_or(Part::Other, |(name, _)| Part::of_field(name))
    }
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
    /// Values of header fields; what they do not hold is in [`Part::Other`].
    pub const VALUES: [Part; 5] = [Part::Subject, Part::From, Part::To, Part::Cc, Part::Bcc];

    fn of_field(name: &str) -> Self {
        let known = ["subject", "from", "to", "cc", "bcc"];
        let at = known.iter().position(|known| name.trim_end().eq_ignore_ascii_case(known));
        at.map_or(Part::Other, |at| Part::VALUES[at])
    }
}

/// A part and a form of its words: what has a dictionary of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Section(pub u8);

/// Sections of each part.
const FORMS: usize = 3;
pub(super) const SECTIONS: usize = Part::ALL.len() * FORMS;

impl Section {
    pub fn new(part: Part, form: Form) -> Self {
        Self(part as u8 * FORMS as u8 + form as u8)
    }
}

/// A document's distinct terms take at most so many bytes. One that has more counts as a possible
/// hit of every search, which then reads it.
pub(super) const MAX_TERMS: usize = 4 << 20;

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
        let texts = texts(doc);
        let hasher = Seeded::new();
        let mut terms = Self {
            content: doc.content,
            partial: false,
            bytes: Box::default(),
            ends: [0; SECTIONS],
        };
        let mut bytes = Vec::new();
        for part in Part::ALL {
            let mut collector = Collector::new(hasher, MAX_TERMS - bytes.len());
            for (_, text) in texts.iter().filter(|(at, _)| *at == part) {
                collector.add(text, part != Part::Other);
            }
            terms.partial |= collector.partial;
            for (form, found) in [
                (Form::Whole, collector.whole),
                (Form::Grams, collector.grams),
                (Form::Pairs, collector.pairs),
            ] {
                bytes.extend_from_slice(&found);
                terms.ends[Section::new(part, form).0 as usize] = bytes.len() as u32;
            }
        }
        terms.bytes = bytes.into();
        terms
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

/// The normalised texts of a document. The value of `Subject: x` belongs to the subject and only
/// its name to the other fields, so that nothing is kept twice.
fn texts(doc: &Doc) -> Vec<(Part, String)> {
    let mut texts = vec![(Part::Body, normalise(doc.body))];
    for field in header_fields(doc.headers) {
        let part = field.part();
        let Some(value) = field.value().filter(|_| part != Part::Other) else {
            texts.push((Part::Other, normalise(field.line)));
            continue;
        };
        // Without white space between, name and the value's first word are one word.
        let name = &field.line[..field.line.len() - value.len()];
        let value = normalise(value);
        let name = if value.starts_with(' ') { name } else { field.line };
        texts.push((Part::Other, normalise(name)));
        texts.push((part, value));
    }
    texts
}

/// Collects the distinct terms of the texts of one part.
struct Collector<'a> {
    words: HashMap<&'a str, u32, Seeded>,
    seen_grams: HashSet<&'a str, Seeded>,
    seen_pairs: HashSet<u64, Seeded>,
    whole: Vec<u8>,
    grams: Vec<u8>,
    pairs: Vec<u8>,
    /// Bytes that are left for terms.
    room: usize,
    partial: bool,
}

impl<'a> Collector<'a> {
    fn new(hasher: Seeded, room: usize) -> Self {
        Self {
            words: HashMap::with_hasher(hasher),
            seen_grams: HashSet::with_hasher(hasher),
            seen_pairs: HashSet::with_hasher(hasher),
            whole: Vec::new(),
            grams: Vec::new(),
            pairs: Vec::new(),
            room,
            partial: false,
        }
    }

    /// Takes in a text, `in_pairs` too.
    fn add(&mut self, text: &'a str, in_pairs: bool) {
        let mut before: Option<(&str, u32)> = None;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let count = self.words.len() as u32;
            let number = *self.words.entry(word).or_insert(count);
            if number == count {
                self.add_word(word);
            }
            if let Some((left, left_number)) = before
                && self.seen_pairs.insert(u64::from(left_number) << 32 | u64::from(number))
            {
                self.add_pair(left, word);
            }
            before = in_pairs.then_some((word, number));
            if self.partial {
                return;
            }
        }
    }

    fn add_word(&mut self, word: &'a str) {
        if form(word) == Form::Whole {
            self.partial |= !append(&mut self.whole, &mut self.room, [word]);
            return;
        }
        for gram in grams(word) {
            if self.seen_grams.insert(gram) {
                self.partial |= !append(&mut self.grams, &mut self.room, [gram]);
            }
        }
    }

    fn add_pair(&mut self, left: &str, right: &str) {
        let (left, right) = pair(left, right);
        self.partial |= !append(&mut self.pairs, &mut self.room, [left, " ", right]);
    }
}

/// Appends a term and a mark, and before the first term a mark; false if there is no room.
fn append<const N: usize>(out: &mut Vec<u8>, room: &mut usize, term: [&str; N]) -> bool {
    let len = term.iter().map(|part| part.len()).sum::<usize>() + 1;
    let Some(left) = room.checked_sub(len + 1) else { return false };
    *room = left;
    if out.is_empty() {
        out.push(MARK);
    }
    term.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    out.push(MARK);
    true
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

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product ^ product >> 64) as u64;
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
        assert_eq!(terms(&doc, Part::Subject, Form::Pairs), ["big big", "big house"]);
        assert!(terms(&doc, Part::Other, Form::Pairs).is_empty());
        assert_eq!(terms(&doc, Part::Body, Form::Pairs), ["株式会社 ok"]);
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
        let body: String = (0..400_000).map(|i| format!("word{i} ")).collect();
        let doc = DocTerms::of(&Doc { content: ContentId(1), headers: "", body: &body });
        assert!(doc.partial && doc.size() < MAX_TERMS + 1000);
    }
}
