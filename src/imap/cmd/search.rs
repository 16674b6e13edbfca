//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn search(_s: &mut Session, _t: &Tag, _a: SearchArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) fn cancel_update(_s: &mut Session, _a: &[String]) -> Result<Reply> {
    Ok(Reply::ok(""))
}
