//! Phones against the front, without sockets: whole requests, lost answers, other people's
//! changes in between.

mod drafts;
mod faults;
mod formatted;
mod game;
mod homes;
mod idle;
mod items;
mod moves;
mod people;
mod policies;
mod send;
mod sync;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use bytes::Bytes;

use crate::base::clock::Clock;
use crate::base::id::{AccountId, MailboxId};
use crate::base::limits::Limits;
use crate::domain::message::{self, FlagNames, Prepared};
use crate::domain::{account, mailbox};
use crate::eas::answer::{Answer, Failure};
use crate::eas::request::Query;
use crate::eas::session::Session;
use crate::eas::version::{Command, Version};
use crate::eas::{Front, Settings, cmd, gate};
use crate::format::wbxml::{self, Element, Tag, tags::air_sync as t, tags::folder_hierarchy as fh};
use crate::http::basic::Gate;
use crate::login::Doorkeeper;
use crate::net::rate::Logins;
use crate::net::shutdown;
use crate::store::rows::flags::Flags;
use crate::store::{Read, Store, Tx};

const NOW: i64 = 1_700_000_000;

/// An office with one account, and the front that its phones use.
struct Office {
    store: Store,
    front: Arc<Front>,
    account: AccountId,
    inbox: MailboxId,
    _up: crate::net::ShutdownSender,
}

impl Office {
    fn new() -> Office {
        let store = Store::in_memory(Clock::fixed(NOW));
        let account = blocking(|| {
            store.write_blocking(|tx| {
                account::add_domain(tx, "office.example")?;
                let new = account::NewAccount {
                    address: "anna@office.example".parse().unwrap(),
                    display_name: "Anna".into(),
                    admin: false,
                    credentials: None,
                    quota: None,
                };
                account::create(tx, &new).map(|account| account.id)
            })
        })
        .unwrap();
        let inbox = mailbox::find(&store.read(), account, "INBOX").unwrap().id;
        let limits = Arc::new(Limits::default());
        let (_up, down) = shutdown();
        let doorkeeper = Doorkeeper::new(store.clone(), Logins::new(&limits));
        let settings = Settings {
            hostname: "mail.office.example".into(),
            limits,
            gate: Gate::new(doorkeeper, true),
            zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
            shutdown: down,
        };
        let front = Front::new(settings, store.clone());
        Office { store, front, account, inbox, _up }
    }

    fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> crate::domain::Result<T> + Send + 'static,
    ) -> T {
        blocking(|| self.store.write_blocking(operation)).unwrap()
    }

    /// Delivers a message; `age` is how many days ago it came.
    fn deliver(&self, subject: &str, age: i64) -> u32 {
        let raw =
            format!("Subject: {subject}\r\nFrom: x@else.example\r\n\r\nbody of {subject}\r\n");
        let (inbox, at) = (self.inbox, NOW - age * 86_400);
        self.write(move |tx| {
            let stored = message::store_content(tx, Prepared::new(b"", Bytes::from(raw)))?;
            Ok(message::add(tx, inbox, &stored, &FlagNames::default(), Some(at))?.uid.0)
        })
    }

    fn flag(&self, uid: u32, flags: Flags, on: bool) {
        let op = if on { message::FlagOp::Add } else { message::FlagOp::Remove };
        let change =
            message::FlagChange { op, flags: FlagNames::system(flags), unless_after: None };
        let inbox = self.inbox;
        self.write(move |tx| {
            message::set_flags(tx, inbox, &crate::base::uidset::UidSet::range(uid, uid), &change)
        });
    }

    fn remove(&self, uid: u32) {
        let inbox = self.inbox;
        self.write(move |tx| {
            message::remove(tx, inbox, &crate::base::uidset::UidSet::range(uid, uid))
        });
    }

    fn phone(&self, id: &str, version: Version) -> Phone<'_> {
        Phone {
            office: self,
            id: id.to_owned(),
            version,
            folders: BTreeMap::new(),
            key: "0".into(),
        }
    }
}

/// The store's threads answer; no thread of a runtime may wait for them.
fn blocking<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(f).join().unwrap())
}

/// A phone that believes what it is told, and complains about what cannot be.
struct Phone<'o> {
    office: &'o Office,
    id: String,
    version: Version,
    folders: BTreeMap<String, Held>,
    /// Of the hierarchy.
    key: String,
}

/// What a phone has of one folder.
#[derive(Clone, Default, Debug)]
struct Held {
    key: String,
    /// Id -> whether it is read (of mail).
    items: BTreeMap<String, Element>,
}

fn text(tag: Tag, text: &str) -> Element {
    Element::with_text(tag, text)
}

fn tree(tag: Tag, children: Vec<Element>) -> Element {
    Element::with_children(tag, children)
}

