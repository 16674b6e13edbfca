//! Limits and pacing: who says nothing is let go, who is slow is not cut off, and nobody learns
//! who exists.

use std::time::{Duration, Instant};

use crate::support::net::Conn;
use crate::support::smtp::plain;
use crate::support::{Imap, PATIENCE, Server, Smtp, message, show};

#[test]
fn silent_clients_are_told_and_let_go() {
    let server = Server::setup()
        .env("KONTOR_LIMITS_SMTP_IDLE_SECS", 1)
        .env("KONTOR_LIMITS_IMAP_IDLE_SECS", 1)
        .env("KONTOR_LIMITS_IMAP_LOGIN_SECS", 1)
        .start();
    let account = server.account();
    let mut smtp = server.smtp();
    let mut before_login = Imap::connect(server.ports.imap);
    let mut after_login = server.inbox(&account);
    let reply = smtp.try_reply(PATIENCE).expect("a word before the end");
    assert_eq!(reply.code, 421, "{}", reply.text);
    assert!(smtp.try_reply(PATIENCE).is_none());
    before_login.wait("* BYE *");
    after_login.wait("* BYE *");
    // In the middle of a message as well, and nothing of it stays.
    let mut smtp = server.smtp();
    smtp.cmd_expect("MAIL FROM:<anna@elsewhere.example>", 250);
    smtp.cmd_expect(&format!("RCPT TO:<{}>", account.email), 250);
    smtp.cmd_expect("DATA", 354);
    smtp.send(b"Subject: half\r\n\r\nhalf a mess");
    let end = smtp.try_reply(PATIENCE);
    assert!(end.is_none_or(|r| r.code == 421));
    assert_eq!(server.imap(&account).ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 0);
}

/// Cut in the middle of a literal, of DATA, of BDAT: nothing is kept, nobody else notices.
#[test]
fn half_a_message_is_no_message() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.imap(&account);
    imap.send(b"a APPEND INBOX {1000+}\r\nSubject: half\r\n\r\n");
    drop(imap);
    let mut imap = server.imap(&account);
    imap.send(b"a APPEND INBOX {20+}\r\nSubject: whole\r\n\r\nab {20+}\r\nSubject: hal");
    drop(imap);
    for data in [&b"DATA\r\n"[..], b"BDAT 500 LAST\r\n"] {
        let mut smtp = server.smtp();
        smtp.cmd_expect("MAIL FROM:<anna@elsewhere.example>", 250);
        smtp.cmd_expect(&format!("RCPT TO:<{}>", account.email), 250);
        smtp.send(data);
        smtp.send(b"Subject: half\r\n\r\nhalf a mess");
    }
    // Something whole behind them, so that there is an event to wait for.
    server.deliver(&account, &message("whole", "x"));
    assert_eq!(server.imap(&account).ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 1);
}

/// A handshake that is never begun holds nobody up.
#[test]
fn silent_handshakes_delay_nobody() {
    let server = Server::shared();
    let account = server.account();
    let held: Vec<_> =
        (0..200).map(|_| Conn::plain(server.ports.imaps).expect("a connection")).collect();
    let start = Instant::now();
    let mut imap = Imap::connect_tls(server.ports.imaps);
    imap.login(&account);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(held);
}

/// Wrong passwords and unknown names take alike, on each door: same words, same time.
#[test]
fn who_exists_is_not_told_by_the_clock() {
    let server = Server::shared();
    let account = server.account();
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..9 {
        for (which, name) in [account.email.as_str(), "nobody-here@test.example"].iter().enumerate()
        {
            let mut smtp = Smtp::connect(server.ports.submission);
            smtp.ehlo();
            let start = Instant::now();
            smtp.cmd_expect(&format!("AUTH PLAIN {}", plain(name, &format!("wrong-{round}"))), 535);
            times[which].push(start.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut t| {
        t.sort();
        t[t.len() / 2]
    });
    let apart = known.abs_diff(unknown);
    // On a quiet machine they are within a few milliseconds; without the hashing they would be
    // a whole hash apart.
    assert!(
        apart < known.max(unknown) / 2 + Duration::from_millis(20),
        "{known:?} and {unknown:?}"
    );
}

/// One connection's memory before log-in is bounded, whatever it sends.
#[test]
fn strangers_cannot_make_it_grow() {
    let server = Server::start_new();
    let before = server.resident();
    let mut held = Vec::new();
    for number in 0..20 {
        let mut imap = Conn::plain(server.ports.imap).expect("a connection");
        let _ = imap.send(format!("a LOGIN {{{}+}}\r\n", 100 << 20).as_bytes());
        let _ = imap.send(&vec![b'x'; 1 << 20]);
        let mut smtp = Conn::plain(server.ports.smtp).expect("a connection");
        let _ = smtp.send(&vec![b'y'; 1 << 20]);
        held.push((imap, smtp, number));
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 100 << 20, "grown by {} MiB", grown >> 20);
    Smtp::connect(server.ports.smtp).ehlo();
}

/// A session that reads nothing while much is to be told blocks only itself.
#[test]
fn a_client_that_does_not_read_blocks_nobody() {
    let server = Server::start_new();
    let account = server.account();
    let mut imap = server.imap(&account);
    let text = message("large", &"0123456789012345678901234567890123456789\r\n".repeat(25_000));
    for _ in 0..10 {
        imap.append("INBOX", "", &text);
    }
    let mut deaf = server.inbox(&account);
    for _ in 0..20 {
        deaf.start("FETCH 1:* BODY.PEEK[]");
    }
    let before = server.resident();
    let start = Instant::now();
    for _ in 0..10 {
        imap.append("INBOX", "", &message("small", "x"));
    }
    server.deliver(&account, &message("delivered", "x"));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 128 << 20, "grown by {} MiB for one that does not read", grown >> 20);
}

/// The web's port answers health and metrics, and says no more than that.
#[test]
fn health_and_metrics() {
    let server = Server::shared();
    assert!(server.http_get("/healthz").starts_with("HTTP/1.1 200"));
    let metrics = server.http_get("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("# TYPE kontor_"), "{metrics}");
    assert!(!metrics.contains("@test.example"), "metrics name people");
    let page = server.http_get("/");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let missing = server.http_get("/no/such/place");
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    let mut conn = Conn::plain(server.ports.http).expect("a connection");
    conn.send(b"GET /\x00 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").expect("sent");
    let answer = conn.rest(PATIENCE).unwrap_or_default();
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", show(&answer));
}

/// Many pipelined commands in one packet are all answered, in order.
#[test]
fn a_long_pipeline_is_answered_in_order() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.inbox(&account);
    let text = message("piped", "x");
    let mut bytes = Vec::new();
    for number in 0..300 {
        bytes.extend_from_slice(
            format!("a{number} APPEND INBOX {{{}+}}\r\n", text.len()).as_bytes(),
        );
        bytes.extend_from_slice(&text);
        bytes.extend_from_slice(format!("\r\nb{number} NOOP\r\n").as_bytes());
    }
    imap.send(&bytes);
    for number in 0..300 {
        let answer = imap.finish(&format!("a{number}"), "APPEND");
        assert!(answer.is_ok(), "{answer}");
        assert!(imap.finish(&format!("b{number}"), "NOOP").is_ok());
    }
    assert_eq!(imap.ok("UID SEARCH ALL").search().len(), 300);
}
