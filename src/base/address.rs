//! E-mail addresses: one type for what came in an SMTP path and for what a person typed.
//!
//! A value is always well formed: the domain is in lower-case A-labels (or an address
//! literal in brackets), the local part is unquoted and in NFC. Display names and header
//! syntax are not known here.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Longest local part that an address of this server may have (RFC 5321 §4.5.3.1.1).
pub const LOCAL_MAX: usize = 64;
/// Longest local part accepted in a path of others. Mailing lists and bounce handlers encode
/// the recipient in the sender and pass 64 octets daily; the standard's figure is a minimum.
pub const LOCAL_MAX_FOREIGN: usize = 255;
/// Longest domain (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_MAX: usize = 255;

/// What separates a local part from the tag that its owner added (`name+tag@domain`).
const TAG_SEPARATOR: char = '+';

/// Why some text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("an address needs a name, an @ and a domain")]
    Incomplete,
    #[error("the part before the @ has a character that is not allowed there")]
    BadLocalPart,
    #[error("the part before the @ is too long")]
    LongLocalPart,
    #[error("the domain is not a valid domain name")]
    BadDomain,
}

/// A mailbox: local part and domain (RFC 5321 §4.1.2, RFC 6531 §3.3).
///
/// Equality is exact; look-ups go through [`EmailAddress::canonical`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    /// The unquoted local part, an `@` and the domain.
    text: Box<str>,
    /// Octets of the local part.
    local_len: u16,
}

impl EmailAddress {
    /// Joins an unquoted local part and a domain name or address literal.
    pub fn new(local: &str, domain: &str) -> Result<Self, AddressError> {
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Incomplete);
        }
        if local.len() > LOCAL_MAX_FOREIGN {
            return Err(AddressError::LongLocalPart);
        }
        if local.chars().any(|c| c.is_control()) {
            return Err(AddressError::BadLocalPart);
        }
        let local = nfc(local);
        // Normalisation may lengthen the text, at most threefold (UAX #15).
        let local_len = u16::try_from(local.len()).map_err(|_| AddressError::LongLocalPart)?;
        let domain = normalise_domain(domain)?;
        Ok(Self { text: format!("{local}@{domain}").into(), local_len })
    }

    /// Reads the `Mailbox` of an SMTP path, without its angle brackets (RFC 5321 §4.1.2).
    ///
    /// Dots in odd places of an unquoted local part are taken, as some providers' addresses
    /// have them (`name..@example.jp`).
    pub fn parse_mailbox(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix('"') {
            let (local, rest) = unquote(rest)?;
            let domain = rest.strip_prefix('@').ok_or(AddressError::Incomplete)?;
            return Self::new(&local, domain);
        }
        // An unquoted local part holds no @, so a second one makes the domain invalid.
        let (local, domain) = text.split_once('@').ok_or(AddressError::Incomplete)?;
        if !local.chars().all(|c| is_atext(c) || c == '.') {
            return Err(AddressError::BadLocalPart);
        }
        Self::new(local, domain)
    }

    /// Reads what a person typed: surrounding space and one pair of angle brackets are
    /// dropped, and the limits for addresses of this server apply.
    pub fn parse_human(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
        let address = Self::parse_mailbox(text.strip_suffix('.').unwrap_or(text))?;
        if address.local().len() > LOCAL_MAX {
            return Err(AddressError::LongLocalPart);
        }
        if address.is_literal() {
            return Err(AddressError::BadDomain);
        }
        Ok(address)
    }

    /// The local part, unquoted.
    pub fn local(&self) -> &str {
        self.text.split_at_checked(usize::from(self.local_len)).map_or("", |(local, _)| local)
    }

    /// The domain in lower-case A-labels, or `[…]` for an address literal.
    pub fn domain(&self) -> &str {
        self.text.get(usize::from(self.local_len) + 1..).unwrap_or("")
    }

    /// Whether the domain is an address literal (`[192.0.2.1]`), which is never local.
    pub fn is_literal(&self) -> bool {
        self.domain().starts_with('[')
    }

    /// The local part without its tag, and the tag: `name+news` is `name` and `news`.
    pub fn split_tag(&self) -> (&str, Option<&str>) {
        match self.local().split_once(TAG_SEPARATOR) {
            // "+name" is a name of its own, not a tag of nobody.
            Some((name, tag)) if !name.is_empty() => (name, Some(tag)),
            _ => (self.local(), None),
        }
    }

    /// The form under which addresses are stored and looked up: lower case, tag kept.
    pub fn canonical(&self) -> String {
        format!("{}@{}", lower(self.local()), self.domain())
    }

    /// The canonical form without the tag; `None` if there is none.
    pub fn canonical_untagged(&self) -> Option<String> {
        match self.split_tag() {
            (name, Some(_)) => Some(format!("{}@{}", lower(name), self.domain())),
            _ => None,
        }
    }

    /// Whether sending to it needs SMTPUTF8 (RFC 6531): the local part is not ASCII.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }

    /// Whether the local part asks this server to route on (`user%host`, `host!user`,
    /// `"user@host"`), as mail systems of the 1980s did.
    pub fn is_routed(&self) -> bool {
        self.local().contains(['%', '!', '@', ':'])
    }
}

