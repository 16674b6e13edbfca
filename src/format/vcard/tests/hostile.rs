//! Input that nobody wrote in good faith: bounded time, no panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{ALL, Card, DateField};

/// Everything that can be done with a card.
fn exercise(card: &Card) {
    let mut card = card.clone();
    let reading = card.reading();
    let shown: Vec<_> = ALL.iter().map(|field| (*field, reading.get(*field))).collect();
    let (_, _) = (card.date(DateField::Birthday), card.photo());
    let _ = (card.look(), card.kind(), card.addresses(), card.children(), card.categories());
    card.edit(shown);
    card.edit(ALL.iter().map(|field| (*field, Some("x".to_owned()))).collect());
    card.edit(ALL.iter().map(|field| (*field, None)).collect());
    card.set_children(&["a".into()]);
    card.set_categories(&["a".into()]);
    card.set_date(DateField::Anniversary, Some(jiff::civil::date(2000, 1, 1)));
    card.set_photo(Some(b"x"));
    card.set_photo(None);
    Card::parse(&card.to_string()).unwrap();
}

#[test]
fn floods_of_lines_take_their_length() {
    let floods = [
        "a.TEL:1\n".repeat(4_990),
        (0..2_400).map(|n| format!("i{n}.TEL:1\ni{n}.X-ABLabel:x\n")).collect(),
        (0..2_400).map(|n| format!("i{n}.X-ABDATE:1\ni{n}.X-ABLabel:x\n")).collect(),
        (0..2_400).map(|n| format!("i{n}.X-ABRELATEDNAMES:1\ni{n}.X-ABLabel:x\n")).collect(),
        (0..4_900).map(|n| format!("CATEGORIES:{n}\n")).collect(),
        format!("CATEGORIES:{}\n", "a,".repeat(500_000)),
        format!("N:{}\n", ";,".repeat(500_000)),
        format!("ADR;TYPE=home:{}\n", ";".repeat(1_000_000)),
        format!("EMAIL;{}:x\n", "TYPE=a;".repeat(100_000)),
        format!("NOTE:{}\n", "\\n".repeat(500_000)),
        "NOTE:x\n".repeat(4_900),
        format!("NOTE:{}\n", "x".repeat(3_000_000)),
    ];
    for flood in floods {
        let start = Instant::now();
        let text = format!("BEGIN:VCARD\nVERSION:3.0\n{flood}END:VCARD\n");
        exercise(&Card::parse(&text).unwrap());
        let name = flood.get(..20).unwrap_or(&flood);
        assert!(start.elapsed() < Duration::from_secs(20), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn too_many_lines_are_no_card() {
    let text = format!("BEGIN:VCARD\n{}END:VCARD\n", "TEL:1\n".repeat(5_001));
    assert!(Card::parse(&text).is_err());
}

#[test]
fn nuls_depth_and_halves() {
    for text in [
        "BEGIN:VCARD\nFN:a\0b\nTEL;TYPE=\"home:1\nEND:VCARD",
        "BEGIN:VCARD\nBEGIN:VCARD\nFN:x\nEND:VCARD\nEND:VCARD",
        "BEGIN:VCARD\nFN;;;=:x\n:x\nN\nTEL;TYPE:\n.:\na.:x\nEND:VCARD",
        "BEGIN:VCARD\nVERSION:2.1\nNOTE;QUOTED-PRINTABLE:=\nN;ENCODING=QUOTED-PRINTABLE:=C3=2",
        "BEGIN:VCARD\nPHOTO;ENCODING=b:\nPHOTO:data:\nPHOTO:data:,\nPHOTO:data:;base64,!\nEND:VCARD",
        "BEGIN:VCARD\nBDAY:0000\nBDAY:--\nBDAY:--9999\nANNIVERSARY:T\nBDAY:99999999\nEND:VCARD",
    ] {
        exercise(&Card::parse(text).unwrap());
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(text in "(BEGIN:VCARD\n)?([A-Z.]{0,3}(N|FN|TEL|ADR|BDAY|PHOTO|ORG)[;:=,a-z\"^\\\\\n\r\0é-]{0,12}){0,9}") {
        if let Ok(all) = Card::parse_all(text.as_bytes()) {
            all.iter().for_each(exercise);
        }
    }
}

/// A parameter of control characters alone is empty once they are gone.
#[test]
fn what_was_written_is_written_the_same_again() {
    let text = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\r\nORG;TYPE=\u{1}:B\r\nEND:VCARD\r\n";
    let written = Card::parse(text).unwrap().to_string();
    assert!(written.contains("ORG;TYPE=\"\":B\r\n"), "{written}");
    assert_eq!(Card::parse(&written).unwrap().to_string(), written);
}
