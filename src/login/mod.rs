//! Logging in, the same for every front: guessing is slowed, a verified password is remembered
//! for minutes, and hashing runs beside the async threads, bounded.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::base::metrics::Metric;
use crate::base::secret::Secret;
use crate::domain::auth::{Verifier, split_windows_domain};
use crate::format::sasl::ScramKeys;
use crate::net::rate::{Attempt, Logins, Throttled};
use crate::store::rows::account::Account;
use crate::store::{self, Read, Store, keys};

static SUCCEEDED: Metric = Metric::counter("kontor_logins_total", "Log-ins that succeeded.");

/// Why nobody is logged in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Unknown, disabled or wrong: the client does not learn which.
    Wrong,
    /// Too many failures: to be tried again later.
    Throttled,
    /// The store failed: to be tried again later.
    Unavailable,
}

impl From<Throttled> for Refused {
    fn from(_: Throttled) -> Self {
        Self::Throttled
    }
}

/// Checks log-ins for all fronts.
pub struct Doorkeeper {
    store: Store,
    guesses: Arc<Logins>,
    verifier: Verifier,
    /// A thousand log-ins at once must not take the processor from everybody else.
    hashing: Semaphore,
}

impl Doorkeeper {
    pub fn new(store: Store, guesses: Arc<Logins>) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let hashing = Semaphore::new(cores.max(2));
        let verifier = Verifier::new(decoy_key(&store));
        Arc::new(Self { store, guesses, verifier, hashing })
    }

    /// Checks a log-in by password.
    pub async fn check(
        self: &Arc<Self>,
        address: IpAddr,
        login: &str,
        password: Secret,
    ) -> Result<Account, Refused> {
        // Admitted first: a guesser must not try passwords against a remembered one unslowed.
        let attempt = self.guesses.admit(address, guessed_name(login)).await?;
        let remembered = self.verifier.remembered(&self.store.read(), login, &password);
        if let Some(account) = remembered.map_err(unavailable)? {
            attempt.succeeded();
            SUCCEEDED.add(1);
            return Ok(account);
        }
        let _turn = self.hashing.acquire().await.map_err(|_| Refused::Unavailable)?;
        let (this, name) = (self.clone(), login.to_owned());
        let verify = move || this.verifier.verify(&this.store.read(), &name, &password);
        let verified = tokio::task::spawn_blocking(verify).await;
        let account = verified.map_err(|_| Refused::Unavailable)?.map_err(unavailable)?;
        let account = account.ok_or(Refused::Wrong)?;
        attempt.succeeded();
        SUCCEEDED.add(1);
        Ok(account)
    }

    /// Begins a SCRAM exchange: the keys to prove against (for an unknown log-in keys that no
    /// proof fits). The exchange's end goes to [`ScramAttempt::finish`].
    pub async fn scram(
        self: &Arc<Self>,
        address: IpAddr,
        login: &str,
    ) -> Result<(ScramKeys, ScramAttempt), Refused> {
        let attempt = self.guesses.admit(address, guessed_name(login)).await?;
        let found = self.verifier.scram(&self.store.read(), login);
        let (keys, account) = found.map_err(unavailable)?;
        Ok((keys, ScramAttempt { attempt, account }))
    }
}

/// What guesses are counted under: any Windows domain may stand before the same account.
fn guessed_name(login: &str) -> &str {
    split_windows_domain(login.trim()).1
}

/// The secret behind the salts of unknown log-ins; made at the first start.
fn decoy_key(store: &Store) -> Secret {
    let row = keys::meta("decoy");
    if let Ok(Some(kept)) = store.read().get(&row) {
        return Secret::new(kept.to_vec());
    }
    let key = Secret::random(32);
    let (store, kept) = (store.clone(), Bytes::copy_from_slice(key.expose()));
    // The start does not wait for the disk.
    std::thread::spawn(move || {
        let put = store.write_blocking(move |tx| {
            tx.put(row, kept);
            Ok::<_, store::Error>(())
        });
        if let Err(error) = put {
            tracing::warn!(%error, "the log-in secret could not be kept");
        }
    });
    key
}

fn unavailable(error: crate::domain::Error) -> Refused {
    tracing::error!(%error, "log-in could not be checked");
    Refused::Unavailable
}

/// A SCRAM exchange under way; dropped unfinished, it counts as a failed guess.
pub struct ScramAttempt {
    attempt: Attempt,
    account: Option<Account>,
}

impl ScramAttempt {
    /// The account, after the client's proof was right.
    pub fn finish(self) -> Result<Account, Refused> {
        let account = self.account.ok_or(Refused::Wrong)?;
        self.attempt.succeeded();
        SUCCEEDED.add(1);
        Ok(account)
    }
}
