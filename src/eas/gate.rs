//! Whether a device may come in, and with what rights (MS-ASHTTP 3.1.5.2, MS-ASPROV 3.1.5.1).
//!
//! Two rows are read for each request: the device's, in which the decision about it stands, and
//! the server's settings about phones. Nothing is written but the date of the last visit, every
//! few minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::device::provision::{self, Due};
use crate::domain::device::{self, Access, Arrival, Device, LastError, WipeKind};
use crate::domain::policy::{self, Bounds};
use crate::eas::Front;
use crate::eas::answer::{Failure, common};
use crate::eas::device_information;
use crate::eas::session::Session;
use crate::eas::version::{Command, Version};
use crate::format::wbxml::tags::settings;
use crate::store::rows::policy::Admission;
use crate::store::{self, Read, keys};

/// When a device's row is told again that it was here: not for each of its requests.
const NOTED_EVERY: i64 = 300;
/// The same for its last error.
const ERROR_EVERY: i64 = 60;

/// Status of Ping and Sync: the folders have changed, ask for them (MS-ASCMD 2.2.3.177.11,
/// 2.2.3.177.17).
const PING_FOLDERS: u16 = 7;
const SYNC_FOLDERS: u16 = 12;

/// What the gate remembers: when devices were last noted in their rows, and the settings in
/// decoded form.
#[derive(Default)]
pub struct Memory {
    seen: Mutex<HashMap<(AccountId, u32), Seen>>,
    admission: Mutex<(Bytes, Arc<Admission>)>,
}

struct Seen {
    noted: UnixTime,
    error: UnixTime,
}

impl Memory {
    /// Whether it is time to note a device again.
    fn is_due(&self, account: AccountId, device: &Device, now: UnixTime) -> bool {
        let mut all = lock(&self.seen);
        // After a start, the row says when it was noted.
        let fresh = || Seen { noted: device.last_seen, error: 0 };
        let seen = all.entry((account, device.number)).or_insert_with(fresh);
        let due = now - seen.noted >= NOTED_EVERY;
        if due {
            seen.noted = now;
        }
        due
    }

    /// Whether it is time to note an error of a device: one that fails again and again is not
    /// written down each time.
    fn is_error_due(&self, account: AccountId, device: u32, now: UnixTime) -> bool {
        let mut all = lock(&self.seen);
        let Some(seen) = all.get_mut(&(account, device)) else { return false };
        let due = now - seen.error >= ERROR_EVERY;
        if due {
            seen.error = now;
        }
        due
    }

    /// The settings about phones; decoded again only when they have changed.
    fn admission(&self, read: &impl Read) -> Result<Arc<Admission>, Failure> {
        let row = read.get(&keys::admission())?.unwrap_or_default();
        let mut held = lock(&self.admission);
        if held.0 != row {
            let decoded = if row.is_empty() { Admission::default() } else { decode(&row)? };
            *held = (row, Arc::new(decoded));
        }
        Ok(held.1.clone())
    }
}

