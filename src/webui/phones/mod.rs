//! `/phones`: a person's own phones. To see them, to remove one, and to erase a lost one.
//!
//! Administrators see their own ones here as everybody does; other people's are `kontor device`'s.
//! What may be done with a phone is `domain::device::own`'s to say.

mod confirm;
mod list;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use jiff::tz::TimeZone;

use super::html::{Html, html, icon, page, see_other};
use super::{Front, form};
use crate::base::limits;
use crate::domain::device::own::{self, Act};
use crate::domain::device::{self, Device, WipeKind};
use crate::domain::{Error, calendar};
use crate::http::Encrypted;
use crate::http::basic::Denied;
use crate::net::Peer;
use crate::store::rows::account::Account;

/// What can be done, as addresses have it.
const ACTS: [(&str, Act); 4] = [
    ("remove", Act::Remove),
    ("erase-account", Act::Wipe(WipeKind::Account)),
    ("erase", Act::Wipe(WipeKind::Device)),
    ("cancel-erasing", Act::CancelWipe),
];

pub fn routes(front: Arc<Front>) -> Router {
    Router::new()
        .route("/phones", get(show))
        .route("/phones/", get(|| async { Redirect::permanent("/phones") }))
        .route("/phones/{number}/{act}", get(ask).post(act))
        .with_state(front)
}

/// The address of what is done with a phone; also the last part of what its token is bound to.
fn address(device: u32, act: Act) -> String {
    let word = ACTS.iter().find(|(_, known)| *known == act).map_or("", |(word, _)| word);
    format!("/phones/{device}/{word}")
}

/// The list, at a phone's place.
fn back_to(device: u32) -> Response {
    see_other(&format!("/phones#phone-{device}"))
}

async fn show(
    State(front): State<Arc<Front>>,
    Extension(peer): Extension<Peer>,
    Extension(encrypted): Extension<Encrypted>,
    headers: HeaderMap,
) -> Response {
    let account = match front.settings.gate.account(&peer, encrypted, &headers).await {
        Ok(account) => account,
        Err(denied) => return closed(denied),
    };
    list(&front, &account).unwrap_or_else(|error| failed(&account, &error))
}

fn list(front: &Front, account: &Account) -> Result<Response, Error> {
    let devices = device::list(&front.store.read(), account.id)?;
    let hostname = front.hostname()?;
    let now = front.store.clock().now();
    let body = list::body(devices, account, &hostname, now, &zone_of(front, account));
    Ok(page(StatusCode::OK, "My phones", Some(&account.address), &body))
}

/// Where the times of the page are told.
fn zone_of(front: &Front, account: &Account) -> TimeZone {
    calendar::own_zone(account).unwrap_or_else(|| front.settings.zone.clone())
}

/// A phone, and what is to be done with it.
struct Wish {
    device: Device,
    act: Act,
}

/// What an address says; nothing where there is no such phone, or it is another person's.
fn wish(front: &Front, account: &Account, number: &str, act: &str) -> Result<Wish, Error> {
    let act = ACTS.iter().find(|(word, _)| *word == act).map(|(_, act)| *act);
    let (Some(act), Ok(number)) = (act, number.parse()) else {
        return Err(Error::NotFound("page"));
    };
    Ok(Wish { device: own::find(&front.store.read(), account.id, number)?, act })
}

