//! SMTP: port 25 for mail from elsewhere, 587 and 465 for mail of this server's members.
//!
//! One task a connection. This front parses, answers and keeps the order of commands; who gets
//! a message and who may send it is decided in `delivery` and below.

mod auth;
mod data;
mod replies;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use crate::base::limits::Limits;
use crate::login::Doorkeeper;
use crate::net::{self, Connection, Refusal};
use crate::smtp::session::{Next, Session};
use crate::smtp::wire::Wire;
use crate::store::Store;

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Mail from anybody for addresses of this server; no log-in.
    Inbound,
    /// Mail from members to anybody; a log-in is needed (RFC 6409).
    Submission,
}

/// How a front behaves.
pub struct Settings {
    /// Said in greetings and trace fields.
    pub hostname: Arc<str>,
    pub limits: Arc<Limits>,
    pub doorkeeper: Arc<Doorkeeper>,
    /// Take passwords over unencrypted connections also from outside this machine.
    pub allow_plaintext_login: bool,
    pub role: Role,
}

/// What listens behind an SMTP port.
pub struct Front {
    settings: Settings,
    store: Store,
}

impl Front {
    pub fn new(settings: Settings, store: Store) -> Arc<Self> {
        Arc::new(Self { settings, store })
    }
}

impl net::Front for Front {
    fn refusal(&self, why: Refusal) -> &'static [u8] {
        match why {
            Refusal::Full => b"421 4.3.2 Too many connections, try again later\r\n",
            Refusal::TooManyFromAddress => b"421 4.7.0 Too many connections from your address\r\n",
            Refusal::TooFast => b"421 4.7.0 Too many connections in a short time\r\n",
        }
    }

    async fn serve(self: Arc<Self>, connection: Connection) {
        let Connection { mut stream, peer, tls, shutdown } = connection;
        let mut session = Session::new(&self, peer);
        loop {
            session.tls = stream.tls_description();
            // A new wire each time: what was read before STARTTLS is dropped with the old one.
            let idle = self.settings.limits.smtp_idle_secs;
            let mut wire = Wire::new(&mut stream, &shutdown, idle);
            match session.converse(&mut wire).await {
                Next::Close => return wire.close().await,
                Next::StartTls => match stream.upgrade(&tls).await {
                    Ok(encrypted) => stream = encrypted,
                    Err(error) => {
                        tracing::debug!(connection = session.peer.id, %error, "STARTTLS failed");
                        return;
                    }
                },
            }
        }
    }
}
