//! FolderUpdate: a folder gets another name or another place. MS-ASCMD 2.2.1.6.

use crate::domain::collection;
use crate::domain::mailbox::{self, SEPARATOR};
use crate::eas::answer::{Answer, Failure};
use crate::eas::cmd::folder_change::{
    self, At, EXISTS, MALFORMED, NO_PARENT, NOT_FOUND, Refused, SPECIAL,
};
use crate::eas::cmd::folder_create::is_special;
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::session::Session;
use crate::format::wbxml::tags::folder_hierarchy as t;
use crate::store::Read as _;
use crate::store::rows::collection::CollectionKind;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let wanted = Wanted {
        id: request.text_of(t::SERVER_ID).ok_or(Failure::Status(MALFORMED))?.to_owned(),
        parent: request.text_of(t::PARENT_ID).unwrap_or(ids::ROOT).to_owned(),
        name: folder_change::name(&request)?,
    };
    folder_change::run(&session, &request, t::FOLDER_UPDATE, move |at| update(at, &wanted)).await
}

struct Wanted {
    id: String,
    parent: String,
    name: String,
}

fn update(at: &mut At<'_, '_>, wanted: &Wanted) -> Result<(u64, Option<String>), Refused> {
    let folder = at.folder(&wanted.id).cloned().ok_or(Refused::Status(NOT_FOUND))?;
    let parent = match wanted.parent.as_str() {
        ids::ROOT | "" => None,
        id => Some(at.folder(id).ok_or(Refused::Status(NO_PARENT))?.clone()),
    };
    match folder.content {
        // 2 says of this command that the folder is a special one, 3 that it is this one.
        Content::Items(CollectionKind::Recipients) => return Err(Refused::Status(SPECIAL)),
        Content::Outbox => return Err(Refused::Status(EXISTS)),
        Content::Items(_) => {
            let row = collection::require(at.tx, folder.id)?;
            if row.default {
                return Err(Refused::Status(EXISTS));
            }
            let others = at.tx.collections(at.account)?.into_iter();
            let mut others = others.filter(|each| each.id != row.id && each.kind == row.kind);
            if others.any(|each| each.name == wanted.name) {
                return Err(Refused::Status(EXISTS));
            }
            if row.name != wanted.name {
                collection::rename(at.tx, folder.id, &wanted.name)?;
            }
        }
        Content::Mail | Content::Drafts => {
            let row = mailbox::require(at.tx, folder.id)?;
            let name = match parent {
                None => wanted.name.clone(),
                Some(parent) if matches!(parent.content, Content::Mail | Content::Drafts) => {
                    let above = mailbox::require(at.tx, parent.id)?.name;
                    format!("{above}{SEPARATOR}{}", wanted.name)
                }
                Some(_) => return Err(Refused::Status(NO_PARENT)),
            };
            // A repeated request finds it done.
            if row.name != name {
                if is_special(&row) {
                    return Err(Refused::Status(EXISTS));
                }
                for (old, new) in mailbox::rename(at.tx, at.account, &row.name, &name)? {
                    if at.tx.get(&crate::store::keys::subscription(at.account, &old))?.is_some() {
                        mailbox::set_subscribed(at.tx, at.account, &old, false)?;
                        mailbox::set_subscribed(at.tx, at.account, &new.name, true)?;
                    }
                }
            }
        }
    }
    Ok((at.tell(&[folder.id])?, None))
}
