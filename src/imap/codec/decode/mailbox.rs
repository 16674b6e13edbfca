//! Commands about mailboxes: SELECT, CREATE, LIST, STATUS and their like.

use crate::imap::codec::table::Spec;
use crate::imap::codec::types::*;

use super::account::entry_names;
use super::lexer::{Cursor, Fail, Result, refuse};

pub fn select(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    select_args(cursor, Access::ReadWrite)
}

pub fn examine(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    select_args(cursor, Access::ReadOnly)
}

fn select_args(cursor: &mut Cursor<'_>, access: Access) -> Result<Command> {
    cursor.space()?;
    let mailbox = cursor.mailbox()?;
    let mut args = SelectArgs { mailbox, access, condstore: false, qresync: None };
    if !cursor.at_end() {
        cursor.space()?;
        // eM Client sends `(CONDSTORE QRESYNC (…))`.
        cursor.list("select parameters", |cursor| {
            let name = cursor.atom("CONDSTORE or QRESYNC")?;
            if name.eq_ignore_ascii_case("CONDSTORE") {
                args.condstore = true;
            } else if name.eq_ignore_ascii_case("QRESYNC") {
                cursor.space()?;
                args.qresync = Some(qresync(cursor)?);
            } else {
                return Err(Fail::Expected("CONDSTORE or QRESYNC"));
            }
            Ok(())
        })?;
    }
    Ok(Command::Select(args))
}

/// `(uidvalidity modseq [known-uids] [(seqs uids)])` (RFC 7162 §3.2.5).
fn qresync(cursor: &mut Cursor<'_>) -> Result<QResync> {
    cursor.expect(b'(', "QRESYNC's parameters")?;
    cursor.spaces();
    let uid_validity = cursor.nonzero("a UIDVALIDITY")?;
    cursor.space()?;
    let modseq = cursor.number64("a modification sequence")?;
    let (mut known, mut matches) = (None, None);
    cursor.spaces();
    if !matches!(cursor.peek(), Some(b')' | b'(')) {
        known = Some(cursor.uid_set()?);
        cursor.spaces();
    }
    if cursor.eat(b'(') {
        let seqs = cursor.uid_set()?;
        cursor.space()?;
        let uids = cursor.uid_set()?;
        cursor.expect(b')', "the end of the matching numbers")?;
        if seqs.len() != uids.len() {
            return Err(Fail::Expected("as many UIDs as message numbers before this"));
        }
        matches = Some((seqs, uids));
        cursor.spaces();
    }
    cursor.expect(b')', "the end of QRESYNC's parameters")?;
    Ok(QResync { uid_validity, modseq, known, matches })
}

pub fn create(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let mailbox = cursor.mailbox()?;
    let mut uses = Vec::new();
    if !cursor.at_end() {
        cursor.space()?;
        cursor.expect(b'(', "(USE (…))")?;
        if !cursor.eat_word("USE") {
            return Err(Fail::Expected("USE"));
        }
        cursor.space()?;
        uses = cursor.list("a list of uses", |cursor| {
            cursor.expect(b'\\', "a use such as \\Sent")?;
            let name = cursor.atom("a use such as \\Sent")?;
            match SpecialUse::parse(&format!("\\{name}")) {
                Some(special_use) => Ok(special_use),
                None => refuse(Reply::no("This use is not known").with(Code::UseAttr)),
            }
        })?;
        cursor.expect(b')', "the end of (USE (…))")?;
    }
    Ok(Command::Create(CreateArgs { mailbox, uses }))
}

/// Commands whose only argument is a mailbox.
macro_rules! one_mailbox {
    ($($name:ident => $command:ident),+ $(,)?) => {$(
        pub fn $name(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
            cursor.space()?;
            cursor.mailbox().map(Command::$command)
        }
    )+};
}

one_mailbox! {
    delete => Delete,
    subscribe => Subscribe,
    unsubscribe => Unsubscribe,
}

pub fn rename(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let from = cursor.mailbox()?;
    cursor.space()?;
    Ok(Command::Rename { from, to: cursor.mailbox()? })
}

pub fn status(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    Ok(Command::Status(StatusArgs { mailbox, items: status_items(cursor)? }))
}

