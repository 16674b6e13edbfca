//! Runs one command on the data: the same code behind the socket and without a server.
//!
//! Everything here is a few calls of the domain; nothing is decided here.

mod devices;
mod entries;
mod mail;
mod people;
mod policies;
mod upkeep;

use std::sync::Arc;

pub use people::require_strong;

use super::control::{Failure, OFFICE, Outlet, RESTORE, Reply, Request};
use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::base::limits::Limits;
use crate::domain::account::Listed;
use crate::domain::{self, account, server};
use crate::store::rows::account::Account;
use crate::store::{Read, Store};

/// What commands work on.
pub struct Context {
    pub store: Store,
    pub limits: Arc<Limits>,
}

/// Runs one command. What comes out on the way goes to `outlet`. Blocks.
pub fn execute(
    context: &Context,
    request: Request,
    payload: Vec<u8>,
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    survive(|| run(context, request, payload, outlet))
}

/// Turns a panic into a sentence: redb panics on a file that was damaged underneath it, and that
/// is just when people give `kontor check`.
pub fn survive<T>(act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // What was held is dropped with the command; nothing is used again behind a panic.
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
    caught.unwrap_or_else(|_| {
        Err(Failure(format!(
            "stopped by an internal error; if it comes again, the data are damaged: {RESTORE}"
        )))
    })
}

fn run(
    context: &Context,
    request: Request,
    payload: Vec<u8>,
    outlet: &mut dyn Outlet,
) -> Result<Reply, Failure> {
    let store = &context.store;
    match request {
        Request::Init { domain, hostname, admin, name, password, approve_phones } => {
            let setup = people::Setup { domain, hostname, admin, name, password, approve_phones };
            people::init(context, setup)
        }
        Request::UserAdd { email, name, admin, password } => {
            people::add_user(context, &email, name, admin, password, outlet)
        }
        Request::UserList => people::list_users(store),
        Request::UserSet { email, change } => people::set_user(store, &email, change, outlet),
        Request::UserPasswd { email, password } => {
            people::set_password(store, &email, password, outlet)
        }
        Request::UserEnable { email, enabled } => people::enable(store, &email, enabled),
        Request::UserRemove { email } => people::remove_user(store, &email, outlet),
        Request::AliasAdd { alias, email } => people::add_alias(store, &alias, &email),
        Request::AliasList => people::list_aliases(store),
        Request::AliasRemove { alias } => people::remove_alias(store, &alias),
        Request::GroupAdd { group, members } => people::add_group(store, &group, &members),
        Request::GroupList => people::list_groups(store),
        Request::GroupSet { group, name, hidden } => {
            people::set_group(store, &group, Listed { name, hidden })
        }
        Request::GroupRemove { group, members } => people::remove_group(store, &group, &members),
        Request::DomainAdd { domain, catch_all } => people::add_domain(store, domain, catch_all),
        Request::DomainList => people::list_domains(store),
        Request::DomainRemove { domain } => people::remove_domain(store, domain),
        Request::BookList { text } => entries::list_book(store, text.as_deref()),
        Request::BookRemove { who } => entries::remove_from_book(store, who),
        Request::Device(request) => devices::run(store, request),
        Request::Policy(request) => policies::run(store, request),
        Request::QueueList => upkeep::list_queue(store),
        Request::Bring { email, into, messages } => {
            mail::bring(context, &email, into.as_deref(), messages, payload)
        }
        Request::BringEntries { email, into, entries } => {
            entries::bring(context, &email, into, entries, payload)
        }
        Request::Export { email } => mail::export(store, &email, outlet),
        Request::Backup => upkeep::backup(store, outlet),
        Request::Check => upkeep::check(store, outlet),
        Request::Reindex => upkeep::reindex(store, outlet),
        Request::Hostname => match server::hostname(&store.read())? {
            Some(name) => Ok(Reply::Done(name)),
            None => Err(Failure("the server has no name yet; give kontor init".into())),
        },
    }
}

fn address(text: &str) -> Result<EmailAddress, domain::Error> {
    EmailAddress::parse_human(text)
        .map_err(|error| domain::Error::Invalid(format!("\"{text}\" is not an address: {error}")))
}

/// The account of an address, or whose the office's address book is.
fn holder_of(read: &impl Read, email: &str) -> Result<AccountId, domain::Error> {
    match email {
        OFFICE => Ok(AccountId::OFFICE),
        email => Ok(account_of(read, email)?.id),
    }
}

/// The account of an address, or a sentence that names the address.
fn account_of(read: &impl Read, email: &str) -> Result<Account, domain::Error> {
    account::find(read, &address(email)?).map_err(|error| named(error, email))
}

/// Puts a name to "does not exist" and "exists already".
fn named(error: domain::Error, name: &str) -> domain::Error {
    use domain::Error::{Exists, Invalid, NotFound};
    match error {
        NotFound(what) => Invalid(format!("there is no {what} {name}")),
        Exists(what) => Invalid(format!("the {what} {name} exists already")),
        other => other,
    }
}
