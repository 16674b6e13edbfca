//! What the command line asks of the data, and how it reaches them.
//!
//! A running server owns the data directory; commands reach it over `kontor.sock`. Without one
//! they open the data themselves. Both ways run the same [`execute`](super::execute::execute):
//! a request with a payload goes in, progress and items with payloads come out, and one reply.

mod client;
mod devices;
mod server;
mod wire;

use std::io;

use serde::{Deserialize, Serialize};

use crate::base::clock::UnixTime;

pub use client::{Door, Failure, RESTORE, is_served};
pub use devices::{
    AccessDetail, AccessWord, DeviceDetail, DeviceLine, DeviceName, DeviceRequest, ErrorLine,
    ExceptionLine, FolderLine, LogLine, PolicyLine, PolicyRequest, RuleLine, SettingLine,
};
pub use server::Socket;

/// The socket's name in the data directory.
pub const SOCKET: &str = "kontor.sock";

/// Names the office's address book where an account's address stands otherwise.
pub const OFFICE: &str = "office";

/// What is to be different about an account; `None` stays as it is.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct UserChange {
    pub name: Option<String>,
    pub hidden: Option<bool>,
    /// Bytes; 0 is no limit.
    pub quota: Option<u64>,
    pub admin: Option<bool>,
    /// [`OFFICE`] takes it back.
    pub time_zone: Option<String>,
}

/// What can be asked. Passwords are in it, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    Init {
        domain: String,
        hostname: String,
        admin: String,
        name: String,
        password: String,
        approve_phones: bool,
    },
    UserAdd {
        email: String,
        name: String,
        admin: bool,
        password: String,
    },
    UserList,
    UserSet {
        email: String,
        change: UserChange,
    },
    UserPasswd {
        email: String,
        password: String,
    },
    UserEnable {
        email: String,
        enabled: bool,
    },
    UserRemove {
        email: String,
    },
    AliasAdd {
        alias: String,
        email: String,
    },
    AliasList,
    AliasRemove {
        alias: String,
    },
    GroupAdd {
        group: String,
        members: Vec<String>,
    },
    GroupList,
    GroupSet {
        group: String,
        name: Option<String>,
        hidden: Option<bool>,
    },
    GroupRemove {
        group: String,
        members: Vec<String>,
    },
    DomainAdd {
        domain: String,
        catch_all: Option<String>,
    },
    DomainList,
    DomainRemove {
        domain: String,
    },
    BookList {
        text: Option<String>,
    },
    BookRemove {
        who: String,
    },
    Device(DeviceRequest),
    Policy(PolicyRequest),
    QueueList,
    /// The payload is the messages' bytes, one behind the other.
    Bring {
        email: String,
        into: Option<String>,
        messages: Vec<Brought>,
    },
    /// The payload is the entries' texts, one behind the other.
    BringEntries {
        /// An account's address, or [`OFFICE`].
        email: String,
        into: Option<String>,
        entries: Vec<BroughtEntry>,
    },
    /// Answers with [`Item::Mailbox`] and [`Item::Message`], then with [`Item::File`].
    Export {
        /// An account's address, or [`OFFICE`].
        email: String,
    },
    /// Answers with [`Item::Data`].
    Backup,
    Check,
    Reindex,
    /// Answers with the server's name.
    Hostname,
}

/// One message of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    pub size: usize,
    pub flags: Vec<String>,
    pub received: Option<UnixTime>,
    /// Levels below the mailbox that all go into.
    pub mailbox: Vec<String>,
    /// Where it came from, for the report.
    pub place: String,
}

/// One event, task, note or card of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BroughtEntry {
    pub size: usize,
    /// Where it came from, for the report.
    pub place: String,
}

/// What comes out while a command runs; its bytes, if any, come beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "kebab-case")]
pub enum Item {
    /// A line for the person who waits.
    Progress { text: String },
    /// Part of a file.
    Data,
    /// A mailbox that the following messages are in; the keywords are those of its account.
    Mailbox { name: String, keywords: Vec<String> },
    /// A message; its bytes come beside it.
    Message { flags: Vec<String>, received: UnixTime },
    /// A whole calendar or address book; its bytes come beside it.
    File { name: String },
}

/// Takes what comes out of a running command.
pub trait Outlet {
    fn item(&mut self, item: &Item, payload: &[u8]) -> io::Result<()>;

    fn progress(&mut self, text: String) -> io::Result<()> {
        self.item(&Item::Progress { text }, &[])
    }
}

/// A command's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done; a sentence for people.
    Done(String),
    Accounts(Vec<AccountLine>),
    Aliases(Vec<AliasLine>),
    Groups(Vec<GroupLine>),
    Domains(Vec<DomainLine>),
    Book(Vec<BookLine>),
    Devices(Vec<DeviceLine>),
    Device(Box<DeviceDetail>),
    DeviceLog(Vec<LogLine>),
    Policies(Vec<PolicyLine>),
    Settings(Vec<SettingLine>),
    Access(AccessDetail),
    Queue(Vec<QueueLine>),
    Brought(BroughtLine),
    Checked(Vec<CheckLine>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    pub email: String,
    pub name: String,
    pub admin: bool,
    pub enabled: bool,
    /// Not in the address list.
    pub hidden: bool,
    /// `None` is the office's.
    pub time_zone: Option<String>,
    pub messages: u64,
    pub bytes: u64,
    pub quota: Option<u64>,
    pub created: UnixTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasLine {
    pub alias: String,
    pub email: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    pub group: String,
    pub name: String,
    /// Not in the address list.
    pub hidden: bool,
    pub members: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainLine {
    pub domain: String,
    pub catch_all: Option<String>,
}

/// An entry of the office's address book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookLine {
    pub name: String,
    pub email: String,
    pub phone: String,
    pub mobile: String,
    pub company: String,
    pub title: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLine {
    pub id: String,
    pub from: String,
    pub to: String,
    pub size: u64,
    pub queued: UnixTime,
    /// Seconds since then.
    pub age: u64,
    pub tries: u32,
    pub next_try: Option<UnixTime>,
    /// Why it waits.
    pub state: String,
    /// Until when it waits at most; nothing if that is not decided.
    pub ends: Option<UnixTime>,
    /// What happens then: `returned` to the sender, or `delivered` beyond the quota.
    pub then: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BroughtLine {
    pub messages: u64,
    pub bytes: u64,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

/// One line of `kontor check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLine {
    pub what: String,
    pub ok: bool,
    /// What is wrong and what to do about it, or the figures.
    pub detail: String,
}
