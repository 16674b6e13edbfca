//! The mbox format (RFC 4155) and its dialects.
//!
//! A message begins at a line `From sender date` at the start of the file or after an empty
//! line. Lines of the text that look like it carry a `>` more (mboxrd; mboxo only at the first
//! level), which is taken away. Where `Content-Length` points exactly at the next such line or
//! the end, it is believed and nothing is unquoted (mboxcl2). A directory is read like
//! Thunderbird's: each file is a mailbox, `Name.sbd` holds those below `Name`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{DEPTH, Found, LARGEST, Next, Skipped, entries_of, file_name, text, to_crlf};
use crate::base::clock::UnixTime;

/// A line is looked at only this far for what it is.
const LINE: usize = 1024;

/// Reads one file, or a directory of them.
pub(super) fn read(path: &Path) -> io::Result<Tree> {
    let mut tree = Tree { left: Vec::new(), open: None };
    if path.is_dir() {
        entries_of(path)?;
        tree.left.push((path.to_owned(), Vec::new()));
    } else {
        tree.open = Some(Mbox::open(path, Vec::new())?);
    }
    Ok(tree)
}

/// Files still to be read, the next one last, and the one that is being read.
pub(super) struct Tree {
    left: Vec<(PathBuf, Vec<String>)>,
    open: Option<Mbox>,
}

impl Iterator for Tree {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            if let Some(mbox) = &mut self.open {
                match mbox.next() {
                    Some(next) => return Some(next),
                    None => self.open = None,
                }
            }
            let (path, mailbox) = self.left.pop()?;
            let opened = if path.is_dir() {
                self.descend(&path, &mailbox)
            } else {
                Mbox::open(&path, mailbox).map(|mbox| self.open = Some(mbox))
            };
            if let Err(error) = opened {
                return Some(Err(Skipped::new(path.display(), error)));
            }
        }
    }
}

impl Tree {
    fn descend(&mut self, dir: &Path, mailbox: &[String]) -> io::Result<()> {
        if mailbox.len() > DEPTH {
            return Err(io::Error::other("too many directories"));
        }
        for path in entries_of(dir)?.into_iter().rev() {
            let name = file_name(&path);
            // Thunderbird's indexes and settings.
            if [".msf", ".dat", ".html", ".json"].iter().any(|end| name.ends_with(end))
                || name.starts_with('.')
            {
                continue;
            }
            let name = match (path.is_dir(), name.strip_suffix(".sbd"), name.strip_suffix(".mbox"))
            {
                (true, Some(name), _) | (_, _, Some(name)) => name,
                _ => &name,
            };
            let mut mailbox = mailbox.to_vec();
            mailbox.push(name.to_owned());
            self.left.push((path, mailbox));
        }
        Ok(())
    }
}

/// One open file, at the first line after a separator.
struct Mbox {
    path: PathBuf,
    mailbox: Vec<String>,
    file: BufReader<File>,
    /// Date of the separator that was read last; `None` before the first and after the end.
    current: Option<Separator>,
    count: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Separator {
    date: Option<UnixTime>,
}

impl Mbox {
    /// Opens a file; one that does not begin with a separator is no mbox.
    fn open(path: &Path, mailbox: Vec<String>) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
        let mut line = Vec::new();
        // Some programs put empty lines first.
        let current = loop {
            line.clear();
            if next_line(&mut file, &mut line)? == 0 {
                break None;
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match separator(&line, &mut file)? {
                Some(found) => break Some(found),
                None => {
                    let reason = "not an mbox file: it does not begin with a \"From \" line";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                }
            }
        };
        Ok(Self { path: path.to_owned(), mailbox, file, current, count: 0 })
    }

    fn message(&mut self, start: Separator) -> io::Result<Next> {
        self.count += 1;
        let place = format!("{}, message {}", self.path.display(), self.count);
        let mut bytes = Vec::new();
        let (mut over, mut in_header, mut header_end) = (false, true, 0);
        let (mut after_empty, mut line) = (false, Vec::new());
        self.current = None;
        loop {
            line.clear();
            if next_line(&mut self.file, &mut line)? == 0 {
                break;
            }
            if after_empty && let Some(found) = separator(&line, &mut self.file)? {
                self.current = Some(found);
                break;
            }
            let ends = line.ends_with(b"\n");
            let empty = matches!(line.as_slice(), b"\n" | b"\r\n");
            let quoted = quoted_from(&line);
            over = over || bytes.len() as u64 + line.len() as u64 > LARGEST;
            if !over {
                let skip = usize::from(quoted && !in_header);
                bytes.extend_from_slice(line.get(skip..).unwrap_or_default());
            }
            if in_header && empty && !over {
                (in_header, header_end) = (false, bytes.len());
                if let Some(length) = content_length(&bytes)
                    && self.ends_at(length)?
                {
                    (&mut self.file).take(length).read_to_end(&mut bytes)?;
                    after_empty = true;
                    continue;
                }
            }
            // A long line comes in pieces; only a whole one can be the empty one.
            after_empty = empty && ends;
        }
        drop_last_empty_line(&mut bytes, header_end);
        if over {
            return Ok(Err(Skipped::new(place, "larger than any message")));
        }
        let bytes = to_crlf(bytes);
        if let Some(reason) = text::fault(&bytes) {
            return Ok(Err(Skipped::new(place, reason)));
        }
        let Some(flags) = text::mbox_flags(&bytes) else {
            return Ok(Err(Skipped::new(place, "its owner had deleted it (X-Mozilla-Status)")));
        };
        let received = start.date.or_else(|| text::date(&bytes));
        Ok(Ok(Found { bytes, flags, received, mailbox: self.mailbox.clone() }))
    }

