//! Two phones and an IMAP client on one account, all at once, with lost answers, repeated
//! requests and `kill -9`: mail and drafts, contacts, events, tasks and notes are made, changed,
//! moved and removed, folders come and go, windows change. After quiet, all hold the same:
//! nothing lost, nothing doubled, and no phone had to start over.
//!
//! A few kills belong to every run; `KONTOR_SOAK=SECONDS` goes on for that long, and
//! `KONTOR_SEED` repeats a run's dice.

mod desk;
mod hand;
mod items;
mod ledger;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::eas::model::{IPHONE, Model, WINDOWS_PHONE_8_1};
use crate::support::{Account, Dice, Server};

use hand::Hand;
use ledger::Ledger;

/// Everything of a full day; no phone's window leaves any of it out at first.
static ALL_DAYS: [Model; 2] =
    [Model { filter: (0, 0), ..WINDOWS_PHONE_8_1 }, Model { filter: (0, 0), window: 7, ..IPHONE }];

/// By folder, what each item is and how it looks.
type View = BTreeMap<String, BTreeMap<String, String>>;

/// What differs between two views, for a failure's text.
fn difference(one: &View, two: &View) -> Vec<String> {
    let mut lines = Vec::new();
    let folders: BTreeSet<_> = one.keys().chain(two.keys()).collect();
    for folder in folders {
        let (Some(items), Some(others)) = (one.get(folder), two.get(folder)) else {
            lines.push(format!("{folder} is in one only"));
            continue;
        };
        let names: BTreeSet<_> = items.keys().chain(others.keys()).collect();
        for name in names {
            if items.get(name) != others.get(name) {
                let line =
                    format!("{folder}/{name}: {:?}, {:?}", items.get(name), others.get(name));
                lines.push(line);
            }
        }
    }
    lines
}

#[test]
fn two_phones_and_a_desk_end_with_the_same() {
    let soak: Option<u64> = std::env::var("KONTOR_SOAK").ok().and_then(|s| s.parse().ok());
    let seed = std::env::var("KONTOR_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("KONTOR_SEED={seed}");
    let mut server = Server::setup().env("KONTOR_LIMITS_CONNECTS_PER_SECOND", 10_000).start();
    let (account, peer) = (server.account(), server.account());
    let mut imap = server.imap(&account);
    for mailbox in ["Archive", "Trash", "Drafts", "Sent"] {
        // Some of them are there from the start.
        imap.cmd(&format!("CREATE {mailbox}"));
    }
    let ledger = Ledger::default();
    let mut hands: Vec<_> = ALL_DAYS
        .iter()
        .zip(1..)
        .map(|(model, number)| Hand::new(&server, model, &account, &peer, seed ^ number))
        .collect();
    let mut dice = Dice::new(seed);
    let (started, mut rounds) = (Instant::now(), 0);
    let going = |rounds| match soak {
        Some(seconds) => started.elapsed() < Duration::from_secs(seconds),
        None => rounds < 5,
    };
    while going(rounds) {
        let stop = AtomicBool::new(false);
        let ports = server.ports;
        let pause = Duration::from_millis([50, 300, 600, 900][dice.roll(4)]);
        // Not every round ends with a crash.
        let crash = dice.roll(4) != 0;
        std::thread::scope(|scope| {
            for hand in &mut hands {
                let (ledger, stop) = (&ledger, &stop);
                scope.spawn(move || hand.work(ledger, stop));
            }
            let desk_dice = Dice::new(seed ^ dice.roll(1 << 30) as u64);
            let (ledger, stop, account) = (&ledger, &stop, &account);
            scope.spawn(move || desk::deliver(ledger, account, ports, stop));
            scope.spawn(move || desk::work(ledger, account, ports, desk_dice, stop));
            // Not waiting for anything: the moment is to be random.
            std::thread::sleep(pause);
            if crash {
                server.kill();
            }
            stop.store(true, Ordering::Relaxed);
        });
        if crash {
            server.start();
            hands.iter_mut().for_each(|hand| hand.phone.hang_up());
        }
        rounds += 1;
        compare(&server, &account, &mut hands, &ledger);
        arrived_once(&server, &peer, &ledger);
        desk::thin_out(&server, &account, &ledger);
    }
    let lost: usize = hands.iter().map(|hand| hand.lost).sum();
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for (what, count) in hands.iter().flat_map(|hand| &hand.done) {
        *done.entry(what).or_default() += count;
    }
    println!("{rounds} rounds, {lost} answers lost, {:?}, {done:?}", started.elapsed());
    assert!(lost > 10, "hardly any answer was lost");
    let report = server.try_cli(&["check"], "");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
}

fn compare(server: &Server, account: &Account, hands: &mut [Hand], ledger: &Ledger) {
    hands.iter_mut().for_each(|hand| drop(hand.quiet(ledger)));
    // The first phone may have been told by the second's last request: once more.
    let views: Vec<_> = hands.iter_mut().map(|hand| hand.quiet(ledger)).collect();
    let imap = desk::view(server, account);
    for (hand, view) in hands.iter().zip(&views) {
        let mut mail = view.clone();
        mail.retain(|path, _| hand.is_mail(path));
        let different = difference(&imap, &mail);
        assert!(different.is_empty(), "IMAP and {}: {different:#?}", hand.phone.model.name);
    }
    let different = difference(&views[0], &views[1]);
    assert!(different.is_empty(), "the two phones: {different:#?}");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for identity in views[0].values().flat_map(BTreeMap::keys) {
        *counts.entry(identity).or_default() += 1;
    }
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "doubled: {twice:?}");
    let lost = ledger.missing(&hands[0].phone.folders, |id| counts.contains_key(id));
    assert!(lost.is_empty(), "lost: {lost:?}");
}

/// What a phone sent out of Drafts reached whom it was for, and did so once.
fn arrived_once(server: &Server, peer: &Account, ledger: &Ledger) {
    let arrived = desk::subjects(&mut server.imap(peer), "INBOX");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    arrived.iter().for_each(|(id, _)| *counts.entry(id).or_default() += 1);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "arrived twice: {twice:?}");
    let known = ledger.known();
    let missing: Vec<_> =
        known.sent.iter().filter(|id| !counts.contains_key(id.as_str())).collect();
    assert!(missing.is_empty(), "sent and never arrived: {missing:?}");
}
