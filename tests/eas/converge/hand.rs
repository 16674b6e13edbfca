//! A person with a phone: does things, loses answers, repeats what was not answered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kontor::format::wbxml::tags::{
    air_sync as t, email, email2, folder_hierarchy as fh, move_items as mv,
};
use kontor::format::wbxml::{self, Element};

use super::View;
use super::items::{draft, flag, identity, item, look};
use super::ledger::Ledger;
use crate::support::eas::{Folder, Model, Phone, Reply, delete, empty, mark_read, text, tree};
use crate::support::{Account, Dice, PATIENCE, Server};

/// Folders of the person's own at a time.
const OWN_FOLDERS: usize = 4;
const DRAFTS: u8 = 3;
const TRASH: u8 = 4;

/// A request and what the phone meant by it.
struct Ask {
    what: What,
    body: Vec<u8>,
}

enum What {
    /// With the drafts that it sends, by the id that the request has.
    Sync {
        sends: Vec<(String, String)>,
    },
    Folders,
    Make(Folder),
    Rename {
        id: String,
        name: String,
    },
    Remove {
        id: String,
    },
    Move {
        from: String,
        to: String,
    },
}

impl What {
    fn command(&self) -> &'static str {
        match self {
            What::Sync { .. } => "Sync",
            What::Folders => "FolderSync",
            What::Make(_) => "FolderCreate",
            What::Rename { .. } => "FolderUpdate",
            What::Remove { .. } => "FolderDelete",
            What::Move { .. } => "MoveItems",
        }
    }
}

/// What an answer leads to.
#[derive(PartialEq)]
enum Then {
    GoOn,
    AskAgain,
}

pub struct Hand {
    pub phone: Phone,
    dice: Dice,
    /// To whom drafts are sent.
    peer: String,
    /// The request that has no answer yet, byte by byte.
    open: Option<Ask>,
    pub lost: usize,
    /// How often each thing was done.
    pub done: BTreeMap<&'static str, usize>,
    /// The server said that folders have changed.
    behind: bool,
    /// What the phone itself moved is its own, also outside of its window.
    moved: BTreeSet<String>,
}

impl Hand {
    pub fn new(
        server: &Server,
        model: &'static Model,
        account: &Account,
        peer: &Account,
        seed: u64,
    ) -> Hand {
        let mut phone = Phone::quick(server, model, account);
        phone.folder_sync();
        let mut hand = Hand {
            phone,
            dice: Dice::new(seed),
            peer: peer.email.clone(),
            open: None,
            lost: 0,
            done: BTreeMap::new(),
            behind: false,
            moved: BTreeSet::new(),
        };
        let folders = hand.folders();
        assert!(folders.len() >= 9, "{:?}", hand.phone.folders);
        let all: Vec<_> = folders.iter().map(String::as_str).collect();
        hand.phone.sync(&all);
        hand
    }

    /// All that the phone syncs: the outbox and the list of recent recipients are its own.
    fn folders(&self) -> Vec<String> {
        let all = self.phone.folders.iter();
        all.filter(|(_, folder)| !matches!(folder.kind, 6 | 19)).map(|(id, _)| id.clone()).collect()
    }

