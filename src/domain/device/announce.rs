//! The mail that tells the administrators of a phone which waits for approval.

use bytes::Bytes;

use crate::base::id::AccountId;
use crate::base::secret;
use crate::domain::device::Device;
use crate::domain::message::{self, FlagNames, Prepared};
use crate::domain::{Error, Result, mailbox, quota, server};
use crate::store::{Read, Tx};

/// Puts the mail into every administrator's inbox. One whose mailbox is full or gone is left
/// out: `kontor device list` shows the phone as well.
pub(super) fn to_administrators(
    tx: &mut Tx<'_>,
    account: AccountId,
    device: &Device,
) -> Result<()> {
    let administrators: Vec<_> =
        tx.accounts()?.into_iter().filter(|row| row.admin && row.enabled).collect();
    let Some(owner) = tx.account(account)? else { return Ok(()) };
    let Some((_, domain)) = owner.address.rsplit_once('@') else { return Ok(()) };
    let to: Vec<_> = administrators.iter().map(|row| format!("<{}>", row.address)).collect();
    let hostname = server::hostname(tx)?.unwrap_or_else(|| domain.to_owned());
    let raw = render(&owner.address, domain, &hostname, &to.join(",\r\n\t"), device, tx.now());
    let prepared = Prepared::new(b"Return-Path: <>\r\n", Bytes::from(raw));
    let size = prepared.size();
    let mut open = Vec::new();
    for administrator in administrators {
        if !quota::usage(tx, administrator.id)?.fits(size) {
            continue;
        }
        match mailbox::find(tx, administrator.id, mailbox::INBOX) {
            Ok(inbox) => open.push(inbox.id),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    let stored = message::store_content(tx, prepared)?;
    for inbox in open {
        message::add(tx, inbox, &stored, &FlagNames::default(), None)?;
    }
    Ok(())
}

fn render(
    owner: &str,
    domain: &str,
    hostname: &str,
    to: &str,
    device: &Device,
    now: i64,
) -> String {
    let at = jiff::Timestamp::from_second(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let id = u64::from_be_bytes(secret::random());
    let facts: String = facts(owner, device)
        .iter()
        .map(|(name, value)| format!("  {name:<13} {value}\r\n"))
        .collect();
    format!(
        "From: Kontor <postmaster@{domain}>\r\n\
         To: {to}\r\n\
         Date: {date}\r\n\
         Message-ID: <phone.{id:016x}@{hostname}>\r\n\
         Subject: A phone waits for approval\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n\
         A phone that is new here wants to read the mail of {owner}:\r\n\r\n\
         {facts}\r\n\
         It gets nothing until you decide. On the server, let it in with\r\n\r\n\
         \x20 kontor device approve {device_id} --user {owner}\r\n\r\n\
         or keep it out with\r\n\r\n\
         \x20 kontor device block {device_id} --user {owner}\r\n",
        date = at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        device_id = quoted(&device.id),
    )
}

/// What is known of a device, for people; what it has not told is left out.
pub(super) fn facts(owner: &str, device: &Device) -> Vec<(&'static str, String)> {
    let facts = &device.facts;
    let all = [
        ("Person", owner),
        ("Name", &facts.friendly_name),
        ("Model", &facts.model),
        ("System", &facts.os),
        ("Phone number", &facts.phone_number),
        ("Operator", &facts.mobile_operator),
        ("IMEI", &facts.imei),
        ("Type", &device.kind),
        ("Program", &device.user_agent),
        ("Id", &device.id),
    ];
    let told = all.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| (name, clean(value))).collect()
}

/// One line, of characters that can be shown: it comes from the network.
fn clean(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// An id as it can be given to a shell: ids are letters and digits, but nobody makes them so.
fn quoted(id: &str) -> String {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain { id.to_owned() } else { format!("'{}'", clean(id).replace('\'', "'\\''")) }
}
