//! A Sync request in types. MS-ASCMD 2.2.1.21.

use crate::base::id::MailboxId;
use crate::domain;
use crate::eas::folder::{self, Content};
use crate::eas::render::Options;
use crate::eas::session::Session;
use crate::eas::state;
use crate::eas::version::Version;
use crate::format::wbxml::{Element, tags::air_sync as t};
use crate::store::Read;
use crate::store::rows::collection::CollectionKind;

/// Collections in one request; far more than any phone has folders.
const COLLECTIONS_MAX: usize = 1_000;
/// Commands in one collection. Exchange stops at 200; what is more costs us nothing.
const COMMANDS_MAX: usize = 1_000;
/// The largest window (MS-ASCMD 2.2.3.188).
const WINDOW_MAX: usize = 512;
const WINDOW_DEFAULT: usize = 100;

/// What is wrong with the request as a whole (MS-ASCMD 2.2.3.177.17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bad(pub u16);

pub const PROTOCOL_ERROR: u16 = 4;
pub const WAIT_OUT_OF_RANGE: u16 = 14;
pub const TOO_MANY_COLLECTIONS: u16 = 15;

/// The shortest and longest wait, in seconds: a minute to under an hour.
pub const WAIT_MIN: u32 = 60;
pub const WAIT_MAX: u32 = 3_540;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub collections: Vec<Wanted>,
    /// Seconds to wait for something to happen.
    pub wait_secs: Option<u32>,
    /// Items in the whole answer.
    pub window: usize,
    /// Only what differs from the request before was sent.
    pub partial: bool,
}

/// One collection of a request.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub server_id: String,
    /// `None`: there is no such folder (any more).
    pub folder: Option<(MailboxId, Content)>,
    /// `None`: none of ours.
    pub key: Option<u64>,
    pub get_changes: bool,
    pub window: usize,
    pub deletes_as_moves: bool,
    /// Options replace all earlier ones; without, those stay.
    pub options: Option<Options>,
    /// Managed properties, if the first request says so.
    pub supported: Option<Vec<u16>>,
    pub commands: Vec<Command>,
}

/// What a device did.
#[derive(Clone, Debug)]
pub enum Command {
    Add {
        client_id: String,
        data: Element,
        /// The draft is to be sent.
        send: bool,
    },
    Change {
        server_id: String,
        instance: Option<String>,
        data: Element,
        send: bool,
    },
    Delete {
        server_id: String,
        instance: Option<String>,
    },
    Fetch {
        server_id: String,
    },
}

impl Request {
    /// Reads a request with a body.
    pub fn read(session: &Session, element: &Element) -> Result<Request, Failed> {
        let number = |tag| element.text_of(tag).map(|text| text.trim().parse::<u32>().ok());
        let (minutes, seconds) = (number(t::WAIT), number(t::HEARTBEAT_INTERVAL));
        let (asked, unit) = match (minutes, seconds) {
            (Some(_), Some(_)) => return Err(Bad(PROTOCOL_ERROR).into()),
            (Some(minutes), None) => (Some(minutes), 60),
            (None, seconds) => (seconds, 1),
        };
        let wait_secs = match asked {
            None => None,
            Some(Some(wait)) if (WAIT_MIN / unit..=WAIT_MAX / unit).contains(&wait) => {
                Some(wait * unit)
            }
            Some(wait) => {
                let too_short = wait.is_some_and(|wait| wait < WAIT_MIN / unit);
                let limit = if too_short { WAIT_MIN } else { WAIT_MAX } / unit;
                return Err(Failed::Wait { limit });
            }
        };
        let read = session.read();
        let mut collections = Vec::new();
        for wanted in
            element.child(t::COLLECTIONS).into_iter().flat_map(|all| all.all(t::COLLECTION))
        {
            if collections.len() >= COLLECTIONS_MAX {
                return Err(Bad(TOO_MANY_COLLECTIONS).into());
            }
            collections.push(Wanted::read(session, &read, wanted)?);
        }
        Ok(Request {
            collections,
            wait_secs,
            window: window(element).unwrap_or(WINDOW_MAX),
            partial: element.has(t::PARTIAL),
        })
    }
}

/// Why a request cannot be read.
#[derive(Debug)]
pub enum Failed {
    Bad(Bad),
    /// It would wait for longer, or less long, than this, in its own unit.
    Wait {
        limit: u32,
    },
    Domain(domain::Error),
}

