//! Invitations that were declined and have left the calendar. Servers send the same one again,
//! to a group and to its member, after a failure, with every small change; without a memory each
//! would be a new invitation.

use std::ops::ControlFlow;

use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::scheduling::declining::{Version, version_of};
use crate::domain::{Result, item, scheduling};
use crate::format::ical::{self, Series};
use crate::store::keys::{self, Kind};
use crate::store::rows::declined::Declined;
use crate::store::{self, Read, Tx};

const DAY: i64 = 86_400;
/// Days for which a declined invitation is remembered, until it is over.
const DAYS_MAX: i64 = 400;
/// And at least, even if it is over: mail may be late.
const DAYS_MIN: i64 = 30;
/// Declined invitations of one account; beyond this, those that are over first go first.
const REMEMBERED_MAX: usize = 2_000;
/// Octets of a UID that are compared.
const UID_MAX: usize = 1_000;
/// Instances of one UID that were declined one by one.
const INSTANCES_MAX: usize = 400;

fn row(read: &impl Read, account: AccountId, uid: &str) -> Result<Option<Declined>> {
    let Some(value) = read.get(&keys::declined(account, item::key(uid)))? else { return Ok(None) };
    Ok(Some(Declined::decode(&value)?).filter(|row| row.uid == cut(uid)))
}

fn cut(uid: &str) -> &str {
    uid.get(..uid.floor_char_boundary(UID_MAX)).unwrap_or(uid)
}

/// Remembers that somebody does not take part in an event, as it stood.
pub fn remember(
    tx: &mut Tx<'_>,
    account: AccountId,
    event: &Series,
    home: &TimeZone,
) -> Result<()> {
    let (uid, now) = (event.uid(), tx.now());
    let Version { sequence, stamp, times, instances, until } = version_of(event, home);
    if until < now - DAYS_MIN * DAY {
        // Old meetings that somebody clears away: nobody invites to them any more.
        return Ok(());
    }
    let mut new = Declined {
        uid: cut(&uid).to_owned(),
        sequence,
        stamp,
        times,
        about: instances,
        until: until.clamp(now + DAYS_MIN * DAY, now + DAYS_MAX * DAY),
    };
    if let Some(old) = row(tx, account, &uid)?.filter(|_| !new.about.is_empty()) {
        new.about.extend(
            old.about.iter().filter(|at| !new.about.contains(at)).copied().collect::<Vec<_>>(),
        );
        (new.sequence, new.stamp) = (new.sequence, new.stamp).max((old.sequence, old.stamp));
    }
    new.about.truncate(INSTANCES_MAX);
    let key = keys::declined(account, item::key(&uid));
    make_room(tx, account, &key, now)?;
    tx.put(key, new.encode());
    Ok(())
}

/// Whether an invitation is one that was declined, or an older one: not if it has a higher
/// SEQUENCE, or was written later for another time.
pub fn is_known(
    read: &impl Read,
    account: AccountId,
    invitation: &Series,
    home: &TimeZone,
) -> Result<bool> {
    let Some(known) = row(read, account, &invitation.uid())? else { return Ok(false) };
    let told = version_of(invitation, home);
    if !known.about.is_empty() {
        let all = told.instances.iter().all(|at| known.about.contains(at));
        if told.instances.is_empty() || !all {
            return Ok(false);
        }
    }
    let Some(times) = known.times else {
        // It was cancelled, and had a higher number for it: what was written later is alive.
        return Ok(told.stamp <= known.stamp);
    };
    let as_old = (told.sequence, told.stamp) <= (known.sequence, known.stamp);
    let same = told.sequence == known.sequence && told.times == Some(times);
    Ok(as_old || same)
}

/// What is remembered of an event that was cancelled before anybody had invited to it.
pub struct Cancelled {
    /// SEQUENCE and DTSTAMP of the cancellation.
    pub version: (u32, i64),
    /// The original starts of what does not take place; empty for all of it.
    pub instances: Vec<UnixTime>,
}

