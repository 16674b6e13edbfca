//! What a device has been told about one collection: a header, and sets of items beside it; and
//! the answers that it may hold instead ([`answers`]).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use roaring::RoaringBitmap;

use crate::base::clock::UnixTime;
use crate::base::id::{MailboxId, ModSeq};
use crate::store::keys::{self, KeyBuilder, Kind};
use crate::store::rows::answers;
use crate::store::rows::codec::{Reader, Writer};
use crate::store::{Error, Read, Result, Tx};

/// Octets of sets in one row.
const PART: usize = 60_000;

/// Where a row's key has the sync key.
const KEY_AT: usize = 13;

/// Names a device's view of a collection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SyncId {
    pub collection: MailboxId,
    pub device: u32,
}

/// A state under its key.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SyncState {
    pub header: SyncHeader,
    pub sets: SyncSets,
}

/// The small part, read by every poll.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SyncHeader {
    /// The key that the device sends when it is at this state.
    pub key: u64,
    /// Changes up to here are accounted for in the sets.
    pub modseq: ModSeq,
    /// Items from before are not wanted; 0 is no limit.
    pub cutoff: UnixTime,
    /// The `FilterType` that the cut-off was made of.
    pub filter: u8,
    /// Nothing has been chosen yet: the next request finds out what there is.
    pub fresh: bool,
    /// Whether something is still to be told.
    pub pending: bool,
    /// What the device wants to see, in its front's own encoding.
    pub options: Bytes,
    /// Tags of properties that the device manages; `None` is all.
    pub supported: Option<Vec<u16>>,
    /// What the request that led here did, so that it is done once.
    pub applied: Applied,
    /// Rows of sets.
    pub parts: u32,
    /// The newest key that was given for an answer to this one; 0 is none.
    pub next: u64,
    /// There are other states that the device may hold instead.
    pub rivalled: bool,
}

/// The outcome of a device's own changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    pub adds: Vec<AppliedAdd>,
    pub changed: Vec<AppliedChange>,
    pub removed: Vec<u32>,
}

/// An item that a device added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppliedAdd {
    /// As the device called it.
    pub client_id: String,
    /// 0: it was refused, or is none of the collection's items (a draft that was sent).
    pub uid: u32,
    pub status: u16,
    pub modseq: ModSeq,
}

/// An item that a device changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AppliedChange {
    pub uid: u32,
    /// The account's, behind the change.
    pub modseq: ModSeq,
    /// Of a message: how the device shows it since, if it said so.
    pub read: Option<bool>,
    /// Hash of what the device sent: another change of the same item is made.
    pub digest: u32,
}

/// Which items, by UID.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SyncSets {
    /// The device has them.
    pub held: RoaringBitmap,
    /// Of these, messages that it shows as read.
    pub read: RoaringBitmap,
    /// Hashes of what else can change about a message, where there is something.
    pub looks: BTreeMap<u32, u32>,
    /// To be told: new ones, changed ones, removed ones, ones that left the window.
    pub adds: RoaringBitmap,
    pub changes: RoaringBitmap,
    pub removals: RoaringBitmap,
    pub leaving: RoaringBitmap,
    /// What the device itself has moved here last, so that a repeated request finds it.
    pub arrivals: Vec<Arrival>,
}

/// An item that a device has moved here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Number of the collection that it came from, and its UID there.
    pub from: u32,
    pub old: u32,
    /// Its UID here.
    pub uid: u32,
}

impl SyncSets {
    /// 2: arrivals.
    const VERSION: u8 = 2;

    /// Whether something is to be told.
    pub fn pending(&self) -> bool {
        self.pending_len() > 0
    }

    /// How many items are to be told.
    pub fn pending_len(&self) -> u64 {
        let all = [&self.adds, &self.changes, &self.removals, &self.leaving];
        all.into_iter().map(RoaringBitmap::len).sum()
    }

