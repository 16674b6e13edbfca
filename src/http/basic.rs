//! HTTP Basic (RFC 7617): the log-in that phones and mail programs use.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::server::Encrypted;
use crate::base::secret::Secret;
use crate::login::{Doorkeeper, Refused};
use crate::net::Peer;
use crate::store::rows::account::Account;

/// The realm is shown by some programs when they ask for the password. The charset says that
/// we take UTF-8 (RFC 7617 §2.1).
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"Kontor\", charset=\"UTF-8\"");

/// Seconds after which a refused client is asked to come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request's `Authorization` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// As it came: an address, `DOMAIN\user` or a bare name, which `domain::auth` tells apart.
    pub login: String,
    pub password: Secret,
}

impl Basic {
    /// Reads the header; `None` if there is none, or one of another scheme, or nonsense.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = Secret::new(BASE64.decode(token.trim()).ok()?);
        let colon = decoded.expose().iter().position(|&byte| byte == b':')?;
        let (login, password) = decoded.expose().split_at_checked(colon)?;
        let password = password.strip_prefix(b":")?;
        Some(Self {
            login: utf8_or_latin1(login),
            password: password_bytes(decoded.expose(), password),
        })
    }
}

fn utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// The password in UTF-8, as it was when it was set. Old Windows and Android programs send
/// ISO 8859-1, which RFC 2617 left open.
fn password_bytes(whole: &[u8], password: &[u8]) -> Secret {
    match std::str::from_utf8(whole) {
        Ok(_) => Secret::new(password),
        Err(_) => Secret::new(utf8_or_latin1(password)),
    }
}

/// Why a request has no account. As a response it is what most fronts answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No log-in came with it: 401, which begins the dance.
    Missing,
    /// Unknown, disabled or wrong: 401.
    Wrong,
    /// Too many failures, or the store is in trouble: 503, to be tried again.
    Later,
    /// A password must not cross the net in plain text: 403.
    Unencrypted,
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong => Self::Wrong,
            Refused::Throttled | Refused::Unavailable => Self::Later,
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let plain = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
        match self {
            Self::Missing | Self::Wrong => {
                let challenge = [(header::WWW_AUTHENTICATE, CHALLENGE)];
                (StatusCode::UNAUTHORIZED, plain, challenge, "Log in, please.\n").into_response()
            }
            Self::Later => {
                let later = [(header::RETRY_AFTER, RETRY_AFTER)];
                (StatusCode::SERVICE_UNAVAILABLE, plain, later, "Try again later.\n")
                    .into_response()
            }
            Self::Unencrypted => {
                (StatusCode::FORBIDDEN, plain, "Use https for this.\n").into_response()
            }
        }
    }
}

/// Lets requests in by HTTP Basic, for all fronts that speak it.
#[derive(Clone)]
pub struct Gate {
    doorkeeper: Arc<Doorkeeper>,
    allow_plaintext_login: bool,
}

impl Gate {
    pub fn new(doorkeeper: Arc<Doorkeeper>, allow_plaintext_login: bool) -> Self {
        Self { doorkeeper, allow_plaintext_login }
    }

    /// The account that a request is made for. `peer` and `encrypted` are extensions of every
    /// request.
    pub async fn account(
        &self,
        peer: &Peer,
        encrypted: Encrypted,
        headers: &HeaderMap,
    ) -> Result<Account, Denied> {
        if !(encrypted.0 || peer.is_loopback() || self.allow_plaintext_login) {
            return Err(Denied::Unencrypted);
        }
        let Basic { login, password } = Basic::from_headers(headers).ok_or(Denied::Missing)?;
        let checked = self.doorkeeper.check(peer.ip(), &login, password).await;
        if let Err(refused) = &checked {
            tracing::info!(connection = peer.id, ip = %peer.ip(), ?refused, "log-in failed");
        }
        Ok(checked?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;

    fn read(value: &str) -> Option<Basic> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        Basic::from_headers(&headers)
    }

    fn encoded(bytes: &[u8]) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(bytes))
    }

    fn basic(login: &str, password: &str) -> Option<Basic> {
        Some(Basic { login: login.into(), password: password.into() })
    }

    #[test]
    fn log_ins_are_read_in_every_form_that_clients_send() {
        for (value, wanted) in [
            (encoded(b"anna@office.example:secret"), basic("anna@office.example", "secret")),
            (encoded(b"OFFICE\\anna:a:b:"), basic("OFFICE\\anna", "a:b:")),
            (encoded(b"anna:"), basic("anna", "")),
            ("basic  YW5uYTpw".into(), basic("anna", "p")),
            // Without padding.
            ("BASIC YW5uYTpzZQ".into(), basic("anna", "se")),
            (encoded("anna:Grüße".as_bytes()), basic("anna", "Grüße")),
            // The same in ISO 8859-1.
            (encoded(b"anna:Gr\xFC\xDFe"), basic("anna", "Grüße")),
            (encoded(b"J\xFCrgen:p"), basic("Jürgen", "p")),
        ] {
            assert_eq!(read(&value), wanted, "{value}");
        }
    }

    #[test]
    fn nonsense_is_no_log_in() {
        for value in ["", "Basic", "Basic !!!", "Bearer YW5uYTpw", "Basic YW5uYQ==", "Basic ===="] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(Basic::from_headers(&HeaderMap::new()), None);
    }

    #[test]
    fn refusals_say_what_to_do() {
        let response = Denied::Missing.into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], CHALLENGE);
        let later = Denied::from(Refused::Throttled).into_response();
        assert_eq!(later.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(later.headers().contains_key(header::RETRY_AFTER));
    }
}
