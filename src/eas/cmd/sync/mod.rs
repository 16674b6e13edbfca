//! Sync: what changed on either side since the key. MS-ASCMD 2.2.1.21.
//!
//! A collection with nothing to tell costs a read of two rows. Where there is something, all
//! collections of the request are stepped in one transaction, together with the device's own
//! changes; the answer is rendered behind it.

mod answer;
mod apply;
mod drafts;
mod request;
mod step;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::base::id::{MailboxId, ModSeq};
use crate::domain;
use crate::eas::answer::{Answer, Failure};
use crate::eas::folder::{self, Content};
use crate::eas::gate;
use crate::eas::render::Options;
use crate::eas::session::Session;
use crate::eas::state;
use crate::eas::version::{Command, Version};
use crate::store::rows::sync::{Applied, SyncHeader, SyncId, SyncState};
use crate::store::{Read, Snapshot};

use request::{Bad, Failed, Request, Wanted};
use step::{Step, Told};

pub use request::{WAIT_MAX, WAIT_MIN};

/// There is no request before that an empty one could repeat (MS-ASCMD 2.2.3.177.17).
const INCOMPLETE: u16 = 13;
const SERVER_ERROR: u16 = 5;

/// The last request of each device, for empty and partial ones.
#[derive(Default)]
pub struct Remembered(crate::eas::waiting::PerDevice<Arc<Request>>);

pub(super) async fn run(mut session: Box<Session>) -> Result<Answer, Failure> {
    let request = match current_request(&session) {
        Ok(request) => request,
        Err(Failed::Bad(Bad(status))) => return Ok(answer::refusal(status, None)),
        Err(Failed::Wait { limit }) => {
            return Ok(answer::refusal(request::WAIT_OUT_OF_RANGE, Some(limit)));
        }
        Err(Failed::Domain(error)) => return Err(error.into()),
    };
    session.forget_body();
    let deadline = request.wait_secs.map(|secs| Instant::now() + Duration::from_secs(secs.into()));
    let place = session.front.waiting.take(session.account.id, session.device.number);
    let mut watch = session.store().hub().watch(session.account.id);
    let down = &session.front.settings.shutdown;
    loop {
        // In a box each, so that a phone that waits does not hold their room.
        let told = Box::pin(round(&session, &request)).await?;
        let Some(deadline) = deadline.filter(|_| told.iter().all(Option::is_none)) else {
            return Box::pin(finish(&session, &request, told)).await;
        };
        let woken = tokio::select! {
            woken = timeout_at(deadline, watch.changed()) => woken.is_ok(),
            () = place.ended() => false,
            () = down.wait() => false,
        };
        if !woken || still_admitted(&session).is_err() {
            return Box::pin(finish(&session, &request, told)).await;
        }
        session.bounds = gate::recheck(&session, Command::Sync)?;
    }
}

/// Whoever locks a person out, or changes the password, ends what waits; about the device,
/// the gate is asked.
pub fn still_admitted(session: &Session) -> Result<(), ()> {
    let account = session.read().account(session.account.id).ok().flatten().ok_or(())?;
    let same = account.enabled && account.credential_version == session.account.credential_version;
    if same { Ok(()) } else { Err(()) }
}

/// What is asked for, with what an empty or partial request leaves out.
fn current_request(session: &Session) -> Result<Arc<Request>, Failed> {
    let remembered = &session.front.synced.0;
    let (account, device) = (session.account.id, session.device.number);
    let element = session.element().map_err(|_| Bad(request::PROTOCOL_ERROR))?;
    let before = remembered.of(account, device);
    let request = match element {
        None => return before.ok_or(Bad(INCOMPLETE).into()),
        Some(element) => {
            let mut request = Request::read(session, &element)?;
            if request.partial {
                let before = before.ok_or(Bad(INCOMPLETE))?;
                for wanted in &before.collections {
                    if request.collections.iter().all(|each| each.server_id != wanted.server_id) {
                        request.collections.push(wanted.clone());
                    }
                }
                request.wait_secs = request.wait_secs.or(before.wait_secs);
            }
            if request.collections.is_empty() {
                return Err(Bad(request::PROTOCOL_ERROR).into());
            }
            Arc::new(request)
        }
    };
    Ok(request)
}

