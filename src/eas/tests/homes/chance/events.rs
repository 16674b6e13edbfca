//! Events on the wire and in texts.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::plan::{Able, Edit, End, Looks, Plan, Rule, instant};
use super::*;
use crate::base::id::Uid;
use crate::domain::item;
use crate::format::{ical, tz};
use tags::calendar as c;

/// Events of one game, and changes of each.
const EVENTS: usize = 24;
const ROUNDS: usize = 6;

fn able(version: Version) -> Able {
    Able {
        types: version >= Version::V12_0,
        first_day: version >= Version::V14_1,
        elsewhere: version >= Version::V16_0,
    }
}

fn compact(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// How times of an event go over the wire: days as dates, or as midnights of a zone.
#[derive(Clone, Copy)]
struct Clock<'p> {
    plan: &'p Plan,
    midnights: bool,
}

impl Clock<'_> {
    fn at(self, at: DateTime) -> String {
        match self.plan.days && !self.midnights {
            true => at.strftime("%Y%m%dT000000Z").to_string(),
            false => compact(instant(self.plan.zone, at)),
        }
    }

    fn end(self, looks: &Looks) -> String {
        if self.plan.days {
            return self.at(looks.start.saturating_add(Span::new().days(looks.minutes / 1_440)));
        }
        let start = instant(self.plan.zone, looks.start);
        compact(start.saturating_add(SignedDuration::from_mins(looks.minutes)).unwrap())
    }

    fn blob(self) -> String {
        // As phones do, by the rules of now, or of the year when it begins.
        let year = instant(self.plan.zone, self.plan.whole.start).strftime("%Y").to_string();
        let year = year.parse::<i16>().unwrap().max(2023);
        match self.plan.days && !self.midnights {
            true => tz::write_blob(&tz::Rules::UTC, ""),
            false => {
                let zone = TimeZone::get(self.plan.zone).unwrap();
                tz::write_blob(&tz::Rules::of(&zone, year), "")
            }
        }
    }
}

/// A text, an empty element where there is none, or nothing at all.
fn or_nothing(all: &mut Vec<Element>, tag: Tag, words: &str, empty: bool) {
    if !words.is_empty() || empty {
        all.push(text(tag, words));
    }
}

/// All elements of the looks but the times. `empty`: what there is not is said to be none.
fn looks(looks: &Looks, version: Version, empty: bool) -> Vec<Element> {
    let mut all = Vec::new();
    or_nothing(&mut all, c::SUBJECT, &looks.subject, empty);
    match version >= Version::V16_0 && !looks.place.is_empty() {
        true => all.push(tree(b::LOCATION, vec![text(b::DISPLAY_NAME, &looks.place)])),
        false if version >= Version::V16_0 => or_nothing(&mut all, b::LOCATION, "", empty),
        false => or_nothing(&mut all, c::LOCATION, &looks.place, empty),
    }
    // Left out it stays: many phones never have all of it.
    all.push(body_of(version, c::BODY, &looks.body));
    if !looks.names.is_empty() || empty {
        all.push(list(c::CATEGORIES, c::CATEGORY, &looks.names));
    }
    let busy = if version < Version::V16_0 && looks.busy == 4 { 0 } else { looks.busy };
    all.push(text(c::BUSY_STATUS, &busy.to_string()));
    all.push(text(c::SENSITIVITY, &looks.secret.to_string()));
    let reminder = looks.reminder.map(|n| n.to_string()).unwrap_or_default();
    or_nothing(&mut all, c::REMINDER, &reminder, empty);
    all
}

fn rule_parts(rule: &Rule, clock: Clock<'_>, version: Version) -> Vec<Element> {
    let mut all =
        vec![text(c::TYPE, &rule.kind.to_string()), text(c::INTERVAL, &rule.interval.to_string())];
    let mut number = |tag, number: u8| all.push(text(tag, &number.to_string()));
    match rule.kind {
        1 => number(c::DAY_OF_WEEK, rule.mask),
        2 | 5 => number(c::DAY_OF_MONTH, rule.day as u8),
        3 | 6 => {
            number(c::WEEK_OF_MONTH, rule.week);
            number(c::DAY_OF_WEEK, rule.mask);
        }
        _ => {}
    }
    if rule.kind >= 5 {
        number(c::MONTH_OF_YEAR, rule.month as u8);
    }
    if rule.kind == 1 && version >= Version::V14_1 {
        number(c::FIRST_DAY_OF_WEEK, rule.first.unwrap_or(1));
    }
    match &rule.end {
        End::Never => {}
        End::Count(count) => all.push(text(c::OCCURRENCES, &count.to_string())),
        End::Until(at) => all.push(text(c::UNTIL, &clock.at(*at))),
    }
    all
}

