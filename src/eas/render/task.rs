//! Tasks (MS-ASTASK), kept as VTODO. What VTODO has no word for stands in properties of our own.
//!
//! A date of a task is a pair: the day as its owner sees it, and the instant (MS-ASTASK 2.2.2.12
//! and 2.2.2.31). A day is kept as a date, with the instant beside it, anything else as the
//! instant with the local time beside it.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::domain::item::Text;
use crate::eas::render::journal::{self, Said, said};
use crate::eas::render::{Malformed, Supported, Unrenderable, View, body, description, event};
use crate::eas::version::Version;
use crate::format::ical::{self, Component, Property, Recurrence, Until, UntilKind, Weekday};
use crate::format::wbxml::tags::{calendar as c, tasks as t};
use crate::format::wbxml::{self, Element, Tag, Writer};

const TASK: &str = "VTODO";
const LOCAL: &str = "X-KONTOR-LOCAL";
const INSTANT: &str = "X-KONTOR-UTC";
const REMINDER: &str = "X-KONTOR-REMINDER-TIME";
/// Until, where it is more than a day.
const UNTIL: &str = "X-KONTOR-RECURRENCE-UNTIL";

/// Texts that go through as they are.
const PLAIN: [(&str, Tag); 2] = [
    ("X-KONTOR-ORDINAL-DATE", t::ORDINAL_DATE),
    ("X-KONTOR-SUB-ORDINAL-DATE", t::SUB_ORDINAL_DATE),
];

/// Elements of Recurrence that events do not have.
const OF_SERIES: [(&str, Tag); 3] = [
    ("X-KONTOR-RECURRENCE-START", t::START),
    ("X-KONTOR-REGENERATE", t::REGENERATE),
    ("X-KONTOR-DEAD-OCCUR", t::DEAD_OCCUR),
];

/// Elements of Recurrence that are an event's, too.
const SHARED: [(Tag, Tag); 11] = [
    (t::TYPE, c::TYPE),
    (t::UNTIL, c::UNTIL),
    (t::OCCURRENCES, c::OCCURRENCES),
    (t::INTERVAL, c::INTERVAL),
    (t::DAY_OF_MONTH, c::DAY_OF_MONTH),
    (t::DAY_OF_WEEK, c::DAY_OF_WEEK),
    (t::WEEK_OF_MONTH, c::WEEK_OF_MONTH),
    (t::MONTH_OF_YEAR, c::MONTH_OF_YEAR),
    (t::CALENDAR_TYPE, c::CALENDAR_TYPE),
    (t::IS_LEAP_MONTH, c::IS_LEAP_MONTH),
    (t::FIRST_DAY_OF_WEEK, c::FIRST_DAY_OF_WEEK),
];

/// A Change without one of these is of a part of the task.
const WHOLE: [Tag; 1] = [t::SUBJECT];

/// Writes the children of `ApplicationData`.
pub fn render(out: &mut Writer, text: &str, view: &View<'_>) -> Result<(), Unrenderable> {
    let calendar = journal::open(text)?;
    let task = journal::inside(&calendar, TASK)?;
    body::write(out, &description::kept(task), view, &body::TASK);
    journal::write_categories(out, t::CATEGORIES, t::CATEGORY, task);
    let done = is_done(task);
    out.number(t::COMPLETE, u8::from(done));
    if done {
        out.text(t::DATE_COMPLETED, &completed(task, view));
    }
    write_pair(out, task, "DUE", (t::DUE_DATE, t::UTC_DUE_DATE), view.zone);
    out.number(t::IMPORTANCE, importance(task));
    write_recurrence(out, task, view);
    write_reminder(out, task);
    out.number(t::SENSITIVITY, sensitivity(task));
    write_pair(out, task, "DTSTART", (t::START_DATE, t::UTC_START_DATE), view.zone);
    journal::write_text(out, t::SUBJECT, task, "SUMMARY");
    for (name, tag) in PLAIN {
        journal::write_text(out, tag, task, name);
    }
    Ok(())
}

/// A new task of a phone.
pub fn create(data: &Element, view: &View<'_>) -> Result<Text, Malformed> {
    read(journal::new(TASK), data, view, &Supported::Nothing)
}

/// A phone's change of a task.
pub fn update(
    old: &str,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    let calendar = journal::open(old).map_err(|_| Malformed("the task is damaged"))?;
    read(calendar, data, view, &supported.of_change(data, &WHOLE))
}

/// A task that is done ended when it was; others never do.
pub fn until(task: &Component) -> i64 {
    if !is_done(task) {
        return i64::MAX;
    }
    let at = task.value_of("COMPLETED").and_then(journal::read_time);
    at.and_then(|at| TimeZone::UTC.to_timestamp(at).ok()).map_or(0, Timestamp::as_second)
}

