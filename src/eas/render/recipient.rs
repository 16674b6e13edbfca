//! People that mail was sent to: the recipient information cache (MS-ASCNTC 3.1.5.4), which
//! phones read and do not write.

use crate::eas::render::Unrenderable;
use crate::format::vcard::{Card, Field};
use crate::format::wbxml::{Writer, tags::contacts as c};

/// Writes the children of `ApplicationData`.
pub fn render(out: &mut Writer, text: &str) -> Result<(), Unrenderable> {
    let card = Card::parse(text).map_err(|error| Unrenderable(error.to_string()))?;
    for (tag, field) in [
        (c::EMAIL1_ADDRESS, Field::Email1Address),
        (c::FILE_AS, Field::FileAs),
        (c::ALIAS, Field::Alias),
        (c::WEIGHTED_RANK, Field::WeightedRank),
    ] {
        if let Some(value) = card.get(field) {
            out.text(tag, &value);
        }
    }
    Ok(())
}
