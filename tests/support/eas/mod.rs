//! A phone: real sockets, the requests and the habits of one model, and the memory of one. It
//! believes what it is told and complains about what cannot be.

pub mod model;
mod opinion;
pub mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kontor::format::wbxml::tags::{
    air_sync as t, air_sync_base as b, folder_hierarchy as fh, ping, provision as pr, settings as s,
};
use kontor::format::wbxml::{self, Element, Tag};

use super::http::{Http, Response};
use super::{Account, PATIENCE, Server};
pub use model::Model;
use opinion::Opinions;
use transcript::Transcript;

/// What a command code is in a base64 query (MS-ASHTTP 2.2.1.1.1.1.2).
const CODES: [(&str, u8); 20] = [
    ("Sync", 0),
    ("SendMail", 1),
    ("SmartForward", 2),
    ("SmartReply", 3),
    ("GetAttachment", 4),
    ("FolderSync", 9),
    ("FolderCreate", 10),
    ("FolderDelete", 11),
    ("FolderUpdate", 12),
    ("MoveItems", 13),
    ("GetItemEstimate", 14),
    ("MeetingResponse", 15),
    ("Search", 16),
    ("Settings", 17),
    ("Ping", 18),
    ("ItemOperations", 19),
    ("Provision", 20),
    ("ResolveRecipients", 21),
    ("ValidateCert", 22),
    ("Find", 23),
];

/// An element with a text.
pub fn text(tag: Tag, text: impl ToString) -> Element {
    Element::with_text(tag, text.to_string())
}

/// An element with others in it.
pub fn tree(tag: Tag, children: impl Into<Vec<Element>>) -> Element {
    Element::with_children(tag, children.into())
}

/// An empty element.
pub fn empty(tag: Tag) -> Element {
    Element::new(tag)
}

/// A folder as the phone knows it.
#[derive(Clone, Debug)]
pub struct Folder {
    pub name: String,
    pub kind: u8,
    /// The id of the folder above it; `0` at the top.
    pub parent: String,
}

/// What a phone has of one folder.
#[derive(Clone, Debug)]
pub struct Held {
    pub key: String,
    /// `ApplicationData` by id.
    pub items: BTreeMap<String, Element>,
    /// What the phone itself has deleted: the server may say once more that it is gone.
    pub dropped: BTreeSet<String>,
}

impl Default for Held {
    fn default() -> Self {
        Self { key: "0".to_owned(), items: BTreeMap::new(), dropped: BTreeSet::new() }
    }
}

/// One answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub http: Response,
    /// `None`: not WBXML, or empty.
    pub element: Option<Element>,
}

impl Reply {
    /// The text of an element by its way from the root: `reply.at(&[t::STATUS])`.
    pub fn at(&self, way: &[Tag]) -> Option<&str> {
        let mut element = self.element.as_ref()?;
        for tag in way {
            element = element.child(*tag)?;
        }
        Some(element.text())
    }

    /// The answer's WBXML, which must be there.
    #[track_caller]
    pub fn root(&self) -> &Element {
        self.element.as_ref().unwrap_or_else(|| panic!("no WBXML: {:?}", self.http))
    }
}

/// A phone with an account.
pub struct Phone {
    pub model: &'static Model,
    pub account: Account,
    address: SocketAddr,
    secure: bool,
    http: Option<Http>,
    /// As the query has it.
    pub device: String,
    pub policy_key: u32,
    /// Whether its requests carry a policy key.
    pub knows_policies: bool,
    /// `FilterType` of mail and of calendars; the model's at first.
    pub filter: (u8, u8),
    pub folder_key: String,
    pub folders: BTreeMap<String, Folder>,
    /// Folders that it has removed itself, and those that lay below them.
    pub dropped: BTreeSet<String>,
    pub held: BTreeMap<String, Held>,
    /// `ApplicationData` of its own additions that have no id yet, by `ClientId`.
    pub own: BTreeMap<String, Element>,
    /// What others think of the answers; `None` where there are too many.
    opinions: Option<Opinions>,
    pub transcript: Option<Transcript>,
}

impl Phone {
    /// A new phone of this model, behind TLS as they all are.
    pub fn new(server: &Server, model: &'static Model, account: &Account) -> Phone {
        let number: u64 = account.email.bytes().fold(7, |n, b| n * 31 % 99_991 + u64::from(b));
        Phone {
            model,
            account: account.clone(),
            address: server.ports.https,
            secure: true,
            http: None,
            device: format!("{}{number:012X}", model.id),
            policy_key: 0,
            knows_policies: true,
            filter: model.filter,
            folder_key: "0".to_owned(),
            folders: BTreeMap::new(),
            dropped: BTreeSet::new(),
            held: BTreeMap::new(),
            own: BTreeMap::new(),
            opinions: Some(Opinions::new(model)),
            transcript: None,
        }
    }

