//! Answers of SEARCH, SORT and THREAD (RFC 9051 §7.3.4, RFC 3501 §7.2.5, RFC 5256 §4).

use super::*;
use crate::imap::codec::types::{By, PartialRange, Side, Tag};

/// Numbers found: as a set, or in SORT's order.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    Set(&'a UidSet),
    Ordered(&'a [u32]),
}

impl Found<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Set(set) => set.is_empty(),
            Self::Ordered(numbers) => numbers.is_empty(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Set(set) => sequence_set(out, set),
            Self::Ordered(numbers) => ordered(out, numbers),
        }
    }
}

/// A sequence-set in the order given; only ascending neighbours become ranges.
fn ordered(out: &mut Vec<u8>, numbers: &[u32]) {
    let runs = numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    for (at, run) in runs.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if let (Some(&first), Some(&last)) = (run.first(), run.last()) {
            range(out, first, last);
        }
    }
}

/// An ESEARCH response. What is `None` was not asked for or was not found.
#[derive(Clone, Copy, Debug)]
pub struct Esearch<'a> {
    pub tag: &'a Tag,
    /// MULTISEARCH: the mailbox's name and UIDVALIDITY (RFC 7377 §2.1).
    pub mailbox: Option<(&'a str, u32)>,
    pub by: By,
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub all: Option<Found<'a>>,
    pub partial: Option<(PartialRange, Found<'a>)>,
    pub count: Option<u32>,
    /// The highest modseq of what is returned (RFC 7162 §3.1.10).
    pub modseq: Option<u64>,
}

impl<'a> Esearch<'a> {
    /// With nothing in it.
    pub fn new(tag: &'a Tag, by: By) -> Self {
        let mailbox = None;
        let (min, max, all, partial, count, modseq) = (None, None, None, None, None, None);
        Self { tag, mailbox, by, min, max, all, partial, count, modseq }
    }
}

/// `* ESEARCH (TAG "A282") UID MIN 2 COUNT 3`
pub fn esearch(out: &mut Vec<u8>, answer: &Esearch<'_>, utf8: bool) {
    esearch_begin(out, answer.tag, answer.mailbox, answer.by, utf8);
    let mut value = |name: &[u8], value: Option<u64>| {
        if let Some(value) = value {
            out.extend_from_slice(name);
            number(out, value);
        }
    };
    value(b" MIN ", answer.min.map(u64::from));
    value(b" MAX ", answer.max.map(u64::from));
    value(b" COUNT ", answer.count.map(u64::from));
    // Nothing found is told by leaving it out (RFC 9051 §7.3.4).
    if let Some(all) = answer.all.filter(|all| !all.is_empty()) {
        out.extend_from_slice(b" ALL ");
        all.write(out);
    }
    if let Some((range, found)) = answer.partial {
        out.extend_from_slice(b" PARTIAL (");
        partial_range(out, range);
        out.push(b' ');
        if found.is_empty() {
            out.extend_from_slice(b"NIL");
        } else {
            found.write(out);
        }
        out.push(b')');
    }
    if let Some(modseq) = answer.modseq {
        out.extend_from_slice(b" MODSEQ ");
        number(out, modseq);
    }
    crlf(out);
}

fn esearch_begin(out: &mut Vec<u8>, tag: &Tag, place: Option<(&str, u32)>, by: By, utf8: bool) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    quoted(out, tag.as_str().as_bytes());
    if let Some((name, uid_validity)) = place {
        out.extend_from_slice(b" MAILBOX ");
        mailbox(out, name, utf8);
        out.extend_from_slice(b" UIDVALIDITY ");
        number(out, uid_validity);
    }
    out.push(b')');
    if by == By::Uid {
        out.extend_from_slice(b" UID");
    }
}

fn partial_range(out: &mut Vec<u8>, range: PartialRange) {
    let (from, first, last) = range.places();
    let sign: &[u8] = if from == Side::End { b"-" } else { b"" };
    out.extend_from_slice(sign);
    number(out, first);
    out.push(b':');
    out.extend_from_slice(sign);
    number(out, last);
}

