//! The program around the core: command line, control socket, settings, listeners, import and
//! export, backup and restore, the sample office.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kontor");
const PASSWORD: &str = "correct-horse-7";
const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory and the command line on it.
struct Office {
    dir: tempfile::TempDir,
}

impl Office {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Set up, with `ben@d.example` beside the administrator.
    fn set_up() -> Self {
        let office = Self::new();
        let init = "init --domain d.example --hostname mail.d.example --admin ada@d.example \
                    --password-stdin";
        office.succeed(init, PASSWORD);
        office.succeed("user add ben@d.example --name Ben --password-stdin", PASSWORD);
        office
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--data").arg(self.data()).args(line.split_whitespace());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    fn run(&self, line: &str, input: &str) -> Output {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that fails early may not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn succeed(&self, line: &str, input: &str) -> String {
        let output = self.run(line, input);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail, and returns what it says.
    fn fail(&self, line: &str) -> String {
        let output = self.run(line, "");
        assert!(!output.status.success(), "{line} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.succeed(&format!("{line} --json"), "")).unwrap()
    }

    fn serve(&self, settings: &[(&str, &str)]) -> Serving {
        let mut command = self.command("serve");
        for name in ["SMTP", "SUBMISSION", "SUBMISSIONS", "IMAP", "IMAPS", "HTTP", "HTTPS"] {
            command.env(format!("KONTOR_LISTEN_{name}"), "127.0.0.1:0");
        }
        Serving::start(command.envs(settings.iter().copied()))
    }
}

/// A running `kontor serve` (or `demo`).
struct Serving {
    child: Child,
    up: Vec<(String, SocketAddr)>,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut up = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let mut words = line.split(' ');
            match words.next() {
                Some("listening") => {
                    let name = words.next().unwrap().to_owned();
                    up.push((name, words.next().unwrap().parse().unwrap()));
                }
                Some("ready") => return Self { child, up },
                _ => {}
            }
        }
        panic!("it ended before it was ready");
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.up.iter().find(|(up, _)| up == name).unwrap_or_else(|| panic!("{name} is off")).1
    }

