//! Recurrence (MS-ASCAL 2.2.2.37). The elements are those of [`Pattern`].

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::time::{self, day_of, read_instant};
use super::{Said, said};
use crate::eas::render::{Malformed, Supported, View};
use crate::eas::version::Version;
use crate::format::ical::{
    Component, Event, Field, Kind, Pattern, Property, Recurrence, Time, Until, UntilKind, Weekday,
    Zones,
};
use crate::format::tz::TimeZone;
use crate::format::wbxml::tags::calendar as c;
use crate::format::wbxml::{Element, Writer};

/// A number of MS-ASCAL 2.2.2.10 that has no RSCALE of its own.
pub const CALENDAR_TYPE: &str = "X-KONTOR-CALENDAR-TYPE";
const GREGORIAN: u8 = 1;

/// The pattern of an event's rule; `None` for single events and rules that Exchange has no
/// words for. Those are shown as the first instance, and kept.
pub fn pattern(event: &Event<'_>) -> Option<Pattern> {
    pattern_of(event.component, &event.recurrence()?, event.start()?.at)
}

/// The pattern of a rule of a component, an event or a task.
pub fn pattern_of(component: &Component, rule: &Recurrence, start: DateTime) -> Option<Pattern> {
    let mut pattern = Pattern::of(rule, start)?;
    if pattern.calendar_type == 0 {
        let kept = component.value_of(CALENDAR_TYPE).and_then(|n| n.trim().parse().ok());
        pattern.calendar_type = kept.filter(|n| *n <= 23).unwrap_or(GREGORIAN);
    }
    Some(pattern)
}

/// Keeps a calendar's number for which a rule has no words.
pub fn keep_calendar_type(component: &mut Component, pattern: &Pattern, rule: &Recurrence) {
    let number = (pattern.calendar_type > GREGORIAN && rule.other("RSCALE").is_none())
        .then(|| pattern.calendar_type.to_string());
    component.set_value(CALENDAR_TYPE, number.as_deref());
}

pub(super) fn write(out: &mut Writer, event: &Event<'_>, view: &View<'_>) {
    let (Some(pattern), Some(start)) = (pattern(event), event.start()) else { return };
    let until = until_text(&pattern, &start, event.zones);
    out.open(c::RECURRENCE);
    write_pattern(out, &pattern, until.as_deref(), view.version);
    out.close();
}

/// Writes the children of Recurrence, all that the type requires.
pub fn write_pattern(out: &mut Writer, pattern: &Pattern, until: Option<&str>, version: Version) {
    out.number(c::TYPE, pattern.kind.number());
    out.number(c::INTERVAL, pattern.interval.max(1));
    for field in pattern.fields() {
        match field {
            Field::DayOfWeek => out.number(c::DAY_OF_WEEK, pattern.day_of_week),
            Field::DayOfMonth => out.number(c::DAY_OF_MONTH, pattern.day_of_month),
            Field::WeekOfMonth => out.number(c::WEEK_OF_MONTH, pattern.week_of_month),
            Field::MonthOfYear => out.number(c::MONTH_OF_YEAR, pattern.month_of_year),
        }
    }
    if let Some(until) = until {
        out.text(c::UNTIL, until);
    } else if let Some(count) = pattern.occurrences {
        out.number(c::OCCURRENCES, count);
    }
    let monthly = !matches!(pattern.kind, Kind::Daily | Kind::Weekly);
    if monthly && version >= Version::V14_0 {
        out.number(c::CALENDAR_TYPE, pattern.calendar_type);
        if matches!(pattern.kind, Kind::Yearly | Kind::YearlyNth) {
            out.number(c::IS_LEAP_MONTH, u8::from(pattern.leap_month));
        }
    }
    if pattern.kind == Kind::Weekly && version >= Version::V14_1 {
        // Monday is what RFC 5545 takes for granted.
        out.number(c::FIRST_DAY_OF_WEEK, pattern.first_day.unwrap_or(Weekday::Monday).number());
    }
}

/// Until: the instant after which nothing starts (MS-ASCAL 2.2.2.47); of days the date.
pub fn until_text(pattern: &Pattern, start: &Time, zones: &Zones) -> Option<String> {
    let until = pattern.until.as_ref()?;
    let date = until.at.date();
    if start.is_date() {
        return Some(time::wire(&Time::date(date), zones));
    }
    let time = match until.kind {
        UntilKind::Utc => {
            let at = TimeZone::UTC.to_timestamp(until.at).unwrap_or(Timestamp::MAX);
            return Some(time::compact(at));
        }
        UntilKind::Floating => start.at(until.at),
        UntilKind::Date => start.at(date.to_datetime(start.at.time())),
    };
    Some(time::wire(&time, zones))
}

