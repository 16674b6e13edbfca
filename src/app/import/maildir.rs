//! Maildirs: one message a file, flags in its name, in `cur` or `new`.
//!
//! Mailboxes below are found in both ways in which servers keep them: `.Work.2024` beside `cur`
//! (Maildir++, with modified UTF-7 as in IMAP) and `Work/2024/cur` (plain directories).
//! Keywords are read from Dovecot's `dovecot-keywords`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{DEPTH, Found, Headless, Next, Skipped, entries_of, file_name, read_message, text};

/// Reads a maildir, or a directory of them.
pub(super) fn read(path: &Path) -> io::Result<Walk> {
    entries_of(path)?;
    let mut walk = Walk::default();
    walk.visit(path, Vec::new())?;
    if walk.messages.is_empty() && walk.boxes.is_empty() && !is_maildir(path) {
        let reason = "not a maildir: there is neither cur nor new in it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(walk)
}

/// Mailboxes and messages still to be read, the next one last.
#[derive(Default)]
pub(super) struct Walk {
    boxes: Vec<(PathBuf, Vec<String>)>,
    messages: Vec<PathBuf>,
    mailbox: Vec<String>,
    keywords: HashMap<char, String>,
}

impl Iterator for Walk {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            if let Some(path) = self.messages.pop() {
                return Some(self.message(&path));
            }
            let (path, mailbox) = self.boxes.pop()?;
            if let Err(error) = self.visit(&path, mailbox) {
                return Some(Err(Skipped::new(path.display(), error)));
            }
        }
    }
}

impl Walk {
    /// Makes a directory the current mailbox and notes those below it.
    fn visit(&mut self, dir: &Path, mailbox: Vec<String>) -> io::Result<()> {
        if mailbox.len() > DEPTH {
            return Err(io::Error::other("too many directories"));
        }
        let mut below = Vec::new();
        for path in entries_of(dir)? {
            let name = file_name(&path);
            if !path.is_dir() || matches!(name.as_str(), "cur" | "new" | "tmp") {
                continue;
            }
            let mut inner = mailbox.clone();
            match name.strip_prefix('.') {
                // Only as mailboxes; `.git` and the like are not.
                Some(dotted) if is_maildir(&path) => {
                    inner.extend(dotted.split('.').map(decode_utf7));
                }
                Some(_) => continue,
                None => inner.push(unescape(&name)),
            }
            below.push((path, inner));
        }
        self.boxes.extend(below.into_iter().rev());
        self.messages.clear();
        for part in ["new", "cur"] {
            let part = dir.join(part);
            if part.is_dir() {
                self.messages.extend(entries_of(&part)?);
            }
        }
        // By delivery time, with which the names begin; the last is read first.
        self.messages.sort_by_key(|path| std::cmp::Reverse(file_name(path)));
        self.keywords = keywords(dir);
        self.mailbox = mailbox;
        Ok(())
    }

    fn message(&self, path: &Path) -> Next {
        let (bytes, modified) = read_message(path, Headless::Text)?;
        // Maildir's delivery time is the file's; a copy that lost it has the header still.
        let received = modified.or_else(|| text::date(&bytes));
        let flags = self.flags(&file_name(path));
        Ok(Found { bytes, flags, received, mailbox: self.mailbox.clone() })
    }

    /// The flags in a name such as `1.2.host:2,FS`; file systems without `:` use `;` or `!`.
    fn flags(&self, name: &str) -> Vec<String> {
        let Some((_, letters)) =
            [":2,", ";2,", "!2,"].iter().find_map(|mark| name.rsplit_once(mark))
        else {
            return Vec::new();
        };
        let flag = |letter: char| match letter {
            'P' => Some("$Forwarded".to_owned()),
            'R' => Some("\\Answered".to_owned()),
            'S' => Some("\\Seen".to_owned()),
            'T' => Some("\\Deleted".to_owned()),
            'D' => Some("\\Draft".to_owned()),
            'F' => Some("\\Flagged".to_owned()),
            other => self.keywords.get(&other).cloned(),
        };
        letters.chars().filter_map(flag).collect()
    }
}

fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir() || path.join("new").is_dir()
}

/// Dovecot's table: `0 $Forwarded` means that the letter `a` is that keyword.
fn keywords(dir: &Path) -> HashMap<char, String> {
    let text = std::fs::read_to_string(dir.join("dovecot-keywords")).unwrap_or_default();
    let line = |line: &str| {
        let (number, keyword) = line.trim().split_once(' ')?;
        let number: u8 = number.parse().ok().filter(|number| *number < 26)?;
        Some(((b'a' + number) as char, keyword.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Undoes what `kontor export` does to names that a file system does not take.
fn unescape(name: &str) -> String {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| name.to_owned())
}

/// Modified UTF-7 (RFC 3501 §5.1.3). What is not valid stays as it is: many programs write
/// plain UTF-8 instead.
fn decode_utf7(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, coded)) = rest.split_once('&') {
        out.push_str(before);
        let Some((coded, behind)) = coded.split_once('-') else { return name.to_owned() };
        rest = behind;
        if coded.is_empty() {
            out.push('&');
            continue;
        }
        match decode_base64_utf16(coded) {
            Some(text) => out.push_str(&text),
            None => return name.to_owned(),
        }
    }
    out.push_str(rest);
    out
}

fn decode_base64_utf16(coded: &str) -> Option<String> {
    use base64::Engine as _;
    use base64::alphabet::IMAP_MUTF7;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&IMAP_MUTF7, lenient).decode(coded).ok()?;
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, name: &str) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("Subject: {name}\n\n")).unwrap();
    }

    #[test]
    fn both_kinds_of_trees_are_read_with_flags_and_keywords() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "cur/1.a.host:2,FSa");
        put(dir.path(), "new/2.a.host");
        put(dir.path(), ".Entw&APw-rfe.2024/cur/3.a.host:2,D");
        put(dir.path(), "Work/Deep/new/4.a.host");
        put(dir.path(), ".git/config");
        std::fs::write(dir.path().join("dovecot-keywords"), "0 $Label1\n1 x\n").unwrap();
        let all: Vec<Found> = read(dir.path()).unwrap().map(|next| next.unwrap()).collect();
        let seen: Vec<_> =
            all.iter().map(|found| (found.mailbox.join("/"), found.flags.join(" "))).collect();
        let wanted = [
            ("", "\\Flagged \\Seen $Label1"),
            ("", ""),
            ("Entwürfe/2024", "\\Draft"),
            ("Work/Deep", ""),
        ];
        assert_eq!(seen, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert!(all.iter().all(|found| found.received.is_some()));
    }

    #[test]
    fn other_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).is_err());
        assert!(read(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn names_are_decoded_where_they_are_encoded() {
        assert_eq!(decode_utf7("Entw&APw-rfe"), "Entwürfe");
        assert_eq!(decode_utf7("&U,BTFw-"), "台北");
        assert_eq!(decode_utf7("A &- B"), "A & B");
        assert_eq!(decode_utf7("A & B"), "A & B");
        assert_eq!(decode_utf7("Entwürfe"), "Entwürfe");
        assert_eq!(unescape("a%2Fb"), "a/b");
        assert_eq!(unescape("100 %"), "100 %");
    }
}
