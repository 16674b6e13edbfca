//! The real program in a directory of its own: started, asked, killed and started again.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Instant;

use super::net::Conn;
use super::{Imap, PATIENCE, Smtp};

pub const DOMAIN: &str = "test.example";
pub const HOSTNAME: &str = "mail.test.example";
/// The password of every account that [`Server::account`] makes.
pub const PASSWORD: &str = "correct-horse-7";

/// A log-in.
#[derive(Clone, Debug)]
pub struct Account {
    pub email: String,
    pub password: String,
}

/// How a server is to be started.
pub struct Setup {
    dir: Option<PathBuf>,
    env: Vec<(String, String)>,
    everywhere: bool,
}

impl Setup {
    /// Listens on all addresses of the machine, not only on loopback.
    pub fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// A setting as its environment variable, such as `KONTOR_LIMITS_MESSAGE_SIZE`.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Puts the data there instead of into a directory that is removed at the end.
    pub fn data(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    pub fn start(self) -> Server {
        let own_dir = self.dir.is_none();
        let dir = self.dir.unwrap_or_else(fresh_dir);
        fs::create_dir_all(&dir).expect("a directory for the data");
        let ports = Ports::pick();
        let mut server = Server {
            log: if own_dir { dir.join("log") } else { fresh_dir().join("log") },
            data: if own_dir { dir.join("data") } else { dir },
            own_dir,
            ports,
            env: self.env,
            everywhere: self.everywhere,
            child: None,
            foreign: false,
        };
        fs::create_dir_all(server.log.parent().expect("a file in a directory")).expect("log dir");
        if !server.initialised() {
            server.cli_with_input(
                &[
                    "init",
                    "--domain",
                    DOMAIN,
                    "--hostname",
                    HOSTNAME,
                    "--admin",
                    "admin@test.example",
                    "--password-stdin",
                ],
                PASSWORD,
            );
        }
        server.start();
        server
    }
}

/// The addresses of one server.
#[derive(Clone, Copy)]
pub struct Ports {
    pub smtp: SocketAddr,
    pub submission: SocketAddr,
    pub submissions: SocketAddr,
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    pub http: SocketAddr,
    pub https: SocketAddr,
}

impl Ports {
    fn pick() -> Self {
        Ports {
            smtp: free_port(),
            submission: free_port(),
            submissions: free_port(),
            imap: free_port(),
            imaps: free_port(),
            http: free_port(),
            https: free_port(),
        }
    }

    fn named(&self) -> [(&'static str, SocketAddr); 7] {
        [
            ("SMTP", self.smtp),
            ("SUBMISSION", self.submission),
            ("SUBMISSIONS", self.submissions),
            ("IMAP", self.imap),
            ("IMAPS", self.imaps),
            ("HTTP", self.http),
            ("HTTPS", self.https),
        ]
    }
}

/// A port that nobody uses. Taken below the range from which the kernel gives ports to outgoing
/// connections, so that it is still free when the server asks for it; kept apart from another
/// run's ports by the process id.
fn free_port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_240;
    const COUNT: u32 = 22_000;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id().wrapping_mul(611).wrapping_add(step)) % COUNT;
        let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port on loopback");
}

/// A directory with a short name: the control socket's path has to fit into 107 bytes.
fn fresh_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static SWEPT: OnceLock<()> = OnceLock::new();
    let root = std::env::var_os("KONTOR_TEST_DIR")
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("kontor-tests");
    SWEPT.get_or_init(|| sweep(&root));
    let own = root.join(std::process::id().to_string());
    let dir = own.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    dir
}

/// Removes what runs that have ended left behind: a shared server is never dropped.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let alive = Path::new("/proc").join(entry.file_name()).exists();
        if !alive {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Starts programs from one thread that lives as long as the tests: the kernel ends a child
/// (`PR_SET_PDEATHSIG`) with the *thread* that started it, and a test's own thread ends early.
fn spawn(command: Command) -> std::io::Result<Child> {
    type Job = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in queue {
                // SAFETY: prctl is safe to call between fork and exec and touches no memory.
                unsafe {
                    command.pre_exec(|| {
                        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                        Ok(())
                    });
                }
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(jobs)
    });
    let (answer, result) = mpsc::channel();
    spawner.lock().expect("no panic while held").send((command, answer)).expect("spawner lives");
    result.recv().expect("spawner lives")
}

/// A running server. Ends with its directory when dropped.
pub struct Server {
    pub ports: Ports,
    pub data: PathBuf,
    log: PathBuf,
    own_dir: bool,
    env: Vec<(String, String)>,
    everywhere: bool,
    child: Option<Child>,
    foreign: bool,
}

impl Server {
    pub fn setup() -> Setup {
        Setup { dir: None, env: Vec::new(), everywhere: false }
    }

    /// A server of one's own, with the settings as shipped.
    pub fn start_new() -> Server {
        Self::setup().start()
    }

