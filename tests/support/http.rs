//! A raw HTTP/1.1 client: one connection, one request after the other.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::net::Conn;
use super::{Account, PATIENCE, show};

/// A connection.
pub struct Http {
    conn: Conn,
    host: String,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }
}

impl Http {
    pub fn plain(address: SocketAddr) -> Self {
        Self::try_plain(address).expect("a connection")
    }

    pub fn tls(address: SocketAddr) -> Self {
        Self::try_tls(address).expect("a connection with TLS")
    }

    /// As [`Self::plain`], where the server may be gone.
    pub fn try_plain(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { conn: Conn::plain(address)?, host: super::server::HOSTNAME.to_owned() })
    }

    /// As [`Self::tls`], where the server may be gone.
    pub fn try_tls(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { conn: Conn::tls(address)?, host: super::server::HOSTNAME.to_owned() })
    }

    /// Another `Host` from here on.
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.request("GET", path, &[], b"")
    }

    /// Sends a request and reads its answer.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        self.send(method, path, headers, body);
        self.answer(method)
    }

    /// Sends a request only.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.try_send(method, path, headers, body).expect("the server takes the request");
    }

    /// As [`Self::send`], where the server may be gone.
    pub fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        self.conn.send(&[head.as_bytes(), body].concat())
    }

    /// Reads the answer to a request of this method.
    pub fn answer(&mut self, method: &str) -> Response {
        self.try_answer(method, PATIENCE).expect("an answer in time")
    }

    /// As [`Self::answer`], where the server may be gone or take longer than `within`.
    pub fn try_answer(&mut self, method: &str, within: Duration) -> io::Result<Response> {
        let until = Instant::now() + within;
        let first = self.line(until)?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not an answer: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line(until)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if method != "HEAD" && status != 204 && status != 304 {
            response.body = self.body(&response, until)?;
        }
        Ok(response)
    }

    /// Whether the server has said nothing, not even goodbye, for this long.
    pub fn is_silent(&mut self, during: Duration) -> bool {
        match self.conn.line(Instant::now() + during) {
            Err(e) => e.kind() == io::ErrorKind::TimedOut,
            Ok(_) => false,
        }
    }

    fn line(&mut self, until: Instant) -> io::Result<String> {
        let line = self.conn.line(until)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn body(&mut self, response: &Response, until: Instant) -> io::Result<Vec<u8>> {
        if let Some(length) = response.header("content-length") {
            return self.conn.exactly(length.parse().expect("a length"), until);
        }
        assert_eq!(response.header("transfer-encoding"), Some("chunked"), "{response:?}");
        let mut body = Vec::new();
        loop {
            let line = self.line(until)?;
            let length = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("{line:?}"));
            body.extend(self.conn.exactly(length, until)?);
            let end = self.conn.exactly(2, until)?;
            assert_eq!(end, b"\r\n", "{}", show(&body));
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

/// The value of `Authorization` for a log-in.
pub fn basic(login: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{login}:{password}")))
}

impl Account {
    /// The value of `Authorization` for this account.
    pub fn basic(&self) -> String {
        basic(&self.email, &self.password)
    }
}