/// The whole event, as a phone of a version has it.
fn write(plan: &Plan, version: Version, dice: &mut Dice) -> Vec<Element> {
    let later = version >= Version::V16_0;
    let midnights = !later && plan.days && dice.chance(2);
    let clock = Clock { plan, midnights };
    let empty = dice.chance(3);
    let mut all = looks(&plan.whole, version, empty || later);
    all.push(text(c::START_TIME, &clock.at(plan.whole.start)));
    all.push(text(c::END_TIME, &clock.end(&plan.whole)));
    all.push(text(c::ALL_DAY_EVENT, if plan.days { "1" } else { "0" }));
    if !(later && plan.days) {
        all.push(text(c::TIMEZONE, &clock.blob()));
    }
    let person = |person: &super::plan::Person| {
        let mut all = vec![text(c::EMAIL, &person.email), text(c::NAME, &person.name)];
        if version >= Version::V12_0 {
            all.push(text(c::ATTENDEE_STATUS, "5"));
            all.push(text(c::ATTENDEE_TYPE, &person.kind.to_string()));
        }
        tree(c::ATTENDEE, all)
    };
    if !plan.people.is_empty() || later {
        all.push(tree(c::ATTENDEES, plan.people.iter().map(person).collect()));
    }
    all.push(text(c::MEETING_STATUS, if plan.people.is_empty() { "0" } else { "1" }));
    match &plan.rule {
        Some(rule) => all.push(tree(c::RECURRENCE, rule_parts(rule, clock, version))),
        None if later => all.push(Element::new(c::RECURRENCE)),
        None => {}
    }
    if !later {
        all.push(text(c::UID, &plan.uid));
        all.push(text(c::DT_STAMP, "20231101T000000Z"));
        let off = plan.off.iter().map(|(id, own)| {
            let mut parts = vec![text(c::EXCEPTION_START_TIME, &clock.at(*id))];
            match own {
                None => parts.push(text(c::DELETED, "1")),
                Some(own) => parts.extend(instance(plan, own, clock, version, dice.chance(2))),
            }
            tree(c::EXCEPTION, parts)
        });
        let off: Vec<Element> = off.collect();
        // Without any, an empty list says so.
        if plan.rule.is_some() {
            all.push(tree(c::EXCEPTIONS, off));
        }
    }
    all
}

/// A random event as a phone of a version adds it.
pub(super) fn some(version: Version, dice: &mut Dice) -> Vec<Element> {
    let plan = Plan::random(dice, "odd".into(), able(version));
    let mut data = write(&plan, version, dice);
    data.retain(|each| each.tag != c::UID);
    data
}

/// What a phone says of an instance: everything, or only what is not as the series has it.
fn instance(
    plan: &Plan,
    own: &Looks,
    clock: Clock<'_>,
    version: Version,
    everything: bool,
) -> Vec<Element> {
    let mut parts = looks(own, version, true);
    if !everything {
        let whole = looks(&plan.whole, version, true);
        parts.retain(|part| !whole.contains(part));
    }
    parts.push(text(c::START_TIME, &clock.at(own.start)));
    parts.push(text(c::END_TIME, &clock.end(own)));
    parts
}

fn of_looks(looks: &Looks, version: Version, prefix: &str, facts: &mut Facts) {
    let mut fact = |name: &str, value: String| facts.insert(format!("{prefix}{name}"), value);
    fact("subject", looks.subject.clone());
    fact("place", looks.place.clone());
    fact("body", looks.body.clone());
    fact("categories", format!("{:?}", looks.names));
    let busy = if version < Version::V16_0 && looks.busy == 4 { 0 } else { looks.busy };
    fact("busy", busy.to_string());
    fact("sensitivity", looks.secret.to_string());
    fact("reminder", looks.reminder.map(|n| n.to_string()).unwrap_or_default());
}

