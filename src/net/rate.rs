//! How fast one may come, and guess passwords.
//!
//! Token buckets in tables of bounded size. A guess is slowed per address, and those for one
//! account from addresses that its owner never used are slowed together; the owner, who comes
//! from a known address, has a small share of their own and is never locked out. Nothing here
//! knows whether an account exists, so nothing can tell.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::base::limits::{self, Limits};
use crate::base::metrics::Metric;

static FAILED: Metric = Metric::counter("kontor_logins_failed_total", "Log-ins that failed.");
static THROTTLED: Metric = Metric::counter(
    "kontor_logins_throttled_total",
    "Log-ins that were not tried because too many had failed.",
);

/// Where connections come from: an IPv4 address, or the /64 of an IPv6 one, since whoever has
/// one address there has them all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                Self(IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))))
            }
            other => Self(other),
        }
    }
}

/// Token buckets of one size, by key; those that are full again are forgotten.
#[derive(Debug)]
pub struct Buckets<K> {
    burst: f64,
    per_second: f64,
    table: HashMap<K, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    pub fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second, table: HashMap::new() }
    }

    /// Takes a token, or says how long until there is one.
    pub fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        if self.table.len() >= limits::RATE_ENTRIES && !self.table.contains_key(&key) {
            self.forget(now);
        }
        let (burst, per_second) = (self.burst, self.per_second);
        let bucket = self.table.entry(key).or_insert(Bucket { tokens: burst, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * per_second).min(burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Returns a token that was taken.
    pub fn give_back(&mut self, key: K) {
        if let Some(bucket) = self.table.get_mut(&key) {
            bucket.tokens = (bucket.tokens + 1.0).min(self.burst);
        }
    }

    /// Makes room: the full buckets go, and if that is not half of them, the oldest ones too.
    fn forget(&mut self, now: Instant) {
        let (burst, per_second) = (self.burst, self.per_second);
        self.table.retain(|_, bucket| {
            let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
            bucket.tokens + passed * per_second < burst
        });
        let half = limits::RATE_ENTRIES / 2;
        if self.table.len() > half {
            let mut times: Vec<Instant> = self.table.values().map(|bucket| bucket.at).collect();
            let excess = times.len() - half;
            let (_, cut, _) = times.select_nth_unstable(excess - 1);
            let cut = *cut;
            self.table.retain(|_, bucket| bucket.at > cut);
        }
    }
}

/// A log-in is not to be tried: the front answers its protocol's "try later".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed log-ins; try again later")]
pub struct Throttled;

/// Slows the guessing of passwords, over all fronts together.
#[derive(Debug)]
pub struct Logins {
    hasher: RandomState,
    state: Mutex<State>,
    /// Somebody's password was right, and the token that it took is there again.
    returned: Notify,
}

/// A log-in name, hashed with a key of this process: names of any length cost the same memory.
type Name = u64;

#[derive(Debug)]
struct State {
    /// All guesses from one address.
    by_source: Buckets<Source>,
    /// Guesses for one name from addresses where it never succeeded.
    by_name: Buckets<Name>,
    /// The share of an account's owner at a known address, beside what others do there.
    owner: Buckets<(Source, Name)>,
    /// The same for all owners at that address together, so that it cannot be multiplied.
    owners: Buckets<Source>,
    known: HashMap<(Source, Name), Instant>,
}

/// A log-in that may be tried now; counts as failed unless told otherwise.
#[derive(Debug)]
#[must_use = "say whether it succeeded"]
pub struct Attempt {
    logins: Arc<Logins>,
    source: Source,
    name: Name,
    paid: Paid,
    right: bool,
}

/// Which buckets the attempt took its token from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paid {
    /// The address's.
    Source,
    /// The owner's share.
    Owner,
    /// The address's and the name's.
    SourceAndName,
}

impl Logins {
    /// With `limits.login_attempts` guesses in ten seconds from one address: a third of them
    /// at once, a third over the time, and a third for the owners at known addresses.
    pub fn new(limits: &Limits) -> Arc<Self> {
        let third = (f64::from(limits.login_attempts) / 3.0).max(1.0);
        let state = State {
            by_source: Buckets::new(third, third / 10.0),
            // It only ever delays, so that nobody can keep the owner out.
            by_name: Buckets::new(third, third / 10.0),
            owner: Buckets::new(3.0, 0.2),
            owners: Buckets::new(third / 2.0, third / 20.0),
            known: HashMap::new(),
        };
        let (hasher, returned) = (RandomState::new(), Notify::new());
        Arc::new(Self { hasher, state: Mutex::new(state), returned })
    }

