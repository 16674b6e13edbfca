//! THREAD and UID THREAD. RFC 5256 §3.

use super::search::require_uids;
use crate::base::id::Uid;
use crate::imap::codec::encode;
use crate::imap::codec::types::{By, Reply, Tag, ThreadArgs};
use crate::imap::failure::Result;
use crate::imap::search::{self, Question, evaluate, run};
use crate::imap::session::Session;

pub(super) async fn thread(session: &mut Session, tag: &Tag, args: ThreadArgs) -> Result<Reply> {
    let ThreadArgs { by, algorithm, key } = args;
    require_uids(session, by, &key)?;
    session.enabled.condstore |= key.uses_modseq();
    let question = Question::selected(session)?;
    let answer = run(session, Some(tag), question, false, move |question, cache| {
        let scope = question.scope();
        let found = evaluate(&scope, &key)?;
        search::thread(&scope, cache, &found, algorithm)
    })
    .await?;

    let view = session.view.as_ref();
    let nodes = answer.threads.nodes(|uid| match by {
        By::Uid => uid,
        // Found in this view, so it has a number in it.
        By::Seq => view.and_then(|view| view.seq(Uid(uid))).unwrap_or(uid),
    });
    encode::thread(&mut session.wire.out, &nodes);
    Ok(Reply::ok("THREAD completed"))
}
