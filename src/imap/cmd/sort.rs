//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn sort(_s: &mut Session, _t: &Tag, _a: SortArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
