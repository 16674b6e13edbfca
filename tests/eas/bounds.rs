//! What a policy bounds at the server for old phones, and one instance of a series that is
//! forwarded.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kontor::format::wbxml::tags::{
    air_sync as t, air_sync_base as b, calendar as c, compose_mail as cm, email as e,
    get_item_estimate as g, item_operations as io,
};
use kontor::format::wbxml::{Element, Value};

use super::with_attachment;
use crate::support::eas::model::{IPHONE, WINDOWS_MOBILE_6_5};
use crate::support::eas::{Phone, empty, text, tree};
use crate::support::http::Http;
use crate::support::{Account, Server, eventually, message};

const FILE: &[u8] = b"%PDF-1.4\n";

/// Bounds what this account's phones may see; they need not obey.
fn bound(server: &Server, account: &Account, settings: &[&str]) {
    let name = format!("for-{}", account.email.split('@').next().expect("a name"));
    let set = [&["policy", "set", &name, "--allow-non-provisionable", "yes"], settings].concat();
    server.cli(&set);
    server.cli(&["policy", "assign", &name, &account.email]);
}

/// A phone of 12.1 that has never heard of policies and wants everything.
fn old_phone(server: &Server, account: &Account, name: &str) -> Phone {
    let mut phone = Phone::quick(server, &WINDOWS_MOBILE_6_5, account).named(name);
    phone.knows_policies = false;
    phone.filter = (0, 0);
    phone.folder_sync();
    phone
}

/// When a day so long ago was, for APPEND and for ActiveSync.
fn days_ago(days: i64) -> (String, String) {
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(days * 24);
    let said = |form| then.strftime(form).to_string();
    (said("%d-%b-%Y %H:%M:%S +0000"), said("%Y%m%dT%H%M%SZ"))
}

#[test]
fn get_attachment_keeps_to_the_policy() {
    let server = Server::shared();
    let account = server.account();
    server.deliver(&account, &with_attachment());
    let mut phone = old_phone(server, &account, "F");
    let inbox = phone.folder(2);
    phone.settle(&[&inbox]);
    let mail = phone.held[&inbox].items.values().next().expect("the mail");
    let files = mail.child(b::ATTACHMENTS).expect("attachments");
    let reference = files.children[0].text_of(b::FILE_REFERENCE).expect("a reference").to_owned();
    let get = || {
        let path = format!(
            "/Microsoft-Server-ActiveSync?Cmd=GetAttachment&User={}&DeviceId={}&DeviceType={}\
             &AttachmentName={reference}",
            account.email, phone.device, phone.model.kind
        );
        let basic = account.basic();
        let headers = [("Authorization", basic.as_str()), ("MS-ASProtocolVersion", "12.1")];
        let answer = Http::plain(server.ports.http).request("POST", &path, &headers, b"");
        (answer.status, answer.body)
    };
    assert_eq!(get(), (200, FILE.to_vec()));
    for (settings, allowed) in [
        (["MaxAttachmentSize=8", "AttachmentsEnabled=yes"], false),
        (["MaxAttachmentSize=9", "AttachmentsEnabled=yes"], true),
        (["MaxAttachmentSize=none", "AttachmentsEnabled=no"], false),
    ] {
        bound(server, &account, &settings);
        let (status, body) = get();
        assert_eq!(status, if allowed { 200 } else { 403 }, "{settings:?}");
        assert_eq!(body == FILE, allowed, "{settings:?}");
    }
}

#[test]
fn get_item_estimate_keeps_to_the_policy() {
    let server = Server::shared();
    let account = server.account();
    server.deliver(&account, &message("Today", "x"));
    let mut imap = server.imap(&account);
    let append = format!("APPEND INBOX \"{}\" ", days_ago(5).0);
    imap.with_literal(&append, &message("Last week", "x"), "");
    let mut phone = old_phone(server, &account, "E");
    let calendar = phone.folder(8);
    phone.settle(&[&calendar]);
    let (start, end) = (days_ago(20).1, days_ago(19).1);
    let past = [
        text(c::START_TIME, &start),
        text(c::END_TIME, &end),
        text(c::SUBJECT, "Long ago"),
        text(c::UID, "long-ago"),
    ];
    let add = tree(t::ADD, [text(t::CLIENT_ID, "1"), tree(t::APPLICATION_DATA, past)]);
    phone.change(&calendar, vec![add]);

    // Another phone, which has nothing yet.
    let mut phone = old_phone(server, &account, "G");
    let inbox = phone.folder(2);
    phone.sync(&[&inbox, &calendar]);
    let mut estimate = |folder: &str| {
        let parts = [
            text(g::CLASS, phone.class(folder)),
            text(g::COLLECTION_ID, folder),
            text(t::FILTER_TYPE, 0),
            text(t::SYNC_KEY, &phone.held[folder].key),
        ];
        let collections = tree(g::COLLECTIONS, [tree(g::COLLECTION, parts)]);
        let reply = phone.call("GetItemEstimate", &tree(g::GET_ITEM_ESTIMATE, [collections]));
        let estimate = reply.at(&[g::RESPONSE, g::COLLECTION, g::ESTIMATE]);
        estimate.unwrap_or_else(|| panic!("{:?}", reply.http)).to_owned()
    };
    assert_eq!((estimate(&inbox), estimate(&calendar)), ("2".into(), "1".into()));
    bound(server, &account, &["MaxEmailAgeFilter=2", "MaxCalendarAgeFilter=4"]);
    assert_eq!((estimate(&inbox), estimate(&calendar)), ("1".into(), "0".into()));
    bound(server, &account, &["MaxEmailAgeFilter=3", "MaxCalendarAgeFilter=5"]);
    assert_eq!((estimate(&inbox), estimate(&calendar)), ("2".into(), "1".into()));
}

