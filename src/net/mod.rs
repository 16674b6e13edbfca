//! Sockets: listeners, TLS, and the pace at which strangers may come and guess.
//!
//! A front implements [`Front`] and gets connections that are already counted, encrypted where
//! the port says so, and cut off from each other: what happens in one never ends another.

pub mod client;
mod connections;
pub mod dns;
mod listen;
pub mod mail_certificate;
pub mod proxies;
pub mod rate;
mod shutdown;
mod stream;
pub mod tls;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use connections::{Connections, raise_descriptor_limit};
pub use listen::{Encryption, Listener};
pub use shutdown::{Shutdown, ShutdownSender, shutdown};
pub use stream::Stream;
pub use tls::Tls;

/// What listens behind a port: one object serves all of its connections.
pub trait Front: Send + Sync + 'static {
    /// What a plain-text client reads that finds no room, before it is let go: a whole line
    /// with its CRLF.
    fn refusal(&self, why: Refusal) -> &'static [u8];

    /// Runs one connection to its end. A panic in it is caught, counted and logged.
    fn serve(self: Arc<Self>, connection: Connection) -> impl Future<Output = ()> + Send;
}

/// Why a connection finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server holds as many connections as it may.
    Full,
    /// This address holds as many connections as it may.
    TooManyFromAddress,
    /// This address comes again and again, to no purpose.
    TooFast,
}

/// One client's connection, as a front gets it.
pub struct Connection {
    pub stream: Stream,
    pub peer: Peer,
    /// For STARTTLS: [`Stream::upgrade`].
    pub tls: Tls,
    pub shutdown: Shutdown,
}

/// Who is at the other end. The connection is counted until the last clone is gone.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Our end, as the client reached it.
    pub local: SocketAddr,
    /// Counts up from 1: names the connection in the log.
    pub id: u64,
    ticket: Arc<connections::Ticket>,
}

impl Peer {
    /// The client's address, an IPv4 one also where it came through an IPv6 socket.
    pub fn ip(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }

    /// The client for whom this peer speaks, on the same connection.
    pub fn on_behalf_of(&self, client: IpAddr) -> Self {
        Self { address: SocketAddr::new(client, 0), ..self.clone() }
    }

    pub fn is_loopback(&self) -> bool {
        self.ip().is_loopback()
    }

    /// Says that this is a real client: it has logged in, or its first message was taken.
    ///
    /// Its connection is then not among the first to be closed when descriptors run out, and
    /// its coming does not count against the pace of connections from its address.
    pub fn welcome(&self) {
        self.ticket.welcome();
    }
}
