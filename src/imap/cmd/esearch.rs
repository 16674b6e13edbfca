//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn esearch(_s: &mut Session, _t: &Tag, _a: EsearchArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
