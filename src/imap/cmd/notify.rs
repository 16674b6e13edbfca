//! NOTIFY: changes anywhere in the account, told on one connection. RFC 5465.
//!
//! What a client was told last is kept as a baseline; a wake-up compares the mailboxes' rows
//! (whose modseq moves with any change) with it and tells the differences.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::base::id::MailboxId;
use crate::imap::cmd::{fetch, list, status};
use crate::imap::codec::encode;
use crate::imap::codec::types::{
    EntryName, EventGroup, MailboxFilter, MailboxName, NotifyArgs, NotifyEvent as Event, Reply,
    StatusItem, StatusItems, Tag,
};
use crate::imap::failure::Result;
use crate::imap::session::Session;
use crate::store::rows::mailbox::Mailbox;
use crate::store::{Read, Snapshot};

/// What a session wants to be told.
#[derive(Default)]
pub struct Notify {
    groups: Vec<EventGroup>,
    known: Known,
}

/// What the client knows.
#[derive(Default)]
struct Known {
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    subscribed: BTreeSet<String>,
    annotations: BTreeMap<MailboxId, BTreeMap<String, Bytes>>,
}

impl Notify {
    /// Whether anything is to be told outside of commands.
    pub fn is_on(&self) -> bool {
        !self.groups.is_empty()
    }

    fn wants(&self, event: &Event) -> bool {
        let same = |each: &Event| std::mem::discriminant(each) == std::mem::discriminant(event);
        self.groups.iter().any(|group| group.events.iter().any(same))
    }

    /// The group that speaks of the selected mailbox.
    fn selected(&self) -> Option<&EventGroup> {
        self.groups.iter().find(|group| is_selected(&group.mailboxes))
    }

    /// The group that speaks of a mailbox which is not selected: the first that fits.
    fn group_of(&self, name: &str, subscribed: &BTreeSet<String>) -> Option<&EventGroup> {
        self.groups.iter().find(|group| fits(&group.mailboxes, name, subscribed))
    }
}

fn is_selected(filter: &MailboxFilter) -> bool {
    matches!(filter, MailboxFilter::Selected | MailboxFilter::SelectedDelayed)
}

