//! Files that are not as they were left: changed bytes, missing files, other formats.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::store::engine::disk::Disk;
use crate::store::engine::local::Local;
use crate::store::engine::redb::{Base, Migration};
use crate::store::engine::simulated::{Random, SimulatedDisk, Survives};

fn open(disk: &SimulatedDisk) -> Result<Local> {
    Local::open(Arc::new(disk.clone()), &EngineOptions { segment_bytes: 1 << 20, ..small() })
}

/// A disk with three unflushed commits of one body each, as after a kill, and the bodies' places.
fn with_three_records() -> (SimulatedDisk, Vec<BodyRef>) {
    let disk = SimulatedDisk::default();
    let engine = open(&disk).unwrap();
    let mut places = Vec::new();
    for i in 0..3u8 {
        let bytes = Bytes::from(vec![i; 600]);
        let place = engine.place(&bytes);
        let mut batch = batch([(format!("row {i}"), Some("value"))]);
        batch.bodies.push((place, bytes));
        engine.commit(batch).unwrap();
        places.push(place);
    }
    std::mem::forget(engine);
    (disk, places)
}

const SEGMENT: &str = "segments/00000001.seg";

fn refusal(disk: &SimulatedDisk) -> String {
    open(disk).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_damaged_record_with_others_behind_it_is_not_cut_off() {
    let (disk, places) = with_three_records();
    disk.corrupt(SEGMENT, places[1].offset - 1); // its header
    assert!(refusal(&disk).contains("segment 1 is damaged"), "{}", refusal(&disk));
    let (disk, places) = with_three_records();
    disk.corrupt(SEGMENT, places[1].offset + places[1].len + 2); // its rows
    assert!(refusal(&disk).contains("segment 1 is damaged"), "{}", refusal(&disk));
}

#[test]
fn a_torn_last_record_is_cut_off() {
    for within in [-1i64, 5, 602] {
        let (disk, places) = with_three_records();
        disk.corrupt(SEGMENT, (places[2].offset as i64 + within) as u64);
        let engine = open(&disk).unwrap();
        assert_eq!(get(&engine, "row 1").as_deref(), Some("value"));
        assert_eq!(get(&engine, "row 2"), None);
        assert_eq!(engine.segments().unwrap()[0].size, places[2].offset - 40);
    }
}

#[test]
fn a_message_that_looks_like_a_record_does_not_stop_the_start() {
    let (disk, places) = with_three_records();
    let bytes = disk.open(SEGMENT).unwrap();
    let mut fake = vec![0; 700];
    bytes.read_at(places[1].offset - 40, &mut fake).unwrap();
    // Another segment's record with a higher number, in a body whose record gets torn.
    let other = SimulatedDisk::default();
    let engine = open(&other).unwrap();
    let fake = Bytes::from(fake);
    let place = engine.place(&fake);
    engine.commit(Batch { rows: Vec::new(), bodies: vec![(place, fake)] }).unwrap();
    std::mem::forget(engine);
    other.corrupt(SEGMENT, place.offset - 1);
    assert!(open(&other).is_ok());
}

#[test]
fn a_changed_body_is_noticed_when_it_is_read_and_when_all_is_checked() {
    let (disk, places) = with_three_records();
    let engine = open(&disk).unwrap();
    assert_eq!(engine.verify(&mut |_, _| ()).unwrap(), Vec::<String>::new());
    disk.corrupt(SEGMENT, places[0].offset + 17);
    let mut out = b"kept".to_vec();
    let error = engine.read_body(&places[0], 0, 600, &mut out).unwrap_err();
    assert!(matches!(error, EngineError::Damaged(_)));
    assert_eq!(out, b"kept");
    let wrong = engine.verify(&mut |_, _| ()).unwrap();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("does not match its checksum"), "{wrong:?}");
}

#[test]
fn a_changed_base_file_is_noticed_when_all_is_checked() {
    let (disk, _) = with_three_records();
    let engine = open(&disk).unwrap();
    for i in 0..200 {
        put(&engine, &format!("row {i:04}"), &"value ".repeat(50));
    }
    engine.checkpoint().unwrap();
    let (size, _) = disk.stat("kontor.redb").unwrap();
    let noticed = (0..size).step_by(1021).filter(|at| {
        disk.corrupt("kontor.redb", *at);
        let wrong = engine.verify(&mut |_, _| ()).unwrap();
        disk.corrupt("kontor.redb", *at); // as it was
        !wrong.is_empty()
    });
    // Much of the file is free space, where nothing can be wrong.
    assert!(noticed.count() > 10);
}