impl Phone<'_> {
    fn session(&self, command: Command, body: Bytes) -> Session {
        let query = Query {
            command: Some(command),
            device_id: self.id.clone(),
            device_type: "Test".into(),
            ..Query::default()
        };
        let account = self.office.store.read().account(self.office.account).unwrap().unwrap();
        let front = self.office.front.clone();
        Session::new(front, account, query, self.version, &HeaderMap::new(), body)
    }

    async fn call(
        &self,
        command: Command,
        request: Option<&Element>,
    ) -> Result<Option<Element>, Failure> {
        let body = request.map_or_else(Bytes::new, |request| wbxml::encode(request).into());
        let session = self.session(command, body);
        let session = gate::identify(Box::new(session), command).await?;
        let session = gate::admit(session, command)?;
        Ok(match cmd::run(command, session).await? {
            Answer::Wbxml(bytes) => Some(wbxml::decode(&bytes.into()).unwrap()),
            _ => None,
        })
    }

    /// FolderSync; returns names by id of what was added.
    async fn folder_sync(&mut self) -> BTreeMap<String, String> {
        let request = tree(fh::FOLDER_SYNC, vec![text(fh::SYNC_KEY, &self.key)]);
        let answer = self.call(Command::FolderSync, Some(&request)).await.unwrap().unwrap();
        assert_eq!(answer.text_of(fh::STATUS), Some("1"));
        self.key = answer.text_of(fh::SYNC_KEY).unwrap().to_owned();
        let changes = answer.child(fh::CHANGES).unwrap();
        let name = |each: &Element, tag| each.text_of(tag).unwrap().to_owned();
        changes
            .all(fh::ADD)
            .map(|each| (name(each, fh::SERVER_ID), name(each, fh::DISPLAY_NAME)))
            .collect()
    }

    /// The request for one folder.
    fn request(&self, folder: &str, window: usize, filter: u8, commands: &[Element]) -> Element {
        let key = self.folders.get(folder).map_or("0", |held| held.key.as_str());
        let key = if key.is_empty() { "0" } else { key };
        let mut collection = vec![text(t::SYNC_KEY, key), text(t::COLLECTION_ID, folder)];
        if key != "0" {
            collection.push(text(t::GET_CHANGES, "1"));
        }
        collection.push(text(t::WINDOW_SIZE, &window.to_string()));
        let options = vec![text(t::FILTER_TYPE, &filter.to_string())];
        collection.push(tree(t::OPTIONS, options));
        if !commands.is_empty() {
            collection.push(tree(t::COMMANDS, commands.to_vec()));
        }
        let collections = tree(t::COLLECTIONS, vec![tree(t::COLLECTION, collection)]);
        tree(t::SYNC, vec![collections])
    }

    /// One Sync of one folder; returns the collection's answer, `None` if nothing changed.
    async fn sync(
        &mut self,
        folder: &str,
        window: usize,
        filter: u8,
        commands: &[Element],
    ) -> Option<Element> {
        let request = self.request(folder, window, filter, commands);
        let answer = self.call(Command::Sync, Some(&request)).await.unwrap()?;
        self.take(folder, &answer)
    }

    /// Believes an answer.
    fn take(&mut self, folder: &str, answer: &Element) -> Option<Element> {
        let collection = answer.child(t::COLLECTIONS)?.child(t::COLLECTION)?.clone();
        let held = self.folders.entry(folder.to_owned()).or_default();
        assert_eq!(collection.text_of(t::STATUS), Some("1"), "{collection:?}");
        held.key = collection.text_of(t::SYNC_KEY).unwrap().to_owned();
        let commands = collection.child(t::COMMANDS);
        let told = commands.map_or(0, |commands| commands.children.len());
        assert!(!collection.has(t::MORE_AVAILABLE) || told > 0, "more, and nothing");
        for each in commands.into_iter().flat_map(|commands| &commands.children) {
            let id = each.text_of(t::SERVER_ID).unwrap().to_owned();
            match each.tag {
                t::ADD => {
                    let data = each.child(t::APPLICATION_DATA).unwrap().clone();
                    assert!(held.items.insert(id.clone(), data).is_none(), "{id} came twice");
                }
                t::CHANGE => {
                    let old = held.items.get_mut(&id);
                    let old = old.unwrap_or_else(|| panic!("{id} changed and was never here"));
                    for new in &each.child(t::APPLICATION_DATA).unwrap().children {
                        old.children.retain(|each| each.tag != new.tag);
                        old.children.push(new.clone());
                    }
                }
                _ => {
                    assert!(held.items.remove(&id).is_some(), "{id} left and was never here");
                }
            }
        }
        Some(collection)
    }

    /// Syncs until there is nothing more; how many requests it took.
    async fn settle(&mut self, folder: &str, window: usize, filter: u8) -> usize {
        for count in 1..10_000 {
            if self.sync(folder, window, filter, &[]).await.is_none() {
                return count;
            }
        }
        panic!("it never ends");
    }

    fn ids(&self, folder: &str) -> Vec<&str> {
        self.folders[folder].items.keys().map(String::as_str).collect()
    }
}

/// A Change that marks a message.
fn mark_read(id: &str, read: bool) -> Element {
    use wbxml::tags::email as e;
    let data = vec![text(e::READ, if read { "1" } else { "0" })];
    tree(t::CHANGE, vec![text(t::SERVER_ID, id), tree(t::APPLICATION_DATA, data)])
}

fn delete(id: &str) -> Element {
    tree(t::DELETE, vec![text(t::SERVER_ID, id)])
}
