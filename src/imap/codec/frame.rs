//! Framing: cuts the stream into commands (lines and literals, RFC 9051 §4.3, RFC 7888, RFC 3516)
//! and keeps every limit on size. A message too large for memory is handed on while it comes;
//! what is refused is skipped whole, so that no payload is ever read as a command.

use bytes::{Buf, Bytes, BytesMut};

use crate::base::limits;

use super::types::{Code, Reply, Tag};

/// Sizes in bytes that one command may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// All of its lines together, without the literals.
    pub line: usize,
    /// One literal that is no message.
    pub literal: u64,
    /// One literal of APPEND and REPLACE.
    pub message: u64,
    /// How many literals.
    pub literals: usize,
    /// A message above this is diverted.
    pub inline: u64,
    /// All literals kept in memory; messages beyond it are diverted, other things refused.
    pub buffered: u64,
    /// How much refused input is skipped before the connection is given up.
    pub swallow: u64,
}

impl Limits {
    /// For everybody who can connect.
    pub const fn before_login() -> Self {
        Self {
            line: 8 << 10,
            literal: limits::IMAP_LITERALS_BEFORE_LOGIN as u64,
            message: 8 << 10,
            literals: 64,
            inline: 8 << 10,
            buffered: limits::IMAP_LITERALS_BEFORE_LOGIN as u64,
            swallow: 64 << 10,
        }
    }

    /// For a user, whose messages may have `message` bytes (APPENDLIMIT).
    pub const fn after_login(message: u64) -> Self {
        Self {
            line: limits::IMAP_LINE,
            literal: limits::IMAP_LITERALS as u64,
            message,
            literals: 1000,
            inline: 1 << 20,
            buffered: 16 << 20,
            swallow: 256 << 20,
        }
    }
}

/// One whole command.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its lines and literals as they came, without the last line's end and diverted literals.
    pub(super) bytes: Bytes,
    pub(super) literals: Vec<Literal>,
}

/// A literal within a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Literal {
    /// Where its first byte is or would be.
    pub at: usize,
    pub size: u64,
    pub binary: bool,
    /// Its number among the diverted ones.
    pub diverted: Option<usize>,
}

impl Literal {
    /// The bytes that it takes in the frame.
    pub fn kept(&self) -> usize {
        if self.diverted.is_some() { 0 } else { self.size as usize }
    }
}

impl Frame {
    /// Its tag, if it has one.
    pub fn tag(&self) -> Option<Tag> {
        tag_of(&self.bytes)
    }

    /// The command's name, for the log; never its arguments.
    pub fn name(&self) -> &str {
        let word = words(&self.bytes).nth(1).unwrap_or_default();
        std::str::from_utf8(word).ok().filter(|w| w.len() <= 20).unwrap_or("?")
    }
}

/// Bytes for which room is made at most before they come.
const MOST_ROOM: usize = 1 << 20;

/// What the framer has found.
#[derive(Debug)]
pub enum Event {
    /// A command is complete.
    Command(Frame),
    /// A literal is announced that can still be refused; see [`Framer::refuse`]. If it is
    /// `sync`, the client waits for `+ ` before it sends it (RFC 9051 §7.6).
    Literal(Announced),
    /// A piece of a diverted literal, in order. The one with `last` ends it.
    Chunk { data: Bytes, last: bool },
    /// A command was refused, by a limit or by [`Framer::refuse`], and is skipped now. To be
    /// answered with its tag, or `*` without one.
    Refused { tag: Option<Tag>, reply: Reply },
    /// The client sends more than can be skipped: say this and close.
    Fatal(Reply),
}

/// A literal that is about to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announced {
    pub size: u64,
    pub sync: bool,
    /// It belongs to a command that carries messages (APPEND, REPLACE), so that quotas count.
    pub message: bool,
    /// Its number among the diverted literals of the command, if it comes in chunks.
    pub diverted: Option<usize>,
}

#[derive(Debug)]
enum State {
    /// Within a line of a command.
    Line,
    /// Waits for a literal that is kept and ends at this place in `input`.
    Literal { end: usize },
    /// Hands on a diverted literal.
    Divert { left: u64 },
    /// Skips a literal of a refused command.
    SkipLiteral { left: u64 },
    /// Skips a line of a refused command.
    SkipLine,
    /// The refused command is over.
    Refused,
    /// Takes nothing any longer.
    Closed,
}

