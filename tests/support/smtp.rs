//! A small SMTP client that can also misbehave.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;

use super::net::Conn;
use super::{Account, PATIENCE, show};

/// One reply, all its lines.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub text: String,
}

pub struct Smtp {
    pub conn: Conn,
    /// What EHLO announced, upper case.
    pub extensions: Vec<String>,
}

impl Smtp {
    /// Connects and reads the greeting.
    pub fn connect(address: SocketAddr) -> Smtp {
        Self::over(Conn::plain(address).expect("a connection"))
    }

    pub fn connect_tls(address: SocketAddr) -> Smtp {
        Self::over(Conn::tls(address).expect("a TLS connection"))
    }

    pub fn over(conn: Conn) -> Smtp {
        let mut smtp = Smtp { conn, extensions: Vec::new() };
        smtp.expect(220, "the greeting");
        smtp
    }

    /// Greets, where the server may be killed meanwhile.
    pub fn over_quietly(conn: Conn) -> Option<Smtp> {
        let mut smtp = Smtp { conn, extensions: Vec::new() };
        smtp.try_reply(PATIENCE)?;
        smtp.conn.send(b"EHLO client.elsewhere.example\r\n").ok()?;
        smtp.try_reply(PATIENCE)?;
        Some(smtp)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.conn.send(bytes).expect("the server still reads");
    }

    /// The next reply, or `None` when the server has closed.
    pub fn try_reply(&mut self, within: Duration) -> Option<Reply> {
        let until = Instant::now() + within;
        let mut text = String::new();
        loop {
            let line = match self.conn.line(until) {
                Ok(line) => line,
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("waiting for a reply after {text:?}: {e}"),
            };
            if !line.ends_with(b"\n") {
                return None;
            }
            assert!(
                line.ends_with(b"\r\n")
                    && line.len() >= 6
                    && line[..3].iter().all(u8::is_ascii_digit),
                "not a reply line: {:?}",
                show(&line)
            );
            text.push_str(&String::from_utf8_lossy(&line));
            if line[3] == b' ' {
                let code = text[text.len() - line.len()..][..3].parse().expect("digits");
                return Some(Reply { code, text });
            }
            assert_eq!(line[3], b'-', "not a reply line: {:?}", show(&line));
        }
    }

    pub fn reply(&mut self) -> Reply {
        self.try_reply(PATIENCE).expect("a reply, not the end of the connection")
    }

    pub fn expect(&mut self, code: u16, what: &str) -> Reply {
        let reply = self.reply();
        assert_eq!(reply.code, code, "{what}: {}", reply.text);
        reply
    }

    /// Sends one line and reads its reply.
    pub fn cmd(&mut self, line: &str) -> Reply {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// As [`Self::cmd`], with the code that must come.
    pub fn cmd_expect(&mut self, line: &str, code: u16) -> Reply {
        let reply = self.cmd(line);
        assert_eq!(reply.code, code, "{line}: {}", reply.text);
        reply
    }

    pub fn ehlo(&mut self) {
        let reply = self.cmd_expect("EHLO client.elsewhere.example", 250);
        self.extensions =
            reply.text.lines().skip(1).map(|l| l[4..].trim_end().to_ascii_uppercase()).collect();
    }

    /// Whether EHLO announced this word.
    pub fn offers(&self, word: &str) -> bool {
        self.extensions.iter().any(|e| e.split(' ').next() == Some(word))
    }

    pub fn start_tls(&mut self) {
        self.cmd_expect("STARTTLS", 220);
        self.conn.start_tls().expect("a TLS handshake");
    }

    pub fn login(&mut self, account: &Account) {
        let token = plain(&account.email, &account.password);
        self.cmd_expect(&format!("AUTH PLAIN {token}"), 235);
    }

    /// The whole transaction; the last reply.
    pub fn try_deliver(&mut self, from: &str, to: &[&str], message: &[u8]) -> Reply {
        let reply = self.cmd(&format!("MAIL FROM:<{from}>"));
        if reply.code != 250 {
            return reply;
        }
        for to in to {
            let reply = self.cmd(&format!("RCPT TO:<{to}>"));
            if reply.code != 250 {
                return reply;
            }
        }
        let reply = self.cmd("DATA");
        if reply.code != 354 {
            return reply;
        }
        self.send(&stuffed(message));
        self.reply()
    }

    /// The whole transaction where the server may be killed meanwhile: whether it was accepted.
    pub fn acknowledged(&mut self, from: &str, to: &[&str], message: &[u8]) -> Option<bool> {
        let mut script = format!("MAIL FROM:<{from}>\r\n");
        for to in to {
            script.push_str(&format!("RCPT TO:<{to}>\r\n"));
        }
        script.push_str("DATA\r\n");
        self.conn.send(script.as_bytes()).ok()?;
        for _ in 0..=to.len() {
            assert_eq!(self.try_reply(PATIENCE)?.code, 250);
        }
        assert_eq!(self.try_reply(PATIENCE)?.code, 354);
        self.conn.send(&stuffed(message)).ok()?;
        let reply = self.try_reply(PATIENCE)?;
        Some(reply.code == 250)
    }

    pub fn deliver(&mut self, from: &str, to: &[&str], message: &[u8]) -> Reply {
        let reply = self.try_deliver(from, to, message);
        assert_eq!(reply.code, 250, "delivery from {from} to {to:?}: {}", reply.text);
        reply
    }
}

/// The initial response of AUTH PLAIN.
pub fn plain(user: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"))
}

/// A message as DATA sends it: dots doubled at line starts, and the end.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    let mut at_start = true;
    for &byte in message {
        if at_start && byte == b'.' {
            out.push(b'.');
        }
        out.push(byte);
        at_start = byte == b'\n';
    }
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
