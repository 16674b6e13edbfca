//! Events: a VCALENDAR with everything that has one UID, and a view of each VEVENT in it.
//! RFC 5545 §3.6.1, and Microsoft's properties as MS-OXCICAL 2.1.3 has them.

use jiff::{Span, Timestamp};

use super::component::{Component, DecodeError};
use super::line::Property;
use super::recurrence::Recurrence;
use super::time::{Time, TimeKind, parse_duration};
use super::zones::Zones;
use crate::format::tz::TimeZone;

/// Who wrote the texts that begin here (PRODID).
pub const PRODUCT: &str = "-//Kontor//Kontor//EN";

/// An event with its changed instances: one VCALENDAR, one UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub calendar: Component,
}

impl Series {
    /// A calendar with one empty event.
    pub fn new(uid: &str) -> Series {
        let mut calendar = Component::new("VCALENDAR");
        calendar.push(Property::new("VERSION", "2.0"));
        calendar.push(Property::new("PRODID", PRODUCT));
        let mut event = Component::new("VEVENT");
        event.push(Property::text("UID", uid));
        calendar.components.push(event);
        Series { calendar }
    }

    /// Reads a text; of several calendars in it the first with an event.
    pub fn parse(text: &str) -> Result<Series, DecodeError> {
        let all = Component::parse_all(text.as_bytes())?;
        let with_event = all.into_iter().find(|calendar| calendar.child("VEVENT").is_some());
        with_event.map(|calendar| Series { calendar }).ok_or(DecodeError::Empty)
    }

    /// The event itself; where a text has changed instances only (an invitation to one of
    /// them), the first of those.
    pub fn master(&self) -> Option<&Component> {
        let mut events = self.calendar.children("VEVENT");
        let whole = self.calendar.children("VEVENT").find(|event| !event.has("RECURRENCE-ID"));
        whole.or_else(|| events.next())
    }

    pub fn master_mut(&mut self) -> Option<&mut Component> {
        let whole = |event: &Component| event.is("VEVENT") && !event.has("RECURRENCE-ID");
        let components = &mut self.calendar.components;
        let at = components.iter().position(whole);
        let at = at.or_else(|| components.iter().position(|event| event.is("VEVENT")))?;
        components.get_mut(at)
    }

    /// The instances that differ from the series, the master apart.
    pub fn overrides(&self) -> impl Iterator<Item = &Component> {
        let master = self.master();
        let other = move |event: &&Component| !master.is_some_and(|m| std::ptr::eq(m, *event));
        self.calendar.children("VEVENT").filter(|e| e.has("RECURRENCE-ID")).filter(other)
    }

    pub fn uid(&self) -> String {
        self.master().and_then(|event| event.text_of("UID")).unwrap_or_default()
    }

    pub fn zones(&self, home: &TimeZone) -> Zones {
        Zones::of(&self.calendar, home)
    }
}

/// One VEVENT with the zones that its times stand in.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub component: &'a Component,
    pub zones: &'a Zones,
}

/// Somebody invited, or the organizer. RFC 5545 §3.8.4.1, §3.8.4.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendee {
    /// Without `mailto:`.
    pub address: String,
    pub name: Option<String>,
    pub status: PartStat,
    pub role: Role,
    pub rsvp: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartStat {
    #[default]
    NeedsAction,
    Accepted,
    Declined,
    Tentative,
    Delegated,
}

/// ROLE and CUTYPE in one, as Exchange tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Required,
    Optional,
    /// Invited for information only (ROLE=NON-PARTICIPANT).
    Informed,
    /// A room or another resource.
    Resource,
}

/// How the time looks to others. MS-ASCAL 2.2.2.9; the order is ActiveSync's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Busy {
    Free,
    Tentative,
    #[default]
    Busy,
    OutOfOffice,
    Elsewhere,
}

