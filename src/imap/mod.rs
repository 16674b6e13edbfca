//! The IMAP front: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) with their extensions.
//!
//! Bytes go through `codec` into typed commands; a command's handler (`cmd`) calls one domain
//! operation and returns its own answer only. What changed in the mailbox, whoever changed it,
//! reaches the client through `sync`.

mod cmd;
pub mod codec;
mod failure;
mod fetch;
mod search;
mod session;
mod sync;
mod view;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::base::clock::UnixTime;
use crate::base::id::{MailboxId, Uid};
use crate::base::limits::Limits;
use crate::base::uidset::UidSet;
use crate::login::Doorkeeper;
use crate::net::{Connection, Refusal};
use crate::store::Store;
use crate::store::rows::mailbox::Mailbox;

/// What the front is started with.
#[derive(Clone)]
pub struct Settings {
    /// This server's name, for the greeting.
    pub hostname: Arc<str>,
    pub limits: Arc<Limits>,
    pub doorkeeper: Arc<Doorkeeper>,
    /// Whether passwords may cross a network in the clear.
    pub allow_plaintext_login: bool,
}

/// The IMAP front; one for all its listeners.
pub struct Front {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    recent: Recent,
    started: UnixTime,
    pub(crate) search: search::Shared,
}

impl Front {
    pub fn new(settings: Settings, store: Store) -> Arc<Self> {
        let (recent, search) = (Recent::default(), search::Shared::default());
        let started = store.clock().now();
        Arc::new(Self { settings, store, recent, started, search })
    }
}

impl crate::net::Front for Front {
    fn refusal(&self, why: Refusal) -> &'static [u8] {
        match why {
            Refusal::Full => b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
            Refusal::TooManyFromAddress => {
                b"* BYE [LIMIT] Too many connections from your address\r\n"
            }
            Refusal::TooFast => b"* BYE [LIMIT] Connecting too fast, wait a moment\r\n",
        }
    }

    async fn serve(self: Arc<Self>, connection: Connection) {
        session::Session::new(self, connection).run().await;
    }
}

/// Which messages are recent (RFC 3501 §2.3.2): for each mailbox the first UID that no session
/// was told of yet. IMAP4rev2 has dropped the idea; it is kept in memory only, and after a
/// restart what came before it is not recent.
type Recent = Mutex<HashMap<MailboxId, Uid>>;

impl Front {
    /// The recent messages of a mailbox. With `take` they are recent for nobody else any more.
    pub(crate) fn recent(&self, mailbox: &Mailbox, take: bool) -> UidSet {
        let known = |recent: &Recent| {
            let recent = recent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            recent.get(&mailbox.id).copied()
        };
        let first = known(&self.recent).unwrap_or_else(|| self.first_since_start(mailbox));
        let mut known = self.recent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let first = known.entry(mailbox.id).or_insert(first);
        let recent = match *first < mailbox.uid_next {
            true => UidSet::range(first.0, mailbox.uid_next.0 - 1),
            false => UidSet::new(),
        };
        if take {
            *first = mailbox.uid_next;
        }
        recent
    }

    /// The first message that came into the mailbox after the server was started.
    fn first_since_start(&self, mailbox: &Mailbox) -> Uid {
        let Ok(Some(table)) = self.store.table(mailbox.id) else { return mailbox.uid_next };
        let newest = table.iter().rev();
        let since = newest.take_while(|message| message.place.saved >= self.started);
        since.last().map_or(mailbox.uid_next, |message| message.uid)
    }
}
