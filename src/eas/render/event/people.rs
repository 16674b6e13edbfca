//! Organizer and attendees, and what follows from them. MS-ASCAL 2.2.2.2 to 2.2.2.6, .28,
//! .35, .36, .39, .40.

use super::{ATTENDEES_MAX, Said, remember, said, time};
use crate::domain::scheduling::answering::proposal;
use crate::eas::render::{Supported, View};
use crate::eas::version::Version;
use crate::format::ical::{Attendee, Component, Event, PartStat, Property, Role, address};
use crate::format::wbxml::tags::{calendar as c, meeting_response as m};
use crate::format::wbxml::{Element, Writer};

/// MeetingStatus (MS-ASCAL 2.2.2.28): none of ours is above 7.
const CANCELLED: u8 = 4;

/// The people invited: the organizer, who often stands among them, is none of them at Exchange.
fn invited<'a>(event: &Event<'a>) -> impl Iterator<Item = Attendee> + use<'a> {
    invited_lines(event).map(|(who, _)| who)
}

/// The same with the lines that tell of them.
fn invited_lines<'a>(
    event: &Event<'a>,
) -> impl Iterator<Item = (Attendee, &'a Property)> + use<'a> {
    let organizer = event.organizer().map(|who| who.address).unwrap_or_default();
    let lines = event.component.all("ATTENDEE").map(|line| (Attendee::read(line), line));
    let others = lines.filter(move |(who, _)| !who.address.is_empty() && !who.is(&organizer));
    others.take(ATTENDEES_MAX)
}

/// Writes OrganizerName and OrganizerEmail.
pub(super) fn write_organizer(out: &mut Writer, event: &Event<'_>) {
    if let Some(organizer) = event.organizer() {
        let name = organizer.name.as_deref().unwrap_or(&organizer.address);
        out.text(c::ORGANIZER_NAME, name);
        out.text(c::ORGANIZER_EMAIL, &organizer.address);
    }
}

/// Writes Attendees; from 16.0 on also without any (MS-ASCAL 2.2.2.4).
pub(super) fn write_attendees(out: &mut Writer, event: &Event<'_>, view: &View<'_>) {
    let people: Vec<(Attendee, &Property)> = invited_lines(event).collect();
    if people.is_empty() {
        if view.version >= Version::V16_0 {
            out.empty(c::ATTENDEES);
        }
        return;
    }
    out.open(c::ATTENDEES);
    for (who, line) in people {
        out.open(c::ATTENDEE);
        out.text(c::EMAIL, &who.address);
        out.text(c::NAME, who.name.as_deref().unwrap_or(&who.address));
        if view.version >= Version::V12_0 {
            out.number(c::ATTENDEE_STATUS, answer(who.status));
            let kind = match who.role {
                Role::Required => 1,
                Role::Optional | Role::Informed => 2,
                Role::Resource => 3,
            };
            out.number(c::ATTENDEE_TYPE, kind);
        }
        if view.version >= Version::V16_1
            && let Some((start, end)) = proposal(line)
        {
            out.text(m::PROPOSED_START_TIME, &time::compact(start));
            out.text(m::PROPOSED_END_TIME, &time::compact(end));
        }
        out.close();
    }
    out.close();
}

/// AttendeeStatus and ResponseType have the same numbers.
fn answer(status: PartStat) -> u8 {
    match status {
        PartStat::NeedsAction => 5,
        PartStat::Tentative => 2,
        PartStat::Accepted | PartStat::Delegated => 3,
        PartStat::Declined => 4,
    }
}

/// MeetingStatus: 0 an appointment, 1 the owner's meeting, 3 somebody else's, 5 and 7 cancelled.
pub(super) fn meeting_status(event: &Event<'_>, view: &View<'_>) -> u8 {
    let kept =
        event.component.value_of("X-KONTOR-MEETING-STATUS").and_then(|n| n.trim().parse().ok());
    let status = kept.filter(|n| matches!(n, 0 | 1 | 3)).unwrap_or_else(|| derived(event, view));
    match (status, event.is_cancelled()) {
        (0, _) | (_, false) => status,
        (status, true) => status + CANCELLED,
    }
}

/// What organizer and attendees say by themselves. Some calendars name an organizer of every
/// event; without anybody invited it is no meeting.
fn derived(event: &Event<'_>, view: &View<'_>) -> u8 {
    let own = event.organizer().is_none_or(|who| who.is(&view.owner.address));
    match (invited(event).next().is_some(), own) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 3,
    }
}

