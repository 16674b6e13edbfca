//! Changes, and what they must not touch.

use proptest::prelude::*;

use super::{ALL, Card, DateField, Field, card, get, lines};

/// The lines that are in one card and not in the other.
fn difference(before: &Card, after: &Card) -> (Vec<String>, Vec<String>) {
    let (old, new) = (lines(before), lines(after));
    let gone = old.iter().filter(|line| !new.contains(line)).cloned().collect();
    let come = new.iter().filter(|line| !old.contains(line)).cloned().collect();
    (gone, come)
}

#[test]
fn every_field_has_a_home() {
    for field in ALL {
        let mut card = Card::new("1");
        card.set(field, Some("Ärger; mit, allem\\"));
        assert_eq!(get(&card, field), "Ärger; mit, allem\\", "{field:?}");
        let mut again = Card::parse(&card.to_string()).unwrap();
        assert_eq!(again, card, "{field:?}");
        for other in ALL {
            let derived = matches!(other, Field::FileAs);
            assert!(other == field || derived || again.get(other).is_none(), "{field:?} {other:?}");
        }
        again.set(field, Some("new"));
        assert_eq!(get(&again, field), "new", "{field:?}");
        again.set(field, None);
        assert!(again.get(field).is_none() || field == Field::FileAs, "{field:?}");
        let left: Vec<String> = lines(&again).into_iter().filter(|l| !l.contains(":;")).collect();
        let known = |line: &String| ["VERSION:", "UID:", "FN:"].iter().any(|n| line.starts_with(n));
        assert!(left.iter().all(known), "{field:?} {left:?}");
    }
}

#[test]
fn all_fields_at_once() {
    let mut card = Card::new("1");
    card.edit(ALL.iter().map(|field| (*field, Some(format!("{field:?}")))).collect());
    let again = Card::parse(&card.to_string()).unwrap();
    let reading = again.reading();
    for field in ALL {
        assert_eq!(reading.get(field), Some(format!("{field:?}")), "{field:?}");
    }
}

#[test]
fn an_edit_touches_only_its_property() {
    let before = card(
        "N:Doe;John;Q,R;;\nFN:John Doe\nitem1.EMAIL;X-UUID=1:a@b.test\nitem1.X-ABLabel:Club\n\
         EMAIL:b@b.test\nEMAIL:c@b.test\nEMAIL;TYPE=x:d@b.test\nX-MS-SPOUSE;X-A=b:Maria\n\
         ORG:IBM;Accounting;Dungeon\nX-FC-TAGS;A=b:579c\nGEO:geo:1,2",
    );
    let mut after = before.clone();
    after.set(Field::Spouse, Some("Marie"));
    after.set(Field::Email1Address, Some("\"Jo \\\"D\\\"\" <z@b.test>"));
    after.set(Field::Department, Some("Sales"));
    assert_eq!(get(&after, Field::Email1Address), "\"Jo \\\"D\\\"\" <z@b.test>");
    let (gone, come) = difference(&before, &after);
    assert_eq!(
        gone,
        ["item1.EMAIL;X-UUID=1:a@b.test", "X-MS-SPOUSE;X-A=b:Maria", "ORG:IBM;Accounting;Dungeon"]
    );
    assert_eq!(
        come,
        [
            "item1.EMAIL;X-UUID=1;X-KONTOR-NAME=Jo ^'D^':z@b.test",
            "X-MS-SPOUSE;X-A=b:Marie",
            "ORG:IBM;Sales;Dungeon"
        ]
    );
}

#[test]
fn a_name_beside_an_address_is_kept_where_it_says_something() {
    let mut card = card("N:Doe;John;;;\nFN:John Doe\nEMAIL:a@b.test");
    for (sent, kept) in [
        ("\"John Doe\" <a@b.test>", "EMAIL:a@b.test"),
        ("\"A@b.test\" <a@b.test>", "EMAIL:a@b.test"),
        ("\"Office\" <a@b.test>", "EMAIL;X-KONTOR-NAME=Office:a@b.test"),
    ] {
        card.set(Field::Email1Address, Some(sent));
        assert!(card.to_string().lines().any(|line| line == kept), "{sent}: {card}");
    }
    // As TbSync makes a card: the name comes with the address.
    card.edit(vec![
        (Field::Email1Address, Some("\"John Roe\" <a@b.test>".into())),
        (Field::LastName, Some("Roe".into())),
    ]);
    assert!(!card.to_string().contains("X-KONTOR-NAME"), "{card}");
}

