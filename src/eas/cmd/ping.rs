//! Ping: waits until there is something to tell. MS-ASCMD 2.2.1.13.
//!
//! It answers "changes" only where the Sync that follows brings something: a phone that is told
//! otherwise asks again and again, and drains its battery.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::base::id::{MailboxId, ModSeq};
use crate::eas::answer::{Answer, Failure};
use crate::eas::cmd::sync::{News, WAIT_MAX, WAIT_MIN, news, still_admitted};
use crate::eas::folder::{self, Content};
use crate::eas::gate;
use crate::eas::render::Options;
use crate::eas::session::Session;
use crate::eas::state;
use crate::eas::version::Command;
use crate::eas::waiting::PerDevice;
use crate::format::wbxml::{Element, Writer, tags::ping as t};
use crate::store::rows::sync::{SyncHeader, SyncId, SyncState};
use crate::store::{Read, Snapshot};

/// Statuses (MS-ASCMD 2.2.3.177.11).
const EXPIRED: u16 = 1;
const CHANGES: u16 = 2;
const MISSING: u16 = 3;
const SYNTAX: u16 = 4;
const HEARTBEAT: u16 = 5;
const TOO_MANY: u16 = 6;
const FOLDER_SYNC: u16 = 7;

/// Folders watched at once: no phone has more, and each costs a row read for a change.
const FOLDERS_MAX: usize = 300;

/// What each device watches, for requests that leave it out.
#[derive(Default)]
pub struct Watched(PerDevice<Arc<Wishes>>);

/// What to watch, and for how long.
#[derive(Clone, Debug)]
struct Wishes {
    seconds: u32,
    folders: Vec<String>,
}

pub(super) async fn run(mut session: Box<Session>) -> Result<Answer, Failure> {
    let wishes = match wishes(&session)? {
        Ok(wishes) => wishes,
        Err(refusal) => return Ok(refusal.into()),
    };
    let (account, device) = (session.account.id, session.device.number);
    session.forget_body();
    session.front.pinged.0.put(account, device, wishes.clone());
    let place = session.front.waiting.take(account, device);
    let deadline = Instant::now() + Duration::from_secs(wishes.seconds.into());
    let mut watch = session.store().hub().watch(account);
    let mut folders = Vec::new();
    for id in &wishes.folders {
        match folder::find(&session.read(), account, id)? {
            Some((collection, content)) => {
                folders.push(Folder { id: id.clone(), collection, content, quiet: ModSeq(0) });
            }
            None => return Ok(answer(FOLDER_SYNC, &[]).into()),
        }
    }
    let down = session.front.settings.shutdown.clone();
    loop {
        if let Some(found) = look(&session, &mut folders)? {
            return Ok(found.into());
        }
        let woken = tokio::select! {
            woken = timeout_at(deadline, watch.changed()) => woken.is_ok(),
            () = place.ended() => false,
            () = down.wait() => false,
        };
        if !woken || still_admitted(&session).is_err() {
            return Ok(answer(EXPIRED, &[]).into());
        }
        let bounds = gate::recheck(&session, Command::Ping)?;
        if bounds != session.bounds {
            session.bounds = bounds;
            folders.iter_mut().for_each(|folder| folder.quiet = ModSeq(0));
        }
    }
}

/// A folder that is watched.
struct Folder {
    id: String,
    collection: MailboxId,
    content: Content,
    /// Nothing to tell up to here.
    quiet: ModSeq,
}

/// The answer, if there is something to tell.
fn look(session: &Session, folders: &mut [Folder]) -> Result<Option<Writer>, Failure> {
    let read = session.read();
    let (account, device) = (session.account.id, session.device.number);
    if folder::is_behind(&read, account, device, session.version)? {
        return Ok(Some(answer(FOLDER_SYNC, &[])));
    }
    let mut changed = Vec::new();
    for folder in folders {
        if has_news(session, &read, folder)? {
            changed.push(folder.id.as_str());
        }
    }
    Ok((!changed.is_empty()).then(|| answer(CHANGES, &changed)))
}

