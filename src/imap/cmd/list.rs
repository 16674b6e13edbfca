//! LIST, LSUB, XLIST and NAMESPACE. RFC 9051 §6.3.9, §6.3.10; RFC 5258 (LIST-EXTENDED), 5819
//! (LIST-STATUS), 6154 (SPECIAL-USE), 9590 (LIST-METADATA), 3501 §6.3.9 (LSUB).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{AccountId, MailboxId};
use crate::domain::mailbox::{INBOX, SEPARATOR};
use crate::imap::cmd::{metadata, status};
use crate::imap::codec::encode::{self, ListLine};
use crate::imap::codec::pattern::Matcher;
use crate::imap::codec::types::{ListArgs, ListKind, Reply};
use crate::imap::failure::Result;
use crate::imap::session::Session;
use crate::store::rows::mailbox::{Mailbox, SpecialUse};
use crate::store::{Read, Snapshot};

pub(super) async fn namespace(session: &mut Session) -> Result<Reply> {
    encode::namespace(&mut session.wire.out);
    Ok(Reply::ok("NAMESPACE completed"))
}

pub(super) async fn list(session: &mut Session, args: ListArgs) -> Result<Reply> {
    let account = session.account()?.id;
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    if args.patterns.iter().all(|pattern| pattern.as_str().is_empty()) {
        encode::list_root(&mut session.wire.out, args.kind);
        return Ok(Reply::ok("LIST completed"));
    }
    let snapshot = session.store().read();
    let tree = Tree::load(&snapshot, account)?;
    let matchers: Vec<Matcher> = args.patterns.iter().map(Matcher::new).collect();
    let matches = |name: &str| matchers.iter().any(|matcher| matcher.matches(name));
    let lines = match args.kind {
        ListKind::Lsub => tree.subscribed_for_lsub(&matches),
        _ => tree.select(&args, &matches),
    };
    for line in lines {
        line.write(&mut session.wire.out, args.kind, None, utf8);
        if let Some(mailbox) = tree.mailbox(line.name) {
            if let Some(items) = args.returns.status {
                status::write(session, mailbox, items);
            }
            if let Some(entries) = &args.returns.metadata {
                metadata::write_for_list(session, &snapshot, mailbox.id, entries)?;
            }
        }
        session.wire.flush_chunk().await?;
    }
    Ok(Reply::ok("LIST completed"))
}

/// The account's names, sorted, so that what lies below a name follows it.
struct Tree {
    mailboxes: BTreeMap<String, Mailbox>,
    subscribed: BTreeSet<String>,
}

/// One answer.
struct Line<'a> {
    name: &'a str,
    attributes: Vec<&'static str>,
    /// Something below it is subscribed (RFC 5258 §3.5).
    child_info: bool,
}

impl Tree {
    fn load(snapshot: &Snapshot, account: AccountId) -> Result<Tree> {
        let mailboxes = snapshot.mailboxes(account)?.into_iter();
        let mailboxes = mailboxes.map(|mailbox| (mailbox.name.clone(), mailbox)).collect();
        let subscribed = snapshot.subscriptions(account)?.into_iter().collect();
        Ok(Tree { mailboxes, subscribed })
    }

    fn mailbox(&self, name: &str) -> Option<&Mailbox> {
        self.mailboxes.get(name)
    }

    fn has_children(&self, name: &str) -> bool {
        let below = format!("{name}{SEPARATOR}");
        let mut names = self.mailboxes.range(below.clone()..);
        names.next().is_some_and(|(next, _)| next.starts_with(&below))
    }

    fn has_subscribed_below(&self, name: &str) -> bool {
        let below = format!("{name}{SEPARATOR}");
        let mut names = self.subscribed.range(below.clone()..);
        names.next().is_some_and(|next| next.starts_with(&below))
    }