impl<'a> Event<'a> {
    pub fn new(component: &'a Component, zones: &'a Zones) -> Event<'a> {
        Event { component, zones }
    }

    /// DTSTART; without a readable one the recurrence id, then the end.
    pub fn start(&self) -> Option<Time> {
        let time = |name| self.component.first(name).and_then(Time::read);
        let start = time("DTSTART").or_else(|| time("RECURRENCE-ID")).or_else(|| time("DTEND"))?;
        Some(self.whole_day(start))
    }

    /// DTEND, or DTSTART and DURATION, or a day (dates), or no time at all (RFC 5545 §3.6.1).
    /// Never before the start.
    pub fn end(&self) -> Option<Time> {
        let start = self.start()?;
        let end = self.component.first("DTEND").and_then(Time::read).map(|end| self.whole_day(end));
        if let Some(end) = end.filter(|end| self.zones.instant(end) >= self.zones.instant(&start)) {
            let whole = start.is_date() && (!end.is_date() || end.at <= start.at);
            return Some(if whole { next_day(&start) } else { end });
        }
        let duration = self.component.value_of("DURATION").and_then(parse_duration);
        match duration.filter(|seconds| *seconds > 0) {
            Some(seconds) if start.is_date() => {
                let days = (seconds / 86_400).max(1);
                let end = start.at.checked_add(Span::new().try_days(days).ok()?).ok()?;
                Some(start.at(end))
            }
            Some(seconds) => {
                let at = self.zones.instant(&start);
                let end = at.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?;
                Some(Time::zoned(end, &self.zones.zone_of(&start), start.tzid()))
            }
            None if start.is_date() => Some(next_day(&start)),
            None => Some(start),
        }
    }

    /// Times at midnight that Outlook says are days.
    fn whole_day(&self, time: Time) -> Time {
        let midnight = time.at.time() == jiff::civil::Time::midnight();
        let flag = self.component.value_of("X-MICROSOFT-CDO-ALLDAYEVENT");
        if midnight && flag.is_some_and(|flag| flag.trim().eq_ignore_ascii_case("TRUE")) {
            Time::date(time.at.date())
        } else {
            time
        }
    }

    pub fn is_all_day(&self) -> bool {
        self.start().is_some_and(|start| start.is_date())
    }

    pub fn start_at(&self) -> Option<Timestamp> {
        self.start().map(|time| self.zones.instant(&time))
    }

    pub fn end_at(&self) -> Option<Timestamp> {
        self.end().map(|time| self.zones.instant(&time))
    }

    /// The zone that the event was made in, and its name in the text if it has one.
    pub fn zone(&self) -> (TimeZone, Option<String>) {
        match self.start() {
            Some(start) => (self.zones.zone_of(&start), start.tzid().map(str::to_owned)),
            None => (self.zones.home().clone(), None),
        }
    }

    pub fn recurrence(&self) -> Option<Recurrence> {
        self.component.value_of("RRULE").and_then(Recurrence::parse)
    }

    /// The original start of the instance that this one replaces.
    pub fn recurrence_id(&self) -> Option<Time> {
        self.component.first("RECURRENCE-ID").and_then(Time::read)
    }

    /// Starts that do not take place.
    pub fn exceptions(&self) -> Vec<Time> {
        self.component.all("EXDATE").flat_map(Time::read_all).take(super::expand::DATES).collect()
    }

    /// Additional starts.
    pub fn additions(&self) -> Vec<Time> {
        self.component.all("RDATE").flat_map(Time::read_all).take(super::expand::DATES).collect()
    }

    pub fn organizer(&self) -> Option<Attendee> {
        self.component.first("ORGANIZER").map(Attendee::read).filter(|o| !o.address.is_empty())
    }

    pub fn attendees(&self) -> impl Iterator<Item = Attendee> + use<'a> {
        self.component.all("ATTENDEE").map(Attendee::read).filter(|who| !who.address.is_empty())
    }

    pub fn is_cancelled(&self) -> bool {
        self.component
            .value_of("STATUS")
            .is_some_and(|s| s.trim().eq_ignore_ascii_case("CANCELLED"))
    }

    /// Microsoft's own word, else TRANSP and STATUS (RFC 5545 §3.8.2.7); days that nobody said
    /// anything about are free, as every program shows them.
    pub fn busy(&self) -> Busy {
        let said = |name| self.component.value_of(name).map(|value| value.trim().to_uppercase());
        let own = self.component.value_of("X-MICROSOFT-CDO-BUSYSTATUS").and_then(Busy::named);
        if let Some(busy) = own {
            return busy;
        }
        match (said("TRANSP").as_deref(), said("STATUS").as_deref()) {
            (Some("TRANSPARENT"), _) => Busy::Free,
            (_, Some("TENTATIVE")) => Busy::Tentative,
            (None, _) if self.is_all_day() => Busy::Free,
            _ => Busy::Busy,
        }
    }

    /// How the time is to count once an invitation is accepted: Outlook's word for it, else how
    /// it counts for who sends it (MS-OXCICAL 2.1.3.1.1.20.10).
    pub fn intended(&self) -> Busy {
        let said = self.component.value_of("X-MICROSOFT-CDO-INTENDEDSTATUS");
        said.and_then(Busy::named).unwrap_or_else(|| self.busy())
    }

    /// Minutes before the start at which the first usable alarm rings.
    pub fn reminder(&self) -> Option<u32> {
        self.component.children("VALARM").find_map(|alarm| self.alarm_minutes(alarm))
    }

    /// Minutes before the start, if an alarm tells them and rings before it.
    pub fn alarm_minutes(&self, alarm: &Component) -> Option<u32> {
        let audible =
            |action: &str| ["DISPLAY", "AUDIO"].contains(&action.trim().to_uppercase().as_str());
        if !alarm.value_of("ACTION").is_none_or(audible) {
            return None;
        }
        let trigger = alarm.first("TRIGGER")?;
        let before = match parse_duration(&trigger.value) {
            Some(seconds)
                if trigger.param("RELATED").is_some_and(|r| r.eq_ignore_ascii_case("END")) =>
            {
                let length = self.end_at()?.duration_since(self.start_at()?).as_secs();
                -(length.checked_add(seconds)?)
            }
            Some(seconds) => -seconds,
            None => {
                let at = self.zones.instant(&Time::read(trigger)?);
                self.start_at()?.duration_since(at).as_secs()
            }
        };
        // Beyond the range of the element, and after the start, it is not a reminder there.
        u32::try_from(before / 60).ok().filter(|_| before >= 0).filter(|m| *m <= 10 * 366 * 1440)
    }
}

