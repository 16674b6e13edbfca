//! Events: what is kept, and what their other participants must be told of a change.
//!
//! Every front changes events here. What must be sent is decided by comparing the event before
//! and after ([`scheduling`]), and stands in the outbox in the same transaction: whatever client
//! made the change, each participant is told once, or by the client itself.

use jiff::tz::TimeZone;

use crate::base::id::{AccountId, MailboxId, Uid};
use crate::base::zone;
use crate::domain::item::{self, Text};
use crate::domain::outbox::{self, Mail};
use crate::domain::scheduling::difference::Difference;
use crate::domain::scheduling::{self, Due, Own, declining, letter};
use crate::domain::{Error, Result, declined};
use crate::format::ical::{Component, Property, Series};
use crate::store::rows::account::Account;
use crate::store::rows::item::Item;
use crate::store::{Read, Tx};

/// Who tells the other participants of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sends {
    /// The client sends the mail itself: phones up to protocol version 14.1, imports.
    Client,
    /// The server does: phones from 16.0 on, the web, CalDAV.
    Server,
}

/// Puts a new event into a calendar. Fails as [`item::add`] does.
pub fn add(tx: &mut Tx<'_>, to: MailboxId, text: Text, sends: Sends) -> Result<Item> {
    let (text, due) = weigh(tx, to.account, None, text, sends)?;
    let item = item::add(tx, to, text)?;
    send(tx, to.account, due)?;
    Ok(item)
}

/// Gives an event a new text. Fails as [`item::change`] does.
pub fn change(tx: &mut Tx<'_>, of: MailboxId, uid: Uid, text: Text, sends: Sends) -> Result<Item> {
    let old = item::text(tx, of, uid)?;
    let (text, due) = weigh(tx, of.account, Some(&old), text, sends)?;
    let item = item::change(tx, of, uid, text)?;
    send(tx, of.account, due)?;
    Ok(item)
}

/// Removes an event; `NotFound` if it is gone already. An organizer's meeting is cancelled by
/// it, an invitation declined.
pub fn remove(tx: &mut Tx<'_>, of: MailboxId, uid: Uid, sends: Sends) -> Result<Item> {
    let old = item::text(tx, of, uid)?;
    let mut due = None;
    if is_meeting(&old)
        && let Ok(old) = Series::parse(&old)
    {
        let account = account(tx, of.account)?;
        let own = Own::of(tx, &account, [&old.calendar])?;
        let (home, now) = (home(&account), tx.now());
        let foreign = |event: &Component| event.has("ORGANIZER") && !own.organizes(event);
        if old.master().is_some_and(foreign) {
            declined::remember(tx, of.account, &old, &home)?;
        }
        if sends == Sends::Server {
            let series = Some(&old);
            let messages = Difference { old: series, new: None, own: &own, home: &home, now }.due();
            due = Some((own, messages));
        }
    }
    let item = item::remove(tx, of, uid)?;
    send(tx, of.account, due)?;
    Ok(item)
}

/// The zone that an account's times without one stand in: its own, or else the office's.
pub fn home(account: &Account) -> TimeZone {
    own_zone(account).unwrap_or_else(zone::office)
}

/// The zone that was set for an account.
pub fn own_zone(account: &Account) -> Option<TimeZone> {
    account.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok())
}

/// Most events are nobody else's; they are not even parsed.
fn is_meeting(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"ATTENDEE").is_some()
}

pub(super) fn account(read: &impl Read, id: AccountId) -> Result<Account> {
    read.account(id)?.ok_or(Error::NotFound("account"))
}

type Dues = Option<(Own, Vec<Due>)>;

/// What an event's new text calls for, and the text as it is kept then.
fn weigh(
    tx: &mut Tx<'_>,
    of: AccountId,
    old: Option<&str>,
    text: Text,
    sends: Sends,
) -> Result<(Text, Dues)> {
    if !is_meeting(&text.text) && !old.is_some_and(is_meeting) {
        return Ok((text, None));
    }
    let Ok(mut new) = Series::parse(&text.text) else { return Ok((text, None)) };
    let old = old.and_then(|old| Series::parse(old).ok());
    let account = account(tx, of)?;
    let mut named = lead(&mut new, old.as_ref(), &account);
    let calendars = std::iter::once(&new.calendar).chain(old.as_ref().map(|old| &old.calendar));
    let own = Own::of(tx, &account, calendars)?;
    let (home, now) = (home(&account), tx.now());
    if let Some(old) = &old {
        named |= declining::mark(old, &mut new, &own, &home);
    }
    if sends == Sends::Client {
        let text = if named { scheduling::seal(new, &home)? } else { text };
        return Ok((text, None));
    }
    let before = new.clone();
    let difference =
        Difference { old: old.as_ref(), new: Some(&mut new), own: &own, home: &home, now };
    let due = difference.due();
    let same = new == before && !named;
    let text = if same { text } else { scheduling::seal(new, &home)? };
    Ok((text, Some((own, due))))
}

/// A meeting needs an organizer (RFC 5546 §3.2.2): who makes it, where the client named nobody.
/// Instances have the same one as their event. Says whether one was put in.
fn lead(new: &mut Series, old: Option<&Series>, account: &Account) -> bool {
    let organizer = |series: &Series| {
        series.calendar.children("VEVENT").find_map(|event| event.first("ORGANIZER")).cloned()
    };
    let known = organizer(new).or_else(|| old.and_then(organizer)).unwrap_or_else(|| {
        let line = Property::new("ORGANIZER", format!("mailto:{}", account.address));
        match account.display_name.is_empty() {
            true => line,
            false => line.with("CN", &account.display_name),
        }
    });
    let mut named = false;
    for event in new.calendar.children_mut("VEVENT") {
        if event.has("ATTENDEE") && !event.has("ORGANIZER") {
            event.push(known.clone());
            named = true;
        }
    }
    named
}

/// Puts messages into the outbox.
pub(super) fn send(tx: &mut Tx<'_>, from: AccountId, due: Dues) -> Result<()> {
    let Some((own, due)) = due else { return Ok(()) };
    let (home, now) = (home(&account(tx, from)?), tx.now());
    for message in due {
        let mail = Mail {
            account: from,
            sender: Some(own.address.clone()),
            recipients: letter::recipients(&message),
            raw: letter::write(&message, &own, &home, now),
            keep: true,
        };
        outbox::put(tx, mail)?;
    }
    Ok(())
}
