//! The server: starts everything in the order that lets the first client in soonest, and stops
//! it in the order that loses nothing.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::config::Config;
use super::control::{self, Failure};
use super::execute::Context;
use super::{open, output, ports};
use crate::base::{limits, zone};
use crate::delivery::outbox;
use crate::discover;
use crate::eas;
use crate::http;
use crate::imap;
use crate::jobs::index::Indexer;
use crate::jobs::upkeep::Upkeep;
use crate::login::Doorkeeper;
use crate::net::rate::Logins;
use crate::net::{
    Connections, Encryption, Front, Listener, Shutdown, ShutdownSender, Tls,
    raise_descriptor_limit, shutdown,
};
use crate::smtp::{self, Role};
use crate::store::Read;
use crate::webui;

/// How long the last checkpoint and the workers may take after the sessions are gone.
const LAST_WORK: Duration = Duration::from_secs(5);

/// How long threads that still run are waited for at the very end.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// A listener that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Up {
    pub name: &'static str,
    pub address: SocketAddr,
}

/// A running server.
pub struct Server {
    pub context: Arc<Context>,
    pub up: Vec<Up>,
    /// Where the certificate is, and whether it was made just now.
    pub certificate: (std::path::PathBuf, bool),
    connections: Arc<Connections>,
    tls: Tls,
    shutdown: Shutdown,
    sender: ShutdownSender,
    tasks: Vec<JoinHandle<()>>,
    /// A listener does not listen any more.
    ended: Arc<AtomicBool>,
    upkeep: Upkeep,
    indexer: Indexer,
}

/// `kontor serve`.
pub fn run(dir: &Path, config: &Config) -> Result<(), Failure> {
    block_on(async {
        let signals = Signals::listen()?;
        let server = Server::start(dir, config).await?;
        announce(&server)?;
        server.until_told(signals).await
    })
}

/// Runs something on the threads that everything runs on.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A command on the control socket may still wait for its client; it is not waited for.
    runtime.shutdown_timeout(STRAGGLERS);
    result
}

/// The signals that the server heeds. From here on they no longer end the process by
/// themselves.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Tells which addresses are served, one a line, for people and scripts.
fn announce(server: &Server) -> Result<(), Failure> {
    let mut lines: String =
        server.up.iter().map(|up| format!("listening {} {}\n", up.name, up.address)).collect();
    lines.push_str("ready\n");
    output::say(&lines);
    notify_manager("READY=1");
    let (file, fresh) = &server.certificate;
    if *fresh {
        tracing::warn!(
            file = %file.display(),
            "TLS uses a self-signed certificate made just now; mail programs will ask whether to \
             trust it. Set tls.certificate and tls.key for one of your own"
        );
    }
    if server.context.store.read().domains()?.is_empty() {
        eprintln!(
            "This data directory is not set up yet. In another terminal, give:\n  \
             kontor --data {} init --domain office.example --hostname mail.office.example \\\n      \
             --admin you@office.example",
            server.context.store.directory().unwrap_or(Path::new("data")).display()
        );
    }
    Ok(())
}

impl Server {
    /// Opens the data and starts to listen.
    pub async fn start(dir: &Path, config: &Config) -> Result<Self, Failure> {
        let descriptors = raise_descriptor_limit();
        // Data of an older version may be brought up to date first, which waits for the disk.
        let context = Arc::new(tokio::task::block_in_place(|| open::context(dir, config))?);
        let hostname = open::hostname(config, &context.store)?;
        let (tls, fresh) = match &config.tls {
            Some(files) => (Tls::with_files(&files.certificate, &files.key), false),
            None => match Tls::self_signed(&dir.join("tls"), &hostname) {
                Ok((tls, fresh)) => (Ok(tls), fresh),
                Err(error) => (Err(error), false),
            },
        };
        let tls = tls.map_err(|error| Failure(error.to_string()))?;
        let (sender, down) = shutdown();
        let mut server = Self {
            connections: Connections::new(&config.limits, descriptors, config.proxies.clone()),
            certificate: (tls.certificate_file().to_owned(), fresh),
            up: Vec::new(),
            tasks: Vec::new(),
            shutdown: down,
            ended: Arc::default(),
            upkeep: Upkeep::start(context.store.clone())?,
            indexer: Indexer::start(context.store.clone())?,
            context,
            tls,
            sender,
        };
        server.open_doors(config, &hostname)?;
        server.start_helpers(dir, &hostname);
        Ok(server)
    }

