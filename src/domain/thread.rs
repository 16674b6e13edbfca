//! Which conversation a message belongs to, decided once when it arrives.
//!
//! A message joins the conversation of the first message id among its own, In-Reply-To and
//! References that the account has seen under the same base subject (as JMAP, RFC 8621 §3,
//! suggests); a changed subject begins a new one. The id never changes afterwards (RFC 8474 §5.2).

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::base::id::{AccountId, ThreadId};
use crate::domain::Result;
use crate::store::{Read, Tx, keys};

/// References looked at: the first one (the conversation's root) and the latest ones. A header
/// with thousands of them must not cost thousands of look-ups.
const REFERENCES: usize = 30;

/// What a message says about its conversation.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Normalised, without angle brackets.
    pub message_id: Option<String>,
    /// In order: the root first.
    pub references: Vec<String>,
    /// RFC 5256 §2.1.
    pub base_subject: String,
}

/// Finds or begins the conversation of an arriving message, and remembers the message's ids.
pub fn assign(tx: &mut Tx<'_>, account: AccountId, links: &Links) -> Result<ThreadId> {
    let subject = XxHash3_64::oneshot(links.base_subject.as_bytes());
    let key_of =
        |id: &str| keys::thread(account, XxHash3_64::oneshot_with_seed(subject, id.as_bytes()));
    let skipped = links.references.len().saturating_sub(REFERENCES);
    let references = links.references.iter().enumerate();
    let references = references.filter(|(at, _)| *at == 0 || *at > skipped).map(|(_, id)| id);
    let ids = references.chain(&links.message_id).map(|id| key_of(id)).collect::<Vec<_>>();

    let mut known = None;
    let mut unknown = Vec::new();
    for key in ids {
        match tx.get(&key)?.and_then(|value| keys::u64_at(&value, 0)) {
            Some(thread) => known = known.or(Some(ThreadId(thread))),
            None => unknown.push(key),
        }
    }
    let thread = match known {
        Some(thread) => thread,
        None => ThreadId(tx.next_number()?),
    };
    for key in unknown {
        tx.put(key, Bytes::copy_from_slice(&thread.0.to_be_bytes()));
    }
    Ok(thread)
}
