//! Searches whose results are kept up to date (RFC 5267 §4.3): the session tells what comes to a
//! result and what leaves it, until the client cancels or leaves the mailbox.

use crate::base::uidset::UidSet;
use crate::imap::codec::encode::{self, Found, Update};
use crate::imap::codec::types::{By, Code, Reply, SearchKey, SequenceSet, SortCriterion, Tag};
use crate::imap::failure::Result;
use crate::imap::search::{Hit, Question, evaluate, is_cheap, is_quick, run, sort};
use crate::imap::session::Session;
use crate::imap::sync::News;
use crate::imap::view::View;

/// Results that one session may have kept up to date; mail programs have one or two.
const CONTEXTS: usize = 8;
/// Messages in all of them.
const MESSAGES: usize = 1_000_000;

/// The searches of a session that asked for updates.
#[derive(Default)]
pub struct Contexts {
    all: Vec<Context>,
}

/// A search that is kept up to date.
pub struct Context {
    tag: Tag,
    by: By,
    key: SearchKey,
    /// By what it is sorted; nothing for SEARCH.
    criteria: Option<Vec<SortCriterion>>,
    /// The UIDs as the client has them, in the order asked for.
    uids: Vec<u32>,
}

impl Contexts {
    /// Nothing is kept up to date any more: the mailbox was left.
    pub fn clear(&mut self) {
        self.all = Vec::new();
    }

    /// Ends the searches with these tags; others' are none of ours any more.
    pub fn cancel(&mut self, tags: &[String]) {
        self.all.retain(|context| tags.iter().all(|tag| tag != context.tag.as_str()));
    }

    /// Takes messages out of results before their numbers become invalid.
    pub fn expunge(&mut self, view: &View, uids: &UidSet, out: &mut Vec<u8>) {
        for context in &mut self.all {
            context.remove(view, |uid| uids.contains(uid), out);
        }
    }
}

impl Context {
    /// Remembers a search and what it found.
    pub fn new(
        tag: &Tag,
        by: By,
        key: &SearchKey,
        criteria: Option<Vec<SortCriterion>>,
        hits: &[Hit],
        view: &View,
    ) -> Self {
        let uids = hits.iter().map(|hit| hit.uid).collect();
        Self { tag: tag.clone(), by, key: frozen(key, view), criteria, uids }
    }

    /// Keeps it up to date from here on, or says that this will not be done.
    pub fn register(self, session: &mut Session) {
        let contexts = &mut session.contexts.all;
        contexts.retain(|other| other.tag != self.tag);
        let messages: usize = contexts.iter().map(|context| context.uids.len()).sum();
        if contexts.len() >= CONTEXTS || messages + self.uids.len() > MESSAGES {
            refuse(session, &self.tag);
        } else {
            contexts.push(self);
        }
    }

    fn number(&self, view: &View, uid: u32) -> Option<u32> {
        match self.by {
            By::Uid => Some(uid),
            By::Seq => view.seq(crate::base::id::Uid(uid)),
        }
    }

    /// Takes out what satisfies `gone` and tells it, from the end, so that each position is right
    /// when it is read.
    fn remove(&mut self, view: &View, gone: impl Fn(u32) -> bool, out: &mut Vec<u8>) {
        let all = (1..).zip(&self.uids).filter(|(_, uid)| gone(**uid));
        let number = |(at, uid): (u32, &u32)| Some((at, self.number(view, *uid)?));
        let leaving: Vec<(u32, u32)> = all.filter_map(number).collect();
        let changes = match self.criteria {
            None => vec![(0, leaving.into_iter().map(|(_, number)| number).collect())],
            Some(_) => leaving.into_iter().rev().map(|(at, number)| (at, vec![number])).collect(),
        };
        self.uids.retain(|uid| !gone(*uid));
        self.tell(Update::RemoveFrom, &changes, out);
    }

    /// Puts in what is in `sorted` and new, and tells it, from the front.
    fn add(&mut self, view: &View, sorted: Vec<u32>, new: &UidSet, out: &mut Vec<u8>) {
        let mut changes: Vec<(u32, Vec<u32>)> = Vec::new();
        for (at, uid) in (1..).zip(&sorted).filter(|(_, uid)| new.contains(**uid)) {
            let Some(number) = self.number(view, *uid) else { continue };
            let at = if self.criteria.is_some() { at } else { 0 };
            match changes.last_mut() {
                Some((0, numbers)) => numbers.push(number),
                Some((start, numbers)) if *start + numbers.len() as u32 == at => {
                    numbers.push(number)
                }
                _ => changes.push((at, vec![number])),
            }
        }
        self.uids = sorted;
        self.tell(Update::AddTo, &changes, out);
    }

