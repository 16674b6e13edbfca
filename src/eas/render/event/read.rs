//! Elements into an event. MS-ASCAL 2.2.2.

use super::time::Times;
use super::write::{self, ONLINE};
use super::{
    CATEGORIES_MAX, Said, attachments, exceptions, location, notes, people, recurrence, said, time,
};
use crate::eas::render::{Malformed, Supported, View};
use crate::eas::version::Version;
use crate::format::ical::{Busy, Component, Event, Property, Series, Time, Zones, write_duration};
use crate::format::wbxml::Element;
use crate::format::wbxml::tags::calendar as c;

/// Whether the event was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    New,
    Known,
}

/// The UID of a new event: the phone's, from 16.0 on under another name (MS-ASCAL 2.2.2.13),
/// or a new one.
pub(super) fn uid(data: &Element, view: &View<'_>) -> String {
    let sent = [c::UID, c::CLIENT_UID].into_iter().find_map(|tag| data.text_of(tag));
    let clean: String = sent.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim();
    if !clean.is_empty() && clean.len() <= 1_000 {
        return clean.to_owned();
    }
    let domain = view.owner.address.rsplit('@').next().unwrap_or_default();
    format!("{:032x}@{domain}", rand::random::<u128>())
}

/// The whole event: times first, since the others are told by them.
pub(super) fn whole(
    series: &mut Series,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
    age: Age,
) -> Result<(), Malformed> {
    // From 16.0 on nothing is deleted by being left out (MS-ASCMD 2.2.3.179).
    let supported = match view.version >= Version::V16_0 {
        true => &Supported::Nothing,
        // Before, an event without its start is a part of one.
        false => &supported.of_change(data, &[c::START_TIME]),
    };
    let mut zones = series.zones(view.zone);
    let master = series.master().ok_or(Malformed("there is no event in it"))?;
    let had_master = master.clone();
    let old = Event::new(&had_master, &zones);
    let old_pattern = recurrence::pattern(&old);
    let shown = (age == Age::Known).then(|| old.busy());
    let had_start = old.start().filter(|_| age == Age::Known);
    let known = Some(&old).filter(|_| age == Age::Known);
    let times = time::read(data, known, view, supported);
    time::define(series, &times, &mut zones);
    let uid = series.uid();
    let event = series.master_mut().ok_or(Malformed("there is no event in it"))?;
    set_times(event, &times, &zones);
    let moved = had_start.as_ref().is_some_and(|had| {
        had.is_date() != times.start.is_date() || zones.instant(had) != zones.instant(&times.start)
    });
    let zones_of = (&zones, &times.zone);
    let other = recurrence::read(event, old_pattern.as_ref(), data, zones_of, view, supported)?;
    contents(event, data, (&uid, shown), &zones, view, supported);
    // What becomes a day, or hours, counts as before, also where nothing in the text says so.
    if let Some(shown) = shown.filter(|_| !data.has(c::BUSY_STATUS))
        && had_start.as_ref().is_some_and(|had| had.is_date() != times.start.is_date())
        && Event::new(event, &zones).busy() != shown
    {
        set_busy(event, shown);
    }
    if let Some(at) = data.text_of(c::DT_STAMP).and_then(time::read_instant) {
        event.set_value("DTSTAMP", Some(&time::compact(at)));
    } else if age == Age::Known {
        event.set_value("DTSTAMP", Some(&time::compact(time::now(view))));
    }
    let begun_anew = moved || other;
    if age == Age::Known {
        exceptions::follow(series, &had_master);
    }
    exceptions::read(series, data, &times.zone, view, begun_anew)
}

/// DTSTART with DTEND or DURATION, which stay as they are where they say the same.
pub(super) fn set_times(event: &mut Component, times: &Times, zones: &Zones) {
    let moved = time::set(event, "DTSTART", &times.start, zones);
    if event.value_of("X-MICROSOFT-CDO-ALLDAYEVENT").is_some() {
        let flag = if times.start.is_date() { "TRUE" } else { "FALSE" };
        event.set_value("X-MICROSOFT-CDO-ALLDAYEVENT", Some(flag));
    }
    let same = |end: Time| {
        end.is_date() == times.end.is_date() && zones.instant(&end) == zones.instant(&times.end)
    };
    match event.first("DTEND").and_then(Time::read) {
        // An end in a zone of its own (a flight) stays there until it moves.
        Some(end) if !moved && same(end.clone()) => {}
        Some(_) => drop(time::set(event, "DTEND", &times.end, zones)),
        None if Event::new(event, zones).end().is_some_and(same) => {}
        None => event.set(times.end.property("DTEND")),
    }
    if event.has("DTEND") {
        event.remove("DURATION");
    }
}

/// Everything but times, recurrence and exceptions: of the event, or of one instance. How it
/// counted before is what a phone that knows it was shown.
pub(super) fn contents(
    event: &mut Component,
    data: &Element,
    (uid, shown): (&str, Option<Busy>),
    zones: &Zones,
    view: &View<'_>,
    supported: &Supported,
) {
    match said(data, c::SUBJECT, supported) {
        Said::Nothing => {}
        Said::Delete => event.remove("SUMMARY"),
        Said::Value(element) => event.set_text("SUMMARY", Some(element.text())),
    }
    location::read(event, data, view, supported);
    notes::read(event, data, view, supported);
    sensitivity(event, data, supported);
    busy(event, data, shown, zones, view);
    reminder(event, data, zones, supported);
    categories(event, data, supported);
    people::read(event, data, view, supported);
    people::read_states(event, data, zones, view);
    attachments::read(event, data, uid, view);
    later(event, data);
}

