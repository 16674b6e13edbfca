//! SMTP from outside (port 25): what is taken, what is refused, and in which words.

mod crowd;

use std::time::{Duration, Instant};

use crate::support::{Account, PATIENCE, Server, Smtp, message, show};

const OUTSIDE: &str = "anna@elsewhere.example";

/// The messages in an account's INBOX, whole.
fn inbox_of(server: &Server, account: &Account) -> Vec<Vec<u8>> {
    let mut imap = server.imap(account);
    let count = imap.ok("SELECT INBOX").exists();
    if count == 0 {
        return Vec::new();
    }
    let answer = imap.ok("FETCH 1:* BODY.PEEK[]");
    answer.fetches().iter().map(|f| f.value("BODY[]").bytes().to_vec()).collect()
}

/// What a stored message holds behind the lines that delivery put in front.
fn as_sent<'a>(stored: &'a [u8], sent: &[u8]) -> &'a [u8] {
    assert!(
        stored.ends_with(sent),
        "not as it was sent:\n{}\n--- but\n{}",
        show(sent),
        show(stored)
    );
    &stored[stored.len() - sent.len()..]
}

#[test]
fn announces_what_it_does() {
    let server = Server::shared();
    let smtp = server.smtp();
    for word in [
        "PIPELINING",
        "SIZE",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
        "DSN",
    ] {
        assert!(smtp.offers(word), "{word} is missing in {:?}", smtp.extensions);
    }
    assert!(smtp.extensions.iter().any(|e| e == "SIZE 52428800"), "{:?}", smtp.extensions);
    assert!(!smtp.offers("AUTH"), "log-ins belong on the submission ports");
    let mut smtp = Smtp::connect(server.ports.smtp);
    smtp.start_tls();
    smtp.ehlo();
    assert!(!smtp.offers("STARTTLS"), "TLS is already up");
    smtp.cmd_expect("STARTTLS", 503);
    smtp.cmd_expect("QUIT", 221);
}

#[test]
fn a_message_arrives_whole_with_its_trace() {
    let server = Server::shared();
    let account = server.account();
    let sent = b"From: Anna <anna@elsewhere.example>\r\nSubject: dots\r\n\r\n.\r\n..\r\n.x\r\n\
        tabs\t and trailing spaces  \r\n\r\n\r\nlast\r\n";
    let mut smtp = server.smtp();
    let reply = smtp.deliver(OUTSIDE, &[&account.email], sent);
    assert!(reply.text.starts_with("250 2."), "{}", reply.text);
    let all = inbox_of(server, &account);
    assert_eq!(all.len(), 1);
    as_sent(&all[0], sent);
    let added = String::from_utf8_lossy(&all[0][..all[0].len() - sent.len()]).into_owned();
    assert!(added.starts_with(&format!("Return-Path: <{OUTSIDE}>\r\n")), "{added}");
    assert!(added.contains("Received: from client.elsewhere.example"), "{added}");
    assert!(added.contains("mail.test.example"), "{added}");
    assert!(added.lines().all(|l| l.len() <= 998));
    // A bounce has no sender.
    smtp.deliver("", &[&account.email], sent);
    let all = inbox_of(server, &account);
    assert!(all[1].starts_with(b"Return-Path: <>\r\n"), "{}", show(&all[1]));
}

#[test]
fn watchers_are_woken_by_a_delivery() {
    let server = Server::shared();
    let account = server.account();
    let mut first = server.inbox(&account);
    let mut second = server.inbox(&account);
    let (a, b) = (first.idle(), second.idle());
    let start = Instant::now();
    server.deliver(&account, &message("wake up", "now"));
    first.wait("* 1 EXISTS");
    second.wait("* 1 EXISTS");
    assert!(start.elapsed() < Duration::from_secs(5), "woken after {:?}", start.elapsed());
    first.done(&a);
    second.done(&b);
}

