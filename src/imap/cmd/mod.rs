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
pub(super) async fn run(session: &mut Session, tag: &Tag, command: Command) -> Result<Reply> {
    match command {
        Command::Capability => connection::capability(session),
        Command::Noop | Command::Check => Ok(Reply::ok("Done")),
        Command::Logout => connection::logout(session),
        Command::Id(fields) => connection::id(session, fields.as_deref()),
        Command::StartTls => connection::start_tls(session, tag).await,
        Command::Authenticate(args) => connection::authenticate(session, args).await,
        Command::Login(args) => connection::login(session, args).await,
        Command::Enable(features) => connection::enable(session, &features),
        Command::Compress => connection::compress(session, tag).await,
        Command::Select(args) => select::select(session, args).await,
        Command::Close => select::close(session).await,
        Command::Unselect => select::unselect(session),
        Command::Create(args) => mailbox::create(session, args).await,
        Command::Delete(name) => mailbox::delete(session, name).await,
        Command::Rename { from, to } => mailbox::rename(session, from, to).await,
        Command::Subscribe(name) => mailbox::subscribe(session, name).await,
        Command::Unsubscribe(name) => mailbox::unsubscribe(session, name).await,
        Command::List(args) => list::list(session, args).await,
        Command::Namespace => list::namespace(session).await,
        Command::Status(args) => status::status(session, args).await,
        Command::Append(args) => append::append(session, args).await,
        Command::Replace(args) => replace::replace(session, args).await,
        Command::Idle => idle::idle(session, tag).await,
        Command::Expunge => expunge::expunge(session, None).await,
        Command::UidExpunge(set) => expunge::expunge(session, Some(set)).await,
        Command::Fetch(args) => fetch::fetch(session, args).await,
        Command::Store(args) => store::store(session, args).await,
        Command::Copy(args) => copy::copy(session, args).await,
        Command::Move(args) => copy::r#move(session, args).await,
        Command::Search(args) => search::search(session, tag, args).await,
        Command::Sort(args) => sort::sort(session, tag, args).await,
        Command::Thread(args) => thread::thread(session, tag, args).await,
        Command::Esearch(args) => esearch::esearch(session, tag, args).await,
        Command::CancelUpdate(tags) => search::cancel_update(session, &tags),
        Command::GetQuota(root) => quota::get(session, root).await,
        Command::GetQuotaRoot(name) => quota::get_root(session, name).await,
        Command::SetQuota(args) => quota::set(session, args).await,
        Command::GetMetadata(args) => metadata::get(session, args).await,
        Command::SetMetadata(args) => metadata::set(session, args).await,
        Command::Notify(args) => notify::notify(session, tag, args).await,
    }
}
