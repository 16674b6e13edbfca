//! Other people's mail programs against the real server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::program::{installed, succeed};
use crate::support::server::PASSWORD;
use crate::support::{Imap, Server, message};

const MINUTES: Duration = Duration::from_secs(240);

fn script(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name);
    let mut command = Command::new("python3");
    command.arg(path);
    command
}

#[test]
fn imaplib() {
    if !installed("python3") {
        return;
    }
    let server = Server::shared();
    let account = server.account();
    let output = succeed(
        script("imaplib_session.py")
            .args(["127.0.0.1", &server.ports.imap.port().to_string()])
            .arg(server.ports.imaps.port().to_string())
            .args([&account.email, &account.password]),
        MINUTES,
    );
    assert!(output.contains("done"), "{output}");
}

#[test]
fn smtplib() {
    if !installed("python3") {
        return;
    }
    let server = Server::shared();
    let (from, to) = (server.account(), server.account());
    let port = server.ports.submission.port().to_string();
    let words = ["127.0.0.1", &port, &from.email, &from.password, &to.email];
    let output = succeed(script("smtplib_session.py").args(words), MINUTES);
    assert!(output.contains("done"), "{output}");
    let mut imap = server.inbox(&to);
    assert_eq!(imap.ok("SEARCH CHARSET UTF-8 SUBJECT {6+}\r\nGrüß").search(), [1]);
    let all: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(100);
    let answer = imap.ok("FETCH 1 BINARY.PEEK[2]");
    assert_eq!(answer.fetches()[0].value("BINARY[2]").bytes(), all);
}

#[test]
fn curl() {
    if !installed("curl") {
        return;
    }
    let server = Server::shared();
    let account = server.account();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("message.eml");
    let text = message("from curl", "curly text");
    fs::write(&file, &text).expect("written");
    let curl = |words: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--insecure", "--max-time", "60"]);
        command.args(["-u", &format!("{}:{PASSWORD}", account.email)]).args(words);
        succeed(&mut command, MINUTES)
    };
    let imap = format!("imap://{}", server.ports.imap);
    let path = file.to_str().expect("UTF-8");
    curl(&["-T", path, &format!("{imap}/INBOX")]);
    curl(&["--ssl-reqd", "-T", path, &format!("{imap}/Archive")]);
    let submissions = format!("smtps://{}", server.ports.submissions);
    let own = letter(&account.email);
    fs::write(&file, &own).expect("written");
    curl(&["--mail-from", &account.email, "--mail-rcpt", &account.email, "-T", path, &submissions]);
    let outside = format!("smtp://{}", server.ports.smtp);
    let mut command = Command::new("curl");
    command.args(["-sS", "--mail-from", "anna@elsewhere.example", "--mail-rcpt", &account.email]);
    succeed(command.args(["-T", path, &outside]), MINUTES);
    let got = curl(&[&format!("{imap}/INBOX;UID=1")]);
    assert_eq!(got.as_bytes(), text);
    let imaps = format!("imaps://{}", server.ports.imaps);
    let got = curl(&[&format!("{imaps}/Archive;MAILINDEX=1")]);
    assert_eq!(got.as_bytes(), text);
    let list = curl(&["-X", "SEARCH SUBJECT curl", &format!("{imap}/INBOX")]);
    assert_eq!(list.trim(), "* SEARCH 1");
    let mut check = server.inbox(&account);
    assert_eq!(check.ok("SEARCH ALL").search(), [1, 2, 3]);
}

fn letter(from: &str) -> Vec<u8> {
    format!("From: {from}\r\nTo: {from}\r\nSubject: own\r\n\r\ntext\r\n").into_bytes()
}

#[test]
fn swaks() {
    if !installed("swaks") {
        return;
    }
    let server = Server::shared();
    let account = server.account();
    let swaks = |words: &[&str]| {
        let mut command = Command::new("swaks");
        command.args(["--server", "127.0.0.1", "--to", &account.email, "--timeout", "60"]);
        succeed(command.args(words), MINUTES)
    };
    let port = |address: std::net::SocketAddr| address.port().to_string();
    swaks(&["--port", &port(server.ports.smtp), "--from", "anna@elsewhere.example"]);
    swaks(&[
        "--port",
        &port(server.ports.smtp),
        "--from",
        "anna@elsewhere.example",
        "--tls",
        "--pipeline",
    ]);
    let own =
        ["--from", &account.email, "--auth-user", &account.email, "--auth-password", PASSWORD];
    let submission = port(server.ports.submission);
    let submissions = port(server.ports.submissions);
    for words in [
        ["--port", &submission, "--tls", "--auth", "PLAIN"].as_slice(),
        &["--port", &submission, "--tls", "--auth", "LOGIN"],
        &["--port", &submissions, "--tlsc", "--auth", "PLAIN"],
    ] {
        swaks(&[words, own.as_slice()].concat());
    }
    let mut imap = server.imap(&account);
    assert_eq!(imap.ok("SELECT INBOX").exists(), 5);
}

