//! GETMETADATA and SETMETADATA: annotations of mailboxes and of the server. RFC 5464.
//!
//! The server's annotations are kept with the account (its collection number 0), so `/private`
//! and `/shared` are both the account's own; nobody else sees them.

use bytes::Bytes;

use crate::base::id::MailboxId;
use crate::domain::{self, mailbox};
use crate::imap::codec::encode;
use crate::imap::codec::types::{
    Code, Depth, EntryName, GetMetadataArgs, MailboxName, Reply, SetMetadataArgs,
};
use crate::imap::failure::{Failure, Result};
use crate::imap::session::Session;
use crate::store::{Read, Snapshot};

/// Whose annotations: a mailbox's, or with an empty name the server's.
fn target(session: &Session, name: Option<&MailboxName>) -> Result<(MailboxId, String)> {
    let account = session.account()?.id;
    Ok(match name {
        Some(name) => {
            let found = mailbox::find(&session.store().read(), account, name.as_str())?;
            (found.id, found.name)
        }
        None => (MailboxId::new(account, 0), String::new()),
    })
}

pub(super) async fn get(session: &mut Session, args: GetMetadataArgs) -> Result<Reply> {
    let (id, name) = target(session, args.mailbox.as_ref())?;
    let all = session.store().read().annotations(id)?;
    let mut longest = 0;
    let mut found: Vec<(&str, Option<&Bytes>)> = Vec::new();
    for wanted in &args.entries {
        let before = found.len();
        for (entry, value) in &all {
            if !reaches(wanted.as_str(), args.depth, entry) {
                continue;
            }
            match args.max_size {
                Some(max) if value.len() as u64 > max => longest = longest.max(value.len() as u64),
                _ => found.push((entry, Some(value))),
            }
        }
        // An entry asked for by its own name is told to be empty.
        if before == found.len() && args.depth == Depth::Zero && longest == 0 {
            found.push((wanted.as_str(), None));
        }
    }
    if !found.is_empty() {
        write(session, &name, &found);
    }
    let reply = Reply::ok("GETMETADATA completed");
    Ok(if longest > 0 { reply.with(Code::MetadataLongEntries(longest)) } else { reply })
}

/// Whether an entry is the wanted one or, within the depth, below it.
fn reaches(wanted: &str, depth: Depth, entry: &str) -> bool {
    let Some(rest) = entry.strip_prefix(wanted) else { return false };
    match (rest.strip_prefix('/'), depth) {
        (None, _) => rest.is_empty(),
        (Some(_), Depth::Zero) => false,
        (Some(below), Depth::One) => !below.contains('/'),
        (Some(_), Depth::Infinity) => true,
    }
}

fn write(session: &mut Session, name: &str, entries: &[(&str, Option<&Bytes>)]) {
    let utf8 = session.enabled.utf8 || session.enabled.rev2;
    let out = &mut session.wire.out;
    out.extend_from_slice(b"* METADATA ");
    encode::mailbox(out, name, utf8);
    out.extend_from_slice(b" (");
    for (at, (entry, value)) in entries.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        encode::astring(out, entry.as_bytes());
        out.push(b' ');
        encode::nstring(out, value.map(AsRef::as_ref));
    }
    out.extend_from_slice(b")\r\n");
}

/// LIST RETURN (METADATA …) (RFC 9590): one line for each mailbox listed.
pub(super) fn write_for_list(
    session: &mut Session,
    snapshot: &Snapshot,
    id: MailboxId,
    wanted: &[EntryName],
) -> Result<()> {
    let all = snapshot.annotations(id)?;
    let value = |name: &str| all.iter().find(|(entry, _)| entry == name).map(|(_, value)| value);
    let found: Vec<_> = wanted.iter().map(|name| (name.as_str(), value(name.as_str()))).collect();
    let name = mailbox::require(snapshot, id)?.name;
    write(session, &name, &found);
    Ok(())
}

pub(super) async fn set(session: &mut Session, args: SetMetadataArgs) -> Result<Reply> {
    let (id, _) = target(session, args.mailbox.as_ref())?;
    let done = session.store().write(move |tx| {
        let each = args.entries.iter();
        let mut each = each.map(|(entry, value)| (entry.as_str(), value.as_deref()));
        each.try_for_each(|(entry, value)| mailbox::set_annotation(tx, id, entry, value))
    });
    match done.await {
        Ok(()) => Ok(Reply::ok("SETMETADATA completed")),
        Err(domain::Error::TooLarge) => {
            let max = mailbox::ANNOTATION_MAX as u64;
            let text = "The value is too large";
            Err(Reply::no(text).with(Code::MetadataMaxSize(max)).into())
        }
        Err(domain::Error::TooMany(_)) => {
            let text = "There are too many annotations";
            Err(Reply::no(text).with(Code::MetadataTooMany).into())
        }
        Err(error) => Err(Failure::from(error)),
    }
}
