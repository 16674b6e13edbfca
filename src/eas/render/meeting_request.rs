//! The `MeetingRequest` of a meeting message (MS-ASEMAIL 2.2.2.48), from the calendar that came
//! with it.
//!
//! Times stand in the zones that the message itself defines. What the account's calendar has of
//! the event is asked only where the message cannot say it: whether an instance belongs to a
//! series that is there, and which time somebody wants another one for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::base::id::AccountId;
use crate::domain::{self, invitation, scheduling};
use crate::eas::render::email::date_time;
use crate::eas::render::{View, event};
use crate::eas::version::Version;
use crate::format::ical::{self, Component, Event, Field, Kind, Property, Series, Time, Weekday};
use crate::format::tz;
use crate::format::wbxml::{Writer, tags};
use crate::store::{self, Snapshot};

use tags::{air_sync_base as b, calendar as c, email as e, email2 as e2, meeting_response as m};

/// Begins the binary UID of an appointment (MS-ASEMAIL 2.2.2.37).
const GLOBAL_ID: [u8; 16] = [
    0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0, 0x08,
];
/// When a meeting was to be, in a message that wants another time (MS-OXCICAL 2.1.3.1.1.20.59).
const ORIGINAL: [&str; 2] = ["X-MS-OLK-ORIGINALSTART", "X-MS-OLK-ORIGINALEND"];

