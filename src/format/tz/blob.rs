//! ActiveSync's time zone structure: 172 bytes, in base64. MS-ASDTYPE 2.7.6.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::{Date, Weekday};

use super::rules::{Change, Daylight, Rules};

const SIZE: usize = 172;
/// Where each field starts; all numbers are little endian.
const BIAS: usize = 0;
const STANDARD_NAME: usize = 4;
const STANDARD_DATE: usize = 68;
const STANDARD_BIAS: usize = 84;
const DAYLIGHT_NAME: usize = 88;
const DAYLIGHT_DATE: usize = 152;
const DAYLIGHT_BIAS: usize = 168;
/// A name's bytes: 32 UTF-16 units.
const NAME: usize = 64;

/// Reads the structure; `None` if it is none. The names in it are often empty, translated or
/// wrong: see [`blob_name`].
pub fn read_blob(base64: &str) -> Option<Rules> {
    let blob = decode(base64)?;
    let bias = long(&blob, BIAS)?;
    let offset = |more: i32| {
        let minutes = bias.checked_add(more)?.checked_neg()?;
        (-24 * 60..=24 * 60).contains(&minutes).then(|| minutes * 60)
    };
    let (start, end) = (date(&blob, DAYLIGHT_DATE), date(&blob, STANDARD_DATE));
    let (Some(start), Some(end)) = (start, end) else {
        return Some(Rules { standard: offset(0)?, daylight: None });
    };
    let standard = offset(long(&blob, STANDARD_BIAS)?)?;
    let daylight = offset(long(&blob, DAYLIGHT_BIAS)?)?;
    if daylight == standard {
        return Some(Rules { standard, daylight: None });
    }
    Some(Rules { standard, daylight: Some(Daylight { offset: daylight, start, end }) })
}

/// The name of standard time in the structure; empty if it has none.
pub fn blob_name(base64: &str) -> String {
    let blob = decode(base64).unwrap_or_default();
    let field = blob.get(STANDARD_NAME..STANDARD_NAME + NAME).unwrap_or_default();
    let units = field.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units.take_while(|unit| *unit != 0)).filter_map(Result::ok).collect()
}

/// Whether the structure has another offset in summer, and does not say when.
pub fn blob_lacks_days(base64: &str) -> bool {
    let blob = decode(base64).unwrap_or_default();
    let daylight = long(&blob, DAYLIGHT_BIAS).is_some_and(|bias| bias != 0);
    daylight && date(&blob, DAYLIGHT_DATE).is_none() && date(&blob, STANDARD_DATE).is_none()
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    let compact: String = base64.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(compact).ok().filter(|blob| blob.len() == SIZE)
}

fn long(blob: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(blob.get(at..at + 4)?.try_into().ok()?))
}

/// A SYSTEMTIME; `None` for the empty one, and for one that is no date.
fn date(blob: &[u8], at: usize) -> Option<Change> {
    let word = |n: usize| {
        let bytes = blob.get(at + 2 * n..at + 2 * n + 2)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    };
    let (year, month) = (word(0)?, i8::try_from(word(1)?).ok()?);
    let (weekday, nth) = (i8::try_from(word(2)?).ok()?, i8::try_from(word(3)?).ok()?);
    let (hour, minute, second) = (word(4)?, word(5)?, word(6)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let time = i32::from(hour) * 3600 + i32::from(minute) * 60 + i32::from(second);
    // Windows has no 24:00 and says 23:59:59.999.
    let time = if time == 86_399 { 86_400 } else { time };
    if year == 0 {
        let weekday = Weekday::from_sunday_zero_offset(weekday).ok()?;
        return (1..=5).contains(&nth).then_some(Change { month, week: nth, weekday, time });
    }
    // A year means this very day (then `nth` is the day of the month); its place in the month
    // is taken for the rule.
    let day = Date::new(i16::try_from(year).ok()?, month, nth).ok()?;
    let last = day.day() + 7 > day.days_in_month();
    let week = if last { 5 } else { (day.day() + 6) / 7 };
    Some(Change { month, week, weekday: day.weekday(), time })
}

/// Writes the structure with a name for both seasons (Windows' or IANA's, cut at 31 units).
pub fn write_blob(rules: &Rules, name: &str) -> String {
    let mut blob = [0u8; SIZE];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = blob.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(BIAS, &(-rules.standard / 60).to_le_bytes());
    let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).take(NAME - 2).collect();
    put(STANDARD_NAME, &units);
    put(DAYLIGHT_NAME, &units);
    put(STANDARD_BIAS, &0i32.to_le_bytes());
    if let Some(daylight) = rules.daylight {
        put(STANDARD_DATE, &system_time(&daylight.end));
        put(DAYLIGHT_DATE, &system_time(&daylight.start));
        put(DAYLIGHT_BIAS, &((rules.standard - daylight.offset) / 60).to_le_bytes());
    }
    STANDARD.encode(blob)
}

fn system_time(change: &Change) -> [u8; 16] {
    let (time, milliseconds) =
        if change.time >= 86_400 { (86_399, 999) } else { (change.time.max(0), 0) };
    let words = [
        0,
        u16::from(change.month.unsigned_abs()),
        u16::from(change.weekday.to_sunday_zero_offset().unsigned_abs()),
        u16::from(change.week.unsigned_abs()),
        (time / 3600) as u16,
        (time / 60 % 60) as u16,
        (time % 60) as u16,
        milliseconds,
    ];
    let mut bytes = [0u8; 16];
    for (place, word) in bytes.chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
