//! The body of an event (MS-ASAIRS 2.2.2.9).

use super::{Said, said};
use crate::eas::render::{Supported, View, body, description};
use crate::format::ical::Component;
use crate::format::wbxml::tags::air_sync_base as b;
use crate::format::wbxml::{Element, Writer};

pub(super) fn write(out: &mut Writer, event: &Component, view: &View<'_>) {
    body::write(out, &description::kept(event), view, &body::EVENT);
}

/// NativeBodyType: what is kept (MS-ASAIRS 2.2.2.32).
pub(super) fn native_type(event: &Component) -> u8 {
    if description::html(event).is_some() { 2 } else { 1 }
}

pub(super) fn same(a: &Component, other: &Component) -> bool {
    let names = [description::TEXT, description::HTML];
    names.iter().all(|name| a.value_of(name) == other.value_of(name))
}

pub(super) fn read(event: &mut Component, data: &Element, view: &View<'_>, supported: &Supported) {
    // An empty element deletes; a missing one never does (MS-ASAIRS 3.1.5.4; a phone that shows
    // no notes leaves them out).
    if data.has(b::BODY) && matches!(said(data, b::BODY, supported), Said::Delete) {
        [description::TEXT, description::HTML].iter().for_each(|name| event.remove(name));
        return;
    }
    if let Some(mut new) = body::read(data, &description::kept(event), view, &body::EVENT) {
        new.text.truncate(new.text.trim_end_matches('\n').len());
        description::keep(event, &new);
    }
}
