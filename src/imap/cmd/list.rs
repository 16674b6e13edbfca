//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn list(_s: &mut Session, _a: ListArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn namespace(_s: &mut Session) -> Result<Reply> {
    Ok(Reply::ok(""))
}
