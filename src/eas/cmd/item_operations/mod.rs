//! ItemOperations: single items and attachments, emptying a folder, moving a conversation.
//! MS-ASCMD 2.2.1.10.

mod change;
mod fetch;

use bytes::Bytes;

use crate::eas::answer::{Answer, Failure, common};
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::wbxml::{Writer, tags::item_operations as t};

use fetch::Fetcher;

/// Operations of one request (MS-ASCMD 3.1.5.14).
const OPERATIONS_MAX: usize = 100;

const SUCCESS: u16 = 1;
/// The request is not as it should be (MS-ASCMD 2.2.3.177.8, as all of these).
const PROTOCOL_ERROR: u16 = 2;
const SERVER_ERROR: u16 = 3;
const NOT_FOUND: u16 = 6;
const BAD_RANGE: u16 = 8;
const UNKNOWN_STORE: u16 = 9;
const TOO_LARGE: u16 = 11;
const NO_ATTACHMENT: u16 = 15;
const DENIED: u16 = 16;
/// An element that is needed is not there.
const INCOMPLETE: u16 = 155;
/// Conversations are moved to mail folders only.
const NO_MAIL_FOLDER: u16 = 156;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    if request.tag != t::ITEM_OPERATIONS || request.children.is_empty() {
        return Err(Failure::Status(PROTOCOL_ERROR));
    }
    if request.children.len() > OPERATIONS_MAX {
        return Err(Failure::Status(TOO_LARGE));
    }
    let mut out = Writer::new();
    out.open(t::ITEM_OPERATIONS);
    out.number(t::STATUS, SUCCESS);
    out.open(t::RESPONSE);
    // The schema of the answer wants one kind behind the other.
    if session.version >= Version::V14_0 {
        for operation in request.all(t::MOVE) {
            change::move_conversation(&session, &mut out, operation).await?;
        }
    }
    for operation in request.all(t::EMPTY_FOLDER_CONTENTS) {
        change::empty(&session, &mut out, operation).await?;
    }
    // Large attachments are read and decoded: not on a thread that others wait for.
    let fetched = tokio::task::spawn_blocking(move || {
        let mut parts = session.accepts_multipart.then(Vec::new);
        let mut fetcher = Fetcher::new(&session, parts.as_mut());
        for operation in request.all(t::FETCH) {
            fetcher.fetch(&mut out, operation)?;
        }
        Ok::<_, Failure>((out, parts))
    });
    let (mut out, parts) = match fetched.await {
        Ok(fetched) => fetched?,
        Err(error) => {
            tracing::error!(%error, "a fetch panicked");
            return Err(Failure::Common(common::SERVER_ERROR));
        }
    };
    out.close();
    out.close();
    Ok(match parts {
        Some(parts) => {
            let first = Bytes::from(out.finish());
            Answer::Multipart(std::iter::once(first).chain(parts).collect())
        }
        None => out.into(),
    })
}
