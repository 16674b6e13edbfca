//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn get(_s: &mut Session, _a: String) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn get_root(_s: &mut Session, _a: MailboxName) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn set(_s: &mut Session, _a: SetQuotaArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
