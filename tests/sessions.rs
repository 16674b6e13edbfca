//! Several IMAP sessions on one mailbox, and what only a program can check about the protocol.

mod agree;

use std::time::{Duration, Instant};

use crate::support::net::Conn;
use crate::support::{Dice, Imap, PATIENCE, Server, crlf_data, message, show};

/// Everything the issue names, offered after log-in.
#[test]
fn all_capabilities_are_offered() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = Imap::connect(server.ports.imap);
    let before = imap.ok("CAPABILITY").one("* CAPABILITY *");
    for word in ["IMAP4rev1", "IMAP4rev2", "STARTTLS", "AUTH=PLAIN", "SASL-IR", "ID", "ENABLE"] {
        assert!(before.split(' ').any(|w| w == word), "{word} is missing in {before}");
    }
    assert!(before.contains("LITERAL+") || before.contains("LITERAL-"), "{before}");
    let auth = before.split(' ').find(|w| w.starts_with("AUTH=")).expect("AUTH=");
    assert_eq!(auth, "AUTH=PLAIN", "PLAIN first: clients take the first that they know");
    imap.login(&account);
    let after = imap.ok("CAPABILITY").one("* CAPABILITY *");
    let offered: Vec<&str> = after.split(' ').collect();
    let missing: Vec<&str> = [
        "IMAP4rev1",
        "IMAP4rev2",
        "LITERAL+",
        "ID",
        "ENABLE",
        "NAMESPACE",
        "IDLE",
        "UNSELECT",
        "CHILDREN",
        "LIST-EXTENDED",
        "LIST-STATUS",
        "SPECIAL-USE",
        "CREATE-SPECIAL-USE",
        "STATUS=SIZE",
        "UIDPLUS",
        "MOVE",
        "MULTIAPPEND",
        "BINARY",
        "CATENATE",
        "ESEARCH",
        "SEARCHRES",
        "WITHIN",
        "SORT",
        "ESORT",
        "SORT=DISPLAY",
        "THREAD=ORDEREDSUBJECT",
        "THREAD=REFERENCES",
        "CONDSTORE",
        "QRESYNC",
        "OBJECTID",
        "SAVEDATE",
        "PREVIEW",
        "REPLACE",
        "PARTIAL",
        "UIDONLY",
        "NOTIFY",
        "METADATA",
        "QUOTA",
        "COMPRESS=DEFLATE",
        "UTF8=ACCEPT",
        "CONTEXT=SEARCH",
        "INPROGRESS",
        "LIST-METADATA",
        "MULTISEARCH",
        "XLIST",
    ]
    .into_iter()
    .filter(|word| !offered.contains(word))
    .collect();
    assert!(missing.is_empty(), "missing: {missing:?}\nin {after}");
    assert!(offered.iter().any(|w| w.starts_with("APPENDLIMIT")), "{after}");
    assert!(!after.contains("STARTTLS") || !after.contains("LOGINDISABLED"), "{after}");
}

/// Two clients change the same message's flags at the same time; nothing is lost.
#[test]
fn concurrent_flag_changes_add_up() {
    let server = Server::shared();
    let account = server.account();
    server.imap(&account).append("INBOX", "", &message("x", "x"));
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let account = &account;
            scope.spawn(move || {
                let mut imap = server.inbox(account);
                for number in 0..25 {
                    imap.ok(&format!("UID STORE 1 +FLAGS.SILENT (k{worker}x{number})"));
                }
            });
        }
    });
    let mut imap = server.inbox(&account);
    let flags = imap.ok("FETCH 1 FLAGS").fetches()[0].flags();
    assert_eq!(flags.len(), 100, "{flags:?}");
}

/// A thousand keywords are no trouble for SELECT, FETCH or SEARCH.
#[test]
fn many_keywords() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.imap(&account);
    for number in 0..20 {
        imap.append("INBOX", "", &message(&format!("m{number}"), "x"));
    }
    imap.ok("SELECT INBOX");
    for round in 0..50 {
        let words: Vec<_> = (0..20).map(|n| format!("key-{round}-{n}")).collect();
        imap.ok(&format!("STORE {} +FLAGS.SILENT ({})", round % 20 + 1, words.join(" ")));
    }
    imap.ok("SELECT INBOX").assert_has("* FLAGS (*)");
    assert_eq!(imap.ok("SEARCH KEYWORD key-49-19").search(), [10]);
    assert_eq!(imap.ok("FETCH 1 FLAGS").fetches()[0].flags().len(), 60);
}

/// From one session's OK to another's notice takes milliseconds.
#[test]
fn idle_wakes_in_milliseconds() {
    let server = Server::shared();
    let account = server.account();
    let mut watcher = server.inbox(&account);
    let tag = watcher.idle();
    let mut writer = server.imap(&account);
    let mut waits = Vec::new();
    for number in 1..=20 {
        writer.append("INBOX", "", &message("x", "x"));
        let start = Instant::now();
        watcher.wait(&format!("* {number} EXISTS"));
        waits.push(start.elapsed());
    }
    watcher.done(&tag);
    waits.sort();
    assert!(waits[10] < Duration::from_millis(100), "{waits:?}");
}

