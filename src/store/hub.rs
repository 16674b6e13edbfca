//! The hub says one number: account A is at modseq N. What changed is read from the log.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::base::id::{AccountId, ModSeq};

/// Announces durable changes to whoever watches an account.
#[derive(Default)]
pub struct Hub {
    accounts: Mutex<HashMap<AccountId, watch::Sender<ModSeq>>>,
    any: watch::Sender<u64>,
}

/// A watch on one account. Wake-ups coalesce; none is lost.
pub struct Watch(watch::Receiver<ModSeq>);

impl Watch {
    /// Waits until the account moved past what was last seen by this watch. Cancel-safe.
    pub async fn changed(&mut self) -> ModSeq {
        if self.0.changed().await.is_err() {
            // The hub is gone: the process shuts down, and the session is told elsewhere.
            std::future::pending::<()>().await;
        }
        *self.0.borrow_and_update()
    }
}

impl Hub {
    /// Watches an account. Subscribe before reading the log, or a wake-up falls between.
    pub fn watch(&self, account: AccountId) -> Watch {
        let mut accounts = self.accounts.lock().unwrap_or_else(|e| e.into_inner());
        Watch(accounts.entry(account).or_insert_with(|| watch::Sender::new(ModSeq(0))).subscribe())
    }

    /// Watches for any change at all; the number only grows.
    pub fn watch_any(&self) -> watch::Receiver<u64> {
        self.any.subscribe()
    }

    /// Tells the watchers; called by the writer after a commit.
    pub(crate) fn announce(&self, changed: &[(AccountId, ModSeq)]) {
        let mut accounts = self.accounts.lock().unwrap_or_else(|e| e.into_inner());
        for &(account, modseq) in changed {
            if let Some(sender) = accounts.get(&account) {
                if sender.receiver_count() == 0 {
                    accounts.remove(&account);
                } else {
                    sender.send_replace(modseq);
                }
            }
        }
        drop(accounts);
        if !changed.is_empty() {
            self.any.send_modify(|n| *n += 1);
        }
    }
}
