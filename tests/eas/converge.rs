//! Two phones and an IMAP client on one account, all at once, with lost answers, repeated
//! requests and `kill -9`. After quiet, all hold the same: nothing lost, nothing doubled, and
//! no phone had to start over.
//!
//! A few kills belong to every run; `KONTOR_SOAK=SECONDS` goes on for that long, and
//! `KONTOR_SEED` repeats a run's dice.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use kontor::format::wbxml::tags::{air_sync as t, calendar, contacts, email};
use kontor::format::wbxml::{self, Element, Tag};

use crate::support::eas::model::{IPHONE, Model, WINDOWS_PHONE_8_1};
use crate::support::eas::{Phone, delete, mark_read, text, tree};
use crate::support::net::Conn;
use crate::support::server::Ports;
use crate::support::{Account, Dice, Imap, PATIENCE, Server, Smtp, message};

/// Everything of a full day; no phone's window leaves any of it out.
static ALL_DAYS: [Model; 2] =
    [Model { filter: (0, 0), ..WINDOWS_PHONE_8_1 }, Model { filter: (0, 0), window: 7, ..IPHONE }];

const BOXES: [&str; 3] = ["INBOX", "Archive", "Trash"];

/// What everybody did.
#[derive(Default)]
struct Ledger {
    next: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The server said that it has them.
    acknowledged: BTreeSet<String>,
    /// Somebody asked for their removal for good.
    removed: BTreeSet<String>,
}

