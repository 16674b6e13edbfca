//! FolderSync: the hierarchy, whole at first and its changes afterwards. MS-ASCMD 2.2.1.4.

use crate::base::id::AccountId;
use crate::eas::answer::{Answer, Failure};
use crate::eas::folder::{self, Difference, Folder, Known};
use crate::eas::ids;
use crate::eas::session::Session;
use crate::eas::state;
use crate::eas::version::Version;
use crate::format::wbxml::{Tag, Writer, tags::folder_hierarchy as t};
use crate::store::rows::sync::SyncId;
use crate::store::{Read as _, Tx};

/// The key is none that was given: the device starts over with 0 (MS-ASCMD 2.2.3.177.4).
const BAD_KEY: u16 = 9;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let key = request.text_of(t::SYNC_KEY).and_then(state::parse_key);
    let key = key.ok_or(Failure::Status(BAD_KEY))?;
    let (account, device) = (session.account.id, session.device.number);
    let who = Facts { account, device, version: session.version };
    if key != 0 {
        // Nearly always nothing has changed, and nothing is written.
        let read = session.read();
        let known = Known::at(&read, account, device, key)?.ok_or(Failure::Status(BAD_KEY))?;
        let now = folder::hierarchy(&read, account, who.version)?;
        if known.difference(&now).is_empty() && known.is_settled(&read, account, device)? {
            return Ok(answer(key, &Difference::default()).into());
        }
    }
    let (key, different) = session.write(move |tx| tell(tx, &who, key)).await?;
    Ok(answer(key, &different).into())
}

/// Who is told.
struct Facts {
    account: AccountId,
    device: u32,
    version: Version,
}

/// Moves the device from `key` to the hierarchy as it is, under the next key.
fn tell(tx: &mut Tx<'_>, who: &Facts, key: u64) -> Result<(u64, Difference), Failure> {
    let now = folder::hierarchy(tx, who.account, who.version)?;
    let mut known = match key {
        0 => begin(tx, who)?,
        key => Known::at(tx, who.account, who.device, key)?.ok_or(Failure::Status(BAD_KEY))?,
    };
    let different = known.difference(&now);
    if key != 0 && different.is_empty() && known.settle(tx, who.account, who.device)? {
        return Ok((key, different));
    }
    // Nobody can sync a folder that is gone.
    let gone = different.removed.iter();
    for collection in gone.filter_map(|id| ids::parse_collection(who.account, id)) {
        SyncId { collection, device: who.device }.forget(tx)?;
    }
    known.modseq = tx.account_state(who.account)?.modseq;
    known.tell_all(&now);
    let from = known.key;
    Ok((known.answer(tx, who.account, who.device, from)?, different))
}

/// A device that knows nothing. Two first requests at once, which iOS sends, end at one key:
/// while nothing was built on the first key, it is given again.
fn begin(tx: &mut Tx<'_>, who: &Facts) -> Result<Known, Failure> {
    let newest = Known::newest(tx, who.account, who.device)?;
    let unused = newest.map(|known| known.from).filter(|from| state::is_beginning(*from));
    let before = match unused {
        Some(before) => before,
        None => state::first_key(tx.next_number()?) - 1,
    };
    Ok(Known::nothing(before))
}

fn answer(key: u64, different: &Difference) -> Writer {
    let mut out = Writer::new();
    out.open(t::FOLDER_SYNC);
    out.number(t::STATUS, 1);
    out.number(t::SYNC_KEY, key);
    out.open(t::CHANGES);
    let count = different.added.len() + different.changed.len() + different.removed.len();
    out.number(t::COUNT, count);
    for folder in &different.changed {
        write(&mut out, t::UPDATE, folder);
    }
    for id in &different.removed {
        out.open(t::DELETE);
        out.text(t::SERVER_ID, id);
        out.close();
    }
    for folder in &different.added {
        write(&mut out, t::ADD, folder);
    }
    out.close();
    out.close();
    out
}

fn write(out: &mut Writer, tag: Tag, folder: &Folder) {
    out.open(tag);
    out.text(t::SERVER_ID, &folder.server_id);
    out.text(t::PARENT_ID, &folder.parent);
    out.text(t::DISPLAY_NAME, &folder.name);
    out.number(t::TYPE, folder.kind);
    out.close();
}
