//! A full disk, a failing sync, and how often is synced: told honestly, survived, undone.
//!
//! These need root (to mount a small file system) or strace; elsewhere they say that they are
//! skipped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::program::installed;
use crate::support::{Account, Server, eventually, message};

const OUTSIDE: &str = "anna@elsewhere.example";

/// A small file system in memory, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory").keep();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "kontor-test"])
            .arg(&dir)
            .stderr(Stdio::null())
            .status();
        if status.is_ok_and(|s| s.success()) {
            return Some(SmallDisk(dir));
        }
        let _ = std::fs::remove_dir(&dir);
        eprintln!("skipped: a small file system cannot be mounted here");
        None
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.0).expect("mounted");
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn count(server: &Server, account: &Account) -> u64 {
    server.imap(account).ok("STATUS INBOX (MESSAGES)").number("MESSAGES")
}

#[test]
fn a_full_disk_is_told_and_room_heals_it() {
    let Some(disk) = SmallDisk::mount("96m") else { return };
    let data = disk.0.join("data");
    let mut server = Server::setup().data(&data).start();
    let account = server.account();
    let text = message("filler", &"0123456789\r\n".repeat(10_000));
    let mut acknowledged = 0;
    for _ in 0..5 {
        server.deliver(&account, &text);
        acknowledged += 1;
    }
    // Leave room for a dozen messages only.
    let filler = disk.0.join("filler");
    let leave = 1_500_000;
    let size = disk.free().saturating_sub(leave);
    std::fs::write(&filler, vec![1; size as usize]).expect("room for the filler");
    let mut smtp = server.smtp();
    let refused = loop {
        let reply = smtp.try_deliver(OUTSIDE, &[&account.email], &text);
        if reply.code != 250 {
            break reply;
        }
        acknowledged += 1;
        assert!(acknowledged < 500, "the disk never fills");
    };
    assert!((400..500).contains(&refused.code), "{}", refused.text);
    // Reading goes on; writing by IMAP is refused without a word of success.
    let mut imap = server.inbox(&account);
    assert!(imap.body(1).ends_with(&text));
    let answer = imap.with_literal("APPEND INBOX ", &text, "");
    assert!(answer.status.starts_with("NO "), "{answer}");
    assert_eq!(count(&server, &account), acknowledged);
    // Room again: it goes on by itself.
    std::fs::remove_file(&filler).expect("our own file");
    eventually("service after there is room", || {
        let mut smtp = server.smtp();
        (smtp.try_deliver(OUTSIDE, &[&account.email], &text).code == 250).then_some(())
    });
    acknowledged += 1;
    imap.ok("NOOP");
    imap.append("INBOX", "", &text);
    acknowledged += 1;
    assert_eq!(count(&server, &account), acknowledged);
    server.kill();
    server.start();
    assert_eq!(count(&server, &account), acknowledged);
    let report = server.try_cli(&["check"], "");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
    drop(server);
}

/// strace on a running server; detaches when dropped.
struct Tracer {
    child: Child,
    output: PathBuf,
}

