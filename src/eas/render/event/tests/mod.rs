//! Events from phone to text to phone, in every version, and texts of other programs.

use super::*;
use crate::eas::render::{BodyPreference, Options, Owner};
use crate::eas::version::Version;
use crate::format::tz::{self, TimeZone};
use crate::format::wbxml::tags::air_sync;
use crate::format::wbxml::{Tag, decode};

mod corpus;
mod foreign;
mod instances;
mod round_trip;
mod series;
mod zones;

pub(super) const VERSIONS: [Version; 7] = [
    Version::V2_5,
    Version::V12_0,
    Version::V12_1,
    Version::V14_0,
    Version::V14_1,
    Version::V16_0,
    Version::V16_1,
];

/// 2026-05-01 12:00 UTC.
pub(super) const NOW: i64 = 1_777_636_800;

pub(super) fn zone(name: &str) -> TimeZone {
    tz::by_name(name).unwrap()
}

/// Runs with the view of a phone of Anna in Berlin.
pub(super) fn with<T>(version: Version, run: impl FnOnce(&View<'_>) -> T) -> T {
    with_bodies(version, &[], run)
}

pub(super) fn with_bodies<T>(
    version: Version,
    kinds: &[u8],
    run: impl FnOnce(&View<'_>) -> T,
) -> T {
    let body = |kind: &u8| BodyPreference { kind: *kind, ..Default::default() };
    let options = Options { bodies: kinds.iter().map(body).collect(), ..Default::default() };
    let owner = Owner { address: "anna@office.test".into(), name: "Anna".into() };
    run(&View {
        version,
        options: &options,
        zone: &zone("Europe/Berlin"),
        owner: &owner,
        now: NOW,
        bounds: Default::default(),
        trips_over_empty: false,
    })
}

pub(super) fn el(tag: Tag, text: &str) -> Element {
    Element::with_text(tag, text)
}

pub(super) fn of(tag: Tag, children: Vec<Element>) -> Element {
    Element::with_children(tag, children)
}

pub(super) fn data(children: Vec<Element>) -> Element {
    of(air_sync::APPLICATION_DATA, children)
}

/// What a phone is sent of a text.
pub(super) fn shown(text: &str, view: &View<'_>) -> Element {
    let mut out = Writer::new();
    out.open(air_sync::APPLICATION_DATA);
    render(&mut out, text, view).unwrap();
    out.close();
    decode(&out.finish().into()).unwrap()
}

pub(super) fn blob(name: &str) -> String {
    tz::write_blob(&tz::Rules::of(&zone(name), 2026), "")
}

/// A plain event at noon UTC on 2026-06-01, as a phone in Berlin sends it.
pub(super) fn noon(more: Vec<Element>) -> Element {
    let mut all = vec![
        el(c::TIMEZONE, &blob("Europe/Berlin")),
        el(c::START_TIME, "20260601T120000Z"),
        el(c::END_TIME, "20260601T130000Z"),
        el(c::SUBJECT, "Noon"),
        el(c::UID, "noon-1"),
    ];
    all.extend(more);
    data(all)
}

/// The first exception's, or the event's, element.
pub(super) fn exceptions(shown: &Element) -> Vec<&Element> {
    shown.child(c::EXCEPTIONS).into_iter().flat_map(|list| list.all(c::EXCEPTION)).collect()
}
