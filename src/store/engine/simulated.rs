//! A disk for tests, in memory and deterministic. It keeps what a program sees apart from what
//! would survive a power cut, and can fail at the n-th operation, run full, or lose an arbitrary
//! part of what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile, Mapped};

/// What survives a power cut of that which was written and not synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Survives {
    Nothing,
    Everything,
    /// Any subset of the blocks of this size, and any of the changes of length.
    Some {
        block: u64,
        seed: u64,
    },
}

/// The disk; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<World>>);

type Hook = Box<dyn FnMut(&World) + Send>;

#[derive(Default)]
pub(super) struct World {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    capacity: Option<u64>,
    /// Operations that change something, counted.
    operations: u64,
    /// Fail with EIO at these.
    fail: std::ops::Range<u64>,
    /// Called before each operation is done, with it among the pending ones.
    hook: Option<Hook>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World({:?})", self.names)
    }
}

#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// The pages that take up room: a file that was only made longer takes none.
    pages: BTreeSet<u64>,
}

/// How a disk gives out room.
const PAGE: u64 = 512;

impl Content {
    fn new(image: Vec<u8>) -> Self {
        let pages = (0..(image.len() as u64).div_ceil(PAGE)).collect();
        Self { live: image.clone(), durable: image, pending: Vec::new(), pages }
    }

    /// Takes room for a write of `len` bytes; returns how many of them there is room for.
    fn take_pages(&mut self, offset: u64, len: usize, mut free: u64) -> usize {
        let end = offset + len as u64;
        for page in offset / PAGE..end.div_ceil(PAGE) {
            if self.pages.contains(&page) {
                continue;
            }
            if free < PAGE {
                return (page * PAGE).saturating_sub(offset) as usize;
            }
            free -= PAGE;
            self.pages.insert(page);
        }
        len
    }
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Clone)]
enum NameChange {
    Create(String, usize),
    Remove(String),
    Rename(String, String),
}

fn write_to(image: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if image.len() < end {
        image.resize(end, 0);
    }
    image[start..end].copy_from_slice(data);
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => write_to(image, *offset, data),
            Self::SetLen(len) => image.resize(*len as usize, 0),
        }
    }

    /// Applies an arbitrary part of it.
    fn apply_some(&self, image: &mut Vec<u8>, block: u64, random: &mut Random) {
        let Self::Write(offset, data) = self else {
            if random.one_in(2) {
                self.apply(image);
            }
            return;
        };
        let (mut at, mut rest) = (*offset, &data[..]);
        while !rest.is_empty() {
            let size = ((block - at % block) as usize).min(rest.len());
            if random.one_in(2) {
                write_to(image, at, &rest[..size]);
            }
            at += size as u64;
            rest = &rest[size..];
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }

    fn is_in(&self, dir: &str) -> bool {
        let (Self::Create(name, _) | Self::Remove(name) | Self::Rename(name, _)) = self;
        name.rsplit_once('/').map_or("", |(dir, _)| dir) == dir
    }
}

/// SplitMix64: the same numbers for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

impl World {
    /// The disk as it is found after the power was cut now.
    pub(super) fn after_power_cut(&self, survives: Survives) -> SimulatedDisk {
        let mut random = Random(match survives {
            Survives::Some { seed, .. } => seed,
            _ => 0,
        });
        // Names are kept by a journaling file system: the first so many changes.
        let kept = match survives {
            Survives::Nothing => 0,
            Survives::Everything => self.pending_names.len(),
            Survives::Some { .. } => random.below(self.pending_names.len() as u64 + 1) as usize,
        };
        let mut names = self.durable_names.clone();
        self.pending_names[..kept].iter().for_each(|change| change.apply(&mut names));
        let mut world = World::default();
        for (name, file) in names {
            let content = &self.files[file];
            let mut image = content.durable.clone();
            for change in &content.pending {
                match survives {
                    Survives::Nothing => {}
                    Survives::Everything => change.apply(&mut image),
                    Survives::Some { block, .. } => {
                        change.apply_some(&mut image, block, &mut random)
                    }
                }
            }
            world.names.insert(name, world.files.len());
            world.files.push(Content::new(image));
        }
        world.durable_names = world.names.clone();
        SimulatedDisk(Arc::new(Mutex::new(world)))
    }

