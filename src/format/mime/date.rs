//! The Date field (RFC 5322 §3.3, obsolete forms of §4.3) and its many misspellings.

/// When a message says it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentDate {
    /// Seconds since 1970 in UTC.
    pub utc: i64,
    /// The sender's offset from UTC: SENTON and its kin look at the sender's own calendar day.
    pub offset_minutes: i16,
}

impl SentDate {
    /// The day by the sender's calendar, in days since 1970-01-01.
    pub fn day(self) -> i64 {
        (self.utc + i64::from(self.offset_minutes) * 60).div_euclid(86_400)
    }
}

#[derive(Default)]
struct Found {
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
    time: Option<i64>,
    afternoon: Option<bool>,
    offset: Option<i64>,
}

/// Longest value that is looked at.
const MAX_VALUE: usize = 256;

/// Reads a date; None if day, month, year or time cannot be made out or do not exist.
pub fn parse(value: &[u8]) -> Option<SentDate> {
    let plain = without_comments(value.get(..MAX_VALUE).unwrap_or(value));
    let mut found = Found::default();
    for word in plain.split(|b| b.is_ascii_whitespace() || *b == b',').filter(|w| !w.is_empty()) {
        found.word(word);
    }
    found.finish()
}

/// Drops comments and the blanks that obsolete syntax allows around colons.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut depth = 0u32;
    for &byte in value {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                out.push(b' ');
            }
            _ if depth > 0 => {}
            b':' => {
                out.truncate(out.trim_ascii_end().len());
                out.push(b':');
            }
            _ if byte.is_ascii_whitespace() && out.last() == Some(&b':') => {}
            _ => out.push(byte),
        }
    }
    out
}

impl Found {
    fn word(&mut self, word: &[u8]) {
        let Ok(text) = std::str::from_utf8(word) else { return };
        let first = word.first().copied().unwrap_or_default();
        if text.contains(':') {
            self.time(text);
        } else if self.time.is_some() && (first == b'+' || first == b'-') {
            self.offset = self.offset.or_else(|| numeric_zone(text));
        } else if first.is_ascii_digit() && text.contains(['-', '/']) {
            // 17-Jul-1996, 1996-07-17.
            self.dashed(text);
        } else if first.is_ascii_digit() {
            self.number(text);
        } else if self.month.is_none() && month(text).is_some() {
            self.month = month(text);
        } else if self.time.is_some() {
            match text.to_ascii_uppercase().as_str() {
                "AM" => self.afternoon = Some(false),
                "PM" => self.afternoon = Some(true),
                zone => self.offset = self.offset.or_else(|| named_zone(zone)),
            }
        }
    }

    fn number(&mut self, text: &str) {
        let Ok(number) = text.trim_end_matches('.').parse::<i64>() else { return };
        if self.day.is_none() && text.len() <= 2 {
            self.day = Some(number);
        } else if self.year.is_none() && text.len() <= 4 {
            self.year = Some(full_year(number, text.len()));
        }
    }

    fn dashed(&mut self, text: &str) {
        let mut parts = text.split(['-', '/']);
        let (Some(a), Some(b), Some(c)) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        let number = |text: &str| text.parse::<i64>().ok();
        let (day, year) = if a.len() == 4 { (c, a) } else { (a, c) };
        self.day = self.day.or(number(day));
        self.month = self.month.or_else(|| month(b).or(number(b)));
        self.year = self.year.or(number(year).map(|y| full_year(y, year.len())));
    }

    fn time(&mut self, text: &str) {
        // 2020-01-01T10:00:00Z
        if let Some((date, time)) = text.split_once('T') {
            self.dashed(date);
            let end = time.find(['Z', '+', '-']).unwrap_or(time.len());
            let (time, zone) = time.split_at_checked(end).unwrap_or_default();
            self.offset = if zone == "Z" { Some(0) } else { numeric_zone(&zone.replace(':', "")) };
            return self.time(time);
        }
        // 10:00:00+0100, the blank forgotten.
        if let Some(sign) = text.find(['+', '-']) {
            let (time, zone) = text.split_at_checked(sign).unwrap_or_default();
            if time.is_empty() {
                self.offset = self.offset.or_else(|| numeric_zone(&zone.replace(':', "")));
                return;
            }
            self.time(time);
            self.offset = self.offset.or_else(|| numeric_zone(&zone.replace(':', "")));
            return;
        }
        let mut parts = text.split(':').map(|p| p.split('.').next().unwrap_or_default());
        let mut next = |max: i64, default: Option<i64>| match parts.next() {
            Some(part) => part.parse::<i64>().ok().filter(|n| (0..=max).contains(n)),
            None => default,
        };
        let time = (|| Some(next(23, None)? * 3600 + next(59, None)? * 60 + next(60, Some(0))?))();
        self.time = self.time.or(time);
    }

