//! What a scheduling message changes in the recipient's calendar. RFC 5546 §3.2.
//!
//! Only the organizer changes an event, and only an attendee's own mail changes that attendee's
//! answer. Texts are ordered by SEQUENCE, then by DTSTAMP (§2.1.5): what is older, or came
//! before, changes nothing. COUNTER changes at most the answer; PUBLISH, ADD, REFRESH and
//! DECLINECOUNTER are left to the reader of the mail.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::view::{Key, View, key};
use super::{Method, Own, canonical, is_cancelled, sequence, stamp, stamp_now, utc};
use crate::base::clock::UnixTime;
use crate::format::ical::{self, Component, DecodeError, Property, Series, Time};

/// Events in one message that are looked at; there is one as a rule.
const EVENTS_MAX: usize = 10;
/// Instances that one answer may be about.
const ANSWERS_MAX: usize = 100;

/// A scheduling message about one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub method: Method,
    pub series: Series,
    /// Canonical addresses of From and Sender.
    pub senders: Vec<String>,
    /// Whether the mail is known to come from who it says. Until arriving mail is checked for
    /// that, everything counts as such.
    pub authenticated: bool,
}

/// What a message comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The event as it is from now on; it may be a new one.
    Event(Series),
    /// Nothing changes; why, for the log.
    Nothing(&'static str),
}

impl Message {
    /// Reads the calendar of a message; each of its events is a message of its own.
    /// `parameter` is the media type's `method`, which counts where the text has none.
    pub fn read(
        text: &[u8],
        parameter: Option<&str>,
        senders: &[String],
        authenticated: bool,
    ) -> Result<Vec<Message>, DecodeError> {
        let mut found = Vec::new();
        for calendar in Component::parse_all(text)? {
            let method = calendar.value_of("METHOD").or(parameter).and_then(Method::parse);
            let Some(method) = method else { continue };
            let mut by_uid: BTreeMap<String, Vec<Component>> = BTreeMap::new();
            for event in calendar.children("VEVENT") {
                let uid = event.text_of("UID").unwrap_or_default();
                if !uid.is_empty() {
                    by_uid.entry(uid).or_default().push(event.clone());
                }
            }
            let mut frame = calendar;
            frame.components.retain(|part| !part.is("VEVENT"));
            for (_, events) in by_uid.into_iter().take(EVENTS_MAX) {
                let mut calendar = frame.clone();
                calendar.components.extend(events);
                let (series, senders) = (Series { calendar }, senders.to_vec());
                found.push(Message { method, series, senders, authenticated });
            }
        }
        Ok(found)
    }

    pub fn uid(&self) -> String {
        self.series.uid()
    }

    /// The starts that the message is about, where it is about instances only.
    pub fn instances(&self, home: &TimeZone) -> Vec<UnixTime> {
        let view = View::of(&self.series, home);
        if view.master.is_some() { Vec::new() } else { view.others.keys().copied().collect() }
    }

    fn is_from(&self, address: &str) -> bool {
        let address = canonical(address);
        self.senders.contains(&address)
    }

    /// Whether the mail is from an event's organizer, or from whom that event names as writing
    /// for the organizer.
    fn is_from_organizer(&self, event: &Component) -> bool {
        let Some(organizer) = event.first("ORGANIZER") else { return false };
        let agent = organizer.param("SENT-BY").map(|uri| {
            let mail = uri.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
            mail.map_or(uri, |_| uri.get(7..).unwrap_or_default())
        });
        self.is_from(&ical::address(organizer)) || agent.is_some_and(|agent| self.is_from(agent))
    }
}

/// Works out what a message changes. `stored` is the recipient's event of the same UID.
pub fn apply(
    stored: Option<&Series>,
    message: &Message,
    own: &Own,
    home: &TimeZone,
    now: UnixTime,
) -> Outcome {
    if !message.authenticated {
        return Outcome::Nothing("the sender may be somebody else");
    }
    match (message.method, stored) {
        (Method::Request, _) => request(stored, message, own, home),
        (Method::Cancel, Some(stored)) => cancel(stored, message, own, home),
        (Method::Reply | Method::Counter, Some(stored)) => reply(stored, message, own, home, now),
        (Method::Cancel | Method::Reply | Method::Counter, None) => {
            Outcome::Nothing("the event is not in the calendar")
        }
        _ => Outcome::Nothing("it is for the reader to decide"),
    }
}

