//! The instances of an event within a window of time, and what they do to a person's time.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::component::Component;
use super::event::{Busy, Event, Series, same};
use super::recurrence::{Recurrence, UntilKind};
use super::starts::Starts;
use super::time::Time;
use super::zones::{Zones, instant};
use crate::format::tz::TimeZone;

/// Instances that one event may have in a window; a daily one of five years has 1,826.
pub const INSTANCES: usize = 2_000;
/// EXDATEs and RDATEs that are looked at.
pub(super) const DATES: usize = 5_000;

/// One time that an event takes place.
#[derive(Clone, Debug)]
pub struct Instance<'a> {
    pub start: Timestamp,
    pub end: Timestamp,
    /// The original start, as its RECURRENCE-ID would have it.
    pub id: Time,
    /// The VEVENT that tells it: the master's, or its own where it was changed.
    pub event: &'a Component,
}

/// What was found of an event in a window.
#[derive(Clone, Debug, Default)]
pub struct Expansion<'a> {
    /// By their start.
    pub instances: Vec<Instance<'a>>,
    /// There may be more: the event has too many instances, or its rule takes too long.
    pub cut: bool,
}

/// The instances of an event that touch the time from `from` to before `to`.
///
/// Cost is bounded ([`INSTANCES`], the steps of a rule, the years 1 to 2200) whatever stands in
/// the text. A changed instance counts where it is now; one of a range (RANGE=THISANDFUTURE) is
/// taken for itself only, since no client here makes them.
pub fn expand<'a>(
    series: &'a Series,
    zones: &'a Zones,
    from: Timestamp,
    to: Timestamp,
) -> Expansion<'a> {
    let mut found = Expansion::default();
    let Some(master) = series.master() else { return found };
    let changed: Vec<(&Component, Time)> = series
        .overrides()
        .filter_map(|event| Some((event, Event::new(event, zones).recurrence_id()?)))
        .take(INSTANCES)
        .collect();
    for (event, id) in &changed {
        found.add(Event::new(event, zones), id.clone(), from, to);
    }
    let event = Event::new(master, zones);
    if let Some(start) = event.start() {
        let mut replaced = Marks::of(zones, &start, changed.iter().map(|(_, id)| id));
        replaced.extend(zones, &event.exceptions());
        add_series(&mut found, event, &start, &replaced, (from, to));
    }
    found.instances.sort_by_key(|instance| (instance.start, instance.end));
    if found.instances.len() > INSTANCES {
        found.instances.truncate(INSTANCES);
        found.cut = true;
    }
    found
}

impl<'a> Expansion<'a> {
    /// Adds an instance with times of its own.
    fn add(&mut self, event: Event<'a>, id: Time, from: Timestamp, to: Timestamp) {
        if let (Some(start), Some(end)) = (event.start_at(), event.end_at()) {
            self.put(Instance { start, end, id, event: event.component }, from, to);
        }
    }

    fn put(&mut self, instance: Instance<'a>, from: Timestamp, to: Timestamp) {
        // What has no length counts where it starts.
        let reaches = instance.end > from || instance.start >= from;
        if reaches && instance.start < to {
            self.instances.push(instance);
        }
    }
}

/// The unchanged instances: the start, the rule's and the added ones.
fn add_series<'a>(
    found: &mut Expansion<'a>,
    event: Event<'a>,
    start: &Time,
    replaced: &Marks,
    (from, to): (Timestamp, Timestamp),
) {
    let zone = event.zones.zone_of(start);
    let length = Length::of(&event, start);
    let rule = event.recurrence();
    let local = |at: Timestamp| zone.to_datetime(at);
    // The length before the window, and some hours for the clock's changes: an instance that
    // began then may reach into it.
    let near = local(from)
        .checked_sub(jiff::SignedDuration::from_secs(length.seconds.saturating_add(4 * 3_600)))
        .unwrap_or(start.at);
    let end = local(to);
    let mut put = |at: DateTime| {
        let id = start.at(at);
        let begins = instant(at, &zone);
        if found.instances.len() <= INSTANCES && !replaced.has(&id, begins) {
            let ends = length.end(at, begins, &zone);
            found.put(Instance { start: begins, end: ends, id, event: event.component }, from, to);
        }
        found.instances.len() <= INSTANCES
    };
    let added = event.additions();
    match &rule {
        None => drop(put(start.at)),
        Some(rule) => {
            let until = until(rule, start, &zone);
            let mut starts = Starts::new(rule, start.at, near);
            for at in starts.by_ref() {
                let past = until.is_some_and(|until| at > until) && at != start.at;
                if at >= end && at != start.at || past || !put(at) {
                    break;
                }
            }
            found.cut |= starts.exhausted();
        }
    }
    let known: HashSet<DateTime> = found.instances.iter().map(|instance| instance.id.at).collect();
    for time in added {
        // In the series' own zone, so that it is the same instant as the rule's.
        let at =
            if time.is_date() { time.at } else { zone.to_datetime(event.zones.instant(&time)) };
        if !known.contains(&at) {
            let begins = instant(at, &zone);
            if !replaced.has(&start.at(at), begins) {
                let ends = length.end(at, begins, &zone);
                let id = start.at(at);
                found.put(
                    Instance { start: begins, end: ends, id, event: event.component },
                    from,
                    to,
                );
            }
        }
    }
}

