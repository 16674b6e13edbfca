//! `kill -9` at random moments under load: what was acknowledged is there exactly once and
//! whole, what was not is whole or absent, and no number ever goes back.
//!
//! A handful of kills belongs to every run of the tests; `KONTOR_SOAK=SECONDS` goes on for that
//! long (with some thousand kills in half an hour), and `KONTOR_SEED` repeats a run's dice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::support::imap::Answer;
use crate::support::net::Conn;
use crate::support::server::Ports;
use crate::support::{Account, Dice, Imap, Server, Smtp, show};

/// What must, and what may, be true of one message.
#[derive(Clone, Debug, Default)]
struct Fate {
    /// The server said that it has it.
    acknowledged: bool,
    /// Where it is; `None` while a move is not acknowledged or the place was never told.
    place: Option<(&'static str, u32)>,
    /// A removal was asked for.
    may_be_gone: bool,
    /// … and acknowledged.
    gone: bool,
    may_be_flagged: bool,
    flagged: bool,
}

/// Everything one account's clients know.
#[derive(Default)]
struct Ledger {
    messages: BTreeMap<String, Fate>,
    /// By mailbox: UIDVALIDITY, the highest UID and the highest modseq that a client was told.
    validity: BTreeMap<&'static str, u64>,
    top_uid: BTreeMap<&'static str, u32>,
    top_modseq: u64,
    /// UIDs up to which the bodies have been compared, by mailbox.
    compared: BTreeMap<&'static str, u32>,
}

struct Load {
    accounts: Vec<Account>,
    ledgers: Vec<Mutex<Ledger>>,
    next: AtomicU64,
    acknowledged: AtomicU64,
}

const BOXES: [&str; 2] = ["INBOX", "Archive"];

/// Messages of a mailbox that is thinned out in a long run: looking at all of them after each
/// kill must not become what takes the time.
const THIN_OUT: usize = 1_500;

impl Load {
    fn ledger(&self, account: usize) -> MutexGuard<'_, Ledger> {
        self.ledgers[account].lock().expect("no panic while held")
    }

