//! The connection of a session: bytes in through the framer, answers out, DEFLATE in between
//! once COMPRESS was agreed (RFC 4978).

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::imap::codec::frame::Framer;
use crate::net::{Stream, Tls};

/// Output is sent on when this much has collected: a large FETCH streams.
pub const CHUNK: usize = 128 << 10;
/// A client that takes nothing for this long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// What an idle connection may keep allocated for output.
const KEPT: usize = 1 << 10;

/// Both directions of a connection.
pub struct Wire {
    /// `None` only while STARTTLS exchanges it.
    stream: Option<Stream>,
    pub framer: Framer,
    /// Answers not yet sent; handlers append here.
    pub out: Vec<u8>,
    deflate: Option<Box<Deflate>>,
}

struct Deflate {
    inflate: Decompress,
    deflate: Compress,
    /// Packed bytes that were read and not yet inflated.
    packed: BytesMut,
}

impl Wire {
    pub fn new(stream: Stream, framer: Framer) -> Self {
        Self { stream: Some(stream), framer, out: Vec::new(), deflate: None }
    }

    pub fn is_tls(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_tls)
    }

    pub fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Sends all answers that have collected.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut out = std::mem::take(&mut self.out);
        if let Some(deflate) = &mut self.deflate {
            out = deflate.pack(&out)?;
        }
        let stream = self.stream()?;
        let sending = async {
            stream.write_all(&out).await?;
            stream.flush().await
        };
        tokio::time::timeout(WRITE_PATIENCE, sending).await??;
        out.clear();
        self.out = out;
        Ok(())
    }

    /// Sends what has collected if it is a chunk or more.
    pub async fn flush_chunk(&mut self) -> io::Result<()> {
        if self.out.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    /// Reads more input into the framer; `false` when the client has closed. Cancel-safe.
    pub async fn fill(&mut self) -> io::Result<bool> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let Some(deflate) = &mut self.deflate else {
            return Ok(read(stream, &mut self.framer).await? > 0);
        };
        deflate.packed.reserve(4096);
        if stream.read_buf(&mut deflate.packed).await? == 0 {
            return Ok(false);
        }
        deflate.unpack(&mut self.framer)?;
        Ok(true)
    }

    /// Gives memory back before a long wait.
    pub fn release(&mut self) {
        self.framer.release();
        if self.out.is_empty() && self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
        if let Some(deflate) = &mut self.deflate
            && deflate.packed.is_empty()
        {
            deflate.packed = BytesMut::new();
        }
    }

    /// STARTTLS: drops what came in the clear behind the command, then does the handshake.
    pub async fn start_tls(&mut self, tls: &Tls) -> io::Result<()> {
        drop(self.framer.take_rest());
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        self.stream = Some(stream.upgrade(tls).await?);
        Ok(())
    }

    /// COMPRESS: everything from here on is packed, both ways.
    pub fn start_deflate(&mut self) -> io::Result<()> {
        let packed = self.framer.take_rest();
        let mut deflate = Box::new(Deflate {
            inflate: Decompress::new(false),
            deflate: Compress::new(Compression::fast(), false),
            packed,
        });
        deflate.unpack(&mut self.framer)?;
        self.deflate = Some(deflate);
        Ok(())
    }

    /// Says goodbye properly (TLS close_notify), as far as the client lets us.
    pub async fn close(&mut self) {
        let _ = self.flush().await;
        if let Some(stream) = &mut self.stream {
            let _ = tokio::time::timeout(Duration::from_secs(2), stream.shutdown()).await;
        }
    }
}

/// Reads what has come. On a plain connection the buffer is made when there is something to read:
/// of thousands that wait, none has one.
async fn read(stream: &mut Stream, framer: &mut Framer) -> io::Result<usize> {
    let Stream::Plain(tcp) = stream else { return stream.read_buf(framer.buffer()).await };
    loop {
        tcp.readable().await?;
        match tcp.try_read_buf(framer.buffer()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => framer.release(),
            read => return read,
        }
    }
}

impl Deflate {
    /// Packs one flush's worth so that the client can unpack all of it at once.
    fn pack(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(plain.len() / 2 + 64);
        let start = self.deflate.total_in();
        loop {
            let done = (self.deflate.total_in() - start) as usize;
            let rest = plain.get(done..).unwrap_or_default();
            out.reserve(rest.len() / 2 + 64);
            let before = out.len();
            self.deflate
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let done = (self.deflate.total_in() - start) as usize;
            // Room left in the output means that the flush is complete.
            if done == plain.len() && (out.len() < out.capacity() || out.len() == before) {
                return Ok(out);
            }
        }
    }

    /// Unpacks what was read. A small packet may stand for a thousand times as much; it goes
    /// through the framer in steps, whose limits hold for it as for any other input.
    fn unpack(&mut self, framer: &mut Framer) -> io::Result<()> {
        let mut plain = [0; 8192];
        loop {
            let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(&self.packed, &mut plain, FlushDecompress::None)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let used = (self.inflate.total_in() - in_before) as usize;
            let made = (self.inflate.total_out() - out_before) as usize;
            let _ = self.packed.split_to(used.min(self.packed.len()));
            framer.push(plain.get(..made).unwrap_or_default());
            if status == Status::StreamEnd || (used == 0 && made == 0) {
                return Ok(());
            }
            if self.packed.is_empty() && made < plain.len() {
                return Ok(());
            }
        }
    }
}
