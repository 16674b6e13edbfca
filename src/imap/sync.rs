//! What is new in the selected mailbox, told to the client: the one place where EXPUNGE, EXISTS
//! and changed flags are written, whoever made the change.

use std::sync::Arc;

use crate::base::id::{AccountId, KeywordId};
use crate::base::uidset::UidSet;
use crate::domain::message::FlagNames;
use crate::imap::codec::encode;
use crate::imap::codec::types::{Code, Flag, Keyword, Reply};
use crate::imap::failure::{Failure, Result};
use crate::imap::session::Session;
use crate::imap::view::{Numbered, OwnChanges, View};
use crate::store::rows::flags::Flags;
use crate::store::{Read, Store};

/// The account's keywords as this session has told them.
#[derive(Default)]
pub struct Keywords {
    names: Vec<Option<Box<str>>>,
}

impl Keywords {
    /// The keyword's name, if it was known when the names were last read.
    pub fn name(&self, id: KeywordId) -> Option<&str> {
        self.names.get(usize::from(id.0))?.as_deref()
    }

    /// All names.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flatten().map(AsRef::as_ref)
    }

    /// Reads the names again; true if there are more now.
    pub fn reload(&mut self, store: &Store, account: AccountId) -> Result<bool> {
        let mut names = Vec::new();
        for (id, name) in store.read().keywords(account)? {
            let at = usize::from(id.0);
            names.resize(names.len().max(at + 1), None);
            if let Some(slot) = names.get_mut(at) {
                *slot = Some(name.into_boxed_str());
            }
        }
        let more = names.len() != self.names.len();
        self.names = names;
        Ok(more)
    }

    /// Appends the flags in parentheses, as FETCH and FLAGS write them.
    pub fn write(&self, out: &mut Vec<u8>, flags: &Flags, recent: bool) {
        out.push(b'(');
        let start = out.len();
        let mut put = |name: &str| {
            if out.len() > start {
                out.push(b' ');
            }
            out.extend_from_slice(name.as_bytes());
        };
        for (flag, name) in SYSTEM {
            if flags.contains(flag) {
                put(name);
            }
        }
        flags.keywords().filter_map(|id| self.name(id)).for_each(&mut put);
        if recent {
            put("\\Recent");
        }
        out.push(b')');
    }
}

const SYSTEM: [(&Flags, &str); 5] = [
    (&Flags::ANSWERED, "\\Answered"),
    (&Flags::FLAGGED, "\\Flagged"),
    (&Flags::DELETED, "\\Deleted"),
    (&Flags::SEEN, "\\Seen"),
    (&Flags::DRAFT, "\\Draft"),
];

/// The protocol's flags in the domain's form.
pub fn flag_names(flags: &[Flag]) -> FlagNames {
    let mut names = FlagNames::default();
    for flag in flags {
        let system = match flag {
            Flag::Answered => Flags::ANSWERED,
            Flag::Flagged => Flags::FLAGGED,
            Flag::Deleted => Flags::DELETED,
            Flag::Seen => Flags::SEEN,
            Flag::Draft => Flags::DRAFT,
            Flag::Keyword(keyword) => {
                names.keywords.push(keyword.as_str().to_owned());
                continue;
            }
        };
        names.system.add(&system);
    }
    names
}

/// What [`Session::sync`] found in the selected mailbox, for those who tell it on (search
/// contexts, NOTIFY).
#[derive(Default)]
pub struct News {
    /// UIDs of messages that changed and that the client knew.
    pub changed: UidSet,
    /// UIDs of messages that were added.
    pub added: UidSet,
    /// UIDs whose numbers were given up.
    pub expunged: UidSet,
}

impl Session {
    /// Brings the client up to date. `may_expunge` is false while message numbers that the
    /// client has in use must stay what they are.
    pub async fn sync(&mut self, may_expunge: bool) -> Result<News> {
        self.require_welcome()?;
        let Some(mut view) = self.view.take() else { return Ok(News::default()) };
        let told = self.tell(&mut view, may_expunge);
        view.own = OwnChanges::default();
        self.view = Some(view);
        let news = told?;
        crate::imap::search::update_contexts(self, &news).await?;
        Ok(news)
    }

