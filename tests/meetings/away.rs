//! Out of office over real delivery: who is answered, once, and with which words.

use kontor::format::wbxml::Element;
use kontor::format::wbxml::tags::settings as s;

use crate::support::eas::model::IPHONE;
use crate::support::eas::{Phone, empty, text, tree};
use crate::support::{Account, Server, eventually};

/// Sets the answers from a phone: what insiders hear, and everybody else.
fn away(server: &Server, account: &Account, state: u8, times: Option<(&str, &str)>) {
    let mut phone = Phone::quick(server, &IPHONE, account);
    phone.folder_sync();
    let said = |audience, words: &str| {
        let parts = [
            empty(audience),
            text(s::ENABLED, 1),
            text(s::REPLY_MESSAGE, words),
            text(s::BODY_TYPE, "Text"),
        ];
        tree(s::OOF_MESSAGE, parts)
    };
    let mut set: Vec<Element> = vec![text(s::OOF_STATE, state)];
    if let Some((from, until)) = times {
        set.extend([text(s::START_TIME, from), text(s::END_TIME, until)]);
    }
    let outside = format!("Back in spring. {}", "x".repeat(9_000));
    set.push(said(s::APPLIES_TO_INTERNAL, "Ask Cleo at desk 4."));
    set.push(said(s::APPLIES_TO_EXTERNAL_KNOWN, &outside));
    set.push(said(s::APPLIES_TO_EXTERNAL_UNKNOWN, &outside));
    let request = tree(s::SETTINGS, [tree(s::OOF, [tree(s::SET, set)])]);
    let reply = phone.call("Settings", &request);
    assert_eq!(reply.at(&[s::OOF, s::STATUS]), Some("1"), "{:?}", reply.element);
}

fn letter(from: &str, to: &str, more: &str) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: Question\r\nMessage-ID: <q@elsewhere.example>\r\n\
         {more}\r\nWhen?\r\n"
    )
    .into_bytes()
}

/// Whom answers wait for in the queue, with their size.
fn queued(server: &Server) -> Vec<(String, u64)> {
    let lines: serde_json::Value =
        serde_json::from_str(&server.cli(&["queue", "list", "--json"])).expect("JSON");
    let line = |line: &serde_json::Value| {
        assert_eq!(line["from"], "<>", "an answer must not be answered: {line}");
        let to = line["to"].as_str().expect("an address").to_owned();
        (to, line["size"].as_u64().expect("a size"))
    };
    lines.as_array().expect("a list").iter().map(line).collect()
}

/// Answers that somebody here got.
fn answers(server: &Server, to: &Account) -> Vec<String> {
    let mut imap = server.inbox(to);
    let uids = imap.ok("UID SEARCH SUBJECT \"Auto: \"").search();
    uids.iter().map(|uid| String::from_utf8_lossy(&imap.body(*uid)).into_owned()).collect()
}

#[test]
fn people_are_answered_once_and_machines_never() {
    let server = Server::start_new();
    let (ben, cleo) = (server.account(), server.account());
    away(&server, &ben, 1, None);
    let mut smtp = server.smtp();
    let mut deliver = |from: &str, header: &str, to: &str, more: &str| {
        smtp.deliver(from, &[&ben.email], &letter(header, to, more));
    };
    let (own, none) = (&*ben.email, "");
    // Nobody of these waits for an answer.
    deliver(
        "a@elsewhere.example",
        "a@elsewhere.example",
        own,
        "List-Id: <l.elsewhere.example>\r\n",
    );
    deliver("b@elsewhere.example", "b@elsewhere.example", own, "Precedence: bulk\r\n");
    deliver(
        "c@elsewhere.example",
        "c@elsewhere.example",
        own,
        "Auto-Submitted: auto-generated\r\n",
    );
    deliver("d@elsewhere.example", "d@elsewhere.example", own, "X-Auto-Response-Suppress: OOF\r\n");
    deliver("e@elsewhere.example", "e@elsewhere.example", "everybody@elsewhere.example", none);
    deliver("noreply@elsewhere.example", "noreply@elsewhere.example", own, none);
    deliver("l-bounces@elsewhere.example", "f@elsewhere.example", own, none);
    deliver("mailer-daemon@elsewhere.example", "g@elsewhere.example", own, none);
    deliver("", "h@elsewhere.example", own, none);
    let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n";
    deliver("i@elsewhere.example", "i@elsewhere.example", own, report);
    // Somebody does, and asks three times.
    for _ in 0..3 {
        deliver("dora@elsewhere.example", "dora@elsewhere.example", own, none);
    }
    deliver("Dora@elsewhere.example", "Dora@elsewhere.example", own, "Auto-Submitted: no\r\n");
    deliver("emil@elsewhere.example", "emil@elsewhere.example", own, none);
    // And a colleague.
    for _ in 0..2 {
        let mut session = server.submission(&cleo);
        session.deliver(&cleo.email, &[own], &letter(&cleo.email, own, none));
    }
    let answer = eventually("the colleague's answer", || answers(&server, &cleo).pop());
    assert!(answer.contains("Ask Cleo at desk 4.") && !answer.contains("spring"), "{answer}");
    for line in ["Auto-Submitted: auto-replied", "In-Reply-To: <q@elsewhere.example>"] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    let mut out = eventually("two answers", || Some(queued(&server)).filter(|out| out.len() >= 2));
    out.sort();
    let to: Vec<_> = out.iter().map(|(to, _)| to.to_lowercase()).collect();
    assert_eq!(to, ["dora@elsewhere.example", "emil@elsewhere.example"]);
    assert!(out.iter().all(|(_, size)| *size > 9_000), "they hear what outsiders hear: {out:?}");
    assert_eq!(answers(&server, &cleo).len(), 1);
    // Two who are both away do not talk to each other for ever.
    away(&server, &cleo, 1, None);
    let mut session = server.submission(&ben);
    session.deliver(&ben.email, &[&cleo.email], &letter(&ben.email, &cleo.email, none));
    eventually("Cleo's answer", || answers(&server, &ben).pop());
    assert_eq!((answers(&server, &ben).len(), answers(&server, &cleo).len()), (1, 1));
    assert_eq!(queued(&server).len(), 2);
}

#[test]
fn only_the_time_away_is_answered() {
    let server = Server::start_new();
    let (now, later, past) = (server.account(), server.account(), server.account());
    let times = |from, until| Some((from, until));
    away(&server, &now, 2, times("2020-01-01T00:00:00.000Z", "2090-01-01T00:00:00.000Z"));
    away(&server, &later, 2, times("2090-01-01T00:00:00.000Z", "2091-01-01T00:00:00.000Z"));
    away(&server, &past, 2, times("2020-01-01T00:00:00.000Z", "2020-02-01T00:00:00.000Z"));
    let off = server.account();
    away(&server, &off, 0, None);
    for account in [&later, &past, &off, &now] {
        let from = format!("dora+{}", account.email.replace("test", "elsewhere"));
        server.smtp().deliver(&from, &[&account.email], &letter(&from, &account.email, ""));
    }
    let out = eventually("one answer", || Some(queued(&server)).filter(|out| !out.is_empty()));
    let expected = format!("dora+{}", now.email.replace("test", "elsewhere"));
    assert_eq!(out.iter().map(|(to, _)| &**to).collect::<Vec<_>>(), [expected]);
}
