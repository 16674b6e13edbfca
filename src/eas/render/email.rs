use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain;
use crate::eas::render::{Unrenderable, View};
use crate::format::wbxml::{Element, Writer};
use crate::store::{self, Message, Read, Snapshot, Tx};

pub fn look(read: &impl Read, account: AccountId, message: &Message) -> store::Result<u32> {
    let _ = (read, account);
    Ok(u32::from(message.hot.flags.contains(&crate::store::rows::flags::Flags::FLAGGED)))
}
pub fn render(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    view: &View<'_>,
) -> Result<(), Unrenderable> {
    let _ = (out, read, mailbox, message, view);
    Ok(())
}
pub fn render_change(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    view: &View<'_>,
) -> Result<(), Unrenderable> {
    let _ = (out, read, mailbox, message, view);
    Ok(())
}
pub fn stub(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    why: &Unrenderable,
    view: &View<'_>,
) {
    let _ = (out, read, mailbox, message, why, view);
}
pub fn apply(tx: &mut Tx<'_>, mailbox: MailboxId, uid: Uid, data: &Element) -> domain::Result<()> {
    let _ = (tx, mailbox, uid, data);
    Ok(())
}
