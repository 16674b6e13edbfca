//! SORT (RFC 5256 §3, RFC 5957): orders by criteria.
//!
//! Criteria that the table in memory holds are compared directly. For those in the cold records
//! (subjects, addresses) each mailbox has *ranks*: numbers that compare like the texts do. They
//! are computed once, kept for all sessions, and brought forward by messages that arrive.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::base::id::Uid;
use crate::domain::Result;
use crate::format::mime::RecordView;
use crate::imap::codec::types::{SortCriterion, SortKey};
use crate::imap::search::cache::{Cache, Weigh};
use crate::imap::search::read::{Snapshots, for_each_record};
use crate::imap::search::{Found, Hit, Progress, Scope};
use crate::store::search::normalise;
use crate::store::table::Table;
use crate::store::{Message, Read, Store};

/// The messages found in the order of `criteria`; what is equal stays in the mailbox's order.
pub fn sort(
    scope: &Scope<'_>,
    cache: &Cache,
    found: &Found<'_>,
    criteria: &[SortCriterion],
) -> Result<Vec<Hit>> {
    let messages: Vec<&Message> = found.iter().map(|(_, message)| message).collect();
    let mut columns: Vec<Vec<u64>> = Vec::new();
    let mut seen = Vec::new();
    for criterion in criteria {
        // Said again, a key decides nothing.
        if !seen.contains(&criterion.key) {
            seen.push(criterion.key);
            columns.push(column(scope, cache, &messages, criterion)?);
        }
    }
    let hits = found.to_vec();
    let order = ordered(&columns, hits.len());
    Ok(order.into_iter().filter_map(|at| hits.get(at as usize).copied()).collect())
}

/// Whether the table in memory has all that is compared.
pub fn is_cheap(criteria: &[SortCriterion]) -> bool {
    criteria.iter().all(|c| matches!(c.key, SortKey::Arrival | SortKey::Date | SortKey::Size))
}

/// What a criterion compares, for each message.
fn column(
    scope: &Scope<'_>,
    cache: &Cache,
    messages: &[&Message],
    criterion: &SortCriterion,
) -> Result<Vec<u64>> {
    let mut column: Vec<u64> = match criterion.key {
        SortKey::Arrival => messages.iter().map(|m| by_time(m.place.internal_date)).collect(),
        SortKey::Date => messages.iter().map(|m| by_time(m.place.sent)).collect(),
        SortKey::Size => messages.iter().map(|m| m.place.size).collect(),
        key => {
            let ranks = ranks(scope, cache, key)?;
            let mut at = ranks.of.iter().peekable();
            let rank = |message: &&Message| {
                while at.next_if(|(uid, _)| *uid < message.uid.0).is_some() {}
                at.peek().map_or(0, |(_, rank)| *rank)
            };
            messages.iter().map(rank).collect()
        }
    };
    if criterion.reverse {
        column.iter_mut().for_each(|value| *value = !*value);
    }
    Ok(column)
}

/// Times before 1970 come first.
fn by_time(time: i64) -> u64 {
    time.cast_unsigned() ^ 1 << 63
}

fn ordered(columns: &[Vec<u64>], len: usize) -> Vec<u32> {
    match columns {
        [only] => {
            let mut pairs: Vec<(u64, u32)> = only.iter().copied().zip(0..).collect();
            pairs.sort_unstable();
            pairs.into_iter().map(|(_, at)| at).collect()
        }
        columns => {
            let mut order: Vec<u32> = (0..len as u32).collect();
            let value = |column: &Vec<u64>, at: &u32| column.get(*at as usize).copied();
            order.sort_by(|a, b| {
                let mut compare = columns.iter().map(|c| value(c, a).cmp(&value(c, b)));
                compare.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            });
            order
        }
    }
}

/// The ranks of a mailbox's messages by one key.
#[derive(Debug)]
pub(super) struct Ranks {
    uid_validity: u32,
    /// UID and rank, ascending by UID. Messages with equal keys have equal ranks.
    of: Vec<(u32, u64)>,
}

impl Weigh for Ranks {
    fn messages(&self) -> usize {
        self.of.len()
    }
}

/// Space between ranks, so that new messages find room between old ones.
const GAP: u64 = 1 << 32;

fn ranks(scope: &Scope<'_>, cache: &Cache, key: SortKey) -> Result<Arc<Ranks>> {
    let Scope { table, progress, .. } = *scope;
    let mut texts = Texts { store: scope.store, snapshots: Snapshots::new(scope.store), key };
    cache.ranks.update((table.mailbox.id, key as u8), |old| {
        let old = old.filter(|old| old.uid_validity == table.mailbox.uid_validity);
        match old.map_or(Forward::Rebuild, |old| old.new_messages(table)) {
            Forward::Same(ranks) => Ok(ranks),
            Forward::New(ranks, new) => match ranks.with(&new, table, &mut texts)? {
                Some(ranks) => Ok(Arc::new(ranks)),
                None => Ranks::build(table, &mut texts, progress).map(Arc::new),
            },
            Forward::Rebuild => Ranks::build(table, &mut texts, progress).map(Arc::new),
        }
    })
}

enum Forward<'a> {
    Same(Arc<Ranks>),
    New(Arc<Ranks>, Vec<&'a Message>),
    Rebuild,
}

