//! IDLE: changes are told as they happen. RFC 9051 §6.3.13.

use std::time::Duration;

use crate::imap::codec::types::{Reply, Tag};
use crate::imap::failure::{Failure, Result};
use crate::imap::session::Session;

/// Something is sent this often, or a router between forgets the connection and the client's
/// push dies without a word (K-9 behind NAT).
const KEEPALIVE: Duration = Duration::from_secs(120);

pub(super) async fn idle(session: &mut Session, _tag: &Tag) -> Result<Reply> {
    session.wire.out.extend_from_slice(b"+ Idling\r\n");
    let shutdown = session.shutdown.clone();
    loop {
        // Subscribed at log-in, so nothing that happened since the last look is missed.
        Box::pin(session.sync(true)).await?;
        Box::pin(super::notify::push(session)).await?;
        session.wire.flush().await?;
        session.wire.release();
        let line = session.wire.framer.next_line(1024);
        match line {
            Ok(Some(line)) if line.eq_ignore_ascii_case(b"DONE") => {
                return Ok(Reply::ok("IDLE completed"));
            }
            // iOS has been seen to send a new command here; it is over, and the client knows.
            Ok(Some(_)) => return Err(Reply::bad("Expected DONE").into()),
            Ok(None) => {}
            Err(_) => return Err(Failure::Io(std::io::ErrorKind::InvalidData.into())),
        }
        let Some(login) = &mut session.login else {
            return Err(Reply::bad("Log in first").into());
        };
        tokio::select! {
            filled = session.wire.fill() => {
                if !filled? {
                    return Err(Failure::Io(std::io::ErrorKind::UnexpectedEof.into()));
                }
            }
            _ = login.watch.changed() => {}
            () = shutdown.wait() => {
                session.bye("Server is shutting down")?;
                session.ended = true;
                return Ok(Reply::ok("IDLE ended"));
            }
            () = tokio::time::sleep(KEEPALIVE) => {
                session.wire.out.extend_from_slice(b"* OK Still here\r\n");
            }
        }
    }
}
