//! Events, tasks, contacts and notes at random: what a phone of one version writes is what a
//! phone of any other shows, and what the text says to everybody else, through one change after
//! the other by phones of all versions. Only what a version has no words for may be missing there,
//! and nobody hears of an own change.
//!
//! `KONTOR_SEED=A-B` plays other games than the usual ones.

mod events;
mod hostile;
mod others;
mod plan;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

/// What happens next.
pub struct Dice(StdRng);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(StdRng::seed_from_u64(seed))
    }

    fn number<T, R>(&mut self, range: R) -> T
    where
        T: rand::distr::uniform::SampleUniform,
        R: rand::distr::uniform::SampleRange<T>,
    {
        self.0.random_range(range)
    }

    /// One time in so many.
    fn chance(&mut self, of: u32) -> bool {
        self.number(0..of) == 0
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.number(0..all.len())]
    }
}

/// The games to play: a few, or those that somebody asks for.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("KONTOR_SEED") else { return 0..usual };
    let (from, to) = asked.split_once('-').unwrap_or((&asked, &asked));
    from.parse().unwrap()..to.parse::<u64>().unwrap() + 1
}

/// A phone takes everything that there is to be told.
async fn catch_up(phone: &mut Phone<'_>, folder: &str) {
    while exchange(phone, folder, &[]).await.is_some_and(|told| told.has(t::COMMANDS)) {}
}

/// What is to be seen of an item, by name.
type Facts = BTreeMap<String, String>;

/// How what is shown differs from what it should be.
fn compare(wanted: &Facts, found: &Facts) -> Vec<String> {
    let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    let differ = |name: &&String| wanted.get(*name) != found.get(*name);
    let line = |name: &String| {
        format!("{name} is {:?} where it was {:?}", found.get(name), wanted.get(name))
    };
    names.into_iter().filter(differ).map(line).collect()
}
