//! Exchange ActiveSync: mail, contacts, calendars, tasks and notes on phones (MS-ASHTTP, MS-ASCMD).
//!
//! A request's way: [`request`] reads the address, `gate` decides whether this person's device
//! may come in, a command of `cmd` does the work, [`answer`] says it in the phone's version.
//! What phones have been told is kept by `state`; how items look to them is `render`'s.

mod answer;
mod cmd;
mod device_information;
mod draft;
mod finding;
mod folder;
mod gate;
mod ids;
mod outgoing;
mod parts;
mod policy_document;
mod quarantine;
mod quote;
mod recorder;
pub mod render;
pub mod request;
mod sent;
mod session;
mod shown;
mod state;
#[cfg(test)]
mod tests;
pub mod version;
mod waiting;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::id::AccountId;
use crate::base::limits::{self, Limits};
use crate::base::metrics::Metric;
use crate::eas::answer::{Answer, Failure};
use crate::eas::recorder::Recorder;
use crate::eas::request::{BadQuery, Query};
use crate::eas::session::Session;
use crate::eas::version::{Command, VERSIONS, Version, command_list};
use crate::http::Encrypted;
use crate::http::basic::Gate;
use crate::net::{Peer, Shutdown};
use crate::store::Store;
use crate::store::rows::account::Account;

static COMMANDS: Metric = Metric::counter("kontor_eas_commands_total", "ActiveSync commands.");

/// A slow phone may take this long for a body, and a second more for each KiB.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// What the front needs of the program.
pub struct Settings {
    pub hostname: Arc<str>,
    pub limits: Arc<Limits>,
    pub gate: Gate,
    /// The office's time zone.
    pub zone: jiff::tz::TimeZone,
    pub shutdown: Shutdown,
}

/// The ActiveSync front.
pub struct Front {
    settings: Settings,
    store: Store,
    waiting: waiting::Waiting,
    /// Bodies of more than [`limits::EAS_SMALL_BODY`] that are held at once.
    large_bodies: Arc<Semaphore>,
    /// Messages of that size that are read whole, to be quoted or changed.
    large_originals: Semaphore,
    memory: gate::Memory,
    synced: cmd::Remembered,
    orders: Arc<waiting::Orders>,
    pinged: cmd::Watched,
    books: crate::domain::people::Books,
}

impl Front {
    pub fn new(settings: Settings, store: Store) -> Arc<Self> {
        Arc::new(Self {
            settings,
            store,
            waiting: waiting::Waiting::default(),
            large_bodies: Arc::new(Semaphore::new(limits::EAS_LARGE_BODIES)),
            large_originals: Semaphore::new(limits::EAS_LARGE_BODIES),
            memory: gate::Memory::default(),
            synced: cmd::Remembered::default(),
            orders: Arc::default(),
            pinged: cmd::Watched::default(),
            books: Default::default(),
        })
    }

    pub fn routes(self: Arc<Self>) -> Router {
        let mut router = Router::new();
        // Phones write it as they like.
        for path in ["/Microsoft-Server-ActiveSync", "/microsoft-server-activesync"] {
            router = router.route(path, any(serve));
        }
        router.with_state(self)
    }
}

/// Answers a request.
///
/// What arrived is gone before its command runs: a phone may wait in it for an hour, and would
/// hold the request's header, the buffer that it was read into and the room for letting it in.
fn serve(
    State(front): State<Arc<Front>>,
    Extension(peer): Extension<Peer>,
    Extension(encrypted): Extension<Encrypted>,
    request: Request<Body>,
) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    let arriving = Box::pin(arrive(front.clone(), peer, encrypted, request));
    Box::pin(async move {
        let mut response = match arriving.await {
            Arrived::Answered(response) => response,
            Arrived::Command(errand, Ok(running)) => {
                let outcome = running.await;
                errand.finish(&front, outcome).await
            }
            Arrived::Command(errand, Err(failure)) => errand.finish(&front, Err(failure)).await,
        };
        let own = response.headers_mut();
        own.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        let version = HeaderValue::from_static("16.1");
        own.insert(HeaderName::from_static("ms-server-activesync"), version);
        response
    })
}

