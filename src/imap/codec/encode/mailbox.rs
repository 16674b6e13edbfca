//! What is told about mailboxes: LIST (RFC 9051 §7.3.1), STATUS, quotas, annotations.

use super::*;
use crate::imap::codec::types::{EntryName, ListKind, StatusItem};

/// One line of LIST, LSUB or XLIST.
#[derive(Clone, Copy, Debug)]
pub struct ListLine<'a> {
    pub kind: ListKind,
    /// With their backslashes.
    pub attributes: &'a [&'static str],
    pub name: &'a str,
    /// CHILDINFO: subscribed mailboxes are below it, though it is none itself (RFC 5258 §4).
    pub subscribed_below: bool,
    /// OLDNAME: it was called so before (RFC 9051 §6.3.9.7).
    pub old_name: Option<&'a str>,
}

/// `* LIST (\HasChildren) "/" name ("CHILDINFO" ("SUBSCRIBED"))`
pub fn list_line(out: &mut Vec<u8>, line: &ListLine<'_>, utf8: bool) {
    out.extend_from_slice(match line.kind {
        ListKind::List => b"* LIST ",
        ListKind::Lsub => b"* LSUB ",
        ListKind::Xlist => b"* XLIST ",
    });
    list(out, line.attributes, |out, attribute| out.extend_from_slice(attribute.as_bytes()));
    out.extend_from_slice(b" \"/\" ");
    mailbox(out, line.name, utf8);
    if line.subscribed_below || line.old_name.is_some() {
        out.extend_from_slice(b" (");
        if line.subscribed_below {
            out.extend_from_slice(b"\"CHILDINFO\" (\"SUBSCRIBED\")");
        }
        if let Some(old_name) = line.old_name {
            out.extend_from_slice(if line.subscribed_below {
                b" \"OLDNAME\" ("
            } else {
                b"\"OLDNAME\" ("
            });
            mailbox(out, old_name, utf8);
            out.push(b')');
        }
        out.push(b')');
    }
    crlf(out);
}

/// The answer to `LIST "" ""`: the delimiter and the root.
pub fn list_root(out: &mut Vec<u8>, kind: ListKind) {
    out.extend_from_slice(match kind {
        ListKind::List => b"* LIST (\\Noselect) \"/\" \"\"\r\n",
        ListKind::Lsub => b"* LSUB (\\Noselect) \"/\" \"\"\r\n",
        ListKind::Xlist => b"* XLIST (\\Noselect) \"/\" \"\"\r\n",
    });
}

/// What STATUS tells of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusValue<'a> {
    Number(u64),
    /// MAILBOXID
    Id(&'a str),
    /// APPENDLIMIT without a limit
    Nil,
}

/// `* STATUS name (MESSAGES 231 UIDNEXT 44292)`
pub fn status<'a>(
    out: &mut Vec<u8>,
    name: &str,
    utf8: bool,
    items: impl IntoIterator<Item = (StatusItem, StatusValue<'a>)>,
) {
    out.extend_from_slice(b"* STATUS ");
    mailbox(out, name, utf8);
    out.push(b' ');
    list(out, items, |out, (item, value)| {
        out.extend_from_slice(item.name().as_bytes());
        out.push(b' ');
        match value {
            StatusValue::Number(value) => number(out, value),
            StatusValue::Nil => out.extend_from_slice(b"NIL"),
            StatusValue::Id(id) => {
                out.push(b'(');
                out.extend_from_slice(id.as_bytes());
                out.push(b')');
            }
        }
    });
    crlf(out);
}

