//! VTIMEZONE, and which zone a TZID means. RFC 5545 §3.6.5.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::component::Component;
use super::line::Property;
use super::recurrence::{Day, Frequency, Recurrence, Weekday};
use super::time::{Time, TimeKind, parse_offset};
use crate::format::tz::{self, Change, Daylight, Rules, TimeZone, Turn};

/// The zones of one calendar text: those it defines, and the reader's own for times without
/// one.
#[derive(Clone, Debug)]
pub struct Zones {
    defined: Vec<(String, TimeZone)>,
    home: TimeZone,
}

impl Zones {
    /// From a VCALENDAR; `home` is the zone that floating times and dates are read in.
    pub fn of(calendar: &Component, home: &TimeZone) -> Zones {
        let mut defined = Vec::new();
        for component in calendar.children("VTIMEZONE").take(MOST_ZONES) {
            let Some(tzid) = component.value_of("TZID") else { continue };
            defined.push((tzid.to_owned(), read_vtimezone(component, &[home])));
        }
        Zones { defined, home: home.clone() }
    }

    pub fn home(&self) -> &TimeZone {
        &self.home
    }

    /// What a TZID means: a known name, else what the calendar's VTIMEZONE does, else home.
    pub fn zone(&self, tzid: &str) -> TimeZone {
        let defined = self.defined.iter().find(|(name, _)| name == tzid);
        let defined = || defined.map(|(_, zone)| zone.clone());
        defined().or_else(|| tz::by_name(tzid)).unwrap_or_else(|| self.home.clone())
    }

    /// The zone that a time stands in; home for floating times and dates.
    pub fn zone_of(&self, time: &Time) -> TimeZone {
        match &time.kind {
            TimeKind::Utc => TimeZone::UTC,
            TimeKind::Zoned(tzid) => self.zone(tzid),
            TimeKind::Date | TimeKind::Floating => self.home.clone(),
        }
    }

    /// The instant of a time. One that the clock jumps over is read by the offset before.
    pub fn instant(&self, time: &Time) -> Timestamp {
        instant(time.at, &self.zone_of(time))
    }
}

/// Zones in one text; meetings across the world have some ten.
const MOST_ZONES: usize = 100;

/// The instant of local digits; beyond the calendar's ends, the end.
pub(super) fn instant(at: DateTime, zone: &TimeZone) -> Timestamp {
    let end = if at.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    zone.to_ambiguous_timestamp(at).compatible().unwrap_or(end)
}

/// The zone that a VTIMEZONE describes: by its name if that is one, else by what it does.
pub fn read_vtimezone(component: &Component, prefer: &[&TimeZone]) -> TimeZone {
    let name = |property| component.value_of(property).and_then(tz::by_name);
    if let Some(zone) = name("TZID").or_else(|| name("X-LIC-LOCATION")) {
        return zone;
    }
    match rules_of(component) {
        Some((rules, year)) => tz::matching(&rules, "", prefer, year),
        None => TimeZone::UTC,
    }
}

/// The latest rules that a VTIMEZONE tells, and a year in which they hold.
fn rules_of(component: &Component) -> Option<(Rules, i16)> {
    let latest = |name: &str| {
        let onsets = component.children(name).take(200).filter_map(Onset::read);
        onsets.max_by_key(|onset| (onset.endless, onset.at))
    };
    // Single dates: one of each is a program that leaves out the rule; many are a history, whose
    // last entry holds if it is long ago.
    let history = component.components.len() > 2;
    match (latest("STANDARD"), latest("DAYLIGHT")) {
        (Some(standard), Some(daylight))
            if history
                && !standard.endless
                && !daylight.endless
                && standard.at.max(daylight.at).year() < THIS_AGE =>
        {
            let last = if standard.at > daylight.at { standard } else { daylight };
            Some((Rules { standard: last.offset, daylight: None }, THIS_AGE))
        }
        (Some(standard), Some(daylight))
            if daylight.offset != standard.offset && (daylight.endless || !standard.endless) =>
        {
            let year = standard.at.year().max(daylight.at.year()).clamp(1970, 2199) + 1;
            // A start that nobody can tell a rule of stands for its place in the month.
            let rules = Rules {
                standard: standard.offset,
                daylight: Some(Daylight {
                    offset: daylight.offset,
                    start: daylight.change,
                    end: standard.change,
                }),
            };
            Some((rules, year.max(THIS_AGE)))
        }
        (Some(only), _) | (None, Some(only)) => {
            Some((Rules { standard: only.offset, daylight: None }, THIS_AGE))
        }
        (None, None) => None,
    }
}

/// Rules without an end are compared with what the zones do in a recent year: a definition from
/// 1970 means today's zone.
const THIS_AGE: i16 = 2025;

/// A STANDARD or DAYLIGHT component.
struct Onset {
    at: DateTime,
    offset: i32,
    change: Change,
    /// Whether it repeats for ever.
    endless: bool,
}

