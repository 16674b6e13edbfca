//! DATE, DATE-TIME and DURATION values. RFC 5545 §3.3.4 to §3.3.6.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::line::Property;

/// A point in time as iCalendar knows it. Which instant it is depends on the zone that the
/// `tzid` means in its calendar, or on the reader's own (floating times and dates).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// The digits that stand there. A date's time of day is midnight.
    pub at: DateTime,
    pub kind: TimeKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// A whole day, the same wherever the reader is.
    Date,
    /// The same digits wherever the reader is.
    Floating,
    Utc,
    /// TZID as it was written.
    Zoned(String),
}

impl Time {
    pub fn date(date: Date) -> Time {
        Time { at: date.to_datetime(jiff::civil::Time::midnight()), kind: TimeKind::Date }
    }

    pub fn utc(at: Timestamp) -> Time {
        Time { at: whole_seconds(TimeZone::UTC.to_datetime(at)), kind: TimeKind::Utc }
    }

    /// The instant in a zone, under the zone's name; as UTC if it has none.
    pub fn zoned(at: Timestamp, zone: &TimeZone, tzid: Option<&str>) -> Time {
        match tzid {
            Some(tzid) => Time {
                at: whole_seconds(zone.to_datetime(at)),
                kind: TimeKind::Zoned(tzid.to_owned()),
            },
            None => Time::utc(at),
        }
    }

    pub fn is_date(&self) -> bool {
        self.kind == TimeKind::Date
    }

    pub fn tzid(&self) -> Option<&str> {
        match &self.kind {
            TimeKind::Zoned(tzid) => Some(tzid),
            _ => None,
        }
    }

    /// The same kind of time at other digits.
    pub fn at(&self, at: DateTime) -> Time {
        Time { at, kind: self.kind.clone() }
    }

    /// Reads DTSTART, DUE, RECURRENCE-ID and their like; lists give their first time.
    pub fn read(property: &Property) -> Option<Time> {
        Time::read_all(property).into_iter().next()
    }

    /// Reads a list of times (EXDATE, RDATE); of periods the start. What is no time is left out.
    pub fn read_all(property: &Property) -> Vec<Time> {
        let tzid = property.param("TZID").filter(|tzid| !tzid.is_empty());
        let one = |text: &str| {
            let text = text.split('/').next().unwrap_or_default();
            Time::parse(text, tzid)
        };
        property.value.split(',').filter_map(one).collect()
    }

    /// Reads one value with the TZID that stands beside it.
    pub fn parse(text: &str, tzid: Option<&str>) -> Option<Time> {
        let text = text.trim();
        if let Some(date) = parse_date(text) {
            return Some(Time::date(date));
        }
        let (at, utc) = parse_date_time(text)?;
        let kind = match tzid {
            _ if utc => TimeKind::Utc,
            // Some write TZID=UTC beside times without a Z.
            Some(tzid) if tzid.eq_ignore_ascii_case("UTC") => TimeKind::Utc,
            Some(tzid) => TimeKind::Zoned(tzid.to_owned()),
            None => TimeKind::Floating,
        };
        Some(Time { at, kind })
    }

    /// The value's wire form, without parameters.
    pub fn value(&self) -> String {
        let at = self.at;
        let date = format!("{:04}{:02}{:02}", at.year(), at.month(), at.day());
        if self.is_date() {
            return date;
        }
        let mark = if self.kind == TimeKind::Utc { "Z" } else { "" };
        format!("{date}T{:02}{:02}{:02}{mark}", at.hour(), at.minute(), at.second())
    }

    /// A property with this time: VALUE and TZID as needed.
    pub fn property(&self, name: &str) -> Property {
        let property = Property::new(name, self.value());
        match &self.kind {
            TimeKind::Date => property.with("VALUE", "DATE"),
            TimeKind::Zoned(tzid) => property.with("TZID", tzid),
            TimeKind::Floating | TimeKind::Utc => property,
        }
    }
}

fn whole_seconds(at: DateTime) -> DateTime {
    at.with().subsec_nanosecond(0).build().unwrap_or(at)
}

/// `YYYYMMDD` or `YYYY-MM-DD`, and nothing else in it.
pub fn parse_date(text: &str) -> Option<Date> {
    let digits = |from: usize, to: usize| number(text.get(from..to)?);
    let (year, month, day) = match text.len() {
        8 => (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?),
        10 if text.get(4..5) == Some("-") && text.get(7..8) == Some("-") => {
            (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?)
        }
        _ => return None,
    };
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `YYYYMMDDTHHMMSS[Z]` or `YYYY-MM-DDTHH:MM:SS[.fff][Z]`, and whether it is UTC. ActiveSync
/// uses both forms, and clients mix them up. Offsets (`+0100`) are applied.
pub fn parse_date_time(text: &str) -> Option<(DateTime, bool)> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let date = parse_date(date)?;
    let (time, utc) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, true),
        None => (time, false),
    };
    let (time, offset) = match time.find(['+', '-']) {
        Some(at) => (&time[..at], Some(&time[at..])),
        None => (time, None),
    };
    let time = time.split('.').next().unwrap_or_default();
    let digits: String = time.chars().filter(|c| *c != ':').collect();
    let part = |from: usize| digits.get(from..from + 2).map_or(Some(0), number);
    if digits.len() < 4 || digits.len() > 6 {
        return None;
    }
    let (hour, minute, second) = (part(0)?, part(2)?, part(4)?.min(59));
    // 24:00 is the midnight that follows; Lotus Notes writes it.
    let (hour, days) = if hour == 24 && minute == 0 { (0, 1) } else { (hour, 0) };
    let time = jiff::civil::Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        0,
    );
    let at = date.checked_add(jiff::Span::new().days(days)).ok()?.to_datetime(time.ok()?);
    match offset {
        None => Some((at, utc)),
        Some(offset) => {
            let seconds = parse_offset(offset)?;
            let at = at.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok()?;
            Some((at, true))
        }
    }
}

/// `+HHMM[SS]` or `+HH:MM` in seconds. RFC 5545 §3.3.14.
pub(crate) fn parse_offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.trim().split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let part = |from: usize| digits.get(from..from + 2).map_or(Some(0), number);
    if digits.len() < 2 || digits.len() > 6 {
        return None;
    }
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    (hours < 24 && minutes < 60 && seconds < 60)
        .then(|| sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds)))
}

/// Digits only, at most 9 of them.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A DURATION in seconds, days counted as 24 hours. RFC 5545 §3.3.6; forgiving about the order
/// of the parts and a missing T.
pub fn parse_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = text.strip_prefix(['P', 'p'])?;
    let (mut seconds, mut digits, mut parts) = (0i64, String::new(), 0);
    for c in text.chars() {
        let unit = match c.to_ascii_uppercase() {
            'T' => continue,
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            'W' => 7 * 86_400,
            'D' => 86_400,
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        seconds += i64::from(number(&digits)?) * unit;
        digits.clear();
        parts += 1;
    }
    (parts > 0 && digits.is_empty()).then_some(sign * seconds)
}

/// A DURATION for that many seconds.
pub fn write_duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let left = seconds.unsigned_abs();
    if left > 0 && left.is_multiple_of(86_400) {
        return format!("{sign}P{}D", left / 86_400);
    }
    let (hours, minutes, seconds) = (left / 3600, left / 60 % 60, left % 60);
    let part = |n: u64, unit: char| if n > 0 { format!("{n}{unit}") } else { String::new() };
    let text = part(hours, 'H') + &part(minutes, 'M') + &part(seconds, 'S');
    format!("{sign}PT{}", if text.is_empty() { "0S" } else { &text })
}
