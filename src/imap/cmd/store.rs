//! STORE and UID STORE: changes the flags of messages. RFC 9051 §6.4.6, RFC 7162 §3.1.3.

use crate::base::id::ModSeq;
use crate::base::uidset::UidSet;
use crate::domain::message::{self, FlagChange, FlagOp};
use crate::imap::codec::types::{self, By, Code, Reply, StoreArgs};
use crate::imap::failure::Result;
use crate::imap::session::Session;
use crate::imap::sync::flag_names;
use crate::imap::view::OwnChanges;

/// Runs one STORE and returns its tagged reply.
///
/// The untagged FETCH lines are not written here: `Session::sync` reads them from the mailbox's
/// new state after every command, whoever made the change.
pub(super) async fn store(session: &mut Session, args: StoreArgs) -> Result<Reply> {
    session.enabled.condstore |= args.unchanged_since.is_some();
    let view = session.writable_view()?;
    // Numbers mean what this client was last told, so they are resolved against its view.
    let uids = view.resolve(&args.set).ok_or_else(|| Reply::bad("No such message number"))?;
    let uids: UidSet = view.positions(&uids).map(|(_, uid)| uid).collect();
    let mailbox = view.mailbox;
    let op = match args.op {
        types::FlagOp::Add => FlagOp::Add,
        types::FlagOp::Remove => FlagOp::Remove,
        types::FlagOp::Replace => FlagOp::Replace,
    };
    let unless_after = args.unchanged_since.map(ModSeq);
    let change = FlagChange { op, flags: flag_names(&args.flags), unless_after };

    let named = uids.clone();
    let done =
        session.store().write(move |tx| message::set_flags(tx, mailbox, &uids, &change)).await?;

    let view = session.view_mut()?;
    let mut own = OwnChanges { with_uid: args.set.by == By::Uid, ..OwnChanges::default() };
    if args.silent {
        // Only where this client already knew the message's previous modseq: otherwise the
        // silence would swallow somebody else's change. With CONDSTORE, MODSEQ is still sent.
        let changed: UidSet = done.changed.iter().map(|(uid, _)| *uid).collect();
        let mut before = done.changed.iter().peekable();
        let muted = view.select(&changed).filter(|known| {
            while before.next_if(|(uid, _)| *uid < known.message.uid).is_some() {}
            before.peek().is_some_and(|(uid, modseq)| {
                *uid == known.message.uid && *modseq == known.message.hot.modseq
            })
        });
        own.muted = muted.map(|known| known.message.uid).collect();
        own.muted_at = done.modseq;
    } else {
        own.told = named.subtract(&done.refused);
    }
    // What UNCHANGEDSINCE refused, the client is shown as it is now (RFC 7162 §3.1.3).
    own.told.union_with(&done.refused);
    view.own = own;
    if done.refused.is_empty() {
        return Ok(Reply::ok("STORE completed"));
    }
    let refused = match args.set.by {
        By::Uid => done.refused,
        By::Seq => view.seqs_of(&done.refused),
    };
    Ok(Reply::ok("Some messages have changed meanwhile").with(Code::Modified(refused)))
}
