//! APPEND, with several messages, CATENATE, UTF8 and literal8. RFC 9051 §6.3.12; RFC 3502,
//! 4469, 6855, 3516.

use std::time::Instant;

use bytes::Bytes;

use crate::base::id::AccountId;
use crate::base::uidset::UidSet;
use crate::domain::message::{self, FlagNames, Prepared, Received};
use crate::domain::{self, mailbox};
use crate::imap::codec::table::Spec;
use crate::imap::codec::types::{
    AppendArgs, AppendMessage, AppendSource, Code, Command, Payload, PayloadData, Reply, Tag,
};
use crate::imap::failure::{Failure, Result, try_create};
use crate::imap::session::{Diverted, InFlight, Session};
use crate::imap::sync::flag_names;
use crate::store::Store;
use crate::store::engine::BodyRef;

/// A message with what the command says of it, ready to be stored.
pub(super) struct Arrival {
    pub prepared: Prepared,
    pub flags: FlagNames,
    pub received: Option<Received>,
}

/// Starts an APPEND whose messages came whole: its commit goes on while the next command is
/// read, so that pipelined APPENDs share one sync. Other commands are handed back.
pub(in crate::imap) async fn begin(
    session: &mut Session,
    tag: &Tag,
    spec: &'static Spec,
    command: Command,
) -> Result<Option<Command>> {
    let began = Instant::now();
    let args = match command {
        Command::Append(args) if args.messages.iter().all(is_whole) => args,
        other => return Ok(Some(other)),
    };
    let account = session.account()?.id;
    let name = args.mailbox.as_str().to_owned();
    let arrivals = arrivals(session, args.messages).await?;
    let done = add_all(session.store(), account, name, arrivals);
    let done = Box::pin(done);
    session.in_flight.push_back(InFlight { tag: tag.clone(), spec, done, began });
    Ok(None)
}

fn is_whole(message: &AppendMessage) -> bool {
    !matches!(message.source, AppendSource::Catenate(_))
}

/// Runs an APPEND with pieces of other messages in it.
pub(super) async fn append(session: &mut Session, args: AppendArgs) -> Result<Reply> {
    let account = session.account()?.id;
    let name = args.mailbox.as_str().to_owned();
    let arrivals = arrivals(session, args.messages).await?;
    add_all(session.store(), account, name, arrivals).await
}

/// Adds the messages in one transaction: all or none (RFC 3502 §6.3.11).
fn add_all(
    store: &Store,
    account: AccountId,
    name: String,
    arrivals: Vec<Arrival>,
) -> impl Future<Output = Result<Reply>> + Send + use<> {
    let added = store.write(move |tx| {
        let target = mailbox::find(tx, account, &name)?;
        let mut uids = UidSet::new();
        for arrival in arrivals {
            let stored = message::store_content(tx, arrival.prepared)?;
            let (flags, received) = (&arrival.flags, arrival.received);
            let added = message::add_received(tx, target.id, &stored, flags, received)?;
            uids.insert(added.uid.0);
        }
        Ok::<_, domain::Error>((target.uid_validity, uids))
    });
    async move {
        let (uid_validity, uids) = added.await.map_err(|error| try_create(Failure::from(error)))?;
        Ok(Reply::ok("APPEND completed").with(Code::AppendUid(uid_validity, uids)))
    }
}

/// Bytes of messages whose cold records are computed where the command is run; more are computed
/// on threads of their own, so that other sessions go on.
const AT_ONCE: u64 = 262_144;

/// Computes the cold records.
pub(super) async fn arrivals(
    session: &mut Session,
    messages: Vec<AppendMessage>,
) -> Result<Vec<Arrival>> {
    let mut sources = Vec::with_capacity(messages.len());
    for message in messages {
        let source = source(session, message.source).await?;
        let received = message.date.map(|date| Received::zoned(date.at, date.offset_minutes));
        sources.push((source, flag_names(&message.flags), received));
    }
    let mut rest: u64 = sources.iter().map(|(source, ..)| source.len()).sum();
    if rest <= AT_ONCE {
        return Ok(prepare(session.store(), sources)?);
    }
    // In one part for each core, of about as many bytes.
    let share = rest.div_ceil(std::thread::available_parallelism().map_or(1, |n| n.get() as u64));
    let mut parts = Vec::new();
    let mut sources = sources.into_iter().peekable();
    while sources.peek().is_some() {
        let part_ends = rest.saturating_sub(share);
        let part: Vec<_> = std::iter::from_fn(|| {
            let next = sources.next_if(|_| rest > part_ends)?;
            rest -= next.0.len();
            Some(next)
        })
        .collect();
        let store = session.store().clone();
        parts.push(tokio::task::spawn_blocking(move || prepare(&store, part)));
    }
    let mut arrivals = Vec::new();
    for part in parts {
        let prepared =
            part.await.map_err(|_| Reply::no("The server has a problem").with(Code::ServerBug))?;
        arrivals.extend(prepared?);
    }
    Ok(arrivals)
}

fn prepare(
    store: &Store,
    sources: Vec<(Whole, FlagNames, Option<Received>)>,
) -> domain::Result<Vec<Arrival>> {
    let each = sources.into_iter().map(|(source, flags, received)| {
        let prepared = match source {
            Whole::Bytes(raw) => Prepared::new(b"", raw),
            Whole::Spooled(at) => Prepared::spooled(store, b"", at)?,
        };
        Ok(Arrival { prepared, flags, received })
    });
    each.collect()
}

/// A message's bytes, together or in the spool.
enum Whole {
    Bytes(Bytes),
    Spooled(BodyRef),
}

impl Whole {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Spooled(at) => at.len,
        }
    }
}

async fn source(session: &mut Session, source: AppendSource) -> Result<Whole> {
    let whole = match source {
        AppendSource::Whole(payload) | AppendSource::Utf8(payload) => take(session, payload)?,
        AppendSource::Catenate(parts) => {
            Whole::Bytes(super::catenate::join(session, parts).await?.into())
        }
    };
    match whole.len() {
        0 => Err(Reply::no("An empty message cannot be stored").with(Code::Cannot).into()),
        _ => Ok(whole),
    }
}

fn take(session: &mut Session, payload: Payload) -> Result<Whole> {
    match payload.data {
        PayloadData::Inline(bytes) => Ok(Whole::Bytes(bytes)),
        PayloadData::Diverted { index, .. } => match session.diverted.get(index) {
            Some(Diverted::Here(at)) => Ok(Whole::Spooled(*at)),
            Some(Diverted::Failed(reply)) => Err(reply.clone().into()),
            _ => Err(Reply::no("The message did not come whole").into()),
        },
    }
}
