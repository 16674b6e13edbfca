//! GetAttachment of 2.5 to 12.1: an attachment's bytes as they are. MS-ASCMD 2.2.1.7.

use axum::http::StatusCode;

use crate::eas::answer::{Answer, Failure};
use crate::eas::render::email;
use crate::eas::session::Session;

pub(super) fn run(session: Session) -> Result<Answer, Failure> {
    let bounds = &session.bounds;
    if bounds.no_attachments {
        return Err(Failure::Http(StatusCode::FORBIDDEN));
    }
    let name = session.query.attachment_name.as_deref().unwrap_or_default();
    let found = email::attachment(&session.read(), session.account.id, name)?;
    // The status that the command has for whatever goes wrong.
    let found = found.ok_or(Failure::Http(StatusCode::INTERNAL_SERVER_ERROR))?;
    if bounds.attachment.is_some_and(|most| found.bytes.len() as u64 > most) {
        return Err(Failure::Http(StatusCode::FORBIDDEN));
    }
    Ok(Answer::Raw { content_type: found.content_type, bytes: found.bytes })
}
