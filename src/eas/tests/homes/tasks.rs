//! MS-ASTASK: the page Tasks.

use super::*;
use tags::tasks as k;

/// What holds other elements or is one of them.
const PARTS: [Tag; 2] = [k::CATEGORY, k::BODY];

/// The server's, beside a body of 2.5 that it cut; and one that no version uses.
const SERVER_ONLY: [Tag; 3] = [k::BODY_SIZE, k::BODY_TRUNCATED, k::RTF];

/// Elements and when they came (MS-ASTASK 2.2.2).
pub(super) fn knows(version: Version, tag: Tag) -> bool {
    version
        >= match tag {
            k::ORDINAL_DATE | k::SUB_ORDINAL_DATE => Version::V12_0,
            k::CALENDAR_TYPE | k::IS_LEAP_MONTH => Version::V14_0,
            k::FIRST_DAY_OF_WEEK => Version::V14_1,
            _ => Version::V2_5,
        }
}

fn pair(which: usize) -> Vec<Element> {
    // Half past nine in Berlin; a day of its own; the end of a long day elsewhere.
    let [utc, local] = [
        ["2026-06-01T07:30:00.000Z", "2026-06-01T09:30:00.000Z"],
        ["2026-06-01T22:00:00.000Z", "2026-06-02T00:00:00.000Z"],
        ["2027-01-01T03:59:59.000Z", "2026-12-31T23:59:59.000Z"],
    ][which];
    vec![text(k::UTC_DUE_DATE, utc), text(k::DUE_DATE, local)]
}

fn start(which: usize) -> Vec<Element> {
    let [utc, local] = [
        ["2026-05-01T07:30:00.000Z", "2026-05-01T09:30:00.000Z"],
        ["2026-05-01T22:00:00.000Z", "2026-05-02T00:00:00.000Z"],
        ["2025-12-31T10:00:00.000Z", "2026-01-01T00:00:00.000Z"],
    ][which];
    vec![text(k::UTC_START_DATE, utc), text(k::START_DATE, local)]
}

/// Every type of recurrence, with all that it may have (MS-ASTASK 2.2.2.20).
pub(super) fn recurrences(version: Version) -> Vec<Element> {
    let plain: [&[(Tag, &str)]; 12] = [
        &[(k::TYPE, "0"), (k::INTERVAL, "3"), (k::OCCURRENCES, "10")],
        &[(k::TYPE, "0"), (k::INTERVAL, "999"), (k::UNTIL, "2028-06-30T00:00:00.000Z")],
        &[(k::TYPE, "0"), (k::INTERVAL, "1"), (k::UNTIL, "2028-06-30T23:59:59.000Z")],
        &[
            (k::TYPE, "1"),
            (k::INTERVAL, "2"),
            (k::DAY_OF_WEEK, "42"),
            (k::FIRST_DAY_OF_WEEK, "0"),
            (k::OCCURRENCES, "999"),
        ],
        &[(k::TYPE, "1"), (k::INTERVAL, "1"), (k::DAY_OF_WEEK, "127"), (k::FIRST_DAY_OF_WEEK, "6")],
        &[(k::TYPE, "2"), (k::INTERVAL, "1"), (k::DAY_OF_MONTH, "31"), (k::CALENDAR_TYPE, "1")],
        &[
            (k::TYPE, "3"),
            (k::INTERVAL, "12"),
            (k::DAY_OF_WEEK, "62"),
            (k::WEEK_OF_MONTH, "5"),
            (k::CALENDAR_TYPE, "2"),
        ],
        &[
            (k::TYPE, "5"),
            (k::INTERVAL, "1"),
            (k::DAY_OF_MONTH, "29"),
            (k::MONTH_OF_YEAR, "2"),
            (k::CALENDAR_TYPE, "15"),
            (k::IS_LEAP_MONTH, "1"),
        ],
        &[
            (k::TYPE, "6"),
            (k::INTERVAL, "1"),
            (k::DAY_OF_WEEK, "16"),
            (k::WEEK_OF_MONTH, "4"),
            (k::MONTH_OF_YEAR, "11"),
            (k::CALENDAR_TYPE, "8"),
        ],
        // Made anew some days after it is done; the last one is gone.
        &[(k::TYPE, "0"), (k::INTERVAL, "4"), (k::REGENERATE, "1"), (k::DEAD_OCCUR, "0")],
        &[
            (k::TYPE, "1"),
            (k::INTERVAL, "1"),
            (k::DAY_OF_WEEK, "2"),
            (k::REGENERATE, "0"),
            (k::DEAD_OCCUR, "1"),
        ],
        &[(k::TYPE, "2"), (k::INTERVAL, "1"), (k::DAY_OF_MONTH, "1"), (k::CALENDAR_TYPE, "14")],
    ];
    let one = |parts: &&[(Tag, &str)]| {
        let known = parts.iter().filter(|(tag, _)| knows(version, *tag));
        let mut parts: Vec<Element> = known.map(|(tag, value)| text(*tag, value)).collect();
        parts.insert(1, text(k::START, "2026-05-01T00:00:00.000Z"));
        tree(k::RECURRENCE, parts)
    };
    plain.iter().map(one).collect()
}