    /// Whether a separator, or the end, follows after `length` octets (and empty lines).
    fn ends_at(&mut self, length: u64) -> io::Result<bool> {
        let here = self.file.stream_position()?;
        let end = self.file.get_ref().metadata()?.len();
        let Some(target) = here.checked_add(length).filter(|target| *target <= end) else {
            return Ok(false);
        };
        if length > LARGEST {
            return Ok(false);
        }
        self.file.seek_relative(i64::try_from(length).unwrap_or(0))?;
        let mut ahead = Vec::new();
        (&mut self.file).take(64).read_to_end(&mut ahead)?;
        self.file.seek(SeekFrom::Start(here))?;
        let rest = ahead.trim_ascii_start();
        Ok(if rest.is_empty() {
            target + ahead.len() as u64 == end
        } else {
            rest.starts_with(b"From ") && rest.len() < ahead.len()
        })
    }
}

impl Iterator for Mbox {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        let start = self.current?;
        match self.message(start) {
            Ok(next) => Some(next),
            Err(error) => {
                self.current = None;
                Some(Err(Skipped::new(self.path.display(), error)))
            }
        }
    }
}

/// Reads up to the next LF, but a line without an end only in pieces.
fn next_line(file: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<usize> {
    file.take(64 * 1024).read_until(b'\n', line)
}

/// Reads a line as a separator: `From `, and a date at its end or a header field behind it.
fn separator(line: &[u8], file: &mut BufReader<File>) -> io::Result<Option<Separator>> {
    if !line.starts_with(b"From ") || line.len() > LINE {
        return Ok(None);
    }
    if let Some(date) = separator_date(&String::from_utf8_lossy(line)) {
        return Ok(Some(Separator { date: Some(date) }));
    }
    let ahead = file.fill_buf()?;
    let end = memchr::memchr(b'\n', ahead).unwrap_or(ahead.len());
    let is_header = ahead.get(..end.min(LINE)).is_some_and(text::is_field);
    Ok(is_header.then(Separator::default))
}

/// The date of `From sender Thu Jan  1 00:00:00 2004`, also with a zone before or after the
/// year (`+0100 2004`, `CET 2004`, `2004 +0100`). Without one it is UTC (RFC 4155).
fn separator_date(line: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let at = words.iter().rposition(|word| word.len() >= 4 && word.contains(':'))?;
    let time = words.get(at)?;
    let mut clock = time.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute) = (clock.next()??, clock.next()??);
    let second = clock.next().flatten().unwrap_or(0);
    let day: i8 = words.get(at.checked_sub(1)?)?.parse().ok()?;
    let name = words.get(at.checked_sub(2)?)?;
    let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    let rest = words.get(at + 1..)?;
    let year: i16 = rest.iter().find_map(|word| {
        word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok()).flatten()
    })?;
    let offset = rest.iter().find_map(|word| zone(word)).unwrap_or(0);
    let date = jiff::civil::Date::new(year, i8::try_from(month).ok()? + 1, day).ok()?;
    let time = jiff::civil::Time::new(hour, minute, second.min(59), 0).ok()?;
    let utc = date.to_datetime(time).to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?;
    Some(utc.timestamp().as_second() - offset)
}