impl Tracer {
    fn attach(server: &Server, dir: &Path, words: &[&str]) -> Option<Self> {
        if !installed("strace") {
            return None;
        }
        let output = dir.join("trace");
        let mut child = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o"])
            .arg(&output)
            .args(words)
            .args(["-p", &server.pid().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        // Attached when the kernel names a tracer for every thread.
        let tasks = format!("/proc/{}/task", server.pid());
        let attached = eventually("strace's hold on the server", || {
            if let Ok(Some(_)) = child.try_wait() {
                return Some(false);
            }
            let all = std::fs::read_dir(&tasks).ok()?.flatten().all(|task| {
                std::fs::read_to_string(task.path().join("status")).is_ok_and(|s| {
                    s.lines().any(|l| l.starts_with("TracerPid:") && !l.ends_with("\t0"))
                })
            });
            all.then_some(true)
        });
        if !attached {
            eprintln!("skipped: strace may not trace here");
            return None;
        }
        Some(Tracer { child, output })
    }

    /// Ends the tracing; how many syncs there were.
    fn finish(mut self) -> usize {
        self.end();
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        text.lines().filter(|l| l.contains("sync(") && !l.contains("resumed")).count()
    }

    fn end(&mut self) {
        // SAFETY: a plain system call on a process that this test started; SIGINT lets strace
        // detach, where SIGKILL could take the server along.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        // Where the server has died under it, strace may wait for ever.
        let deadline = Instant::now() + Duration::from_millis(250);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

#[test]
fn a_failed_sync_is_never_called_success() {
    let mut server = Server::start_new();
    let account = server.account();
    server.deliver(&account, &message("before", "x"));
    let dir = tempfile::tempdir().expect("a directory");
    let inject = ["-e", "inject=fsync,fdatasync:error=EIO"];
    let Some(tracer) = Tracer::attach(&server, dir.path(), &inject) else { return };
    let mut smtp = server.smtp();
    let reply = smtp.try_deliver(OUTSIDE, &[&account.email], &message("lost", "x"));
    assert!((400..500).contains(&reply.code), "acknowledged without a sync: {}", reply.text);
    let mut imap = server.inbox(&account);
    let answer = imap.with_literal("APPEND INBOX ", &message("lost too", "x"), "");
    assert!(answer.status.starts_with("NO "), "{answer}");
    let answer = imap.cmd("STORE 1 +FLAGS (\\Flagged)");
    assert!(answer.status.starts_with("NO "), "{answer}");
    // Reading goes on.
    assert!(String::from_utf8_lossy(&imap.body(1)).contains("before"));
    tracer.finish();
    // Whether it goes on by itself or wants a restart, it says so honestly.
    let mut sure = vec!["before".to_owned()];
    for number in 0..3 {
        let mut smtp = server.smtp();
        let name = format!("after-{number}");
        if smtp.try_deliver(OUTSIDE, &[&account.email], &message(&name, "x")).code == 250 {
            sure.push(name);
        }
    }
    server.kill();
    server.start();
    server.deliver(&account, &message("at last", "x"));
    let mut imap = server.inbox(&account);
    let answer = imap.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
    let all = answer.to_string();
    for name in sure {
        assert!(all.contains(&format!("Subject: {name}\r\n")), "{name} is lost in\n{all}");
    }
    assert!(all.contains("Subject: at last"), "{all}");
    assert_eq!(all.matches("Subject: before").count(), 1, "{all}");
}

/// Killed right at the n-th sync, for n = 1, 2, …: between any two steps of a commit and of a
/// checkpoint. What was acknowledged before is there once, what was not is whole or absent.
#[test]
fn killed_at_each_sync() {
    let mut server = Server::start_new();
    let account = server.account();
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Vec::new();
    let mut sent = Vec::new();
    for nth in 1..=15 {
        let inject = format!("inject=fsync,fdatasync:signal=SIGKILL:when={nth}");
        let Some(tracer) = Tracer::attach(&server, dir.path(), &["-e", &inject]) else { return };
        let mut smtp = server.smtp();
        for number in 0..200 {
            let name = format!("s{nth}-{number}");
            sent.push(name.clone());
            let text = message(&name, &"x".repeat(number * 37));
            match smtp.acknowledged(OUTSIDE, &[&account.email], &text) {
                Some(true) => acknowledged.push(name),
                Some(false) => panic!("{name} was refused"),
                None => break,
            }
        }
        drop(smtp);
        drop(tracer);
        server.kill();
        server.start();
        let mut imap = server.inbox(&account);
        if acknowledged.is_empty() && imap.ok("STATUS INBOX (MESSAGES)").number("MESSAGES") == 0 {
            continue;
        }
        let answer = imap.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
        let mut found: Vec<String> = answer
            .fetches()
            .iter()
            .map(|f| f.value("BODY[HEADER.FIELDS (SUBJECT)]").text().trim()[9..].to_owned())
            .collect();
        found.sort();
        let count = found.len();
        found.dedup();
        assert_eq!(found.len(), count, "a message is there twice");
        for name in &acknowledged {
            assert!(found.binary_search(name).is_ok(), "{name} is lost, killed at sync {nth}");
        }
        assert!(found.iter().all(|name| sent.contains(name)), "{found:?}");
    }
    assert!(acknowledged.len() >= 15, "only {} were acknowledged", acknowledged.len());
    let report = server.try_cli(&["check"], "");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
}

/// One sync before each acknowledgement, and one for many that come together.
#[test]
fn syncs_are_few_and_never_missing() {
    let server = Server::start_new();
    let accounts: Vec<_> = (0..4).map(|_| server.account()).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let Some(tracer) = Tracer::attach(&server, dir.path(), &[]) else { return };
    let mut smtp = server.smtp();
    for number in 0..20 {
        smtp.deliver(OUTSIDE, &[&accounts[0].email], &message(&format!("one {number}"), "x"));
    }
    let alone = tracer.finish();
    assert!(alone >= 20, "{alone} syncs for 20 messages, one after the other");
    // One for each, and those of the checkpoints between.
    assert!(alone <= 50, "{alone} syncs for 20 messages");
    // On a busy machine the senders may come one by one: the best of some rounds shows what can
    // be shared.
    let mut together = usize::MAX;
    for round in 0..3 {
        let Some(tracer) = Tracer::attach(&server, dir.path(), &[]) else { return };
        std::thread::scope(|scope| {
            for sender in 0..24 {
                let (server, account) = (&server, &accounts[sender % 4]);
                scope.spawn(move || {
                    let mut smtp = server.smtp();
                    for number in 0..10 {
                        let text = message(&format!("many {round} {sender} {number}"), "x");
                        smtp.deliver(OUTSIDE, &[&account.email], &text);
                    }
                });
            }
        });
        together = together.min(tracer.finish());
        assert!(together > 0, "no sync at all");
        if together < 180 {
            break;
        }
    }
    assert!((1..180).contains(&together), "{together} syncs for 240 messages at once");
    // Pipelined APPENDs that have all arrived share a sync as well.
    let mut imap = server.imap(&accounts[1]);
    let text = message("piped", "x");
    let Some(tracer) = Tracer::attach(&server, dir.path(), &[]) else { return };
    let mut bytes = Vec::new();
    for number in 0..50 {
        bytes
            .extend_from_slice(format!("p{number} APPEND Sent {{{}+}}\r\n", text.len()).as_bytes());
        bytes.extend_from_slice(&text);
        bytes.extend_from_slice(b"\r\n");
    }
    imap.send(&bytes);
    for number in 0..50 {
        let answer = imap.finish(&format!("p{number}"), "APPEND");
        assert!(answer.is_ok(), "{answer}");
    }
    let piped = tracer.finish();
    assert!((1..40).contains(&piped), "{piped} syncs for 50 pipelined APPENDs");
}