    /// Goes on until told to stop; the server may be gone at any time.
    pub fn work(&mut self, ledger: &Ledger, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let ask = match self.open.take() {
                // With the key that it had: this is what the server has to recognise.
                Some(open) => open,
                None => self.next(ledger),
            };
            if self.ask(ask, ledger, 5).is_err() {
                self.phone.hang_up();
                std::thread::sleep(Duration::from_millis(3));
            }
        }
    }

    /// Sends a request and believes its answer; one of `luck` answers is never read.
    fn ask(&mut self, ask: Ask, ledger: &Ledger, luck: usize) -> io::Result<()> {
        let command = ask.what.command();
        let answered = self.try_ask(command, &ask.body, luck);
        if let Ok(Some(reply)) = &answered {
            *self.done.entry(command).or_default() += 1;
            if self.believe(&ask.what, reply, ledger) == Then::GoOn {
                return Ok(());
            }
        }
        self.open = Some(ask);
        answered.map(drop)
    }

    fn try_ask(&mut self, command: &str, body: &[u8], luck: usize) -> io::Result<Option<Reply>> {
        let http = self.phone.send(command, body)?;
        if luck > 0 && self.dice.roll(luck) == 0 {
            std::thread::sleep(Duration::from_millis(self.dice.roll(12) as u64));
            drop(http);
            self.phone.hang_up();
            self.lost += 1;
            return Ok(None);
        }
        self.phone.answer(command, http, PATIENCE).map(Some)
    }

    fn believe(&mut self, what: &What, reply: &Reply, ledger: &Ledger) -> Then {
        match what {
            What::Sync { sends } => return self.believe_sync(reply, sends, ledger),
            What::Folders => {
                self.phone.take_folders(reply);
                self.behind = false;
            }
            What::Move { from, to } => self.believe_moves(reply, from, to),
            _ => self.believe_folder(what, reply, ledger),
        }
        Then::GoOn
    }

    fn believe_folder(&mut self, what: &What, reply: &Reply, ledger: &Ledger) {
        let (name, root) = (self.phone.model.name, reply.root());
        let status = root.text_of(fh::STATUS).expect("a status");
        if status != "1" {
            // Somebody else has removed it, or what lies above.
            assert!(matches!(status, "4" | "5"), "{name}: {root}");
            self.behind = true;
            return;
        }
        self.phone.folder_key = root.text_of(fh::SYNC_KEY).expect("a key").to_owned();
        match what {
            What::Make(folder) => {
                let id = root.text_of(fh::SERVER_ID).expect("an id").to_owned();
                ledger.known().made.insert(id.clone(), folder.parent.clone());
                let known = self.phone.folders.insert(id, folder.clone());
                assert!(known.is_none(), "{name}: made and was there before: {root}");
            }
            What::Rename { id, name } => {
                self.phone.folders.get_mut(id).expect("renamed").name = name.clone();
            }
            What::Remove { id } => self.forget_folder(id),
            _ => {}
        }
    }

    /// A folder goes with those below it.
    fn forget_folder(&mut self, id: &str) {
        self.phone.folders.remove(id);
        self.phone.held.remove(id);
        self.phone.dropped.insert(id.to_owned());
        let below = self.phone.folders.iter().filter(|(_, folder)| folder.parent == id);
        let below: Vec<_> = below.map(|(id, _)| id.clone()).collect();
        below.iter().for_each(|id| self.forget_folder(id));
    }

    fn believe_sync(&mut self, reply: &Reply, sends: &[(String, String)], ledger: &Ledger) -> Then {
        match self.phone.take(reply) {
            Ok(_) => {}
            Err(status) if status == "12" => self.behind = true,
            // The server took an older request, whose connection was cut, for a newer one.
            Err(status) if status == "16" => return Then::AskAgain,
            Err(status) => {
                panic!("{}: status {status}: {}", self.phone.model.name, reply.root())
            }
        }
        let Some(root) = &reply.element else { return Then::GoOn };
        let mut refused = BTreeSet::new();
        let collections = root.child(t::COLLECTIONS).into_iter().flat_map(|all| &all.children);
        for collection in collections {
            let status = collection.text_of(t::STATUS).expect("a status");
            assert!(matches!(status, "1" | "12"), "{}: {root}", self.phone.model.name);
            if status != "1" {
                refused.extend(sends.iter().map(|(id, _)| id.clone()));
            }
            let responses = collection.child(t::RESPONSES);
            for each in responses.into_iter().flat_map(|all| &all.children) {
                let status = each.text_of(t::STATUS).expect("a status");
                // Somebody else was there before, or has it no longer.
                let known =
                    matches!((each.tag, status), (_, "1") | (t::CHANGE | t::DELETE, "7" | "8"));
                assert!(known, "{}: {each}", self.phone.model.name);
                let id = each.text_of(t::CLIENT_ID).or_else(|| each.text_of(t::SERVER_ID));
                let id = id.expect("an id").to_owned();
                if status != "1" {
                    refused.insert(id);
                } else if each.tag == t::ADD {
                    ledger.known().acknowledged.insert(id);
                }
            }
        }
        let sent = sends.iter().filter(|(id, _)| !refused.contains(id));
        ledger.known().sent.extend(sent.map(|(_, identity)| identity.clone()));
        Then::GoOn
    }

    fn believe_moves(&mut self, reply: &Reply, from: &str, to: &str) {
        let root = reply.root();
        for each in root.all(mv::RESPONSE) {
            let source = each.text_of(mv::SRC_MSG_ID).expect("an id");
            match each.text_of(mv::STATUS).expect("a status") {
                "3" => {
                    let new = each.text_of(mv::DST_MSG_ID).expect("an id").to_owned();
                    let held = self.phone.held.get_mut(from).expect("moved from it");
                    let item = held.items.remove(source).expect("moved from it");
                    held.dropped.insert(source.to_owned());
                    self.moved.insert(identity(self.phone.class(from), &item));
                    let held = self.phone.held.get_mut(to).expect("moved there");
                    // It may have come by somebody else's hand before, as the server told.
                    held.items.entry(new).or_insert(item);
                }
                // Somebody else has moved or removed it, or the folder.
                "1" | "2" => self.behind = true,
                _ => panic!("{}: {root}", self.phone.model.name),
            }
        }
    }

    /// The next request: a look at everything, or something of the phone's own.
    fn next(&mut self, ledger: &Ledger) -> Ask {
        let ask = |what, request: &Element| Ask { what, body: wbxml::encode(request) };
        let turn = if self.behind { 0 } else { self.dice.roll(24) };
        let other = match turn {
            0 => Some((What::Folders, self.phone.folder_sync_request())),
            1 => self.make_folder(ledger),
            2 => self.rename_folder(ledger),
            3 => self.remove_folder(ledger),
            4..=7 => self.move_items(ledger),
            _ => None,
        };
        if let Some((what, request)) = other {
            return ask(what, &request);
        }
        if turn == 8 {
            self.phone.filter.0 = [0, 3][self.dice.roll(2)];
            self.phone.filter.1 = [0, 4][self.dice.roll(2)];
        }
        let folders = self.folders();
        let folder = folders[self.dice.roll(folders.len())].clone();
        let mut sends = Vec::new();
        let begun = self.phone.held.get(&folder).is_some_and(|held| held.key != "0");
        let commands = match self.dice.roll(4) {
            0 => Vec::new(),
            _ if !begun => Vec::new(),
            _ => self.commands(&folder, ledger, &mut sends),
        };
        let request = match commands.is_empty() {
            true => {
                let all: Vec<_> = folders.iter().map(String::as_str).collect();
                self.phone.sync_request(&all)
            }
            false => {
                let collection = self.phone.collection(&folder, commands);
                tree(t::SYNC, [tree(t::COLLECTIONS, [collection])])
            }
        };
        ask(What::Sync { sends }, &request)
    }

    fn own_folders(&self) -> Vec<String> {
        let all = self.phone.folders.iter();
        let own = all.filter(|(_, folder)| folder.name.starts_with("Own-"));
        own.map(|(id, _)| id.clone()).collect()
    }

    fn make_folder(&mut self, ledger: &Ledger) -> Option<(What, Element)> {
        let own = self.own_folders();
        if own.len() >= OWN_FOLDERS {
            return None;
        }
        let kind = [12, 12, 14][self.dice.roll(3)];
        let above = own.iter().find(|id| self.phone.folders[*id].kind == 12);
        let parent = above.filter(|_| kind == 12 && self.dice.roll(3) == 0).cloned();
        let parent = parent.unwrap_or_else(|| "0".to_owned());
        let name = ledger.fresh("Own-");
        let parts = [
            text(fh::SYNC_KEY, &self.phone.folder_key),
            text(fh::PARENT_ID, &parent),
            text(fh::DISPLAY_NAME, &name),
            text(fh::TYPE, kind),
        ];
        Some((What::Make(Folder { name, kind, parent }), tree(fh::FOLDER_CREATE, parts)))
    }

    fn rename_folder(&mut self, ledger: &Ledger) -> Option<(What, Element)> {
        let own = self.own_folders();
        let id = own.get(self.dice.roll(own.len().max(1)))?.clone();
        let name = ledger.fresh("Own-");
        let parts = [
            text(fh::SYNC_KEY, &self.phone.folder_key),
            text(fh::SERVER_ID, &id),
            text(fh::PARENT_ID, &self.phone.folders[&id].parent),
            text(fh::DISPLAY_NAME, &name),
        ];
        Some((What::Rename { id, name }, tree(fh::FOLDER_UPDATE, parts)))
    }

    fn remove_folder(&mut self, ledger: &Ledger) -> Option<(What, Element)> {
        let own = self.own_folders();
        let id = own.get(self.dice.roll(own.len().max(1)))?.clone();
        ledger.known().doomed.insert(id.clone());
        let parts = [text(fh::SYNC_KEY, &self.phone.folder_key), text(fh::SERVER_ID, &id)];
        Some((What::Remove { id }, tree(fh::FOLDER_DELETE, parts)))
    }

    fn move_items(&mut self, ledger: &Ledger) -> Option<(What, Element)> {
        let mut begun = self.folders();
        begun.retain(|id| {
            let there = self.phone.held.get(id).is_some_and(|held| held.key != "0");
            there && matches!(self.phone.class(id), "Email" | "Contacts")
        });
        let from = begun[self.dice.roll(begun.len())].clone();
        let class = self.phone.class(&from);
        begun.retain(|id| {
            *id != from && self.phone.class(id) == class && self.phone.folders[id].kind != DRAFTS
        });
        let to = begun.get(self.dice.roll(begun.len().max(1)))?.clone();
        let mut moves = BTreeMap::new();
        for _ in 0..1 + self.dice.roll(3) {
            let (id, data) = self.pick(&from)?;
            ledger.known().placed.push((to.clone(), identity(class, &data)));
            let parts =
                [text(mv::SRC_MSG_ID, &id), text(mv::SRC_FLD_ID, &from), text(mv::DST_FLD_ID, &to)];
            moves.insert(id, tree(mv::MOVE, parts));
        }
        let moves: Vec<_> = moves.into_values().collect();
        Some((What::Move { from, to }, tree(mv::MOVE_ITEMS, moves)))
    }

    fn commands(
        &mut self,
        folder: &str,
        ledger: &Ledger,
        sends: &mut Vec<(String, String)>,
    ) -> Vec<Element> {
        let kind = self.phone.folders[folder].kind;
        let writes = kind == DRAFTS && self.phone.model.since(16, 0);
        match self.phone.class(folder) {
            "Email" if writes && self.dice.roll(4) != 0 => self.on_drafts(folder, ledger, sends),
            "Email" => self.on_mail(folder, kind == TRASH, ledger),
            class => self.on_items(folder, class, ledger),
        }
    }

    /// An item of a folder, by chance.
    fn pick(&mut self, folder: &str) -> Option<(String, Element)> {
        let held = self.phone.held.get(folder)?;
        let at = self.dice.roll(held.items.len().max(1));
        held.items.iter().nth(at).map(|(id, data)| (id.clone(), data.clone()))
    }

    fn set(&mut self, folder: &str, id: &str, changed: Element) {
        let held = self.phone.held.get_mut(folder).expect("picked from it");
        let item = held.items.get_mut(id).expect("picked from it");
        item.children.retain(|child| child.tag != changed.tag);
        item.children.push(changed);
    }

    fn drop(&mut self, folder: &str, id: &str) {
        let held = self.phone.held.get_mut(folder).expect("picked from it");
        held.items.remove(id);
        held.dropped.insert(id.to_owned());
    }

    fn place(&mut self) -> String {
        format!("place {}", self.dice.roll(1000))
    }

    fn on_mail(&mut self, folder: &str, trash: bool, ledger: &Ledger) -> Vec<Element> {
        let Some((id, data)) = self.pick(folder) else { return Vec::new() };
        match self.dice.roll(5) {
            0 if trash => {
                ledger.known().removed.insert(identity("Email", &data));
                self.drop(folder, &id);
                vec![delete(&id)]
            }
            // Into the trash.
            0 | 1 if !trash => {
                self.drop(folder, &id);
                vec![delete(&id)]
            }
            2 => {
                let flag = flag(self.dice.roll(2) == 0);
                self.set(folder, &id, flag.clone());
                let data = tree(t::APPLICATION_DATA, [flag]);
                vec![tree(t::CHANGE, [text(t::SERVER_ID, &id), data])]
            }
            _ => {
                let read = self.dice.roll(2) == 0;
                self.set(folder, &id, text(email::READ, u8::from(read)));
                vec![mark_read(&id, read)]
            }
        }
    }

    /// Writes, changes or sends a draft.
    fn on_drafts(
        &mut self,
        folder: &str,
        ledger: &Ledger,
        sends: &mut Vec<(String, String)>,
    ) -> Vec<Element> {
        let place = self.place();
        let picked = self.pick(folder);
        match (self.dice.roll(4), picked) {
            (0, Some((id, data))) => {
                *self.done.entry("draft sent").or_default() += 1;
                sends.push((id.clone(), identity("Email", &data)));
                self.drop(folder, &id);
                let (send, nothing) = (empty(email2::SEND), empty(t::APPLICATION_DATA));
                vec![tree(t::CHANGE, [text(t::SERVER_ID, &id), send, nothing])]
            }
            (1, Some((id, data))) => {
                *self.done.entry("draft changed").or_default() += 1;
                let new = draft(&identity("Email", &data), &place, &self.peer);
                new.children.iter().for_each(|child| self.set(folder, &id, child.clone()));
                vec![tree(t::CHANGE, [text(t::SERVER_ID, &id), new])]
            }
            (roll, _) => {
                let id = ledger.fresh("d");
                let mut parts = vec![text(t::CLIENT_ID, &id)];
                let new = draft(&id, &place, &self.peer);
                if roll == 2 {
                    *self.done.entry("sent at once").or_default() += 1;
                    sends.push((id.clone(), id.clone()));
                    parts.push(empty(email2::SEND));
                } else {
                    *self.done.entry("draft written").or_default() += 1;
                    let mut own = new.clone();
                    own.children.push(text(email::READ, 1));
                    self.phone.own.insert(id, own);
                }
                parts.push(new);
                vec![tree(t::ADD, parts)]
            }
        }
    }

    fn on_items(&mut self, folder: &str, class: &str, ledger: &Ledger) -> Vec<Element> {
        let modern = self.phone.model.since(16, 0);
        let many = self.phone.held[folder].items.len();
        let mut commands = Vec::new();
        for _ in 0..1 + self.dice.roll(3) {
            let picked = self.pick(folder);
            // Neither empties it nor lets it grow for ever.
            let turn = match self.dice.roll(4) {
                2 | 3 if many > 60 => 0,
                0 if many <= 6 => 3,
                turn => turn,
            };
            match (turn, picked) {
                (0, Some((id, data))) => {
                    ledger.known().removed.insert(identity(class, &data));
                    self.drop(folder, &id);
                    commands.push(delete(&id));
                }
                (1, Some((id, data))) => {
                    let place = self.place();
                    let new = item(class, &identity(class, &data), &place, modern);
                    let held = self.phone.held.get_mut(folder).expect("picked from it");
                    held.items.insert(id.clone(), new.clone());
                    commands.push(tree(t::CHANGE, [text(t::SERVER_ID, &id), new]));
                    // One change of an item in a request, as phones do it.
                    break;
                }
                _ => {
                    let id = ledger.fresh("i");
                    let data = item(class, &id, "nowhere", modern);
                    ledger.known().placed.push((folder.to_owned(), id.clone()));
                    self.phone.own.insert(id.clone(), data.clone());
                    commands.push(tree(t::ADD, [text(t::CLIENT_ID, id), data]));
                }
            }
        }
        commands
    }

    /// Everything answered, everything fetched; what the phone then shows.
    pub fn quiet(&mut self, ledger: &Ledger) -> View {
        if let Some(open) = self.open.take() {
            self.ask(open, ledger, 0).expect("an answer");
            assert!(self.open.is_none(), "it never gets an answer that stands");
        }
        while self.phone.folder_sync() > 0 {}
        self.behind = false;
        self.settle();
        if self.phone.filter.0 != 0 {
            self.assert_window();
        }
        self.phone.filter = (0, 0);
        self.settle();
        let mut found = View::new();
        for id in self.folders() {
            let (class, mut items) = (self.phone.class(&id), BTreeMap::new());
            for (item, data) in &self.phone.held[&id].items {
                let twice = items.insert(identity(class, data), look(class, data));
                assert!(twice.is_none(), "{} holds {item} twice: {data}", self.phone.model.name);
            }
            found.insert(self.path(&id), items);
        }
        found
    }

    fn settle(&mut self) {
        let folders = self.folders();
        let all: Vec<_> = folders.iter().map(String::as_str).collect();
        self.phone.settle(&all);
    }

    /// With a window of a week, what is older is not here, unless the phone moved it itself.
    fn assert_window(&self) {
        for (id, held) in &self.phone.held {
            let mail = held.items.values().filter(|_| self.phone.class(id) == "Email");
            let old = mail
                .map(|data| identity("Email", data))
                .find(|identity| identity.starts_with("old") && !self.moved.contains(identity));
            assert!(old.is_none(), "{}: {old:?} is in {id}", self.phone.model.name);
        }
    }

    /// As the desk calls it.
    fn path(&self, id: &str) -> String {
        let folder = &self.phone.folders[id];
        match (folder.kind, folder.parent.as_str()) {
            (2, _) => "INBOX".to_owned(),
            (_, "0") => folder.name.clone(),
            (_, above) => format!("{}/{}", self.path(above), folder.name),
        }
    }

    /// Whether mail lies at this path.
    pub fn is_mail(&self, path: &str) -> bool {
        let all = self.phone.folders.keys();
        all.filter(|id| self.path(id) == path).any(|id| self.phone.class(id) == "Email")
    }
}