/// Every near miss of CR LF . CR LF that some server has taken for the end of the data
/// (CVE-2023-51764 and its kin). None may begin a second message.
#[test]
fn only_crlf_dot_crlf_ends_the_data() {
    let server = Server::shared();
    let variants: [&[u8]; 11] = [
        b"\n.\n",
        b"\n.\r\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r.\n",
        b"\n.\r",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n\0.\r\n",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
    ];
    for variant in variants {
        let account = server.account();
        let mut smtp = server.smtp();
        smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 250);
        smtp.cmd_expect(&format!("RCPT TO:<{}>", account.email), 250);
        smtp.cmd_expect("DATA", 354);
        let mut data = b"Subject: outer\r\n\r\nouter text".to_vec();
        data.extend_from_slice(variant);
        data.extend_from_slice(
            format!(
                "MAIL FROM:<admin@test.example>\r\nRCPT TO:<{}>\r\nDATA\r\nSubject: smuggled\r\n\
                 \r\nevil\r\n.\r\n",
                account.email
            )
            .as_bytes(),
        );
        smtp.send(&data);
        let reply = smtp.reply();
        let bare = !variant.contains(&0);
        assert!(
            if bare { (500..600).contains(&reply.code) } else { reply.code != 354 },
            "{variant:?}: {}",
            reply.text
        );
        // Nothing of the data was taken for a command: the next reply belongs to this one.
        smtp.send(b"NOOP\r\n");
        match smtp.try_reply(PATIENCE) {
            None => {}
            Some(reply) => assert_eq!(reply.code, 250, "{variant:?}: {}", reply.text),
        }
        let all = inbox_of(server, &account);
        assert!(all.len() <= usize::from(!bare), "{variant:?}: {} messages", all.len());
        for stored in &all {
            assert!(!stored.starts_with(b"Return-Path: <admin@"), "{variant:?} smuggled");
        }
    }
}

#[test]
fn bare_line_ends_are_refused_and_the_session_goes_on() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = server.smtp();
    for text in
        [&b"Subject: x\r\n\r\na\nb\r\n"[..], b"Subject: x\r\n\r\na\rb\r\n", b"Subject: x\n\nb"]
    {
        let reply = smtp.try_deliver(OUTSIDE, &[&account.email], text);
        assert!((500..600).contains(&reply.code), "{}", reply.text);
    }
    smtp.deliver(OUTSIDE, &[&account.email], &message("good", "text"));
    assert_eq!(inbox_of(server, &account).len(), 1);
}

#[test]
fn what_is_sent_behind_starttls_is_never_run() {
    let server = Server::shared();
    for port in [server.ports.smtp, server.ports.submission] {
        let mut smtp = Smtp::connect(port);
        smtp.ehlo();
        smtp.cmd_expect("RSET", 250);
        smtp.send(b"STARTTLS\r\nRSET\r\nMAIL FROM:<evil@elsewhere.example>\r\n");
        smtp.expect(220, "STARTTLS");
        // Either the handshake fails because of the rubbish, or the rubbish is forgotten.
        if smtp.conn.start_tls().is_ok() {
            let reply = smtp.cmd("RCPT TO:<admin@test.example>");
            assert!(matches!(reply.code, 503 | 530), "state from before TLS: {}", reply.text);
            smtp.cmd_expect("NOOP", 250);
        }
    }
}

#[test]
fn tls_forgets_what_was_said_before() {
    let server = Server::shared();
    let mut smtp = server.smtp();
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 250);
    let reply = smtp.cmd("STARTTLS");
    if reply.code == 220 {
        smtp.conn.start_tls().expect("a handshake");
        smtp.cmd_expect("RCPT TO:<admin@test.example>", 503);
    } else {
        assert_eq!(reply.code, 503, "{}", reply.text);
    }
}

/// The forms by which open relays are found (nmap's smtp-open-relay), with four kinds of sender.
#[test]
fn is_no_relay() {
    let server = Server::shared();
    let forms = [
        "<user@victim.example>",
        "<\"user@victim.example\">",
        "<user%victim.example@test.example>",
        "<user%victim.example>",
        "<\"user@victim.example\"@test.example>",
        "<\"user%victim.example\">",
        "<user@victim.example@test.example>",
        "<victim.example!user>",
        "<victim.example!user@test.example>",
        "<\"victim.example!user\">",
        "<@test.example:user@victim.example>",
        "<@test.example,@victim.example:user@victim.example>",
        "<user@victim.example@[127.0.0.1]>",
        "<user%victim.example@[127.0.0.1]>",
        "<\"user@victim.example\"@[127.0.0.1]>",
        "<victim.example!user@[127.0.0.1]>",
        "<user%victim.example@localhost>",
        "<user@[127.0.0.1]>",
    ];
    let local = server.account();
    let before = server.cli(&["queue", "list", "--json"]);
    for sender in ["", OUTSIDE, &local.email, "nobody-here@test.example"] {
        for form in forms {
            let mut smtp = server.smtp();
            let reply = smtp.cmd(&format!("MAIL FROM:<{sender}>"));
            if reply.code == 250 {
                let reply = smtp.cmd(&format!("RCPT TO:{form}"));
                assert!((500..600).contains(&reply.code), "{form} from <{sender}>: {}", reply.text);
            }
        }
    }
    assert_eq!(server.cli(&["queue", "list", "--json"]), before);
}