/// Reads the children of Recurrence. Until becomes a date for events of whole days.
pub fn read_pattern(
    element: &Element,
    start: &Time,
    zone: &TimeZone,
    version: Version,
) -> Result<Pattern, Malformed> {
    let number = |tag| element.parse_of::<u8>(tag).unwrap_or(0);
    let kind = element.parse_of(c::TYPE).and_then(Kind::from_number);
    let until = element.text_of(c::UNTIL).and_then(read_instant).map(|at| match start.is_date() {
        true => {
            let day = day_of(at, zone, version);
            Until { at: Time::date(day).at, kind: UntilKind::Date }
        }
        false => Until { at: Time::utc(at).at, kind: UntilKind::Utc },
    });
    let first_day = element.parse_of::<usize>(c::FIRST_DAY_OF_WEEK);
    Ok(Pattern {
        kind: kind.ok_or(Malformed("the recurrence is of no known type"))?,
        interval: element.parse_of(c::INTERVAL).unwrap_or(1).max(1),
        day_of_week: number(c::DAY_OF_WEEK) & 127,
        day_of_month: number(c::DAY_OF_MONTH),
        week_of_month: number(c::WEEK_OF_MONTH),
        month_of_year: number(c::MONTH_OF_YEAR),
        occurrences: element.parse_of(c::OCCURRENCES).filter(|count| *count > 0),
        until,
        calendar_type: number(c::CALENDAR_TYPE),
        leap_month: element.text_of(c::IS_LEAP_MONTH) == Some("1"),
        first_day: first_day.and_then(|day| Weekday::ALL.get(day)).copied(),
    })
}

/// Reads Recurrence into the event, whose times are the new ones already. `true`: it is another
/// series now, and the exceptions of the old one mean nothing. Beside the zones of the text stands
/// the phone's own, in which its days begin.
pub(super) fn read(
    event: &mut Component,
    old: Option<&Pattern>,
    data: &Element,
    (zones, own): (&Zones, &TimeZone),
    view: &View<'_>,
    supported: &Supported,
) -> Result<bool, Malformed> {
    let had = event.has("RRULE");
    let element = match said(data, c::RECURRENCE, supported) {
        Said::Nothing => return Ok(false),
        // A rule that no phone can be shown is not the phone's to delete.
        Said::Delete if old.is_none() => return Ok(false),
        Said::Delete => {
            ["RRULE", "RDATE", "EXDATE", CALENDAR_TYPE].iter().for_each(|name| event.remove(name));
            return Ok(had);
        }
        Said::Value(element) => element,
    };
    let view_of = Event::new(event, zones);
    let Some(start) = view_of.start() else { return Ok(false) };
    let zone = if start.is_date() { own.clone() } else { zones.zone_of(&start) };
    let mut pattern = read_pattern(element, &start, &zone, view.version)?;
    if let Some(old) = old {
        complete(&mut pattern, old);
        if same(&pattern, old, &start, zones) {
            return Ok(false);
        }
    }
    let rule = pattern.to_rule(start.at);
    keep_calendar_type(event, &pattern, &rule);
    event.set(Property::new("RRULE", rule.to_string()));
    event.remove("RDATE");
    Ok(had)
}

/// What a phone's version cannot say is taken from before.
pub fn complete(pattern: &mut Pattern, old: &Pattern) {
    if pattern.first_day.is_none() {
        pattern.first_day = old.first_day;
    }
    if pattern.calendar_type == 0 && pattern.kind == old.kind {
        pattern.calendar_type = old.calendar_type;
        pattern.leap_month |= old.leap_month;
    }
}

/// Whether two patterns are the same series, told with other words.
fn same(a: &Pattern, b: &Pattern, start: &Time, zones: &Zones) -> bool {
    let bare = |pattern: &Pattern| {
        let first_day = pattern.first_day.filter(|day| *day != Weekday::Monday);
        let calendar_type =
            if pattern.calendar_type == 0 { GREGORIAN } else { pattern.calendar_type };
        let pattern = Pattern { until: None, first_day, calendar_type, ..pattern.plain() };
        (pattern.calendar_type, pattern.to_rule(start.at))
    };
    let until = |pattern: &Pattern| match pattern.occurrences {
        Some(_) => None,
        None => until_text(pattern, start, zones),
    };
    bare(a) == bare(b) && until(a) == until(b)
}

/// The rule of an event, for who only wants to know whether there is one.
pub(super) fn has_rule(event: &Component) -> bool {
    event.value_of("RRULE").is_some_and(|rule| Recurrence::parse(rule).is_some())
}
