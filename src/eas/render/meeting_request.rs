//! The `MeetingRequest` of a meeting message (MS-ASEMAIL 2.2.2.48), from the calendar that came
//! with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::eas::render::View;
use crate::eas::render::email::date_time;
use crate::eas::version::Version;
use crate::format::ical::{Component, Day, Frequency, Property, Recurrence, Time, TimeKind};
use crate::format::ical::{UntilKind, parse_duration};
use crate::format::tz;
use crate::format::wbxml::{Writer, tags};

use tags::{air_sync_base as b, calendar as c, email as e, email2 as e2, meeting_response as m};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;
/// Begins the binary UID of an appointment (MS-ASEMAIL 2.2.2.37).
const GLOBAL_ID: [u8; 16] = [
    0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0, 0x08,
];

/// Writes the element; nothing if the calendar has no event with a start.
pub fn write(out: &mut Writer, calendar: &Component, view: &View<'_>) {
    let Some(event) = calendar.child("VEVENT") else { return };
    let Some(start) = event.first("DTSTART").and_then(Time::read) else { return };
    let zone = zone_of(&start, view);
    let Some(begin) = instant(&start, view) else { return };
    let end = end_of(event, &start, begin, view);
    let uid = event.value_of("UID").unwrap_or_default();
    let instance = event.first("RECURRENCE-ID").and_then(Time::read);
    let rule = event.value_of("RRULE").and_then(Recurrence::parse);
    out.open(e::MEETING_REQUEST);
    out.number(e::ALL_DAY_EVENT, u8::from(start.is_date()));
    out.text(e::START_TIME, &date_time(begin));
    let stamp = event.first("DTSTAMP").and_then(Time::read).and_then(|at| instant(&at, view));
    out.text(e::DT_STAMP, &date_time(stamp.unwrap_or(view.now)));
    out.text(e::END_TIME, &date_time(end));
    out.number(
        e::INSTANCE_TYPE,
        match (&rule, &instance) {
            (Some(_), _) => 1,
            (None, Some(_)) => 3,
            (None, None) => 0,
        },
    );
    if let Some(location) = event.text_of("LOCATION").filter(|text| !text.is_empty()) {
        write_location(out, &location, view.version);
    }
    if let Some(organizer) = event.first("ORGANIZER").map(mailbox) {
        out.text(e::ORGANIZER, &organizer);
    }
    if let Some(at) = instance.as_ref().and_then(|at| instant(at, view)) {
        out.text(e::RECURRENCE_ID, &date_time(at));
    }
    if let Some(seconds) = reminder(event) {
        out.number(e::REMINDER, seconds / 60);
    }
    out.number(e::RESPONSE_REQUESTED, u8::from(wants_answer(event)));
    if let Some(rule) = rule.as_ref().filter(|_| instance.is_none()) {
        write_recurrence(out, rule, &start, view);
    }
    out.number(e::SENSITIVITY, sensitivity(event));
    out.number(e::BUSY_STATUS, busy_status(calendar, event));
    let year = zone.to_datetime(at(begin)).year();
    let name = start.tzid().unwrap_or_default();
    out.text(e::TIME_ZONE, &tz::write_blob(&tz::Rules::of(&zone, year), name));
    if view.version < Version::V16_0 {
        let day = instance.as_ref().map(|at| at.at.date());
        out.text(e::GLOBAL_OBJ_ID, &global_id(uid, day));
    }
    if view.version >= Version::V14_0 {
        out.number(e::DISALLOW_NEW_TIME_PROPOSAL, u8::from(refuses_counter(event)));
    }
    if view.version >= Version::V14_1 {
        out.number(e2::MEETING_MESSAGE_TYPE, message_type(calendar));
    }
    if view.version >= Version::V16_0 {
        out.text(c::UID, uid);
    }
    let counter = calendar.value_of("METHOD").is_some_and(|m| m.eq_ignore_ascii_case("COUNTER"));
    if counter && view.version >= Version::V16_1 {
        out.text(m::PROPOSED_START_TIME, &date_time(begin));
        out.text(m::PROPOSED_END_TIME, &date_time(end));
    }
    out.close();
}

fn write_location(out: &mut Writer, location: &str, version: Version) {
    if version >= Version::V16_0 {
        out.open(b::LOCATION);
        out.text(b::DISPLAY_NAME, location);
        out.close();
    } else {
        out.text(e::LOCATION, location);
    }
}

/// The zone of a time: its own, else the reader's.
fn zone_of(time: &Time, view: &View<'_>) -> TimeZone {
    match &time.kind {
        TimeKind::Utc => TimeZone::UTC,
        TimeKind::Zoned(name) => tz::by_name(name).unwrap_or_else(|| view.zone.clone()),
        TimeKind::Date | TimeKind::Floating => view.zone.clone(),
    }
}

