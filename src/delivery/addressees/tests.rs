use super::*;
use crate::base::clock::Clock;
use crate::domain::account::{self, NewAccount};
use crate::store::Store;

fn store() -> Store {
    let store = Store::in_memory(Clock::fixed(1_700_000_000));
    let made = store.write_blocking(|tx| {
        account::add_domain(tx, "office.example")?;
        for (name, quota) in [("anna", None), ("carl", Some(10))] {
            let address = EmailAddress::new(name, "office.example").unwrap();
            let display_name = name.to_owned();
            let new = NewAccount { address, display_name, admin: false, credentials: None, quota };
            account::create(tx, &new)?;
        }
        Ok::<_, crate::domain::Error>(())
    });
    made.unwrap();
    store
}

fn found(header: &str, limit: usize) -> (Vec<String>, Vec<(String, Reason)>) {
    let header = header.replace('\n', "\r\n");
    let found = Addressees::of(&store().read(), header.as_bytes(), 100, limit, "mail.x").unwrap();
    let recipients = found.recipients.iter().map(|each| each.address.to_string()).collect();
    let lost = found.unreachable.into_iter().map(|lost| (lost.address, lost.reason)).collect();
    (recipients, lost)
}

#[test]
fn everybody_in_the_header_is_looked_up_once() {
    let (recipients, lost) = found(
        "To: \"Doe, A\" <anna@office.example>, Team: b@x.example, c@x.example;\n\
         CC: =?utf-8?Q?J=C3=B6rg?= <jörg@bücher.example>, ANNA@office.example\n\
         Bcc: d@x.example,\n e@x.example\nResent-To: f@x.example\n\nTo: g@x.example\n",
        100,
    );
    assert_eq!(
        recipients,
        [
            "anna@office.example",
            "b@x.example",
            "c@x.example",
            "jörg@xn--bcher-kva.example",
            "d@x.example",
            "e@x.example"
        ]
    );
    assert_eq!(lost, []);
}

#[test]
fn who_cannot_be_reached_is_named_with_the_reason() {
    let (recipients, lost) = found(
        "To: nobody@office.example, carl@office.example, Anna, x@[192.0.2.1]\n\
         Cc: =?utf-8?Q?Ben_=3Cb=40x.example=3E?=\n",
        100,
    );
    assert_eq!(recipients, ["b@x.example"]);
    assert_eq!(
        lost,
        [
            ("nobody@office.example".to_owned(), Reason::Unknown),
            ("carl@office.example".to_owned(), Reason::Full),
            ("Anna".to_owned(), Reason::NoAddress),
            ("x@[192.0.2.1]".to_owned(), Reason::NotFromHere),
        ]
    );
    assert_eq!(found("Subject: x\n\n", 100), (vec![], vec![]));
}

#[test]
fn too_many_recipients_are_all_refused() {
    let (recipients, lost) = found("To: a@x.example, b@x.example, c@x.example\n", 2);
    assert_eq!(recipients, Vec::<String>::new());
    assert!(lost.len() == 3 && lost.iter().all(|(_, reason)| *reason == Reason::TooMany));
    let flood = format!("To: {}\n", "a@x.example, ".repeat(300_000));
    assert_eq!(found(&flood, 100).0, ["a@x.example"]);
}