/// ResponseType: what the owner answered. MS-ASCAL 2.2.2.40.
pub(super) fn response_type(event: &Event<'_>, view: &View<'_>) -> u8 {
    let kept =
        event.component.value_of("X-KONTOR-RESPONSE-TYPE").and_then(|n| n.trim().parse().ok());
    kept.filter(|n| *n <= 5).unwrap_or_else(|| derived_response(event, view))
}

fn derived_response(event: &Event<'_>, view: &View<'_>) -> u8 {
    let address = &view.owner.address;
    match event.organizer() {
        Some(organizer) if organizer.is(address) && invited(event).next().is_some() => 1,
        _ => invited(event).find(|who| who.is(address)).map_or(0, |own| answer(own.status)),
    }
}

/// ResponseRequested: whether the organizer wants answers.
pub(super) fn response_requested(event: &Event<'_>) -> bool {
    match event.component.value_of("X-KONTOR-RESPONSE-REQUESTED") {
        Some(kept) => kept.trim() == "1",
        None => derived_request(event),
    }
}

fn derived_request(event: &Event<'_>) -> bool {
    invited(event).any(|who| who.rsvp)
}

/// Reads OrganizerName, OrganizerEmail and Attendees into an event.
pub(super) fn read(event: &mut Component, data: &Element, view: &View<'_>, supported: &Supported) {
    match said(data, c::ATTENDEES, supported) {
        Said::Nothing => {}
        Said::Delete if !data.has(c::ATTENDEES) && stays_meeting(event, data, view) => {}
        Said::Delete => keep_organizer_only(event),
        Said::Value(element) => read_attendees(event, element, view),
    }
    read_organizer(event, data, view);
}

/// Whether attendees that a phone leaves out are only not shown there: it still calls the event
/// a meeting, or the meeting is somebody else's.
fn stays_meeting(event: &Component, data: &Element, view: &View<'_>) -> bool {
    let organizer = event.first("ORGANIZER").map(address).unwrap_or_default();
    let foreign = !organizer.is_empty() && !attendee_is_owner(&organizer, view);
    foreign || data.parse_of::<u8>(c::MEETING_STATUS).is_some_and(|status| status & 1 == 1)
}

/// The organizer's own line is not the phone's to delete: it was never shown it.
fn keep_organizer_only(event: &mut Component) {
    let organizer = event.first("ORGANIZER").map(address).unwrap_or_default();
    let own =
        |line: &Property| !organizer.is_empty() && address(line).eq_ignore_ascii_case(&organizer);
    event.properties.retain(|line| !line.is("ATTENDEE") || own(line));
}

fn read_attendees(event: &mut Component, element: &Element, view: &View<'_>) {
    let mut old: Vec<Property> = Vec::new();
    event.properties.retain(|line| {
        let attendee = line.is("ATTENDEE");
        if attendee {
            old.push(line.clone());
        }
        !attendee
    });
    let organizer = event.first("ORGANIZER").map(address).unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    let mut lines: Vec<Property> = Vec::new();
    for attendee in element.all(c::ATTENDEE).take(ATTENDEES_MAX) {
        let email = bare(attendee.text_of(c::EMAIL).unwrap_or_default());
        let folded = email.to_lowercase();
        if email.is_empty() || seen.contains(&folded) {
            continue;
        }
        let at = old.iter().position(|line| address(line).eq_ignore_ascii_case(email));
        let known = at.map(|at| old.swap_remove(at));
        lines.push(attendee_line(known, email, attendee, view));
        seen.push(folded);
    }
    let hidden = |line: &Property| {
        let address = address(line);
        // Nor are those without an address, which no phone was ever shown.
        address.is_empty() || address.eq_ignore_ascii_case(&organizer)
    };
    event.properties.extend(old.into_iter().filter(hidden));
    event.properties.extend(lines);
}

/// `Anna <anna@a.test>`, which some phones send as Email, without its decoration.
fn bare(email: &str) -> &str {
    let email = email.trim();
    let within = email.rfind('<').and_then(|at| email.get(at + 1..)?.strip_suffix('>'));
    let email = within.unwrap_or(email).trim();
    if email.contains('@') && !email.contains(char::is_whitespace) { email } else { "" }
}