    /// The one that every test may use that leaves settings and other accounts alone. Many tests
    /// share one client address, so the limits per address are wide here.
    ///
    /// With `KONTOR_TEST_PEER=ADDRESS:PORT` it is another IMAP server, which has to let anybody
    /// of the domain in: what a second server passes as well is a better test.
    pub fn shared() -> &'static Server {
        // Where it does not start, one test waits for it and the others fail at once.
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let server = SHARED.get_or_init(|| {
            if let Ok(address) = std::env::var("KONTOR_TEST_PEER") {
                return Some(Self::peer(address.parse().expect("KONTOR_TEST_PEER=ADDRESS:PORT")));
            }
            std::panic::catch_unwind(|| {
                Self::setup()
                    .env("KONTOR_LIMITS_CONNECTIONS_PER_ADDRESS", 5000)
                    .env("KONTOR_LIMITS_CONNECTS_PER_SECOND", 100_000)
                    .env("KONTOR_LIMITS_LOGIN_ATTEMPTS", 100_000)
                    .start()
            })
            .ok()
        });
        server.as_ref().expect("the shared server did not start; another test says why")
    }

    fn peer(address: SocketAddr) -> Server {
        let mut ports = Ports::pick();
        ports.imap = address;
        let dir = fresh_dir();
        Server {
            ports,
            log: dir.join("log"),
            data: dir.join("data"),
            own_dir: true,
            env: Vec::new(),
            everywhere: false,
            child: None,
            foreign: true,
        }
    }

    fn initialised(&self) -> bool {
        fs::read_dir(&self.data).is_ok_and(|mut entries| entries.next().is_some())
    }

    fn command(&self) -> Command {
        // `make soak` gives the release build.
        let program = std::env::var("PROGRAM_UNDER_TEST");
        let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_kontor").to_owned());
        let mut command = Command::new(program);
        command.arg("--data").arg(&self.data);
        for (name, address) in self.ports.named() {
            let port = address.port();
            let place =
                if self.everywhere { format!("0.0.0.0:{port}") } else { address.to_string() };
            command.env(format!("KONTOR_LISTEN_{name}"), place);
        }
        command.envs(self.env.iter().cloned());
        command
    }

    /// Starts the program on the directory and waits until it serves.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "already running");
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = self.command();
        command
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        self.child = Some(spawn(command).expect("the program starts"));
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let ports = [
            self.ports.imap,
            self.ports.imaps,
            self.ports.smtp,
            self.ports.submission,
            self.ports.submissions,
            self.ports.http,
        ];
        let mut ready = 0;
        loop {
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().expect("a child")) {
                panic!("the server ended at start with {status}:\n{}", self.log_tail());
            }
            while ready < ports.len() && std::net::TcpStream::connect(ports[ready]).is_ok() {
                ready += 1;
            }
            if ready == ports.len() && self.http_get("/healthz").starts_with("HTTP/1.1 200") {
                return;
            }
            assert!(Instant::now() < deadline, "not serving in time:\n{}", self.log_tail());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// A plain HTTP/1.1 request; the answer as it came, empty if there was none.
    pub fn http_get(&self, path: &str) -> String {
        let Ok(mut conn) = Conn::plain(self.ports.http) else { return String::new() };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        if conn.send(request.as_bytes()).is_err() {
            return String::new();
        }
        conn.rest(PATIENCE).map_or(String::new(), |b| String::from_utf8_lossy(&b).into_owned())
    }

    /// The end of what the server wrote to its log.
    pub fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The lines of its log that have this in them.
    pub fn log_lines(&self, part: &str) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("running");
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).expect("a Linux kernel");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("kB") * 1024
    }

    /// `kill -9`, as a crash would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("running");
        child.kill().expect("our own child");
        child.wait().expect("a child");
    }

    /// SIGTERM; returns when the process has ended.
    pub fn stop(&mut self) {
        let pid = self.pid() as i32;
        // SAFETY: a plain system call on a process that this test started.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let mut child = self.child.take().expect("running");
        super::eventually("the server's end after SIGTERM", || child.try_wait().expect("a child"));
    }

    /// Runs a command of the program on this server's data, with `input` as standard input.
    pub fn try_cli(&self, words: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command).expect("the program starts");
        // A command that does not read its input may have ended already.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        child.wait_with_output().expect("a child")
    }

    /// As [`Self::try_cli`], which must succeed; what it printed.
    pub fn cli_with_input(&self, words: &[&str], input: &str) -> String {
        let output = self.try_cli(words, input);
        assert!(
            output.status.success(),
            "kontor {}: {}\n{}{}\n{}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log_tail(),
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn cli(&self, words: &[&str]) -> String {
        self.cli_with_input(words, "")
    }

    /// Makes an account with a name of its own.
    pub fn account(&self) -> Account {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        if self.foreign {
            // Nothing to be made there, but it may remember names from an earlier run.
            let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_micros();
            let email = format!("p{now}-{number}@{DOMAIN}");
            return Account { email, password: PASSWORD.to_owned() };
        }
        self.account_named(&format!("user{number}"))
    }

    pub fn account_named(&self, local: &str) -> Account {
        let email = format!("{local}@{DOMAIN}");
        self.cli_with_input(
            &["user", "add", &email, "--name", "Test Person", "--password-stdin"],
            PASSWORD,
        );
        Account { email, password: PASSWORD.to_owned() }
    }

    /// A logged-in IMAP session.
    pub fn imap(&self, account: &Account) -> Imap {
        let mut imap = Imap::connect(self.ports.imap);
        imap.login(account);
        imap
    }

    /// A logged-in session with INBOX selected.
    pub fn inbox(&self, account: &Account) -> Imap {
        let mut imap = self.imap(account);
        imap.ok("SELECT INBOX");
        imap
    }

    /// An SMTP connection to the port for mail from outside, greeted.
    pub fn smtp(&self) -> Smtp {
        let mut smtp = Smtp::connect(self.ports.smtp);
        smtp.ehlo();
        smtp
    }

    /// A logged-in connection to the submission port.
    pub fn submission(&self, account: &Account) -> Smtp {
        let mut smtp = Smtp::connect(self.ports.submission);
        smtp.ehlo();
        smtp.login(account);
        smtp
    }

    /// Delivers one message from outside.
    pub fn deliver(&self, to: &Account, message: &[u8]) {
        self.smtp().deliver("anna@elsewhere.example", &[&to.email], message);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log ends with\n{}", self.log_tail());
        }
        if self.child.is_some() {
            self.kill();
        }
        if self.own_dir {
            let _ = fs::remove_dir_all(self.data.parent().expect("made by us"));
        }
    }
}
