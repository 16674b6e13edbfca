//! A small phone: says what a test wants it to say, and shows what comes back.

use kontor::format::wbxml::{self, Element, Tag, tags};

use crate::support::http::Http;
use crate::support::{Account, Server};

/// An element with others in it.
pub fn el(tag: Tag, children: Vec<Element>) -> Element {
    Element::with_children(tag, children)
}

/// An element with a text.
pub fn tx(tag: Tag, text: impl ToString) -> Element {
    Element::with_text(tag, text.to_string())
}

pub struct Phone {
    http: Http,
    authorization: String,
    user: String,
    pub id: String,
    pub kind: String,
    pub version: &'static str,
    /// `X-MS-PolicyKey`; `None` sends none.
    pub key: Option<u32>,
    /// The policy that it was given last (`Data`).
    pub document: Option<Element>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `None` for an empty body.
    pub root: Option<Element>,
}

impl Answer {
    /// The one element of this name, wherever it is.
    #[track_caller]
    pub fn text(&self, tag: Tag) -> String {
        let root = self.root.as_ref().unwrap_or_else(|| panic!("an empty answer: {self:?}"));
        let found = find(root, tag).unwrap_or_else(|| panic!("no {tag}: {self:?}"));
        found.text().to_owned()
    }

    pub fn has(&self, tag: Tag) -> bool {
        self.root.as_ref().is_some_and(|root| find(root, tag).is_some())
    }

    pub fn count(&self, tag: Tag) -> usize {
        self.root.as_ref().map_or(0, |root| count(root, tag))
    }

    #[track_caller]
    pub fn number(&self, tag: Tag) -> u32 {
        let text = self.text(tag);
        text.parse().unwrap_or_else(|_| panic!("{tag} is {text:?}"))
    }

    /// The status of the outermost element.
    #[track_caller]
    pub fn outer(&self, tag: Tag) -> u32 {
        assert_eq!(self.status, 200, "{self:?}");
        let root = self.root.as_ref().unwrap_or_else(|| panic!("an empty answer: {self:?}"));
        root.parse_of(tag).unwrap_or_else(|| panic!("no {tag} outside: {self:?}"))
    }
}

pub fn find(element: &Element, tag: Tag) -> Option<&Element> {
    if element.tag == tag {
        return Some(element);
    }
    element.children.iter().find_map(|child| find(child, tag))
}

fn count(element: &Element, tag: Tag) -> usize {
    let below: usize = element.children.iter().map(|child| count(child, tag)).sum();
    below + usize::from(element.tag == tag)
}

impl Phone {
    pub fn new(server: &Server, account: &Account, id: &str, version: &'static str) -> Phone {
        Phone {
            http: Http::plain(server.ports.http),
            authorization: account.basic(),
            user: account.email.clone(),
            id: id.to_owned(),
            kind: "WP8".to_owned(),
            version,
            key: None,
            document: None,
        }
    }

    pub fn send(&mut self, command: &str, root: Option<&Element>) {
        let path = format!(
            "/Microsoft-Server-ActiveSync?Cmd={command}&User={}&DeviceId={}&DeviceType={}",
            self.user, self.id, self.kind
        );
        let mut headers = vec![
            ("Authorization", self.authorization.as_str()),
            ("MS-ASProtocolVersion", self.version),
            ("User-Agent", "MSFT-WP/8.10.14219"),
            ("Content-Type", "application/vnd.ms-sync.wbxml"),
        ];
        let key = self.key.map(|key| key.to_string());
        if let Some(key) = &key {
            headers.push(("X-MS-PolicyKey", key));
        }
        let body = root.map(wbxml::encode).unwrap_or_default();
        self.http.send("POST", &path, &headers, &body);
    }

    pub fn receive(&mut self) -> Answer {
        let response = self.http.answer("POST");
        let root = match response.body.is_empty() || response.status != 200 {
            true => None,
            false => Some(wbxml::decode(&response.body.into()).expect("a WBXML document")),
        };
        Answer { status: response.status, root }
    }

