//! What one session shows of its selected mailbox: message numbers belong to the session.
//!
//! The table is shared; the numbers are not. A message that another session expunged keeps its
//! number here, and stays readable, until this client could be told (RFC 9051 §7.5.1).

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::id::{MailboxId, ModSeq, Uid};
use crate::base::uidset::UidSet;
use crate::imap::codec::types::{By, MessageSet, SequenceSet};
use crate::store::table::Table;
use crate::store::{self, Message, Read};

/// A selected mailbox as its client knows it.
pub struct View {
    pub mailbox: MailboxId,
    /// The state that the client was last brought to, expunged messages aside.
    pub table: Arc<Table>,
    pub read_only: bool,
    /// The UID of each message number, ascending; the table's until they differ.
    uids: Arc<Vec<u32>>,
    /// Messages that are gone and whose numbers the client still uses.
    ghosts: HashMap<u32, Message>,
    /// The result of the last search with SAVE (RFC 5182).
    pub saved: UidSet,
    /// Messages recent in this session, in the sense of RFC 3501 §2.3.2.
    pub recent: UidSet,
    /// Changes by this session's own command that are told differently.
    pub own: OwnChanges,
}

/// What a STORE of this session means for the next sync.
#[derive(Default)]
pub struct OwnChanges {
    /// Their flags are told even if nothing changed.
    pub told: UidSet,
    /// Their flags are not told at `muted_at`: `.SILENT`.
    pub muted: UidSet,
    pub muted_at: ModSeq,
    /// The command named messages by UID, so their FETCH lines have it (RFC 9051 §6.4.9).
    pub with_uid: bool,
}

/// One message under its number.
#[derive(Clone, Copy)]
pub struct Numbered<'a> {
    pub seq: u32,
    pub message: &'a Message,
}

impl View {
    pub fn new(table: Arc<Table>, read_only: bool) -> Self {
        let uids = table.uids().clone();
        Self {
            mailbox: table.mailbox.id,
            table,
            read_only,
            uids,
            ghosts: HashMap::new(),
            saved: UidSet::new(),
            recent: UidSet::new(),
            own: OwnChanges::default(),
        }
    }

    /// How many messages the client knows of.
    pub fn exists(&self) -> u32 {
        self.uids.len() as u32
    }

    /// The UIDs by message number (index 0 is number 1).
    pub fn uids(&self) -> &[u32] {
        &self.uids
    }

    /// The same, to keep.
    pub fn shared_uids(&self) -> Arc<Vec<u32>> {
        self.uids.clone()
    }

    /// The message number of a UID.
    pub fn seq(&self, uid: Uid) -> Option<u32> {
        self.uids.binary_search(&uid.0).ok().map(|at| at as u32 + 1)
    }

    /// The greatest UID that the client knows of.
    pub fn last_uid(&self) -> u32 {
        self.uids.last().copied().unwrap_or(0)
    }

    /// The UIDs that a command names. `None` if a message number is beyond the last
    /// (RFC 9051 §6.4.9: UIDs that do not exist are no error).
    pub fn resolve(&self, set: &MessageSet) -> Option<UidSet> {
        match (&set.set, set.by) {
            (SequenceSet::Saved, _) => Some(self.saved.clone()),
            (SequenceSet::Numbers(numbers), By::Seq) => {
                Some(self.uids_of(&numbers.resolve_strictly(self.exists())?))
            }
            (SequenceSet::Numbers(numbers), By::Uid) => Some(numbers.resolve(self.last_uid())),
        }
    }

    /// Those of the candidates that a command names; costs what the candidates are.
    pub fn resolve_among(&self, set: &MessageSet, candidates: &UidSet) -> Option<UidSet> {
        match (&set.set, set.by) {
            (SequenceSet::Saved, _) => Some(self.saved.intersect(candidates)),
            (SequenceSet::Numbers(numbers), By::Uid) => {
                Some(numbers.resolve(self.last_uid()).intersect(candidates))
            }
            (SequenceSet::Numbers(numbers), By::Seq) => {
                let seqs = numbers.resolve_strictly(self.exists())?;
                let named = self.positions(candidates).filter(|(seq, _)| seqs.contains(*seq));
                Some(named.map(|(_, uid)| uid).collect())
            }
        }
    }

    /// The UIDs of message numbers.
    pub fn uids_of(&self, seqs: &UidSet) -> UidSet {
        let mut uids = UidSet::new();
        for &(from, to) in seqs.ranges() {
            let range = (from.max(1) as usize - 1)..(to as usize).min(self.uids.len());
            self.uids.get(range).unwrap_or_default().iter().for_each(|&uid| uids.insert(uid));
        }
        uids
    }

