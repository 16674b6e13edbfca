//! Evaluation against a store in memory: what is found, indexed or not, and in what order.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::base::address::EmailAddress;
use crate::base::clock::Clock;
use crate::base::id::{AccountId, MailboxId, ModSeq, Uid};
use crate::domain::account::{self, NewAccount};
use crate::domain::mailbox;
use crate::domain::message::{self, FlagChange, FlagNames, FlagOp, Prepared};
use crate::format::mime::{RecordView, search_text};
use crate::imap::codec::encode;
use crate::imap::codec::types::{
    By, DateField, DateOrder, Day, Flag, Keyword, Numbers, SequenceSet, SortCriterion, SortKey,
    ThreadAlgorithm,
};
use crate::store::rows::flags::Flags;
use crate::store::search::Doc;
use crate::store::{Read, Tx};

const NOW: i64 = 1_700_000_000;
const DAY: i64 = 86_400;

struct Office {
    store: Store,
    account: AccountId,
    inbox: MailboxId,
    cache: Cache,
}

impl Office {
    fn new() -> Self {
        let store = Store::in_memory(Clock::fixed(NOW));
        let account = write(&store, |tx| {
            account::add_domain(tx, "office.example")?;
            let new = NewAccount {
                address: EmailAddress::parse_human("anna@office.example").unwrap(),
                display_name: "Anna".into(),
                admin: false,
                credentials: None,
                quota: None,
            };
            Ok(account::create(tx, &new)?.id)
        });
        let inbox = mailbox::find(&store.read(), account, "INBOX").unwrap().id;
        Self { store, account, inbox, cache: Cache::default() }
    }

    fn add(&self, raw: &str, flags: FlagNames, date: i64) {
        let raw = Bytes::from(raw.replace('\n', "\r\n"));
        let inbox = self.inbox;
        write(&self.store, move |tx| {
            let stored = message::store_content(tx, Prepared::new(b"", raw.clone()))?;
            message::add(tx, inbox, &stored, &flags, Some(date)).map(drop)
        });
    }

    fn add_all(&self, raws: &[&str]) {
        raws.iter().for_each(|raw| self.add(raw, FlagNames::default(), NOW));
    }

    fn remove(&self, uids: &[u32]) {
        let (inbox, uids) = (self.inbox, uids.iter().copied().collect());
        write(&self.store, move |tx| message::remove(tx, inbox, &uids));
    }

    fn index(&self) {
        let read = self.store.read();
        let table = self.store.table(self.inbox).unwrap().unwrap();
        for message in table.iter() {
            let record = read.content(message.place.content).unwrap().unwrap();
            let prefix = RecordView::parse(&record).unwrap().prefix().to_vec();
            let body = read.body_row(message.place.content).unwrap().unwrap();
            let text = read.with_body(&body.at, |raw| search_text(&prefix, raw)).unwrap();
            let content = message.place.content;
            let doc = Doc { content, headers: &text.headers, body: &text.body };
            self.store.search().add(self.account, &[doc], ModSeq(1)).unwrap();
        }
    }

    fn uids(&self) -> Vec<u32> {
        self.store.table(self.inbox).unwrap().unwrap().iter().map(|m| m.uid.0).collect()
    }

