//! EXPUNGE and UID EXPUNGE. RFC 9051 §6.4.3, §6.4.9; RFC 7162 §3.2.7.

use crate::domain::message;
use crate::imap::codec::types::{By, Code, MessageSet, Reply, SequenceSet};
use crate::imap::failure::Result;
use crate::imap::session::Session;
use crate::store::Read;

/// Removes the messages that have `\Deleted`; the client is told by `Session::sync`.
pub(super) async fn expunge(session: &mut Session, only: Option<SequenceSet>) -> Result<Reply> {
    let view = session.writable_view()?;
    let only = match only {
        Some(set) => view.resolve(&MessageSet { by: By::Uid, set }),
        None => None,
    };
    let mailbox = view.mailbox;
    session.store().write(move |tx| message::expunge(tx, mailbox, only.as_ref())).await?;
    let reply = Reply::ok("EXPUNGE completed");
    if !session.enabled.qresync {
        return Ok(reply);
    }
    let row = session.store().read().mailbox(mailbox)?;
    Ok(match row {
        Some(row) => reply.with(Code::HighestModSeq(row.modseq.0.max(1))),
        None => reply,
    })
}
