//! What an engine promises, tried on both of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

mod damage;
mod faults;
mod trouble;

/// Options under which everything happens often: small segments, small flushes.
fn small() -> EngineOptions {
    EngineOptions {
        cache_bytes: 1 << 20,
        segment_bytes: 4 << 10,
        flush_bytes: 2 << 10,
        flush_age: Duration::from_millis(5),
        live_limit: 8 << 10,
        reserve_bytes: 0,
        retry_after: Duration::from_millis(20),
        background: false,
    }
}

/// A batch of these rows, in order.
fn batch<K: AsRef<[u8]>, V: AsRef<[u8]>>(rows: impl IntoIterator<Item = (K, Option<V>)>) -> Batch {
    let rows: BTreeMap<Key, Option<Value>> = rows
        .into_iter()
        .map(|(key, value)| {
            (Key::copy_from_slice(key.as_ref()), value.map(|v| Value::copy_from_slice(v.as_ref())))
        })
        .collect();
    Batch { rows: rows.into_iter().collect(), bodies: Vec::new() }
}

fn put(engine: &dyn Engine, key: &str, value: &str) {
    engine.commit(batch([(key, Some(value))])).unwrap();
}

fn get(engine: &dyn Engine, key: &str) -> Option<String> {
    let value = engine.view().get(key.as_bytes()).unwrap();
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

type Found = Vec<(Vec<u8>, Vec<u8>)>;

fn scan(view: &dyn View, start: &[u8], end: &[u8], limit: usize, back: bool) -> Found {
    let mut found = Found::new();
    let mut row = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match back {
        true => view.scan_back(start, end, &mut row).unwrap(),
        false => view.scan(start, end, &mut row).unwrap(),
    }
    found
}

fn body(engine: &dyn Engine, place: &BodyRef) -> Vec<u8> {
    let mut out = Vec::new();
    engine.read_body(place, 0, u64::MAX, &mut out).unwrap();
    out
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Checkpoint,
    Reopen,
    Scan { start: Vec<u8>, end: Vec<u8>, limit: usize, back: bool },
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..4, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    prop_oneof![
        6 => proptest::collection::vec((key(), value), 0..20).prop_map(Step::Commit),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        6 => (key(), key(), 1usize..30, any::<bool>())
            .prop_map(|(start, end, limit, back)| Step::Scan { start, end, limit, back }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn the_local_engine_does_what_the_one_in_memory_does(
        steps in proptest::collection::vec(step(), 1..60),
        background in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = EngineOptions { background, ..small() };
        let mut local = open_local(dir.path(), &options).unwrap();
        let memory = open_memory();
        for step in steps {
            match step {
                Step::Commit(rows) => {
                    local.commit(batch(rows.clone())).unwrap();
                    memory.commit(batch(rows)).unwrap();
                }
                Step::Checkpoint => local.checkpoint().unwrap(),
                Step::Reopen => {
                    drop(local);
                    local = open_local(dir.path(), &options).unwrap();
                }
                Step::Scan { start, end, limit, back } => {
                    let (a, b) = (local.view(), memory.view());
                    prop_assert_eq!(a.get(&start).unwrap(), b.get(&start).unwrap());
                    prop_assert_eq!(
                        scan(&*a, &start, &end, limit, back),
                        scan(&*b, &start, &end, limit, back)
                    );
                }
            }
        }
        let all = |engine: &dyn Engine| scan(&*engine.view(), b"", &[9], usize::MAX, false);
        prop_assert_eq!(all(&*local), all(&*memory));
        prop_assert_eq!(local.verify(&mut |_, _| ()).unwrap(), Vec::<String>::new());
    }
}

/// Both engines, the local one in a directory that lives as long as the pair.
fn both() -> Vec<(Arc<dyn Engine>, Option<tempfile::TempDir>)> {
    let dir = tempfile::tempdir().unwrap();
    let local = open_local(dir.path(), &small()).unwrap();
    vec![(open_memory(), None), (local, Some(dir))]
}

#[test]
fn a_view_stays_as_it_was() {
    for (engine, _dir) in both() {
        put(&*engine, "a", "1");
        let before = engine.view();
        put(&*engine, "a", "2");
        engine.checkpoint().unwrap();
        assert_eq!(before.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(get(&*engine, "a").as_deref(), Some("2"));
    }
}

#[test]
fn bodies_lie_where_they_were_placed() {
    for (engine, _dir) in both() {
        let mut kept = Vec::new();
        for round in 0..40u8 {
            let bodies: Vec<Bytes> = (0..5)
                .map(|i| Bytes::from(vec![round ^ i; 37 * usize::from(round) + usize::from(i)]))
                .collect();
            let placed: Vec<_> =
                bodies.iter().map(|body| (engine.place(body), body.clone())).collect();
            if round % 7 == 6 {
                engine.discard();
                continue;
            }
            // The second one's operation failed: its place stays empty.
            let bodies: Vec<_> = placed
                .into_iter()
                .enumerate()
                .filter(|(i, _)| *i != 1)
                .map(|(_, pair)| pair)
                .collect();
            kept.extend(bodies.clone());
            let mut batch = batch([(format!("row {round}"), Some("value"))]);
            batch.bodies = bodies;
            engine.commit(batch).unwrap();
        }
        let mut listed = Vec::new();
        for segment in engine.segments().unwrap() {
            listed.extend(engine.segment_bodies(segment.number).unwrap());
        }
        assert_eq!(listed, kept.iter().map(|(place, _)| *place).collect::<Vec<_>>());
        for (place, bytes) in &kept {
            assert_eq!(body(&*engine, place), bytes[..]);
            let mut part = b"x".to_vec();
            engine.read_body(place, 3, 5, &mut part).unwrap();
            let end = bytes.len().min(8);
            assert_eq!(&part[1..], &bytes[3.min(end)..end]);
            engine.with_body(place, &mut |whole| assert_eq!(whole, bytes)).unwrap();
        }
    }
}

#[test]
fn a_large_body_is_spooled_and_an_abandoned_one_is_gone() {
    for (engine, _dir) in both() {
        let mut spool = engine.spool().unwrap();
        let mut bytes = Vec::new();
        for i in 0..40_000u32 {
            bytes.extend_from_slice(&i.to_le_bytes());
            spool.write(&i.to_le_bytes()).unwrap();
        }
        spool.write(&vec![7; 300_000]).unwrap();
        bytes.extend(vec![7; 300_000]);
        assert_eq!(spool.len(), bytes.len() as u64);
        let busy = engine.segments().unwrap();
        assert!(busy.iter().all(|segment| segment.single && segment.active));
        assert!(!engine.remove_segment(busy[0].number).unwrap());
        let place = spool.finish().unwrap();
        assert_eq!(body(&*engine, &place), bytes);
        engine.with_body(&place, &mut |whole| assert_eq!(whole, bytes)).unwrap();
        assert_eq!(engine.segment_bodies(place.segment).unwrap(), [place]);

        drop(engine.spool().unwrap());
        assert_eq!(engine.segments().unwrap().len(), 1);
        assert!(engine.remove_segment(place.segment).unwrap());
        assert!(engine.segments().unwrap().is_empty());
        assert!(engine.read_body(&place, 0, 1, &mut Vec::new()).is_err());
    }
}

#[test]
fn a_segment_goes_when_the_journal_no_longer_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine =
        open_local(dir.path(), &EngineOptions { flush_bytes: 1 << 20, ..small() }).unwrap();
    let value = "v".repeat(1000);
    for i in 0..20 {
        put(&*engine, &i.to_string(), &value);
    }
    let first = engine.segments().unwrap()[0];
    assert!(first.size >= 4 << 10 && !first.active);
    assert!(!engine.remove_segment(first.number).unwrap());
    engine.checkpoint().unwrap();
    assert!(engine.remove_segment(first.number).unwrap());
    let last = *engine.segments().unwrap().last().unwrap();
    assert!(last.active);
    assert!(!engine.remove_segment(last.number).unwrap());
    drop(engine);
    let engine = open_local(dir.path(), &small()).unwrap();
    assert_eq!(get(&*engine, "0"), Some(value));
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open_local(dir.path(), &small()).unwrap();
    let refused = open_local(dir.path(), &small()).err().unwrap().to_string();
    assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
    drop(engine);
    open_local(dir.path(), &small()).unwrap();
}

#[test]
fn a_view_that_outlives_the_engine_does_not_hold_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open_local(dir.path(), &EngineOptions { cache_bytes: 0, ..small() }).unwrap();
    for i in 0..500 {
        put(&*engine, &format!("key {i:04}"), &"value ".repeat(20));
    }
    engine.checkpoint().unwrap();
    let view = engine.view();
    drop(engine);
    assert!(view.scan(b"", &[0xff], &mut |_, _| ControlFlow::Continue(())).is_err());
    let again = open_local(dir.path(), &small()).unwrap();
    put(&*again, "key 0000", "new");
    drop(view);
    assert_eq!(again.verify(&mut |_, _| ()).unwrap(), Vec::<String>::new());
    assert_eq!(scan(&*again.view(), b"", &[0xff], 1000, false).len(), 500);
}

#[test]
fn too_long_rows_are_refused() {
    for (engine, _dir) in both() {
        let long = vec![0; MAX_KEY + 1];
        assert!(engine.commit(batch([(&long, Some("v"))])).is_err());
        assert!(engine.commit(batch([("k", Some(vec![0; MAX_VALUE + 1]))])).is_err());
        assert!(engine.commit(batch([(&long[1..], Some(vec![0; MAX_VALUE]))])).is_ok());
    }
}
