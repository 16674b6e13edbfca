//! Autodiscover's JSON form ("V2"), which newer phones and programs ask first, without a
//! log-in.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Front, active_sync_url, autodiscover_url};
use crate::base::address::EmailAddress;

/// Characters of what the client sent that are shown to it again.
const ECHOED: usize = 64;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    protocol: &'static str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    error_code: &'static str,
    error_message: String,
}

type Parameters = Result<Query<HashMap<String, String>>, QueryRejection>;

/// `/autodiscover/autodiscover.json?Email=…&Protocol=…`.
pub(super) async fn by_query(State(front): State<Arc<Front>>, query: Parameters) -> Response {
    let query = parameters(query);
    answer(&front, parameter(&query, "Email"), &query)
}

/// `/autodiscover/autodiscover.json/v1.0/EMAIL?Protocol=…`, as Outlook and iOS ask.
pub(super) async fn by_path(
    State(front): State<Arc<Front>>,
    Path(email): Path<String>,
    query: Parameters,
) -> Response {
    answer(&front, Some(&email), &parameters(query))
}

/// Of a query that cannot be read nothing is known, which has an error of its own.
fn parameters(query: Parameters) -> HashMap<String, String> {
    query.map(|Query(query)| query).unwrap_or_default()
}

fn parameter<'q>(query: &'q HashMap<String, String>, name: &str) -> Option<&'q str> {
    let found = query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

/// Any address of our domains gets the same answer: who exists is not told here.
fn answer(front: &Front, email: Option<&str>, query: &HashMap<String, String>) -> Response {
    let missing = |name: &str| {
        let text = format!("A valid value must be provided for the query parameter '{name}'");
        failed(StatusCode::BAD_REQUEST, "MandatoryParameterMissing", text)
    };
    let Some(email) = email.and_then(|email| EmailAddress::parse_human(email).ok()) else {
        return missing("Email");
    };
    let Some(protocol) = parameter(query, "Protocol") else { return missing("Protocol") };
    let known =
        front.known_domain(email.domain()).and_then(|domain| Ok((domain, front.hostname()?)));
    let (domain, hostname) = match known {
        Ok(known) => known,
        Err(error) => {
            tracing::error!(%error, "autodiscover failed");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    if domain.is_none() {
        let text = "There are no addresses of this domain here.".to_owned();
        return failed(StatusCode::NOT_FOUND, "UserNotFound", text);
    }
    let found = if protocol.eq_ignore_ascii_case("ActiveSync") {
        Found { protocol: "ActiveSync", url: active_sync_url(&hostname) }
    } else if protocol.eq_ignore_ascii_case("AutodiscoverV1") {
        Found { protocol: "AutodiscoverV1", url: autodiscover_url(&hostname) }
    } else {
        let shown: String = protocol.chars().take(ECHOED).collect();
        let text = format!(
            "The given protocol value '{shown}' is invalid. Supported values are \
             'ActiveSync,AutodiscoverV1'"
        );
        return failed(StatusCode::BAD_REQUEST, "InvalidProtocol", text);
    };
    Json(found).into_response()
}

fn failed(status: StatusCode, error_code: &'static str, error_message: String) -> Response {
    (status, Json(Failed { error_code, error_message })).into_response()
}
