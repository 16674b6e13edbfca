//! What FolderCreate, FolderDelete and FolderUpdate have in common: the hierarchy's key, names,
//! and the repetition of a request whose answer was lost. MS-ASCMD 2.2.1.3, 2.2.1.5, 2.2.1.6.

use crate::base::id::{AccountId, MailboxId};
use crate::domain::{self, Error};
use crate::eas::answer::{Answer, Failure};
use crate::eas::folder::{self, Folder, Known};
use crate::eas::session::Session;
use crate::eas::state;
use crate::eas::version::Version;
use crate::format::wbxml::{Element, Tag, Writer, tags::folder_hierarchy as t};
use crate::store::rows::sync::SyncId;
use crate::store::{self, Tx};

/// Statuses (MS-ASCMD 2.2.3.177.3, .4, .6).
pub const SUCCESS: u16 = 1;
pub const EXISTS: u16 = 2;
pub const SPECIAL: u16 = 3;
pub const NOT_FOUND: u16 = 4;
pub const NO_PARENT: u16 = 5;
pub const SERVER_ERROR: u16 = 6;
pub const BAD_KEY: u16 = 9;
pub const MALFORMED: u16 = 10;

/// Longest name in characters; a level of a mailbox's name has room for it in any script.
const NAME_MAX: usize = 200;

/// Why a folder is not changed.
#[derive(Debug)]
pub enum Refused {
    Status(u16),
    Store(store::Error),
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Status(match error {
            Error::Store(error) => return Self::Store(error),
            Error::Exists(_) => EXISTS,
            Error::NotFound(_) => NOT_FOUND,
            Error::Denied(_) => SPECIAL,
            Error::Invalid(_) | Error::TooLarge => MALFORMED,
            Error::TooMany(_) | Error::OverQuota | Error::HasChildren | Error::Stale => {
                SERVER_ERROR
            }
        })
    }
}

/// A device at a key of the hierarchy.
pub struct At<'t, 'g> {
    pub tx: &'t mut Tx<'g>,
    pub account: AccountId,
    device: u32,
    version: Version,
    known: Known,
    /// What this key already led to, if the answer to that was lost.
    next: Option<Known>,
    pub folders: Vec<Folder>,
}

impl<'t, 'g> At<'t, 'g> {
    fn new(tx: &'t mut Tx<'g>, who: &Who, key: u64) -> Result<Self, Refused> {
        let Who { account, device, version } = *who;
        let known = Known::at(tx, account, device, key)?.filter(|_| key != 0);
        let known = known.ok_or(Refused::Status(BAD_KEY))?;
        let next = Known::answer_to(tx, account, device, key)?;
        let folders = folder::hierarchy(tx, account, version)?;
        Ok(Self { tx, account, device, version, known, next, folders })
    }

    pub fn folder(&self, server_id: &str) -> Option<&Folder> {
        self.folders.iter().find(|folder| folder.server_id == server_id)
    }

    /// Whether the same request, with the same key, made this folder before.
    pub fn made_before(&self, folder: &Folder) -> bool {
        let knew = |known: &Known| known.has(folder.id);
        !knew(&self.known) && self.next.as_ref().is_some_and(knew)
    }

    /// What it removed before: folders go with those below them.
    pub fn removed_before(&self) -> Vec<MailboxId> {
        let next = self.next.as_ref();
        next.map_or_else(Vec::new, |next| self.known.gone_in(self.account, next))
    }

    /// Moves the device to the next key, with what it has changed itself.
    pub fn tell(&mut self, changed: &[MailboxId]) -> Result<u64, Refused> {
        let now = folder::hierarchy(self.tx, self.account, self.version)?;
        for id in changed {
            self.known.tell_own(&now, *id);
            if !now.iter().any(|folder| folder.id == *id) {
                SyncId { collection: *id, device: self.device }.forget(self.tx)?;
            }
        }
        let from = self.known.key;
        let key = self.known.answer(self.tx, self.account, self.device, from)?;
        self.folders = now;
        Ok(key)
    }
}

/// Who asks.
#[derive(Clone, Copy)]
struct Who {
    account: AccountId,
    device: u32,
    version: Version,
}

/// Runs a change at the key that the request names; the answer has the next one, and the id of
/// a new folder.
pub async fn run(
    session: &Session,
    request: &Element,
    root: Tag,
    change: impl FnOnce(&mut At<'_, '_>) -> Result<(u64, Option<String>), Refused> + Send + 'static,
) -> Result<Answer, Failure> {
    let key = request.text_of(t::SYNC_KEY).and_then(state::parse_key);
    let key = key.ok_or(Failure::Status(BAD_KEY))?;
    let (account, device) = (session.account.id, session.device.number);
    let who = Who { account, device, version: session.version };
    let changed = session.write(move |tx| change(&mut At::new(tx, &who, key)?)).await;
    let (key, server_id) = changed.map_err(|refused| match refused {
        Refused::Status(status) => Failure::Status(status),
        Refused::Store(error) => {
            tracing::warn!(%error, "a phone's folder could not be changed");
            Failure::Status(SERVER_ERROR)
        }
    })?;
    let mut out = Writer::new();
    out.open(root);
    out.number(t::STATUS, SUCCESS);
    out.number(t::SYNC_KEY, key);
    if let Some(id) = server_id {
        out.text(t::SERVER_ID, &id);
    }
    out.close();
    Ok(out.into())
}

/// A folder's name as it can be kept: a phone's `/` would begin another level.
pub fn name(request: &Element) -> Result<String, Failure> {
    let text = request.text_of(t::DISPLAY_NAME).unwrap_or_default();
    let clean: String = text
        .chars()
        .map(|c| match c {
            domain::mailbox::SEPARATOR => '\u{2215}',
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let clean = clean.trim();
    if clean.is_empty() || clean.chars().count() > NAME_MAX {
        return Err(Failure::Status(MALFORMED));
    }
    Ok(clean.to_owned())
}
