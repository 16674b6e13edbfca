//! Submission (587 with STARTTLS, 465): who may send as whom, what is added, where it goes.

use crate::support::net::Conn;
use crate::support::server::PASSWORD;
use crate::support::smtp::plain;
use crate::support::{Account, Server, Smtp, eventually, show};

fn letter(from: &str, rest: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: somebody@elsewhere.example\r\nSubject: letter\r\n{rest}\r\ntext\r\n"
    )
    .into_bytes()
}

fn last_message(server: &Server, account: &Account) -> String {
    let mut imap = server.inbox(account);
    let answer = imap.ok("FETCH * BODY.PEEK[]");
    String::from_utf8_lossy(answer.fetches()[0].value("BODY[]").bytes()).into_owned()
}

#[test]
fn both_ports_log_in() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = Smtp::connect(server.ports.submission);
    smtp.ehlo();
    assert!(smtp.offers("AUTH") && smtp.offers("STARTTLS"), "{:?}", smtp.extensions);
    let reply = smtp.cmd(&format!("MAIL FROM:<{}>", account.email));
    assert_eq!(reply.code, 530, "{}", reply.text);
    smtp.start_tls();
    smtp.ehlo();
    let auth = smtp.extensions.iter().find(|e| e.starts_with("AUTH ")).expect("AUTH");
    assert!(auth.starts_with("AUTH PLAIN"), "PLAIN comes first: {auth}");
    assert!(auth.contains("LOGIN"), "{auth}");
    smtp.login(&account);
    smtp.cmd_expect(&format!("AUTH PLAIN {}", plain(&account.email, PASSWORD)), 503);
    smtp.cmd_expect(&format!("MAIL FROM:<{}>", account.email), 250);
    smtp.cmd_expect("QUIT", 221);

    let mut smtp = Smtp::connect_tls(server.ports.submissions);
    smtp.ehlo();
    assert!(!smtp.offers("STARTTLS"));
    // AUTH LOGIN, question by question.
    use base64::Engine as _;
    let code = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    smtp.cmd_expect("AUTH LOGIN", 334);
    smtp.cmd_expect(&code(&account.email), 334);
    smtp.cmd_expect(&code(PASSWORD), 235);
    smtp.deliver(&account.email, &[&account.email], &letter(&account.email, ""));
}

#[test]
fn wrong_log_ins_are_refused_alike() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = Smtp::connect_tls(server.ports.submissions);
    smtp.ehlo();
    let known = smtp.cmd(&format!("AUTH PLAIN {}", plain(&account.email, "wrong-password")));
    let unknown = smtp.cmd(&format!("AUTH PLAIN {}", plain("nobody-here@test.example", "x")));
    assert!(known.text.starts_with("535 5.7.8 "), "{}", known.text);
    assert_eq!(known.text, unknown.text);
    smtp.cmd_expect("AUTH PLAIN", 334);
    smtp.cmd_expect("*", 501);
    smtp.cmd_expect("AUTH NONSENSE", 504);
    smtp.cmd_expect("AUTH PLAIN ***", 501);
    smtp.login(&account);
}

#[test]
fn a_disabled_account_cannot_log_in() {
    let server = Server::shared();
    let account = server.account();
    server.submission(&account);
    server.cli(&["user", "disable", &account.email]);
    let mut smtp = Smtp::connect(server.ports.submission);
    smtp.ehlo();
    smtp.cmd_expect(&format!("AUTH PLAIN {}", plain(&account.email, PASSWORD)), 535);
    server.cli(&["user", "enable", &account.email]);
    server.submission(&account);
    server.cli_with_input(&["user", "passwd", &account.email, "--password-stdin"], "other-word-9");
    let mut smtp = Smtp::connect(server.ports.submission);
    smtp.ehlo();
    smtp.cmd_expect(&format!("AUTH PLAIN {}", plain(&account.email, PASSWORD)), 535);
    server.submission(&Account { password: "other-word-9".to_owned(), ..account });
}

#[test]
fn nobody_sends_as_another() {
    let server = Server::shared();
    let (me, other) = (server.account(), server.account());
    let alias = format!("alias-{}", me.email);
    server.cli(&["alias", "add", &alias, &me.email]);
    let mut smtp = server.submission(&me);
    // The envelope.
    for sender in [other.email.as_str(), "anna@elsewhere.example", "nobody-here@test.example"] {
        let reply = smtp.try_deliver(sender, &[&me.email], &letter(&me.email, ""));
        assert!((550..=553).contains(&reply.code), "{sender}: {}", reply.text);
        assert!(reply.text.contains(" 5.7.1 "), "{sender}: {}", reply.text);
        smtp.cmd_expect("RSET", 250);
    }
    // The From that people see.
    let forged = [
        letter(&other.email, ""),
        letter(&format!("{} <{}>", me.email, other.email), ""),
        letter(&format!("{}, {}", me.email, other.email), ""),
        letter(&me.email, &format!("From: {}\r\n", other.email)),
        letter("ceo@elsewhere.example", ""),
        letter("", ""),
    ];
    for text in forged {
        let reply = smtp.try_deliver(&me.email, &[&me.email], &text);
        assert!((550..=554).contains(&reply.code), "{}\n{}", reply.text, show(&text));
    }
    // What is one's own may be used.
    let plus = me.email.replace('@', "+news@");
    for own in [&me.email, &alias, &plus] {
        smtp.deliver(own, &[&me.email], &letter(&format!("Me <{own}>"), ""));
    }
    assert_eq!(server.imap(&me).ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 3);
}