/// Remembers the request with the keys that the device has now, and writes the answer.
async fn finish(
    session: &Session,
    request: &Request,
    told: Vec<Option<Told>>,
) -> Result<Answer, Failure> {
    let keys = told.iter().zip(&request.collections);
    let keys = keys.filter_map(|(told, wanted)| {
        let key = told.as_ref().map_or(wanted.key, |told| Some(told.key));
        Some(wanted.repeated(key.filter(|key| *key != 0)?))
    });
    let repeated = Request { collections: keys.collect(), partial: false, ..*request };
    let (account, device) = (session.account.id, session.device.number);
    session.front.synced.0.put(account, device, Arc::new(repeated));
    let (answer, untold) = answer::write(session, request, told)?;
    for each in untold {
        let sync = SyncId { collection: each.collection, device };
        session.write(move |tx| step::untell(tx, sync, each.key, &each.uids)).await?;
    }
    Ok(answer)
}

/// Looks at every collection once; `None` where there is nothing to say.
async fn round(session: &Session, request: &Request) -> Result<Vec<Option<Told>>, Failure> {
    let read = session.read();
    let behind = hierarchy_changed(session, &read)?;
    let mut told: Vec<Option<Told>> = Vec::with_capacity(request.collections.len());
    let (mut steps, mut places) = (Vec::new(), Vec::new());
    for wanted in &request.collections {
        if let Some((collection, _)) = wanted.folder {
            let id = SyncId { collection, device: session.device.number };
            session.front.orders.note(id, session.order);
        }
        told.push(match look(session, &read, wanted)? {
            Look::Nothing => None,
            Look::Status(_) if behind && wanted.folder.is_none() => {
                Some(refused(session, wanted, step::HIERARCHY_CHANGED))
            }
            Look::Status(status) => Some(refused(session, wanted, status)),
            Look::Step(step) => {
                places.push(told.len());
                steps.push(*step);
                None
            }
        });
    }
    drop(read);
    if steps.is_empty() {
        return Ok(told);
    }
    for step in &mut steps {
        step.drafts = drafts::prepare(session, step).await;
    }
    let author = apply::Author {
        version: session.version,
        zone: session.zone.clone(),
        owner: session.owner.clone(),
        now: session.now(),
    };
    let (account, device, window) = (session.account.id, session.device.number, request.window);
    let (orders, order) = (session.front.orders.clone(), session.order);
    let stepped = session
        .write(move |tx| {
            let outdated = |id| orders.is_outdated(id, order);
            step::run(tx, account, device, (&author, &outdated), steps, window)
        })
        .await
        .map_err(|error| {
            tracing::warn!(%error, "a Sync could not be carried out");
            Failure::Status(SERVER_ERROR)
        })?;
    for (at, stepped) in places.into_iter().zip(stepped) {
        if let Some(slot) = told.get_mut(at) {
            *slot = stepped;
        }
    }
    Ok(told)
}

fn refused(session: &Session, wanted: &Wanted, status: u16) -> Told {
    let (id, content) =
        wanted.folder.unwrap_or((MailboxId::new(session.account.id, 0), Content::Mail));
    Told {
        server_id: wanted.server_id.clone(),
        id,
        content,
        status,
        key: 0,
        page: Default::default(),
        outcomes: Vec::new(),
        options: Options::default(),
    }
}

/// Whether the device has yet to hear of folders that came or went.
fn hierarchy_changed(session: &Session, read: &Snapshot) -> Result<bool, Failure> {
    let (account, device) = (session.account.id, session.device.number);
    Ok(folder::is_behind(read, account, device, session.version)?)
}

