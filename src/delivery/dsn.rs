//! Reports about deliveries. RFC 3461, RFC 3464, RFC 6533.
//!
//! Here: "delivered" reports for senders who asked for them and have their mailbox here, and
//! "failed" ones for members whose phone named somebody that there is not. A report has the null
//! sender and is never answered; none goes to senders elsewhere, whose address anybody could
//! have written.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::base::secret;
use crate::delivery::addressees::Unreachable;
use crate::delivery::{Envelope, Message, Recipient, Refusal, Trace, trace};
use crate::domain::directory;
use crate::domain::message::Prepared;
use crate::format::mime::Submission as Header;
use crate::format::smtp::OriginalRecipient;
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
    let returned = returned(message, header).await?;
    let fates = wanted.iter().map(|recipient| Fate::delivered(recipient)).collect();
    let report = Report {
        to: sender.to_string(),
        domain: sender.domain(),
        subject: "Your message was delivered",
        intro: "Your message has arrived in the mailbox of:",
        fates,
        envelope,
        trace,
        returned: &returned,
    };
    Ok(vec![(account, report.prepared())])
}

/// The report on recipients that cannot be reached, for the member who named them.
pub(super) async fn undelivered(
    envelope: &Envelope,
    author: &str,
    unreachable: &[Unreachable],
    message: &Message,
    header: &Header,
    trace: &Trace,
) -> Result<Prepared, Refusal> {
    let returned = returned(message, header).await?;
    let report = Report {
        to: author.to_owned(),
        domain: author.rsplit('@').next().unwrap_or_default(),
        subject: "Your message was not delivered to everybody",
        intro: "Your message could not be delivered to:",
        fates: unreachable.iter().map(Fate::failed).collect(),
        envelope,
        trace,
        returned: &returned,
    };
    Ok(report.prepared())
}

async fn returned(message: &Message, header: &Header) -> Result<Vec<u8>, Refusal> {
    let length = header.header_len;
    message.look(move |raw| returned_header(raw, length)).await
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

/// What became of one recipient.
struct Fate<'a> {
    address: String,
    original: Option<&'a OriginalRecipient>,
    action: &'static str,
    status: &'static str,
    /// For the person who reads it; empty if there is nothing to say.
    why: &'static str,
}

impl<'a> Fate<'a> {
    fn delivered(recipient: &'a Recipient) -> Self {
        Self {
            address: recipient.address.to_string(),
            original: recipient.orcpt.as_ref(),
            // A group's mail is spread, which is its own word (RFC 3461 §5.2.7.3).
            action: if recipient.is_group() { "expanded" } else { "delivered" },
            status: "2.0.0",
            why: "",
        }
    }

    fn failed(lost: &Unreachable) -> Self {
        let (status, why) = lost.reason.words();
        Self { address: lost.address.clone(), original: None, action: "failed", status, why }
    }
}

struct Report<'a> {
    to: String,
    domain: &'a str,
    subject: &'a str,
    intro: &'a str,
    fates: Vec<Fate<'a>>,
    envelope: &'a Envelope,
    trace: &'a Trace,
    returned: &'a [u8],
}

impl Report<'_> {
    fn prepared(&self) -> Prepared {
        let prefix = trace::return_path(None);
        Prepared::new(prefix.as_bytes(), Bytes::from(self.render()))
    }

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
             Subject: {subject}\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n\
             {intro}\r\n\r\n",
            domain = self.domain,
            to = self.to,
            subject = self.subject,
            intro = self.intro,
            hostname = self.trace.via.hostname,
            date = trace::date(self.trace.at),
            id = self.trace.id,
        );
        for fate in &self.fates {
            let gap = if fate.why.is_empty() { "" } else { ": " };
            let _ = write!(out, "  <{}>{gap}{}\r\n", fate.address, fate.why);
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
        for fate in &self.fates {
            out.push_str("\r\n");
            if let Some(original) = fate.original {
                let (kind, address) = (&original.kind, &original.address);
                let _ = write!(out, "Original-Recipient: {kind}; {address}\r\n");
            }
            let kind = if fate.address.is_ascii() { "rfc822" } else { "utf-8" };
            let _ = write!(
                out,
                "Final-Recipient: {kind}; {}\r\nAction: {}\r\nStatus: {}\r\n",
                fate.address, fate.action, fate.status
            );
        }
        out
    }
}