    fn encode(&mut self) -> Result<Bytes> {
        let mut out = Writer::new(Self::VERSION);
        for set in [
            &mut self.held,
            &mut self.read,
            &mut self.adds,
            &mut self.changes,
            &mut self.removals,
            &mut self.leaving,
        ] {
            set.optimize();
            let mut bytes = Vec::with_capacity(set.serialized_size());
            set.serialize_into(&mut bytes).map_err(|error| Error::Io(error.to_string()))?;
            out.bytes(&bytes);
        }
        out.u64(self.looks.len() as u64);
        let mut last = 0;
        for (&uid, &look) in &self.looks {
            out.u32(uid - last).u32(look);
            last = uid;
        }
        out.u64(self.arrivals.len() as u64);
        for arrival in &self.arrivals {
            out.u32(arrival.from).u32(arrival.old).u32(arrival.uid);
        }
        Ok(out.done())
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, version) = Reader::new(value, "sync sets", Self::VERSION)?;
        let mut set = || {
            let bytes = row.bytes()?;
            RoaringBitmap::deserialize_from(bytes)
                .map_err(|_| Error::Damaged("sync sets: not a set".into()))
        };
        let (held, read, adds) = (set()?, set()?, set()?);
        let (changes, removals, leaving) = (set()?, set()?, set()?);
        let (mut looks, mut last) = (BTreeMap::new(), 0u32);
        for _ in 0..row.u64()? {
            last = last.wrapping_add(row.u32()?);
            looks.insert(last, row.u32()?);
        }
        let count = if version < 2 { 0 } else { row.u64()? };
        let arrival = |_| Ok(Arrival { from: row.u32()?, old: row.u32()?, uid: row.u32()? });
        let arrivals = (0..count).map(arrival).collect::<Result<_>>()?;
        Ok(Self { held, read, looks, adds, changes, removals, leaving, arrivals })
    }
}

impl SyncHeader {
    const VERSION: u8 = 2;

    fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u64(self.key).u64(self.modseq.0).i64(self.cutoff).u32(self.filter.into());
        out.bool(self.fresh).bool(self.pending).bytes(&self.options);
        out.option(self.supported.as_deref(), |out, tags| {
            out.u64(tags.len() as u64);
            for tag in tags {
                out.u32((*tag).into());
            }
        });
        out.u64(self.applied.adds.len() as u64);
        for add in &self.applied.adds {
            out.str(&add.client_id).u32(add.uid).u32(add.status.into()).u64(add.modseq.0);
        }
        out.u64(self.applied.changed.len() as u64);
        for change in &self.applied.changed {
            out.u32(change.uid).u64(change.modseq.0);
            out.option(change.read, |out, read| {
                out.bool(read);
            });
            out.u32(change.digest);
        }
        out.u64(self.applied.removed.len() as u64);
        for uid in &self.applied.removed {
            out.u32(*uid);
        }
        out.u32(self.parts).u64(self.next).bool(self.rivalled).done()
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "sync state", Self::VERSION)?;
        Ok(Self {
            key: row.u64()?,
            modseq: ModSeq(row.u64()?),
            cutoff: row.i64()?,
            filter: row.u32()? as u8,
            fresh: row.bool()?,
            pending: row.bool()?,
            options: Bytes::copy_from_slice(row.bytes()?),
            supported: row
                .option(|row| (0..row.u64()?).map(|_| Ok(row.u32()? as u16)).collect())?,
            applied: Applied {
                adds: (0..row.u64()?)
                    .map(|_| {
                        Ok(AppliedAdd {
                            client_id: row.str()?,
                            uid: row.u32()?,
                            status: row.u32()? as u16,
                            modseq: ModSeq(row.u64()?),
                        })
                    })
                    .collect::<Result<_>>()?,
                changed: (0..row.u64()?)
                    .map(|_| {
                        Ok(AppliedChange {
                            uid: row.u32()?,
                            modseq: ModSeq(row.u64()?),
                            read: row.option(Reader::bool)?,
                            digest: row.u32()?,
                        })
                    })
                    .collect::<Result<_>>()?,
                removed: (0..row.u64()?).map(|_| row.u32()).collect::<Result<_>>()?,
            },
            parts: row.u32()?,
            next: row.u64()?,
            rivalled: row.bool()?,
        })
    }

    /// Whether the device holds this state, for all we know: no answer was made from it.
    pub fn is_last(&self) -> bool {
        self.next == 0
    }
}

