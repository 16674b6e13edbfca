//! The smallest pieces of the grammar: words, strings, numbers, literals (RFC 9051 §4 and §9).

use std::borrow::Cow;
use std::num::NonZeroU32;

use crate::base::uidset::UidSet;
use crate::imap::codec::frame::Frame;
use crate::imap::codec::types::*;
use crate::imap::codec::utf7;

use super::Dialect;

/// Why a command could not be read.
#[derive(Debug, PartialEq)]
pub(in crate::imap::codec) enum Fail {
    /// What should have stood there.
    Expected(&'static str),
    /// Well-formed but refused, with a reason of its own.
    Refused(Box<Reply>),
}

pub(in crate::imap::codec) type Result<T> = std::result::Result<T, Fail>;

pub(super) fn refuse<T>(reply: Reply) -> Result<T> {
    Err(Fail::Refused(Box::new(reply)))
}

/// A place in a frame.
pub(in crate::imap::codec) struct Cursor<'a> {
    frame: &'a Frame,
    at: usize,
    /// The literal that comes next.
    literal: usize,
    pub(super) dialect: Dialect,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(frame: &'a Frame, dialect: Dialect) -> Self {
        Self { frame, at: 0, literal: 0, dialect }
    }

    fn rest(&self) -> &'a [u8] {
        self.frame.bytes.get(self.at..).unwrap_or_default()
    }

    /// How far it has come, for messages.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(Fail::Expected(what)) }
    }

    /// Goes over spaces; false if there is none.
    pub(super) fn spaces(&mut self) -> bool {
        let count = self.rest().iter().take_while(|&&b| b == b' ').count();
        self.at += count;
        count > 0
    }

    /// At least one space. Several are taken for one, as clients build commands by pieces.
    pub(super) fn space(&mut self) -> Result<()> {
        if self.spaces() { Ok(()) } else { Err(Fail::Expected("a space")) }
    }

    /// True behind the last argument; trailing spaces do not count.
    pub(super) fn at_end(&mut self) -> bool {
        let before = self.at;
        self.spaces();
        let end = self.rest().is_empty();
        if !end {
            self.at = before;
        }
        end
    }

    pub(super) fn end(&mut self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(Fail::Expected("the end of the command")) }
    }

    /// A cursor at the same place, to look ahead with.
    pub(super) fn ahead(&self) -> Self {
        Self { ..*self }
    }

    /// The longest run of such bytes.
    pub(super) fn take_while(&mut self, test: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let len = rest.iter().position(|&b| !test(b)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// A word of the protocol: an atom, in ASCII; empty if there is none.
    pub(super) fn word(&mut self) -> &'a str {
        let word = self.take_while(is_atom_char);
        std::str::from_utf8(word).unwrap_or_default()
    }

    /// The same, without moving.
    pub(super) fn peek_word(&mut self) -> &'a str {
        let before = self.at;
        let word = self.word();
        self.at = before;
        word
    }

    /// Goes over the word if it comes next, in any case.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word().eq_ignore_ascii_case(word);
        if found {
            self.at += word.len();
        }
        found
    }

    pub(super) fn atom(&mut self, what: &'static str) -> Result<&'a str> {
        match self.word() {
            "" => Err(Fail::Expected(what)),
            word => Ok(word),
        }
    }

    /// `number64` (RFC 9051 §9): up to 63 bits.
    pub(super) fn number64(&mut self, what: &'static str) -> Result<u64> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        let number = digits.iter().try_fold(0u64, |n, b| {
            n.checked_mul(10)?.checked_add(u64::from(b - b'0')).filter(|n| *n <= i64::MAX as u64)
        });
        match number {
            Some(number) if !digits.is_empty() => Ok(number),
            _ => Err(Fail::Expected(what)),
        }
    }

    pub(super) fn number(&mut self, what: &'static str) -> Result<u32> {
        u32::try_from(self.number64(what)?).map_err(|_| Fail::Expected(what))
    }

    pub(super) fn nonzero(&mut self, what: &'static str) -> Result<NonZeroU32> {
        NonZeroU32::new(self.number(what)?).ok_or(Fail::Expected(what))
    }

    /// `"…"` or a literal.
    pub(super) fn string(&mut self, what: &'static str) -> Result<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(what),
            Some(b'{' | b'~') => self.small_literal(what),
            _ => Err(Fail::Expected(what)),
        }
    }

    /// A string or an atom, `]` allowed in it.
    pub(super) fn astring(&mut self, what: &'static str) -> Result<Cow<'a, [u8]>> {
        self.string_or(what, is_astring_char)
    }

    /// A string, or a run of such bytes.
    pub(super) fn string_or(
        &mut self,
        what: &'static str,
        test: impl Fn(u8) -> bool,
    ) -> Result<Cow<'a, [u8]>> {
        if let Some(b'"' | b'{') = self.peek() {
            return self.string(what);
        }
        if self.rest().starts_with(b"~{") {
            return self.string(what);
        }
        match self.take_while(test) {
            b"" => Err(Fail::Expected(what)),
            bytes => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// A string or `NIL`.
    pub(super) fn nstring(&mut self, what: &'static str) -> Result<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string(what).map(Some) }
    }

    /// An astring as text.
    pub(super) fn text(&mut self, what: &'static str) -> Result<String> {
        String::from_utf8(self.astring(what)?.into_owned()).map_err(|_| Fail::Expected(what))
    }

    fn quoted(&mut self, what: &'static str) -> Result<Cow<'a, [u8]>> {
        self.at += 1;
        let rest = self.rest();
        let mut owned: Option<Vec<u8>> = None;
        let mut from = 0;
        loop {
            let found = rest.get(from..).and_then(|r| memchr::memchr2(b'"', b'\\', r));
            let at = from + found.ok_or(Fail::Expected("a closing quote"))?;
            let piece = rest.get(from..at).unwrap_or_default();
            // A line end in it means that the quote is not closed on its line.
            if piece.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
                return Err(Fail::Expected(what));
            }
            if rest.get(at) == Some(&b'"') {
                self.at += at + 1;
                return Ok(match owned {
                    None => Cow::Borrowed(piece),
                    Some(mut owned) => {
                        owned.extend_from_slice(piece);
                        Cow::Owned(owned)
                    }
                });
            }
            // The grammar escapes only `"` and `\`; others stand for themselves.
            let escaped = *rest.get(at + 1).ok_or(Fail::Expected(what))?;
            if matches!(escaped, b'\r' | b'\n' | 0) {
                return Err(Fail::Expected(what));
            }
            let owned = owned.get_or_insert_default();
            owned.extend_from_slice(piece);
            owned.push(escaped);
            from = at + 2;
        }
    }

    fn small_literal(&mut self, what: &'static str) -> Result<Cow<'a, [u8]>> {
        let (from, payload) = self.literal(what)?;
        let data = self.frame.bytes.get(from..self.at).unwrap_or_default();
        match payload.data {
            // RFC 9051 §4.3: only literal8 may have NUL in it.
            PayloadData::Inline(_) if payload.binary || !data.contains(&0) => {
                Ok(Cow::Borrowed(data))
            }
            _ => Err(Fail::Expected(what)),
        }
    }

    /// A literal or literal8 that holds a message.
    pub(super) fn payload(&mut self) -> Result<Payload> {
        self.literal("a literal").map(|(_, payload)| payload)
    }

    /// True if a literal comes next.
    pub(super) fn at_literal(&self) -> bool {
        matches!(self.peek(), Some(b'{')) || self.rest().starts_with(b"~{")
    }

    /// The literal that comes next and where its bytes begin.
    fn literal(&mut self, what: &'static str) -> Result<(usize, Payload)> {
        self.eat(b'~');
        self.expect(b'{', what)?;
        self.number64(what)?;
        self.eat(b'+');
        self.expect(b'}', what)?;
        self.eat(b'\r');
        self.expect(b'\n', what)?;
        // The framer decides what a literal is, and this must be the one that it saw here.
        let mark = self.frame.literals.get(self.literal).filter(|mark| mark.at == self.at);
        let mark = *mark.ok_or(Fail::Expected(what))?;
        let end = self.at + mark.kept();
        if end > self.frame.bytes.len() {
            return Err(Fail::Expected(what));
        }
        self.literal += 1;
        let data = match mark.diverted {
            Some(index) => PayloadData::Diverted { index, size: mark.size },
            None => PayloadData::Inline(self.frame.bytes.slice(self.at..end)),
        };
        self.at = end;
        Ok((mark.at, Payload { data, binary: mark.binary }))
    }

    /// `( … )` with items between spaces; empty is taken as well.
    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.expect(b'(', what)?;
        let mut items = Vec::new();
        self.spaces();
        while !self.eat(b')') {
            items.push(item(self)?);
            if !self.spaces() && self.peek() != Some(b')') {
                return Err(Fail::Expected("a space or a closing parenthesis"));
            }
        }
        Ok(items)
    }

    /// A mailbox's name in the client's encoding.
    pub(super) fn mailbox(&mut self) -> Result<MailboxName> {
        let bytes = self.astring("a mailbox name")?;
        let invalid = || Reply::no("This cannot be a mailbox's name").with(Code::Cannot);
        let name = self.name(&bytes).and_then(|name| MailboxName::new(&name));
        name.map_or_else(|| refuse(invalid()), Ok)
    }

    /// A name's text, by the encoding in use.
    pub(super) fn name(&self, bytes: &[u8]) -> Option<String> {
        if self.dialect.utf8 {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        } else {
            utf7::decode(bytes)
        }
    }

    /// `sequence-set`, `$` included.
    pub(super) fn sequence_set(&mut self) -> Result<SequenceSet> {
        const WHAT: &str = "a set of message numbers";
        if self.eat(b'$') {
            return Ok(SequenceSet::Saved);
        }
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let mut tail: Option<u32> = None;
        loop {
            let first = self.seq_number(WHAT)?;
            let last = if self.eat(b':') { self.seq_number(WHAT)? } else { first };
            match (first, last) {
                (Some(a), Some(b)) => ranges.push((a.min(b), a.max(b))),
                (Some(n), None) | (None, Some(n)) => tail = Some(tail.map_or(n, |t| t.min(n))),
                (None, None) => tail = tail.or(Some(u32::MAX)),
            }
            if !self.eat(b',') {
                break;
            }
        }
        // In order, so that the set is built in linear time whatever the client sends.
        ranges.sort_unstable();
        Ok(SequenceSet::Numbers(Numbers::new(ranges.into_iter().collect(), tail)))
    }

    /// A number, or `None` for `*`.
    fn seq_number(&mut self, what: &'static str) -> Result<Option<u32>> {
        if self.eat(b'*') { Ok(None) } else { self.nonzero(what).map(|n| Some(n.get())) }
    }

    /// A set without `*` and `$`.
    pub(super) fn uid_set(&mut self) -> Result<UidSet> {
        match self.sequence_set()? {
            SequenceSet::Numbers(numbers) => numbers.without_star().cloned(),
            SequenceSet::Saved => None,
        }
        .ok_or(Fail::Expected("a set of numbers without *"))
    }

    pub(super) fn message_set(&mut self, by: By) -> Result<MessageSet> {
        Ok(MessageSet { by, set: self.sequence_set()? })
    }

    /// One flag; `None` for `\Recent`, which nobody can set.
    pub(super) fn flag(&mut self) -> Result<Option<Flag>> {
        if self.eat(b'\\') {
            let name = self.atom("a flag")?;
            let known = Flag::SYSTEM.iter().find(|(_, n)| n[1..].eq_ignore_ascii_case(name));
            return match known {
                Some((flag, _)) => Ok(Some(flag.clone())),
                None if name.eq_ignore_ascii_case("Recent") => Ok(None),
                None => Err(Fail::Expected("a flag that exists")),
            };
        }
        let name = self.atom("a flag")?;
        match Keyword::new(name) {
            Some(keyword) => Ok(Some(Flag::Keyword(keyword))),
            None => refuse(Reply::no("The keyword is too long").with(Code::Limit)),
        }
    }

    /// `flag-list`
    pub(super) fn flag_list(&mut self) -> Result<Vec<Flag>> {
        let flags = self.list("a list of flags", Self::flag)?;
        Ok(flags.into_iter().flatten().collect())
    }
}
