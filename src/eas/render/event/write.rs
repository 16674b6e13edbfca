//! An event to elements. MS-ASCAL 2.2.2.

use super::{CATEGORIES_MAX, attachments, exceptions, location, notes, people, recurrence, time};
use crate::eas::render::View;
use crate::eas::version::Version;
use crate::format::ical::{Busy, Component, Event, Series, Time};
use crate::format::wbxml::Writer;
use crate::format::wbxml::tags::{air_sync_base as b, calendar as c};

/// The whole event with its exceptions.
pub(super) fn event(out: &mut Writer, series: &Series, event: Event<'_>, view: &View<'_>) {
    let uid = series.uid();
    time::write(out, &event, view);
    out.text(c::DT_STAMP, &stamp(&event, view));
    out.text(c::SUBJECT, &event.component.text_of("SUMMARY").unwrap_or_default());
    out.text(c::UID, &uid);
    people::write_organizer(out, &event);
    people::write_attendees(out, &event, view);
    location::write(out, event.component, view, false);
    notes::write(out, event.component, view);
    out.number(c::SENSITIVITY, sensitivity(event.component));
    out.number(c::BUSY_STATUS, busy(event.busy(), view.version));
    if let Some(minutes) = event.reminder() {
        out.number(c::REMINDER, minutes);
    }
    categories(out, event.component, false);
    recurrence::write(out, &event, view);
    exceptions::write(out, series, &event, view);
    out.number(c::MEETING_STATUS, people::meeting_status(&event, view));
    attachments::write(out, event.component, &uid, view);
    if view.version >= Version::V12_0 {
        out.number(b::NATIVE_BODY_TYPE, notes::native_type(event.component));
    }
    later(out, &event, view);
}

/// What came with 14.0 and 14.1.
fn later(out: &mut Writer, event: &Event<'_>, view: &View<'_>) {
    if view.version < Version::V14_0 {
        return;
    }
    let said = |name| event.component.text_of(name).filter(|text| !text.trim().is_empty());
    out.number(c::RESPONSE_REQUESTED, u8::from(people::response_requested(event)));
    out.number(c::RESPONSE_TYPE, people::response_type(event, view));
    if let Some(at) = event.component.first("X-MICROSOFT-CDO-REPLYTIME").and_then(Time::read) {
        out.text(c::APPOINTMENT_REPLY_TIME, &time::wire(&at, event.zones));
    }
    let no_counter = said("X-MICROSOFT-DISALLOW-COUNTER");
    let no_counter = no_counter.is_some_and(|flag| flag.trim().eq_ignore_ascii_case("TRUE"));
    out.number(c::DISALLOW_NEW_TIME_PROPOSAL, u8::from(no_counter));
    online(out, event.component, view);
}

/// The links of an online meeting (14.1).
pub(super) fn online(out: &mut Writer, event: &Component, view: &View<'_>) {
    if view.version < Version::V14_1 {
        return;
    }
    for (name, tag) in ONLINE {
        if let Some(link) = event.text_of(name).filter(|link| !link.is_empty()) {
            out.text(tag, &link);
        }
    }
}

pub(super) const ONLINE: [(&str, crate::format::wbxml::Tag); 2] = [
    ("X-MICROSOFT-ONLINEMEETINGCONFLINK", c::ONLINE_MEETING_CONF_LINK),
    ("X-MICROSOFT-ONLINEMEETINGEXTERNALLINK", c::ONLINE_MEETING_EXTERNAL_LINK),
];

pub(super) fn stamp(event: &Event<'_>, view: &View<'_>) -> String {
    let at = event.component.first("DTSTAMP").and_then(Time::read);
    at.map_or_else(|| time::compact(time::now(view)), |at| time::wire(&at, event.zones))
}

/// CLASS as a number (MS-ASCAL 2.2.2.41; MS-OXCICAL 2.1.3.1.1.20.3).
pub fn sensitivity(event: &Component) -> u8 {
    match event.value_of("CLASS").map(|class| class.trim().to_ascii_uppercase()).as_deref() {
        Some("X-PERSONAL") => 1,
        Some("PRIVATE") => 2,
        Some("CONFIDENTIAL") => 3,
        _ => 0,
    }
}

/// BusyStatus; before 16.0 nobody worked elsewhere (MS-ASCAL 2.2.2.9).
pub fn busy(busy: Busy, version: Version) -> u8 {
    match busy {
        Busy::Free => 0,
        Busy::Tentative => 1,
        Busy::Busy => 2,
        Busy::OutOfOffice => 3,
        Busy::Elsewhere if version >= Version::V16_0 => 4,
        Busy::Elsewhere => 0,
    }
}

/// All CATEGORIES in one list.
pub(super) fn category_list(event: &Component) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in event.all("CATEGORIES").flat_map(|line| line.to_list()) {
        if !all.contains(&name) && all.len() < CATEGORIES_MAX {
            all.push(name);
        }
    }
    all
}

pub(super) fn categories(out: &mut Writer, event: &Component, even_empty: bool) {
    let all = category_list(event);
    if all.is_empty() {
        if even_empty {
            out.empty(c::CATEGORIES);
        }
        return;
    }
    out.open(c::CATEGORIES);
    all.iter().for_each(|name| out.text(c::CATEGORY, name));
    out.close();
}
