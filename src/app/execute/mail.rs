//! Mail in and out by files: the server's side of import and export.

use bytes::Bytes;

use super::super::control::{Brought, BroughtLine, Failure, Item, OFFICE, Outlet, Reply};
use super::super::output::counted;
use super::{Context, account_of, holder_of};
use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, KeywordId, MailboxId};
use crate::domain::message::{self, FlagNames, KEYWORD_MAX, Prepared};
use crate::domain::{self, mailbox};
use crate::format::mime::RecordView;
use crate::store::rows::flags::Flags;
use crate::store::{Message, Read, Snapshot, Store, Tx};

/// The system flags by name.
static SYSTEM: [(&str, Flags); 5] = [
    ("\\Seen", Flags::SEEN),
    ("\\Answered", Flags::ANSWERED),
    ("\\Flagged", Flags::FLAGGED),
    ("\\Deleted", Flags::DELETED),
    ("\\Draft", Flags::DRAFT),
];

/// A message of an import, ready for its transaction.
struct Ready {
    mailbox: String,
    prepared: Prepared,
    flags: FlagNames,
    received: Option<UnixTime>,
}

/// Takes a batch of messages in one transaction: all of them, or none.
pub(super) fn bring(
    context: &Context,
    email: &str,
    into: Option<&str>,
    messages: Vec<Brought>,
    payload: Vec<u8>,
) -> Result<Reply, Failure> {
    if email == OFFICE {
        return Err(Failure("the office has an address book and no mail; give an account".into()));
    }
    let account = account_of(&context.store.read(), email)?.id;
    let mut line = BroughtLine::default();
    let mut rest = Bytes::from(payload);
    let mut ready = Vec::with_capacity(messages.len());
    for brought in messages {
        if brought.size > rest.len() {
            return Err(Failure("the batch is shorter than it says".into()));
        }
        let raw = rest.split_to(brought.size);
        if brought.size as u64 > context.limits.message_size {
            line.skipped.push(format!("{}: larger than limits.message_size", brought.place));
            continue;
        }
        // A copy, so that one message does not keep the whole batch in memory.
        line.bytes += raw.len() as u64;
        ready.push(Ready {
            mailbox: mailbox_name(into, &brought.mailbox),
            prepared: Prepared::new(&[], Bytes::copy_from_slice(&raw)),
            flags: flag_names(&brought.flags),
            received: brought.received,
        });
    }
    line.messages = ready.len() as u64;
    context.store.write_blocking(move |tx| {
        for each in ready {
            let mailbox = find_or_make(tx, account, &each.mailbox)?;
            let stored = message::store_content(tx, each.prepared)?;
            message::add(tx, mailbox, &stored, &each.flags, each.received)?;
        }
        Ok::<_, domain::Error>(())
    })?;
    Ok(Reply::Brought(line))
}

fn find_or_make(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &str,
) -> Result<MailboxId, domain::Error> {
    match mailbox::find(tx, account, name) {
        Ok(found) => Ok(found.id),
        Err(domain::Error::NotFound(_)) => {
            let made = mailbox::create(tx, account, name, None)?;
            mailbox::set_subscribed(tx, account, &made.name, true)?;
            Ok(made.id)
        }
        Err(other) => Err(other),
    }
}

/// The mailbox for a message: what all go into, and the levels of where it lay. Names from
/// file systems may hold what a mailbox's cannot.
fn mailbox_name(into: Option<&str>, levels: &[String]) -> String {
    let clean = |level: &String| {
        let safe = |c: char| if c.is_control() || c == mailbox::SEPARATOR { '_' } else { c };
        let name: String = level.chars().map(safe).collect();
        if name.is_empty() { "_".to_owned() } else { name }
    };
    let parts: Vec<String> =
        into.map(str::to_owned).into_iter().chain(levels.iter().map(clean)).collect();
    if parts.is_empty() { mailbox::INBOX.to_owned() } else { parts.join("/") }
}

