//! APPEND (RFC 9051 §6.3.12) with MULTIAPPEND, BINARY, CATENATE and UTF8, and REPLACE (RFC 8508).

use crate::imap::codec::date::DateTime;
use crate::imap::codec::frame::Frame;
use crate::imap::codec::table::Spec;
use crate::imap::codec::types::*;

use super::Dialect;
use super::lexer::{Cursor, Fail, Result, refuse};
use super::url;

pub fn append(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let mailbox = cursor.mailbox()?;
    let mut messages = Vec::new();
    loop {
        cursor.space()?;
        messages.push(message(cursor)?);
        if cursor.at_end() {
            return Ok(Command::Append(AppendArgs { mailbox, messages }));
        }
    }
}

pub fn replace(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    cursor.space()?;
    let number = if cursor.eat(b'*') { None } else { Some(cursor.nonzero("a message's number")?) };
    cursor.space()?;
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let message = message(cursor)?;
    Ok(Command::Replace(ReplaceArgs { by: spec.by, number, mailbox, message }))
}

/// `[flag-list SP] [date-time SP] append-data`
fn message(cursor: &mut Cursor<'_>) -> Result<AppendMessage> {
    let mut flags = Vec::new();
    if cursor.peek() == Some(b'(') {
        flags = cursor.flag_list()?;
        cursor.space()?;
    }
    let mut date = None;
    if cursor.peek() == Some(b'"') {
        const WHAT: &str = "a date and time";
        let text = cursor.string(WHAT)?;
        date = Some(DateTime::parse(&text).ok_or(Fail::Expected(WHAT))?);
        cursor.space()?;
    }
    Ok(AppendMessage { flags, date, source: source(cursor)? })
}

fn source(cursor: &mut Cursor<'_>) -> Result<AppendSource> {
    if cursor.at_literal() {
        return payload(cursor).map(AppendSource::Whole);
    }
    let word = cursor.atom("a literal, UTF8 or CATENATE")?;
    if word.eq_ignore_ascii_case("UTF8") {
        cursor.spaces();
        cursor.expect(b'(', "UTF8 (~{…})")?;
        let payload = payload(cursor)?;
        cursor.expect(b')', "the end of UTF8 (~{…})")?;
        Ok(AppendSource::Utf8(payload))
    } else if word.eq_ignore_ascii_case("CATENATE") {
        cursor.spaces();
        let parts = cursor.list("a list of parts", catenate_part)?;
        if parts.is_empty() {
            return Err(Fail::Expected("parts to catenate before this"));
        }
        Ok(AppendSource::Catenate(parts))
    } else {
        Err(Fail::Expected("a literal, UTF8 or CATENATE before this"))
    }
}

/// A message of at least one byte. An empty one is how a client gives up a MULTIAPPEND
/// (RFC 3502 §6.3.11), and no message otherwise.
fn payload(cursor: &mut Cursor<'_>) -> Result<Payload> {
    let payload = cursor.payload()?;
    if payload.size() == 0 {
        return refuse(Reply::no("An empty message cannot be appended").with(Code::Cannot));
    }
    Ok(payload)
}

fn catenate_part(cursor: &mut Cursor<'_>) -> Result<CatenatePart> {
    let word = cursor.atom("TEXT or URL")?;
    cursor.space()?;
    if word.eq_ignore_ascii_case("TEXT") {
        cursor.payload().map(CatenatePart::Text)
    } else if word.eq_ignore_ascii_case("URL") {
        Ok(CatenatePart::Url(url::parse(cursor.text("an IMAP URL")?)))
    } else {
        Err(Fail::Expected("TEXT or URL"))
    }
}

/// The mailbox of an APPEND or REPLACE that is not yet complete, so that a literal for a
/// mailbox that does not exist can be refused before it is sent.
pub fn append_mailbox(pending: &Frame, dialect: Dialect) -> Option<MailboxName> {
    let mut cursor = Cursor::new(pending, dialect);
    Tag::new(cursor.take_while(|b| b != b' '))?;
    cursor.space().ok()?;
    if cursor.eat_word("UID") {
        cursor.space().ok()?;
    }
    match cursor.word() {
        word if word.eq_ignore_ascii_case("APPEND") => {}
        word if word.eq_ignore_ascii_case("REPLACE") => {
            cursor.space().ok()?;
            cursor.take_while(|b| b != b' ');
        }
        _ => return None,
    }
    cursor.space().ok()?;
    cursor.mailbox().ok()
}