fn request(stored: Option<&Series>, message: &Message, own: &Own, home: &TimeZone) -> Outcome {
    let Some(first) = message.series.master() else { return Outcome::Nothing("it has no event") };
    if own.organizes(first) {
        return Outcome::Nothing("it is the recipient's own event");
    }
    if !message.is_from_organizer(first) {
        return Outcome::Nothing("it is not from the organizer");
    }
    match stored {
        None => Outcome::Event(received(&message.series, own)),
        Some(stored) => match updated(stored, message, own, home) {
            Ok(series) => Outcome::Event(series),
            Err(why) => Outcome::Nothing(why),
        },
    }
}

/// An invitation as a new event of the one who is invited, who has not answered yet.
pub fn received(invitation: &Series, own: &Own) -> Series {
    let mut series = invitation.clone();
    series.calendar.remove("METHOD");
    for event in series.calendar.children_mut("VEVENT") {
        // Programs and mails that a stranger's alarm would start are not for here.
        event.components.retain(|part| {
            let shown = |action: &str| action.trim().eq_ignore_ascii_case("DISPLAY");
            !part.is("VALARM") || part.value_of("ACTION").is_some_and(shown)
        });
        event.remove("CATEGORIES");
        invite(event, own);
    }
    series
}

/// Makes the account a participant that has to answer, and its time tentative.
fn invite(event: &mut Component, own: &Own) {
    if own.line(event).is_none() {
        // Invited as a member of a group.
        let line = Property::new("ATTENDEE", format!("mailto:{}", own.address));
        event.push(line.with("PARTSTAT", "NEEDS-ACTION").with("RSVP", "TRUE"));
    }
    let intended = event.value_of("X-MICROSOFT-CDO-INTENDEDSTATUS").map(str::to_ascii_uppercase);
    let free =
        event.value_of("TRANSP").is_some_and(|t| t.trim().eq_ignore_ascii_case("TRANSPARENT"));
    let intended = intended.unwrap_or_else(|| if free { "FREE" } else { "BUSY" }.to_owned());
    event.set_value("X-MICROSOFT-CDO-INTENDEDSTATUS", Some(&intended));
    show_answer(event, own);
}

/// Brings how the time counts in line with the account's answer.
fn show_answer(event: &mut Component, own: &Own) {
    let intended = event.value_of("X-MICROSOFT-CDO-INTENDEDSTATUS").unwrap_or("BUSY").to_owned();
    let answer = own.line(event).and_then(|line| line.param("PARTSTAT")).unwrap_or_default();
    let answer = answer.trim().to_ascii_uppercase();
    let (busy, transparent) = match (is_cancelled(event), answer.as_str()) {
        (true, _) | (_, "DECLINED") => ("FREE", true),
        (_, "ACCEPTED") => (intended.as_str(), intended == "FREE"),
        _ if intended == "FREE" => ("FREE", true),
        _ => ("TENTATIVE", false),
    };
    let busy = busy.to_owned();
    event.set_value("X-MICROSOFT-CDO-BUSYSTATUS", Some(&busy));
    event.set_value("TRANSP", Some(if transparent { "TRANSPARENT" } else { "OPAQUE" }));
}

/// Sets the account's answer in an event.
pub(super) fn answer(event: &mut Component, own: &Own, status: &str) {
    if own.line(event).is_none() {
        event.push(Property::new("ATTENDEE", format!("mailto:{}", own.address)));
    }
    let line = event
        .properties
        .iter_mut()
        .find(|property| property.is("ATTENDEE") && own.has(&ical::address(property)));
    if let Some(line) = line {
        line.set_param("PARTSTAT", Some(status));
        line.set_param("RSVP", None);
    }
    show_answer(event, own);
}

/// Whether `new` was written after `old`.
fn is_newer(new: &Component, old: &Component) -> bool {
    (sequence(new), stamp(new)) > (sequence(old), stamp(old))
}

