//! The command line's end: a running server if there is one, the data themselves if not.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::server::short;
use super::wire::{self, Answer, Ask};
use super::{Outlet, Reply, Request, SOCKET};
use crate::app::config::Config;
use crate::app::execute::{Context, execute};
use crate::app::open;
use crate::store;

/// How long a server may have the data without answering.
const PATIENCE: Duration = Duration::from_secs(5);

/// A command did not succeed; the text is for the person who gave it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// What to do where the data are damaged.
pub const RESTORE: &str = "restore the last backup, and check the disk";

impl From<crate::domain::Error> for Failure {
    fn from(error: crate::domain::Error) -> Self {
        match error {
            crate::domain::Error::Store(error) => error.into(),
            other => Self(other.to_string()),
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self(match error {
            store::Error::Damaged(_) => format!("{error}; {RESTORE}"),
            store::Error::Full => format!("{error}; make room and give the command again"),
            other => other.to_string(),
        })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The way to the data.
pub enum Door {
    Server(BufReader<UnixStream>),
    Direct(Box<Context>),
}

impl Door {
    /// Finds the way: the socket, or else the store.
    pub fn open(dir: &Path, config: &Config) -> Result<Self, Failure> {
        if !dir.is_dir() {
            return Err(Failure(format!(
                "there is no data directory {}; name one with --data, or make it with kontor init",
                dir.display()
            )));
        }
        Self::open_or_make(dir, config)
    }

    /// The same for the command that makes the directory.
    ///
    /// A server that starts or stops has the data and no socket for a moment; it is waited for.
    pub fn open_or_make(dir: &Path, config: &Config) -> Result<Self, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(stream) = connect(dir)? {
                return Ok(Self::Server(BufReader::new(stream)));
            }
            require_own(dir)?;
            match open::context(dir, config) {
                Ok(context) => return Ok(Self::Direct(Box::new(context))),
                // Another process has it, or (rarely) it is of a newer version.
                Err(open::Error::Store(store::Error::Refused(_))) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Runs one command.
    pub fn run(
        &mut self,
        request: Request,
        payload: Vec<u8>,
        outlet: &mut dyn Outlet,
    ) -> Result<Reply, Failure> {
        match self {
            Self::Direct(context) => execute(context, request, payload, outlet),
            Self::Server(stream) => ask(stream, request, &payload, outlet),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Self::Direct(context) = self {
            // Nothing hangs on it: what was answered is durable. It only makes the next start
            // quicker.
            let _ = context.store.checkpoint();
        }
    }
}

/// Whether a server runs on this directory.
pub fn is_served(dir: &Path) -> bool {
    matches!(connect(dir), Ok(Some(_)))
}

/// Root may write everywhere, but the files that it makes are then root's, and the server whose
/// directory this is could not open them.
fn require_own(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(meta) = dir.metadata() else { return Ok(()) };
    if rustix::process::geteuid().is_root() && meta.uid() != 0 {
        return Err(Failure(format!(
            "{} belongs to another user and no server runs on it; start the server, or give the \
             command as that user (sudo -u '#{}' kontor ...)",
            dir.display(),
            meta.uid()
        )));
    }
    Ok(())
}

fn connect(dir: &Path) -> Result<Option<UnixStream>, Failure> {
    let path = dir.join(SOCKET);
    match UnixStream::connect(short(&path)?) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure(format!(
            "{} is another user's; give the command as that user or as root",
            dir.display()
        ))),
        // None, or one that a dead server left.
        Err(_) => Ok(None),
    }
}

fn ask(
    stream: &mut BufReader<UnixStream>,
    request: Request,
    payload: &[u8],
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    let lost = |error: io::Error| Failure(format!("the server did not answer: {error}"));
    let ask = Ask { payload: payload.len(), request };
    wire::write(stream.get_mut(), &ask, payload).map_err(lost)?;
    loop {
        match wire::read_answer(stream).map_err(lost)? {
            (Answer::Item { item, .. }, payload) => outlet.item(&item, &payload)?,
            (Answer::Done(reply), _) => return Ok(reply),
            (Answer::Failed(text), _) => return Err(Failure(text)),
        }
    }
}
