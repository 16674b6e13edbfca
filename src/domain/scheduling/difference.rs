//! What a change of an event calls for: who was invited, uninvited, or must hear of another time
//! or place. RFC 5546 §3.2; which instance somebody attends is decided as in RFC 6638 §3.2.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::answering::drop_proposals;
use super::view::{Key, View};
use super::{Due, Method, Own, Party, is_cancelled, sequence, stamp_now};
use crate::base::clock::UnixTime;
use crate::format::ical::{self, Component, Event, PRODUCT, Property, Series, Time};

/// What of an event everybody has to hear of. Categories, alarms, and whether the time counts as
/// busy are each participant's own.
const SHOWN: [&str; 10] = [
    "SUMMARY",
    "DESCRIPTION",
    "LOCATION",
    "GEO",
    "URL",
    "CONFERENCE",
    "ATTACH",
    "X-ALT-DESC",
    "STATUS",
    "CLASS",
];

/// What of an event is the organizer's alone, and never sent.
const UNSENT: [&str; 6] = [
    "CATEGORIES",
    "X-MICROSOFT-CDO-BUSYSTATUS",
    "X-MICROSOFT-CDO-APPT-SEQUENCE",
    "X-MICROSOFT-CDO-OWNERAPPTID",
    "X-MOZ-GENERATION",
    "X-MOZ-LASTACK",
];

/// How much a component changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Change {
    None,
    /// Something that is shown.
    Text,
    /// When it takes place: what was answered before holds no longer.
    Time,
}

/// An event before and after a change; either is missing where it was made or removed.
pub struct Difference<'a> {
    pub old: Option<&'a Series>,
    pub new: Option<&'a mut Series>,
    pub own: &'a Own,
    pub home: &'a TimeZone,
    pub now: UnixTime,
}

impl Difference<'_> {
    /// The messages that the change calls for. An organizer's new text gets the sequence
    /// numbers and stamps of what is sent, and answers to another time are forgotten.
    ///
    /// Nothing is sent about what is over: clearing last year's meetings tells nobody.
    pub fn due(mut self) -> Vec<Due> {
        let newest = self.new.as_deref().or(self.old);
        let Some(master) = newest.and_then(Series::master) else { return Vec::new() };
        if self.own.organizes(master) {
            self.settle();
        }
        let empty = Series::new("");
        let before = View::of(self.old.unwrap_or(&empty), self.home);
        let after = View::of(self.new.as_deref().unwrap_or(&empty), self.home);
        let over = |present: bool, view: &View<'_>| !present || view.until() <= self.now;
        if over(self.old.is_some(), &before) && over(self.new.is_some(), &after) {
            return Vec::new();
        }
        let organized = before.all().chain(after.all()).any(|event| self.own.organizes(event));
        if organized {
            organizer(&Both::of(before, after, self.own, self.now))
        } else {
            attendee(&before, &after, self.new.is_some(), self.own, self.now)
        }
    }

    /// Sequence numbers and answers of the new text (RFC 5546 §2.1.4).
    fn settle(&mut self) {
        let (Some(old), Some(new)) = (self.old, self.new.as_deref_mut()) else { return };
        let mut changes: BTreeMap<Key, Change> = BTreeMap::new();
        let next;
        {
            let (before, after) = (View::of(old, self.home), View::of(new, self.home));
            let both = Both::of(before, after, self.own, self.now);
            let people = both.people();
            if people.is_empty() {
                return;
            }
            let highest = both.before.all().chain(both.after.all()).map(sequence).max();
            changes.insert(None, both.master);
            changes.extend(both.changes.iter().map(|(key, change)| (Some(*key), *change)));
            let uninvited = people.keys().any(|who| both.cancels_any(who));
            let moved = changes.values().any(|change| *change == Change::Time);
            next = highest.unwrap_or(0).saturating_add(u32::from(moved || uninvited));
            // Who is asked to an instance alone may have heard that all of it is cancelled.
            for key in people.keys().flat_map(|who| both.told(who).request) {
                let instance = changes.entry(Some(key)).or_insert(Change::None);
                *instance = (*instance).max(Change::Text);
            }
            if uninvited {
                let master = changes.entry(None).or_insert(Change::None);
                *master = (*master).max(Change::Text);
            }
        }
        let view = View::of(new, self.home);
        let keys: Vec<Option<Key>> = new
            .calendar
            .components
            .iter()
            .map(|event| event.is("VEVENT").then(|| view.key_of(event)))
            .collect();
        drop(view);
        let all = changes.get(&None).is_some_and(|change| *change == Change::Time);
        for (event, key) in new.calendar.components.iter_mut().zip(keys) {
            let Some(key) = key else { continue };
            let change = changes.get(&key).copied().unwrap_or(Change::None);
            if change > Change::None || all {
                event.set_value("SEQUENCE", Some(&next.to_string()));
                stamp_now(event, self.now);
            }
            if change == Change::Time {
                forget_answers(event, self.own);
                drop_proposals(event);
            }
        }
    }
}

