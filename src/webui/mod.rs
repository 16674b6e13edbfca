//! Pages for browsers. The web interface is not here yet; a page at `/` says so and how mail
//! programs connect meanwhile, and [`phones`] is where people look after their own phones.
//!
//! Plain HTML that needs no script. Log-ins are HTTP Basic until the web interface brings sessions.

mod form;
mod html;
mod phones;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::domain::{self, server};
use crate::http::basic::Gate;
use crate::store::Store;

const PAGE: &str = include_str!("../../web/placeholder.html");
const STYLE: &str = include_str!("../../web/placeholder.css");
const PAGES_STYLE: &str = include_str!("../../web/pages.css");

/// No script, no frame, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// What the front needs of the program.
pub struct Settings {
    pub gate: Gate,
    /// The server's name if the settings have one; otherwise it is the store's.
    pub hostname: Option<Arc<str>>,
    /// The name as long as the server is not set up.
    pub fallback_hostname: Arc<str>,
    /// The office's time zone.
    pub zone: jiff::tz::TimeZone,
}

/// The front for browsers.
pub struct Front {
    settings: Settings,
    store: Store,
    tokens: form::Tokens,
}

impl Front {
    pub fn new(settings: Settings, store: Store) -> Arc<Self> {
        Arc::new(Self { settings, store, tokens: form::Tokens::new() })
    }

    pub fn routes(self: Arc<Self>) -> Router {
        let html = "text/html; charset=utf-8";
        let css = "text/css; charset=utf-8";
        Router::new()
            .route("/", get(move || async move { asset(html, PAGE) }))
            .route("/placeholder.css", get(move || async move { asset(css, STYLE) }))
            .route("/pages.css", get(move || async move { asset(css, PAGES_STYLE) }))
            .route(
                "/robots.txt",
                get(|| async { asset("text/plain", "User-agent: *\nDisallow: /\n") }),
            )
            .merge(phones::routes(self))
    }

    /// The name under which phones reach us. Read anew each time: a server may be set up while
    /// it runs.
    fn hostname(&self) -> domain::Result<String> {
        if let Some(name) = &self.settings.hostname {
            return Ok(name.to_string());
        }
        let kept = server::hostname(&self.store.read())?;
        Ok(kept.unwrap_or_else(|| self.settings.fallback_hostname.to_string()))
    }
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}
