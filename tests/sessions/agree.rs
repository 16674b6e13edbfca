//! Several sessions on one mailbox always agree about it.

use crate::support::imap::{Answer, Fetched};
use crate::support::{Account, Dice, Imap, Server, message};

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
