//! The commands, one file each. Each takes the request of a device that was let in and returns
//! its answer.

use crate::eas::answer::{Answer, Failure, common};
use crate::eas::session::Session;
use crate::eas::version::Command;

/// Runs a command.
pub async fn run(command: Command, session: Session) -> Result<Answer, Failure> {
    match command {
        _ => Err(Failure::Common(common::COMMAND_NOT_SUPPORTED)),
    }
}
