//! Address lists of header fields (RFC 5322 §3.4) with the obsolete and the plainly wrong forms
//! that arrive in practice: comments as names, routes, unquoted names, missing domains.

use std::borrow::Cow;

use super::charset;
use super::encoded_word;
use super::param::is_space;
use super::{MAX_ADDRESSES, MAX_HEADER};

/// One entry of an address list. Quoting is undone, encoded-words are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    Mailbox {
        /// The display name, else the comment; empty if there is neither.
        name: Cow<'a, [u8]>,
        local: Cow<'a, [u8]>,
        /// Empty if the address has no domain.
        host: Cow<'a, [u8]>,
    },
    GroupStart(Cow<'a, [u8]>),
    GroupEnd,
}

impl Address<'_> {
    /// What a list shows: the name decoded, else the address (RFC 5957 §4).
    pub fn display(&self) -> String {
        match self {
            Self::Mailbox { name, .. } if !name.is_empty() => encoded_word::decode(name),
            Self::Mailbox { .. } => self.address(),
            Self::GroupStart(name) => encoded_word::decode(name),
            Self::GroupEnd => String::new(),
        }
    }

    /// `local@host` of a mailbox; empty for a group's marks. Encoded-words stay as they are: in an
    /// address they encode nothing (RFC 2047 §5), and must not be taken for whom they spell.
    pub fn address(&self) -> String {
        let Self::Mailbox { local, host, .. } = self else { return String::new() };
        let mut address = charset::decode(None, local);
        if !host.is_empty() {
            address.push('@');
            address.push_str(&charset::decode(None, host));
        }
        address
    }
}

/// Reads at most [`MAX_ADDRESSES`] entries of a field's value, groups always closed.
pub fn addresses(value: &[u8]) -> Vec<Address<'_>> {
    let mut parser =
        Parser { bytes: value.get(..MAX_HEADER).unwrap_or(value), at: 0, in_group: false };
    let mut out = Vec::new();
    while out.len() < MAX_ADDRESSES
        && let Some(address) = parser.next_entry()
    {
        out.push(address);
    }
    if parser.in_group {
        out.push(Address::GroupEnd);
    }
    out
}

/// The first entry of a field's value, by which messages are sorted.
pub(super) fn first_address(value: &[u8]) -> Option<Address<'_>> {
    let bytes = value.get(..MAX_HEADER).unwrap_or(value);
    Parser { bytes, at: 0, in_group: false }.next_entry()
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    in_group: bool,
}

/// What has been read of an entry before its kind is known.
#[derive(Default)]
struct Words {
    /// Words unquoted, white space between them as one space.
    text: Vec<u8>,
    /// Where in `text` the last unquoted `@` stands.
    at_sign: Option<usize>,
    /// Behind an `@`: where the next word begins, in `text` and in the value.
    next_word: Option<(usize, usize)>,
    comment: Vec<u8>,
    space: bool,
    quoted: bool,
}

impl Words {
    fn push(&mut self, byte: u8) {
        self.separate();
        self.text.push(byte);
    }

    fn separate(&mut self) {
        if self.space && !self.text.is_empty() {
            self.text.push(b' ');
        }
        self.space = false;
    }
}

