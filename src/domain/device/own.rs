//! What people do with phones of their own, whichever front they use for it. Administrators have
//! more ways (`access`, `wipe`), and these for everybody's phones.

use crate::base::id::AccountId;
use crate::domain::device::{
    Device, Reason, Wipe, WipeKind, Wiper, list, remove, require_right, wipe,
};
use crate::domain::{Error, Result};
use crate::store::{Read, Tx};

/// Something that a person does with a phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// It is forgotten and stays out until an administrator readmits it.
    Remove,
    Wipe(WipeKind),
    CancelWipe,
}

/// What makes sense for a device as it stands, the mildest first.
pub fn acts(device: &Device) -> Vec<Act> {
    let mut acts = Vec::new();
    if device.wipe.pending().is_some() {
        // Removing it would take the wipe back in silence. An administrator's is not the
        // person's to cancel: the phone may be in other hands, with the person's password.
        return match device.wiper {
            Wiper::Owner => vec![Act::CancelWipe],
            Wiper::Administrator => Vec::new(),
        };
    }
    if device.reason != Reason::Removed {
        acts.push(Act::Remove);
    }
    if matches!(device.wipe, Wipe::Acknowledged { done: true, .. }) {
        return acts;
    }
    if wipe::is_account_only_possible(device) {
        acts.push(Act::Wipe(WipeKind::Account));
    }
    acts.push(Act::Wipe(WipeKind::Device));
    acts
}

/// A person's device by its number.
pub fn find(read: &impl Read, owner: AccountId, number: u32) -> Result<Device> {
    let mut devices = list(read, owner)?.into_iter();
    devices.find(|device| device.number == number).ok_or(Error::NotFound("device"))
}

/// Does it. What is so already (a button that was pressed twice) is no error; what makes no
/// sense any more is `Invalid`.
pub fn act(tx: &mut Tx<'_>, owner: AccountId, number: u32, act: Act) -> Result<Device> {
    require_right(tx, owner, owner)?;
    let device = find(tx, owner, number)?;
    if is_so_already(&device, act) {
        return Ok(device);
    }
    if !acts(&device).contains(&act) {
        return Err(Error::Invalid(refusal(&device).into()));
    }
    match act {
        Act::Remove => remove(tx, owner, &device.id),
        Act::Wipe(kind) => wipe::request(tx, owner, &device.id, kind, Wiper::Owner),
        Act::CancelWipe => wipe::cancel(tx, owner, &device.id),
    }
}

fn is_so_already(device: &Device, act: Act) -> bool {
    match act {
        Act::Remove => device.reason == Reason::Removed && device.wipe.pending().is_none(),
        Act::Wipe(kind) => device.wipe.pending() == Some(kind),
        Act::CancelWipe => device.wipe == Wipe::None,
    }
}

fn refusal(device: &Device) -> &'static str {
    match device.wipe {
        Wipe::Requested { .. } | Wipe::Sent { .. } if device.wiper == Wiper::Administrator => {
            "an administrator has the phone erased, and only an administrator can cancel that"
        }
        Wipe::Requested { .. } | Wipe::Sent { .. } => {
            "the phone is about to be erased; cancel that first"
        }
        Wipe::Acknowledged { .. } => "the phone has said already how the erasing went",
        Wipe::None => "the phone cannot erase one account only",
    }
}