/// What became of a search that is kept up to date (RFC 5267 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Update {
    AddTo,
    RemoveFrom,
}

/// `* ESEARCH (TAG "B01") UID ADDTO (0 32768:32769)`. The position is 0 for searches, and the place
/// counted from 1 at which the numbers come in or go for sorts.
pub fn esearch_update(
    out: &mut Vec<u8>,
    tag: &Tag,
    by: By,
    update: Update,
    pairs: &[(u32, Found<'_>)],
) {
    esearch_begin(out, tag, None, by, false);
    out.extend_from_slice(match update {
        Update::AddTo => b" ADDTO ",
        Update::RemoveFrom => b" REMOVEFROM ",
    });
    list(out, pairs, |out, (position, found)| {
        number(out, *position);
        out.push(b' ');
        found.write(out);
    });
    crlf(out);
}

/// `* SEARCH 2 84 882 (MODSEQ 917162500)`: the answer without RETURN.
pub fn search(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
    out.extend_from_slice(b"* SEARCH");
    found_numbers(out, numbers, modseq);
}

/// `* SORT 2 84 882`
pub fn sort(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
    out.extend_from_slice(b"* SORT");
    found_numbers(out, numbers, modseq);
}

fn found_numbers(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
    let mut any = false;
    for each in numbers {
        out.push(b' ');
        number(out, each);
        any = true;
    }
    if let Some(modseq) = modseq.filter(|_| any) {
        out.extend_from_slice(b" (MODSEQ ");
        number(out, modseq);
        out.push(b')');
    }
    crlf(out);
}

/// A message in a conversation. Parents come before their children, so that the depth alone tells
/// the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadNode {
    /// 0 for the top of a conversation.
    pub depth: u32,
    /// `None` for a message that is not there (or was not found) and holds its children together.
    pub number: Option<u32>,
}

/// `* THREAD (2)(3 6 (4 23)(44 7 96))`
pub fn thread(out: &mut Vec<u8>, nodes: &[ThreadNode]) {
    out.extend_from_slice(b"* THREAD");
    if !nodes.is_empty() {
        out.push(b' ');
    }
    let branches = branches(nodes);
    // Depths at which a parenthesis is open.
    let mut open: Vec<u32> = Vec::new();
    for (node, branches) in nodes.iter().zip(branches) {
        while open.last().is_some_and(|&depth| depth >= node.depth) {
            open.pop();
            out.push(b')');
        }
        if out.last().is_some_and(u8::is_ascii_digit) {
            out.push(b' ');
        }
        if branches {
            open.push(node.depth);
            out.push(b'(');
        }
        if let Some(each) = node.number {
            number(out, each);
        }
    }
    out.resize(out.len() + open.len(), b')');
    crlf(out);
}

/// For each node whether it begins a branch: it is a top, or not its parent's only child.
fn branches(nodes: &[ThreadNode]) -> Vec<bool> {
    let mut branches = vec![false; nodes.len()];
    // By depth, the child that the current node at the depth above has had last.
    let mut last_child: Vec<Option<usize>> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let depth = (node.depth as usize).min(last_child.len());
        last_child.truncate(depth + 1);
        if depth == last_child.len() {
            last_child.push(None);
        }
        if let Some(sibling) = last_child[depth].replace(at) {
            branches[sibling] = true;
            branches[at] = true;
        }
        if depth == 0 {
            branches[at] = true;
        }
    }
    branches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u32]) -> UidSet {
        numbers.iter().copied().collect()
    }

    fn text(out: Vec<u8>) -> String {
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn extended_answers() {
        let tag = Tag::new(b"A282").unwrap();
        let line = |answer: Esearch<'_>| {
            let mut out = Vec::new();
            esearch(&mut out, &answer, false);
            text(out)
        };
        let nothing = Esearch::new(&tag, By::Seq);
        assert_eq!(line(nothing), "* ESEARCH (TAG \"A282\")\r\n");
        assert_eq!(
            line(Esearch { min: Some(2), count: Some(3), ..nothing }),
            "* ESEARCH (TAG \"A282\") MIN 2 COUNT 3\r\n"
        );
        let found = set(&[2, 10, 11]);
        let all = Some(Found::Set(&found));
        assert_eq!(
            line(Esearch { by: By::Uid, all, modseq: Some(917), ..nothing }),
            "* ESEARCH (TAG \"A282\") UID ALL 2,10:11 MODSEQ 917\r\n"
        );
        let empty = set(&[]);
        assert_eq!(
            line(Esearch { all: Some(Found::Set(&empty)), ..nothing }),
            "* ESEARCH (TAG \"A282\")\r\n"
        );
        let page = PartialRange::new(Side::End, 1, 100).unwrap();
        assert_eq!(
            line(Esearch { partial: Some((page, Found::Set(&empty))), ..nothing }),
            "* ESEARCH (TAG \"A282\") PARTIAL (-1:-100 NIL)\r\n"
        );
        let sorted = Found::Ordered(&[5, 6, 7, 3, 2, 9]);
        let page = PartialRange::new(Side::Start, 1, 6).unwrap();
        assert_eq!(
            line(Esearch { partial: Some((page, sorted)), ..nothing }),
            "* ESEARCH (TAG \"A282\") PARTIAL (1:6 5:7,3,2,9)\r\n"
        );
        assert_eq!(
            line(Esearch { mailbox: Some(("R&D x", 1)), by: By::Uid, all, ..nothing }),
            "* ESEARCH (TAG \"A282\" MAILBOX \"R&-D x\" UIDVALIDITY 1) UID ALL 2,10:11\r\n"
        );
        let mut out = Vec::new();
        let added = set(&[32_768, 32_769]);
        esearch_update(&mut out, &tag, By::Uid, Update::AddTo, &[(0, Found::Set(&added))]);
        assert_eq!(text(out), "* ESEARCH (TAG \"A282\") UID ADDTO (0 32768:32769)\r\n");
    }

    #[test]
    fn plain_answers() {
        let mut out = Vec::new();
        search(&mut out, [2, 5, 6], Some(917_162_500));
        search(&mut out, [], Some(1));
        sort(&mut out, [5, 3], None);
        assert_eq!(text(out), "* SEARCH 2 5 6 (MODSEQ 917162500)\r\n* SEARCH\r\n* SORT 5 3\r\n");
    }

    /// From a notation of depths and numbers, 0 for none.
    fn threads(nodes: &[(u32, u32)]) -> String {
        let nodes: Vec<ThreadNode> = nodes
            .iter()
            .map(|&(depth, n)| ThreadNode { depth, number: (n > 0).then_some(n) })
            .collect();
        let mut out = Vec::new();
        thread(&mut out, &nodes);
        text(out)
    }

    #[test]
    fn conversations() {
        assert_eq!(threads(&[]), "* THREAD\r\n");
        // RFC 5256 §4
        assert_eq!(
            threads(&[(0, 2), (0, 3), (1, 6), (2, 4), (3, 23), (2, 44), (3, 7), (4, 96)]),
            "* THREAD (2)(3 6 (4 23)(44 7 96))\r\n"
        );
        assert_eq!(threads(&[(0, 0), (1, 3), (1, 5)]), "* THREAD ((3)(5))\r\n");
        assert_eq!(threads(&[(0, 166), (0, 167), (0, 168)]), "* THREAD (166)(167)(168)\r\n");
        assert_eq!(
            threads(&[(0, 1), (1, 2), (1, 3), (2, 4), (2, 5), (0, 6)]),
            "* THREAD (1 (2)(3 (4)(5)))(6)\r\n"
        );
        let deep: Vec<(u32, u32)> = (0..100_000).map(|n| (n, n + 1)).collect();
        assert!(threads(&deep).ends_with(" 99999 100000)\r\n"));
    }
}
