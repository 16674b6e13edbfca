//! Mailboxes that come and go under running sessions, and searches that find at once.

use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Server, eventually, message};

/// A name that is used again must not look like the mailbox that had it before, or a client
/// shows the old one's messages.
#[test]
fn a_name_used_again_is_another_mailbox() {
    let mut server = Server::start_new();
    let account = server.account();
    let mut seen = Vec::new();
    for round in 0..6 {
        let mut imap = server.imap(&account);
        imap.ok("CREATE Again");
        let answer = imap.ok("SELECT Again");
        let validity = answer.number("UIDVALIDITY");
        assert!(seen.iter().all(|s| *s < validity), "{validity} after {seen:?}");
        seen.push(validity);
        imap.append("Again", "", &message("x", "x"));
        if round % 2 == 0 {
            imap.ok("DELETE Again");
        } else {
            // The renamed one keeps it, whatever happens to the name.
            imap.ok(&format!("RENAME Again Kept{round}"));
            assert_eq!(
                imap.ok(&format!("STATUS Kept{round} (UIDVALIDITY)")).number("UIDVALIDITY"),
                validity
            );
        }
        if round == 2 {
            server.kill();
            server.start();
        }
    }
}

#[test]
fn a_mailbox_deleted_under_a_session() {
    let server = Server::shared();
    let account = server.account();
    let mut owner = server.imap(&account);
    owner.ok("CREATE Doomed");
    owner.append("Doomed", "", &message("x", "x"));
    let mut inside = server.imap(&account);
    inside.ok("SELECT Doomed");
    let mut idle = server.imap(&account);
    idle.ok("SELECT Doomed");
    let tag = idle.idle();
    owner.ok("DELETE Doomed");
    // Whatever the session is told (its messages gone, or goodbye), it is no silence, and it
    // ends neither in wrong data nor in a hang.
    for command in ["FETCH 1 FLAGS", "NOOP", "STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "SEARCH ALL"] {
        match inside.try_cmd(command) {
            Ok(answer) => assert!(!answer.has("* * FETCH (FLAGS (*\\Seen*"), "{answer}"),
            Err(_) => break,
        }
    }
    let _ = idle.conn.send(b"DONE\r\n");
    let end = idle.try_finish(&tag, "IDLE");
    assert!(end.is_err() || end.is_ok_and(|a| a.is_ok()));
    owner.ok("CREATE Doomed");
    assert_eq!(owner.ok("STATUS Doomed (MESSAGES)").number("MESSAGES"), 0);
}

#[test]
fn a_removed_account_is_sent_away() {
    let server = Server::shared();
    let account = server.account();
    let mut idle = server.inbox(&account);
    idle.idle();
    let mut busy = server.inbox(&account);
    server.cli(&["user", "remove", &account.email]);
    eventually("the end of a removed account's session", || {
        let answer = busy.try_cmd("STATUS INBOX (MESSAGES)");
        (!answer.is_ok_and(|a| a.is_ok())).then_some(())
    });
    let start = Instant::now();
    while let Ok(Some(line)) = idle.try_response(PATIENCE) {
        if line.starts_with(b"* BYE") {
            break;
        }
    }
    assert!(start.elapsed() < PATIENCE, "an idle session outlives its account");
}

