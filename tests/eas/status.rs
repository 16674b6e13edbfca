//! What the server says to requests that cannot be carried out, status by status.

use kontor::format::wbxml::tags::{
    air_sync as t, folder_hierarchy as fh, get_item_estimate as e, item_operations as io, ping,
    provision as pr, settings as s,
};
use kontor::format::wbxml::{Element, Tag};

use super::contact;
use crate::support::eas::model::{ANDROID, IPHONE, Model, VERSIONS, WINDOWS_MOBILE_6};
use crate::support::eas::{Phone, delete, empty, mark_read, text, tree};
use crate::support::http::Http;
use crate::support::{Server, message};

fn phone(model: &'static Model) -> Phone {
    let server = Server::shared();
    let account = server.account();
    server.deliver(&account, &message("First", "x"));
    let mut phone = Phone::new(server, model, &account);
    phone.folder_sync();
    phone
}

fn sync(collections: Vec<Element>, more: Vec<Element>) -> Element {
    let mut children = vec![tree(t::COLLECTIONS, collections)];
    children.extend(more);
    tree(t::SYNC, children)
}

fn collection(key: &str, folder: &str) -> Element {
    tree(t::COLLECTION, [text(t::SYNC_KEY, key), text(t::COLLECTION_ID, folder)])
}

/// The status of the only collection.
#[track_caller]
fn of_collection(phone: &mut Phone, request: &Element) -> String {
    let reply = phone.call("Sync", request);
    let status = reply.at(&[t::COLLECTIONS, t::COLLECTION, t::STATUS]);
    status.unwrap_or_else(|| panic!("{:?}", reply.element)).to_owned()
}

#[track_caller]
fn at_top(phone: &mut Phone, command: &str, request: &Element, status: Tag, wanted: &str) {
    let reply = phone.call(command, request);
    assert_eq!(reply.at(&[status]), Some(wanted), "{command}: {request}\n{:?}", reply.element);
}

#[test]
fn of_sync() {
    let mut phone = phone(&ANDROID);
    let (inbox, contacts) = (phone.folder(2), phone.folder(9));
    // Nothing to repeat.
    let reply = phone.call_empty("Sync");
    assert_eq!(reply.at(&[t::STATUS]), Some("13"), "{reply:?}");
    phone.settle(&[&inbox, &contacts]);
    for key in ["1", "99999999999", "{0F-12}7", "-1"] {
        let request = sync(vec![collection(key, &inbox)], Vec::new());
        assert_eq!(of_collection(&mut phone, &request), "3", "{key}");
    }
    let request = sync(vec![collection("0", "4711")], Vec::new());
    assert!(["8", "12"].contains(&of_collection(&mut phone, &request).as_str()));
    let key = phone.held[&inbox].key.clone();
    let both = vec![text(t::WAIT, 5), text(t::HEARTBEAT_INTERVAL, 300)];
    at_top(&mut phone, "Sync", &sync(vec![collection(&key, &inbox)], both), t::STATUS, "4");
    for (tag, value, limit) in [
        (t::WAIT, "0", "1"),
        (t::WAIT, "60", "59"),
        (t::HEARTBEAT_INTERVAL, "10", "60"),
        (t::HEARTBEAT_INTERVAL, "3541", "3540"),
    ] {
        let request = sync(vec![collection(&key, &inbox)], vec![text(tag, value)]);
        let reply = phone.call("Sync", &request);
        assert_eq!(reply.at(&[t::STATUS]), Some("14"), "{tag} {value}: {reply:?}");
        assert_eq!(reply.at(&[t::LIMIT]), Some(limit), "{tag} {value}");
    }
    at_top(&mut phone, "Sync", &tree(t::SYNC, []), t::STATUS, "4");
    at_top(&mut phone, "Sync", &sync(vec![tree(t::COLLECTION, [])], vec![]), t::STATUS, "4");
    // Of single changes.
    let answer = phone.change(&inbox, vec![mark_read(&format!("{inbox}:999"), true)]);
    let change = answer.child(t::RESPONSES).and_then(|all| all.child(t::CHANGE)).expect("one");
    assert_eq!(change.text_of(t::STATUS), Some("8"), "{answer}");
    let fetch = tree(t::FETCH, [text(t::SERVER_ID, format!("{inbox}:999"))]);
    let answer = phone.change(&inbox, vec![fetch]);
    let fetch = answer.child(t::RESPONSES).and_then(|all| all.child(t::FETCH)).expect("one");
    assert_eq!(fetch.text_of(t::STATUS), Some("8"), "{answer}");
    // The server's version wins, and comes with the answer.
    let mut other = Phone::new(Server::shared(), &IPHONE, &phone.account.clone());
    other.folder_sync();
    phone.change(&contacts, vec![contact("1", "Anna")]);
    other.settle(&[&contacts]);
    let id = phone.held[&contacts].items.keys().next().expect("a contact").clone();
    let change = |title: &str| {
        use kontor::format::wbxml::tags::contacts as c;
        let data = [text(c::FIRST_NAME, "Anna"), text(c::JOB_TITLE, title)];
        tree(t::CHANGE, [text(t::SERVER_ID, &id), tree(t::APPLICATION_DATA, data)])
    };
    other.change(&contacts, vec![change("Architect")]);
    let answer = phone.change(&contacts, vec![change("Engineer")]);
    let failed = answer.child(t::RESPONSES).and_then(|all| all.child(t::CHANGE)).expect("one");
    assert_eq!(failed.text_of(t::STATUS), Some("7"), "{answer}");
    phone.settle(&[&contacts]);
    use kontor::format::wbxml::tags::contacts as c;
    let title = phone.held[&contacts].items[&id].text_of(c::JOB_TITLE);
    assert_eq!(title, Some("Architect"));
}