/// Finds the commands in a stream of bytes.
///
/// Bytes are put in by [`Framer::buffer`] or [`Framer::push`]; [`Framer::next_event`] is then
/// called until it has nothing more. A kept literal is never copied: command and literals stay
/// where they were read and leave as one [`Frame`].
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    /// What has come, from the start of the current command, or from behind `head`.
    input: BytesMut,
    /// The part of the current command before its last diverted literal.
    head: BytesMut,
    state: State,
    /// Where in `input` the current line begins, and up to where there is no line end.
    line_start: usize,
    scanned: usize,
    /// The length of the command's earlier lines.
    lines: usize,
    literals: Vec<Literal>,
    buffered: u64,
    diverted: usize,
    /// The literal announced last, while it can be refused.
    announced: Option<Announced>,
    refused: Option<(Option<Tag>, Reply)>,
    skipped: u64,
}

impl Framer {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: BytesMut::new(),
            head: BytesMut::new(),
            state: State::Line,
            line_start: 0,
            scanned: 0,
            lines: 0,
            literals: Vec::new(),
            buffered: 0,
            diverted: 0,
            announced: None,
            refused: None,
            skipped: 0,
        }
    }

    /// Changes the limits, from the next literal or line on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Where to read more bytes to, with room for some. Only to be appended to.
    pub fn buffer(&mut self) -> &mut BytesMut {
        let room = match self.state {
            State::Divert { left } | State::SkipLiteral { left } => left.clamp(4096, 128 << 10),
            // Grows as the bytes come: an announced size costs the client nothing, memory does.
            State::Literal { end } => {
                ((end - self.input.len().min(end)) as u64).clamp(4096, 128 << 10)
            }
            _ => 4096,
        };
        // A command of many literals is moved as rarely as can be, for no more than it brought.
        if self.input.capacity() - self.input.len() < room as usize {
            let room = (room as usize).max((3 * self.input.len()).min(MOST_ROOM));
            self.input.reserve(room);
        }
        &mut self.input
    }

    /// Puts in bytes that were read elsewhere, e.g. unpacked ones.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Gives the memory back if nothing is in it; for a connection that waits.
    pub fn release(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        if self.head.is_empty() {
            self.head = BytesMut::new();
        }
    }

    /// True if bytes wait that are not yet a command, or commands that were not yet taken.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty() || !self.head.is_empty()
    }

    /// Takes out all bytes behind the last command, when the stream below is exchanged:
    /// COMPRESS feeds them to its inflater, STARTTLS must drop them (they came in the clear).
    pub fn take_rest(&mut self) -> BytesMut {
        let rest = std::mem::take(&mut self.input);
        let closed = matches!(self.state, State::Closed);
        self.begin();
        if closed {
            self.state = State::Closed;
        }
        rest
    }

    /// Takes the next whole line for AUTHENTICATE (RFC 9051 §6.2.2) and IDLE (§6.3.13), without
    /// its end. Only between commands. Fails when it is longer than `max`, after which the
    /// connection is to be closed.
    pub fn next_line(&mut self, max: usize) -> Result<Option<Bytes>, LineTooLong> {
        if !matches!(self.state, State::Line) || self.line_start > 0 || !self.head.is_empty() {
            return Ok(None);
        }
        let found = self.find_line_end();
        if found.unwrap_or(self.input.len()) > max {
            return Err(LineTooLong);
        }
        let Some(end) = found else { return Ok(None) };
        let mut line = self.input.split_to(end + 1).freeze();
        line.truncate(trim_line_end(&line));
        self.scanned = 0;
        Ok(Some(line))
    }

    /// Refuses the literal that the last event announced, and its command with it. The reply
    /// comes back as [`Event::Refused`] when the client's payload, if it is on its way
    /// already (RFC 7888 §4), has been skipped.
    pub fn refuse(&mut self, reply: Reply) {
        if let Some(literal) = self.announced.take() {
            // Nothing of the payload was looked at: it begins where the line ended.
            let payload = match self.state {
                State::Literal { .. } => self.literals.last().map_or(0, |l| l.at - self.head.len()),
                _ => 0,
            };
            self.refuse_literal(payload, &literal, reply);
        }
    }

    /// The next event, or `None` when more bytes are needed. Asking for it accepts a literal
    /// that was announced.
    pub fn next_event(&mut self) -> Option<Event> {
        self.announced = None;
        loop {
            match self.state {
                State::Line => match self.line() {
                    Step::Event(event) => return Some(event),
                    Step::Wait => return None,
                    Step::Again => {}
                },
                State::Literal { end } => {
                    if self.input.len() < end {
                        return None;
                    }
                    self.line_start = end;
                    self.scanned = end;
                    self.state = State::Line;
                }
                State::Divert { left } => {
                    let here = left.min(self.input.len() as u64);
                    if here == 0 && left > 0 {
                        return None;
                    }
                    let data = self.input.split_to(here as usize).freeze();
                    let left = left - here;
                    self.state = if left > 0 { State::Divert { left } } else { State::Line };
                    return Some(Event::Chunk { data, last: left == 0 });
                }
                State::SkipLiteral { .. } | State::SkipLine
                    if self.skipped > self.limits.swallow =>
                {
                    self.state = State::Closed;
                    return Some(Event::Fatal(Reply::bye("Too much data").with(Code::TooBig)));
                }
                State::SkipLiteral { left } => {
                    let here = left.min(self.input.len() as u64);
                    self.input.advance(here as usize);
                    if here < left {
                        self.state = State::SkipLiteral { left: left - here };
                        return None;
                    }
                    self.scanned = 0;
                    self.state = State::SkipLine;
                }
                State::SkipLine => {
                    if !self.skip_line() {
                        return None;
                    }
                }
                State::Refused => {
                    let refused = self.refused.take();
                    self.begin();
                    if let Some((tag, reply)) = refused {
                        return Some(Event::Refused { tag, reply });
                    }
                }
                State::Closed => {
                    self.input.clear();
                    return None;
                }
            }
        }
    }

    fn line(&mut self) -> Step {
        let found = self.find_line_end();
        let end = found.unwrap_or(self.input.len());
        if self.lines + (end - self.line_start) > self.limits.line {
            let reply = Reply::bad("The command line is too long").with(Code::TooBig);
            let refused = Some((self.tag(), reply));
            self.drop_command(self.line_start);
            self.refused = refused;
            self.state = State::SkipLine;
            return Step::Again;
        }
        let Some(end) = found else { return Step::Wait };
        let line = self.input.get(self.line_start..end).unwrap_or_default();
        match announcement(line) {
            Some((size, sync, binary)) => self.literal(end + 1, size, sync, binary),
            None => self.command(end + 1),
        }
    }

    /// A command's last line ends before `end`.
    fn command(&mut self, end: usize) -> Step {
        let mut bytes = self.input.split_to(end);
        if !self.head.is_empty() {
            self.head.extend_from_slice(&bytes);
            bytes = std::mem::take(&mut self.head);
        }
        bytes.truncate(trim_line_end(&bytes));
        let literals = std::mem::take(&mut self.literals);
        self.begin();
        if bytes.is_empty() && literals.is_empty() {
            // Clients send a stray line end behind a refused literal, or to stay connected.
            return Step::Again;
        }
        Step::Event(Event::Command(Frame { bytes: bytes.freeze(), literals }))
    }

    /// A line ends before `end` and announces a literal.
    fn literal(&mut self, end: usize, size: u64, sync: bool, binary: bool) -> Step {
        let message = self.takes_message();
        let mut announced = Announced { size, sync, message, diverted: None };
        let fits = self.buffered.saturating_add(size) <= self.limits.buffered;
        let limit = if message { self.limits.message } else { self.limits.literal };
        if self.literals.len() >= self.limits.literals {
            let reply = Reply::no("Too many literals in one command").with(Code::Limit);
            return self.refuse_literal(end, &announced, reply);
        }
        if size > limit || (!message && !fits) {
            let text =
                if message { "The message is too large" } else { "The literal is too large" };
            return self.refuse_literal(end, &announced, Reply::no(text).with(Code::TooBig));
        }
        if message && (size > self.limits.inline || !fits) {
            announced.diverted = Some(self.diverted);
            self.diverted += 1;
        }
        self.lines += end - self.line_start;
        let at = self.head.len() + end;
        self.literals.push(Literal { at, size, binary, diverted: announced.diverted });
        if announced.diverted.is_some() {
            self.move_to_head(end);
            self.state = State::Divert { left: size };
        } else {
            self.buffered += size;
            self.state = State::Literal { end: end + size as usize };
        }
        if sync || announced.diverted.is_some() {
            self.announced = Some(announced);
            return Step::Event(Event::Literal(announced));
        }
        Step::Again
    }

    /// Puts the command's bytes so far aside, so that `input` begins with a diverted payload.
    fn move_to_head(&mut self, end: usize) {
        let piece = self.input.split_to(end);
        if self.head.is_empty() {
            self.head = piece;
        } else {
            self.head.extend_from_slice(&piece);
        }
        self.line_start = 0;
        self.scanned = 0;
    }

    /// Gives up the current command at a literal whose payload begins at `payload`.
    fn refuse_literal(&mut self, payload: usize, literal: &Announced, reply: Reply) -> Step {
        let refused = Some((self.tag(), reply));
        self.drop_command(payload);
        self.refused = refused;
        if literal.sync {
            // The client sees the answer instead of `+ ` and sends neither payload nor rest.
            self.state = State::Refused;
        } else {
            self.skip_literal(literal.size);
        }
        Step::Again
    }

    fn skip_literal(&mut self, size: u64) {
        self.skipped = self.skipped.saturating_add(size);
        self.state = State::SkipLiteral { left: size };
    }

    /// Skips a line of a refused command; false when its end has not come yet.
    fn skip_line(&mut self) -> bool {
        let Some(end) = self.find_line_end() else {
            // The last bytes are kept: they may announce a literal.
            let gone = self.input.len().saturating_sub(64);
            self.input.advance(gone);
            self.scanned = self.input.len();
            self.skipped = self.skipped.saturating_add(gone as u64);
            return self.skipped > self.limits.swallow;
        };
        let announced = announcement(self.input.get(..end).unwrap_or_default());
        self.input.advance(end + 1);
        self.scanned = 0;
        self.skipped = self.skipped.saturating_add(end as u64 + 1);
        match announced {
            _ if self.skipped > self.limits.swallow => {}
            Some((size, false, _)) => self.skip_literal(size),
            _ => self.state = State::Refused,
        }
        true
    }

    /// Forgets the current command, and `input` up to the place given.
    fn drop_command(&mut self, place: usize) {
        self.input.advance(place.min(self.input.len()));
        self.begin();
    }

    /// Ready for a new command at the start of `input`.
    fn begin(&mut self) {
        self.head.clear();
        self.state = State::Line;
        self.line_start = 0;
        self.scanned = 0;
        self.lines = 0;
        self.literals.clear();
        self.buffered = 0;
        self.diverted = 0;
        self.announced = None;
        self.refused = None;
        self.skipped = 0;
    }

    /// The place of the current line's LF. Each byte is looked at once.
    fn find_line_end(&mut self) -> Option<usize> {
        let rest = self.input.get(self.scanned..)?;
        match memchr::memchr(b'\n', rest) {
            Some(at) => Some(self.scanned + at),
            None => {
                self.scanned = self.input.len();
                None
            }
        }
    }

    fn start(&self) -> &[u8] {
        if self.head.is_empty() { &self.input } else { &self.head }
    }

    fn tag(&self) -> Option<Tag> {
        tag_of(self.start())
    }

    /// True if the current command is one that carries messages.
    fn takes_message(&self) -> bool {
        let mut words = words(self.start()).skip(1);
        let is = |word: Option<&[u8]>, name: &str| {
            word.is_some_and(|w| w.eq_ignore_ascii_case(name.as_bytes()))
        };
        let first = words.next();
        is(first, "APPEND")
            || is(first, "REPLACE")
            || (is(first, "UID") && is(words.next(), "REPLACE"))
    }

    /// The start of the current command, for who is asked to accept a literal of it: its
    /// mailbox may not exist (see [`super::decode::append_mailbox`]).
    pub fn pending(&self) -> Frame {
        let start = self.start();
        let bytes = Bytes::copy_from_slice(start.get(..4096).unwrap_or(start));
        let literals = self.literals.iter().filter(|l| l.at + l.kept() <= bytes.len());
        Frame { literals: literals.copied().collect(), bytes }
    }
}

