//! What every floor may use: identifiers, limits, the clock, addresses, secrets.

pub mod address;
pub mod clock;
pub mod id;
pub mod limits;
pub mod metrics;
pub mod secret;
pub mod uidset;
pub mod zone;
