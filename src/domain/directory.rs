//! Who gets mail for an address, and who may send with it.

use std::collections::BTreeSet;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::domain::Result;
use crate::store::Read;
use crate::store::rows::account::AddressRow;

/// Groups in groups are followed this deep; a circle ends by itself.
const GROUP_DEPTH: usize = 8;

/// What mail to an address means here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipient {
    /// Delivered to these accounts, and passed on to these addresses elsewhere (a group's
    /// members).
    Local { accounts: Vec<AccountId>, elsewhere: Vec<EmailAddress> },
    /// The domain is ours, the address is nobody's.
    Unknown,
    /// The domain is not ours.
    Elsewhere,
}

/// Looks an address up: itself, then without its `+tag`, then the domain's catch-all.
/// Disabled accounts still receive: mail for somebody on leave must not bounce.
pub fn resolve(read: &impl Read, address: &EmailAddress) -> Result<Recipient> {
    let Some(domain) = read.domain(address.domain())? else { return Ok(Recipient::Elsewhere) };
    let mut row = read.address(&address.canonical())?;
    if row.is_none()
        && let Some(untagged) = address.canonical_untagged()
    {
        row = read.address(&untagged)?;
    }
    Ok(match row {
        Some(AddressRow::Primary(id) | AddressRow::Alias(id)) => {
            Recipient::Local { accounts: vec![id], elsewhere: Vec::new() }
        }
        Some(AddressRow::Group(group)) => {
            let mut found = Members::default();
            found.add(read, &group.members, GROUP_DEPTH)?;
            Recipient::Local {
                accounts: found.accounts.into_iter().collect(),
                elsewhere: found.elsewhere.into_iter().collect(),
            }
        }
        None => match domain.catch_all {
            Some(id) => Recipient::Local { accounts: vec![id], elsewhere: Vec::new() },
            None => Recipient::Unknown,
        },
    })
}

#[derive(Default)]
struct Members {
    accounts: BTreeSet<AccountId>,
    elsewhere: BTreeSet<EmailAddress>,
    groups: BTreeSet<String>,
}

impl Members {
    fn add(&mut self, read: &impl Read, members: &[String], depth: usize) -> Result<()> {
        for member in members {
            let Ok(address) = EmailAddress::parse_human(member) else { continue };
            match read.address(&address.canonical())? {
                Some(AddressRow::Primary(id) | AddressRow::Alias(id)) => {
                    self.accounts.insert(id);
                }
                Some(AddressRow::Group(group)) => {
                    let unseen = depth > 0 && self.groups.insert(address.canonical());
                    if unseen {
                        self.add(read, &group.members, depth - 1)?;
                    }
                }
                None if read.domain(address.domain())?.is_none() => {
                    self.elsewhere.insert(address);
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// Whether the account may use the address as a sender: its own, an alias, with or without a
/// tag, or a group that lets its members send and that it is a member of.
pub fn may_send_as(read: &impl Read, account: AccountId, address: &EmailAddress) -> Result<bool> {
    for form in std::iter::once(address.canonical()).chain(address.canonical_untagged()) {
        match read.address(&form)? {
            Some(AddressRow::Primary(id) | AddressRow::Alias(id)) => return Ok(id == account),
            Some(AddressRow::Group(group)) => {
                let mut found = Members::default();
                found.add(read, &group.members, GROUP_DEPTH)?;
                return Ok(group.members_send && found.accounts.contains(&account));
            }
            None => {}
        }
    }
    Ok(false)
}

/// Whether mail for the domain is delivered here.
pub fn is_local_domain(read: &impl Read, domain: &str) -> Result<bool> {
    Ok(read.domain(domain)?.is_some())
}
