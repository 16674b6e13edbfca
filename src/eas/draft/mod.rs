//! Drafts of 16.0 and later: a phone writes a message in Drafts piece by piece, and says `Send`
//! when it is done. MS-ASCMD 2.2.3.7.2, 2.2.3.24; MS-ASEMAIL 2.2.2.69.
//!
//! A message's content never changes here, so a draft that is changed is a new message in the
//! place of the old one, with one transaction: whoever looks sees one draft. Its device is told
//! so by a Delete and an Add, and may go on with the old id, which leads to the new one.
//!
//! [`prepare`] does the costly part before the transaction, [`commit`] the rest within it.

mod content;

use crate::base::id::{MailboxId, Uid};
use crate::base::uidset::UidSet;
use crate::delivery::submit::Ready;
use crate::delivery::{Incoming, Message, Refusal};
use crate::domain::message::{self, FlagNames, Prepared};
use crate::domain::{self, Error, quota};
use crate::eas::answer::Failure;
use crate::eas::outgoing::{self, Unsent, with_line_ends};
use crate::eas::render::email;
use crate::eas::sent::{self, Sender, Token};
use crate::eas::session::Session;
use crate::format::mime::{Content, Outline, scan};
use crate::format::wbxml::{Element, tags};
use crate::store::rows::flags::Flags;
use crate::store::rows::marks::Marks;
use crate::store::{Read, Tx};

use content::Draft as Composed;
use tags::{air_sync_base as b, email as e, email2 as e2};

/// Statuses of one item of a Sync (MS-ASCMD 2.2.3.177.17).
const SERVER_ERROR: u16 = 5;
const MALFORMED: u16 = 6;
const NOT_FOUND: u16 = 8;
/// Former ids that are followed to a draft's present one.
const FORMER: usize = 1_000;

/// A phone's draft, ready for its transaction.
pub struct Draft {
    mailbox: MailboxId,
    /// Who writes it.
    sender: Sender,
    /// What the phone calls what it changes, and where that is.
    old: Option<(Uid, Uid)>,
    client_id: Option<String>,
    /// What the phone says beside the content: flag, categories, and whether it is read.
    marks: Element,
    new: New,
}

enum New {
    Kept {
        prepared: Box<Prepared>,
        added: Vec<(String, usize)>,
    },
    Sent(Box<Ready>),
    /// It was sent when the phone asked the last time.
    SentBefore,
}

/// What became of a draft.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Its place; `None` if it was sent.
    pub uid: Option<Uid>,
    /// Of each new attachment `ClientId` and `FileReference` (MS-ASAIRS 2.2.2.7).
    pub attachments: Vec<(String, String)>,
}

/// Why a draft is not taken.
#[derive(Debug)]
pub enum Refused {
    /// For this item.
    Status(u16),
    Domain(domain::Error),
}

impl From<domain::Error> for Refused {
    fn from(error: domain::Error) -> Self {
        Self::Domain(error)
    }
}

impl From<crate::store::Error> for Refused {
    fn from(error: crate::store::Error) -> Self {
        Self::Domain(error.into())
    }
}

impl From<Unsent> for Refused {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Refused(Refusal::NoRoomForCopy | Refusal::OverQuota) => {
                Self::Domain(Error::OverQuota)
            }
            Unsent::Refused(Refusal::NoRoom) => Self::Domain(crate::store::Error::Full.into()),
            other => match Failure::from(other) {
                Failure::Common(status) => Self::Status(status),
                _ => Self::Status(SERVER_ERROR),
            },
        }
    }
}

impl From<Failure> for Refused {
    fn from(_: Failure) -> Self {
        Self::Status(SERVER_ERROR)
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Unsent::from(why).into()
    }
}