fn updated(
    stored: &Series,
    message: &Message,
    own: &Own,
    home: &TimeZone,
) -> Result<Series, &'static str> {
    let (old, new) = (View::of(stored, home), View::of(&message.series, home));
    let first = stored.master().ok_or("the stored event cannot be read")?;
    if own.organizes(first) {
        return Err("it is the recipient's own event");
    }
    let organizer =
        |event: &Component| event.first("ORGANIZER").map(|who| canonical(&ical::address(who)));
    let same = message.series.master().map(organizer) == Some(organizer(first));
    if !same || !message.is_from_organizer(first) {
        return Err("it is not from the organizer");
    }
    let Some(master) = new.master else { return updated_instances(&old, &new, own) };
    if old.all().next().is_some() && !old.master.is_none_or(|known| is_newer(master, known)) {
        return Err("what is there is as new");
    }
    let mut series = received(&message.series, own);
    let view = View::of(&message.series, home);
    for event in series.calendar.children_mut("VEVENT") {
        let key = view.key_of(event);
        if let Some(known) = old.component(key) {
            keep(event, &new, known, &old, own);
        }
    }
    Ok(series)
}

/// Takes single instances over into the event.
fn updated_instances(old: &View<'_>, new: &View<'_>, own: &Own) -> Result<Series, &'static str> {
    let mut series = old.series.clone();
    let mut changed = false;
    for (key, event) in &new.others {
        let known = old.others.get(key).copied().or(old.master);
        if !known.is_none_or(|known| is_newer(event, known)) {
            continue;
        }
        let mut event = (*event).clone();
        event.components.retain(|part| !part.is("VALARM"));
        event.remove("CATEGORIES");
        invite(&mut event, own);
        if let Some(known) = known {
            keep(&mut event, new, known, old, own);
        }
        put_instance(&mut series, old, *key, event);
        changed = true;
    }
    for zone in new.series.calendar.children("VTIMEZONE") {
        let known = |other: &Component| other.value_of("TZID") == zone.value_of("TZID");
        if !series.calendar.children("VTIMEZONE").any(known) {
            series.calendar.components.insert(0, zone.clone());
        }
    }
    if changed { Ok(series) } else { Err("what is there is as new") }
}

/// Puts a VEVENT of its own in the place of an instance.
fn put_instance(series: &mut Series, view: &View<'_>, at: UnixTime, event: Component) {
    let is_it = |other: &Component| other.is("VEVENT") && view.key_of(other) == Some(at);
    series.calendar.components.retain(|other| !is_it(other));
    if let Some(master) = series.master_mut().filter(|master| !master.has("RECURRENCE-ID")) {
        without_exceptions(master, view, at);
    }
    series.calendar.components.push(event);
}

/// Takes a start out of the EXDATEs.
fn without_exceptions(master: &mut Component, view: &View<'_>, at: UnixTime) {
    if !view.without.contains_key(&at) {
        return;
    }
    let mut kept = Vec::new();
    for property in master.all("EXDATE") {
        for time in Time::read_all(property) {
            if view.key(&time) != at {
                kept.push(time.property("EXDATE"));
            }
        }
    }
    master.remove("EXDATE");
    master.properties.extend(kept);
}

/// Keeps what is the recipient's own in a new text of an event: alarms, categories, notes of
/// programs, and the answer if the time is still the one that was answered.
fn keep(
    event: &mut Component,
    new_view: &View<'_>,
    known: &Component,
    old_view: &View<'_>,
    own: &Own,
) {
    let times = |view: &View<'_>, event: &Component| {
        let event = ical::Event::new(event, &view.zones);
        let rule = event.component.value_of("RRULE").map(str::to_ascii_uppercase);
        (event.start_at(), event.end_at(), rule)
    };
    // An instance that was none of its own is compared with where it was.
    let moved = match new_view.key_of(event) {
        Some(at) if !known.has("RECURRENCE-ID") => {
            let id = event.first("RECURRENCE-ID").and_then(Time::read);
            let was = id.and_then(|id| old_view.instance(at, &id));
            was.is_none_or(|was| times(old_view, &was) != times(new_view, event))
        }
        _ => times(old_view, known) != times(new_view, event),
    };
    event.components.retain(|part| !part.is("VALARM"));
    event.components.extend(known.children("VALARM").cloned());
    let ours = |name: &str| {
        let name = name.to_ascii_uppercase();
        name == "CATEGORIES" || name.starts_with("X-KONTOR-") || name.starts_with("X-MOZ-")
    };
    event.properties.retain(|property| !ours(&property.name));
    event.properties.extend(known.properties.iter().filter(|p| ours(&p.name)).cloned());
    let status = own.line(known).and_then(|line| line.param("PARTSTAT"));
    let answered = status.filter(|status| !status.eq_ignore_ascii_case("NEEDS-ACTION"));
    if let Some(status) = answered.filter(|_| !moved && !is_cancelled(known)) {
        answer(event, own, status);
    }
}

