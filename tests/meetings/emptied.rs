//! EmptyFolderContents: a calendar is emptied without a word to anybody, folders of the other
//! kinds are, and the trash with what lies below it.

use kontor::format::wbxml::tags::{
    contacts, folder_hierarchy as fh, item_operations as io, notes, tasks,
};

use super::*;
use crate::support::eas::delete;
use crate::support::eas::model::IPHONE;
use crate::support::message;

/// Empties a folder; the operation's status.
fn empty_folder(phone: &mut Phone, folder: &str, below: bool) -> String {
    let mut parts = vec![text(t::COLLECTION_ID, folder)];
    if below {
        parts.push(tree(io::OPTIONS, [empty(io::DELETE_SUB_FOLDERS)]));
    }
    let request = tree(io::ITEM_OPERATIONS, [tree(io::EMPTY_FOLDER_CONTENTS, parts)]);
    let reply = phone.call("ItemOperations", &request);
    let way = [io::RESPONSE, io::EMPTY_FOLDER_CONTENTS, io::STATUS];
    reply.at(&way).unwrap_or_else(|| panic!("{:?}", reply.element)).to_owned()
}

#[test]
fn a_calendar_is_emptied_without_a_word() {
    let server = Server::shared();
    let (organizer, attendee) = (server.account(), server.account());
    let mut anna = Pocket::quick(server, &IPHONE, &organizer);
    let mut ben = Pocket::quick(server, &IPHONE, &attendee);
    // Anna's own meetings, one of them a series, and one that Ben asks her to.
    let calendar = anna.calendar.clone();
    let (own, weekly) = ("emptied single", "emptied weekly");
    let adds = vec![
        meeting("1", own, 8, false, &[&attendee]),
        meeting("2", weekly, 9, true, &[&attendee]),
    ];
    anna.phone.change(&calendar, adds);
    let bens = ben.calendar.clone();
    ben.phone.change(&bens, vec![meeting("3", "emptied guest", 10, false, &[&organizer])]);
    for subject in [own, weekly] {
        ben.mail(subject, "IPM.Schedule.Meeting.Request");
    }
    anna.mail("emptied guest", "IPM.Schedule.Meeting.Request");
    anna.event_with("emptied guest", "stands in the calendar", |_| true);

    assert_eq!(empty_folder(&mut anna.phone, &calendar, true), "1");
    anna.settle();
    assert_eq!(anna.phone.held[&calendar].items.len(), 0);
    // What is deleted by itself is called off. That mail went out behind whatever the emptying
    // would have sent.
    anna.phone.change(&calendar, vec![meeting("4", "emptied off", 11, false, &[&attendee])]);
    let held = anna.phone.held.get_mut(&calendar).expect("a calendar");
    let (id, _) = held.items.pop_first().expect("added");
    anna.phone.change(&calendar, vec![delete(&id)]);
    ben.mail("Canceled: emptied off", "IPM.Schedule.Meeting.Canceled");
    for subject in [own, weekly] {
        assert_eq!(count(server, &attendee, "INBOX", subject), 1, "only the invitation");
    }
    assert_eq!(count(server, &attendee, "INBOX", "emptied guest"), 0, "no answer");
    assert!(ben.event(own).is_some() && ben.event(weekly).is_some());
}

#[test]
fn folders_of_every_kind_are_emptied() {
    let server = Server::shared();
    let account = server.account();
    let mut phone = Phone::quick(server, &IPHONE, &account);
    phone.folder_sync();
    let named = |tag, name: &str| tree(t::APPLICATION_DATA, [text(tag, name)]);
    for (kind, tag) in [(9, contacts::LAST_NAME), (7, tasks::SUBJECT), (10, notes::SUBJECT)] {
        let folder = phone.folder(kind);
        phone.settle(&[&folder]);
        let add = |id: &str| tree(t::ADD, [text(t::CLIENT_ID, id), named(tag, id)]);
        phone.change(&folder, vec![add("one"), add("two")]);
        assert_eq!(phone.held[&folder].items.len(), 2);
        assert_eq!(empty_folder(&mut phone, &folder, false), "1");
        phone.settle(&[&folder]);
        assert_eq!(phone.held[&folder].items.len(), 0, "{kind}");
        assert_eq!(empty_folder(&mut phone, &folder, false), "1", "of nothing");
    }
    assert_eq!(empty_folder(&mut phone, "4711", false), "6");
    // The trash with a folder that was thrown away.
    let trash = phone.folder(4);
    let parts = [
        text(fh::SYNC_KEY, &phone.folder_key),
        text(fh::PARENT_ID, &trash),
        text(fh::DISPLAY_NAME, "Old"),
        text(fh::TYPE, 12),
    ];
    let reply = phone.call("FolderCreate", &tree(fh::FOLDER_CREATE, parts));
    phone.folder_key = reply.at(&[fh::SYNC_KEY]).expect("a key").to_owned();
    let old = reply.at(&[fh::SERVER_ID]).expect("an id").to_owned();
    let mut imap = server.imap(&account);
    imap.append("Trash", "", &message("Thrown away", "x"));
    imap.append("Trash/Old", "", &message("Long ago", "x"));
    phone.settle(&[&trash, &old]);
    assert_eq!(empty_folder(&mut phone, &trash, false), "1");
    phone.settle(&[&trash, &old]);
    let held = [&trash, &old].map(|folder| phone.held[folder].items.len());
    assert_eq!(held, [0, 1]);
    assert_eq!(empty_folder(&mut phone, &trash, true), "1");
    assert!(!imap.cmd("STATUS Trash/Old (MESSAGES)").is_ok());
}
