//! What threading needs to know of each message of a mailbox, read from the cold records once.

use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::domain::Result;
use crate::format::mime::RecordView;
use crate::imap::search::Scope;
use crate::imap::search::cache::{Cache, Weigh};
use crate::imap::search::read::for_each_record;
use crate::store::Message;
use crate::store::search::normalise;

/// References of one message that are followed: the first and the latest ones.
const REFERENCES: usize = 100;

/// What a message says of its place in a conversation; hashes, 0 for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Link {
    pub id: u64,
    /// Of the base subject in normal form.
    pub subject: u64,
    /// The subject says that it answers or forwards (RFC 5256 §2.1).
    pub is_reply: bool,
}

/// The links of all messages of a mailbox.
#[derive(Clone, Debug)]
pub struct Links {
    uid_validity: u32,
    seed: u64,
    /// Ascending by UID, with the end of each one's references.
    rows: Vec<(u32, Link, u32)>,
    references: Vec<u64>,
}

impl Weigh for Links {
    fn messages(&self) -> usize {
        // Some messages have very many.
        self.rows.len() + self.references.len() / 4
    }
}

/// The links of the mailbox as it is now.
pub(super) fn current(scope: &Scope<'_>, cache: &Cache) -> Result<Arc<Links>> {
    let table = scope.table;
    cache.links.update(table.mailbox.id, |old| {
        let old = old.filter(|old| old.uid_validity == table.mailbox.uid_validity);
        let old = old.filter(|old| old.rows.len() <= table.len() * 2 + 1_000);
        let last = old.as_ref().and_then(|old| old.rows.last()).map_or(0, |(uid, ..)| *uid);
        // UIDs only grow, so new messages stand behind all known ones.
        let mut new = table.iter().rev().take_while(|message| message.uid.0 > last).peekable();
        let mut links = match old {
            Some(old) if new.peek().is_none() => return Ok(old),
            Some(old) => (*old).clone(),
            None => Links::new(table.mailbox.uid_validity),
        };
        let new: Vec<&Message> = new.collect();
        scope.progress.expect(new.len() as u64);
        let mut said = Vec::with_capacity(new.len());
        for_each_record(scope.store, &new, &mut |message, record| {
            said.push((message.uid.0, links.read(record.unwrap_or_default())));
            scope.progress.step()
        })?;
        said.sort_unstable_by_key(|(uid, _)| *uid);
        for (uid, (link, references)) in said {
            links.references.extend_from_slice(&references);
            links.rows.push((uid, link, links.references.len() as u32));
        }
        Ok(Arc::new(links))
    })
}

impl Links {
    fn new(uid_validity: u32) -> Self {
        let seed = rand::random();
        Self { uid_validity, seed, rows: Vec::new(), references: Vec::new() }
    }

    /// What a record says, with the references that are followed.
    fn read(&self, record: &[u8]) -> (Link, Box<[u64]>) {
        let mut link = Link::default();
        let mut references = Vec::new();
        // A message without a readable record is a thread of its own.
        if let Ok(record) = RecordView::parse(record) {
            link.id = record.message_id().map_or(0, |id| self.hash(id));
            link.subject = self.hash(&normalise(record.base_subject()));
            link.is_reply = record.is_reply();
            let all = record.references().count();
            for (at, id) in record.references().enumerate() {
                if at == 0 || at + REFERENCES > all {
                    references.push(self.hash(id));
                }
            }
        }
        (link, references.into())
    }

    /// Never 0, except for the empty text.
    fn hash(&self, text: &str) -> u64 {
        match text {
            "" => 0,
            text => XxHash3_64::oneshot_with_seed(self.seed, text.as_bytes()).max(1),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Link, &[u64])> {
        let mut start = 0;
        self.rows.iter().map(move |&(uid, link, end)| {
            let references = self.references.get(start..end as usize).unwrap_or_default();
            start = end as usize;
            (uid, link, references)
        })
    }
}
