//! SMTP on the wire: command lines, replies and message data, as bytes and values only.
//!
//! Nothing here knows a socket, an account or the order of commands; that is `smtp::session`.

pub mod command;
pub mod data;
pub mod reply;
pub mod xtext;

pub use command::{
    Body, Command, CommandError, Mail, Notify, OriginalRecipient, Rcpt, RcptPath, Ret,
};
pub use data::{BdatChecker, DataDecoder, Flaw};
pub use reply::{Enhanced, Reply};

use memchr::memmem;

/// What the front of a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its CRLF; `used` octets of the buffer are done with.
    Whole { text: &'a [u8], used: usize },
    /// A line beyond the limit has ended; `used` octets of the buffer are done with.
    TooLong { used: usize },
    /// More is needed. The caller may drop `skip` octets, which belong to a line that is
    /// already too long, and must then pass `overlong` with the next call.
    Partial { skip: usize },
}

/// Takes one line off the buffer. Only CR LF ends a line: a bare CR or LF is part of it,
/// and the command parser refuses it there.
///
/// `overlong` says that the line's beginning was already dropped.
pub fn next_line(buffer: &[u8], limit: usize, overlong: bool) -> Line<'_> {
    match memmem::find(buffer, b"\r\n") {
        Some(end) if overlong || end + 2 > limit => Line::TooLong { used: end + 2 },
        Some(end) => Line::Whole { text: buffer.get(..end).unwrap_or(buffer), used: end + 2 },
        None if overlong || buffer.len() >= limit => {
            // A CR at the end may be the first half of the line's end.
            let keep = usize::from(buffer.last() == Some(&b'\r'));
            Line::Partial { skip: buffer.len() - keep }
        }
        None => Line::Partial { skip: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(next_line(b"NOOP\r\nX", 512, false), Line::Whole { text: b"NOOP", used: 6 });
        assert_eq!(next_line(b"NOOP\nX\r", 512, false), Line::Partial { skip: 0 });
        assert_eq!(
            next_line(b"A\nB\rC\r\n", 512, false),
            Line::Whole { text: b"A\nB\rC", used: 7 }
        );
    }

    #[test]
    fn an_overlong_line_is_dropped_to_its_end() {
        assert_eq!(next_line(b"12345678\r", 8, false), Line::Partial { skip: 8 });
        assert_eq!(next_line(b"\r\nNOOP\r\n", 8, true), Line::TooLong { used: 2 });
        assert_eq!(next_line(b"1234567\r\n", 8, false), Line::TooLong { used: 9 });
        assert_eq!(next_line(b"123456\r\n", 8, false), Line::Whole { text: b"123456", used: 8 });
    }
}
