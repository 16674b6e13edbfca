//! Contacts as phones see them. MS-ASCNTC; what has no home of its own in a vCard is described
//! at [`crate::format::vcard::Field`].

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::domain::contact;
use crate::domain::item::Text;
use crate::eas::render::body::{self, Kept};
use crate::eas::render::{Malformed, Supported, Unrenderable, View};
use crate::eas::version::Version;
use crate::format::ical::{parse_date, parse_date_time};
use crate::format::mime;
use crate::format::vcard::{self, Card, Change, DateField, Field, Photo};
use crate::format::wbxml::tags::{contacts as c, contacts2 as c2};
use crate::format::wbxml::{Element, Tag, Writer};

/// Characters of base64 that a picture may have (MS-ASCNTC 2.2.2.58: 48 KB).
const PICTURE_MAX: usize = 48 * 1024;

/// Categories and children of one contact that are taken (MS-ASCNTC 2.2.2.19, 2.2.2.22).
const LIST_MAX: usize = 300;

/// Elements that hold one text.
#[rustfmt::skip]
const TEXTS: [(Tag, Field); 57] = [
    (c::ASSISTANT_NAME, Field::AssistantName),
    (c::ASSISTANT_PHONE_NUMBER, Field::AssistantPhone),
    (c::BUSINESS2_PHONE_NUMBER, Field::Business2Phone),
    (c::BUSINESS_ADDRESS_CITY, Field::BusinessCity),
    (c::BUSINESS_PHONE_NUMBER, Field::BusinessPhone),
    (c::WEB_PAGE, Field::WebPage),
    (c::BUSINESS_ADDRESS_COUNTRY, Field::BusinessCountry),
    (c::DEPARTMENT, Field::Department),
    (c::EMAIL1_ADDRESS, Field::Email1Address),
    (c::EMAIL2_ADDRESS, Field::Email2Address),
    (c::EMAIL3_ADDRESS, Field::Email3Address),
    (c::BUSINESS_FAX_NUMBER, Field::BusinessFax),
    (c::FILE_AS, Field::FileAs),
    (c::ALIAS, Field::Alias),
    (c::WEIGHTED_RANK, Field::WeightedRank),
    (c::FIRST_NAME, Field::FirstName),
    (c::MIDDLE_NAME, Field::MiddleName),
    (c::HOME_ADDRESS_CITY, Field::HomeCity),
    (c::HOME_ADDRESS_COUNTRY, Field::HomeCountry),
    (c::HOME_FAX_NUMBER, Field::HomeFax),
    (c::HOME_PHONE_NUMBER, Field::HomePhone),
    (c::HOME2_PHONE_NUMBER, Field::Home2Phone),
    (c::HOME_ADDRESS_POSTAL_CODE, Field::HomePostalCode),
    (c::HOME_ADDRESS_STATE, Field::HomeState),
    (c::HOME_ADDRESS_STREET, Field::HomeStreet),
    (c::MOBILE_PHONE_NUMBER, Field::MobilePhone),
    (c::SUFFIX, Field::Suffix),
    (c::COMPANY_NAME, Field::CompanyName),
    (c::OTHER_ADDRESS_CITY, Field::OtherCity),
    (c::OTHER_ADDRESS_COUNTRY, Field::OtherCountry),
    (c::CAR_PHONE_NUMBER, Field::CarPhone),
    (c::OTHER_ADDRESS_POSTAL_CODE, Field::OtherPostalCode),
    (c::OTHER_ADDRESS_STATE, Field::OtherState),
    (c::OTHER_ADDRESS_STREET, Field::OtherStreet),
    (c::PAGER_NUMBER, Field::Pager),
    (c::TITLE, Field::Title),
    (c::BUSINESS_ADDRESS_POSTAL_CODE, Field::BusinessPostalCode),
    (c::LAST_NAME, Field::LastName),
    (c::SPOUSE, Field::Spouse),
    (c::BUSINESS_ADDRESS_STATE, Field::BusinessState),
    (c::BUSINESS_ADDRESS_STREET, Field::BusinessStreet),
    (c::JOB_TITLE, Field::JobTitle),
    (c::YOMI_FIRST_NAME, Field::YomiFirstName),
    (c::YOMI_LAST_NAME, Field::YomiLastName),
    (c::YOMI_COMPANY_NAME, Field::YomiCompanyName),
    (c::OFFICE_LOCATION, Field::OfficeLocation),
    (c::RADIO_PHONE_NUMBER, Field::RadioPhone),
    (c2::CUSTOMER_ID, Field::CustomerId),
    (c2::GOVERNMENT_ID, Field::GovernmentId),
    (c2::IM_ADDRESS, Field::ImAddress),
    (c2::IM_ADDRESS2, Field::ImAddress2),
    (c2::IM_ADDRESS3, Field::ImAddress3),
    (c2::MANAGER_NAME, Field::ManagerName),
    (c2::COMPANY_MAIN_PHONE, Field::CompanyMainPhone),
    (c2::ACCOUNT_NAME, Field::AccountName),
    (c2::NICK_NAME, Field::NickName),
    (c2::MMS, Field::Mms),
];

