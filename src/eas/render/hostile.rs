//! Changes that no honest phone sends, of every class: whatever it is, nothing breaks, what is
//! kept can be shown, and what the change does not name stays.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{BodyPreference, Options, Owner, Supported, View, item};
use crate::eas::version::Version;
use crate::format::wbxml::tags::{
    air_sync as a, air_sync_base as b, calendar as c, contacts as p, notes as n, tasks as t,
};
use crate::format::wbxml::{self, Element, Tag, Value, Writer};
use crate::store::rows::collection::CollectionKind;

const VERSIONS: [Version; 4] = [Version::V2_5, Version::V12_1, Version::V14_1, Version::V16_1];

/// Elements that are told by one another: naming one may change the others.
const TOGETHER: &[&[Tag]] = &[
    &[c::START_TIME, c::END_TIME, c::ALL_DAY_EVENT, c::TIMEZONE, c::RECURRENCE, c::EXCEPTIONS],
    // An alarm is so long before the start.
    &[c::REMINDER, c::START_TIME, c::ALL_DAY_EVENT, c::TIMEZONE],
    &[
        c::ATTENDEES,
        c::ORGANIZER_NAME,
        c::ORGANIZER_EMAIL,
        c::MEETING_STATUS,
        c::RESPONSE_TYPE,
        c::RESPONSE_REQUESTED,
        c::APPOINTMENT_REPLY_TIME,
        c::BUSY_STATUS,
    ],
    &[c::LOCATION, b::LOCATION],
    &[c::BODY, b::BODY, b::NATIVE_BODY_TYPE],
    &[p::BODY, b::BODY],
    &[t::BODY, b::BODY],
    &[
        p::FILE_AS,
        p::FIRST_NAME,
        p::LAST_NAME,
        p::MIDDLE_NAME,
        p::SUFFIX,
        p::TITLE,
        p::COMPANY_NAME,
    ],
    &[p::ALIAS, p::FILE_AS, p::FIRST_NAME, p::LAST_NAME, p::EMAIL1_ADDRESS],
    &[t::DUE_DATE, t::UTC_DUE_DATE],
    &[t::START_DATE, t::UTC_START_DATE, t::RECURRENCE],
    &[t::COMPLETE, t::DATE_COMPLETED],
    &[t::REMINDER_SET, t::REMINDER_TIME],
];
/// What the server says of itself.
const OWN: [Tag; 3] = [c::DT_STAMP, n::LAST_MODIFIED_DATE, b::NATIVE_BODY_TYPE];

fn el(tag: Tag, text: &str) -> Element {
    Element::with_text(tag, text)
}

/// An item of each class with something in it.
fn full(kind: CollectionKind) -> Element {
    let body = Element::with_children(b::BODY, vec![el(b::TYPE, "1"), el(b::DATA, "Some\r\ntext")]);
    let list =
        |list, one| Element::with_children(list, vec![el(one, "Red"), el(one, "Blue, dark")]);
    let children = match kind {
        CollectionKind::Contacts => {
            let texts = (0x05..=0x3Au8).map(|token| Tag::new(1, token));
            let not = [p::BODY, p::BODY_SIZE, p::BODY_TRUNCATED, p::CATEGORIES, p::CATEGORY];
            let nor = [p::CHILDREN, p::CHILD, p::ANNIVERSARY, p::BIRTHDAY];
            let texts = texts.filter(|tag| !not.contains(tag) && !nor.contains(tag));
            let more = (0x05..=0x0Eu8).map(|token| Tag::new(12, token));
            let mut all: Vec<Element> =
                texts.chain(more).map(|tag| el(tag, &format!("text {tag}"))).collect();
            all.extend([
                list(p::CATEGORIES, p::CATEGORY),
                list(p::CHILDREN, p::CHILD),
                el(p::BIRTHDAY, "1980-05-04T11:59:00.000Z"),
                el(p::ANNIVERSARY, "2001-05-04T11:59:00.000Z"),
                el(p::PICTURE, "R0lGODlhAQABAAAAACw="),
            ]);
            all
        }
        CollectionKind::Calendar => vec![
            el(c::SUBJECT, "Noon; twelve"),
            el(c::START_TIME, "20260601T120000Z"),
            el(c::END_TIME, "20260601T130000Z"),
            el(c::LOCATION, "Room 1"),
            el(c::REMINDER, "15"),
            el(c::SENSITIVITY, "2"),
            el(c::BUSY_STATUS, "3"),
            el(c::UID, "noon@x"),
            el(c::ONLINE_MEETING_CONF_LINK, "conf:1"),
            list(c::CATEGORIES, c::CATEGORY),
        ],
        CollectionKind::Tasks => vec![
            el(t::SUBJECT, "Write"),
            el(t::COMPLETE, "0"),
            el(t::IMPORTANCE, "2"),
            el(t::SENSITIVITY, "2"),
            el(t::UTC_DUE_DATE, "2026-12-01T14:30:00.000Z"),
            el(t::DUE_DATE, "2026-12-01T15:30:00.000Z"),
            el(t::UTC_START_DATE, "2026-11-29T23:00:00.000Z"),
            el(t::START_DATE, "2026-11-30T00:00:00.000Z"),
            el(t::REMINDER_SET, "1"),
            el(t::REMINDER_TIME, "2026-11-30T07:00:00.000Z"),
            el(t::ORDINAL_DATE, "2026-11-25T10:00:00.000Z"),
            el(t::SUB_ORDINAL_DATE, "55"),
            list(t::CATEGORIES, t::CATEGORY),
        ],
        _ => vec![el(n::SUBJECT, "Door"), list(n::CATEGORIES, n::CATEGORY)],
    };
    let mut all = Element::with_children(a::APPLICATION_DATA, children);
    all.children.push(body);
    all
}

