//! Dialogues kept as text in `tests/transcripts/`, played against the server.
//!
//! ```text
//! # a comment
//! @ submission            which port: imap (as a rule), imaps, smtp, submission, submissions
//! @ nologin               IMAP sessions log in by themselves unless this stands here
//! @ set NAME VALUE        a word for later, used as $NAME
//! C1: a SELECT INBOX      session 1 sends a line; `C:` is session 1
//! S1: * 3 EXISTS          … must hear this next; `*` stands for anything
//! S1: ...                 … may hear anything until the next S line fits
//! X1: * * EXPUNGE         … but nothing of that may fit this
//! U1: * FLAGS *           a block of U lines may come in any order
//! O1: * OK [MAILBOXID *   … and these, among them, need not come
//! S1: * OK [UIDVALIDITY <v=*>] *     remembers a word as $v
//! C1: a APPEND INBOX <file plain.eml>     a literal from tests/data
//! S1: * 1 FETCH (BODY[] <file plain.eml>)     … and back
//! C1: a APPEND INBOX <literal some text>
//! S1: * STATUS INBOX (<any UNSEEN 1 | MESSAGES 2 any>)     these in either order
//! C1: DONE<crlf>b NOOP    two lines in one packet; also <cr>, <lf>, <nul>, <tab>, <xHH>, <nocrlf>
//! T1:                     puts TLS over session 1
//! D1:                     session 1 is compressed from here on
//! E1:                     the server must have closed session 1
//! ```
//!
//! `$user` and `$password` are a fresh account, `$other` a second one (made when named), and
//! `$domain` their domain. `UPDATE=1` rewrites the lines that no longer fit.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use super::imap::Imap;
use super::net::Conn;
use super::pattern::Pattern;
use super::server::{Account, DOMAIN, PASSWORD, Server};
use super::{PATIENCE, crlf_data, show};

/// Plays one file; panics with the dialogue so far where it differs.
pub fn play(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let update = std::env::var_os("UPDATE").is_some();
    let mut player = Player::new(update);
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let before = at;
        if let Err(problem) = player.step(&lines, &mut at) {
            panic!(
                "{name}.txt line {}: {}\n{problem}\n--- the dialogue so far\n{}",
                before + 1,
                lines[before],
                player.heard
            );
        }
    }
    if update && player.output != text {
        std::fs::write(&path, player.output).expect("the transcript can be written");
    }
}

struct Player {
    update: bool,
    output: String,
    heard: String,
    words: HashMap<String, String>,
    sessions: BTreeMap<u32, Session>,
    port: String,
    login: bool,
    server: &'static Server,
}

struct Session {
    imap: bool,
    conn: Conn,
    /// Set after `S: ...`, with the patterns that must not be among what is passed over.
    skipping: Option<Vec<String>>,
}

impl Player {
    fn new(update: bool) -> Self {
        let words = [("domain", DOMAIN), ("password", PASSWORD)];
        Player {
            update,
            output: String::new(),
            heard: String::new(),
            words: words.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            sessions: BTreeMap::new(),
            port: "imap".to_owned(),
            login: true,
            server: Server::shared(),
        }
    }

