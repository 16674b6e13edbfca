//! GetItemEstimate: how many items the next Syncs would bring. MS-ASCMD 2.2.1.9.

use crate::domain;
use crate::eas::answer::{Answer, Failure, common};
use crate::eas::folder;
use crate::eas::ids;
use crate::eas::render::Options;
use crate::eas::session::Session;
use crate::eas::state;
use crate::eas::version::Version;
use crate::format::wbxml::{Element, Writer, tags::air_sync, tags::get_item_estimate as t};
use crate::store::Snapshot;
use crate::store::rows::sync::{Applied, SyncId, SyncState};

/// Statuses (MS-ASCMD 2.2.3.177.7).
const SUCCESS: u16 = 1;
const BAD_COLLECTION: u16 = 2;
const NOT_PRIMED: u16 = 3;
const BAD_KEY: u16 = 4;

/// Collections in one request (MS-ASCMD R5648).
const COLLECTIONS_MAX: usize = 1_000;

pub(super) fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let collections = request.child(t::COLLECTIONS).ok_or(Failure::Common(common::INVALID_XML))?;
    if collections.children.len() > COLLECTIONS_MAX {
        return Err(Failure::Common(common::INVALID_XML));
    }
    let read = session.read();
    let mut out = Writer::new();
    out.open(t::GET_ITEM_ESTIMATE);
    for collection in collections.all(t::COLLECTION) {
        let id = id_of(&session, &read, collection)?;
        let counted = count(&session, &read, &id, collection)?;
        out.open(t::RESPONSE);
        out.number(t::STATUS, counted.err().unwrap_or(SUCCESS));
        if let Ok(number) = counted {
            out.open(t::COLLECTION);
            if session.version <= Version::V12_1
                && let Some(class) = collection.text_of(t::CLASS)
            {
                out.text(t::CLASS, class);
            }
            out.text(t::COLLECTION_ID, &id);
            out.number(t::ESTIMATE, number);
            out.close();
        }
        out.close();
    }
    out.close();
    Ok(out.into())
}

/// The folder that is meant; old phones name one by its class alone.
fn id_of(session: &Session, read: &Snapshot, collection: &Element) -> Result<String, Failure> {
    if let Some(id) = collection.text_of(t::COLLECTION_ID) {
        return Ok(id.to_owned());
    }
    let class = collection.text_of(t::CLASS).unwrap_or_default();
    let all = folder::hierarchy(read, session.account.id, session.version)?;
    let default = |folder: &&folder::Folder| {
        matches!(folder.kind, 2 | 7..=10) && folder.content.class() == class
    };
    Ok(all.iter().find(default).map_or_else(|| ids::ROOT.to_owned(), |f| f.server_id.clone()))
}

/// Counts, or says why not by a status.
fn count(
    session: &Session,
    read: &Snapshot,
    id: &str,
    collection: &Element,
) -> Result<Result<u64, u16>, Failure> {
    let Some((id, content)) = folder::find(read, session.account.id, id)? else {
        return Ok(Err(BAD_COLLECTION));
    };
    let key = collection.text_of(air_sync::SYNC_KEY).and_then(state::parse_key);
    let key = match key {
        None => return Ok(Err(BAD_KEY)),
        Some(0) => return Ok(Err(NOT_PRIMED)),
        Some(key) => key,
    };
    let sync = SyncId { collection: id, device: session.device.number };
    let Some(header) = sync.header(read, key)? else { return Ok(Err(BAD_KEY)) };
    let mut options = match collection.child(air_sync::OPTIONS) {
        Some(options) => Options::read(options),
        // 2.5 and 12.0 have the filter beside the key.
        None => {
            let mut options = Options::decode(&header.options)?;
            if let Some(filter) = collection.parse_of(air_sync::FILTER_TYPE) {
                options.filter = filter;
            }
            options
        }
    };
    // MS-ASCMD 2.2.3.68.1.
    match content.takes_filter(options.filter) {
        true => {}
        false if options.filter > 8 => return Err(Failure::Common(common::INVALID_XML)),
        false => return Err(Failure::Common(common::SERVER_ERROR)),
    }
    options.filter = content.filter_within(options.filter, &session.bounds);
    let cutoff = state::cutoff(content, options.filter, session.now());
    let sets = sync.sets(read, &header)?;
    let mut state = SyncState { header, sets };
    let header = &state.header;
    if header.fresh || header.filter != options.filter || header.cutoff != cutoff {
        let choice = state::choose(session.store(), id, content, cutoff)?;
        state::take_choice(&mut state, &choice, options.filter, cutoff);
    }
    match state::fold(read, id, content, &mut state, &Applied::default()) {
        Ok(()) => Ok(Ok(state.sets.pending_len())),
        Err(domain::Error::Stale) => Ok(Err(BAD_KEY)),
        Err(error) => Err(error.into()),
    }
}