#[test]
fn what_is_missing_is_added_and_bcc_removed() {
    let server = Server::shared();
    let (me, hidden) = (server.account(), server.account());
    let mut smtp = server.submission(&me);
    let text = format!(
        "From: {0}\r\nTo: {0}\r\nBcc: {1},\r\n {1}\r\nSubject: letter\r\nbcc: {1}\r\n\r\nBcc: stays in the text\r\n",
        me.email, hidden.email
    );
    smtp.deliver(&me.email, &[&me.email, &hidden.email], text.as_bytes());
    for account in [&me, &hidden] {
        let stored = last_message(server, account);
        let (header, body) = stored.split_once("\r\n\r\n").expect("a header");
        let lower = header.to_lowercase();
        assert!(
            !lower.contains("bcc:") && !header.contains(&format!(" {}", hidden.email)),
            "{header}"
        );
        assert_eq!(lower.matches("\r\ndate: ").count(), 1, "{header}");
        assert_eq!(lower.matches("\r\nmessage-id: <").count(), 1, "{header}");
        assert_eq!(body, "Bcc: stays in the text\r\n");
    }
    // What is there stays as it is.
    let text = letter(&me.email, "Date: Tue, 1 Feb 2022 12:30:00 +0100\r\nMessage-ID: <x@y>\r\n");
    smtp.deliver(&me.email, &[&me.email], &text);
    let stored = last_message(server, &me);
    assert!(stored.ends_with(std::str::from_utf8(&text).expect("ASCII")), "{stored}");
}

#[test]
fn mail_for_elsewhere_waits_in_the_queue() {
    let server = Server::start_new();
    let me = server.account();
    let mut smtp = server.submission(&me);
    smtp.deliver(&me.email, &["far@away.example", &me.email], &letter(&me.email, ""));
    // The local copy is there at once.
    assert_eq!(server.imap(&me).ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 1);
    let queue = server.cli(&["queue", "list"]);
    assert!(queue.contains("far@away.example"), "{queue}");
    let json = server.cli(&["queue", "list", "--json"]);
    assert!(json.contains("far@away.example"), "{json}");
    let mut server = server;
    server.kill();
    server.start();
    assert!(server.cli(&["queue", "list"]).contains("far@away.example"));
}

#[test]
fn a_success_notice_comes_when_asked_for() {
    let server = Server::shared();
    let (me, other) = (server.account(), server.account());
    let mut smtp = server.submission(&me);
    smtp.cmd_expect(&format!("MAIL FROM:<{}> RET=HDRS ENVID=abc123", me.email), 250);
    smtp.cmd_expect(
        &format!("RCPT TO:<{0}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{0}", other.email),
        250,
    );
    smtp.cmd_expect("DATA", 354);
    smtp.send(&letter(&me.email, ""));
    smtp.send(b".\r\n");
    smtp.expect(250, "the data");
    let notice = eventually("the notice of success", || {
        let count = server.imap(&me).ok("STATUS INBOX (MESSAGES)").number("MESSAGES");
        (count > 0).then(|| last_message(server, &me))
    });
    assert!(notice.starts_with("Return-Path: <>"), "{notice}");
    for word in ["multipart/report", "report-type=", "abc123", "ction: delivered", &other.email] {
        assert!(notice.contains(word), "no {word} in\n{notice}");
    }
    // Without NOTIFY there is none; NOTIFY=NEVER neither.
    smtp.deliver(&me.email, &[&other.email], &letter(&me.email, ""));
    smtp.cmd_expect(&format!("MAIL FROM:<{}> RET=NONSENSE", me.email), 501);
    smtp.cmd_expect(&format!("MAIL FROM:<{}>", me.email), 250);
    smtp.cmd_expect(&format!("RCPT TO:<{}> NOTIFY=NEVER,SUCCESS", other.email), 501);
    smtp.cmd_expect(&format!("RCPT TO:<{}> NOTIFY=NEVER", other.email), 250);
    smtp.cmd_expect("RSET", 250);
    assert_eq!(server.imap(&me).ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 1);
}

