//! The server's end of the socket.

use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::wire::{self, Answer};
use super::{Item, Outlet, SOCKET};
use crate::app::execute::{Context, execute};
use crate::net::Shutdown;

/// Commands at a time; each has a thread of its own while it runs.
const AT_A_TIME: usize = 16;

/// A client that does not take its answer in this time is let go.
const PATIENCE: Duration = Duration::from_secs(300);

/// The bound socket.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Binds it, for the owner alone: whoever may open it may read the files beside it too.
    pub fn bind(dir: &Path) -> io::Result<Self> {
        let path = dir.join(SOCKET);
        // The store is ours (it is locked), so a socket that is left is one of a process that
        // died.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(short(&path)?)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answers commands until the shutdown.
    pub async fn serve(self, context: Arc<Context>, shutdown: Shutdown) {
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        loop {
            let accepted = tokio::select! {
                () = shutdown.wait() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(turn) = room.clone().acquire_owned().await else { break };
            let context = context.clone();
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                let stream = stream.into_std();
                if let Err(error) = stream.and_then(|stream| converse(&context, &stream)) {
                    tracing::debug!(%error, "control connection ended");
                }
            });
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A socket's path may have 107 bytes at most (unix(7)); a longer one is reached through its
/// open directory.
pub(super) fn short(path: &Path) -> io::Result<PathBuf> {
    const LONGEST: usize = 100;
    if path.as_os_str().len() <= LONGEST {
        return Ok(path.to_owned());
    }
    use std::os::fd::IntoRawFd as _;
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // Stays open for the life of the process: the path leads through it.
    let dir = std::fs::File::open(parent)?.into_raw_fd();
    Ok(Path::new("/proc/self/fd").join(dir.to_string()).join(name))
}

/// Answers the requests of one connection, one after the other.
fn converse(context: &Context, stream: &StdStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut from = BufReader::new(stream);
    let mut out = Answers(BufWriter::new(stream));
    while let Some((request, payload)) = wire::read_ask(&mut from)? {
        let answer = match execute(context, request, payload, &mut out) {
            Ok(reply) => Answer::Done(reply),
            Err(failure) => Answer::Failed(failure.to_string()),
        };
        wire::write(&mut out.0, &answer, &[])?;
    }
    Ok(())
}

struct Answers<W: Write>(W);

impl<W: Write> Outlet for Answers<W> {
    fn item(&mut self, item: &Item, payload: &[u8]) -> io::Result<()> {
        let answer = Answer::Item { payload: payload.len(), item: item.clone() };
        wire::write(&mut self.0, &answer, payload)
    }
}
