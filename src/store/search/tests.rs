//! The index against plain substring search, through restarts, merges and damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const ANNA: AccountId = AccountId(1);
const BORIS: AccountId = AccountId(2);
const FIELDS: [Field; 5] = [Field::Headers, Field::Body, Field::Text, Field::Subject, Field::From];

/// Messages as they would be read again: content to headers and body.
#[derive(Default)]
struct Model(BTreeMap<u64, (String, String)>);

impl Model {
    fn add(&mut self, index: &Index, texts: &[(String, String)], position: u64) {
        let first = self.0.keys().last().map_or(1, |last| last + 3);
        self.0.extend((first..).step_by(3).zip(texts.iter().cloned()));
        let docs: Vec<_> = self.0.range(first..).map(|(id, texts)| doc(*id, texts)).collect();
        index.add(ANNA, &docs, ModSeq(position)).unwrap();
    }

    /// No hit is missed and no sure hit is wrong; a short needle without spaces has sure hits only.
    fn check(&self, index: &Index, text: &str) {
        self.check_with(index, text, |needle| !needle.contains(' ') && needle.chars().count() <= 3);
    }

    fn check_with(&self, index: &Index, text: &str, exact: fn(&str) -> bool) {
        let needle = Needle::new(text);
        for field in FIELDS.into_iter().filter(|_| !needle.as_str().is_empty()) {
            let matches = index.find(ANNA, field, &needle).unwrap();
            for (&id, (headers, body)) in &self.0 {
                let there = doc(id, &(headers.clone(), body.clone())).contains(field, &needle);
                let expected = if there { Verdict::Yes } else { Verdict::No };
                let verdict = matches.verdict(ContentId(id));
                let right = verdict == expected;
                assert!(
                    right || verdict == Verdict::Maybe && !exact(needle.as_str()),
                    "{text:?} in {field:?} of {headers:?} {body:?}: {verdict:?}"
                );
            }
        }
    }
}

fn doc(id: u64, (headers, body): &(String, String)) -> Doc<'_> {
    Doc { content: ContentId(id), headers, body }
}

fn plain(body: &str) -> (String, String) {
    ("Subject: none\n".to_owned(), body.to_owned())
}

/// Words that overlap a lot, in several scripts, some of them long.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[abÄß]{1,5}",
        2 => "[会議株式社]{1,6}",
        1 => "[ab会]{1,4}",
        1 => "[ab]{30,35}",
        1 => "[ab]{510,515}",
        1 => "[a.@<>-]{1,8}",
        1 => "(e\u{301}|É|ﬁ|\u{ad}|ﾊﾞ|Σ){1,4}",
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop::collection::vec((word(), "( |\r\n|\t |\u{a0})"), 0..12)
        .prop_map(|words| words.into_iter().flat_map(|(word, space)| [word, space]).collect())
}

fn message() -> impl Strategy<Value = (String, String)> {
    let line = (prop_oneof!["Subject", "FROM", "To", "X-Note"], " ?", body());
    let lines = prop::collection::vec(line, 0..4).prop_map(|lines| {
        let line = |(name, space, value): (String, String, String)| {
            format!("{name}:{space}{}\n", value.replace('\n', "\n "))
        };
        lines.into_iter().map(line).collect::<String>().replace("\r\n ", " ")
    });
    (lines, body())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn finds_what_a_plain_search_finds(
        batches in prop::collection::vec(prop::collection::vec(message(), 1..8), 1..7),
        needles in prop::collection::vec(prop_oneof![4 => word(), 1 => body()], 12),
        every in 0_usize..3,
    ) {
        let dir = TempDir::new().unwrap();
        let index = Index::open(dir.path()).unwrap();
        let memory = Index::in_memory();
        let (mut model, mut second) = (Model::default(), Model::default());
        for (at, batch) in (1..).zip(&batches) {
            model.add(&index, batch, at);
            second.add(&memory, batch, at);
            if every > 0 && (at as usize).is_multiple_of(every) {
                flush(&index);
            }
        }
        // Also needles that are certain to be somewhere: pieces of bodies, across words too.
        let parts: Vec<String> = model.0.values().map(|(_, body)| {
            let from = body.chars().count() / 3;
            body.chars().skip(from).take(6).collect()
        }).collect();
        for needle in needles.iter().chain(&parts) {
            model.check(&index, needle);
            second.check(&memory, needle);
        }
        index.save().unwrap();
        drop(index);
        let index = Index::open(dir.path()).unwrap();
        prop_assert_eq!(index.position(ANNA).unwrap(), ModSeq(batches.len() as u64));
        for needle in needles.iter().chain(&parts) {
            model.check(&index, needle);
        }
    }
}

