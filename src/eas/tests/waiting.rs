//! What a phone holds that waits: an office's phones all wait, all day.

use std::time::Duration;

use super::*;
use crate::format::wbxml::tags::ping;

/// Room for the request itself, and for the state of its wait.
const SESSION_MAX: usize = 1536;
const WAIT_MAX: usize = 1536;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waits_needs_little_room() {
    assert!(size_of::<Session>() <= SESSION_MAX, "{}", size_of::<Session>());
    let office = Office::new();
    for command in [Command::Ping, Command::Sync] {
        let session = Box::new(office.phone("W", Version::V14_1).session(command, Bytes::new()));
        let running = cmd::run(command, session);
        let size = size_of_val(&*running);
        assert!(size <= WAIT_MAX, "{}: {size}", command.name());
    }
}

/// The body is a piece of the connection's buffer, which it would keep from being freed.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_lets_go_of_its_body() {
    let office = Office::new();
    let mut phone = office.phone("W", Version::V14_1);
    phone.folder_sync().await;
    phone.settle("1", 10, 0).await;
    let folder = vec![text(ping::ID, "1"), text(ping::CLASS, "Email")];
    let request = tree(
        ping::PING,
        vec![
            text(ping::HEARTBEAT_INTERVAL, "60"),
            tree(ping::FOLDERS, vec![tree(ping::FOLDER, folder)]),
        ],
    );
    // One that can be asked whether it is the only one left.
    let body = Bytes::from(wbxml::encode(&request));
    let session = phone.session(Command::Ping, body.clone());
    let session = gate::identify(Box::new(session), Command::Ping).await.unwrap();
    let mut running = cmd::run(Command::Ping, session);
    tokio::select! {
        answer = &mut running => panic!("{answer:?}"),
        () = tokio::time::sleep(Duration::from_millis(20)) => {}
    }
    assert!(body.is_unique());
}
