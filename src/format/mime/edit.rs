//! What submission must know of a header, and taking fields out of it.

use super::Span;
use super::address::{Address, addresses};
use super::header::{fields, header_len};

/// The header of a message that a user submits (RFC 6409 §6, §8). All of it is read, however
/// long: a From behind the thousandth field is still a From.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    pub has_date: bool,
    pub has_message_id: bool,
    /// More than one makes the message ambiguous for whoever shows it (RFC 5322 §3.6).
    pub from_fields: usize,
    /// `local@host` of every mailbox in From, as written.
    pub from: Vec<String>,
    /// The same of Sender.
    pub sender: Vec<String>,
    /// There are more addresses in From or Sender than are listed.
    pub too_many: bool,
    /// Address and name of everybody in To, Cc and Bcc, as written.
    pub correspondents: Vec<(String, String)>,
    /// To, Cc or Bcc is there (RFC 5322 §3.6 wants none, but mail without looks like spam).
    pub has_recipients: bool,
    /// `Received` fields, to find loops by.
    pub received: usize,
    /// The values of `Delivered-To`, to find loops by.
    pub delivered_to: Vec<String>,
    /// The Bcc fields, whole, in order: to be cut from what is sent.
    pub bcc: Vec<Span>,
    /// The header holds octets above 127: it needs SMTPUTF8 (RFC 6532).
    pub eight_bit: bool,
    /// The length of the header with its empty line.
    pub header_len: usize,
}

/// Longest From or Sender list that is read; nobody writes in the name of more.
const MAX_SENDERS: usize = 100;
/// `Delivered-To` fields that are kept.
const MAX_DELIVERED_TO: usize = 100;

/// Recipients whose names are kept.
const MAX_CORRESPONDENTS: usize = 50;

impl Submission {
    fn correspond(&mut self, value: &[u8]) {
        let room = MAX_CORRESPONDENTS.saturating_sub(self.correspondents.len());
        let people = addresses(value).into_iter().filter_map(|address| match address {
            Address::Mailbox { .. } => Some((address.address(), address.display())),
            _ => None,
        });
        self.correspondents.extend(people.take(room));
    }

    /// Reads the header of `raw`.
    pub fn read(raw: &[u8]) -> Self {
        let header_len = header_len(raw);
        let header = raw.get(..header_len).unwrap_or_default();
        let mut found = Self { header_len, eight_bit: !header.is_ascii(), ..Self::default() };
        for field in fields(header) {
            match field.name.to_ascii_lowercase().as_slice() {
                b"date" => found.has_date = true,
                b"message-id" => found.has_message_id = true,
                b"from" => {
                    found.from_fields += 1;
                    collect(field.value, &mut found.from, &mut found.too_many);
                }
                b"sender" => collect(field.value, &mut found.sender, &mut found.too_many),
                b"to" | b"cc" => {
                    found.has_recipients = true;
                    found.correspond(field.value);
                }
                b"bcc" => {
                    found.has_recipients = true;
                    found.correspond(field.value);
                    found.bcc.push(field.span);
                }
                b"resent-bcc" => found.bcc.push(field.span),
                b"received" => found.received += 1,
                b"delivered-to" if found.delivered_to.len() < MAX_DELIVERED_TO => {
                    found.delivered_to.push(super::decode_header(field.value));
                }
                _ => {}
            }
        }
        found
    }
}

fn collect(value: &[u8], out: &mut Vec<String>, too_many: &mut bool) {
    if out.len() > MAX_SENDERS {
        *too_many = true;
        return;
    }
    let list = addresses(value);
    *too_many |= list.len() > MAX_SENDERS;
    let mailboxes = list.iter().filter(|a| matches!(a, Address::Mailbox { .. }));
    out.extend(mailboxes.take(MAX_SENDERS).map(|mailbox| mailbox.address()));
}

/// `raw` without these places, which are in order: e.g. what is sent, from what was written.
pub fn without_fields(raw: &[u8], cuts: &[Span]) -> Vec<u8> {
    super::structure::without(raw, cuts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_is_read_and_cut() {
        let raw =
            b"From: \"A\" <a@x.test>, g: b@y.test;\r\nBCC: c@z.test,\r\n d@z.test\r\nTo: e@z\r\n\
            Date: now\r\nSender: s@x.test\r\nFROM: f@x.test\r\nbcc : h@z\r\n\r\nBcc: body\r\n";
        let found = Submission::read(raw);
        assert_eq!(found.from, ["a@x.test", "b@y.test", "f@x.test"]);
        assert_eq!((found.from_fields, found.sender.as_slice()), (2, &["s@x.test".to_owned()][..]));
        assert!(found.has_date && !found.has_message_id && found.has_recipients && !found.too_many);
        let sent = without_fields(raw, &found.bcc);
        assert_eq!(
            sent,
            b"From: \"A\" <a@x.test>, g: b@y.test;\r\nTo: e@z\r\nDate: now\r\nSender: s@x.test\r\n\
              FROM: f@x.test\r\n\r\nBcc: body\r\n"
        );
    }

    #[test]
    fn an_encoded_address_is_not_whom_it_spells() {
        let found = Submission::read(b"From: =?utf-8?Q?boss?=@x.test\r\n\r\n");
        assert_eq!(found.from, ["=?utf-8?Q?boss?=@x.test"]);
    }

    #[test]
    fn a_flood_of_senders_is_noticed() {
        let flood = format!("From: {}\r\n\r\n", "a@x,".repeat(5000));
        assert!(Submission::read(flood.as_bytes()).too_many);
        let flood = "From: a@x\r\n".repeat(50_000);
        let found = Submission::read(flood.as_bytes());
        assert!(
            found.too_many && found.from.len() <= MAX_SENDERS * 2 && found.from_fields == 50_000
        );
    }
}
