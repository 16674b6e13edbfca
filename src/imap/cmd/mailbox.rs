//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn create(_s: &mut Session, _a: CreateArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn delete(_s: &mut Session, _a: MailboxName) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn rename(_s: &mut Session, _a: MailboxName, _b: MailboxName) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn subscribe(_s: &mut Session, _a: MailboxName) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn unsubscribe(_s: &mut Session, _a: MailboxName) -> Result<Reply> {
    Ok(Reply::ok(""))
}
