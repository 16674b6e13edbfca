//! Which header fields a record holds, sets of them, and picking fields from whole headers.

use super::header::{Field, fields};

/// The fields that a record holds as they were written: what clients ask for when they list a
/// mailbox (Thunderbird, Apple Mail, K-9, Outlook, Roundcube, mutt, Evolution, mbsync). A name
/// costs nothing where the field is missing. The order is part of the record's format: append only.
const WELL_KNOWN: [&str; 60] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Reply-To",
    "Sender",
    "Priority",
    "X-Priority",
    "Importance",
    "X-MSMail-Priority",
    "Newsgroups",
    "Content-Type",
    "MIME-Version",
    "Content-Transfer-Encoding",
    "Content-Description",
    "Content-Class",
    "Content-Disposition",
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "Precedence",
    "Auto-Submitted",
    "Return-Path",
    "Delivered-To",
    "X-Original-To",
    "X-Spam-Flag",
    "X-Spam-Level",
    "X-Mailer",
    "User-Agent",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Followup-To",
    "Disposition-Notification-To",
    "Lines",
    "X-Label",
    "X-Draft-Info",
    "X-Mozilla-Draft-Info",
    "X-TUID",
    "X-Uniform-Type-Identifier",
    "X-Universally-Unique-Identifier",
    "X-K9mail-Identity",
    "Resent-Message-ID",
    "X-Evolution-Source",
    "X-Calendar-Attachment",
    "Mailing-List",
    "X-Mailing-List",
    "X-Loop",
    "Keywords",
    "Thread-Topic",
    "X-Forwarded-Message-Id",
    "Resent-From",
    "Resent-To",
    "Resent-Date",
];

/// A set of header field names, resolved once and then used for many messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSet {
    /// A bit for each well-known name.
    pub(super) known: u64,
    /// Every name, for messages whose header has to be read.
    names: Vec<String>,
    pub(super) all_known: bool,
}

impl FieldSet {
    /// The set of these names, in any letter case.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(|n| n.as_ref().to_owned()).collect();
        let mut set = Self { known: 0, names, all_known: true };
        for name in &set.names {
            match well_known(name.as_bytes()) {
                Some(id) => set.known |= 1 << id,
                None => set.all_known = false,
            }
        }
        set
    }

    fn contains(&self, field: &Field<'_>) -> bool {
        match well_known(field.name) {
            Some(id) => self.known >> id & 1 == 1,
            None => !self.all_known && self.names.iter().any(|name| field.is(name)),
        }
    }
}

/// The number of a field that records hold.
pub(super) fn well_known(name: &[u8]) -> Option<u8> {
    let index = WELL_KNOWN.iter().position(|known| {
        known.len() == name.len() && known.as_bytes().eq_ignore_ascii_case(name)
    })?;
    u8::try_from(index).ok()
}

/// Appends what `BODY[HEADER.FIELDS (..)]` (or, with `except`, `BODY[HEADER.FIELDS.NOT (..)]`)
/// returns of the message whose header is `prefix ++ header`: the fields as written, in message
/// order, and an empty line (RFC 9051 §6.4.5.1).
pub fn select_fields(
    prefix: &[u8],
    header: &[u8],
    set: &FieldSet,
    except: Except,
    out: &mut Vec<u8>,
) {
    for bytes in [prefix, header] {
        for field in fields(bytes) {
            if set.contains(&field) == (except == Except::No) {
                put_field(field.span.of(bytes), out);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether the names are those wanted or those not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Except {
    No,
    Yes,
}

/// Appends a field; one that ends with the message gets the line end that it lacks.
pub(super) fn put_field(field: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(field);
    if field.last() != Some(&b'\n') {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_names_are_distinct_and_found() {
        for (id, name) in WELL_KNOWN.iter().enumerate() {
            assert_eq!(
                well_known(name.to_ascii_uppercase().as_bytes()),
                u8::try_from(id).ok(),
                "{name}"
            );
        }
        assert_eq!(well_known(b"Received"), None);
    }

    #[test]
    fn fields_are_selected_from_both_halves() {
        let prefix = b"Return-Path: <a@b>\r\nReceived: x\r\n";
        let header = b"Received: y\r\nsubject: s\r\n t\r\nX-Own: 1\r\nSUBJECT: 2";
        let select = |names: &[&str], except| {
            let mut out = Vec::new();
            select_fields(prefix, header, &FieldSet::new(names), except, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            select(&["Subject", "return-path"], Except::No),
            "Return-Path: <a@b>\r\nsubject: s\r\n t\r\nSUBJECT: 2\r\n\r\n"
        );
        assert_eq!(select(&["x-own"], Except::No), "X-Own: 1\r\n\r\n");
        assert_eq!(
            select(&["SUBJECT", "Received"], Except::Yes),
            "Return-Path: <a@b>\r\nX-Own: 1\r\n\r\n"
        );
        assert_eq!(select(&["none"], Except::No), "\r\n");
    }
}