/// Whoever said yes to another time has not said anything to this one.
fn forget_answers(event: &mut Component, own: &Own) {
    let organizer = event.first("ORGANIZER").map(ical::address);
    for who in event.properties.iter_mut().filter(|property| property.is("ATTENDEE")) {
        let address = ical::address(who);
        if !own.has(&address) && Some(&address) != organizer.as_ref() {
            who.set_param("PARTSTAT", Some("NEEDS-ACTION"));
        }
    }
}

/// Both texts of an organizer's event.
struct Both<'a> {
    before: View<'a>,
    after: View<'a>,
    own: &'a Own,
    now: UnixTime,
    /// How much the event itself changed, and those instances that have a VEVENT of their own.
    master: Change,
    changes: BTreeMap<UnixTime, Change>,
    keys: BTreeSet<UnixTime>,
}

impl<'a> Both<'a> {
    fn of(before: View<'a>, after: View<'a>, own: &'a Own, now: UnixTime) -> Both<'a> {
        let keys = before.keys(&after);
        let (master, changes) = (Change::None, BTreeMap::new());
        let mut both = Both { before, after, own, now, master, changes, keys };
        both.master = both.master_change();
        let others = both.after.others.keys();
        both.changes = others.map(|key| (*key, both.change(*key))).collect();
        both
    }

    fn people(&self) -> BTreeMap<String, Party> {
        let mut people = self.before.people(self.own);
        people.extend(self.after.people(self.own));
        people
    }

    /// A changed instance that is none any more has gone back to the series.
    fn master_change(&self) -> Change {
        let (Some(old), Some(new)) = (self.before.master, self.after.master) else {
            return Change::None;
        };
        let gone = |key: &&UnixTime| {
            !self.after.others.contains_key(key) && !self.after.without.contains_key(key)
        };
        let reset = self.before.others.keys().find(gone).map_or(Change::None, |_| Change::Text);
        let back = self.before.without.keys().find(gone).map_or(Change::None, |_| Change::Text);
        compare(&self.before, old, &self.after, new).max(reset).max(back)
    }

    /// How much an instance with a VEVENT of its own changed.
    fn change(&self, key: UnixTime) -> Change {
        let Some(new) = self.after.others.get(&key) else { return Change::None };
        if let Some(old) = self.before.others.get(&key) {
            return compare(&self.before, old, &self.after, new);
        }
        let id = new.first("RECURRENCE-ID").and_then(Time::read);
        let made = id.and_then(|id| self.before.instance(key, &id));
        match made {
            Some(old) => compare(&self.before, &old, &self.after, new),
            None => Change::Time,
        }
    }

    /// Whether somebody is told that something does not take place, or not with them.
    fn cancels_any(&self, who: &str) -> bool {
        let told = self.told(who);
        told.cancel_all || !told.cancel.is_empty()
    }

    fn told(&self, who: &str) -> Told {
        let (before, after) = (&self.before, &self.after);
        let mut told = Told::default();
        let (was, is) = (before.attends(who, None), after.attends(who, None));
        if was && !is {
            told.cancel_all = true;
        }
        told.request_all = is && (!was || self.master > Change::None);
        if told.request_all {
            return told;
        }
        for &key in &self.keys {
            let (was, is) = (before.attends(who, Some(key)), after.attends(who, Some(key)));
            let change = self.changes.get(&key).copied();
            if was && !is && !told.cancel_all {
                told.cancel.push(key);
            } else if is
                && let Some(change) = change
                && (!was || told.cancel_all || change > Change::None)
            {
                told.request.push(key);
            }
        }
        told
    }
}

/// What one participant is told.
#[derive(Default)]
struct Told {
    cancel_all: bool,
    cancel: Vec<UnixTime>,
    request_all: bool,
    request: Vec<UnixTime>,
}

fn organizer(both: &Both<'_>) -> Vec<Due> {
    let mut found = Messages::default();
    let highest = both.before.all().map(sequence).max().unwrap_or(0);
    let number = both.after.all().map(sequence).max().unwrap_or(0).max(highest);
    // Where the event is gone, nobody has raised its number yet.
    let cancelling = if both.after.master.is_none() && both.after.others.is_empty() {
        number.saturating_add(1)
    } else {
        number
    };
    for (address, party) in both.people() {
        let told = both.told(&address);
        let mut cancelled = Vec::new();
        if told.cancel_all {
            cancelled.extend(both.before.master.cloned());
        }
        for key in &told.cancel {
            cancelled.extend(cancelled_instance(both, *key));
        }
        if !cancelled.is_empty() {
            for event in &mut cancelled {
                event.set_value("STATUS", Some("CANCELLED"));
                event.set_value("SEQUENCE", Some(&cancelling.to_string()));
                stamp_now(event, both.now);
            }
            found.add(Method::Cancel, both.before.series, cancelled, &party, both);
        }
        let mut asked = Vec::new();
        if told.request_all {
            asked = whole_for(&address, &both.after);
        }
        for key in &told.request {
            asked.extend(both.after.others.get(key).map(|event| (*event).clone()));
        }
        if !asked.is_empty() {
            found.add(Method::Request, both.after.series, asked, &party, both);
        }
    }
    found.all
}

/// The instance that does not take place, told as it was.
fn cancelled_instance(both: &Both<'_>, key: UnixTime) -> Option<Component> {
    let id = match both.after.without.get(&key) {
        Some(time) => time.clone(),
        None => {
            let own = both.before.others.get(&key).or_else(|| both.after.others.get(&key))?;
            own.first("RECURRENCE-ID").and_then(Time::read)?
        }
    };
    both.before.instance(key, &id)
}

/// The event as somebody sees it who does not attend all of its instances.
fn whole_for(address: &str, view: &View<'_>) -> Vec<Component> {
    let Some(master) = view.master else { return Vec::new() };
    let (mut master, mut all) = (master.clone(), Vec::new());
    for (key, event) in &view.others {
        if view.attends(address, Some(*key)) {
            all.push((*event).clone());
        } else if let Some(id) = event.first("RECURRENCE-ID").and_then(Time::read) {
            master.push(id.property("EXDATE"));
        }
    }
    all.insert(0, master);
    all
}

/// Messages, those of the same content to several people as one.
#[derive(Default)]
struct Messages {
    all: Vec<Due>,
}

impl Messages {
    fn add(
        &mut self,
        method: Method,
        series: &Series,
        events: Vec<Component>,
        to: &Party,
        both: &Both<'_>,
    ) {
        let calendar = outgoing(method, series, events, both.own, both.now);
        let same = |due: &&mut Due| due.method == method && due.calendar == calendar;
        match self.all.iter_mut().find(same) {
            Some(due) => due.to.push(to.clone()),
            None => self.all.push(Due { method, to: vec![to.clone()], calendar, comment: None }),
        }
    }
}

/// A calendar to be sent: the zones of the text and these events, without what is private.
pub(super) fn outgoing(
    method: Method,
    of: &Series,
    events: Vec<Component>,
    own: &Own,
    now: UnixTime,
) -> Component {
    let mut calendar = Component::new("VCALENDAR");
    calendar.push(Property::new("PRODID", PRODUCT));
    calendar.push(Property::new("VERSION", "2.0"));
    calendar.push(Property::new("METHOD", method.name()));
    calendar.components.extend(of.calendar.children("VTIMEZONE").cloned());
    for mut event in events {
        event.components.retain(|part| !part.is("VALARM"));
        let busy = event.value_of("X-MICROSOFT-CDO-BUSYSTATUS").map(str::to_owned);
        event.properties.retain(|property| {
            let name = property.name.to_ascii_uppercase();
            !UNSENT.contains(&name.as_str()) && !name.starts_with(super::PRIVATE)
        });
        if let Some(busy) = busy {
            event.set_value("X-MICROSOFT-CDO-INTENDEDSTATUS", Some(&busy));
        }
        if !event.has("SEQUENCE") {
            event.set_value("SEQUENCE", Some("0"));
        }
        stamp_now(&mut event, now);
        for property in &mut event.properties {
            participant(property, method, own);
        }
        calendar.components.push(event);
    }
    calendar
}

/// A participant's line as it is sent.
fn participant(property: &mut Property, method: Method, own: &Own) {
    if property.is("ORGANIZER") && property.param("CN").is_none() && !own.name.is_empty() {
        let ours = own.has(&ical::address(property));
        property.set_param("CN", Some(own.name.as_str()).filter(|_| ours));
    }
    property.params.retain(|param| {
        let name = param.name.to_ascii_uppercase();
        !name.starts_with(super::PRIVATE) && !name.starts_with("SCHEDULE-")
    });
    if !property.is("ATTENDEE") {
        return;
    }
    if method == Method::Request && !own.has(&ical::address(property)) {
        if property.param("PARTSTAT").is_none() {
            property.set_param("PARTSTAT", Some("NEEDS-ACTION"));
        }
        let open =
            property.param("PARTSTAT").is_some_and(|s| s.eq_ignore_ascii_case("NEEDS-ACTION"));
        if open && property.param("RSVP").is_none() {
            property.set_param("RSVP", Some("TRUE"));
        }
    }
}

fn compare(old_view: &View<'_>, old: &Component, new_view: &View<'_>, new: &Component) -> Change {
    let times = |view: &View<'_>, event: &Component| {
        let event = Event::new(event, &view.zones);
        let mut rule: Vec<String> = ["RRULE", "RDATE"]
            .iter()
            .flat_map(|name| event.component.all(name))
            .map(|property| property.value.to_ascii_uppercase())
            .collect();
        rule.sort_unstable();
        (event.start_at(), event.end_at(), event.is_all_day(), rule)
    };
    if times(old_view, old) != times(new_view, new) || is_cancelled(old) != is_cancelled(new) {
        return Change::Time;
    }
    let shown = |event: &Component| {
        let mut shown: Vec<(usize, String)> = Vec::new();
        for (at, name) in SHOWN.iter().enumerate() {
            let texts = event.all(name).map(|property| property.to_text().trim().to_owned());
            // An event that takes place needs no word for it.
            let telling = texts.filter(|text| {
                let usual = match *name {
                    "STATUS" => !text.eq_ignore_ascii_case("CANCELLED"),
                    "CLASS" => text.eq_ignore_ascii_case("PUBLIC"),
                    _ => false,
                };
                !text.is_empty() && !usual
            });
            shown.extend(telling.map(|text| (at, text)));
        }
        shown
    };
    if shown(old) == shown(new) { Change::None } else { Change::Text }
}

