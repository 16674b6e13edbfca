//! Events as phones see them (MS-ASCAL), in every version from 2.5 to 16.1.
//!
//! The text is iCalendar; what ActiveSync has and iCalendar has not lives in the properties that
//! Outlook writes (MS-OXCICAL), and in a few `X-KONTOR-` ones:
//!
//! | Element | Where it lives |
//! |---|---|
//! | Timezone | the TZID of DTSTART with its VTIMEZONE |
//! | BusyStatus | X-MICROSOFT-CDO-BUSYSTATUS and TRANSP |
//! | Sensitivity | CLASS, with X-PERSONAL |
//! | Reminder | a VALARM |
//! | Location (16.x) | LOCATION, and its parts as parameters of X-KONTOR-PLACE |
//! | Body | DESCRIPTION, and X-ALT-DESC if it was HTML |
//! | MeetingStatus, ResponseType, ResponseRequested | ORGANIZER, ATTENDEE, STATUS; where those say something else, X-KONTOR-MEETING-STATUS, -RESPONSE-TYPE, -RESPONSE-REQUESTED |
//! | AppointmentReplyTime | X-MICROSOFT-CDO-REPLYTIME |
//! | DisallowNewTimeProposal | X-MICROSOFT-DISALLOW-COUNTER |
//! | OnlineMeetingConfLink, -ExternalLink | X-MICROSOFT-ONLINEMEETINGCONFLINK, -EXTERNALLINK |
//! | CalendarType | RSCALE where the months differ, else X-KONTOR-CALENDAR-TYPE |
//! | Exceptions | EXDATE, and a VEVENT with RECURRENCE-ID each |
//! | Attachments (16.x) | ATTACH with the content |
//!
//! Who is told of a change by mail is not decided here.

mod attachments;
mod exceptions;
mod location;
mod notes;
mod people;
mod read;
mod recurrence;
mod time;
mod write;

#[cfg(test)]
mod tests;

pub use attachments::{
    Attachment, attachment, attachments, parse_reference, references, write_files,
};
pub use recurrence::{
    CALENDAR_TYPE, complete, keep_calendar_type, pattern, pattern_of, read_pattern, until_text,
    write_pattern,
};
pub use time::{blob, compact, year_of, zone_for};
pub use write::{busy, sensitivity};

use jiff::Timestamp;

use crate::domain::item::Text;
use crate::eas::render::{Malformed, Supported, Unrenderable, View};
use crate::format::ical::{Component, Event, Property, Series, Zones, extent, look};
use crate::format::wbxml::tags::calendar as c;
use crate::format::wbxml::{Element, Writer};

/// Exceptions that a phone is sent and may send (MS-ASCAL 2.2.2.21).
const EXCEPTIONS_MAX: usize = 1_000;
/// Attendees likewise; the largest meetings of an office have some hundreds.
const ATTENDEES_MAX: usize = 2_000;
/// MS-ASCAL 2.2.2.11.
const CATEGORIES_MAX: usize = 300;

/// Writes the children of `ApplicationData`.
pub fn render(out: &mut Writer, text: &str, view: &View<'_>) -> Result<(), Unrenderable> {
    let series = Series::parse(text).map_err(|error| Unrenderable(error.to_string()))?;
    let zones = series.zones(view.zone);
    let master = series.master().ok_or_else(|| Unrenderable("there is no event in it".into()))?;
    write::event(out, &series, Event::new(master, &zones), view);
    Ok(())
}

/// A new event from a phone.
pub fn create(data: &Element, view: &View<'_>) -> Result<Text, Malformed> {
    let uid = read::uid(data, view);
    let mut series = Series::new(&uid);
    read::whole(&mut series, data, view, &Supported::Nothing, read::Age::New)?;
    let created = time::compact(time::now(view));
    if let Some(master) = series.master_mut() {
        master.set_value("CREATED", Some(&created));
    }
    Ok(finish(series, view))
}

/// A phone's change of an event. What the phone does not know of stays.
pub fn update(
    old: &str,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    let mut series = Series::parse(old).map_err(|_| Malformed("the event is damaged"))?;
    read::whole(&mut series, data, view, supported, read::Age::Known)?;
    Ok(finish(series, view))
}

/// A phone's change of one instance of a series, or its removal (`None`): 16.0 and later, by
/// AirSyncBase:InstanceId beside the ServerId (MS-ASAIRS 2.2.2.27).
pub fn update_instance(
    old: &str,
    instance: &str,
    data: Option<&Element>,
    view: &View<'_>,
) -> Result<Text, Malformed> {
    let mut series = Series::parse(old).map_err(|_| Malformed("the event is damaged"))?;
    let deleted = |data: &&Element| data.text_of(c::DELETED) != Some("1");
    exceptions::change_one(&mut series, instance, data.filter(deleted), view)?;
    Ok(finish(series, view))
}

/// Everything else that the store wants to know of a text, from the text: for imports, and for
/// events that arrive by mail.
pub fn text_of(series: &Series, zones: &Zones) -> Text {
    let (from, until) = extent(series, zones);
    Text {
        uid: series.uid(),
        text: series.calendar.to_string(),
        look: look(&series.calendar),
        from,
        until,
    }
}

fn finish(mut series: Series, view: &View<'_>) -> Text {
    let zones = series.zones(view.zone);
    time::define_zones(&mut series, &zones);
    let now = time::compact(time::now(view));
    for event in series.calendar.children_mut("VEVENT") {
        if !event.has("DTSTAMP") {
            event.set_value("DTSTAMP", Some(&now));
        }
    }
    if let Some(master) = series.master_mut() {
        master.set_value("LAST-MODIFIED", Some(&now));
    }
    text_of(&series, &zones)
}

/// What a phone says of an element.
enum Said<'a> {
    /// Nothing: it stays as it is.
    Nothing,
    /// It is to be deleted: an empty element, or one that the phone manages and left out.
    Delete,
    Value(&'a Element),
}

/// What the data says of a tag, with the phone's own list of what it manages.
fn said<'a>(data: &'a Element, tag: crate::format::wbxml::Tag, supported: &Supported) -> Said<'a> {
    match data.child(tag) {
        Some(element) if element.children.is_empty() && element.text().trim().is_empty() => {
            Said::Delete
        }
        Some(element) => Said::Value(element),
        None if supported.manages(tag) => Said::Delete,
        None => Said::Nothing,
    }
}

/// Sets or removes an `X-KONTOR-` property that says what the others cannot: only where what
/// they say (`derived`) is not what the phone said.
fn remember(event: &mut Component, name: &str, derived: &str, sent: &str) {
    if derived == sent {
        event.remove(name);
    } else {
        event.set(Property::new(name, sent));
    }
}

/// The instant of a time by the clock, for callers that have a `UnixTime`.
fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
