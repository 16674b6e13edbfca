//! Mail from elsewhere for this server's addresses.

use bytes::Bytes;

use crate::base::limits;
use crate::delivery::arrival::Arrival;
use crate::delivery::local::{Posting, SentCopy, post};
use crate::delivery::{Envelope, Message, Refusal, Trace, dsn, trace};
use crate::format::mime::Submission as Header;
use crate::store::Store;

/// Takes a message: when this returns `Ok`, it is durable.
pub async fn receive(
    store: &Store,
    envelope: Envelope,
    message: Message,
    trace: Trace,
) -> Result<(), Refusal> {
    let header = message.look(Header::read).await?;
    check_loop(&header, &envelope)?;
    let received = trace.received(envelope.mail.smtputf8, only_recipient(&envelope));
    let prefix = trace::return_path(envelope.sender()) + &received;
    let outgoing_prefix = Bytes::from(pass_on_mark(&envelope) + &received);
    let reports = dsn::delivered(store, &envelope, &message, &header, &trace).await?;
    let body_size = message.size();
    let raw = message.clone();
    let message = message.prepare(prefix).await?;
    let arrival = Arrival::of(&raw, message.record(), envelope.sender()).await?;
    let arrival = arrival.of_outsiders(&store.read())?;
    let (account, copy) = (None, SentCopy::None);
    let posting = Posting {
        correspondents: Vec::new(),
        envelope,
        trace,
        account,
        message,
        outgoing_prefix,
        body_size,
        reports,
        warnings: Vec::new(),
        copy,
        arrival,
    };
    post(store, posting).await
}

/// Refuses what has gone round: too many hops (RFC 5321 §6.3), or this server's own mark for
/// one of the recipients.
pub(super) fn check_loop(header: &Header, envelope: &Envelope) -> Result<(), Refusal> {
    let mut canonical = envelope.recipients.iter().map(|r| r.address.canonical());
    let marked = !header.delivered_to.is_empty()
        && canonical.any(|address| {
            header.delivered_to.iter().any(|mark| mark.trim().eq_ignore_ascii_case(&address))
        });
    if marked || header.received > limits::RECEIVED_HOPS {
        return Err(Refusal::Loop);
    }
    Ok(())
}

/// The mark that a message gets when a group passes it on elsewhere: should it come back for
/// the same group, it is refused.
pub(super) fn pass_on_mark(envelope: &Envelope) -> String {
    let passing = envelope.recipients.iter().filter(|r| r.is_group() && !r.elsewhere.is_empty());
    // Without SMTPUTF8 the header must stay ASCII; such an address cannot be marked.
    passing
        .map(|recipient| recipient.address.canonical())
        .filter(|address| envelope.mail.smtputf8 || address.is_ascii())
        .map(|address| format!("Delivered-To: {address}\r\n"))
        .collect()
}

/// The recipient, if nobody else gets the message.
pub(super) fn only_recipient(envelope: &Envelope) -> Option<&crate::base::address::EmailAddress> {
    match envelope.recipients.as_slice() {
        [only] => Some(&only.address),
        _ => None,
    }
}
