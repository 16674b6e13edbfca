//! GETQUOTA, GETQUOTAROOT and SETQUOTA. RFC 9208.

use crate::domain::{mailbox, quota};
use crate::imap::codec::encode;
use crate::imap::codec::types::{Code, MailboxName, Reply, SetQuotaArgs};
use crate::imap::failure::Result;
use crate::imap::session::Session;

/// The one quota root of an account: everything counts against it.
const ROOT: &str = "account";

pub(super) async fn get(session: &mut Session, root: String) -> Result<Reply> {
    if root != ROOT {
        return Err(Reply::no("There is no such quota root").with(Code::NonExistent).into());
    }
    write(session)?;
    Ok(Reply::ok("GETQUOTA completed"))
}

pub(super) async fn get_root(session: &mut Session, name: MailboxName) -> Result<Reply> {
    let account = session.account()?.id;
    let mailbox = mailbox::find(&session.store().read(), account, name.as_str())?;
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    encode::quota_root(&mut session.wire.out, &mailbox.name, utf8, &[ROOT]);
    write(session)?;
    Ok(Reply::ok("GETQUOTAROOT completed"))
}

/// Usage and limit in units of 1,024 octets (RFC 9208 §5.1); no resource is listed where there
/// is no limit.
fn write(session: &mut Session) -> Result<()> {
    let usage = quota::usage(&session.store().read(), session.account()?.id)?;
    let storage = usage.limit.map(|limit| ("STORAGE", usage.bytes.div_ceil(1024), limit / 1024));
    encode::quota(&mut session.wire.out, ROOT, storage.as_slice());
    Ok(())
}

/// Limits are the administrator's.
pub(super) async fn set(_: &mut Session, args: SetQuotaArgs) -> Result<Reply> {
    let text = format!("The administrator sets the limits of {}", args.root.escape_debug());
    Err(Reply::no(text).with(Code::NoPerm).into())
}