#[test]
fn places_stay_when_others_are_emptied() {
    let mut card = card("TEL;TYPE=home:1\nTEL;TYPE=home:2\nEMAIL:a@b.test\nEMAIL:b@b.test");
    card.edit(vec![(Field::HomePhone, None), (Field::Email1Address, None)]);
    let mut card = Card::parse(&card.to_string()).unwrap();
    assert_eq!((card.get(Field::HomePhone), get(&card, Field::Home2Phone)), (None, "2".into()));
    assert_eq!(card.get(Field::Email1Address), None);
    assert_eq!(get(&card, Field::Email2Address), "b@b.test");
    card.set(Field::HomePhone, Some("9"));
    assert_eq!(get(&card, Field::HomePhone), "9");
    assert_eq!(get(&card, Field::Home2Phone), "2");
}

#[test]
fn a_removed_property_takes_its_label_along() {
    let mut card = card(
        "item1.X-ABRELATEDNAMES:Jenny\nitem1.X-ABLabel:_$!<Spouse>!$_\n\
         item2.ADR;TYPE=home:;;S;C;;;\nitem2.X-ABADR:de\nitem3.TEL;TYPE=home:1\n\
         item3.X-ABLabel:Hut\nitem3.NOTE:kept",
    );
    card.edit(vec![
        (Field::Spouse, None),
        (Field::HomeStreet, None),
        (Field::HomeCity, None),
        (Field::HomePhone, None),
    ]);
    assert_eq!(
        lines(&card),
        ["VERSION:4.0", "FN:Hut", "item3.X-ABLabel:Hut", "item3.NOTE:kept"]
            .map(|line| line.replace("FN:Hut", "FN:"))
    );
}

#[test]
fn names_follow_each_other() {
    let mut card = card("N:Doe;John;;;\nFN:John Doe");
    card.set(Field::LastName, Some("Roe"));
    assert_eq!(card.formatted_name().as_deref(), Some("John Roe"));
    assert_eq!(get(&card, Field::FileAs), "Roe, John");
    card.set(Field::FileAs, Some("Johnny"));
    card.set(Field::Title, Some("Dr."));
    assert_eq!(get(&card, Field::FileAs), "Johnny");
    assert_eq!(card.formatted_name().as_deref(), Some("Dr. John Roe"));
    card.set(Field::FileAs, Some("Roe, John"));
    assert!(!card.to_string().contains("FILE-AS"), "{card}");
    card.set(Field::FileAs, Some("Johnny"));
    card.set(Field::FileAs, None);
    assert_eq!(get(&card, Field::FileAs), "Roe, John");
}

#[test]
fn a_guessed_name_becomes_one_when_a_part_is_changed() {
    for start in ["FN:Ada Lovelace", "FN:Ada Lovelace\nN:;;;;"] {
        let mut card = card(start);
        card.set(Field::LastName, Some("Byron"));
        assert_eq!(get(&card, Field::FirstName), "Ada");
        assert_eq!(card.formatted_name().as_deref(), Some("Ada Byron"));
    }
}

#[test]
fn a_street_takes_in_what_was_shown_in_it() {
    let mut card = card("ADR;TYPE=home;LABEL=x;GEO=\"geo:1,2\":Box 7;Apt 3;Main St;Town;;1;X;;;7");
    assert_eq!(get(&card, Field::HomeStreet), "Box 7\nApt 3\nMain St");
    card.set(Field::HomeCity, Some("City"));
    assert!(lines(&card).contains(&"ADR;TYPE=home:Box 7;Apt 3;Main St;City;;1;X".to_owned()));
    card.set(Field::HomeStreet, Some("Apt 3\nSide St"));
    assert_eq!(get(&card, Field::HomeStreet), "Apt 3\nSide St");
    card.set(Field::HomeCountry, None);
    assert_eq!(get(&card, Field::HomePostalCode), "1");
}

