//! Phones and what an administrator decides about them: quarantine, block, policies, wipe.

mod page;
mod phone;

use std::time::Duration;

use kontor::format::wbxml::{Element, tags};

use crate::support::{Account, Server, eventually, message};

use phone::{Answer, Phone, el, find, tx};
use tags::{air_sync as a, email as e, folder_hierarchy as f, ping, provision as p, settings as s};

/// How soon a decision reaches a phone that waits.
const SOON: Duration = Duration::from_secs(1);

const INBOX: u32 = 2;
const CALENDAR: u32 = 8;

/// A server where an administrator approves each phone, and a person with a message.
fn careful() -> (Server, Account) {
    let server = Server::start_new();
    server.cli(&["policy", "access", "default", "quarantine"]);
    let account = server.account();
    server.deliver(&account, &message("the content", "x"));
    (server, account)
}

fn subjects(answer: &Answer) -> Vec<String> {
    let Some(root) = &answer.root else { return Vec::new() };
    let Some(commands) = find(root, a::COMMANDS) else { return Vec::new() };
    let adds = commands.all(a::ADD);
    adds.filter_map(|add| Some(find(add, e::SUBJECT)?.text().to_owned())).collect()
}

/// Starts a Ping and waits until the server holds it.
fn held_ping(phone: &mut Phone, inbox: &str) {
    phone.send("Ping", Some(&Phone::ping_request(inbox, 600)));
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn a_phone_waits_for_approval_and_then_everything_comes_by_itself() {
    let (server, account) = careful();
    let mut phone = Phone::new(&server, &account, "QUARANTINE1", "14.1");
    let folders = phone.folder_sync("0");
    assert_eq!(folders.outer(f::STATUS), 1);
    let (inbox, calendar) = (Phone::folder(&folders, INBOX), Phone::folder(&folders, CALENDAR));
    let folder_key = folders.text(f::SYNC_KEY);

    // One message, whatever it asks, and the same again if the answer is lost.
    let first = phone.sync(&inbox, "0");
    assert_eq!(subjects(&first), Vec::<String>::new());
    let key = first.text(a::SYNC_KEY);
    let second = phone.sync(&inbox, &key);
    assert_eq!(subjects(&second), ["Your phone has to be approved"]);
    assert_eq!(subjects(&phone.sync(&inbox, &key)), ["Your phone has to be approved"]);
    let key = second.text(a::SYNC_KEY);
    assert!(phone.sync(&inbox, &key).root.is_none(), "nothing more");
    let other = phone.sync(&calendar, "0").text(a::SYNC_KEY);
    assert!(phone.sync(&calendar, &other).root.is_none());
    // That it was read is taken; nothing is sent.
    let read = el(
        a::COMMANDS,
        vec![el(
            a::CHANGE,
            vec![
                tx(a::SERVER_ID, second.text(a::SERVER_ID)),
                el(a::APPLICATION_DATA, vec![tx(e::READ, 1)]),
            ],
        )],
    );
    let read = phone.ask("Sync", Some(&Phone::sync_request(&inbox, &key, vec![read])));
    assert_eq!(read.number(a::STATUS), 1);
    let send = tags::compose_mail::SEND_MAIL;
    let refused = phone.ask("SendMail", Some(&el(send, Vec::new())));
    assert_eq!(refused.outer(tags::compose_mail::STATUS), 130);

    // The administrator has been told, once.
    let admin = Account { email: "admin@test.example".into(), ..account.clone() };
    let mut imap = server.imap(&admin);
    let selected = imap.ok("SELECT INBOX");
    selected.assert_has("* 1 EXISTS");
    let mail = imap.ok("FETCH 1 BODY[]").to_string();
    for part in ["A phone waits for approval", "QUARANTINE1", account.email.as_str(), "WP8"] {
        assert!(mail.contains(part), "{part} in {mail}");
    }

    held_ping(&mut phone, &inbox);
    let decided = std::time::Instant::now();
    server.cli(&["device", "approve", "quarantine1"]);
    let woken = phone.receive();
    // Some 10 ms, the command that approves it included.
    assert!(decided.elapsed() < SOON, "{:?}", decided.elapsed());
    assert_eq!(woken.outer(ping::STATUS), 7);
    assert_eq!(phone.folder_sync(&folder_key).outer(f::STATUS), 9);
    let folders = phone.folder_sync("0");
    assert_eq!(Phone::folder(&folders, INBOX), inbox);
    assert_eq!(phone.sync(&inbox, &key).number(a::STATUS), 3, "a key of the quarantine");
    let key = phone.sync(&inbox, "0").text(a::SYNC_KEY);
    assert_eq!(subjects(&phone.sync(&inbox, &key)), ["the content"]);
}

#[test]
fn a_held_sync_ends_with_the_decision_too() {
    let (server, account) = careful();
    let mut phone = Phone::new(&server, &account, "QUARANTINE2", "14.1");
    let inbox = Phone::folder(&phone.folder_sync("0"), INBOX);
    let key = phone.sync(&inbox, "0").text(a::SYNC_KEY);
    let key = phone.sync(&inbox, &key).text(a::SYNC_KEY);
    let mut waiting = Phone::sync_request(&inbox, &key, Vec::new());
    waiting.children.push(tx(a::HEARTBEAT_INTERVAL, 600));
    phone.send("Sync", Some(&waiting));
    std::thread::sleep(Duration::from_millis(300));
    // Decided for all at once, not about this one.
    server.cli(&["policy", "access", "default", "allow"]);
    assert_eq!(phone.receive().outer(a::STATUS), 12);
}

#[test]
fn a_blocked_phone_hears_it_in_its_versions_words() {
    let server = Server::start_new();
    let account = server.account();
    let mut phone = Phone::new(&server, &account, "BLOCK1", "14.1");
    let inbox = Phone::folder(&phone.folder_sync("0"), INBOX);
    let key = phone.sync(&inbox, "0").text(a::SYNC_KEY);
    phone.sync(&inbox, &key);
    held_ping(&mut phone, &inbox);
    server.cli(&["device", "block", "BLOCK1", "--user", &account.email]);
    assert_eq!(phone.receive().outer(ping::STATUS), 129);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 129);
    phone.version = "12.1";
    assert_eq!(phone.folder_sync("0").status, 403);
    // The listing knows it, and why.
    let shown = server.cli(&["device", "show", "block1", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["access"], "blocked");
    assert_eq!(shown["last_error"]["text"], "Ping: status 129");
    server.cli(&["device", "approve", "BLOCK1"]);
    assert_eq!(phone.folder_sync("0").status, 200);
}

#[test]
fn rules_know_a_phone_by_what_it_tells() {
    let server = Server::start_new();
    let account = server.account();
    server.cli(&["policy", "access", "rule", "model", "RM-*", "block"]);
    let mut phone = Phone::new(&server, &account, "RULE1", "14.1");
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    let told = el(s::SETTINGS, vec![Phone::information()]);
    assert_eq!(phone.ask("Settings", Some(&told)).outer(s::STATUS), 129);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 129);
    server.cli(&["policy", "access", "exception", &account.email, "allow"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    let shown = server.cli(&["policy", "access", "show"]);
    assert!(shown.contains("RM-*") && shown.contains(&account.email), "{shown}");
}

#[test]
fn a_person_has_so_many_phones_and_no_more() {
    let server = Server::start_new();
    let account = server.account();
    server.cli(&["policy", "access", "max-devices", "1"]);
    assert_eq!(Phone::new(&server, &account, "MANY1", "14.1").folder_sync("0").outer(f::STATUS), 1);
    let mut second = Phone::new(&server, &account, "MANY2", "14.1");
    assert_eq!(second.folder_sync("0").outer(f::STATUS), 177);
    second.version = "2.5";
    assert_eq!(second.folder_sync("0").status, 403);
}

#[test]
fn nothing_is_demanded_unless_somebody_says_so() {
    let server = Server::start_new();
    let account = server.account();
    for version in ["2.5", "12.1", "14.1", "16.1"] {
        let id = format!("FREE{}", version.replace('.', ""));
        let mut phone = Phone::new(&server, &account, &id, version);
        assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1, "{version}");
        // One that asks by itself gets a policy that demands nothing, and its keys; some
        // clients go on with nothing else. Whether it then says that it has it is its affair.
        phone.provision();
        let data = phone.document.take().expect("a policy");
        let document = data.child(p::EAS_PROVISION_DOC).expect("a document");
        assert_eq!(document.text_of(p::DEVICE_PASSWORD_ENABLED), Some("0"));
        assert_eq!(document.text_of(p::ATTACHMENTS_ENABLED), Some("1"));
        assert_eq!(document.text_of(p::MAX_ATTACHMENT_SIZE), Some(""));
        let mine = phone.key;
        for key in [mine, None, Some(0), Some(4711)] {
            phone.key = key;
            assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1, "{version} {key:?}");
        }
    }
}