/// neomutt sends a letter through the submission port and reads it over IMAP, on a terminal of
/// its own since it wants one for reading.
#[test]
fn neomutt() {
    let program = if installed("neomutt") { "neomutt" } else { "mutt" };
    if !installed(program) || !installed("script") {
        return;
    }
    let server = Server::shared();
    let account = server.account();
    let dir = tempfile::tempdir().expect("a directory");
    let rc = dir.path().join("rc");
    let user = account.email.replace('@', "%40");
    let settings = format!(
        "set from=\"{0}\"\nset realname=\"Mutt User\"\nset ssl_starttls=no\nset ssl_force_tls=no\n\
         set smtp_url=\"smtp://{user}@{1}\"\nset smtp_pass=\"{PASSWORD}\"\n\
         set imap_user=\"{0}\"\nset imap_pass=\"{PASSWORD}\"\n\
         set folder=\"imap://{2}/\"\nset spoolfile=\"+INBOX\"\nset record=\"+Sent\"\n\
         set mail_check_stats=no\nset header_cache=\"\"\nset sleep_time=0\nset wait_key=no\n\
         set confirmappend=no\nset delete=yes\nset quit=yes\n",
        account.email, server.ports.submission, server.ports.imap
    );
    fs::write(&rc, settings).expect("written");
    let home = dir.path().to_str().expect("UTF-8").to_owned();
    let rc = rc.to_str().expect("UTF-8").to_owned();
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.env("HOME", &home).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        succeed(command.args(["-c", line]), MINUTES)
    };
    shell(&format!(
        "echo 'Dear reader, Umlaut: ä.' | {program} -F {rc} -s 'A letter' -- {0}",
        account.email
    ));
    let mut imap = server.inbox(&account);
    // (In batch mode it puts no copy into an IMAP mailbox.)
    assert_eq!(imap.ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), 1);
    // Reading: pipe it into a file, flag it, move it to Archive, leave.
    let keys = format!(
        "<pipe-message>cat > {home}/read.txt<enter><flag-message><copy-message>=Archive<enter><delete-message><quit>"
    );
    shell(&format!(
        "script -qec \"{program} -F {rc} -e \\\"push '{keys}'\\\"\" /dev/null </dev/null >{home}/screen 2>&1"
    ));
    let read = fs::read(dir.path().join("read.txt")).unwrap_or_default();
    let read = String::from_utf8_lossy(&read).into_owned();
    let screen = fs::read_to_string(dir.path().join("screen")).unwrap_or_default();
    assert!(read.contains("Dear reader, Umlaut: "), "{read}\n--- screen\n{screen}");
    assert_eq!(imap.ok("SELECT Archive").exists(), 1, "{screen}");
    assert_eq!(imap.ok("SELECT INBOX").exists(), 0, "{screen}");
}

/// What a side holds: for each message its text (line ends as LF) and its flags.
type Contents = BTreeMap<String, (String, String)>;

fn identity(text: &str) -> String {
    let line = text.lines().find(|l| l.starts_with("X-Identity: "));
    line.unwrap_or_else(|| panic!("a message without its identity:\n{text}"))[12..].to_owned()
}

fn sync_message(id: usize) -> String {
    format!(
        "From: a@b.example\nTo: c@d.example\nSubject: number {id}\nX-Identity: {id}\n\
         Date: Tue, 1 Feb 2022 12:30:00 +0100\nMessage-ID: <{id}@sync.example>\n\n{}",
        format!("line of message {id}\n").repeat(1 + id % 40)
    )
}

fn on_server(imap: &mut Imap) -> Contents {
    let mut contents = Contents::new();
    if imap.ok("SELECT INBOX").exists() == 0 {
        return contents;
    }
    for item in imap.ok("FETCH 1:* (UID FLAGS BODY.PEEK[])").fetches() {
        let text = String::from_utf8_lossy(item.value("BODY[]").bytes()).replace("\r\n", "\n");
        let flags = item.flags().join(" ");
        let twice = contents.insert(identity(&text), (text, flags));
        assert!(twice.is_none(), "twice on the server: {twice:?}");
    }
    contents
}