    /// LIST and XLIST: the inbox first, as clients show it, then by name.
    fn select<'a>(&'a self, args: &ListArgs, matches: &impl Fn(&str) -> bool) -> Vec<Line<'a>> {
        let mut names: BTreeSet<&str> = match args.select.subscribed {
            true => self.subscribed.iter().map(String::as_str).collect(),
            false => self.mailboxes.keys().map(String::as_str).collect(),
        };
        let recursive = args.select.recursive_match && args.select.subscribed;
        if recursive {
            // Levels above a subscribed name, which need not be subscribed themselves.
            names.extend(self.subscribed.iter().flat_map(|name| levels_above(name)));
        }
        let inbox_first = names.contains(INBOX).then_some(INBOX);
        let rest = names.iter().copied().filter(|name| *name != INBOX);
        let mut lines = Vec::new();
        for name in inbox_first.into_iter().chain(rest).filter(|name| matches(name)) {
            let mailbox = self.mailbox(name);
            let used = mailbox.is_some_and(|mailbox| mailbox.special_use.is_some());
            let subscribed = self.subscribed.contains(name);
            let child_info = recursive && self.has_subscribed_below(name);
            if (args.select.special_use && !used)
                || (args.select.subscribed && !subscribed && !child_info)
            {
                continue;
            }
            let mut attributes = self.attributes(name, args.kind);
            if subscribed && (args.returns.subscribed || args.select.subscribed) {
                attributes.push("\\Subscribed");
            }
            lines.push(Line { name, attributes, child_info });
        }
        lines
    }

    fn attributes(&self, name: &str, kind: ListKind) -> Vec<&'static str> {
        let Some(mailbox) = self.mailbox(name) else { return vec!["\\NonExistent"] };
        let mut attributes = vec![match self.has_children(name) {
            true => "\\HasChildren",
            false => "\\HasNoChildren",
        }];
        match (kind, mailbox.special_use) {
            (ListKind::Xlist, _) if name == INBOX => attributes.push("\\Inbox"),
            (ListKind::Xlist, Some(SpecialUse::Junk)) => attributes.push("\\Spam"),
            (ListKind::Xlist, Some(SpecialUse::All)) => attributes.push("\\AllMail"),
            (ListKind::Xlist, Some(SpecialUse::Flagged)) => attributes.push("\\Starred"),
            (_, Some(special_use)) => attributes.push(special_use.attribute()),
            (_, None) => {}
        }
        attributes
    }

    /// LSUB: subscribed names; and where `%` stops above one, its level as `\Noselect`
    /// (RFC 3501 §6.3.9).
    fn subscribed_for_lsub<'a>(&'a self, matches: &impl Fn(&str) -> bool) -> Vec<Line<'a>> {
        let mut lines: BTreeMap<&str, Line<'a>> = BTreeMap::new();
        for name in &self.subscribed {
            if matches(name) {
                let attributes = match self.mailbox(name) {
                    Some(_) => Vec::new(),
                    None => vec!["\\Noselect"],
                };
                lines.insert(name, Line { name, attributes, child_info: false });
                continue;
            }
            for above in levels_above(name).filter(|above| matches(above)) {
                let attributes = vec!["\\Noselect"];
                lines.entry(above).or_insert(Line { name: above, attributes, child_info: false });
            }
        }
        lines.into_values().collect()
    }
}

/// `a` and `a/b` for `a/b/c`.
fn levels_above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).filter_map(|(at, _)| name.get(..at))
}

impl Line<'_> {
    fn write(&self, out: &mut Vec<u8>, kind: ListKind, old_name: Option<&str>, utf8: bool) {
        let line = ListLine {
            kind,
            attributes: &self.attributes,
            name: self.name,
            subscribed_below: self.child_info,
            old_name,
        };
        encode::list_line(out, &line, utf8);
    }
}

/// The LIST line of one mailbox, or of a name that is gone: what NOTIFY pushes, and with the
/// old name what RENAME tells (RFC 9051 §6.3.9.7).
pub(in crate::imap) fn write_one(
    session: &mut Session,
    snapshot: &Snapshot,
    account: AccountId,
    name: &str,
    old: Option<&str>,
) -> Result<()> {
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    let tree = Tree::load(snapshot, account)?;
    let mut attributes = tree.attributes(name, ListKind::List);
    if tree.subscribed.contains(name) {
        attributes.push("\\Subscribed");
    }
    let line = Line { name, attributes, child_info: false };
    line.write(&mut session.wire.out, ListKind::List, old, utf8);
    Ok(())
}

/// The stable name of a mailbox (RFC 8474 §4).
pub(in crate::imap) fn object_id(mailbox: MailboxId) -> String {
    format!("M{}", mailbox.number)
}
