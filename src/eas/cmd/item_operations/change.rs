//! EmptyFolderContents and Move. MS-ASCMD 2.2.3.58, 2.2.3.117.1.

use super::{DENIED, INCOMPLETE, NO_MAIL_FOLDER, NOT_FOUND, SERVER_ERROR, SUCCESS};
use crate::base::id::{MailboxId, ThreadId, Uid};
use crate::base::uidset::UidSet;
use crate::domain::{self, Error, always_moved, item, mailbox, message};
use crate::eas::answer::Failure;
use crate::eas::ids;
use crate::eas::render::email;
use crate::eas::session::Session;
use crate::format::wbxml::{Element, Writer, tags};
use crate::store::Read;
use crate::store::rows::mailbox::SpecialUse;

use tags::{air_sync as a, item_operations as t};

/// Messages or items removed in one transaction: others wait for it.
const STEP: usize = 2_000;

/// Empties a folder, and removes the folders below it if that is asked for. What is in it is
/// gone: this is how phones empty the trash.
///
/// MS-ASCMD 2.2.3.58 makes no difference between folders, so a calendar or an address book can
/// be emptied as well; no folder lies below those.
pub async fn empty(
    session: &Session,
    out: &mut Writer,
    operation: &Element,
) -> Result<(), Failure> {
    let server_id = operation.text_of(a::COLLECTION_ID).unwrap_or_default();
    let options = operation.child(t::OPTIONS);
    let below = options.is_some_and(|options| options.has(t::DELETE_SUB_FOLDERS));
    let status = match ids::parse_collection(session.account.id, server_id) {
        Some(id) => status_of(empty_folder(session, id, below).await)?,
        None => NOT_FOUND,
    };
    out.open(t::EMPTY_FOLDER_CONTENTS);
    out.number(t::STATUS, status);
    out.text(a::COLLECTION_ID, server_id);
    out.close();
    Ok(())
}

async fn empty_folder(session: &Session, id: MailboxId, below: bool) -> domain::Result<()> {
    let read = session.read();
    if read.collection(id)?.is_some() {
        let uids = read.items(id)?.into_iter().map(|item| item.uid).collect::<Vec<_>>();
        drop(read);
        return empty_collection(session, id, &uids).await;
    }
    let folder = mailbox::require(&read, id)?;
    let prefix = format!("{}{}", folder.name, mailbox::SEPARATOR);
    let mut under = Vec::new();
    if below {
        under = read.mailboxes(id.account)?;
        under.retain(|it| it.special_use.is_none() && it.name.starts_with(&prefix));
        // What is deepest goes first.
        under.sort_by_key(|mailbox| std::cmp::Reverse(mailbox.name.len()));
    }
    drop(read);
    empty_mailbox(session, id, folder.uid_next).await?;
    for mailbox in under {
        if mailbox::may_delete(&session.read(), &mailbox).is_err() {
            continue;
        }
        empty_mailbox(session, mailbox.id, mailbox.uid_next).await?;
        let deleted =
            session.write(move |tx| mailbox::delete(tx, mailbox.id.account, &mailbox.name)).await;
        match deleted {
            Ok(_) | Err(Error::NotFound(_) | Error::HasChildren) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes what lay in a collection when it was asked for.
///
/// Of a calendar the events go as they do on a desk when a calendar is cleared, and not as a
/// Delete of each would be understood from 16.0 on (MS-ASCAL 3.1.5.7): nobody is sent a
/// cancellation and nothing is declined. One tap must not call off a year of meetings in the
/// name of somebody who wanted an empty phone, and mail that has gone out cannot be taken back;
/// a meeting that is really off is deleted by itself. As nobody was told, nothing is remembered
/// as declined either: what an organizer writes later about a meeting brings it back.
async fn empty_collection(session: &Session, id: MailboxId, uids: &[Uid]) -> domain::Result<()> {
    for some in uids.chunks(STEP) {
        let some = some.to_vec();
        let remove = session.write(move |tx| {
            for uid in some {
                match item::remove(tx, id, uid) {
                    Ok(_) | Err(Error::NotFound("item")) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        remove.await?;
    }
    Ok(())
}

async fn empty_mailbox(session: &Session, id: MailboxId, below: Uid) -> domain::Result<()> {
    while session.write(move |tx| message::remove_some(tx, id, below, STEP)).await? {}
    Ok(())
}

/// Moves a conversation's messages to a folder, and has those follow that arrive later.
///
/// They come from all folders except Sent Items, also from the trash (MS-ASCON 2.2.2.8). Drafts
/// stay: what is not sent yet is nobody's message, and elsewhere could not be sent any more.
pub async fn move_conversation(
    session: &Session,
    out: &mut Writer,
    operation: &Element,
) -> Result<(), Failure> {
    let id = operation.child(t::CONVERSATION_ID).map(Element::bytes).unwrap_or_default();
    let thread = email::thread_of(session.account.id, &id);
    let to = operation.text_of(t::DST_FLD_ID);
    let to = to.and_then(|to| ids::parse_collection(session.account.id, to));
    let always = operation.child(t::OPTIONS).is_some_and(|options| options.has(t::MOVE_ALWAYS));
    let status = match (thread, to) {
        _ if !always => INCOMPLETE,
        (_, Some(to)) if session.read().collection(to)?.is_some() => NO_MAIL_FOLDER,
        (Some(thread), Some(to)) => status_of(move_thread(session, thread, to).await)?,
        _ => NOT_FOUND,
    };
    out.open(t::MOVE);
    out.number(t::STATUS, status);
    out.opaque(t::CONVERSATION_ID, &id);
    out.close();
    Ok(())
}

async fn move_thread(session: &Session, thread: ThreadId, to: MailboxId) -> domain::Result<()> {
    let read = session.read();
    mailbox::require(&read, to)?;
    let stays = [SpecialUse::Sent, SpecialUse::Drafts];
    let mut found = Vec::new();
    for mailbox in read.mailboxes(to.account)? {
        let stays = mailbox.special_use.is_some_and(|special| stays.contains(&special));
        if stays || mailbox.id == to {
            continue;
        }
        let Some(table) = session.store().table(mailbox.id)? else { continue };
        let uids = table.iter().filter(|message| message.place.thread == thread);
        let uids: UidSet = uids.map(|message| message.uid.0).collect();
        if !uids.is_empty() {
            found.push((mailbox.id, uids));
        }
    }
    drop(read);
    session
        .write(move |tx| {
            for (from, uids) in &found {
                message::move_to(tx, *from, uids, to)?;
            }
            always_moved::set(tx, thread, to)
        })
        .await
}

/// What an operation came to, as its own status: the others go on.
fn status_of(done: domain::Result<()>) -> Result<u16, Failure> {
    Ok(match done {
        Ok(()) => SUCCESS,
        Err(Error::NotFound(_)) => NOT_FOUND,
        Err(Error::Denied(_)) => DENIED,
        Err(error @ Error::Store(_)) => return Err(error.into()),
        Err(
            Error::Exists(_)
            | Error::HasChildren
            | Error::OverQuota
            | Error::TooLarge
            | Error::TooMany(_)
            | Error::Stale
            | Error::Invalid(_),
        ) => SERVER_ERROR,
    })
}
