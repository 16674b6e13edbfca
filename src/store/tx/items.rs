//! Collections and items: calendars, address books, tasks, notes. Every change takes the
//! counters and the log along, as for messages.

use super::*;
use crate::store::rows::collection::Collection;
use crate::store::rows::item::{Item, NewItem, PART};
use crate::store::rows::marks::Marks;

impl Tx<'_> {
    /// Adds or changes a collection (not its counters) and logs it in the account's hierarchy.
    pub fn put_collection(&mut self, collection: &Collection) -> Result<()> {
        let id = collection.id;
        let modseq = self.bump(id.account)?;
        let old = self.collection(id)?;
        let log = self.log.entry(MailboxId::new(id.account, 0)).or_default();
        match &old {
            Some(old) => log.moved(Uid(id.number), old.listed, modseq),
            None => log.changed.insert(id.number),
        }
        self.collections.insert(id, Collection { listed: modseq, ..collection.clone() });
        Ok(())
    }

    /// Removes a collection with everything in it.
    pub fn remove_collection(&mut self, collection: &Collection) -> Result<()> {
        let id = collection.id;
        let mut uids = Vec::new();
        self.scan_prefix(&keys::of_mailbox(Kind::Item, id), &mut |key, _| {
            uids.extend(keys::u32_at(key, 9).map(Uid));
            Ok(ControlFlow::Continue(()))
        })?;
        for uid in uids {
            self.remove_item(id, uid)?;
        }
        let modseq = self.bump(id.account)?;
        let log = self.log.entry(MailboxId::new(id.account, 0)).or_default();
        log.moved(Uid(id.number), collection.listed, modseq);
        log.changed.remove(id.number);
        log.gone.push((Uid(id.number), MessageId(0)));
        self.collections.remove(&id);
        self.log.remove(&id);
        self.delete_prefix(&keys::of_mailbox(Kind::Log, id))?;
        self.delete(keys::collection(id));
        Ok(())
    }

    /// Puts a new item into a collection.
    pub fn add_item(&mut self, collection: MailboxId, new: &NewItem) -> Result<Item> {
        let state = &mut self.account_mut(collection.account)?.state;
        state.next_message += 1;
        let id = MessageId(state.next_message);
        self.place_item(collection, id, new)
    }

    /// Gives an item a new text. `None` if there is no such item; a text that is the same
    /// changes nothing.
    pub fn change_item(
        &mut self,
        collection: MailboxId,
        uid: Uid,
        new: &NewItem,
    ) -> Result<Option<Item>> {
        let Some(old) = self.item(collection, uid)? else { return Ok(None) };
        if old.look == new.look
            && old.size == new.text.len() as u64
            && self.item_text(collection, uid)?.as_ref() == Some(&new.text)
        {
            return Ok(Some(old));
        }
        let modseq = self.bump(collection.account)?;
        let item = Item {
            modseq,
            shown: if old.look == new.look { old.shown } else { modseq },
            look: new.look,
            key: new.key,
            from: new.from,
            until: new.until,
            size: new.text.len() as u64,
            ..old
        };
        if old.key != new.key {
            self.delete(keys::item_key(collection, old.key));
        }
        self.put_item(collection, &item, old.size.div_ceil(PART as u64), &new.text);
        self.log.entry(collection).or_default().moved(uid, old.modseq, modseq);
        let row = self.collection_mut(collection)?;
        row.bytes = (row.bytes + item.size).saturating_sub(old.size);
        row.modseq = modseq;
        let state = &mut self.account_mut(collection.account)?.state;
        state.bytes = (state.bytes + item.size).saturating_sub(old.size);
        Ok(Some(item))
    }

    /// Takes an item out of its collection for good.
    pub fn remove_item(&mut self, collection: MailboxId, uid: Uid) -> Result<Option<Item>> {
        let Some(item) = self.item(collection, uid)? else { return Ok(None) };
        let modseq = self.bump(collection.account)?;
        self.delete(keys::item(collection, uid));
        for part in 0..item.size.div_ceil(PART as u64) {
            self.delete(keys::item_text(collection, uid, part as u32));
        }
        if self.get(&keys::item_key(collection, item.key))?.as_deref() == Some(&uid.0.to_be_bytes())
        {
            self.delete(keys::item_key(collection, item.key));
        }
        self.delete(keys::message(collection.account, item.id));
        let log = self.log.entry(collection).or_default();
        log.moved(uid, item.modseq, modseq);
        log.changed.remove(uid.0);
        log.gone.push((uid, item.id));
        let row = self.collection_mut(collection)?;
        row.items = row.items.saturating_sub(1);
        row.bytes = row.bytes.saturating_sub(item.size);
        row.modseq = modseq;
        let state = &mut self.account_mut(collection.account)?.state;
        state.bytes = state.bytes.saturating_sub(item.size);
        Ok(Some(item))
    }

    /// Gives an item a place in another collection; it keeps its id and its text.
    pub fn move_item(&mut self, from: MailboxId, uid: Uid, to: MailboxId) -> Result<Option<Item>> {
        let Some(text) = self.item_text(from, uid)? else { return Ok(None) };
        let Some(item) = self.remove_item(from, uid)? else { return Ok(None) };
        let new =
            NewItem { key: item.key, look: item.look, from: item.from, until: item.until, text };
        self.place_item(to, item.id, &new).map(Some)
    }

    /// Sets what phones keep with a message; its flags stay, its modseq moves.
    pub fn put_marks(&mut self, mailbox: MailboxId, uid: Uid, marks: &Marks) -> Result<()> {
        let Some(place) = self.place(mailbox, uid)? else { return Ok(()) };
        let key = keys::marks(mailbox.account, place.message);
        match marks.is_empty() {
            true => self.delete(key),
            false => self.put(key, marks.encode()),
        }
        self.touch_message(mailbox, uid)
    }

    fn place_item(&mut self, collection: MailboxId, id: MessageId, new: &NewItem) -> Result<Item> {
        let modseq = self.bump(collection.account)?;
        let now = self.now();
        let row = self.collection_mut(collection)?;
        let uid = row.uid_next;
        row.uid_next = Uid(uid.0.checked_add(1).ok_or(Error::Full)?);
        row.items += 1;
        row.bytes += new.text.len() as u64;
        row.modseq = modseq;
        self.account_mut(collection.account)?.state.bytes += new.text.len() as u64;
        let item = Item {
            uid,
            id,
            modseq,
            shown: modseq,
            look: new.look,
            key: new.key,
            from: new.from,
            until: new.until,
            size: new.text.len() as u64,
            saved: now,
        };
        self.put_item(collection, &item, 0, &new.text);
        self.log.entry(collection).or_default().changed.insert(uid.0);
        let whereabouts = Whereabouts { mailbox: collection, uid };
        self.put(keys::message(collection.account, id), whereabouts.encode());
        Ok(item)
    }

    /// Writes an item's rows; `parts` is how many its old text had.
    fn put_item(&mut self, collection: MailboxId, item: &Item, parts: u64, text: &Bytes) {
        let uid = item.uid;
        self.put(keys::item(collection, uid), item.encode());
        self.put(
            keys::item_key(collection, item.key),
            Bytes::copy_from_slice(&uid.0.to_be_bytes()),
        );
        let mut written = 0u32;
        for at in (0..text.len()).step_by(PART) {
            let part = text.slice(at..text.len().min(at + PART));
            self.put(keys::item_text(collection, uid, written), part);
            written += 1;
        }
        for part in u64::from(written)..parts {
            self.delete(keys::item_text(collection, uid, part as u32));
        }
    }

    fn collection_mut(&mut self, id: MailboxId) -> Result<&mut Collection> {
        let missing = || Error::Damaged("an item's collection does not exist".into());
        if !self.collections.contains_key(&id) {
            let row = self.collection(id)?.ok_or_else(missing)?;
            self.collections.insert(id, row);
        }
        self.collections.get_mut(&id).ok_or_else(missing)
    }
}
