//! What the random game of two phones and a desk (`tests/eas/converge`) once found, fault by
//! fault: an answer is lost, or others are at work between a phone's requests.

use super::*;
use crate::base::id::Uid;
use crate::base::uidset::UidSet;
use crate::domain::{collection, device, item};
use crate::eas::folder;
use crate::store::rows::collection::CollectionKind;
use wbxml::tags::{calendar as c, email as e};

const INBOX: &str = "1";
const DRAFTS: &str = "2";
const TRASH: &str = "5";
const ARCHIVE: &str = "6";
const CALENDAR: &str = "7";

/// A phone that has these folders as they are.
async fn settled<'o>(office: &'o Office, version: Version, folders: &[&str]) -> Phone<'o> {
    let mut phone = office.phone("A", version);
    phone.folder_sync().await;
    for folder in folders {
        phone.settle(folder, 10, 0).await;
    }
    phone
}

impl Office {
    /// Somebody else moves a message.
    fn carry(&self, from: &str, uid: u32, to: &str) {
        let mailbox = |id: &str| MailboxId::new(self.account, id.parse().unwrap());
        let (from, to) = (mailbox(from), mailbox(to));
        let moved = self.write(move |tx| message::move_to(tx, from, &UidSet::range(uid, uid), to));
        assert_eq!(moved.len(), 1);
    }
}

impl Phone<'_> {
    /// What the phone shows of a message.
    fn shows(&self, folder: &str, id: &str, tag: Tag) -> String {
        let item = &self.folders[folder].items[id];
        item.child(tag).map_or_else(String::new, Element::to_string)
    }
}

