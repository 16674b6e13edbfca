//! Times: Timezone, StartTime, EndTime, AllDayEvent. MS-ASCAL 2.2.2.1, .20, .42, .44;
//! MS-ASDTYPE 2.7.1.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::eas::render::{Supported, View};
use crate::eas::version::Version;
use crate::format::ical::{
    Component, Event, Series, Time, TimeKind, Zones, parse_date, parse_date_time, write_vtimezone,
};
use crate::format::tz::{self, Rules, TimeZone};
use crate::format::wbxml::tags::calendar as c;
use crate::format::wbxml::{Element, Writer};

/// The years that Exchange knows; phones do odd things with others.
const FIRST_YEAR: i16 = 1601;
const LAST_YEAR: i16 = 4500;

/// An event that says nothing of its end (MS-ASCAL 2.2.2.20).
const USUAL_LENGTH: SignedDuration = SignedDuration::from_mins(30);

/// `20260131T120000Z`: a Compact DateTime (MS-ASDTYPE 2.7.2).
pub fn compact(at: Timestamp) -> String {
    let mut time = Time::utc(at);
    if time.at.year() < FIRST_YEAR {
        time.at = Date::constant(FIRST_YEAR, 1, 1).at(0, 0, 0, 0);
    } else if time.at.year() > LAST_YEAR {
        time.at = Date::constant(LAST_YEAR, 8, 31).at(0, 0, 0, 0);
    }
    time.value()
}

/// Reads either form of date and time; both are UTC, also without a Z.
pub(super) fn read_instant(text: &str) -> Option<Timestamp> {
    let at = match parse_date_time(text) {
        Some((at, _)) => at,
        None => parse_date(text.trim())?.to_datetime(jiff::civil::Time::midnight()),
    };
    let sane = (FIRST_YEAR..=LAST_YEAR).contains(&at.year());
    sane.then(|| TimeZone::UTC.to_timestamp(at).ok()).flatten()
}

pub(super) fn now(view: &View<'_>) -> Timestamp {
    super::timestamp(view.now)
}

/// The year whose rules a phone is to know: of a series that began long ago, this one's.
pub fn year_of(start: Timestamp, view: &View<'_>) -> i16 {
    let year = |at: Timestamp| TimeZone::UTC.to_datetime(at).year();
    year(start).max(year(now(view))).clamp(1970, 2200)
}

/// The zone whose blob goes with an event: its own, except where a single event stands in none.
pub fn zone_for(event: &Event<'_>) -> TimeZone {
    let (zone, tzid) = event.zone();
    let single = !event.component.has("RRULE");
    if tzid.is_none() && single { event.zones.home().clone() } else { zone }
}

/// Writes Timezone, StartTime, EndTime and AllDayEvent.
pub(super) fn write(out: &mut Writer, event: &Event<'_>, view: &View<'_>) {
    let all_day = event.is_all_day();
    if !all_day {
        let year = year_of(event.start_at().unwrap_or(now(view)), view);
        out.text(c::TIMEZONE, &blob(&zone_for(event), year));
    } else if view.version < Version::V16_0 {
        // Midnight of the zone in UTC for those who reckon, the date for those who read it.
        out.text(c::TIMEZONE, &tz::write_blob(&Rules::UTC, ""));
    }
    let (start, end) = bounds(event, None, view);
    out.text(c::START_TIME, &start);
    out.text(c::END_TIME, &end);
    out.number(c::ALL_DAY_EVENT, u8::from(all_day));
}

/// Start and end as they are sent. Days are dates at midnight UTC; as exceptions of a series
/// with times they are midnights of the series' zone before 16.0.
pub(super) fn bounds(
    event: &Event<'_>,
    series: Option<&Event<'_>>,
    view: &View<'_>,
) -> (String, String) {
    let Some((start, end)) = event.start().zip(event.end()) else {
        // A text without any time is shown today, rather than not at all.
        let at = event.component.first("DTSTAMP").and_then(Time::read);
        let at = at.map_or(now(view), |time| event.zones.instant(&time));
        return (compact(at), compact(at));
    };
    let series = series.filter(|series| view.version < Version::V16_0 && !series.is_all_day());
    let one = |time: &Time| match series {
        Some(series) if time.is_date() => compact(
            series.zone().0.to_ambiguous_timestamp(time.at).compatible().unwrap_or_default(),
        ),
        _ => wire(time, event.zones),
    };
    (one(&start), one(&end))
}

/// A time as it is sent: an instant, or a date at midnight UTC.
pub(super) fn wire(time: &Time, zones: &Zones) -> String {
    match time.is_date() {
        true => compact(TimeZone::UTC.to_timestamp(time.at).unwrap_or_default()),
        false => compact(zones.instant(time)),
    }
}

