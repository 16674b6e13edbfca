//! What sorting and threading learned of mailboxes, kept for the next session that asks.
//!
//! Sort keys and links between messages never change, so what is kept is brought forward by the
//! messages that came since. All of it can be computed anew from the store.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::id::MailboxId;
use crate::domain::Result;
use crate::imap::search::sort::Ranks;
use crate::imap::search::thread::{Answer, Links};

/// Messages in orders that are kept: at 12 bytes each.
const ORDERS: usize = 1_000_000;
/// Messages whose links are kept: at some 60 bytes each.
const LINKS: usize = 400_000;
/// Messages in threads that are kept: at 12 bytes each.
const THREADS: usize = 1_000_000;

/// Orders and threads of mailboxes, shared by all sessions; bounded.
#[derive(Debug)]
pub struct Cache {
    /// By sort key.
    pub(super) ranks: Shelf<(MailboxId, u8), Ranks>,
    pub(super) links: Shelf<MailboxId, Links>,
    /// By algorithm.
    pub(super) threads: Shelf<(MailboxId, u8), Answer>,
}

impl Default for Cache {
    fn default() -> Self {
        Self { ranks: Shelf::new(ORDERS), links: Shelf::new(LINKS), threads: Shelf::new(THREADS) }
    }
}

/// A value that knows about how many messages it is.
pub(super) trait Weigh {
    fn messages(&self) -> usize;
}

/// Values of one kind, the least recently used ones dropped when they hold too many messages.
#[derive(Debug)]
pub(super) struct Shelf<K, V> {
    limit: usize,
    slots: Mutex<Slots<K, V>>,
}

#[derive(Debug)]
struct Slots<K, V> {
    by_key: HashMap<K, Slot<V>>,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Slot<V> {
    value: Arc<Mutex<Option<Arc<V>>>>,
    used: u64,
    messages: usize,
}

impl<K: Copy + Eq + Hash, V: Weigh> Shelf<K, V> {
    fn new(limit: usize) -> Self {
        Self { limit, slots: Mutex::new(Slots { by_key: HashMap::new(), clock: 0 }) }
    }

    /// Brings the value of `key` forward by `update`, which gets the one kept. Two callers with
    /// one key follow each other, so that nothing costly is done twice.
    pub fn update(
        &self,
        key: K,
        update: impl FnOnce(Option<Arc<V>>) -> Result<Arc<V>>,
    ) -> Result<Arc<V>> {
        let cell = lock(&self.slots).cell(key);
        let mut kept = lock(&cell);
        let value = update(kept.clone())?;
        *kept = Some(value.clone());
        drop(kept);
        lock(&self.slots).note(key, value.messages(), self.limit);
        Ok(value)
    }
}

impl<K: Copy + Eq + Hash, V> Slots<K, V> {
    fn cell(&mut self, key: K) -> Arc<Mutex<Option<Arc<V>>>> {
        self.clock += 1;
        let new = || Slot { value: Arc::default(), used: 0, messages: 0 };
        let slot = self.by_key.entry(key).or_insert_with(new);
        slot.used = self.clock;
        slot.value.clone()
    }

    /// Notes the size of a value and drops others if all are too much.
    fn note(&mut self, key: K, messages: usize, limit: usize) {
        // An empty mailbox takes room as well.
        const LEAST: usize = 100;
        if let Some(slot) = self.by_key.get_mut(&key) {
            slot.messages = messages + LEAST;
        }
        let mut all: usize = self.by_key.values().map(|slot| slot.messages).sum();
        while all > limit {
            let others = self.by_key.iter().filter(|(other, _)| **other != key);
            let Some((oldest, _)) = others.min_by_key(|(_, slot)| slot.used) else { break };
            let oldest = *oldest;
            all -= self.by_key.remove(&oldest).map_or(0, |slot| slot.messages);
        }
    }
}

/// Values are replaced as a whole, so a panic leaves none half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Error;

    struct Some100(u32);

    impl Weigh for Some100 {
        fn messages(&self) -> usize {
            900
        }
    }

    #[test]
    fn keeps_what_was_used_last() {
        let shelf: Shelf<u32, Some100> = Shelf::new(3_000);
        let touch = |key: u32| {
            let mut fresh = false;
            let value = shelf.update(key, |old| {
                fresh = old.is_none();
                Ok(old.unwrap_or_else(|| Arc::new(Some100(key))))
            });
            assert_eq!(value.unwrap().0, key);
            fresh
        };
        assert!(touch(1) && touch(2) && touch(3));
        assert!(!touch(1) && touch(4));
        assert!(touch(2), "it was the oldest, then 3");
        assert!(!touch(4) && !touch(1) && touch(3));
    }

    #[test]
    fn a_failure_leaves_the_old_value() {
        let shelf: Shelf<u32, Some100> = Shelf::new(1_000);
        shelf.update(1, |_| Ok(Arc::new(Some100(7)))).unwrap();
        assert!(shelf.update(1, |_| Err(Error::Stale)).is_err());
        assert_eq!(shelf.update(1, |old| Ok(old.unwrap())).unwrap().0, 7);
    }
}
