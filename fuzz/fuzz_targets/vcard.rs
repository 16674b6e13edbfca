//! Cards: no panic, and what was written is read as the same.
#![no_main]

use kontor::domain::contact;
use kontor::format::vcard::Card;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(cards) = Card::parse_all(input) else { return };
    for card in &cards {
        contact::text(card);
        card.formatted_name();
        let written = card.to_string();
        let again = Card::parse(&written).expect("what was written is a card");
        assert_eq!(again.to_string(), written);
    }
});