    /// Positions and the numbers there; position 0 means the mailbox's order.
    fn tell(&self, update: Update, changes: &[(u32, Vec<u32>)], out: &mut Vec<u8>) {
        let some = changes.iter().filter(|(_, numbers)| !numbers.is_empty());
        let pairs: Vec<_> = some.map(|(at, numbers)| (*at, Found::Ordered(numbers))).collect();
        if !pairs.is_empty() {
            encode::esearch_update(out, &self.tag, self.by, update, &pairs);
        }
    }
}

fn refuse(session: &mut Session, tag: &Tag) {
    let reply = Reply::no("This result is not kept up to date");
    let reply = reply.with(Code::NoUpdate(tag.as_str().to_owned()));
    encode::untagged(&mut session.wire.out, &reply);
}

/// Tells of results that changed with what was just told of the mailbox.
pub async fn update_contexts(session: &mut Session, news: &News) -> Result<()> {
    let touched = {
        let mut touched = news.changed.clone();
        touched.union_with(&news.added);
        touched.subtract(&news.expunged)
    };
    if session.contexts.all.is_empty() || touched.is_empty() || session.view.is_none() {
        return Ok(());
    }
    for mut context in std::mem::take(&mut session.contexts.all) {
        match update(session, &mut context, &touched).await {
            Ok(()) => session.contexts.all.push(context),
            Err(crate::imap::failure::Failure::Reply(_)) => refuse(session, &context.tag),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn update(session: &mut Session, context: &mut Context, touched: &UidSet) -> Result<()> {
    let question = Question::selected(session)?;
    let only = SearchKey::Uid(SequenceSet::of(touched.clone()));
    let key = SearchKey::And(vec![only, context.key.clone()]);
    let quick = is_quick(&key);
    let matching = run(session, None, question.clone(), quick, move |question, _| {
        Ok(evaluate(&question.scope(), &key)?.uids())
    })
    .await?;
    let mut known: Vec<u32> = context.uids.clone();
    known.sort_unstable();
    let known: UidSet = known.into_iter().collect();
    let new = matching.subtract(&known);
    let gone = known.intersect(touched).subtract(&matching);

    let sorted = if new.is_empty() {
        None
    } else {
        let mut all = known.subtract(&gone);
        all.union_with(&new);
        Some(match context.criteria.clone() {
            None => all.iter().collect(),
            Some(criteria) => in_order(session, question, all, criteria).await?,
        })
    };
    let Some(view) = session.view.as_ref() else { return Ok(()) };
    if !gone.is_empty() {
        context.remove(view, |uid| gone.contains(uid), &mut session.wire.out);
    }
    if let Some(sorted) = sorted {
        context.add(view, sorted, &new, &mut session.wire.out);
    }
    Ok(())
}

async fn in_order(
    session: &mut Session,
    question: Question,
    uids: UidSet,
    criteria: Vec<SortCriterion>,
) -> Result<Vec<u32>> {
    let quick = is_cheap(&criteria);
    run(session, None, question, quick, move |question, cache| {
        let scope = question.scope();
        let all = evaluate(&scope, &SearchKey::Uid(SequenceSet::of(uids)))?;
        let sorted = sort(&scope, cache, &all, &criteria)?;
        Ok(sorted.iter().map(|hit| hit.uid).collect())
    })
    .await
}

/// The key with what means something else later said for good: message numbers and `$`. The
/// depth of keys is bounded by the decoder.
fn frozen(key: &SearchKey, view: &View) -> SearchKey {
    let uids = |set| SearchKey::Uid(SequenceSet::of(set));
    let all = |keys: &[SearchKey]| keys.iter().map(|key| frozen(key, view)).collect();
    match key {
        SearchKey::And(keys) => SearchKey::And(all(keys)),
        SearchKey::Or(keys) => SearchKey::Or(all(keys)),
        SearchKey::Not(key) => SearchKey::Not(Box::new(frozen(key, view))),
        SearchKey::Seq(SequenceSet::Saved) | SearchKey::Uid(SequenceSet::Saved) => {
            uids(view.saved.clone())
        }
        SearchKey::Seq(SequenceSet::Numbers(numbers)) => {
            let now = uids(view.uids_of(&numbers.resolve(view.exists())));
            match numbers.without_star() {
                Some(_) => now,
                // `5:*` is also all that come.
                None => {
                    let later = UidSet::range(view.last_uid().saturating_add(1), u32::MAX);
                    SearchKey::Or(vec![now, uids(later)])
                }
            }
        }
        other => other.clone(),
    }
}
