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

use std::pin::Pin;

use crate::eas::answer::{Answer, Failure};
use crate::eas::session::Session;
use crate::eas::version::Command;

/// A command on its way to the answer.
pub type Running = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// Runs a command. Each has a box of its own: a phone that waits in a Ping must not hold the
/// room that the largest of them needs.
pub fn run(command: Command, session: Box<Session>) -> Running {
    match command {
        Command::FolderCreate => Box::pin(folder_create::run(*session)),
        Command::FolderDelete => Box::pin(folder_delete::run(*session)),
        Command::FolderUpdate => Box::pin(folder_update::run(*session)),
        Command::MoveItems => Box::pin(move_items::run(*session)),
        Command::Find => Box::pin(find::run(*session)),
        Command::FolderSync => Box::pin(folder_sync::run(*session)),
        Command::GetAttachment => Box::pin(async { get_attachment::run(*session) }),
        Command::GetItemEstimate => Box::pin(async { get_item_estimate::run(*session) }),
        Command::ItemOperations => Box::pin(item_operations::run(*session)),
        Command::MeetingResponse => Box::pin(meeting_response::run(*session)),
        Command::Ping => Box::pin(ping::run(session)),
        Command::Provision => Box::pin(provision::run(*session)),
        Command::Settings => Box::pin(settings::run(*session)),
        Command::ResolveRecipients => Box::pin(resolve_recipients::run(*session)),
        Command::ValidateCert => Box::pin(validate_cert::run(*session)),
        Command::SmartForward => Box::pin(smart::forward(*session)),
        Command::SmartReply => Box::pin(smart::reply(*session)),
        Command::SendMail => Box::pin(send_mail::run(*session)),
        Command::Search => Box::pin(search::run(*session)),
        Command::Sync => Box::pin(sync::run(session)),
    }
}
