//! Requests that wait (Ping, Sync with a time to wait): a device has one, and a newer request of
//! it ends the older.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::base::id::AccountId;

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
