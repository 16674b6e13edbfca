//! Push: woken at once, never for nothing, by Ping and by Sync with a time to wait.

use std::time::{Duration, Instant};

use kontor::format::wbxml::tags::{air_sync as t, folder_hierarchy as fh, ping};
use kontor::format::wbxml::{self, Element};

use crate::support::eas::model::{ANDROID, IPHONE, OUTLOOK_MOBILE};
use crate::support::eas::{Phone, empty, mark_read, text, tree};
use crate::support::http::Http;
use crate::support::{Account, PATIENCE, Server, eventually, message};

/// A wake-up that takes longer is lost, even on a busy machine.
const SOON: Duration = Duration::from_secs(5);
/// As long as nothing may be heard.
const QUIET: Duration = Duration::from_millis(700);

/// A phone that has everything, and its Inbox.
fn settled(model: &'static crate::support::eas::Model, account: &Account) -> (Phone, String) {
    let mut phone = Phone::quick(Server::shared(), model, account);
    phone.folder_sync();
    let inbox = phone.folder(2);
    phone.settle(&[&inbox]);
    (phone, inbox)
}

/// The answer to a Ping: its status and the folders that it names.
#[track_caller]
fn woken(phone: &mut Phone, waiting: Http) -> (String, Vec<String>) {
    let reply = phone.answer("Ping", waiting, SOON).expect("an answer soon");
    let folders = reply.root().child(ping::FOLDERS);
    let folders = folders.into_iter().flat_map(|all| &all.children);
    let folders = folders.map(|each| each.text().to_owned()).collect();
    (reply.at(&[ping::STATUS]).expect("a status").to_owned(), folders)
}

#[test]
fn a_ping_is_woken_by_what_its_sync_brings_and_by_nothing_else() {
    let server = Server::shared();
    let account = server.account();
    server.deliver(&account, &message("First", "x"));
    let (mut phone, inbox) = settled(&ANDROID, &account);
    let mut imap = server.inbox(&account);
    let mut waiting = phone.start_ping(&[&inbox], 480);
    assert!(waiting.is_silent(QUIET), "there is nothing");

    // None of this shows on the phone: a folder that it does not watch, a keyword that no
    // phone has, a message from long before its window.
    imap.ok("CREATE Elsewhere");
    phone.hang_up();
    let (mut phone, inbox) = settled(&ANDROID, &account);
    let mut waiting = phone.start_ping(&[&inbox], 480);
    imap.append("Elsewhere", "", &message("Not watched", "x"));
    imap.ok("STORE 1 +FLAGS (some-keyword)");
    imap.with_literal("APPEND INBOX \"01-Jan-2015 10:00:00 +0000\" ", &message("Ancient", "x"), "");
    assert!(waiting.is_silent(QUIET), "woken for nothing");

    imap.ok("STORE 1 +FLAGS (\\Seen)");
    assert_eq!(woken(&mut phone, waiting), ("2".to_owned(), vec![inbox.clone()]));
    // Told until it is fetched, and not a moment longer.
    let waiting = phone.start_ping(&[&inbox], 480);
    assert_eq!(woken(&mut phone, waiting).0, "2");
    assert!(phone.sync(&[&inbox]));
    let mut waiting = phone.start_ping(&[&inbox], 480);
    assert!(waiting.is_silent(QUIET), "woken for what it has");

    server.deliver(&account, &message("Second", "x"));
    assert_eq!(woken(&mut phone, waiting).0, "2");
    phone.settle(&[&inbox]);
    assert_eq!(phone.held[&inbox].items.len(), 2);
}

#[test]
fn a_phones_own_change_wakes_the_other_phone_only() {
    let server = Server::shared();
    let account = server.account();
    server.deliver(&account, &message("First", "x"));
    let (mut one, inbox) = settled(&ANDROID, &account);
    let (mut two, _) = settled(&IPHONE, &account);
    let waiting = two.start_ping(&[&inbox], 480);
    let item = one.held[&inbox].items.keys().next().expect("a message").clone();
    one.change(&inbox, vec![mark_read(&item, true)]);
    let mut own = one.start_ping(&[&inbox], 480);
    assert_eq!(woken(&mut two, waiting).0, "2");
    assert!(two.sync(&[&inbox]));
    assert!(own.is_silent(QUIET), "woken by its own change");
}