impl Onset {
    fn read(component: &Component) -> Option<Onset> {
        let at = component.first("DTSTART").and_then(Time::read)?.at;
        let offset = i32::try_from(parse_offset(component.value_of("TZOFFSETTO")?)?).ok()?;
        let rule = component.value_of("RRULE").and_then(Recurrence::parse);
        let endless = rule.as_ref().is_some_and(|r| r.until.is_none() && r.count.is_none());
        let last = component.all("RDATE").flat_map(Time::read_all).map(|time| time.at).max();
        let at = last.filter(|_| !endless).map_or(at, |last| last.max(at));
        Some(Onset { at, offset, change: change(at, rule.as_ref()), endless })
    }
}

/// The day of each year that an onset's rule means; without one, its place in the month.
fn change(at: DateTime, rule: Option<&Recurrence>) -> Change {
    let time = i32::from(at.hour()) * 3600 + i32::from(at.minute()) * 60 + i32::from(at.second());
    let month_of = |rule: &Recurrence| rule.by_month.first().map_or(at.month(), |m| *m as i8);
    if let Some(rule) = rule
        && let Some(day) = rule.by_day.first()
    {
        let weekday = day.weekday.civil();
        let month = month_of(rule);
        let of = |week| Change { month, week, weekday, time };
        return match (day.nth, rule.by_month_day.first()) {
            (Some(nth), _) => of(if (1..=4).contains(&nth) { nth } else { 5 }),
            // "A Sunday from the 8th on" is the second one.
            (None, Some(from)) => of(if *from > 24 { 5 } else { (from.max(&1) + 6) / 7 }),
            (None, None) => of(place(at.date())),
        };
    }
    Change { month: at.month(), week: place(at.date()), weekday: at.weekday(), time }
}

/// 1 to 4, 5 for a weekday's last in its month.
fn place(date: Date) -> i8 {
    if date.day() + 7 > date.days_in_month() { 5 } else { (date.day() + 6) / 7 }
}

/// Writes the VTIMEZONE of a zone under a name, true for the years from `from` on; where the
/// zone follows no rule, for some years.
pub fn write_vtimezone(zone: &TimeZone, tzid: &str, from: i16) -> Component {
    let from = from.clamp(1900, 2150);
    let mut component = Component::new("VTIMEZONE");
    component.push(Property::new("TZID", tzid));
    let first = from - 1;
    // The years back from the far end that all do the same are one rule.
    let last = first.max(THIS_AGE) + 8;
    let rules = Rules::of(zone, last);
    let steady = (first..last).rev().take_while(|year| holds(&rules, zone, *year)).last();
    let singles = first..steady.unwrap_or(last + 1);
    for turn in singles.flat_map(|year| tz::turns(zone, year)) {
        component.components.push(onset(&turn, None));
    }
    let year = steady.unwrap_or(last);
    match (rules.daylight, rules.in_year(year)) {
        (Some(daylight), Some((start, end))) if steady.is_some() => {
            let (winter, summer) = (rules.standard, daylight.offset);
            let to_summer = Turn { at: start, before: winter, after: summer };
            let to_winter = Turn { at: end, before: summer, after: winter };
            component.components.push(onset(&to_summer, Some(daylight.start)));
            component.components.push(onset(&to_winter, Some(daylight.end)));
        }
        _ if component.components.is_empty() => {
            let at = Date::constant(1970, 1, 1).to_datetime(jiff::civil::Time::midnight());
            let turn = Turn { at, before: rules.standard, after: rules.standard };
            component.components.push(onset(&turn, None));
        }
        _ => {}
    }
    component
}

/// Whether the rules tell exactly what the zone does in a year.
fn holds(rules: &Rules, zone: &TimeZone, year: i16) -> bool {
    let turns = tz::turns(zone, year);
    match rules.in_year(year) {
        None => turns.is_empty() && Rules::of(zone, year).standard == rules.standard,
        Some((start, end)) => {
            let summer = rules.daylight.map_or(0, |daylight| daylight.offset);
            turns.len() == 2
                && turns.iter().all(|turn| match turn.after > turn.before {
                    true => (turn.at, turn.before, turn.after) == (start, rules.standard, summer),
                    false => (turn.at, turn.before, turn.after) == (end, summer, rules.standard),
                })
        }
    }
}

fn onset(turn: &Turn, each_year: Option<Change>) -> Component {
    let name = if turn.after > turn.before { "DAYLIGHT" } else { "STANDARD" };
    let mut component = Component::new(name);
    let at = Time { at: turn.at, kind: TimeKind::Floating };
    component.push(at.property("DTSTART"));
    if let Some(change) = each_year {
        let mut rule = Recurrence::every(Frequency::Yearly);
        let nth = if change.week == 5 { -1 } else { change.week };
        rule.by_month = vec![change.month.unsigned_abs()];
        rule.by_day = vec![Day { nth: Some(nth), weekday: Weekday::of(change.weekday) }];
        component.push(Property::new("RRULE", rule.to_string()));
    }
    component.push(Property::new("TZOFFSETFROM", offset(turn.before)));
    component.push(Property::new("TZOFFSETTO", offset(turn.after)));
    component
}

fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let left = seconds.abs();
    let text = format!("{sign}{:02}{:02}", left / 3600, left / 60 % 60);
    if left % 60 == 0 { text } else { format!("{text}{:02}", left % 60) }
}