fn decode(row: &[u8]) -> Result<Admission, Failure> {
    Ok(Admission::decode(row)?)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Finds the device of a request; a new one is registered.
pub async fn identify(
    mut session: Box<Session>,
    command: Command,
) -> Result<Box<Session>, Failure> {
    let account = session.account.id;
    let known = device::find(&session.read(), account, &session.query.device_id)?;
    session.device = match known {
        None => register(&session, command).await?,
        Some(device) if session.front.memory.is_due(account, &device, session.now()) => {
            note(&session).await?
        }
        Some(device) => device,
    };
    Ok(session)
}

/// Lets a device in, or says why not.
pub fn admit(mut session: Box<Session>, command: Command) -> Result<Box<Session>, Failure> {
    let admission = session.front.memory.admission(&session.read())?;
    check(&session, &session.device, &admission, command)?;
    session.quarantined = session.device.access == Access::Quarantined;
    session.bounds = bounds(&session, &session.read(), &admission)?;
    Ok(session)
}

/// What the server itself sees to of the policy that an account has.
fn bounds(session: &Session, read: &impl Read, admission: &Admission) -> Result<Bounds, Failure> {
    let Some(head) = admission.policy_of(session.account.id) else { return Ok(Bounds::default()) };
    let policy = policy::find(read, &head.name)?;
    Ok(policy.map(|policy| Bounds::of(&policy)).unwrap_or_default())
}

/// Looks once more at the device of a request that waits, when something has happened in its
/// account: whoever blocks, wipes, approves or resets a device, or changes the policy that it
/// obeys, ends its waiting with this. The failure is the request's answer; otherwise it goes on
/// within the bounds that are returned, which hold also for a phone that knows of no policies.
pub fn recheck(session: &Session, command: Command) -> Result<Bounds, Failure> {
    let read = session.read();
    let device = device::find(&read, session.account.id, &session.query.device_id)?;
    let Some(device) = device else { return Err(Failure::LogIn) };
    let admission = session.front.memory.admission(&read)?;
    check(session, &device, &admission, command)?;
    if device.epoch != session.device.epoch || device.access != session.device.access {
        let ask = if command == Command::Ping { PING_FOLDERS } else { SYNC_FOLDERS };
        return Err(Failure::Status(ask));
    }
    bounds(session, &read, &admission)
}

/// What stands against a request.
fn check(
    session: &Session,
    device: &Device,
    admission: &Admission,
    command: Command,
) -> Result<(), Failure> {
    if let Some(kind) = device.wipe.pending() {
        // A phone that cannot erase the account alone gets nothing; all of it is not erased
        // because somebody asked for less.
        let able = kind == WipeKind::Device || session.version >= Version::V16_1;
        return match (able, command) {
            (true, Command::Provision) => Ok(()),
            (true, _) => Err(Failure::Common(common::WIPE_REQUESTED)),
            (false, _) => Err(Failure::Common(common::DEVICE_BLOCKED)),
        };
    }
    if device.access == Access::Blocked {
        return Err(Failure::Common(common::DEVICE_BLOCKED));
    }
    if command == Command::Provision {
        return Ok(());
    }
    match provision::due(admission, session.account.id, device, session.policy_key) {
        Due::Nothing => Ok(()),
        // Windows Phone 8.1 tells of itself before it provisions.
        _ if command == Command::Settings && is_only_information(session) => Ok(()),
        // There is a status for "sends no key" too (141), but phones take it as final, while
        // with this one they begin to provision.
        Due::First => Err(Failure::Common(common::NOT_PROVISIONED)),
        Due::Refresh => Err(Failure::Common(common::POLICY_REFRESH)),
        Due::BadKey => Err(Failure::Common(common::INVALID_POLICY_KEY)),
    }
}

fn is_only_information(session: &Session) -> bool {
    let Ok(Some(element)) = session.element() else { return false };
    !element.children.is_empty()
        && element.children.iter().all(|child| child.tag == settings::DEVICE_INFORMATION)
}

fn arrival(session: &Session) -> Arrival {
    Arrival {
        id: session.query.device_id.clone(),
        kind: session.query.device_type.clone(),
        user_agent: session.user_agent.clone(),
        version: session.version.name().to_owned(),
        facts: None,
    }
}

/// Registers a device. Its first request often tells what it is: then the rules, and the mail
/// to the administrators, know it as well.
async fn register(session: &Session, command: Command) -> Result<Device, Failure> {
    let account = session.account.id;
    let facts = match command {
        Command::Settings | Command::Provision => {
            session.element().ok().flatten().and_then(|root| device_information::find(&root))
        }
        _ => None,
    };
    let arrival = Arrival { facts, ..arrival(session) };
    let registered = session.write(move |tx| device::register(tx, account, &arrival));
    registered.await.map_err(refusal)
}

async fn note(session: &Session) -> Result<Device, Failure> {
    let (account, arrival) = (session.account.id, arrival(session));
    let noted = session.write(move |tx| device::seen(tx, account, &arrival));
    noted.await.map_err(refusal)
}

fn refusal(error: crate::domain::Error) -> Failure {
    match error {
        crate::domain::Error::TooMany(_) => Failure::Common(common::TOO_MANY_DEVICES),
        crate::domain::Error::Store(store::Error::Full) => Failure::Busy(60),
        other => other.into(),
    }
}

/// Notes that a request failed, for whoever looks why a phone does not get on. What belongs to
/// every phone's way in (to provision, to log in) is no error.
pub async fn failed(
    front: &Front,
    account: AccountId,
    device: &str,
    command: Command,
    failure: &Failure,
) -> Result<(), Failure> {
    let text = match failure {
        Failure::LogIn | Failure::Busy(_) => return Ok(()),
        Failure::Common(142..=144) => return Ok(()),
        Failure::Common(status) | Failure::Status(status) => {
            format!("{}: status {status}", command.name())
        }
        Failure::Http(status) => format!("{}: HTTP {}", command.name(), status.as_u16()),
    };
    let (now, device) = (front.store.clock().now(), device.to_owned());
    let Some(row) = device::find(&front.store.read(), account, &device)? else { return Ok(()) };
    if !front.memory.is_error_due(account, row.number, now) {
        return Ok(());
    }
    let error = LastError { at: now, text };
    let noted = front
        .store
        .write(move |tx| device::update(tx, account, &device, |row| row.last_error = Some(error)));
    noted.await.map_err(refusal)?;
    Ok(())
}
