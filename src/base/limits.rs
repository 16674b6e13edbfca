//! Every limit in one place, each with its reason.
//!
//! The ones that an office may want to change stand in [`Limits`] and are settings
//! (`[limits] name`, `KONTOR_LIMITS_NAME`); the others are constants, because another value
//! would only ever be a mistake.

use std::time::Duration;

/// How long a client may take for the TLS handshake. A phone on a bad line needs two or
/// three seconds; a silent one is let go after ten.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// How long sessions get to say goodbye after SIGTERM before they are cut.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(4);

/// Descriptors that connections leave to the store, the listeners and the log.
pub const DESCRIPTORS_RESERVED: u64 = 200;

/// Addresses (or accounts) that a rate table remembers. Some 100 bytes each, so a flood from
/// many addresses costs at most a few MB; beyond it the longest unseen are forgotten.
pub const RATE_ENTRIES: usize = 50_000;

/// A log-in waits at most this long for its turn; beyond, it is answered "try later". An
/// office of some hundred programs that all come back after a restart is through by then, and
/// mail programs give up after about a minute.
pub const LOGIN_WAIT: Duration = Duration::from_secs(20);

/// How long an address counts as one that its account's owner uses, after a successful log-in.
pub const KNOWN_ADDRESS: Duration = Duration::from_secs(14 * 24 * 3600);

/// A command line of SMTP with its CRLF. RFC 5321 §4.5.3.1.4 asks for 512, RFC 1870, 3461 and
/// 6152 add to it; AUTH with an initial response needs up to 12288 (RFC 4954 §4) and has its
/// own figure.
pub const SMTP_COMMAND_LINE: usize = 4 * 1024;

/// A base64 line within AUTH (RFC 4954 §4).
pub const SMTP_AUTH_LINE: usize = 12_288;

/// A line of message text. RFC 5322 §2.1.1 says 998, but scripts send whole documents as one
/// line; beyond 1 MiB nobody means well.
pub const SMTP_DATA_LINE: usize = 1024 * 1024;

/// Errors after which an SMTP client is sent away, as Postfix does.
pub const SMTP_ERRORS: u32 = 20;

/// `Received` fields that mean a loop (RFC 5321 §6.3; Postfix' `hopcount_limit`).
pub const RECEIVED_HOPS: usize = 50;

/// A command line of IMAP without its literals; RFC 7162 §4 recommends 8192, and clients send
/// sets of UIDs that are longer.
pub const IMAP_LINE: usize = 64 * 1024;

/// The sum of literals of one command before log-in: enough for a LOGIN in any form.
pub const IMAP_LITERALS_BEFORE_LOGIN: usize = 8 * 1024;

/// The sum of literals of one command after log-in, message bodies apart.
pub const IMAP_LITERALS: usize = 1024 * 1024;

/// Lines of one calendar text, unfolded. The longest of real exports (ten years of one person)
/// have some 80,000.
pub const ICAL_LINES: usize = 200_000;

/// Components within components of a calendar text; RFC 5545 and 9073 need four.
pub const ICAL_DEPTH: usize = 8;

/// A body of an ActiveSync request that is taken without asking: commands are far smaller, only
/// mail and attachments are larger.
pub const EAS_SMALL_BODY: usize = 1024 * 1024;

/// Larger bodies of ActiveSync requests that are held at once.
pub const EAS_LARGE_BODIES: usize = 8;

/// Parentheses within each other in an IMAP command (SEARCH, LIST, FETCH).
pub const IMAP_DEPTH: usize = 50;

/// Bad commands after which an IMAP client is sent away.
pub const IMAP_ERRORS: u32 = 20;

/// Header fields of one part that are read; the rest is kept as bytes only.
pub const HEADER_FIELDS: usize = 1_000;

/// Header octets of one part that are read; the rest is kept as bytes only.
pub const HEADER_BYTES: usize = 256 * 1024;

/// Parts within each other that are told apart; a deeper one is opaque.
pub const MIME_DEPTH: usize = 100;

/// Parts of one message that are told apart; the rest belongs to the last.
pub const MIME_PARTS: usize = 10_000;

/// Parameters of one header field that are read (RFC 2231 continuations included).
pub const MIME_PARAMETERS: usize = 100;

/// Elements within each other in WBXML; ActiveSync's own documents have ten.
pub const WBXML_DEPTH: usize = 64;

/// Elements of one WBXML document: a Sync with 200 contacts, all their fields used, has some
/// 12,000. They take 10 to 20 MB at most.
pub const WBXML_ELEMENTS: usize = 100_000;

/// Time for the header of an HTTP request, the first byte included.
pub const HTTP_HEADER: Duration = Duration::from_secs(10);

/// Octets of header of an HTTP request; browsers and phones stay below 8 KiB.
pub const HTTP_HEADER_BYTES: usize = 32 * 1024;