#[test]
fn a_phone_with_a_policy_that_demands_nothing_hears_of_one_that_does() {
    let server = Server::start_new();
    let account = server.account();
    let mut phone = Phone::new(&server, &account, "EARLY1", "14.1");
    phone.provision();
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    server.cli(&["policy", "set", "field", "DevicePasswordEnabled=yes"]);
    let shown = server.cli(&["policy", "show", "field"]);
    assert!(shown.contains("DevicePasswordEnabled=yes"), "as it was given: {shown}");
    server.cli(&["policy", "assign", "field", &account.email]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 143);
    phone.provision();
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    server.cli(&["policy", "remove", "field"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 143);
    phone.provision();
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);

    // It is erased on the same way, before it hears of any policy.
    server.cli(&["device", "wipe", "EARLY1"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 140);
    let ordered = phone.ask("Provision", Some(&Phone::provision_request(true, Vec::new())));
    assert!(ordered.has(p::REMOTE_WIPE) && !ordered.has(p::POLICY_KEY), "{ordered:?}");
}

/// A server with a policy for one person.
fn strict() -> (Server, Account) {
    let server = Server::start_new();
    let account = server.account();
    let settings = ["DevicePasswordEnabled=yes", "MinDevicePasswordLength=6"];
    server.cli(&[&["policy", "set", "field"], &settings[..]].concat());
    server.cli(&["policy", "assign", "field", &account.email]);
    (server, account)
}

#[test]
fn a_policy_is_taken_up_in_two_phases_and_refreshed() {
    let (server, account) = strict();
    let mut phone = Phone::new(&server, &account, "POLICY1", "14.1");
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 142);
    // Windows Phone 8.1 tells of itself first.
    let told = el(s::SETTINGS, vec![Phone::information()]);
    assert_eq!(phone.ask("Settings", Some(&told)).outer(s::STATUS), 1);
    let oof = el(s::SETTINGS, vec![el(s::OOF, vec![el(s::GET, vec![tx(s::BODY_TYPE, "Text")])])]);
    assert_eq!(phone.ask("Settings", Some(&oof)).outer(s::STATUS), 142);

    phone.key = Some(0);
    let first = phone.ask("Provision", Some(&Phone::provision_request(false, Vec::new())));
    assert_eq!(first.outer(p::STATUS), 1);
    assert_eq!(first.text(p::MIN_DEVICE_PASSWORD_LENGTH), "6");
    assert_eq!(first.text(p::ALLOW_CAMERA), "1");
    let temporary = first.number(p::POLICY_KEY);
    let wrong = phone.acknowledge(temporary ^ 1, 1);
    let policy = find(wrong.root.as_ref().expect("an answer"), p::POLICY).expect("a policy");
    assert_eq!(policy.text_of(p::STATUS), Some("5"));
    // It cannot obey all of it.
    assert_eq!(phone.acknowledge(temporary, 2).outer(p::STATUS), 139);
    let second = phone.acknowledge(temporary, 1);
    let key = second.number(p::POLICY_KEY);
    assert!(key != temporary && !second.has(p::DATA));
    assert_eq!(phone.acknowledge(temporary, 1).number(p::POLICY_KEY), key, "the answer was lost");

    phone.key = Some(key);
    let folders = phone.folder_sync("0");
    assert_eq!(folders.outer(f::STATUS), 1);
    phone.key = Some(key + 1);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 144);
    phone.key = Some(0);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 142);

    // Another policy reaches a phone that waits.
    phone.key = Some(key);
    let inbox = Phone::folder(&folders, INBOX);
    let synced = phone.sync(&inbox, "0").text(a::SYNC_KEY);
    phone.sync(&inbox, &synced);
    held_ping(&mut phone, &inbox);
    server.cli(&["policy", "set", "field", "AllowCamera=no"]);
    assert_eq!(phone.receive().outer(ping::STATUS), 143);
    phone.provision();
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    let shown = server.cli(&["device", "show", "POLICY1"]);
    assert!(shown.contains("field, obeyed") && shown.contains("Ben's Lumia"), "{shown}");

    // It goes; the phone is asked once to take it back.
    server.cli(&["policy", "remove", "field"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 143);
    phone.provision();
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    phone.key = None;
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
}

