//! Bytes to commands. Liberal where real clients err (case, spaces, quoted words), strict where
//! it matters; nothing here recurses on input.

mod account;
mod append;
mod fetch;
mod lexer;
mod mailbox;
mod notify;
mod search;
mod url;

use super::frame::Frame;
use super::table::{self, Spec};
use super::types::*;

pub(super) use lexer::{Cursor, Fail};

/// What the client has switched on that changes how its bytes are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dialect {
    /// Mailbox names are UTF-8 (after ENABLE UTF8=ACCEPT or IMAP4rev2), not modified UTF-7.
    pub utf8: bool,
    /// UTF8=ACCEPT itself is on: SEARCH takes no CHARSET any longer (RFC 6855 §3).
    pub utf8_accept: bool,
}

/// The parsers that [`super::table`] names.
pub(super) mod parse {
    use super::*;

    /// Reads a command's arguments, from the space before them on.
    pub type Parser = fn(&mut Cursor<'_>, &Spec) -> lexer::Result<Command>;

    pub use super::account::*;
    pub use super::append::{append, replace};
    pub use super::fetch::{copy, fetch, r#move, store, uid_expunge};
    pub use super::mailbox::*;
    pub use super::notify::{esearch, notify};
    pub use super::search::{search, sort, thread};
}

pub use account::sasl_response;
pub use append::append_mailbox;

/// A command could not be read, or asks for something that cannot be.
#[derive(Clone, PartialEq, Debug)]
pub struct DecodeError {
    /// `None` when not even that could be read: the answer has `*` then.
    pub tag: Option<Tag>,
    /// BAD with what was expected, or NO with a code.
    pub reply: Reply,
}

/// Reads one command.
pub fn decode(frame: &Frame, dialect: Dialect) -> Result<Request, DecodeError> {
    let mut cursor = Cursor::new(frame, dialect);
    let tag = Tag::new(cursor.take_while(|b| b != b' '));
    let Some(tag) = tag else {
        return Err(DecodeError { tag: None, reply: Reply::bad("Expected a tag") });
    };
    match command(&mut cursor) {
        Ok((spec, command)) => Ok(Request { tag, spec, command }),
        Err(Fail::Refused(reply)) => Err(DecodeError { tag: Some(tag), reply: *reply }),
        Err(Fail::Expected(what)) => {
            let text = format!("Expected {what} at byte {}", cursor.place() + 1);
            Err(DecodeError { tag: Some(tag), reply: Reply::bad(text) })
        }
    }
}

fn command(cursor: &mut Cursor<'_>) -> lexer::Result<(&'static Spec, Command)> {
    cursor.space()?;
    let mut name = cursor.atom("a command")?;
    let mut by = By::Seq;
    if name.eq_ignore_ascii_case("UID") {
        cursor.space()?;
        name = cursor.atom("a command")?;
        by = By::Uid;
    }
    let spec =
        table::find(name, by).ok_or(Fail::Expected("a command that is known before this"))?;
    let command = (spec.parse)(cursor, spec)?;
    cursor.end()?;
    Ok((spec, command))
}