/// An ATTENDEE as the phone has it; what it does not say is kept.
fn attendee_line(
    known: Option<Property>,
    email: &str,
    attendee: &Element,
    view: &View<'_>,
) -> Property {
    let new = known.is_none();
    let mut line = known.unwrap_or_else(|| Property::new("ATTENDEE", format!("mailto:{email}")));
    let name = attendee.text_of(c::NAME).map(str::trim).filter(|name| !name.is_empty());
    if let Some(name) = name.filter(|name| *name != email || line.param("CN").is_some()) {
        line.set_param("CN", Some(name));
    }
    let status = match attendee.text_of(c::ATTENDEE_STATUS).map(str::trim) {
        Some("2") => Some(PartStat::Tentative),
        Some("3") => Some(PartStat::Accepted),
        Some("4") => Some(PartStat::Declined),
        // "Unknown" and "no answer" from a phone do not take back an answer that came by mail.
        _ => new.then_some(PartStat::NeedsAction),
    };
    let old = Attendee::read(&line);
    if let Some(status) = status.filter(|status| new || answer(*status) != answer(old.status)) {
        line.set_param("PARTSTAT", Some(status.name()));
    }
    let role = match attendee.text_of(c::ATTENDEE_TYPE).map(str::trim) {
        Some("1") => Some(Role::Required),
        Some("2") if old.role == Role::Informed => None,
        Some("2") => Some(Role::Optional),
        Some("3") => Some(Role::Resource),
        _ => None,
    };
    if let Some(role) = role.filter(|role| *role != old.role) {
        let kind = if role == Role::Resource { Some("RESOURCE") } else { None };
        line.set_param("CUTYPE", kind);
        line.set_param("ROLE", if role == Role::Optional { Some("OPT-PARTICIPANT") } else { None });
    }
    if new && !attendee_is_owner(email, view) {
        line.set_param("RSVP", Some("TRUE"));
    }
    line
}

fn attendee_is_owner(email: &str, view: &View<'_>) -> bool {
    email.eq_ignore_ascii_case(&view.owner.address)
}

/// The organizer is said once: phones repeat it from memory, and 16.x must not send it
/// (MS-ASCAL 2.2.2.35). A meeting of the owner's without one is the owner's.
fn read_organizer(event: &mut Component, data: &Element, view: &View<'_>) {
    if event.has("ORGANIZER") {
        return;
    }
    let email = bare(data.text_of(c::ORGANIZER_EMAIL).unwrap_or_default());
    let name = data.text_of(c::ORGANIZER_NAME).map(str::trim).unwrap_or_default();
    let meeting = event.has("ATTENDEE");
    let (email, name) = match email {
        "" if meeting => (view.owner.address.as_str(), view.owner.name.as_str()),
        "" => return,
        email => (email, name),
    };
    let mut line = Property::new("ORGANIZER", format!("mailto:{email}"));
    line.set_param("CN", Some(name).filter(|name| !name.is_empty()));
    event.push(line);
}

/// Reads MeetingStatus, ResponseRequested and ResponseType, after the people they tell of.
pub(super) fn read_states(
    event: &mut Component,
    data: &Element,
    zones: &crate::format::ical::Zones,
    view: &View<'_>,
) {
    if let Some(status) = data.parse_of::<u8>(c::MEETING_STATUS).filter(|n| *n <= 15) {
        let (cancelled, status) = (status & CANCELLED != 0, status & 3);
        let was =
            event.value_of("STATUS").is_some_and(|s| s.trim().eq_ignore_ascii_case("CANCELLED"));
        if cancelled != was {
            event.set_value("STATUS", cancelled.then_some("CANCELLED"));
        }
        if matches!(status, 0 | 1 | 3) {
            let derived = derived(&Event::new(event, zones), view).to_string();
            remember(event, "X-KONTOR-MEETING-STATUS", &derived, &status.to_string());
        }
    }
    if let Some(requested) = data.text_of(c::RESPONSE_REQUESTED).map(str::trim)
        && matches!(requested, "0" | "1")
    {
        let derived = u8::from(derived_request(&Event::new(event, zones))).to_string();
        remember(event, "X-KONTOR-RESPONSE-REQUESTED", &derived, requested);
    }
    if let Some(response) = data.parse_of::<u8>(c::RESPONSE_TYPE).filter(|n| *n <= 5) {
        read_response(event, response, zones, view);
    }
}

/// The owner's own answer, where the owner is invited.
fn read_response(
    event: &mut Component,
    response: u8,
    zones: &crate::format::ical::Zones,
    view: &View<'_>,
) {
    let status = match response {
        2 => Some(PartStat::Tentative),
        3 => Some(PartStat::Accepted),
        4 => Some(PartStat::Declined),
        _ => None,
    };
    let own = event.properties.iter_mut().find(|line| {
        line.is("ATTENDEE") && address(line).eq_ignore_ascii_case(&view.owner.address)
    });
    if let (Some(status), Some(line)) = (status, own) {
        line.set_param("PARTSTAT", Some(status.name()));
    }
    let derived = derived_response(&Event::new(event, zones), view).to_string();
    remember(event, "X-KONTOR-RESPONSE-TYPE", &derived, &response.to_string());
}