#[test]
fn a_missing_file_is_damage_and_not_a_new_store() {
    // Its journal is not there from the beginning: a segment went, or its first record is bad.
    let (disk, _) = with_three_records();
    let engine =
        Local::open(Arc::new(disk.clone()), &EngineOptions { segment_bytes: 100, ..small() });
    put(&engine.unwrap(), "row 3", "value");
    disk.remove("kontor.redb").unwrap();
    disk.remove(SEGMENT).unwrap();
    let why = refusal(&disk);
    assert!(why.contains("kontor.redb is missing") && why.contains("may hold mail"), "{why}");
    let (disk, places) = with_three_records();
    disk.remove("kontor.redb").unwrap();
    disk.corrupt(SEGMENT, places[0].offset - 1);
    assert!(refusal(&disk).contains("kontor.redb is missing"), "{}", refusal(&disk));
    // Only a body that no record names any more.
    let disk = SimulatedDisk::default();
    let mut spool = open(&disk).unwrap().spool().unwrap();
    spool.write(&[7; 9_000]).unwrap();
    spool.finish().unwrap();
    disk.remove("kontor.redb").unwrap();
    assert!(refusal(&disk).contains("kontor.redb is missing"), "{}", refusal(&disk));

    let (disk, _) = with_three_records();
    open(&disk).unwrap().checkpoint().unwrap();
    disk.remove(SEGMENT).unwrap();
    assert!(refusal(&disk).contains("segment 1 is missing"), "{}", refusal(&disk));
}

#[test]
fn a_base_file_whose_journal_is_whole_is_made_anew() {
    let (disk, _) = with_three_records();
    open(&disk).unwrap().checkpoint().unwrap();
    disk.remove("kontor.redb").unwrap();
    let engine = open(&disk).unwrap();
    let found: Vec<_> = (0..4).map(|row| get(&engine, &format!("row {row}"))).collect();
    let value = || Some("value".to_owned());
    assert_eq!(found, [value(), value(), value(), None]);
    assert_eq!(engine.verify(&mut |_, _| ()).unwrap(), Vec::<String>::new());
    put(&engine, "row 3", "value");
    drop(engine);
    assert_eq!(get(&open(&disk).unwrap(), "row 3"), value());

    // A first commit that never was: its segment has no header, or nothing behind it.
    let fresh = SimulatedDisk::default();
    fresh.create_dir("segments").unwrap();
    fresh.create(SEGMENT).unwrap().write_at(0, &[b"kont"]).unwrap();
    put(&open(&fresh).unwrap(), "row 0", "value");
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let disk = SimulatedDisk::default();
    let newer: &[Migration] = &[|_| Ok(()), |_| Ok(())];
    drop(Base::open(Arc::new(disk.clone()), 1 << 20, true, newer).unwrap());
    let error = refusal(&disk);
    assert!(error.contains("newer version of Kontor (format 3, this one knows 1)"), "{error}");
    assert!(Base::open(Arc::new(disk.clone()), 1 << 20, false, newer).is_ok());
}

#[test]
fn an_older_format_is_migrated_at_once_or_not_at_all() {
    const TABLE: ::redb::TableDefinition<&[u8], &[u8]> = ::redb::TableDefinition::new("rows");
    fn change(write: &::redb::WriteTransaction) -> Result<()> {
        write.open_table(TABLE).unwrap().insert(&b"row 0"[..], &b"migrated"[..]).unwrap();
        Ok(())
    }
    fn failing(_: &::redb::WriteTransaction) -> Result<()> {
        Err(EngineError::Full)
    }
    let (disk, _) = with_three_records();
    open(&disk).unwrap().checkpoint().unwrap();
    let value = |migrations: &[Migration]| -> Result<Vec<u8>> {
        let (base, _) = Base::open(Arc::new(disk.clone()), 1 << 20, false, migrations)?;
        Ok(base.rows()?.table.get(&b"row 0"[..]).unwrap().unwrap().value().to_vec())
    };
    assert!(value(&[change, failing]).is_err());
    assert_eq!(value(&[]).unwrap(), b"value");
    assert_eq!(value(&[change]).unwrap(), b"migrated");
    assert!(value(&[]).is_err());
}

#[test]
fn arbitrary_damage_never_panics() {
    let disk = SimulatedDisk::default();
    let engine = open(&disk).unwrap();
    for i in 0..60 {
        put(&engine, &format!("row {i:04}"), &"value ".repeat(i));
        if i == 40 {
            engine.checkpoint().unwrap();
        }
    }
    std::mem::forget(engine);
    for seed in 0..1000 {
        let mut random = Random(seed);
        let copy = disk.world().after_power_cut(Survives::Everything);
        for _ in 0..=random.below(4) {
            let name = if random.one_in(2) { "kontor.redb" } else { SEGMENT };
            let (size, _) = copy.stat(name).unwrap();
            if random.one_in(4) {
                copy.open(name).unwrap().set_len(random.below(size)).unwrap();
                continue;
            }
            let at = random.below(size);
            for at in at..(at + 1 + random.below(600)).min(size) {
                copy.corrupt(name, at);
            }
        }
        let run = || {
            if let Ok(engine) = open(&copy) {
                let _ = engine.verify(&mut |_, _| ());
            }
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "seed {seed}");
    }
}