    /// Without TLS, and without others' opinions: for the tests with many requests.
    pub fn quick(server: &Server, model: &'static Model, account: &Account) -> Phone {
        let mut phone = Self::new(server, model, account);
        (phone.address, phone.secure, phone.opinions) = (server.ports.http, false, None);
        phone
    }

    /// Tells apart two phones of one model with one account.
    pub fn named(mut self, suffix: &str) -> Phone {
        self.device += suffix;
        self
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.http = None;
    }

    fn http(&mut self) -> io::Result<Http> {
        if let Some(http) = self.http.take() {
            return Ok(http);
        }
        match self.secure {
            true => Http::try_tls(self.address),
            false => Http::try_plain(self.address),
        }
    }

    /// OPTIONS, with which every phone begins.
    pub fn options(&mut self) -> Response {
        let path = format!("/Microsoft-Server-ActiveSync?{}", self.plain_query(None));
        let mut http = self.http().expect("a connection");
        let basic = self.account.basic();
        let headers = [("Authorization", basic.as_str()), ("User-Agent", self.model.agent)];
        let response = http.request("OPTIONS", &path, &headers, b"");
        self.http = Some(http);
        if let Some(transcript) = &mut self.transcript {
            let names = ["MS-ASProtocolVersions", "MS-ASProtocolCommands"];
            transcript.options(&response, &names);
        }
        response
    }

    fn plain_query(&self, command: Option<&str>) -> String {
        let user = self.account.email.replace('@', "%40");
        let mut query = format!("User={user}&DeviceId={}", self.device);
        query += &format!("&DeviceType={}", self.model.kind);
        match command {
            Some(command) => query + "&Cmd=" + command,
            None => query,
        }
    }

    fn base64_query(&self, command: &str) -> String {
        let code = CODES.iter().find(|(name, _)| *name == command).expect("a command").1;
        let (major, minor) = self.model.version();
        let mut bytes = vec![major * 10 + minor, code, 0x07, 0x04];
        let mut counted = |value: &[u8]| {
            bytes.push(value.len() as u8);
            bytes.extend_from_slice(value);
        };
        counted(self.device.as_bytes());
        counted(&self.policy_key.to_le_bytes()[..if self.knows_policies { 4 } else { 0 }]);
        counted(self.model.kind.as_bytes());
        BASE64_STANDARD.encode(bytes)
    }

    /// Sends a request; its answer is read by [`Self::answer`], or never.
    pub fn send(&mut self, command: &str, body: &[u8]) -> io::Result<Http> {
        let query = match self.model.base64 {
            true => self.base64_query(command),
            false => self.plain_query(Some(command)),
        };
        let path = format!("/Microsoft-Server-ActiveSync?{query}");
        let (basic, key) = (self.account.basic(), self.policy_key.to_string());
        let mut headers = vec![("Authorization", basic.as_str()), ("User-Agent", self.model.agent)];
        if !self.model.base64 {
            headers.push(("MS-ASProtocolVersion", self.model.version));
            if self.knows_policies {
                headers.push(("X-MS-PolicyKey", &key));
            }
        }
        if self.model.gzip {
            headers.push(("Accept-Encoding", "gzip"));
        }
        if !body.is_empty() {
            let mail = command == "SendMail" && !self.model.since(14, 0);
            let kind = if mail { "message/rfc822" } else { "application/vnd.ms-sync.wbxml" };
            headers.push(("Content-Type", kind));
        }
        let mut http = self.http()?;
        http.try_send("POST", &path, &headers, body)?;
        Ok(http)
    }

    /// Reads the answer to what was sent.
    pub fn answer(&mut self, command: &str, mut http: Http, within: Duration) -> io::Result<Reply> {
        let mut response = http.try_answer("POST", within)?;
        self.http = Some(http);
        if response.header("content-encoding") == Some("gzip") {
            let mut plain = Vec::new();
            let mut unpacker = flate2::read::GzDecoder::new(response.body.as_slice());
            io::Read::read_to_end(&mut unpacker, &mut plain)?;
            response.body = plain;
        }
        let kind = response.header("content-type").unwrap_or_default();
        let mut element = None;
        if kind == "application/vnd.ms-sync.wbxml" {
            let bytes = bytes::Bytes::from(response.body.clone());
            let root = wbxml::decode(&bytes);
            let root = root.unwrap_or_else(|e| panic!("{command}: {e}: {:?}", response.body));
            if let Some(opinions) = &mut self.opinions {
                opinions.hear(command, &response.body, &root);
            }
            element = Some(root);
        }
        Ok(Reply { status: response.status, http: response, element })
    }

