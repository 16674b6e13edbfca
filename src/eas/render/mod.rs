//! Items as phones see them: standard texts and messages to the children of `ApplicationData`
//! and back. One file for each class; what is shared stands here.

pub mod body;
pub mod contact;
pub mod description;
pub mod email;
pub mod event;
#[cfg(test)]
mod hostile;
pub mod item;
pub mod journal;
pub mod meeting_request;
pub mod note;
pub mod recipient;
pub mod task;

use jiff::tz::TimeZone;

use crate::base::clock::UnixTime;
use crate::domain::policy::Bounds;
use crate::eas::version::Version;
use crate::format::wbxml::{Element, Tag, tags};

/// Body preferences that are read of one Options element; there are four types of body.
const PREFERENCES_MAX: usize = 16;

/// For whom something is rendered.
pub struct View<'a> {
    pub version: Version,
    pub options: &'a Options,
    /// The account's time zone.
    pub zone: &'a TimeZone,
    pub owner: &'a Owner,
    pub now: UnixTime,
    /// What the device's policy lets it see of mail.
    pub bounds: Bounds,
    /// The phone takes an empty element for nonsense where it says "not this one" of an instance:
    /// at an empty Reminder, EAS-4-TbSync 4 gives up the whole calendar.
    pub trips_over_empty: bool,
}

/// Whose item it is.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    pub address: String,
    pub name: String,
}

/// What a phone wants to see of a collection's items (MS-ASCMD 2.2.3.125.5). Kept with the
/// collection until the phone sends other ones; always replaced as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `FilterType`: how far back (MS-ASCMD 2.2.3.68.2).
    pub filter: u8,
    /// `Conflict`: whether the phone's change wins.
    pub client_wins: bool,
    /// `Truncation` of 2.5 (MS-ASCMD 2.2.3.190).
    pub truncation: Option<u8>,
    /// `MIMETruncation` (MS-ASCMD 2.2.3.111).
    pub mime_truncation: Option<u8>,
    /// `MIMESupport`: 1 for S/MIME messages, 2 for all.
    pub mime_support: u8,
    pub rights_management: bool,
    pub bodies: Vec<BodyPreference>,
    pub body_parts: Vec<BodyPreference>,
    /// `MaxItems` of the recipient information cache.
    pub max_items: Option<u32>,
}

/// A kind of body that a phone can show (MS-ASAIRS 2.2.2.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BodyPreference {
    /// 1 plain text, 2 HTML, 3 RTF, 4 MIME.
    pub kind: u8,
    /// Bytes of this kind at most; `None` is all.
    pub truncation_size: Option<u32>,
    /// Rather nothing than a part.
    pub all_or_none: bool,
    /// Characters of plain text to send in front.
    pub preview: Option<u32>,
}

impl Options {
    /// Reads an `Options` element.
    pub fn read(element: &Element) -> Options {
        use tags::{air_sync as a, air_sync_base as b, rights_management as r};
        let preferences = |tag| {
            let some = element.all(tag).take(PREFERENCES_MAX);
            some.map(BodyPreference::read).collect::<Vec<_>>()
        };
        Options {
            filter: element.parse_of(a::FILTER_TYPE).unwrap_or(0),
            client_wins: element.text_of(a::CONFLICT) == Some("0"),
            truncation: element.parse_of(a::TRUNCATION),
            mime_truncation: element.parse_of(a::MIME_TRUNCATION),
            mime_support: element.parse_of(a::MIME_SUPPORT).unwrap_or(0),
            rights_management: element.text_of(r::RIGHTS_MANAGEMENT_SUPPORT) == Some("1"),
            bodies: preferences(b::BODY_PREFERENCE),
            body_parts: preferences(b::BODY_PART_PREFERENCE),
            max_items: element.parse_of(a::MAX_ITEMS),
        }
    }
}

impl BodyPreference {
    /// Reads a `BodyPreference` or `BodyPartPreference` element.
    pub fn read(element: &Element) -> BodyPreference {
        use tags::air_sync_base as b;
        BodyPreference {
            kind: element.parse_of(b::TYPE).unwrap_or(1),
            truncation_size: element.parse_of(b::TRUNCATION_SIZE),
            all_or_none: element.text_of(b::ALL_OR_NONE) == Some("1"),
            preview: element.parse_of(b::PREVIEW),
        }
    }
}

/// Which properties a phone manages (MS-ASCMD 2.2.3.179): what a Change leaves out is deleted
/// if it is managed, and kept otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Supported {
    /// No `Supported` element: everything is managed.
    #[default]
    Everything,
    /// These are managed.
    Listed(Vec<Tag>),
    /// An empty `Supported` element, and every calendar item from 16.0 on.
    Nothing,
}

impl Supported {
    /// Whether the absence of an element in a Change means that it is to be deleted.
    pub fn manages(&self, tag: Tag) -> bool {
        match self {
            Self::Everything => true,
            Self::Listed(tags) => tags.contains(&tag),
            Self::Nothing => false,
        }
    }

    /// The same for one Change. Where a phone never said what it manages, what a Change leaves
    /// out counts as deleted only if the Change is of a whole item, which it is known by one of
    /// these elements: some phones send a tick, or a new category, and nothing beside it.
    pub fn of_change(&self, data: &Element, whole: &[Tag]) -> Supported {
        match self {
            Self::Everything if !whole.iter().any(|tag| data.has(*tag)) => Self::Nothing,
            _ => self.clone(),
        }
    }
}

/// A phone sent what cannot be an item; it is told so and will not send it again (Status 6).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// An item that cannot be shown as its class; a readable stub goes out in its place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unrenderable(pub String);
