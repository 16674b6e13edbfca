//! FolderCreate: a folder for mail, a calendar, an address book, a task list, notes.
//! MS-ASCMD 2.2.1.3.

use crate::domain::collection;
use crate::domain::mailbox::{self, INBOX, SEPARATOR};
use crate::eas::answer::{Answer, Failure};
use crate::eas::cmd::folder_change::{self, At, MALFORMED, NO_PARENT, Refused, SPECIAL};
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::session::Session;
use crate::format::wbxml::tags::folder_hierarchy as t;
use crate::store::Read as _;
use crate::store::rows::collection::CollectionKind;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let new = New {
        name: folder_change::name(&request)?,
        parent: request.text_of(t::PARENT_ID).unwrap_or(ids::ROOT).to_owned(),
        kind: request.parse_of(t::TYPE).ok_or(Failure::Status(MALFORMED))?,
    };
    folder_change::run(&session, &request, t::FOLDER_CREATE, move |at| create(at, &new)).await
}

struct New {
    name: String,
    parent: String,
    /// MS-ASCMD 2.2.3.186.2.
    kind: u8,
}

fn create(at: &mut At<'_, '_>, new: &New) -> Result<(u64, Option<String>), Refused> {
    let kind = match new.kind {
        // 1 is an old client's word for "of a user".
        1 | 12 => None,
        13 => Some(CollectionKind::Calendar),
        14 => Some(CollectionKind::Contacts),
        15 => Some(CollectionKind::Tasks),
        17 => Some(CollectionKind::Notes),
        2..=10 | 19 => return Err(Refused::Status(SPECIAL)),
        _ => return Err(Refused::Status(MALFORMED)),
    };
    if let Some(same) = at.folders.iter().find(|folder| {
        folder.name == new.name
            && (kind.is_some() || folder.parent == new.parent)
            && is_kind(folder.content, kind)
            && at.made_before(folder)
    }) {
        let (id, server_id) = (same.id, same.server_id.clone());
        return Ok((at.tell(&[id])?, Some(server_id)));
    }
    let parent = match new.parent.as_str() {
        ids::ROOT | "" => None,
        id => Some(at.folder(id).ok_or(Refused::Status(NO_PARENT))?.clone()),
    };
    let id = match kind {
        None => {
            let name = match &parent {
                None => new.name.clone(),
                Some(parent) if is_kind(parent.content, None) => {
                    let above = mailbox::require(at.tx, parent.id)?.name;
                    format!("{above}{SEPARATOR}{}", new.name)
                }
                Some(_) => return Err(Refused::Status(NO_PARENT)),
            };
            let made = mailbox::create(at.tx, at.account, &name, None)?;
            mailbox::set_subscribed(at.tx, at.account, &made.name, true)?;
            made.id
        }
        Some(kind) => {
            let twice = at.tx.collections(at.account)?.into_iter();
            if twice.filter(|each| each.kind == kind).any(|each| each.name == new.name) {
                return Err(Refused::Status(folder_change::EXISTS));
            }
            // They all lie side by side.
            collection::create(at.tx, at.account, kind, &new.name)?.id
        }
    };
    let key = at.tell(&[id])?;
    Ok((key, Some(ids::collection(id))))
}

fn is_kind(content: Content, kind: Option<CollectionKind>) -> bool {
    match kind {
        None => matches!(content, Content::Mail | Content::Drafts),
        Some(kind) => content == Content::Items(kind),
    }
}

/// Whether a mailbox has a meaning of its own, and so stays as it is.
pub(super) fn is_special(mailbox: &crate::store::rows::mailbox::Mailbox) -> bool {
    mailbox.name == INBOX || mailbox.special_use.is_some()
}