/// The wire form: the local part quoted where it has to be (RFC 5321 §4.1.2).
impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(self.local()) {
            return f.write_str(&self.text);
        }
        f.write_str("\"")?;
        for c in self.local().chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain())
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl std::str::FromStr for EmailAddress {
    type Err = AddressError;

    /// Reads what a person typed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_human(text)
    }
}

/// Brings a domain name into lower-case A-labels (RFC 5890 §2.3.2.1), or checks an address
/// literal (RFC 5321 §4.1.3). Underscores are taken, as names with them send mail.
pub fn normalise_domain(domain: &str) -> Result<String, AddressError> {
    if let Some(literal) = domain.strip_prefix('[') {
        let inside = literal.strip_suffix(']').ok_or(AddressError::BadDomain)?;
        return normalise_literal(inside);
    }
    let ascii: Cow<'_, str> = if domain.is_ascii() && !has_a_label(domain) {
        Cow::Owned(domain.to_ascii_lowercase())
    } else {
        idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::URL)
            .map_err(|_| AddressError::BadDomain)?
    };
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if ascii.len() > DOMAIN_MAX || !ascii.split('.').all(label_ok) {
        return Err(AddressError::BadDomain);
    }
    Ok(ascii.into_owned())
}

/// `192.0.2.1` or `IPv6:2001:db8::1`, in brackets and in one spelling.
fn normalise_literal(inside: &str) -> Result<String, AddressError> {
    let tagged = inside.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let literal = match inside.get(5..).filter(|_| tagged) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().map(|a| format!("[IPv6:{a}]")),
        None => inside.parse::<std::net::Ipv4Addr>().map(|a| format!("[{a}]")),
    };
    literal.map_err(|_| AddressError::BadDomain)
}

/// Whether a label claims to be punycode, which then has to be valid.
fn has_a_label(domain: &str) -> bool {
    domain.split('.').any(|l| l.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("xn--")))
}

/// The text after an opening quote: the quoted string's content and what follows its end.
fn unquote(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((local, text.get(at + 1..).unwrap_or(""))),
            '\\' => match chars.next() {
                Some((_, c)) if c == ' ' || c.is_ascii_graphic() => local.push(c),
                _ => return Err(AddressError::BadLocalPart),
            },
            c => local.push(c),
        }
    }
    Err(AddressError::BadLocalPart)
}

