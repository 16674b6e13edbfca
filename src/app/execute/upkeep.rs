//! The store's own care: backup, check, search index, queue.

use super::super::control::{CheckLine, Failure, Outlet, QueueLine, Reply};
use crate::store::Store;

pub(super) fn list_queue(_store: &Store) -> Result<Reply, Failure> {
    Ok(Reply::Queue(Vec::<QueueLine>::new()))
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
