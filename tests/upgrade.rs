//! What becomes of the data of former versions: directories that these wrote, kept in
//! `tests/data/old`, are served by this one.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use kontor::format::wbxml::Element;
use kontor::format::wbxml::tags::{air_sync as t, calendar as c, folder_hierarchy as fh, ping};

use crate::support::eas::model::{IPHONE, Model, WINDOWS_PHONE_8};
use crate::support::eas::{Folder, Held, Phone, text, tree};
use crate::support::server::PASSWORD;
use crate::support::{Account, PATIENCE, Server, data, message};

/// The data that a former version left behind, in a directory of its own.
fn data_of(version: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    unpack(&data("old").join(version), dir.path());
    dir
}

fn unpack(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            unpack(&path, &to.join(name));
        } else if path.extension().is_some_and(|ending| ending == "gz") {
            let packed = std::fs::File::open(&path).expect("a file");
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).expect("a whole file");
            let name = path.file_stem().expect("a name");
            std::fs::write(to.join(name), plain).expect("room");
        }
    }
}

fn serve(dir: &tempfile::TempDir) -> Server {
    Server::setup().data(dir.path()).start()
}

fn account(local: &str) -> Account {
    Account { email: format!("{local}@test.example"), password: PASSWORD.to_owned() }
}

/// Everything, whatever its age: the data does not get younger.
const ALL_TIMES: Model = Model { filter: (0, 0), ..IPHONE };

static WITH_ALL: Model = ALL_TIMES;

/// A mailbox as a mail program that was here before remembers it.
type Remembered = (&'static str, u64, u64, &'static [(u32, &'static str, &'static str)]);

/// What the old version said: UIDVALIDITY, UIDNEXT, and of each message UID, flags, subject.
const BEFORE_COLLECTIONS: [Remembered; 9] = [
    (
        "INBOX",
        1_795_604_237,
        9,
        &[
            (1, "", "Letter 1"),
            (2, "\\Seen", "Letter 2"),
            (4, "$Important \\Flagged", "Letter 4"),
            (5, "", "Letter 5"),
            (6, "", "Letter 6"),
        ],
    ),
    ("Drafts", 1_795_604_238, 2, &[(1, "\\Draft", "Letter 30")]),
    ("Sent", 1_795_604_239, 1, &[]),
    ("Junk", 1_795_604_240, 1, &[]),
    ("Trash", 1_795_604_241, 1, &[]),
    ("Archive", 1_795_604_242, 1, &[]),
    ("Work", 1_795_604_243, 1, &[]),
    ("Work/2026", 1_795_604_244, 3, &[(1, "", "Letter 7"), (2, "", "Letter 8")]),
    ("Calendar", 1_795_604_245, 2, &[(1, "", "Letter 1")]),
];

/// What a mail program sees, each with its HIGHESTMODSEQ.
fn mail_is_as_remembered(server: &Server, account: &Account) -> BTreeMap<String, u64> {
    let mut imap = server.imap(account);
    let listed = imap.ok("LIST \"\" *");
    assert_eq!(listed.all("* LIST *").len(), BEFORE_COLLECTIONS.len(), "{listed}");
    let mut sequences = BTreeMap::new();
    for (mailbox, validity, next, messages) in BEFORE_COLLECTIONS {
        let selected = imap.ok(&format!("EXAMINE {mailbox}"));
        assert_eq!(selected.number("UIDVALIDITY"), validity, "{mailbox}");
        assert_eq!(selected.number("UIDNEXT"), next, "{mailbox}");
        sequences.insert(mailbox.to_owned(), selected.number("HIGHESTMODSEQ"));
        let mut seen = Vec::new();
        if !messages.is_empty() {
            for each in imap.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER])").fetches() {
                let header = each.value("BODY[HEADER]").text();
                let subject = header.lines().find_map(|line| line.strip_prefix("Subject: "));
                seen.push((each.uid(), each.flags().join(" "), subject.unwrap_or("").to_owned()));
            }
        }
        let wanted: Vec<_> = messages
            .iter()
            .map(|(uid, flags, subject)| (*uid, (*flags).to_owned(), (*subject).to_owned()))
            .collect();
        assert_eq!(seen, wanted, "{mailbox}");
        for (uid, _, subject) in messages {
            let body = String::from_utf8_lossy(&imap.body(*uid)).into_owned();
            assert!(body.contains(&format!("This is {}.", subject.to_lowercase())), "{body}");
        }
    }
    sequences
}