/// Values of everything else: each together with what belongs to it.
pub(super) fn parts(version: Version, which: usize) -> Vec<Vec<Element>> {
    let subject = ["Write the report".into(), UGLY.into(), "ß🦀".repeat(120)];
    let sub = ["5555555".into(), UGLY.into(), "5".repeat(255)];
    let done = [("0", ""), ("1", "2026-05-02T10:11:12.000Z"), ("1", "1999-12-31T23:59:59.000Z")];
    let complete = match done[which] {
        ("0", _) => vec![text(k::COMPLETE, "0")],
        (yes, at) => vec![text(k::COMPLETE, yes), text(k::DATE_COMPLETED, at)],
    };
    let reminder =
        [("1", "2026-05-30T07:00:00.000Z"), ("0", "2026-05-30T07:01:02.000Z"), ("0", "")];
    let reminder = match reminder[which] {
        (set, "") => vec![text(k::REMINDER_SET, set)],
        (set, at) => vec![text(k::REMINDER_SET, set), text(k::REMINDER_TIME, at)],
    };
    let mut all = vec![
        vec![text(k::SUBJECT, &subject[which])],
        complete,
        pair(which),
        start(which),
        reminder,
        vec![text(k::SENSITIVITY, ["1", "2", "3"][which])],
        vec![list(k::CATEGORIES, k::CATEGORY, &name_lists()[which])],
        vec![body_of(version, k::BODY, &bodies()[which])],
    ];
    if version >= Version::V12_0 {
        all.push(vec![text(k::ORDINAL_DATE, "2026-05-25T10:00:00.000Z")]);
        all.push(vec![text(k::SUB_ORDINAL_DATE, &sub[which])]);
    }
    all
}

fn cases(version: Version) -> Vec<Case> {
    let mut cases = Vec::new();
    for which in 0..3 {
        let all = parts(version, which);
        for some in &all {
            let about = format!("{} {which} alone", some[0].tag);
            cases.push(Case { about, data: some.clone(), ..Case::default() });
        }
    }
    for (number, recurrence) in recurrences(version).into_iter().enumerate() {
        let which = number % 3;
        let about = format!("everything {which}, recurrence {number}");
        let data = parts(version, which).concat().into_iter().chain([recurrence]).collect();
        cases.push(Case { about, data, whole: number < 3, ..Case::default() });
    }
    for importance in ["0", "1", "2"] {
        let about = format!("importance {importance}");
        let data = vec![text(k::IMPORTANCE, importance)];
        cases.push(Case { about, data, ..Case::default() });
    }
    cases
}

pub(super) fn differences(case: &Case, shown: &Element, version: Version) -> Vec<String> {
    let differ = |sent: &Element| match sent.tag {
        k::BODY | b::BODY => {
            let tag = if version == Version::V2_5 { k::BODY } else { b::BODY };
            differs(tag, words(sent), shown.child(tag).map(words)).into_iter().collect()
        }
        k::RECURRENCE => {
            let found = shown.child(k::RECURRENCE);
            let known = sent.children.iter().filter(|part| knows(version, part.tag));
            known
                .filter_map(|part| {
                    let found = found.and_then(|found| found.text_of(part.tag));
                    differs(part.tag, part.text(), found)
                })
                .collect::<Vec<_>>()
        }
        tag => {
            let found = shown.child(tag).map(flat);
            differs(tag, &flat(sent), found.as_deref()).into_iter().collect()
        }
    };
    case.data.iter().filter(|sent| knows(version, sent.tag)).flat_map(differ).collect()
}

fn sends(shown: &Element, _version: Version, edit: Element) -> Vec<Element> {
    let rest = shown.children.iter().filter(|each| each.tag != edit.tag);
    rest.cloned().chain([edit.clone()]).collect()
}

#[test]
fn the_table_is_whole() {
    let mut known: Vec<Tag> = vec![k::IMPORTANCE];
    let all = (0..3).flat_map(|which| parts(Version::V16_1, which)).flatten();
    for element in all.chain(recurrences(Version::V16_1)) {
        known.push(element.tag);
        known.extend(element.children.iter().map(|child| child.tag));
    }
    known.extend(PARTS.iter().chain(&SERVER_ONLY));
    let missing: Vec<Tag> = page(9).filter(|tag| !known.contains(tag)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_of_a_task_has_a_home() {
    let class = Class {
        kind: CollectionKind::Tasks,
        versions: &VERSIONS,
        cases,
        differences,
        edit: |round| text(k::IMPORTANCE, ["0", "2", "1"][round % 3]),
        sends,
    };
    class.goes_round().await;
}
