//! Search: mail and other items of the mailbox, and the address list. MS-ASCMD 2.2.1.16.

mod mailbox;

use crate::eas::answer::{Answer, Failure};
use crate::eas::finding::{self, Asked, Pictures, RESULTS_END};
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::wbxml::{Element, Writer, tags::search as t};

const SUCCESS: u16 = 1;
/// As these: MS-ASCMD 2.2.3.177.13.
const INVALID: u16 = 2;
const TOO_COMPLEX: u16 = 8;
/// No such store here.
const NOT_CONNECTED: u16 = 7;
const FOLDERS_CHANGED: u16 = 11;
const END_OF_RANGE: u16 = 12;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let store = match request.child(t::STORES) {
        Some(stores) => stores.child(t::STORE),
        None => request.child(t::STORE),
    };
    let mut out = Writer::new();
    out.open(t::SEARCH);
    out.number(t::STATUS, SUCCESS);
    out.open(t::RESPONSE);
    out.open(t::STORE);
    let mark = out.mark();
    let done = match store {
        Some(store) => search(&session, &mut out, store).await?,
        None => Err(INVALID),
    };
    if let Err(status) = done {
        out.rewind(mark);
        out.number(t::STATUS, status);
    }
    Ok(out.into())
}

/// Answers about one store, or says with which status it cannot.
async fn search(
    session: &Session,
    out: &mut Writer,
    store: &Element,
) -> Result<Result<(), u16>, Failure> {
    let options = store.child(t::OPTIONS);
    let Some(range) = finding::range(options, t::RANGE) else { return Ok(Err(INVALID)) };
    if range.start >= RESULTS_END {
        return Ok(Err(END_OF_RANGE));
    }
    let name = store.text_of(t::NAME).unwrap_or_default().to_ascii_lowercase();
    let Some(query) = store.child(t::QUERY) else { return Ok(Err(INVALID)) };
    match &*name {
        "gal" => {
            let pictures = options.and_then(|options| options.child(t::PICTURE));
            let pictures = pictures.filter(|_| session.version >= Version::V14_1);
            let pictures = pictures.map(|wanted| Pictures {
                max_size: wanted.parse_of(t::MAX_SIZE),
                max_pictures: wanted.parse_of(t::MAX_PICTURES),
            });
            out.number(t::STATUS, SUCCESS);
            let asked = Asked { typed: query.text().to_owned(), range, pictures };
            let tags = (t::RESULT, t::PROPERTIES);
            let (page, total) = finding::people(session, out, asked, tags).await?;
            finish(out, page, total);
            Ok(Ok(()))
        }
        "mailbox" if session.version >= Version::V12_0 => {
            mailbox::search(session, out, query, options, range).await
        }
        // There are no file shares behind this server.
        "documentlibrary" => Ok(Err(NOT_CONNECTED)),
        _ => Ok(Err(INVALID)),
    }
}

/// The end of a store's answer. Where nothing was found, an empty result says so.
fn finish(out: &mut Writer, page: std::ops::Range<usize>, total: usize) {
    if page.is_empty() {
        out.empty(t::RESULT);
    } else {
        out.text(t::RANGE, &format!("{}-{}", page.start, page.end - 1));
    }
    out.number(t::TOTAL, total);
}
