//! The keys of every row: explicit bytes, ordered, all of them in this file.
//!
//! A key is one byte of kind followed by fixed-width big-endian numbers, so that the byte order
//! is the numeric order and one account's range can never reach into another's. Text, where a
//! key holds any, comes last.

use bytes::Bytes;

use crate::base::id::{AccountId, ContentId, MailboxId, MessageId, ModSeq, Uid};

/// The kinds of rows. The numbers are the on-disk format: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Server-wide counters and facts, by name.
    Meta = 0x01,
    /// Domain name -> domain.
    Domain = 0x10,
    /// Account -> who it is.
    Account = 0x11,
    /// Canonical address -> what mail to it means.
    Address = 0x12,
    /// Account -> counters and sequences.
    AccountState = 0x13,
    /// Account, mailbox -> mailbox.
    Mailbox = 0x20,
    /// Account, name -> mailbox number.
    MailboxName = 0x21,
    /// Account, name -> nothing: subscribed.
    Subscription = 0x22,
    /// Account, mailbox, entry -> value (RFC 5464).
    Annotation = 0x23,
    /// Account, keyword -> its name.
    Keyword = 0x24,
    /// Account, collection -> calendar, address book, task list or notes.
    Collection = 0x25,
    /// Account, mailbox, uid -> the unchanging part of a message's place.
    Place = 0x30,
    /// Account, mailbox, page -> flags and modseqs of 64 UIDs.
    Flags = 0x31,
    /// Account, message -> its place.
    Message = 0x32,
    /// Account, collection, modseq, part -> the change log.
    Log = 0x33,
    /// Account, hash -> conversation.
    Thread = 0x34,
    /// Account, collection, uid -> item.
    Item = 0x35,
    /// Account, collection, uid, part -> an item's standard text.
    ItemText = 0x36,
    /// Account, hash of the text's own UID, collection -> uid.
    ItemKey = 0x37,
    /// Account, message -> what phones keep with a message.
    Marks = 0x38,
    /// Account -> conversations whose messages do not stay in the inbox.
    AlwaysMoved = 0x39,
    /// Content -> cold record.
    Content = 0x40,
    /// Content -> where the body lies, and how many messages share it.
    Body = 0x41,
    /// Due time, sequence -> work for later.
    Due = 0x50,
    /// Queue entry -> envelope of mail for elsewhere.
    Queue = 0x51,
    /// Account, device -> a phone.
    Device = 0x60,
    /// Name -> what phones must obey.
    Policy = 0x61,
    /// Nothing -> who may connect which phone, and whose policy is which.
    Admission = 0x62,
    /// Account, device number, collection, slot -> what a device has been told.
    SyncState = 0x63,
    /// Account, device number, collection, slot, part -> the sets of that.
    SyncSet = 0x64,
    /// Account, device number -> which folders a device knows.
    FolderState = 0x65,
    /// Account, device number, ClientId -> that this mail was sent.
    Sent = 0x66,
    /// Account, device number, sequence -> protocol log of a device.
    DeviceLog = 0x67,
    /// Account -> out-of-office answer.
    OutOfOffice = 0x70,
    /// Account, sender -> when it was answered last.
    Replied = 0x71,
    /// Sequence -> mail composed here that delivery has not taken yet.
    Outbox = 0x72,
    /// Account, hash of an event's UID -> an invitation that was declined.
    Declined = 0x73,
}

/// Builds a key.
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    pub fn new(kind: Kind) -> Self {
        let mut key = Vec::with_capacity(32);
        key.push(kind as u8);
        Self(key)
    }
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(value);
        self
    }
    pub fn done(self) -> Bytes {
        self.0.into()
    }
}

/// The smallest key that is greater than every key with this prefix.
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// Reads the big-endian `u32` at `at` of a key that this module built.
pub fn u32_at(key: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(at..at + 4)?.try_into().ok()?))
}

/// Reads the big-endian `u64` at `at` of a key that this module built.
pub fn u64_at(key: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?))
}

