//! What a scheduling message changes in the recipient's calendar. RFC 5546 §3.2.
//!
//! Only the organizer changes an event, and only an attendee's own mail changes that attendee's
//! answer. Texts are ordered by SEQUENCE, then by DTSTAMP (§2.1.5): what is older, or came
//! before, changes nothing. COUNTER changes at most the answer; PUBLISH, ADD, REFRESH and
//! DECLINECOUNTER are left to the reader of the mail.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::agents::Writer;
use super::answering::reply;
use super::cancelling::cancel;
use super::view::View;
use super::{Method, Own, PRIVATE, agents, canonical, declining, is_cancelled, range, version};
use crate::base::clock::UnixTime;
use crate::format::ical::{
    self, Busy, Component, DecodeError, Event, Property, Series, Time, Zones,
};

/// Events in one message that are looked at; there is one as a rule.
const EVENTS_MAX: usize = 10;

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
            let (events, others): (Vec<_>, Vec<_>) =
                calendar.components.into_iter().partition(|part| part.is("VEVENT"));
            let frame = Component { components: others, ..calendar };
            for mut event in events {
                let uid = event.text_of("UID").unwrap_or_default();
                if !uid.is_empty() {
                    without_notes(&mut event);
                    by_uid.entry(uid).or_default().push(event);
                }
            }
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

    /// The starts that the message is about, where it is about instances only. `stored` is the
    /// event they belong to.
    pub fn instances(&self, stored: Option<&Series>, home: &TimeZone) -> Vec<UnixTime> {
        let unfolded = self.unfolded(stored, home);
        let view = View::of(&unfolded, home);
        if view.master.is_some() { Vec::new() } else { view.others.keys().copied().collect() }
    }

    pub(super) fn is_from(&self, address: &str) -> bool {
        let address = canonical(address);
        self.senders.contains(&address)
    }

    /// The events of the message, with each instance told for itself.
    fn unfolded(&self, stored: Option<&Series>, home: &TimeZone) -> Cow<'_, Series> {
        match range::is_in(&self.series) {
            true => Cow::Owned(range::unfold(&self.series, stored, home)),
            false => Cow::Borrowed(&self.series),
        }
    }
}

