//! The count of connections: how many there are, from where, and which ones must go first.
//!
//! A connection that has shown itself to be a client's ([`Ticket::welcome`]) stays; of the
//! others, the oldest is closed when descriptors run out. So strangers that connect and say
//! nothing crowd out each other, never those who work here.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Refusal;
use super::proxies::Proxies;
use super::rate::{Buckets, Source};
use crate::base::limits::{self, Limits};
use crate::base::metrics::Metric;

static OPEN: Metric = Metric::gauge("kontor_connections", "Connections open now.");
static REFUSED: Metric =
    Metric::counter("kontor_connections_refused_total", "Connections that found no room.");
static EVICTED: Metric = Metric::counter(
    "kontor_connections_evicted_total",
    "Connections without log-in that were closed to make room.",
);

/// A stranger's connection is left alone for so long, however crowded it is: the one that is
/// just being set up may be a client's.
const SETTLE: Duration = Duration::from_secs(2);

/// All connections of the server, over all of its listeners.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    most_per_address: usize,
    /// Many clients come from these, and are no crowd.
    proxies: Proxies,
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    last_id: u64,
    open: usize,
    by_source: HashMap<Source, u32>,
    /// Not yet welcome, by age.
    strangers: BTreeMap<u64, Stranger>,
    pace: Buckets<Source>,
}

#[derive(Debug)]
struct Stranger {
    since: Instant,
    task: Option<AbortHandle>,
}

/// One connection in the count, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: u64,
    source: Source,
    welcome: AtomicBool,
    connections: Arc<Connections>,
}

impl Connections {
    /// Counts up to what the limits say, and never beyond what the process's descriptors allow.
    pub fn new(limits: &Limits, descriptors: u64, proxies: Proxies) -> Arc<Self> {
        // A tenth stays free, so that the store, the log and new comers find descriptors.
        let usable = (descriptors / 10 * 9).saturating_sub(limits::DESCRIPTORS_RESERVED).max(16);
        let rate = f64::from(limits.connects_per_second.max(1));
        let state = State {
            last_id: 0,
            open: 0,
            by_source: HashMap::new(),
            strangers: BTreeMap::new(),
            pace: Buckets::new(rate * 10.0, rate),
        };
        Arc::new(Self {
            most: limits.connections.min(usize::try_from(usable).unwrap_or(usize::MAX)),
            most_per_address: limits.connections_per_address,
            proxies,
            state: Mutex::new(state),
            emptied: Notify::new(),
        })
    }

    /// Counts a new connection, or says why there is no room for it.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Arc<Ticket>, Refusal> {
        let result = self.try_admit(address, Instant::now());
        if result.is_err() {
            REFUSED.add(1);
        }
        result
    }

    fn try_admit(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Arc<Ticket>, Refusal> {
        let (source, proxy) = (Source::from(address), self.proxies.trusts(address));
        let mut state = self.lock();
        let here = state.by_source.get(&source).copied().unwrap_or(0);
        if here as usize >= self.most_per_address && !proxy {
            return Err(Refusal::TooManyFromAddress);
        }
        if state.open >= self.most && !state.evict_oldest(now) {
            return Err(Refusal::Full);
        }
        if state.pace.take(source, now).is_err() && !proxy {
            return Err(Refusal::TooFast);
        }
        state.last_id += 1;
        let id = state.last_id;
        state.open += 1;
        OPEN.set(state.open as i64);
        *state.by_source.entry(source).or_insert(0) += 1;
        state.strangers.insert(id, Stranger { since: now, task: None });
        drop(state);
        let (welcome, connections) = (AtomicBool::new(false), self.clone());
        Ok(Arc::new(Ticket { id, source, welcome, connections }))
    }

    /// Names the task that serves a connection, so that it can be ended for others' sake.
    pub(super) fn served_by(&self, id: u64, task: AbortHandle) {
        // It may be over, or welcome, already.
        if let Some(stranger) = self.lock().strangers.get_mut(&id) {
            stranger.task = Some(task);
        }
    }

    /// Closes the oldest connection that is not yet welcome; false if there is none.
    pub(super) fn make_room(&self) -> bool {
        self.lock().evict_oldest(Instant::now())
    }

    /// How many there are.
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// Returns when there are none, or after `patience`; says which.
    pub async fn emptied(&self, patience: Duration) -> bool {
        let none = async {
            loop {
                let mut woken = std::pin::pin!(self.emptied.notified());
                woken.as_mut().enable();
                if self.open() == 0 {
                    return;
                }
                woken.await;
            }
        };
        tokio::time::timeout(patience, none).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics half-way; if it did, a count that is off by one is better than
        // a server that takes no connection.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn evict_oldest(&mut self, now: Instant) -> bool {
        let Some(entry) = self.strangers.first_entry() else { return false };
        if now.duration_since(entry.get().since) < SETTLE {
            return false;
        }
        let Some(task) = entry.remove().task else { return false };
        task.abort();
        EVICTED.add(1);
        true
    }
}