impl Ledger {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no panic while held")
    }

    fn fresh(&self) -> String {
        format!("m{}", self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A person with a phone: does things, loses answers, repeats what was not answered.
struct Hand {
    phone: Phone,
    dice: Dice,
    /// Mailboxes, contacts, calendar: all that the phone syncs.
    folders: Vec<String>,
    trash: String,
    /// The request that has no answer yet, byte by byte.
    open: Option<Vec<u8>>,
    lost: usize,
}

impl Hand {
    fn new(server: &Server, model: &'static Model, account: &Account, seed: u64) -> Hand {
        let mut phone = Phone::quick(server, model, account);
        phone.folder_sync();
        let mut folders: Vec<_> = phone
            .folders
            .iter()
            .filter(|(_, folder)| matches!(folder.kind, 2 | 4 | 8 | 9) || folder.name == "Archive")
            .map(|(id, _)| id.clone())
            .collect();
        folders.sort();
        assert_eq!(folders.len(), 5, "{:?}", phone.folders);
        let trash = phone.folder(4);
        let all: Vec<_> = folders.iter().map(String::as_str).collect();
        phone.sync(&all);
        Hand { phone, dice: Dice::new(seed), folders, trash, open: None, lost: 0 }
    }

    /// Goes on until told to stop; the server may be gone at any time.
    fn work(&mut self, ledger: &Ledger, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let request = match self.open.take() {
                // With the key that it had: this is what the server has to recognise.
                Some(open) => open,
                None => wbxml::encode(&self.next(ledger)),
            };
            if self.ask(request, 5).is_err() {
                self.phone.hang_up();
                std::thread::sleep(Duration::from_millis(3));
            }
        }
    }

    /// Sends a Sync and believes its answer; one of `luck` answers is never read.
    fn ask(&mut self, request: Vec<u8>, luck: usize) -> io::Result<bool> {
        self.open = Some(request.clone());
        let http = self.phone.send("Sync", &request)?;
        if luck > 0 && self.dice.roll(luck) == 0 {
            std::thread::sleep(Duration::from_millis(self.dice.roll(12) as u64));
            drop(http);
            self.phone.hang_up();
            self.lost += 1;
            return Ok(true);
        }
        let reply = self.phone.answer("Sync", http, PATIENCE)?;
        self.open = None;
        match self.phone.take(&reply) {
            Ok(news) => Ok(news),
            // The server took an older request, whose connection was cut, for a newer one.
            Err(status) if status == "16" => {
                self.open = Some(request);
                Ok(true)
            }
            Err(status) => panic!("status {status}: {}", reply.root()),
        }
    }

    /// The next request: a look at everything, or something of the phone's own.
    fn next(&mut self, ledger: &Ledger) -> Element {
        let folder = self.folders[self.dice.roll(self.folders.len())].clone();
        let commands = match self.dice.roll(4) {
            0 => Vec::new(),
            _ => self.commands(&folder, ledger),
        };
        if commands.is_empty() {
            let all: Vec<_> = self.folders.iter().map(String::as_str).collect();
            return self.phone.sync_request(&all);
        }
        let collection = self.phone.collection(&folder, commands);
        tree(t::SYNC, [tree(t::COLLECTIONS, [collection])])
    }

    fn commands(&mut self, folder: &str, ledger: &Ledger) -> Vec<Element> {
        match self.phone.class(folder) {
            "Email" => self.on_mail(folder, ledger),
            class => self.on_items(folder, class, ledger),
        }
    }

    /// An item of a folder, by chance.
    fn pick(&mut self, folder: &str) -> Option<(String, Element)> {
        let held = self.phone.held.get(folder)?;
        let at = self.dice.roll(held.items.len().max(1));
        held.items.iter().nth(at).map(|(id, data)| (id.clone(), data.clone()))
    }

    fn set(&mut self, folder: &str, id: &str, changed: Element) {
        let held = self.phone.held.get_mut(folder).expect("picked from it");
        let item = held.items.get_mut(id).expect("picked from it");
        item.children.retain(|child| child.tag != changed.tag);
        item.children.push(changed);
    }

    fn drop(&mut self, folder: &str, id: &str) {
        let held = self.phone.held.get_mut(folder).expect("picked from it");
        held.items.remove(id);
        held.dropped.insert(id.to_owned());
    }

    fn on_mail(&mut self, folder: &str, ledger: &Ledger) -> Vec<Element> {
        let Some((id, data)) = self.pick(folder) else { return Vec::new() };
        match self.dice.roll(5) {
            0 if folder == self.trash => {
                let identity = data.text_of(email::SUBJECT).expect("a subject").to_owned();
                ledger.known().removed.insert(identity);
                self.drop(folder, &id);
                vec![delete(&id)]
            }
            // Into the trash.
            0 | 1 if folder != self.trash => {
                self.drop(folder, &id);
                vec![delete(&id)]
            }
            2 => {
                let active = self.dice.roll(2) == 0;
                let flag = flag(active);
                self.set(folder, &id, flag.clone());
                let data = tree(t::APPLICATION_DATA, [flag]);
                vec![tree(t::CHANGE, [text(t::SERVER_ID, &id), data])]
            }
            _ => {
                let read = self.dice.roll(2) == 0;
                self.set(folder, &id, text(email::READ, u8::from(read)));
                vec![mark_read(&id, read)]
            }
        }
    }

    fn on_items(&mut self, folder: &str, class: &str, ledger: &Ledger) -> Vec<Element> {
        let mut commands = Vec::new();
        for _ in 0..1 + self.dice.roll(3) {
            let picked = self.pick(folder);
            match (self.dice.roll(4), picked) {
                (0, Some((id, data))) if self.phone.held[folder].items.len() > 6 => {
                    let identity = identity(class, &data);
                    ledger.known().removed.insert(identity);
                    self.drop(folder, &id);
                    commands.push(delete(&id));
                }
                (1, Some((id, data))) => {
                    let place = format!("place {}", self.dice.roll(1000));
                    let new = self.item(class, &identity(class, &data), &place);
                    let held = self.phone.held.get_mut(folder).expect("picked from it");
                    held.items.insert(id.clone(), new.clone());
                    commands.push(tree(t::CHANGE, [text(t::SERVER_ID, &id), new]));
                    // One change of an item in a request, as phones do it.
                    break;
                }
                _ => {
                    let identity = ledger.fresh();
                    let client_id = identity.clone();
                    let data = self.item(class, &identity, "nowhere");
                    self.phone.own.insert(client_id.clone(), data.clone());
                    commands.push(tree(t::ADD, [text(t::CLIENT_ID, client_id), data]));
                }
            }
        }
        commands
    }

    /// A whole contact or event.
    fn item(&self, class: &str, identity: &str, place: &str) -> Element {
        let modern = self.phone.model.since(16, 0);
        let data = match class {
            "Contacts" => vec![
                text(contacts::FIRST_NAME, identity),
                text(contacts::LAST_NAME, "Example"),
                text(contacts::JOB_TITLE, place),
            ],
            _ => {
                let mut data = Vec::new();
                if !modern {
                    data.push(text(calendar::TIMEZONE, utc()));
                    data.push(text(calendar::DT_STAMP, "20260101T000000Z"));
                }
                data.push(text(calendar::START_TIME, "20260131T120000Z"));
                data.push(text(calendar::END_TIME, "20260131T130000Z"));
                data.push(text(calendar::SUBJECT, format!("{identity} {place}")));
                if !modern {
                    data.push(text(calendar::UID, identity));
                }
                data.push(text(calendar::SENSITIVITY, 0));
                data.push(text(calendar::BUSY_STATUS, 2));
                data.push(text(calendar::ALL_DAY_EVENT, 0));
                data.push(text(calendar::MEETING_STATUS, 0));
                data
            }
        };
        tree(t::APPLICATION_DATA, data)
    }

    /// Everything answered, everything fetched; by folder, what each item is and how it looks.
    fn quiet(&mut self) -> BTreeMap<String, BTreeMap<String, String>> {
        while let Some(open) = self.open.take() {
            self.ask(open, 0).expect("an answer");
        }
        let folders = self.folders.clone();
        let all: Vec<_> = folders.iter().map(String::as_str).collect();
        self.phone.settle(&all);
        let mut found = BTreeMap::new();
        for id in &self.folders {
            let (class, mut items) = (self.phone.class(id), BTreeMap::new());
            for (item, data) in &self.phone.held[id].items {
                let twice = items.insert(identity(class, data), look(class, data));
                assert!(twice.is_none(), "{} holds {item} twice: {data}", self.phone.model.name);
            }
            let name = match self.phone.folders[id].kind {
                2 => "INBOX".to_owned(),
                4 => "Trash".to_owned(),
                _ => self.phone.folders[id].name.clone(),
            };
            found.insert(name, items);
        }
        found
    }
}

/// UTC as the 172 bytes of a time zone.
fn utc() -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode([0; 172])
}

