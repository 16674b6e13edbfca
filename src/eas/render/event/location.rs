//! Where it is: a line of text up to 14.1 (MS-ASCAL 2.2.2.27), from 16.0 on a place with an
//! address and coordinates (MS-ASAIRS 2.2.2.28).

use super::{Said, said};
use crate::eas::render::{Supported, View};
use crate::eas::version::Version;
use crate::format::ical::{Component, Property};
use crate::format::wbxml::tags::{air_sync_base as b, calendar as c};
use crate::format::wbxml::{Element, Tag, Writer};

/// Keeps the parts as parameters, and the name they belong to as its value: where another
/// client changes LOCATION, the parts tell of another place and are not shown.
const PLACE: &str = "X-KONTOR-PLACE";

const PARTS: [(Tag, &str); 12] = [
    (b::ANNOTATION, "ANNOTATION"),
    (b::STREET, "STREET"),
    (b::CITY, "CITY"),
    (b::STATE, "STATE"),
    (b::COUNTRY, "COUNTRY"),
    (b::POSTAL_CODE, "POSTAL-CODE"),
    (b::LATITUDE, "LATITUDE"),
    (b::LONGITUDE, "LONGITUDE"),
    (b::ACCURACY, "ACCURACY"),
    (b::ALTITUDE, "ALTITUDE"),
    (b::ALTITUDE_ACCURACY, "ALTITUDE-ACCURACY"),
    (b::LOCATION_URI, "URI"),
];

/// Writes the location; an empty element (an exception without one) only where asked for.
pub(super) fn write(out: &mut Writer, event: &Component, view: &View<'_>, even_empty: bool) {
    let name = event.text_of("LOCATION").unwrap_or_default();
    if view.version < Version::V16_0 {
        match name.is_empty() {
            false => out.text(c::LOCATION, &name),
            true if even_empty => out.empty(c::LOCATION),
            true => {}
        }
        return;
    }
    let parts = parts(event, &name);
    if name.is_empty() && parts.is_empty() {
        if even_empty {
            out.empty(b::LOCATION);
        }
        return;
    }
    out.open(b::LOCATION);
    if !name.is_empty() {
        out.text(b::DISPLAY_NAME, &name);
    }
    for (tag, text) in parts {
        out.text(tag, &text);
    }
    out.close();
}

fn parts(event: &Component, name: &str) -> Vec<(Tag, String)> {
    let place = event.first(PLACE).filter(|place| place.to_text() == name);
    if let Some(place) = place {
        let part = |(tag, param): &(Tag, &str)| Some((*tag, place.param(param)?.to_owned()));
        return PARTS.iter().filter_map(part).collect();
    }
    // RFC 5545 §3.8.1.6: latitude and longitude.
    let geo = event.value_of("GEO").and_then(|geo| geo.split_once([';', ',']));
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    match geo.and_then(|(a, b)| Some((number(a)?, number(b)?))) {
        Some((latitude, longitude)) => {
            vec![(b::LATITUDE, latitude.to_string()), (b::LONGITUDE, longitude.to_string())]
        }
        None => Vec::new(),
    }
}

/// Whether two events are at the same place.
pub(super) fn same(a: &Component, b: &Component) -> bool {
    ["LOCATION", PLACE, "GEO"].iter().all(|name| a.first(name) == b.first(name))
}

pub(super) fn read(event: &mut Component, data: &Element, view: &View<'_>, supported: &Supported) {
    if view.version < Version::V16_0 {
        let name = match said(data, c::LOCATION, supported) {
            Said::Nothing => return,
            Said::Delete => None,
            Said::Value(element) => Some(element.text()),
        };
        event.set_text("LOCATION", name);
        return;
    }
    match said(data, b::LOCATION, supported) {
        Said::Nothing => {}
        Said::Delete => ["LOCATION", PLACE, "GEO"].iter().for_each(|name| event.remove(name)),
        Said::Value(element) => read_place(event, element),
    }
}

fn read_place(event: &mut Component, element: &Element) {
    let name = element.text_of(b::DISPLAY_NAME).unwrap_or_default().trim();
    event.set_text("LOCATION", Some(name));
    let mut place = Property::text(PLACE, name);
    for (tag, param) in PARTS {
        let text = element.text_of(tag).map(str::trim).filter(|text| !text.is_empty());
        if let Some(text) = text {
            place.set_param(param, Some(text));
        }
    }
    let number = |tag| element.text_of(tag).and_then(|text| text.trim().parse::<f64>().ok());
    let geo = number(b::LATITUDE).zip(number(b::LONGITUDE));
    let geo = geo.filter(|(a, b)| a.is_finite() && b.is_finite());
    event.set_value("GEO", geo.map(|(a, b)| format!("{a};{b}")).as_deref());
    match place.params.is_empty() {
        true => event.remove(PLACE),
        false => event.set(place),
    }
}