fn read(
    mut calendar: Component,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    let task = journal::inside_mut(&mut calendar, TASK)?;
    journal::read_text(task, "SUMMARY", data, t::SUBJECT, supported);
    read_complete(task, data, view)?;
    read_pair(task, "DUE", data, (t::DUE_DATE, t::UTC_DUE_DATE), view, supported)?;
    read_pair(task, "DTSTART", data, (t::START_DATE, t::UTC_START_DATE), view, supported)?;
    read_importance(task, data, supported);
    read_sensitivity(task, data);
    read_reminder(task, data, supported);
    journal::read_categories(task, data, t::CATEGORIES, t::CATEGORY, supported);
    read_recurrence(task, data, view, supported)?;
    // Phones of 2.5 do not know them, and so never mean to delete them.
    let later = if view.version < Version::V12_0 { &Supported::Nothing } else { supported };
    for (name, tag) in PLAIN {
        journal::read_text(task, name, data, tag, later);
    }
    if let Some(new) = body::read(data, &description::kept(task), view, &body::TASK) {
        description::keep(task, &new);
    }
    let until = until(task);
    Ok(journal::finish(calendar, TASK, until, view))
}

fn is_done(task: &Component) -> bool {
    task.value_of("STATUS").is_some_and(|status| status.trim().eq_ignore_ascii_case("COMPLETED"))
        || task.has("COMPLETED")
}

/// A task that is done has a date of it (MS-ASTASK 2.2.2.8).
fn completed(task: &Component, view: &View<'_>) -> String {
    let kept =
        ["COMPLETED", "LAST-MODIFIED", "DTSTAMP"].iter().find_map(|name| task.value_of(name));
    let now = Timestamp::from_second(view.now).unwrap_or_default();
    let now = TimeZone::UTC.to_datetime(now);
    journal::long(kept.and_then(journal::read_time).unwrap_or(now))
}

fn read_complete(task: &mut Component, data: &Element, view: &View<'_>) -> Result<(), Malformed> {
    match data.text_of(t::COMPLETE).map(str::trim) {
        None => Ok(()),
        Some("0") => {
            if is_done(task) {
                task.set_value("STATUS", Some("NEEDS-ACTION"));
                ["COMPLETED", "PERCENT-COMPLETE"].iter().for_each(|name| task.remove(name));
            }
            Ok(())
        }
        Some("1") => {
            let sent = data.text_of(t::DATE_COMPLETED).and_then(journal::read_time);
            let now = Timestamp::from_second(view.now).unwrap_or_default();
            let at = sent.unwrap_or_else(|| TimeZone::UTC.to_datetime(now));
            task.set_value("STATUS", Some("COMPLETED"));
            task.set_value("PERCENT-COMPLETE", Some("100"));
            task.set_value("COMPLETED", Some(&at.strftime("%Y%m%dT%H%M%SZ").to_string()));
            Ok(())
        }
        Some(_) => Err(Malformed("Complete is neither 0 nor 1")),
    }
}

/// PRIORITY 1-4 is high, 6-9 low (RFC 5545 3.8.1.9).
fn importance(task: &Component) -> u8 {
    match task.value_of("PRIORITY").and_then(|text| text.trim().parse::<u8>().ok()) {
        Some(1..=4) => 2,
        Some(6..=9) => 0,
        _ => 1,
    }
}

fn read_importance(task: &mut Component, data: &Element, supported: &Supported) {
    let new = match said(data, t::IMPORTANCE, supported) {
        Said::Nothing => return,
        Said::Delete => 1,
        Said::Value(text) => text.parse().unwrap_or(1),
    };
    // One that says the same more finely stays.
    if new != importance(task) {
        let priority = [Some("9"), None, Some("1")].get(usize::from(new)).copied().flatten();
        task.set_value("PRIORITY", priority);
    }
}

fn sensitivity(task: &Component) -> u8 {
    match task.value_of("CLASS").map(|class| class.trim().to_ascii_uppercase()).as_deref() {
        Some("X-PERSONAL") => 1,
        Some("PRIVATE") => 2,
        Some("CONFIDENTIAL") => 3,
        _ => 0,
    }
}

/// Left out it stays: a phone that does not show it must not publish what is private.
fn read_sensitivity(task: &mut Component, data: &Element) {
    let Some(new) = data.parse_of::<u8>(t::SENSITIVITY).filter(|new| *new != sensitivity(task))
    else {
        return;
    };
    let class = [None, Some("X-PERSONAL"), Some("PRIVATE"), Some("CONFIDENTIAL")];
    task.set_value("CLASS", class.get(usize::from(new)).copied().flatten());
}

