//! What Search and Find have in common: where to look, how much to tell, and people.

use std::ops::Range;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;

use crate::base::id::{AccountId, MailboxId};
use crate::domain::mailbox::SEPARATOR;
use crate::domain::people::{People, Person};
use crate::domain::search::{Found, Wanted, mail};
use crate::eas::answer::{Failure, common};
use crate::eas::folder::Content;
use crate::eas::ids;
use crate::eas::session::Session;
use crate::format::wbxml::{Element, Tag, Writer, tags::gal as g};
use crate::store::rows::collection::CollectionKind;
use crate::store::{self, Read};

/// Results in one answer (MS-ASCMD 2.2.3.143.3).
pub const RESULTS_MAX: usize = 100;
/// Results that can be leafed through in all; who has more of them asks another question.
pub const RESULTS_END: usize = 1_000;
/// How long a search may read what the index does not know yet. Phones give up after a minute.
const PATIENCE: Duration = Duration::from_secs(20);

/// Searches at once, of all phones: each costs a core, and more only make all of them late.
static TURNS: Semaphore = Semaphore::const_new(4);
/// The same of people, who are found in milliseconds and must not wait for mail.
static PEOPLE_TURNS: Semaphore = Semaphore::const_new(4);

/// Which results are wanted, both ends counted from 0 and inclusive; the first hundred if
/// nothing is said. `None` for what is no range.
pub fn range(options: Option<&Element>, tag: Tag) -> Option<Range<usize>> {
    let Some(text) = options.and_then(|options| options.text_of(tag)) else {
        return Some(0..RESULTS_MAX);
    };
    let (first, last) = text.trim().split_once('-')?;
    let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
    if first > last {
        return None;
    }
    Some(first..last.saturating_add(1).min(first.saturating_add(RESULTS_MAX)))
}

/// What is told of so many results.
pub fn page<T>(all: &[T], range: &Range<usize>) -> Range<usize> {
    let end = range.end.min(all.len());
    range.start.min(end)..end
}

/// Folders to look in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub mailboxes: Vec<MailboxId>,
    pub collections: Vec<(MailboxId, CollectionKind)>,
}

impl Places {
    /// Everything, or these folders, with those below them if `deep`. `None` if one of them is
    /// not there (any more).
    pub fn of<'t>(
        read: &impl Read,
        account: AccountId,
        named: impl Iterator<Item = &'t str>,
        deep: bool,
    ) -> store::Result<Option<Places>> {
        let mailboxes = read.mailboxes(account)?;
        let collections = read.collections(account)?;
        let named: Vec<&str> = named.collect();
        let mut places = Places::default();
        if named.is_empty() || named.contains(&ids::ROOT) {
            places.mailboxes = mailboxes.iter().map(|mailbox| mailbox.id).collect();
            places.collections = collections.iter().map(|row| (row.id, row.kind)).collect();
            return Ok(Some(places));
        }
        for name in named {
            if name == ids::OUTBOX {
                continue;
            }
            let Some(id) = ids::parse_collection(account, name) else { return Ok(None) };
            if let Some(row) = collections.iter().find(|row| row.id == id) {
                places.collections.push((row.id, row.kind));
                continue;
            }
            let Some(folder) = mailboxes.iter().find(|mailbox| mailbox.id == id) else {
                return Ok(None);
            };
            let prefix = format!("{}{SEPARATOR}", folder.name);
            let below = mailboxes.iter().filter(|it| deep && it.name.starts_with(&prefix));
            places.mailboxes.extend(below.map(|mailbox| mailbox.id));
            places.mailboxes.push(id);
        }
        places.mailboxes.sort_unstable();
        places.mailboxes.dedup();
        Ok(Some(places))
    }

    /// The collections of a class.
    pub fn of_class(&self, class: &str) -> impl Iterator<Item = (MailboxId, CollectionKind)> {
        let all = self.collections.iter().copied();
        all.filter(move |(_, kind)| Content::Items(*kind).class().eq_ignore_ascii_case(class))
    }
}

/// Looks for mail, on a thread of its own.
pub async fn find_mail(
    session: &Session,
    mailboxes: Vec<MailboxId>,
    wanted: Wanted,
) -> Result<Found, Failure> {
    let _turn = TURNS.acquire().await.map_err(|_| Failure::Busy(10))?;
    let store = session.store().clone();
    let deadline = Instant::now() + PATIENCE;
    let job = tokio::task::spawn_blocking(move || mail(&store, &mailboxes, &wanted, deadline));
    match job.await {
        Ok(found) => Ok(found?),
        Err(error) => {
            tracing::error!(%error, "a search panicked");
            Err(Failure::Common(common::SERVER_ERROR))
        }
    }
}

