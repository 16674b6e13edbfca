//! FETCH and UID FETCH. RFC 9051 §6.4.5; RFC 7162 §3.1.4 (CHANGEDSINCE), §3.2.6 (VANISHED);
//! RFC 9394 (PARTIAL).

use crate::base::id::ModSeq;
use crate::base::uidset::UidSet;
use crate::domain::message::{self, FlagChange, FlagNames, FlagOp};
use crate::imap::codec::encode;
use crate::imap::codec::types::{By, Code, FetchArgs, FetchItem, Reply};
use crate::imap::failure::Result;
use crate::imap::fetch::{Plan, Style};
use crate::imap::session::Session;
use crate::imap::view::View;
use crate::store::rows::flags::Flags;

/// Messages whose records are read together; some 2 kB each.
const RUN: usize = 32;

pub(super) async fn fetch(session: &mut Session, args: FetchArgs) -> Result<Reply> {
    let uid_only = session.enabled.uid_only;
    let by_uid = args.set.by == By::Uid;
    session.enabled.condstore |=
        args.changed_since.is_some() || args.items.contains(&FetchItem::ModSeq);
    let mut also = Vec::new();
    if by_uid {
        also.push(FetchItem::Uid);
    }
    if args.changed_since.is_some() {
        also.push(FetchItem::ModSeq);
    }
    let plan = Plan::new(&args.items, &also, uid_only);
    let uids = chosen(session, &args)?;
    if plan.has_flags {
        with_view(session, |session, view| session.know_keywords(view, &uids))?;
    }
    let seen = match plan.sets_seen {
        true => mark_seen(session, &uids)?,
        false => None,
    };
    let whole = write_all(session, &plan, &uids).await?;
    if let Some(seen) = seen {
        seen.await?;
    }
    Ok(match whole {
        true => Reply::ok("FETCH completed"),
        false => Reply::no("Some messages are gone or could not be read").with(Code::ExpungeIssued),
    })
}

/// Tells items of new messages outside of a command (NOTIFY, RFC 5465 §5.2).
pub(super) async fn push(session: &mut Session, items: &[FetchItem], uids: &UidSet) -> Result<()> {
    let plan = Plan::new(items, &[FetchItem::Uid], session.enabled.uid_only);
    write_all(session, &plan, uids).await.map(drop)
}

/// The messages to be told of, after CHANGEDSINCE, VANISHED and PARTIAL.
fn chosen(session: &mut Session, args: &FetchArgs) -> Result<UidSet> {
    let view = session.view()?;
    let beyond = || Reply::bad("No such message number");
    let since = args.changed_since.map(ModSeq);
    if args.vanished && !(session.enabled.qresync && since.is_some()) {
        return Err(Reply::bad("VANISHED needs QRESYNC enabled and CHANGEDSINCE").into());
    }
    let mut vanished = UidSet::new();
    let mut chosen = match since {
        None => view.resolve(&args.set).ok_or_else(beyond)?,
        Some(since) => {
            let news = view.since(&session.store().read(), since)?;
            if args.vanished {
                let named = view.resolve(&args.set).ok_or_else(beyond)?;
                vanished = news.gone.intersect(&named);
            }
            // Costs what has changed, whatever `1:*` holds.
            view.resolve_among(&args.set, &news.changed).ok_or_else(beyond)?
        }
    };
    if let Some(page) = args.partial {
        let all: Vec<_> = view.select(&chosen).map(|n| n.message.uid).collect();
        chosen = all.get(page.of(all.len())).unwrap_or_default().iter().copied().collect();
    }
    if !vanished.is_empty() {
        encode::vanished_earlier(&mut session.wire.out, &vanished);
    }
    Ok(chosen)
}

/// Marks what is about to be read as seen; the disk works while the bodies go out.
fn mark_seen(
    session: &Session,
    uids: &UidSet,
) -> Result<Option<impl Future<Output = crate::domain::Result<message::Flagged>> + use<>>> {
    let view = session.view()?;
    if view.read_only {
        return Ok(None);
    }
    let unseen = view.select(uids).filter(|n| !n.message.hot.flags.seen());
    let unseen: UidSet = unseen.map(|n| n.message.uid).collect();
    if unseen.is_empty() {
        return Ok(None);
    }
    let id = view.mailbox;
    let flags = FlagNames::system(Flags::SEEN);
    let change = FlagChange { op: FlagOp::Add, flags, unless_after: None };
    Ok(Some(session.store().write(move |tx| message::set_flags(tx, id, &unseen, &change))))
}

async fn write_all(session: &mut Session, plan: &Plan, uids: &UidSet) -> Result<bool> {
    let style = Style { rev2: session.enabled.rev2, uid_only: session.enabled.uid_only };
    let Session { view: Some(view), wire, login: Some(login), front, .. } = session else {
        return Ok(true);
    };
    let (store, keywords) = (&front.store, &login.keywords);
    let mut whole = true;
    let mut rest = view.select(uids);
    loop {
        let run: Vec<_> = rest.by_ref().take(RUN).collect();
        if run.is_empty() {
            return Ok(whole);
        }
        let records = plan.records(store, &run)?;
        for (numbered, record) in run.into_iter().zip(records) {
            let recent = view.recent.contains(numbered.message.uid.0);
            let written = plan.write(wire, store, numbered, record, style, keywords, recent);
            whole &= written.await?;
        }
    }
}

/// Lends the view and the session to `f` at once.
fn with_view<T>(
    session: &mut Session,
    f: impl FnOnce(&mut Session, &View) -> Result<T>,
) -> Result<T> {
    let view = session.view.take();
    let result = match &view {
        Some(view) => f(session, view),
        None => Err(Reply::bad("No mailbox is selected").into()),
    };
    session.view = view;
    result
}