#[test]
fn older_phones_provision_in_their_own_way() {
    let (server, account) = strict();
    let mut phone = Phone::new(&server, &account, "OLD121", "12.1");
    assert_eq!(phone.folder_sync("0").status, 449);
    phone.provision();
    assert_eq!(phone.folder_sync("0").status, 200);

    let mut phone = Phone::new(&server, &account, "OLD25", "2.5");
    assert_eq!(phone.folder_sync("0").status, 449);
    let policy = |more: Vec<Element>| {
        let mut policy = vec![tx(p::POLICY_TYPE, "MS-WAP-Provisioning-XML")];
        policy.extend(more);
        el(p::PROVISION, vec![el(p::POLICIES, vec![el(p::POLICY, policy)])])
    };
    let first = phone.ask("Provision", Some(&policy(Vec::new())));
    let document = first.text(p::DATA);
    assert!(document.contains(r#"name="MinimumPasswordLength" value="6""#), "{document}");
    let temporary = first.number(p::POLICY_KEY);
    let more = vec![tx(p::POLICY_KEY, temporary), tx(p::STATUS, 1)];
    phone.key = Some(phone.ask("Provision", Some(&policy(more))).number(p::POLICY_KEY));
    assert_eq!(phone.folder_sync("0").status, 200);

    let mut unknown = Phone::new(&server, &account, "UNKNOWN", "14.1");
    unknown.key = Some(0);
    let asked = unknown.ask("Provision", Some(&Phone::provision_request(false, Vec::new())));
    assert_eq!(asked.outer(p::STATUS), 165, "it has not told what it is");
}

#[test]
fn a_lost_phone_erases_itself_and_stays_out() {
    let server = Server::start_new();
    let account = server.account();
    let mut phone = Phone::new(&server, &account, "WIPE1", "14.1");
    let inbox = Phone::folder(&phone.folder_sync("0"), INBOX);
    let key = phone.sync(&inbox, "0").text(a::SYNC_KEY);
    phone.sync(&inbox, &key);
    let refused = server.try_cli(&["device", "wipe", "WIPE1", "--account-only"], "");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("16.1"), "{told}");

    held_ping(&mut phone, &inbox);
    server.cli(&["device", "wipe", "WIPE1"]);
    assert_eq!(phone.receive().outer(ping::STATUS), 140);
    server.cli(&["device", "cancel-wipe", "WIPE1"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);

    server.cli(&["device", "wipe", "WIPE1"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 140);
    let ordered = phone.ask("Provision", Some(&el(p::PROVISION, Vec::new())));
    assert!(ordered.outer(p::STATUS) == 1 && ordered.has(p::REMOTE_WIPE), "{ordered:?}");
    assert!(server.cli(&["device", "list"]).contains("wipe sent (device)"));
    let done = el(p::PROVISION, vec![el(p::REMOTE_WIPE, vec![tx(p::STATUS, 1)])]);
    assert_eq!(phone.ask("Provision", Some(&done)).outer(p::STATUS), 1);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 129);
    assert!(server.cli(&["device", "list"]).contains("wipe done (device)"));
    server.cli(&["device", "approve", "WIPE1"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
}

#[test]
fn who_shuts_a_phone_out_before_it_is_wiped_is_warned() {
    let server = Server::shared();
    let account = server.account();
    let (email, at_stake) = (account.email.as_str(), "without a log-in that works it is not told");
    let mut phone = Phone::new(server, &account, "WIPE3", "14.1");
    phone.folder_sync("0");
    let passwd = ["user", "passwd", email, "--password-stdin"];
    assert!(!server.cli_with_input(&passwd, &account.password).contains("warning"));
    server.cli(&["device", "wipe", "WIPE3", "--user", email]);
    let told = server.cli_with_input(&passwd, &account.password);
    assert!(told.contains("WIPE3") && told.contains(at_stake), "{told}");
    assert!(server.cli(&["user", "disable", email]).contains(at_stake));
    let told = server.cli(&["device", "wipe", "WIPE3", "--user", email]);
    assert!(told.contains("kontor user enable"), "{told}");
    assert!(!server.cli(&["user", "enable", email]).contains("warning"));
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 140, "it hears of it after all");
}

#[test]
fn an_account_alone_is_wiped_from_16_1_on() {
    let server = Server::start_new();
    let account = server.account();
    let mut phone = Phone::new(&server, &account, "WIPE2", "16.1");
    phone.folder_sync("0");
    server.cli(&["device", "wipe", "WIPE2", "--account-only"]);
    // It must not lose more by speaking an older version.
    phone.version = "14.1";
    let older = phone.ask("Provision", Some(&el(p::PROVISION, Vec::new())));
    assert_eq!(older.outer(p::STATUS), 129);
    phone.version = "16.1";
    let ordered = phone.ask("Provision", Some(&el(p::PROVISION, Vec::new())));
    assert!(ordered.has(p::ACCOUNT_ONLY_REMOTE_WIPE) && !ordered.has(p::REMOTE_WIPE));
    let done = el(p::PROVISION, vec![el(p::ACCOUNT_ONLY_REMOTE_WIPE, vec![tx(p::STATUS, 1)])]);
    phone.ask("Provision", Some(&done));
    assert!(server.cli(&["device", "list"]).contains("wipe done (account only)"));
}

#[test]
fn settings_are_answered_part_by_part() {
    let server = Server::start_new();
    let account = server.account();
    server.cli(&["alias", "add", "other@test.example", &account.email]);
    let get = |tag| el(tag, vec![Element::new(s::GET)]);
    let request = el(
        s::SETTINGS,
        vec![
            get(s::USER_INFORMATION),
            Phone::information(),
            get(s::RIGHTS_MANAGEMENT_INFORMATION),
            el(s::DEVICE_PASSWORD, vec![el(s::SET, vec![tx(s::PASSWORD, "1234")])]),
        ],
    );
    let mut phone = Phone::new(&server, &account, "SETTINGS1", "14.1");
    let answer = phone.ask("Settings", Some(&request));
    assert_eq!(answer.outer(s::STATUS), 1);
    let root = answer.root.expect("an answer");
    let status = |tag| find(&root, tag).and_then(|part| part.parse_of::<u32>(s::STATUS));
    assert_eq!(status(s::USER_INFORMATION), Some(1));
    assert_eq!(status(s::DEVICE_INFORMATION), Some(1));
    assert_eq!(status(s::RIGHTS_MANAGEMENT_INFORMATION), Some(168));
    assert_eq!(status(s::DEVICE_PASSWORD), Some(7), "no policy asks for it");
    let addresses = find(&root, s::EMAIL_ADDRESSES).expect("addresses");
    let all: Vec<&str> = addresses.all(s::SMTP_ADDRESS).map(Element::text).collect();
    assert_eq!(all, [account.email.as_str(), "other@test.example"]);
    assert_eq!(addresses.text_of(s::PRIMARY_SMTP_ADDRESS), Some(account.email.as_str()));
    assert!(find(&root, s::ACCOUNT).is_some());

    phone.version = "12.1";
    let answer = phone.ask("Settings", Some(&el(s::SETTINGS, vec![get(s::USER_INFORMATION)])));
    assert!(!answer.has(s::ACCOUNT) && answer.count(s::SMTP_ADDRESS) == 2);

    server.cli(&["policy", "set", "p", "PasswordRecoveryEnabled=yes"]);
    server.cli(&["policy", "set", "p", "--allow-non-provisionable", "yes"]);
    server.cli(&["policy", "assign", "p"]);
    phone.version = "14.1";
    let kept = phone.ask("Settings", Some(&request));
    let kept = kept.root.expect("an answer");
    let part = find(&kept, s::DEVICE_PASSWORD).expect("its part");
    assert_eq!(part.text_of(s::STATUS), Some("1"));
    assert!(server.cli(&["device", "show", "SETTINGS1"]).contains("1234"));
}

#[test]
fn out_of_office_is_set_and_read_back() {
    let server = Server::start_new();
    let account = server.account();
    let mut phone = Phone::new(&server, &account, "OOF1", "14.1");
    let message = |audience| {
        el(
            s::OOF_MESSAGE,
            vec![
                Element::new(audience),
                tx(s::ENABLED, 1),
                tx(s::REPLY_MESSAGE, "I am away & back on Monday"),
                tx(s::BODY_TYPE, "Text"),
            ],
        )
    };
    let set = |from: &str, until: &str| {
        let set = vec![
            tx(s::OOF_STATE, 2),
            tx(s::START_TIME, from),
            tx(s::END_TIME, until),
            message(s::APPLIES_TO_INTERNAL),
            message(s::APPLIES_TO_EXTERNAL_UNKNOWN),
        ];
        el(s::SETTINGS, vec![el(s::OOF, vec![el(s::SET, set)])])
    };
    let inner = |answer: &Answer| {
        let root = answer.root.as_ref().expect("an answer");
        find(root, s::OOF).and_then(|oof| oof.parse_of::<u32>(s::STATUS))
    };
    let (from, until) = ("2026-12-01T08:00:00.000Z", "2026-12-24T16:00:00.000Z");
    assert_eq!(inner(&phone.ask("Settings", Some(&set(until, from)))), Some(6));
    assert_eq!(inner(&phone.ask("Settings", Some(&set(from, until)))), Some(1));
    let get = |kind| {
        let get = el(s::GET, vec![tx(s::BODY_TYPE, kind)]);
        el(s::SETTINGS, vec![el(s::OOF, vec![get])])
    };
    let answer = phone.ask("Settings", Some(&get("Text")));
    assert_eq!(inner(&answer), Some(1));
    assert_eq!((answer.text(s::OOF_STATE), answer.text(s::END_TIME)), ("2".into(), until.into()));
    assert_eq!(answer.text(s::REPLY_MESSAGE), "I am away & back on Monday");
    let answer = phone.ask("Settings", Some(&get("HTML")));
    assert!(answer.text(s::REPLY_MESSAGE).contains("away &amp; back"));
}

#[test]
fn a_protocol_log_shows_what_was_said_and_hides_what_was_written() {
    let server = Server::start_new();
    let account = server.account();
    let mut phone = Phone::new(&server, &account, "LOG1", "14.1");
    phone.folder_sync("0");
    server.cli(&["device", "log", "LOG1", "--on"]);
    phone.folder_sync("0");
    let secret = el(s::DEVICE_PASSWORD, vec![el(s::SET, vec![tx(s::PASSWORD, "s3cret-pin")])]);
    phone.ask("Settings", Some(&el(s::SETTINGS, vec![secret])));
    let shown = eventually("the entries", || {
        let shown = server.cli(&["device", "log", "LOG1", "--show"]);
        shown.contains("Settings in version 14.1").then_some(shown)
    });
    assert_eq!(shown.matches("FolderSync in version 14.1").count(), 1, "{shown}");
    assert!(shown.contains("DisplayName>INBOX") || shown.contains("DisplayName>Inbox"), "{shown}");
    assert!(!shown.contains("s3cret-pin"), "{shown}");
    server.cli(&["device", "log", "LOG1", "--off"]);
    phone.folder_sync("0");
    assert!(server.cli(&["device", "log", "LOG1", "--show"]).contains("nothing was kept"));
}

#[test]
fn an_administrator_sees_how_far_a_phone_is_and_has_it_start_over() {
    let server = Server::start_new();
    let account = server.account();
    for number in 0..3 {
        server.deliver(&account, &message(&format!("m{number}"), "x"));
    }
    let mut phone = Phone::new(&server, &account, "LIST1", "14.1");
    let folders = phone.folder_sync("0");
    let inbox = Phone::folder(&folders, INBOX);
    let key = phone.sync(&inbox, "0").text(a::SYNC_KEY);
    let synced = phone.sync(&inbox, &key);
    assert_eq!(subjects(&synced).len(), 3);
    let list: serde_json::Value =
        serde_json::from_str(&server.cli(&["device", "list", &account.email, "--json"])).unwrap();
    assert_eq!((&list[0]["id"], &list[0]["version"]), (&"LIST1".into(), &"14.1".into()));
    let show = || -> serde_json::Value {
        serde_json::from_str(&server.cli(&["device", "show", "LIST1", "--json"])).unwrap()
    };
    let folder = show()["folders"][0].clone();
    assert_eq!((&folder["name"], &folder["items"]), (&"INBOX".into(), &3.into()));
    assert_eq!(folder["behind"], false);
    server.deliver(&account, &message("new", "x"));
    assert_eq!(show()["folders"][0]["behind"], true);

    let key = synced.text(a::SYNC_KEY);
    phone.sync(&inbox, &key);
    held_ping(&mut phone, &inbox);
    server.cli(&["device", "resync", "LIST1"]);
    assert_eq!(phone.receive().outer(ping::STATUS), 7);
    assert_eq!(phone.folder_sync(&folders.text(f::SYNC_KEY)).outer(f::STATUS), 9);
    // Removed, it stays out.
    server.cli(&["device", "remove", "LIST1"]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 129);
    assert!(server.cli(&["device", "list"]).contains("removed"));
    let unknown = server.try_cli(&["device", "approve", "NOBODY"], "");
    let told = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && told.contains("there is no device NOBODY"), "{told}");
}