#[test]
fn a_new_request_ends_the_older() {
    let server = Server::shared();
    let account = server.account();
    let (mut phone, inbox) = settled(&ANDROID, &account);
    let mut first = phone.start_ping(&[&inbox], 480);
    assert!(first.is_silent(QUIET));
    let second = phone.start_ping(&[&inbox], 480);
    assert_eq!(woken(&mut phone, first).0, "1");
    server.deliver(&account, &message("Hello", "x"));
    assert_eq!(woken(&mut phone, second).0, "2");
    // A Sync that waits, too, and one that does not.
    phone.hang_up();
    phone.settle(&[&inbox]);
    let mut third = phone.start_ping(&[&inbox], 480);
    assert!(third.is_silent(QUIET));
    assert!(!phone.sync(&[&inbox]));
    phone.hang_up();
    assert_eq!(woken(&mut phone, third).0, "1");
}

#[test]
fn a_sync_waits_and_is_woken() {
    let server = Server::shared();
    let account = server.account();
    let (mut phone, inbox) = settled(&OUTLOOK_MOBILE, &account);
    let contacts = phone.folder(9);
    phone.settle(&[&contacts]);
    for (tag, value) in [(t::HEARTBEAT_INTERVAL, 600), (t::WAIT, 10)] {
        let mut request = phone.sync_request(&[&inbox, &contacts]);
        request.children.push(text(tag, value));
        let mut waiting = phone.send("Sync", &wbxml::encode(&request)).expect("sent");
        assert!(waiting.is_silent(QUIET), "{tag}: there is nothing");
        let before = Instant::now();
        server.deliver(&account, &message("Hello", "x"));
        let reply = phone.answer("Sync", waiting, SOON).expect("an answer soon");
        assert_eq!(phone.take(&reply), Ok(true), "{tag} after {:?}", before.elapsed());
        let all = reply.root().child(t::COLLECTIONS).expect("collections");
        assert_eq!(all.children.len(), 1, "only what has news: {all}");
    }
    assert_eq!(phone.held[&inbox].items.len(), 2);
    // An empty request repeats the last one, its time to wait included.
    let waiting = phone.send("Sync", b"").expect("sent");
    let (mut other, _) = settled(&IPHONE, &account);
    other.settle(&[&contacts]);
    other.change(&contacts, vec![super::contact("1", "Ben")]);
    let reply = phone.answer("Sync", waiting, SOON).expect("an answer soon");
    assert_eq!(phone.take(&reply), Ok(true));
    assert_eq!(phone.held[&contacts].items.len(), 1);
}

#[test]
fn a_new_folder_sends_a_waiting_phone_to_folder_sync() {
    let server = Server::shared();
    let account = server.account();
    let (mut phone, inbox) = settled(&ANDROID, &account);
    let waiting = phone.start_ping(&[&inbox], 480);
    server.imap(&account).ok("CREATE Projects");
    assert_eq!(woken(&mut phone, waiting).0, "7");
    assert_eq!(phone.folder_sync(), 1);
    assert!(phone.folders.values().any(|folder| folder.name == "Projects"));
    let mut waiting = phone.start_ping(&[&inbox], 480);
    assert!(waiting.is_silent(QUIET));
}

/// An administrator who narrows how far back mail goes need not wait for a heartbeat: neither
/// for a phone that obeys policies nor for one that has never heard of any.
#[test]
fn a_narrower_policy_ends_the_waiting_at_once() {
    let server = Server::start_new();
    let account = server.account();
    server.deliver(&account, &message("Today", "x"));
    let old = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(5 * 24);
    let old = old.strftime("%d-%b-%Y %H:%M:%S +0000");
    let mut imap = server.imap(&account);
    imap.with_literal(&format!("APPEND INBOX \"{old}\" "), &message("Last week", "x"), "");
    let narrow = |days: u8| {
        let asked = format!("MaxEmailAgeFilter={days}");
        server.cli(&["policy", "set", "field", &asked, "--allow-non-provisionable", "yes"]);
        Instant::now()
    };
    narrow(0);
    server.cli(&["policy", "assign", "field"]);
    let mut obeys = Phone::quick(&server, &ANDROID, &account);
    obeys.provision();
    let mut pings = Phone::quick(&server, &IPHONE, &account).named("P");
    let mut syncs = Phone::quick(&server, &IPHONE, &account).named("S");
    for phone in [&mut pings, &mut syncs] {
        phone.knows_policies = false;
    }
    for phone in [&mut obeys, &mut pings, &mut syncs] {
        phone.folder_sync();
        let inbox = phone.folder(2);
        phone.settle(&[&inbox]);
        assert_eq!(phone.held[&inbox].items.len(), 2, "{}", phone.device);
    }
    let inbox = pings.folder(2);
    let mut held = obeys.start_ping(&[&inbox], 480);
    let mut ping = pings.start_ping(&[&inbox], 480);
    let mut request = syncs.sync_request(&[&inbox]);
    request.children.push(text(t::HEARTBEAT_INTERVAL, 600));
    let mut sync = syncs.send("Sync", &wbxml::encode(&request)).expect("sent");
    for waiting in [&mut held, &mut ping, &mut sync] {
        assert!(waiting.is_silent(QUIET), "there is nothing");
    }
    let decided = narrow(2);
    let reply = obeys.answer("Ping", held, SOON).expect("an answer soon");
    assert_eq!(reply.at(&[ping::STATUS]), Some("143"), "{reply:?}");
    assert_eq!(woken(&mut pings, ping), ("2".to_owned(), vec![inbox.clone()]));
    let reply = syncs.answer("Sync", sync, SOON).expect("an answer soon");
    assert_eq!(syncs.take(&reply), Ok(true));
    assert!(decided.elapsed() < Duration::from_secs(1), "{:?}", decided.elapsed());
    pings.settle(&[&inbox]);
    for phone in [&pings, &syncs] {
        assert_eq!(phone.held[&inbox].items.len(), 1, "{}", phone.device);
    }
    // Narrowed once more, and nothing that the phone has goes by it: no false alarm.
    let mut quiet = pings.start_ping(&[&inbox], 480);
    narrow(1);
    assert!(quiet.is_silent(QUIET), "woken for nothing");
}

