//! Events: what is kept, and what their other participants must be told.

use crate::base::id::{MailboxId, Uid};
use crate::domain::Result;
use crate::domain::item::{self, Text};
use crate::store::Tx;
use crate::store::rows::item::Item;

/// Who tells the other participants of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sends {
    /// The client sends the mail itself: phones up to protocol version 14.1, imports.
    Client,
    /// The server does: phones from 16.0 on, the web, CalDAV.
    Server,
}

/// Puts a new event into a calendar.
pub fn add(tx: &mut Tx<'_>, to: MailboxId, text: Text, sends: Sends) -> Result<Item> {
    let _ = sends;
    item::add(tx, to, text)
}

/// Gives an event a new text.
pub fn change(tx: &mut Tx<'_>, of: MailboxId, uid: Uid, text: Text, sends: Sends) -> Result<Item> {
    let _ = sends;
    item::change(tx, of, uid, text)
}

/// Removes an event.
pub fn remove(tx: &mut Tx<'_>, of: MailboxId, uid: Uid, sends: Sends) -> Result<Item> {
    let _ = sends;
    item::remove(tx, of, uid)
}
