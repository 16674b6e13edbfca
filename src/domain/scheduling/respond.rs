//! How somebody who is invited answers: what becomes of the event, and what the organizer hears.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::answering::instance;
use super::difference::{outgoing, reply_event};
use super::view::{Key, View};
use super::{Due, Method, Own, arriving, declining, is_cancelled, party};
use crate::base::clock::UnixTime;
use crate::format::ical::{Component, Event, Series, Time};

/// What somebody says to an invitation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Accepted,
    Tentative,
    Declined,
}

impl Answer {
    /// The value of PARTSTAT.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Tentative => "TENTATIVE",
            Self::Declined => "DECLINED",
        }
    }
}

/// An answer, and what goes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    pub answer: Answer,
    /// The original start of the only instance that is meant.
    pub instance: Option<UnixTime>,
    /// What the server tells the organizer; `None` where the client does, or nobody.
    pub reply: Option<Reply>,
}

/// What the organizer is told beside the answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    pub comment: Option<String>,
    /// Another time: start and end.
    pub proposal: Option<(UnixTime, UnixTime)>,
}

/// What an answer comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Responded {
    /// `None`: it is declined and leaves the calendar.
    pub event: Option<Series>,
    pub due: Option<Due>,
}

/// Why an invitation cannot be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswerable {
    /// It is the organizer's own, has been cancelled, or is no meeting.
    NoInvitation,
    /// The event does not take place then.
    NoInstance,
    /// The event does not recur.
    NotRecurring,
}

/// Answers an event that the account is invited to. `about` are the starts that the invitation
/// was about, where it was about some of its instances only.
pub fn respond(
    series: &Series,
    about: &[UnixTime],
    response: &Response,
    own: &Own,
    home: &TimeZone,
    now: UnixTime,
) -> Result<Responded, Unanswerable> {
    let view = View::of(series, home);
    let first = series.master().ok_or(Unanswerable::NoInvitation)?;
    if own.organizes(first) || first.first("ORGANIZER").is_none() {
        return Err(Unanswerable::NoInvitation);
    }
    let mut answered: Vec<(Key, Component)> = Vec::new();
    let instances: Vec<UnixTime> = response.instance.map_or(about.to_vec(), |at| vec![at]);
    if response.instance.is_some() && !recurs(&view) {
        return Err(Unanswerable::NotRecurring);
    }
    for at in instances {
        answered.push(one(&view, at)?);
    }
    if answered.is_empty() {
        answered.extend(view.all().map(|event| (view.key_of(event), event.clone())));
    }
    answered.retain(|(_, event)| !is_cancelled(event));
    if answered.is_empty() {
        return Err(Unanswerable::NoInvitation);
    }
    let due = due(&view, &answered, response, own, now);
    let all = answered.iter().any(|(key, _)| key.is_none()) || view.master.is_none();
    if response.answer == Answer::Declined && all {
        return Ok(Responded { event: None, due });
    }
    let mut event = series.clone();
    for (key, mut part) in answered {
        if response.answer == Answer::Declined {
            leave_out(&mut event, &view, key, &part);
            continue;
        }
        arriving::answer(&mut part, own, response.answer.name());
        note(&mut part, own, response);
        put(&mut event, &view, key, part);
    }
    Ok(Responded { event: Some(event), due })
}

fn recurs(view: &View<'_>) -> bool {
    view.master.is_none_or(|master| master.has("RRULE") || master.has("RDATE"))
        || !view.others.is_empty()
}

/// One instance of a series as a VEVENT of its own, made from the event where it has none;
/// `None` if nothing takes place then.
pub fn instance_at(series: &Series, at: UnixTime, home: &TimeZone) -> Option<Component> {
    let view = View::of(series, home);
    one(&view, at).ok().map(|(_, event)| event)
}

fn one(view: &View<'_>, at: UnixTime) -> Result<(Key, Component), Unanswerable> {
    // A day is named by its midnight somewhere.
    let near = |key: &&UnixTime| **key == at;
    if let Some(key) = view.others.keys().find(near)
        && let Some(event) = view.others.get(key)
    {
        return Ok((Some(*key), (*event).clone()));
    }
    let instant = Timestamp::from_second(at).map_err(|_| Unanswerable::NoInstance)?;
    let utc = Time::utc(instant);
    let local = view.zones.home().to_datetime(instant);
    for id in [utc.clone(), Time { at: local, ..utc.clone() }] {
        let key = view.key(&id);
        let id = if view.is_by_day() { Time::date(id.at.date()) } else { utc.clone() };
        if let Ok(event) = instance(view, key, &id) {
            return Ok((Some(key), event));
        }
        if !view.is_by_day() {
            break;
        }
    }
    Err(Unanswerable::NoInstance)
}