fn has_news(session: &Session, read: &Snapshot, folder: &mut Folder) -> Result<bool, Failure> {
    let modseq = match folder.content {
        Content::Mail | Content::Drafts => read.mailbox(folder.collection)?.map(|row| row.modseq),
        Content::Items(_) => read.collection(folder.collection)?.map(|row| row.modseq),
        Content::Outbox => return Ok(false),
    };
    let Some(modseq) = modseq.filter(|modseq| *modseq > folder.quiet) else { return Ok(false) };
    let sync = SyncId { collection: folder.collection, device: session.device.number };
    // A folder that was never synced cannot be told about.
    let Some(newest) = sync.newest(read)? else { return Ok(false) };
    let held = match newest.rivalled {
        false => vec![newest],
        // Which of them it holds, its next Sync will show.
        true => sync.headers(read)?.into_iter().filter(SyncHeader::is_last).collect(),
    };
    for header in held {
        if is_bounded_anew(session, read, sync, folder.content, &header)? {
            return Ok(true);
        }
        if let News::Some | News::Stale = news(read, sync, folder.content, header)? {
            return Ok(true);
        }
    }
    folder.quiet = modseq;
    Ok(false)
}

/// Whether the policy has moved the bounds of what the device may see, so that its next Sync
/// takes something away or brings something.
fn is_bounded_anew(
    session: &Session,
    read: &Snapshot,
    sync: SyncId,
    content: Content,
    header: &SyncHeader,
) -> Result<bool, Failure> {
    let asked = Options::decode(&header.options)?.filter;
    let filter = content.filter_within(asked, &session.bounds);
    if header.fresh || filter == header.filter {
        return Ok(false);
    }
    let cutoff = state::cutoff(content, filter, session.now());
    let choice = state::choose(session.store(), sync.collection, content, cutoff)?;
    let mut state = SyncState { header: header.clone(), sets: sync.sets(read, header)? };
    state::take_choice(&mut state, &choice, filter, cutoff);
    Ok(state.sets.pending())
}

/// Reads the request; what it leaves out is as it was the last time.
fn wishes(session: &Session) -> Result<Result<Arc<Wishes>, Writer>, Failure> {
    let before = session.front.pinged.0.of(session.account.id, session.device.number);
    let element = session.element()?;
    let asked = element.as_ref().and_then(|element| element.text_of(t::HEARTBEAT_INTERVAL));
    let seconds = match asked.map(|text| text.trim().parse::<u32>()) {
        None => before.as_ref().map(|before| before.seconds),
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return Ok(Err(answer(SYNTAX, &[]))),
    };
    let folders = match element.as_ref().and_then(|element| element.child(t::FOLDERS)) {
        Some(folders) => Some(ids_of(folders)),
        None => before.map(|before| before.folders.clone()),
    };
    let (Some(seconds), Some(folders)) = (seconds, folders) else {
        return Ok(Err(answer(MISSING, &[])));
    };
    if folders.is_empty() {
        return Ok(Err(answer(MISSING, &[])));
    }
    if folders.len() > FOLDERS_MAX {
        let mut out = Writer::new();
        out.open(t::PING);
        out.number(t::STATUS, TOO_MANY);
        out.number(t::MAX_FOLDERS, FOLDERS_MAX);
        out.close();
        return Ok(Err(out));
    }
    if !(WAIT_MIN..=WAIT_MAX).contains(&seconds) {
        let mut out = Writer::new();
        out.open(t::PING);
        out.number(t::STATUS, HEARTBEAT);
        out.number(t::HEARTBEAT_INTERVAL, seconds.clamp(WAIT_MIN, WAIT_MAX));
        out.close();
        return Ok(Err(out));
    }
    Ok(Ok(Arc::new(Wishes { seconds, folders })))
}

fn ids_of(folders: &Element) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for folder in folders.all(t::FOLDER).take(FOLDERS_MAX + 1) {
        let id = folder.text_of(t::ID).unwrap_or_default().to_owned();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn answer(status: u16, changed: &[&str]) -> Writer {
    let mut out = Writer::new();
    out.open(t::PING);
    out.number(t::STATUS, status);
    if !changed.is_empty() {
        out.open(t::FOLDERS);
        changed.iter().for_each(|id| out.text(t::FOLDER, id));
        out.close();
    }
    out.close();
    out
}
