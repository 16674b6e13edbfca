//! Exceptions: instances of a series that differ or do not take place. MS-ASCAL 2.2.2.21,
//! 2.2.2.22; by AirSyncBase:InstanceId from 16.0 on.

use std::collections::HashMap;

use jiff::Span;

use super::time::{self, Times, read_instant};
use super::write::{self, busy, sensitivity};
use super::{EXCEPTIONS_MAX, attachments, location, notes, people, read, recurrence};
use crate::eas::render::{Malformed, Supported, View};
use crate::eas::version::Version;
use crate::format::ical::{Component, Event, Property, Series, Time, Zones, override_at, same};
use crate::format::tz::TimeZone;
use crate::format::wbxml::tags::{air_sync_base as b, calendar as c};
use crate::format::wbxml::{Element, Tag, Writer};

/// What belongs to the series and not to an instance.
const OF_THE_SERIES: &[&str] = &["RRULE", "RDATE", "EXDATE", "EXRULE", "X-KONTOR-CALENDAR-TYPE"];

/// What an instance inherits as long as it says nothing of its own: the elements that say it,
/// and where that is kept.
const INHERITED: &[(&[Tag], &[&str])] = &[
    (&[c::SUBJECT], &["SUMMARY"]),
    (&[c::LOCATION, b::LOCATION], &["LOCATION", "GEO", "X-KONTOR-PLACE"]),
    (&[c::BODY, b::BODY], &["DESCRIPTION", "X-ALT-DESC"]),
    (&[c::CATEGORIES], &["CATEGORIES"]),
    (&[c::SENSITIVITY], &["CLASS"]),
    (&[c::BUSY_STATUS], &["TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS"]),
    (&[c::MEETING_STATUS], &["STATUS", "X-KONTOR-MEETING-STATUS"]),
];

/// The same for phones that can tell it of an instance, from 14.0 on.
const INHERITED_FROM_14_0: &[(&[Tag], &[&str])] = &[
    (&[c::ATTENDEES], &["ATTENDEE"]),
    (&[c::APPOINTMENT_REPLY_TIME], &["X-MICROSOFT-CDO-REPLYTIME"]),
    (&[c::RESPONSE_TYPE], &["X-KONTOR-RESPONSE-TYPE"]),
];

/// From 14.1 on.
const INHERITED_FROM_14_1: &[(&[Tag], &[&str])] = &[
    (&[c::ONLINE_MEETING_CONF_LINK], &["X-MICROSOFT-ONLINEMEETINGCONFLINK"]),
    (&[c::ONLINE_MEETING_EXTERNAL_LINK], &["X-MICROSOFT-ONLINEMEETINGEXTERNALLINK"]),
];

