//! A small office, and a client that reads its lines from a text.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::base::address::EmailAddress;
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::secret::Secret;
use crate::domain::account::{self, NewAccount};
use crate::domain::auth::Credentials;
use crate::domain::mailbox;
use crate::format::mime::RecordView;
use crate::login::Doorkeeper;
use crate::net::proxies::Proxies;
use crate::net::rate::Logins;
use crate::net::{Connections, Encryption, Listener, ShutdownSender, Tls, shutdown};
use crate::smtp::{Front, Role, Settings};
use crate::store::rows::account::Group;
use crate::store::{Read, Store};

pub const NOW: i64 = 1_700_000_000;
pub const PASSWORD: &str = "correct horse";

/// A running front and the store behind it.
pub struct Office {
    pub address: SocketAddr,
    pub store: Store,
    pub shutdown: ShutdownSender,
    _dir: tempfile::TempDir,
}

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse_mailbox(text).unwrap()
}

/// Hashing takes long enough to do it once for all tests.
fn credentials() -> Credentials {
    static ONCE: OnceLock<Credentials> = OnceLock::new();
    ONCE.get_or_init(|| Credentials::of(&Secret::from(PASSWORD)).unwrap()).clone()
}

/// Anna (administrator), Ben and Carl (2 kB of quota) at office.example; the alias
/// sales = Ben, the groups staff = Anna + Ben + Carl, partners = Ben + one elsewhere, and
/// catch.example, where everything is Anna's.
pub async fn office(role: Role, limits: Limits) -> Office {
    let store = Store::in_memory(Clock::fixed(NOW));
    let filled = store.write(|tx| {
        account::add_domain(tx, "office.example")?;
        account::add_domain(tx, "catch.example")?;
        let mut new = |name: &str, quota| {
            let address = address(&format!("{name}@office.example"));
            let (display_name, admin) = (name.to_owned(), name == "anna");
            let credentials = Some(credentials());
            account::create(tx, &NewAccount { address, display_name, admin, credentials, quota })
        };
        let anna = new("anna", None)?.id;
        let ben = new("ben", None)?.id;
        new("carl", Some(2_000))?;
        account::add_alias(tx, &address("sales@office.example"), ben)?;
        account::set_catch_all(tx, "catch.example", Some(anna))?;
        let group = |members: &[&str], members_send| Group {
            name: "A group".into(),
            members: members.iter().map(|m| (*m).to_owned()).collect(),
            members_send,
            hidden: false,
        };
        let staff =
            group(&["anna@office.example", "ben@office.example", "carl@office.example"], true);
        account::put_group(tx, &address("staff@office.example"), &staff)?;
        let partners = group(&["ben@office.example", "pat@partner.example"], false);
        account::put_group(tx, &address("partners@office.example"), &partners)?;
        account::put_group(tx, &address("nobody@office.example"), &group(&[], false))
    });
    filled.await.unwrap();
    serve(store, role, limits)
}

fn serve(store: Store, role: Role, limits: Limits) -> Office {
    let dir = tempfile::tempdir().unwrap();
    let (tls, _) = Tls::self_signed(dir.path(), "localhost").unwrap();
    let (sender, down) = shutdown();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Encryption::None).unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings {
        hostname: "mail.office.example".into(),
        doorkeeper: Doorkeeper::new(store.clone(), Logins::new(&limits)),
        allow_plaintext_login: false,
        role,
        limits: Arc::new(limits.clone()),
    };
    let front = Front::new(settings, store.clone());
    tokio::spawn(listener.run(
        front,
        Connections::new(&limits, 65_536, Proxies::default()),
        tls,
        down,
    ));
    Office { address, store, shutdown: sender, _dir: dir }
}

impl Office {
    pub async fn inbound() -> Self {
        office(Role::Inbound, Limits::default()).await
    }

    pub async fn submission() -> Self {
        office(Role::Submission, Limits::default()).await
    }

    pub async fn connect(&self) -> Client<TcpStream> {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), input: Vec::new() }
    }

    /// Connects and runs a dialogue; see [`Client::talk`].
    pub async fn talk(&self, dialogue: &str) -> Client<TcpStream> {
        let mut client = self.connect().await;
        client.talk(dialogue).await;
        client
    }

    /// The messages in somebody's inbox, as a mail program sees them.
    pub fn inbox(&self, name: &str) -> Vec<String> {
        let snapshot = self.store.read();
        let account =
            account::find(&snapshot, &address(&format!("{name}@office.example"))).unwrap();
        let inbox = mailbox::find(&snapshot, account.id, "INBOX").unwrap();
        let table = self.store.table(inbox.id).unwrap().unwrap();
        let mut messages = Vec::new();
        for message in table.iter() {
            let record = snapshot.content(message.place.content).unwrap().unwrap();
            let mut octets = RecordView::parse(&record).unwrap().prefix().to_vec();
            let body = snapshot.body_row(message.place.content).unwrap().unwrap();
            snapshot.read_body(&body.at, 0, body.at.len, &mut octets).unwrap();
            assert_eq!(octets.len() as u64, message.place.size);
            messages.push(String::from_utf8_lossy(&octets).into_owned());
        }
        messages
    }
}

/// One end of a connection.
pub struct Client<S> {
    pub stream: S,
    input: Vec<u8>,
}

impl<S: AsyncReadExt + AsyncWriteExt + Unpin> Client<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, input: Vec::new() }
    }

    /// Plays a dialogue. `C:` lines that follow each other are sent in one write, each with
    /// its CRLF; `\r`, `\n`, `\0` and `\\` in them stand for themselves, and a line that ends
    /// in `\+` is sent without CRLF. An `S:` line is compared with the last line of the next
    /// reply; `*` at its end stands for anything.
    pub async fn talk(&mut self, dialogue: &str) {
        let mut pending = Vec::new();
        for line in dialogue.lines().map(str::trim_start) {
            if let Some(text) = line.strip_prefix("C:") {
                let text = text.strip_prefix(' ').unwrap_or(text);
                let (text, end) = match text.strip_suffix("\\+") {
                    Some(text) => (text, ""),
                    None => (text, "\r\n"),
                };
                pending.extend_from_slice(unescape(text).as_bytes());
                pending.extend_from_slice(end.as_bytes());
            } else if let Some(wanted) = line.strip_prefix("S: ") {
                self.send(&std::mem::take(&mut pending)).await;
                let reply = self.reply().await;
                let last = reply.lines().last().unwrap_or("(closed)");
                let fits = match wanted.strip_suffix('*') {
                    Some(start) => last.starts_with(start),
                    None => last == wanted,
                };
                assert!(fits, "wanted {wanted:?}, got {reply:?}");
            } else {
                assert!(line.is_empty(), "neither C: nor S: in {line:?}");
            }
        }
        self.send(&pending).await;
    }

    pub async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next reply with all its lines; empty once the server has closed.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await;
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = memchr::memmem::find(&self.input, b"\r\n") {
                let line = self.input.drain(..end + 2).collect();
                return String::from_utf8(line).unwrap();
            }
            let mut piece = [0; 4096];
            let read = timeout(Duration::from_secs(20), self.stream.read(&mut piece)).await;
            match read.expect("no answer in time") {
                Ok(0) | Err(_) => return String::new(),
                Ok(count) => self.input.extend_from_slice(&piece[..count]),
            }
        }
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (c, false) => out.push(c),
            (_, true) => match chars.next() {
                Some('r') => out.push('\r'),
                Some('n') => out.push('\n'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
        }
    }
    out
}