    /// How many operations there were.
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    /// Counts an operation and fails it if its number has come.
    fn count(&mut self) -> io::Result<()> {
        if let Some(mut hook) = self.hook.take() {
            hook(self);
            self.hook = Some(hook);
        }
        let number = self.operations;
        self.operations += 1;
        if self.fail.contains(&number) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].pages.len() as u64 * PAGE).sum()
    }

    fn change(&mut self, file: usize, change: Change) {
        let content = &mut self.files[file];
        change.apply(&mut content.live);
        if let Change::SetLen(len) = change {
            content.pages.split_off(&len.div_ceil(PAGE));
        }
        content.pending.push(change);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }
}

impl SimulatedDisk {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Fails these operations, numbered from the first one of this disk.
    pub(super) fn fail(&self, operations: std::ops::Range<u64>) {
        self.world().fail = operations;
    }

    /// Lets the disk hold so many bytes more than it does now; `None` for any number.
    pub(super) fn set_room(&self, room: Option<u64>) {
        let mut world = self.world();
        world.capacity = room.map(|room| world.used() + room);
    }

    pub(super) fn set_hook(&self, hook: impl FnMut(&World) + Send + 'static) {
        self.world().hook = Some(Box::new(hook));
    }

    /// Changes a byte of a file, live and durable.
    pub(super) fn corrupt(&self, name: &str, at: u64) {
        let mut world = self.world();
        let file = world.find(name).unwrap();
        let content = &mut world.files[file];
        content.live[at as usize] ^= 0x10;
        content.durable[at as usize] ^= 0x10;
    }

    fn handle(&self, file: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), file })
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.handle(self.world().find(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.count()?;
        if let Ok(file) = world.find(name) {
            world.change(file, Change::SetLen(0));
            return Ok(self.handle(file));
        }
        let file = world.files.len();
        world.files.push(Content::default());
        world.change_name(NameChange::Create(name.to_owned(), file));
        Ok(self.handle(file))
    }

    fn create_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{dir}/");
        let world = self.world();
        Ok(world
            .names
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    fn stat(&self, name: &str) -> io::Result<(u64, i64)> {
        let world = self.world();
        Ok((world.files[world.find(name)?].live.len() as u64, 0))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.find(name)?;
        world.count()?;
        world.change_name(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.find(from)?;
        world.count()?;
        world.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut world = self.world();
        world.count()?;
        let changes = std::mem::take(&mut world.pending_names);
        let (synced, rest) = changes.into_iter().partition(|change| change.is_in(dir));
        let _: &Vec<NameChange> = &synced;
        synced.iter().for_each(|change| change.apply(&mut world.durable_names));
        world.pending_names = rest;
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let world = self.world();
        Ok(world.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(world.used())))
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.world().files[self.file].live.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.count()?;
        world.change(self.file, Change::SetLen(len));
        Ok(())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let world = self.disk.world();
        let live = &world.files[self.file].live;
        let start = (offset as usize).min(live.len());
        let bytes = live[start..].get(..out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn read_into(&self, offset: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let mut bytes = vec![0; len];
        self.read_at(offset, &mut bytes)?;
        out.extend(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut data = parts.concat();
        let mut world = self.disk.world();
        // Pending already while the hook looks: a cut during the write keeps any part of it.
        world.files[self.file].pending.push(Change::Write(offset, data.clone()));
        let counted = world.count();
        world.files[self.file].pending.pop();
        let used = world.used();
        let free = world.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used));
        let fits = world.files[self.file].take_pages(offset, data.len(), free);
        let mut done = Ok(());
        if fits < data.len() {
            data.truncate(fits);
            done = Err(ErrorKind::StorageFull.into());
        }
        if counted.is_err() {
            // Some of it was written, nobody knows how much.
            data.truncate(data.len() / 2);
            done = counted;
        }
        world.change(self.file, Change::Write(offset, data));
        done
    }

    fn reserve(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        let counted = world.count();
        let seed = world.operations;
        let content = &mut world.files[self.file];
        let pending = std::mem::take(&mut content.pending);
        let mut random = Random(seed);
        for change in pending {
            match counted {
                Ok(()) => change.apply(&mut content.durable),
                // As Linux does: what failed to reach the medium counts as clean from now on,
                // so the next sync will say that all is well.
                Err(_) => change.apply_some(&mut content.durable, 512, &mut random),
            }
        }
        counted
    }

    fn map(&self, offset: u64, len: usize) -> io::Result<Mapped> {
        let mut bytes = vec![0; len];
        self.read_at(offset, &mut bytes)?;
        Ok(Mapped::Copy(bytes))
    }
}
