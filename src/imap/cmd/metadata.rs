//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
pub(super) async fn get(_s: &mut Session, _a: GetMetadataArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
pub(super) async fn set(_s: &mut Session, _a: SetMetadataArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
