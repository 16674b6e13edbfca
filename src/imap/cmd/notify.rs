//! stub
use crate::imap::codec::types::*;
use crate::imap::failure::Result;
use crate::imap::session::Session;
#[derive(Default)]
pub struct Notify;
impl Notify {
    pub fn is_on(&self) -> bool {
        false
    }
}
pub async fn push(_s: &mut Session) -> Result<()> {
    Ok(())
}
pub(super) async fn notify(_s: &mut Session, _t: &Tag, _a: NotifyArgs) -> Result<Reply> {
    Ok(Reply::ok(""))
}