/// Whether a Change of a message in Drafts is one of its content: otherwise only flags change,
/// as with any message.
pub fn is_content(data: &Element) -> bool {
    let of_content = [
        e::TO,
        e::CC,
        e2::BCC,
        e::SUBJECT,
        e::REPLY_TO,
        e::FROM,
        e::IMPORTANCE,
        b::BODY,
        b::ATTACHMENTS,
    ];
    data.children.iter().any(|child| of_content.contains(&child.tag))
}

/// Reads what a phone wrote: an Add with `client_id`, or a Change of `of`. With `send`, which
/// stands beside the data, it is to be sent.
pub async fn prepare(
    session: &Session,
    mailbox: MailboxId,
    of: Option<Uid>,
    client_id: Option<&str>,
    data: &Element,
    send: bool,
) -> Result<Draft, Refused> {
    let sender = outgoing::sender(session);
    email::check(data, session.now())?;
    let marks = marks(data);
    let named = client_id.map(str::to_owned);
    let draft = |old, new| Ok(Draft { mailbox, sender, old, client_id: named, marks, new });
    let found = current(&session.read(), sender, mailbox, of, client_id, session.now())?;
    let now = match found {
        Found::Sent => return draft(None, New::SentBefore),
        Found::Nowhere => return Err(Refused::Status(NOT_FOUND)),
        Found::New => None,
        Found::At(uid) => Some(uid),
    };
    let _held = match now {
        Some(uid) => outgoing::hold(session, mailbox, uid).await?,
        None => None,
    };
    let (composed, added) = {
        let read = session.read();
        let mut composed = match now {
            Some(uid) => Composed::read(&read, mailbox, uid)?,
            None => Composed::default(),
        };
        let added = composed.apply(data)?;
        (composed, added)
    };
    let old = of.zip(now);
    let pieces = composed.compose(session);
    if send {
        let ready = outgoing::prepare(session, pieces, true).await?;
        return draft(old, New::Sent(Box::new(ready)));
    }
    let limit = session.front.settings.limits.message_size;
    let mut incoming = Incoming::new(session.store().clone(), limit);
    pieces.iter().for_each(|piece| with_line_ends(piece, |octets| incoming.push(octets)));
    drop(pieces);
    let message = incoming.finish().await?;
    let added = places(&message, added).await?;
    let prepared = Box::new(message.prepare(String::new()).await?);
    draft(old, New::Kept { prepared, added })
}

enum Found {
    New,
    At(Uid),
    Nowhere,
    Sent,
}

/// Finds the draft that a phone means: it may go by an id of before its own last change.
fn current(
    read: &impl Read,
    sender: Sender,
    mailbox: MailboxId,
    of: Option<Uid>,
    client_id: Option<&str>,
    now: i64,
) -> Result<Found, Refused> {
    let Some(mut uid) = of else {
        let token = client_id.map(new_token);
        let noted = token.map(|token| sent::find(read, sender, token, now)).transpose()?;
        return Ok(if noted.flatten().is_some() { Found::Sent } else { Found::New });
    };
    for _ in 0..FORMER {
        if read.place(mailbox, uid)?.is_some() {
            return Ok(Found::At(uid));
        }
        match sent::find(read, sender, Token::of_draft(mailbox.number, uid), now)? {
            None => return Ok(Found::Nowhere),
            Some(Uid(0)) => return Ok(Found::Sent),
            Some(next) => uid = next,
        }
    }
    Ok(Found::Nowhere)
}

fn new_token(client_id: &str) -> Token {
    Token::of_client_id(&format!("draft {client_id}"))
}

/// The numbers of the parts that new attachments have become; they are the last of their kind.
async fn places(
    message: &Message,
    added: Vec<content::Added>,
) -> Result<Vec<(String, usize)>, Refusal> {
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let files = message.look(|raw| {
        let content = match Content::read(&Outline::of_tree(&scan(raw)), raw) {
            Ok(content) => content,
            Err(never) => match never {},
        };
        content
            .attachments
            .iter()
            .filter_map(|at| content.parts.get(*at))
            .map(|part| part.index)
            .collect::<Vec<usize>>()
    });
    let files = files.await?;
    let named = added.into_iter().filter_map(|added| {
        let index = files.get(added.place).copied()?;
        Some((added.client_id, index))
    });
    Ok(named.collect())
}