/// UNTIL by the series' own clock; a bare date means that whole day.
fn until(rule: &Recurrence, start: &Time, zone: &TimeZone) -> Option<DateTime> {
    let until = rule.until.as_ref()?;
    let whole_day = |at: DateTime| at.date().to_datetime(jiff::civil::Time::MAX);
    Some(match until.kind {
        _ if start.is_date() => whole_day(until.at),
        UntilKind::Date => whole_day(until.at),
        UntilKind::Floating => until.at,
        UntilKind::Utc => zone.to_datetime(instant(until.at, &TimeZone::UTC)),
    })
}

/// How long each instance lasts: dates by days, others by time gone by.
struct Length {
    seconds: i64,
    days: bool,
}

impl Length {
    fn of(event: &Event<'_>, start: &Time) -> Length {
        let Some(end) = event.end() else { return Length { seconds: 0, days: false } };
        if start.is_date() {
            return Length { seconds: end.at.duration_since(start.at).as_secs(), days: true };
        }
        let (from, to) = (event.zones.instant(start), event.zones.instant(&end));
        Length { seconds: to.duration_since(from).as_secs().max(0), days: false }
    }

    fn end(&self, at: DateTime, begins: Timestamp, zone: &TimeZone) -> Timestamp {
        let length = jiff::SignedDuration::from_secs(self.seconds);
        match self.days {
            true => at.checked_add(length).map_or(begins, |end| instant(end, zone)),
            false => begins.checked_add(length).unwrap_or(begins),
        }
    }
}

/// Original starts that do not take place as the rule says.
struct Marks {
    dates: bool,
    days: HashSet<jiff::civil::Date>,
    instants: HashSet<Timestamp>,
}

impl Marks {
    fn of<'t>(zones: &Zones, start: &Time, times: impl Iterator<Item = &'t Time>) -> Marks {
        let mut marks = Marks {
            dates: start.is_date(),
            days: Default::default(),
            instants: Default::default(),
        };
        times.for_each(|time| marks.insert(zones, time));
        marks
    }

    fn extend(&mut self, zones: &Zones, times: &[Time]) {
        times.iter().for_each(|time| self.insert(zones, time));
    }

    /// A day excludes all of it; also of a series with times (Exchange's export and Google's).
    fn insert(&mut self, zones: &Zones, time: &Time) {
        if time.is_date() || self.dates {
            self.days.insert(time.at.date());
        } else {
            self.instants.insert(zones.instant(time));
        }
    }

    fn has(&self, id: &Time, begins: Timestamp) -> bool {
        self.days.contains(&id.at.date()) || self.instants.contains(&begins)
    }
}

/// The changed instance that stands for an original start.
pub fn override_at<'a>(series: &'a Series, zones: &Zones, id: &Time) -> Option<&'a Component> {
    let stands = |event: &&Component| {
        Event::new(event, zones).recurrence_id().is_some_and(|other| same(zones, &other, id))
    };
    series.overrides().find(stands)
}