/// The 172 bytes of a zone. Working out the rules takes a hundred times longer than looking
/// them up, and an office has few zones.
pub fn blob(zone: &TimeZone, year: i16) -> String {
    const KEPT: usize = 256;
    static BLOBS: LazyLock<Mutex<HashMap<(String, i16), String>>> = LazyLock::new(Mutex::default);
    let Some(name) = zone.iana_name() else {
        return tz::write_blob(&Rules::of(zone, year), "");
    };
    let key = (name.to_owned(), year);
    let mut blobs = BLOBS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(blob) = blobs.get(&key) {
        return blob.clone();
    }
    let label = tz::windows_name(zone, year).unwrap_or(name);
    let blob = tz::write_blob(&Rules::of(zone, year), label);
    if blobs.len() >= KEPT {
        blobs.clear();
    }
    blobs.insert(key, blob.clone());
    blob
}

/// What a phone says of an event's times, with what it leaves out taken from the event.
pub(super) struct Times {
    pub start: Time,
    pub end: Time,
    pub zone: TimeZone,
}

/// Reads the times. `old` is the event so far, if it has times; `blob` the zone that goes with
/// them (of an exception, its series').
pub(super) fn read(
    data: &Element,
    old: Option<&Event<'_>>,
    view: &View<'_>,
    supported: &Supported,
) -> Times {
    let sent = |tag| data.text_of(tag).and_then(read_instant);
    let (start, end) = (sent(c::START_TIME), sent(c::END_TIME));
    let had = old.and_then(|old| Some((old.start()?, old.end()?)));
    let was_day = had.as_ref().is_some_and(|(start, _)| start.is_date());
    let all_day = match data.text_of(c::ALL_DAY_EVENT).map(str::trim) {
        Some(flag) => flag == "1",
        None if start.is_some() && supported.manages(c::ALL_DAY_EVENT) => false,
        None => was_day,
    };
    let (zone, tzid) = zone(data, old, start.unwrap_or(now(view)), view);
    if all_day {
        return days(start, end, had.filter(|_| was_day), &zone, view);
    }
    let had = had.filter(|_| !was_day);
    let zones = old.map(|old| old.zones);
    let instant = |time: &Time| zones.map(|zones| zones.instant(time));
    let old_start = had.as_ref().and_then(|(start, _)| instant(start));
    let old_end = had.as_ref().and_then(|(_, end)| instant(end));
    let start = start.or(old_start).unwrap_or(now(view));
    let length =
        old_end.zip(old_start).map_or(USUAL_LENGTH, |(end, start)| end.duration_since(start));
    let end = end.unwrap_or_else(|| start.checked_add(length).unwrap_or(start)).max(start);
    let like = |at: Timestamp, kind: Option<&Time>| match kind.map(|time| &time.kind) {
        // Times that stood in no zone do so as long as the phone does not give them one.
        Some(TimeKind::Floating) if tzid.is_none() => {
            Time { at: zone.to_datetime(at), kind: TimeKind::Floating }
        }
        _ => Time::zoned(at, &zone, tzid.as_deref()),
    };
    let kind = had.as_ref().map(|(start, _)| start);
    let (start, end) = (like(start, kind), like(end, kind));
    Times { start, end, zone }
}

/// Whole days; the end is the day after the last.
fn days(
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    had: Option<(Time, Time)>,
    zone: &TimeZone,
    view: &View<'_>,
) -> Times {
    let day = |at: Timestamp| day_of(at, zone, view.version);
    let had = had.map(|(start, end)| (start.at.date(), end.at.date()));
    let first = start.map(day).or(had.map(|(start, _)| start)).unwrap_or_else(|| day(now(view)));
    let length = had.and_then(|(start, end)| start.until(end).ok()).unwrap_or_default();
    let last = end.map(day).unwrap_or_else(|| first.saturating_add(length));
    let last = if last > first { last } else { first.tomorrow().unwrap_or(first) };
    Times { start: Time::date(first), end: Time::date(last), zone: zone.clone() }
}

/// The day that a phone means. From 16.0 on the date as it stands; before, midnight in the
/// zone of the blob, which some phones take for the date itself, and which a phone on a
/// journey sends an hour or two off.
pub(super) fn day_of(at: Timestamp, zone: &TimeZone, version: Version) -> Date {
    let digits = TimeZone::UTC.to_datetime(at);
    let midnight = jiff::civil::Time::midnight();
    if version >= Version::V16_0 || digits.time() == midnight {
        return digits.date();
    }
    // Up to six hours before midnight belong to the day that follows.
    zone.to_datetime(at).saturating_add(SignedDuration::from_hours(6)).date()
}