/// What a phone of a version is to show.
fn wanted(plan: &Plan, version: Version) -> Facts {
    let clock = Clock { plan, midnights: false };
    let mut facts = Facts::new();
    of_looks(&plan.whole, version, "", &mut facts);
    facts.insert("start".into(), clock.at(plan.whole.start));
    facts.insert("end".into(), clock.end(&plan.whole));
    facts.insert("days".into(), u8::from(plan.days).to_string());
    if !plan.days {
        // A single event of no zone stands in the reader's.
        let home = Plan { zone: "Europe/Berlin", ..plan.clone() };
        let nowhere = plan.rule.is_none() && plan.zone == "UTC";
        let shown = Clock { plan: if nowhere { &home } else { plan }, ..clock };
        facts.insert("zone".into(), format!("{:?}", tz::read_blob(&shown.blob())));
    }
    facts.insert("uid".into(), plan.uid.clone());
    for who in &plan.people {
        let kind = if version >= Version::V12_0 { who.kind } else { 0 };
        facts.insert(format!("with {}", who.email), format!("{} {kind}", who.name));
    }
    for part in plan.rule.iter().flat_map(|rule| rule_parts(rule, clock, version)) {
        facts.insert(format!("rule {}", part.tag), part.text().to_owned());
    }
    let told = |looks: &Looks, prefix: &str| {
        let mut facts = Facts::new();
        of_looks(looks, version, prefix, &mut facts);
        facts.insert(format!("{prefix}start"), clock.at(looks.start));
        facts.insert(format!("{prefix}end"), clock.end(looks));
        facts
    };
    for (id, own) in &plan.off {
        let name = format!("{} ", clock.at(*id));
        match own {
            None => drop(facts.insert(name, "gone".into())),
            // Also where only this version has no words for the difference: before 16.0 who
            // works elsewhere is free (MS-ASCAL 2.2.2.9).
            Some(own) if told(own, "") == told(&plan.plain(*id), "") => {}
            Some(own) => facts.extend(told(own, &name)),
        }
    }
    facts
}

/// The looks that an element tells of, or that the whole has.
fn looks_of(shown: &Element, whole: Option<&Element>, prefix: &str, facts: &mut Facts) {
    let find = |tag| shown.child(tag).or_else(|| whole?.child(tag));
    let flat = |tag| find(tag).map(|it| it.text().to_owned()).unwrap_or_default();
    let mut fact = |name: &str, value: String| facts.insert(format!("{prefix}{name}"), value);
    fact("subject", flat(c::SUBJECT));
    let place = find(b::LOCATION).and_then(|it| it.text_of(b::DISPLAY_NAME));
    fact("place", place.map_or_else(|| flat(c::LOCATION), str::to_owned));
    let body = find(b::BODY).or_else(|| find(c::BODY)).map(super::super::words);
    fact("body", body.unwrap_or_default().to_owned());
    let names = find(c::CATEGORIES).into_iter().flat_map(|all| all.all(c::CATEGORY));
    let names: Vec<&str> = names.map(Element::text).collect();
    fact("categories", format!("{names:?}"));
    fact("busy", flat(c::BUSY_STATUS));
    fact("sensitivity", flat(c::SENSITIVITY));
    fact("reminder", flat(c::REMINDER));
}

/// What a phone shows.
fn found(shown: &Element) -> Facts {
    let mut facts = Facts::new();
    let flat = |tag| shown.text_of(tag).unwrap_or_default().to_owned();
    looks_of(shown, None, "", &mut facts);
    facts.insert("start".into(), flat(c::START_TIME));
    facts.insert("end".into(), flat(c::END_TIME));
    facts.insert("days".into(), flat(c::ALL_DAY_EVENT));
    if flat(c::ALL_DAY_EVENT) == "0" {
        facts.insert("zone".into(), format!("{:?}", tz::read_blob(&flat(c::TIMEZONE))));
    }
    facts.insert("uid".into(), flat(c::UID));
    for who in shown.child(c::ATTENDEES).into_iter().flat_map(|all| all.all(c::ATTENDEE)) {
        let of = |tag| who.text_of(tag).unwrap_or_default();
        let kind = who.text_of(c::ATTENDEE_TYPE).unwrap_or("0");
        let old = facts.insert(format!("with {}", of(c::EMAIL)), format!("{} {kind}", of(c::NAME)));
        assert!(old.is_none(), "somebody is invited twice");
    }
    for part in shown.child(c::RECURRENCE).into_iter().flat_map(|rule| &rule.children) {
        if ![c::CALENDAR_TYPE, c::IS_LEAP_MONTH].contains(&part.tag) {
            facts.insert(format!("rule {}", part.tag), part.text().to_owned());
        }
    }
    let minutes = |from: &str, to: &str| {
        let at = |text: &str| jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).unwrap();
        at(to).duration_since(at(from))
    };
    let length = minutes(&facts["start"], &facts["end"]);
    for one in shown.child(c::EXCEPTIONS).into_iter().flat_map(|all| all.all(c::EXCEPTION)) {
        let id = [c::EXCEPTION_START_TIME, b::INSTANCE_ID].into_iter().find_map(|t| one.text_of(t));
        let id = id.unwrap();
        let name = format!("{id} ");
        assert!(!facts.keys().any(|other| other.starts_with(&name)), "{id} is told twice");
        if one.text_of(c::DELETED) == Some("1") {
            facts.insert(name, "gone".into());
            continue;
        }
        let of = |tag| one.text_of(tag).unwrap_or(id).to_owned();
        let (start, end) = (of(c::START_TIME), of(c::END_TIME));
        let mut own = Facts::new();
        looks_of(one, Some(shown), "", &mut own);
        let plain = own.iter().all(|(name, value)| facts.get(name) == Some(value));
        if plain && start == id && minutes(&start, &end) == length {
            continue;
        }
        own.extend([("start".into(), start), ("end".into(), end)]);
        facts.extend(own.into_iter().map(|(what, value)| (format!("{name}{what}"), value)));
    }
    facts
}

