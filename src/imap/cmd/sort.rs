//! SORT and UID SORT. RFC 5256 §3, RFC 5957 (DISPLAYFROM, DISPLAYTO), RFC 5267 (ESORT, UPDATE).

use super::search::{require_uids, save};
use crate::imap::codec::types::{Reply, SortArgs, Tag};
use crate::imap::failure::Result;
use crate::imap::search::answer::{self, Extended, Plain};
use crate::imap::search::{self, Context, Question, evaluate, is_cheap, is_quick, run};
use crate::imap::session::Session;

pub(super) async fn sort(session: &mut Session, tag: &Tag, args: SortArgs) -> Result<Reply> {
    require_uids(session, args.by, &args.key)?;
    let with_modseq = args.key.uses_modseq();
    session.enabled.condstore |= with_modseq;
    let (key, criteria) = (args.key.clone(), args.criteria.clone());
    let quick = is_quick(&key) && is_cheap(&criteria);
    let found = async {
        let question = Question::selected(session)?;
        run(session, Some(tag), question, quick, move |question, cache| {
            let scope = question.scope();
            let found = evaluate(&scope, &key)?;
            search::sort(&scope, cache, &found, &criteria)
        })
        .await
    };
    let found = found.await;
    let hits = save(session, args.returns.as_ref(), found)?;

    let out = &mut session.wire.out;
    match args.returns {
        None => answer::plain(out, Plain::Sort, &hits, args.by, with_modseq),
        Some(returns) => {
            let (by, mailbox, utf8) = (args.by, None, false);
            Extended { tag, by, returns, with_modseq, mailbox, utf8 }.write(out, &hits);
        }
    }
    if args.returns.is_some_and(|returns| returns.update) {
        let view = session.view()?;
        Context::new(tag, args.by, &args.key, Some(args.criteria), &hits, view).register(session);
    }
    Ok(Reply::ok("SORT completed"))
}