fn instant(time: &Time, view: &View<'_>) -> Option<i64> {
    let at = zone_of(time, view).to_ambiguous_timestamp(time.at).compatible().ok()?;
    Some(at.as_second())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn end_of(event: &Component, start: &Time, begin: i64, view: &View<'_>) -> i64 {
    if let Some(end) = event.first("DTEND").and_then(Time::read) {
        return instant(&end, view).unwrap_or(begin).max(begin);
    }
    let length = event.value_of("DURATION").and_then(parse_duration);
    let length = length.unwrap_or(if start.is_date() { DAY } else { 0 });
    begin.saturating_add(length.max(0))
}

/// `"Name" <address>` of an ORGANIZER or ATTENDEE.
fn mailbox(property: &Property) -> String {
    let address = property.value.trim();
    let address = match address.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => {
            address.get(7..).unwrap_or_default()
        }
        _ => address,
    };
    match property.param("CN").map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => format!("\"{}\" <{address}>", name.replace(['"', '\\'], "'")),
        None => address.to_owned(),
    }
}

/// Seconds before the start at which the first alarm rings.
fn reminder(event: &Component) -> Option<i64> {
    let trigger = event.child("VALARM")?.first("TRIGGER")?;
    let seconds = parse_duration(&trigger.value)?;
    (seconds <= 0 && trigger.param("RELATED").is_none_or(|to| to.eq_ignore_ascii_case("START")))
        .then_some(-seconds)
}

fn wants_answer(event: &Component) -> bool {
    event.all("ATTENDEE").any(|attendee| {
        attendee.param("RSVP").is_some_and(|rsvp| rsvp.eq_ignore_ascii_case("TRUE"))
    })
}

/// 0 normal, 2 private, 3 confidential (MS-ASEMAIL 2.2.2.73).
fn sensitivity(event: &Component) -> u8 {
    match event.value_of("CLASS").unwrap_or_default().to_ascii_uppercase().as_str() {
        "PRIVATE" => 2,
        "CONFIDENTIAL" => 3,
        _ => 0,
    }
}

/// 0 free, 1 tentative, 2 busy, 3 out of office (MS-ASEMAIL 2.2.2.14).
fn busy_status(calendar: &Component, event: &Component) -> u8 {
    let is = |of: &Component, name: &str, value: &str| {
        of.value_of(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(value))
    };
    if is(event, "X-MICROSOFT-CDO-INTENDEDSTATUS", "OOF") {
        3
    } else if is(event, "TRANSP", "TRANSPARENT") || is(calendar, "METHOD", "CANCEL") {
        0
    } else if is(event, "STATUS", "TENTATIVE") {
        1
    } else {
        2
    }
}

fn refuses_counter(event: &Component) -> bool {
    event
        .value_of("X-MICROSOFT-DISALLOW-COUNTER")
        .is_some_and(|text| text.trim().eq_ignore_ascii_case("TRUE"))
}

/// 1 a first request, 2 a full update (MS-ASEMAIL 2.2.2.47).
fn message_type(calendar: &Component) -> u8 {
    let event = calendar.child("VEVENT");
    let sequence = event.and_then(|event| event.value_of("SEQUENCE"));
    let sequence = sequence.and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
    match calendar.value_of("METHOD").unwrap_or_default().to_ascii_uppercase().as_str() {
        "REQUEST" if sequence == 0 => 1,
        "REQUEST" => 2,
        _ => 0,
    }
}

/// `Recurrences` (MS-ASEMAIL 2.2.2.62); nothing for a rule that phones have no form for.
fn write_recurrence(out: &mut Writer, rule: &Recurrence, start: &Time, view: &View<'_>) {
    let Some(pattern) = Pattern::of(rule, start) else { return };
    out.open(e::RECURRENCES);
    out.open(e::RECURRENCE);
    out.number(e::TYPE, pattern.kind);
    out.number(e::INTERVAL, rule.interval.min(999));
    if let Some(count) = rule.count {
        out.number(e::OCCURRENCES, count);
    } else if let Some(until) = &rule.until {
        let kind = match until.kind {
            UntilKind::Utc => TimeKind::Utc,
            UntilKind::Date | UntilKind::Floating => start.kind.clone(),
        };
        if let Some(at) = instant(&Time { at: until.at, kind }, view) {
            // The one date in Email that has the short form (MS-ASEMAIL 2.2.2.86).
            let text = date_time(at).replace([':', '-'], "").replace(".000", "");
            out.text(e::UNTIL, &text);
        }
    }
    let mut put = |tag, number: Option<u32>| {
        if let Some(number) = number {
            out.number(tag, number);
        }
    };
    put(e::WEEK_OF_MONTH, pattern.week);
    put(e::DAY_OF_MONTH, pattern.day);
    put(e::DAY_OF_WEEK, pattern.weekdays);
    put(e::MONTH_OF_YEAR, pattern.month);
    if view.version >= Version::V14_0 {
        out.number(e2::CALENDAR_TYPE, 0);
    }
    if view.version >= Version::V14_1 && pattern.kind == 1 {
        let first = rule.week_start.map_or(1, |day| day.number() as u32);
        out.number(e2::FIRST_DAY_OF_WEEK, first);
    }
    out.close();
    out.close();
}

