//! Many connections at once: nothing is lost, nobody is delayed, and one address has its share.

use std::time::{Duration, Instant};

use super::{OUTSIDE, inbox_of};
use crate::support::net::Conn;
use crate::support::{PATIENCE, Server, Smtp, message, show};

#[test]
fn many_senders_at_once_lose_nothing() {
    let server = Server::shared();
    let account = server.account();
    std::thread::scope(|scope| {
        for sender in 0..10 {
            let account = &account;
            scope.spawn(move || {
                let mut smtp = server.smtp();
                for number in 0..20 {
                    let text = message(&format!("from {sender} number {number}"), "x");
                    smtp.deliver(OUTSIDE, &[&account.email], &text);
                }
            });
        }
    });
    let mut imap = server.imap(&account);
    assert_eq!(imap.ok("SELECT INBOX").exists(), 200);
    let answer = imap.ok("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    let mut subjects: Vec<_> =
        answer.fetches().iter().map(|f| f.value("BODY[HEADER.FIELDS (SUBJECT)]").text()).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), 200);
}

/// 800 connections that say nothing or drip: a normal client is served at once all the same.
#[test]
fn silent_connections_delay_nobody() {
    let server = Server::setup()
        .env("KONTOR_LIMITS_CONNECTIONS_PER_ADDRESS", 5000)
        .env("KONTOR_LIMITS_CONNECTS_PER_SECOND", 5000)
        .start();
    let account = server.account();
    let mut held = Vec::new();
    for number in 0..800 {
        let mut conn = Conn::plain(server.ports.smtp).expect("a connection");
        if number % 2 == 0 {
            conn.send(b"EHLO dri").expect("a few bytes");
        }
        held.push(conn);
    }
    let start = Instant::now();
    server.deliver(&account, &message("through the crowd", "x"));
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    assert_eq!(inbox_of(&server, &account).len(), 1);
    drop(held);
}

#[test]
fn too_many_connections_from_one_address_are_told_so() {
    let server = Server::setup().env("KONTOR_LIMITS_CONNECTIONS_PER_ADDRESS", 5).start();
    // The start's own probe may not have left yet.
    let admitted = || {
        let mut conn = Conn::plain(server.ports.smtp).ok()?;
        let line = conn.line(Instant::now() + PATIENCE).ok()?;
        line.starts_with(b"220 ").then_some(conn)
    };
    let mut held: Vec<_> =
        (0..5).map(|_| crate::support::eventually("five are admitted", admitted)).collect();
    let mut conn = Conn::plain(server.ports.smtp).expect("a connection");
    let line = conn.line(Instant::now() + PATIENCE).expect("a line");
    assert!(line.starts_with(b"421 "), "{}", show(&line));
    // Another address is not concerned.
    let other = Conn::from([127, 0, 0, 77].into(), server.ports.smtp).expect("a connection");
    Smtp::over(other).cmd_expect("NOOP", 250);
    held.pop();
    crate::support::eventually("room after one has left", admitted);
}
