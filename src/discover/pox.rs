//! Autodiscover in "plain old XML": for phones (MS-ASCMD 2.2.1.1) and for Outlook's IMAP and
//! SMTP accounts (MS-OXDSCLI).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::request::Request;
use super::xml::Refused;
use super::{Front, MailPort, active_sync_url, autodiscover_url, element};
use crate::base::clock::Clock;
use crate::base::limits;
use crate::domain::{self, auth};
use crate::http::Encrypted;
use crate::net::Peer;
use crate::store::rows::account::Account;

/// The answer that phones ask for.
pub(super) const MOBILE_SYNC: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
/// The answer that Outlook asks for.
const OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
/// What is around all answers, and around errors.
const OUTER: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";

/// What a phone asks with.
const MOBILE_SYNC_REQUEST: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006";

/// A phone's request (MS-ASCMD 2.2.1.1).
pub(super) fn question(email: &str) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"{MOBILE_SYNC_REQUEST}\"><Request>"
    );
    element(&mut out, "EMailAddress", email);
    element(&mut out, "AcceptableResponseSchema", MOBILE_SYNC);
    out.push_str("</Request></Autodiscover>");
    out
}

/// Errors of the service itself (MS-OXDSCLI 2.2.4.1.1.3.1, MS-ASCMD 2.2.3.64).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorCode {
    /// The address cannot be found.
    Unknown = 500,
    /// The request is not one.
    Invalid = 600,
    /// No answer of the wanted kind.
    NoProvider = 601,
}

impl ErrorCode {
    fn message(self) -> &'static str {
        match self {
            Self::Unknown => "The email address can't be found.",
            Self::Invalid => "Invalid Request",
            Self::NoProvider => "Provider is not available",
        }
    }
}

/// Answers GET and POST.
///
/// A GET without TLS is a step of its own: clients that found nothing under https ask for the
/// right place under http, without a password.
pub(super) async fn answer(
    State(front): State<Arc<Front>>,
    Extension(peer): Extension<Peer>,
    Extension(encrypted): Extension<Encrypted>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let asks = method == Method::GET || method == Method::HEAD;
    if asks && !encrypted.0 && !through_proxy_with_tls(&peer, &headers) {
        return redirect(&front);
    }
    if !asks && method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD, POST")])
            .into_response();
    }
    // Read before the log-in is looked at, so that the second request of the 401 dance can
    // come on the same connection.
    let reading = axum::body::to_bytes(body, limits::AUTODISCOVER_BODY);
    let body = match tokio::time::timeout(limits::HTTP_SMALL_BODY, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let account = match front.gate.account(&peer, encrypted, &headers).await {
        Ok(account) => account,
        Err(denied) => return denied.into_response(),
    };
    let hostname = match front.hostname() {
        Ok(name) => name,
        Err(error) => return trouble(&error),
    };
    let request = match Request::parse(&body) {
        Ok(request) if !asks => request,
        Ok(_) | Err(Refused::Malformed) => {
            return xml(service_error(&hostname, ErrorCode::Invalid));
        }
        Err(Refused::Hostile(what)) => {
            return (StatusCode::BAD_REQUEST, format!("{what} is not allowed here\n"))
                .into_response();
        }
    };
    match front.is_own(&account, &request.email) {
        Ok(own) => xml(front.settings_of(&account, &hostname, &request, own)),
        Err(error) => trouble(&error),
    }
}

