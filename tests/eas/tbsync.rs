//! EAS-4-TbSync 5.3 in Thunderbird 153, request by request as `kontor device log` had them of the
//! real one: set-up, a calendar's changes both ways, the office's people, a policy.

use jiff::civil::Weekday;
use kontor::format::tz::{Change, Daylight, Rules, read_blob, write_blob};
use kontor::format::wbxml::Element;
use kontor::format::wbxml::tags::{
    air_sync as t, air_sync_base as b, calendar as c, folder_hierarchy as fh, gal,
    get_item_estimate as e, item_operations as io, provision as pr, search, settings as s,
};

use super::set_up::{begin, end, note};
use crate::support::Server;
use crate::support::eas::{Phone, Reply, delete, empty, model, text, tree};

const TASKS: u8 = 7;
const CALENDAR: u8 = 8;
const CONTACTS: u8 = 9;

/// The options that go with every Sync and stand alike in GetItemEstimate.
fn options(phone: &Phone, folder: &str, whole: bool) -> Element {
    let class = phone.class(folder);
    let mut options = Vec::new();
    if class == "Calendar" {
        options.push(text(t::FILTER_TYPE, 7));
    }
    options.push(text(t::CLASS, class));
    if whole {
        options.push(text(t::CONFLICT, 1));
        options.push(tree(b::BODY_PREFERENCE, [text(b::TYPE, 1)]));
    }
    tree(t::OPTIONS, options)
}

fn sync(phone: &mut Phone, folder: &str, more: Vec<Element>) -> (bool, Reply) {
    let key = phone.held.get(folder).map_or("0", |held| held.key.as_str());
    let mut parts = vec![text(t::SYNC_KEY, key), text(t::COLLECTION_ID, folder)];
    parts.extend(more);
    let request = tree(t::SYNC, [tree(t::COLLECTIONS, [tree(t::COLLECTION, parts)])]);
    let reply = phone.call("Sync", &request);
    (phone.take(&reply).expect("a Sync that succeeds"), reply)
}

/// Asks how much there is and fetches it; the items told.
fn pull(phone: &mut Phone, folder: &str) -> u32 {
    if !phone.held.contains_key(folder) {
        sync(phone, folder, Vec::new());
    }
    let key = phone.held[folder].key.clone();
    let collection = tree(
        e::COLLECTION,
        [text(t::SYNC_KEY, key), text(e::COLLECTION_ID, folder), options(phone, folder, false)],
    );
    let request = tree(e::GET_ITEM_ESTIMATE, [tree(e::COLLECTIONS, [collection])]);
    let reply = phone.call("GetItemEstimate", &request);
    assert_eq!(reply.at(&[e::RESPONSE, e::STATUS]), Some("1"), "{reply:?}");
    let estimate = reply.at(&[e::RESPONSE, e::COLLECTION, e::ESTIMATE]);
    let estimate = estimate.and_then(|text| text.parse().ok()).expect("a number");
    let options = options(phone, folder, true);
    let wanted =
        vec![empty(t::DELETES_AS_MOVES), empty(t::GET_CHANGES), text(t::WINDOW_SIZE, 25), options];
    let (news, _) = sync(phone, folder, wanted);
    assert_eq!(news, estimate > 0);
    estimate
}

/// Tells changes; those of one instance go without options.
fn push(phone: &mut Phone, folder: &str, instance: bool, commands: Vec<Element>) -> Element {
    let mut parts = vec![text(t::GET_CHANGES, 0)];
    if !instance {
        parts.push(options(phone, folder, true));
    }
    parts.push(tree(t::COMMANDS, commands));
    let (_, reply) = sync(phone, folder, parts);
    let all = reply.root().child(t::COLLECTIONS);
    all.and_then(|all| all.child(t::COLLECTION)).expect("one").clone()
}

fn information(phone: &Phone) -> Element {
    let set = [
        text(s::MODEL, phone.model.name),
        text(s::FRIENDLY_NAME, "TbSync on Device 9282160e8e71096c9f1da447d50d"),
        text(s::OS, phone.model.os),
        text(s::USER_AGENT, phone.model.agent),
    ];
    tree(s::DEVICE_INFORMATION, [tree(s::SET, set)])
}