    fn within<T>(&self, run: impl FnOnce(&Scope<'_>) -> T) -> T {
        let table = self.store.table(self.inbox).unwrap().unwrap();
        let (saved, recent) = (UidSet::range(2, 3), UidSet::range(4, 9));
        run(&Scope {
            store: &self.store,
            table: &table,
            view: &self.uids(),
            saved: &saved,
            recent: &recent,
            now: NOW,
            progress: &Progress::default(),
        })
    }

    fn search(&self, key: &SearchKey) -> Vec<u32> {
        self.within(|scope| numbers(&evaluate(scope, key).unwrap().to_vec(), By::Uid))
    }

    fn sort(&self, criteria: &[(SortKey, bool)]) -> Vec<u32> {
        let criteria: Vec<_> =
            criteria.iter().map(|&(key, reverse)| SortCriterion { reverse, key }).collect();
        self.within(|scope| {
            let found = evaluate(scope, &SearchKey::All).unwrap();
            numbers(&sort(scope, &self.cache, &found, &criteria).unwrap(), By::Uid)
        })
    }

    fn thread(&self, algorithm: ThreadAlgorithm) -> String {
        self.within(|scope| {
            let found = evaluate(scope, &SearchKey::All).unwrap();
            let answer = thread(scope, &self.cache, &found, algorithm).unwrap();
            let mut out = Vec::new();
            encode::thread(&mut out, &answer.threads.nodes(|uid| uid));
            let line = String::from_utf8(out).unwrap();
            line.trim_end().trim_start_matches("* THREAD").trim_start().to_owned()
        })
    }
}

fn numbers(hits: &[Hit], by: By) -> Vec<u32> {
    hits.iter().map(|hit| hit.number(by)).collect()
}

fn write<T: Send + 'static>(
    store: &Store,
    operation: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> T {
    store.write_blocking(operation).unwrap()
}

fn header(name: &str, text: &str) -> SearchKey {
    SearchKey::Header { name: name.into(), text: text.into() }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn date(field: DateField, order: DateOrder, day: i64) -> SearchKey {
    SearchKey::Date { field, order, day: Day(day as i32) }
}

fn set(set: UidSet) -> SequenceSet {
    SequenceSet::of(set)
}

/// Six messages that differ in everything.
fn sample() -> Office {
    let office = Office::new();
    let keyword = FlagNames { system: Flags::SEEN, keywords: vec!["$Work".into()] };
    office.add("Subject: Ledger of =?utf-8?q?Stra=C3=9Fen?=\nFrom: Zoe <zoe@a.example>\nMessage-ID: <1@x>\nDate: Tue, 14 Nov 2023 23:30:00 -0500\n\nThe zirconium-ledger lies\nopen.\n", keyword, NOW - 10 * DAY);
    office.add("Subject: other\nFrom: Bo <bo@b.example>\nTo: zoe@a.example\nMessage-ID: <2@x>\nDate: Wed, 15 Nov 2023 23:30:00 -0500\n\nledger\n", FlagNames::system(Flags::FLAGGED), NOW - DAY);
    office.add("Subject: Re: other\nFrom: Al <al@c.example>\nX-Tag:\nReferences: <2@x>\nMessage-ID: <3@x>\n\nnothing\n", FlagNames::default(), NOW);
    office.add(
        "From: cy@d.example\nCc: bo@b.example\n\nBig Ledger BOOK\n",
        FlagNames::default(),
        NOW + DAY,
    );
    office.add(
        "Subject: =?utf-8?b?5Lya6K2w44Gu6K2w5LqL6Yyy?=\n\n\n",
        FlagNames::system(Flags::DELETED),
        NOW,
    );
    office.add("Subject: big\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>zir<b>conium</b></p>\n--b\nContent-Disposition: attachment; filename=report-ledger.pdf\n\nx\n--b--\n", FlagNames::default(), NOW);
    office
}

#[test]
fn finds_what_each_key_asks_for() {
    let office = sample();
    for round in 0..2 {
        let cases: Vec<(SearchKey, &[u32])> = vec![
            (SearchKey::All, &[1, 2, 3, 4, 5, 6]),
            (SearchKey::Flag(Flag::Seen), &[1]),
            (SearchKey::Flag(Flag::Keyword(Keyword::new("$wORK").unwrap())), &[1]),
            (SearchKey::Flag(Flag::Keyword(Keyword::new("unknown").unwrap())), &[]),
            (not(SearchKey::Flag(Flag::Keyword(Keyword::new("no").unwrap()))), &[1, 2, 3, 4, 5, 6]),
            (SearchKey::Recent, &[4, 5, 6]),
            (SearchKey::Seq(SequenceSet::Saved), &[2, 3]),
            (SearchKey::Uid(set(UidSet::range(3, 99))), &[3, 4, 5, 6]),
            (SearchKey::Seq(set(UidSet::range(5, 7))), &[5, 6]),
            (SearchKey::Uid(SequenceSet::Numbers(Numbers::default())), &[]),
            (SearchKey::Larger(150), &[1, 6]),
            (SearchKey::Smaller(55), &[5]),
            (date(DateField::Internal, DateOrder::Before, 19_675), &[1, 2]),
            (date(DateField::Internal, DateOrder::On, 19_675), &[3, 5, 6]),
            (date(DateField::Internal, DateOrder::Since, 19_676), &[4]),
            (date(DateField::Saved, DateOrder::On, 19_675), &[1, 2, 3, 4, 5, 6]),
            // In UTC the first was sent on the 15th, the second on the 16th.
            (date(DateField::Sent, DateOrder::On, 19_675), &[1, 3, 5, 6]),
            (date(DateField::Sent, DateOrder::On, 19_676), &[2, 4]),
            (date(DateField::Sent, DateOrder::Before, 19_675), &[]),
            (date(DateField::Sent, DateOrder::Since, 19_676), &[2, 4]),
            (SearchKey::Younger(3_600), &[3, 4, 5, 6]),
            (SearchKey::Older(3_600), &[1, 2]),
            (SearchKey::SaveDateSupported, &[1, 2, 3, 4, 5, 6]),
            (header("subject", "STRASSEN"), &[]),
            (header("subject", "straßen"), &[1]),
            (header("subject", "ledger of stra"), &[1]),
            (header("subject", "の議事"), &[5]),
            (header("from", "@A.example"), &[1]),
            (header("to", "zoe"), &[2]),
            (header("cc", "bo@"), &[4]),
            (header("message-id", "<3@x>"), &[3]),
            (header("message-id", "3@x"), &[3]),
            (header("references", "2@x"), &[3]),
            (header("subject", ""), &[1, 2, 3, 5, 6]),
            (header("x-tag", ""), &[3]),
            (header("x-tag", "x"), &[]),
            (SearchKey::Body("ledger".into()), &[1, 2, 4, 6]),
            (SearchKey::Body("conium-led".into()), &[1]),
            (SearchKey::Body("lies open".into()), &[1]),
            (SearchKey::Body("zirconium".into()), &[1, 6]),
            (SearchKey::Body("report-ledger".into()), &[6]),
            (SearchKey::Text("ledger".into()), &[1, 2, 4, 6]),
            (SearchKey::Text("zoe@a".into()), &[1, 2]),
            (SearchKey::Text("".into()), &[1, 2, 3, 4, 5, 6]),
            (SearchKey::Or(vec![SearchKey::Body("lies".into()), SearchKey::Recent]), &[1, 4, 5, 6]),
            (
                SearchKey::And(vec![
                    SearchKey::Body("ledger".into()),
                    not(header("subject", "ledger")),
                ]),
                &[2, 4, 6],
            ),
            (
                not(SearchKey::Or(vec![header("to", "zoe"), SearchKey::Body("big ledger".into())])),
                &[1, 3, 5, 6],
            ),
            (SearchKey::EmailId("nonsense".into()), &[]),
        ];
        for (key, want) in cases {
            assert_eq!(office.search(&key), want, "round {round}: {key:?}");
        }
        office.index();
    }
    let one = office.store.table(office.inbox).unwrap().unwrap();
    let one = one.get(Uid(3)).unwrap().clone();
    assert_eq!(office.search(&SearchKey::EmailId(format!("E{}", one.place.message))), [3]);
    assert_eq!(office.search(&SearchKey::ThreadId(format!("T{}", one.place.thread))), [2, 3]);
    assert_eq!(office.search(&SearchKey::EmailId(format!("E0{}", one.place.message))), [0u32; 0]);
}

#[test]
fn only_what_the_session_shows_and_still_exists_is_found() {
    let office = sample();
    office.remove(&[2]);
    let table = office.store.table(office.inbox).unwrap().unwrap();
    let scope = Scope {
        store: &office.store,
        table: &table,
        view: &[1, 2, 3, 4, 5],
        saved: &UidSet::new(),
        recent: &UidSet::new(),
        now: NOW,
        progress: &Progress::default(),
    };
    let found = evaluate(&scope, &not(SearchKey::Flag(Flag::Seen))).unwrap();
    assert_eq!(numbers(&found.to_vec(), By::Seq), [3, 4, 5]);
    let seq = SearchKey::Seq(set(UidSet::range(2, 3)));
    assert_eq!(numbers(&evaluate(&scope, &seq).unwrap().to_vec(), By::Uid), [3]);
}

#[test]
fn modseq_is_at_or_after() {
    let office = sample();
    let inbox = office.inbox;
    let change =
        FlagChange { op: FlagOp::Add, flags: FlagNames::system(Flags::SEEN), unless_after: None };
    let done = write(&office.store, move |tx| {
        message::set_flags(tx, inbox, &UidSet::range(3, 4), &change)
    });
    assert_eq!(office.search(&SearchKey::ModSeq(done.modseq.0)), [3, 4]);
    assert_eq!(office.search(&SearchKey::ModSeq(done.modseq.0 + 1)), [0u32; 0]);
}

#[test]
fn lines_that_are_no_fields_are_found() {
    let office = Office::new();
    office.add_all(&["Hello", "Subject: a\na stray line\nTo: b\n\nbody\n"]);
    for _ in 0..2 {
        assert_eq!(office.search(&SearchKey::Text("hello".into())), [1]);
        assert_eq!(office.search(&SearchKey::Text("stray line".into())), [2]);
        assert_eq!(office.search(&header("to", "b")), [2]);
        office.index();
    }
}

#[test]
fn a_cancelled_search_ends() {
    let office = sample();
    office.within(|scope| {
        scope.progress.cancel();
        assert!(evaluate(scope, &SearchKey::Body("ledger".into())).is_err());
    });
}

/// Without an index each message is read, by several threads where there are cores for them.
#[test]
fn many_messages_are_read_side_by_side() {
    let office = Office::new();
    let text = |n: u32| if n.is_multiple_of(3) { "kind regards from the" } else { "kind from" };
    for n in 0..200 {
        office.add(&format!("Subject: {n}\n\n{} office\n", text(n)), FlagNames::default(), NOW);
    }
    let wanted: Vec<u32> = (0..200u32).filter(|n| n.is_multiple_of(3)).map(|n| n + 1).collect();
    let key = SearchKey::Body("Regards from THE office".into());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(office.search(&key), wanted));
        }
    });
    // The pairs are in the index; that they follow each other is read.
    office.index();
    assert_eq!(office.search(&key), wanted);
}

