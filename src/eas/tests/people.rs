//! Whom a text means, when they are free, and whether their certificates may be trusted.

use super::*;
use crate::domain::account::NewAccount;
use crate::domain::{collection, contact, item};
use crate::format::vcard::Card;
use crate::store::rows::account::Group;
use crate::store::rows::collection::CollectionKind;
use wbxml::tags::{resolve_recipients as r, validate_cert as v};

/// Anna, Ben (busy for an hour) and Benno; the group staff; a contact Carla with a picture.
fn office() -> Office {
    let office = Office::new();
    let anna = office.account;
    office.write(move |tx| {
        let mut ben = anna;
        for name in ["Benno", "Ben"] {
            let new = NewAccount {
                address: format!("{}@office.example", name.to_lowercase()).parse().unwrap(),
                display_name: format!("{name} Müller"),
                admin: false,
                credentials: None,
                quota: None,
            };
            ben = account::create(tx, &new)?.id;
        }
        let calendar = collection::default(tx, ben, CollectionKind::Calendar)?.id;
        let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:e\r\n\
            DTSTART:20231114T100000Z\r\nDTEND:20231114T110000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let (from, until) = (1_699_956_000, 1_699_959_600);
        let event = item::Text { uid: "e".into(), text: text.into(), look: 1, from, until };
        item::add(tx, calendar, event)?;
        let book = collection::default(tx, anna, CollectionKind::Contacts)?.id;
        let card = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:c\r\nFN:Carla Beispiel\r\n\
            EMAIL:carla@else.example\r\nEMAIL:ben@office.example\r\n\
            PHOTO:data:image/png;base64,iVBORw==\r\nEND:VCARD\r\n";
        item::add(tx, book, contact::text(&Card::parse(card).unwrap()))?;
        let members = vec!["anna@office.example".into(), "ben@office.example".into()];
        let group = Group { name: "Everybody".into(), members, members_send: false, hidden: false };
        account::put_group(tx, &"staff@office.example".parse().unwrap(), &group)
    });
    office
}

async fn resolve(office: &Office, asked: &[&str], options: Vec<Element>) -> Vec<Element> {
    let phone = office.phone("A", Version::V14_1);
    let mut children: Vec<Element> = asked.iter().map(|to| text(r::TO, to)).collect();
    children.push(tree(r::OPTIONS, options));
    let request = tree(r::RESOLVE_RECIPIENTS, children);
    let answer = phone.call(Command::ResolveRecipients, Some(&request)).await.unwrap().unwrap();
    assert_eq!(answer.text_of(r::STATUS), Some("1"));
    answer.all(r::RESPONSE).cloned().collect()
}

