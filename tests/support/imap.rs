//! A small IMAP client: sends what it is told, gives back whole responses with their literals.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::net::Conn;
use super::pattern::matches;
use super::sexp::{self, Value};
use super::{Account, PATIENCE, show};

pub struct Imap {
    pub conn: Conn,
    pub greeting: String,
    tags: u32,
}

/// What one command brought.
#[derive(Debug)]
pub struct Answer {
    /// Untagged responses in order, without the final line end, literals included.
    pub lines: Vec<Vec<u8>>,
    /// The tagged response without its tag.
    pub status: String,
    command: String,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.status.starts_with("OK ")
    }

    /// Whether some untagged response fits.
    pub fn has(&self, pattern: &str) -> bool {
        self.lines.iter().any(|line| matches(pattern, line))
    }

    pub fn all(&self, pattern: &str) -> Vec<&[u8]> {
        self.lines.iter().map(Vec::as_slice).filter(|line| matches(pattern, line)).collect()
    }

    /// The first untagged response that fits, as text.
    pub fn one(&self, pattern: &str) -> String {
        match self.all(pattern).first() {
            Some(line) => String::from_utf8_lossy(line).into_owned(),
            None => panic!("no {pattern:?} in\n{self}"),
        }
    }

    #[track_caller]
    pub fn assert_has(&self, pattern: &str) {
        assert!(self.has(pattern), "no {pattern:?} in\n{self}");
    }

    #[track_caller]
    pub fn assert_lacks(&self, pattern: &str) {
        assert!(!self.has(pattern), "unexpected {pattern:?} in\n{self}");
    }

    /// The number after `word`, in any response or in the status: `number("UIDNEXT")`.
    #[track_caller]
    pub fn number(&self, word: &str) -> u64 {
        self.try_number(word).unwrap_or_else(|| panic!("no number after {word} in\n{self}"))
    }

    pub fn try_number(&self, word: &str) -> Option<u64> {
        self.lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .chain([self.status.clone()])
            .find_map(|text| {
                let at = text.find(&format!("{word} "))? + word.len() + 1;
                let digits: String = text[at..]
                    .trim_start_matches('(')
                    .chars()
                    .take_while(char::is_ascii_digit)
                    .collect();
                digits.parse().ok()
            })
    }

    /// The numbers of a SEARCH response (RFC 3501 form).
    #[track_caller]
    pub fn search(&self) -> Vec<u32> {
        let line = self.one("* SEARCH*");
        line.split_whitespace().skip(2).map_while(|n| n.parse().ok()).collect()
    }

    /// The content of EXISTS, the last one if there are several.
    #[track_caller]
    pub fn exists(&self) -> u32 {
        let line = self.all("* * EXISTS").last().map(|l| String::from_utf8_lossy(l).into_owned());
        let line = line.unwrap_or_else(|| panic!("no EXISTS in\n{self}"));
        line.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    /// Every FETCH response: sequence number and the items as name and value.
    #[track_caller]
    pub fn fetches(&self) -> Vec<Fetched> {
        self.lines.iter().filter_map(|line| Fetched::parse(line)).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "C: {}", self.command)?;
        for line in self.lines.iter().take(100) {
            writeln!(f, "S: {}", show(line))?;
        }
        if self.lines.len() > 100 {
            writeln!(f, "   … {} responses", self.lines.len())?;
        }
        writeln!(f, "S: {}", self.status)
    }
}

/// One `* n FETCH (…)`.
#[derive(Debug)]
pub struct Fetched {
    pub seq: u32,
    pub items: Vec<(String, Value)>,
}