/// The index follows behind; what it has not seen yet is found all the same.
#[test]
fn what_has_just_arrived_is_found() {
    let mut server = Server::start_new();
    let account = server.account();
    let mut imap = server.inbox(&account);
    for number in 0..40 {
        let text = message(&format!("fresh{number}subject"), &format!("fresh{number}body"));
        if number % 2 == 0 {
            imap.append("INBOX", "", &text);
        } else {
            server.deliver(&account, &text);
            imap.ok("NOOP");
        }
        for key in ["BODY", "TEXT"] {
            let found = imap.ok(&format!("SEARCH {key} esh{number}bo")).search();
            assert_eq!(found, [number + 1], "{key} {number}");
        }
        assert_eq!(imap.ok(&format!("SEARCH SUBJECT esh{number}sub")).search(), [number + 1]);
    }
    server.kill();
    server.start();
    let mut imap = server.inbox(&account);
    assert_eq!(imap.ok("SEARCH BODY esh7bo").search(), [8]);
    imap.ok("STORE 8 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    assert!(imap.ok("SEARCH BODY esh7bo").search().is_empty());
    imap.ok("MOVE 1 Archive");
    assert!(imap.ok("SEARCH BODY esh0bo").search().is_empty());
    imap.ok("SELECT Archive");
    assert_eq!(imap.ok("SEARCH BODY esh0bo").search(), [1]);
    server.cli(&["reindex"]);
    let mut imap = server.inbox(&account);
    assert_eq!(imap.ok("SEARCH BODY esh1bo").search(), [1]);
}

#[test]
fn hundreds_of_mailboxes() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.imap(&account);
    let mut bytes = Vec::new();
    for number in 0..600 {
        bytes.extend_from_slice(
            format!("m{number} CREATE box/{}/{number}\r\n", number % 40).as_bytes(),
        );
    }
    imap.send(&bytes);
    for number in 0..600 {
        let answer = imap.finish(&format!("m{number}"), "CREATE");
        assert!(answer.is_ok(), "{answer}");
    }
    let start = Instant::now();
    let answer =
        imap.ok("LIST \"\" \"box/*\" RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN UIDNEXT))");
    assert_eq!(answer.all("* STATUS *").len(), 640);
    assert_eq!(imap.ok("LIST \"\" \"box/%\"").lines.len(), 40);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    imap.ok("RENAME box crate");
    assert_eq!(imap.ok("LIST \"\" \"crate/*\"").lines.len(), 640);
    assert!(imap.ok("LIST \"\" \"box*\"").lines.is_empty());
}

/// Dates at the edges of what the format can say.
#[test]
fn odd_dates_and_flags_are_kept() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.imap(&account);
    for date in [
        " 1-Jan-1970 00:00:00 +0000",
        "31-Dec-1999 23:59:59 -0100",
        "29-Feb-2024 12:00:00 +0000",
        " 1-Jan-2038 00:00:00 +1400",
    ] {
        let answer =
            imap.with_literal(&format!("APPEND INBOX \"{date}\" "), &message("x", "x"), "");
        assert!(answer.is_ok(), "{answer}");
        imap.ok("SELECT INBOX");
        let answer = imap.ok("FETCH * INTERNALDATE");
        assert_eq!(answer.fetches()[0].value("INTERNALDATE").text(), date);
    }
    // A client's day is the one that it is shown.
    assert_eq!(imap.ok("SEARCH ON 31-Dec-1999").search(), [2]);
    assert_eq!(imap.ok("SEARCH SINCE 1-Jan-2038").search(), [4]);
    for date in [
        "32-Jan-2020 00:00:00 +0000",
        "1-Jan-2020 25:00:00 +0000",
        "01-Foo-2020 00:00:00 +0000",
        "29-Feb-2023 00:00:00 +0000",
    ] {
        let answer =
            imap.with_literal(&format!("APPEND INBOX \"{date}\" "), &message("x", "x"), "");
        assert!(!answer.is_ok(), "{date}: {answer}");
    }
    let long = "k".repeat(100);
    for flags in [
        "$MDNSent $Forwarded NonJunk $label1",
        "\\Seen \\Answered \\Flagged \\Draft \\Deleted",
        &long,
    ] {
        imap.ok(&format!("STORE 1 FLAGS ({flags})"));
        let mut wanted: Vec<_> = flags.split(' ').map(str::to_owned).collect();
        wanted.sort();
        assert_eq!(imap.ok("FETCH 1 FLAGS").fetches()[0].flags(), wanted);
    }
    // Keywords are the same in any case.
    imap.ok("STORE 1 FLAGS (Work)");
    imap.ok("STORE 1 +FLAGS (WORK)");
    assert_eq!(imap.ok("FETCH 1 FLAGS").fetches()[0].flags().len(), 1);
    assert_eq!(imap.ok("SEARCH KEYWORD wOrK").search(), [1]);
}