    /// Plays the line at `at`, or the block that begins there.
    fn step(&mut self, lines: &[&str], at: &mut usize) -> Result<(), String> {
        let line = lines[*at];
        let first = *at;
        *at += 1;
        let Some((kind, number, rest)) = head(line) else {
            if let Some(directive) = line.strip_prefix("@ ") {
                self.directive(directive)?;
            } else if !(line.is_empty() || line.starts_with('#')) {
                return Err("not a line of a transcript".to_owned());
            }
            self.keep(line);
            return Ok(());
        };
        self.session(number)?;
        match kind {
            'C' => {
                self.keep(line);
                let bytes = self.sendable(rest)?;
                let _ = writeln!(self.heard, "C{number}: {}", show(&bytes).trim_end());
                let session = self.sessions.get_mut(&number).expect("opened above");
                session.conn.send(&bytes).map_err(|e| format!("sending: {e}"))
            }
            'S' if rest == "..." => {
                self.keep(line);
                let mut never = Vec::new();
                while let Some(('X', n, pattern)) = lines.get(*at).and_then(|l| head(l)) {
                    if n != number {
                        return Err("an X line of another session".to_owned());
                    }
                    self.keep(lines[*at]);
                    never.push(self.fill(pattern)?);
                    *at += 1;
                }
                self.sessions.get_mut(&number).expect("opened above").skipping = Some(never);
                Ok(())
            }
            'S' => {
                let whole = with_literals(rest, number, lines, at);
                self.listen(number, &whole, &lines[first..*at].join("\n"))
            }
            'U' => {
                let mut block = vec![(kind, rest)];
                while let Some((kind @ ('U' | 'O'), n, pattern)) =
                    lines.get(*at).and_then(|l| head(l))
                {
                    if n != number {
                        break;
                    }
                    block.push((kind, pattern));
                    *at += 1;
                }
                self.listen_unordered(number, block)
            }
            'T' => {
                self.keep(line);
                let session = self.sessions.get_mut(&number).expect("opened above");
                session.conn.start_tls().map_err(|e| format!("TLS: {e}"))
            }
            'D' => {
                self.keep(line);
                self.sessions.get_mut(&number).expect("opened above").conn.start_deflate();
                Ok(())
            }
            'E' => {
                self.keep(line);
                let session = self.sessions.get_mut(&number).expect("opened above");
                match session.conn.rest(PATIENCE) {
                    Ok(rest) if rest.is_empty() => Ok(()),
                    Ok(rest) => Err(format!("before the end came {}", show(&rest))),
                    Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
                    Err(e) => Err(format!("not closed: {e}")),
                }
            }
            _ => Err("not a line of a transcript".to_owned()),
        }
    }

    fn keep(&mut self, line: &str) {
        self.output.push_str(line);
        self.output.push('\n');
    }

    fn directive(&mut self, text: &str) -> Result<(), String> {
        let mut words = text.split(' ');
        match (words.next().unwrap_or_default(), words.next(), words.next()) {
            ("nologin", None, None) => self.login = false,
            ("set", Some(name), Some(value)) => {
                let value = self.fill(value)?;
                self.words.insert(name.to_owned(), value);
            }
            (port @ ("imap" | "imaps" | "smtp" | "submission" | "submissions"), None, None) => {
                self.port = port.to_owned();
                self.login &= port.starts_with("imap");
            }
            _ => return Err("not a directive".to_owned()),
        }
        Ok(())
    }

    /// Opens a session at its first line.
    fn session(&mut self, number: u32) -> Result<(), String> {
        if self.sessions.contains_key(&number) {
            return Ok(());
        }
        let address = self.address()?;
        let conn = match self.port.as_str() {
            "imaps" | "submissions" => Conn::tls(address),
            _ => Conn::plain(address),
        };
        let mut conn = conn.map_err(|e| format!("connecting to {address}: {e}"))?;
        let imap = self.port.starts_with("imap");
        if self.login {
            let account = Account { email: self.fill("$user")?, password: PASSWORD.to_owned() };
            let mut session = Imap::over(conn);
            session.login(&account);
            conn = session.conn;
        }
        self.sessions.insert(number, Session { imap, conn, skipping: None });
        Ok(())
    }

    fn address(&self) -> Result<SocketAddr, String> {
        let ports = &self.server.ports;
        Ok(match self.port.as_str() {
            "imap" => ports.imap,
            "imaps" => ports.imaps,
            "smtp" => ports.smtp,
            "submission" => ports.submission,
            "submissions" => ports.submissions,
            other => return Err(format!("no port named {other}")),
        })
    }

