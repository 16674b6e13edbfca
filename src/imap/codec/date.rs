//! IMAP's dates: `17-Jul-1996 02:44:25 -0700` and `1-Feb-1994` (RFC 9051 §9, `date-time` and
//! `date`). The calendar is computed here, as these are in every FETCH of a listing.

use crate::base::clock::UnixTime;

use super::types::Day;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A moment and the zone in which it was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DateTime {
    pub at: UnixTime,
    /// East of Greenwich.
    pub offset_minutes: i16,
}

impl DateTime {
    pub const fn utc(at: UnixTime) -> Self {
        Self { at, offset_minutes: 0 }
    }

    /// Reads `dd-Mon-yyyy hh:mm:ss +zzzz`; the day may have one digit, with or without the
    /// space that the grammar asks for.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii_start();
        let space = text.iter().position(|&b| b == b' ')?;
        let day = parse_date(text.get(..space)?)?;
        let clock: &[u8; 14] = text.get(space + 1..)?.trim_ascii().try_into().ok()?;
        let &[h1, h0, b':', m1, m0, b':', s1, s0, b' ', sign, zh1, zh0, zm1, zm0] = clock else {
            return None;
        };
        let two = |tens: u8, ones: u8| Some(i64::from(digit(tens)? * 10 + digit(ones)?));
        let (hour, minute, second) = (two(h1, h0)?, two(m1, m0)?, two(s1, s0)?);
        let (zone_hours, zone_minutes) = (two(zh1, zh0)?, two(zm1, zm0)?);
        // 60 is a leap second; it is the next minute's first here.
        if hour > 23 || minute > 59 || second > 60 || zone_minutes > 59 {
            return None;
        }
        let offset = zone_hours * 60 + zone_minutes;
        let offset = match sign {
            b'+' => offset,
            b'-' => -offset,
            _ => return None,
        };
        let at = i64::from(day.0) * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
        Some(Self { at, offset_minutes: offset as i16 })
    }

    /// Appends `"17-Jul-1996 02:44:25 -0700"`, quotes included. Years beyond 0 to 9999 do not fit
    /// the grammar and are written as its first or last moment.
    pub fn write(self, out: &mut Vec<u8>) {
        let local = self.at.saturating_add(i64::from(self.offset_minutes) * 60);
        let local = local.clamp(-62_167_219_200, 253_402_300_799);
        let (year, month, day) = civil(local.div_euclid(86_400));
        let second = local.rem_euclid(86_400) as u32;
        let mut text = *b"\"00-Jan-0000 00:00:00 +0000\"";
        put(&mut text[1..3], day);
        text[4..7].copy_from_slice(MONTHS[month as usize - 1]);
        put(&mut text[8..10], year / 100);
        put(&mut text[10..12], year % 100);
        put(&mut text[13..15], second / 3600);
        put(&mut text[16..18], second / 60 % 60);
        put(&mut text[19..21], second % 60);
        text[22] = if self.offset_minutes < 0 { b'-' } else { b'+' };
        let offset = u32::from(self.offset_minutes.unsigned_abs());
        put(&mut text[23..25], offset / 60 % 100);
        put(&mut text[25..27], offset % 60);
        if text[1] == b'0' {
            text[1] = b' '; // date-day-fixed
        }
        out.extend_from_slice(&text);
    }
}

fn digit(b: u8) -> Option<u8> {
    b.is_ascii_digit().then(|| b - b'0')
}

/// Writes a number below 100 as two digits.
fn put(place: &mut [u8], value: u32) {
    if let [tens, ones] = place {
        *tens = b'0' + (value / 10 % 10) as u8;
        *ones = b'0' + (value % 10) as u8;
    }
}

/// Reads `d-Mon-yyyy`.
pub fn parse_date(text: &[u8]) -> Option<Day> {
    let mut fields = text.split(|&b| b == b'-');
    let (day, month, year) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || !(1..=2).contains(&day.len()) || year.len() != 4 {
        return None;
    }
    let number =
        |digits: &[u8]| digits.iter().try_fold(0u32, |n, &b| Some(n * 10 + u32::from(digit(b)?)));
    let (day, year) = (number(day)?, number(year)?);
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u32 + 1;
    let days = days_from_civil(year, month, day)?;
    // A day that the month does not have comes back as another one.
    (civil(days) == (year, month, day)).then_some(Day(days as i32))
}

/// Days since 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the
/// leap day is a year's last and months have a linear pattern of lengths.
fn days_from_civil(year: u32, month: u32, day: u32) -> Option<i64> {
    if !(1..=31).contains(&day) {
        return None;
    }
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The inverse: year, month and day; for years 0 to 9999.
fn civil(days: i64) -> (u32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(date: DateTime) -> String {
        let mut out = Vec::new();
        date.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_standards_example() {
        let date = DateTime::parse(b"17-Jul-1996 02:44:25 -0700").unwrap();
        assert_eq!(date, DateTime { at: 837_596_665, offset_minutes: -420 });
        assert_eq!(written(date), "\"17-Jul-1996 02:44:25 -0700\"");
        assert_eq!(written(DateTime::utc(0)), "\" 1-Jan-1970 00:00:00 +0000\"");
        assert_eq!(written(DateTime::utc(i64::MAX)), "\"31-Dec-9999 23:59:59 +0000\"");
        assert_eq!(written(DateTime::utc(i64::MIN)), "\" 1-Jan-0000 00:00:00 +0000\"");
    }

    #[test]
    fn forms_of_the_day() {
        let day = DateTime::parse(b" 1-feb-2024 00:00:00 +0000");
        assert_eq!(day, Some(DateTime::utc(1_706_745_600)));
        assert_eq!(day, DateTime::parse(b"1-Feb-2024 00:00:00 +0000"));
        assert_eq!(day, DateTime::parse(b"01-FEB-2024 00:00:00 -0000"));
        assert_eq!(parse_date(b"29-Feb-2024"), Some(Day(19_782)));
        for wrong in ["29-Feb-2023", "31-Apr-2024", "0-Jan-2024", "1-Foo-2024", "1-Jan-24", "1-Jan"]
        {
            assert_eq!(parse_date(wrong.as_bytes()), None, "{wrong}");
        }
        for wrong in
            ["", " ", "1-Feb-2024", "1-Feb-2024 24:00:00 +0000", "1-Feb-2024 00:00:00 0000"]
        {
            assert_eq!(DateTime::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(at in -62_000_000_000i64..253_000_000_000, offset in -1439i16..1440) {
            let date = DateTime { at, offset_minutes: offset };
            let text = written(date);
            prop_assert_eq!(DateTime::parse(text.trim_matches('"').as_bytes()), Some(date));
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (DateTime::parse(&text), parse_date(&text));
        }
    }
}
