//! The command line's side of import and export: files here, the data behind the door.
//!
//! Files are read and written by whoever gives the command, with that person's rights; a
//! server, which often runs as another user, never opens them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use super::cli::Source;
use super::control::{
    Brought, BroughtEntry, BroughtLine, Door, Failure, Item, Outlet, Reply, Request,
};
use super::import::entries::EntryKind;
use super::import::{self, Found};
use super::output::{self, Terminal, counted};
use crate::base::limits;

/// Entries in one transaction.
const ENTRIES: usize = 100;

/// Messages between two lines of progress.
const PROGRESS: u64 = 1_000;

/// A batch on its way.
#[derive(Default)]
struct Batch {
    messages: Vec<Brought>,
    bytes: Vec<u8>,
}

/// Brings mail in. What was skipped is told; the exit code says whether anything was.
pub fn bring(mut door: Door, kind: import::Kind, source: &Source) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure(format!("{}: {error}", source.path.display()));
    let mut total = BroughtLine::default();
    let mut batch = Batch::default();
    for next in import::read(kind, &source.path).map_err(failed)? {
        match next {
            Ok(found) => batch.add(found, &source.path, total.messages),
            Err(skipped) => {
                tell_skipped(&mut total, format!("{}: {}", skipped.place, skipped.reason))
            }
        }
        if batch.is_full() {
            send(&mut door, source, &mut batch, &mut total)?;
        }
    }
    // Also an empty one: an unknown account is an error even where nothing is to be brought.
    send(&mut door, source, &mut batch, &mut total)?;
    let messages = counted(total.messages, "message", "messages");
    let bytes = output::size(total.bytes);
    output::say(&format!("Brought {messages} ({bytes}) to {}.\n", source.email));
    if total.skipped.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    output::say(&format!("{} skipped; see above.\n", total.skipped.len()));
    Ok(ExitCode::FAILURE)
}

/// Brings calendars or address books in.
pub fn bring_entries(
    mut door: Door,
    kind: EntryKind,
    source: &Source,
) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure(format!("{}: {error}", source.path.display()));
    let mut total = BroughtLine::default();
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    let files = import::entries::files(&source.path, kind).map_err(failed)?;
    if files.is_empty() {
        let skipped = import::entries::nothing(&source.path, kind);
        tell_skipped(&mut total, format!("{}: {}", skipped.place, skipped.reason));
    }
    for file in files {
        let texts = match import::entries::read(&file, kind) {
            Ok(texts) => texts,
            Err(skipped) => {
                tell_skipped(&mut total, format!("{}: {}", skipped.place, skipped.reason));
                continue;
            }
        };
        for (number, text) in (1..).zip(texts) {
            let place = format!("{}, entry {number}", file.display());
            let text = match text {
                Ok(text) => text,
                Err(reason) => {
                    tell_skipped(&mut total, format!("{place}: {reason}"));
                    continue;
                }
            };
            batch.push(BroughtEntry { size: text.len(), place });
            bytes.extend_from_slice(text.as_bytes());
            if batch.len() >= ENTRIES || bytes.len() >= limits::IMPORT_BYTES {
                send_entries(&mut door, source, &mut batch, &mut bytes, &mut total)?;
            }
        }
    }
    // Also an empty one: an unknown account is an error even where nothing is to be brought.
    send_entries(&mut door, source, &mut batch, &mut bytes, &mut total)?;
    let entries = if total.messages == 1 { "entry" } else { "entries" };
    output::say(&format!("Brought {} {entries} to {}.\n", total.messages, source.email));
    if total.skipped.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    output::say(&format!("{} skipped; see above.\n", total.skipped.len()));
    Ok(ExitCode::FAILURE)
}

fn send_entries(
    door: &mut Door,
    source: &Source,
    batch: &mut Vec<BroughtEntry>,
    bytes: &mut Vec<u8>,
    total: &mut BroughtLine,
) -> Result<(), Failure> {
    let request = Request::BringEntries {
        email: source.email.clone(),
        into: source.into.clone(),
        entries: std::mem::take(batch),
    };
    let reply = door.run(request, std::mem::take(bytes), &mut Terminal)?;
    let Reply::Brought(line) = reply else { return Err(unexpected()) };
    if total.messages / PROGRESS != (total.messages + line.messages) / PROGRESS {
        eprintln!("{} entries", total.messages + line.messages);
    }
    total.messages += line.messages;
    line.skipped.into_iter().for_each(|text| tell_skipped(total, text));
    Ok(())
}

impl Batch {
    fn add(&mut self, found: Found, path: &Path, before: u64) {
        self.messages.push(Brought {
            size: found.bytes.len(),
            flags: found.flags,
            received: found.received,
            mailbox: found.mailbox,
            place: format!(
                "{}, message {}",
                path.display(),
                before + self.messages.len() as u64 + 1
            ),
        });
        self.bytes.extend_from_slice(&found.bytes);
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= limits::IMPORT_MESSAGES || self.bytes.len() >= limits::IMPORT_BYTES
    }
}

fn send(
    door: &mut Door,
    source: &Source,
    batch: &mut Batch,
    total: &mut BroughtLine,
) -> Result<(), Failure> {
    let Batch { messages, bytes } = std::mem::take(batch);
    let request =
        Request::Bring { email: source.email.clone(), into: source.into.clone(), messages };
    let reply =
        door.run(request, bytes, &mut Terminal).map_err(|Failure(text)| match total.messages {
            0 => Failure(text),
            some => Failure(format!(
                "{text}; {} had been brought before that",
                counted(some, "message", "messages")
            )),
        })?;
    let Reply::Brought(line) = reply else { return Err(unexpected()) };
    if total.messages / PROGRESS != (total.messages + line.messages) / PROGRESS {
        eprintln!("{} messages", total.messages + line.messages);
    }
    total.messages += line.messages;
    total.bytes += line.bytes;
    line.skipped.into_iter().for_each(|text| tell_skipped(total, text));
    Ok(())
}

