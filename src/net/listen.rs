//! Listeners: they take connections as long as the server runs, whatever happens.
//!
//! An error of `accept` never ends the loop: most are the client's (it has gone already), and
//! the one that stays, no descriptors left, is answered by closing the oldest stranger.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::connections::Ticket;
use super::{Connection, Connections, Front, Peer, Shutdown, Stream, Tls};
use crate::base::metrics::Metric;

static ACCEPTED: Metric = Metric::counter("kontor_connections_total", "Connections taken.");
static HANDSHAKES_FAILED: Metric =
    Metric::counter("kontor_tls_handshakes_failed_total", "TLS handshakes that failed.");
static PANICS: Metric =
    Metric::counter("kontor_panics_total", "Connections ended by a fault of the server.");

/// Connections that the kernel keeps for us between two looks; a burst of a thousand clients
/// after a restart must not see one refused. The kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// Pause after an error of `accept` that is not the client's.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a port speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The protocol itself, plain or with STARTTLS.
    None,
    /// TLS from the first byte on (RFC 8314).
    Implicit,
    /// The same with ALPN for HTTP/2 and HTTP/1.1.
    ImplicitWeb,
}

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    encryption: Encryption,
}

impl Listener {
    /// Binds an address; port 0 lets the system choose, see [`Listener::local_addr`].
    pub fn bind(address: SocketAddr, encryption: Encryption) -> io::Result<Self> {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // Each family has its own socket, so that `0.0.0.0:25,[::]:25` works everywhere.
            socket.set_only_v6(true)?;
        }
        // A restart must not wait for the old connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self { tcp: TcpListener::from_std(socket.into())?, encryption })
    }

    /// The address it really has.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Takes connections for `front` until the shutdown.
    pub async fn run<F: Front>(
        self,
        front: Arc<F>,
        connections: Arc<Connections>,
        tls: Tls,
        shutdown: Shutdown,
    ) {
        let tls = if self.encryption == Encryption::ImplicitWeb { tls.for_web() } else { tls };
        let down = shutdown.wait();
        tokio::pin!(down);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut down => return,
                accepted = self.tcp.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address)) => {
                    ACCEPTED.add(1);
                    take(tcp, address, self.encryption, &front, &connections, &tls, &shutdown);
                }
                Err(error) => self.recover(&error, &connections).await,
            }
        }
    }

    /// Deals with a failed `accept`.
    async fn recover(&self, error: &io::Error, connections: &Connections) {
        // The client's trouble (accept(2) passes it on): nothing to do, and no pause.
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        ) {
            return;
        }
        let made_room = connections.make_room();
        tracing::warn!(%error, made_room, open = connections.open(), "cannot take a connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Counts a connection and starts its task, or turns it away.
fn take<F: Front>(
    tcp: TcpStream,
    address: SocketAddr,
    encryption: Encryption,
    front: &Arc<F>,
    connections: &Arc<Connections>,
    tls: &Tls,
    shutdown: &Shutdown,
) {
    let ticket = match connections.admit(address.ip()) {
        Ok(ticket) => ticket,
        Err(why) => {
            tracing::debug!(%address, ?why, "connection refused");
            if encryption == Encryption::None {
                // What fits into an empty send buffer, without waiting: no state for a flood.
                let _ = tcp.try_write(front.refusal(why));
            }
            return;
        }
    };
    let id = ticket.id;
    let (front, tls, shutdown) = (front.clone(), tls.clone(), shutdown.clone());
    let task = tokio::spawn(async move {
        // Boxes, because a task keeps the room of its largest moment for all of its time.
        let preparing = Box::pin(prepare(tcp, address, ticket, encryption, tls, shutdown));
        let Some(connection) = preparing.await else { return };
        guarded(id, Box::pin(front.serve(connection))).await;
    });
    connections.served_by(id, task.abort_handle());
}

/// Sets the socket up and does the TLS handshake.
async fn prepare(
    tcp: TcpStream,
    address: SocketAddr,
    ticket: Arc<Ticket>,
    encryption: Encryption,
    tls: Tls,
    shutdown: Shutdown,
) -> Option<Connection> {
    // Answers are written whole; waiting for more (Nagle) only adds 40 ms.
    tcp.set_nodelay(true).ok()?;
    let peer = Peer { address, local: tcp.local_addr().ok()?, id: ticket.id, ticket };
    let stream = if encryption == Encryption::None {
        Stream::Plain(tcp)
    } else {
        match tls.accept(tcp).await {
            Ok(stream) => stream,
            Err(error) => {
                HANDSHAKES_FAILED.add(1);
                tracing::debug!(%address, %error, "TLS handshake failed");
                return None;
            }
        }
    };
    Some(Connection { stream, peer, tls, shutdown })
}

/// Runs a connection so that a panic ends only it, and is counted.
fn guarded<F: Future<Output = ()>>(
    id: u64,
    mut serving: Pin<Box<F>>,
) -> impl Future<Output = ()> + use<F> {
    poll_fn(move |context| {
        // After a panic the future is not polled again, only dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            PANICS.add(1);
            tracing::error!(connection = id, "a connection ended by a fault of the server");
            Poll::Ready(())
        })
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::base::limits::Limits;
    use crate::net::proxies::Proxies;
    use crate::net::{Refusal, ShutdownSender, shutdown};

    /// Says hello, then echoes; `p` is a fault of the server, `s` starts TLS.
    struct Echo;

    impl Front for Echo {
        fn refusal(&self, _why: Refusal) -> &'static [u8] {
            b"no room\r\n"
        }

        async fn serve(self: Arc<Self>, connection: Connection) {
            let Connection { mut stream, tls, shutdown, .. } = connection;
            stream.write_all(b"hello\r\n").await.unwrap();
            loop {
                let mut byte = [0];
                let read = tokio::select! {
                    read = stream.read(&mut byte) => read,
                    () = shutdown.wait() => {
                        let _ = stream.write_all(b"bye\r\n").await;
                        return;
                    }
                };
                match (read, byte[0]) {
                    (Ok(1), b's') => stream = stream.upgrade(&tls).await.unwrap(),
                    (Ok(1), b'p') => panic!("as asked"),
                    (Ok(1), other) => {
                        stream.write_all(&[other]).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                    _ => return,
                }
            }
        }
    }

    struct Server {
        address: SocketAddr,
        connections: Arc<Connections>,
        shutdown: ShutdownSender,
        _dir: tempfile::TempDir,
    }

    fn start(encryption: Encryption, limits: Limits) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let (tls, _) = Tls::self_signed(dir.path(), "localhost").unwrap();
        let (sender, down) = shutdown();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), encryption).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::new(&limits, 65_536, Proxies::default());
        tokio::spawn(listener.run(Arc::new(Echo), connections.clone(), tls, down));
        Server { address, connections, shutdown: sender, _dir: dir }
    }

    async fn line(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
        let mut text = String::new();
        while !text.ends_with('\n') {
            match stream.read_u8().await {
                Ok(byte) => text.push(byte.into()),
                Err(_) => break,
            }
        }
        text
    }

    async fn connect(server: &Server) -> TcpStream {
        TcpStream::connect(server.address).await.unwrap()
    }

    /// A client that takes any certificate.
    fn connector(alpn: &[&[u8]]) -> tokio_rustls::TlsConnector {
        #[derive(Debug)]
        struct Anyone(rustls::crypto::CryptoProvider);
        impl rustls::client::danger::ServerCertVerifier for Anyone {
            fn verify_server_cert(
                &self,
                _: &rustls_pki_types::CertificateDer<'_>,
                _: &[rustls_pki_types::CertificateDer<'_>],
                _: &rustls_pki_types::ServerName<'_>,
                _: &[u8],
                _: rustls_pki_types::UnixTime,
            ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
                Ok(rustls::client::danger::ServerCertVerified::assertion())
            }
            fn verify_tls12_signature(
                &self,
                _: &[u8],
                _: &rustls_pki_types::CertificateDer<'_>,
                _: &rustls::DigitallySignedStruct,
            ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error>
            {
                Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
            }
            fn verify_tls13_signature(
                &self,
                message: &[u8],
                cert: &rustls_pki_types::CertificateDer<'_>,
                signature: &rustls::DigitallySignedStruct,
            ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error>
            {
                let algorithms = &self.0.signature_verification_algorithms;
                rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
            }
            fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
                self.0.signature_verification_algorithms.supported_schemes()
            }
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config).into()
    }

    #[tokio::test]
    async fn a_fault_in_one_connection_ends_only_that_one() {
        let server = start(Encryption::None, Limits::default());
        let (mut one, mut two) = (connect(&server).await, connect(&server).await);
        assert_eq!(line(&mut one).await, "hello\r\n");
        assert_eq!(line(&mut two).await, "hello\r\n");
        one.write_all(b"p").await.unwrap();
        assert_eq!(line(&mut one).await, "");
        two.write_all(b"x").await.unwrap();
        assert_eq!(two.read_u8().await.unwrap(), b'x');
        assert_eq!(line(&mut connect(&server).await).await, "hello\r\n");
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_so() {
        let limits = Limits { connections_per_address: 1, ..Limits::default() };
        let server = start(Encryption::None, limits);
        let mut one = connect(&server).await;
        assert_eq!(line(&mut one).await, "hello\r\n");
        assert_eq!(line(&mut connect(&server).await).await, "no room\r\n");
        drop(one);
        assert!(server.connections.emptied(Duration::from_secs(5)).await);
        assert_eq!(line(&mut connect(&server).await).await, "hello\r\n");
    }

    #[tokio::test]
    async fn tls_from_the_first_byte_or_later() {
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        let server = start(Encryption::Implicit, Limits::default());
        let tcp = connect(&server).await;
        let mut tls = connector(&[]).connect(name.clone(), tcp).await.unwrap();
        assert_eq!(line(&mut tls).await, "hello\r\n");

        let server = start(Encryption::ImplicitWeb, Limits::default());
        let tcp = connect(&server).await;
        let tls = connector(&[b"h2"]).connect(name.clone(), tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

        let server = start(Encryption::None, Limits::default());
        let mut tcp = connect(&server).await;
        assert_eq!(line(&mut tcp).await, "hello\r\n");
        tcp.write_all(b"s").await.unwrap();
        let mut tls = connector(&[]).connect(name, tcp).await.unwrap();
        tls.write_all(b"x").await.unwrap();
        assert_eq!(tls.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn sessions_say_goodbye_at_the_shutdown() {
        let server = start(Encryption::None, Limits::default());
        let mut one = connect(&server).await;
        assert_eq!(line(&mut one).await, "hello\r\n");
        server.shutdown.start();
        assert_eq!(line(&mut one).await, "bye\r\n");
        assert!(server.connections.emptied(Duration::from_secs(5)).await);
        assert!(TcpStream::connect(server.address).await.is_err());
    }
}