impl Fetched {
    pub fn parse(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"* ")?;
        let space = rest.iter().position(|&b| b == b' ')?;
        let seq = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let list = rest[space + 1..].strip_prefix(b"FETCH ")?;
        let values = match sexp::parse(list) {
            Ok(values) => values,
            Err(e) => panic!("a FETCH response that does not parse: {e}: {}", show(line)),
        };
        let [Value::List(items)] = values.as_slice() else {
            panic!("a FETCH response without its list: {}", show(line));
        };
        assert!(items.len() % 2 == 0, "items without values: {}", show(line));
        let items = items
            .chunks(2)
            .map(|pair| (pair[0].text().to_ascii_uppercase(), pair[1].clone()))
            .collect();
        Some(Fetched { seq, items })
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.items.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    #[track_caller]
    pub fn value(&self, name: &str) -> &Value {
        self.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.items))
    }

    #[track_caller]
    pub fn uid(&self) -> u32 {
        self.value("UID").text().parse().expect("a number")
    }

    /// Flags in order of the alphabet, without \Recent, which depends on who came first.
    #[track_caller]
    pub fn flags(&self) -> Vec<String> {
        let mut flags: Vec<String> = self
            .value("FLAGS")
            .list()
            .iter()
            .map(Value::text)
            .filter(|f| f != "\\Recent")
            .collect();
        flags.sort();
        flags
    }

    #[track_caller]
    pub fn modseq(&self) -> u64 {
        self.value("MODSEQ").list()[0].text().parse().expect("a number")
    }
}

impl Imap {
    /// Connects and reads the greeting, which must be OK.
    pub fn connect(address: SocketAddr) -> Imap {
        Self::over(Conn::plain(address).expect("a connection"))
    }

    pub fn connect_tls(address: SocketAddr) -> Imap {
        Self::over(Conn::tls(address).expect("a TLS connection"))
    }

    pub fn over(conn: Conn) -> Imap {
        let mut imap = Imap { conn, greeting: String::new(), tags: 0 };
        let greeting = imap.response();
        imap.greeting = String::from_utf8_lossy(&greeting).into_owned();
        assert!(greeting.starts_with(b"* OK "), "greeting: {}", imap.greeting);
        imap
    }