/// The page that asks whether it is meant.
async fn ask(
    State(front): State<Arc<Front>>,
    Extension(peer): Extension<Peer>,
    Extension(encrypted): Extension<Encrypted>,
    Path((number, act)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match front.settings.gate.account(&peer, encrypted, &headers).await {
        Ok(account) => account,
        Err(denied) => return closed(denied),
    };
    match wish(&front, &account, &number, &act) {
        // From a list that is older than the phone's state.
        Ok(wish) if !own::acts(&wish.device).contains(&wish.act) => back_to(wish.device.number),
        Ok(wish) => question(&front, &account, &wish, StatusCode::OK),
        Err(error) => failed(&account, &error),
    }
}

fn question(front: &Front, account: &Account, wish: &Wish, status: StatusCode) -> Response {
    let action = address(wish.device.number, wish.act);
    let token = front.tokens.make(account, &action);
    let (now, zone) = (front.store.clock().now(), zone_of(front, account));
    let form = confirm::Form { action: &action, token: &token, again: status != StatusCode::OK };
    let body = confirm::body(&wish.device, wish.act, &form, now, &zone);
    page(status, confirm::title(wish.act), Some(&account.address), &body)
}

/// Does it.
async fn act(
    State(front): State<Arc<Front>>,
    Extension(peer): Extension<Peer>,
    Extension(encrypted): Extension<Encrypted>,
    Path((number, act)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // Read before anything is refused, so that the connection can go on.
    let reading = axum::body::to_bytes(body, limits::FORM_BODY);
    let body = match tokio::time::timeout(limits::HTTP_SMALL_BODY, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let account = match front.settings.gate.account(&peer, encrypted, &headers).await {
        Ok(account) => account,
        Err(denied) => return closed(denied),
    };
    let wish = match wish(&front, &account, &number, &act) {
        Ok(wish) => wish,
        Err(error) => return failed(&account, &error),
    };
    if !form::is_ours(&uri, &headers) {
        tracing::warn!(account = account.id.0, "a form from another site was refused");
        return foreign(&account);
    }
    let action = address(wish.device.number, wish.act);
    if !front.tokens.is_right(&account, &action, &form::field(&body, "token")) {
        // After a restart or a new password. Nothing was done; the page is asked once more.
        return question(&front, &account, &wish, StatusCode::FORBIDDEN);
    }
    let (owner, number, act) = (account.id, wish.device.number, wish.act);
    match front.store.write(move |tx| own::act(tx, owner, number, act)).await {
        Ok(device) => {
            tracing::info!(account = owner.0, device = device.id, ?act, "done by its owner");
            back_to(number)
        }
        Err(error) => failed(&account, &error),
    }
}

/// The answer to somebody who is not let in.
fn closed(denied: Denied) -> Response {
    let (title, text) = match denied {
        Denied::Missing | Denied::Wrong => (
            "Log in to see your phones",
            "With your e-mail address as user name, and its password: the ones that your phone has.",
        ),
        Denied::Later => (
            "Not just now",
            "There were too many attempts, or the server is busy. Try again in half a minute.",
        ),
        Denied::Unencrypted => (
            "This page needs encryption",
            "Your password must not cross the net for everybody to read. Put https:// in front of \
             the address instead of http://.",
        ),
    };
    let told = denied.into_response();
    let again = !matches!(denied, Denied::Unencrypted);
    let mut response = notice(told.status(), None, title, text, again.then_some("Try again"));
    for name in [axum::http::header::WWW_AUTHENTICATE, axum::http::header::RETRY_AFTER] {
        if let Some(value) = told.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// The answer where it does not go on.
fn failed(account: &Account, error: &Error) -> Response {
    let (status, title, text) = match error {
        Error::NotFound(_) => (
            StatusCode::NOT_FOUND,
            "There is no such phone",
            "It is not among your phones, or the address is not right.",
        ),
        Error::Denied(_) => (
            StatusCode::FORBIDDEN,
            "Not allowed",
            "Your account may not do this any more. Ask an administrator.",
        ),
        Error::Invalid(_) | Error::Exists(_) | Error::HasChildren | Error::Stale => (
            StatusCode::CONFLICT,
            "That is not possible any more",
            "The phone's state has changed meanwhile. Nothing was done; the list shows how it is now.",
        ),
        Error::OverQuota | Error::TooLarge | Error::TooMany(_) | Error::Store(_) => {
            tracing::error!(%error, "a page could not be made");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not just now",
                "The server cannot do this at the moment. Nothing was done; try again in a minute.",
            )
        }
    };
    notice(status, Some(&account.address), title, text, Some("My phones"))
}

fn foreign(account: &Account) -> Response {
    notice(
        StatusCode::FORBIDDEN,
        Some(&account.address),
        "This did not come from here",
        "Another web site tried to do something with your phones, and was refused. Nothing was done.",
        Some("My phones"),
    )
}

/// A page with one thing to say, and a way back to the list.
fn notice(
    status: StatusCode,
    who: Option<&str>,
    title: &'static str,
    text: &'static str,
    way: Option<&'static str>,
) -> Response {
    let mut out = Html::default();
    html!(out, "<div class=\"empty\"><span class=\"art\">");
    icon(&mut out, "smartphone", "");
    html!(out, "</span><h1>" {title} "</h1><p>" {text} "</p>");
    if let Some(way) = way {
        html!(out, "<a class=\"btn primary\" href=\"/phones\">" {way} "</a>");
    }
    html!(out, "</div>\n");
    page(status, title, who, &out)
}
