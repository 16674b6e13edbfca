//! Reports about deliveries. RFC 3461, RFC 3464, RFC 6533.
//!
//! Here: "delivered" reports for senders who asked for them and have their mailbox here. A
//! report has the null sender and is never answered; none goes to senders elsewhere, whose
//! address anybody could have written.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::base::secret;
use crate::delivery::{Envelope, Message, Recipient, Refusal, Trace, trace};
use crate::domain::directory;
use crate::domain::message::Prepared;
use crate::format::mime::Submission as Header;
use crate::store::{Read, Store};

/// Octets of the original's header that a report returns.
const RETURNED_MAX: usize = 32 * 1024;

/// The reports that an acceptance brings about.
pub(super) async fn delivered(
    store: &Store,
    envelope: &Envelope,
    message: &Message,
    header: &Header,
    trace: &Trace,
) -> Result<Vec<(AccountId, Prepared)>, Refusal> {
    let wanted: Vec<&Recipient> = envelope
        .recipients
        .iter()
        .filter(|r| r.notify.is_some_and(|notify| notify.success) && !r.accounts.is_empty())
        .collect();
    let Some(sender) = envelope.sender().filter(|_| !wanted.is_empty()) else {
        return Ok(Vec::new());
    };
    let Some(account) = sender_here(&store.read(), sender)? else { return Ok(Vec::new()) };
    let length = header.header_len;
    let returned = message.look(move |raw| returned_header(raw, length)).await?;
    let report = Report { sender, recipients: &wanted, envelope, trace, returned: &returned };
    let prefix = trace::return_path(None);
    Ok(vec![(account, Prepared::new(prefix.as_bytes(), Bytes::from(report.render())))])
}

/// The account that the sender's own mail goes to. Not a group: a report is for one.
fn sender_here(read: &impl Read, sender: &EmailAddress) -> Result<Option<AccountId>, Refusal> {
    match directory::resolve(read, sender)? {
        directory::Recipient::Local { accounts, elsewhere } if elsewhere.is_empty() => {
            match accounts.as_slice() {
                [only] => Ok(Some(*only)),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// The header, cut at a line's end if it is long.
fn returned_header(raw: &[u8], length: usize) -> Vec<u8> {
    let header = raw.get(..length).unwrap_or(raw);
    let Some(short) = header.get(..RETURNED_MAX) else { return header.to_vec() };
    let end = memchr::memrchr(b'\n', short).map_or(0, |at| at + 1);
    short.get(..end).unwrap_or_default().to_vec()
}

struct Report<'a> {
    sender: &'a EmailAddress,
    recipients: &'a [&'a Recipient],
    envelope: &'a Envelope,
    trace: &'a Trace,
    returned: &'a [u8],
}

impl Report<'_> {
    /// multipart/report of three parts: for people, for programs, and what it is about.
    fn render(&self) -> Vec<u8> {
        let boundary = format!("report-{:016x}", u64::from_be_bytes(secret::random()));
        let fields = self.status();
        // Where UTF-8 stands, the types of RFC 6533 say so.
        let utf8 = !self.returned.is_ascii() || !fields.is_ascii();
        let (status, headers) = match utf8 {
            true => ("message/global-delivery-status", "message/global-headers"),
            false => ("message/delivery-status", "text/rfc822-headers"),
        };
        let mut out = format!(
            "From: Mail Delivery <postmaster@{domain}>\r\n\
             To: <{to}>\r\n\
             Date: {date}\r\n\
             Message-ID: <report.{id}@{hostname}>\r\n\
             Subject: Your message was delivered\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n\
             Your message has arrived in the mailbox of:\r\n\r\n",
            domain = self.sender.domain(),
            to = self.sender,
            hostname = self.trace.via.hostname,
            date = trace::date(self.trace.at),
            id = self.trace.id,
        );
        for recipient in self.recipients {
            let _ = write!(out, "  <{}>\r\n", recipient.address);
        }
        let _ = write!(out, "\r\n--{boundary}\r\nContent-Type: {status}\r\n\r\n");
        let _ = write!(out, "{fields}\r\n--{boundary}\r\nContent-Type: {headers}\r\n");
        out.push_str(if utf8 { "Content-Transfer-Encoding: 8bit\r\n\r\n" } else { "\r\n" });
        let mut out = out.into_bytes();
        out.extend_from_slice(self.returned);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        out
    }

    /// The fields for programs (RFC 3464 §2.2, §2.3).
    fn status(&self) -> String {
        let mut out = format!("Reporting-MTA: dns; {}\r\n", self.trace.via.hostname);
        if let Some(envid) = &self.envelope.mail.envid {
            let _ = write!(out, "Original-Envelope-Id: {envid}\r\n");
        }
        let _ = write!(out, "Arrival-Date: {}\r\n", trace::date(self.trace.at));
        for recipient in self.recipients {
            out.push_str("\r\n");
            if let Some(original) = &recipient.orcpt {
                let (kind, address) = (&original.kind, &original.address);
                let _ = write!(out, "Original-Recipient: {kind}; {address}\r\n");
            }
            let kind = if recipient.address.needs_smtputf8() { "utf-8" } else { "rfc822" };
            // A group's mail is spread, which is its own word (RFC 3461 §5.2.7.3).
            let action = if recipient.is_group() { "expanded" } else { "delivered" };
            let _ = write!(
                out,
                "Final-Recipient: {kind}; {}\r\nAction: {action}\r\nStatus: 2.0.0\r\n",
                recipient.address
            );
        }
        out
    }
}
