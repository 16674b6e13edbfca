//! Samples of real and hostile clients, as bytes and values.

mod commands;
mod framing;
mod properties;

use super::decode::{DecodeError, Dialect, decode};
use super::frame::{Event, Frame, Framer, Limits};
use super::types::*;

/// The one command in these bytes.
fn frame(bytes: &[u8]) -> Frame {
    let mut framer = Framer::new(Limits::after_login(50 << 20));
    framer.push(bytes);
    loop {
        match framer.next_event() {
            Some(Event::Command(frame)) => return frame,
            Some(Event::Literal(_)) => {}
            other => panic!("{other:?} in {:?}", String::from_utf8_lossy(bytes)),
        }
    }
}

fn decoded(line: &str, utf8: bool) -> Result<Request, DecodeError> {
    decode(&frame(format!("A1 {line}\r\n").as_bytes()), Dialect { utf8, ..Dialect::default() })
}

/// The command in a line without tag and line end.
fn command(line: &str) -> Command {
    decoded(line, false).unwrap_or_else(|e| panic!("{line}: {e:?}")).command
}

/// The refusal of such a line.
fn refusal(line: &str) -> Reply {
    match decoded(line, false) {
        Ok(request) => panic!("{line}: {request:?}"),
        Err(error) => error.reply,
    }
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

/// What `FETCH 1 …` asks for.
pub(super) fn fetch_items(items: &str) -> Vec<FetchItem> {
    match command(&format!("FETCH 1 {items}")) {
        Command::Fetch(args) => args.items,
        other => panic!("{other:?}"),
    }
}
