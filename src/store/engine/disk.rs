//! What the engine needs of a file system: named files in the data directory, read and written
//! at offsets, synced one by one. Behind a trait so that tests cut the power and break the disk;
//! nothing here knows what the files hold.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::EngineError;

/// A directory with its sub-directories; names are relative, `segments/00000001.seg`.
pub(super) trait Disk: Debug + Send + Sync {
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a file; an existing one is emptied. Its name is durable after [`Disk::sync_dir`].
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a directory unless it exists.
    fn create_dir(&self, dir: &str) -> io::Result<()>;
    /// The names of the files in a directory, in no order.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Size in bytes, and seconds since 1970 of the last change, of a file.
    fn stat(&self, name: &str) -> io::Result<(u64, i64)>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Renames a file within its directory, at once or not at all.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names in a directory durable (`""` is the data directory itself).
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Bytes that an ordinary process may still write.
    fn free_space(&self) -> io::Result<u64>;
}

/// An open file. All methods may be called at the same time from several threads.
#[allow(clippy::len_without_is_empty)] // nobody asks
pub(super) trait DiskFile: Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Fills `out` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Appends `len` bytes from `offset` to `out`, leaving it as it was on an error.
    fn read_into(&self, offset: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()>;
    /// Writes the parts one behind the other from `offset`.
    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;
    /// Asks the file system to set blocks aside for what will be written at `offset`, so that a
    /// sync need not write down where they are. The file's length stays; it is a hint only.
    fn reserve(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Makes everything written before durable, with what is needed to find it again.
    fn sync_data(&self) -> io::Result<()>;
    /// A range of the file as memory. What the range holds must not change any more.
    fn map(&self, offset: u64, len: usize) -> io::Result<Mapped>;
}

/// A mapped range of a file (or, where there is nothing to map, a copy of it).
pub(super) enum Mapped {
    Map(memmap2::Mmap),
    #[cfg_attr(not(test), allow(dead_code))] // the simulated disk has no file to map
    Copy(Vec<u8>),
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Copy(bytes) => bytes,
        }
    }
}

/// Turns an I/O error into the engine's: a full disk is told apart from a broken one.
pub(super) fn failed(context: &'static str) -> impl FnOnce(io::Error) -> EngineError {
    move |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => EngineError::Full,
        _ => EngineError::Io { context, source },
    }
}

/// A directory of the operating system.
#[derive(Debug)]
pub(super) struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// Uses `root`, creating it, readable by its owner only, if it does not exist.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        Ok(Self { root: root.to_owned() })
    }

    fn opened(&self, name: &str, options: &mut OpenOptions) -> io::Result<Arc<dyn DiskFile>> {
        // Mail is nobody's business but the server's.
        let file = options.read(true).write(true).mode(0o600).open(self.root.join(name))?;
        Ok(Arc::new(RealFile { file }))
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.opened(name, &mut OpenOptions::new())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.opened(name, OpenOptions::new().create(true).truncate(true))
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let path = self.root.join(dir);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.root.join(dir))? {
            // A name that is no UTF-8 is not ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn stat(&self, name: &str) -> io::Result<(u64, i64)> {
        let metadata = std::fs::metadata(self.root.join(name))?;
        let since = metadata.modified()?.duration_since(UNIX_EPOCH);
        Ok((metadata.len(), since.map_or(0, |since| since.as_secs() as i64)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.root.join(dir))?.sync_all()
    }

    fn free_space(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
}

impl RealFile {
    /// Reads into spare capacity, so that nothing is zeroed first, until `out` is `end` long or
    /// somewhat longer.
    fn fill_spare(&self, mut offset: u64, end: usize, out: &mut Vec<u8>) -> io::Result<()> {
        while out.len() < end {
            match rustix::io::pread(&self.file, rustix::buffer::spare_capacity(out), offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => offset += read as u64,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Linux takes at most this many buffers in one call (`IOV_MAX`).
const MAX_PARTS: usize = 1024;

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn read_into(&self, offset: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let before = out.len();
        out.reserve_exact(len);
        let end = before + len;
        let read = if out.capacity() - before > 2 * len {
            // Into spare capacity the kernel would write as much as fits, so here the vector is
            // zeroed instead.
            out.resize(end, 0);
            self.file.read_exact_at(&mut out[before..], offset)
        } else {
            self.fill_spare(offset, end, out)
        };
        out.truncate(if read.is_ok() { end } else { before });
        read
    }

    fn write_at(&self, mut offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut slices: Vec<io::IoSlice<'_>> = parts
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| io::IoSlice::new(part))
            .collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let batch = rest.get(..MAX_PARTS).unwrap_or(rest);
            match rustix::io::pwritev(&self.file, batch, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    io::IoSlice::advance_slices(&mut rest, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::KEEP_SIZE, offset, len)?;
        #[cfg(not(target_os = "linux"))]
        let _ = (offset, len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn map(&self, offset: u64, len: usize) -> io::Result<Mapped> {
        // SAFETY: only whole bodies are mapped. Their bytes were synced before anybody learned
        // where they are, are never written again, and a file is cut only behind them. The
        // directory is ours alone (lock file, mode 0700).
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::MmapOptions::new().offset(offset).len(len).map(&self.file) }?;
        Ok(Mapped::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_in_parts_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(&dir.path().join("data")).unwrap();
        disk.create_dir("segments").unwrap();
        let file = disk.create("segments/a").unwrap();
        // More parts than one system call takes.
        let parts: Vec<&[u8]> =
            (0..3000).map(|i| if i % 2 == 0 { &b"ab"[..] } else { b"c" }).collect();
        file.write_at(5, &parts).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir("segments").unwrap();
        // Not every file system sets blocks aside; none makes the file longer for it.
        let _ = file.reserve(4505, 1 << 20);
        assert_eq!(file.len().unwrap(), 5 + 4500);

        let mut out = b"before".to_vec();
        file.read_into(5, 6, &mut out).unwrap();
        assert_eq!(out, b"beforeabcabc");
        assert!(file.read_into(4500, 6, &mut out).is_err());
        assert_eq!(out, b"beforeabcabc");
        assert_eq!(&*file.map(5, 3).unwrap(), b"abc");

        disk.rename("segments/a", "segments/b").unwrap();
        assert_eq!(disk.list("segments").unwrap(), ["b"]);
        assert_eq!(disk.open("segments/a").unwrap_err().kind(), ErrorKind::NotFound);
        disk.remove("segments/b").unwrap();
        assert!(disk.free_space().unwrap() > 0);
    }
}
