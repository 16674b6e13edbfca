//! One connection to the server: bare, behind TLS, or compressed; every wait has a deadline.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Only while one kind becomes another.
    Gone,
}

/// A buffered connection that reads lines and counted bytes.
pub struct Conn {
    socket: Socket,
    buffer: Vec<u8>,
    deflate: Option<(Compress, Decompress)>,
}

impl Conn {
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, super::PATIENCE)?;
        stream.set_nodelay(true)?;
        Ok(Conn { socket: Socket::Plain(stream), buffer: Vec::new(), deflate: None })
    }

    /// Connects from another address of the loopback network, which the server sees as another
    /// client.
    pub fn from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            None,
        )?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&address.into(), super::PATIENCE)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Conn { socket: Socket::Plain(socket.into()), buffer: Vec::new(), deflate: None })
    }

    pub fn tls(address: SocketAddr) -> io::Result<Self> {
        let mut conn = Self::plain(address)?;
        conn.start_tls()?;
        Ok(conn)
    }

    /// Puts TLS over the connection. What was read and not used stays in the buffer, so that a
    /// test sees it.
    pub fn start_tls(&mut self) -> io::Result<()> {
        let Socket::Plain(mut stream) = std::mem::replace(&mut self.socket, Socket::Gone) else {
            panic!("TLS is already up");
        };
        stream.set_read_timeout(Some(super::PATIENCE))?;
        let name = ServerName::try_from("mail.test.example").expect("a fixed name");
        let mut tls = ClientConnection::new(client_config(), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        self.socket = Socket::Tls(Box::new(StreamOwned::new(tls, stream)));
        Ok(())
    }

    /// Compresses both directions from here on (RFC 4978).
    pub fn start_deflate(&mut self) {
        self.deflate = Some((Compress::new(Compression::fast(), false), Decompress::new(false)));
    }

    pub fn tls_version(&self) -> Option<rustls::ProtocolVersion> {
        match &self.socket {
            Socket::Tls(tls) => tls.conn.protocol_version(),
            _ => None,
        }
    }

    fn stream(&self) -> &TcpStream {
        match &self.socket {
            Socket::Plain(stream) => stream,
            Socket::Tls(tls) => &tls.sock,
            Socket::Gone => panic!("the connection is gone"),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let packed;
        let bytes = match &mut self.deflate {
            None => bytes,
            Some((compress, _)) => {
                packed = deflate(compress, bytes)?;
                &packed
            }
        };
        self.stream().set_write_timeout(Some(super::PATIENCE))?;
        match &mut self.socket {
            Socket::Plain(stream) => stream.write_all(bytes),
            Socket::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
            Socket::Gone => panic!("the connection is gone"),
        }
    }

    /// Reads once into the buffer; `Ok(false)` at the end of the stream.
    fn fill(&mut self, until: Instant) -> io::Result<bool> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut chunk = [0; 65536];
        let count = match &mut self.socket {
            Socket::Plain(stream) => stream.read(&mut chunk),
            Socket::Tls(tls) => tls.read(&mut chunk),
            Socket::Gone => panic!("the connection is gone"),
        };
        let count = match count {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // A server that closes behind TLS without saying so is still a closed connection.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(e) => return Err(e),
        };
        match &mut self.deflate {
            None => self.buffer.extend_from_slice(&chunk[..count]),
            Some((_, decompress)) => inflate(decompress, &chunk[..count], &mut self.buffer)?,
        }
        Ok(count > 0)
    }

    /// One line with its line end; an empty one at the end of the stream.
    pub fn line(&mut self, until: Instant) -> io::Result<Vec<u8>> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[seen..]) {
                return Ok(self.buffer.drain(..=seen + at).collect());
            }
            seen = self.buffer.len();
            if !self.fill(until)? {
                return Ok(std::mem::take(&mut self.buffer));
            }
        }
    }

    pub fn exactly(&mut self, count: usize, until: Instant) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill(until)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Everything until the server closes.
    pub fn rest(&mut self, within: Duration) -> io::Result<Vec<u8>> {
        let until = Instant::now() + within;
        while self.fill(until)? {}
        Ok(std::mem::take(&mut self.buffer))
    }
}

fn deflate(compress: &mut Compress, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let start = compress.total_in();
    loop {
        out.reserve(bytes.len() + 64);
        let used = (compress.total_in() - start) as usize;
        let room = out.capacity() - out.len();
        let before = compress.total_out();
        compress
            .compress_vec(&bytes[used..], &mut out, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        let wrote = (compress.total_out() - before) as usize;
        if (compress.total_in() - start) as usize == bytes.len() && wrote < room {
            return Ok(out);
        }
    }
}

fn inflate(decompress: &mut Decompress, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let start = decompress.total_in();
    loop {
        out.reserve(65536);
        let used = (decompress.total_in() - start) as usize;
        let before = decompress.total_out();
        decompress
            .decompress_vec(&bytes[used..], out, FlushDecompress::Sync)
            .map_err(io::Error::other)?;
        let used = (decompress.total_in() - start) as usize;
        if used == bytes.len() && decompress.total_out() == before {
            return Ok(());
        }
    }
}

fn client_config() -> Arc<ClientConfig> {
    static CONFIG: std::sync::OnceLock<Arc<ClientConfig>> = std::sync::OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(rustls::ALL_VERSIONS)
                .expect("the provider's versions")
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate))
                .with_no_client_auth();
            Arc::new(config)
        })
        .clone()
}

/// Takes any certificate: the server's is its own, made at first start.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// An address of this machine that is not loopback; asking for the route sends nothing.
pub fn other_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}
