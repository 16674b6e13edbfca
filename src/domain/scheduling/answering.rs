//! REPLY and COUNTER: what attendees say, in the organizer's event. RFC 5546 §3.2.3, §3.2.7.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::arriving::{Message, Outcome};
use super::view::{Key, View, key};
use super::{Method, Own, PARTICIPANTS_MAX, canonical, sequence, stamp, stamp_now, utc};
use crate::base::clock::UnixTime;
use crate::format::ical::{self, Component, Event, Property, Series, Time, Zones};

/// Instances that one answer may be about.
const ANSWERS_MAX: usize = 100;

pub(super) fn reply(
    stored: &Series,
    message: &Message,
    own: &Own,
    home: &TimeZone,
    now: UnixTime,
) -> Outcome {
    if !stored.master().is_some_and(|first| own.organizes(first)) {
        return Outcome::Nothing("the recipient is not the organizer");
    }
    let mut series = stored.clone();
    let (mut changed, mut why) = (false, "it has no answer");
    for word in message.series.calendar.children("VEVENT").take(ANSWERS_MAX) {
        match answered(&series, message, word, home) {
            Ok((key, event)) => {
                changed = true;
                replace(&mut series, key, event, home, now);
            }
            Err(reason) => why = reason,
        }
    }
    if changed { Outcome::Event(series) } else { Outcome::Nothing(why) }
}

/// The event or instance with the answer in it.
fn answered(
    series: &Series,
    message: &Message,
    word: &Component,
    home: &TimeZone,
) -> Result<(Key, Component), &'static str> {
    let view = View::of(series, home);
    let zones = message.series.zones(home);
    let counter = message.method == Method::Counter;
    let mut lines = word.all("ATTENDEE").take(PARTICIPANTS_MAX);
    // Who wants another time may send the whole list along (RFC 5546 §3.2.7).
    let who = lines.find(|who| message.is_from(&ical::address(who)));
    let who = who.ok_or("it is not from the attendee")?;
    let address = canonical(&ical::address(who));
    const ANSWERS: [&str; 4] = ["ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED"];
    let status = who.param("PARTSTAT").unwrap_or_default().trim().to_ascii_uppercase();
    let status = Some(status).filter(|status| ANSWERS.contains(&status.as_str()));
    if status.is_none() && !counter {
        return Err("it has no answer");
    }
    let id = word.first("RECURRENCE-ID").and_then(Time::read);
    let key = id.as_ref().map(|id| key(&zones, view.is_by_day(), id));
    let mut event = match (key, &id) {
        (Some(at), Some(id)) => instance(&view, at, id)?,
        _ => view.master.or(view.series.master()).cloned().ok_or("the event has gone")?,
    };
    // Phones up to 14.1 are never told the number, and answer with 0 whatever they answer.
    let same_time = || !counter && is_at_the_same_time(word, &zones, &event, &view.zones);
    if sequence(word) < sequence(&event) && !same_time() {
        return Err("it answers what has changed since");
    }
    let proposal = counter.then(|| proposal_of(word, &zones, &event, &view.zones)).flatten();
    let line = event
        .properties
        .iter_mut()
        .find(|line| line.is("ATTENDEE") && canonical(&ical::address(line)) == address)
        .ok_or("who answers is not invited")?;
    // Answers may overtake each other, and arrive twice (RFC 5546 §2.1.5).
    let (written, last) = (stamp(word), line.param(REPLIED).and_then(|at| at.parse().ok()));
    if last.is_some_and(|last: i64| written <= last) {
        return Err("a newer answer is there");
    }
    if let Some(status) = status {
        line.set_param("PARTSTAT", Some(&status));
        line.set_param("RSVP", None);
    }
    line.set_param(REPLIED, Some(&written.to_string()));
    line.set_param(PROPOSED, proposal.as_deref());
    Ok((key, event))
}

/// Whether an answer names the very time of the event.
fn is_at_the_same_time(
    word: &Component,
    zones: &Zones,
    event: &Component,
    own_zones: &Zones,
) -> bool {
    let (word, event) = (Event::new(word, zones), Event::new(event, own_zones));
    let tells_end = word.component.has("DTEND") || word.component.has("DURATION");
    word.component.has("DTSTART")
        && word.start_at() == event.start_at()
        && (!tells_end || word.end_at() == event.end_at())
}