    /// One request and its answer, where the server may be gone.
    pub fn try_call(&mut self, command: &str, request: Option<&Element>) -> io::Result<Reply> {
        let body = request.map_or_else(Vec::new, wbxml::encode);
        let http = self.send(command, &body)?;
        let reply = self.answer(command, http, PATIENCE)?;
        if let Some(transcript) = &mut self.transcript {
            transcript.exchange(command, request, &reply);
        }
        Ok(reply)
    }

    /// One request and its answer.
    #[track_caller]
    pub fn call(&mut self, command: &str, request: &Element) -> Reply {
        self.try_call(command, Some(request)).expect("an answer")
    }

    /// A request without a body.
    pub fn call_empty(&mut self, command: &str) -> Reply {
        self.try_call(command, None).expect("an answer")
    }

    /// What a phone says of itself (MS-ASCMD 2.2.3.45).
    pub fn information(&self) -> Element {
        let mut set = vec![
            text(s::MODEL, self.model.name),
            text(s::FRIENDLY_NAME, "Test phone"),
            text(s::OS, self.model.os),
            text(s::OS_LANGUAGE, "English"),
        ];
        if self.model.since(14, 0) {
            set.push(text(s::USER_AGENT, self.model.agent));
        }
        tree(s::DEVICE_INFORMATION, [tree(s::SET, set)])
    }

    /// Settings with what the phone is.
    pub fn inform(&mut self) -> Reply {
        let request = tree(s::SETTINGS, [self.information()]);
        self.call("Settings", &request)
    }

    /// Settings for the person's own addresses.
    pub fn ask_for_addresses(&mut self) -> Reply {
        let get = tree(s::USER_INFORMATION, [empty(s::GET)]);
        self.call("Settings", &tree(s::SETTINGS, [get]))
    }

    /// Both phases of Provision.
    pub fn provision(&mut self) {
        let kind = match self.model.since(12, 0) {
            true => "MS-EAS-Provisioning-WBXML",
            false => "MS-WAP-Provisioning-XML",
        };
        let mut request = Vec::new();
        // Windows Phone has said it in Settings before.
        if self.model.since(14, 1) && !self.model.base64 {
            request.push(self.information());
        }
        let policy = tree(pr::POLICY, [text(pr::POLICY_TYPE, kind)]);
        request.push(tree(pr::POLICIES, [policy]));
        self.policy_key = 0;
        let reply = self.call("Provision", &tree(pr::PROVISION, request));
        let policy = [pr::POLICIES, pr::POLICY];
        let status = reply.at(&[&policy[..], &[pr::STATUS]].concat()).map(str::to_owned);
        assert_eq!(status.as_deref(), Some("1"), "policy status: {reply:?}");
        let way = [&policy[..], &[pr::POLICY_KEY]].concat();
        let temporary = reply.at(&way).expect("a key").to_owned();
        self.policy_key = temporary.parse().expect("a number");
        let policy = tree(
            pr::POLICY,
            [text(pr::POLICY_TYPE, kind), text(pr::POLICY_KEY, temporary), text(pr::STATUS, 1)],
        );
        let request = tree(pr::PROVISION, [tree(pr::POLICIES, [policy])]);
        let reply = self.call("Provision", &request);
        self.policy_key = reply.at(&way).and_then(|key| key.parse().ok()).expect("a final key");
    }

    /// FolderSync; the number of changes.
    #[track_caller]
    pub fn folder_sync(&mut self) -> usize {
        self.try_folder_sync().expect("an answer")
    }

    #[track_caller]
    pub fn try_folder_sync(&mut self) -> io::Result<usize> {
        let request = self.folder_sync_request();
        let reply = self.try_call("FolderSync", Some(&request))?;
        Ok(self.take_folders(&reply))
    }

    /// A FolderSync request.
    pub fn folder_sync_request(&self) -> Element {
        tree(fh::FOLDER_SYNC, [text(fh::SYNC_KEY, &self.folder_key)])
    }

