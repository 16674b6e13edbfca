//! Status responses with their codes (RFC 9051 §7.1), and what tells of the session.

use std::borrow::Cow;

use super::*;
use crate::imap::codec::types::{Code, Feature, Reply, Status, Tag};

/// `A1 OK [CODE] text`
pub fn tagged(out: &mut Vec<u8>, tag: &Tag, reply: &Reply) {
    out.extend_from_slice(tag.as_str().as_bytes());
    status_response(out, reply);
}

/// `* OK [CODE] text`
pub fn untagged(out: &mut Vec<u8>, reply: &Reply) {
    out.push(b'*');
    status_response(out, reply);
}

/// `+ text`: more of the command is wanted (RFC 9051 §7.6).
pub fn continuation(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(b"+ ");
    text(out, line);
    crlf(out);
}

fn status_response(out: &mut Vec<u8>, reply: &Reply) {
    out.extend_from_slice(match reply.status {
        Status::Ok => b" OK ",
        Status::No => b" NO ",
        Status::Bad => b" BAD ",
        Status::PreAuth => b" PREAUTH ",
        Status::Bye => b" BYE ",
    });
    if let Some(code) = &reply.code {
        out.push(b'[');
        response_code(out, code);
        out.extend_from_slice(b"] ");
    }
    // The grammar wants some text.
    text(out, if reply.text.is_empty() { "-" } else { &reply.text });
    crlf(out);
}

/// Human-readable text. Nothing in it may end the line.
fn text(out: &mut Vec<u8>, line: &str) {
    out.extend(line.bytes().map(|b| if b < 0x20 || b == 0x7f { b' ' } else { b }));
}

fn response_code(out: &mut Vec<u8>, code: &Code) {
    if let Some(name) = bare_name(code) {
        return out.extend_from_slice(name.as_bytes());
    }
    if let Some((name, value)) = numeric(code) {
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        return number(out, value);
    }
    match code {
        Code::AppendUid(validity, uids) => {
            out.extend_from_slice(b"APPENDUID ");
            number(out, *validity);
            out.push(b' ');
            sequence_set(out, uids);
        }
        Code::CopyUid(validity, from, to) => {
            out.extend_from_slice(b"COPYUID ");
            number(out, *validity);
            out.push(b' ');
            sequence_set(out, from);
            out.push(b' ');
            sequence_set(out, to);
        }
        Code::BadCharset(names) => names_in_list(out, "BADCHARSET ", names),
        Code::BadEvent(names) => names_in_list(out, "BADEVENT ", names),
        Code::BadUrl(url) => {
            out.extend_from_slice(b"BADURL ");
            code_string(out, url);
        }
        Code::Capability(names) => {
            out.extend_from_slice(b"CAPABILITY ");
            out.extend_from_slice(names.as_bytes());
        }
        Code::InProgress { tag, done, goal } => in_progress(out, tag, *done, *goal),
        Code::MailboxId(id) => {
            out.extend_from_slice(b"MAILBOXID (");
            out.extend_from_slice(id.as_bytes());
            out.push(b')');
        }
        Code::Modified(set) => {
            out.extend_from_slice(b"MODIFIED ");
            sequence_set(out, set);
        }
        Code::NoUpdate(tag) => {
            out.extend_from_slice(b"NOUPDATE ");
            code_string(out, tag);
        }
        Code::PermanentFlags { flags, new_keywords } => {
            out.extend_from_slice(b"PERMANENTFLAGS ");
            let any = new_keywords.then_some("\\*");
            flag_list(out, flags.iter().map(|flag| flag.as_str()).chain(any));
        }
        // All others are in one of the two tables.
        _ => {}
    }
}

/// A string within a code, where a literal would break the line: what cannot be quoted is
/// left out.
fn code_string(out: &mut Vec<u8>, text: &str) {
    let clean: Cow<'_, str> = match text.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
        true => text.into(),
        false => text.chars().filter(|c| matches!(c, ' '..='~')).collect::<String>().into(),
    };
    quoted(out, clean.as_bytes());
}

fn names_in_list(out: &mut Vec<u8>, code: &str, names: &[&str]) {
    out.extend_from_slice(code.as_bytes());
    list(out, names, |out, name| out.extend_from_slice(name.as_bytes()));
}

