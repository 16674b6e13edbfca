//! MoveItems: items to other folders. MS-ASCMD 2.2.1.12.
//!
//! A phone that did not hear the answer asks again. What it moved stands in its state of the
//! folder where it moved it, and it gets the same answer again, whatever others have done with
//! the item since: its next Sync tells it of that. Where that is not known and the item is not
//! there, the phone hears "not here" and keeps what it shows, so its next Sync says that the item
//! is gone. Of what it moved itself its Sync says nothing else.

use std::collections::{BTreeMap, HashMap};

use crate::base::id::{AccountId, MailboxId, MessageId, Uid};
use crate::base::uidset::UidSet;
use crate::domain::{self, Error, item, message};
use crate::eas::answer::{Answer, Failure, common};
use crate::eas::folder::{self, Content};
use crate::eas::session::Session;
use crate::eas::{ids, state};
use crate::format::wbxml::{Writer, tags::move_items as t};
use crate::store::rows::sync::{Arrival, SyncId, SyncState};
use crate::store::{Read, Tx};

/// Moves of one request (MS-ASCMD 3.1.5.10).
const MOVES_MAX: usize = 1_000;

/// Moves of earlier requests that a folder's state remembers.
const ARRIVALS: usize = 100;

/// What an item hears (MS-ASCMD 2.2.3.177.10); this one command says success with 3.
const BAD_SOURCE: u16 = 1;
const BAD_DESTINATION: u16 = 2;
const SUCCESS: u16 = 3;
const SAME_FOLDER: u16 = 4;
const FAILED: u16 = 5;

struct Move {
    item: String,
    from: String,
    to: String,
}

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let text = |of: &crate::format::wbxml::Element, tag| {
        let text = of.text_of(tag).map(str::to_owned);
        text.ok_or(Failure::Common(common::INVALID_XML))
    };
    let mut moves = Vec::new();
    for each in request.all(t::MOVE) {
        let (item, from) = (text(each, t::SRC_MSG_ID)?, text(each, t::SRC_FLD_ID)?);
        moves.push(Move { item, from, to: text(each, t::DST_FLD_ID)? });
    }
    if moves.is_empty() || moves.len() > MOVES_MAX {
        return Err(Failure::Common(common::INVALID_XML));
    }
    let (account, device) = (session.account.id, session.device.number);
    let done: Vec<(Move, Moved)> = session
        .write(move |tx| {
            let mut mover = Mover::new(tx, account, device);
            let done = moves.into_iter().map(|each| Ok((mover.carry(&each)?, each)));
            let done = done.collect::<domain::Result<Vec<_>>>()?;
            mover.tell_device()?;
            Ok::<_, Error>(done.into_iter().map(|(moved, each)| (each, moved)).collect())
        })
        .await?;
    let mut out = Writer::new();
    out.open(t::MOVE_ITEMS);
    for (each, moved) in done {
        out.open(t::RESPONSE);
        out.text(t::SRC_MSG_ID, &each.item);
        match moved {
            Ok((folder, uid)) => {
                out.number(t::STATUS, SUCCESS);
                out.text(t::DST_MSG_ID, &ids::item(folder, uid));
            }
            Err(status) => out.number(t::STATUS, status),
        }
        out.close();
    }
    out.close();
    Ok(out.into())
}

/// The new place, or why there is none.
type Moved = Result<(MailboxId, Uid), u16>;

/// What the device has moved into a folder before: from where, and to which UID.
type Arrivals = HashMap<(u32, u32), Uid>;

struct Mover<'m, 'g> {
    tx: &'m mut Tx<'g>,
    account: AccountId,
    device: u32,
    /// What went away of folders whose items were not found.
    gone: HashMap<MailboxId, HashMap<Uid, MessageId>>,
    arrivals: HashMap<MailboxId, Arrivals>,
    left: BTreeMap<MailboxId, Vec<Uid>>,
    came: BTreeMap<MailboxId, Vec<Came>>,
    /// Moved when the phone asked before, and it hears of that only now.
    came_before: BTreeMap<MailboxId, Vec<Arrival>>,
    /// What the phone shows and is not there.
    ghosts: BTreeMap<MailboxId, Vec<Uid>>,
}