    /// Puts words in for `$name`.
    fn fill(&mut self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let end =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let name = &rest[..end];
            if name.is_empty() {
                // IMAP's own dollar, as in $Junk, is written `$$`.
                rest = rest.strip_prefix('$').ok_or("a lone $ (write $$)")?;
                out.push('$');
                continue;
            }
            if matches!(name, "user" | "other") && !self.words.contains_key(name) {
                let account = self.server.account();
                self.words.insert(name.to_owned(), account.email);
            }
            let word = self.words.get(name).ok_or_else(|| format!("${name} is not set"))?;
            out.push_str(word);
            rest = &rest[end..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn sendable(&mut self, text: &str) -> Result<Vec<u8>, String> {
        let text = self.fill(text)?;
        let mut out = Vec::new();
        let mut rest = text.as_str();
        let mut line_end = true;
        while let Some(open) = rest.find('<') {
            out.extend_from_slice(&rest.as_bytes()[..open]);
            rest = &rest[open..];
            let close = rest.find('>').unwrap_or(rest.len() - 1);
            let token = &rest[1..close.max(1)];
            match token.split_once(' ') {
                Some(("file", name)) => literal(&mut out, &crlf_data(name), "+"),
                Some(("bytes", name)) => out.extend_from_slice(&crlf_data(name)),
                Some(("literal", text)) => literal(&mut out, text.as_bytes(), "+"),
                Some(("base64", text)) => {
                    use base64::Engine as _;
                    let bytes = text.replace("\\0", "\0");
                    let code = base64::engine::general_purpose::STANDARD.encode(bytes);
                    out.extend_from_slice(code.as_bytes());
                }
                _ => match token {
                    "crlf" => out.extend_from_slice(b"\r\n"),
                    "cr" => out.push(b'\r'),
                    "lf" => out.push(b'\n'),
                    "nul" => out.push(0),
                    "tab" => out.push(b'\t'),
                    "nocrlf" => line_end = false,
                    hex if hex.len() == 3 && hex.starts_with('x') => {
                        out.push(u8::from_str_radix(&hex[1..], 16).map_err(|e| e.to_string())?);
                    }
                    // Anything else in angle brackets is itself, such as an address.
                    _ => {
                        out.push(b'<');
                        rest = &rest[1..];
                        continue;
                    }
                },
            }
            rest = &rest[close + 1..];
        }
        out.extend_from_slice(rest.as_bytes());
        if line_end {
            out.extend_from_slice(b"\r\n");
        }
        Ok(out)
    }

    /// A pattern with its files put in as the server would send them.
    fn expected(&mut self, text: &str) -> Result<String, String> {
        let mut text = self.fill(text)?;
        for kind in ["<file ", "<literal "] {
            while let Some(open) = text.find(kind) {
                let close = text[open..].find('>').ok_or("no > after <")? + open;
                let word = &text[open + kind.len()..close];
                let mut bytes = Vec::new();
                if kind == "<file " {
                    literal(&mut bytes, &crlf_data(word), "");
                } else {
                    literal(&mut bytes, word.as_bytes(), "");
                }
                let bytes = String::from_utf8(bytes).map_err(|_| "a file that is not UTF-8")?;
                text.replace_range(open..=close, &bytes);
            }
        }
        Ok(text.replace("<crlf>", "\r\n").replace("<tab>", "\t"))
    }

    fn hear(&mut self, number: u32) -> Result<Vec<u8>, String> {
        let session = self.sessions.get_mut(&number).expect("opened before");
        let result = if session.imap {
            // The IMAP client knows about literals; lend it the connection.
            imap_response(&mut session.conn)
        } else {
            session.conn.line(Instant::now() + PATIENCE)
        };
        let mut response = result.map_err(|e| format!("waiting for a response: {e}"))?;
        if response.is_empty() {
            return Err("the server closed the connection".to_owned());
        }
        if response.ends_with(b"\r\n") {
            response.truncate(response.len() - 2);
        } else {
            return Err(format!("a line without CRLF: {}", show(&response)));
        }
        let _ = writeln!(self.heard, "S{number}: {}", show(&response));
        Ok(response)
    }

    fn listen(&mut self, number: u32, pattern: &str, line: &str) -> Result<(), String> {
        let filled = self.expected(pattern)?;
        let orders = orders(&filled);
        let skipping = self.sessions.get_mut(&number).and_then(|s| s.skipping.take());
        loop {
            let response = self.hear(number).map_err(|e| format!("{e} (wanted {filled:?})"))?;
            let words = &mut self.words;
            if orders.iter().any(|wanted| Pattern::new(wanted).matches(&response, words)) {
                self.keep(line);
                return Ok(());
            }
            match &skipping {
                Some(never) => {
                    if let Some(pattern) =
                        never.iter().find(|p| super::pattern::matches(p, &response))
                    {
                        return Err(format!("{} fits X {pattern}", show(&response)));
                    }
                }
                None if self.update => {
                    self.keep(&format!("S{number}: {}", show(&response)));
                    return Ok(());
                }
                None => return Err(format!("wanted {filled:?}\n   got {:?}", show(&response))),
            }
        }
    }

    fn listen_unordered(&mut self, number: u32, block: Vec<(char, &str)>) -> Result<(), String> {
        let mut open = Vec::new();
        for (kind, pattern) in block {
            open.push((kind, self.expected(pattern)?));
            self.keep(&format!("{kind}{number}: {pattern}"));
        }
        while open.iter().any(|(kind, _)| *kind == 'U') {
            let response = self.hear(number)?;
            let words = &mut self.words;
            let found = open.iter().position(|(_, p)| Pattern::new(p).matches(&response, words));
            match found {
                Some(found) => drop(open.remove(found)),
                None => return Err(format!("{:?} is none of {open:#?}", show(&response))),
            }
        }
        Ok(())
    }
}

/// Adds to a pattern that ends with a literal's head the lines that are its content.
fn with_literals(first: &str, number: u32, lines: &[&str], at: &mut usize) -> String {
    let mut pattern = first.to_owned();
    while let Some(count) = super::imap::literal_at_end(pattern.as_bytes()) {
        let start = pattern.len() + 2;
        while pattern.len() < start + count || pattern.len() < start {
            let Some(('S', n, more)) = lines.get(*at).and_then(|l| head(l)) else { return pattern };
            if n != number {
                return pattern;
            }
            pattern.push_str("\r\n");
            pattern.push_str(more);
            *at += 1;
        }
        if pattern.len() == start + count {
            return pattern;
        }
    }
    pattern
}

/// Every way to read a pattern with `<any A | B>` in it.
fn orders(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once("<any ") else { return vec![pattern.to_owned()] };
    let Some((items, after)) = rest.split_once(" any>") else {
        return vec![pattern.to_owned()];
    };
    let items: Vec<&str> = items.split(" | ").collect();
    let tails = orders(after);
    let mut all = Vec::new();
    for order in permutations(&items) {
        all.extend(tails.iter().map(|tail| format!("{before}{}{tail}", order.join(" "))));
    }
    all
}

fn permutations<'a>(items: &[&'a str]) -> Vec<Vec<&'a str>> {
    if items.len() < 2 {
        return vec![items.to_vec()];
    }
    let mut all = Vec::new();
    for (at, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(at);
        for mut order in permutations(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

fn imap_response(conn: &mut Conn) -> std::io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut response = Vec::new();
    loop {
        let line = conn.line(until)?;
        if line.is_empty() {
            return Ok(response);
        }
        response.extend_from_slice(&line);
        let Some(count) = response.strip_suffix(b"\r\n").and_then(super::imap::literal_at_end)
        else {
            return Ok(response);
        };
        response.extend_from_slice(&conn.exactly(count, until)?);
    }
}

fn literal(out: &mut Vec<u8>, bytes: &[u8], plus: &str) {
    out.extend_from_slice(format!("{{{}{plus}}}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

/// `C1: rest` as its parts; without a number it is session 1.
fn head(line: &str) -> Option<(char, u32, &str)> {
    let kind = line.chars().next().filter(|c| "CSUOXTDE".contains(*c))?;
    let (number, rest) = line[1..].split_once(':')?;
    let number = if number.is_empty() { 1 } else { number.parse().ok()? };
    Some((kind, number, rest.strip_prefix(' ').unwrap_or(rest)))
}