/// `atext` with its extension to UTF-8 (RFC 5322 §3.2.3, RFC 6531 §3.3).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// Lower case that stays in NFC; case folding may undo composition.
fn lower(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase().nfc().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> EmailAddress {
        EmailAddress::parse_mailbox(text).unwrap()
    }

    #[test]
    fn wire_forms_come_back_as_they_were() {
        for text in [
            "anna@example.org",
            "a.b+c@sub.example.org",
            "\"a b\"@example.org",
            "\"a\\\"b\\\\\"@example.org",
            "anna@[192.0.2.1]",
            "anna@[IPv6:2001:db8::1]",
            "señor@example.org",
            "owner-list=anna=example.com@_out.example.org",
        ] {
            assert_eq!(mailbox(text).to_string(), text);
        }
    }

    #[test]
    fn quoting_says_nothing_about_the_mailbox() {
        assert_eq!(mailbox("\"anna\"@example.org"), mailbox("anna@example.org"));
        assert_eq!(mailbox("a..b@docomo.example").to_string(), "\"a..b\"@docomo.example");
    }

    #[test]
    fn domains_become_lower_case_a_labels() {
        assert_eq!(mailbox("x@BÜCHER.example").domain(), "xn--bcher-kva.example");
        assert_eq!(mailbox("x@XN--BCHER-KVA.Example").domain(), "xn--bcher-kva.example");
        assert_eq!(mailbox("x@[ipv6:2001:DB8:0::1]").domain(), "[IPv6:2001:db8::1]");
    }

    #[test]
    fn local_parts_are_composed_and_looked_up_in_lower_case() {
        let decomposed = mailbox("Jose\u{301}+News@Example.ORG");
        assert_eq!(decomposed.local(), "José+News");
        assert_eq!(decomposed.canonical(), "josé+news@example.org");
        assert_eq!(decomposed.canonical_untagged().as_deref(), Some("josé@example.org"));
        assert_eq!(decomposed.split_tag(), ("José", Some("News")));
        assert!(decomposed.needs_smtputf8());
        assert_eq!(mailbox("+x@example.org").split_tag(), ("+x", None));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "@",
            "anna",
            "anna@",
            "@example.org",
            "a b@example.org",
            "a@b@example.org",
            "\"a@example.org",
            "\"a\"b@example.org",
            "\"a\\\u{e9}\"@example.org",
            "\"a\tb\"@example.org",
            "a\r@example.org",
            "anna@-example.org",
            "anna@example..org",
            "anna@example.org.",
            "anna@exa mple.org",
            "anna@[192.0.2.256]",
            "anna@[192.0.2.1",
            "anna@[IPv6:zz]",
            "anna@xn--\u{301}.example",
            "anna@xn--zzzzzzzzz99999.example",
            "a<b@example.org",
        ] {
            assert!(EmailAddress::parse_mailbox(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn length_limits() {
        let long = |n: usize| format!("{}@example.org", "a".repeat(n));
        assert!(EmailAddress::parse_human(&long(64)).is_ok());
        assert_eq!(EmailAddress::parse_human(&long(65)), Err(AddressError::LongLocalPart));
        assert!(EmailAddress::parse_mailbox(&long(255)).is_ok());
        assert_eq!(EmailAddress::parse_mailbox(&long(256)), Err(AddressError::LongLocalPart));
        let domain = ["a".repeat(63).as_str(); 4].join(".");
        assert!(EmailAddress::new("a", &domain).is_ok());
        assert!(EmailAddress::new("a", &format!("{domain}.a")).is_err());
    }

    #[test]
    fn what_people_type_is_taken() {
        let address = EmailAddress::parse_human("  <Anna@Example.org> ").unwrap();
        assert_eq!(address.to_string(), "Anna@example.org");
        assert!(EmailAddress::parse_human("anna@[127.0.0.1]").is_err());
    }

    #[test]
    fn source_routing_of_old_is_seen() {
        for text in ["user%host@d.org", "host!user@d.org", "\"user@host\"@d.org"] {
            assert!(mailbox(text).is_routed(), "{text}");
        }
        assert!(!mailbox("user+tag@d.org").is_routed());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived_and_the_wire_form_is_stable(text in "\\PC{0,12}@?[a-zß.\"\\\\]{0,9}") {
            if let Ok(address) = EmailAddress::parse_mailbox(&text) {
                let again = EmailAddress::parse_mailbox(&address.to_string()).unwrap();
                assert_eq!(address, again);
                let _ = (address.canonical(), address.canonical_untagged());
            }
        }
    }
}
