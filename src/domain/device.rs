//! Phones: which ones an account has.

use crate::base::id::AccountId;
use crate::domain::Result;
use crate::store::keys;
use crate::store::{Read, Tx};

pub use crate::store::rows::device::Device;

/// The device with this id, in any letter case (phones are not of one mind).
pub fn find(read: &impl Read, account: AccountId, id: &str) -> Result<Option<Device>> {
    let value = read.get(&keys::device(account, &id.to_ascii_lowercase()))?;
    Ok(value.map(|value| Device::decode(&value)).transpose()?)
}

/// Notes that a device is here, registering one that is new.
pub fn note(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: &str,
    change: impl FnOnce(&mut Device),
) -> Result<Device> {
    let mut device = match find(tx, account, id)? {
        Some(device) => device,
        None => Device {
            number: u32::try_from(tx.next_number()?).unwrap_or(u32::MAX),
            id: id.to_owned(),
            first_seen: tx.now(),
            ..Device::default()
        },
    };
    device.last_seen = tx.now();
    change(&mut device);
    tx.put(keys::device(account, &id.to_ascii_lowercase()), device.encode());
    Ok(device)
}
