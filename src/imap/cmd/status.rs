//! STATUS. RFC 9051 §6.3.11; RFC 7162 §3.1.7 (HIGHESTMODSEQ), 8438 (SIZE), 8474 (MAILBOXID),
//! 7889 (APPENDLIMIT), 9208 §4.3 (DELETED-STORAGE).

use crate::domain::mailbox;
use crate::imap::codec::encode::{self, StatusValue};
use crate::imap::codec::types::{Reply, StatusArgs, StatusItem, StatusItems};
use crate::imap::failure::Result;
use crate::imap::session::Session;
use crate::store::rows::mailbox::Mailbox;

pub(super) async fn status(session: &mut Session, args: StatusArgs) -> Result<Reply> {
    let account = session.account()?.id;
    let mailbox = mailbox::find(&session.store().read(), account, args.mailbox.as_str())?;
    write(session, &mailbox, args.items);
    Ok(Reply::ok("STATUS completed"))
}

/// Writes a STATUS line; every figure but the deleted messages' size is kept, none is counted.
pub(in crate::imap) fn write(session: &mut Session, mailbox: &Mailbox, items: StatusItems) {
    session.enabled.condstore |= items.contains(StatusItem::HighestModSeq);
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    let recent = match items.contains(StatusItem::Recent) {
        true => session.front.recent(mailbox, false).len(),
        false => 0,
    };
    let deleted_storage = match items.contains(StatusItem::DeletedStorage) {
        true if mailbox.deleted > 0 => deleted_bytes(session, mailbox),
        _ => 0,
    };
    let append_limit = session.front.settings.limits.message_size;
    let id = super::list::object_id(mailbox.id);
    let values = items.iter().map(|item| {
        let number = match item {
            StatusItem::Messages => mailbox.messages.into(),
            StatusItem::Recent => recent,
            StatusItem::UidNext => mailbox.uid_next.0.into(),
            StatusItem::UidValidity => mailbox.uid_validity.into(),
            StatusItem::Unseen => mailbox.unseen.into(),
            StatusItem::Deleted => mailbox.deleted.into(),
            StatusItem::Size => mailbox.bytes,
            StatusItem::HighestModSeq => mailbox.modseq.0.max(1),
            StatusItem::AppendLimit => append_limit,
            StatusItem::DeletedStorage => deleted_storage,
            StatusItem::MailboxId => return (item, StatusValue::Id(&id)),
        };
        (item, StatusValue::Number(number))
    });
    encode::status(&mut session.wire.out, &mailbox.name, utf8, values);
}

fn deleted_bytes(session: &Session, mailbox: &Mailbox) -> u64 {
    let Ok(Some(table)) = session.store().table(mailbox.id) else { return 0 };
    let deleted = table.iter().filter(|message| message.hot.flags.deleted());
    deleted.map(|message| message.place.size).sum()
}
