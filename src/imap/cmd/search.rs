//! SEARCH and UID SEARCH. RFC 9051 §6.4.4, RFC 5182 (`$`), RFC 5267 (UPDATE), RFC 7162 §3.1.5
//! (MODSEQ), RFC 9394 (PARTIAL), RFC 9586 §3.2 (UIDONLY).

use crate::base::uidset::UidSet;
use crate::imap::codec::types::{
    By, Code, Reply, SearchArgs, SearchKey, SearchReturn, SequenceSet, Status, Tag,
};
use crate::imap::failure::{Failure, Result};
use crate::imap::search::answer::{self, Extended, Plain};
use crate::imap::search::{Context, Hit, Question, evaluate, is_quick, run};
use crate::imap::session::Session;

pub(super) async fn search(session: &mut Session, tag: &Tag, args: SearchArgs) -> Result<Reply> {
    require_uids(session, args.by, &args.key)?;
    session.enabled.condstore |= args.key.uses_modseq();
    let key = args.key.clone();
    let found = async {
        let question = Question::selected(session)?;
        run(session, Some(tag), question, is_quick(&key), move |question, _| {
            Ok(evaluate(&question.scope(), &key)?.to_vec())
        })
        .await
    };
    let found = found.await;
    let hits = save(session, args.returns.as_ref(), found)?;

    let with_modseq = args.key.uses_modseq();
    let whole = SearchReturn { all: true, ..SearchReturn::default() };
    let returns = args.returns.or(session.enabled.rev2.then_some(whole));
    let out = &mut session.wire.out;
    match returns {
        None => answer::plain(out, Plain::Search, &hits, args.by, with_modseq),
        Some(returns) => {
            let (by, mailbox, utf8) = (args.by, None, false);
            Extended { tag, by, returns, with_modseq, mailbox, utf8 }.write(out, &hits);
        }
    }
    if returns.is_some_and(|returns| returns.update) {
        Context::new(tag, args.by, &args.key, None, &hits, session.view()?).register(session);
    }
    Ok(Reply::ok("SEARCH completed"))
}

/// CANCELUPDATE (RFC 5267 §4.3.5). A tag that is not known is one whose updates ended already.
pub(super) fn cancel_update(session: &mut Session, tags: &[String]) -> Result<Reply> {
    session.contexts.cancel(tags);
    Ok(Reply::ok("CANCELUPDATE completed"))
}

/// Refuses message numbers once the client has given them up (RFC 9586 §3).
pub(super) fn require_uids(session: &Session, by: By, key: &SearchKey) -> Result<()> {
    let numbers = |key: &SearchKey| matches!(key, SearchKey::Seq(SequenceSet::Numbers(_)));
    if session.enabled.uid_only && (by == By::Seq || key.any(&mut |key| numbers(key))) {
        let reply = Reply::bad("Message numbers are not used in this session");
        return Err(reply.with(Code::UidRequired).into());
    }
    Ok(())
}

/// Makes `$` what was found, if that was asked for; nothing after a NO (RFC 5182 §2.1).
pub(super) fn save(
    session: &mut Session,
    returns: Option<&SearchReturn>,
    found: Result<Vec<Hit>>,
) -> Result<Vec<Hit>> {
    let Some(returns) = returns.filter(|returns| returns.save) else { return found };
    let saved = match &found {
        Ok(hits) => answer::saved(returns, hits),
        Err(Failure::Reply(reply)) if reply.status == Status::No => UidSet::new(),
        Err(_) => return found,
    };
    session.view_mut()?.saved = saved;
    found
}
