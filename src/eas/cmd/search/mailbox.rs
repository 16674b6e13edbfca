//! Search in the mailbox: words, dates, conversations, in mail and in items of other classes.

use std::ops::Range;

use super::{FOLDERS_CHANGED, INVALID, SUCCESS, TOO_COMPLEX, finish};
use crate::base::id::{MailboxId, MessageId, Uid};
use crate::domain::search::{Term, Wanted, terms};
use crate::eas::answer::Failure;
use crate::eas::finding::{self, Places, RESULTS_END};
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::render::{BodyPreference, Options, email};
use crate::eas::session::Session;
use crate::eas::shown::{Item, Shower};
use crate::format::wbxml::{Element, Writer, tags};
use crate::store::rows::collection::CollectionKind;
use crate::store::{self, Read, Snapshot};

use tags::{air_sync as a, email as e, search as t};

/// Bytes of text with each result where the phone has not said how it wants bodies.
const EXCERPT: u32 = 500;

/// A query that was read.
#[derive(Default)]
struct Query {
    wanted: Wanted,
    classes: Vec<String>,
    folders: Vec<String>,
}

/// One result.
struct Hit {
    item: Item,
    life: MessageId,
}

pub async fn search(
    session: &Session,
    out: &mut Writer,
    query: &Element,
    options: Option<&Element>,
    range: Range<usize>,
) -> Result<Result<(), u16>, Failure> {
    let query = match Query::read(session, query) {
        Ok(query) => query,
        Err(status) => return Ok(Err(status)),
    };
    let deep = options.is_some_and(|options| options.has(t::DEEP_TRAVERSAL));
    let folders = query.folders.iter().map(String::as_str);
    let places = Places::of(&session.read(), session.account.id, folders, deep)?;
    let Some(places) = places else { return Ok(Err(FOLDERS_CHANGED)) };
    let hits = find(session, &query, places).await?;
    let mut wanted = options.map(Options::read).unwrap_or_default();
    if wanted.bodies.is_empty() {
        let truncation_size = Some(EXCERPT);
        wanted.bodies.push(BodyPreference { kind: 1, truncation_size, ..Default::default() });
    }
    let read = session.read();
    let shower = Shower { read: &read, view: session.view(&wanted), schema: None };
    let page = finding::page(&hits, &range);
    out.number(t::STATUS, SUCCESS);
    for hit in hits.get(page.clone()).unwrap_or_default() {
        let mark = out.mark();
        out.open(t::RESULT);
        out.text(a::CLASS, hit.item.content.class());
        out.text(t::LONG_ID, &ids::long(hit.life));
        out.text(a::COLLECTION_ID, &ids::collection(hit.item.id));
        match shower.write(out, t::PROPERTIES, &hit.item, None)? {
            true => out.close(),
            // Gone since it was found.
            false => out.rewind(mark),
        }
    }
    finish(out, page, hits.len());
    Ok(Ok(()))
}

/// Everything that is found, mail first; at most as many as can be leafed through.
async fn find(session: &Session, query: &Query, places: Places) -> Result<Vec<Hit>, Failure> {
    let is_wanted = |class: &str| query.classes.iter().any(|each| each == class);
    let mut hits = Vec::new();
    // Without a class, mail is meant.
    if query.classes.is_empty() || is_wanted("email") {
        let found = finding::find_mail(session, places.mailboxes.clone(), query.wanted.clone());
        for (id, message) in found.await?.messages {
            let item = Item { id, uid: message.uid, content: Content::Mail };
            hits.push(Hit { item, life: message.place.message });
        }
    }
    let only_words = query.wanted.thread.is_none()
        && query.wanted.since.is_none()
        && query.wanted.before.is_none();
    if only_words && !query.wanted.terms.is_empty() {
        let read = session.read();
        for class in &query.classes {
            for (id, kind) in places.of_class(class) {
                items(&read, id, kind, &query.wanted.terms, &mut hits)?;
            }
        }
    }
    hits.truncate(RESULTS_END);
    Ok(hits)
}

