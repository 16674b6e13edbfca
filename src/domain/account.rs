//! Accounts, their addresses, groups and domains: what the administrator does.

use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::base::address::{EmailAddress, normalise_domain};
use crate::base::id::AccountId;
use crate::domain::auth::Credentials;
use crate::domain::{Error, Result, collection, device, mailbox};
use crate::store::keys::{self, Kind};
use crate::store::rows::account::{Account, AddressRow, Domain, Group};
use crate::store::{Read, Tx};

/// A new account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub address: EmailAddress,
    pub display_name: String,
    pub admin: bool,
    pub credentials: Option<Credentials>,
    /// Bytes; `None` is unlimited.
    pub quota: Option<u64>,
}

/// Characters of a name in the address list.
const NAME_MAX: usize = 256;

/// How somebody stands in the address list from now on; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    pub name: Option<String>,
    pub hidden: Option<bool>,
}

/// Makes a domain local. Fails with `Exists`.
pub fn add_domain(tx: &mut Tx<'_>, name: &str) -> Result<Domain> {
    let name = domain_name(name)?;
    if tx.domain(&name)?.is_some() {
        return Err(Error::Exists("domain"));
    }
    let domain = Domain { name, catch_all: None };
    tx.put_domain(&domain);
    Ok(domain)
}

/// Sets who gets mail for addresses that nobody has.
pub fn set_catch_all(tx: &mut Tx<'_>, name: &str, account: Option<AccountId>) -> Result<()> {
    let mut domain = tx.domain(&domain_name(name)?)?.ok_or(Error::NotFound("domain"))?;
    domain.catch_all = account;
    tx.put_domain(&domain);
    Ok(())
}

/// Removes a domain that no address uses any more.
pub fn remove_domain(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    let name = domain_name(name)?;
    tx.domain(&name)?.ok_or(Error::NotFound("domain"))?;
    let suffix = format!("@{name}");
    if tx.addresses()?.iter().any(|(address, _)| address.ends_with(&suffix)) {
        return Err(Error::Invalid(format!("addresses of {name} still exist; remove them first")));
    }
    tx.delete(keys::domain(&name));
    Ok(())
}

fn domain_name(name: &str) -> Result<String> {
    normalise_domain(name)
        .map_err(|_| Error::Invalid(format!("\"{name}\" is not a valid domain name")))
}

/// Makes an account with its default mailboxes. Its domain must be local.
pub fn create(tx: &mut Tx<'_>, new: &NewAccount) -> Result<Account> {
    let address = new.address.canonical();
    require_free(tx, &new.address)?;
    check_name(&new.display_name)?;
    let key = keys::meta("account");
    let id = tx.get(&key)?.and_then(|value| keys::u32_at(&value, 0)).unwrap_or(1);
    tx.put(key, Bytes::copy_from_slice(&(id + 1).to_be_bytes()));
    let id = AccountId(id);
    let mut account = Account {
        id,
        address: address.clone(),
        display_name: new.display_name.clone(),
        admin: new.admin,
        enabled: true,
        password: None,
        scram: None,
        credential_version: 1,
        quota: new.quota,
        created: tx.now(),
        hidden: false,
        time_zone: None,
    };
    if let Some(credentials) = &new.credentials {
        credentials.apply(&mut account);
    }
    tx.put_account(&account);
    tx.put_address(&address, &AddressRow::Primary(id));
    mailbox::create_defaults(tx, id)?;
    collection::create_defaults(tx, id)?;
    Ok(account)
}

/// The address must be of a local domain and nobody's yet.
fn require_free(read: &impl Read, address: &EmailAddress) -> Result<()> {
    if read.domain(address.domain())?.is_none() {
        return Err(Error::Invalid(format!(
            "{} is not a domain of this server; add it with `kontor domain add {}`",
            address.domain(),
            address.domain()
        )));
    }
    match read.address(&address.canonical())? {
        Some(_) => Err(Error::Exists("address")),
        None => Ok(()),
    }
}

/// The account with this address or alias.
pub fn find(read: &impl Read, address: &EmailAddress) -> Result<Account> {
    match read.address(&address.canonical())? {
        Some(AddressRow::Primary(id) | AddressRow::Alias(id)) => {
            read.account(id)?.ok_or(Error::NotFound("account"))
        }
        _ => Err(Error::NotFound("account")),
    }
}

/// Changes an account's row. Where what it may do changes, cached log-ins and open sessions of
/// before are void.
pub fn update(
    tx: &mut Tx<'_>,
    id: AccountId,
    change: impl FnOnce(&mut Account),
) -> Result<Account> {
    let mut account = tx.account(id)?.ok_or(Error::NotFound("account"))?;
    let before = account.clone();
    change(&mut account);
    let rights = |a: &Account| (a.password.clone(), a.scram.clone(), a.enabled, a.admin);
    if rights(&account) != rights(&before) {
        account.credential_version += 1;
    }
    tx.put_account(&account);
    // Sessions watch the account's modseq, and leave when they find their rights changed.
    tx.bump(id)?;
    Ok(account)
}