/// MS-ASCMD 2.2.3.92.3: of a weekly meeting, only the Wednesday that is meant.
#[test]
fn one_instance_of_a_series_is_forwarded() {
    let server = Server::shared();
    let (account, friend) = (server.account(), server.account());
    let mut phone = Phone::quick(server, &IPHONE, &account);
    phone.folder_sync();
    let calendar = phone.folder(8);
    phone.settle(&[&calendar]);
    let weekly = [text(c::TYPE, 1), text(c::INTERVAL, 1), text(c::DAY_OF_WEEK, 8)];
    let data = [
        text(c::TIMEZONE, BASE64_STANDARD.encode([0; 172])),
        text(c::START_TIME, "20300109T090000Z"),
        text(c::END_TIME, "20300109T100000Z"),
        text(c::SUBJECT, "Choir"),
        tree(c::RECURRENCE, weekly),
    ];
    let add = tree(t::ADD, [text(t::CLIENT_ID, "1"), tree(t::APPLICATION_DATA, data)]);
    phone.change(&calendar, vec![add]);
    let event = phone.held[&calendar].items.keys().next().expect("the event").clone();
    let mut forward = |id: &str, subject: &str, at: Option<&str>| {
        let mut source = vec![text(cm::FOLDER_ID, &calendar), text(cm::ITEM_ID, &event)];
        source.extend(at.map(|at| text(cm::INSTANCE_ID, at)));
        let mime = format!(
            "To: <{}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain\r\n\r\nCome along.\r\n",
            friend.email
        );
        let mime = Value::Opaque(bytes::Bytes::from(mime));
        let parts = [
            text(cm::CLIENT_ID, id),
            tree(cm::SOURCE, source),
            Element { value: mime, ..empty(cm::MIME) },
        ];
        phone.call("SmartForward", &tree(cm::SMART_FORWARD, parts))
    };
    let answer = forward("f1", "one", Some("2030-01-16T09:00:00.000Z"));
    assert!(answer.element.is_none(), "{:?}", answer.element);
    assert!(forward("f2", "all", None).element.is_none());
    // On a Thursday nothing takes place.
    let answer = forward("f3", "none", Some("2030-01-17T09:00:00.000Z"));
    assert_eq!(answer.at(&[cm::STATUS]), Some("150"));

    let mut theirs = Phone::quick(server, &IPHONE, &friend);
    theirs.folder_sync();
    let inbox = theirs.folder(2);
    let mut file_of = |subject: &str| {
        let reference = eventually(subject, || {
            theirs.settle(&[&inbox]);
            let mut mails = theirs.held[&inbox].items.values();
            let mail = mails.find(|mail| mail.text_of(e::SUBJECT) == Some(subject))?;
            let files = &mail.child(b::ATTACHMENTS)?.children;
            Some(files.first()?.text_of(b::FILE_REFERENCE)?.to_owned())
        });
        let fetch = [text(io::STORE, "Mailbox"), text(b::FILE_REFERENCE, reference)];
        let request = tree(io::ITEM_OPERATIONS, [tree(io::FETCH, fetch)]);
        let reply = theirs.call("ItemOperations", &request);
        let data = reply.at(&[io::RESPONSE, io::FETCH, io::PROPERTIES, io::DATA]);
        let data = data.unwrap_or_else(|| panic!("{:?}", reply.element));
        String::from_utf8(BASE64_STANDARD.decode(data).expect("base64")).expect("text")
    };
    let one = file_of("one");
    assert!(one.contains("SUMMARY:Choir") && one.contains("20300116T090000"), "{one}");
    assert!(!one.contains("RRULE") && !one.contains("20300109T"), "{one}");
    let all = file_of("all");
    assert!(all.contains("RRULE") && all.contains("20300109T090000"), "{all}");
    assert_eq!(theirs.held[&inbox].items.len(), 2);
}