/// A line of AUTHENTICATE or IDLE is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineTooLong;

enum Step {
    Event(Event),
    Again,
    Wait,
}

/// The length without CRLF, or LF, which is taken as well.
fn trim_line_end(line: &[u8]) -> usize {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

/// `{n}`, `{n+}`, `~{n}` or `~{n+}` at the end of a line: size, whether the client waits, and
/// whether it is a literal8. A number that fits nowhere counts as the largest.
fn announcement(line: &[u8]) -> Option<(u64, bool, bool)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"}")?;
    let (line, sync) = match line.strip_suffix(b"+") {
        Some(line) => (line, false),
        None => (line, true),
    };
    let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (before, digits) = line.split_at_checked(line.len() - digits)?;
    let before = before.strip_suffix(b"{")?;
    if digits.is_empty() {
        return None;
    }
    let size =
        digits.iter().fold(0u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
    Some((size, sync, before.ends_with(b"~")))
}

/// The first words of a command; only its first line is looked at.
fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = bytes.get(..200).unwrap_or(bytes);
    let end = memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    let line = line.get(..end).unwrap_or_default();
    line.split(|&b| b == b' ').filter(|word| !word.is_empty())
}

/// The tag of the command that begins with these bytes.
fn tag_of(bytes: &[u8]) -> Option<Tag> {
    words(bytes).next().and_then(Tag::new)
}
