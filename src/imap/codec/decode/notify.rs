//! NOTIFY (RFC 5465 §8) and ESEARCH (RFC 7377 §5), which name mailboxes in the same way.

use crate::imap::codec::table::Spec;
use crate::imap::codec::types::*;

use super::fetch::fetch_items;
use super::lexer::{Cursor, Fail, Result, refuse};
use super::search;

/// The events that can be asked for, as `[BADEVENT …]` tells them.
const EVENTS: &[&str] = &[
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
];

pub fn notify(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    if cursor.eat_word("NONE") {
        return Ok(Command::Notify(NotifyArgs::None));
    }
    if !cursor.eat_word("SET") {
        return Err(Fail::Expected("SET or NONE"));
    }
    cursor.space()?;
    let status = cursor.eat_word("STATUS");
    if status {
        cursor.space()?;
    }
    let mut groups = Vec::new();
    loop {
        groups.push(event_group(cursor)?);
        if cursor.at_end() {
            return Ok(Command::Notify(NotifyArgs::Set { status, groups }));
        }
        // Between groups the grammar has a space; RFC 5465's own examples are without.
        cursor.spaces();
    }
}

/// `(filter-mailboxes events)`
fn event_group(cursor: &mut Cursor<'_>) -> Result<EventGroup> {
    cursor.expect(b'(', "mailboxes and events in parentheses")?;
    cursor.spaces();
    let mailboxes = mailbox_filter(cursor)?;
    if matches!(mailboxes, MailboxFilter::SubtreeOne(_)) {
        return Err(Fail::Expected("subtree before this"));
    }
    cursor.space()?;
    let mut events = Vec::new();
    if cursor.peek() == Some(b'(') {
        events = cursor.list("a list of events or NONE", event)?;
        cursor.spaces();
    } else if !cursor.eat_word("NONE") {
        // The examples of RFC 5465 leave out the list's parentheses.
        while cursor.peek() != Some(b')') {
            events.push(event(cursor)?);
            cursor.spaces();
        }
    }
    cursor.spaces();
    cursor.expect(b')', "the end of the event group")?;
    let selected = matches!(mailboxes, MailboxFilter::Selected | MailboxFilter::SelectedDelayed);
    if selected && events.iter().any(|event| !event.is_of_messages()) {
        return Err(Fail::Expected("events of messages with the selected mailbox before this"));
    }
    // RFC 5465 §5.1 and §5.2: new and expunged messages go together, and changed flags need both.
    let has = |name: &str| events.iter().any(|event| event.name() == name);
    let (new, gone) = (has("MessageNew"), has("MessageExpunge"));
    if new != gone || (has("FlagChange") && !new) {
        return Err(Fail::Expected("MessageNew and MessageExpunge together before this"));
    }
    Ok(EventGroup { mailboxes, events })
}

fn event(cursor: &mut Cursor<'_>) -> Result<NotifyEvent> {
    let name = cursor.atom("an event")?;
    Ok(match name.to_ascii_lowercase().as_str() {
        "messagenew" => NotifyEvent::MessageNew(fetch_list(cursor)?),
        "messageexpunge" => NotifyEvent::MessageExpunge,
        "flagchange" => NotifyEvent::FlagChange,
        "mailboxname" => NotifyEvent::MailboxName,
        "subscriptionchange" => NotifyEvent::SubscriptionChange,
        "mailboxmetadatachange" => NotifyEvent::MailboxMetadataChange,
        "servermetadatachange" => NotifyEvent::ServerMetadataChange,
        _ => return refuse(Reply::no("This event is not known").with(Code::BadEvent(EVENTS))),
    })
}

/// What MessageNew is to bring along: a list in parentheses, or nothing.
fn fetch_list(cursor: &mut Cursor<'_>) -> Result<Vec<FetchItem>> {
    let mut ahead = cursor.ahead();
    ahead.spaces();
    if ahead.peek() != Some(b'(') {
        return Ok(Vec::new());
    }
    cursor.spaces();
    let items = cursor.list("a list of things to fetch", fetch_items)?;
    Ok(items.into_iter().flatten().collect())
}

fn mailbox_filter(cursor: &mut Cursor<'_>) -> Result<MailboxFilter> {
    let name = cursor.atom("which mailboxes")?;
    Ok(match name.to_ascii_lowercase().as_str() {
        "selected" => MailboxFilter::Selected,
        "selected-delayed" => MailboxFilter::SelectedDelayed,
        "inboxes" => MailboxFilter::Inboxes,
        "personal" => MailboxFilter::Personal,
        "subscribed" => MailboxFilter::Subscribed,
        "subtree" => MailboxFilter::Subtree(one_or_more_mailboxes(cursor)?),
        "subtree-one" => MailboxFilter::SubtreeOne(one_or_more_mailboxes(cursor)?),
        "mailboxes" => MailboxFilter::Mailboxes(one_or_more_mailboxes(cursor)?),
        _ => return Err(Fail::Expected("which mailboxes before this")),
    })
}

fn one_or_more_mailboxes(cursor: &mut Cursor<'_>) -> Result<Vec<MailboxName>> {
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        cursor.list("mailboxes", Cursor::mailbox)
    } else {
        Ok(vec![cursor.mailbox()?])
    }
}

pub fn esearch(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    let mut sources = Vec::new();
    let mut ahead = cursor.ahead();
    ahead.space()?;
    if ahead.eat_word("IN") {
        *cursor = ahead;
        cursor.space()?;
        sources = cursor.list("(…) with mailboxes", |cursor| {
            // There are no scope options; a list of them may be there, but nothing in it.
            if cursor.peek() == Some(b'(') {
                return cursor.list("no scope options", scope_option).map(|_| None);
            }
            mailbox_filter(cursor).map(Some)
        })?;
        if sources.iter().flatten().next().is_none() {
            return Err(Fail::Expected("which mailboxes before this"));
        }
    }
    let returns = search::returns(cursor)?;
    let key = search::program(cursor)?;
    let sources = sources.into_iter().flatten().collect();
    Ok(Command::Esearch(EsearchArgs { sources, returns, key }))
}

fn scope_option(_: &mut Cursor<'_>) -> Result<()> {
    Err(Fail::Expected("no scope options"))
}
