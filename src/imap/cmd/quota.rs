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
    let out = &mut session.wire.out;
    out.extend_from_slice(b"* QUOTAROOT ");
    encode::mailbox(out, &mailbox.name, utf8);
    out.push(b' ');
    out.extend_from_slice(ROOT.as_bytes());
    out.extend_from_slice(b"\r\n");
    write(session)?;
    Ok(Reply::ok("GETQUOTAROOT completed"))
}

/// Usage and limit in units of 1,024 octets (RFC 9208 §5.1); no resource is listed where there
/// is no limit.
fn write(session: &mut Session) -> Result<()> {
    let usage = quota::usage(&session.store().read(), session.account()?.id)?;
    let out = &mut session.wire.out;
    out.extend_from_slice(b"* QUOTA ");
    out.extend_from_slice(ROOT.as_bytes());
    out.extend_from_slice(b" (");
    if let Some(limit) = usage.limit {
        out.extend_from_slice(b"STORAGE ");
        encode::number(out, usage.bytes.div_ceil(1024));
        out.push(b' ');
        encode::number(out, limit / 1024);
    }
    out.extend_from_slice(b")\r\n");
    Ok(())
}

/// Limits are the administrator's.
pub(super) async fn set(_: &mut Session, args: SetQuotaArgs) -> Result<Reply> {
    let text = format!("The administrator sets the limits of {}", args.root.escape_debug());
    Err(Reply::no(text).with(Code::NoPerm).into())
}