/// Remembers that an organizer has cancelled an event, or instances of it, that is not here: the
/// invitation may still be on its way. Only the same organizer's is meant, and nobody can cancel
/// what will be written tomorrow.
pub fn remember_cancelled(
    tx: &mut Tx<'_>,
    account: AccountId,
    event: &Series,
    home: &TimeZone,
) -> Result<()> {
    let (whole, now) = (with_organizer(event), tx.now());
    let Version { sequence, stamp, instances, until, .. } = version_of(event, home);
    // All of it may be cancelled first, and later an instance that somebody was asked to since.
    let uid = if instances.is_empty() { whole.clone() } else { of_instances(&whole) };
    let mut new = Declined {
        uid: cut(&uid).to_owned(),
        sequence,
        stamp: stamp.min(now),
        times: None,
        about: instances,
        until: until.clamp(now + DAYS_MIN * DAY, now + DAYS_MAX * DAY),
    };
    if row(tx, account, &whole)?.is_some_and(|old| new.stamp <= old.stamp) {
        return Ok(());
    }
    if let Some(old) = row(tx, account, &uid)?.filter(|_| !new.about.is_empty()) {
        let more = old.about.iter().filter(|at| !new.about.contains(at)).copied();
        let more: Vec<UnixTime> = more.collect();
        new.about.extend(more);
        (new.sequence, new.stamp) = (new.sequence, new.stamp).max((old.sequence, old.stamp));
    }
    new.about.truncate(INSTANCES_MAX);
    let key = keys::declined(account, item::key(&uid));
    make_room(tx, account, &key, now)?;
    tx.put(key, new.encode());
    Ok(())
}

/// What was cancelled of an invitation after it was written.
pub fn cancelled(
    read: &impl Read,
    account: AccountId,
    invitation: &Series,
    home: &TimeZone,
) -> Result<Option<Cancelled>> {
    let whole = with_organizer(invitation);
    let written = version_of(invitation, home).stamp;
    for uid in [&whole, &of_instances(&whole)] {
        if let Some(known) = row(read, account, uid)?.filter(|known| written <= known.stamp) {
            let version = (known.sequence, known.stamp);
            return Ok(Some(Cancelled { version, instances: known.about }));
        }
    }
    Ok(None)
}

/// A UID that is one organizer's alone.
fn with_organizer(event: &Series) -> String {
    let organizer = event.master().and_then(|master| master.first("ORGANIZER"));
    let organizer = organizer.map(|line| scheduling::canonical(&ical::address(line)));
    format!("{}\n{}", organizer.unwrap_or_default(), event.uid())
}

/// Names what is remembered of single instances of it.
fn of_instances(uid: &str) -> String {
    format!("\n{uid}")
}

/// Forgets it: the event is back.
pub fn forget(tx: &mut Tx<'_>, account: AccountId, uid: &str) -> Result<()> {
    if row(tx, account, uid)?.is_some() {
        tx.delete(keys::declined(account, item::key(uid)));
    }
    Ok(())
}

/// Forgets what is over.
pub fn expire(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let now = tx.now();
    for (until, key) in all(tx, account)? {
        if until <= now {
            tx.delete(key);
        }
    }
    Ok(())
}

fn all(tx: &Tx<'_>, account: AccountId) -> store::Result<Vec<(UnixTime, Bytes)>> {
    let mut all = Vec::new();
    tx.scan_prefix(&keys::of_account(Kind::Declined, account), &mut |key, value| {
        all.push((Declined::decode(value)?.until, Bytes::copy_from_slice(key)));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all)
}

fn make_room(tx: &mut Tx<'_>, account: AccountId, own: &Bytes, now: UnixTime) -> Result<()> {
    let mut known = all(tx, account)?;
    known.retain(|(_, key)| key != own);
    known.sort_unstable();
    let beyond = (known.len() + 1).saturating_sub(REMEMBERED_MAX);
    for (at, (until, key)) in known.into_iter().enumerate() {
        if until <= now || at < beyond {
            tx.delete(key);
        }
    }
    Ok(())
}