/// What a request came to so far.
enum Arrived {
    Answered(Response),
    Command(Box<Errand>, Result<cmd::Running, Failure>),
}

/// Reads a request up to where its command can run.
async fn arrive(
    front: Arc<Front>,
    peer: Peer,
    encrypted: Encrypted,
    request: Request<Body>,
) -> Arrived {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let order = front.orders.next();
    let account = match front.settings.gate.account(&peer, encrypted, &headers).await {
        Ok(account) => account,
        Err(denied) => return Arrived::Answered(denied.into_response()),
    };
    Arrived::Answered(match parts.method {
        Method::OPTIONS => options(),
        Method::POST => {
            let query = parts.uri.query().unwrap_or_default();
            match opened(query, &headers) {
                Ok((query, command, version)) => {
                    let arrival = (command, version, order);
                    return post(front, peer, account, query, arrival, &headers, body).await;
                }
                Err(bad) => bad_query(bad),
            }
        }
        // People open the address in a browser to see whether it is there.
        Method::GET => {
            "This is an ActiveSync server. Add this account on a phone.\n".into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    })
}

/// What is spoken here (MS-ASHTTP 2.2.3).
fn options() -> Response {
    let commands = HeaderValue::from_str(&command_list());
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(HeaderName::from_static(name), value);
    set("ms-asprotocolversions", HeaderValue::from_static(VERSIONS));
    if let Ok(commands) = commands {
        set("ms-asprotocolcommands", commands);
    }
    set("allow", HeaderValue::from_static("OPTIONS,POST"));
    set("public", HeaderValue::from_static("OPTIONS,POST"));
    response
}

/// Reads which command a POST is, and in which version.
fn opened(query: &str, headers: &HeaderMap) -> Result<(Query, Command, Version), BadQuery> {
    let query = Query::parse(query)?;
    let command = query.command.ok_or(BadQuery::Command)?;
    let said = headers.get("ms-asprotocolversion").and_then(|value| value.to_str().ok());
    let version = match (query.version, said) {
        (Some(version), _) => version,
        (None, Some(text)) => Version::parse(text).ok_or(BadQuery::Version)?,
        (None, None) => Version::V2_5,
    };
    if query.device_id.is_empty() {
        return Err(BadQuery::DeviceId);
    }
    if query.device_type.is_empty() {
        return Err(BadQuery::DeviceType);
    }
    Ok((query, command, version))
}

/// Reads a command's body, and asks the gate whether it may run.
async fn post(
    front: Arc<Front>,
    peer: Peer,
    account: Account,
    query: Query,
    (command, version, order): (Command, Version, u64),
    headers: &HeaderMap,
    body: Body,
) -> Arrived {
    let mut errand = Box::new(Errand {
        start: Instant::now(),
        connection: peer.id,
        name: account.address.clone(),
        account: account.id,
        device: query.device_id.clone(),
        command,
        version,
        gzip: answer::takes_gzip(headers),
        recorder: None,
        held: None,
    });
    let admitted = async {
        if !command.is_in(version) {
            return Err(Failure::Common(answer::common::COMMAND_NOT_SUPPORTED));
        }
        let (body, held) = read_body(&front, headers, body).await?;
        errand.held = held;
        let session = Session::new(front.clone(), account, query, version, headers, body);
        let mut session = Box::new(session);
        session.order = order;
        let session = Box::pin(gate::identify(session, command)).await?;
        errand.recorder = Recorder::of(&session, command);
        let session = gate::admit(session, command)?;
        Ok(match session.quarantined {
            false => cmd::run(command, session),
            true => quarantine::run(command, session),
        })
    };
    let admitted = admitted.await;
    Arrived::Command(errand, admitted)
}

/// What is kept of a request while its command runs.
struct Errand {
    start: Instant,
    connection: u64,
    name: String,
    account: AccountId,
    device: String,
    command: Command,
    version: Version,
    /// The phone takes compressed answers.
    gzip: bool,
    recorder: Option<Recorder>,
    /// For a large body.
    held: Option<OwnedSemaphorePermit>,
}

impl Errand {
    /// Writes down what a command came to, and makes the answer of it.
    async fn finish(self: Box<Self>, front: &Front, outcome: Result<Answer, Failure>) -> Response {
        let Errand { account, device, command, version, .. } = *self;
        drop(self.held);
        let micros = self.start.elapsed().as_micros() as u64;
        if let Some(recorder) = self.recorder {
            recorder.note(&front.store, &outcome, micros);
        }
        if let Err(failure) = &outcome
            && let Err(worse) =
                Box::pin(gate::failed(front, account, &device, command, failure)).await
        {
            tracing::warn!(?worse, "an error of a device could not be noted");
        }
        COMMANDS.add(1);
        tracing::info!(
            front = "eas",
            connection = self.connection,
            account = self.name,
            device,
            command = command.name(),
            %version,
            outcome = match &outcome {
                Ok(_) => "ok".to_owned(),
                Err(failure) => format!("{failure:?}"),
            },
            micros,
        );
        answer::respond(outcome, command, version, self.gzip)
    }
}

fn bad_query(bad: BadQuery) -> Response {
    let (status, text) = match bad {
        BadQuery::Command => (StatusCode::NOT_IMPLEMENTED, "no such command\n"),
        BadQuery::Version => (StatusCode::BAD_REQUEST, "no such protocol version\n"),
        BadQuery::DeviceId => (StatusCode::BAD_REQUEST, "DeviceId is missing or malformed\n"),
        BadQuery::DeviceType => (StatusCode::BAD_REQUEST, "DeviceType is missing or malformed\n"),
        BadQuery::Form => (StatusCode::BAD_REQUEST, "the query cannot be read\n"),
    };
    (status, text).into_response()
}

/// Reads a request's body, unpacked. The permit bounds how many large ones are held at once.
async fn read_body(
    front: &Front,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Failure> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<usize>().ok());
    // The largest message with the WBXML around it.
    let limit = front.settings.limits.message_size as usize + limits::EAS_SMALL_BODY;
    if length.is_some_and(|length| length > limit) {
        return Err(Failure::Http(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let small = length.is_some_and(|length| length <= limits::EAS_SMALL_BODY);
    let permit = match small {
        true => None,
        false => {
            Some(front.large_bodies.clone().acquire_owned().await.map_err(|_| Failure::Busy(10))?)
        }
    };
    let patience = BODY_PATIENCE + Duration::from_secs(length.unwrap_or(limit) as u64 / 1024);
    let read = tokio::time::timeout(patience, to_bytes(body, limit)).await;
    let bytes = read
        .map_err(|_| Failure::Http(StatusCode::REQUEST_TIMEOUT))?
        .map_err(|_| Failure::Http(StatusCode::PAYLOAD_TOO_LARGE))?;
    // A Ping that came without a length must not hold its turn while it waits.
    let permit = permit.filter(|_| bytes.len() > limits::EAS_SMALL_BODY);
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    match encoding.map(str::trim) {
        None | Some("" | "identity") => Ok((bytes, permit)),
        Some(gzip) if gzip.eq_ignore_ascii_case("gzip") => Ok((unpacked(&bytes, limit)?, permit)),
        Some(_) => Err(Failure::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
    }
}

fn unpacked(bytes: &[u8], limit: usize) -> Result<Bytes, Failure> {
    use std::io::Read as _;
    let mut out = Vec::new();
    let read =
        flate2::read::MultiGzDecoder::new(bytes).take(limit as u64 + 1).read_to_end(&mut out);
    match read {
        Ok(_) if out.len() <= limit => Ok(out.into()),
        Ok(_) => Err(Failure::Http(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => Err(Failure::Http(StatusCode::BAD_REQUEST)),
    }
}
