//! Mail on its way out of a phone: whom it is for, whether it was sent before, and the one
//! transaction that sends it. SendMail, SmartReply, SmartForward and drafts all go through here.

use bytes::Bytes;
use memchr::memchr2;
use tokio::sync::SemaphorePermit;

use crate::base::id::{MailboxId, Uid};
use crate::base::limits;
use crate::base::uidset::UidSet;
use crate::delivery::addressees::Addressees;
use crate::delivery::submit::{self, Ready, Wishes};
use crate::delivery::{Envelope, Incoming, Refusal, Trace, Via};
use crate::domain::directory;
use crate::domain::message::{self, FlagChange, FlagNames, FlagOp};
use crate::eas::answer::{Failure, common};
use crate::eas::sent::{self, Sender, Token};
use crate::eas::session::Session;
use crate::format::mime;
use crate::format::smtp::{Body, Mail};
use crate::store::rows::flags::Flags;
use crate::store::{Read, Tx};

/// Octets that are handed on at a time.
const PIECE: usize = 256 * 1024;
/// The keyword of messages that were forwarded (IANA, IMAP keywords).
const FORWARDED: &str = "$Forwarded";

/// A message that a phone sends.
pub struct Outgoing {
    /// What stands in it.
    pub pieces: Vec<Bytes>,
    /// A copy for the mailbox of sent mail.
    pub save: bool,
    pub token: Option<Token>,
    /// What it answers or forwards, and how that is noted.
    pub original: Option<(MailboxId, Uid, Verb)>,
}

/// What was done with a message last (MS-ASEMAIL 2.2.2.43).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Reply = 1,
    ReplyToAll = 2,
    Forward = 3,
}

/// Why a message is not sent.
#[derive(Debug)]
pub enum Unsent {
    /// It names nobody.
    NoRecipient,
    Refused(Refusal),
}

