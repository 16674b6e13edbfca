//! Power cuts at every operation, failing and full disks.
//!
//! A script of operations runs on a simulated disk; a model knows what was acknowledged. Each row
//! carries the place of a body and what is in it, so that rows and bodies are checked together.

use std::sync::Mutex;

use super::*;
use crate::store::engine::local::Local;
use crate::store::engine::simulated::{Random, SimulatedDisk, Survives};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(disk: &SimulatedDisk) -> Result<Local> {
    Local::open(Arc::new(disk.clone()), &small())
}

/// The bytes of the body that step `number` writes at its `i`-th place.
fn body_bytes(number: u64, i: u64) -> Bytes {
    let mut random = Random(number * 100 + i);
    let len = if random.one_in(20) { random.below(9000) } else { random.below(500) };
    Bytes::from((0..len).map(|_| random.next() as u8).collect::<Vec<_>>())
}

fn encode(place: &BodyRef, number: u64, i: u64) -> Value {
    let fields = [u64::from(place.segment), place.offset, place.len, place.checksum, number, i];
    Value::from(fields.iter().flat_map(|field| field.to_le_bytes()).collect::<Vec<_>>())
}

/// Checks that the body which a row names is there.
fn check_row(engine: &dyn Engine, value: &[u8]) {
    let fields: Vec<u64> =
        value.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
    let [segment, offset, len, checksum, number, i] = fields[..] else { panic!("{value:?}") };
    let place = BodyRef { segment: segment as u32, offset, len, checksum };
    assert_eq!(body(engine, &place), body_bytes(number, i)[..]);
}

/// Runs step `number` of the script; `Ok(None)` if it changes no rows.
fn run_step(engine: &dyn Engine, number: u64) -> (Batch, Result<()>) {
    let mut random = Random(number);
    if random.one_in(25) {
        return (Batch::default(), engine.checkpoint());
    }
    let mut rows = BTreeMap::new();
    let mut batch = Batch::default();
    if random.one_in(15) {
        let spooled = engine.spool().and_then(|mut spool| {
            spool.write(&body_bytes(number, 99))?;
            spool.finish()
        });
        match spooled {
            Ok(place) => {
                rows.insert(Key::from_static(b"spooled"), Some(encode(&place, number, 99)));
            }
            Err(error) => return (Batch::default(), Err(error)),
        }
    }
    for i in 0..random.below(6) {
        let key = Key::from(format!("key {:03}", random.below(120)));
        if random.one_in(4) {
            rows.insert(key, None);
            continue;
        }
        let bytes = body_bytes(number, i);
        let place = engine.place(&bytes);
        // One operation in a while fails after it placed its body.
        if !random.one_in(10) {
            rows.insert(key, Some(encode(&place, number, i)));
            batch.bodies.push((place, bytes));
        }
    }
    if random.one_in(20) {
        engine.discard();
        return (Batch::default(), Ok(()));
    }
    batch.rows = rows.into_iter().collect();
    let rows = Batch { rows: batch.rows.clone(), bodies: Vec::new() };
    (rows, engine.commit(batch))
}

fn apply(model: &mut Model, batch: &Batch) {
    for (key, value) in &batch.rows {
        match value {
            Some(value) => model.insert(key.to_vec(), value.to_vec()),
            None => model.remove(&key[..]),
        };
    }
}

fn all_rows(engine: &dyn Engine) -> Model {
    scan(&*engine.view(), b"", &[0xff], usize::MAX, false).into_iter().collect()
}

/// What may have survived a cut: any part of what was not synced, and in turns nothing,
/// everything, or larger parts.
fn survivors(seed: u64) -> [Survives; 2] {
    let other = match seed % 3 {
        0 => Survives::Nothing,
        1 => Survives::Everything,
        _ => Survives::Some { block: 4096, seed },
    };
    [other, Survives::Some { block: 512, seed }]
}

/// Opens the disk after a cut and returns its rows, having read all bodies that they name.
fn recover(disk: &SimulatedDisk) -> Model {
    let engine = open(disk).unwrap();
    let rows = all_rows(&engine);
    rows.values().for_each(|value| check_row(&engine, value));
    // It goes on from here.
    put(&engine, "zz after the cut", "x");
    std::mem::forget(engine); // no flush: the next start replays again
    let again = open(disk).unwrap();
    let mut expected = rows.clone();
    expected.insert(b"zz after the cut".to_vec(), b"x".to_vec());
    assert_eq!(all_rows(&again), expected);
    rows
}

