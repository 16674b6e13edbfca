//! Mailboxes: their names, their hierarchy, their special uses.

use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain::{Error, Result, message};
use crate::store::keys;
use crate::store::rows::mailbox::{Mailbox, SpecialUse};
use crate::store::{Read, Tx};

/// The inbox's name in the store and on the wire.
pub const INBOX: &str = "INBOX";
/// Between the levels of a name.
pub const SEPARATOR: char = '/';
/// Longest name in bytes: several levels of real names, far below a key's limit.
pub const NAME_MAX: usize = 1_000;
/// Deepest hierarchy.
pub const DEPTH_MAX: usize = 32;
/// Mailboxes an account may have; LIST and account-wide work stay quick.
pub const MAILBOXES_MAX: usize = 10_000;
/// Subscriptions an account may have, of names without a mailbox too.
pub const SUBSCRIPTIONS_MAX: usize = 20_000;
/// Messages removed in the transaction that removes their mailbox: deliveries wait for it.
pub const REMOVED_AT_ONCE: u32 = 1_000;

/// What every new account has, besides the inbox.
pub const DEFAULT_MAILBOXES: [(&str, SpecialUse); 5] = [
    ("Drafts", SpecialUse::Drafts),
    ("Sent", SpecialUse::Sent),
    ("Junk", SpecialUse::Junk),
    ("Trash", SpecialUse::Trash),
    ("Archive", SpecialUse::Archive),
];