/// The maildir's flag letters as IMAP's words.
fn in_maildir(dir: &Path) -> Contents {
    let mut contents = Contents::new();
    for place in ["cur", "new"] {
        for entry in fs::read_dir(dir.join(place)).expect("a maildir").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let letters = name.split_once(":2,").map_or("", |(_, l)| l);
            let names = [
                ('R', "\\Answered"),
                ('T', "\\Deleted"),
                ('D', "\\Draft"),
                ('F', "\\Flagged"),
                ('S', "\\Seen"),
            ];
            let flags: Vec<_> =
                names.iter().filter(|(c, _)| letters.contains(*c)).map(|(_, n)| *n).collect();
            let text = fs::read_to_string(entry.path()).expect("a readable message");
            let twice = contents.insert(identity(&text), (text, flags.join(" ")));
            assert!(twice.is_none(), "twice in the maildir: {twice:?}");
        }
    }
    contents
}

#[track_caller]
fn assert_same(server: &Contents, maildir: &Contents) {
    let (a, b): (Vec<_>, Vec<_>) = (server.keys().collect(), maildir.keys().collect());
    assert_eq!(a.len(), b.len());
    assert!(a == b, "different messages");
    for (id, message) in server {
        assert_eq!(message, &maildir[id], "message {id}: server, then maildir");
    }
}

fn load(imap: &mut Imap, ids: impl Iterator<Item = usize>) {
    let ids: Vec<_> = ids.collect();
    for chunk in ids.chunks(250) {
        let tag = imap.tag();
        let mut bytes = format!("{tag} APPEND INBOX").into_bytes();
        for id in chunk {
            let text = sync_message(*id).replace('\n', "\r\n");
            let flags = if id % 3 == 0 { "(\\Seen) " } else { "" };
            bytes.extend_from_slice(format!(" {flags}{{{}+}}\r\n{text}", text.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        imap.send(&bytes);
        let answer = imap.finish(&tag, "MULTIAPPEND");
        assert!(answer.is_ok(), "{answer}");
    }
}

fn put(dir: &Path, ids: impl Iterator<Item = usize>) {
    for id in ids {
        let flags = if id.is_multiple_of(4) { "S" } else { "" };
        fs::write(dir.join(format!("cur/1.{id}.here:2,{flags}")), sync_message(id))
            .expect("written");
    }
}

fn maildir(dir: &Path) -> PathBuf {
    for place in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(place)).expect("a maildir");
    }
    dir.to_owned()
}

/// Renames every n-th message with other flags, and removes every m-th.
fn change_maildir(dir: &Path) {
    let files: Vec<_> = ["cur", "new"]
        .iter()
        .flat_map(|place| fs::read_dir(dir.join(place)).expect("a maildir").flatten())
        .collect();
    for entry in files {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).expect("a message");
        let id: usize = identity(&text).parse().expect("a number");
        let base = name.split(":2,").next().expect("a name");
        match id % 10 {
            3 => fs::rename(entry.path(), dir.join(format!("cur/{base}:2,FS"))).expect("renamed"),
            4 => fs::remove_file(entry.path()).expect("removed"),
            _ => {}
        }
    }
}

fn change_server(imap: &mut Imap) {
    imap.ok("SELECT INBOX");
    let answer = imap.ok("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Identity)])");
    let mut flag = Vec::new();
    let mut remove = Vec::new();
    for item in answer.fetches() {
        let header = item.items.iter().find(|(n, _)| n.starts_with("BODY[")).expect("a header");
        let id: usize = identity(&header.1.text()).parse().expect("a number");
        match id % 10 {
            6 => flag.push(item.uid().to_string()),
            7 => remove.push(item.uid().to_string()),
            _ => {}
        }
    }
    imap.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Answered \\Flagged)", flag.join(",")));
    imap.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", remove.join(",")));
    imap.ok("EXPUNGE");
}

