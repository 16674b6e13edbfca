//! Whole account set-ups, in the order of each model, kept as transcripts.

use kontor::format::wbxml::tags::{air_sync as t, folder_hierarchy as fh, ping, settings as s};

use super::with_attachment;
use crate::support::eas::model::{self, Model};
use crate::support::eas::transcript::Transcript;
use crate::support::eas::{Phone, mark_read, text, tree};
use crate::support::{Server, message};

/// Folder types (MS-ASCMD 2.2.3.186.2).
const INBOX: u8 = 2;
const TASKS: u8 = 7;
const CALENDAR: u8 = 8;
const CONTACTS: u8 = 9;
const NOTES: u8 = 10;

/// A phone of somebody who has two messages.
pub(super) fn begin(name: &str, title: &str, model: &'static Model) -> Phone {
    let server = Server::shared();
    let account = server.account();
    server.deliver(&account, &message("Hello", "Lunch at twelve?"));
    server.deliver(&account, &with_attachment());
    let mut phone = Phone::new(server, model, &account);
    let mut transcript = Transcript::new(name, &account.email);
    transcript.note(title);
    phone.transcript = Some(transcript);
    phone
}

pub(super) fn note(phone: &mut Phone, text: &str) {
    if let Some(transcript) = &mut phone.transcript {
        transcript.note(text);
    }
}

/// Waits by Ping until a message comes, fetches it and marks it as read.
fn one_message_later(phone: &mut Phone, folders: &[&str]) {
    let server = Server::shared();
    let inbox = phone.folder(INBOX);
    let request = phone.ping_request(folders, phone.model.heartbeat);
    let waiting = phone.start_ping(folders, phone.model.heartbeat);
    server.deliver(&phone.account, &message("Later", "One more."));
    let reply = phone.answer("Ping", waiting, crate::support::PATIENCE).expect("woken");
    assert_eq!(reply.at(&[ping::STATUS]), Some("2"), "{reply:?}");
    if let Some(transcript) = &mut phone.transcript {
        transcript.note("While the phone waits, a message comes.");
        transcript.exchange("Ping", Some(&request), &reply);
    }
    assert!(phone.sync(&[&inbox]));
    let newest = phone.held[&inbox].items.iter().find(|(_, data)| {
        data.text_of(kontor::format::wbxml::tags::email::SUBJECT) == Some("Later")
    });
    let newest = newest.expect("the message").0.clone();
    note(phone, "It is read there.");
    phone.change(&inbox, vec![mark_read(&newest, true)]);
    assert!(!phone.sync(&[&inbox]), "its own change came back");
    assert_eq!(phone.held[&inbox].items.len(), 3);
}

pub(super) fn end(mut phone: Phone) {
    phone.transcript.take().expect("begun with one").check();
}

#[test]
fn a_windows_phone_8() {
    let mut phone = begin("windows-phone-8", "Windows Phone 8.0: 14.0", &model::WINDOWS_PHONE_8);
    phone.options();
    phone.provision();
    phone.inform();
    phone.folder_sync();
    let ids = [INBOX, CALENDAR, CONTACTS, TASKS].map(|kind| phone.folder(kind));
    let folders = ids.each_ref().map(String::as_str);
    phone.sync(&folders);
    phone.settle(&folders);
    one_message_later(&mut phone, &folders);
    phone.ask_for_addresses();
    end(phone);
}

#[test]
fn a_windows_phone_8_1() {
    let title = "Windows Phone 8.1: 14.1, the query in base64, Settings before Provision";
    let mut phone = begin("windows-phone-8.1", title, &model::WINDOWS_PHONE_8_1);
    phone.options();
    phone.inform();
    phone.provision();
    phone.folder_sync();
    let ids = [INBOX, CALENDAR, CONTACTS, TASKS].map(|kind| phone.folder(kind));
    let folders = ids.each_ref().map(String::as_str);
    phone.sync(&folders);
    phone.settle(&folders);
    one_message_later(&mut phone, &folders);
    phone.ask_for_addresses();
    end(phone);
}

/// With a policy, every step that it takes until the phone is let in.
#[test]
fn a_windows_phone_8_1_with_a_policy() {
    let server = Server::shared();
    let title = "Windows Phone 8.1 where a PIN is demanded";
    let mut phone = begin("windows-phone-8.1-policy", title, &model::WINDOWS_PHONE_8_1);
    let rules = ["DevicePasswordEnabled=yes", "MinDevicePasswordLength=4"];
    server.cli(&["policy", "set", "pin", rules[0], rules[1]]);
    server.cli(&["policy", "assign", "pin", &phone.account.email.clone()]);
    phone.options();
    phone.inform();
    note(&mut phone, "Nothing else before the policy is taken up.");
    let request = tree(fh::FOLDER_SYNC, [text(fh::SYNC_KEY, 0)]);
    let refused = phone.call("FolderSync", &request);
    assert_eq!(refused.at(&[fh::STATUS]), Some("142"), "{refused:?}");
    phone.provision();
    phone.folder_sync();
    let inbox = phone.folder(INBOX);
    phone.settle(&[&inbox]);
    end(phone);
}