fn filled(dir: &TempDir, segments: u64) -> (Index, Model) {
    let index = Index::open(dir.path()).unwrap();
    let mut model = Model::default();
    for round in 1..=segments {
        let texts: Vec<_> = (0..20).map(|n| plain(&format!("all round{round} n{n}"))).collect();
        model.add(&index, &texts, round);
        flush(&index);
    }
    (index, model)
}

fn flush(index: &Index) {
    index.flush(&mut lock(&index.writer), &index.account(ANNA).unwrap()).unwrap();
}

fn sure(index: &Index, needle: &str) -> u64 {
    index.find(ANNA, Field::Body, &Needle::new(needle)).unwrap().sure().len()
}

fn segment_files(dir: &TempDir) -> Vec<PathBuf> {
    let list = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path());
    list(dir.path().to_owned()).filter(|path| path.is_dir()).flat_map(list).collect()
}

#[test]
fn single_words_are_answered_exactly() {
    let dir = TempDir::new().unwrap();
    let (index, _) = filled(&dir, 2);
    for (needle, hits) in [("round", 40), ("ROUND2", 20), ("n19", 2), ("l", 40), ("xyzzy", 0)] {
        let found = index.find(ANNA, Field::Text, &Needle::new(needle)).unwrap();
        assert_eq!((found.sure().len(), found.possible().len()), (hits, 0), "{needle}");
    }
    for (needle, sure, possible) in [
        ("round2 n7", 1, 0),
        ("d1 n1", 11, 0),
        ("none", 40, 0),
        ("subject: no", 0, 40),
        ("all subject:", 0, 0),
        ("all round2 n7", 0, 1),
        ("n7 round2", 0, 0),
        ("n7 ", 0, 40 / 20),
    ] {
        let found = index.find(ANNA, Field::Text, &Needle::new(needle)).unwrap();
        assert_eq!((found.sure().len(), found.possible().len()), (sure, possible), "{needle}");
    }
}

#[test]
fn nothing_is_said_about_what_is_not_indexed() {
    let index = Index::in_memory();
    let needle = Needle::new("x");
    let verdict = |id| index.find(ANNA, Field::Body, &needle).unwrap().verdict(ContentId(id));
    assert_eq!(verdict(1), Verdict::Maybe);
    index.add(ANNA, &[doc(5, &plain("y"))], ModSeq(1)).unwrap();
    assert_eq!((verdict(1), verdict(5)), (Verdict::Maybe, Verdict::No));
    let empty = index.find(ANNA, Field::Body, &Needle::new("")).unwrap();
    assert_eq!(empty.verdict(ContentId(1)), Verdict::Yes);
}

#[test]
fn adding_again_changes_nothing() {
    let index = Index::in_memory();
    let text = plain("once");
    index.add(ANNA, &[doc(5, &text), doc(5, &text)], ModSeq(3)).unwrap();
    index.add(ANNA, &[doc(5, &text)], ModSeq(4)).unwrap();
    assert_eq!(index.position(ANNA).unwrap(), ModSeq(4));
    assert!(
        index.covers(ANNA, ContentId(5)).unwrap() && !index.covers(BORIS, ContentId(5)).unwrap()
    );
    assert_eq!(sure(&index, "once"), 1);
}