/// Guessing from one address is slowed, and the owner, elsewhere, is not locked out.
#[test]
fn guessing_is_slowed_and_the_owner_gets_in() {
    let server = Server::setup().env("KONTOR_LIMITS_LOGIN_ATTEMPTS", 5).start();
    let account = server.account();
    let guesser: std::net::IpAddr = [127, 0, 0, 66].into();
    let mut outcomes = Vec::new();
    let start = std::time::Instant::now();
    for number in 0..8 {
        let conn = Conn::from(guesser, server.ports.submission).expect("a connection");
        let mut smtp = Smtp::over(conn);
        smtp.ehlo();
        let token = plain(&account.email, &format!("guess-{number}"));
        outcomes.push(smtp.cmd(&format!("AUTH PLAIN {token}")).code);
    }
    let slowed = start.elapsed() > std::time::Duration::from_secs(3);
    assert!(slowed || outcomes.contains(&454) || outcomes.contains(&421), "{outcomes:?}");
    assert!(outcomes.iter().all(|code| matches!(code, 535 | 454 | 421)), "{outcomes:?}");
    server.submission(&account);
}

/// On loopback a log-in in clear is allowed; off it only with the setting.
#[test]
fn plain_text_log_ins_are_refused_off_loopback() {
    let Some(address) = crate::support::net::other_address() else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    for allowed in [false, true] {
        let server =
            Server::setup().env("KONTOR_ALLOW_PLAINTEXT_LOGIN", allowed).everywhere().start();
        let account = server.account();
        let mut smtp = Smtp::connect((address, server.ports.submission.port()).into());
        smtp.ehlo();
        assert_eq!(smtp.offers("AUTH"), allowed, "{:?}", smtp.extensions);
        let reply = smtp.cmd(&format!("AUTH PLAIN {}", plain(&account.email, PASSWORD)));
        assert_eq!(reply.code == 235, allowed, "{}", reply.text);
        if !allowed {
            assert!(matches!(reply.code, 530 | 538 | 523), "{}", reply.text);
            smtp.start_tls();
            smtp.ehlo();
            smtp.login(&account);
        }
        let address = (address, server.ports.imap.port()).into();
        let mut imap = crate::support::Imap::connect(address);
        assert_eq!(imap.greeting.contains("LOGINDISABLED"), !allowed, "{}", imap.greeting);
        let answer = imap.cmd(&format!("LOGIN {} {PASSWORD}", account.email));
        assert_eq!(answer.is_ok(), allowed, "{answer}");
        if !allowed {
            assert!(answer.status.starts_with("NO [PRIVACYREQUIRED]"), "{answer}");
            imap.ok("STARTTLS");
            imap.conn.start_tls().expect("a handshake");
            imap.ok(&format!("LOGIN {} {PASSWORD}", account.email));
        }
    }
}

#[test]
fn mail_for_a_full_member_waits_and_the_queue_says_how_long() {
    let mut server = Server::setup().env("KONTOR_LIMITS_QUOTA", 30_000).start();
    let (me, full) = (server.account(), server.account());
    server.cli(&["group", "add", "both@test.example", &me.email, &full.email]);
    let big = letter(&full.email, &format!("\r\n{}", "x\r\n".repeat(4_000)));
    let mut smtp = server.submission(&full);
    smtp.deliver(&full.email, &[&full.email], &big);
    smtp.deliver(&full.email, &[&full.email], &big);
    let mut smtp = server.submission(&me);
    smtp.deliver(&me.email, &["both@test.example"], &letter(&me.email, &"X: x\r\n".repeat(1_000)));
    assert_eq!(server.imap(&me).ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 1);
    let list = server.cli(&["queue", "list"]);
    for part in ["Reason", &full.email, "the mailbox is full", "goes back to the sender"] {
        assert!(list.contains(part), "{part} in {list}");
    }
    let line = |server: &Server| {
        let json = server.cli(&["queue", "list", "--json"]);
        let lines: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(lines.as_array().map(Vec::len), Some(1), "{json}");
        lines[0].clone()
    };
    let before = line(&server);
    let (queued, ends) = (before["queued"].as_i64(), before["ends"].as_i64());
    assert_eq!(
        (ends.zip(queued).map(|(a, b)| a - b), before["then"].as_str()),
        (Some(7 * 86_400), Some("returned"))
    );
    server.kill();
    server.start();
    let after = line(&server);
    assert_eq!((&after["id"], &after["queued"]), (&before["id"], &before["queued"]));
    // A look or two may lie between.
    let later = after["ends"].as_i64().zip(ends).map(|(a, b)| a - b);
    assert!(later.is_some_and(|seconds| (0..=5).contains(&seconds)), "{before} {after}");
}