#[test]
fn days_are_kept_where_they_stood() {
    let mut card = card("item1.X-ABDATE:1975-03-01\nitem1.X-ABLabel:_$!<Anniversary>!$_");
    card.set_date(DateField::Anniversary, Some(jiff::civil::date(1976, 4, 2)));
    card.set_date(DateField::Birthday, Some(jiff::civil::date(1604, 2, 29)));
    assert_eq!(lines(&card)[1], "item1.X-ABDATE:19760402");
    assert_eq!(lines(&card)[3], "BDAY:--0229");
    card.set_date(DateField::Anniversary, None);
    card.set_date(DateField::Birthday, None);
    assert_eq!(lines(&card), ["VERSION:4.0"]);
}

#[test]
fn photos_beside_the_shown_one_stay() {
    let mut card =
        card("PHOTO:http://a.test/1\nPHOTO;PREF=1:data:image/png;base64,iVBORw==\nLOGO:x");
    card.set_photo(Some(&[0xFF, 0xD8, 0xFF, 0]));
    assert_eq!(lines(&card)[1], "PHOTO:http://a.test/1");
    assert_eq!(lines(&card)[2], "PHOTO;PREF=1:data:image/jpeg;base64,/9j/AA==");
    card.set_photo(None);
    assert_eq!(lines(&card).len(), 3);
}

#[test]
fn children_and_categories_keep_what_stays() {
    let mut card = card("X-MS-CHILD:Tim\nRELATED;TYPE=child;VALUE=text:Tom\nCATEGORIES:a,b");
    card.set_children(&["Tom".into(), "Ann".into()]);
    assert_eq!(card.children(), ["Tom", "Ann"]);
    card.set_categories(&["b".into(), "a".into()]);
    assert!(lines(&card).contains(&"CATEGORIES:a,b".to_owned()));
    card.set_categories(&["b".into(), "c,d".into()]);
    assert!(lines(&card).contains(&"CATEGORIES:b,c\\,d".to_owned()));
    card.set_categories(&[]);
    card.set_children(&[]);
    assert_eq!(lines(&card), ["VERSION:4.0"]);
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        3 => "[a-zÄ;,\\\\:\"^=0-9 \n]{1,12}".prop_map(Some),
    ]
}

proptest! {
    /// Whatever is set in whatever order is read back, now and after writing.
    #[test]
    fn what_is_set_is_read(edits in prop::collection::vec((0..ALL.len(), text()), 1..30)) {
        let mut card = Card::new("1");
        let mut wanted = std::collections::HashMap::new();
        for (field, text) in edits {
            let field = ALL[field];
            card.set(field, text.as_deref());
            let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            wanted.insert(field, text);
        }
        let again = Card::parse(&card.to_string()).unwrap();
        for (field, text) in wanted {
            if field == Field::FileAs || matches!(field.home(), super::super::field::Home::Slot(..)) {
                continue;
            }
            prop_assert_eq!(again.get(field), text, "{:?} in {}", field, again);
        }
    }

    /// Telephone numbers keep their places through any edits.
    #[test]
    fn numbers_keep_their_places(edits in prop::collection::vec((0..13usize, prop::option::of("[0-9]{3}")), 1..30)) {
        let phones = &ALL[24..37];
        let mut card = Card::new("1");
        let mut wanted = std::collections::BTreeMap::new();
        for (at, text) in edits {
            card.set(phones[at], text.as_deref());
            wanted.insert(at, text);
        }
        let again = Card::parse(&card.to_string()).unwrap();
        for (at, text) in wanted {
            prop_assert_eq!(again.get(phones[at]), text, "{:?} in {}", phones[at], again);
        }
    }
}