    /// Starts the fronts behind their ports.
    fn open_doors(&mut self, config: &Config, hostname: &str) -> Result<(), Failure> {
        let store = self.context.store.clone();
        let hostname: Arc<str> = hostname.into();
        let limits = self.context.limits.clone();
        let doorkeeper = Doorkeeper::new(store.clone(), Logins::new(&limits));
        let listen = &config.listen;

        let smtp = |role| {
            let settings = smtp::Settings {
                hostname: hostname.clone(),
                limits: limits.clone(),
                doorkeeper: doorkeeper.clone(),
                allow_plaintext_login: config.allow_plaintext_login,
                role,
            };
            smtp::Front::new(settings, store.clone())
        };
        let (inbound, submission) = (smtp(Role::Inbound), smtp(Role::Submission));
        self.listen("smtp", &listen.smtp, Encryption::None, &inbound)?;
        self.listen("submission", &listen.submission, Encryption::None, &submission)?;
        self.listen("submissions", &listen.submissions, Encryption::Implicit, &submission)?;

        let imap = imap::Front::new(
            imap::Settings {
                hostname: hostname.clone(),
                limits: limits.clone(),
                doorkeeper: doorkeeper.clone(),
                allow_plaintext_login: config.allow_plaintext_login,
            },
            store.clone(),
        );
        self.listen("imap", &listen.imap, Encryption::None, &imap)?;
        self.listen("imaps", &listen.imaps, Encryption::Implicit, &imap)?;
        self.open_web(config, &hostname, doorkeeper)
    }

    /// Starts what is spoken over HTTP: it tells clients of the ports above.
    fn open_web(
        &mut self,
        config: &Config,
        hostname: &Arc<str>,
        doorkeeper: Arc<Doorkeeper>,
    ) -> Result<(), Failure> {
        let (store, limits) = (self.context.store.clone(), self.context.limits.clone());
        let gate = http::basic::Gate::new(doorkeeper, config.allow_plaintext_login);
        let phones = eas::Front::new(
            eas::Settings {
                hostname: hostname.clone(),
                limits,
                gate: gate.clone(),
                zone: zone::office(),
                shutdown: self.shutdown.clone(),
            },
            store.clone(),
        );
        let pages = webui::Front::new(
            webui::Settings {
                gate: gate.clone(),
                hostname: config.hostname.as_deref().map(Arc::from),
                fallback_hostname: hostname.clone(),
                zone: zone::office(),
            },
            store.clone(),
        );
        let discover = discover::Front::new(self.told_to_clients(config, hostname), store, gate);
        let routes = http::routes(self.health())
            .merge(discover::routes(discover))
            .merge(phones.routes())
            .merge(pages.routes());
        let web = http::Server::new(routes, discover::ANY_CASE, config.proxies.clone());
        self.listen("http", &config.listen.http, Encryption::None, &web)?;
        self.listen("https", &config.listen.https, Encryption::ImplicitWeb, &web)
    }

    /// What clients that look for the server are told.
    fn told_to_clients(&self, config: &Config, hostname: &Arc<str>) -> discover::Settings {
        let port = |name: &str, implicit_tls| {
            let up = self.up.iter().find(|up| up.name == name)?;
            Some(discover::MailPort { port: up.address.port(), implicit_tls })
        };
        discover::Settings {
            hostname: config.hostname.as_deref().map(Arc::from),
            fallback_hostname: hostname.clone(),
            imap: port("imaps", true).or_else(|| port("imap", false)),
            submission: port("submissions", true).or_else(|| port("submission", false)),
        }
    }

