//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. RFC 9051 §6.3.4 to §6.3.8; RFC 6154 §3,
//! RFC 8474 §4.2.

use crate::domain::{self, mailbox};
use crate::imap::cmd::list;
use crate::imap::codec::types::{self, Code, CreateArgs, MailboxName, Reply};
use crate::imap::failure::Result;
use crate::imap::session::Session;
use crate::store::rows::mailbox::SpecialUse;

pub(super) async fn create(session: &mut Session, args: CreateArgs) -> Result<Reply> {
    let account = session.account()?.id;
    let special_use = match args.uses.as_slice() {
        [] => None,
        [one] => Some(stored_use(*one)),
        _ => {
            let text = "A mailbox can have one special use only";
            return Err(Reply::no(text).with(Code::UseAttr).into());
        }
    };
    let name = args.mailbox.as_str().to_owned();
    let made = session.store().write(move |tx| {
        if let Some(wanted) = special_use
            && let Some(other) = mailbox::with_use(tx, account, wanted)?
        {
            return Ok(Err(other.name));
        }
        mailbox::create(tx, account, &name, special_use).map(Ok::<_, String>)
    });
    let made: domain::Result<_> = made.await;
    match made? {
        Ok(made) => {
            let id = list::object_id(made.id);
            Ok(Reply::ok("CREATE completed").with(Code::MailboxId(id)))
        }
        Err(other) => {
            let text = format!("{other} has this special use");
            Err(Reply::no(text).with(Code::UseAttr).into())
        }
    }
}

fn stored_use(named: types::SpecialUse) -> SpecialUse {
    match named {
        types::SpecialUse::All => SpecialUse::All,
        types::SpecialUse::Archive => SpecialUse::Archive,
        types::SpecialUse::Drafts => SpecialUse::Drafts,
        types::SpecialUse::Flagged => SpecialUse::Flagged,
        types::SpecialUse::Important => SpecialUse::Important,
        types::SpecialUse::Junk => SpecialUse::Junk,
        types::SpecialUse::Sent => SpecialUse::Sent,
        types::SpecialUse::Trash => SpecialUse::Trash,
    }
}

pub(super) async fn delete(session: &mut Session, name: MailboxName) -> Result<Reply> {
    let account = session.account()?.id;
    session.store().write(move |tx| mailbox::delete(tx, account, name.as_str())).await?;
    Ok(Reply::ok("DELETE completed"))
}

pub(super) async fn rename(
    session: &mut Session,
    from: MailboxName,
    to: MailboxName,
) -> Result<Reply> {
    let account = session.account()?.id;
    let renamed = session
        .store()
        .write(move |tx| mailbox::rename(tx, account, from.as_str(), to.as_str()))
        .await?;
    if session.enabled.rev2 {
        let snapshot = session.store().read();
        for (old, mailbox) in &renamed {
            list::write_one(session, &snapshot, account, &mailbox.name, Some(old))?;
        }
    }
    Ok(Reply::ok("RENAME completed"))
}

pub(super) async fn subscribe(session: &mut Session, name: MailboxName) -> Result<Reply> {
    set_subscribed(session, name, true).await?;
    Ok(Reply::ok("SUBSCRIBE completed"))
}

pub(super) async fn unsubscribe(session: &mut Session, name: MailboxName) -> Result<Reply> {
    set_subscribed(session, name, false).await?;
    Ok(Reply::ok("UNSUBSCRIBE completed"))
}

async fn set_subscribed(session: &mut Session, name: MailboxName, on: bool) -> Result<()> {
    let account = session.account()?.id;
    let done = session
        .store()
        .write(move |tx| mailbox::set_subscribed(tx, account, name.as_str(), on))
        .await;
    Ok(done?)
}