impl<'a> Parser<'a> {
    fn next_entry(&mut self) -> Option<Address<'a>> {
        let mut words = Words::default();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b',' => {
                    if let Some(address) = bare(&mut words) {
                        return Some(address);
                    }
                }
                b';' if self.in_group => {
                    if let Some(address) = bare(&mut words) {
                        self.at -= 1;
                        return Some(address);
                    }
                    self.in_group = false;
                    return Some(Address::GroupEnd);
                }
                // Outlook users separate addresses by semicolons.
                b';' => {
                    if let Some(address) = bare(&mut words) {
                        return Some(address);
                    }
                }
                b':' if !self.in_group && words.at_sign.is_none() => {
                    self.in_group = true;
                    return Some(Address::GroupStart(Cow::Owned(words.text)));
                }
                b'<' => return Some(self.angle(words)),
                b'"' => self.quoted(&mut words),
                b'(' => self.comment(&mut words),
                b'[' => self.domain_literal(&mut words),
                b'@' if words.next_word.is_some() => {
                    // Two addresses with nothing but a blank between them.
                    let (length, at) = words.next_word.unwrap_or_default();
                    words.text.truncate(length);
                    self.at = at;
                    if let Some(address) = bare(&mut words) {
                        return Some(address);
                    }
                }
                b'@' => {
                    words.space = false;
                    words.at_sign = Some(words.text.len());
                    words.text.push(b'@');
                }
                b' ' | b'\t' | b'\r' | b'\n' | 0 => words.space = true,
                _ => {
                    if words.space && words.at_sign.is_some_and(|at| at + 1 < words.text.len()) {
                        words.next_word = Some((words.text.len(), self.at - 1));
                    }
                    words.separate();
                    self.at -= 1;
                    words.text.extend_from_slice(self.atom());
                }
            }
        }
        bare(&mut words)
    }

    /// The ordinary bytes from here on, at least one, and goes behind them.
    fn atom(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().skip(1).position(|byte| is_special(*byte));
        let atom = end.and_then(|end| rest.get(..=end)).unwrap_or(rest);
        self.at += atom.len();
        atom
    }

    /// `name <local@host>`, from behind the `<`.
    fn angle(&mut self, name: Words) -> Address<'a> {
        let mut words = Words::default();
        self.skip_route();
        while let Some(&byte) = self.bytes.get(self.at) {
            // A list that forgets its `>` must not swallow the next address.
            if byte == b',' || (byte == b';' && self.in_group) {
                break;
            }
            self.at += 1;
            match byte {
                b'>' => break,
                b'"' => self.quoted(&mut words),
                b'(' => self.comment(&mut words),
                b'@' => {
                    words.at_sign = Some(words.text.len());
                    words.text.push(b'@');
                }
                _ if is_space(byte) => {}
                _ => {
                    self.at -= 1;
                    words.text.extend_from_slice(self.atom());
                }
            }
        }
        let (local, host) = split(&words);
        self.rest_of_entry(name, local, host)
    }

    /// Takes a comment behind the address as the name, and skips the rest up to the separator.
    fn rest_of_entry(&mut self, mut name: Words, local: Vec<u8>, host: Vec<u8>) -> Address<'a> {
        let mut behind = Words::default();
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte == b';' && self.in_group {
                break;
            }
            self.at += 1;
            match byte {
                b',' | b';' => break,
                b'"' => self.quoted(&mut behind),
                b'(' => self.comment(&mut behind),
                b'<' => {
                    // Two addresses with no comma between them.
                    self.at -= 1;
                    break;
                }
                _ => {}
            }
        }
        if name.text.is_empty() && !name.quoted {
            name.text = if name.comment.is_empty() { behind.comment } else { name.comment };
        }
        Address::Mailbox { name: name.text.into(), local: local.into(), host: host.into() }
    }

    /// Skips `@a,@b:` in front of an address (RFC 5322 §4.4 obs-route).
    fn skip_route(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.trim_ascii_start().first() != Some(&b'@') {
            return;
        }
        let stop = rest.iter().position(|b| matches!(b, b':' | b'>' | b'<' | b'"'));
        if let Some(stop) = stop
            && rest.get(stop) == Some(&b':')
        {
            self.at += stop + 1;
        }
    }

    fn quoted(&mut self, words: &mut Words) {
        words.separate();
        words.quoted = true;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\r' | b'\n' | 0 => {}
                b'\\' => {
                    let escaped =
                        self.bytes.get(self.at).filter(|b| !matches!(b, b'\r' | b'\n' | 0));
                    words.text.extend(escaped);
                    self.at += 1;
                }
                _ => words.text.push(byte),
            }
        }
    }

    /// Reads a comment, which may nest; the last one of an entry counts.
    fn comment(&mut self, words: &mut Words) {
        let mut depth = 1u32;
        words.comment.clear();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b'\r' | b'\n' | 0 => continue,
                b'\\' => {
                    let escaped =
                        self.bytes.get(self.at).filter(|b| !matches!(b, b'\r' | b'\n' | 0));
                    words.comment.extend(escaped);
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            words.comment.push(byte);
        }
        words.space = true;
    }

    fn domain_literal(&mut self, words: &mut Words) {
        words.push(b'[');
        while let Some(&byte) = self.bytes.get(self.at) {
            if matches!(byte, b',' | b'<' | b'>' | b'"') {
                return;
            }
            self.at += 1;
            if !is_space(byte) {
                words.text.push(byte);
            }
            if byte == b']' {
                return;
            }
        }
    }
}

/// Whether a byte may mean more than itself.
fn is_special(byte: u8) -> bool {
    is_space(byte)
        || matches!(byte, b',' | b';' | b':' | b'<' | b'>' | b'"' | b'(' | b'[' | b'@' | 0)
}