fn write_pair(
    out: &mut Writer,
    task: &Component,
    name: &str,
    (day, instant): (Tag, Tag),
    zone: &TimeZone,
) {
    let Some(property) = task.first(name) else { return };
    let Some((local, utc)) = pair(property, zone) else { return };
    out.text(instant, &journal::long(utc));
    out.text(day, &journal::long(local));
}

/// Local time and instant of a date.
fn pair(property: &Property, zone: &TimeZone) -> Option<(DateTime, DateTime)> {
    let kept = |param| property.param(param).and_then(journal::read_time);
    let value = property.value.trim();
    if let Some(date) = ical::parse_date(value) {
        let local = date.to_datetime(Time::midnight());
        let at = kept(INSTANT).or_else(|| in_utc(local, zone))?;
        return Some((local, at));
    }
    let (at, is_utc) = ical::parse_date_time(value)?;
    if is_utc {
        let local = match kept(LOCAL) {
            Some(local) => local,
            None => zone.to_datetime(TimeZone::UTC.to_timestamp(at).ok()?),
        };
        return Some((local, at));
    }
    let own = property.param("TZID").and_then(|id| TimeZone::get(id).ok());
    Some((at, in_utc(at, own.as_ref().unwrap_or(zone))?))
}

fn in_utc(local: DateTime, zone: &TimeZone) -> Option<DateTime> {
    let at = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    Some(TimeZone::UTC.to_datetime(at))
}

fn read_pair(
    task: &mut Component,
    name: &str,
    data: &Element,
    (day, instant): (Tag, Tag),
    view: &View<'_>,
    supported: &Supported,
) -> Result<(), Malformed> {
    let local = match said(data, day, supported) {
        Said::Nothing => return Ok(()),
        Said::Delete => {
            task.remove(name);
            return Ok(());
        }
        Said::Value(text) => journal::read_time(text).ok_or(Malformed("a date is none"))?,
    };
    let sent = data.text_of(instant).and_then(journal::read_time);
    let utc = sent.or_else(|| in_utc(local, view.zone)).unwrap_or(local);
    // The same instant is the same date: EAS-4-TbSync makes the local time of it anew in the
    // zone of the machine that it runs on, and on a journey that is another day.
    if task.first(name).and_then(|old| pair(old, view.zone)).is_some_and(|(_, old)| old == utc) {
        return Ok(());
    }
    let form = |at: DateTime| at.strftime("%Y%m%dT%H%M%S").to_string();
    let property = match local.time() == Time::midnight() {
        true => Property::new(name, local.strftime("%Y%m%d").to_string())
            .with("VALUE", "DATE")
            .with(INSTANT, &(form(utc) + "Z")),
        false => Property::new(name, form(utc) + "Z").with(LOCAL, &form(local)),
    };
    task.set(property);
    Ok(())
}

/// An alarm at a time of its own.
fn trigger(task: &Component) -> Option<DateTime> {
    let absolute = |alarm: &Component| {
        let trigger = alarm.first("TRIGGER")?;
        trigger.param("VALUE").filter(|value| value.eq_ignore_ascii_case("DATE-TIME"))?;
        journal::read_time(&trigger.value)
    };
    task.children("VALARM").find_map(absolute)
}

fn write_reminder(out: &mut Writer, task: &Component) {
    match trigger(task) {
        Some(at) => {
            out.number(t::REMINDER_SET, 1);
            out.text(t::REMINDER_TIME, &journal::long(at));
        }
        None => {
            out.number(t::REMINDER_SET, 0);
            journal::write_text(out, t::REMINDER_TIME, task, REMINDER);
        }
    }
}

fn read_reminder(task: &mut Component, data: &Element, supported: &Supported) {
    let set = match said(data, t::REMINDER_SET, supported) {
        Said::Nothing => return,
        Said::Delete => false,
        Said::Value(text) => text == "1",
    };
    let at = data.text_of(t::REMINDER_TIME).and_then(journal::read_time);
    let had = trigger(task);
    match (set, at) {
        (true, Some(at)) if had != Some(at) => {
            forget_reminder(task);
            let mut alarm = Component::new("VALARM");
            alarm.push(Property::new("ACTION", "DISPLAY"));
            let summary = task.text_of("SUMMARY").unwrap_or_else(|| "Task".into());
            alarm.push(Property::text("DESCRIPTION", &summary));
            let at = at.strftime("%Y%m%dT%H%M%SZ").to_string();
            alarm.push(Property::new("TRIGGER", at).with("VALUE", "DATE-TIME"));
            task.components.push(alarm);
        }
        (true, _) => {}
        (false, at) => {
            forget_reminder(task);
            task.set_text(REMINDER, at.map(journal::long).as_deref());
        }
    }
}