/// When it takes place, and under which name, by the model.
fn instances(plan: &Plan) -> Vec<(Timestamp, String)> {
    let at = |at| match plan.days {
        true => instant("Europe/Berlin", at),
        false => instant(plan.zone, at),
    };
    let starts = match plan.rule {
        Some(_) => plan.some_starts(),
        None => vec![plan.whole.start],
    };
    let mut all: Vec<(Timestamp, String)> = Vec::new();
    for start in starts {
        match plan.off.get(&start) {
            Some(None) => {}
            Some(Some(own)) => all.push((at(own.start), own.subject.clone())),
            None => all.push((at(start), plan.whole.subject.clone())),
        }
    }
    all.sort();
    all
}

/// The same by the text. Beyond the model's window nothing is looked at.
fn instances_of_text(text: &str, plan: &Plan) -> Vec<(Timestamp, String)> {
    let series = ical::Series::parse(text).unwrap();
    let zones = series.zones(&TimeZone::get("Europe/Berlin").unwrap());
    let last = plan.whole.start.date().saturating_add(Span::new().years(3));
    let bound = |date: jiff::civil::Date| {
        let zone = if plan.days { "Europe/Berlin" } else { plan.zone };
        instant(zone, date.to_datetime(jiff::civil::Time::midnight()))
    };
    let from = bound(plan.whole.start.date().saturating_sub(Span::new().days(10)));
    let to = bound(last.saturating_add(Span::new().days(10)));
    let found = ical::expand(&series, &zones, from, to);
    let mut all: Vec<(Timestamp, String)> = found
        .instances
        .iter()
        .filter(|one| zones.instant(&one.id) < bound(last))
        .map(|one| (one.start, one.event.text_of("SUMMARY").unwrap_or_default()))
        .collect();
    all.sort();
    all
}

/// What a phone sends of a change: from 16.0 on what has changed, before that everything.
fn change(
    id: &str,
    old: &Plan,
    new: &Plan,
    edit: &Edit,
    version: Version,
    dice: &mut Dice,
) -> Element {
    let mut command = vec![text(t::SERVER_ID, id)];
    if version < Version::V16_0 {
        command.push(tree(t::APPLICATION_DATA, write(new, version, dice)));
        return tree(t::CHANGE, command);
    }
    let clock = Clock { plan: new, midnights: false };
    let data = match edit {
        Edit::Whole => {
            let all = write(new, version, dice);
            let had = write(old, version, dice);
            let times = [c::START_TIME, c::END_TIME, c::TIMEZONE, c::ALL_DAY_EVENT, c::RECURRENCE];
            let moved = times.iter().any(|tag| {
                let of = |all: &[Element]| all.iter().find(|each| each.tag == *tag).cloned();
                of(&all) != of(&had)
            });
            let told = |each: &Element| !had.contains(each) || moved && times.contains(&each.tag);
            all.into_iter().filter(told).collect()
        }
        Edit::Instance(instance_id) => {
            command.push(text(b::INSTANCE_ID, &clock.at(*instance_id)));
            let Some(own) = &new.off[instance_id] else {
                return tree(t::DELETE, command);
            };
            let had = match old.off.get(instance_id) {
                Some(Some(had)) => had.clone(),
                _ => old.plain(*instance_id),
            };
            let had = instance(old, &had, clock, version, true);
            let all = instance(new, own, clock, version, true);
            let times = [c::START_TIME, c::END_TIME];
            let moved = all.iter().any(|each| times.contains(&each.tag) && !had.contains(each));
            let told = |each: &Element| !had.contains(each) || moved && times.contains(&each.tag);
            all.into_iter().filter(told).collect()
        }
    };
    command.push(tree(t::APPLICATION_DATA, data));
    tree(t::CHANGE, command)
}