#[test]
fn unknown_recipients_are_refused_in_the_session() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = server.smtp();
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 250);
    let reply = smtp.cmd_expect("RCPT TO:<nobody-here@test.example>", 550);
    assert!(reply.text.starts_with("550 5.1.1 "), "{}", reply.text);
    smtp.cmd_expect("DATA", 503);
    // The good one of two is served.
    smtp.cmd_expect(&format!("RCPT TO:<{}>", account.email), 250);
    smtp.cmd_expect("DATA", 354);
    smtp.send(b"Subject: x\r\n\r\nx\r\n.\r\n");
    smtp.expect(250, "the data");
    assert_eq!(inbox_of(server, &account).len(), 1);
    // Upper case is the same address, and postmaster is always there.
    smtp.deliver(OUTSIDE, &[&account.email.to_uppercase()], &message("upper", "x"));
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 250);
    smtp.cmd_expect("RCPT TO:<postmaster@test.example>", 250);
    smtp.cmd_expect("RCPT TO:<postmaster>", 250);
}

#[test]
fn aliases_groups_plus_addresses_and_catch_all() {
    let server = Server::start_new();
    let (a, b) = (server.account(), server.account());
    server.cli(&["alias", "add", "info@test.example", &a.email]);
    server.cli(&["group", "add", "team@test.example", &a.email, &b.email]);
    server.cli(&["domain", "add", "catch.example", "--catch-all", &b.email]);
    let plus = a.email.replace('@', "+shopping@");
    let mut smtp = server.smtp();
    smtp.deliver(OUTSIDE, &["info@test.example"], &message("alias", "x"));
    smtp.deliver(OUTSIDE, &[&plus], &message("plus", "x"));
    smtp.deliver(OUTSIDE, &["whatever@catch.example"], &message("catch", "x"));
    smtp.deliver(OUTSIDE, &["team@test.example"], &message("team", "x"));
    // Once per mailbox, however many ways lead to it.
    smtp.deliver(
        OUTSIDE,
        &["team@test.example", &a.email, "info@test.example"],
        &message("once", "x"),
    );
    let subjects = |account| {
        let all = inbox_of(&server, account);
        let find = |text: &[u8]| {
            let text = String::from_utf8_lossy(text).into_owned();
            text.lines().find_map(|l| l.strip_prefix("Subject: ")).unwrap_or("?").to_owned()
        };
        all.iter().map(|m| find(m)).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&a), ["alias", "plus", "team", "once"]);
    assert_eq!(subjects(&b), ["catch", "team", "once"]);
}

#[test]
fn a_full_mailbox_is_told_and_room_helps() {
    let server = Server::setup().env("KONTOR_LIMITS_QUOTA", 30_000).start();
    let account = server.account();
    let mut smtp = server.smtp();
    let big = message("filling", &"x".repeat(70).repeat(100));
    let mut accepted = 0;
    let refused = loop {
        let reply = smtp.try_deliver(OUTSIDE, &[&account.email], &big);
        if reply.code != 250 {
            break reply;
        }
        accepted += 1;
        assert!(accepted < 10, "the quota is not kept");
    };
    assert!(matches!(refused.code, 552 | 452), "{}", refused.text);
    assert!(
        refused.text.contains(" 4.2.2 ") || refused.text.contains(" 5.2.2 "),
        "{}",
        refused.text
    );
    smtp.cmd("RSET");
    assert!(accepted >= 3);
    let mut imap = server.inbox(&account);
    let refused = imap.with_literal("APPEND INBOX ", &big, "");
    assert!(refused.status.starts_with("NO [OVERQUOTA]"), "{refused}");
    let refused = imap.cmd("COPY 1:* Archive");
    assert!(refused.status.starts_with("NO [OVERQUOTA]"), "{refused}");
    let quota = imap.ok("GETQUOTAROOT INBOX").one("* QUOTA *STORAGE*");
    assert!(quota.contains("STORAGE"), "{quota}");
    // A move needs no more room, and expunging gives some back.
    imap.ok("MOVE 1 Archive");
    imap.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)");
    imap.ok("EXPUNGE");
    smtp.deliver(OUTSIDE, &[&account.email], &big);
}