/// Disks as they would be found after a cut at each operation (or some of them).
#[derive(Clone, Default)]
struct Cuts(Arc<Mutex<Vec<(u64, SimulatedDisk)>>>);

impl Cuts {
    /// Begins to collect from a disk, at one operation in `one_in`.
    fn collect(disk: &SimulatedDisk, one_in: u64) -> Self {
        let cuts = Self::default();
        let sink = cuts.clone();
        disk.set_hook(move |world| {
            let at = world.operations();
            let mut random = Random(at * 7919);
            if random.one_in(one_in) {
                let images = survivors(random.next()).map(|kept| (at, world.after_power_cut(kept)));
                sink.0.lock().unwrap().extend(images);
            }
        });
        cuts
    }

    /// Checks what was collected since the last time: each must be one of these two states.
    fn check(&self, before: &Model, after: &Model, context: &str) -> usize {
        let disks = std::mem::take(&mut *self.0.lock().unwrap());
        for (at, disk) in &disks {
            let found = recover(disk);
            let whole = found == *before || found == *after;
            assert!(whole, "neither before nor after, cut at {at}, {context}");
        }
        disks.len()
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let steps: u64 = std::env::var("KONTOR_TEST_STEPS").map_or(200, |steps| steps.parse().unwrap());
    let disk = SimulatedDisk::default();
    let cuts = Cuts::collect(&disk, 1);
    let mut model = Model::new();
    let mut engine = open(&disk).unwrap();
    let mut count = cuts.check(&model, &model, "creating");
    for number in 1..=steps {
        let before = model.clone();
        let (batch, done) = run_step(&engine, number);
        done.unwrap();
        apply(&mut model, &batch);
        count += cuts.check(&before, &model, "committing");
        if number % 60 == 0 {
            drop(engine);
            engine = open(&disk).unwrap();
            count += cuts.check(&model, &model, "reopening");
        }
    }
    assert_eq!(all_rows(&engine), model);
    assert!(engine.segments().unwrap().len() > 5, "the script rotates segments");
    println!("{count} cuts");
}

/// Runs the script on a disk that fails at some operations, checking that reading goes on and
/// that writing resumes; returns how many operations there were.
fn run_failing(fail: std::ops::Range<u64>, cut_one_in: u64) -> u64 {
    let context = format!("failing at {fail:?}");
    let disk = SimulatedDisk::default();
    disk.fail(fail);
    let cuts = Cuts::collect(&disk, cut_one_in);
    let mut model = Model::new();
    let engine = (0..20).find_map(|_| open(&disk).ok()).expect("it opens in the end");
    cuts.check(&model, &model, &context);
    for number in 1..=60 {
        let (batch, done) = run_step(&engine, number);
        let mut after = model.clone();
        apply(&mut after, &batch);
        match done {
            Ok(()) => {
                cuts.check(&model, &after, &context);
                model = after;
            }
            Err(EngineError::Full) => panic!("it is not full"),
            Err(_) => {
                assert_eq!(all_rows(&engine), model, "{context}");
                let healed = (0..30).any(|_| engine.checkpoint().is_ok());
                assert!(healed && engine.writable(), "writable again after {context}");
                // Refused, but until the journal was whole again a start may have found it.
                cuts.check(&model, &after, &context);
            }
        }
        assert_eq!(all_rows(&engine), model, "{context}, step {number}");
    }
    assert_eq!(engine.verify(&mut |_, _| ()).unwrap(), Vec::<String>::new(), "{context}");
    for survives in survivors(disk.operations()) {
        let cut = disk.world().after_power_cut(survives);
        assert_eq!(recover(&cut), model, "{context}, then a cut: {survives:?}");
    }
    disk.operations()
}

#[test]
fn an_io_error_at_any_operation_is_survived() {
    let stride: u64 = std::env::var("KONTOR_TEST_STRIDE").map_or(5, |n| n.parse().unwrap());
    let mut at = 0;
    // One failure, or the disk fails for a while.
    while run_failing(at..at + [1, 1, 4, 12][(at / stride % 4) as usize], u64::MAX) > at {
        at += stride;
    }
    println!("up to operation {at}");
}

#[test]
fn a_first_start_that_failed_is_begun_again_and_loses_nothing() {
    let mut failures = 0;
    for at in 0.. {
        let disk = SimulatedDisk::default();
        disk.fail(at..at + 1);
        let engine = match open(&disk) {
            Ok(engine) => engine,
            Err(_) => {
                failures += 1;
                open(&disk).unwrap()
            }
        };
        // The first commit may meet the failure too.
        let row = || Batch {
            rows: vec![(Key::from_static(b"first"), Some(Value::from_static(b"row")))],
            bodies: Vec::new(),
        };
        let failed = engine.commit(row()).is_err();
        if failed {
            let healed = (0..30).any(|_| engine.checkpoint().is_ok());
            assert!(healed, "failing at {at}");
            engine.commit(row()).unwrap();
        }
        let kept = all_rows(&engine);
        for survives in [Survives::Nothing, Survives::Everything] {
            let cut = disk.world().after_power_cut(survives);
            assert_eq!(all_rows(&open(&cut).unwrap()), kept, "failing at {at}, {survives:?}");
        }
        if disk.operations() <= at {
            break;
        }
    }
    assert!(failures > 5, "{failures}");
}

#[test]
fn a_power_cut_some_time_after_an_io_error_loses_nothing() {
    let stride: u64 = std::env::var("KONTOR_TEST_STRIDE").map_or(9, |n| n.parse().unwrap());
    let mut at = 0;
    while run_failing(at..at + [1, 1, 4, 12][(at / stride % 4) as usize], 12) > at {
        at += stride;
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    for room in (0..60_000).step_by(1703) {
        let disk = SimulatedDisk::default();
        let engine = open(&disk).unwrap();
        let mut model = Model::new();
        for number in 1..=10 {
            let (batch, done) = run_step(&engine, number);
            done.unwrap();
            apply(&mut model, &batch);
        }
        disk.set_room(Some(room));
        let mut refused = 0;
        for number in 11..=60 {
            let (batch, done) = run_step(&engine, number);
            match done {
                Ok(()) => apply(&mut model, &batch),
                Err(EngineError::Full) => refused += 1,
                Err(error) => panic!("{error} with room for {room}"),
            }
            assert_eq!(all_rows(&engine), model, "room for {room}, step {number}");
        }
        let cut = disk.world().after_power_cut(Survives::Some { block: 512, seed: room });
        assert_eq!(recover(&cut), model, "room for {room}, then a cut");
        disk.set_room(None);
        if refused > 0 {
            let _ = engine.checkpoint();
        }
        for number in 61..=100 {
            let (batch, done) = run_step(&engine, number);
            done.unwrap();
            apply(&mut model, &batch);
        }
        assert_eq!(all_rows(&engine), model);
        drop(engine);
        assert_eq!(recover(&disk), model);
    }
}

#[test]
fn the_base_file_survives_a_full_disk() {
    let mut met = 0;
    for room in (600..30_000).step_by(1213) {
        let disk = SimulatedDisk::default();
        let engine = open(&disk).unwrap();
        let mut model = Model::new();
        disk.set_room(Some(room));
        for number in 1..=40 {
            let (batch, done) = run_step(&engine, number);
            if done.is_ok() {
                apply(&mut model, &batch);
            }
            met += u32::from(matches!(engine.checkpoint(), Err(EngineError::Full)));
            assert_eq!(all_rows(&engine), model, "room for {room}, step {number}");
        }
        let cut = disk.world().after_power_cut(Survives::Some { block: 512, seed: room });
        assert_eq!(recover(&cut), model, "room for {room}, then a cut");
        disk.set_room(None);
        engine.checkpoint().unwrap();
        assert!(engine.writable());
        assert_eq!(engine.verify(&mut |_, _| ()).unwrap(), Vec::<String>::new());
        assert_eq!(all_rows(&engine), model);
    }
    assert!(met > 10, "{met} flushes met a full disk");
}