/// Alarms before the start or the end are other programs'.
fn forget_reminder(task: &mut Component) {
    task.remove(REMINDER);
    task.components.retain(|each| {
        let trigger = each.first("TRIGGER").and_then(|trigger| trigger.param("VALUE"));
        !(each.is("VALARM") && trigger.is_some_and(|value| value.eq_ignore_ascii_case("DATE-TIME")))
    });
}

/// What a series is counted from.
fn first_day(task: &Component, view: &View<'_>) -> DateTime {
    let named = |name| task.first(name).and_then(|property| pair(property, view.zone));
    let now = Timestamp::from_second(view.now).unwrap_or_default();
    let kept = task.text_of(OF_SERIES[0].0).as_deref().and_then(journal::read_time);
    let pair = named("DTSTART").or_else(|| named("DUE")).map(|(local, _)| local);
    pair.or(kept).unwrap_or_else(|| view.zone.to_datetime(now))
}

fn write_recurrence(out: &mut Writer, task: &Component, view: &View<'_>) {
    let Some(rule) = task.value_of("RRULE").and_then(Recurrence::parse) else { return };
    let start = first_day(task, view);
    let Some(pattern) = event::pattern_of(task, &rule, start) else { return };
    let kept = task.text_of(UNTIL).as_deref().and_then(journal::read_time);
    let until = pattern.until.as_ref().map(|until| {
        // The rule may have become another one elsewhere.
        let exact = kept.filter(|kept| kept.date() == until.at.date());
        journal::long(exact.unwrap_or(until.at))
    });
    // An event's words, said with a task's.
    let mut event = Writer::new();
    event.open(c::RECURRENCE);
    event::write_pattern(&mut event, &pattern, until.as_deref(), view.version);
    event.close();
    let Ok(event) = wbxml::decode(&event.finish().into()) else { return };
    out.open(t::RECURRENCE);
    for child in &event.children {
        if let Some((tag, _)) = SHARED.iter().find(|(_, tag)| *tag == child.tag) {
            out.text(*tag, child.text());
        }
        // Start stands behind Type in Microsoft's own examples.
        if child.tag == c::TYPE {
            let kept = task.text_of(OF_SERIES[0].0);
            out.text(t::START, &kept.unwrap_or_else(|| journal::long(start)));
        }
    }
    for (name, tag) in OF_SERIES.iter().skip(1) {
        journal::write_text(out, *tag, task, name);
    }
    out.close();
}

fn read_recurrence(
    task: &mut Component,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<(), Malformed> {
    let Some(sent) = data.child(t::RECURRENCE) else {
        if supported.manages(t::RECURRENCE) {
            end_series(task);
        }
        return Ok(());
    };
    if sent.children.is_empty() {
        end_series(task);
        return Ok(());
    }
    for (name, tag) in OF_SERIES {
        task.set_text(name, sent.text_of(tag).filter(|text| !text.is_empty()));
    }
    let shared = sent.children.iter().filter_map(|child| {
        let (_, tag) = SHARED.iter().find(|(tag, _)| *tag == child.tag)?;
        Some(Element::with_text(*tag, child.text()))
    });
    let shared = Element::with_children(c::RECURRENCE, shared.collect());
    let start = first_day(task, view);
    let time = ical::Time::date(start.date());
    let mut pattern = event::read_pattern(&shared, &time, &TimeZone::UTC, view.version)?;
    // The day as it stands, and beside it what an UNTIL of days has no room for: the end of a
    // day, which some phones send, is not the day that follows.
    let until = sent.text_of(t::UNTIL).and_then(journal::read_time);
    pattern.until = until
        .map(|at| Until { at: at.date().to_datetime(Time::midnight()), kind: UntilKind::Date });
    let exact = until.filter(|at| at.time() != Time::midnight()).map(journal::long);
    task.set_text(UNTIL, exact.as_deref());
    let old = task.value_of("RRULE").and_then(Recurrence::parse);
    let old = old.and_then(|rule| event::pattern_of(task, &rule, start));
    let unsaid = pattern.first_day.is_none();
    if let Some(old) = &old {
        event::complete(&mut pattern, old);
    }
    // Weeks begin on Monday where nothing is said.
    if old.is_none_or(|old| old.first_day.is_none()) && !unsaid {
        pattern.first_day = pattern.first_day.filter(|day| *day != Weekday::Monday);
    }
    let rule = pattern.to_rule(start);
    event::keep_calendar_type(task, &pattern, &rule);
    let rule = rule.to_string();
    if task.value_of("RRULE") != Some(rule.as_str()) {
        task.set(Property::new("RRULE", rule));
    }
    Ok(())
}

fn end_series(task: &mut Component) {
    ["RRULE", UNTIL, event::CALENDAR_TYPE].iter().for_each(|name| task.remove(name));
    OF_SERIES.iter().for_each(|(name, _)| task.remove(name));
}

#[cfg(test)]
mod tests;
