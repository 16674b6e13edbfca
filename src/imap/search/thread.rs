//! THREAD (RFC 5256 §3): conversations of the messages found.
//!
//! Message ids and subjects are compared as 64-bit hashes with a secret seed. The links between
//! messages are read once for each mailbox and kept, and so is the last answer: webmails ask for
//! the same threads with every page they show.

mod forest;
mod links;
mod references;

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::uidset::UidSet;
use crate::domain::Result;
use crate::imap::codec::types::ThreadAlgorithm;
use crate::imap::search::cache::{Cache, Weigh};
use crate::imap::search::{Found, Scope};
use crate::store::Message;

use forest::Forest;
pub use forest::Threads;
use links::Link;
pub(super) use links::Links;

/// The threads of the messages found.
pub fn thread(
    scope: &Scope<'_>,
    cache: &Cache,
    found: &Found<'_>,
    algorithm: ThreadAlgorithm,
) -> Result<Arc<Answer>> {
    let mailbox = &scope.table.mailbox;
    let uids = found.uids();
    cache.threads.update((mailbox.id, algorithm as u8), |old| {
        let same = |old: &Arc<Answer>| old.uid_validity == mailbox.uid_validity && old.uids == uids;
        if let Some(old) = old.filter(same) {
            return Ok(old);
        }
        let links = links::current(scope, cache)?;
        let letters: Vec<Letter<'_>> = letters(found, &links);
        let forest = match algorithm {
            ThreadAlgorithm::OrderedSubject => by_subject(&letters),
            ThreadAlgorithm::References => references::build(&letters),
        };
        let threads = forest.finish(&letters);
        Ok(Arc::new(Answer { uid_validity: mailbox.uid_validity, uids, threads }))
    })
}

/// The threads of some messages of a mailbox.
#[derive(Debug)]
pub struct Answer {
    uid_validity: u32,
    uids: UidSet,
    pub threads: Threads,
}

impl Weigh for Answer {
    fn messages(&self) -> usize {
        self.threads.len()
    }
}

/// A message as threading sees it.
#[derive(Clone, Copy, Debug)]
struct Letter<'a> {
    uid: u32,
    sent: i64,
    link: Link,
    /// Hashes of the ids of its ancestors, oldest first.
    references: &'a [u64],
}

fn letters<'a>(found: &Found<'_>, links: &'a Links) -> Vec<Letter<'a>> {
    let mut all = links.iter().peekable();
    let letter = |(_, message): (u32, &Message)| {
        while all.next_if(|(uid, ..)| *uid < message.uid.0).is_some() {}
        let known = all.next_if(|(uid, ..)| *uid == message.uid.0);
        let (link, references) = known.map(|(_, link, refs)| (link, refs)).unwrap_or_default();
        Letter { uid: message.uid.0, sent: message.place.sent, link, references }
    };
    found.iter().map(letter).collect()
}

/// ORDEREDSUBJECT: the first message of a subject has all others as its children.
fn by_subject(letters: &[Letter<'_>]) -> Forest {
    let mut order: Vec<usize> = (0..letters.len()).collect();
    order.sort_by_key(|at| letters.get(*at).map(|letter| letter.sent));
    let mut forest = Forest::new(letters.len());
    let mut first = HashMap::new();
    for at in order {
        let Some(letter) = letters.get(at) else { continue };
        match first.entry(letter.link.subject) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(at);
                forest.add_root(at);
            }
            std::collections::hash_map::Entry::Occupied(entry) => forest.adopt(*entry.get(), at),
        }
    }
    forest
}
