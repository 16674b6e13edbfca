//! Credentials: how they are kept, checked, and remembered for minutes.
//!
//! Guessing is slowed elsewhere (`net::rate`); here an unknown log-in costs the same time and
//! gets the same answer as a wrong password.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, PasswordHash};
use aws_lc_rs::hmac;
use bytes::Bytes;

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::base::secret::Secret;
use crate::domain::{Error, Result};
use crate::format::sasl::ScramKeys;
use crate::store::Read;
use crate::store::rows::account::{Account, AddressRow};

/// How long a verified password is remembered behind its last use: phones and mail programs log in
/// again and again, and each argon2 costs tens of milliseconds.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// How long at most, however often it is used. A changed password is void at once, whatever these
/// say.
const REMEMBERED_MOST: Duration = Duration::from_secs(24 * 3600);
/// Remembered log-ins at most.
const REMEMBERED_MAX: usize = 10_000;

/// What an unknown log-in is checked against, so that it takes as long: the parameters of
/// [`Credentials::of`], and a hash that nothing has. Making one at start would cost 19 MB.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$a29udG9yLWRlY295LXNhbHQ$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is kept of a password.
#[derive(Clone, Debug)]
pub struct Credentials {
    hash: String,
    scram: Option<Bytes>,
}

impl Credentials {
    /// Hashes a password; some 100 ms of computing, so not on an async thread.
    pub fn of(password: &Secret) -> Result<Credentials> {
        let hash = Argon2::default()
            .hash_password(password.expose())
            .map_err(|error| Error::Invalid(format!("the password cannot be used: {error}")))?;
        let scram = ScramKeys::derive(password).map(|keys| Bytes::copy_from_slice(&keys.encode()));
        Ok(Credentials { hash: hash.to_string(), scram })
    }

    /// Puts them on an account.
    pub fn apply(&self, account: &mut Account) {
        account.password = Some(self.hash.clone());
        account.scram.clone_from(&self.scram);
    }
}

/// Checks log-ins, remembering verified ones.
pub struct Verifier {
    key: hmac::Key,
    /// By keyed hash of log-in and password: whose it is, at which version of the credentials.
    known: Mutex<HashMap<[u8; 32], Known>>,
    decoy_key: Secret,
}

/// Credentials that were verified.
#[derive(Clone, Copy)]
struct Known {
    account: AccountId,
    /// The account's credential version then.
    version: u64,
    verified: Instant,
    used: Instant,
}

impl Known {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) > REMEMBERED
            || now.duration_since(self.verified) > REMEMBERED_MOST
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new(Secret::random(32))
    }
}

impl Verifier {
    /// `decoy_key` is a lasting secret of this server, from which the SCRAM salts of log-ins that
    /// do not exist are made: were they new after a restart, they would tell who exists.
    pub fn new(decoy_key: Secret) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, Secret::random(32).expose()),
            known: Mutex::default(),
            decoy_key,
        }
    }
}

impl Verifier {
    /// The account, if these very credentials were verified minutes ago and nothing changed
    /// since. Cheap.
    pub fn remembered(
        &self,
        read: &impl Read,
        login: &str,
        password: &Secret,
    ) -> Result<Option<Account>> {
        let tag = self.tag(login, password);
        let known = {
            let (mut all, now) = (self.lock(), Instant::now());
            let Some(known) = all.get_mut(&tag) else { return Ok(None) };
            if known.is_over(now) {
                all.remove(&tag);
                return Ok(None);
            }
            known.used = now;
            *known
        };
        let account = read.account(known.account)?;
        let same = |account: &Account| account.credential_version == known.version;
        Ok(account.filter(|account| account.enabled && same(account)))
    }

    /// Checks a password; costs an argon2 whatever the answer, so not on an async thread.
    /// `None`: wrong, unknown or disabled, and the client must not learn which.
    pub fn verify(
        &self,
        read: &impl Read,
        login: &str,
        password: &Secret,
    ) -> Result<Option<Account>> {
        let account = find_login(read, login)?.filter(|account| account.enabled);
        let hash = account.as_ref().and_then(|account| account.password.as_deref());
        let right = matches(hash.unwrap_or(DECOY), password) && hash.is_some();
        let Some(account) = account.filter(|_| right) else { return Ok(None) };
        let mut known = self.lock();
        if known.len() >= REMEMBERED_MAX {
            let now = Instant::now();
            known.retain(|_, known| !known.is_over(now));
        }
        if known.len() < REMEMBERED_MAX {
            let (now, version) = (Instant::now(), account.credential_version);
            let entry = Known { account: account.id, version, verified: now, used: now };
            known.insert(self.tag(login, password), entry);
        }
        Ok(Some(account))
    }

