//! Reports about deliveries. RFC 3461, RFC 3464, RFC 6533.
//!
//! Here: "delivered" reports for senders who asked for them and have their mailbox here,
//! "failed" ones for members whose phone named somebody that there is not, and those on mail that
//! waits ([`late`]). A report has the null sender and is never answered; none goes to senders
//! elsewhere, whose address anybody could have written.

pub(super) mod late;
mod report;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::delivery::addressees::Unreachable;
use crate::delivery::dsn::report::{Fate, Report, Returned};
use crate::delivery::{Envelope, Message, Recipient, Refusal, Trace};
use crate::domain::directory;
use crate::domain::message::Prepared;
use crate::format::mime::Submission as Header;
use crate::store::{Read, Store};

/// Octets of the original's header that a report returns.
const RETURNED_MAX: usize = 32 * 1024;

/// The reports that an acceptance brings about.
pub(super) async fn delivered(
    store: &Store,
    envelope: &Envelope,
    message: &Message,
    header: &Header,
    trace: &Trace,
) -> Result<Vec<(AccountId, Prepared)>, Refusal> {
    let wanted: Vec<&Recipient> = envelope
        .recipients
        .iter()
        .filter(|r| r.notify.is_some_and(|notify| notify.success) && !r.accounts.is_empty())
        .collect();
    let Some(sender) = envelope.sender().filter(|_| !wanted.is_empty()) else {
        return Ok(Vec::new());
    };
    let Some(account) = sender_here(&store.read(), sender)? else { return Ok(Vec::new()) };
    let returned = returned(message, header).await?;
    let fates = wanted.iter().map(|recipient| Fate::delivered(recipient)).collect();
    let report = Report {
        to: sender.to_string(),
        domain: sender.domain(),
        subject: "Your message was delivered",
        intro: "Your message has arrived in the mailbox of:",
        fates,
        outro: "",
        envid: envelope.mail.envid.as_deref(),
        arrived: trace.at,
        trace,
        returned: &Returned::Header(returned),
    };
    Ok(vec![(account, report.prepared())])
}

/// The report on recipients that cannot be reached, for the member who named them.
pub(super) async fn undelivered(
    envelope: &Envelope,
    author: &str,
    unreachable: &[Unreachable],
    message: &Message,
    header: &Header,
    trace: &Trace,
) -> Result<Prepared, Refusal> {
    let returned = returned(message, header).await?;
    let report = Report {
        to: author.to_owned(),
        domain: author.rsplit('@').next().unwrap_or_default(),
        subject: "Your message was not delivered to everybody",
        intro: "Your message could not be delivered to:",
        fates: unreachable.iter().map(Fate::failed).collect(),
        outro: "",
        envid: envelope.mail.envid.as_deref(),
        arrived: trace.at,
        trace,
        returned: &Returned::Header(returned),
    };
    Ok(report.prepared())
}

async fn returned(message: &Message, header: &Header) -> Result<Vec<u8>, Refusal> {
    let length = header.header_len;
    message.look(move |raw| returned_header(raw, length)).await
}

/// The account that the sender's own mail goes to. Not a group: a report is for one.
fn sender_here(read: &impl Read, sender: &EmailAddress) -> Result<Option<AccountId>, Refusal> {
    match directory::resolve(read, sender)? {
        directory::Recipient::Local { accounts, elsewhere } if elsewhere.is_empty() => {
            match accounts.as_slice() {
                [only] => Ok(Some(*only)),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// The header, cut at a line's end if it is long.
fn returned_header(raw: &[u8], length: usize) -> Vec<u8> {
    let header = raw.get(..length).unwrap_or(raw);
    let Some(short) = header.get(..RETURNED_MAX) else { return header.to_vec() };
    let end = memchr::memrchr(b'\n', short).map_or(0, |at| at + 1);
    short.get(..end).unwrap_or_default().to_vec()
}
