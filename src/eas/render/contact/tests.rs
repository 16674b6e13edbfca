use std::path::Path;

use super::*;
use crate::eas::render::{BodyPreference, Options, Owner};
use crate::format::wbxml::tags::{air_sync as a, air_sync_base as base};
use crate::format::wbxml::{decode, encode};

const VERSIONS: [Version; 7] = [
    Version::V2_5,
    Version::V12_0,
    Version::V12_1,
    Version::V14_0,
    Version::V14_1,
    Version::V16_0,
    Version::V16_1,
];

fn with<T>(version: Version, run: impl FnOnce(&View<'_>) -> T) -> T {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let body = BodyPreference { kind: 1, ..Default::default() };
    let options = Options { bodies: vec![body], ..Default::default() };
    let owner = Owner::default();
    run(&View {
        version,
        options: &options,
        zone: &zone,
        owner: &owner,
        now: 1_800_000_000,
        bounds: Default::default(),
        trips_over_empty: false,
    })
}

fn shown(text: &str, version: Version) -> Element {
    let mut out = Writer::new();
    out.open(a::APPLICATION_DATA);
    with(version, |view| render(&mut out, text, view)).unwrap();
    decode(&out.finish().into()).unwrap()
}

fn data(texts: &[(Tag, &str)]) -> Element {
    let children = texts.iter().map(|(tag, text)| Element::with_text(*tag, *text)).collect();
    Element::with_children(a::APPLICATION_DATA, children)
}

fn created(data: &Element) -> String {
    with(Version::V14_1, |view| create(data, view)).unwrap().text
}

fn updated(old: &str, data: &Element, supported: &Supported) -> String {
    with(Version::V14_1, |view| update(old, data, view, supported)).unwrap().text
}

fn vcard(lines: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:1\r\n{}END:VCARD\r\n", lines.replace('\n', "\r\n"))
}

/// Every element of MS-ASCNTC but lists, dates, picture and body, each with its own name as text.
fn everything() -> Element {
    let mut all = data(&[]);
    all.children = TEXTS
        .iter()
        .map(|(tag, field)| match field {
            Field::WeightedRank => Element::with_text(*tag, "7"),
            Field::Email1Address => Element::with_text(*tag, "\"Ann Bee\" <ann@example.com>"),
            _ => Element::with_text(*tag, tag.to_string()),
        })
        .collect();
    let named = |tag, text: &str| Element::with_text(tag, text);
    let list =
        |list, one| Element::with_children(list, vec![named(one, "A, b"), named(one, "C;d")]);
    all.children.push(named(c::BIRTHDAY, "1980-03-22T11:59:00.000Z"));
    all.children.push(named(c::ANNIVERSARY, "2004-02-29T11:59:00.000Z"));
    all.children.push(list(c::CATEGORIES, c::CATEGORY));
    all.children.push(list(c::CHILDREN, c::CHILD));
    all.children.push(named(c::PICTURE, "/9j/AAAA"));
    let text = vec![named(base::TYPE, "1"), named(base::DATA, "Two\r\nlines")];
    all.children.push(Element::with_children(base::BODY, text));
    all
}

fn sorted(element: &Element) -> Vec<(Tag, String)> {
    let mut all: Vec<(Tag, String)> = Vec::new();
    let mut stack: Vec<&Element> = element.children.iter().collect();
    while let Some(next) = stack.pop() {
        if next.tag != base::ESTIMATED_DATA_SIZE {
            all.push((next.tag, next.text().to_owned()));
        }
        stack.extend(&next.children);
    }
    all.sort();
    all
}

#[test]
fn every_element_comes_back_as_it_was_sent() {
    let sent = everything();
    let text = created(&sent);
    let back = shown(&text, Version::V14_1);
    assert_eq!(sorted(&back), sorted(&sent));
    // And once more, through the bytes and with what the second phone shows.
    let again = updated(&text, &decode(&encode(&back).into()).unwrap(), &Supported::Everything);
    assert_eq!(again, text, "nothing has changed");
}

#[test]
fn every_element_is_kept_changed_and_deleted_by_the_rules() {
    let text = created(&everything());
    let kept = updated(&text, &data(&[]), &Supported::Nothing);
    assert_eq!(kept, text);
    for (tag, field) in TEXTS {
        let listed = Supported::Listed(vec![tag]);
        let card = |text: &str| Card::parse(text).unwrap().get(field);
        let gone = card(&updated(&text, &data(&[]), &listed));
        match field {
            Field::Alias | Field::WeightedRank => assert!(gone.is_some(), "{tag}"),
            // It follows the name then.
            Field::FileAs => {
                assert_eq!(gone.as_deref(), Some("Contacts:LastName, Contacts:FirstName"))
            }
            _ => assert_eq!(gone, None, "{tag}"),
        }
        let new = card(&updated(&text, &data(&[(tag, "new")]), &Supported::Nothing));
        assert_eq!(new.as_deref(), Some("new"), "{tag}");
        let empty = card(&updated(&text, &data(&[(tag, "")]), &Supported::Nothing));
        assert!(empty.is_none() || field == Field::FileAs, "{tag}");
    }
    // Without a Supported element what is left out is deleted, but for notes and picture.
    let bare = updated(&text, &data(&[(c::LAST_NAME, "Left")]), &Supported::Everything);
    let bare = Card::parse(&bare).unwrap();
    assert_eq!(bare.get(Field::Note).as_deref(), Some("Two\nlines"));
    assert_eq!(bare.get(Field::LastName).as_deref(), Some("Left"));
    assert_eq!(bare.get(Field::MobilePhone), None);
    assert_eq!(bare.date(DateField::Birthday), None);
    assert!(bare.photo().is_some());
    assert!(bare.categories().is_empty() && bare.children().is_empty());
}

#[test]
fn what_phones_cannot_show_survives() {
    let old = vcard(
        "FN:Ann Bee\nN:Bee;Ann;;;\nEMAIL:1@x.test\nEMAIL:2@x.test\nEMAIL:3@x.test\n\
         EMAIL;TYPE=club:4@x.test\nX-FC-TAGS;Q=1:a\nitem1.URL:http://a.test\n\
         item1.X-ABLabel:Profile\nPHOTO:https://x.test/1.jpg\nPHOTO:https://x.test/2.jpg\n\
         TEL;TYPE=home:1\nTEL;TYPE=home:2\nTEL;TYPE=home:3\nKIND:individual\nGENDER:F\n",
    );
    let phone = shown(&old, Version::V14_1);
    let mut change = phone.clone();
    change.children.retain(|element| element.tag != c::FIRST_NAME);
    change.children.push(Element::with_text(c::FIRST_NAME, "Anna"));
    change.children.push(Element::new(c::PICTURE));
    let new = updated(&old, &change, &Supported::Everything);
    for line in old.lines().filter(|line| !line.starts_with("FN:") && !line.starts_with("N:")) {
        assert!(new.contains(line), "{line}\n{new}");
    }
    assert!(new.contains("FN:Anna Bee\r\nN:Bee;Anna;;;\r\n"), "{new}");
    assert!(new.contains("REV:20270115T080000Z"), "{new}");
}

#[test]
fn the_picture() {
    let large = "A".repeat(PICTURE_MAX + 4);
    let old = vcard(&format!("FN:A\nPHOTO:data:image/jpeg;base64,{large}\n"));
    assert!(!shown(&old, Version::V14_1).has(c::PICTURE));
    for change in [data(&[]), data(&[(c::PICTURE, "")]), data(&[(c::PICTURE, "no base64!")])] {
        let new = updated(&old, &change, &Supported::Everything);
        assert!(new.replace("\r\n ", "").contains(&large));
    }
    let new = updated(&old, &data(&[(c::PICTURE, "/9j/AAAA")]), &Supported::Everything);
    assert_eq!(shown(&new, Version::V2_5).text_of(c::PICTURE), Some("/9j/AAAA"));
    assert!(new.replace("\r\n ", "").contains(&large), "the old one is kept behind it");
    let gone = updated(&new, &data(&[(c::PICTURE, "")]), &Supported::Nothing);
    assert!(!gone.contains("/9j/AAAA"));
    let as_bytes = Element::with_children(
        a::APPLICATION_DATA,
        vec![Element {
            value: crate::format::wbxml::Value::Opaque(vec![0xFF, 0xD8, 0xFF, 0].into()),
            ..Element::new(c::PICTURE)
        }],
    );
    let new = created(&as_bytes);
    assert_eq!(shown(&new, Version::V16_1).text_of(c::PICTURE), Some("/9j/AA=="));
}

#[test]
fn birthdays_are_the_same_day_everywhere() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let day = |text: &str| read_date(text, &berlin).map(|date| date.to_string());
    for text in [
        "1980-03-22T00:00:00.000Z",
        "1980-03-22T11:59:00.000Z",
        "1980-03-21T23:00:00.000Z",
        "19800321T230000Z",
        "1980-03-21T12:00:00.000Z",
        "1980-03-22T08:00:00Z",
        "1980-03-22",
    ] {
        assert_eq!(day(text).as_deref(), Some("1980-03-22"), "{text}");
    }
    assert_eq!(day("soon"), None);
    // Midnight fourteen hours ahead of UTC is seen by the account's zone.
    let far = TimeZone::get("Pacific/Kiritimati").unwrap();
    assert_eq!(
        read_date("1980-03-21T10:40:00Z", &far).map(|d| d.to_string()).as_deref(),
        Some("1980-03-21")
    );
    assert_eq!(
        read_date("2020-03-21T10:00:00Z", &far).map(|d| d.to_string()).as_deref(),
        Some("2020-03-22")
    );
    let text = created(&data(&[(c::BIRTHDAY, "1604-02-29T00:00:00.000Z")]));
    assert!(text.contains("BDAY:--0229"), "{text}");
    let bad = updated(&text, &data(&[(c::BIRTHDAY, "soon")]), &Supported::Everything);
    assert!(bad.contains("BDAY:--0229"));
}

