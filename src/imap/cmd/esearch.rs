//! ESEARCH: a search in several mailboxes at once. RFC 7377.

use std::collections::HashSet;
use std::sync::Arc;

use super::search::require_uids;
use crate::base::id::{AccountId, MailboxId};
use crate::imap::codec::encode;
use crate::imap::codec::types::{
    By, Code, EsearchArgs, MailboxFilter, MailboxName, Reply, SearchReturn, Tag,
};
use crate::imap::failure::Result;
use crate::imap::search::answer::Extended;
use crate::imap::search::{Hit, Question, evaluate, run};
use crate::imap::session::Session;
use crate::store::rows::mailbox::Mailbox;
use crate::store::{Read, Snapshot, Store};

/// What one mailbox has.
struct Found {
    name: String,
    uid_validity: u32,
    hits: Vec<Hit>,
}

pub(super) async fn esearch(session: &mut Session, tag: &Tag, args: EsearchArgs) -> Result<Reply> {
    require_uids(session, By::Uid, &args.key)?;
    let whole = SearchReturn { all: true, ..SearchReturn::default() };
    let returns = args.returns.unwrap_or(whole);
    let here = args.sources.iter().all(|source| matches!(source, MailboxFilter::Selected));
    if here {
        session.view()?;
    } else if returns.save {
        // `$` holds messages of the selected mailbox (RFC 7377 §2.1).
        return Err(Reply::bad("SAVE is for a search in the selected mailbox alone").into());
    }
    let with_modseq = args.key.uses_modseq();
    session.enabled.condstore |= with_modseq;

    let account = session.account()?.id;
    let selected = session.view.as_ref().map(|view| view.mailbox);
    let mailboxes = sources(&session.store().read(), account, selected, &args.sources)?;
    let found = find(session, tag, mailboxes, args).await;
    if returns.save {
        let hits = match &found {
            Ok(found) => Ok(found.iter().flat_map(|found| found.hits.clone()).collect()),
            Err(_) => Err(Reply::no("").into()),
        };
        // The failure itself is told below.
        let _ = super::search::save(session, Some(&returns), hits);
    }
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    for Found { name, uid_validity, hits } in &found? {
        let mailbox = Some((&**name, *uid_validity));
        let answer = Extended { tag, by: By::Uid, returns, with_modseq, mailbox, utf8 };
        answer.write(&mut session.wire.out, hits);
        session.wire.flush_chunk().await?;
    }
    if returns.update {
        let reply = Reply::no("Only results of SEARCH and SORT are kept up to date");
        let reply = reply.with(Code::NoUpdate(tag.as_str().to_owned()));
        encode::untagged(&mut session.wire.out, &reply);
    }
    Ok(Reply::ok("ESEARCH completed"))
}

/// Searches one mailbox after the other; those in which nothing is found are left out.
async fn find(
    session: &mut Session,
    tag: &Tag,
    mailboxes: Vec<Mailbox>,
    args: EsearchArgs,
) -> Result<Vec<Found>> {
    let selected = match session.view {
        Some(_) => Some(Question::selected(session)?),
        None => None,
    };
    let Some(first) = first_question(session, selected.as_ref(), &mailboxes)? else {
        return Ok(Vec::new());
    };
    let store: Store = session.store().clone();
    run(session, Some(tag), first, false, move |first, _| {
        let mut all = Vec::new();
        for mailbox in mailboxes {
            let question = match &selected {
                Some(selected) if selected.scope().table.mailbox.id == mailbox.id => {
                    first.with_view_of(selected)
                }
                _ => match store.table(mailbox.id)? {
                    Some(table) => first.elsewhere(table),
                    None => continue, // deleted meanwhile
                },
            };
            let hits = evaluate(&question.scope(), &args.key)?.to_vec();
            if !hits.is_empty() {
                let uid_validity = question.scope().table.mailbox.uid_validity;
                all.push(Found { name: mailbox.name, uid_validity, hits });
            }
        }
        Ok(all)
    })
    .await
}

/// Any question: it carries what all of them share.
fn first_question(
    session: &Session,
    selected: Option<&Question>,
    mailboxes: &[Mailbox],
) -> Result<Option<Question>> {
    if let Some(selected) = selected {
        return Ok(Some(selected.clone()));
    }
    for mailbox in mailboxes {
        if let Some(table) = session.store().table(mailbox.id)? {
            return Ok(Some(Question::about(session, table, Arc::default())));
        }
    }
    Ok(None)
}

/// The mailboxes named, each once, in the order of their numbers.
fn sources(
    read: &Snapshot,
    account: AccountId,
    selected: Option<MailboxId>,
    filters: &[MailboxFilter],
) -> Result<Vec<Mailbox>> {
    let all = read.mailboxes(account)?;
    if filters.is_empty() {
        return Ok(all.into_iter().filter(|mailbox| Some(mailbox.id) == selected).collect());
    }
    let subscribed: HashSet<String> =
        match filters.iter().any(|filter| matches!(filter, MailboxFilter::Subscribed)) {
            true => read.subscriptions(account)?.into_iter().collect(),
            false => HashSet::new(),
        };
    let wanted = |mailbox: &Mailbox| {
        filters.iter().any(|filter| match filter {
            MailboxFilter::Selected | MailboxFilter::SelectedDelayed => {
                Some(mailbox.id) == selected
            }
            MailboxFilter::Inboxes => mailbox.name == "INBOX",
            MailboxFilter::Personal => true,
            MailboxFilter::Subscribed => subscribed.contains(&mailbox.name),
            MailboxFilter::Subtree(tops) => {
                tops.iter().any(|top| depth_below(&mailbox.name, top).is_some())
            }
            MailboxFilter::SubtreeOne(tops) => {
                let near = |top| depth_below(&mailbox.name, top).is_some_and(|depth| depth <= 1);
                tops.iter().any(near)
            }
            MailboxFilter::Mailboxes(names) => {
                names.iter().any(|name| name.as_str() == mailbox.name)
            }
        })
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// How many levels a mailbox lies below another; 0 for itself.
fn depth_below(name: &str, top: &MailboxName) -> Option<usize> {
    let rest = name.strip_prefix(top.as_str())?;
    match rest.strip_prefix('/') {
        Some(below) => Some(below.split('/').count()),
        None => rest.is_empty().then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_from_the_top() {
        let top = MailboxName::new("a/b").unwrap();
        let cases = [("a/b", Some(0)), ("a/b/c", Some(1)), ("a/b/c/d", Some(2)), ("a/bc", None)];
        for (name, depth) in cases {
            assert_eq!(depth_below(name, &top), depth, "{name}");
        }
    }
}
