//! A device's own changes.

use jiff::tz::TimeZone;
use twox_hash::XxHash3_64;

use crate::base::clock::UnixTime;
use crate::base::id::{MailboxId, ModSeq, Uid};
use crate::base::uidset::UidSet;
use crate::domain::calendar::{self, Sends};
use crate::domain::{self, Error, item, mailbox, message};
use crate::eas::cmd::sync::drafts::Written;
use crate::eas::cmd::sync::request::Command;
use crate::eas::draft;
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::render::{self, Options, Owner, Supported, View};
use crate::eas::state;
use crate::eas::version::Version;
use crate::format::wbxml::{self, Element, tags};
use crate::store::rows::collection::CollectionKind;
use crate::store::rows::mailbox::SpecialUse;
use crate::store::rows::sync::{Applied, AppliedAdd, AppliedChange, SyncState};
use crate::store::{Read, Tx};

/// Statuses of one command (MS-ASCMD 2.2.3.177.17).
pub const SUCCESS: u16 = 1;
pub const SERVER_ERROR: u16 = 5;
pub const MALFORMED: u16 = 6;
pub const CONFLICT: u16 = 7;
pub const NOT_FOUND: u16 = 8;
pub const NO_ROOM: u16 = 9;

/// Whose changes they are.
pub struct Author {
    pub version: Version,
    pub zone: TimeZone,
    pub owner: Owner,
    pub now: UnixTime,
}

impl Author {
    /// From 16.0 on the server writes to the participants of a meeting.
    fn sends(&self) -> Sends {
        if self.version >= Version::V16_0 { Sends::Server } else { Sends::Client }
    }
}

/// Where they are made.
pub struct Place {
    pub id: MailboxId,
    pub content: Content,
    pub supported: Supported,
    pub options: Options,
}

/// Of each new attachment what the device calls it, and its `FileReference`.
pub type Attachments = Vec<(String, String)>;

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Added {
        client_id: String,
        uid: Option<Uid>,
        status: u16,
        attachments: Attachments,
    },
    Changed {
        server_id: String,
        instance: Option<String>,
        status: u16,
        attachments: Attachments,
    },
    Removed {
        server_id: String,
        instance: Option<String>,
        status: u16,
    },
    /// To be read when the answer is written.
    Fetched {
        server_id: String,
        uid: Option<Uid>,
    },
}

/// Makes the changes of one collection and brings the state along.
pub fn run(
    tx: &mut Tx<'_>,
    author: &Author,
    place: &Place,
    (commands, drafts): (Vec<Command>, Vec<Option<Written>>),
    deletes_as_moves: bool,
    state: &mut SyncState,
    applied: &mut Applied,
) -> domain::Result<Vec<Outcome>> {
    let mut run = Run { tx, author, place, deletes_as_moves, state, applied };
    let drafts = drafts.into_iter().chain(std::iter::repeat_with(|| None));
    commands.into_iter().zip(drafts).map(|(command, draft)| run.command(command, draft)).collect()
}

struct Run<'r, 'g> {
    tx: &'r mut Tx<'g>,
    author: &'r Author,
    place: &'r Place,
    deletes_as_moves: bool,
    state: &'r mut SyncState,
    applied: &'r mut Applied,
}

impl Run<'_, '_> {
    fn command(&mut self, command: Command, draft: Option<Written>) -> domain::Result<Outcome> {
        Ok(match command {
            Command::Add { client_id, data, .. } => self.add(client_id, &data, draft)?,
            Command::Change { server_id, instance, data, .. } => {
                let mut attachments = Vec::new();
                let status = self.on(&server_id, |run, uid| match draft {
                    Some(draft) => {
                        attachments = run.change_draft(uid, &data, draft)?;
                        Ok(())
                    }
                    None => {
                        run.change(uid, &instance, &data)?;
                        attachments = run.files_of(uid, &data)?;
                        Ok(())
                    }
                })?;
                Outcome::Changed { server_id, instance, status, attachments }
            }
            Command::Delete { server_id, instance } => {
                let status = self.on(&server_id, |run, uid| run.remove(uid, &instance))?;
                Outcome::Removed { server_id, instance, status }
            }
            Command::Fetch { server_id } => {
                let uid = self.uid(&server_id);
                Outcome::Fetched { server_id, uid }
            }
        })
    }

