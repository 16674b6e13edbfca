//! An organizer who changes his mind at random, and mail that comes in any order, twice, or late:
//! once all has arrived, the attendee's calendar says what the organizer's says.
//!
//! `KONTOR_SEED=A-B` plays other games than the usual ones.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::format::ical::{self, Event, Property, Time};

/// Original starts of the series: Mondays at ten.
const WEEKS: u32 = 6;

struct Game {
    office: Office,
    random: StdRng,
    /// What is on its way to Ben.
    mail: Vec<(usize, Sent)>,
    told: Vec<String>,
}

/// When it takes place, and what it is then.
fn view(series: Option<&Series>, who: &str) -> BTreeSet<String> {
    let Some(series) = series else { return BTreeSet::new() };
    let zones = series.zones(&TimeZone::UTC);
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let (from, to) = (at("2026-08-01T00:00:00Z"), at("2027-08-01T00:00:00Z"));
    let found = ical::expand(series, &zones, from, to);
    let there = found.instances.iter().filter(|one| {
        let invited = one.event.all("ATTENDEE").any(|line| line.value.ends_with(who));
        invited && one.event.value_of("STATUS") != Some("CANCELLED")
    });
    let line = |one: &ical::Instance<'_>| {
        let of = |name| one.event.text_of(name).unwrap_or_default();
        format!("{} to {}: {} in {}", one.start, one.end, of("SUMMARY"), of("LOCATION"))
    };
    there.map(line).collect()
}

impl Game {
    fn new(seed: u64) -> Game {
        let random = StdRng::seed_from_u64(seed);
        Game { office: Office::new(), random, mail: Vec::new(), told: Vec::new() }
    }

    fn roll(&mut self, sides: u32) -> u32 {
        self.random.random_range(0..sides)
    }

    /// What the outbox holds is on its way from here on.
    fn collect(&mut self, step: usize) {
        let read = self.office.store.read();
        for (number, entry) in outbox::list(&read, None, 1000).unwrap() {
            let body = read.body_row(entry.content).unwrap().unwrap();
            let raw = read.with_body(&body.at, <[u8]>::to_vec).unwrap();
            self.office.run(move |tx| Ok(outbox::take(tx, number)?)).unwrap();
            if !entry.recipients.iter().any(|to| to.starts_with("ben@")) {
                continue;
            }
            let message = messages(&raw).remove(0);
            self.mail.push((
                step,
                Sent {
                    from: entry.sender.unwrap_or_default(),
                    to: entry.recipients.clone(),
                    subject: String::new(),
                    method: message.method,
                    calendar: message.series.calendar.clone(),
                    raw,
                },
            ));
        }
    }

    /// One of what is on its way arrives; sometimes it will come once more.
    fn arrive(&mut self) {
        if self.mail.is_empty() {
            return;
        }
        let at = self.roll(self.mail.len() as u32) as usize;
        let again = self.roll(5) == 0;
        let (step, sent) = match again {
            true => self.mail[at].clone(),
            false => self.mail.swap_remove(at),
        };
        let done = self.office.arrive(self.office.ben, &sent.raw);
        self.told.push(format!("  {} of {step} came: {done:?}", sent.method.name()));
    }

    fn start(&mut self) -> Time {
        let week = self.roll(WEEKS);
        let day = jiff::civil::date(2026, 8, 10).saturating_add(jiff::Span::new().weeks(week));
        let series = self.office.event(self.office.anna).unwrap().2;
        let start = series.master().unwrap().first("DTSTART").and_then(Time::read).unwrap();
        start.at(day.to_datetime(start.at.time()))
    }