/// `INPROGRESS ("tag" done goal)` (RFC 9585 §4).
fn in_progress(out: &mut Vec<u8>, tag: &Tag, done: Option<u64>, goal: Option<u64>) {
    out.extend_from_slice(b"INPROGRESS (");
    quoted(out, tag.as_str().as_bytes());
    for value in [done, goal] {
        out.push(b' ');
        match value {
            Some(value) => number(out, value),
            None => out.extend_from_slice(b"NIL"),
        }
    }
    out.push(b')');
}

/// Codes with one number.
fn numeric(code: &Code) -> Option<(&'static str, u64)> {
    Some(match *code {
        Code::HighestModSeq(n) => ("HIGHESTMODSEQ", n),
        Code::MetadataLongEntries(n) => ("METADATA LONGENTRIES", n),
        Code::MetadataMaxSize(n) => ("METADATA MAXSIZE", n),
        Code::UidNext(n) => ("UIDNEXT", n.into()),
        Code::UidValidity(n) => ("UIDVALIDITY", n.into()),
        Code::Unseen(n) => ("UNSEEN", n.into()),
        _ => return None,
    })
}

/// Codes that are a name and nothing else.
fn bare_name(code: &Code) -> Option<&'static str> {
    Some(match code {
        Code::Alert => "ALERT",
        Code::AlreadyExists => "ALREADYEXISTS",
        Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
        Code::AuthorizationFailed => "AUTHORIZATIONFAILED",
        Code::Cannot => "CANNOT",
        Code::ClientBug => "CLIENTBUG",
        Code::Closed => "CLOSED",
        Code::CompressionActive => "COMPRESSIONACTIVE",
        Code::ContactAdmin => "CONTACTADMIN",
        Code::Corruption => "CORRUPTION",
        Code::Expired => "EXPIRED",
        Code::ExpungeIssued => "EXPUNGEISSUED",
        Code::HasChildren => "HASCHILDREN",
        Code::InUse => "INUSE",
        Code::Limit => "LIMIT",
        Code::MetadataNoPrivate => "METADATA NOPRIVATE",
        Code::MetadataTooMany => "METADATA TOOMANY",
        Code::NoModSeq => "NOMODSEQ",
        Code::NonExistent => "NONEXISTENT",
        Code::NoPerm => "NOPERM",
        Code::NotificationOverflow => "NOTIFICATIONOVERFLOW",
        Code::NotSaved => "NOTSAVED",
        Code::OverQuota => "OVERQUOTA",
        Code::Parse => "PARSE",
        Code::PrivacyRequired => "PRIVACYREQUIRED",
        Code::ReadOnly => "READ-ONLY",
        Code::ReadWrite => "READ-WRITE",
        Code::ServerBug => "SERVERBUG",
        Code::TooBig => "TOOBIG",
        Code::TryCreate => "TRYCREATE",
        Code::UidNotSticky => "UIDNOTSTICKY",
        Code::UidRequired => "UIDREQUIRED",
        Code::Unavailable => "UNAVAILABLE",
        Code::UnknownCte => "UNKNOWN-CTE",
        Code::UseAttr => "USEATTR",
        Code::AppendUid(..)
        | Code::BadCharset(_)
        | Code::BadEvent(_)
        | Code::BadUrl(_)
        | Code::Capability(_)
        | Code::CopyUid(..)
        | Code::HighestModSeq(_)
        | Code::InProgress { .. }
        | Code::MailboxId(_)
        | Code::MetadataLongEntries(_)
        | Code::MetadataMaxSize(_)
        | Code::Modified(_)
        | Code::NoUpdate(_)
        | Code::PermanentFlags { .. }
        | Code::UidNext(_)
        | Code::UidValidity(_)
        | Code::Unseen(_) => return None,
    })
}

/// `* CAPABILITY …`, of [`crate::imap::codec::table::capabilities`].
pub fn capability(out: &mut Vec<u8>, names: &str) {
    out.extend_from_slice(b"* CAPABILITY ");
    out.extend_from_slice(names.as_bytes());
    crlf(out);
}