fn tell_skipped(total: &mut BroughtLine, text: String) {
    eprintln!("skipped {text}");
    total.skipped.push(text);
}

fn unexpected() -> Failure {
    Failure("the server gave an answer to another question; is it of another version?".into())
}

/// Writes an account's mail as maildirs.
pub fn take_out(mut door: Door, email: String, target: &Path) -> Result<ExitCode, Failure> {
    let occupied = target.read_dir().is_ok_and(|mut inside| inside.next().is_some());
    if occupied {
        return Err(Failure(format!("{} is not empty", target.display())));
    }
    std::fs::create_dir_all(target)
        .map_err(|error| Failure(format!("cannot make {}: {error}", target.display())))?;
    let mut writer = MaildirWriter::new(target.to_owned());
    let reply = door.run(Request::Export { email }, Vec::new(), &mut writer)?;
    output::print(&reply, false)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes each mailbox as one maildir, levels as directories.
struct MaildirWriter {
    root: PathBuf,
    mailbox: PathBuf,
    /// Letters of the current mailbox's keywords, as in `dovecot-keywords`.
    letters: HashMap<String, char>,
    count: u64,
}

impl MaildirWriter {
    fn new(root: PathBuf) -> Self {
        Self { mailbox: root.clone(), root, letters: HashMap::new(), count: 0 }
    }

    fn open(&mut self, name: &str, keywords: &[String]) -> io::Result<()> {
        self.mailbox =
            name.split('/').fold(self.root.clone(), |path, level| path.join(escape(level)));
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(self.mailbox.join(part))?;
        }
        self.letters.clear();
        let mut table = String::new();
        for (number, (keyword, letter)) in keywords.iter().zip('a'..='z').enumerate() {
            table += &format!("{number} {keyword}\n");
            self.letters.insert(keyword.clone(), letter);
        }
        if !table.is_empty() {
            std::fs::write(self.mailbox.join("dovecot-keywords"), table)?;
        }
        Ok(())
    }

    fn write(&mut self, flags: &[String], received: i64, bytes: &[u8]) -> io::Result<()> {
        self.count += 1;
        let name = format!("{received}.{:08}.kontor:2,{}", self.count, self.flag_letters(flags));
        let mut file = File::create_new(self.mailbox.join("cur").join(name))?;
        file.write_all(bytes)?;
        let seconds = Duration::from_secs(u64::try_from(received).unwrap_or(0));
        file.set_modified(SystemTime::UNIX_EPOCH + seconds)
    }

    /// The letters of maildir(5), which stand in the order of the alphabet.
    fn flag_letters(&self, flags: &[String]) -> String {
        let letter = |flag: &String| match flag.as_str() {
            "\\Seen" => Some('S'),
            "\\Answered" => Some('R'),
            "\\Flagged" => Some('F'),
            "\\Deleted" => Some('T'),
            "\\Draft" => Some('D'),
            "$Forwarded" => Some('P'),
            other => self.letters.get(other).copied(),
        };
        let mut letters: Vec<char> = flags.iter().filter_map(letter).collect();
        letters.sort_unstable();
        letters.into_iter().collect()
    }
}

impl Outlet for MaildirWriter {
    fn item(&mut self, item: &Item, payload: &[u8]) -> io::Result<()> {
        match item {
            Item::Mailbox { name, keywords } => self.open(name, keywords),
            Item::Message { flags, received } => self.write(flags, *received, payload),
            Item::Progress { text } => {
                eprintln!("{text}");
                Ok(())
            }
            Item::File { name } => std::fs::write(self.root.join(escape(name)), payload),
            Item::Data => Ok(()),
        }
    }
}

/// A level's name as a directory: without what file systems or maildirs take otherwise.
/// `import::maildir` turns it back.
fn escape(level: &str) -> String {
    let mut name = String::new();
    for (at, c) in level.chars().enumerate() {
        let reserved = matches!(level, "cur" | "new" | "tmp");
        if c == '%' || c == '/' || c == '\0' || at == 0 && (c == '.' || reserved) {
            name += &format!("%{:02X}", u32::from(c));
        } else {
            name.push(c);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_is_imported_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = MaildirWriter::new(dir.path().to_owned());
        let keywords = vec!["$Label1".to_owned(), "Work".to_owned()];
        let mailboxes = ["INBOX", "Archive/2019", ".odd/50%/new"];
        let flags = vec!["\\Seen".to_owned(), "Work".to_owned()];
        for name in mailboxes {
            let item = Item::Mailbox { name: name.into(), keywords: keywords.clone() };
            writer.item(&item, &[]).unwrap();
            let item = Item::Message { flags: flags.clone(), received: 1_000_000_000 };
            writer.item(&item, b"Subject: x\r\n\r\ny\r\n").unwrap();
        }
        let mut found: Vec<Found> = import::read(import::Kind::Maildir, dir.path())
            .unwrap()
            .map(|next| next.unwrap())
            .collect();
        found.sort_by(|a, b| a.mailbox.cmp(&b.mailbox));
        let names: Vec<String> = found.iter().map(|found| found.mailbox.join("/")).collect();
        assert_eq!(names, [".odd/50%/new", "Archive/2019", "INBOX"]);
        for found in found {
            assert_eq!(found.flags, flags);
            assert_eq!(found.received, Some(1_000_000_000));
            assert_eq!(found.bytes, b"Subject: x\r\n\r\ny\r\n");
        }
    }
}