    /// The message numbers of those UIDs that the client knows.
    pub fn seqs_of(&self, uids: &UidSet) -> UidSet {
        let mut seqs = UidSet::new();
        self.positions(uids).for_each(|(seq, _)| seqs.insert(seq));
        seqs
    }

    /// Number and UID of each known message in the set, ascending.
    pub fn positions<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = (u32, u32)> + 'a {
        uids.ranges().iter().flat_map(move |&(from, to)| {
            let start = self.uids.partition_point(|&uid| uid < from);
            let known = self.uids.get(start..).unwrap_or_default().iter();
            let known = known.take_while(move |&&uid| uid <= to);
            known.enumerate().map(move |(at, &uid)| ((start + at) as u32 + 1, uid))
        })
    }

    /// The messages of the set that the client knows, ghosts included, ascending.
    pub fn select<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = Numbered<'a>> + 'a {
        // Both sides ascend, so each step continues where the last one ended.
        let mut table = self.table.select(uids).peekable();
        self.positions(uids).filter_map(move |(seq, uid)| {
            while table.next_if(|message| message.uid.0 < uid).is_some() {}
            let message = match table.next_if(|message| message.uid.0 == uid) {
                Some(message) => message,
                None => self.ghosts.get(&uid)?,
            };
            Some(Numbered { seq, message })
        })
    }

    /// What happened behind `since`, of what this view shows (RFC 7162 §3.1.4.1 CHANGEDSINCE,
    /// §3.2.6 VANISHED). Costs what has changed; where the change log does not reach back so
    /// far, everything that is not there is said to be gone.
    pub fn since(&self, read: &impl Read, since: ModSeq) -> store::Result<Since> {
        let newer = |n: &Numbered<'_>| n.message.hot.modseq > since;
        let uids = |found: &mut dyn Iterator<Item = Numbered<'_>>| {
            found.map(|numbered| numbered.message.uid).collect::<UidSet>()
        };
        match read.changes(self.mailbox, since) {
            Ok(changes) => {
                let gone = changes.gone.iter().map(|(uid, _)| *uid);
                Ok(Since {
                    changed: uids(&mut self.select(&changes.changed).filter(newer)),
                    gone: gone.filter(|uid| self.seq(*uid).is_none()).collect(),
                })
            }
            Err(store::Error::Stale) => {
                let present: UidSet = self.uids.iter().copied().collect();
                let last = self.table.mailbox.uid_next.0.saturating_sub(1).max(1);
                Ok(Since {
                    changed: uids(&mut self.select(&present).filter(newer)),
                    gone: UidSet::range(1, last).subtract(&present),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the client still has numbers for messages that are gone.
    pub fn has_ghosts(&self) -> bool {
        !self.ghosts.is_empty()
    }

    /// Brings the view to `table`: messages that are gone become ghosts. Returns what is new to
    /// the client: changed messages it knows, and whether messages were added.
    pub fn forward(&mut self, table: Arc<Table>) -> Forward {
        let last = self.last_uid();
        let mut changed = UidSet::new();
        let mut added = 0;
        let difference = self.table.difference(&table);
        for message in difference.gone {
            if self.seq(message.uid).is_some() {
                self.ghosts.insert(message.uid.0, message.clone());
            }
        }
        for message in difference.changed {
            if message.uid.0 > last {
                Arc::make_mut(&mut self.uids).push(message.uid.0);
                added += 1;
            } else {
                changed.insert(message.uid.0);
            }
        }
        self.table = table;
        Forward { changed, added }
    }

    /// The ghosts' UIDs, ascending.
    pub fn ghosts(&self) -> UidSet {
        let mut uids: Vec<u32> = self.ghosts.keys().copied().collect();
        uids.sort_unstable();
        uids.into_iter().collect()
    }

    /// Gives up the ghosts: their numbers are told to be gone now. Returns, in an order in
    /// which each `EXPUNGE` is right when it is read (from the highest down), their numbers.
    pub fn bury(&mut self, uids: &UidSet) -> Vec<u32> {
        let mut seqs: Vec<u32> = self.positions(uids).map(|(seq, _)| seq).collect();
        seqs.reverse();
        Arc::make_mut(&mut self.uids).retain(|&uid| !uids.contains(uid));
        uids.iter().for_each(|uid| drop(self.ghosts.remove(&uid)));
        self.saved = self.saved.subtract(uids);
        self.recent = self.recent.subtract(uids);
        seqs
    }
}

/// What [`View::since`] found.
pub struct Since {
    /// UIDs of messages with a greater modseq.
    pub changed: UidSet,
    /// UIDs that are gone and that the view has no number for.
    pub gone: UidSet,
}

/// What [`View::forward`] found.
pub struct Forward {
    /// UIDs of messages that the client knows and that changed.
    pub changed: UidSet,
    /// How many messages were added.
    pub added: u32,
}
