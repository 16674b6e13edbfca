//! The answer to a Sync: child order as Microsoft's schemas and old phones want it.

use crate::base::id::{MailboxId, Uid};
use crate::domain::device::{self, Device, LastError};
use crate::eas::answer::{Answer, Failure};
use crate::eas::cmd::sync::apply::{self, Outcome};
use crate::eas::cmd::sync::names_all;
use crate::eas::cmd::sync::request::{Request, Wanted};
use crate::eas::cmd::sync::step::{self, Told};
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::render::{self, Unrenderable, View};
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::ical::Series;
use crate::format::wbxml::tags::{air_sync as t, air_sync_base as b, calendar};
use crate::format::wbxml::{Tag, Writer};
use crate::store::rows::collection::CollectionKind;
use crate::store::{Read, Snapshot};

/// The answer to a request that makes no sense as a whole.
pub fn refusal(status: u16, limit: Option<u32>) -> Answer {
    let mut out = Writer::new();
    out.open(t::SYNC);
    out.number(t::STATUS, status);
    if let Some(limit) = limit {
        out.number(t::LIMIT, limit);
    }
    out.close();
    out.into()
}

/// Items that went away between the transaction and here: the state says that the device has
/// them, and they were not told.
pub struct Untold {
    pub collection: MailboxId,
    pub key: u64,
    pub uids: Vec<Uid>,
}

/// Writes what was told.
pub fn write(
    session: &Session,
    request: &Request,
    told: Vec<Option<Told>>,
) -> Result<(Answer, Vec<Untold>), Failure> {
    let all = names_all(session.version);
    if !all && told.iter().all(Option::is_none) {
        return Ok((Answer::Empty, Vec::new()));
    }
    let read = session.read();
    let (mut out, mut untold) = (Writer::new(), Vec::new());
    out.open(t::SYNC);
    out.open(t::COLLECTIONS);
    for (told, wanted) in told.iter().zip(&request.collections) {
        match told {
            Some(told) => {
                let uids = collection(session, &read, &mut out, told)?;
                if !uids.is_empty() {
                    untold.push(Untold { collection: told.id, key: told.key, uids });
                }
            }
            None if all => unchanged(session, &mut out, wanted),
            None => {}
        }
    }
    out.close();
    out.close();
    Ok((out.into(), untold))
}

fn class(session: &Session, out: &mut Writer, content: Content) {
    if session.version <= Version::V12_1 {
        out.text(t::CLASS, content.class());
    }
}

fn unchanged(session: &Session, out: &mut Writer, wanted: &Wanted) {
    let Some((_, content)) = wanted.folder else { return };
    out.open(t::COLLECTION);
    class(session, out, content);
    out.number(t::SYNC_KEY, wanted.key.unwrap_or_default());
    out.text(t::COLLECTION_ID, &wanted.server_id);
    out.number(t::STATUS, step::SUCCESS);
    out.close();
}

fn collection(
    session: &Session,
    read: &Snapshot,
    out: &mut Writer,
    told: &Told,
) -> Result<Vec<Uid>, Failure> {
    out.open(t::COLLECTION);
    class(session, out, told.content);
    out.number(t::SYNC_KEY, told.key);
    out.text(t::COLLECTION_ID, &told.server_id);
    out.number(t::STATUS, told.status);
    // Windows phones want it before the items.
    if told.page.more {
        out.empty(t::MORE_AVAILABLE);
    }
    let items = Items { session, read, told, view: session.view(&told.options) };
    items.responses(out)?;
    let untold = items.commands(out)?;
    out.close();
    Ok(untold)
}

struct Items<'a> {
    session: &'a Session,
    read: &'a Snapshot,
    told: &'a Told,
    view: View<'a>,
}