/// Malformed and odd messages: what a strict client reads must stay readable, or one bad
/// message stops the whole folder (K-9, MailKit).
#[test]
fn odd_messages_have_readable_structures() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.imap(&account);
    let samples: &[&str] = &[
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x--\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts here\r\n",
        "Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nno boundary\r\n--x--\r\n",
        "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nempty boundary\r\n----\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nnever ends",
        "Content-Type: message/rfc822\r\n\r\n",
        "Content-Type: message/rfc822\r\n\r\nnot a header\r\nat all\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQp4\r\n",
        "Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a--\r\n",
        "Content-Type: text\r\n\r\nno subtype\r\n",
        "Content-Type: ; ;;=\r\n\r\nrubbish type\r\n",
        "Content-Type: text/plain; charset=\"a\\\"b\\\\c\"\r\n\r\nquotes\r\n",
        "Content-Disposition: attachment; filename=\"two\r\n lines.txt\"\r\n\r\nfolded name\r\n",
        "Content-Type: application/x; name*0*=utf-8''%E2%82; name*1*=%AC.pdf\r\n\r\nrfc 2231\r\n",
        "From: <>\r\nTo: ;\r\nCc: undisclosed-recipients:;\r\n\r\nempty addresses\r\n",
        "From: \"a\\\"b\" <x@y>, group: a@b, <c@d>;, lonely\r\n\r\ngroups\r\n",
        "Subject: \u{fffd} raw \"quotes\" and \\ back\r\n\r\n8 bit\r\n",
        "From: \u{e4}\u{f6} <x@y>\r\n\r\n8 bit name\r\n",
        "Date: nonsense\r\nMessage-ID: no brackets\r\nIn-Reply-To: (comment)\r\n\r\nx\r\n",
        "\r\nno header at all\r\n",
        "only one line",
        "",
        "Subject no colon\r\nSubject: yes\r\n\r\nx\r\n",
        "Subject:\r\n\r\n",
        "Content-MD5: x\r\nContent-Language: de, en\r\nContent-Location: http://x/\r\n\r\nx\r\n",
    ];
    let mut kept = Vec::new();
    for sample in samples {
        let answer = imap.with_literal("APPEND INBOX ", sample.as_bytes(), "");
        // An empty message may be refused; everything else is a message.
        if answer.is_ok() {
            kept.push(*sample);
        } else {
            assert!(sample.is_empty(), "{sample:?}: {answer}");
        }
    }
    imap.ok("SELECT INBOX");
    let answer = imap.ok("FETCH 1:* (UID ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE PREVIEW)");
    let fetched = answer.fetches();
    assert_eq!(fetched.len(), kept.len());
    for (item, sample) in fetched.iter().zip(&kept) {
        super::corpus::check_envelope(item.value("ENVELOPE"), sample);
        let parts = super::corpus::check_structure(item.value("BODYSTRUCTURE"), sample);
        let uid = item.uid();
        assert_eq!(imap.body(uid), sample.as_bytes(), "{sample:?}");
        for part in parts {
            let answer = imap
                .ok(&format!("UID FETCH {uid} (BODY.PEEK[{0}] BODY.PEEK[{0}.MIME])", part.path));
            let items = answer.fetches();
            let body = items[0].value(&format!("BODY[{}]", part.path));
            assert_eq!(body.bytes().len() as u64, part.octets, "{} of {sample:?}", part.path);
        }
    }
}

/// 10,000 parts within each other, 100,000 header lines, huge parameters: linear, no panic.
#[test]
fn deep_and_wide_messages_take_no_time() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.imap(&account);
    let mut deep = String::new();
    for level in 0..10_000 {
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        ));
    }
    let mut wide = String::from("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    wide.push_str(&"--b\r\n\r\nx\r\n".repeat(200_000));
    let headers = format!("{}\r\nx\r\n", "X-A: y\r\n".repeat(100_000));
    let addresses = format!("To: {}a@b\r\n\r\nx\r\n", "a@b,\r\n ".repeat(100_000));
    let parameters: String = (0..50_000).map(|n| format!("; n*{n}*=%41")).collect();
    let parameters = format!("Content-Type: text/plain{parameters}\r\n\r\nx\r\n");
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    for (name, text) in [
        ("deep", deep),
        ("wide", wide),
        ("headers", headers),
        ("addresses", addresses),
        ("parameters", parameters),
        ("nested", nested),
    ] {
        let start = Instant::now();
        let uid = imap.append("INBOX", "", text.as_bytes());
        imap.ok("SELECT INBOX");
        let answer = imap.ok(&format!("UID FETCH {uid} (ENVELOPE BODYSTRUCTURE PREVIEW)"));
        assert_eq!(answer.fetches().len(), 1);
        imap.ok("SEARCH TEXT nothing-like-it");
        // Debug builds on busy machines are slow; quadratic work would take minutes.
        assert!(start.elapsed() < Duration::from_secs(15), "{name}: {:?}", start.elapsed());
        assert_eq!(imap.body(uid).len(), text.len(), "{name}");
    }
}

