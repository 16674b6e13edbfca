//! One collection's step from a key to the next, within the transaction: what others changed is
//! folded in, the device's own changes are made, and a page is taken.

use crate::base::id::{AccountId, MailboxId, Uid};
use crate::domain;
use crate::eas::cmd::sync::apply::{self, Author, Outcome};
use crate::eas::cmd::sync::drafts::Written;
use crate::eas::cmd::sync::request::Wanted;
use crate::eas::folder::Content;
use crate::eas::render::Options;
use crate::eas::state::{self, Choice, Page, Room};
use crate::store::rows::sync::{Applied, AppliedChange, SyncHeader, SyncId, SyncState};
use crate::store::{self, Read, Tx};

/// Octets of items in one answer, by estimate: what a phone takes in one go on a bad line, and
/// what we hold for it.
const ANSWER_OCTETS: u64 = 4 << 20;

/// Statuses of a collection (MS-ASCMD 2.2.3.177.17).
pub const SUCCESS: u16 = 1;
pub const BAD_KEY: u16 = 3;
pub const PROTOCOL_ERROR: u16 = 4;
pub const HIERARCHY_CHANGED: u16 = 12;
pub const RETRY: u16 = 16;

/// What a collection's answer is made of.
#[derive(Debug)]
pub struct Told {
    pub server_id: String,
    pub id: MailboxId,
    pub content: Content,
    pub status: u16,
    /// The key that the device holds from now on.
    pub key: u64,
    pub page: Page,
    pub outcomes: Vec<Outcome>,
    pub options: Options,
}

/// A collection that has to be stepped.
pub struct Step {
    pub wanted: Wanted,
    pub id: MailboxId,
    pub content: Content,
    /// What lies in its window, if that has to be found out anew, with filter and cut-off.
    pub choice: Option<(Choice, u8, i64)>,
    /// What its commands write in Drafts; empty, or one for each.
    pub drafts: Vec<Option<Written>>,
}

/// Steps the collections of one request. `None` in a place: nothing to say about it.
pub fn run(
    tx: &mut Tx<'_>,
    account: AccountId,
    device: u32,
    (author, outdated): (&Author, &dyn Fn(SyncId) -> bool),
    steps: Vec<Step>,
    window: usize,
) -> store::Result<Vec<Option<Told>>> {
    let mut room = Room { items: window, octets: ANSWER_OCTETS };
    let mut all = Vec::with_capacity(steps.len());
    for step in steps {
        let id = SyncId { collection: MailboxId::new(account, step.id.number), device };
        let told = match step.wanted.key {
            // The device has asked again since: what it wanted then must not undo what it wants now.
            Some(key) if !step.wanted.commands.is_empty() && outdated(id) => {
                Ok(Some(told(&step, RETRY, key)))
            }
            Some(0) => begin(tx, id, &step).map(Some),
            _ => advance(tx, id, author, step, &mut room),
        };
        all.push(told?);
    }
    Ok(all)
}

fn told(step: &Step, status: u16, key: u64) -> Told {
    Told {
        server_id: step.wanted.server_id.clone(),
        id: step.id,
        content: step.content,
        status,
        key,
        page: Page::default(),
        outcomes: Vec::new(),
        options: Options::default(),
    }
}

/// The first request of all: a key, and nothing else. Two of them at once end at one key.
fn begin(tx: &mut Tx<'_>, id: SyncId, step: &Step) -> store::Result<Told> {
    if !step.wanted.commands.is_empty() {
        return Ok(told(step, PROTOCOL_ERROR, 0));
    }
    let newest = id.newest(tx)?;
    let unused = newest.filter(|header| header.fresh && header.is_last());
    let key = match &unused {
        Some(header) => header.key,
        None => state::first_key(tx.next_number()?),
    };
    let options = step.wanted.options.clone().unwrap_or_default();
    let header = SyncHeader {
        key,
        fresh: true,
        filter: options.filter,
        options: options.encode(),
        supported: step.wanted.supported.clone(),
        ..SyncHeader::default()
    };
    let mut state = SyncState { header, ..SyncState::default() };
    match unused {
        Some(header) => {
            state.header.rivalled = header.rivalled;
            id.put(tx, &mut state)?;
        }
        None => id.begin(tx, &mut state)?,
    }
    Ok(told(step, SUCCESS, key))
}