    /// Believes the answer to a FolderSync; the number of changes.
    #[track_caller]
    pub fn take_folders(&mut self, reply: &Reply) -> usize {
        let root = reply.root();
        assert_eq!(root.text_of(fh::STATUS), Some("1"), "{root}");
        self.folder_key = root.text_of(fh::SYNC_KEY).expect("a key").to_owned();
        let changes = root.child(fh::CHANGES).expect("changes");
        for change in &changes.children {
            let id = || change.text_of(fh::SERVER_ID).expect("an id").to_owned();
            match change.tag {
                fh::ADD | fh::UPDATE => {
                    let kind = change.parse_of(fh::TYPE);
                    let name = change.text_of(fh::DISPLAY_NAME).expect("a name").to_owned();
                    let parent = change.text_of(fh::PARENT_ID).expect("a parent").to_owned();
                    let folder = Folder { name, kind: kind.expect("a type"), parent };
                    let known = self.folders.insert(id(), folder);
                    assert_eq!(known.is_some(), change.tag == fh::UPDATE, "{change}");
                }
                fh::DELETE => {
                    let known = self.folders.remove(&id()).is_some();
                    assert!(known || self.dropped.contains(&id()), "{change}");
                    self.held.remove(&id());
                }
                _ => {}
            }
        }
        changes.parse_of(fh::COUNT).expect("a count")
    }

    /// The id of the folder of this type (MS-ASCMD 2.2.3.186).
    #[track_caller]
    pub fn folder(&self, kind: u8) -> String {
        let found = self.folders.iter().find(|(_, folder)| folder.kind == kind);
        let found = found.unwrap_or_else(|| panic!("no folder of type {kind}: {:?}", self.folders));
        found.0.clone()
    }

    /// The class of a folder's items.
    pub fn class(&self, folder: &str) -> &'static str {
        match self.folders.get(folder).map_or(2, |folder| folder.kind) {
            8 | 13 => "Calendar",
            9 | 14 => "Contacts",
            7 | 15 => "Tasks",
            10 | 17 => "Notes",
            _ => "Email",
        }
    }

    /// One folder of a Sync request.
    pub fn collection(&self, folder: &str, commands: Vec<Element>) -> Element {
        let key = self.held.get(folder).map_or("0", |held| held.key.as_str());
        let mut parts = Vec::new();
        if !self.model.since(14, 0) {
            parts.push(text(t::CLASS, self.class(folder)));
        }
        parts.push(text(t::SYNC_KEY, key));
        parts.push(text(t::COLLECTION_ID, folder));
        if key != "0" {
            if self.class(folder) == "Email" {
                parts.push(text(t::DELETES_AS_MOVES, 1));
            }
            parts.push(match self.model.since(12, 1) {
                true => text(t::GET_CHANGES, 1),
                false => empty(t::GET_CHANGES),
            });
            parts.push(text(t::WINDOW_SIZE, self.model.window));
            parts.push(tree(t::OPTIONS, self.model.options(self.class(folder), self.filter)));
        }
        if !commands.is_empty() {
            parts.push(tree(t::COMMANDS, commands));
        }
        tree(t::COLLECTION, parts)
    }

    /// A Sync request for these folders.
    pub fn sync_request(&self, folders: &[&str]) -> Element {
        let all: Vec<_> = folders.iter().map(|id| self.collection(id, Vec::new())).collect();
        tree(t::SYNC, [tree(t::COLLECTIONS, all)])
    }

    /// One Sync of these folders; whether anything was told.
    #[track_caller]
    pub fn sync(&mut self, folders: &[&str]) -> bool {
        let request = self.sync_request(folders);
        let reply = self.call("Sync", &request);
        self.take(&reply).expect("a Sync that succeeds")
    }

    /// One Sync of a folder with the phone's own changes; the collection's answer.
    #[track_caller]
    pub fn change(&mut self, folder: &str, commands: Vec<Element>) -> Element {
        let collection = self.collection(folder, commands);
        let request = tree(t::SYNC, [tree(t::COLLECTIONS, [collection])]);
        let reply = self.call("Sync", &request);
        self.take(&reply).expect("a Sync that succeeds");
        let root = reply.root();
        root.child(t::COLLECTIONS).and_then(|all| all.child(t::COLLECTION)).expect("one").clone()
    }

    /// Syncs these folders until there is nothing more, from key 0 if need be.
    #[track_caller]
    pub fn settle(&mut self, folders: &[&str]) {
        for _ in 0..2_000 {
            if !self.sync(folders) {
                return;
            }
        }
        panic!("it never ends");
    }

    /// Believes an answer; whether it said anything. `Err` is the status that is not 1.
    pub fn take(&mut self, reply: &Reply) -> Result<bool, String> {
        assert_eq!(reply.status, 200, "{:?}", reply.http);
        let Some(root) = &reply.element else { return Ok(false) };
        if let Some(status) = root.text_of(t::STATUS).filter(|status| *status != "1") {
            return Err(status.to_owned());
        }
        let mut news = Ok(false);
        for collection in root.child(t::COLLECTIONS).into_iter().flat_map(|all| &all.children) {
            // One folder's refusal does not make the others' news untrue.
            let taken = self.take_collection(collection);
            news = news.and_then(|news| Ok(taken? || news));
        }
        news
    }

    fn take_collection(&mut self, collection: &Element) -> Result<bool, String> {
        let folder = collection.text_of(t::COLLECTION_ID).expect("an id").to_owned();
        let status = collection.text_of(t::STATUS).expect("a status");
        let held = self.held.entry(folder).or_default();
        if status == "3" {
            *held = Held::default();
        }
        if status != "1" {
            return Err(status.to_owned());
        }
        let key = collection.text_of(t::SYNC_KEY).expect("a key").to_owned();
        let mut news = held.key != key;
        held.key = key;
        let commands = collection.child(t::COMMANDS);
        let told = commands.map_or(0, |commands| commands.children.len());
        assert!(!collection.has(t::MORE_AVAILABLE) || told > 0, "more, and nothing: {collection}");
        for each in collection.child(t::RESPONSES).into_iter().flat_map(|all| &all.children) {
            if let (t::ADD, Some(id)) = (each.tag, each.text_of(t::SERVER_ID)) {
                assert_eq!(each.text_of(t::STATUS), Some("1"), "{each}");
                let own = self.own.remove(each.text_of(t::CLIENT_ID).unwrap_or_default());
                let data = own.unwrap_or_else(|| empty(t::APPLICATION_DATA));
                assert!(held.items.insert(id.to_owned(), data).is_none(), "{id} came twice");
            }
        }
        for each in commands.into_iter().flat_map(|all| &all.children) {
            news = true;
            held.take(each);
        }
        Ok(news)
    }

    /// A Ping request for these folders.
    pub fn ping_request(&self, folders: &[&str], seconds: u32) -> Element {
        let each =
            |id: &&str| tree(ping::FOLDER, [text(ping::ID, id), text(ping::CLASS, self.class(id))]);
        let all: Vec<_> = folders.iter().map(each).collect();
        tree(ping::PING, [text(ping::HEARTBEAT_INTERVAL, seconds), tree(ping::FOLDERS, all)])
    }

    /// Sends a Ping and does not wait for its answer.
    pub fn start_ping(&mut self, folders: &[&str], seconds: u32) -> Http {
        let body = wbxml::encode(&self.ping_request(folders, seconds));
        self.send("Ping", &body).expect("the server takes the request")
    }
}