/// Flags by name; names that cannot be keywords are left out (they are another program's notes).
fn flag_names(names: &[String]) -> FlagNames {
    let mut flags = FlagNames::default();
    for name in names {
        match SYSTEM.iter().find(|(system, _)| system.eq_ignore_ascii_case(name)) {
            Some((_, flag)) => drop(flags.system.add(flag)),
            None if is_keyword(name) => flags.keywords.push(name.clone()),
            None => {}
        }
    }
    flags
}

/// An IMAP atom (RFC 9051 §9, `flag-keyword`).
fn is_keyword(name: &str) -> bool {
    let special = |byte: u8| matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']');
    !name.is_empty()
        && name.len() <= KEYWORD_MAX
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !special(byte))
}

/// Gives out everything that an account holds, mailbox by mailbox. Each message is read by its
/// own snapshot, so that a slow receiver holds nothing up; one that is expunged meanwhile is
/// left out.
pub(super) fn export(
    store: &Store,
    email: &str,
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    let (account, mut mailboxes, keywords) = {
        let read = store.read();
        let account = holder_of(&read, email)?;
        (account, read.mailboxes(account)?, read.keywords(account)?)
    };
    mailboxes.sort_by(|a, b| a.name.cmp(&b.name));
    let mut count = 0u64;
    for mailbox in mailboxes {
        let names = keywords.iter().map(|(_, name)| name.clone()).collect();
        outlet.item(&Item::Mailbox { name: mailbox.name.clone(), keywords: names }, &[])?;
        let Some(table) = store.table(mailbox.id)? else { continue };
        for message in table.iter() {
            let Some(bytes) = whole(&store.read(), message)? else { continue };
            let flags = names_of(&message.hot.flags, &keywords);
            let received = message.place.internal_date;
            outlet.item(&Item::Message { flags, received }, &bytes)?;
            count += 1;
        }
    }
    let entries = super::entries::export(store, account, outlet)?;
    let messages = counted(count, "message", "messages");
    let entries = counted(entries, "entry", "entries");
    Ok(Reply::Done(format!("{messages} and {entries} written.")))
}

/// A message as clients see it: what delivery put in front, and what came.
fn whole(read: &Snapshot, message: &Message) -> Result<Option<Vec<u8>>, Failure> {
    let id = message.place.content;
    let (Some(record), Some(body)) = (read.content(id)?, read.body_row(id)?) else {
        return Ok(None);
    };
    let record = RecordView::parse(&record)
        .map_err(|_| Failure(format!("the record of message {} is damaged", message.uid)))?;
    let mut bytes = record.prefix().to_vec();
    read.read_body(&body.at, 0, body.at.len, &mut bytes)?;
    Ok(Some(bytes))
}

fn names_of(flags: &Flags, keywords: &[(KeywordId, String)]) -> Vec<String> {
    let system = SYSTEM.iter().filter(|(_, flag)| flags.contains(flag));
    let named = keywords.iter().filter(|(id, _)| flags.has_keyword(*id));
    system.map(|(name, _)| (*name).to_owned()).chain(named.map(|(_, name)| name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_become_names_of_mailboxes() {
        let levels = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(mailbox_name(None, &[]), "INBOX");
        assert_eq!(mailbox_name(Some("Old/2019"), &[]), "Old/2019");
        assert_eq!(mailbox_name(Some("Old"), &levels(&["Inbox", "a/b", ""])), "Old/Inbox/a_b/_");
    }

    #[test]
    fn only_keywords_become_keywords() {
        let names = ["\\seen", "$Forwarded", "NonJunk", "two words", "a(b", "", "\\Recent", "ä"];
        let flags = flag_names(&names.map(str::to_owned));
        assert_eq!(flags.system, Flags::SEEN);
        assert_eq!(flags.keywords, ["$Forwarded", "NonJunk"]);
    }
}
