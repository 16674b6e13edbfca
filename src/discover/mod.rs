//! How clients find the server, given no more than an address: Autodiscover for phones and
//! Outlook (MS-ASCMD 2.2.1.1, MS-OXDSCLI), its JSON form, and Mozilla's autoconfig for mail
//! programs.
//!
//! Everything here follows from the server's name and its ports; nothing is kept. The parts
//! that tell about an account need a log-in; the others say what any port scan would.

mod autoconfig;
pub mod check;
mod json;
mod pox;
pub mod request;
mod xml;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};

use crate::base::address::normalise_domain;
use crate::domain::{self, server};
use crate::http::basic::Gate;
use crate::store::{Read, Store};

/// The path that everything begins with.
pub const AUTODISCOVER: &str = "/autodiscover/autodiscover.xml";

/// Where phones synchronise (MS-ASHTTP 2.2.1.1.1); another front answers there.
const ACTIVE_SYNC: &str = "/Microsoft-Server-ActiveSync";

/// Paths that clients spell in any letter case.
pub const ANY_CASE: [&str; 4] = [
    AUTODISCOVER,
    "/autodiscover/autodiscover.json",
    "/autodiscover/autodiscover.json/v1.0/",
    ACTIVE_SYNC,
];

/// How a mail protocol is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailPort {
    pub port: u16,
    /// TLS from the first byte; otherwise STARTTLS.
    pub implicit_tls: bool,
}

/// What is told to clients.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's name if the settings have one; otherwise it is the store's.
    pub hostname: Option<Arc<str>>,
    /// The name as long as the server is not set up.
    pub fallback_hostname: Arc<str>,
    pub imap: Option<MailPort>,
    pub submission: Option<MailPort>,
}

/// The front.
pub struct Front {
    settings: Settings,
    store: Store,
    gate: Gate,
}

impl Front {
    pub fn new(settings: Settings, store: Store, gate: Gate) -> Arc<Self> {
        Arc::new(Self { settings, store, gate })
    }

    /// The name under which clients reach us. Read anew each time: a server may be set up
    /// while it runs.
    fn hostname(&self) -> domain::Result<String> {
        if let Some(name) = &self.settings.hostname {
            return Ok(name.to_string());
        }
        let kept = server::hostname(&self.store.read())?;
        Ok(kept.unwrap_or_else(|| self.settings.fallback_hostname.to_string()))
    }

    /// The domain, if it is one of ours.
    fn known_domain(&self, name: &str) -> domain::Result<Option<String>> {
        let Ok(name) = normalise_domain(name) else { return Ok(None) };
        let domains = self.store.read().domains()?;
        Ok(domains.into_iter().map(|domain| domain.name).find(|known| *known == name))
    }
}

fn active_sync_url(hostname: &str) -> String {
    format!("https://{hostname}{ACTIVE_SYNC}")
}

fn autodiscover_url(hostname: &str) -> String {
    format!("https://{hostname}{AUTODISCOVER}")
}

/// Writes an element with a text.
fn element(out: &mut String, name: &str, text: &str) {
    // Writing into memory does not fail.
    let _ = write!(out, "<{name}>{}</{name}>", quick_xml::escape::escape(text));
}

/// The front's routes.
pub fn routes(front: Arc<Front>) -> Router {
    Router::new()
        .route(AUTODISCOVER, any(pox::answer))
        .route("/autodiscover/autodiscover.json", get(json::by_query))
        .route("/autodiscover/autodiscover.json/v1.0/{email}", get(json::by_path))
        .route("/mail/config-v1.1.xml", get(autoconfig::answer))
        .route("/.well-known/autoconfig/mail/config-v1.1.xml", get(autoconfig::answer))
        .with_state(front)
}
