//! Port 25: mail from anybody for addresses of this server.

use std::time::{Duration, Instant};

use super::dialogue::{Office, office};
use crate::base::limits::Limits;
use crate::delivery::queue;
use crate::smtp::Role;

#[tokio::test]
async fn a_message_arrives_with_its_trace() {
    let office = Office::inbound().await;
    office
        .talk(
            "S: 220 mail.office.example ESMTP Kontor
             C: EHLO mx.example.net
             S: 250 STARTTLS
             C: MAIL FROM:<stranger@example.net> SIZE=100 BODY=8BITMIME
             S: 250 2.1.0 Sender ok
             C: RCPT TO:<Anna@Office.Example>
             S: 250 2.1.5 Recipient ok
             C: DATA
             S: 354 *
             C: Subject: hello
             C:
             C: ..two dots, one stays
             C: .
             S: 250 2.0.0 Message taken as *
             C: QUIT
             S: 221 2.0.0 Bye
             S: (closed)",
        )
        .await;
    let inbox = office.inbox("anna");
    let [message] = inbox.as_slice() else { panic!("{inbox:?}") };
    let (trace, raw) = message.split_at(message.find("Subject:").unwrap());
    assert_eq!(raw, "Subject: hello\r\n\r\n.two dots, one stays\r\n");
    let start = "Return-Path: <stranger@example.net>\r\n\
                 Received: from mx.example.net ([127.0.0.1])\r\n\
                 \tby mail.office.example with ESMTP\r\n\tid ";
    assert!(trace.starts_with(start), "{trace}");
    let end = " for <Anna@office.example>;\r\n\tTue, 14 Nov 2023 22:13:20 +0000\r\n";
    assert!(trace.ends_with(end), "{trace}");
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let office = Office::inbound().await;
    office
        .talk(
            "S: 220 *
             C: EHLO x
             C: MAIL FROM:<>
             C: RCPT TO:<anna@office.example>
             C: RCPT TO:<nobody.here@office.example>
             C: RCPT TO:<ben+tag@office.example>
             C: DATA
             S: 250 *
             S: 250 2.1.0 *
             S: 250 2.1.5 *
             S: 550 5.1.1 *
             S: 250 2.1.5 *
             S: 354 *
             C: one
             C: .
             C: MAIL FROM:<a@b.example>
             C: RCPT TO:<x@office.example>
             C: DATA
             C: RSET
             C: NOOP
             S: 250 2.0.0 *
             S: 250 2.1.0 *
             S: 550 5.1.1 *
             S: 503 5.5.1 No valid recipients
             S: 250 2.0.0 Ok
             S: 250 2.0.0 Ok",
        )
        .await;
    assert_eq!((office.inbox("anna").len(), office.inbox("ben").len()), (1, 1));
    assert!(office.inbox("anna")[0].starts_with("Return-Path: <>\r\n"));
    assert!(!office.inbox("anna")[0].contains(" for <"), "several recipients stay private");
}

#[tokio::test]
async fn commands_out_of_order() {
    let office = Office::inbound().await;
    office
        .talk(
            "S: 220 *
             C: MAIL FROM:<a@b.example>
             S: 503 5.5.1 *
             C: HELO old
             S: 250 mail.office.example
             C: RCPT TO:<anna@office.example>
             S: 503 5.5.1 *
             C: DATA
             S: 503 5.5.1 *
             C: MAIL FROM:<a@b.example>
             S: 250 *
             C: MAIL FROM:<a@b.example>
             S: 503 5.5.1 *
             C: AUTH PLAIN AGEAYg==
             S: 502 5.5.1 *
             C: VRFY anna
             S: 252 *
             C: EXPN staff
             S: 502 *
             C: HELP
             S: 214 *
             C: BANANA
             S: 500 5.5.1 *
             C: RSET\\nNOOP
             S: 500 5.5.2 *",
        )
        .await;
    let mut client = office.connect().await;
    client.reply().await;
    client.send(&[b'x'; 5000]).await;
    client.talk("C: \n S: 500 5.5.2 Line is too long\n C: NOOP\n S: 250 *").await;
}

