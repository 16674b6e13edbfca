//! Phones: which ones an account has, and what they tell of themselves.
//!
//! Whether one may come in is decided in [`access`], how it takes up what `domain::policy` says
//! in [`provision`], and how it is made to forget everything in [`wipe`].

pub mod access;
mod announce;
pub mod log;
pub mod own;
pub mod provision;
pub mod wipe;

#[cfg(test)]
mod tests;

use crate::base::id::AccountId;
use crate::domain::{Error, Result};
use crate::store::keys::{self, Kind};
use crate::store::read::collect;
use crate::store::rows::policy::Admission;
use crate::store::{Read, Tx};

pub use crate::store::rows::device::{
    Access, Device, Facts, LastError, LogSwitch, Phase, PolicyMark, Provision, Reason, Wipe,
    WipeKind, Wiper,
};

/// Longest of the texts that a device tells of itself (MS-ASCMD 6.34:
/// `DeviceInformationStringType`), in characters; a listing shows less.
const TEXT_MAX: usize = 256;

/// The device with this id, in any letter case (phones are not of one mind).
pub fn find(read: &impl Read, account: AccountId, id: &str) -> Result<Option<Device>> {
    let value = read.get(&keys::device(account, &id.to_ascii_lowercase()))?;
    Ok(value.map(|value| Device::decode(&value)).transpose()?)
}

/// The same where there must be one.
pub fn require(read: &impl Read, account: AccountId, id: &str) -> Result<Device> {
    find(read, account, id)?.ok_or(Error::NotFound("device"))
}

/// All devices of an account, also those that were removed and are kept out.
pub fn list(read: &impl Read, account: AccountId) -> Result<Vec<Device>> {
    let prefix = keys::of_account(Kind::Device, account);
    Ok(collect(read, &prefix, |_, value| Device::decode(value))?)
}

/// All devices of the server, with their accounts.
pub fn all(read: &impl Read) -> Result<Vec<(AccountId, Device)>> {
    Ok(collect(read, &keys::kind(Kind::Device), |key, value| {
        let account = AccountId(keys::u32_at(key, 1).unwrap_or_default());
        Ok((account, Device::decode(value)?))
    })?)
}

/// Fails with `Denied` unless `who` owns the account or administers the server. For fronts
/// where people look after their own phones.
pub fn require_right(read: &impl Read, who: AccountId, account: AccountId) -> Result<()> {
    let row = read.account(who)?.filter(|row| row.enabled);
    match row {
        Some(row) if row.id == account || row.admin => Ok(()),
        _ => Err(Error::Denied("this is another person's phone")),
    }
}

/// A device with a request, as the request describes it.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    pub id: String,
    pub kind: String,
    pub user_agent: String,
    pub version: String,
    /// What it tells of itself, if the request has it.
    pub facts: Option<Facts>,
}

/// Registers a device that came for the first time, and decides whether it may come in. Fails
/// with `TooMany` if the account has enough of them.
///
/// Two first requests at once register it once.
pub fn register(tx: &mut Tx<'_>, account: AccountId, arrival: &Arrival) -> Result<Device> {
    if let Some(device) = find(tx, account, &arrival.id)? {
        return Ok(device);
    }
    let admission = access::admission(tx)?;
    if admission.max_devices > 0 {
        let present = list(tx, account)?.into_iter();
        let present = present.filter(|device| device.reason != Reason::Removed).count();
        if present >= admission.max_devices as usize {
            return Err(Error::TooMany("devices"));
        }
    }
    let mut device = Device {
        number: u32::try_from(tx.next_number()?).unwrap_or(u32::MAX),
        id: arrival.id.clone(),
        kind: arrival.kind.clone(),
        user_agent: arrival.user_agent.clone(),
        version: arrival.version.clone(),
        first_seen: tx.now(),
        last_seen: tx.now(),
        facts: arrival.facts.clone().map(bounded).unwrap_or_default(),
        ..Device::default()
    };
    access::settle(tx, account, &mut device, &admission)?;
    put(tx, account, &device);
    Ok(device)
}

/// Notes that a device is here, with what its last request said.
pub fn seen(tx: &mut Tx<'_>, account: AccountId, arrival: &Arrival) -> Result<Device> {
    let mut device = require(tx, account, &arrival.id)?;
    device.last_seen = tx.now();
    device.kind.clone_from(&arrival.kind);
    device.user_agent.clone_from(&arrival.user_agent);
    device.version.clone_from(&arrival.version);
    let admission = access::admission(tx)?;
    access::settle(tx, account, &mut device, &admission)?;
    put(tx, account, &device);
    Ok(device)
}

