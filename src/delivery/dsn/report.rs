//! The form of a report: a text for people, fields for programs, and what it is about.
//! RFC 3464, RFC 6522, RFC 6533.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::secret;
use crate::delivery::addressees::Unreachable;
use crate::delivery::{Recipient, Trace, trace};
use crate::domain::message::Prepared;
use crate::format::mime;
use crate::format::smtp::OriginalRecipient;

/// What became of one recipient.
pub(super) struct Fate<'a> {
    pub address: String,
    pub original: Option<&'a OriginalRecipient>,
    pub action: &'static str,
    pub status: &'static str,
    /// For the person who reads it; empty if there is nothing to say.
    pub why: &'static str,
    /// When it was last tried, if that was another time than its arrival.
    pub tried: Option<UnixTime>,
    /// Until when it will be tried again.
    pub until: Option<UnixTime>,
}

impl<'a> Fate<'a> {
    pub fn delivered(recipient: &'a Recipient) -> Self {
        Self {
            address: recipient.address.to_string(),
            original: recipient.orcpt.as_ref(),
            // A group's mail is spread, which is its own word (RFC 3461 §5.2.7.3).
            action: if recipient.is_group() { "expanded" } else { "delivered" },
            status: "2.0.0",
            why: "",
            tried: None,
            until: None,
        }
    }

    pub fn failed(lost: &Unreachable) -> Self {
        let (status, why) = lost.reason.words();
        Self {
            address: lost.address.clone(),
            original: None,
            action: "failed",
            status,
            why,
            tried: None,
            until: None,
        }
    }
}

/// What a report gives back of the message.
pub(in crate::delivery) enum Returned {
    Header(Vec<u8>),
    Whole(Vec<u8>),
}

impl Returned {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Header(octets) | Self::Whole(octets) => octets,
        }
    }

    fn header(&self) -> &[u8] {
        let octets = self.octets();
        octets.get(..mime::header_len(octets)).unwrap_or(octets)
    }
}

pub(super) struct Report<'a> {
    pub to: String,
    pub domain: &'a str,
    pub subject: &'a str,
    pub intro: &'a str,
    pub fates: Vec<Fate<'a>>,
    /// What a person can do, below the addresses; may be empty.
    pub outro: &'a str,
    pub envid: Option<&'a str>,
    /// When the message was accepted.
    pub arrived: UnixTime,
    /// The report's own.
    pub trace: &'a Trace,
    pub returned: &'a Returned,
}

impl Report<'_> {
    pub fn prepared(&self) -> Prepared {
        let prefix = trace::return_path(None);
        Prepared::new(prefix.as_bytes(), Bytes::from(self.render()))
    }

    /// multipart/report of three parts: for people, for programs, and what it is about.
    fn render(&self) -> Vec<u8> {
        let boundary = format!("report-{:016x}", u64::from_be_bytes(secret::random()));
        let fields = self.status();
        // Where UTF-8 stands, the types of RFC 6533 say so.
        let (returned, utf8) = (self.returned.octets(), !fields.is_ascii());
        let utf8 = utf8 || !self.returned.header().is_ascii();
        let (status, original) = match (utf8, self.returned) {
            (true, Returned::Header(_)) => {
                ("message/global-delivery-status", "message/global-headers")
            }
            (false, Returned::Header(_)) => ("message/delivery-status", "text/rfc822-headers"),
            (true, Returned::Whole(_)) => ("message/global-delivery-status", "message/global"),
            (false, Returned::Whole(_)) => ("message/delivery-status", "message/rfc822"),
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
        if !self.outro.is_empty() {
            let _ = write!(out, "\r\n{}\r\n", self.outro);
        }
        let _ = write!(out, "\r\n--{boundary}\r\nContent-Type: {status}\r\n\r\n");
        let _ = write!(out, "{fields}\r\n--{boundary}\r\nContent-Type: {original}\r\n");
        let plain = returned.is_ascii() && !utf8;
        out.push_str(if !plain { "Content-Transfer-Encoding: 8bit\r\n\r\n" } else { "\r\n" });
        let mut out = out.into_bytes();
        out.extend_from_slice(returned);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        out
    }

    /// The fields for programs (RFC 3464 §2.2, §2.3).
    fn status(&self) -> String {
        let mut out = format!("Reporting-MTA: dns; {}\r\n", self.trace.via.hostname);
        if let Some(envid) = self.envid {
            let _ = write!(out, "Original-Envelope-Id: {envid}\r\n");
        }
        let _ = write!(out, "Arrival-Date: {}\r\n", trace::date(self.arrived));
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
            if let Some(at) = fate.tried {
                let _ = write!(out, "Last-Attempt-Date: {}\r\n", trace::date(at));
            }
            if let Some(until) = fate.until {
                let _ = write!(out, "Will-Retry-Until: {}\r\n", trace::date(until));
            }
        }
        out
    }
}