#[test]
fn a_phone_that_only_names_a_contact() {
    let text = created(&data(&[(c::FILE_AS, "Pizza")]));
    assert!(text.contains("FN:Pizza"), "{text}");
    let text =
        created(&data(&[(c::FIRST_NAME, "Ann"), (c::LAST_NAME, "Bee"), (c::FILE_AS, "Bee, Ann")]));
    assert!(text.contains("FN:Ann Bee") && !text.contains("FILE-AS"), "{text}");
    let empty = created(&data(&[]));
    assert!(shown(&empty, Version::V14_1).has(base::BODY));
}

#[test]
fn elements_of_later_versions_stay_with_them() {
    let text = created(&everything());
    for version in VERSIONS {
        let element = shown(&text, version);
        let new = version >= Version::V14_0;
        assert_eq!((element.has(c::ALIAS), element.has(c::WEIGHTED_RANK)), (new, new));
        assert_eq!(element.has(base::BODY), version >= Version::V12_0);
        assert_eq!(element.has(c::BODY), version == Version::V2_5);
    }
}

/// All cards that are there reach phones of all versions, and an edit of one field takes
/// nothing else.
#[test]
fn real_cards_survive_an_edit_from_any_phone() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cards = 0;
    for dir in ["tests/data/vcf", "../shared/corpus/vcf"] {
        let Ok(files) = std::fs::read_dir(here.join(dir)) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let Ok(all) = Card::parse_all(&std::fs::read(&path).unwrap()) else { continue };
            for card in all {
                cards += 1;
                VERSIONS.into_iter().for_each(|version| edit_as_a_phone(&card, version, &path));
            }
        }
    }
    assert!(cards >= 10, "{cards}");
}