/// As it is set up, up to the first Sync of each folder.
fn set_up(phone: &mut Phone) -> [String; 3] {
    phone.options();
    let request = tree(s::SETTINGS, [information(phone)]);
    let reply = phone.call("Settings", &request);
    assert_eq!(reply.at(&[s::DEVICE_INFORMATION, s::STATUS]), Some("1"), "{reply:?}");
    phone.folder_sync();
    phone.ask_for_addresses();
    note(phone, "\"Synchronize Now\".");
    phone.folder_sync();
    [CALENDAR, CONTACTS, TASKS].map(|kind| {
        let folder = phone.folder(kind);
        pull(phone, &folder);
        folder
    })
}

/// A weekly series in Tokyo, with the daylight saving time that was there until 1951.
fn series() -> Element {
    let sunday = |month, week| Change { month, week, weekday: Weekday::Sunday, time: 3_600 };
    let daylight = Daylight { offset: 36_000, start: sunday(5, 1), end: sunday(9, 2) };
    let rules = Rules { standard: 32_400, daylight: Some(daylight) };
    let zone = write_blob(&rules, "Tokyo Standard Time");
    let data = [
        text(c::TIMEZONE, zone),
        text(c::ALL_DAY_EVENT, 0),
        text(c::BUSY_STATUS, 2),
        text(c::END_TIME, "20261019T070000Z"),
        empty(c::REMINDER),
        text(c::SENSITIVITY, 0),
        text(c::SUBJECT, "Weekly"),
        text(c::START_TIME, "20261019T060000Z"),
        text(c::MEETING_STATUS, 0),
        tree(
            c::RECURRENCE,
            [
                text(c::TYPE, 1),
                text(c::DAY_OF_WEEK, 10),
                text(c::INTERVAL, 1),
                text(c::OCCURRENCES, 10),
            ],
        ),
    ];
    let id = text(t::CLIENT_ID, "c-mwvxsxhk-2");
    tree(t::ADD, [id, tree(t::APPLICATION_DATA, data)])
}

