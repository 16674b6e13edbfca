//! Items that no honest phone sends, by whole requests: each command has a Status, and the other
//! phones go on, with what is valid only, and can send back what they are shown.

use super::others::groups;
use super::*;
use crate::eas::tests::homes::notes;
use crate::format::wbxml::Value;
use bytes::Bytes;
use tags::calendar as c;
use tags::tasks as k;

const ROUNDS: usize = 2;

/// Values that are out of range somewhere.
const ODD: [&str; 36] = [
    "",
    " ",
    "x",
    "-1",
    "0",
    "4",
    "7",
    "13",
    "32",
    "127",
    "128",
    "255",
    "256",
    "1000",
    "2147483647",
    "4294967296",
    "99999999999999999999",
    "1.5",
    "00000000T000000Z",
    "00010101T000000Z",
    "0001-01-01T00:00:00.000Z",
    "15821014T000000Z",
    "16010101T000000Z",
    "19700101T000000Z",
    "20161231T235960Z",
    "2016-12-31T23:59:60.000Z",
    "20260230T120000Z",
    "20260601T240000Z",
    "20260601",
    "45001231T235959Z",
    "99991231T235959Z",
    "9999-12-31T23:59:59.999Z",
    "AAAA",
    "BEGIN:VEVENT\r\nEND:VCALENDAR\r\n",
    "\u{FEFF}\u{202E}\u{0}😀",
    "a@b.example",
];

/// Spoils something, some levels down.
fn spoil(element: &mut Element, dice: &mut Dice) {
    if !element.children.is_empty() && dice.number(0..4) > 0 {
        let at = dice.number(0..element.children.len());
        match dice.number(0..9) {
            0 => {
                let again = element.children[at].clone();
                element.children.push(again);
            }
            1 => {
                let mut again = element.children[at].clone();
                spoil(&mut again, dice);
                element.children.push(again);
            }
            2 => drop(element.children.remove(at)),
            3 => {
                let tag = element.children[at].tag;
                let page = *dice.of(&[0, 1, 2, 4, 9, 12, 17, 23]);
                element.children[at].tag = Tag::new(page, tag.token());
            }
            4 => {
                let inner = element.children[at].clone();
                let to = dice.number(0..element.children.len());
                element.children[to].children.push(inner);
            }
            5 => {
                let to = dice.number(0..element.children.len());
                element.children.swap(at, to);
            }
            _ => spoil(&mut element.children[at], dice),
        }
        return;
    }
    match dice.number(0..8) {
        0 => element.value = Value::Opaque(Bytes::from_static(b"\0\xFF\xFE12345")),
        1 => element.value = Value::Text("ä;,\\n\"".repeat(dice.number(1..3_000))),
        2 => {
            element.children.clear();
            element.value = Element::new(element.tag).value;
        }
        _ => {
            element.children.clear();
            element.value = Value::Text((*dice.of(&ODD)).to_owned());
        }
    }
}

/// What a phone is shown has to be what its schema says.
fn check(shown: &Element, way: &str) {
    let within = |element: &Element, tag: Tag, range: std::ops::RangeInclusive<u32>| {
        if let Some(text) = element.text_of(tag) {
            let number = text.parse::<u32>().ok();
            assert!(number.is_some_and(|n| range.contains(&n)), "{way}: {tag} is {text:?}");
        }
    };
    for one in std::iter::once(shown)
        .chain(shown.child(c::EXCEPTIONS).into_iter().flat_map(|all| &all.children))
    {
        within(one, c::BUSY_STATUS, 0..=4);
        within(one, c::SENSITIVITY, 0..=3);
        within(one, c::ALL_DAY_EVENT, 0..=1);
        within(one, c::MEETING_STATUS, 0..=15);
        let at = |tag| {
            one.text_of(tag).map(|text| {
                let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text);
                at.unwrap_or_else(|_| panic!("{way}: {tag} is {text:?}"))
            })
        };
        if let (Some(start), Some(end)) = (at(c::START_TIME), at(c::END_TIME)) {
            assert!(start <= end, "{way}: it ends before it begins");
            assert!((1601..=4500).contains(&start.year()), "{way}: {start}");
        }
    }
    within(shown, k::IMPORTANCE, 0..=2);
    within(shown, k::SENSITIVITY, 0..=3);
    for tag in [k::DUE_DATE, k::UTC_DUE_DATE, k::START_DATE, k::UTC_START_DATE, k::REMINDER_TIME] {
        if let Some(text) = shown.text_of(tag) {
            let at = jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S.000Z", text);
            assert!(at.is_ok_and(|at| at.year() > 0), "{way}: {tag} is {text:?}");
        }
    }
    for rule in [c::RECURRENCE, k::RECURRENCE].iter().filter_map(|tag| shown.child(*tag)) {
        for (of_event, of_task, range) in [
            (c::INTERVAL, k::INTERVAL, 1..=999),
            (c::OCCURRENCES, k::OCCURRENCES, 1..=999),
            (c::DAY_OF_WEEK, k::DAY_OF_WEEK, 1..=127),
            (c::DAY_OF_MONTH, k::DAY_OF_MONTH, 1..=31),
            (c::WEEK_OF_MONTH, k::WEEK_OF_MONTH, 1..=5),
            (c::MONTH_OF_YEAR, k::MONTH_OF_YEAR, 1..=12),
            (c::FIRST_DAY_OF_WEEK, k::FIRST_DAY_OF_WEEK, 0..=6),
        ] {
            within(rule, of_event, range.clone());
            within(rule, of_task, range);
        }
    }
    assert!(!shown.to_string().contains("Cannot be shown"), "{way}: {shown}");
}

