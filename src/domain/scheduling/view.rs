//! An event and its changed instances by their keys, and who takes part in which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::{Own, PARTICIPANTS_MAX, Party, canonical, is_cancelled, party};
use crate::base::clock::UnixTime;
use crate::format::ical::{self, Component, Event, Property, Series, Time, TimeKind, Zones};

/// Names an instance: its original start; days by their midnight in UTC. `None` is the event
/// itself.
pub(super) type Key = Option<UnixTime>;

/// Changed instances and exceptions that are looked at.
const INSTANCES_MAX: usize = 1_000;

/// One text with its instances found.
pub(super) struct View<'a> {
    pub series: &'a Series,
    pub zones: Zones,
    pub master: Option<&'a Component>,
    pub others: BTreeMap<UnixTime, &'a Component>,
    /// Starts that do not take place.
    pub without: BTreeMap<UnixTime, Time>,
    /// Who is invited to what takes place, by canonical address.
    invited: BTreeMap<Key, BTreeSet<String>>,
    by_day: bool,
}

impl<'a> View<'a> {
    pub fn of(series: &'a Series, home: &TimeZone) -> View<'a> {
        let zones = series.zones(home);
        let master = series.calendar.children("VEVENT").find(|event| !event.has("RECURRENCE-ID"));
        let by_day = master.is_some_and(|event| Event::new(event, &zones).is_all_day());
        let mut view = View {
            series,
            zones,
            master,
            others: BTreeMap::new(),
            without: BTreeMap::new(),
            invited: BTreeMap::new(),
            by_day,
        };
        for event in series.calendar.children("VEVENT").take(INSTANCES_MAX) {
            let key = view.key_of(event);
            if let Some(key) = key {
                view.others.insert(key, event);
            }
            if !is_cancelled(event) {
                let people = invited(event).map(|who| canonical(&ical::address(who)));
                view.invited.insert(key, people.collect());
            }
        }
        for time in
            master.map(|event| Event::new(event, &view.zones).exceptions()).unwrap_or_default()
        {
            view.without.insert(view.key(&time), time);
        }
        view
    }

    /// The key of a time at which an instance would start.
    pub fn key(&self, time: &Time) -> UnixTime {
        key(&self.zones, self.by_day, time)
    }

    /// Whether the event is one of whole days.
    pub fn is_by_day(&self) -> bool {
        self.by_day
    }

    /// The key of a VEVENT; `None` for the event itself.
    pub fn key_of(&self, event: &Component) -> Key {
        event.first("RECURRENCE-ID").and_then(Time::read).map(|time| self.key(&time))
    }

    /// The component that tells an instance: its own, or the event's.
    pub fn component(&self, key: Key) -> Option<&'a Component> {
        match key {
            None => self.master,
            Some(key) if self.without.contains_key(&key) => None,
            Some(key) => self.others.get(&key).copied().or(self.master),
        }
    }

    /// Every VEVENT.
    pub fn all(&self) -> impl Iterator<Item = &'a Component> {
        self.master.into_iter().chain(self.others.values().copied())
    }

    /// Whether somebody takes part in an instance, and it takes place.
    pub fn attends(&self, address: &str, key: Key) -> bool {
        let key = match key {
            Some(at) if self.without.contains_key(&at) => return false,
            Some(at) if self.others.contains_key(&at) => key,
            _ => None,
        };
        self.invited.get(&key).is_some_and(|people| people.contains(address))
    }

    /// Everybody who is told by mail from here, by canonical address.
    pub fn people(&self, own: &Own) -> BTreeMap<String, Party> {
        let mut found = BTreeMap::new();
        for event in self.all().filter(|event| !is_cancelled(event)) {
            for who in invited(event) {
                if let Some(party) = party(who)
                    && !own.has(&party.address)
                    && found.len() < PARTICIPANTS_MAX
                {
                    found.entry(canonical(&party.address)).or_insert(party);
                }
            }
        }
        found
    }

    /// When the last of it is over; `i64::MAX` without end.
    pub fn until(&self) -> UnixTime {
        ical::extent(self.series, &self.zones).1
    }

    /// Keys of all instances that either of two texts says something about.
    pub fn keys(&self, other: &View<'_>) -> BTreeSet<UnixTime> {
        let mine = self.others.keys().chain(self.without.keys());
        mine.chain(other.others.keys()).chain(other.without.keys()).copied().collect()
    }

    /// An instance as a VEVENT of its own, made from the event where it has none.
    pub fn instance(&self, key: UnixTime, at: &Time) -> Option<Component> {
        if let Some(own) = self.others.get(&key) {
            return Some((*own).clone());
        }
        let master = self.master?;
        let event = Event::new(master, &self.zones);
        let (start, end) = (event.start()?, event.end()?);
        let begins = self.like(&start, at);
        let length = end.at.duration_since(start.at);
        let mut own = master.clone();
        for name in ["RRULE", "RDATE", "EXDATE", "EXRULE", "DURATION", "DTEND"] {
            own.remove(name);
        }
        own.set(begins.property("DTSTART"));
        own.set(end.at(begins.at.checked_add(length).ok()?).property("DTEND"));
        own.set(begins.property("RECURRENCE-ID"));
        Some(own)
    }

    /// A time told as the event's start is: in its zone, or as a day.
    pub fn like(&self, start: &Time, at: &Time) -> Time {
        if start.is_date() {
            return Time::date(at.at.date());
        }
        let instant = self.zones.instant(at);
        Time::zoned(instant, &self.zones.zone_of(start), start.tzid())
    }
}

pub(super) fn key(zones: &Zones, by_day: bool, time: &Time) -> UnixTime {
    if by_day || time.is_date() {
        let midnight = Time { kind: TimeKind::Utc, ..Time::date(time.at.date()) };
        return zones.instant(&midnight).as_second();
    }
    zones.instant(time).as_second()
}

/// The participants that this server tells: not those whom the client wants to tell itself
/// (RFC 6638 §7.1), and not the organizer.
fn invited(event: &Component) -> impl Iterator<Item = &Property> {
    let ours = |who: &&Property| {
        let agent = who.param("SCHEDULE-AGENT");
        agent.is_none_or(|agent| agent.eq_ignore_ascii_case("SERVER"))
    };
    let organizer = event.first("ORGANIZER").map(|who| canonical(&ical::address(who)));
    let lines = event.all("ATTENDEE").take(PARTICIPANTS_MAX).filter(ours);
    lines.filter(move |who| Some(canonical(&ical::address(who))) != organizer)
}
