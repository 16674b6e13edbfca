//! Whether and how one recipient can be reached; asked at RCPT, so that nothing bounces later.

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::delivery::Refusal;
use crate::domain::directory;
use crate::domain::quota;
use crate::format::smtp::{Notify, OriginalRecipient, Rcpt, RcptPath};
use crate::store::Read;

/// One accepted recipient and what mail to it means.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// As the client named it.
    pub address: EmailAddress,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
    /// Accounts of this server that get it.
    pub accounts: Vec<AccountId>,
    /// Addresses elsewhere that it is sent on to.
    pub elsewhere: Vec<EmailAddress>,
    group: bool,
}

/// One address to send to, with what the sender wants to hear of it.
#[derive(Clone, Debug)]
pub struct Wish {
    pub address: EmailAddress,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
}

impl Wish {
    /// Without wishes.
    pub fn to(address: &EmailAddress) -> Self {
        Self { address: address.clone(), notify: None, orcpt: None }
    }

    /// Without wishes; nothing if the text is no address.
    pub fn plain(address: &str) -> Option<Self> {
        Some(Self::to(&EmailAddress::parse_mailbox(address).ok()?))
    }
}

impl Recipient {
    /// Whether mail to it is spread over several mailboxes.
    pub fn is_group(&self) -> bool {
        self.group
    }

    /// What the sender wants to hear of one of the addresses elsewhere.
    pub(super) fn wish(&self, address: &EmailAddress) -> Wish {
        Wish { address: address.clone(), notify: self.notify, orcpt: self.orcpt.clone() }
    }

    /// What the sender wants to hear of one of the accounts here, beyond that the group's mail
    /// was spread, which has been told by then (RFC 3461 §5.2.7.3). Reports name the group, too:
    /// that is whom the sender wrote to.
    pub(super) fn member_wish(&self, address: EmailAddress) -> Wish {
        let notify = self.notify.map(|notify| Notify { success: false, ..notify });
        let address_of_group = || {
            let address = self.address.to_string();
            let kind = if address.is_ascii() { "rfc822" } else { "utf-8" }.to_owned();
            OriginalRecipient { kind, address }
        };
        let orcpt = Some(self.orcpt.clone().unwrap_or_else(address_of_group));
        Wish { address, notify, orcpt }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Anybody: mail for this server's addresses only.
    Stranger,
    /// A member who has logged in: mail for anybody.
    Member,
}

/// Looks a recipient up. `size` is what the client announced, 0 if nothing.
pub fn resolve(
    read: &impl Read,
    rcpt: Rcpt,
    asker: Asker,
    size: u64,
    hostname: &str,
) -> Result<Recipient, Refusal> {
    let address = match rcpt.path {
        RcptPath::Mailbox(address) => address,
        RcptPath::Postmaster => postmaster(read, hostname)?,
    };
    let mut recipient = Recipient {
        address,
        notify: rcpt.notify,
        orcpt: rcpt.orcpt,
        accounts: Vec::new(),
        elsewhere: Vec::new(),
        group: false,
    };
    match directory::resolve(read, &recipient.address)? {
        directory::Recipient::Local { accounts, elsewhere } => {
            // "user%host@here" asks to be relayed to host. A catch-all would swallow it and
            // look like a relay; nobody has such an address, so it is refused as one.
            if recipient.address.is_routed()
                && read.address(&recipient.address.canonical())?.is_none()
            {
                return Err(Refusal::RelayDenied);
            }
            if accounts.is_empty() && elsewhere.is_empty() {
                // A group without members: taking the mail would lose it.
                return Err(Refusal::UnknownRecipient);
            }
            recipient.group = accounts.len() != 1 || !elsewhere.is_empty();
            recipient.accounts = accounts;
            recipient.elsewhere = elsewhere;
        }
        directory::Recipient::Unknown => match responsible(read, &recipient.address)? {
            Some(account) => recipient.accounts.push(account),
            None if recipient.address.is_routed() => return Err(Refusal::RelayDenied),
            None => return Err(Refusal::UnknownRecipient),
        },
        directory::Recipient::Elsewhere
            if asker == Asker::Member && !recipient.address.is_literal() =>
        {
            recipient.elsewhere.push(recipient.address.clone());
        }
        directory::Recipient::Elsewhere => return Err(Refusal::RelayDenied),
    }
    check_quota(read, &recipient, size)?;
    Ok(recipient)
}

/// An account of its own that is full refuses. The members of a group are not asked: one of
/// them being full must not keep the mail from the others, nor be lost without a word.
fn check_quota(read: &impl Read, recipient: &Recipient, size: u64) -> Result<(), Refusal> {
    match recipient.accounts.as_slice() {
        [only] if !recipient.group => Ok(quota::require(read, *only, size.max(1))?),
        _ => Ok(()),
    }
}

/// Mail for "postmaster" without a domain is for the domain of this server's name, or for its
/// first domain.
fn postmaster(read: &impl Read, hostname: &str) -> Result<EmailAddress, Refusal> {
    let parents = hostname.match_indices('.').filter_map(|(at, _)| hostname.get(at + 1..));
    for name in std::iter::once(hostname).chain(parents) {
        if read.domain(name)?.is_some() {
            return EmailAddress::new("postmaster", name).map_err(|_| Refusal::UnknownRecipient);
        }
    }
    let domains = read.domains()?;
    let first = domains.first().ok_or(Refusal::UnknownRecipient)?;
    EmailAddress::new("postmaster", &first.name).map_err(|_| Refusal::UnknownRecipient)
}

/// Mail for postmaster and abuse must reach somebody in every domain (RFC 5321 §4.5.1,
/// RFC 2142 §4): the first administrator, where no such address was made.
fn responsible(read: &impl Read, address: &EmailAddress) -> Result<Option<AccountId>, Refusal> {
    if !["postmaster", "abuse"].iter().any(|name| address.local().eq_ignore_ascii_case(name)) {
        return Ok(None);
    }
    let mut accounts = read.accounts()?;
    accounts.sort_by_key(|account| account.created);
    Ok(accounts.iter().find(|account| account.admin && account.enabled).map(|account| account.id))
}