    /// The SCRAM keys for a log-in; for an unknown one keys that no proof fits. The account
    /// comes along for when the exchange succeeds.
    pub fn scram(&self, read: &impl Read, login: &str) -> Result<(ScramKeys, Option<Account>)> {
        let account = find_login(read, login)?.filter(|account| account.enabled);
        let keys = account.as_ref().and_then(|account| ScramKeys::decode(account.scram.as_ref()?));
        Ok(match keys {
            Some(keys) => (keys, account),
            None => (ScramKeys::decoy(&self.decoy_key, login), None),
        })
    }

    fn tag(&self, login: &str, password: &Secret) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(login.len() as u64).to_le_bytes());
        context.update(login.as_bytes());
        context.update(password.expose());
        context.sign().as_ref().try_into().unwrap_or([0; 32])
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn matches(hash: &str, password: &Secret) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.expose(), &hash).is_ok()
}

/// The account that a log-in names: its address or an alias, or the bare name where the
/// server has a single domain. Windows programs put a domain and a backslash in front.
pub fn find_login(read: &impl Read, login: &str) -> Result<Option<Account>> {
    let login = login.trim();
    if login.is_empty() || login.len() > 512 || login.chars().any(char::is_control) {
        return Ok(None);
    }
    let (windows_domain, user) = split_windows_domain(login);
    let full = match user.contains('@') {
        true => user.to_owned(),
        false => match domain_of_bare_name(read, windows_domain)? {
            Some(domain) => format!("{user}@{domain}"),
            None => return Ok(None),
        },
    };
    let Ok(address) = EmailAddress::parse_human(&full) else { return Ok(None) };
    match read.address(&address.canonical())? {
        Some(AddressRow::Primary(id) | AddressRow::Alias(id)) => Ok(read.account(id)?),
        _ => Ok(None),
    }
}

/// The two parts of `DOMAIN\user`; of any other log-in, nothing and the whole. Phones that ask
/// for a domain and are given none send `\user`. Within a quoted local part a backslash is
/// something else.
pub fn split_windows_domain(login: &str) -> (&str, &str) {
    match login.split_once('\\') {
        Some((domain, user)) if !domain.contains(['"', '@']) => (domain, user),
        _ => ("", login),
    }
}

/// The one that a Windows domain names, in full or by its first label (`OFFICE` is
/// office.example); otherwise the only one.
fn domain_of_bare_name(read: &impl Read, windows_domain: &str) -> Result<Option<String>> {
    let domains = read.domains()?;
    let named = |name: &str| {
        let first = name.split('.').next().unwrap_or(name);
        [name, first].iter().any(|name| windows_domain.eq_ignore_ascii_case(name))
    };
    let mut all = domains.iter().map(|domain| domain.name.as_str());
    let mut fitting = all.clone().filter(|name| named(name));
    Ok(match (fitting.next(), fitting.next(), domains.len()) {
        (Some(one), None, _) => Some(one.to_owned()),
        (_, _, 1) => all.next().map(str::to_owned),
        _ => None,
    })
}

/// Whether a password is so weak that its owner should be told.
pub fn is_weak(password: &Secret) -> bool {
    let bytes = password.expose();
    bytes.len() < 8 || bytes.iter().all(|byte| Some(byte) == bytes.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_known_but_not_for_ever() {
        let start = Instant::now();
        let after = |secs| start + Duration::from_secs(secs);
        let known = |used| Known { account: AccountId(1), version: 1, verified: start, used };
        assert!(!known(start).is_over(after(600)) && known(start).is_over(after(601)));
        assert!(!known(after(3_000)).is_over(after(3_500)));
        assert!(known(after(86_390)).is_over(after(86_401)));
    }

    #[test]
    fn an_unknown_log_in_costs_what_a_known_one_does() {
        assert!(PasswordHash::new(DECOY).is_ok());
        let real = Credentials::of(&Secret::new(&b"some password"[..])).unwrap().hash;
        let parameters = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        assert_eq!(parameters(DECOY), parameters(&real));
        assert!(!matches(DECOY, &Secret::new(&b"some password"[..])));
    }
}
