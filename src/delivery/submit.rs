//! Mail of members: the one entrance for all sending. RFC 6409.
//!
//! The sender in the envelope and the author in the header must be the member's. What a mail
//! program left out is added, Bcc is taken away, and then it goes the way of all mail.

use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::delivery::addressees::Unreachable;
use crate::delivery::arrival::Arrival;
use crate::delivery::local::{Posting, SentCopy, deliver};
use crate::delivery::receive::{check_loop, only_recipient, pass_on_mark};
use crate::delivery::{Envelope, Message, Refusal, Trace, dsn, trace};
use crate::domain::directory;
use crate::domain::recipients::Correspondent;
use crate::format::mime::{Submission as Header, without_fields};
use crate::store::{Read, Store, Tx};

/// Whether a member may use this envelope sender.
pub fn check_sender(
    read: &impl Read,
    account: AccountId,
    sender: &EmailAddress,
) -> Result<(), Refusal> {
    if directory::may_send_as(read, account, sender)? {
        Ok(())
    } else {
        Err(Refusal::ForeignSender(sender.clone()))
    }
}

/// Takes a member's message: when this returns `Ok`, it is durable in the mailboxes here and
/// in the queue for elsewhere.
pub async fn submit(
    store: &Store,
    account: AccountId,
    envelope: Envelope,
    message: Message,
    trace: Trace,
) -> Result<(), Refusal> {
    let ready = prepare(store, account, envelope, message, trace, Wishes::default()).await?;
    store.write(move |tx| ready.post(tx)).await
}

/// What a member wants besides that the message is sent.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// A copy in the mailbox for sent mail, with its Bcc.
    pub keep: bool,
    /// Recipients that there are not: the member gets a report that names them.
    pub unreachable: Vec<Unreachable>,
}

/// A member's message that was checked, and needs nothing but its transaction.
pub struct Ready(Posting);

impl Ready {
    /// Takes the message together with whatever else the transaction does. A refusal comes
    /// before anything is written.
    pub fn post(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        deliver(tx, self.0)
    }
}

/// Checks a member's message and does the costly part of taking it.
pub async fn prepare(
    store: &Store,
    account: AccountId,
    envelope: Envelope,
    message: Message,
    trace: Trace,
    wishes: Wishes,
) -> Result<Ready, Refusal> {
    let header = message.look(Header::read).await?;
    let author = check(&store.read(), account, &envelope, &header)?;
    check_loop(&header, &envelope)?;

    let added = missing_fields(&header, &trace, &author);
    let received = trace.received(envelope.mail.smtputf8, only_recipient(&envelope)) + &added;
    let prefix = trace::return_path(envelope.sender()) + &received;
    let outgoing_prefix = Bytes::from(pass_on_mark(&envelope) + &received);
    let reports = dsn::delivered(store, &envelope, &message, &header, &trace).await?;
    let mut warnings = Vec::new();
    if !wishes.unreachable.is_empty() {
        let lost = &wishes.unreachable;
        let report = dsn::undelivered(&envelope, &author, lost, &message, &header, &trace).await?;
        warnings.push((account, report));
    }
    let copy = match (wishes.keep, header.bcc.is_empty()) {
        (false, _) => SentCopy::None,
        (true, true) => SentCopy::Same,
        (true, false) => SentCopy::Own(Box::new(message.clone().prepare(added).await?)),
    };
    let people = header
        .correspondents
        .iter()
        .map(|(address, name)| Correspondent { address: address.clone(), name: name.clone() });
    let correspondents = people.collect();
    let message = without_bcc(message, header).await?;
    let body_size = message.size();
    let raw = message.clone();
    let message = message.prepare(prefix).await?;
    let arrival = Arrival::of(&raw, message.record(), envelope.sender()).await?;
    let account = Some(account);
    Ok(Ready(Posting {
        envelope,
        trace,
        account,
        message,
        outgoing_prefix,
        body_size,
        reports,
        warnings,
        copy,
        arrival,
        correspondents,
    }))
}

/// Checks that everybody the message claims to be from is this member. The answer is the
/// address to put into a missing From.
fn check(
    read: &impl Read,
    account: AccountId,
    envelope: &Envelope,
    header: &Header,
) -> Result<String, Refusal> {
    let row = read.account(account)?.filter(|row| row.enabled);
    let own = row.ok_or(Refusal::RelayDenied)?.address;
    if let Some(sender) = envelope.sender() {
        check_sender(read, account, sender)?;
    }
    if header.from_fields > 1 {
        // Which of them is shown differs from reader to reader.
        return Err(Refusal::BadHeader("it has more than one From field"));
    }
    if header.too_many {
        return Err(Refusal::BadHeader("its From or Sender field is too long"));
    }
    if header.from_fields == 1 && header.from.is_empty() {
        return Err(Refusal::BadHeader("its From field has no address"));
    }
    for author in header.from.iter().chain(&header.sender) {
        let address = EmailAddress::parse_mailbox(author);
        let own = match &address {
            Ok(address) => directory::may_send_as(read, account, address)?,
            Err(_) => false,
        };
        if !own {
            return Err(Refusal::ForeignAuthor(author.chars().take(200).collect()));
        }
    }
    Ok(envelope.sender().map_or(own, ToString::to_string))
}

/// The fields that a message must have and this one lacks (RFC 6409 §8).
fn missing_fields(header: &Header, trace: &Trace, author: &str) -> String {
    let mut added = String::new();
    if !header.has_date {
        added += &format!("Date: {}\r\n", trace::date(trace.at));
    }
    if header.from_fields == 0 {
        added += &format!("From: <{author}>\r\n");
    }
    if !header.has_message_id {
        added += &format!("Message-ID: <{}@{}>\r\n", trace.id, trace.via.hostname);
    }
    added
}

/// Takes the Bcc fields out: the copies must not tell of each other (RFC 5322 §3.6.3).
async fn without_bcc(message: Message, header: Header) -> Result<Message, Refusal> {
    if header.bcc.is_empty() {
        return Ok(message);
    }
    let length = header.header_len;
    let cut =
        move |raw: &[u8]| without_fields(raw.get(..header.header_len).unwrap_or(raw), &header.bcc);
    let new = message.look(cut).await?;
    message.with_header(length, new).await
}
