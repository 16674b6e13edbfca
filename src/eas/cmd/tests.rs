//! ItemOperations, GetAttachment, Search and Find on whole requests.

use std::sync::Arc;

use axum::http::HeaderMap;
use bytes::Bytes;

use crate::base::clock::Clock;
use crate::base::id::{AccountId, MailboxId, Uid};
use crate::base::limits::Limits;
use crate::domain::message::{self, FlagNames, Prepared};
use crate::domain::{account, mailbox};
use crate::eas::answer::{Answer, Failure};
use crate::eas::render::email;
use crate::eas::request::Query;
use crate::eas::session::Session;
use crate::eas::version::{Command, Version};
use crate::eas::{Front, Settings, cmd, ids};
use crate::format::wbxml::{self, Element, Tag, tags};
use crate::http::basic::Gate;
use crate::login::Doorkeeper;
use crate::net::rate::Logins;
use crate::net::{ShutdownSender, shutdown};
use crate::store::{Message, Read, Store};

use tags::{
    air_sync as a, air_sync_base as b, email as e, find as f, gal as g, item_operations as io,
    search as s,
};

const NOW: i64 = 1_700_000_000;

struct Office {
    store: Store,
    front: Arc<Front>,
    account: AccountId,
    inbox: MailboxId,
    _up: ShutdownSender,
}

/// What came back.
#[derive(Debug)]
struct Got {
    root: Element,
    parts: Vec<Bytes>,
}

impl Office {
    fn new() -> Office {
        let store = Store::in_memory(Clock::fixed(NOW));
        let account = tokio::task::block_in_place(|| {
            store.write_blocking(|tx| {
                account::add_domain(tx, "office.example")?;
                let new = account::NewAccount {
                    address: "anna@office.example".parse().unwrap(),
                    display_name: "Anna Muster".into(),
                    admin: false,
                    credentials: None,
                    quota: None,
                };
                account::create(tx, &new).map(|account| account.id)
            })
        })
        .unwrap();
        let inbox = mailbox::find(&store.read(), account, "INBOX").unwrap().id;
        let limits = Arc::new(Limits::default());
        let (_up, down) = shutdown();
        let doorkeeper = Doorkeeper::new(store.clone(), Logins::new(&limits));
        let settings = Settings {
            hostname: "mail.office.example".into(),
            limits,
            gate: Gate::new(doorkeeper, true),
            zone: jiff::tz::TimeZone::UTC,
            shutdown: down,
        };
        let front = Front::new(settings, store.clone());
        Office { store, front, account, inbox, _up }
    }

    async fn deliver(&self, to: MailboxId, raw: &str, age: i64) -> Message {
        let raw = Bytes::from(raw.replace('\n', "\r\n"));
        let done = self.store.write(move |tx| {
            let stored = message::store_content(tx, Prepared::new(b"", raw.clone()))?;
            message::add(tx, to, &stored, &FlagNames::default(), Some(NOW - age))
        });
        done.await.unwrap()
    }

    async fn folder(&self, name: &'static str) -> MailboxId {
        let account = self.account;
        let done = self.store.write(move |tx| mailbox::create(tx, account, name, None));
        done.await.unwrap().id
    }

    async fn send(&self, version: Version, multipart: bool, request: Element) -> Got {
        let command = match request.tag {
            io::ITEM_OPERATIONS => Command::ItemOperations,
            s::SEARCH => Command::Search,
            _ => Command::Find,
        };
        let query = Query {
            command: Some(command),
            device_id: "phone".into(),
            device_type: "Test".into(),
            accept_multipart: multipart,
            ..Query::default()
        };
        match self.run(command, version, query, wbxml::encode(&request)).await.unwrap() {
            Answer::Wbxml(bytes) => {
                Got { root: wbxml::decode(&bytes.into()).unwrap(), parts: Vec::new() }
            }
            Answer::Multipart(mut parts) => {
                let root = wbxml::decode(&parts.remove(0)).unwrap();
                Got { root, parts }
            }
            other => panic!("{other:?}"),
        }
    }