#[derive(Default)]
struct Pattern {
    kind: u8,
    week: Option<u32>,
    day: Option<u32>,
    weekdays: Option<u32>,
    month: Option<u32>,
}

impl Pattern {
    fn of(rule: &Recurrence, start: &Time) -> Option<Pattern> {
        let bit = |day: &Day| 1u32 << day.weekday.number();
        let mask = rule.by_day.iter().map(bit).fold(0, |all, bit| all | bit);
        let own = 1u32 << (start.at.weekday().to_sunday_zero_offset() as u32);
        let day = rule.by_month_day.first().copied().unwrap_or(start.at.day());
        let month = rule.by_month.first().copied().map_or(start.at.month() as u32, u32::from);
        let nth = rule.by_day.first().and_then(|day| day.nth);
        let nth = nth.map(i16::from).or(rule.by_set_position.first().copied());
        let week = nth.map(|nth| if nth < 0 { 5 } else { nth.clamp(1, 5) as u32 });
        let monthly = |by_day: u8, by_nth: u8, month: Option<u32>| match week {
            Some(_) if mask != 0 => {
                Some(Pattern { kind: by_nth, week, weekdays: Some(mask), month, day: None })
            }
            // The last day of a month.
            None if day < 0 => {
                Some(Pattern { kind: by_nth, week: Some(5), weekdays: Some(127), month, day: None })
            }
            _ => Some(Pattern {
                kind: by_day,
                day: Some(u32::from(day.unsigned_abs())),
                month,
                ..Pattern::default()
            }),
        };
        match rule.frequency {
            Frequency::Daily => Some(Pattern {
                kind: 0,
                weekdays: (mask != 0).then_some(mask),
                ..Pattern::default()
            }),
            Frequency::Weekly => Some(Pattern {
                kind: 1,
                weekdays: Some(if mask != 0 { mask } else { own }),
                ..Pattern::default()
            }),
            Frequency::Monthly => monthly(2, 3, None),
            Frequency::Yearly => monthly(5, 6, Some(month)),
            Frequency::Secondly | Frequency::Minutely | Frequency::Hourly => None,
        }
    }
}

/// The binary id of a meeting in base64 (MS-ASEMAIL 2.2.2.37): Outlook's own UIDs are its hex
/// form, others are wrapped. `day` is that of one instance of a series.
pub fn global_id(uid: &str, day: Option<jiff::civil::Date>) -> String {
    let date = day.map_or([0; 4], |day| {
        let [high, low] = day.year().to_be_bytes();
        [high, low, day.month() as u8, day.day() as u8]
    });
    if let Some(mut own) = from_hex(uid).filter(|own| own.starts_with(&GLOBAL_ID)) {
        if let Some(place) = own.get_mut(16..20) {
            place.copy_from_slice(&date);
        }
        return STANDARD.encode(own);
    }
    let mut id = Vec::with_capacity(56 + uid.len());
    id.extend_from_slice(&GLOBAL_ID);
    id.extend_from_slice(&date);
    id.extend_from_slice(&[0; 16]);
    let data = 8 + 4 + uid.len() + 1;
    id.extend_from_slice(&(data as u32).to_le_bytes());
    id.extend_from_slice(b"vCal-Uid");
    id.extend_from_slice(&1u32.to_le_bytes());
    id.extend_from_slice(uid.as_bytes());
    id.push(0);
    STANDARD.encode(id)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() < 80 || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_uids_are_wrapped_and_own_ones_kept() {
        let id = STANDARD.decode(global_id("a@b", None)).unwrap();
        assert_eq!(id.len(), 16 + 4 + 16 + 4 + 8 + 4 + 4);
        assert!(id.ends_with(b"vCal-Uid\x01\0\0\0a@b\0"));
        let own =
            "040000008200E00074C5B7101A82E00800000000C0A8F4D5AC6CD501000000000000000010000000A1B2";
        let id = STANDARD.decode(global_id(own, Some(jiff::civil::date(2026, 1, 31)))).unwrap();
        assert_eq!(id.len(), own.len() / 2);
        assert_eq!(&id[16..20], [0x07, 0xEA, 1, 31]);
    }
}