impl SyncId {
    fn key(self, kind: Kind) -> KeyBuilder {
        let id = self.collection;
        KeyBuilder::new(kind).u32(id.account.0).u32(self.device).u32(id.number)
    }

    fn header_key(self, key: u64) -> Bytes {
        self.key(Kind::SyncState).u64(key).done()
    }

    fn part_key(self, key: u64, part: u32) -> Bytes {
        self.key(Kind::SyncSet).u64(key).u32(part).done()
    }

    /// The header under a key; `None` if the device is not (or no longer) at that key.
    pub fn header(self, read: &impl Read, key: u64) -> Result<Option<SyncHeader>> {
        let value = read.get(&self.header_key(key))?;
        value.map(|value| SyncHeader::decode(&value)).transpose()
    }

    /// The header of the newest key.
    pub fn newest(self, read: &impl Read) -> Result<Option<SyncHeader>> {
        Ok(self.headers(read)?.pop())
    }

    /// All headers, in the order of their keys.
    pub fn headers(self, read: &impl Read) -> Result<Vec<SyncHeader>> {
        let mut all = Vec::new();
        read.scan_prefix(&self.key(Kind::SyncState).done(), &mut |key, value| {
            // Rows of the first layout are shorter; no key leads to them any more.
            if keys::u64_at(key, KEY_AT).is_some() {
                all.push(SyncHeader::decode(value)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    /// The sets that belong to a header.
    pub fn sets(self, read: &impl Read, header: &SyncHeader) -> Result<SyncSets> {
        let first = read.get(&self.part_key(header.key, 0))?;
        let missing = || Error::Damaged("a sync state has no sets".into());
        if header.parts == 1 {
            return SyncSets::decode(&first.ok_or_else(missing)?);
        }
        let mut whole = Vec::new();
        let prefix = self.key(Kind::SyncSet).u64(header.key).done();
        read.scan_prefix(&prefix, &mut |_, part| {
            whole.extend_from_slice(part);
            Ok(ControlFlow::Continue(()))
        })?;
        SyncSets::decode(&whole)
    }

    /// Writes a state under its key.
    pub fn put(self, tx: &mut Tx<'_>, state: &mut SyncState) -> Result<()> {
        let key = state.header.key;
        let before = self.header(tx, key)?.map_or(0, |header| header.parts);
        let bytes = state.sets.encode()?;
        let mut parts = 0u32;
        for at in (0..bytes.len()).step_by(PART) {
            tx.put(self.part_key(key, parts), bytes.slice(at..bytes.len().min(at + PART)));
            parts += 1;
        }
        (parts..before).for_each(|part| tx.delete(self.part_key(key, part)));
        state.header.parts = parts;
        state.header.pending = state.sets.pending();
        tx.put(self.header_key(key), state.header.encode());
        Ok(())
    }

    /// Moves a state's modseq forward where nothing in it has changed otherwise; not if the
    /// device has moved on meanwhile.
    pub fn advance(self, tx: &mut Tx<'_>, key: u64, modseq: ModSeq) -> Result<()> {
        if let Some(mut header) = self.header(tx, key)?.filter(|header| header.modseq < modseq) {
            header.modseq = modseq;
            tx.put(self.header_key(key), header.encode());
        }
        Ok(())
    }

    /// Gives a state a key as one more answer to `from`, or the key of the one that says the same;
    /// returns it. What the device cannot hold any more, since it asks from there, goes.
    pub fn answer(self, tx: &mut Tx<'_>, from: u64, state: &mut SyncState) -> Result<u64> {
        let mut asked = match self.header(tx, from)? {
            Some(header) => header,
            None => return Err(Error::Damaged("a sync state is gone".into())),
        };
        let all = self.headers(tx)?;
        let answered = !asked.is_last();
        for other in all.iter().filter(|other| answered && other.key > from) {
            if self.is_same(tx, other, state)? {
                return Ok(other.key);
            }
        }
        let keys: Vec<_> = all.iter().map(|header| header.key).collect();
        let place = answers::place(&keys, from, answered);
        for mut other in all {
            if place.gone.contains(&other.key) {
                self.remove(tx, &other)?;
            } else if place.beside.contains(&other.key) && !other.rivalled {
                other.rivalled = true;
                tx.put(self.header_key(other.key), other.encode());
            }
        }
        asked.rivalled &= answered;
        asked.next = place.key;
        tx.put(self.header_key(from), asked.encode());
        state.header.rivalled = !place.beside.is_empty();
        (state.header.key, state.header.next) = (place.key, 0);
        self.put(tx, state)?;
        Ok(place.key)
    }

    /// Whether a state says what another one says, apart from its key and how new it is.
    fn is_same(self, tx: &Tx<'_>, other: &SyncHeader, state: &SyncState) -> Result<bool> {
        let header = SyncHeader {
            key: other.key,
            modseq: other.modseq,
            pending: other.pending,
            parts: other.parts,
            next: other.next,
            rivalled: other.rivalled,
            ..state.header.clone()
        };
        Ok(header == *other && self.sets(tx, other)? == state.sets)
    }

    /// Puts the first state of a new beginning. A device that did not ask for it, but whose older
    /// request has only now come through, still finds the states it knows.
    pub fn begin(self, tx: &mut Tx<'_>, state: &mut SyncState) -> Result<()> {
        let others = self.headers(tx)?;
        if others.is_empty() {
            self.forget(tx)?;
        }
        for mut other in others {
            state.header.rivalled = true;
            if !other.rivalled {
                other.rivalled = true;
                tx.put(self.header_key(other.key), other.encode());
            }
        }
        self.put(tx, state)
    }

    /// Forgets all states but one, which the device has shown to hold.
    pub fn keep_only(self, tx: &mut Tx<'_>, key: u64) -> Result<()> {
        for header in self.headers(tx)?.iter().filter(|header| header.key != key) {
            self.remove(tx, header)?;
        }
        Ok(())
    }

    fn remove(self, tx: &mut Tx<'_>, header: &SyncHeader) -> Result<()> {
        tx.delete(self.header_key(header.key));
        (0..header.parts).for_each(|part| tx.delete(self.part_key(header.key, part)));
        Ok(())
    }

    /// Changes what every state says, where a device did something beside its Sync.
    pub fn update_all<E: From<Error>>(
        self,
        tx: &mut Tx<'_>,
        mut change: impl FnMut(&Tx<'_>, &mut SyncState) -> Result<(), E>,
    ) -> Result<(), E> {
        for header in self.headers(tx)? {
            let sets = self.sets(tx, &header)?;
            let mut state = SyncState { header, sets };
            change(tx, &mut state)?;
            self.put(tx, &mut state)?;
        }
        Ok(())
    }

    /// Forgets all states.
    pub fn forget(self, tx: &mut Tx<'_>) -> Result<()> {
        tx.delete_prefix(&self.key(Kind::SyncState).done())?;
        tx.delete_prefix(&self.key(Kind::SyncSet).done())
    }
}

/// Every state of a device: its collections with their newest headers.
pub fn of_device(
    read: &impl Read,
    account: crate::base::id::AccountId,
    device: u32,
) -> Result<Vec<(SyncId, SyncHeader)>> {
    let prefix = KeyBuilder::new(Kind::SyncState).u32(account.0).u32(device).done();
    let mut newest: BTreeMap<u32, SyncHeader> = BTreeMap::new();
    read.scan_prefix(&prefix, &mut |key, value| {
        if keys::u64_at(key, KEY_AT).is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        let number = keys::u32_at(key, 9).unwrap_or_default();
        let header = SyncHeader::decode(value)?;
        match newest.get(&number) {
            Some(known) if known.key >= header.key => {}
            _ => drop(newest.insert(number, header)),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let id = |number| SyncId { collection: MailboxId::new(account, number), device };
    Ok(newest.into_iter().map(|(number, header)| (id(number), header)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::id::AccountId;
    use crate::store::Store;

    #[test]
    fn answers_stand_side_by_side_until_one_is_asked_from_and_large_sets_come_back() {
        let store = Store::in_memory(Clock::fixed(1));
        let id = SyncId { collection: MailboxId::new(AccountId(1), 2), device: 3 };
        let state = |key: u64, step: usize| {
            let mut sets = SyncSets::default();
            sets.held.extend((0..500_000u32).step_by(step));
            sets.looks.insert(7, 9);
            sets.looks.insert(400_000, u32::MAX);
            sets.adds.insert(600_000);
            sets.arrivals.push(Arrival { from: 4, old: 70_000, uid: 9 });
            let applied = Applied {
                adds: vec![AppliedAdd {
                    client_id: "c1".into(),
                    uid: 4,
                    status: 1,
                    modseq: ModSeq(5),
                }],
                changed: vec![AppliedChange {
                    uid: 1,
                    modseq: ModSeq(2),
                    read: Some(true),
                    digest: 7,
                }],
                removed: vec![9],
            };
            let header = SyncHeader {
                key,
                modseq: ModSeq(8),
                cutoff: 86_400,
                filter: 3,
                options: Bytes::from_static(b"o"),
                supported: Some(vec![1, 515]),
                applied,
                ..SyncHeader::default()
            };
            SyncState { header, sets }
        };
        let write = |from: u64, step: usize| {
            store.write_blocking(move |tx| id.answer(tx, from, &mut state(0, step))).unwrap()
        };
        let keys = || {
            let all = id.headers(&store.read()).unwrap();
            all.iter().map(|header| (header.key, header.rivalled)).collect::<Vec<_>>()
        };
        store.write_blocking(move |tx| id.begin(tx, &mut state(10, 3))).unwrap();
        // One answer, and another one to the same key.
        assert_eq!([write(10, 1), write(10, 2), write(10, 1)], [11, 12, 11]);
        assert_eq!(keys(), [(10, false), (11, true), (12, true)]);
        let read = store.read();
        for (key, step) in [(10, 3), (11, 1), (12, 2)] {
            let header = id.header(&read, key).unwrap().unwrap();
            let wanted = state(key, step);
            assert!(header.pending && header.parts >= 1);
            assert_eq!(id.sets(&read, &header).unwrap(), wanted.sets);
            assert_eq!(header.applied, wanted.header.applied);
            assert_eq!(header.supported, wanted.header.supported);
        }
        assert_eq!(id.newest(&read).unwrap().unwrap().key, 12);
        assert_eq!(of_device(&read, AccountId(1), 3).unwrap().len(), 1);
        // The device goes on from the first: that settles it.
        assert_eq!(write(11, 2), 13);
        assert_eq!(keys(), [(11, false), (13, false)]);
        // Many answers to one key: the oldest go.
        (3..8).for_each(|step| assert_eq!(write(11, step), step as u64 + 11));
        assert_eq!(keys(), [(11, false), (15, true), (16, true), (17, true), (18, true)]);
        // A first request that comes through late takes nothing away.
        store.write_blocking(move |tx| id.begin(tx, &mut state(1 << 20, 3))).unwrap();
        assert!(id.header(&store.read(), 18).unwrap().is_some());
        let next = (1 << 20) + 1;
        assert_eq!(write(18, 1), next);
        assert_eq!(keys(), [(18, false), (next, false)]);
        let rows = |read: &crate::store::Snapshot| {
            let mut rows = 0u32;
            read.scan_prefix(&id.key(Kind::SyncSet).done(), &mut |_, _| {
                rows += 1;
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
            rows
        };
        let parts: u32 = id.headers(&store.read()).unwrap().iter().map(|header| header.parts).sum();
        assert_eq!(rows(&store.read()), parts, "no part of a state that went is left");
        store.write_blocking(move |tx| id.forget(tx)).unwrap();
        assert!(id.newest(&store.read()).unwrap().is_none());
        assert_eq!(rows(&store.read()), 0);
    }
}