struct Game<'o> {
    seed: u64,
    office: &'o Office,
    folder: MailboxId,
    fleet: Fleet<'o>,
    faults: Vec<String>,
}

impl Game<'_> {
    /// Everybody looks at everything.
    async fn look(&mut self, plans: &BTreeMap<String, Plan>, way: &str) {
        let folder = self.fleet.folder.clone();
        for reader in &mut self.fleet.readers {
            reader.pull(&folder).await;
            let version = reader.version();
            for (id, plan) in plans {
                let Some(shown) = reader.shown.get(id) else {
                    self.faults.push(format!("{way} to {version}: {id} is not there: {plan:?}"));
                    continue;
                };
                for fault in compare(&wanted(plan, version), &found(shown)) {
                    let about = format!("seed {} {id} {way} to {version}", self.seed);
                    self.faults.push(format!("{about}: {fault}"));
                }
            }
        }
        for (id, plan) in plans {
            let uid = Uid(id.split_once(':').unwrap().1.parse().unwrap());
            let text = item::text(&self.office.store.read(), self.folder, uid).unwrap();
            let (wanted, found) = (instances(plan), instances_of_text(&text, plan));
            if wanted != found {
                let missing = wanted.iter().find(|one| !found.contains(one));
                let more = found.iter().find(|one| !wanted.contains(one));
                let about = format!("seed {} {id} {way}", self.seed);
                self.faults.push(format!(
                    "{about}: the text lacks {missing:?} and has {more:?} of {:?}",
                    plan.rule
                ));
            }
        }
    }
}

async fn play(seed: u64) -> Vec<String> {
    let office = Office::new();
    let folder =
        collection::default(&office.store.read(), office.account, CollectionKind::Calendar);
    let folder = folder.unwrap().id;
    let fleet = Fleet::of(&office, &folder.number.to_string(), &VERSIONS).await;
    let mut game = Game { seed, office: &office, folder, fleet, faults: Vec::new() };
    let mut dice = Dice::new(seed);
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    let writer = dice.number(0..VERSIONS.len());
    let by = VERSIONS[writer];
    let made: Vec<Plan> =
        (0..EVENTS).map(|n| Plan::random(&mut dice, format!("{seed}-{n}"), able(by))).collect();
    let cases = made.iter().map(|plan| {
        let mut data = write(plan, by, &mut dice);
        let clock = Clock { plan, midnights: false };
        let mut instances = Vec::new();
        if by >= Version::V16_0 {
            data.push(text(c::CLIENT_UID, &plan.uid));
            data.retain(|each| each.tag != c::RECURRENCE || !each.children.is_empty());
            instances.extend(plan.off.iter().map(|(id, own)| {
                let data = own.as_ref().map(|own| instance(plan, own, clock, by, false));
                (clock.at(*id), data.unwrap_or_else(|| vec![text(c::DELETED, "1")]))
            }));
        }
        Case { data, instances, ..Case::default() }
    });
    let cases: Vec<Case> = cases.collect();
    let items = game.fleet.add(writer, cases).await;
    plans.extend(items.into_iter().map(|item| item.id).zip(made));
    let folder = game.fleet.folder.clone();
    let echo = exchange(&mut game.fleet.writers[writer], &folder, &[]).await;
    let told = echo.is_some_and(|echo| echo.has(t::COMMANDS));
    assert!(!told, "seed {seed} {by} hears of its own events");
    game.look(&plans, &by.to_string()).await;
    for _ in 0..ROUNDS {
        if !game.faults.is_empty() {
            break;
        }
        let editor = dice.number(0..VERSIONS.len());
        let by = VERSIONS[editor];
        catch_up(&mut game.fleet.writers[editor], &folder).await;
        let mut commands = Vec::new();
        for (id, plan) in &mut plans {
            let old = plan.clone();
            let edit = plan.edit(&mut dice, able(by));
            commands.push(change(id, &old, plan, &edit, by, &mut dice));
        }
        let phone = &mut game.fleet.writers[editor];
        commit(phone, &folder, &commands).await;
        let echo = exchange(phone, &folder, &[]).await;
        let told = echo.is_some_and(|echo| echo.has(t::COMMANDS));
        assert!(!told, "seed {seed} {by} hears of its own changes");
        game.look(&plans, &format!("by {by}")).await;
    }
    game.faults
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_same_to_everybody() {
    let mut faults = Vec::new();
    for seed in seeds(6) {
        faults.extend(play(seed).await);
    }
    none(faults);
}
