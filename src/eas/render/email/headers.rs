//! The header fields that phones are shown.

use std::sync::LazyLock;

use crate::eas::render::Unrenderable;
use crate::eas::render::email::source::Opened;
use crate::format::mime::{
    Address, Except, FieldSet, Span, addresses, decode_header, header_fields, select_fields,
};

static SHOWN: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::new([
        "From",
        "Sender",
        "Reply-To",
        "To",
        "Cc",
        "Bcc",
        "Importance",
        "Priority",
        "X-Priority",
        "X-MSMail-Priority",
    ])
});

/// The fields as they stand in the message.
pub struct Headers(Vec<u8>);

impl Headers {
    pub fn read(opened: &Opened<'_>) -> Result<Headers, Unrenderable> {
        let mut fields = Vec::with_capacity(512);
        if !opened.record.header_fields(&SHOWN, &mut fields) {
            let end = opened.record.header_len() as usize;
            let header = opened.octets(Span { start: 0, end })?;
            select_fields(opened.record.prefix(), &header, &SHOWN, Except::No, &mut fields);
        }
        Ok(Headers(fields))
    }

    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        header_fields(&self.0).filter(move |field| field.is(name)).map(|field| field.value)
    }

    fn mailboxes(&self, name: &'static str) -> impl Iterator<Item = (String, String)> {
        self.values(name).flat_map(mailboxes)
    }

    /// An address list as phones read it: `"Name" <address>`, separated by commas. Cut behind
    /// the last address that fits into `limit` bytes.
    pub fn list(&self, name: &'static str, limit: usize) -> String {
        shown(self.mailboxes(name), limit).0
    }

    /// The names of an address list, else the addresses, separated by semicolons.
    pub fn names(&self, name: &'static str, limit: usize) -> String {
        let mut out = String::new();
        for (name, address) in self.mailboxes(name) {
            let shown = if name.trim().is_empty() { address } else { name };
            if out.len() + 2 + shown.len() > limit {
                break;
            }
            if !out.is_empty() {
                out.push_str("; ");
            }
            out.push_str(shown.trim());
        }
        out
    }

    /// Who sent the message for its author (MS-ASEMAIL 2.2.2.72); `None` if nobody else did.
    pub fn sender(&self) -> Option<String> {
        let (name, address) = self.mailboxes("Sender").next()?;
        let own = self.mailboxes("From").any(|(_, from)| from.eq_ignore_ascii_case(&address));
        let mut out = String::new();
        put_mailbox(&mut out, &name, &address);
        (!own && !address.is_empty() && out.len() <= super::HEADER_MAX).then_some(out)
    }

    /// 0 low, 1 normal, 2 high (MS-ASEMAIL 2.2.2.38).
    pub fn importance(&self) -> u8 {
        for name in ["Importance", "X-Priority", "X-MSMail-Priority", "Priority"] {
            let Some(value) = self.values(name).next() else { continue };
            let value = String::from_utf8_lossy(value).trim().to_ascii_lowercase();
            // `X-Priority: 1 (Highest)`.
            match value.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next() {
                Some("high" | "1" | "2" | "urgent") => return 2,
                Some("low" | "4" | "5" | "non-urgent") => return 0,
                _ => {}
            }
        }
        1
    }
}

/// Name and address of everybody in a header's value.
pub fn mailboxes(value: &[u8]) -> impl Iterator<Item = (String, String)> {
    addresses(value).into_iter().filter_map(|address| match &address {
        Address::Mailbox { name, .. } => Some((decode_header(name), address.address())),
        Address::GroupStart(_) | Address::GroupEnd => None,
    })
}

/// A list as phones read it, and how many of them it holds: those who fit into `limit` bytes.
pub fn shown(all: impl IntoIterator<Item = (String, String)>, limit: usize) -> (String, usize) {
    let (mut out, mut count) = (String::new(), 0);
    for (name, address) in all {
        let start = out.len();
        if start > 0 {
            out.push_str(", ");
        }
        put_mailbox(&mut out, &name, &address);
        if out.len() > limit {
            out.truncate(start);
            break;
        }
        count += 1;
    }
    (out, count)
}

fn put_mailbox(out: &mut String, name: &str, address: &str) {
    let name = name.trim();
    if name.is_empty() {
        out.push_str(address);
        return;
    }
    out.push('"');
    // Phones do not undo backslashes.
    out.extend(name.chars().map(|c| if matches!(c, '"' | '\\') { '\'' } else { c }));
    out.push('"');
    if !address.is_empty() {
        out.push_str(" <");
        out.push_str(address);
        out.push('>');
    }
}
