//! Sync, one rule at a time.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_brings_everything_once_in_pages_of_the_newest_first() {
    let office = Office::new();
    for number in 0..25 {
        office.deliver(&number.to_string(), 0);
    }
    let mut phone = office.phone("A", Version::V14_1);
    let names = phone.folder_sync().await;
    assert_eq!(names["1"], "Inbox");
    assert!(phone.folder_sync().await.is_empty());
    let first = phone.sync("1", 10, 0, &[]).await.unwrap();
    assert!(!first.has(t::COMMANDS), "the first answer is a key alone");
    let page = phone.sync("1", 10, 0, &[]).await.unwrap();
    assert!(page.has(t::MORE_AVAILABLE));
    assert!(phone.ids("1").contains(&"1:25") && phone.ids("1").contains(&"1:16"));
    assert_eq!(phone.settle("1", 10, 0).await, 3);
    assert_eq!(phone.ids("1").len(), 25);
    // A poll that finds nothing leaves the key.
    let key = phone.folders["1"].key.clone();
    assert!(phone.sync("1", 10, 0, &[]).await.is_none());
    assert_eq!(phone.folders["1"].key, key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gives_the_same_and_does_nothing_twice() {
    let office = Office::new();
    for number in 0..5 {
        office.deliver(&number.to_string(), 0);
    }
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    phone.settle("1", 100, 0).await;
    office.deliver("new", 0);
    let request = phone.request("1", 100, 0, &[mark_read("1:1", true), delete("1:2")]);
    let lost = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let again = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let key = |answer: &Element| {
        let collection = answer.child(t::COLLECTIONS).unwrap().child(t::COLLECTION).unwrap();
        collection.text_of(t::SYNC_KEY).unwrap().to_owned()
    };
    assert_eq!(key(&lost), key(&again));
    // Somebody marks it unread again; the repeated request must not undo that. This answer says
    // something else, and has another key.
    office.flag(1, Flags::SEEN, false);
    let again = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    assert_ne!(key(&lost), key(&again));
    phone.folders.get_mut("1").unwrap().items.remove("1:2");
    phone.take("1", &again);
    phone.settle("1", 100, 0).await;
    assert_eq!(phone.ids("1"), ["1:1", "1:3", "1:4", "1:5", "1:6"]);
    let read = office.store.read();
    assert!(
        !read.message(office.inbox, crate::base::id::Uid(1)).unwrap().unwrap().hot.flags.seen()
    );
    let trash = read.mailbox(MailboxId::new(office.account, 5)).unwrap().unwrap();
    assert_eq!((trash.name.as_str(), trash.messages), ("Trash", 1));
    // A key from two steps ago is none any more.
    office.deliver("newer", 0);
    phone.settle("1", 100, 0).await;
    let stale = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let collection = stale.child(t::COLLECTIONS).unwrap().child(t::COLLECTION).unwrap();
    assert_eq!(collection.text_of(t::STATUS), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_nowhere_is_refused_and_first_requests_end_at_one_key() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    phone.sync("1", 10, 0, &[]).await;
    let first = phone.folders["1"].key.clone();
    phone.folders.clear();
    phone.sync("1", 10, 0, &[]).await;
    assert_eq!(phone.folders["1"].key, first);
    phone.folders.get_mut("1").unwrap().key = "4711".into();
    let request = phone.request("1", 10, 0, &[]);
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let collection = answer.child(t::COLLECTIONS).unwrap().child(t::COLLECTION).unwrap();
    assert_eq!(collection.text_of(t::STATUS), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_window_takes_away_softly_and_a_wider_one_brings_back() {
    let office = Office::new();
    for age in [0, 2, 10, 40] {
        office.deliver(&age.to_string(), age);
    }
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    phone.settle("1", 100, 5).await;
    assert_eq!(phone.ids("1"), ["1:1", "1:2", "1:3"]);
    let answer = phone.sync("1", 100, 2, &[]).await.unwrap();
    let commands = answer.child(t::COMMANDS).unwrap();
    assert_eq!(commands.all(t::SOFT_DELETE).count(), 1);
    assert_eq!(phone.ids("1"), ["1:1", "1:2"]);
    phone.settle("1", 100, 0).await;
    assert_eq!(phone.ids("1").len(), 4);
    // An old message that arrives by an import is outside.
    phone.settle("1", 100, 3).await;
    office.deliver("old", 300);
    assert!(phone.sync("1", 100, 3, &[]).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn own_changes_are_not_echoed_and_invisible_ones_not_told() {
    let office = Office::new();
    for number in 0..3 {
        office.deliver(&number.to_string(), 0);
    }
    let (mut one, mut two) = (office.phone("A", Version::V14_1), office.phone("B", Version::V16_1));
    for phone in [&mut one, &mut two] {
        phone.folder_sync().await;
        phone.settle("1", 100, 0).await;
    }
    let answer = one.sync("1", 100, 0, &[mark_read("1:1", true), mark_read("1:99", true)]).await;
    let answer = answer.unwrap();
    assert!(!answer.has(t::COMMANDS));
    let failed = answer.child(t::RESPONSES).unwrap().child(t::CHANGE).unwrap();
    assert_eq!(failed.text_of(t::STATUS), Some("8"));
    let told = two.sync("1", 100, 0, &[]).await.unwrap();
    assert_eq!(told.child(t::COMMANDS).unwrap().all(t::CHANGE).count(), 1);
    assert!(one.sync("1", 100, 0, &[]).await.is_none());
    // \Deleted is IMAP's alone.
    office.flag(2, Flags::DELETED, true);
    assert!(one.sync("1", 100, 0, &[]).await.is_none());
    assert!(two.sync("1", 100, 0, &[]).await.is_none());
    // Read and unread again before the phone heard of it.
    office.flag(3, Flags::SEEN, true);
    office.flag(3, Flags::SEEN, false);
    assert!(one.sync("1", 100, 0, &[]).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_request_repeats_the_last_one() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = office.phone("A", Version::V14_1);
    let status = |answer: Option<Element>| answer.unwrap().text_of(t::STATUS).unwrap().to_owned();
    assert_eq!(status(phone.call(Command::Sync, None).await.unwrap()), "13");
    phone.folder_sync().await;
    phone.settle("1", 100, 0).await;
    assert!(phone.call(Command::Sync, None).await.unwrap().is_none());
    office.deliver("b", 0);
    let answer = phone.call(Command::Sync, None).await.unwrap().unwrap();
    phone.take("1", &answer);
    assert_eq!(phone.ids("1"), ["1:1", "1:2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_folder_sends_the_phone_to_folder_sync() {
    let office = Office::new();
    let account = office.account;
    let id = office.write(move |tx| mailbox::create(tx, account, "Old", None)).id;
    let mut phone = office.phone("A", Version::V14_1);
    let folder = id.number.to_string();
    assert!(phone.folder_sync().await.contains_key(&folder));
    phone.sync(&folder, 10, 0, &[]).await;
    office.write(move |tx| mailbox::delete(tx, account, "Old"));
    let request = phone.request(&folder, 10, 0, &[]);
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let collection = answer.child(t::COLLECTIONS).unwrap().child(t::COLLECTION).unwrap();
    assert_eq!(collection.text_of(t::STATUS), Some("12"));
    // Once the phone knows, nothing is kept about it.
    assert!(phone.folder_sync().await.is_empty());
    let read = office.store.read();
    let device = crate::domain::device::find(&read, account, "A").unwrap().unwrap().number;
    let states = crate::store::rows::sync::of_device(&read, account, device).unwrap();
    assert!(states.is_empty(), "{states:?}");
}

/// A phone cut a connection and asked again, and the first request was still on its way: it does
/// not matter which of the answers is made last, or which of them the phone got.
#[tokio::test(flavor = "multi_thread")]
async fn whichever_answer_a_phone_got_it_goes_on_from_there() {
    for got in 0..3 {
        let office = Office::new();
        office.deliver("old", 0);
        let mut phone = office.phone("A", Version::V14_1);
        phone.folder_sync().await;
        phone.settle("1", 100, 0).await;
        let request = phone.request("1", 100, 0, &[]);
        let mut answers = Vec::new();
        for subject in ["one", "two"] {
            office.deliver(subject, 0);
            answers.push(phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap());
        }
        // Gone again: the next answer tells that there is one message alone.
        office.remove(2);
        answers.push(phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap());
        phone.take("1", &answers[got]);
        assert!(rings(&phone, 1).await || got == 2, "a Ping goes by what the phone may not have");
        phone.settle("1", 100, 0).await;
        assert_eq!(phone.ids("1"), ["1:1", "1:3"], "it got answer {got}");
        assert!(!rings(&phone, 1).await, "a Ping that rings for nothing");
    }
}

/// The same for folders.
#[tokio::test(flavor = "multi_thread")]
async fn whichever_hierarchy_a_phone_got_it_hears_of_the_rest() {
    let office = Office::new();
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    phone.settle("1", 100, 0).await;
    let before = phone.key.clone();
    let account = office.account;
    let make = |name: &'static str| {
        office.write(move |tx| mailbox::create(tx, account, name, None));
    };
    make("Here");
    assert_eq!(phone.folder_sync().await.len(), 1);
    let (held, again) = (phone.key.clone(), phone.folder_sync().await);
    assert!(again.is_empty());
    // The old request comes through only now, when there is another folder.
    make("There");
    phone.key = before;
    assert_eq!(phone.folder_sync().await.len(), 2);
    phone.key = held;
    assert!(rings(&phone, 1).await, "the phone has yet to hear of a folder");
    let names = phone.folder_sync().await;
    assert_eq!(names.into_values().collect::<Vec<_>>(), ["There"]);
    assert!(phone.folder_sync().await.is_empty());
}

/// Whether a Ping about a folder answers at once.
async fn rings(phone: &Phone<'_>, folder: u32) -> bool {
    use wbxml::tags::ping as p;
    let folder = tree(p::FOLDER, vec![text(p::ID, &folder.to_string()), text(p::CLASS, "Email")]);
    let request =
        tree(p::PING, vec![text(p::HEARTBEAT_INTERVAL, "60"), tree(p::FOLDERS, vec![folder])]);
    let answer = phone.call(Command::Ping, Some(&request));
    tokio::time::timeout(std::time::Duration::from_millis(300), answer).await.is_ok()
}