fn fits(filter: &MailboxFilter, name: &str, subscribed: &BTreeSet<String>) -> bool {
    let below = |root: &MailboxName| {
        name.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    match filter {
        MailboxFilter::Selected | MailboxFilter::SelectedDelayed => false,
        // Where mail is delivered.
        MailboxFilter::Inboxes => name == crate::domain::mailbox::INBOX,
        MailboxFilter::Personal => true,
        MailboxFilter::Subscribed => subscribed.contains(name),
        MailboxFilter::Subtree(roots) => {
            roots.iter().any(|root| root.as_str() == name || below(root))
        }
        MailboxFilter::SubtreeOne(roots) => roots.iter().any(|root| {
            root.as_str() == name || (below(root) && !name[root.as_str().len() + 1..].contains('/'))
        }),
        MailboxFilter::Mailboxes(names) => names.iter().any(|each| each.as_str() == name),
    }
}

pub(super) async fn notify(session: &mut Session, _: &Tag, args: NotifyArgs) -> Result<Reply> {
    let (at_once, groups) = match args {
        NotifyArgs::None => (false, Vec::new()),
        NotifyArgs::Set { status, groups } => (status, groups),
    };
    groups.iter().try_for_each(check)?;
    let wanted: Vec<EventGroup> =
        groups.into_iter().filter(|group| !group.events.is_empty()).collect();
    session.notify = Notify { groups: wanted, known: Known::default() };
    if session.notify.is_on() {
        let snapshot = session.store().read();
        let known = Known::load(session, &snapshot)?;
        if at_once {
            tell_all(session, &known);
        }
        session.notify.known = known;
    }
    Ok(Reply::ok("NOTIFY completed"))
}

/// New messages and expunged ones make sense together only, and changed flags with both
/// (RFC 5465 §5).
fn check(group: &EventGroup) -> Result<()> {
    let has = |wanted: fn(&Event) -> bool| group.events.iter().any(wanted);
    let new = has(|event| matches!(event, Event::MessageNew(_)));
    let expunge = has(|event| matches!(event, Event::MessageExpunge));
    let flags = has(|event| matches!(event, Event::FlagChange));
    if new != expunge || (flags && !new) {
        return Err(Reply::bad("MessageNew and MessageExpunge belong together").into());
    }
    Ok(())
}

impl Known {
    fn load(session: &Session, snapshot: &Snapshot) -> Result<Known> {
        let account = session.account()?.id;
        let mailboxes: BTreeMap<_, _> =
            snapshot.mailboxes(account)?.into_iter().map(|each| (each.id, each)).collect();
        let subscribed = snapshot.subscriptions(account)?.into_iter().collect();
        let mut annotations = BTreeMap::new();
        let notify = &session.notify;
        let mailbox_metadata = notify.wants(&Event::MailboxMetadataChange);
        let server = notify.wants(&Event::ServerMetadataChange);
        let server = server.then(|| MailboxId::new(account, 0));
        let each = mailboxes.keys().copied().filter(|_| mailbox_metadata).chain(server);
        for id in each {
            annotations.insert(id, snapshot.annotations(id)?.into_iter().collect());
        }
        Ok(Known { mailboxes, subscribed, annotations })
    }
}

/// STATUS lines of all mailboxes that are watched (RFC 5465 §3.1).
fn tell_all(session: &mut Session, known: &Known) {
    let selected = session.view.as_ref().map(|view| view.mailbox);
    for mailbox in known.mailboxes.values().filter(|each| Some(each.id) != selected) {
        let group = session.notify.group_of(&mailbox.name, &known.subscribed);
        if let Some(items) = group.map(|group| status_items(group, session.enabled.condstore))
            && items != StatusItems::default()
        {
            status::write(session, mailbox, items);
        }
    }
}

/// What STATUS tells for the events of a group; nothing if none is about messages.
fn status_items(group: &EventGroup, condstore: bool) -> StatusItems {
    let mut items = StatusItems::default();
    for event in &group.events {
        match event {
            Event::MessageNew(_) | Event::MessageExpunge => {
                items.insert(StatusItem::Messages);
                items.insert(StatusItem::UidNext);
                items.insert(StatusItem::UidValidity);
                items.insert(StatusItem::Unseen);
            }
            Event::FlagChange => items.insert(StatusItem::Unseen),
            _ => continue,
        }
        if condstore {
            items.insert(StatusItem::HighestModSeq);
        }
    }
    items
}

/// Tells what has changed since the last time; called when the account's watch fires while no
/// command runs, and during IDLE.
pub(in crate::imap) async fn push(session: &mut Session) -> Result<()> {
    if !session.notify.is_on() {
        return Ok(());
    }
    push_selected(session).await?;
    let snapshot = session.store().read();
    let now = Known::load(session, &snapshot)?;
    let before = std::mem::take(&mut session.notify.known);
    tell_names(session, &snapshot, &before, &now)?;
    tell_messages(session, &before, &now);
    tell_annotations(session, &before, &now);
    session.notify.known = now;
    Ok(())
}

/// The selected mailbox's own untagged answers, with what is to be fetched of new messages.
async fn push_selected(session: &mut Session) -> Result<()> {
    let Some(group) = session.notify.selected() else { return Ok(()) };
    let at_once = group.mailboxes == MailboxFilter::Selected;
    let items = group.events.iter().find_map(|event| match event {
        Event::MessageNew(items) if !items.is_empty() => Some(items.clone()),
        _ => None,
    });
    let news = session.sync(at_once).await?;
    if let Some(items) = items
        && !news.added.is_empty()
    {
        fetch::push(session, &items, &news.added).await?;
    }
    Ok(())
}

fn tell_names(
    session: &mut Session,
    snapshot: &Snapshot,
    before: &Known,
    now: &Known,
) -> Result<()> {
    let account = session.account()?.id;
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    if session.notify.wants(&Event::MailboxName) {
        for mailbox in now.mailboxes.values() {
            let old = before.mailboxes.get(&mailbox.id);
            if old.is_none_or(|old| old.name != mailbox.name) {
                let old = old.map(|old| old.name.as_str());
                list::write_one(session, snapshot, account, &mailbox.name, old)?;
            }
        }
        let gone = before.mailboxes.values().filter(|old| !now.mailboxes.contains_key(&old.id));
        for mailbox in gone {
            let line = encode::ListLine {
                kind: crate::imap::codec::types::ListKind::List,
                attributes: &["\\NonExistent"],
                name: &mailbox.name,
                subscribed_below: false,
                old_name: None,
            };
            encode::list_line(&mut session.wire.out, &line, utf8);
        }
    }
    if session.notify.wants(&Event::SubscriptionChange) {
        for name in before.subscribed.symmetric_difference(&now.subscribed) {
            list::write_one(session, snapshot, account, name, None)?;
        }
    }
    Ok(())
}

fn tell_messages(session: &mut Session, before: &Known, now: &Known) {
    let selected = session.view.as_ref().map(|view| view.mailbox);
    for mailbox in now.mailboxes.values().filter(|each| Some(each.id) != selected) {
        let old = before.mailboxes.get(&mailbox.id);
        if old.is_some_and(|old| old.modseq == mailbox.modseq) {
            continue;
        }
        let Some(group) = session.notify.group_of(&mailbox.name, &now.subscribed) else { continue };
        let counts = |each: &Mailbox| (each.messages, each.uid_next);
        let flags = group.events.contains(&Event::FlagChange);
        let told = flags || old.is_none_or(|old| counts(old) != counts(mailbox));
        let items = status_items(group, session.enabled.condstore);
        if told && items != StatusItems::default() {
            status::write(session, mailbox, items);
        }
    }
}

fn tell_annotations(session: &mut Session, before: &Known, now: &Known) {
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    for (id, entries) in &now.annotations {
        let empty = BTreeMap::new();
        let old = before.annotations.get(id).unwrap_or(&empty);
        let names = old.keys().chain(entries.keys()).collect::<BTreeSet<_>>();
        let changed = names.into_iter().filter(|name| old.get(*name) != entries.get(*name));
        let changed: Vec<EntryName> = changed.filter_map(|name| EntryName::new(name)).collect();
        let name = now.mailboxes.get(id).map_or("", |mailbox| mailbox.name.as_str());
        if !changed.is_empty() {
            encode::metadata_changed(&mut session.wire.out, name, utf8, &changed);
        }
    }
}
