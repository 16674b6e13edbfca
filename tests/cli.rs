//! The command line, beside a running server and without one.

use std::fs;

use crate::support::server::PASSWORD;
use crate::support::{Account, Server, message};

#[test]
fn backup_while_serving_restores_to_the_same() {
    let mut server = Server::start_new();
    let account = server.account();
    let mut imap = server.imap(&account);
    imap.ok("CREATE Projects/Garden");
    for number in 0..30 {
        imap.append("Projects/Garden", "\\Seen $Label", &message(&format!("m{number}"), "x"));
    }
    server.deliver(&account, &message("delivered", "x"));
    imap.ok("SELECT Projects/Garden");
    imap.ok("STORE 3 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    let look = |server: &Server| {
        let mut imap = server.imap(&account);
        let mut all = Vec::new();
        for mailbox in ["INBOX", "Projects/Garden"] {
            let answer = imap.ok(&format!("SELECT {mailbox}"));
            all.push(format!("{} {}", answer.number("UIDVALIDITY"), answer.number("UIDNEXT")));
            let answer =
                imap.ok("FETCH 1:* (UID FLAGS INTERNALDATE EMAILID THREADID MODSEQ BODY.PEEK[])");
            all.extend(answer.lines.iter().map(|l| {
                String::from_utf8_lossy(l).replace(" \\Recent", "").replace("\\Recent", "")
            }));
        }
        all
    };
    let before = look(&server);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("backup");
    let file = file.to_str().expect("UTF-8");
    // Somebody goes on writing meanwhile.
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut imap = server.imap(&account);
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                imap.append("Drafts", "", &message("draft", "x"));
            }
        });
        server.cli(&["backup", file]);
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    server.kill();
    fs::remove_dir_all(&server.data).expect("our own data");
    server.cli(&["restore", file]);
    server.start();
    assert_eq!(look(&server), before);
    let report = server.try_cli(&["check"], "");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
    server.deliver(&account, &message("life goes on", "x"));
}

#[test]
fn accounts_come_and_go() {
    let mut server = Server::start_new();
    let account = server.account_named("fred");
    for json in [server.cli(&["user", "list", "--json"]), server.cli(&["user", "list"])] {
        assert!(
            json.contains("fred@test.example") && json.contains("admin@test.example"),
            "{json}"
        );
    }
    // Twice is an error, and says so.
    let again = server
        .try_cli(&["user", "add", &account.email, "--name", "Fred", "--password-stdin"], PASSWORD);
    assert!(!again.status.success() && !again.stderr.is_empty());
    let mut idle = server.inbox(&account);
    server.cli(&["user", "remove", &account.email]);
    assert!(!idle.try_cmd("SELECT INBOX").is_ok_and(|a| a.is_ok()), "the removed account lives on");
    let mut smtp = server.smtp();
    smtp.cmd_expect("MAIL FROM:<anna@elsewhere.example>", 250);
    smtp.cmd_expect("RCPT TO:<fred@test.example>", 550);
    // An account of the same name is another one.
    let account = server.account_named("fred");
    assert_eq!(server.inbox(&account).ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 0);
    // Without a server the same commands work on the data itself.
    server.stop();
    server.cli_with_input(
        &["user", "add", "late@test.example", "--name", "Late", "--password-stdin"],
        PASSWORD,
    );
    server.start();
    let late = Account { email: "late@test.example".to_owned(), password: PASSWORD.to_owned() };
    server.imap(&late).ok("NOOP");
    let second = server.try_cli(&["serve"], "");
    assert!(!second.status.success(), "two servers on one directory");
    let help = server.cli(&["--help"]);
    for word in [
        "serve", "init", "user", "alias", "group", "domain", "import", "export", "backup",
        "restore", "check",
    ] {
        assert!(help.contains(word), "{word} is missing in the help");
    }
}
