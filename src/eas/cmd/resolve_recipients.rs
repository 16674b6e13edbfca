//! ResolveRecipients: whom a text means, and when they are free. MS-ASCMD 2.2.1.15.
//!
//! Certificates of others are not kept here, which is what the answer says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::id::AccountId;
use crate::domain::people::{self, People, Person, Source};
use crate::domain::{calendar, collection};
use crate::eas::answer::{Answer, Failure};
use crate::eas::finding;
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::ical::{BusyTime, busy_times, merged_free_busy, parse_date_time};
use crate::format::wbxml::{Element, Writer, tags::resolve_recipients as t};
use crate::store::rows::collection::CollectionKind;
use crate::store::{self, Read, Snapshot};

/// People asked for in one request, and characters of one (MS-ASCMD 3.1.5.10, 2.2.3.188.1).
const ASKED_MAX: usize = 100;
const TEXT_MAX: usize = 256;
/// Suggestions for one of them, where the phone does not say.
const SUGGESTED: usize = 19;
/// Members of a group whose times are merged (MS-ASCMD 2.2.3.105).
const MERGED_MAX: usize = 20;
/// 32 KiB of half hours (MS-ASCMD 2.2.3.105).
const LONGEST_SECS: i64 = 32 * 1024 * 30 * 60;

/// Of the whole: something is out of range.
const PROTOCOL_ERROR: u16 = 5;
/// Of one text (MS-ASCMD 2.2.3.177.12).
const RESOLVED: u16 = 1;
const AMBIGUOUS: u16 = 2;
const AMBIGUOUS_IN_PART: u16 = 3;
const UNRESOLVED: u16 = 4;
/// Of certificates, availability and pictures.
const SUCCESS: u16 = 1;
const NO_CERTIFICATE: u16 = 7;
const LARGE_GROUP: u16 = 161;
const NO_DATA: u16 = 163;
const NO_PICTURE: u16 = 173;
const LARGE_PICTURE: u16 = 174;
const ENOUGH_PICTURES: u16 = 175;

/// What is to be told of each.
struct Wanted {
    suggestions: usize,
    certificates: bool,
    availability: Option<(Timestamp, Timestamp)>,
    pictures: Option<Pictures>,
}

struct Pictures {
    max_size: usize,
    left: usize,
}

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    finding::apart(move || answer(&session)).await
}

fn answer(session: &Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let asked: Vec<&str> = request.all(t::TO).map(Element::text).collect();
    let too_long = asked.iter().any(|text| text.chars().count() > TEXT_MAX);
    if asked.is_empty() || asked.len() > ASKED_MAX || too_long {
        return Err(Failure::Status(PROTOCOL_ERROR));
    }
    let mut wanted = Wanted::read(session, request.child(t::OPTIONS))?;
    let read = session.read();
    let people = People::read(&read, &session.front.books, session.account.id)?;
    let zone = &session.front.settings.zone;
    let mut out = Writer::new();
    out.open(t::RESOLVE_RECIPIENTS);
    out.number(t::STATUS, SUCCESS);
    for text in asked {
        write(&mut out, &read, zone, text, &people.find(text), &mut wanted)?;
    }
    out.close();
    Ok(out.into())
}

impl Wanted {
    fn read(session: &Session, options: Option<&Element>) -> Result<Wanted, Failure> {
        let number = |of: Option<&Element>, tag| of.and_then(|of| of.parse_of::<usize>(tag));
        let availability = options
            .and_then(|options| options.child(t::AVAILABILITY))
            .filter(|_| session.version >= Version::V14_0);
        let pictures = options
            .and_then(|options| options.child(t::PICTURE))
            .filter(|_| session.version >= Version::V14_1);
        let certificates = number(options, t::CERTIFICATE_RETRIEVAL);
        Ok(Wanted {
            suggestions: number(options, t::MAX_AMBIGUOUS_RECIPIENTS).unwrap_or(SUGGESTED),
            certificates: certificates.is_some_and(|kind| kind > 1),
            availability: availability.map(times).transpose()?,
            pictures: pictures.map(|pictures| Pictures {
                max_size: number(Some(pictures), t::MAX_SIZE).unwrap_or(usize::MAX),
                left: number(Some(pictures), t::MAX_PICTURES).unwrap_or(usize::MAX),
            }),
        })
    }
}