#[test]
fn a_too_large_message_is_refused_early_or_late() {
    let server = Server::setup().env("KONTOR_LIMITS_MESSAGE_SIZE", 100_000).start();
    let account = server.account();
    let mut smtp = server.smtp();
    assert!(smtp.extensions.iter().any(|e| e == "SIZE 100000"), "{:?}", smtp.extensions);
    let reply = smtp.cmd(&format!("MAIL FROM:<{OUTSIDE}> SIZE=100001"));
    assert_eq!(reply.code, 552, "{}", reply.text);
    let large = message("large", &"0123456789\r\n".repeat(20_000));
    let reply = smtp.try_deliver(OUTSIDE, &[&account.email], &large);
    assert_eq!(reply.code, 552, "{}", reply.text);
    smtp.deliver(OUTSIDE, &[&account.email], &message("small", "x"));
    let mut imap = server.imap(&account);
    let refused = imap.with_literal("APPEND INBOX ", &large, "");
    assert!(refused.status.starts_with("NO [TOOBIG]"), "{refused}");
    imap.ok("NOOP");
    assert_eq!(imap.ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 1);
    assert_eq!(imap.ok("STATUS INBOX (APPENDLIMIT)").number("APPENDLIMIT"), 100_000);
}

#[test]
fn a_message_that_goes_in_circles_is_refused() {
    let server = Server::shared();
    let account = server.account();
    let hop = "Received: from a.example by b.example; Tue, 1 Feb 2022 12:30:00 +0100\r\n";
    let mut smtp = server.smtp();
    let mut text = hop.repeat(51).into_bytes();
    text.extend_from_slice(&message("loop", "x"));
    let reply = smtp.try_deliver(OUTSIDE, &[&account.email], &text);
    assert!(reply.text.contains(" 5.4.6 "), "{}", reply.text);
    let mut text = hop.repeat(30).into_bytes();
    text.extend_from_slice(&message("no loop", "x"));
    smtp.deliver(OUTSIDE, &[&account.email], &text);
    assert_eq!(inbox_of(server, &account).len(), 1);
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = server.smtp();
    let script = format!(
        "MAIL FROM:<{OUTSIDE}>\r\nRCPT TO:<nobody-here@test.example>\r\nRCPT TO:<{0}>\r\n\
         DATA\r\n",
        account.email
    );
    smtp.send(script.as_bytes());
    smtp.expect(250, "MAIL");
    smtp.expect(550, "the unknown recipient");
    smtp.expect(250, "the known one");
    smtp.expect(354, "DATA");
    let next = format!(
        "Subject: one\r\n\r\none\r\n.\r\nMAIL FROM:<{OUTSIDE}>\r\nRCPT TO:<{}>\r\nDATA\r\n",
        account.email
    );
    smtp.send(next.as_bytes());
    for code in [250, 250, 250, 354] {
        smtp.expect(code, "the second transaction");
    }
    smtp.send(b"Subject: two\r\n\r\ntwo\r\n.\r\nQUIT\r\n");
    smtp.expect(250, "the second message");
    smtp.expect(221, "QUIT");
    assert!(smtp.try_reply(PATIENCE).is_none(), "the connection is closed after QUIT");
    assert_eq!(inbox_of(server, &account).len(), 2);
}

#[test]
fn messages_come_in_chunks() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = server.smtp();
    let begin = |smtp: &mut Smtp| {
        smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}> BODY=8BITMIME"), 250);
        smtp.cmd_expect(&format!("RCPT TO:<{}>", account.email), 250);
    };
    begin(&mut smtp);
    // A line end may fall between two chunks, and dots mean nothing here.
    smtp.send(b"BDAT 15\r\nSubject: bdat\r\n");
    smtp.expect(250, "the first chunk");
    smtp.send(b"BDAT 4\r\n\r\n.\rBDAT 5 LAST\r\n\n..\r\n");
    smtp.expect(250, "the second chunk");
    smtp.expect(250, "the last chunk");
    as_sent(&inbox_of(server, &account)[0], b"Subject: bdat\r\n\r\n.\r\n..\r\n");

    begin(&mut smtp);
    let text = b"Subject: bdat\r\n\r\n.\r\n..\r\nlast\r\n";
    smtp.send(format!("BDAT {}\r\n", text.len() - 10).as_bytes());
    smtp.send(&text[..text.len() - 10]);
    smtp.expect(250, "the first chunk");
    smtp.send(b"BDAT 10\r\n");
    smtp.send(&text[text.len() - 10..]);
    smtp.expect(250, "the second chunk");
    smtp.cmd_expect("BDAT 0 LAST", 250);
    let all = inbox_of(server, &account);
    as_sent(all.last().expect("one message"), text);
    // DATA cannot go on where BDAT began, and refused chunks are read over.
    begin(&mut smtp);
    smtp.send(b"BDAT 3\r\nabc");
    smtp.expect(250, "a chunk");
    smtp.cmd_expect("DATA", 503);
    smtp.cmd_expect("RSET", 250);
    smtp.send(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    smtp.expect(503, "no transaction");
    smtp.expect(250, "NOOP behind the chunk");
    assert_eq!(inbox_of(server, &account).len(), 2);
}

