//! The connection as the session sees it: lines and octets in, replies out, all with deadlines.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::format::smtp::{Line, Reply, next_line};
use crate::net::{Shutdown, Stream};

/// Room for commands; all that an idle connection holds.
const COMMAND_ROOM: usize = 2 * 1024;
/// Room for message data.
const DATA_ROOM: usize = 64 * 1024;

/// Octets a second that a client must send of its message in the long run. Slower ones hold
/// memory for hours on end.
const SLOWEST: u64 = 1024;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why the conversation cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Closed,
    /// The client let a deadline pass.
    Silent,
    /// The server goes down.
    Shutdown,
}

/// Both directions of a connection, with what was read and not yet used, and what was
/// answered and not yet written.
pub(super) struct Wire<'c> {
    stream: &'c mut Stream,
    shutdown: &'c Shutdown,
    idle: Duration,
    input: BytesMut,
    out: Vec<u8>,
}

/// How long the rest of a message may take.
pub(super) struct Pace {
    started: Instant,
    idle: Duration,
}

impl Pace {
    /// Each piece must come within the idle time, and the whole at no less than [`SLOWEST`].
    fn deadline(&self, octets: u64) -> Instant {
        let whole = self.started + self.idle + Duration::from_secs(octets / SLOWEST);
        whole.min(Instant::now() + self.idle)
    }
}

impl<'c> Wire<'c> {
    pub fn new(stream: &'c mut Stream, shutdown: &'c Shutdown, idle_secs: u64) -> Self {
        let idle = Duration::from_secs(idle_secs);
        Self { stream, shutdown, idle, input: BytesMut::new(), out: Vec::new() }
    }

    /// Puts a reply into the output; it is written before the next wait for the client, so
    /// that the answers to pipelined commands go out together (RFC 2920 §3.2).
    pub fn send(&mut self, reply: &Reply) {
        reply.write(&mut self.out);
    }

    /// The next line without its CRLF; `None` stands for one beyond the limit. The whole line
    /// must come within the idle time: a client that drips gains nothing by it.
    pub async fn line(&mut self, limit: usize) -> Result<Option<BytesMut>, Lost> {
        let deadline = Instant::now() + self.idle;
        let mut overlong = false;
        loop {
            match next_line(&self.input, limit, overlong) {
                Line::Whole { text, used } => {
                    let length = text.len();
                    let mut line = self.input.split_to(used);
                    line.truncate(length);
                    return Ok(Some(line));
                }
                Line::TooLong { used } => {
                    self.input.advance(used);
                    return Ok(None);
                }
                Line::Partial { skip } => {
                    overlong |= skip > 0;
                    self.input.advance(skip);
                    self.read(COMMAND_ROOM, deadline).await?;
                }
            }
        }
    }

    /// Begins to read a message.
    pub fn pace(&self) -> Pace {
        Pace { started: Instant::now(), idle: self.idle }
    }

    /// What has come in and is not used yet; waits for some if there is none.
    pub async fn data(&mut self, pace: &Pace, octets: u64) -> Result<&[u8], Lost> {
        if self.input.is_empty() {
            self.read(DATA_ROOM, pace.deadline(octets)).await?;
        }
        Ok(&self.input)
    }

    /// Marks the front of [`Wire::data`] as used.
    pub fn used(&mut self, octets: usize) {
        self.input.advance(octets.min(self.input.len()));
    }

    /// Gives back the memory that reading a message took.
    pub fn message_ended(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// Whether more input is here already.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Writes what was answered.
    pub async fn flush(&mut self) -> Result<(), Lost> {
        self.flush_until(Instant::now() + self.idle).await
    }

    async fn flush_until(&mut self, deadline: Instant) -> Result<(), Lost> {
        if self.out.is_empty() {
            return Ok(());
        }
        let writing = async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        };
        match timeout_at(deadline, writing).await {
            Ok(Ok(())) => {
                self.out.clear();
                Ok(())
            }
            Ok(Err(_)) => Err(Lost::Closed),
            Err(_) => Err(Lost::Silent),
        }
    }

    async fn read(&mut self, room: usize, deadline: Instant) -> Result<(), Lost> {
        self.flush_until(deadline).await?;
        self.input.reserve(room);
        tokio::select! {
            biased;
            read = timeout_at(deadline, self.stream.read_buf(&mut self.input)) => match read {
                Ok(Ok(1..)) => Ok(()),
                Ok(Ok(0) | Err(_)) => Err(Lost::Closed),
                Err(_) => Err(Lost::Silent),
            },
            () = self.shutdown.wait() => Err(Lost::Shutdown),
        }
    }

    /// Writes what is left and closes. Input is read for a moment more: closing with unread
    /// input resets the connection, and the last reply may be lost with it.
    pub async fn close(self) {
        let goodbye = async {
            if self.stream.write_all(&self.out).await.is_ok()
                && self.stream.shutdown().await.is_ok()
            {
                let mut rest = [0; 1024];
                while matches!(self.stream.read(&mut rest).await, Ok(1..)) {}
            }
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }
}