    fn finish(self) -> Option<SentDate> {
        let (day, month, year) = (self.day?, self.month?, self.year?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let mut time = self.time?;
        match self.afternoon {
            Some(true) if time < 12 * 3600 => time += 12 * 3600,
            Some(false) if time >= 12 * 3600 => time -= 12 * 3600,
            _ => {}
        }
        let offset = self.offset.unwrap_or(0);
        let utc = days_from_civil(year, month, day) * 86_400 + time - offset * 60;
        Some(SentDate { utc, offset_minutes: i16::try_from(offset).ok()? })
    }
}

/// RFC 5322 §4.3: two digits are 1950-2049, three count from 1900.
fn full_year(year: i64, digits: usize) -> i64 {
    match digits {
        0..=2 if year < 50 => year + 2000,
        0..=3 => year + 1900,
        _ => year,
    }
}

fn month(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short = text.get(..3)?;
    let index = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(short))?;
    i64::try_from(index + 1).ok()
}

/// `+0130` in minutes.
fn numeric_zone(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if !(1..=4).contains(&digits.len()) {
        return None;
    }
    let number: i64 = digits.parse().ok().filter(|n| *n >= 0)?;
    let minutes = if digits.len() <= 2 { number * 60 } else { number / 100 * 60 + number % 100 };
    // Beyond a day it is nonsense, not a zone.
    (minutes <= 24 * 60).then_some(sign * minutes)
}

/// RFC 5322 §4.3 and the European names seen in practice; military letters mean nothing (UTC).
fn named_zone(name: &str) -> Option<i64> {
    let hours = match name {
        "UT" | "UTC" | "GMT" | "Z" | "WET" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" | "MET" | "BST" | "WEST" => 1,
        "CEST" | "MEST" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "JST" | "KST" => 9,
        _ => return name.strip_prefix("GMT").or(name.strip_prefix("UTC")).and_then(numeric_zone),
    };
    Some(hours * 60)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years counted from March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<i64> {
        parse(text.as_bytes()).map(|date| date.utc)
    }

    #[test]
    fn standard_and_obsolete_forms() {
        assert_eq!(utc(" Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"), Some(837_595_405));
        assert_eq!(utc("17 Jul 96 02:23:25 PDT"), Some(837_595_405));
        assert_eq!(utc("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"), Some(880_127_706));
        assert_eq!(
            utc("Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)"),
            Some(-27_723_480)
        );
        assert_eq!(utc("1 Jan 1970 00:00:00 +0000"), Some(0));
        assert_eq!(utc("29 Feb 2000 00:00:00 Z"), Some(951_782_400));
        assert_eq!(utc("Mon Jan  1 10:00:00 2001"), Some(978_343_200));
        assert_eq!(utc("Wednesday, 1 January 2020 10:00 PM +0100"), Some(1_577_912_400));
        assert_eq!(utc("01-Jan-2020 10:00:00 +0100"), Some(1_577_869_200));
        assert_eq!(utc("2020-01-01T10:00:00+01:00"), Some(1_577_869_200));
        assert_eq!(utc("1 Jan 2020 10:00:00+0100"), Some(1_577_869_200));
        assert_eq!(utc("1 Jan 2020 10:00:00 GMT+01"), Some(1_577_869_200));
    }

    #[test]
    fn nonsense_is_none() {
        for text in [
            "",
            "yesterday",
            "31 Feb 2020 10:00:00 +0000",
            "1 Jan 2020",
            "1 Jan 2020 25:00 Z",
            "0 Jan 2020 10:00 Z",
            "((((",
            "1 Jan 99999999999999999999 10:00",
            ":",
            "+:",
            "T:",
            "1-2-3T:",
            "\u{fc}:",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn the_day_is_the_senders() {
        let date = parse(b"1 Jan 1970 23:30:00 -0100").unwrap();
        assert_eq!((date.utc, date.day()), (88_200, 0));
    }
}
