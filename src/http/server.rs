//! HTTP/1.1 and HTTP/2 on a connection of ours, with limits on what a client may make us hold.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower::Service as _;

use super::any_case;
use crate::base::limits;
use crate::base::metrics::Metric;
use crate::net::proxies::Proxies;
use crate::net::{Connection, Front, Peer, Refusal};

static REQUESTS: Metric = Metric::counter("kontor_http_requests_total", "HTTP requests answered.");

/// HTTP/2 clients that say nothing are asked whether they are still there.
const PING_EVERY: Duration = Duration::from_secs(60);
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// What one HTTP/2 connection may have unread at our side.
const HTTP2_WINDOW: u32 = 256 * 1024;

/// Whether a request came over TLS; an extension of every request, as [`Peer`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted(pub bool);

/// The HTTP front of all routes together.
pub struct Server {
    router: Router,
    any_case: Arc<[&'static str]>,
    proxies: Proxies,
}

impl Server {
    /// Serves the routes. The paths of `any_case` are found however a client spells them; one
    /// that ends in `/` stands for everything below it. What `proxies` say of their clients is
    /// believed.
    pub fn new(
        router: Router,
        any_case: impl IntoIterator<Item = &'static str>,
        proxies: Proxies,
    ) -> Arc<Self> {
        Arc::new(Self { router, any_case: any_case.into_iter().collect(), proxies })
    }
}

impl Front for Server {
    fn refusal(&self, why: Refusal) -> &'static [u8] {
        match why {
            Refusal::Full => {
                b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
                  Content-Length: 0\r\nRetry-After: 10\r\n\r\n"
            }
            Refusal::TooManyFromAddress | Refusal::TooFast => {
                b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n\
                  Content-Length: 0\r\nRetry-After: 10\r\n\r\n"
            }
        }
    }

    async fn serve(self: Arc<Self>, connection: Connection) {
        let Connection { stream, peer, shutdown, .. } = connection;
        let (server, is_http2) = (self.clone(), stream.is_http2());
        let encrypted = Encrypted(stream.is_tls());
        let service = service_fn(move |request| server.answer(peer.clone(), encrypted, request));
        let io = TokioIo::new(stream);
        // Errors here are the client's: it went, or spoke nonsense and was told so. What the
        // library holds for a connection stands in a box, because as a local it would have its
        // room twice: where it is made, and where it is run.
        if is_http2 {
            let mut serving = Box::pin(
                http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(limits::HTTP2_STREAMS)
                    .max_header_list_size(limits::HTTP_HEADER_BYTES as u32)
                    .initial_connection_window_size(HTTP2_WINDOW)
                    .initial_stream_window_size(HTTP2_WINDOW)
                    .keep_alive_interval(PING_EVERY)
                    .keep_alive_timeout(PING_PATIENCE)
                    .serve_connection(io, service),
            );
            tokio::select! {
                _ = serving.as_mut() => return,
                () = shutdown.wait() => serving.as_mut().graceful_shutdown(),
            }
            let _ = serving.await;
        } else {
            let mut serving = Box::pin(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits::HTTP_HEADER)
                    .max_buf_size(limits::HTTP_HEADER_BYTES)
                    .half_close(false)
                    .serve_connection(io, service),
            );
            tokio::select! {
                _ = serving.as_mut() => return,
                () = shutdown.wait() => serving.as_mut().graceful_shutdown(),
            }
            let _ = serving.await;
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl Server {
    /// Whom a request is from, and whether it came encrypted: a proxy of ours says it of its
    /// client.
    fn client(&self, peer: Peer, encrypted: Encrypted, headers: &HeaderMap) -> (Peer, Encrypted) {
        if !self.proxies.trusts(peer.ip()) {
            return (peer, encrypted);
        }
        // A value that is no text is one that no proxy writes.
        let hops = headers.get_all("x-forwarded-for").iter();
        let client = self.proxies.client(peer.ip(), hops.map(|hop| hop.to_str().unwrap_or("")));
        let scheme = headers.get_all("x-forwarded-proto").iter().next_back();
        let scheme = scheme.and_then(|scheme| scheme.to_str().ok()?.rsplit(',').next());
        let with_tls = scheme.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
        (peer.on_behalf_of(client), Encrypted(encrypted.0 || with_tls))
    }

    /// Passes a request to the routes and writes its line in the log.
    fn answer(&self, peer: Peer, encrypted: Encrypted, request: Request<Incoming>) -> Answer {
        let start = Instant::now();
        let method = request.method().clone();
        // Without the query: it may hold what is not for the log.
        let path = request.uri().path().to_owned();
        let mut request = request.map(Body::new);
        let (peer, encrypted) = self.client(peer, encrypted, request.headers());
        if let Some(folded) = any_case::fold(request.uri(), &self.any_case) {
            *request.uri_mut() = folded;
        }
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(encrypted);
        let answering = self.router.clone().call(request);
        Box::pin(async move {
            let response = answering.await?;
            peer.welcome();
            REQUESTS.add(1);
            tracing::info!(
                front = "http",
                connection = peer.id,
                address = %peer.ip(),
                %method,
                path,
                status = response.status().as_u16(),
                micros = start.elapsed().as_micros() as u64,
            );
            Ok(response)
        })
    }
}