#[test]
fn hostile_lines_end_in_words_not_in_silence() {
    let server = Server::shared();
    let account = server.account();
    // Before log-in: a huge literal is not taken in.
    for size in ["4294967296", "67108864", "18446744073709551616", "99999999999999999999999"] {
        let mut imap = Imap::connect(server.ports.imap);
        imap.send(format!("a LOGIN {{{size}}}\r\n").as_bytes());
        let line = imap.response();
        assert!(!line.starts_with(b"+"), "{size} octets are asked for: {}", show(&line));
    }
    // A refused LITERAL+ is swallowed or the connection closed; its content is never run.
    let mut imap = Imap::connect(server.ports.imap);
    imap.send(b"a LOGIN {20000+}\r\n");
    let payload = "x LOGOUT\r\n".repeat(2000);
    let _ = imap.conn.send(payload.as_bytes());
    let _ = imap.conn.send(b"b NOOP\r\n");
    while let Ok(Some(line)) = imap.try_response(PATIENCE) {
        assert!(!line.starts_with(b"x "), "{}", show(&line));
        if line.starts_with(b"b ") {
            break;
        }
    }
    // Deep nesting and long lines.
    let mut imap = server.inbox(&account);
    let deep = format!("SEARCH {}ALL{}", "(".repeat(5000), ")".repeat(5000));
    let start = Instant::now();
    imap.cmd(&deep);
    imap.cmd(&format!("SEARCH {}ALL", "NOT ".repeat(10_000)));
    imap.cmd(&format!("LIST \"\" \"{}x\"", "*%".repeat(2000)));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    imap.ok("NOOP");
    imap.send(&b"z".repeat(200_000));
    imap.send(b"\r\n");
    let line = imap.response();
    assert!(line.windows(4).any(|w| w == b"BAD " || w == b"BYE "), "{}", show(&line));
    // Rubbish of all kinds.
    let mut dice = Dice::new(4711);
    for _ in 0..200 {
        let mut imap = Imap::connect(server.ports.imap);
        let bytes: Vec<u8> = (0..dice.roll(300)).map(|_| dice.roll(256) as u8).collect();
        let _ = imap.conn.send(&bytes);
        let _ = imap.conn.send(b"\r\n");
    }
    server.imap(&account).ok("NOOP");
}

/// One account's mailboxes, messages and ids are out of another's reach.
#[test]
fn accounts_are_apart() {
    let server = Server::shared();
    let (mine, theirs) = (server.account(), server.account());
    let mut other = server.imap(&theirs);
    other.append("INBOX", "", &message("secret", "secret"));
    other.ok("CREATE Hidden");
    other.ok("SELECT INBOX");
    let id = other.ok("FETCH 1 EMAILID").one("* 1 FETCH (EMAILID (*");
    let id = id.split(['(', ')']).nth(2).expect("an id").to_owned();
    let mut imap = server.inbox(&mine);
    assert!(imap.ok(&format!("SEARCH EMAILID {id}")).search().is_empty());
    imap.ok("LIST \"\" *").assert_lacks("*Hidden*");
    for name in ["../Hidden", "/Hidden", "~other/Hidden", "Other Users/x/INBOX", "INBOX/../Hidden"]
    {
        assert!(!imap.cmd(&format!("SELECT \"{name}\"")).is_ok(), "{name}");
    }
    imap.ok("SELECT INBOX");
    assert!(imap.ok("SEARCH TEXT secret").search().is_empty());
}

#[test]
fn sigterm_says_goodbye() {
    let mut server = Server::start_new();
    let account = server.account();
    let mut idle = server.inbox(&account);
    idle.idle();
    let mut quiet = server.inbox(&account);
    let mut smtp = server.smtp();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    idle.wait("* BYE *");
    quiet.wait("* BYE *");
    let reply = smtp.try_reply(PATIENCE);
    assert!(reply.is_none_or(|r| r.code == 421));
    server.start();
    server.imap(&account).ok("NOOP");
}

#[test]
fn implicit_tls_and_old_versions() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = Imap::connect_tls(server.ports.imaps);
    assert!(imap.conn.tls_version().is_some());
    let capabilities = imap.ok("CAPABILITY").one("* CAPABILITY *");
    assert!(!capabilities.contains("STARTTLS"), "{capabilities}");
    imap.login(&account);
    let text = crlf_data("mixed.eml");
    let uid = imap.append("INBOX", "", &text);
    imap.ok("SELECT INBOX");
    assert_eq!(imap.body(uid), text);
    // TLS 1.0 and plain text are turned away without harm: a ClientHello of 1.0.
    let mut conn = Conn::plain(server.ports.imaps).expect("a connection");
    let hello =
        [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1][..], &[7; 32], &[0, 0, 2, 0, 47, 1, 0]].concat();
    conn.send(&hello).expect("sent");
    let answer = conn.rest(PATIENCE).unwrap_or_default();
    assert!(answer.first() != Some(&22), "a ServerHello for TLS 1.0");
}