    /// Ends the session of somebody whose password or rights were changed meanwhile.
    fn require_welcome(&mut self) -> Result<()> {
        let Some(login) = &mut self.login else { return Ok(()) };
        let now = self.front.store.read().account(login.account.id)?;
        match now {
            Some(now)
                if now.enabled && now.credential_version == login.account.credential_version =>
            {
                login.account = now;
                Ok(())
            }
            _ => {
                self.ended = true;
                let bye = Reply::bye("Your account was changed, log in again");
                encode::untagged(&mut self.wire.out, &bye.with(Code::Unavailable));
                Err(Failure::Io(std::io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    fn tell(&mut self, view: &mut View, may_expunge: bool) -> Result<News> {
        let table = match self.front.store.table(view.mailbox)? {
            Some(table) => table,
            // Deleted by another session: nothing is left to show, and SELECT will say why.
            None => Arc::new(view.table.emptied()),
        };
        let mut news = News::default();
        if !Arc::ptr_eq(&table, &view.table) {
            let before = view.last_uid();
            let forward = view.forward(table);
            news.changed = forward.changed;
            if forward.added > 0 {
                let added = view.uids().iter().rev().take_while(|uid| **uid > before);
                let added: Vec<u32> = added.copied().collect();
                news.added = added.into_iter().rev().collect();
            }
        }
        if may_expunge && view.has_ghosts() {
            news.expunged = view.ghosts();
            self.contexts.expunge(view, &news.expunged, &mut self.wire.out);
            self.tell_expunged(view, &news.expunged);
        }
        if !news.added.is_empty() {
            self.tell_exists(view);
        }
        let mut changed = news.changed.clone();
        changed.union_with(&view.own.told);
        if !changed.is_empty() {
            self.tell_flags(view, &changed)?;
        }
        Ok(news)
    }

    fn tell_expunged(&mut self, view: &mut View, uids: &UidSet) {
        let out = &mut self.wire.out;
        let seqs = view.bury(uids);
        if self.enabled.qresync || self.enabled.uid_only {
            encode::vanished(out, uids);
            return;
        }
        for seq in seqs {
            encode::expunge(out, seq);
        }
    }

    /// EXISTS; only ever after messages were added (Apple Mail loops on a needless one).
    fn tell_exists(&mut self, view: &mut View) {
        let rev2 = self.enabled.rev2;
        let out = &mut self.wire.out;
        encode::exists(out, view.exists());
        if !view.read_only {
            let recent = self.front.recent(&view.table.mailbox, true);
            view.recent.union_with(&recent);
        }
        if !rev2 {
            encode::recent(out, view.recent.len() as u32);
        }
    }

    /// The FETCH lines of messages whose flags the client is to learn.
    pub fn tell_flags(&mut self, view: &View, changed: &UidSet) -> Result<()> {
        self.know_keywords(view, changed)?;
        let Some(login) = &self.login else { return Ok(()) };
        let how = self.enabled;
        for Numbered { seq, message } in view.select(changed) {
            let muted =
                view.own.muted.contains(message.uid.0) && message.hot.modseq == view.own.muted_at;
            if muted && !how.condstore {
                continue;
            }
            let out = &mut self.wire.out;
            crate::imap::fetch::begin(out, seq, message.uid, how.uid_only);
            let mut space = false;
            if !how.uid_only && (how.qresync || how.condstore || view.own.with_uid) {
                out.extend_from_slice(b"UID ");
                encode::number(out, message.uid.0);
                space = true;
            }
            if !muted {
                out.extend_from_slice(if space { b" FLAGS " } else { b"FLAGS " });
                let recent = !how.rev2 && view.recent.contains(message.uid.0);
                login.keywords.write(out, &message.hot.flags, recent);
                space = true;
            }
            if how.condstore {
                out.extend_from_slice(if space { b" MODSEQ (" } else { b"MODSEQ (" });
                encode::number(out, message.hot.modseq.0);
                out.push(b')');
            }
            encode::fetch_end(out);
        }
        Ok(())
    }

    /// Learns, and tells, the names of keywords that these messages have and that are new.
    pub fn know_keywords(&mut self, view: &View, uids: &UidSet) -> Result<()> {
        let Some(login) = &mut self.login else { return Ok(()) };
        let mut ids = view.select(uids).flat_map(|n| n.message.hot.flags.keywords());
        if ids.any(|id| login.keywords.name(id).is_none())
            && login.keywords.reload(&self.front.store, login.account.id)?
        {
            self.tell_flag_names();
        }
        Ok(())
    }

    /// `* FLAGS`: the flags that messages here may have.
    pub fn tell_flag_names(&mut self) {
        let keywords = self.login.iter().flat_map(|login| login.keywords.all());
        let system = Flag::SYSTEM.iter().map(|(_, name)| *name);
        encode::flags(&mut self.wire.out, system.chain(keywords));
    }

    /// PERMANENTFLAGS of a mailbox opened for writing, or for reading.
    pub fn permanent_flags(&self, read_only: bool) -> Code {
        if read_only {
            return Code::PermanentFlags { flags: Vec::new(), new_keywords: false };
        }
        let keywords = self.login.iter().flat_map(|login| login.keywords.all());
        let keywords = keywords.filter_map(Keyword::new).map(Flag::Keyword);
        let flags = Flag::SYSTEM.into_iter().map(|(flag, _)| flag).chain(keywords).collect();
        Code::PermanentFlags { flags, new_keywords: true }
    }
}
