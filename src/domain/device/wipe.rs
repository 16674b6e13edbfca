//! Remote wipe: requested, told to the phone, acknowledged by it (MS-ASPROV 3.2.5.1.2.2).

use crate::base::id::AccountId;
use crate::domain::device::{Access, Device, Reason, Wipe, WipeKind, Wiper, forget, put, require};
use crate::domain::{Error, Result};
use crate::store::Tx;

/// The first version in which a phone can erase one account only.
const ACCOUNT_ONLY_SINCE: &str = "16.1";

/// Whether a device speaks of wiping one account only.
pub fn is_account_only_possible(device: &Device) -> bool {
    device.version == ACCOUNT_ONLY_SINCE
}

/// Asks for a device to be wiped; it is told with its next request. Fails with `Invalid` if it
/// does not speak of wiping one account only: erasing more than was asked for is no way out.
///
/// Asked for by an administrator it is the administrator's from then on, also where the person
/// had asked before.
pub fn request(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: &str,
    kind: WipeKind,
    wiper: Wiper,
) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    if kind == WipeKind::Account && !is_account_only_possible(&device) {
        return Err(Error::Invalid(format!(
            "the device speaks version {}, and only from {ACCOUNT_ONLY_SINCE} on can the account \
             alone be wiped; block or remove the device, or wipe all of it",
            device.version
        )));
    }
    device.wipe = Wipe::Requested { kind, at: tx.now() };
    device.wiper = wiper;
    put(tx, account, &device);
    // A request that waits ends with this.
    tx.bump(account)?;
    Ok(device)
}

/// Takes the request back, as long as the device has not acknowledged it. That a person takes
/// back only what is theirs, [`own`](super::own) sees to.
pub fn cancel(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    match device.wipe {
        Wipe::Requested { .. } | Wipe::Sent { .. } => device.wipe = Wipe::None,
        Wipe::None => {
            return Err(Error::Invalid(format!("no wipe of {} was requested", device.id)));
        }
        Wipe::Acknowledged { .. } => {
            return Err(Error::Invalid("the device has been wiped already".into()));
        }
    }
    put(tx, account, &device);
    tx.bump(account)?;
    Ok(device)
}

/// Notes that the device is told with this answer.
pub fn sent(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    if let Wipe::Requested { kind, .. } = device.wipe {
        device.wipe = Wipe::Sent { kind, at: tx.now() };
        put(tx, account, &device);
    }
    Ok(device)
}

/// Notes what the device said to it. It stays out from now on, until it is approved.
pub fn acknowledged(tx: &mut Tx<'_>, account: AccountId, id: &str, done: bool) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    let Some(kind) = device.wipe.pending() else { return Ok(device) };
    device.wipe = Wipe::Acknowledged { kind, at: tx.now(), done };
    device.access = Access::Blocked;
    device.decision = Some(Access::Blocked);
    device.reason = Reason::Wiped;
    device.provision = Default::default();
    device.recovery_password = None;
    forget(tx, account, &mut device)?;
    put(tx, account, &device);
    tx.bump(account)?;
    Ok(device)
}