    /// Anna changes something; `false` if there is nothing left to be changed.
    fn change(&mut self) -> bool {
        let anna = self.office.anna;
        let Some((_, _, mut series)) = self.office.event(anna) else { return false };
        let what = self.roll(11);
        let (number, id) = (self.roll(1_000), self.start());
        let is_it = |event: &Component| {
            event.first("RECURRENCE-ID").and_then(Time::read).is_some_and(|other| other == id)
        };
        let without = |master: &mut Component, all: bool| {
            let gone = master.all("EXDATE").flat_map(Time::read_all);
            let kept: Vec<Time> = gone.filter(|other| !all && *other != id).collect();
            master.remove("EXDATE");
            kept.iter().for_each(|time| master.push(time.property("EXDATE")));
        };
        let anew = |series: &mut Series| {
            series.calendar.components.retain(|part| !part.has("RECURRENCE-ID"));
            without(series.master_mut().unwrap(), true);
        };
        let person = Property::new("ATTENDEE", "mailto:ben@office.example");
        let mut told = format!("{what} {}", id.value());
        match what {
            0 | 1 => {
                let name = if what == 0 { "SUMMARY" } else { "LOCATION" };
                series.master_mut().unwrap().set_text(name, Some(&number.to_string()));
            }
            2 => {
                anew(&mut series);
                let master = series.master_mut().unwrap();
                for (name, minutes) in [("DTSTART", 0), ("DTEND", 45)] {
                    let time = master.first(name).and_then(Time::read).unwrap();
                    let hour = (number % 10) as i8 + 8;
                    let at = time.at.date().at(hour, minutes, 0, 0);
                    master.set(time.at(at).property(name));
                }
            }
            3 => {
                anew(&mut series);
                let rule = format!("FREQ=WEEKLY;COUNT={}", WEEKS + number % 4);
                series.master_mut().unwrap().set_value("RRULE", Some(&rule));
            }
            4 | 5 => {
                series.calendar.components.retain(|event| !is_it(event));
                without(series.master_mut().unwrap(), false);
                // Sometimes it comes back as the series has it.
                if what == 4 {
                    series.master_mut().unwrap().push(id.property("EXDATE"));
                }
            }
            6..=8 => {
                without(series.master_mut().unwrap(), false);
                let zones = series.zones(&TimeZone::UTC);
                let known = series.calendar.children("VEVENT").find(|event| is_it(event)).cloned();
                let mut own = known.unwrap_or_else(|| {
                    let master = series.master().unwrap();
                    let event = Event::new(master, &zones);
                    let length = event.end().unwrap().at.duration_since(event.start().unwrap().at);
                    let mut own = master.clone();
                    ["RRULE", "EXDATE"].iter().for_each(|name| own.remove(name));
                    own.set(id.property("RECURRENCE-ID"));
                    own.set(id.property("DTSTART"));
                    own.set(id.at(id.at.saturating_add(length)).property("DTEND"));
                    own
                });
                if what == 6 {
                    own.set_text("SUMMARY", Some(&number.to_string()));
                } else if what == 7 {
                    let day = id.at.date().saturating_add(jiff::Span::new().days(number % 5));
                    for (name, minutes) in [("DTSTART", 0), ("DTEND", 30)] {
                        let at = day.at((number % 12) as i8 + 6, minutes, 0, 0);
                        own.set(id.at(at).property(name));
                    }
                } else {
                    let ben = |line: &Property| line.value.ends_with("ben@office.example");
                    match own.properties.iter().any(ben) {
                        true => own.properties.retain(|line| !ben(line)),
                        false => own.push(person),
                    }
                }
                series.calendar.components.retain(|event| !is_it(event));
                series.calendar.components.push(own);
            }
            9 => {
                // All of it without Ben, or with him again.
                let ben = |line: &Property| line.value.ends_with("ben@office.example");
                let there = series.master().unwrap().properties.iter().any(ben);
                for event in series.calendar.children_mut("VEVENT") {
                    event.properties.retain(|line| !ben(line));
                    if !there {
                        event.push(person.clone());
                    }
                }
            }
            _ if number < 150 => {
                self.office.remove(anna, Sends::Server);
                self.told.push("Anna removes it".into());
                return true;
            }
            _ => told += ", nothing",
        }
        self.office.change(anna, Sends::Server, |_| series.calendar.to_string());
        self.told.push(format!("Anna changes {told}"));
        true
    }
}

/// A whole life of a meeting. Returns what went wrong.
fn play(seed: u64) -> Option<String> {
    let mut game = Game::new(seed);
    let text = SERIES.replace("COUNT=5", &format!("COUNT={WEEKS}"));
    game.office.add(game.office.anna, &text, Sends::Server);
    game.collect(0);
    for step in 1..8 {
        // Otherwise the mail is late.
        for _ in 0..game.roll(4) {
            game.arrive();
        }
        if !game.change() {
            break;
        }
        game.collect(step);
    }
    while !game.mail.is_empty() {
        game.arrive();
    }
    let (anna, ben) = (game.office.event(game.office.anna), game.office.event(game.office.ben));
    let wanted = view(anna.as_ref().map(|(.., series)| series), "ben@office.example");
    let found = view(ben.as_ref().map(|(.., series)| series), "ben@office.example");
    game.office.check();
    let lacks: Vec<_> = wanted.difference(&found).collect();
    let more: Vec<_> = found.difference(&wanted).collect();
    (wanted != found).then(|| {
        format!("seed {seed}: Ben lacks {lacks:?}, has {more:?}\n{}", game.told.join("\n"))
    })
}

#[test]
fn mail_in_any_order_ends_in_the_same_calendar() {
    let asked = std::env::var("KONTOR_SEED").unwrap_or_else(|_| "0-29".into());
    let (from, to) = asked.split_once('-').unwrap_or((&asked, &asked));
    let seeds = from.parse().unwrap()..=to.parse::<u64>().unwrap();
    let all = seeds.clone().count();
    let faults: Vec<String> = seeds.filter_map(play).collect();
    let some: Vec<&str> = faults.iter().take(6).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} of {all}:\n{}", faults.len(), some.join("\n\n"));
}
