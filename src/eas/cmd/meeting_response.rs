//! MeetingResponse: accepts, tentatively accepts or declines invitations. MS-ASCMD 2.2.1.11.
//!
//! Up to 14.1 the phone writes to the organizer itself, with SendMail; from 16.0 on the server
//! does, if the phone says so by `SendResponse`.

use jiff::tz::TimeZone;

use crate::base::clock::UnixTime;
use crate::base::id::{MailboxId, ModSeq, Uid};
use crate::domain;
use crate::domain::invitation::{self, Invitation};
use crate::domain::scheduling::arriving::Message;
use crate::domain::scheduling::respond::{Answer as Said, Reply, Response, Unanswerable};
use crate::domain::scheduling::{Method, canonical};
use crate::eas::answer::{Answer, Failure, common};
use crate::eas::ids;
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::ical::parse_date_time;
use crate::format::mime::{self, Submission, calendar_parts, html_to_text};
use crate::format::wbxml::{Element, Writer, tags};
use crate::store::{self, Read, Snapshot};

use tags::{air_sync_base as b, meeting_response as t, search};

/// Statuses (MS-ASCMD 2.2.3.177.9).
const SUCCESS: u16 = 1;
const INVALID: u16 = 2;
const SERVER_ERROR: u16 = 4;
/// Common ones that one answer may get (MS-ASCMD 2.2.2).
const BAD_TIME: u16 = 104;
const NOT_RECURRING: u16 = 146;

/// Answers in one request (MS-ASCMD R5647).
const REQUESTS_MAX: usize = 100;
/// Octets of what is said to the organizer.
const COMMENT_MAX: usize = 64 * 1024;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let mut requests = request.all(t::REQUEST).peekable();
    if requests.peek().is_none() || request.all(t::REQUEST).count() > REQUESTS_MAX {
        return Err(Failure::Common(common::INVALID_XML));
    }
    let mut out = Writer::new();
    out.open(t::MEETING_RESPONSE);
    for request in requests {
        let done = match Asked::read(&session, request) {
            Ok(asked) => asked.carry_out(&session).await?,
            Err(status) => Err(status),
        };
        out.open(t::RESULT);
        if let Some(id) = request.text_of(t::REQUEST_ID) {
            out.text(t::REQUEST_ID, id);
        }
        out.number(t::STATUS, done.err().unwrap_or(SUCCESS));
        if let Ok(Some((calendar, uid))) = done {
            out.text(t::CALENDAR_ID, &ids::item(calendar, uid));
        }
        if session.version >= Version::V16_0
            && let Some(instance) = request.text_of(t::INSTANCE_ID)
        {
            out.text(t::INSTANCE_ID, instance);
        }
        out.close();
    }
    out.close();
    Ok(out.into())
}

/// One answer, as the phone asked for it.
struct Asked {
    place: (MailboxId, Uid),
    response: Response,
}

impl Asked {
    /// Reads a `Request`; its status where it cannot be answered.
    fn read(session: &Session, request: &Element) -> Result<Asked, u16> {
        let answer = match request.text_of(t::USER_RESPONSE).map(str::trim) {
            Some("1") => Said::Accepted,
            Some("2") => Said::Tentative,
            Some("3") => Said::Declined,
            _ => return Err(INVALID),
        };
        let instance = match request.text_of(t::INSTANCE_ID) {
            // MS-ASCMD 2.2.3.92.1: unknown before 14.1.
            Some(_) if session.version < Version::V14_1 => return Err(INVALID),
            Some(text) => Some(time(text).ok_or(BAD_TIME)?),
            None => None,
        };
        let reply = match request.child(t::SEND_RESPONSE) {
            Some(reply) if session.version >= Version::V16_0 => Some(read_reply(session, reply)?),
            _ => None,
        };
        let place = place(session, request).ok_or(INVALID)?;
        Ok(Asked { place, response: Response { answer, instance, reply } })
    }

    async fn carry_out(
        self,
        session: &Session,
    ) -> Result<Result<Option<(MailboxId, Uid)>, u16>, Failure> {
        let invitation = match find(&session.read(), self.place)? {
            Found::Invitation(invitation) => invitation,
            // The event was declined before, and has left the calendar; the answer was lost.
            Found::Gone if self.response.answer == Said::Declined => return Ok(Ok(None)),
            Found::Gone | Found::Other => return Ok(Err(INVALID)),
        };
        let (account, response) = (session.account.id, self.response);
        let done =
            session.write(move |tx| invitation::answer(tx, account, &invitation, &response)).await;
        Ok(match done {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(Unanswerable::NoInvitation | Unanswerable::NoInstance)) => Err(INVALID),
            Ok(Err(Unanswerable::NotRecurring)) => Err(NOT_RECURRING),
            Err(domain::Error::NotFound(_) | domain::Error::Invalid(_)) => Err(INVALID),
            Err(domain::Error::Store(error)) => {
                tracing::error!(%error, "the store failed");
                Err(SERVER_ERROR)
            }
            Err(error) => {
                tracing::info!(%error, "an answer to an invitation failed");
                Err(SERVER_ERROR)
            }
        })
    }
}

