//! Flags, categories and verbs, there and back.

use super::*;
use crate::domain;
use crate::eas::render::email::flag;
use tags::tasks as t;

fn change(office: &Office, uid: Uid, children: Vec<Element>) -> domain::Result<()> {
    let data = Element::with_children(tags::air_sync::APPLICATION_DATA, children);
    let inbox = office.inbox;
    office.store.write_blocking(move |tx| apply(tx, inbox, uid, &data))
}

fn look_of(office: &Office, uid: Uid) -> u32 {
    let (read, message) = (office.store.read(), office.message(uid));
    look(&read, office.inbox.account, &message).unwrap()
}

fn changed(office: &Office, uid: Uid, version: Version) -> Element {
    let options = Options::default();
    let mut out = Writer::new();
    out.open(tags::air_sync::APPLICATION_DATA);
    let (read, message) = (office.store.read(), office.message(uid));
    render_change(&mut out, &read, office.inbox, &message, &office.view(version, &options))
        .unwrap();
    wbxml::decode(&Bytes::from(out.finish())).unwrap()
}

#[test]
fn a_flag_with_dates_comes_back_whole() {
    let office = Office::new();
    let uid = office.add(&crlf(LETTER)).uid;
    assert_eq!(look_of(&office, uid), 0);
    let flag = Element::with_children(
        e::FLAG,
        vec![
            Element::with_text(t::SUBJECT, "Call back"),
            Element::with_text(e::STATUS, "2"),
            Element::with_text(e::FLAG_TYPE, "Flag for follow up"),
            Element::with_text(t::START_DATE, "2026-01-31T00:00:00.000Z"),
            Element::with_text(t::UTC_START_DATE, "2026-01-30T23:00:00.000Z"),
            Element::with_text(t::DUE_DATE, "2026-02-01T00:00:00.000Z"),
            Element::with_text(t::UTC_DUE_DATE, "2026-01-31T23:00:00.000Z"),
            Element::with_text(t::REMINDER_SET, "1"),
            Element::with_text(t::REMINDER_TIME, "2026-01-31T08:00:00.000Z"),
            Element::with_text(t::ORDINAL_DATE, "2026-01-31T08:00:00.000Z"),
            Element::with_text(t::SUB_ORDINAL_DATE, "5555555"),
        ],
    );
    change(&office, uid, vec![flag.clone()]).unwrap();
    assert!(office.message(uid).hot.flags.contains(&Flags::FLAGGED));
    let first = look_of(&office, uid);
    assert_ne!(first, 0);
    let shown = changed(&office, uid, Version::V14_1);
    let back = shown.child(e::FLAG).unwrap();
    assert_eq!(back.children.len(), flag.children.len());
    for child in &flag.children {
        assert_eq!(back.text_of(child.tag), Some(child.text()));
    }
    assert_eq!(shown.children.len(), 3, "Read, Flag, Categories and no more");
    // Done: the flag goes for IMAP, and phones see it ticked off.
    let done = Element::with_children(e::FLAG, vec![Element::with_text(e::STATUS, "1")]);
    change(&office, uid, vec![done]).unwrap();
    assert!(!office.message(uid).hot.flags.contains(&Flags::FLAGGED));
    let shown = changed(&office, uid, Version::V12_0);
    let back = shown.child(e::FLAG).unwrap();
    assert_eq!(back.text_of(e::STATUS), Some("1"));
    assert!(back.has(e::COMPLETE_TIME) && back.has(t::DATE_COMPLETED) && !back.has(t::SUBJECT));
    assert_ne!(look_of(&office, uid), first);
    // An empty flag clears it.
    change(&office, uid, vec![Element::new(e::FLAG)]).unwrap();
    assert_eq!(look_of(&office, uid), 0);
    assert!(changed(&office, uid, Version::V12_0).child(e::FLAG).unwrap().children.is_empty());
}

#[test]
fn reading_and_categories() {
    let office = Office::new();
    let uid = office.add(&crlf(LETTER)).uid;
    change(&office, uid, vec![Element::with_text(e::READ, "1")]).unwrap();
    assert!(office.message(uid).hot.flags.seen());
    assert_eq!(look_of(&office, uid), 0, "read or not is kept apart");
    let red = Element::with_text(e::CATEGORY, "Red");
    let categories = Element::with_children(e::CATEGORIES, vec![red.clone(), red]);
    change(&office, uid, vec![categories]).unwrap();
    let shown = changed(&office, uid, Version::V14_0);
    assert_eq!(shown.child(e::CATEGORIES).unwrap().children.len(), 1);
    assert!(!changed(&office, uid, Version::V12_1).has(e::CATEGORIES));
    change(&office, uid, vec![Element::new(e::CATEGORIES)]).unwrap();
    assert!(
        changed(&office, uid, Version::V14_0).child(e::CATEGORIES).unwrap().children.is_empty()
    );
    // What cannot be changed is passed over, what cannot be is refused.
    change(&office, uid, vec![Element::with_text(e::SUBJECT, "new")]).unwrap();
    let bad = vec![Element::with_text(e::READ, "maybe")];
    assert!(matches!(change(&office, uid, bad), Err(domain::Error::Invalid(_))));
    let bad = Element::with_children(e::FLAG, vec![Element::with_text(e::STATUS, "7")]);
    assert!(matches!(change(&office, uid, vec![bad]), Err(domain::Error::Invalid(_))));
    assert!(matches!(change(&office, Uid(99), vec![]), Err(domain::Error::NotFound(_))));
}

#[test]
fn mail_programs_flags_are_seen_as_phones_have_them() {
    let office = Office::new();
    let uid = office.add(&crlf(LETTER)).uid;
    let inbox = office.inbox;
    office
        .store
        .write_blocking(move |tx| {
            let change = message::FlagChange {
                op: message::FlagOp::Add,
                flags: FlagNames { system: Flags::FLAGGED, keywords: vec!["$forwarded".into()] },
                unless_after: None,
            };
            let uids = crate::base::uidset::UidSet::range(uid.0, uid.0);
            message::set_flags(tx, inbox, &uids, &change)
        })
        .unwrap();
    let shown = changed(&office, uid, Version::V16_1);
    assert_eq!(text_of(&shown, &[e::FLAG, e::STATUS]), "2");
    assert_eq!(shown.text_of(e2::LAST_VERB_EXECUTED), Some("3"));
    assert_ne!(look_of(&office, uid), 0);
}

#[test]
fn dates_are_read_in_both_forms() {
    assert_eq!(flag::instant("2026-01-31T12:00:00.000Z"), Some(1_769_860_800));
    assert_eq!(flag::instant("20260131T120000Z"), Some(1_769_860_800));
    assert_eq!(flag::instant("tomorrow"), None);
}
