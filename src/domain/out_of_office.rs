//! Out of office: what an account answers while its owner is away. RFC 3834.
//!
//! Each sender is answered once in seven days, and only if the mail is from a person to the
//! owner: never lists, machines, reports, or what names the owner neither in To nor in Cc.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain::outbox::{self, Mail};
use crate::domain::scheduling::letter::{date, escape, new_id, plain_of};
use crate::domain::{Error, Result};
use crate::format::mime::{Address, Letter, MAX_HEADER, Piece, addresses, decode_header};
use crate::format::mime::{header_fields, message_ids};
use crate::store::keys::{self, Kind};
use crate::store::rows::account::{Account, AddressRow};
use crate::store::rows::collection::CollectionKind;
use crate::store::{Read, Tx};

pub use crate::store::rows::out_of_office::{Answer, OutOfOffice, State};

/// Longest text of one answer in bytes; three of them fit into one row.
pub const TEXT_MAX: usize = 24 * 1024;

/// Seconds for which a sender is not answered again (RFC 3834 §2).
const ONCE_IN: i64 = 7 * 86_400;
/// Senders of one account that are remembered: beyond this somebody plays.
const SENDERS_MAX: usize = 2_000;
/// Addresses in To and Cc among which the owner is looked for.
const NAMED_MAX: usize = 200;
/// Contacts that are looked through for a sender.
const CONTACTS_MAX: usize = 20_000;
/// Message ids that are repeated in References.
const REFERENCES_MAX: usize = 50;

/// The account's settings; off and empty if there are none yet.
pub fn get(read: &impl Read, account: AccountId) -> Result<OutOfOffice> {
    let value = read.get(&keys::out_of_office(account))?;
    Ok(value.map(|value| OutOfOffice::decode(&value)).transpose()?.unwrap_or_default())
}

/// Replaces the settings. Whoever was answered before is answered again once the owner is away
/// for another time or says something else.
///
/// Fails with `TooLarge`, or `Invalid` where the time away is missing or ends before it begins.
pub fn set(tx: &mut Tx<'_>, account: AccountId, new: &OutOfOffice) -> Result<()> {
    if [&new.internal, &new.known, &new.unknown].iter().any(|a| a.text.len() > TEXT_MAX) {
        return Err(Error::TooLarge);
    }
    if new.state == State::Timed {
        match (new.from, new.until) {
            (Some(from), Some(until)) if from < until => {}
            _ => return Err(Error::Invalid("the time away ends before it begins".into())),
        }
    }
    let old = get(tx, account)?;
    if old == *new {
        return Ok(());
    }
    tx.delete_prefix(&keys::of_account(Kind::Replied, account))?;
    tx.put(keys::out_of_office(account), new.encode());
    Ok(())
}

impl OutOfOffice {
    /// Whether the owner is away at this time.
    pub fn is_away(&self, now: UnixTime) -> bool {
        match self.state {
            State::Off => false,
            State::On => true,
            State::Timed => {
                self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|end| now < end)
            }
        }
    }
}

/// What of an arriving message decides whether it is answered, and how.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    /// The envelope sender; `None` is the null sender.
    sender: Option<EmailAddress>,
    /// Everybody in To and Cc.
    named: Vec<EmailAddress>,
    /// No person wrote it to the recipient.
    automatic: bool,
    subject: String,
    message_id: Option<String>,
    references: Vec<String>,
}