pub(super) fn status_items(cursor: &mut Cursor<'_>) -> Result<StatusItems> {
    const WHAT: &str = "a status item";
    let items = cursor.list("a list of status items", |cursor| {
        let name = cursor.atom(WHAT)?;
        let known = StatusItem::ALL.iter().find(|(_, n)| n.eq_ignore_ascii_case(name));
        known.map(|(item, _)| *item).ok_or(Fail::Expected(WHAT))
    })?;
    Ok(items.into_iter().collect())
}

pub fn list(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let (mut select, mut extended) = (ListSelect::default(), false);
    if cursor.peek() == Some(b'(') {
        select = list_select(cursor)?;
        extended = true;
        cursor.space()?;
    }
    let mut args = list_args(cursor, ListKind::List, extended)?;
    args.select = select;
    if !cursor.at_end() {
        cursor.space()?;
        if !cursor.eat_word("RETURN") {
            return Err(Fail::Expected("RETURN"));
        }
        cursor.space()?;
        args.returns = list_return(cursor)?;
    }
    Ok(Command::List(args))
}

pub fn lsub(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    list_args(cursor, ListKind::Lsub, false).map(Command::List)
}

pub fn xlist(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    list_args(cursor, ListKind::Xlist, false).map(Command::List)
}

/// Each pattern is matched against each mailbox, so there cannot be any number of them.
const PATTERNS_MAX: usize = 100;

/// Reference and patterns.
fn list_args(cursor: &mut Cursor<'_>, kind: ListKind, extended: bool) -> Result<ListArgs> {
    let reference = cursor.astring("a reference name")?;
    cursor.space()?;
    let several = cursor.peek() == Some(b'(');
    let patterns =
        if several { cursor.list("patterns", list_pattern)? } else { vec![list_pattern(cursor)?] };
    if patterns.len() > PATTERNS_MAX {
        return refuse(Reply::no("Too many patterns in one command").with(Code::Limit));
    }
    // `LIST "" ""` asks for the delimiter, but only in its basic form (RFC 5258 §3.1).
    let delimiter = !several && !extended && patterns.iter().all(|p| p.is_empty());
    let patterns = patterns.iter().filter(|_| !delimiter).map(|pattern| {
        let whole = [&*reference, pattern].concat();
        // What is not well encoded names nothing; as it stands it matches nothing either.
        let text = cursor.name(&whole).unwrap_or_else(|| String::from_utf8_lossy(&whole).into());
        ListPattern::new(&text)
    });
    let patterns = patterns.collect();
    Ok(ListArgs { kind, patterns, select: ListSelect::default(), returns: ListReturn::default() })
}

fn list_pattern(cursor: &mut Cursor<'_>) -> Result<Vec<u8>> {
    let list_char = |b| is_astring_char(b) || matches!(b, b'%' | b'*');
    Ok(cursor.string_or("a mailbox pattern", list_char)?.into_owned())
}

fn list_select(cursor: &mut Cursor<'_>) -> Result<ListSelect> {
    let mut select = ListSelect::default();
    cursor.list("selection options", |cursor| {
        match cursor.atom("a selection option")?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "REMOTE" => select.remote = true,
            "RECURSIVEMATCH" => select.recursive_match = true,
            "SPECIAL-USE" => select.special_use = true,
            _ => return Err(Fail::Expected("a selection option before this")),
        }
        Ok(())
    })?;
    // RFC 5258 §3.1: it modifies another option, and REMOTE is not one it can modify.
    if select.recursive_match && !select.subscribed && !select.special_use {
        return Err(Fail::Expected("another selection option with RECURSIVEMATCH"));
    }
    Ok(select)
}

fn list_return(cursor: &mut Cursor<'_>) -> Result<ListReturn> {
    let mut returns = ListReturn::default();
    cursor.list("return options", |cursor| {
        match cursor.atom("a return option")?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => returns.special_use = true,
            "STATUS" => {
                cursor.space()?;
                returns.status = Some(status_items(cursor)?);
            }
            "METADATA" => {
                cursor.space()?;
                returns.metadata = Some(entry_names(cursor)?);
            }
            _ => return Err(Fail::Expected("a return option before this")),
        }
        Ok(())
    })?;
    Ok(returns)
}
