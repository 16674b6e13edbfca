//! What a phone sees that waits for an administrator's approval: its folders, and one message in
//! the inbox that says so.
//!
//! Its sync keys are its own (`Q1`, `Q2`, …): they hold all that there is to remember, and none
//! of them is good for anything once the phone is approved. Then the folder key is void as well,
//! so that the phone asks for everything anew by itself.

mod notice;
mod sync;

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::domain::mailbox;
use crate::eas::answer::{Answer, Failure, common};
use crate::eas::cmd::{self, Running};
use crate::eas::gate;
use crate::eas::ids;
use crate::eas::render::Options;
use crate::eas::session::Session;
use crate::eas::version::Command;
use crate::format::wbxml::tags::{air_sync, get_item_estimate, item_operations, ping};
use crate::format::wbxml::{Element, Writer};

/// Seconds that a phone may ask to wait (MS-ASCMD 2.2.3.79.1).
const WAIT_SECS: std::ops::RangeInclusive<u64> = 60..=3540;
/// Collections of a request that are looked at.
const COLLECTIONS_MAX: usize = 1_000;

/// Runs a command of a device in quarantine.
pub fn run(command: Command, session: Box<Session>) -> Running {
    match command {
        Command::FolderSync | Command::Provision | Command::Settings => cmd::run(command, session),
        Command::Sync => Box::pin(sync::run(session)),
        Command::Ping => Box::pin(ping(session)),
        Command::GetItemEstimate => Box::pin(async move { estimate(&session) }),
        Command::ItemOperations => Box::pin(async move { fetch(&session) }),
        _ => Box::pin(async { Err(Failure::Common(common::ACCESS_DENIED)) }),
    }
}

/// The inbox as phones name it, where the one message is.
fn inbox(session: &Session) -> Result<String, Failure> {
    let inbox = mailbox::find(&session.read(), session.account.id, mailbox::INBOX)?;
    Ok(ids::collection(inbox.id))
}

/// What ends a wait.
enum End {
    Time,
    /// The device's next request is here.
    Next,
}

/// Waits until somebody decides about the device: that is the failure, and the answer.
async fn wait(session: &Session, command: Command, seconds: u64) -> Result<End, Failure> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let place = session.front.waiting.take(session.account.id, session.device.number);
    let mut watch = session.store().hub().watch(session.account.id);
    let shutdown = session.front.settings.shutdown.clone();
    loop {
        gate::recheck(session, command)?;
        tokio::select! {
            _ = watch.changed() => {}
            () = place.ended() => return Ok(End::Next),
            () = sleep_until(until) => return Ok(End::Time),
            () = shutdown.wait() => return Err(Failure::Busy(10)),
        }
    }
}

/// Ping: nothing ever comes but the decision.
async fn ping(mut session: Box<Session>) -> Result<Answer, Failure> {
    const EXPIRED: u16 = 1;
    const MISSING: u16 = 3;
    // Nothing is kept of an earlier request, so a short one is asked to be said in full.
    let root = session.element()?.ok_or(Failure::Status(MISSING))?;
    let seconds = root.parse_of::<u64>(ping::HEARTBEAT_INTERVAL);
    let seconds = seconds.ok_or(Failure::Status(MISSING))?;
    if !root.child(ping::FOLDERS).is_some_and(|folders| folders.has(ping::FOLDER)) {
        return Err(Failure::Status(MISSING));
    }
    if !WAIT_SECS.contains(&seconds) {
        let bound = seconds.clamp(*WAIT_SECS.start(), *WAIT_SECS.end());
        let mut out = Writer::new();
        out.open(ping::PING);
        out.number(ping::STATUS, 5);
        out.number(ping::HEARTBEAT_INTERVAL, bound);
        out.close();
        return Ok(out.into());
    }
    drop(root);
    session.forget_body();
    wait(&session, Command::Ping, seconds).await?;
    Err(Failure::Status(EXPIRED))
}

/// GetItemEstimate: the message, for those who count before they sync.
fn estimate(session: &Session) -> Result<Answer, Failure> {
    use get_item_estimate as g;
    let (root, inbox) = (session.required_element()?, inbox(session)?);
    let collections = root.child(g::COLLECTIONS).ok_or(common_content())?;
    let mut out = Writer::new();
    out.open(g::GET_ITEM_ESTIMATE);
    for collection in collections.all(g::COLLECTION).take(COLLECTIONS_MAX) {
        let id = collection.text_of(g::COLLECTION_ID).unwrap_or_default();
        let key = sync::Key::read(collection.text_of(air_sync::SYNC_KEY).unwrap_or("0"));
        let fresh = id == inbox && key.is_some_and(|key| !key.has_notice());
        out.open(g::RESPONSE);
        out.number(g::STATUS, 1);
        out.open(g::COLLECTION);
        out.text(g::COLLECTION_ID, id);
        out.number(g::ESTIMATE, u8::from(fresh));
        out.close();
        out.close();
    }
    out.close();
    Ok(out.into())
}

/// ItemOperations: some phones fetch a message when it is opened.
fn fetch(session: &Session) -> Result<Answer, Failure> {
    use item_operations as o;
    const NOT_FOUND: u16 = 6;
    let (root, inbox) = (session.required_element()?, inbox(session)?);
    if !root.has(o::FETCH) {
        return Err(Failure::Common(common::ACCESS_DENIED));
    }
    let mut out = Writer::new();
    out.open(o::ITEM_OPERATIONS);
    out.number(o::STATUS, 1);
    out.open(o::RESPONSE);
    for fetch in root.all(o::FETCH).take(COLLECTIONS_MAX) {
        let id = fetch.text_of(air_sync::SERVER_ID).unwrap_or_default();
        let is_notice = id == notice::id(&inbox);
        out.open(o::FETCH);
        out.number(o::STATUS, if is_notice { 1 } else { NOT_FOUND });
        if is_notice {
            let options = fetch.child(o::OPTIONS).map(Options::read).unwrap_or_default();
            out.text(air_sync::COLLECTION_ID, &inbox);
            out.text(air_sync::SERVER_ID, id);
            out.text(air_sync::CLASS, "Email");
            out.open(o::PROPERTIES);
            notice::write(&mut out, session, &options);
            out.close();
        }
        out.close();
    }
    out.close();
    out.close();
    Ok(out.into())
}

fn common_content() -> Failure {
    Failure::Common(common::INVALID_CONTENT)
}

/// Seconds that a Sync asks to wait; `None` is not at all.
fn wait_of(root: &Element) -> Option<u64> {
    let minutes = root.parse_of::<u64>(air_sync::WAIT).map(|minutes| minutes.saturating_mul(60));
    let seconds = root.parse_of::<u64>(air_sync::HEARTBEAT_INTERVAL);
    let wanted = minutes.or(seconds).filter(|seconds| *seconds > 0)?;
    Some(wanted.clamp(*WAIT_SECS.start(), *WAIT_SECS.end()))
}
