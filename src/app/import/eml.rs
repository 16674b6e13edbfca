//! Messages saved as single files: one .eml or .emlx, or a directory of them with those below.

use std::io;
use std::path::{Path, PathBuf};

use super::{
    DEPTH, Found, Headless, Next, Skipped, emlx, entries_of, file_name, read_message, text,
};

/// Reads one file, or every file of a directory; each directory below is a mailbox.
pub(super) fn read(path: &Path) -> io::Result<Walk> {
    if path.is_dir() {
        // Fails here and not later, so that a wrong path is an error and not an empty import.
        entries_of(path)?;
    } else {
        path.metadata()?;
    }
    Ok(Walk { named: path.to_owned(), left: vec![(path.to_owned(), Vec::new())] })
}

/// What is still to be looked at, the next one last.
pub(super) struct Walk {
    /// What somebody asked for.
    named: PathBuf,
    left: Vec<(PathBuf, Vec<String>)>,
}

impl Iterator for Walk {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            let (path, mailbox) = self.left.pop()?;
            if !path.is_dir() {
                if emlx::is_one(&path) {
                    return Some(emlx::read(&path, mailbox));
                }
                return Some(message(&path, mailbox, self.headless(&path)));
            }
            if mailbox.len() > DEPTH {
                return Some(Err(Skipped::new(path.display(), "too many directories")));
            }
            match entries_of(&path) {
                Err(error) => return Some(Err(Skipped::new(path.display(), error))),
                Ok(inside) => self.left.extend(inside.into_iter().rev().map(|path| {
                    let mut mailbox = mailbox.clone();
                    if path.is_dir() {
                        mailbox.push(file_name(&path));
                    }
                    (path, mailbox)
                })),
            }
        }
    }
}

impl Walk {
    /// A file called `.eml`, or asked for by name, is meant to be a message.
    fn headless(&self, path: &Path) -> Headless {
        let eml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eml"));
        if eml || path == self.named { Headless::Text } else { Headless::Other }
    }
}

fn message(path: &Path, mailbox: Vec<String>, headless: Headless) -> Next {
    let (bytes, modified) = read_message(path, headless)?;
    let received = text::date(&bytes).or(modified);
    // Somebody saved it, so somebody had read it.
    Ok(Found { flags: vec!["\\Seen".into()], received, mailbox, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_in_order_and_what_is_no_message_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("Work")).unwrap();
        std::fs::write(dir.path().join("a.eml"), "Subject: a\n\nx\n").unwrap();
        std::fs::write(dir.path().join("b.jpg"), b"\xff\xd8\xff\0\0").unwrap();
        std::fs::write(dir.path().join("Work/c.eml"), "Subject: c\r\n\r\n").unwrap();
        let all: Vec<Next> = read(dir.path()).unwrap().collect();
        assert_eq!(all.len(), 3);
        let c = all[0].as_ref().unwrap();
        assert_eq!(
            (c.mailbox.as_slice(), c.bytes.as_slice()),
            (&["Work".to_owned()][..], &b"Subject: c\r\n\r\n"[..])
        );
        let a = all[1].as_ref().unwrap();
        assert_eq!((a.mailbox.len(), a.bytes.as_slice()), (0, &b"Subject: a\r\n\r\nx\r\n"[..]));
        assert!(all[2].as_ref().unwrap_err().reason.contains("not a message"));
        assert!(read(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn a_text_without_a_header_is_a_message_where_it_is_called_one() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.eml", "b.EML", "notes.txt"] {
            std::fs::write(dir.path().join(name), "Hello\n").unwrap();
        }
        let all: Vec<Next> = read(dir.path()).unwrap().collect();
        let taken = all.iter().map(|each| each.as_ref().map_or(0, |found| found.bytes.len()));
        assert_eq!(taken.collect::<Vec<_>>(), [9, 9, 0]);
        let one: Vec<Next> = read(&dir.path().join("notes.txt")).unwrap().collect();
        assert_eq!(one[0].as_ref().unwrap().bytes, b"\r\nHello\r\n");
    }
}