impl Asked {
    /// Reads a header.
    pub fn read(header: &[u8], sender: Option<&EmailAddress>) -> Asked {
        let mut asked = Asked { sender: sender.cloned(), ..Asked::default() };
        let Some(sender) = sender else { return asked };
        asked.automatic = is_machine(sender.local());
        for field in header_fields(header.get(..MAX_HEADER).unwrap_or(header)) {
            let name = field.name.to_ascii_lowercase();
            let value = || String::from_utf8_lossy(field.value).trim().to_ascii_lowercase();
            match name.as_slice() {
                b"to" | b"cc" | b"resent-to" | b"resent-cc" => asked.name(field.value),
                b"subject" => asked.subject = decode_header(field.value).trim().to_owned(),
                b"message-id" => asked.message_id = ids(field.value).pop(),
                b"references" => asked.references = ids(field.value),
                // RFC 3834 §5, and what came before it.
                b"auto-submitted" => asked.automatic |= value() != "no",
                b"precedence" => {
                    asked.automatic |= ["bulk", "list", "junk", "auto_reply"].contains(&&*value());
                }
                // MS-OXCMAIL 2.2.3.2.14.
                b"x-auto-response-suppress" => {
                    let value = value();
                    let mut words = value.split(',').map(str::trim);
                    asked.automatic |= words.any(|w| ["all", "oof", "autoreply"].contains(&w));
                }
                b"x-autoreply" | b"x-autorespond" | b"x-loop" | b"feedback-id" => {
                    asked.automatic = true;
                }
                b"x-spam-flag" => asked.automatic |= value() == "yes",
                b"content-type" => {
                    let value = value();
                    asked.automatic |= value.starts_with("multipart/report")
                        // Answers to invitations want no answer.
                        || (value.starts_with("text/calendar") && value.contains("reply"));
                }
                name if name.starts_with(b"list-") => asked.automatic = true,
                _ => {}
            }
        }
        asked
    }

    fn name(&mut self, value: &[u8]) {
        let mailboxes = addresses(value).into_iter();
        let mailboxes = mailboxes.filter(|a| matches!(a, Address::Mailbox { .. }));
        let room = NAMED_MAX.saturating_sub(self.named.len());
        let parsed = mailboxes.map(|a| EmailAddress::parse_mailbox(&a.address()));
        self.named.extend(parsed.filter_map(std::result::Result::ok).take(room));
    }

    /// Leaves the message unanswered.
    pub fn silence(&mut self) {
        self.automatic = true;
    }
}

fn ids(value: &[u8]) -> Vec<String> {
    let all = message_ids(value).take(REFERENCES_MAX);
    let text = |id: std::borrow::Cow<'_, [u8]>| String::from_utf8(id.into_owned()).ok();
    all.filter_map(text).filter(|id| id.len() <= 250 && id.is_ascii()).collect()
}

/// Addresses behind which nobody reads (RFC 3834 §2, RFC 2142 §6).
fn is_machine(local: &str) -> bool {
    const NAMES: [&str; 10] = [
        "mailer-daemon",
        "postmaster",
        "noreply",
        "no-reply",
        "donotreply",
        "do-not-reply",
        "listserv",
        "majordomo",
        "bounce",
        "bounces",
    ];
    let local = local.to_lowercase();
    NAMES.contains(&local.as_str())
        || local.starts_with("owner-")
        || ["-request", "-owner", "-bounces", "-noreply"].iter().any(|end| local.ends_with(end))
        || local.contains("-bounces+")
}

/// Answers a message that has arrived for an account, if its owner is away and the sender is
/// somebody to be told. Says whether an answer is on its way.
pub fn answer(tx: &mut Tx<'_>, account: AccountId, asked: &Asked) -> Result<bool> {
    let Some(sender) = asked.sender.as_ref().filter(|_| !asked.automatic) else {
        return Ok(false);
    };
    let settings = get(tx, account)?;
    let now = tx.now();
    if !settings.is_away(now) {
        return Ok(false);
    }
    let Some(row) = tx.account(account)? else { return Ok(false) };
    let mut named = asked.named.iter();
    let is_named = named.any(|address| matches!(is_own(tx, account, address), Ok(true)));
    if !is_named || is_own(tx, account, sender)? || !is_first(tx, account, sender, now)? {
        return Ok(false);
    }
    let reply = if tx.domain(sender.domain())?.is_some() {
        &settings.internal
    } else if settings.known == settings.unknown || !is_known(tx, account, sender)? {
        &settings.unknown
    } else {
        &settings.known
    };
    if !reply.enabled || reply.text.trim().is_empty() {
        return Ok(false);
    }
    tx.put(keys::replied(account, &sender.canonical()), Bytes::copy_from_slice(&now.to_be_bytes()));
    let raw = write(&row, sender, asked, reply, now);
    let recipients = vec![sender.to_string()];
    outbox::put(tx, Mail { account, sender: None, recipients, raw, keep: false })?;
    Ok(true)
}

