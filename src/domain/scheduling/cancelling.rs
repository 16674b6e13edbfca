//! CANCEL: a meeting, or some of its instances, do not take place. RFC 5546 §3.2.5.

use jiff::tz::TimeZone;

use super::arriving::{Message, Outcome, is_newer, show_answer};
use super::view::View;
use super::{Own, agents, is_cancelled, range, sequence, version};
use crate::base::clock::UnixTime;
use crate::format::ical::{Component, Event, Series, Time};

pub(super) fn cancel(stored: &Series, message: &Message, own: &Own, home: &TimeZone) -> Outcome {
    let Some(first) = stored.master() else {
        return Outcome::Nothing("the stored event cannot be read");
    };
    if own.organizes(first) || agents::of_stored(message, first, own).is_none() {
        return Outcome::Nothing("it is not from the organizer");
    }
    let (old, new) = (View::of(stored, home), View::of(&message.series, home));
    let mut series = stored.clone();
    let mut changed = false;
    if let Some(word) = new.master {
        let newest = old.all().map(version).max();
        if newest.is_some_and(|newest| version(word) < newest) {
            return Outcome::Nothing("what is there is newer");
        }
        for event in series.calendar.children_mut("VEVENT").filter(|event| !is_cancelled(event)) {
            mark_cancelled(event, word, own);
            changed = true;
        }
    }
    for (key, word) in &new.others {
        changed |= match range::is_range(word) && old.master.is_some() {
            true => cancel_from(&mut series, &old, *key, word, own),
            false => cancel_instance(&mut series, &old, *key, word, own),
        };
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

/// Ends a series before one of its instances (RFC 5546 §3.2.5, RANGE=THISANDFUTURE); all of it
/// is cancelled where nothing is left.
fn cancel_from(
    series: &mut Series,
    old: &View<'_>,
    key: UnixTime,
    word: &Component,
    own: &Own,
) -> bool {
    let Some(known) = old.master.filter(|known| sequence(word) >= sequence(known)) else {
        return false;
    };
    let Some(start) = Event::new(known, &old.zones).start() else { return false };
    if old.key(&start) >= key {
        let open = series.calendar.children_mut("VEVENT").filter(|event| !is_cancelled(event));
        return open.map(|event| mark_cancelled(event, word, own)).count() > 0;
    }
    let before = series.clone();
    let is_later = |event: &Component| event.is("VEVENT") && old.key_of(event) >= Some(key);
    series.calendar.components.retain(|event| !is_later(event));
    if let Some(master) = series.master_mut() {
        range::end_before(master, old, key);
    }
    *series != before
}