    /// The item of this collection that an id names.
    fn uid(&self, server_id: &str) -> Option<Uid> {
        let (id, uid) = ids::parse_item(self.place.id.account, server_id)?;
        (id == self.place.id).then_some(uid)
    }

    /// Runs a change of one item and turns what the domain says into a status.
    fn on(
        &mut self,
        server_id: &str,
        change: impl FnOnce(&mut Self, Uid) -> Result<(), Refused>,
    ) -> domain::Result<u16> {
        let Some(uid) = self.uid(server_id) else { return Ok(NOT_FOUND) };
        match change(self, uid) {
            Ok(()) => Ok(SUCCESS),
            Err(Refused::Status(status)) => Ok(status),
            Err(Refused::Domain(error)) => status_of(error),
        }
    }

    fn add(
        &mut self,
        client_id: String,
        data: &Element,
        draft: Option<Written>,
    ) -> domain::Result<Outcome> {
        let mut attachments = Vec::new();
        if let Some(done) = self.applied.adds.iter().find(|add| add.client_id == client_id) {
            let uid = (done.uid != 0).then_some(Uid(done.uid));
            return Ok(Outcome::Added { client_id, uid, status: done.status, attachments });
        }
        let added = match draft {
            Some(draft) => self.add_draft(draft),
            None => self.create(data).map(|uid| (Some(uid), Vec::new())),
        };
        let (uid, status) = match added {
            Ok((uid, named)) => {
                attachments = named;
                (uid, SUCCESS)
            }
            Err(Refused::Status(status)) => (None, status),
            Err(Refused::Domain(error)) => (None, status_of(error)?),
        };
        self.applied.adds.push(AppliedAdd {
            client_id: client_id.clone(),
            uid: uid.map_or(0, |uid| uid.0),
            status,
            modseq: self.modseq()?,
        });
        Ok(Outcome::Added { client_id, uid, status, attachments })
    }

    /// A new draft; none is left of one that was sent at once.
    fn add_draft(&mut self, draft: Written) -> Result<(Option<Uid>, Attachments), Refused> {
        let outcome = draft::commit(self.tx, draft?)?;
        if let Some(uid) = outcome.uid
            && let Some(message) = self.tx.message(self.place.id, uid).map_err(Error::from)?
        {
            state::tell_message(self.tx, self.place.id, &message, self.state)?;
        }
        Ok((outcome.uid, outcome.attachments))
    }

    /// A draft's new content is a new message in the old one's place: the device is told of
    /// both with this answer.
    fn change_draft(
        &mut self,
        uid: Uid,
        data: &Element,
        draft: Written,
    ) -> Result<Attachments, Refused> {
        let digest = digest(data, &None);
        if self.applied.changed.iter().any(|done| (done.uid, done.digest) == (uid.0, digest)) {
            return Ok(Vec::new());
        }
        let outcome = draft::commit(self.tx, draft?)?;
        if self.state.sets.held.contains(uid.0)
            && self.tx.place(self.place.id, uid).map_err(Error::from)?.is_none()
        {
            self.state.sets.removals.insert(uid.0);
            self.state.sets.changes.remove(uid.0);
        }
        if let Some(new) = outcome.uid.filter(|new| *new != uid) {
            self.state.sets.adds.insert(new.0);
        }
        let modseq = self.modseq()?;
        self.applied.changed.push(AppliedChange { uid: uid.0, modseq, read: None, digest });
        Ok(outcome.attachments)
    }

    fn create(&mut self, data: &Element) -> Result<Uid, Refused> {
        let Content::Items(kind) = self.place.content else {
            return Err(Refused::Status(MALFORMED));
        };
        let view = view(self.author, self.place);
        let text = render::item::create(kind, data, &view)?;
        let item = match kind {
            CollectionKind::Calendar => {
                calendar::add(self.tx, self.place.id, text, self.author.sends())?
            }
            _ => item::add(self.tx, self.place.id, text)?,
        };
        self.state.sets.held.insert(item.uid.0);
        Ok(item.uid)
    }

