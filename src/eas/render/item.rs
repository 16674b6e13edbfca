//! One entrance for the classes that are standard texts.

use crate::domain::item::Text;
use crate::eas::render::{Malformed, Supported, Unrenderable, View, contact, event};
use crate::format::wbxml::{Element, Writer};
use crate::store::rows::collection::CollectionKind;

/// Writes the children of `ApplicationData`.
pub fn render(
    kind: CollectionKind,
    out: &mut Writer,
    text: &str,
    view: &View<'_>,
) -> Result<(), Unrenderable> {
    match kind {
        CollectionKind::Calendar => event::render(out, text, view),
        CollectionKind::Contacts => contact::render(out, text, view),
        _ => Err(Unrenderable(format!("{kind:?}"))),
    }
}

/// A new item of a phone.
pub fn create(kind: CollectionKind, data: &Element, view: &View<'_>) -> Result<Text, Malformed> {
    match kind {
        CollectionKind::Calendar => event::create(data, view),
        CollectionKind::Contacts => contact::create(data, view),
        _ => Err(Malformed("not yet")),
    }
}

/// A phone's change of an item.
pub fn update(
    kind: CollectionKind,
    old: &str,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    match kind {
        CollectionKind::Calendar => event::update(old, data, view, supported),
        CollectionKind::Contacts => contact::update(old, data, view, supported),
        _ => Err(Malformed("not yet")),
    }
}

/// A phone's change, or removal, of one instance of a series (16.0 and later).
pub fn update_instance(
    kind: CollectionKind,
    old: &str,
    instance: &str,
    data: Option<&Element>,
    view: &View<'_>,
) -> Result<Text, Malformed> {
    match kind {
        CollectionKind::Calendar => event::update_instance(old, instance, data, view),
        _ => Err(Malformed("only events have instances")),
    }
}

/// What a phone shows of an item that cannot be rendered: that it is there, and why it is not
/// shown, with its text.
pub fn stub(
    kind: CollectionKind,
    out: &mut Writer,
    text: &str,
    why: &Unrenderable,
    view: &View<'_>,
) {
    let _ = (kind, out, text, why, view);
}