/// The whole extent of an event in seconds since 1970, `i64::MAX` without end. That of a rule
/// with UNTIL may be longer than its last instance, and never shorter.
pub fn extent(series: &Series, zones: &Zones) -> (i64, i64) {
    let mut extent: Option<(i64, i64)> = None;
    let mut reach = |from: i64, until: i64| {
        let (a, b) = extent.unwrap_or((from, until));
        extent = Some((a.min(from), b.max(until)));
    };
    for event in series.overrides().map(|event| Event::new(event, zones)) {
        if let (Some(start), Some(end)) = (event.start_at(), event.end_at()) {
            reach(start.as_second(), end.as_second());
        }
    }
    if let Some(event) = series.master().map(|master| Event::new(master, zones))
        && let (Some(start), Some(end)) = (event.start(), event.end_at())
    {
        let (from, length) =
            (zones.instant(&start).as_second(), Length::of(&event, &start).seconds);
        reach(from, end.as_second());
        for time in event.additions() {
            let at = zones.instant(&time).as_second();
            reach(at, at.saturating_add(length));
        }
        if let Some(rule) = event.recurrence() {
            let zone = zones.zone_of(&start);
            let last = last_start(&rule, &start, &zone);
            reach(from, last.map_or(i64::MAX, |at| at.as_second().saturating_add(length)));
        }
    }
    extent.unwrap_or((0, 0))
}

/// The latest start that a rule may have; `None` without end, or where finding it takes long.
fn last_start(rule: &Recurrence, start: &Time, zone: &TimeZone) -> Option<Timestamp> {
    if let Some(until) = until(rule, start, zone) {
        return Some(instant(until.max(start.at), zone));
    }
    let count = usize::try_from(rule.count?).ok().filter(|count| *count <= INSTANCES)?;
    let mut starts = Starts::new(rule, start.at, start.at);
    let last = starts.by_ref().take(count).last();
    if starts.exhausted() { None } else { last.map(|at| instant(at, zone)) }
}

/// A time that somebody is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyTime {
    pub start: Timestamp,
    pub end: Timestamp,
    pub busy: Busy,
}

/// What an event's text does to its owner's time within a window. Cancelled and free ones do
/// nothing; a text that cannot be read does nothing either.
pub fn busy_times(text: &str, home: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<BusyTime> {
    let Ok(series) = Series::parse(text) else { return Vec::new() };
    let zones = series.zones(home);
    let busy = |instance: &Instance<'_>| {
        let event = Event::new(instance.event, &zones);
        let busy = event.busy();
        let counts = !event.is_cancelled() && busy != Busy::Free && busy != Busy::Elsewhere;
        counts.then_some(BusyTime { start: instance.start, end: instance.end, busy })
    };
    expand(&series, &zones, from, to).instances.iter().filter_map(busy).collect()
}

/// ActiveSync's availability: a digit for each half hour from `from` on, unsnapped, the last
/// one whole if `to` cuts it. 0 free, 1 tentative, 2 busy, 3 out of office; 4, no data, is the
/// caller's where a calendar may not be read. MS-ASCMD 2.2.3.105.
pub fn merged_free_busy(times: &[BusyTime], from: Timestamp, to: Timestamp) -> String {
    const SLOT: i64 = 30 * 60;
    /// 42 days (MS-ASCMD 2.2.3.18.2 lets the server bound it); 32 KiB would be two years.
    const MOST: i64 = 32 * 1024;
    let seconds = to.as_second().saturating_sub(from.as_second());
    let slots = ((seconds + SLOT - 1) / SLOT).clamp(0, MOST);
    let mut digits = vec![b'0'; usize::try_from(slots).unwrap_or(0)];
    for time in times {
        let digit = match time.busy {
            Busy::Free | Busy::Elsewhere => continue,
            Busy::Tentative => b'1',
            Busy::Busy => b'2',
            Busy::OutOfOffice => b'3',
        };
        let (start, end) = (time.start.as_second(), time.end.as_second());
        let first = (start - from.as_second()).div_euclid(SLOT).clamp(0, slots);
        let last = (end - from.as_second() + SLOT - 1).div_euclid(SLOT).clamp(0, slots);
        if end <= from.as_second() || start >= to.as_second() {
            continue;
        }
        let range = usize::try_from(first).unwrap_or(0)..usize::try_from(last).unwrap_or(0);
        if let Some(part) = digits.get_mut(range) {
            part.iter_mut().for_each(|old| *old = (*old).max(digit));
        }
    }
    String::from_utf8(digits).unwrap_or_default()
}
