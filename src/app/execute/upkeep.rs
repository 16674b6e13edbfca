//! The store's own care: backup, check, search index, queue.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::super::control::{CheckLine, Failure, Item, Outlet, QueueLine, RESTORE, Reply};
use super::super::output::{counted, size};
use crate::delivery::queue;
use crate::delivery::waiting::{self, End};
use crate::jobs::index;
use crate::store::{Read, Store, backup, verify};

/// Bytes of a backup that go out at once.
const PIECE: usize = 1 << 20;

/// Mail that waits, a line for each recipient.
pub(super) fn list_queue(store: &Store) -> Result<Reply, Failure> {
    let (read, now) = (store.read(), store.clock().now());
    let failed = |error| Failure(format!("the queue cannot be read: {error}"));
    let mut lines = Vec::new();
    for (_, entry) in queue::list(&read)? {
        for recipient in &entry.recipients {
            let end = waiting::outlook(&read, &entry, recipient).map_err(failed)?;
            let state = match (recipient.last_answer.as_str(), end) {
                ("", Some(_)) => "the mailbox is full",
                // The runner is not in this version, and the listing says so.
                ("", None) => "waits; sending to other servers is not possible yet",
                (answer, _) => answer,
            };
            let then = end.map(|(_, end)| match end {
                End::Returned => "returned",
                End::Delivered => "delivered",
            });
            let tried = end.is_some() || recipient.tries > 0;
            lines.push(QueueLine {
                id: entry.id.clone(),
                from: entry.sender.clone().unwrap_or_else(|| "<>".into()),
                to: recipient.address.clone(),
                size: entry.size,
                queued: entry.accepted,
                age: u64::try_from(now.saturating_sub(entry.accepted)).unwrap_or(0),
                tries: recipient.tries,
                next_try: tried.then_some(recipient.next_try),
                state: state.to_owned(),
                ends: end.map(|(at, _)| at),
                then: then.map(str::to_owned),
            });
        }
    }
    Ok(Reply::Queue(lines))
}

/// Gives out everything as of now.
pub(super) fn backup(store: &Store, outlet: &mut dyn Outlet) -> Result<Reply, Failure> {
    let mut pieces = Pieces { outlet, held: Vec::with_capacity(PIECE) };
    let files = super::super::backup::files_of(store.directory());
    let summary = backup::backup(store, &files, &mut pieces, &mut |_| {})?;
    pieces.flush()?;
    Ok(Reply::Done(format!(
        "Backed up {}, {} with all else.",
        counted(summary.bodies, "message", "messages"),
        size(summary.bytes)
    )))
}

/// Sends what is written in pieces of a good size.
struct Pieces<'a> {
    outlet: &'a mut dyn Outlet,
    held: Vec<u8>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.held.is_empty() {
            self.outlet.item(&Item::Data, &self.held)?;
            self.held.clear();
        }
        Ok(())
    }
}

/// Findings that are printed one by one; behind them only their number.
const SHOWN: usize = 20;

/// Pause between two lines of progress.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Reads everything that is stored and tells whether it agrees with itself.
pub(super) fn check(store: &Store, outlet: &mut dyn Outlet) -> Result<Reply, Failure> {
    let mut told = Instant::now();
    let mut gone = None;
    let wrong = verify::verify(store, &mut |done, all| {
        if all > 0 && told.elapsed() >= TELL_EVERY && gone.is_none() {
            told = Instant::now();
            let percent = done.saturating_mul(100) / all;
            gone = outlet.progress(format!("{} %", percent.min(100))).err();
        }
    })?;
    let mut lines = Vec::new();
    for finding in wrong.iter().take(SHOWN) {
        lines.push(CheckLine {
            what: "store".into(),
            ok: false,
            detail: format!("{finding}; {RESTORE}"),
        });
    }
    if wrong.len() > SHOWN {
        let more = wrong.len() - SHOWN;
        lines.push(CheckLine { what: "store".into(), ok: false, detail: format!("{more} more") });
    }
    if wrong.is_empty() {
        let read = store.read();
        let (mut messages, accounts) = (0, read.accounts()?);
        for account in &accounts {
            messages += read.account_state(account.id)?.messages;
        }
        let are = if messages == 1 { "is" } else { "are" };
        let messages = counted(messages, "message", "messages");
        let accounts = counted(accounts.len(), "account", "accounts");
        let detail = format!("{messages} of {accounts} {are} whole");
        lines.push(CheckLine { what: "store".into(), ok: true, detail });
    }
    let writable = store.writable();
    let detail = match writable {
        true => "takes changes",
        false => "takes no changes: the disk is full or has failed; make room, or look at it",
    };
    lines.push(CheckLine { what: "disk".into(), ok: writable, detail: detail.into() });
    Ok(Reply::Checked(lines))
}

/// Builds the search index anew; searches stay right meanwhile, they are only slower.
pub(super) fn reindex(store: &Store, outlet: &mut dyn Outlet) -> Result<Reply, Failure> {
    let mut told = Instant::now();
    let (mut gone, mut messages) = (None, 0);
    let built = index::rebuild(store, &mut |done| {
        messages = done;
        if told.elapsed() >= TELL_EVERY && gone.is_none() {
            told = Instant::now();
            gone = outlet.progress(format!("{done} messages")).err();
        }
    });
    built.map_err(|error| Failure(format!("the search index could not be built: {error}")))?;
    Ok(Reply::Done(format!("Indexed {}.", counted(messages, "message", "messages"))))
}