/// An entry without angle brackets, if there is anything to it.
fn bare<'a>(words: &mut Words) -> Option<Address<'a>> {
    let words = std::mem::take(words);
    if words.text.is_empty() {
        return None;
    }
    if words.at_sign.is_none() && words.text.contains(&b' ') {
        // Only a name: there is nothing to write to.
        return Some(Address::Mailbox {
            name: words.text.into(),
            local: Cow::Borrowed(b""),
            host: Cow::Borrowed(b""),
        });
    }
    let (local, host) = split(&words);
    Some(Address::Mailbox { name: words.comment.into(), local: local.into(), host: host.into() })
}

fn split(words: &Words) -> (Vec<u8>, Vec<u8>) {
    let Some((local, host)) = words.at_sign.and_then(|at| words.text.split_at_checked(at)) else {
        return (words.text.clone(), Vec::new());
    };
    let host = host.get(1..).unwrap_or_default();
    let host = host.iter().copied().filter(|b| *b != b' ').collect();
    (local.trim_ascii().to_vec(), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let show = |address: &Address<'_>| match address {
            Address::Mailbox { name, local, host } => {
                format!("{}|{}|{}", text(name), text(local), text(host))
            }
            Address::GroupStart(name) => format!("[{}", text(name)),
            Address::GroupEnd => "]".into(),
        };
        addresses(value.as_bytes()).iter().map(show).collect()
    }

    #[test]
    fn the_forms_of_rfc_5322() {
        // RFC 5322 appendix A.1.2, A.1.3, A.5, A.6.1.
        assert_eq!(
            parsed("\"Joe Q. Public\" <john.q.public@example.com>"),
            ["Joe Q. Public|john.q.public|example.com"]
        );
        assert_eq!(
            parsed("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
            ["Mary Smith|mary|x.test", "|jdoe|example.org", "Who?|one|y.test"]
        );
        assert_eq!(
            parsed("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
            ["|boss|nil.test", "Giant; \"Big\" Box|sysservices|example.net"]
        );
        assert_eq!(
            parsed("A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;"),
            ["[A Group", "Ed Jones|joe|where.test", "|joe|where.test", "John|jdoe|one.test", "]"]
        );
        assert_eq!(parsed("Undisclosed recipients:;"), ["[Undisclosed recipients", "]"]);
        assert_eq!(
            parsed("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
            ["Pete|pete|silly.test"]
        );
        assert_eq!(
            parsed("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"),
            ["[Hidden recipients", "]"]
        );
        assert_eq!(
            parsed("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"),
            ["Mary Smith|mary|example.net", "|jdoe|test.example"]
        );
        assert_eq!(
            parsed(
                "A Group(Some people):Chris Jones <c@(Chris's host.)public.example>,\r\n joe@example.org;"
            ),
            ["[A Group", "Chris Jones|c|public.example", "|joe|example.org", "]"]
        );
    }

    #[test]
    fn names_in_comments_and_quoted_local_parts() {
        assert_eq!(parsed("joe@x.test (Joe Public)"), ["Joe Public|joe|x.test"]);
        assert_eq!(parsed("<joe@x.test> (Joe)"), ["Joe|joe|x.test"]);
        assert_eq!(parsed("\"joe doe\"@x.test"), ["|joe doe|x.test"]);
        assert_eq!(parsed("joe@[192.0.2.1]"), ["|joe|[192.0.2.1]"]);
        assert_eq!(parsed("joe@work <j@x.test>"), ["joe@work|j|x.test"]);
    }

    #[test]
    fn wrong_forms_lose_no_neighbour() {
        assert_eq!(parsed("root, a@x, <b@x, \"c <c@x>"), ["|root|", "|a|x", "|b|x", "c <c@x>||"]);
        assert_eq!(parsed("a@x; b@y"), ["|a|x", "|b|y"]);
        assert_eq!(parsed("Just A Name"), ["Just A Name||"]);
        assert_eq!(parsed(""), [""; 0]);
        assert_eq!(parsed(" , ,"), [""; 0]);
        assert_eq!(parsed("g: a@x, b@x"), ["[g", "|a|x", "|b|x", "]"]);
        assert_eq!(parsed("<>"), ["||"]);
        assert_eq!(parsed("a@b c@d,  e @ f g@h"), ["|a|b", "|c|d", "|e|f", "|g|h"]);
        assert_eq!(parsed("a@b \"c\"@d"), ["|a@b c|d"]);
        assert_eq!(parsed("a@b <c@d> <e@f>"), ["a@b|c|d", "|e|f"]);
    }

    #[test]
    fn lists_are_capped() {
        assert_eq!(addresses("a@x,".repeat(100_000).as_bytes()).len(), MAX_ADDRESSES);
        assert_eq!(addresses("a:;".repeat(100_000).as_bytes()).len(), MAX_ADDRESSES);
    }
}