/// `* ENABLED …`, also when nothing was switched on: MailKit waits for it.
pub fn enabled(out: &mut Vec<u8>, features: &[Feature]) {
    out.extend_from_slice(b"* ENABLED");
    for feature in features {
        out.push(b' ');
        out.extend_from_slice(feature.name().as_bytes());
    }
    crlf(out);
}

/// `* ID (…)` (RFC 2971 §3.2).
pub fn id(out: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    out.extend_from_slice(b"* ID ");
    list(out, pairs, |out, (name, value)| {
        string(out, name.as_bytes());
        out.push(b' ');
        string(out, value.as_bytes());
    });
    crlf(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::codec::types::Flag;

    fn line(reply: Reply) -> String {
        let mut out = Vec::new();
        tagged(&mut out, &Tag::new(b"A1").unwrap(), &reply);
        String::from_utf8(out).unwrap()
    }

    fn code(code: Code) -> String {
        let line = line(Reply::ok("x").with(code));
        line.strip_prefix("A1 OK [").unwrap().strip_suffix("] x\r\n").unwrap().to_owned()
    }

    fn set(numbers: &[u32]) -> UidSet {
        numbers.iter().copied().collect()
    }

    #[test]
    fn replies() {
        assert_eq!(line(Reply::ok("LOGIN completed")), "A1 OK LOGIN completed\r\n");
        assert_eq!(line(Reply::no("a\r\nA2 OK b")), "A1 NO a  A2 OK b\r\n");
        assert_eq!(line(Reply::bad("")), "A1 BAD -\r\n");
        let mut out = Vec::new();
        untagged(&mut out, &Reply::bye("Bye").with(Code::Unavailable));
        continuation(&mut out, "");
        capability(&mut out, "IMAP4rev1 ID");
        enabled(&mut out, &[Feature::CondStore, Feature::Utf8Accept]);
        enabled(&mut out, &[]);
        id(&mut out, &[("name", "Kontor"), ("version", "0.1.0")]);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "* BYE [UNAVAILABLE] Bye\r\n+ \r\n* CAPABILITY IMAP4rev1 ID\r\n* ENABLED CONDSTORE UTF8=ACCEPT\r\n* ENABLED\r\n* ID (\"name\" \"Kontor\" \"version\" \"0.1.0\")\r\n"
        );
    }

    #[test]
    fn codes_as_the_standards_write_them() {
        assert_eq!(code(Code::AppendUid(38_505, set(&[3955]))), "APPENDUID 38505 3955");
        let copied = Code::CopyUid(38_505, set(&[304, 319, 320]), set(&[3956, 3957, 3958]));
        assert_eq!(code(copied), "COPYUID 38505 304,319:320 3956:3958");
        assert_eq!(code(Code::BadCharset(&["US-ASCII", "UTF-8"])), "BADCHARSET (US-ASCII UTF-8)");
        assert_eq!(code(Code::HighestModSeq(715_194_045_007)), "HIGHESTMODSEQ 715194045007");
        assert_eq!(code(Code::Modified(set(&[7, 9]))), "MODIFIED 7,9");
        assert_eq!(code(Code::MailboxId("F2212ea87".into())), "MAILBOXID (F2212ea87)");
        assert_eq!(code(Code::MetadataLongEntries(2199)), "METADATA LONGENTRIES 2199");
        assert_eq!(code(Code::BadUrl("/x;\"y\r\n".into())), "BADURL \"/x;\\\"y\"");
        assert_eq!(code(Code::NoUpdate("B02".into())), "NOUPDATE \"B02\"");
        let flags =
            Code::PermanentFlags { flags: vec![Flag::Deleted, Flag::Seen], new_keywords: true };
        assert_eq!(code(flags), "PERMANENTFLAGS (\\Deleted \\Seen \\*)");
        let tag = Tag::new(b"A001").unwrap();
        let progress = Code::InProgress { tag, done: Some(454), goal: None };
        assert_eq!(code(progress), "INPROGRESS (\"A001\" 454 NIL)");
        assert_eq!(code(Code::ReadWrite), "READ-WRITE");
        assert_eq!(code(Code::Unseen(12)), "UNSEEN 12");
        assert_eq!(code(Code::Capability("IMAP4rev1".into())), "CAPABILITY IMAP4rev1");
    }
}
