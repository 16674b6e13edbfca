//! SELECT, EXAMINE, CLOSE and UNSELECT. RFC 9051 §6.3.2, §6.4.1; RFC 7162 §3.2.5 (QRESYNC).

use std::sync::Arc;

use crate::base::id::ModSeq;
use crate::base::uidset::UidSet;
use crate::domain::{mailbox, message};
use crate::imap::codec::encode;
use crate::imap::codec::types::{Access, Code, QResync, Reply, SelectArgs};
use crate::imap::failure::Result;
use crate::imap::session::Session;
use crate::imap::view::View;
use crate::store::table::Table;

pub(super) async fn select(session: &mut Session, args: SelectArgs) -> Result<Reply> {
    let account = session.account()?.id;
    // The old mailbox is closed even if the new one cannot be opened (RFC 9051 §6.3.2).
    if session.view.take().is_some() {
        session.contexts.clear();
        let closed = Reply::ok("The previous mailbox is closed").with(Code::Closed);
        encode::untagged(&mut session.wire.out, &closed);
    }
    if let Some(resync) = &args.qresync
        && !session.enabled.qresync
    {
        let text = format!("QRESYNC is to be enabled first (since {})", resync.modseq);
        return Err(Reply::bad(text).into());
    }
    let found = mailbox::find(&session.store().read(), account, args.mailbox.as_str())?;
    let table =
        session.store().table(found.id)?.ok_or(crate::domain::Error::NotFound("mailbox"))?;
    session.enabled.condstore |= args.condstore || args.qresync.is_some();
    let read_only = args.access == Access::ReadOnly;
    let view = open(session, table, read_only);
    if let Some(resync) = args.qresync {
        tell_since(session, &view, &resync)?;
    }
    session.view = Some(view);
    Ok(match read_only {
        true => Reply::ok("Opened for reading").with(Code::ReadOnly),
        false => Reply::ok("Opened").with(Code::ReadWrite),
    })
}

/// Tells what a mailbox is like.
fn open(session: &mut Session, table: Arc<Table>, read_only: bool) -> View {
    let mut view = View::new(table, read_only);
    let row = view.table.mailbox.clone();
    view.recent = session.front.recent(&row, !read_only);
    if let Some(login) = &mut session.login {
        // Names that came since; unknown ones would be learnt later anyway.
        let _ = login.keywords.reload(&session.front.store, login.account.id);
    }
    session.tell_flag_names();
    let permanent = session.permanent_flags(read_only);
    let uid_only = session.enabled.uid_only;
    let (rev2, utf8) = (session.enabled.rev2, session.enabled.utf8 || session.enabled.rev2);
    let out = &mut session.wire.out;
    let mut say = |text: &'static str, code| {
        encode::untagged(out, &Reply::ok(text).with(code));
    };
    say("Flags that are kept", permanent);
    say("UIDs are valid", Code::UidValidity(row.uid_validity));
    say("The next UID", Code::UidNext(row.uid_next.0));
    say("The highest mod-sequence", Code::HighestModSeq(row.modseq.0.max(1)));
    say("The mailbox's id", Code::MailboxId(format!("M{}", row.id.number)));
    if !rev2 && !uid_only && row.unseen > 0 {
        let unseen = view.table.iter().position(|message| !message.hot.flags.seen());
        if let Some(at) = unseen {
            say("The first unseen message", Code::Unseen(at as u32 + 1));
        }
    }
    encode::exists(out, view.exists());
    if rev2 {
        out.extend_from_slice(b"* LIST () \"/\" ");
        encode::mailbox(out, &row.name, utf8);
        out.extend_from_slice(b"\r\n");
    } else {
        encode::recent(out, view.recent.len() as u32);
    }
    view
}

/// QRESYNC: what happened since the client was last here.
fn tell_since(session: &mut Session, view: &View, resync: &QResync) -> Result<()> {
    let row = &view.table.mailbox;
    if resync.uid_validity.get() != row.uid_validity {
        return Ok(());
    }
    let before_next = row.uid_next.0.saturating_sub(1).max(1);
    let known = match &resync.known {
        Some(known) => known.intersect(&UidSet::range(1, before_next)),
        None => UidSet::range(1, before_next),
    };
    let news = view.since(&session.store().read(), ModSeq(resync.modseq))?;
    let gone = news.gone.intersect(&known);
    if !gone.is_empty() {
        encode::vanished_earlier(&mut session.wire.out, &gone);
    }
    let changed = news.changed.intersect(&known);
    session.tell_flags(view, &changed)
}

/// CLOSE: removes the deleted messages without a word, unless opened for reading.
pub(super) async fn close(session: &mut Session) -> Result<Reply> {
    let view = session.view()?;
    let (id, read_only) = (view.mailbox, view.read_only);
    if !read_only {
        let expunged = session.store().write(move |tx| message::expunge(tx, id, None)).await;
        match expunged {
            Ok(_) | Err(crate::domain::Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    unselect(session)
}

pub(super) fn unselect(session: &mut Session) -> Result<Reply> {
    session.view = None;
    session.contexts.clear();
    Ok(Reply::ok("The mailbox is closed"))
}
