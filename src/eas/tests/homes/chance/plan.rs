//! What a random event is, whoever tells it: the model that phones and texts are held against.

use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::super::UGLY;
use super::Dice;

/// Zones whose rules are the same in all years from 2023 on, so that a phone's 172 bytes of one
/// year tell all of it.
const LASTING: [&str; 16] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Sydney",
    "America/Santiago",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "UTC",
    "Asia/Tokyo",
    "Europe/Dublin",
    "America/Sao_Paulo",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
];

/// Zones that have changed their minds, or do each year: for single events.
const FICKLE: [&str; 6] = [
    "Asia/Jerusalem",
    "Africa/Cairo",
    "Europe/Moscow",
    "Africa/Casablanca",
    "America/Asuncion",
    "Asia/Tehran",
];

/// An event, with what is different about its instances by their original start.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub uid: String,
    pub zone: &'static str,
    pub days: bool,
    pub rule: Option<Rule>,
    pub whole: Looks,
    pub people: Vec<Person>,
    pub off: std::collections::BTreeMap<DateTime, Option<Looks>>,
}

/// What an event is like, or one of its instances. Of whole days the length is days too.
#[derive(Clone, Debug, PartialEq)]
pub struct Looks {
    pub start: DateTime,
    pub minutes: i64,
    pub subject: String,
    pub place: String,
    pub body: String,
    pub names: Vec<String>,
    pub busy: u8,
    pub secret: u8,
    pub reminder: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub email: String,
    pub name: String,
    pub kind: u8,
}

/// The elements of Recurrence (MS-ASCAL 2.2.2.35).
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub kind: u8,
    pub interval: u32,
    pub mask: u8,
    pub day: i8,
    pub week: u8,
    pub month: i8,
    pub first: Option<u8>,
    pub end: End,
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Never,
    Count(u32),
    Until(DateTime),
}

fn bit(day: Date) -> u8 {
    1 << day.weekday().to_sunday_zero_offset()
}

impl Rule {
    pub fn random(dice: &mut Dice) -> Rule {
        let kind = *dice.of(&[0, 1, 1, 2, 2, 3, 3, 5, 6]);
        let (mask, week) = match kind {
            1 => (dice.number(1..128), 0),
            _ => (*dice.of(&[127, 62, 65, 1, 2, 16, 64, 42]), dice.number(1..6)),
        };
        // The first of all days is the first of the month, and told as that.
        let week = if mask == 127 { week.max(5) } else { week };
        let month = dice.number(1..13);
        let last = match (kind, month) {
            (5, 2) => 29,
            (5, 4 | 6 | 9 | 11) => 30,
            _ => 31,
        };
        Rule {
            kind,
            interval: *dice.of(&[1, 1, 1, 2, 3, 4, 12]),
            mask,
            day: *dice.of(&[1, 15, 28, 29, 30, 31, 31]).min(&last),
            week,
            month,
            first: None,
            end: End::Never,
        }
    }

    /// Whether a day is one of those named, of whatever week or month.
    fn names(&self, day: Date) -> bool {
        let masked = self.mask & bit(day) != 0;
        let nth = || {
            let all: Vec<i8> = (1..=day.days_in_month())
                .filter(|n| self.mask & bit(day.with().day(*n).build().unwrap()) != 0)
                .collect();
            let wanted = match self.week {
                5 => all.last(),
                week => all.get(usize::from(week) - 1),
            };
            wanted == Some(&day.day())
        };
        match self.kind {
            0 => true,
            1 => masked,
            2 => day.day() == self.day,
            3 => nth(),
            5 => day.day() == self.day && day.month() == self.month,
            _ => nth() && day.month() == self.month,
        }
    }

    /// Whether it takes place on a day, if it begins on another.
    fn hits(&self, begin: Date, day: Date) -> bool {
        let months = |day: Date| i64::from(day.year()) * 12 + i64::from(day.month());
        let week = |day: Date| {
            let first = self.first.unwrap_or(1);
            let begin = Weekday::from_sunday_zero_offset(first as i8).unwrap();
            let since = day.weekday().since(begin);
            day.saturating_sub(Span::new().days(since))
        };
        let between = |a: Date, b: Date| i64::from(a.until(b).unwrap().get_days());
        let apart = match self.kind {
            0 => between(begin, day),
            1 => between(week(begin), week(day)) / 7,
            2 | 3 => months(day) - months(begin),
            _ => i64::from(day.year()) - i64::from(begin.year()),
        };
        self.names(day) && apart % i64::from(self.interval) == 0
    }

    /// The first day from one on that a series may begin on.
    fn begin(&self, from: Date) -> Date {
        let mut day = from;
        while !self.names(day) {
            day = day.tomorrow().unwrap();
        }
        day
    }

