//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn status(_s: &mut Session, _a: StatusArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