/// A Change without one of these is of a part of the contact: no phone shows one without a name.
const NAMES: [Tag; 7] = [
    c::FILE_AS,
    c::FIRST_NAME,
    c::MIDDLE_NAME,
    c::LAST_NAME,
    c::COMPANY_NAME,
    c::YOMI_FIRST_NAME,
    c::YOMI_LAST_NAME,
];

const DATES: [(Tag, DateField); 2] =
    [(c::ANNIVERSARY, DateField::Anniversary), (c::BIRTHDAY, DateField::Birthday)];

/// Writes the children of `ApplicationData`.
pub fn render(out: &mut Writer, text: &str, view: &View<'_>) -> Result<(), Unrenderable> {
    let card = Card::parse(text).map_err(|error| Unrenderable(format!("vCard: {error}")))?;
    for (tag, field) in DATES {
        if let Some(date) = card.date(field) {
            out.text(tag, &write_date(date));
        }
    }
    let reading = card.reading();
    for (tag, field) in TEXTS {
        if let Some(text) = reading.get(field).filter(|_| is_in(tag, view.version)) {
            out.text(tag, &wire(text));
        }
    }
    write_list(out, c::CATEGORIES, c::CATEGORY, &card.categories());
    write_list(out, c::CHILDREN, c::CHILD, &card.children());
    if let Some(picture) = shown_picture(&card) {
        out.text(c::PICTURE, picture);
    }
    body::write(out, &kept_note(&card), view, &body::CONTACT);
    Ok(())
}

/// A new contact of a phone.
pub fn create(data: &Element, view: &View<'_>) -> Result<Text, Malformed> {
    let mut card = Card::new(&contact::new_uid());
    apply(&mut card, data, view, &Supported::Nothing);
    // FN has to stand in every card, whatever the phone sent.
    card.edit(Vec::new());
    card.set_revision(revision(view));
    Ok(contact::text(&card))
}

/// A phone's change: what it names, and what it manages and leaves out (MS-ASCMD 2.2.3.179).
pub fn update(
    old: &str,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    let mut card = Card::parse(old).map_err(|_| Malformed("the contact has no readable card"))?;
    let before = card.clone();
    apply(&mut card, data, view, &supported.of_change(data, &NAMES));
    if card.uid().is_none() {
        card.set_uid(&contact::new_uid());
    }
    if card != before {
        card.set_revision(revision(view));
    }
    Ok(contact::text(&card))
}

fn apply(card: &mut Card, data: &Element, view: &View<'_>, supported: &Supported) {
    let mut changes = changed_texts(card, data, supported, view.version);
    let note = body::read(data, &kept_note(card), view, &body::CONTACT);
    if let Some(note) = &note {
        let text = Some(note.text.clone()).filter(|text| !text.trim().is_empty());
        changes.push((Field::Note, text));
    }
    card.edit(changes);
    if let Some(note) = note {
        card.set_note_html(note.html.as_deref());
    }
    for (tag, field) in DATES {
        change_date(card, field, data.child(tag), supported.manages(tag), view);
    }
    if let Some(names) = changed_list(data, c::CATEGORIES, c::CATEGORY, supported) {
        card.set_categories(&names);
    }
    if let Some(names) = changed_list(data, c::CHILDREN, c::CHILD, supported) {
        card.set_children(&names);
    }
    change_picture(card, data);
}

/// What differs from what the phone was shown; the rest is not touched.
fn changed_texts(
    card: &Card,
    data: &Element,
    supported: &Supported,
    version: Version,
) -> Vec<Change> {
    let reading = card.reading();
    let mut changes = Vec::new();
    for (tag, field) in TEXTS {
        let shown = reading.get(field);
        match data.child(tag) {
            Some(element) => {
                let sent = local(element.text());
                let sent = Some(sent).filter(|text| !text.is_empty());
                if sent != shown {
                    changes.push((field, sent));
                }
            }
            // What the server derives or the recipient cache counts is no phone's to delete.
            None if matches!(field, Field::Alias | Field::WeightedRank) => {}
            None if shown.is_some() && supported.manages(tag) && is_in(tag, version) => {
                changes.push((field, None));
            }
            None => {}
        }
    }
    changes
}

