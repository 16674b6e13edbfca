//! What is read of cards of all versions.

use super::super::Photo;
use super::{Card, DateField, Field, card, get, lines};

#[test]
fn outlook_of_version_2_1() {
    let card = card(
        "VERSION:2.1\nN;LANGUAGE=en-us:Doe;John;Richter,James;Mr.;Sr.\n\
         FN:Mr. John Richter James Doe Sr.\nORG:IBM;Accounting\nTITLE:Money Counter\n\
         NOTE;ENCODING=QUOTED-PRINTABLE:First=0D=0A=\nSecond; third=3D3\n\
         TEL;WORK;VOICE:(905) 555-1234\nTEL;WORK;FAX:3\nTEL;HOME;VOICE:2\n\
         ADR;WORK;PREF:;TheOffice;123 Main St;Austin;TX;12345;United States of America\n\
         URL;WORK:http://www.ibm.com\nBDAY:19800322\nX-MS-ANNIVERSARY:20110113\n\
         EMAIL;PREF;INTERNET:john.doe@ibm.cm\nX-MS-IMADDRESS:johny5@aol.com\n\
         PHOTO;TYPE=JPEG;ENCODING=BASE64:\n /9j/\n AAAA\n\nX-MS-MANAGER:Big Blue",
    );
    assert_eq!(get(&card, Field::MiddleName), "Richter,James", "a comma is no list in 2.1");
    assert_eq!(get(&card, Field::FileAs), "Doe, John");
    assert_eq!(get(&card, Field::Department), "Accounting");
    assert_eq!(get(&card, Field::Note), "First\nSecond; third=3");
    assert_eq!(get(&card, Field::BusinessPhone), "(905) 555-1234");
    assert_eq!(get(&card, Field::BusinessFax), "3");
    assert_eq!(get(&card, Field::HomePhone), "2");
    assert_eq!(get(&card, Field::OfficeLocation), "TheOffice");
    assert_eq!(get(&card, Field::BusinessStreet), "123 Main St");
    assert_eq!(get(&card, Field::BusinessCountry), "United States of America");
    assert_eq!(get(&card, Field::WebPage), "http://www.ibm.com");
    assert_eq!(get(&card, Field::Email1Address), "john.doe@ibm.cm");
    assert_eq!(get(&card, Field::ImAddress), "johny5@aol.com");
    assert_eq!(get(&card, Field::ManagerName), "Big Blue");
    assert_eq!(card.date(DateField::Birthday), Some(jiff::civil::date(1980, 3, 22)));
    assert_eq!(card.date(DateField::Anniversary), Some(jiff::civil::date(2011, 1, 13)));
    assert_eq!(card.photo(), Some(Photo::Inline("/9j/AAAA")));
    let lines = lines(&card);
    assert_eq!(lines[0], "VERSION:4.0");
    assert!(lines.contains(&"EMAIL;PREF=1:john.doe@ibm.cm".to_owned()), "{lines:?}");
    assert!(lines.contains(&"TEL;TYPE=WORK,VOICE:(905) 555-1234".to_owned()), "{lines:?}");
    assert!(lines.contains(&"PHOTO:data:image/jpeg;base64,/9j/AAAA".to_owned()), "{lines:?}");
}

#[test]
fn apple_of_version_3() {
    let card = card(
        "VERSION:3.0\nN:Doe;John;Richter\\,James;Mr.;Sr.\nFN:Mr. John Doe\n\
         NICKNAME:Johny\\,JayJay\nitem1.EMAIL;type=INTERNET;type=pref:john.doe@ibm.com\n\
         TEL;type=CELL;type=VOICE;type=pref:1\nTEL;type=HOME;type=FAX:2\n\
         item2.TEL:3\nitem2.X-ABLabel:_$!<AssistantPhone>!$_\nTEL;type=MAIN:4\n\
         item3.ADR;type=HOME:;;Silicon Alley 5\\,;New York;New York;12345;USA\n\
         item4.X-ABDATE;type=pref:1975-03-01\nitem4.X-ABLabel:_$!<Anniversary>!$_\n\
         item5.X-ABRELATEDNAMES:Jenny\nitem5.X-ABLabel:_$!<Spouse>!$_\n\
         item6.X-ABRELATEDNAMES:Tim\nitem6.X-ABLabel:_$!<Child>!$_\n\
         BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\nX-PHONETIC-LAST-NAME:Dow",
    );
    assert_eq!(get(&card, Field::MiddleName), "Richter,James");
    assert_eq!(get(&card, Field::NickName), "Johny,JayJay");
    assert_eq!(get(&card, Field::Email1Address), "john.doe@ibm.com");
    assert_eq!(get(&card, Field::MobilePhone), "1");
    assert_eq!(get(&card, Field::HomeFax), "2");
    assert_eq!(get(&card, Field::AssistantPhone), "3");
    assert_eq!(get(&card, Field::CompanyMainPhone), "4");
    assert_eq!(get(&card, Field::HomeStreet), "Silicon Alley 5,");
    assert_eq!(get(&card, Field::Spouse), "Jenny");
    assert_eq!(card.children(), ["Tim"]);
    assert_eq!(get(&card, Field::YomiLastName), "Dow");
    assert_eq!(card.date(DateField::Anniversary), Some(jiff::civil::date(1975, 3, 1)));
    assert_eq!(card.date(DateField::Birthday), Some(jiff::civil::date(1604, 2, 29)));
}

