//! Contacts: what of a vCard the store is told.

use crate::base::clock::UnixTime;
use crate::domain::item::Text;
use crate::format::vcard::Card;

/// A card as an item: it is of all times.
pub fn text(card: &Card) -> Text {
    Text {
        uid: card.uid().unwrap_or_default(),
        text: card.to_string(),
        look: card.look(),
        from: 0,
        until: UnixTime::MAX,
    }
}

/// A UID that nobody has (RFC 9562 version 4).
pub fn new_uid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let cut = |from, to| hex.get(from..to).unwrap_or_default();
    [cut(0, 8), cut(8, 12), cut(12, 16), cut(16, 20), cut(20, 32)].join("-")
}
