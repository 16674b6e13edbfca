//! Cards as programs write them, read and changed.

mod corpus;
mod edits;
mod hostile;
mod reading;

use super::{Card, DateField, Field};

/// A card of these lines.
fn card(lines: &str) -> Card {
    let version = if lines.contains("VERSION:") { "" } else { "VERSION:4.0\n" };
    Card::parse(&format!("BEGIN:VCARD\n{version}{lines}\nEND:VCARD\n")).unwrap()
}

fn get(card: &Card, field: Field) -> String {
    card.get(field).unwrap_or_default()
}

/// The unfolded lines of a card but its first and last ones.
fn lines(card: &Card) -> Vec<String> {
    let text = card.to_string().replace("\r\n ", "");
    let lines =
        text.lines().filter(|line| !line.starts_with("BEGIN:") && !line.starts_with("END:"));
    lines.map(str::to_owned).collect()
}

/// Every field with a text.
const ALL: [Field; 58] = [
    Field::FileAs,
    Field::FirstName,
    Field::MiddleName,
    Field::LastName,
    Field::Title,
    Field::Suffix,
    Field::NickName,
    Field::YomiFirstName,
    Field::YomiLastName,
    Field::YomiCompanyName,
    Field::CompanyName,
    Field::Department,
    Field::OfficeLocation,
    Field::JobTitle,
    Field::ManagerName,
    Field::AssistantName,
    Field::Spouse,
    Field::WebPage,
    Field::Email1Address,
    Field::Email2Address,
    Field::Email3Address,
    Field::ImAddress,
    Field::ImAddress2,
    Field::ImAddress3,
    Field::HomePhone,
    Field::Home2Phone,
    Field::BusinessPhone,
    Field::Business2Phone,
    Field::MobilePhone,
    Field::Pager,
    Field::RadioPhone,
    Field::CarPhone,
    Field::AssistantPhone,
    Field::CompanyMainPhone,
    Field::HomeFax,
    Field::BusinessFax,
    Field::Mms,
    Field::HomeStreet,
    Field::HomeCity,
    Field::HomeState,
    Field::HomePostalCode,
    Field::HomeCountry,
    Field::BusinessStreet,
    Field::BusinessCity,
    Field::BusinessState,
    Field::BusinessPostalCode,
    Field::BusinessCountry,
    Field::OtherStreet,
    Field::OtherCity,
    Field::OtherState,
    Field::OtherPostalCode,
    Field::OtherCountry,
    Field::CustomerId,
    Field::GovernmentId,
    Field::AccountName,
    Field::Alias,
    Field::WeightedRank,
    Field::Note,
];