/// Times come in both forms of MS-ASDTYPE 2.3, always in UTC.
pub(super) fn time(text: &str) -> Option<UnixTime> {
    let (at, _) = parse_date_time(text)?;
    TimeZone::UTC.to_ambiguous_timestamp(at).compatible().ok().map(jiff::Timestamp::as_second)
}

/// `SendResponse` (MS-ASCMD 2.2.3.166).
fn read_reply(session: &Session, reply: &Element) -> Result<Reply, u16> {
    let comment = reply.child(b::BODY).and_then(|body| {
        let text = body.text_of(b::DATA)?;
        let html = body.text_of(b::TYPE).map(str::trim) == Some("2");
        Some(if html { html_to_text(text, COMMENT_MAX) } else { text.to_owned() })
    });
    let comment = comment.map(|mut text| {
        text.truncate(text.floor_char_boundary(COMMENT_MAX));
        text
    });
    let at = |tag| match reply.text_of(tag) {
        Some(text) if session.version >= Version::V16_1 => time(text).map(Some).ok_or(BAD_TIME),
        _ => Ok(None),
    };
    let proposal = at(t::PROPOSED_START_TIME)?.zip(at(t::PROPOSED_END_TIME)?);
    Ok(Reply { comment, proposal })
}

fn place(session: &Session, request: &Element) -> Option<(MailboxId, Uid)> {
    let account = session.account.id;
    if let Some(id) = request.text_of(t::REQUEST_ID) {
        return ids::parse_item(account, id.trim());
    }
    let id = ids::parse_long(request.text_of(search::LONG_ID)?.trim())?;
    let found = session.read().whereabouts(account, id).ok()??;
    Some((found.mailbox, found.uid))
}

enum Found {
    Invitation(Invitation),
    /// It was there once.
    Gone,
    Other,
}

/// What lies at a place; what has been moved from there since is found where it is now.
fn find(read: &Snapshot, (of, uid): (MailboxId, Uid)) -> Result<Found, Failure> {
    if read.collection(of)?.is_some() {
        return Ok(match read.item(of, uid)? {
            Some(_) => Found::Invitation(Invitation::Event { calendar: of, uid }),
            None if was_there(read, of, uid)? => Found::Gone,
            None => Found::Other,
        });
    }
    let (place, repeated) = match read.place(of, uid)? {
        Some(_) => ((of, uid), false),
        None => match moved(read, of, uid)? {
            Some(place) => (place, true),
            None => return Ok(Found::Other),
        },
    };
    let (mailbox, uid) = place;
    Ok(match message(read, mailbox, uid)? {
        Some(message) => {
            let message = Box::new(message);
            Found::Invitation(Invitation::Mail { mailbox, uid, message, repeated })
        }
        None => Found::Other,
    })
}

fn was_there(read: &Snapshot, of: MailboxId, uid: Uid) -> store::Result<bool> {
    let horizon: ModSeq = read.account_state(of.account)?.horizon;
    Ok(read.changes(of, horizon)?.gone.iter().any(|(gone, _)| *gone == uid))
}

fn moved(read: &Snapshot, of: MailboxId, uid: Uid) -> store::Result<Option<(MailboxId, Uid)>> {
    let horizon: ModSeq = read.account_state(of.account)?.horizon;
    let gone = read.changes(of, horizon)?.gone;
    let Some((_, id)) = gone.into_iter().find(|(gone, _)| *gone == uid) else { return Ok(None) };
    let found = read.whereabouts(of.account, id)?;
    Ok(found.map(|found| (found.mailbox, found.uid)))
}

/// The invitation in a message.
fn message(read: &Snapshot, mailbox: MailboxId, uid: Uid) -> store::Result<Option<Message>> {
    let Some(place) = read.place(mailbox, uid)? else { return Ok(None) };
    let Some(body) = read.body_row(place.content)? else { return Ok(None) };
    read.with_body(&body.at, |raw| {
        let header = Submission::read(raw);
        let senders: Vec<String> =
            header.from.iter().chain(&header.sender).map(|address| canonical(address)).collect();
        let parts = calendar_parts(raw, &mime::scan(raw)).into_iter();
        let messages = parts.filter_map(|part| {
            let method = Some(part.method.as_str()).filter(|method| !method.is_empty());
            Message::read(part.text.as_bytes(), method, &senders, true).ok()
        });
        messages.flatten().find(|message| message.method == Method::Request)
    })
}