    fn change(
        &mut self,
        uid: Uid,
        instance: &Option<String>,
        data: &Element,
    ) -> Result<(), Refused> {
        let digest = digest(data, instance);
        if self.applied.changed.iter().any(|done| (done.uid, done.digest) == (uid.0, digest)) {
            return Ok(());
        }
        let (mut read, mut alone) = (None, true);
        match self.place.content {
            Content::Items(kind) => self.change_item(kind, uid, instance, data)?,
            Content::Mail | Content::Drafts => {
                alone = !self.state.sets.changes.contains(uid.0);
                self.change_message(uid, data)?;
                read = data.text_of(tags::email::READ).map(|text| text.trim() != "0");
            }
            Content::Outbox => return Err(Refused::Status(NOT_FOUND)),
        }
        // Where others have changed the message as well, and the answer that says so is lost, no
        // state of the message is the one that the device shows.
        let modseq = if alone { self.modseq()? } else { ModSeq(0) };
        self.applied.changed.push(AppliedChange { uid: uid.0, modseq, read, digest });
        Ok(())
    }

    fn change_item(
        &mut self,
        kind: CollectionKind,
        uid: Uid,
        instance: &Option<String>,
        data: &Element,
    ) -> Result<(), Refused> {
        let old = item::text(self.tx, self.place.id, uid)?;
        // Somebody else changed it meanwhile, and the device does not know.
        if self.state.sets.changes.contains(uid.0) {
            if !self.place.options.client_wins {
                return Err(Refused::Status(CONFLICT));
            }
            self.state.sets.changes.remove(uid.0);
        }
        let view = view(self.author, self.place);
        let text = match instance {
            None => render::item::update(kind, &old, data, &view, &self.place.supported)?,
            Some(instance) => {
                render::item::update_instance(kind, &old, instance, Some(data), &view)?
            }
        };
        self.put_item(kind, uid, text)
    }

    /// Gives an item its new text. Of an event the other participants hear, by whom the version
    /// says (MS-ASCAL 3.1.5.7).
    fn put_item(
        &mut self,
        kind: CollectionKind,
        uid: Uid,
        text: item::Text,
    ) -> Result<(), Refused> {
        let id = self.place.id;
        match kind {
            CollectionKind::Calendar => {
                calendar::change(self.tx, id, uid, text, self.author.sends())?
            }
            _ => item::change(self.tx, id, uid, text)?,
        };
        Ok(())
    }

    /// What the files are called that a change brought to an event (MS-ASAIRS 2.2.2.2).
    fn files_of(&self, uid: Uid, data: &Element) -> Result<Attachments, Refused> {
        let calendar = self.place.content == Content::Items(CollectionKind::Calendar);
        if !calendar || !data.has(tags::air_sync_base::ATTACHMENTS) {
            return Ok(Attachments::new());
        }
        let text = item::text(self.tx, self.place.id, uid)?;
        Ok(render::event::references(&text, data))
    }

    fn change_message(&mut self, uid: Uid, data: &Element) -> Result<(), Refused> {
        if self.tx.place(self.place.id, uid).map_err(Error::from)?.is_none() {
            return Err(Refused::Status(NOT_FOUND));
        }
        render::email::apply(self.tx, self.place.id, uid, data)?;
        if !self.state.sets.held.contains(uid.0) {
            return Ok(());
        }
        let Some(message) = self.tx.message(self.place.id, uid).map_err(Error::from)? else {
            return Ok(());
        };
        if !self.state.sets.changes.contains(uid.0) {
            state::tell_message(self.tx, self.place.id, &message, self.state)?;
        } else {
            // What others changed is still to be told; of what the device itself set it knows.
            let read = data.has(tags::email::READ).then(|| message.hot.flags.seen());
            match data.children.iter().all(|child| child.tag == tags::email::READ) {
                true => read.into_iter().for_each(|read| state::tell_read(self.state, uid.0, read)),
                false => state::doubt_message(self.state, uid.0, read),
            }
        }
        Ok(())
    }

