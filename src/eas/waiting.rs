//! Requests that wait (Ping, Sync with a time to wait): a device has one, and a newer request of
//! it ends the older.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::base::id::AccountId;
use crate::store::rows::sync::SyncId;

type Key = (AccountId, u32);

/// The devices that wait.
#[derive(Default)]
pub struct Waiting(Mutex<HashMap<Key, Arc<Notify>>>);

/// One waiting request; it is forgotten when this is dropped.
pub struct Place<'w> {
    waiting: &'w Waiting,
    key: Key,
    ended: Arc<Notify>,
}

impl Waiting {
    /// Takes a device's place; who had it is told to go.
    pub fn take(&self, account: AccountId, device: u32) -> Place<'_> {
        let (key, ended) = ((account, device), Arc::new(Notify::new()));
        if let Some(older) = self.lock().insert(key, ended.clone()) {
            older.notify_one();
        }
        Place { waiting: self, key, ended }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Something for each device, in memory only.
pub struct PerDevice<T>(Mutex<HashMap<Key, T>>);

impl<T> Default for PerDevice<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> PerDevice<T> {
    pub fn of(&self, account: AccountId, device: u32) -> Option<T> {
        self.lock().get(&(account, device)).cloned()
    }

    pub fn put(&self, account: AccountId, device: u32, value: T) {
        self.lock().insert((account, device), value);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, T>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Place<'_> {
    /// Returns when the device's next request has come. Cancel-safe.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        if waiting.get(&self.key).is_some_and(|held| Arc::ptr_eq(held, &self.ended)) {
            waiting.remove(&self.key);
        }
    }
}

/// In which order requests about a collection arrived. A phone that cuts a connection and asks
/// again must not have its new state overwritten by the old request, which may still be on its
/// way through the server.
#[derive(Default)]
pub struct Orders {
    next: std::sync::atomic::AtomicU64,
    latest: Mutex<HashMap<SyncId, u64>>,
}

impl Orders {
    /// The number of a request that has just arrived.
    pub fn next(&self) -> u64 {
        self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// Notes that a request is about this collection.
    pub fn note(&self, id: SyncId, order: u64) {
        let mut latest = self.latest.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = latest.entry(id).or_insert(order);
        *known = order.max(*known);
    }

    /// Whether a later request about this collection has come.
    pub fn is_outdated(&self, id: SyncId, order: u64) -> bool {
        let latest = self.latest.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        latest.get(&id).is_some_and(|latest| *latest > order)
    }
}