    /// The original starts until a day, day by day: slow, and plainly right.
    pub fn starts(&self, begin: DateTime, to: Date) -> Vec<DateTime> {
        let mut all = Vec::new();
        let mut day = begin.date();
        while day < to {
            let at = day.to_datetime(begin.time());
            let over = match self.end {
                End::Never => false,
                End::Count(count) => all.len() >= count as usize,
                End::Until(last) => at > last,
            };
            if over {
                break;
            }
            if self.hits(begin.date(), day) {
                all.push(at);
            }
            day = day.tomorrow().unwrap();
        }
        all
    }
}

/// The instant of a time by the clock of a zone.
pub fn instant(zone: &str, at: DateTime) -> Timestamp {
    let zone = TimeZone::get(zone).unwrap();
    zone.to_ambiguous_timestamp(at).compatible().unwrap()
}

/// What the clock of a zone shows then, which it jumps over at some times.
fn shown(zone: &str, at: DateTime) -> DateTime {
    TimeZone::get(zone).unwrap().to_datetime(instant(zone, at))
}

pub fn words(dice: &mut Dice) -> String {
    let some = ["Lunch", "", UGLY, "a; b, c\\n", "Besprechung im Büro", "会議", "x=\"1\":2"];
    dice.of(&some).to_string()
}

fn names(dice: &mut Dice) -> Vec<String> {
    let all = ["Work", "Two, three; four", "Žoë \\ 🦀", "a b"];
    all.iter().filter(|_| dice.chance(3)).map(|name| name.to_string()).collect()
}

fn reminder(dice: &mut Dice) -> Option<u32> {
    *dice.of(&[None, Some(0), Some(15), Some(60), Some(1_440), Some(10_080)])
}

fn minutes(dice: &mut Dice, days: bool) -> i64 {
    match days {
        true => 1_440 * dice.number(1..4),
        false => *dice.of(&[30, 60, 90, 0, 1, 1_440, 2_000]),
    }
}

fn people(dice: &mut Dice, types: bool) -> Vec<Person> {
    let all = [("ben", "Ben"), ("cy", "Cy; \"C\""), ("dee", "Žoë Dee"), ("eve", "e,v:e")];
    let mut people = Vec::new();
    for (email, name) in all {
        if dice.chance(2) {
            let kind = if types { dice.number(1..4) } else { 1 };
            people.push(Person {
                email: format!("{email}@else.example"),
                name: name.to_owned(),
                kind,
            });
        }
    }
    people
}

impl Looks {
    fn random(dice: &mut Dice, start: DateTime, days: bool, busiest: u8) -> Looks {
        Looks {
            start,
            minutes: minutes(dice, days),
            subject: words(dice),
            place: words(dice),
            body: words(dice),
            names: names(dice),
            busy: dice.number(0..busiest + 1),
            secret: dice.number(0..4),
            reminder: reminder(dice),
        }
    }

    /// Changes one thing, which is not the time.
    fn change(&mut self, dice: &mut Dice, busiest: u8) {
        let shown = if busiest < 4 && self.busy == 4 { 0 } else { self.busy };
        match dice.number(0..7) {
            0 => self.subject = words(dice),
            1 => self.place = words(dice),
            2 => self.body = words(dice),
            3 => self.names = names(dice),
            4 => {
                let new = dice.number(0..busiest + 1);
                if new != shown {
                    self.busy = new;
                }
            }
            5 => self.secret = dice.number(0..4),
            _ => self.reminder = reminder(dice),
        }
    }

    /// Takes over what has changed about the series, where it was as the series.
    fn follow(&mut self, old: &Looks, new: &Looks) {
        let own = self.clone();
        *self = Looks { start: own.start, minutes: own.minutes, ..new.clone() };
        macro_rules! keep {
            ($($field:ident),*) => {
                $(if own.$field != old.$field { self.$field = own.$field; })*
            };
        }
        keep!(subject, place, body, names, busy, secret, reminder);
    }
}

/// What a phone can say.
#[derive(Clone, Copy)]
pub struct Able {
    pub types: bool,
    pub first_day: bool,
    pub elsewhere: bool,
}

impl Able {
    fn busiest(self) -> u8 {
        if self.elsewhere { 4 } else { 3 }
    }
}

/// What was changed, for phones that tell only that.
#[derive(Debug, PartialEq)]
pub enum Edit {
    Whole,
    Instance(DateTime),
}

impl Plan {
    pub fn random(dice: &mut Dice, uid: String, able: Able) -> Plan {
        let days = dice.chance(4);
        let mut plan = Plan {
            uid,
            zone: "UTC",
            days,
            rule: None,
            whole: Looks::random(dice, DateTime::default(), days, able.busiest()),
            people: if dice.chance(3) { people(dice, able.types) } else { Vec::new() },
            off: Default::default(),
        };
        let recurs = dice.chance(2);
        plan.set_times(dice, recurs, able);
        for _ in 0..dice.number(0..4) {
            plan.change_instance(dice, able);
        }
        plan
    }