/// The one namespace: no prefix, so that no client doubles it (RFC 2342).
pub fn namespace(out: &mut Vec<u8>) {
    out.extend_from_slice(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
}

/// `* QUOTA "" (STORAGE 10 512)`: resource, use and limit; for STORAGE in units of 1024 octets
/// (RFC 9208 §5.1).
pub fn quota(out: &mut Vec<u8>, root: &str, resources: &[(&str, u64, u64)]) {
    out.extend_from_slice(b"* QUOTA ");
    astring(out, root.as_bytes());
    out.push(b' ');
    list(out, resources, |out, &(name, used, limit)| {
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        number(out, used);
        out.push(b' ');
        number(out, limit);
    });
    crlf(out);
}

/// `* QUOTAROOT INBOX ""`
pub fn quota_root(out: &mut Vec<u8>, name: &str, utf8: bool, roots: &[&str]) {
    out.extend_from_slice(b"* QUOTAROOT ");
    mailbox(out, name, utf8);
    for root in roots {
        out.push(b' ');
        astring(out, root.as_bytes());
    }
    crlf(out);
}

/// `* METADATA "INBOX" (/shared/comment "text")`; the empty name is the server.
pub fn metadata<'a>(
    out: &mut Vec<u8>,
    name: &str,
    utf8: bool,
    entries: impl IntoIterator<Item = (&'a EntryName, Option<&'a [u8]>)>,
) {
    out.extend_from_slice(b"* METADATA ");
    mailbox(out, name, utf8);
    out.push(b' ');
    list(out, entries, |out, (entry, value)| {
        astring(out, entry.as_str().as_bytes());
        out.push(b' ');
        nstring(out, value);
    });
    crlf(out);
}

/// `* METADATA "" /shared/comment`: these have changed (RFC 5464 §4.4.2).
pub fn metadata_changed<'a>(
    out: &mut Vec<u8>,
    name: &str,
    utf8: bool,
    entries: impl IntoIterator<Item = &'a EntryName>,
) {
    out.extend_from_slice(b"* METADATA ");
    mailbox(out, name, utf8);
    for entry in entries {
        out.push(b' ');
        astring(out, entry.as_str().as_bytes());
    }
    crlf(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: Vec<u8>) -> String {
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lists() {
        let line = |line: ListLine<'_>| {
            let mut out = Vec::new();
            list_line(&mut out, &line, false);
            text(out)
        };
        let plain = ListLine {
            kind: ListKind::List,
            attributes: &["\\HasNoChildren", "\\Sent"],
            name: "Gesendetes",
            subscribed_below: false,
            old_name: None,
        };
        assert_eq!(line(plain), "* LIST (\\HasNoChildren \\Sent) \"/\" Gesendetes\r\n");
        let below = ListLine { attributes: &[], name: "Foo bar", subscribed_below: true, ..plain };
        assert_eq!(line(below), "* LIST () \"/\" \"Foo bar\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
        let renamed = ListLine { old_name: Some("a b"), kind: ListKind::Lsub, ..below };
        assert_eq!(
            line(renamed),
            "* LSUB () \"/\" \"Foo bar\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"a b\"))\r\n"
        );
        let renamed = ListLine { subscribed_below: false, ..renamed };
        assert!(line(renamed).ends_with(" (\"OLDNAME\" (\"a b\"))\r\n"));
        let mut out = Vec::new();
        list_root(&mut out, ListKind::List);
        namespace(&mut out);
        assert_eq!(
            text(out),
            "* LIST (\\Noselect) \"/\" \"\"\r\n* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
        );
    }

    #[test]
    fn figures() {
        let mut out = Vec::new();
        let items = [
            (StatusItem::Messages, StatusValue::Number(231)),
            (StatusItem::MailboxId, StatusValue::Id("F1")),
            (StatusItem::AppendLimit, StatusValue::Nil),
        ];
        status(&mut out, "bläh", false, items);
        quota(&mut out, "", &[("STORAGE", 10, 512)]);
        quota_root(&mut out, "INBOX", false, &[""]);
        let (a, b) = (EntryName::new("/shared/a").unwrap(), EntryName::new("/private/b").unwrap());
        metadata(&mut out, "INBOX", false, [(&a, Some(&b"My\r\n"[..])), (&b, None)]);
        metadata_changed(&mut out, "", false, [&a, &b]);
        assert_eq!(
            text(out),
            "* STATUS bl&AOQ-h (MESSAGES 231 MAILBOXID (F1) APPENDLIMIT NIL)\r\n\
             * QUOTA \"\" (STORAGE 10 512)\r\n* QUOTAROOT INBOX \"\"\r\n\
             * METADATA INBOX (/shared/a {4}\r\nMy\r\n /private/b NIL)\r\n\
             * METADATA \"\" /shared/a /private/b\r\n"
        );
    }
}