/// 5,000 messages, half of them on each side at first; then both sides change.
#[test]
fn mbsync_both_ways() {
    if !installed("mbsync") {
        return;
    }
    let server = Server::shared();
    let account = server.account();
    let dir = tempfile::tempdir().expect("a directory");
    let inbox = maildir(&dir.path().join("INBOX"));
    let config = dir.path().join("mbsyncrc");
    let text = format!(
        "IMAPAccount kontor\nHost 127.0.0.1\nPort {}\nUser {}\nPass {PASSWORD}\nSSLType None\n\
         PipelineDepth 50\n\n\
         IMAPStore far\nAccount kontor\n\n\
         MaildirStore near\nPath {}/\nInbox {}\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\n\
         SyncState *\n",
        server.ports.imap.port(),
        account.email,
        dir.path().display(),
        inbox.display()
    );
    fs::write(&config, text).expect("written");
    let mut imap = server.imap(&account);
    load(&mut imap, 0..2500);
    put(&inbox, 2500..5000);
    let sync = || {
        let mut command = Command::new("mbsync");
        succeed(command.arg("-c").arg(&config).arg("all").env("HOME", dir.path()), MINUTES)
    };
    sync();
    let (far, near) = (on_server(&mut imap), in_maildir(&inbox));
    assert_eq!(far.len(), 5000);
    assert_same(&without_marks(far), &without_marks(near));
    change_maildir(&inbox);
    change_server(&mut imap);
    load(&mut imap, 5000..5100);
    put(&inbox, 5100..5200);
    sync();
    let (far, near) = (on_server(&mut imap), in_maildir(&inbox));
    assert_eq!(far.len(), 5000 - 500 - 500 + 200);
    assert_same(&without_marks(far.clone()), &without_marks(near.clone()));
    assert_eq!(far["3"].1, "\\Flagged \\Seen");
    assert!(near["16"].1.starts_with("\\Answered \\Flagged"), "{:?}", near["16"]);
    // Nothing left to do.
    sync();
    assert_eq!(on_server(&mut imap), far);
}

#[test]
fn offlineimap() {
    if !installed("offlineimap") {
        return;
    }
    let server = Server::shared();
    let account = server.account();
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("offlineimaprc");
    let text = format!(
        "[general]\naccounts = test\nmetadata = {0}/meta\nui = basic\n\
         [Account test]\nlocalrepository = near\nremoterepository = far\n\
         [Repository near]\ntype = Maildir\nlocalfolders = {0}/mail\n\
         [Repository far]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = {1}\n\
         remoteuser = {2}\nremotepass = {PASSWORD}\nssl = no\nstarttls = no\n\
         auth_mechanisms = PLAIN, LOGIN\n",
        dir.path().display(),
        server.ports.imap.port(),
        account.email
    );
    fs::write(&config, text).expect("written");
    let mut imap = server.imap(&account);
    load(&mut imap, 0..100);
    imap.ok("CREATE Projects/Garden");
    imap.append(
        "Projects/Garden",
        "\\Flagged",
        sync_message(1000).replace('\n', "\r\n").as_bytes(),
    );
    let sync = || {
        let mut command = Command::new("offlineimap");
        command.arg("-o").arg("-c").arg(&config).env("HOME", dir.path());
        succeed(&mut command, MINUTES)
    };
    let output = sync();
    let inbox = dir.path().join("mail/INBOX");
    assert!(inbox.is_dir(), "{output}");
    assert_eq!(without_marks(in_maildir(&inbox)), without_marks(on_server(&mut imap)));
    assert_eq!(in_maildir(&dir.path().join("mail/Projects.Garden")).len(), 1);
    put(&inbox, 200..220);
    change_maildir(&inbox);
    change_server(&mut imap);
    let output = sync() + &sync();
    let (far, near) = (on_server(&mut imap), in_maildir(&inbox));
    for (id, kept) in [("205", true), ("14", false), ("17", false)] {
        assert_eq!((far.contains_key(id), near.contains_key(id)), (kept, kept), "{id}:\n{output}");
    }
    assert_eq!(without_marks(near), without_marks(far));
}

/// Both programs mark what they copy with a header line of their own.
fn without_marks(contents: Contents) -> Contents {
    let strip = |text: String| {
        let keep = |l: &&str| !l.starts_with("X-OfflineIMAP: ") && !l.starts_with("X-TUID: ");
        text.lines().filter(keep).map(|l| format!("{l}\n")).collect::<String>()
    };
    contents.into_iter().map(|(id, (text, flags))| (id, (strip(text), flags))).collect()
}

/// Programs poll for what they sent; the server needs no pause between the ports.
#[test]
fn what_was_accepted_is_there_at_once() {
    let server = Server::shared();
    let account = server.account();
    let mut imap = server.inbox(&account);
    for number in 1..=20 {
        server.deliver(&account, &message("now", "x"));
        assert_eq!(imap.ok("STATUS INBOX (MESSAGES)").number("MESSAGES"), number);
    }
}