fn cancel(stored: &Series, message: &Message, own: &Own, home: &TimeZone) -> Outcome {
    let Some(first) = stored.master() else {
        return Outcome::Nothing("the stored event cannot be read");
    };
    if own.organizes(first) || !message.is_from_organizer(first) {
        return Outcome::Nothing("it is not from the organizer");
    }
    let (old, new) = (View::of(stored, home), View::of(&message.series, home));
    let mut series = stored.clone();
    let mut changed = false;
    if let Some(word) = new.master {
        let newest = old.all().map(|event| (sequence(event), stamp(event))).max();
        if newest.is_some_and(|newest| (sequence(word), stamp(word)) < newest) {
            return Outcome::Nothing("what is there is newer");
        }
        for event in series.calendar.children_mut("VEVENT").filter(|event| !is_cancelled(event)) {
            mark_cancelled(event, word, own);
            changed = true;
        }
    }
    for (key, word) in &new.others {
        let range = |p: &Property| p.param("RANGE").is_some();
        if word.first("RECURRENCE-ID").is_some_and(range) {
            continue;
        }
        changed |= cancel_instance(&mut series, &old, *key, word, own);
    }
    if changed { Outcome::Event(series) } else { Outcome::Nothing("it is cancelled already") }
}

fn mark_cancelled(event: &mut Component, word: &Component, own: &Own) {
    event.set_value("STATUS", Some("CANCELLED"));
    event.set_value("SEQUENCE", Some(&sequence(word).to_string()));
    if let Some(stamp) = word.first("DTSTAMP") {
        event.set(stamp.clone());
    }
    // What does not take place does not ring.
    event.components.retain(|part| !part.is("VALARM"));
    show_answer(event, own);
}

/// Takes one instance out of a series; where only that instance is known, it stays as a
/// cancelled one.
fn cancel_instance(
    series: &mut Series,
    old: &View<'_>,
    key: UnixTime,
    word: &Component,
    own: &Own,
) -> bool {
    let known = old.others.get(&key).copied();
    if old.without.contains_key(&key) && known.is_none() {
        return false;
    }
    let newer = match (known, old.master) {
        (Some(known), _) => is_newer(word, known),
        (None, Some(master)) => sequence(word) >= sequence(master),
        (None, None) => false,
    };
    let Some(id) = word.first("RECURRENCE-ID").and_then(Time::read).filter(|_| newer) else {
        return false;
    };
    let is_it = |event: &Component| event.is("VEVENT") && old.key_of(event) == Some(key);
    let Some(start) = old.master.and_then(|m| m.first("DTSTART")).and_then(Time::read) else {
        let mut marked = false;
        for event in series.calendar.components.iter_mut().filter(|event| is_it(event)) {
            mark_cancelled(event, word, own);
            marked = true;
        }
        return marked;
    };
    series.calendar.components.retain(|event| !is_it(event));
    let line = old.like(&start, &id).property("EXDATE");
    if let Some(master) = series.master_mut() {
        master.push(line);
    }
    true
}

fn reply(stored: &Series, message: &Message, own: &Own, home: &TimeZone, now: UnixTime) -> Outcome {
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
    let who = word.first("ATTENDEE").ok_or("it has no answer")?;
    let address = canonical(&ical::address(who));
    if address.is_empty() || !message.is_from(&address) {
        return Err("it is not from the attendee");
    }
    const ANSWERS: [&str; 4] = ["ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED"];
    let status = who.param("PARTSTAT").unwrap_or_default().trim().to_ascii_uppercase();
    if !ANSWERS.contains(&status.as_str()) {
        return Err("it has no answer");
    }
    let id = word.first("RECURRENCE-ID").and_then(Time::read);
    let zones = message.series.zones(home);
    let key = id.as_ref().map(|id| key(&zones, view.is_by_day(), id));
    let mut event = match (key, &id) {
        (Some(at), Some(id)) => instance(&view, at, id)?,
        _ => view.master.or(view.series.master()).cloned().ok_or("the event has gone")?,
    };
    if sequence(word) < sequence(&event) {
        return Err("it answers what has changed since");
    }
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
    line.set_param("PARTSTAT", Some(&status));
    line.set_param("RSVP", None);
    line.set_param(REPLIED, Some(&written.to_string()));
    Ok((key, event))
}

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
            changed = true;
        }
    }
    changed.then_some(series)
}