/// The time that somebody would rather have, if it is another one.
fn proposal_of(
    word: &Component,
    zones: &Zones,
    event: &Component,
    own_zones: &Zones,
) -> Option<String> {
    let times = |event: &Event<'_>| event.start_at().zip(event.end_at());
    let wanted = times(&Event::new(word, zones))?;
    let is_new = times(&Event::new(event, own_zones)) != Some(wanted);
    is_new.then(|| format!("{}/{}", Time::utc(wanted.0).value(), Time::utc(wanted.1).value()))
}

/// Start and end that an attendee has proposed, in the organizer's event.
pub fn proposal(line: &Property) -> Option<(Timestamp, Timestamp)> {
    let (start, end) = line.param(PROPOSED)?.split_once('/')?;
    let at = |text| {
        let (at, _) = ical::parse_date_time(text)?;
        TimeZone::UTC.to_timestamp(at).ok()
    };
    Some((at(start)?, at(end)?))
}

/// Takes back what attendees proposed: the organizer has set another time.
pub(super) fn drop_proposals(event: &mut Component) {
    let lines = event.properties.iter_mut().filter(|property| property.is("ATTENDEE"));
    lines.for_each(|line| line.set_param(PROPOSED, None));
}

/// The time that an attendee would rather have: start and end in UTC, as `a/b`.
const PROPOSED: &str = "X-KONTOR-PROPOSED";

/// When somebody answered last: the DTSTAMP of that answer, seconds since 1970.
const REPLIED: &str = "X-KONTOR-REPLIED";

/// An instance, made from the event where it has none of its own. It must be one: an answer
/// cannot add a time at which nothing takes place.
pub(super) fn instance(
    view: &View<'_>,
    at: UnixTime,
    id: &Time,
) -> Result<Component, &'static str> {
    if let Some(own) = view.others.get(&at) {
        return Ok((*own).clone());
    }
    const NONE: &str = "there is no such instance";
    let near = |seconds: i64| Timestamp::from_second(at.saturating_add(seconds)).map_err(|_| NONE);
    // A day is a midnight somewhere.
    let found = ical::expand(view.series, &view.zones, near(-86_400)?, near(86_400)?);
    let is_it = |instance: &&ical::Instance<'_>| view.key(&instance.id) == at;
    found.instances.iter().find(is_it).ok_or(NONE)?;
    view.instance(at, id).ok_or(NONE)
}

fn replace(series: &mut Series, at: Key, event: Component, home: &TimeZone, now: UnixTime) {
    let position = {
        let view = View::of(series, home);
        let is_it = |other: &Component| other.is("VEVENT") && view.key_of(other) == at;
        series.calendar.components.iter().position(is_it)
    };
    let position = position.or_else(|| {
        // Only instances are known, and the answer is to all of it.
        at.is_none().then(|| series.calendar.components.iter().position(|c| c.is("VEVENT")))?
    });
    let mut event = event;
    event.set(utc(now).property("LAST-MODIFIED"));
    match position {
        Some(position) => {
            if let Some(place) = series.calendar.components.get_mut(position) {
                *place = event;
            }
        }
        None => {
            stamp_now(&mut event, now);
            series.calendar.components.push(event);
        }
    }
}

/// The organizer's event with the sequence numbers of a message that the organizer has sent;
/// `None` if it has them.
pub fn counted(stored: &Series, sent: &Message, own: &Own, home: &TimeZone) -> Option<Series> {
    if !stored.master().is_some_and(|first| own.organizes(first)) {
        return None;
    }
    let (old, new) = (View::of(stored, home), View::of(&sent.series, home));
    let keys: Vec<Key> = stored.calendar.components.iter().map(|event| old.key_of(event)).collect();
    let mut series = stored.clone();
    let mut changed = false;
    for (event, at) in series.calendar.components.iter_mut().zip(keys) {
        let own = match at {
            None => new.master,
            Some(at) => new.others.get(&at).copied(),
        };
        let Some(number) = own.map(sequence).filter(|_| event.is("VEVENT")) else { continue };
        if number > sequence(event) {
            event.set_value("SEQUENCE", Some(&number.to_string()));
            drop_proposals(event);
            changed = true;
        }
    }
    changed.then_some(series)
}
