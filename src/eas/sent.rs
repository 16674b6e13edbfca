//! What a device has sent already. A phone that did not hear the answer sends the same again,
//! and must not find two messages at the other end (MS-ASCMD 2.2.3.28.2).
//!
//! A row for each message, under the day it was sent on, for seven days: what is older stands
//! in front and goes with the next message of the device.

use std::ops::ControlFlow;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::base::id::{AccountId, Uid};
use crate::store::keys::{self, KeyBuilder, Kind};
use crate::store::rows::codec::{Reader, Writer};
use crate::store::{Read, Result, Tx};

const DAY: i64 = 86_400;
/// How long a repetition is recognised.
const DAYS: u32 = 7;
const VERSION: u8 = 1;

/// A device of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    pub account: AccountId,
    pub device: u32,
}

/// Names a message that a device sends, the same when it sends it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token(u64);

impl Token {
    /// From the device's own name for it.
    pub fn of_client_id(client_id: &str) -> Token {
        Token(XxHash3_64::oneshot_with_seed(1, client_id.as_bytes()))
    }

    /// From the message itself, for versions without such a name: the same octets with a date
    /// or a message id in them are the same message.
    pub fn of_message(mime: &[u8]) -> Token {
        Token(XxHash3_64::oneshot_with_seed(2, mime))
    }

    /// A draft's former place.
    pub fn of_draft(number: u32, uid: Uid) -> Token {
        let place = u64::from(number) << 32 | u64::from(uid.0);
        Token(XxHash3_64::oneshot_with_seed(3, &place.to_be_bytes()))
    }
}

fn key(sender: Sender, day: u32, token: Token) -> Bytes {
    let Sender { account, device } = sender;
    KeyBuilder::new(Kind::Sent).u32(account.0).u32(device).u32(day).u64(token.0).done()
}

fn day(now: i64) -> u32 {
    u32::try_from(now.div_euclid(DAY)).unwrap_or(0)
}

/// What was noted under a token; `None` if nothing was, or too long ago.
pub fn find(read: &impl Read, sender: Sender, token: Token, now: i64) -> Result<Option<Uid>> {
    let today = day(now);
    // The clock may have been set back a little.
    for day in (today.saturating_sub(DAYS)..=today.saturating_add(1)).rev() {
        if let Some(row) = read.get(&key(sender, day, token))? {
            let (mut row, _) = Reader::new(&row, "sent mail", VERSION)?;
            return Ok(Some(Uid(row.u32()?)));
        }
    }
    Ok(None)
}

/// Notes that a message was sent; `uid` says more where that is needed.
pub fn remember(tx: &mut Tx<'_>, sender: Sender, token: Token, uid: Uid) -> Result<()> {
    let today = day(tx.now());
    let first = keys::of_device(Kind::Sent, sender.account, sender.device);
    let end = key(sender, today.saturating_sub(DAYS), Token(0));
    let mut old = Vec::new();
    tx.scan(&first, &end, &mut |key, _| {
        old.push(Bytes::copy_from_slice(key));
        Ok(ControlFlow::Continue(()))
    })?;
    old.into_iter().for_each(|key| tx.delete(key));
    tx.put(key(sender, today, token), Writer::new(VERSION).u32(uid.0).done());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::store::{self, Store};

    const SENDER: Sender = Sender { account: AccountId(1), device: 5 };

    #[test]
    fn a_message_is_known_for_a_week_and_then_forgotten() {
        let start = 1_700_000_000;
        let clock = Clock::fixed(start);
        let store = Store::in_memory(clock.clone());
        let (one, two) = (Token::of_client_id("1"), Token::of_client_id("2"));
        let note = |token| {
            let noted = store.write_blocking(move |tx| {
                remember(tx, SENDER, token, Uid(9))?;
                Ok::<_, store::Error>(())
            });
            noted.unwrap();
        };
        note(one);
        let known =
            |token, days| find(&store.read(), SENDER, token, start + days * DAY).unwrap().is_some();
        assert!(known(one, 0) && known(one, 7) && !known(one, 8) && known(one, -1));
        assert!(!known(two, 0) && !known(Token::of_message(b"1"), 0));
        let other = Sender { device: 6, ..SENDER };
        assert_eq!(find(&store.read(), other, one, start).unwrap(), None);
        assert_eq!(find(&store.read(), SENDER, one, start).unwrap(), Some(Uid(9)));
        clock.set(start + 7 * DAY);
        note(two);
        assert!(known(one, 7));
        clock.set(start + 9 * DAY);
        note(two);
        assert!(!known(one, 7) && known(two, 9));
    }
}