impl From<Bad> for Failed {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

impl From<domain::Error> for Failed {
    fn from(error: domain::Error) -> Self {
        Self::Domain(error)
    }
}

fn window(element: &Element) -> Option<usize> {
    let asked = element.parse_of::<usize>(t::WINDOW_SIZE)?;
    Some(if asked == 0 || asked > WINDOW_MAX { WINDOW_MAX } else { asked })
}

impl Wanted {
    fn read(session: &Session, read: &impl Read, element: &Element) -> Result<Wanted, Failed> {
        let server_id = match element.text_of(t::COLLECTION_ID) {
            Some(id) => id.to_owned(),
            // The first versions name the default collection by its class alone.
            None => default_id(session, read, element.text_of(t::CLASS).unwrap_or_default())?,
        };
        let key = element.text_of(t::SYNC_KEY).ok_or(Bad(PROTOCOL_ERROR))?;
        let key = state::parse_key(key);
        let flag = |tag| element.child(tag).map(|flag| !matches!(flag.text().trim(), "0"));
        // Of several, those of SMS are not ours (MS-ASCMD 2.2.3.125.5).
        let options =
            element.all(t::OPTIONS).find(|options| options.text_of(t::CLASS) != Some("SMS"));
        let supported = element.child(t::SUPPORTED);
        let supported =
            supported.map(|list| list.children.iter().map(|child| child.tag.0).collect());
        let mut commands = Vec::new();
        for each in element.child(t::COMMANDS).into_iter().flat_map(|all| &all.children) {
            if commands.len() >= COMMANDS_MAX {
                return Err(Bad(PROTOCOL_ERROR).into());
            }
            commands.extend(Command::read(each)?);
        }
        Ok(Wanted {
            folder: folder::find(read, session.account.id, &server_id)?,
            server_id,
            key,
            get_changes: flag(t::GET_CHANGES).unwrap_or(key != Some(0)) && key != Some(0),
            window: window(element).unwrap_or(WINDOW_DEFAULT),
            deletes_as_moves: flag(t::DELETES_AS_MOVES).unwrap_or(true),
            options: options.map(Options::read),
            supported,
            commands,
        })
    }

    /// Whether a folder of this content can be asked so. If not, the phone hears of a protocol
    /// error in this folder, and the others go on.
    pub fn suits(&self, content: Content) -> bool {
        // Notes have nothing that could be left out (MS-ASNOTE 3.2.5.3). Of mail and tasks nothing
        // of the kind is said; there the list has no effect, as it has none behind the first key
        // (MS-ASCMD 2.2.3.179).
        let notes = content == Content::Items(CollectionKind::Notes);
        let lists = self.key == Some(0) && self.supported.is_some();
        let filter = self.options.as_ref().map_or(0, |options| options.filter);
        !(notes && lists) && content.takes_filter(filter)
    }

    /// The same without what is done once, for a request that repeats it.
    pub fn repeated(&self, key: u64) -> Wanted {
        Wanted {
            key: Some(key),
            get_changes: true,
            options: None,
            supported: None,
            commands: Vec::new(),
            ..self.clone()
        }
    }
}

/// The id of the folder that a class alone means.
fn default_id(session: &Session, read: &impl Read, class: &str) -> Result<String, Failed> {
    let kind = match class {
        "Email" => 2,
        "Calendar" => 8,
        "Contacts" => 9,
        "Tasks" => 7,
        _ => return Err(Bad(PROTOCOL_ERROR).into()),
    };
    let all = folder::hierarchy(read, session.account.id, Version::V2_5)?;
    let found = all.into_iter().find(|folder| folder.kind == kind);
    found.map(|folder| folder.server_id).ok_or(Bad(PROTOCOL_ERROR).into())
}

impl Command {
    fn read(element: &Element) -> Result<Option<Command>, Bad> {
        use crate::format::wbxml::tags::air_sync_base as b;
        let server_id =
            || element.text_of(t::SERVER_ID).map(str::to_owned).ok_or(Bad(PROTOCOL_ERROR));
        let instance = element.text_of(b::INSTANCE_ID).map(str::to_owned);
        let send = element.has(crate::format::wbxml::tags::email2::SEND);
        let data = || {
            let data = element.child(t::APPLICATION_DATA).cloned();
            data.unwrap_or_else(|| Element::new(t::APPLICATION_DATA))
        };
        Ok(Some(match element.tag {
            t::ADD => Command::Add {
                client_id: element
                    .text_of(t::CLIENT_ID)
                    .filter(|id| id.len() <= 64)
                    .map(str::to_owned)
                    .ok_or(Bad(PROTOCOL_ERROR))?,
                data: data(),
                send,
            },
            t::CHANGE => Command::Change { server_id: server_id()?, instance, data: data(), send },
            t::DELETE | t::SOFT_DELETE => Command::Delete { server_id: server_id()?, instance },
            t::FETCH => Command::Fetch { server_id: server_id()? },
            _ => return Ok(None),
        }))
    }
}
