//! Mail that the server writes itself, on its way: a worker takes what stands in the outbox.
//!
//! Taking a row out and giving the message to its recipients is one transaction, so that each
//! message is sent once, whenever the process is killed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::base::metrics::Metric;
use crate::delivery::arrival::Arrival;
use crate::delivery::local;
use crate::delivery::queue::{self, Outgoing};
use crate::delivery::recipient::Wish;
use crate::delivery::{Envelope, Refusal, Trace, Via, trace, waiting};
use crate::domain::message::{self, FlagNames, Prepared};
use crate::domain::scheduling::letter;
use crate::domain::{directory, mailbox, outbox, quota};
use crate::format::mime::{Letter, Piece};
use crate::format::smtp::{Body, Mail};
use crate::net::Shutdown;
use crate::store::rows::flags::Flags;
use crate::store::rows::mailbox::SpecialUse;
use crate::store::rows::outbox::OutboxEntry;
use crate::store::{Read, Store, Tx};

static SENT: Metric = Metric::counter(
    "kontor_outbox_messages_total",
    "Messages that the server wrote itself and handed to delivery.",
);

/// Rows that are looked at in one go.
const BATCH: usize = 100;
/// After a failure, until the next try.
const AFTER_FAILURE: Duration = Duration::from_secs(20);
/// How often mailboxes that were full are looked at.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(60);

/// Works until the server goes down.
pub async fn run(store: Store, hostname: Arc<str>, shutdown: Shutdown) {
    let mut changes = store.hub().watch_any();
    let mut look = tokio::time::interval(LOOK_FOR_ROOM);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        changes.mark_unchanged();
        let pause = match flush(&store, &hostname).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%error, "mail in the outbox was not taken; it will be tried again");
                Some(AFTER_FAILURE)
            }
        };
        tokio::select! {
            () = shutdown.wait() => return,
            changed = changes.changed(), if pause.is_none() => if changed.is_err() { return },
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            _ = look.tick() => if let Err(error) = waiting::deliver(&store, &hostname).await {
                tracing::warn!(%error, "mail for a mailbox that was full is tried again");
            }
        }
    }
}

/// Takes everything that stands in the outbox now. One message that cannot be taken does not
/// hold up the others; its error is returned at the end.
pub async fn flush(store: &Store, hostname: &str) -> Result<(), Refusal> {
    let mut after = None;
    let mut failed = Ok(());
    loop {
        let mut waiting = outbox::list(&store.read(), after, BATCH)?;
        let Some((last, _)) = waiting.last() else { return failed };
        after = Some(*last);
        for (number, entry) in waiting.drain(..) {
            match carry(store, hostname, number, entry).await {
                Ok(()) => SENT.add(1),
                Err(error) => failed = Err(error),
            }
        }
    }
}

/// Where the recipients of an entry are.
struct Whither {
    accounts: Vec<AccountId>,
    elsewhere: Vec<Wish>,
    nowhere: Vec<String>,
}

fn whither(read: &impl Read, entry: &OutboxEntry) -> Result<Whither, Refusal> {
    let mut found = Whither { accounts: Vec::new(), elsewhere: Vec::new(), nowhere: Vec::new() };
    for recipient in &entry.recipients {
        let Ok(address) = EmailAddress::parse_mailbox(recipient) else {
            found.nowhere.push(recipient.clone());
            continue;
        };
        match directory::resolve(read, &address)? {
            directory::Recipient::Local { accounts, elsewhere } => {
                found.accounts.extend(accounts);
                found.elsewhere.extend(elsewhere.iter().map(Wish::to));
            }
            directory::Recipient::Elsewhere if !address.is_literal() => {
                found.elsewhere.push(Wish::to(&address));
            }
            directory::Recipient::Elsewhere | directory::Recipient::Unknown => {
                found.nowhere.push(recipient.clone());
            }
        }
    }
    found.accounts.sort_unstable();
    found.accounts.dedup();
    Ok(found)
}