#[test]
fn tbsync() {
    let title = "EAS-4-TbSync 5.3 in Thunderbird: 16.1, no mail, no push";
    let mut phone = begin("tbsync", title, &model::TBSYNC);
    let [calendar, contacts, _] = set_up(&mut phone);

    note(&mut phone, "A series in Tokyo, of which one instance is moved and one taken out.");
    let added = push(&mut phone, &calendar, false, vec![series()]);
    let added = added.child(t::RESPONSES).and_then(|all| all.child(t::ADD)).expect("one");
    let id = added.text_of(t::SERVER_ID).expect("an id").to_owned();
    assert_eq!(pull(&mut phone, &calendar), 0, "its own event came back");
    let instance = |id: &str, at| [text(t::SERVER_ID, id), text(b::INSTANCE_ID, at)];
    let gone = tree(t::DELETE, instance(&id, "20261026T060000Z"));
    push(&mut phone, &calendar, true, vec![gone]);
    let mut moved = instance(&id, "20261021T060000Z").to_vec();
    let data = [
        text(c::ALL_DAY_EVENT, 0),
        text(c::BUSY_STATUS, 2),
        text(c::END_TIME, "20261022T130000Z"),
        tree(b::LOCATION, [text(b::DISPLAY_NAME, "Elsewhere")]),
        empty(c::REMINDER),
        text(c::SENSITIVITY, 0),
        text(c::SUBJECT, "Moved once"),
        text(c::START_TIME, "20261022T120000Z"),
    ];
    moved.push(tree(t::APPLICATION_DATA, data));
    push(&mut phone, &calendar, true, vec![tree(t::CHANGE, moved)]);
    assert_eq!(pull(&mut phone, &calendar), 0, "its own changes came back");

    note(&mut phone, "The event as another program finds it.");
    let fetch = tree(
        io::FETCH,
        [
            text(io::STORE, "Mailbox"),
            text(t::COLLECTION_ID, &calendar),
            text(t::SERVER_ID, &id),
            tree(io::OPTIONS, [tree(b::BODY_PREFERENCE, [text(b::TYPE, 2)])]),
        ],
    );
    let reply = phone.call("ItemOperations", &tree(io::ITEM_OPERATIONS, [fetch]));
    let event = reply.root().to_string();
    for told in ["Moved once", "20261021T060000Z", "20261026T060000Z"] {
        assert!(event.contains(told), "{event}");
    }
    let shown = reply.root().child(io::RESPONSE).and_then(|all| all.child(io::FETCH));
    let shown = shown.and_then(|one| one.child(io::PROPERTIES)).expect("it");
    let zone = shown.text_of(c::TIMEZONE).map(read_blob).expect("a zone");
    assert_eq!(zone, Some(Rules { standard: 32_400, daylight: None }), "{event}");

    note(&mut phone, "A contact comes and goes.");
    let added = push(&mut phone, &contacts, false, vec![super::contact("c-mwvxsxo7-0", "Thea")]);
    let added = added.child(t::RESPONSES).and_then(|all| all.child(t::ADD)).expect("one");
    let id = added.text_of(t::SERVER_ID).expect("an id").to_owned();
    assert_eq!(pull(&mut phone, &contacts), 0, "its own contact came back");
    push(&mut phone, &contacts, false, vec![delete(&id)]);
    assert_eq!(pull(&mut phone, &contacts), 0, "its own deletion came back");

    note(&mut phone, "Whom there is to write to, and the out-of-office answer.");
    let me = phone.account.email.clone();
    let store = tree(
        search::STORE,
        [
            text(search::NAME, "GAL"),
            text(search::QUERY, &me),
            tree(search::OPTIONS, [text(search::RANGE, "0-99")]),
        ],
    );
    let reply = phone.call("Search", &tree(search::SEARCH, [store]));
    let way =
        [search::RESPONSE, search::STORE, search::RESULT, search::PROPERTIES, gal::EMAIL_ADDRESS];
    assert_eq!(reply.at(&way), Some(me.as_str()), "{reply:?}");
    let get = tree(s::OOF, [tree(s::GET, [text(s::BODY_TYPE, "Text")])]);
    let reply = phone.call("Settings", &tree(s::SETTINGS, [get]));
    assert_eq!(reply.at(&[s::OOF, s::GET, s::OOF_STATE]), Some("0"), "{reply:?}");
    end(phone);
}

/// It obeys whatever a policy says, and takes it up when it is told to.
#[test]
fn tbsync_with_a_policy() {
    let server = Server::shared();
    let title = "EAS-4-TbSync 5.3 in Thunderbird, once a PIN is demanded";
    let mut phone = begin("tbsync-policy", title, &model::TBSYNC);
    let [calendar, _, _] = set_up(&mut phone);
    server.cli(&["policy", "set", "tbsync", "DevicePasswordEnabled=yes"]);
    server.cli(&["policy", "assign", "tbsync", &phone.account.email.clone()]);
    note(&mut phone, "A policy is made; its next request is refused.");
    let request = phone.folder_sync_request();
    let refused = phone.call("FolderSync", &request);
    assert_eq!(refused.at(&[fh::STATUS]), Some("142"), "{refused:?}");
    let kind = || text(pr::POLICY_TYPE, "MS-EAS-Provisioning-WBXML");
    let policies = |parts| tree(pr::POLICIES, [tree(pr::POLICY, parts)]);
    let request = tree(pr::PROVISION, [information(&phone), policies(vec![kind()])]);
    let way = [pr::POLICIES, pr::POLICY, pr::POLICY_KEY];
    let reply = phone.call("Provision", &request);
    let key = reply.at(&way).expect("a key").to_owned();
    phone.policy_key = key.parse().expect("a number");
    let said = policies(vec![kind(), text(pr::POLICY_KEY, key), text(pr::STATUS, 1)]);
    let reply = phone.call("Provision", &tree(pr::PROVISION, [said]));
    phone.policy_key = reply.at(&way).and_then(|key| key.parse().ok()).expect("a final key");
    assert_eq!(phone.folder_sync(), 0);
    assert_eq!(pull(&mut phone, &calendar), 0);
    end(phone);
}