#[test]
fn version_4_by_the_book() {
    let card = card(
        "FN:Simon Perreault\nN:Perreault;Simon;Jean,Paul;;ing. jr,M.Sc.\nBDAY:--0203\n\
         ANNIVERSARY:20090808T1430-0500\n\
         ADR;TYPE=work:;Suite D2-630;2875 Laurier;Quebec;QC;G1V 2M2;Canada\n\
         TEL;VALUE=uri;TYPE=\"work,voice\";PREF=1:tel:+1-418-656-9254;ext=102\n\
         TEL;VALUE=uri;TYPE=\"work,cell,voice\":tel:+1-418-262-6501\n\
         EMAIL;PREF=2:second@example.com\nEMAIL;PREF=1:mailto:first@example.com\n\
         IMPP;PREF=1:xmpp:alice@example.com\nRELATED;TYPE=spouse:urn:uuid:f81d4fae\n\
         RELATED;TYPE=spouse;VALUE=text:Please contact my assistant\nCATEGORIES:foo,b\\,r,foo",
    );
    assert_eq!(get(&card, Field::MiddleName), "Jean Paul");
    assert_eq!(get(&card, Field::Suffix), "ing. jr M.Sc.");
    assert_eq!(get(&card, Field::BusinessPhone), "+1-418-656-9254 x102");
    assert_eq!(get(&card, Field::MobilePhone), "+1-418-262-6501");
    assert_eq!(get(&card, Field::Email1Address), "first@example.com");
    assert_eq!(get(&card, Field::Email2Address), "second@example.com");
    assert_eq!(get(&card, Field::ImAddress), "alice@example.com");
    assert_eq!(get(&card, Field::Spouse), "Please contact my assistant");
    assert_eq!(card.categories(), ["foo", "b,r"]);
    assert_eq!(card.date(DateField::Birthday), Some(jiff::civil::date(1604, 2, 3)));
    assert_eq!(card.date(DateField::Anniversary), Some(jiff::civil::date(2009, 8, 8)));
}

#[test]
fn names_of_cards_without_them() {
    let person = card("FN:Ada King Lovelace");
    assert_eq!(get(&person, Field::FirstName), "Ada King");
    assert_eq!(get(&person, Field::LastName), "Lovelace");
    assert_eq!(get(&person, Field::FileAs), "Ada King Lovelace");
    let company = card("FN:ACME Inc.\nN:;;;;\nORG:ACME Inc.");
    assert_eq!(company.get(Field::LastName), None);
    assert_eq!(get(&company, Field::CompanyName), "ACME Inc.");
    assert_eq!(get(&card("EMAIL:a@b.test"), Field::FileAs), "a@b.test");
    assert_eq!(card("NOTE:").get(Field::FileAs), None);
}

#[test]
fn numbers_without_a_type_are_not_missed() {
    let card = card("TEL:1\nTEL;TYPE=voice:2\nTEL;TYPE=home:3\nTEL;TYPE=cell:4\nTEL;TYPE=cell:5");
    assert_eq!(get(&card, Field::HomePhone), "3");
    assert_eq!(get(&card, Field::MobilePhone), "4");
    assert_eq!(get(&card, Field::BusinessPhone), "1");
    assert_eq!(get(&card, Field::Home2Phone), "2");
    assert_eq!(card.get(Field::CarPhone), None);
}

#[test]
fn several_cards_in_one_text() {
    let text = "BEGIN:VCARD\nFN:A\nEND:VCARD\nBEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCARD\nFN:B";
    let all = Card::parse_all(text.as_bytes()).unwrap();
    assert_eq!(all.iter().filter_map(Card::formatted_name).collect::<Vec<_>>(), ["A", "B"]);
    assert!(Card::parse("BEGIN:VCALENDAR\nEND:VCALENDAR").is_err());
}

#[test]
fn the_look_is_what_is_seen() {
    let look = |lines: &str| card(lines).look();
    assert_eq!(look("FN:A\nTEL:1\nREV:20200101T000000Z"), look("tel:1\nFN:A\nPRODID:x"));
    assert_eq!(look("VERSION:3.0\nFN:A"), look("VERSION:4.0\nFN:A"));
    assert_ne!(look("FN:A\nX-OTHER:1"), look("FN:A\nX-OTHER:2"));
}
