//! TLS: versions 1.2 and 1.3, with a certificate of one's own or a self-signed one.
//!
//! The certificate is looked up at each handshake, so a renewed file serves new connections
//! without a restart, and old ones go on. ACME is not here yet; it will fill the same place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Shutdown, Stream};
use crate::base::limits;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// A self-signed certificate's life. Apple's systems refuse longer ones than 825 days.
const SELF_SIGNED_DAYS: i64 = 820;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the certificate {path}: {reason}")]
    Certificate { path: PathBuf, reason: String },
    #[error("cannot read the private key {path}: {reason}")]
    Key { path: PathBuf, reason: String },
    #[error("{certificate} and {key} do not belong together")]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(String),
    #[error("cannot set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The server's side of TLS; cheap to clone.
#[derive(Clone)]
pub struct Tls {
    mail: TlsAcceptor,
    web: TlsAcceptor,
    certificate: Arc<Certificate>,
    /// For a self-signed certificate: where it lies and whose it is, to make the next one.
    own: Option<Arc<Own>>,
}

struct Own {
    dir: PathBuf,
    hostname: String,
}

/// Makes aws-lc-rs the process's crypto provider. Harmless to repeat.
pub fn install_provider() {
    let _ = aws_lc_rs::default_provider().install_default();
}

impl Tls {
    /// Serves with the given PEM files: the certificate with its chain, and its key.
    pub fn with_files(certificate: &Path, key: &Path) -> Result<Self, Error> {
        Self::with(certificate.to_owned(), key.to_owned())
    }

    /// Serves with a self-signed certificate for `hostname`, kept in `dir` and made there where
    /// it is missing, for another name, or about to expire. Says whether it is new.
    pub fn self_signed(dir: &Path, hostname: &str) -> Result<(Self, bool), Error> {
        let (certificate, key) = (dir.join("self-signed.pem"), dir.join("self-signed.key"));
        let fresh = !still_good(&certificate, hostname);
        if fresh {
            make_self_signed(dir, &certificate, &key, hostname)?;
        }
        let own = Arc::new(Own { dir: dir.to_owned(), hostname: hostname.to_owned() });
        Ok((Self { own: Some(own), ..Self::with(certificate, key)? }, fresh))
    }

    fn with(certificate: PathBuf, key: PathBuf) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificate = Arc::new(Certificate::load(certificate, key, &provider)?);
        let config = |alpn: &[&[u8]]| -> Result<TlsAcceptor, Error> {
            let mut config = ServerConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
                .with_no_client_auth()
                .with_cert_resolver(certificate.clone());
            // Tickets instead of a table: resumption costs no memory per client. One is
            // enough, and small.
            config.ticketer = aws_lc_rs::Ticketer::new()?;
            config.send_tls13_tickets = 1;
            config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
            Ok(Arc::new(config).into())
        };
        let (mail, web) = (config(&[])?, config(&[b"h2", b"http/1.1"])?);
        Ok(Self { mail, web, certificate, own: None })
    }

    /// The file with the certificate that is served.
    pub fn certificate_file(&self) -> &Path {
        &self.certificate.certificate
    }

    /// The same for HTTPS: offers HTTP/2 in the handshake.
    pub(super) fn for_web(&self) -> Self {
        Self { mail: self.web.clone(), ..self.clone() }
    }

    /// The handshake, with its deadline. Boxed, so that its state is gone once it is over.
    pub(super) async fn accept(&self, tcp: TcpStream) -> io::Result<Stream> {
        let handshake = Box::pin(self.mail.accept(tcp));
        match tokio::time::timeout(limits::TLS_HANDSHAKE, handshake).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream?))),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Takes up changed files until the shutdown, and makes a self-signed certificate anew before
    /// it expires. What cannot be read is reported once, and the certificate so far goes on
    /// serving.
    pub async fn follow_files(&self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(LOOK) => self.reload(),
            }
        }
    }

    /// Looks at the files now.
    pub fn reload(&self) {
        if let Some(own) = &self.own
            && let Err(error) = own.renew(&self.certificate)
        {
            tracing::error!(%error, "the self-signed certificate could not be renewed");
        }
        match self.certificate.reload() {
            Ok(false) => {}
            Ok(true) => tracing::info!("certificate taken up anew"),
            Err(error) => tracing::error!(%error, "certificate not taken up, keeping the old one"),
        }
    }
}

impl Own {
    /// A server may run for years without a restart.
    fn renew(&self, old: &Certificate) -> Result<(), Error> {
        if still_good(&old.certificate, &self.hostname) {
            return Ok(());
        }
        make_self_signed(&self.dir, &old.certificate, &old.key, &self.hostname)?;
        tracing::warn!(
            file = %old.certificate.display(),
            "the self-signed certificate was renewed; mail programs will ask about it again"
        );
        Ok(())
    }
}

/// The certificate in use and the files that it came from.
struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// The files' times when they were last looked at.
    seen: ArcSwap<[Option<SystemTime>; 2]>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl Certificate {
    fn load(
        certificate: PathBuf,
        key: PathBuf,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let seen = times(&certificate, &key);
        let current = ArcSwap::from_pointee(read_pair(&certificate, &key, provider)?);
        let seen = ArcSwap::from_pointee(seen);
        Ok(Self { certificate, key, provider: provider.clone(), current, seen })
    }

    fn reload(&self) -> Result<bool, Error> {
        let now = times(&self.certificate, &self.key);
        if **self.seen.load() == now {
            return Ok(false);
        }
        // Also where it fails, so that the failure is told once and not every time. A pair that
        // is being replaced is whole at the latest with the next change of its times.
        self.seen.store(Arc::new(now));
        self.current.store(Arc::new(read_pair(&self.certificate, &self.key, &self.provider)?));
        Ok(true)
    }
}