#[track_caller]
fn check(server: &Server) {
    let report = server.try_cli(&["check"], "");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
}

fn event(client_id: &str) -> Element {
    let data = [
        text(c::START_TIME, "20300107T090000Z"),
        text(c::END_TIME, "20300107T100000Z"),
        text(c::SUBJECT, "Lunch"),
    ];
    tree(t::ADD, [text(t::CLIENT_ID, client_id), tree(t::APPLICATION_DATA, data)])
}

/// Folder ids by type and name.
fn folders(phone: &Phone) -> BTreeMap<String, (u8, String)> {
    let each = |(id, folder): (&String, &Folder)| (id.clone(), (folder.kind, folder.name.clone()));
    phone.folders.iter().map(each).collect()
}

#[test]
fn data_from_before_calendars_gets_them_and_keeps_its_mail() {
    let dir = data_of("before-collections");
    let mut server = serve(&dir);
    let anna = account("anna");
    let sequences = mail_is_as_remembered(&server, &anna);

    let mut phone = Phone::quick(&server, &WITH_ALL, &anna);
    phone.folder_sync();
    let kinds = [(7, "Tasks"), (8, "Calendar"), (9, "Contacts"), (10, "Notes")];
    for (kind, name) in kinds {
        let id = phone.folder(kind);
        assert_eq!(phone.folders[&id].name, name);
        phone.settle(&[&id]);
    }
    // The mailbox of that name is a mailbox.
    assert!(folders(&phone).values().any(|folder| *folder == (12, "Calendar".to_owned())));
    let (inbox, calendar) = (phone.folder(2), phone.folder(8));
    phone.settle(&[&inbox]);
    assert_eq!(phone.held[&inbox].items.len(), 5);
    phone.own.insert("1".to_owned(), tree(t::APPLICATION_DATA, []));
    phone.change(&calendar, vec![event("1")]);
    assert_eq!(phone.held[&calendar].items.len(), 1);
    check(&server);

    // From then on it is data as any other: nothing is made once more.
    server.stop();
    server.start();
    assert_eq!(mail_is_as_remembered(&server, &anna), sequences);
    phone.hang_up();
    assert_eq!(phone.folder_sync(), 0, "the hierarchy changed by itself");
    let all: Vec<_> = phone.held.keys().cloned().collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert!(!phone.sync(&all), "something came by itself");
    let mut second = Phone::quick(&server, &WITH_ALL, &anna).named("2");
    second.folder_sync();
    assert_eq!(folders(&second), folders(&phone));
    second.settle(&[&calendar]);
    assert_eq!(second.held[&calendar].items.len(), 1);
    // The others as well, and mail goes on arriving where it was left.
    let mut admin = Phone::quick(&server, &WITH_ALL, &account("admin"));
    admin.folder_sync();
    assert_eq!(kinds.map(|(kind, _)| admin.folder(kind)).len(), 4);
    server.deliver(&anna, &message("Later", "x"));
    assert!(phone.sync(&[&inbox]));
    assert_eq!(server.inbox(&anna).ok("UID SEARCH ALL").search().last(), Some(&9));
    check(&server);
}

/// A folder as a phone had it when the former version stopped: id, type, key, items.
type HadFolder = (&'static str, u8, &'static str, &'static [&'static str]);

const MAIL: &[&str] = &["1:1", "1:2", "1:3", "1:4", "1:5"];
const EVENTS: &[&str] = &["7:1"];
const CONTACTS: &[&str] = &["8:1", "8:2", "8:3"];