    async fn run(
        &self,
        command: Command,
        version: Version,
        query: Query,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let account = self.store.read().account(self.account).unwrap().unwrap();
        let (front, headers) = (self.front.clone(), HeaderMap::new());
        let session = Session::new(front, account, query, version, &headers, body.into());
        cmd::run(command, Box::new(session)).await
    }

    /// The attachment's reference as the phone learnt it.
    fn reference(&self, message: &Message) -> String {
        format!("a.{}.2", message.place.message)
    }
}

fn text(tag: Tag, text: &str) -> Element {
    Element::with_text(tag, text)
}

fn tree(tag: Tag, children: Vec<Element>) -> Element {
    Element::with_children(tag, children)
}

fn fetch(children: Vec<Element>) -> Element {
    let mut all = vec![text(io::STORE, "Mailbox")];
    all.extend(children);
    tree(io::ITEM_OPERATIONS, vec![tree(io::FETCH, all)])
}

/// The one thing that a Fetch, a Move and so on answered.
fn answered(got: &Got) -> &Element {
    assert_eq!(got.root.text_of(io::STATUS), Some("1"));
    &got.root.child(io::RESPONSE).unwrap().children[0]
}

const WITH_FILE: &str = "From: Bob <bob@else.example>\nSubject: Report of March\n\
    Content-Type: multipart/mixed; boundary=m\n\n--m\n\nPlease read the figures.\n--m\n\
    Content-Type: application/pdf; name=figures.pdf\nContent-Transfer-Encoding: base64\n\n\
    MDEyMzQ1Njc4OQ==\n--m--\n";

