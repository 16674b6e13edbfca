//! One question of the check: a name, a connection, a request.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Question;
use crate::base::address::EmailAddress;
use crate::base::secret::Secret;
use crate::net::client::{self, Shaken, TlsClient, Untrusted};
use crate::net::dns::{self, Resolver};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// After that long without an answer, the name servers are not asked again.
const SILENCE: Duration = Duration::from_secs(5);
/// Octets of an answer that are read.
const BODY_MAX: usize = 256 * 1024;

/// `NAME[:PORT]=TARGET`: where a name leads instead of asking the DNS. The target is an
/// `ADDRESS:PORT`, or for a service record (whose name begins with `_`) a `NAME:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    name: String,
    /// `None`: whatever port is asked for.
    port: Option<u16>,
    target: String,
}

/// An override cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("NAME[:PORT]=ADDRESS:PORT is expected (for a service record, _NAME=HOST:PORT)")]
pub struct BadOverride;

impl FromStr for Override {
    type Err = BadOverride;

    fn from_str(text: &str) -> Result<Self, BadOverride> {
        let (name, target) = text.split_once('=').ok_or(BadOverride)?;
        let (name, port) = match name.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| BadOverride)?)),
            None => (name, None),
        };
        let sound = match name.starts_with('_') {
            true => split_service(target).is_some(),
            false => target.parse::<SocketAddr>().is_ok(),
        };
        match sound && !name.is_empty() {
            true => Ok(Self { name: name.to_ascii_lowercase(), port, target: target.to_owned() }),
            false => Err(BadOverride),
        }
    }
}

fn split_service(target: &str) -> Option<(String, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    NoName { host: String },
    Dns(String),
    Unreachable { port: u16, address: SocketAddr, error: io::Error },
    Handshake { host: String, error: io::Error },
    Lost(String),
    BadUrl(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName { host } => write!(f, "there is no {host} in the DNS"),
            Self::Dns(error) => f.write_str(error),
            Self::Unreachable { address, error, .. } => {
                let why = match error.kind() {
                    io::ErrorKind::TimedOut => "does not answer".to_owned(),
                    io::ErrorKind::ConnectionRefused => "refuses connections".to_owned(),
                    _ => format!("cannot be reached: {error}"),
                };
                write!(f, "{address} {why}")
            }
            Self::Handshake { error, .. } => write!(f, "does not speak TLS: {error}"),
            Self::Lost(error) => write!(f, "does not speak HTTP: {error}"),
            Self::BadUrl(url) => write!(f, "leads to {url}, which is no address of the web"),
        }
    }
}

/// What came back.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What a phone would dislike about the certificate.
    pub untrusted: Option<Untrusted>,
    /// The certificate has an RSA key.
    pub rsa: bool,
}

impl Answer {
    /// Where it leads, if it leads to another place with TLS.
    pub fn redirect(&self) -> Option<String> {
        let target = self.headers.get(header::LOCATION)?.to_str().ok()?;
        (self.status.is_redirection() && target.starts_with("https://")).then(|| target.to_owned())
    }
}

enum Names {
    Dns(Box<Resolver>),
    Given(Vec<Override>),
}

/// Asks questions.
pub(super) struct Asker {
    names: Names,
    tls: TlsClient,
    /// What there was to say of name servers that do not answer.
    silent: OnceLock<String>,
}

impl Asker {
    pub fn new(question: &Question) -> io::Result<Self> {
        let names = match question.overrides.is_empty() {
            true => Names::Dns(Box::new(Resolver::system().map_err(io::Error::other)?)),
            false => Names::Given(question.overrides.clone()),
        };
        Ok(Self { names, tls: TlsClient::new(question.trust.as_deref())?, silent: OnceLock::new() })
    }

