//! COPY and MOVE. RFC 9051 §6.4.7, §6.4.8; RFC 4315 (COPYUID).

use crate::base::id::{MailboxId, Uid};
use crate::base::uidset::UidSet;
use crate::domain::{self, mailbox, message};
use crate::imap::codec::encode;
use crate::imap::codec::types::{Code, CopyArgs, Reply};
use crate::imap::failure::{Failure, Result, try_create};
use crate::imap::session::Session;
use crate::store::Tx;

type Pairs = Vec<(Uid, Uid)>;

pub(super) async fn copy(session: &mut Session, args: CopyArgs) -> Result<Reply> {
    let reply = Reply::ok("COPY completed");
    Ok(match transfer(session, args, false, message::copy).await? {
        Some(code) => reply.with(code),
        None => reply,
    })
}

/// The code goes out before the EXPUNGEs of the originals (RFC 9051 §6.4.8).
pub(super) async fn r#move(session: &mut Session, args: CopyArgs) -> Result<Reply> {
    if let Some(code) = transfer(session, args, true, message::move_to).await? {
        encode::untagged(&mut session.wire.out, &Reply::ok("Moved").with(code));
    }
    Ok(Reply::ok("MOVE completed"))
}

async fn transfer(
    session: &mut Session,
    args: CopyArgs,
    takes_away: bool,
    operation: fn(&mut Tx<'_>, MailboxId, &UidSet, MailboxId) -> domain::Result<Pairs>,
) -> Result<Option<Code>> {
    let view = if takes_away { session.writable_view()? } else { session.view()? };
    let uids = view.resolve(&args.set).ok_or_else(|| Reply::bad("No such message number"))?;
    let uids: UidSet = view.positions(&uids).map(|(_, uid)| uid).collect();
    let (from, account) = (view.mailbox, session.account()?.id);
    let name = args.mailbox;
    let done = session.store().write(move |tx| {
        let to = mailbox::find(tx, account, name.as_str())?;
        Ok::<_, domain::Error>((to.uid_validity, operation(tx, from, &uids, to.id)?))
    });
    let (uid_validity, pairs) = done.await.map_err(|error| try_create(Failure::from(error)))?;
    if pairs.is_empty() {
        return Ok(None);
    }
    let old = pairs.iter().map(|(old, _)| *old).collect();
    let new = pairs.iter().map(|(_, new)| *new).collect();
    Ok(Some(Code::CopyUid(uid_validity, old, new)))
}