pub fn kind(kind: Kind) -> Bytes {
    KeyBuilder::new(kind).done()
}
pub fn meta(name: &str) -> Bytes {
    KeyBuilder::new(Kind::Meta).bytes(name.as_bytes()).done()
}
pub fn domain(name: &str) -> Bytes {
    KeyBuilder::new(Kind::Domain).bytes(name.as_bytes()).done()
}
pub fn account(id: AccountId) -> Bytes {
    KeyBuilder::new(Kind::Account).u32(id.0).done()
}
pub fn address(canonical: &str) -> Bytes {
    KeyBuilder::new(Kind::Address).bytes(canonical.as_bytes()).done()
}
pub fn account_state(id: AccountId) -> Bytes {
    KeyBuilder::new(Kind::AccountState).u32(id.0).done()
}
fn in_mailbox(kind: Kind, id: MailboxId) -> KeyBuilder {
    KeyBuilder::new(kind).u32(id.account.0).u32(id.number)
}
pub fn mailbox(id: MailboxId) -> Bytes {
    in_mailbox(Kind::Mailbox, id).done()
}
/// Prefix of everything of one kind that belongs to an account.
pub fn of_account(kind: Kind, id: AccountId) -> Bytes {
    KeyBuilder::new(kind).u32(id.0).done()
}
/// Prefix of everything of one kind that belongs to a mailbox.
pub fn of_mailbox(kind: Kind, id: MailboxId) -> Bytes {
    in_mailbox(kind, id).done()
}
pub fn mailbox_name(account: AccountId, name: &str) -> Bytes {
    KeyBuilder::new(Kind::MailboxName).u32(account.0).bytes(name.as_bytes()).done()
}
pub fn subscription(account: AccountId, name: &str) -> Bytes {
    KeyBuilder::new(Kind::Subscription).u32(account.0).bytes(name.as_bytes()).done()
}
pub fn annotation(id: MailboxId, entry: &str) -> Bytes {
    in_mailbox(Kind::Annotation, id).bytes(entry.as_bytes()).done()
}
pub fn keyword(account: AccountId, id: u32) -> Bytes {
    KeyBuilder::new(Kind::Keyword).u32(account.0).u32(id).done()
}
pub fn place(mailbox: MailboxId, uid: Uid) -> Bytes {
    in_mailbox(Kind::Place, mailbox).u32(uid.0).done()
}
pub fn flags(mailbox: MailboxId, page: u32) -> Bytes {
    in_mailbox(Kind::Flags, mailbox).u32(page).done()
}
pub fn message(account: AccountId, id: MessageId) -> Bytes {
    KeyBuilder::new(Kind::Message).u32(account.0).u64(id.0).done()
}
pub fn log(collection: MailboxId, modseq: ModSeq, part: u32) -> Bytes {
    in_mailbox(Kind::Log, collection).u64(modseq.0).u32(part).done()
}
pub fn thread(account: AccountId, hash: u64) -> Bytes {
    KeyBuilder::new(Kind::Thread).u32(account.0).u64(hash).done()
}
pub fn collection(id: MailboxId) -> Bytes {
    in_mailbox(Kind::Collection, id).done()
}
pub fn item(collection: MailboxId, uid: Uid) -> Bytes {
    in_mailbox(Kind::Item, collection).u32(uid.0).done()
}
/// Prefix of an item's text.
pub fn item_texts(collection: MailboxId, uid: Uid) -> Bytes {
    in_mailbox(Kind::ItemText, collection).u32(uid.0).done()
}
pub fn item_text(collection: MailboxId, uid: Uid, part: u32) -> Bytes {
    in_mailbox(Kind::ItemText, collection).u32(uid.0).u32(part).done()
}
/// Prefix of the places of items whose text has this UID.
pub fn item_keys(account: AccountId, key: u64) -> Bytes {
    KeyBuilder::new(Kind::ItemKey).u32(account.0).u64(key).done()
}
pub fn item_key(collection: MailboxId, key: u64) -> Bytes {
    KeyBuilder::new(Kind::ItemKey).u32(collection.account.0).u64(key).u32(collection.number).done()
}
pub fn always_moved(account: AccountId) -> Bytes {
    KeyBuilder::new(Kind::AlwaysMoved).u32(account.0).done()
}
pub fn marks(account: AccountId, id: MessageId) -> Bytes {
    KeyBuilder::new(Kind::Marks).u32(account.0).u64(id.0).done()
}
/// `id` in lower case.
pub fn device(account: AccountId, id: &str) -> Bytes {
    KeyBuilder::new(Kind::Device).u32(account.0).bytes(id.as_bytes()).done()
}
/// Prefix of everything of one kind that is kept for a device.
pub fn of_device(kind: Kind, account: AccountId, number: u32) -> Bytes {
    KeyBuilder::new(kind).u32(account.0).u32(number).done()
}
pub fn device_log(account: AccountId, number: u32, sequence: u64) -> Bytes {
    KeyBuilder::new(Kind::DeviceLog).u32(account.0).u32(number).u64(sequence).done()
}
pub fn policy(name: &str) -> Bytes {
    KeyBuilder::new(Kind::Policy).bytes(name.as_bytes()).done()
}
pub fn admission() -> Bytes {
    kind(Kind::Admission)
}
pub fn content(id: ContentId) -> Bytes {
    KeyBuilder::new(Kind::Content).u64(id.0).done()
}
pub fn body(id: ContentId) -> Bytes {
    KeyBuilder::new(Kind::Body).u64(id.0).done()
}
/// `due` in seconds since 1970, then the work's own number.
pub fn due(due: i64, number: u64) -> Bytes {
    KeyBuilder::new(Kind::Due).u64(due.max(0) as u64).u64(number).done()
}
pub fn queue(number: u64) -> Bytes {
    KeyBuilder::new(Kind::Queue).u64(number).done()
}
pub fn out_of_office(id: AccountId) -> Bytes {
    KeyBuilder::new(Kind::OutOfOffice).u32(id.0).done()
}
/// `sender` is a canonical address.
pub fn replied(id: AccountId, sender: &str) -> Bytes {
    KeyBuilder::new(Kind::Replied).u32(id.0).bytes(sender.as_bytes()).done()
}
/// `key` is the hash of the event's UID.
pub fn declined(id: AccountId, key: u64) -> Bytes {
    KeyBuilder::new(Kind::Declined).u32(id.0).u64(key).done()
}
pub fn outbox(number: u64) -> Bytes {
    KeyBuilder::new(Kind::Outbox).u64(number).done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers() {
        let id = |n| MailboxId::new(AccountId(1), n);
        assert!(place(id(1), Uid(u32::MAX)) < place(id(2), Uid(1)));
        assert!(log(id(1), ModSeq(255), 9) < log(id(1), ModSeq(256), 0));
        assert!(due(99, u64::MAX) < due(100, 0));
    }

    #[test]
    fn one_accounts_range_never_reaches_anothers() {
        let prefix = of_account(Kind::Place, AccountId(255));
        let end = after_prefix(&prefix);
        let inside = place(MailboxId::new(AccountId(255), u32::MAX), Uid(u32::MAX));
        let outside = place(MailboxId::new(AccountId(256), 0), Uid(0));
        assert!(inside.as_ref() < end.as_slice() && end.as_slice() <= outside.as_ref());
    }

    #[test]
    fn the_end_of_a_prefix_of_ones_carries() {
        assert_eq!(after_prefix(&[1, 0xff, 0xff]), [2]);
    }
}