fn times(certificate: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [certificate, key].map(|path| path.metadata().and_then(|meta| meta.modified()).ok())
}

fn read_pair(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let unreadable = |reason: String| Error::Certificate { path: certificate.into(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("there is no CERTIFICATE block in it".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| Error::Key { path: key.into(), reason: error.to_string() })?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            Error::Mismatch { certificate: certificate.into(), key: key.into() }
        }
        other => Error::Rustls(other),
    })
}

/// First line of a certificate made here: for whom, and until when (seconds since 1970) it is
/// used. PEM readers skip what stands before the first block (RFC 7468 §2).
fn label(hostname: &str, renew_at: i64) -> String {
    format!("Kontor self-signed certificate; host {hostname}; renew {renew_at}\n")
}

fn still_good(certificate: &Path, hostname: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(certificate) else { return false };
    let Some(line) = text.lines().next() else { return false };
    let Some((front, renew_at)) = line.rsplit_once("; renew ") else { return false };
    let named = label(hostname, 0);
    let wanted = named.rsplit_once("; renew ").map(|(front, _)| front);
    Some(front) == wanted && renew_at.parse::<i64>().is_ok_and(|at| at > unix_now())
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

fn make_self_signed(
    dir: &Path,
    certificate: &Path,
    key: &Path,
    hostname: &str,
) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::SelfSigned(error.to_string());
    let mut names = vec![hostname.to_owned(), "localhost".into(), "127.0.0.1".into(), "::1".into()];
    names.dedup();
    let mut params = rcgen::CertificateParams::new(names).map_err(|e| failed(&e))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, hostname);
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    // From yesterday on: clocks differ.
    let day = |offset: i64| {
        let date = today.saturating_add(jiff::Span::new().days(offset));
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    (params.not_before, params.not_after) = (day(-1), day(SELF_SIGNED_DAYS));
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];

    let pair = rcgen::KeyPair::generate().map_err(|e| failed(&e))?;
    let signed = params.self_signed(&pair).map_err(|e| failed(&e))?;
    let renew_at = unix_now() + (SELF_SIGNED_DAYS - 30) * 86_400;
    std::fs::create_dir_all(dir).map_err(|e| failed(&e))?;
    write_private(key, pair.serialize_pem().as_bytes()).map_err(|e| failed(&e))?;
    let text = label(hostname, renew_at) + &signed.pem();
    write_private(certificate, text.as_bytes()).map_err(|e| failed(&e))
}

/// Writes a file that only its owner reads, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let aside = path.with_extension("new");
    let _ = std::fs::remove_file(&aside);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_self_signed_certificate_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let (tls, fresh) = Tls::self_signed(dir.path(), "mail.office.example").unwrap();
        assert!(fresh);
        let before = std::fs::read(tls.certificate_file()).unwrap();
        assert_eq!(
            dir.path().join("self-signed.key").metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );

        let (tls, fresh) = Tls::self_signed(dir.path(), "mail.office.example").unwrap();
        assert!(!fresh);
        assert_eq!(std::fs::read(tls.certificate_file()).unwrap(), before);

        let (_, fresh) = Tls::self_signed(dir.path(), "other.office.example").unwrap();
        assert!(fresh);
    }

    #[test]
    fn a_changed_pair_is_taken_up_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (tls, _) = Tls::self_signed(dir.path(), "a.example").unwrap();
        let served = || tls.certificate.current.load().cert[0].to_vec();
        let first = served();
        assert!(!tls.certificate.reload().unwrap());

        let (certificate, key) =
            (dir.path().join("self-signed.pem"), dir.path().join("self-signed.key"));
        make_self_signed(dir.path(), &certificate, &key, "b.example").unwrap();
        tls.certificate.seen.store(Arc::new([None, None]));
        assert!(tls.certificate.reload().unwrap());
        let second = served();
        assert_ne!(first, second);

        std::fs::write(&certificate, "nonsense").unwrap();
        tls.certificate.seen.store(Arc::new([None, None]));
        assert!(tls.certificate.reload().is_err());
        assert_eq!(served(), second);
    }

    #[test]
    fn a_self_signed_certificate_is_renewed_while_serving() {
        let dir = tempfile::tempdir().unwrap();
        let (tls, _) = Tls::self_signed(dir.path(), "a.example").unwrap();
        let served = || tls.certificate.current.load().cert[0].to_vec();
        let first = served();
        tls.reload();
        assert_eq!(served(), first, "it is good for years");

        let file = tls.certificate_file();
        let text = std::fs::read_to_string(file).unwrap();
        let (_, pem) = text.split_once('\n').unwrap();
        std::fs::write(file, label("a.example", unix_now() - 1) + pem).unwrap();
        tls.certificate.seen.store(Arc::new([None, None]));
        tls.reload();
        assert_ne!(served(), first);
        assert!(still_good(file, "a.example"));
    }

    #[test]
    fn the_wrong_key_is_named() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Tls::self_signed(one.path(), "a.example").unwrap();
        Tls::self_signed(two.path(), "a.example").unwrap();
        let result = Tls::with_files(
            &one.path().join("self-signed.pem"),
            &two.path().join("self-signed.key"),
        );
        assert!(matches!(result, Err(Error::Mismatch { .. })));
    }
}