    fn fresh_id(&self) -> String {
        format!("m{}", self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A message that can be checked without remembering its text.
fn text_of(id: &str) -> Vec<u8> {
    let number: usize = id[1..].parse().expect("our own id");
    let line = format!("{id} says line after line after line of the same\r\n");
    format!(
        "From: a@b.example\r\nSubject: {id}\r\nX-Identity: {id}\r\n\r\n{}",
        line.repeat(1 + number * 7 % 300)
    )
    .into_bytes()
}

fn identity(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().find_map(|l| l.strip_prefix("X-Identity: "));
    line.unwrap_or_else(|| panic!("a message that nobody sent:\n{text}")).to_owned()
}

/// Delivers by SMTP, to one or two accounts at once, until the server is gone.
fn deliver(load: &Load, ports: Ports, mut dice: Dice, stop: &AtomicBool) -> Option<()> {
    let mut smtp = Smtp::over_quietly(Conn::plain(ports.smtp).ok()?)?;
    while !stop.load(Ordering::Relaxed) {
        let id = load.fresh_id();
        let first = dice.roll(load.accounts.len());
        let mut to = vec![first];
        if dice.roll(3) == 0 {
            to.push((first + 1) % load.accounts.len());
        }
        for &account in &to {
            load.ledger(account).messages.insert(id.clone(), Fate::default());
        }
        let addresses: Vec<_> = to.iter().map(|&a| load.accounts[a].email.as_str()).collect();
        let taken = smtp.acknowledged("anna@elsewhere.example", &addresses, &text_of(&id))?;
        assert!(taken, "refused {id}");
        for &account in &to {
            load.ledger(account).messages.get_mut(&id).expect("put above").acknowledged = true;
            load.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
    Some(())
}

/// Appends, flags, moves and removes by IMAP until the server is gone. Each account has one
/// such client, so that it knows all moves.
fn work(
    load: &Load,
    account: usize,
    ports: Ports,
    mut dice: Dice,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut imap = Imap::over_quietly(Conn::plain(ports.imap)?)?;
    let who = &load.accounts[account];
    imap.try_cmd(&format!("LOGIN {} {}", who.email, who.password))?;
    told(load, account, &imap.try_cmd("SELECT INBOX (CONDSTORE)")?, "INBOX");
    while !stop.load(Ordering::Relaxed) {
        match dice.roll(6) {
            0..3 => append(load, account, &mut imap, 1 + dice.roll(3) * dice.roll(2))?,
            3 => {
                let Some((id, uid)) = pick(load, account, &mut dice) else { continue };
                load.ledger(account).messages.get_mut(&id).expect("picked").may_be_flagged = true;
                let answer = imap.try_cmd(&format!("UID STORE {uid} +FLAGS (\\Flagged)"))?;
                assert!(answer.is_ok(), "{answer}");
                told(load, account, &answer, "INBOX");
                load.ledger(account).messages.get_mut(&id).expect("picked").flagged = true;
            }
            4 => {
                let Some((id, uid)) = pick(load, account, &mut dice) else { continue };
                load.ledger(account).messages.get_mut(&id).expect("picked").place = None;
                let answer = imap.try_cmd(&format!("UID MOVE {uid} Archive"))?;
                assert!(answer.is_ok(), "{answer}");
                let line = answer.one("* OK [COPYUID *");
                let uid = line.split([' ', ']']).nth(5).and_then(|n| n.parse().ok());
                let mut ledger = load.ledger(account);
                let uid: u32 = uid.unwrap_or_else(|| panic!("{line}"));
                ledger.messages.get_mut(&id).expect("picked").place = Some(("Archive", uid));
                let top = ledger.top_uid.entry("Archive").or_default();
                *top = uid.max(*top);
            }
            _ => {
                let Some((id, uid)) = pick(load, account, &mut dice) else { continue };
                load.ledger(account).messages.get_mut(&id).expect("picked").may_be_gone = true;
                imap.try_cmd(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))?;
                let answer = imap.try_cmd(&format!("UID EXPUNGE {uid}"))?;
                assert!(answer.is_ok(), "{answer}");
                load.ledger(account).messages.get_mut(&id).expect("picked").gone = true;
            }
        }
    }
    Ok(())
}

fn append(load: &Load, account: usize, imap: &mut Imap, count: usize) -> std::io::Result<()> {
    let ids: Vec<_> = (0..count).map(|_| load.fresh_id()).collect();
    let tag = imap.tag();
    let mut bytes = format!("{tag} APPEND INBOX").into_bytes();
    for id in &ids {
        load.ledger(account).messages.insert(id.clone(), Fate::default());
        let text = text_of(id);
        bytes.extend_from_slice(format!(" {{{}+}}\r\n", text.len()).as_bytes());
        bytes.extend_from_slice(&text);
    }
    bytes.extend_from_slice(b"\r\n");
    imap.conn.send(&bytes)?;
    let answer = imap.try_finish(&tag, "APPEND")?;
    assert!(answer.is_ok(), "{answer}");
    let code = answer.status.split_once("[APPENDUID ").expect("APPENDUID").1;
    let first = code.split([' ', ':', ']']).nth(1).and_then(|n| n.parse::<u32>().ok());
    let first = first.unwrap_or_else(|| panic!("{answer}"));
    let mut ledger = load.ledger(account);
    for (id, uid) in ids.iter().zip(first..) {
        let fate = ledger.messages.get_mut(id).expect("put above");
        fate.acknowledged = true;
        fate.place = Some(("INBOX", uid));
        let top = ledger.top_uid.entry("INBOX").or_default();
        *top = uid.max(*top);
    }
    load.acknowledged.fetch_add(count as u64, Ordering::Relaxed);
    Ok(())
}

/// A message in INBOX about which everything is known.
fn pick(load: &Load, account: usize, dice: &mut Dice) -> Option<(String, u32)> {
    let ledger = load.ledger(account);
    let known: Vec<_> = ledger
        .messages
        .iter()
        .filter(|(_, f)| f.acknowledged && !f.may_be_gone)
        .filter_map(|(id, f)| match f.place {
            Some(("INBOX", uid)) => Some((id, uid)),
            _ => None,
        })
        .collect();
    let (id, uid) = known.get(dice.roll(known.len().max(1)))?;
    Some(((*id).clone(), *uid))
}

/// Remembers the highest numbers that the server named.
fn told(load: &Load, account: usize, answer: &Answer, mailbox: &'static str) {
    let mut ledger = load.ledger(account);
    if let Some(validity) = answer.try_number("UIDVALIDITY") {
        let known = *ledger.validity.entry(mailbox).or_insert(validity);
        assert_eq!(known, validity, "UIDVALIDITY of {mailbox}");
    }
    if let Some(highest) = answer.try_number("HIGHESTMODSEQ") {
        assert!(highest >= ledger.top_modseq || mailbox != "INBOX", "HIGHESTMODSEQ went back");
        ledger.top_modseq = ledger.top_modseq.max(highest);
    }
    for item in answer.fetches() {
        if item.get("MODSEQ").is_some() {
            ledger.top_modseq = ledger.top_modseq.max(item.modseq());
        }
    }
}

/// Compares what one account holds with what its clients know, and settles what was open.
fn verify(load: &Load, account: usize, server: &Server, all_bodies: bool) {
    let mut imap = server.imap(&load.accounts[account]);
    let mut found: BTreeMap<String, (&'static str, u32, bool)> = BTreeMap::new();
    let who = &load.accounts[account].email;
    let mut highest = 0;
    for mailbox in BOXES {
        let answer = imap.ok(&format!("SELECT {mailbox} (CONDSTORE)"));
        let exists = answer.exists();
        let next = answer.number("UIDNEXT") as u32;
        let mut ledger = load.ledger(account);
        let validity = answer.number("UIDVALIDITY");
        assert_eq!(
            *ledger.validity.entry(mailbox).or_insert(validity),
            validity,
            "{who} {mailbox}"
        );
        let top = ledger.top_uid.get(mailbox).copied().unwrap_or(0);
        assert!(next > top, "{who} {mailbox}: UIDNEXT {next}, but UID {top} was given");
        highest = highest.max(answer.number("HIGHESTMODSEQ"));
        let compared =
            if all_bodies { 0 } else { ledger.compared.get(mailbox).copied().unwrap_or(0) };
        drop(ledger);
        let listed = if exists == 0 {
            Vec::new()
        } else {
            imap.ok(
                "FETCH 1:* (UID FLAGS MODSEQ RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X-Identity)])",
            )
            .fetches()
        };
        assert_eq!(listed.len(), exists as usize, "{who} {mailbox}");
        let (mut size, mut unseen, mut last) = (0, 0, 0);
        for item in &listed {
            let uid = item.uid();
            assert!(
                uid > last && uid < next,
                "{who} {mailbox}: UID {uid} after {last}, next {next}"
            );
            last = uid;
            assert!(item.modseq() <= answer.number("HIGHESTMODSEQ"), "{who} {mailbox} {uid}");
            size += item.value("RFC822.SIZE").text().parse::<u64>().expect("a number");
            let flags = item.flags();
            unseen += u64::from(!flags.iter().any(|f| f == "\\Seen"));
            let header = item.items.iter().find(|(n, _)| n.starts_with("BODY[")).expect("asked");
            let id = identity(header.1.bytes());
            let flagged = flags.iter().any(|f| f == "\\Flagged");
            let twice = found.insert(id.clone(), (mailbox, uid, flagged));
            assert!(twice.is_none(), "{who}: {id} is in {twice:?} and in {mailbox} {uid}");
        }
        let status = imap.ok(&format!("STATUS {mailbox} (MESSAGES UNSEEN SIZE)"));
        let counts = (status.number("MESSAGES"), status.number("UNSEEN"), status.number("SIZE"));
        assert_eq!(counts, (u64::from(exists), unseen, size), "{who} {mailbox}: counters");
        if last > compared {
            for item in
                imap.ok(&format!("UID FETCH {}:* (UID BODY.PEEK[])", compared + 1)).fetches()
            {
                let bytes = item.value("BODY[]").bytes();
                let wanted = text_of(&identity(bytes));
                assert!(bytes.ends_with(&wanted), "{who} {mailbox}: torn:\n{}", show(bytes));
                let front = &bytes[..bytes.len() - wanted.len()];
                assert!(front.is_empty() || front.starts_with(b"Return-Path: "), "{}", show(front));
            }
        }
        load.ledger(account).compared.insert(mailbox, last);
    }
    let mut ledger = load.ledger(account);
    assert!(
        highest >= ledger.top_modseq,
        "{who}: modseq {highest}, but {} was told",
        ledger.top_modseq
    );
    ledger.top_modseq = highest;
    for (id, fate) in &mut ledger.messages {
        let here = found.remove(id);
        if fate.gone {
            assert!(here.is_none(), "{who}: {id} was expunged and is back: {here:?}");
            continue;
        }
        let Some((mailbox, uid, flagged)) = here else {
            assert!(!fate.acknowledged || fate.may_be_gone, "{who}: {id} is lost: {fate:?}");
            // It can never come later.
            (fate.may_be_gone, fate.gone) = (true, true);
            continue;
        };
        if let Some(place) = fate.place {
            assert_eq!(place, (mailbox, uid), "{who}: {id} is elsewhere");
        }
        assert!(flagged || !fate.flagged, "{who}: {id} lost its flag");
        assert!(!flagged || fate.may_be_flagged, "{who}: {id} has a flag that nobody set");
        *fate = Fate {
            acknowledged: true,
            place: Some((mailbox, uid)),
            flagged,
            may_be_flagged: flagged,
            ..Fate::default()
        };
    }
    assert!(found.is_empty(), "{who}: messages that nobody sent: {found:?}");
}

/// Removes most of what a long run has piled up; all of it must stay away from then on.
fn thin_out(load: &Load, account: usize, server: &Server) {
    let mut imap = server.imap(&load.accounts[account]);
    for mailbox in BOXES {
        let mut ledger = load.ledger(account);
        let in_it = |f: &Fate| !f.gone && f.place.is_some_and(|(name, _)| name == mailbox);
        let mut uids: Vec<u32> = ledger
            .messages
            .values()
            .filter(|fate| in_it(fate))
            .filter_map(|fate| Some(fate.place?.1))
            .collect();
        if uids.len() < THIN_OUT {
            continue;
        }
        uids.sort_unstable();
        let upto = uids[uids.len() - THIN_OUT / 5];
        imap.ok(&format!("SELECT {mailbox} (CONDSTORE)"));
        imap.ok(&format!("UID STORE 1:{upto} +FLAGS.SILENT (\\Deleted)"));
        imap.ok(&format!("UID EXPUNGE 1:{upto}"));
        let old = |f: &Fate| in_it(f) && f.place.is_some_and(|(_, uid)| uid <= upto);
        for fate in ledger.messages.values_mut().filter(|fate| old(fate)) {
            (fate.may_be_gone, fate.gone) = (true, true);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let soak: Option<u64> = std::env::var("KONTOR_SOAK").ok().and_then(|s| s.parse().ok());
    let seed = std::env::var("KONTOR_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("KONTOR_SEED={seed}");
    let mut server = Server::setup().env("KONTOR_LIMITS_CONNECTS_PER_SECOND", 10_000).start();
    let accounts: Vec<_> = (0..3).map(|_| server.account()).collect();
    let load = Load {
        ledgers: accounts.iter().map(|_| Mutex::default()).collect(),
        accounts,
        next: AtomicU64::new(0),
        acknowledged: AtomicU64::new(0),
    };
    let mut dice = Dice::new(seed);
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut kills = 0;
    let going = |kills| match soak {
        Some(seconds) => started.elapsed() < Duration::from_secs(seconds),
        None => kills < 8,
    };
    while going(kills) {
        let stop = AtomicBool::new(false);
        let ports = server.ports;
        // Sometimes right away, so that start-up and replay are hit as well.
        let pause =
            Duration::from_millis([2, 50, 200, 500, 900][dice.roll(5)] + dice.roll(200) as u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let dice = Dice::new(seed ^ dice.roll(1 << 30) as u64);
                let (load, stop) = (&load, &stop);
                scope.spawn(move || deliver(load, ports, dice, stop));
            }
            for account in 0..load.accounts.len() {
                let dice = Dice::new(seed ^ dice.roll(1 << 30) as u64);
                let (load, stop) = (&load, &stop);
                scope.spawn(move || work(load, account, ports, dice, stop));
            }
            // Not waiting for anything: the moment is to be random.
            std::thread::sleep(pause);
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
        kills += 1;
        let start = Instant::now();
        server.start();
        slowest = slowest.max(start.elapsed());
        for account in 0..load.accounts.len() {
            verify(&load, account, &server, false);
            thin_out(&load, account, &server);
        }
        if kills % 50 == 0 {
            let acknowledged = load.acknowledged.load(Ordering::Relaxed);
            println!("{kills} kills, {acknowledged} acknowledged, {:?}", started.elapsed());
        }
    }
    for account in 0..load.accounts.len() {
        verify(&load, account, &server, true);
    }
    let report = server.try_cli(&["check"], "");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
    println!(
        "{kills} kills, {} acknowledged, serving again after at most {slowest:?}",
        load.acknowledged.load(Ordering::Relaxed)
    );
    assert!(load.acknowledged.load(Ordering::Relaxed) > 50, "hardly any load");
}