/// Left out it stays: a phone that does not show it must not publish what is private.
fn sensitivity(event: &mut Component, data: &Element, _supported: &Supported) {
    let Some(sent) = data.parse_of::<u8>(c::SENSITIVITY).filter(|n| *n <= 3) else { return };
    if sent != write::sensitivity(event) {
        let class = [None, Some("X-PERSONAL"), Some("PRIVATE"), Some("CONFIDENTIAL")];
        event.set_value("CLASS", class.get(usize::from(sent)).copied().flatten());
    }
}

fn busy(
    event: &mut Component,
    data: &Element,
    shown: Option<Busy>,
    zones: &Zones,
    view: &View<'_>,
) {
    let Some(sent) = data.parse_of::<u8>(c::BUSY_STATUS) else { return };
    let known = Event::new(event, zones).busy();
    let busy = match sent {
        same if same == write::busy(known, view.version) => known,
        0 => Busy::Free,
        1 => Busy::Tentative,
        2 => Busy::Busy,
        3 => Busy::OutOfOffice,
        4 => Busy::Elsewhere,
        _ => return,
    };
    let free = matches!(busy, Busy::Free | Busy::Elsewhere);
    if busy != known {
        set_busy(event, busy);
    } else if free && shown != Some(known) && !event.has("TRANSP") {
        // Whole days are free for us where nobody said anything, but busy for whoever reads the
        // text by the letter (RFC 5545 3.8.2.7); now somebody says it, and it is no echo.
        event.set_value("TRANSP", Some("TRANSPARENT"));
    }
}

fn set_busy(event: &mut Component, busy: Busy) {
    let free = matches!(busy, Busy::Free | Busy::Elsewhere);
    event.set_value("X-MICROSOFT-CDO-BUSYSTATUS", Some(busy.name()));
    event.set_value("TRANSP", Some(if free { "TRANSPARENT" } else { "OPAQUE" }));
}

/// One alarm is the phone's; those that it was not shown stay.
fn reminder(event: &mut Component, data: &Element, zones: &Zones, supported: &Supported) {
    let minutes = match said(data, c::REMINDER, supported) {
        Said::Nothing => return,
        Said::Delete => None,
        Said::Value(element) => match element.text().trim().parse::<u32>() {
            Ok(minutes) => Some(minutes.min(10 * 366 * 1440)),
            Err(_) => return,
        },
    };
    let view = Event::new(event, zones);
    if view.reminder() == minutes {
        return;
    }
    let usable =
        |component: &Component| component.is("VALARM") && view.alarm_minutes(component).is_some();
    let at: Vec<usize> = (0..event.components.len())
        .filter(|at| event.components.get(*at).is_some_and(usable))
        .collect();
    let Some(minutes) = minutes else {
        let mut index = 0;
        event.components.retain(|_| {
            index += 1;
            !at.contains(&(index - 1))
        });
        return;
    };
    let trigger = Property::new("TRIGGER", write_duration(-60 * i64::from(minutes)));
    match at.first().and_then(|at| event.components.get_mut(*at)) {
        Some(alarm) => alarm.set(trigger),
        None => {
            let mut alarm = Component::new("VALARM");
            alarm.push(Property::new("ACTION", "DISPLAY"));
            alarm.push(trigger);
            alarm.push(Property::text("DESCRIPTION", "Reminder"));
            event.components.push(alarm);
        }
    }
}

fn categories(event: &mut Component, data: &Element, supported: &Supported) {
    let new: Vec<String> = match said(data, c::CATEGORIES, supported) {
        Said::Nothing => return,
        Said::Delete => Vec::new(),
        Said::Value(element) => {
            let names = element.all(c::CATEGORY).map(|name| name.text().trim().to_owned());
            names.filter(|name| !name.is_empty()).take(CATEGORIES_MAX).collect()
        }
    };
    if new != write::category_list(event) {
        event.remove("CATEGORIES");
        if !new.is_empty() {
            let list: Vec<String> =
                new.iter().map(|name| crate::format::ical::escape(name)).collect();
            event.push(Property::new("CATEGORIES", list.join(",")));
        }
    }
}

/// What came with 14.0 and 14.1. Left out it stays, as phones without it do.
fn later(event: &mut Component, data: &Element) {
    if let Some(at) = data.text_of(c::APPOINTMENT_REPLY_TIME).and_then(time::read_instant) {
        event.set_value("X-MICROSOFT-CDO-REPLYTIME", Some(&time::compact(at)));
    }
    match data.text_of(c::DISALLOW_NEW_TIME_PROPOSAL).map(str::trim) {
        Some("1") => event.set_value("X-MICROSOFT-DISALLOW-COUNTER", Some("TRUE")),
        Some("0") => event.remove("X-MICROSOFT-DISALLOW-COUNTER"),
        _ => {}
    }
    for (name, tag) in ONLINE {
        if let Some(link) = data.text_of(tag) {
            event.set_text(name, Some(link.trim()));
        }
    }
}
