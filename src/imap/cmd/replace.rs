//! REPLACE and UID REPLACE: a new message takes an old one's place in one step. RFC 8508.

use crate::base::id::Uid;
use crate::base::uidset::UidSet;
use crate::domain::{self, mailbox, message};
use crate::imap::codec::encode;
use crate::imap::codec::types::{By, Code, ReplaceArgs, Reply};
use crate::imap::failure::{Failure, Result, try_create};
use crate::imap::session::Session;

pub(super) async fn replace(session: &mut Session, args: ReplaceArgs) -> Result<Reply> {
    let view = session.writable_view()?;
    let uid = match (args.by, args.number) {
        (_, None) => view.last_uid(),
        (By::Uid, Some(number)) => number.get(),
        (By::Seq, Some(number)) => view.uids().get(number.get() as usize - 1).copied().unwrap_or(0),
    };
    let from = view.mailbox;
    if view.seq(Uid(uid)).is_none() {
        return Err(Reply::no("There is no such message").with(Code::NonExistent).into());
    }
    let account = session.account()?.id;
    let name = args.mailbox.as_str().to_owned();
    let mut arrivals = super::append::arrivals(session, vec![args.message]).await?;
    let Some(arrival) = arrivals.pop() else { return Err(Reply::bad("No message").into()) };
    let done = session.store().write(move |tx| {
        let target = mailbox::find(tx, account, &name)?;
        // The old one goes first, so that a full quota does not refuse a draft's next version.
        message::remove(tx, from, &UidSet::range(uid, uid))?;
        let stored = message::store_content(tx, arrival.prepared)?;
        let (flags, received) = (&arrival.flags, arrival.received);
        let added = message::add_received(tx, target.id, &stored, flags, received)?;
        Ok::<_, domain::Error>((target.uid_validity, added.uid))
    });
    let (uid_validity, new) = done.await.map_err(|error| try_create(Failure::from(error)))?;
    // Told before the EXPUNGE of the old message (RFC 8508 §3.4).
    let code = Code::AppendUid(uid_validity, UidSet::range(new.0, new.0));
    encode::untagged(&mut session.wire.out, &Reply::ok("Replaced").with(code));
    Ok(Reply::ok("REPLACE completed"))
}