#[test]
fn addresses_and_headers_in_utf8() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = server.smtp();
    let text = "From: Jürg <jürg@elsewhere.example>\r\nSubject: Pläne\r\n\r\nGrüße\r\n".as_bytes();
    smtp.cmd_expect("MAIL FROM:<jürg@elsewhere.example> SMTPUTF8 BODY=8BITMIME", 250);
    smtp.cmd_expect(&format!("RCPT TO:<{}>", account.email), 250);
    smtp.cmd_expect("DATA", 354);
    smtp.send(text);
    smtp.send(b".\r\n");
    smtp.expect(250, "the data");
    let all = inbox_of(server, &account);
    as_sent(&all[0], text);
    let reply = smtp.cmd("MAIL FROM:<jürg@elsewhere.example>");
    assert!((500..600).contains(&reply.code), "8-bit without SMTPUTF8: {}", reply.text);
}

#[test]
fn words_out_of_place() {
    let server = Server::shared();
    let mut smtp = Smtp::connect(server.ports.smtp);
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 503);
    smtp.cmd_expect("HELO client.elsewhere.example", 250);
    smtp.cmd_expect("RCPT TO:<admin@test.example>", 503);
    smtp.cmd_expect("DATA", 503);
    smtp.cmd_expect("MAIL FROM:not-an-address", 501);
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}> NONSENSE=1"), 555);
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 250);
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 503);
    smtp.cmd_expect("RSET", 250);
    smtp.cmd_expect("NONSENSE", 500);
    let reply = smtp.cmd("VRFY admin");
    assert_eq!(reply.code, 252, "who exists is not told: {}", reply.text);
    smtp.cmd_expect("NOOP", 250);
    let reply = smtp.cmd("AUTH PLAIN AGEAYg==");
    assert!(matches!(reply.code, 502 | 503 | 504 | 530), "{}", reply.text);
    smtp.cmd_expect("QUIT", 221);
    // A line without end is refused without being kept.
    let mut smtp = Smtp::connect(server.ports.smtp);
    smtp.send(&b"X".repeat(100_000));
    smtp.send(b"\r\n");
    smtp.expect(500, "a line that is too long");
    smtp.ehlo();
}

#[test]
fn twenty_errors_end_the_session() {
    let server = Server::shared();
    let mut smtp = server.smtp();
    for round in 0..40 {
        smtp.send(b"NONSENSE\r\n");
        match smtp.try_reply(PATIENCE) {
            Some(reply) if reply.code == 421 => {
                assert!(round >= 5, "sent away after {round} errors");
                return;
            }
            Some(reply) => assert_eq!(reply.code, 500, "{}", reply.text),
            None => return,
        }
    }
    panic!("40 errors and still served");
}

#[test]
fn a_hundred_recipients_share_one_message() {
    let server = Server::shared();
    let account = server.account();
    let mut smtp = server.smtp();
    smtp.cmd_expect(&format!("MAIL FROM:<{OUTSIDE}>"), 250);
    let mut refused = 0;
    for number in 0..105 {
        let to = account.email.replace('@', &format!("+{number}@"));
        match smtp.cmd(&format!("RCPT TO:<{to}>")) {
            reply if reply.code == 250 => assert_eq!(refused, 0),
            reply => {
                assert!(reply.text.starts_with("452 4.5.3 "), "{}", reply.text);
                assert!(number >= 100, "only {number} recipients");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "no limit on recipients");
    smtp.cmd_expect("DATA", 354);
    smtp.send(b"Subject: many\r\n\r\nx\r\n.\r\n");
    smtp.expect(250, "the data");
    assert_eq!(inbox_of(server, &account).len(), 1);
}

#[test]
fn a_large_message_streams_through() {
    let server = Server::start_new();
    let account = server.account();
    let line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\r\n";
    let large = message("large", &line.repeat(40 * 1024 * 1024 / line.len()));
    let before = server.resident();
    server.deliver(&account, &large);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 128 << 20, "memory grew by {} MiB for 40 MiB", grown >> 20);
    let mut imap = server.inbox(&account);
    let stored = imap.body(1);
    as_sent(&stored, &large);
    let answer = imap.ok("FETCH 1 BODY.PEEK[]<30000000.1000>");
    assert_eq!(
        answer.fetches()[0].value("BODY[]<0>".replace('0', "30000000").as_str()).bytes(),
        &stored[30_000_000..30_001_000]
    );
}