fn edit_as_a_phone(card: &Card, version: Version, path: &Path) {
    let old = card.to_string();
    let mut phone = shown(&old, version);
    phone.children.retain(|element| element.tag != c::SPOUSE);
    phone.children.push(Element::with_text(c::SPOUSE, "Somebody"));
    let new = with(version, |view| update(&old, &phone, view, &Supported::Everything)).unwrap();
    let new = Card::parse(&new.text).unwrap();
    assert_eq!(new.get(Field::Spouse).as_deref(), Some("Somebody"));
    let spouse = card.get(Field::Spouse).unwrap_or_default();
    for property in card.properties() {
        let kept = new.properties().contains(property)
            || property.to_text() == spouse
            || property.is("REV");
        assert!(kept, "{path:?} {version}: {property:?}");
    }
}

#[test]
fn a_part_of_a_contact_takes_nothing_away() {
    let old = created(&data(&[
        (c::FIRST_NAME, "Ann"),
        (c::LAST_NAME, "Bee"),
        (c::FILE_AS, "Bee, Ann"),
        (c::MOBILE_PHONE_NUMBER, "123"),
        (c::BIRTHDAY, "1980-05-04T00:00:00.000Z"),
        (c::PICTURE, "R0lGODlhAQABAAAAACw="),
    ]));
    let all = Supported::Everything;
    let new = updated(&old, &data(&[(c::MOBILE_PHONE_NUMBER, "456")]), &all);
    let back = shown(&new, Version::V14_1);
    assert_eq!(back.text_of(c::MOBILE_PHONE_NUMBER), Some("456"));
    for (tag, text) in [(c::FIRST_NAME, "Ann"), (c::LAST_NAME, "Bee"), (c::FILE_AS, "Bee, Ann")] {
        assert_eq!(back.text_of(tag), Some(text));
    }
    assert!(back.has(c::BIRTHDAY) && back.has(c::PICTURE));
    // Of a whole contact what is left out goes, but for the picture (MS-ASCMD 2.2.3.24).
    let whole = data(&[(c::FIRST_NAME, "Ann"), (c::LAST_NAME, "Bee"), (c::FILE_AS, "Bee, Ann")]);
    let back = shown(&updated(&old, &whole, &all), Version::V14_1);
    assert!(!back.has(c::MOBILE_PHONE_NUMBER) && !back.has(c::BIRTHDAY));
    assert!(back.has(c::PICTURE));
}

/// Other programs change NOTE and carry along what they do not know.
#[test]
fn html_whose_note_others_have_changed_does_not_count() {
    let body = |text: &str| {
        let body = vec![Element::with_text(base::TYPE, "2"), Element::with_text(base::DATA, text)];
        let mut data = data(&[(c::LAST_NAME, "Bee")]);
        data.children.push(Element::with_children(base::BODY, body));
        data
    };
    let text = created(&body("<p>One</p><p>two; <i>three</i></p>"));
    let kept = |text: &str| kept_note(&Card::parse(text).unwrap());
    assert!(text.contains("X-KONTOR-NOTE-HTML") && kept(&text).html.is_some(), "{text}");
    let others = text.replace("NOTE:One", "NOTE:1");
    assert_ne!(others, text);
    assert_eq!(kept(&others).html, None);
    let emptied = updated(&text, &body(""), &Supported::Nothing);
    assert!(!emptied.contains("NOTE"), "{emptied}");
}