/// Each waiting phone is a connection; those that hang up are gone at once.
#[test]
fn who_hangs_up_is_noticed() {
    let server = Server::start_new();
    let account = server.account();
    let mut phone = Phone::quick(&server, &ANDROID, &account);
    phone.folder_sync();
    let inbox = phone.folder(2);
    phone.settle(&[&inbox]);
    phone.hang_up();
    let sockets = || {
        let dir = format!("/proc/{}/fd", server.pid());
        let files = std::fs::read_dir(dir).expect("running").flatten();
        let target = |file: std::fs::DirEntry| std::fs::read_link(file.path()).ok();
        files.filter_map(target).filter(|to| to.to_string_lossy().starts_with("socket:")).count()
    };
    let mut before = usize::MAX;
    eventually("a server without connections", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = sockets();
        (std::mem::replace(&mut before, now) == now).then_some(())
    });
    let mut waiting = Vec::new();
    for number in 0..12 {
        let name = format!("N{number}");
        let mut phone = Phone::quick(&server, &ANDROID, &account).named(&name);
        phone.folder_sync();
        phone.settle(&[&inbox]);
        let mut http = phone.start_ping(&[&inbox], 480);
        assert!(http.is_silent(Duration::from_millis(1)));
        waiting.push(http);
    }
    assert_eq!(sockets(), before + 12);
    drop(waiting);
    let start = Instant::now();
    eventually("the phones that hung up are forgotten", || (sockets() <= before).then_some(()));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// A phone that asks for nothing new costs nothing: requests of one that waits, over and over.
#[test]
fn pings_without_a_body_repeat_the_last_one() {
    let server = Server::shared();
    let account = server.account();
    let (mut phone, inbox) = settled(&ANDROID, &account);
    let reply = phone.call_empty("Ping");
    assert_eq!(reply.at(&[ping::STATUS]), Some("3"), "nothing to repeat");
    let mut first = phone.start_ping(&[&inbox], 480);
    assert!(first.is_silent(QUIET));
    phone.hang_up();
    let mut again = phone.send("Ping", b"").expect("sent");
    assert!(again.is_silent(QUIET));
    drop(first);
    server.deliver(&account, &message("Hello", "x"));
    assert_eq!(woken(&mut phone, again), ("2".to_owned(), vec![inbox]));
}

/// A phone with nothing in its hierarchy is sent to fetch it.
#[test]
fn a_phone_without_folders_is_sent_to_folder_sync() {
    let server = Server::shared();
    let account = server.account();
    let mut phone = Phone::quick(server, &IPHONE, &account);
    let folder = tree(ping::FOLDER, [text(ping::ID, 1), text(ping::CLASS, "Email")]);
    let request: Element =
        tree(ping::PING, [text(ping::HEARTBEAT_INTERVAL, 480), tree(ping::FOLDERS, [folder])]);
    let reply = phone.call("Ping", &request);
    assert_eq!(reply.at(&[ping::STATUS]), Some("7"), "{reply:?}");
    let request = tree(fh::FOLDER_SYNC, [text(fh::SYNC_KEY, 77)]);
    let reply = phone.call("FolderSync", &request);
    assert_eq!(reply.at(&[fh::STATUS]), Some("9"), "{reply:?}");
    let no_key = tree(fh::FOLDER_SYNC, [empty(fh::SYNC_KEY)]);
    let reply = phone.call("FolderSync", &no_key);
    assert!(matches!(reply.at(&[fh::STATUS]), Some("9" | "10")), "{reply:?}");
    let _ = PATIENCE;
}
