//! Apple Mail's own files: a line with the message's length, the message, and a property list
//! with its flags. `1234.partial.emlx` lacks the attachments, which lie in other files there.

use std::path::Path;

use memchr::{memchr, memmem};

use super::{Found, Headless, Next, Skipped, file_name, one_message, read_file, text};

/// Flags of the list by their bit, as IMAP names them.
const FLAGS: [(u64, &str); 6] = [
    (0, "\\Seen"),
    (1, "\\Deleted"),
    (2, "\\Answered"),
    (4, "\\Flagged"),
    (6, "\\Draft"),
    (8, "$Forwarded"),
];

pub(super) fn is_one(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("emlx"))
}

pub(super) fn read(path: &Path, mailbox: Vec<String>) -> Next {
    let skipped = |reason| Skipped::new(path.display(), reason);
    if file_name(path).to_lowercase().ends_with(".partial.emlx") {
        return Err(skipped(
            "its attachments lie in other files; in Apple Mail, export the mailbox and bring that \
             in with kontor import mbox",
        ));
    }
    let (bytes, modified) = read_file(path)?;
    let (message, list) = take_apart(&bytes).map_err(skipped)?;
    let flags = match number(list, "flags") {
        Some(bits) => {
            let set = FLAGS.iter().filter(|(bit, _)| bits >> bit & 1 == 1);
            set.map(|(_, name)| (*name).to_owned()).collect()
        }
        None => vec!["\\Seen".into()],
    };
    let noted = number(list, "date-received").and_then(|at| i64::try_from(at).ok());
    let bytes = one_message(message.to_vec(), Headless::Text).map_err(skipped)?;
    let received = noted.or_else(|| text::date(&bytes)).or(modified);
    Ok(Found { flags, received, mailbox: names(mailbox), bytes })
}

/// The message and what stands behind it.
fn take_apart(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let wrong = "not a message of Apple Mail: it does not begin with a length";
    let end = memchr(b'\n', bytes).ok_or(wrong)?;
    let (line, rest) = bytes.split_at(end + 1);
    let length = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse().ok());
    rest.split_at_checked(length.ok_or(wrong)?).ok_or("it is cut off")
}

/// A whole number of a property list. The list is flat where these stand.
fn number(list: &[u8], name: &str) -> Option<u64> {
    let key = format!("<key>{name}</key>");
    let after = list.get(memmem::find(list, key.as_bytes())? + key.len()..)?.trim_ascii_start();
    let value =
        ["<integer>", "<real>"].iter().find_map(|tag| after.strip_prefix(tag.as_bytes()))?;
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

/// Apple Mail keeps `Work.mbox/3F2C…/Data/1/Messages/1234.emlx`: of these directories the
/// mailboxes' names count. Where there is none, somebody has put the files together otherwise.
fn names(mailbox: Vec<String>) -> Vec<String> {
    let apples: Vec<String> =
        mailbox.iter().filter_map(|name| name.strip_suffix(".mbox")).map(str::to_owned).collect();
    if apples.is_empty() { mailbox } else { apples }
}

#[cfg(test)]
mod tests {
    use super::super::eml;
    use super::*;

    const LIST: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n<dict>\n\
        \t<key>date-received</key>\n\t<integer>1700000000</integer>\n\
        \t<key>flags</key>\n\t<integer>8589934613</integer>\n</dict>\n</plist>\n";

    #[test]
    fn messages_of_apple_mail_come_with_their_flags() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("Work.mbox/3F2C-11/Data/1/Messages");
        std::fs::create_dir_all(&inside).unwrap();
        let raw = "Subject: a\n\nx\n";
        let file = format!("{}        \n{raw}{LIST}", raw.len());
        std::fs::write(inside.join("1.emlx"), &file).unwrap();
        std::fs::write(inside.join("2.partial.emlx"), &file).unwrap();
        std::fs::write(inside.join("3.emlx"), format!("900\n{raw}")).unwrap();
        std::fs::write(inside.join("4.emlx"), raw).unwrap();
        let all: Vec<Next> = eml::read(dir.path()).unwrap().collect();
        let one = all[0].as_ref().unwrap();
        assert_eq!(one.bytes, b"Subject: a\r\n\r\nx\r\n");
        assert_eq!(one.mailbox, ["Work"]);
        assert_eq!(one.flags, ["\\Seen", "\\Answered", "\\Flagged"]);
        assert_eq!(one.received, Some(1_700_000_000));
        let why: Vec<&str> =
            all[1..].iter().map(|each| each.as_ref().unwrap_err().reason.as_str()).collect();
        assert!(why[0].contains("kontor import mbox") && why[1].contains("cut off"), "{why:?}");
        assert!(why[2].contains("length"), "{why:?}");
    }
}
