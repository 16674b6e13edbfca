//! How much an account may hold. Every way in asks here: SMTP, APPEND, COPY, import.

use crate::base::id::AccountId;
use crate::domain::{Error, Result};
use crate::store::Read;

/// What an account uses, and may use, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    pub bytes: u64,
    pub messages: u64,
    /// `None` is unlimited.
    pub limit: Option<u64>,
}

impl Usage {
    /// Whether `more` bytes still fit.
    pub fn fits(&self, more: u64) -> bool {
        self.limit.is_none_or(|limit| self.bytes.saturating_add(more) <= limit)
    }
}

pub fn usage(read: &impl Read, account: AccountId) -> Result<Usage> {
    let state = read.account_state(account)?;
    let limit = read.account(account)?.and_then(|account| account.quota);
    Ok(Usage { bytes: state.bytes, messages: state.messages, limit })
}

/// Fails with [`Error::OverQuota`] if `more` bytes do not fit.
pub fn require(read: &impl Read, account: AccountId, more: u64) -> Result<()> {
    if usage(read, account)?.fits(more) { Ok(()) } else { Err(Error::OverQuota) }
}