/// Looks through the texts of a collection; there are some thousand at most, and they are short.
fn items(
    read: &Snapshot,
    id: MailboxId,
    kind: CollectionKind,
    terms: &[Term],
    hits: &mut Vec<Hit>,
) -> store::Result<()> {
    for item in read.items(id)? {
        if hits.len() >= RESULTS_END {
            break;
        }
        let Some(text) = read.item_text(id, item.uid)? else { continue };
        let text = values(&String::from_utf8_lossy(&text));
        if terms.iter().all(|term| term.is_in_text(&text)) {
            let (uid, content): (Uid, _) = (item.uid, Content::Items(kind));
            hits.push(Hit { item: Item { id, uid, content }, life: item.id });
        }
    }
    Ok(())
}

/// What people read in a standard text: the values of its properties, on unfolded lines, without
/// pictures, ids and dates.
fn values(text: &str) -> String {
    const UNSEEN: [&str; 12] = [
        "PHOTO", "KEY", "LOGO", "SOUND", "UID", "PRODID", "BEGIN", "END", "DTSTAMP", "REV",
        "VERSION", "ATTACH",
    ];
    let unfolded = text.replace("\r\n ", "").replace("\r\n\t", "").replace("\n ", "");
    let mut out = String::with_capacity(unfolded.len());
    for line in unfolded.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = name.split(';').next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        if !UNSEEN.iter().any(|unseen| name.eq_ignore_ascii_case(unseen)) {
            out.push_str(&value.replace("\\n", "\n").replace('\\', ""));
            out.push('\n');
        }
    }
    out
}

impl Query {
    /// Reads `Query`, whose conditions stand in `And` or by themselves (MS-ASCMD 2.2.3.142.2).
    fn read(session: &Session, query: &Element) -> Result<Query, u16> {
        let mut found = Query::default();
        found.add(session, query, 2)?;
        let nothing = found.wanted.terms.is_empty()
            && found.wanted.thread.is_none()
            && found.wanted.since.is_none()
            && found.wanted.before.is_none();
        if nothing { Err(INVALID) } else { Ok(found) }
    }

    fn add(&mut self, session: &Session, query: &Element, depth: u32) -> Result<(), u16> {
        for child in &query.children {
            match child.tag {
                t::AND if depth > 0 => self.add(session, child, depth - 1)?,
                t::AND | t::OR => return Err(TOO_COMPLEX),
                t::FREE_TEXT => self.wanted.terms.extend(terms(child.text())),
                a::CLASS => self.classes.push(child.text().to_ascii_lowercase()),
                a::COLLECTION_ID => self.folders.push(child.text().to_owned()),
                t::CONVERSATION_ID => {
                    let thread = email::thread_of(session.account.id, &child.bytes());
                    // One that is not ours has no messages.
                    self.wanted.thread = Some(thread.unwrap_or_default());
                }
                t::GREATER_THAN => self.wanted.since = Some(date(child)? + 1),
                t::LESS_THAN => self.wanted.before = Some(date(child)?),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The value of a comparison with DateReceived, the only one there is.
fn date(comparison: &Element) -> Result<i64, u16> {
    let value = comparison.text_of(t::VALUE).filter(|_| comparison.has(e::DATE_RECEIVED));
    value.and_then(|text| email::instant(text.trim())).ok_or(INVALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_people_read() {
        let text = "BEGIN:VCARD\r\nUID:abc\r\nFN:Anna Mus\r\n ter\r\nitem1.EMAIL;TYPE=work:a@b\r\n\
                    PHOTO:data:AAAA\r\nNOTE:one\\, two\\nthree\r\nEND:VCARD\r\n";
        assert_eq!(values(text), "Anna Muster\na@b\none, two\nthree\n");
    }
}