    /// Waits until this log-in may be tried, at most [`limits::LOGIN_WAIT`].
    ///
    /// An office whose programs all come back at once after a restart only waits for itself:
    /// a token is gone while a password is being checked, and there again when it was right.
    pub async fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        login: &str,
    ) -> Result<Attempt, Throttled> {
        let (source, name) = (Source::from(address), self.hasher.hash_one(login.to_lowercase()));
        let until = Instant::now() + limits::LOGIN_WAIT;
        loop {
            let mut returned = pin!(self.returned.notified());
            // Before looking, or a token that comes back in between is missed.
            returned.as_mut().enable();
            let now = Instant::now();
            let admitted = self.lock().admit(source, name, now, now < until);
            match admitted {
                Ok(paid) => {
                    return Ok(Attempt { logins: self.clone(), source, name, paid, right: false });
                }
                Err(_) if now >= until => {
                    THROTTLED.add(1);
                    return Err(Throttled);
                }
                Err(wait) => {
                    let _ = tokio::time::timeout(wait.min(until - now), returned).await;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// Takes what a try costs, or says how long until it may be asked for again. Whoever is no
    /// longer `patient` is not held up for the name's sake.
    fn admit(
        &mut self,
        source: Source,
        name: Name,
        now: Instant,
        patient: bool,
    ) -> Result<Paid, Duration> {
        let known = self
            .known
            .get(&(source, name))
            .is_some_and(|last| now.saturating_duration_since(*last) < limits::KNOWN_ADDRESS);
        let Err(wait) = self.by_source.take(source, now) else {
            if known {
                return Ok(Paid::Source);
            }
            return match self.by_name.take(name, now) {
                Ok(()) => Ok(Paid::SourceAndName),
                Err(_) if !patient => Ok(Paid::Source),
                Err(wait) => {
                    self.by_source.give_back(source);
                    Err(wait)
                }
            };
        };
        if known && self.owner.take((source, name), now).is_ok() {
            if self.owners.take(source, now).is_ok() {
                return Ok(Paid::Owner);
            }
            self.owner.give_back((source, name));
        }
        Err(wait)
    }

    fn remember(&mut self, source: Source, name: Name, now: Instant) {
        if self.known.len() >= limits::RATE_ENTRIES {
            let half = limits::KNOWN_ADDRESS / 2;
            self.known.retain(|_, last| now.saturating_duration_since(*last) < half);
        }
        if self.known.len() >= limits::RATE_ENTRIES {
            // Only a process with 50,000 pairs within a week comes here; they learn anew.
            self.known.clear();
        }
        self.known.insert((source, name), now);
    }
}

impl Attempt {
    /// The password was right: costs nothing, and the address is known from now on.
    pub fn succeeded(mut self) {
        self.right = true;
        let mut state = self.logins.lock();
        match self.paid {
            Paid::Source => state.by_source.give_back(self.source),
            Paid::Owner => {
                state.owner.give_back((self.source, self.name));
                state.owners.give_back(self.source);
            }
            Paid::SourceAndName => {
                state.by_source.give_back(self.source);
                state.by_name.give_back(self.name);
            }
        }
        state.remember(self.source, self.name, Instant::now());
        drop(state);
        self.logins.returned.notify_waiters();
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.right {
            FAILED.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Source = Source(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    fn logins() -> Arc<Logins> {
        Logins::new(&Limits::default())
    }

    /// How many wrong guesses are let through of `count` a second for `seconds`.
    fn guesses(logins: &Logins, name: impl Fn(u64) -> Name, count: u64, seconds: u64) -> usize {
        let start = Instant::now();
        let at = |n: u64| start + Duration::from_millis(n * 1000 / count);
        let tries = (0..count * seconds).map(|n| logins.lock().admit(HERE, name(n), at(n), true));
        tries.filter(Result::is_ok).count()
    }

    #[test]
    fn one_address_guesses_at_most_sixty_times_in_ten_seconds() {
        assert!(guesses(&logins(), |n| n, 100, 10) <= 60);
        assert!(guesses(&logins(), |_| 7, 100, 10) <= 60);
        // Not even where it has logged in to many accounts itself.
        let known = logins();
        for name in 0..1000 {
            known.lock().remember(HERE, name, Instant::now());
        }
        assert!(guesses(&known, |n| n % 1000, 100, 10) <= 60);
    }

    #[test]
    fn the_owner_gets_in_while_others_guess_at_the_same_address() {
        let logins = logins();
        logins.lock().remember(HERE, 1, Instant::now());
        let _ = guesses(&logins, |n| 1000 + n, 100, 10);
        let now = Instant::now() + Duration::from_secs(10);
        while logins.lock().by_source.take(HERE, now).is_ok() {}
        assert_eq!(logins.lock().admit(HERE, 1, now, true), Ok(Paid::Owner));
        assert!(logins.lock().admit(HERE, 2, now, true).is_err());
    }

    #[test]
    fn the_owner_gets_in_while_many_addresses_guess_for_the_account() {
        let logins = logins();
        let now = Instant::now();
        for n in 0..10_000u32 {
            let elsewhere = Source::from(IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n)));
            let _ = logins.lock().admit(elsewhere, 1, now, true);
        }
        // From a new address after a wait, from a known one at once.
        assert!(logins.lock().admit(HERE, 1, now, true).is_err());
        assert_eq!(logins.lock().admit(HERE, 1, now, false), Ok(Paid::Source));
        logins.lock().remember(HERE, 1, now);
        assert_eq!(logins.lock().admit(HERE, 1, now, true), Ok(Paid::Source));
    }

    #[tokio::test]
    async fn an_office_that_comes_back_at_once_is_let_in() {
        let logins = logins();
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut office = tokio::task::JoinSet::new();
        for n in 0..300 {
            let logins = logins.clone();
            office.spawn(async move {
                let attempt = logins.admit(address, &format!("u{}", n % 50)).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
                attempt.succeeded();
                Ok::<_, Throttled>(())
            });
        }
        while let Some(one) = office.join_next().await {
            one.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn right_passwords_cost_nothing() {
        let logins = logins();
        let address = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..200 {
            logins.admit(address, "Ada@office.example").await.unwrap().succeeded();
        }
        let known = Duration::from_millis(50);
        let again = logins.admit(address, "ada@OFFICE.example");
        drop(tokio::time::timeout(known, again).await.expect("no wait").unwrap());
    }

    #[test]
    fn tables_stay_bounded() {
        let mut buckets = Buckets::new(2.0, 1.0);
        let start = Instant::now();
        for n in 0..3 * limits::RATE_ENTRIES as u64 {
            let _ = buckets.take(n, start + Duration::from_micros(n));
        }
        assert!(buckets.table.len() <= limits::RATE_ENTRIES);
    }

    #[test]
    fn one_network_of_ipv6_is_one_source() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), HERE);
        assert_ne!(source("::1"), source("::2"));
    }
}
