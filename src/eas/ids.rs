//! How collections and items are named to phones: `7` and `7:123` (collection, UID). Short, the
//! same for ever, never reused, and without a character that any client would encode.

use crate::base::id::{AccountId, MailboxId, MessageId, Uid};

/// The outbox that phones want to see; nothing ever lies in it.
pub const OUTBOX: &str = "outbox";
/// The root of the hierarchy (`ParentId`).
pub const ROOT: &str = "0";

pub fn collection(id: MailboxId) -> String {
    id.number.to_string()
}

pub fn item(collection: MailboxId, uid: Uid) -> String {
    format!("{}:{}", collection.number, uid.0)
}

/// A collection's id; `None` if it is none of ours.
pub fn parse_collection(account: AccountId, text: &str) -> Option<MailboxId> {
    Some(MailboxId::new(account, number(text)?))
}

/// An item's id.
pub fn parse_item(account: AccountId, text: &str) -> Option<(MailboxId, Uid)> {
    let (collection, uid) = text.split_once(':')?;
    Some((parse_collection(account, collection)?, Uid(number(uid)?)))
}

/// The `LongId` of a message or item: its id for life, wherever it lies (MS-ASCMD 2.2.3.98).
pub fn long(id: MessageId) -> String {
    format!("i.{id}")
}

/// What a `LongId` names.
pub fn parse_long(text: &str) -> Option<MessageId> {
    let digits = text.strip_prefix("i.")?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).map(MessageId)
}

/// A number above 0 in its one spelling.
fn number(text: &str) -> Option<u32> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        let account = AccountId(3);
        let place = (MailboxId::new(account, 7), Uid(123));
        assert_eq!(item(place.0, place.1), "7:123");
        assert_eq!(parse_item(account, "7:123"), Some(place));
        for bad in ["", "7", "7:", ":1", "7:0", "07:1", "7:+1", "7:1:2", "7:99999999999", "a:b"] {
            assert_eq!(parse_item(account, bad), None, "{bad}");
        }
    }
}