/// Changes an account's name, and whether it is in the address list.
pub fn list_as(tx: &mut Tx<'_>, id: AccountId, listed: Listed) -> Result<Account> {
    if listed.name.as_deref().is_some_and(|name| name.trim().is_empty()) {
        return Err(Error::Invalid("the name is empty".into()));
    }
    check_name(listed.name.as_deref().unwrap_or_default())?;
    update(tx, id, |account| listed.apply(&mut account.display_name, &mut account.hidden))
}

/// Sets the zone that an account's times without one stand in; without one it is the office's.
pub fn set_time_zone(tx: &mut Tx<'_>, id: AccountId, name: Option<&str>) -> Result<Account> {
    let found = name.map(|name| {
        let zone = TimeZone::get(name).ok();
        let name_of = |zone: &TimeZone| zone.iana_name().map(str::to_owned);
        zone.as_ref().and_then(name_of).ok_or_else(|| {
            let text = format!("\"{name}\" is no time zone; they are named as in Europe/Berlin");
            Error::Invalid(text)
        })
    });
    let found = found.transpose()?;
    update(tx, id, |account| account.time_zone = found)
}

/// The same of a group, which may have no name: its address is shown then.
pub fn list_group_as(tx: &mut Tx<'_>, address: &EmailAddress, listed: Listed) -> Result<Group> {
    check_name(listed.name.as_deref().unwrap_or_default())?;
    let Some(AddressRow::Group(mut group)) = tx.address(&address.canonical())? else {
        return Err(Error::NotFound("group"));
    };
    listed.apply(&mut group.name, &mut group.hidden);
    put_group(tx, address, &group)?;
    Ok(group)
}

/// A name goes into the header of messages, and is shown in one line.
fn check_name(name: &str) -> Result<()> {
    if name.chars().any(char::is_control) {
        return Err(Error::Invalid("a name is one line, without control characters".into()));
    }
    if name.chars().count() > NAME_MAX {
        return Err(Error::Invalid(format!("a name has at most {NAME_MAX} characters")));
    }
    Ok(())
}

impl Listed {
    fn apply(self, name: &mut String, hidden: &mut bool) {
        if let Some(new) = self.name {
            new.trim().clone_into(name);
        }
        *hidden = self.hidden.unwrap_or(*hidden);
    }
}

/// Removes an account with everything it holds, its aliases, and its place in groups.
pub fn remove(tx: &mut Tx<'_>, id: AccountId) -> Result<Account> {
    let account = tx.account(id)?.ok_or(Error::NotFound("account"))?;
    for mailbox in tx.mailboxes(id)? {
        mailbox::remove(tx, mailbox.id)?;
    }
    for collection in tx.collections(id)? {
        tx.remove_collection(&collection)?;
    }
    for (address, row) in tx.addresses()? {
        match row {
            AddressRow::Primary(of) | AddressRow::Alias(of) if of == id => {
                tx.delete(keys::address(&address));
            }
            AddressRow::Group(mut group) if group.members.contains(&account.address) => {
                group.members.retain(|member| *member != account.address);
                tx.put_address(&address, &AddressRow::Group(group));
            }
            _ => {}
        }
    }
    for domain in tx.domains()?.into_iter().filter(|domain| domain.catch_all == Some(id)) {
        tx.put_domain(&Domain { catch_all: None, ..domain });
    }
    for kind in [
        Kind::Subscription,
        Kind::Annotation,
        Kind::Keyword,
        Kind::Thread,
        Kind::Log,
        Kind::Marks,
        Kind::AlwaysMoved,
        Kind::OutOfOffice,
        Kind::Replied,
        Kind::Declined,
    ] {
        tx.delete_prefix(&keys::of_account(kind, id))?;
    }
    device::remove_all(tx, id)?;
    // The state stays: its sequences keep the account's old tokens from matching anything.
    tx.delete(keys::account(id));
    tx.bump(id)?;
    Ok(account)
}

/// Gives an account another address.
pub fn add_alias(tx: &mut Tx<'_>, alias: &EmailAddress, account: AccountId) -> Result<()> {
    require_free(tx, alias)?;
    tx.put_address(&alias.canonical(), &AddressRow::Alias(account));
    Ok(())
}

pub fn remove_alias(tx: &mut Tx<'_>, alias: &EmailAddress) -> Result<()> {
    match tx.address(&alias.canonical())? {
        Some(AddressRow::Alias(_)) => tx.delete(keys::address(&alias.canonical())),
        _ => return Err(Error::NotFound("alias")),
    }
    Ok(())
}

/// Makes a distribution group, or replaces its members.
pub fn put_group(tx: &mut Tx<'_>, address: &EmailAddress, group: &Group) -> Result<()> {
    match tx.address(&address.canonical())? {
        Some(AddressRow::Group(_)) => {}
        _ => require_free(tx, address)?,
    }
    tx.put_address(&address.canonical(), &AddressRow::Group(group.clone()));
    Ok(())
}

pub fn remove_group(tx: &mut Tx<'_>, address: &EmailAddress) -> Result<()> {
    match tx.address(&address.canonical())? {
        Some(AddressRow::Group(_)) => tx.delete(keys::address(&address.canonical())),
        _ => return Err(Error::NotFound("group")),
    }
    Ok(())
}
