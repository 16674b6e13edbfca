//! Recipients of a message that came without an envelope: those that its header names.

use std::collections::BTreeSet;

use crate::base::address::EmailAddress;
use crate::delivery::recipient::{self, Asker};
use crate::delivery::{Recipient, Refusal};
use crate::format::mime::{self, Address};
use crate::format::smtp::{Rcpt, RcptPath};
use crate::store::Read;

/// Longest address that a report repeats.
const SHOWN: usize = 320;
/// Addresses that a report lists; the header it returns has them all.
const LISTED: usize = 100;

/// Who gets a message, and who cannot.
#[derive(Clone, Debug, Default)]
pub struct Addressees {
    pub recipients: Vec<Recipient>,
    pub unreachable: Vec<Unreachable>,
}

/// Somebody a message was meant for, and why it does not get there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreachable {
    /// As a person would read it; no control characters.
    pub address: String,
    pub reason: Reason,
}

/// Why somebody cannot be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It is no address at all.
    NoAddress,
    /// The domain is ours, the address is nobody's.
    Unknown,
    /// An address that mail is not sent to from here.
    NotFromHere,
    Full,
    /// The message has more recipients than are allowed.
    TooMany,
}

impl Reason {
    /// The status (RFC 3463), and words for the sender.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoAddress => ("5.1.3", "this is not an e-mail address"),
            Self::Unknown => ("5.1.1", "there is nobody with this address"),
            Self::NotFromHere => ("5.7.1", "mail is not sent to such addresses"),
            Self::Full => ("5.2.2", "the mailbox is full"),
            Self::TooMany => ("5.5.3", "the message has too many recipients, so nobody got it"),
        }
    }
}

impl Addressees {
    /// Looks up everybody in To, Cc and Bcc, each once. `limit` is how many may be named.
    pub fn of(
        read: &impl Read,
        header: &[u8],
        size: u64,
        limit: usize,
        hostname: &str,
    ) -> Result<Addressees, Refusal> {
        let named = named(header, limit.saturating_mul(2));
        if named.len() > limit {
            let lost = named.into_iter().take(LISTED);
            let unreachable = lost.map(|named| lost_one(&named.shown, Reason::TooMany)).collect();
            return Ok(Self { recipients: Vec::new(), unreachable });
        }
        let mut found = Self::default();
        for named in named {
            let Some(address) = named.address else {
                found.lose(&named.shown, Reason::NoAddress);
                continue;
            };
            let utf8 = address.needs_smtputf8();
            let path = RcptPath::Mailbox(address);
            let rcpt = Rcpt { path, notify: None, orcpt: None, utf8 };
            match recipient::resolve(read, rcpt, Asker::Member, size, hostname) {
                Ok(recipient) => found.recipients.push(recipient),
                Err(Refusal::UnknownRecipient) => found.lose(&named.shown, Reason::Unknown),
                Err(Refusal::RelayDenied) => found.lose(&named.shown, Reason::NotFromHere),
                Err(Refusal::OverQuota) => found.lose(&named.shown, Reason::Full),
                Err(other) => return Err(other),
            }
        }
        Ok(found)
    }

    /// The message names nobody.
    pub fn is_empty(&self) -> bool {
        self.recipients.is_empty() && self.unreachable.is_empty()
    }

    fn lose(&mut self, shown: &str, reason: Reason) {
        self.unreachable.push(lost_one(shown, reason));
    }
}

fn lost_one(shown: &str, reason: Reason) -> Unreachable {
    let clean = shown.chars().map(|c| if c.is_control() { ' ' } else { c });
    Unreachable { address: clean.take(SHOWN).collect(), reason }
}

/// Somebody the header names.
struct Named {
    shown: String,
    /// `None` if it is none.
    address: Option<EmailAddress>,
}

/// All mailboxes of the recipient fields, groups taken apart; at most `most`.
fn named(header: &[u8], most: usize) -> Vec<Named> {
    let mut list = List { named: Vec::new(), seen: BTreeSet::new(), most };
    let is_recipient =
        |field: &mime::Field<'_>| ["to", "cc", "bcc"].iter().any(|name| field.is(name));
    for field in mime::header_fields(header).filter(is_recipient) {
        for entry in mime::addresses(field.value) {
            list.add(&entry, true);
        }
    }
    list.named
}

struct List {
    named: Vec<Named>,
    seen: BTreeSet<String>,
    most: usize,
}

impl List {
    fn add(&mut self, entry: &Address<'_>, may_decode: bool) {
        let Address::Mailbox { local, host, .. } = entry else { return };
        if self.named.len() >= self.most {
            return;
        }
        if host.is_empty() && may_decode {
            // Some phones put name and address together into one encoded word.
            let decoded = mime::decode_header(local);
            if decoded.contains('@') {
                let inner = mime::addresses(decoded.as_bytes());
                return inner.iter().for_each(|entry| self.add(entry, false));
            }
        }
        let text = |bytes: &[u8]| mime::decode_charset(None, bytes);
        let address = EmailAddress::new(&text(local), &text(host)).ok();
        let shown = match &address {
            Some(address) => address.to_string(),
            None if local.is_empty() => entry.display(),
            None => entry.address(),
        };
        let key = address.as_ref().map_or_else(|| shown.clone(), EmailAddress::canonical);
        if self.seen.insert(key) {
            self.named.push(Named { shown, address });
        }
    }
}

#[cfg(test)]
mod tests;
