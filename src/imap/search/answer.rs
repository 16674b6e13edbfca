//! What is told of a result: which of its messages an ESEARCH names, and which `$` keeps
//! (RFC 9051 §7.3.4, RFC 5182, RFC 5267, RFC 7377, RFC 9394).

use crate::base::uidset::UidSet;
use crate::imap::codec::encode::{self, Esearch, Found};
use crate::imap::codec::types::{By, SearchReturn, Tag};
use crate::imap::search::Hit;

/// Which answer SEARCH and SORT give without RETURN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plain {
    Search,
    Sort,
}

/// `* SEARCH 2 84 882 (MODSEQ 917)`, or the same for SORT.
pub fn plain(out: &mut Vec<u8>, kind: Plain, hits: &[Hit], by: By, with_modseq: bool) {
    let modseq = hits.iter().map(|hit| hit.modseq.0).max().filter(|_| with_modseq);
    let numbers = hits.iter().map(|hit| hit.number(by));
    match kind {
        Plain::Search => encode::search(out, numbers, modseq),
        Plain::Sort => encode::sort(out, numbers, modseq),
    }
}

/// An extended answer to one command.
#[derive(Clone, Copy, Debug)]
pub struct Extended<'a> {
    pub tag: &'a Tag,
    pub by: By,
    pub returns: SearchReturn,
    /// MODSEQ was asked about.
    pub with_modseq: bool,
    /// The mailbox's name and UIDVALIDITY, where it is not the selected one alone.
    pub mailbox: Option<(&'a str, u32)>,
    /// Names go out as UTF-8.
    pub utf8: bool,
}

impl Extended<'_> {
    /// `* ESEARCH (TAG "A1") UID MIN 2 MAX 47 COUNT 25 ALL 2,10:11`. The hits are in the order
    /// that was asked for; least and greatest are the first and the last of it (RFC 5267 §3).
    ///
    /// `RETURN (SAVE)` alone has no answer (RFC 5182 §2.1).
    pub fn write(&self, out: &mut Vec<u8>, hits: &[Hit]) {
        let returns = &self.returns;
        let asked = returns.min || returns.max || returns.all || returns.count;
        if returns.save && !asked && returns.partial.is_none() {
            return;
        }
        let numbers: Vec<u32> = hits.iter().map(|hit| hit.number(self.by)).collect();
        let page = returns.partial.map(|range| {
            (range, Found::Ordered(numbers.get(range.of(numbers.len())).unwrap_or_default()))
        });
        let modseq = chosen(returns, hits).map(|hit| hit.modseq.0).max();
        let answer = Esearch {
            mailbox: self.mailbox,
            min: numbers.first().copied().filter(|_| returns.min),
            max: numbers.last().copied().filter(|_| returns.max),
            all: returns.all.then_some(Found::Ordered(&numbers)),
            partial: page,
            count: returns.count.then_some(hits.len() as u32),
            modseq: modseq.filter(|_| self.with_modseq),
            ..Esearch::new(self.tag, self.by)
        };
        encode::esearch(out, &answer, self.utf8);
    }
}

/// What `$` means after a search (RFC 5182 §2.4, RFC 9394 §3.1): everything found, unless only
/// single messages or a page were asked for.
pub fn saved(returns: &SearchReturn, hits: &[Hit]) -> UidSet {
    let mut uids: Vec<u32> = chosen(returns, hits).map(|hit| hit.uid).collect();
    uids.sort_unstable();
    uids.into_iter().collect()
}

/// The messages told of, by which MODSEQ goes as well (RFC 7162 §3.1.10).
fn chosen<'a>(returns: &SearchReturn, hits: &'a [Hit]) -> impl Iterator<Item = &'a Hit> {
    let some = returns.min || returns.max || returns.partial.is_some();
    let all = returns.all || returns.count || !some;
    let page = match returns.partial {
        _ if all => hits,
        Some(range) => hits.get(range.of(hits.len())).unwrap_or_default(),
        None => &[],
    };
    let first = hits.first().filter(|_| returns.min && !all);
    let last = hits.last().filter(|_| returns.max && !all);
    page.iter().chain(first).chain(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::ModSeq;
    use crate::imap::codec::types::{PartialRange, Side};

    fn hits(uids: &[u32]) -> Vec<Hit> {
        let hit = |(at, uid): (usize, &u32)| Hit {
            seq: at as u32 + 1,
            uid: *uid,
            modseq: ModSeq(u64::from(*uid) * 10),
        };
        uids.iter().enumerate().map(hit).collect()
    }

    fn answer(returns: SearchReturn, uids: &[u32], with_modseq: bool) -> String {
        let mut out = Vec::new();
        let tag = &Tag::new(b"A1").unwrap();
        let answer =
            Extended { tag, by: By::Uid, returns, with_modseq, mailbox: None, utf8: false };
        answer.write(&mut out, &hits(uids));
        String::from_utf8(out).unwrap()
    }

    fn none() -> SearchReturn {
        SearchReturn::default()
    }

    #[test]
    fn tells_what_was_asked_for() {
        let all = SearchReturn { min: true, max: true, all: true, count: true, ..none() };
        let begin = "* ESEARCH (TAG \"A1\") UID";
        let told = |returns, uids: &[u32], modseq| {
            answer(returns, uids, modseq).trim_end().strip_prefix(begin).unwrap().to_owned()
        };
        assert_eq!(told(all, &[2, 3, 4, 9], false), " MIN 2 MAX 9 COUNT 4 ALL 2:4,9");
        assert_eq!(told(all, &[], true), " COUNT 0");
        let sorted = SearchReturn { all: true, ..none() };
        assert_eq!(told(sorted, &[9, 8, 4, 5, 6], true), " ALL 9,8,4:6 MODSEQ 90");
        let min = SearchReturn { min: true, ..none() };
        assert_eq!(told(min, &[2, 7], true), " MIN 2 MODSEQ 20");
        let page = |from, a, b| SearchReturn { partial: PartialRange::new(from, a, b), ..none() };
        assert_eq!(told(page(Side::Start, 2, 3), &[2, 5, 6, 9], false), " PARTIAL (2:3 5:6)");
        assert_eq!(
            told(page(Side::End, 1, 2), &[2, 5, 6, 9], true),
            " PARTIAL (-1:-2 6,9) MODSEQ 90"
        );
        assert_eq!(told(page(Side::Start, 10, 20), &[2, 5], true), " PARTIAL (10:20 NIL)");
        assert_eq!(answer(SearchReturn { save: true, ..none() }, &[2], false), "");
    }

    #[test]
    fn what_is_saved_depends_on_what_is_asked_for() {
        let found = hits(&[2, 5, 6, 9]);
        let saved = |returns| super::saved(&returns, &found).to_string();
        assert_eq!(saved(none()), "2,5:6,9");
        assert_eq!(saved(SearchReturn { min: true, ..none() }), "2");
        assert_eq!(saved(SearchReturn { min: true, max: true, ..none() }), "2,9");
        assert_eq!(saved(SearchReturn { min: true, count: true, ..none() }), "2,5:6,9");
        let partial = PartialRange::new(Side::Start, 2, 2);
        assert_eq!(saved(SearchReturn { partial, ..none() }), "5");
        assert_eq!(saved(SearchReturn { partial, max: true, ..none() }), "5,9");
    }
}