fn times(availability: &Element) -> Result<(Timestamp, Timestamp), Failure> {
    let time = |tag| {
        let (at, _) = parse_date_time(availability.text_of(tag)?)?;
        TimeZone::UTC.to_timestamp(at).ok()
    };
    let span = time(t::START_TIME).zip(time(t::END_TIME));
    // Less than half an hour is no answer's worth (MS-ASCMD 2.2.3.61.2).
    span.filter(|(from, to)| {
        let seconds = to.as_second() - from.as_second();
        (30 * 60..=LONGEST_SECS).contains(&seconds)
    })
    .ok_or(Failure::Status(PROTOCOL_ERROR))
}

fn write(
    out: &mut Writer,
    read: &Snapshot,
    zone: &TimeZone,
    text: &str,
    found: &[&Person],
    wanted: &mut Wanted,
) -> Result<(), Failure> {
    let told = match found {
        [_] => 1,
        all => all.len().min(wanted.suggestions),
    };
    let status = match found.len() {
        0 => UNRESOLVED,
        1 => RESOLVED,
        all if all > told => AMBIGUOUS_IN_PART,
        _ => AMBIGUOUS,
    };
    out.open(t::RESPONSE);
    out.text(t::TO, text);
    out.number(t::STATUS, status);
    if status != UNRESOLVED {
        out.number(t::RECIPIENT_COUNT, found.len());
    }
    for person in found.iter().take(told) {
        out.open(t::RECIPIENT);
        out.number(t::TYPE, if person.source == Source::Contacts { 2 } else { 1 });
        out.text(t::DISPLAY_NAME, &person.name);
        out.text(t::EMAIL_ADDRESS, &person.address);
        if let Some(span) = wanted.availability.filter(|_| status == RESOLVED) {
            write_availability(out, read, zone, person, span)?;
        }
        if wanted.certificates {
            out.open(t::CERTIFICATES);
            out.number(t::STATUS, NO_CERTIFICATE);
            out.number(t::CERTIFICATE_COUNT, 0);
            out.close();
        }
        if let Some(pictures) = &mut wanted.pictures {
            write_picture(out, read, person, pictures)?;
        }
        out.close();
    }
    out.close();
    Ok(())
}

fn write_availability(
    out: &mut Writer,
    read: &Snapshot,
    zone: &TimeZone,
    person: &Person,
    (from, to): (Timestamp, Timestamp),
) -> Result<(), Failure> {
    let accounts = people::accounts(read, &person.address)?;
    out.open(t::AVAILABILITY);
    if accounts.is_empty() {
        out.number(t::STATUS, NO_DATA);
    } else if accounts.len() > MERGED_MAX {
        out.number(t::STATUS, LARGE_GROUP);
    } else {
        let mut busy = Vec::new();
        for account in accounts {
            add_busy(read, zone, account, (from, to), &mut busy)?;
        }
        out.number(t::STATUS, SUCCESS);
        out.text(t::MERGED_FREE_BUSY, &merged_free_busy(&busy, from, to));
    }
    out.close();
    Ok(())
}

/// When an account's owner is not free, by the calendar that invitations go to. `zone` is the
/// office's.
fn add_busy(
    read: &Snapshot,
    zone: &TimeZone,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    busy: &mut Vec<BusyTime>,
) -> Result<(), store::Error> {
    let own = read.account(account)?.and_then(|row| calendar::own_zone(&row));
    let zone = own.as_ref().unwrap_or(zone);
    let Ok(calendar) = collection::default(read, account, CollectionKind::Calendar) else {
        return Ok(());
    };
    let inside = |from_at: i64, until: i64| from_at < to.as_second() && until > from.as_second();
    for item in read.items(calendar.id)?.into_iter().filter(|item| inside(item.from, item.until)) {
        if let Some(text) = read.item_text(calendar.id, item.uid)? {
            busy.extend(busy_times(&String::from_utf8_lossy(&text), zone, from, to));
        }
    }
    Ok(())
}

fn write_picture(
    out: &mut Writer,
    read: &Snapshot,
    person: &Person,
    wanted: &mut Pictures,
) -> Result<(), Failure> {
    let picture = person.photo(read)?;
    let status = match &picture {
        None => NO_PICTURE,
        Some(picture) if picture.len() > wanted.max_size => LARGE_PICTURE,
        Some(_) if wanted.left == 0 => ENOUGH_PICTURES,
        Some(_) => SUCCESS,
    };
    out.open(t::PICTURE);
    out.number(t::STATUS, status);
    if let Some(picture) = picture.filter(|_| status == SUCCESS) {
        wanted.left -= 1;
        out.text(t::DATA, &STANDARD.encode(picture));
    }
    out.close();
    Ok(())
}
