//! SmartReply and SmartForward: the phone sends what was written, the server adds the original,
//! which the phone may have but a part of. MS-ASCMD 2.2.1.19, 2.2.1.20.

use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::item;
use crate::domain::scheduling::respond::instance_at;
use crate::eas::answer::{Answer, Failure, common};
use crate::eas::cmd::meeting_response::time;
use crate::eas::cmd::send_mail::{self, Posted, Source};
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::outgoing::{self, Outgoing, Verb};
use crate::eas::parts::{File, Part};
use crate::eas::quote::{Enclosed, Form, Original, date, weave};
use crate::eas::render::Unrenderable;
use crate::eas::render::email::source;
use crate::eas::session::Session;
use crate::eas::shown::Item;
use crate::eas::version::Version;
use crate::format::ical::{Component, Event, Series};
use crate::format::mime::{self, Address};
use crate::store::rows::collection::CollectionKind;
use crate::store::{Read, Snapshot};

/// Of an attachment that an event was forwarded as.
const EVENT_FILE: &str = "event.ics";

pub(super) async fn reply(session: Session) -> Result<Answer, Failure> {
    run(session, Form::Reply).await
}

pub(super) async fn forward(session: Session) -> Result<Answer, Failure> {
    run(session, Form::Forward).await
}

async fn run(session: Session, form: Form) -> Result<Answer, Failure> {
    let Posted { mime, save, token, replace_mime, source, forwardees } = send_mail::read(&session)?;
    // Its original may be gone by now.
    if outgoing::was_sent(&session, token)? {
        return Ok(Answer::Empty);
    }
    let mut own = outgoing::repaired(mime);
    if !forwardees.is_empty() && recipients(&own) == 0 {
        let all = forwardees.iter().map(|(name, address)| (Some(name.as_str()), address.as_str()));
        let to = mime::Letter::header().mailboxes("To", all).fields();
        own = [to.as_slice(), &own].concat().into();
    }
    let verb = match form {
        Form::Forward => Verb::Forward,
        Form::Reply if recipients(&own) > 1 => Verb::ReplyToAll,
        Form::Reply => Verb::Reply,
    };
    let found = source.as_ref().map(|source| find(&session.read(), session.account.id, source));
    let found = found.transpose()?.flatten();
    let instance = source.and_then(|source| source.instance);
    let instance = match instance.filter(|text| !text.trim().is_empty()) {
        Some(text) => Some(time(&text).ok_or(Failure::Common(common::INVALID_DATE))?),
        None => None,
    };
    // What is large is held by a few at a time.
    let _held = match found.filter(|_| !replace_mime) {
        Some(item) => outgoing::hold(&session, item.id, item.uid).await?,
        None => None,
    };
    let (pieces, original) = match found {
        // Before 14.0 nothing tells the phone why, and it would try for ever: better without
        // the original than not at all.
        None if session.version < Version::V14_0 => (vec![own], None),
        None => return Err(Failure::Common(common::ITEM_NOT_FOUND)),
        Some(item) => {
            let pieces = match replace_mime {
                true => vec![own],
                false => woven(&session, own, item, instance, form).await?,
            };
            let is_mail = !matches!(item.content, Content::Items(_));
            (pieces, is_mail.then_some((item.id, item.uid, verb)))
        }
    };
    outgoing::send(&session, Outgoing { pieces, save, token, original }).await?;
    Ok(Answer::Empty)
}

/// The answer with its original, put together off the async threads.
async fn woven(
    session: &Session,
    own: Bytes,
    item: Item,
    instance: Option<UnixTime>,
    form: Form,
) -> Result<Vec<Bytes>, Failure> {
    let (read, zone) = (session.read(), session.zone.clone());
    let work = move || Ok(weave(&own, original(&read, &item, instance, &zone)?, form));
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(Failure::Common(common::SERVER_ERROR)))
}

fn find(read: &Snapshot, account: AccountId, source: &Source) -> Result<Option<Item>, Failure> {
    if let Some(long) = &source.long {
        return Ok(Item::by_long_id(read, account, long)?);
    }
    let Some(server_id) = &source.item else { return Ok(None) };
    if let Some(item) = Item::by_server_id(read, account, server_id)? {
        return Ok(Some(item));
    }
    // Somebody has moved it meanwhile: what it left behind says which one it was.
    let Some((folder, uid)) = ids::parse_item(account, server_id) else { return Ok(None) };
    let since = read.account_state(account)?.horizon;
    let gone = read.changes(folder, since)?.gone.into_iter();
    let id = gone.filter(|(place, _)| *place == uid).map(|(_, id)| id).next();
    let found = id.map(|id| Item::by_long_id(read, account, &ids::long(id)));
    Ok(found.transpose()?.flatten())
}