async fn play(kind: CollectionKind, seed: u64) {
    let office = Office::new();
    let folder = collection::default(&office.store.read(), office.account, kind);
    let folder = folder.unwrap().id.number.to_string();
    let versions: &[Version] =
        if kind == CollectionKind::Notes { &notes::NOTE_VERSIONS } else { &VERSIONS };
    let mut fleet = Fleet::of(&office, &folder, versions).await;
    let mut dice = Dice::new(seed);
    let mut ids: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let writer = dice.number(0..versions.len());
        let by = versions[writer];
        let way = format!("{kind:?} {seed} round {round} by {by}");
        let phone = &mut fleet.writers[writer];
        catch_up(phone, &folder).await;
        let mut commands = Vec::new();
        for number in 0..20 {
            let mut data = tree(t::APPLICATION_DATA, groups(kind, by, &mut dice).concat());
            for _ in 0..dice.number(0..5) {
                spoil(&mut data, &mut dice);
            }
            data.tag = t::APPLICATION_DATA;
            let old = (!ids.is_empty() && dice.chance(2)).then(|| dice.of(&ids).clone());
            commands.push(match old {
                Some(id) => {
                    let mut parts = vec![text(t::SERVER_ID, &id)];
                    if by >= Version::V16_0 && dice.chance(3) {
                        parts.push(text(b::INSTANCE_ID, dice.of::<&str>(&ODD)));
                    }
                    parts.push(data);
                    tree(t::CHANGE, parts)
                }
                None => {
                    let client = text(t::CLIENT_ID, &format!("{round}-{number}"));
                    tree(t::ADD, vec![client, data])
                }
            });
        }
        let answer = exchange(phone, &folder, &commands).await.unwrap();
        let responses = answer.child(t::RESPONSES).map(|all| all.children.as_slice());
        for each in responses.unwrap_or_default() {
            let status = each.text_of(t::STATUS);
            assert!(matches!(status, Some("1" | "6" | "8")), "{way}: {each}");
            if each.tag == t::ADD && status == Some("1") {
                ids.push(each.text_of(t::SERVER_ID).unwrap().to_owned());
            }
        }
        for reader in &mut fleet.readers {
            reader.pull(&folder).await;
            let version = reader.version();
            assert_eq!(reader.shown.len(), ids.len(), "{way} to {version}");
            reader.shown.values().for_each(|shown| check(shown, &format!("{way} to {version}")));
        }
        // Somebody's phone sends all of it back as it is shown, and nothing is new for the others.
        let reader = &mut fleet.readers[dice.number(0..versions.len())];
        let by = reader.version();
        let own = [c::DT_STAMP, tags::notes::LAST_MODIFIED_DATE, b::NATIVE_BODY_TYPE];
        let later = [c::UID, c::ORGANIZER_EMAIL, c::ORGANIZER_NAME, c::EXCEPTIONS, b::ATTACHMENTS];
        let hidden = |each: &&Element| {
            let server = by >= Version::V16_0 && later.contains(&each.tag);
            !own.contains(&each.tag) && !server
        };
        let echo = reader.shown.iter().map(|(id, shown)| {
            let data: Vec<Element> = shown.children.iter().filter(hidden).cloned().collect();
            (id.clone(), data)
        });
        let echo: Vec<_> = echo.collect();
        reader.change(&folder, echo).await;
        for reader in &mut fleet.readers {
            let before = reader.shown.clone();
            reader.pull(&folder).await;
            for (id, shown) in &reader.shown {
                let plain = |element: &Element| {
                    let mut element = element.clone();
                    element.children.retain(|each| !own.contains(&each.tag));
                    element
                };
                let (old, new) = (plain(&before[id]), plain(shown));
                assert_eq!(old, new, "{way}, sent back by {by} to {}: {id}", reader.version());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_range_breaks_no_folder() {
    let kinds = [
        CollectionKind::Calendar,
        CollectionKind::Tasks,
        CollectionKind::Contacts,
        CollectionKind::Notes,
    ];
    for seed in seeds(1) {
        for kind in kinds {
            play(kind, seed).await;
        }
    }
}
