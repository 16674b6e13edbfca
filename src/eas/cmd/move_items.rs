//! MoveItems: items to other folders. MS-ASCMD 2.2.1.12.
//!
//! A phone that did not hear the answer asks again: an item that lies where it was to go was
//! moved. The device itself has moved it too, so that its Sync hears nothing of it.

use std::collections::{BTreeMap, HashMap};

use crate::base::id::{AccountId, MailboxId, MessageId, Uid};
use crate::base::uidset::UidSet;
use crate::domain::{self, Error, item, message};
use crate::eas::answer::{Answer, Failure, common};
use crate::eas::folder::{self, Content};
use crate::eas::session::Session;
use crate::eas::{ids, state};
use crate::format::wbxml::{Writer, tags::move_items as t};
use crate::store::rows::sync::SyncId;
use crate::store::{Read, Tx};

/// Moves of one request (MS-ASCMD 3.1.5.10).
const MOVES_MAX: usize = 1_000;

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
            let mut mover = Mover::new(tx, account);
            let done = moves.into_iter().map(|each| Ok((mover.carry(&each)?, each)));
            let done = done.collect::<domain::Result<Vec<_>>>()?;
            mover.tell_device(device)?;
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

struct Mover<'m, 'g> {
    tx: &'m mut Tx<'g>,
    account: AccountId,
    /// What went away of folders whose items were not found.
    gone: HashMap<MailboxId, HashMap<Uid, MessageId>>,
    left: BTreeMap<MailboxId, Vec<Uid>>,
    came: BTreeMap<MailboxId, (Content, Vec<Uid>)>,
}

impl<'m, 'g> Mover<'m, 'g> {
    fn new(tx: &'m mut Tx<'g>, account: AccountId) -> Self {
        let (left, came) = (BTreeMap::new(), BTreeMap::new());
        Self { tx, account, gone: HashMap::new(), left, came }
    }

    fn carry(&mut self, each: &Move) -> domain::Result<Moved> {
        let source = folder::find(self.tx, self.account, &each.from)?;
        let Some((from, content)) = source else { return Ok(Err(BAD_SOURCE)) };
        let Some((id, uid)) = ids::parse_item(self.account, &each.item).filter(|at| at.0 == from)
        else {
            return Ok(Err(BAD_SOURCE));
        };
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
        let moved = match is_mail {
            true => {
                let moved = message::move_to(self.tx, id, &UidSet::range(uid.0, uid.0), to);
                moved.map(|moved| moved.first().map(|(_, new)| *new))
            }
            false => match item::move_to(self.tx, id, uid, to) {
                Ok(item) => Ok(Some(item.uid)),
                Err(Error::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            },
        };
        match moved {
            Ok(Some(new)) => {
                self.left.entry(from).or_default().push(uid);
                self.came.entry(to).or_insert((target, Vec::new())).1.push(new);
                Ok(Ok((to, new)))
            }
            Ok(None) => self.moved_before(from, uid, to),
            Err(Error::Store(error)) => Err(error.into()),
            Err(_) => Ok(Err(FAILED)),
        }
    }

    /// Whether an item that is not here any more lies where it is to go.
    fn moved_before(&mut self, from: MailboxId, uid: Uid, to: MailboxId) -> domain::Result<Moved> {
        if !self.gone.contains_key(&from) {
            let since = self.tx.account_state(self.account)?.horizon;
            let changes = self.tx.changes(from, since)?;
            self.gone.insert(from, changes.gone.into_iter().collect());
        }
        let id = self.gone.get(&from).and_then(|gone| gone.get(&uid));
        let Some(id) = id else { return Ok(Err(BAD_SOURCE)) };
        let place = self.tx.whereabouts(self.account, *id)?;
        let there = place.filter(|place| place.mailbox == to);
        Ok(there.map(|place| (to, place.uid)).ok_or(BAD_SOURCE))
    }

    /// Makes the device's states know what it has moved itself.
    fn tell_device(self, device: u32) -> domain::Result<()> {
        let Self { tx, left, came, .. } = self;
        for (collection, uids) in left {
            let id = SyncId { collection, device };
            id.update_all(tx, |_, state| -> domain::Result<()> {
                uids.iter().for_each(|uid| state::forget_item(state, uid.0));
                Ok(())
            })?;
        }
        for (collection, (content, uids)) in came {
            let id = SyncId { collection, device };
            id.update_all(tx, |tx, state| -> domain::Result<()> {
                for uid in &uids {
                    if let Content::Items(_) = content {
                        state.sets.held.insert(uid.0);
                    } else if let Some(message) = tx.message(collection, *uid)? {
                        state::tell_message(tx, collection, &message, state)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn is_mail(content: Content) -> bool {
    matches!(content, Content::Mail | Content::Drafts)
}
