//! `kontor backup` and `kontor restore`: the files' side.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::control::{Door, Failure, Item, Outlet, Request, is_served};
use super::output;
use crate::store::{Options, Store, backup, verify};

/// Where a restore works inside the data directory. While it is there, nothing opens the data.
pub const UNFINISHED: &str = "restore-unfinished";

/// Files of the data directory that a backup takes along: with the same self-signed certificate,
/// mail programs do not ask again after a restore. One's own certificate (`tls.certificate`) and
/// the configuration lie elsewhere and are their owner's to keep.
const FILES: [&str; 2] = ["tls/self-signed.pem", "tls/self-signed.key"];

/// What a backup of this data directory takes along.
pub fn files_of(dir: Option<&Path>) -> backup::Files {
    let read = |name: &&str| Some((String::from(*name), std::fs::read(dir?.join(name)).ok()?));
    FILES.iter().filter_map(read).collect()
}

/// Writes a backup. The file takes its name only when it is whole.
pub fn backup(mut door: Door, file: &Path) -> Result<ExitCode, Failure> {
    if file == Path::new("-") {
        let mut writer = DataWriter(io::stdout().lock());
        door.run(Request::Backup, Vec::new(), &mut writer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let failed = |error: io::Error| {
        let what = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() && !dir.is_dir() => {
                format!("there is no directory {}; make it first", dir.display())
            }
            _ => error.to_string(),
        };
        Failure(format!("cannot write {}: {what}", file.display()))
    };
    let mut aside = file.as_os_str().to_owned();
    aside.push(".unfinished");
    let aside = PathBuf::from(aside);
    // For its owner alone: everybody's mail is in it.
    let opened =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
    let mut writer = DataWriter(opened.map_err(failed)?);
    let result = door.run(Request::Backup, Vec::new(), &mut writer).and_then(|reply| {
        writer.0.sync_all().map_err(failed)?;
        std::fs::rename(&aside, file).map_err(failed)?;
        Ok(reply)
    });
    if result.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    output::print(&result?, false)?;
    Ok(ExitCode::SUCCESS)
}

struct DataWriter<W: io::Write>(W);

impl<W: io::Write> Outlet for DataWriter<W> {
    fn item(&mut self, item: &Item, payload: &[u8]) -> io::Result<()> {
        match item {
            Item::Progress { text } => eprintln!("{text}"),
            _ => self.0.write_all(payload)?,
        }
        Ok(())
    }
}

/// Makes a data directory from a backup: in a directory of its own inside, which is checked and
/// only then put in place, so that a failure leaves the directory as empty as it was.
pub fn restore(dir: &Path, file: &Path) -> Result<ExitCode, Failure> {
    if is_served(dir) {
        return Err(Failure(format!("a server runs on {}; stop it first", dir.display())));
    }
    require_empty(dir)?;
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(
            File::open(file)
                .map_err(|error| Failure(format!("cannot read {}: {error}", file.display())))?,
        ),
    };
    let work = dir.join(UNFINISHED);
    let failed =
        |error: io::Error| Failure(format!("cannot restore to {}: {error}", dir.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&work).map_err(failed)?;
    let result = fill(&work, input).and_then(|text| {
        put_in_place(&work, dir).map_err(failed)?;
        Ok(text)
    });
    if result.is_err() {
        let _ = std::fs::remove_dir_all(&work);
    }
    output::say(&format!("{}\n", result?));
    Ok(ExitCode::SUCCESS)
}

fn require_empty(dir: &Path) -> Result<(), Failure> {
    let inside = match dir.read_dir() {
        Ok(inside) => inside,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure(format!("cannot read {}: {error}", dir.display()))),
    };
    // A volume's root has this; mounted volumes are what containers keep their data on.
    let others = inside.flatten().any(|entry| entry.file_name() != "lost+found");
    if others {
        return Err(Failure(format!(
            "{} is not empty; restore into an empty directory and put it in place afterwards",
            dir.display()
        )));
    }
    Ok(())
}

/// Restores into a directory and checks the result.
fn fill(work: &Path, input: Box<dyn Read>) -> Result<String, Failure> {
    let store = Store::open(work, &Options::default())?;
    let mut last = 0;
    let progress = &mut |bytes| tell(&mut last, bytes, "restored");
    let (summary, files) = backup::restore(&store, input, progress)?;
    store.checkpoint()?;
    let wrong = verify::verify(&store, &mut |_, _| {})?;
    if let Some(first) = wrong.first() {
        let count = wrong.len();
        return Err(Failure(format!("what was restored is not whole: {first} ({count} findings)")));
    }
    for (name, content) in files.iter().filter(|(name, _)| FILES.contains(&name.as_str())) {
        let file = work.join(name);
        put_file(&file, content)
            .map_err(|error| Failure(format!("cannot write {}: {error}", file.display())))?;
    }
    Ok(format!(
        "Restored {} and all else, and checked it.",
        output::counted(summary.bodies, "message", "messages")
    ))
}

/// Writes a file that only its owner reads, and the directory that it is in.
fn put_file(file: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(dir) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    io::Write::write_all(&mut out, content)?;
    out.sync_all()
}

/// A line for each 256 MB.
pub fn tell(last: &mut u64, bytes: u64, what: &str) {
    const STEP: u64 = 256_000_000;
    if bytes / STEP > *last / STEP {
        eprintln!("{} {what}", output::size(bytes));
    }
    *last = bytes;
}

/// Moves everything one level up; the emptied directory goes last.
fn put_in_place(work: &Path, dir: &Path) -> io::Result<()> {
    for entry in work.read_dir()? {
        let entry = entry?;
        std::fs::rename(entry.path(), dir.join(entry.file_name()))?;
    }
    std::fs::remove_dir(work)?;
    File::open(dir)?.sync_all()
}