fn addresses(response: &Element) -> Vec<&str> {
    response.all(r::RECIPIENT).filter_map(|each| each.text_of(r::EMAIL_ADDRESS)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_what_one_types() {
    let office = office();
    let asked = ["BEN@office.example", "müll", "Carla", "nobody@else.example", "everyb", "b müll"];
    let found = resolve(&office, &asked, Vec::new()).await;
    let status: Vec<&str> = found.iter().filter_map(|each| each.text_of(r::STATUS)).collect();
    assert_eq!(status, ["1", "2", "2", "4", "1", "2"]);
    assert_eq!(addresses(&found[0]), ["ben@office.example"]);
    assert_eq!(addresses(&found[1]), ["ben@office.example", "benno@office.example"]);
    // Ben is among Carla's addresses, and better known as himself.
    assert_eq!(
        found[2].all(r::RECIPIENT).map(|each| each.text_of(r::TYPE).unwrap()).next(),
        Some("2")
    );
    assert_eq!(addresses(&found[4]), ["staff@office.example"]);
    let one = vec![text(r::MAX_AMBIGUOUS_RECIPIENTS, "1")];
    let found = resolve(&office, &["müll"], one).await;
    assert_eq!((found[0].text_of(r::STATUS), addresses(&found[0]).len()), (Some("3"), 1));
    assert_eq!(found[0].text_of(r::RECIPIENT_COUNT), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fits_best_is_suggested_first() {
    use crate::domain::people::office as book;
    let office = office();
    let anna = office.account;
    office.write(move |tx| {
        let ben = account::find(tx, &"ben@office.example".parse().unwrap())?.id;
        for alias in ["sales@office.example", "berlin@office.example"] {
            account::add_alias(tx, &alias.parse().unwrap(), ben)?;
        }
        let shared = book::book_or_new(tx)?;
        let own = collection::default(tx, anna, CollectionKind::Contacts)?.id;
        for (place, name, address) in [
            (shared, "Bert Adam", "adam@else.example"),
            (shared, "Ilse Bertram", "ilse@else.example"),
            (own, "Bert Abel", "abel@else.example"),
            (own, "Berta Zoch", "zoch@else.example"),
            (own, "Our sellers", "Sales@office.example"),
            (own, "Uta Twice", "uta@else.example"),
            (own, "Uta's desk", "UTA@else.example"),
        ] {
            let card = format!(
                "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{name}\r\nFN:{name}\r\nEMAIL:{address}\r\nEND:VCARD\r\n"
            );
            item::add(tx, place, contact::text(&Card::parse(&card).unwrap()))?;
        }
        Ok(())
    });
    let found = async |typed| {
        let found = resolve(&office, &[typed], Vec::new()).await;
        addresses(&found[0]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let named = ["adam", "abel", "zoch", "ilse"].map(|name| format!("{name}@else.example"));
    assert_eq!(found("bert").await, named);
    // By its other addresses an account is found as itself, and once.
    for typed in ["sales", "SALES@office.example", "sales@off", "berlin", "müller sales"] {
        assert_eq!(found(typed).await, ["ben@office.example"], "{typed}");
    }
    assert_eq!(found("our sell").await, ["Sales@office.example"]);
    assert_eq!(found("uta@else.example").await.len(), 1);
    assert_eq!(found("ben@office.example").await, ["ben@office.example"]);
    assert_eq!(search(&office, "sales").await.0, ["Ben Müller"]);
    assert!(found("sale@office.example").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_hidden_is_reached_by_the_whole_address_only() {
    use crate::domain::account::Listed;
    use crate::domain::people::office as book;
    let office = office();
    office.write(|tx| {
        let hide = || Listed { hidden: Some(true), ..Listed::default() };
        let ben = account::find(tx, &"ben@office.example".parse().unwrap())?.id;
        account::add_alias(tx, &"sales@office.example".parse().unwrap(), ben)?;
        account::list_as(tx, ben, hide())?;
        account::list_group_as(tx, &"staff@office.example".parse().unwrap(), hide())?;
        // A card with the address does not bring him in by the back door.
        let card = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:b\r\nFN:Mr Ben\r\n\
            EMAIL:ben@office.example\r\nTITLE:Cook\r\nEND:VCARD\r\n";
        let to = book::book_or_new(tx)?;
        item::add(tx, to, contact::text(&Card::parse(card).unwrap()))
    });
    let found = async |typed| {
        let found = resolve(&office, &[typed], Vec::new()).await;
        addresses(&found[0]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for typed in ["everyb", "staff", "sales", "sales@office.exampl", "mr ben"] {
        assert!(found(typed).await.is_empty(), "{typed}");
        assert!(search(&office, typed).await.0.is_empty(), "{typed}");
    }
    for typed in ["ben", "ben müller"] {
        assert_eq!(search(&office, typed).await.0, ["Benno Müller"], "{typed}");
    }
    assert_eq!(found("benn").await, ["benno@office.example"]);
    assert!(search(&office, "ben@office.example").await.0.is_empty());
    assert_eq!(found("Ben@office.example").await, ["ben@office.example"]);
    assert_eq!(found("sales@office.example").await, ["ben@office.example"]);
    assert_eq!(found("staff@office.example").await, ["staff@office.example"]);
    // Somebody's own contacts are theirs to find.
    assert_eq!(found("carla").await, ["ben@office.example", "carla@else.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_makes_nobody_ambiguous() {
    use crate::domain::people::office as book;
    let office = Office::new();
    office.write(|tx| {
        let to = book::book_or_new(tx)?;
        for name in ["Haack", "Hack"] {
            let card = format!(
                "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{name}\r\nFN:Uli {name}\r\n\
                 EMAIL:{name}@else.example\r\nEND:VCARD\r\n"
            );
            item::add(tx, to, contact::text(&Card::parse(&card).unwrap()))?;
        }
        Ok(())
    });
    for (typed, meant) in [("haack", "Haack@else.example"), ("hack", "Hack@else.example")] {
        let found = resolve(&office, &[typed], Vec::new()).await;
        assert_eq!(addresses(&found[0]), [meant]);
        assert_eq!(search(&office, typed).await.0.len(), 2);
    }
    assert_eq!(addresses(&resolve(&office, &["uli häck"], Vec::new()).await[0]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn their_times_certificates_and_pictures_are_told() {
    let office = office();
    let span = vec![
        text(r::START_TIME, "2023-11-14T09:00:00.000Z"),
        text(r::END_TIME, "2023-11-14T12:00:00.000Z"),
    ];
    let options = vec![
        text(r::CERTIFICATE_RETRIEVAL, "2"),
        tree(r::AVAILABILITY, span),
        tree(r::PICTURE, vec![text(r::MAX_SIZE, "100")]),
    ];
    let asked = ["ben@office.example", "carla@else.example", "staff@office.example"];
    let found = resolve(&office, &asked, options).await;
    let person = |at: usize| found[at].child(r::RECIPIENT).unwrap();
    let free = |at: usize| {
        let availability = person(at).child(r::AVAILABILITY).unwrap();
        (availability.text_of(r::STATUS), availability.text_of(r::MERGED_FREE_BUSY))
    };
    assert_eq!(free(0), (Some("1"), Some("002200")));
    assert_eq!(free(1), (Some("163"), None));
    assert_eq!(free(2), (Some("1"), Some("002200")));
    let certificates = person(0).child(r::CERTIFICATES).unwrap();
    assert_eq!(certificates.text_of(r::STATUS), Some("7"));
    let picture = |at: usize| {
        let picture = person(at).child(r::PICTURE).unwrap();
        (picture.text_of(r::STATUS), picture.text_of(r::DATA))
    };
    assert_eq!(picture(0), (Some("173"), None));
    assert_eq!(picture(1), (Some("1"), Some("iVBORw==")));
    let phone = office.phone("A", Version::V14_1);
    let many = vec![text(r::TO, "x"); 101];
    let refused =
        phone.call(Command::ResolveRecipients, Some(&tree(r::RESOLVE_RECIPIENTS, many))).await;
    assert_eq!(refused, Err(Failure::Status(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_knows_is_not_trusted() {
    let office = Office::new();
    let phone = office.phone("A", Version::V14_1);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["x.example".into()]).unwrap();
    let own = params.self_signed(&key).unwrap();
    use base64::Engine as _;
    let own = base64::engine::general_purpose::STANDARD.encode(own.der());
    let all = vec![text(v::CERTIFICATE, &own), text(v::CERTIFICATE, "nonsense")];
    let request = tree(v::VALIDATE_CERT, vec![tree(v::CERTIFICATES, all)]);
    let answer = phone.call(Command::ValidateCert, Some(&request)).await.unwrap().unwrap();
    let said: Vec<_> =
        answer.all(v::CERTIFICATE).filter_map(|each| each.text_of(v::STATUS)).collect();
    assert_eq!((answer.text_of(v::STATUS), said), (Some("1"), vec!["4", "10"]));
}

/// Names of a Search in the address list, and the properties of the first.
async fn search(office: &Office, typed: &str) -> (Vec<String>, Option<Element>) {
    use wbxml::tags::{gal, search as s};
    let phone = office.phone("A", Version::V14_1);
    let store = vec![text(s::NAME, "GAL"), text(s::QUERY, typed)];
    let request = tree(s::SEARCH, vec![tree(s::STORE, store)]);
    let answer = phone.call(Command::Search, Some(&request)).await.unwrap().unwrap();
    let store = answer.child(s::RESPONSE).unwrap().child(s::STORE).unwrap().clone();
    let found: Vec<Element> =
        store.all(s::RESULT).filter_map(|each| each.child(s::PROPERTIES).cloned()).collect();
    let name = |each: &Element| each.text_of(gal::DISPLAY_NAME).unwrap().to_owned();
    (found.iter().map(name).collect(), found.first().cloned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offices_address_book_is_everybodys() {
    use crate::domain::people::office as book;
    use wbxml::tags::gal;
    let office = office();
    assert!(search(&office, "weiss").await.0.is_empty());
    let put = |card: &'static str| {
        office.write(move |tx| {
            let to = book::book_or_new(tx)?;
            let text = contact::text(&Card::parse(card).unwrap());
            match item::with_uid(
                tx,
                crate::base::id::AccountId::OFFICE,
                CollectionKind::Contacts,
                &text.uid,
            )?
            .first()
            {
                Some((of, uid)) => item::change(tx, *of, *uid, text),
                None => item::add(tx, to, text),
            }
        });
    };
    put("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:w\r\nFN:Jörg Weiß\r\nN:Weiß;Jörg;;;\r\n\
         EMAIL:weiss@haus.example\r\nORG:Hausverwaltung Süd\r\nTITLE:Caretaker\r\n\
         TEL;TYPE=\"work,voice\":+49 (30) 555-0181\r\nEND:VCARD\r\n");
    for typed in
        ["weiss", "WEIẞ", "Joerg", "jorg w", "jörg", "hausverw", "süd", "030 5550", "haus.ex"]
    {
        assert_eq!(search(&office, typed).await.0, ["Jörg Weiß"], "{typed}");
    }
    assert!(search(&office, "eiß").await.0.is_empty());
    let shown = search(&office, "weiss").await.1.unwrap();
    let of = |tag| shown.text_of(tag);
    assert_eq!(of(gal::PHONE), Some("+49 (30) 555-0181"));
    assert_eq!((of(gal::TITLE), of(gal::COMPANY)), (Some("Caretaker"), Some("Hausverwaltung Süd")));
    assert_eq!((of(gal::FIRST_NAME), of(gal::LAST_NAME)), (Some("Jörg"), Some("Weiß")));
    // A card with a colleague's address tells more about the colleague, and is no second one.
    put("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:b\r\nFN:Mr Ben\r\nEMAIL:Ben@office.example\r\n\
         TEL;TYPE=cell:0171 555\r\nPHOTO:data:image/png;base64,iVBORw==\r\nEND:VCARD\r\n");
    let (names, shown) = search(&office, "ben").await;
    assert_eq!(names, ["Ben Müller", "Benno Müller"]);
    assert_eq!(shown.unwrap().text_of(gal::MOBILE_PHONE), Some("0171 555"));
    let picture = tree(r::PICTURE, vec![text(r::MAX_SIZE, "100")]);
    let found = resolve(&office, &["ben@office.example"], vec![picture]).await;
    let picture = found[0].child(r::RECIPIENT).unwrap().child(r::PICTURE).unwrap();
    assert_eq!(picture.text_of(r::DATA), Some("iVBORw=="));
    // What changes is found at once; what is removed is not.
    put(
        "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:w\r\nFN:Ute Weiß\r\nEMAIL:ute@haus.example\r\nEND:VCARD\r\n",
    );
    assert_eq!(search(&office, "weiß").await.0, ["Ute Weiß"]);
    assert_eq!(resolve(&office, &["ute weiss"], Vec::new()).await[0].text_of(r::STATUS), Some("1"));
    assert_eq!(office.write(|tx| book::remove(tx, "UTE@haus.example")), 1);
    assert!(search(&office, "weiß").await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_meant_most_comes_first() {
    use crate::domain::people::office as book;
    let office = office();
    office.write(|tx| {
        let to = book::book_or_new(tx)?;
        for name in ["Tom Muller", "Anna", "Müller", "Anna Muster", "Mueller & Co"] {
            let card =
                format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{name}\r\nFN:{name}\r\nEND:VCARD\r\n");
            item::add(tx, to, contact::text(&Card::parse(&card).unwrap()))?;
        }
        Ok(())
    });
    let all = ["Müller", "Mueller & Co", "Ben Müller", "Benno Müller", "Tom Muller"];
    assert_eq!(search(&office, "müller").await.0, all);
    // The account Anna, then those of the book.
    assert_eq!(search(&office, "anna").await.0, ["Anna", "Anna", "Anna Muster"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_umlaut_is_found_however_it_is_written() {
    use crate::domain::people::office as book;
    let office = Office::new();
    office.write(|tx| {
        let to = book::book_or_new(tx)?;
        for name in [
            "Ada Muller",
            "Bo Mueller",
            "Cy Müller",
            "Soren Ek",
            "Soeren Ek",
            "Søren Ek",
            "Ida Göthe",
            "Ida Goethe",
            "Eva Ågård",
            "Eva Aagaard",
            "Max Müllerson",
            "Uwe Bauer",
            "Ute Baur",
            "Michael Orth",
            "Michal Orth",
            "Sue Quelle",
            "Su Qulle",
            "Joe Neue",
            "Jo Neu",
            "Tim Schmidt-Jaeger",
        ] {
            let card =
                format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{name}\r\nFN:{name}\r\nEND:VCARD\r\n");
            item::add(tx, to, contact::text(&Card::parse(&card).unwrap()))?;
        }
        Ok(())
    });
    let found = async |typed| {
        let mut names = search(&office, typed).await.0;
        names.sort_unstable();
        names
    };
    let all = ["Ada Muller", "Bo Mueller", "Cy Müller"];
    // A beginning is one only of the spellings it is a beginning of.
    assert_eq!(found("Muller").await, [&all[..], &["Max Müllerson"]].concat());
    for typed in ["Mueller", "Müller", "MUELLER"] {
        assert_eq!(found(typed).await, [&all[..], &["Max Müllerson"]].concat(), "{typed}");
    }
    assert_eq!(found("muell").await, ["Bo Mueller", "Cy Müller", "Max Müllerson"]);
    for typed in ["Soren", "Soeren", "Søren", "ek soren"] {
        assert_eq!(found(typed).await, ["Soeren Ek", "Soren Ek", "Søren Ek"], "{typed}");
    }
    for typed in ["Goethe", "Göthe", "Gothe", "ida gothe"] {
        assert_eq!(found(typed).await, ["Ida Goethe", "Ida Göthe"], "{typed}");
    }
    for typed in ["Aagaard", "Ågård", "Aagård"] {
        assert_eq!(found(typed).await, ["Eva Aagaard", "Eva Ågård"], "{typed}");
    }
    for typed in ["Jager", "Schmidt-Jäger", "schmidt-jager"] {
        assert_eq!(found(typed).await, ["Tim Schmidt-Jaeger"], "{typed}");
    }
    for typed in ["Bauer", "Baur", "Michael", "Michal", "Quelle", "Qulle", "Neue", "Sue", "Joe"] {
        assert_eq!(found(typed).await.len(), 1, "{typed}");
    }
    // The spelling that was typed comes before the others.
    assert_eq!(search(&office, "bo mueller").await.0, ["Bo Mueller"]);
    assert_eq!(search(&office, "soren ek").await.0.last().unwrap(), "Soeren Ek");
}

/// The first question reads every card, which takes long: nobody else's request may wait for it.
#[test]
fn people_are_looked_up_on_a_thread_of_their_own() {
    use wbxml::tags::{find as f, search as s};
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    let office = office();
    runtime.block_on(async {
        let store = vec![text(s::NAME, "GAL"), text(s::QUERY, "ben")];
        let query = tree(f::QUERY, vec![text(f::FREE_TEXT, "ben")]);
        let criterion = tree(f::GAL_SEARCH_CRITERION, vec![query]);
        let execute = tree(f::EXECUTE_SEARCH, vec![criterion]);
        let find = vec![text(f::SEARCH_ID, "1"), execute];
        for (command, request, found) in [
            (Command::Search, tree(s::SEARCH, vec![tree(s::STORE, store)]), "Total"),
            (Command::Find, tree(f::FIND, find), "Total"),
            (
                Command::ResolveRecipients,
                tree(r::RESOLVE_RECIPIENTS, vec![text(r::TO, "ben m")]),
                "RecipientCount",
            ),
        ] {
            let (ready, is_ready) = tokio::sync::oneshot::channel();
            let (release, held) = std::sync::mpsc::channel::<()>();
            let other = tokio::task::spawn_blocking(move || {
                ready.send(()).unwrap();
                held.recv()
            });
            is_ready.await.unwrap();
            let phone = office.phone("A", Version::V16_1);
            let mut asked = Box::pin(phone.call(command, Some(&request)));
            // The only such thread is busy; this one goes on.
            let soon = std::time::Duration::from_millis(30);
            assert!(tokio::time::timeout(soon, &mut asked).await.is_err(), "{command:?}");
            release.send(()).unwrap();
            let answer = format!("{:?}", asked.await.unwrap().unwrap());
            assert!(answer.contains(found) && answer.contains("Benno"), "{answer}");
            other.await.unwrap().unwrap();
        }
    });
}
