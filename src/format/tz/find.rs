//! Zones by name and by rules.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::rules::Rules;
use super::windows::WINDOWS;

/// The zones that come with the program, not the machine's: those may lack the older names.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The most used of several zones with the same rules, so that a blob from New York is not
/// taken for one from Nassau. Windows' order decides among the others.
const FIRST: &[&str] = &[
    "Etc/UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Halifax",
    "America/Sao_Paulo",
    "Asia/Tokyo",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Dubai",
    "Europe/Moscow",
    "Australia/Sydney",
];

/// The zone that a name means: IANA's in any case, Windows', an IANA name behind a path
/// (`/mozilla.org/20050126_1/Europe/Berlin`), or an offset (`GMT+0100`, `UTC-5`).
pub fn by_name(name: &str) -> Option<TimeZone> {
    let name = name.trim().trim_matches('"');
    if name.is_empty() || name.len() > 200 {
        return None;
    }
    if let Some(zone) = iana(name) {
        return Some(zone);
    }
    if let Some((_, id)) = WINDOWS.iter().find(|(windows, _)| windows.eq_ignore_ascii_case(name)) {
        return iana(id);
    }
    if let Some(zone) = offset(name) {
        return Some(zone);
    }
    // `America/Argentina/Buenos_Aires` has three parts: the longest tail that is a name.
    let tails = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
    tails.filter(|tail| tail.contains('/')).find_map(iana)
}

fn iana(name: &str) -> Option<TimeZone> {
    if matches!(name, "Z" | "z") || ["UTC", "GMT"].iter().any(|utc| utc.eq_ignore_ascii_case(name))
    {
        return Some(TimeZone::UTC);
    }
    // The database's own helpers are no zones.
    let helper = name.eq_ignore_ascii_case("posixrules") || name.eq_ignore_ascii_case("Factory");
    if helper { None } else { DATABASE.get(name).ok() }
}

/// `GMT+0100`, `UTC-5`, `+02:00`.
fn offset(name: &str) -> Option<TimeZone> {
    let upper = name.to_ascii_uppercase();
    let sign = upper.strip_prefix("GMT").or(upper.strip_prefix("UTC")).unwrap_or(&upper);
    let (sign, digits) = match sign.trim().split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let minutes = if digits.len() > 2 { number / 100 * 60 + number % 100 } else { number * 60 };
    Rules { standard: sign * minutes * 60, daylight: None }.to_zone()
}

/// Windows' name for a zone: its own, or that of a zone with the same rules this year.
pub fn windows_name(zone: &TimeZone, year: i16) -> Option<&'static str> {
    if let Some(name) = zone.iana_name()
        && let Some((windows, _)) = WINDOWS.iter().find(|(_, id)| id.eq_ignore_ascii_case(name))
    {
        return Some(windows);
    }
    let wanted = Deeds::of(&Rules::of(zone, year), year);
    let known = known(year);
    let (id, _) = known.iter().find(|(_, deeds)| *deeds == wanted)?;
    WINDOWS.iter().find(|(_, other)| other == id).map(|(windows, _)| *windows)
}

/// The zone that has these rules in that year: the first of `prefer` that does, else the one
/// that `name` means if it does, else the most used one. If none does, the tables that the rules
/// came from are outdated: one of the preferred that nearly has them, else the named zone if it
/// keeps at least the same standard time, else one made of the rules.
///
/// The name alone is not enough, and neither are the rules: EAS-4-TbSync sends the last daylight
/// saving time that a zone ever had (Tokyo's is of 1951), but the right Windows name.
pub fn matching(rules: &Rules, name: &str, prefer: &[&TimeZone], year: i16) -> TimeZone {
    let wanted = Deeds::of(rules, year);
    let of = |zone: &TimeZone| Deeds::of(&Rules::of(zone, year), year);
    let preferred = |wanted| prefer.iter().find(|zone| of(zone) == wanted);
    if let Some(zone) = preferred(wanted) {
        return (*zone).clone();
    }
    let named = by_name(name).map(|zone| (of(&zone), zone));
    if let Some((_, zone)) = named.as_ref().filter(|(deeds, _)| *deeds == wanted) {
        return zone.clone();
    }
    let known = known(year);
    if let Some((id, _)) = known.iter().find(|(_, deeds)| *deeds == wanted)
        && let Some(zone) = iana(id)
    {
        return zone;
    }
    if let Some(zone) = prefer.iter().find(|zone| of(zone).nearly(&wanted)) {
        return (*zone).clone();
    }
    if let Some((deeds, zone)) = named.filter(|(deeds, _)| deeds.standard == wanted.standard) {
        // Windows has one name for Lima and Bogota.
        return preferred(deeds).map_or(zone, |zone| (*zone).clone());
    }
    rules.to_zone().unwrap_or(TimeZone::UTC)
}

/// The zone that a name means, where the rules that came with it are known to be wrong: the
/// first of `prefer` that does the same in that year (Windows has one name for Berlin and Rome),
/// else the one of that name.
pub fn meant_by_name(name: &str, prefer: &[&TimeZone], year: i16) -> Option<TimeZone> {
    let of = |zone: &TimeZone| Deeds::of(&Rules::of(zone, year), year);
    let named = by_name(name)?;
    let wanted = of(&named);
    let preferred = prefer.iter().find(|zone| of(zone) == wanted);
    Some(preferred.map_or(named, |zone| (*zone).clone()))
}

/// What rules do in one year. Rules that are written differently (Saturday 24:00, Sunday 0:00)
/// are equal here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deeds {
    standard: i32,
    daylight: Option<(i32, DateTime, DateTime)>,
}

impl Deeds {
    fn of(rules: &Rules, year: i16) -> Deeds {
        let offset = rules.daylight.map(|daylight| daylight.offset);
        let daylight = offset.zip(rules.in_year(year)).map(|(o, (start, end))| (o, start, end));
        Deeds { standard: rules.standard, daylight }
    }

    /// The same offsets, and changes less than nine days apart.
    fn nearly(&self, other: &Deeds) -> bool {
        let close = |a: DateTime, b: DateTime| a.duration_since(b).abs().as_hours() < 9 * 24;
        let (Some(a), Some(b)) = (self.daylight, other.daylight) else { return false };
        (self.standard, a.0) == (other.standard, b.0) && close(a.1, b.1) && close(a.2, b.2)
    }
}

type Known = Arc<Vec<(&'static str, Deeds)>>;

/// What each zone that Windows knows does in a year. Working this out for all of them takes a
/// millisecond or two, so the last years asked for are kept.
fn known(year: i16) -> Known {
    const YEARS_KEPT: usize = 32;
    static KEPT: LazyLock<Mutex<HashMap<i16, Known>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(&year) {
        return known.clone();
    }
    let names = FIRST.iter().copied().chain(WINDOWS.iter().map(|(_, id)| *id));
    let deeds = |id| iana(id).map(|zone| (id, Deeds::of(&Rules::of(&zone, year), year)));
    let all: Known = Arc::new(names.filter_map(deeds).collect());
    if kept.len() >= YEARS_KEPT {
        kept.clear();
    }
    kept.insert(year, all.clone());
    all
}