    fn listen<F: Front>(
        &mut self,
        name: &'static str,
        addresses: &[SocketAddr],
        encryption: Encryption,
        front: &Arc<F>,
    ) -> Result<(), Failure> {
        for &address in addresses {
            let listener = match Listener::bind(address, encryption) {
                Ok(listener) => listener,
                // A machine without IPv6 serves the other addresses.
                Err(error) if lacks_ipv6(&error, address) && addresses.len() > 1 => {
                    tracing::debug!(%address, "no IPv6 here");
                    continue;
                }
                Err(error) => return Err(Failure(ports::explain(&error, address, name))),
            };
            self.up.push(Up { name, address: listener.local_addr()? });
            let (front, connections) = (front.clone(), self.connections.clone());
            let (tls, down, ended) = (self.tls.clone(), self.shutdown.clone(), self.ended.clone());
            self.tasks.push(tokio::spawn(async move {
                let _guard = EndGuard(ended);
                listener.run(front, connections, tls, down).await;
            }));
        }
        Ok(())
    }

    /// What runs beside the fronts.
    fn start_helpers(&mut self, dir: &Path, hostname: &str) {
        let (store, down) = (self.context.store.clone(), self.shutdown.clone());
        self.tasks.push(tokio::spawn(outbox::run(store, hostname.into(), down)));
        let (tls, down) = (self.tls.clone(), self.shutdown.clone());
        self.tasks.push(tokio::spawn(async move { tls.follow_files(down).await }));
        // Bound before anybody is told that the server is ready, so that a command given then
        // finds it.
        match control::Socket::bind(dir) {
            Ok(socket) => {
                let (context, down) = (self.context.clone(), self.shutdown.clone());
                self.tasks.push(tokio::spawn(socket.serve(context, down)));
            }
            Err(error) => {
                tracing::error!(%error, "no control socket; commands cannot reach this server");
            }
        }
    }

    /// All is well if the store can commit and no listener has ended.
    fn health(&self) -> http::Health {
        let (store, ended) = (self.context.store.clone(), self.ended.clone());
        Arc::new(move || {
            let (store, ended) = (store.clone(), ended.load(Ordering::Relaxed));
            Box::pin(async move {
                if ended {
                    return Err("a listener has ended".to_owned());
                }
                if !store.writable() {
                    return Err("the store takes no changes at the moment".to_owned());
                }
                let asked = store.write(|_| Ok::<_, crate::store::Error>(()));
                match tokio::time::timeout(Duration::from_secs(5), asked).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("the store does not answer".to_owned()),
                }
            })
        })
    }

    /// Runs until SIGTERM or SIGINT. SIGHUP takes up a changed certificate at once.
    pub async fn until_told(self, mut signals: Signals) -> Result<(), Failure> {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hangup.recv() => self.tls.reload(),
            }
        }
        self.stop().await
    }

    /// Listeners first, then sessions, which finish what they are doing and say goodbye, then
    /// the store.
    pub async fn stop(self) -> Result<(), Failure> {
        notify_manager("STOPPING=1");
        tracing::info!(open = self.connections.open(), "shutting down");
        self.sender.start();
        if !self.connections.emptied(limits::SHUTDOWN_GRACE).await {
            tracing::warn!(open = self.connections.open(), "connections cut");
        }
        for task in self.tasks {
            // Helpers end with the shutdown; a hanging one must not keep the process.
            let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
        }
        let (store, workers) = (self.context.store.clone(), (self.upkeep, self.indexer));
        let last = tokio::task::spawn_blocking(move || {
            let done = store.checkpoint();
            // Waits for what they are doing at the moment.
            drop(workers);
            done
        });
        // Everything that was acknowledged is in the journal already, so nothing hangs on this.
        match tokio::time::timeout(LAST_WORK, last).await {
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "the last checkpoint failed; the next start reads the journal");
            }
            Err(_) => tracing::warn!("the last work takes too long and is left to the next start"),
            _ => {}
        }
        Ok(())
    }
}

/// Notes the end of a listener, by whatever way.
struct EndGuard(Arc<AtomicBool>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn lacks_ipv6(error: &io::Error, address: SocketAddr) -> bool {
    address.is_ipv6()
        && (error.kind() == io::ErrorKind::AddrNotAvailable
            || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()))
}

/// Tells a service manager, if one asked for it (sd_notify(3)).
fn notify_manager(state: &str) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    let told =
        UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(state.as_bytes(), &address?));
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
