//! Find of 16.1: mail by words, and people of the address list. MS-ASCMD 2.2.1.2.

use crate::domain::search::{Wanted, terms};
use crate::eas::answer::{Answer, Failure};
use crate::eas::finding::{self, Asked, Pictures, Places};
use crate::eas::ids;
use crate::eas::render::email;
use crate::eas::session::Session;
use crate::format::wbxml::{Element, Writer, tags};

use tags::{air_sync as a, find as t, item_operations as io};

const SUCCESS: u16 = 1;
/// As these: MS-ASCMD 2.2.3.177.2.
const INVALID: u16 = 2;
const FOLDERS_CHANGED: u16 = 3;
const RANGE_BEGINS_LATER: u16 = 4;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let execute = request.child(t::EXECUTE_SEARCH).ok_or(Failure::Status(INVALID))?;
    let mail = execute.child(t::MAIL_BOX_SEARCH_CRITERION);
    let people = execute.child(t::GAL_SEARCH_CRITERION);
    let criterion = mail.or(people).ok_or(Failure::Status(INVALID))?;
    let query = criterion.child(t::QUERY).ok_or(Failure::Status(INVALID))?;
    let options = criterion.child(t::OPTIONS);
    let range = finding::range(options, t::RANGE).ok_or(Failure::Status(INVALID))?;
    let mut out = Writer::new();
    out.open(t::FIND);
    out.number(t::STATUS, SUCCESS);
    out.open(t::RESPONSE);
    out.text(io::STORE, if mail.is_some() { "Mailbox" } else { "GAL" });
    if range.start > 0 {
        out.number(t::STATUS, RANGE_BEGINS_LATER);
        return Ok(out.into());
    }
    let limit = range.end;
    let total = match mail {
        Some(_) => find_mail(&session, &mut out, query, options, limit).await?,
        None => find_people(&session, &mut out, query, options, limit).await?,
    };
    let told = limit.min(total);
    if told > 0 {
        out.text(t::RANGE, &format!("0-{}", told - 1));
    }
    out.number(t::TOTAL, total);
    Ok(out.into())
}

async fn find_mail(
    session: &Session,
    out: &mut Writer,
    query: &Element,
    options: Option<&Element>,
    limit: usize,
) -> Result<usize, Failure> {
    let words = terms(query.text_of(t::FREE_TEXT).unwrap_or_default());
    let class = query.text_of(a::CLASS).unwrap_or("Email");
    if words.is_empty() || !class.eq_ignore_ascii_case("Email") {
        return Err(Failure::Status(INVALID));
    }
    let deep = options.is_some_and(|options| options.has(t::DEEP_TRAVERSAL));
    let folders = query.all(a::COLLECTION_ID).map(Element::text);
    let places = Places::of(&session.read(), session.account.id, folders, deep)?;
    let places = places.ok_or(Failure::Status(FOLDERS_CHANGED))?;
    let wanted = Wanted { terms: words, ..Wanted::default() };
    let found = finding::find_mail(session, places.mailboxes, wanted).await?.messages;
    out.number(t::STATUS, SUCCESS);
    let read = session.read();
    for (id, message) in found.iter().take(limit) {
        let mark = out.mark();
        out.open(t::RESULT);
        out.text(a::CLASS, "Email");
        out.text(a::SERVER_ID, &ids::item(*id, message.uid));
        out.text(a::COLLECTION_ID, &ids::collection(*id));
        out.open(t::PROPERTIES);
        if email::summary(out, &read, *id, message).is_err() {
            // Not one that could be shown: it is there in its folder, as a stub.
            out.rewind(mark);
            continue;
        }
        out.close();
        out.close();
    }
    Ok(found.len())
}

async fn find_people(
    session: &Session,
    out: &mut Writer,
    query: &Element,
    options: Option<&Element>,
    limit: usize,
) -> Result<usize, Failure> {
    let pictures = options.and_then(|options| options.child(t::PICTURE)).map(|wanted| Pictures {
        max_size: wanted.parse_of(t::MAX_SIZE),
        max_pictures: wanted.parse_of(t::MAX_PICTURES),
    });
    let typed = query.text_of(t::FREE_TEXT).unwrap_or(query.text()).to_owned();
    out.number(t::STATUS, SUCCESS);
    let asked = Asked { typed, range: 0..limit, pictures };
    Ok(finding::people(session, out, asked, (t::RESULT, t::PROPERTIES)).await?.1)
}