fn advance(
    tx: &mut Tx<'_>,
    id: SyncId,
    author: &Author,
    mut step: Step,
    room: &mut Room,
) -> store::Result<Option<Told>> {
    let key = step.wanted.key.unwrap_or_default();
    // Somebody may have removed it between our look and now; what the device sends is no item's.
    if !exists(tx, step.id, step.content)? {
        return Ok(Some(told(&step, HIERARCHY_CHANGED, 0)));
    }
    let Some(header) = id.header(tx, key)? else { return Ok(Some(told(&step, BAD_KEY, 0))) };
    let (fresh, choice) = (header.fresh, step.choice.take());
    if fresh && choice.is_none() {
        // The key was given anew between our look and now.
        return Ok(Some(told(&step, RETRY, key)));
    }
    let sets = id.sets(tx, &header)?;
    let mut state = SyncState { header, sets };
    let mut changed = fresh;
    if let Some(options) = &step.wanted.options {
        state.header.options = options.encode();
        changed = true;
    }
    let options = Options::decode(&state.header.options)?;

    // The answer to this very request may have been lost: what it did then is not done again.
    let lost = match state.header.next {
        0 => None,
        next => id.header(tx, next)?,
    };
    let repeated = lost.is_some();
    if !repeated && state.header.rivalled {
        id.keep_only(tx, key)?;
        state.header.rivalled = false;
        changed = true;
    }
    let own = lost.map(|header| header.applied).unwrap_or_default();
    let own_done = own != Applied::default();
    take_own(tx, &step, &mut state, &own).map_err(inner)?;
    if let Some((choice, filter, cutoff)) = &choice {
        state::take_choice(&mut state, choice, *filter, *cutoff);
        state::take_gone(tx, step.id, step.content, &mut state, choice).map_err(inner)?;
        changed = true;
    }
    match state::fold(tx, step.id, step.content, &mut state, &own) {
        Ok(()) => {}
        // Asleep for so long that the log has forgotten: the device starts over.
        Err(domain::Error::Stale) => return Ok(Some(told(&step, BAD_KEY, 0))),
        Err(error) => return Err(inner(error)),
    }

    let supported = state::supported(&state.header);
    let place = apply::Place { id: step.id, content: step.content, supported, options };
    let mut applied = own;
    let commands = std::mem::take(&mut step.wanted.commands);
    let drafts = std::mem::take(&mut step.drafts);
    let moves = step.wanted.deletes_as_moves;
    let with_commands = !commands.is_empty();
    let outcomes =
        apply::run(tx, author, &place, (commands, drafts), moves, &mut state, &mut applied)
            .map_err(inner)?;
    // Between the fold and here nobody but this device has changed anything.
    state.header.modseq = tx.account_state(step.id.account)?.modseq;

    let mut answer = told(&step, SUCCESS, key);
    if step.wanted.get_changes {
        let mut own = Room { items: room.items.min(step.wanted.window), octets: room.octets };
        answer.page =
            state::take_page(tx, step.id, step.content, &mut state, &place.options, &mut own)
                .map_err(inner)?;
        room.items -= answer.page.len().min(room.items);
        room.octets = own.octets;
    }
    // Where an answer was lost that told something, there must be one that tells that it is gone.
    if answer.page.is_empty() && !with_commands && !repeated {
        if changed {
            id.put(tx, &mut state)?;
        }
        return Ok(None);
    }
    state.header.applied = if with_commands || own_done { applied } else { Applied::default() };
    answer.key = id.answer(tx, key, &mut state)?;
    answer.outcomes = outcomes;
    answer.options = place.options;
    Ok(Some(answer))
}

fn exists(tx: &Tx<'_>, id: MailboxId, content: Content) -> store::Result<bool> {
    Ok(match content {
        Content::Mail | Content::Drafts => tx.mailbox(id)?.is_some(),
        Content::Items(_) => tx.collection(id)?.is_some(),
        Content::Outbox => true,
    })
}

/// Takes back that a device was told of items, before it hears of the key that says so.
pub fn untell(tx: &mut Tx<'_>, id: SyncId, key: u64, uids: &[Uid]) -> store::Result<()> {
    let Some(header) = id.header(tx, key)? else { return Ok(()) };
    let sets = id.sets(tx, &header)?;
    let mut state = SyncState { header, sets };
    uids.iter().for_each(|uid| state::forget_item(&mut state, uid.0));
    id.put(tx, &mut state)
}

/// Makes the state know what the device did when it used this key before.
fn take_own(tx: &Tx<'_>, step: &Step, state: &mut SyncState, own: &Applied) -> domain::Result<()> {
    // Also what is gone again: the answer names it, and the log says that it went.
    let added = own.adds.iter().filter(|add| add.uid != 0);
    state.sets.held.extend(added.clone().map(|add| add.uid));
    let added = added.map(|add| AppliedChange {
        uid: add.uid,
        modseq: add.modseq,
        ..AppliedChange::default()
    });
    for change in added.chain(own.changed.iter().copied()) {
        if let Content::Items(_) = step.content {
            state.sets.held.insert(change.uid);
        } else if let Some(message) = tx.message(step.id, Uid(change.uid))? {
            match message.hot.modseq == change.modseq {
                true => state::tell_message(tx, step.id, &message, state)?,
                // Changed by somebody else since, or not really changed.
                false => state::doubt_message(state, change.uid, change.read),
            }
        }
    }
    for uid in &own.removed {
        state::forget_item(state, *uid);
    }
    Ok(())
}

/// Whatever the domain refuses is answered per command; what comes here is the store's.
fn inner(error: domain::Error) -> store::Error {
    match error {
        domain::Error::Store(error) => error,
        domain::Error::Stale => store::Error::Stale,
        other => store::Error::Damaged(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
