//! The lossless layer.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Component {
    Component::parse(text).unwrap()
}

#[test]
fn what_is_unknown_stays() {
    let text = "BEGIN:VCALENDAR\r\nX-WR-CALNAME;X-A=b:Büro\r\nBEGIN:VEVENT\r\nUID:1\r\n\
        X-THING;P=\"a:b\",c;Q=x^'y^nz:va\\,l;ue\r\nBEGIN:X-COMPONENT\r\nX-Y:1\r\n\
        END:X-COMPONENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let tree = read(text);
    assert_eq!(tree.to_string(), text);
    let thing = tree.child("vevent").unwrap().first("x-thing").unwrap();
    assert_eq!(thing.param_values("p").collect::<Vec<_>>(), ["a:b", "c"]);
    assert_eq!(thing.param("Q"), Some("x\"y\nz"));
    assert_eq!(thing.to_text(), "va,l;ue");
}

#[test]
fn careless_texts_are_read() {
    // A byte-order mark, bare line feeds, a fold within a character, junk, no END.
    let text = b"\xEF\xBB\xBFjunk\nBEGIN:vcalendar\n\n\nBEGIN:VEVENT\nSUMMARY:B\xC3\n \xBCro\n\
        no colon here\n;=:\nATTENDEE;CN=\"Unclosed;PARTSTAT=ACCEPTED:mailto:a@b.test\n\
        END:VTODO\nLOCATION:x\xFF";
    let tree = &Component::parse_all(text).unwrap()[0];
    let event = tree.child("VEVENT").unwrap();
    assert_eq!(event.text_of("SUMMARY").as_deref(), Some("Büro"));
    let attendee = event.first("ATTENDEE").unwrap();
    assert_eq!(attendee.param("CN"), Some("\"Unclosed"));
    assert_eq!(attendee.param("PARTSTAT"), Some("ACCEPTED"));
    assert_eq!(attendee.value, "mailto:a@b.test");
    assert_eq!(event.value_of("LOCATION"), Some("x\u{FFFD}"));
    assert_eq!(event.properties.len(), 3);
}

#[test]
fn an_outer_end_closes_what_lacks_its_own() {
    let tree = read("BEGIN:A\nBEGIN:B\nBEGIN:C\nX:1\nEND:A\nBEGIN:D\n");
    assert_eq!(tree.child("B").unwrap().child("C").unwrap().value_of("X"), Some("1"));
    assert_eq!(Component::parse_all(b"BEGIN:A\nEND:A\nBEGIN:A\nEND:A").unwrap().len(), 2);
}

#[test]
fn quoted_printable_of_vcalendar_goes_on_behind_its_sign() {
    let tree = read("BEGIN:VCALENDAR\nX;ENCODING=QUOTED-PRINTABLE:a=0D=0A=\nb=\n=C3\nY:c=\nZ:1\n");
    assert_eq!(tree.value_of("X"), Some("a=0D=0Ab=C3"));
    assert_eq!(tree.value_of("Y"), Some("c="));
}

#[test]
fn hostile_texts_are_refused() {
    assert_eq!(Component::parse("hello"), Err(DecodeError::Empty));
    assert_eq!(Component::parse(""), Err(DecodeError::Empty));
    assert_eq!(Component::parse(&"BEGIN:A\n".repeat(100_000)), Err(DecodeError::TooDeep));
    let long = format!("BEGIN:A\n{}", "X:1\n".repeat(crate::base::limits::ICAL_LINES));
    assert_eq!(Component::parse(&long), Err(DecodeError::TooLong));
}

#[test]
fn long_lines_fold_between_characters() {
    let mut tree = Component::new("VEVENT");
    tree.set_text("SUMMARY", Some(&"äöü, ".repeat(60)));
    let text = tree.to_string();
    assert!(text.lines().all(|line| line.len() <= 75), "{text}");
    assert_eq!(read(&text), tree);
}

#[test]
fn setting_replaces_in_place() {
    let mut tree = read("BEGIN:A\nX;P=1:a\nY:b\nX:c\nZ:d\nEND:A");
    tree.set(Property::new("x", "new"));
    assert_eq!(tree.to_string(), "BEGIN:A\r\nx:new\r\nY:b\r\nZ:d\r\nEND:A\r\n");
    tree.set_text("Y", None);
    tree.set_text("Q", Some("one\r\ntwo\u{7}"));
    assert_eq!(tree.to_string(), "BEGIN:A\r\nx:new\r\nZ:d\r\nQ:one\\ntwo\r\nEND:A\r\n");
}

#[test]
fn an_unchanged_text_keeps_its_parameters() {
    let mut tree = read("BEGIN:A\nSUMMARY;LANGUAGE=de;ALTREP=\"cid:1\":Eins\\, zwei\nEND:A");
    let before = tree.clone();
    tree.set_text("SUMMARY", Some("Eins, zwei"));
    assert_eq!(tree, before);
    tree.set_text("SUMMARY", Some("Drei"));
    let summary = tree.first("SUMMARY").unwrap();
    assert_eq!((summary.param("LANGUAGE"), summary.param("ALTREP")), (Some("de"), None));
}