/// Puts a draft into its mailbox, in place of what it changes, or sends it. A refusal comes
/// before anything is written.
pub fn commit(tx: &mut Tx<'_>, draft: Draft) -> Result<Outcome, Refused> {
    let Draft { mailbox, sender, old, client_id, marks: said, new } = draft;
    if let Some((_, at)) = old
        && tx.place(mailbox, at)?.is_none()
    {
        return Err(Refused::Status(NOT_FOUND));
    }
    match new {
        New::SentBefore => Ok(Outcome::default()),
        New::Sent(ready) => {
            let token = match (&old, &client_id) {
                (Some((asked, _)), _) => Some(Token::of_draft(mailbox.number, *asked)),
                (None, id) => id.as_deref().map(new_token),
            };
            // Two such requests at once are one.
            if let Some(token) = token
                && sent::find(tx, sender, token, tx.now())? == Some(Uid(0))
            {
                return Ok(Outcome::default());
            }
            ready.post(tx)?;
            match (old, client_id) {
                (Some(old), _) => leave(tx, sender, mailbox, old, Uid(0))?,
                (None, Some(id)) => sent::remember(tx, sender, new_token(&id), Uid(0))?,
                (None, None) => {}
            }
            Ok(Outcome::default())
        }
        New::Kept { prepared, added } => {
            quota::require(tx, mailbox.account, prepared.size())?;
            let (flags, marks) = match old {
                Some((_, at)) => kept(tx, mailbox, at)?,
                None => (draft_flags(Flags::NONE), None),
            };
            let stored = message::store_content(tx, *prepared)?;
            let new = message::add(tx, mailbox, &stored, &flags, None)?;
            if let Some(marks) = marks {
                tx.put_marks(mailbox, new.uid, &marks)?;
            }
            // It was looked at before, so it is not refused now.
            email::apply(tx, mailbox, new.uid, &said)?;
            if let Some(old) = old {
                leave(tx, sender, mailbox, old, new.uid)?;
            }
            let reference = |part| email::reference(new.place.message, part);
            let attachments = added.into_iter().map(|(id, part)| (id, reference(part))).collect();
            Ok(Outcome { uid: Some(new.uid), attachments })
        }
    }
}

/// The part of a draft's data that every message has.
fn marks(data: &Element) -> Element {
    let of_message = [e::READ, e::FLAG, e::CATEGORIES];
    let some = data.children.iter().filter(|child| of_message.contains(&child.tag));
    Element::with_children(data.tag, some.cloned().collect())
}

fn draft_flags(mut flags: Flags) -> FlagNames {
    flags.add(&Flags::SEEN);
    flags.add(&Flags::DRAFT);
    FlagNames::system(flags)
}

/// What the new draft takes over from the old one.
fn kept(tx: &Tx<'_>, mailbox: MailboxId, uid: Uid) -> Result<(FlagNames, Option<Marks>), Refused> {
    let Some(old) = tx.message(mailbox, uid)? else { return Err(Refused::Status(NOT_FOUND)) };
    Ok((draft_flags(old.hot.flags), tx.marks(mailbox.account, old.place.message)?))
}

/// Takes the old draft away; its ids lead to the new one, or to nothing where it was sent.
fn leave(
    tx: &mut Tx<'_>,
    sender: Sender,
    mailbox: MailboxId,
    (asked, at): (Uid, Uid),
    to: Uid,
) -> Result<(), Refused> {
    for uid in [asked, at] {
        sent::remember(tx, sender, Token::of_draft(mailbox.number, uid), to)?;
    }
    Ok(message::remove(tx, mailbox, &UidSet::range(at.0, at.0))?)
}
