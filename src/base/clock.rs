//! The time, passed in so that tests can hold it still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 00:00:00 UTC.
pub type UnixTime = i64;

/// A source of the current time; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until it is set.
    pub fn fixed(at: UnixTime) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at))))
    }

    /// Sets a fixed clock; the system's clock is not changed.
    pub fn set(&self, at: UnixTime) {
        if let Some(fixed) = &self.0 {
            fixed.store(at, Ordering::Relaxed);
        }
    }

    /// Now, in UTC.
    pub fn now(&self) -> UnixTime {
        match &self.0 {
            Some(fixed) => fixed.load(Ordering::Relaxed),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64),
        }
    }
}