#[test]
fn what_is_done_at_once() {
    assert!(is_quick(&not(SearchKey::Flag(Flag::Seen))));
    assert!(!is_quick(&SearchKey::Or(vec![SearchKey::All, SearchKey::Text("x".into())])));
    assert!(!is_quick(&SearchKey::And(vec![SearchKey::All; 1_000])));
}

#[test]
fn too_many_texts_are_refused() {
    let office = sample();
    let keys = (0..2_000).map(|n| SearchKey::Body(format!("word{n}"))).collect();
    let refused = office.within(|scope| evaluate(scope, &SearchKey::Or(keys)).err());
    assert!(matches!(refused, Some(crate::domain::Error::TooMany(_))));
}

#[test]
fn sorts_by_every_key() {
    let office = sample();
    for _ in 0..2 {
        assert_eq!(office.sort(&[(SortKey::Arrival, false)]), [1, 2, 3, 5, 6, 4]);
        assert_eq!(office.sort(&[(SortKey::Arrival, true)]), [4, 3, 5, 6, 2, 1]);
        // Those without a Date field count as sent when they arrived.
        assert_eq!(office.sort(&[(SortKey::Date, false)]), [3, 5, 6, 1, 4, 2]);
        // Base subjects: none, big, ledger of straßen, other, other, 会議….
        assert_eq!(office.sort(&[(SortKey::Subject, false)]), [4, 6, 1, 2, 3, 5]);
        assert_eq!(office.sort(&[(SortKey::Subject, true)]), [5, 2, 3, 1, 6, 4]);
        assert_eq!(
            office.sort(&[(SortKey::Subject, false), (SortKey::Arrival, true)]),
            [4, 6, 1, 3, 2, 5]
        );
        assert_eq!(office.sort(&[(SortKey::From, false)]), [5, 6, 3, 2, 4, 1]);
        assert_eq!(office.sort(&[(SortKey::DisplayFrom, false)]), [5, 6, 3, 2, 4, 1]);
        assert_eq!(office.sort(&[(SortKey::To, true), (SortKey::Cc, true)]), [2, 4, 1, 3, 5, 6]);
    }
    let sizes = office.sort(&[(SortKey::Size, false)]);
    assert_eq!((sizes[0], sizes[4].min(sizes[5]), sizes.len()), (5, 1, 6));
}

