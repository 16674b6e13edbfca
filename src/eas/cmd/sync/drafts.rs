//! Drafts that a phone writes (16.0 and later): the costly part stands before the transaction.

use crate::eas::cmd::sync::request::Command;
use crate::eas::cmd::sync::step::Step;
use crate::eas::draft::{self, Draft, Refused};
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::session::Session;
use crate::eas::version::Version;

/// A draft that is ready, or why it is not.
pub type Written = Result<Draft, Refused>;

/// For each command of the step, what it writes.
pub async fn prepare(session: &Session, step: &Step) -> Vec<Option<Written>> {
    if session.version < Version::V16_0 || step.content != Content::Drafts {
        return Vec::new();
    }
    let mut all = Vec::with_capacity(step.wanted.commands.len());
    for command in &step.wanted.commands {
        all.push(match command {
            Command::Add { client_id, data, send } => {
                Some(draft::prepare(session, step.id, None, Some(client_id), data, *send).await)
            }
            Command::Change { server_id, data, send, .. } if *send || draft::is_content(data) => {
                match ids::parse_item(session.account.id, server_id) {
                    Some((id, uid)) if id == step.id => {
                        Some(draft::prepare(session, id, Some(uid), None, data, *send).await)
                    }
                    // It is refused like any other change of what is not here.
                    _ => None,
                }
            }
            _ => None,
        });
    }
    all
}