impl Ranks {
    fn build(table: &Table, texts: &mut Texts<'_>, progress: &Progress) -> Result<Self> {
        progress.expect(table.len() as u64);
        let mut keyed = Vec::with_capacity(table.len());
        let messages: Vec<&Message> = table.iter().collect();
        for_each_record(texts.store, &messages, &mut |message, record| {
            keyed.push((
                record.map_or_else(Box::default, |record| texts.in_record(record)),
                message.uid.0,
            ));
            progress.step()
        })?;
        keyed.sort_unstable();
        let mut rank = GAP;
        let mut of = Vec::with_capacity(keyed.len());
        let mut last: Option<&str> = None;
        for (text, uid) in &keyed {
            if last.is_some_and(|last| last != &**text) {
                rank += GAP;
            }
            last = Some(text);
            of.push((*uid, rank));
        }
        of.sort_unstable();
        Ok(Self { uid_validity: table.mailbox.uid_validity, of })
    }

    /// What to do for these ranks to be those of `table`.
    fn new_messages<'a>(self: Arc<Self>, table: &'a Table) -> Forward<'a> {
        let mut known = self.of.iter().peekable();
        let mut gone = 0;
        let mut new = Vec::new();
        for message in table.iter() {
            while known.next_if(|(uid, _)| *uid < message.uid.0).is_some() {
                gone += 1;
            }
            if known.next_if(|(uid, _)| *uid == message.uid.0).is_none() {
                new.push(message);
            }
        }
        gone += known.count();
        // Each new one costs some twenty records to read, a rebuild one for each message. Ranks
        // of messages that are gone do no harm until they are many.
        if new.len() > table.len() / 32 || gone > table.len() {
            Forward::Rebuild
        } else if new.is_empty() {
            Forward::Same(self)
        } else {
            Forward::New(self, new)
        }
    }

    /// These ranks and those of new messages; none where there is no room left between two ranks,
    /// or a message to compare with was removed meanwhile.
    fn with(&self, new: &[&Message], table: &Table, texts: &mut Texts<'_>) -> Result<Option<Self>> {
        let present = |entry: &&(u32, u64)| table.get(Uid(entry.0)).is_some();
        let mut of: Vec<_> = self.of.iter().filter(present).copied().collect();
        let mut order: Vec<_> = of.iter().map(|(uid, rank)| (*rank, *uid)).collect();
        order.sort_unstable();
        order.dedup_by_key(|(rank, _)| *rank);
        for message in new {
            let Some(text) = texts.of(message)? else { return Ok(None) };
            let (mut low, mut high) = (0, order.len());
            let mut same = None;
            while low < high && same.is_none() {
                let middle = low + (high - low) / 2;
                let Some((rank, uid)) = order.get(middle) else { return Ok(None) };
                let Some(other) = table.get(Uid(*uid)) else { return Ok(None) };
                let Some(other) = texts.of(other)? else { return Ok(None) };
                match other.cmp(&text) {
                    Ordering::Less => low = middle + 1,
                    Ordering::Greater => high = middle,
                    Ordering::Equal => same = Some(*rank),
                }
            }
            let rank = match same {
                Some(rank) => rank,
                None => {
                    let below = low.checked_sub(1).and_then(|at| order.get(at)).map_or(0, |o| o.0);
                    let above = order.get(low).map_or(below.saturating_add(2 * GAP), |o| o.0);
                    let rank = below + (above - below) / 2;
                    if rank == below {
                        return Ok(None);
                    }
                    order.insert(low, (rank, message.uid.0));
                    rank
                }
            };
            of.push((message.uid.0, rank));
        }
        of.sort_unstable();
        Ok(Some(Self { uid_validity: self.uid_validity, of }))
    }
}

/// Reads what is compared.
struct Texts<'a> {
    store: &'a Store,
    snapshots: Snapshots<'a>,
    key: SortKey,
}

impl Texts<'_> {
    /// The text by which a message is sorted; none for one that was removed meanwhile.
    fn of(&mut self, message: &Message) -> Result<Option<Box<str>>> {
        let Some(record) = self.snapshots.next().content(message.place.content)? else {
            return Ok(None);
        };
        Ok(Some(self.in_record(&record)))
    }

    fn in_record(&self, record: &[u8]) -> Box<str> {
        let Ok(record) = RecordView::parse(record) else { return Box::default() };
        let text = match self.key {
            SortKey::Subject => record.base_subject(),
            SortKey::From => record.from_mailbox(),
            SortKey::To => record.to_mailbox(),
            SortKey::Cc => record.cc_mailbox(),
            SortKey::DisplayFrom => record.display_from(),
            SortKey::DisplayTo => record.display_to(),
            SortKey::Arrival | SortKey::Date | SortKey::Size => "", // the table has them
        };
        // i;unicode-casemap (RFC 5051) in spirit: no case, compatibility forms made equal.
        normalise(text).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_columns_decide_in_turn() {
        assert_eq!(ordered(&[vec![2, 1, 2, 1], vec![1, 9, 0, 8]], 4), [3, 1, 2, 0]);
        assert_eq!(ordered(&[vec![5, 5, 1]], 3), [2, 0, 1]);
        assert_eq!(ordered(&[], 2), [0, 1]);
        assert!(by_time(-1) < by_time(0) && by_time(i64::MIN) < by_time(-1));
    }
}
