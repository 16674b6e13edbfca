//! Invitations and answers: what arrives with mail, and how somebody answers.

use crate::base::id::{AccountId, MailboxId, Uid};
use crate::base::uidset::UidSet;
use crate::domain::calendar::{account, home, send};
use crate::domain::scheduling::answering;
use crate::domain::scheduling::arriving::{self, Message, Outcome};
use crate::domain::scheduling::respond::{Answer, Responded, Response, Unanswerable, respond};
use crate::domain::scheduling::{self, Method, Own, cancelling};
use crate::domain::{Error, Result, collection, declined, item, mailbox, message};
use crate::format::ical::Series;
use crate::store::rows::collection::CollectionKind;
use crate::store::rows::mailbox::SpecialUse;
use crate::store::{Read, Tx};

/// What an arriving message has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    Added(MailboxId, Uid),
    Changed(MailboxId, Uid),
    /// Nothing; why, for the log.
    Nothing(&'static str),
}

/// The account's event of this UID, wherever it is.
pub fn find(
    read: &impl Read,
    account: AccountId,
    uid: &str,
) -> Result<Option<(MailboxId, Uid, Series)>> {
    for (calendar, place) in item::with_uid(read, account, CollectionKind::Calendar, uid)? {
        if let Ok(series) = Series::parse(&item::text(read, calendar, place)?)
            && series.uid() == uid
        {
            return Ok(Some((calendar, place, series)));
        }
    }
    Ok(None)
}

/// Takes up what a message says that arrives for an account. Nothing is sent: whoever is told
/// of a meeting answers later.
///
/// Fails only where the store does. A full mailbox, or an event that cannot be kept, loses the
/// event and not the mail.
pub fn arrive(tx: &mut Tx<'_>, to: AccountId, message: &Message) -> Result<Done> {
    match take_up(tx, to, message) {
        Err(Error::Store(error)) => Err(Error::Store(error)),
        Err(error) => {
            tracing::info!(account = %to, %error, "an invitation was not taken up");
            Ok(Done::Nothing("it cannot be kept"))
        }
        done => done,
    }
}

fn take_up(tx: &mut Tx<'_>, to: AccountId, message: &Message) -> Result<Done> {
    let row = account(tx, to)?;
    let found = find(tx, to, &message.uid())?;
    let stored = found.as_ref().map(|(.., series)| series);
    let calendars =
        std::iter::once(&message.series.calendar).chain(stored.map(|series| &series.calendar));
    let own = Own::of(tx, &row, calendars)?;
    let (home, now) = (home(&row), tx.now());
    if stored.is_none()
        && message.method == Method::Request
        && declined::is_known(tx, to, &message.series, &home)?
    {
        return Ok(Done::Nothing("it was declined"));
    }
    // Of an event, perhaps, some instances are here and the rest is still on its way.
    let whole = |series: &Series| series.master().is_some_and(|it| !it.has("RECURRENCE-ID"));
    let open = !stored.is_some_and(whole);
    if open && arriving::cancels(message, &own) {
        declined::remember_cancelled(tx, to, &message.series, &home)?;
    }
    let mut series = match arriving::apply(stored, message, &own, &home, now) {
        Outcome::Event(series) => series,
        Outcome::Nothing(why) => return Ok(Done::Nothing(why)),
    };
    // A cancellation may overtake the invitation.
    if open
        && message.method == Method::Request
        && let Some(known) = declined::cancelled(tx, to, &message.series, &home)?
    {
        let told = message.instances(None, &home);
        let all = !told.is_empty() && told.iter().all(|at| known.instances.contains(at));
        if all || known.instances.is_empty() {
            return Ok(Done::Nothing("it was cancelled"));
        }
        cancelling::leave_out(&mut series, &known.instances, known.version, &home);
    }
    let text = scheduling::seal(series, &home)?;
    match found {
        Some((calendar, uid, _)) => {
            item::change(tx, calendar, uid, text)?;
            Ok(Done::Changed(calendar, uid))
        }
        None => {
            let calendar = collection::default(tx, to, CollectionKind::Calendar)?.id;
            let item = item::add(tx, calendar, text)?;
            declined::forget(tx, to, &message.uid())?;
            Ok(Done::Added(calendar, item.uid))
        }
    }
}

