//! RRULE values. RFC 5545 §3.3.10, RFC 7529 (RSCALE, SKIP).

use std::fmt;

use jiff::civil::DateTime;

use super::time::{Time, TimeKind, number};

/// A recurrence rule, part by part; what is not understood is kept in `other`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recurrence {
    pub frequency: Frequency,
    /// At least 1.
    pub interval: u32,
    pub count: Option<u32>,
    pub until: Option<Until>,
    pub by_second: Vec<u8>,
    pub by_minute: Vec<u8>,
    pub by_hour: Vec<u8>,
    pub by_day: Vec<Day>,
    pub by_month_day: Vec<i8>,
    pub by_year_day: Vec<i16>,
    pub by_week_number: Vec<i8>,
    /// 1 to 12. A leap month (`5L` of RFC 7529) makes the rule one that is kept and not
    /// expanded; see `other`.
    pub by_month: Vec<u8>,
    pub by_set_position: Vec<i16>,
    pub week_start: Option<Weekday>,
    /// Parts of other names, or with values beyond their range, as they were written.
    pub other: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// The last moment at which an instance may start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Until {
    pub at: DateTime,
    pub kind: UntilKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UntilKind {
    Date,
    Floating,
    Utc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weekday {
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
}

/// A BYDAY entry: every such weekday, or the n-th (from the end if negative).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Day {
    pub nth: Option<i8>,
    pub weekday: Weekday,
}

impl Recurrence {
    /// The rule with nothing but its frequency: every one, for ever.
    pub fn every(frequency: Frequency) -> Recurrence {
        Recurrence {
            frequency,
            interval: 1,
            count: None,
            until: None,
            by_second: Vec::new(),
            by_minute: Vec::new(),
            by_hour: Vec::new(),
            by_day: Vec::new(),
            by_month_day: Vec::new(),
            by_year_day: Vec::new(),
            by_week_number: Vec::new(),
            by_month: Vec::new(),
            by_set_position: Vec::new(),
            week_start: None,
            other: Vec::new(),
        }
    }

    /// Reads an RRULE value; `None` without a usable FREQ. Both COUNT and UNTIL: COUNT holds.
    pub fn parse(text: &str) -> Option<Recurrence> {
        let parts = || {
            let pairs = text.trim().split(';').filter_map(|part| part.split_once('='));
            pairs.map(|(name, value)| (name.trim(), value.trim()))
        };
        let (_, frequency) = parts().find(|(name, _)| name.eq_ignore_ascii_case("FREQ"))?;
        let mut rule = Recurrence::every(Frequency::parse(frequency)?);
        for (name, value) in parts() {
            let upper = name.to_ascii_uppercase();
            if upper != "FREQ" && !rule.take(&upper, value) {
                rule.other.push((upper, value.to_owned()));
            }
        }
        if rule.count.is_some() {
            rule.until = None;
        }
        Some(rule)
    }

    /// One part; false if it is not understood.
    fn take(&mut self, name: &str, value: &str) -> bool {
        match name {
            "INTERVAL" => match number(value) {
                Some(interval) => self.interval = interval.max(1),
                None => return false,
            },
            "COUNT" => match number(value) {
                Some(count) if count > 0 => self.count = Some(count),
                _ => return false,
            },
            "UNTIL" => match Until::parse(value) {
                Some(until) => self.until = Some(until),
                None => return false,
            },
            "BYSECOND" => return list(&mut self.by_second, value, |n: u8| n <= 60),
            "BYMINUTE" => return list(&mut self.by_minute, value, |n: u8| n <= 59),
            "BYHOUR" => return list(&mut self.by_hour, value, |n: u8| n <= 23),
            "BYDAY" => match value.split(',').map(Day::parse).collect() {
                Some(days) => self.by_day = days,
                None => return false,
            },
            "BYMONTHDAY" => {
                return list(&mut self.by_month_day, value, |n: i8| n != 0 && n.abs() <= 31);
            }
            "BYYEARDAY" => {
                return list(&mut self.by_year_day, value, |n: i16| n != 0 && n.abs() <= 366);
            }
            "BYWEEKNO" => {
                return list(&mut self.by_week_number, value, |n: i8| n != 0 && n.abs() <= 53);
            }
            "BYMONTH" => return list(&mut self.by_month, value, |n: u8| (1..=12).contains(&n)),
            "BYSETPOS" => {
                let holds = |n: i16| n != 0 && n.abs() <= 366;
                return list(&mut self.by_set_position, value, holds);
            }
            "WKST" => match Weekday::parse(value) {
                Some(day) => self.week_start = Some(day),
                None => return false,
            },
            _ => return false,
        }
        true
    }

