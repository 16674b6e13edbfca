//! The photo of a card. RFC 6350 §6.2.4.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};

use super::{Card, preference};
use crate::format::ical::Property;

/// Cards are found with and without padding.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The preferred photo of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Photo<'a> {
    /// Its bytes in base64.
    Inline(&'a str),
    /// It lies somewhere else, and nobody here fetches it.
    Elsewhere,
}

impl Card {
    /// The photo that is shown: the most preferred one, else the first.
    pub fn photo(&self) -> Option<Photo<'_>> {
        let property = self.inner.properties.get(self.photo_at()?)?;
        Some(inline(property).map_or(Photo::Elsewhere, Photo::Inline))
    }

    /// Sets or removes the photo that is shown; others stay.
    pub fn set_photo(&mut self, bytes: Option<&[u8]>) {
        match (self.photo_at(), bytes) {
            (Some(at), None) => self.remove_all(&[at]),
            (Some(at), Some(bytes)) => {
                if let Some(property) = self.inner.properties.get_mut(at) {
                    property.value = data_uri(bytes);
                    for name in ["ENCODING", "TYPE", "VALUE", "MEDIATYPE"] {
                        property.set_param(name, None);
                    }
                }
            }
            (None, Some(_)) => self.add_photo(bytes.unwrap_or_default()),
            (None, None) => {}
        }
    }

    /// Puts a photo in front of those that are there.
    pub fn add_photo(&mut self, bytes: &[u8]) {
        let mut property = Property::new("PHOTO", data_uri(bytes));
        match self.photo_at() {
            None => self.inner.push(property),
            Some(at) => {
                property.set_param("PREF", Some("1"));
                let first = self.at("PHOTO").unwrap_or(at);
                self.inner.properties.insert(first, property);
            }
        }
    }

    fn photo_at(&self) -> Option<usize> {
        let all = self.inner.properties.iter().enumerate();
        let photos = all.filter(|(_, property)| super::is(property, "PHOTO"));
        // The first of equals, as `min_by_key` gives it.
        photos.min_by_key(|(_, property)| preference(property)).map(|(at, _)| at)
    }
}

/// Base64 of an image, decoded.
pub fn decode(base64: &str) -> Option<Vec<u8>> {
    let clean: Vec<u8> = base64.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    FORGIVING.decode(clean).ok()
}

/// What `data:image/jpeg;base64,…` holds.
fn inline(property: &Property) -> Option<&str> {
    // RFC 6350 calls it a URI, but some escape its comma as in texts.
    let rest = property.value.trim().strip_prefix("data:")?;
    let (head, data) = rest.split_once(',')?;
    head.to_ascii_lowercase().trim_end_matches('\\').ends_with(";base64").then_some(data)
}

fn data_uri(bytes: &[u8]) -> String {
    let media = media_type(bytes).unwrap_or("image/jpeg");
    format!("data:{media};base64,{}", STANDARD.encode(bytes))
}

/// What an image is, by its first bytes.
pub(super) fn media_type(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'B', b'M', ..] => Some("image/bmp"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}