fn page(kind: CollectionKind) -> &'static [(u8, u8)] {
    match kind {
        CollectionKind::Contacts => &[(1, 0x3E), (1, 0x3E), (12, 0x0E), (17, 0x38)],
        CollectionKind::Calendar => &[(4, 0x3C), (4, 0x3C), (17, 0x38)],
        CollectionKind::Tasks => &[(9, 0x26), (9, 0x26), (17, 0x38)],
        _ => &[(23, 0x09), (17, 0x38)],
    }
}

struct Phone {
    random: StdRng,
    kind: CollectionKind,
}

impl Phone {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.random_range(0..all.len())]
    }

    fn tag(&mut self) -> Tag {
        let (page, last) = self.one_of(page(self.kind));
        Tag::new(page, self.random.random_range(5..=last))
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 24] = [
            "",
            " ",
            "0",
            "1",
            "2",
            "5",
            "7",
            "255",
            "-1",
            "99999999999999999999",
            "1.5e308",
            "20260601T120000Z",
            "2026-06-01T12:00:00.000Z",
            "99991231T235959Z",
            "00000000T000000Z",
            "ben@x.example",
            "a;b,c\\d:e\"f",
            "R0lGODlhAQABAAAAACw=",
            "\u{FEFF}\u{202E}ü😀",
            "\r\n\t ",
            "BEGIN:VCARD\r\nEND:VCARD",
            "x\r\nEND:VEVENT\r\nEND:VCALENDAR",
            "IPM.StickyNote",
            "é\u{0301}",
        ];
        match self.random.random_range(0..12) {
            0 => "ä;,\\n\"".repeat(self.random.random_range(1..2_000)),
            1 => format!("{:?}", (0..60).map(|n| char::from(n + 33)).collect::<String>()),
            _ => self.one_of(&TEXTS).to_owned(),
        }
    }

    fn element(&mut self, depth: usize) -> Element {
        let tag = self.tag();
        match self.random.random_range(0..10) {
            0..=2 if depth > 0 => {
                let count = self.random.random_range(0..6);
                Element::with_children(tag, (0..count).map(|_| self.element(depth - 1)).collect())
            }
            3 => {
                let bytes: Vec<u8> =
                    (0..self.random.random_range(0..40)).map(|n: u8| n.wrapping_mul(7)).collect();
                Element { tag, value: Value::Opaque(Bytes::from(bytes)), children: Vec::new() }
            }
            4 => Element::new(tag),
            _ => el(tag, &self.text()),
        }
    }

    fn change(&mut self) -> Element {
        let count = self.random.random_range(0..8);
        let mut children: Vec<Element> = (0..count).map(|_| self.element(3)).collect();
        if count > 0 && self.random.random_range(0..4) == 0 {
            let again = children[0].clone();
            children.push(Element { value: Value::Text(self.text()), ..again });
        }
        Element::with_children(a::APPLICATION_DATA, children)
    }
}