enum Look {
    Nothing,
    Status(u16),
    Step(Box<Step>),
}

/// Finds out at the cost of a poll whether a collection has to be stepped.
fn look(session: &Session, read: &Snapshot, wanted: &Wanted) -> Result<Look, Failure> {
    let Some((id, content)) = wanted.folder else {
        return Ok(Look::Status(step::HIERARCHY_CHANGED));
    };
    let Some(key) = wanted.key else { return Ok(Look::Status(step::BAD_KEY)) };
    if !wanted.suits(content) {
        return Ok(Look::Status(step::PROTOCOL_ERROR));
    }
    let step = |choice| {
        Ok(Look::Step(Box::new(Step {
            wanted: wanted.clone(),
            id,
            content,
            choice,
            drafts: Vec::new(),
        })))
    };
    if key == 0 {
        return step(None);
    }
    let sync = SyncId { collection: id, device: session.device.number };
    let Some(header) = sync.header(read, key)? else { return Ok(Look::Status(step::BAD_KEY)) };
    let mut options = match &wanted.options {
        Some(options) => options.clone(),
        None => Options::decode(&header.options)?,
    };
    options.filter = content.filter_within(options.filter, &session.bounds);
    let cutoff = state::cutoff(content, options.filter, session.now());
    if header.fresh || header.filter != options.filter || header.cutoff != cutoff {
        let choice = state::choose(session.store(), id, content, cutoff);
        return match choice {
            Ok(choice) => step(Some((choice, options.filter, cutoff))),
            Err(domain::Error::NotFound(_)) => Ok(Look::Status(step::HIERARCHY_CHANGED)),
            Err(error) => Err(error.into()),
        };
    }
    let new_options =
        wanted.options.as_ref().is_some_and(|options| options.encode() != header.options);
    // Also where an answer was lost, or came from a request that nobody waits for any more: what
    // it told is not so.
    let unsettled = !header.is_last() || header.rivalled;
    if !wanted.commands.is_empty() || new_options || unsettled {
        return step(None);
    }
    if !wanted.get_changes {
        return Ok(Look::Nothing);
    }
    match news(read, sync, content, header)? {
        News::Some => step(None),
        News::None => Ok(Look::Nothing),
        News::Stale => Ok(Look::Status(step::BAD_KEY)),
        News::NoneUpTo(modseq) => {
            // So that the next poll need not read the same part of the log again. Nobody
            // waits for it.
            drop(session.write(move |tx| sync.advance(tx, key, modseq)));
            Ok(Look::Nothing)
        }
    }
}

/// Whether a device would be told anything.
pub enum News {
    None,
    Some,
    /// Things have changed, and none of them shows on the device.
    NoneUpTo(ModSeq),
    /// The log does not reach back so far.
    Stale,
}

/// Looks for news behind a state; nothing is written.
pub fn news(
    read: &Snapshot,
    sync: SyncId,
    content: Content,
    header: SyncHeader,
) -> Result<News, Failure> {
    if header.pending || header.fresh {
        return Ok(News::Some);
    }
    let modseq = match content {
        Content::Mail | Content::Drafts => read.mailbox(sync.collection)?.map(|row| row.modseq),
        Content::Items(_) => read.collection(sync.collection)?.map(|row| row.modseq),
        Content::Outbox => None,
    };
    if modseq.is_none_or(|modseq| modseq <= header.modseq) {
        return Ok(News::None);
    }
    let sets = sync.sets(read, &header)?;
    let mut state = SyncState { header, sets };
    match state::fold(read, sync.collection, content, &mut state, &Applied::default()) {
        Ok(()) if state.sets.pending() => Ok(News::Some),
        Ok(()) => Ok(News::NoneUpTo(state.header.modseq)),
        Err(domain::Error::Stale) => Ok(News::Stale),
        Err(error) => Err(error.into()),
    }
}

/// Whether collections without news are named in answers, too.
fn names_all(version: Version) -> bool {
    version < Version::V12_1
}
