//! Several IMAP sessions on one mailbox, and what only a program can check about the protocol.

use std::time::{Duration, Instant};

use crate::support::imap::{Answer, Fetched};
use crate::support::net::Conn;
use crate::support::{Account, Dice, Imap, PATIENCE, Server, crlf_data, message, show};

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

const UNFLAG_ALL: &str = "STORE 1:* -FLAGS.SILENT (\\Flagged)";

/// One client's picture of a mailbox, kept only from what it was told.
struct Picture {
    imap: Imap,
    /// UID (0 while unknown) and flags by position.
    rows: Vec<(u32, Option<Vec<String>>)>,
    /// Gets VANISHED instead of EXPUNGE.
    qresync: bool,
    name: &'static str,
    log: Vec<String>,
}

impl Picture {
    fn open(server: &Server, account: &Account, name: &'static str, qresync: bool) -> Self {
        let mut imap = server.imap(account);
        if qresync {
            imap.ok("ENABLE QRESYNC");
        }
        let mut picture = Picture { imap, rows: Vec::new(), qresync, name, log: Vec::new() };
        picture.run("SELECT INBOX");
        picture
    }

    /// Runs a command and takes in whatever it brings.
    fn run(&mut self, command: &str) -> Answer {
        self.log.push(format!("C: {command}"));
        let answer = self.imap.cmd(command);
        for line in &answer.lines {
            self.take(line, command);
        }
        self.log.push(format!("S: {}", answer.status));
        // A message that another session has removed may be refused (RFC 5530).
        if !answer.is_ok() && !answer.status.starts_with("NO [EXPUNGEISSUED]") {
            self.fail(&format!("{command} was refused"));
        }
        answer
    }

    /// IDLE and out again; what comes between is taken in as well.
    fn idle(&mut self) {
        self.log.push("C: IDLE, DONE".to_owned());
        let tag = self.imap.start("IDLE");
        loop {
            let line = self.imap.response();
            if line.starts_with(b"+") {
                break;
            }
            self.take(&line, "IDLE");
        }
        let answer = self.imap.done(&tag);
        for line in &answer.lines {
            self.take(line, "IDLE");
        }
    }

    /// Two commands in one packet.
    fn run_pair(&mut self, first: &str, second: &str) {
        if self.rows.is_empty() {
            return;
        }
        let tags = [self.imap.tag(), self.imap.tag()];
        let bytes = format!("{} {first}\r\n{} {second}\r\n", tags[0], tags[1]);
        self.imap.send(bytes.as_bytes());
        for (tag, command) in tags.iter().zip([first, second]) {
            self.log.push(format!("C: {command} (piped)"));
            let answer = self.imap.finish(tag, command);
            if command == UNFLAG_ALL {
                // Silent: the client itself has to know what it did.
                let flags = self.rows.iter_mut().filter_map(|row| row.1.as_mut());
                flags.for_each(|flags| flags.retain(|f| f != "\\Flagged"));
            }
            for line in &answer.lines {
                self.take(line, command);
            }
            self.log.push(format!("S: {}", answer.status));
        }
    }

    /// What it does not know yet it may ask for; what it believes must be true.
    fn compare(&self, fresh: &Picture, when: &str) {
        if self.rows.len() != fresh.rows.len() {
            self.fail(&format!("{when}: {} messages, not {}", self.rows.len(), fresh.rows.len()));
        }
        for (at, (mine, truth)) in self.rows.iter().zip(&fresh.rows).enumerate() {
            let number = at + 1;
            if mine.0 != 0 && mine.0 != truth.0 {
                self.fail(&format!("{when}: {number} is UID {}, not {}", truth.0, mine.0));
            }
            if mine.1.is_some() && mine.1 != truth.1 {
                self.fail(&format!(
                    "{when}: {number} (UID {}) has {:?}, not {:?}",
                    truth.0, truth.1, mine.1
                ));
            }
        }
    }

    fn fail(&self, what: &str) -> ! {
        let tail = self.log.len().saturating_sub(60);
        panic!("{}: {what}\n{}", self.name, self.log[tail..].join("\n"));
    }

