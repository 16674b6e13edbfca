//! How a needle is looked for: which terms of the dictionaries it may be part of.

use memchr::memmem;

use super::codec::Result;
use super::segment::{Hits, Segment};
use super::terms::{DocTerms, MARK, Part, Section};
use super::text::{Form, Piece, grams, pair, pieces};

/// The patterns of a needle. All of them must be found, in parts that belong together.
pub(super) struct Plan<'a> {
    words: Vec<Pattern<'a>>,
    /// For a needle of several words; then the words are for parts without pairs.
    pairs: Vec<Pattern<'a>>,
    /// Whether what the one pattern hits is the needle, not just may be.
    exact: bool,
}

/// Parts that a needle is looked for in together.
pub(super) enum Group {
    /// Their words are also kept in pairs.
    Paired(&'static [Part]),
    /// The other header fields, with the beginnings of those that are parts of their own.
    Others,
}

/// What to look for in one form of dictionary.
pub(super) struct Pattern<'a> {
    /// The bytes to find, with a mark where a term must begin or end.
    pub bytes: Vec<u8>,
    pub finder: memmem::Finder<'static>,
    pub kind: Kind<'a>,
}

pub(super) enum Kind<'a> {
    /// Within a word. A word that is kept in grams has the text if one of its grams has it, or,
    /// if that is longer than a gram, may have it if it has all of these.
    Word {
        text: &'a str,
        grams: Vec<&'a str>,
    },
    Pair,
}

impl<'a> Plan<'a> {
    /// Plans the search for a normalised needle.
    pub fn new(needle: &'a str) -> Self {
        let pieces = pieces(needle);
        let mut words: Vec<_> = pieces.iter().map(Pattern::word).collect();
        let pairs = pieces.windows(2).map(|pair| Pattern::pair(&pair[0], &pair[1]));
        let mut pairs: Vec<_> = pairs.collect();
        // The longest is likely to be the rarest.
        words.sort_by_key(|pattern| usize::MAX - pattern.bytes.len());
        pairs.sort_by_key(|pattern| usize::MAX - pattern.bytes.len());
        // White space at the needle's ends asks for what is before or behind the words.
        let bounded = pieces.first().is_some_and(|piece| piece.begins)
            || pieces.last().is_some_and(|piece| piece.ends);
        let whole = match &pieces[..] {
            [_] => true,
            [left, right] => pair(left.text, right.text) == (left.text, right.text),
            _ => false,
        };
        Self { words, pairs, exact: whole && !bounded }
    }

    /// What the needle hits in a segment.
    pub fn find_in_segment(&self, segment: &Segment, group: &Group) -> Result<Hits> {
        match (group, &self.words[..]) {
            // White space only: it may be anywhere.
            (_, []) => Ok(Hits::all_possible(segment.footer.total)),
            (Group::Paired(parts), [_]) => self.find_all(segment, &self.words, parts),
            (Group::Paired(parts), _) => self.find_all(segment, &self.pairs, parts),
            (Group::Others, [_]) => self.find_all(segment, &self.words, &[Part::Other]),
            (Group::Others, words) => find_beside(segment, words),
        }
    }

    fn find_all(&self, segment: &Segment, patterns: &[Pattern], parts: &[Part]) -> Result<Hits> {
        if let [one] = patterns
            && self.exact
        {
            return segment.search(one, parts);
        }
        let mut hits = Hits::all_possible(segment.footer.total);
        for pattern in patterns {
            hits.possible.intersect(&segment.search(pattern, parts)?.merged());
            if hits.possible.count() <= FEW {
                break;
            }
        }
        Ok(hits)
    }