impl Items<'_> {
    /// What the device's own commands came to: additions always, the rest where it failed.
    fn responses(&self, out: &mut Writer) -> Result<(), Failure> {
        let worth = |outcome: &&Outcome| match outcome {
            Outcome::Added { .. } | Outcome::Fetched { .. } => true,
            Outcome::Changed { status, attachments, .. } => {
                *status != apply::SUCCESS || !attachments.is_empty()
            }
            Outcome::Removed { status, .. } => *status != apply::SUCCESS,
        };
        let mut outcomes = self.told.outcomes.iter().filter(worth).peekable();
        // Some phones stumble over an empty element.
        if outcomes.peek().is_none() {
            return Ok(());
        }
        out.open(t::RESPONSES);
        for outcome in outcomes {
            self.response(out, outcome)?;
        }
        out.close();
        Ok(())
    }

    fn response(&self, out: &mut Writer, outcome: &Outcome) -> Result<(), Failure> {
        match outcome {
            Outcome::Added { client_id, uid, status, attachments } => {
                out.open(t::ADD);
                out.text(t::CLIENT_ID, client_id);
                if let Some(uid) = uid {
                    out.text(t::SERVER_ID, &ids::item(self.told.id, *uid));
                }
                out.number(t::STATUS, *status);
                if let Some(uid) = uid {
                    self.given(out, *uid)?;
                }
                named(out, attachments);
                out.close();
            }
            Outcome::Changed { server_id, instance, status, attachments } => {
                self.failed(out, t::CHANGE, server_id, instance, *status);
                named(out, attachments);
                out.close();
            }
            Outcome::Removed { server_id, instance, status } => {
                self.failed(out, t::DELETE, server_id, instance, *status);
                out.close();
            }
            Outcome::Fetched { server_id, uid } => {
                out.open(t::FETCH);
                out.text(t::SERVER_ID, server_id);
                let mark = out.mark();
                out.number(t::STATUS, apply::SUCCESS);
                let found = match uid {
                    Some(uid) => self.item(out, *uid)?,
                    None => false,
                };
                if !found {
                    out.rewind(mark);
                    out.number(t::STATUS, apply::NOT_FOUND);
                }
                out.close();
            }
        }
        Ok(())
    }

    /// From 16.0 on the server names an event, and the phone has to learn the name
    /// (MS-ASCAL 2.2.2.46).
    fn given(&self, out: &mut Writer, uid: Uid) -> Result<(), Failure> {
        let events = Content::Items(CollectionKind::Calendar);
        if self.session.version < Version::V16_0 || self.told.content != events {
            return Ok(());
        }
        let Some(text) = self.read.item_text(self.told.id, uid)? else { return Ok(()) };
        if let Ok(series) = Series::parse(&String::from_utf8_lossy(&text)) {
            out.open(t::APPLICATION_DATA);
            let uid = series.uid();
            out.text(calendar::UID, &uid);
            if let Some(event) = series.master() {
                render::event::write_files(out, event, &uid);
            }
            out.close();
        }
        Ok(())
    }

    fn failed(
        &self,
        out: &mut Writer,
        tag: Tag,
        server_id: &str,
        instance: &Option<String>,
        status: u16,
    ) {
        out.open(tag);
        out.text(t::SERVER_ID, server_id);
        if let Some(instance) = instance.as_ref().filter(|_| self.session.version >= Version::V16_0)
        {
            out.text(b::INSTANCE_ID, instance);
        }
        out.number(t::STATUS, status);
    }

    /// What the server has to tell.
    fn commands(&self, out: &mut Writer) -> Result<Vec<Uid>, Failure> {
        let (page, id) = (&self.told.page, self.told.id);
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let mut untold = Vec::new();
        let mark = out.mark();
        out.open(t::COMMANDS);
        let empty = out.len();
        for (tag, uids) in [(t::DELETE, &page.removals), (t::SOFT_DELETE, &page.leaving)] {
            for uid in uids {
                out.open(tag);
                out.text(t::SERVER_ID, &ids::item(id, *uid));
                out.close();
            }
        }
        for uid in &page.changes {
            self.command(out, t::CHANGE, *uid)?;
        }
        for uid in &page.adds {
            if !self.command(out, t::ADD, *uid)? {
                untold.push(*uid);
            }
        }
        if out.len() == empty {
            // Everything has gone again meanwhile.
            out.rewind(mark);
        } else {
            out.close();
        }
        Ok(untold)
    }

    /// Writes one item; whether it is still there.
    fn command(&self, out: &mut Writer, tag: Tag, uid: Uid) -> Result<bool, Failure> {
        let mark = out.mark();
        out.open(tag);
        out.text(t::SERVER_ID, &ids::item(self.told.id, uid));
        let found = match tag {
            t::CHANGE if !matches!(self.told.content, Content::Items(_)) => {
                self.message_change(out, uid)?
            }
            _ => self.item(out, uid)?,
        };
        match found {
            true => out.close(),
            // It went away behind the transaction.
            false => out.rewind(mark),
        }
        Ok(found)
    }

    fn message_change(&self, out: &mut Writer, uid: Uid) -> Result<bool, Failure> {
        let Some(message) = self.read.message(self.told.id, uid)? else { return Ok(false) };
        out.open(t::APPLICATION_DATA);
        render::email::render_change(out, self.read, self.told.id, &message, &self.view)
            .map_err(|error| self.trouble(uid, &error))
            .ok();
        out.close();
        Ok(true)
    }

    /// Writes an item whole, or a stub in place of one that cannot be rendered; whether there
    /// is one.
    fn item(&self, out: &mut Writer, uid: Uid) -> Result<bool, Failure> {
        let mark = out.mark();
        out.open(t::APPLICATION_DATA);
        let inside = out.mark();
        match self.told.content {
            Content::Items(kind) => {
                let Some(text) = self.read.item_text(self.told.id, uid)? else {
                    out.rewind(mark);
                    return Ok(false);
                };
                let text = String::from_utf8_lossy(&text);
                if let Err(error) = render::item::render(kind, out, &text, &self.view) {
                    self.trouble(uid, &error);
                    out.rewind(inside);
                    render::item::stub(kind, out, &text, &error, &self.view);
                }
            }
            _ => {
                let Some(message) = self.read.message(self.told.id, uid)? else {
                    out.rewind(mark);
                    return Ok(false);
                };
                let id = self.told.id;
                if let Err(error) = render::email::render(out, self.read, id, &message, &self.view)
                {
                    self.trouble(uid, &error);
                    out.rewind(inside);
                    render::email::stub(out, self.read, id, &message, &error, &self.view);
                }
            }
        }
        out.close();
        Ok(true)
    }

    /// Tells the administrator of an item that cannot be shown; the phone gets a stub.
    fn trouble(&self, uid: Uid, error: &Unrenderable) {
        let item = ids::item(self.told.id, uid);
        tracing::warn!(
            account = self.session.account.address,
            item,
            %error,
            "an item cannot be shown on phones; a stub went out"
        );
        let (account, device) = (self.session.account.id, self.session.device.id.clone());
        let text = format!("item {item} cannot be shown, a stub went out: {error}");
        let at = self.session.now();
        // Nobody waits for it.
        drop(self.session.write(move |tx| {
            let noted = |device: &mut Device| device.last_error = Some(LastError { at, text });
            device::update(tx, account, &device, noted)
        }));
    }
}

/// What the server calls the files that a draft brought (MS-ASAIRS 2.2.2.7).
fn named(out: &mut Writer, attachments: &[(String, String)]) {
    if attachments.is_empty() {
        return;
    }
    out.open(t::APPLICATION_DATA);
    out.open(b::ATTACHMENTS);
    for (client_id, reference) in attachments {
        out.open(b::ATTACHMENT);
        out.text(b::CLIENT_ID, client_id);
        out.text(b::FILE_REFERENCE, reference);
        out.close();
    }
    out.close();
    out.close();
}