    fn take(&mut self, line: &[u8], command: &str) {
        let text = String::from_utf8_lossy(line).into_owned();
        self.log.push(format!("S: {text}"));
        if let Some(list) = text.strip_prefix("* VANISHED ") {
            if !self.qresync {
                self.fail("VANISHED without QRESYNC");
            }
            for uid in set(list) {
                // One that was announced by EXISTS and never asked about has a place by order.
                let known = self.rows.iter().position(|(u, _)| *u == uid);
                let before = self.rows.iter().take_while(|(u, _)| *u < uid).enumerate();
                let unknown = before.filter(|(_, (u, _))| *u == 0).map(|(at, _)| at).last();
                match known.or(unknown) {
                    Some(at) => drop(self.rows.remove(at)),
                    None => self.fail(&format!("VANISHED {uid} is not in the picture")),
                }
            }
            return;
        }
        let mut words = text.split(' ').skip(1);
        let (Some(Ok(number)), Some(kind)) = (words.next().map(str::parse::<u32>), words.next())
        else {
            return;
        };
        match kind {
            "EXISTS" => {
                if (number as usize) < self.rows.len() {
                    self.fail("EXISTS shrank");
                }
                self.rows.resize(number as usize, (0, None));
            }
            "EXPUNGE" => {
                if self.qresync {
                    self.fail("EXPUNGE with QRESYNC");
                }
                let first = command.split(' ').next().unwrap_or_default();
                if matches!(first, "FETCH" | "STORE" | "SEARCH") {
                    self.fail("EXPUNGE where numbers must not move");
                }
                if number == 0 || number as usize > self.rows.len() {
                    self.fail("EXPUNGE outside");
                }
                self.rows.remove(number as usize - 1);
            }
            "FETCH" => {
                let fetched = Fetched::parse(line).expect("parsed above");
                if fetched.seq == 0 || fetched.seq as usize > self.rows.len() {
                    self.fail("FETCH outside");
                }
                let row = &mut self.rows[fetched.seq as usize - 1];
                if fetched.get("UID").is_some() {
                    let uid = fetched.uid();
                    if row.0 != 0 && row.0 != uid {
                        let old = row.0;
                        self.fail(&format!("position {} was UID {old}", fetched.seq));
                    }
                    row.0 = uid;
                }
                if fetched.get("FLAGS").is_some() {
                    row.1 = Some(fetched.flags());
                }
            }
            _ => {}
        }
    }
}

fn set(text: &str) -> Vec<u32> {
    text.split(',')
        .flat_map(|part| {
            let (a, b) = part.split_once(':').unwrap_or((part, part));
            let (a, b): (u32, u32) = (a.parse().expect("a UID"), b.parse().expect("a UID"));
            a.min(b)..=a.max(b)
        })
        .collect()
}