/// How many pictures of people go out, and how large they may be (MS-ASCMD 2.2.3.135).
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    pub max_size: Option<usize>,
    pub max_pictures: Option<usize>,
}

/// A question about the office's address list.
pub struct Asked {
    pub typed: String,
    /// Which of the results are told.
    pub range: Range<usize>,
    pub pictures: Option<Pictures>,
}

/// Looks people up in the office's address list and writes them, each within `result` and
/// `properties`. Which were told, and of how many.
pub async fn people(
    session: &Session,
    out: &mut Writer,
    asked: Asked,
    tags: (Tag, Tag),
) -> Result<(Range<usize>, usize), Failure> {
    let (front, mut writer) = (session.front.clone(), std::mem::take(out));
    let work = move || {
        let read = front.store.read();
        let list = People::of_office(&read, &front.books)?;
        let found = list.list(&asked.typed);
        let total = found.len().min(RESULTS_END);
        let page = page(found.get(..total).unwrap_or_default(), &asked.range);
        let told = found.get(page.clone()).unwrap_or_default();
        write_people(&mut writer, &read, told, asked.pictures, tags)?;
        Ok((writer, page, total))
    };
    let (writer, page, total) = apart(work).await?;
    *out = writer;
    Ok((page, total))
}

/// Does what may have to read every card of an address book on a thread of its own.
pub async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let _turn = PEOPLE_TURNS.acquire().await.map_err(|_| Failure::Busy(10))?;
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a search for people panicked");
        Err(Failure::Common(common::SERVER_ERROR))
    })
}

fn write_people(
    out: &mut Writer,
    read: &impl Read,
    people: &[&Person],
    pictures: Option<Pictures>,
    (result, properties): (Tag, Tag),
) -> Result<(), Failure> {
    let mut sent = 0;
    for person in people {
        out.open(result);
        out.open(properties);
        write_person(out, person);
        if let Some(pictures) = &pictures {
            let picture = person.photo(read)?;
            write_picture(out, picture.as_deref(), pictures, &mut sent);
        }
        out.close();
        out.close();
    }
    Ok(())
}

/// Whatever is known, in the schema's order (MS-ASCMD 2.2.3.135).
fn write_person(out: &mut Writer, person: &Person) {
    let details = &person.details;
    let name = if person.name.is_empty() { &person.address } else { &person.name };
    // A name's last word is the family's, as far as one can tell.
    let split = person.name.trim().rsplit_once(' ').unwrap_or_default();
    let (first, last) = match (details.first_name.as_str(), details.last_name.as_str()) {
        ("", "") => (split.0.trim(), split.1),
        given => given,
    };
    let properties = [
        (g::DISPLAY_NAME, name.as_str()),
        (g::PHONE, &details.phone),
        (g::OFFICE, &details.office),
        (g::TITLE, &details.title),
        (g::COMPANY, &details.company),
        (g::ALIAS, person.address.split('@').next().unwrap_or_default()),
        (g::FIRST_NAME, first),
        (g::LAST_NAME, last),
        (g::HOME_PHONE, &details.home_phone),
        (g::MOBILE_PHONE, &details.mobile),
        (g::EMAIL_ADDRESS, &person.address),
    ];
    for (tag, text) in properties.into_iter().filter(|(_, text)| !text.is_empty()) {
        out.text(tag, text);
    }
}

/// 1 with the picture, 173 without one, 174 too large, 175 too many (MS-ASCMD 2.2.3.177.13).
fn write_picture(out: &mut Writer, picture: Option<&[u8]>, wanted: &Pictures, sent: &mut usize) {
    let status = match picture {
        None => 173,
        Some(data) if wanted.max_size.is_some_and(|max| data.len() > max) => 174,
        Some(_) if wanted.max_pictures.is_some_and(|max| *sent >= max) => 175,
        Some(_) => 1,
    };
    out.open(g::PICTURE);
    out.number(g::STATUS, status);
    if let Some(data) = picture.filter(|_| status == 1) {
        *sent += 1;
        out.text(g::DATA, &STANDARD.encode(data));
    }
    out.close();
}
