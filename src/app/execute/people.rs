//! Accounts, aliases, groups, domains.

use super::super::control::{
    AccountLine, AliasLine, DomainLine, Failure, GroupLine, OFFICE, Outlet, Reply, UserChange,
};
use super::super::output::counted;
use super::devices::wipes_at_stake;
use super::{Context, account_of, address, named};
use crate::base::id::AccountId;
use crate::base::secret::Secret;
use crate::base::uidset::UidSet;
use crate::domain::account::{self, Listed, NewAccount};
use crate::domain::auth::{self, Credentials};
use crate::domain::device::{Access, access};
use crate::domain::{self, message, server};
use crate::store::rows::account::{Account, AddressRow, Group};
use crate::store::{Read, Store};

/// Messages removed in one transaction when an account goes: everybody else waits for it.
const AT_ONCE: usize = 500;

/// A password of at least this many characters is asked for where the server is set up.
const PASSWORD: usize = 8;

/// Refuses a password that is too short for whoever sets the server up.
pub fn require_strong(password: &str) -> Result<(), Failure> {
    if password.chars().count() < PASSWORD {
        return Err(Failure(format!("the password must have at least {PASSWORD} characters")));
    }
    Ok(())
}

/// What a new server is told of itself.
pub(super) struct Setup {
    pub domain: String,
    pub hostname: String,
    pub admin: String,
    pub name: String,
    pub password: String,
    /// Phones wait until an administrator approves them.
    pub approve_phones: bool,
}

/// Sets up an empty data directory.
pub(super) fn init(context: &Context, setup: Setup) -> Result<Reply, Failure> {
    let Setup { domain, hostname, admin, name, password, approve_phones } = setup;
    let store = &context.store;
    require_strong(&password)?;
    let new = new_account(context, &admin, name, true, password)?;
    let (answer, admin) = (hostname.clone(), new.address.canonical());
    store.write_blocking(move |tx| {
        if !tx.domains()?.is_empty() || !tx.accounts()?.is_empty() {
            return Err(domain::Error::Invalid("this data directory is set up already".into()));
        }
        server::set_hostname(tx, &hostname)?;
        let domain = account::add_domain(tx, &domain)?.name;
        if new.address.domain() != domain {
            return Err(domain::Error::Invalid(format!(
                "the administrator's address has to be one of the domain, such as {}@{domain}; \
                 further domains come afterwards, with kontor domain add",
                new.address.local()
            )));
        }
        if approve_phones {
            access::change(tx, |admission| {
                admission.default = Access::Quarantined;
                Ok(())
            })?;
        }
        account::create(tx, &new).map(drop)
    })?;
    let phones = if approve_phones { " Phones wait until you approve them." } else { "" };
    Ok(Reply::Done(format!("Set up as {answer}; administrator is {admin}.{phones}")))
}

fn new_account(
    context: &Context,
    email: &str,
    display_name: String,
    admin: bool,
    password: String,
) -> Result<NewAccount, Failure> {
    let credentials = Some(Credentials::of(&Secret::new(password))?);
    let quota = Some(context.limits.quota).filter(|quota| *quota > 0);
    Ok(NewAccount { address: address(email)?, display_name, admin, credentials, quota })
}

pub(super) fn add_user(
    context: &Context,
    email: &str,
    name: String,
    admin: bool,
    password: String,
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    let weak = weakness(&password)?;
    let new = new_account(context, email, name, admin, password)?;
    let added = new.address.canonical();
    let shown = added.clone();
    context.store.write_blocking(move |tx| {
        account::create(tx, &new).map(drop).map_err(|error| named(error, &added))
    })?;
    warn_if(weak, outlet)?;
    Ok(Reply::Done(format!("Added {shown}.")))
}

/// Whether a password is weak; an empty one is refused.
fn weakness(password: &str) -> Result<bool, Failure> {
    if password.is_empty() {
        return Err(Failure("the password is empty".into()));
    }
    Ok(auth::is_weak(&Secret::new(password)))
}

/// The computer's owner decides, so a weak password is taken.
fn warn_if(weak: bool, outlet: &mut dyn Outlet) -> Result<(), Failure> {
    if weak {
        outlet.progress("warning: this password is weak and easily guessed".into())?;
    }
    Ok(())
}

pub(super) fn list_users(store: &Store) -> Result<Reply, Failure> {
    let read = store.read();
    let mut lines = Vec::new();
    for account in read.accounts()? {
        lines.push(account_line(&read, account)?);
    }
    lines.sort_by(|a, b| a.email.cmp(&b.email));
    Ok(Reply::Accounts(lines))
}

fn account_line(read: &impl Read, account: Account) -> Result<AccountLine, Failure> {
    let state = read.account_state(account.id)?;
    Ok(AccountLine {
        email: account.address,
        name: account.display_name,
        admin: account.admin,
        enabled: account.enabled,
        hidden: account.hidden,
        time_zone: account.time_zone,
        messages: state.messages,
        bytes: state.bytes,
        quota: account.quota,
        created: account.created,
    })
}

