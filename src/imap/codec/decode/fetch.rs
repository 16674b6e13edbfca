//! FETCH, STORE, COPY, MOVE and UID EXPUNGE (RFC 9051 §6.4.5 to §6.4.9).

use std::borrow::Cow;

use crate::imap::codec::table::Spec;
use crate::imap::codec::types::*;

use super::lexer::{Cursor, Fail, Result};

const ITEM: &str = "something to fetch";

pub fn fetch(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    cursor.space()?;
    let set = cursor.message_set(spec.by)?;
    cursor.space()?;
    let items = if cursor.peek() == Some(b'(') {
        cursor.list(ITEM, fetch_items)?.into_iter().flatten().collect()
    } else {
        fetch_items(cursor)?
    };
    let mut args = FetchArgs { set, items, changed_since: None, vanished: false, partial: None };
    if !cursor.at_end() {
        cursor.space()?;
        fetch_modifiers(cursor, &mut args)?;
    }
    // RFC 7162 §3.2.6
    if args.vanished && (spec.by == By::Seq || args.changed_since.is_none()) {
        return Err(Fail::Expected("UID and CHANGEDSINCE together with VANISHED"));
    }
    Ok(Command::Fetch(args))
}

fn fetch_modifiers(cursor: &mut Cursor<'_>, args: &mut FetchArgs) -> Result<()> {
    cursor.list("fetch modifiers", |cursor| {
        let name = cursor.atom("a fetch modifier")?;
        if name.eq_ignore_ascii_case("CHANGEDSINCE") {
            cursor.space()?;
            args.changed_since = Some(cursor.number64("a modification sequence")?);
        } else if name.eq_ignore_ascii_case("VANISHED") {
            args.vanished = true;
        } else if name.eq_ignore_ascii_case("PARTIAL") {
            cursor.space()?;
            args.partial = Some(partial_range(cursor)?);
        } else {
            return Err(Fail::Expected("a fetch modifier"));
        }
        Ok(())
    })?;
    Ok(())
}

/// `1:500` or `-1:-500` (RFC 9394 §4).
pub(super) fn partial_range(cursor: &mut Cursor<'_>) -> Result<PartialRange> {
    const WHAT: &str = "a range such as 1:500 or -1:-500";
    let from = if cursor.peek() == Some(b'-') { Side::End } else { Side::Start };
    let mut place = || {
        if cursor.eat(b'-') != (from == Side::End) {
            return Err(Fail::Expected(WHAT));
        }
        let place = cursor.number(WHAT)?;
        Ok((place, cursor.eat(b':')))
    };
    let (first, colon) = place()?;
    if !colon {
        return Err(Fail::Expected(WHAT));
    }
    let (last, _) = place()?;
    PartialRange::new(from, first, last).ok_or(Fail::Expected(WHAT))
}

/// One item, or what a macro stands for (RFC 9051 §6.4.5).
pub(super) fn fetch_items(cursor: &mut Cursor<'_>) -> Result<Vec<FetchItem>> {
    use FetchItem::*;
    let name = cursor.take_while(|b| b.is_ascii_alphanumeric() || b == b'.');
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    if is("ALL") {
        return Ok(vec![Flags, InternalDate, Rfc822Size, Envelope]);
    }
    if is("FAST") {
        return Ok(vec![Flags, InternalDate, Rfc822Size]);
    }
    if is("FULL") {
        return Ok(vec![Flags, InternalDate, Rfc822Size, Envelope, Body]);
    }
    fetch_item(cursor, name).map(|item| vec![item])
}

/// Items without arguments.
const SIMPLE: &[(&str, FetchItem)] = &[
    ("FLAGS", FetchItem::Flags),
    ("UID", FetchItem::Uid),
    ("INTERNALDATE", FetchItem::InternalDate),
    ("RFC822.SIZE", FetchItem::Rfc822Size),
    ("ENVELOPE", FetchItem::Envelope),
    ("BODYSTRUCTURE", FetchItem::BodyStructure),
    ("MODSEQ", FetchItem::ModSeq),
    ("RFC822", FetchItem::Rfc822),
    ("RFC822.HEADER", FetchItem::Rfc822Header),
    ("RFC822.TEXT", FetchItem::Rfc822Text),
    ("EMAILID", FetchItem::EmailId),
    ("THREADID", FetchItem::ThreadId),
    ("SAVEDATE", FetchItem::SaveDate),
];

fn fetch_item(cursor: &mut Cursor<'_>, name: &[u8]) -> Result<FetchItem> {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    if let Some((_, item)) = SIMPLE.iter().find(|(simple, _)| is(simple)) {
        return Ok(item.clone());
    }
    let peek = is("BODY.PEEK");
    if peek || is("BODY") {
        if !peek && cursor.peek() != Some(b'[') {
            return Ok(FetchItem::Body);
        }
        cursor.expect(b'[', "a section")?;
        let section = section(cursor)?;
        cursor.expect(b']', "the end of a section")?;
        return Ok(FetchItem::Section { peek, section, partial: partial(cursor)? });
    }
    let peek = is("BINARY.PEEK");
    if peek || is("BINARY") || is("BINARY.SIZE") {
        cursor.expect(b'[', "a part")?;
        let (part, text) = part_path(cursor)?;
        if text || cursor.peek() != Some(b']') {
            return Err(Fail::Expected("a part's number"));
        }
        cursor.eat(b']');
        if is("BINARY.SIZE") {
            return Ok(FetchItem::BinarySize(part));
        }
        return Ok(FetchItem::Binary { peek, part, partial: partial(cursor)? });
    }
    if is("PREVIEW") {
        return preview(cursor);
    }
    Err(Fail::Expected(ITEM))
}