    pub fn ask(&mut self, command: &str, root: Option<&Element>) -> Answer {
        self.send(command, root);
        self.receive()
    }

    pub fn folder_sync(&mut self, key: &str) -> Answer {
        use tags::folder_hierarchy as f;
        self.ask("FolderSync", Some(&el(f::FOLDER_SYNC, vec![tx(f::SYNC_KEY, key)])))
    }

    /// The id of the folder of this type (MS-ASCMD 2.2.3.186.2), from a whole hierarchy.
    #[track_caller]
    pub fn folder(answer: &Answer, kind: u32) -> String {
        use tags::folder_hierarchy as f;
        let changes = answer.root.as_ref().and_then(|root| root.child(f::CHANGES));
        let changes = changes.unwrap_or_else(|| panic!("no folders: {answer:?}"));
        let mut all = changes.all(f::ADD);
        let found = all.find(|folder| folder.parse_of(f::TYPE) == Some(kind));
        let found = found.and_then(|folder| folder.text_of(f::SERVER_ID));
        found.unwrap_or_else(|| panic!("no folder of type {kind}: {answer:?}")).to_owned()
    }

    pub fn sync_request(collection: &str, key: &str, more: Vec<Element>) -> Element {
        use tags::air_sync as a;
        let mut children = vec![tx(a::SYNC_KEY, key), tx(a::COLLECTION_ID, collection)];
        children.extend(more);
        el(a::SYNC, vec![el(a::COLLECTIONS, vec![el(a::COLLECTION, children)])])
    }

    pub fn sync(&mut self, collection: &str, key: &str) -> Answer {
        self.ask("Sync", Some(&Self::sync_request(collection, key, Vec::new())))
    }

    pub fn ping_request(folder: &str, seconds: u32) -> Element {
        use tags::ping as p;
        let folder = el(p::FOLDER, vec![tx(p::ID, folder), tx(p::CLASS, "Email")]);
        let folders = el(p::FOLDERS, vec![folder]);
        el(p::PING, vec![tx(p::HEARTBEAT_INTERVAL, seconds), folders])
    }

    /// `DeviceInformation`/`Set`.
    pub fn information() -> Element {
        use tags::settings as s;
        let facts = vec![
            tx(s::MODEL, "RM-1045"),
            tx(s::IMEI, "354012345678901"),
            tx(s::FRIENDLY_NAME, "Ben's Lumia"),
            tx(s::OS, "Windows Phone 8.10"),
            tx(s::PHONE_NUMBER, "+49123456"),
        ];
        el(s::DEVICE_INFORMATION, vec![el(s::SET, facts)])
    }

    pub fn provision_request(information: bool, more: Vec<Element>) -> Element {
        use tags::provision as p;
        let mut policy = vec![tx(p::POLICY_TYPE, "MS-EAS-Provisioning-WBXML")];
        policy.extend(more);
        let mut children = Vec::new();
        if information {
            children.push(Self::information());
        }
        children.push(el(p::POLICIES, vec![el(p::POLICY, policy)]));
        el(p::PROVISION, children)
    }

    /// Both phases, as a phone does them that obeys.
    #[track_caller]
    pub fn provision(&mut self) -> u32 {
        use tags::provision as p;
        self.key = Some(0);
        let first = self.ask("Provision", Some(&Self::provision_request(true, Vec::new())));
        self.document = first.root.as_ref().and_then(|root| find(root, p::DATA)).cloned();
        let temporary = first.number(p::POLICY_KEY);
        self.key = Some(temporary);
        let second = self.acknowledge(temporary, 1);
        let key = second.number(p::POLICY_KEY);
        self.key = Some(key);
        key
    }

    pub fn acknowledge(&mut self, key: u32, status: u32) -> Answer {
        use tags::provision as p;
        let more = vec![tx(p::POLICY_KEY, key), tx(p::STATUS, status)];
        self.ask("Provision", Some(&Self::provision_request(false, more)))
    }
}
