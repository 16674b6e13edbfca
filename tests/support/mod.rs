//! What the tests share: the real program on ports of its own, raw IMAP and SMTP clients that
//! hide nothing, dialogues kept as text, and other people's programs.

pub mod eas;
pub mod http;
pub mod imap;
pub mod net;
pub mod pattern;
pub mod program;
pub mod server;
pub mod sexp;
pub mod smtp;
pub mod transcript;

use std::time::{Duration, Instant};

pub use imap::Imap;
pub use server::{Account, Server};
pub use smtp::Smtp;

/// How long anything may take before the test calls it lost. Generous, because a machine that
/// runs the whole suite is busy; nothing waits this long unless it failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Calls `attempt` until it gives a value, or panics with `what` when [`PATIENCE`] is over.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A small message with CRLF line ends.
pub fn message(subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Anna Example <anna@elsewhere.example>\r\n\
         To: Somebody <somebody@test.example>\r\n\
         Subject: {subject}\r\n\
         Date: Mon, 7 Feb 2022 21:52:25 +0100\r\n\
         Message-ID: <{}@elsewhere.example>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         \r\n\
         {body}\r\n",
        subject.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
    )
    .into_bytes()
}

/// Bytes as a person can read them in a failure's text.
pub fn show(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.chars().count() <= 2000 {
        return text.into_owned();
    }
    let cut: String = text.chars().take(2000).collect();
    format!("{cut}… ({} bytes)", bytes.len())
}

/// The directory that holds files for the tests.
pub fn data(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Reads a file of `tests/data` with every line end as CRLF.
pub fn crlf_data(name: &str) -> Vec<u8> {
    let path = data(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    to_crlf(&bytes)
}

/// Makes every line end CRLF, whatever it was.
pub fn to_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut bytes = bytes.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(other),
        }
    }
    out
}

/// A cheap repeatable source of numbers.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}