/// What smuggles a second message past servers that take another end of data for one.
#[tokio::test]
async fn smuggled_commands_are_not_run() {
    let office = Office::inbound().await;
    for ending in [
        "\\n.\\n",
        "\\n.\\r\\n",
        "\\r\\n.\\n",
        "\\r.\\r",
        "\\r.\\r\\n",
        "\\r\\n.\\r",
        "\\r.\\n",
        "\\n.\\r",
        "\\r\\n.\\r\\r\\n",
        "\\r\\r\\n.\\r\\r\\n",
        "\\n\\n.\\r\\n",
    ] {
        let dialogue = format!(
            "S: 220 *
             C: EHLO x
             C: MAIL FROM:<a@b.example>
             C: RCPT TO:<anna@office.example>
             C: DATA
             S: 250 *
             S: 250 *
             S: 250 *
             S: 354 *
             C: text{ending}\\+
             C: MAIL FROM:<forged@office.example>
             C: RCPT TO:<ben@office.example>
             C: DATA
             C: forged
             C: .
             S: 554 5.6.0 Message refused: *
             C: NOOP
             S: 250 *"
        );
        office.talk(&dialogue).await;
    }
    assert!(office.inbox("anna").is_empty() && office.inbox("ben").is_empty());
}

/// The forms of nmap's smtp-open-relay, from four kinds of sender.
#[tokio::test]
async fn nothing_is_relayed() {
    let office = Office::inbound().await;
    let senders = ["", "spam@evil.example", "anna@office.example", "x@[192.0.2.1]"];
    let forms = [
        "victim@evil.example",
        "victim%evil.example@[127.0.0.1]",
        "victim%evil.example@office.example",
        "victim%evil.example@catch.example",
        "\"victim@evil.example\"",
        "\"victim%evil.example\"",
        "victim@evil.example@[127.0.0.1]",
        "\"victim@evil.example\"@[127.0.0.1]",
        "\"victim@evil.example\"@catch.example",
        "victim@evil.example@office.example",
        "@[127.0.0.1]:victim@evil.example",
        "@office.example:victim@evil.example",
        "evil.example!victim",
        "evil.example!victim@[127.0.0.1]",
        "evil.example!victim@catch.example",
        "victim@[203.0.113.9]",
    ];
    for sender in senders {
        let mut client = office.connect().await;
        client
            .talk(&format!("S: 220 *\nC: EHLO x\nC: MAIL FROM:<{sender}>\nS: 250 *\nS: 250 *"))
            .await;
        for form in forms {
            client.send(format!("RCPT TO:<{form}>\r\n").as_bytes()).await;
            let reply = client.reply().await;
            assert!(reply.starts_with("55"), "{sender} {form}: {reply}");
        }
    }
    assert!(queue::list(&office.store.read()).unwrap().is_empty());
}

#[tokio::test]
async fn every_kind_of_address_finds_its_mailbox() {
    let office = Office::inbound().await;
    for recipient in [
        "sales@office.example",
        "staff@office.example",
        "whatever@catch.example",
        "anna+lists@office.example",
        "postmaster",
        "postmaster@office.example",
        "abuse@catch.example",
    ] {
        let mut client = office.connect().await;
        client.talk("S: 220 *\nC: EHLO x\nC: MAIL FROM:<a@b.example>\nS: 250 *\nS: 250 *").await;
        client.talk(&format!("C: RCPT TO:<{recipient}>\nS: 250 *\nC: DATA\nS: 354 *")).await;
        client.talk(&format!("C: To: {recipient}\nC:\nC: .\nS: 250 *")).await;
    }
    assert_eq!(office.inbox("ben").len(), 2, "sales and staff");
    assert_eq!(office.inbox("carl").len(), 1, "staff");
    assert_eq!(office.inbox("anna").len(), 6, "staff, catch-all, tag, postmaster, abuse");
    let mut client = office.connect().await;
    client.talk("S: 220 *\nC: EHLO x\nC: MAIL FROM:<a@b.example>\nS: 250 *\nS: 250 *").await;
    client.talk("C: RCPT TO:<nobody@office.example>\nS: 550 5.1.1 *").await;
}