fn next_day(start: &Time) -> Time {
    start.at(start.at.checked_add(Span::new().days(1)).unwrap_or(start.at))
}

impl Attendee {
    /// From an ATTENDEE or ORGANIZER.
    pub fn read(property: &Property) -> Attendee {
        let kind = |name| property.param(name).map(str::to_ascii_uppercase);
        let role = match (kind("CUTYPE").as_deref(), kind("ROLE").as_deref()) {
            (Some("ROOM" | "RESOURCE"), _) => Role::Resource,
            (_, Some("OPT-PARTICIPANT")) => Role::Optional,
            (_, Some("NON-PARTICIPANT")) => Role::Informed,
            _ => Role::Required,
        };
        Attendee {
            address: address(property),
            name: property.param("CN").map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned),
            status: PartStat::read(property.param("PARTSTAT")),
            role,
            rsvp: property.param("RSVP").is_some_and(|rsvp| rsvp.eq_ignore_ascii_case("TRUE")),
        }
    }

    pub fn is(&self, address: &str) -> bool {
        self.address.eq_ignore_ascii_case(address)
    }
}

/// The address of a calendar user: EMAIL where the value is not one (RFC 7986 §6.2, and
/// Apple's `urn:uuid:` values), else what follows `mailto:`.
pub fn address(property: &Property) -> String {
    let value = property.value.trim();
    let mail = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let text = match (mail, property.param("EMAIL")) {
        (Some(_), _) => value.get(7..).unwrap_or_default(),
        (None, Some(email)) if !value.contains('@') => email,
        _ => value,
    };
    let text = text.split('?').next().unwrap_or_default().trim();
    if text.contains('@') { text.to_owned() } else { String::new() }
}

impl PartStat {
    const NAMES: [(PartStat, &'static str); 5] = [
        (PartStat::NeedsAction, "NEEDS-ACTION"),
        (PartStat::Accepted, "ACCEPTED"),
        (PartStat::Declined, "DECLINED"),
        (PartStat::Tentative, "TENTATIVE"),
        (PartStat::Delegated, "DELEGATED"),
    ];

    fn read(text: Option<&str>) -> PartStat {
        let found = Self::NAMES
            .iter()
            .find(|(_, name)| text.is_some_and(|text| text.trim().eq_ignore_ascii_case(name)));
        found.map_or(PartStat::NeedsAction, |(status, _)| *status)
    }

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(s, _)| *s == self).map_or("NEEDS-ACTION", |(_, name)| *name)
    }
}

impl Busy {
    /// From a value of X-MICROSOFT-CDO-BUSYSTATUS.
    fn named(text: &str) -> Option<Busy> {
        Some(match text.trim().to_ascii_uppercase().as_str() {
            "FREE" => Busy::Free,
            "TENTATIVE" => Busy::Tentative,
            "BUSY" => Busy::Busy,
            "OOF" => Busy::OutOfOffice,
            "WORKINGELSEWHERE" => Busy::Elsewhere,
            _ => return None,
        })
    }

    /// The value of X-MICROSOFT-CDO-BUSYSTATUS.
    pub fn name(self) -> &'static str {
        match self {
            Busy::Free => "FREE",
            Busy::Tentative => "TENTATIVE",
            Busy::Busy => "BUSY",
            Busy::OutOfOffice => "OOF",
            Busy::Elsewhere => "WORKINGELSEWHERE",
        }
    }
}

/// Whether times are the same moment of a series: dates by day, others by instant.
pub fn same(zones: &Zones, a: &Time, b: &Time) -> bool {
    let distance = a.at.duration_since(b.at).abs();
    match (&a.kind, &b.kind) {
        (TimeKind::Date, _) | (_, TimeKind::Date) => a.at.date() == b.at.date(),
        (one, other) if one == other && a.at == b.at => true,
        // By one clock other digits are the same instant only within the hours that it jumps over.
        (one, other) if one == other && distance.as_hours() > 2 => false,
        // No two clocks of the world are two days apart, and asking for zones takes longer.
        _ if distance.as_hours() > 48 => false,
        _ => zones.instant(a) == zones.instant(b),
    }
}
