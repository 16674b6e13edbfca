//! Out of office: what an account answers while its owner is away.

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::{Error, Result};
use crate::store::keys::{self, Kind};
use crate::store::{Read, Tx};

pub use crate::store::rows::out_of_office::{Answer, OutOfOffice, State};

/// Longest text of one answer in bytes; three of them fit into one row.
pub const TEXT_MAX: usize = 24 * 1024;

/// The account's settings; off and empty if there are none yet.
pub fn get(read: &impl Read, account: AccountId) -> Result<OutOfOffice> {
    let value = read.get(&keys::out_of_office(account))?;
    Ok(value.map(|value| OutOfOffice::decode(&value)).transpose()?.unwrap_or_default())
}

/// Replaces the settings. Whoever was answered before is answered again once the owner is away
/// for another time or says something else.
///
/// Fails with `TooLarge`, or `Invalid` where the time away is missing or ends before it begins.
pub fn set(tx: &mut Tx<'_>, account: AccountId, new: &OutOfOffice) -> Result<()> {
    if [&new.internal, &new.known, &new.unknown].iter().any(|a| a.text.len() > TEXT_MAX) {
        return Err(Error::TooLarge);
    }
    if new.state == State::Timed {
        match (new.from, new.until) {
            (Some(from), Some(until)) if from < until => {}
            _ => return Err(Error::Invalid("the time away ends before it begins".into())),
        }
    }
    let old = get(tx, account)?;
    if old == *new {
        return Ok(());
    }
    tx.delete_prefix(&keys::of_account(Kind::Replied, account))?;
    tx.put(keys::out_of_office(account), new.encode());
    Ok(())
}

impl OutOfOffice {
    /// Whether the owner is away at this time.
    pub fn is_away(&self, now: UnixTime) -> bool {
        match self.state {
            State::Off => false,
            State::On => true,
            State::Timed => {
                self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|end| now < end)
            }
        }
    }
}
