//! Other people's programs: found or skipped with a word, run with a deadline.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Whether `name` can be run; otherwise says that the test is skipped, or, with
/// `KONTOR_TEST_STRICT` set, fails.
pub fn installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| dir.join(name).is_file()) {
        return true;
    }
    assert!(std::env::var_os("KONTOR_TEST_STRICT").is_none(), "{name} is not installed");
    eprintln!("skipped: {name} is not installed");
    false
}

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub output: String,
}

/// Runs a program to its end, both outputs together; panics when it takes longer than `within`.
pub fn run(command: &mut Command, within: Duration) -> Outcome {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(appending(file.path()))
        .stderr(appending(file.path()))
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let deadline = Instant::now() + within;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?}: not done after {within:?}:\n{}", text(file.path()));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Outcome { code: status.code(), output: text(file.path()) }
}

/// As [`run`]; must end with 0. Gives the output.
#[track_caller]
pub fn succeed(command: &mut Command, within: Duration) -> String {
    let outcome = run(command, within);
    assert_eq!(outcome.code, Some(0), "{command:?}:\n{}", outcome.output);
    outcome.output
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn appending(path: &Path) -> std::fs::File {
    std::fs::File::options().append(true).open(path).expect("our own file")
}