/// An item that came into a folder.
struct Came {
    from: MailboxId,
    old: Uid,
    uid: Uid,
    content: Content,
    /// Of a message: how the device shows it.
    shown: Option<state::Shown>,
}

impl<'m, 'g> Mover<'m, 'g> {
    fn new(tx: &'m mut Tx<'g>, account: AccountId, device: u32) -> Self {
        Self {
            tx,
            account,
            device,
            gone: HashMap::new(),
            arrivals: HashMap::new(),
            left: BTreeMap::new(),
            came: BTreeMap::new(),
            came_before: BTreeMap::new(),
            ghosts: BTreeMap::new(),
        }
    }

    fn carry(&mut self, each: &Move) -> domain::Result<Moved> {
        let named = ids::parse_item(self.account, &each.item);
        let source = ids::parse_collection(self.account, &each.from);
        let Some((from, uid)) = named.filter(|at| Some(at.0) == source) else {
            return Ok(Err(BAD_SOURCE));
        };
        let moved = match folder::find(self.tx, self.account, &each.from)? {
            Some((_, content)) => self.carry_from(from, uid, content, each)?,
            // It was removed behind what it held.
            None => match folder::find(self.tx, self.account, &each.to)? {
                Some((to, _)) => self.arrived(from, uid, to)?.ok_or(BAD_SOURCE),
                None => Err(BAD_SOURCE),
            },
        };
        if moved.is_err() && self.gone_from(from, uid)?.is_some() {
            self.ghosts.entry(from).or_default().push(uid);
        }
        Ok(moved)
    }

