//! Which phones may come in: default, rules, exceptions, and what was decided about one phone.
//!
//! What holds for a device is kept in its row and brought up to date by whoever changes
//! something: a request reads it and computes nothing.

use crate::base::id::AccountId;
use crate::domain::device::{
    Access, Device, Reason, Wipe, all, announce, forget, put, put_admission, require,
};
use crate::domain::{Error, Result};
use crate::store::keys;
use crate::store::rows::policy::{Admission, Characteristic, Exception, Rule};
use crate::store::{Read, Tx};

/// Rules at most: each is compared with each device when something changes.
pub const RULES_MAX: usize = 100;
/// Longest pattern of a rule.
const PATTERN_MAX: usize = 256;

/// The server's settings about phones.
pub fn admission(read: &impl Read) -> Result<Admission> {
    let value = read.get(&keys::admission())?;
    Ok(value.map(|value| Admission::decode(&value)).transpose()?.unwrap_or_default())
}

/// Changes the settings, and decides anew about every device that they concern.
pub fn change(
    tx: &mut Tx<'_>,
    change: impl FnOnce(&mut Admission) -> Result<()>,
) -> Result<Admission> {
    let mut admission = admission(tx)?;
    change(&mut admission)?;
    put_admission(tx, &admission)?;
    for (account, mut device) in all(tx)? {
        let before = device.clone();
        settle(tx, account, &mut device, &admission)?;
        if device != before {
            put(tx, account, &device);
        }
    }
    Ok(admission)
}

/// Adds a rule behind the others.
pub fn add_rule(
    tx: &mut Tx<'_>,
    characteristic: Characteristic,
    pattern: &str,
    access: Access,
) -> Result<Rule> {
    let pattern = pattern.trim().to_owned();
    if pattern.is_empty() || pattern.len() > PATTERN_MAX || pattern.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "a pattern has 1 to {PATTERN_MAX} octets; * alone stands for anything"
        )));
    }
    // Numbers as people count; a change looks at every device anew, so none of them remembers a
    // rule of before by a number that is given again.
    let last = admission(tx)?.rules.iter().map(|rule| rule.number).max().unwrap_or(0);
    let rule = Rule { number: last.saturating_add(1), characteristic, pattern, access };
    let added = rule.clone();
    change(tx, move |admission| {
        if admission.rules.len() >= RULES_MAX {
            return Err(Error::TooMany("rules"));
        }
        let same = |each: &Rule| {
            each.characteristic == rule.characteristic
                && each.pattern.eq_ignore_ascii_case(&rule.pattern)
        };
        admission.rules.retain(|each| !same(each));
        admission.rules.push(rule);
        Ok(())
    })?;
    Ok(added)
}

pub fn remove_rule(tx: &mut Tx<'_>, number: u32) -> Result<()> {
    change(tx, |admission| {
        let before = admission.rules.len();
        admission.rules.retain(|rule| rule.number != number);
        if admission.rules.len() == before { Err(Error::NotFound("rule")) } else { Ok(()) }
    })?;
    Ok(())
}

/// Makes an exception for all devices of an account, or for one that may not have come yet;
/// `None` takes it back.
pub fn set_exception(
    tx: &mut Tx<'_>,
    account: AccountId,
    device: Option<&str>,
    access: Option<Access>,
) -> Result<()> {
    let device = device.map(str::to_ascii_lowercase);
    change(tx, |admission| {
        let same = |each: &Exception| each.account == account && each.device == device;
        admission.exceptions.retain(|each| !same(each));
        if let Some(access) = access {
            admission.exceptions.push(Exception { account, device, access });
        }
        Ok(())
    })?;
    Ok(())
}

/// Forgets what the settings say of an account that goes.
pub fn forget_account(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let mut admission = admission(tx)?;
    let before = admission.clone();
    admission.exceptions.retain(|each| each.account != account);
    admission.assigned.retain(|(of, _)| *of != account);
    if admission != before {
        put_admission(tx, &admission)?;
    }
    Ok(())
}

/// Decides about one device, whatever the rules say. A wiped or removed one is readmitted by
/// `Allowed`. Held requests of it end at once.
pub fn decide(tx: &mut Tx<'_>, account: AccountId, id: &str, access: Access) -> Result<Device> {
    let mut device = require(tx, account, id)?;
    if access == Access::Allowed && device.wipe.pending().is_some() {
        return Err(Error::Invalid(
            "the device is about to be wiped; take that back first (cancel-wipe)".into(),
        ));
    }
    if matches!(device.wipe, Wipe::Acknowledged { .. }) && access == Access::Allowed {
        device.wipe = Wipe::None;
    }
    device.decision = Some(access);
    device.reason = Reason::Administrator;
    device.announced |= access == Access::Quarantined;
    let admission = admission(tx)?;
    settle(tx, account, &mut device, &admission)?;
    put(tx, account, &device);
    tx.bump(account)?;
    Ok(device)
}

/// Brings a device's access up to date, with everything that follows from a change.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    account: AccountId,
    device: &mut Device,
    admission: &Admission,
) -> Result<()> {
    let before = device.access;
    (device.access, device.reason) = assess(admission, account, device);
    if device.access == Access::Quarantined && !device.announced {
        device.announced = true;
        announce::to_administrators(tx, account, device)?;
    }
    if device.access == before {
        return Ok(());
    }
    if device.access != Access::Quarantined {
        // Should it have to wait once more, that is news.
        device.announced = false;
    }
    if [before, device.access].contains(&Access::Quarantined) {
        // From the one message to the content, or back: what it was told is no longer true.
        forget(tx, account, device)?;
    }
    tx.bump(account)?;
    Ok(())
}

/// What holds for a device, and by what: in the order that Exchange has.
fn assess(admission: &Admission, account: AccountId, device: &Device) -> (Access, Reason) {
    if let Some(decided) = device.decision {
        return (decided, device.reason);
    }
    let id = device.id.to_ascii_lowercase();
    let mine = || admission.exceptions.iter().filter(|each| each.account == account);
    if let Some(exception) = mine().find(|each| each.device.as_ref() == Some(&id)) {
        return (exception.access, Reason::Device);
    }
    if let Some(exception) = mine().find(|each| each.device.is_none()) {
        return (exception.access, Reason::User);
    }
    match admission.rules.iter().find(|rule| speaks_of(rule, device)) {
        Some(rule) => (rule.access, Reason::Rule(rule.number)),
        None => (admission.default, Reason::Default),
    }
}

fn speaks_of(rule: &Rule, device: &Device) -> bool {
    let facts = &device.facts;
    match rule.characteristic {
        Characteristic::Type => fits(&rule.pattern, &device.kind),
        Characteristic::Model => fits(&rule.pattern, &facts.model),
        Characteristic::Os => fits(&rule.pattern, &facts.os),
        Characteristic::UserAgent => {
            fits(&rule.pattern, &device.user_agent) || fits(&rule.pattern, &facts.user_agent)
        }
    }
}

/// Whether a text is the pattern, in any letter case; `*` at either end stands for anything.
/// What a device has not told fits no pattern.
fn fits(pattern: &str, text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => text.contains(pattern.trim_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => text == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_at_their_open_ends() {
        for (pattern, text, wanted) in [
            ("WP8", "wp8", true),
            ("WP8", "WP80", false),
            ("Apple-iPhone*", "apple-iphone14C2/1901.46", true),
            ("*Touchdown*", "MSFT TouchDown 8", true),
            ("*1", "RM-1041", true),
            ("*", "anything", true),
            ("*", "", false),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