    /// The value of a part that is not understood.
    pub fn other(&self, name: &str) -> Option<&str> {
        self.other.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a list of numbers, each of which must hold; false leaves the list empty.
fn list<N: std::str::FromStr + Copy>(into: &mut Vec<N>, value: &str, holds: fn(N) -> bool) -> bool {
    let read = |part: &str| {
        let part = part.trim();
        let n: N = part.strip_prefix('+').unwrap_or(part).parse().ok()?;
        holds(n).then_some(n)
    };
    match value.split(',').map(read).collect() {
        Some(numbers) => {
            *into = numbers;
            true
        }
        None => false,
    }
}

impl fmt::Display for Recurrence {
    /// The RRULE value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RSCALE has to stand first (RFC 7529 §4.1 and the programs that rely on it).
        if let Some(scale) = self.other("RSCALE") {
            write!(f, "RSCALE={scale};")?;
        }
        write!(f, "FREQ={}", self.frequency.name())?;
        if let Some(until) = &self.until {
            write!(f, ";UNTIL={until}")?;
        }
        if let Some(count) = self.count {
            write!(f, ";COUNT={count}")?;
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        write_list(f, "BYSECOND", &self.by_second)?;
        write_list(f, "BYMINUTE", &self.by_minute)?;
        write_list(f, "BYHOUR", &self.by_hour)?;
        write_list(f, "BYDAY", &self.by_day)?;
        write_list(f, "BYMONTHDAY", &self.by_month_day)?;
        write_list(f, "BYYEARDAY", &self.by_year_day)?;
        write_list(f, "BYWEEKNO", &self.by_week_number)?;
        write_list(f, "BYMONTH", &self.by_month)?;
        write_list(f, "BYSETPOS", &self.by_set_position)?;
        if let Some(day) = self.week_start {
            write!(f, ";WKST={}", day.name())?;
        }
        for (name, value) in self.other.iter().filter(|(name, _)| name != "RSCALE") {
            write!(f, ";{name}={value}")?;
        }
        Ok(())
    }
}

fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, of: &[T]) -> fmt::Result {
    for (n, value) in of.iter().enumerate() {
        match n {
            0 => write!(f, ";{name}={value}")?,
            _ => write!(f, ",{value}")?,
        }
    }
    Ok(())
}

impl Until {
    pub fn parse(text: &str) -> Option<Until> {
        let time = Time::parse(text, None)?;
        let kind = match time.kind {
            TimeKind::Date => UntilKind::Date,
            TimeKind::Utc => UntilKind::Utc,
            TimeKind::Floating | TimeKind::Zoned(_) => UntilKind::Floating,
        };
        Some(Until { at: time.at, kind })
    }

    fn time(&self) -> Time {
        let kind = match self.kind {
            UntilKind::Date => TimeKind::Date,
            UntilKind::Floating => TimeKind::Floating,
            UntilKind::Utc => TimeKind::Utc,
        };
        Time { at: self.at, kind }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.time().value())
    }
}

impl Frequency {
    const NAMES: [(Frequency, &'static str); 7] = [
        (Frequency::Secondly, "SECONDLY"),
        (Frequency::Minutely, "MINUTELY"),
        (Frequency::Hourly, "HOURLY"),
        (Frequency::Daily, "DAILY"),
        (Frequency::Weekly, "WEEKLY"),
        (Frequency::Monthly, "MONTHLY"),
        (Frequency::Yearly, "YEARLY"),
    ];

    fn parse(text: &str) -> Option<Frequency> {
        Self::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(f, _)| *f)
    }

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(f, _)| *f == self).map_or("YEARLY", |(_, name)| *name)
    }
}

impl Weekday {
    /// In the order of ActiveSync's bits, Sunday first.
    pub const ALL: [Weekday; 7] = [
        Weekday::Sunday,
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
    ];

    fn parse(text: &str) -> Option<Weekday> {
        Self::ALL.into_iter().find(|day| day.name().eq_ignore_ascii_case(text.trim()))
    }

    /// `SU` to `SA`.
    pub fn name(self) -> &'static str {
        ["SU", "MO", "TU", "WE", "TH", "FR", "SA"][self.number()]
    }

    /// 0 for Sunday to 6 for Saturday.
    pub fn number(self) -> usize {
        self as usize
    }

    pub fn of(day: jiff::civil::Weekday) -> Weekday {
        Self::ALL[usize::from(day.to_sunday_zero_offset().rem_euclid(7).unsigned_abs())]
    }

    pub fn civil(self) -> jiff::civil::Weekday {
        use jiff::civil::Weekday as Civil;
        match self {
            Weekday::Sunday => Civil::Sunday,
            Weekday::Monday => Civil::Monday,
            Weekday::Tuesday => Civil::Tuesday,
            Weekday::Wednesday => Civil::Wednesday,
            Weekday::Thursday => Civil::Thursday,
            Weekday::Friday => Civil::Friday,
            Weekday::Saturday => Civil::Saturday,
        }
    }
}

impl Day {
    pub fn every(weekday: Weekday) -> Day {
        Day { nth: None, weekday }
    }

    fn parse(text: &str) -> Option<Day> {
        let text = text.trim();
        let (nth, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
        let weekday = Weekday::parse(day)?;
        if nth.is_empty() {
            return Some(Day { nth: None, weekday });
        }
        let nth: i8 = nth.strip_prefix('+').unwrap_or(nth).parse().ok()?;
        (nth != 0 && nth.abs() <= 53).then_some(Day { nth: Some(nth), weekday })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            Some(nth) => write!(f, "{nth}{}", self.weekday.name()),
            None => f.write_str(self.weekday.name()),
        }
    }
}