/// Seconds east of `+0100`.
fn zone(word: &str) -> Option<i64> {
    let sign = match word.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = word.get(1..).filter(|digits| digits.len() == 4)?;
    let number: i64 = digits.parse().ok()?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// The empty line before the separator (or the end) belongs to the format, except where it is
/// the one that ends the header.
fn drop_last_empty_line(bytes: &mut Vec<u8>, header_end: usize) {
    for end in [&b"\n\r\n"[..], b"\n\n"] {
        if bytes.len() > header_end && bytes.ends_with(end) {
            bytes.truncate(bytes.len() - (end.len() - 1));
            return;
        }
    }
}

/// `>From `, `>>From ` and so on.
fn quoted_from(line: &[u8]) -> bool {
    let head = line.get(..line.len().min(LINE)).unwrap_or_default();
    let marks = head.iter().take_while(|byte| **byte == b'>').count();
    marks > 0 && head.get(marks..).is_some_and(|rest| rest.starts_with(b"From "))
}

fn content_length(header: &[u8]) -> Option<u64> {
    text::fields(header, "Content-Length").next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(content: &[u8]) -> Vec<Next> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box");
        std::fs::write(&path, content).unwrap();
        read(&path).unwrap().collect()
    }

    fn bodies(content: &[u8]) -> Vec<String> {
        let text = |found: Found| String::from_utf8(found.bytes).unwrap();
        all(content).into_iter().map(|next| text(next.unwrap())).collect()
    }

    #[test]
    fn messages_are_told_apart_and_quotes_taken_away() {
        let content =
            b"From a@b Thu Jan  1 00:00:10 1970\nSubject: 1\n\nFrom here on\nit is text\n\
                        \n>From quoted\n>>From twice\n\n\
                        From a@b Thu Jan  1 01:00:00 +0100 1970\nSubject: 2\n\n\nlast\n\n";
        assert_eq!(
            bodies(content),
            [
                "Subject: 1\r\n\r\nFrom here on\r\nit is text\r\n\r\nFrom quoted\r\n>From twice\r\n",
                "Subject: 2\r\n\r\n\r\nlast\r\n"
            ]
        );
        let dates: Vec<_> = all(content).into_iter().map(|next| next.unwrap().received).collect();
        assert_eq!(dates, [Some(10), Some(0)]);
    }

    #[test]
    fn text_that_looks_like_a_separator_is_text_unless_a_date_or_header_shows_it_is_one() {
        let content = b"From a Thu Jan  1 00:00:10 1970\nSubject: 1\n\ntext\n\nFrom me to you\nnot a field\n\n\
                        From -\nSubject: 2\n\nx\n";
        assert_eq!(
            bodies(content),
            [
                "Subject: 1\r\n\r\ntext\r\n\r\nFrom me to you\r\nnot a field\r\n",
                "Subject: 2\r\n\r\nx\r\n"
            ]
        );
    }

    #[test]
    fn content_length_is_believed_only_where_it_fits() {
        let inner = "text\n\nFrom a Thu Jan  1 00:00:10 1970\nX: in the text\n>From kept\n";
        let content = format!(
            "From a Thu Jan  1 00:00:10 1970\nContent-Length: {}\n\n{inner}\nFrom b Thu Jan  1 00:00:10 1970\n\
             Content-Length: 3\n\nlonger than three\n",
            inner.len()
        );
        let bodies = bodies(content.as_bytes());
        assert_eq!(bodies.len(), 2);
        assert!(bodies[0].ends_with("X: in the text\r\n>From kept\r\n"), "{bodies:?}");
        assert!(bodies[1].ends_with("longer than three\r\n"), "{bodies:?}");
    }

    #[test]
    fn broken_messages_are_skipped_and_others_read() {
        let content = b"From a Thu Jan  1 00:00:10 1970\n\nno header\n\n\
                        From a Thu Jan  1 00:00:10 1970\nX-Mozilla-Status: 0009\n\ngone\n\n\
                        From a Thu Jan  1 00:00:10 1970\r\nSubject: good\r\nStatus: RO\r\n\r\nx\r\n\r\n";
        let all = all(content);
        assert_eq!(all.len(), 3);
        assert!(all[0].is_err() && all[1].is_err());
        let good = all[2].as_ref().unwrap();
        assert_eq!(good.bytes, b"Subject: good\r\nStatus: RO\r\n\r\nx\r\n");
        assert_eq!(good.flags, ["\\Seen"]);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "Subject: not an mbox\n\n").unwrap();
        assert!(read(&dir.path().join("x")).is_err());
    }

    #[test]
    fn a_thunderbird_profile_is_a_tree_of_mailboxes() {
        let dir = tempfile::tempdir().unwrap();
        let message = "From - Thu Jan  1 00:00:10 1970\nSubject: x\n\n";
        std::fs::create_dir(dir.path().join("Archive.sbd")).unwrap();
        for name in ["Inbox", "Archive", "Archive.sbd/2019"] {
            std::fs::write(dir.path().join(name), message).unwrap();
        }
        std::fs::write(dir.path().join("Inbox.msf"), "index").unwrap();
        let found: Vec<_> = read(dir.path()).unwrap().map(|next| next.unwrap().mailbox).collect();
        assert_eq!(
            found,
            [
                vec!["Archive".to_owned()],
                vec!["Archive".into(), "2019".into()],
                vec!["Inbox".into()]
            ]
        );
    }
}
