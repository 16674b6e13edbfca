//! FolderDelete: a folder goes with what is in it and below it. MS-ASCMD 2.2.1.4.

use crate::base::id::MailboxId;
use crate::domain::collection;
use crate::domain::mailbox::{self, SEPARATOR};
use crate::eas::answer::{Answer, Failure};
use crate::eas::cmd::folder_change::{self, At, MALFORMED, NOT_FOUND, Refused, SPECIAL};
use crate::eas::cmd::folder_create::is_special;
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::session::Session;
use crate::format::wbxml::tags::folder_hierarchy as t;
use crate::store::Read as _;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let id = request.text_of(t::SERVER_ID).ok_or(Failure::Status(MALFORMED))?.to_owned();
    folder_change::run(&session, &request, t::FOLDER_DELETE, move |at| delete(at, &id)).await
}

fn delete(at: &mut At<'_, '_>, server_id: &str) -> Result<(u64, Option<String>), Refused> {
    let Some(folder) = at.folder(server_id).cloned() else {
        let id = ids::parse_collection(at.account, server_id);
        let gone = at.removed_before();
        return match id.is_some_and(|id| gone.contains(&id)) {
            true => Ok((at.tell(&gone)?, None)),
            false => Err(Refused::Status(NOT_FOUND)),
        };
    };
    let gone: Vec<MailboxId> = match folder.content {
        Content::Outbox => return Err(Refused::Status(SPECIAL)),
        Content::Items(_) => {
            collection::delete(at.tx, folder.id)?;
            vec![folder.id]
        }
        Content::Mail | Content::Drafts => {
            let top = mailbox::require(at.tx, folder.id)?;
            let below = format!("{}{SEPARATOR}", top.name);
            let mut all = at.tx.mailboxes(at.account)?;
            all.retain(|each| each.id == top.id || each.name.starts_with(&below));
            if all.iter().any(is_special) {
                return Err(Refused::Status(SPECIAL));
            }
            for each in &all {
                mailbox::set_subscribed(at.tx, at.account, &each.name, false)?;
                mailbox::remove(at.tx, each.id)?;
            }
            all.iter().map(|each| each.id).collect()
        }
    };
    Ok((at.tell(&gone)?, None))
}