#[test]
fn segments_merge_and_keep_their_documents() {
    let dir = TempDir::new().unwrap();
    let (index, model) = filled(&dir, 17);
    assert_eq!(index.stats().segments, 3);
    assert_eq!(segment_files(&dir).len(), 3);
    model.check(&index, "round1");
    model.check(&index, "n1");
    drop(index);
    let index = Index::open(dir.path()).unwrap();
    assert_eq!(sure(&index, "all"), 340);
}

#[test]
fn a_crash_between_merge_and_removal_is_mended() {
    let dir = TempDir::new().unwrap();
    let (index, model) = filled(&dir, 7);
    let old: Vec<_> = segment_files(&dir)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    drop(index);
    let index = Index::open(dir.path()).unwrap();
    flush(&index);
    let texts = [plain("eighth")];
    let mut model = model;
    model.add(&index, &texts, 8);
    flush(&index);
    assert_eq!(segment_files(&dir).len(), 1);
    drop(index);
    for (path, bytes) in &old {
        fs::write(path, bytes).unwrap();
    }
    fs::write(old[0].0.with_file_name("new"), b"half a segment").unwrap();
    let index = Index::open(dir.path()).unwrap();
    assert_eq!(segment_files(&dir).len(), 1);
    model.check(&index, "round");
    assert_eq!(sure(&index, "all"), 140);
}

#[test]
fn a_crash_takes_back_what_was_not_saved() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(dir.path()).unwrap();
    index.add(ANNA, &[doc(1, &plain("first"))], ModSeq(1)).unwrap();
    flush(&index);
    index.add(ANNA, &[doc(2, &plain("second"))], ModSeq(2)).unwrap();
    index.save().unwrap();
    index.add(ANNA, &[doc(3, &plain("third"))], ModSeq(3)).unwrap();
    drop(index);
    for _ in 0..2 {
        let index = Index::open(dir.path()).unwrap();
        assert_eq!(index.position(ANNA).unwrap(), ModSeq(2));
        assert_eq!(
            (sure(&index, "first"), sure(&index, "second"), sure(&index, "third")),
            (1, 1, 0)
        );
        index.add(ANNA, &[doc(3, &plain("third"))], ModSeq(3)).unwrap();
        assert_eq!(sure(&index, "third"), 1);
    }
    // What was saved and then came into a segment is there once.
    let index = Index::open(dir.path()).unwrap();
    flush(&index);
    drop(index);
    let index = Index::open(dir.path()).unwrap();
    assert_eq!((sure(&index, "second"), index.stats().pending_bytes), (1, 0));
}

#[test]
fn damage_of_what_is_pending_starts_empty() {
    let dir = TempDir::new().unwrap();
    let (index, model) = filled(&dir, 1);
    index.add(ANNA, &[doc(900, &plain("pending"))], ModSeq(9)).unwrap();
    index.save().unwrap();
    let path = dir.path().join(PENDING);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let empty = Index::open(dir.path()).unwrap();
        assert_eq!(empty.position(ANNA).unwrap(), ModSeq(0), "{at}");
        model.check_with(&empty, "round1", |_| false);
    }
}

#[test]
fn a_damaged_segment_is_indexed_anew() {
    let dir = TempDir::new().unwrap();
    let (index, model) = filled(&dir, 1);
    drop(index);
    let path = segment_files(&dir).remove(0);
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(7) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let index = Index::open(dir.path()).unwrap();
        // Whether the damage is met or not: no wrong answer.
        model.check_with(&index, "round1", |_| false);
        model.check_with(&index, "n1", |_| false);
    }
    for bytes in [&good[..good.len() / 2], b""] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let index = Index::open(dir.path()).unwrap();
        model.check_with(&index, "round1", |_| false);
        assert_eq!(index.position(ANNA).unwrap(), ModSeq(0));
        assert!(!index.covers(ANNA, ContentId(1)).unwrap() && !path.exists());
    }
}

#[test]
fn another_version_starts_empty() {
    let dir = TempDir::new().unwrap();
    drop(filled(&dir, 1));
    fs::write(dir.path().join(PENDING), b"ktsindx9........").unwrap();
    let index = Index::open(dir.path()).unwrap();
    assert_eq!(index.position(ANNA).unwrap(), ModSeq(0));
    assert!(segment_files(&dir).is_empty());
}