/// What is kept of an order must stay right while messages come and go.
#[test]
fn orders_are_brought_forward() {
    let office = Office::new();
    let subject = |n: u32| format!("Subject: {}\n\n", n * 7919 % 100);
    for n in 0..200 {
        office.add(&subject(n), FlagNames::default(), NOW);
    }
    for n in 200..260 {
        let kept = office.sort(&[(SortKey::Subject, false)]);
        let fresh = Office { cache: Cache::default(), store: office.store.clone(), ..office };
        assert_eq!(kept, fresh.sort(&[(SortKey::Subject, false)]));
        assert_eq!(
            office.thread(ThreadAlgorithm::References),
            fresh.thread(ThreadAlgorithm::References)
        );
        office.remove(&[n - 100, n - 99]);
        // The smallest again and again: at some point there is no room between two ranks.
        office.add(&format!("Subject: 0{}\n\n", "0".repeat(n as usize)), FlagNames::default(), NOW);
        office.add(&subject(n), FlagNames::default(), NOW);
    }
}

#[test]
fn threads_by_references_and_by_subject() {
    let office = Office::new();
    office.add_all(&[
        "Message-ID: <1@x>\nSubject: plan\nDate: 1 Jan 2024 10:00:00 +0000\n\n",
        "Message-ID: <2@x>\nSubject: Re: plan\nReferences: <1@x>\nDate: 1 Jan 2024 12:00:00 +0000\n\n",
        "Message-ID: <3@x>\nSubject: news\nDate: 1 Jan 2024 09:00:00 +0000\n\n",
        "Message-ID: <4@x>\nSubject: Re: plan\nIn-Reply-To: <1@x>\nDate: 1 Jan 2024 11:00:00 +0000\n\n",
        "Message-ID: <5@x>\nSubject: Fwd: plan\nReferences: <1@x> <2@x>\nDate: 1 Jan 2024 13:00:00 +0000\n\n",
        "Message-ID: <6@x>\nSubject: =?utf-8?q?NEWS?=\nReferences: <9@x>\nDate: 1 Jan 2024 14:00:00 +0000\n\n",
    ]);
    for _ in 0..2 {
        assert_eq!(office.thread(ThreadAlgorithm::References), "((3)(6))(1 (4)(2 5))");
        assert_eq!(office.thread(ThreadAlgorithm::OrderedSubject), "(3 6)(1 (4)(2)(5))");
    }
    office.add_all(&["Message-ID: <7@x>\nReferences: <3@x>\n\n"]);
    office.remove(&[2]);
    assert_eq!(office.thread(ThreadAlgorithm::References), "((3 7)(6))(1 (4)(5))");
}