/// The event of the account's calendar that a message is about, where the message alone does
/// not say how it is shown.
pub fn held(
    read: &Snapshot,
    account: AccountId,
    message: &Series,
) -> store::Result<Option<Series>> {
    let instance = message.master().is_some_and(|event| event.has("RECURRENCE-ID"));
    if !instance && !is(message, "COUNTER") {
        return Ok(None);
    }
    match invitation::find(read, account, &message.uid()) {
        Ok(found) => Ok(found.map(|(.., series)| series)),
        Err(domain::Error::Store(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Writes the element; nothing if the calendar has no event with a start.
pub fn write(out: &mut Writer, message: &Series, held: Option<&Series>, view: &View<'_>) {
    let Some(component) = message.master() else { return };
    let zones = message.zones(view.zone);
    let event = Event::new(component, &zones);
    let Some((begin, end)) = times(&event) else { return };
    let (counter, asked) = (is(message, "COUNTER"), (begin, end));
    let wanted = counter.then(|| original(&event, held, view)).flatten();
    let (begin, end) = wanted.unwrap_or(asked);
    let uid = message.uid();
    let instance = event.recurrence_id();
    out.open(e::MEETING_REQUEST);
    out.number(e::ALL_DAY_EVENT, u8::from(event.is_all_day()));
    out.text(e::START_TIME, &date_time(begin));
    let stamp = component.first("DTSTAMP").and_then(Time::read);
    out.text(e::DT_STAMP, &date_time(stamp.map_or(view.now, |at| seconds(&event, &at))));
    out.text(e::END_TIME, &date_time(end));
    out.number(e::INSTANCE_TYPE, instance_type(&event, begin, end, held, view));
    if let Some(location) = component.text_of("LOCATION").filter(|text| !text.is_empty()) {
        write_location(out, &location, view.version);
    }
    if let Some(organizer) = component.first("ORGANIZER").map(mailbox) {
        out.text(e::ORGANIZER, &organizer);
    }
    if let Some(id) = &instance {
        out.text(e::RECURRENCE_ID, &date_time(seconds(&event, id)));
    }
    if let Some(minutes) = event.reminder() {
        out.number(e::REMINDER, minutes.min(u16::MAX.into()));
    }
    out.number(e::RESPONSE_REQUESTED, u8::from(wants_answer(component)));
    if instance.is_none() {
        write_recurrence(out, &event, view);
    }
    out.number(e::SENSITIVITY, event::sensitivity(component));
    out.number(e::BUSY_STATUS, busy_status(message, &event, view.version));
    out.text(e::TIME_ZONE, &zone_of(&event, begin, view));
    if view.version < Version::V16_0 {
        let day = instance.as_ref().map(|at| at.at.date());
        out.text(e::GLOBAL_OBJ_ID, &global_id(&uid, day));
    }
    if view.version >= Version::V14_0 {
        out.number(e::DISALLOW_NEW_TIME_PROPOSAL, u8::from(refuses_counter(component)));
    }
    if view.version >= Version::V14_1 {
        out.number(e2::MEETING_MESSAGE_TYPE, message_type(message, component));
    }
    if view.version >= Version::V16_0 {
        out.text(c::UID, &uid);
    }
    if counter && view.version >= Version::V16_1 {
        // The only times here in the compact form: they come from MeetingResponse
        // (MS-ASCMD 2.2.3.140), whose schema allows for 16 characters.
        out.text(m::PROPOSED_START_TIME, &event::compact(at(asked.0)));
        out.text(m::PROPOSED_END_TIME, &event::compact(at(asked.1)));
    }
    out.close();
}

fn is(message: &Series, method: &str) -> bool {
    message.calendar.value_of("METHOD").is_some_and(|m| m.trim().eq_ignore_ascii_case(method))
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

/// Seconds of a time; days are told as their midnight in UTC, with a zone that does the same.
fn seconds(event: &Event<'_>, time: &Time) -> i64 {
    match time.is_date() {
        true => tz::TimeZone::UTC.to_timestamp(time.at).unwrap_or_default().as_second(),
        false => event.zones.instant(time).as_second(),
    }
}

fn times(event: &Event<'_>) -> Option<(i64, i64)> {
    let (start, end) = (event.start()?, event.end()?);
    Some((seconds(event, &start), seconds(event, &end)))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// When the meeting is that somebody wants another time for: as the message says, else as it
/// stands in the calendar.
fn original(event: &Event<'_>, held: Option<&Series>, view: &View<'_>) -> Option<(i64, i64)> {
    let said = ORIGINAL.map(|name| event.component.first(name).and_then(Time::read));
    if let [Some(start), Some(end)] = said {
        return Some((seconds(event, &start), seconds(event, &end)));
    }
    let series = held?;
    let id = event.recurrence_id().map(|id| event.zones.instant(&id).as_second());
    let own = match id {
        Some(id) => scheduling::respond::instance_at(series, id, view.zone)?,
        None => series.master()?.clone(),
    };
    times(&Event::new(&own, &series.zones(view.zone)))
}

/// 0 a single event, 1 a series, 2 an instance as the series has it, 3 one that differs, 4 one
/// whose series the reader does not know (MS-ASEMAIL 2.2.2.40; 4 since 16.0).
fn instance_type(
    event: &Event<'_>,
    begin: i64,
    end: i64,
    held: Option<&Series>,
    view: &View<'_>,
) -> u8 {
    let component = event.component;
    let Some(id) = event.recurrence_id() else {
        return u8::from(component.has("RRULE") || component.has("RDATE"));
    };
    let whole = held.and_then(Series::master).filter(|master| !master.has("RECURRENCE-ID"));
    if whole.is_none() && view.version >= Version::V16_0 {
        return 4;
    }
    let moved = begin != seconds(event, &id);
    let differs = whole.is_some_and(|master| {
        let zones = held.map(|series| series.zones(view.zone));
        let length = zones.and_then(|zones| times(&Event::new(master, &zones)));
        let text = |of: &Component, name| of.text_of(name).unwrap_or_default();
        length.is_some_and(|(from, until)| until - from != end - begin)
            || ["SUMMARY", "LOCATION"].iter().any(|n| text(master, n) != text(component, n))
    });
    if moved || differs { 3 } else { 2 }
}

/// The zone as phones take it (MS-ASDTYPE 2.7.1): of days, one that shifts nothing.
fn zone_of(event: &Event<'_>, begin: i64, view: &View<'_>) -> String {
    if event.is_all_day() {
        return tz::write_blob(&tz::Rules::UTC, "");
    }
    event::blob(&event::zone_for(event), event::year_of(at(begin), view))
}

/// `"Name" <address>` of an ORGANIZER or ATTENDEE.
fn mailbox(property: &Property) -> String {
    let address = match ical::address(property) {
        address if address.is_empty() => property.value.trim().to_owned(),
        address => address,
    };
    match property.param("CN").map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => format!("\"{}\" <{address}>", name.replace(['"', '\\'], "'")),
        None => address,
    }
}

fn wants_answer(event: &Component) -> bool {
    event.all("ATTENDEE").any(|attendee| {
        attendee.param("RSVP").is_some_and(|rsvp| rsvp.eq_ignore_ascii_case("TRUE"))
    })
}

/// How the time counts once the invitation is accepted (MS-ASEMAIL 2.2.2.14).
fn busy_status(message: &Series, event: &Event<'_>, version: Version) -> u8 {
    if is(message, "CANCEL") { 0 } else { event::busy(event.intended(), version) }
}

fn refuses_counter(event: &Component) -> bool {
    event
        .value_of("X-MICROSOFT-DISALLOW-COUNTER")
        .is_some_and(|text| text.trim().eq_ignore_ascii_case("TRUE"))
}

/// 1 a first request, 2 a full update (MS-ASEMAIL 2.2.2.47).
fn message_type(message: &Series, event: &Component) -> u8 {
    let sequence = event.value_of("SEQUENCE").and_then(|text| text.trim().parse::<u32>().ok());
    match (is(message, "REQUEST"), sequence.unwrap_or(0)) {
        (true, 0) => 1,
        (true, _) => 2,
        (false, _) => 0,
    }
}

/// `Recurrences` (MS-ASEMAIL 2.2.2.62); nothing for a rule that phones have no form for, which
/// is shown as its first instance.
fn write_recurrence(out: &mut Writer, event: &Event<'_>, view: &View<'_>) {
    let (Some(pattern), Some(start)) = (event::pattern(event), event.start()) else { return };
    out.open(e::RECURRENCES);
    out.open(e::RECURRENCE);
    out.number(e::TYPE, pattern.kind.number());
    out.number(e::INTERVAL, pattern.interval.clamp(1, 999));
    if let Some(until) = event::until_text(&pattern, &start, event.zones) {
        // The one date in Email that has the short form (MS-ASEMAIL 2.2.2.86).
        out.text(e::UNTIL, &until);
    } else if let Some(count) = pattern.occurrences {
        out.number(e::OCCURRENCES, count);
    }
    for (field, tag, number) in [
        (Field::WeekOfMonth, e::WEEK_OF_MONTH, pattern.week_of_month),
        (Field::DayOfMonth, e::DAY_OF_MONTH, pattern.day_of_month),
        (Field::DayOfWeek, e::DAY_OF_WEEK, pattern.day_of_week),
        (Field::MonthOfYear, e::MONTH_OF_YEAR, pattern.month_of_year),
    ] {
        if pattern.fields().contains(&field) {
            out.number(tag, number);
        }
    }
    let monthly = !matches!(pattern.kind, Kind::Daily | Kind::Weekly);
    if monthly && view.version >= Version::V14_0 {
        out.number(e2::CALENDAR_TYPE, pattern.calendar_type);
        if matches!(pattern.kind, Kind::Yearly | Kind::YearlyNth) {
            out.number(e2::IS_LEAP_MONTH, u8::from(pattern.leap_month));
        }
    }
    if pattern.kind == Kind::Weekly && view.version >= Version::V14_1 {
        let first = pattern.first_day.unwrap_or(Weekday::Monday);
        out.number(e2::FIRST_DAY_OF_WEEK, first.number());
    }
    out.close();
    out.close();
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
mod tests;