#[test]
fn forgetting_lasts_and_touches_one_account() {
    let dir = TempDir::new().unwrap();
    let (index, _) = filled(&dir, 1);
    index.add(ANNA, &[doc(900, &plain("pending"))], ModSeq(9)).unwrap();
    index.add(BORIS, &[doc(900, &plain("pending"))], ModSeq(7)).unwrap();
    index.save().unwrap();
    index.forget(ANNA).unwrap();
    assert_eq!(index.position(ANNA).unwrap(), ModSeq(0));
    assert!(segment_files(&dir).is_empty());
    drop(index);
    let index = Index::open(dir.path()).unwrap();
    assert_eq!(index.position(ANNA).unwrap(), ModSeq(0));
    assert_eq!(index.position(BORIS).unwrap(), ModSeq(7));
    assert_eq!(sure(&index, "pending"), 0);
    // The account begins anew, and that lasts as well.
    index.add(ANNA, &[doc(900, &plain("pending"))], ModSeq(9)).unwrap();
    flush(&index);
    drop(index);
    let index = Index::open(dir.path()).unwrap();
    assert_eq!(sure(&index, "pending"), 1);
    index.clear().unwrap();
    drop(index);
    let index = Index::open(dir.path()).unwrap();
    assert_eq!((index.stats().accounts, index.position(BORIS).unwrap()), (0, ModSeq(0)));
}

#[test]
fn dead_contents_are_dropped() {
    let dir = TempDir::new().unwrap();
    let (index, _) = filled(&dir, 2);
    let live: ContentSet = (1..=60).map(ContentId).collect();
    assert!(index.compact(ANNA, &live).unwrap());
    assert!(!index.compact(ANNA, &live).unwrap());
    assert_eq!((sure(&index, "round1"), sure(&index, "round2")), (20, 0));
    assert_eq!(
        index.find(ANNA, Field::Body, &Needle::new("x")).unwrap().verdict(ContentId(61)),
        Verdict::Maybe
    );
    drop(index);
    let index = Index::open(dir.path()).unwrap();
    assert_eq!((sure(&index, "all"), index.position(ANNA).unwrap()), (20, ModSeq(2)));
}

#[test]
fn pending_memory_stays_bounded() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(dir.path()).unwrap();
    for round in 0..40_u64 {
        let body: String = (0..60_000).map(|n| format!("w{}x{round} ", n * 7)).collect();
        let account = AccountId(round as u32 % 3 + 1);
        index.add(account, &[doc(round, &plain(&body))], ModSeq(round)).unwrap();
        let stats = index.stats();
        assert!(stats.pending_bytes <= ALL_PENDING);
    }
    assert!(index.stats().segments > 0);
}

#[test]
fn a_document_beyond_the_limit_is_always_possible() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let body: String = (0..400_000).map(|n| format!("word{n} ")).collect();
    index.add(ANNA, &[doc(1, &plain(&body)), doc(2, &plain("small"))], ModSeq(1)).unwrap();
    for _ in 0..2 {
        let found = index.find(ANNA, Field::Body, &Needle::new("word399999")).unwrap();
        assert_eq!(found.verdict(ContentId(1)), Verdict::Maybe);
        assert_eq!(found.verdict(ContentId(2)), Verdict::No);
        assert_eq!(sure(&index, "word17"), 1);
        flush(&index);
    }
}

#[test]
fn searches_go_on_beside_indexing() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..=60_u64 {
                let texts: Vec<_> =
                    (0..10).map(|n| plain(&format!("all w{}", round * n))).collect();
                let docs: Vec<_> = (round * 100..).zip(&texts).map(|(id, t)| doc(id, t)).collect();
                index.add(ANNA, &docs, ModSeq(round)).unwrap();
                flush(&index);
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let found = sure(&index, "all");
            assert!(found >= last && found.is_multiple_of(10), "{last} then {found}");
            last = found;
        }
    });
    assert_eq!(sure(&index, "all"), 600);
}
