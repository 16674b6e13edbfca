//! How a phone takes up a policy, in two phases (MS-ASPROV 3.2.5.1).

use crate::base::id::AccountId;
use crate::base::secret;
use crate::domain::device::{Device, Phase, PolicyMark, Provision, access, put, require};
use crate::domain::{Result, policy};
use crate::store::Tx;
use crate::store::rows::policy::{Admission, Policy, PolicyHead};

/// What a device has to do before it may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    Nothing,
    /// It has never taken up a policy.
    First,
    /// Its policy has changed since.
    Refresh,
    /// Its key is not the one that it was given.
    BadKey,
}

/// What a request has to be told: cheap, for every request.
///
/// `key` is the policy key that it carries. Phones that do not know of policies send none at
/// all, and `0` says "not yet"; only the former are let in by `allow_unprovisionable`, so that
/// phones which can obey do (that is also how Exchange tells them apart).
pub fn due(admission: &Admission, account: AccountId, device: &Device, key: Option<u32>) -> Due {
    let provision = &device.provision;
    let Some(policy) = admission.policy_of(account) else {
        // A policy that it obeys and that is gone has to be lifted.
        return if provision.acknowledged.is_some() { Due::Refresh } else { Due::Nothing };
    };
    match (&provision.acknowledged, key) {
        (None, None) if policy.allow_unprovisionable => Due::Nothing,
        // It asked by itself when nothing was demanded of it, and has a key since.
        (None, Some(key)) if key != 0 && key == provision.key => Due::Refresh,
        (None, _) | (_, None | Some(0)) => Due::First,
        (Some(_), Some(key)) if key != provision.key => Due::BadKey,
        (Some(mark), _) if is_current(mark, policy) => Due::Nothing,
        _ => Due::Refresh,
    }
}

fn is_current(mark: &PolicyMark, policy: &PolicyHead) -> bool {
    mark.name == policy.name && mark.version == policy.version
}

/// The answer to a first phase: a policy, to be acknowledged with this key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    pub key: u32,
    pub policy: Policy,
}

/// First phase: the policy with a temporary key.
///
/// Where nothing is demanded it is a policy that says so, with keys like any other: of the
/// clients that provision whatever they are told, some take "no policy" (Policy Status 2) for a
/// failure (pyActiveSync needs a key, TbSync gave up), and a key is "required" in the answer
/// (MS-ASPROV 2.2.2.41). Exchange's default policy is such a one. The Android client, which
/// would make itself a device administrator for any policy at all, provisions only when it is
/// told to.
pub fn offer(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Offer> {
    let mut device = require(tx, account, id)?;
    let admission = access::admission(tx)?;
    let head = admission.policy_of(account).map(|head| head.name.clone());
    let policy = match head {
        Some(name) => policy::find(tx, &name)?,
        None => None,
    };
    let policy = policy.unwrap_or_else(policy::undemanding);
    let temporary = new_key(&device);
    let mark = Some(policy.mark()).filter(|mark| !mark.name.is_empty());
    device.provision.phase = Phase::Offered { temporary, mark };
    put(tx, account, &device);
    Ok(Offer { key: temporary, policy })
}

/// What a device says in the second phase (MS-ASPROV 2.2.2.54.1, in requests).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obeyed {
    All,
    /// As much as it can, the password at least.
    Partly,
    /// Nothing at all.
    Not,
    /// Somebody else manages it.
    Elsewhere,
}

/// The answer to a second phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acknowledged {
    /// The key of all further requests.
    Key(u32),
    WrongKey,
    /// It has to obey more than it does.
    TooLittle,
    /// It must not be managed by others.
    ManagedElsewhere,
}

/// Second phase: the device says how it obeys what it was offered with this key.
pub fn acknowledge(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: &str,
    key: u32,
    obeyed: Obeyed,
) -> Result<Acknowledged> {
    let mut device = require(tx, account, id)?;
    let admission = access::admission(tx)?;
    let head = admission.policy_of(account).map(|head| head.name.clone());
    let mark = match &device.provision.phase {
        Phase::Offered { temporary, mark } if *temporary == key => mark.clone(),
        Phase::Done { temporary } if *temporary == key => {
            return Ok(Acknowledged::Key(device.provision.key));
        }
        _ => return Ok(Acknowledged::WrongKey),
    };
    let policy = head.map(|name| policy::find(tx, &name)).transpose()?.flatten();
    if let Some(policy) = policy
        && !is_enough(&policy, obeyed)
    {
        return Ok(match obeyed {
            Obeyed::Elsewhere => Acknowledged::ManagedElsewhere,
            Obeyed::All | Obeyed::Partly | Obeyed::Not => Acknowledged::TooLittle,
        });
    }
    device.provision = Provision {
        acknowledged: mark,
        key: new_key(&device),
        phase: Phase::Done { temporary: key },
        partial: obeyed != Obeyed::All,
    };
    put(tx, account, &device);
    Ok(Acknowledged::Key(device.provision.key))
}

fn is_enough(policy: &Policy, obeyed: Obeyed) -> bool {
    match obeyed {
        Obeyed::All => true,
        Obeyed::Partly => policy.allow_partial || policy.allow_unprovisionable,
        Obeyed::Not | Obeyed::Elsewhere => policy.allow_unprovisionable,
    }
}

/// A key that the device does not have: never 0, and it fits into 31 bits, because some read it
/// as a signed number.
fn new_key(device: &Device) -> u32 {
    let temporary = match &device.provision.phase {
        Phase::Idle => 0,
        Phase::Offered { temporary, .. } | Phase::Done { temporary } => *temporary,
    };
    loop {
        let key = u32::from_be_bytes(secret::random()) >> 1;
        if ![0, device.provision.key, temporary].contains(&key) {
            return key;
        }
    }
}