/// What an attendee's change of the own copy tells the organizer: another answer, or that the
/// event was thrown away without one.
fn attendee(
    before: &View<'_>,
    after: &View<'_>,
    is_kept: bool,
    own: &Own,
    now: UnixTime,
) -> Vec<Due> {
    if before.master.is_none() && before.others.is_empty() {
        // A copy that came from somewhere: whoever brought it has answered or not.
        return Vec::new();
    }
    let events = match is_kept {
        true => answered(before, after, own),
        false => thrown_away(before, own),
    };
    let first = before.master.or_else(|| before.others.values().next().copied());
    let Some(organizer) = first.and_then(|event| event.first("ORGANIZER")) else {
        return Vec::new();
    };
    if organizer.param("SCHEDULE-AGENT").is_some_and(|a| !a.eq_ignore_ascii_case("SERVER")) {
        return Vec::new();
    }
    let answers = events.iter().map(|(event, answer)| reply_event(event, answer, own, now));
    let answers: Vec<Component> = answers.flatten().collect();
    let Some(to) = super::party(organizer).filter(|_| !answers.is_empty()) else {
        return Vec::new();
    };
    let calendar = outgoing(Method::Reply, before.series, answers, own, now);
    vec![Due { method: Method::Reply, to: vec![to], calendar, comment: None }]
}