/// Takes off a stranger's event what only this server writes into its own.
fn without_notes(event: &mut Component) {
    let ours = |name: &str| {
        name.get(..PRIVATE.len()).is_some_and(|start| start.eq_ignore_ascii_case(PRIVATE))
    };
    event.properties.retain(|property| !ours(&property.name));
    for property in &mut event.properties {
        property.params.retain(|param| !ours(&param.name));
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

/// Whether a message cancels an event, or instances of one, that it may cancel: for an account
/// that has not heard of the event yet.
pub fn cancels(message: &Message, own: &Own) -> bool {
    let allowed = |first: &Component| {
        !own.organizes(first) && agents::of_first(message, first, own).is_some()
    };
    message.method == Method::Cancel
        && message.authenticated
        && message.series.master().is_some_and(allowed)
}

fn request(stored: Option<&Series>, message: &Message, own: &Own, home: &TimeZone) -> Outcome {
    let Some(first) = message.series.master() else { return Outcome::Nothing("it has no event") };
    if own.organizes(first) {
        return Outcome::Nothing("it is the recipient's own event");
    }
    match stored {
        None => match agents::of_first(message, first, own) {
            Some(writer) => {
                let mut series = received(&message.unfolded(None, home), own, home);
                agents::note_first(&mut series, message, writer);
                Outcome::Event(series)
            }
            None => Outcome::Nothing("it is not from the organizer"),
        },
        Some(stored) => match updated(stored, message, own, home) {
            Ok(series) => Outcome::Event(series),
            Err(why) => Outcome::Nothing(why),
        },
    }
}

/// An invitation as a new event of the one who is invited, who has not answered yet.
pub fn received(invitation: &Series, own: &Own, home: &TimeZone) -> Series {
    let mut series = invitation.clone();
    let zones = invitation.zones(home);
    series.calendar.remove("METHOD");
    for event in series.calendar.children_mut("VEVENT") {
        // Programs and mails that a stranger's alarm would start are not for here.
        event.components.retain(|part| {
            let shown = |action: &str| action.trim().eq_ignore_ascii_case("DISPLAY");
            !part.is("VALARM") || part.value_of("ACTION").is_some_and(shown)
        });
        event.remove("CATEGORIES");
        invite(event, own, &zones);
    }
    series
}

/// Makes the account a participant that has to answer, and its time tentative.
fn invite(event: &mut Component, own: &Own, zones: &Zones) {
    if own.line(event).is_none() {
        // Invited as a member of a group.
        let line = Property::new("ATTENDEE", format!("mailto:{}", own.address));
        event.push(line.with("PARTSTAT", "NEEDS-ACTION").with("RSVP", "TRUE"));
    }
    let intended = match Event::new(event, zones).intended() {
        // How Outlook marks what is not answered; what it is to be then, it does not say here.
        Busy::Tentative if !event.has("X-MICROSOFT-CDO-INTENDEDSTATUS") => Busy::Busy,
        intended => intended,
    };
    event.set_value("X-MICROSOFT-CDO-INTENDEDSTATUS", Some(intended.name()));
    show_answer(event, own);
}

/// Brings how the time counts in line with the account's answer.
pub(super) fn show_answer(event: &mut Component, own: &Own) {
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
pub(super) fn is_newer(new: &Component, old: &Component) -> bool {
    version(new) > version(old)
}

fn updated(
    stored: &Series,
    message: &Message,
    own: &Own,
    home: &TimeZone,
) -> Result<Series, &'static str> {
    let first = stored.master().ok_or("the stored event cannot be read")?;
    if own.organizes(first) {
        return Err("it is the recipient's own event");
    }
    let organizer =
        |event: &Component| event.first("ORGANIZER").map(|who| canonical(&ical::address(who)));
    let same = message.series.master().map(organizer) == Some(organizer(first));
    let writer = agents::of_stored(message, first, own).filter(|_| same);
    let writer = writer.ok_or("it is not from the organizer")?;
    let told = message.unfolded(Some(stored), home);
    let (old, new) = (View::of(stored, home), View::of(&told, home));
    let mut series = match new.master {
        None => updated_instances(&old, &new, own)?,
        Some(master) => {
            let is_new = |known| is_newer(master, known);
            // What somebody else had sent in the organizer's name gives way to the organizer.
            let corrects = writer == Writer::Organizer && agents::is_hearsay(first);
            if !corrects && !old.master.is_none_or(is_new) {
                return Err("what is there is as new");
            }
            let mut series = received(&told, own, home);
            for event in series.calendar.children_mut("VEVENT") {
                if let Some(known) = old.component(new.key_of(event)) {
                    keep(event, &new, known, &old, own);
                }
            }
            if old.master.is_some_and(|known| !moved(&new, master, &old, known)) {
                declining::keep(&mut series, &old, &new);
            }
            declining::keep_cancelled(&mut series, &old, &new);
            keep_newer(&mut series, &old, &new, master);
            series
        }
    };
    agents::note_update(&mut series, first, writer);
    Ok(series)
}

/// Keeps the instances of which something was told that is newer than the series' new text, by
/// number and by date: mail may overtake mail.
fn keep_newer(series: &mut Series, old: &View<'_>, new: &View<'_>, master: &Component) {
    let newer = |known: &Component, told: &Component| {
        let (known, told) = (version(known), version(told));
        known.0 >= told.0 && known.1 > told.1
    };
    for (key, known) in &old.others {
        let told = new.others.get(key).copied();
        if newer(known, master) && told.is_none_or(|told| newer(known, told)) {
            put_instance(series, new, *key, (*known).clone());
        }
    }
}

/// Takes single instances over into the event.
fn updated_instances(old: &View<'_>, new: &View<'_>, own: &Own) -> Result<Series, &'static str> {
    let mut series = old.series.clone();
    let mut changed = false;
    for (key, event) in &new.others {
        let known = old.others.get(key).copied().or(old.master);
        if !known.is_none_or(|known| is_newer(event, known))
            || declining::holds(old, *key, version(event))
        {
            continue;
        }
        let mut event = (*event).clone();
        event.components.retain(|part| !part.is("VALARM"));
        event.remove("CATEGORIES");
        invite(&mut event, own, &new.zones);
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
pub(super) fn without_exceptions(master: &mut Component, view: &View<'_>, at: UnixTime) {
    if !view.without.contains_key(&at) {
        return;
    }
    let mut kept = Vec::new();
    for property in master.all("EXDATE") {
        let times = Time::read_all(property);
        if !times.iter().any(|time| view.key(time) == at) {
            kept.push(property.clone());
            continue;
        }
        let others = times.iter().filter(|time| view.key(time) != at);
        kept.extend(others.map(|time| time.property("EXDATE")));
    }
    master.remove("EXDATE");
    master.properties.extend(kept);
}

/// Whether an event takes place at another time than it did.
fn moved(new_view: &View<'_>, new: &Component, old_view: &View<'_>, old: &Component) -> bool {
    let times = |view: &View<'_>, event: &Component| {
        let event = Event::new(event, &view.zones);
        let rule = event.component.value_of("RRULE").map(str::to_ascii_uppercase);
        (event.start_at(), event.end_at(), rule)
    };
    times(new_view, new) != times(old_view, old)
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
    // An instance that was none of its own is compared with where it was.
    let moved = match new_view.key_of(event) {
        Some(at) if !known.has("RECURRENCE-ID") => {
            let id = event.first("RECURRENCE-ID").and_then(Time::read);
            let was = id.and_then(|id| old_view.instance(at, &id));
            was.is_none_or(|was| moved(new_view, event, old_view, &was))
        }
        _ => moved(new_view, event, old_view, known),
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