/// A Delete takes precedence over a change, on either side (MS-ASCMD 2.2.3.34).
#[test]
fn of_a_delete_that_meets_a_change() {
    use kontor::format::wbxml::tags::contacts as c;
    let mut phone = phone(&ANDROID);
    let contacts = phone.folder(9);
    phone.settle(&[&contacts]);
    phone.change(&contacts, vec![contact("1", "Anna"), contact("2", "Ben")]);
    let mut other = Phone::new(Server::shared(), &IPHONE, &phone.account.clone());
    other.folder_sync();
    other.settle(&[&contacts]);
    let ids: Vec<String> = phone.held[&contacts].items.keys().cloned().collect();
    let (first, second) = (ids[0].as_str(), ids[1].as_str());
    let change = |id: &str| {
        let data = [text(c::FIRST_NAME, "New"), text(c::JOB_TITLE, "Architect")];
        tree(t::CHANGE, [text(t::SERVER_ID, id), tree(t::APPLICATION_DATA, data)])
    };
    let drop_one = |phone: &mut Phone, id: &str| {
        let held = phone.held.get_mut(&contacts).expect("contacts");
        held.items.remove(id);
        held.dropped.insert(id.to_owned());
        phone.change(&contacts, vec![delete(id)])
    };
    // Changed there, deleted here: it is gone everywhere, and that is no failure.
    other.change(&contacts, vec![change(first)]);
    let answer = drop_one(&mut phone, first);
    assert!(!answer.has(t::RESPONSES), "{answer}");
    // Deleted there, changed here: there is nothing to change any more.
    drop_one(&mut other, second);
    let answer = phone.change(&contacts, vec![change(second)]);
    let failed = answer.child(t::RESPONSES).and_then(|all| all.child(t::CHANGE)).expect("one");
    assert_eq!(failed.text_of(t::STATUS), Some("8"), "{answer}");
    for each in [&mut phone, &mut other] {
        each.settle(&[&contacts]);
        assert_eq!(each.held[&contacts].items.len(), 0);
    }
}

