//! The ENVELOPE of a message (RFC 9051 §7.5.2).

use super::address::{Address, addresses};
use super::header::fields;
use super::wire::{put_string, put_value};
use super::{MAX_ADDRESSES, MAX_FIELDS, MAX_HEADER};

/// The values of the fields that an ENVELOPE shows.
#[derive(Clone, Debug, Default)]
pub(super) struct EnvelopeFields<'a> {
    pub date: Option<&'a [u8]>,
    pub subject: Option<&'a [u8]>,
    pub from: Vec<&'a [u8]>,
    pub sender: Vec<&'a [u8]>,
    pub reply_to: Vec<&'a [u8]>,
    pub to: Vec<&'a [u8]>,
    pub cc: Vec<&'a [u8]>,
    pub bcc: Vec<&'a [u8]>,
    pub in_reply_to: Option<&'a [u8]>,
    pub message_id: Option<&'a [u8]>,
}

impl<'a> EnvelopeFields<'a> {
    /// Notes a field, if it is one of those shown. Of fields that may stand once the first
    /// counts; repeated address fields are one list.
    pub fn note(&mut self, name: &[u8], value: &'a [u8]) {
        let single = |slot: &mut Option<&'a [u8]>| {
            slot.get_or_insert(value);
        };
        let mut lowered = [0u8; 11];
        let Some(lower) = lowered.get_mut(..name.len()) else { return };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"date" => single(&mut self.date),
            b"subject" => single(&mut self.subject),
            b"from" => self.from.push(value),
            b"sender" => self.sender.push(value),
            b"reply-to" => self.reply_to.push(value),
            b"to" => self.to.push(value),
            b"cc" => self.cc.push(value),
            b"bcc" => self.bcc.push(value),
            b"in-reply-to" => single(&mut self.in_reply_to),
            b"message-id" => single(&mut self.message_id),
            _ => {}
        }
    }

    /// Appends the ENVELOPE.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        put_value(out, self.date);
        out.push(b' ');
        put_value(out, self.subject);
        out.push(b' ');
        let from = out.len();
        put_addresses(out, &self.from);
        let from = from..out.len();
        // "If the Sender or Reply-To lines are absent or empty, the server sets them to From."
        for list in [&self.sender, &self.reply_to] {
            out.push(b' ');
            if !put_addresses(out, list) {
                out.truncate(out.len() - b"NIL".len());
                out.extend_from_within(from.clone());
            }
        }
        for list in [&self.to, &self.cc, &self.bcc] {
            out.push(b' ');
            put_addresses(out, list);
        }
        out.push(b' ');
        put_value(out, self.in_reply_to);
        out.push(b' ');
        put_value(out, self.message_id);
        out.push(b')');
    }
}

/// The ENVELOPE of the message whose header is `prefix ++ header`.
///
/// Only for messages whose record does not hold it; see [`super::RecordView::envelope`].
pub fn envelope(prefix: &[u8], header: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    gather([prefix, header]).write(&mut out);
    out
}

pub(super) fn gather<'a>(headers: [&'a [u8]; 2]) -> EnvelopeFields<'a> {
    let mut found = EnvelopeFields::default();
    for header in headers {
        for field in fields(header).take(MAX_FIELDS) {
            if field.span.start > MAX_HEADER {
                break;
            }
            found.note(field.name, field.value);
        }
    }
    found
}

/// Appends an address list; false, and NIL, if there is no address.
fn put_addresses(out: &mut Vec<u8>, values: &[&[u8]]) -> bool {
    let start = out.len();
    let mut left = MAX_ADDRESSES;
    let mut in_group = false;
    out.push(b'(');
    for address in values.iter().flat_map(|value| addresses(value)) {
        // A group that was begun is closed whatever the cap says.
        let closing = in_group && address == Address::GroupEnd;
        if left == 0 && !closing {
            if in_group {
                continue;
            }
            break;
        }
        match address {
            Address::GroupStart(_) => in_group = true,
            Address::GroupEnd => in_group = false,
            Address::Mailbox { .. } => {}
        }
        left = left.saturating_sub(1);
        put_address(out, &address);
    }
    if out.len() == start + 1 {
        out.truncate(start);
        out.extend_from_slice(b"NIL");
        return false;
    }
    out.push(b')');
    true
}

/// Appends one address: name, route (never given), mailbox, host. A host of NIL marks a group,
/// so a missing domain is an empty string.
fn put_address(out: &mut Vec<u8>, address: &Address<'_>) {
    match address {
        Address::Mailbox { name, local, host } => {
            out.push(b'(');
            if name.is_empty() {
                out.extend_from_slice(b"NIL");
            } else {
                put_string(out, name);
            }
            out.extend_from_slice(b" NIL ");
            put_string(out, local);
            out.push(b' ');
            put_string(out, host);
            out.push(b')');
        }
        Address::GroupStart(name) => {
            out.extend_from_slice(b"(NIL NIL ");
            put_string(out, name);
            out.extend_from_slice(b" NIL)");
        }
        Address::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &[u8]) -> String {
        String::from_utf8_lossy(&envelope(b"", header)).into_owned()
    }

    #[test]
    fn the_example_of_rfc_9051() {
        // RFC 9051 §7.5.2 and §8.
        let header = b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n\
            From: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev2 WG mtg summary and minutes\r\n\
            To: imap@cac.washington.edu\r\n\
            cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
            Message-Id: <B27397-0100000@cac.washington.edu>\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n";
        let gray = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))";
        assert_eq!(
            of(header),
            format!(
                "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" \
                 {gray} {gray} {gray} ((NIL NIL \"imap\" \"cac.washington.edu\")) \
                 ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) \
                 NIL NIL \"<B27397-0100000@cac.washington.edu>\")"
            )
        );
    }

    #[test]
    fn odd_headers_keep_the_shape() {
        assert_eq!(of(b""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        assert_eq!(of(b"Subject:\r\n\r\n"), "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)");
        assert_eq!(
            of(b"Subject: =?utf-8?Q?=C3=A4?=\r\n \xc3\xa4\0\r\nTo: g:;\r\nTo: root\r\nSender: s@x\r\nReply-To:\r\nFrom: a@b\r\n\r\n"),
            "(NIL {21}\r\n=?utf-8?Q?=C3=A4?= \u{e4} ((NIL NIL \"a\" \"b\")) ((NIL NIL \"s\" \"x\")) \
             ((NIL NIL \"a\" \"b\")) ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)(NIL NIL \"root\" \"\")) NIL NIL NIL NIL)"
        );
    }
}