    /// The places that a service record names, the first to be tried first.
    pub async fn services(&self, name: &str) -> Result<Vec<(String, u16)>, Trouble> {
        match &self.names {
            Names::Given(given) => {
                let known = given.iter().filter(|one| one.name == name);
                Ok(known.filter_map(|one| split_service(&one.target)).collect())
            }
            Names::Dns(resolver) => {
                let found = self.patiently(resolver.services(name)).await?;
                let there = found.into_iter().filter(|service| !service.target.is_empty());
                Ok(there.map(|service| (service.target, service.port)).collect())
            }
        }
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Trouble> {
        let found: Vec<SocketAddr> = match &self.names {
            Names::Given(given) => given
                .iter()
                .filter(|one| one.name == host && one.port.is_none_or(|only| only == port))
                .filter_map(|one| one.target.parse().ok())
                .collect(),
            Names::Dns(resolver) => {
                let found = self.patiently(resolver.addresses(host)).await?;
                found.into_iter().map(|address| (address, port).into()).collect()
            }
        };
        match found.is_empty() {
            true => Err(Trouble::NoName { host: host.to_owned() }),
            false => Ok(found),
        }
    }

    /// Waits for silent name servers once, and not for each of a dozen names.
    async fn patiently<T>(
        &self,
        question: impl Future<Output = Result<T, dns::Error>>,
    ) -> Result<T, Trouble> {
        if let Some(said) = self.silent.get() {
            return Err(Trouble::Dns(said.clone()));
        }
        let begun = Instant::now();
        question.await.map_err(|error| {
            let said = error.to_string();
            match begun.elapsed() < SILENCE {
                true => Trouble::Dns(said),
                false => Trouble::Dns(self.silent.get_or_init(|| said).clone()),
            }
        })
    }

    /// Sends one request and reads the answer.
    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        log_in: Option<(&EmailAddress, &Secret)>,
        body: &str,
    ) -> Result<Answer, Trouble> {
        let bad = || Trouble::BadUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(bad)?.to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let request = request(method, &uri, log_in, body).ok_or_else(bad)?;

        let tcp = self.connect(&host, port).await?;
        if !secure {
            return exchange(tcp, request).await;
        }
        let shaken = self.tls.handshake(tcp, &host).await;
        let Shaken { stream, untrusted, rsa } =
            shaken.map_err(|error| Trouble::Handshake { host: host.clone(), error })?;
        Ok(Answer { untrusted, rsa, ..exchange(stream, request).await? })
    }

    /// The first address that takes a connection.
    async fn connect(&self, host: &str, port: u16) -> Result<tokio::net::TcpStream, Trouble> {
        let mut last = Trouble::NoName { host: host.to_owned() };
        for address in self.addresses(host, port).await? {
            match client::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = Trouble::Unreachable { port, address, error },
            }
        }
        Err(last)
    }
}

fn request(
    method: Method,
    uri: &Uri,
    log_in: Option<(&EmailAddress, &Secret)>,
    body: &str,
) -> Option<Request<Body>> {
    let path = uri.path_and_query()?.as_str();
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, uri.authority()?.as_str())
        .header(header::USER_AGENT, "Kontor-Check/1.0")
        .header(header::CONTENT_LENGTH, body.len());
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "text/xml; charset=utf-8");
    }
    if let Some((email, password)) = log_in {
        let plain = Secret::new([email.to_string().as_bytes(), b":", password.expose()].concat());
        let token = BASE64_STANDARD.encode(plain.expose());
        request = request.header(header::AUTHORIZATION, format!("Basic {token}"));
    }
    request.body(Body::from(body.to_owned())).ok()
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Body>,
) -> Result<Answer, Trouble> {
    let talk = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await?.into_parts();
        // A longer body than expected, or half of one, is judged by what there is of it.
        let body = axum::body::to_bytes(Body::new(body), BODY_MAX).await.unwrap_or_default();
        Ok::<_, hyper::Error>((parts, body))
    };
    match tokio::time::timeout(PATIENCE, talk).await {
        Ok(Ok((parts, body))) => {
            let (status, headers) = (parts.status, parts.headers);
            Ok(Answer { status, headers, body, untrusted: None, rsa: false })
        }
        Ok(Err(error)) => Err(Trouble::Lost(error.to_string())),
        Err(_) => Err(Trouble::Lost("no answer in time".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_read() {
        let read = |text: &str| text.parse::<Override>().ok();
        let wanted =
            Override { name: "a.example".into(), port: Some(443), target: "127.0.0.1:8443".into() };
        assert_eq!(read("A.example:443=127.0.0.1:8443"), Some(wanted));
        assert_eq!(read("a.example=[::1]:80").and_then(|one| one.port), None);
        assert!(read("_autodiscover._tcp.a.example=mail.a.example:443").is_some());
        for text in ["", "a.example", "a=b", "=127.0.0.1:1", "a:x=127.0.0.1:1", "_a=b", "a=1.2.3.4"]
        {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