    /// `Some(true)` if the needle is in the document, `Some(false)` if it may be.
    pub fn find_in_document(&self, doc: &DocTerms, group: &Group) -> Option<bool> {
        let has = |pattern: &Pattern, parts: &[Part]| {
            parts.iter().filter_map(|part| pattern.find_in(doc, *part)).max()
        };
        let has_all = |patterns: &[Pattern], parts: &[Part]| {
            let sure = |sure, pattern| Some(sure & has(pattern, parts)?);
            patterns.iter().try_fold(self.exact, sure)
        };
        let found = match (group, &self.words[..]) {
            (_, []) => Some(false),
            (Group::Paired(parts), [_]) => has_all(&self.words, parts),
            (Group::Paired(parts), _) => has_all(&self.pairs, parts),
            (Group::Others, [_]) => has_all(&self.words, &[Part::Other]),
            (Group::Others, words) => {
                let there = |word: &Pattern| has(word, &[Part::Other]).is_some();
                let near = |word| there(word) || has(word, &Part::VALUES).is_some();
                (words.iter().any(there) && words.iter().all(near)).then_some(false)
            }
        };
        found.or(doc.partial.then_some(false))
    }
}

/// So few possible hits are sooner read than narrowed further.
const FEW: u32 = 4;

/// Documents that have some of the words in the other fields, and the rest there or in those that
/// are parts of their own: `subject: one` begins here and ends there.
fn find_beside(segment: &Segment, words: &[Pattern]) -> Result<Hits> {
    let total = segment.footer.total;
    let mut hits = Hits::none(total);
    let others = words.iter().map(|word| Ok(segment.search(word, &[Part::Other])?.merged()));
    let others = others.collect::<Result<Vec<_>>>()?;
    for found in &others {
        hits.possible.union(found);
    }
    for (word, other) in words.iter().zip(others) {
        if hits.possible.is_empty() {
            break;
        }
        let mut found = segment.search(word, &Part::VALUES)?.merged();
        found.union(&other);
        hits.possible.intersect(&found);
    }
    Ok(hits)
}

impl<'a> Pattern<'a> {
    fn word(piece: &Piece<'a>) -> Self {
        let bytes = bounded([piece.text], piece.begins, piece.ends);
        Self::new(bytes, Kind::Word { text: piece.text, grams: grams(piece.text).collect() })
    }

    fn pair(left: &Piece<'a>, right: &Piece<'a>) -> Self {
        let (start, end) = pair(left.text, right.text);
        // Where only a part of a word is kept, nothing is known of its other end.
        let begins = left.begins && start.len() == left.text.len();
        let ends = right.ends && end.len() == right.text.len();
        Self::new(bounded([start, " ", end], begins, ends), Kind::Pair)
    }

    fn new(bytes: Vec<u8>, kind: Kind<'a>) -> Self {
        let finder = memmem::Finder::new(&bytes).into_owned();
        Self { bytes, finder, kind }
    }

    /// `Some(true)` if a term of the part fits, `Some(false)` if a word kept in grams may.
    fn find_in(&self, doc: &DocTerms, part: Part) -> Option<bool> {
        let found = |form| self.finder.find(doc.section(Section::new(part, form))).is_some();
        match &self.kind {
            Kind::Pair => found(Form::Pairs).then_some(true),
            Kind::Word { .. } if found(Form::Whole) => Some(true),
            Kind::Word { text, grams } => {
                let kept = doc.section(Section::new(part, Form::Grams));
                let has = |text: &[u8]| memmem::find(kept, text).is_some();
                if grams_are_exact(text, grams) {
                    return has(text.as_bytes()).then_some(true);
                }
                let all = || grams.iter().all(|gram| has(&bounded([gram], true, true)));
                (!kept.is_empty() && all()).then_some(false)
            }
        }
    }
}

/// Whether a text is short enough to be found within one gram.
pub(super) fn grams_are_exact(text: &str, grams: &[&str]) -> bool {
    grams.is_empty() || grams == [text]
}

/// The bytes of a pattern, with marks where a term must begin or end.
pub(super) fn bounded<const N: usize>(text: [&str; N], begins: bool, ends: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(begins.then_some(MARK));
    text.iter().for_each(|text| bytes.extend_from_slice(text.as_bytes()));
    bytes.extend(ends.then_some(MARK));
    bytes
}
