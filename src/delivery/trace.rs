//! What delivery writes in front of a message: Return-Path and Received. RFC 5321 §4.4.

use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::base::address::EmailAddress;
use crate::base::clock::UnixTime;
use crate::base::secret;

/// How a message came.
#[derive(Clone, Debug)]
pub struct Via {
    /// What the client called itself; only characters that are harmless in a header field.
    pub helo: String,
    pub ip: IpAddr,
    /// Whether it said EHLO.
    pub extended: bool,
    /// Version and cipher suite of TLS.
    pub tls: Option<String>,
    pub authenticated: bool,
    /// This server's name.
    pub hostname: String,
}

impl Via {
    /// What this server writes itself.
    pub fn own(hostname: &str) -> Self {
        Self {
            helo: hostname.to_owned(),
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            extended: true,
            tls: None,
            authenticated: true,
            hostname: hostname.to_owned(),
        }
    }

    /// The protocol's name (RFC 3848, RFC 6531 §4.3).
    fn protocol(&self, smtputf8: bool) -> String {
        if !self.extended {
            return "SMTP".into();
        }
        let mut name = if smtputf8 { "UTF8SMTP" } else { "ESMTP" }.to_owned();
        name.push_str(if self.tls.is_some() { "S" } else { "" });
        name.push_str(if self.authenticated { "A" } else { "" });
        name
    }
}

/// A message's own way, for the prefix and the log.
#[derive(Clone, Debug)]
pub struct Trace {
    pub via: Via,
    pub at: UnixTime,
    /// Names this acceptance in Received, in the reply and in the log.
    pub id: String,
}

impl Trace {
    pub fn new(via: Via, at: UnixTime) -> Self {
        Self { via, at, id: new_id(at) }
    }

    /// The Received field. `only` is the recipient if there is one and no other: with several,
    /// each would learn of the others (RFC 5321 §7.2).
    pub fn received(&self, smtputf8: bool, only: Option<&EmailAddress>) -> String {
        let via = &self.via;
        let mut field = format!("Received: from {} ({})\r\n", via.helo, literal(via.ip));
        let _ = write!(field, "\tby {} with {}", via.hostname, via.protocol(smtputf8));
        if let Some(tls) = &via.tls {
            let _ = write!(field, "\r\n\t({tls})");
        }
        let _ = write!(field, "\r\n\tid {}", self.id);
        // An address that needs UTF-8 may stand only in a header that may hold it.
        if let Some(only) = only.filter(|only| smtputf8 || !only.needs_smtputf8()) {
            let _ = write!(field, " for <{only}>");
        }
        let _ = write!(field, ";\r\n\t{}\r\n", date(self.at));
        field
    }
}

/// The Return-Path field (RFC 5321 §4.4).
pub fn return_path(sender: Option<&EmailAddress>) -> String {
    sender.map_or_else(|| "Return-Path: <>\r\n".into(), |s| format!("Return-Path: <{s}>\r\n"))
}

/// A date as header fields have it (RFC 5322 §3.3), in UTC.
pub fn date(at: UnixTime) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// An address literal, in brackets (RFC 5321 §4.1.3).
pub fn literal(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// A new id: unique by its random part, roughly in order of time by its first one.
fn new_id(at: UnixTime) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let random = u64::from_be_bytes(secret::random());
    let bits = u128::from(at.max(0) as u64 & 0xf_ffff_ffff) << 44 | u128::from(random >> 20);
    (0..16)
        .rev()
        .filter_map(|place| LETTERS.get((bits >> (place * 5)) as usize & 31))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        let via = Via {
            helo: "mx.example.net".into(),
            ip: "192.0.2.1".parse().unwrap(),
            extended: true,
            tls: None,
            authenticated: false,
            hostname: "mail.example.org".into(),
        };
        Trace { id: "abc".into(), ..Trace::new(via, 1_700_000_000) }
    }

    #[test]
    fn fields_as_the_standard_shows_them() {
        let anna = EmailAddress::parse_mailbox("anna@example.org").unwrap();
        assert_eq!(
            trace().received(false, Some(&anna)),
            "Received: from mx.example.net ([192.0.2.1])\r\n\
             \tby mail.example.org with ESMTP\r\n\
             \tid abc for <anna@example.org>;\r\n\
             \tTue, 14 Nov 2023 22:13:20 +0000\r\n"
        );
        assert_eq!(return_path(None), "Return-Path: <>\r\n");
        assert_eq!(return_path(Some(&anna)), "Return-Path: <anna@example.org>\r\n");
    }

    #[test]
    fn the_protocol_tells_what_was_used() {
        let mut trace = trace();
        trace.via.tls = Some("TLS1.3 X".into());
        trace.via.authenticated = true;
        trace.via.ip = "2001:db8::1".parse().unwrap();
        let field = trace.received(true, None);
        assert!(field.contains("([IPv6:2001:db8::1])\r\n"), "{field}");
        assert!(field.contains("with UTF8SMTPSA\r\n\t(TLS1.3 X)\r\n"), "{field}");
        assert!(!field.contains(" for "), "{field}");
        trace.via.extended = false;
        assert!(trace.received(false, None).contains("with SMTP\r\n"));
    }

    #[test]
    fn ids_differ_and_follow_time() {
        let ids: Vec<String> = (0..50).map(|n| new_id(1_700_000_000 + n * 60)).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| id.len() == 16));
        assert_ne!(new_id(5), new_id(5));
    }
}