    fn remove(&mut self, uid: Uid, instance: &Option<String>) -> Result<(), Refused> {
        if self.applied.removed.contains(&uid.0) {
            return Ok(());
        }
        // Where others have changed it meanwhile, the Delete takes precedence, whatever the
        // device says of conflicts (MS-ASCMD 2.2.3.34); so it does where they deleted and the
        // device changed: that hears 8.
        //
        // Somebody was quicker: it is as the device wants it, and it need not hear of it.
        if instance.is_none() && self.state.sets.removals.contains(uid.0) {
            state::forget_item(self.state, uid.0);
            self.applied.removed.push(uid.0);
            return Ok(());
        }
        match self.place.content {
            Content::Items(kind) => match instance {
                Some(instance) => {
                    let digest =
                        digest(&Element::new(tags::air_sync::DELETE), &Some(instance.clone()));
                    let old = item::text(self.tx, self.place.id, uid)?;
                    let view = view(self.author, self.place);
                    let text = render::item::update_instance(kind, &old, instance, None, &view)?;
                    self.put_item(kind, uid, text)?;
                    let modseq = self.modseq()?;
                    let change = AppliedChange { uid: uid.0, modseq, read: None, digest };
                    self.applied.changed.push(change);
                    return Ok(());
                }
                None if kind == CollectionKind::Calendar => {
                    calendar::remove(self.tx, self.place.id, uid, self.author.sends())?;
                }
                None => {
                    item::remove(self.tx, self.place.id, uid)?;
                }
            },
            Content::Mail | Content::Drafts => self.remove_message(uid)?,
            Content::Outbox => return Err(Refused::Status(NOT_FOUND)),
        }
        state::forget_item(self.state, uid.0);
        self.applied.removed.push(uid.0);
        Ok(())
    }

    /// To the trash, unless it lies there already or the device says otherwise.
    fn remove_message(&mut self, uid: Uid) -> Result<(), Refused> {
        let id = self.place.id;
        if self.tx.place(id, uid).map_err(Error::from)?.is_none() {
            return Err(Refused::Status(NOT_FOUND));
        }
        let trash = mailbox::with_use(self.tx, id.account, SpecialUse::Trash)?;
        let uids = UidSet::range(uid.0, uid.0);
        match trash.filter(|trash| self.deletes_as_moves && trash.id != id) {
            Some(trash) => {
                message::move_to(self.tx, id, &uids, trash.id)?;
            }
            None => message::remove(self.tx, id, &uids)?,
        }
        Ok(())
    }

    fn modseq(&self) -> domain::Result<ModSeq> {
        Ok(self.tx.account_state(self.place.id.account)?.modseq)
    }
}

/// Tells one change of an item from another.
fn digest(data: &Element, instance: &Option<String>) -> u32 {
    let seed = instance.as_deref().map_or(0, |instance| XxHash3_64::oneshot(instance.as_bytes()));
    XxHash3_64::oneshot_with_seed(seed, &wbxml::encode(data)) as u32
}

fn view<'a>(author: &'a Author, place: &'a Place) -> View<'a> {
    View {
        version: author.version,
        options: &place.options,
        zone: &author.zone,
        owner: &author.owner,
        now: author.now,
        bounds: Default::default(),
        trips_over_empty: false,
    }
}

/// Why one command is refused.
#[derive(Debug)]
pub enum Refused {
    Status(u16),
    Domain(domain::Error),
}

impl From<domain::Error> for Refused {
    fn from(error: domain::Error) -> Self {
        Self::Domain(error)
    }
}

impl From<render::Malformed> for Refused {
    fn from(malformed: render::Malformed) -> Self {
        tracing::debug!(%malformed, "a device sent an item that cannot be read");
        Self::Status(MALFORMED)
    }
}

impl From<draft::Refused> for Refused {
    fn from(refused: draft::Refused) -> Self {
        match refused {
            draft::Refused::Status(status) => Self::Status(status),
            draft::Refused::Domain(error) => Self::Domain(error),
        }
    }
}

/// What a device hears of an item that was not taken; a failing store ends the whole request.
fn status_of(error: domain::Error) -> domain::Result<u16> {
    Ok(match error {
        Error::NotFound(_) => NOT_FOUND,
        Error::OverQuota | Error::TooMany(_) => NO_ROOM,
        Error::TooLarge | Error::Invalid(_) | Error::Exists(_) | Error::HasChildren => MALFORMED,
        Error::Denied(_) => SERVER_ERROR,
        Error::Stale | Error::Store(_) => return Err(error),
    })
}