/// Everybody the answer is for.
fn recipients(own: &[u8]) -> usize {
    let header = own.get(..mime::header_len(own)).unwrap_or_default();
    let fields = mime::header_fields(header).filter(|field| field.is("to") || field.is("cc"));
    let all = fields.flat_map(|field| mime::addresses(field.value));
    all.filter(|entry| matches!(entry, Address::Mailbox { .. })).count()
}

fn original(
    read: &Snapshot,
    item: &Item,
    instance: Option<UnixTime>,
    zone: &TimeZone,
) -> Result<Original, Failure> {
    let unreadable = |why: Unrenderable| {
        tracing::warn!(%why, "an original cannot be read");
        Failure::Common(common::SERVER_ERROR)
    };
    match item.content {
        Content::Items(CollectionKind::Calendar) => {
            of_event(&item::text(read, item.id, item.uid)?, instance, zone)
        }
        // Contacts, tasks and notes are not answered.
        Content::Items(_) | Content::Outbox => Err(Failure::Common(common::REPLY_NOT_ALLOWED)),
        Content::Mail | Content::Drafts => {
            let place = read.place(item.id, item.uid)?;
            let place = place.ok_or(Failure::Common(common::ITEM_NOT_FOUND))?;
            source::open(read, &place, |opened| Original::of(opened, place.sent, zone))
                .map_err(unreadable)
        }
    }
}

/// An event: what it is about, and itself as a file; of a series the one instance that is meant
/// (MS-ASCMD 2.2.3.92.3).
fn of_event(text: &str, instance: Option<UnixTime>, zone: &TimeZone) -> Result<Original, Failure> {
    let mut original = Original::default();
    let mut series = Series::parse(text).ok();
    if let Some(at) = instance {
        let whole = series.as_ref().ok_or(Failure::Common(common::ITEM_NOT_FOUND))?;
        let event = instance_at(whole, at, zone).ok_or(Failure::Common(common::ITEM_NOT_FOUND))?;
        series = Some(alone(whole, event));
    }
    if let Some(series) = &series
        && let Some(master) = series.master().or_else(|| series.overrides().next())
    {
        let zones = series.zones(zone);
        let event = Event::new(master, &zones);
        let text = |name| master.text_of(name).unwrap_or_default();
        original.subject = text("SUMMARY");
        original.from = event.organizer().map(|organizer| organizer.address).unwrap_or_default();
        original.sent = event.start_at().map(|at| date(at.as_second(), zone)).unwrap_or_default();
        original.to = text("LOCATION");
        original.plain = text("DESCRIPTION");
        original.is_event = true;
    }
    let bytes = match series.filter(|_| instance.is_some()) {
        Some(series) => series.calendar.to_string(),
        None => text.to_owned(),
    };
    let file = File {
        media: "text/calendar".into(),
        name: EVENT_FILE.into(),
        bytes: bytes.into(),
        ..File::default()
    };
    original.files.push(Enclosed { content_id: String::new(), part: Part::file(&file) });
    Ok(original)
}

/// One event with what else the calendar has, its zones.
fn alone(of: &Series, event: Component) -> Series {
    let mut calendar = of.calendar.clone();
    calendar.components.retain(|part| !part.is("VEVENT"));
    calendar.components.push(event);
    Series { calendar }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIES: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:w\r\nSUMMARY:Weekly\r\n\
        DTSTART:20260810T080000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nUID:w\r\nSUMMARY:Moved\r\nRECURRENCE-ID:20260824T080000Z\r\n\
        DTSTART:20260825T080000Z\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn one_instance_of_a_series_is_forwarded_alone() {
        let forward = |instance: Option<&str>| {
            let at = instance.map(|text| time(text).unwrap());
            let original = of_event(SERIES, at, &TimeZone::UTC)?;
            Ok::<_, Failure>((original.subject, original.sent))
        };
        let (subject, _) = forward(None).unwrap();
        assert_eq!(subject, "Weekly");
        let (subject, sent) = forward(Some("2026-08-17T08:00:00.000Z")).unwrap();
        assert!(subject == "Weekly" && sent.contains("17"), "{subject} {sent}");
        let (subject, sent) = forward(Some("20260824T080000Z")).unwrap();
        assert!(subject == "Moved" && sent.contains("25"), "{subject} {sent}");
        assert!(forward(Some("20260818T080000Z")).is_err());
        let series = Series::parse(SERIES).unwrap();
        let one = instance_at(&series, time("20260817T080000Z").unwrap(), &TimeZone::UTC).unwrap();
        let text = alone(&series, one).calendar.to_string();
        assert!(!text.contains("RRULE") && !text.contains("Moved"), "{text}");
        assert!(text.contains("DTSTART:20260817T080000Z"), "{text}");
    }
}