fn flag(active: bool) -> Element {
    use kontor::format::wbxml::tags::tasks;
    if !active {
        return Element::new(email::FLAG);
    }
    let parts = [
        text(email::STATUS, 2),
        text(email::FLAG_TYPE, "for Follow Up"),
        text(tasks::START_DATE, "2026-01-31T12:00:00.000Z"),
        text(tasks::UTC_START_DATE, "2026-01-31T12:00:00.000Z"),
        text(tasks::DUE_DATE, "2026-02-01T12:00:00.000Z"),
        text(tasks::UTC_DUE_DATE, "2026-02-01T12:00:00.000Z"),
    ];
    tree(email::FLAG, parts)
}

/// What an item is, whoever looks at it.
fn identity(class: &str, data: &Element) -> String {
    let of = |tag: Tag| data.text_of(tag).unwrap_or_else(|| panic!("no {tag}: {data}"));
    let text = match class {
        "Email" => of(email::SUBJECT),
        "Contacts" => of(contacts::FIRST_NAME),
        _ => of(calendar::SUBJECT),
    };
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What may change about it.
fn look(class: &str, data: &Element) -> String {
    match class {
        "Email" => {
            let read = data.text_of(email::READ) == Some("1");
            let flag = data.child(email::FLAG).and_then(|flag| flag.text_of(email::STATUS));
            format!("seen {read}, flagged {}", flag == Some("2"))
        }
        "Contacts" => data.text_of(contacts::JOB_TITLE).unwrap_or_default().to_owned(),
        _ => data.text_of(calendar::SUBJECT).unwrap_or_default().to_owned(),
    }
}

/// Delivers by SMTP until the server is gone.
fn deliver(ledger: &Ledger, account: &Account, ports: Ports, stop: &AtomicBool) -> Option<()> {
    let mut smtp = Smtp::over_quietly(Conn::plain(ports.smtp).ok()?)?;
    while !stop.load(Ordering::Relaxed) {
        let id = ledger.fresh();
        let text = message(&id, "Text.");
        if smtp.acknowledged("anna@elsewhere.example", &[&account.email], &text)? {
            ledger.known().acknowledged.insert(id);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(())
}

/// Flags, moves and removes by IMAP until the server is gone.
fn desk(
    ledger: &Ledger,
    account: &Account,
    ports: Ports,
    mut dice: Dice,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut imap = Imap::over_quietly(Conn::plain(ports.imap)?)?;
    imap.try_cmd(&format!("LOGIN {} {}", account.email, account.password))?;
    while !stop.load(Ordering::Relaxed) {
        let from = BOXES[dice.roll(2)];
        imap.try_cmd(&format!("SELECT {from}"))?;
        let listed = imap.try_cmd("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")?;
        // Flags that a phone has just changed come in between, without a UID.
        let mut listed = listed.fetches();
        listed.retain(|item| item.get("UID").is_some());
        if listed.is_empty() {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        let item = &listed[dice.roll(listed.len())];
        let uid = item.uid();
        let sign = ["+", "-"][dice.roll(2)];
        let command = match dice.roll(6) {
            0 => format!("UID STORE {uid} {sign}FLAGS.SILENT (\\Flagged)"),
            1 | 2 => format!("UID STORE {uid} {sign}FLAGS.SILENT (\\Seen)"),
            3 => format!("UID MOVE {uid} {}", if from == "INBOX" { "Archive" } else { "INBOX" }),
            4 => format!("UID MOVE {uid} Trash"),
            _ => {
                let header = item.items.iter().find(|(name, _)| name.starts_with("BODY["));
                let header = String::from_utf8_lossy(header.expect("asked").1.bytes()).into_owned();
                let identity = header.trim().trim_start_matches("Subject: ").to_owned();
                ledger.known().removed.insert(identity);
                imap.try_cmd(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))?;
                format!("UID EXPUNGE {uid}")
            }
        };
        imap.try_cmd(&command)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// By mailbox, what IMAP shows.
fn by_imap(server: &Server, account: &Account) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut imap = server.imap(account);
    let mut found = BTreeMap::new();
    for mailbox in BOXES {
        let mut items = BTreeMap::new();
        imap.ok(&format!("SELECT {mailbox}"));
        let listed = imap.cmd("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        for item in listed.fetches() {
            let header = item.items.iter().find(|(name, _)| name.starts_with("BODY["));
            let header = String::from_utf8_lossy(header.expect("asked").1.bytes()).into_owned();
            let identity = header.trim().trim_start_matches("Subject: ").to_owned();
            let flags = item.flags();
            let has = |name: &str| flags.iter().any(|flag| flag == name);
            let look = format!("seen {}, flagged {}", has("\\Seen"), has("\\Flagged"));
            let twice = items.insert(identity.clone(), look);
            assert!(twice.is_none(), "{identity} is twice in {mailbox}");
        }
        found.insert(mailbox.to_owned(), items);
    }
    found
}

/// What differs between two views, for a failure's text.
fn difference(
    one: &BTreeMap<String, BTreeMap<String, String>>,
    two: &BTreeMap<String, BTreeMap<String, String>>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (folder, items) in one {
        let Some(others) = two.get(folder) else { continue };
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
    let account = server.account();
    let mut imap = server.imap(&account);
    for mailbox in ["Archive", "Trash"] {
        // Some of them are there from the start.
        imap.cmd(&format!("CREATE {mailbox}"));
    }
    let ledger = Ledger::default();
    let mut hands: Vec<_> = ALL_DAYS
        .iter()
        .zip(1..)
        .map(|(model, number)| Hand::new(&server, model, &account, seed ^ number))
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
            scope.spawn(move || deliver(ledger, account, ports, stop));
            scope.spawn(move || desk(ledger, account, ports, desk_dice, stop));
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
    }
    let lost: usize = hands.iter().map(|hand| hand.lost).sum();
    println!("{rounds} rounds, {lost} answers lost, {:?}", started.elapsed());
    assert!(lost > 10, "hardly any answer was lost");
    let report = server.try_cli(&["check"], "");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
}

fn compare(server: &Server, account: &Account, hands: &mut [Hand], ledger: &Ledger) {
    let views: Vec<_> = hands.iter_mut().map(Hand::quiet).collect();
    // The first phone may have been told by the second's last request: once more.
    let views_again: Vec<_> = hands.iter_mut().map(Hand::quiet).collect();
    drop(views);
    let imap = by_imap(server, account);
    for view in &views_again {
        let different = difference(&imap, view);
        assert!(different.is_empty(), "IMAP and a phone: {different:#?}");
    }
    let different = difference(&views_again[0], &views_again[1]);
    assert!(different.is_empty(), "the two phones: {different:#?}");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for identity in views_again[0].values().flat_map(BTreeMap::keys) {
        *counts.entry(identity).or_default() += 1;
    }
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "doubled: {twice:?}");
    let known = ledger.known();
    let lost: Vec<_> = known
        .acknowledged
        .iter()
        .filter(|id| !known.removed.contains(*id) && !counts.contains_key(id.as_str()))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}