/// What a folder cannot be asked is said of this folder alone.
#[test]
fn of_what_does_not_suit_a_folder() {
    use kontor::format::wbxml::tags::notes as n;
    let mut phone = phone(&ANDROID);
    let listing = |folder: &str| {
        let list = tree(t::SUPPORTED, [empty(n::SUBJECT)]);
        tree(t::COLLECTION, [text(t::SYNC_KEY, 0), text(t::COLLECTION_ID, folder), list])
    };
    let statuses = |phone: &mut Phone, collections: Vec<Element>| {
        let reply = phone.call("Sync", &sync(collections, Vec::new()));
        let all = reply.root().child(t::COLLECTIONS).expect("collections").children.clone();
        let of = |each: &Element| each.text_of(t::STATUS).unwrap_or_default().to_owned();
        all.iter().map(of).collect::<Vec<_>>()
    };
    // MS-ASNOTE 3.2.5.3. The other folders begin.
    let folders = [10, 9, 8, 2].map(|kind| phone.folder(kind));
    let all = folders.iter().map(|folder| listing(folder)).collect();
    assert_eq!(statuses(&mut phone, all), ["4", "1", "1", "1"]);
    // MS-ASCMD 2.2.3.68.2: a calendar has no window of days.
    let (inbox, calendar) = (phone.folder(2), phone.folder(8));
    phone.settle(&[&inbox, &calendar]);
    let windows = [("0", 1), ("1", 4), ("3", 4), ("4", 1), ("7", 1), ("8", 4), ("9", 4)];
    for (filter, wanted) in windows {
        let key = phone.held[&calendar].key.clone();
        let mut asked = collection(&key, &calendar);
        asked.children.push(tree(t::OPTIONS, [text(t::FILTER_TYPE, filter)]));
        let reply = phone.call("Sync", &sync(vec![asked], Vec::new()));
        // Nothing to say is an empty answer.
        let way = [t::COLLECTIONS, t::COLLECTION, t::STATUS];
        let status = reply.at(&way).unwrap_or("1").to_owned();
        assert_eq!(status, wanted.to_string(), "{filter}");
    }
    let key = phone.held[&inbox].key.clone();
    let mut asked = collection(&key, &inbox);
    asked.children.push(tree(t::OPTIONS, [text(t::FILTER_TYPE, 8)]));
    assert_eq!(statuses(&mut phone, vec![asked]), ["4"]);
}

#[test]
fn of_ping() {
    let mut phone = phone(&ANDROID);
    let inbox = phone.folder(2);
    phone.settle(&[&inbox]);
    for (seconds, bound) in [(1, "60"), (59, "60"), (3541, "3540"), (100_000, "3540")] {
        let request = phone.ping_request(&[&inbox], seconds);
        let reply = phone.call("Ping", &request);
        assert_eq!(reply.at(&[ping::STATUS]), Some("5"), "{seconds}");
        assert_eq!(reply.at(&[ping::HEARTBEAT_INTERVAL]), Some(bound), "{seconds}");
    }
    let many: Vec<_> = (1..=301).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let request = phone.ping_request(&many, 480);
    let reply = phone.call("Ping", &request);
    assert_eq!(reply.at(&[ping::STATUS]), Some("6"));
    assert_eq!(reply.at(&[ping::MAX_FOLDERS]), Some("300"));
    let no_folders = tree(ping::PING, [text(ping::HEARTBEAT_INTERVAL, 480)]);
    at_top(&mut phone, "Ping", &no_folders, ping::STATUS, "3");
    let words = tree(
        ping::PING,
        [text(ping::HEARTBEAT_INTERVAL, "long"), tree(ping::FOLDERS, [empty(ping::FOLDER)])],
    );
    at_top(&mut phone, "Ping", &words, ping::STATUS, "4");
    let unknown = phone.ping_request(&["4711"], 480);
    at_top(&mut phone, "Ping", &unknown, ping::STATUS, "7");
}