async fn carry(
    store: &Store,
    hostname: &str,
    number: u64,
    entry: OutboxEntry,
) -> Result<(), Refusal> {
    let (to, mut arrival, size, plain) = {
        let read = store.read();
        let to = whither(&read, &entry)?;
        let sender = entry.sender.as_deref().and_then(|s| EmailAddress::parse_mailbox(s).ok());
        match read.body_row(entry.content)? {
            Some(body) => read.with_body(&body.at, |raw| {
                let arrival = Arrival::read(raw, true, sender.as_ref());
                (to, arrival, raw.len() as u64, raw.is_ascii())
            })?,
            None => return Err(Refusal::Store(format!("content {} is missing", entry.content))),
        }
    };
    let trace = Trace::new(Via::own(hostname), store.clock().now());
    let id = trace.id.clone();
    let (account, sent) = (entry.account, entry.recipients.len());
    let post = move |tx: &mut Tx<'_>| -> Result<(), Refusal> {
        let Some(entry) = outbox::take(tx, number)? else { return Ok(()) };
        deliver(tx, &entry, &to, &mut arrival, &trace, (size, plain))
    };
    store.write(post).await?;
    tracing::info!(%account, id, recipients = sent, "mail written here was sent");
    Ok(())
}

fn deliver(
    tx: &mut Tx<'_>,
    entry: &OutboxEntry,
    to: &Whither,
    arrival: &mut Arrival,
    trace: &Trace,
    (size, plain): (u64, bool),
) -> Result<(), Refusal> {
    let stored = message::stored(tx, entry.content)?;
    let mut waiting = to.elsewhere.clone();
    let accounts = to.accounts.iter().map(|account| (*account, None));
    local::spread(tx, accounts, &stored, arrival, &mut waiting)?;
    let sender = entry.sender.as_deref().and_then(|s| EmailAddress::parse_mailbox(s).ok());
    let body = if plain { Body::SevenBit } else { Body::EightBit };
    let envelope = Envelope {
        // These messages are ASCII but for addresses, which need SMTPUTF8 then.
        mail: Mail { sender, smtputf8: !plain, body, ..Mail::default() },
        recipients: Vec::new(),
    };
    let hostname = &trace.via.hostname;
    let prefix =
        format!("Received: by {hostname} id {};\r\n\t{}\r\n", trace.id, trace::date(trace.at));
    let outgoing = Outgoing {
        envelope: &envelope,
        trace,
        account: Some(entry.account),
        prefix: &Bytes::from(prefix),
        body_size: size,
    };
    queue::put(tx, &outgoing, &stored, &waiting)?;
    if entry.keep
        && quota::usage(tx, entry.account)?.fits(stored.size())
        && let Some(sent) = mailbox::with_use(tx, entry.account, SpecialUse::Sent)?
    {
        let seen = FlagNames::system(Flags::SEEN);
        message::add(tx, sent.id, &stored, &seen, None)?;
    }
    if !to.nowhere.is_empty() && entry.sender.is_some() {
        tell(tx, entry, &to.nowhere, trace)?;
    }
    Ok(())
}

/// Tells whoever sent it which addresses there are not.
fn tell(
    tx: &mut Tx<'_>,
    entry: &OutboxEntry,
    nowhere: &[String],
    trace: &Trace,
) -> Result<(), Refusal> {
    let Some(account) = tx.account(entry.account)? else { return Ok(()) };
    let domain = account.address.rsplit('@').next().unwrap_or("localhost").to_owned();
    let record = tx.content(entry.content)?.unwrap_or_default();
    let subject = crate::format::mime::RecordView::parse(&record)
        .map(|view| view.subject().to_owned())
        .unwrap_or_default();
    let text = format!(
        "Your message \"{subject}\" could not be delivered to these addresses, because they do \
         not exist:\n\n  {}\n",
        nowhere.join("\n  ")
    );
    let postmaster = format!("postmaster@{domain}");
    let raw = Letter::new(Piece::text("text/plain", "", &text))
        .mailboxes("From", [(Some("Mail Delivery"), postmaster.as_str())])
        .mailboxes("To", [(None, account.address.as_str())])
        .text("Subject", "Your message was not delivered to everybody")
        .field("Date", &trace::date(trace.at))
        .ids("Message-ID", [letter::new_id(&account.address).as_str()])
        .field("Auto-Submitted", "auto-replied")
        .finish();
    let prefix = trace::return_path(None);
    let notice = Prepared::new(prefix.as_bytes(), Bytes::from(raw));
    local::warn(tx, entry.account, notice)
}