/// The message to the organizer: an answer, or another time (RFC 5546 §3.2.7), which holds the
/// answer too. Nothing where the very same was sent before: clients repeat what they have got no
/// answer to.
fn due(
    view: &View<'_>,
    answered: &[(Key, Component)],
    response: &Response,
    own: &Own,
    now: UnixTime,
) -> Option<Due> {
    let reply = response.reply.as_ref()?;
    let mark = mark(response);
    let unsaid = |event: &Component| own.line(event).and_then(|l| l.param(SAID)) != Some(&*mark);
    let new = answered.iter().filter(|(_, event)| unsaid(event));
    let answer = response.answer.name();
    let mut events: Vec<Component> =
        new.filter_map(|(_, event)| reply_event(event, answer, own, now)).collect();
    let first = events.first_mut()?;
    let to = party(first.first("ORGANIZER")?)?;
    let mut method = Method::Reply;
    if let Some((start, end)) = reply.proposal {
        propose(view, first, start, end);
        method = Method::Counter;
        events.truncate(1);
    }
    let comment = reply.comment.clone().filter(|comment| !comment.trim().is_empty());
    if let Some(comment) = &comment {
        events.iter_mut().for_each(|event| event.set_text("COMMENT", Some(comment)));
    }
    let calendar = outgoing(method, view.series, events, own, now);
    Some(Due { method, to: vec![to], calendar, comment })
}

/// Puts another time into an answer.
fn propose(view: &View<'_>, event: &mut Component, start: UnixTime, end: UnixTime) {
    let before = Event::new(event, &view.zones);
    let (Some(was), Some(until)) = (before.start(), before.end()) else { return };
    let at = |second: UnixTime| Timestamp::from_second(second).map(Time::utc).ok();
    let (Some(start), Some(end)) = (at(start), at(end.max(start))) else { return };
    let (start, end) = (view.like(&was, &start), view.like(&was, &end));
    // So that Outlook shows from when to when (MS-OXCICAL 2.1.3.1.1.20.59).
    event.set(was.property("X-MS-OLK-ORIGINALSTART"));
    event.set(until.property("X-MS-OLK-ORIGINALEND"));
    event.remove("DURATION");
    event.remove("RRULE");
    event.set(start.property("DTSTART"));
    event.set(end.property("DTEND"));
}

/// What was said to the organizer last, so that it is not said twice.
const SAID: &str = "X-KONTOR-SAID";

fn mark(response: &Response) -> String {
    use std::hash::{Hash as _, Hasher as _};
    let mut hash = twox_hash::XxHash3_64::new();
    response.answer.name().hash(&mut hash);
    if let Some(reply) = &response.reply {
        (&reply.comment, reply.proposal).hash(&mut hash);
    }
    format!("{:016x}", hash.finish())
}

fn note(event: &mut Component, own: &Own, response: &Response) {
    if response.reply.is_none() {
        return;
    }
    let ours = |p: &&mut crate::format::ical::Property| {
        p.is("ATTENDEE") && own.has(&crate::format::ical::address(p))
    };
    if let Some(line) = event.properties.iter_mut().find(ours) {
        line.set_param(SAID, Some(&mark(response)));
    }
}

/// Takes a declined instance out of the series.
fn leave_out(series: &mut Series, view: &View<'_>, key: Key, event: &Component) {
    let is_it = |other: &Component| other.is("VEVENT") && view.key_of(other) == key;
    series.calendar.components.retain(|other| !is_it(other));
    let id = event.first("RECURRENCE-ID").and_then(Time::read);
    let start = view.master.and_then(|master| Event::new(master, &view.zones).start());
    if let (Some(id), Some(start), Some(master)) = (id, start, series.master_mut()) {
        master.push(declining::line(&view.like(&start, &id), event));
    }
}

fn put(series: &mut Series, view: &View<'_>, key: Key, event: Component) {
    let is_it = |other: &Component| other.is("VEVENT") && view.key_of(other) == key;
    match series.calendar.components.iter_mut().find(|other| is_it(other)) {
        Some(place) => *place = event,
        None => series.calendar.components.push(event),
    }
}
