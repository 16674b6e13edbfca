//! CANCEL: a meeting, or some of its instances, do not take place. RFC 5546 §3.2.5.

use jiff::tz::TimeZone;

use super::arriving::{Message, Outcome, is_newer, show_answer, without_exceptions};
use super::view::View;
use super::{Own, agents, declining, is_cancelled, range, sequence, stamp, version};
use crate::base::clock::UnixTime;
use crate::format::ical::{Component, Event, Property, Series, Time};

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
        if old.master.is_some_and(|known| version(word) < version(known)) {
            return Outcome::Nothing("what is there is newer");
        }
        // Who is asked to one instance of what was cancelled may get that invitation first.
        // And what is cancelled already may have been invited to again in between: the last word
        // counts.
        let meant = |event: &&mut Component| {
            !asked_since(event, word) && (!is_cancelled(event) || version(event) < version(word))
        };
        for event in series.calendar.children_mut("VEVENT").filter(meant) {
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
    let out = old.without.contains_key(&key) && known.is_none();
    let newer = match (known, old.master) {
        // It may have been cancelled, come back, and been cancelled again: the last word counts.
        (None, Some(master)) if out => is_out_before(master, old, key, version(word)),
        (Some(known), master) => {
            is_newer(word, known) && !master.is_some_and(|it| outdated(word, it))
        }
        // What was written later has been told without it.
        (None, Some(master)) => version(word) >= version(master),
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
    let line = declining::cancelled_line(&old.like(&start, &id), version(word));
    if let Some(master) = series.master_mut() {
        without_exceptions(master, old, key);
        master.push(line);
    }
    true
}

/// Whether an instance was invited to after all of its series had been cancelled. By number and
/// by date: some organizers count the versions of an instance on their own, and its higher number
/// does not make it newer than the word about the whole.
fn asked_since(event: &Component, word: &Component) -> bool {
    event.has("RECURRENCE-ID") && sequence(event) >= sequence(word) && stamp(event) > stamp(word)
}

/// Whether a word is older than the series by number and by date: what has been told of the series
/// since was told with its instances.
fn outdated(word: &Component, master: &Component) -> bool {
    sequence(word) < sequence(master) && stamp(word) < stamp(master)
}

/// Whether an instance that is left out is so by an older word of the organizer: a cancellation,
/// or the text of the series.
fn is_out_before(master: &Component, view: &View<'_>, key: UnixTime, word: (u32, i64)) -> bool {
    let here = |line: &&Property| Time::read_all(line).iter().any(|time| view.key(time) == key);
    let mut lines = master.all("EXDATE").filter(here);
    lines.any(|line| match declining::cancelled(line) {
        Some(said) => said < word,
        None => !declining::is_declined(line) && version(master) < word,
    })
}

/// Leaves instances out of an invitation that were cancelled after it was written.
pub fn leave_out(series: &mut Series, at: &[UnixTime], word: (u32, i64), home: &TimeZone) {
    let before = series.clone();
    let view = View::of(&before, home);
    let Some(start) = view.master.and_then(|master| master.first("DTSTART")).and_then(Time::read)
    else {
        return;
    };
    for key in at.iter().filter(|key| !view.without.contains_key(key)) {
        let is_it = |event: &Component| event.is("VEVENT") && view.key_of(event) == Some(*key);
        series.calendar.components.retain(|event| !is_it(event));
        let line = declining::cancelled_line(&view.like(&start, &super::utc(*key)), word);
        if let Some(master) = series.master_mut() {
            master.push(line);
        }
    }
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