/// What the own line of an event says.
fn answer(event: &Component, own: &Own) -> Option<String> {
    let line = own.line(event)?;
    Some(line.param("PARTSTAT").unwrap_or("NEEDS-ACTION").trim().to_ascii_uppercase())
}

/// Events and instances that went without an answer of their own: they are declined by that.
fn thrown_away(before: &View<'_>, own: &Own) -> Vec<(Component, String)> {
    let gone: Vec<_> = match before.master {
        Some(master) => vec![master],
        None => before.others.values().copied().collect(),
    };
    let is_due = |event: &&Component| {
        let asked = own.line(event).is_some_and(|line| {
            !line.param("RSVP").is_some_and(|rsvp| rsvp.eq_ignore_ascii_case("FALSE"))
        });
        let open = answer(event, own).is_some_and(|answer| answer != "DECLINED");
        asked && open && !is_cancelled(event)
    };
    gone.into_iter().filter(is_due).map(|event| (event.clone(), "DECLINED".to_owned())).collect()
}

/// Events and instances with another answer than before, or taken out of the series.
fn answered(before: &View<'_>, after: &View<'_>, own: &Own) -> Vec<(Component, String)> {
    let mut events = Vec::new();
    let keys = std::iter::once(None).chain(before.keys(after).into_iter().map(Some));
    for key in keys {
        let own_event = match key {
            None => after.master,
            Some(key) => after.others.get(&key).copied(),
        };
        if let Some(event) = own_event {
            let old = before.component(key).and_then(|event| answer(event, own));
            let new = answer(event, own).filter(|new| new != "NEEDS-ACTION");
            if let Some(new) = new.filter(|new| Some(new) != old.as_ref()) {
                events.push((event.clone(), new));
            }
        } else if let Some(at) = key.and_then(|key| after.without.get(&key))
            && let Some(key) = key
            && before.component(Some(key)).is_some_and(|event| !is_cancelled(event))
            && let Some(event) = before.instance(key, at)
        {
            events.push((event, "DECLINED".to_owned()));
        }
    }
    events
}

/// The VEVENT of a REPLY: which event and instance, and the one participant that answers
/// (RFC 5546 §3.2.3).
pub(super) fn reply_event(
    event: &Component,
    answer: &str,
    own: &Own,
    now: UnixTime,
) -> Option<Component> {
    const KEPT: [&str; 12] = [
        "UID",
        "SEQUENCE",
        "RECURRENCE-ID",
        "ORGANIZER",
        "SUMMARY",
        "LOCATION",
        "DTSTART",
        "DTEND",
        "DURATION",
        "RRULE",
        "PRIORITY",
        "CLASS",
    ];
    let mut line = own
        .line(event)
        .cloned()
        .unwrap_or_else(|| Property::new("ATTENDEE", format!("mailto:{}", own.address)));
    if line.param("CN").is_none() && !own.name.is_empty() {
        line.set_param("CN", Some(&own.name));
    }
    line.set_param("PARTSTAT", Some(answer));
    line.set_param("RSVP", None);
    let mut reply = Component::new("VEVENT");
    let kept = |property: &&Property| KEPT.iter().any(|name| property.is(name));
    reply.properties.extend(event.properties.iter().filter(kept).cloned());
    reply.push(line);
    stamp_now(&mut reply, now);
    Some(reply)
}