/// A Change that marks a message for follow-up, and how the phone shows it then.
fn mark_flagged(phone: &mut Phone<'_>, id: &str) -> Element {
    let flag = tree(e::FLAG, vec![text(e::STATUS, "2"), text(e::FLAG_TYPE, "Follow up")]);
    let shown = phone.folders.get_mut(INBOX).unwrap().items.get_mut(id).unwrap();
    shown.children.retain(|child| child.tag != e::FLAG);
    shown.children.push(flag.clone());
    let data = tree(t::APPLICATION_DATA, vec![flag]);
    tree(t::CHANGE, vec![text(t::SERVER_ID, id), data])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_into_a_folder_just_begun_does_not_come_a_second_time() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX]).await;
    // The first request for a folder, whose answer is a key alone.
    phone.sync(ARCHIVE, 10, 0, &[]).await;
    let moved = phone.move_items(&[("1:1", INBOX, ARCHIVE)]).await;
    phone.moved(INBOX, ARCHIVE, &moved[0]);
    phone.settle(ARCHIVE, 10, 0).await;
    phone.settle(INBOX, 10, 0).await;
    assert_eq!((phone.ids(INBOX), phone.ids(ARCHIVE)), (vec![], vec!["6:1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_move_is_answered_as_before_though_others_moved_the_item_on() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX, ARCHIVE, TRASH]).await;
    let lost = phone.move_items(&[("1:1", INBOX, ARCHIVE)]).await;
    office.carry(ARCHIVE, 1, TRASH);
    let again = phone.move_items(&[("1:1", INBOX, ARCHIVE)]).await;
    assert_eq!(again, lost);
    phone.moved(INBOX, ARCHIVE, &again[0]);
    for folder in [ARCHIVE, TRASH] {
        phone.settle(folder, 10, 0).await;
    }
    assert_eq!((phone.ids(ARCHIVE), phone.ids(TRASH)), (vec![], vec!["5:1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_move_is_answered_as_before_though_its_folder_is_gone() {
    let office = Office::new();
    let account = office.account;
    let old = office.write(move |tx| mailbox::create(tx, account, "Old", None)).id;
    let from = old.number.to_string();
    office.deliver("a", 0);
    office.carry(INBOX, 1, &from);
    let mut phone = settled(&office, Version::V14_1, &[&from, ARCHIVE]).await;
    let item = format!("{from}:1");
    let lost = phone.move_items(&[(&item, &from, ARCHIVE)]).await;
    office.write(move |tx| mailbox::delete(tx, account, "Old"));
    let again = phone.move_items(&[(&item, &from, ARCHIVE)]).await;
    assert_eq!(again, lost);
    phone.moved(&from, ARCHIVE, &again[0]);
    phone.settle(ARCHIVE, 10, 0).await;
    assert_eq!(phone.ids(ARCHIVE), ["6:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_any_more_does_not_stay_as_a_ghost() {
    let office = Office::new();
    let account = office.account;
    let new = office.write(move |tx| mailbox::create(tx, account, "New", None)).id;
    let to = new.number.to_string();
    office.deliver("a", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX, &to]).await;
    phone.move_items(&[("1:1", INBOX, &to)]).await;
    // The phone did not hear that, and where it would move the message is nothing any more.
    office.write(move |tx| mailbox::delete(tx, account, "New"));
    let again = phone.move_items(&[("1:1", INBOX, &to)]).await;
    assert_ne!(again[0].1, "3");
    phone.settle(INBOX, 10, 0).await;
    assert_eq!(phone.ids(INBOX), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_told_of_a_message_is_told_where_it_was_moved() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX, ARCHIVE]).await;
    office.flag(1, Flags::SEEN, true);
    let moved = phone.move_items(&[("1:1", INBOX, ARCHIVE)]).await;
    phone.moved(INBOX, ARCHIVE, &moved[0]);
    phone.settle(ARCHIVE, 10, 0).await;
    assert_eq!(phone.folders[ARCHIVE].items["6:1"].text_of(e::READ), Some("1"));
}

/// An event of an hour that the window's look takes to end then.
fn event(uid: &str, subject: &str, day: &str, until: i64) -> item::Text {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20231101T000000Z\r\nDTSTART:{day}T090000Z\r\nDTEND:{day}T100000Z\r\n\
         SUMMARY:{subject}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let look = subject.bytes().map(u64::from).sum();
    item::Text { uid: uid.into(), text, look, from: until - 3_600, until }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_changed_while_it_left_the_window_is_told_when_that_is_widened() {
    let office = Office::new();
    let account = office.account;
    let calendar =
        collection::default(&office.store.read(), account, CollectionKind::Calendar).unwrap().id;
    let both = office.write(move |tx| {
        let other = item::add(tx, calendar, event("other", "Other", "20231116", NOW + 86_400))?;
        let moved = item::add(tx, calendar, event("moved", "Soon", "20231116", NOW + 86_400))?;
        Ok((other.uid, moved.uid))
    });
    assert_eq!(both, (Uid(1), Uid(2)));
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    phone.settle(CALENDAR, 10, 4).await;
    assert_eq!(phone.ids(CALENDAR), ["7:1", "7:2"]);
    office.write(move |tx| {
        item::remove(tx, calendar, Uid(1))?;
        item::change(
            tx,
            calendar,
            Uid(2),
            event("moved", "Long ago", "20231001", NOW - 40 * 86_400),
        )
    });
    // A page has room for one of the two.
    phone.sync(CALENDAR, 1, 4, &[]).await;
    assert_eq!(phone.ids(CALENDAR), ["7:2"]);
    phone.settle(CALENDAR, 10, 0).await;
    assert_eq!(phone.folders[CALENDAR].items["7:2"].text_of(c::SUBJECT), Some("Long ago"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_whose_answer_was_lost_and_that_others_moved_away_goes() {
    let office = Office::new();
    let mut phone = settled(&office, Version::V16_1, &[DRAFTS, TRASH]).await;
    let data = vec![text(e::TO, "ben@else.example"), text(e::SUBJECT, "Plan")];
    let add = tree(t::ADD, vec![text(t::CLIENT_ID, "d"), tree(t::APPLICATION_DATA, data)]);
    let request = phone.request(DRAFTS, 10, 0, &[add]);
    phone.call(Command::Sync, Some(&request)).await.unwrap();
    office.carry(DRAFTS, 1, TRASH);
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    // The phone learns of the id that its draft has, and of what comes in the same answer then.
    let collection = answer.child(t::COLLECTIONS).unwrap().child(t::COLLECTION).unwrap();
    let added = collection.child(t::RESPONSES).unwrap().child(t::ADD).unwrap();
    assert_eq!(added.text_of(t::SERVER_ID), Some("2:1"));
    let draft = Element::new(t::APPLICATION_DATA);
    phone.folders.get_mut(DRAFTS).unwrap().items.insert("2:1".into(), draft);
    phone.take(DRAFTS, &answer);
    phone.settle(DRAFTS, 10, 0).await;
    assert_eq!(phone.ids(DRAFTS), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phones_own_flag_goes_again_where_others_took_back_all_that_was_changed() {
    let office = Office::new();
    office.deliver("a", 0);
    office.deliver("b", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX]).await;
    let before = phone.shows(INBOX, "1:2", e::FLAG);
    office.remove(1);
    office.flag(2, Flags::SEEN, true);
    // A page has room for the removal alone.
    let change = mark_flagged(&mut phone, "1:2");
    phone.sync(INBOX, 1, 0, &[change]).await;
    assert_eq!(
        (phone.ids(INBOX), phone.shows(INBOX, "1:2", e::READ).contains('1')),
        (vec!["1:2"], false)
    );
    office.flag(2, Flags::SEEN, false);
    office.flag(2, Flags::FLAGGED, false);
    phone.settle(INBOX, 10, 0).await;
    assert_eq!(phone.shows(INBOX, "1:2", e::FLAG), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_changed_beside_a_phones_own_flag_survives_a_lost_answer() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX]).await;
    office.flag(1, Flags::SEEN, true);
    let change = mark_flagged(&mut phone, "1:1");
    let request = phone.request(INBOX, 10, 0, &[change]);
    phone.call(Command::Sync, Some(&request)).await.unwrap();
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    phone.take(INBOX, &answer);
    phone.settle(INBOX, 10, 0).await;
    assert_eq!(phone.folders[INBOX].items["1:1"].text_of(e::READ), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_late_a_second_time_does_not_say_what_a_moved_message_looks_like() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX, ARCHIVE]).await;
    let request = phone.request(INBOX, 10, 0, &[mark_read("1:1", true)]);
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    phone.take(INBOX, &answer);
    let shown = phone.folders.get_mut(INBOX).unwrap().items.get_mut("1:1").unwrap();
    shown.children.retain(|child| child.tag != e::READ);
    shown.children.push(text(e::READ, "1"));
    // On its way twice, and the second time it is answered with what others did since.
    office.flag(1, Flags::SEEN, false);
    phone.call(Command::Sync, Some(&request)).await.unwrap();
    let moved = phone.move_items(&[("1:1", INBOX, ARCHIVE)]).await;
    phone.moved(INBOX, ARCHIVE, &moved[0]);
    for folder in [INBOX, ARCHIVE] {
        phone.settle(folder, 10, 0).await;
    }
    assert_eq!(phone.folders[ARCHIVE].items["6:1"].text_of(e::READ), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_folder_delete_remembers_the_folders_below() {
    let office = Office::new();
    let mut phone = settled(&office, Version::V14_1, &[]).await;
    let (_, above) =
        phone.change_folder(Command::FolderCreate, phone.creation("0", "Above", 12)).await;
    phone.change_folder(Command::FolderCreate, phone.creation(&above, "Below", 12)).await;
    let request = phone.deletion(&above);
    phone.call(Command::FolderDelete, Some(&request)).await.unwrap();
    // Something else, so that the repeated request is answered anew.
    let account = office.account;
    office.write(move |tx| mailbox::create(tx, account, "Elsewhere", None));
    assert_eq!(phone.change_folder(Command::FolderDelete, request).await.0, "1");
    let request = tree(fh::FOLDER_SYNC, vec![text(fh::SYNC_KEY, &phone.key)]);
    let answer = phone.call(Command::FolderSync, Some(&request)).await.unwrap().unwrap();
    let changes = answer.child(fh::CHANGES).unwrap();
    assert_eq!(
        (changes.all(fh::ADD).count(), changes.all(fh::DELETE).count()),
        (1, 0),
        "{changes}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_move_remembers_what_others_had_moved_there() {
    let office = Office::new();
    office.deliver("a", 0);
    let mut phone = settled(&office, Version::V14_1, &[INBOX, ARCHIVE, TRASH]).await;
    // Others are quicker, with the same thing in mind, and then change theirs.
    office.carry(INBOX, 1, ARCHIVE);
    let lost = phone.move_items(&[("1:1", INBOX, ARCHIVE)]).await;
    assert_eq!(lost[0].1, "3");
    office.carry(ARCHIVE, 1, TRASH);
    let again = phone.move_items(&[("1:1", INBOX, ARCHIVE)]).await;
    assert_eq!(again, lost);
    phone.moved(INBOX, ARCHIVE, &again[0]);
    for folder in [ARCHIVE, TRASH] {
        phone.settle(folder, 10, 0).await;
    }
    assert_eq!((phone.ids(ARCHIVE), phone.ids(TRASH)), (vec![], vec!["5:1"]));
}

impl Phone<'_> {
    /// The answer to a FolderSync, which the phone may never hear.
    async fn ask_for_folders(&self) -> (String, usize) {
        let request = tree(fh::FOLDER_SYNC, vec![text(fh::SYNC_KEY, &self.key)]);
        let answer = self.call(Command::FolderSync, Some(&request)).await.unwrap().unwrap();
        assert_eq!(answer.text_of(fh::STATUS), Some("1"));
        let changes = answer.child(fh::CHANGES).unwrap();
        (answer.text_of(fh::SYNC_KEY).unwrap().to_owned(), changes.children.len() - 1)
    }

    /// Whether a Ping would say that the folders have changed.
    fn is_behind(&self) -> bool {
        let read = self.office.store.read();
        let device = device::find(&read, self.office.account, &self.id).unwrap().unwrap();
        folder::is_behind(&read, self.office.account, device.number, self.version).unwrap()
    }

    /// How many FolderSyncs it takes until a Ping waits.
    async fn until_it_waits(&mut self) -> usize {
        for count in 0..5 {
            if !self.is_behind() {
                return count;
            }
            self.key = self.ask_for_folders().await.0;
        }
        panic!("a Ping says for ever that folders have changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_waits_whichever_of_several_answers_about_folders_the_phone_has() {
    let office = Office::new();
    let account = office.account;
    let make =
        |name: &'static str| office.write(move |tx| mailbox::create(tx, account, name, None));
    let mut phone = settled(&office, Version::V14_1, &[]).await;
    assert!(!phone.is_behind());
    // Two answers to one key: it has the older, or the newer.
    make("One");
    let older = phone.ask_for_folders().await;
    make("Two");
    let newer = phone.ask_for_folders().await;
    assert_eq!((older.1, newer.1), (1, 2));
    phone.key = older.0;
    assert!(phone.is_behind(), "of the second folder");
    assert_eq!(phone.until_it_waits().await, 1);
    make("Three");
    let _lost = phone.ask_for_folders().await;
    make("Four");
    phone.key = phone.ask_for_folders().await.0;
    assert!(phone.until_it_waits().await <= 1);

    // What it was told, and did not hear, is taken back.
    make("Five");
    let _lost = phone.ask_for_folders().await;
    office.write(move |tx| mailbox::delete(tx, account, "Five"));
    assert!(phone.until_it_waits().await <= 2);
    assert_eq!(phone.ask_for_folders().await, (phone.key.clone(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_tells_of_folders_whichever_beginning_the_phone_has() {
    let office = Office::new();
    let account = office.account;
    let make =
        |name: &'static str| office.write(move |tx| mailbox::create(tx, account, name, None));
    let mut phone = settled(&office, Version::V14_1, &[]).await;
    make("One");
    let old = phone.key.clone();
    phone.key = phone.ask_for_folders().await.0;
    // It begins anew, and an old request comes through behind that.
    phone.key = "0".into();
    phone.folder_sync().await;
    let begun = std::mem::replace(&mut phone.key, old);
    make("Two");
    phone.ask_for_folders().await;
    phone.key = begun;
    assert!(phone.is_behind(), "of the second folder");
    assert_eq!(phone.ask_for_folders().await.1, 1);
    assert!(phone.until_it_waits().await <= 2);
}

/// Found by events at random (`homes::chance`): a phone that wants all of a calendar never saw what
/// had been before 1970.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_1954_is_shown_to_who_wants_all() {
    let office = Office::new();
    let calendar = MailboxId::new(office.account, CALENDAR.parse().unwrap());
    let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:e\r\nSUMMARY:Final\r\n\
        DTSTART:19540704T160000Z\r\nDTEND:19540704T180000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let (from, until) = (-489_052_800, -489_045_600);
    let event = item::Text { uid: "e".into(), text: text.into(), look: 1, from, until };
    office.write(move |tx| item::add(tx, calendar, event));
    let phone = settled(&office, Version::V14_1, &[CALENDAR]).await;
    assert_eq!(phone.ids(CALENDAR).len(), 1);
}
