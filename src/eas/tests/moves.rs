//! Items that move and folders that come and go, by a phone's hand.

use super::*;
use crate::base::id::Uid;
use crate::domain::{collection, item};
use crate::store::rows::collection::CollectionKind;
use wbxml::tags::move_items as mv;

fn moving(all: &[(&str, &str, &str)]) -> Element {
    let each = |(item, from, to): &(&str, &str, &str)| {
        let children =
            vec![text(mv::SRC_MSG_ID, item), text(mv::SRC_FLD_ID, from), text(mv::DST_FLD_ID, to)];
        tree(mv::MOVE, children)
    };
    tree(mv::MOVE_ITEMS, all.iter().map(each).collect())
}

impl Phone<'_> {
    /// Source, status and destination of each.
    pub(super) async fn move_items(
        &self,
        all: &[(&str, &str, &str)],
    ) -> Vec<(String, String, String)> {
        let answer = self.call(Command::MoveItems, Some(&moving(all))).await.unwrap().unwrap();
        let said = answer.all(mv::RESPONSE).map(|each| {
            let of = |tag| each.text_of(tag).unwrap_or_default().to_owned();
            (of(mv::SRC_MSG_ID), of(mv::STATUS), of(mv::DST_MSG_ID))
        });
        said.collect()
    }

    /// Believes that an item has moved.
    pub(super) fn moved(&mut self, from: &str, to: &str, answer: &(String, String, String)) {
        assert_eq!(answer.1, "3");
        let item = self.folders.get_mut(from).unwrap().items.remove(&answer.0).unwrap();
        self.folders.get_mut(to).unwrap().items.insert(answer.2.clone(), item);
    }

    /// A change of the hierarchy: status, and the new folder's id.
    pub(super) async fn change_folder(
        &mut self,
        command: Command,
        request: Element,
    ) -> (String, String) {
        let answer = match self.call(command, Some(&request)).await {
            Ok(answer) => answer.unwrap(),
            Err(Failure::Status(status)) => return (status.to_string(), String::new()),
            Err(other) => panic!("{other:?}"),
        };
        self.key = answer.text_of(fh::SYNC_KEY).unwrap().to_owned();
        let of = |tag| answer.text_of(tag).unwrap_or_default().to_owned();
        (of(fh::STATUS), of(fh::SERVER_ID))
    }

    pub(super) fn creation(&self, parent: &str, name: &str, kind: u8) -> Element {
        let children = vec![
            text(fh::SYNC_KEY, &self.key),
            text(fh::PARENT_ID, parent),
            text(fh::DISPLAY_NAME, name),
            text(fh::TYPE, &kind.to_string()),
        ];
        tree(fh::FOLDER_CREATE, children)
    }

    pub(super) fn deletion(&self, id: &str) -> Element {
        let children = vec![text(fh::SYNC_KEY, &self.key), text(fh::SERVER_ID, id)];
        tree(fh::FOLDER_DELETE, children)
    }

    fn renaming(&self, id: &str, parent: &str, name: &str) -> Element {
        let children = vec![
            text(fh::SYNC_KEY, &self.key),
            text(fh::SERVER_ID, id),
            text(fh::PARENT_ID, parent),
            text(fh::DISPLAY_NAME, name),
        ];
        tree(fh::FOLDER_UPDATE, children)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_mail_is_where_it_went_on_every_phone() {
    let office = Office::new();
    for number in 0..4 {
        office.deliver(&number.to_string(), 0);
    }
    let (mut one, mut two) = (office.phone("A", Version::V14_1), office.phone("B", Version::V16_1));
    for phone in [&mut one, &mut two] {
        let names = phone.folder_sync().await;
        assert_eq!((names["5"].as_str(), names["6"].as_str()), ("Trash", "Archive"));
        for folder in ["1", "5", "6"] {
            phone.settle(folder, 10, 0).await;
        }
    }
    let asked = [("1:1", "1", "6"), ("1:2", "1", "6"), ("1:9", "1", "6"), ("1:3", "1", "1")];
    let lost = one.move_items(&asked).await;
    // The answer was lost, and the phone asks again.
    let answer = one.move_items(&asked).await;
    assert_eq!(lost, answer);
    let statuses: Vec<&str> = answer.iter().map(|each| each.1.as_str()).collect();
    assert_eq!(statuses, ["3", "3", "1", "4"]);
    one.moved("1", "6", &answer[0]);
    one.moved("1", "6", &answer[1]);
    for folder in ["1", "6"] {
        // What the phone did itself it is not told of.
        assert_eq!(one.settle(folder, 10, 0).await, 1);
        two.settle(folder, 10, 0).await;
        assert_eq!(one.ids(folder), two.ids(folder));
    }
    assert_eq!(one.ids("6"), ["6:1", "6:2"]);
    for (asked, status) in [
        (("1:3", "1", "77"), "2"),
        (("1:3", "1", "outbox"), "2"),
        (("1:3", "77", "6"), "1"),
        (("1:3", "5", "6"), "1"),
        (("x", "1", "6"), "1"),
        (("1:3", "1", "7"), "2"),
    ] {
        assert_eq!(one.move_items(&[asked]).await[0].1, status, "{asked:?}");
    }
    let many = vec![("1:3", "1", "6"); 1_001];
    assert!(one.call(Command::MoveItems, Some(&moving(&many))).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_move_between_address_books_only() {
    let office = Office::new();
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    let account = office.account;
    let (from, item) = office.write(move |tx| {
        let book = collection::default(tx, account, CollectionKind::Contacts)?.id;
        let text = item::Text {
            uid: "u1".into(),
            text: "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:u1\r\nFN:Ann\r\nEND:VCARD\r\n".into(),
            look: 1,
            from: 0,
            until: i64::MAX,
        };
        Ok((book, item::add(tx, book, text)?.uid))
    });
    let (status, to) =
        phone.change_folder(Command::FolderCreate, phone.creation("0", "Club", 14)).await;
    assert_eq!(status, "1");
    let (from_id, item_id) = (from.number.to_string(), format!("{}:{}", from.number, item));
    let asked = [(item_id.as_str(), from_id.as_str(), to.as_str())];
    let answer = phone.move_items(&asked).await;
    assert_eq!((answer[0].1.as_str(), answer[0].2.clone()), ("3", format!("{to}:1")));
    assert_eq!(phone.move_items(&asked).await, answer);
    let read = office.store.read();
    assert!(read.item(from, item).unwrap().is_none());
    let to = MailboxId::new(account, to.parse().unwrap());
    assert!(read.item(to, Uid(1)).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_made_renamed_and_removed_once() {
    let office = Office::new();
    let (mut one, mut two) = (office.phone("A", Version::V14_1), office.phone("B", Version::V14_1));
    one.folder_sync().await;
    two.folder_sync().await;
    let request = one.creation("0", "Projects/2024", 12);
    let lost = one.call(Command::FolderCreate, Some(&request)).await.unwrap().unwrap();
    let (status, id) = one.change_folder(Command::FolderCreate, request).await;
    assert_eq!((status.as_str(), lost.text_of(fh::SERVER_ID)), ("1", Some(id.as_str())));
    // A new request for the same name is another matter.
    let (status, _) =
        one.change_folder(Command::FolderCreate, one.creation("0", "Projects/2024", 12)).await;
    assert_eq!(status, "2");
    let (_, below) =
        one.change_folder(Command::FolderCreate, one.creation(&id, "Spring", 12)).await;
    assert!(one.folder_sync().await.is_empty(), "it knows what it has made");
    let seen = two.folder_sync().await;
    assert_eq!(seen[&below], "Spring");
    assert_eq!(seen[&id], "Projects\u{2215}2024");

    let request = one.renaming(&id, "6", "Old");
    one.call(Command::FolderUpdate, Some(&request)).await.unwrap();
    assert_eq!(one.change_folder(Command::FolderUpdate, request).await.0, "1");
    let read = office.store.read();
    let name = |id: &str| {
        let id = MailboxId::new(office.account, id.parse().unwrap());
        read.mailbox(id).unwrap().unwrap().name
    };
    assert_eq!((name(&id), name(&below)), ("Archive/Old".into(), "Archive/Old/Spring".into()));

    let request = one.deletion(&id);
    one.call(Command::FolderDelete, Some(&request)).await.unwrap();
    assert_eq!(one.change_folder(Command::FolderDelete, request).await.0, "1");
    assert_eq!(one.change_folder(Command::FolderDelete, one.deletion(&below)).await.0, "4");
    assert!(one.folder_sync().await.is_empty());
    let request = tree(fh::FOLDER_SYNC, vec![text(fh::SYNC_KEY, &two.key)]);
    let answer = two.call(Command::FolderSync, Some(&request)).await.unwrap().unwrap();
    assert_eq!(answer.child(fh::CHANGES).unwrap().all(fh::DELETE).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn special_folders_stay_as_they_are() {
    let office = Office::new();
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    for (command, request, status) in [
        (Command::FolderDelete, phone.deletion("1"), "3"),
        (Command::FolderDelete, phone.deletion("3"), "3"),
        (Command::FolderDelete, phone.deletion("7"), "3"),
        (Command::FolderDelete, phone.deletion("outbox"), "3"),
        (Command::FolderDelete, phone.deletion("11"), "3"),
        (Command::FolderDelete, phone.deletion("99"), "4"),
        (Command::FolderUpdate, phone.renaming("1", "0", "Box"), "2"),
        (Command::FolderUpdate, phone.renaming("7", "0", "Cal"), "2"),
        (Command::FolderUpdate, phone.renaming("11", "0", "Cal"), "3"),
        (Command::FolderUpdate, phone.renaming("99", "0", "Cal"), "4"),
        (Command::FolderCreate, phone.creation("99", "New", 12), "5"),
        (Command::FolderCreate, phone.creation("7", "New", 12), "5"),
        (Command::FolderCreate, phone.creation("0", "New", 2), "3"),
        (Command::FolderCreate, phone.creation("0", " \u{7} ", 12), "10"),
        (Command::FolderCreate, phone.creation("0", "New", 99), "10"),
        (Command::FolderCreate, phone.creation("0", "Sent", 12), "2"),
    ] {
        assert_eq!(phone.change_folder(command, request.clone()).await.0, status, "{request:?}");
    }
    let mut stranger = office.phone("A", Version::V14_1);
    stranger.key = "12345".into();
    let request = stranger.creation("0", "New", 12);
    assert_eq!(stranger.change_folder(Command::FolderCreate, request).await.0, "9");
}

/// A message with this id, which answers another one, as it arrives by mail.
async fn arrives(phone: &Phone<'_>, id: &str, answers: &str) {
    let mime = format!(
        "From: anna@office.example\r\nTo: anna@office.example\r\nSubject: Re: Plan\r\n\
         Message-ID: <{id}@x.example>\r\nIn-Reply-To: <{answers}@x.example>\r\n\r\ntext\r\n"
    );
    phone.post(Command::SendMail, &mime, vec![]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_is_always_moved_stays_together() {
    use crate::format::wbxml::tags::{email2 as e2, item_operations as io};
    let office = Office::new();
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    for folder in ["1", "5", "6"] {
        phone.settle(folder, 10, 0).await;
    }
    arrives(&phone, "1", "0").await;
    phone.settle("1", 10, 0).await;
    let id = phone.folders["1"].items["1:1"].child(e2::CONVERSATION_ID).unwrap().bytes();
    let move_always = async |to: &str| {
        let id = Element {
            tag: io::CONVERSATION_ID,
            value: wbxml::Value::Opaque(id.clone()),
            children: Vec::new(),
        };
        let options = tree(io::OPTIONS, vec![Element::new(io::MOVE_ALWAYS)]);
        let operation = tree(io::MOVE, vec![id, text(io::DST_FLD_ID, to), options]);
        let request = tree(io::ITEM_OPERATIONS, vec![operation]);
        let phone = office.phone("A", Version::V14_1);
        let answer = phone.call(Command::ItemOperations, Some(&request)).await.unwrap().unwrap();
        let moved = answer.child(io::RESPONSE).unwrap().child(io::MOVE).unwrap().clone();
        assert_eq!(moved.text_of(io::STATUS), Some("1"));
    };
    move_always("6").await;
    arrives(&phone, "2", "1").await;
    arrives(&phone, "other", "none").await;
    phone.settle("1", 10, 0).await;
    phone.settle("6", 10, 0).await;
    assert_eq!((phone.ids("1"), phone.ids("6")), (vec!["1:2"], vec!["6:1", "6:2"]));
    // Thrown away one of them, the others still follow.
    let thrown = phone.move_items(&[("6:1", "6", "5")]).await;
    assert_eq!(thrown[0].1, "3");
    arrives(&phone, "3", "2").await;
    phone.folders.get_mut("6").unwrap().items.remove("6:1");
    phone.settle("6", 10, 0).await;
    assert_eq!(phone.ids("6"), ["6:2", "6:3"]);
    // Taken back by hand, or by moving the conversation to the inbox, it ends.
    let back = phone.move_items(&[("6:3", "6", "1")]).await;
    assert_eq!(back[0].1, "3");
    arrives(&phone, "4", "3").await;
    let count = |name: &str| office.mailbox(office.account, name).messages;
    assert_eq!((count("INBOX"), count("Archive")), (3, 1));
    // Moved anew, it comes from everywhere, also from the trash; what was sent stays.
    let sent = count("Sent");
    move_always("6").await;
    assert_eq!((count("INBOX"), count("Archive"), count("Trash")), (1, 4, 0));
    move_always("1").await;
    arrives(&phone, "5", "4").await;
    assert_eq!((count("INBOX"), count("Archive")), (6, 0));
    assert_eq!(count("Sent"), sent);
}
