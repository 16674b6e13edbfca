//! The store's own care: backup, check, search index, queue.

use super::super::control::{CheckLine, Failure, Outlet, QueueLine, Reply};
use crate::delivery::queue;
use crate::store::Store;

/// Mail for elsewhere, a line for each recipient that still waits.
pub(super) fn list_queue(store: &Store) -> Result<Reply, Failure> {
    let mut lines = Vec::new();
    for (_, entry) in queue::list(&store.read())? {
        for recipient in entry.recipients {
            let state = match recipient.last_answer.as_str() {
                // The runner is not in this version, and the listing says so.
                "" => "waits; sending to other servers is not possible yet".to_owned(),
                answer => answer.to_owned(),
            };
            lines.push(QueueLine {
                id: entry.id.clone(),
                from: entry.sender.clone().unwrap_or_else(|| "<>".into()),
                to: recipient.address,
                size: entry.size,
                queued: entry.accepted,
                tries: recipient.tries,
                next_try: (recipient.tries > 0).then_some(recipient.next_try),
                state,
            });
        }
    }
    Ok(Reply::Queue(lines))
}

pub(super) fn backup(_store: &Store, _outlet: &mut dyn Outlet) -> Result<Reply, Failure> {
    Err(Failure("not yet".into()))
}

pub(super) fn check(_store: &Store, _outlet: &mut dyn Outlet) -> Result<Reply, Failure> {
    Ok(Reply::Checked(Vec::<CheckLine>::new()))
}

pub(super) fn reindex(_store: &Store, _outlet: &mut dyn Outlet) -> Result<Reply, Failure> {
    Err(Failure("not yet".into()))
}
