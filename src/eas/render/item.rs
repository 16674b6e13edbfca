//! One entrance for the classes that are standard texts.

use crate::domain::item::Text;
use crate::eas::render::{Malformed, Supported, Unrenderable, View};
use crate::format::wbxml::{Element, Writer};
use crate::store::rows::collection::CollectionKind;

/// Writes the children of `ApplicationData`.
pub fn render(
    kind: CollectionKind,
    out: &mut Writer,
    text: &str,
    view: &View<'_>,
) -> Result<(), Unrenderable> {
    let _ = (out, text, view);
    Err(Unrenderable(format!("{kind:?}")))
}

/// A new item of a phone.
pub fn create(kind: CollectionKind, data: &Element, view: &View<'_>) -> Result<Text, Malformed> {
    let _ = (data, view, kind);
    Err(Malformed("not yet"))
}

/// A phone's change of an item.
pub fn update(
    kind: CollectionKind,
    old: &str,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    let _ = (kind, old, data, view, supported);
    Err(Malformed("not yet"))
}

/// A phone's change, or removal, of one instance of a series (16.0 and later).
pub fn update_instance(
    kind: CollectionKind,
    old: &str,
    instance: &str,
    data: Option<&Element>,
    view: &View<'_>,
) -> Result<Text, Malformed> {
    let _ = (kind, old, instance, data, view);
    Err(Malformed("not yet"))
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