/// The mailbox of the model: each message is some words of a few.
const WORDS: [&str; 6] = ["alpha", "beta", "alphabet", "be", "gamma ray", "tab"];

fn keys() -> impl Strategy<Value = SearchKey> {
    let word = || prop::sample::select(vec!["alpha", "bet", "gamma", "a ray", "x", "t"]);
    let leaf = prop_oneof![
        word().prop_map(|word| SearchKey::Body(word.into())),
        word().prop_map(|word| SearchKey::Text(word.into())),
        word().prop_map(|word| header("subject", word)),
        word().prop_map(|word| header("x-words", word)),
        Just(SearchKey::Flag(Flag::Seen)),
        (1u32..14, 1u32..14).prop_map(|(a, b)| SearchKey::Uid(set(UidSet::range(a, b)))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(SearchKey::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(SearchKey::Or),
            inner.prop_map(not),
        ]
    })
}

/// One message after the other, as the RFC says it.
fn naive(key: &SearchKey, uid: u32, words: &[&str; 3], seen: bool) -> bool {
    let [subject, field, body] = words;
    match key {
        SearchKey::And(keys) => keys.iter().all(|key| naive(key, uid, words, seen)),
        SearchKey::Or(keys) => keys.iter().any(|key| naive(key, uid, words, seen)),
        SearchKey::Not(key) => !naive(key, uid, words, seen),
        SearchKey::Body(text) => body.contains(&**text),
        SearchKey::Text(text) => {
            let fields = [format!("subject: {subject}"), format!("x-words: {field}")];
            body.contains(&**text) || fields.iter().any(|field| field.contains(&**text))
        }
        SearchKey::Header { name, text } if name == "subject" => subject.contains(&**text),
        SearchKey::Header { text, .. } => field.contains(&**text),
        SearchKey::Flag(_) => seen,
        SearchKey::Uid(SequenceSet::Numbers(numbers)) => numbers.resolve(12).contains(uid),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn finds_what_the_naive_way_finds(
        messages in prop::collection::vec((0usize..6, 0usize..6, 0usize..6, any::<bool>()), 12),
        indexed in 0usize..12,
        keys in prop::collection::vec(keys(), 20),
    ) {
        let office = Office::new();
        for (at, &(subject, field, body, seen)) in messages.iter().enumerate() {
            let raw = format!("Subject: {}\nX-Words: {}\n\n{}\n", WORDS[subject], WORDS[field], WORDS[body]);
            office.add(&raw, FlagNames::system(if seen { Flags::SEEN } else { Flags::NONE }), NOW);
            if at == indexed {
                office.index();
            }
        }
        for key in keys {
            let want: Vec<u32> = (1..).zip(&messages).filter(|(uid, (subject, field, body, seen))| {
                naive(&key, *uid, &[WORDS[*subject], WORDS[*field], WORDS[*body]], *seen)
            }).map(|(uid, _)| uid).collect();
            prop_assert_eq!(office.search(&key), want, "{:?}", key);
        }
    }
}