#[tokio::test]
async fn a_group_with_members_elsewhere_queues_for_them() {
    let office = Office::inbound().await;
    let send = "S: 220 *
                C: EHLO x
                C: MAIL FROM:<a@b.example> ENVID=E1 RET=HDRS
                C: RCPT TO:<partners@office.example> NOTIFY=FAILURE
                C: DATA
                S: 250 *
                S: 250 *
                S: 250 *
                S: 354 *";
    office.talk(send).await.talk("C: Subject: x\nC:\nC: y\nC: .\nS: 250 *").await;
    assert_eq!(office.inbox("ben").len(), 1);
    let queued = queue::list(&office.store.read()).unwrap();
    let [(number, entry)] = queued.as_slice() else { panic!("{queued:?}") };
    assert_eq!(entry.recipients[0].address, "pat@partner.example");
    assert_eq!(entry.sender.as_deref(), Some("a@b.example"));
    assert_eq!(entry.envid.as_deref(), Some("E1"));
    let mark = "Delivered-To: partners@office.example\r\n";
    assert!(entry.prefix.starts_with(mark.as_bytes()));

    // Should it come back for the same group, it goes in a circle.
    let back = format!("C: {mark}C: Subject: x\nC:\nC: y\nC: .\nS: 554 5.4.6 *");
    office.talk(send).await.talk(&back.replace("\r", "")).await;

    let number = *number;
    let removed = office.store.write(move |tx| queue::remove(tx, number)).await;
    assert!(removed.unwrap());
    assert!(queue::list(&office.store.read()).unwrap().is_empty());
}

#[tokio::test]
async fn too_many_hops_are_a_loop() {
    let office = Office::inbound().await;
    let mut client = office.connect().await;
    client.talk("S: 220 *").await;
    for (hops, answer) in [(50, "250 *"), (51, "554 5.4.6 *")] {
        client
            .talk("C: EHLO x\nC: MAIL FROM:<a@b.example>\nC: RCPT TO:<anna@office.example>")
            .await;
        client.talk("C: DATA\nS: 250 *\nS: 250 *\nS: 250 *\nS: 354 *").await;
        client.send("Received: from x by y\r\n".repeat(hops).as_bytes()).await;
        client.talk(&format!("C:\nC: .\nS: {answer}")).await;
    }
}

#[tokio::test]
async fn quota_is_answered_in_the_session() {
    let office = Office::inbound().await;
    let mut client = office.connect().await;
    client.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    // Announced to be too large for what is left.
    client.talk("C: MAIL FROM:<a@b.example> SIZE=3000\nS: 250 *").await;
    client.talk("C: RCPT TO:<carl@office.example>\nS: 552 5.2.2 *\nC: RSET\nS: 250 *").await;
    // Not announced: seen when it is there.
    let body = format!("{}\r\n", "x".repeat(900)).repeat(3);
    client.talk("C: MAIL FROM:<a@b.example>\nC: RCPT TO:<carl@office.example>\nC: DATA").await;
    client.talk("S: 250 *\nS: 250 *\nS: 354 *").await;
    client.send(body.as_bytes()).await;
    client.talk("C: .\nS: 552 5.2.2 *").await;
    // Of several recipients none gets it; the client tries each again.
    client.talk("C: MAIL FROM:<a@b.example>\nC: RCPT TO:<carl@office.example>").await;
    client.talk("C: RCPT TO:<anna@office.example>\nC: DATA").await;
    client.talk("S: 250 *\nS: 250 *\nS: 250 *\nS: 354 *").await;
    client.send(body.as_bytes()).await;
    client.talk("C: .\nS: 452 4.2.2 *").await;
    assert!(office.inbox("carl").is_empty() && office.inbox("anna").is_empty());
    // As a member of a group he does not keep it from the others; his copy waits.
    client.talk("C: MAIL FROM:<a@b.example>\nC: RCPT TO:<staff@office.example>\nC: DATA").await;
    client.talk("S: 250 *\nS: 250 *\nS: 354 *").await;
    client.send(body.as_bytes()).await;
    client.talk("C: .\nS: 250 *").await;
    assert_eq!((office.inbox("anna").len(), office.inbox("carl").len()), (1, 0));
    let queued = queue::list(&office.store.read()).unwrap();
    assert_eq!(queued[0].1.recipients[0].address, "carl@office.example");
}