/// Changes what is asked for of an account, all or nothing, and answers with its line.
pub(super) fn set_user(
    store: &Store,
    email: &str,
    change: UserChange,
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    let UserChange { name, hidden, quota, admin, time_zone } = change;
    let id = account_of(&store.read(), email)?.id;
    let account = store.write_blocking(move |tx| {
        if let Some(name) = time_zone.as_deref() {
            account::set_time_zone(tx, id, Some(name).filter(|name| *name != OFFICE))?;
        }
        account::list_as(tx, id, Listed { name, hidden })?;
        account::update(tx, id, |row| {
            row.admin = admin.unwrap_or(row.admin);
            if let Some(quota) = quota {
                row.quota = Some(quota).filter(|quota| *quota > 0);
            }
        })
    })?;
    if admin == Some(false) {
        let warning = no_administrator(store)?.trim_start();
        if !warning.is_empty() {
            outlet.progress(warning.into())?;
        }
    }
    Ok(Reply::Accounts(vec![account_line(&store.read(), account)?]))
}

pub(super) fn set_password(
    store: &Store,
    email: &str,
    password: String,
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    let weak = weakness(&password)?;
    let id = account_of(&store.read(), email)?.id;
    let credentials = Credentials::of(&Secret::new(password))?;
    let account = store
        .write_blocking(move |tx| account::update(tx, id, |account| credentials.apply(account)))?;
    warn_if(weak, outlet)?;
    let warning = wipes_at_stake(&store.read(), id)?;
    Ok(Reply::Done(format!("{} has a new password.{warning}", account.address)))
}

pub(super) fn enable(store: &Store, email: &str, enabled: bool) -> Result<Reply, Failure> {
    let id = account_of(&store.read(), email)?.id;
    let account =
        store.write_blocking(move |tx| account::update(tx, id, |row| row.enabled = enabled))?;
    let what = if enabled { "can log in" } else { "cannot log in; mail for it is still taken" };
    let warning = match enabled {
        true => String::new(),
        false => format!("{}{}", wipes_at_stake(&store.read(), id)?, no_administrator(store)?),
    };
    Ok(Reply::Done(format!("{} {what}.{warning}", account.address)))
}

/// Removes an account: first nobody may use it any more, then its messages go in small steps,
/// then it does. Interrupted, it is disabled and the command can be given again.
pub(super) fn remove_user(
    store: &Store,
    email: &str,
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    let found = account_of(&store.read(), email)?;
    let id = found.id;
    let warning = wipes_at_stake(&store.read(), id)?;
    store.write_blocking(move |tx| account::update(tx, id, |account| account.enabled = false))?;
    let mut removed = 0;
    for mailbox in store.read().mailboxes(id)? {
        while let Some(table) = store.table(mailbox.id)?.filter(|table| !table.is_empty()) {
            let mut some = UidSet::new();
            table.iter().take(AT_ONCE).for_each(|message| {
                some.insert(message.uid.0);
            });
            removed += table.len().min(AT_ONCE);
            store.write_blocking(move |tx| message::remove(tx, mailbox.id, &some))?;
            if removed % (AT_ONCE * 20) == 0 {
                outlet.progress(format!("{removed} messages removed"))?;
            }
        }
    }
    store.write_blocking(move |tx| account::remove(tx, id).map(drop))?;
    let nobody = no_administrator(store)?;
    let (address, messages) = (found.address, counted(removed, "message", "messages"));
    Ok(Reply::Done(format!("Removed {address} with {messages}.{warning}{nobody}")))
}

/// A warning where nobody is left who would hear of phones that wait; empty where somebody is.
fn no_administrator(store: &Store) -> Result<&'static str, Failure> {
    let accounts = store.read().accounts()?;
    Ok(match accounts.iter().any(|account| account.admin && account.enabled) {
        true => "",
        false => {
            "\nwarning: nobody administers the server now; kontor user set --admin yes makes \
             somebody who does."
        }
    })
}

pub(super) fn add_alias(store: &Store, alias: &str, email: &str) -> Result<Reply, Failure> {
    let owner = account_of(&store.read(), email)?;
    let (new, id) = (address(alias)?, owner.id);
    let shown = new.canonical();
    let name = shown.clone();
    store.write_blocking(move |tx| {
        account::add_alias(tx, &new, id).map_err(|error| named(error, &name))
    })?;
    Ok(Reply::Done(format!("Mail for {shown} goes to {}.", owner.address)))
}

pub(super) fn list_aliases(store: &Store) -> Result<Reply, Failure> {
    let read = store.read();
    let mut lines = Vec::new();
    for (alias, row) in read.addresses()? {
        if let AddressRow::Alias(id) = row {
            lines.push(AliasLine { alias, email: email_of(&read, id)? });
        }
    }
    Ok(Reply::Aliases(lines))
}