/// Four sessions do what clients do, in any order; after each round all pictures, made only
/// from what each was told, agree with a fresh look.
#[test]
fn sessions_always_agree() {
    let server = Server::shared();
    // KONTOR_SEED=A-B plays other games than the usual ones.
    let seeds = std::env::var("KONTOR_SEED").unwrap_or_else(|_| "1-6".to_owned());
    let (first, last) = seeds.split_once('-').unwrap_or((&seeds, &seeds));
    for seed in first.parse::<u64>().expect("a number")..=last.parse().expect("a number") {
        let account = server.account();
        let mut dice = Dice::new(seed);
        let mut setup = server.imap(&account);
        for number in 0..12 {
            setup.append("INBOX", "", &message(&format!("m{number}"), "x"));
        }
        let mut sessions = [
            Picture::open(server, &account, "plain 1", false),
            Picture::open(server, &account, "plain 2", false),
            Picture::open(server, &account, "qresync", true),
            Picture::open(server, &account, "plain 3", false),
        ];
        // With QRESYNC, expunges name UIDs, so this client has to know them from the start.
        sessions[2].run("UID FETCH 1:* (FLAGS)");
        for _ in 0..60 {
            let who = dice.roll(4);
            let session = &mut sessions[who];
            let count = session.rows.len();
            let one = if count == 0 { 0 } else { dice.roll(count) + 1 };
            match dice.roll(15) {
                0 => drop(session.run("NOOP")),
                1 if one > 0 => drop(session.run(&format!("STORE {one} +FLAGS (\\Seen Work)"))),
                2 if one > 0 => drop(session.run(&format!("STORE {one} -FLAGS (\\Seen)"))),
                3 if one > 0 => drop(session.run(&format!("STORE {one} +FLAGS (\\Deleted)"))),
                4 => drop(session.run("EXPUNGE")),
                5 | 6 => {
                    let text = message("more", "x");
                    session.imap.append("INBOX", "\\Flagged", &text);
                    // The append's own untagged lines were not looked at: ask again.
                    resync(session);
                }
                7 if one > 0 => drop(session.run(&format!("FETCH {one} (UID FLAGS)"))),
                8 if one > 0 => drop(session.run(&format!("COPY {one} INBOX"))),
                9 if one > 0 => drop(session.run(&format!("MOVE {one} Archive"))),
                10 => drop(session.run("SEARCH SEEN")),
                11 if one > 0 => drop(session.run(&format!("FETCH {one} BODY[TEXT]"))),
                12 => session.idle(),
                13 => session.run_pair("NOOP", UNFLAG_ALL),
                14 => drop(session.run("UID EXPUNGE 1:7")),
                _ => drop(session.run("CHECK")),
            }
            if session.qresync {
                session.run("UID FETCH 1:* (FLAGS)");
            }
        }
        let mut fresh = Picture::open(server, &account, "fresh", false);
        fresh.run("FETCH 1:* (UID FLAGS)");
        for session in &mut sessions {
            session.run("NOOP");
            session.compare(&fresh, &format!("seed {seed}"));
        }
    }
}

/// The same with all four at once, each on a thread of its own.
#[test]
fn sessions_agree_under_fire() {
    let server = Server::shared();
    let account = server.account();
    let mut setup = server.imap(&account);
    for number in 0..30 {
        setup.append("INBOX", "", &message(&format!("m{number}"), "x"));
    }
    let names = [("one", false), ("two", false), ("three", true), ("four", true)];
    let mut sessions: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = names
            .iter()
            .zip(1..)
            .map(|(&(name, qresync), seed)| {
                let account = &account;
                scope.spawn(move || {
                    let mut dice = Dice::new(seed);
                    let mut session = Picture::open(server, account, name, qresync);
                    if qresync {
                        session.run("UID FETCH 1:* (FLAGS)");
                    }
                    for _ in 0..150 {
                        let count = session.rows.len();
                        let one = if count == 0 { continue } else { dice.roll(count) + 1 };
                        let command = match dice.roll(10) {
                            0 => "NOOP".to_owned(),
                            1 | 2 => format!("STORE {one} +FLAGS (\\Seen k{})", dice.roll(3)),
                            3 => format!("STORE {one} -FLAGS (\\Seen k{})", dice.roll(3)),
                            4 => format!("STORE {one} +FLAGS (\\Deleted)"),
                            5 => "EXPUNGE".to_owned(),
                            6 | 7 => format!("COPY {one} INBOX"),
                            8 => format!("FETCH {one} (UID FLAGS)"),
                            _ => "SEARCH SEEN".to_owned(),
                        };
                        session.run(&command);
                        if qresync {
                            session.run("UID FETCH 1:* (FLAGS)");
                        }
                    }
                    session
                })
            })
            .collect();
        running.into_iter().map(|r| r.join().expect("its own failure says why")).collect()
    });
    let mut fresh = Picture::open(server, &account, "fresh", false);
    fresh.run("FETCH 1:* (UID FLAGS)");
    for session in &mut sessions {
        session.run("NOOP");
        session.compare(&fresh, "under fire");
    }
}

/// Forgets and asks again, as a client does that missed lines.
fn resync(session: &mut Picture) {
    session.rows.clear();
    session.run("SELECT INBOX");
    if session.qresync {
        session.run("UID FETCH 1:* (FLAGS)");
    }
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