#[tokio::test]
async fn sizes_are_enforced_at_mail_and_while_streaming() {
    let office = office(Role::Inbound, Limits { message_size: 10_000, ..Limits::default() }).await;
    let mut client = office.connect().await;
    client.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    client.talk("C: MAIL FROM:<a@b.example> SIZE=10001\nS: 552 5.3.4 *").await;
    client.talk("C: MAIL FROM:<a@b.example>\nC: RCPT TO:<anna@office.example>\nC: DATA").await;
    client.talk("S: 250 *\nS: 250 *\nS: 354 *").await;
    client.send("a line\r\n".repeat(20_000).as_bytes()).await;
    client.talk("C: .\nS: 552 5.3.4 *\nC: NOOP\nS: 250 *").await;
    assert!(office.inbox("anna").is_empty());
}

#[tokio::test]
async fn chunks_make_a_message() {
    let office = Office::inbound().await;
    let mut client = office.connect().await;
    client.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    let begin = "C: MAIL FROM:<a@b.example> BODY=8BITMIME\nC: RCPT TO:<anna@office.example>";
    client.talk(begin).await;
    client
        .talk("S: 250 *\nS: 250 *\nC: BDAT 8\nC: Subj\\r\\n.\\r\\+\nS: 250 2.0.0 8 octets taken")
        .await;
    client.talk("C: RCPT TO:<ben@office.example>\nS: 503 *\nC: DATA\nS: 503 *").await;
    client.talk("C: BDAT 6 LAST\nC: \\n\\r\\nend\\+\nS: 250 *\nC: NOOP\nS: 250 *").await;
    assert_eq!(office.inbox("anna").len(), 1);
    assert!(office.inbox("anna")[0].ends_with("\r\n.\r\n\r\nend"), "{:?}", office.inbox("anna"));
}

#[tokio::test]
async fn chunks_without_a_message_are_swallowed() {
    let office = Office::inbound().await;
    let mut client = office.connect().await;
    client.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    client.talk("C: BDAT 6 LAST\nC: QUIT\nS: 503 *\nC: NOOP\nS: 250 *").await;
    client.talk("C: MAIL FROM:<a@b.example>\nC: BDAT 6\nC: QUIT\nS: 250 *\nS: 503 *").await;
    client.talk("C: MAIL FROM:<a@b.example>\nC: RCPT TO:<anna@office.example>").await;
    client.talk("S: 250 *\nS: 250 *\nC: BDAT 3\nC: a\\nb\\+\nS: 554 5.6.0 *").await;
    client.talk("C: BDAT 2 LAST\nC:\nS: 503 *\nC: NOOP\nS: 250 *").await;
    assert!(office.inbox("anna").is_empty());
}

/// Beyond a mebibyte the message goes through the spool; it comes back byte for byte.
#[tokio::test]
async fn large_messages_are_spooled() {
    let office = Office::inbound().await;
    let mut client = office.connect().await;
    client.talk("S: 220 *\nC: EHLO x\nC: MAIL FROM:<a@b.example>").await;
    client.talk("C: RCPT TO:<anna@office.example>\nC: DATA").await;
    client.talk("S: 250 *\nS: 250 *\nS: 250 *\nS: 354 *").await;
    let lines: String =
        (0..60_000).map(|n| format!("line number {n}, forty octets long\r\n")).collect();
    let message = format!("Subject: large\r\n\r\n{lines}");
    client.send(message.as_bytes()).await;
    client.talk("C: .\nS: 250 *").await;
    assert!(office.inbox("anna")[0].ends_with(&message));
}

#[tokio::test]
async fn twenty_errors_end_the_conversation() {
    let office = Office::inbound().await;
    let mut client = office.connect().await;
    client.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    for _ in 0..20 {
        client.talk("C: NONSENSE\nS: 500 *").await;
    }
    client.talk("S: 421 4.7.0 *\nS: (closed)").await;
}

/// Somebody's browser was made to post a form here.
#[tokio::test]
async fn a_web_request_is_sent_away() {
    let office = Office::inbound().await;
    office
        .talk(
            "S: 220 *
             C: POST / HTTP/1.1
             C: Host: localhost
             C:
             C: EHLO x
             C: MAIL FROM:<a@b.example>
             S: 421 4.7.0 *
             S: (closed)",
        )
        .await;
}

