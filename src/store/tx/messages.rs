//! Messages and contents: every change takes the counters, the pages and the log along.

use super::*;

impl Tx<'_> {
    /// Stores a cold record and its body; it is kept from the first message that shares it on.
    pub fn add_content(&mut self, record: Bytes, body: NewBody) -> Result<ContentId> {
        let id = ContentId(self.next_number()?);
        self.put(keys::content(id), record);
        self.bodies.push((id, body));
        Ok(id)
    }

    /// Keeps a content for something that is no message (a queue row), until it is released.
    pub fn hold_content(&mut self, id: ContentId) {
        *self.sharers.entry(id).or_default() += 1;
    }

    /// Ends what [`Tx::hold_content`] began.
    pub fn release_content(&mut self, id: ContentId) {
        *self.sharers.entry(id).or_default() -= 1;
    }

    /// Puts a new message into a mailbox.
    pub fn add_message(&mut self, mailbox: MailboxId, new: &NewMessage) -> Result<Message> {
        let state = &mut self.account_mut(mailbox.account)?.state;
        state.next_message += 1;
        let message = MessageId(state.next_message);
        let place = Place {
            message,
            content: new.content,
            thread: new.thread,
            size: new.size,
            internal_date: new.internal_date,
            zone: new.zone,
            sent: new.sent,
            saved: self.now(),
        };
        *self.sharers.entry(new.content).or_default() += 1;
        self.put_place(mailbox, place, new.flags.clone())
    }

    /// Changes the flags of messages: `change` gives a message's new flags, or `None` to leave
    /// it. Returns those that really changed with their modseq of before, ascending.
    ///
    /// Works page by page, since `STORE 1:*` is one operation over everything there is.
    pub fn change_flags(
        &mut self,
        mailbox: MailboxId,
        uids: &UidSet,
        mut change: impl FnMut(Uid, &Hot) -> Option<Flags>,
    ) -> Result<Vec<(Uid, ModSeq)>> {
        let modseq = self.next_modseq(mailbox.account)?;
        let mut changed: Vec<(Uid, ModSeq)> = Vec::new();
        let (mut unseen, mut deleted) = (0i64, 0i64);
        for &(from, to) in uids.ranges() {
            for number in from / PAGE..=to / PAGE {
                let first = from.max(number * PAGE);
                let last = to.min(number * PAGE + (PAGE - 1));
                let before = changed.len();
                let page = self.page_mut(mailbox, number)?;
                for uid in (first..=last).map(Uid) {
                    let Some(hot) = page.slot_mut(uid) else { continue };
                    let Some(flags) = change(uid, hot).filter(|flags| *flags != hot.flags) else {
                        continue;
                    };
                    unseen += i64::from(!flags.seen()) - i64::from(!hot.flags.seen());
                    deleted += i64::from(flags.deleted()) - i64::from(hot.flags.deleted());
                    let old = std::mem::replace(hot, Hot { modseq, flags });
                    changed.push((uid, old.modseq));
                }
                if changed.len() > before {
                    self.dirty.insert((mailbox, number));
                }
            }
        }
        if changed.is_empty() {
            return Ok(changed);
        }
        self.bump(mailbox.account)?;
        let row = self.mailbox_mut(mailbox)?;
        row.unseen = row.unseen.saturating_add_signed(unseen as i32);
        row.deleted = row.deleted.saturating_add_signed(deleted as i32);
        row.modseq = modseq;
        let log = self.log.entry(mailbox).or_default();
        // Neighbours were mostly changed together before, too.
        for run in changed.chunk_by(|a, b| a.1 == b.1) {
            let Some(&(_, before)) = run.first() else { continue };
            if before != modseq {
                let uids = run.iter().map(|(uid, _)| uid.0);
                uids.clone().for_each(|uid| log.changed.insert(uid));
                let old = log.old.entry(before).or_default();
                uids.for_each(|uid| old.insert(uid));
            }
        }
        Ok(changed)
    }

    /// Moves a message's entry in the log: something beside its flags changed.
    pub(super) fn touch_message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<()> {
        let modseq = self.next_modseq(mailbox.account)?;
        let page = self.page_mut(mailbox, uid.0 / PAGE)?;
        let Some(hot) = page.slot_mut(uid) else { return Ok(()) };
        let old = std::mem::replace(&mut hot.modseq, modseq);
        self.dirty.insert((mailbox, uid.0 / PAGE));
        self.bump(mailbox.account)?;
        self.mailbox_mut(mailbox)?.modseq = modseq;
        self.log.entry(mailbox).or_default().moved(uid, old, modseq);
        Ok(())
    }

    /// Takes a message out of its mailbox for good.
    pub fn remove_message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        let Some(message) = self.take_place(mailbox, uid)? else { return Ok(None) };
        self.delete(keys::message(mailbox.account, message.place.message));
        self.delete(keys::marks(mailbox.account, message.place.message));
        *self.sharers.entry(message.place.content).or_default() -= 1;
        Ok(Some(message))
    }

    /// Removes up to `limit` rows of a mailbox that was detached; says whether that was all.
    pub fn drain(&mut self, mailbox: MailboxId, limit: usize) -> Result<bool> {
        let mut places = Vec::new();
        let mut rows = Vec::new();
        for kind in [Kind::Place, Kind::Flags, Kind::Log] {
            self.scan_prefix(&keys::of_mailbox(kind, mailbox), &mut |key, value| {
                if rows.len() >= limit {
                    return Ok(ControlFlow::Break(()));
                }
                if kind == Kind::Place {
                    places.push(Place::decode(value)?);
                }
                rows.push(Bytes::copy_from_slice(key));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let whole = rows.len() < limit;
        rows.into_iter().for_each(|key| self.delete(key));
        for place in places {
            self.delete(keys::message(mailbox.account, place.message));
            *self.sharers.entry(place.content).or_default() -= 1;
        }
        Ok(whole)
    }

    /// Gives up a content that no message shares any more; its bytes stay until the segment is
    /// reclaimed. Returns where they are; `None` if the content is shared again, or gone.
    pub fn drop_content(&mut self, id: ContentId) -> Result<Option<BodyRef>> {
        let Some(body) = self.body_row(id)?.filter(|body| body.sharers == 0) else {
            return Ok(None);
        };
        self.delete(keys::body(id));
        self.delete(keys::content(id));
        Ok(Some(body.at))
    }

    /// Writes a body anew, so that its old segment can go. Nothing happens if the content has
    /// moved or gone meanwhile.
    pub fn relocate(&mut self, id: ContentId, from: BodyRef, bytes: Bytes) -> Result<()> {
        if self.body_row(id)?.is_some_and(|body| body.at == from) {
            self.moved_bodies.push((id, bytes));
        }
        Ok(())
    }

    /// Puts a body under an id and with a number of sharers that are known (restore).
    pub(in crate::store) fn put_body(&mut self, id: ContentId, sharers: u32, body: NewBody) {
        self.bodies.push((id, body));
        self.sharers.insert(id, sharers.into());
        self.restoring = true;
    }

    /// Drops the tombstones of one collection up to a modseq and says how many; with all of them
    /// dropped, [`Tx::update_state`] sets the horizon.
    pub fn drop_tombstones(&mut self, collection: MailboxId, upto: ModSeq) -> Result<u64> {
        let start = keys::log(collection, ModSeq(0), 0);
        let end = keys::log(collection, ModSeq(upto.0.saturating_add(1)), 0);
        let mut changed = Vec::new();
        let mut dropped = 0;
        self.scan(&start, &end, &mut |key, value| {
            let entry = LogEntry::decode(value)?;
            dropped += entry.gone.len() as u64;
            if !entry.gone.is_empty() {
                changed.push((Bytes::copy_from_slice(key), entry.changed));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, changed) in changed {
            let rest = LogEntry { changed, gone: Vec::new() };
            self.rows.insert(key, if rest.is_empty() { None } else { Some(rest.encode()) });
        }
        Ok(dropped)
    }

    /// Gives a message a new place; it keeps its id, its flags and its conversation.
    pub fn move_message(
        &mut self,
        from: MailboxId,
        uid: Uid,
        to: MailboxId,
    ) -> Result<Option<Message>> {
        let Some(message) = self.take_place(from, uid)? else { return Ok(None) };
        let place = Place { saved: self.now(), ..message.place };
        self.put_place(to, place, message.hot.flags).map(Some)
    }

    fn put_place(&mut self, mailbox: MailboxId, place: Place, flags: Flags) -> Result<Message> {
        let modseq = self.bump(mailbox.account)?;
        let row = self.mailbox_mut(mailbox)?;
        let uid = row.uid_next;
        row.uid_next = Uid(uid.0.checked_add(1).ok_or(Error::Full)?);
        row.messages += 1;
        row.unseen += u32::from(!flags.seen());
        row.deleted += u32::from(flags.deleted());
        row.bytes += place.size;
        row.modseq = modseq;
        let state = &mut self.account_mut(mailbox.account)?.state;
        state.messages += 1;
        state.bytes += place.size;
        let hot = Hot { modseq, flags };
        *self.page_mut(mailbox, uid.0 / PAGE)?.slot_mut(uid) = Some(hot.clone());
        self.dirty.insert((mailbox, uid.0 / PAGE));
        self.log.entry(mailbox).or_default().changed.insert(uid.0);
        self.put(keys::place(mailbox, uid), place.encode());
        self.put(
            keys::message(mailbox.account, place.message),
            Whereabouts { mailbox, uid }.encode(),
        );
        Ok(Message { uid, place, hot })
    }

    fn take_place(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        let Some(place) = self.place(mailbox, uid)? else { return Ok(None) };
        let Some(hot) = self.page_mut(mailbox, uid.0 / PAGE)?.slot_mut(uid).take() else {
            return Ok(None);
        };
        self.dirty.insert((mailbox, uid.0 / PAGE));
        let modseq = self.bump(mailbox.account)?;
        self.delete(keys::place(mailbox, uid));
        let row = self.mailbox_mut(mailbox)?;
        row.messages = row.messages.saturating_sub(1);
        row.unseen = row.unseen.saturating_sub(u32::from(!hot.flags.seen()));
        row.deleted = row.deleted.saturating_sub(u32::from(hot.flags.deleted()));
        row.bytes = row.bytes.saturating_sub(place.size);
        row.modseq = modseq;
        let state = &mut self.account_mut(mailbox.account)?.state;
        state.messages = state.messages.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(place.size);
        let log = self.log.entry(mailbox).or_default();
        log.moved(uid, hot.modseq, modseq);
        log.changed.remove(uid.0);
        log.gone.push((uid, place.message));
        Ok(Some(Message { uid, place, hot }))
    }

    fn page_mut(&mut self, mailbox: MailboxId, page: u32) -> Result<&mut FlagPage> {
        if !self.pages.contains_key(&(mailbox, page)) {
            let loaded = self.flag_page(mailbox, page)?.unwrap_or_default();
            self.pages.insert((mailbox, page), loaded);
        }
        Ok(self.pages.entry((mailbox, page)).or_default())
    }

    /// [`Read::hot`] that keeps the page decoded, for going through many messages of it.
    pub fn hot_mut_page(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<&Hot>> {
        Ok(self.page_mut(mailbox, uid.0 / PAGE)?.get(uid))
    }
}