impl From<Refusal> for Unsent {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

impl From<Unsent> for Failure {
    fn from(unsent: Unsent) -> Self {
        let Unsent::Refused(why) = unsent else {
            return Self::Common(common::NO_RECIPIENT);
        };
        if let Refusal::Store(error) = &why {
            tracing::error!(error, "mail of a phone could not be taken");
        }
        Self::Common(match why {
            Refusal::NoRoomForCopy => common::SEND_QUOTA,
            Refusal::Flawed(_) | Refusal::BadHeader(_) | Refusal::Loop => common::INVALID_MIME,
            Refusal::TooLarge { .. }
            | Refusal::ForeignSender(_)
            | Refusal::ForeignAuthor(_)
            | Refusal::RelayDenied => common::SUBMISSION_FAILED,
            // Somebody's mailbox went away or filled up this moment: asked again, the message
            // is taken and its sender gets a report.
            Refusal::UnknownRecipient | Refusal::OverQuota | Refusal::BecameFull => {
                common::SERVER_ERROR_RETRY
            }
            Refusal::NoRoom | Refusal::Store(_) => common::SERVER_ERROR_RETRY,
        })
    }
}

/// Sends a message once, however often it is asked to. What was sent before counts as sent:
/// a phone keeps a message in its outbox for any other answer.
pub async fn send(session: &Session, outgoing: Outgoing) -> Result<(), Failure> {
    let sender = sender(session);
    let (token, original) = (outgoing.token, outgoing.original);
    if was_sent(session, token)? {
        return Ok(());
    }
    let ready = prepare(session, outgoing.pieces, outgoing.save).await?;
    let sending = session.write(move |tx| -> Result<(), Refusal> {
        if let Some(token) = token {
            if sent::find(tx, sender, token, tx.now())?.is_some() {
                return Ok(());
            }
            sent::remember(tx, sender, token, Uid(0))?;
        }
        ready.post(tx)?;
        if let Some((mailbox, uid, verb)) = original {
            mark(tx, mailbox, uid, verb)?;
        }
        Ok(())
    });
    Ok(sending.await.map_err(Unsent::from)?)
}

/// Whether the device has sent this message before.
pub fn was_sent(session: &Session, token: Option<Token>) -> Result<bool, Failure> {
    let Some(token) = token else { return Ok(false) };
    Ok(sent::find(&session.read(), sender(session), token, session.now())?.is_some())
}

/// A turn for a message that is read whole; `None` if it is small.
pub async fn hold(
    session: &Session,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<Option<SemaphorePermit<'_>>, Failure> {
    let size = session.read().place(mailbox, uid)?.map_or(0, |place| place.size);
    if size <= limits::EAS_SMALL_BODY as u64 {
        return Ok(None);
    }
    Ok(Some(session.front.large_originals.acquire().await.map_err(|_| Failure::Busy(10))?))
}

/// The device that sends.
pub fn sender(session: &Session) -> Sender {
    Sender { account: session.account.id, device: session.device.number }
}

/// Finds out whom a message is for, checks it, and does the costly part of taking it. The
/// pieces come with whole lines.
pub async fn prepare(
    session: &Session,
    mut pieces: Vec<Bytes>,
    save: bool,
) -> Result<Ready, Unsent> {
    let (account, store) = (session.account.id, session.store());
    if let Some(first) = pieces.first_mut() {
        let author = missing_author(session, first);
        pieces.splice(0..1, author);
    }
    let settings = &session.front.settings;
    let size = pieces.iter().map(Bytes::len).sum::<usize>() as u64;
    let mut incoming = Incoming::new(store.clone(), settings.limits.message_size);
    let mut eight_bit = false;
    for piece in &pieces {
        eight_bit |= !piece.is_ascii();
        with_line_ends(piece, |octets| incoming.push(octets));
        if let Some(trouble) = incoming.trouble() {
            return Err(trouble.clone().into());
        }
    }
    let first = pieces.first().cloned().unwrap_or_default();
    let (envelope, unreachable) = {
        let (read, hostname) = (session.read(), &settings.hostname);
        let header = first.get(..mime::header_len(&first)).unwrap_or_default();
        let limit = settings.limits.recipients;
        let found = Addressees::of(&read, header, size, limit, hostname)?;
        if found.is_empty() {
            return Err(Unsent::NoRecipient);
        }
        let sender = author(&read, session, header).map_err(Refusal::from)?;
        let utf8 = sender.as_ref().is_some_and(|sender| sender.needs_smtputf8())
            || found.recipients.iter().any(|each| each.address.needs_smtputf8());
        let body = if eight_bit { Body::EightBit } else { Body::SevenBit };
        let mail = Mail { sender, size: Some(size), body, smtputf8: utf8, ..Mail::default() };
        (Envelope { mail, recipients: found.recipients }, found.unreachable)
    };
    drop(pieces);
    let message = incoming.finish().await?;
    let trace = Trace::new(via(&settings.hostname), session.now());
    tracing::info!(
        account = session.account.address,
        device = session.device.id,
        id = trace.id,
        recipients = envelope.recipients.len(),
        unreachable = unreachable.len(),
        size,
        "mail of a phone"
    );
    let wishes = Wishes { keep: save, unreachable };
    Ok(submit::prepare(store, account, envelope, message, trace, wishes).await?)
}

/// The address to send with: the one in From, if it is the account's, else its first.
fn author(
    read: &impl Read,
    session: &Session,
    header: &[u8],
) -> crate::domain::Result<Option<crate::base::address::EmailAddress>> {
    use crate::base::address::EmailAddress;
    let from = mime::header_fields(header).find(|field| field.is("from"));
    let from =
        from.and_then(|field| mime::addresses(field.value).first().map(mime::Address::address));
    if let Some(address) = from.and_then(|text| EmailAddress::parse_mailbox(&text).ok())
        && directory::may_send_as(read, session.account.id, &address)?
    {
        return Ok(Some(address));
    }
    Ok(EmailAddress::parse_mailbox(&session.account.address).ok())
}

/// The first piece with its author in front, if it names none: some phones send no From, or
/// one with a name alone.
fn missing_author(session: &Session, first: &Bytes) -> Vec<Bytes> {
    let length = mime::header_len(first);
    let header = first.get(..length).unwrap_or_default();
    let from: Vec<mime::Field<'_>> =
        mime::header_fields(header).filter(|field| field.is("from")).collect();
    if from.iter().any(|field| field.value.contains(&b'@')) {
        return vec![first.clone()];
    }
    let cuts: Vec<mime::Span> = from.iter().map(|field| field.span).collect();
    let owner = &session.owner;
    let own = [(Some(owner.name.as_str()), owner.address.as_str())];
    let mut head = mime::Letter::header().mailboxes("From", own).fields();
    head.extend_from_slice(&mime::without_fields(header, &cuts));
    let rest = first.slice(length.min(first.len())..);
    // The header's pieces must be one: it is read from the first.
    vec![head.into(), rest]
}

/// Where the phone is, is nobody's business: the mail begins here.
fn via(hostname: &str) -> Via {
    Via {
        helo: hostname.to_owned(),
        ip: std::net::Ipv4Addr::LOCALHOST.into(),
        extended: true,
        tls: None,
        authenticated: true,
        hostname: hostname.to_owned(),
    }
}

/// Notes on a message what was done with it. One that went away meanwhile is no reason not to
/// send.
fn mark(tx: &mut Tx<'_>, mailbox: MailboxId, uid: Uid, verb: Verb) -> Result<(), Refusal> {
    let Some(place) = tx.place(mailbox, uid)? else { return Ok(()) };
    let mut marks = tx.marks(mailbox.account, place.message)?.unwrap_or_default();
    marks.last_verb = Some((verb as u8, tx.now()));
    tx.put_marks(mailbox, uid, &marks)?;
    let flags = match verb {
        Verb::Reply | Verb::ReplyToAll => FlagNames::system(Flags::ANSWERED),
        Verb::Forward => FlagNames { system: Flags::NONE, keywords: vec![FORWARDED.into()] },
    };
    let change = FlagChange { op: FlagOp::Add, flags, unless_after: None };
    match message::set_flags(tx, mailbox, &UidSet::range(uid.0, uid.0), &change) {
        // An account with too many keywords still has the mark.
        Ok(_) | Err(crate::domain::Error::TooMany(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives out octets with every line end as CRLF, as mail wants them: phones write bare LF, and
/// some bare CR.
pub fn with_line_ends(octets: &[u8], mut out: impl FnMut(&[u8])) {
    let (mut from, mut at) = (0, 0);
    while let Some(found) = octets.get(at..).and_then(|rest| memchr2(b'\r', b'\n', rest)) {
        let end = at + found;
        let whole = octets.get(end..end + 2) == Some(b"\r\n");
        if whole {
            at = end + 2;
            if at - from >= PIECE {
                out(octets.get(from..at).unwrap_or_default());
                from = at;
            }
            continue;
        }
        out(octets.get(from..end).unwrap_or_default());
        out(b"\r\n");
        at = end + 1;
        from = at;
    }
    let rest = octets.get(from..).unwrap_or_default();
    rest.chunks(PIECE).for_each(out);
}

/// The same as one piece, without a copy where nothing is to be done.
pub fn repaired(octets: Bytes) -> Bytes {
    let mut clean = true;
    let mut at = 0;
    while let Some(found) = octets.get(at..).and_then(|rest| memchr2(b'\r', b'\n', rest)) {
        let end = at + found;
        if octets.get(end..end + 2) != Some(b"\r\n") {
            clean = false;
            break;
        }
        at = end + 2;
    }
    if clean {
        return octets;
    }
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    with_line_ends(&octets, |piece| out.extend_from_slice(piece));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_repaired() {
        for (from, to) in [
            ("a\nb\r\nc\rd\n", "a\r\nb\r\nc\r\nd\r\n"),
            ("\n\n", "\r\n\r\n"),
            ("\r\r\n\r", "\r\n\r\n\r\n"),
            ("", ""),
            ("no end", "no end"),
        ] {
            assert_eq!(repaired(Bytes::from(from)), to.as_bytes(), "{from:?}");
        }
        let clean = Bytes::from("a\r\n".repeat(200_000));
        assert_eq!(repaired(clean.clone()).as_ptr(), clean.as_ptr());
        let (mut whole, mut largest) = (Vec::new(), 0);
        with_line_ends(&clean, |piece| {
            largest = largest.max(piece.len());
            whole.extend_from_slice(piece);
        });
        assert!(whole == clean && largest <= PIECE + 3);
    }
}