/// Two phones with the keys that they had: of the hierarchy, and of each folder.
static FORMER_STATES: [(Model, &str, [HadFolder; 5]); 2] = [
    (
        ALL_TIMES,
        "13631489",
        [
            ("1", 2, "14680066", MAIL),
            ("2", 3, "18874369", &[]),
            ("7", 8, "15728642", EVENTS),
            ("8", 9, "16777220", CONTACTS),
            ("9", 7, "17825793", &[]),
        ],
    ),
    (
        Model { filter: (0, 0), ..WINDOWS_PHONE_8 },
        "20971521",
        [
            ("1", 2, "22020098", MAIL),
            ("2", 3, "26214401", &[]),
            ("7", 8, "23068674", EVENTS),
            ("8", 9, "24117250", CONTACTS),
            ("9", 7, "25165825", &[]),
        ],
    ),
];

/// What the phone holds, by folder.
fn held(phone: &Phone) -> BTreeMap<String, Vec<String>> {
    let ids = |held: &Held| held.items.keys().cloned().collect();
    phone.held.iter().map(|(folder, held)| (folder.clone(), ids(held))).collect()
}

/// Starts over, as phones do: with the hierarchy, then folder by folder.
fn start_over(phone: &mut Phone, folders: &[&str]) {
    phone.folder_key = "0".to_owned();
    phone.folders.clear();
    phone.held.clear();
    phone.folder_sync();
    phone.settle(folders);
}

/// The layout of what phones have been told has changed: their keys are none any more, each is
/// told so at its first request, and has everything once after it.
#[test]
fn phones_of_a_former_layout_start_over_once() {
    let dir = data_of("former-states");
    let mut server = serve(&dir);
    let anna = account("anna");
    let mut phones = Vec::new();
    for (model, folder_key, had) in &FORMER_STATES {
        let mut phone = Phone::quick(&server, model, &anna);
        phone.folder_key = (*folder_key).to_owned();
        for (id, kind, key, items) in had {
            let folder = Folder { name: String::new(), kind: *kind, parent: "0".to_owned() };
            phone.folders.insert((*id).to_owned(), folder);
            let data = || tree(t::APPLICATION_DATA, []);
            let items = items.iter().map(|item| ((*item).to_owned(), data())).collect();
            let held = Held { key: (*key).to_owned(), items, ..Held::default() };
            phone.held.insert((*id).to_owned(), held);
        }
        let before = held(&phone);
        let folders = had.map(|folder| folder.0);

        // Whatever it asks first, it is sent to start over.
        let waiting = phone.start_ping(&folders, 480);
        let pinged = phone.answer("Ping", waiting, PATIENCE).expect("an answer at once");
        assert_eq!(pinged.at(&[ping::STATUS]), Some("7"), "{pinged:?}");
        let request = phone.sync_request(&folders);
        let synced = phone.call("Sync", &request);
        let status = phone.take(&synced).expect_err("a key of the former layout");
        assert!(["3", "12"].contains(&status.as_str()), "{status}");
        let request = phone.folder_sync_request();
        let refused = phone.call("FolderSync", &request);
        assert_eq!(refused.at(&[fh::STATUS]), Some("9"), "{refused:?}");

        start_over(&mut phone, &folders);
        assert_eq!(held(&phone), before);
        phones.push(phone);
    }
    check(&server);
    // Who was in the address list is, and can be taken out.
    let anna_set = ["user", "set", "anna@test.example", "--json"];
    for hidden in ["no", "yes"] {
        let said = server.cli(&[&anna_set[..], &["--hidden", hidden]].concat());
        assert!(said.contains(&format!("\"hidden\": {}", hidden == "yes")), "{said}");
    }
    // Both are known as they were.
    let listed = server.cli(&["device", "list", "anna@test.example"]);
    assert_eq!(listed.matches("Test phone").count(), 2, "{listed}");

    server.stop();
    server.start();
    for phone in &mut phones {
        phone.hang_up();
        assert_eq!(phone.folder_sync(), 0, "the hierarchy came again");
        let folders: Vec<_> = phone.held.keys().cloned().collect();
        let folders: Vec<_> = folders.iter().map(String::as_str).collect();
        assert!(!phone.sync(&folders), "something came again");
    }
    check(&server);
}