/// Keeps what a device tells of itself; a rule may look at it and decide anew.
pub fn set_facts(tx: &mut Tx<'_>, account: AccountId, id: &str, facts: Facts) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    let facts = bounded(facts);
    if facts == device.facts {
        return Ok(device);
    }
    device.facts = facts;
    let admission = access::admission(tx)?;
    access::settle(tx, account, &mut device, &admission)?;
    put(tx, account, &device);
    Ok(device)
}

/// Changes a device's row where no rule is concerned.
pub fn update(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: &str,
    change: impl FnOnce(&mut Device),
) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    change(&mut device);
    put(tx, account, &device);
    Ok(device)
}

/// Throws away what the device has been told: with its next request it starts over.
pub fn resync(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    forget(tx, account, &mut device)?;
    put(tx, account, &device);
    // A request that waits looks at the device again.
    tx.bump(account)?;
    Ok(device)
}

/// Removes a device with all that is kept for it. It stays out until it is approved: otherwise
/// it would be back with its next request.
pub fn remove(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    forget(tx, account, &mut device)?;
    for kind in [Kind::Sent, Kind::DeviceLog] {
        tx.delete_prefix(&keys::of_device(kind, account, device.number))?;
    }
    device.access = Access::Blocked;
    device.decision = Some(Access::Blocked);
    device.reason = Reason::Removed;
    device.wipe = Wipe::None;
    device.provision = Provision::default();
    device.recovery_password = None;
    device.last_error = None;
    device.log = None;
    put(tx, account, &device);
    tx.bump(account)?;
    Ok(device)
}

/// Drops everything about the devices of an account that goes.
pub(super) fn remove_all(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    for kind in [
        Kind::Device,
        Kind::SyncState,
        Kind::SyncSet,
        Kind::FolderState,
        Kind::Sent,
        Kind::DeviceLog,
    ] {
        tx.delete_prefix(&keys::of_account(kind, account))?;
    }
    access::forget_account(tx, account)
}

/// Forgets what the device was told: folders, sync keys, sets.
fn forget(tx: &mut Tx<'_>, account: AccountId, device: &mut Device) -> Result<()> {
    for kind in [Kind::SyncState, Kind::SyncSet, Kind::FolderState] {
        tx.delete_prefix(&keys::of_device(kind, account, device.number))?;
    }
    device.epoch = device.epoch.wrapping_add(1);
    Ok(())
}

fn put(tx: &mut Tx<'_>, account: AccountId, device: &Device) {
    tx.put(keys::device(account, &device.id.to_ascii_lowercase()), device.encode());
}

/// Bumps every account that has a device: requests that wait look at what has changed.
pub(super) fn wake_all(tx: &mut Tx<'_>) -> Result<()> {
    let mut accounts: Vec<AccountId> = all(tx)?.into_iter().map(|(account, _)| account).collect();
    accounts.dedup();
    for account in accounts {
        tx.bump(account)?;
    }
    Ok(())
}

/// Cuts what a device tells of itself, and takes out what no listing should show.
fn bounded(mut facts: Facts) -> Facts {
    for text in [
        &mut facts.model,
        &mut facts.imei,
        &mut facts.friendly_name,
        &mut facts.os,
        &mut facts.os_language,
        &mut facts.phone_number,
        &mut facts.mobile_operator,
        &mut facts.user_agent,
    ] {
        let clean = text.trim().chars().filter(|c| !c.is_control()).take(TEXT_MAX);
        *text = clean.collect();
    }
    facts
}

/// Octets of the settings about phones: every request of a phone reads them. Room for some
/// thousand exceptions and assignments; what is meant for many belongs into a rule.
const ADMISSION_MAX: usize = 64 * 1024;

/// Keeps the settings that every request is checked against.
pub(super) fn put_admission(tx: &mut Tx<'_>, admission: &Admission) -> Result<()> {
    let row = admission.encode();
    if row.len() > ADMISSION_MAX {
        return Err(Error::TooMany("rules, exceptions and assignments"));
    }
    tx.put(keys::admission(), row);
    Ok(())
}
