//! The others of the game: mail that arrives, and an IMAP client.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::View;
use super::items::mail_look;
use super::ledger::Ledger;
use crate::support::net::Conn;
use crate::support::server::Ports;
use crate::support::{Account, Dice, Imap, Server, Smtp, message};

/// Messages in a mailbox, from which on a long run removes the older ones between its rounds.
const MANY: usize = 300;

/// Delivers by SMTP until the server is gone.
pub fn deliver(ledger: &Ledger, account: &Account, ports: Ports, stop: &AtomicBool) -> Option<()> {
    let mut smtp = Smtp::over_quietly(Conn::plain(ports.smtp).ok()?)?;
    while !stop.load(Ordering::Relaxed) {
        let id = ledger.fresh("m");
        let text = message(&id, "Text.");
        if smtp.acknowledged("anna@elsewhere.example", &[&account.email], &text)? {
            ledger.known().acknowledged.insert(id);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(())
}

/// Flags, moves and removes by IMAP until the server is gone.
pub fn work(
    ledger: &Ledger,
    account: &Account,
    ports: Ports,
    mut dice: Dice,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut imap = Imap::over_quietly(Conn::plain(ports.imap)?)?;
    imap.try_cmd(&format!("LOGIN {} {}", account.email, account.password))?;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(5));
        let from = ["INBOX", "Archive", "Sent"][dice.roll(3)];
        if dice.roll(6) == 0 {
            append_old(ledger, &mut imap, from)?;
            continue;
        }
        imap.try_cmd(&format!("SELECT {from}"))?;
        let listed = imap.try_cmd("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")?;
        // Flags that a phone has just changed come in between, without a UID.
        let mut listed = listed.fetches();
        listed.retain(|item| item.get("UID").is_some());
        if listed.is_empty() {
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
                ledger.known().removed.insert(subject(item).0);
                imap.try_cmd(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))?;
                format!("UID EXPUNGE {uid}")
            }
        };
        imap.try_cmd(&command)?;
    }
    Ok(())
}

/// A message that came long ago: it lies outside of a phone's smaller window.
fn append_old(ledger: &Ledger, imap: &mut Imap, mailbox: &str) -> io::Result<()> {
    let id = ledger.fresh("old");
    let text = String::from_utf8(message(&id, "Old text.")).expect("ASCII");
    let command =
        format!("APPEND {mailbox} \"01-Feb-2020 10:00:00 +0000\" {{{}+}}\r\n{text}", text.len());
    if imap.try_cmd(&command)?.is_ok() {
        ledger.known().acknowledged.insert(id);
    }
    Ok(())
}

/// What a message is, and its whole subject.
fn subject(item: &crate::support::imap::Fetched) -> (String, String) {
    let header = item.items.iter().find(|(name, _)| name.starts_with("BODY["));
    let header = String::from_utf8_lossy(header.expect("asked").1.bytes()).into_owned();
    let subject = header.trim().trim_start_matches("Subject: ").to_owned();
    (subject.split(' ').next().unwrap_or_default().to_owned(), subject)
}

/// What the messages of a mailbox are, with what may change about them.
pub fn subjects(imap: &mut Imap, mailbox: &str) -> Vec<(String, String)> {
    imap.ok(&format!("SELECT \"{mailbox}\""));
    let listed = imap.cmd("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    let each = |item: &crate::support::imap::Fetched| {
        let (identity, subject) = subject(item);
        let flags = item.flags();
        let has = |name: &str| flags.iter().any(|flag| flag == name);
        (identity, mail_look(&subject, has("\\Seen"), has("\\Flagged")))
    };
    listed.fetches().iter().map(each).collect()
}

/// By mailbox, what IMAP shows.
pub fn view(server: &Server, account: &Account) -> View {
    let mut imap = server.imap(account);
    let mut found = BTreeMap::new();
    for mailbox in mailboxes(&mut imap) {
        let mut items = BTreeMap::new();
        for (identity, look) in subjects(&mut imap, &mailbox) {
            let twice = items.insert(identity.clone(), look);
            assert!(twice.is_none(), "{identity} is twice in {mailbox}");
        }
        found.insert(mailbox, items);
    }
    found
}

fn mailboxes(imap: &mut Imap) -> Vec<String> {
    let answer = imap.ok("LIST \"\" *");
    let name = |line: &String| {
        let name = line.rsplit_once("\"/\" ").expect("a separator").1;
        name.trim().trim_matches('"').to_owned()
    };
    let lines = answer.lines.iter().map(|line| String::from_utf8_lossy(line).into_owned());
    lines.filter(|line| line.starts_with("* LIST ")).map(|line| name(&line)).collect()
}

/// Removes the older messages where there are many, as somebody does who cleans up.
pub fn thin_out(server: &Server, account: &Account, ledger: &Ledger) {
    let mut imap = server.imap(account);
    for mailbox in mailboxes(&mut imap) {
        let there = subjects(&mut imap, &mailbox);
        if there.len() < MANY {
            continue;
        }
        let leave = there.len() - MANY / 3;
        ledger.known().removed.extend(there.into_iter().take(leave).map(|(id, _)| id));
        imap.ok(&format!("STORE 1:{leave} +FLAGS.SILENT (\\Deleted)"));
        imap.ok("EXPUNGE");
    }
}