/// Brings a name into its stored form: `inbox` in any case, also as the first level, is
/// `INBOX`; one trailing separator is dropped (RFC 9051 §6.3.4).
///
/// Refused: empty levels, control characters, and names past the limits.
pub fn normalise_name(name: &str) -> Result<String> {
    let name = name.strip_suffix(SEPARATOR).unwrap_or(name);
    if name.is_empty() || name.split(SEPARATOR).any(str::is_empty) {
        return Err(Error::Invalid("a mailbox name must not have empty levels".into()));
    }
    if name.len() > NAME_MAX || name.split(SEPARATOR).count() > DEPTH_MAX {
        return Err(Error::Invalid("the mailbox name is too long or too deep".into()));
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(Error::Invalid("a mailbox name must not have control characters".into()));
    }
    let (first, rest) = match name.split_once(SEPARATOR) {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    Ok(match (first.eq_ignore_ascii_case(INBOX), rest) {
        (false, _) => name.to_owned(),
        (true, None) => INBOX.to_owned(),
        (true, Some(rest)) => format!("{INBOX}{SEPARATOR}{rest}"),
    })
}

/// The name of the mailbox one level up.
pub fn parent_name(name: &str) -> Option<&str> {
    name.rsplit_once(SEPARATOR).map(|(parent, _)| parent)
}

/// Finds a mailbox by name; `inbox` in any case.
pub fn find(read: &impl Read, account: AccountId, name: &str) -> Result<Mailbox> {
    let name = normalise_name(name).map_err(|_| Error::NotFound("mailbox"))?;
    let id = read.mailbox_named(account, &name)?.ok_or(Error::NotFound("mailbox"))?;
    require(read, id)
}

/// The mailbox with this id.
pub fn require(read: &impl Read, id: MailboxId) -> Result<Mailbox> {
    read.mailbox(id)?.ok_or(Error::NotFound("mailbox"))
}

/// The mailbox with a special use.
pub fn with_use(
    read: &impl Read,
    account: AccountId,
    wanted: SpecialUse,
) -> Result<Option<Mailbox>> {
    Ok(read.mailboxes(account)?.into_iter().find(|mailbox| mailbox.special_use == Some(wanted)))
}

/// Where an account keeps what it sent: the mailbox with that use, else one of the usual name,
/// else a new one. Somebody may have removed it.
pub fn for_sent(tx: &mut Tx<'_>, account: AccountId) -> Result<Mailbox> {
    let (name, special_use) = ("Sent", SpecialUse::Sent);
    if let Some(mailbox) = with_use(tx, account, special_use)? {
        return Ok(mailbox);
    }
    match tx.mailbox_named(account, name)? {
        Some(id) => require(tx, id),
        None => create(tx, account, name, Some(special_use)),
    }
}

/// Makes a mailbox and, as RFC 9051 §6.3.4 asks, the levels above it that do not exist yet.
/// Fails with `Exists`; a special use that another mailbox has already is `Invalid`.
pub fn create(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &str,
    special_use: Option<SpecialUse>,
) -> Result<Mailbox> {
    let name = normalise_name(name)?;
    if tx.mailbox_named(account, &name)?.is_some() {
        return Err(Error::Exists("mailbox"));
    }
    let all = tx.mailboxes(account)?;
    let levels = name.split(SEPARATOR).count();
    if all.len() + levels > MAILBOXES_MAX {
        return Err(Error::TooMany("mailboxes"));
    }
    if special_use.is_some() && all.iter().any(|other| other.special_use == special_use) {
        return Err(Error::Invalid("another mailbox has this special use".into()));
    }
    make_parents(tx, account, &name)?;
    make(tx, account, name, special_use)
}

fn make_parents(tx: &mut Tx<'_>, account: AccountId, name: &str) -> Result<()> {
    let ends = name.match_indices(SEPARATOR).map(|(at, _)| at).collect::<Vec<_>>();
    for parent in ends.into_iter().filter_map(|at| name.get(..at)) {
        if tx.mailbox_named(account, parent)?.is_none() {
            make(tx, account, parent.to_owned(), None)?;
        }
    }
    Ok(())
}

fn make(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: String,
    special_use: Option<SpecialUse>,
) -> Result<Mailbox> {
    let (id, uid_validity) = tx.next_mailbox(account)?;
    let modseq = tx.bump(account)?;
    let mailbox = Mailbox {
        id,
        name,
        special_use,
        uid_validity,
        uid_next: Uid(1),
        modseq,
        listed: modseq,
        messages: 0,
        unseen: 0,
        deleted: 0,
        bytes: 0,
        created: tx.now(),
    };
    tx.put_mailbox(&mailbox)?;
    Ok(mailbox)
}

/// Makes a new account's mailboxes, all subscribed.
pub fn create_defaults(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    make(tx, account, INBOX.to_owned(), None)?;
    set_subscribed(tx, account, INBOX, true)?;
    for (name, special_use) in DEFAULT_MAILBOXES {
        make(tx, account, name.to_owned(), Some(special_use))?;
        set_subscribed(tx, account, name, true)?;
    }
    Ok(())
}

/// Removes a mailbox with its messages. The inbox stays, and so does a mailbox that has
/// others below it (RFC 9051 §6.3.5 allows either; what is listed must not turn into a ghost).
pub fn delete(tx: &mut Tx<'_>, account: AccountId, name: &str) -> Result<Mailbox> {
    let mailbox = find(tx, account, name)?;
    may_delete(tx, &mailbox)?;
    remove(tx, mailbox.id)?;
    Ok(mailbox)
}

/// Takes a mailbox out of its account, whatever it is. With one step it is gone for everybody;
/// where it holds much, the rows of its messages go afterwards, as work that is due: nobody
/// waits for them, and no crash leaves it half empty.
pub fn remove(tx: &mut Tx<'_>, id: MailboxId) -> Result<()> {
    let mailbox = require(tx, id)?;
    if mailbox.messages > REMOVED_AT_ONCE {
        return Ok(tx.detach_mailbox(&mailbox)?);
    }
    message::remove_all(tx, id)?;
    let emptied = require(tx, id)?;
    Ok(tx.remove_mailbox(&emptied)?)
}

/// Fails if the mailbox has to stay.
pub fn may_delete(read: &impl Read, mailbox: &Mailbox) -> Result<()> {
    if mailbox.name == INBOX {
        return Err(Error::Denied("the inbox cannot be deleted"));
    }
    let below = format!("{}{SEPARATOR}", mailbox.name);
    let others = read.mailboxes(mailbox.id.account)?;
    match others.iter().any(|other| other.name.starts_with(&below)) {
        true => Err(Error::HasChildren),
        false => Ok(()),
    }
}

/// Renames a mailbox and those below it; UIDs and UIDVALIDITY stay. Renaming the inbox moves
/// its messages to a new mailbox and leaves it empty (RFC 9051 §6.3.6).
/// Returns each mailbox's old name with its new row.
pub fn rename(
    tx: &mut Tx<'_>,
    account: AccountId,
    from: &str,
    to: &str,
) -> Result<Vec<(String, Mailbox)>> {
    let source = find(tx, account, from)?;
    let to = normalise_name(to)?;
    if tx.mailbox_named(account, &to)?.is_some() {
        return Err(Error::Exists("mailbox"));
    }
    if source.name == INBOX {
        let target = create(tx, account, &to, None)?;
        message::move_all(tx, source.id, target.id)?;
        return Ok(vec![(INBOX.to_owned(), require(tx, target.id)?)]);
    }
    let below = format!("{}{SEPARATOR}", source.name);
    if to.starts_with(&below) {
        return Err(Error::Invalid("a mailbox cannot be moved below itself".into()));
    }
    let moved = tx.mailboxes(account)?.into_iter();
    let moved: Vec<Mailbox> =
        moved.filter(|each| each.id == source.id || each.name.starts_with(&below)).collect();
    make_parents(tx, account, &to)?;
    let mut done = Vec::new();
    for mailbox in moved {
        let rest = mailbox.name.get(source.name.len()..).unwrap_or_default();
        let name = normalise_name(&format!("{to}{rest}"))?;
        let renamed = Mailbox { name, ..mailbox.clone() };
        tx.put_mailbox(&renamed)?;
        done.push((mailbox.name, renamed));
    }
    Ok(done)
}

/// Subscribes or unsubscribes a name; the mailbox need not exist (RFC 9051 §6.3.7).
/// The change stands in the hierarchy's log where the mailbox exists, so that NOTIFY sees it.
pub fn set_subscribed(tx: &mut Tx<'_>, account: AccountId, name: &str, on: bool) -> Result<()> {
    let name = normalise_name(name)?;
    let key = keys::subscription(account, &name);
    if tx.get(&key)?.is_some() == on {
        return Ok(());
    }
    if on {
        if tx.subscriptions(account)?.len() >= SUBSCRIPTIONS_MAX {
            return Err(Error::TooMany("subscriptions"));
        }
        tx.put(key, bytes::Bytes::new());
    } else {
        tx.delete(key);
    }
    match tx.mailbox_named(account, &name)? {
        Some(id) => {
            let mailbox = require(tx, id)?;
            tx.put_mailbox(&mailbox)?;
        }
        None => drop(tx.bump(account)?),
    }
    Ok(())
}

/// Largest annotation (RFC 5464) and how many a mailbox (or the account) may have.
pub const ANNOTATION_MAX: usize = 64 * 1024;
pub const ANNOTATIONS_MAX: usize = 100;

/// Sets or, with `None`, removes an annotation; mailbox number 0 is the account's own.
pub fn set_annotation(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    entry: &str,
    value: Option<&[u8]>,
) -> Result<()> {
    let entry = entry.to_ascii_lowercase();
    let key = keys::annotation(mailbox, &entry);
    match value {
        None => tx.delete(key),
        Some(value) if value.len() > ANNOTATION_MAX => return Err(Error::TooLarge),
        Some(value) => {
            let others = tx.annotations(mailbox)?;
            let new = others.iter().all(|(known, _)| *known != entry);
            if new && others.len() >= ANNOTATIONS_MAX {
                return Err(Error::TooMany("annotations"));
            }
            tx.put(key, bytes::Bytes::copy_from_slice(value));
        }
    }
    tx.bump(mailbox.account)?;
    Ok(())
}
