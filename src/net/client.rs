//! Outgoing connections with TLS, for checks: what is wrong with a certificate is told, and
//! does not end the connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// For a connection, and again for its handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a client would not trust a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// The certificate is for other names, which these are.
    WrongName(Vec<String>),
    /// Signed by itself or by an authority that nobody knows.
    UnknownIssuer,
    Expired,
    Other(String),
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongName(names) if names.is_empty() => {
                f.write_str("the certificate is for another name")
            }
            Self::WrongName(names) => {
                write!(f, "the certificate is for {} only", names.join(", "))
            }
            Self::UnknownIssuer => f.write_str(
                "the certificate is not signed by an authority that phones know (self-signed?)",
            ),
            Self::Expired => f.write_str("the certificate has expired"),
            Self::Other(text) => write!(f, "the certificate is not valid: {text}"),
        }
    }
}

/// Connects to an address, within seconds.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A connection after its handshake, and what there is to say about the server's certificate.
pub struct Shaken {
    pub stream: TlsStream<TcpStream>,
    /// Why a client would not trust it.
    pub untrusted: Option<Untrusted>,
    /// Its key is an RSA key, not one of an elliptic curve.
    pub rsa: bool,
}

/// The client's side of TLS.
pub struct TlsClient {
    /// `None`: nobody at all is trusted.
    trusted: Option<Arc<WebPkiServerVerifier>>,
}

impl TlsClient {
    /// Trusts whom this machine trusts, and the certificates of a PEM file.
    pub fn new(further: Option<&Path>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = further {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
            roots.add_parsable_certificates(certificates);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        // Fails only where there is no root at all.
        Ok(Self { trusted: verifier.build().ok() })
    }

    /// Shakes hands with the server of this name, and says whether a client would trust it.
    pub async fn handshake(&self, tcp: TcpStream, name: &str) -> io::Result<Shaken> {
        let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let verifier = Arc::new(Noting { trusted: self.trusted.clone(), found: Mutex::default() });
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        let connecting = TlsConnector::from(Arc::new(config)).connect(server, tcp);
        let stream = match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(stream) => stream?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        let untrusted =
            verifier.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let rsa = certificates.first().is_some_and(has_rsa_key);
        Ok(Shaken { stream, untrusted, rsa })
    }
}

/// Whether the key is named `rsaEncryption` (1.2.840.113549.1.1.1, RFC 3279 §2.3.1).
fn has_rsa_key(certificate: &CertificateDer<'_>) -> bool {
    const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
    let key = parsed.subject_public_key_info();
    key.windows(RSA_ENCRYPTION.len()).any(|window| window == RSA_ENCRYPTION)
}

/// Lets every certificate pass and notes what is wrong with it. For checks only: nothing that
/// is secret may be sent where something was noted.
#[derive(Debug)]
struct Noting {
    trusted: Option<Arc<WebPkiServerVerifier>>,
    found: Mutex<Option<Untrusted>>,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match &self.trusted {
            Some(trusted) => trusted.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        if let Err(error) = verdict {
            let mut found = self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *found = Some(untrusted(error));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn untrusted(error: Error) -> Untrusted {
    match error {
        Error::InvalidCertificate(CertificateError::NotValidForName) => {
            Untrusted::WrongName(Vec::new())
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented, ..
        }) => Untrusted::WrongName(presented.iter().map(|name| plain_name(name)).collect()),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => Untrusted::UnknownIssuer,
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Untrusted::Expired,
        other => Untrusted::Other(other.to_string()),
    }
}

/// `DnsName("mail.office.example")` and `IpAddress(127.0.0.1)` without what is around the name.
fn plain_name(name: &str) -> String {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates_are_told_plainly() {
        for (told, plain) in [
            ("DnsName(\"mail.office.example\")", "mail.office.example"),
            ("IpAddress(127.0.0.1)", "127.0.0.1"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(plain_name(told), plain);
        }
    }
}