/// Takes note of an invitation that the account's own client has sent. The client counts its
/// versions itself (phones up to 14.1 do); answers name the number that it used.
pub fn sent(tx: &mut Tx<'_>, from: AccountId, message: &Message) -> Result<()> {
    if !matches!(message.method, Method::Request | Method::Cancel) {
        return Ok(());
    }
    let Some((calendar, uid, stored)) = find(tx, from, &message.uid())? else { return Ok(()) };
    let row = account(tx, from)?;
    let own = Own::of(tx, &row, [&stored.calendar])?;
    let home = home(&row);
    if let Some(series) = answering::counted(&stored, message, &own, &home) {
        item::change(tx, calendar, uid, scheduling::seal(series, &home)?)?;
    }
    Ok(())
}

/// What somebody answers.
#[derive(Clone, Debug)]
pub enum Invitation {
    /// A message that invites, and where it lies. `repeated` says that the client asks again
    /// what was done before: the message has been moved since.
    Mail { mailbox: MailboxId, uid: Uid, message: Box<Message>, repeated: bool },
    /// An event that is in the calendar.
    Event { calendar: MailboxId, uid: Uid },
}

/// Answers an invitation. The event is in the calendar then, or leaves it if it is declined; the
/// message that invited goes to the trash; the organizer is told once. Returns where the event
/// is.
pub fn answer(
    tx: &mut Tx<'_>,
    by: AccountId,
    invitation: &Invitation,
    response: &Response,
) -> Result<Result<Option<(MailboxId, Uid)>, Unanswerable>> {
    let row = account(tx, by)?;
    let (home, now) = (home(&row), tx.now());
    let (found, series, about) = match invitation {
        Invitation::Event { calendar, uid } => {
            let Ok(series) = Series::parse(&item::text(tx, *calendar, *uid)?) else {
                return Ok(Err(Unanswerable::NoInvitation));
            };
            (Some((*calendar, *uid)), series, Vec::new())
        }
        Invitation::Mail { message, .. } if message.method != Method::Request => {
            return Ok(Err(Unanswerable::NoInvitation));
        }
        Invitation::Mail { message, repeated, .. } => {
            let found = find(tx, by, &message.uid())?;
            let about = message.instances(found.as_ref().map(|(.., series)| series), &home);
            match found {
                Some((calendar, uid, series)) => (Some((calendar, uid)), series, about),
                // Declined, and asked again; who now says yes has changed his mind.
                None if *repeated && response.answer == Answer::Declined => return Ok(Ok(None)),
                None => {
                    let own = Own::of(tx, &row, [&message.series.calendar])?;
                    (None, arriving::received(&message.series, &own, &home), about)
                }
            }
        }
    };
    let own = Own::of(tx, &row, [&series.calendar])?;
    let Responded { event, due } = match respond(&series, &about, response, &own, &home, now) {
        Ok(responded) => responded,
        // The message tells of an instance that the event does not have any more.
        Err(why) => return Ok(Err(why)),
    };
    match &event {
        None => declined::remember(tx, by, &series, &home)?,
        Some(event) if found.is_none() => declined::forget(tx, by, &event.uid())?,
        Some(_) => {}
    }
    let place = match (event, found) {
        (None, None) => None,
        (None, Some((calendar, uid))) => {
            item::remove(tx, calendar, uid)?;
            None
        }
        (Some(series), Some((calendar, uid))) => {
            item::change(tx, calendar, uid, scheduling::seal(series, &home)?)?;
            Some((calendar, uid))
        }
        (Some(series), None) => {
            let calendar = collection::default(tx, by, CollectionKind::Calendar)?.id;
            let item = item::add(tx, calendar, scheduling::seal(series, &home)?)?;
            Some((calendar, item.uid))
        }
    };
    if let Invitation::Mail { mailbox, uid, .. } = invitation {
        to_trash(tx, *mailbox, *uid)?;
    }
    send(tx, by, due.map(|due| (own, vec![due])))?;
    Ok(Ok(place))
}

fn to_trash(tx: &mut Tx<'_>, from: MailboxId, uid: Uid) -> Result<()> {
    let Some(trash) = mailbox::with_use(tx, from.account, SpecialUse::Trash)? else {
        return Ok(());
    };
    if trash.id != from {
        message::move_to(tx, from, &UidSet::range(uid.0, uid.0), trash.id)?;
    }
    Ok(())
}
