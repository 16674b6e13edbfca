//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn thread(_s: &mut Session, _a: ThreadArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