    fn carry_from(
        &mut self,
        from: MailboxId,
        uid: Uid,
        content: Content,
        each: &Move,
    ) -> domain::Result<Moved> {
        let Some((to, target)) = folder::find(self.tx, self.account, &each.to)? else {
            return Ok(Err(BAD_DESTINATION));
        };
        if from == to {
            return Ok(Err(SAME_FOLDER));
        }
        let (is_mail, to_mail) = (is_mail(content), is_mail(target));
        if !is_mail && !matches!(content, Content::Items(_)) {
            return Ok(Err(BAD_SOURCE));
        }
        if is_mail != to_mail || (!is_mail && content != target) {
            return Ok(Err(BAD_DESTINATION));
        }
        let shown = match is_mail {
            true => state::shown(self.tx, self.state_of(from), uid.0)?,
            false => None,
        };
        let moved = match is_mail {
            true => {
                let moved = message::move_to(self.tx, from, &UidSet::range(uid.0, uid.0), to);
                moved.map(|moved| moved.first().map(|(_, new)| *new))
            }
            false => match item::move_to(self.tx, from, uid, to) {
                Ok(item) => Ok(Some(item.uid)),
                Err(Error::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            },
        };
        match moved {
            Ok(Some(new)) => {
                self.left.entry(from).or_default().push(uid);
                let came = Came { from, old: uid, uid: new, content: target, shown };
                self.came.entry(to).or_default().push(came);
                Ok(Ok((to, new)))
            }
            Ok(None) => match self.arrived(from, uid, to)? {
                Some(place) => Ok(Ok(place)),
                None => self.moved_before(from, uid, to),
            },
            Err(Error::Store(error)) => Err(error.into()),
            Err(_) => Ok(Err(FAILED)),
        }
    }

    fn state_of(&self, collection: MailboxId) -> SyncId {
        SyncId { collection, device: self.device }
    }

    /// Where the device itself has moved an item, by its books.
    fn arrived(
        &mut self,
        from: MailboxId,
        old: Uid,
        to: MailboxId,
    ) -> domain::Result<Option<(MailboxId, Uid)>> {
        if !self.arrivals.contains_key(&to) {
            let (sync, mut known) = (self.state_of(to), Arrivals::new());
            if let Some(header) = sync.newest(self.tx)? {
                let sets = sync.sets(self.tx, &header)?;
                let held = sets.arrivals.iter().filter(|each| sets.held.contains(each.uid));
                known.extend(held.map(|each| ((each.from, each.old), Uid(each.uid))));
            }
            self.arrivals.insert(to, known);
        }
        let known = self.arrivals.get(&to).and_then(|known| known.get(&(from.number, old.0)));
        Ok(known.map(|uid| (to, *uid)))
    }

    /// Whether an item that is not here any more lies where it is to go, whoever moved it.
    fn moved_before(&mut self, from: MailboxId, uid: Uid, to: MailboxId) -> domain::Result<Moved> {
        let Some(id) = self.gone_from(from, uid)? else { return Ok(Err(BAD_SOURCE)) };
        let place = self.tx.whereabouts(self.account, id)?;
        let Some(place) = place.filter(|place| place.mailbox == to) else {
            return Ok(Err(BAD_SOURCE));
        };
        let arrival = Arrival { from: from.number, old: uid.0, uid: place.uid.0 };
        self.came_before.entry(to).or_default().push(arrival);
        Ok(Ok((to, place.uid)))
    }

    /// What went away under this number.
    fn gone_from(&mut self, from: MailboxId, uid: Uid) -> domain::Result<Option<MessageId>> {
        if !self.gone.contains_key(&from) {
            let since = self.tx.account_state(self.account)?.horizon;
            let changes = self.tx.changes(from, since)?;
            self.gone.insert(from, changes.gone.into_iter().collect());
        }
        Ok(self.gone.get(&from).and_then(|gone| gone.get(&uid)).copied())
    }

    /// Makes the device's states know what it has moved itself.
    fn tell_device(self) -> domain::Result<()> {
        let Self { tx, device, left, came, came_before, ghosts, .. } = self;
        let of = |collection| SyncId { collection, device };
        for (collection, uids) in left {
            of(collection).update_all(tx, |_, state| -> domain::Result<()> {
                uids.iter().for_each(|uid| state::forget_item(state, uid.0));
                Ok(())
            })?;
        }
        for (collection, came) in came {
            of(collection).update_all(tx, |tx, state| {
                let older = state.sets.arrivals.len().saturating_sub(ARRIVALS);
                state.sets.arrivals.drain(..older);
                came.iter().try_for_each(|each| take_in(tx, collection, each, state))
            })?;
        }
        for (collection, uids) in came_before {
            of(collection).update_all(tx, |_, state| -> domain::Result<()> {
                // Others have moved it, perhaps: the phone has it under this number by our
                // answer, and how it looks is to be told.
                for arrival in &uids {
                    if state.sets.held.insert(arrival.uid) {
                        state::doubt_message(state, arrival.uid, None);
                        state.sets.adds.remove(arrival.uid);
                    }
                    let arrivals = &mut state.sets.arrivals;
                    if !arrivals.contains(arrival) && arrivals.len() < ARRIVALS + MOVES_MAX {
                        arrivals.push(*arrival);
                    }
                }
                Ok(())
            })?;
        }
        for (collection, uids) in ghosts {
            of(collection).update_all(tx, |_, state| -> domain::Result<()> {
                // What it holds by our books, it is told of by the log.
                let unknown = uids.iter().filter(|uid| !state.sets.held.contains(uid.0));
                let unknown: Vec<u32> = unknown.map(|uid| uid.0).collect();
                state.sets.removals.extend(unknown);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Makes a state know an item that its device has moved here.
fn take_in(
    tx: &Tx<'_>,
    collection: MailboxId,
    came: &Came,
    state: &mut SyncState,
) -> domain::Result<()> {
    let arrival = Arrival { from: came.from.number, old: came.old.0, uid: came.uid.0 };
    state.sets.arrivals.push(arrival);
    if let Content::Items(_) = came.content {
        state.sets.held.insert(came.uid.0);
    } else if let Some(message) = tx.message(collection, came.uid)? {
        state::take_shown(tx, collection, &message, came.shown, state)?;
    }
    Ok(())
}

fn is_mail(content: Content) -> bool {
    matches!(content, Content::Mail | Content::Drafts)
}