fn with<T>(version: Version, run: impl FnOnce(&View<'_>) -> T) -> T {
    let body = BodyPreference { kind: 1, ..BodyPreference::default() };
    let options = Options { bodies: vec![body], ..Options::default() };
    let owner = Owner { address: "anna@x.example".into(), name: "Anna".into() };
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    run(&View {
        version,
        options: &options,
        zone: &zone,
        owner: &owner,
        now: 1_780_000_000,
        bounds: Default::default(),
        trips_over_empty: false,
    })
}

/// What a phone is shown, by tags.
fn shown(kind: CollectionKind, text: &str, version: Version) -> BTreeMap<Tag, Element> {
    let mut out = Writer::new();
    out.open(a::APPLICATION_DATA);
    with(version, |view| item::render(kind, &mut out, text, view)).unwrap();
    out.close();
    let shown = wbxml::decode(&out.finish().into()).unwrap();
    shown.children.into_iter().map(|child| (child.tag, child)).collect()
}

fn is_named(change: &Element, tag: Tag) -> bool {
    let together = TOGETHER.iter().filter(|all| all.contains(&tag)).flat_map(|all| all.iter());
    change.has(tag) || OWN.contains(&tag) || { together }.any(|other| change.has(*other))
}

fn play(kind: CollectionKind, seed: u64) {
    let mut phone = Phone { random: StdRng::seed_from_u64(seed), kind };
    let whole = full(kind);
    let old = with(Version::V14_1, |view| item::create(kind, &whole, view)).unwrap().text;
    for round in 0..80 {
        let version = phone.one_of(&VERSIONS);
        // It comes over the wire.
        let change = wbxml::decode(&wbxml::encode(&phone.change()).into()).unwrap();
        if let Ok(new) = with(version, |view| item::create(kind, &change, view)) {
            shown(kind, &new.text, version);
        }
        let whole = [
            t::SUBJECT,
            n::SUBJECT,
            b::BODY,
            c::START_TIME,
            p::FILE_AS,
            p::FIRST_NAME,
            p::MIDDLE_NAME,
            p::LAST_NAME,
            p::COMPANY_NAME,
            p::YOMI_FIRST_NAME,
            p::YOMI_LAST_NAME,
        ];
        // Where nothing says that it is a whole item, all of them keep what is left out.
        let supported = match whole.iter().any(|tag| change.has(*tag)) {
            true => Supported::Nothing,
            false => phone.one_of(&[&Supported::Nothing, &Supported::Everything]).clone(),
        };
        let updated = with(version, |view| item::update(kind, &old, &change, view, &supported));
        let Ok(new) = updated else { continue };
        for version in VERSIONS {
            let (before, after) = (shown(kind, &old, version), shown(kind, &new.text, version));
            for (tag, element) in before.iter().filter(|(tag, _)| !is_named(&change, **tag)) {
                assert_eq!(
                    after.get(tag),
                    Some(element),
                    "{kind:?} {seed} round {round}: {tag} in {version} by {}",
                    wbxml::dump(&change)
                );
            }
        }
    }
}

#[test]
fn nothing_that_a_phone_sends_breaks_an_item_or_takes_from_it_what_it_does_not_name() {
    let kinds = [
        CollectionKind::Contacts,
        CollectionKind::Calendar,
        CollectionKind::Tasks,
        CollectionKind::Notes,
    ];
    for kind in kinds {
        (0..2).for_each(|seed| play(kind, seed));
    }
}

/// Elements of MS-ASCNTC that keep nothing: they say how a body was cut, or are not used.
#[test]
fn every_element_of_a_contact_has_a_home() {
    let without = [p::BODY_SIZE, p::BODY_TRUNCATED, p::COMPRESSED_RTF];
    let shown_in = |version, tag: Tag| {
        let text = with(version, |view| {
            let data = Element::with_children(a::APPLICATION_DATA, vec![el(tag, "7")]);
            item::create(CollectionKind::Contacts, &data, view).unwrap().text
        });
        shown(CollectionKind::Contacts, &text, version)
            .get(&tag)
            .map(|shown| shown.text().to_owned())
    };
    let lists = [p::CATEGORIES, p::CATEGORY, p::CHILDREN, p::CHILD];
    let dates = [p::BIRTHDAY, p::ANNIVERSARY, p::PICTURE];
    let pages = (0x05..=0x3Eu8).map(|token| Tag::new(1, token));
    for tag in pages.chain((0x05..=0x0Eu8).map(|token| Tag::new(12, token))) {
        if without.contains(&tag) || lists.contains(&tag) || dates.contains(&tag) {
            continue;
        }
        let version = if tag == p::BODY { Version::V2_5 } else { Version::V14_1 };
        assert_eq!(shown_in(version, tag).as_deref(), Some("7"), "{tag}");
    }
}