/// Behind PREVIEW: `(LAZY)` or nothing (RFC 8970 §3.1).
fn preview(cursor: &mut Cursor<'_>) -> Result<FetchItem> {
    let mut ahead = cursor.ahead();
    ahead.spaces();
    // Without parentheses around the items, what follows may be the fetch modifiers.
    if ahead.eat(b'(') && ahead.peek_word().eq_ignore_ascii_case("LAZY") {
        cursor.spaces();
        cursor.list("(LAZY)", |cursor| match cursor.eat_word("LAZY") {
            true => Ok(()),
            false => Err(Fail::Expected("LAZY")),
        })?;
        return Ok(FetchItem::Preview { lazy: true });
    }
    Ok(FetchItem::Preview { lazy: false })
}

/// `section-spec` up to the bracket that closes it.
pub(super) fn section(cursor: &mut Cursor<'_>) -> Result<Section> {
    let (part, text) = part_path(cursor)?;
    if !text {
        return Ok(Section { part, text: SectionText::All });
    }
    let name = cursor.take_while(|b| b.is_ascii_alphabetic() || b == b'.');
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let text = if is("HEADER") {
        SectionText::Header
    } else if is("TEXT") {
        SectionText::Text
    } else if is("MIME") && !part.is_root() {
        SectionText::Mime
    } else if is("HEADER.FIELDS") {
        SectionText::HeaderFields(field_names(cursor)?)
    } else if is("HEADER.FIELDS.NOT") {
        SectionText::HeaderFieldsNot(field_names(cursor)?)
    } else {
        return Err(Fail::Expected("a section"));
    };
    Ok(Section { part, text })
}

/// The numbers of a section, and whether a text's name follows them.
fn part_path(cursor: &mut Cursor<'_>) -> Result<(PartPath, bool)> {
    let mut numbers = Vec::new();
    loop {
        if !cursor.peek().is_some_and(|b| b.is_ascii_digit()) {
            // Behind a dot a name must follow; at the start `[]` may.
            let text =
                !numbers.is_empty() || cursor.peek().is_some_and(|b| b.is_ascii_alphabetic());
            let path = PartPath::new(&numbers).ok_or(Fail::Expected("fewer levels of parts"))?;
            return Ok((path, text));
        }
        numbers.push(cursor.nonzero("a part's number")?.get());
        if numbers.len() > PartPath::MAX_DEPTH {
            return Err(Fail::Expected("fewer levels of parts"));
        }
        if !cursor.eat(b'.') {
            let path = PartPath::new(&numbers).ok_or(Fail::Expected("a part's number"))?;
            return Ok((path, false));
        }
    }
}

fn field_names(cursor: &mut Cursor<'_>) -> Result<Vec<FieldName>> {
    const WHAT: &str = "a header field's name";
    cursor.space()?;
    cursor.list("a list of header fields", |cursor| {
        let name: Cow<'_, [u8]> = cursor.astring(WHAT)?;
        FieldName::new(&name).ok_or(Fail::Expected(WHAT))
    })
}

/// `<offset.length>` or nothing.
pub(super) fn partial(cursor: &mut Cursor<'_>) -> Result<Option<Partial>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let offset = cursor.number64("an offset")?;
    cursor.expect(b'.', "a length")?;
    let length = cursor.number64("a length")?;
    cursor.expect(b'>', "the end of <offset.length>")?;
    Ok(Some(Partial { offset, length }))
}

pub fn store(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    cursor.space()?;
    let set = cursor.message_set(spec.by)?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        cursor.list("store modifiers", |cursor| {
            if !cursor.eat_word("UNCHANGEDSINCE") {
                return Err(Fail::Expected("UNCHANGEDSINCE"));
            }
            cursor.space()?;
            unchanged_since = Some(cursor.number64("a modification sequence")?);
            Ok(())
        })?;
        cursor.space()?;
    }
    let op = if cursor.eat(b'+') {
        FlagOp::Add
    } else if cursor.eat(b'-') {
        FlagOp::Remove
    } else {
        FlagOp::Replace
    };
    let silent = match cursor.word() {
        word if word.eq_ignore_ascii_case("FLAGS") => false,
        word if word.eq_ignore_ascii_case("FLAGS.SILENT") => true,
        _ => return Err(Fail::Expected("FLAGS or FLAGS.SILENT")),
    };
    cursor.space()?;
    let flags = if cursor.peek() == Some(b'(') { cursor.flag_list()? } else { bare_flags(cursor)? };
    Ok(Command::Store(StoreArgs { set, op, silent, flags, unchanged_since }))
}

/// Flags without parentheses around them.
fn bare_flags(cursor: &mut Cursor<'_>) -> Result<Vec<Flag>> {
    let mut flags = Vec::new();
    loop {
        flags.extend(cursor.flag()?);
        if cursor.at_end() {
            return Ok(flags);
        }
        cursor.space()?;
    }
}

pub fn copy(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    copy_args(cursor, spec).map(Command::Copy)
}

pub fn r#move(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    copy_args(cursor, spec).map(Command::Move)
}

fn copy_args(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<CopyArgs> {
    cursor.space()?;
    let set = cursor.message_set(spec.by)?;
    cursor.space()?;
    Ok(CopyArgs { set, mailbox: cursor.mailbox()? })
}

pub fn uid_expunge(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    cursor.sequence_set().map(Command::UidExpunge)
}
