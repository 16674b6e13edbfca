//! The time zone of a person who works elsewhere.

use kontor::format::wbxml::tags::calendar as c;

use crate::support::eas::Phone;
use crate::support::eas::model::WINDOWS_PHONE_8;
use crate::support::{Account, Server};

/// A whole day, and a time of day, neither with a zone.
const EVENTS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n\
    BEGIN:VEVENT\r\nUID:day\r\nSUMMARY:Holiday\r\nDTSTART;VALUE=DATE:20300107\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:hour\r\nSUMMARY:Lunch\r\nDTSTART:20300108T120000\r\n\
    DTEND:20300108T130000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// When a new phone is told that the events begin.
fn starts(server: &Server, account: &Account, name: &str) -> Vec<String> {
    let mut phone = Phone::quick(server, &WINDOWS_PHONE_8, account).named(name);
    phone.folder_sync();
    let calendar = phone.folder(8);
    phone.settle(&[&calendar]);
    let items = phone.held[&calendar].items.values();
    let mut starts: Vec<_> =
        items.map(|data| data.text_of(c::START_TIME).expect("a start").to_owned()).collect();
    starts.sort_unstable();
    starts
}

#[test]
fn who_works_elsewhere_has_a_time_zone_of_their_own() {
    let server = Server::shared();
    let account = server.account();
    let set =
        |zone: &str| server.cli(&["user", "set", &account.email, "--time-zone", zone, "--json"]);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("events.ics");
    std::fs::write(&file, EVENTS).expect("room");
    server.cli(&["import", "ics", &account.email, file.to_str().expect("a name")]);

    // A day is the same date everywhere.
    let day = "20300107T000000Z";
    assert!(set("asia/tokyo").contains("\"time_zone\": \"Asia/Tokyo\""));
    assert_eq!(starts(server, &account, "1"), [day, "20300108T030000Z"]);
    set("Pacific/Honolulu");
    assert_eq!(starts(server, &account, "2"), [day, "20300108T220000Z"]);
    let wrong = ["user", "set", &account.email, "--time-zone", "Tokyo"];
    let refused = server.try_cli(&wrong, "");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Europe/Berlin"));
    assert!(set("office").contains("\"time_zone\": null"));
}