/// A proxy on this machine that ended TLS says so.
fn through_proxy_with_tls(peer: &Peer, headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    peer.is_loopback() && scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn redirect(front: &Front) -> Response {
    match front.hostname() {
        Ok(name) => {
            (StatusCode::FOUND, [(header::LOCATION, autodiscover_url(&name))]).into_response()
        }
        Err(error) => trouble(&error),
    }
}

fn trouble(error: &domain::Error) -> Response {
    tracing::error!(%error, "autodiscover failed");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn xml(text: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/xml; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}

impl Front {
    /// Whether an address is one of the account that asks. About others nothing is told.
    fn is_own(&self, account: &Account, email: &str) -> domain::Result<bool> {
        let found = auth::find_login(&self.store.read(), email)?;
        Ok(found.is_some_and(|found| found.id == account.id))
    }

    fn settings_of(
        &self,
        account: &Account,
        hostname: &str,
        request: &Request,
        own: bool,
    ) -> String {
        let wants =
            |schema: &str| request.schemas.iter().any(|wanted| wanted.eq_ignore_ascii_case(schema));
        if request.email.is_empty() || request.schemas.is_empty() {
            return service_error(hostname, ErrorCode::Invalid);
        }
        match (wants(MOBILE_SYNC), wants(OUTLOOK), own) {
            (true, _, true) => phone_settings(account, hostname),
            (true, _, false) => phone_error(&request.email),
            (false, true, true) => self.outlook_settings(account, hostname),
            (false, true, false) => service_error(hostname, ErrorCode::Unknown),
            (false, false, _) => service_error(hostname, ErrorCode::NoProvider),
        }
    }

    /// IMAP and SMTP; Outlook for the desktop does not speak ActiveSync to others than
    /// Microsoft.
    fn outlook_settings(&self, account: &Account, hostname: &str) -> String {
        let mut out = begin(OUTLOOK);
        out.push_str("<User>");
        element(&mut out, "DisplayName", &account.display_name);
        element(&mut out, "AutoDiscoverSMTPAddress", &account.address);
        out.push_str("</User><Account>");
        element(&mut out, "AccountType", "email");
        element(&mut out, "Action", "settings");
        if let Some(port) = self.settings.imap {
            protocol(&mut out, "IMAP", hostname, port, &account.address);
        }
        if let Some(port) = self.settings.submission {
            protocol(&mut out, "SMTP", hostname, port, &account.address);
        }
        out.push_str("</Account>");
        end(out)
    }
}

/// One `Protocol` (MS-OXDSCLI 2.2.4.1.1.2.6).
fn protocol(out: &mut String, kind: &str, hostname: &str, port: MailPort, login: &str) {
    out.push_str("<Protocol>");
    element(out, "Type", kind);
    element(out, "Server", hostname);
    element(out, "Port", &port.port.to_string());
    element(out, "LoginName", login);
    element(out, "DomainRequired", "off");
    element(out, "SPA", "off");
    element(out, "SSL", if port.implicit_tls { "on" } else { "off" });
    element(out, "Encryption", if port.implicit_tls { "SSL" } else { "TLS" });
    element(out, "AuthRequired", "on");
    if kind == "SMTP" {
        element(out, "UsePOPAuth", "on");
        element(out, "SMTPLast", "off");
    }
    out.push_str("</Protocol>");
}

fn phone_settings(account: &Account, hostname: &str) -> String {
    let url = active_sync_url(hostname);
    let mut out = begin(MOBILE_SYNC);
    element(&mut out, "Culture", "en:en");
    out.push_str("<User>");
    element(&mut out, "DisplayName", &account.display_name);
    element(&mut out, "EMailAddress", &account.address);
    out.push_str("</User><Action><Settings><Server>");
    element(&mut out, "Type", "MobileSync");
    element(&mut out, "Url", &url);
    // The same again: for this type it is the URL too (MS-ASCMD 2.2.3.117.1).
    element(&mut out, "Name", &url);
    out.push_str("</Server></Settings></Action>");
    end(out)
}

/// An address that is not the asker's: Status 2, "protocol error", the only one there is
/// (MS-ASCMD 2.2.3.177.1).
fn phone_error(email: &str) -> String {
    let mut out = begin(MOBILE_SYNC);
    element(&mut out, "Culture", "en:en");
    out.push_str("<User>");
    element(&mut out, "EMailAddress", email);
    out.push_str("</User><Action><Error>");
    element(&mut out, "Status", "2");
    element(&mut out, "Message", "This address does not belong to the account that is logged in.");
    element(&mut out, "DebugData", "MailUser");
    out.push_str("</Error></Action>");
    end(out)
}

/// An error before it is known what kind of answer is wanted.
fn service_error(hostname: &str, code: ErrorCode) -> String {
    let mut out = begin(OUTER);
    let of_day = Clock::system().now().rem_euclid(86_400);
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    // Exchange's Id is a hash of the machine's name, for those who run many.
    let id = hostname.bytes().fold(0_u32, |id, byte| id.wrapping_mul(31).wrapping_add(byte.into()));
    let _ =
        write!(out, "<Error Time=\"{hours:02}:{minutes:02}:{seconds:02}.0000000\" Id=\"{id}\">");
    element(&mut out, "ErrorCode", &(code as u16).to_string());
    element(&mut out, "Message", code.message());
    out.push_str("<DebugData/></Error>");
    end(out)
}

fn begin(schema: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"{OUTER}\"><Response xmlns=\"{schema}\">"
    )
}

fn end(mut out: String) -> String {
    out.push_str("</Response></Autodiscover>");
    out
}
