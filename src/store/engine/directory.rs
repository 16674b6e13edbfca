//! Whose the data directory is: one process's at a time, on a file system that keeps promises.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::disk::failed;
use super::{EngineError, Result};

/// The lock file. It stays there; only the lock on it counts.
const LOCK_NAME: &str = "lock";

/// Takes the directory for this process until the file is closed.
pub(super) fn lock(dir: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join(LOCK_NAME))
        .map_err(failed("open the lock file"))?;
    match file.try_lock() {
        Ok(()) => {
            // For the message below only, so trouble with it does not matter.
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&file).take(20).read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                number => format!("process {number}"),
            };
            Err(EngineError::Refused(format!(
                "the data directory {} is in use by {holder}; stop it, or name another directory",
                dir.display()
            )))
        }
        Err(TryLockError::Error(source)) => {
            Err(EngineError::Io { context: "lock the data directory", source })
        }
    }
}

/// File systems on which a sync may be no promise, by the number that `statfs` gives (`statfs(2)`).
const UNSAFE: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x794c_7630, "an overlay, which goes with its container"),
    (0x0102_1994, "tmpfs, which is memory"),
];

/// Warns where mail could be lost in spite of every sync.
pub(super) fn warn_if_unsafe(dir: &Path) {
    let Ok(stat) = rustix::fs::statfs(dir) else { return };
    let number = stat.f_type as u64 & 0xffff_ffff;
    if let Some((_, name)) = UNSAFE.iter().find(|(known, _)| *known == number) {
        tracing::warn!(
            directory = %dir.display(),
            "the data directory is on {name}; mail that was acknowledged may be lost there: \
             use a volume on a local disk"
        );
    }
}
