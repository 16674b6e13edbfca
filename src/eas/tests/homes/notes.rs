//! MS-ASNOTE: the page Notes. Phones have notes from 14.0 on.

use super::*;
use tags::notes as n;

/// LastModifiedDate is what the server says (MS-ASNOTE 2.2.2.4); it moves with every change.
const SERVER_ONLY: [Tag; 1] = [n::LAST_MODIFIED_DATE];

pub(super) const NOTE_VERSIONS: [Version; 4] =
    [Version::V14_0, Version::V14_1, Version::V16_0, Version::V16_1];

pub(super) fn elements(version: Version, which: usize) -> Vec<Element> {
    let subject = ["Milk".into(), UGLY.into(), "ß🦀".repeat(120)];
    let class = ["IPM.StickyNote", "IPM.StickyNote.Žoë", "IPM.StickyNote"];
    vec![
        text(n::SUBJECT, &subject[which]),
        text(n::MESSAGE_CLASS, class[which]),
        list(n::CATEGORIES, n::CATEGORY, &name_lists()[which]),
        body_of(version, n::SUBJECT, &bodies()[which]),
    ]
}

fn cases(version: Version) -> Vec<Case> {
    whole_and_single(|which| elements(version, which))
}

pub(super) fn differences(case: &Case, shown: &Element, _version: Version) -> Vec<String> {
    let differ = |sent: &Element| match sent.tag {
        b::BODY => differs(b::BODY, words(sent), shown.child(b::BODY).map(words)),
        tag => differs(tag, &flat(sent), shown.child(tag).map(flat).as_deref()),
    };
    case.data.iter().filter_map(differ).collect()
}

fn sends(shown: &Element, _version: Version, edit: Element) -> Vec<Element> {
    let rest = shown.children.iter().filter(|each| each.tag != edit.tag);
    let rest = rest.filter(|each| !SERVER_ONLY.contains(&each.tag));
    rest.cloned().chain([edit.clone()]).collect()
}

#[test]
fn the_table_is_whole() {
    let tags: Vec<Tag> = page(23).filter(|tag| *tag != n::CATEGORY).collect();
    let written: Vec<Tag> = elements(Version::V14_1, 0).iter().map(|each| each.tag).collect();
    assert!(tags.iter().all(|tag| written.contains(tag) || SERVER_ONLY.contains(tag)), "{tags:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_of_a_note_has_a_home() {
    let class = Class {
        kind: CollectionKind::Notes,
        versions: &NOTE_VERSIONS,
        cases,
        differences,
        edit: |round| text(n::SUBJECT, &format!("Cheese {round}")),
        sends,
    };
    class.goes_round().await;
}
