//! Phones send mail: over sockets, again after lost answers, and across `kill -9`.

use crate::support::http::Http;
use crate::support::{Account, Server};

/// `SendMail` of 14.1 with a ClientId and a copy in Sent, written by hand (MS-ASWBXML).
fn send_mail(client_id: &str, mime: &str) -> Vec<u8> {
    let mut out = vec![0x03, 0x01, 0x6A, 0x00, 0x00, 21, 0x45, 0x51, 0x03];
    out.extend(client_id.bytes());
    // ClientId ends, SaveInSentItems is empty, Mime is opaque.
    out.extend([0x00, 0x01, 0x08, 0x50, 0xC3]);
    let mut length = vec![(mime.len() & 0x7F) as u8];
    let mut rest = mime.len() >> 7;
    while rest > 0 {
        length.insert(0, (rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    out.extend(length);
    out.extend(mime.bytes());
    out.extend([0x01, 0x01]);
    out
}

fn post(http: &mut Http, account: &Account, device: &str, command: &str, body: &[u8]) {
    ask(http, account, device, command, body);
    let response = http.answer("POST");
    assert_eq!((response.status, response.body), (200, Vec::new()));
}

/// Sends a request; the answer is somebody else's matter.
fn ask(http: &mut Http, account: &Account, device: &str, command: &str, body: &[u8]) {
    let path = format!(
        "/Microsoft-Server-ActiveSync?Cmd={command}&User={}&DeviceId={device}&DeviceType=Test",
        account.email
    );
    let basic = account.basic();
    let headers = [
        ("Authorization", basic.as_str()),
        ("MS-ASProtocolVersion", "14.1"),
        ("Content-Type", "application/vnd.ms-sync.wbxml"),
    ];
    http.send("POST", &path, &headers, body);
}

fn letter(to: &Account, number: usize) -> String {
    format!("To: {}\nSubject: letter {number}\n\nbody {number}\n", to.email)
}

fn count(server: &Server, account: &Account, mailbox: &str) -> u32 {
    server.imap(account).ok(&format!("SELECT {mailbox}")).exists()
}

#[test]
fn what_a_phone_sends_arrives_once_whatever_happens_to_the_answer() {
    let mut server = Server::start_new();
    let (anna, ben) = (server.account(), server.account());
    let mut http = Http::plain(server.ports.http);
    for number in 0..5 {
        let body = send_mail(&number.to_string(), &letter(&ben, number));
        post(&mut http, &anna, "A1", "SendMail", &body);
        post(&mut http, &anna, "A1", "SendMail", &body);
    }
    // Answers that nobody reads, and a server that is killed over it.
    for number in 5..15 {
        let body = send_mail(&number.to_string(), &letter(&ben, number));
        let mut lost = Http::plain(server.ports.http);
        ask(&mut lost, &anna, "A1", "SendMail", &body);
        if number % 5 == 0 {
            drop(lost);
            server.kill();
            server.start();
        }
    }
    let mut http = Http::plain(server.ports.http);
    for number in 0..15 {
        let body = send_mail(&number.to_string(), &letter(&ben, number));
        post(&mut http, &anna, "A1", "SendMail", &body);
    }
    assert_eq!(count(&server, &ben, "INBOX"), 15);
    assert_eq!(count(&server, &anna, "Sent"), 15);
}