    /// As [`Self::over`], where the server may be killed meanwhile.
    pub fn over_quietly(conn: Conn) -> std::io::Result<Imap> {
        let mut imap = Imap { conn, greeting: String::new(), tags: 0 };
        match imap.try_response(PATIENCE)? {
            Some(_) => Ok(imap),
            None => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.conn.send(bytes).expect("the server still reads");
    }

    /// The next whole response within the time; `None` when the connection has ended.
    pub fn try_response(&mut self, within: Duration) -> std::io::Result<Option<Vec<u8>>> {
        let until = Instant::now() + within;
        let mut response = Vec::new();
        loop {
            let line = self.conn.line(until)?;
            if !line.ends_with(b"\r\n") {
                if line.is_empty() && response.is_empty() {
                    return Ok(None);
                }
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            response.extend_from_slice(&line[..line.len() - 2]);
            let Some(count) = literal_at_end(&response) else { return Ok(Some(response)) };
            response.extend_from_slice(b"\r\n");
            response.extend_from_slice(&self.conn.exactly(count, until)?);
        }
    }

    #[track_caller]
    pub fn response(&mut self) -> Vec<u8> {
        match self.try_response(PATIENCE) {
            Ok(Some(response)) => response,
            Ok(None) => panic!("the server closed the connection"),
            Err(e) => panic!("waiting for a response: {e}"),
        }
    }

    pub fn tag(&mut self) -> String {
        self.tags += 1;
        format!("t{}", self.tags)
    }

    /// Sends a command without waiting; its tag.
    pub fn start(&mut self, command: &str) -> String {
        let tag = self.tag();
        self.send(format!("{tag} {command}\r\n").as_bytes());
        tag
    }

    /// Reads until the tagged response.
    #[track_caller]
    pub fn finish(&mut self, tag: &str, command: &str) -> Answer {
        match self.try_finish(tag, command) {
            Ok(answer) => answer,
            Err(e) => panic!("waiting for the answer to {command}: {e}"),
        }
    }

    /// As [`Self::finish`], where the server may be killed meanwhile.
    #[track_caller]
    pub fn try_finish(&mut self, tag: &str, command: &str) -> std::io::Result<Answer> {
        let mut lines = Vec::new();
        loop {
            let Some(response) = self.try_response(PATIENCE)? else {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            };
            if let Some(status) = response.strip_prefix(format!("{tag} ").as_bytes()) {
                let status = String::from_utf8_lossy(status).into_owned();
                return Ok(Answer { lines, status, command: command.to_owned() });
            }
            assert!(
                response.starts_with(b"* "),
                "neither untagged nor {tag}: {} (after {command})",
                show(&response)
            );
            lines.push(response);
        }
    }

    /// A command where the server may be killed meanwhile.
    pub fn try_cmd(&mut self, command: &str) -> std::io::Result<Answer> {
        let tag = self.tag();
        self.conn.send(format!("{tag} {command}\r\n").as_bytes())?;
        self.try_finish(&tag, command)
    }

    #[track_caller]
    pub fn cmd(&mut self, command: &str) -> Answer {
        let tag = self.start(command);
        self.finish(&tag, command)
    }

    #[track_caller]
    pub fn ok(&mut self, command: &str) -> Answer {
        let answer = self.cmd(command);
        assert!(answer.is_ok(), "{answer}");
        answer
    }

    /// A command with one literal in its middle, sent without waiting (LITERAL+).
    #[track_caller]
    pub fn with_literal(&mut self, before: &str, literal: &[u8], after: &str) -> Answer {
        let tag = self.tag();
        let mut bytes = format!("{tag} {before}{{{}+}}\r\n", literal.len()).into_bytes();
        bytes.extend_from_slice(literal);
        bytes.extend_from_slice(after.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        self.send(&bytes);
        self.finish(&tag, &format!("{before}<{} bytes>{after}", literal.len()))
    }

    #[track_caller]
    pub fn login(&mut self, account: &Account) {
        self.ok(&format!("LOGIN \"{}\" \"{}\"", account.email, account.password));
    }

    /// APPEND; the new UID.
    #[track_caller]
    pub fn append(&mut self, mailbox: &str, flags: &str, message: &[u8]) -> u32 {
        let answer = self.with_literal(&format!("APPEND {mailbox} ({flags}) "), message, "");
        assert!(answer.is_ok(), "{answer}");
        let code = answer.status.split_once("[APPENDUID ").expect("APPENDUID").1;
        code.split([' ', ']']).nth(1).and_then(|n| n.parse().ok()).expect("a UID")
    }

    /// The whole message with this UID, byte for byte.
    #[track_caller]
    pub fn body(&mut self, uid: u32) -> Vec<u8> {
        let answer = self.ok(&format!("UID FETCH {uid} BODY.PEEK[]"));
        let fetched = answer.fetches();
        let found = fetched.iter().find(|f| f.get("BODY[]").is_some());
        found.unwrap_or_else(|| panic!("no body in\n{answer}")).value("BODY[]").bytes().to_vec()
    }

    /// Enters IDLE and returns when the server has agreed.
    #[track_caller]
    pub fn idle(&mut self) -> String {
        let tag = self.start("IDLE");
        loop {
            let response = self.response();
            if response.starts_with(b"+") {
                return tag;
            }
            assert!(response.starts_with(b"* "), "instead of +: {}", show(&response));
        }
    }

    /// Waits for an untagged response that fits; panics if another kind of end comes first.
    #[track_caller]
    pub fn wait(&mut self, pattern: &str) -> Vec<u8> {
        let mut seen = Vec::new();
        let until = Instant::now() + PATIENCE;
        loop {
            match self.try_response(until.saturating_duration_since(Instant::now())) {
                Ok(Some(line)) if matches(pattern, &line) => return line,
                Ok(Some(line)) => seen.push(show(&line)),
                end => panic!("waiting for {pattern:?}: {end:?} after {seen:#?}"),
            }
        }
    }

    #[track_caller]
    pub fn done(&mut self, tag: &str) -> Answer {
        self.send(b"DONE\r\n");
        self.finish(tag, "IDLE … DONE")
    }
}

/// The count when a response so far ends with a literal's head.
pub fn literal_at_end(line: &[u8]) -> Option<usize> {
    let open = line.strip_suffix(b"}")?.iter().rposition(|&b| b == b'{')?;
    let digits = std::str::from_utf8(&line[open + 1..line.len() - 1]).ok()?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