    /// New times, and a rule that goes with them; the instances of before mean nothing then.
    fn set_times(&mut self, dice: &mut Dice, recurs: bool, able: Able) {
        self.off.clear();
        let first = self.rule.take().and_then(|rule| rule.first);
        self.whole.minutes = minutes(dice, self.days);
        let time = match self.days {
            true => jiff::civil::time(0, 0, 0, 0),
            false => {
                let hours = [0, 1, 2, 3, 9, 12, 14, 23];
                jiff::civil::time(*dice.of(&hours), *dice.of(&[0, 15, 30, 59]), 0, 0)
            }
        };
        if !recurs {
            let zones = if dice.chance(2) { &FICKLE[..] } else { &LASTING[..] };
            self.zone = *dice.of(zones);
            let year = *dice.of(&[1905, 1943, 1970, 1999, 2012, 2020, 2023, 2026, 2037, 2099]);
            let day = date(year, dice.number(1..13), dice.number(1..29));
            self.whole.start = day.to_datetime(time);
            return;
        }
        self.zone = *dice.of(&LASTING);
        let mut rule = Rule::random(dice);
        rule.first = match rule.kind == 1 && able.first_day {
            true => Some(dice.number(0..7)),
            false => first,
        };
        // Where nothing is said the week begins on Monday, also where that is said.
        rule.first = rule.first.filter(|day| *day != 1 || first.is_some());
        let day = date(dice.number(2023..2029), dice.number(1..13), dice.number(1..29));
        // A phone tells an instant, which is by no clock within the hour that one jumps over: the
        // digits are those of after (RFC 5545 3.3.5), also on all days that follow.
        self.whole.start = match self.days {
            true => rule.begin(day).to_datetime(time),
            false => shown(self.zone, rule.begin(day).to_datetime(time)),
        };
        rule.end = match dice.number(0..3) {
            0 => End::Never,
            1 => End::Count(dice.number(1..30)),
            _ => {
                let far = Span::new().days(dice.number(1..1_500));
                End::Until(self.whole.start.saturating_add(far))
            }
        };
        self.rule = Some(rule);
    }

    /// The original starts of some instances.
    pub fn some_starts(&self) -> Vec<DateTime> {
        let to = self.whole.start.date().saturating_add(Span::new().years(3));
        self.rule.as_ref().map_or_else(Vec::new, |rule| rule.starts(self.whole.start, to))
    }

    /// An instance as the series says.
    pub fn plain(&self, start: DateTime) -> Looks {
        Looks { start, ..self.whole.clone() }
    }

    fn change_instance(&mut self, dice: &mut Dice, able: Able) -> Option<Edit> {
        let mut starts = self.some_starts();
        starts.truncate(12);
        if starts.is_empty() {
            return None;
        }
        let id = *dice.of(&starts);
        let old = match self.off.get(&id) {
            Some(None) => return None,
            Some(Some(old)) => old.clone(),
            None => self.plain(id),
        };
        if dice.chance(4) {
            self.off.insert(id, None);
            return Some(Edit::Instance(id));
        }
        let mut new = old;
        for _ in 0..dice.number(0..3) {
            new.change(dice, able.busiest());
        }
        if dice.chance(2) {
            let far = Span::new().days(dice.number(-3..4));
            new.start = id.saturating_add(far);
            if !self.days {
                new.start = new.start.with().hour(dice.number(4..22)).build().unwrap();
            }
            new.minutes = minutes(dice, self.days);
        }
        self.off.insert(id, Some(new));
        Some(Edit::Instance(id))
    }

    /// Somebody changes something. Returns what.
    pub fn edit(&mut self, dice: &mut Dice, able: Able) -> Edit {
        let choice = dice.number(0..10);
        if choice < 3
            && let Some(edit) = self.change_instance(dice, able)
        {
            return edit;
        }
        match choice {
            3 => {
                let recurs = dice.chance(2);
                self.days = dice.chance(4);
                self.set_times(dice, recurs, able);
            }
            4 => self.whole.minutes = minutes(dice, self.days),
            5 => {
                let had = std::mem::replace(&mut self.people, people(dice, able.types));
                // Who cannot tell it does not change it.
                for who in self.people.iter_mut().filter(|_| !able.types) {
                    let old = had.iter().find(|old| old.email == who.email);
                    who.kind = old.map_or(1, |old| old.kind);
                }
            }
            6 => {
                self.rule = None;
                self.off.clear();
            }
            _ => {
                let old = self.whole.clone();
                for _ in 0..dice.number(1..4) {
                    self.whole.change(dice, able.busiest());
                }
                for own in self.off.values_mut().flatten() {
                    own.follow(&old, &self.whole);
                }
            }
        }
        Edit::Whole
    }
}