    fn connect(&self, name: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address(name)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect("http");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// SIGTERM, and how long it took to end.
    fn stop(mut self) -> Duration {
        let start = std::time::Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        start.elapsed()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

/// The same commands, with and without a server.
#[test]
fn people_and_addresses_are_looked_after_from_the_command_line() {
    for served in [false, true] {
        let office = Office::set_up();
        let server = served.then(|| office.serve(&[]));

        assert!(office.fail("user add ben@d.example --name B --password-stdin").contains("empty"));
        let twice = office.run("user add ben@d.example --name B --password-stdin", PASSWORD);
        assert!(String::from_utf8_lossy(&twice.stderr).contains("exists already"));
        let weak = office.run("user add eve@d.example --name Eve --password-stdin", "pw");
        assert!(weak.status.success());
        assert!(String::from_utf8_lossy(&weak.stderr).contains("weak"));
        let (passwd, weak) = ("user passwd nobody@d.example --password-stdin", "pw");
        let nobody = office.run(passwd, weak);
        assert!(!String::from_utf8_lossy(&nobody.stderr).contains("weak"), "nothing was set");
        let elsewhere = office.run("user add x@other.example --name X --password-stdin", PASSWORD);
        assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("kontor domain add"));

        let users = office.json("user list");
        let emails: Vec<&str> =
            users.as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect();
        assert_eq!(emails, ["ada@d.example", "ben@d.example", "eve@d.example"]);
        assert_eq!((&users[0]["admin"], &users[1]["admin"]), (&true.into(), &false.into()));
        assert_eq!(users[1]["name"], "Ben");
        office.succeed("user disable ben@d.example", "");
        assert_eq!(office.json("user list")[1]["enabled"], false);
        office.succeed("user enable ben@d.example", "");
        assert_eq!(office.json("user list")[1]["enabled"], true);
        office.succeed("user passwd ben@d.example --password-stdin", "another long one");
        let set = office.json("user set ben@d.example --name Benjamin --hidden yes");
        assert_eq!(set[0], office.json("user list")[1]);
        assert_eq!((&set[0]["name"], &set[0]["hidden"]), (&"Benjamin".into(), &true.into()));
        assert!(office.succeed("user list", "").contains("hidden"));
        let set = office.json("user set ben@d.example --hidden no");
        assert_eq!((&set[0]["name"], &set[0]["hidden"]), (&"Benjamin".into(), &false.into()));
        let set = office.json("user set ben@d.example --quota 20M --admin yes");
        assert_eq!((&set[0]["quota"], &set[0]["admin"]), (&(20 << 20).into(), &true.into()));
        assert!(office.succeed("user list", "").contains("21.0 MB"));
        let set = office.json("user set ben@d.example --quota 0 --admin no");
        assert_eq!((&set[0]["quota"], &set[0]["admin"]), (&serde_json::Value::Null, &false.into()));
        assert!(office.fail("user set ben@d.example --quota much").contains("2G"));
        let last = office.run("user set ada@d.example --admin no", "");
        assert!(String::from_utf8_lossy(&last.stderr).contains("nobody administers"), "{last:?}");
        office.succeed("user set ada@d.example --admin yes", "");
        assert!(office.fail("user set ben@d.example --name=").contains("empty"));
        assert!(office.fail("user set ben@d.example").contains("--hidden"));
        assert!(office.fail("user set nobody@d.example --hidden yes").contains("nobody@d.example"));
        assert!(office.fail("user disable nobody@d.example").contains("nobody@d.example"));

        office.succeed("alias add info@d.example ben@d.example", "");
        assert_eq!(office.json("alias list")[0]["alias"], "info@d.example");
        assert!(office.fail("alias add info@d.example ada@d.example").contains("exists already"));
        office.succeed("group add team@d.example ada@d.example ben@d.example", "");
        office.succeed("group add team@d.example x@elsewhere.example", "");
        let set = office.json("group set team@d.example --name Everybody --hidden yes");
        assert_eq!((&set[0]["name"], &set[0]["hidden"]), (&"Everybody".into(), &true.into()));
        office.succeed("group remove team@d.example ada@d.example", "");
        let twice = office.fail("group remove team@d.example ben@d.example ada@d.example");
        assert!(twice.contains("ada@d.example is no member of team@d.example"), "{twice}");
        assert_eq!(office.json("group list")[0]["hidden"], true);
        assert!(office.fail("group set x@d.example --name X").contains("no group x@d.example"));
        let members = office.json("group list")[0]["members"].clone();
        assert_eq!(members, serde_json::json!(["ben@d.example", "x@elsewhere.example"]));
        office.succeed("group remove team@d.example", "");
        assert_eq!(office.json("group list"), serde_json::json!([]));

        office.succeed("domain add other.example --catch-all ada@d.example", "");
        assert_eq!(office.json("domain list")[1]["catch_all"], "ada@d.example");
        office.succeed("domain remove other.example", "");
        assert!(office.fail("domain remove d.example").contains("still exist"));
        office.succeed("user remove eve@d.example", "");
        office.succeed("alias remove info@d.example", "");
        assert_eq!(office.json("alias list"), serde_json::json!([]));
        assert_eq!(office.json("queue list"), serde_json::json!([]));
        assert!(office.succeed("user disable ada@d.example", "").contains("nobody administers"));
        assert!(office.succeed("check", "").starts_with("ok "));
        drop(server);
    }
}

#[test]
fn set_up_happens_once_and_needs_a_real_password() {
    let office = Office::new();
    let init = "init --domain d.example --hostname h.example --admin a@d.example --password-stdin";
    let short = office.run(init, "short");
    assert!(String::from_utf8_lossy(&short.stderr).contains("at least 8 characters"));
    assert!(office.fail("user list").contains("kontor init"));
    let strangers = init.replace("a@d.example", "a@other.example");
    let stranger = office.run(&strangers, PASSWORD);
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("such as a@d.example"));
    let nameless = office.run(&init.replace("h.example", "h..example"), PASSWORD);
    assert!(String::from_utf8_lossy(&nameless.stderr).contains("not a valid hostname"));
    office.succeed(init, PASSWORD);
    let again = office.run(init, PASSWORD);
    assert!(String::from_utf8_lossy(&again.stderr).contains("set up already"));
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(office.data().metadata().unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn the_server_greets_answers_and_ends_on_sigterm() {
    let office = Office::set_up();
    let server = office.serve(&[("KONTOR_LISTEN_HTTPS", "off")]);
    assert!(server.up.iter().all(|(name, _)| name != "https"));
    assert!(first_line(&server.connect("imap")).starts_with("* OK"));
    assert!(first_line(&server.connect("smtp")).starts_with("220 mail.d.example "));
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(server.get("/metrics").contains("\nkontor_connections_total "));
    assert!(server.get("/").contains("Kontor is running"));
    assert!(server.get("/nothing").starts_with("HTTP/1.1 404"));
    use std::os::unix::fs::PermissionsExt as _;
    let socket = office.data().join("kontor.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let (imap, smtp) = (server.connect("imap"), server.connect("smtp"));
    first_line(&imap);
    first_line(&smtp);
    assert!(server.stop() < Duration::from_secs(10));
    assert!(first_line(&imap).starts_with("* BYE"));
    assert!(first_line(&smtp).starts_with("421"));
    assert!(!socket.exists());
}

#[test]
fn what_cannot_be_started_says_why() {
    let office = Office::set_up();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let fail = |settings: &[(&str, &str)]| {
        let mut command = office.command("serve");
        for name in ["SMTP", "SUBMISSION", "SUBMISSIONS", "IMAP", "IMAPS", "HTTP", "HTTPS"] {
            command.env(format!("KONTOR_LISTEN_{name}"), "off");
        }
        let output = command.envs(settings.iter().copied()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let text = fail(&[("KONTOR_LISTEN_IMAP", &format!("127.0.0.1:{port}"))]);
    assert!(text.contains(&format!("port {port} is in use by process")), "{text}");
    assert!(text.contains("or set listen.imap"), "{text}");
    let text = fail(&[("KONTOR_LISTEN_IMAP", "nonsense")]);
    assert!(text.contains("KONTOR_LISTEN_IMAP"), "{text}");
    let text = fail(&[("KONTOR_LIMITS_RECIPIENTS", "few")]);
    assert!(text.contains("limits.recipients"), "{text}");
    let text = fail(&[("KONTOR_TLS_CERTIFICATE", "/nowhere"), ("KONTOR_TLS_KEY", "/nowhere")]);
    assert!(text.contains("/nowhere"), "{text}");
    let _server = office.serve(&[]);
    let text = fail(&[]);
    assert!(text.contains("in use by process"), "{text}");
}

#[test]
fn connections_of_one_address_are_bounded() {
    let office = Office::set_up();
    let server = office.serve(&[("KONTOR_LIMITS_CONNECTIONS_PER_ADDRESS", "3")]);
    let held: Vec<TcpStream> = (0..3).map(|_| server.connect("imap")).collect();
    held.iter().for_each(|stream| assert!(first_line(stream).starts_with("* OK")));
    assert!(first_line(&server.connect("imap")).starts_with("* BYE"));
    assert!(first_line(&server.connect("smtp")).starts_with("421"));
    drop(held);
    let free = || first_line(&server.connect("imap")).starts_with("* OK");
    let until = std::time::Instant::now() + PATIENCE;
    while !free() {
        assert!(std::time::Instant::now() < until, "the places were not given back");
    }
}

fn write_mbox(path: &Path, count: usize) {
    let mut text = String::new();
    for n in 1..=count {
        text += &format!(
            "From a@b Thu Jan  1 00:00:{:02} 1970\nFrom: a@b.example\nSubject: letter {n}\n\
             Status: RO\n\ntext {n}\n>From here\n\n",
            n % 60
        );
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn mail_comes_in_and_goes_out_in_every_form() {
    for served in [false, true] {
        let office = Office::set_up();
        let server = served.then(|| office.serve(&[]));
        let dir = office.dir.path();
        write_mbox(&dir.join("old.mbox"), 450);
        let said = office.succeed(
            &format!(
                "import mbox ben@d.example {} --into Old/2019",
                dir.join("old.mbox").display()
            ),
            "",
        );
        assert!(said.contains("450 messages"), "{said}");
        std::fs::create_dir(dir.join("saved")).unwrap();
        std::fs::write(dir.join("saved/a.eml"), "Subject: saved\r\n\r\nx\r\n").unwrap();
        std::fs::write(dir.join("saved/b.jpg"), b"\xff\xd8\xff").unwrap();
        let output =
            office.run(&format!("import eml ben@d.example {}", dir.join("saved").display()), "");
        assert!(!output.status.success(), "something was skipped");
        assert!(String::from_utf8_lossy(&output.stderr).contains("b.jpg"));
        assert_eq!(office.json("user list")[1]["messages"], 451);

        let out = dir.join("out");
        office.succeed(&format!("export ben@d.example {}", out.display()), "");
        assert_eq!(out.join("Old/2019/cur").read_dir().unwrap().count(), 450);
        let first = std::fs::read_dir(out.join("INBOX/cur")).unwrap().next().unwrap().unwrap();
        assert!(first.file_name().to_str().unwrap().ends_with(":2,S"));
        assert_eq!(std::fs::read(first.path()).unwrap(), b"Subject: saved\r\n\r\nx\r\n");
        let again = office.fail(&format!("export ben@d.example {}", out.display()));
        assert!(again.contains("not empty"), "{again}");

        // And back, to somebody else: the same bytes in the same mailboxes.
        let back = office.succeed(&format!("import maildir ada@d.example {}", out.display()), "");
        assert!(back.contains("451 messages"), "{back}");
        let second = dir.join("second");
        office.succeed(&format!("export ada@d.example {}", second.display()), "");
        assert_eq!(bytes_below(&out), bytes_below(&second));
        assert!(office.fail("import mbox nobody@d.example /dev/null").contains("nobody"));
        drop(server);
        assert!(office.succeed("check", "").contains("902 messages of 2 accounts are whole"));
    }
}

/// Every message below a directory by its mailbox, in a fixed order.
fn bytes_below(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                left.push(entry);
            } else if path.ends_with("cur") {
                let mailbox = path.strip_prefix(dir).unwrap().display().to_string();
                all.push((mailbox, std::fs::read(entry).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_backup_made_while_serving_restores() {
    let office = Office::set_up();
    let dir = office.dir.path();
    write_mbox(&dir.join("old.mbox"), 120);
    let mbox = dir.join("old.mbox").display().to_string();
    office.succeed(&format!("import mbox ben@d.example {mbox}"), "");
    let server = office.serve(&[]);
    let file = dir.join("all.backup");
    office.succeed(&format!("backup {}", file.display()), "");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
    // What comes later is not in it.
    office.succeed(&format!("import mbox ben@d.example {mbox}"), "");
    drop(server);

    let occupied = office.fail(&format!("restore {}", file.display()));
    assert!(occupied.contains("not empty"), "{occupied}");
    let restored = Office::new();
    restored.succeed(&format!("restore {}", file.display()), "");
    assert_eq!(restored.json("user list")[1]["messages"], 120);
    assert_eq!(office.json("user list")[1]["messages"], 240);
    assert!(restored.succeed("check", "").contains("are whole"));
    // The same certificate, or every mail program would ask about it again.
    let server = restored.serve(&[]);
    for file in ["tls/self-signed.pem", "tls/self-signed.key"] {
        let read = |office: &Office| std::fs::read(office.data().join(file)).unwrap();
        assert!(read(&restored) == read(&office), "{file}");
        let mode = restored.data().join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    assert!(first_line(&server.connect("imap")).starts_with("* OK"));

    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
    let cut = Office::new();
    cut.fail(&format!("restore {}", file.display()));
    let left = cut.data().read_dir().map(|inside| inside.count()).unwrap_or(0);
    assert_eq!(left, 0, "a failed restore leaves nothing");
}

#[test]
fn a_damaged_file_is_told_with_what_to_do() {
    let office = Office::set_up();
    let file = office.data().join("kontor.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    // All pages behind the file's header, so that those in use are among them.
    bytes[4096..].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    let output = office.run("check", "");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("restore the last backup"), "{text}");
}

#[test]
fn the_sample_office_opens_and_ends() {
    let mut command = Command::new(PROGRAM);
    command.arg("demo").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("Ctrl-C") {
        assert_ne!(out.read_line(&mut text).unwrap(), 0, "{text}");
    }
    let line = text.lines().find(|line| line.contains("IMAP")).unwrap();
    let address: SocketAddr = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let dir = text.lines().find(|line| line.contains("Data in")).unwrap();
    let dir = PathBuf::from(dir.split_whitespace().nth(2).unwrap().trim_end_matches(','));
    assert!(dir.is_dir());

    let mut imap = TcpStream::connect(address).unwrap();
    imap.set_read_timeout(Some(PATIENCE)).unwrap();
    first_line(&imap);
    imap.write_all(b"a LOGIN ines@office.example sample-office\r\nb SELECT INBOX\r\n").unwrap();
    let mut answer = String::new();
    let mut lines = BufReader::new(&imap);
    while !answer.contains("\nb ") {
        assert_ne!(lines.read_line(&mut answer).unwrap(), 0, "{answer}");
    }
    let exists = answer.lines().find_map(|line| line.strip_suffix(" EXISTS")).unwrap();
    assert!(exists[2..].parse::<u32>().unwrap() > 5, "{answer}");

    let out = tempfile::tempdir().unwrap();
    let mut export = Command::new(PROGRAM);
    export.arg("--data").arg(&dir).args(["export", "ines@office.example"]).arg(out.path());
    assert!(export.stdout(Stdio::null()).status().unwrap().success());
    for name in ["Calendar.ics", "Tasks.ics", "Notes.ics", "Contacts.vcf"] {
        assert!(out.path().join(name).is_file(), "{name}");
    }
    assert!(entries_below(out.path()) >= 25);

    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!dir.exists(), "its directory is removed");
}

#[test]
fn the_offices_address_book_is_kept_listed_and_carried_along() {
    let office = Office::set_up();
    let server = office.serve(&[]);
    let file = office.dir.path().join("suppliers.vcf");
    let card = |uid: &str, name: &str, mail: &str| {
        format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nEMAIL:{mail}\r\nTEL:030 5550181\r\nEND:VCARD\r\n"
        )
    };
    let bring = |cards: &[String]| {
        std::fs::write(&file, cards.concat()).unwrap();
        office.succeed(&format!("import vcf office {}", file.display()), "");
    };
    bring(&[card("1", "Jörg Weiß", "weiss@haus.example"), card("2", "Taxi", "")]);
    bring(&[card("1", "Jörg Weiß", "weiss@neu.example")]);
    let list = |office: &Office| -> Vec<String> {
        let lines = office.json("book list");
        lines
            .as_array()
            .unwrap()
            .iter()
            .map(|line| format!("{} {}", line["name"], line["email"]))
            .collect()
    };
    let both = ["\"Jörg Weiß\" \"weiss@neu.example\"", "\"Taxi\" \"\""];
    assert_eq!(list(&office), both);
    assert!(office.succeed("book list weiss", "").contains("weiss@neu.example"));
    assert_eq!(office.succeed("book list nobody", ""), "none\n");
    let out = office.dir.path().join("out");
    office.succeed(&format!("export office {}", out.display()), "");
    assert_eq!(entries_below(&out), 2);
    // It belongs to no account: nobody is listed, and nobody can be it.
    assert!(!office.succeed("user list", "").lines().any(|line| line.starts_with("office ")));
    let elsewhere = office.fail(&format!("import vcf office {} --into X", file.display()));
    assert!(elsewhere.contains("one address book"), "{elsewhere}");
    let saved = office.dir.path().join("saved");
    office.succeed(&format!("backup {}", saved.display()), "");
    office.succeed("book remove weiss@neu.example", "");
    assert_eq!(list(&office), both[1..]);
    assert!(office.fail("book remove weiss@neu.example").contains("weiss@neu.example"));
    office.succeed("check", "");
    drop(server);
    let again = Office::new();
    again.succeed(&format!("restore {}", saved.display()), "");
    assert_eq!(list(&again), both);
    again.succeed("check", "");
}

/// Entries in the files of an export.
fn entries_below(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let texts =
        files.filter(|path| path.extension().is_some_and(|end| end == "ics" || end == "vcf"));
    texts
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let begun = ["VEVENT", "VTODO", "VJOURNAL", "VCARD"];
            begun
                .iter()
                .map(|name| text.matches(&format!("BEGIN:{name}\r\n")).count())
                .sum::<usize>()
        })
        .sum()
}

#[test]
fn calendars_and_contacts_come_in_once_and_go_out() {
    let office = Office::set_up();
    let server = office.serve(&[]);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let (ics, vcf) = (data.join("ics"), data.join("vcf"));
    let bring = || {
        // Some of the files are broken on purpose; they are told and skipped.
        office.run(&format!("import ics ben@d.example {}", ics.display()), "");
        office.run(&format!("import vcf ben@d.example {}", vcf.display()), "");
    };
    bring();
    let export = |name: &str| {
        let out = office.dir.path().join(name);
        office.succeed(&format!("export ben@d.example {}", out.display()), "");
        entries_below(&out)
    };
    let first = export("first");
    assert!(first >= 30, "{first}");
    bring();
    assert_eq!(export("second"), first, "the same again doubles nothing");
    // Back, to somebody else.
    let out = office.dir.path().join("first");
    for (kind, name) in [("ics", "Calendar.ics"), ("vcf", "Contacts.vcf")] {
        let file = out.join(name);
        let said = office.run(&format!("import {kind} ada@d.example {}", file.display()), "");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    office.succeed(
        &format!("import ics ada@d.example {} --into Old", out.join("Calendar.ics").display()),
        "",
    );
    let second = office.dir.path().join("ada");
    office.succeed(&format!("export ada@d.example {}", second.display()), "");
    let length = |dir: &Path, name: &str| std::fs::read(dir.join(name)).unwrap().len();
    assert_eq!(length(&second, "Contacts.vcf"), length(&out, "Contacts.vcf"));
    assert!(second.join("Old.ics").exists());
    assert!(office.fail("import ics nobody@d.example /dev/null").contains("nobody"));
    drop(server);
    office.succeed("check", "");
}