fn email_of(read: &impl Read, id: AccountId) -> Result<String, Failure> {
    Ok(read.account(id)?.map(|account| account.address).unwrap_or_default())
}

pub(super) fn remove_alias(store: &Store, alias: &str) -> Result<Reply, Failure> {
    let gone = address(alias)?;
    let name = gone.canonical();
    let shown = name.clone();
    store.write_blocking(move |tx| {
        account::remove_alias(tx, &gone).map_err(|error| named(error, &name))
    })?;
    Ok(Reply::Done(format!("Removed the alias {shown}.")))
}

/// Makes a group, or adds members to the one that there is.
pub(super) fn add_group(store: &Store, group: &str, members: &[String]) -> Result<Reply, Failure> {
    let group = address(group)?;
    let mut new = Vec::new();
    for member in members {
        new.push(address(member)?.canonical());
    }
    let name = group.canonical();
    let count = store.write_blocking(move |tx| {
        let mut row = match tx.address(&name)? {
            Some(AddressRow::Group(row)) => row,
            _ => Group::default(),
        };
        for member in new {
            if !row.members.contains(&member) {
                row.members.push(member);
            }
        }
        account::put_group(tx, &group, &row).map_err(|error| named(error, &name))?;
        Ok::<_, domain::Error>(row.members.len())
    })?;
    Ok(Reply::Done(format!("The group has {}.", counted(count, "member", "members"))))
}

pub(super) fn list_groups(store: &Store) -> Result<Reply, Failure> {
    let rows = store.read().addresses()?.into_iter();
    let lines = rows.filter_map(|(group, row)| match row {
        AddressRow::Group(row) => Some(group_line(group, row)),
        _ => None,
    });
    Ok(Reply::Groups(lines.collect()))
}

fn group_line(group: String, row: Group) -> GroupLine {
    GroupLine { group, name: row.name, hidden: row.hidden, members: row.members }
}

/// Changes a group's entry in the address list, and answers with its line.
pub(super) fn set_group(store: &Store, group: &str, listed: Listed) -> Result<Reply, Failure> {
    let group = address(group)?;
    let name = group.canonical();
    let shown = name.clone();
    let row = store.write_blocking(move |tx| {
        account::list_group_as(tx, &group, listed).map_err(|error| named(error, &name))
    })?;
    Ok(Reply::Groups(vec![group_line(shown, row)]))
}

/// Removes members from a group, or, without any named, the group.
pub(super) fn remove_group(
    store: &Store,
    group: &str,
    members: &[String],
) -> Result<Reply, Failure> {
    let group = address(group)?;
    let name = group.canonical();
    let mut gone = Vec::new();
    for member in members {
        gone.push(address(member)?.canonical());
    }
    let left = store.write_blocking(move |tx| {
        if gone.is_empty() {
            return account::remove_group(tx, &group)
                .map(|()| None)
                .map_err(|error| named(error, &name));
        }
        let Some(AddressRow::Group(mut row)) = tx.address(&name)? else {
            return Err(named(domain::Error::NotFound("group"), &name));
        };
        if let Some(stranger) = gone.iter().find(|each| !row.members.contains(each)) {
            return Err(domain::Error::Invalid(format!("{stranger} is no member of {name}")));
        }
        row.members.retain(|member| !gone.contains(member));
        account::put_group(tx, &group, &row)?;
        Ok(Some(row.members.len()))
    })?;
    Ok(Reply::Done(match left {
        Some(count) => format!("The group has {}.", counted(count, "member", "members")),
        None => "Removed the group.".into(),
    }))
}

pub(super) fn add_domain(
    store: &Store,
    name: String,
    catch_all: Option<String>,
) -> Result<Reply, Failure> {
    let shown = name.clone();
    store.write_blocking(move |tx| {
        match account::add_domain(tx, &name) {
            // Given again with a catch-all, it sets that.
            Err(domain::Error::Exists(_)) if catch_all.is_some() => {}
            other => drop(other.map_err(|error| named(error, &name))?),
        }
        if let Some(email) = catch_all {
            let id = account_of(tx, &email)?.id;
            account::set_catch_all(tx, &name, Some(id))?;
        }
        Ok::<_, domain::Error>(())
    })?;
    Ok(Reply::Done(format!("Mail for {shown} is taken.")))
}

pub(super) fn list_domains(store: &Store) -> Result<Reply, Failure> {
    let read = store.read();
    let mut lines = Vec::new();
    for domain in read.domains()? {
        let catch_all = domain.catch_all.map(|id| email_of(&read, id)).transpose()?;
        lines.push(DomainLine { domain: domain.name, catch_all });
    }
    Ok(Reply::Domains(lines))
}

pub(super) fn remove_domain(store: &Store, name: String) -> Result<Reply, Failure> {
    let shown = name.clone();
    store.write_blocking(move |tx| {
        account::remove_domain(tx, &name).map_err(|error| named(error, &name))
    })?;
    Ok(Reply::Done(format!("Mail for {shown} is no longer taken.")))
}
