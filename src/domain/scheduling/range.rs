//! Changes of an instance and all later ones (RECURRENCE-ID with RANGE=THISANDFUTURE, RFC 5545
//! §3.2.13). No client here has a form for them: they are told instance by instance.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::view::View;
use crate::base::clock::UnixTime;
use crate::format::ical::{self, Component, Event, Recurrence, Series, Time, Until, UntilKind};

/// Instances that one such change is told for; a weekly meeting of seven years.
const INSTANCES_MAX: usize = 366;
/// Such changes in one message that are told for more than their instance.
const RANGES_MAX: usize = 10;
/// Octets of text that they may come to.
const OCTETS_MAX: usize = 1 << 20;
/// How far they are looked for.
const YEARS: i64 = 10;

/// Whether a VEVENT is about all later instances too.
pub(super) fn is_range(event: &Component) -> bool {
    let id = event.first("RECURRENCE-ID").and_then(|id| id.param("RANGE"));
    id.is_some_and(|range| range.trim().eq_ignore_ascii_case("THISANDFUTURE"))
}

pub(super) fn is_in(series: &Series) -> bool {
    series.calendar.children("VEVENT").any(is_range)
}

/// A message in which each instance is told for itself. The series is the message's own, else
/// the stored one; without either only the instance that is named is left.
pub(super) fn unfold(message: &Series, stored: Option<&Series>, home: &TimeZone) -> Series {
    let told = View::of(message, home);
    let mut base =
        if told.master.is_some() { message.clone() } else { stored.unwrap_or(message).clone() };
    // The plain series: an instance that was changed before is where it would have been.
    base.calendar.components.retain(|event| !event.is("VEVENT") || !event.has("RECURRENCE-ID"));
    let plain = View::of(&base, home);
    let mut left = INSTANCES_MAX;
    let mut unfolded = Vec::new();
    let mut ranges =
        told.others.iter().filter(|(_, event)| is_range(event)).take(RANGES_MAX).peekable();
    while let Some((key, event)) = ranges.next() {
        let end = ranges.peek().map(|(next, _)| **next);
        let room = OCTETS_MAX / (INSTANCES_MAX / left.max(1)).max(1);
        let most = left.min(room / event.to_string().len().max(1));
        let later = later(&plain, *key, end, most);
        let later = later.iter().filter(|id| !told.others.contains_key(&plain.key(id)));
        let made: Vec<_> = later.filter_map(|id| moved(&told, &plain, event, id)).collect();
        left = left.saturating_sub(made.len());
        unfolded.extend(made);
    }
    let mut series = message.clone();
    for event in series.calendar.children_mut("VEVENT") {
        if let Some(id) = event.first_mut("RECURRENCE-ID") {
            id.set_param("RANGE", None);
        }
    }
    series.calendar.components.extend(unfolded);
    series
}

/// The original starts after one of them and before another.
fn later(plain: &View<'_>, key: UnixTime, end: Option<UnixTime>, most: usize) -> Vec<Time> {
    let far = key.saturating_add(YEARS * 366 * 86_400);
    let at = |seconds: i64| Timestamp::from_second(seconds).ok();
    let Some((from, to)) = at(key).zip(at(end.unwrap_or(far).min(far))) else { return Vec::new() };
    let found = ical::expand(plain.series, &plain.zones, from, to);
    let ids = found.instances.into_iter().map(|instance| instance.id);
    ids.filter(|id| plain.key(id) > key).take(most).collect()
}

/// The change of the first instance, as it is for a later one: as many hours and minutes off by
/// the clock on the wall.
fn moved(told: &View<'_>, plain: &View<'_>, event: &Component, id: &Time) -> Option<Component> {
    let first = event.first("RECURRENCE-ID").and_then(Time::read)?;
    let shown = Event::new(event, &told.zones);
    let (start, end) = (shown.start()?, shown.end()?);
    let first = told.like(&start, &first);
    let here = told.like(&start, &as_instant(plain, id));
    let off: SignedDuration = start.at.duration_since(first.at);
    let begins = here.at.checked_add(off).ok()?;
    let length = end.at.duration_since(start.at);
    let mut own = event.clone();
    for name in ["RRULE", "RDATE", "EXDATE", "EXRULE", "DURATION", "DTEND"] {
        own.remove(name);
    }
    own.set(start.at(begins).property("DTSTART"));
    own.set(end.at(begins.checked_add(length).ok()?).property("DTEND"));
    own.set(id.property("RECURRENCE-ID"));
    Some(own)
}

/// A time of the series that another text can read: its zone's name may mean nothing there.
fn as_instant(plain: &View<'_>, id: &Time) -> Time {
    if id.is_date() { id.clone() } else { Time::utc(plain.zones.instant(id)) }
}

/// Ends a rule before an instance.
pub(super) fn end_before(master: &mut Component, view: &View<'_>, key: UnixTime) {
    if let Some(mut rule) = master.value_of("RRULE").and_then(Recurrence::parse)
        && let Ok(at) = Timestamp::from_second(key.saturating_sub(1))
    {
        rule.count = None;
        let last = Time::utc(at);
        rule.until = Some(match view.is_by_day() {
            // Days are named by their midnight.
            true => Until { at: Time::date(last.at.date()).at, kind: UntilKind::Date },
            false => Until { at: last.at, kind: UntilKind::Utc },
        });
        master.set_value("RRULE", Some(&rule.to_string()));
    }
    let mut kept = Vec::new();
    for line in master.all("RDATE") {
        let times = Time::read_all(line);
        match times.iter().all(|time| view.key(time) < key) {
            true => kept.push(line.clone()),
            false => kept.extend(
                times.iter().filter(|time| view.key(time) < key).map(|t| t.property("RDATE")),
            ),
        }
    }
    master.remove("RDATE");
    master.properties.extend(kept);
}
