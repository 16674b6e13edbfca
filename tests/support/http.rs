//! A raw HTTP/1.1 client: one connection, one request after the other.

use std::net::SocketAddr;
use std::time::Instant;

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
        let conn = Conn::plain(address).expect("a connection");
        Self { conn, host: super::server::HOSTNAME.to_owned() }
    }

    pub fn tls(address: SocketAddr) -> Self {
        let conn = Conn::tls(address).expect("a connection with TLS");
        Self { conn, host: super::server::HOSTNAME.to_owned() }
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
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        self.conn.send(&[head.as_bytes(), body].concat()).expect("the server takes the request");
    }

    /// Reads the answer to a request of this method.
    pub fn answer(&mut self, method: &str) -> Response {
        let until = Instant::now() + PATIENCE;
        let mut line = || {
            let line = self.conn.line(until).expect("an answer in time");
            String::from_utf8_lossy(&line).trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not an answer: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if method != "HEAD" && status != 204 && status != 304 {
            response.body = self.body(&response, until);
        }
        response
    }

    fn body(&mut self, response: &Response, until: Instant) -> Vec<u8> {
        if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("a length");
            return self.conn.exactly(length, until).expect("the whole body");
        }
        assert_eq!(response.header("transfer-encoding"), Some("chunked"), "{response:?}");
        let mut body = Vec::new();
        loop {
            let line = self.conn.line(until).expect("a chunk's length");
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            let length = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("{line:?}"));
            body.extend(self.conn.exactly(length, until).expect("a whole chunk"));
            let end = self.conn.line(until).expect("a chunk's end");
            assert_eq!(end, b"\r\n", "{}", show(&body));
            if length == 0 {
                return body;
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