#[test]
fn of_the_others() {
    let mut phone = phone(&ANDROID);
    let inbox = phone.folder(2);
    let estimate = |folder: &str, key: &str| {
        let parts = [text(t::SYNC_KEY, key), text(e::COLLECTION_ID, folder)];
        tree(e::GET_ITEM_ESTIMATE, [tree(e::COLLECTIONS, [tree(e::COLLECTION, parts)])])
    };
    for (folder, key, wanted) in
        [("4711", "1", "2"), (inbox.as_str(), "0", "3"), (inbox.as_str(), "77", "4")]
    {
        let reply = phone.call("GetItemEstimate", &estimate(folder, key));
        let status = reply.at(&[e::RESPONSE, e::STATUS]);
        assert_eq!(status, Some(wanted), "{folder} {key}: {:?}", reply.element);
    }
    phone.sync(&[&inbox]);
    let key = phone.held[&inbox].key.clone();
    let reply = phone.call("GetItemEstimate", &estimate(&inbox, &key));
    assert_eq!(reply.at(&[e::RESPONSE, e::COLLECTION, e::ESTIMATE]), Some("1"));
    phone.settle(&[&inbox]);
    let key = phone.held[&inbox].key.clone();
    let reply = phone.call("GetItemEstimate", &estimate(&inbox, &key));
    assert_eq!(reply.at(&[e::RESPONSE, e::COLLECTION, e::ESTIMATE]), Some("0"));

    let fetch = |id: &str| {
        let parts =
            [text(io::STORE, "Mailbox"), text(t::COLLECTION_ID, &inbox), text(t::SERVER_ID, id)];
        tree(io::ITEM_OPERATIONS, [tree(io::FETCH, parts)])
    };
    let way = [io::RESPONSE, io::FETCH, io::STATUS];
    let reply = phone.call("ItemOperations", &fetch(&format!("{inbox}:999")));
    assert_eq!(reply.at(&way), Some("6"), "{:?}", reply.element);
    let first = phone.held[&inbox].items.keys().next().expect("mail").clone();
    let reply = phone.call("ItemOperations", &fetch(&first));
    assert_eq!(reply.at(&way), Some("1"), "{:?}", reply.element);

    at_top(&mut phone, "Settings", &tree(s::SETTINGS, []), s::STATUS, "2");
    let way = [s::USER_INFORMATION, s::STATUS];
    let request = tree(s::SETTINGS, [empty(s::USER_INFORMATION)]);
    let reply = phone.call("Settings", &request);
    assert_eq!(reply.at(&way), Some("2"), "{:?}", reply.element);

    // From 14.1 on a phone has to say what it is.
    let policy = tree(pr::POLICY, [text(pr::POLICY_TYPE, "MS-EAS-Provisioning-WBXML")]);
    let request = tree(pr::PROVISION, [tree(pr::POLICIES, [policy])]);
    at_top(&mut phone, "Provision", &request, pr::STATUS, "165");
    let policy = tree(pr::POLICY, [text(pr::POLICY_TYPE, "something")]);
    let request = tree(pr::PROVISION, [phone.information(), tree(pr::POLICIES, [policy])]);
    let reply = phone.call("Provision", &request);
    assert_eq!(reply.at(&[pr::POLICIES, pr::POLICY, pr::STATUS]), Some("3"));

    at_top(&mut phone, "FolderSync", &tree(fh::FOLDER_SYNC, []), fh::STATUS, "9");
}

#[test]
fn what_is_no_wbxml() {
    for model in [&ANDROID, &WINDOWS_MOBILE_6] {
        let mut phone = phone(model);
        for bytes in [&b"\x03\x01\x6a"[..], b"hello", b"\x03\x01\x6a\x00\x45\x03abc", &[0; 40]] {
            let http = phone.send("FolderSync", bytes).expect("sent");
            let reply = phone.answer("FolderSync", http, crate::support::PATIENCE).expect("said");
            match model.since(14, 0) {
                true => assert_eq!(reply.at(&[fh::STATUS]), Some("102"), "{bytes:?}"),
                false => assert_eq!(reply.status, 400, "{bytes:?}"),
            }
        }
    }
}

#[test]
fn of_addresses_that_make_no_sense() {
    let server = Server::shared();
    let account = server.account();
    let mut http = Http::tls(server.ports.https);
    let basic = account.basic();
    let mut ask = |query: &str, version: &str| {
        let path = format!("/Microsoft-Server-ActiveSync{query}");
        let headers = [("Authorization", basic.as_str()), ("MS-ASProtocolVersion", version)];
        http.request("POST", &path, &headers, b"").status
    };
    for (query, version, wanted) in [
        ("", "14.1", 501),
        ("?Cmd=Dance&DeviceId=a&DeviceType=b", "14.1", 501),
        ("?Cmd=Sync&DeviceId=a&DeviceType=b", "15.7", 400),
        ("?Cmd=Sync&DeviceType=b", "14.1", 400),
        ("?Cmd=Sync&DeviceId=a", "14.1", 400),
        ("?jREHBBBtaXN0", "14.1", 400),
        ("?Cmd=Find&DeviceId=a&DeviceType=b", "12.1", 501),
    ] {
        assert_eq!(ask(query, version), wanted, "{query} {version}");
    }
    assert_eq!(VERSIONS.len(), 7);
    let mut http = Http::tls(server.ports.https);
    let path = "/Microsoft-Server-ActiveSync?Cmd=Sync&DeviceId=a&DeviceType=b";
    assert_eq!(http.request("POST", path, &[], b"").status, 401);
}
