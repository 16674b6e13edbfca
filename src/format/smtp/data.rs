//! Message data: DATA's dot-stuffed lines and BDAT's chunks, checked while they stream.
//!
//! Only CR LF . CR LF ends DATA (RFC 5321 §4.1.1.4, §2.3.8). A bare CR or LF anywhere makes
//! the message unacceptable, but the data is read to its true end all the same: whoever
//! believes in another end ("SMTP smuggling", CVE-2023-51764 and others) never gets what
//! follows it run as commands.

use std::fmt;

use memchr::memchr2;

use crate::base::limits;

/// Why a message cannot be taken as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    BareCr,
    BareLf,
    LongLine,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareCr => "it contains a CR without LF (RFC 5321 section 2.3.8)",
            Self::BareLf => "it contains an LF without CR (RFC 5321 section 2.3.8)",
            Self::LongLine => "it contains a line of more than 1 MiB",
        })
    }
}

/// What one call of [`DataDecoder::feed`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Octets of the input that belong to the data, its end included.
    pub used: usize,
    /// Whether the end was reached; what follows `used` is the next command.
    pub ended: bool,
}

/// Decodes DATA: takes input cut anywhere, gives out the message without dot-stuffing.
#[derive(Debug)]
pub struct DataDecoder {
    state: State,
    lines: Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After CR LF, or at the very beginning.
    LineStart,
    InLine,
    /// A CR inside a line, not yet given out.
    Cr,
    /// A dot at the beginning of a line, not given out.
    Dot,
    /// Such a dot and a CR after it, neither given out.
    DotCr,
    Ended,
}

impl Default for DataDecoder {
    fn default() -> Self {
        Self { state: State::LineStart, lines: Lines::default() }
    }
}

impl DataDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// The first reason to refuse the message, as far as it was read.
    pub fn flaw(&self) -> Option<Flaw> {
        self.lines.flaw
    }

    /// Decodes one piece of input and hands the message's octets, in order and in runs as
    /// long as possible, to `sink`. After a flaw the runs are of no more use and are not
    /// given out.
    pub fn feed(&mut self, input: &[u8], mut sink: impl FnMut(&[u8])) -> Fed {
        let mut run = Run { input, from: 0, wanted: true };
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            run.wanted = self.lines.flaw.is_none();
            match (self.state, byte) {
                (State::LineStart, b'.') => {
                    run.flush(at, &mut sink);
                    run.from = at + 1;
                    self.state = State::Dot;
                    at += 1;
                }
                (State::LineStart | State::InLine, _) => {
                    at = self.in_line(input, at);
                }
                (State::Cr, b'\n') => {
                    // The CR was held back only where the input was cut.
                    run.flush_held_cr(at, &mut sink);
                    self.lines.end();
                    self.state = State::LineStart;
                    at += 1;
                }
                (State::Cr, _) => {
                    self.lines.mark(Flaw::BareCr);
                    self.state = State::InLine;
                }
                (State::Dot, b'\r') => {
                    run.from = at + 1;
                    self.state = State::DotCr;
                    at += 1;
                }
                // A dot with more behind it was put in by the sender (§4.5.2).
                (State::Dot, _) => self.state = State::InLine,
                (State::DotCr, b'\n') => {
                    self.state = State::Ended;
                    return Fed { used: at + 1, ended: true };
                }
                (State::DotCr, _) => {
                    self.lines.mark(Flaw::BareCr);
                    self.state = State::InLine;
                }
                (State::Ended, _) => return Fed { used: at, ended: true },
            }
        }
        run.wanted = self.lines.flaw.is_none();
        let held = usize::from(self.state == State::Cr);
        run.flush(at.saturating_sub(held), &mut sink);
        Fed { used: at, ended: self.state == State::Ended }
    }

    /// Goes from inside a line to the next CR or LF, or to the end of the input.
    fn in_line(&mut self, input: &[u8], at: usize) -> usize {
        let rest = input.get(at..).unwrap_or(&[]);
        let Some(found) = memchr2(b'\r', b'\n', rest) else {
            self.lines.grow(rest.len());
            self.state = State::InLine;
            return input.len();
        };
        self.lines.grow(found);
        if rest.get(found) == Some(&b'\r') {
            if rest.get(found + 1) == Some(&b'\n') {
                self.lines.end();
                self.state = State::LineStart;
                return at + found + 2;
            }
            self.state = State::Cr;
        } else {
            self.lines.mark(Flaw::BareLf);
            self.state = State::InLine;
        }
        at + found + 1
    }
}

/// The part of the input that is to be given out as one.
struct Run<'a> {
    input: &'a [u8],
    from: usize,
    wanted: bool,
}

impl Run<'_> {
    fn flush(&mut self, to: usize, sink: &mut impl FnMut(&[u8])) {
        if let Some(run) = self.input.get(self.from..to).filter(|r| !r.is_empty() && self.wanted) {
            sink(run);
        }
        self.from = self.from.max(to);
    }

    /// Gives out a CR that ended the input before this one, if there is such.
    fn flush_held_cr(&mut self, at: usize, sink: &mut impl FnMut(&[u8])) {
        if at == 0 && self.wanted {
            sink(b"\r");
        }
    }
}

/// Checks a message that comes in BDAT chunks (RFC 3030) for the same flaws as DATA. A line
/// may go over from one chunk to the next.
#[derive(Debug, Default)]
pub struct BdatChecker {
    after_cr: bool,
    lines: Lines,
}

impl BdatChecker {
    pub fn new() -> Self {
        Self::default()
    }

    /// The first reason to refuse the message. A CR at the very end is one only after
    /// [`BdatChecker::finish`].
    pub fn flaw(&self) -> Option<Flaw> {
        self.lines.flaw
    }

    /// Checks a piece of a chunk.
    pub fn feed(&mut self, input: &[u8]) {
        let mut rest = input;
        while let Some(&first) = rest.first() {
            if self.after_cr {
                self.after_cr = false;
                if first == b'\n' {
                    self.lines.end();
                    rest = rest.get(1..).unwrap_or(&[]);
                    continue;
                }
                self.lines.mark(Flaw::BareCr);
            }
            let Some(found) = memchr2(b'\r', b'\n', rest) else {
                self.lines.grow(rest.len());
                return;
            };
            self.lines.grow(found);
            match rest.get(found) {
                Some(b'\r') => self.after_cr = true,
                _ => self.lines.mark(Flaw::BareLf),
            }
            rest = rest.get(found + 1..).unwrap_or(&[]);
        }
    }

    /// To be called after the last chunk.
    pub fn finish(&mut self) {
        if std::mem::take(&mut self.after_cr) {
            self.lines.mark(Flaw::BareCr);
        }
    }
}

/// Counts the current line and remembers the first flaw.
#[derive(Debug, Default)]
struct Lines {
    length: usize,
    flaw: Option<Flaw>,
}

impl Lines {
    fn grow(&mut self, by: usize) {
        self.length = self.length.saturating_add(by);
        if self.length > limits::SMTP_DATA_LINE {
            self.mark(Flaw::LongLine);
        }
    }

    fn end(&mut self) {
        self.length = 0;
    }

    fn mark(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }
}

#[cfg(test)]
mod tests;
