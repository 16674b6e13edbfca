//! Mozilla's autoconfig, which Thunderbird, KMail, Evolution and FairEmail ask for the ports of
//! IMAP and SMTP. Format: <https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat>.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Front, MailPort, element};
use crate::domain;

/// `/mail/config-v1.1.xml?emailaddress=…`, also under `autoconfig.DOMAIN` and without an
/// address.
pub(super) async fn answer(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Response {
    let email = query.as_ref().ok().and_then(|Query(query)| query.get("emailaddress"));
    match front.config(email.map(String::as_str), &headers) {
        Ok(Some(text)) => {
            ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "autoconfig failed");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

impl Front {
    /// `None`: the domain is not ours, or mail programs are not served.
    fn config(&self, email: Option<&str>, headers: &HeaderMap) -> domain::Result<Option<String>> {
        let named = match email.and_then(|email| email.rsplit_once('@')) {
            Some((_, domain)) => domain,
            None => host(headers),
        };
        let Some(domain) = self.known_domain(named)? else { return Ok(None) };
        let (Some(imap), Some(submission)) = (self.settings.imap, self.settings.submission) else {
            return Ok(None);
        };
        let hostname = self.hostname()?;
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        let _ = write!(out, "<clientConfig version=\"1.1\"><emailProvider id=\"{domain}\">");
        element(&mut out, "domain", &domain);
        element(&mut out, "displayName", &domain);
        element(&mut out, "displayShortName", &domain);
        server(&mut out, "incomingServer", "imap", &hostname, imap);
        server(&mut out, "outgoingServer", "smtp", &hostname, submission);
        out.push_str("</emailProvider></clientConfig>\n");
        Ok(Some(out))
    }
}

/// The domain that a request's host belongs to, where no address says it.
fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    let name = host.split(':').next().unwrap_or("");
    match name.split_once('.') {
        Some((label, domain)) if label.eq_ignore_ascii_case("autoconfig") => domain,
        _ => name,
    }
}

fn server(out: &mut String, element_name: &str, kind: &str, hostname: &str, port: MailPort) {
    let _ = write!(out, "<{element_name} type=\"{kind}\">");
    element(out, "hostname", hostname);
    element(out, "port", &port.port.to_string());
    element(out, "socketType", if port.implicit_tls { "SSL" } else { "STARTTLS" });
    element(out, "authentication", "password-cleartext");
    // The program puts the address in.
    element(out, "username", "%EMAILADDRESS%");
    let _ = write!(out, "</{element_name}>");
}
