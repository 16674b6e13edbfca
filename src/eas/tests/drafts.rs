//! Drafts that a phone of 16.1 writes through Sync, with a second phone that watches.

use super::*;
use wbxml::tags::{air_sync_base as b, email as e, email2 as e2};

fn content(subject: &str, body: &str) -> Vec<Element> {
    let body = vec![text(b::TYPE, "1"), text(b::DATA, body)];
    vec![text(e::TO, "anna@office.example"), text(e::SUBJECT, subject), tree(b::BODY, body)]
}

fn id_of_new(collection: &Element) -> String {
    let add = collection.child(t::RESPONSES).unwrap().child(t::ADD).unwrap();
    assert_eq!(add.text_of(t::STATUS), Some("1"));
    add.text_of(t::SERVER_ID).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_written_changed_and_sent_once() {
    let office = Office::new();
    let (mut one, mut two) = (office.phone("A", Version::V16_1), office.phone("B", Version::V14_1));
    for phone in [&mut one, &mut two] {
        let names = phone.folder_sync().await;
        assert_eq!(names["2"], "Drafts");
        phone.settle("2", 10, 0).await;
        phone.settle("1", 10, 0).await;
    }
    let file = vec![
        text(b::CLIENT_ID, "f1"),
        text(b::CONTENT, "hello"),
        text(b::METHOD, "1"),
        text(b::DISPLAY_NAME, "note.txt"),
    ];
    let mut data = content("Plan", "first words");
    data.push(tree(b::ATTACHMENTS, vec![tree(b::ADD, file)]));
    let add = tree(t::ADD, vec![text(t::CLIENT_ID, "d1"), tree(t::APPLICATION_DATA, data)]);
    let request = one.request("2", 10, 0, std::slice::from_ref(&add));
    let _lost = one.call(Command::Sync, Some(&request)).await.unwrap();
    let answer = one.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let collection = one.take("2", &answer).unwrap();
    let id = id_of_new(&collection);
    one.folders.get_mut("2").unwrap().items.insert(id.clone(), Element::new(t::APPLICATION_DATA));
    two.settle("2", 10, 0).await;
    assert_eq!(two.ids("2"), [id.as_str()]);

    let data = tree(t::APPLICATION_DATA, content("Better plan", "other words"));
    let change = tree(t::CHANGE, vec![text(t::SERVER_ID, &id), data]);
    one.sync("2", 10, 0, &[change]).await;
    one.settle("2", 10, 0).await;
    two.settle("2", 10, 0).await;
    assert_eq!(one.ids("2"), two.ids("2"));
    assert_eq!(two.ids("2").len(), 1, "no other phone sees it twice");
    let shown = two.folders["2"].items.values().next().unwrap();
    assert_eq!(shown.text_of(e::SUBJECT), Some("Better plan"));

    // With the id that the phone gave it at first, as it may not have read on.
    let empty = Element::new(t::APPLICATION_DATA);
    let send = Element::new(e2::SEND);
    let send = tree(t::CHANGE, vec![text(t::SERVER_ID, &id), send, empty]);
    let request = one.request("2", 10, 0, &[send]);
    let _lost = one.call(Command::Sync, Some(&request)).await.unwrap();
    let answer = one.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    one.take("2", &answer);
    for phone in [&mut one, &mut two] {
        phone.settle("2", 10, 0).await;
        phone.settle("1", 10, 0).await;
        assert!(phone.ids("2").is_empty(), "{:?}", phone.ids("2"));
        assert_eq!(phone.ids("1").len(), 1, "it was sent once");
    }
    let arrived = two.folders["1"].items.values().next().unwrap();
    assert_eq!(arrived.text_of(e::SUBJECT), Some("Better plan"));
    let sent = office.store.read().mailbox(MailboxId::new(office.account, 3)).unwrap().unwrap();
    assert_eq!((sent.name.as_str(), sent.messages), ("Sent", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_whom_a_phone_was_not_shown_stay() {
    let office = Office::new();
    let account = office.account;
    let everybody = |from: usize, to: usize| {
        let each = |n| format!("\"Person number {n:02}\" <person.{n:02}@far-away.example>");
        (from..to).map(each).collect::<Vec<_>>().join(", ")
    };
    // Written at a desk, to 40 people, of whom a phone is shown the first 20.
    let raw = format!("To: a@x.example\r\nBcc: {}\r\nSubject: s\r\n\r\ntext\r\n", everybody(0, 40));
    office.write(move |tx| {
        let stored = message::store_content(tx, Prepared::new(b"", Bytes::from(raw)))?;
        let draft = FlagNames::system(Flags::DRAFT);
        message::add(tx, MailboxId::new(account, 2), &stored, &draft, None)
    });
    let mut phone = office.phone("A", Version::V16_1);
    phone.folder_sync().await;
    phone.settle("2", 10, 0).await;
    let bcc = |phone: &Phone<'_>| {
        let draft = phone.folders["2"].items.values().next().unwrap();
        draft.text_of(e2::BCC).unwrap_or_default().to_owned()
    };
    assert_eq!(bcc(&phone), everybody(0, 20));
    let mut edit = async |list: String| {
        let id = phone.ids("2")[0].to_owned();
        let data = vec![text(e::SUBJECT, "t"), text(e2::BCC, &list)];
        let data = tree(t::APPLICATION_DATA, data);
        let change = tree(t::CHANGE, vec![text(t::SERVER_ID, &id), data]);
        phone.sync("2", 10, 0, &[change]).await;
        phone.settle("2", 10, 0).await;
        bcc(&phone)
    };
    // It takes out all but one of those, and sees the others.
    assert_eq!(edit(everybody(19, 20)).await, everybody(19, 39));
    assert_eq!(edit(String::new()).await, everybody(39, 40));
    assert_eq!(edit(everybody(38, 39)).await, everybody(38, 39), "it has seen them all");
    assert_eq!(edit(String::new()).await, "");
}