/// Time for the body of a small HTTP request (a question, not a message).
pub const HTTP_SMALL_BODY: Duration = Duration::from_secs(30);

/// The body of an Autodiscover request; real ones have some 500 octets.
pub const AUTODISCOVER_BODY: usize = 64 * 1024;

/// The body of a form of the web pages: a token and little else.
pub const FORM_BODY: usize = 4 * 1024;

/// Elements within each other in XML; what clients send here has three to ten.
pub const XML_DEPTH: usize = 64;

/// Streams of one HTTP/2 connection at a time. Together with the accounting of resets in the
/// HTTP library this bounds "rapid reset" (CVE-2023-44487).
pub const HTTP2_STREAMS: u32 = 64;

/// A line on the control socket, its payload apart: a listing of a large office fits.
pub const CONTROL_LINE: usize = 64 * 1024 * 1024;

/// Messages in one transaction of an import, and their octets: everybody else waits for a
/// transaction, so it stays below some tens of milliseconds.
pub const IMPORT_MESSAGES: usize = 200;
pub const IMPORT_BYTES: usize = 8 * 1024 * 1024;

/// A limit's value cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a number (nor a size such as 50M or 2G)")]
pub struct NotANumber(String);

/// Reads a count or a size: digits, with K, M or G (also KiB, MB and the like) for 1024 and
/// its powers.
pub fn parse_size(text: &str) -> Result<u64, NotANumber> {
    let bad = || NotANumber(text.to_owned());
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (digits, unit) = trimmed.split_at(split);
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let unit = unit.trim().to_ascii_lowercase();
    let factor = match unit.strip_suffix('b').unwrap_or(&unit).trim_end_matches('i') {
        "" if unit.is_empty() || unit == "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return Err(bad()),
    };
    number.checked_mul(factor).ok_or_else(bad)
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr, $shown:literal;)*) => {
        /// The limits that are settings.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Name, default as a person writes it, and explanation of each.
            pub const ALL: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($name), $shown, concat!($($doc, "\n"),*)),)*];

            /// Sets one by name; `None` if there is no such limit.
            pub fn set(&mut self, name: &str, value: &str) -> Option<Result<(), NotANumber>> {
                match name {
                    $(stringify!($name) => Some(parse_size(value).and_then(|number| {
                        self.$name = number.try_into().map_err(|_| NotANumber(value.to_owned()))?;
                        Ok(())
                    })),)*
                    _ => None,
                }
            }
        }
    };
}

limits! {
    /// The largest message, in octets; announced as SMTP SIZE and IMAP APPENDLIMIT.
    message_size: u64 = 50 * 1024 * 1024, "50M";
    /// Connections at a time, over all listeners. Some 20 KiB each while idle.
    connections: usize = 16_384, "16384";
    /// Connections at a time from one address (of IPv6, one /64), over all listeners. A mail
    /// program keeps about five, and an office often shares one address.
    connections_per_address: usize = 512, "512";
    /// New connections a second from one address that come to nothing (no log-in, no message),
    /// with ten seconds' worth saved up.
    connects_per_second: u32 = 500, "500";
    /// Failed log-ins in ten seconds from one address; further ones wait, then are refused.
    login_attempts: u32 = 60, "60";
    /// Recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100.
    recipients: usize = 100, "100";
    /// Seconds after which a silent SMTP client is let go (RFC 5321 §4.5.3.2.7: five minutes).
    smtp_idle_secs: u64 = 300, "300";
    /// Seconds after which a silent IMAP client is let go. RFC 9051 §5.4 asks for at least
    /// 30 minutes, and clients renew IDLE after 29.
    imap_idle_secs: u64 = 1_860, "1860";
    /// Seconds an IMAP client has for its log-in.
    imap_login_secs: u64 = 60, "60";
    /// Octets that a new account may keep; 0 is without limit.
    quota: u64 = 0, "0";
    /// Days that mail for elsewhere is tried before it is given up (RFC 5321 §4.5.4.1: 4-5).
    queue_days: u32 = 5, "5";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("0", 0),
            ("52428800", 52_428_800),
            ("50M", 50 << 20),
            ("50 MiB", 50 << 20),
            ("50MB", 50 << 20),
            ("1k", 1 << 10),
            ("2G", 2 << 30),
            ("7b", 7),
        ] {
            assert_eq!(parse_size(text), Ok(wanted), "{text}");
        }
        for text in ["", "M", "-1", "1.5G", "50X", "1 i", "99999999999999999999", "17179869184T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_shown_defaults_are_the_defaults() {
        let mut limits = Limits::default();
        for (name, shown, _) in Limits::ALL {
            limits.set(name, shown).unwrap().unwrap();
        }
        assert_eq!(limits, Limits::default());
        assert_eq!(limits.set("nonsense", "1"), None);
        assert!(limits.set("recipients", "many").unwrap().is_err());
    }
}
