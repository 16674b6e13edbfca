//! `/healthz` and `/metrics`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::base::metrics::{self, Metric};
use crate::net::Peer;

static RESIDENT: Metric =
    Metric::gauge("kontor_resident_bytes", "Memory of this process that is in use.");
static DESCRIPTORS: Metric =
    Metric::gauge("kontor_descriptors", "Files and sockets that this process holds open.");

/// Asks whether all is well; the error says what is not.
pub type Health =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The routes for operators.
pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .with_state(health)
        .route("/metrics", get(show_metrics))
}

async fn healthz(State(health): State<Health>) -> Response {
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let uncached = [(header::CACHE_CONTROL, "no-store")];
    match health().await {
        Ok(()) => (plain, uncached, "ok\n").into_response(),
        // The reason is in the log; it may name what a stranger need not know.
        Err(reason) => {
            tracing::error!(reason, "not healthy");
            (StatusCode::SERVICE_UNAVAILABLE, plain, uncached, "not healthy\n").into_response()
        }
    }
}

/// For loopback only, until administrators can log in here.
async fn show_metrics(Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    // A proxy on this machine speaks for somebody elsewhere, and says so.
    let proxied = ["forwarded", "x-forwarded-for"].iter().any(|name| headers.contains_key(*name));
    if !peer.is_loopback() || proxied {
        return StatusCode::NOT_FOUND.into_response();
    }
    measure_process();
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (text, metrics::render()).into_response()
}

/// What the system says about this process (proc(5)); without `/proc` the figures are missing.
fn measure_process() {
    let resident = std::fs::read_to_string("/proc/self/statm").ok().and_then(|statm| {
        let pages: i64 = statm.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as i64)
    });
    if let Some(bytes) = resident {
        RESIDENT.set(bytes);
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        DESCRIPTORS.set(descriptors.count() as i64);
    }
}