impl Ticket {
    pub(super) fn welcome(&self) {
        if !self.welcome.swap(true, Ordering::Relaxed) {
            let mut state = self.connections.lock();
            state.strangers.remove(&self.id);
            state.pace.give_back(self.source);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        state.strangers.remove(&self.id);
        state.open = state.open.saturating_sub(1);
        OPEN.set(state.open as i64);
        if let Some(here) = state.by_source.get_mut(&self.source) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                state.by_source.remove(&self.source);
            }
        }
        if state.open == 0 {
            self.connections.emptied.notify_waiters();
        }
    }
}

/// Raises the soft limit of descriptors to the hard one and returns it: the usual 1,024 would
/// end at a thousand connections.
pub fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let soft = limit.current;
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit of open files");
            limit.current = soft;
        }
    }
    limit.current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn connections(most: usize, per_address: usize) -> Arc<Connections> {
        let limits = Limits {
            connections: most,
            connections_per_address: per_address,
            connects_per_second: 1,
            ..Limits::default()
        };
        Connections::new(&limits, 65_536, Proxies::from_iter(["192.0.2.9".parse().unwrap()]))
    }

    #[test]
    fn one_address_takes_its_share_and_gets_it_back() {
        let all = connections(10, 2);
        let (first, _second) = (all.admit(address(1)).unwrap(), all.admit(address(1)).unwrap());
        assert_eq!(all.admit(address(1)).unwrap_err(), Refusal::TooManyFromAddress);
        let _other = all.admit(address(2)).unwrap();
        drop(first);
        all.admit(address(1)).unwrap();
        assert_eq!(all.open(), 2);
    }

    #[test]
    fn those_who_come_to_no_purpose_are_paced_and_clients_are_not() {
        let all = connections(100, 100);
        for _ in 0..50 {
            all.admit(address(1)).unwrap().welcome();
        }
        for _ in 0..10 {
            all.admit(address(2)).unwrap();
        }
        assert_eq!(all.admit(address(2)).unwrap_err(), Refusal::TooFast);
        all.admit(address(1)).unwrap();
    }

    #[test]
    fn a_proxy_of_ours_brings_as_many_as_there_is_room_for() {
        let all = connections(100, 2);
        let _held: Vec<_> = (0..50).map(|_| all.admit(address(9)).unwrap()).collect();
    }

    #[tokio::test]
    async fn a_full_server_lets_the_oldest_stranger_go() {
        let all = connections(2, 2);
        let now = Instant::now();
        let old = now.checked_sub(SETTLE * 2).unwrap_or(now);
        let client = all.try_admit(address(1), old).unwrap();
        client.welcome();
        let silent = all.try_admit(address(2), old).unwrap();
        let id = silent.id;
        let task = tokio::spawn(async move {
            let _held = silent;
            std::future::pending::<()>().await;
        });
        all.served_by(id, task.abort_handle());
        let newest = all.try_admit(address(3), old + SETTLE * 2).unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(all.open(), 2);
        // The newest is left to settle, the client stays: nobody can go.
        let refused = all.try_admit(address(4), old + SETTLE * 2).unwrap_err();
        assert_eq!(refused, Refusal::Full);
        drop((client, newest));
        assert!(all.emptied(Duration::ZERO).await);
    }
}
