//! The end of an operation: what it collected in decoded form becomes rows.

use super::*;

impl Tx<'_> {
    /// Turns what was collected into rows.
    pub(in crate::store) fn finish(mut self, engine: &dyn Engine) -> Result<Finished> {
        self.finish_log()?;
        for (id, mailbox) in std::mem::take(&mut self.mailboxes) {
            self.put(keys::mailbox(id), mailbox.encode());
        }
        for (id, collection) in std::mem::take(&mut self.collections) {
            self.put(keys::collection(id), collection.encode());
        }
        let pages = std::mem::take(&mut self.pages);
        let dirty = pages.into_iter().filter(|(id, _)| self.dirty.contains(id));
        for ((mailbox, number), page) in dirty {
            self.rows.insert(keys::flags(mailbox, number), page.encode());
        }
        self.finish_sharers()?;
        let mut changed = Vec::new();
        for (id, account) in std::mem::take(&mut self.accounts) {
            self.put(keys::account_state(id), account.state.encode());
            if account.bumped {
                changed.push((id, account.state.modseq));
            }
        }
        if let Some(next) = self.next_number {
            self.put(keys::meta("number"), Bytes::copy_from_slice(&next.to_be_bytes()));
        }
        // Nothing may fail behind this: what is placed must be committed.
        let bodies = self.place_bodies(engine);
        Ok(Finished { rows: self.rows, bodies, changed })
    }

    fn finish_log(&mut self) -> Result<()> {
        for (collection, mut change) in std::mem::take(&mut self.log) {
            let modseq = self.account_state(collection.account)?.modseq;
            for (old, uids) in change.old {
                self.remove_from_log(collection, old, uids)?;
            }
            change.gone.sort_unstable();
            let entry = LogEntry { changed: change.changed, gone: change.gone };
            if entry.is_empty() {
                continue;
            }
            for (part, entry) in (0..).zip(entry.parts()) {
                self.put(keys::log(collection, modseq, part), entry.encode());
            }
        }
        Ok(())
    }

    /// An item stands in the log once: takes `uids` out of the entries at `modseq`.
    fn remove_from_log(
        &mut self,
        collection: MailboxId,
        modseq: ModSeq,
        mut uids: UidSet,
    ) -> Result<()> {
        let mut part = 0;
        // Nearly always there is one part, so it is asked for by its key.
        let first = keys::log(collection, modseq, part);
        if let Some(value) = self.get(&first)? {
            self.shrink_log(first, &value, &mut uids)?;
        }
        while !uids.is_empty() && part < u32::MAX {
            let start = keys::log(collection, modseq, part + 1);
            let end = keys::log(collection, ModSeq(modseq.0 + 1), 0);
            let mut next = None;
            self.scan(&start, &end, &mut |key, value| {
                next = Some((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
                Ok(ControlFlow::Break(()))
            })?;
            let Some((key, value)) = next else { break };
            part = keys::u32_at(&key, 17).unwrap_or(u32::MAX);
            self.shrink_log(key, &value, &mut uids)?;
        }
        Ok(())
    }

    fn shrink_log(&mut self, key: Bytes, value: &[u8], uids: &mut UidSet) -> Result<()> {
        let mut entry = LogEntry::decode(value)?;
        let rest = uids.subtract(&entry.changed);
        entry.changed = entry.changed.subtract(uids);
        *uids = rest;
        self.rows.insert(key, if entry.is_empty() { None } else { Some(entry.encode()) });
        Ok(())
    }

    /// Counts the sharers of contents that were there before, and gives up those without any.
    fn finish_sharers(&mut self) -> Result<()> {
        let new: HashSet<ContentId> = self.bodies.iter().map(|(id, _)| *id).collect();
        let mut unshared: Vec<ContentId> =
            new.iter().copied().filter(|id| self.sharers.get(id).is_none_or(|n| *n <= 0)).collect();
        let deltas: Vec<_> = self.sharers.iter().map(|(id, delta)| (*id, *delta)).collect();
        for (id, delta) in deltas.into_iter().filter(|(id, n)| *n != 0 && !new.contains(id)) {
            let Some(mut body) = self.body_row(id)? else {
                return Err(Error::Damaged(format!("content {id} has no body")));
            };
            body.sharers = (i64::from(body.sharers) + delta).max(0) as u32;
            if body.sharers == 0 {
                unshared.push(id);
            }
            self.put(keys::body(id), body.encode());
        }
        for (id, bytes) in std::mem::take(&mut self.moved_bodies) {
            if let Some(body) = self.body_row(id)? {
                self.relocated.push((id, body.sharers, bytes));
            }
        }
        unshared.sort_unstable();
        if self.restoring {
            return Ok(());
        }
        for ids in unshared.chunks(5_000) {
            self.put_work(self.now() + GRACE_SECS, &Work::Reclaim(ids.to_vec()))?;
        }
        Ok(())
    }

    fn place_bodies(&mut self, engine: &dyn Engine) -> Vec<(BodyRef, Bytes)> {
        let mut placed = Vec::new();
        for (id, sharers, bytes) in std::mem::take(&mut self.relocated) {
            let at = engine.place(&bytes);
            placed.push((at, bytes));
            self.put(keys::body(id), Body { at, sharers }.encode());
        }
        for (id, body) in std::mem::take(&mut self.bodies) {
            let sharers = self.sharers.get(&id).map_or(0, |n| (*n).max(0) as u32);
            let at = match body {
                NewBody::Spooled(at) => at,
                NewBody::Bytes(bytes) => {
                    let at = engine.place(&bytes);
                    placed.push((at, bytes));
                    at
                }
            };
            self.put(keys::body(id), Body { at, sharers }.encode());
        }
        placed
    }
}