#[tokio::test(flavor = "multi_thread")]
async fn items_are_fetched_by_place_and_for_life() {
    let office = Office::new();
    let message = office.deliver(office.inbox, WITH_FILE, 0).await;
    let place = ids::item(office.inbox, message.uid);
    let request = fetch(vec![
        text(a::COLLECTION_ID, &ids::collection(office.inbox)),
        text(a::SERVER_ID, &place),
        tree(io::OPTIONS, vec![tree(b::BODY_PREFERENCE, vec![text(b::TYPE, "1")])]),
    ]);
    let got = office.send(Version::V14_1, false, request).await;
    let item = answered(&got);
    assert_eq!(item.text_of(io::STATUS), Some("1"));
    assert_eq!(item.text_of(a::SERVER_ID), Some(&*place));
    assert_eq!(item.text_of(a::CLASS), Some("Email"));
    let properties = item.child(io::PROPERTIES).unwrap();
    let body = properties.child(b::BODY).unwrap();
    assert_eq!(body.text_of(b::DATA), Some("Please read the figures."));
    // The id for life leads to it after a move; the place no longer does.
    let archive = office.folder("Old").await;
    let (inbox, uid) = (office.inbox, message.uid.0);
    let moved = office.store.write(move |tx| {
        message::move_to(tx, inbox, &crate::base::uidset::UidSet::range(uid, uid), archive)
    });
    moved.await.unwrap();
    let long = ids::long(message.place.message);
    let got = office.send(Version::V12_0, false, fetch(vec![text(s::LONG_ID, &long)])).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("1"));
    let got = office.send(Version::V12_0, false, fetch(vec![text(a::SERVER_ID, &place)])).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("6"));
    // Several parts: the body is behind the answer.
    let schema = tree(io::SCHEMA, vec![Element::new(b::BODY), Element::new(e::SUBJECT)]);
    let request = fetch(vec![text(s::LONG_ID, &long), tree(io::OPTIONS, vec![schema])]);
    let got = office.send(Version::V14_1, true, request).await;
    let properties = answered(&got).child(io::PROPERTIES).unwrap();
    assert_eq!(properties.children.len(), 2, "{properties:?}");
    assert_eq!(properties.child(b::BODY).unwrap().text_of(io::PART), Some("1"));
    assert_eq!(got.parts, [Bytes::from_static(b"Please read the figures.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_come_whole_or_in_ranges() {
    let office = Office::new();
    let message = office.deliver(office.inbox, WITH_FILE, 0).await;
    let reference = office.reference(&message);
    let wanted = |range: Option<&str>| {
        let options = range.map(|range| tree(io::OPTIONS, vec![text(io::RANGE, range)]));
        let mut children = vec![text(b::FILE_REFERENCE, &reference)];
        children.extend(options);
        fetch(children)
    };
    let got = office.send(Version::V14_1, false, wanted(None)).await;
    let properties = answered(&got).child(io::PROPERTIES).unwrap();
    assert_eq!(properties.text_of(io::DATA), Some("MDEyMzQ1Njc4OQ=="));
    assert_eq!(properties.text_of(b::CONTENT_TYPE), Some("application/pdf"));
    let got = office.send(Version::V12_1, true, wanted(Some("4-20"))).await;
    let properties = answered(&got).child(io::PROPERTIES).unwrap();
    assert_eq!(properties.text_of(io::RANGE), Some("4-9"));
    assert_eq!(properties.text_of(io::TOTAL), Some("10"));
    assert_eq!(got.parts, [Bytes::from_static(b"456789")]);
    let got = office.send(Version::V14_1, false, wanted(Some("10-20"))).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("8"));
    let query = Query { attachment_name: Some(reference), ..Query::default() };
    match office.run(Command::GetAttachment, Version::V2_5, query, Vec::new()).await.unwrap() {
        Answer::Raw { content_type, bytes } => {
            assert_eq!((&*content_type, &*bytes), ("application/pdf", &b"0123456789"[..]));
        }
        other => panic!("{other:?}"),
    }
    let gone = fetch(vec![text(b::FILE_REFERENCE, "a.99.2")]);
    let got = office.send(Version::V14_1, false, gone).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("15"));
    let library = vec![text(io::STORE, "DocumentLibrary")];
    let library = tree(io::ITEM_OPERATIONS, vec![tree(io::FETCH, library)]);
    let got = office.send(Version::V14_1, false, library).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_emptied_with_what_is_below_it() {
    let office = Office::new();
    let (old, deep) = (office.folder("Old").await, office.folder("Old/Deeper").await);
    for folder in [old, old, deep, office.inbox] {
        office.deliver(folder, "Subject: x\n\ny\n", 0).await;
    }
    let empty = |below: bool| {
        let mut children = vec![text(a::COLLECTION_ID, &ids::collection(old))];
        if below {
            let sub = Element::new(io::DELETE_SUB_FOLDERS);
            children.push(tree(io::OPTIONS, vec![sub]));
        }
        tree(io::ITEM_OPERATIONS, vec![tree(io::EMPTY_FOLDER_CONTENTS, children)])
    };
    let count = |id: MailboxId| office.store.read().mailbox(id).unwrap().map(|row| row.messages);
    let got = office.send(Version::V12_0, false, empty(false)).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("1"));
    assert_eq!((count(old), count(deep), count(office.inbox)), (Some(0), Some(1), Some(1)));
    office.send(Version::V12_0, false, empty(true)).await;
    assert_eq!((count(deep), count(office.inbox)), (None, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_moves_as_one() {
    let office = Office::new();
    let to = office.folder("Project").await;
    let other = office.folder("Other").await;
    let first = office.deliver(office.inbox, "Message-ID: <1@x>\nSubject: p\n\ny\n", 0).await;
    let answer = "Message-ID: <2@x>\nIn-Reply-To: <1@x>\nSubject: Re: p\n\ny\n";
    office.deliver(other, answer, 0).await;
    office.deliver(office.inbox, "Message-ID: <3@x>\nSubject: q\n\ny\n", 0).await;
    let id = email::conversation_id(office.account, first.place.thread);
    let request = |always: bool| {
        let id = Element {
            value: wbxml::Value::Opaque(Bytes::copy_from_slice(&id)),
            ..Element::new(io::CONVERSATION_ID)
        };
        let mut children = vec![id, text(io::DST_FLD_ID, &ids::collection(to))];
        if always {
            children.push(tree(io::OPTIONS, vec![Element::new(io::MOVE_ALWAYS)]));
        }
        tree(io::ITEM_OPERATIONS, vec![tree(io::MOVE, children)])
    };
    let got = office.send(Version::V14_0, false, request(false)).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("155"));
    let got = office.send(Version::V14_0, false, request(true)).await;
    assert_eq!(answered(&got).text_of(io::STATUS), Some("1"));
    let count = |id: MailboxId| office.store.read().mailbox(id).unwrap().unwrap().messages;
    assert_eq!((count(to), count(other), count(office.inbox)), (2, 0, 1));
}

fn mailbox_search(query: Vec<Element>, options: Vec<Element>) -> Element {
    let store = vec![
        text(s::NAME, "Mailbox"),
        tree(s::QUERY, vec![tree(s::AND, query)]),
        tree(s::OPTIONS, options),
    ];
    tree(s::SEARCH, vec![tree(s::STORE, store)])
}

/// Status, subjects, range and total of a Search.
fn results(got: &Got) -> (String, Vec<String>, String, String) {
    let store = got.root.child(s::RESPONSE).unwrap().child(s::STORE).unwrap();
    let of = |tag| store.text_of(tag).unwrap_or("").to_owned();
    let subject =
        |result: &Element| Some(result.child(s::PROPERTIES)?.text_of(e::SUBJECT)?.to_owned());
    let subjects = store.all(s::RESULT).filter_map(subject).collect();
    (of(s::STATUS), subjects, of(s::RANGE), of(s::TOTAL))
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_found_by_words_dates_and_conversation() {
    let office = Office::new();
    let old = office.folder("Old").await;
    office.deliver(office.inbox, WITH_FILE, 10).await;
    let lunch = "From: eve@else.example\nReceived: from figures.example\n\
                 Message-ID: <l@x>\nSubject: Lunch\n\nnoon?\n";
    let lunch = office.deliver(old, lunch, 5).await;
    let figures = "From: eve@else.example\nSubject: Figures\n\nnew ones\n";
    office.deliver(old, figures, 0).await;
    let find = |words: &str| mailbox_search(vec![text(s::FREE_TEXT, words)], vec![]);
    let got = office.send(Version::V14_1, false, find("FIGURES")).await;
    let (status, subjects, range, total) = results(&got);
    // Not the one whose Received line has the word: nobody sees that.
    assert_eq!((&*status, &*range, &*total), ("1", "0-1", "2"));
    assert_eq!(subjects, ["Figures", "Report of March"]);
    let got = office.send(Version::V14_1, false, find("figures from:bob")).await;
    assert_eq!(results(&got).1, ["Report of March"]);
    let got = office.send(Version::V12_0, false, find("nowhere")).await;
    assert_eq!(results(&got), ("1".into(), vec![], "".into(), "0".into()));
    // In one folder, a page at a time.
    let folder = vec![
        text(a::CLASS, "Email"),
        text(a::COLLECTION_ID, &ids::collection(old)),
        text(s::FREE_TEXT, "eve"),
    ];
    let page = |range| mailbox_search(folder.clone(), vec![text(s::RANGE, range)]);
    let got = office.send(Version::V14_1, false, page("1-1")).await;
    assert_eq!(results(&got), ("1".into(), vec!["Lunch".into()], "1-1".into(), "2".into()));
    let got = office.send(Version::V14_1, false, page("1000-1099")).await;
    assert_eq!(results(&got).0, "12");
    // By date and by conversation.
    let day = |seconds: i64| {
        let at = jiff::Timestamp::from_second(NOW - seconds).unwrap();
        tree(s::GREATER_THAN, vec![Element::new(e::DATE_RECEIVED), text(s::VALUE, &at.to_string())])
    };
    let got = office.send(Version::V14_1, false, mailbox_search(vec![day(7)], vec![])).await;
    assert_eq!(results(&got).1, ["Figures", "Lunch"]);
    let id = email::conversation_id(office.account, lunch.place.thread);
    let id = Element {
        value: wbxml::Value::Opaque(Bytes::copy_from_slice(&id)),
        ..Element::new(s::CONVERSATION_ID)
    };
    let got = office.send(Version::V14_1, false, mailbox_search(vec![id], vec![])).await;
    assert_eq!(results(&got).1, ["Lunch"]);
    // What cannot be asked.
    let got = office.send(Version::V14_1, false, mailbox_search(vec![], vec![])).await;
    assert_eq!(results(&got).0, "2");
    let or = mailbox_search(vec![tree(s::OR, vec![text(s::FREE_TEXT, "x")])], vec![]);
    assert_eq!(results(&office.send(Version::V14_1, false, or).await).0, "8");
    let gone = vec![text(a::COLLECTION_ID, "99"), text(s::FREE_TEXT, "x")];
    let got = office.send(Version::V14_1, false, mailbox_search(gone, vec![])).await;
    assert_eq!(results(&got).0, "11");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_the_beginnings_of_their_names() {
    let office = Office::new();
    let gal = |query: &str| {
        let store = vec![text(s::NAME, "GAL"), text(s::QUERY, query)];
        tree(s::SEARCH, vec![tree(s::STORE, store)])
    };
    for (query, found) in [("mus", 1), ("anna@off", 1), ("uster", 0)] {
        let got = office.send(Version::V2_5, false, gal(query)).await;
        let store = got.root.child(s::RESPONSE).unwrap().child(s::STORE).unwrap();
        assert_eq!(store.text_of(s::TOTAL), Some(&*found.to_string()), "{query}");
        if found > 0 {
            let person = store.child(s::RESULT).unwrap().child(s::PROPERTIES).unwrap();
            assert_eq!(person.text_of(g::EMAIL_ADDRESS), Some("anna@office.example"));
            assert_eq!(person.text_of(g::DISPLAY_NAME), Some("Anna Muster"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn find_lists_mail_and_people() {
    let office = Office::new();
    let message = office.deliver(office.inbox, WITH_FILE, 0).await;
    let find = |criterion, query, range: &str| {
        let options = tree(f::OPTIONS, vec![text(f::RANGE, range)]);
        let criterion = tree(criterion, vec![query, options]);
        let execute = tree(f::EXECUTE_SEARCH, vec![criterion]);
        tree(f::FIND, vec![text(f::SEARCH_ID, "{1}"), execute])
    };
    let query = tree(f::QUERY, vec![text(f::FREE_TEXT, "figures"), text(a::CLASS, "Email")]);
    let request = find(f::MAIL_BOX_SEARCH_CRITERION, query.clone(), "0-9");
    let got = office.send(Version::V16_1, false, request).await;
    let response = got.root.child(f::RESPONSE).unwrap();
    assert_eq!(response.text_of(f::STATUS), Some("1"));
    assert_eq!((response.text_of(f::RANGE), response.text_of(f::TOTAL)), (Some("0-0"), Some("1")));
    let result = response.child(f::RESULT).unwrap();
    let place = ids::item(office.inbox, Uid(message.uid.0));
    assert_eq!(result.text_of(a::SERVER_ID), Some(&*place));
    let properties = result.child(f::PROPERTIES).unwrap();
    assert_eq!(properties.text_of(f::HAS_ATTACHMENTS), Some("1"));
    assert_eq!(properties.text_of(f::PREVIEW), Some("Please read the figures."));
    let later = find(f::MAIL_BOX_SEARCH_CRITERION, query, "5-9");
    let got = office.send(Version::V16_1, false, later).await;
    assert_eq!(got.root.child(f::RESPONSE).unwrap().text_of(f::STATUS), Some("4"));
    let people = find(f::GAL_SEARCH_CRITERION, text(f::QUERY, "anna"), "0-9");
    let got = office.send(Version::V16_1, false, people).await;
    let response = got.root.child(f::RESPONSE).unwrap();
    assert_eq!(response.text_of(f::TOTAL), Some("1"));
}