#[test]
fn an_iphone() {
    let mut phone = begin("iphone", "iOS 17: 16.1", &model::IPHONE);
    phone.options();
    phone.folder_sync();
    phone.provision();
    let get = tree(s::USER_INFORMATION, [crate::support::eas::empty(s::GET)]);
    phone.call("Settings", &tree(s::SETTINGS, [get, phone.information()]));
    // Folder by folder.
    for kind in [INBOX, CONTACTS, CALENDAR, TASKS, NOTES] {
        let folder = phone.folder(kind);
        phone.settle(&[&folder]);
    }
    let ids = [INBOX, CONTACTS, CALENDAR, TASKS, NOTES].map(|kind| phone.folder(kind));
    let folders = ids.each_ref().map(String::as_str);
    one_message_later(&mut phone, &folders);
    end(phone);
}

#[test]
fn an_android() {
    let mut phone = begin("android", "Gmail on Android: 14.1", &model::ANDROID);
    phone.options();
    // It provisions only where it is told to (`EasAccountValidator.validate` of AOSP): with any
    // policy at all, it asks for the rights of a device administrator.
    phone.folder_sync();
    phone.inform();
    for kind in [INBOX, CONTACTS, CALENDAR] {
        let folder = phone.folder(kind);
        phone.sync(&[&folder]);
    }
    for kind in [INBOX, CONTACTS, CALENDAR] {
        let folder = phone.folder(kind);
        phone.settle(&[&folder]);
    }
    let ids = [INBOX, CONTACTS, CALENDAR].map(|kind| phone.folder(kind));
    one_message_later(&mut phone, &ids.each_ref().map(String::as_str));
    end(phone);
}

#[test]
fn outlook_mobile() {
    let title = "Outlook on iOS and Android: 14.1, one Sync that waits in place of Ping";
    let mut phone = begin("outlook-mobile", title, &model::OUTLOOK_MOBILE);
    let server = Server::shared();
    phone.options();
    phone.provision();
    phone.folder_sync();
    let ids = [INBOX, CALENDAR, CONTACTS].map(|kind| phone.folder(kind));
    let folders = ids.each_ref().map(String::as_str);
    phone.sync(&folders);
    phone.settle(&folders);
    let mut request = phone.sync_request(&folders);
    request.children.push(text(t::HEARTBEAT_INTERVAL, phone.model.heartbeat));
    let body = kontor::format::wbxml::encode(&request);
    let waiting = phone.send("Sync", &body).expect("sent");
    server.deliver(&phone.account, &message("Later", "One more."));
    let reply = phone.answer("Sync", waiting, crate::support::PATIENCE).expect("woken");
    if let Some(transcript) = &mut phone.transcript {
        transcript.note("While the phone waits, a message comes.");
        transcript.exchange("Sync", Some(&request), &reply);
    }
    assert_eq!(phone.take(&reply), Ok(true));
    assert_eq!(phone.held[folders[0]].items.len(), 3);
    phone.ask_for_addresses();
    end(phone);
}

#[test]
fn a_windows_mobile_5() {
    let title = "Windows Mobile 5: 2.5";
    let mut phone = begin("windows-mobile-5", title, &model::WINDOWS_MOBILE_5);
    phone.options();
    phone.folder_sync();
    phone.provision();
    let ids = [INBOX, CALENDAR, CONTACTS].map(|kind| phone.folder(kind));
    for folder in &ids {
        phone.settle(&[folder]);
    }
    end(phone);
}

/// Each version, without a transcript: mail arrives, is marked and deleted, a contact goes to
/// the phone of the next version.
#[test]
fn every_version_syncs() {
    let server = Server::shared();
    let account = server.account();
    for number in 0..3 {
        server.deliver(&account, &message(&format!("Number {number}"), "Text."));
    }
    server.deliver(&account, &with_attachment());
    let mut deleted = 0;
    for (number, model) in model::VERSIONS.iter().enumerate() {
        let mut phone = Phone::new(server, model, &account);
        phone.options();
        phone.folder_sync();
        let (inbox, contacts) = (phone.folder(INBOX), phone.folder(CONTACTS));
        phone.settle(&[&inbox, &contacts]);
        let version = model.version;
        assert_eq!(phone.held[&inbox].items.len(), 4 - deleted, "{version}");
        assert_eq!(phone.held[&contacts].items.len(), number, "{version}");
        let first = phone.held[&inbox].items.keys().next().expect("mail").clone();
        phone.change(&inbox, vec![mark_read(&first, true)]);
        if number % 3 == 2 {
            phone.change(&inbox, vec![crate::support::eas::delete(&first)]);
            phone.held.get_mut(&inbox).expect("known").items.remove(&first);
            deleted += 1;
        }
        phone.change(&contacts, vec![super::contact("1", &format!("Person of {version}"))]);
        assert!(!phone.sync(&[&inbox, &contacts]), "{version}: own changes came back");
    }
}