/// Writes Exceptions, if the series has any.
pub(super) fn write(out: &mut Writer, series: &Series, master: &Event<'_>, view: &View<'_>) {
    if recurrence::pattern(master).is_none() {
        return;
    }
    let mut gone = master.exceptions();
    gone.truncate(EXCEPTIONS_MAX);
    let changed: Vec<(Event<'_>, Time)> = series
        .overrides()
        .map(|event| Event::new(event, master.zones))
        .filter_map(|event| Some((event, event.recurrence_id()?)))
        .take(EXCEPTIONS_MAX - gone.len())
        .collect();
    if gone.is_empty() && changed.is_empty() {
        return;
    }
    out.open(c::EXCEPTIONS);
    for id in gone {
        out.open(c::EXCEPTION);
        out.number(c::DELETED, 1);
        write_id(out, &id, master, view);
        out.close();
    }
    for (event, id) in changed {
        out.open(c::EXCEPTION);
        write_id(out, &id, master, view);
        write_changed(out, &event, master, view);
        out.close();
    }
    out.close();
}

/// The original start.
fn write_id(out: &mut Writer, id: &Time, master: &Event<'_>, view: &View<'_>) {
    let id = master.start().map_or_else(|| id.clone(), |start| in_kind(id, &start));
    let text = time::wire(&id, master.zones);
    let by_instance = view.version >= Version::V16_0;
    out.text(if by_instance { b::INSTANCE_ID } else { c::EXCEPTION_START_TIME }, &text);
}

/// An original start as the series tells its own: a date for days, else a time, where a bare
/// date means the instance of that day.
fn in_kind(id: &Time, start: &Time) -> Time {
    match (start.is_date(), id.is_date()) {
        (true, false) => Time::date(id.at.date()),
        (false, true) => start.at(id.at.date().to_datetime(start.at.time())),
        _ => id.clone(),
    }
}

/// Only what differs from the series; what the series has and the instance has not is sent
/// empty (CAL_R539).
fn write_changed(out: &mut Writer, event: &Event<'_>, master: &Event<'_>, view: &View<'_>) {
    let (own, whole) = (event.component, master.component);
    let (start, end) = time::bounds(event, Some(master), view);
    out.text(c::START_TIME, &start);
    out.text(c::END_TIME, &end);
    out.text(c::DT_STAMP, &write::stamp(event, view));
    let subject = own.text_of("SUMMARY");
    if subject != whole.text_of("SUMMARY") {
        out.text(c::SUBJECT, &subject.unwrap_or_default());
    }
    if event.is_all_day() != master.is_all_day() {
        out.number(c::ALL_DAY_EVENT, u8::from(event.is_all_day()));
    }
    if !location::same(own, whole) {
        location::write(out, own, view, true);
    }
    if !notes::same(own, whole) {
        notes::write(out, own, view);
    }
    if sensitivity(own) != sensitivity(whole) {
        out.number(c::SENSITIVITY, sensitivity(own));
    }
    // Also where the version has the same number for both: what is not said is inherited.
    if event.busy() != master.busy() {
        out.number(c::BUSY_STATUS, busy(event.busy(), view.version));
    }
    match event.reminder() {
        same if same == master.reminder() => {}
        Some(minutes) => out.number(c::REMINDER, minutes),
        None if view.trips_over_empty => {}
        None => out.empty(c::REMINDER),
    }
    if write::category_list(own) != write::category_list(whole) {
        write::categories(out, own, true);
    }
    let status = people::meeting_status(event, view);
    if status != people::meeting_status(master, view) {
        out.number(c::MEETING_STATUS, status);
    }
    write_later(out, event, master, view);
}

/// What exceptions have from 14.0 on, and files from 16.0 on.
fn write_later(out: &mut Writer, event: &Event<'_>, master: &Event<'_>, view: &View<'_>) {
    let (own, whole) = (event.component, master.component);
    if view.version < Version::V14_0 {
        return;
    }
    if !event.attendees().eq(master.attendees()) {
        match event.attendees().next() {
            Some(_) => people::write_attendees(out, event, view),
            None => out.empty(c::ATTENDEES),
        }
    }
    let response = people::response_type(event, view);
    if response != people::response_type(master, view) {
        out.number(c::RESPONSE_TYPE, response);
    }
    let reply = "X-MICROSOFT-CDO-REPLYTIME";
    if own.value_of(reply) != whole.value_of(reply)
        && let Some(at) = own.first(reply).and_then(Time::read)
    {
        out.text(c::APPOINTMENT_REPLY_TIME, &time::wire(&at, event.zones));
    }
    if write::ONLINE.iter().any(|(name, _)| own.value_of(name) != whole.value_of(name)) {
        write::online(out, own, view);
    }
    if !attachments::same(own, whole) {
        let uid = own.text_of("UID").unwrap_or_default();
        attachments::write(out, own, &uid, view);
    }
}

/// Reads Exceptions. They are all there (up to 14.1) or none is told of: a series that is told
/// without them keeps its own, unless it has become another one.
///
/// `zone` is the phone's, in which its days begin.
pub(super) fn read(
    series: &mut Series,
    data: &Element,
    zone: &TimeZone,
    view: &View<'_>,
    begun_anew: bool,
) -> Result<(), Malformed> {
    let recurs = series.master().is_some_and(recurrence::has_rule);
    let sent = data.child(c::EXCEPTIONS).filter(|_| recurs);
    let told_all = view.version < Version::V16_0 && shown_whole(series, view);
    let whole = series.calendar.children("VEVENT").any(|event| !event.has("RECURRENCE-ID"));
    let forget = whole && (begun_anew || (sent.is_some() && told_all));
    if !forget && sent.is_none() {
        return Ok(());
    }
    let mut shelf = Shelf::clear(series, view);
    if let Some(master) = series.master_mut().filter(|_| forget) {
        master.remove("EXDATE");
    }
    let all = sent.into_iter().flat_map(|list| list.all(c::EXCEPTION).take(EXCEPTIONS_MAX));
    for exception in all {
        let id = [c::EXCEPTION_START_TIME, b::INSTANCE_ID];
        let id = id.into_iter().find_map(|tag| exception.text_of(tag));
        let Some(id) = id.and_then(|text| original(series, text, zone, view)) else { continue };
        let old = shelf.take(&id);
        if exception.text_of(c::DELETED).map(str::trim) == Some("1") {
            remove(series, &id, view);
        } else {
            let new = changed(series, &id, old, exception, (zone, view), true);
            shelf.put(&id, new);
        }
    }
    shelf.put_back(series, forget);
    Ok(())
}

/// The changed instances of a series while a phone's list of them is read: each is found by
/// its original start, also among a thousand.
struct Shelf {
    zones: Zones,
    /// The series' own start, which says how its instances are told.
    start: Option<Time>,
    kept: HashMap<i64, Component>,
    told: Vec<(i64, Component)>,
}

impl Shelf {
    /// Takes all changed instances out of the text.
    fn clear(series: &mut Series, view: &View<'_>) -> Shelf {
        let zones = series.zones(view.zone);
        let start = series.master().and_then(|master| Event::new(master, &zones).start());
        let mut shelf = Shelf { zones, start, kept: HashMap::new(), told: Vec::new() };
        let mut left = Vec::with_capacity(series.calendar.components.len());
        let master = series.master().map(|master| std::ptr::from_ref(master).addr());
        for component in &series.calendar.components {
            let other = master != Some(std::ptr::from_ref(component).addr());
            let id = Event::new(component, &shelf.zones).recurrence_id();
            match id.filter(|_| other && component.is("VEVENT")) {
                Some(id) => drop(shelf.kept.insert(shelf.key(&id), component.clone())),
                None => left.push(component.clone()),
            }
        }
        series.calendar.components = left;
        shelf
    }

    fn key(&self, id: &Time) -> i64 {
        let id = match &self.start {
            Some(start) => in_kind(id, start),
            None => id.clone(),
        };
        if id.is_date() {
            let (year, day) = (i64::from(id.at.year()), i64::from(id.at.day_of_year()));
            // Apart from all instants of the same years.
            i64::MIN + (year + 10_000) * 1_000 + day
        } else {
            self.zones.instant(&id).as_second()
        }
    }

    fn take(&mut self, id: &Time) -> Option<Component> {
        let key = self.key(id);
        let again = self.told.iter().rposition(|(other, _)| *other == key);
        let told = again.map(|at| self.told.remove(at).1);
        told.or_else(|| self.kept.remove(&key))
    }

    fn put(&mut self, id: &Time, event: Option<Component>) {
        let key = self.key(id);
        self.told.extend(event.map(|event| (key, event)));
    }

    /// Puts into the text what was told, and unless it is forgotten what was not.
    fn put_back(self, series: &mut Series, forget: bool) {
        let mut kept: Vec<(i64, Component)> = self.kept.into_iter().collect();
        kept.sort_by_key(|(key, _)| *key);
        let kept = kept.into_iter().filter(|_| !forget);
        series.calendar.components.extend(kept.chain(self.told).map(|(_, event)| event));
    }
}

/// Whether a phone was shown all exceptions there are, and so leaves out only what it deleted.
fn shown_whole(series: &Series, view: &View<'_>) -> bool {
    let zones = series.zones(view.zone);
    let gone = series.master().map_or(0, |master| Event::new(master, &zones).exceptions().len());
    series.overrides().count() + gone <= EXCEPTIONS_MAX
}

/// One instance, or its removal (16.0 and later).
pub(super) fn change_one(
    series: &mut Series,
    instance: &str,
    data: Option<&Element>,
    view: &View<'_>,
) -> Result<(), Malformed> {
    if !series.master().is_some_and(recurrence::has_rule) {
        return Err(Malformed("the event is no series"));
    }
    let id =
        original(series, instance, view.zone, view).ok_or(Malformed("InstanceId is no time"))?;
    match data {
        Some(data) => {
            let old = take(series, &id, view);
            let new = changed(series, &id, old, data, (view.zone, view), false);
            series.calendar.components.extend(new);
        }
        None => {
            take(series, &id, view);
            remove(series, &id, view);
        }
    }
    Ok(())
}

/// The original start that a phone means, told as the series tells its own.
fn original(series: &Series, text: &str, own: &TimeZone, view: &View<'_>) -> Option<Time> {
    let at = read_instant(text)?;
    let zones = series.zones(view.zone);
    let master = Event::new(series.master()?, &zones);
    let start = master.start()?;
    if start.is_date() {
        return Some(Time::date(time::day_of(at, own, view.version)));
    }
    let (zone, _) = master.zone();
    Some(start.at(Time::zoned(at, &zone, Some("x")).at))
}

/// The instance does not take place.
fn remove(series: &mut Series, id: &Time, view: &View<'_>) {
    let zones = series.zones(view.zone);
    let Some(master) = series.master_mut() else { return };
    let gone = Event::new(master, &zones).exceptions();
    if !gone.iter().any(|other| same(&zones, other, id)) {
        master.push(id.property("EXDATE"));
    }
}

/// Takes the changed instance out of the text.
fn take(series: &mut Series, id: &Time, view: &View<'_>) -> Option<Component> {
    let zones = series.zones(view.zone);
    let found = override_at(series, &zones, id)?.clone();
    let at = series.calendar.components.iter().position(|event| *event == found)?;
    Some(series.calendar.components.remove(at))
}

/// An instance with what a phone says of it. `whole`: what it leaves out is as the series has
/// it; else as the instance had it.
fn changed(
    series: &mut Series,
    id: &Time,
    old: Option<Component>,
    data: &Element,
    (own, view): (&TimeZone, &View<'_>),
    whole: bool,
) -> Option<Component> {
    let mut zones = series.zones(view.zone);
    let uid = series.uid();
    let master = series.master()?;
    let shown = Event::new(old.as_ref().unwrap_or(master), &zones).busy();
    let mut event = match old {
        Some(mut old) => {
            if whole {
                inherit(&mut old, master, data, (&zones, view));
            }
            old
        }
        None => fresh(master, id, &zones),
    };
    if whole {
        let plain = fresh(master, id, &zones);
        let plain = Event::new(&plain, &zones);
        if let Some((start, end)) = plain.start().zip(plain.end()) {
            let zone = zones.zone_of(&start);
            read::set_times(&mut event, &Times { start, end, zone }, &zones);
        }
    }
    let master = Event::new(master, &zones);
    let times = times(data, &Event::new(&event, &zones), &master, (own, view));
    time::define(series, &times, &mut zones);
    read::set_times(&mut event, &times, &zones);
    read::contents(&mut event, data, (&uid, Some(shown)), &zones, view, &Supported::Nothing);
    let stamp = data.text_of(c::DT_STAMP).and_then(read_instant).unwrap_or(time::now(view));
    event.set_value("DTSTAMP", Some(&time::compact(stamp)));
    drop_exdate(series, id, &zones);
    Some(event)
}

/// The times of an exception stand in the zone of its series, which has the blob; of a series of
/// days it is the phone's own.
fn times(
    data: &Element,
    event: &Event<'_>,
    master: &Event<'_>,
    (own, view): (&TimeZone, &View<'_>),
) -> Times {
    let mut times = time::read(data, Some(event), view, &Supported::Nothing);
    let day = data.text_of(c::ALL_DAY_EVENT).map(str::trim) == Some("1") || event.is_all_day();
    if !(times.start.is_date() && day) {
        return times;
    }
    let zone = if master.is_all_day() { own.clone() } else { master.zone().0 };
    for (time, tag) in [(&mut times.start, c::START_TIME), (&mut times.end, c::END_TIME)] {
        if let Some(at) = data.text_of(tag).and_then(read_instant) {
            *time = Time::date(time::day_of(at, &zone, view.version));
        }
    }
    if times.end.at <= times.start.at {
        times.end = Time::date(times.start.at.date().saturating_add(Span::new().days(1)));
    }
    times
}

/// An instance that is as the series says.
fn fresh(master: &Component, id: &Time, zones: &Zones) -> Component {
    let mut event = master.clone();
    OF_THE_SERIES.iter().for_each(|name| event.remove(name));
    let series = Event::new(master, zones);
    event.set(id.property("RECURRENCE-ID"));
    event.set(id.property("DTSTART"));
    let length = series.start_at().zip(series.end_at()).map(|(a, b)| b.duration_since(a));
    if event.has("DTEND") {
        let end = match (series.start(), series.end()) {
            (Some(start), Some(end)) if id.is_date() => {
                id.at(id.at.checked_add(end.at.duration_since(start.at)).unwrap_or(id.at))
            }
            _ => {
                let at = zones.instant(id);
                let end = length.and_then(|length| at.checked_add(length).ok()).unwrap_or(at);
                Time::zoned(end, &zones.zone_of(id), id.tzid())
            }
        };
        event.set(end.property("DTEND"));
    }
    event
}

/// Gives an instance what the series has now, but for what the phone says of it: that is read
/// against what the instance had, which may be more than the phone's version can tell.
fn inherit(
    event: &mut Component,
    master: &Component,
    data: &Element,
    (zones, view): (&Zones, &View<'_>),
) {
    // What the version has one number for is no difference to its phones, and not theirs to end.
    let busy = |event: &Component| busy(Event::new(event, zones).busy(), view.version);
    let as_busy = busy(event) == busy(master);
    let from = |version, groups| if view.version >= version { groups } else { &[][..] };
    let later = from(Version::V14_0, INHERITED_FROM_14_0);
    let latest = from(Version::V14_1, INHERITED_FROM_14_1);
    let unsaid = |(tags, _): &&(&[Tag], &[&str])| {
        let kept = as_busy && tags.contains(&c::BUSY_STATUS);
        !kept && tags.iter().all(|tag| !data.has(*tag))
    };
    let groups: Vec<_> = INHERITED.iter().chain(later).chain(latest).filter(unsaid).collect();
    let inherited =
        |line: &&Property| groups.iter().any(|(_, names)| names.iter().any(|name| line.is(name)));
    event.properties.retain(|line| !inherited(&line));
    event.properties.extend(master.properties.iter().filter(inherited).cloned());
    if !data.has(c::REMINDER) {
        let alarm = |part: &Component| part.is("VALARM");
        event.components.retain(|part| !alarm(part));
        event.components.extend(master.components.iter().filter(|part| alarm(part)).cloned());
    }
}

/// What an instance has as the series had it follows the series: who renames all of them means
/// also the one that was only moved. Phones from 16.0 on tell a series without its exceptions.
pub(super) fn follow(series: &mut Series, old: &Component) {
    let Some(new) = series.master().filter(|new| *new != old).cloned() else { return };
    let new = &new;
    let of = |event: &Component, names: &[&str]| {
        let named = |line: &&Property| names.iter().any(|name| line.is(name));
        event.properties.iter().filter(named).cloned().collect::<Vec<Property>>()
    };
    let alarms = |event: &Component| event.children("VALARM").cloned().collect::<Vec<_>>();
    let changed: Vec<&[&str]> = INHERITED
        .iter()
        .chain(INHERITED_FROM_14_0)
        .chain(INHERITED_FROM_14_1)
        .map(|(_, names)| *names)
        .filter(|names| of(old, names) != of(new, names))
        .collect();
    let ring = alarms(old) != alarms(new);
    if changed.is_empty() && !ring {
        return;
    }
    for event in series.calendar.children_mut("VEVENT").filter(|each| each.has("RECURRENCE-ID")) {
        for names in &changed {
            if of(event, names) != of(old, names) {
                continue;
            }
            event.properties.retain(|line| !names.iter().any(|name| line.is(name)));
            event.properties.extend(of(new, names));
        }
        if event.has("ATTENDEE") && !event.has("ORGANIZER") {
            event.properties.extend(of(new, &["ORGANIZER"]));
        }
        if ring && alarms(event) == alarms(old) {
            event.components.retain(|part| !part.is("VALARM"));
            event.components.extend(alarms(new));
        }
    }
}

/// An instance that takes place after all.
fn drop_exdate(series: &mut Series, id: &Time, zones: &Zones) {
    let Some(master) = series.master_mut() else { return };
    let hit = |line: &Property| {
        line.is("EXDATE") && Time::read_all(line).iter().any(|other| same(zones, other, id))
    };
    if !master.properties.iter().any(hit) {
        return;
    }
    let left: Vec<Time> = Event::new(master, zones).exceptions();
    master.remove("EXDATE");
    for time in left.iter().filter(|time| !same(zones, time, id)) {
        master.push(time.property("EXDATE"));
    }
}
