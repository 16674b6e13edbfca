//! Instances that somebody has declined: they stay out of the series until something newer is
//! said of them. (Whole events that were declined are remembered in `domain::declined`.)

use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher as _};

use jiff::tz::TimeZone;
use twox_hash::XxHash3_64;

use super::view::View;
use super::{Own, is_cancelled, version};
use crate::base::clock::UnixTime;
use crate::format::ical::{Component, Event, Property, Series, Time};

/// Marks an EXDATE as the attendee's own: SEQUENCE and DTSTAMP of what was declined, as `n/n`.
const DECLINED: &str = "X-KONTOR-DECLINED";

/// A line that leaves out an instance which was told by this event.
pub(super) fn line(at: &Time, event: &Component) -> Property {
    at.property("EXDATE").with(DECLINED, &written(event))
}

/// Marks an EXDATE as the organizer's word, which may have overtaken an older one: SEQUENCE and
/// DTSTAMP of the cancellation.
const CANCELLED: &str = "X-KONTOR-CANCELLED";

/// A line that leaves out an instance which was cancelled by this word.
pub(super) fn cancelled_line(at: &Time, (sequence, stamp): (u32, i64)) -> Property {
    at.property("EXDATE").with(CANCELLED, &format!("{sequence}/{stamp}"))
}

fn written(event: &Component) -> String {
    let (sequence, stamp) = version(event);
    format!("{sequence}/{stamp}")
}

fn declined(line: &Property) -> Option<(u32, i64)> {
    version_in(line, DECLINED)
}

/// Whether a line is the attendee's own.
pub(super) fn is_declined(line: &Property) -> bool {
    line.param(DECLINED).is_some()
}

/// The version of the cancellation that a line stands for.
pub(super) fn cancelled(line: &Property) -> Option<(u32, i64)> {
    version_in(line, CANCELLED)
}

fn version_in(line: &Property, param: &str) -> Option<(u32, i64)> {
    let (sequence, stamp) = line.param(param)?.split_once('/')?;
    Some((sequence.parse().ok()?, stamp.parse().ok()?))
}

/// What tells one version of an event from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    pub sequence: u32,
    pub stamp: i64,
    /// Hash of when it takes place; `None` if it does not.
    pub times: Option<u64>,
    /// The original starts of the instances that are all that is told; empty for a whole event.
    pub instances: Vec<UnixTime>,
    /// When the last of it is over.
    pub until: UnixTime,
}

/// The version of an event.
pub fn version_of(series: &Series, home: &TimeZone) -> Version {
    let view = View::of(series, home);
    let (sequence, stamp) = match view.master {
        Some(master) => version(master),
        None => view.all().map(version).max().unwrap_or((0, i64::MIN)),
    };
    let mut hash = XxHash3_64::new();
    let events = view.master.map_or_else(|| view.all().collect(), |master| vec![master]);
    for event in &events {
        let shown = Event::new(event, &view.zones);
        let at = |time: Option<jiff::Timestamp>| time.map(jiff::Timestamp::as_second);
        let rule = event.value_of("RRULE").map(str::to_ascii_uppercase);
        (at(shown.start_at()), at(shown.end_at()), rule).hash(&mut hash);
    }
    let takes_place = !events.iter().all(|event| is_cancelled(event));
    let instances = match view.master {
        Some(_) => Vec::new(),
        None => view.others.keys().copied().collect(),
    };
    let times = takes_place.then(|| hash.finish());
    Version { sequence, stamp, times, instances, until: view.until() }
}

/// Whether the attendee has declined an instance, or the organizer cancelled it, and this version
/// says nothing newer.
pub(super) fn holds(view: &View<'_>, key: UnixTime, version: (u32, i64)) -> bool {
    let lines = view.master.into_iter().flat_map(|master| master.all("EXDATE"));
    let said = |line| declined(line).max(cancelled(line));
    lines.filter_map(|line| Some((line, said(line)?))).any(|(line, said)| {
        version <= said && Time::read_all(line).iter().any(|time| view.key(time) == key)
    })
}

/// Leaves out of a series' new text what was declined of the old one, which takes place at the
/// same times.
pub(super) fn keep(series: &mut Series, old: &View<'_>, new: &View<'_>) {
    leave_out(series, old, new, declined);
}

/// Leaves out of a series' text what was cancelled after it was written: mail may overtake mail.
pub(super) fn keep_cancelled(series: &mut Series, old: &View<'_>, new: &View<'_>) {
    let told = new.master.map(version).unwrap_or((0, i64::MIN));
    let later = |said: &(u32, i64)| told.0 <= said.0 && told.1 <= said.1;
    leave_out(series, old, new, |line| cancelled(line).filter(later));
}

fn leave_out(
    series: &mut Series,
    old: &View<'_>,
    new: &View<'_>,
    said: impl Fn(&Property) -> Option<(u32, i64)>,
) {
    let lines = old.master.into_iter().flat_map(|master| master.all("EXDATE"));
    for (line, said) in lines.filter_map(|line| Some((line, said(line)?))) {
        let Some(key) = Time::read(line).map(|time| old.key(&time)) else { continue };
        if new.without.contains_key(&key) {
            continue;
        }
        if new.others.get(&key).is_some_and(|event| version(event) > said) {
            continue;
        }
        let is_it = |event: &Component| event.is("VEVENT") && new.key_of(event) == Some(key);
        series.calendar.components.retain(|event| !is_it(event));
        if let Some(master) = series.master_mut() {
            master.push(line.clone());
        }
    }
}

/// Marks what an attendee's client has taken out of a series; whether there was anything.
pub fn mark(old: &Series, new: &mut Series, own: &Own, home: &TimeZone) -> bool {
    let before = View::of(old, home);
    let Some(first) = before.master.filter(|first| !own.organizes(first)) else { return false };
    if !first.has("ORGANIZER") {
        return false;
    }
    let known: BTreeSet<UnixTime> = before.without.keys().copied().collect();
    let Some(master) = new.master_mut() else { return false };
    let (mut kept, mut marked) = (Vec::new(), false);
    for line in master.all("EXDATE") {
        let times = Time::read_all(line);
        let new = |time: &&Time| !known.contains(&before.key(time));
        if line.param(DECLINED).is_some() || !times.iter().any(|time| new(&time)) {
            kept.push(line.clone());
            continue;
        }
        marked = true;
        for time in &times {
            let key = before.key(time);
            kept.push(match new(&time) {
                true => self::line(time, before.others.get(&key).copied().unwrap_or(first)),
                false => time.property("EXDATE"),
            });
        }
    }
    if marked {
        master.remove("EXDATE");
        master.properties.extend(kept);
    }
    marked
}
