//! MS-ASCNTC: the pages Contacts and Contacts2.

use super::*;
use tags::contacts as c;

/// What holds other elements, is one of them, or is a version's own form of the body
/// (MS-ASCNTC 2.2.2.7, 2.2.2.20, 2.2.2.21).
const PARTS: [Tag; 3] = [c::CATEGORY, c::CHILD, c::BODY];

/// No phone's to write: the first two are the server's, beside a body that it cut
/// (MS-ASCNTC 2.2.2.8, 2.2.2.9); RTF is none of the types that a phone may send
/// (MS-ASAIRS 2.2.2.41.1).
const SERVER_ONLY: [Tag; 3] = [c::BODY_SIZE, c::BODY_TRUNCATED, c::COMPRESSED_RTF];

/// Alias is the directory's and WeightedRank the recipient cache's (MS-ASCNTC 2.2.2.2,
/// 2.2.2.64); a phone that sends one gets it back. Both from 14.0 on.
const LATER: [Tag; 2] = [c::ALIAS, c::WEIGHTED_RANK];

const LISTS: [(Tag, Tag); 2] = [(c::CATEGORIES, c::CATEGORY), (c::CHILDREN, c::CHILD)];

const DATES: [Tag; 2] = [c::ANNIVERSARY, c::BIRTHDAY];

fn texts() -> Vec<Tag> {
    let other = |tag: &Tag| {
        LISTS.iter().any(|(list, _)| list == tag)
            || DATES.contains(tag)
            || PARTS.contains(tag)
            || SERVER_ONLY.contains(tag)
            || *tag == c::PICTURE
    };
    page(1).chain(page(12)).filter(|tag| !other(tag)).collect()
}

/// Values of an element that holds a text: a usual one, one of odd characters, and a long one.
fn values(tag: Tag) -> [String; 3] {
    let name = tags::name(tag).unwrap();
    match tag {
        c::EMAIL1_ADDRESS | c::EMAIL2_ADDRESS | c::EMAIL3_ADDRESS => [
            format!("\"Ann Bee\" <{name}@b.test>"),
            format!("\"Žoë 🦀; \\\"X\\\", <y>: \\\\z\" <žoë.{name}@exämple.test>"),
            format!("{}@{name}.test", "a".repeat(240)),
        ],
        c::WEB_PAGE => [
            "https://ann.test/?a=b,c;d&e#f".into(),
            "https://žoë.test/🦀?q=<a>&b=\"c\"\\n;e,f".into(),
            format!("https://a.test/{}", "b".repeat(2_000)),
        ],
        c::WEIGHTED_RANK => ["7".into(), "0".into(), i32::MAX.to_string()],
        _ => [name.into(), format!("{UGLY} {name}\r\nand more"), "ß🦀".repeat(500) + name],
    }
}

fn dates() -> [&'static str; 3] {
    ["1980-03-22T00:00:00.000Z", "1604-02-29T11:59:00.000Z", "2100-12-31T00:00:00.000Z"]
}

fn pictures() -> [String; 3] {
    ["R0lGODlhAQABAAAAACw=".into(), "/9j/4AAQ".into(), format!("/9j/{}", "A".repeat(48 * 1024 - 4))]
}

pub(super) fn knows(version: Version, tag: Tag) -> bool {
    version >= Version::V14_0 || !LATER.contains(&tag)
}

/// Everything that a phone of a version may write, with the one or other value.
pub(super) fn elements(version: Version, which: usize) -> Vec<Element> {
    let texts = texts().into_iter().filter(|tag| knows(version, *tag));
    let mut all: Vec<Element> = texts.map(|tag| text(tag, &values(tag)[which])).collect();
    all.extend(DATES.map(|tag| text(tag, dates()[which])));
    all.extend(LISTS.map(|(outer, inner)| list(outer, inner, &name_lists()[which])));
    all.push(text(c::PICTURE, &pictures()[which]));
    all.push(body_of(version, c::BODY, &bodies()[which]));
    all
}

/// Contacts with everything, and contacts with one thing each.
fn cases(version: Version) -> Vec<Case> {
    whole_and_single(|which| elements(version, which))
}

pub(super) fn differences(case: &Case, shown: &Element, version: Version) -> Vec<String> {
    let differ = |sent: &Element| match sent.tag {
        c::BODY | b::BODY => {
            let tag = if version == Version::V2_5 { c::BODY } else { b::BODY };
            differs(tag, words(sent), shown.child(tag).map(words))
        }
        tag if DATES.contains(&tag) => {
            let day = |text: &str| text.chars().take(10).collect::<String>();
            let found = shown.text_of(tag).map(day);
            differs(tag, &day(sent.text()), found.as_deref())
        }
        tag => differs(tag, &flat(sent), shown.child(tag).map(flat).as_deref()),
    };
    case.data.iter().filter(|sent| knows(version, sent.tag)).filter_map(differ).collect()
}

/// All that a phone was shown goes back with the change.
fn sends(shown: &Element, _version: Version, edit: Element) -> Vec<Element> {
    let rest = shown.children.iter().filter(|each| each.tag != edit.tag);
    rest.cloned().chain([edit.clone()]).collect()
}

#[test]
fn the_table_is_whole() {
    let known = texts().len() + LISTS.len() + DATES.len() + PARTS.len() + SERVER_ONLY.len() + 1;
    assert_eq!(known, page(1).chain(page(12)).count());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_of_a_contact_has_a_home() {
    let class = Class {
        kind: CollectionKind::Contacts,
        versions: &VERSIONS,
        cases,
        differences,
        edit: |round| text(c::SPOUSE, &format!("Sam {round}")),
        sends,
    };
    class.goes_round().await;
}