/// The note. Its HTML counts as long as it says what NOTE says: others know NOTE alone, and do
/// not touch what they do not know.
fn kept_note(card: &Card) -> Kept {
    let text = card.reading().get(Field::Note).unwrap_or_default();
    let is_its = |html: &String| {
        mime::html_to_text(html, body::HTML_TEXT_MAX).replace("\r\n", "\n").trim() == text.trim()
    };
    Kept { html: card.note_html().filter(is_its), text }
}

fn change_date(
    card: &mut Card,
    field: DateField,
    sent: Option<&Element>,
    managed: bool,
    view: &View<'_>,
) {
    let shown = card.date(field);
    match sent.map(|element| element.text().trim()) {
        None if shown.is_some() && managed => card.set_date(field, None),
        None => {}
        Some("") if shown.is_some() => card.set_date(field, None),
        Some("") => {}
        Some(text) => {
            // What is no date leaves the old one.
            let date = read_date(text, view.zone);
            if date.is_some() && date != shown {
                card.set_date(field, date);
            }
        }
    }
}

/// The names in a list, if the phone has anything to say about it.
fn changed_list(data: &Element, list: Tag, one: Tag, supported: &Supported) -> Option<Vec<String>> {
    let Some(list) = data.child(list) else {
        return supported.manages(list).then(Vec::new);
    };
    let names = list.all(one).map(|element| local(element.text()));
    Some(names.filter(|name| !name.is_empty()).take(LIST_MAX).collect())
}

/// Left out, the photo stays whatever the phone manages (MS-ASCMD 2.2.3.24). One that the phone
/// was not shown, because it is too large or lies elsewhere, is not the phone's to delete: AOSP
/// sends an empty `Picture` whenever it has none.
fn change_picture(card: &mut Card, data: &Element) {
    let shown = shown_picture(card);
    let Some(element) = data.child(c::PICTURE) else { return };
    let sent = match element.text().trim() {
        "" => Some(element.bytes().to_vec()),
        text => vcard::decode_photo(text),
    };
    match sent {
        None => {}
        Some(bytes) if bytes.is_empty() && shown.is_none() => {}
        Some(bytes) if bytes.is_empty() => card.set_photo(None),
        Some(bytes) if shown.and_then(vcard::decode_photo).as_ref() == Some(&bytes) => {}
        // What was not shown stays behind the new one.
        Some(bytes) if shown.is_none() => card.add_photo(&bytes),
        Some(bytes) => card.set_photo(Some(&bytes)),
    }
}

/// The photo in base64, if it is one that phones take.
fn shown_picture(card: &Card) -> Option<&str> {
    match card.photo()? {
        Photo::Inline(data) if !data.is_empty() && data.len() <= PICTURE_MAX => Some(data),
        Photo::Inline(_) | Photo::Elsewhere => None,
    }
}

fn write_list(out: &mut Writer, list: Tag, one: Tag, names: &[String]) {
    if names.is_empty() {
        return;
    }
    out.open(list);
    names.iter().for_each(|name| out.text(one, name));
    out.close();
}

/// `Alias` and `WeightedRank` came with 14.0 (MS-ASCNTC 2.2.2.2, 2.2.2.64).
fn is_in(tag: Tag, version: Version) -> bool {
    version >= Version::V14_0 || !matches!(tag, c::ALIAS | c::WEIGHTED_RANK)
}

/// A day as an instant. Exchange takes one minute before noon in UTC: it is that day in every
/// zone from UTC-11:59 to UTC+12, whether a phone looks at the digits or at its own clock.
fn write_date(date: Date) -> String {
    format!("{:04}-{:02}-{:02}T11:59:00.000Z", date.year(), date.month(), date.day())
}

/// The day that an instant means: phones send midnight in UTC, midnight where they are, or noon.
fn read_date(text: &str, zone: &TimeZone) -> Option<Date> {
    if let Some(date) = parse_date(text) {
        return Some(date);
    }
    let (at, _) = parse_date_time(text)?;
    let local = TimeZone::UTC.to_timestamp(at).ok().map(|instant| zone.to_datetime(instant));
    if let Some(local) = local.filter(|local| local.time() == Time::midnight()) {
        return Some(local.date());
    }
    Some(at.checked_add(jiff::SignedDuration::from_hours(12)).ok()?.date())
}

/// Line ends as Exchange has them.
fn wire(text: String) -> String {
    if text.contains('\n') { text.replace('\n', "\r\n") } else { text }
}

fn local(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

fn revision(view: &View<'_>) -> jiff::Timestamp {
    jiff::Timestamp::from_second(view.now).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