#[test]
fn a_raw_value_cannot_smuggle_lines() {
    let property = Property::new("X", "1\r\nATTACH:evil");
    assert_eq!(property.value, "1ATTACH:evil");
}

#[test]
fn times_are_read_and_written() {
    for (line, value) in [
        ("DTSTART:20260131T120000Z", "20260131T120000Z"),
        ("DTSTART;TZID=Europe/Berlin:20260131T120000", "20260131T120000"),
        ("DTSTART;VALUE=DATE:20260131", "20260131"),
        ("DTSTART:20260131", "20260131"),
        ("DTSTART:2026-01-31T12:00:00.000Z", "20260131T120000Z"),
        ("DTSTART:20260131T1200", "20260131T120000"),
        ("DTSTART:20260131T240000", "20260201T000000"),
        ("DTSTART:20260131T120060", "20260131T120059"),
        ("DTSTART:20260131T120000+0130", "20260131T103000Z"),
        ("DTSTART;TZID=UTC:20260131T120000", "20260131T120000Z"),
    ] {
        let property = Component::parse(&format!("BEGIN:A\n{line}")).unwrap().properties.remove(0);
        let time = Time::read(&property).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(time.value(), value, "{line}");
        assert_eq!(Time::read(&time.property("X")), Some(time));
    }
    for nonsense in [
        "",
        "T",
        "20260230",
        "20260131T250000Z",
        "2026013",
        "20260131T12é",
        "x".repeat(99).as_str(),
    ] {
        assert_eq!(Time::parse(nonsense, None), None, "{nonsense}");
    }
}

#[test]
fn durations_are_read_and_written() {
    for (text, seconds) in [
        ("-PT15M", -900),
        ("PT15M", 900),
        ("P1D", 86_400),
        ("-P1W", -604_800),
        ("P1DT2H3M4S", 93_784),
        ("PT0S", 0),
        ("+PT1H", 3600),
        ("P2H", 7200),
    ] {
        assert_eq!(parse_duration(text), Some(seconds), "{text}");
        assert_eq!(parse_duration(&write_duration(seconds)), Some(seconds), "{text}");
    }
    for nonsense in ["", "P", "PT", "15", "PT1X", "PT5", "PT9999999999H", "P-1D"] {
        assert_eq!(parse_duration(nonsense), None, "{nonsense}");
    }
}

#[test]
fn rules_are_read_and_written() {
    for (text, written) in [
        ("FREQ=DAILY", "FREQ=DAILY"),
        ("freq=weekly;byday=mo,fr;interval=2", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR"),
        ("FREQ=MONTHLY;BYDAY=-1SU;UNTIL=20261231", "FREQ=MONTHLY;UNTIL=20261231;BYDAY=-1SU"),
        ("FREQ=YEARLY;COUNT=3;UNTIL=20261231T000000Z", "FREQ=YEARLY;COUNT=3"),
        ("FREQ=YEARLY;BYMONTH=5L;RSCALE=CHINESE", "RSCALE=CHINESE;FREQ=YEARLY;BYMONTH=5L"),
        ("COUNT=0;FREQ=DAILY;BYHOUR=99;X=y", "FREQ=DAILY;COUNT=0;BYHOUR=99;X=y"),
        ("FREQ=DAILY;INTERVAL=0", "FREQ=DAILY"),
    ] {
        let rule = Recurrence::parse(text).unwrap();
        assert_eq!(rule.to_string(), written);
        assert_eq!(Recurrence::parse(written).unwrap().to_string(), written);
    }
    for nonsense in ["", "FREQ=", "FREQ=SOMETIMES", "BYDAY=MO", "FREQ"] {
        assert_eq!(Recurrence::parse(nonsense), None, "{nonsense}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Component::parse_all(&bytes);
    }

    #[test]
    fn lines_of_mixed_bits_come_back(parts in prop::collection::vec(
        prop::sample::select(vec![
            "BEGIN:A", "END:A", "BEGIN:B", "END:B", "\n", "\r\n", "X", ";", ":", "=", "\"", ",",
            "P=1", "^n", "^", " ", "ü", "\\n", "\t", "DTSTART:20260101", ";VALUE=DATE",
        ]), 0..60))
    {
        let text = format!("BEGIN:Z\n{}", parts.concat());
        if let Ok(tree) = Component::parse(&text) {
            prop_assert_eq!(&Component::parse(&tree.to_string()).unwrap(), &tree);
        }
    }

    #[test]
    fn texts_come_back(text in "[ -~äß\n\t]{0,200}") {
        prop_assert_eq!(unescape(&escape(&text)), text);
    }

    #[test]
    fn parameters_come_back(value in "[ -~äß\n]{0,60}") {
        let mut tree = Component::new("A");
        tree.push(Property::new("X", "1").with("P", &value));
        prop_assert_eq!(Component::parse(&tree.to_string()).unwrap(), tree);
    }

    #[test]
    fn durations_of_any_length_come_back(seconds in -1_000_000_000i64..1_000_000_000) {
        prop_assert_eq!(parse_duration(&write_duration(seconds)), Some(seconds));
    }
}