impl Held {
    /// Believes one command of the server.
    fn take(&mut self, each: &Element) {
        let id = each.text_of(t::SERVER_ID).expect("an id").to_owned();
        let data = || each.child(t::APPLICATION_DATA).expect("data");
        match each.tag {
            t::ADD => {
                let twice = self.items.insert(id, data().clone());
                assert!(twice.is_none(), "came twice: {each}");
            }
            t::CHANGE => {
                if self.dropped.contains(&id) {
                    return;
                }
                let old = self.items.get_mut(&id);
                let old = old.unwrap_or_else(|| panic!("changed and was never here: {each}"));
                for new in &data().children {
                    old.children.retain(|child| child.tag != new.tag);
                    old.children.push(new.clone());
                }
            }
            _ => {
                let known = self.items.remove(&id).is_some() || self.dropped.contains(&id);
                assert!(known, "left and was never here: {each}");
            }
        }
    }
}

/// A BodyPreference.
pub fn body_preference(kind: u8, cut: Option<u32>) -> Element {
    let mut parts = vec![text(b::TYPE, kind)];
    parts.extend(cut.map(|cut| text(b::TRUNCATION_SIZE, cut)));
    tree(b::BODY_PREFERENCE, parts)
}

/// A Change that marks a message.
pub fn mark_read(id: &str, read: bool) -> Element {
    use kontor::format::wbxml::tags::email;
    let data = tree(t::APPLICATION_DATA, [text(email::READ, u8::from(read))]);
    tree(t::CHANGE, [text(t::SERVER_ID, id), data])
}

/// A Delete.
pub fn delete(id: &str) -> Element {
    tree(t::DELETE, [text(t::SERVER_ID, id)])
}