/// The zone that a phone means, and its name for the text (`None` is UTC or no zone).
fn zone(
    data: &Element,
    old: Option<&Event<'_>>,
    start: Timestamp,
    view: &View<'_>,
) -> (TimeZone, Option<String>) {
    let had = old.filter(|old| old.start().is_some_and(|start| !start.is_date()));
    let had_zone = had.map(|event| (event.zone(), zone_for(event)));
    let year = year_of(start, view);
    let blob = data.text_of(c::TIMEZONE).unwrap_or_default();
    let Some(rules) = tz::read_blob(blob) else {
        return had_zone.map_or_else(|| named(view.zone.clone(), year), |(zone, _)| zone);
    };
    if let Some((zone, shown)) = &had_zone
        && Rules::of(shown, year) == rules
    {
        return zone.clone();
    }
    let own = had_zone.as_ref().map(|((zone, _), _)| zone);
    let prefer: Vec<&TimeZone> = own.into_iter().chain([view.zone]).collect();
    let name = tz::blob_name(blob);
    // EAS-4-TbSync 4 looks up a zone's first offsets, of the 19th century: no days of change,
    // and sometimes another standard time, but the right name. A series would move by an hour.
    if tz::blob_lacks_days(blob)
        && let Some(zone) = tz::meant_by_name(&name, &prefer, year)
    {
        return named(zone, year);
    }
    named(tz::matching(&rules, &name, &prefer, year), year)
}

/// A zone with its name for a text. One that nobody has named gets a name of its own, which its
/// VTIMEZONE explains.
fn named(zone: TimeZone, year: i16) -> (TimeZone, Option<String>) {
    let name = match zone.iana_name() {
        Some("UTC" | "Etc/UTC") => None,
        Some(name) => Some(name.to_owned()),
        None if zone == TimeZone::UTC => None,
        None => {
            let rules = Rules::of(&zone, year);
            let blob = tz::write_blob(&rules, "");
            let mark = twox_hash::XxHash3_64::oneshot(blob.as_bytes());
            Some(format!("Phone-{:+}-{mark:016x}", rules.standard / 60))
        }
    };
    (zone, name)
}

/// Puts a time into a property; where it says the same already, nothing is touched. `true` if
/// it changed.
pub(super) fn set(event: &mut Component, name: &str, time: &Time, zones: &Zones) -> bool {
    let old = event.first(name).and_then(Time::read);
    let same = old.is_some_and(|old| {
        old.is_date() == time.is_date()
            && match old.is_date() {
                true => old.at.date() == time.at.date(),
                false => {
                    let instants = zones.instant(&old) == zones.instant(time);
                    instants && zones.zone_of(&old).iana_name() == zones.zone_of(time).iana_name()
                }
            }
    });
    if !same {
        event.set(time.property(name));
    }
    !same
}

/// Defines the zone of new times at once if nothing but its rules is known of it: its name
/// means nothing without them.
pub(super) fn define(series: &mut Series, times: &Times, zones: &mut Zones) {
    let Some(tzid) = times.start.tzid() else { return };
    if tz::by_name(tzid).is_none() && !defines(series, tzid) {
        let zone = write_vtimezone(&times.zone, tzid, times.start.at.year().max(1970));
        series.calendar.components.insert(0, zone);
        *zones = series.zones(zones.home());
    }
}

fn defines(series: &Series, tzid: &str) -> bool {
    series.calendar.children("VTIMEZONE").any(|zone| zone.value_of("TZID") == Some(tzid))
}

/// Gives the calendar a VTIMEZONE for each zone that is used and has none.
pub(super) fn define_zones(series: &mut Series, zones: &Zones) {
    let mut wanted: Vec<(String, i16)> = Vec::new();
    for event in series.calendar.children("VEVENT") {
        for property in event.properties.iter().filter(|property| property.param("TZID").is_some())
        {
            let Some(time) = Time::read(property) else { continue };
            let Some(tzid) = time.tzid() else { continue };
            let full = wanted.len() >= 100;
            match wanted.iter_mut().find(|(name, _)| name == tzid) {
                Some((_, year)) => *year = time.at.year().min(*year),
                None if full => {}
                None => wanted.push((tzid.to_owned(), time.at.year())),
            }
        }
    }
    for (at, (tzid, year)) in wanted.into_iter().enumerate() {
        if !defines(series, &tzid) {
            let zone = write_vtimezone(&zones.zone(&tzid), &tzid, year.max(1970));
            let place = at.min(series.calendar.components.len());
            series.calendar.components.insert(place, zone);
        }
    }
}