#[tokio::test]
async fn recipients_beyond_the_limit_wait_for_the_next_message() {
    let office = office(Role::Inbound, Limits { recipients: 2, ..Limits::default() }).await;
    office
        .talk(
            "S: 220 *
             C: EHLO x
             C: MAIL FROM:<a@b.example>
             C: RCPT TO:<anna@office.example>
             C: RCPT TO:<ben@office.example>
             C: RCPT TO:<sales@office.example>
             S: 250 *
             S: 250 *
             S: 250 *
             S: 250 *
             S: 452 4.5.3 *",
        )
        .await;
}

#[tokio::test]
async fn addresses_beyond_ascii_need_the_extension() {
    let office = Office::inbound().await;
    office
        .talk(
            "S: 220 *
             C: EHLO x
             S: 250 *
             C: MAIL FROM:<señor@b.example>
             S: 553 5.6.7 *
             C: MAIL FROM:<a@b.example>
             S: 250 *
             C: RCPT TO:<señora@catch.example>
             S: 553 5.6.7 *
             C: RSET
             S: 250 *
             C: MAIL FROM:<señor@b.example> SMTPUTF8
             S: 250 *
             C: RCPT TO:<señora@catch.example>
             S: 250 *
             C: DATA
             S: 354 *
             C: Subject: ñ
             C:
             C: .
             S: 250 *",
        )
        .await;
    let message = &office.inbox("anna")[0];
    assert!(
        message.contains("with UTF8SMTP\r\n") && message.contains("for <señora@catch.example>")
    );
}

#[tokio::test]
async fn a_delivered_report_for_a_sender_here() {
    let office = Office::inbound().await;
    office
        .talk(
            "S: 220 *
             C: EHLO x
             C: MAIL FROM:<ben@office.example> ENVID=QQ+2B1 RET=FULL
             C: RCPT TO:<anna@office.example> NOTIFY=SUCCESS ORCPT=rfc822;Ann@Elsewhere.Example
             C: RCPT TO:<carl@office.example> NOTIFY=NEVER
             C: DATA
             S: 250 *
             S: 250 *
             S: 250 *
             S: 250 *
             S: 354 *
             C: Subject: important
             C:
             C: secret text
             C: .
             S: 250 *",
        )
        .await;
    let inbox = office.inbox("ben");
    let [report] = inbox.as_slice() else { panic!("{inbox:?}") };
    for part in [
        "Return-Path: <>\r\n",
        "To: <ben@office.example>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "report-type=delivery-status",
        "Reporting-MTA: dns; mail.office.example\r\nOriginal-Envelope-Id: QQ+1\r\n",
        "\r\n\r\nOriginal-Recipient: rfc822; Ann@Elsewhere.Example\r\n\
         Final-Recipient: rfc822; anna@office.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n",
        "\r\n\r\nSubject: important\r\n",
    ] {
        assert!(report.contains(part), "{part:?} is not in {report}");
    }
    assert!(!report.contains("carl") && !report.contains("secret text"));
}

#[tokio::test]
async fn shutdown_says_so() {
    let office = Office::inbound().await;
    let mut client = office.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    office.shutdown.start();
    client.talk("S: 421 4.3.2 *\nS: (closed)").await;
}

#[tokio::test]
async fn silence_ends_a_conversation_and_dripping_is_silence() {
    let office = office(Role::Inbound, Limits { smtp_idle_secs: 1, ..Limits::default() }).await;
    let mut silent = office.talk("S: 220 *").await;
    let mut dripping = office.talk("S: 220 *").await;
    let started = Instant::now();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut dripping.stream, b"N").await;
    }
    silent.talk("S: 421 4.4.2 *\nS: (closed)").await;
    dripping.talk("S: 421 4.4.2 *\nS: (closed)").await;
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_silent_connections_delay_nobody() {
    let office =
        office(Role::Inbound, Limits { connections_per_address: 1_000, ..Limits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        let mut client = office.connect().await;
        client.send(b"EHL").await;
        silent.push(client);
    }
    let started = Instant::now();
    let mut client = office.talk("S: 220 *\nC: EHLO x\nC: MAIL FROM:<>\nS: 250 *\nS: 250 *").await;
    client.talk("C: RCPT TO:<anna@office.example>\nC: DATA\nS: 250 *\nS: 354 *").await;
    client.talk("C: x\nC: .\nS: 250 *").await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
