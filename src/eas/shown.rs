//! Single items that a device asks for: by their place, or by their id for life.

use bytes::Bytes;

use crate::base::id::{AccountId, MailboxId, Uid};
use crate::eas::answer::Failure;
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::render::{self, Unrenderable, View};
use crate::format::wbxml::{self, Tag, Writer, tags};
use crate::store::{self, Read, Snapshot};

use tags::{air_sync_base as b, item_operations as io};

/// An item and what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    pub id: MailboxId,
    pub uid: Uid,
    pub content: Content,
}

impl Item {
    /// The item with this `ServerId`.
    pub fn by_server_id(
        read: &impl Read,
        account: AccountId,
        server_id: &str,
    ) -> store::Result<Option<Item>> {
        let Some((id, uid)) = ids::parse_item(account, server_id) else { return Ok(None) };
        Item::at(read, id, uid)
    }

    /// The item with this `LongId`, wherever it lies now.
    pub fn by_long_id(
        read: &impl Read,
        account: AccountId,
        long_id: &str,
    ) -> store::Result<Option<Item>> {
        let Some(id) = ids::parse_long(long_id) else { return Ok(None) };
        let Some(place) = read.whereabouts(account, id)? else { return Ok(None) };
        Item::at(read, place.mailbox, place.uid)
    }

    fn at(read: &impl Read, id: MailboxId, uid: Uid) -> store::Result<Option<Item>> {
        if let Some(collection) = read.collection(id)? {
            let content = Content::Items(collection.kind);
            return Ok(read.item(id, uid)?.map(|_| Item { id, uid, content }));
        }
        Ok(read.place(id, uid)?.map(|_| Item { id, uid, content: Content::Mail }))
    }

    pub fn server_id(&self) -> String {
        ids::item(self.id, self.uid)
    }
}

/// Writes items as single things.
pub struct Shower<'a> {
    pub read: &'a Snapshot,
    pub view: View<'a>,
    /// What the device wants to see of them; `None` is all (MS-ASCMD 2.2.3.158).
    pub schema: Option<Vec<Tag>>,
}

impl Shower<'_> {
    /// Writes an item's properties within `tag`, or those of a stub; false, and nothing
    /// written, if it is gone. Bodies of mail go behind `parts`, if there are such.
    pub fn write(
        &self,
        out: &mut Writer,
        tag: Tag,
        item: &Item,
        parts: Option<&mut Vec<Bytes>>,
    ) -> Result<bool, Failure> {
        let Some(schema) = &self.schema else { return self.write_all(out, tag, item, parts) };
        let mut all = Writer::new();
        let parts = parts.filter(|_| schema.contains(&b::BODY));
        if !self.write_all(&mut all, tag, item, parts)? {
            return Ok(false);
        }
        let all = wbxml::decode(&Bytes::from(all.finish()))?;
        out.open(tag);
        for child in all.children.iter().filter(|child| schema.contains(&child.tag)) {
            out.element(child);
        }
        out.close();
        Ok(true)
    }

    fn write_all(
        &self,
        out: &mut Writer,
        tag: Tag,
        item: &Item,
        parts: Option<&mut Vec<Bytes>>,
    ) -> Result<bool, Failure> {
        let mark = out.mark();
        out.open(tag);
        let inside = out.mark();
        let (read, view) = (self.read, &self.view);
        if let Content::Items(kind) = item.content {
            let Some(text) = read.item_text(item.id, item.uid)? else {
                out.rewind(mark);
                return Ok(false);
            };
            let text = String::from_utf8_lossy(&text);
            if let Err(error) = render::item::render(kind, out, &text, view) {
                self.trouble(item, &error);
                out.rewind(inside);
                render::item::stub(kind, out, &text, &error, view);
            }
            out.close();
            return Ok(true);
        }
        let Some(message) = read.message(item.id, item.uid)? else {
            out.rewind(mark);
            return Ok(false);
        };
        let done = match parts {
            Some(parts) => {
                render::email::render_in_parts(out, read, item.id, &message, view, parts)
            }
            None => render::email::render(out, read, item.id, &message, view),
        };
        if let Err(error) = done {
            self.trouble(item, &error);
            out.rewind(inside);
            render::email::stub(out, read, item.id, &message, &error, view);
        }
        out.close();
        Ok(true)
    }

    fn trouble(&self, item: &Item, error: &Unrenderable) {
        tracing::warn!(
            account = self.view.owner.address,
            item = item.server_id(),
            %error,
            "an item cannot be shown on phones; a stub went out"
        );
    }
}

/// The elements that a `Schema` names; `None` for one that names nothing.
pub fn schema(options: Option<&wbxml::Element>) -> Option<Vec<Tag>> {
    let named = options?.child(io::SCHEMA)?;
    let tags: Vec<Tag> = named.children.iter().map(|child| child.tag).collect();
    (!tags.is_empty()).then_some(tags)
}
