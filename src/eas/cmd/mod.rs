//! The commands, one file each. Each takes the request of a device that was let in and returns
//! its answer.

mod find;
mod folder_change;
mod folder_create;
mod folder_delete;
mod folder_sync;
mod folder_update;
mod get_attachment;
mod get_item_estimate;
mod item_operations;
mod meeting_response;
mod move_items;
mod ping;
mod provision;
mod resolve_recipients;
mod search;
mod send_mail;
mod settings;
mod smart;
mod sync;
#[cfg(test)]
mod tests;
mod validate_cert;

pub use ping::Watched;
pub use sync::Remembered;

use crate::eas::answer::{Answer, Failure};
use crate::eas::session::Session;
use crate::eas::version::Command;

/// Runs a command. Each has a box of its own: a phone that waits in a Ping must not hold the
/// room that the largest of them needs.
pub async fn run(command: Command, session: Session) -> Result<Answer, Failure> {
    match command {
        Command::FolderCreate => Box::pin(folder_create::run(session)).await,
        Command::FolderDelete => Box::pin(folder_delete::run(session)).await,
        Command::FolderUpdate => Box::pin(folder_update::run(session)).await,
        Command::MoveItems => Box::pin(move_items::run(session)).await,
        Command::Find => Box::pin(find::run(session)).await,
        Command::FolderSync => Box::pin(folder_sync::run(session)).await,
        Command::GetAttachment => get_attachment::run(session),
        Command::GetItemEstimate => get_item_estimate::run(session),
        Command::ItemOperations => Box::pin(item_operations::run(session)).await,
        Command::MeetingResponse => Box::pin(meeting_response::run(session)).await,
        Command::Ping => Box::pin(ping::run(session)).await,
        Command::Provision => Box::pin(provision::run(session)).await,
        Command::Settings => Box::pin(settings::run(session)).await,
        Command::ResolveRecipients => Box::pin(resolve_recipients::run(session)).await,
        Command::ValidateCert => Box::pin(validate_cert::run(session)).await,
        Command::SmartForward => smart::forward(session).await,
        Command::SmartReply => smart::reply(session).await,
        Command::SendMail => Box::pin(send_mail::run(session)).await,
        Command::Search => Box::pin(search::run(session)).await,
        Command::Sync => Box::pin(sync::run(session)).await,
    }
}