/// Whether an address, with or without a tag, is the account's own.
fn is_own(read: &impl Read, account: AccountId, address: &EmailAddress) -> Result<bool> {
    for form in std::iter::once(address.canonical()).chain(address.canonical_untagged()) {
        match read.address(&form)? {
            Some(AddressRow::Primary(id) | AddressRow::Alias(id)) => return Ok(id == account),
            Some(AddressRow::Group(_)) => return Ok(false),
            None => {}
        }
    }
    Ok(false)
}

/// Whether the sender was not answered lately. Old notes go where there are many.
fn is_first(
    tx: &mut Tx<'_>,
    account: AccountId,
    sender: &EmailAddress,
    now: UnixTime,
) -> Result<bool> {
    let lately = |value: &[u8]| {
        let at = value.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
        now.saturating_sub(at) < ONCE_IN
    };
    if tx.get(&keys::replied(account, &sender.canonical()))?.is_some_and(|v| lately(&v)) {
        return Ok(false);
    }
    let (mut recent, mut old) = (0, Vec::new());
    tx.scan_prefix(&keys::of_account(Kind::Replied, account), &mut |key, value| {
        match lately(value) {
            true => recent += 1,
            false => old.push(Bytes::copy_from_slice(key)),
        }
        Ok(match recent + old.len() < 2 * SENDERS_MAX {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    old.into_iter().for_each(|key| tx.delete(key));
    Ok(recent < SENDERS_MAX)
}

/// Whether the sender is in one of the account's address books.
fn is_known(read: &impl Read, account: AccountId, sender: &EmailAddress) -> Result<bool> {
    let wanted = sender.canonical();
    let mut left = CONTACTS_MAX;
    let books = read.collections(account)?.into_iter();
    for book in books.filter(|book| book.kind == CollectionKind::Contacts) {
        for item in read.items(book.id)?.into_iter().take(left) {
            left -= 1;
            let Some(text) = read.item_text(book.id, item.uid)? else { continue };
            let text = String::from_utf8_lossy(&text).to_lowercase();
            // Long lines are folded, also within an address.
            if text.replace("\r\n ", "").contains(&wanted) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The answer (RFC 3834 §3).
fn write(
    account: &Account,
    to: &EmailAddress,
    asked: &Asked,
    reply: &Answer,
    now: UnixTime,
) -> Vec<u8> {
    let body = match reply.html {
        false => Piece::text("text/plain", "", &reply.text),
        true => Piece::multipart(
            "alternative",
            vec![
                Piece::text("text/plain", "", &plain_of(&reply.text)),
                Piece::text("text/html", "", &page(&reply.text)),
            ],
        ),
    };
    let subject: String = asked.subject.chars().take(300).collect();
    let answered = asked.message_id.as_deref();
    let references = asked.references.iter().map(String::as_str).chain(answered);
    Letter::new(body)
        .mailboxes("From", [(Some(account.display_name.as_str()), account.address.as_str())])
        .mailboxes("To", [(None, to.to_string().as_str())])
        .text("Subject", &format!("Auto: {subject}"))
        .field("Date", &date(now))
        .ids("Message-ID", [new_id(&account.address).as_str()])
        .ids("In-Reply-To", answered)
        .ids("References", references)
        .field("Auto-Submitted", "auto-replied")
        .field("X-Auto-Response-Suppress", "All")
        .finish()
}

/// A piece of HTML as a page.
fn page(html: &str) -> String {
    match html.to_ascii_lowercase().contains("<html") {
        true => html.to_owned(),
        false if html.contains('<') => format!("<html><body>{html}</body></html>"),
        false => format!("<html><body>{}</body></html>", escape(html)),
    }
}

#[cfg(test)]
mod tests;
