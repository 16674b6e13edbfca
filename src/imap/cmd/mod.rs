//! The commands, one file for each that is more than a line.

pub(super) mod append;
mod catenate;
mod connection;
mod copy;
mod esearch;
mod expunge;
mod fetch;
mod idle;
mod list;
mod mailbox;
mod metadata;
pub(super) mod notify;
mod quota;
mod replace;
mod search;
mod select;
mod sort;
mod status;
mod store;
mod thread;

use crate::imap::codec::types::{Command, Reply, Tag};
use crate::imap::failure::Result;
use crate::imap::session::Session;

/// Runs one command and returns its tagged reply; untagged answers go to the output.
///
/// All but IDLE are boxed: a session that idles for days must not hold room for a SEARCH.
pub(super) async fn run(session: &mut Session, tag: &Tag, command: Command) -> Result<Reply> {
    match command {
        Command::Capability => connection::capability(session),
        Command::Noop | Command::Check => Ok(Reply::ok("Done")),
        Command::Logout => connection::logout(session),
        Command::Id(fields) => connection::id(session, fields.as_deref()),
        Command::StartTls => Box::pin(connection::start_tls(session, tag)).await,
        Command::Authenticate(args) => Box::pin(connection::authenticate(session, args)).await,
        Command::Login(args) => Box::pin(connection::login(session, args)).await,
        Command::Enable(features) => connection::enable(session, &features),
        Command::Compress => Box::pin(connection::compress(session, tag)).await,
        Command::Select(args) => Box::pin(select::select(session, args)).await,
        Command::Close => Box::pin(select::close(session)).await,
        Command::Unselect => select::unselect(session),
        Command::Create(args) => Box::pin(mailbox::create(session, args)).await,
        Command::Delete(name) => Box::pin(mailbox::delete(session, name)).await,
        Command::Rename { from, to } => Box::pin(mailbox::rename(session, from, to)).await,
        Command::Subscribe(name) => Box::pin(mailbox::subscribe(session, name)).await,
        Command::Unsubscribe(name) => Box::pin(mailbox::unsubscribe(session, name)).await,
        Command::List(args) => Box::pin(list::list(session, args)).await,
        Command::Namespace => Box::pin(list::namespace(session)).await,
        Command::Status(args) => Box::pin(status::status(session, args)).await,
        Command::Append(args) => Box::pin(append::append(session, args)).await,
        Command::Replace(args) => Box::pin(replace::replace(session, args)).await,
        Command::Idle => idle::idle(session, tag).await,
        Command::Expunge => Box::pin(expunge::expunge(session, None)).await,
        Command::UidExpunge(set) => Box::pin(expunge::expunge(session, Some(set))).await,
        Command::Fetch(args) => Box::pin(fetch::fetch(session, args)).await,
        Command::Store(args) => Box::pin(store::store(session, args)).await,
        Command::Copy(args) => Box::pin(copy::copy(session, args)).await,
        Command::Move(args) => Box::pin(copy::r#move(session, args)).await,
        Command::Search(args) => Box::pin(search::search(session, tag, args)).await,
        Command::Sort(args) => Box::pin(sort::sort(session, tag, args)).await,
        Command::Thread(args) => Box::pin(thread::thread(session, tag, args)).await,
        Command::Esearch(args) => Box::pin(esearch::esearch(session, tag, args)).await,
        Command::CancelUpdate(tags) => search::cancel_update(session, &tags),
        Command::GetQuota(root) => Box::pin(quota::get(session, root)).await,
        Command::GetQuotaRoot(name) => Box::pin(quota::get_root(session, name)).await,
        Command::SetQuota(args) => Box::pin(quota::set(session, args)).await,
        Command::GetMetadata(args) => Box::pin(metadata::get(session, args)).await,
        Command::SetMetadata(args) => Box::pin(metadata::set(session, args)).await,
        Command::Notify(args) => Box::pin(notify::notify(session, tag, args)).await,
    }
}
