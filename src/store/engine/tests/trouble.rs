//! The engine with its flusher, on a disk that fails and comes back: what a server would notice.

use std::time::Instant;

use super::*;
use crate::store::engine::local::Local;
use crate::store::engine::simulated::SimulatedDisk;

fn open(disk: &SimulatedDisk, options: EngineOptions) -> Local {
    Local::open(Arc::new(disk.clone()), &EngineOptions { background: true, ..options }).unwrap()
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn commit(engine: &dyn Engine, key: &str, value: &str) -> Result<()> {
    engine.commit(batch([(key, Some(value))]))
}

#[test]
fn a_failed_disk_stops_writing_and_it_resumes_by_itself() {
    let disk = SimulatedDisk::default();
    let engine = open(&disk, small());
    commit(&engine, "a", "1").unwrap();
    let before = engine.view();
    disk.fail(0..u64::MAX);
    let error = commit(&engine, "a", "2").unwrap_err();
    assert!(matches!(error, EngineError::Io { .. }), "{error}");
    for _ in 0..50 {
        // Quickly, without touching the disk, while the flusher probes it.
        assert!(!engine.writable());
        assert!(commit(&engine, "a", "3").is_err());
        assert_eq!(get(&engine, "a").as_deref(), Some("1"));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(before.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    disk.fail(0..0);
    eventually("writing again", || engine.writable());
    commit(&engine, "b", "4").unwrap();
    drop(engine);
    let engine = open(&disk, small());
    assert_eq!(get(&engine, "a").as_deref(), Some("1"));
    assert_eq!(get(&engine, "b").as_deref(), Some("4"));
}

#[test]
fn failures_in_the_middle_of_flushes_and_commits_never_end_writing_for_good() {
    let disk = SimulatedDisk::default();
    let options =
        EngineOptions { flush_age: Duration::ZERO, retry_after: Duration::ZERO, ..small() };
    let engine = open(&disk, options);
    let mut expected = None;
    for round in 0..300u64 {
        let next = disk.operations() + round % 17;
        disk.fail(next..next + 1 + round % 3);
        for i in 0..4 {
            let value = format!("{round} {i}");
            if commit(&engine, "key", &value).is_ok() {
                expected = Some(value);
            } else {
                eventually("writing again", || engine.writable());
            }
            assert_eq!(get(&engine, "key"), expected);
        }
    }
    disk.fail(0..0);
    engine.checkpoint().unwrap();
    drop(engine);
    assert_eq!(get(&open(&disk, small()), "key"), expected);
}

#[test]
fn rows_that_are_not_in_the_cache_are_read_while_the_base_file_cannot_be_written() {
    let disk = SimulatedDisk::default();
    // So small a cache that reading has to go to the file.
    let options = EngineOptions { cache_bytes: 0, live_limit: 1 << 20, ..small() };
    let engine = open(&disk, options);
    let mut expected = BTreeMap::new();
    for i in 0..300 {
        let (key, value) = (format!("key {i:04}"), "value".repeat(i % 40));
        commit(&engine, &key, &value).unwrap();
        expected.insert(key.into_bytes(), value.into_bytes());
    }
    engine.checkpoint().unwrap();
    disk.fail(0..u64::MAX);
    assert!(commit(&engine, "lost", "x").is_err());
    for _ in 0..20 {
        let _ = engine.checkpoint();
        let rows = scan(&*engine.view(), b"", &[0xff], usize::MAX, true);
        assert_eq!(rows.into_iter().collect::<BTreeMap<_, _>>(), expected);
    }
    disk.fail(0..0);
    eventually("writing again", || commit(&engine, "kept", "y").is_ok());
    engine.checkpoint().unwrap();
    assert_eq!(engine.verify(&mut |_, _| ()).unwrap(), Vec::<String>::new());
    assert_eq!(get(&engine, "lost"), None);
}

#[test]
fn a_reserve_is_kept_free() {
    let disk = SimulatedDisk::default();
    let options = EngineOptions { reserve_bytes: 100_000, ..small() };
    let engine = open(&disk, options);
    commit(&engine, "a", "1").unwrap();
    engine.checkpoint().unwrap();
    disk.set_room(Some(100_200));
    commit(&engine, "a", "2").unwrap();
    eventually("using up the room", || commit(&engine, "b", &"x".repeat(50)).is_err());
    assert!(!engine.writable());
    assert!(matches!(commit(&engine, "a", "3"), Err(EngineError::Full)));
    assert!(matches!(engine.spool(), Err(EngineError::Full)));
    assert_eq!(get(&engine, "a").as_deref(), Some("2"));
    disk.set_room(None);
    assert!(engine.writable());
    commit(&engine, "a", "4").unwrap();
}

#[test]
fn commits_wait_for_the_flush_when_much_is_in_memory() {
    let disk = SimulatedDisk::default();
    let engine = Arc::new(open(&disk, small()));
    for i in 0..2000 {
        commit(&*engine, &format!("key {i:05}"), &"v".repeat(100)).unwrap();
    }
    let rows = scan(&*engine.view(), b"", &[0xff], usize::MAX, false);
    assert_eq!(rows.len(), 2000);
    eventually("flushing after a moment", || {
        engine
            .segments()
            .unwrap()
            .iter()
            .all(|segment| segment.active || engine.remove_segment(segment.number).unwrap())
    });
}

#[test]
fn readers_and_the_writer_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open_local(dir.path(), &EngineOptions { background: true, ..small() }).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // Each commit sets all ten to the same number.
                    let rows = scan(&*engine.view(), b"", &[0xff], usize::MAX, false);
                    assert!(rows.is_empty() || rows.len() == 10);
                    assert!(rows.windows(2).all(|pair| pair[0].1 == pair[1].1), "{rows:?}");
                }
            });
        }
        for i in 0..1500 {
            let rows = (0..10).map(|row| (format!("row {row}"), Some(i.to_string())));
            engine.commit(batch(rows)).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
