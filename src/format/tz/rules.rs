//! What a zone does in a year: its offset, and when it changes to daylight saving time and back.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};

/// A zone's rules as Windows and ActiveSync tell them (MS-ASDTYPE 2.7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Seconds east of Greenwich in winter.
    pub standard: i32,
    /// `None`: the same offset all year.
    pub daylight: Option<Daylight>,
}

/// Daylight saving time: its offset, and the changes to it and from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Daylight {
    /// Seconds east of Greenwich in summer.
    pub offset: i32,
    pub start: Change,
    pub end: Change,
}

/// A day of each year, such as the last Sunday in March at 2:00 by the clock before the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// 1 to 12.
    pub month: i8,
    /// 1 to 4; 5 is the last in the month.
    pub week: i8,
    pub weekday: Weekday,
    /// Seconds since midnight, up to 24:00.
    pub time: i32,
}

/// Years that are looked at to tell "the fourth" from "the last": within six, a weekday's last
/// is at least once its fourth and once its fifth.
const YEARS: i16 = 6;

impl Rules {
    pub const UTC: Rules = Rules { standard: 0, daylight: None };

    /// The rules of a zone in a year. Where its days follow no such rule (Israel, Morocco), they
    /// are those of this one year.
    pub fn of(zone: &TimeZone, year: i16) -> Rules {
        let turns = turns(zone, year);
        let [first, second] = turns.as_slice() else {
            return Rules { standard: offset_at_end(zone, year), daylight: None };
        };
        let (start, end) =
            if first.after > first.before { (first, second) } else { (second, first) };
        if start.after != end.before || start.before != end.after || start.after <= start.before {
            return Rules { standard: offset_at_end(zone, year), daylight: None };
        }
        let later: Vec<Vec<Turn>> = (1..YEARS).map(|n| self::turns(zone, year + n)).collect();
        let like = |turn: &Turn| {
            let same = |other: &&Turn| (other.before, other.after) == (turn.before, turn.after);
            let others = later.iter().flat_map(|turns| turns.iter().find(same));
            Change::holding(turn.at, others.map(|turn| turn.at))
        };
        let daylight = Daylight { offset: start.after, start: like(start), end: like(end) };
        Rules { standard: start.before, daylight: Some(daylight) }
    }

    /// A zone that does this and nothing else, for ever.
    pub fn to_zone(self) -> Option<TimeZone> {
        let Some(daylight) = self.daylight else {
            return Offset::from_seconds(self.standard).ok().map(TimeZone::fixed);
        };
        let text = format!(
            "{}{},{},{}",
            posix_name(self.standard),
            posix_name(daylight.offset),
            daylight.start.posix(),
            daylight.end.posix()
        );
        TimeZone::posix(&text).ok()
    }

    /// When the changes fall in a year, by the clock before them: the start, then the end.
    pub fn in_year(&self, year: i16) -> Option<(DateTime, DateTime)> {
        let daylight = self.daylight?;
        Some((daylight.start.in_year(year)?, daylight.end.in_year(year)?))
    }
}

/// `<+01>-01:00` as POSIX writes it: the sign is turned round.
fn posix_name(offset: i32) -> String {
    let (sign, name) = if offset >= 0 { ("-", "+") } else { ("", "-") };
    let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
    format!("<{name}{hours:02}{minutes:02}>{sign}{hours}:{minutes:02}:{:02}", offset.abs() % 60)
}

impl Change {
    /// The rule that all these moments follow, or the first one's place in its month.
    fn holding(at: DateTime, others: impl Iterator<Item = DateTime> + Clone) -> Change {
        let this = |week| Change {
            month: at.month(),
            week,
            weekday: at.weekday(),
            time: i32::from(at.hour()) * 3600
                + i32::from(at.minute()) * 60
                + i32::from(at.second()),
        };
        let holds = |change: &Change| {
            others.clone().chain([at]).all(|at| change.in_year(at.year()) == Some(at))
        };
        let nth = (at.day() + 6) / 7;
        // Both could hold only for a day that is always the fourth and never followed by a
        // fifth, which does not exist in six years.
        [this(nth), this(5)].into_iter().find(holds).unwrap_or(this(nth))
    }

    /// The moment in a year, by the clock before the change.
    pub fn in_year(&self, year: i16) -> Option<DateTime> {
        let first = Date::new(year, self.month, 1).ok()?;
        let date = match self.week {
            1..=4 => first.nth_weekday_of_month(self.week, self.weekday).ok()?,
            _ => first.nth_weekday_of_month(-1, self.weekday).ok()?,
        };
        let midnight = date.to_datetime(jiff::civil::Time::midnight());
        midnight.checked_add(Span::new().seconds(self.time)).ok()
    }

    fn posix(&self) -> String {
        let (hours, minutes, seconds) = (self.time / 3600, self.time / 60 % 60, self.time % 60);
        let weekday = self.weekday.to_sunday_zero_offset();
        format!("M{}.{}.{weekday}/{hours}:{minutes:02}:{seconds:02}", self.month, self.week)
    }
}

/// A change of a zone's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// By the clock before the change.
    pub at: DateTime,
    pub before: i32,
    pub after: i32,
}

/// The changes of a zone's offset within a year; at most 4 are told.
pub(crate) fn turns(zone: &TimeZone, year: i16) -> Vec<Turn> {
    let Some((from, to)) = bounds(year) else { return Vec::new() };
    let mut turns = Vec::new();
    // Some entries of the database change the name or the flag only.
    for transition in zone.following(from).take(12) {
        if transition.timestamp() >= to || turns.len() >= 4 {
            break;
        }
        let Ok(just_before) = transition.timestamp().checked_sub(Span::new().seconds(1)) else {
            break;
        };
        let before = zone.to_offset(just_before);
        if before != transition.offset() {
            turns.push(Turn {
                at: before.to_datetime(transition.timestamp()),
                before: before.seconds(),
                after: transition.offset().seconds(),
            });
        }
    }
    turns
}

fn offset_at_end(zone: &TimeZone, year: i16) -> i32 {
    bounds(year).map_or(0, |(_, end)| zone.to_offset(end).seconds())
}

/// A year's first instant and the one after its last, in UTC: no change falls on New Year's Eve.
fn bounds(year: i16) -> Option<(Timestamp, Timestamp)> {
    let first = |year| {
        let date = Date::new(year, 1, 1).ok()?;
        TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()
    };
    Some((first(year)?, first(year.checked_add(1)?)?))
}
