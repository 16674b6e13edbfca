//! Whether a device may come in, and with what rights.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::http::HeaderMap;

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::device::{self, Device};
use crate::eas::answer::Failure;
use crate::eas::session::Session;
use crate::store;

/// When a device's row is told again that it was here: not for each of its requests.
const NOTED_EVERY: i64 = 300;

/// When devices were last noted in their rows.
#[derive(Default)]
pub struct Seen(Mutex<HashMap<(AccountId, u32), UnixTime>>);

impl Seen {
    /// Whether it is time to note a device again.
    fn is_due(&self, account: AccountId, device: u32, now: UnixTime) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let last = seen.entry((account, device)).or_insert(0);
        let due = now - *last >= NOTED_EVERY;
        if due {
            *last = now;
        }
        due
    }
}

/// Lets a device in, or says why not. A new one is registered.
pub async fn admit(mut session: Session, _headers: &HeaderMap) -> Result<Session, Failure> {
    let account = session.account.id;
    let known = device::find(&session.read(), account, &session.query.device_id)?;
    let due = known
        .as_ref()
        .is_none_or(|device| session.front.seen.is_due(account, device.number, session.now()));
    session.device = match known {
        Some(device) if !due => device,
        _ => note(&session).await?,
    };
    Ok(session)
}

async fn note(session: &Session) -> Result<Device, Failure> {
    let (account, id) = (session.account.id, session.query.device_id.clone());
    let (kind, agent) = (session.query.device_type.clone(), session.user_agent.clone());
    let version = session.version.name().to_owned();
    let noted = session.write(move |tx| {
        device::note(tx, account, &id, |device| {
            device.kind = kind;
            device.user_agent = agent;
            device.version = version;
        })
    });
    Ok(noted.await.map_err(|error: crate::domain::Error| match error {
        crate::domain::Error::Store(store::Error::Full) => Failure::Busy(60),
        other => other.into(),
    })?)
}
